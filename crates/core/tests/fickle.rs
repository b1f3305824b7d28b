//! A server that tells the right time and something else about itself each time.

use std::net::SocketAddr;

use truechimer_core::event::Event;
use truechimer_core::moment::{Moment, Stamp, StampedBy};
use truechimer_core::node::{Action, Birth, Input, Node};
use truechimer_core::policy::{ClockPolicy, Policy, Rhythm, SourcePolicy, TrustPolicy};
use truechimer_core::server::ntp::{Served, answer};
use truechimer_core::status::Status;
use truechimer_core::wire::ntp::Leap;
use truechimer_time::{LeapTable, NtpPrecision, Rate, Span, Time};

/// 2026-12-31, noon: an announced leap second would be taken at midnight, if anybody believed in it.
const START: i64 = 1_798_718_400;

/// The fourth of four flips its leap indicator, its stratum and its reference with each answer.
#[test]
fn bad_input_141_a_server_that_changes_what_it_says_of_itself_changes_nothing_here() {
    let mut lab = Lab::new();
    lab.run(600);
    lab.is_fickle = true;
    lab.told.clear();
    lab.run(86_400);
    let answered = lab.answers;
    assert!(answered > 100, "it is heard: {answered} times");
    let count = |is_it: fn(&Event) -> bool| lab.told.iter().filter(|event| is_it(event)).count();
    let votes = count(|event| matches!(event, Event::Selected { .. } | Event::Unselected(_)));
    // Whatever is said at strata of 0 and 16 is no time; the vote is lost and found, and not at each answer.
    assert!(votes < answered / 4, "{votes} changes of the vote for {answered} answers");
    assert_eq!(count(|event| matches!(event, Event::Leapt { .. } | Event::Stepped { .. })), 0);
    assert_eq!(count(|event| matches!(event, Event::StatusChanged { .. })), 0);
    let report = lab.node.report(&moment(lab.seconds));
    assert_eq!((report.status, report.tai_minus_utc), (Status::Synchronised, Some(37)));
    assert!(report.served.leap == Leap::None && report.served.stratum == 3, "{:?}", report.served);
    assert!(report.offset.abs() < Span::from_millis(1), "{}", report.offset);
}

/// A node and its four servers, who answer at once.
struct Lab {
    node: Node,
    seconds: i64,
    is_fickle: bool,
    /// How often the fickle one has answered.
    answers: usize,
    told: Vec<Event>,
}

impl Lab {
    fn new() -> Self {
        let source = |index: u8| SourcePolicy {
            name: format!("server{index}"),
            address: Some(SocketAddr::from(([192, 0, 2, index], 123))),
            operator: format!("operator{index}"),
            min_interval: Span::from_secs(16),
            max_interval: Span::from_secs(64),
            burst: 4,
            prefer: false,
            trust: false,
            key: None,
            reference: None,
            nts: false,
            pool: None,
            require: false,
            interleaved: false,
        };
        let policy = Policy {
            sources: (0..4).map(source).collect(),
            accuracy: None,
            rhythm: Rhythm::Adaptive,
            clock: ClockPolicy::default(),
            trust: TrustPolicy::default(),
            watch: Span::from_secs(16),
        };
        let birth = Birth {
            policy,
            seed: [7; 32],
            leaps: LeapTable::COMPILED,
            learned: None,
            floor: Time::from_epoch(Span::from_secs(START - 1000)),
            rate: Rate::ZERO,
        };
        let node = Node::new(birth, &moment(0));
        Self { node, seconds: 0, is_fickle: false, answers: 0, told: Vec::new() }
    }

    fn run(&mut self, seconds: i64) {
        for _ in 0..seconds {
            let mut inputs = vec![Input::Wake];
            while let Some(input) = inputs.pop() {
                self.node.handle(&moment(self.seconds), input);
                while let Some(action) = self.node.poll() {
                    inputs.splice(0..0, self.act(action));
                }
            }
            self.seconds += 1;
        }
    }

    /// Does what the node wants. What comes of it is in reverse order.
    fn act(&mut self, action: Action) -> Vec<Input> {
        let at = Stamp { at: moment(self.seconds).raw, by: StampedBy::Program };
        match action {
            Action::Agree { .. } => panic!("nobody is asked by NTS here"),
            Action::Read(_) | Action::Resolve(_) => panic!("there are addresses, and nothing else"),
            Action::Send { exchange, to, datagram } => {
                let is_fickle = self.is_fickle && to.ip() == std::net::IpAddr::from([192, 0, 2, 3]);
                let datagram = self.answer(is_fickle, &datagram);
                vec![Input::Heard { exchange, from: to, at, datagram }, Input::Sent { exchange, at }]
            }
            Action::Tell(event) => {
                self.told.push(event);
                vec![]
            }
            Action::Steer(command) => vec![Input::Steered { command, outcome: Ok(Rate::ZERO) }],
            Action::Close(_) | Action::Publish(_) => vec![],
        }
    }

    fn answer(&mut self, is_fickle: bool, question: &[u8]) -> Vec<u8> {
        let now = Time::from_epoch(Span::from_secs(START + self.seconds));
        let served = Served {
            synchronised: true,
            leap: Leap::None,
            stratum: 2,
            precision: NtpPrecision { log2_seconds: -20 },
            reference_id: *b"TEST",
            reference: now,
            root_delay: Span::ZERO,
            root_dispersion: Span::from_millis(1),
        };
        let mut answer = answer(question, now, now, &served).expect("an answer").to_vec();
        if is_fickle {
            self.answers += 1;
            let turn = self.answers as u8;
            answer[0] = answer[0] & 0x3f | turn << 6;
            answer[1] = turn % 17;
            answer[12..16].copy_from_slice(&[turn; 4]);
        }
        answer
    }
}

fn moment(seconds: i64) -> Moment {
    let passed = Span::from_secs(seconds);
    Moment {
        raw: Time::EPOCH + passed,
        mono: Time::EPOCH + passed,
        local: Time::from_epoch(Span::from_secs(START)) + passed,
        asleep: Span::ZERO,
        width: Span::ZERO,
    }
}

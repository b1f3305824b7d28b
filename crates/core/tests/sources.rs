//! Sources that come and go, driven as the daemon drives them, without any clock but the test's own.

use std::net::SocketAddr;

use truechimer_core::event::Event;
use truechimer_core::moment::{Moment, Stamp, StampedBy};
use truechimer_core::node::{Action, Birth, Input, Node};
use truechimer_core::policy::{ClockPolicy, Policy, Rhythm, SourcePolicy, TrustPolicy};
use truechimer_core::server::ntp::{Served, answer};
use truechimer_core::wire::ntp::Leap;
use truechimer_time::{LeapTable, NtpPrecision, Rate, Span, Time};

/// 2026-01-01, on a clock that is right.
const START: i64 = 1_767_225_600;

#[test]
fn names_that_are_gone_do_not_block_the_majority_of_those_that_answer() {
    let mut lab = Lab::new(4, |_| {});
    lab.run(120, |_| true);
    lab.run(20_000, |source| source < 2);
    let updates = lab.updates;
    lab.run(200, |source| source < 2);
    assert!(lab.updates > updates, "two of two that are alive");
}

#[test]
fn a_name_is_looked_up_again_when_all_its_addresses_are_dead() {
    let mut lab = Lab::new(4, |_| {});
    lab.run(120, |_| true);
    let before = lab.lookups;
    lab.run(40_000, |source| source != 3);
    assert!(lab.lookups > before, "{before} lookups in all");
}

/// Three of five are honest. After an outage the two liars are heard first.
#[test]
fn those_who_are_heard_first_after_an_outage_do_not_decide_alone() {
    let mut lab = Lab::new(5, |_| {});
    lab.lies = Span::from_secs(2);
    lab.run(2_000, |_| true);
    lab.run(20_000, |_| false);
    let updates = lab.updates;
    lab.run(120, |source| source >= 3);
    assert_eq!(lab.updates, updates, "two of five are no majority");
    lab.run(600, |_| true);
    assert!(lab.updates > updates, "three are");
}

#[test]
fn a_required_source_that_keeps_silent_is_missed() {
    let mut lab = Lab::new(4, |policy| policy.sources[3].require = true);
    lab.run(60, |source| source != 3);
    assert_eq!(lab.updates, 0);
    lab.run(600, |_| true);
    assert!(lab.updates > 0);
}

/// A node with sources of two addresses each; those from the fourth on lie.
struct Lab {
    node: Node,
    seconds: i64,
    lies: Span,
    lookups: usize,
    updates: usize,
}

impl Lab {
    fn new(sources: usize, change: impl Fn(&mut Policy)) -> Self {
        let source = |index: usize| SourcePolicy {
            name: format!("server{index}"),
            address: None,
            operator: format!("operator{index}"),
            min_interval: Span::from_secs(16),
            max_interval: Span::from_secs(64),
            burst: 4,
            prefer: false,
            trust: false,
            require: false,
        };
        let mut policy = Policy {
            sources: (0..sources).map(source).collect(),
            accuracy: None,
            rhythm: Rhythm::Adaptive,
            clock: ClockPolicy::default(),
            trust: TrustPolicy::default(),
            watch: Span::from_secs(16),
        };
        change(&mut policy);
        let birth = Birth {
            policy,
            seed: [7; 32],
            leaps: LeapTable::COMPILED,
            learned: None,
            floor: Time::from_epoch(Span::from_secs(START - 1000)),
            rate: Rate::ZERO,
        };
        let node = Node::new(birth, &moment(0));
        Self { node, seconds: 0, lies: Span::ZERO, lookups: 0, updates: 0 }
    }

    /// So many seconds, in which those sources answer at once.
    fn run(&mut self, seconds: i64, answers: impl Fn(usize) -> bool) {
        for _ in 0..seconds {
            self.tell(Input::Wake, &answers);
            self.seconds += 1;
        }
    }

    fn tell(&mut self, input: Input, answers: &impl Fn(usize) -> bool) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            self.node.handle(&moment(self.seconds), input);
            while let Some(action) = self.node.poll() {
                inputs.splice(0..0, self.act(action, answers));
            }
        }
    }

    /// Does what the node wants. What comes of it is in reverse order.
    fn act(&mut self, action: Action, answers: &impl Fn(usize) -> bool) -> Vec<Input> {
        let at = Stamp { at: moment(self.seconds).raw, by: StampedBy::Program };
        match action {
            Action::Resolve(source) => {
                self.lookups += 1;
                let addresses = [1, 2].map(|host| SocketAddr::from(([192, 0, host, source.0], 123)));
                vec![Input::Resolved { source, addresses: addresses.to_vec() }]
            }
            Action::Send { exchange, to, datagram } => {
                let SocketAddr::V4(v4) = to else { unreachable!("it has IPv4 only") };
                let source = usize::from(v4.ip().octets()[3]);
                let heard = answers(source).then(|| self.answer(source, &datagram));
                let heard = heard.map(|datagram| Input::Heard { exchange, from: to, at, datagram });
                heard.into_iter().chain([Input::Sent { exchange, at }]).collect()
            }
            Action::Tell(Event::Updated(_)) => {
                self.updates += 1;
                vec![]
            }
            Action::Steer(command) => vec![Input::Steered { command, outcome: Ok(Rate::ZERO) }],
            Action::Close(_) | Action::Publish(_) | Action::Tell(_) => vec![],
        }
    }

    fn answer(&self, source: usize, question: &[u8]) -> Vec<u8> {
        let lie = if source >= 3 { self.lies } else { Span::ZERO };
        let now = Time::from_epoch(Span::from_secs(START + self.seconds)) + lie;
        let served = Served {
            synchronised: true,
            leap: Leap::None,
            stratum: 1,
            precision: NtpPrecision { log2_seconds: -20 },
            reference_id: *b"TEST",
            reference: now,
            root_delay: Span::ZERO,
            root_dispersion: Span::from_millis(1),
        };
        answer(question, now, now, &served).expect("an answer").to_vec()
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

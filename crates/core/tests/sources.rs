//! Sources that come and go, driven as the daemon drives them, without any clock but the test's own.

use std::net::{IpAddr, SocketAddr};

use truechimer_core::discipline::select::NoMajority;
use truechimer_core::event::Event;
use truechimer_core::measure::exchange::Here;
use truechimer_core::moment::{Moment, Stamp, StampedBy};
use truechimer_core::node::report::Standing;
use truechimer_core::node::{Action, Birth, Input, Node};
use truechimer_core::policy::{ClockPolicy, Policy, Rhythm, SourcePolicy, TrustPolicy};
use truechimer_core::server::ntp::{Served, answer};
use truechimer_core::source::SourceId;
use truechimer_core::status::Status;
use truechimer_core::wire::ntp::{Leap, reference_id_of};
use truechimer_time::{LeapTable, NtpPrecision, Rate, Span, Time};

/// 2026-01-01, on a clock that is right.
const START: i64 = 1_767_225_600;

/// Who can silence two of four would decide otherwise. It is said what to do.
#[test]
fn the_dead_count_when_a_majority_is_reckoned() {
    let mut lab = Lab::new(4, |_| {});
    lab.run(120, |_| true);
    lab.run(20_000, |source| source != 3);
    assert!(lab.votes_in(200, |source| source != 3) > 0, "three of four are a majority");
    lab.run(20_000, |source| source < 2);
    assert_eq!(lab.votes_in(2000, |source| source < 2), 0, "two of four are none");
    let too_few = NoMajority::TooFew { agree: 2, needed: 3, speak: 2, operators: 4 };
    assert!(lab.told.contains(&Event::Unselected(too_few)));
}

#[test]
fn fewer_decide_where_the_operator_says_so() {
    let mut lab = Lab::new(4, |policy| policy.trust.min_operators = Some(2));
    lab.run(120, |_| true);
    lab.run(20_000, |source| source < 2);
    assert!(lab.votes_in(200, |source| source < 2) > 0, "two of two that are alive");
    lab.run(20_000, |source| source < 1);
    assert_eq!(lab.votes_in(2000, |source| source < 1), 0, "never fewer than two");
}

/// Three of five are honest. Whoever silences them leaves two liars who agree.
#[test]
fn liars_do_not_decide_when_the_honest_are_silenced() {
    let mut lab = Lab::new(5, |_| {});
    lab.lies = Span::from_secs(2);
    lab.run(2_000, |_| true);
    lab.run(20_000, |source| source >= 3);
    assert_eq!(lab.votes_in(2000, |source| source >= 3), 0);
    assert_eq!(lab.node.status(), Status::Holdover);
}

#[test]
fn a_name_that_never_had_an_address_is_missed_and_that_is_told() {
    let mut lab = Lab::new(3, |_| {});
    lab.nameless = 0b110;
    lab.run(600, |_| true);
    assert_eq!(lab.updates, 0, "one of three");
    let too_few = NoMajority::TooFew { agree: 1, needed: 2, speak: 1, operators: 3 };
    assert!(lab.told.contains(&Event::Unselected(too_few)));
    assert_eq!(lab.standing(1), Standing::NotFound);
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

/// While a trusted source may still answer, nobody decides in its stead; once it is dead, the others do, and that is
/// told.
#[test]
fn a_trusted_source_that_is_dead_is_not_missed_in_silence() {
    let mut lab = Lab::new(4, |policy| policy.sources[3].trust = true);
    assert_eq!(lab.votes_in(30, |source| source != 3), 0, "it may come");
    assert!(lab.votes_in(1000, |source| source != 3) > 0, "it is dead");
    let without = |event: &Event| matches!(event, Event::Selected { without_trusted: true, .. });
    assert!(lab.told.iter().any(without));
    lab.lies = Span::from_secs(2);
    lab.run(600, |_| true);
    assert_eq!([0, 3].map(|source| lab.standing(source).word()), ["falseticker", "truechimer"]);
}

#[test]
fn a_falseticker_comes_back_after_three_agreeing_answers() {
    let mut lab = Lab::new(4, |_| {});
    lab.lies = Span::from_secs(2);
    lab.run(300, |_| true);
    let Standing::Falseticker { by } = lab.standing(3) else { panic!("{:?}", lab.standing(3)) };
    assert!((by - Span::from_secs(2)).abs() < Span::from_millis(20), "{by} ahead of the others");
    lab.lies = Span::ZERO;
    let mut seen = vec!["falseticker"];
    for _ in 0..400 {
        lab.run(1, |_| true);
        let word = lab.standing(3).word();
        if seen.last() != Some(&word) {
            seen.push(word);
        }
    }
    assert_eq!(seen, ["falseticker", "on probation", "truechimer"]);
}

/// If all servers are one operator's, they can still outvote one of themselves.
#[test]
fn the_servers_of_a_single_operator_vote_each_for_itself() {
    let mut lab = Lab::new(4, |policy| policy.sources.iter_mut().for_each(|s| s.operator = "we".into()));
    lab.lies = Span::from_secs(2);
    lab.run(300, |_| true);
    assert_eq!([0, 3].map(|source| lab.standing(source).word()), ["truechimer", "falseticker"]);
    lab.run(20_000, |source| source == 0);
    assert_eq!(lab.votes_in(2_000, |source| source == 0), 0, "one of four");
}

#[test]
fn two_names_of_one_server_are_one_source() {
    let mut lab = Lab::new(4, |_| {});
    lab.twin = Some((2, 1));
    lab.run(300, |_| true);
    assert_eq!(lab.standing(2), Standing::SameServer { of: SourceId(1) });
    assert_eq!(lab.told.iter().filter(|event| matches!(event, Event::SameServer { .. })).count(), 1);
    assert!(lab.updates > 0, "three of four are left");
    lab.twin = None;
    lab.run(7200, |_| true);
    assert_eq!(lab.standing(2), Standing::Truechimer, "its name leads elsewhere now");
}

/// The names of a pool lead to servers that they share.
#[test]
fn a_name_takes_that_of_its_addresses_at_which_nobody_else_is() {
    let mut lab = Lab::new(4, |_| {});
    lab.shared = Some(2);
    lab.run(300, |_| true);
    assert_eq!(lab.standing(2), Standing::Truechimer);
    assert!(!lab.told.iter().any(|event| matches!(event, Event::SameServer { .. })));
}

#[test]
fn bad_input_142_a_server_that_has_its_time_from_us_is_excluded() {
    for here in ["192.0.2.99", "2001:db8::99"].map(|text| text.parse::<IpAddr>().expect("an address")) {
        let mut lab = Lab::new(4, |_| {});
        lab.here = Some(Here { address: here, is_own_server: false });
        lab.run(300, |_| true);
        assert_eq!(lab.standing(2), Standing::Truechimer);
        lab.follower = Some(2);
        lab.run(300, |_| true);
        assert_eq!(lab.standing(2), Standing::Loop);
        assert_eq!(lab.told.iter().filter(|event| matches!(event, Event::Loops { .. })).count(), 1);
        lab.follower = None;
        lab.run(300, |_| true);
        assert_eq!(lab.standing(2), Standing::Truechimer);
    }
}

#[test]
fn bad_input_142_our_own_server_tells_us_nothing() {
    let mut lab = Lab::new(1, |_| {});
    lab.here = Some(Here { address: IpAddr::from([192, 0, 2, 99]), is_own_server: true });
    lab.run(300, |_| true);
    assert_eq!((lab.updates, lab.standing(0)), (0, Standing::Loop));
}

/// A node with sources of two addresses each; those from the fourth on lie.
struct Lab {
    node: Node,
    seconds: i64,
    lies: Span,
    /// Sources whose names have no address, a bit each.
    nameless: u8,
    /// The first of these has the name of the second.
    twin: Option<(u8, u8)>,
    /// To the addresses of this one belong those of the one before, and they come first.
    shared: Option<u8>,
    /// This one has its time from us.
    follower: Option<usize>,
    here: Option<Here>,
    lookups: usize,
    updates: usize,
    told: Vec<Event>,
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
            key: None,
            nts: false,
            interleaved: false,
            reference: None,
            pool: None,
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
        Self {
            node,
            seconds: 0,
            lies: Span::ZERO,
            nameless: 0,
            twin: None,
            shared: None,
            follower: None,
            here: None,
            lookups: 0,
            updates: 0,
            told: Vec::new(),
        }
    }

    fn votes_in(&mut self, seconds: i64, answers: impl Fn(usize) -> bool) -> usize {
        let before = self.updates;
        self.run(seconds, answers);
        self.updates - before
    }

    fn standing(&self, source: usize) -> Standing {
        self.node.report(&moment(self.seconds)).sources[source].standing
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
            Action::Read(_) | Action::Agree { .. } => panic!("there are servers without NTS alone here"),
            Action::Resolve(source) => {
                self.lookups += 1;
                let name = self.twin.filter(|&(twin, _)| twin == source.0).map_or(source.0, |(_, of)| of);
                let addresses = [1, 2].map(|host| SocketAddr::from(([192, 0, host, name], 123)));
                // A twin has but one address, so that no other is free.
                let addresses = match (self.nameless >> source.0 & 1 == 1, name == source.0) {
                    (true, _) => vec![],
                    (false, true) => addresses.to_vec(),
                    (false, false) => addresses[..1].to_vec(),
                };
                let shared = self.shared.filter(|&shared| shared == source.0).map(|shared| shared - 1);
                let of_other = shared.map(|other| SocketAddr::from(([192, 0, 1, other], 123)));
                let addresses = of_other.into_iter().chain(addresses).collect();
                vec![Input::Resolved { source, addresses }]
            }
            Action::Send { exchange, to, datagram } => {
                let SocketAddr::V4(v4) = to else { unreachable!("it has IPv4 only") };
                let source = usize::from(v4.ip().octets()[3]);
                let heard = answers(source).then(|| self.answer(source, &datagram));
                let heard = heard.map(|datagram| Input::Heard { exchange, from: to, at, datagram });
                let here = self.here.map(|here| Input::Here { exchange, here });
                heard.into_iter().chain([Input::Sent { exchange, at }]).chain(here).collect()
            }
            Action::Tell(Event::Updated(_)) => {
                self.updates += 1;
                vec![]
            }
            Action::Tell(event) => {
                self.told.push(event);
                vec![]
            }
            Action::Steer(command) => vec![Input::Steered { command, outcome: Ok(Rate::ZERO) }],
            Action::Close(_) | Action::Publish(_) => vec![],
        }
    }

    fn answer(&self, source: usize, question: &[u8]) -> Vec<u8> {
        let lie = if source >= 3 { self.lies } else { Span::ZERO };
        let now = Time::from_epoch(Span::from_secs(START + self.seconds)) + lie;
        let loops = self.here.filter(|_| self.follower == Some(source));
        let served = Served {
            synchronised: true,
            leap: Leap::None,
            stratum: 2,
            precision: NtpPrecision { log2_seconds: -20 },
            reference_id: loops.map_or(*b"TEST", |here| reference_id_of(here.address)),
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

use super::*;
use crate::discipline::bracket::Bracket;
use crate::discipline::model::Model;
use crate::discipline::oscillator::RateLimits;
use crate::server::access::AllowList;
use crate::server::clients::RateRule;
use crate::server::desk::Policy;
use crate::server::dial::Dial;
use crate::server::ntp::Served;
use crate::wire::taiclock::Question as Asks;
use proptest::prelude::*;
use std::vec::Vec;
use truechimer_time::{LeapTable, Rate, Span, Tai};

const AT: Time<Raw> = Time::from_epoch(Span::from_secs(1_000));
const TAI: Time<Tai> = Time::from_epoch(Span::from_millis(1_800_000_000_250));
const BOUND: Span = Span::from_millis(1);

/// A desk, and what is told at it.
struct Scene {
    desk: Desk,
    policy: Policy,
    dial: Dial,
    to_many: bool,
}

impl Scene {
    fn new() -> Self {
        Self::within(Span::from_secs(1))
    }

    /// It knows the time within a millisecond, and tells it while that is below a limit.
    fn within(limit: Span) -> Self {
        let rate = Rate::from_ppb(20_000);
        let model = Model {
            best: TAI,
            rate,
            bracket: Bracket { at: AT, earliest: TAI - BOUND, latest: TAI + BOUND },
            limits: RateLimits::around(rate, Rate::from_ppb(15_000)),
            sigma: Span::ZERO,
            rate_sigma: Rate::ZERO,
            wander: Rate::ZERO,
        };
        let served = Served::of_reference_clock(*b"TEST", BOUND, Time::EPOCH);
        let dial = Dial::of_model(&model, &LeapTable::COMPILED, AT, served, limit);
        let everybody = ["0.0.0.0/0", "::/0"].map(|prefix| prefix.parse().unwrap());
        let denied = ["203.0.113.0/24".parse().unwrap()];
        let rate = RateRule { interval: Span::from_secs(1), burst: 8 };
        let policy = Policy {
            allowed: AllowList::new(&everybody, &denied).unwrap(),
            rate: Some(rate),
            ..Policy::default()
        };
        Self { desk: Desk::new(64, [7; 32]), policy, dial, to_many: false }
    }

    fn ask(&mut self, protocol: Protocol, from: &str, bytes: &[u8], millis: i64) -> Result<Vec<u8>, Silence> {
        let at = AT + Span::from_millis(millis);
        self.desk.begin(Time::from_epoch(Span::from_millis(millis)), &self.policy);
        let telling = Telling::at(at, &self.dial, &self.policy);
        let (from, to_many) = (from.parse().expect(from), self.to_many);
        let question = Question { bytes, from, received: at, leaves: at, to_many };
        let mut reply = [0; DATAGRAM_MAX];
        let answer = self.desk.answer_by(protocol, &question, &telling, &mut reply)?;
        assert_eq!(answer.wanted, None);
        Ok(reply[..answer.len].to_vec())
    }

    fn connect(&mut self, from: &str) -> Result<Value, Silence> {
        self.desk.begin(Time::EPOCH, &self.policy);
        let telling = Telling::at(AT, &self.dial, &self.policy);
        self.desk.tell_connected(from.parse().expect(from), AT, &telling)
    }
}

const CLIENT: &str = "198.51.100.7:40000";

fn value() -> Value {
    Value::of(LeapTable::COMPILED.utc_of_tai(TAI).time)
}

#[test]
fn taiclock_is_told_tai_to_the_nanosecond() {
    let (mut scene, asks) = (Scene::new(), Asks::new(*b"unguessable!"));
    let told = scene.ask(Protocol::Taiclock, CLIENT, asks.bytes(), 10_000).unwrap();
    let expected = TAI + Span::from_secs(10) + Span::from_micros(200);
    assert!((asks.read(&told).unwrap() - expected).abs() < Span::from_nanos(1));
    let counters = *scene.desk.counters();
    assert_eq!((counters.answered, counters.taiclock, counters.time), (1, 1, 0));
}

#[test]
fn time_is_told_what_ntp_is_told_in_whole_seconds() {
    let mut scene = Scene::new();
    assert_eq!(scene.ask(Protocol::Time, CLIENT, b"", 0).unwrap(), value().bytes());
    assert_eq!(scene.connect("[2001:db8::1]:50000"), Ok(value()));
    assert_eq!((scene.desk.counters().answered, scene.desk.counters().time), (2, 2));
    assert_eq!(scene.desk.clients().map(|client| client.asked).sum::<u32>(), 2);
}

#[test]
fn bad_input_73_who_does_not_know_the_time_says_nothing() {
    let mut scene = Scene::within(BOUND - Span::from_nanos(1));
    let asks = Asks::new(*b"unguessable!");
    let silent = Err(Silence::Unsynchronised);
    assert_eq!(scene.ask(Protocol::Taiclock, CLIENT, asks.bytes(), 0), silent);
    assert_eq!(scene.ask(Protocol::Time, CLIENT, b"", 0), silent);
    assert_eq!(scene.connect(CLIENT), Err(Silence::Unsynchronised));
    assert_eq!(scene.desk.counters().silent[Silence::Unsynchronised.index()], 3);
    // The bound is 1 ms and grows by 15 us a second.
    let mut later = Scene::within(BOUND + Span::from_micros(300));
    assert!(later.ask(Protocol::Taiclock, CLIENT, asks.bytes(), 10_000).is_ok());
    assert_eq!(later.ask(Protocol::Taiclock, CLIENT, asks.bytes(), 30_000), silent);
}

#[test]
fn they_have_the_list_and_the_limit_of_ntp() {
    let (mut scene, asks) = (Scene::new(), Asks::new(*b"unguessable!"));
    for from in ["203.0.113.7:40000", "198.51.100.7:0", "224.0.0.1:4000"] {
        let not_served =
            |silence| matches!(silence, Silence::NotAllowed | Silence::PortZero | Silence::NotAHost);
        assert!(scene.ask(Protocol::Taiclock, from, asks.bytes(), 0).is_err_and(not_served), "{from}");
        assert!(scene.ask(Protocol::Time, from, b"", 0).is_err_and(not_served), "{from}");
        assert!(scene.connect(from).is_err_and(not_served), "{from}");
    }
    assert_eq!(scene.desk.clients().count(), 0);
    let answered =
        (0..100).filter(|_| scene.ask(Protocol::Taiclock, CLIENT, asks.bytes(), 0).is_ok()).count();
    let leaked = scene.desk.counters().leaked as usize;
    assert_eq!(answered, 8 + leaked);
    assert!((10..40).contains(&leaked), "{leaked}");
    let connected = (0..100).filter(|_| scene.connect(CLIENT).is_ok()).count();
    assert!(connected < 40, "what was asked by one protocol counts for the other: {connected}");
    scene.to_many = true;
    assert_eq!(scene.ask(Protocol::Taiclock, CLIENT, asks.bytes(), 0), Err(Silence::ToMany));
    assert_eq!(scene.ask(Protocol::Time, CLIENT, b"", 0), Err(Silence::ToMany));
}

#[test]
fn bad_inputs_84_85_86_time_by_udp_floods_nobody_and_never_goes_on() {
    let mut scene = Scene::new();
    for port in [7, 13, 19, 37, 123, 1023] {
        let from = std::format!("192.0.2.1:{port}");
        assert_eq!(scene.ask(Protocol::Time, &from, b"", 0), Err(Silence::ServerPort), "{from}");
    }
    let told = scene.ask(Protocol::Time, "192.0.2.1:4000", b"", 0).unwrap();
    assert_eq!(scene.ask(Protocol::Time, "198.51.100.1:4000", &told, 0), Err(Silence::NotAQuestion));
    assert_eq!(
        scene.ask(Protocol::Time, "192.0.2.99:4000", b"", 999),
        Err(Silence::Limited),
        "of one network"
    );
    assert!(scene.ask(Protocol::Time, "192.0.2.99:4000", b"", 1_000).is_ok());
}

proptest! {
    #[test]
    fn bad_input_63_no_answer_of_taiclock_is_longer_and_none_is_a_question(
        bytes in proptest::collection::vec(any::<u8>(), 0..1_500), is_like_one in any::<bool>(),
    ) {
        let bytes = if is_like_one { [&wire::ASKS[..], &bytes].concat() } else { bytes };
        let mut scene = Scene::new();
        let question = &bytes[..bytes.len().min(DATAGRAM_MAX)];
        if let Ok(told) = scene.ask(Protocol::Taiclock, CLIENT, question, 0) {
            prop_assert!(told.len() <= question.len());
            prop_assert_eq!(scene.ask(Protocol::Taiclock, CLIENT, &told, 0), Err(Silence::NotAQuestion));
        }
        if let Ok(told) = scene.ask(Protocol::Time, CLIENT, question, 0) {
            prop_assert!(question.len() < 4 && told.len() == 4);
        }
    }
}

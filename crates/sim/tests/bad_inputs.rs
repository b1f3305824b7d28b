//! Bad inputs that need a whole machine to be met: `docs/bad-inputs.md` has the list.

use std::sync::Arc;

use truechimer_core::event::{Event, SteeringFault};
use truechimer_core::measure::exchange::Refusal;
use truechimer_core::server::keys::{Grant, Ring};
use truechimer_core::status::Status;
use truechimer_core::wire::mac::{Key, KeyKind};
use truechimer_sim::network::PathSpec;
use truechimer_sim::scenario::{Change, Scenario};
use truechimer_sim::server::{Sealing, ServerSpec};
use truechimer_sim::world::{Outcome, World};
use truechimer_time::{Civil, LeapTable, Rate, Span, Tai, Time, Utc};

const HOUR: i64 = 3600;
const YEAR: i64 = 31_556_952;

#[test]
fn bad_input_04_05_answers_after_the_window_are_never_samples() {
    let path = PathSpec { base: Span::from_millis(1600), ..PathSpec::default() };
    let outcome =
        run(Scenario { servers: four(&path, Span::ZERO), duration: hours(2), ..Scenario::default() });
    assert!(outcome.questions > 50, "they are asked all the same");
    assert_eq!((outcome.told.measured, outcome.told.updated, outcome.told.stepped), (0, 0, 0));
}

/// Whoever answers in the place of the servers knows the questions, but not their keys.
#[test]
fn bad_input_09_to_14_nothing_is_learned_from_who_does_not_have_the_key() {
    let forged = [
        (Sealing::Bare, Refusal::MissingMac),
        (Sealing::CryptoNak, Refusal::CryptoNak),
        (Sealing::With(key(7, KeyKind::Aes128, 2)), Refusal::WrongMac),
        (Sealing::With(key(8, KeyKind::Aes128, 1)), Refusal::OtherKey),
        (Sealing::With(key(7, KeyKind::Sha1, 1)), Refusal::MacLength),
        (Sealing::Junk(16), Refusal::WrongMac),
        (Sealing::Junk(15), Refusal::MacLength),
        (Sealing::Junk(21), Refusal::MacLength),
    ];
    for (sealing, refusal) in forged {
        let servers = sealed(&sealing, Span::from_secs(3));
        let outcome = run(Scenario { servers, duration: hours(6), ..Scenario::default() });
        assert_eq!((outcome.told.measured, outcome.told.stepped), (0, 0), "{sealing:?}");
        assert_eq!(outcome.oracle.bounds_seen, 0, "{sealing:?}: no time is told");
        let is_it = |event: &Event| matches!(event, Event::Refused { refusal: why, .. } if *why == refusal);
        let (refused, asked) = (count(&outcome, is_it), outcome.questions as usize);
        assert!(asked > 4 * 20 && refused > asked - 8, "{sealing:?}: {refused} of {asked}");
    }
}

#[test]
fn servers_that_seal_are_believed_like_others() {
    for kind in [KeyKind::Aes128, KeyKind::Aes256, KeyKind::Sha256, KeyKind::Sha1, KeyKind::Md5] {
        let key = key(7, kind, 1);
        let grant = Grant::new(Arc::clone(&key), vec!["10.0.0.0/8".parse().expect("a prefix")]).expect("one");
        let mut servers = sealed(&Sealing::Ring(Ring::new(vec![grant]).expect("one")), Span::ZERO);
        servers.iter_mut().for_each(|server| server.key = Some(Arc::clone(&key)));
        let outcome = run(Scenario { servers, duration: hours(12), ..Scenario::default() });
        assert_settled(&outcome, "sealed");
        assert_eq!(outcome.told.refused, 0, "{kind:?}");
    }
}

#[test]
fn bad_input_17_half_of_a_slow_way_is_in_the_bound() {
    let path = PathSpec { base: Span::from_millis(1499), jitter: Span::from_nanos(1), ..PathSpec::default() };
    let slow = run(Scenario { servers: four(&path, Span::ZERO), duration: hours(12), ..Scenario::default() });
    assert!(slow.told.measured > 50, "2.998 s is slow and can be used");
    assert_honest(&slow);
    let bound = slow.oracle.bound.mean().expect("it has settled");
    assert!(bound > 1.0, "{bound} s: half of the way is in the bound");
}

/// Whole machines on the days on which era 0 of NTP ends, 136 years of 2³² seconds after 1900.
#[test]
fn bad_input_90_a_machine_lives_through_the_end_of_the_ntp_era() {
    for start in ["2036-02-06T00:00:00Z", "2036-02-07T06:28:00Z", "2036-02-07T06:28:16Z"] {
        let outcome = run(Scenario { start: at(start), duration: hours(48), ..Scenario::default() });
        assert_settled(&outcome, start);
        assert!(synchronised(&outcome) < Some(Span::from_secs(60)), "{start}: at once");
    }
}

/// Born far in era 1, or where 32 unsigned bits of UNIX seconds end, and where signed ones do (bad input 91), with a
/// floor of today.
#[test]
fn bad_input_90_91_a_machine_is_born_in_another_era_than_its_program() {
    for start in
        ["2038-01-19T03:14:00Z", "2104-01-01T00:00:00Z", "2106-02-07T06:00:00Z", "2106-02-07T06:28:17Z"]
    {
        let outcome = run(Scenario { start: at(start), duration: hours(48), ..Scenario::default() });
        assert_settled(&outcome, start);
        assert!(synchronised(&outcome) < Some(Span::from_secs(60)), "{start}: at once");
    }
}

#[test]
fn bad_input_92_a_battery_that_is_empty_or_a_date_that_was_mistyped_is_stepped_over_once() {
    for shown in ["1970-01-01T00:00:00Z", "2000-01-01T00:00:00Z", "2099-12-31T00:00:00Z"] {
        let scenario = Scenario::default();
        let clock_error = scenario.start - at(shown);
        let outcome = run(Scenario { clock_error, duration: hours(6), ..scenario });
        assert_settled(&outcome, shown);
        assert_eq!(outcome.told.stepped, 1, "{shown}");
    }
}

#[test]
fn bad_input_94_servers_from_before_the_floor_are_never_obeyed() {
    let past = Span::from_secs(-20 * YEAR);
    let servers = four(&PathSpec::default(), past);
    let outcome = run(Scenario { servers, duration: hours(6), ..Scenario::default() });
    assert_eq!((outcome.told.measured, outcome.told.stepped), (0, 0));
    assert!(outcome.told.refused > 4 * 6, "each of their answers is refused");
    assert_eq!(outcome.oracle.bounds_seen, 0, "no time is told");
}

/// They are refused, so they say nothing, and one of four may be silent.
#[test]
fn bad_input_94_a_server_from_before_the_floor_does_no_harm_beside_honest_ones() {
    let mut servers = four(&PathSpec::default(), Span::ZERO);
    servers[0].error = Span::from_secs(-20 * YEAR);
    let outcome = run(Scenario { servers, duration: hours(6), ..Scenario::default() });
    assert_settled(&outcome, "one of four");
    let synchronised = synchronised(&outcome).expect("it is told");
    assert!(synchronised < Span::from_secs(60), "after {synchronised:?}");
}

/// Two of four are no majority, unless the operator is content with two.
#[test]
fn bad_input_94_servers_from_before_the_floor_do_not_help_the_others_to_a_majority() {
    let mut servers = four(&PathSpec::default(), Span::ZERO);
    servers[0].error = Span::from_secs(-20 * YEAR);
    servers[1].error = Span::from_secs(-20 * YEAR);
    let scenario = Scenario { servers, duration: hours(6), ..Scenario::default() };
    assert_eq!(run(scenario.clone()).told.updated, 0);
    let content = run(Scenario { min_operators: Some(2), ..scenario });
    assert_settled(&content, "two of four that are alive");
}

/// The clock cannot be set: nothing but that is said, the time is known all the same, and nobody runs in circles.
#[test]
fn bad_input_105_116_a_kernel_that_refuses_is_reported_and_not_besieged() {
    let obeying = run(Scenario::default());
    for fault in faults() {
        let changes = vec![(Span::ZERO, Change::KernelRefuses(Some(fault)))];
        let outcome = run(Scenario { changes, ..Scenario::default() });
        assert_honest(&outcome);
        assert!(outcome.oracle.bounds_seen > 100);
        let told = |event: &Event| *event == Event::SteeringFailed { fault };
        assert_eq!(count(&outcome, told), 1, "{fault:?} is told, once");
        assert_eq!(outcome.told.stepped, 0);
        assert!(
            outcome.happenings < 2 * obeying.happenings,
            "{fault:?}: {} happenings in a day instead of {}",
            outcome.happenings,
            obeying.happenings
        );
    }
}

#[test]
fn bad_input_105_a_kernel_that_obeys_again_is_right_again() {
    for fault in faults() {
        let changes = vec![
            (hours(2), Change::KernelRefuses(Some(fault))),
            (hours(3), Change::StepByOthers(Span::from_millis(20))),
            (hours(8), Change::KernelRefuses(None)),
        ];
        let outcome = run(Scenario { changes, ..Scenario::default() });
        assert_honest(&outcome);
        assert!(outcome.rate_error.abs() < 1e-6, "{fault:?}: {}", outcome.rate_error);
        assert_eq!(outcome.told.stepped, 1, "the one at the start");
    }
}

#[test]
fn bad_input_106_a_step_by_others_is_seen_within_a_second_and_slewed_away() {
    for by in [Span::from_secs(5), Span::from_secs(-5)] {
        let changes = vec![(hours(6), Change::StepByOthers(by))];
        let outcome = run(Scenario { changes, watch: Span::from_secs(1), ..Scenario::default() });
        let is_it = |event: &Event| match event {
            Event::MovedByOthers { by: seen } => (*seen - by).abs() < Span::from_millis(2),
            _ => false,
        };
        let seen = when(&outcome, is_it).expect("it is told");
        assert!(seen - hours(6) <= Span::from_millis(1100), "seen {:?} later", seen - hours(6));
        assert_eq!(outcome.told.stepped, 1, "a settled clock is not stepped, not even back");
        assert_honest(&outcome);
        assert!(outcome.rate_error.abs() < 1e-6, "the slew is over: {}", outcome.rate_error);
        assert!(outcome.clock_error.abs() < Span::from_millis(1), "{:?}", outcome.clock_error);
    }
}

#[test]
fn bad_input_107_a_rate_changed_by_others_is_seen_within_three_polls() {
    let changes = vec![(hours(6), Change::RetuneByOthers(Rate::from_ppb(100_000)))];
    let outcome = run(Scenario { changes, ..Scenario::default() });
    let is_it = |event: &Event| matches!(event, Event::RetunedByOthers { .. });
    let seen = when(&outcome, is_it).expect("it is told");
    assert!(seen - hours(6) <= Span::from_secs(64), "seen {:?} later", seen - hours(6));
    assert_honest(&outcome);
    assert!(outcome.clock_error.abs() < Span::from_millis(1), "{:?}", outcome.clock_error);
}

fn run(scenario: Scenario) -> Outcome {
    World::new(&scenario, 7).with_story().run()
}

fn hours(hours: i64) -> Span {
    Span::from_secs(hours * HOUR)
}

fn at(date: &str) -> Time<Tai> {
    let civil: Civil = date.parse().expect("a date");
    let utc: Time<Utc> = civil.time().expect("an instant");
    LeapTable::COMPILED.tai_of_utc(utc)
}

fn four(path: &PathSpec, error: Span) -> Vec<ServerSpec> {
    let server = |operator| ServerSpec { operator, path: path.clone(), error, ..ServerSpec::default() };
    (0..4).map(server).collect()
}

/// Four servers that are asked with key 7.
fn sealed(sealing: &Sealing, error: Span) -> Vec<ServerSpec> {
    let ours = key(7, KeyKind::Aes128, 1);
    let server = |server| ServerSpec { key: Some(Arc::clone(&ours)), sealing: sealing.clone(), ..server };
    four(&PathSpec::default(), error).into_iter().map(server).collect()
}

fn key(id: u32, kind: KeyKind, secret: u8) -> Arc<Key> {
    let (length, _) = kind.secret_lens();
    Arc::new(Key::new(id, kind, vec![secret; length]).expect("the length is the kind's own"))
}

fn faults() -> [SteeringFault; 5] {
    let [eintr, eio] = [4, 5].map(SteeringFault::Other);
    [SteeringFault::NotPermitted, SteeringFault::Invalid, SteeringFault::Vetoed, eintr, eio]
}

fn count(outcome: &Outcome, is_it: impl Fn(&Event) -> bool) -> usize {
    outcome.story.iter().flatten().filter(|(_, event)| is_it(event)).count()
}

fn when(outcome: &Outcome, is_it: impl Fn(&Event) -> bool) -> Option<Span> {
    outcome.story.iter().flatten().find(|(_, event)| is_it(event)).map(|(at, _)| *at)
}

fn assert_honest(outcome: &Outcome) {
    let oracle = &outcome.oracle;
    assert_eq!(oracle.bounds_false, 0, "the worst by {:?}", oracle.worst_excess);
}

/// The clock is right soon, stays right, and every bound held.
fn assert_settled(outcome: &Outcome, what: &str) {
    assert_honest(outcome);
    assert!(outcome.oracle.settled_at().is_some(), "{what}: it settles");
    assert!(
        outcome.oracle.clock.worst() < Span::from_millis(1),
        "{what}: {:?}",
        outcome.oracle.clock.worst()
    );
    assert!(outcome.oracle.bounds_seen > 100, "{what}: bounds are told");
    assert!(synchronised(outcome).is_some(), "{what}: and that is told");
}

fn synchronised(outcome: &Outcome) -> Option<Span> {
    when(outcome, |event| matches!(event, Event::StatusChanged { to: Status::Synchronised, .. }))
}

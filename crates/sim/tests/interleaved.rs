//! Machines that ask when an answer has really left (RFC 9769).

use truechimer_core::wire::aead::Aead;
use truechimer_sim::scenario::{Change, Scenario};
use truechimer_sim::server::{NtsSpec, ServerSpec, Trouble, Wish};
use truechimer_sim::world::{Outcome, World};
use truechimer_time::Span;

/// Answers leave this much later than they say, or half of it, which is far more than the way varies.
const LATE: Span = Span::from_micros(400);

#[test]
fn who_asks_when_answers_have_left_is_not_misled_by_what_they_say() {
    let plain = error(&machine(Wish::default(), true));
    let told = error(&machine(INTERLEAVED, true));
    // Nobody can know of what all answers keep silent about, and half of it is an error of the clock.
    assert!(plain > LATE / 5, "{plain}");
    assert!(told < plain / 10, "{told} instead of {plain}");
}

#[test]
fn a_server_that_does_not_tell_is_as_good_as_if_it_had_not_been_asked() {
    let (plain, asked) = (machine(Wish::default(), false), machine(INTERLEAVED, false));
    let (before, after) = (run(&plain, 1).questions, run(&asked, 1).questions);
    assert!(after < before + before / 10 + 40, "{after} questions instead of {before}");
    assert!(error(&asked) < error(&plain) + Span::from_micros(10));
}

#[test]
fn answers_that_are_lost_cost_what_they_would_have_told_and_no_more() {
    let mut scenario = machine(INTERLEAVED, true);
    scenario.servers[0].path.loss = 0.3;
    scenario.changes = vec![(hours(3), Change::CutAll(true)), (hours(4), Change::CutAll(false))];
    assert!(error(&scenario) < LATE / 20);
}

#[test]
fn both_questions_of_a_poll_are_protected() {
    let mut scenario = machine(INTERLEAVED, true);
    scenario.servers[0].nts =
        Some(NtsSpec { aead: Aead::SivCmac256, trouble: Trouble::None, validity: None });
    assert_eq!(run(&scenario, 1).told.refused, 0);
    assert!(error(&scenario) < LATE / 20);
}

const INTERLEAVED: Wish = Wish { prefer: false, trust: false, require: false, interleaved: true };

/// A machine that asks one server on its own network each 16 s, for six hours.
fn machine(wish: Wish, keeps_departures: bool) -> Scenario {
    let server = ServerSpec { wish, keeps_departures, late: LATE, ..ServerSpec::default() };
    Scenario {
        servers: vec![server],
        intervals: (Span::from_secs(16), Span::from_secs(16)),
        duration: hours(6),
        ..Scenario::default()
    }
}

fn run(scenario: &Scenario, seed: u64) -> Outcome {
    let outcome = World::new(scenario, seed).run();
    assert_eq!((outcome.oracle.bounds_false, outcome.told.stepped), (0, 1), "one step at the start");
    outcome
}

/// How far the clock is off in the end, in the mean of some histories.
fn error(scenario: &Scenario) -> Span {
    let errors = (1..=5).map(|seed| run(scenario, seed).clock_error.abs());
    errors.fold(Span::ZERO, |sum, error| sum + error) / 5
}

const fn hours(hours: i64) -> Span {
    Span::from_secs(hours * 3600)
}

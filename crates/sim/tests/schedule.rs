//! When the sources are asked: as rarely as the operator's target allows, and no more often than is polite.

use std::num::NonZeroUsize;

use truechimer_core::event::Event;
use truechimer_core::policy::Rhythm;
use truechimer_core::status::Status;
use truechimer_sim::accuracy::{self, town};
use truechimer_sim::scenario::{Change, Scenario};
use truechimer_sim::server::Quirk;
use truechimer_sim::work::Effort;
use truechimer_sim::world::{Outcome, World};
use truechimer_time::Span;

const DAY: i64 = 86_400;

fn run(scenario: &Scenario, seed: u64) -> Outcome {
    World::new(scenario, seed).with_story().run()
}

/// The instants of the questions from a day on, in seconds.
fn asked_from(outcome: &Outcome, day: i64) -> Vec<f64> {
    let instants = outcome.asked.iter().map(|(at, _)| at.since_epoch().as_seconds());
    instants.filter(|&at| at > (day * DAY) as f64).collect()
}

/// The mean time between two questions from the tenth day on, whomever they go to.
fn interval(outcome: &Outcome) -> f64 {
    let late = asked_from(outcome, 10);
    (late[late.len() - 1] - late[0]) / (late.len() - 1) as f64
}

/// With the whole table: `truechimer sim accuracy`.
#[test]
fn an_accuracy_is_kept_at_no_more_than_a_fifth_more_than_the_least_traffic() {
    let sheet = &accuracy::table(&Effort { jobs: NonZeroUsize::new(2).expect("two"), ..Effort::QUICK })[0];
    let figures = |name: &str| sheet.figures(name);
    assert!(figures("traffic").iter().all(|&traffic| traffic <= 1.3), "one seed alone:\n{sheet}");
    assert!(figures("said to be met").iter().all(|&share| share >= 99.9), "{sheet}");
    let errors = figures("rms").into_iter().zip(figures("target"));
    assert!(errors.into_iter().all(|(rms, target)| rms <= 1.05 * target), "{sheet}");
}

#[test]
fn a_finer_target_is_asked_for_more_often() {
    let often = interval(&run(&town(1, Some(Span::from_micros(100))), 1));
    let rarely = interval(&run(&town(1, Some(Span::from_millis(10))), 1));
    assert!(often < 3000.0 && rarely > 12_000.0, "{often} {rarely}");
}

/// All together send about what one alone would have to, and their questions are evenly spread.
#[test]
fn several_sources_share_the_work_in_turn() {
    let outcome = run(&town(4, Some(Span::from_millis(1))), 1);
    assert!(interval(&outcome) > 3000.0, "every {} s", interval(&outcome));
    let mut turns: Vec<usize> = outcome.asked.iter().rev().take(120).map(|&(_, server)| server).collect();
    turns.dedup();
    let is_round = |turn: &&[usize]| (0..4).all(|server| turn.contains(&server));
    let in_turn = turns.windows(4).filter(is_round).count();
    assert!(in_turn * 10 > turns.len() * 8, "but for second looks: {turns:?}");
}

/// One of four leaves the truth by 20 ms when each is asked once in hours.
#[test]
fn all_are_asked_within_seconds_when_one_surprises() {
    let mut scenario = town(4, Some(Span::from_millis(1)));
    scenario.servers[2].quirk = Quirk::Jumps { after: Span::from_secs(20 * DAY), by: Span::from_millis(20) };
    let outcome = run(&scenario, 1);
    let asked = |server| {
        outcome
            .asked
            .iter()
            .filter(move |asked| asked.1 == server)
            .map(|asked| asked.0.since_epoch().as_seconds())
    };
    let late = (20 * DAY) as f64 * (1.0 + 1e-4);
    let noticed = asked(2).find(|&at| at > late).expect("it is asked again");
    for server in [0, 1, 3] {
        assert!(asked(server).any(|at| at > noticed && at < noticed + 20.0), "server {server}");
    }
    // The clocks of the machine count from 1000 s before the start, and may be a minute off by now.
    let is_soon = |since: &Span| (since.as_seconds() + 1000.0 - noticed).abs() < 60.0;
    let is_named = |(since, event): &(Span, Event)| {
        let names = matches!(event, Event::Selected { truechimers, .. } if !truechimers.contains(2));
        names && is_soon(since)
    };
    assert!(outcome.story.iter().flatten().any(is_named), "and the liar is left out");
}

#[test]
fn the_classic_schedule_doubles_from_ten_minutes_on() {
    let scenario = Scenario {
        duration: Span::from_secs(8 * DAY),
        intervals: (Span::from_secs(600), Span::from_secs(7_884_000)),
        rhythm: Rhythm::Classic,
        ..town(4, None)
    };
    let outcome = run(&scenario, 1);
    let times: Vec<f64> = outcome
        .asked
        .iter()
        .filter(|asked| asked.1 == 0)
        .map(|asked| asked.0.since_epoch().as_seconds())
        .collect();
    let (burst, rest) = times.split_at(6);
    assert!(burst[5] - burst[0] < 12.0);
    let waits: Vec<f64> = times[5..].windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(rest.len(), 10, "600 s doubled to a quarter of a year: {waits:?}");
    for (doublings, wait) in waits.iter().enumerate() {
        let expected = 600.0 * f64::from(1 << doublings);
        assert!((0.979..1.001).contains(&(wait / expected)), "{wait} {expected}");
    }
    assert_eq!(outcome.oracle.bounds_false, 0);
}

/// clockspeed's script would have slept for days after a failure.
#[test]
fn a_question_that_is_lost_is_asked_again_soon() {
    for rhythm in [Rhythm::Adaptive, Rhythm::Classic] {
        let accuracy = (rhythm == Rhythm::Adaptive).then_some(Span::from_millis(10));
        let mut scenario = Scenario { rhythm, ..town(4, accuracy) };
        scenario.changes = vec![
            (Span::from_secs(20 * DAY), Change::CutAll(true)),
            (Span::from_secs(22 * DAY), Change::CutAll(false)),
        ];
        let outcome = run(&scenario, 1);
        let cut = asked_from(&outcome, 20).into_iter().filter(|&at| at < (22 * DAY) as f64).count();
        assert!((8..200).contains(&cut), "{cut} questions in two days of silence, {rhythm:?}");
        assert_eq!(outcome.oracle.bounds_false, 0);
    }
}

/// A target that cannot be met within the limits of the intervals is not said to be met.
#[test]
fn a_target_beyond_what_the_limits_allow_is_a_degraded_status() {
    let scenario = Scenario {
        duration: Span::from_secs(DAY),
        intervals: (Span::from_secs(1024), Span::from_secs(1024)),
        ..town(1, Some(Span::from_micros(1)))
    };
    let story = run(&scenario, 1).story.expect("it was asked for");
    let last = story.iter().rev().find_map(|(_, event)| match event {
        Event::StatusChanged { to, .. } => Some(*to),
        _ => None,
    });
    assert_eq!(last, Some(Status::Degraded));
}

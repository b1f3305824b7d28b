//! A counter that was interrupted, where only something beside the clocks tells: what was known is void at once, and
//! the time is measured anew.

use truechimer_core::event::{Event, Interruption};
use truechimer_core::status::Status;
use truechimer_sim::oscillator::OscillatorSpec;
use truechimer_sim::scenario::{Change, Scenario};
use truechimer_sim::server::ServerSpec;
use truechimer_sim::world::{Outcome, World};
use truechimer_time::{Rate, Span};

const HOUR: i64 = 3600;

/// Within so long of an interruption the time is known again: the burst of all sources.
const BURST: Span = Span::from_secs(30);

fn four() -> Vec<ServerSpec> {
    (0..4).map(|operator| ServerSpec { operator, ..ServerSpec::default() }).collect()
}

fn interrupted(stood: Span, retuned: Rate, noticed: Interruption, seed: u64) -> Outcome {
    let scenario = Scenario {
        servers: four(),
        duration: Span::from_secs(8 * HOUR),
        oscillator: OscillatorSpec::default(),
        changes: vec![(Span::from_secs(4 * HOUR), Change::Interrupt { stood, retuned, noticed })],
        ..Scenario::default()
    };
    World::new(&scenario, seed).with_story().watched().run()
}

/// How long nothing was known, and that it is told.
fn void_for(outcome: &Outcome, noticed: Interruption) -> Span {
    let story = outcome.story.as_ref().expect("kept");
    let told = story.iter().position(|(_, event)| *event == Event::Interrupted(noticed)).expect("told");
    let (at, next) = (story[told].0, &story[told + 1].1);
    assert!(matches!(next, Event::StatusChanged { to: Status::Disrupted, .. }), "{next:?}");
    let known = story[told..].iter().find(|(_, event)| matches!(event, Event::Updated(_)));
    known.expect("measured anew").0 - at
}

fn assert_honest(outcome: &Outcome) {
    let oracle = &outcome.oracle;
    assert!(oracle.bounds_seen > 1000, "{}", oracle.bounds_seen);
    assert_eq!(oracle.bounds_false, 0, "by up to {:?}", oracle.worst_excess);
}

#[test]
fn a_guest_that_was_paused_measures_anew_with_the_rate_that_it_knew() {
    for seed in 0..4 {
        for seconds in [3, 60, 3 * HOUR] {
            let stood = Span::from_secs(seconds);
            let noticed = Interruption::Paused { by: stood };
            let outcome = interrupted(stood, Rate::ZERO, noticed, seed);
            assert!(void_for(&outcome, noticed) < BURST);
            assert_honest(&outcome);
            // A settled clock is not stepped without leave: 60 s of error take a while.
            let is_slewed = outcome.clock_error.abs() < Span::from_millis(1);
            assert!(is_slewed || seconds > 3, "{:?}", outcome.clock_error);
            let story = outcome.story.as_ref().expect("kept");
            let late = |(at, event): &&(Span, Event)| {
                *at > Span::from_secs(HOUR) && matches!(event, Event::Stepped { .. })
            };
            assert_eq!(story.iter().find(late), None);
        }
    }
}

#[test]
fn a_guest_that_was_moved_learns_the_rate_of_its_new_machine() {
    for seed in 0..4 {
        for ppm in [-80, 30, 200] {
            let retuned = Rate::from_ppb(1000 * ppm);
            let outcome = interrupted(Span::from_millis(700), retuned, Interruption::Moved, seed);
            assert!(void_for(&outcome, Interruption::Moved) < BURST);
            assert_honest(&outcome);
        }
    }
}

#[test]
fn another_clocksource_has_another_rate() {
    let outcome = interrupted(Span::ZERO, Rate::from_ppb(-150_000), Interruption::Recounted, 7);
    assert!(void_for(&outcome, Interruption::Recounted) < BURST);
    assert_honest(&outcome);
}

/// The sources cannot be reached when the machine boots. Once the network is there they answer within seconds, and not
/// when they are asked again anyway.
#[test]
fn the_time_is_known_within_seconds_of_a_network() {
    for seconds in [0, 7, 100, 5000] {
        let comes = Span::from_secs(seconds);
        let scenario = Scenario {
            servers: four(),
            duration: comes + Span::from_secs(60),
            changes: vec![
                (Span::ZERO, Change::CutAll(true)),
                (comes, Change::CutAll(false)),
                (comes + Span::from_millis(1), Change::NetworkChanged),
            ],
            ..Scenario::default()
        };
        for seed in 0..4 {
            let outcome = World::new(&scenario, seed).with_story().watched().run();
            let story = outcome.story.as_ref().expect("kept");
            let first = story.iter().find_map(|(at, event)| match event {
                Event::Updated(update) => Some((*at, update.bound)),
                _ => None,
            });
            let (at, bound) = first.expect("known in the end");
            assert!(at - comes < Span::from_secs(5), "{seconds} s: {:?}", at - comes);
            assert!(bound < Span::from_millis(50), "{bound:?}");
            assert_eq!(outcome.oracle.bounds_false, 0);
        }
    }
}

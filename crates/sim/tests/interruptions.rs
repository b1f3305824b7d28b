//! A counter that was interrupted, where only something beside the clocks tells: what was known is void at once, and
//! the time is measured anew.

use truechimer_core::event::{Event, Interruption, SteeringFault};
use truechimer_core::policy::{ClockPolicy, Mending};
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
    lived(&scenario, seed)
}

fn lived(scenario: &Scenario, seed: u64) -> Outcome {
    World::new(scenario, seed).with_story().watched().run()
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

/// A guest of which the operator has said how much of an interruption may be stepped, behind a keeper.
fn mending(longest: Span, per_day: u32, changes: Vec<(Span, Change)>) -> Scenario {
    Scenario {
        servers: four(),
        duration: Span::from_secs(8 * HOUR),
        clock: ClockPolicy { mending: Some(Mending { longest, per_day }), ..ClockPolicy::default() },
        is_kept: true,
        changes,
        ..Scenario::default()
    }
}

fn pause_at(at: Span, seconds: i64) -> (Span, Change) {
    let stood = Span::from_secs(seconds);
    let noticed = Interruption::Paused { by: stood };
    (at, Change::Interrupt { stood, retuned: Rate::ZERO, noticed })
}

/// The steps of a settled clock: when, and by how much.
fn late_steps(outcome: &Outcome) -> Vec<(Span, Span)> {
    let story = outcome.story.as_ref().expect("kept");
    let step = |(at, event): &(Span, Event)| match event {
        Event::Stepped { by } if *at > Span::from_secs(HOUR) => Some((*at, *by)),
        _ => None,
    };
    story.iter().filter_map(step).collect()
}

/// When a command was refused, and why.
fn refusals(outcome: &Outcome) -> Vec<(Span, SteeringFault)> {
    let story = outcome.story.as_ref().expect("kept");
    let refusal = |(at, event): &(Span, Event)| match event {
        Event::SteeringFailed { fault } => Some((*at, *fault)),
        _ => None,
    };
    story.iter().filter_map(refusal).collect()
}

#[test]
fn with_leave_given_beforehand_the_clock_is_right_within_seconds_of_a_pause() {
    for seed in 0..4 {
        for seconds in [3, 60, 3 * HOUR] {
            let pause = pause_at(Span::from_secs(4 * HOUR), seconds);
            let outcome = lived(&mending(Span::from_secs(4 * HOUR), 3, vec![pause]), seed);
            let [(at, by)] = late_steps(&outcome)[..] else { panic!("{:?}", late_steps(&outcome)) };
            let resumed = Span::from_secs(4 * HOUR + seconds);
            assert!(at - resumed < BURST, "{seconds} s: {:?} after it", at - resumed);
            assert!((by - Span::from_secs(seconds)).abs() < Span::from_millis(10), "{by:?}");
            assert!(outcome.clock_error.abs() < Span::from_millis(1), "{:?}", outcome.clock_error);
            assert_eq!(refusals(&outcome), []);
            assert_honest(&outcome);
        }
    }
}

/// A kernel that wakes gets the time from its battery clock, which may be off.
#[test]
fn with_leave_a_clock_that_slept_is_right_within_seconds_too() {
    for rtc_error in [-2, 2].map(Span::from_secs) {
        let sleep = Change::Sleep { slept: Span::from_secs(HOUR), rtc_error };
        let outcome = lived(&mending(Span::from_secs(60), 3, vec![(Span::from_secs(2 * HOUR), sleep)]), 1);
        let [(_, by)] = late_steps(&outcome)[..] else { panic!("{:?}", late_steps(&outcome)) };
        assert!((by.abs() - rtc_error.abs()).abs() < Span::from_millis(10), "{by:?}");
        assert!(outcome.clock_error.abs() < Span::from_millis(1), "{:?}", outcome.clock_error);
        assert_honest(&outcome);
    }
}

#[test]
fn an_error_beyond_the_leave_is_slewed_as_ever() {
    let pause = pause_at(Span::from_secs(4 * HOUR), 60);
    let outcome = lived(&mending(Span::from_secs(59), 3, vec![pause]), 5);
    assert_eq!(late_steps(&outcome), []);
    assert!(outcome.clock_error > Span::from_secs(50), "{:?}", outcome.clock_error);
    assert_honest(&outcome);
}

#[test]
fn when_the_steps_of_the_day_are_spent_the_clock_is_slewed_and_that_is_said() {
    let day = 24 * HOUR;
    let changes = vec![
        pause_at(Span::from_secs(2 * HOUR), 60),
        pause_at(Span::from_secs(3 * HOUR), 30),
        pause_at(Span::from_secs(4 * HOUR), 5),
        pause_at(Span::from_secs(day + 2 * HOUR + 600), 7),
    ];
    let scenario =
        Scenario { duration: Span::from_secs(30 * HOUR), ..mending(Span::from_secs(HOUR), 2, changes) };
    let outcome = lived(&scenario, 3);
    let hours: Vec<i64> =
        late_steps(&outcome).iter().map(|(at, _)| at.as_nanos() / 3_600_000_000_000).collect();
    assert_eq!(hours, [2, 3, 26], "the budget is that of any 24 hours");
    let [(at, SteeringFault::Spent)] = refusals(&outcome)[..] else { panic!("{:?}", refusals(&outcome)) };
    assert!(at - Span::from_secs(4 * HOUR) < BURST);
    assert!(outcome.clock_error.abs() < Span::from_millis(1), "{:?}", outcome.clock_error);
    assert_honest(&outcome);
}

#[test]
fn a_restart_does_not_refill_the_budget() {
    let changes = vec![
        pause_at(Span::from_secs(2 * HOUR), 60),
        (Span::from_secs(3 * HOUR), Change::Restart),
        pause_at(Span::from_secs(4 * HOUR), 4),
    ];
    let outcome = lived(&mending(Span::from_secs(HOUR), 1, changes), 3);
    assert_eq!(late_steps(&outcome).len(), 1, "{:?}", late_steps(&outcome));
    assert!(matches!(refusals(&outcome)[..], [(_, SteeringFault::Spent)]), "{:?}", refusals(&outcome));
    assert!(outcome.clock_error.abs() < Span::from_millis(1), "slewed: {:?}", outcome.clock_error);
}

/// Whoever has the network can contradict himself, bring the sources to contradict the oscillator, and keep everybody silent.
/// None of that is an interruption.
#[test]
fn what_comes_from_the_network_never_gives_leave_to_step() {
    for seed in 0..4 {
        let mut scenario = mending(Span::from_secs(HOUR), 3, Vec::new());
        for server in &mut scenario.servers {
            // All of them lead away, faster than any oscillator that keeps its promises.
            server.ramp = Rate::from_ppb(2_000_000);
        }
        let cut = |hours: i64, is_cut| (Span::from_secs(hours * HOUR), Change::CutAll(is_cut));
        scenario.changes =
            vec![cut(2, true), cut(4, false), (Span::from_secs(4 * HOUR + 1), Change::NetworkChanged)];
        let outcome = lived(&scenario, seed);
        let story = outcome.story.as_ref().expect("kept");
        let doubts = story.iter().filter(|(_, event)| *event == Event::OscillatorDoubted).count();
        assert!(doubts > 0, "the attack was one");
        assert_eq!(late_steps(&outcome), []);
    }
}

/// Two of four servers tell the time of before the pause: no majority, no step.
#[test]
fn after_an_interruption_half_of_the_sources_cannot_step_the_clock() {
    let mut scenario = mending(Span::from_secs(HOUR), 3, vec![pause_at(Span::from_secs(4 * HOUR), 60)]);
    for (server, is_cut) in [(0, true), (1, true)] {
        let at = Span::from_secs(4 * HOUR) - Span::from_secs(1);
        scenario.changes.insert(0, (at, Change::Cut { server, is_cut }));
    }
    scenario.servers[2].error = Span::from_secs(1800);
    let outcome = lived(&scenario, 2);
    assert_eq!(late_steps(&outcome), []);
    assert_honest(&outcome);
}

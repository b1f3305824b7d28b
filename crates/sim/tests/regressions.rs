//! What users would have seen, each once and never again.

use truechimer_core::event::{Event, SteeringFault};
use truechimer_core::policy::ClockPolicy;
use truechimer_core::status::Status;
use truechimer_sim::network::{PathSpec, Shape};
use truechimer_sim::oscillator::OscillatorSpec;
use truechimer_sim::oscillator::course::Sine;
use truechimer_sim::scenario::{Change, Scenario};
use truechimer_sim::server::ServerSpec;
use truechimer_sim::world::{Outcome, START, World};
use truechimer_time::{Civil, LeapTable, Span, Time};

const HOUR: i64 = 3600;

/// The answers come while nobody is there to hear them; their stamps and the counter's standstill make an hour of
/// error with a bound of milliseconds.
#[test]
fn an_answer_that_waits_through_a_sleep_is_not_believed() {
    let path = PathSpec { base: Span::from_millis(500), ..PathSpec::default() };
    // A question of the first burst leaves each two seconds.
    let sleep = Change::Sleep { slept: Span::from_secs(HOUR), rtc_error: Span::ZERO };
    for millis in (4_000..6_000).step_by(200) {
        let outcome = run(Scenario {
            servers: four(&path),
            duration: Span::from_secs(2 * HOUR),
            changes: vec![(Span::from_millis(millis), sleep)],
            ..Scenario::default()
        });
        assert_honest(&outcome);
    }
}

/// The hardware clock by which the kernel measures the sleep has lost two seconds: a nap of 20 ms seems to end before
/// it began.
#[test]
fn a_sleep_that_seems_negative_is_a_sleep() {
    let nap = Change::Sleep { slept: Span::from_millis(20), rtc_error: Span::from_secs(-2) };
    for restarts in [false, true] {
        let wakes = (Span::from_secs(2 * HOUR), nap);
        let reborn = restarts.then_some((Span::from_secs(2 * HOUR), Change::Restart));
        let outcome = run(Scenario {
            servers: four(&PathSpec::default()),
            duration: Span::from_secs(3 * HOUR),
            changes: [Some(wakes), reborn].into_iter().flatten().collect(),
            ..Scenario::default()
        });
        assert_honest(&outcome);
    }
}

/// The first walls were read with a guess of the waits, and held the rate 200 ppm off while the paths shook by 20 ms.
#[test]
fn a_shaky_beginning_does_not_hold_the_estimate_for_good() {
    let path = PathSpec {
        base: Span::from_millis(20),
        jitter: Span::from_millis(20),
        loss: 0.02,
        ..PathSpec::default()
    };
    let interval = Span::from_millis(250);
    for seed in 1..7 {
        let scenario = Scenario {
            servers: four(&path).into_iter().take(3).collect(),
            duration: Span::from_secs(45),
            intervals: (interval, interval),
            ..Scenario::default()
        };
        let story = World::new(&scenario, seed).with_story().run().story.expect("it was asked for");
        let late = story.iter().filter(|(since, _)| *since >= Span::from_secs(20));
        let errors = late.filter_map(|(since, event)| match event {
            Event::Updated(update) => Some(((update.tai - START) - *since).abs()),
            _ => None,
        });
        let worst = errors.max().expect("there are updates");
        assert!(worst < Span::from_millis(2), "seed {seed}: {worst}");
    }
}

/// The first packet to each server waited for its neighbours to be found, and a quarter of that stayed in the estimate for
/// as long as the machine ran.
#[test]
fn a_cold_first_exchange_does_not_stay_in_the_estimate() {
    let path = PathSpec {
        base: Span::from_micros(720),
        jitter: Span::from_micros(90),
        shape: Shape::Gamma,
        neighbours: Span::from_micros(800),
        ..PathSpec::default()
    };
    for seed in 1..7 {
        let scenario = Scenario {
            servers: four(&path).into_iter().take(3).collect(),
            duration: Span::from_secs(300),
            intervals: (Span::from_secs(4), Span::from_secs(16)),
            oscillator: OscillatorSpec { offset_ppm: 80.0, walk: 0.0, ..OscillatorSpec::default() },
            ..Scenario::default()
        };
        let story = World::new(&scenario, seed).with_story().run().story.expect("it was asked for");
        let last = story.iter().rev().find_map(|(since, event)| match event {
            Event::Updated(update) => Some(((update.tai - START) - *since).abs()),
            _ => None,
        });
        let last = last.expect("there are updates");
        assert!(last < Span::from_micros(60), "seed {seed}: {last}");
    }
}

/// The kernel's own leap second was taken for a step by somebody else, and slewed back for as long as it lasted.
#[test]
fn a_leap_second_of_the_kernel_is_nobodys_step() {
    let midnight = Civil { year: 2017, ..Civil::of(Time::EPOCH) }.time().expect("a date");
    for millis in (0..4_000).step_by(400) {
        let outcome = run(Scenario {
            start: LeapTable::COMPILED.tai_of_utc(midnight) - Span::from_secs(2 * HOUR)
                + Span::from_millis(millis),
            floor: midnight - Span::from_secs(30 * 24 * HOUR),
            clock_error: Span::from_micros(300),
            duration: Span::from_secs(3 * HOUR),
            intervals: (Span::from_secs(4), Span::from_secs(16)),
            ..Scenario::default()
        });
        assert_honest(&outcome);
        let story = outcome.story.expect("it was asked for");
        let count = |what: fn(&Event) -> bool| story.iter().filter(|(_, event)| what(event)).count();
        assert_eq!(count(|event| matches!(event, Event::Leapt { .. })), 1);
        assert_eq!(
            count(|event| matches!(event, Event::MovedByOthers { .. } | Event::RetunedByOthers { .. })),
            0
        );
        assert!(outcome.clock_error.abs() < Span::from_millis(1), "{}", outcome.clock_error);
    }
}

/// Ten days from the truth and left alone, the clock comes to a midnight that has a leap second, on a day that has none.
#[test]
fn a_clock_that_is_days_off_does_not_leap_at_its_own_wrong_midnight() {
    let midnight = Civil { year: 2017, ..Civil::of(Time::EPOCH) }.time().expect("a date");
    let days = Span::from_secs(10 * 24 * HOUR);
    let outcome = run(Scenario {
        start: LeapTable::COMPILED.tai_of_utc(midnight) - days - Span::from_secs(HOUR),
        floor: midnight - days * 3,
        clock_error: -days,
        duration: Span::from_secs(2 * HOUR),
        clock: ClockPolicy { step_updates: 0, ..Scenario::default().clock },
        ..Scenario::default()
    });
    let story = outcome.story.expect("it was asked for");
    assert!(!story.iter().any(|(_, event)| matches!(event, Event::Leapt { .. })));
    let moved = outcome.clock_error.abs() - days;
    assert!(moved.abs() < Span::from_millis(500), "{moved}");
}

/// The clock is 0.4 s off when the machine falls asleep in the midst of the slew. Nobody answers after that.
#[test]
fn a_slew_that_was_slept_through_does_not_leave_the_clock_running_wild() {
    let outcome = run(Scenario {
        clock_error: Span::ZERO,
        duration: Span::from_secs(30 * HOUR),
        changes: vec![
            (Span::from_secs(HOUR), Change::StepByOthers(Span::from_secs(20))),
            (Span::from_secs(2 * HOUR), Change::CutAll(true)),
            (
                Span::from_secs(2 * HOUR + 1),
                Change::Sleep { slept: Span::from_secs(60), rtc_error: Span::ZERO },
            ),
        ],
        ..Scenario::default()
    });
    assert!(outcome.rate_error.abs() < 1e-6, "{} ppm", outcome.rate_error * 1e6);
}

#[test]
fn a_clock_that_may_not_be_set_is_told_of_once() {
    let outcome = run(Scenario {
        changes: vec![(Span::from_secs(HOUR), Change::KernelRefuses(Some(SteeringFault::NotPermitted)))],
        ..Scenario::default()
    });
    let failed = |(_, event): &&(Span, Event)| matches!(event, Event::SteeringFailed { .. });
    assert_eq!(outcome.story.iter().flatten().filter(failed).count(), 1);
}

/// The rate leaps by 60 ppm, which it is assumed not to do, so bounds may be false until that shows. From then on the
/// time is not known until it is measured anew; it is not guessed from what the leap has spoilt.
#[test]
fn what_contradicts_the_assumptions_makes_the_time_unknown_until_it_is_measured_anew() {
    let leap = vec![(Span::from_secs(6 * HOUR), 60.0)];
    let outcome = run(Scenario {
        oscillator: OscillatorSpec { steps: leap, ..OscillatorSpec::default() },
        ..Scenario::default()
    });
    let story = outcome.story.expect("it was asked for");
    let doubted = story.iter().position(|(_, event)| *event == Event::OscillatorDoubted).expect("it shows");
    let becomes = |(_, event): &(Span, Event)| {
        if let Event::StatusChanged { to, .. } = event { Some(*to) } else { None }
    };
    assert_eq!(story[doubted + 1..].iter().find_map(becomes), Some(Status::Disrupted));
    assert_eq!(story.iter().rev().find_map(becomes), Some(Status::Synchronised));
}

/// The rate swings by 30 ppm in eight days, but never by more than 15 in one, as is assumed.
#[test]
fn the_bound_holds_through_a_holdover_of_many_days() {
    let day = 24 * HOUR;
    for hours in (0..192).step_by(24) {
        let cut = Span::from_secs(hours * HOUR + day);
        let outcome = run(Scenario {
            oscillator: OscillatorSpec {
                sines: vec![Sine { period: Span::from_secs(8 * day), ..Sine::daily(15.0) }],
                walk: 0.0,
                ..OscillatorSpec::default()
            },
            duration: cut + Span::from_secs(8 * day),
            changes: vec![(cut, Change::CutAll(true))],
            ..Scenario::default()
        });
        assert_honest(&outcome);
    }
}

fn run(scenario: Scenario) -> Outcome {
    World::new(&scenario, 1).with_story().run()
}

/// Four honest servers of four operators.
fn four(path: &PathSpec) -> Vec<ServerSpec> {
    (0..4).map(|operator| ServerSpec { operator, path: path.clone(), ..ServerSpec::default() }).collect()
}

fn assert_honest(outcome: &Outcome) {
    let oracle = &outcome.oracle;
    assert!(oracle.bounds_seen > 0, "something was said");
    assert_eq!(oracle.bounds_false, 0, "by up to {}", oracle.worst_excess);
}

use super::*;
use crate::course::{Evidence, Truth};
use crate::shown::Shown;
use proptest::prelude::*;
use truechimer_time::{Mono, Tai};

fn boot(number: u8) -> BootId {
    BootId::parse(format!("{number:032x}").as_bytes()).expect("it has 32 digits")
}

fn local(seconds: f64) -> Time<Local> {
    Time::from_epoch(Span::from_seconds(seconds))
}

fn mono(seconds: f64) -> Time<Mono> {
    Time::from_epoch(Span::from_seconds(seconds))
}

fn tai(seconds: f64) -> Time<Tai> {
    Time::from_epoch(Span::from_seconds(seconds))
}

/// Entries of a boot: what the monotonic clock showed, and the clock.
fn triples(entries: &[(u8, f64, f64)]) -> Triples {
    let mut triples = Triples::default();
    for (number, since, reading) in entries {
        triples.take_in(boot(*number), mono(*since), local(*reading));
    }
    triples
}

/// The clock showed this when that was true, to within so much.
fn knot(reading: f64, truth: f64, bound: f64) -> Knot {
    let truth = Interval::within(tai(truth), Span::from_seconds(bound));
    let (reading, rates) = (local(reading), Rates::ANY);
    Knot { reading, truth, rates, held: None, aside: Span::ZERO, evidence: Evidence::Chrony }
}

fn course(pieces: Vec<Vec<Knot>>, entries: &[(u8, f64, f64)]) -> Course {
    let (course, contradictions) = Course::laid(pieces, triples(entries));
    assert_eq!(contradictions, []);
    course
}

fn shown(reading: f64) -> Shown {
    Shown { from: local(reading), to: local(reading), doubt: None }
}

/// An entry of the journal.
fn entry(course: &Course, number: u8, since: f64, reading: f64) -> Option<Interval> {
    course.truth_under(boot(number), mono(since), &shown(reading)).map(|truth| truth.interval)
}

fn seconds(interval: Interval) -> [f64; 2] {
    [interval.earliest, interval.latest].map(|time| time.since_epoch().as_seconds())
}

fn is_near(found: [f64; 2], expected: [f64; 2]) -> bool {
    found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-6)
}

#[test]
fn bad_input_160_a_step_that_only_the_journal_saw_is_never_interpolated_across() {
    // The clock was set forward by an hour when the monotonic clock showed 200, and the evidence does not say so.
    let known = vec![vec![knot(10_000.0, 10_000.0, 0.01), knot(13_800.0, 10_200.0, 0.01)]];
    let alone = Course::laid(known.clone(), Triples::default());
    assert_eq!(alone.1.len(), 1, "without the journal it is a contradiction");
    let entries = [(1, 90.0, 9_990.0), (1, 190.0, 10_090.0), (1, 210.0, 13_710.0), (1, 400.0, 13_900.0)];
    let course = course(known, &entries);
    assert_eq!(course.stretches().len(), 2);
    let before = entry(&course, 1, 190.0, 10_090.0).expect("it is known");
    assert!(is_near(seconds(before), [10_089.9, 10_090.1]), "{before:?}");
    let after = entry(&course, 1, 210.0, 13_710.0).expect("it is known");
    assert!(is_near(seconds(after), [10_109.9, 10_110.1]), "{after:?}");
    // Other lines of that host, which tell no boot, are known as well.
    let other = course.truth(&shown(13_800.0)).expect("it is known");
    assert!(is_near(seconds(other.interval), [10_199.99, 10_200.01]), "{other:?}");
}

#[test]
fn what_the_clock_showed_twice_is_known_by_the_boot() {
    // Set back by 100 s at 300: it showed 10_200 to 10_300 twice.
    let known = vec![vec![knot(10_150.0, 10_150.0, 0.01)], vec![knot(10_350.0, 10_450.0, 0.01)]];
    let entries = [(1, 100.0, 10_100.0), (1, 299.0, 10_299.0), (1, 301.0, 10_201.0), (1, 500.0, 10_400.0)];
    let course = course(known, &entries);
    let twice = course.truth(&shown(10_250.0)).expect("it is known");
    assert_eq!(twice.stretch, None);
    let [earliest, latest] = seconds(twice.interval);
    assert!(earliest < 10_250.0 && 10_350.0 < latest, "{twice:?}");
    let first = entry(&course, 1, 250.0, 10_250.0).expect("it is known");
    assert!(is_near(seconds(first), [10_249.89, 10_250.11]), "{first:?}");
    let second = entry(&course, 1, 350.0, 10_250.0).expect("it is known");
    assert!(is_near(seconds(second), [10_349.89, 10_350.11]), "{second:?}");
}

#[test]
fn a_clock_that_was_wrong_at_the_boot_is_known_afterwards_by_half() {
    // Nobody knows whether it slept when the clock jumped, but it was no later than the monotonic clock allows.
    let known = vec![vec![knot(1_000_100.0, 1_000_100.0, 0.01), knot(1_000_200.0, 1_000_200.0, 0.01)]];
    let entries = [(1, 10.0, 10.0), (1, 60.0, 60.0), (1, 100.0, 1_000_050.0), (1, 300.0, 1_000_250.0)];
    let course = course(known, &entries);
    let wrong = entry(&course, 1, 10.0, 10.0).expect("half of it is known");
    assert!(wrong.is_half_known() && !wrong.is_bounded());
    let latest = wrong.latest.since_epoch().as_seconds();
    assert!((latest - (1_000_100.01 - 140.0 + 0.14)).abs() < 1e-6, "{latest}");
    assert!((wrong.best - tai(1_000_100.0 - 140.0)).abs() < Span::from_micros(1), "{wrong:?}");
}

#[test]
fn a_sleep_is_no_time_that_the_monotonic_clock_tells() {
    // It slept for an hour at 200. The clock went on, and is known before and after.
    let known = vec![vec![knot(10_150.0, 10_150.0, 0.01), knot(13_850.0, 13_850.0, 0.01)]];
    let entries = [(1, 100.0, 10_100.0), (1, 200.0, 10_200.0), (1, 201.0, 13_801.0), (1, 300.0, 13_900.0)];
    let course = course(known, &entries);
    let before = entry(&course, 1, 200.0, 10_200.0).expect("it is known");
    assert!(is_near(seconds(before), [10_199.94, 10_200.06]), "{before:?}");
    let after = entry(&course, 1, 201.0, 13_801.0).expect("it is known");
    assert!(is_near(seconds(after), [13_800.941, 13_801.059]), "{after:?}");
    // What is known before says of what is after only that it was not sooner.
    let known = vec![vec![knot(10_150.0, 10_150.0, 0.01)]];
    let course = Course::laid(known, triples(&entries)).0;
    let after = entry(&course, 1, 300.0, 13_900.0).expect("half of it is known");
    assert!(!after.is_bounded() && after.earliest > tai(10_299.0), "{after:?}");
}

#[test]
fn bad_input_159_another_boot_tells_nothing_of_this_one() {
    let known = vec![vec![knot(10_150.0, 10_150.0, 0.01)]];
    let entries = [(1, 100.0, 10_100.0), (1, 200.0, 10_200.0), (2, 5.0, 10_230.0), (2, 100.0, 10_325.0)];
    let course = course(known, &entries);
    assert!(entry(&course, 1, 200.0, 10_200.0).is_some_and(|known| known.is_bounded()));
    assert_eq!(entry(&course, 2, 5.0, 10_230.0), None);
    assert_eq!(entry(&course, 2, 100.0, 10_325.0), None, "though the clock showed a later reading");
}

#[test]
fn triples_alone_never_give_absolute_time() {
    let course = course(Vec::new(), &[(1, 100.0, 10_100.0), (1, 200.0, 10_200.0)]);
    assert_eq!(course.stretches(), []);
    assert_eq!(entry(&course, 1, 100.0, 10_100.0), None);
    assert_eq!(course.since_boot(boot(1), mono(150.0), Span::ZERO), None);
}

#[test]
fn evidence_from_before_the_journal_stays_as_it_was() {
    let known =
        vec![(0..10).map(|at| f64::from(at) * 100.0).map(|at| knot(at, at, 0.01)).collect::<Vec<_>>()];
    let without = course(known.clone(), &[]);
    let with = course(known, &[(1, 90_000.0, 850.0), (1, 90_100.0, 950.0)]);
    for reading in [50.0, 450.0, 650.0] {
        let [with, without] =
            [&with, &without].map(|course| course.truth(&shown(reading)).expect("it is known"));
        assert!(is_near(seconds(with.interval), seconds(without.interval)), "{with:?} {without:?}");
    }
}

#[test]
fn a_journal_between_two_knots_is_known_from_the_one_that_no_jump_parts_from_it() {
    // The clock was set between 40 and 50 on the monotonic clock, and the first knot may have been before.
    let known = vec![vec![knot(10_045.0, 10_045.0, 0.01), knot(10_109.0, 10_109.0, 0.01)]];
    let course = course(known, &[(1, 40.0, 13_640.0), (1, 50.0, 10_050.0), (1, 70.0, 10_070.0)]);
    let inside = entry(&course, 1, 60.0, 10_060.0).expect("it is known");
    assert!(is_near(seconds(inside), [10_059.941, 10_060.059]), "{inside:?}");
    let other = course.truth(&shown(10_060.0)).expect("it is known as well");
    assert_eq!(other.interval, inside);
    assert!(course.truth(&shown(10_100.0)).is_some_and(|known| known.interval.is_bounded()));
}

#[test]
fn bad_input_161_evidence_that_one_run_contradicts_is_told() {
    let known = vec![vec![knot(10_110.0, 10_110.0, 0.01)], vec![knot(10_190.0, 10_250.0, 0.01)]];
    let (course, contradictions) =
        Course::laid(known, triples(&[(1, 100.0, 10_100.0), (1, 200.0, 10_200.0)]));
    assert_eq!(contradictions.len(), 1);
    assert_eq!(entry(&course, 1, 150.0, 10_150.0), None);
}

#[test]
fn a_time_since_the_boot_is_known_where_its_boot_is() {
    let known = vec![vec![knot(10_150.0, 10_150.0, 0.01)]];
    let entries = [(1, 5.0, 10_005.0), (1, 200.0, 10_200.0), (1, 300.0, 20_000.0)];
    let course = course(known, &entries);
    let since = |seconds| course.since_boot(boot(1), mono(seconds), Span::from_micros(1));
    let Some(Truth { interval, .. }) = since(1.0) else { panic!("it is known") };
    assert!((interval.best - tai(10_001.0)).abs() < Span::from_millis(1), "{interval:?}");
    assert!(interval.is_bounded() && interval.bound() < Span::from_seconds(1.3), "{interval:?}");
    assert!(since(150.0).is_some());
    assert_eq!(since(199.5), None, "it may have slept from then on");
    assert_eq!(since(250.0), None);
    assert_eq!(course.since_boot(boot(2), mono(1.0), Span::ZERO), None, "of that boot nothing is known");
}

#[test]
fn bad_input_163_triples_without_end_take_no_more_memory_than_their_runs() {
    let mut endless = Triples::default();
    for at in 0..1_000_000 {
        let at = f64::from(at);
        endless.take_in(boot(1), mono(at), local(at + if at < 700_000.0 { 5.0 } else { 0.0 }));
    }
    assert!(endless.kept <= 8192, "{}", endless.kept);
    assert_eq!(endless.runs()[&boot(1)].len(), 2);
    let mut wild = Triples::default();
    for at in 0..400_000 {
        wild.take_in(boot(1), mono(f64::from(at)), local(f64::from(at * (at % 7))));
    }
    assert!(wild.kept <= 1 << 18, "{}", wild.kept);
}

proptest! {
    /// A clock with a rate, steps and sleeps, written down by a journal, and known at some moments: nothing false is claimed of any entry.
    #[test]
    fn nothing_false_is_claimed_of_any_entry(
        parts in proptest::collection::vec((1u32..2000, -5000i32..5000, 0u32..3000, any::<bool>(), -900i32..900), 1..8),
        every in 1usize..6,
    ) {
        let (mut since, mut reading, mut truth) = (5.0, 100_005.0, 100_005.0);
        let mut entries = Vec::new();
        let (mut pieces, mut piece) = (Vec::new(), Vec::new());
        for (length, step, sleep, is_seen, ppm) in parts {
            for at in 0..6 {
                let gone = f64::from(length) / 6.0;
                since += gone;
                reading += gone;
                truth += gone * (1.0 + f64::from(ppm) / 1e6);
                entries.push((1, since, reading, truth));
                if (entries.len() + at) % every == 0 {
                    piece.push(knot(reading, truth + 0.003, 0.01));
                }
            }
            reading += f64::from(step) + 0.5 + f64::from(sleep);
            truth += f64::from(sleep);
            // Whoever wrote down what is known saw the clock set, or did not.
            if is_seen || step < 0 {
                pieces.push(std::mem::take(&mut piece));
            }
        }
        pieces.push(piece);
        let told: Vec<(u8, f64, f64)> = entries.iter().map(|(boot, since, reading, _)| (*boot, *since, *reading)).collect();
        let (course, _) = Course::laid(pieces, triples(&told));
        for (number, since, reading, truth) in entries {
            if let Some(found) = entry(&course, number, since, reading) {
                let [earliest, latest] = seconds(found);
                prop_assert!(earliest <= truth + 1e-6 && truth <= latest + 1e-6, "{} is not within {} to {}", truth, earliest, latest);
            }
        }
    }
}

//! Fits of records that are made up.

use super::super::history::bracket;
use super::*;
use truechimer_time::{Rate, Time};

const ERROR: Span = Span::from_millis(100);
const NOTHING: Before = Before { rate: 0.0, sigma: 200e-6 };
const DAY: f64 = 86_400.0;

/// Records of a counter that is 50 ppm slow, each so many milliseconds wrong.
fn records(told: &[(i64, i64)]) -> Vec<Bracket> {
    told.iter().map(|&(seconds, millis)| record(seconds, Span::from_millis(millis))).collect()
}

fn record(seconds: i64, off: Span) -> Bracket {
    let passed = Span::from_secs(seconds);
    let right = Time::EPOCH + passed + Rate::from_ppb(50_000).over(passed);
    bracket(Time::EPOCH + passed, right + off, ERROR)
}

fn fitted(told: &[(i64, i64)], before: Before) -> Fit {
    fit(&records(told), before, ERROR).expect("there are records")
}

/// Records of the classic schedule, of a counter that does this besides: seconds gained after so many seconds.
fn classic(count: u32, does: impl Fn(f64) -> f64) -> (Fit, i64) {
    let seconds = |n: u32| 600 * ((2 << n) - 1);
    let record = |n| record(seconds(n), Span::from_seconds(does(seconds(n) as f64)));
    let records: Vec<Bracket> = (0..count).map(record).collect();
    (fit(&records, NOTHING, ERROR).expect("there are records"), seconds(count - 1))
}

/// A millisecond or two to either side, never the same.
fn noise(seconds: f64) -> f64 {
    2e-3 * libm::sin(seconds * seconds)
}

#[test]
fn one_record_tells_the_time_and_nothing_of_the_rate() {
    let fit = fitted(&[(0, 0)], Before { rate: 20e-6, sigma: 1e-6 });
    assert!(fit.offset(0.0).abs() < 1e-12 && (fit.rate(0.0) - 20e-6).abs() < 1e-12, "{fit:?}");
    assert!((fit.rate_sigma() - 1e-6).abs() < 1e-9 && fit.sigma(0.0) < 0.034, "{fit:?}");
    assert_eq!(super::fit(&[], NOTHING, ERROR), None);
}

#[test]
fn the_rate_is_found_and_its_error_is_about_what_is_said() {
    let fit =
        fitted(&[(0, 3), (600, -2), (1800, 4), (4200, -5), (9000, 1), (18_600, 2), (37_800, -3)], NOTHING);
    let error = (fit.rate(0.0) - 50e-6).abs();
    assert!(error < 0.4e-6 && error < 3.0 * fit.rate_sigma() && fit.rate_sigma() < 1e-6, "{fit:?}");
}

/// The line through the first and the latest would be wrong by 90 ms in 37,800 s for ever less, and never be right.
#[test]
fn a_bad_first_record_is_forgotten_by_and_by() {
    let told = [(0, 90), (600, 0), (1800, 0), (4200, 0), (9000, 0), (18_600, 0), (37_800, 0), (76_200, 0)];
    for (records, part) in [(6, 0.5), (7, 0.4), (8, 0.3)] {
        let fit = fitted(&told[..records], NOTHING);
        let line = 90e-3 / told[records - 1].0 as f64;
        assert!((fit.rate(0.0) - 50e-6).abs() < line * part, "{records}: {fit:?} against {line}");
    }
}

#[test]
fn what_was_known_before_gives_way_to_what_is_measured() {
    let wrong = Before { rate: 40e-6, sigma: 5e-6 };
    let fit = fitted(&[(0, 0), (86_400, 0), (172_800, 0), (259_200, 0)], wrong);
    assert!((fit.rate(0.0) - 50e-6).abs() < 1e-6, "{fit:?}");
}

#[test]
fn a_steady_oscillator_is_known_from_all_records() {
    let (fit, last) = classic(12, noise);
    let after = last as f64;
    let error = fit.offset(after) + noise(after) - 50e-6 * after;
    assert!(error.abs() < 5e-3 && error.abs() < 3.0 * fit.sigma(after), "{error} {}", fit.sigma(after));
    assert!(fit.sigma(after) < 20e-3, "{}", fit.sigma(after));
}

#[test]
fn an_oscillator_that_ages_goes_on_ageing() {
    let ages = |seconds: f64| 0.005e-6 / DAY * seconds * seconds / 2.0;
    let (fit, last) = classic(13, |seconds| ages(seconds) + noise(seconds));
    let (last, later) = (last as f64, 1.5 * last as f64);
    let gained = ages(later) - ages(last) + 50e-6 * (later - last);
    let (error, by_line) = (fit.offset(later - last) - gained, ages(later - last));
    assert!(error.abs() < by_line / 5.0, "{error} s, and {by_line} s along a line");
}

#[test]
fn day_and_night_are_foretold_and_not_taken_for_the_rate() {
    let day = |seconds: f64| -13.75e-3 * libm::cos(core::f64::consts::TAU * seconds / DAY);
    let (fit, last) = classic(12, |seconds| day(seconds) + noise(seconds));
    let last = last as f64;
    for hours in [0, 6, 12, 18, 24] {
        let passed = f64::from(hours) * 3600.0;
        let error = fit.offset(passed) - (day(last + passed) - day(last) - noise(last) + 50e-6 * passed);
        assert!(error.abs() < 10e-3, "{hours} h: {error}, where the day does 27 ms");
    }
    assert!((fit.rate(0.0) - 50e-6).abs() < 20e-9, "{}", fit.rate(0.0));
}

#[test]
fn what_a_wandering_one_did_long_ago_counts_for_little() {
    let bends = |seconds: f64| 1e-6 * (seconds - 5.0 * DAY).max(0.0);
    let (fit, last) = classic(12, |seconds| bends(seconds) + noise(seconds));
    let line = 50e-6 + bends(last as f64) / last as f64;
    assert!((fit.rate(0.0) - 51e-6).abs() < (line - 51e-6).abs() / 2.0, "{} {line}", fit.rate(0.0));
    assert!(fit.habits().walk > 1e-10, "{:?}", fit.habits());
}

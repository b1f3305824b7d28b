//! The likeliest time and rate from a few believed records.
//!
//! A record says one number and not how it came about, so the estimator of the suite, which reasons about both ways of
//! a packet, has nothing to work on. What is left is the textbook: the rate walks, records are noisy, and a filter of two
//! states weighs them. How fast the rate walks and how noisy records are is not known; so a bank of filters runs with
//! all answers, each is believed as far as it foretold the records, and the mixture is the answer. On a steady
//! oscillator that comes near to the line through all records, on a wandering one to that through the last ones.

use truechimer_time::Span;

use crate::discipline::bracket::Bracket;

/// How fast the rate may walk: its standard deviation after one second.
const WANDERS: [f64; 6] = [1e-12, 1e-11, 1e-10, 1e-9, 1e-8, 1e-7];

/// Most oscillators of computers walk like this, give or take ..
const WANDER_LOG: f64 = -9.0;

/// .. so many powers of ten.
const WANDER_SPREAD: f64 = 1.0;

/// The noise of records, in parts of the error that is assumed at most: a third, and four times less each.
const NOISES: [f64; 4] = [1.0 / 3.0, 1.0 / 12.0, 1.0 / 48.0, 1.0 / 192.0];

/// What is believed of the rate before any record, in seconds per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Before {
    /// The likeliest rate.
    pub(super) rate: f64,
    /// Its standard deviation.
    pub(super) sigma: f64,
}

/// What the records make likely at the last of them. Seconds, and seconds per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fit {
    /// From the middle of the last record to the likeliest time.
    pub(super) offset: f64,
    /// Its standard deviation.
    pub(super) sigma: f64,
    /// How much right time gains on the counter.
    pub(super) rate: f64,
    /// Its standard deviation.
    pub(super) rate_sigma: f64,
    /// How fast the rate walks, per square root of a second.
    pub(super) wander: f64,
}

/// Fits records, the oldest first, of which each is right to within `error`. `None` if there is none.
pub(super) fn fit(records: &[Bracket], before: Before, error: Span) -> Option<Fit> {
    let first = *records.first()?;
    let points = records.iter().map(|record| Point::of(*record, first));
    let bank = WANDERS.iter().flat_map(|&wander| NOISES.iter().map(move |&noise| (wander, noise)));
    let run = |(wander, noise): (f64, f64)| {
        let law = Law { wander, variance: square(noise * error.as_seconds().max(1e-9)) };
        (law, Filter::run(points.clone(), before, law))
    };
    Some(mixed(bank.map(run), points.clone().next_back()?.offset))
}

/// A record relative to the first one.
#[derive(Clone, Copy, Debug)]
struct Point {
    passed: f64,
    offset: f64,
}

impl Point {
    fn of(record: Bracket, first: Bracket) -> Self {
        let passed = record.at - first.at;
        let gained = record.middle() - first.middle() - passed;
        Self { passed: passed.as_seconds(), offset: gained.as_seconds() }
    }
}

/// What one filter takes for granted.
#[derive(Clone, Copy, Debug)]
struct Law {
    wander: f64,
    variance: f64,
}

/// Offset and rate, what is known of them, and how well all records were foretold.
#[derive(Clone, Copy, Debug)]
struct Filter {
    offset: f64,
    rate: f64,
    offset_var: f64,
    covar: f64,
    rate_var: f64,
    log_likelihood: f64,
}

impl Filter {
    fn run(mut points: impl Iterator<Item = Point>, before: Before, law: Law) -> Self {
        let first = points.next();
        let mut filter = Self {
            offset: first.map_or(0.0, |point| point.offset),
            rate: before.rate,
            offset_var: law.variance,
            covar: 0.0,
            rate_var: square(before.sigma),
            log_likelihood: prior(law.wander),
        };
        let mut at = first.map_or(0.0, |point| point.passed);
        for point in points {
            filter.predict(point.passed - at, law.wander);
            filter.take(point.offset, law.variance);
            at = point.passed;
        }
        filter
    }

    fn predict(&mut self, passed: f64, wander: f64) {
        let walked = square(wander) * passed;
        self.offset += self.rate * passed;
        self.offset_var += passed * (2.0 * self.covar + passed * (self.rate_var + walked / 3.0));
        self.covar += passed * (self.rate_var + walked / 2.0);
        self.rate_var += walked;
    }

    fn take(&mut self, offset: f64, variance: f64) {
        let (surprise, expected) = (offset - self.offset, self.offset_var + variance);
        let (gain, rate_gain) = (self.offset_var / expected, self.covar / expected);
        self.offset += gain * surprise;
        self.rate += rate_gain * surprise;
        self.rate_var -= rate_gain * self.covar;
        self.covar *= 1.0 - gain;
        self.offset_var *= 1.0 - gain;
        self.log_likelihood -= 0.5 * (libm::log(expected) + square(surprise) / expected);
    }
}

fn prior(wander: f64) -> f64 {
    -0.5 * square((libm::log10(wander) - WANDER_LOG) / WANDER_SPREAD)
}

/// Means of all filters, and what each thinks apart from them.
fn mixed(filters: impl Iterator<Item = (Law, Filter)> + Clone, last: f64) -> Fit {
    let best = filters.clone().map(|(_, filter)| filter.log_likelihood).fold(f64::MIN, f64::max);
    let weighed = filters.map(|(law, filter)| (libm::exp(filter.log_likelihood - best), law, filter));
    let total: f64 = weighed.clone().map(|(weight, ..)| weight).sum();
    let mean = |of: &dyn Fn(Law, Filter) -> f64| {
        weighed.clone().map(|(weight, law, filter)| weight * of(law, filter)).sum::<f64>() / total
    };
    let (offset, rate) = (mean(&|_, filter| filter.offset), mean(&|_, filter| filter.rate));
    let variance = mean(&|_, filter| filter.offset_var + square(filter.offset - offset));
    let rate_variance = mean(&|_, filter| filter.rate_var + square(filter.rate - rate));
    Fit {
        offset: offset - last,
        sigma: libm::sqrt(variance.max(0.0)),
        rate,
        rate_sigma: libm::sqrt(rate_variance.max(0.0)),
        wander: libm::sqrt(mean(&|law, _| square(law.wander))),
    }
}

fn square(x: f64) -> f64 {
    x * x
}

#[cfg(test)]
mod tests {
    use super::super::history::bracket;
    use super::*;
    use alloc::vec::Vec;
    use truechimer_time::{Rate, Time};

    const ERROR: Span = Span::from_millis(100);
    const NOTHING: Before = Before { rate: 0.0, sigma: 200e-6 };

    /// Records of a counter that is 50 ppm slow, each so many milliseconds wrong.
    fn records(told: &[(i64, i64)]) -> Vec<Bracket> {
        let record = |&(seconds, millis): &(i64, i64)| {
            let passed = Span::from_secs(seconds);
            let right = Time::EPOCH + passed + Rate::from_ppb(50_000).over(passed);
            bracket(Time::EPOCH + passed, right + Span::from_millis(millis), ERROR)
        };
        told.iter().map(record).collect()
    }

    fn fitted(told: &[(i64, i64)], before: Before) -> Fit {
        fit(&records(told), before, ERROR).expect("there are records")
    }

    #[test]
    fn one_record_tells_the_time_and_nothing_of_the_rate() {
        let fit = fitted(&[(0, 0)], Before { rate: 20e-6, sigma: 1e-6 });
        assert!(fit.offset.abs() < 1e-12 && (fit.rate - 20e-6).abs() < 1e-12, "{fit:?}");
        assert!((fit.rate_sigma - 1e-6).abs() < 1e-9 && fit.sigma < 0.034, "{fit:?}");
        assert_eq!(super::fit(&[], NOTHING, ERROR), None);
    }

    #[test]
    fn the_rate_is_found_and_its_error_is_about_what_is_said() {
        let fit = fitted(
            &[(0, 3), (600, -2), (1800, 4), (4200, -5), (9000, 1), (18_600, 2), (37_800, -3)],
            NOTHING,
        );
        let error = (fit.rate - 50e-6).abs();
        assert!(error < 0.4e-6 && error < 3.0 * fit.rate_sigma && fit.rate_sigma < 1e-6, "{fit:?}");
    }

    /// The line through the first and the latest would be wrong by 90 ms in 37,800 s for ever less, and never be right.
    #[test]
    fn a_bad_first_record_is_forgotten_by_and_by() {
        let told = [(0, 90), (600, 0), (1800, 0), (4200, 0), (9000, 0), (18_600, 0), (37_800, 0)];
        let fit = fitted(&told, NOTHING);
        let line = 90e-3 / 37_800.0;
        assert!((fit.rate - 50e-6).abs() < line / 3.0, "{fit:?} against {line}");
    }

    #[test]
    fn what_was_known_before_gives_way_to_what_is_measured() {
        let wrong = Before { rate: 40e-6, sigma: 5e-6 };
        let fit = fitted(&[(0, 0), (86_400, 0), (172_800, 0), (259_200, 0)], wrong);
        assert!((fit.rate - 50e-6).abs() < 1e-6, "{fit:?}");
    }
}

//! The daily cycle: by night it is cooler, and the oscillator runs otherwise.
//!
//! The rate is fitted by a sine of 24 hours, and one of 12 hours where it pays, beside a walk about which nothing is
//! assumed. A walk would fool a plain fit: it goes further in a month than the sine ever does. So the fit is made of
//! differences between hours that are six apart. In them the walk is small and the two sines are well seen (their
//! differences are √2 and 2 of their amplitudes):
//!
//! ```text
//!   y(t) - y(t - 6 h) = a (cos ωt - cos ω(t - 6 h)) + b (sin ωt - sin ω(t - 6 h)) + the same for 2ω + error
//! ```
//!
//! The cycle is used when three days were seen and it explains more than half of the variance of these differences, or two
//! days and it explains nearly all: there are some seven differences that do not overlap then, and a walk lets two
//! unknowns explain nine tenths of them once in a hundred times.

use core::f64::consts::TAU;

use truechimer_time::{Span, Tai, Time};

use super::diary::{HOUR, Hour, start_of};
use super::regression::Regression;
use super::series::{Series, weight};

/// Differences are taken between hours so far apart.
const LAG: usize = 6;

/// The hours of two and of three days, of which a few may be missing.
const HOURS_MIN: usize = 44;
const HOURS_ENOUGH: usize = 70;

/// The cycle has to leave less than this share of the variance unexplained, after two and after three days.
const UNEXPLAINED_EARLY: f64 = 0.1;
const UNEXPLAINED_MAX: f64 = 0.5;

/// The second sine has to leave less than this share of what the first one leaves.
const SECOND_PAYS: f64 = 0.9;

const DAY: Span = Span::from_secs(86_400);

/// What a day does to the rate: cosine and sine of one turn a day, cosine and sine of two turns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cycle {
    amplitudes: [f64; 4],
}

impl Cycle {
    /// The cycle in the rates of the hours, and the share of the variance that it leaves; `None` if it does not
    /// explain enough.
    pub(super) fn learn(rates: &Series) -> Option<(Self, f64)> {
        if rates.known() < HOURS_MIN {
            return None;
        }
        let mut sums = Regression::<4>::new();
        let turns = by_hour(|hour| turns(start_of(hour) + HOUR.half()));
        for (index, [before, after]) in rates.pairs(LAG) {
            let [then, now] = [index - LAG, index].map(|index| turns[of_day(rates.number(index))]);
            let row = core::array::from_fn(|k| now[k] - then[k]);
            sums.add(row, after - before, weight(rates.len() - 1 - index));
        }
        let one = sums.fit::<2>(LAG as f64)?;
        let two = sums.fit::<4>(LAG as f64).filter(|two| two.unexplained < SECOND_PAYS * one.unexplained);
        let (amplitudes, unexplained) = match two {
            Some(two) => (two.unknowns, two.unexplained),
            None => ([one.unknowns[0], one.unknowns[1], 0.0, 0.0], one.unexplained),
        };
        let most = if rates.known() < HOURS_ENOUGH { UNEXPLAINED_EARLY } else { UNEXPLAINED_MAX };
        (unexplained < most).then_some((Self { amplitudes }, unexplained))
    }

    /// What the cycle adds to the rate at an instant.
    pub(super) fn rate(&self, at: Time<Tai>) -> f64 {
        dot(self.amplitudes, turns(at))
    }

    /// The mean rates of the hours without what it adds to them.
    pub(super) fn left(&self, hours: &[Hour]) -> Series {
        let added = by_hour(|hour| self.gained(start_of(hour), start_of(hour) + HOUR) / HOUR.as_seconds());
        Series::of(hours, |hour| Some(hour.rate.as_ratio() - added[of_day(hour.number)]))
    }

    /// What has been gained by it from one instant to another, in seconds.
    pub(super) fn gained(&self, from: Time<Tai>, to: Time<Tai>) -> f64 {
        let [cos, sin, cos2, sin2] = self.amplitudes;
        let pace = TAU / DAY.as_seconds();
        let whole = [-sin / pace, cos / pace, -sin2 / (2.0 * pace), cos2 / (2.0 * pace)];
        dot(whole, turns(to)) - dot(whole, turns(from))
    }

    /// What has been gained by it from one instant to another beyond its rate at the first, in seconds.
    pub(super) fn bent(&self, from: Time<Tai>, to: Time<Tai>) -> f64 {
        self.gained(from, to) - self.rate(from) * (to - from).as_seconds()
    }

    /// Half of the way from its least to its most, as far as the first sine goes.
    pub(super) fn amplitude(&self) -> f64 {
        libm::hypot(self.amplitudes[0], self.amplitudes[1])
    }
}

/// Cosine and sine of the time of day, and of twice the time of day.
fn turns(at: Time<Tai>) -> [f64; 4] {
    let of_day = Span::from_attos(at.since_epoch().as_attos().rem_euclid(DAY.as_attos()));
    let turn = TAU * of_day.as_seconds() / DAY.as_seconds();
    [libm::cos(turn), libm::sin(turn), libm::cos(2.0 * turn), libm::sin(2.0 * turn)]
}

/// What depends on the hour of the day alone, for each of them.
fn by_hour<T>(of: impl Fn(u32) -> T) -> [T; 24] {
    core::array::from_fn(|hour| of(hour as u32))
}

/// Which hour of its day an hour is.
fn of_day(number: u32) -> usize {
    number as usize % 24
}

fn dot(a: [f64; 4], b: [f64; 4]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use truechimer_time::Rate;

    /// Rates of hours that follow a sine of 1 ppm with its maximum at 15 h TAI, and what else `more` adds.
    fn hours(count: u32, more: impl Fn(u32) -> f64) -> Vec<Hour> {
        let rate = |number: u32| {
            let of_day = f64::from(number % 24) + 0.5;
            1e-6 * libm::cos(TAU * (of_day - 15.0) / 24.0) + more(number)
        };
        (480_000..480_000 + count)
            .map(|number| Hour { number, degrees: None, rate: Rate::from_ratio(rate(number)) })
            .collect()
    }

    #[test]
    fn a_clear_sine_is_learned_in_two_days_and_not_before() {
        let cycle = |count| Cycle::learn(&Series::rates(&hours(count, |_| 2e-5)));
        assert_eq!(cycle(43), None);
        let (cycle, unexplained) = cycle(47).expect("two days");
        assert!(unexplained < 1e-6, "{unexplained}");
        assert!((cycle.amplitude() - 1e-6).abs() < 1e-8, "{cycle:?}");
        let at_15 = Time::<Tai>::EPOCH + HOUR * (24 * 21_000 + 15);
        assert!((cycle.rate(at_15) - 1e-6).abs() < 1e-8);
        assert!((cycle.rate(at_15 + HOUR * 12) + 1e-6).abs() < 1e-8);
    }

    #[test]
    fn what_is_gained_is_the_integral_of_the_rate() {
        let (cycle, _) = Cycle::learn(&Series::rates(&hours(100, |number| {
            3e-7 * libm::sin(TAU * f64::from(number % 12) / 12.0)
        })))
        .expect("four days");
        assert!(cycle.amplitudes[2].hypot(cycle.amplitudes[3]) > 2e-7, "the second sine pays: {cycle:?}");
        let (from, step) = (Time::<Tai>::EPOCH + Span::from_secs(1234), Span::from_secs(10));
        let sum: f64 = (0..5000).map(|k| cycle.rate(from + step * k + step.half()) * 10.0).sum();
        let gained = cycle.gained(from, from + step * 5000);
        assert!((sum - gained).abs() < 1e-9, "{sum} {gained}");
    }

    #[test]
    fn a_drift_a_gap_and_a_step_do_not_spoil_it() {
        let mut hours =
            hours(240, |number| 1e-9 * f64::from(number % 1000) + if number > 480_100 { 5e-6 } else { 0.0 });
        hours.drain(30..51);
        let (cycle, _) = Cycle::learn(&Series::rates(&hours)).expect("a cycle");
        assert!((cycle.amplitude() - 1e-6).abs() < 1.5e-7, "{cycle:?}");
    }

    /// In how many of so many walks a cycle is found after so many hours.
    fn found_in_walks(walks: u32, count: u32) -> usize {
        let is_found = |seed: &u32| {
            let (mut state, mut walked) = (*seed, 0.0);
            let mut hours = hours(count, |_| 0.0);
            for hour in &mut hours {
                let mut even = || {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    f64::from(state >> 8) / f64::from(1u32 << 24) - 0.5
                };
                walked += 1e-7 * (0..12).map(|_| even()).sum::<f64>();
                hour.rate = Rate::from_ratio(walked);
            }
            Cycle::learn(&Series::rates(&hours)).is_some()
        };
        (1..=walks).filter(is_found).count()
    }

    #[test]
    fn a_walk_is_no_cycle() {
        let learned = found_in_walks(40, 168);
        assert!(learned <= 4, "{learned} of 40");
        let early = found_in_walks(1000, 47);
        assert!(early <= 15, "{early} of 1000 after two days");
    }
}

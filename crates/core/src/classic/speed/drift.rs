//! How far the rate of this oscillator goes from its averages, as far as records tell: what assumption A2 is learned from.
//!
//! A2 says that the rate is at any time within a number of its average over any stretch, and the number is `max_drift`
//! for an oscillator that nobody knows. Records of a few days have shown what this one does. It is then assumed to go,
//! for as long again as they speak for, no further than
//!
//! ```text
//!   3 × how far any two averages are apart, beyond their noise, or how far it walks meanwhile, whichever is more
//!   + sudden, for what has not happened yet
//! ```
//!
//! Nothing is remembered but the records: one that shows more widens all that follows.

use alloc::vec::Vec;
use core::f64::consts::SQRT_2;

use truechimer_time::Rate;

use super::Assumed;
use crate::discipline::bracket::Bracket;
use crate::discipline::drift::WATCHED_MIN;

/// The oscillator may do so many times worse than it has been seen to.
const MARGIN: f64 = 3.0;

/// An average that is not known to within this tells nothing about a departure.
const VAGUE: f64 = 300e-9;

/// Fewer averages tell nothing: those between three records.
const AVERAGES_MIN: usize = 3;

/// What the fit says about records and oscillator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Habits {
    /// A record is off by about so many seconds.
    pub(super) noise: f64,
    /// How fast the rate walks, per square root of a second.
    pub(super) walk: f64,
}

/// The number of A2 that records speak for, the oldest first. `None` where they are too few, too young, too noisy, or speak
/// for no less than is assumed anyway.
pub(super) fn learned(records: &[Bracket], habits: Habits, assumed: &Assumed) -> Option<Rate> {
    let watched = records.last()?.at - records.first()?.at;
    let averages = averages(records, habits.noise);
    if watched < WATCHED_MIN || averages.len() < AVERAGES_MIN {
        return None;
    }
    let least = averages.iter().map(|one| one.rate - one.sigma).fold(f64::MIN, f64::max);
    let most = averages.iter().map(|one| one.rate + one.sigma).fold(f64::MAX, f64::min);
    let departs = (least - most).max(habits.walk * libm::sqrt(watched.as_seconds()));
    let drift = Rate::from_ratio(MARGIN * departs) + assumed.sudden;
    (drift < assumed.max_drift).then_some(drift)
}

/// The rate on average between two records, and its standard deviation.
#[derive(Clone, Copy, Debug)]
struct Average {
    rate: f64,
    sigma: f64,
}

/// Between any two records, where it is known.
fn averages(records: &[Bracket], noise: f64) -> Vec<Average> {
    let pairs =
        records.iter().enumerate().flat_map(|(n, new)| records[..n].iter().map(move |old| (old, new)));
    let average = |(old, new): (&Bracket, &Bracket)| {
        let passed = new.at - old.at;
        let gained = new.middle() - old.middle() - passed;
        let seconds = passed.as_seconds().max(1e-9);
        Average { rate: gained.as_seconds() / seconds, sigma: SQRT_2 * noise / seconds }
    };
    pairs.map(average).filter(|average| average.sigma <= VAGUE).collect()
}

#[cfg(test)]
mod tests {
    use super::super::history::bracket;
    use super::*;
    use truechimer_time::{Span, Time};

    const QUIET: Habits = Habits { noise: 1e-3, walk: 0.0 };

    /// A record every twelve hours, of a clock that gains so many parts per thousand million in each.
    fn records(ppb: &[i64]) -> Vec<Bracket> {
        let passed = Span::from_secs(43_200);
        let (mut at, mut right) = (Time::EPOCH, Time::EPOCH);
        let first = bracket(at, right, Span::from_millis(100));
        let later = ppb.iter().map(|&ppb| {
            at += passed;
            right += passed + Rate::from_ppb(ppb).over(passed);
            bracket(at, right, Span::from_millis(100))
        });
        core::iter::once(first).chain(later).collect()
    }

    fn ppb(records: &[Bracket], habits: Habits) -> Option<i64> {
        let drift = learned(records, habits, &Assumed::default())?;
        Some(drift.as_attos_per_second() / 1_000_000_000)
    }

    #[test]
    fn a_steady_oscillator_is_left_what_may_happen_suddenly() {
        assert_eq!(ppb(&records(&[50_000; 4]), QUIET), Some(3_000));
        assert_eq!(ppb(&records(&[50_000; 3]), QUIET), None, "a day and a half");
        assert_eq!(ppb(&[], QUIET), None);
    }

    #[test]
    fn what_was_seen_counts_three_times_unless_it_can_be_noise() {
        let seen = records(&[50_000, 50_000, 50_000, 50_000, 51_000]);
        let learned = ppb(&seen, QUIET).expect("less than 15 ppm");
        assert!((5_700..6_000).contains(&learned), "{learned}");
        assert_eq!(ppb(&seen, Habits { noise: 20e-3, ..QUIET }), Some(3_000), "0.65 ppm of noise each way");
        assert_eq!(ppb(&records(&[50_000, 50_000, 50_000, 50_000, 55_000]), QUIET), None, "more than 15 ppm");
    }

    #[test]
    fn records_that_tell_nothing_teach_nothing() {
        assert_eq!(ppb(&records(&[50_000; 4]), Habits { noise: 33e-3, ..QUIET }), None);
        let few = [records(&[50_000])[0], records(&[50_000; 8])[8]];
        assert_eq!(ppb(&few, QUIET), None, "there is no second average");
    }

    #[test]
    fn a_walk_goes_on() {
        let learned = ppb(&records(&[50_000; 8]), Habits { walk: 2e-9, ..QUIET }).expect("less than 15 ppm");
        assert!((learned - 3_000 - 3_527).abs() < 5, "three times 1.18 ppm in four days: {learned}");
    }
}

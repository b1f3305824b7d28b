//! The first exchanges, kept to be heard again.
//!
//! How long waits usually are decides what the first exchanges tell, and is what one knows least at first: a guess that is
//! too small takes every wait for congestion and every short one for a miracle, and what is then concluded of the bases
//! stays in them for good. So the beginning is rehearsed, each time with a better guess.

use alloc::vec::Vec;

use crate::measure::sample::Sample;

/// So many exchanges are kept.
pub(super) const KEPT_MAX: usize = 16;

/// After so many the beginning is heard again.
const REHEARSED_AT: [usize; 3] = [4, 8, 16];

/// The first exchange with a host is left out if its delay is so much longer than the second's.
const COLD: f64 = 1.25;

/// The median of the sum of two exponential waits, in units of either's mean.
const MEDIAN: f64 = 1.678;

/// The first exchanges, as long as they are of use.
#[derive(Clone, Debug, Default)]
pub(super) struct Rehearsal {
    kept: Vec<Sample>,
    is_over: bool,
}

impl Rehearsal {
    /// Begins with the first.
    pub(super) fn new(first: &Sample) -> Self {
        Self { kept: Vec::from([*first]), is_over: false }
    }

    /// Was there but one before this one, and that one slow? The first packets between two hosts wait until each link on
    /// their way has found its neighbour (RFC 826, RFC 4861), mostly there and not back. No later exchange would tell that
    /// from a way that is longer, and so half of it would stay in the estimate for good.
    pub(super) fn was_cold(&self, second: &Sample) -> bool {
        matches!(self.kept[..], [first] if !self.is_over && first.delay.as_seconds() > COLD * second.delay.as_seconds())
    }

    /// The exchanges kept, from the first.
    pub(super) fn samples(&self) -> &[Sample] {
        &self.kept
    }

    /// Takes in the next. A guess of the usual wait, in seconds, if it is time to begin anew.
    pub(super) fn hear(&mut self, sample: &Sample) -> Option<f64> {
        if self.kept.len() == KEPT_MAX {
            (self.kept, self.is_over) = (Vec::new(), true);
        }
        if self.is_over {
            return None;
        }
        self.kept.push(*sample);
        REHEARSED_AT.contains(&self.kept.len()).then(|| self.usual_wait())
    }

    /// From the median and the least of the delays. The least of `n` such sums is about √(π/2n) of the mean wait.
    fn usual_wait(&self) -> f64 {
        let mut delays: Vec<f64> = self.kept.iter().map(|sample| sample.delay.as_seconds()).collect();
        delays.sort_by(f64::total_cmp);
        let count = delays.len();
        let median = 0.5 * (delays[(count - 1) / 2] + delays[count / 2]);
        let least = libm::sqrt(core::f64::consts::FRAC_PI_2 / count as f64);
        (median - delays[0]) / (MEDIAN - least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use truechimer_time::{Span, Time};

    fn sample(micros: i64) -> Sample {
        Sample {
            sent: Time::EPOCH,
            received: Time::EPOCH,
            transmitted: Time::EPOCH,
            at: Time::EPOCH,
            earliest: Time::EPOCH,
            latest: Time::EPOCH,
            delay: Span::from_micros(micros),
            distance: Span::ZERO,
        }
    }

    #[test]
    fn the_usual_wait_is_guessed_three_times_and_then_no_more() {
        let mut rehearsal = Rehearsal::new(&sample(1_000));
        let guesses: Vec<(i64, f64)> =
            (2..60).filter_map(|n| Some((n, rehearsal.hear(&sample(1_000 + 10 * n))?))).collect();
        let counts: Vec<i64> = guesses.iter().map(|(n, _)| *n).collect();
        assert_eq!(counts, [4, 8, 16]);
        assert!(guesses.iter().all(|(_, wait)| (20e-6..80e-6).contains(wait)), "{guesses:?}");
        assert_eq!(rehearsal.samples(), []);
    }

    #[test]
    fn only_a_first_exchange_that_was_slow_is_cold() {
        let mut rehearsal = Rehearsal::new(&sample(1_300));
        assert!(rehearsal.was_cold(&sample(1_000)) && !rehearsal.was_cold(&sample(1_100)));
        rehearsal.hear(&sample(1_000));
        assert!(!rehearsal.was_cold(&sample(500)), "the second is never left out");
    }

    #[test]
    fn one_long_delay_does_not_spoil_the_guess() {
        let mut rehearsal = Rehearsal::new(&sample(1_000));
        let guesses: Vec<f64> =
            [1_100, 9_000_000, 1_200].iter().filter_map(|delay| rehearsal.hear(&sample(*delay))).collect();
        assert!(matches!(guesses[..], [wait] if wait < 200e-6), "{guesses:?}");
    }
}

//! The oracle: it knows the truth and holds every claim against it.

use truechimer_core::discipline::model::Reading;
use truechimer_time::{Span, Tai, Time};

/// An error below this counts as settled.
pub const SETTLED: Span = Span::from_millis(1);

/// It has to stay below for so long.
const SETTLED_FOR: Span = Span::from_secs(60);

/// What the oracle has seen of one machine.
#[derive(Clone, Debug, Default)]
pub struct Oracle {
    /// How often a bound was held against the truth.
    pub bounds_seen: u64,
    /// How often it was false.
    pub bounds_false: u64,
    /// The worst excess of the error over the bound.
    pub worst_excess: Span,
    /// How often the kernel was told less than the error of its clock.
    pub claims_false: u64,
    /// The errors of the clock since it has settled, weighted by time.
    pub clock: Errors,
    /// The bounds since then.
    pub bound: Errors,
    /// All that was said of the time, and how far it was from the truth.
    pub said: Said,
    /// When the first false bound was seen.
    pub first_false: Option<Time<Tai>>,
    below_since: Option<Time<Tai>>,
    settled_at: Option<Time<Tai>>,
    seen: Option<Time<Tai>>,
}

/// Errors, weighted by how long they stood.
#[derive(Clone, Debug, Default)]
pub struct Errors {
    weighted_squares: f64,
    weighted: f64,
    weight: f64,
    worst: Span,
}

impl Errors {
    fn add(&mut self, error: Span, seconds: f64) {
        let e = error.as_seconds();
        self.weighted_squares += e * e * seconds;
        self.weighted += libm::fabs(e) * seconds;
        self.weight += seconds;
        self.worst = self.worst.max(error.abs());
    }

    /// The root of the mean square, in seconds; `None` before anything was seen.
    pub fn rms(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| libm::sqrt(self.weighted_squares / self.weight))
    }

    /// The mean magnitude, in seconds.
    pub fn mean(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.weighted / self.weight)
    }

    /// The largest.
    pub fn worst(&self) -> Span {
        self.worst
    }
}

/// What was said of the time, weighted by how long it stood: how wrong it was, and how wrong it was said to be at most.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// For so many seconds something was said.
    pub seconds: f64,
    bounds: f64,
    /// Seconds by the size of the error, [`BINS_PER_DECADE`] to each power of ten above a nanosecond.
    bins: Vec<f64>,
}

/// How finely errors are told apart for a percentile: to 5 %.
const BINS_PER_DECADE: f64 = 48.0;

impl Said {
    fn add(&mut self, error: Span, bound: Span, seconds: f64) {
        let nanos = (error.abs().as_seconds() * 1e9).max(1.0);
        let bin = (libm::log10(nanos) * BINS_PER_DECADE) as usize;
        if self.bins.len() <= bin {
            self.bins.resize(bin + 1, 0.0);
        }
        self.bins[bin] += seconds;
        self.bounds += bound.as_seconds() * seconds;
        self.seconds += seconds;
    }

    /// Adds what was said elsewhere.
    pub fn join(&mut self, other: &Self) {
        if self.bins.len() < other.bins.len() {
            self.bins.resize(other.bins.len(), 0.0);
        }
        self.bins.iter_mut().zip(&other.bins).for_each(|(mine, theirs)| *mine += theirs);
        self.bounds += other.bounds;
        self.seconds += other.seconds;
    }

    /// The mean bound, in seconds; `None` if nothing was said.
    pub fn mean_bound(&self) -> Option<f64> {
        (self.seconds > 0.0).then(|| self.bounds / self.seconds)
    }

    /// The error that was exceeded for no more than this share of the time, in seconds.
    pub fn percentile(&self, share: f64) -> Option<f64> {
        let (mut left, mut found) = (self.seconds * (1.0 - share), None);
        for (bin, seconds) in self.bins.iter().enumerate().rev() {
            left -= seconds;
            if left < 0.0 && *seconds > 0.0 {
                found = Some(1e-9 * libm::pow(10.0, (bin as f64 + 1.0) / BINS_PER_DECADE));
                break;
            }
        }
        found
    }
}

impl Oracle {
    /// Looks at a machine at a true instant: what it says of the time, and how far its clock is off (true minus local).
    pub fn look(&mut self, truth: Time<Tai>, says: Option<&Reading>, clock_error: Span) {
        if let Some(reading) = says {
            self.hold_against(truth, reading);
        }
        self.watch_settling(truth, clock_error);
        let seconds = self.seen.map_or(0.0, |seen| (truth - seen).as_seconds());
        self.seen = Some(truth);
        if let Some(reading) = says {
            self.said.add(reading.best - truth, reading.bound(), seconds);
        }
        if self.settled_at.is_some() {
            self.clock.add(clock_error, seconds);
            self.bound.add(says.map_or(Span::ZERO, Reading::bound), seconds);
        }
    }

    /// The kernel is told how far its clock, which is off by `clock_error`, can be from the truth.
    pub fn hear_claim(&mut self, clock_error: Span, claimed: Span) {
        self.claims_false += u64::from(clock_error.abs() > claimed);
    }

    /// The machine has slept until `truth`: nobody could read its clock meanwhile.
    pub fn slept(&mut self, truth: Time<Tai>) {
        self.seen = Some(truth);
    }

    fn hold_against(&mut self, truth: Time<Tai>, reading: &Reading) {
        self.bounds_seen += 1;
        let excess = (reading.earliest - truth).max(truth - reading.latest);
        if excess > Span::ZERO {
            self.bounds_false += 1;
            self.first_false = self.first_false.or(Some(truth));
            self.worst_excess = self.worst_excess.max(excess);
        }
    }

    fn watch_settling(&mut self, truth: Time<Tai>, clock_error: Span) {
        if clock_error.abs() >= SETTLED {
            self.below_since = None;
            return;
        }
        let since = *self.below_since.get_or_insert(truth);
        if self.settled_at.is_none() && truth - since >= SETTLED_FOR {
            self.settled_at = Some(since);
        }
    }

    /// When the clock had settled, if it has.
    pub fn settled_at(&self) -> Option<Time<Tai>> {
        self.settled_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time<Tai> {
        Time::EPOCH + Span::from_secs(seconds)
    }

    #[test]
    fn a_false_bound_is_found() {
        let mut oracle = Oracle::default();
        let reading =
            Reading { earliest: at(10), best: at(11), latest: at(12), sigma: Span::ZERO, age: Span::ZERO };
        for truth in [10, 12, 13, 8] {
            oracle.look(at(truth).max(at(10)), Some(&reading), Span::ZERO);
        }
        assert_eq!((oracle.bounds_seen, oracle.bounds_false), (4, 1));
        assert_eq!(oracle.worst_excess, Span::from_secs(1));
    }

    #[test]
    fn what_was_said_is_weighed_by_time() {
        let mut said = Said::default();
        said.add(Span::from_millis(1), Span::from_millis(3), 998.0);
        let mut rest = Said::default();
        rest.add(Span::from_millis(-100), Span::from_millis(503), 2.0);
        said.join(&rest);
        let (half, most) = (said.percentile(0.5).expect("said"), said.percentile(0.999).expect("said"));
        assert!((0.95e-3..1.05e-3).contains(&half) && (0.095..0.105).contains(&most), "{half} {most}");
        assert!((said.mean_bound().expect("said") - 4e-3).abs() < 1e-9);
        assert_eq!(Said::default().percentile(0.5), None);
    }

    #[test]
    fn settled_is_for_a_minute_and_counts_from_its_beginning() {
        let mut oracle = Oracle::default();
        let errors = [(0, 500), (10, 0), (50, 500), (60, 0), (100, 0), (121, 0)];
        for (second, millis) in errors {
            oracle.look(at(second), None, Span::from_millis(millis));
        }
        assert_eq!(oracle.settled_at(), Some(at(60)));
    }
}

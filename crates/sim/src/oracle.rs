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

impl Oracle {
    /// Looks at a machine at a true instant: what it says of the time, and how far its clock is off (true minus local).
    pub fn look(&mut self, truth: Time<Tai>, says: Option<&Reading>, clock_error: Span) {
        if let Some(reading) = says {
            self.hold_against(truth, reading);
        }
        self.watch_settling(truth, clock_error);
        let seconds = self.seen.map_or(0.0, |seen| (truth - seen).as_seconds());
        self.seen = Some(truth);
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
    fn settled_is_for_a_minute_and_counts_from_its_beginning() {
        let mut oracle = Oracle::default();
        let errors = [(0, 500), (10, 0), (50, 500), (60, 0), (100, 0), (121, 0)];
        for (second, millis) in errors {
            oracle.look(at(second), None, Span::from_millis(millis));
        }
        assert_eq!(oracle.settled_at(), Some(at(60)));
    }
}

//! How far the rate of this oscillator goes from its own averages: what assumption A2 is learned from.
//!
//! A2 says that the rate now is within a number of its average over any stretch of the last day. For an oscillator that
//! nobody knows the number is `max_drift`, large enough for any. One that has been watched for days has shown what it
//! does, day and night; it is then assumed to do no worse than three times that, and a sudden change of `sudden` on top,
//! for what has not happened yet (a fan that fails, a shock, a new neighbour in the rack). The larger departures of the
//! last weeks count; what contradicts the assumption sets it back to `max_drift`.

use truechimer_time::{Rate, Raw, Span, Time};

use crate::policy::TrustPolicy;

/// An oscillator has to be watched for so long before anything is assumed from it: two nights.
pub const WATCHED_MIN: Span = Span::from_secs(2 * 86_400);

/// The largest departure is taken over the last one to two times so long.
const PERIOD: Span = Span::from_secs(14 * 86_400);

/// The oscillator may do so many times worse than it has been seen to.
const MARGIN: i64 = 3;

/// A rate or an average that is not known to within this tells nothing about a departure.
const VAGUE: Rate = Rate::from_ppb(300);

/// Between two looks no more than this counts as watched.
const GAP_MAX: Span = Span::from_secs(4096);

/// What the oscillator has been seen to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drift {
    max: Rate,
    sudden: Rate,
    seen: Seen,
    looked: Option<Time<Raw>>,
}

/// The departures that were seen: worth keeping over a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// For how long the oscillator has been watched.
    pub watched: Span,
    /// The largest departure of the period that is running.
    pub largest: Rate,
    /// The largest departure of the period before.
    pub largest_before: Rate,
}

/// A rate, and how well it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Known {
    /// The rate.
    pub rate: Rate,
    /// To within about this.
    pub sigma: Rate,
}

impl Drift {
    /// An oscillator of which an earlier life has seen so much.
    pub fn new(trust: &TrustPolicy, seen: Seen) -> Self {
        Self { max: trust.max_drift, sudden: trust.sudden, seen, looked: None }
    }

    /// The number of A2 that is in force.
    pub fn allowed(&self) -> Rate {
        if self.seen.watched < WATCHED_MIN {
            return self.max;
        }
        let largest = self.seen.largest.max(self.seen.largest_before);
        let learned = Rate::from_attos_per_second(largest.as_attos_per_second().saturating_mul(MARGIN));
        (learned + self.sudden).min(self.max)
    }

    /// What has been seen.
    pub fn seen(&self) -> Seen {
        self.seen
    }

    /// Looks at the rate at a reading of the counter, and at averages of it until then.
    pub fn look(&mut self, at: Time<Raw>, now: Known, averages: impl Iterator<Item = Known>) {
        if now.sigma > VAGUE {
            return;
        }
        let passed = self.looked.map_or(Span::ZERO, |looked| at - looked);
        self.looked = Some(at);
        self.count(passed.max(Span::ZERO).min(GAP_MAX));
        let departures = averages.filter(|average| average.sigma <= VAGUE).map(|a| (now.rate - a.rate).abs());
        self.seen.largest = departures.fold(self.seen.largest, Rate::max);
    }

    /// The counter was interrupted: no time is counted across the gap.
    pub fn interrupted(&mut self) {
        self.looked = None;
    }

    /// The assumption did not hold, or what it was learned from did not.
    pub fn forget(&mut self) {
        *self = Self { seen: Seen::default(), looked: None, ..*self };
    }

    fn count(&mut self, passed: Span) {
        let periods = |watched: Span| watched.as_attos() / PERIOD.as_attos();
        let before = periods(self.seen.watched);
        self.seen.watched += passed;
        if periods(self.seen.watched) > before {
            self.seen.largest_before = core::mem::take(&mut self.seen.largest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(ppb: i64) -> Known {
        Known { rate: Rate::from_ppb(ppb), sigma: Rate::from_ppb(10) }
    }

    /// Watches for so many hours, every quarter of one, a rate that is `departs` away from its average.
    fn watched(drift: &mut Drift, from: i64, hours: i64, departs: i64) {
        for quarter in 0..hours * 4 {
            let at = Time::EPOCH + Span::from_secs(from * 3600 + quarter * 900);
            drift.look(at, known(80_000 + departs), [known(80_000)].into_iter());
        }
    }

    #[test]
    fn an_oscillator_is_assumed_to_do_anything_until_it_has_been_watched_for_days() {
        let mut drift = Drift::new(&TrustPolicy::default(), Seen::default());
        watched(&mut drift, 0, 47, 200);
        assert_eq!(drift.allowed(), Rate::from_ppb(15_000));
        watched(&mut drift, 47, 2, 200);
        assert_eq!(drift.allowed(), Rate::from_ppb(3_600), "three times what was seen, and 3 ppm");
    }

    #[test]
    fn a_departure_counts_for_weeks_and_never_beyond_the_limit() {
        let mut drift = Drift::new(&TrustPolicy::default(), Seen::default());
        watched(&mut drift, 0, 24, 9_000);
        watched(&mut drift, 24, 24 * 14, 100);
        assert_eq!(drift.allowed(), Rate::from_ppb(15_000));
        watched(&mut drift, 24 * 15, 24 * 14, 100);
        assert_eq!(drift.allowed(), Rate::from_ppb(3_300));
    }

    #[test]
    fn what_is_vague_or_asleep_tells_nothing() {
        let mut drift = Drift::new(&TrustPolicy::default(), Seen::default());
        let vague = Known { sigma: Rate::from_ppb(400), ..known(99_000) };
        drift.look(Time::EPOCH, vague, [known(0)].into_iter());
        drift.look(Time::EPOCH, known(0), [vague].into_iter());
        drift.look(Time::EPOCH + Span::from_secs(86_400 * 9), known(0), [].into_iter());
        assert_eq!(drift.seen(), Seen { watched: GAP_MAX, ..Seen::default() });
        drift.interrupted();
        drift.look(Time::EPOCH + Span::from_secs(86_400 * 10), known(0), [].into_iter());
        assert_eq!(drift.seen().watched, GAP_MAX);
    }

    #[test]
    fn a_contradiction_sets_it_back() {
        let mut drift = Drift::new(&TrustPolicy::default(), Seen::default());
        watched(&mut drift, 0, 72, 0);
        drift.forget();
        assert_eq!(drift.allowed(), TrustPolicy::default().max_drift);
    }
}

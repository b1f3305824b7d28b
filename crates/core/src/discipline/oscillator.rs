//! What is certain about the machine's oscillator: its rate lies between two limits.
//!
//! Two assumptions carry every bound of the suite; they are the operator's to state
//! ([`TrustPolicy`](crate::policy::TrustPolicy)) and are published with each bound:
//!
//! - **A1**: the raw counter is never further than `max_rate` from one second per second.
//! - **A2**: its rate now is within a number of its average over any stretch of the last day: `max_drift`, or less where
//!   the oscillator has been watched for long enough ([`Drift`]).
//!
//! Brackets that the vote has agreed upon are remembered, densely for the last minutes and thinly for half a day.
//! Any two of them limit the average rate between them; A2 carries that limit to the present, and for half a day
//! beyond: then the first of the two is a day old. For each day after that A2 lets the rate go by as much again.

use alloc::vec::Vec;

use truechimer_time::{Rate, Raw, Span, Tai, Time};

use super::bracket::Bracket;
use super::drift::{Drift, Known, Seen};
use crate::learned::Learned;
use crate::policy::TrustPolicy;

/// Nothing older than [`MEMORY_SPAN`] is remembered, so that what is remembered speaks about the rate for as long again (A2).
pub use truechimer_model::limits::{MEMORY_SPAN, RateLimits};

/// The most brackets remembered.
pub const MEMORY_MAX: usize = 24;

/// An average over less tells more about noise than about the oscillator.
const AVERAGE_MIN: Span = Span::from_secs(600);

/// The evidence contradicts the assumptions: this oscillator does what it was assumed not to do, or the sources of
/// the vote were wrong before or are wrong now. All that was known of the rate is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contradiction;

/// What is known of the rate, and from what.
#[derive(Clone, Debug)]
pub struct Oscillator {
    max_rate: Rate,
    drift: Drift,
    limits: RateLimits,
    found: Option<Time<Raw>>,
    prior: Option<Prior>,
    memory: Vec<Memory>,
}

/// What was certain at a reading of the counter, and what was likely.
#[derive(Clone, Copy, Debug)]
struct Memory {
    agreed: Bracket,
    best: Option<Likely>,
}

/// The likeliest time and rate at a reading of the counter, each with one standard deviation.
#[derive(Clone, Copy, Debug)]
pub struct Likely {
    /// The time.
    pub time: Time<Tai>,
    /// Its standard deviation.
    pub sigma: Span,
    /// The rate.
    pub rate: Rate,
    /// Its standard deviation.
    pub rate_sigma: Rate,
}

/// What was known of the rate before all that is remembered: in an earlier life, or before an interruption.
#[derive(Clone, Copy, Debug)]
struct Prior {
    at: Time<Tai>,
    limits: RateLimits,
}

impl Oscillator {
    /// An oscillator that is known by assumption A1. What was learned of it before a restart counts from the first
    /// agreement on: until then nobody knows for certain how long ago that was.
    pub fn new(trust: &TrustPolicy, learned: Option<&Learned>) -> Self {
        let anything = RateLimits::around(Rate::ZERO, trust.max_rate);
        let drift = Drift::new(trust, learned.map_or(Seen::default(), |known| known.seen));
        let prior = learned.and_then(|known| {
            let allowed = drift.allowed();
            let limits = RateLimits::around(known.rate, known.rate_error + allowed + allowed);
            let limits = limits.drifting(allowed).meet(anything)?;
            Some(Prior { at: known.at, limits })
        });
        let max_rate = trust.max_rate;
        Self { max_rate, drift, limits: anything, found: None, prior, memory: Vec::new() }
    }

    /// The rate as far as it is likely, before it is certain: what was learned in an earlier life stands until the first
    /// agreement. Not for bounds.
    pub fn likely(&self, at: Time<Raw>) -> RateLimits {
        let earlier = self.prior.filter(|_| self.found.is_none());
        earlier.map_or_else(|| self.limits(at), |prior| prior.limits)
    }

    /// The rate as far as anything is known of it beyond assumption A1.
    pub fn rate(&self, at: Time<Raw>) -> Option<Rate> {
        let likely = self.likely(at);
        (likely.error() < self.max_rate).then(|| likely.middle())
    }

    /// The limits of the rate at a reading of the counter, not before the last agreement.
    pub fn limits(&self, at: Time<Raw>) -> RateLimits {
        self.limits.after(self.found.map_or(Span::ZERO, |found| at - found))
    }

    /// Takes in what the vote agreed upon.
    pub fn learn(&mut self, agreed: Bracket) -> Result<(), Contradiction> {
        self.memory.retain(|old| agreed.at - old.agreed.at <= MEMORY_SPAN);
        let outcome = self.limits_from_memory(agreed);
        match outcome {
            Some(limits) => (self.limits, self.found) = (limits, Some(agreed.at)),
            None => self.forget(),
        }
        self.remember(agreed);
        outcome.map(drop).ok_or(Contradiction)
    }

    /// Takes in what is likely where the last agreement was reached: how far the rate goes from its averages.
    pub fn observe(&mut self, likely: Likely) {
        let Some((newest, older)) = self.memory.split_last_mut() else { return };
        newest.best = Some(likely);
        let at = newest.agreed.at;
        let averages = older.iter().filter_map(|old| {
            let (passed, best) = (at - old.agreed.at, old.best?);
            let gained = likely.time - best.time - passed;
            let seconds = passed.as_seconds();
            let slope = |span: Span| Rate::from_ratio(span.as_seconds() / seconds);
            (passed >= AVERAGE_MIN)
                .then(|| Known { rate: slope(gained), sigma: slope(likely.sigma + best.sigma) })
        });
        self.drift.look(at, Known { rate: likely.rate, sigma: likely.rate_sigma }, averages);
    }

    /// The number of assumption A2 that is in force.
    pub fn drift_allowed(&self) -> Rate {
        self.drift.allowed()
    }

    /// What has been seen of the drift.
    pub fn drift_seen(&self) -> Seen {
        self.drift.seen()
    }

    /// Forgets all that was measured: the counter itself may have changed (suspend, migration).
    pub fn forget(&mut self) {
        self.memory.clear();
        self.found = None;
        self.prior = None;
        self.drift.forget();
        self.limits = RateLimits::around(Rate::ZERO, self.max_rate);
    }

    /// The counter stood still at a reading for so long: nothing can be measured across the gap. The same oscillator
    /// goes on, in other circumstances, and A2 knows of each day that has passed.
    pub fn interrupted(&mut self, at: Time<Raw>, slept: Span) {
        let anything = RateLimits::around(Rate::ZERO, self.max_rate);
        let wider = self.limits(at).drifting(self.drift.allowed()).after(MEMORY_SPAN + slept);
        let newest = self.memory.last().map(|newest| newest.agreed.earliest);
        let known_at = newest.or(self.prior.map(|prior| prior.at));
        self.memory.clear();
        self.drift.interrupted();
        self.found = Some(at);
        self.limits = wider.meet(anything).unwrap_or(anything);
        self.prior = known_at.map(|at| Prior { at, limits: self.limits });
    }

    fn limits_from_memory(&self, agreed: Bracket) -> Option<RateLimits> {
        let anything = RateLimits::around(Rate::ZERO, self.max_rate);
        let known = match self.prior {
            Some(prior) => prior.limits.after(agreed.latest - prior.at).meet(anything)?,
            None => anything,
        };
        self.memory.iter().try_fold(known, |limits, old| limits.meet(self.limits_between(old.agreed, agreed)))
    }

    /// The present rate, as far as two brackets tell.
    fn limits_between(&self, old: Bracket, new: Bracket) -> RateLimits {
        let passed = (new.at - old.at).as_seconds();
        if passed <= 0.0 {
            return RateLimits::around(Rate::ZERO, self.max_rate);
        }
        let slope = |gained: Span| Rate::from_ratio(gained.as_seconds() / passed);
        let counted = new.at - old.at;
        let drift = self.drift.allowed();
        RateLimits {
            min: slope(new.earliest - old.latest - counted) - drift,
            max: slope(new.latest - old.earliest - counted) + drift,
            drift,
        }
    }

    /// Keeps the memory short. Where it is full, the bracket goes whose neighbours stand closest together in
    /// proportion to their age, so that the ages stay roughly geometric; the oldest and the newest always stay.
    fn remember(&mut self, agreed: Bracket) {
        self.memory.push(Memory { agreed, best: None });
        if self.memory.len() <= MEMORY_MAX {
            return;
        }
        let at = |i: usize| self.memory[i].agreed.at;
        let crowding = |i: usize| {
            let gap = (at(i + 1) - at(i - 1)).as_seconds();
            gap / (agreed.at - at(i - 1)).as_seconds().max(1e-9)
        };
        let most_crowded = (1..self.memory.len() - 1).min_by(|&a, &b| crowding(a).total_cmp(&crowding(b)));
        if let Some(index) = most_crowded {
            self.memory.remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use truechimer_time::Tai;

    const DAY: Span = Span::from_secs(86_400);

    /// A bracket of ± 1 ms around a clock that runs `ppb` fast against the counter.
    fn agreed(seconds: i64, ppb: i64) -> Bracket {
        let at = Time::<Raw>::EPOCH + Span::from_secs(seconds);
        let tai = Time::<Tai>::EPOCH + Span::from_secs(seconds) + Span::from_nanos(seconds * ppb);
        Bracket { at, earliest: tai - Span::from_millis(1), latest: tai + Span::from_millis(1) }
    }

    #[test]
    fn the_rate_is_learned_to_within_the_assumed_drift() {
        let trust = TrustPolicy::default();
        let mut oscillator = Oscillator::new(&trust, None);
        for minute in 0..600 {
            oscillator.learn(agreed(minute * 60, 80_000)).expect("nothing contradicts");
            let limits = oscillator.limits(agreed(minute * 60, 0).at);
            assert!(limits.min <= Rate::from_ppb(80_000) && Rate::from_ppb(80_000) <= limits.max);
        }
        assert!(oscillator.limits(agreed(36_000, 0).at).error() < trust.max_drift + Rate::from_ppb(200));
        assert!(oscillator.memory.len() <= MEMORY_MAX);
        assert_eq!(oscillator.memory[0].agreed.at, Time::EPOCH, "the longest stretch is worth most");
    }

    #[test]
    fn an_impossible_rate_is_a_contradiction_and_starts_afresh() {
        let trust = TrustPolicy::default();
        let mut oscillator = Oscillator::new(&trust, None);
        for minute in 0..60 {
            oscillator.learn(agreed(minute * 60, 0)).expect("nothing contradicts");
        }
        let jumped = Bracket { earliest: agreed(3600, 0).earliest + Span::from_secs(9), ..agreed(3600, 0) };
        let jumped = Bracket { latest: jumped.latest + Span::from_secs(9), ..jumped };
        assert_eq!(oscillator.learn(jumped), Err(Contradiction));
        assert_eq!(oscillator.limits(jumped.at), RateLimits::around(Rate::ZERO, trust.max_rate));
    }

    #[test]
    fn a_sleep_of_days_widens_the_limits_by_the_assumed_drift_of_each() {
        let mut oscillator = Oscillator::new(&TrustPolicy::default(), None);
        for minute in 0..600 {
            oscillator.learn(agreed(minute * 60, 0)).expect("nothing contradicts");
        }
        let at = agreed(36_000, 0).at;
        let before = oscillator.limits(at).error();
        oscillator.interrupted(at, DAY * 3);
        let wider = oscillator.limits(at).error() - before;
        assert!((wider - Rate::from_ppb(45_000)).abs() < Rate::from_ppb(1), "{wider}");
    }

    proptest! {
        /// A rate that follows the limits to their edge for days gains no more than a bracket widens.
        #[test]
        fn a_bracket_carried_for_days_takes_in_what_the_limits_allow(hours in 1i64..400) {
            let drift = Rate::from_ppb(15_000);
            let limits = RateLimits::around(Rate::ZERO, drift).drifting(drift);
            let hour = Span::from_secs(3600);
            let gained: Span = (1..=hours).map(|h| limits.after(hour * h).max.over(hour)).sum();
            let carried = agreed(0, 0).carried_to(Time::EPOCH + hour * hours, limits);
            let most = carried.latest - agreed(0, 0).latest - hour * hours;
            prop_assert!((most - gained).abs() < Span::from_micros(1), "{most} {gained}");
        }
    }

    /// What was learned of a clock that runs 80 ppm fast, at the first second of TAI.
    fn learned() -> Learned {
        Learned {
            rate: Rate::from_ppb(80_000),
            rate_error: Rate::from_ppb(100),
            wander: Rate::from_ppb(1),
            at: Time::EPOCH,
            bound: Span::from_millis(1),
            seen: Seen::default(),
            hours: Vec::new(),
        }
    }

    #[test]
    fn what_was_learned_before_a_restart_is_likely_at_once_and_certain_from_the_first_agreement() {
        let trust = TrustPolicy::default();
        let mut oscillator = Oscillator::new(&trust, Some(&learned()));
        assert_eq!(oscillator.likely(Time::EPOCH).error(), Rate::from_ppb(30_100));
        let rate = oscillator.rate(Time::EPOCH).expect("it is known");
        assert!((rate - Rate::from_ppb(80_000)).abs() < Rate::from_ppb(1));
        assert_eq!(oscillator.limits(Time::EPOCH).error(), trust.max_rate);
        for second in 100..110 {
            oscillator.learn(agreed(second, 80_000)).expect("nothing contradicts");
            let limits = oscillator.limits(agreed(second, 0).at);
            assert!(limits.error() <= Rate::from_ppb(30_100), "{limits:?}");
        }
        assert_eq!(Oscillator::new(&trust, None).rate(Time::EPOCH), None);
    }

    #[test]
    fn what_was_learned_widens_by_the_assumed_drift_of_each_day() {
        let mut oscillator = Oscillator::new(&TrustPolicy::default(), Some(&learned()));
        let days = 3 * 86_400;
        oscillator.learn(agreed(days, 80_000)).expect("nothing contradicts");
        assert_eq!(oscillator.limits(agreed(days, 0).at).error(), Rate::from_ppb(30_100 + 3 * 15_000));
    }

    #[test]
    fn what_was_known_before_a_sleep_is_not_lost_by_the_first_measurements_after_it() {
        let mut oscillator = Oscillator::new(&TrustPolicy::default(), None);
        for minute in 0..600 {
            oscillator.learn(agreed(minute * 60, 80_000)).expect("nothing contradicts");
        }
        oscillator.interrupted(agreed(36_000, 0).at, Span::from_secs(60));
        for second in 36_100..36_110 {
            oscillator.learn(agreed(second, 80_000)).expect("nothing contradicts");
            let limits = oscillator.limits(agreed(second, 0).at);
            assert!(limits.error() < Rate::from_ppb(50_000), "{limits:?}");
        }
    }
}

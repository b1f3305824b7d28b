//! What is certain about the machine's oscillator: its rate lies between two limits.
//!
//! Two assumptions carry every bound of the suite; they are the operator's to state
//! ([`TrustPolicy`](crate::policy::TrustPolicy)) and are published with each bound:
//!
//! - **A1**: the raw counter is never further than `max_rate` from one second per second.
//! - **A2**: its rate now is within `max_drift` of its average over any stretch of the last day.
//!
//! Brackets that the vote has agreed upon are remembered, densely for the last minutes and thinly for the last day.
//! Any two of them limit the average rate between them; A2 carries that limit to the present.

use alloc::vec::Vec;

use truechimer_time::{Rate, Span, Tai, Time};

use super::bracket::Bracket;
use crate::learned::Learned;
use crate::policy::TrustPolicy;

/// The most brackets remembered.
pub const MEMORY_MAX: usize = 24;

/// Nothing older speaks about the present rate (A2).
pub const MEMORY_SPAN: Span = Span::from_secs(86_400);

/// Seconds of TAI gained on each second of the raw counter: no less than `min`, no more than `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimits {
    /// The least it can be.
    pub min: Rate,
    /// The most it can be.
    pub max: Rate,
}

impl RateLimits {
    /// As far as `error` on either side of `rate`.
    pub fn around(rate: Rate, error: Rate) -> Self {
        Self { min: rate - error, max: rate + error }
    }

    /// Both at once, `None` if they contradict each other.
    pub fn meet(self, other: Self) -> Option<Self> {
        let (min, max) = (self.min.max(other.min), self.max.min(other.max));
        (min <= max).then_some(Self { min, max })
    }

    /// The rate within the limits that is nearest to `rate`.
    pub fn nearest(self, rate: Rate) -> Rate {
        rate.max(self.min).min(self.max)
    }

    /// Half of the distance between them.
    pub fn error(self) -> Rate {
        let width = self.max - self.min;
        Rate::from_attos_per_second(width.as_attos_per_second() / 2)
    }

    /// Half way between them.
    pub fn middle(self) -> Rate {
        self.min + self.error()
    }
}

/// The evidence contradicts the assumptions: this oscillator does what it was assumed not to do, or the sources of
/// the vote were wrong before or are wrong now. All that was known of the rate is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contradiction;

/// What is known of the rate, and from what.
#[derive(Clone, Debug)]
pub struct Oscillator {
    max_rate: Rate,
    max_drift: Rate,
    limits: RateLimits,
    prior: Option<Prior>,
    memory: Vec<Bracket>,
}

/// What was known of the rate before all that is remembered: in an earlier life, or before an interruption.
#[derive(Clone, Copy, Debug)]
struct Prior {
    at: Time<Tai>,
    limits: RateLimits,
}

impl Oscillator {
    /// An oscillator that is known by assumption A1, and by what was learned of it before a restart.
    pub fn new(trust: &TrustPolicy, learned: Option<&Learned>) -> Self {
        let anything = RateLimits::around(Rate::ZERO, trust.max_rate);
        let prior = learned.and_then(|known| {
            let limits = RateLimits::around(known.rate, known.rate_error + trust.max_drift + trust.max_drift);
            limits.meet(anything).map(|limits| Prior { at: known.at, limits })
        });
        let limits = prior.map_or(anything, |prior| prior.limits);
        Self { max_rate: trust.max_rate, max_drift: trust.max_drift, limits, prior, memory: Vec::new() }
    }

    /// The rate as far as it is known better than by assumption A1.
    pub fn rate(&self) -> Option<Rate> {
        (self.limits != RateLimits::around(Rate::ZERO, self.max_rate)).then(|| self.limits.middle())
    }

    /// The limits of the present rate.
    pub fn limits(&self) -> RateLimits {
        self.limits
    }

    /// Takes in what the vote agreed upon.
    pub fn learn(&mut self, agreed: Bracket) -> Result<(), Contradiction> {
        self.memory.retain(|old| agreed.at - old.at <= MEMORY_SPAN);
        let outcome = self.limits_from_memory(agreed);
        match outcome {
            Some(limits) => self.limits = limits,
            None => self.forget(),
        }
        self.remember(agreed);
        outcome.map(drop).ok_or(Contradiction)
    }

    /// Forgets all that was measured: the counter itself may have changed (suspend, migration).
    pub fn forget(&mut self) {
        self.memory.clear();
        self.prior = None;
        self.limits = RateLimits::around(Rate::ZERO, self.max_rate);
    }

    /// The counter was interrupted: nothing can be measured across the gap. The same oscillator goes on, in other
    /// circumstances.
    pub fn interrupted(&mut self) {
        let wider =
            RateLimits { min: self.limits.min - self.max_drift, max: self.limits.max + self.max_drift };
        self.limits = wider.meet(RateLimits::around(Rate::ZERO, self.max_rate)).unwrap_or(wider);
        let newest = self.memory.last().map(|newest| newest.earliest);
        let known_at = newest.or(self.prior.map(|prior| prior.at));
        self.prior = known_at.map(|at| Prior { at, limits: self.limits });
        self.memory.clear();
    }

    fn limits_from_memory(&self, agreed: Bracket) -> Option<RateLimits> {
        let anything = RateLimits::around(Rate::ZERO, self.max_rate);
        let prior = self.prior.filter(|prior| agreed.latest - prior.at <= MEMORY_SPAN);
        let known = prior.map_or(anything, |prior| prior.limits);
        self.memory.iter().try_fold(known, |limits, &old| limits.meet(self.limits_between(old, agreed)))
    }

    /// The present rate, as far as two brackets tell.
    fn limits_between(&self, old: Bracket, new: Bracket) -> RateLimits {
        let passed = (new.at - old.at).as_seconds();
        if passed <= 0.0 {
            return RateLimits::around(Rate::ZERO, self.max_rate);
        }
        let slope = |gained: Span| Rate::from_ratio(gained.as_seconds() / passed);
        let counted = new.at - old.at;
        RateLimits {
            min: slope(new.earliest - old.latest - counted) - self.max_drift,
            max: slope(new.latest - old.earliest - counted) + self.max_drift,
        }
    }

    /// Keeps the memory short. Where it is full, the bracket goes whose neighbours stand closest together in
    /// proportion to their age, so that the ages stay roughly geometric; the oldest and the newest always stay.
    fn remember(&mut self, agreed: Bracket) {
        self.memory.push(agreed);
        if self.memory.len() <= MEMORY_MAX {
            return;
        }
        let crowding = |i: usize| {
            let gap = (self.memory[i + 1].at - self.memory[i - 1].at).as_seconds();
            gap / (agreed.at - self.memory[i - 1].at).as_seconds().max(1e-9)
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
    use truechimer_time::{Raw, Tai, Time};

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
            let limits = oscillator.limits();
            assert!(limits.min <= Rate::from_ppb(80_000) && Rate::from_ppb(80_000) <= limits.max);
        }
        assert!(oscillator.limits().error() < trust.max_drift + Rate::from_ppb(200));
        assert!(oscillator.memory.len() <= MEMORY_MAX);
        assert_eq!(oscillator.memory[0].at, Time::EPOCH, "the longest stretch is worth most");
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
        assert_eq!(oscillator.limits(), RateLimits::around(Rate::ZERO, trust.max_rate));
    }

    /// What was learned of a clock that runs 80 ppm fast, at the first second of TAI.
    fn learned() -> Learned {
        Learned {
            rate: Rate::from_ppb(80_000),
            rate_error: Rate::from_ppb(100),
            wander: Rate::from_ppb(1),
            at: Time::EPOCH,
            bound: Span::from_millis(1),
        }
    }

    #[test]
    fn what_was_learned_before_a_restart_narrows_the_limits() {
        let oscillator = Oscillator::new(&TrustPolicy::default(), Some(&learned()));
        let limits = oscillator.limits();
        assert!((limits.middle() - Rate::from_ppb(80_000)).abs() < Rate::from_ppb(1));
        assert_eq!(limits.error(), Rate::from_ppb(30_100));
        assert_eq!(oscillator.rate(), Some(limits.middle()));
        assert_eq!(Oscillator::new(&TrustPolicy::default(), None).rate(), None);
    }

    #[test]
    fn what_was_learned_before_a_restart_is_not_lost_by_the_first_measurements() {
        let mut oscillator = Oscillator::new(&TrustPolicy::default(), Some(&learned()));
        for second in 100..110 {
            oscillator.learn(agreed(second, 80_000)).expect("nothing contradicts");
            assert!(oscillator.limits().error() <= Rate::from_ppb(30_100), "{:?}", oscillator.limits());
        }
    }

    #[test]
    fn what_was_learned_says_nothing_after_a_day() {
        let trust = TrustPolicy::default();
        let mut oscillator = Oscillator::new(&trust, Some(&learned()));
        let day = MEMORY_SPAN.as_seconds() as i64;
        for second in [day + 1, day + 2] {
            oscillator.learn(agreed(second, 80_000)).expect("nothing contradicts");
            assert_eq!(oscillator.limits(), RateLimits::around(Rate::ZERO, trust.max_rate));
        }
    }

    #[test]
    fn what_was_known_before_a_sleep_is_not_lost_by_the_first_measurements_after_it() {
        let trust = TrustPolicy::default();
        let mut oscillator = Oscillator::new(&trust, None);
        for minute in 0..60 {
            oscillator.learn(agreed(minute * 60, 80_000)).expect("nothing contradicts");
        }
        let before = oscillator.limits().error();
        oscillator.interrupted();
        for second in 4000..4010 {
            oscillator.learn(agreed(second, 80_000)).expect("nothing contradicts");
        }
        assert!(oscillator.limits().error() <= before + trust.max_drift, "{:?}", oscillator.limits());
    }
}

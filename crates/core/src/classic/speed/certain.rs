//! What believed records make certain: right time and rate, now and later.
//!
//! A record is right to within its error, and the rate keeps within a number of its averages: `max_drift`, or what the
//! records have taught ([`drift`](super::drift)). What they have taught holds for as long again as they speak for; from
//! then on it is `max_drift` again.

use truechimer_time::{Rate, Raw, Span, Time};

use crate::discipline::bracket::Bracket;
use crate::discipline::oscillator::RateLimits;

/// What is certain since the newest of the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Certain {
    /// Right time, at the newest of them.
    pub(super) bracket: Bracket,
    /// The rate, ..
    pub(super) limits: RateLimits,
    /// .. until this reading of the counter, if it was learned, ..
    until: Option<Time<Raw>>,
    /// .. and from then on.
    beyond: RateLimits,
}

impl Certain {
    /// If the rate is always within these limits. Records that contradict each other give way to the newer one. `None`
    /// without a record.
    pub(super) fn always(believed: &[Bracket], limits: RateLimits) -> Option<Self> {
        let met = |old: Bracket, new: Bracket| old.carried_to(new.at, limits).meet(new).unwrap_or(new);
        let bracket = believed.iter().copied().reduce(met)?;
        Some(Self { bracket, limits, until: None, beyond: limits })
    }

    /// If besides it keeps within `drift` of its averages, for as long again as the records speak for. `None` if they
    /// contradict that.
    pub(super) fn learned(self, believed: &[Bracket], drift: Rate) -> Option<Self> {
        let pairs = believed
            .iter()
            .enumerate()
            .flat_map(|(n, &new)| believed[..n].iter().map(move |&old| (old, new)));
        let limits =
            pairs.map(|(old, new)| between(old, new, drift)).try_fold(self.limits, RateLimits::meet)?;
        let (&first, later) = believed.split_first()?;
        let bracket = later.iter().try_fold(first, |old, &new| old.carried_to(new.at, limits).meet(new))?;
        let until = bracket.at + (bracket.at - first.at);
        Some(Self { bracket, limits, until: Some(until), beyond: self.limits })
    }

    /// Right time and rate at a later reading of the counter.
    pub(super) fn at(&self, raw: Time<Raw>) -> (Bracket, RateLimits) {
        match self.until.filter(|&until| until < raw) {
            Some(until) => {
                (self.bracket.carried_to(until, self.limits).carried_to(raw, self.beyond), self.beyond)
            }
            None => (self.bracket.carried_to(raw, self.limits), self.limits),
        }
    }
}

/// The rate at any time, if both records are right and it keeps within `drift` of its averages.
pub(super) fn between(old: Bracket, new: Bracket, drift: Rate) -> RateLimits {
    let counted = new.at - old.at;
    let slope = |gained: Span| Rate::from_ratio(gained.as_seconds() / counted.as_seconds().max(1e-9));
    RateLimits {
        min: slope(new.earliest - old.latest - counted) - drift,
        max: slope(new.latest - old.earliest - counted) + drift,
        drift: Rate::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::super::history::bracket;
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;
    use truechimer_time::Tai;

    const ERROR: Span = Span::from_millis(100);
    const ANY: RateLimits =
        RateLimits { min: Rate::from_ppb(-15_000), max: Rate::from_ppb(15_000), drift: Rate::ZERO };
    const DAY: Span = Span::from_secs(86_400);

    /// So many days of a clock that gains nothing, with a record on each.
    fn steady(days: i64) -> Vec<Bracket> {
        (0..=days).map(|day| bracket(Time::EPOCH + DAY * day, Time::EPOCH + DAY * day, ERROR)).collect()
    }

    #[test]
    fn what_was_learned_in_four_days_holds_for_four_days() {
        let (records, drift) = (steady(4), Rate::from_ppb(3_000));
        let certain =
            Certain::always(&records, ANY).and_then(|c| c.learned(&records, drift)).expect("steady");
        let error = |days: i64| certain.at(Time::EPOCH + DAY * days).0.width().half();
        // 100 ms at either end of four days are 0.58 ppm.
        let (by_day, later) = ((error(8) - error(4)).as_seconds() / 4.0, (error(9) - error(8)).as_seconds());
        assert!((by_day / 86_400.0 - 3.58e-6).abs() < 0.01e-6, "{by_day}");
        assert!((later / 86_400.0 - 15e-6).abs() < 0.01e-6, "{later}");
    }

    #[test]
    fn records_that_contradict_what_was_learned_have_not_taught_it() {
        let mut records = steady(4);
        let off = Span::from_secs(1);
        let newest = records[4];
        records[4] = Bracket { earliest: newest.earliest + off, latest: newest.latest + off, ..newest };
        let always = Certain::always(&records, ANY).expect("there are records");
        assert_eq!(
            always.learned(&records, Rate::from_ppb(3_000)),
            None,
            "it gained 11.6 ppm on the last day"
        );
        assert!(always.learned(&records, Rate::from_ppb(12_000)).is_some());
    }

    proptest! {
        /// A clock whose rate swings by half of `drift` keeps within `drift` of its averages.
        #[test]
        fn the_truth_is_enclosed_as_long_as_the_assumption_holds(
            gaps in proptest::collection::vec((600i64..1_000_000, -100i64..=100), 2..16),
            errors in proptest::collection::vec(-99i64..99, 17),
            parts in 0i64..=100,
        ) {
            let rate = |swing: i64| Rate::from_ppb(swing * 15);
            let (mut at, mut right) = (Time::EPOCH, Time::<Tai>::EPOCH);
            let mut records: Vec<Bracket> = [bracket(at, right, ERROR)].into();
            for (&(gap, swing), &off) in gaps.iter().zip(&errors) {
                let passed = Span::from_secs(gap);
                (at, right) = (at + passed, right + passed + rate(swing).over(passed));
                records.push(bracket(at, right + Span::from_millis(off), ERROR));
            }
            let always = Certain::always(&records, ANY).expect("there are records");
            let certain = always.learned(&records, Rate::from_ppb(3_000)).expect("the assumption holds");
            let later = (at - Time::EPOCH) * parts / 100;
            for swing in [-100, 100] {
                let (bracket, limits) = certain.at(at + later);
                let truth = right + later + rate(swing).over(later);
                prop_assert!(bracket.earliest <= truth && truth <= bracket.latest);
                prop_assert!(limits.min <= rate(swing) && rate(swing) <= limits.max);
            }
        }
    }
}

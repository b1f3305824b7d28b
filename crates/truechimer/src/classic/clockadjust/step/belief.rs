//! Whom the step at boot believes.
//!
//! TAICLOCK proves nothing, and whoever answers in the place of its server could set the clock to anything. So a step that
//! is longer than what TAICLOCK may move a clock by in a day, or that contradicts what was measured before in this boot, is
//! made only if the sources are of the same opinion. Where they are of another, they are believed; where they cannot be
//! asked, nobody is; where there are none, the master is all that there is, and that is said.
//!
//! Nothing is measured here, and no clock is read.

use std::fmt;

use truechimer_core::discipline::oscillator::RateLimits;
use truechimer_core::policy::TrustPolicy;
use truechimer_time::{Rate, Span};

use super::super::ledger::DAILY_LIMIT;
use super::super::measurement::Measured;
use super::super::memory::Memory;
use super::super::sight::Sight;
use crate::ui::units;

/// The master and the sources say the same if they are no further apart: both are known within a second.
const AGREEMENT: Span = Span::from_secs(2);

/// Why the master's word alone is not enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The step would be longer than all that TAICLOCK may do in a day.
    TooLong,
    /// It cannot be true together with what was measured before in this boot.
    Contradicts,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "that is more than {}", units::span(DAILY_LIMIT)),
            Self::Contradicts => f.write_str("that contradicts what was measured before in this boot"),
        }
    }
}

/// Is there a reason to ask the sources before the clock is stepped by `adjustment`?
pub fn doubt(measured: &Measured, adjustment: Span, memory: &Memory) -> Option<Doubt> {
    if !measured.by_taiclock {
        return None;
    }
    let too_long = (adjustment.abs() > DAILY_LIMIT).then_some(Doubt::TooLong);
    too_long.or_else(|| (!memory.allows(&measured.sight)).then_some(Doubt::Contradicts))
}

/// What holds when the sources have been asked as well: the master's word, if they confirm it, and theirs, if not.
pub fn settled(master: Measured, vote: Measured) -> Measured {
    let apart = apart(&master.sight, &vote.sight);
    if apart.abs() <= AGREEMENT {
        return Measured { by: format!("{}, confirmed by {}", master.by, vote.by), ..master };
    }
    let by = format!("{}; {} is off by {} and not believed", vote.by, master.by, units::offset(apart));
    Measured { by, ..vote }
}

/// The master's word where there is nobody who could confirm it.
pub fn alone(master: Measured) -> Measured {
    Measured { by: format!("{}; nobody else was asked: there are no sources", master.by), ..master }
}

/// By how much the first is ahead of the second.
fn apart(first: &Sight, second: &Sight) -> Span {
    let limits = RateLimits::around(Rate::ZERO, TrustPolicy::default().max_rate);
    first.carried_to(second.at, Rate::ZERO, limits).best - second.best
}

#[cfg(test)]
mod tests {
    use super::super::super::kept::Kept;
    use super::*;
    use truechimer_time::Time;

    /// So long after the start of the counter, by somebody who is so far ahead.
    fn sight(at: i64, ahead: Span) -> Sight {
        let best = Time::from_epoch(Span::from_secs(1_800_000_000 + at) + ahead);
        let at = Time::from_epoch(Span::from_secs(at));
        Sight { at, best, bound: Span::from_millis(5), asleep: Span::ZERO }
    }

    fn master(ahead: Span) -> Measured {
        Measured { sight: sight(1000, ahead), by: "the master".to_owned(), by_taiclock: true }
    }

    /// Some seconds later.
    fn vote(ahead: Span) -> Measured {
        Measured { sight: sight(1007, ahead), by: "2 of 3 votes".to_owned(), by_taiclock: false }
    }

    const DAY: Span = Span::from_secs(86_400);

    #[test]
    fn only_a_long_step_by_taiclock_is_in_doubt() {
        let nothing = Memory::default();
        assert_eq!(doubt(&master(DAY), DAY, &nothing), Some(Doubt::TooLong));
        assert_eq!(doubt(&master(DAY), -DAY, &nothing), Some(Doubt::TooLong));
        assert_eq!(doubt(&master(DAILY_LIMIT), DAILY_LIMIT, &nothing), None);
        assert_eq!(doubt(&vote(DAY), DAY, &nothing), None);
    }

    #[test]
    fn what_was_measured_before_may_not_be_contradicted() {
        let kept = |last| Memory::of(Kept { last: Some(last), ..Kept::default() });
        let seconds = Span::from_secs(30);
        let doubted = |memory| doubt(&master(seconds), seconds, &memory);
        assert_eq!(doubted(kept(sight(500, Span::ZERO))), Some(Doubt::Contradicts));
        assert_eq!(doubted(kept(sight(500, seconds))), None);
        let before_sleep = Sight { asleep: Span::from_secs(-60), ..sight(500, Span::ZERO) };
        assert_eq!(doubted(kept(before_sleep)), None, "the counter stood still");
    }

    #[test]
    fn a_master_that_is_confirmed_is_believed() {
        for off in [Span::ZERO, AGREEMENT, -AGREEMENT] {
            let settled = settled(master(DAY + off), vote(DAY));
            assert_eq!(settled.sight, master(DAY + off).sight);
            assert_eq!(settled.by, "the master, confirmed by 2 of 3 votes");
        }
    }

    #[test]
    fn a_master_that_is_contradicted_is_not() {
        for off in [DAY, -DAY, Span::from_millis(2001), Span::from_millis(-2001)] {
            let settled = settled(master(off), vote(Span::ZERO));
            assert_eq!(settled.sight, vote(Span::ZERO).sight);
            assert!(settled.by.starts_with("2 of 3 votes; the master is off by "), "{}", settled.by);
        }
    }
}

//! By how much what is known of the time moves when it is reckoned anew: for people, nothing is decided by it.

use truechimer_time::Span;

use crate::discipline::model::Model;

/// The weight of the last reckoning in what is usual.
const WEIGHT: f64 = 0.1;

/// The last reckoning that had one before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reckoning {
    /// By so much it moved forward what was thought to be the right time.
    pub moved: Span,
    /// The root of the mean square of that, of the last ten or so.
    pub usually: Span,
    /// So long after the one before it.
    pub after: Span,
}

impl Reckoning {
    /// The model was made anew. `before`: the one that held until then, and what was said of that.
    pub(super) fn of(model: &Model, before: Option<(Model, Option<Self>)>) -> Option<Self> {
        let (old, told) = before?;
        let at = model.bracket.at;
        let moved = model.best - old.read(at).best;
        let square = moved.as_seconds() * moved.as_seconds();
        let mean = told.map_or(square, |told| {
            let usual = told.usually.as_seconds();
            (1.0 - WEIGHT) * usual * usual + WEIGHT * square
        });
        Some(Self { moved, usually: Span::from_seconds(libm::sqrt(mean)), after: at - old.bracket.at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discipline::bracket::Bracket;
    use crate::discipline::oscillator::RateLimits;
    use truechimer_time::{Rate, Time};

    fn model(second: i64, ahead: Span) -> Model {
        let passed = Span::from_secs(second);
        let best = Time::EPOCH + passed + ahead;
        let (earliest, latest) = (best - Span::from_secs(1), best + Span::from_secs(1));
        Model {
            best,
            rate: Rate::ZERO,
            bracket: Bracket { at: Time::EPOCH + passed, earliest, latest },
            limits: RateLimits::around(Rate::ZERO, Rate::from_ppb(1)),
            sigma: Span::ZERO,
            rate_sigma: Rate::ZERO,
            wander: Rate::ZERO,
        }
    }

    #[test]
    fn the_first_reckoning_moves_nothing() {
        assert_eq!(Reckoning::of(&model(0, Span::ZERO), None), None);
    }

    #[test]
    fn a_later_time_than_was_thought_is_a_move_forward() {
        let first = Reckoning::of(&model(8, Span::from_millis(2)), Some((model(0, Span::ZERO), None)));
        let first = first.expect("there was one before");
        assert_eq!((first.moved, first.after), (Span::from_millis(2), Span::from_secs(8)));
        assert!((first.usually - Span::from_millis(2)).abs() < Span::from_nanos(1));
        let still = Reckoning::of(
            &model(9, Span::from_millis(2)),
            Some((model(8, Span::from_millis(2)), Some(first))),
        );
        let still = still.expect("there was one before");
        assert_eq!(still.moved, Span::ZERO);
        assert!(still.usually > Span::from_millis(1) && still.usually < first.usually);
    }
}

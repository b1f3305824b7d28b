//! How long a rate stays between two limits, and how they widen after that.

use truechimer_time::{Rate, Span};

/// So long limits hold as they were found: two brackets that are half a day apart limit the average rate between them, and A2
/// speaks about any stretch of a day.
pub const MEMORY_SPAN: Span = Span::from_secs(43_200);

/// A2 speaks about so long a stretch.
const DAY: Span = Span::from_secs(86_400);

/// Seconds of TAI gained on each second of the raw counter: no less than `min`, no more than `max`, for half a day
/// ([`MEMORY_SPAN`]) from when they were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimits {
    /// The least it can be.
    pub min: Rate,
    /// The most it can be.
    pub max: Rate,
    /// By so much they widen on both sides for each day after that; zero for what holds always (A1).
    pub drift: Rate,
}

impl RateLimits {
    /// As far as `error` on either side of `rate`.
    pub fn around(rate: Rate, error: Rate) -> Self {
        Self { min: rate - error, max: rate + error, drift: Rate::ZERO }
    }

    /// Both at once, `None` if they contradict each other.
    pub fn meet(self, other: Self) -> Option<Self> {
        let (min, max) = (self.min.max(other.min), self.max.min(other.max));
        (min <= max).then_some(Self { min, max, drift: self.drift.max(other.drift) })
    }

    /// The same limits, of which it is known that they hold for half a day only.
    pub fn drifting(self, drift: Rate) -> Self {
        Self { drift, ..self }
    }

    /// What these limits have become after so long.
    pub fn after(self, passed: Span) -> Self {
        let over = (passed - MEMORY_SPAN).max(Span::ZERO);
        let days = (over.as_attos() + DAY.as_attos() - 1) / DAY.as_attos();
        let wider = Rate::from_ratio(self.drift.as_ratio() * days as f64);
        Self { min: self.min - wider, max: self.max + wider, drift: self.drift }
    }

    /// What the rate can have gained within so long beyond these limits, because they widen.
    pub fn drift_over(self, passed: Span) -> Span {
        let over = passed - MEMORY_SPAN;
        if over <= Span::ZERO {
            return Span::ZERO;
        }
        let days = i64::try_from(over.as_attos() / DAY.as_attos()).unwrap_or(i64::MAX);
        let rest = over - DAY * days;
        let whole = self.drift.over(DAY) * (days.saturating_mul(days.saturating_add(1)) / 2);
        whole + self.drift.over(rest) * days.saturating_add(1)
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

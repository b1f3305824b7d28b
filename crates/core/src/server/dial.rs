//! What clients are told of the time, for the next few seconds: a straight line from the raw counter to the timestamps of
//! the wire, and the header that all answers share.
//!
//! A dial is made from the model about once a minute, and whenever that changes, and read for every packet, by as many threads as there are. It reads
//! no model and divides nothing.
//!
//! **Invariant:** it knows by itself when it is too old or too vague. Whoever made it may be stuck; then it says that it does
//! not know the time.

use truechimer_time::ntp::NtpTimestamp;
use truechimer_time::{LeapTable, Rate, Raw, Span, Tai, Time, Utc};

use super::ntp::Served;
use crate::discipline::model::Model;
use crate::wire::HEADER_LEN;

/// A dial that was not made anew for so long is no longer believed.
pub const LIFE: Span = Span::from_secs(150);

/// Over so long is the growth of the bound measured.
const STRETCH: Span = Span::from_secs(64);

/// Beyond this the line is not followed: its counter has jumped.
const REACH: Span = Span::from_secs(100_000);

/// 2⁶⁴ of the wire's steps of 2⁻³² s, per attosecond: 2⁹⁶ / 10¹⁸.
const STEPS_PER_ATTO: i128 = 79_228_162_514;
const ATTOS_PER_SECOND: i128 = 1_000_000_000_000_000_000;

/// One second in the wire's steps.
const SECOND_STEPS: u64 = 1 << 32;

/// The time as it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dial {
    /// Where the line begins.
    at: Time<Raw>,
    /// What the wire says there.
    bits: u64,
    /// 2⁶⁴ of the wire's steps, per attosecond of the counter.
    slope: i128,
    turn: Option<Turn>,
    served: Served,
    /// The furthest that the time can be off where the line begins,
    bound: Span,
    /// and by how much more after each second.
    growth: Rate,
    /// Beyond this bound it is not told.
    limit: Span,
}

/// A midnight with a leap second: UTC counts on from another number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Turn {
    at: Time<Raw>,
    by: u64,
}

impl Dial {
    /// The time by a model, from a reading of the counter on. `served` is what is said of it then, and with a bound beyond
    /// `limit` it is not said.
    pub fn of_model(model: &Model, leaps: &LeapTable, at: Time<Raw>, served: Served, limit: Span) -> Self {
        let (now, later) = (model.read(at), model.read(at + STRETCH));
        let growth = Rate::from_ratio((later.bound() - now.bound()).as_seconds() / STRETCH.as_seconds());
        Self {
            turn: Turn::after(leaps, now.best, at, model.rate),
            bound: now.bound(),
            growth: growth.max(Rate::ZERO),
            limit,
            ..Self::through(at, leaps.utc_of_tai(now.best).time, model.rate, served)
        }
    }

    /// A clock that is on this UTC at a reading of the counter and gains so much on it, of which nothing else is known than
    /// what is `served`.
    pub fn through(at: Time<Raw>, utc: Time<Utc>, rate: Rate, served: Served) -> Self {
        let gained = i128::from(rate.as_attos_per_second());
        Self {
            at,
            bits: NtpTimestamp::of(utc).to_bits(),
            slope: STEPS_PER_ATTO + STEPS_PER_ATTO * gained / ATTOS_PER_SECOND,
            turn: None,
            served,
            bound: Span::ZERO,
            growth: Rate::ZERO,
            limit: Span::MAX,
        }
    }

    /// A clock that is on this UTC at a reading of the counter and is not said to be right.
    pub fn unsynchronised(at: Time<Raw>, utc: Time<Utc>) -> Self {
        Self::through(at, utc, Rate::ZERO, Served::unsynchronised())
    }

    /// What time it is at a reading of the counter, never the zero that says "unknown": the next step, 233 ps later, stands
    /// for the first moment of an era.
    pub fn read(&self, raw: Time<Raw>) -> NtpTimestamp {
        let passed = (raw - self.at).max(-REACH).min(REACH).as_attos();
        let steps = (passed * self.slope) >> 64;
        let turned = self.turn.filter(|turn| turn.at <= raw).map_or(0, |turn| turn.by);
        let bits = self.bits.wrapping_add(steps as u64).wrapping_add(turned);
        NtpTimestamp::from_bits(bits.max(1))
    }

    /// The header that all answers share at a reading of the counter.
    pub fn header(&self, raw: Time<Raw>) -> [u8; HEADER_LEN] {
        let passed = raw - self.at;
        let wider = self.growth.over(passed.max(Span::ZERO));
        let is_usable = passed.abs() <= LIFE && self.bound + wider <= self.limit;
        let served = Served {
            synchronised: self.served.synchronised && is_usable,
            root_dispersion: self.served.root_dispersion + wider,
            ..self.served
        };
        served.header()
    }

    /// Is it told as the time at this reading of the counter?
    pub fn is_synchronised(&self, raw: Time<Raw>) -> bool {
        let passed = raw - self.at;
        let bound = self.bound + self.growth.over(passed.max(Span::ZERO));
        self.served.is_usable() && passed.abs() <= LIFE && bound <= self.limit
    }
}

impl Turn {
    /// The next leap second, if the line comes to it while it is of use.
    fn after(leaps: &LeapTable, tai: Time<Tai>, at: Time<Raw>, rate: Rate) -> Option<Self> {
        let leap = leaps.next_leap_after(tai)?;
        let ahead = leap.ends() - tai;
        let by = u64::from(leap.offset_before().abs_diff(leap.offset())) * SECOND_STEPS;
        let is_repeated = leap.offset_before() < leap.offset();
        // A counter that gains on TAI comes there after more of its own seconds.
        (ahead <= LIFE).then(|| Self {
            at: at + ahead - rate.over(ahead),
            by: if is_repeated { by.wrapping_neg() } else { by },
        })
    }
}

#[cfg(test)]
mod tests;

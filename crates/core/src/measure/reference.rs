//! What a reference clock of this machine said, and what may be made of it.
//!
//! A reference clock has no network before it, so there is no question and no answer: it is read. But what a reading
//! tells has the form of an exchange with a very short way, and all else (brackets, estimates, vote) is the same:
//!
//! ```text
//!   a clock         a pulse             a told time
//!   t2 = t3          the second          what it was
//!    ╱ ╲                │                    │
//!  t1   t4           t1 = t4              t1 = t4        our raw counter
//! ```
//!
//! How far the reference itself may be from the truth nobody can measure: the operator vouches for it
//! ([`ReferencePolicy::error`]), and the bound rests on his word.
//!
//! A pulse says that a second began and not which. That is taken from what is known already, and only where it is certain
//! ([`NUMBERED_WITHIN`]); before, a pulse has nothing to say. It is never taken from the kernel's clock.

use truechimer_time::leap::LeapTable;
use truechimer_time::{Raw, Span, Tai, Time, Utc};

use crate::discipline::model::Reading as Known;
use crate::discipline::oscillator::RateLimits;
use crate::measure::sample::Sample;
use crate::policy::{ReferencePolicy, Scale};
use crate::reason::reasons;
use crate::wire::ntp::Leap;

/// A pulse gets the number of its second only where the time is known better than this, its own error included. The last
/// tenth of the half second is for what the assumptions of the bound do not cover.
pub const NUMBERED_WITHIN: Span = Span::from_millis(400);

/// A clock that took longer to read tells nothing that others do not tell better.
pub const WINDOW_MAX: Span = Span::from_millis(100);

/// A reading older than this is of another time.
pub const AGE_MAX: Span = Span::from_secs(4);

/// UTC stamps so near to a leap second are ambiguous, or smeared by those that cannot do better.
const LEAP_MARGIN: Span = Span::from_millis(1500);

/// What a reference clock said. Instants of the raw counter are right to within `blur`, where they were not read directly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// A clock showed so much since the epoch of 1970 of its own scale, at some time between two readings of the counter.
    Clock {
        /// The counter before.
        before: Time<Raw>,
        /// What it showed.
        shown: Span,
        /// The counter after.
        after: Time<Raw>,
        /// How wrong both readings of the counter can be.
        blur: Span,
    },
    /// A second had begun so long before the counter showed `at` (will begin, if negative).
    Pulse {
        /// The counter.
        at: Time<Raw>,
        /// Since the second began.
        phase: Span,
        /// How wrong that reading of the counter can be.
        blur: Span,
    },
    /// Somebody says that it was so late when the counter showed `at`.
    Told {
        /// The counter.
        at: Time<Raw>,
        /// The time.
        utc: Time<Utc>,
        /// How wrong that reading of the counter can be.
        blur: Span,
        /// What is said about leap seconds.
        leap: Leap,
    },
}

reasons! {
    /// Why a reading of a reference clock is not used. Completes "cannot use this reading: ..".
    Misreading {
        /// The device, segment or socket cannot be read now.
        Absent "absent" "the device is not there, or does not let itself be read"
        /// Nothing has come since it was last read.
        Nothing "nothing" "it has nothing new to say"
        /// A datagram of another size than the protocol's.
        Length "length" "its datagram has another length than one of this protocol"
        /// A datagram without the protocol's magic number.
        Magic "magic" "its datagram is not of this protocol"
        /// A mode of shared memory other than 0 and 1.
        Mode "mode" "its shared memory is in a mode that is not known"
        /// Shared memory that was written to while it was read.
        Torn "torn" "it was written to while it was read"
        /// An offset that is infinite or no number.
        NotANumber "not_a_number" "its offset is not a finite number"
        /// A fraction of a second outside of the second.
        Fraction "fraction" "its fraction of a second is none"
        /// An instant or an offset that no clock means.
        Absurd "absurd" "its time is absurd"
        /// A leap indicator that is not 0 to 3.
        Leap "leap" "its leap indicator is none"
        /// Leap indicator 3: its clock was never set.
        NeverSet "never_set" "it says that its clock was never set"
        /// A stamp that is older than [`AGE_MAX`].
        Stale "stale" "it is of long ago"
        /// A stamp of the future, or a clock read backwards.
        Backwards "backwards" "its stamps are not in the order of time"
        /// A clock that took longer than [`WINDOW_MAX`] to read.
        Slow "slow" "it took too long to read"
        /// A pulse while the time is not known well enough to say which second it begins.
        Unnumbered "unnumbered" "it is not known yet which second its pulse begins"
        /// A pulse that contradicts those before it, and that no other has confirmed.
        Stray "stray" "its pulse contradicts those before it, and no other has confirmed it"
        /// A stamp of UTC near a leap second.
        NearLeap "near_leap" "it is too near to a leap second"
        /// A time that has certainly passed.
        BeforeFloor "before_floor" "its time is in the past for certain"
    }
}

impl Misreading {
    /// Does it show that the reference clock is there and at work?
    pub fn proves_presence(self) -> bool {
        match self {
            Self::Unnumbered | Self::Stray | Self::NearLeap => true,
            Self::Absent
            | Self::Nothing
            | Self::Length
            | Self::Magic
            | Self::Mode
            | Self::Torn
            | Self::NotANumber
            | Self::Fraction
            | Self::Absurd
            | Self::Leap
            | Self::NeverSet
            | Self::Stale
            | Self::Backwards
            | Self::Slow
            | Self::BeforeFloor => false,
        }
    }
}

/// What a reading has to satisfy, and what is known when it is judged.
#[derive(Clone, Copy, Debug)]
pub struct Bench<'a> {
    /// The leap seconds.
    pub leaps: &'a LeapTable,
    /// It cannot be earlier than this (RFC 8633, section 5.2).
    pub floor: Time<Utc>,
    /// The counter now.
    pub now: Time<Raw>,
    /// The counter's rate, for certain.
    pub limits: RateLimits,
    /// What time it was when the counter showed what the reading is of, if that is known.
    pub known: Option<Known>,
}

impl Reading {
    /// The last instant of the counter that it is of.
    pub fn at(&self) -> Time<Raw> {
        match self {
            Self::Clock { after, .. } => *after,
            Self::Pulse { at, .. } | Self::Told { at, .. } => *at,
        }
    }

    /// What it says about leap seconds.
    pub fn leap(&self) -> Leap {
        match self {
            Self::Clock { .. } | Self::Pulse { .. } => Leap::None,
            Self::Told { leap, .. } => *leap,
        }
    }

    /// Judges a reading, for whose right operation the operator vouches to the extent of `vouched`.
    ///
    /// # Errors
    /// [`Misreading`]: why it cannot be used.
    pub fn judge(&self, vouched: &ReferencePolicy, bench: &Bench<'_>) -> Result<Sample, Misreading> {
        let age = bench.now - self.at();
        if age > AGE_MAX {
            return Err(Misreading::Stale);
        }
        let (window, blur) = self.window();
        if window.is_negative() || age < -blur {
            return Err(Misreading::Backwards);
        }
        if window > WINDOW_MAX {
            return Err(Misreading::Slow);
        }
        let tai = self.tai(vouched, bench)?;
        if bench.leaps.utc_of_tai(tai).time < bench.floor {
            return Err(Misreading::BeforeFloor);
        }
        Ok(self.sample(tai, (window, vouched.error + blur), bench.limits))
    }

    /// How long the reading took, and how wrong the counter's part in it can be.
    fn window(&self) -> (Span, Span) {
        match *self {
            Self::Clock { before, after, blur, .. } => (after - before, blur),
            Self::Pulse { blur, .. } | Self::Told { blur, .. } => (Span::ZERO, blur),
        }
    }

    /// True time as the reference has it, at the instant that it was read.
    fn tai(&self, vouched: &ReferencePolicy, bench: &Bench<'_>) -> Result<Time<Tai>, Misreading> {
        let of_utc = |utc: Time<Utc>| match bench.leaps.is_near_leap(utc, LEAP_MARGIN) {
            true => Err(Misreading::NearLeap),
            false => Ok(bench.leaps.tai_of_utc(utc)),
        };
        match *self {
            Self::Clock { shown, .. } => match vouched.scale {
                Scale::Tai => Ok(Time::from_epoch(shown + vouched.offset)),
                Scale::Utc => of_utc(Time::from_epoch(shown + vouched.offset)),
            },
            Self::Pulse { phase, blur, .. } => {
                number(phase + vouched.offset, vouched.error + blur, bench.known)
            }
            Self::Told { utc, .. } => of_utc(utc + vouched.offset),
        }
    }

    fn sample(&self, tai: Time<Tai>, (window, distance): (Span, Span), limits: RateLimits) -> Sample {
        let at = self.at();
        Sample {
            sent: at - window,
            received: tai,
            transmitted: tai,
            at,
            earliest: tai - distance,
            latest: tai + window + limits.max.over(window) + distance,
            delay: window,
            distance,
        }
    }
}

/// The time at a pulse: the one that is `phase` after the beginning of a second and nearest to what is known. Seconds of
/// UTC and of TAI begin together.
fn number(phase: Span, error: Span, known: Option<Known>) -> Result<Time<Tai>, Misreading> {
    let known = known.ok_or(Misreading::Unnumbered)?;
    if known.bound() + error > NUMBERED_WITHIN {
        return Err(Misreading::Unnumbered);
    }
    let half = Span::from_millis(500);
    let (second, _) = (known.best.since_epoch() - phase + half).split();
    let second = i64::try_from(second).map_err(|_| Misreading::Absurd)?;
    Ok(Time::from_epoch(Span::from_secs(second) + phase))
}

#[cfg(test)]
mod tests;

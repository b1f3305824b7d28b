//! Instants, each on the timescale that it was read from.
//!
//! A reading of one clock says nothing about another until a model relates them, so the scales are types and do
//! not mix. There is no conversion here: TAI and UTC are related by a [`LeapTable`](crate::leap::LeapTable), the
//! raw counter and TAI by the estimator's model.

use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::marker::PhantomData;
use core::ops::{Add, AddAssign, Sub, SubAssign};

use crate::span::Span;

/// A timescale: a clock, real or ideal, whose readings can be compared with each other.
pub trait Scale: sealed::Sealed + 'static {
    /// The name that people read.
    const NAME: &'static str;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! scales {
    ($($(#[$doc:meta])* $name:ident $text:literal)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {}
        impl sealed::Sealed for $name {}
        impl Scale for $name {
            const NAME: &'static str = $text;
        }
    )*};
}

scales! {
    /// International Atomic Time: every second counted, since 1970-01-01 00:00:00 TAI (the origin of TAI64).
    Tai "TAI"
    /// Coordinated Universal Time as POSIX counts it: seconds since 1970-01-01 00:00:00 UTC, leap seconds left
    /// out, so that an inserted second has the same count as the one after it.
    Utc "UTC"
    /// What the clock that we steer claims to be UTC: `CLOCK_REALTIME`, or the user-space clock. It may be wrong
    /// by any amount.
    Local "local"
    /// The machine's unadjusted counter, `CLOCK_MONOTONIC_RAW`: seconds of its own making since boot.
    Raw "raw"
    /// `CLOCK_MONOTONIC`: never stepped, but slewed together with the local clock. Time-outs run on it.
    Mono "mono"
}

/// An instant on scale `S`, exact to the attosecond.
///
/// The difference of two instants of one scale is a [`Span`]; instants of two scales have no difference:
///
/// ```
/// use truechimer_time::{Span, Tai, Time};
/// let start = Time::<Tai>::EPOCH;
/// assert_eq!((start + Span::from_secs(3)) - start, Span::from_secs(3));
/// ```
///
/// ```compile_fail,E0308
/// use truechimer_time::{Local, Tai, Time};
/// let nonsense = Time::<Tai>::EPOCH - Time::<Local>::EPOCH;
/// ```
///
/// ```compile_fail,E0308
/// use truechimer_time::{Mono, Raw, Time};
/// assert!(Time::<Raw>::EPOCH < Time::<Mono>::EPOCH);
/// ```
///
/// ```compile_fail,E0308
/// use truechimer_time::{Tai, Time, Utc};
/// let shown_to_people: Time<Utc> = Time::<Tai>::EPOCH;
/// ```
pub struct Time<S> {
    since_epoch: Span,
    scale: PhantomData<fn() -> S>,
}

impl<S> Time<S> {
    /// The origin of the scale.
    pub const EPOCH: Self = Self::from_epoch(Span::ZERO);

    /// The instant so long after the origin.
    pub const fn from_epoch(since_epoch: Span) -> Self {
        Self { since_epoch, scale: PhantomData }
    }

    /// How long after the origin.
    pub const fn since_epoch(self) -> Span {
        self.since_epoch
    }
}

impl<S> Clone for Time<S> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<S> Copy for Time<S> {}

impl<S> PartialEq for Time<S> {
    fn eq(&self, other: &Self) -> bool {
        self.since_epoch == other.since_epoch
    }
}
impl<S> Eq for Time<S> {}

impl<S> PartialOrd for Time<S> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<S> Ord for Time<S> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.since_epoch.cmp(&other.since_epoch)
    }
}

impl<S> Hash for Time<S> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.since_epoch.hash(state);
    }
}

impl<S> Sub for Time<S> {
    type Output = Span;
    fn sub(self, other: Self) -> Span {
        self.since_epoch - other.since_epoch
    }
}

impl<S> Add<Span> for Time<S> {
    type Output = Self;
    fn add(self, span: Span) -> Self {
        Self::from_epoch(self.since_epoch + span)
    }
}

impl<S> Sub<Span> for Time<S> {
    type Output = Self;
    fn sub(self, span: Span) -> Self {
        Self::from_epoch(self.since_epoch - span)
    }
}

impl<S> AddAssign<Span> for Time<S> {
    fn add_assign(&mut self, span: Span) {
        *self = *self + span;
    }
}

impl<S> SubAssign<Span> for Time<S> {
    fn sub_assign(&mut self, span: Span) {
        *self = *self - span;
    }
}

impl<S> fmt::Display for Time<S> {
    /// Decimal seconds since the origin of the scale, losing nothing; parsed back by way of [`Span`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.since_epoch.fmt(f)
    }
}

impl<S: Scale> fmt::Debug for Time<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", S::NAME, self.since_epoch)
    }
}

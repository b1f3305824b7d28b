//! Smearing leap seconds: around a leap second all seconds are told a little longer, or shorter, so that none is told twice
//! and none is left out.
//!
//! ```text
//!   told minus UTC
//!     +0.5 s          ╷╲                 from noon to noon, over 24 hours, as public servers that smear do it:
//!                     │  ╲               before an inserted second what is told falls behind UTC by half
//!      0 ───╲         │    ╲───          a second, at midnight UTC itself is set back by one, and until noon
//!              ╲      │                  what is told comes down to it
//!     -0.5 s     ╲    ╵
//!         noon   midnight   noon
//! ```
//!
//! A client cannot tell smeared time from wrong time. So nothing of this happens unless the operator asks for it, and whoever
//! asks a server that smears must ask no other (RFC 8633, section 3.7.1).

use core::ops::RangeInclusive;

use truechimer_time::{LeapTable, Span, Tai, Time, Utc};

/// Over so many hours one leap second may be smeared: not so fast that clients lose track (139 ppm), nor so slowly that two
/// would overlap.
pub const HOURS: RangeInclusive<i64> = 2..=48;

const HOUR: i64 = 3_600;

/// How leap seconds are smeared: linearly, the middle at the leap second.
///
/// ```
/// use truechimer_core::server::smear::Smear;
/// use truechimer_time::{Civil, LeapTable, Span};
/// let smear = Smear::over(Span::from_secs(86_400)).unwrap();
/// let leaps = LeapTable::COMPILED;
/// let midnight = leaps.tai_of_utc("2017-01-01T00:00:00Z".parse::<Civil>().unwrap().time().unwrap());
/// // The leap second ends here; half of it has been smeared a moment ago, in its middle.
/// let told = smear.utc(&leaps, midnight - Span::from_millis(500));
/// assert_eq!(Civil::of(told).to_string(), "2017-01-01T00:00:00Z");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Smear {
    /// Half of what is counted meanwhile, in seconds.
    half: i64,
}

/// The time around one leap second in which it is smeared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    begins: Time<Tai>,
    /// What is told when it begins.
    utc: Time<Utc>,
    /// So many seconds are told meanwhile,
    counts: i64,
    /// and so many pass.
    lasts: i64,
}

impl Smear {
    /// Smears each leap second over so long, which is a whole number of hours within [`HOURS`].
    pub fn over(length: Span) -> Option<Self> {
        let seconds = length.as_nanos() / 1_000_000_000;
        let is_whole = Span::from_secs(seconds) == length && seconds % HOUR == 0;
        (is_whole && HOURS.contains(&(seconds / HOUR))).then_some(Self { half: seconds / 2 })
    }

    /// So much is told while one leap second is smeared.
    pub const fn length(self) -> Span {
        Span::from_secs(2 * self.half)
    }

    /// The stretch that an instant is in, else the next one.
    pub fn stretch(self, leaps: &LeapTable, tai: Time<Tai>) -> Option<Stretch> {
        let half = Span::from_secs(self.half);
        let leap = leaps.next_leap_after(tai - half)?;
        let counts = 2 * self.half;
        let more = i64::from(leap.offset() - leap.offset_before());
        Some(Stretch {
            begins: leap.ends() - Span::from_secs(more) - half,
            utc: leap.midnight() - half,
            counts,
            lasts: counts + more,
        })
    }

    /// What is told in the place of UTC.
    pub fn utc(self, leaps: &LeapTable, tai: Time<Tai>) -> Time<Utc> {
        let stretch = self.stretch(leaps, tai).filter(|stretch| stretch.begins <= tai);
        stretch.map_or_else(|| leaps.utc_of_tai(tai).time, |stretch| stretch.utc(tai))
    }
}

impl Stretch {
    /// Its first moment.
    pub const fn begins(&self) -> Time<Tai> {
        self.begins
    }

    /// The first moment behind it.
    pub fn ends(&self) -> Time<Tai> {
        self.begins + Span::from_secs(self.lasts)
    }

    /// So many seconds are told while it lasts.
    pub const fn counts(&self) -> i64 {
        self.counts
    }

    /// So many seconds pass while it lasts.
    pub const fn lasts(&self) -> i64 {
        self.lasts
    }

    /// What is told within it, rounded down to an attosecond.
    pub fn utc(&self, tai: Time<Tai>) -> Time<Utc> {
        let passed = (tai - self.begins).as_attos();
        self.utc + Span::from_attos((passed * i128::from(self.counts)).div_euclid(i128::from(self.lasts)))
    }
}

#[cfg(test)]
mod tests;

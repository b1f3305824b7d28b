//! What a clock counts. Between two conventions lie the leap seconds since 1972: 27 s.
//!
//! The clockspeed programs take the kernel's clock for a count of *all* seconds, beginning 10 s before 1970 in UTC
//! (TAI less ten, what a `right/` time zone expects), and never subtract a leap second. Ordinary kernels count UTC as
//! POSIX has it. The programs of s6 know this and convert by a table.
//!
//! A classic server announces its count plus ten, which is true TAI only if its kernel counts all seconds.

use truechimer_time::{LeapTable, Local, Span, Tai, Time, Utc};

use crate::wire::ntp::Leap;

/// By so much TAI was ahead when both conventions agreed, in seconds: the original's constant, 2⁶² + 10.
const TAI_AHEAD: Span = Span::from_secs(10);

/// What the clock of a kernel counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelCount {
    /// UTC, as POSIX has it: leap seconds are not counted.
    Utc,
    /// TAI less ten seconds: every second is counted.
    TaiLessTen,
}

impl KernelCount {
    /// The instant at which the clock, if it is right, shows this.
    ///
    /// ```
    /// use truechimer_core::classic::count::KernelCount;
    /// use truechimer_time::{LeapTable, Span, Time};
    /// let shown = Time::from_epoch(Span::from_secs(1_800_000_000));
    /// let utc = KernelCount::Utc.tai(shown, &LeapTable::COMPILED);
    /// assert_eq!(utc - KernelCount::TaiLessTen.tai(shown, &LeapTable::COMPILED), Span::from_secs(27));
    /// ```
    pub fn tai(self, shown: Time<Local>, leaps: &LeapTable) -> Time<Tai> {
        match self {
            Self::Utc => leaps.tai_of_utc(Time::from_epoch(shown.since_epoch())),
            Self::TaiLessTen => Time::from_epoch(shown.since_epoch() + TAI_AHEAD),
        }
    }

    /// What the clock shows at this instant, if it is right.
    pub fn shown(self, tai: Time<Tai>, leaps: &LeapTable) -> Time<Local> {
        match self {
            Self::Utc => Time::from_epoch(leaps.utc_of_tai(tai).time.since_epoch()),
            Self::TaiLessTen => Time::from_epoch(tai.since_epoch() - TAI_AHEAD),
        }
    }
}

/// What the labels of a TAICLOCK server are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerCount {
    /// True TAI: servers of s6, and classic ones whose kernel counts all seconds.
    Tai,
    /// UTC plus ten seconds: classic servers whose kernel counts UTC.
    UtcPlusTen,
}

impl PeerCount {
    /// The instant that such a label means.
    pub fn tai(self, label: Time<Tai>, leaps: &LeapTable) -> Time<Tai> {
        match self {
            Self::Tai => label,
            Self::UtcPlusTen => leaps.tai_of_utc(Time::from_epoch(label.since_epoch() - TAI_AHEAD)),
        }
    }
}

/// The instant that an NTP server's time means. Where an inserted second and the one after it have the same count, the
/// server's leap indicator decides: while it still announces the leap, the inserted one is meant.
pub fn tai_of_ntp(time: Time<Utc>, leap: Leap, leaps: &LeapTable) -> Time<Tai> {
    let inserted = match leap {
        Leap::Insert => leaps.tai_of_leap_second(time),
        Leap::None | Leap::Delete | Leap::Unknown => None,
    };
    inserted.unwrap_or_else(|| leaps.tai_of_utc(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(tai: Time<Tai>) -> i128 {
        tai.since_epoch().split().0
    }

    #[test]
    fn peers_of_both_kinds_mean_the_same_instant() {
        let (leaps, tai) = (LeapTable::COMPILED, Time::from_epoch(Span::from_secs(1_800_000_037)));
        let posix = Time::from_epoch(Span::from_secs(1_800_000_010));
        assert_eq!(PeerCount::Tai.tai(tai, &leaps), PeerCount::UtcPlusTen.tai(posix, &leaps));
    }

    /// 2016-12-31 23:59:60 has label 2^62 + 1483228836.
    #[test]
    fn the_leap_indicator_tells_the_inserted_second_from_the_next() {
        let midnight = Time::from_epoch(Span::from_secs(1_483_228_800));
        let leaps = LeapTable::COMPILED;
        assert_eq!(seconds(tai_of_ntp(midnight, Leap::Insert, &leaps)), 1_483_228_836);
        assert_eq!(seconds(tai_of_ntp(midnight, Leap::None, &leaps)), 1_483_228_837);
        let hour_before = midnight - Span::from_secs(3600);
        assert_eq!(seconds(tai_of_ntp(hour_before, Leap::Insert, &leaps)), 1_483_228_836 - 3600);
    }

    #[test]
    fn what_a_right_clock_shows_means_the_same_instant() {
        let leaps = LeapTable::COMPILED;
        for kernel in [KernelCount::Utc, KernelCount::TaiLessTen] {
            for shown in [0, 78_796_799, 1_483_228_799, 1_800_000_000] {
                let shown = Time::from_epoch(Span::from_secs(shown));
                assert_eq!(kernel.shown(kernel.tai(shown, &leaps), &leaps), shown, "{kernel:?} {shown:?}");
            }
        }
    }

    #[test]
    fn without_leap_seconds_all_conventions_are_one() {
        let shown = Time::from_epoch(Span::from_secs(1_800_000_000));
        let (utc, tai) = (KernelCount::Utc, KernelCount::TaiLessTen);
        assert_eq!(utc.tai(shown, &LeapTable::NONE), tai.tai(shown, &LeapTable::NONE));
        assert_eq!(seconds(tai.tai(shown, &LeapTable::NONE)), 1_800_000_010);
    }
}

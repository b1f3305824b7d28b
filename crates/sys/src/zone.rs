//! Local time, as the C library reckons it from `TZ` and `/etc/localtime`.
//!
//! Under a zone of the `right/` kind the library takes the seconds of the clock for a count that includes leap
//! seconds, and shows 23:59:60. Everything else is left to it as well, which is the purpose: what is printed is what
//! every other program prints.

/// A date and time of day in the zone of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime {
    /// The year; 2000 is 2000.
    pub year: i64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60.
    pub second: u8,
}

/// What the local clocks show when `CLOCK_REALTIME` shows so many whole seconds. `None` where the C library cannot
/// say, because the year does not fit an `int`.
pub fn local_time(seconds: i64) -> Option<LocalTime> {
    let seconds = libc::time_t::try_from(seconds).ok()?;
    // SAFETY: tm is integers and a pointer that nobody follows, for which all zeros is a value.
    let mut shown: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: localtime_r reads one time_t and writes one tm, and ours are such.
    let written = unsafe { libc::localtime_r(&raw const seconds, &raw mut shown) };
    (!written.is_null()).then(|| LocalTime {
        year: i64::from(shown.tm_year) + 1900,
        month: (shown.tm_mon + 1) as u8,
        day: shown.tm_mday as u8,
        hour: shown.tm_hour as u8,
        minute: shown.tm_min as u8,
        second: shown.tm_sec as u8,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_local_date_is_within_a_day_of_utc() {
        let shown = local_time(1_000_000_000).expect("2001 fits");
        assert_eq!((shown.year, shown.month), (2001, 9));
        assert!((8..=10).contains(&shown.day) && shown.hour < 24 && shown.minute < 60);
    }

    #[test]
    fn what_no_calendar_reaches_is_nothing() {
        assert_eq!(local_time(i64::MAX), None);
    }
}

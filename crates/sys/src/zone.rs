//! Local time, as the C library reckons it from `TZ` and `/etc/localtime`.
//!
//! Under a zone of the `right/` kind the library takes the seconds of the clock for a count that includes leap
//! seconds, and shows 23:59:60. Everything else is left to it as well, which is the purpose: what is printed is what
//! every other program prints.

use libc::c_char;
use truechimer_time::Civil;

/// More than the name of any zone has (POSIX wants at least 3 letters, glibc reads what the file says).
const NAME_MAX: usize = 64;

/// The date and time of day in the zone of this process when `CLOCK_REALTIME` shows so many whole seconds. `None` where
/// the C library cannot say, because the year does not fit an `int`.
pub fn local_time(seconds: i64) -> Option<Civil> {
    broken_down(seconds).map(|shown| Civil {
        year: i64::from(shown.tm_year) + 1900,
        month: (shown.tm_mon + 1) as u8,
        day: shown.tm_mday as u8,
        hour: shown.tm_hour as u8,
        minute: shown.tm_min as u8,
        second: shown.tm_sec as u8,
        attos: 0,
    })
}

/// What the zone is called then: `CET`, `CEST`, `+0530`.
pub fn zone_name(seconds: i64) -> Option<String> {
    let shown = broken_down(seconds)?;
    let mut name: [c_char; NAME_MAX] = [0; NAME_MAX];
    // SAFETY: strftime reads the tm that the library itself has made, and writes no more than the buffer has.
    let len = unsafe { libc::strftime(name.as_mut_ptr(), NAME_MAX, c"%Z".as_ptr(), &raw const shown) };
    let bytes = name[..len].iter().map(|byte| *byte as u8).collect();
    String::from_utf8(bytes).ok().filter(|name| !name.is_empty())
}

fn broken_down(seconds: i64) -> Option<libc::tm> {
    let seconds = libc::time_t::try_from(seconds).ok()?;
    // SAFETY: tm is integers and a pointer that only the library follows, for which all zeros is a value.
    let mut shown: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: localtime_r reads one time_t and writes one tm, and ours are such.
    let written = unsafe { libc::localtime_r(&raw const seconds, &raw mut shown) };
    (!written.is_null()).then_some(shown)
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
    fn the_zone_has_a_name() {
        let name = zone_name(1_000_000_000).expect("2001 fits");
        assert!(name.bytes().all(|byte| byte.is_ascii_graphic()), "{name}");
    }

    #[test]
    fn what_no_calendar_reaches_is_nothing() {
        assert_eq!((local_time(i64::MAX), zone_name(i64::MAX)), (None, None));
    }
}

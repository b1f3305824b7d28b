//! Daytime: a line of text (RFC 867; port 13 of TCP and of UDP), and the date as date(1) prints it.
//!
//! The RFC leaves the text to the server. This is what servers of inetd send: the C library's asctime in the zone of
//! the server, `Sun Nov 22 09:41:37 2026`.

use alloc::format;
use alloc::string::String;

use truechimer_time::Civil;

/// The port, of TCP and of UDP.
pub const PORT: u16 = 13;

/// How long a line is as long as years have four digits.
pub const LINE_LEN: usize = 26;

const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The line for what the server's clocks show. `None` for what is no date.
///
/// ```
/// use truechimer_core::wire::daytime::line;
/// let shown = "2026-11-02T09:41:37Z".parse().unwrap();
/// assert_eq!(line(shown).as_deref(), Some("Mon Nov  2 09:41:37 2026\r\n"));
/// ```
pub fn line(shown: Civil) -> Option<String> {
    Some(format!("{} {}\r\n", day_and_time(shown)?, shown.year))
}

/// The same with the name of the zone and without the end of the line: `Sun Nov 22 09:41:37 UTC 2026`.
pub fn date(shown: Civil, zone: &str) -> Option<String> {
    Some(format!("{} {zone} {}", day_and_time(shown)?, shown.year))
}

fn day_and_time(shown: Civil) -> Option<String> {
    let Civil { day, hour, minute, second, .. } = shown;
    let month = MONTHS.get(usize::from(shown.month).checked_sub(1)?)?;
    Some(format!("{} {month} {day:>2} {hour:02}:{minute:02}:{second:02}", weekday(shown)?))
}

/// 1970-01-01, from which days are counted, was a Thursday.
fn weekday(shown: Civil) -> Option<&'static str> {
    let midnight = Civil { hour: 0, minute: 0, second: 0, attos: 0, ..shown }.time().ok()?;
    let (seconds, _) = midnight.since_epoch().split();
    WEEKDAYS.get((seconds / 86_400).rem_euclid(7) as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> Civil {
        text.parse().expect(text)
    }

    #[test]
    fn lines_are_those_of_asctime() {
        for (text, expected) in [
            ("2026-11-22T00:00:40Z", "Sun Nov 22 00:00:40 2026\r\n"),
            ("1982-02-22T17:37:43Z", "Mon Feb 22 17:37:43 1982\r\n"),
            ("1969-12-31T23:59:59Z", "Wed Dec 31 23:59:59 1969\r\n"),
            ("2036-02-07T06:28:16Z", "Thu Feb  7 06:28:16 2036\r\n"),
            ("2016-12-31T23:59:60Z", "Sat Dec 31 23:59:60 2016\r\n"),
        ] {
            assert_eq!(line(shown(text)).as_deref(), Some(expected));
            assert_eq!(expected.len(), LINE_LEN);
        }
    }

    #[test]
    fn a_leap_second_falls_at_any_hour_of_the_local_day() {
        let local = Civil { hour: 1, day: 1, ..shown("2017-01-01T00:59:00Z") };
        assert_eq!(
            date(Civil { second: 60, ..local }, "CET").as_deref(),
            Some("Sun Jan  1 01:59:60 CET 2017")
        );
    }

    #[test]
    fn what_is_no_date_has_no_line() {
        let good = shown("2026-11-22T00:00:40Z");
        for bad in [Civil { month: 0, ..good }, Civil { month: 13, ..good }, Civil { day: 31, ..good }] {
            assert_eq!((line(bad), date(bad, "UTC")), (None, None));
        }
    }

    proptest! {
        #[test]
        fn days_of_the_week_follow_each_other(day in -1_000_000i64..1_000_000) {
            let on = |day: i64| {
                let time = truechimer_time::Time::from_epoch(truechimer_time::Span::from_secs(day * 86_400));
                let name = weekday(Civil::of(time)).expect("a date");
                WEEKDAYS.iter().position(|known| *known == name).expect("a day of the week")
            };
            prop_assert_eq!((on(day) + 1) % 7, on(day + 1));
        }
    }
}

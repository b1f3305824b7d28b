//! Daytime: a line of text (RFC 867; port 13 of TCP and of UDP), and the date as date(1) prints it.
//!
//! The RFC leaves the text to the server. This is what servers of inetd send: the C library's asctime in the zone of
//! the server, `Sun Nov 22 09:41:37 2026`.

use alloc::format;
use alloc::string::String;
use core::str::{self, FromStr, SplitAsciiWhitespace};

use truechimer_time::{Civil, Span};

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

/// What a line of a server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The date and the second that has begun.
    pub civil: Civil,
    /// In which zone.
    pub zone: Zone,
    /// The server says that its line is early by so much, to make up for the way (NIST does).
    pub advance: Span,
}

/// The zone of a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// It says that it is UTC.
    Utc,
    /// It does not say, or says it in letters that mean one thing here and another there.
    Unsaid,
}

/// No line is longer, in bytes.
pub const READ_MAX: usize = 256;

/// Reads a line of a server, in one of the forms that are common: that of asctime with or without the name of a zone
/// before the year, that of RFC 3339, that of NIST.
///
/// ```
/// use truechimer_core::wire::daytime::{Zone, read};
/// let said = read(b"Mon Nov  2 09:41:37 2026\r\n").unwrap();
/// assert_eq!((said.civil.to_string().as_str(), said.zone), ("2026-11-02T09:41:37Z", Zone::Unsaid));
/// let said = read(b"\n61366 26-11-22 09:41:37 00 0 0 123.4 UTC(NIST) * \n").unwrap();
/// assert_eq!((said.civil.to_string().as_str(), said.zone), ("2026-11-22T09:41:37Z", Zone::Utc));
/// ```
pub fn read(answer: &[u8]) -> Option<Shown> {
    let text = str::from_utf8(answer.get(..READ_MAX).unwrap_or(answer)).ok()?;
    let line = text.trim().lines().next()?;
    let shown = read_asctime(line).or_else(|| read_nist(line)).or_else(|| read_rfc3339(line))?;
    // Whatever is no date is found by turning it into an instant.
    shown.civil.time().ok().map(|_| shown)
}

fn read_asctime(line: &str) -> Option<Shown> {
    let mut words = line.split_ascii_whitespace();
    let _weekday = words.next().filter(|word| WEEKDAYS.contains(word))?;
    let month = words.next()?;
    let month = MONTHS.iter().position(|known| *known == month)? as u8 + 1;
    let day = figures(words.next()?)?;
    let civil = at_time_of_day(words.next()?, Civil { month, day, ..MIDNIGHT })?;
    let (zone, year) = match (words.next()?, words.next()) {
        (year, None) => (Zone::Unsaid, year),
        ("UTC" | "GMT", Some(year)) => (Zone::Utc, year),
        (_another, Some(year)) => (Zone::Unsaid, year),
    };
    is_end(words)?;
    Some(Shown { civil: Civil { year: four_digits(year)?, ..civil }, zone, advance: Span::ZERO })
}

/// `JJJJJ YY-MM-DD HH:MM:SS TT L H msADV UTC(NIST) *`: of health (H) 0 alone is a clock that is right, as NIST says, but it is
/// shown by all.
fn read_nist(line: &str) -> Option<Shown> {
    let mut words = line.split_ascii_whitespace();
    let _day_number: u32 = figures(words.next()?)?;
    let mut date = words.next()?.split('-');
    let (year, month, day) = (date.next()?, date.next()?, date.next()?);
    let year = 2000 + i64::from(figures::<u8>(year).filter(|_| year.len() == 2)?);
    let civil = Civil { year, month: figures(month)?, day: figures(day)?, ..MIDNIGHT };
    let civil = at_time_of_day(words.next()?, civil)?;
    let mut rest = words.skip(3);
    let advance: Span = rest.next()?.parse().ok().filter(|advance: &Span| !advance.is_negative())?;
    let _name = rest.next().filter(|name| name.starts_with("UTC("))?;
    Some(Shown { civil, zone: Zone::Utc, advance: (advance / 1000).min(Span::from_secs(1)) })
}

fn read_rfc3339(line: &str) -> Option<Shown> {
    let civil = Civil { attos: 0, ..line.parse().ok()? };
    Some(Shown { civil, zone: Zone::Utc, advance: Span::ZERO })
}

const MIDNIGHT: Civil = Civil { year: 1970, month: 1, day: 1, hour: 0, minute: 0, second: 0, attos: 0 };

fn at_time_of_day(text: &str, date: Civil) -> Option<Civil> {
    let mut parts = text.split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
    let civil = Civil { hour: figures(hour)?, minute: figures(minute)?, second: figures(second)?, ..date };
    parts.next().is_none().then_some(civil)
}

fn four_digits(text: &str) -> Option<i64> {
    figures(text).filter(|_| text.len() == 4)
}

/// A number in figures alone: no sign, no letters.
fn figures<T: FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn is_end(mut words: SplitAsciiWhitespace<'_>) -> Option<()> {
    words.next().is_none().then_some(())
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

    #[test]
    fn lines_of_servers_are_read() {
        for (line, expected, zone) in [
            ("Sun Nov 22 00:00:40 2026\r\n", "2026-11-22T00:00:40Z", Zone::Unsaid),
            ("Thu Feb  7 06:28:16 2036", "2036-02-07T06:28:16Z", Zone::Unsaid),
            ("Sun Nov 22 00:00:40 CET 2026\n", "2026-11-22T00:00:40Z", Zone::Unsaid),
            ("Sun Nov 22 00:00:40 UTC 2026\n", "2026-11-22T00:00:40Z", Zone::Utc),
            ("2026-11-22T01:00:40.75+01:00", "2026-11-22T00:00:40Z", Zone::Utc),
            ("\n61366 26-11-22 00:00:40 50 0 0 123.4 UTC(NIST) * \n", "2026-11-22T00:00:40Z", Zone::Utc),
        ] {
            let said = read(line.as_bytes()).expect(line);
            assert_eq!((said.civil, said.zone), (shown(expected), zone), "{line}");
        }
        let advanced = read(b"61366 26-11-22 00:00:40 50 0 0 123.4 UTC(NIST) *").expect("a line of NIST");
        assert_eq!(advanced.advance, Span::from_micros(123_400));
    }

    #[test]
    fn what_is_no_line_of_a_server_is_not_read() {
        for line in [
            "",
            "\r\n",
            "Sun Nov 22 00:00:40",
            "Sun Nov 31 00:00:40 2026",
            "Sun Nov 22 00:00:61 2026",
            "Sun Nov 22 0:0 2026",
            "Sun Nov 22 00:00:40 2026 and more",
            "Sun Nov 22 00:00:40 CET 26",
            "Sun Nov +2 00:00:40 2026",
            "61366 26-13-22 00:00:40 50 0 0 123.4 UTC(NIST) *",
            "61366 26-11-22 00:00:40 50 0 0 -5 UTC(NIST) *",
            "go away",
        ] {
            assert_eq!(read(line.as_bytes()), None, "{line}");
        }
        assert_eq!(read(&[0xff; 26]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_date_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(read(&bytes).is_none_or(|said| said.civil.time().is_ok()));
        }

        #[test]
        fn what_we_write_we_read(seconds in -2_208_988_800i64..200_000_000_000) {
            let civil = Civil::of(truechimer_time::Time::from_epoch(Span::from_secs(seconds)));
            let line = line(civil).expect("a date");
            prop_assert_eq!(read(line.as_bytes()).map(|said| said.civil), Some(civil));
        }

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

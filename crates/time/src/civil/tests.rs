use super::*;
use crate::leap::LeapKind;
use proptest::prelude::*;
use std::format;
use std::string::ToString;

fn utc(seconds: i64) -> Time<Utc> {
    Time::from_epoch(Span::from_secs(seconds))
}

fn civil(text: &str) -> Civil {
    text.parse().unwrap()
}

/// All instants, and as many of the centuries that matter.
fn instants() -> impl Strategy<Value = Time<Utc>> {
    let near = ATTOS_PER_SECOND * 86_400 * 366 * 3000;
    prop_oneof![(-i128::MAX..=i128::MAX), (-near..near)]
        .prop_map(|attos| Time::from_epoch(Span::from_attos(attos)))
}

proptest! {
    #[test]
    fn every_instant_has_a_date_that_comes_back(time in instants()) {
        let date = Civil::of(time);
        prop_assert_eq!(date.time(), Ok(time));
        prop_assert!(!date.is_leap_second());
    }

    #[test]
    fn every_date_has_a_text_that_comes_back(time in instants()) {
        let date = Civil::of(time);
        prop_assert_eq!(date.to_string().parse(), Ok(date));
    }

    #[test]
    fn dates_sort_as_their_instants(a in instants(), b in instants()) {
        prop_assert_eq!(Civil::of(a).cmp(&Civil::of(b)), a.cmp(&b));
    }

    #[test]
    fn an_offset_moves_the_clock_and_not_the_instant(time in instants(), hours in 0i64..24, minutes in 0i64..60) {
        prop_assume!(time.since_epoch().abs() < Span::MAX - Span::from_secs(2 * DAY));
        let offset = Span::from_secs(hours * 3600 + minutes * 60);
        for (sign, ahead) in [('+', offset), ('-', -offset)] {
            let there = Civil::of(time + ahead).to_string();
            let text = format!("{}{sign}{hours:02}:{minutes:02}", there.trim_end_matches('Z'));
            prop_assert_eq!(text.parse(), Ok(Civil::of(time)), "{}", text);
        }
    }

    #[test]
    fn no_fields_panic(
        year in any::<i64>(),
        fields in any::<[u8; 5]>(),
        attos in any::<u64>(),
    ) {
        let [month, day, hour, minute, second] = fields;
        let date = Civil { year, month, day, hour, minute, second, attos };
        let _ = (date.time(), date.tai(&LeapTable::COMPILED), date.to_string(), date.to_string().parse::<Civil>());
    }

    #[test]
    fn any_text_is_a_date_or_an_error(text in "[+-]?[0-9]{4,19}-[0-1][0-9]-[0-3][0-9][Tt ][0-9:.é]{5,12}([zZ]|[+-][0-9:]{4,6})?") {
        if let Ok(date) = text.parse::<Civil>() {
            prop_assert!(date.time().is_ok());
        }
    }

    #[test]
    fn arbitrary_text_does_no_harm(text in any::<std::string::String>()) {
        prop_assert!(text.parse::<Civil>().is_err());
    }
}

/// An independent count: day by day through two whole cycles of the calendar.
#[test]
fn the_calendar_is_counted_day_by_day() {
    let (mut year, mut month, mut day) = (1600, 1, 1);
    for days in -135_140..-135_140 + 2 * DAYS_OF_400_YEARS {
        let date = Civil::of(utc(days * DAY));
        assert_eq!((date.year, date.month, date.day), (year, month, day));
        let length = match month {
            2 if year % 400 == 0 || (year % 4 == 0 && year % 100 != 0) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        (year, month, day) = match (month, day) {
            (12, 31) => (year + 1, 1, 1),
            (_, day) if day == length => (year, month + 1, 1),
            (_, day) => (year, month, day + 1),
        };
    }
    assert_eq!((year, month, day), (2400, 1, 1));
}

#[test]
fn known_dates_are_shown() {
    for (seconds, text) in [
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (i64::from(i32::MAX), "2038-01-19T03:14:07Z"),
        (i64::from(i32::MIN), "1901-12-13T20:45:52Z"),
        (-2_208_988_800, "1900-01-01T00:00:00Z"),
        (2_085_978_495, "2036-02-07T06:28:15Z"),
        (2_085_978_496, "2036-02-07T06:28:16Z"),
        (4_233_462_144, "2104-02-26T09:42:24Z"),
        ((1 << 32) - 1, "2106-02-07T06:28:15Z"),
        (1 << 32, "2106-02-07T06:28:16Z"),
        (253_402_300_799, "9999-12-31T23:59:59Z"),
        (253_402_300_800, "+10000-01-01T00:00:00Z"),
        (-62_167_219_200, "0000-01-01T00:00:00Z"),
        (-62_167_219_201, "-0001-12-31T23:59:59Z"),
    ] {
        assert_eq!(Civil::of(utc(seconds)).to_string(), text);
        assert_eq!(civil(text).time(), Ok(utc(seconds)));
    }
}

#[test]
fn the_ends_of_time_have_dates() {
    // Both were also counted by another implementation of the calendar, 400 years at a time.
    let ends = [
        (Span::MIN, "-5391559469949-10-05T09:51:08.312696284115894273Z"),
        (Span::MAX, "+5391559473888-03-28T14:08:51.687303715884105727Z"),
    ];
    for (end, text) in ends {
        let time = Time::from_epoch(end);
        assert_eq!((Civil::of(time).to_string().as_str(), civil(text).time()), (text, Ok(time)));
    }
    let last = Civil::of(Time::from_epoch(Span::MAX));
    assert_eq!(Civil { year: last.year + 1, ..last }.time(), Err(CivilError::TooFar));
    assert_eq!(Civil { year: i64::MAX, ..last }.time(), Err(CivilError::TooFar));
    assert_eq!(Civil { year: i64::MIN, ..last }.time(), Err(CivilError::TooFar));
}

#[test]
fn a_precision_asks_for_digits() {
    let date = civil("2026-07-08T09:10:11.123456789012345678Z");
    assert_eq!(format!("{date:.0}"), "2026-07-08T09:10:11Z");
    assert_eq!(format!("{date:.3}"), "2026-07-08T09:10:11.123Z");
    assert_eq!(format!("{date:.99}"), date.to_string());
    assert_eq!(format!("{:.6}", civil("2026-07-08T09:10:11Z")), "2026-07-08T09:10:11.000000Z");
    assert_eq!(civil("2026-07-08T09:10:11.500Z").to_string(), "2026-07-08T09:10:11.5Z");
}

/// The examples of RFC 3339, section 5.8.
#[test]
fn the_examples_of_the_rfc_are_read() {
    for (text, shown) in [
        ("1985-04-12T23:20:50.52Z", "1985-04-12T23:20:50.52Z"),
        ("1996-12-19T16:39:57-08:00", "1996-12-20T00:39:57Z"),
        ("1990-12-31T23:59:60Z", "1990-12-31T23:59:60Z"),
        ("1990-12-31T15:59:60-08:00", "1990-12-31T23:59:60Z"),
        ("1937-01-01T12:00:27.87+00:20", "1937-01-01T11:40:27.87Z"),
        ("1985-04-12t23:20:50z", "1985-04-12T23:20:50Z"),
        ("1985-04-12 23:20:50-00:00", "1985-04-12T23:20:50Z"),
    ] {
        assert_eq!(civil(text).to_string(), shown);
    }
}

#[test]
fn what_is_no_date_is_refused_by_name() {
    use CivilError::{NoSuchDay, NoSuchLeapSecond, NoSuchTimeOfDay, NotATimestamp, TooFar, TooFine};
    for (text, error) in [
        ("", NotATimestamp),
        ("2026-07-08", NotATimestamp),
        ("2026-07-08T09:10:11", NotATimestamp),
        ("2026-07-08T09:10Z", NotATimestamp),
        ("2026-07-08T09:10:11.Z", NotATimestamp),
        ("2026-07-08T09:10:11Z ", NotATimestamp),
        ("2026-07-08T09:10:11+01", NotATimestamp),
        ("2026-07-08T09:10:11+24:00", NotATimestamp),
        ("2026-07-08T09:10:11+01:60", NotATimestamp),
        ("12026-07-08T09:10:11Z", NotATimestamp),
        ("+026-07-08T09:10:11Z", NotATimestamp),
        ("+9999999999999999999-01-01T00:00:00Z", NotATimestamp),
        ("2026-07-08T09:10:11.1234567890123456789Z", TooFine),
        ("2026-00-08T09:10:11Z", NoSuchDay),
        ("2026-13-08T09:10:11Z", NoSuchDay),
        ("2026-07-00T09:10:11Z", NoSuchDay),
        ("2026-02-29T09:10:11Z", NoSuchDay),
        ("2100-02-29T09:10:11Z", NoSuchDay),
        ("2026-04-31T09:10:11Z", NoSuchDay),
        ("2026-07-08T24:00:00Z", NoSuchTimeOfDay),
        ("2026-07-08T09:60:00Z", NoSuchTimeOfDay),
        ("2026-07-31T23:59:61Z", NoSuchTimeOfDay),
        ("2026-07-08T23:59:60Z", NoSuchLeapSecond),
        ("2026-07-31T22:59:60Z", NoSuchLeapSecond),
        ("1990-12-31T23:59:60-08:00", NoSuchLeapSecond),
        ("+999999999999999999-01-01T00:00:00Z", TooFar),
    ] {
        assert_eq!(text.parse::<Civil>(), Err(error), "{text:?}");
    }
    let last = Civil::of(Time::from_epoch(Span::MIN)).to_string().replace('Z', "+01:00");
    assert_eq!(last.parse::<Civil>(), Err(TooFar));
}

/// Each of the 27, one second before, within, and after.
#[test]
fn every_leap_second_is_shown_and_read() {
    let leaps = LeapTable::COMPILED;
    for leap in leaps.leaps() {
        let half = Span::from_millis(500);
        let midnight = Civil::of(leap.midnight());
        let eve = Civil::of(leap.midnight() - Span::from_secs(1));
        let shown = |tai| Civil::of_reading(leaps.utc_of_tai(tai));
        let (before, within, after) = (leap.begins() - half, leap.begins() + half, leap.ends() + half);
        assert_eq!(shown(before), Civil { attos: 500_000_000_000_000_000, ..eve });
        assert_eq!(shown(leap.begins()), Civil { second: 60, ..eve });
        assert_eq!(shown(within), Civil { second: 60, attos: 500_000_000_000_000_000, ..eve });
        assert_eq!(shown(leap.ends()), midnight);
        for tai in [before, leap.begins(), within, leap.ends(), after] {
            assert_eq!(shown(tai).tai(&leaps), Ok(tai), "{}", shown(tai));
            assert_eq!(shown(tai).to_string().parse(), Ok(shown(tai)));
        }
    }
}

#[test]
fn seconds_that_were_not_have_no_instant() {
    let mut leaps = LeapTable::COMPILED;
    assert_eq!(civil("2020-12-31T23:59:60Z").tai(&leaps), Err(CivilError::NoSuchLeapSecond));
    leaps.push(civil("2030-01-01T00:00:00Z").time().unwrap(), LeapKind::Deleted).unwrap();
    assert_eq!(civil("2029-12-31T23:59:59.5Z").tai(&leaps), Err(CivilError::SecondDeleted));
    assert_eq!(civil("2029-12-31T23:59:60Z").tai(&leaps), Err(CivilError::NoSuchLeapSecond));
    let (eve, midnight) = (civil("2029-12-31T23:59:58Z"), civil("2030-01-01T00:00:00Z"));
    assert_eq!(midnight.tai(&leaps).unwrap() - eve.tai(&leaps).unwrap(), Span::from_secs(1));
}

/// The label that the TAI64 page gives as its example, with both of its dates.
#[test]
fn the_published_label_is_that_date() {
    let label: crate::Tai64 = "@400000002a2b2c2d".parse().unwrap();
    let reading = LeapTable::COMPILED.utc_of_tai(label.time());
    assert_eq!(Civil::of_reading(reading).to_string(), "1992-06-02T08:06:43Z");
    assert_eq!(reading.offset, 26);
}

/// A reading that no table gave is shown somehow and does no harm.
#[test]
fn a_made_up_reading_does_no_harm() {
    for time in [utc(5), Time::from_epoch(Span::MIN), Time::from_epoch(Span::MAX)] {
        let reading = UtcReading { time, leap_second: true, offset: i32::MIN };
        assert!(Civil::of_reading(reading).to_string().contains(":60"));
    }
}

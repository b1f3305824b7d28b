//! The instants along an axis that are worth a word: full minutes, hours, days, months.

use truechimer_time::{Civil, LeapTable, Span, Time, Utc};

/// No axis has more words.
const TICKS_MAX: f64 = 9.0;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The distances that people count by, in seconds, as far as all of them are equally long.
const STEPS: [i64; 19] = [
    1,
    2,
    5,
    10,
    15,
    30,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    7 * DAY,
];

/// The distances in months. Whoever looks at more than that sees it in fewer words.
const MONTHS: [u32; 6] = [1, 2, 3, 6, 12, 60];

/// The mean length of a month of the Gregorian calendar, in seconds.
const MONTH: f64 = 2_629_746.0;

/// Round instants between two, in seconds since 1970 as POSIX counts them, with their words in ascending order.
pub(super) fn ticks(min: f64, max: f64) -> Vec<(f64, String)> {
    let length = max - min;
    match STEPS.into_iter().find(|step| length / *step as f64 <= TICKS_MAX) {
        Some(step) => even(min, max, step),
        None => {
            let fits = |months: &u32| length / (f64::from(*months) * MONTH) <= TICKS_MAX;
            firsts(min, max, MONTHS.into_iter().find(fits).unwrap_or(120))
        }
    }
}

/// All multiples of a step. Weeks are counted from a Thursday: so is 1970.
fn even(min: f64, max: f64, step: i64) -> Vec<(f64, String)> {
    let first = libm::ceil(min / step as f64) as i64;
    let last = libm::floor(max / step as f64) as i64;
    (first..=last).map(|index| (index * step) as f64).map(|at| (at, word(at, step))).collect()
}

/// The time of day, and where a day begins, its date.
fn word(at: f64, step: i64) -> String {
    let date = date(at);
    match at as i64 % DAY {
        0 => date[5..10].to_owned(),
        _ if step < MINUTE => date[11..19].to_owned(),
        _ => date[11..16].to_owned(),
    }
}

/// `2026-11-23T06:05:00Z`.
fn date(at: f64) -> String {
    format!("{:.0}", Civil::of(Time::<Utc>::from_epoch(Span::from_secs(at as i64))))
}

/// The first days of every so many months.
fn firsts(min: f64, max: f64, step: u32) -> Vec<(f64, String)> {
    let year = |at: f64| date(at).get(..4).and_then(|year| year.parse::<u32>().ok()).unwrap_or(1970);
    let months = year(min) * 12..=year(max) * 12 + 11;
    let first = |month: u32| {
        let word = format!("{:04}-{:02}", month / 12, month % 12 + 1);
        let civil: Civil = format!("{word}-01T00:00:00Z").parse().ok()?;
        let at = LeapTable::COMPILED.utc_of_tai(civil.tai(&LeapTable::COMPILED).ok()?).time;
        Some((at.since_epoch().as_seconds(), word))
    };
    let is_within = |(at, _): &(f64, String)| (min..=max).contains(at);
    months.filter(|month| month % step == 0).filter_map(first).filter(is_within).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(min: f64, length: f64) -> Vec<String> {
        ticks(min, min + length).into_iter().map(|(_, word)| word).collect()
    }

    /// 2026-11-23 00:00:00 UTC.
    const MIDNIGHT: f64 = 1_795_392_000.0;

    #[test]
    fn instants_are_round_and_days_have_a_date() {
        assert_eq!(words(MIDNIGHT, 8.0)[..3], ["11-23", "00:00:01", "00:00:02"]);
        assert_eq!(words(MIDNIGHT + 1.0, 3600.0)[..3], ["00:10", "00:20", "00:30"]);
        assert_eq!(
            words(MIDNIGHT - 1.0, 86_402.0),
            ["11-23", "03:00", "06:00", "09:00", "12:00", "15:00", "18:00", "21:00", "11-24"]
        );
        assert_eq!(words(MIDNIGHT, 3.0 * 86_400.0)[..3], ["11-23", "12:00", "11-24"]);
        assert_eq!(words(MIDNIGHT, 200.0 * 86_400.0)[..2], ["2026-12", "2027-01"]);
        assert_eq!(words(MIDNIGHT, 3000.0 * 86_400.0)[..2], ["2027-01", "2028-01"]);
    }

    #[test]
    fn no_axis_has_too_many_words_or_none() {
        for length in (0..36).map(|power| libm::pow(2.0, f64::from(power))).take_while(|length| *length < 3e9)
        {
            let count = words(MIDNIGHT + 0.5, length).len();
            assert!((usize::from(length > 1.0)..=10).contains(&count), "{count} for {length} s");
        }
    }
}

//! Instants for people: the date in UTC, the date in TAI, and the label that log files carry.

use truechimer_time::{Civil, LeapTable, Tai, Tai64N, Time};

/// The date in UTC to the microsecond, cut and not rounded: `2016-12-31T23:59:60.500000Z`.
pub fn utc(time: Time<Tai>, leaps: &LeapTable) -> String {
    format!("{:.6}", Civil::of_reading(leaps.utc_of_tai(time)))
}

/// The date in TAI to the microsecond, with its scale, because a date without one is taken for UTC:
/// `2017-01-01T00:00:36.500000 TAI`.
pub fn tai(time: Time<Tai>) -> String {
    // The calendar is the same arithmetic on either scale; only the letter that says UTC must go.
    let date = format!("{:.6}", Civil::of(Time::from_epoch(time.since_epoch())));
    format!("{} TAI", date.trim_end_matches('Z'))
}

/// The TAI64N label, as tai64n(8) of daemontools writes it; none for an instant that the format cannot say.
pub fn label(time: Time<Tai>) -> Option<String> {
    Tai64N::of(time).map(|label| label.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use truechimer_time::Span;

    #[test]
    fn a_leap_second_has_its_own_date() {
        let inserted: Civil = "2016-12-31T23:59:60.5Z".parse().unwrap();
        let time = inserted.tai(&LeapTable::COMPILED).unwrap();
        assert_eq!(utc(time, &LeapTable::COMPILED), "2016-12-31T23:59:60.500000Z");
        assert_eq!(tai(time), "2017-01-01T00:00:36.500000 TAI");
        assert_eq!(label(time), Some("@40000000586846a41dcd6500".to_owned()));
    }

    #[test]
    fn an_instant_beyond_all_labels_has_none() {
        assert_eq!(label(Time::from_epoch(Span::MAX)), None);
    }
}

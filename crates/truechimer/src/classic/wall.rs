//! What the clocks on the wall show, in the zone of this process.

use truechimer_core::wire::daytime;
use truechimer_sys::zone::{local_time, zone_name};
use truechimer_time::{Local, Time};

/// As date(1) prints it: `Sun Nov 22 09:41:37 UTC 2026`. `None` beyond all calendars.
pub fn date(shown: Time<Local>) -> Option<String> {
    let seconds = whole_seconds(shown)?;
    daytime::date(local_time(seconds)?, &zone_name(seconds).unwrap_or_default())
}

/// As daytime servers say it, with its line end. `None` beyond all calendars.
pub fn line(shown: Time<Local>) -> Option<String> {
    daytime::line(local_time(whole_seconds(shown)?)?)
}

/// The second that has begun, counted as the kernel does.
pub fn whole_seconds(shown: Time<Local>) -> Option<i64> {
    i64::try_from(shown.since_epoch().split().0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use truechimer_time::Span;

    #[test]
    fn dates_are_within_a_day_of_utc_in_any_zone() {
        let shown = Time::from_epoch(Span::from_millis(1_795_305_087_999));
        let date = date(shown).expect("a date");
        assert!(date.contains(" Nov 2") && date.ends_with(" 2026") && date.contains(":27 "), "{date}");
        let line = line(shown).expect("a date");
        assert!(line.ends_with(":27 2026\r\n"), "{line}");
    }

    #[test]
    fn beyond_all_calendars_there_is_no_date() {
        let far = Time::from_epoch(Span::MAX);
        assert_eq!((date(far), line(far)), (None, None));
    }
}

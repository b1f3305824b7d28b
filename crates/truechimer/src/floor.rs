//! The floor: what is certainly past (RFC 8633, section 5.2).

use truechimer_core::learned::Learned;
use truechimer_time::{Civil, LeapTable, Time, Utc};

/// No clock is right that shows an earlier time: this version had not been made.
const MADE: &str = "2026-11-01T00:00:00Z";

/// The later of when this version was made and when something was last learned here.
pub fn floor(learned: Option<&Learned>, leaps: &LeapTable) -> Time<Utc> {
    let known = learned.map_or(Time::EPOCH, |known| leaps.utc_of_tai(known.at - known.bound).time);
    known.max(made())
}

/// When this version was made, about.
pub fn made() -> Time<Utc> {
    let made: Option<Civil> = MADE.parse().ok();
    made.and_then(|made| made.time().ok()).expect("the date of the version is one, as a test shows")
}

#[cfg(test)]
mod tests {
    use super::*;
    use truechimer_time::{Rate, Span};

    #[test]
    fn the_floor_is_the_later_of_release_and_last_save() {
        let leaps = LeapTable::COMPILED;
        assert_eq!(floor(None, &leaps), made());
        let at = |seconds| Learned {
            rate: Rate::ZERO,
            rate_error: Rate::ZERO,
            wander: Rate::ZERO,
            at: leaps.tai_of_utc(made()) + Span::from_secs(seconds),
            bound: Span::from_secs(1),
        };
        assert_eq!(floor(Some(&at(-100)), &leaps), made());
        assert_eq!(floor(Some(&at(100)), &leaps), made() + Span::from_secs(99));
    }
}

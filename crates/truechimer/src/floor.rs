//! The floor: it is certainly later than this, so whoever says otherwise is wrong (RFC 8633, section 5.2).
//!
//! The floor of the program is the date of compilation as far as that can be known from the sources alone, so that two
//! builds of one source behave alike: the date of the leap table in the program, or `SOURCE_DATE_EPOCH` if the builder
//! sets it to something later (reproducible-builds.org). A machine that has learned something has a later one.

use truechimer_core::learned::Learned;
use truechimer_time::{LeapTable, Span, Time, Utc};

/// Set by builders of packages: seconds since 1970-01-01 UTC.
const SOURCE_DATE_EPOCH: Option<&str> = option_env!("SOURCE_DATE_EPOCH");

/// The later of when this program was made and when something was last learned on this machine.
pub fn floor(learned: Option<&Learned>, leaps: &LeapTable) -> Time<Utc> {
    let known = learned.map_or(Time::EPOCH, |known| leaps.utc_of_tai(known.at - known.bound).time);
    known.max(made())
}

/// When this program was made: nothing before it is ever believed.
pub fn made() -> Time<Utc> {
    let of_the_table = LeapTable::COMPILED.updated().unwrap_or(Time::EPOCH);
    of_the_table.max(stated(SOURCE_DATE_EPOCH).unwrap_or(of_the_table))
}

fn stated(seconds: Option<&str>) -> Option<Time<Utc>> {
    seconds?.parse().ok().map(|seconds| Time::from_epoch(Span::from_secs(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use truechimer_core::discipline::drift::Seen;
    use truechimer_time::{Civil, Rate};

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
            seen: Seen::default(),
            hours: Vec::new(),
        };
        assert_eq!(floor(Some(&at(-100)), &leaps), made());
        assert_eq!(floor(Some(&at(100)), &leaps), made() + Span::from_secs(99));
    }

    #[test]
    fn the_program_is_not_older_than_its_leap_table() {
        assert!(Civil::of(made()).year >= 2026, "{}", Civil::of(made()));
    }

    #[test]
    fn what_the_builder_states_is_seconds_or_nothing() {
        assert_eq!(stated(Some("1800000000")), Some(Time::from_epoch(Span::from_secs(1_800_000_000))));
        assert_eq!(stated(Some("yesterday")), None);
        assert_eq!(stated(None), None);
    }
}

//! The floor: it is certainly later than this, so whoever says otherwise is wrong (RFC 8633, section 5.2).
//!
//! The floor is the date of compilation as far as that can be known from the sources alone, so that two builds of one
//! source behave alike: the date of the leap table in the program, or `SOURCE_DATE_EPOCH` if the builder sets it to
//! something later (reproducible-builds.org).

use truechimer_time::{LeapTable, Span, Time, Utc};

/// Set by builders of packages: seconds since 1970-01-01 UTC.
const SOURCE_DATE_EPOCH: Option<&str> = option_env!("SOURCE_DATE_EPOCH");

/// Nothing before this is ever believed.
pub fn floor() -> Time<Utc> {
    let of_the_table = LeapTable::COMPILED.updated().unwrap_or(Time::EPOCH);
    of_the_table.max(stated(SOURCE_DATE_EPOCH).unwrap_or(of_the_table))
}

fn stated(seconds: Option<&str>) -> Option<Time<Utc>> {
    seconds?.parse().ok().map(|seconds| Time::from_epoch(Span::from_secs(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use truechimer_time::Civil;

    #[test]
    fn the_floor_is_not_before_the_leap_table() {
        assert!(Civil::of(floor()).year >= 2026, "{}", Civil::of(floor()));
    }

    #[test]
    fn what_the_builder_states_is_seconds_or_nothing() {
        assert_eq!(stated(Some("1800000000")), Some(Time::from_epoch(Span::from_secs(1_800_000_000))));
        assert_eq!(stated(Some("yesterday")), None);
        assert_eq!(stated(None), None);
    }
}

//! Stamps of the kernel, which are by the real-time clock, on the raw counter where everything is reckoned.
//!
//! The two clocks are related by one pair of readings, taken just after the stamp. Nothing is remembered between
//! two stamps, so that a step of the real-time clock can spoil no more than the stamp that it falls upon; and what
//! cannot be true is no stamp at all, so that the caller falls back to its own reading.

use truechimer_core::measure::exchange::WINDOW;
use truechimer_core::moment::{Stamp, StampedBy};
use truechimer_sys::adjust::RATE_LIMIT;
use truechimer_sys::clock::Readings;
use truechimer_time::{Local, Rate, Raw, Span, Time};

/// The stamp on the raw counter, by readings taken after it. `None` if it lies in the future, or further in the past
/// than any exchange lasts: then the real-time clock was set in between, or the stamp is none.
pub fn to_raw(stamp: Time<Local>, now: &Readings) -> Option<Stamp> {
    let age = now.realtime - stamp;
    let plausible = -now.width <= age && age <= WINDOW;
    plausible.then(|| Stamp { at: now.raw - age, by: StampedBy::Kernel })
}

/// A kernel's clock keeps the rate that it was given to within this.
const STEADY: Rate = Rate::from_ppb(2_000);

/// A rate that was changed between two looks at a clock moves it by no more than this, per second.
const RETUNED: Rate = Rate::from_ppb(1_000_000);

/// A stamp on the raw counter, by readings taken after it, for those who want it as exact as can be: the real-time clock has
/// run at `rate` against the counter since. With it comes how wrong that can be. `None` as of [`to_raw`].
pub fn carried(stamp: Time<Local>, now: &Readings, rate: Rate) -> Option<(Time<Raw>, Span)> {
    let age = now.realtime - stamp;
    let plausible = -now.width <= age && age <= WINDOW;
    let blur = now.width.half() + STEADY.over(age.abs());
    plausible.then(|| (now.raw - (age - rate.over(age)), blur))
}

/// Did the real-time clock jump between two readings? It moved against the raw counter by more than its rate now and a change
/// of rate on the way explain.
pub fn was_moved_between(before: &Readings, after: &Readings, rate: Rate) -> bool {
    let passed = after.raw - before.raw;
    let moved = (after.realtime - before.realtime) - passed - rate.over(passed);
    moved.abs() > RETUNED.over(passed.abs()) + before.width + after.width
}

/// Was the real-time clock set between two readings? It moved against the raw counter by more than the fastest slew.
pub fn was_set_between(before: &Readings, after: &Readings) -> bool {
    let passed = after.raw - before.raw;
    let moved = (after.realtime - before.realtime) - passed;
    moved.abs() > RATE_LIMIT.over(passed.abs()) + before.width + after.width
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn readings() -> Readings {
        Readings {
            raw: Time::from_epoch(Span::from_secs(1000)),
            mono: Time::from_epoch(Span::from_secs(1001)),
            realtime: Time::from_epoch(Span::from_secs(1_800_000_000)),
            asleep: Span::ZERO,
            width: Span::from_nanos(100),
        }
    }

    fn later(raw: Span, realtime: Span) -> Readings {
        let before = readings();
        Readings { raw: before.raw + raw, realtime: before.realtime + realtime, ..before }
    }

    proptest! {
        #[test]
        fn a_stamp_is_as_old_on_the_counter(nanos in 0i64..3_000_000_000) {
            let (now, age) = (readings(), Span::from_nanos(nanos));
            let stamp = to_raw(now.realtime - age, &now).unwrap();
            prop_assert_eq!(stamp, Stamp { at: now.raw - age, by: StampedBy::Kernel });
        }

        #[test]
        fn any_instant_is_a_stamp_or_not(attos in any::<i128>()) {
            let _ = to_raw(Time::from_epoch(Span::from_attos(attos)), &readings());
        }
    }

    #[test]
    fn a_stamp_is_carried_at_the_rate_of_its_clock() {
        let now = readings();
        let (at, blur) = carried(now.realtime - Span::from_secs(1), &now, Rate::from_ppb(100_000)).unwrap();
        let expected = now.raw - Span::from_secs(1) + Span::from_micros(100);
        assert!((at - expected).abs() < Span::from_nanos(11), "a clock that is 100 ppm fast");
        assert_eq!(blur, Span::from_micros(2) + Span::from_nanos(50));
        assert_eq!(carried(now.realtime + Span::from_secs(1), &now, Rate::ZERO), None);
        assert_eq!(carried(now.realtime - WINDOW - Span::from_secs(1), &now, Rate::ZERO), None);
    }

    #[test]
    fn a_jump_is_seen_and_another_rate_is_none() {
        let (second, rate) = (Span::from_secs(1), Rate::from_ppb(100_000));
        let later = |micros| later(second, second + Span::from_micros(micros));
        assert!(!was_moved_between(&readings(), &later(100), rate));
        assert!(!was_moved_between(&readings(), &later(-400), rate), "it was retuned on the way");
        assert!(was_moved_between(&readings(), &later(1_200), rate));
        assert!(was_moved_between(&readings(), &later(-1_000), rate));
    }

    #[test]
    fn a_stamp_from_the_future_is_none() {
        let now = readings();
        assert!(to_raw(now.realtime + now.width, &now).is_some(), "readings are taken one after the other");
        assert_eq!(to_raw(now.realtime + now.width + Span::from_nanos(1), &now), None);
        assert_eq!(to_raw(Time::from_epoch(Span::MAX), &now), None);
    }

    #[test]
    fn a_stamp_older_than_any_exchange_is_none() {
        let now = readings();
        assert!(to_raw(now.realtime - WINDOW, &now).is_some());
        assert_eq!(to_raw(now.realtime - WINDOW - Span::from_nanos(1), &now), None);
        assert_eq!(to_raw(Time::EPOCH, &now), None);
    }

    #[test]
    fn setting_the_clock_is_seen_and_slewing_is_not() {
        let (second, slewed) = (Span::from_secs(1), Span::from_millis(1099));
        assert!(!was_set_between(&readings(), &later(second, second)));
        assert!(!was_set_between(&readings(), &later(second, slewed)));
        assert!(was_set_between(&readings(), &later(second, Span::from_millis(1101))));
        assert!(was_set_between(&readings(), &later(Span::from_micros(50), Span::from_millis(-1))));
    }
}

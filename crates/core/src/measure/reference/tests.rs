use super::*;
use proptest::prelude::*;
use truechimer_time::Rate;

const NOW: Time<Raw> = Time::from_epoch(Span::from_secs(1000));
/// 2026-09-21 or so, well away from any leap second.
const TAI: Time<Tai> = Time::from_epoch(Span::from_secs(1_790_000_037));

fn vouched() -> ReferencePolicy {
    ReferencePolicy {
        is_pulse: false,
        scale: Scale::Tai,
        error: Span::from_micros(1),
        offset: Span::ZERO,
        refine: false,
        id: *b"TEST",
    }
}

fn known(error: Span, bound: Span) -> Option<Known> {
    let best = TAI + error;
    Some(Known { earliest: best - bound, best, latest: best + bound, sigma: bound, age: Span::ZERO })
}

fn bench(known: Option<Known>) -> Bench<'static> {
    const LEAPS: LeapTable = LeapTable::COMPILED;
    let limits = RateLimits::around(Rate::ZERO, Rate::from_ppb(500_000));
    Bench { leaps: &LEAPS, floor: Time::from_epoch(Span::from_secs(1_700_000_000)), now: NOW, limits, known }
}

fn clock(window: Span) -> Reading {
    Reading::Clock { before: NOW - window, shown: TAI - Time::EPOCH, after: NOW, blur: Span::ZERO }
}

fn pulse(phase: Span) -> Reading {
    Reading::Pulse { at: NOW, phase, blur: Span::ZERO }
}

fn told(utc: i64) -> Reading {
    let utc = Time::from_epoch(Span::from_secs(utc));
    Reading::Told { at: NOW, utc, blur: Span::from_nanos(100), leap: Leap::None }
}

#[test]
fn a_clock_was_read_at_some_time_between_two_readings_of_the_counter() {
    let window = Span::from_micros(4);
    let sample = clock(window).judge(&vouched(), &bench(None)).expect("in order");
    assert_eq!((sample.sent, sample.at, sample.delay), (NOW - window, NOW, window));
    assert_eq!(sample.earliest, TAI - Span::from_micros(1));
    let latest = TAI + window + Span::from_micros(1);
    assert!(latest <= sample.latest && sample.latest <= latest + Span::from_nanos(3), "{sample:?}");
}

#[test]
fn a_clock_may_count_utc_and_be_off_by_a_known_span() {
    let utc = ReferencePolicy { scale: Scale::Utc, offset: Span::from_secs(-37), ..vouched() };
    let sample = clock(Span::ZERO).judge(&utc, &bench(None)).expect("in order");
    assert_eq!(sample.received, TAI, "37 s ahead of UTC, and 37 s behind its own count");
}

#[test]
fn a_pulse_has_nothing_to_say_while_the_time_is_known_to_half_a_second_only() {
    for bound in [Span::from_millis(400), Span::from_secs(2)] {
        let judged = pulse(Span::ZERO).judge(&vouched(), &bench(known(Span::ZERO, bound)));
        assert_eq!(judged, Err(Misreading::Unnumbered), "{bound}");
    }
    assert_eq!(pulse(Span::ZERO).judge(&vouched(), &bench(None)), Err(Misreading::Unnumbered));
    assert!(Misreading::Unnumbered.proves_presence());
}

#[test]
fn a_pulse_at_a_leap_second_is_numbered_like_any_other() {
    let leap = LeapTable::COMPILED.leaps().last().expect("some").ends();
    let best = leap + Span::from_millis(3);
    let bound = Span::from_millis(10);
    let known = Known { earliest: best - bound, best, latest: best + bound, sigma: bound, age: Span::ZERO };
    let bench = Bench { floor: Time::EPOCH, ..bench(Some(known)) };
    let sample = pulse(Span::ZERO).judge(&vouched(), &bench).expect("in order");
    assert_eq!(sample.received, leap);
}

#[test]
fn stamps_of_utc_at_a_leap_second_are_not_used() {
    let midnight = LeapTable::COMPILED.leaps().last().expect("some").midnight().since_epoch();
    let bench = Bench { floor: Time::EPOCH, ..bench(None) };
    let near = told(midnight.split().0 as i64 + 1).judge(&vouched(), &bench);
    assert_eq!(near, Err(Misreading::NearLeap));
    assert!(told(midnight.split().0 as i64 + 2).judge(&vouched(), &bench).is_ok());
}

#[test]
fn what_is_old_slow_or_of_the_future_is_refused_by_name() {
    let judge = |reading: Reading| reading.judge(&vouched(), &bench(known(Span::ZERO, Span::from_millis(1))));
    assert_eq!(judge(clock(Span::from_millis(101))), Err(Misreading::Slow));
    assert_eq!(judge(clock(Span::from_nanos(-1))), Err(Misreading::Backwards));
    let at = |at| Reading::Pulse { at, phase: Span::ZERO, blur: Span::ZERO };
    assert_eq!(judge(at(NOW - AGE_MAX - Span::from_nanos(1))), Err(Misreading::Stale));
    assert_eq!(judge(at(NOW + Span::from_nanos(1))), Err(Misreading::Backwards));
}

#[test]
fn bad_input_93_a_receiver_that_is_a_thousand_weeks_behind_is_not_believed() {
    let weeks = 1024 * 7 * 86_400;
    assert_eq!(told(1_790_000_000 - weeks).judge(&vouched(), &bench(None)), Err(Misreading::BeforeFloor));
    assert!(told(1_790_000_000).judge(&vouched(), &bench(None)).is_ok());
}

proptest! {
    #[test]
    fn a_pulse_gets_the_second_that_is_nearest_to_what_is_known(
        error in -390_000i64..390_000, phase in -499_000i64..499_000, slack in 0i64..9_000,
    ) {
        let (error, phase) = (Span::from_micros(error), Span::from_micros(phase));
        // The pulse is honest: the second began `phase` ago.
        let truth = TAI + phase;
        let best = truth + error;
        let bound = error.abs() + Span::from_micros(slack);
        let known = Known { earliest: best - bound, best, latest: best + bound, sigma: bound, age: Span::ZERO };
        let sample = pulse(phase).judge(&vouched(), &bench(Some(known))).expect("certain");
        prop_assert_eq!(sample.received, truth);
        prop_assert!(sample.earliest <= truth && truth <= sample.latest);
    }

    #[test]
    fn truth_is_in_the_window_of_a_clock_that_keeps_its_word(
        window in 0i64..100_000_000, place in 0i64..=100, error in -1_000i64..=1_000, ppb in -500_000i64..=500_000,
    ) {
        let (window, rate) = (Span::from_nanos(window), Rate::from_ppb(ppb));
        let sample = clock(window).judge(&vouched(), &bench(None)).expect("in order");
        let since = Span::from_attos(window.as_attos() * i128::from(place) / 100);
        let truth = TAI + Span::from_nanos(error) + since + rate.over(since);
        prop_assert!(sample.earliest <= truth && truth <= sample.latest);
    }

    #[test]
    fn any_reading_is_a_sample_or_refused(
        one in any::<i128>(), other in any::<i128>(), third in any::<i128>(), fourth in any::<i128>(),
        near in -5_000_000_000i64..5_000_000_000,
    ) {
        let [one, other, third, fourth] = [one, other, third, fourth].map(Span::from_attos);
        let now = NOW + Span::from_nanos(near);
        let known = known(Span::ZERO, Span::from_millis(1));
        let raw = Time::from_epoch;
        for reading in [
            Reading::Clock { before: raw(one), shown: other, after: raw(third), blur: fourth },
            Reading::Clock { before: now, shown: other, after: now, blur: fourth },
            Reading::Pulse { at: raw(one), phase: other, blur: third },
            Reading::Pulse { at: now, phase: other, blur: third },
            Reading::Told { at: raw(one), utc: Time::from_epoch(other), blur: third, leap: Leap::Insert },
            Reading::Told { at: now, utc: Time::from_epoch(other), blur: third, leap: Leap::Delete },
        ] {
            for scale in [Scale::Tai, Scale::Utc] {
                let _ = reading.judge(&ReferencePolicy { scale, ..vouched() }, &bench(known));
            }
        }
    }
}

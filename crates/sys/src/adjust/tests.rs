//! No test here sets a clock: requests are looked at, and the kernel is only asked.

use super::*;
use proptest::prelude::*;

const PPM: i64 = 1_000;

fn report() -> StatusReport {
    StatusReport {
        synchronised: true,
        maxerror: Span::from_micros(1500),
        esterror: Span::from_micros(20),
        tai_offset: Some(37),
        leap: Leap::None,
    }
}

#[test]
fn the_real_kernel_tells_its_state() {
    let clock = read_state().unwrap();
    assert!(clock.rate.abs() <= RATE_LIMIT + FREQUENCY_LIMIT);
    assert!(clock.maxerror >= Span::ZERO && clock.maxerror <= ERROR_LIMIT);
    assert_eq!(clock.status.synchronised(), clock.state != ClockState::Unsynchronised);
}

#[test]
fn reading_asks_for_no_mode() {
    assert_eq!(blank().modes, 0);
}

#[test]
fn every_setting_speaks_in_nanoseconds() {
    let step = step_request(Span::from_secs(1)).unwrap().0;
    for timex in [rate_request(Rate::ZERO), status_request(&report()), step] {
        assert_eq!(timex.modes & libc::ADJ_NANO, libc::ADJ_NANO);
    }
}

#[test]
fn small_rates_leave_the_tick_alone() {
    for (ppb, freq) in [(0, 0), (1000, 65_536), (-500 * PPM, -32_768_000), (500 * PPM, 32_768_000)] {
        assert_eq!(split(Rate::from_ppb(ppb)), (TICK_NOMINAL, freq), "{ppb} ppb");
    }
}

#[test]
fn great_rates_are_carried_by_the_tick() {
    assert_eq!(split(Rate::from_ppb(501 * PPM)), (10_005, 65_536));
    assert_eq!(split(Rate::from_ppb(560 * PPM)), (10_006, -40 * 65_536));
    assert_eq!(split(Rate::from_ppb(-501 * PPM)), (9_995, -65_536));
    assert_eq!(split(RATE_LIMIT), (11_000, 0));
    assert_eq!(split(-RATE_LIMIT), (9_000, 0));
}

#[test]
fn rates_beyond_the_kernels_reach_are_cut() {
    assert_eq!(split(Rate::from_attos_per_second(i64::MAX)), (11_000, 0));
    assert_eq!(split(Rate::from_attos_per_second(i64::MIN)), (9_000, 0));
}

#[test]
fn tick_and_frequency_are_set_together() {
    let timex = rate_request(Rate::from_ppb(1_234_567));
    assert_eq!(timex.modes, libc::ADJ_TICK | libc::ADJ_FREQUENCY | libc::ADJ_NANO);
}

proptest! {
    #[test]
    fn a_rate_survives_the_fields_to_half_a_unit(attos in any::<i64>()) {
        let asked = Rate::from_attos_per_second(attos).clamp(-RATE_LIMIT, RATE_LIMIT);
        let timex = rate_request(asked);
        prop_assert!((rate_of(&timex) - asked).abs() <= Rate::from_attos_per_second(7_629_395));
        prop_assert!((9_000..=11_000).contains(&timex.tick));
        prop_assert!(timex.freq.abs() <= 32_768_000);
    }

    #[test]
    fn a_rate_really_set_is_set_again_unchanged(attos in any::<i64>()) {
        let really = rate_of(&rate_request(Rate::from_attos_per_second(attos)));
        prop_assert_eq!(rate_of(&rate_request(really)), really);
    }

    #[test]
    fn no_kernel_can_overflow_the_rate(tick in any::<i64>(), freq in any::<i64>()) {
        let mut timex = blank();
        (timex.tick, timex.freq) = (tick, freq);
        let _ = told(&timex, 0);
    }

    #[test]
    fn steps_are_normal_and_within_half_a_nanosecond(attos in any::<i128>()) {
        let asked = Span::from_attos(attos);
        if let Some((timex, really)) = step_request(asked) {
            let sum = Span::from_secs(timex.time.tv_sec) + Span::from_nanos(timex.time.tv_usec);
            prop_assert_eq!(sum, really);
            prop_assert!((0..1_000_000_000).contains(&timex.time.tv_usec));
            prop_assert!((really - asked).abs() <= Span::from_attos(500_000_000));
        }
    }

    #[test]
    fn a_stated_error_is_never_less_than_the_error(attos in any::<i128>()) {
        let micros = error_micros(Span::from_attos(attos));
        prop_assert!((0..=16_000_000).contains(&micros));
        prop_assert!(Span::from_micros(micros) >= Span::from_attos(attos).min(ERROR_LIMIT));
    }
}

#[test]
fn steps_backward_borrow_a_second() {
    let (timex, really) = step_request(Span::from_millis(-250)).unwrap();
    assert_eq!(timex.modes, libc::ADJ_SETOFFSET | libc::ADJ_NANO);
    assert_eq!((timex.time.tv_sec, timex.time.tv_usec), (-1, 750_000_000));
    assert_eq!(really, Span::from_millis(-250));
}

#[test]
fn a_step_is_rounded_to_the_nearest_nanosecond() {
    assert_eq!(step_request(Span::from_attos(1_499_999_999)).unwrap().1, Span::from_nanos(1));
    assert_eq!(step_request(Span::from_attos(-1_500_000_000)).unwrap().1, Span::from_nanos(-2));
}

#[test]
fn a_step_beyond_the_field_is_invalid_before_the_kernel_sees_it() {
    assert!(step_request(Span::MAX).is_none());
    assert!(step_request(Span::MIN).is_none());
}

#[test]
fn slews_backward_borrow_a_second_too() {
    let (delta, really) = slew_request(Span::from_micros(-250_001)).unwrap();
    assert_eq!((delta.tv_sec, delta.tv_usec), (-1, 749_999));
    assert_eq!(really, Span::from_micros(-250_001));
}

#[test]
fn a_slew_is_rounded_to_the_nearest_microsecond() {
    assert_eq!(slew_request(Span::from_nanos(1_499)).unwrap().1, Span::from_micros(1));
    assert_eq!(slew_request(Span::from_nanos(-1_500)).unwrap().1, Span::from_micros(-2));
}

#[test]
fn a_slew_that_libc_does_not_take_is_invalid_before_it_sees_it() {
    assert_eq!(slew_request(SLEW_LIMIT).unwrap().1, SLEW_LIMIT);
    assert_eq!(slew_request(-SLEW_LIMIT).unwrap().1, -SLEW_LIMIT);
    for too_long in
        [SLEW_LIMIT + Span::from_attos(1), -SLEW_LIMIT - Span::from_attos(1), Span::MAX, Span::MIN]
    {
        assert!(slew_request(too_long).is_none(), "{too_long}");
    }
}

#[test]
fn stating_errors_touches_no_status() {
    let timex = errors_request(Span::from_nanos(1), Span::MAX);
    assert_eq!(timex.modes, libc::ADJ_MAXERROR | libc::ADJ_ESTERROR | libc::ADJ_NANO);
    assert_eq!((timex.maxerror, timex.esterror), (1, 16_000_000));
}

#[test]
fn a_true_clock_is_reported_as_synchronised() {
    let timex = status_request(&report());
    let modes = libc::ADJ_STATUS | libc::ADJ_MAXERROR | libc::ADJ_ESTERROR | libc::ADJ_TAI | libc::ADJ_NANO;
    assert_eq!(timex.modes, modes);
    assert_eq!((timex.status, timex.maxerror, timex.esterror, timex.constant), (0, 1500, 20, 37));
}

#[test]
fn a_doubtful_clock_is_reported_as_unsynchronised() {
    let timex = status_request(&StatusReport { synchronised: false, ..report() });
    assert_eq!(timex.status, libc::STA_UNSYNC);
}

#[test]
fn leap_seconds_are_armed_one_at_a_time() {
    for (leap, bits) in [(Leap::Insert, libc::STA_INS), (Leap::Delete, libc::STA_DEL), (Leap::None, 0)] {
        let timex = status_request(&StatusReport { leap, ..report() });
        assert_eq!(timex.status, bits);
        assert_eq!(Status(timex.status).leap(), leap);
    }
}

#[test]
fn the_kernels_own_loop_is_never_asked_for() {
    for synchronised in [true, false] {
        let status = Status(status_request(&StatusReport { synchronised, ..report() }).status);
        assert!(!status.kernel_loop());
        assert_eq!(status.synchronised(), synchronised);
    }
}

#[test]
fn an_unknown_tai_offset_leaves_the_kernels() {
    let timex = status_request(&StatusReport { tai_offset: None, ..report() });
    assert_eq!(timex.modes & libc::ADJ_TAI, 0);
}

/// Bad input 105.
#[test]
fn what_the_kernel_returns_is_named() {
    assert_eq!(state_of(libc::TIME_ERROR), ClockState::Unsynchronised);
    assert_eq!(state_of(libc::TIME_OOP), ClockState::Leaping);
    assert_eq!(state_of(77), ClockState::Unknown(77));
    assert_eq!(error_of(libc::EPERM), ClockError::NotPermitted);
    assert_eq!(error_of(libc::EINVAL), ClockError::Invalid);
    assert_eq!(error_of(libc::EINTR), ClockError::Interrupted);
    assert_eq!(error_of(libc::ENOSYS), ClockError::Other(libc::ENOSYS));
}

#[test]
fn a_returned_timex_is_read_field_by_field() {
    let mut timex = blank();
    timex.tick = 10_001;
    timex.freq = -65_536;
    timex.status = libc::STA_UNSYNC | libc::STA_DEL | libc::STA_PLL;
    (timex.maxerror, timex.esterror, timex.tai) = (16_000_000, 7, 37);
    let clock = told(&timex, libc::TIME_ERROR);
    assert_eq!(clock.rate, Rate::from_ppb(99 * PPM));
    assert_eq!((clock.maxerror, clock.esterror), (ERROR_LIMIT, Span::from_micros(7)));
    assert_eq!((clock.state, clock.tai_offset), (ClockState::Unsynchronised, 37));
    assert!(clock.status.kernel_loop() && !clock.status.synchronised());
    assert_eq!(clock.status.leap(), Leap::Delete);
}

#[test]
fn a_leap_is_disarmed_by_a_loop_that_comes_and_goes() {
    let timex = disarming_request();
    assert_eq!(timex.modes, libc::ADJ_STATUS | libc::ADJ_NANO);
    assert_eq!(timex.status, libc::STA_UNSYNC | libc::STA_PLL);
}

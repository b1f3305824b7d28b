use super::*;
use crate::discipline::bracket::Bracket;
use crate::discipline::oscillator::RateLimits;
use crate::wire::ntp::{Leap, Packet};
use proptest::prelude::*;
use truechimer_time::ntp::NtpPrecision;
use truechimer_time::{Civil, LeapKind};

const AT: Time<Raw> = Time::from_epoch(Span::from_secs(1_000));
const TAI: Time<Tai> = Time::from_epoch(Span::from_secs(1_800_000_000));
const SERVED: Served = Served {
    synchronised: true,
    leap: Leap::None,
    stratum: 2,
    precision: NtpPrecision { log2_seconds: -20 },
    root_delay: Span::from_millis(10),
    root_dispersion: Span::from_millis(1),
    reference_id: [192, 0, 2, 1],
    reference: Time::from_epoch(Span::from_secs(1_799_999_900)),
};

fn model(best: Time<Tai>, rate: Rate) -> Model {
    Model {
        best,
        rate,
        bracket: Bracket {
            at: AT,
            earliest: best - Span::from_millis(1),
            latest: best + Span::from_millis(1),
        },
        limits: RateLimits::around(rate, Rate::from_ppb(15_000)),
        sigma: Span::ZERO,
        rate_sigma: Rate::ZERO,
        wander: Rate::ZERO,
    }
}

fn dial(rate: Rate, limit: Span) -> Dial {
    Dial::of_model(&model(TAI, rate), &LeapTable::COMPILED, AT, SERVED, limit)
}

proptest! {
    #[test]
    fn it_reads_what_the_model_reads(ppb in -500_000i64..500_000, nanos in -1_000_000_000i64..64_000_000_000) {
        let rate = Rate::from_ppb(ppb);
        let raw = AT + Span::from_nanos(nanos);
        let utc = LeapTable::COMPILED.utc_of_tai(model(TAI, rate).read(raw).best).time;
        let told = dial(rate, Span::MAX).read(raw).resolve(utc);
        prop_assert!((told - utc).abs() <= Span::from_nanos(2), "{}", told - utc);
    }

    #[test]
    fn any_counter_is_read(attos in any::<i128>()) {
        let raw = Time::from_epoch(Span::from_attos(attos));
        let dial = dial(Rate::from_ppb(500_000), Span::from_secs(1));
        let header = dial.header(raw);
        prop_assert!(!dial.read(raw).is_zero());
        prop_assert_eq!(Packet::parse(&header).unwrap().stratum == 16, !dial.is_synchronised(raw));
    }
}

#[test]
fn the_distance_that_is_told_grows_as_the_bound_does() {
    let dial = dial(Rate::from_ppb(60_000), Span::MAX);
    let told = |seconds| Packet::parse(&dial.header(AT + Span::from_secs(seconds))).unwrap();
    assert_eq!((told(0).stratum, told(0).root_dispersion.span() >= Span::from_millis(1)), (2, true));
    let grown = told(10).root_dispersion.span() - told(0).root_dispersion.span();
    assert!((grown - Span::from_micros(150)).abs() < Span::from_micros(20), "15 ppm for 10 s: {grown}");
}

#[test]
fn bad_input_73_beyond_its_limit_or_its_life_it_does_not_know_the_time() {
    let synchronised = |limit, seconds| {
        let raw = AT + Span::from_secs(seconds);
        let dial = dial(Rate::ZERO, limit);
        let packet = Packet::parse(&dial.header(raw)).unwrap();
        assert_eq!(dial.is_synchronised(raw), packet.stratum == 2);
        assert_eq!(packet.leap == Leap::Unknown, packet.stratum == 16);
        packet.stratum == 2
    };
    // The bound is 1 ms and grows by 15 us a second.
    let limit = Span::from_micros(1_300);
    assert!(synchronised(limit, 0) && synchronised(limit, 15) && !synchronised(limit, 25));
    assert!(!synchronised(Span::from_micros(900), 0));
    assert!(synchronised(Span::MAX, 150) && !synchronised(Span::MAX, 151), "who made it is stuck");
}

#[test]
fn a_leap_second_is_passed_on_the_way() {
    let midnight = Civil { year: 2017, ..Civil::of(Time::EPOCH) }.time().unwrap();
    let ends = LeapTable::COMPILED.tai_of_utc(midnight);
    let model = model(ends - Span::from_secs(5), Rate::from_ppb(-80_000));
    let dial = Dial::of_model(&model, &LeapTable::COMPILED, AT, SERVED, Span::MAX);
    for millis in [0, 3_500, 4_500, 4_999, 5_002, 6_000, 60_000] {
        let raw = AT + Span::from_millis(millis);
        let utc = LeapTable::COMPILED.utc_of_tai(model.read(raw).best).time;
        let told = dial.read(raw).resolve(utc);
        assert!((told - utc).abs() < Span::from_micros(1), "after {millis} ms: {}", told - utc);
    }
}

#[test]
fn a_second_that_is_left_out_is_passed_too() {
    let midnight = Civil { year: 2035, ..Civil::of(Time::EPOCH) }.time().unwrap();
    let mut leaps = LeapTable::COMPILED;
    leaps.push(midnight, LeapKind::Deleted).unwrap();
    let model = model(leaps.tai_of_utc(midnight) - Span::from_secs(5), Rate::ZERO);
    let dial = Dial::of_model(&model, &leaps, AT, SERVED, Span::MAX);
    for millis in [0, 4_999, 5_001, 60_000] {
        let raw = AT + Span::from_millis(millis);
        let utc = leaps.utc_of_tai(model.read(raw).best).time;
        assert!((dial.read(raw).resolve(utc) - utc).abs() < Span::from_micros(1), "after {millis} ms");
    }
}

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

fn day() -> Smear {
    Smear::over(Span::from_secs(86_400)).unwrap()
}

/// The table with a leap second at the end of 2034, and the instant at which it ends.
fn leap_of(kind: LeapKind) -> (LeapTable, Time<Tai>) {
    let midnight = Civil { year: 2035, ..Civil::of(Time::EPOCH) }.time().unwrap();
    let mut leaps = LeapTable::COMPILED;
    leaps.push(midnight, kind).unwrap();
    let ends = leaps.tai_of_utc(midnight);
    (leaps, ends)
}

/// What is told at `tai` minus the exact smear, both as spans from an instant so near that nothing is rounded.
fn away(dial: &Dial, raw: Time<Raw>, leaps: &LeapTable, tai: Time<Tai>) -> Span {
    let utc = day().utc(leaps, tai);
    dial.read(raw).resolve(utc) - utc
}

/// From an hour before it begins to an hour after its end, at dials that are made anew each 64 s.
#[test]
fn a_smear_is_told_to_less_than_a_nanosecond() {
    for (kind, sign) in [(LeapKind::Inserted, 1), (LeapKind::Deleted, -1)] {
        let (leaps, ends) = leap_of(kind);
        let mut last: Option<NtpTimestamp> = None;
        for seconds in (-46_800_i64..46_800).step_by(64) {
            let begins = ends + Span::from_secs(seconds);
            let rate = Rate::from_ppb(-80_000);
            let model = model(begins, rate);
            let dial = Dial::of_model(&model, &leaps, AT, SERVED, Span::MAX).smeared(day(), &leaps);
            for millis in [0, 1, 500, 20_000, 63_999, 64_000, 149_000] {
                let raw = AT + Span::from_millis(millis);
                let tai = begins + (raw - AT) + rate.over(raw - AT);
                let away = away(&dial, raw, &leaps, tai);
                assert!(away.abs() < Span::from_nanos(1), "{kind:?}, {seconds} s and {millis} ms: {away}");
            }
            let now = dial.read(AT);
            if let Some(last) = last {
                // Nothing is told twice, and nothing left out.
                let passed = now.since(last) - Span::from_secs(64);
                assert!(passed.abs() < Span::from_micros(741), "{kind:?}, {seconds} s: {passed}");
            }
            last = Some(now);
            let packet = Packet::parse(&dial.header(AT)).unwrap();
            let is_within = (-43_200..43_200).contains(&(seconds + i64::from(seconds < 0) * sign));
            assert_eq!(packet.reference_id[0] == 0xfe, is_within, "{kind:?}, {seconds} s: {packet:?}");
        }
    }
}

proptest! {
    #[test]
    fn any_dial_tells_the_smear_as_it_is(
        is_left_out in any::<bool>(),
        ppb in -500_000i64..500_000,
        micros in -90_000_000_000i64..90_000_000_000,
        after in 0i64..150_000_000,
    ) {
        let (leaps, ends) = leap_of(if is_left_out { LeapKind::Deleted } else { LeapKind::Inserted });
        let (begins, rate) = (ends + Span::from_micros(micros), Rate::from_ppb(ppb));
        let dial = Dial::of_model(&model(begins, rate), &leaps, AT, SERVED, Span::MAX).smeared(day(), &leaps);
        let raw = AT + Span::from_micros(after);
        let tai = begins + (raw - AT) + rate.over(raw - AT);
        let away = away(&dial, raw, &leaps, tai);
        prop_assert!(away.abs() < Span::from_nanos(1), "{away}");
        prop_assert!((dial.tai(raw).unwrap() - tai).is_zero(), "TAI is never smeared");
    }
}

/// As ntpd writes it: what is told minus UTC, with 22 bits of fraction.
#[test]
fn a_smear_is_told_of_by_the_reference_id_and_by_nothing_else() {
    let (leaps, ends) = leap_of(LeapKind::Inserted);
    let at = |tai: Time<Tai>, served| {
        let dial = Dial::of_model(&model(tai, Rate::ZERO), &leaps, AT, served, Span::MAX);
        Packet::parse(&dial.smeared(day(), &leaps).header(AT)).unwrap()
    };
    let announced = Served { leap: Leap::Insert, ..SERVED };
    let before = at(ends - Span::from_secs(43_201 + 120), announced);
    assert_eq!((before.leap, before.reference_id), (Leap::None, SERVED.reference_id), "none is announced");
    // A quarter of the way it is a quarter of a second behind, three quarters of it so much ahead.
    let quarter = |sign| ends - Span::from_millis(500) + Span::from_millis(21_600_250) * sign;
    assert_eq!(at(quarter(-1), announced).reference_id, [0xfe, 0xf0, 0x00, 0x00]);
    assert_eq!(at(quarter(1), announced).reference_id, [0xfe, 0x10, 0x00, 0x00]);
    let unknown = at(quarter(1), Served { synchronised: false, ..SERVED });
    assert_eq!((unknown.leap, unknown.stratum, unknown.reference_id), (Leap::Unknown, 16, [0; 4]));
}

/// RFC 5905 refuses a server whose clock was corrected after what it tells (appendix A.5.1.1).
#[test]
fn the_last_correction_is_smeared_with_what_is_told() {
    let (leaps, ends) = leap_of(LeapKind::Inserted);
    for seconds in (-43_300_i64..43_300).step_by(433) {
        let tai = ends + Span::from_secs(seconds);
        let served = Served { reference: leaps.utc_of_tai(tai).time, ..SERVED };
        let dial = Dial::of_model(&model(tai, Rate::ZERO), &leaps, AT, served, Span::MAX);
        let dial = dial.smeared(day(), &leaps);
        let reference = Packet::parse(&dial.header(AT)).unwrap().reference;
        assert!(reference.since(dial.read(AT)).abs() < Span::from_nanos(2), "{seconds}");
    }
}

#[test]
fn bad_input_83_tai_is_not_told_by_a_table_that_may_lack_a_leap_second() {
    let expires = LeapTable::COMPILED.expiry().unwrap();
    for (later, is_told) in [(Span::from_secs(-60), true), (Span::from_secs(60), false)] {
        let tai = LeapTable::COMPILED.tai_of_utc(expires + later);
        let dial =
            Dial::of_model(&model(tai, Rate::ZERO), &LeapTable::COMPILED, AT, SERVED, Span::from_secs(1));
        assert_eq!(
            (dial.tai(AT).is_some(), dial.is_synchronised(AT)),
            (is_told, true),
            "UTC is told as before"
        );
    }
}

#[test]
fn without_a_model_there_is_nothing_to_smear_and_no_tai() {
    let dial = Dial::unsynchronised(AT, Time::EPOCH);
    assert_eq!((dial.smeared(day(), &LeapTable::COMPILED), dial.tai(AT)), (dial, None));
}

use super::*;
use proptest::prelude::*;
use std::string::ToString;

/// 2036-02-07 06:28:16 UTC, where era 1 begins.
const ERA_1: i64 = (1 << 32) - ERA_0_TO_EPOCH;
/// 2172-03-15 12:56:32 UTC, where era 2 begins.
const ERA_2: i64 = (2 << 32) - ERA_0_TO_EPOCH;
/// 2104-02-26 09:42:24 UTC, where timestamps of era 1 get their highest bit.
const HALF_OF_ERA_1: i64 = ERA_1 + (1 << 31);
/// 2106-02-07 06:28:16 UTC, where 32 bits of seconds since 1970 end.
const END_OF_UNSIGNED_UNIX: i64 = 1 << 32;
const HALF_ERA: Span = Span::from_secs(1 << 31);

fn utc(seconds: i64) -> Time<Utc> {
    Time::from_epoch(Span::from_secs(seconds))
}

/// Pivots of which the whole window can be held.
fn pivots() -> impl Strategy<Value = Time<Utc>> {
    let room = HALF_ERA.as_attos() * 2;
    let anywhere = (i128::MIN + room)..(i128::MAX - room);
    let nearby = (-1 << 40)..(1i128 << 40);
    let on_the_grid = nearby.prop_map(|quarters| quarters * (ATTOS_PER_SECOND / 4));
    prop_oneof![anywhere, on_the_grid].prop_map(|attos| Time::from_epoch(Span::from_attos(attos)))
}

proptest! {
    #[test]
    fn every_pattern_comes_back_from_every_pivot(bits in any::<u64>(), pivot in pivots()) {
        let time = NtpTimestamp::from_bits(bits).resolve(pivot);
        prop_assert_eq!(NtpTimestamp::of(time).to_bits(), bits);
        prop_assert!(pivot - HALF_ERA <= time && time < pivot + HALF_ERA, "{:?} of {:?}", time, pivot);
    }

    #[test]
    fn an_instant_comes_back_within_half_a_step(attos in -(1i128 << 100)..(1 << 100), away in -(1i64 << 31) + 1..(1 << 31)) {
        let time = Time::<Utc>::from_epoch(Span::from_attos(attos));
        let back = NtpTimestamp::of(time).resolve(time + Span::from_secs(away));
        prop_assert!((back - time).abs() <= Span::from_attos(116_415_322), "{:?}", back - time);
    }

    #[test]
    fn no_pivot_panics(bits in any::<u64>(), attos in any::<i128>()) {
        let pivot = Time::from_epoch(Span::from_attos(attos));
        let _ = (NtpTimestamp::from_bits(bits).resolve(pivot), NtpTimestamp::of(pivot));
    }

    #[test]
    fn a_difference_is_that_of_the_instants(attos in -(1i128 << 100)..(1 << 100), steps in any::<i64>()) {
        let pivot = Time::<Utc>::from_epoch(Span::from_attos(attos));
        let earlier = NtpTimestamp::of(pivot);
        let later = NtpTimestamp::from_bits(earlier.to_bits().wrapping_add(steps.cast_unsigned()));
        let apart = later.since(earlier) - (later.resolve(pivot) - earlier.resolve(pivot));
        // At the very end of the window the pivot's rounding decides on which side of it the stamp lies.
        prop_assume!(steps.unsigned_abs() < (1 << 63) - 1);
        prop_assert!(apart.abs() <= Span::from_attos(2), "{:?}", apart);
    }

    #[test]
    fn a_bound_never_shrinks(attos in any::<i128>()) {
        let span = Span::from_attos(attos);
        let short = NtpShort::at_least(span).span();
        prop_assert!(short >= span || short == NtpShort::MAX.span());
        prop_assert!(!short.is_negative());
    }

    #[test]
    fn a_short_value_comes_back(bits in any::<u32>()) {
        let short = NtpShort::from_bits(bits);
        prop_assert_eq!(NtpShort::at_least(short.span()), short);
        prop_assert_eq!(NtpShort::from_bytes(short.to_bytes()), short);
    }
}

#[test]
fn the_origin_of_unix_is_where_every_book_says() {
    assert_eq!(NtpTimestamp::of(Time::EPOCH).to_bits(), 0x83aa_7e80_0000_0000);
    assert_eq!(std::format!("{:?}", NtpTimestamp::of(Time::EPOCH)), "0x83aa7e80.00000000");
    assert_eq!(NtpTimestamp::of(Time::EPOCH - Span::from_millis(250)).to_bits(), 0x83aa_7e7f_c000_0000);
    assert_eq!(
        NtpTimestamp::from_bytes([0x83, 0xaa, 0x7e, 0x80, 0, 0, 0, 1]).to_bits(),
        0x83aa_7e80_0000_0001
    );
}

/// Bad inputs 89 and 98: all seconds of a minute on each side of each edge, against each other as stamp and pivot.
#[test]
fn edges_of_eras_are_crossed_both_ways() {
    let fractions = [0u64, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
    for edge in [0, ERA_1 - (1 << 32), ERA_1, HALF_OF_ERA_1, END_OF_UNSIGNED_UNIX, ERA_2, ERA_2 + (1 << 33)] {
        for second in -60..60 {
            let time = utc(edge + second);
            let whole = NtpTimestamp::of(time).to_bits();
            for pivot in -60..60 {
                for fraction in fractions {
                    let stamp = NtpTimestamp::from_bits(whole | fraction);
                    let resolved = stamp.resolve(utc(edge + pivot));
                    assert_eq!((resolved - time).as_nanos(), ((fraction * 1_000_000_000) >> 32) as i64);
                }
            }
        }
    }
}

#[test]
fn differences_cross_the_end_of_an_era() {
    let last = NtpTimestamp::of(utc(ERA_1 - 1));
    let first = NtpTimestamp::of(utc(ERA_1));
    assert_eq!((last.to_bits(), first), (0xffff_ffff_0000_0000, NtpTimestamp::ZERO));
    assert!(first.is_zero() && !last.is_zero());
    assert_eq!(first.since(last), Span::from_secs(1));
    assert_eq!(last.since(first), Span::from_secs(-1));
    for (a, b) in (-300..300).flat_map(|a| (-300..300).map(move |b| (a, b))) {
        let difference = NtpTimestamp::of(utc(ERA_1 + a)).since(NtpTimestamp::of(utc(ERA_1 + b)));
        assert_eq!(difference, Span::from_secs(a - b));
    }
}

#[test]
fn rounding_carries_into_the_next_second_and_era() {
    let almost = utc(ERA_1) - Span::from_attos(1);
    assert_eq!(NtpTimestamp::of(almost), NtpTimestamp::ZERO);
    let half_a_step_before = utc(ERA_1) - Span::from_attos(116_415_322);
    assert_eq!(NtpTimestamp::of(half_a_step_before).to_bits(), u64::MAX);
}

#[test]
fn the_window_is_closed_at_its_beginning_and_open_at_its_end() {
    let pivot = utc(1_000_000_000);
    let edge = NtpTimestamp::of(pivot - HALF_ERA);
    assert_eq!(edge.resolve(pivot), pivot - HALF_ERA);
    assert_eq!(edge.resolve(pivot + Span::from_attos(1)), pivot + HALF_ERA);
    let before_edge = NtpTimestamp::from_bits(edge.to_bits().wrapping_sub(1));
    assert!(before_edge.resolve(pivot) < pivot + HALF_ERA);
    assert!(before_edge.resolve(pivot) > pivot + HALF_ERA - Span::from_nanos(1));
}

/// Bad input 95.
#[test]
fn short_values_saturate_and_are_never_negative() {
    assert_eq!(NtpShort::MAX.span().to_string(), "65535.9999847412109375");
    assert_eq!(NtpShort::at_least(Span::from_secs(65536)), NtpShort::MAX);
    assert_eq!(NtpShort::at_least(Span::MAX), NtpShort::MAX);
    assert_eq!(NtpShort::at_least(Span::from_secs(-1)), NtpShort::ZERO);
    assert_eq!(NtpShort::at_least(Span::MIN), NtpShort::ZERO);
    assert_eq!(NtpShort::at_least(Span::from_attos(1)).to_bits(), 1);
    assert_eq!(NtpShort::at_least(Span::from_millis(1500)).to_bits(), 0x0001_8000);
}

/// Bad input 96.
#[test]
fn every_precision_is_a_span_that_comes_back_or_saturates() {
    for log2_seconds in i8::MIN..=i8::MAX {
        let precision = NtpPrecision { log2_seconds };
        let back = NtpPrecision::at_least(precision.span());
        match log2_seconds {
            // Shorter than an attosecond: rounded up to one.
            ..-59 => assert_eq!((precision.span(), back.log2_seconds), (Span::from_attos(1), -128)),
            -59..68 => assert_eq!(back, precision),
            68.. => assert_eq!((precision.span(), back.log2_seconds), (Span::MAX, 68)),
        }
    }
}

#[test]
fn precisions_are_those_of_the_trade() {
    assert_eq!(NtpPrecision { log2_seconds: 0 }.span(), Span::from_secs(1));
    assert_eq!(NtpPrecision { log2_seconds: 3 }.span(), Span::from_secs(8));
    assert_eq!(NtpPrecision { log2_seconds: -2 }.span(), Span::from_millis(250));
    assert_eq!(NtpPrecision { log2_seconds: -18 }.span(), Span::from_attos(3_814_697_265_625));
    assert_eq!(NtpPrecision::at_least(Span::from_micros(1)).log2_seconds, -19);
    assert_eq!(NtpPrecision::at_least(Span::from_secs(5)).log2_seconds, 3);
    assert_eq!(NtpPrecision::at_least(Span::ZERO).log2_seconds, -128);
    assert_eq!(NtpPrecision::at_least(Span::MIN).log2_seconds, -128);
}

use super::*;
use proptest::prelude::*;

fn put<const LEN: usize>(bytes: &mut [u8; LEN], place: usize, value: &[u8]) {
    bytes[place..place + value.len()].copy_from_slice(value);
}

/// 1,700,000,000.123456789 s by the reference clock when the local clock showed 1,700,000,000.5 s.
fn segment() -> [u8; SEGMENT_LEN] {
    let mut bytes = [0; SEGMENT_LEN];
    put(&mut bytes, 0, &1i32.to_ne_bytes());
    put(&mut bytes, 4, &7i32.to_ne_bytes());
    put(&mut bytes, 8, &1_700_000_000i64.to_ne_bytes());
    put(&mut bytes, 16, &123_456i32.to_ne_bytes());
    put(&mut bytes, 24, &1_700_000_000i64.to_ne_bytes());
    put(&mut bytes, 32, &500_000i32.to_ne_bytes());
    put(&mut bytes, 48, &1i32.to_ne_bytes());
    put(&mut bytes, 52, &123_456_789u32.to_ne_bytes());
    put(&mut bytes, 56, &500_000_000u32.to_ne_bytes());
    bytes
}

fn datagram() -> [u8; SOCK_LEN] {
    let mut bytes = [0; SOCK_LEN];
    put(&mut bytes, 0, &1_700_000_000i64.to_ne_bytes());
    put(&mut bytes, 8, &250_000i64.to_ne_bytes());
    put(&mut bytes, 16, &(-0.25f64).to_ne_bytes());
    put(&mut bytes, 36, &SOCK_MAGIC.to_ne_bytes());
    bytes
}

fn with<const LEN: usize>(mut bytes: [u8; LEN], place: usize, value: &[u8]) -> [u8; LEN] {
    put(&mut bytes, place, value);
    bytes
}

fn read(bytes: &[u8; SEGMENT_LEN]) -> Result<Tick, Misreading> {
    read_segment(bytes, bytes).map(|(_, tick)| tick)
}

#[test]
fn a_segment_says_when_it_was_what() {
    let tick = read(&segment()).expect("valid");
    assert_eq!(tick.utc.since_epoch(), Span::from_nanos(1_700_000_000_123_456_789));
    assert_eq!(tick.local.since_epoch(), Span::from_nanos(1_700_000_000_500_000_000));
    assert_eq!((tick.leap, tick.is_pulse), (Leap::None, false));
}

#[test]
fn a_writer_that_knows_no_nanoseconds_is_read_by_its_microseconds() {
    for nanos in [0u32, 999_999_999, u32::MAX] {
        let tick = read(&with(segment(), 52, &nanos.to_ne_bytes())).expect("valid");
        assert_eq!(tick.utc.since_epoch(), Span::from_nanos(1_700_000_000_123_456_000), "{nanos}");
    }
}

#[test]
fn bad_input_129_a_segment_that_makes_no_sense_is_refused_by_name() {
    let cases = [
        (48, 0i32, Misreading::Nothing),
        (0, 2, Misreading::Mode),
        (0, -1, Misreading::Mode),
        (16, 1_000_000, Misreading::Fraction),
        (32, -1, Misreading::Fraction),
        (36, 3, Misreading::NeverSet),
        (36, 4, Misreading::Leap),
        (12, -1, Misreading::Absurd),
        (28, i32::MAX, Misreading::Absurd),
    ];
    for (place, value, why) in cases {
        assert_eq!(read(&with(segment(), place, &value.to_ne_bytes())), Err(why), "{place} {value}");
    }
}

#[test]
fn bad_input_129_a_segment_that_is_written_to_meanwhile_is_not_used() {
    let counted = with(segment(), 4, &8i32.to_ne_bytes());
    assert_eq!(read_segment(&segment(), &counted), Err(Misreading::Torn));
    let silently = with(segment(), 16, &123_457i32.to_ne_bytes());
    assert_eq!(read_segment(&segment(), &silently), Err(Misreading::Torn));
}

#[test]
fn a_datagram_says_how_far_the_local_clock_is_off() {
    let tick = read_datagram(&datagram()).expect("valid");
    assert_eq!(tick.utc - Time::EPOCH, Span::from_secs(1_700_000_000));
    assert_eq!(tick.local - Time::EPOCH, Span::from_millis(1_700_000_000_250));
    assert!(!tick.is_pulse);
    assert!(read_datagram(&with(datagram(), 24, &1i32.to_ne_bytes())).expect("valid").is_pulse);
    let leap = read_datagram(&with(datagram(), 28, &1i32.to_ne_bytes())).expect("valid").leap;
    assert_eq!(leap, Leap::Insert);
}

#[test]
fn bad_input_129_a_datagram_that_makes_no_sense_is_refused_by_name() {
    let float = |value: f64| with(datagram(), 16, &value.to_ne_bytes());
    let cases = [
        (with(datagram(), 36, &[0; 4]), Misreading::Magic),
        (float(f64::NAN), Misreading::NotANumber),
        (float(f64::INFINITY), Misreading::NotANumber),
        (float(f64::NEG_INFINITY), Misreading::NotANumber),
        (float(1e300), Misreading::Absurd),
        (float(-4e9), Misreading::Absurd),
        (with(datagram(), 0, &(-1i64).to_ne_bytes()), Misreading::Absurd),
        (with(datagram(), 0, &i64::MAX.to_ne_bytes()), Misreading::Absurd),
        (with(datagram(), 8, &1_000_000i64.to_ne_bytes()), Misreading::Fraction),
        (with(datagram(), 8, &(-1i64).to_ne_bytes()), Misreading::Fraction),
        (with(datagram(), 28, &3i32.to_ne_bytes()), Misreading::NeverSet),
        (with(datagram(), 28, &(-7i32).to_ne_bytes()), Misreading::Leap),
    ];
    for (bytes, why) in cases {
        assert_eq!(read_datagram(&bytes), Err(why));
    }
    for length in (0..200).filter(|length| *length != SOCK_LEN) {
        let bytes = alloc::vec![0x4b; length];
        assert_eq!(read_datagram(&bytes), Err(Misreading::Length), "{length}");
    }
}

proptest! {
    #[test]
    fn bad_input_129_any_bytes_of_a_segment_are_a_time_or_a_reason(
        bytes in prop::array::uniform32(any::<u64>()), mode in 0i32..2, place in 0usize..92, small in any::<i32>(),
    ) {
        let mut segment = segment();
        for (index, word) in bytes.iter().take(12).enumerate() {
            put(&mut segment, 8 * index, &word.to_ne_bytes());
        }
        let _ = read(&segment);
        let _ = read(&with(segment, 0, &mode.to_ne_bytes()));
        let _ = read(&with(self::segment(), place, &small.to_ne_bytes()));
    }

    #[test]
    fn bad_input_129_any_datagram_is_a_time_or_a_reason(
        bytes in prop::collection::vec(any::<u8>(), 0..80), offset in any::<f64>(), seconds in any::<i64>(),
    ) {
        let _ = read_datagram(&bytes);
        let _ = read_datagram(&with(with(datagram(), 16, &offset.to_ne_bytes()), 0, &seconds.to_ne_bytes()));
    }
}

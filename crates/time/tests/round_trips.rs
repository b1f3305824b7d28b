//! Bad input 98: the same instant written in every form that there is, and read back, ten million times; as a date
//! and as text, which take longer, a tenth as often.

use truechimer_time::{Civil, LeapTable, NtpTimestamp, Span, Tai, Tai64NA, Time};

/// A step of NTP is 233 ps; half of it is what rounding may cost.
const HALF_A_STEP: Span = Span::from_attos(116_415_322);

#[test]
fn ten_million_instants_survive_tai64_and_utc_and_ntp() {
    std::thread::scope(|threads| {
        for seed in 0..4 {
            threads.spawn(move || scattered_instants_survive(seed, 2_500_000));
        }
    });
}

fn scattered_instants_survive(seed: u64, count: u32) {
    let leaps = LeapTable::COMPILED;
    // From about 1834 to 2242: several eras of NTP, and all leap seconds.
    let centre = Time::<Tai>::from_epoch(Span::from_secs(1 << 31));
    let mut random = SplitMix(seed << 32);
    for round in 0..count {
        let seconds = Span::from_secs(random.below(3 << 32) - (3 << 31));
        let tai = centre + seconds + Span::from_attos(random.below(1_000_000_000_000_000_000).into());
        survives(tai, &leaps);
        if round % 10 == 0 {
            survives_on_paper(tai, &leaps);
        }
    }
}

#[test]
fn the_surroundings_of_all_leap_seconds_survive() {
    let leaps = LeapTable::COMPILED;
    for leap in leaps.leaps() {
        for millis in -3000..3000 {
            survives(leap.ends() + Span::from_millis(millis), &leaps);
            survives(leap.ends() + Span::from_millis(millis) - Span::from_attos(1), &leaps);
            survives_on_paper(leap.ends() + Span::from_millis(millis) - Span::from_attos(1), &leaps);
        }
    }
}

fn survives_on_paper(tai: Time<Tai>, leaps: &LeapTable) {
    let civil = Civil::of_reading(leaps.utc_of_tai(tai));
    assert_eq!(civil.tai(leaps), Ok(tai));
    assert_eq!(civil.to_string().parse(), Ok(civil));
}

fn survives(tai: Time<Tai>, leaps: &LeapTable) {
    let label = Tai64NA::of(tai).map(Tai64NA::to_bytes).expect("within ± 2^62 s");
    assert_eq!(Tai64NA::from_bytes(label).map(Tai64NA::time), Ok(tai));

    let reading = leaps.utc_of_tai(tai);
    assert_eq!(reading.tai(), tai);

    let stamp = NtpTimestamp::of(reading.time);
    let back = stamp.resolve(reading.time);
    assert!((back - reading.time).abs() <= HALF_A_STEP);
    assert_eq!(NtpTimestamp::of(back), stamp);
}

/// SplitMix64: enough to scatter instants, the same ones in every run.
struct SplitMix(u64);

impl SplitMix {
    fn below(&mut self, limit: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) >> 1).cast_signed() % limit
    }
}

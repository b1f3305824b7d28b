//! Rates as the kernel's fields can say them: the length of a tick, and a frequency besides.

use truechimer_time::Rate;

/// Microseconds in a tick of an undisturbed clock, at 100 ticks a second (`USER_HZ`).
pub(super) const TICK_NOMINAL: i64 = 10_000;

/// One unit of `ADJ_FREQUENCY`: 2⁻¹⁶ ppm in whole attoseconds per second. What is cut off makes two parts in 10¹² of a
/// clock at the greatest frequency.
const FREQUENCY_UNIT: i64 = 1_000_000_000_000 / 65_536;

/// `ADJ_FREQUENCY` goes 500 ppm either way; the kernel takes what is beyond for that.
pub(super) const FREQ_MAX: i64 = 500 * 65_536;

const FREQUENCY_MAX: Rate = Rate::from_ppb(500_000);

/// One microsecond more in a tick.
const TICK_UNIT: Rate = Rate::from_ppb(100_000);

/// `ADJ_TICK` changes the length of a tick by a tenth at most.
const RATE_MAX: Rate = Rate::from_ppb(100_000_000);

/// The nearest rate that the fields can say, at most a tenth either way.
pub(super) fn possible(rate: Rate) -> Rate {
    let (tick, freq) = split(rate);
    join(tick, freq)
}

/// The fields for a rate. The tick stays as it is as long as the frequency reaches, because a change of a tick is
/// coarse; beyond, it takes the nearest 100 ppm and the frequency the rest.
pub(super) fn split(rate: Rate) -> (i64, i64) {
    let rate = rate.clamp(-RATE_MAX, RATE_MAX).as_attos_per_second();
    let unit = TICK_UNIT.as_attos_per_second();
    let ticks = match rate.abs() <= FREQUENCY_MAX.as_attos_per_second() {
        true => 0,
        false => (rate + rate.signum() * (unit / 2)) / unit,
    };
    let rest = rate - ticks * unit;
    (TICK_NOMINAL + ticks, (rest + FREQUENCY_UNIT / 2).div_euclid(FREQUENCY_UNIT))
}

/// The rate that both fields make together.
pub(super) fn join(tick: i64, freq: i64) -> Rate {
    let coarse = (tick - TICK_NOMINAL) * TICK_UNIT.as_attos_per_second();
    Rate::from_attos_per_second(coarse + freq * FREQUENCY_UNIT)
}

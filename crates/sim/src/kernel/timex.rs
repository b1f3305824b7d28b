//! `clock_adjtime` as a program sees it: every field and every refusal of adjtimex(2) that does not belong to the
//! kernel's own loop.
//!
//! What real kernels do is in `docs/kernel.md`; `parity` holds this against it. Left out are the modes that feed the
//! kernel's phase-locked loop (`ADJ_OFFSET`, `ADJ_TIMECONST`) and its pulse per second: nobody here uses them.

use truechimer_time::Span;

use super::clockwork::{Clockwork, ERROR_MAX, LeapState};
use super::rate::FREQ_MAX;

/// `ADJ_FREQUENCY`: set `freq`.
pub const ADJ_FREQUENCY: u32 = 0x0002;
/// `ADJ_MAXERROR`: set `maxerror`.
pub const ADJ_MAXERROR: u32 = 0x0004;
/// `ADJ_ESTERROR`: set `esterror`.
pub const ADJ_ESTERROR: u32 = 0x0008;
/// `ADJ_STATUS`: set the bits of `status` that can be set.
pub const ADJ_STATUS: u32 = 0x0010;
/// `ADJ_TAI`: set the offset of `CLOCK_TAI` to `constant`.
pub const ADJ_TAI: u32 = 0x0080;
/// `ADJ_SETOFFSET`: step the clock by `time`.
pub const ADJ_SETOFFSET: u32 = 0x0100;
/// `ADJ_MICRO`: count in microseconds from now on.
pub const ADJ_MICRO: u32 = 0x1000;
/// `ADJ_NANO`: count in nanoseconds, in this call and from now on.
pub const ADJ_NANO: u32 = 0x2000;
/// `ADJ_TICK`: set `tick`.
pub const ADJ_TICK: u32 = 0x4000;
/// `ADJ_OFFSET_SINGLESHOT`: what adjtime(3) does. It bears no other mode.
pub const ADJ_OFFSET_SINGLESHOT: u32 = 0x8001;
/// `ADJ_OFFSET_SS_READ`: what is left of it.
pub const ADJ_OFFSET_SS_READ: u32 = 0xa001;

/// `STA_PLL`: the kernel's own loop is on. It does nothing as long as nobody feeds it.
pub const STA_PLL: i32 = 0x0001;
/// `STA_INS`: insert a second at the end of the UTC day.
pub const STA_INS: i32 = 0x0010;
/// `STA_DEL`: leave out the last second of the UTC day.
pub const STA_DEL: i32 = 0x0020;
/// `STA_UNSYNC`: the clock is not to be relied on.
pub const STA_UNSYNC: i32 = 0x0040;
/// `STA_NANO`: times are in nanoseconds. Follows `ADJ_NANO` and `ADJ_MICRO`.
pub const STA_NANO: i32 = 0x2000;

/// `STA_RONLY`: what nobody sets by `ADJ_STATUS`.
const READ_ONLY: i32 = 0xff00;

/// `EPERM`: no CAP_SYS_TIME.
pub const EPERM: i32 = 1;
/// `EINVAL`: no such value.
pub const EINVAL: i32 = 22;

/// `TIME_OK`, and the other things that a call returns.
pub const TIME_OK: i32 = 0;
/// A second will be inserted.
pub const TIME_INS: i32 = 1;
/// A second will be left out.
pub const TIME_DEL: i32 = 2;
/// The inserted second passes.
pub const TIME_OOP: i32 = 3;
/// The leap is over, its bit is still set.
pub const TIME_WAIT: i32 = 4;
/// The clock is not synchronised.
pub const TIME_ERROR: i32 = 5;

/// The bit that makes a call one of adjtime(3), where [`ADJ_NANO`]'s bit means that nothing is set.
const ADJ_ADJTIME: u32 = 0x8000;

const TICK_MIN: i64 = 9_000;
const TICK_MAX: i64 = 11_000;
const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// What the kernel multiplies a frequency by; one that does not bear it is invalid.
const FREQ_SCALE: i64 = 65_536_000;

/// `struct timex`, as far as it is used here. The units are adjtimex(2)'s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timex {
    /// What is to be set: `ADJ_*`.
    pub modes: u32,
    /// What adjtime(3) moves the clock by, microseconds.
    pub offset: i64,
    /// 2⁻¹⁶ ppm.
    pub freq: i64,
    /// Microseconds.
    pub maxerror: i64,
    /// Microseconds.
    pub esterror: i64,
    /// `STA_*`.
    pub status: i32,
    /// The argument of `ADJ_TAI`.
    pub constant: i64,
    /// The argument of `ADJ_SETOFFSET`: seconds, and nanoseconds or microseconds.
    pub time: (i64, i64),
    /// Microseconds.
    pub tick: i64,
    /// TAI less UTC, seconds.
    pub tai: i32,
}

/// Carries out a call on a clock that has been run up to now, and fills in what the kernel tells in return.
pub(super) fn call(work: &mut Clockwork, timex: &mut Timex) -> Result<i32, i32> {
    validate(timex)?;
    if timex.modes & ADJ_ADJTIME != 0 {
        adjtime(work, timex);
    } else {
        if timex.modes & ADJ_SETOFFSET != 0 {
            work.step(step_of(timex)).map_err(|_beyond| EINVAL)?;
        }
        set(work, timex);
        timex.offset = 0;
    }
    tell(work, timex);
    Ok(state(work))
}

fn validate(timex: &Timex) -> Result<(), i32> {
    let has = |mode: u32| timex.modes & mode == mode;
    let is_adjtime = has(ADJ_ADJTIME);
    let fraction_max = if has(ADJ_NANO) { NANOS_PER_SECOND } else { 1_000_000 };
    let is_bad = (is_adjtime && !has(ADJ_OFFSET_SINGLESHOT))
        || (!is_adjtime && has(ADJ_TICK) && !(TICK_MIN..=TICK_MAX).contains(&timex.tick))
        || (has(ADJ_SETOFFSET) && !(0..fraction_max).contains(&timex.time.1))
        || (has(ADJ_FREQUENCY) && timex.freq.checked_mul(FREQ_SCALE).is_none());
    if is_bad { Err(EINVAL) } else { Ok(()) }
}

fn adjtime(work: &mut Clockwork, timex: &mut Timex) {
    let left = work.slew_left;
    if timex.modes & ADJ_NANO == 0 {
        work.slew_left = timex.offset;
    }
    timex.offset = left;
}

fn step_of(timex: &Timex) -> Span {
    let (seconds, fraction) = timex.time;
    let unit = if timex.modes & ADJ_NANO != 0 { 1 } else { 1000 };
    Span::from_secs(seconds) + Span::from_nanos(fraction * unit)
}

fn set(work: &mut Clockwork, timex: &Timex) {
    let has = |mode: u32| timex.modes & mode != 0;
    if has(ADJ_STATUS) {
        set_status(work, timex.status);
    }
    if has(ADJ_NANO) {
        work.status |= STA_NANO;
    }
    if has(ADJ_MICRO) {
        work.status &= !STA_NANO;
    }
    if has(ADJ_MAXERROR) {
        work.maxerror = timex.maxerror.clamp(0, ERROR_MAX);
    }
    if has(ADJ_ESTERROR) {
        work.esterror = timex.esterror.clamp(0, ERROR_MAX);
    }
    if has(ADJ_TAI) && timex.constant >= 0 {
        work.tai = timex.constant as i32;
    }
    let (tick, freq) = work.tick_and_freq();
    let freq = if has(ADJ_FREQUENCY) { timex.freq.clamp(-FREQ_MAX, FREQ_MAX) } else { freq };
    let tick = if has(ADJ_TICK) { timex.tick } else { tick };
    if has(ADJ_FREQUENCY) || has(ADJ_TICK) {
        work.set_tick_and_freq(tick, freq);
    }
}

/// Switching the kernel's own loop off makes it forget what it knew of leaps, even if the loop did nothing.
fn set_status(work: &mut Clockwork, status: i32) {
    if work.status & STA_PLL != 0 && status & STA_PLL == 0 {
        work.leap = LeapState::None;
    }
    work.status = (work.status & READ_ONLY) | (status & !READ_ONLY);
}

fn tell(work: &Clockwork, timex: &mut Timex) {
    (timex.tick, timex.freq) = work.tick_and_freq();
    timex.maxerror = work.maxerror;
    timex.esterror = work.esterror;
    timex.status = work.status;
    timex.tai = work.tai;
}

fn state(work: &Clockwork) -> i32 {
    match work.leap {
        _ if work.status & STA_UNSYNC != 0 => TIME_ERROR,
        LeapState::None => TIME_OK,
        LeapState::Inserts(_) => TIME_INS,
        LeapState::Deletes(_) => TIME_DEL,
        LeapState::Leaps => TIME_OOP,
        LeapState::Over => TIME_WAIT,
    }
}

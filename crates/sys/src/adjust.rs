//! Steering the kernel's clock: `clock_adjtime(CLOCK_REALTIME)` behind a typed door.
//!
//! What is asked for is turned into a [`libc::timex`] by pure functions, and what comes back is turned into values
//! by pure functions, so that everything but the call itself is tested without a clock. One function,
//! `clock_adjtime`, calls the kernel, and `adjtime` beside it for slews that end by themselves. Nothing here decides
//! whether a rate or a step is wise.
//!
//! Every setting carries `ADJ_NANO`; plain reading has no mode at all, because any mode needs `CAP_SYS_TIME`.
//! The kernel's own loop (`STA_PLL`) stays off: there is one servo per clock.

pub mod plain;

use std::fmt;

use libc::{c_int, c_long, c_uint, timeval, timex};
use truechimer_time::{Rate, Span};

/// The fastest and slowest that the kernel lets its clock run: a tick of 11,000 or 9,000 µs (adjtimex(2)).
pub const RATE_LIMIT: Rate = Rate::from_ppb(100_000_000);
/// The longest error that the kernel keeps (`NTP_PHASE_LIMIT`); beyond it, it calls its clock unsynchronised.
pub const ERROR_LIMIT: Span = Span::from_secs(16);
/// How fast a slew goes (`MAX_TICKADJ`): half a millisecond in a second.
pub const SLEW_RATE: Rate = Rate::from_ppb(500_000);
/// The longest slew, either way: glibc's adjtime(3) takes less than 2³¹ µs.
pub const SLEW_LIMIT: Span = Span::from_secs(2145);

/// Microseconds in a tick of an undisturbed clock, with the 100 ticks a second (`USER_HZ`) of all machines here.
const TICK_NOMINAL: i64 = 10_000;
/// What one microsecond more per tick amounts to: 100 ppm.
const TICK_STEP: Rate = Rate::from_ppb(100_000);
/// How far `ADJ_FREQUENCY` alone reaches.
const FREQUENCY_LIMIT: Rate = Rate::from_ppb(500_000);
/// `timex.freq` counts parts per million in steps of 2⁻¹⁶.
const FREQUENCY_UNITS_PER_PPM: i128 = 1 << 16;
const ATTOS_PER_PPM: i128 = 1_000_000_000_000;
const ATTOS_PER_NANO: i128 = 1_000_000_000;
const ATTOS_PER_MICRO: i128 = 1_000 * ATTOS_PER_NANO;
const NANOS_PER_SECOND: i128 = 1_000_000_000;
const MICROS_PER_SECOND: i128 = 1_000_000;
/// How often an interrupted call is made again.
const INTERRUPTIONS_MAX: usize = 8;

/// What the kernel says about its clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelClock {
    /// How fast it is made to run against its own nominal rate: tick and frequency together.
    pub rate: Rate,
    /// Where it stands with leap seconds and synchronisation.
    pub state: ClockState,
    /// The status bits (`STA_*`).
    pub status: Status,
    /// The bound of the error, as last stated and grown by 500 ppm since.
    pub maxerror: Span,
    /// The estimated error, as last stated.
    pub esterror: Span,
    /// TAI less UTC in whole seconds; 0 if nobody told the kernel.
    pub tai_offset: i32,
}

/// What `clock_adjtime` returned (adjtimex(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockState {
    /// `TIME_OK`: synchronised, no leap second ahead.
    Ok,
    /// `TIME_INS`: a second will be inserted at the end of the UTC day.
    Inserting,
    /// `TIME_DEL`: a second will be left out at the end of the UTC day.
    Deleting,
    /// `TIME_OOP`: the inserted second is passing now.
    Leaping,
    /// `TIME_WAIT`: the leap is over, and waits for its status bit to be cleared.
    Leapt,
    /// `TIME_ERROR`: not synchronised. This is a state and not a failure of the call.
    Unsynchronised,
    /// Something that this kernel invented.
    Unknown(i32),
}

/// The kernel's status bits, `STA_*` of adjtimex(2).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Status(c_int);

impl Status {
    /// The bits as the kernel has them.
    pub const fn bits(self) -> i32 {
        self.0
    }

    /// Does the kernel tell programs that its clock is right?
    pub const fn synchronised(self) -> bool {
        self.0 & libc::STA_UNSYNC == 0
    }

    /// Is the kernel's own phase-locked loop at work? Then another program steers this clock.
    pub const fn kernel_loop(self) -> bool {
        self.0 & libc::STA_PLL != 0
    }

    /// The leap second that is armed.
    pub const fn leap(self) -> Leap {
        match (self.0 & libc::STA_INS != 0, self.0 & libc::STA_DEL != 0) {
            (true, _) => Leap::Insert,
            (false, true) => Leap::Delete,
            (false, false) => Leap::None,
        }
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Status({:#06x})", self.0)
    }
}

/// What is to happen at the end of this UTC day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leap {
    /// Nothing.
    None,
    /// 23:59:59 is followed by 23:59:60.
    Insert,
    /// 23:59:58 is followed by 00:00:00.
    Delete,
}

/// What the kernel is to tell programs about its clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusReport {
    /// May programs rely on the clock? Otherwise `STA_UNSYNC` is set.
    pub synchronised: bool,
    /// The bound of the error. Rounded up to a microsecond, at most [`ERROR_LIMIT`].
    pub maxerror: Span,
    /// The estimated error. Rounded up to a microsecond, at most [`ERROR_LIMIT`].
    pub esterror: Span,
    /// TAI less UTC in whole seconds, for `CLOCK_TAI`; `None` leaves what the kernel has.
    pub tai_offset: Option<u16>,
    /// The leap second to arm, or none.
    pub leap: Leap,
}

/// Why the kernel's clock was not read or set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockError {
    /// This process may not set the clock: no `CAP_SYS_TIME`, or a sandbox (EPERM).
    NotPermitted,
    /// The kernel does not take such a value, or it fits no field of `timex` (EINVAL).
    Invalid,
    /// Signals interrupted every attempt (EINTR).
    Interrupted,
    /// Any other `errno`.
    Other(i32),
}

impl fmt::Display for ClockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPermitted => f.write_str("not permitted to set the clock (CAP_SYS_TIME is missing)"),
            Self::Invalid => f.write_str("the kernel does not take this value for its clock"),
            Self::Interrupted => f.write_str("interrupted by signals at every attempt"),
            Self::Other(errno) => write!(f, "{}", std::io::Error::from_raw_os_error(*errno)),
        }
    }
}

impl std::error::Error for ClockError {}

/// What the kernel says about its clock. Needs no privilege and changes nothing.
pub fn read_state() -> Result<KernelClock, ClockError> {
    let mut timex = blank();
    let state = clock_adjtime(&mut timex)?;
    Ok(told(&timex, state))
}

/// Makes the clock run at `rate` against its nominal rate, and returns the rate really set: the nearest that the
/// kernel's fields can say (steps of 2⁻¹⁶ ppm), at most [`RATE_LIMIT`] either way.
pub fn set_rate(rate: Rate) -> Result<Rate, ClockError> {
    let mut timex = rate_request(rate);
    let really = rate_of(&timex);
    clock_adjtime(&mut timex)?;
    Ok(really)
}

/// Steps the clock forward by `step` (backward if negative), rounded to a nanosecond, and returns the step really
/// made. The kernel forgets its status at a step and calls itself unsynchronised: follow with [`set_status`].
pub fn step(step: Span) -> Result<Span, ClockError> {
    let (mut timex, really) = step_request(step).ok_or(ClockError::Invalid)?;
    clock_adjtime(&mut timex)?;
    Ok(really)
}

/// Has the kernel move the clock gradually by `span`, at [`SLEW_RATE`], rounded to a microsecond; returns the slew
/// really begun. It goes on after this program has ended, leaves the rate as it is, and replaces a slew that is
/// under way. Beyond [`SLEW_LIMIT`] it is invalid.
///
/// This is adjtime(3): its `ADJ_OFFSET_SINGLESHOT` counts in microseconds and bears no other mode beside it, hence no
/// `ADJ_NANO` either.
pub fn slew(span: Span) -> Result<Span, ClockError> {
    let (delta, really) = slew_request(span).ok_or(ClockError::Invalid)?;
    adjtime(&delta)?;
    Ok(really)
}

/// States how wrong the clock may be, and nothing else: whether it is synchronised and what leap is armed stay as
/// they are.
pub fn set_errors(maxerror: Span, esterror: Span) -> Result<ClockState, ClockError> {
    clock_adjtime(&mut errors_request(maxerror, esterror)).map(state_of)
}

/// Tells the kernel, and by it all programs, how right its clock is.
///
/// A step, whoever makes it, leaves the bit of an armed leap second and forgets when it is; to set the bit again changes
/// nothing (docs/kernel.md, section 5). `STA_UNSYNC` came back with the step, so there the leap is armed from the beginning.
pub fn set_status(report: &StatusReport) -> Result<ClockState, ClockError> {
    if report.leap != Leap::None && !read_state()?.status.synchronised() {
        clock_adjtime(&mut disarming_request())?;
    }
    clock_adjtime(&mut status_request(report)).map(state_of)
}

fn rate_request(rate: Rate) -> timex {
    let (tick, freq) = split(rate);
    let mut timex = setting(libc::ADJ_TICK | libc::ADJ_FREQUENCY);
    timex.tick = tick as c_long;
    timex.freq = freq as c_long;
    timex
}

/// A rate as tick (µs) and frequency (2⁻¹⁶ ppm). The tick stays at its nominal length as long as the frequency
/// reaches, since a fine servo lives there; beyond, the tick takes the nearest 100 ppm and the frequency the rest.
fn split(rate: Rate) -> (i64, i64) {
    let rate = rate.clamp(-RATE_LIMIT, RATE_LIMIT).as_attos_per_second();
    let step = TICK_STEP.as_attos_per_second();
    let steps = match rate.abs() <= FREQUENCY_LIMIT.as_attos_per_second() {
        true => 0,
        false => (rate + rate.signum() * (step / 2)) / step,
    };
    let rest = i128::from(rate - steps * step);
    (TICK_NOMINAL + steps, round_div(rest * FREQUENCY_UNITS_PER_PPM, ATTOS_PER_PPM) as i64)
}

/// The inverse of [`split`]. Saturates, whatever the kernel says.
fn rate_of(timex: &timex) -> Rate {
    let ticks = (i128::from(timex.tick) - i128::from(TICK_NOMINAL))
        .saturating_mul(i128::from(TICK_STEP.as_attos_per_second()));
    let freq = round_div(i128::from(timex.freq) * ATTOS_PER_PPM, FREQUENCY_UNITS_PER_PPM);
    let sum = ticks.saturating_add(freq);
    Rate::from_attos_per_second(sum.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64)
}

/// With `ADJ_NANO` the field `tv_usec` holds nanoseconds, and it is never negative: -0.25 s is -1 s + 750,000,000 ns.
fn step_request(step: Span) -> Option<(timex, Span)> {
    let nanos = round_div(step.as_attos(), ATTOS_PER_NANO);
    let mut timex = setting(libc::ADJ_SETOFFSET);
    timex.time.tv_sec = nanos.div_euclid(NANOS_PER_SECOND).try_into().ok()?;
    timex.time.tv_usec = nanos.rem_euclid(NANOS_PER_SECOND) as libc::suseconds_t;
    Some((timex, Span::from_attos(nanos * ATTOS_PER_NANO)))
}

/// As in `timex`, the part below a second is never negative.
fn slew_request(span: Span) -> Option<(timeval, Span)> {
    if span.abs() > SLEW_LIMIT {
        return None;
    }
    let micros = round_div(span.as_attos(), ATTOS_PER_MICRO);
    let delta = timeval {
        tv_sec: micros.div_euclid(MICROS_PER_SECOND).try_into().ok()?,
        tv_usec: micros.rem_euclid(MICROS_PER_SECOND) as libc::suseconds_t,
    };
    Some((delta, Span::from_attos(micros * ATTOS_PER_MICRO)))
}

fn errors_request(maxerror: Span, esterror: Span) -> timex {
    let mut timex = setting(libc::ADJ_MAXERROR | libc::ADJ_ESTERROR);
    timex.maxerror = error_micros(maxerror);
    timex.esterror = error_micros(esterror);
    timex
}

fn status_request(report: &StatusReport) -> timex {
    let mut timex = errors_request(report.maxerror, report.esterror);
    timex.modes |= libc::ADJ_STATUS;
    timex.status = status_bits(report);
    if let Some(offset) = report.tai_offset {
        timex.modes |= libc::ADJ_TAI;
        timex.constant = c_long::from(offset);
    }
    timex
}

/// Where `STA_PLL` was set and is no longer, the kernel begins anew with leap seconds; alone it does nothing.
fn disarming_request() -> timex {
    let mut timex = setting(libc::ADJ_STATUS);
    timex.status = libc::STA_UNSYNC | libc::STA_PLL;
    timex
}

fn status_bits(report: &StatusReport) -> c_int {
    let unsync = if report.synchronised { 0 } else { libc::STA_UNSYNC };
    unsync
        | match report.leap {
            Leap::None => 0,
            Leap::Insert => libc::STA_INS,
            Leap::Delete => libc::STA_DEL,
        }
}

/// An error bound in µs: never rounded to less than it is, never negative.
fn error_micros(error: Span) -> c_long {
    let attos = error.clamp(Span::ZERO, ERROR_LIMIT).as_attos();
    ((attos + ATTOS_PER_MICRO - 1) / ATTOS_PER_MICRO) as c_long
}

fn told(timex: &timex, state: c_int) -> KernelClock {
    KernelClock {
        rate: rate_of(timex),
        state: state_of(state),
        status: Status(timex.status),
        maxerror: Span::from_micros(timex.maxerror as i64),
        esterror: Span::from_micros(timex.esterror as i64),
        tai_offset: timex.tai,
    }
}

fn state_of(returned: c_int) -> ClockState {
    match returned {
        libc::TIME_OK => ClockState::Ok,
        libc::TIME_INS => ClockState::Inserting,
        libc::TIME_DEL => ClockState::Deleting,
        libc::TIME_OOP => ClockState::Leaping,
        libc::TIME_WAIT => ClockState::Leapt,
        libc::TIME_ERROR => ClockState::Unsynchronised,
        other => ClockState::Unknown(other),
    }
}

fn error_of(errno: c_int) -> ClockError {
    match errno {
        libc::EPERM => ClockError::NotPermitted,
        libc::EINVAL => ClockError::Invalid,
        libc::EINTR => ClockError::Interrupted,
        other => ClockError::Other(other),
    }
}

/// Divides to the nearest, halves away from zero.
fn round_div(value: i128, by: i128) -> i128 {
    let (whole, rest) = (value / by, value % by);
    if 2 * rest.abs() >= by { whole + value.signum() } else { whole }
}

fn setting(modes: c_uint) -> timex {
    timex { modes: modes | libc::ADJ_NANO, ..blank() }
}

fn blank() -> timex {
    // SAFETY: timex is plain integers, for which all zeros is a value.
    unsafe { std::mem::zeroed() }
}

// glibc and musl both export it, and the crate `libc` does not declare it for Linux.
unsafe extern "C" {
    #[link_name = "adjtime"]
    fn libc_adjtime(delta: *const timeval, before: *mut timeval) -> c_int;
}

fn adjtime(delta: &timeval) -> Result<(), ClockError> {
    // SAFETY: the call reads one timeval, and writes the other only where there is one.
    match unsafe { libc_adjtime(delta, std::ptr::null_mut()) } {
        -1 => Err(error_of(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))),
        _done => Ok(()),
    }
}

/// The one door to the kernel's clock. Interrupted calls are repeated, but not for ever.
fn clock_adjtime(timex: &mut timex) -> Result<c_int, ClockError> {
    let mut outcome = Err(ClockError::Interrupted);
    for _ in 0..INTERRUPTIONS_MAX {
        // SAFETY: the kernel reads and writes one timex, and ours is one.
        let result = unsafe { libc::clock_adjtime(libc::CLOCK_REALTIME, timex) };
        outcome = match result {
            -1 => Err(error_of(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))),
            state => Ok(state),
        };
        if outcome != Err(ClockError::Interrupted) {
            break;
        }
    }
    outcome
}

#[cfg(test)]
mod tests;

//! PTP hardware clocks, read between two readings of our counter (linux/ptp_clock.h).
//!
//! How well that can be done depends on driver and kernel, so the first of these that works is kept:
//!
//! | request | what it gives |
//! | --- | --- |
//! | `PTP_SYS_OFFSET_PRECISE` | one instant by both clocks, taken by the hardware |
//! | `PTP_SYS_OFFSET_EXTENDED` with `CLOCK_MONOTONIC_RAW` | the counter just before and after, by the driver (Linux 6.13) |
//! | `PTP_SYS_OFFSET_EXTENDED` | `CLOCK_REALTIME` just before and after, by the driver (Linux 5.0) |
//! | `PTP_SYS_OFFSET` | `CLOCK_REALTIME` before and after, with more of the kernel between |
//!
//! Nothing is ever set here.

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::OwnedFd;
use std::path::Path;

use truechimer_time::{Local, Raw, Span, Time};

use crate::clock::{self, Readings};
use crate::device::{READ, WRITE, ask, open, request};

/// So many readings are asked for at once; the one that took least counts.
const SAMPLES: usize = 5;
/// The most that the kernel gives at once (`PTP_MAX_SAMPLES`).
const SAMPLES_MAX: usize = 25;

/// What a clock showed, and what ours showed around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhcReading {
    /// What it showed, since the epoch of its own scale.
    pub shown: Span,
    /// Our clock before and after.
    pub around: Around,
}

/// Our clock before and after a reading of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Around {
    /// The counter. Both are the same where the hardware took one instant by both clocks.
    Raw {
        /// Before.
        before: Time<Raw>,
        /// After.
        after: Time<Raw>,
    },
    /// The real time, and all clocks just afterwards, by which it can be carried to the counter.
    Real {
        /// Before.
        before: Time<Local>,
        /// After.
        after: Time<Local>,
        /// Just afterwards.
        now: Readings,
    },
}

impl PhcReading {
    /// How long it took.
    fn window(&self) -> Span {
        match self.around {
            Around::Raw { before, after } => after - before,
            Around::Real { before, after, .. } => after - before,
        }
    }
}

/// How a clock is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhcMethod {
    /// `PTP_SYS_OFFSET_PRECISE`.
    Precise,
    /// `PTP_SYS_OFFSET_EXTENDED` with the counter.
    ExtendedRaw,
    /// `PTP_SYS_OFFSET_EXTENDED`.
    Extended,
    /// `PTP_SYS_OFFSET`.
    Basic,
}

impl PhcMethod {
    /// The best first.
    const ALL: [Self; 4] = [Self::Precise, Self::ExtendedRaw, Self::Extended, Self::Basic];
}

/// A clock that is open.
#[derive(Debug)]
pub struct Phc {
    fd: OwnedFd,
    method: PhcMethod,
}

/// `struct ptp_clock_time`.
#[repr(C)]
#[derive(Clone, Copy)]
struct ClockTime {
    seconds: i64,
    nanos: u32,
    reserved: u32,
}

/// `struct ptp_sys_offset_precise`.
#[repr(C)]
struct Precise {
    device: ClockTime,
    real: ClockTime,
    raw: ClockTime,
    reserved: [u32; 4],
}

/// `struct ptp_sys_offset_extended`. `clock` was reserved, and had to be zero, before Linux 6.13.
#[repr(C)]
struct Extended {
    samples: u32,
    clock: i32,
    reserved: [u32; 2],
    /// System, device, system.
    times: [[ClockTime; 3]; SAMPLES_MAX],
}

/// `struct ptp_sys_offset`: system, device, system, device, .., system.
#[repr(C)]
struct Basic {
    samples: u32,
    reserved: [u32; 3],
    times: [ClockTime; 2 * SAMPLES_MAX + 1],
}

const MAGIC: u8 = b'=';
const SYS_OFFSET: u32 = request(WRITE, MAGIC, 5, size_of::<Basic>());
const SYS_OFFSET_PRECISE: u32 = request(READ | WRITE, MAGIC, 8, size_of::<Precise>());
const SYS_OFFSET_EXTENDED: u32 = request(READ | WRITE, MAGIC, 9, size_of::<Extended>());

// The sizes are part of the numbers that the kernel knows.
const _: () =
    assert!(size_of::<Basic>() == 832 && size_of::<Precise>() == 64 && size_of::<Extended>() == 1216);

impl Phc {
    /// Opens a clock and finds out how it can be read.
    ///
    /// # Errors
    /// That of the system: `ENOENT` and `EACCES` of the file, `ENOTTY` if it is no such clock.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut phc = Self { fd: open(path)?, method: PhcMethod::Basic };
        let mut failure = io::Error::from_raw_os_error(libc::ENOTTY);
        for method in PhcMethod::ALL {
            phc.method = method;
            match phc.read() {
                Ok(_) => return Ok(phc),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// How it is read.
    pub fn method(&self) -> PhcMethod {
        self.method
    }

    /// Reads it several times; the reading that took least.
    ///
    /// # Errors
    /// That of the system: `ENODEV` once it was unplugged.
    pub fn read(&self) -> io::Result<PhcReading> {
        match self.method {
            PhcMethod::Precise => self.precise(),
            PhcMethod::ExtendedRaw => self.extended(libc::CLOCK_MONOTONIC_RAW),
            PhcMethod::Extended => self.extended(libc::CLOCK_REALTIME),
            PhcMethod::Basic => self.basic(),
        }
    }

    fn precise(&self) -> io::Result<PhcReading> {
        // SAFETY: all bits zero are plain numbers.
        let mut times: Precise = unsafe { zeroed() };
        // SAFETY: this request takes a struct ptp_sys_offset_precise, of plain numbers.
        unsafe { ask(&self.fd, SYS_OFFSET_PRECISE, &mut times) }?;
        let raw = Time::from_epoch(span(&times.raw));
        Ok(PhcReading { shown: span(&times.device), around: Around::Raw { before: raw, after: raw } })
    }

    fn extended(&self, clock: libc::clockid_t) -> io::Result<PhcReading> {
        // SAFETY: all bits zero are plain numbers.
        let mut times: Extended = unsafe { zeroed() };
        (times.samples, times.clock) = (SAMPLES as u32, clock);
        // SAFETY: this request takes a struct ptp_sys_offset_extended, of plain numbers.
        unsafe { ask(&self.fd, SYS_OFFSET_EXTENDED, &mut times) }?;
        let now = clock::readings();
        let given = times.times.iter().take(times.samples as usize);
        let is_raw = clock == libc::CLOCK_MONOTONIC_RAW;
        best(given.map(|[before, device, after]| reading([before, device, after], is_raw, now)))
    }

    fn basic(&self) -> io::Result<PhcReading> {
        // SAFETY: all bits zero are plain numbers.
        let mut times: Basic = unsafe { zeroed() };
        times.samples = SAMPLES as u32;
        // SAFETY: this request takes a struct ptp_sys_offset, of plain numbers, which the kernel reads and writes though
        // its number says that it only reads.
        unsafe { ask(&self.fd, SYS_OFFSET, &mut times) }?;
        let now = clock::readings();
        let given = times.times.windows(3).step_by(2).take(SAMPLES);
        best(given.map(|times| reading([&times[0], &times[1], &times[2]], false, now)))
    }
}

fn best(readings: impl Iterator<Item = PhcReading>) -> io::Result<PhcReading> {
    let in_order = readings.filter(|reading| !reading.window().is_negative());
    in_order.min_by_key(PhcReading::window).ok_or_else(|| io::Error::from_raw_os_error(libc::EIO))
}

fn reading([before, device, after]: [&ClockTime; 3], is_raw: bool, now: Readings) -> PhcReading {
    let (before, after) = (span(before), span(after));
    let around = match is_raw {
        true => Around::Raw { before: Time::from_epoch(before), after: Time::from_epoch(after) },
        false => Around::Real { before: Time::from_epoch(before), after: Time::from_epoch(after), now },
    };
    PhcReading { shown: span(device), around }
}

fn span(time: &ClockTime) -> Span {
    Span::from_secs(time.seconds) + Span::from_nanos(i64::from(time.nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_requests_are_those_of_the_kernel() {
        assert_eq!(SYS_OFFSET, 0x4340_3d05);
        assert_eq!(SYS_OFFSET_PRECISE, 0xc040_3d08);
        assert_eq!(SYS_OFFSET_EXTENDED, 0xc4c0_3d09);
    }

    #[test]
    fn what_is_no_clock_says_so() {
        let errno = |path: &str| Phc::open(Path::new(path)).expect_err("no clock").raw_os_error();
        assert_eq!(errno("/dev/null"), Some(libc::ENOTTY));
        assert_eq!(errno("/dev/no-such-clock"), Some(libc::ENOENT));
    }

    #[test]
    fn of_several_readings_the_shortest_counts_and_none_that_runs_backwards() {
        let at = |nanos| ClockTime { seconds: 5, nanos, reserved: 0 };
        let now = clock::readings();
        let readings = [(10, 20, 90), (100, 120, 130), (200, 210, 150)]
            .map(|(before, device, after)| reading([&at(before), &at(device), &at(after)], true, now));
        assert_eq!(best(readings.into_iter()).expect("one").shown, Span::from_nanos(5_000_000_120));
        assert_eq!(best([].into_iter()).expect_err("none").raw_os_error(), Some(libc::EIO));
    }
}

//! Pulses per second: the kernel's stamp of the last edge of a signal (RFC 2783, linux/pps.h).
//!
//! The stamp is by `CLOCK_REALTIME`, whatever that shows. It is fetched without waiting for a pulse.

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::OwnedFd;
use std::path::Path;

use truechimer_time::{Local, Span, Time};

use crate::device::{READ, WRITE, ask, open, request};

/// An edge of the signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PpsEdge {
    /// The one that asserts it.
    Assert,
    /// The one that clears it.
    Clear,
}

/// The last edge that the kernel has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// Its number. Zero: there was none yet.
    pub sequence: u32,
    /// When it came.
    pub at: Time<Local>,
}

/// A source of pulses that is open.
#[derive(Debug)]
pub struct Pps {
    fd: OwnedFd,
    edge: PpsEdge,
}

/// `struct pps_ktime`.
#[repr(C)]
#[derive(Clone, Copy)]
struct KernelTime {
    seconds: i64,
    nanos: i32,
    flags: u32,
}

/// `struct pps_fdata`: a `struct pps_kinfo`, and how long to wait for the next edge.
#[repr(C)]
struct Fetched {
    assert_sequence: u32,
    clear_sequence: u32,
    assert_time: KernelTime,
    clear_time: KernelTime,
    mode: i32,
    timeout: KernelTime,
}

/// `struct pps_kparams`.
#[repr(C)]
struct Params {
    version: i32,
    mode: i32,
    assert_offset: KernelTime,
    clear_offset: KernelTime,
}

const MAGIC: u8 = b'p';
// The kernel's header gives these the size of a pointer, not that of what it points to.
const GET_PARAMS: u32 = request(READ, MAGIC, 0xa1, size_of::<usize>());
const SET_PARAMS: u32 = request(WRITE, MAGIC, 0xa2, size_of::<usize>());
const GET_CAP: u32 = request(READ, MAGIC, 0xa3, size_of::<usize>());
const FETCH: u32 = request(READ | WRITE, MAGIC, 0xa4, size_of::<usize>());

const CAPTURE_ASSERT: i32 = 0x01;
const CAPTURE_CLEAR: i32 = 0x02;
/// Stamps are a `timespec`, the only format that Linux has.
const FORMAT_TIMESPEC: i32 = 0x1000;

impl PpsEdge {
    fn capture(self) -> i32 {
        match self {
            Self::Assert => CAPTURE_ASSERT,
            Self::Clear => CAPTURE_CLEAR,
        }
    }
}

impl Pps {
    /// Opens a source of pulses and sees to it that this edge is stamped. Only somebody with CAP_SYS_TIME can turn that on;
    /// most drivers have it on from the start.
    ///
    /// # Errors
    /// That of the system: `ENOENT` and `EACCES` of the file, `ENOTTY` if it is no such device, `EOPNOTSUPP` if the driver
    /// cannot stamp that edge, `EPERM` if it could, but is not told to.
    pub fn open(path: &Path, edge: PpsEdge) -> io::Result<Self> {
        let pps = Self { fd: open(path)?, edge };
        let mut capabilities = 0i32;
        // SAFETY: this request takes an int.
        unsafe { ask(&pps.fd, GET_CAP, &mut capabilities) }?;
        if capabilities & edge.capture() == 0 {
            return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP));
        }
        // SAFETY: all bits zero are plain numbers.
        let mut params: Params = unsafe { zeroed() };
        // SAFETY: this request takes a struct pps_kparams, of plain numbers.
        unsafe { ask(&pps.fd, GET_PARAMS, &mut params) }?;
        if params.mode & edge.capture() == 0 {
            params.mode |= edge.capture() | FORMAT_TIMESPEC;
            // SAFETY: this request takes a struct pps_kparams, of plain numbers.
            unsafe { ask(&pps.fd, SET_PARAMS, &mut params) }?;
        }
        Ok(pps)
    }

    /// The last edge, at once.
    ///
    /// # Errors
    /// That of the system: `ENODEV` and its like once it was unplugged.
    pub fn fetch(&self) -> io::Result<Pulse> {
        // SAFETY: all bits zero are plain numbers; a time-out of zero waits for nothing.
        let mut fetched: Fetched = unsafe { zeroed() };
        // SAFETY: this request takes a struct pps_fdata, of plain numbers.
        unsafe { ask(&self.fd, FETCH, &mut fetched) }?;
        let (sequence, time) = match self.edge {
            PpsEdge::Assert => (fetched.assert_sequence, fetched.assert_time),
            PpsEdge::Clear => (fetched.clear_sequence, fetched.clear_time),
        };
        let at = Span::from_secs(time.seconds) + Span::from_nanos(i64::from(time.nanos));
        Ok(Pulse { sequence, at: Time::from_epoch(at) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layouts_are_those_of_the_kernel() {
        assert_eq!((size_of::<KernelTime>(), size_of::<Params>()), (16, 40));
        assert_eq!((size_of::<Fetched>(), std::mem::offset_of!(Fetched, timeout)), (64, 48));
    }

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn the_requests_are_those_of_the_kernel() {
        let requests = [GET_PARAMS, SET_PARAMS, GET_CAP, FETCH];
        assert_eq!(requests, [0x8008_70a1, 0x4008_70a2, 0x8008_70a3, 0xc008_70a4]);
    }

    #[test]
    fn what_has_no_pulses_says_so() {
        let errno =
            |path: &str| Pps::open(Path::new(path), PpsEdge::Assert).expect_err("no pulses").raw_os_error();
        assert_eq!(errno("/dev/null"), Some(libc::ENOTTY));
        assert_eq!(errno("/dev/no-such-pulse"), Some(libc::ENOENT));
    }
}

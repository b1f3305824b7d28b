//! Being told at once when somebody sets the kernel's clock, or the machine wakes from a sleep (timerfd_create(2),
//! `TFD_TIMER_CANCEL_ON_SET`). A change of the clock's rate is not told.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

use crate::fd::{check, set_cloexec, set_nonblocking};

/// A timer that never ends, but is cancelled whenever `CLOCK_REALTIME` jumps: readable then.
#[derive(Debug)]
pub struct ClockSets {
    timer: OwnedFd,
}

impl ClockSets {
    /// Watches from now on.
    ///
    /// # Errors
    /// Those of the system: no descriptors are left.
    pub fn watch() -> io::Result<Self> {
        // SAFETY: timerfd_create takes numbers.
        let fd = check(unsafe { libc::timerfd_create(libc::CLOCK_REALTIME, 0) })?;
        // SAFETY: the kernel has just opened it, and nobody else knows it.
        let timer = unsafe { OwnedFd::from_raw_fd(fd) };
        set_cloexec(timer.as_fd())?;
        set_nonblocking(timer.as_fd())?;
        let never = libc::timespec { tv_sec: libc::time_t::MAX, tv_nsec: 0 };
        let end = libc::itimerspec { it_interval: libc::timespec { tv_sec: 0, tv_nsec: 0 }, it_value: never };
        let flags = libc::TFD_TIMER_ABSTIME | libc::TFD_TIMER_CANCEL_ON_SET;
        // SAFETY: the kernel reads one struct itimerspec of ours, and is given nowhere to write.
        check(unsafe { libc::timerfd_settime(timer.as_raw_fd(), flags, &raw const end, ptr::null_mut()) })?;
        Ok(Self { timer })
    }

    /// Has the clock jumped since this was last asked?
    pub fn drain(&self) -> bool {
        let mut expirations = 0u64;
        let len = size_of::<u64>();
        // SAFETY: the kernel writes at most as many bytes as the number has.
        let outcome = unsafe { libc::read(self.timer.as_raw_fd(), (&raw mut expirations).cast(), len) };
        outcome >= 0 || io::Error::last_os_error().raw_os_error() == Some(libc::ECANCELED)
    }
}

impl AsFd for ClockSets {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::poll::{Interest, PollSet};
    use truechimer_time::Span;

    /// That it is told of a jump is shown on a clock that may be set: `tests/guest/scenarios/set-by-others`.
    #[test]
    fn a_clock_that_nobody_sets_is_quiet() {
        let sets = ClockSets::watch().expect("a timer");
        let mut poll = PollSet::new();
        poll.add(sets.as_fd(), Interest::Read, ());
        assert_eq!(poll.wait(Some(Span::from_millis(30))).expect("waits").count(), 0);
        assert!(!sets.drain());
    }
}

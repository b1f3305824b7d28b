//! Waking the poll loop from another thread: a pipe to oneself.
//!
//! Many wake-ups before the loop looks count as one. The pipe carries no data.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::Arc;

use crate::fd::{check, set_cloexec, set_nonblocking};

/// How much is read from the pipe at once.
const GULP: usize = 4096;
/// How often: a pipe holds 64 KiB (pipe(7)). What is left after that wakes the loop again.
const GULPS_MAX: usize = 16;

/// The end that wakes. Its clones wake the same loop.
#[derive(Clone, Debug)]
pub struct Waker {
    pipe: Arc<OwnedFd>,
}

/// The end that the loop waits for; readable after a wake-up.
#[derive(Debug)]
pub struct Wakeups {
    pipe: OwnedFd,
}

/// A new pipe to oneself.
pub fn channel() -> io::Result<(Waker, Wakeups)> {
    let (reader, writer) = pipe()?;
    for end in [reader.as_fd(), writer.as_fd()] {
        set_cloexec(end)?;
        set_nonblocking(end)?;
    }
    Ok((Waker { pipe: Arc::new(writer) }, Wakeups { pipe: reader }))
}

impl Waker {
    /// Makes the loop look. Never waits: a pipe that is full has woken the loop already, and a loop that is gone
    /// needs no waking.
    pub fn wake(&self) {
        // SAFETY: the kernel reads one byte of a static array.
        let _full_or_gone = unsafe { libc::write(self.pipe.as_raw_fd(), b"!".as_ptr().cast(), 1) };
    }
}

impl Wakeups {
    /// Forgets all wake-ups up to now, and tells whether there was one.
    pub fn drain(&self) -> bool {
        (0..GULPS_MAX).take_while(|_| self.gulp()).count() > 0
    }

    fn gulp(&self) -> bool {
        let mut bytes = [0u8; GULP];
        // SAFETY: the kernel writes at most as many bytes as the array has.
        unsafe { libc::read(self.pipe.as_raw_fd(), bytes.as_mut_ptr().cast(), GULP) > 0 }
    }
}

impl AsFd for Wakeups {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [-1; 2];
    // SAFETY: the kernel writes two ints to an array of two.
    check(unsafe { libc::pipe(ends.as_mut_ptr()) })?;
    // SAFETY: pipe has just opened both, and nobody else knows them.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::poll::{Interest, PollSet};
    use truechimer_time::Span;

    #[test]
    fn a_thread_wakes_a_loop_that_would_sleep_for_long() {
        let (waker, wakeups) = channel().unwrap();
        let mut set = PollSet::new();
        set.add(wakeups.as_fd(), Interest::Read, ());
        let thread = std::thread::spawn(move || waker.wake());
        assert_eq!(set.wait(Some(Span::from_secs(30))).unwrap().count(), 1);
        assert!(wakeups.drain());
        thread.join().unwrap();
    }

    #[test]
    fn any_number_of_wakeups_is_one_and_never_blocks() {
        let (waker, wakeups) = channel().unwrap();
        let copy = waker.clone();
        for _ in 0..100_000 {
            copy.wake();
        }
        assert!(wakeups.drain());
        assert!(!wakeups.drain());
    }

    #[test]
    fn waking_a_loop_that_is_gone_does_no_harm() {
        crate::signal::SignalFlags::install().unwrap();
        let (waker, wakeups) = channel().unwrap();
        drop(wakeups);
        waker.wake();
    }
}

//! What all file descriptors share: the two flags, and the way the kernel reports errors.
//!
//! Flags are set by `fcntl` after the descriptor exists, never by the flag arguments of `socket` or `pipe2`:
//! test harnesses that stand in for libc know only the plain calls.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use libc::c_int;

/// Turns the kernel's -1 into the error that it left in `errno`.
pub(crate) fn check(result: c_int) -> io::Result<c_int> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(result),
    }
}

/// Like [`check`], for calls that return a length.
pub(crate) fn check_len(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// Reads and writes return `EAGAIN` instead of waiting.
pub(crate) fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    let flags = fcntl(fd, libc::F_GETFL, 0)?;
    fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK).map(drop)
}

/// The descriptor does not survive an `exec`.
pub(crate) fn set_cloexec(fd: BorrowedFd<'_>) -> io::Result<()> {
    fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC).map(drop)
}

fn fcntl(fd: BorrowedFd<'_>, command: c_int, argument: c_int) -> io::Result<c_int> {
    // SAFETY: these commands take an int and touch nothing but the flags of a descriptor that is borrowed here.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), command, argument) })
}

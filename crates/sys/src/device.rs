//! Device files, opened by libc's own `open` and asked by `ioctl`.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::fd::{check, set_cloexec};

/// Opens a device for reading. Nothing waits for it to be ready.
pub(crate) fn open(path: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: open reads a text that ends with a NUL, and takes ints.
    let fd = check(unsafe { libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY) })?;
    // SAFETY: the kernel has just opened it, and nobody else knows it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    set_cloexec(fd.as_fd())?;
    Ok(fd)
}

/// A request of a driver that reads and writes a `T` and nothing else.
///
/// # Safety
/// The driver to whom `request` belongs must take the address of a `T` with it, whose fields may hold any bits.
// SAFETY: unsafe to call, because nothing here knows what a driver does with the address.
pub(crate) unsafe fn ask<T>(fd: &OwnedFd, request: u32, argument: &mut T) -> io::Result<()> {
    // An unsigned long, but an int with musl.
    #[allow(clippy::cast_lossless)]
    let request = request as libc::Ioctl;
    // SAFETY: the kernel reads and writes one T at the address of ours, as the caller promises. A driver that does not
    // know the request answers ENOTTY.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), request, std::ptr::from_mut(argument)) }).map(drop)
}

/// The number of a request, on the architectures that share asm-generic/ioctl.h: x86, ARM, RISC-V, LoongArch, s390.
pub(crate) const fn request(direction: u32, magic: u8, number: u8, size: usize) -> u32 {
    direction << 30 | (size as u32) << 16 | (magic as u32) << 8 | number as u32
}

/// The kernel reads the argument.
pub(crate) const WRITE: u32 = 1;
/// The kernel writes the argument.
pub(crate) const READ: u32 = 2;

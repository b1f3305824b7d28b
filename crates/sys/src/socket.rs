//! Socket calls in their plainest forms, as thin safe functions. [`udp`](crate::udp), [`tcp`](crate::tcp),
//! [`peer`](crate::peer) and [`process`](crate::process) give them meaning.

use std::io;
use std::mem::{size_of, zeroed};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use libc::{c_int, c_void, iovec, msghdr, socklen_t};

use crate::address::Address;
use crate::control::Control;
use crate::fd::{check, check_len, set_cloexec};

/// A new socket, closed on `exec`.
pub(crate) fn open(family: c_int, kind: c_int) -> io::Result<OwnedFd> {
    open_for(family, kind, 0)
}

/// A new socket for a protocol that family and kind do not tell, closed on `exec`.
pub(crate) fn open_for(family: c_int, kind: c_int, protocol: c_int) -> io::Result<OwnedFd> {
    // SAFETY: socket takes three ints.
    let fd = check(unsafe { libc::socket(family, kind, protocol) })?;
    // SAFETY: the kernel has just opened it, and nobody else knows it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    set_cloexec(std::os::fd::AsFd::as_fd(&fd))?;
    Ok(fd)
}

pub(crate) fn bind(fd: BorrowedFd<'_>, local: &Address) -> io::Result<()> {
    // SAFETY: the kernel reads as many bytes of an address as we say it has.
    check(unsafe { libc::bind(fd.as_raw_fd(), local.as_ptr(), local.len()) }).map(drop)
}

pub(crate) fn connect(fd: BorrowedFd<'_>, remote: &Address) -> io::Result<()> {
    // SAFETY: the kernel reads as many bytes of an address as we say it has.
    check(unsafe { libc::connect(fd.as_raw_fd(), remote.as_ptr(), remote.len()) }).map(drop)
}

pub(crate) fn listen(fd: BorrowedFd<'_>, backlog: c_int) -> io::Result<()> {
    // SAFETY: listen takes two ints.
    check(unsafe { libc::listen(fd.as_raw_fd(), backlog) }).map(drop)
}

/// The address that a socket has here, if it is an internet address.
pub(crate) fn local(fd: BorrowedFd<'_>) -> io::Result<Option<SocketAddr>> {
    let mut address = Address::blank();
    let mut len = address.len();
    // SAFETY: the kernel writes at most as many bytes as we say there is room for.
    check(unsafe { libc::getsockname(fd.as_raw_fd(), address.as_mut_ptr(), &raw mut len) })?;
    address.set_len(len);
    Ok(address.to_std())
}

/// Sets an option that is an int.
pub(crate) fn set_option(fd: BorrowedFd<'_>, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    let (value, len) = ((&raw const value).cast(), size_of::<c_int>() as socklen_t);
    // SAFETY: the kernel reads one int from the address of ours.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, value, len) }).map(drop)
}

/// An option that is an int.
pub(crate) fn option(fd: BorrowedFd<'_>, level: c_int, name: c_int) -> io::Result<c_int> {
    let mut value: c_int = 0;
    let mut len = size_of::<c_int>() as socklen_t;
    let into = (&raw mut value).cast();
    // SAFETY: the kernel writes at most one int to the address of ours.
    check(unsafe { libc::getsockopt(fd.as_raw_fd(), level, name, into, &raw mut len) })?;
    Ok(value)
}

/// Whom the kernel knows at the other end of a unix socket.
pub(crate) fn peer(fd: BorrowedFd<'_>) -> io::Result<libc::ucred> {
    let mut ucred = libc::ucred { pid: 0, uid: libc::uid_t::MAX, gid: libc::gid_t::MAX };
    let mut len = size_of::<libc::ucred>() as socklen_t;
    let (level, name) = (libc::SOL_SOCKET, libc::SO_PEERCRED);
    let into = (&raw mut ucred).cast();
    // SAFETY: the kernel writes at most one ucred to the address of ours.
    check(unsafe { libc::getsockopt(fd.as_raw_fd(), level, name, into, &raw mut len) })?;
    Ok(ucred)
}

/// Sends one datagram or message, never raising SIGPIPE.
pub(crate) fn send(
    fd: BorrowedFd<'_>,
    bytes: &[u8],
    to: Option<&Address>,
    beside: &Control,
) -> io::Result<usize> {
    let mut part = iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let mut header = blank_header(&mut part);
    if let Some(to) = to {
        header.msg_name = to.as_ptr().cast_mut().cast();
        header.msg_namelen = to.len();
    }
    if !beside.bytes().is_empty() {
        header.msg_control = beside.bytes().as_ptr().cast_mut().cast();
        header.msg_controllen = beside.bytes().len() as _;
    }
    // SAFETY: sendmsg only reads, and each pointer goes with the length of what is borrowed until the call returns.
    check_len(unsafe { libc::sendmsg(fd.as_raw_fd(), &raw const header, libc::MSG_NOSIGNAL) })
}

/// What [`receive`] found.
pub(crate) struct Arrival {
    /// Bytes that are in the buffer.
    pub(crate) len: usize,
    /// There were more than the buffer could take.
    pub(crate) truncated: bool,
    /// The sender, if it has an internet address.
    pub(crate) from: Option<SocketAddr>,
}

/// Receives one datagram or message.
pub(crate) fn receive(
    fd: BorrowedFd<'_>,
    into: &mut [u8],
    beside: &mut Control,
    flags: c_int,
) -> io::Result<Arrival> {
    let mut from = Address::blank();
    let mut part = iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    let mut header = blank_header(&mut part);
    header.msg_name = from.as_mut_ptr().cast();
    header.msg_namelen = from.len();
    header.msg_control = beside.room().as_mut_ptr().cast::<c_void>();
    header.msg_controllen = beside.room().len() as _;
    // SAFETY: each pointer goes with the length of what is borrowed mutably until the call returns.
    let len = check_len(unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut header, flags) })?;
    from.set_len(header.msg_namelen);
    beside.set_len(header.msg_controllen as usize);
    let truncated = header.msg_flags & libc::MSG_TRUNC != 0;
    Ok(Arrival { len: len.min(into.len()), truncated, from: from.to_std() })
}

/// One part, no address, nothing beside.
fn blank_header(part: &mut iovec) -> msghdr {
    // SAFETY: msghdr is integers and pointers, for which all zeros is a value.
    let mut header: msghdr = unsafe { zeroed() };
    header.msg_iov = part;
    header.msg_iovlen = 1;
    header
}

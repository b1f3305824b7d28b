//! Being told at once when an address or a route of this machine comes or goes (rtnetlink(7)). What it is, is not read: it is
//! enough to try again.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use libc::{c_int, socklen_t};

use crate::fd::{check, set_cloexec, set_nonblocking};

/// Addresses and routes of both families.
const GROUPS: c_int =
    libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR | libc::RTMGRP_IPV4_ROUTE | libc::RTMGRP_IPV6_ROUTE;

/// So many messages are thrown away at once; what is left after that makes it ready again.
const MESSAGES_MAX: usize = 256;

/// Readable when the network has changed.
#[derive(Debug)]
pub struct NetworkChanges {
    socket: OwnedFd,
}

impl NetworkChanges {
    /// Watches from now on.
    ///
    /// # Errors
    /// Those of the system: `EAFNOSUPPORT` where a sandbox does not allow it.
    pub fn watch() -> io::Result<Self> {
        // SAFETY: socket takes numbers.
        let fd = check(unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE) })?;
        // SAFETY: the kernel has just opened it, and nobody else knows it.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        set_cloexec(socket.as_fd())?;
        set_nonblocking(socket.as_fd())?;
        // SAFETY: all bits zero are plain numbers.
        let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
        address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
        address.nl_groups = GROUPS as u32;
        let len = size_of::<libc::sockaddr_nl>() as socklen_t;
        // SAFETY: the kernel reads one struct sockaddr_nl of ours.
        check(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), len) })?;
        Ok(Self { socket })
    }

    /// Has the network changed since this was last asked? More than the kernel could remember is a change too.
    pub fn drain(&self) -> bool {
        (0..MESSAGES_MAX).take_while(|_| self.message()).count() > 0
    }

    fn message(&self) -> bool {
        let mut nothing = [0u8; 64];
        let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
        // SAFETY: the kernel writes at most as many bytes as the array has, whatever length it returns.
        let len =
            unsafe { libc::recv(self.socket.as_raw_fd(), nothing.as_mut_ptr().cast(), nothing.len(), flags) };
        len > 0 || (len < 0 && io::Error::last_os_error().raw_os_error() == Some(libc::ENOBUFS))
    }
}

impl AsFd for NetworkChanges {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// That it is told of a change is shown in a network of its own: `peers/happening.rs`.
    #[test]
    fn a_network_can_be_watched_without_privileges() {
        let changes = NetworkChanges::watch().expect("netlink is there");
        changes.drain();
    }
}

//! What goes wrong with datagrams.

use std::{fmt, io};

/// Why a datagram was not sent, or what became of an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketError {
    /// Nobody listens there (ECONNREFUSED: the host said so by ICMP).
    Refused,
    /// No way leads there (ENETUNREACH, EHOSTUNREACH, ENETDOWN, EHOSTDOWN, EADDRNOTAVAIL).
    Unreachable,
    /// The kernel has no room now; later it may (EAGAIN, ENOBUFS, ENOMEM).
    Busy,
    /// A firewall, a sandbox or a missing privilege forbids it (EPERM, EACCES).
    Forbidden,
    /// Longer than a datagram can be (EMSGSIZE).
    TooLong,
    /// Another socket has this address (EADDRINUSE).
    InUse,
    /// Any other `errno`.
    Other(i32),
}

impl SocketError {
    /// Is there no descriptor, port or memory left for another socket just now (EMFILE, ENFILE, EAGAIN, ENOBUFS, ENOMEM)?
    pub fn is_exhausted(self) -> bool {
        matches!(self, Self::Busy | Self::Other(libc::EMFILE | libc::ENFILE))
    }

    /// An error number that stands for it.
    pub fn errno(self) -> i32 {
        match self {
            Self::Refused => libc::ECONNREFUSED,
            Self::Unreachable => libc::EHOSTUNREACH,
            Self::Busy => libc::ENOBUFS,
            Self::Forbidden => libc::EPERM,
            Self::TooLong => libc::EMSGSIZE,
            Self::InUse => libc::EADDRINUSE,
            Self::Other(errno) => errno,
        }
    }
}

impl From<io::Error> for SocketError {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error().unwrap_or(0) {
            libc::ECONNREFUSED => Self::Refused,
            libc::ENETUNREACH
            | libc::EHOSTUNREACH
            | libc::ENETDOWN
            | libc::EHOSTDOWN
            | libc::EADDRNOTAVAIL => Self::Unreachable,
            libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM => Self::Busy,
            libc::EPERM | libc::EACCES => Self::Forbidden,
            libc::EMSGSIZE => Self::TooLong,
            libc::EADDRINUSE => Self::InUse,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "nobody listens at that port",
            Self::Unreachable => "no way leads to that address",
            Self::Busy => "the kernel has no room for it now",
            Self::Forbidden => "not permitted (privilege, firewall or sandbox)",
            Self::TooLong => "longer than a datagram can be",
            Self::InUse => "another program has that address and port",
            Self::Other(errno) => return write!(f, "{}", io::Error::from_raw_os_error(*errno)),
        })
    }
}

impl std::error::Error for SocketError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bad input 118.
    #[test]
    fn errors_of_the_network_are_told_apart() {
        let named = |errno| SocketError::from(io::Error::from_raw_os_error(errno));
        assert_eq!(named(libc::ENETUNREACH), SocketError::Unreachable);
        assert_eq!(named(libc::EHOSTUNREACH), SocketError::Unreachable);
        assert_eq!(named(libc::ENOBUFS), SocketError::Busy);
        assert_eq!(named(libc::EAGAIN), SocketError::Busy);
        assert_eq!(named(libc::EPERM), SocketError::Forbidden);
        assert_eq!(named(libc::EINVAL), SocketError::Other(libc::EINVAL));
        assert!(named(libc::EMFILE).is_exhausted() && named(libc::ENOBUFS).is_exhausted());
        assert!(!named(libc::EINVAL).is_exhausted() && !named(libc::ECONNREFUSED).is_exhausted());
        assert_eq!(named(libc::EINVAL).to_string(), "Invalid argument (os error 22)");
    }
}

//! Network interfaces, by their names: a socket that is held to one hears and sends by no other.

use std::fmt;
use std::io;
use std::mem::size_of_val;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::str::FromStr;

use libc::socklen_t;

use crate::fd::check;

/// The error number of an interface that is not there (ENODEV).
pub const NO_SUCH_INTERFACE: i32 = libc::ENODEV;

/// The longest name (IFNAMSIZ less the byte that ends it).
const LENGTH_MAX: usize = libc::IFNAMSIZ - 1;

/// What an interface is called, such as `eth1`; whether there is one is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface(String);

/// Why a text names no interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceError;

impl Interface {
    /// Lets a socket hear and send by this interface alone (`SO_BINDTODEVICE`, socket(7)). Before it is bound, nothing from
    /// elsewhere waits in it.
    pub(crate) fn hold(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
        let name = self.0.as_bytes();
        let (value, len) = (name.as_ptr().cast(), size_of_val(name) as socklen_t);
        let option = libc::SO_BINDTODEVICE;
        // SAFETY: the kernel reads as many bytes of the name as we say it has.
        check(unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, value, len) }).map(drop)
    }
}

impl FromStr for Interface {
    type Err = InterfaceError;

    /// By the kernel's rules (`dev_valid_name`).
    fn from_str(name: &str) -> Result<Self, InterfaceError> {
        let is_usual = |b: u8| b.is_ascii_graphic() && !matches!(b, b'/' | b':');
        let is_valid = (1..=LENGTH_MAX).contains(&name.len()) && name.bytes().all(is_usual);
        match is_valid && !matches!(name, "." | "..") {
            true => Ok(Self(name.to_owned())),
            false => Err(InterfaceError),
        }
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for InterfaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "is no interface: 1 to {LENGTH_MAX} bytes without `/`, `:` and blanks, as `ip link` shows it"
        )
    }
}

impl std::error::Error for InterfaceError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp;
    use crate::udp::{SocketError, UdpSocket};
    use std::net::{Ipv4Addr, SocketAddr};

    const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

    #[test]
    fn only_what_the_kernel_takes_for_a_name_is_one() {
        for name in ["lo", "eth0", "enp0s31f6", "br-lan.7", "fifteen-letters"] {
            assert_eq!(name.parse::<Interface>().unwrap().to_string(), name);
        }
        for name in ["", ".", "..", "a b", "a/b", "eth0:1", "sixteen-letters.", "é", "a\0"] {
            assert_eq!(name.parse::<Interface>(), Err(InterfaceError), "{name:?}");
        }
    }

    #[test]
    fn a_socket_is_held_to_an_interface_that_is_there() {
        let (there, not_there) = ("lo".parse().unwrap(), "none-such".parse().unwrap());
        let server = UdpSocket::bind_shared_at(ANYWHERE, Some(&there)).unwrap();
        let place = SocketAddr::from((Ipv4Addr::LOCALHOST, server.local_address().unwrap().port()));
        std::net::UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"?", place).unwrap();
        assert_eq!(server.receive(&mut [0; 8]).unwrap().map(|received| received.len), Some(1));
        let missing = SocketError::Other(libc::ENODEV);
        assert_eq!(UdpSocket::bind_shared_at(ANYWHERE, Some(&not_there)).unwrap_err(), missing);
        assert!(tcp::listen_at(ANYWHERE, Some(&there)).is_ok());
        assert_eq!(tcp::listen_at(ANYWHERE, Some(&not_there)).unwrap_err(), missing);
    }
}

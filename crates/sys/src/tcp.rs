//! Listening for TCP connections. What is said over them the standard library carries.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;

use libc::c_int;

use crate::address::Address;
use crate::fd::set_nonblocking;
use crate::interface::Interface;
use crate::socket;
use crate::udp::SocketError;

/// So many connections wait in the kernel until they are accepted.
const BACKLOG: c_int = 64;

/// A listener that never blocks. An IPv6 one takes IPv6 only, so that both families can be bound side by side; and what
/// is left of the connections of a server before us is in nobody's way.
pub fn listen(local: SocketAddr) -> Result<TcpListener, SocketError> {
    listen_at(local, None)
}

/// The same, held to an interface if one is named.
pub fn listen_at(local: SocketAddr, interface: Option<&Interface>) -> Result<TcpListener, SocketError> {
    let socket = socket::open(Address::from(local).family(), libc::SOCK_STREAM)?;
    let fd = socket.as_fd();
    set_nonblocking(fd)?;
    interface.map(|interface| interface.hold(fd)).transpose()?;
    socket::set_option(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
    if local.is_ipv6() {
        socket::set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
    }
    socket::bind(fd, &local.into())?;
    socket::listen(fd, BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{ErrorKind, Read, Write};
    use std::net::{Ipv4Addr, Ipv6Addr, TcpStream};

    #[test]
    fn connections_are_accepted_and_waiting_for_them_does_not_block() {
        let listener = listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut accepted, from) = listener.accept().unwrap();
        assert_eq!(from, client.local_addr().unwrap());
        accepted.write_all(b"time").unwrap();
        drop(accepted);
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).unwrap();
        assert_eq!(heard, b"time");
    }

    #[test]
    fn both_families_listen_side_by_side_and_a_port_is_taken_once() {
        let v4 = listen((Ipv4Addr::UNSPECIFIED, 0).into()).unwrap();
        let port = v4.local_addr().unwrap().port();
        let v6 = listen((Ipv6Addr::UNSPECIFIED, port).into()).unwrap();
        assert_eq!(v6.local_addr().unwrap().port(), port);
        assert_eq!(listen((Ipv4Addr::UNSPECIFIED, port).into()).unwrap_err(), SocketError::InUse);
    }
}

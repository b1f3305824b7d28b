//! Listening for TCP connections, and making them without waiting. What is said over them the standard library carries.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;

use libc::c_int;

use crate::address::Address;
use crate::fd::set_nonblocking;
use crate::interface::Interface;
use crate::socket;
use crate::udp::SocketError;

/// Begins to connect and does not wait for it. The stream never blocks: it can be written to when the connection is made, and
/// `take_error` says then if it could not be made.
///
/// # Errors
/// What is known at once: no way leads there, no descriptor is left.
pub fn begin(remote: SocketAddr) -> Result<TcpStream, SocketError> {
    let socket = socket::open(Address::from(remote).family(), libc::SOCK_STREAM)?;
    set_nonblocking(socket.as_fd())?;
    // What is said is short and is to leave at once.
    socket::set_option(socket.as_fd(), libc::IPPROTO_TCP, libc::TCP_NODELAY, 1)?;
    match socket::connect(socket.as_fd(), &remote.into()) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error.into()),
        Ok(()) | Err(_) => Ok(socket.into()),
    }
}

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
    fn a_connection_is_begun_without_waiting_and_is_made_or_refused_later() {
        use crate::poll::{Interest, PollSet};
        use std::os::fd::AsFd;
        let listener = listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let place = listener.local_addr().unwrap();
        let made = |place| {
            let stream = begin(place).unwrap();
            let mut set = PollSet::new();
            set.add(stream.as_fd(), Interest::Write, ());
            assert!(set.wait(None).unwrap().next().is_some());
            stream
        };
        let stream = made(place);
        assert_eq!(stream.take_error().unwrap().map(|error| error.kind()), None);
        assert_eq!(stream.peer_addr().unwrap(), place);
        drop(listener);
        let refused = begin(place).map(|_| made(place).take_error().unwrap().unwrap().kind());
        assert!(
            matches!(refused, Ok(ErrorKind::ConnectionRefused) | Err(SocketError::Refused)),
            "{refused:?}"
        );
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

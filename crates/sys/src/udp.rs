//! Datagrams, with the moment at which the kernel sent and received them.
//!
//! Sockets never block. A client connects a fresh socket for each exchange; a server binds one and answers from the
//! address that was asked. Nothing here knows what is in a datagram.
//!
//! When `poll` tells of an exception, [`UdpSocket::transmit_stamp`] is called until it returns nothing, then
//! [`UdpSocket::receive`]: the first takes stamps from the error queue, the second is told of real errors.

pub mod batch;

mod error;
mod stamp;
mod steer;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use libc::c_int;
use truechimer_time::{Local, Time};

use crate::address::Address;
use crate::control::{Control, ControlMessage};
use crate::fd::set_nonblocking;
use crate::interface::Interface;
use crate::socket;

pub use error::SocketError;
pub use stamp::{Stamps, TransmitStamp};

/// The error number of a machine that has no addresses of the family that was asked for (EAFNOSUPPORT).
pub const NO_SUCH_FAMILY: i32 = libc::EAFNOSUPPORT;

/// Stale entries of the error queue that one call looks past.
const QUEUE_LOOKS_MAX: usize = 16;
/// The error queue may return the whole frame that was sent; nobody looks at it, but it is to be given room.
const FRAME_MAX: usize = 2048;

/// A UDP socket that never blocks.
#[derive(Debug)]
pub struct UdpSocket {
    fd: OwnedFd,
    /// Whom it is connected to.
    remote: Option<SocketAddr>,
}

/// A datagram that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// How many bytes of the buffer it fills.
    pub len: usize,
    /// It was longer than the buffer, and the rest is lost.
    pub truncated: bool,
    /// Who sent it, as the datagram claims; on a connected socket never anybody else than the one it is connected to.
    pub from: SocketAddr,
    /// When it came, by `CLOCK_REALTIME`, as the kernel saw it; `None` if the caller has to read the clock.
    pub stamp: Option<Time<Local>>,
    /// To which of our addresses it came; only on sockets that were bound.
    pub destination: Option<Destination>,
    /// How many more routers it could have passed (TTL, hop limit); only on sockets that [ask for it](UdpSocket::count_hops).
    pub hops_left: Option<u8>,
}

/// One of our addresses, and the interface at which it was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The address that a reply leaves from.
    pub address: IpAddr,
    /// The interface's number.
    pub interface: u32,
}

impl UdpSocket {
    /// A server's socket. An IPv6 one takes IPv6 only, so that both families can be bound side by side, and so that
    /// an IPv4 client has one name and not two. What it receives says to which address it came.
    pub fn bind(local: SocketAddr) -> Result<Self, SocketError> {
        Self::bind_at(local, None)
    }

    /// The same, held to an interface if one is named.
    pub fn bind_at(local: SocketAddr, interface: Option<&Interface>) -> Result<Self, SocketError> {
        let socket = Self::open(local)?;
        interface.map(|interface| interface.hold(socket.as_fd())).transpose()?;
        socket.ask_for_destinations(local)?;
        socket::bind(socket.as_fd(), &local.into())?;
        Ok(socket)
    }

    /// A server's socket at a place that several sockets share (`SO_REUSEPORT`): each datagram goes to one of them. It
    /// is told to which address a datagram came only where that is not known from where it is bound.
    ///
    /// Only sockets of one user share a place.
    pub fn bind_shared(local: SocketAddr) -> Result<Self, SocketError> {
        Self::bind_shared_at(local, None)
    }

    /// The same, held to an interface if one is named.
    pub fn bind_shared_at(local: SocketAddr, interface: Option<&Interface>) -> Result<Self, SocketError> {
        let socket = Self::open(local)?;
        interface.map(|interface| interface.hold(socket.as_fd())).transpose()?;
        socket::set_option(socket.as_fd(), libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
        if local.ip().is_unspecified() {
            socket.ask_for_destinations(local)?;
        }
        socket::bind(socket.as_fd(), &local.into())?;
        Ok(socket)
    }

    /// A server's socket that somebody else has bound for us, see [`handed`](crate::handed). It is told to which address a
    /// datagram came where that is not known from where it is bound.
    pub(crate) fn adopt(fd: OwnedFd, local: SocketAddr) -> io::Result<Self> {
        set_nonblocking(fd.as_fd())?;
        let socket = Self { fd, remote: None };
        if local.ip().is_unspecified() {
            socket.ask_for_destinations(local)?;
        }
        Ok(socket)
    }

    /// From now on the sockets that share this one's place are chosen by who sends: one client (in IPv6, one network of 64
    /// bits) always meets the same of the first so many, in the order in which they were bound.
    pub fn steer_by_sender(&self, sockets: u32) -> Result<(), SocketError> {
        steer::by_sender(self.as_fd(), self.local_address()?.is_ipv6(), sockets)?;
        Ok(())
    }

    /// Which of so many sockets [`Self::steer_by_sender`] chooses for a sender.
    pub fn choice_of(sender: IpAddr, sockets: u32) -> u32 {
        steer::choice(sender, sockets)
    }

    /// Lets so many bytes wait to be read and to be sent, as far as the kernel allows.
    pub fn make_room(&self, bytes: u32) {
        let bytes = c_int::try_from(bytes).unwrap_or(c_int::MAX);
        for (force, ask) in [(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF), (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)]
        {
            let set = |name| socket::set_option(self.as_fd(), libc::SOL_SOCKET, name, bytes);
            // Only who administers the network may go beyond the limit; to be cut to it is no error.
            let _as_much_as_there_is = set(force).or_else(|_| set(ask));
        }
    }

    fn ask_for_destinations(&self, local: SocketAddr) -> io::Result<()> {
        let (level, name) = match local {
            SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_PKTINFO),
            SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
        };
        socket::set_option(self.as_fd(), level, name, 1)
    }

    /// From now on it is told how many more routers each datagram could have passed.
    ///
    /// # Errors
    /// What the kernel says; that of the usual kind never refuses.
    pub fn count_hops(&self) -> Result<(), SocketError> {
        let (level, name) = match self.local_address()? {
            SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_RECVTTL),
            SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT),
        };
        Ok(socket::set_option(self.as_fd(), level, name, 1)?)
    }

    /// A client's socket for one exchange with `remote`. It is not bound, so the kernel picks a random free port for
    /// it (RFC 9109 wants a new one each time), and hands on nothing that comes from elsewhere.
    pub fn connect(remote: SocketAddr) -> Result<Self, SocketError> {
        let socket = Self { remote: Some(remote), ..Self::open(remote)? };
        socket::connect(socket.as_fd(), &remote.into())?;
        Ok(socket)
    }

    /// A socket for ICMP messages to and from one host, where that is permitted (`CAP_NET_RAW`). What is sent is a message of
    /// ICMP; what is received has the header of IP before it (raw(7)), and may be any message of that host to anybody here.
    ///
    /// # Errors
    /// [`SocketError::Forbidden`], mostly.
    pub fn connect_icmp(remote: Ipv4Addr) -> Result<Self, SocketError> {
        let fd = socket::open_for(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP)?;
        set_nonblocking(fd.as_fd())?;
        let remote = SocketAddr::from((remote, 0));
        socket::connect(fd.as_fd(), &remote.into())?;
        Ok(Self { fd, remote: Some(remote) })
    }

    fn open(like: SocketAddr) -> io::Result<Self> {
        let fd = socket::open(Address::from(like).family(), libc::SOCK_DGRAM)?;
        set_nonblocking(fd.as_fd())?;
        if like.is_ipv6() {
            socket::set_option(fd.as_fd(), libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
        }
        Ok(Self { fd, remote: None })
    }

    /// The address that this socket has here.
    pub fn local_address(&self) -> Result<SocketAddr, SocketError> {
        socket::local(self.as_fd())?.ok_or(SocketError::Other(libc::EAFNOSUPPORT))
    }

    /// Asks the kernel to stamp datagrams, by the best means up to `wanted` that it has, and returns what was
    /// achieved. Less than wanted is no error: the caller reads the clock instead.
    ///
    /// With [`Stamps::Both`] every datagram sent leaves a stamp in the error queue, which has to be taken.
    pub fn enable_stamps(&self, wanted: Stamps) -> Stamps {
        stamp::enable(self.as_fd(), wanted)
    }

    /// No stamps any more. Those in the error queue stay there, and the next that are enabled are counted anew.
    pub fn disable_stamps(&self) -> Result<(), SocketError> {
        socket::set_option(self.as_fd(), libc::SOL_SOCKET, libc::SO_TIMESTAMPING, 0)?;
        Ok(())
    }

    /// Sends to the address that the socket is connected to.
    pub fn send(&self, bytes: &[u8]) -> Result<(), SocketError> {
        self.transmit(bytes, None, &Control::new())
    }

    /// Sends to `to`; a reply leaves `from` the address that was asked, whatever address the route would choose.
    pub fn send_to(
        &self,
        bytes: &[u8],
        to: SocketAddr,
        from: Option<Destination>,
    ) -> Result<(), SocketError> {
        let mut beside = Control::new();
        if let Some(from) = from {
            from.name_in(&mut beside);
        }
        self.transmit(bytes, Some(&to.into()), &beside)
    }

    fn transmit(&self, bytes: &[u8], to: Option<&Address>, beside: &Control) -> Result<(), SocketError> {
        socket::send(self.as_fd(), bytes, to, beside)?;
        Ok(())
    }

    /// The next datagram, or `None` if there is none now. An error is about an earlier datagram of ours, such as a
    /// refusal by the host it went to, and the socket goes on working.
    pub fn receive(&self, into: &mut [u8]) -> Result<Option<Received>, SocketError> {
        let mut beside = Control::new();
        let arrival = match socket::receive(self.as_fd(), into, &mut beside, 0) {
            Err(error) if nothing_there(&error) => return Ok(None),
            result => result?,
        };
        Ok(Some(Received {
            len: arrival.len,
            truncated: arrival.truncated,
            from: arrival.from.or(self.remote).ok_or(SocketError::Other(libc::EAFNOSUPPORT))?,
            stamp: beside.messages().find_map(stamp::received),
            destination: beside.messages().find_map(Destination::read),
            hops_left: beside.messages().find_map(hops_left),
        }))
    }

    /// The next stamp of a datagram that was sent, or `None` if there is none (yet).
    pub fn transmit_stamp(&self) -> Result<Option<TransmitStamp>, SocketError> {
        let mut frame = [0; FRAME_MAX];
        for _ in 0..QUEUE_LOOKS_MAX {
            let mut beside = Control::new();
            match socket::receive(self.as_fd(), &mut frame, &mut beside, libc::MSG_ERRQUEUE) {
                Err(error) if nothing_there(&error) => return Ok(None),
                result => result?,
            };
            if let Some(stamp) = TransmitStamp::read(&beside) {
                return Ok(Some(stamp));
            }
        }
        Ok(None)
    }
}

/// Keeps the kernel stamping for as long as it lives.
///
/// The kernel stamps what comes only while some socket of the machine wants it, and begins and ends a moment late. A
/// daemon whose sockets live for one exchange would miss the stamps of near and quick servers, and holds one of
/// these instead. It receives nothing.
#[derive(Debug)]
pub struct StampKeeper {
    _socket: UdpSocket,
}

impl StampKeeper {
    /// Starts the stamping of what comes. A kernel that cannot stamp at all is no error here either.
    pub fn hold() -> Result<Self, SocketError> {
        let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
        let socket = UdpSocket::open(v4).or_else(|_no_v4| UdpSocket::open(v6))?;
        socket.enable_stamps(Stamps::Received);
        Ok(Self { _socket: socket })
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn nothing_there(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// ```text
///   in_pktinfo   interface: u32 | address to reply from: 4 bytes | address in the header: 4 bytes
///   in6_pktinfo  address: 16 bytes | interface: u32
/// ```
/// A number of the processor's own order, though it is of one byte (ip(7), IP_RECVTTL).
fn hops_left(message: ControlMessage<'_>) -> Option<u8> {
    match (message.level, message.kind) {
        (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
            u8::try_from(i32::from_ne_bytes(*message.data.first_chunk()?)).ok()
        }
        _another_message => None,
    }
}

impl Destination {
    fn read(message: ControlMessage<'_>) -> Option<Self> {
        match (message.level, message.kind) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => Self::read_v4(message.data),
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => Self::read_v6(message.data),
            _another_message => None,
        }
    }

    fn read_v4(data: &[u8]) -> Option<Self> {
        let (interface, data) = data.split_first_chunk()?;
        let (reply_from, data) = data.split_first_chunk::<4>()?;
        let (in_header, _) = data.split_first_chunk::<4>()?;
        let reply_from = Ipv4Addr::from(*reply_from);
        let address = if reply_from.is_unspecified() { Ipv4Addr::from(*in_header) } else { reply_from };
        Some(Self { address: address.into(), interface: u32::from_ne_bytes(*interface) })
    }

    fn read_v6(data: &[u8]) -> Option<Self> {
        let (address, data) = data.split_first_chunk::<16>()?;
        let (interface, _) = data.split_first_chunk()?;
        Some(Self { address: Ipv6Addr::from(*address).into(), interface: u32::from_ne_bytes(*interface) })
    }

    /// Was a datagram with this beside it sent to many hosts? An address that is not the one to reply from is that of a
    /// broadcast or of a group (ip(7), `IP_PKTINFO`).
    fn is_of_many(message: ControlMessage<'_>) -> bool {
        match (message.level, message.kind, message.data) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO, &[_, _, _, _, s0, s1, s2, s3, h0, h1, h2, h3, ..]) => {
                let (reply_from, in_header) = (Ipv4Addr::new(s0, s1, s2, s3), Ipv4Addr::new(h0, h1, h2, h3));
                in_header.is_multicast() || in_header.is_broadcast() || in_header != reply_from
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &[first, ..]) => first == 0xff,
            _another_message => false,
        }
    }

    /// Asks for this address as the source. The way back is left to the routes, except for link-local addresses,
    /// which mean nothing without their interface.
    fn name_in<const MAX: usize>(self, beside: &mut Control<MAX>) {
        match self.address {
            IpAddr::V4(v4) => {
                let mut data = [0; 12];
                data[4..8].copy_from_slice(&v4.octets());
                beside.push(libc::IPPROTO_IP, libc::IP_PKTINFO, &data);
            }
            IpAddr::V6(v6) => {
                let interface = if v6.is_unicast_link_local() { self.interface } else { 0 };
                let mut data = [0; 20];
                data[..16].copy_from_slice(&v6.octets());
                data[16..].copy_from_slice(&interface.to_ne_bytes());
                beside.push(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO as c_int, &data);
            }
        }
    }
}

#[cfg(test)]
mod tests;

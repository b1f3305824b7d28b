//! The way to a host: a datagram's socket, or a connection with TLS or without. None of it ever waits.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};

use rustls::ClientConnection;
use truechimer_core::moment::{Stamp, StampedBy};
use truechimer_core::wire::DATAGRAM_MAX;
use truechimer_sys::clock::{self, Readings};
use truechimer_sys::poll::Interest;
use truechimer_sys::tcp;
use truechimer_sys::udp::{SocketError, Stamps, UdpSocket};

use super::trouble::{Kind, Trouble};
use crate::stamps::to_raw;

/// So many datagrams are looked at in one go: nobody keeps us busy with rubbish.
pub(super) const DATAGRAMS_MAX: usize = 16;

/// So much is read of a connection in one go.
const GULP: usize = 4096;

/// A datagram that came, and when.
pub(super) struct Arrival {
    pub(super) bytes: Vec<u8>,
    pub(super) from: SocketAddr,
    pub(super) at: Stamp,
    pub(super) now: Readings,
}

/// A socket for one question by datagram.
pub(super) struct Datagrams {
    socket: UdpSocket,
}

impl Datagrams {
    pub(super) fn by_udp(to: SocketAddr) -> Result<Self, SocketError> {
        Self::stamped(UdpSocket::connect(to)?)
    }

    pub(super) fn by_icmp(to: IpAddr) -> Result<Self, SocketError> {
        match to.to_canonical() {
            IpAddr::V4(v4) => Self::stamped(UdpSocket::connect_icmp(v4)?),
            // The ICMP of IPv6 has no such message (RFC 4443).
            IpAddr::V6(_) => Err(SocketError::Unreachable),
        }
    }

    fn stamped(socket: UdpSocket) -> Result<Self, SocketError> {
        // Without stamps the program's own readings do.
        socket.enable_stamps(Stamps::Both);
        Ok(Self { socket })
    }

    pub(super) fn send(&self, bytes: &[u8]) -> Result<(), SocketError> {
        self.socket.send(bytes)
    }

    /// When the question left, as the kernel saw it, if it has said so.
    pub(super) fn departure(&self) -> Result<Option<Stamp>, SocketError> {
        let mut departure = None;
        while let Some(stamp) = self.socket.transmit_stamp()? {
            departure = departure.or_else(|| to_raw(stamp.at, &clock::readings()));
        }
        Ok(departure)
    }

    pub(super) fn receive(&self) -> Result<Option<Arrival>, SocketError> {
        // One more than is read, so that what is too long is seen to be.
        let mut datagram = [0; DATAGRAM_MAX + 1];
        let Some(received) = self.socket.receive(&mut datagram)? else { return Ok(None) };
        let now = clock::readings();
        let by_us = Stamp { at: now.raw, by: StampedBy::Program };
        let at = received.stamp.and_then(|stamp| to_raw(stamp, &now)).unwrap_or(by_us);
        Ok(Some(Arrival { bytes: datagram[..received.len].to_vec(), from: received.from, at, now }))
    }
}

/// A connection.
pub(super) struct Stream {
    tcp: TcpStream,
    tls: Option<Box<ClientConnection>>,
    is_connected: bool,
    /// What TCP has not taken yet; of TLS it keeps that itself.
    unsaid: Vec<u8>,
}

/// What came of a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Gulp {
    /// So much.
    Bytes(Vec<u8>),
    /// Nothing yet.
    Nothing,
    /// The other side has ended it.
    End,
}

impl Stream {
    /// Begins to connect.
    pub(super) fn begin(to: SocketAddr, tls: Option<ClientConnection>) -> Result<Self, SocketError> {
        let tcp = tcp::begin(to)?;
        Ok(Self { tcp, tls: tls.map(Box::new), is_connected: false, unsaid: Vec::new() })
    }

    /// What to wait for.
    pub(super) fn interest(&self) -> Interest {
        let is_tls_full = self.tls.as_ref().is_some_and(|tls| tls.wants_write());
        match (self.is_connected, is_tls_full || !self.unsaid.is_empty()) {
            (false, _) => Interest::Write,
            (true, true) => Interest::ReadWrite,
            (true, false) => Interest::Read,
        }
    }

    /// Goes on as far as that goes now: is it ready to be spoken on?
    pub(super) fn progress(&mut self) -> Result<bool, Trouble> {
        if !self.is_connected {
            if let Some(error) = self.tcp.take_error().map_err(broken)? {
                return Err(Trouble::network(error.into()));
            }
            self.is_connected = self.tcp.peer_addr().is_ok();
            if !self.is_connected {
                return Ok(false);
            }
        }
        self.flush()?;
        let Some(tls) = &mut self.tls else { return Ok(true) };
        if tls.is_handshaking() {
            take_in(tls, &mut self.tcp)?;
            self.flush()?;
        }
        Ok(self.tls.as_ref().is_some_and(|tls| !tls.is_handshaking()))
    }

    /// Says something.
    pub(super) fn say(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        match &mut self.tls {
            Some(tls) => tls.writer().write_all(bytes).map_err(broken)?,
            None => self.unsaid.extend_from_slice(bytes),
        }
        self.flush()
    }

    /// What has come.
    pub(super) fn read(&mut self) -> Result<Gulp, Trouble> {
        self.flush()?;
        let mut bytes = [0; GULP];
        let len = match &mut self.tls {
            None => self.tcp.read(&mut bytes),
            Some(tls) => {
                take_in(tls, &mut self.tcp)?;
                tls.reader().read(&mut bytes)
            }
        };
        match len {
            Ok(0) => Ok(Gulp::End),
            Ok(len) => Ok(Gulp::Bytes(bytes[..len].to_vec())),
            Err(error) if is_later(&error) => Ok(Gulp::Nothing),
            // A server that has said what it had to say may just be gone: it is heard as an end.
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
                Ok(Gulp::End)
            }
            Err(error) => Err(Trouble::network(error.into())),
        }
    }

    /// The TLS of it, once it is ready.
    pub(super) fn tls(&self) -> Option<&ClientConnection> {
        self.tls.as_deref()
    }

    fn flush(&mut self) -> Result<(), Trouble> {
        if !self.is_connected {
            return Ok(());
        }
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() {
                match tls.write_tls(&mut self.tcp) {
                    Ok(_) => {}
                    Err(error) if is_later(&error) => return Ok(()),
                    Err(error) => return Err(broken(error)),
                }
            }
        }
        while !self.unsaid.is_empty() {
            match self.tcp.write(&self.unsaid) {
                Ok(said) => drop(self.unsaid.drain(..said)),
                Err(error) if is_later(&error) => return Ok(()),
                Err(error) => return Err(broken(error)),
            }
        }
        Ok(())
    }
}

/// Reads what has come, and lets TLS look at it.
fn take_in(tls: &mut ClientConnection, tcp: &mut TcpStream) -> Result<(), Trouble> {
    while tls.wants_read() {
        match tls.read_tls(tcp) {
            Ok(0) => break,
            Ok(_) => {
                let outcome = tls.process_new_packets();
                if let Err(error) = outcome {
                    // Tells the other side why, if it still listens.
                    let _gone = tls.write_tls(tcp);
                    return Err(Trouble::new(Kind::Tls, format_args!("TLS: {error}")));
                }
            }
            Err(error) if is_later(&error) => return Ok(()),
            Err(error) => return Err(Trouble::network(error.into())),
        }
    }
    match tls.is_handshaking() && tls.wants_read() {
        true => Err(Trouble::new(Kind::Broken, "the connection has ended before TLS was agreed on")),
        false => Ok(()),
    }
}

fn is_later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

fn broken(error: io::Error) -> Trouble {
    Trouble::new(Kind::Broken, format_args!("the connection broke: {error}"))
}

impl AsFd for Datagrams {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tcp.as_fd()
    }
}

//! One question to an NTP server and the wait for its answer: a fresh socket, the kernel's stamps, our readings beside
//! them. What the answer means is for whoever asked.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use rand_core::Rng;
use truechimer_core::measure::exchange::{Exchange, Heard, Refusal, Rules};
use truechimer_core::moment::{Stamp, StampedBy};
use truechimer_core::wire::DATAGRAM_MAX;
use truechimer_sys::clock::{self, Readings};
use truechimer_sys::udp::{SocketError, Stamps, UdpSocket};
use truechimer_time::{Mono, Span, Time};

use super::Trouble;
use crate::stamps::{to_raw, was_set_between};

/// So many datagrams are looked at in one go: nobody keeps us busy with rubbish.
const DATAGRAMS_MAX: usize = 16;

/// An exchange under way.
pub(crate) struct Underway {
    exchange: Exchange,
    socket: UdpSocket,
    /// The clocks when the question left.
    pub(crate) begun: Readings,
    /// Until then the answer is waited for.
    pub(crate) ends: Time<Mono>,
    /// The last thing that came and could not be used.
    pub(crate) refusal: Option<Refusal>,
}

impl Underway {
    /// Asks.
    pub(crate) fn begin(rng: &mut impl Rng, to: SocketAddr, timeout: Span) -> Result<Self, SocketError> {
        let mut exchange = Exchange::start(rng, to, None);
        let socket = UdpSocket::connect(to)?;
        // Without stamps the program's own readings do.
        socket.enable_stamps(Stamps::Both);
        let begun = clock::readings();
        socket.send(exchange.datagram())?;
        exchange.sent(Stamp { at: begun.raw, by: StampedBy::Program });
        Ok(Self { exchange, socket, begun, ends: begun.mono + timeout, refusal: None })
    }

    /// To be watched.
    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// What was heard, if anything was that belongs to the question, and when.
    pub(crate) fn listen(&mut self, rules: &Rules) -> Result<Option<(Heard, Readings)>, Trouble> {
        // One more than is read, so that what is too long is seen to be.
        let mut datagram = [0; DATAGRAM_MAX + 1];
        for _ in 0..DATAGRAMS_MAX {
            self.take_transmit_stamp().map_err(Trouble::Network)?;
            let Some(received) = self.socket.receive(&mut datagram).map_err(Trouble::Network)? else {
                return Ok(None);
            };
            let now = clock::readings();
            if was_set_between(&self.begun, &now) {
                return Err(Trouble::ClockSet);
            }
            let by_us = Stamp { at: now.raw, by: StampedBy::Program };
            let at = received.stamp.and_then(|stamp| to_raw(stamp, &now)).unwrap_or(by_us);
            match self.exchange.hear(received.from, at, &datagram[..received.len], rules) {
                Ok(heard) => return Ok(Some((heard, now))),
                Err(refusal) => self.refusal = Some(refusal),
            }
        }
        Ok(None)
    }

    /// The kernel's stamp is nearer to the wire than our own.
    fn take_transmit_stamp(&mut self) -> Result<(), SocketError> {
        while let Some(stamp) = self.socket.transmit_stamp()? {
            if let Some(sent) = to_raw(stamp.at, &clock::readings()) {
                self.exchange.sent(sent);
            }
        }
        Ok(())
    }
}

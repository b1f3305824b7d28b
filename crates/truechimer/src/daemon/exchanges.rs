//! The sockets of the questions: one for each exchange, connected, on a port that the kernel picks at random, closed
//! when the exchange is over (RFC 9109).

use std::net::SocketAddr;
use std::os::fd::AsFd;

use truechimer_core::measure::exchange::Here;
use truechimer_core::moment::{Stamp, StampedBy};
use truechimer_core::node::Input;
use truechimer_core::source::association::ExchangeId;
use truechimer_core::wire::DATAGRAM_MAX;
use truechimer_sys::clock;
use truechimer_sys::poll::{Interest, PollSet};
use truechimer_sys::udp::{SocketError, StampKeeper, Stamps, UdpSocket};

use crate::stamps;

/// How many datagrams of one socket are read in one turn: a flood on one does not keep the others waiting.
const TURN: usize = 8;

/// The exchanges under way.
#[derive(Default)]
pub struct Exchanges {
    /// Where we serve.
    serving: Vec<SocketAddr>,
    open: Vec<(ExchangeId, UdpSocket)>,
    stamping: Option<StampKeeper>,
}

impl Exchanges {
    /// No exchanges yet, but stamping has begun: the kernel needs a moment for it. Who serves at these places wants to
    /// know whether what it hears is its own echo.
    pub fn new(serving: Vec<SocketAddr>) -> Self {
        // A kernel that cannot stamp leaves it to us to read the clock.
        Self { serving, open: Vec::new(), stamping: StampKeeper::hold().ok() }
    }

    /// Does the kernel stamp what comes?
    pub fn is_stamping(&self) -> bool {
        self.stamping.is_some()
    }

    /// Sends a question. What comes of it: [`Input::Here`] if we serve, [`Input::Sent`], twice if the kernel's stamp is
    /// there at once, or [`Input::Unsent`].
    pub fn send(&mut self, exchange: ExchangeId, to: SocketAddr, question: &[u8]) -> Vec<Input> {
        match self.try_send(exchange, to, question) {
            Ok((here, stamps)) => {
                let here = here.map(|here| Input::Here { exchange, here });
                here.into_iter().chain(stamps.into_iter().map(|at| Input::Sent { exchange, at })).collect()
            }
            Err(error) => vec![unsent(exchange, &error)],
        }
    }

    fn try_send(
        &mut self,
        exchange: ExchangeId,
        to: SocketAddr,
        question: &[u8],
    ) -> Result<(Option<Here>, Vec<Stamp>), SocketError> {
        let socket = UdpSocket::connect(to)?;
        let here = self.here(&socket, to);
        socket.enable_stamps(Stamps::Both);
        let before = Stamp { at: clock::raw(), by: StampedBy::Program };
        socket.send(question)?;
        let kernel = transmit_stamp(&socket);
        self.open.push((exchange, socket));
        Ok((here, [Some(before), kernel].into_iter().flatten().collect()))
    }

    /// Where a question to `to` leaves from, if we serve: else nobody can have the time from us.
    fn here(&self, socket: &UdpSocket, to: SocketAddr) -> Option<Here> {
        let address = socket.local_address().ok().filter(|_| !self.serving.is_empty())?.ip();
        let answers = |place: &SocketAddr| {
            place.port() == to.port() && (place.ip() == to.ip() || place.ip().is_unspecified())
        };
        Some(Here { address, is_own_server: address == to.ip() && self.serving.iter().any(answers) })
    }

    /// The exchange is over.
    pub fn close(&mut self, exchange: ExchangeId) {
        self.open.retain(|(open, _)| *open != exchange);
    }

    /// Waits for all of them.
    pub fn register<T: Copy>(&self, poll: &mut PollSet<T>, token: impl Fn(ExchangeId) -> T) {
        for (exchange, socket) in &self.open {
            poll.add(socket.as_fd(), Interest::Read, token(*exchange));
        }
    }

    /// What has come for an exchange.
    pub fn hear(&self, exchange: ExchangeId) -> Vec<Input> {
        let Some((_, socket)) = self.open.iter().find(|(open, _)| *open == exchange) else {
            return Vec::new();
        };
        let mut inputs = Vec::new();
        if let Some(at) = transmit_stamp(socket) {
            inputs.push(Input::Sent { exchange, at });
        }
        for _ in 0..TURN {
            match receive(exchange, socket) {
                Ok(Some(input)) => inputs.push(input),
                Ok(None) => break,
                Err(error) => {
                    inputs.push(unsent(exchange, &error));
                    break;
                }
            }
        }
        inputs
    }
}

fn receive(exchange: ExchangeId, socket: &UdpSocket) -> Result<Option<Input>, SocketError> {
    let mut buffer = [0; DATAGRAM_MAX + 1];
    let Some(received) = socket.receive(&mut buffer)? else { return Ok(None) };
    let now = clock::readings();
    let by_program = Stamp { at: now.raw, by: StampedBy::Program };
    let at = received.stamp.and_then(|stamp| stamps::to_raw(stamp, &now)).unwrap_or(by_program);
    let datagram = buffer[..received.len].to_vec();
    Ok(Some(Input::Heard { exchange, from: received.from, at, datagram }))
}

/// The kernel's stamp of the question, if it has come. Without one the program's stands.
fn transmit_stamp(socket: &UdpSocket) -> Option<Stamp> {
    let stamp = socket.transmit_stamp().ok().flatten()?;
    stamps::to_raw(stamp.at, &clock::readings())
}

fn unsent(exchange: ExchangeId, error: &SocketError) -> Input {
    Input::Unsent { exchange, errno: error.errno() }
}

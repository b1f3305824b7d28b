//! Answering those who ask us for the time.
//!
//! The core says what to answer; here are only the sockets. What is told is the model's time, not the local clock's:
//! it is right even while the clock is still being slewed.

use std::net::SocketAddr;
use std::os::fd::AsFd;

use truechimer_core::discipline::model::Model;
use truechimer_core::moment::Moment;
use truechimer_core::server::Silence;
use truechimer_core::server::access::{AllowList, Prefix, PrefixesTooMany};
use truechimer_core::server::ntp::{Served, answer};
use truechimer_core::wire::DATAGRAM_MAX;
use truechimer_sys::clock::{self, Readings};
use truechimer_sys::poll::{Interest, PollSet};
use truechimer_sys::udp::{Received, SocketError, Stamps, UdpSocket};
use truechimer_time::{LeapTable, Raw, Time, Utc};

use crate::stamps;

/// How many questions of one socket are answered in one turn: our own measurements are not kept waiting.
const TURN: usize = 64;

/// The sockets that are asked, and who may ask.
pub struct Service {
    sockets: Vec<UdpSocket>,
    allowed: AllowList,
    counters: Counters,
}

/// What became of the datagrams that came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Questions answered.
    pub answered: u64,
    /// Datagrams left without an answer, by reason.
    pub silent: [u64; Silence::ALL.len()],
    /// Answers that the kernel did not take.
    pub unsent: u64,
}

/// What is told to all who ask in one turn.
pub struct Telling<'a> {
    /// What we say of our clock.
    pub served: Served,
    /// The time.
    pub model: Option<Model>,
    /// The leap seconds.
    pub leaps: &'a LeapTable,
}

impl Telling<'_> {
    /// The time in UTC at a reading of the counter; the local clock's, if nothing better is known.
    fn utc(&self, raw: Time<Raw>, now: &Moment) -> Time<Utc> {
        match &self.model {
            Some(model) => self.leaps.utc_of_tai(model.read(raw).best).time,
            None => Time::from_epoch((now.local - (now.raw - raw)).since_epoch()),
        }
    }
}

impl Service {
    /// Listens.
    pub fn new(places: &[SocketAddr], allowed: Vec<Prefix>) -> Result<Self, ServiceError> {
        let allowed = AllowList::new(allowed).map_err(ServiceError::Allow)?;
        let listen = |&place: &SocketAddr| {
            let socket = UdpSocket::bind(place).map_err(|error| ServiceError::Bind(place, error))?;
            socket.enable_stamps(Stamps::Received);
            Ok(socket)
        };
        let sockets = places.iter().map(listen).collect::<Result<_, ServiceError>>()?;
        Ok(Self { sockets, allowed, counters: Counters::default() })
    }

    /// Waits for questions.
    pub fn register<T: Copy>(&self, poll: &mut PollSet<T>, token: impl Fn(usize) -> T) {
        for (index, socket) in self.sockets.iter().enumerate() {
            poll.add(socket.as_fd(), Interest::Read, token(index));
        }
    }

    /// Answers the questions that wait at one socket.
    pub fn answer(&mut self, index: usize, telling: &Telling<'_>, moment: impl Fn(&Readings) -> Moment) {
        let Self { sockets, allowed, counters } = self;
        let Some(socket) = sockets.get(index) else { return };
        let mut buffer = [0; DATAGRAM_MAX + 1];
        for _ in 0..TURN {
            let received = match socket.receive(&mut buffer) {
                Ok(Some(received)) => received,
                Ok(None) => return,
                // About an earlier answer: its asker has gone.
                Err(_) => continue,
            };
            let readings = clock::readings();
            let now = moment(&readings);
            let outcome = allowed
                .admit(received.from)
                .and_then(|()| reply(&buffer[..received.len], &received, telling, (&readings, &now)));
            match outcome {
                Ok(reply) => match socket.send_to(&reply, received.from, received.destination) {
                    Ok(()) => counters.answered += 1,
                    Err(_) => counters.unsent += 1,
                },
                Err(silence) => counters.silent[silence.index()] += 1,
            }
        }
    }

    /// What became of what came.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Where it listens, as far as the kernel tells.
    pub fn places(&self) -> Vec<SocketAddr> {
        self.sockets.iter().filter_map(|socket| socket.local_address().ok()).collect()
    }
}

fn reply(
    question: &[u8],
    received: &Received,
    telling: &Telling<'_>,
    (readings, now): (&Readings, &Moment),
) -> Result<[u8; 48], Silence> {
    let came = received.stamp.and_then(|stamp| stamps::to_raw(stamp, readings));
    let came = came.map_or(now.raw, |stamp| stamp.at);
    let leaves = clock::raw();
    answer(question, telling.utc(came, now), telling.utc(leaves, now), &telling.served)
}

/// Why nothing can be served.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// A place is taken, or not ours.
    #[error("cannot listen on {0}: {1}")]
    Bind(SocketAddr, SocketError),
    /// Too many prefixes.
    #[error("[serve] allow: {0}")]
    Allow(PrefixesTooMany),
}

//! Answering those who ask us for the time.
//!
//! The core says what to answer; here are the threads, and in [`listening`] their sockets. Each [`worker`] has sockets of its
//! own at every place, and the kernel shares the clients out among them: one client always meets the same worker. What they
//! tell is the model's time, not the local clock's: it is right even while the clock is still being slewed.
//!
//! Connections, which only TIME knows, are a thread's of their own ([`connected`]): nobody waits for them.
//!
//! **Invariant:** nobody who answers may set the clock: the threads begin when the privileges are given up.
//!
//! **Invariant:** the daemon's loop waits for no worker, and no worker for the loop. They share what is told and what the
//! operator wants, as a whole that is replaced and never changed ([`Post`]).

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use arc_swap::{ArcSwap, ArcSwapOption};
use truechimer_core::server::access::{AllowList, PrefixesTooMany};
use truechimer_core::server::clients::Client;
use truechimer_core::server::desk::classic::Protocol;
use truechimer_core::server::desk::{Counters, Desk, Policy};
use truechimer_core::server::dial::Dial;
use truechimer_core::server::smear::Smear;
use truechimer_sys::clock;
use truechimer_sys::poll::{Interest, PollSet};
use truechimer_sys::udp::{SocketError, UdpSocket};
use truechimer_sys::wake::{self, Waker};
use truechimer_time::{LeapTable, Span};

use super::key_exchange::{self, KeyExchange, KeyExchangeError, Published, RingBytes};
use crate::config::{Keys, Serve};

mod alone;
mod connected;
mod listening;
mod worker;

use alone::Alone;
use connected::Connected;
pub use listening::{ListenError, Listening};
use worker::Worker;

/// What all workers are told, replaced as a whole.
struct Post {
    dial: Dial,
    policy: Arc<Policy>,
    /// How long the machine had slept when the dial was made: its counter stands still meanwhile.
    asleep: Span,
}

/// What the daemon's loop and its workers have in common.
struct Shared {
    post: ArcSwap<Post>,
    /// The keys of cookies, if NTS is served.
    ring: Arc<ArcSwapOption<RingBytes>>,
    is_over: AtomicBool,
}

/// A worker, as the daemon's loop sees it.
struct Hand {
    desk: Arc<Mutex<Desk>>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

/// A socket, and what is spoken there.
struct Door {
    protocol: Protocol,
    socket: UdpSocket,
}

/// Where is listened, as far as the kernel tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// For NTP.
    pub ntp: Vec<SocketAddr>,
    /// For TAICLOCK.
    pub taiclock: Vec<SocketAddr>,
    /// For TIME.
    pub time: Vec<SocketAddr>,
}

/// The server.
pub struct Service {
    places: Places,
    shared: Arc<Shared>,
    hands: Vec<Hand>,
    alone: Option<Alone>,
    connected: Option<Connected>,
    keys: Option<KeyExchange>,
    leap_smear: Option<Smear>,
}

impl Shared {
    /// What the key exchange has to do with us.
    fn published(self: &Arc<Self>) -> Published {
        let shared = Arc::clone(self);
        let is_synchronised = Arc::new(move || shared.post.load().dial.is_synchronised(clock::raw()));
        Published { ring: Arc::clone(&self.ring), is_synchronised }
    }
}

impl Service {
    fn hire(&mut self, doors: Vec<Door>, desk: Desk) -> io::Result<()> {
        let (waker, wakeups) = wake::channel()?;
        let desk = Arc::new(Mutex::new(desk));
        let worker = Worker::new(doors, wakeups, Arc::clone(&self.shared), Arc::clone(&desk));
        let thread = std::thread::Builder::new().name("ntp".to_owned());
        let thread = Some(thread.spawn(move || worker.run())?);
        self.hands.push(Hand { desk, waker, thread });
        Ok(())
    }

    /// Tells all clients from now on what this dial says, with leap seconds smeared if that is wanted.
    pub fn publish(&self, dial: Dial, leaps: &LeapTable, asleep: Span) {
        let dial = self.leap_smear.map_or(dial, |smear| dial.smeared(smear, leaps));
        let policy = Arc::clone(&self.shared.post.load().policy);
        self.shared.post.store(Arc::new(Post { dial, policy, asleep }));
    }

    /// Serves by another configuration from now on; where it listens and how many its workers are stays as it is.
    ///
    /// # Errors
    /// The configuration cannot be used; the old one stands.
    pub fn instruct(&self, serve: &Serve, keys: &Keys) -> Result<(), ServiceError> {
        let policy = Arc::new(policy(serve, keys)?);
        let post = self.shared.post.load();
        self.shared.post.store(Arc::new(Post { dial: post.dial, policy, asleep: post.asleep }));
        if let Some(keys) = &self.keys {
            keys.reload();
        }
        Ok(())
    }

    /// Waits for questions, where the daemon's loop is the one that answers them.
    pub fn register<T: Copy>(&self, poll: &mut PollSet<T>, token: impl Fn(usize) -> T) {
        for (index, door) in self.alone.iter().flat_map(|alone| alone.doors().iter().enumerate()) {
            poll.add(door.socket.as_fd(), Interest::Read, token(index));
        }
    }

    /// Answers the questions that wait at one socket.
    pub fn answer(&mut self, index: usize) {
        if let Some(alone) = &mut self.alone {
            alone.answer(index, &self.shared.post.load());
        }
    }

    /// What became of what came, at all desks.
    pub fn counters(&self) -> Counters {
        let mut sum = Counters::default();
        self.at_each_desk(|desk| sum = sum.plus(desk.counters()));
        sum
    }

    /// What became of those who came for keys, if any are given.
    pub fn key_exchanges(&self) -> Option<&key_exchange::Counts> {
        self.keys.as_ref().map(KeyExchange::counts)
    }

    /// Who asked, in no order.
    pub fn clients(&self) -> Vec<Client> {
        let mut all = Vec::new();
        self.at_each_desk(|desk| all.extend(desk.clients()));
        all
    }

    fn at_each_desk(&self, mut look: impl FnMut(&Desk)) {
        self.alone.iter().for_each(|alone| look(alone.desk()));
        for hand in &self.hands {
            look(&hand.desk.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Where it listens, as far as the kernel tells.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// How leap seconds are smeared, if they are.
    pub fn leap_smear(&self) -> Option<Smear> {
        self.leap_smear
    }
}

impl Drop for Service {
    /// The workers answer what they have, and go.
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        self.connected.iter().for_each(Connected::wake);
        self.hands.iter().for_each(|hand| hand.waker.wake());
        for thread in self.hands.iter_mut().filter_map(|hand| hand.thread.take()) {
            // A worker survives its own panics, and one that did not has been told of.
            let _ended = thread.join();
        }
    }
}

fn policy(serve: &Serve, keys: &Keys) -> Result<Policy, ServiceError> {
    let allowed = AllowList::new(&serve.allow, &serve.deny).map_err(ServiceError::Allow)?;
    Ok(Policy { allowed, rate: serve.rate, keys: keys.ring(&serve.keys) })
}

/// Why nothing can be served.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// A place is taken, or not ours, or not to be had by the interface that is wanted.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A socket that was handed over, and nothing is served there.
    #[error(
        "the supervisor hands over the socket \"{name}\" for {protocol} at {place}, which no key of [serve] names: name the \
         place there, or take it out of the supervisor's (ListenDatagram=, ListenStream=)"
    )]
    NotNamed {
        /// What the supervisor calls it.
        name: String,
        /// `UDP` or `TCP`.
        protocol: &'static str,
        /// Where it is.
        place: SocketAddr,
    },
    /// The kernel does not share clients out by their address.
    #[error("cannot share clients out among several workers: {0}: set `[serve] workers = 1`")]
    Share(SocketError),
    /// NTS cannot be served.
    #[error("[serve.nts]")]
    Nts(#[from] KeyExchangeError),
    /// No thread.
    #[error("cannot start a worker: {0}")]
    Thread(io::Error),
    /// Too many prefixes.
    #[error("[serve] allow, deny: {0}")]
    Allow(PrefixesTooMany),
}

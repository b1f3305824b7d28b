//! Answering those who ask us for the time.
//!
//! The core says what to answer; here are the sockets and the threads. Each [`worker`] has sockets of its own at every place,
//! and the kernel shares the clients out among them: one client always meets the same worker. What they tell is the
//! model's time, not the local clock's: it is right even while the clock is still being slewed.
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
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use truechimer_core::server::access::{AllowList, PrefixesTooMany};
use truechimer_core::server::clients::Client;
use truechimer_core::server::desk::{Counters, Desk, Policy};
use truechimer_core::server::dial::Dial;
use truechimer_sys::clock;
use truechimer_sys::poll::{Interest, PollSet};
use truechimer_sys::udp::{SocketError, Stamps, UdpSocket};
use truechimer_sys::wake::{self, Waker};
use truechimer_time::{Span, Time};

use super::key_exchange::{self, KeyExchange, KeyExchangeError, Prepared, Published, RingBytes};
use crate::config::{Keys, Serve};

mod alone;
mod worker;

use alone::Alone;
use worker::Worker;

/// So many bytes may wait at each socket, if the kernel allows: some thousand questions.
const ROOM: u32 = 1 << 20;

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

/// The server.
pub struct Service {
    places: Vec<SocketAddr>,
    shared: Arc<Shared>,
    hands: Vec<Hand>,
    alone: Option<Alone>,
    keys: Option<KeyExchange>,
}

impl Shared {
    /// What the key exchange has to do with us.
    fn published(self: &Arc<Self>) -> Published {
        let shared = Arc::clone(self);
        let is_synchronised = Arc::new(move || shared.post.load().dial.is_synchronised(clock::raw()));
        Published { ring: Arc::clone(&self.ring), is_synchronised }
    }
}

fn drawn(rng: &mut ChaCha20Rng) -> [u8; 32] {
    let mut seed = [0; 32];
    rng.fill_bytes(&mut seed);
    seed
}

/// A server that is still to begin: it listens already, which may take privileges that nobody who answers has.
pub struct Listening {
    places: Vec<SocketAddr>,
    crews: Crews,
    policy: Arc<Policy>,
    /// How many clients each desk remembers.
    clients: usize,
    nts: Option<Prepared>,
    /// All chance of the server.
    rng: ChaCha20Rng,
}

/// Who answers.
enum Crews {
    /// Threads, each at these sockets.
    Workers(Vec<Vec<UdpSocket>>),
    /// The daemon's loop itself, at these.
    Alone(Vec<UdpSocket>),
}

impl Listening {
    /// Listens. Under a simulator (`is_alone`) the daemon's loop answers itself.
    ///
    /// # Errors
    /// A place cannot be listened at, or NTS cannot be prepared.
    pub fn at(serve: &Serve, keys: &Keys, seed: [u8; 32], is_alone: bool) -> Result<Self, ServiceError> {
        let mut rng = ChaCha20Rng::from_seed(seed);
        let nts = serve.nts.as_ref().filter(|_| !is_alone);
        let nts = nts.map(|nts| Prepared::new(nts, drawn(&mut rng))).transpose()?;
        let policy = Arc::new(policy(serve, keys)?);
        let (places, crews, desks) = match is_alone {
            true => {
                let sockets = alone::listen(&serve.ntp)?;
                (places_of(&sockets), Crews::Alone(sockets), 1)
            }
            false => {
                let crews = crews(serve)?;
                (places_of(&crews[0]), Crews::Workers(crews), serve.workers as usize)
            }
        };
        Ok(Self { places, crews, policy, clients: serve.clients.div_ceil(desks), nts, rng })
    }

    /// Where it listens, as far as the kernel tells.
    pub fn places(&self) -> &[SocketAddr] {
        &self.places
    }

    /// Answers from now on: at first that the time is not known.
    ///
    /// # Errors
    /// No thread is to be had.
    pub fn begin(self) -> Result<Service, ServiceError> {
        let Self { places, crews, policy, clients, nts, mut rng } = self;
        let now = clock::readings();
        let dial = Dial::unsynchronised(now.raw, Time::from_epoch(now.realtime.since_epoch()));
        let post = Post { dial, policy, asleep: now.asleep };
        let shared = Arc::new(Shared {
            post: ArcSwap::from_pointee(post),
            ring: Arc::default(),
            is_over: AtomicBool::new(false),
        });
        let keys = nts.map(|nts| nts.begin(shared.published())).transpose()?;
        let mut service = Service { places, shared, hands: Vec::new(), alone: None, keys };
        match crews {
            Crews::Alone(sockets) => {
                service.alone = Some(Alone::new(sockets, Desk::new(clients, drawn(&mut rng))));
            }
            Crews::Workers(crews) => {
                for sockets in crews {
                    let desk = Desk::new(clients, drawn(&mut rng));
                    service.hire(sockets, desk).map_err(ServiceError::Thread)?;
                }
            }
        }
        Ok(service)
    }
}

/// The sockets of all workers. Their order at a place is what clients are shared out by.
fn crews(serve: &Serve) -> Result<Vec<Vec<UdpSocket>>, ServiceError> {
    let first = listen(&serve.ntp)?;
    let places = places_of(&first);
    let mut crews = vec![first];
    for _ in 1..serve.workers {
        crews.push(listen(&places)?);
    }
    if serve.workers > 1 {
        let share = |socket: &UdpSocket| socket.steer_by_sender(serve.workers).map_err(ServiceError::Share);
        crews[0].iter().try_for_each(share)?;
    }
    Ok(crews)
}

impl Service {
    fn hire(&mut self, sockets: Vec<UdpSocket>, desk: Desk) -> io::Result<()> {
        let (waker, wakeups) = wake::channel()?;
        let desk = Arc::new(Mutex::new(desk));
        let worker = Worker::new(sockets, wakeups, Arc::clone(&self.shared), Arc::clone(&desk));
        let thread = std::thread::Builder::new().name("ntp".to_owned());
        let thread = Some(thread.spawn(move || worker.run())?);
        self.hands.push(Hand { desk, waker, thread });
        Ok(())
    }

    /// Tells all clients from now on what this dial says.
    pub fn publish(&self, dial: Dial, asleep: Span) {
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
        for (index, socket) in self.alone.iter().flat_map(|alone| alone.sockets().iter().enumerate()) {
            poll.add(socket.as_fd(), Interest::Read, token(index));
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
    pub fn places(&self) -> &[SocketAddr] {
        &self.places
    }
}

impl Drop for Service {
    /// The workers answer what they have, and go.
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        self.hands.iter().for_each(|hand| hand.waker.wake());
        for thread in self.hands.iter_mut().filter_map(|hand| hand.thread.take()) {
            // A worker survives its own panics, and one that did not has been told of.
            let _ended = thread.join();
        }
    }
}

/// A socket at each place, which others may share.
fn listen(places: &[SocketAddr]) -> Result<Vec<UdpSocket>, ServiceError> {
    let listen = |&place: &SocketAddr| {
        let socket = UdpSocket::bind_shared(place).map_err(|error| ServiceError::Bind(place, error))?;
        socket.enable_stamps(Stamps::Wished);
        socket.make_room(ROOM);
        Ok(socket)
    };
    places.iter().map(listen).collect()
}

fn places_of(sockets: &[UdpSocket]) -> Vec<SocketAddr> {
    sockets.iter().filter_map(|socket| socket.local_address().ok()).collect()
}

fn policy(serve: &Serve, keys: &Keys) -> Result<Policy, ServiceError> {
    let allowed = AllowList::new(&serve.allow, &serve.deny).map_err(ServiceError::Allow)?;
    Ok(Policy { allowed, rate: serve.rate, keys: keys.ring(&serve.keys) })
}

/// Why nothing can be served.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// A place is taken, or not ours.
    #[error("cannot listen on {0}: {1}")]
    Bind(SocketAddr, SocketError),
    /// The kernel does not share clients out by their address.
    #[error("cannot share clients out among several workers: {0}: set `[serve] workers = 1`")]
    Share(SocketError),
    /// NTS cannot be served.
    #[error("[serve.nts]: {0}")]
    Nts(#[from] KeyExchangeError),
    /// No thread.
    #[error("cannot start a worker: {0}")]
    Thread(io::Error),
    /// Too many prefixes.
    #[error("[serve] allow, deny: {0}")]
    Allow(PrefixesTooMany),
}

//! Giving keys for NTS to those who ask (RFC 8915, section 4), and keeping the keys of our cookies.
//!
//! A thread of its own does both, so that neither a slow client nor a slow disk keeps anybody waiting for the time: the
//! workers get the keys of cookies as a whole that is replaced. It has at most [`CONNECTIONS_MAX`] connections, each for
//! [`PATIENCE`] at most, and of one client only so many.
//!
//! **Invariant:** nothing that happens here touches the clock or what is known of the time.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use truechimer_core::server::clients::{Admission, Clients, RateRule};
use truechimer_core::wire::nts_ke::server_name::ServerName;
use truechimer_sys::clock;
use truechimer_sys::poll::{Interest, PollSet};
use truechimer_sys::wake::{self, Waker, Wakeups};
use truechimer_time::{Mono, Span, Time, Utc};

use super::serving::ListenError;
use crate::config::ServeNts;

mod certificate;
mod connection;
mod rings;

pub use certificate::{CertificateError, CertificateFiles};
pub use rings::{Published, RingBytes, RingError};

use certificate::Certificate;
use connection::{Connection, Progress};
use rings::Rings;

/// So many connections there are at most; others wait in the kernel.
pub const CONNECTIONS_MAX: usize = 64;

/// So long a connection lasts at most.
pub const PATIENCE: Span = Span::from_secs(5);

/// How often one client may come: keys last for days. A network of many clients behind one address has its burst.
const RATE: RateRule = RateRule { interval: Span::from_secs(2), burst: 32 };

/// So many clients are remembered for that.
const CLIENTS: usize = 4096;

/// The keys of cookies are looked after this often.
const LOOK: Span = Span::from_secs(10);

/// A key exchange that is still to begin: what takes privileges is done.
pub struct Prepared {
    listeners: Vec<TcpListener>,
    certificate: Option<Certificate>,
    rings: Rings,
    told: Told,
}

/// What clients are told besides keys.
struct Told {
    server: Option<String>,
    port: Option<u16>,
}

/// What became of those who came.
#[derive(Debug, Default)]
pub struct Counts {
    /// They got keys.
    pub granted: AtomicU64,
    /// They got an answer without keys, or none.
    pub failed: AtomicU64,
    /// They came too often.
    pub limited: AtomicU64,
}

/// The thread, as the daemon's loop sees it.
pub struct KeyExchange {
    counts: Arc<Counts>,
    orders: Arc<Orders>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Orders {
    is_over: AtomicBool,
    reload: AtomicBool,
}

impl Prepared {
    /// Listens in the given way, and reads certificate and keys.
    ///
    /// # Errors
    /// Any of that cannot be done.
    pub fn new(
        nts: &ServeNts,
        seed: [u8; 32],
        mut listen: impl FnMut(SocketAddr) -> Result<TcpListener, ListenError>,
    ) -> Result<Self, KeyExchangeError> {
        let listeners = nts.listen.iter().map(|place| listen(*place)).collect::<Result<Vec<_>, _>>()?;
        let certificate = nts.certificate.as_ref().filter(|_| !listeners.is_empty());
        let certificate = certificate.map(|files| Certificate::load(files.clone())).transpose()?;
        let turn = (!listeners.is_empty()).then_some(nts.turn);
        let rings = Rings::new(nts.ring.clone(), turn, ChaCha20Rng::from_seed(seed));
        let told = Told { server: nts.server.as_ref().map(ServerName::to_string), port: nts.port };
        Ok(Self { listeners, certificate, rings, told })
    }

    /// Gives keys from now on, and publishes those of cookies.
    ///
    /// # Errors
    /// The keys of cookies cannot be kept, or no thread is to be had.
    pub fn begin(self, published: Published) -> Result<KeyExchange, KeyExchangeError> {
        let Self { listeners, certificate, mut rings, told } = self;
        rings.open(&published)?;
        let (waker, wakeups) = wake::channel().map_err(KeyExchangeError::Thread)?;
        let (counts, orders) = (Arc::new(Counts::default()), Arc::new(Orders::default()));
        let mut clients = Clients::new(CLIENTS, rings.secret());
        clients.keep_to(Some(&RATE));
        let room = Room {
            listeners,
            certificate,
            rings,
            told,
            published,
            wakeups,
            clients,
            connections: Vec::new(),
            counts: Arc::clone(&counts),
            orders: Arc::clone(&orders),
        };
        let thread = std::thread::Builder::new().name("ntske".to_owned());
        let thread = Some(thread.spawn(move || room.run()).map_err(KeyExchangeError::Thread)?);
        Ok(KeyExchange { counts, orders, waker, thread })
    }
}

impl KeyExchange {
    /// Reads certificate and keys anew; what is under way goes on.
    pub fn reload(&self) {
        self.orders.reload.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// What became of those who came.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }
}

impl Drop for KeyExchange {
    fn drop(&mut self) {
        self.orders.is_over.store(true, Ordering::Release);
        self.waker.wake();
        if let Some(thread) = self.thread.take() {
            // One that has panicked has said so.
            let _ended = thread.join();
        }
    }
}

/// What is ready.
#[derive(Clone, Copy)]
enum Token {
    Wake,
    Listener(usize),
    Connection,
}

/// The thread's own.
struct Room {
    listeners: Vec<TcpListener>,
    certificate: Option<Certificate>,
    rings: Rings,
    told: Told,
    published: Published,
    wakeups: Wakeups,
    clients: Clients,
    connections: Vec<Connection>,
    counts: Arc<Counts>,
    orders: Arc<Orders>,
}

impl Room {
    fn run(mut self) {
        while !self.orders.is_over.load(Ordering::Acquire) {
            let ready = self.sleep();
            if self.orders.reload.swap(false, Ordering::AcqRel) {
                self.reload();
            }
            self.clients.look_up(clock::mono());
            for token in ready {
                match token {
                    Token::Wake => drop(self.wakeups.drain()),
                    Token::Listener(index) => self.accept(index),
                    Token::Connection => {}
                }
            }
            self.go_on(clock::mono());
            self.rings.look_after(&self.published);
        }
    }

    /// Until something is ready. What cannot be waited for is tried again in a moment.
    fn sleep(&self) -> Vec<Token> {
        let mut poll = PollSet::new();
        poll.add(self.wakeups.as_fd(), Interest::Read, Token::Wake);
        if self.connections.len() < CONNECTIONS_MAX {
            for (index, listener) in self.listeners.iter().enumerate() {
                poll.add(listener.as_fd(), Interest::Read, Token::Listener(index));
            }
        }
        for connection in &self.connections {
            let (fd, interest) = connection.interest();
            poll.add(fd, interest, Token::Connection);
        }
        let now = clock::mono();
        let deadline = self.connections.iter().map(Connection::ends).fold(now + LOOK, Time::min);
        poll.wait(Some(deadline - now))
            .map(|ready| ready.map(|event| event.token).collect())
            .unwrap_or_default()
    }

    fn accept(&mut self, index: usize) {
        while self.connections.len() < CONNECTIONS_MAX {
            // Nobody there any more, or no descriptor for him: those who wait, wait in the kernel.
            let Ok((stream, from)) = self.listeners[index].accept() else { return };
            let Some(certificate) = &self.certificate else { return };
            // A connection cannot be forged, so nobody is let in for the sake of another.
            if self.clients.admit(from.ip()) != Admission::Admitted {
                self.counts.limited.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            match Connection::new(stream, certificate.config(), clock::mono() + PATIENCE) {
                Ok(connection) => self.connections.push(connection),
                Err(_) => drop(self.counts.failed.fetch_add(1, Ordering::Relaxed)),
            }
        }
    }

    fn go_on(&mut self, now: Time<Mono>) {
        let Self { connections, rings, told, counts, .. } = self;
        connections.retain_mut(|connection| {
            let progress = connection.go_on(now, |request, keys| rings.answer(request, keys, told));
            let count = match progress {
                Progress::Under => return true,
                Progress::Granted => &counts.granted,
                Progress::Failed => &counts.failed,
            };
            count.fetch_add(1, Ordering::Relaxed);
            false
        });
    }

    /// What cannot be read leaves all as it was, and that is said.
    fn reload(&mut self) {
        if let Some(Err(error)) = self.certificate.as_mut().map(Certificate::reload) {
            eprintln!("error: {error}: the old certificate stays in use");
        }
        self.rings.reload(&self.published);
    }
}

/// What the clock says. It is asked only when it is known to be right.
fn utc() -> Time<Utc> {
    Time::from_epoch(clock::realtime().since_epoch())
}

/// Why no keys can be given.
#[derive(Debug, thiserror::Error)]
pub enum KeyExchangeError {
    /// A place is taken, or not ours, or not to be had by the interface that is wanted.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// No certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// No keys of cookies.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// No thread.
    #[error("cannot start the thread for key exchanges: {0}")]
    Thread(io::Error),
}

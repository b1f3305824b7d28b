//! A network between a client and one server: delay, jitter and loss each way, and a cut.
//!
//! It knows as much NTP as to find the way back: an answer repeats the transmit stamp of its question. One thread, a
//! bounded memory, and an end with the value.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use std::os::fd::AsFd;
use truechimer_sim::chance::Stream;
use truechimer_sim::network::PathSpec;
use truechimer_sys::poll::{Interest, PollSet};
use truechimer_time::Span;

use crate::ntp;

/// So many datagrams are on the way at once; more are lost, as on a real network.
const UNDER_WAY_MAX: usize = 256;

/// poll(2) sleeps by the millisecond. What is due sooner is waited for in steps as short as this.
const NAP: Duration = Duration::from_micros(100);

/// The longest sleep, so that the end is seen.
const SLEEP_MAX: Duration = Duration::from_millis(50);

/// What a network does to datagrams.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    /// The least delay to the server.
    pub(crate) there: Duration,
    /// The least delay from the server.
    pub(crate) back: Duration,
    /// More delay, exponentially distributed, of this mean.
    pub(crate) jitter: Duration,
    /// The share of datagrams that are lost.
    pub(crate) loss: f64,
}

/// A network with a server behind it.
pub(crate) struct Relay {
    /// Where the server is to be asked.
    pub(crate) place: SocketAddr,
    switches: Arc<Switches>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Switches {
    is_cut: AtomicBool,
    is_over: AtomicBool,
}

impl Relay {
    /// Stands before a server. All chance comes from the seed.
    pub(crate) fn before(server: SocketAddr, path: Path, seed: u64) -> Self {
        Self::with(server, path, Stream::new(seed, "relay"))
    }

    /// Stands before a server, with the luck that a path of the simulator has with the same stream.
    pub(crate) fn lucky(server: SocketAddr, path: &PathSpec, luck: Stream) -> Self {
        let duration = |span: Span| Duration::from_secs_f64(span.as_seconds());
        let (there, back) = (path.base + path.asymmetry.half(), path.base - path.asymmetry.half());
        let [there, back, jitter] = [there, back, path.jitter].map(duration);
        Self::with(server, Path { there, back, jitter, loss: path.loss }, luck)
    }

    fn with(server: SocketAddr, path: Path, chance: Stream) -> Self {
        let asked = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let asking = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        asking.connect(server).unwrap();
        for socket in [&asked, &asking] {
            socket.set_nonblocking(true).unwrap();
        }
        let place = asked.local_addr().unwrap();
        let switches = Arc::new(Switches::default());
        let wire = Wire { asked, asking, path, chance, under_way: Vec::new(), questions: VecDeque::new() };
        let thread = std::thread::spawn({
            let switches = Arc::clone(&switches);
            move || wire.carry(&switches)
        });
        Self { place, switches, thread: Some(thread) }
    }

    /// From now on nothing comes through, not even what is on the way.
    pub(crate) fn cut(&self) {
        self.switches.is_cut.store(true, Ordering::Relaxed);
    }

    /// Things come through again.
    pub(crate) fn mend(&self) {
        self.switches.is_cut.store(false, Ordering::Relaxed);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.switches.is_over.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        if let (Some(Err(_)), false) = (ended, std::thread::panicking()) {
            panic!("the relay has failed");
        }
    }
}

/// What the thread of a relay owns.
struct Wire {
    asked: UdpSocket,
    asking: UdpSocket,
    path: Path,
    chance: Stream,
    under_way: Vec<Parcel>,
    questions: VecDeque<(u64, SocketAddr)>,
}

/// A datagram on the way, to whom if not to the server.
struct Parcel {
    due: Instant,
    bytes: [u8; 48],
    to: Option<SocketAddr>,
}

impl Wire {
    fn carry(mut self, switches: &Switches) {
        let mut poll = PollSet::new();
        while !switches.is_over.load(Ordering::Relaxed) {
            self.rest(&mut poll).expect("poll(2) on two sockets works");
            self.take_in();
            if switches.is_cut.load(Ordering::Relaxed) {
                self.under_way.clear();
            }
            self.deliver();
        }
    }

    /// Sleeps until something comes or is due.
    fn rest(&self, poll: &mut PollSet<()>) -> io::Result<()> {
        let due = self.under_way.iter().map(|parcel| parcel.due).min();
        let left = due.map_or(SLEEP_MAX, |due| due.saturating_duration_since(Instant::now())).min(SLEEP_MAX);
        if left < Duration::from_millis(2) {
            std::thread::sleep(left.min(NAP));
            return Ok(());
        }
        poll.clear();
        poll.add(self.asked.as_fd(), Interest::Read, ());
        poll.add(self.asking.as_fd(), Interest::Read, ());
        let left = left - Duration::from_millis(1);
        poll.wait(Some(Span::from_micros(left.as_micros() as i64))).map(drop)
    }

    fn take_in(&mut self) {
        let mut bytes = [0; 48];
        while let Ok((48, from)) = self.asked.recv_from(&mut bytes) {
            let mark = u64::from_be_bytes(bytes[40..].try_into().unwrap());
            self.questions.truncate(UNDER_WAY_MAX);
            self.questions.push_front((mark, from));
            self.post(self.path.there, bytes, None);
        }
        // A server that has died makes the socket say so: nothing came, then.
        while let Ok(48) = self.asking.recv(&mut bytes) {
            let asker = self.questions.iter().find(|(mark, _)| *mark == ntp::origin(&bytes));
            if let Some((_, asker)) = asker {
                self.post(self.path.back, bytes, Some(*asker));
            }
        }
    }

    fn post(&mut self, delay: Duration, bytes: [u8; 48], to: Option<SocketAddr>) {
        let jitter = self.path.jitter.mul_f64(self.chance.exponential());
        let is_lost = self.chance.happens(self.path.loss);
        if !is_lost && self.under_way.len() < UNDER_WAY_MAX {
            self.under_way.push(Parcel { due: Instant::now() + delay + jitter, bytes, to });
        }
    }

    fn deliver(&mut self) {
        let now = Instant::now();
        let Self { asked, asking, under_way, .. } = self;
        under_way.retain(|parcel| {
            let is_due = parcel.due <= now;
            if is_due {
                // Whoever has gone in the meantime gets nothing.
                let _ = match parcel.to {
                    Some(asker) => asked.send_to(&parcel.bytes, asker),
                    None => asking.send(&parcel.bytes),
                };
            }
            !is_due
        });
    }
}

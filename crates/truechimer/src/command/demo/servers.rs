//! The servers of the demonstration, and the network in front of them.
//!
//! One thread serves all four. A question that comes is held for as long as its way there would take, stamped, answered
//! by the same function that our real server answers with, and held again for the way back.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use truechimer_core::server::ntp::{Served, answer};
use truechimer_core::wire::DATAGRAM_MAX;
use truechimer_sim::chance::Stream;
use truechimer_sys::clock;
use truechimer_sys::poll::{Interest, PollSet};
use truechimer_sys::udp::{Stamps, UdpSocket};
use truechimer_time::{LeapTable, Raw, Span, Tai, Time, Utc};

use super::truth::Truth;
use crate::stamps;

/// One server and the way to it.
pub struct Way {
    /// Its operator.
    pub name: &'static str,
    /// The shortest delay, each way.
    pub base: Span,
    /// The mean of what comes on top by chance, each way.
    pub jitter: Span,
    /// How far its clock is off.
    pub error: Span,
}

/// The cast. Delays as a machine in Europe sees them; charlie lies.
pub const WAYS: [Way; 4] = [
    Way { name: "alfa", base: Span::from_micros(1_500), jitter: Span::from_micros(200), error: Span::ZERO },
    Way { name: "bravo", base: Span::from_micros(4_000), jitter: Span::from_micros(400), error: Span::ZERO },
    Way {
        name: "charlie",
        base: Span::from_micros(2_500),
        jitter: Span::from_micros(300),
        error: Span::from_secs(3),
    },
    Way { name: "delta", base: Span::from_micros(7_000), jitter: Span::from_micros(700), error: Span::ZERO },
];

/// Chance is the same in every demonstration; the machine's own is not.
const SEED: u64 = 1;

/// What servers say of themselves.
const DISPERSION: Span = Span::from_micros(20);

/// The servers at work. They end with this.
pub struct Servers {
    places: Vec<SocketAddr>,
    is_cut: Arc<AtomicBool>,
    is_over: Arc<AtomicBool>,
}

impl Servers {
    /// Starts them on free ports of loopback.
    pub fn start(truth: Truth) -> io::Result<Self> {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let bind = |_: &Way| UdpSocket::bind(any).map_err(io::Error::other);
        let sockets: Vec<UdpSocket> = WAYS.iter().map(bind).collect::<io::Result<_>>()?;
        let place = |socket: &UdpSocket| socket.local_address().map_err(io::Error::other);
        let places = sockets.iter().map(place).collect::<io::Result<_>>()?;
        let (is_cut, is_over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let network = Network {
            truth,
            sockets,
            chance: WAYS.iter().map(|way| Stream::new(SEED, way.name)).collect(),
            held: Vec::new(),
            is_cut: Arc::clone(&is_cut),
            is_over: Arc::clone(&is_over),
        };
        thread::Builder::new().name("network".into()).spawn(move || network.run())?;
        Ok(Self { places, is_cut, is_over })
    }

    /// Where they are, in the order of [`WAYS`].
    pub fn places(&self) -> impl Iterator<Item = SocketAddr> {
        self.places.iter().copied()
    }

    /// Cuts the network: nothing comes through any more.
    pub fn cut(&self) {
        self.is_cut.store(true, Ordering::Relaxed);
    }

    /// Who is who, for the programme.
    pub fn cast(&self) -> String {
        let line = |(way, place): (&Way, &SocketAddr)| {
            let honesty = if way.error.is_zero() { "honest" } else { "3 s off, and swears it is not" };
            let (base, jitter) = (way.base.as_seconds() * 1e3, way.jitter.as_seconds() * 1e3);
            format!("  {:<8} {place:<16} {base:.1} ms away, jitter {jitter:.1} ms, {honesty}\n", way.name)
        };
        WAYS.iter().zip(&self.places).map(line).collect()
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// Something under way.
struct Held {
    until: Time<Raw>,
    server: usize,
    client: SocketAddr,
    packet: Packet,
}

enum Packet {
    Question(Vec<u8>),
    Answer([u8; 48]),
}

struct Network {
    truth: Truth,
    sockets: Vec<UdpSocket>,
    chance: Vec<Stream>,
    held: Vec<Held>,
    is_cut: Arc<AtomicBool>,
    is_over: Arc<AtomicBool>,
}

impl Network {
    fn run(mut self) {
        for socket in &self.sockets {
            socket.enable_stamps(Stamps::Received);
        }
        let mut poll = PollSet::with_cap(Span::from_millis(50));
        while !self.is_over.load(Ordering::Relaxed) {
            poll.clear();
            for socket in &self.sockets {
                poll.add(socket.as_fd(), Interest::Read, ());
            }
            // The kernel wakes us a little late; the rest of the way is waited out below.
            let next = self.held.iter().map(|held| held.until).min();
            let wait = next.map(|until| (until - clock::raw() - Span::from_millis(1)).max(Span::ZERO));
            if poll.wait(wait).is_err() {
                return;
            }
            self.collect();
            self.deliver();
        }
    }

    /// Takes questions in and sends them on their way.
    fn collect(&mut self) {
        for server in 0..self.sockets.len() {
            let mut buffer = [0; DATAGRAM_MAX];
            while let Ok(Some(received)) = self.sockets[server].receive(&mut buffer) {
                let now = clock::readings();
                let came = received.stamp.and_then(|stamp| stamps::to_raw(stamp, &now));
                let came = came.map_or(now.raw, |stamp| stamp.at);
                let packet = Packet::Question(buffer[..received.len].to_vec());
                self.hold(came, server, received.from, packet);
            }
        }
    }

    fn hold(&mut self, from: Time<Raw>, server: usize, client: SocketAddr, packet: Packet) {
        let way = &WAYS[server];
        let jitter = Span::from_seconds(way.jitter.as_seconds() * self.chance[server].exponential());
        self.held.push(Held { until: from + way.base + jitter, server, client, packet });
    }

    /// Lets arrive what has been on its way long enough.
    fn deliver(&mut self) {
        let soon = clock::raw() + Span::from_millis(2);
        let (mut due, held): (Vec<Held>, Vec<Held>) =
            std::mem::take(&mut self.held).into_iter().partition(|held| held.until <= soon);
        self.held = held;
        due.sort_by_key(|held| held.until);
        for held in due {
            while clock::raw() < held.until {
                std::hint::spin_loop();
            }
            if !self.is_cut.load(Ordering::Relaxed) {
                self.arrive(held);
            }
        }
    }

    fn arrive(&mut self, held: Held) {
        match held.packet {
            Packet::Question(question) => {
                let now = clock::raw();
                let error = WAYS[held.server].error;
                let utc = |raw| utc(self.truth.at(raw) + error);
                let served = Served::of_reference_clock(*b"DEMO", DISPERSION, utc(now));
                if let Ok(reply) = answer(&question, utc(now), utc(clock::raw()), &served) {
                    self.hold(now, held.server, held.client, Packet::Answer(reply));
                }
            }
            // A client that has gone away misses nothing.
            Packet::Answer(reply) => drop(self.sockets[held.server].send_to(&reply, held.client, None)),
        }
    }
}

fn utc(tai: Time<Tai>) -> Time<Utc> {
    LeapTable::COMPILED.utc_of_tai(tai).time
}

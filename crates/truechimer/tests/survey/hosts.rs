//! Two thousand hosts on loopback, of two threads: what each speaks and how wrong its clock is follows from its address.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use truechimer_core::server::ntp::{Served, answer};
use truechimer_core::wire::ntp::Leap;
use truechimer_core::wire::{daytime, taiclock, time37};
use truechimer_sys::poll::{Interest, PollSet};
use truechimer_sys::udp::UdpSocket;
use truechimer_sys::{clock, tcp};
use truechimer_time::tai64::Tai64NA;
use truechimer_time::{Civil, LeapTable, NtpPrecision, Span, Time, Utc};

/// What a host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ntp,
    Liar,
    Unsynchronised,
    Silent,
    Taiclock,
    Time,
    Daytime,
    Http,
    TimeTcp,
}

/// How fast the clock of the host at [`DRIFTING`] gains: less than a clock may, by what every bound relies upon.
pub(crate) const DRIFT_PPM: f64 = 400.0;

/// The host whose clock drifts.
const DRIFTING: Ipv4Addr = Ipv4Addr::new(127, 78, 0, 1);

/// When its clock was right.
static DRIFTS_SINCE: std::sync::OnceLock<Span> = std::sync::OnceLock::new();

impl Kind {
    /// The name of what it speaks.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Ntp | Self::Liar | Self::Unsynchronised | Self::Silent => "ntp",
            Self::Taiclock => "taiclock",
            Self::Time => "time",
            Self::Daytime => "daytime",
            Self::Http => "http",
            Self::TimeTcp => "time-tcp",
        }
    }
}

/// A host and its clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub(crate) kind: Kind,
    /// How far it is ahead of the clock of this machine, in seconds.
    pub(crate) ahead: f64,
}

impl Clock {
    /// Of every hundred hosts one lies, two are silent, one is not synchronised.
    pub(crate) fn of(address: Ipv4Addr) -> Self {
        let [_, _, high, low] = address.octets();
        let number = usize::from(high) * 250 + usize::from(low) - 1;
        let kind = match (number % 100, number % 10) {
            (7, _) => Kind::Liar,
            (11 | 61, _) => Kind::Silent,
            (3, _) => Kind::Unsynchronised,
            (_, 0..=4) => Kind::Ntp,
            (_, 5) => Kind::Taiclock,
            (_, 6) => Kind::Time,
            (_, 7) => Kind::Daytime,
            (_, 8) => Kind::Http,
            _ => Kind::TimeTcp,
        };
        let ahead = match kind {
            Kind::Liar => 5.0,
            // Within what they claim.
            Kind::Ntp => (number % 200) as f64 * 1e-6 - 1e-4,
            _ => (number % 97) as f64 * 0.037 - 2.0,
        };
        Self { kind, ahead }
    }

    fn now(address: Ipv4Addr) -> Time<Utc> {
        let now = clock::realtime().since_epoch();
        if address == DRIFTING {
            let since = *DRIFTS_SINCE.get_or_init(|| now);
            return Time::from_epoch(now + Span::from_seconds((now - since).as_seconds() * DRIFT_PPM * 1e-6));
        }
        Time::from_epoch(now + Span::from_nanos((Self::of(address).ahead * 1e9).round() as i64))
    }
}

/// The hosts, for as long as this lives.
pub(crate) struct Hosts {
    ports: Vec<(Kind, u16)>,
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

const BY_DATAGRAM: [Kind; 4] = [Kind::Ntp, Kind::Taiclock, Kind::Time, Kind::Daytime];
const BY_STREAM: [Kind; 2] = [Kind::Http, Kind::TimeTcp];

/// How often it is looked whether the test is over.
const LOOK: Span = Span::from_millis(100);

impl Hosts {
    pub(crate) fn start() -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let sockets = BY_DATAGRAM.map(|kind| (kind, UdpSocket::bind(ANY).unwrap()));
        let listeners = BY_STREAM.map(|kind| (kind, tcp::listen(ANY).unwrap()));
        sockets.iter().for_each(|(_, socket)| socket.make_room(1 << 20));
        let ports = sockets
            .iter()
            .map(|(kind, socket)| (*kind, socket.local_address().unwrap().port()))
            .chain(listeners.iter().map(|(kind, listener)| (*kind, listener.local_addr().unwrap().port())))
            .collect();
        let (one, other) = (Arc::clone(&over), Arc::clone(&over));
        let threads = vec![
            thread::spawn(move || serve_datagrams(&sockets, &one)),
            thread::spawn(move || serve_streams(&listeners, &other)),
        ];
        Self { ports, over, threads }
    }

    pub(crate) fn port(&self, kind: Kind) -> u16 {
        let word = kind.word();
        self.ports.iter().find(|(known, _)| known.word() == word).expect("it is served").1
    }

    /// As `--ports` wants it. There is nobody for daytime by TCP: whoever connects is sent away.
    pub(crate) fn ports(&self) -> String {
        let ports: Vec<String> =
            self.ports.iter().map(|(kind, port)| format!("{}={port}", kind.word())).collect();
        format!("{},daytime-tcp={}", ports.join(","), self.port(Kind::TimeTcp))
    }

    /// The first so many hosts, as a file has them.
    pub(crate) fn list(&self, count: usize) -> String {
        (0..count).map(|number| format!("{}\n", address(number))).collect()
    }

    /// Hosts of these kinds, no two the same, as arguments.
    pub(crate) fn named(&self, kinds: &[Kind]) -> Vec<String> {
        let mut taken = Vec::new();
        for kind in kinds {
            let host =
                (0..2000).map(address).find(|host| Clock::of(*host).kind == *kind && !taken.contains(host));
            taken.push(host.expect("there are so many"));
        }
        taken
            .iter()
            .zip(kinds)
            .map(|(host, kind)| format!("{}://{host}:{}", kind.word(), self.port(*kind)))
            .collect()
    }

    /// The one whose clock drifts.
    pub(crate) fn drifting(&self) -> String {
        format!("ntp://{DRIFTING}:{}", self.port(Kind::Ntp))
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
    }
}

fn address(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 77, (number / 250) as u8, (number % 250 + 1) as u8)
}

fn serve_datagrams(sockets: &[(Kind, UdpSocket)], over: &AtomicBool) {
    let mut set = PollSet::with_cap(LOOK);
    let mut datagram = [0; 1024];
    while !over.load(Ordering::Relaxed) {
        set.clear();
        sockets
            .iter()
            .enumerate()
            .for_each(|(place, (_, socket))| set.add(socket.as_fd(), Interest::Read, place));
        let ready: Vec<usize> = set.wait(None).unwrap().map(|event| event.token).collect();
        for place in ready {
            let (kind, socket) = &sockets[place];
            // An error is about somebody who is gone.
            while let Ok(Some(received)) = socket.receive(&mut datagram) {
                let destination = received.destination.expect("it was bound");
                let IpAddr::V4(asked) = destination.address else { continue };
                if let Some(told) = reply(*kind, asked, &datagram[..received.len]) {
                    let _gone = socket.send_to(&told, received.from, Some(destination));
                }
            }
        }
    }
}

/// What a host says to a question in a protocol, if it speaks that.
fn reply(protocol: Kind, host: Ipv4Addr, question: &[u8]) -> Option<Vec<u8>> {
    let kind = if host.octets()[1] == 77 { Clock::of(host).kind } else { protocol };
    if kind == Kind::Silent || kind.word() != protocol.word() {
        return None;
    }
    let now = Clock::now(host);
    match protocol {
        Kind::Ntp => answer(question, now, now, &served(kind, now)).ok().map(|told| told.to_vec()),
        Kind::Taiclock => {
            let mut told = question.to_vec();
            told[..4].copy_from_slice(&taiclock::SAYS);
            let label = Tai64NA::of(LeapTable::COMPILED.tai_of_utc(now)).expect("these years have labels");
            told[4..20].copy_from_slice(&label.to_bytes());
            Some(told)
        }
        Kind::Time => Some(time37::Value::of(now).bytes().to_vec()),
        // In a zone of its own, an hour and three quarters ahead.
        Kind::Daytime => {
            let shown = Civil { attos: 0, ..Civil::of(now + Span::from_secs(6300)) };
            daytime::line(shown).map(String::into_bytes)
        }
        other => panic!("{other:?} is no protocol of datagrams"),
    }
}

fn served(kind: Kind, now: Time<Utc>) -> Served {
    Served {
        synchronised: kind != Kind::Unsynchronised,
        leap: Leap::None,
        stratum: 2,
        precision: NtpPrecision { log2_seconds: -20 },
        root_delay: Span::ZERO,
        root_dispersion: Span::from_millis(1),
        reference_id: [192, 0, 2, 1],
        reference: now,
    }
}

/// Somebody who is connected.
struct Guest {
    stream: TcpStream,
    host: Ipv4Addr,
    heard: Vec<u8>,
}

fn serve_streams(listeners: &[(Kind, TcpListener)], over: &AtomicBool) {
    let mut set = PollSet::with_cap(LOOK);
    let mut guests: Vec<Guest> = Vec::new();
    while !over.load(Ordering::Relaxed) {
        set.clear();
        listeners
            .iter()
            .enumerate()
            .for_each(|(place, (_, listener))| set.add(listener.as_fd(), Interest::Read, (true, place)));
        guests
            .iter()
            .enumerate()
            .for_each(|(place, guest)| set.add(guest.stream.as_fd(), Interest::Read, (false, place)));
        let mut ready: Vec<(bool, usize)> = set.wait(None).unwrap().map(|event| event.token).collect();
        // Guests first and from behind, so that places stay what they are.
        ready.sort_unstable_by_key(|(is_door, place)| (*is_door, std::cmp::Reverse(*place)));
        for (is_door, place) in ready {
            match is_door {
                true => meet(&listeners[place], &mut guests),
                false if !guests[place].is_served() => drop(guests.swap_remove(place)),
                false => {}
            }
        }
    }
}

fn meet((protocol, listener): &(Kind, TcpListener), guests: &mut Vec<Guest>) {
    while let Ok((mut stream, _)) = listener.accept() {
        let Ok(SocketAddr::V4(place)) = stream.local_addr() else { continue };
        let host = *place.ip();
        if Clock::of(host).kind != *protocol {
            continue;
        }
        if *protocol == Kind::TimeTcp {
            let _gone = stream.write_all(&time37::Value::of(Clock::now(host)).bytes());
            continue;
        }
        stream.set_nonblocking(true).unwrap();
        guests.push(Guest { stream, host, heard: Vec::new() });
    }
}

impl Guest {
    /// Answers what has been asked. Does it stay?
    fn is_served(&mut self) -> bool {
        let mut bytes = [0; 1024];
        match self.stream.read(&mut bytes) {
            Ok(0) => return false,
            Ok(len) => self.heard.extend_from_slice(&bytes[..len]),
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
        if !self.heard.ends_with(b"\r\n\r\n") {
            return true;
        }
        self.heard.clear();
        // Every third ends the connection each time.
        let ends = self.host.octets()[3].is_multiple_of(3);
        let now = Clock::now(self.host);
        let shown =
            std::time::UNIX_EPOCH + std::time::Duration::from_secs(now.since_epoch().split().0 as u64);
        let date = http_date(shown);
        let connection = if ends { "Connection: close\r\n" } else { "" };
        let head = format!(
            "HTTP/1.1 301 Moved\r\nDate: {date}\r\nLocation: https://elsewhere.invalid/\r\n{connection}\r\n"
        );
        self.stream.write_all(head.as_bytes()).is_ok() && !ends
    }
}

pub(crate) fn http_date(shown: std::time::SystemTime) -> String {
    httpdate::fmt_http_date(shown)
}

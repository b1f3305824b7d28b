//! Servers that watch, and servers that shout.

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::daemon::{Home, Wishes};
use crate::ntp;
use crate::place::eventually;

/// A source may be asked eight times a second; so many of them make a thousand questions in few seconds.
const SERVERS: usize = 30;

/// So many questions are looked at.
const QUESTIONS: usize = 1000;

/// The range of ports is looked at in so many parts.
const BINS: usize = 16;

/// Chi-square of 15 degrees of freedom beyond this comes by chance once in five million.
const CHI_SQUARE_MAX: f64 = 60.0;

/// The same port twice in a row comes by chance in one of 28,000 pairs, and so four times of 1500 never.
const REPEATS_MAX: usize = 3;

const PATIENCE: Duration = Duration::from_secs(25);

/// What a server does on a question, which came from that place.
type Manner<T> = fn(&UdpSocket, &[u8; 48], SocketAddr) -> T;

/// A server on loopback that is a thread, and remembers something of each question.
struct Server<T> {
    place: SocketAddr,
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Vec<T>>,
}

impl<T: Send + 'static> Server<T> {
    fn start(manner: Manner<T>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let place = socket.local_addr().unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let is_over = Arc::clone(&is_over);
            move || serve(&socket, manner, &is_over)
        });
        Self { place, is_over, thread }
    }

    /// Ends it. What it remembers, in order.
    fn end(self) -> Vec<T> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn serve<T>(socket: &UdpSocket, manner: Manner<T>, is_over: &AtomicBool) -> Vec<T> {
    let (mut seen, mut question) = (Vec::new(), [0; 48]);
    // A test has ended long before a server has seen so many, even one that has panicked.
    while !is_over.load(Ordering::Relaxed) && seen.len() < 10 * QUESTIONS {
        if let Ok((48, from)) = socket.recv_from(&mut question) {
            seen.push(manner(socket, &question, from));
        }
    }
    seen
}

fn honest(socket: &UdpSocket, question: &[u8; 48], from: SocketAddr) -> u16 {
    socket.send_to(&ntp::answer(question), from).unwrap();
    from.port()
}

/// All that is wrong in one way or another, many times, and no good answer.
fn shouting(socket: &UdpSocket, question: &[u8; 48], from: SocketAddr) {
    let good = ntp::answer(question);
    let mut foreign = good;
    foreign[24] ^= 1;
    for _ in 0..20 {
        // The asker is gone after a while: then the kernel says so, and that is not of interest.
        for bad in [&foreign[..], &good[..47], &question[..], &[], &[0xff; 1024]] {
            let _ = socket.send_to(bad, from);
        }
    }
}

#[test]
fn bad_input_16_each_exchange_has_a_new_random_port() {
    let servers: Vec<_> = (0..SERVERS).map(|_| Server::start(honest)).collect();
    let wishes = Wishes::asking(servers.iter().map(|server| server.place));
    let home = Home::new(&Wishes { intervals: ["125ms", "125ms"], ..wishes });
    let daemon = home.start();
    let truth = daemon.truth();
    let seconds = 3 * QUESTIONS / (SERVERS * 8) / 2;
    truth.watch(Duration::from_secs(seconds as u64));
    daemon.terminate();
    let seen: Vec<Vec<u16>> = servers.into_iter().map(Server::end).collect();
    let repeats = seen.iter().flat_map(|ports| ports.windows(2)).filter(|pair| pair[0] == pair[1]).count();
    assert!(repeats <= REPEATS_MAX, "{repeats} times a source was asked from the same port again: {seen:?}");
    are_random(&seen.concat());
}

fn are_random(ports: &[u16]) {
    assert!(ports.len() >= QUESTIONS, "only {} questions came", ports.len());
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
    let ends: Vec<usize> = range.split_whitespace().map(|end| end.parse().unwrap()).collect();
    let (first, count) = (ends[0], ends[1] - ends[0] + 1);
    let mut bins = [0.0; BINS];
    let mut uses: BTreeMap<u16, usize> = BTreeMap::new();
    for port in ports {
        bins[(usize::from(*port) - first) * BINS / count] += 1.0;
        *uses.entry(*port).or_default() += 1;
    }
    let expected = ports.len() as f64 / BINS as f64;
    let chi_square: f64 = bins.iter().map(|seen| (seen - expected).powi(2) / expected).sum();
    assert!(chi_square < CHI_SQUARE_MAX, "chi-square {chi_square}: {bins:?}");
    let again = ports.len() - uses.len();
    // As many as chance brings (n² / 2N), and as many again with room to spare.
    let by_chance = ports.len() * ports.len() / (2 * count);
    assert!(again <= 3 * by_chance + 10, "{again} ports were used again, {by_chance} by chance");
}

#[test]
fn a_flood_of_rubbish_is_counted_and_not_logged() {
    let servers: Vec<_> = (0..4).map(|_| Server::start(shouting)).collect();
    let home = Home::new(&Wishes::asking(servers.iter().map(|server| server.place)));
    let daemon = home.start();
    let refused = || -> u32 {
        let sources = daemon.sources().sources;
        sources.iter().flat_map(|source| &source.refused).map(|(_, count)| count).sum()
    };
    eventually(PATIENCE, "much is refused", || (refused() >= 1000).then_some(()));
    let log = daemon.process.log();
    // Each of the four is addressed, answers (rubbish, but it is there), and is given up.
    assert!(log.lines().count() <= 20, "{log}");
    daemon.terminate();
    for server in servers {
        assert!(!server.end().is_empty());
    }
}

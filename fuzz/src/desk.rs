//! The desk of a server at the mercy of bytes: who asks, what, how soon after the others, and in which order.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use truechimer_core::server::access::{AllowList, Prefix};
use truechimer_core::server::clients::RateRule;
use truechimer_core::server::cookie::Ring;
use truechimer_core::server::desk::{Answer, Desk, Policy, Question, Telling};
use truechimer_core::server::dial::Dial;
use truechimer_core::server::keys::{self, Grant};
use truechimer_core::server::ntp::Served;
use truechimer_core::wire::aead::Aead;
use truechimer_core::wire::mac::{Key, KeyKind};
use truechimer_core::wire::ntp::{Mode, Packet};
use truechimer_core::wire::{DATAGRAM_MAX, HEADER_LEN};
use truechimer_time::ntp::NtpTimestamp;
use truechimer_time::{Rate, Raw, Span, Time};

use super::nts::{World, hears, spoil};
use super::{NOW, served};

/// So many datagrams come in one life of a desk.
const DATAGRAMS_MAX: usize = 64;

/// So many clients are remembered: few, so that they push each other out.
const CLIENTS: usize = 8;

/// Where the counter stands at first.
const RAW: Time<Raw> = Time::from_epoch(Span::from_secs(1000));

/// A key of each length of digest, and for whom.
const KEYS: [(KeyKind, usize, &str); 3] =
    [(KeyKind::Aes128, 16, "192.0.2.0/25"), (KeyKind::Sha256, 16, "0.0.0.0/0"), (KeyKind::Md5, 7, "::/0")];

/// What the operator wants; then datagrams: what kind, from whom, after which time, how long, and their bytes or, where an
/// honest question is meant, what is changed of it.
pub fn desk(data: &[u8]) {
    let Some((&wishes, mut script)) = data.split_first() else { return };
    let mut office = Office::open(wishes);
    for count in 1..=DATAGRAMS_MAX {
        let Some((&[kind, from, wait, length], rest)) = script.split_first_chunk() else { return };
        let (bytes, rest) = rest.split_at(rest.len().min(usize::from(length) * 4));
        script = rest;
        office.raw += Span::from_micros(1 << (wait % 28));
        office.meet(kind, client(from), bytes);
        let counters = office.desk.counters();
        let silent: u64 = counters.silent.iter().sum();
        assert_eq!(counters.answered + silent, count as u64, "each datagram is counted once");
        assert!(office.desk.clients().count() <= CLIENTS.next_power_of_two());
    }
}

/// A few hosts of both families, and addresses that are nobody's.
fn client(number: u8) -> SocketAddr {
    let port = if number & 0x40 != 0 { 0 } else { 123 + u16::from(number) };
    let host: IpAddr = match number % 8 {
        0..=3 => [192, 0, 2, number].into(),
        4 => [0x2001, 0xdb8, 0, u16::from(number), 0, 0, 0, 1].into(),
        5 => [0, 0, 0, 0, 0, 0xffff, 0xc000, 0x0200 | u16::from(number)].into(),
        6 => [224, 0, 1, 1].into(),
        _ => [10, 0, 0, number].into(),
    };
    (host, port).into()
}

struct Office {
    desk: Desk,
    policy: Policy,
    keys: Vec<Arc<Key>>,
    dial: Dial,
    world: World,
    raw: Time<Raw>,
    /// The last answer, and what its client wants to know of it.
    last: Option<(Vec<u8>, Answer)>,
}

impl Office {
    fn open(wishes: u8) -> Self {
        let key = |(id, (kind, len, _))| Key::new(id, kind, vec![id as u8; len]).expect("a key");
        let keys: Vec<Arc<Key>> = (1..).zip(KEYS).map(key).map(Arc::new).collect();
        let world = World::new(Aead::ALL[usize::from(wishes & 1)]);
        let mut desk = Desk::new(CLIENTS, [wishes; 32]);
        if wishes & 2 != 0 {
            desk.take_ring(Some(
                Ring::from_bytes(&world.ring.to_bytes()).expect("a ring writes what it reads"),
            ));
        }
        let served = if wishes & 4 != 0 { served() } else { Served::unsynchronised() };
        let rate = RateRule { interval: Span::from_secs(1), burst: 8 };
        let allowed = ["192.0.2.0/24", "2001:db8::/32", "10.0.0.0/8"].map(prefix);
        let grants = if wishes & 16 != 0 { grants(&keys) } else { Vec::new() };
        let policy = Policy {
            allowed: AllowList::new(&allowed, &[prefix("10.0.0.7/32")]).expect("few prefixes"),
            rate: (wishes & 8 != 0).then_some(rate),
            keys: keys::Ring::new(grants).expect("few keys"),
        };
        let dial = Dial::through(RAW, NOW, Rate::ZERO, served);
        Self { desk, policy, keys, dial, world, raw: RAW, last: None }
    }

    fn meet(&mut self, kind: u8, from: SocketAddr, bytes: &[u8]) {
        if let Some((_, Answer { wanted: Some(wanted), .. })) = self.last
            && kind & 0x80 != 0
        {
            self.desk.has_left(wanted, NtpTimestamp::of(NOW + (self.raw - RAW)));
        }
        match kind % 8 {
            0 => self.ask(from, bytes),
            1 => self.ask(from, &question(bytes)),
            2 => self.ask(from, &self.interleaved(bytes)),
            3..=5 => self.ask(from, &self.under(usize::from(kind % 8 - 3), bytes)),
            6 => self.ask_protected(from, kind >> 3, bytes),
            _ => self.throw_back(from),
        }
    }

    /// A question that speaks of the last answer (RFC 9769).
    fn interleaved(&self, bytes: &[u8]) -> Vec<u8> {
        let mut question = question(bytes);
        if let Some((answer, _)) = &self.last {
            question[24..32].copy_from_slice(&answer[32..40]);
        }
        question
    }

    fn under(&self, key: usize, bytes: &[u8]) -> Vec<u8> {
        let mut question = question(&[]);
        self.keys[key].append(&mut question);
        spoil(&mut question, bytes);
        question
    }

    fn ask_protected(&mut self, from: SocketAddr, help: u8, bytes: &[u8]) {
        let mut exchange = self.world.ask(usize::from(help & 7));
        let mut question = exchange.datagram().to_vec();
        spoil(&mut question, bytes);
        self.ask(from, &question);
        if let Some((answer, _)) = &self.last {
            hears(&mut exchange, answer);
        }
    }

    /// Our own answer comes back to us: that is no question.
    fn throw_back(&mut self, from: SocketAddr) {
        let answer = self.last.as_ref().map(|(answer, _)| answer.clone()).unwrap_or_default();
        self.ask(from, &answer);
        assert!(self.last.is_none(), "no loop");
    }

    fn ask(&mut self, from: SocketAddr, bytes: &[u8]) {
        self.desk.begin(Time::from_epoch(self.raw.since_epoch()), &self.policy);
        let telling = Telling::at(self.raw, &self.dial, &self.policy);
        let leaves = self.raw + Span::from_micros(30);
        let to_many = bytes.len() % 64 == 63;
        let question = Question { bytes, from, received: self.raw, leaves, to_many };
        let (before, mut reply) = (*self.desk.counters(), [0; DATAGRAM_MAX]);
        let answer = self.desk.answer(&question, &telling, &mut reply);
        self.last = answer.ok().map(|answer| (reply[..answer.len].to_vec(), answer));
        let Some((answer, _)) = &self.last else { return };
        assert!(!to_many && answer.len() <= bytes.len(), "no amplification");
        let (asked, told) = (read(bytes), read(answer));
        assert_eq!((told.mode, told.version), (Mode::Server, asked.version));
        let after = self.desk.counters();
        let is_interleaved = after.interleaved > before.interleaved;
        assert_eq!(told.origin, if is_interleaved { asked.receive } else { asked.transmit });
        if after.sealed > before.sealed {
            self.is_sealed_alike(bytes, answer);
        }
    }

    /// Who seals a question has the key, and so has who answers it.
    fn is_sealed_alike(&self, question: &[u8], answer: &[u8]) {
        assert_eq!(question.len(), answer.len());
        let is_of = |key: &Arc<Key>, datagram: &[u8]| {
            datagram[HEADER_LEN..][..4] == key.id().to_be_bytes()
                && key.verify(&datagram[..HEADER_LEN], &datagram[HEADER_LEN + 4..])
        };
        assert!(self.keys.iter().any(|key| is_of(key, question) && is_of(key, answer)));
    }
}

fn grants(keys: &[Arc<Key>]) -> Vec<Grant> {
    let grant = |(key, (_, _, from))| Grant::new(Arc::clone(key), vec![prefix(from)]).expect("few prefixes");
    keys.iter().zip(KEYS).map(grant).collect()
}

fn prefix(text: &str) -> Prefix {
    text.parse().expect("a prefix")
}

fn read(datagram: &[u8]) -> Packet {
    Packet::parse(datagram).expect("it was read before")
}

/// The bytes as far as they go, made a question of version 4.
fn question(bytes: &[u8]) -> Vec<u8> {
    let mut question = bytes.to_vec();
    question.resize(question.len().max(HEADER_LEN), 0x5a);
    question[0] = 0x23;
    question
}

//! Who asks, how often, and whether that is too often.
//!
//! One table of a fixed size holds both: for each client (an IPv4 address, or a network of 64 bits in IPv6) when it may ask
//! again, and how often it asked. What is not in it has never asked, so a table that is full of strangers turns nobody
//! away: who is pushed out begins anew.
//!
//! **Invariant:** memory does not depend on who asks. Which places of the table a client can take is decided by a secret, so
//! nobody can push out a client of his choice.
//!
//! A place where nobody has asked is all zero, and the table is asked for as zeros: so the system gives it memory page by page,
//! when clients come, and a server that few ask takes little.
//!
//! The rate is reckoned by one instant for each client: when all that it asked would have been asked at the allowed rate
//! (the generic cell rate algorithm of ITU-T I.371).

use alloc::boxed::Box;
use alloc::vec;
use core::hash::Hasher as _;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use siphasher::sip::SipHasher13;
use truechimer_time::{Mono, Span, Time};

/// The places that one client can take: these lie side by side, 128 bytes.
const WAYS: usize = 4;

/// A place takes so many words,
const PLACE: usize = 4;

/// and those that one client can take as many.
const SET: usize = WAYS * PLACE;

/// A line of the processor's cache, in bytes: no place lies across two.
const LINE: usize = 64;

/// So many words lie at most before the first line.
const SPARE: usize = LINE / size_of::<u64>() - 1;

/// The most clients that a table is made for.
pub const CLIENTS_MAX: usize = 1 << 24;

/// Of those who ask too often one in so many is answered all the same: who asks in the name of another cannot silence him.
pub const LEAK: u64 = 4;

/// How often a client may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateRule {
    /// Once in this time, on average.
    pub interval: Span,
    /// But so often at once.
    pub burst: u32,
}

impl Default for RateRule {
    /// Eight questions a second, and first a hundred at once: no client that means well comes near, and neither does a
    /// house full of them behind one address.
    fn default() -> Self {
        Self { interval: Span::from_millis(125), burst: 100 }
    }
}

/// What is to be done with a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is answered.
    Admitted,
    /// It came too soon, but is answered for the sake of him whose name it bears.
    Leaked,
    /// It came too soon.
    Limited,
}

/// What is known of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address; of a network of IPv6 the first.
    pub address: IpAddr,
    /// How often it asked.
    pub asked: u32,
    /// How often it got no answer because it asked too often.
    pub limited: u32,
    /// When it last asked.
    pub last: Time<Mono>,
}

/// The clients that asked last.
pub struct Clients {
    words: Box<[u64]>,
    /// The first word of the first place.
    begins: usize,
    /// How many sets of places there are: a power of two.
    sets: usize,
    secret: (u64, u64),
    chance: u64,
    rule: Option<Reckoned>,
    now: i64,
}

/// A rule in nanoseconds: so much apart, and so much sooner than that.
#[derive(Clone, Copy, Debug)]
struct Reckoned {
    interval: i64,
    tolerance: i64,
}

/// A client, as it stands in the table. Nobody has asked where `asked` is 0.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    /// The upper half of the address, see [`key`].
    key: u64,
    /// When all that it asked would have been asked at the allowed rate, in nanoseconds of the monotonic clock.
    due: i64,
    /// When it last asked, likewise.
    last: i64,
    asked: u32,
    limited: u32,
}

impl Clients {
    /// A table for so many clients; the number is rounded up. The secret is drawn at birth.
    pub fn new(clients: usize, secret: [u8; 16]) -> Self {
        let sets = clients.clamp(WAYS, CLIENTS_MAX).div_ceil(WAYS).next_power_of_two();
        let [low, high] = [0, 8].map(|at| u64::from_le_bytes(core::array::from_fn(|i| secret[at + i])));
        let words = vec![0; sets * SET + SPARE].into_boxed_slice();
        let begins = words.as_ptr().align_offset(LINE).min(SPARE);
        Self { words, begins, sets, secret: (low, high), chance: high | 1, rule: None, now: 0 }
    }

    /// How many clients it can hold.
    pub fn capacity(&self) -> usize {
        self.sets * WAYS
    }

    /// From now on nobody may ask more often than this; `None`: everybody may ask as often as he likes.
    pub fn keep_to(&mut self, rule: Option<&RateRule>) {
        self.rule = rule.map(|rule| {
            let interval = rule.interval.as_nanos();
            let more = i64::from(rule.burst.saturating_sub(1));
            Reckoned { interval, tolerance: interval.saturating_mul(more) }
        });
    }

    /// Says what time it is for all that is taken down until it is said again. Time does not go backward.
    pub fn look_up(&mut self, now: Time<Mono>) {
        self.now = now.since_epoch().as_nanos();
    }

    /// Takes a question down, and says whether it came too soon.
    pub fn admit(&mut self, address: IpAddr) -> Admission {
        let is_drawn = self.draws();
        let (place, mut entry) = self.entry(key(address));
        let admission = entry.asks(self.now, self.rule, is_drawn);
        entry.write(&mut self.words[place..place + PLACE]);
        admission
    }

    /// All clients that it holds, in no order.
    pub fn iter(&self) -> impl Iterator<Item = Client> + '_ {
        let places = self.words[self.begins..].chunks_exact(PLACE).take(self.capacity());
        places.map(Entry::read).filter(|entry| entry.asked != 0).map(Entry::client)
    }

    /// Where the client's own place begins, and what stands there; if it has none, a free one or that of the one that has been
    /// silent for longest.
    fn entry(&self, key: u64) -> (usize, Entry) {
        let mut hasher = SipHasher13::new_with_keys(self.secret.0, self.secret.1);
        hasher.write_u64(key);
        let at = self.begins + (hasher.finish() as usize & (self.sets - 1)) * SET;
        let place = |way: usize| at + way * PLACE;
        let set: [Entry; WAYS] =
            core::array::from_fn(|way| Entry::read(&self.words[place(way)..place(way) + PLACE]));
        if let Some(way) = set.iter().position(|entry| entry.asked != 0 && entry.key == key) {
            return (place(way), set[way]);
        }
        let silent = |way: &usize| (set[*way].asked != 0, set[*way].last);
        let way = (0..WAYS).min_by_key(silent).unwrap_or(0);
        (place(way), Entry { key, due: i64::MIN, ..Entry::default() })
    }

    /// One time in [`LEAK`], by chance (xorshift64; Marsaglia 2003): nobody gains by guessing it.
    fn draws(&mut self) -> bool {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        self.chance.is_multiple_of(LEAK)
    }
}

impl core::fmt::Debug for Clients {
    /// Everything but the secret and the clients.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Clients").field("capacity", &self.capacity()).finish_non_exhaustive()
    }
}

impl Entry {
    /// What stands in four words.
    fn read(words: &[u64]) -> Self {
        let [key, due, last, counts] = core::array::from_fn(|at| words[at]);
        let (asked, limited) = ((counts >> 32) as u32, counts as u32);
        Self { key, due: due as i64, last: last as i64, asked, limited }
    }

    fn write(&self, words: &mut [u64]) {
        let counts = u64::from(self.asked) << 32 | u64::from(self.limited);
        words.copy_from_slice(&[self.key, self.due as u64, self.last as u64, counts]);
    }

    /// It asks now.
    fn asks(&mut self, now: i64, rule: Option<Reckoned>, is_drawn: bool) -> Admission {
        self.asked = self.asked.saturating_add(1);
        self.last = now;
        if rule.is_none_or(|rule| self.pays(now, rule)) {
            return Admission::Admitted;
        }
        if is_drawn {
            return Admission::Leaked;
        }
        self.limited = self.limited.saturating_add(1);
        Admission::Limited
    }

    /// May it ask now? If so, that is reckoned.
    fn pays(&mut self, now: i64, rule: Reckoned) -> bool {
        let due = self.due.max(now);
        let is_in_time = due - now <= rule.tolerance;
        if is_in_time {
            self.due = due.saturating_add(rule.interval);
        }
        is_in_time
    }

    fn client(self) -> Client {
        Client {
            address: address(self.key),
            asked: self.asked,
            limited: self.limited,
            last: Time::from_epoch(Span::from_nanos(self.last)),
        }
    }
}

/// What clients are told apart by: the network of an IPv6 address, and an IPv4 address behind a prefix that is nobody's
/// network (`::ffff:0:0/96` begins so).
fn key(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(v4) => 0xffff_0000_0000 | u64::from(v4.to_bits()),
        IpAddr::V6(v6) => (v6.to_bits() >> 64) as u64,
    }
}

fn address(key: u64) -> IpAddr {
    match key >> 32 {
        0xffff => Ipv4Addr::from_bits(key as u32).into(),
        _ => Ipv6Addr::from_bits(u128::from(key) << 64).into(),
    }
}

#[cfg(test)]
mod tests;

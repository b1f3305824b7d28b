//! Who asks, how often, and whether that is too often.
//!
//! One table of a fixed size holds both: for each client (an IPv4 address, or a network of 64 bits in IPv6) when it may ask
//! again, and how often it asked. What is not in it has never asked, so a table that is full of strangers turns nobody
//! away: who is pushed out begins anew.
//!
//! **Invariant:** memory does not depend on who asks. Which places of the table a client can take is decided by a secret, so
//! nobody can push out a client of his choice.
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
    sets: Box<[[Entry; WAYS]]>,
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

/// A client, as it lies in the table. Nobody has asked where `asked` is 0.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(32))]
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
        let sets = vec![[Entry::default(); WAYS]; sets].into_boxed_slice();
        Self { sets, secret: (low, high), chance: high | 1, rule: None, now: 0 }
    }

    /// How many clients it can hold.
    pub fn capacity(&self) -> usize {
        self.sets.len() * WAYS
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
        let (now, rule, is_drawn) = (self.now, self.rule, self.draws());
        let entry = self.entry(key(address));
        entry.asked = entry.asked.saturating_add(1);
        entry.last = now;
        if rule.is_none_or(|rule| entry.pays(now, rule)) {
            return Admission::Admitted;
        }
        if is_drawn {
            return Admission::Leaked;
        }
        entry.limited = entry.limited.saturating_add(1);
        Admission::Limited
    }

    /// All clients that it holds, in no order.
    pub fn iter(&self) -> impl Iterator<Item = Client> + '_ {
        self.sets.iter().flatten().filter(|entry| entry.asked != 0).map(Entry::client)
    }

    /// The client's own place; if it has none, a free one or that of the one that has been silent for longest.
    fn entry(&mut self, key: u64) -> &mut Entry {
        let mut hasher = SipHasher13::new_with_keys(self.secret.0, self.secret.1);
        hasher.write_u64(key);
        let at = hasher.finish() as usize & (self.sets.len() - 1);
        let set = &mut self.sets[at];
        let own = set.iter().position(|entry| entry.asked != 0 && entry.key == key);
        let way = own.unwrap_or_else(|| {
            let silent = |way: &usize| (set[*way].asked != 0, set[*way].last);
            let way = (0..WAYS).min_by_key(silent).unwrap_or(0);
            set[way] = Entry { key, due: i64::MIN, ..Entry::default() };
            way
        });
        &mut set[way]
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
    /// May it ask now? If so, that is reckoned.
    fn pays(&mut self, now: i64, rule: Reckoned) -> bool {
        let due = self.due.max(now);
        let is_in_time = due - now <= rule.tolerance;
        if is_in_time {
            self.due = due.saturating_add(rule.interval);
        }
        is_in_time
    }

    fn client(&self) -> Client {
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

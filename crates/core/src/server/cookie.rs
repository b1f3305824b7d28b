//! Cookies: how a server remembers the keys of its clients without remembering anything (RFC 8915, section 6).
//!
//! A cookie is a client's keys, sealed with a key that only we have. Our keys stand in a [`Ring`]: one that seals, those
//! before it that still open, and the next one, which opens already, so that hosts that share a ring may get it any time
//! in the day before it is used. Each turn makes the next key the one that seals and wipes the oldest.
//!
//! ```text
//!   0      2        4            20       36                           68 or 100
//!   +------+--------+------------+--------+----------------------------+
//!   | AEAD | key id | nonce      | tag    | C2S and S2C, encrypted     |   AES-SIV-CMAC-256 over all of it
//!   +------+--------+------------+--------+----------------------------+
//! ```
//!
//! **Invariant:** all cookies for one cipher are equally long, and no two are equal, even for the same client: nobody on
//! the path can tell by them who it is.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;

use rand_core::CryptoRng;
use truechimer_time::{Span, Time, Utc};
use zeroize::Zeroizing;

use crate::reason::reasons;
use crate::wire::aead::{Aead, Cipher, KEY_LEN_MAX, SessionKeys, TAG_LEN};

/// How long a key seals, if nothing else is said.
pub const TURN: Span = Span::from_secs(86_400);

/// How many keys that have sealed still open.
pub const OLD_KEYS: usize = 7;

/// The most keys in a ring: those, the one that seals, and the next one.
pub const KEYS_MAX: usize = OLD_KEYS + 2;

/// What our cookies are sealed with.
const SEAL: Aead = Aead::SivCmac256;

const NAME_LEN: usize = 4;
const NONCE_LEN: usize = 16;
const SEALED_AT: usize = NAME_LEN + NONCE_LEN;

/// How long our cookies for clients with this cipher are, in bytes. A multiple of four, as fields are.
pub const fn len(aead: Aead) -> usize {
    SEALED_AT + TAG_LEN + 2 * aead.key_len()
}

/// The longest of them, in bytes.
pub const LEN_MAX: usize = len(Aead::SivCmac256);

/// A key of ours.
struct RingKey {
    id: u16,
    secret: Zeroizing<[u8; KEY_LEN_MAX]>,
    cipher: Cipher,
}

impl RingKey {
    fn new(id: u16, secret: Zeroizing<[u8; KEY_LEN_MAX]>) -> Self {
        let cipher =
            Cipher::new(SEAL, &secret[..]).expect("a secret is as long as the longest key, which this is");
        Self { id, secret, cipher }
    }

    fn random(id: u16, rng: &mut impl CryptoRng) -> Self {
        let mut secret = Zeroizing::new([0; KEY_LEN_MAX]);
        rng.fill_bytes(&mut secret[..]);
        Self::new(id, secret)
    }
}

/// The keys of a server's cookies.
pub struct Ring {
    /// The next one, the one that seals, and the old ones from the latest to the earliest: at least two.
    keys: VecDeque<RingKey>,
    /// When the one that seals began to, in whole seconds.
    since: Time<Utc>,
}

impl Ring {
    /// A ring with two keys, of which one seals from now on.
    pub fn new(now: Time<Utc>, rng: &mut impl CryptoRng) -> Self {
        let [high, low, ..] = rng.next_u32().to_be_bytes();
        // Any number will do; a random one keeps cookies of a ring that was lost from naming a key of this one.
        let id = u16::from_be_bytes([high, low]);
        let keys = [RingKey::random(id.wrapping_add(1), rng), RingKey::random(id, rng)];
        Self { keys: keys.into(), since: whole_seconds(now) }
    }

    /// When the next turn is due, if keys seal for so long.
    pub fn due(&self, turn: Span) -> Time<Utc> {
        self.since + turn
    }

    /// Makes all turns that are due, and says how many. To be told the time by a clock that is known to be right: one
    /// that is far ahead wipes all keys, and every client has to come for new ones.
    pub fn catch_up(&mut self, now: Time<Utc>, turn: Span, rng: &mut impl CryptoRng) -> usize {
        let mut turns = 0;
        while turns < KEYS_MAX && self.due(turn) <= now {
            self.turn(self.due(turn), rng);
            turns += 1;
        }
        if turns == KEYS_MAX {
            self.since = whole_seconds(now);
        }
        turns
    }

    /// The next key begins to seal, and the oldest one is wiped.
    pub fn turn(&mut self, now: Time<Utc>, rng: &mut impl CryptoRng) {
        let next = self.keys[0].id.wrapping_add(1);
        self.keys.push_front(RingKey::random(next, rng));
        self.keys.truncate(KEYS_MAX);
        self.since = whole_seconds(now);
    }

    /// How many keys there are.
    pub fn keys(&self) -> usize {
        self.keys.len()
    }

    /// The number of the key that seals.
    pub fn sealing(&self) -> u16 {
        self.keys[1].id
    }

    /// Seals the keys of a client into a cookie of [`len`] bytes.
    ///
    /// # Panics
    /// The place has another length: we choose it.
    pub fn seal(&mut self, keys: &SessionKeys, rng: &mut impl CryptoRng, cookie: &mut [u8]) {
        assert_eq!(cookie.len(), len(keys.aead()), "a place for a cookie is as long as the cookie");
        let ours = &mut self.keys[1];
        let (name, rest) = cookie.split_at_mut(NAME_LEN);
        let (nonce, sealed) = rest.split_at_mut(NONCE_LEN);
        name[..2].copy_from_slice(&keys.aead().id().to_be_bytes());
        name[2..].copy_from_slice(&ours.id.to_be_bytes());
        rng.fill_bytes(nonce);
        let (c2s, s2c) = sealed[SEAL.text(rest_len(keys.aead()))].split_at_mut(keys.aead().key_len());
        c2s.copy_from_slice(keys.c2s());
        s2c.copy_from_slice(keys.s2c());
        ours.cipher.seal(nonce, name, sealed);
    }

    /// Opens a cookie.
    ///
    /// # Errors
    /// [`BadCookie`]: the client should get new ones.
    pub fn open(&mut self, cookie: &[u8]) -> Result<SessionKeys, BadCookie> {
        let (&name, rest) = cookie.split_first_chunk::<NAME_LEN>().ok_or(BadCookie::Length)?;
        let [a0, a1, k0, k1] = name;
        let aead = Aead::of(u16::from_be_bytes([a0, a1])).ok_or(BadCookie::Aead)?;
        if cookie.len() != len(aead) {
            return Err(BadCookie::Length);
        }
        let id = u16::from_be_bytes([k0, k1]);
        let ours = self.keys.iter_mut().find(|key| key.id == id).ok_or(BadCookie::UnknownKey)?;
        let (nonce, sealed) = rest.split_at(NONCE_LEN);
        let mut room = Zeroizing::new([0; LEN_MAX - SEALED_AT]);
        let room = &mut room[..sealed.len()];
        room.copy_from_slice(sealed);
        let text = ours.cipher.open(nonce, &name, room).map_err(|_| BadCookie::Forged)?;
        let (c2s, s2c) = text.split_at(aead.key_len());
        Ok(SessionKeys::new(aead, c2s, s2c).expect("each half of the text is as long as a key"))
    }
}

/// How many bytes of a cookie are sealed.
const fn rest_len(aead: Aead) -> usize {
    len(aead) - SEALED_AT
}

impl fmt::Debug for Ring {
    /// The numbers of the keys, and nothing else of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("since", &self.since)
            .field("keys", &self.keys.iter().map(|key| key.id).collect::<Vec<_>>())
            .finish()
    }
}

reasons! {
    /// Why a cookie is not one of ours. Completes "cannot open this cookie: ..".
    BadCookie {
        /// As long as none of ours.
        Length "length" "it is as long as none of ours"
        /// For a cipher that is not spoken here.
        Aead "aead" "it is for a cipher that is not spoken here"
        /// Sealed with a key that is not in the ring any more, or never was.
        UnknownKey "unknown_key" "it names a key that is not kept here"
        /// It names a key of ours, but that did not make it.
        Forged "forged" "our key did not make it"
    }
}

// --- a ring as bytes ---------------------------------------------------------------------------------------------

const MAGIC: &[u8; 8] = b"TcNtsK\0\x01";
const SINCE_LEN: usize = 8;
const KEY_LEN: usize = 2 + KEY_LEN_MAX;
const RING_MIN: usize = MAGIC.len() + SINCE_LEN + 2 * KEY_LEN;

/// The most bytes that a ring has.
pub const RING_LEN_MAX: usize = MAGIC.len() + SINCE_LEN + KEYS_MAX * KEY_LEN;

impl Ring {
    /// All of it, to be kept where nobody else can read it, or given to a host that opens or seals cookies with us.
    ///
    /// ```text
    ///   0             8                16       18               50
    ///   +-------------+----------------+--------+----------------+-- ..
    ///   | "TcNtsK" 0 1| since, Unix s  | key id | secret         | the next one, the one that seals, the old ones
    ///   +-------------+----------------+--------+----------------+-- ..
    /// ```
    ///
    /// That it is whole and unchanged has to be shown by what is around it.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        // With room for the most, so that no copy is left behind where it grew.
        let mut bytes = Zeroizing::new(Vec::with_capacity(RING_LEN_MAX));
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&unix_seconds(self.since).to_be_bytes());
        for key in &self.keys {
            bytes.extend_from_slice(&key.id.to_be_bytes());
            bytes.extend_from_slice(&key.secret[..]);
        }
        bytes
    }

    /// A ring from its bytes.
    ///
    /// # Errors
    /// [`BadRing`]
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadRing> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(BadRing::Foreign)?;
        if !(RING_MIN..=RING_LEN_MAX).contains(&bytes.len()) {
            return Err(BadRing::Length);
        }
        let (since, keys) = rest.split_first_chunk::<SINCE_LEN>().ok_or(BadRing::Length)?;
        let (keys, half) = keys.as_chunks::<KEY_LEN>();
        if !half.is_empty() {
            return Err(BadRing::Length);
        }
        let mut ring = Self {
            keys: VecDeque::new(),
            since: Time::from_epoch(Span::from_secs(i64::from_be_bytes(*since))),
        };
        for &[k0, k1, ref secret @ ..] in keys {
            let id = u16::from_be_bytes([k0, k1]);
            if ring.keys.iter().any(|key| key.id == id) {
                return Err(BadRing::KeyTwice);
            }
            ring.keys.push_back(RingKey::new(id, Zeroizing::new(*secret)));
        }
        Ok(ring)
    }
}

reasons! {
    /// Why bytes are no ring of keys. Completes "cannot use these keys: ..".
    BadRing {
        /// They do not begin as a ring does.
        Foreign "foreign" "they are not what this program writes"
        /// Fewer keys than two, more than are kept, or a part of one.
        Length "length" "some are missing, or there are too many"
        /// Two keys have the same number.
        KeyTwice "key_twice" "two of them have the same number"
    }
}

/// Whole seconds since 1970. Instants that 64 bits cannot count are no times of keys, and become the last that they can.
fn unix_seconds(time: Time<Utc>) -> i64 {
    let (seconds, _) = time.since_epoch().split();
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

fn whole_seconds(time: Time<Utc>) -> Time<Utc> {
    Time::from_epoch(Span::from_secs(unix_seconds(time)))
}

#[cfg(test)]
mod tests;

//! Symmetric keys of those who ask: which key is whose, and the answer to a sealed question.
//!
//! A sealed question is answered under its own key or not at all: never with a bare answer, which its asker would refuse, and
//! never with a crypto-NAK, which anybody could make us send and which tells a guesser what it wants to know. Questions
//! without a MAC do not come here: they are answered as they are asked (RFC 5905, section 9.2).
//!
//! **Invariant:** a key proves something only where it belongs. Each is bound to the prefixes that may use it; outside them
//! its holder is a stranger, and cannot pass for another holder (the "skeleton key", CVE-2015-7974 and CVE-2016-1567).
//!
//! **Invariant:** a sealed answer is never longer than its question: both have the same MAC, and the answer no extension
//! fields. Nothing is allocated for a question, whatever key it names.
//!
//! ```
//! use std::sync::Arc;
//! use truechimer_core::server::Silence;
//! use truechimer_core::server::keys::{Grant, Ring};
//! use truechimer_core::wire::extension::{Seal, Trailer};
//! use truechimer_core::wire::mac::{Key, KeyKind};
//!
//! let key = Arc::new(Key::new(7, KeyKind::Aes128, vec![9; 16]).unwrap());
//! let allow = vec!["10.0.0.0/8".parse().unwrap()];
//! let ring = Ring::new(vec![Grant::new(Arc::clone(&key), allow).unwrap()]).unwrap();
//!
//! let question = key.seal(&[0x23; 48]);
//! let Seal::Mac(mac) = Trailer::parse(question.as_bytes(), 4).unwrap().seal else { panic!() };
//! let answer = ring.seal("10.1.2.3".parse().unwrap(), &mac, &[0x24; 48]).unwrap();
//! assert_eq!(answer.as_bytes().len(), question.as_bytes().len());
//! assert_eq!(ring.seal("11.1.2.3".parse().unwrap(), &mac, &[0x24; 48]), Err(Silence::ForeignKey));
//! ```

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use super::Silence;
use super::access::{PREFIXES_MAX, Prefix, PrefixesTooMany};
use crate::wire::HEADER_LEN;
use crate::wire::extension::Mac;
use crate::wire::mac::{Key, Sealed};

/// The most keys on a ring.
pub const KEYS_MAX: usize = 1024;

/// The keys that are served. An empty ring answers no sealed question.
#[derive(Clone, Debug, Default)]
pub struct Ring {
    /// In the order of their ids, none twice.
    grants: Vec<Grant>,
}

impl Ring {
    /// A ring of these keys.
    ///
    /// # Errors
    /// More than [`KEYS_MAX`] of them, or two with one id.
    pub fn new(mut grants: Vec<Grant>) -> Result<Self, RingError> {
        if grants.len() > KEYS_MAX {
            return Err(RingError::KeysTooMany);
        }
        grants.sort_by_key(Grant::id);
        match grants.windows(2).find(|pair| pair[0].id() == pair[1].id()) {
            Some(pair) => Err(RingError::SameId { id: pair[0].id() }),
            None => Ok(Self { grants }),
        }
    }

    /// The key under which this client has sealed its question, if it is one that the client may use.
    ///
    /// This is the first half of [`seal`](Self::seal), for those who read the clock between the two: what it takes to check
    /// a question shall not stand between the time that is told and the wire.
    ///
    /// # Errors
    /// [`Silence`] with its reason, where nothing may be sent.
    pub fn open(&self, client: IpAddr, mac: &Mac<'_>) -> Result<&Key, Silence> {
        let place = self.grants.binary_search_by_key(&mac.key_id, Grant::id);
        let grant = place.ok().and_then(|place| self.grants.get(place)).ok_or(Silence::UnknownKey)?;
        if !grant.is_for(client) {
            return Err(Silence::ForeignKey);
        }
        if !grant.key.kind().takes(mac.digest.len()) {
            return Err(Silence::MacLength);
        }
        match grant.key.verify(mac.covered, mac.digest) {
            true => Ok(&grant.key),
            false => Err(Silence::WrongMac),
        }
    }

    /// The sealed answer to a question with this MAC; `answer` is what a question without one would be answered with.
    /// It has no more bytes than the question, and its MAC has exactly as many.
    ///
    /// # Errors
    /// [`Silence`] with its reason, where nothing may be sent.
    pub fn seal(&self, client: IpAddr, mac: &Mac<'_>, answer: &[u8; HEADER_LEN]) -> Result<Sealed, Silence> {
        self.open(client, mac).map(|key| key.seal_like(answer, mac.digest.len()))
    }
}

/// A key, and who may use it.
#[derive(Clone, Debug)]
pub struct Grant {
    key: Arc<Key>,
    allow: Vec<Prefix>,
}

impl Grant {
    /// A key for the addresses of these prefixes; without any it is nobody's.
    ///
    /// # Errors
    /// More than [`PREFIXES_MAX`] of them.
    pub fn new(key: Arc<Key>, allow: Vec<Prefix>) -> Result<Self, PrefixesTooMany> {
        if allow.len() > PREFIXES_MAX { Err(PrefixesTooMany) } else { Ok(Self { key, allow }) }
    }

    fn id(&self) -> u32 {
        self.key.id()
    }

    fn is_for(&self, client: IpAddr) -> bool {
        self.allow.iter().any(|prefix| prefix.contains(client))
    }
}

/// Why keys make no ring. Completes "cannot serve these keys: ..".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingError {
    /// There are more than [`KEYS_MAX`].
    KeysTooMany,
    /// Two keys have one id.
    SameId {
        /// Which.
        id: u32,
    },
}

impl fmt::Display for RingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeysTooMany => write!(f, "there are more than {KEYS_MAX}"),
            Self::SameId { id } => write!(f, "two of them have the id {id}"),
        }
    }
}

impl core::error::Error for RingError {}

#[cfg(test)]
mod tests;

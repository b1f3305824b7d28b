//! What the server has done, as an object.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};
use truechimer_core::server::Silence;

use crate::daemon::key_exchange::Counts;

/// What the server has done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerCounts {
    /// Where it listens for NTP.
    pub listening: Vec<SocketAddr>,
    /// TAICLOCK, where it is served.
    #[serde(default)]
    pub taiclock: Option<ClassicCounts>,
    /// TIME, where it is served.
    #[serde(default)]
    pub time: Option<ClassicCounts>,
    /// Leap seconds are smeared for clients, each over so long.
    #[serde(default)]
    pub leap_smear: Option<f64>,
    /// Questions answered.
    pub answered: u64,
    /// Of these, in interleaved mode. Replies of older daemons have none.
    #[serde(default)]
    pub interleaved: u64,
    /// Of these, although their clients asked too often.
    #[serde(default)]
    pub leaked: u64,
    /// Of these, sealed by a symmetric key.
    #[serde(default)]
    pub sealed: u64,
    /// Of these, protected by NTS.
    #[serde(default)]
    pub protected: u64,
    /// Of these, that a cookie is none of ours.
    #[serde(default)]
    pub refused: u64,
    /// What became of those who came for keys, where keys are given.
    #[serde(default)]
    pub key_exchanges: Option<KeyExchangeCounts>,
    /// Answers that the kernel did not take.
    pub unsent: u64,
    /// Datagrams left without an answer, by reason.
    pub silent: Vec<(String, u64)>,
}

impl ServerCounts {
    /// Questions that got no answer because their clients had asked too often.
    pub fn limited(&self) -> u64 {
        let is_it = |(why, _): &&(String, u64)| why == Silence::Limited.label();
        self.silent.iter().find(is_it).map_or(0, |(_, count)| *count)
    }
}

/// What was done by a protocol that is older than NTP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassicCounts {
    /// Where it is spoken.
    pub listening: Vec<SocketAddr>,
    /// Questions answered, of all that were.
    pub answered: u64,
}

impl ClassicCounts {
    /// So much was answered at these places, if there are any.
    pub fn of(places: &[SocketAddr], answered: u64) -> Option<Self> {
        (!places.is_empty()).then(|| Self { listening: places.to_vec(), answered })
    }
}

/// What became of those who came for keys of NTS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyExchangeCounts {
    /// They got keys.
    pub granted: u64,
    /// They got none.
    pub failed: u64,
    /// They came too often.
    pub limited: u64,
}

impl KeyExchangeCounts {
    /// What was counted so far.
    pub fn of(counts: &Counts) -> Self {
        let [granted, failed, limited] =
            [&counts.granted, &counts.failed, &counts.limited].map(|count| count.load(Ordering::Relaxed));
        Self { granted, failed, limited }
    }
}

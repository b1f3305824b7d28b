//! The keys of our cookies, over restarts and among hosts.
//!
//! Who gives keys owns the file: it turns the ring when that is due, writes it down before it uses it, and lets the oldest key
//! go for good. Who only opens cookies that another host has made reads the file that it gets from there, whenever it has changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwapOption;
use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;
use truechimer_core::server::cookie::{self, BadRing, RING_LEN_MAX, Ring};
use truechimer_core::wire::nts_ke::COOKIES_MAX;
use truechimer_core::wire::nts_ke::request::{ErrorCode, Request};
use truechimer_core::wire::nts_ke::response::{Granted, write_error, write_nothing};
use truechimer_sys::file::{self, FileError};
use truechimer_time::Span;
use zeroize::Zeroizing;

use super::connection::Session;
use super::{Told, utc};

/// Nobody else has business here.
const MODE: u32 = 0o600;

const CHECKSUM_LEN: usize = 4;

/// A ring as the workers get it: they make their own of it.
pub type RingBytes = Zeroizing<Vec<u8>>;

/// Where the workers find the ring, and where we see whether the clock is right.
#[derive(Clone)]
pub struct Published {
    /// The newest ring.
    pub ring: Arc<ArcSwapOption<RingBytes>>,
    /// Is the time known?
    pub is_synchronised: Arc<dyn Fn() -> bool + Send + Sync>,
}

/// The ring and its file.
pub(super) struct Rings {
    path: PathBuf,
    /// How long a key seals; `None`: another host turns the ring.
    turn: Option<Span>,
    rng: ChaCha20Rng,
    ring: Option<Ring>,
    /// When the file was last changed, as far as we know.
    changed: Option<SystemTime>,
    complained: bool,
}

impl Rings {
    pub(super) fn new(path: PathBuf, turn: Option<Span>, rng: ChaCha20Rng) -> Self {
        Self { path, turn, rng, ring: None, changed: None, complained: false }
    }

    /// Chance for others, too.
    pub(super) fn secret(&mut self) -> [u8; 16] {
        let mut secret = [0; 16];
        self.rng.fill_bytes(&mut secret);
        secret
    }

    /// Takes the ring of the file, or makes one.
    ///
    /// # Errors
    /// The file cannot be used, and making another would lock all clients out; or it cannot be written.
    pub(super) fn open(&mut self, published: &Published) -> Result<(), RingError> {
        match self.load() {
            Ok(ring) => self.ring = Some(ring),
            Err(RingError::File(error)) if error.is_missing() && self.turn.is_none() => {}
            Err(RingError::File(error)) if error.is_missing() => {
                let ring = Ring::new(utc(), &mut self.rng);
                self.save(&ring)?;
                self.ring = Some(ring);
            }
            Err(error) => return Err(error),
        }
        self.publish(published);
        Ok(())
    }

    /// Turns the ring if that is due, or takes the one that has come from elsewhere.
    pub(super) fn look_after(&mut self, published: &Published) {
        match self.turn {
            Some(turn) if (published.is_synchronised)() => self.turn_if_due(turn, published),
            Some(_) => {}
            None if modified(&self.path) != self.changed => self.reload(published),
            None => {}
        }
    }

    /// What cannot be written down is not used: after a restart nobody could open what was sealed with it.
    fn turn_if_due(&mut self, turn: Span, published: &Published) {
        let now = utc();
        let Some(ring) = self.ring.as_ref().filter(|ring| ring.due(turn) <= now) else { return };
        let mut next = Ring::from_bytes(&ring.to_bytes()).expect("a ring writes what it reads");
        next.catch_up(now, turn, &mut self.rng);
        match self.save(&next) {
            Ok(()) => {
                self.ring = Some(next);
                self.publish(published);
            }
            Err(error) => self.complain(&error),
        }
    }

    /// Reads the file anew. What cannot be read changes nothing.
    pub(super) fn reload(&mut self, published: &Published) {
        self.changed = modified(&self.path);
        match self.load() {
            Ok(ring) => {
                self.ring = Some(ring);
                self.complained = false;
                self.publish(published);
            }
            Err(error) => self.complain(&error),
        }
    }

    /// Once, until it is better.
    fn complain(&mut self, error: &RingError) {
        if !std::mem::replace(&mut self.complained, true) {
            eprintln!("error: {error}: the keys of cookies stay as they are");
        }
    }

    fn publish(&mut self, published: &Published) {
        self.changed = modified(&self.path);
        published.ring.store(self.ring.as_ref().map(|ring| Arc::new(ring.to_bytes())));
    }

    fn load(&self) -> Result<Ring, RingError> {
        let bytes = Zeroizing::new(file::load(&self.path, RING_LEN_MAX + CHECKSUM_LEN)?);
        let damaged = || RingError::Damaged { path: self.path.clone() };
        let (bytes, checksum) = bytes.split_last_chunk::<CHECKSUM_LEN>().ok_or_else(damaged)?;
        if crc32fast::hash(bytes).to_le_bytes() != *checksum {
            return Err(damaged());
        }
        Ring::from_bytes(bytes).map_err(|why| RingError::Bad { path: self.path.clone(), why })
    }

    /// The copy before it goes: it holds the key that is to be gone.
    fn save(&self, ring: &Ring) -> Result<(), RingError> {
        let bytes = ring.to_bytes();
        let checksum = crc32fast::hash(&bytes).to_le_bytes();
        let whole = Zeroizing::new([&bytes[..], &checksum].concat());
        file::save(&self.path, &whole, MODE)?;
        // There is none after the first time.
        let _none = fs::remove_file(file::previous(&self.path)?);
        Ok(())
    }

    /// The answer to a request, and whether it grants keys.
    pub(super) fn answer(
        &mut self,
        request: &Request,
        session: &Session<'_>,
        told: &Told,
    ) -> (Vec<u8>, bool) {
        let failed = (write_error(ErrorCode::InternalServerError), false);
        let (aead, exporter) = match request.grant {
            Ok(grant) => grant,
            Err(nothing) => return (write_nothing(nothing), false),
        };
        let (Some(ring), Ok(keys)) = (&mut self.ring, session.keys(aead, exporter)) else { return failed };
        let mut cookie = || {
            let mut cookie = vec![0; cookie::len(aead)];
            ring.seal(&keys, &mut self.rng, &mut cookie);
            cookie
        };
        let cookies: Vec<Vec<u8>> = (0..COOKIES_MAX).map(|_| cookie()).collect();
        let granted = Granted { aead, cookies: &cookies, server: told.server.as_deref(), port: told.port };
        (granted.write(), true)
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::symlink_metadata(path).and_then(|file| file.modified()).ok()
}

/// Why the keys of cookies cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// The system does not give or take the file.
    #[error("the keys of cookies: {0}")]
    File(#[from] FileError),
    /// Its checksum is wrong.
    #[error("the keys of cookies in {} are damaged: remove the file, and clients will come for new ones", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
    },
    /// It is something else.
    #[error("cannot use the keys of cookies in {}: {why}", path.display())]
    Bad {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: BadRing,
    },
}

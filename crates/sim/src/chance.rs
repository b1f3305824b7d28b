//! Chance, by name.
//!
//! Each thing that happens by chance draws from a stream named for it, so that a new one does not change the luck of
//! the others, and two runs that differ in one thing can be compared packet by packet.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// A stream of chance.
#[derive(Clone, Debug)]
pub struct Stream {
    seed: u64,
    hash: u64,
    rng: ChaCha8Rng,
}

impl Stream {
    /// The stream of this name in the history of this seed.
    pub fn new(seed: u64, name: &str) -> Self {
        Self::of(seed, hash(FNV_START, name))
    }

    /// Another stream of the same history, named for a part of what this one is named for. It does not matter how much
    /// has been drawn from this one.
    pub fn branch(&self, name: &str) -> Self {
        Self::of(self.seed, hash(hash(self.hash, "/"), name))
    }

    fn of(seed: u64, hash: u64) -> Self {
        Self { seed, hash, rng: ChaCha8Rng::from_seed(key_of(seed, hash)) }
    }

    /// Evenly from 0 to 1, 1 excluded.
    pub fn uniform(&mut self) -> f64 {
        (self.rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Exponential with mean 1.
    pub fn exponential(&mut self) -> f64 {
        -libm::log(1.0 - self.uniform())
    }

    /// Normal with mean 0 and variance 1 (Box and Muller, one of the pair).
    pub fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(2.0 * self.exponential());
        radius * libm::cos(2.0 * core::f64::consts::PI * self.uniform())
    }

    /// Yes with this probability.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }
}

/// 32 bytes for a generator: the seed and the FNV-1a hash of the name.
pub fn key(seed: u64, name: &str) -> [u8; 32] {
    key_of(seed, hash(FNV_START, name))
}

/// FNV-1a, 64 bits: its offset basis and its prime.
const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

fn hash(start: u64, name: &str) -> u64 {
    name.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME))
}

fn key_of(seed: u64, hash: u64) -> [u8; 32] {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&hash.to_le_bytes());
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_have_their_moments() {
        let mut stream = Stream::new(1, "test");
        let n = 100_000;
        let normal: Vec<f64> = (0..n).map(|_| stream.normal()).collect();
        let mean = normal.iter().sum::<f64>() / f64::from(n);
        let variance = normal.iter().map(|x| x * x).sum::<f64>() / f64::from(n);
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
        let exponential = (0..n).map(|_| stream.exponential()).sum::<f64>() / f64::from(n);
        assert!((exponential - 1.0).abs() < 0.02, "{exponential}");
    }

    #[test]
    fn names_and_seeds_make_different_streams() {
        let first = |seed, name| Stream::new(seed, name).uniform();
        assert_eq!(first(1, "a"), first(1, "a"));
        assert_ne!(first(1, "a"), first(1, "b"));
        assert_ne!(first(1, "a"), first(2, "a"));
        let mut drawn = Stream::new(1, "a");
        drawn.normal();
        assert_eq!(drawn.branch("b").uniform(), Stream::new(1, "a/b").uniform());
    }
}

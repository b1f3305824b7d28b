//! When to ask, and whom.

use crate::policy::SOURCES_MAX;

pub mod association;
pub mod credit;
pub mod interleaving;
pub mod locality;
pub mod nts;
pub mod pace;
pub mod pool;
pub mod reach;
pub mod schedule;
pub mod spread;

/// A source, by its place in the policy's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceId(pub u8);

impl SourceId {
    /// Its place in the list.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Some of the sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SourceSet {
    bits: u32,
}

const _: () = assert!(SOURCES_MAX <= 32, "a set of sources is one word");

impl SourceSet {
    /// Is the source with this place among them?
    pub fn contains(self, source: usize) -> bool {
        source < SOURCES_MAX && self.bits & (1 << source) != 0
    }

    /// None at all?
    pub fn is_empty(self) -> bool {
        self.bits == 0
    }

    /// How many.
    pub fn len(self) -> usize {
        self.bits.count_ones() as usize
    }

    /// Is any source in both?
    pub fn meets(self, other: Self) -> bool {
        self.bits & other.bits != 0
    }

    /// Those that are in both.
    pub fn and(self, other: Self) -> Self {
        Self { bits: self.bits & other.bits }
    }

    /// Those that are in either.
    pub fn or(self, other: Self) -> Self {
        Self { bits: self.bits | other.bits }
    }

    /// Those that are not in the other.
    pub fn without(self, other: Self) -> Self {
        Self { bits: self.bits & !other.bits }
    }

    /// Their places, in order.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..SOURCES_MAX).filter(move |&source| self.contains(source))
    }
}

impl FromIterator<usize> for SourceSet {
    fn from_iter<I: IntoIterator<Item = usize>>(sources: I) -> Self {
        let bits = sources.into_iter().fold(0, |bits, source| {
            assert!(source < SOURCES_MAX, "source {source} of at most {SOURCES_MAX}");
            bits | (1u32 << source)
        });
        Self { bits }
    }
}

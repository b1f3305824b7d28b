//! A sequence lock: one writer, any number of readers who take nothing and disturb nobody.
//!
//! ```text
//!   writer  generation = odd │ release fence │ words, relaxed │ generation = even, release
//!   reader  generation, relaxed │ acquire fence │ words, relaxed │ acquire fence │ generation, relaxed
//! ```
//!
//! All words are atomics, so that reading what is being written is no data race: what was read so is thrown away. A reader
//! only loads, and only relaxed: nothing else is promised to work everywhere on memory that may not be written.
//!
//! The lock is generic over its atomics, so that the proof (`lock/proof.rs`) tries all that the memory model allows on this
//! very code.

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering, fence};

/// An atomic integer, and the fences that belong to it.
pub(crate) trait Cell {
    /// What it holds.
    type Value: Copy;

    /// Loads it.
    fn load(&self, ordering: Ordering) -> Self::Value;
    /// Stores into it.
    fn store(&self, value: Self::Value, ordering: Ordering);
}

/// An atomic that counts generations: 0 was never written, an odd one is being written.
pub(crate) trait Generation: Cell<Value: PartialEq> {
    /// A fence.
    fn fence(ordering: Ordering);
    /// Is it that of a writing that has not ended?
    fn is_odd(value: Self::Value) -> bool;
    /// The odd one that follows; the same if it is odd, as a writer left it that died in the middle.
    fn begin(value: Self::Value) -> Self::Value;
    /// The even one that follows an odd one. Never 0.
    fn end(value: Self::Value) -> Self::Value;
}

/// Writes all words at once, as far as readers can see. There is to be one writer.
pub(crate) fn write<G: Generation, C: Cell>(generation: &G, places: &[C], words: &[C::Value]) {
    let writing = G::begin(generation.load(Ordering::Relaxed));
    generation.store(writing, Ordering::Relaxed);
    // Whoever sees a new word sees the odd generation as well, by the reader's second fence.
    G::fence(Ordering::Release);
    for (place, word) in places.iter().zip(words) {
        place.store(*word, Ordering::Relaxed);
    }
    // Whoever sees the even generation sees all new words, by the reader's first fence.
    generation.store(G::end(writing), Ordering::Release);
}

/// The generation and the words, unless they were written meanwhile.
pub(crate) fn read<G: Generation, C: Cell, const WORDS: usize>(
    generation: &G,
    places: &[C; WORDS],
) -> Option<(G::Value, [C::Value; WORDS])> {
    let before = generation.load(Ordering::Relaxed);
    G::fence(Ordering::Acquire);
    let words = std::array::from_fn(|place| places[place].load(Ordering::Relaxed));
    G::fence(Ordering::Acquire);
    let after = generation.load(Ordering::Relaxed);
    (before == after && !G::is_odd(before)).then_some((before, words))
}

impl Cell for AtomicU64 {
    type Value = u64;

    fn load(&self, ordering: Ordering) -> u64 {
        Self::load(self, ordering)
    }

    fn store(&self, value: u64, ordering: Ordering) {
        Self::store(self, value, ordering);
    }
}

/// 64 bits do not come round in the life of a machine.
impl Generation for AtomicU64 {
    fn fence(ordering: Ordering) {
        fence(ordering);
    }

    fn is_odd(value: u64) -> bool {
        !value.is_multiple_of(2)
    }

    fn begin(value: u64) -> u64 {
        value | 1
    }

    fn end(value: u64) -> u64 {
        value.wrapping_add(1)
    }
}

impl Cell for AtomicU16 {
    type Value = u16;

    fn load(&self, ordering: Ordering) -> u16 {
        Self::load(self, ordering)
    }

    fn store(&self, value: u16, ordering: Ordering) {
        Self::store(self, value, ordering);
    }
}

/// 16 bits come round, and leave 0 out.
impl Generation for AtomicU16 {
    fn fence(ordering: Ordering) {
        fence(ordering);
    }

    fn is_odd(value: u16) -> bool {
        !value.is_multiple_of(2)
    }

    fn begin(value: u16) -> u16 {
        value | 1
    }

    fn end(value: u16) -> u16 {
        value.checked_add(1).unwrap_or(2)
    }
}

#[cfg(test)]
mod proof;

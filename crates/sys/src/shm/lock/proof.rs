//! The proof of the lock: loom lives through every order in which the memory model lets a writer and a reader happen.
//!
//! A proof that cannot fail proves nothing, so locks that lack one thing each are tried as well. What they lack is taken from
//! the atomics below the same code, by name ([`Flaw`]); loom sees each of them ([`SEEN`]). It takes a reader who tries twice:
//! while a thread reads the generation for the first and only time, loom overlooks a missing release store, a missing first
//! fence and an odd generation that is not minded. Not seen at all is what loom does not model: loads that happen before one
//! that stands above them, and stores that reach memory before the program comes to them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, fence};

use super::{Cell, Generation, read, write};

/// What a lock lacks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flaw {
    /// Nothing.
    Sound,
    /// The writer's fence between the odd generation and the words.
    NoReleaseFence,
    /// The order that makes the even generation come after the words.
    NoReleaseStore,
    /// The reader's fence between the generation and the words.
    NoFirstFence,
    /// The reader's fence between the words and the generation.
    NoSecondFence,
    /// The odd generation.
    NeverOdd,
    /// The new generation: the old one comes back.
    NeverNew,
    /// The look at whether the generation is odd.
    OddIsNotSeen,
}

const SEEN: [fn() -> bool; 7] = [
    holds::<{ Flaw::NoReleaseFence as u8 }>,
    holds::<{ Flaw::NoReleaseStore as u8 }>,
    holds::<{ Flaw::NoFirstFence as u8 }>,
    holds::<{ Flaw::NoSecondFence as u8 }>,
    holds::<{ Flaw::NeverOdd as u8 }>,
    holds::<{ Flaw::NeverNew as u8 }>,
    holds::<{ Flaw::OddIsNotSeen as u8 }>,
];

/// loom's atomic, less what the flaw takes away.
struct Tried<const FLAW: u8>(AtomicU64);

impl<const FLAW: u8> Tried<FLAW> {
    fn lacks(flaw: Flaw) -> bool {
        FLAW == flaw as u8
    }
}

impl<const FLAW: u8> Cell for Tried<FLAW> {
    type Value = u64;

    fn load(&self, ordering: Ordering) -> u64 {
        self.0.load(ordering)
    }

    fn store(&self, value: u64, ordering: Ordering) {
        let ordering = if Self::lacks(Flaw::NoReleaseStore) { Ordering::Relaxed } else { ordering };
        self.0.store(value, ordering);
    }
}

impl<const FLAW: u8> Generation for Tried<FLAW> {
    fn fence(ordering: Ordering) {
        let is_left_out = match ordering {
            Ordering::Release => Self::lacks(Flaw::NoReleaseFence),
            Ordering::Acquire if is_first() => Self::lacks(Flaw::NoFirstFence),
            Ordering::Acquire => Self::lacks(Flaw::NoSecondFence),
            other => panic!("the lock has no fence that is {other:?}"),
        };
        if !is_left_out {
            fence(ordering);
        }
    }

    fn is_odd(value: u64) -> bool {
        !Self::lacks(Flaw::OddIsNotSeen) && value % 2 == 1
    }

    fn begin(value: u64) -> u64 {
        if Self::lacks(Flaw::NeverOdd) { value } else { value | 1 }
    }

    fn end(value: u64) -> u64 {
        if Self::lacks(Flaw::NeverNew) { value - 1 } else { value + 1 }
    }
}

thread_local! {
    /// The acquire fence that comes next is a reader's first. loom's threads are one of the system's, and one of them reads.
    static IS_FIRST: std::cell::Cell<bool> = const { std::cell::Cell::new(true) };
}

fn is_first() -> bool {
    IS_FIRST.with(|is_first| is_first.replace(!is_first.get()))
}

/// What is shared: words that were written together are equal.
struct Shared<const FLAW: u8> {
    generation: Tried<FLAW>,
    words: [Tried<FLAW>; 2],
}

/// A writer writes some times while a reader tries some times. What the reader accepts was written together, and never goes
/// back.
fn live<const FLAW: u8>(writes: u64, reads: u64) {
    IS_FIRST.set(true);
    let tried = |value| Tried(AtomicU64::new(value));
    let shared = Arc::new(Shared::<FLAW> { generation: tried(2), words: [tried(10), tried(10)] });
    let writers = Arc::clone(&shared);
    let writer = loom::thread::spawn(move || {
        for write_number in 2..2 + writes {
            write(&writers.generation, &writers.words, &[10 * write_number; 2]);
        }
    });
    let mut last = 0;
    for _ in 0..reads {
        if let Some((generation, [first, second])) = read(&shared.generation, &shared.words) {
            assert!(first == second, "words of two writings were read together");
            assert!(first == generation * 5, "words were read with the generation of others");
            assert!(first >= last, "what was read went back");
            last = first;
        }
    }
    writer.join().expect("the writer ends");
}

fn holds<const FLAW: u8>() -> bool {
    catch_unwind(AssertUnwindSafe(|| loom::model(|| live::<FLAW>(1, 2)))).is_ok()
}

#[test]
fn whatever_is_read_was_written_together_in_every_order_of_events() {
    for (writes, reads) in [(1, 2), (2, 1)] {
        loom::model(move || live::<{ Flaw::Sound as u8 }>(writes, reads));
    }
}

#[test]
fn the_proof_fails_where_the_lock_lacks_anything_that_it_needs() {
    let held: Vec<bool> = SEEN.iter().map(|holds| holds()).collect();
    assert_eq!(held, [false; 7]);
}

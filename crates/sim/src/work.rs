//! Much work on all cores, with the same result as on one.
//!
//! The work is a list of pieces that know nothing of each other; each piece has its own seed. Whoever is free takes the
//! next one, and the results are put back in the order of the pieces.

use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Who is told how many pieces are done, and of how many.
pub type Audience<'a> = dyn Fn(usize, usize) + Sync + 'a;

/// How much work may be done for a table, and by how many hands.
#[derive(Clone)]
pub struct Effort<'a> {
    /// Make so many histories of everything; `None` for as many as the table finds right.
    pub seeds: Option<u64>,
    /// Make the histories of these seeds, for a table whose seeds decide what is made.
    pub range: Option<RangeInclusive<u64>>,
    /// Make histories of so many machine-years altogether, for the same.
    pub budget: Option<f64>,
    /// A small fixed part only.
    pub quick: bool,
    /// On so many threads.
    pub jobs: NonZeroUsize,
    /// Who watches.
    pub audience: &'a Audience<'a>,
}

impl Effort<'static> {
    /// The small part, on one thread, unwatched: for tests.
    pub const QUICK: Self = Self {
        seeds: None,
        range: None,
        budget: None,
        quick: true,
        jobs: NonZeroUsize::MIN,
        audience: &|_, _| {},
    };
}

impl Effort<'_> {
    /// The seeds: from one to as many as were asked for, or else to `usual`; one if it has to be quick.
    pub fn seeds(&self, usual: u64) -> RangeInclusive<u64> {
        1..=self.seeds.unwrap_or(if self.quick { 1 } else { usual }).max(1)
    }

    /// Does every piece of work; the results are in the order of the pieces, whatever the number of threads.
    pub fn map<P: Sync, R: Send>(&self, pieces: &[P], work: impl Fn(&P) -> R + Sync) -> Vec<R> {
        let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        (self.audience)(0, pieces.len());
        let hand = || {
            let mut results = Vec::new();
            while let Some((index, piece)) = take(pieces, &next) {
                results.push((index, work(piece)));
                (self.audience)(done.fetch_add(1, Ordering::Relaxed) + 1, pieces.len());
            }
            results
        };
        let mut results: Vec<(usize, R)> = thread::scope(|scope| {
            let hands: Vec<_> = (0..self.jobs.get()).map(|_| scope.spawn(hand)).collect();
            // A piece of work that panics is a bug in it: the panic goes on here.
            hands
                .into_iter()
                .flat_map(|hand| hand.join().unwrap_or_else(|p| std::panic::resume_unwind(p)))
                .collect()
        });
        results.sort_by_key(|&(index, _)| index);
        results.into_iter().map(|(_, result)| result).collect()
    }
}

fn take<'a, P>(pieces: &'a [P], next: &AtomicUsize) -> Option<(usize, &'a P)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    pieces.get(index).map(|piece| (index, piece))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Stream;

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let pieces: Vec<u64> = (0..100).collect();
        let work = |&seed: &u64| (0..seed * 7 % 50).map(|_| Stream::new(seed, "work").normal()).sum::<f64>();
        let one = Effort::QUICK.map(&pieces, work);
        let many = Effort { jobs: NonZeroUsize::new(7).expect("seven"), ..Effort::QUICK }.map(&pieces, work);
        assert_eq!(one, many);
        assert_eq!(one.len(), pieces.len());
    }

    #[test]
    fn the_audience_hears_of_every_piece() {
        let heard = AtomicUsize::new(0);
        let audience = |_, of| {
            assert_eq!(of, 20);
            heard.fetch_add(1, Ordering::Relaxed);
        };
        let effort = Effort { audience: &audience, ..Effort::QUICK };
        effort.map(&[(); 20], |()| ());
        assert_eq!(heard.into_inner(), 21);
    }

    #[test]
    fn who_asks_for_seeds_gets_them() {
        assert_eq!(Effort::QUICK.seeds(3), 1..=1);
        assert_eq!(Effort { quick: false, ..Effort::QUICK }.seeds(3), 1..=3);
        assert_eq!(Effort { seeds: Some(5), ..Effort::QUICK }.seeds(3), 1..=5);
    }
}

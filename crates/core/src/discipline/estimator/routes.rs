//! Routes that were in use before.
//!
//! When a path changes, what is learned of its bases is lost; half of their difference is the source's error, and it
//! comes back only as the clock itself is trusted meanwhile. Over many changes that adds up to a random walk. But
//! networks go back to routes that they had: the sum of both bases, which is well known after a few exchanges, tells
//! which, and then the difference is known too.

use alloc::vec::Vec;

use super::bank::Bank;
use super::delay::Normal;

/// So many routes are remembered.
pub(super) const ROUTES_MAX: usize = 8;

/// A route is worth remembering after so many exchanges and seconds on it,
const ESTABLISHED: u32 = 12;
const ESTABLISHED_AFTER: f64 = 10_000.0;
/// if the sum of its bases is known to this part of the usual wait: what was learned in a queue is none.
const ESTABLISHED_WITHIN: f64 = 0.3;

/// After a change a known route is looked for from so many exchanges on,
const LOOK_FROM: u32 = 20;
/// and given up after so many, if none is alike,
const LOOK_UNTIL: u32 = 60;
/// or after so many, if the sum of the bases never became clear.
const LOOK_AT_MOST: u32 = 200;

/// The sum is clear when it is known to this part of the usual wait.
const CLEAR: f64 = 0.15;

/// How alike two routes are: standard deviations, and parts of the usual wait, for a new route and for a known one.
const ALIKE_SIGMAS: f64 = 3.0;
const ALIKE_TO_MERGE: f64 = 0.05;
const ALIKE_TO_RECALL: f64 = 0.02;

/// A recalled difference may be off by this part of the usual wait, and but for the first route by the error of the clock
/// besides, from which it was learned.
const RECALLED_WITHIN: f64 = 0.05;

/// The bases of a route: their sum, and there less back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Route {
    pub(super) sum: Normal,
    pub(super) difference: Normal,
}

impl Route {
    fn of(bank: &Bank) -> Self {
        let track = &bank.best().track;
        Self { sum: track.base_sum(), difference: track.base_difference() }
    }

    fn is_like(&self, other: &Self, slack: f64) -> bool {
        let sigma = libm::sqrt(self.sum.variance + other.sum.variance);
        libm::fabs(self.sum.mean - other.sum.mean) < ALIKE_SIGMAS * sigma + slack
    }
}

/// The routes known, and how long the present one has been in use.
#[derive(Clone, Debug, Default)]
pub(super) struct Routes {
    known: Vec<Route>,
    age: u32,
    /// For how many seconds.
    lasted: f64,
    is_looking: bool,
}

impl Routes {
    /// Remembers the route that is about to be left.
    pub(super) fn leave(&mut self, bank: &Bank) {
        let (route, scale) = (Route::of(bank), bank.best_shape().scale_max());
        let is_clear = libm::sqrt(route.sum.variance) < ESTABLISHED_WITHIN * scale;
        if self.age >= ESTABLISHED && self.lasted >= ESTABLISHED_AFTER && is_clear {
            self.remember(route, ALIKE_TO_MERGE * scale);
        }
        (self.age, self.lasted) = (0, 0.0);
        self.is_looking = true;
    }

    /// The sums of the bases of the routes that are known.
    pub(super) fn sums(&self) -> impl Iterator<Item = f64> {
        self.known.iter().map(|route| route.sum.mean)
    }

    fn remember(&mut self, route: Route, slack: f64) {
        if let Some(known) = self.known.iter_mut().find(|known| known.is_like(&route, slack)) {
            known.sum = route.sum;
            if route.difference.variance < known.difference.variance {
                known.difference = route.difference;
            }
            return;
        }
        if self.known.len() == ROUTES_MAX {
            // The first is the one that everything began with; the second is the oldest of the others.
            self.known.remove(1);
        }
        self.known.push(route);
    }

    /// One exchange later: the place of the present route among those that are known, if it is one.
    pub(super) fn recall(&mut self, bank: &Bank, passed: f64) -> Option<usize> {
        (self.age, self.lasted) = (self.age.saturating_add(1), self.lasted + passed);
        if !self.is_looking || self.age < LOOK_FROM {
            return None;
        }
        let (route, scale) = (Route::of(bank), bank.best_shape().scale_max());
        self.is_looking = self.age <= LOOK_AT_MOST;
        if !self.is_looking || libm::sqrt(route.sum.variance) > CLEAR * scale {
            return None;
        }
        let place = self.known.iter().position(|known| known.is_like(&route, ALIKE_TO_RECALL * scale));
        self.is_looking = place.is_none() && self.age <= LOOK_UNTIL;
        place
    }

    /// What is known of a route that is in use again, of which the place is known. But for the first, the difference was
    /// learned from a clock as well known as `clock` tells, a variance.
    pub(super) fn enter(&mut self, place: usize, scale: f64, clock: f64) -> Option<Route> {
        let Route { sum, difference } = self.known.get(place).copied()?;
        self.is_looking = false;
        let within = RECALLED_WITHIN * scale;
        let learned = if place == 0 { 0.0 } else { clock };
        let variance = difference.variance + within * within + learned;
        Some(Route { sum, difference: Normal { variance, ..difference } })
    }
}

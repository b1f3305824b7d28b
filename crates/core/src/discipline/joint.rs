//! What is likely by all truechimers together.
//!
//! Sources share one clock, ours, and each has a path of its own. So the state of this filter is
//!
//! ```text
//!   x, y              by how much a line through our counter is ahead of true time, and how fast it gains on it
//!   b₁, b₂            the base delays there and back, for each source
//! ```
//!
//! and an exchange with one source is a pair of walls on `x`, `b₁` and `b₂` of that source, exactly as in the filter of
//! one source ([`super::estimator`]). What one source tells of `x` and `y` serves to tell the bases of all others. No
//! weights are chosen: how much a source counts follows from how tight its walls are.
//!
//! # Asymmetry
//!
//! Of a single path nobody can tell which part of its delay is there and which is back, and half of the difference is an
//! error of `x`. Before anything is heard, that half is taken to be normal with mean zero and a standard deviation of
//! [`ASYMMETRY`] of all that may be wrong with the source: half its delay and what it says of its own distance from the
//! truth. That is the only place where it enters. One path alone keeps all of that doubt for ever, and `sigma` says so;
//! several that are independent tell each other's differences, and what is left for `x` is their mean weighted by these
//! variances.
//!
//! # The oscillator
//!
//! There is only one, so what the sources tell of its wander adds up. Some filters around the likeliest intensity run
//! side by side, weighed by how well they predicted exchanges of whatever source.
//!
//! # Following the estimators
//!
//! What is an outlier, when a base has moved and how waits are distributed is decided by each source's own
//! [`Estimator`](super::estimator::Estimator) or [`Gauge`](super::gauge::Gauge); this filter follows its [`Step`]s. The last [`TRAIL_MAX`] of each source are kept. When the set of
//! sources changes, an exchange that was in doubt is taken in late, or the filter has gone astray, it begins anew with what
//! is kept, in the order of time. Astray is what is far from the word of the surest member alone, or much less sure: the
//! exchanges of a slow beginning may have put walls where there are none, so as many of the first are then left out as it
//! takes.
//!
//! # What never happens here
//!
//! Nobody is judged: members are chosen by the vote. No certainty is touched: the [bracket](super::bracket) is computed
//! without any of this. Memory is constant: some 15 KiB for the filter and 9 KiB for each source, see [`Joint::MEMORY_MAX`].

use alloc::vec::Vec;

use truechimer_time::{Raw, Time};

use self::filter::{Filter, Voice};
use self::trail::Trail;
use super::estimator::{Estimate, Step};
use super::follower::Follower;
use crate::policy::SOURCES_MAX;
use crate::source::SourceSet;

mod filter;
mod state;
mod trail;

/// So many members at most: the next one would make the others' estimate better by a few hundredths at best, and the
/// work grows with the square of their number.
pub const MEMBERS_MAX: usize = 8;

/// So many steps of each source are kept.
pub const TRAIL_MAX: usize = 64;

/// One standard deviation of the error that a source's path and its own upstream cause, as a part of the most that they
/// can cause.
pub const ASYMMETRY: f64 = 0.1;

/// A beginning with fewer exchanges is not worth a second one.
const REHEARSED_MIN: u32 = 4;

/// After so many more exchanges a filter that has gone astray begins anew.
const ASTRAY_AFTER: u32 = 8;

const _: () = assert!(Joint::MEMORY_MAX <= 320 << 10, "320 KiB for 32 sources, nearly all of it trails");

/// The joint estimate.
#[derive(Clone, Debug)]
pub struct Joint {
    trails: Vec<Trail>,
    members: SourceSet,
    filter: Option<Filter>,
    /// How many exchanges had been taken in when the filter began.
    rehearsed: u32,
}

impl Joint {
    /// No joint estimate ever needs more bytes, with as many sources as there can be: the trails of all, and the filters.
    pub const MEMORY_MAX: usize = SOURCES_MAX * size_of::<Trail>()
        + SOURCES_MAX * TRAIL_MAX.next_power_of_two() * size_of::<Step>()
        + size_of::<Filter>();

    /// For so many sources.
    pub fn new(sources: usize) -> Self {
        let trails = (0..sources).map(|_| Trail::default()).collect();
        Self { trails, members: SourceSet::default(), filter: None, rehearsed: 0 }
    }

    /// The estimator of a source has heard an exchange.
    pub fn hear(&mut self, source: usize, estimator: &Follower) {
        let Some(trail) = self.trails.get_mut(source) else { return };
        trail.extend(estimator.steps());
        if !self.members.contains(source) {
            return;
        }
        let place = self.members.iter().position(|member| member == source);
        let (Some(filter), Some(place)) = (&mut self.filter, place) else { return };
        let follows = filter.follow(place, estimator.steps(), &estimator.telling());
        if !follows || self.is_rehearsal_due() {
            self.filter = None;
        }
    }

    /// Combines these sources from now on, as many as there is room for: first reference clocks, then those that are
    /// combined already, then those that may be least wrong.
    pub fn combine<'a>(&mut self, chosen: SourceSet, estimator: impl Fn(usize) -> Option<&'a Follower>) {
        let voice = |source: usize| self.trails.get(source)?.voice(source, estimator(source)?);
        let mut voices: Vec<Voice<'_>> = chosen.iter().filter_map(voice).collect();
        if voices.len() > MEMBERS_MAX {
            voices.sort_by(|one, other| {
                let rank = |voice: &Voice<'_>| {
                    let is_server = matches!(voice.estimator, Follower::Server(_));
                    (is_server, !self.members.contains(voice.source), voice.asymmetry)
                };
                rank(one).partial_cmp(&rank(other)).unwrap_or(core::cmp::Ordering::Equal)
            });
            voices.truncate(MEMBERS_MAX);
            voices.sort_by_key(|voice| voice.source);
        }
        let members: SourceSet = voices.iter().map(|voice| voice.source).collect();
        let is_at_work = self.filter.as_ref().is_some_and(|filter| {
            filter.taken() < self.rehearsed + ASTRAY_AFTER || !filter.is_astray(&voices)
        });
        if !is_at_work || members != self.members {
            self.filter = Filter::replay(&voices);
            self.rehearsed = self.filter.as_ref().map_or(0, Filter::taken);
            self.members = members;
        }
    }

    /// The first exchanges were taken in when little was known of the waits, and walls that were read wrongly can hold a
    /// filter for long. So it begins anew each time that twice as many have come, as long as the trails have them all.
    fn is_rehearsal_due(&self) -> bool {
        let taken = self.filter.as_ref().map_or(0, Filter::taken);
        let kept = self.members.len() * TRAIL_MAX;
        taken >= 2 * self.rehearsed.max(REHEARSED_MIN) && taken as usize <= kept
    }

    /// The estimate at a reading of the counter; `None` if nobody is combined.
    pub fn estimate(&self, at: Time<Raw>) -> Option<Estimate> {
        self.filter.as_ref().map(|filter| filter.estimate(at))
    }

    /// The part of the variance of the time, in s², that more questions can lessen: all but the doubt about the asymmetry
    /// of paths. `None` if nobody is combined.
    ///
    /// If the difference of the bases of every member were known, the time would be as good as all walls together make it.
    /// What each member's own estimator has not yet found out of its difference is an error of its time by half, and the
    /// members err independently.
    pub fn lessenable<'a>(&self, estimator: impl Fn(usize) -> Option<&'a Follower>) -> Option<f64> {
        let filter = self.filter.as_ref()?;
        let variance = |source| estimator(source).map(Follower::lessenable);
        let weight: f64 = self
            .members
            .iter()
            .filter_map(variance)
            .map(|variance| 1.0 / variance.max(f64::MIN_POSITIVE))
            .sum();
        Some(filter.variance_by_differences() + 1.0 / weight)
    }

    /// How fast the oscillator's rate wanders per square root of a second, as all together tell.
    pub fn wander(&self) -> Option<f64> {
        self.filter.as_ref().map(Filter::wander)
    }

    /// Who is combined.
    pub fn members(&self) -> SourceSet {
        if self.filter.is_some() { self.members } else { SourceSet::default() }
    }
}

#[cfg(test)]
mod tests;

//! Sources that come and go while we run.
//!
//! A source that stays keeps its place and all that was learned of it, whatever else is wanted of it now. One that goes leaves
//! its place empty: nobody is asked there, nobody votes. One that comes takes an empty place, or a new one.

use alloc::vec::Vec;

use super::{Action, Input, Node, operators_of, pooling};
use crate::moment::Moment;
use crate::policy::{Rhythm, SOURCES_MAX, SourcePolicy};
use crate::source::SourceId;
use crate::source::association::Association;

impl Node {
    /// From `now` on these are the sources. To be followed by [`Node::poll`] like [`Node::handle`].
    ///
    /// It is not an [`Input`], because it holds keys: a record of inputs holds none.
    pub fn relist(&mut self, now: &Moment, mut sources: Vec<SourcePolicy>) {
        sources.truncate(SOURCES_MAX);
        self.watch_clock(now, &Input::Wake);
        let places: Vec<Option<usize>> = sources.iter().map(|source| self.place_of(source)).collect();
        for index in 0..self.associations.len() {
            if !places.contains(&Some(index)) {
                self.let_go(now, index);
            }
        }
        for (source, place) in sources.into_iter().zip(places) {
            match place {
                Some(index) => self.associations[index].revise(source),
                None => self.welcome(now, source),
            }
        }
        self.number_operators();
        self.pools = pooling::pools_of(&self.associations, core::mem::take(&mut self.pools));
        self.review(now);
        self.go_on(now);
    }

    /// The names of the sources by their places, as they are now; `None` where nobody is.
    pub fn places(&self) -> impl Iterator<Item = Option<&SourcePolicy>> {
        self.associations.iter().map(|association| (!association.is_vacant).then_some(&association.policy))
    }

    /// Where the very source is now that is wanted.
    fn place_of(&self, wanted: &SourcePolicy) -> Option<usize> {
        self.places().position(|source| source.is_some_and(|source| source.is_same_source(wanted)))
    }

    /// The source leaves its place. Who was not asked because it is the same server is asked now.
    fn let_go(&mut self, now: &Moment, index: usize) {
        let association = &mut self.associations[index];
        self.actions.extend(association.vacate().map(Action::Close));
        let source = association.id;
        self.selected.forget(source);
        let others: Vec<usize> = (0..self.associations.len())
            .filter(|&it| self.associations[it].same_as == Some(source))
            .collect();
        self.compare_addresses(source);
        for other in others {
            if self.associations[other].same_as.is_none() {
                self.associations[other].schedule.burst(now.mono);
            }
        }
    }

    fn welcome(&mut self, now: &Moment, source: SourcePolicy) {
        let free = self.associations.iter().position(|association| association.is_vacant);
        let index = free.unwrap_or(self.associations.len());
        // There are at most as many sources as places, and those that stay have one each.
        assert!(index < SOURCES_MAX, "place {index} of {SOURCES_MAX}");
        let mut new = Association::new(SourceId(index as u8), source, index, now.mono);
        if self.policy.rhythm == Rhythm::Classic {
            new.schedule.end_abruptly();
        }
        match self.associations.get_mut(index) {
            Some(place) => *place = new,
            None => self.associations.push(new),
        }
        self.compare_addresses(SourceId(index as u8));
    }

    fn number_operators(&mut self) {
        let sources: Vec<Option<&SourcePolicy>> = self.places().collect();
        let numbers = operators_of(&sources);
        for (association, number) in self.associations.iter_mut().zip(numbers) {
            association.operator = number;
        }
    }
}

//! Pools: looking their names up when somebody is of no use, and making the acquaintance of who comes instead.
//!
//! [`Pool`] decides who comes and goes. A server that comes is a new acquaintance: nothing that was learned of the one before
//! at its place is kept, and it is believed only after a vote of its own.

use alloc::vec::Vec;
use core::net::SocketAddr;

use super::{Action, Node};
use crate::event::Event;
use crate::moment::Moment;
use crate::policy::Rhythm;
use crate::source::association::Association;
use crate::source::pool::{Change, Pool, Trouble};
use crate::source::{SourceId, SourceSet};
use truechimer_time::{Mono, Time};

/// The pools among these sources. What is known of one of the same name is kept.
pub(super) fn pools_of(associations: &[Association], mut known: Vec<Pool>) -> Vec<Pool> {
    let mut pools: Vec<Pool> = Vec::new();
    for policy in associations.iter().filter_map(|association| association.policy.pool.as_ref()) {
        if pools.iter().any(|pool| pool.name() == policy.name) {
            continue;
        }
        let is_in = |association: &&Association| {
            association.policy.pool.as_ref().is_some_and(|pool| pool.name == policy.name)
        };
        let sources: SourceSet = associations.iter().filter(is_in).map(|member| member.id.index()).collect();
        let old = known.iter().position(|pool| pool.name() == policy.name).map(|at| known.swap_remove(at));
        pools.push(match old {
            Some(old) => old.with(policy.clone(), sources),
            None => Pool::new(policy.clone(), sources),
        });
    }
    pools
}

impl Node {
    /// Sees how the servers of the pools do, and looks a name up if one of them shall be replaced.
    pub(super) fn tend_pools(&mut self, now: &Moment) {
        let others_answer = self.somebody_answers();
        for index in 0..self.pools.len() {
            let pool = &mut self.pools[index];
            pool.watch(&self.associations, now.mono);
            if let Some((_, source)) = pool.due(others_answer).filter(|(at, _)| *at <= now.mono) {
                pool.looks_up(source, now.mono);
                self.actions.push_back(Action::Resolve(source));
            }
        }
    }

    /// When the next name of a pool is looked up, if nothing happens before.
    pub(super) fn pools_due(&self) -> Option<Time<Mono>> {
        let others_answer = self.somebody_answers();
        self.pools.iter().filter_map(|pool| pool.due(others_answer)).map(|(at, _)| at).min()
    }

    /// A server does not want to be asked by us: if it is one of a pool, there are others.
    pub(super) fn refused_by(&mut self, source: SourceId) {
        self.pools.iter_mut().for_each(|pool| pool.refused(source.index()));
    }

    /// The name of a source was looked up. Says whether it is the name of a pool, and then that is all there is to do.
    pub(super) fn pool_resolved(&mut self, now: &Moment, source: SourceId, found: &[SocketAddr]) -> bool {
        let others_answer = self.somebody_answers();
        let Some(pool) = self.pools.iter_mut().find(|pool| pool.has(source.index())) else { return false };
        let changes = pool.resolved(found, now.mono, others_answer, &self.associations);
        let name = pool.name().into();
        for change in changes {
            self.make_acquaintance(now, change);
        }
        self.tell_vacancies(name);
        true
    }

    fn somebody_answers(&self) -> bool {
        let answers = |association: &Association| {
            association.policy.reference.is_none() && association.reach.answers_lately()
        };
        self.associations.iter().any(answers)
    }

    /// Another server is at a place from now on.
    fn make_acquaintance(&mut self, now: &Moment, Change { source, address, trouble }: Change) {
        let Some(old) = self.associations.get_mut(source) else { return };
        let mut new = Association::new(old.id, old.policy.clone(), old.operator, now.mono);
        new.resolved(&[address]);
        if self.policy.rhythm == Rhythm::Classic {
            new.schedule.end_abruptly();
        }
        let old = core::mem::replace(old, new);
        let id = old.id;
        self.actions.extend(old.underway.as_ref().map(|underway| Action::Close(underway.id)));
        if let (Some(address), false) = (old.address(), trouble == Trouble::Vacant) {
            self.tell(Event::GivenUp { source: id, address, trouble });
        }
        self.selected.forget(id);
        self.tell(Event::Addressed { source: id, address });
        self.compare_addresses(id);
    }

    /// A place for which the name has no server is told of, once.
    fn tell_vacancies(&mut self, pool: alloc::string::String) {
        for index in 0..self.associations.len() {
            let association = &mut self.associations[index];
            let is_in = association.policy.pool.as_ref().is_some_and(|policy| policy.name == pool);
            let is_vacant = association.address().is_none();
            if is_in && is_vacant && !core::mem::replace(&mut association.is_lost, true) {
                let source = association.id;
                self.tell(Event::NotFound { source });
            }
        }
    }
}

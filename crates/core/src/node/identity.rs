//! Who is who: two names of one server are one source, and who has the time from us cannot tell it to us.

use alloc::vec::Vec;
use core::net::SocketAddr;

use truechimer_time::Span;

use super::Node;
use crate::event::Event;
use crate::measure::exchange::{Here, Refusal};
use crate::moment::Moment;
use crate::source::SourceId;
use crate::source::association::{Association, ExchangeId};

/// After this it is looked up again whether a second name still leads to the same server.
pub(super) const SAME_SERVER_REST: Span = Span::from_secs(3600);

impl Node {
    /// Addresses at which no other source is come first: names of one pool share servers.
    pub(super) fn free_first(&self, source: SourceId, addresses: &[SocketAddr]) -> Vec<SocketAddr> {
        let is_taken = |address: &SocketAddr| {
            let mut others = self.associations.iter().filter(|other| other.id != source);
            others.any(|other| other.address() == Some(*address))
        };
        let mut sorted = addresses.to_vec();
        sorted.sort_by_key(is_taken);
        sorted
    }

    /// A source is asked somewhere else from now on. Is another one there already? And who was left out because of it?
    pub(super) fn compare_addresses(&mut self, moved: SourceId) {
        let is_in_question = |association: &Association| {
            let of = association.same_as.map(|of| self.associations[of.index()].address());
            association.id == moved || of.is_some_and(|address| address != association.address())
        };
        let in_question: Vec<usize> =
            (0..self.associations.len()).filter(|&index| is_in_question(&self.associations[index])).collect();
        for &index in &in_question {
            self.associations[index].same_as = None;
        }
        for index in in_question {
            self.find_same(index);
        }
    }

    fn find_same(&mut self, index: usize) {
        let Some(address) = self.associations[index].address() else { return };
        let source = self.associations[index].id;
        let is_there = |other: &&Association| {
            other.id != source && other.same_as.is_none() && other.address() == Some(address)
        };
        if let Some(of) = self.associations.iter().find(is_there).map(|other| other.id) {
            self.associations[index].same_as = Some(of);
            self.tell(Event::SameServer { source, of });
        }
    }

    /// A question is about to leave from here.
    pub(super) fn leaves_from(&mut self, exchange: ExchangeId, here: Here) {
        if let Some(index) = self.whose(exchange) {
            self.associations[index].here = Some(here);
        }
    }

    /// An answer was refused: if its time comes from us, then what the source said before may have come from us too.
    pub(super) fn break_loop(&mut self, now: &Moment, index: usize, refusal: Refusal) {
        if !refusal.is_loop() {
            return;
        }
        let association = &mut self.associations[index];
        association.disbelieve();
        let source = association.id;
        if !core::mem::replace(&mut association.is_loop, true) {
            self.tell(Event::Loops { source });
        }
        self.review(now);
    }
}

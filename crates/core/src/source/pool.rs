//! A pool: one name of many servers, of which a few are asked at once.
//!
//! A pool is a fixed number of places among the sources. Who is at a place can change, and this decides when. Whoever answers
//! for the name chooses among all servers there are, so he is given little to choose:
//!
//! - A place is given away only if whoever has it is of no use: refuses us, is dead, outvoted, or says nothing that could be
//!   used, and that for long ([`PATIENCE`]). That the name leads elsewhere by now is no reason.
//! - As long as no majority of the places has ever answered, those that never did are filled as fast as the name can be
//!   looked up. From then on one place changes hands within an [`HOUR`], and within a [`DAY`] fewer than would be a
//!   majority ([`Pool::strangers_max`]): who rules the name from some hour on, and can silence or discredit servers besides,
//!   has no majority before a day has passed.
//! - Of one block of addresses ([`block`](super::locality::block)) there is one server at most, none is at the address of
//!   another source, none comes back within a day, and addresses of our own network are no servers unless the operator
//!   has said that the name is of that network.
//! - The name is looked up when there is a place to give away, and ever more rarely if that was in vain.
//!
//! **What never happens here:** nobody is asked and nothing is forgotten; the [node](crate::node) does that.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use truechimer_time::{Mono, Span, Time};

use super::association::Association;
use super::locality::{block, is_one_host, is_public};
use super::{SourceId, SourceSet};
use crate::policy::PoolPolicy;

/// From one change of hands to the next.
pub const HOUR: Span = Span::from_secs(3600);

/// So long is a server a stranger, and so long is one that was given up not taken back.
pub const DAY: Span = Span::from_secs(86_400);

/// So long is somebody borne who is of no use.
pub const PATIENCE: Span = HOUR;

/// A name that gave nothing of use is looked up again after this, then after twice as long, and so on up to ..
const LOOK_AGAIN_MIN: Span = Span::from_secs(16);
/// .. this.
const LOOK_AGAIN_MAX: Span = Span::from_secs(1024);

/// So many servers that were given up are remembered.
const GIVEN_UP_MAX: usize = 16;

/// Who has never said anything that could be used is of no use after so many polls: as many as a death takes.
const MUTE_AFTER: u32 = 8;

/// Why a server of a pool is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// There is none at this place yet.
    Vacant,
    /// It does not want to be asked by us (`DENY`, `RSTR`).
    Refused,
    /// It does not answer.
    Unreachable,
    /// It is outvoted.
    Falseticker,
    /// It answers, but never anything that could be used.
    Mute,
    /// It has its time from us, or is another source already.
    NotItself,
}

/// The places of one name.
#[derive(Clone, Debug)]
pub struct Pool {
    policy: PoolPolicy,
    places: Vec<Place>,
    is_established: bool,
    /// When a place changed hands last, once established.
    changed: Option<Time<Mono>>,
    /// Whose lookup is awaited.
    looking: Option<SourceId>,
    looked: Option<Time<Mono>>,
    /// How many lookups in a row gave nothing of use.
    in_vain: u32,
    given_up: VecDeque<(IpAddr, Time<Mono>)>,
}

/// One of the places.
#[derive(Clone, Copy, Debug)]
struct Place {
    source: usize,
    has_answered: bool,
    is_refused: bool,
    trouble: Option<(Trouble, Time<Mono>)>,
    /// When it changed hands, once the pool was established.
    changed: Option<Time<Mono>>,
}

/// Who has come to a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The place.
    pub source: usize,
    /// Where whoever has it now is asked.
    pub address: SocketAddr,
    /// Why whoever had it has lost it.
    pub trouble: Trouble,
}

impl Pool {
    /// A pool with these places, all of them vacant.
    pub fn new(policy: PoolPolicy, sources: SourceSet) -> Self {
        Self {
            policy,
            places: sources.iter().map(Place::vacant).collect(),
            is_established: false,
            changed: None,
            looking: None,
            looked: None,
            in_vain: 0,
            given_up: VecDeque::new(),
        }
    }

    /// By what the operator calls it.
    pub fn name(&self) -> &str {
        &self.policy.name
    }

    /// Has the source one of its places?
    pub fn has(&self, source: usize) -> bool {
        self.places.iter().any(|place| place.source == source)
    }

    /// The same pool with other places: what is known of those that stay is kept.
    pub fn with(mut self, policy: PoolPolicy, sources: SourceSet) -> Self {
        let known = |source: usize| self.places.iter().find(|place| place.source == source).copied();
        self.places = sources.iter().map(|source| known(source).unwrap_or(Place::vacant(source))).collect();
        self.looking = self.looking.filter(|source| sources.contains(source.index()));
        Self { policy, ..self }
    }

    /// Fewer than would be a majority of the places; one of one.
    pub fn strangers_max(&self) -> usize {
        (self.places.len() / 2).max(1)
    }

    /// The server at this place does not want to be asked by us.
    pub fn refused(&mut self, source: usize) {
        if let Some(place) = self.places.iter_mut().find(|place| place.source == source) {
            place.is_refused = true;
        }
    }

    /// Sees how the servers do, after each happening.
    pub fn watch(&mut self, associations: &[Association], now: Time<Mono>) {
        for place in &mut self.places {
            let Some(association) = associations.get(place.source) else { continue };
            place.has_answered |= association.has_spoken();
            let since = place.trouble.map_or(now, |(_, since)| since);
            place.trouble = place.trouble_of(association).map(|trouble| (trouble, since));
        }
        let answered = self.places.iter().filter(|place| place.has_answered).count();
        self.is_established |= answered > self.places.len() / 2;
    }

    /// When the name has to be looked up next, by which source; `None` while nobody is in the way or a lookup is awaited.
    pub fn due(&self, others_answer: bool) -> Option<(Time<Mono>, SourceId)> {
        if self.looking.is_some() {
            return None;
        }
        let ready = self.places.iter().filter_map(|place| Some((self.ready(place, others_answer)?, place)));
        let (at, place) = ready.min_by_key(|(at, place)| (*at, place.source))?;
        let again = LOOK_AGAIN_MIN * (1 << self.in_vain.min(6));
        let polite = self.looked.map_or(at, |looked| looked + again.min(LOOK_AGAIN_MAX));
        Some((at.max(polite), SourceId(place.source as u8)))
    }

    /// The name is being looked up.
    pub fn looks_up(&mut self, source: SourceId, now: Time<Mono>) {
        self.looking = Some(source);
        self.looked = Some(now);
    }

    /// When a place may be given away; `None` if whoever has it is of use.
    fn ready(&self, place: &Place, others_answer: bool) -> Option<Time<Mono>> {
        let (trouble, since) = place.trouble?;
        if !self.is_established && !place.has_answered {
            return Some(since);
        }
        let patience = match trouble {
            Trouble::Vacant | Trouble::Refused => Span::ZERO,
            Trouble::Falseticker | Trouble::Mute | Trouble::NotItself => PATIENCE,
            Trouble::Unreachable if others_answer => PATIENCE,
            // Where nobody answers, the way is cut, and that is no server's fault.
            Trouble::Unreachable => DAY,
        };
        let next = self.changed.map_or(since, |changed| changed + HOUR);
        Some((since + patience).max(next).max(self.room_for(place)))
    }

    /// From when on this place can be a stranger's.
    fn room_for(&self, place: &Place) -> Time<Mono> {
        let others = self.places.iter().filter(|other| other.source != place.source);
        let mut strangers: Vec<Time<Mono>> = others.filter_map(|other| other.changed).collect();
        strangers.sort_unstable();
        let first = strangers.len().checked_sub(self.strangers_max());
        first.and_then(|first| strangers.get(first)).map_or(Time::EPOCH, |&changed| changed + DAY)
    }

    /// The name was looked up: who comes to which place?
    pub fn resolved(
        &mut self,
        addresses: &[SocketAddr],
        now: Time<Mono>,
        others_answer: bool,
        associations: &[Association],
    ) -> Vec<Change> {
        self.looking = None;
        let mut changes: Vec<Change> = Vec::new();
        for &address in addresses {
            let Some(index) = self.free_place(now, others_answer) else { break };
            let place = self.places[index];
            let is_taken = associations.iter().any(|it| it.address() == Some(address))
                || changes.iter().any(|change| change.address == address);
            if is_taken
                || !self.accepts(address, now)
                || self.is_crowded(address, &place, &changes, associations)
            {
                continue;
            }
            let trouble = place.trouble.map_or(Trouble::Vacant, |(trouble, _)| trouble);
            let old = associations.get(place.source).and_then(Association::address);
            self.give(index, old, now);
            changes.push(Change { source: place.source, address, trouble });
        }
        self.in_vain = if changes.is_empty() { self.in_vain.saturating_add(1) } else { 0 };
        changes
    }

    /// The place whose server has been of no use for longest of those that can be given away now.
    fn free_place(&self, now: Time<Mono>, others_answer: bool) -> Option<usize> {
        let is_ready = |place: &Place| self.ready(place, others_answer).is_some_and(|at| at <= now);
        let ready = (0..self.places.len()).filter(|&index| is_ready(&self.places[index]));
        ready.min_by_key(|&index| (self.places[index].trouble.map(|(_, since)| since), index))
    }

    /// Could a server of this pool be there at all?
    fn accepts(&self, address: SocketAddr, now: Time<Mono>) -> bool {
        let ip = address.ip();
        let is_fit = if self.policy.is_near { is_one_host(ip) } else { is_public(ip) };
        let is_given_up = self.given_up.iter().any(|&(old, at)| old == ip && now < at + DAY);
        is_fit && address.port() != 0 && !is_given_up
    }

    /// Is another server of the pool in the same block?
    fn is_crowded(
        &self,
        address: SocketAddr,
        place: &Place,
        changes: &[Change],
        associations: &[Association],
    ) -> bool {
        let mine = block(address.ip());
        let has_changed = |source: usize| changes.iter().any(|change| change.source == source);
        let others = self.places.iter().map(|other| other.source);
        let staying = others.filter(|&other| other != place.source && !has_changed(other));
        let old = staying.filter_map(|other| associations.get(other)?.address());
        let new = changes.iter().map(|change| change.address);
        old.chain(new).any(|other| block(other.ip()) == mine)
    }

    fn give(&mut self, index: usize, old: Option<SocketAddr>, now: Time<Mono>) {
        if let Some(old) = old {
            self.given_up.truncate(GIVEN_UP_MAX - 1);
            self.given_up.push_front((old.ip(), now));
        }
        let changed = self.is_established.then_some(now);
        self.changed = changed.or(self.changed);
        let place = &mut self.places[index];
        *place = Place { changed, ..Place::vacant(place.source) };
        place.trouble = None;
    }
}

impl Place {
    fn vacant(source: usize) -> Self {
        Self { source, has_answered: false, is_refused: false, trouble: None, changed: None }
    }

    fn trouble_of(&self, association: &Association) -> Option<Trouble> {
        let is_mute = !association.has_spoken() && association.reach.polls() >= MUTE_AFTER;
        let troubles = [
            (association.address().is_none(), Trouble::Vacant),
            (self.is_refused, Trouble::Refused),
            (association.is_loop || association.same_as.is_some(), Trouble::NotItself),
            (association.is_absent, Trouble::Unreachable),
            (association.credit.outvoted_by().is_some(), Trouble::Falseticker),
            (is_mute, Trouble::Mute),
        ];
        troubles.into_iter().find(|&(is_so, _)| is_so).map(|(_, trouble)| trouble)
    }
}

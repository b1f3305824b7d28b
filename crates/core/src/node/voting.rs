//! Who is believed: the vote among the sources, its memory, and what is told of it.

use alloc::vec::Vec;

use super::Node;
use crate::discipline::bracket::Bracket;
use crate::discipline::select::{Agreement, NoMajority, Quorum, Voter, vote};
use crate::event::Event;
use crate::moment::Moment;
use crate::source::association::Association;
use crate::source::{SourceId, SourceSet};

/// Who agreed at the last vote that had a majority, and why there is none now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Selection {
    pub(super) truechimers: SourceSet,
    pub(super) falsetickers: SourceSet,
    without_trusted: bool,
    outcome: Outcome,
}

/// The outcome of the last vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum Outcome {
    /// Not everybody was asked yet, so that there is no majority is not worth telling.
    #[default]
    Early,
    Majority,
    Lacking(NoMajority),
}

impl Selection {
    pub(super) fn has_majority(&self) -> bool {
        self.outcome == Outcome::Majority
    }

    /// Somebody else is at this place from now on.
    pub(super) fn forget(&mut self, source: SourceId) {
        let gone: SourceSet = [source.index()].into_iter().collect();
        self.truechimers = self.truechimers.without(gone);
        self.falsetickers = self.falsetickers.without(gone);
    }
}

impl Node {
    pub(super) fn vote(&self, now: &Moment) -> Result<Agreement, NoMajority> {
        let (voters, quorum) = (self.voters(now), self.quorum());
        let is_trust_awaited = self.associations.iter().any(|a| a.policy.trust && a.is_awaited());
        if is_trust_awaited && voters.iter().all(|voter| !voter.trust) {
            return Err(NoMajority::TrustedAwaited);
        }
        let agreement = self.proved(vote(&voters, quorum)?, quorum)?.refined(&voters, &self.refiners(now));
        let is_required = self.associations.iter().any(|association| association.policy.require);
        match is_required && voters.iter().all(|voter| !voter.require) {
            true => Err(NoMajority::RequiredMissing),
            false => Ok(agreement),
        }
    }

    /// All that may decide.
    fn voters(&self, now: &Moment) -> Vec<Voter> {
        let everybody = self.everybody(now).into_iter();
        let is_admitted =
            |voter: &Voter| self.is_admitted(now, &self.associations[voter.source], voter.bracket);
        everybody.filter(is_admitted).collect()
    }

    /// All that have a vote and say anything.
    pub(super) fn everybody(&self, now: &Moment) -> Vec<Voter> {
        let voter = |association: &Association| {
            let source = association.id.index();
            self.say_of(now, association).map(|bracket| Voter {
                source,
                operator: association.operator,
                bracket,
                trust: association.policy.trust,
                require: association.policy.require,
                incumbent: self.selected.truechimers.contains(source),
            })
        };
        self.associations.iter().filter(|association| association.has_vote()).filter_map(voter).collect()
    }

    /// Where a source says that true time is, if it says anything that counts.
    pub(super) fn say_of(&self, now: &Moment, association: &Association) -> Option<Bracket> {
        let limits = self.oscillator.limits(now.raw);
        association.say(now.raw, limits, self.policy.trust.max_distance)
    }

    /// Those of them that have no vote.
    pub(super) fn pulses(&self, now: &Moment) -> Vec<Voter> {
        let all = self.refiners(now).into_iter();
        all.filter(|voter| self.associations[voter.source].is_pulse()).collect()
    }

    /// Who may narrow what is agreed upon. Each speaks for itself.
    pub(super) fn refiners(&self, now: &Moment) -> Vec<Voter> {
        let refiner = |association: &Association| {
            let source = association.id.index();
            let refines = association.policy.reference.is_some_and(|reference| reference.refine);
            let bracket = self.say_of(now, association)?;
            let incumbent = self.selected.truechimers.contains(source);
            let voter = Voter { source, operator: source, bracket, trust: false, require: false, incumbent };
            (refines || association.is_pulse()).then_some(voter)
        };
        self.associations.iter().filter_map(refiner).collect()
    }

    /// So many operators must agree: more than half of all, whether they answer or not, for whoever can silence the
    /// honest would decide otherwise. Only the operator can let fewer decide.
    pub(super) fn quorum(&self) -> Quorum {
        let voters = || self.associations.iter().filter(|association| association.has_vote());
        let all = count_operators(voters());
        let living = || count_operators(voters().filter(|association| !association.is_dead()));
        match self.policy.trust.min_operators {
            None => Quorum::majority_of(all),
            Some(least) => Quorum::of_the_living(all, living(), least),
        }
    }

    /// Remembers who was outvoted and by how much, and who agrees again; `answered` has just given an answer.
    pub(super) fn settle_credits(&mut self, agreement: &Agreement, answered: Option<SourceId>) {
        let at = agreement.peak.at;
        let limits = self.oscillator.limits(at);
        for association in &mut self.associations {
            let index = association.id.index();
            if agreement.truechimers.contains(index) {
                association.credit.agreed(answered == Some(association.id));
            } else if let Some(bracket) = association.say(at, limits, self.policy.trust.max_distance) {
                association.credit.outvoted(agreement.distance(bracket));
            }
        }
    }

    /// Selects those who agree and have not been outvoted of late; all who agree, if that leaves none.
    pub(super) fn select(&mut self, agreement: &Agreement) {
        let good = self.associations.iter().filter(|association| association.credit.is_good());
        let good: SourceSet = good.map(|association| association.id.index()).collect();
        let believed = agreement.truechimers.and(good);
        let truechimers = if believed.is_empty() { agreement.truechimers } else { believed };
        let falsetickers = agreement.falsetickers;
        let without_trusted =
            !agreement.by_trust && self.associations.iter().any(|association| association.policy.trust);
        let new = Selection { truechimers, falsetickers, without_trusted, outcome: Outcome::Majority };
        if core::mem::replace(&mut self.selected, new) != new {
            self.tell(Event::Selected { truechimers, falsetickers, without_trusted });
        }
    }

    pub(super) fn do_without(&mut self, reason: NoMajority) {
        let is_news = match self.selected.outcome {
            Outcome::Early => self.everybody_was_asked(),
            Outcome::Majority => true,
            Outcome::Lacking(before) => reason.differs_from(before),
        };
        if is_news {
            self.selected.outcome = Outcome::Lacking(reason);
            self.tell(Event::Unselected(reason));
        }
    }

    fn everybody_was_asked(&self) -> bool {
        let was_asked =
            |a: &Association| a.is_vacant || a.reach.polls() > 0 || a.is_lost || a.same_as.is_some();
        self.associations.iter().all(was_asked)
    }
}

fn count_operators<'a>(associations: impl Iterator<Item = &'a Association>) -> usize {
    let seen: u32 = associations.fold(0, |seen, association| seen | (1 << association.operator));
    seen.count_ones() as usize
}

//! The first time that is known, where the clock is too wrong for certificates.
//!
//! A machine without a battery may begin where no certificate is valid, and then there are no keys for NTS. If the operator
//! allows it, keys are agreed on all the same with servers whose certificates lack nothing but the right dates. Such keys are
//! *provisional*: what is said under them is good for one vote, which asks when it is.
//!
//! ```text
//!            refused for its dates               so many agree when it is
//!   Strict ───────────────────────► Seeking ──────────────────────────────► Verifying ───────────► Over
//!                                      ▲   all that was said is forgotten       │     as many agree,
//!                                      │   and keys are agreed on anew,         │     under certificates
//!                                      │   at that time                         │     valid at that time
//!                                      └────────────────────────────────────────┘
//!                                           too few of them can prove it
//! ```
//!
//! So whoever has got hold of old keys of a few servers cannot make their certificates good by telling of a time at which
//! they were: he would need as many as must agree. And none of it ever goes behind the floor.
//!
//! **Invariant:** what was said under provisional keys never gets into the model, and once the time was known there are no
//! such keys any more.

use alloc::vec::Vec;

use truechimer_time::{Time, Utc};

use super::{Action, Dates, Node};
use crate::discipline::bracket::Bracket;
use crate::discipline::select::{Agreement, NoMajority, Quorum, Voter, vote};
use crate::event::{Bootstrapping, Event};
use crate::moment::Moment;
use crate::source::SourceSet;
use crate::source::association::{Association, Worth};

/// How far the first time is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Bootstrap {
    /// No certificate was refused for its dates.
    #[default]
    Strict,
    /// Keys are agreed on without regard to the dates.
    Seeking,
    /// Enough have agreed on this, and prove now that they may.
    Verifying(Bracket),
    /// The time was known once.
    Over,
}

impl Bootstrap {
    /// What was agreed on, while that has to be proved.
    fn claim(self) -> Option<Bracket> {
        match self {
            Self::Verifying(bracket) => Some(bracket),
            Self::Strict | Self::Seeking | Self::Over => None,
        }
    }
}

impl Node {
    /// When the certificate of a source has to be valid. One that was refused for its dates alone may have been valid at
    /// any time since the floor, as long as nobody knows when it is.
    pub(super) fn dates(&self, now: &Moment, index: usize) -> Dates {
        let is_open = match self.bootstrap {
            Bootstrap::Strict | Bootstrap::Seeking => self.policy.trust.nts_bootstrap.is_some(),
            Bootstrap::Verifying(_) | Bootstrap::Over => false,
        };
        let keyring = self.associations[index].nts.as_ref();
        match is_open && keyring.is_some_and(|keyring| keyring.is_out_of_date) {
            true => Dates::Since(self.floor),
            false => Dates::At(self.certain_utc(now)),
        }
    }

    /// When it is, for certificates. What is past for certain is not believed, whatever the clock shows.
    fn certain_utc(&self, now: &Moment) -> Time<Utc> {
        let shown = Time::from_epoch(now.local.since_epoch());
        let claimed = self.claimed(now).map(Bracket::middle);
        let best = self.read(now).map(|reading| reading.best).or(claimed);
        best.map_or(shown, |best| self.leaps.utc_of_tai(best).time).max(self.floor)
    }

    /// Is there something that was agreed on and has to be proved? Then that is when certificates have to be valid.
    pub(super) fn has_claim(&self) -> bool {
        self.bootstrap.claim().is_some()
    }

    /// What was agreed on and has to be proved, as it is now.
    fn claimed(&self, now: &Moment) -> Option<Bracket> {
        let limits = self.oscillator.limits(now.raw);
        self.bootstrap.claim().map(|bracket| bracket.carried_to(now.raw, limits))
    }

    /// The first key exchange without regard to the dates begins.
    pub(super) fn begin_to_seek(&mut self) {
        if let (Bootstrap::Strict, Some(needed)) = (self.bootstrap, self.policy.trust.nts_bootstrap) {
            self.bootstrap = Bootstrap::Seeking;
            self.tell(Event::Bootstrapping(Bootstrapping::Begun { needed }));
        }
    }

    /// May a source vote for what the clock is set by? Not under provisional keys. And while a claim has to be proved, the
    /// certificates were looked at by that: who says another time has proved nothing.
    pub(super) fn is_admitted(&self, now: &Moment, association: &Association, said: Bracket) -> bool {
        !association.is_provisional() && self.claimed(now).is_none_or(|claimed| claimed.meet(said).is_some())
    }

    /// A claim is proved by as many as have made it.
    pub(super) fn proved(&self, agreement: Agreement, quorum: Quorum) -> Result<Agreement, NoMajority> {
        let needed = self.bootstrap.claim().and(self.policy.trust.nts_bootstrap).unwrap_or(0);
        let agree = self.protected_operators(agreement.truechimers);
        match needed <= agree {
            true => Ok(agreement),
            false => Err(NoMajority::TooFew { agree, needed, speak: agree, operators: quorum.operators }),
        }
    }

    /// Something was heard, or was not: is it known now when it is, or can a claim not be proved any more?
    pub(super) fn tend_bootstrap(&mut self, now: &Moment) {
        let Some(needed) = self.policy.trust.nts_bootstrap else { return };
        match self.bootstrap {
            Bootstrap::Strict | Bootstrap::Over => {}
            Bootstrap::Seeking => self.claim(now, needed),
            Bootstrap::Verifying(_) => self.give_claim_up(now, needed),
        }
    }

    /// Asks all who say anything when it is. If enough of those agree who are asked by NTS, they have to prove it. Nobody
    /// is trusted more than others here.
    fn claim(&mut self, now: &Moment, needed: usize) {
        let voters = self.everybody(now).into_iter();
        let voters = voters.map(|voter| Voter { trust: false, require: false, ..voter });
        let quorum = self.quorum();
        let quorum = Quorum { needed: quorum.needed.max(needed), ..quorum };
        let Ok(agreement) = vote(&voters.collect::<Vec<Voter>>(), quorum) else { return };
        if needed <= self.protected_operators(agreement.truechimers) {
            let utc = self.leaps.utc_of_tai(agreement.peak.middle()).time;
            let sources = agreement.truechimers;
            self.bootstrap = Bootstrap::Verifying(agreement.agreed);
            self.tell(Event::Bootstrapping(Bootstrapping::Claimed { utc, sources }));
            self.begin_anew(now, |_| true);
        }
    }

    /// Gives a claim up that too few can still prove.
    fn give_claim_up(&mut self, now: &Moment, needed: usize) {
        let can_prove = |association: &&Association| {
            let is_keyed = association.nts.as_ref().is_some_and(|keyring| keyring.trouble.is_none());
            let has_said = self.say_of(now, association);
            let is_heard = !association.is_dead() && !association.is_loop && association.same_as.is_none();
            is_keyed && is_heard && has_said.is_none_or(|said| self.is_admitted(now, association, said))
        };
        let hopeful = self.associations.iter().filter(can_prove).map(|association| association.id.index());
        if self.protected_operators(hopeful.collect()) < needed {
            self.unsettle_bootstrap(now);
        }
    }

    /// A claim does not hold any more.
    pub(super) fn unsettle_bootstrap(&mut self, now: &Moment) {
        if self.has_claim() {
            self.bootstrap = Bootstrap::Seeking;
            self.tell(Event::Bootstrapping(Bootstrapping::Unproved));
            self.begin_anew(now, |_| true);
        }
    }

    /// Somebody has set the clock: certificates may be valid at what it says now.
    pub(super) fn give_clock_a_chance(&mut self, now: &Moment) {
        if self.bootstrap == Bootstrap::Seeking {
            self.bootstrap = Bootstrap::Strict;
            self.begin_anew(now, Association::is_provisional);
            let keyrings = self.associations.iter_mut().filter_map(|association| association.nts.as_mut());
            keyrings.for_each(|keyring| keyring.is_out_of_date = false);
        }
    }

    /// The time is known: from now on certificates are valid at that, or not at all.
    pub(super) fn end_bootstrap(&mut self, now: &Moment) {
        if core::mem::replace(&mut self.bootstrap, Bootstrap::Over) != Bootstrap::Over {
            self.begin_anew(now, Association::is_provisional);
        }
    }

    /// Lets go of the keys of these sources and of what they said, and of all that is agreed on under way for another time.
    fn begin_anew(&mut self, now: &Moment, which: impl Fn(&Association) -> bool) {
        for association in &mut self.associations {
            let is_meant = which(association);
            let Some(keyring) = &mut association.nts else { continue };
            let is_stale = is_meant || keyring.agreeing == Some(Worth::Provisional);
            keyring.agreeing = keyring.agreeing.map(|worth| if is_stale { Worth::Nothing } else { worth });
            if is_meant {
                keyring.nts.forget();
                keyring.trouble = None;
                association.forget();
                association.schedule.burst(now.mono);
                association.schedule.hasten(now.mono);
                self.actions.extend(association.let_go().map(|underway| Action::Close(underway.id)));
            }
        }
    }

    /// How many operators there are among those of these sources that are asked by NTS.
    fn protected_operators(&self, sources: SourceSet) -> usize {
        let protected = sources.iter().filter(|&index| self.is_protected(index));
        let seen: u32 = protected.fold(0, |seen, index| seen | (1 << self.associations[index].operator));
        seen.count_ones() as usize
    }
}

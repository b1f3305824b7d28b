//! What we have to do with one source: how it is reached, what it said, when it is asked again.
//!
//! The association decides nothing about the clock. It turns answers into samples and samples into an estimate and a
//! bracket; the [node](crate::node) weighs them against those of the others.

use alloc::vec::Vec;
use core::net::SocketAddr;

use truechimer_time::leap::LeapTable;
use truechimer_time::{Mono, Raw, Span, Tai, Time, Utc};

use super::SourceId;
use super::credit::Credit;
use super::interleaving::Interleaving;
use super::nts::{NoKeys, Nts};
use super::reach::Reach;
use super::schedule::Schedule;
use super::spread::{Residuals, Spread};
use crate::discipline::bracket::Bracket;
use crate::discipline::estimator::{Reception, Step};
use crate::discipline::follower::Follower;
use crate::discipline::oscillator::RateLimits;
use crate::measure::exchange::{Answer, Exchange, Here, Refusal};
use crate::measure::reference::Misreading;
use crate::measure::sample::Sample;
use crate::policy::{ReferencePolicy, SourcePolicy};
use crate::wire::ntp::Leap;

/// How many reasons there are to refuse a datagram.
pub const REFUSALS: usize = Refusal::ALL.len();

/// How many reasons there are not to use a reading.
pub const MISREADINGS: usize = Misreading::ALL.len();

/// The most addresses of one name that are kept.
pub const ADDRESSES_MAX: usize = 16;

/// A source that has never said anything is waited for during so many polls: as long as it takes to find it dead.
const POLLS_OF_GRACE: u32 = 8;

/// One question and its answer, by number. Numbers are not used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExchangeId(pub u64);

/// An exchange under way.
#[derive(Debug)]
pub struct Underway {
    /// Its number.
    pub id: ExchangeId,
    /// What was asked.
    pub exchange: Exchange,
    /// When an answer is too late.
    pub ends: Time<Mono>,
}

/// What we have to do with the key exchange of a source.
#[derive(Debug, Default)]
pub struct Keyring {
    /// Keys and cookies.
    pub nts: Nts,
    /// What the keys of the key exchange under way will be worth, if one is.
    pub agreeing: Option<Worth>,
    /// At what the clock says, its certificate is refused for its dates.
    pub is_out_of_date: bool,
    /// Until then the certificate is valid that was shown when keys were last agreed on.
    pub certified_until: Option<Time<Utc>>,
    /// Why the last key exchange has led to nothing, if so.
    pub trouble: Option<NoKeys>,
    /// How many key exchanges have led to nothing.
    pub failures: u32,
    /// How often the source, or somebody who has seen our question, has refused a cookie.
    pub naks: u32,
}

/// What keys are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// The certificate is valid by the best that is known of the time.
    Full,
    /// The certificate was valid once: what is said under them is good for nothing but to find out when it is.
    Provisional,
    /// They are for a time that nobody believes in any more.
    Nothing,
}

/// One source and our relation to it.
#[derive(Debug)]
pub struct Association {
    /// Its place.
    pub id: SourceId,
    /// What the operator wants of it.
    pub policy: SourcePolicy,
    /// Nobody is at this place: the source was taken out of the list.
    pub is_vacant: bool,
    /// Its operator's number: equal for sources that have one vote together.
    pub operator: usize,
    /// When it is asked.
    pub schedule: Schedule,
    /// Whether it answers.
    pub reach: Reach,
    /// The exchange under way.
    pub underway: Option<Underway>,
    /// It is a reference clock, and is being read.
    pub is_being_read: bool,
    /// What NTS needs, if it is asked so.
    pub nts: Option<Keyring>,
    /// What interleaved mode needs, if it is asked so.
    pub interleaving: Option<Interleaving>,
    /// What it said last.
    pub last: Option<LastWord>,
    /// What its last sample said.
    pub measured: Option<Measured>,
    /// How many datagrams were refused, by reason.
    pub refusals: [u32; REFUSALS],
    /// How many readings were not used, by reason.
    pub misreadings: [u32; MISREADINGS],
    /// Its name is being looked up.
    pub is_resolving: bool,
    /// Its name had no address when it was last looked up.
    pub is_lost: bool,
    /// It was found dead, or refused us, and has not answered since, wherever it was sought.
    pub is_absent: bool,
    /// It has its time from us, or is ourselves.
    pub is_loop: bool,
    /// It is at the address of this other source, and so the same server.
    pub same_as: Option<SourceId>,
    /// Where our last question to it left from.
    pub here: Option<Here>,
    /// How it stood at the votes.
    pub credit: Credit,
    addresses: Vec<SocketAddr>,
    current: usize,
    turns: usize,
    estimator: Option<Follower>,
    residuals: Residuals,
    bracket: Option<Bracket>,
    /// What a pulse said that was not believed.
    stray: Option<Bracket>,
    /// Some of what it said was said under provisional keys.
    is_hearsay: bool,
}

/// What a sample said of the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// When, on the raw counter.
    pub at: Time<Raw>,
    /// The likeliest time then.
    pub tai: Time<Tai>,
    /// Right time by it minus the local clock as that was then.
    pub offset: Span,
    /// How far it may be off: half of the way there and back, and the source's own distance.
    pub distance: Span,
}

/// What a source said of itself when it was last heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastWord {
    /// When, on the raw counter.
    pub at: Time<Raw>,
    /// How long the way there and back was.
    pub delay: Span,
    /// Steps to a reference clock: zero, if it is one.
    pub stratum: u8,
    /// Where it has its time from; its own name, if it is a reference clock.
    pub reference_id: [u8; 4],
    /// What it says about leap seconds.
    pub leap: Leap,
    /// The round trip from it to its reference clock.
    pub root_delay: Span,
    /// How far it may be off, apart from that.
    pub root_dispersion: Span,
}

impl LastWord {
    /// Of a server.
    pub fn of_server(answer: &Answer) -> Self {
        Self {
            at: answer.heard.at,
            delay: answer.delay,
            stratum: answer.stratum,
            reference_id: answer.reference_id,
            leap: answer.leap,
            root_delay: answer.root_delay,
            root_dispersion: answer.root_dispersion,
        }
    }

    /// Of a reference clock.
    pub fn of_reference(sample: &Sample, leap: Leap, vouched: &ReferencePolicy) -> Self {
        Self {
            at: sample.at,
            delay: sample.delay,
            stratum: 0,
            reference_id: vouched.id,
            leap,
            root_delay: Span::ZERO,
            root_dispersion: vouched.error,
        }
    }

    /// How far it says to be from the truth.
    pub fn root_distance(&self) -> Span {
        self.root_delay.half() + self.root_dispersion
    }
}

/// What a sample was to an association.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hearing {
    /// What the estimator made of it.
    pub reception: Reception,
    /// The sample contradicts what the source said before, by so much.
    pub contradiction: Option<Span>,
}

impl Association {
    /// An association that has not begun.
    pub fn new(id: SourceId, policy: SourcePolicy, operator: usize, now: Time<Mono>) -> Self {
        let schedule = Schedule::new(policy.min_interval, policy.max_interval, policy.burst, now);
        Self {
            id,
            is_vacant: false,
            operator,
            schedule,
            reach: Reach::default(),
            underway: None,
            is_being_read: false,
            nts: policy.nts.then(Keyring::default),
            interleaving: policy.interleaved.then(Interleaving::default),
            last: None,
            measured: None,
            refusals: [0; REFUSALS],
            misreadings: [0; MISREADINGS],
            is_resolving: false,
            is_lost: false,
            is_absent: false,
            is_loop: false,
            same_as: None,
            here: None,
            credit: Credit::default(),
            addresses: policy.address.filter(|_| !policy.nts).into_iter().collect(),
            current: 0,
            turns: 0,
            estimator: None,
            residuals: Residuals::default(),
            bracket: None,
            stray: None,
            is_hearsay: false,
            policy,
        }
    }

    /// Other things are wanted of the same source; what was learned of it stays.
    pub fn revise(&mut self, policy: SourcePolicy) {
        self.schedule.limit(policy.min_interval, policy.max_interval, policy.burst);
        if policy.interleaved != self.policy.interleaved {
            self.interleaving = policy.interleaved.then(Interleaving::default);
        }
        self.policy = policy;
    }

    /// The source is taken out of the list. What is left has no address, says nothing and wants nothing. An exchange that was
    /// under way is to be closed.
    pub fn vacate(&mut self) -> Option<ExchangeId> {
        let underway = self.underway.take();
        self.forget();
        self.addresses.clear();
        self.is_vacant = true;
        (self.same_as, self.here) = (None, None);
        (self.policy.prefer, self.policy.trust, self.policy.require) = (false, false, false);
        (self.policy.pool, self.policy.key, self.policy.reference) = (None, None, None);
        (self.nts, self.policy.nts) = (None, false);
        (self.interleaving, self.policy.interleaved) = (None, false);
        underway.map(|underway| underway.id)
    }

    /// Does it count at the vote, whether it says anything or not?
    pub fn has_vote(&self) -> bool {
        !self.is_vacant && !self.is_pulse()
    }

    /// Is it one that the others must number, and that has no vote?
    pub fn is_pulse(&self) -> bool {
        self.policy.reference.is_some_and(|reference| reference.is_pulse)
    }

    /// Where it is asked.
    pub fn address(&self) -> Option<SocketAddr> {
        self.addresses.get(self.current).copied()
    }

    /// Its name was looked up. Says whether it is asked somewhere else now: not if its address still stands, unless another
    /// source is there too.
    pub fn resolved(&mut self, addresses: &[SocketAddr]) -> bool {
        self.is_resolving = false;
        let before = self.address();
        let stays = |&address: &SocketAddr| Some(address) == before && self.same_as.is_none();
        let kept = addresses.iter().position(stays);
        self.addresses = addresses.iter().copied().take(ADDRESSES_MAX).collect();
        self.current = kept.filter(|&index| index < ADDRESSES_MAX).unwrap_or(0);
        self.turns = 0;
        let moved = self.address() != before;
        if moved {
            self.forget();
        }
        moved
    }

    /// Turns to the next address of the name, unless all have been tried since the name was looked up. What was heard
    /// at the old one does not count for the new one.
    pub fn turn(&mut self) -> bool {
        self.turns += 1;
        if self.turns >= self.addresses.len() {
            return false;
        }
        self.current = (self.current + 1) % self.addresses.len();
        self.forget();
        true
    }

    /// Forgets the address too: its name is looked up again before it is asked, or keys are agreed on anew. One of a pool
    /// keeps it until there is another server.
    pub fn dismiss_address(&mut self) {
        let is_written = self.policy.address.is_some() && !self.policy.nts;
        if !is_written && self.policy.pool.is_none() {
            self.addresses.clear();
            self.forget();
        }
        if let Some(keyring) = &mut self.nts {
            keyring.nts.forget();
        }
    }

    /// Ends the exchange under way, and takes what came of its protection.
    pub fn let_go(&mut self) -> Option<Underway> {
        let mut underway = self.underway.take()?;
        if let (Some(keyring), Some((keys, outcome))) = (&mut self.nts, underway.exchange.outcome()) {
            keyring.nts.over(&keys, outcome);
        }
        Some(underway)
    }

    /// Why there is no asking it, if there are no keys for that and the last try to get some has failed.
    pub fn keyless(&self) -> Option<NoKeys> {
        self.nts.as_ref().filter(|keyring| keyring.nts.cookies() == 0)?.trouble
    }

    /// Is it asked under keys that are good for nothing but to find out when it is, or did it say anything under such that
    /// is not forgotten yet?
    pub fn is_provisional(&self) -> bool {
        self.is_hearsay || self.nts.as_ref().is_some_and(|keyring| keyring.nts.is_provisional())
    }

    /// Forgets what it said, for instance because the counter was interrupted.
    pub fn forget(&mut self) {
        self.estimator = None;
        self.bracket = None;
        self.stray = None;
        self.is_hearsay = false;
        (self.last, self.measured) = (None, None);
        self.residuals.forget();
        self.reach = Reach::default();
        self.credit = Credit::default();
        if let Some(interleaving) = &mut self.interleaving {
            interleaving.forget();
        }
    }

    /// Lets go of what it said, because its time comes from us; it still answers.
    pub fn disbelieve(&mut self) {
        let reach = self.reach;
        self.forget();
        self.reach = reach;
    }

    /// Has it said anything yet, or been given the time to do so?
    pub fn is_awaited(&self) -> bool {
        let is_found = !self.is_absent && !self.is_lost && self.keyless().is_none();
        let is_gone = !is_found || self.is_loop || self.same_as.is_some();
        self.bracket.is_none() && !is_gone && self.reach.polls() < POLLS_OF_GRACE
    }

    /// Is it a pulse that contradicts those before it, and that the one just before it does not confirm? A busy machine
    /// stamps a pulse late by milliseconds, whatever was vouched for. Where two agree the source has jumped indeed.
    pub fn is_stray(&mut self, sample: &Sample, limits: RateLimits) -> bool {
        let new = sample.bracket();
        let meets = |old: Bracket| old.carried_to(new.at, limits).meet(new).is_some();
        let is_believed = self.bracket.is_none_or(meets) || self.stray.is_some_and(meets);
        self.stray = (self.is_pulse() && !is_believed).then_some(new);
        self.stray.is_some()
    }

    /// Takes a sample in. The rate is within `limits` for certain; an estimate begins with what is `likely`.
    pub fn hear(&mut self, sample: &Sample, limits: RateLimits, likely: RateLimits) -> Hearing {
        self.is_hearsay = self.is_provisional();
        let contradiction = self.narrow(sample.bracket(), limits);
        if contradiction.is_some() {
            self.estimator = None;
            self.residuals.forget();
        }
        let reception = match &mut self.estimator {
            Some(estimator) => estimator.hear(sample),
            None => {
                let is_reference = self.policy.reference.is_some();
                self.estimator = Some(Follower::new(is_reference, sample, likely));
                Reception::Taken
            }
        };
        self.keep_residual(sample);
        Hearing { reception, contradiction }
    }

    /// Keeps how far a sample lies beside the estimate. What was said before a new beginning is of another line.
    fn keep_residual(&mut self, sample: &Sample) {
        let Some(estimator) = &self.estimator else { return };
        if estimator.steps().contains(&Step::BeganAnew) {
            self.residuals.forget();
        }
        self.residuals.keep(sample.at, sample.middle() - estimator.estimate(sample.at).tai);
    }

    /// Cuts the bracket back to what the new one allows; where they do not meet, the new one replaces it.
    fn narrow(&mut self, new: Bracket, limits: RateLimits) -> Option<Span> {
        let old = self.bracket.map(|bracket| bracket.carried_to(new.at, limits));
        let met = old.map_or(Some(new), |old| old.meet(new));
        self.bracket = Some(met.unwrap_or(new));
        match (met, old) {
            (None, Some(old)) => Some((new.earliest - old.latest).max(old.earliest - new.latest)),
            (_, _) => None,
        }
    }

    /// Where it says that true time is at a reading of the counter; `None` if it has said nothing, does not answer, or
    /// is too vague to count.
    pub fn say(&self, at: Time<Raw>, limits: RateLimits, vaguest: Span) -> Option<Bracket> {
        let bracket = self.bracket?.carried_to(at, limits);
        let counts = self.reach.answers() && self.same_as.is_none() && bracket.width() <= vaguest * 2;
        counts.then_some(bracket)
    }

    /// Has it said anything since it was last forgotten?
    pub fn has_spoken(&self) -> bool {
        self.bracket.is_some()
    }

    /// Its estimate.
    pub fn estimator(&self) -> Option<&Follower> {
        self.estimator.as_ref()
    }

    /// How its last samples lie about its estimate.
    pub fn spread(&self) -> Option<Spread> {
        self.residuals.spread()
    }

    /// Where true time is by its own word, whether that counts or not.
    pub fn extent(&self, at: Time<Raw>, limits: RateLimits) -> Option<Bracket> {
        Some(self.bracket?.carried_to(at, limits))
    }

    /// How far from the truth it may be by its own word, the way to it included: half the width of its bracket.
    pub fn distance(&self, at: Time<Raw>, limits: RateLimits) -> Option<Span> {
        Some(self.extent(at, limits)?.width().half())
    }

    /// Is it known to be dead? From its death until its next answer, though it be sought elsewhere meanwhile.
    pub fn is_dead(&self) -> bool {
        self.is_absent
    }
}

/// Why an answer in order gives no sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NearLeap;

/// A sample from an answer. Within a second and a half of a leap second UTC stamps are ambiguous or smeared by
/// implementations that cannot do better, so there is none.
pub fn sample_of(
    answer: &Answer,
    leaps: &LeapTable,
    fastest: RateLimits,
    stamp_error: Span,
) -> Result<Sample, NearLeap> {
    let margin = Span::from_millis(1500);
    if leaps.is_near_leap(answer.received, margin) || leaps.is_near_leap(answer.transmitted, margin) {
        return Err(NearLeap);
    }
    let (t2, t3) = (leaps.tai_of_utc(answer.received), leaps.tai_of_utc(answer.transmitted));
    let waited = answer.heard.at - answer.sent.at;
    let distance = answer.root_delay.half()
        + answer.root_dispersion
        + answer.precision.span()
        + crate::measure::sample::ROUNDING
        + stamp_error;
    Ok(Sample {
        sent: answer.sent.at,
        received: t2,
        transmitted: t3,
        at: answer.heard.at,
        earliest: t3 - distance,
        latest: (t2 + waited + fastest.max.over(waited)).max(t3) + distance,
        delay: answer.delay,
        distance,
    })
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;
    use crate::source::nts::Agreement;
    use crate::wire::aead::Aead;
    use truechimer_time::Rate;

    #[test]
    fn bad_input_37_what_was_said_under_provisional_keys_stays_provisional_without_them() {
        let mut association = Association::new(SourceId(0), policy(), 0, Time::EPOCH);
        let keys = || Agreement::stand_in(Aead::SivCmac256, [100], Vec::new());
        let limits = RateLimits::around(Rate::ZERO, Rate::from_ppb(500_000));
        let nts = |association: &mut Association, does: fn(&mut Nts, Agreement)| {
            does(&mut association.nts.as_mut().expect("it is asked by NTS").nts, keys());
        };
        nts(&mut association, |nts, given| nts.agreed_provisionally(given.keys, given.cookies));
        association.hear(&sample(), limits, limits);
        nts(&mut association, |nts, _| nts.forget());
        assert!(association.is_provisional(), "its word is still here");
        nts(&mut association, |nts, given| nts.agreed(given.keys, given.cookies));
        association.hear(&sample(), limits, limits);
        assert!(association.is_provisional(), "and part of what is believed of it");
        association.forget();
        association.hear(&sample(), limits, limits);
        assert!(!association.is_provisional());
    }

    fn sample() -> Sample {
        let second = Span::from_secs(1);
        Sample {
            sent: Time::EPOCH,
            received: Time::EPOCH + second,
            transmitted: Time::EPOCH + second,
            at: Time::EPOCH + second,
            earliest: Time::EPOCH,
            latest: Time::EPOCH + second * 2,
            delay: second,
            distance: second,
        }
    }

    fn policy() -> SourcePolicy {
        SourcePolicy {
            name: String::from("a"),
            address: None,
            operator: String::from("a"),
            min_interval: Span::from_secs(64),
            max_interval: Span::from_secs(1024),
            burst: 4,
            prefer: false,
            trust: false,
            require: false,
            key: None,
            nts: true,
            reference: None,
            pool: None,
            interleaved: false,
        }
    }
}

//! Asking the sources and hearing their answers.

use core::net::SocketAddr;

use rand_core::Rng;
use truechimer_time::{Local, Rate, Span, Tai, Time, Utc};

use super::identity::SAME_SERVER_REST;
use super::pacing::News;
use super::{Action, Node};
use crate::discipline::estimator::Reception;
use crate::discipline::oscillator::RateLimits;
use crate::event::{Event, Measurement};
use crate::measure::exchange::{Answer, Exchange, Heard, Kiss, KissCode, Proof, Refusal, Rules, WINDOW};
use crate::measure::sample::Sample;
use crate::moment::{Moment, Stamp};
use crate::source::SourceId;
use crate::source::association::{ExchangeId, Hearing, LastWord, Measured, NearLeap, Underway, sample_of};
use crate::source::nts::NoKeys;
use crate::source::reach::Reach;
use crate::source::schedule::RATE_LIMIT;
use crate::status::Status;

/// A name that could not be looked up is tried again after this.
pub(super) const RESOLVE_AGAIN: Span = Span::from_secs(16);

/// So near a leap second, a clock that is right to a tick or so may be on its other side.
const LEAP_DOUBT: Span = Span::from_millis(1_500);

/// Era arithmetic is centred this long after the floor, so that stamps of 34 years before it (to be refused) and of
/// 102 years after it are understood.
const ERA_AHEAD: Span = Span::from_secs(34 * 31_556_952);

impl Node {
    /// Ends the exchanges whose time is up and asks the sources whose time has come.
    pub(super) fn ask_who_is_due(&mut self, now: &Moment) {
        for index in 0..self.associations.len() {
            if self.associations[index].is_vacant {
                continue;
            }
            if self.associations[index].policy.reference.is_some() {
                self.read_if_due(now, index);
                continue;
            }
            let is_due = self.associations[index].schedule.due() <= now.mono;
            self.follow_if_due(now, index, is_due);
            let underway = self.associations[index].underway.as_ref();
            let is_first = !self.is_following(index);
            if is_first && underway.is_some_and(|underway| is_due || underway.ends <= now.mono) {
                self.end(now, index, false);
                self.review(now);
            }
            if is_due {
                self.ask(now, index);
            }
        }
    }

    /// Asks all sources as soon as politeness allows.
    pub(super) fn ask_all_soon(&mut self, now: &Moment) {
        for association in &mut self.associations {
            association.schedule.burst(now.mono);
        }
    }

    /// The network has changed: whoever did not answer may do so now. Whoever did is not bothered.
    pub(super) fn ask_the_missed(&mut self, now: &Moment) {
        for association in &mut self.associations {
            let is_keyless = association.nts.as_mut().is_some_and(|keyring| match keyring.trouble {
                Some(NoKeys::NotFound | NoKeys::NotReached) => {
                    keyring.nts.rest_no_longer();
                    true
                }
                Some(_) | None => false,
            });
            if is_keyless || association.is_lost || !association.reach.answers_lately() {
                association.schedule.forgive(now.mono);
                association.schedule.burst(now.mono);
            }
        }
    }

    /// Lets go of all questions under way: the counter stood still between their stamps, or the clock by which the
    /// kernel takes stamps was set. No source is to blame.
    pub(super) fn abandon_exchanges(&mut self) {
        for association in &mut self.associations {
            let underway = association.let_go();
            if let Some(interleaving) = &mut association.interleaving {
                interleaving.forget();
            }
            self.actions.extend(underway.map(|underway| Action::Close(underway.id)));
        }
    }

    fn ask(&mut self, now: &Moment, index: usize) {
        if self.associations[index].same_as.is_some() {
            return match self.associations[index].nts {
                Some(_) => self.seek_another(now, index, SAME_SERVER_REST),
                None => self.look_up(now, index, SAME_SERVER_REST),
            };
        }
        let scatter = f64::from(self.rng.next_u32()) / f64::from(u32::MAX);
        let association = &self.associations[index];
        if association.nts.is_some() {
            return self.ask_protected(now, index, scatter);
        }
        match association.address() {
            Some(to) => {
                let (seal, topic) = (self.seal(index), self.topic(index));
                let exchange = Exchange::start_speaking(&mut self.rng, to, seal, topic);
                self.begin(now, index, scatter, exchange);
            }
            None => self.look_up(now, index, RESOLVE_AGAIN),
        }
    }

    /// Sends the question of an exchange.
    pub(super) fn begin(&mut self, now: &Moment, index: usize, scatter: f64, exchange: Exchange) {
        let id = ExchangeId(self.exchanges);
        self.exchanges += 1;
        let (to, datagram) = (exchange.to(), exchange.datagram().to_vec());
        let association = &mut self.associations[index];
        association.schedule.asked(now.mono, scatter);
        association.underway = Some(Underway { id, exchange, ends: now.mono + WINDOW });
        self.actions.push_back(Action::Send { exchange: id, to, datagram });
    }

    /// Looks its name up, if it has one of its own, and comes back to it after a while.
    fn look_up(&mut self, now: &Moment, index: usize, rest: Span) {
        let association = &mut self.associations[index];
        association.schedule.rest(now.mono, rest);
        let has_name = association.policy.address.is_none() && association.policy.pool.is_none();
        if !association.is_resolving && has_name {
            association.is_resolving = true;
            self.actions.push_back(Action::Resolve(association.id));
        }
    }

    /// The exchange of a source is over.
    fn end(&mut self, now: &Moment, index: usize, answered: bool) {
        let Some(underway) = self.associations[index].let_go() else { return };
        self.actions.push_back(Action::Close(underway.id));
        if self.polled(now, index, answered) {
            self.replace(index);
        }
    }

    /// A poll of a source has ended. Says whether that shows it to be dead.
    pub(super) fn polled(&mut self, now: &Moment, index: usize, answered: bool) -> bool {
        let asks_rarely = self.asks_rarely();
        let association = &mut self.associations[index];
        let (answered_before, dead_before) = (association.reach.answers(), association.reach.is_dead());
        association.reach.ended(answered);
        match answered {
            true => association.schedule.answered(),
            false if asks_rarely => association.schedule.unanswered(now.mono),
            false => {}
        }
        let (source, dies) = (association.id, association.reach.is_dead() && !dead_before);
        if answered && !answered_before {
            self.tell(Event::Reachable { source });
        }
        if answered {
            self.is_present(now, index);
        }
        if dies && !core::mem::replace(&mut self.associations[index].is_absent, true) {
            self.tell(Event::Unreachable { source });
        }
        dies
    }

    /// A source answers. If it was dead while no majority could be heard, then the way was cut, and nobody is known to
    /// be dead: otherwise those who happen to be heard first would be all that count, and decide alone.
    fn is_present(&mut self, now: &Moment, index: usize) {
        let was_absent = core::mem::replace(&mut self.associations[index].is_absent, false);
        let was_lost = match self.status {
            Status::Synchronised | Status::Degraded => false,
            Status::Unknown | Status::Holdover | Status::Disrupted => was_absent,
        };
        // That a reference clock of this machine is back tells nothing of the way to others.
        if was_lost && self.associations[index].policy.reference.is_none() {
            for association in self.associations.iter_mut().filter(|association| association.is_absent) {
                association.is_absent = false;
                association.reach = Reach::default();
                association.schedule.burst(now.mono);
            }
        }
    }

    /// A source that does not answer any more is sought at its other addresses, then by its name.
    fn replace(&mut self, index: usize) {
        let association = &mut self.associations[index];
        if association.policy.pool.is_some() {
            return;
        }
        if !association.turn() {
            association.dismiss_address();
        }
        self.moved(index);
    }

    pub(super) fn moved(&mut self, index: usize) {
        self.tell_address(index);
        self.compare_addresses(self.associations[index].id);
    }

    fn tell_address(&mut self, index: usize) {
        let association = &self.associations[index];
        let source = association.id;
        if let Some(address) = association.address() {
            self.tell(Event::Addressed { source, address });
        }
    }

    pub(super) fn resolved(&mut self, now: &Moment, source: SourceId, addresses: &[SocketAddr]) {
        if self.pool_resolved(now, source, addresses) {
            return;
        }
        let index = source.index();
        let addresses = self.free_first(source, addresses);
        let Some(association) = self.associations.get_mut(index) else { return };
        if association.nts.is_some() {
            return;
        }
        if addresses.is_empty() {
            association.is_resolving = false;
            let is_news = !core::mem::replace(&mut association.is_lost, true);
            if is_news {
                self.tell(Event::NotFound { source });
            }
            return;
        }
        association.is_lost = false;
        if association.resolved(&addresses) {
            association.schedule.burst(now.mono);
            self.moved(index);
        }
    }

    pub(super) fn sent(&mut self, exchange: ExchangeId, at: Stamp) {
        if let Some(index) = self.whose(exchange)
            && let Some(underway) = &mut self.associations[index].underway
        {
            underway.exchange.sent(at);
        }
    }

    pub(super) fn unsent(&mut self, now: &Moment, exchange: ExchangeId, errno: i32) {
        let Some(index) = self.whose(exchange) else { return };
        let source = self.associations[index].id;
        self.tell(Event::NotSent { source, errno });
        match self.is_following(index) {
            true => self.followed(now, index, None),
            false => self.end(now, index, false),
        }
        self.review(now);
    }

    pub(super) fn whose(&self, exchange: ExchangeId) -> Option<usize> {
        let is_it = |a: &crate::source::association::Association| {
            a.underway.as_ref().is_some_and(|underway| underway.id == exchange)
        };
        self.associations.iter().position(is_it)
    }

    pub(super) fn heard(
        &mut self,
        now: &Moment,
        exchange: ExchangeId,
        (from, at): (SocketAddr, Stamp),
        (datagram, known): (&[u8], Option<&Proof>),
    ) {
        let Some(index) = self.whose(exchange) else { return };
        let rules = Rules { here: self.associations[index].here, ..self.rules() };
        let Some(underway) = &mut self.associations[index].underway else { return };
        let heard = underway.exchange.hear_known((from, at), datagram, known, &rules);
        self.proof = underway.exchange.proof();
        match heard {
            Ok(Heard::Answer(answer)) => self.told_the_time(now, index, answer),
            Ok(Heard::Departure(answer)) => self.followed(now, index, Some(answer)),
            Ok(Heard::Kiss(kiss)) if kiss.code == KissCode::NtsNak && self.is_protected(index) => {
                self.denied(index, kiss);
            }
            Ok(Heard::Kiss(kiss)) => self.kissed(now, index, kiss),
            Err(refusal) => self.refuse(now, index, refusal),
        }
    }

    fn told_the_time(&mut self, now: &Moment, index: usize, answer: Answer) {
        let earlier = self.associations[index].underway.as_ref().and_then(|it| it.exchange.earlier());
        if self.is_following(index) {
            return self.followed_plainly(now, index, answer);
        }
        self.end(now, index, true);
        if !self.waits(now, index, answer, earlier) {
            self.answered(now, index, answer);
        }
    }

    fn rules(&self) -> Rules {
        Rules {
            delay_max: self.policy.trust.max_delay,
            distance_max: self.policy.trust.max_distance,
            ..Rules::usual(self.floor + ERA_AHEAD, self.floor)
        }
    }

    fn refuse(&mut self, now: &Moment, index: usize, refusal: Refusal) {
        let association = &mut self.associations[index];
        let counter = &mut association.refusals[refusal.index()];
        *counter = counter.saturating_add(1);
        let source = association.id;
        self.tell(Event::Refused { source, refusal });
        if refusal.proves_reach() {
            match self.is_following(index) {
                true => self.followed(now, index, None),
                false => self.end(now, index, true),
            }
            self.review(now);
        }
        self.break_loop(now, index, refusal);
    }

    /// RFC 8633, section 5.4: a wish to be asked less is granted, a refusal of service respected, the rest ignored.
    fn kissed(&mut self, now: &Moment, index: usize, kiss: Kiss) {
        match self.is_following(index) {
            true => self.followed(now, index, None),
            false => self.end(now, index, true),
        }
        let association = &mut self.associations[index];
        match kiss.code {
            KissCode::Rate => association.schedule.asked_too_often(now.mono),
            KissCode::Deny | KissCode::Restrict => {
                if !association.turn() {
                    association.dismiss_address();
                    association.forget();
                    association.schedule.rest(now.mono, RATE_LIMIT);
                }
                association.is_absent = true;
                let source = association.id;
                self.refused_by(source);
            }
            KissCode::NtsNak | KissCode::Other(_) => {}
        }
        let source = self.associations[index].id;
        self.compare_addresses(source);
        self.tell(Event::Kissed { source, kiss });
        self.review(now);
    }

    pub(super) fn answered(&mut self, now: &Moment, index: usize, answer: Answer) {
        let fastest = RateLimits::around(Rate::ZERO, self.policy.trust.max_rate);
        let stamp_error = answer.sent.error(now.raw, now.width) + answer.heard.error(now.raw, now.width);
        let sample = match sample_of(&answer, &self.leaps, fastest, stamp_error) {
            Ok(sample) => sample,
            Err(NearLeap) => return,
        };
        let is_expected = self.is_expected(&sample);
        self.associations[index].is_loop = false;
        let was_believed = self.selected.truechimers.contains(index);
        let hearing = self.take_in(now, index, (&sample, LastWord::of_server(&answer)));
        self.reschedule(now, News { index, was_believed, is_expected, hearing });
    }

    /// A source gives a sample, and says something of itself.
    pub(super) fn take_in(
        &mut self,
        now: &Moment,
        index: usize,
        (sample, word): (&Sample, LastWord),
    ) -> Hearing {
        let (limits, likely) = (self.oscillator.limits(now.raw), self.oscillator.likely(now.raw));
        let association = &mut self.associations[index];
        let hearing = association.hear(sample, limits, likely);
        association.last = Some(word);
        if let Some(estimator) = association.estimator() {
            self.joint.hear(index, estimator);
        }
        let source = association.id;
        if let Some(gap) = hearing.contradiction {
            self.tell(Event::Contradicted { source, gap });
        }
        let measurement = self.measurement(now, source, sample, hearing.reception);
        let Measurement { offset, distance, .. } = measurement;
        let measured = Measured { at: sample.at, tai: sample.middle(), offset, distance };
        self.associations[index].measured = Some(measured);
        self.tell(Event::Measured(measurement));
        self.update(now, source);
        hearing
    }

    fn measurement(
        &self,
        now: &Moment,
        source: SourceId,
        sample: &Sample,
        reception: Reception,
    ) -> Measurement {
        let since = now.raw - sample.at;
        let local = now.local - since - self.clock.rate().over(since);
        Measurement {
            source,
            t1: sample.sent,
            t2: sample.received,
            t3: sample.transmitted,
            t4: sample.at,
            offset: self.offset_of(sample.middle(), local),
            delay: sample.delay,
            distance: sample.delay.half() + sample.distance,
            reception,
        }
    }

    /// Is a leap second so near that a clock which is right may be on its other side?
    pub(super) fn is_near_leap(&self, tai: Time<Tai>) -> bool {
        self.leaps.is_near_leap(self.leaps.utc_of_tai(tai).time, LEAP_DOUBT)
    }

    /// Right time less what a clock shows that leaps as Linux's does, which repeats 23:59:59 where a second is inserted.
    ///
    /// Around a leap second one of the two may be past it already and the other not yet: a whole second between them is
    /// the leap then, and no error.
    pub(super) fn offset_of(&self, tai: Time<Tai>, local: Time<Local>) -> Span {
        let utc: Time<Utc> = self.leaps.utc_of_tai(tai).time;
        let offset = Time::<Local>::from_epoch(utc.since_epoch()) - local;
        if !self.is_near_leap(tai) {
            return offset;
        }
        let second = Span::from_secs(1);
        [offset - second, offset, offset + second]
            .into_iter()
            .min_by_key(|offset| offset.abs())
            .unwrap_or(offset)
    }
}

//! Keys for the sources that are asked by NTS: when they are agreed on, and what becomes of a source meanwhile.
//!
//! The exchange of keys itself is TLS, and somebody else's work ([`Action::Agree`]). It says where the time is to be asked
//! for as well, so that such a source has no address before. What it may cost the server is limited by
//! [`Nts`](crate::source::nts::Nts): the waits between key exchanges grow until the time itself was heard.
//!
//! **Invariant:** a source of NTS is asked with a cookie or not at all, and believed in nothing that is not protected.

use truechimer_time::Span;

use super::asking::RESOLVE_AGAIN;
use super::{Action, Dates, Node};
use crate::event::Event;
use crate::measure::exchange::{Exchange, Kiss, Seal};
use crate::moment::Moment;
use crate::source::SourceId;
use crate::source::association::Worth;
use crate::source::nts::{Agreement, NoKeys};

impl Node {
    /// Asks a source of NTS, if there is a cookie for that. If there is none, it waits until keys may be agreed on.
    pub(super) fn ask_protected(&mut self, now: &Moment, index: usize, scatter: f64) {
        self.agree_if_due(now, index);
        let association = &mut self.associations[index];
        let to = association.address();
        let ticket = to.and_then(|_| association.nts.as_mut()?.nts.ticket());
        match (to, ticket) {
            (Some(to), Some(ticket)) => {
                let (seal, topic) = (Seal::Nts(ticket), self.topic(index));
                let exchange = Exchange::start_speaking(&mut self.rng, to, seal, topic);
                self.begin(now, index, scatter, exchange);
            }
            (_, _) => self.wait_for_keys(now, index),
        }
    }

    /// Begins a key exchange, if keys are wanted and none is under way.
    fn agree_if_due(&mut self, now: &Moment, index: usize) {
        let dates = self.dates(now, index);
        let association = &mut self.associations[index];
        let source = association.id;
        let Some(keyring) = &mut association.nts else { return };
        if keyring.agreeing.is_some() || !keyring.nts.wants_keys(now.mono) {
            return;
        }
        keyring.nts.begin(now.mono);
        keyring.agreeing = Some(match dates {
            Dates::At(_) => Worth::Full,
            Dates::Since(_) => Worth::Provisional,
        });
        if let Dates::Since(_) = dates {
            self.begin_to_seek();
        }
        self.actions.push_back(Action::Agree { source, dates });
    }

    /// It is not asked before there can be keys.
    fn wait_for_keys(&mut self, now: &Moment, index: usize) {
        let association = &mut self.associations[index];
        let Some(keyring) = &association.nts else { return };
        let until = keyring.nts.rests_until().filter(|_| keyring.agreeing.is_none());
        let wait = until.map_or(RESOLVE_AGAIN, |until| until - now.mono);
        association.schedule.rest(now.mono, wait.max(Span::from_secs(1)));
    }

    /// It is the same server as another source: after a while the key exchange may name another.
    pub(super) fn seek_another(&mut self, now: &Moment, index: usize, rest: Span) {
        let association = &mut self.associations[index];
        association.schedule.rest(now.mono, rest);
        if let Some(keyring) = &mut association.nts {
            keyring.nts.forget();
        }
        self.agree_if_due(now, index);
    }

    /// A key exchange is over. One that was not asked for is none.
    pub(super) fn agreed(&mut self, now: &Moment, source: SourceId, outcome: Result<Agreement, NoKeys>) {
        let index = source.index();
        let keyring = self.associations.get_mut(index).and_then(|association| association.nts.as_mut());
        let Some(worth) = keyring.and_then(|keyring| keyring.agreeing.take()) else { return };
        match (outcome, worth) {
            (_, Worth::Nothing) => self.associations[index].schedule.hasten(now.mono),
            (Ok(agreement), _) if agreement.servers.is_empty() => {
                self.disagreed(now, index, NoKeys::NotFound);
            }
            (Ok(agreement), worth) => self.take_keys(now, index, (agreement, worth)),
            (Err(why), _) => self.disagreed(now, index, why),
        }
    }

    fn take_keys(&mut self, now: &Moment, index: usize, (agreement, worth): (Agreement, Worth)) {
        let Agreement { keys, cookies, servers, certified_until } = agreement;
        let source = self.associations[index].id;
        let servers = self.free_first(source, &servers);
        let association = &mut self.associations[index];
        let Some(keyring) = &mut association.nts else { return };
        let was_waiting = keyring.nts.cookies() == 0;
        (keyring.trouble, keyring.certified_until) = (None, certified_until);
        match worth {
            Worth::Provisional => keyring.nts.agreed_provisionally(keys, cookies),
            Worth::Full | Worth::Nothing => keyring.nts.agreed(keys, cookies),
        }
        let cookies = keyring.nts.cookies();
        let has_moved = association.resolved(&servers);
        if was_waiting || has_moved {
            association.schedule.burst(now.mono);
            association.schedule.hasten(now.mono);
        }
        self.tell(Event::Agreed { source, cookies });
        if has_moved {
            self.moved(index);
        }
    }

    /// There are no new keys. Without any the source cannot be asked, which is as if it had not answered.
    fn disagreed(&mut self, now: &Moment, index: usize, why: NoKeys) {
        let is_by_clock = !self.has_claim();
        let association = &mut self.associations[index];
        let source = association.id;
        let Some(keyring) = &mut association.nts else { return };
        keyring.is_out_of_date |= is_by_clock && why.is_about_dates();
        keyring.failures = keyring.failures.saturating_add(1);
        let is_news = keyring.trouble.replace(why) != Some(why);
        let is_mute = keyring.nts.cookies() == 0 && association.underway.is_none();
        if is_news {
            self.tell(Event::NotAgreed { source, why });
        }
        if is_mute {
            if self.polled(now, index, false) {
                self.associations[index].dismiss_address();
            }
            self.wait_for_keys(now, index);
            self.review(now);
        }
    }

    pub(super) fn is_protected(&self, index: usize) -> bool {
        self.associations[index].nts.is_some()
    }

    /// The server does not know our cookie; or somebody who has seen our question says so. The answer is still waited for,
    /// and if the next question has none either, new keys are agreed on (RFC 8915, section 5.7).
    pub(super) fn denied(&mut self, index: usize, kiss: Kiss) {
        let association = &mut self.associations[index];
        let source = association.id;
        let Some(keyring) = &mut association.nts else { return };
        keyring.naks = keyring.naks.saturating_add(1);
        if keyring.nts.is_undoubted() {
            self.tell(Event::Kissed { source, kiss });
        }
    }
}

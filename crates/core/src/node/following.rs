//! Asking again when an answer has really left (RFC 9769): the second question of sources that are asked in interleaved mode.
//!
//! It belongs to the poll of the first: it counts neither for reach nor for the schedule.

use truechimer_time::Span;

use super::{Action, Node};
use crate::measure::exchange::{Answer, Earlier, Exchange, Seal, Topic};
use crate::moment::Moment;
use crate::source::association::{ExchangeId, Underway};
use crate::source::interleaving::Interleaving;
use truechimer_time::{Mono, Time};

/// So long the second answer is waited for: the way is known to be open.
const FOLLOWING_WINDOW: Span = Span::from_secs(1);

impl Node {
    /// When the next second question is to be asked, if one is.
    pub(super) fn follows(&self) -> Option<Time<Mono>> {
        self.associations.iter().filter_map(|association| association.interleaving.as_ref()?.follows()).min()
    }

    /// Of what the next question of a source is to speak.
    pub(super) fn topic(&mut self, index: usize) -> Topic {
        let interleaving = self.associations[index].interleaving.as_mut();
        interleaving.map_or(Topic::None, Interleaving::topic)
    }

    /// What guards a question to a source that has no NTS.
    pub(super) fn seal(&self, index: usize) -> Seal {
        self.associations[index].policy.key.clone().map_or(Seal::None, Seal::Key)
    }

    /// An answer came. Says whether it waits for the word of its departure.
    pub(super) fn waits(
        &mut self,
        now: &Moment,
        index: usize,
        answer: Answer,
        earlier: Option<Earlier>,
    ) -> bool {
        let interleaving = self.associations[index].interleaving.as_mut();
        match (interleaving, earlier) {
            (Some(interleaving), Some(earlier)) => interleaving.answered(now.mono, answer, earlier),
            (Some(_) | None, _) => false,
        }
    }

    /// Is a second question under way to this source, or to be asked?
    pub(super) fn is_following(&self, index: usize) -> bool {
        self.associations[index].interleaving.as_ref().is_some_and(Interleaving::is_waiting)
    }

    /// Asks the second question if its time has come, and ends it when the time for its answer is over: at the latest when the
    /// source is to be asked anew.
    pub(super) fn follow_if_due(&mut self, now: &Moment, index: usize, is_due: bool) {
        if !self.is_following(index) {
            return;
        }
        let association = &self.associations[index];
        let is_over = association.underway.as_ref().is_some_and(|underway| underway.ends <= now.mono);
        let follows = association.interleaving.as_ref().and_then(|it| it.follows());
        if is_due || is_over {
            self.followed(now, index, None);
        } else if follows.is_some_and(|at| at <= now.mono) {
            self.follow(now, index);
        }
    }

    fn follow(&mut self, now: &Moment, index: usize) {
        let association = &mut self.associations[index];
        let earlier = association.interleaving.as_mut().and_then(|it| it.asks());
        let seal = match &mut association.nts {
            Some(keyring) => keyring.nts.ticket().map(Seal::Nts),
            None => Some(self.seal(index)),
        };
        let to = self.associations[index].address();
        let (Some(earlier), Some(seal), Some(to)) = (earlier, seal, to) else {
            return self.followed(now, index, None);
        };
        let exchange = Exchange::start_speaking(&mut self.rng, to, seal, Topic::Departure(earlier));
        let id = ExchangeId(self.exchanges);
        self.exchanges += 1;
        let datagram = exchange.datagram().to_vec();
        let ends = now.mono + FOLLOWING_WINDOW;
        self.associations[index].underway = Some(Underway { id, exchange, ends });
        self.actions.push_back(Action::Send { exchange: id, to, datagram });
    }

    /// The second question is over: what it has told is taken in, else what the first has if that is worth it.
    pub(super) fn followed(&mut self, now: &Moment, index: usize, told: Option<Answer>) {
        let association = &mut self.associations[index];
        let underway = association.let_go();
        self.actions.extend(underway.map(|underway| Action::Close(underway.id)));
        let interleaving = self.associations[index].interleaving.as_mut();
        let answer = match (told, interleaving) {
            (Some(told), Some(interleaving)) => {
                interleaving.told_departure();
                Some(told)
            }
            (None, Some(interleaving)) => interleaving.untold(),
            (told, None) => told,
        };
        if let Some(answer) = answer {
            self.answered(now, index, answer);
        }
    }

    /// The second question was answered like the first: of the two the one with the shorter way is taken in, if one
    /// is.
    pub(super) fn followed_plainly(&mut self, now: &Moment, index: usize, second: Answer) {
        let association = &mut self.associations[index];
        let underway = association.let_go();
        self.actions.extend(underway.map(|underway| Action::Close(underway.id)));
        let interleaving = self.associations[index].interleaving.as_mut();
        if let Some(first) = interleaving.and_then(Interleaving::untold) {
            let best = if first.delay <= second.delay { first } else { second };
            self.answered(now, index, best);
        }
    }
}

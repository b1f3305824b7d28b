//! One host: what is tried with it, one protocol a little after the other, until it answers by one.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::BorrowedFd;

use rand_core::CryptoRng;
use truechimer_sys::clock::Readings;
use truechimer_sys::poll::Interest;
use truechimer_time::{Mono, Span, Time};

use super::attempt::{Attempt, End, Plan, Step};
use super::protocol::{Carrier, Protocol};
use super::search::Known;
use super::target::Target;
use super::tls::Tls;
use super::trouble::{Kind, Trouble};

/// The next protocol is tried so long after the last one, if nothing was heard until then.
const STAGGER: Span = Span::from_millis(300);

/// Of a name's addresses so many are tried.
const ADDRESSES_MAX: usize = 2;

/// How each host is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking {
    /// How many exchanges by a protocol that tells more than seconds.
    pub(super) samples: u8,
    /// How many questions for the turn of a second.
    pub(super) turns: u8,
    pub(super) patience: Span,
}

/// A host that is being asked.
pub(super) struct Job {
    /// Its place among the targets.
    pub(super) index: usize,
    host: String,
    asking: Asking,
    ladder: Vec<(Protocol, u16)>,
    addresses: VecDeque<IpAddr>,
    /// What is yet to be tried at the first of these.
    untried: VecDeque<(Protocol, u16)>,
    next: Time<Mono>,
    attempts: Vec<(u32, Attempt)>,
    begun: u32,
    counts: (u8, u8),
    /// The worst that was met: it says most about the host.
    trouble: Option<(Trouble, Protocol, SocketAddr)>,
}

/// What came of a host.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) place: Option<SocketAddr>,
    pub(super) protocol: Option<Protocol>,
    pub(super) asked: u8,
    pub(super) answered: u8,
    pub(super) known: Result<Known, Trouble>,
}

/// What is to be done for a host.
#[derive(Debug)]
pub(super) enum Errand {
    /// An address is wanted, for the attempt of this number.
    LookUp(u32, String, u16),
    /// It is over.
    Over(Box<Outcome>),
}

impl Job {
    pub(super) fn new(
        index: usize,
        target: &Target,
        addresses: Vec<IpAddr>,
        asking: Asking,
        now: &Readings,
    ) -> Self {
        Self {
            index,
            host: target.host.to_string(),
            asking,
            ladder: target.ladder.clone(),
            addresses: addresses.into_iter().take(ADDRESSES_MAX).collect(),
            untried: target.ladder.iter().copied().collect(),
            next: now.mono,
            attempts: Vec::new(),
            begun: 0,
            counts: (0, 0),
            trouble: None,
        }
    }

    /// When to be woken if nothing happens.
    pub(super) fn deadline(&self) -> Time<Mono> {
        let next = (!self.untried.is_empty()).then_some(self.next);
        let attempts = self.attempts.iter().map(|(_, attempt)| attempt.deadline());
        attempts.chain(next).min().unwrap_or(self.next)
    }

    /// The descriptors to watch, each with the number of its attempt.
    pub(super) fn watched(&self) -> impl Iterator<Item = (u32, BorrowedFd<'_>, Interest)> {
        self.attempts
            .iter()
            .filter_map(|(number, attempt)| attempt.watched().map(|(fd, interest)| (*number, fd, interest)))
    }

    /// How many of its attempts speak TLS.
    pub(super) fn sessions(&self) -> usize {
        let is_tls = |attempt: &Attempt| attempt.protocol.carrier() == Carrier::Tls;
        self.attempts.iter().filter(|(_, attempt)| is_tls(attempt)).count()
    }

    /// Does it want to begin with TLS next?
    fn wants_session(&self) -> bool {
        self.untried.front().is_some_and(|(protocol, _)| protocol.carrier() == Carrier::Tls)
    }

    /// Times may have come. `room` says whether there is room for another session of TLS.
    pub(super) fn wake(
        &mut self,
        now: &Readings,
        tls: &Tls,
        rng: &mut impl CryptoRng,
        room: bool,
    ) -> Vec<Errand> {
        let is_due = self.attempts.is_empty() || self.next <= now.mono;
        if is_due && !self.untried.is_empty() {
            match self.wants_session() && !room {
                true => self.next = now.mono + STAGGER,
                false => self.begin(now),
            }
        }
        let mut errands = Vec::new();
        for place in (0..self.attempts.len()).rev() {
            let (number, attempt) = &mut self.attempts[place];
            let (number, step) = (*number, attempt.wake(now, tls, rng));
            errands.extend(self.take(number, step, now));
        }
        errands
    }

    /// Something has happened on the line of an attempt.
    pub(super) fn ready(&mut self, number: u32, now: &Readings) -> Option<Errand> {
        let (_, attempt) = self.attempts.iter_mut().find(|(known, _)| *known == number)?;
        let step = attempt.ready(now);
        let has_heard = attempt.has_heard();
        if has_heard && matches!(step, Step::Wait) {
            self.settle_on(number);
        }
        self.take(number, step, now)
    }

    /// An address that an attempt wanted.
    pub(super) fn named(
        &mut self,
        number: u32,
        found: Result<SocketAddr, Trouble>,
        now: &Readings,
    ) -> Option<Errand> {
        let (_, attempt) = self.attempts.iter_mut().find(|(known, _)| *known == number)?;
        let step = attempt.named(found, now);
        self.take(number, step, now)
    }

    /// It has to end now, with what is known.
    pub(super) fn end(mut self, trouble: Trouble) -> Outcome {
        let heard = self.attempts.iter().position(|(_, attempt)| attempt.has_heard());
        match heard.map(|place| self.attempts.remove(place).1) {
            Some(attempt) => {
                let (place, protocol) = (attempt.place, attempt.protocol);
                self.count(&attempt);
                let known = attempt.end().ok_or(trouble);
                self.outcome(Some((protocol, place)), known)
            }
            None => self.outcome(None, Err(trouble)),
        }
    }

    fn begin(&mut self, now: &Readings) {
        let (Some(address), Some((protocol, port))) =
            (self.addresses.front().copied(), self.untried.pop_front())
        else {
            return;
        };
        let place = SocketAddr::new(address, port);
        let questions = if protocol.is_coarse() { self.asking.turns } else { self.asking.samples };
        let plan = Plan { protocol, place, host: &self.host, questions, patience: self.asking.patience };
        self.attempts.push((self.begun, Attempt::new(&plan, now)));
        self.begun += 1;
        self.next = now.mono + STAGGER;
    }

    /// It has answered: nothing else is tried.
    fn settle_on(&mut self, number: u32) {
        self.untried.clear();
        if self.attempts.len() > 1 {
            let (kept, given_up): (Vec<_>, Vec<_>) =
                std::mem::take(&mut self.attempts).into_iter().partition(|(known, _)| *known == number);
            self.attempts = kept;
            given_up.iter().for_each(|(_, attempt)| self.count(attempt));
        }
    }

    fn count(&mut self, attempt: &Attempt) {
        let (asked, answered) = attempt.counts();
        self.counts = (self.counts.0.saturating_add(asked), self.counts.1.saturating_add(answered));
    }

    fn take(&mut self, number: u32, step: Step, now: &Readings) -> Option<Errand> {
        let end = match step {
            Step::Wait => return None,
            Step::LookUp(name, port) => return Some(Errand::LookUp(number, name, port)),
            Step::Over(end) => end,
        };
        let place = self.attempts.iter().position(|(known, _)| *known == number)?;
        let (_, attempt) = self.attempts.swap_remove(place);
        self.count(&attempt);
        match end {
            End::Known(known) => Some(self.over(Some((attempt.protocol, attempt.place)), Ok(known))),
            End::Trouble(trouble) => self.fail(trouble, &attempt, now),
        }
    }

    fn fail(&mut self, trouble: Trouble, attempt: &Attempt, now: &Readings) -> Option<Errand> {
        let is_final = trouble.kind.is_final();
        let is_worse = self.trouble.as_ref().is_none_or(|(known, ..)| known.kind < trouble.kind);
        if is_worse {
            self.trouble = Some((trouble, attempt.protocol, attempt.place));
        }
        // The next may begin at once: there is one less to wait for.
        self.next = now.mono;
        if !is_final && (!self.untried.is_empty() || !self.attempts.is_empty()) {
            return None;
        }
        if !is_final && self.addresses.len() > 1 {
            self.addresses.pop_front();
            self.untried = self.ladder.iter().copied().collect();
            return None;
        }
        let (trouble, protocol, place) = self.trouble.take()?;
        // Of a host that has said nothing by many protocols none is told.
        let says = !matches!(trouble.kind, Kind::Silent | Kind::Network) || self.ladder.len() == 1;
        Some(self.over(says.then_some((protocol, place)), Err(trouble)))
    }

    fn over(&mut self, whom: Option<(Protocol, SocketAddr)>, known: Result<Known, Trouble>) -> Errand {
        Errand::Over(Box::new(self.outcome(whom, known)))
    }

    fn outcome(&self, whom: Option<(Protocol, SocketAddr)>, known: Result<Known, Trouble>) -> Outcome {
        let place = whom.map(|(_, place)| place);
        let address = self.addresses.front().map(|address| SocketAddr::new(*address, 0));
        Outcome {
            place: place.or(address),
            protocol: whom.map(|(protocol, _)| protocol),
            asked: self.counts.0,
            answered: self.counts.1,
            known,
        }
    }
}

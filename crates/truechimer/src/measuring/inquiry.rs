//! One server: its exchanges, and what is known from them.

use std::net::SocketAddr;
use std::os::fd::BorrowedFd;

use rand_core::Rng;
use truechimer_core::discipline::bracket::Bracket;
use truechimer_core::discipline::estimator::Estimator;
use truechimer_core::discipline::oscillator::RateLimits;
use truechimer_core::measure::exchange::{Answer, Heard, Rules};
use truechimer_core::measure::sample::Sample;
use truechimer_core::policy::TrustPolicy;
use truechimer_core::source::association::{NearLeap, sample_of};
use truechimer_core::source::schedule::BURST_SPACING;
use truechimer_sys::clock::{self, Readings};
use truechimer_sys::udp::SocketError;
use truechimer_time::{Local, Mono, Rate, Span, Time};

use super::underway::Underway;
use super::{LEAPS, Manner, Reading, Server, Trouble};
use crate::config::Address;

/// Questions to a server in our own network are so far apart; those to others as the bursts of the daemon, because
/// public servers commonly ignore what comes more often.
const SPACING_NEAR: Span = Span::from_millis(500);

/// Everything about one server while it is being measured.
pub(super) struct Inquiry {
    /// Where it can be asked; the first is where it is asked.
    places: Vec<SocketAddr>,
    timeout: Span,
    samples: u8,
    asked: u8,
    answered: u8,
    /// When the next question leaves.
    due: Time<Mono>,
    /// By their numbers.
    underway: Vec<(u8, Underway)>,
    known: Option<Known>,
    trouble: Option<Trouble>,
}

/// What the answers tell together, when the last of them was heard.
struct Known {
    bracket: Bracket,
    estimator: Estimator,
    local: Time<Local>,
    delay: Span,
    answer: Answer,
}

impl Inquiry {
    pub(super) fn new(found: Result<Vec<SocketAddr>, Trouble>, manner: &Manner) -> Self {
        let (places, trouble) = match found {
            Ok(places) => (places, None),
            Err(trouble) => (Vec::new(), Some(trouble)),
        };
        Self {
            samples: if places.is_empty() { 0 } else { manner.samples },
            places,
            timeout: manner.timeout,
            asked: 0,
            answered: 0,
            due: clock::mono(),
            underway: Vec::new(),
            known: None,
            trouble,
        }
    }

    /// Gives up on the questions whose time is over, and asks the next if its time has come.
    pub(super) fn wake(&mut self, rng: &mut impl Rng) {
        let now = clock::mono();
        let over: Vec<_> = self.underway.extract_if(.., |(_, underway)| underway.ends <= now).collect();
        for (_, underway) in over {
            self.trouble = Some(underway.refusal.map_or(Trouble::Silent(self.timeout), Trouble::Unusable));
        }
        // A server that is gone says nothing, and another address of its name may be alive.
        let is_over = self.asked == self.samples && self.underway.is_empty();
        if is_over && matches!(self.trouble, Some(Trouble::Silent(_))) {
            self.turn();
        }
        while self.asked < self.samples && self.due <= now {
            self.ask(rng);
        }
    }

    /// When to be woken if nothing is heard; `None` when it is over.
    pub(super) fn deadline(&self) -> Option<Time<Mono>> {
        let next = (self.asked < self.samples).then_some(self.due);
        self.underway.iter().map(|(_, underway)| underway.ends).chain(next).min()
    }

    /// The sockets to be watched, by the number of their exchange.
    pub(super) fn sockets(&self) -> impl Iterator<Item = (u8, BorrowedFd<'_>)> {
        self.underway.iter().map(|(number, underway)| (*number, underway.socket()))
    }

    /// Something is to be read on the socket of an exchange.
    pub(super) fn hear(&mut self, number: u8, rules: &Rules) {
        let Some(place) = self.underway.iter().position(|(known, _)| *known == number) else { return };
        let outcome = match self.underway[place].1.listen(rules) {
            Ok(None) => return,
            Ok(Some((Heard::Answer(answer) | Heard::Departure(answer), now))) => self.learn(answer, &now),
            Ok(Some((Heard::Kiss(kiss), _))) => Err(Trouble::Kissed(kiss.code)),
            Err(trouble) => Err(trouble),
        };
        self.underway.remove(place);
        match outcome {
            Ok(()) => self.answered += 1,
            Err(trouble) => self.fail(trouble),
        }
    }

    /// The result.
    pub(super) fn end(self, address: Address) -> Server {
        let outcome = match (self.known, self.trouble) {
            (Some(known), _) => Ok(known.reading()),
            (None, trouble) => Err(trouble.unwrap_or(Trouble::Silent(self.timeout))),
        };
        let place = self.places.first().copied();
        Server { address, place, asked: self.asked, answered: self.answered, outcome }
    }

    fn ask(&mut self, rng: &mut impl Rng) {
        let place = self.places[0];
        match Underway::begin(rng, place, self.timeout) {
            Ok(underway) => {
                self.due = underway.begun.mono + spacing(place);
                self.underway.push((self.asked, underway));
                self.asked += 1;
            }
            Err(error) => self.fail(Trouble::Network(error)),
        }
    }

    /// Begins anew at the next address of the name, if there is one and nothing is known yet: a machine without IPv6
    /// still finds IPv6 addresses, and a service may listen at one address only.
    fn turn(&mut self) -> bool {
        let turns = self.known.is_none() && self.places.len() > 1;
        if turns {
            self.places.remove(0);
            self.underway.clear();
            (self.asked, self.due) = (0, clock::mono());
        }
        turns
    }

    /// Who does not want to be asked, or cannot be, is not asked again. What is known already stays.
    fn fail(&mut self, trouble: Trouble) {
        match trouble {
            Trouble::NearLeap | Trouble::ClockSet => {}
            Trouble::Network(SocketError::Unreachable | SocketError::Refused) if self.turn() => {}
            Trouble::NotFound(_)
            | Trouble::LookupTooSlow(_)
            | Trouble::NoSuchAddress
            | Trouble::Silent(_)
            | Trouble::Network(_)
            | Trouble::Unusable(_)
            | Trouble::Kissed(_) => self.samples = self.asked,
        }
        self.trouble = Some(trouble);
    }

    fn learn(&mut self, answer: Answer, now: &Readings) -> Result<(), Trouble> {
        let limits = RateLimits::around(Rate::ZERO, TrustPolicy::default().max_rate);
        let stamp_error = answer.sent.error(now.raw, now.width) + answer.heard.error(now.raw, now.width);
        let sample = sample_of(&answer, &LEAPS, limits, stamp_error).map_err(|NearLeap| Trouble::NearLeap)?;
        let local = now.realtime - (now.raw - sample.at);
        match &mut self.known {
            // An answer that was overtaken by the answer to a later question says nothing new.
            Some(known) if sample.at < known.bracket.at => {}
            Some(known) => known.hear(answer, &sample, local, limits),
            None => self.known = Some(Known::new(answer, &sample, local, limits)),
        }
        Ok(())
    }
}

/// How far apart questions to this server are.
pub(crate) fn spacing(place: SocketAddr) -> Span {
    if Address::Literal(place).is_near() { SPACING_NEAR } else { BURST_SPACING }
}

impl Known {
    fn new(answer: Answer, sample: &Sample, local: Time<Local>, limits: RateLimits) -> Self {
        let (bracket, delay) = (sample.bracket(), sample.delay);
        Self { bracket, estimator: Estimator::new(sample, limits), local, delay, answer }
    }

    /// Another sample. One that contradicts what the server said before replaces it.
    fn hear(&mut self, answer: Answer, sample: &Sample, local: Time<Local>, limits: RateLimits) {
        let Some(both) = self.bracket.carried_to(sample.at, limits).meet(sample.bracket()) else {
            *self = Self::new(answer, sample, local, limits);
            return;
        };
        self.estimator.hear(sample);
        let delay = self.delay.min(sample.delay);
        (self.bracket, self.local, self.delay, self.answer) = (both, local, delay, answer);
    }

    fn reading(&self) -> Reading {
        let Self { bracket, local, delay, answer, .. } = *self;
        let best = bracket.nearest(self.estimator.estimate(bracket.at).tai);
        Reading { bracket, best, local, delay, answer }
    }
}

//! One host asked by one protocol: the line to it, the question that is under way, what the answers tell together.
//!
//! ```text
//!              ┌──────────────── connecting ◄──┐        (TCP; TLS with its handshake)
//!              │   (NTS) agreeing ─► naming    │
//!   resting ◄──┴────────────┴───────────┴──────┘
//!      │  ▲
//!      ▼  │ an answer; or none, and there are questions left
//!     asked ──► over: what is known, or why nothing is
//! ```

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use rand_core::CryptoRng;
use truechimer_core::moment::{Stamp, StampedBy};
use truechimer_core::source::nts::{Cookie, Nts};
use truechimer_core::wire::aead::Aead;
use truechimer_core::wire::nts_ke::response::Answer;
use truechimer_core::wire::nts_ke::server_name::ServerName;
use truechimer_core::wire::nts_ke::{ALPN, Inbox, request};
use truechimer_sys::clock::Readings;
use truechimer_sys::poll::Interest;
use truechimer_time::{Mono, Span, Time};

use super::line::{Arrival, DATAGRAMS_MAX, Datagrams, Gulp, Stream};
use super::protocol::{Carrier, Protocol};
use super::question::{Circumstances, Question, Reply};
use super::search::{Known, Search};
use super::tls::{Finding, Tls};
use super::told::Doubt;
use super::trouble::{Kind, Trouble};
use crate::config::NTP_PORT;
use crate::daemon::agreeing::conversation;
use crate::measuring::inquiry;
use crate::stamps::was_set_between;

/// Questions for a whole second to a host in our own network may be so close.
const COARSE_SPACING_NEAR: Span = Span::from_millis(10);

/// To servers of TIME and daytime elsewhere they may not: who asks NIST more often than that is shut out.
const COARSE_SPACING_FAR: Span = Span::from_secs(4);

/// To web servers elsewhere they are so far apart.
const DATE_SPACING_FAR: Span = Span::from_millis(250);

/// Where the system has no room for another line, it is tried again after this.
const ROOM_WAIT: Span = Span::from_millis(50);

/// A datagram may be lost: a host that has said nothing is asked so often.
const TRIES: u8 = 2;

/// No answer by TCP is longer, in bytes.
const ANSWER_MAX: usize = 20_000;

/// What an attempt is to do.
pub(super) struct Plan<'a> {
    pub(super) protocol: Protocol,
    pub(super) place: SocketAddr,
    /// As it stands in the Host field of HTTP.
    pub(super) host: &'a str,
    pub(super) questions: u8,
    pub(super) patience: Span,
}

/// What comes of it.
#[derive(Debug)]
pub(super) enum End {
    /// The clock, and who was asked in the end.
    Known(Known),
    /// Nothing.
    Trouble(Trouble),
}

/// What is to be done with an attempt.
#[derive(Debug)]
pub(super) enum Step {
    /// Nothing, until something happens.
    Wait,
    /// An address is wanted for the server that a key exchange has named.
    LookUp(String, u16),
    /// It is over.
    Over(End),
}

pub(super) struct Attempt {
    pub(super) protocol: Protocol,
    pub(super) place: SocketAddr,
    host: String,
    patience: Span,
    search: Search,
    keys: Option<Nts>,
    certificate: Option<Finding>,
    line: Option<Line>,
    /// When the question is due for which a connection is made ahead.
    planned: Time<Mono>,
    state: State,
}

enum Line {
    Datagrams(Datagrams),
    Stream(Stream),
}

enum State {
    /// Until the next question is due.
    Resting(Time<Mono>),
    /// Until the line is ready, but not for ever; then until that question is due.
    Connecting { until: Time<Mono>, due: Time<Mono> },
    /// On keys.
    Agreeing { inbox: Inbox, until: Time<Mono> },
    /// The name of the server is being looked up.
    Naming { until: Time<Mono> },
    /// Until the answer comes.
    Asked(Box<Asked>),
}

struct Asked {
    question: Question,
    /// The clocks when it left.
    begun: Readings,
    sent: Stamp,
    until: Time<Mono>,
    heard: Vec<u8>,
}

impl Attempt {
    /// The first question is due at once.
    pub(super) fn new(plan: &Plan<'_>, now: &Readings) -> Self {
        Self {
            protocol: plan.protocol,
            place: plan.place,
            host: plan.host.to_owned(),
            patience: plan.patience,
            search: Search::new(plan.protocol.is_coarse(), plan.questions),
            keys: None,
            certificate: None,
            line: None,
            planned: now.mono,
            state: State::Resting(now.mono),
        }
    }

    /// Has the host answered?
    pub(super) fn has_heard(&self) -> bool {
        self.search.has_heard()
    }

    /// Questions that have left, answers that could be used.
    pub(super) fn counts(&self) -> (u8, u8) {
        self.search.counts()
    }

    /// When to be woken if nothing happens.
    pub(super) fn deadline(&self) -> Time<Mono> {
        match &self.state {
            State::Resting(due) => *due,
            State::Connecting { until, .. } | State::Agreeing { until, .. } | State::Naming { until } => {
                *until
            }
            State::Asked(asked) => asked.until,
        }
    }

    /// The descriptor to watch, and for what.
    pub(super) fn watched(&self) -> Option<(BorrowedFd<'_>, Interest)> {
        match (&self.line, &self.state) {
            (Some(Line::Datagrams(line)), State::Asked(_)) => Some((line.as_fd(), Interest::Read)),
            (Some(Line::Stream(line)), _) => Some((line.as_fd(), line.interest())),
            (Some(Line::Datagrams(_)) | None, _) => None,
        }
    }

    /// Its time may have come.
    pub(super) fn wake(&mut self, now: &Readings, tls: &Tls, rng: &mut impl CryptoRng) -> Step {
        if now.mono < self.deadline() {
            return Step::Wait;
        }
        let outcome = match &self.state {
            State::Resting(_) => self.ask(now, tls, rng),
            State::Asked(_) => self.nothing_came(now),
            State::Connecting { .. } | State::Agreeing { .. } => {
                Err(Trouble::new(Kind::Silent, "the connection is not made in time"))
            }
            State::Naming { .. } => {
                Err(Trouble::new(Kind::NotFound, "the server that it names is not found in time"))
            }
        };
        self.step(outcome)
    }

    /// Something has happened on the line.
    pub(super) fn ready(&mut self, now: &Readings) -> Step {
        let outcome = match (&mut self.line, &mut self.state) {
            (Some(Line::Datagrams(_)), State::Asked(_)) => self.receive(),
            (Some(Line::Stream(line)), State::Connecting { due, .. }) => {
                let due = *due;
                line.progress()
                    .map(|is_ready| is_ready.then_some(due))
                    .and_then(|due| self.connected(due, now))
            }
            (Some(Line::Stream(_)), State::Agreeing { .. }) => self.agree(now),
            (Some(Line::Stream(_)), State::Asked(_)) => self.read(now),
            (Some(Line::Stream(line)), State::Resting(_)) => {
                // A server that ends an idle connection, or speaks unasked, is connected to again when it is needed. What TLS has to
                // say for itself is none of that.
                if line.read() != Ok(Gulp::Nothing) {
                    self.line = None;
                }
                Ok(None)
            }
            (Some(Line::Stream(_)), State::Naming { .. }) | (Some(Line::Datagrams(_)) | None, _) => Ok(None),
        };
        self.step(outcome)
    }

    /// The server of the key exchange was looked up.
    pub(super) fn named(&mut self, found: Result<SocketAddr, Trouble>, now: &Readings) -> Step {
        let peer = self.place.ip();
        let outcome = found.and_then(|place| match conversation::is_usable(place.ip(), peer) {
            true => Ok(place),
            false => Err(Trouble::new(Kind::Unusable, "the server that it names is no single other host")),
        });
        let outcome = outcome.map(|place| {
            self.place = place;
            self.state = State::Resting(now.mono);
            None
        });
        self.step(outcome)
    }

    /// What is known so far, where it has to end now.
    pub(super) fn end(self) -> Option<Known> {
        self.search.end()
    }

    fn step(&mut self, outcome: Result<Option<Step>, Trouble>) -> Step {
        match outcome {
            Ok(step) => step.unwrap_or(Step::Wait),
            Err(trouble) => {
                let search = std::mem::replace(&mut self.search, Search::new(false, 1));
                // What is known already stays.
                Step::Over(search.end().map_or(End::Trouble(trouble), End::Known))
            }
        }
    }

    fn spacing(&self) -> Span {
        let is_near = crate::config::Address::Literal(self.place).is_near();
        match (self.protocol.is_coarse(), is_near) {
            (false, _) => inquiry::spacing(self.place),
            (true, true) => COARSE_SPACING_NEAR,
            (true, false) => match self.protocol {
                Protocol::Https | Protocol::Http => DATE_SPACING_FAR,
                Protocol::Time
                | Protocol::TimeTcp
                | Protocol::Daytime
                | Protocol::DaytimeTcp
                | Protocol::Ntp
                | Protocol::Nts
                | Protocol::Taiclock
                | Protocol::Icmp => COARSE_SPACING_FAR,
            },
        }
    }

    fn ask(&mut self, now: &Readings, tls: &Tls, rng: &mut impl CryptoRng) -> Result<Option<Step>, Trouble> {
        let is_agreed = self.keys.is_some();
        let opened = match self.protocol.carrier() {
            Carrier::Tls if self.protocol == Protocol::Nts && is_agreed => self.open_datagrams(),
            Carrier::Datagram | Carrier::Message => self.open_datagrams(),
            Carrier::Stream if self.protocol.speaks_first() => return self.ask_by_connecting(now, rng),
            Carrier::Stream | Carrier::Tls if self.line.is_none() => return self.connect(now, tls),
            Carrier::Stream | Carrier::Tls => Ok(()),
        };
        match opened {
            Ok(()) => {}
            Err(error) if error.is_exhausted() => return Ok(self.wait_for_room(now)),
            Err(error) => return Err(Trouble::network(error)),
        }
        let ticket = self.keys.as_mut().map(|keys| keys.ticket());
        if matches!(ticket, Some(None)) {
            return Err(Trouble::new(Kind::Tls, "no cookies of NTS are left"));
        }
        let question =
            Question::new(rng, self.protocol, self.place, &self.called_at_its_port(), ticket.flatten());
        let begun = truechimer_sys::clock::readings();
        match &mut self.line {
            Some(Line::Datagrams(line)) => line.send(&question.bytes()).map_err(Trouble::network)?,
            Some(Line::Stream(line)) => line.say(&question.bytes())?,
            None => {}
        }
        self.asked(question, begun);
        Ok(None)
    }

    /// There is no room for another line now: others end soon.
    fn wait_for_room(&mut self, now: &Readings) -> Option<Step> {
        self.state = State::Resting(now.mono + ROOM_WAIT);
        None
    }

    fn asked(&mut self, question: Question, begun: Readings) {
        self.search.ask();
        let sent = Stamp { at: begun.raw, by: StampedBy::Program };
        let until = begun.mono + self.patience;
        self.state = State::Asked(Box::new(Asked { question, begun, sent, until, heard: Vec::new() }));
    }

    /// How HTTP calls the host (RFC 9110, section 7.2): with the port, if it is not the usual one.
    fn called_at_its_port(&self) -> String {
        match self.place.port() == self.protocol.port() {
            true => self.host.clone(),
            false => format!("{}:{}", self.host, self.place.port()),
        }
    }

    fn open_datagrams(&mut self) -> Result<(), truechimer_sys::udp::SocketError> {
        let line = match self.protocol.carrier() {
            Carrier::Message => Datagrams::by_icmp(self.place.ip())?,
            Carrier::Datagram | Carrier::Stream | Carrier::Tls => Datagrams::by_udp(self.place)?,
        };
        self.line = Some(Line::Datagrams(line));
        Ok(())
    }

    /// Where the server speaks first, to connect is the question.
    fn ask_by_connecting(
        &mut self,
        now: &Readings,
        rng: &mut impl CryptoRng,
    ) -> Result<Option<Step>, Trouble> {
        let question = Question::new(rng, self.protocol, self.place, &self.host, None);
        let begun = truechimer_sys::clock::readings();
        match Stream::begin(self.place, None) {
            Ok(line) => self.line = Some(Line::Stream(line)),
            Err(error) if error.is_exhausted() => return Ok(self.wait_for_room(now)),
            Err(error) => return Err(Trouble::network(error)),
        }
        self.asked(question, begun);
        Ok(None)
    }

    fn connect(&mut self, now: &Readings, tls: &Tls) -> Result<Option<Step>, Trouble> {
        let tls = match self.protocol {
            Protocol::Nts => Some(tls.for_keys(&self.host)?),
            Protocol::Https => {
                let (connection, finding) = tls.for_date(&self.host)?;
                self.certificate = Some(finding);
                Some(connection)
            }
            Protocol::Http
            | Protocol::Ntp
            | Protocol::Taiclock
            | Protocol::Icmp
            | Protocol::Time
            | Protocol::TimeTcp
            | Protocol::Daytime
            | Protocol::DaytimeTcp => None,
        };
        match Stream::begin(self.place, tls) {
            Ok(line) => self.line = Some(Line::Stream(line)),
            Err(error) if error.is_exhausted() => return Ok(self.wait_for_room(now)),
            Err(error) => return Err(Trouble::network(error)),
        }
        self.state = State::Connecting { until: now.mono + self.patience, due: self.planned.max(now.mono) };
        Ok(None)
    }

    /// The line may be ready; then the question is due, or keys are agreed on.
    fn connected(&mut self, due: Option<Time<Mono>>, now: &Readings) -> Result<Option<Step>, Trouble> {
        let Some(due) = due else { return Ok(None) };
        if self.protocol != Protocol::Nts {
            self.state = State::Resting(due);
            return Ok(None);
        }
        let Some(Line::Stream(line)) = &mut self.line else { return Ok(None) };
        if line.tls().and_then(|tls| tls.alpn_protocol()) != Some(ALPN) {
            return Err(Trouble::new(Kind::Tls, "it does not agree to the protocol of key exchanges"));
        }
        line.say(&request::write(&Aead::ALL))?;
        self.state = State::Agreeing { inbox: Inbox::for_answer(), until: now.mono + self.patience };
        Ok(None)
    }

    fn agree(&mut self, now: &Readings) -> Result<Option<Step>, Trouble> {
        let (Some(Line::Stream(line)), State::Agreeing { inbox, .. }) = (&mut self.line, &mut self.state)
        else {
            return Ok(None);
        };
        let unusable = |why: &dyn std::fmt::Display| Trouble::new(Kind::Tls, format_args!("no keys: {why}"));
        let is_whole = match line.read()? {
            Gulp::Nothing => false,
            Gulp::Bytes(bytes) => inbox.take(&bytes).map_err(|bad| unusable(&bad))?,
            Gulp::End => true,
        };
        if !is_whole {
            return Ok(None);
        }
        let answer = Answer::read(inbox, &Aead::ALL).map_err(|bad| unusable(&bad))?;
        let tls = line.tls().ok_or_else(|| unusable(&"there is no TLS"))?;
        let keys = conversation::keys(tls, answer.aead, answer.exporter);
        let keys = keys.map_err(|failure| unusable(&failure.detail))?;
        let mut nts = Nts::new();
        nts.agreed(keys, answer.cookies.iter().filter_map(|bytes| Cookie::new(bytes)));
        self.keys = Some(nts);
        self.line = None;
        Ok(self.go_to(&answer, now))
    }

    /// Where the time is to be asked for with the keys.
    fn go_to(&mut self, answer: &Answer, now: &Readings) -> Option<Step> {
        let port = answer.port.unwrap_or(NTP_PORT);
        match &answer.server {
            None => self.place.set_port(port),
            Some(ServerName::Address(address)) => self.place = SocketAddr::new(*address, port),
            Some(ServerName::Name(name)) => {
                self.state = State::Naming { until: now.mono + self.patience * 5 };
                return Some(Step::LookUp(name.clone(), port));
            }
        }
        self.state = State::Resting(now.mono);
        None
    }

    /// Nothing has come in time. Who has answered before, or may have been lost on the way, is asked again.
    fn nothing_came(&mut self, now: &Readings) -> Result<Option<Step>, Trouble> {
        self.settle();
        self.line = None;
        let (asked, answered) = self.search.counts();
        let may_be_lost = match self.protocol.carrier() {
            Carrier::Datagram | Carrier::Message => answered > 0 || asked < TRIES,
            Carrier::Tls => self.keys.is_some() && (answered > 0 || asked < TRIES),
            Carrier::Stream => answered > 0,
        };
        if may_be_lost && self.search.goes_on() {
            self.state = State::Resting(now.mono + self.search.wait(now.raw, self.spacing()));
            return Ok(None);
        }
        Err(Trouble::silent(self.patience))
    }

    /// What became of the question's protection.
    fn settle(&mut self) {
        if let (State::Asked(asked), Some(keys)) = (&mut self.state, &mut self.keys)
            && let Some((session, outcome)) = asked.question.outcome()
        {
            keys.over(&session, outcome);
        }
    }

    fn receive(&mut self) -> Result<Option<Step>, Trouble> {
        for _ in 0..DATAGRAMS_MAX {
            let (Some(Line::Datagrams(line)), State::Asked(asked)) = (&self.line, &mut self.state) else {
                return Ok(None);
            };
            if let Some(departure) = line.departure().map_err(Trouble::network)? {
                asked.sent = departure;
            }
            let Some(arrival) = line.receive().map_err(Trouble::network)? else { return Ok(None) };
            let reply = asked.question.hear(&arrival.bytes, &asked.at(&arrival, self.patience))?;
            match reply {
                // Stamps of the kernel are by the clock that was set: this answer is none, and another is asked for.
                Reply::Told(..) if was_set_between(&asked.begun, &arrival.now) => {
                    return self.nothing_came(&arrival.now);
                }
                Reply::Told(told, _) => return self.learn(told, true, &arrival.now),
                Reply::Nothing => {}
            }
        }
        Ok(None)
    }

    fn read(&mut self, now: &Readings) -> Result<Option<Step>, Trouble> {
        let (Some(Line::Stream(line)), State::Asked(asked)) = (&mut self.line, &mut self.state) else {
            return Ok(None);
        };
        // Where to connect is the question, the connection may be made just now.
        if !line.progress()? {
            return Ok(None);
        }
        let gulp = line.read()?;
        let now = match gulp {
            // The answer may have waited while others were looked after: it was heard now.
            Gulp::Bytes(_) | Gulp::End => truechimer_sys::clock::readings(),
            Gulp::Nothing => *now,
        };
        let is_end = gulp == Gulp::End;
        if let Gulp::Bytes(bytes) = gulp {
            asked.heard.extend_from_slice(&bytes);
        }
        if asked.heard.len() > ANSWER_MAX {
            return Err(Trouble::new(Kind::Unusable, "it says more than any answer has"));
        }
        let at = asked.by_stream(self.place, &now, is_end, self.patience);
        match asked.question.hear(&asked.heard, &at)? {
            Reply::Told(told, ends) => self.learn(told, ends || is_end, &now),
            Reply::Nothing if is_end && asked.heard.is_empty() && self.search.has_heard() => {
                // It had ended the connection before it was asked: once more, on a new one.
                self.line = None;
                self.state = State::Resting(now.mono + COARSE_SPACING_NEAR);
                match self.search.goes_on() {
                    true => Ok(None),
                    false => Err(Trouble::silent(self.patience)),
                }
            }
            Reply::Nothing if is_end => {
                Err(Trouble::new(Kind::Broken, "it has ended the connection without an answer"))
            }
            Reply::Nothing => Ok(None),
        }
    }

    fn learn(
        &mut self,
        mut told: super::told::Told,
        ends: bool,
        now: &Readings,
    ) -> Result<Option<Step>, Trouble> {
        if crate::measuring::LEAPS.is_near_leap(told.after, Span::from_millis(1500)) {
            return Err(Trouble::new(Kind::NearLeap, "a leap second is too near"));
        }
        if self.certificate.as_ref().is_some_and(|finding| !finding.is_proof()) {
            told.doubts.push(Doubt::Unverified);
        }
        self.settle();
        self.search.hear(told);
        if !self.search.goes_on() {
            // What is known is told instead.
            return Err(Trouble::silent(self.patience));
        }
        self.planned = now.mono + self.search.wait(now.raw, self.spacing());
        self.state = State::Resting(self.planned);
        if ends {
            self.line = None;
            let is_made_ahead = matches!(self.protocol, Protocol::Http | Protocol::Https);
            if is_made_ahead {
                self.state = State::Resting(now.mono);
            }
        }
        Ok(None)
    }
}

impl Asked {
    fn at(&self, arrival: &Arrival, patience: Span) -> Circumstances {
        let now = &arrival.now;
        Circumstances {
            from: arrival.from,
            sent: self.sent,
            heard: arrival.at,
            blur: self.sent.error(now.raw, now.width) + arrival.at.error(now.raw, now.width),
            ours: Time::from_epoch(now.realtime.since_epoch()),
            is_end: true,
            patience,
        }
    }

    fn by_stream(&self, from: SocketAddr, now: &Readings, is_end: bool, patience: Span) -> Circumstances {
        Circumstances {
            from,
            sent: self.sent,
            heard: Stamp { at: now.raw, by: StampedBy::Program },
            blur: Span::ZERO,
            ours: Time::from_epoch(now.realtime.since_epoch()),
            is_end,
            patience,
        }
    }
}

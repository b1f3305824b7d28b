//! One question to one server, and what may be taken for its answer.
//!
//! An [`Exchange`] is asked once and answered once. Whatever else arrives is refused with a [`Refusal`] that names
//! the exact sin, and a refusal changes nothing: the true answer may still come. Whether the server is right is not
//! judged here; only that this is its answer to this question, and that its four stamps can be used.
//!
//! ```text
//!            t2 ───── t3        server: receive and transmit timestamps of the answer
//!           ╱           ╲
//!     t1 ──╯             ╰── t4  client: stamps on our raw counter
//!
//!     residence = t3 - t2        delay = (t4 - t1) - residence
//! ```
//!
//! The question tells nothing about us: all of it is zero but version, mode and 64 random bits where our time would
//! stand. Whoever cannot see the question cannot guess them, so an answer that gives them back was made by
//! somebody on the path. A symmetric key or NTS shows that it was the server.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};

use rand_core::{CryptoRng, Rng};
use truechimer_time::ntp::{NtpPrecision, NtpShort, NtpTimestamp};
use truechimer_time::{Rate, Span, Time, Utc};

use self::guard::{Guard, Protection};
use self::topic::Wording;
use crate::moment::{Stamp, StampedBy};
use crate::source::nts::{Cookie, Outcome, Ticket};
use crate::wire::HEADER_LEN;
use crate::wire::aead::SessionKeys;
use crate::wire::extension::Trailer;
use crate::wire::mac::Key;
use crate::wire::ntp::{Leap, Mode, Packet, reference_id_of};

mod guard;
mod refusal;
mod topic;

pub use self::guard::Proof;
pub use self::refusal::Refusal;
pub use self::topic::{Earlier, Topic};

/// How long an answer is waited for, if nothing else is said.
pub const WINDOW: Span = Span::from_secs(3);

/// The longest delay of which anything can be learned, if nothing else is said.
pub const DELAY_MAX: Span = Span::from_secs(3);

/// The longest that a server may hold a question, if nothing else is said: beyond it, how differently the two clocks
/// run would show in the delay.
pub const RESIDENCE_MAX: Span = Span::from_secs(4);

/// From this distance on a server counts as unsynchronised (MAXDISP of RFC 5905, section 7.2).
pub const DISTANCE_MAX: Span = Span::from_secs(16);

/// How much faster one working clock may run than another: the most that kernels correct.
const SKEW_MAX: Rate = Rate::from_ppb(500_000);

/// The most that a server's own word about the coarseness of its clock excuses: a clock that ticks 64 times a
/// second.
const COARSENESS_MAX: Span = Span::from_micros(15_625);

/// A question, and whether it was answered.
///
/// [`start`](Self::start) it, send its [`datagram`](Self::datagram), say when that [was sent](Self::sent), and let
/// it [`hear`](Self::hear) what arrives.
#[derive(Debug)]
pub struct Exchange {
    to: SocketAddr,
    guard: Guard,
    wording: Wording,
    datagram: Vec<u8>,
    state: State,
    /// What was heard, if it was the time.
    heard: Option<Stamps>,
}

/// What guards a question.
#[derive(Debug)]
pub enum Seal {
    /// Nothing.
    None,
    /// A key.
    Key(Arc<Key>),
    /// NTS, at the cost of a cookie.
    Nts(Ticket),
}

/// How far an exchange has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unsent,
    Sent(Stamp),
    Answered,
}

/// What an answer has to satisfy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// An instant less than 68 years from the truth: it chooses the era of the timestamps.
    pub pivot: Time<Utc>,
    /// It cannot be earlier than this: the later of the date of compilation and the last time that was saved
    /// (RFC 8633, section 5.2).
    pub floor: Time<Utc>,
    /// How long after the question an answer may come.
    pub window: Span,
    /// The longest delay that can be used.
    pub delay_max: Span,
    /// The longest that the server may have held the question.
    pub residence_max: Span,
    /// The root distance from which on a server counts as unsynchronised.
    pub distance_max: Span,
    /// How finely our own stamps are read.
    pub precision: Span,
    /// Where the question left from, if we serve others: the server must not have its time from there.
    pub here: Option<Here>,
}

/// Where a question left from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Here {
    /// Our address on the way to the server.
    pub address: IpAddr,
    /// It is our own server that was asked.
    pub is_own_server: bool,
}

impl Rules {
    /// The usual limits.
    pub fn usual(pivot: Time<Utc>, floor: Time<Utc>) -> Self {
        Self {
            pivot,
            floor,
            window: WINDOW,
            delay_max: DELAY_MAX,
            residence_max: RESIDENCE_MAX,
            distance_max: DISTANCE_MAX,
            precision: Span::from_micros(1),
            here: None,
        }
    }
}

/// What a server had to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The time.
    Answer(Answer),
    /// The time that an [earlier](Topic::Departure) answer told, with the instant at which that has really left.
    Departure(Answer),
    /// Not the time, but why not.
    Kiss(Kiss),
}

/// The four stamps of an exchange, and what the server says about its clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// When our question left (t1).
    pub sent: Stamp,
    /// When the server received it, by its clock (t2).
    pub received: Time<Utc>,
    /// When its answer left, by its clock (t3).
    pub transmitted: Time<Utc>,
    /// When its answer came (t4).
    pub heard: Stamp,
    /// How long both ways took together. Never less than the precision of our stamps (RFC 5905, section 8).
    pub delay: Span,
    /// How long the server held the question, t3 - t2. Negative only within the coarseness of its clock.
    pub residence: Span,
    /// Whether a leap second comes; never [`Leap::Unknown`].
    pub leap: Leap,
    /// The protocol version of the answer, 1 to 4.
    pub version: u8,
    /// The server's stratum, 1 to 15.
    pub stratum: u8,
    /// The poll exponent as it came. Most servers echo ours.
    pub poll: i8,
    /// How finely the server says that it reads its clock.
    pub precision: NtpPrecision,
    /// The round trip from the server to its reference clock.
    pub root_delay: Span,
    /// How far the server's clock may be off, apart from that.
    pub root_dispersion: Span,
    /// Where the server has its time from.
    pub reference_id: [u8; 4],
}

/// A kiss-o'-death: the server answers, but not with the time (RFC 5905, section 7.4).
///
/// It has no timestamps, because those of such a packet mean nothing (RFC 8633, section 5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kiss {
    /// What it asks of us.
    pub code: KissCode,
    /// The poll exponent as it came. It must not be obeyed unchecked: it may be anything (RFC 8633, section 5.4).
    pub poll: i8,
}

/// What a kiss-o'-death asks of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KissCode {
    /// `RATE`: ask more rarely.
    Rate,
    /// `DENY`: do not ask again.
    Deny,
    /// `RSTR`: do not ask again.
    Restrict,
    /// `NTSN`: the server could not open our cookie (RFC 8915, section 5.7).
    NtsNak,
    /// A code that asks nothing that we know. Any bytes but a zero in front.
    Other([u8; 4]),
}

impl KissCode {
    fn of(reference_id: [u8; 4]) -> Self {
        match &reference_id {
            b"RATE" => Self::Rate,
            b"DENY" => Self::Deny,
            b"RSTR" => Self::Restrict,
            b"NTSN" => Self::NtsNak,
            _ => Self::Other(reference_id),
        }
    }
}

impl fmt::Display for KissCode {
    /// The code, with all that is not printable ASCII escaped: a server writes nothing else into our log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate => f.write_str("RATE"),
            Self::Deny => f.write_str("DENY"),
            Self::Restrict => f.write_str("RSTR"),
            Self::NtsNak => f.write_str("NTSN"),
            Self::Other(code) => write!(f, "{}", code.escape_ascii()),
        }
    }
}

impl Exchange {
    /// A question for this server, to be sealed with the key if there is one.
    pub fn start(rng: &mut impl Rng, to: SocketAddr, key: Option<Arc<Key>>) -> Self {
        let wording = Wording::new(rng, Topic::None);
        let header = question(&wording).write();
        match key {
            Some(key) => Self::keyed(to, wording, &header, key),
            None => Self::unsent(to, wording, header.to_vec(), Guard::None),
        }
    }

    /// A question for this server that NTS protects, at the cost of a cookie.
    pub fn start_protected(rng: &mut impl CryptoRng, to: SocketAddr, ticket: Ticket) -> Self {
        Self::start_speaking(rng, to, Seal::Nts(ticket), Topic::None)
    }

    /// A question for this server that speaks of an answer before.
    pub fn start_speaking(rng: &mut impl CryptoRng, to: SocketAddr, seal: Seal, topic: Topic) -> Self {
        let wording = Wording::new(rng, topic);
        let header = question(&wording).write();
        match seal {
            Seal::None => Self::unsent(to, wording, header.to_vec(), Guard::None),
            Seal::Key(key) => Self::keyed(to, wording, &header, key),
            Seal::Nts(ticket) => {
                let (protection, datagram) = Protection::of(&header, &ticket, rng);
                Self::unsent(to, wording, datagram, Guard::Nts(protection))
            }
        }
    }

    fn keyed(to: SocketAddr, wording: Wording, header: &[u8; HEADER_LEN], key: Arc<Key>) -> Self {
        let mut datagram = header.to_vec();
        key.append(&mut datagram);
        Self::unsent(to, wording, datagram, Guard::Key(key))
    }

    fn unsent(to: SocketAddr, wording: Wording, datagram: Vec<u8>, guard: Guard) -> Self {
        Self { to, guard, wording, datagram, state: State::Unsent, heard: None }
    }

    /// Whom to ask.
    pub fn to(&self) -> SocketAddr {
        self.to
    }

    /// What to send: 48 bytes, and what seals or protects them.
    pub fn datagram(&self) -> &[u8] {
        &self.datagram
    }

    /// Says when the question left. The kernel's stamp may come after the program's and replaces it; never the
    /// other way round. Once the exchange is answered, nothing changes any more.
    pub fn sent(&mut self, at: Stamp) {
        match self.state {
            State::Unsent => self.state = State::Sent(at),
            State::Sent(Stamp { by: StampedBy::Program, .. }) => self.state = State::Sent(at),
            State::Sent(Stamp { by: StampedBy::Kernel, .. }) | State::Answered => {}
        }
    }

    /// Was something heard that the server said to our question?
    pub fn is_answered(&self) -> bool {
        self.state == State::Answered
    }

    /// What became of the protection, if NTS protects the question: to be told to the [source's
    /// state](crate::source::nts::Nts::over) when the exchange is over, answered or not.
    pub fn outcome(&mut self) -> Option<(Arc<SessionKeys>, Outcome)> {
        match &mut self.guard {
            Guard::None | Guard::Key(_) => None,
            Guard::Nts(protection) => Some(protection.outcome()),
        }
    }

    /// Takes a datagram for the answer, if it is. A refusal of the cookie by NTS is heard and does not end the exchange:
    /// whoever sees the question can say that, so the true answer is still waited for (RFC 8915, section 5.7).
    ///
    /// # Errors
    /// [`Refusal`], and nothing has changed: not what we expect, not for how long. Only the cookies of an answer that
    /// NTS protects are kept, even if its time is of no use: it is the server's for certain, and they are what we paid
    /// for.
    pub fn hear(
        &mut self,
        from: SocketAddr,
        at: Stamp,
        datagram: &[u8],
        rules: &Rules,
    ) -> Result<Heard, Refusal> {
        self.hear_known((from, at), datagram, None, rules)
    }

    /// The same for a datagram out of a record: what NTS shows of it is not looked for, but known.
    ///
    /// # Errors
    /// As [`Exchange::hear`].
    pub fn hear_known(
        &mut self,
        (from, at): (SocketAddr, Stamp),
        datagram: &[u8],
        known: Option<&Proof>,
        rules: &Rules,
    ) -> Result<Heard, Refusal> {
        let (packet, cookies) = self.authentic(from, datagram, known)?;
        let sent = self.awaiting(at, rules)?;
        match (&mut self.guard, cookies) {
            (Guard::Nts(protection), Some(cookies)) => protection.keep(cookies),
            (Guard::Nts(protection), None) => return refused(protection, &packet),
            (Guard::None | Guard::Key(_), _) => {}
        }
        let heard = match (kiss(&packet), self.wording.departure(&packet)) {
            (Some(kiss), _) => Heard::Kiss(kiss),
            (None, Some(completed)) => Heard::Departure(completed.judge(rules)?),
            (None, None) => {
                let stamps = Stamps { sent, heard: at, packet };
                let answer = stamps.judge(rules)?;
                self.heard = Some(stamps);
                Heard::Answer(answer)
            }
        };
        self.state = State::Answered;
        Ok(heard)
    }

    /// The answer, for a [later question](Topic) to speak of, if the time was heard.
    pub fn earlier(&self) -> Option<Earlier> {
        self.heard.map(Earlier)
    }

    /// What NTS showed of the datagram that was heard last, if it came to that. Told once.
    pub fn proof(&mut self) -> Option<Proof> {
        self.guard.proof()
    }

    /// The packet, if our server made it and made it for this question, and the cookies in it. Says nothing about its
    /// content.
    fn authentic(
        &mut self,
        from: SocketAddr,
        datagram: &[u8],
        known: Option<&Proof>,
    ) -> Result<(Packet, Option<Vec<Cookie>>), Refusal> {
        if !same_end(from, self.to) {
            return Err(Refusal::WrongSender);
        }
        let packet = Packet::parse(datagram)?;
        is_an_answer(&packet)?;
        if packet.origin.is_zero() {
            return Err(Refusal::ZeroOrigin);
        }
        if !self.wording.is_given_back_by(&packet) {
            return Err(Refusal::BogusOrigin);
        }
        let trailer = Trailer::parse(datagram, packet.version)?;
        let is_nak = kiss(&packet).is_some_and(|kiss| kiss.code == KissCode::NtsNak);
        let cookies = self.guard.check(datagram, &trailer, (is_nak, known))?;
        Ok((packet, cookies))
    }

    /// When the question left, if an answer to it may still come.
    fn awaiting(&self, at: Stamp, rules: &Rules) -> Result<Stamp, Refusal> {
        match self.state {
            State::Unsent => Err(Refusal::Unsent),
            State::Answered => Err(Refusal::Duplicate),
            State::Sent(sent) if at.at - sent.at > rules.window => Err(Refusal::Late),
            State::Sent(sent) => Ok(sent),
        }
    }
}

/// Random bits that are not zero: that is what those say who do not know the question.
fn unguessable(rng: &mut impl Rng) -> NtpTimestamp {
    NtpTimestamp::from_bits(rng.next_u64().max(1))
}

/// A question that tells nothing about who asks.
fn question(wording: &Wording) -> Packet {
    Packet {
        leap: Leap::None,
        version: 4,
        mode: Mode::Client,
        stratum: 0,
        poll: 0,
        precision: NtpPrecision { log2_seconds: 0 },
        root_delay: NtpShort::ZERO,
        root_dispersion: NtpShort::ZERO,
        reference_id: [0; 4],
        reference: NtpTimestamp::ZERO,
        origin: wording.origin(),
        receive: wording.receive(),
        transmit: wording.transmit(),
    }
}

/// Is it the same address and port? Flow label and scope of IPv6 are the business of the socket.
fn same_end(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port() && one.ip().to_canonical() == other.ip().to_canonical()
}

fn is_an_answer(packet: &Packet) -> Result<(), Refusal> {
    // All of these have the same layout, and what gives our random bits back has read our question.
    if !(1..=4).contains(&packet.version) {
        return Err(Refusal::Version);
    }
    match packet.mode {
        Mode::Server => Ok(()),
        Mode::Client => Err(Refusal::Reflected),
        Mode::SymmetricActive | Mode::SymmetricPassive => Err(Refusal::Symmetric),
        Mode::Broadcast => Err(Refusal::Broadcast),
        Mode::Reserved | Mode::Control | Mode::Private => Err(Refusal::NotAnAnswer),
    }
}

/// The server, or somebody who has seen the question, says that our cookie is none: heard once.
fn refused(protection: &mut Protection, packet: &Packet) -> Result<Heard, Refusal> {
    match kiss(packet).filter(|kiss| kiss.code == KissCode::NtsNak) {
        Some(kiss) if protection.refuse() => Ok(Heard::Kiss(kiss)),
        Some(_) => Err(Refusal::Duplicate),
        None => Err(Refusal::Unprotected),
    }
}

fn kiss(packet: &Packet) -> Option<Kiss> {
    let is_kiss = packet.stratum == 0 && packet.reference_id[0] != 0;
    is_kiss.then(|| Kiss { code: KissCode::of(packet.reference_id), poll: packet.poll })
}

/// An answer that is authentic and not judged yet.
#[derive(Clone, Copy, Debug)]
struct Stamps {
    sent: Stamp,
    heard: Stamp,
    packet: Packet,
}

impl Stamps {
    fn judge(&self, rules: &Rules) -> Result<Answer, Refusal> {
        self.is_synchronised(rules)?;
        let answer = self.answer(rules)?;
        let (waited, residence) = (answer.heard.at - answer.sent.at, answer.residence);
        let coarse = rules.precision + answer.precision.span().min(COARSENESS_MAX);
        if residence < -coarse {
            return Err(Refusal::Backwards);
        }
        if residence > rules.residence_max {
            return Err(Refusal::HeldTooLong);
        }
        // Two clocks measured these spans, and neither is known to run right.
        if waited - residence < -(coarse + SKEW_MAX.over(residence.max(Span::ZERO))) {
            return Err(Refusal::NegativeDelay);
        }
        if answer.delay > rules.delay_max {
            return Err(Refusal::TooSlow);
        }
        Ok(answer)
    }

    /// Does the server claim to know the time?
    fn is_synchronised(&self, rules: &Rules) -> Result<(), Refusal> {
        let packet = &self.packet;
        if packet.leap == Leap::Unknown {
            return Err(Refusal::LeapUnknown);
        }
        if packet.stratum == 0 {
            return Err(Refusal::StratumZero);
        }
        if packet.stratum >= 16 {
            return Err(Refusal::StratumTooHigh);
        }
        if packet.root_delay.span().half() + packet.root_dispersion.span() >= rules.distance_max {
            return Err(Refusal::RootTooFar);
        }
        match rules.here {
            Some(here) if here.is_own_server => Err(Refusal::Ourselves),
            Some(here) if packet.stratum > 1 && packet.reference_id == reference_id_of(here.address) => {
                Err(Refusal::Loop)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The answer in words of time, if it has any and they are not from the past.
    fn answer(&self, rules: &Rules) -> Result<Answer, Refusal> {
        let packet = &self.packet;
        if packet.receive.is_zero() {
            return Err(Refusal::ZeroReceive);
        }
        if packet.transmit.is_zero() {
            return Err(Refusal::ZeroTransmit);
        }
        // The second by the first: between them no era can end, whatever the pivot.
        let received = packet.receive.resolve(rules.pivot);
        let transmitted = packet.transmit.resolve(received);
        if received.min(transmitted) < rules.floor {
            return Err(Refusal::BeforeFloor);
        }
        let residence = transmitted - received;
        Ok(Answer {
            sent: self.sent,
            received,
            transmitted,
            heard: self.heard,
            delay: (self.heard.at - self.sent.at - residence).max(rules.precision),
            residence,
            leap: packet.leap,
            version: packet.version,
            stratum: packet.stratum,
            poll: packet.poll,
            precision: packet.precision,
            root_delay: packet.root_delay.span(),
            root_dispersion: packet.root_dispersion.span(),
            reference_id: packet.reference_id,
        })
    }
}

#[cfg(test)]
mod tests;

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
//! somebody on the path.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};

use rand_core::Rng;
use truechimer_time::ntp::{NtpPrecision, NtpShort, NtpTimestamp};
use truechimer_time::{Rate, Span, Time, Utc};

use crate::moment::{Stamp, StampedBy};
use crate::reason::reasons;
use crate::wire::Malformed;
use crate::wire::extension::{Seal, Trailer};
use crate::wire::mac::Key;
use crate::wire::ntp::{Leap, Mode, Packet, reference_id_of};

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
    key: Option<Arc<Key>>,
    /// The random bits that stand where our time would: what the answer must give back.
    origin: NtpTimestamp,
    datagram: Vec<u8>,
    state: State,
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
        // Zero is what those say who do not know the question, so it is never ours.
        let origin = NtpTimestamp::from_bits(rng.next_u64().max(1));
        let mut datagram = question(origin).write().to_vec();
        if let Some(key) = &key {
            key.append(&mut datagram);
        }
        Self { to, key, origin, datagram, state: State::Unsent }
    }

    /// Whom to ask.
    pub fn to(&self) -> SocketAddr {
        self.to
    }

    /// What to send: 48 bytes, and the MAC if there is a key.
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

    /// Takes a datagram for the answer, if it is.
    ///
    /// # Errors
    /// [`Refusal`], and nothing has changed: not what we expect, not for how long.
    pub fn hear(
        &mut self,
        from: SocketAddr,
        at: Stamp,
        datagram: &[u8],
        rules: &Rules,
    ) -> Result<Heard, Refusal> {
        let packet = self.authentic(from, datagram)?;
        let sent = self.awaiting(at, rules)?;
        let heard = match kiss(&packet) {
            Some(kiss) => Heard::Kiss(kiss),
            None => Heard::Answer(Stamps { sent, heard: at, packet }.judge(rules)?),
        };
        self.state = State::Answered;
        Ok(heard)
    }

    /// The packet, if our server made it and made it for this question. Says nothing about its content.
    fn authentic(&self, from: SocketAddr, datagram: &[u8]) -> Result<Packet, Refusal> {
        if !same_end(from, self.to) {
            return Err(Refusal::WrongSender);
        }
        let packet = Packet::parse(datagram)?;
        is_an_answer(&packet)?;
        if packet.origin.is_zero() {
            return Err(Refusal::ZeroOrigin);
        }
        if packet.origin != self.origin {
            return Err(Refusal::BogusOrigin);
        }
        self.is_sealed(Trailer::parse(datagram, packet.version)?.seal)?;
        Ok(packet)
    }

    /// Is the answer sealed as the question was? The key is that of this server and no other: whoever holds another
    /// key of ours may not speak for it (CVE-2016-1567).
    fn is_sealed(&self, seal: Seal<'_>) -> Result<(), Refusal> {
        match (&self.key, seal) {
            (None, Seal::None) => Ok(()),
            (None, Seal::Mac(_)) => Err(Refusal::UnaskedMac),
            (Some(_), Seal::None) => Err(Refusal::MissingMac),
            (_, Seal::CryptoNak) => Err(Refusal::CryptoNak),
            (Some(key), Seal::Mac(mac)) if mac.key_id != key.id() => Err(Refusal::OtherKey),
            (Some(key), Seal::Mac(mac)) if mac.digest.len() != key.kind().digest_len() => {
                Err(Refusal::MacLength)
            }
            (Some(key), Seal::Mac(mac)) if !key.verify(mac.covered, mac.digest) => Err(Refusal::WrongMac),
            (Some(_), Seal::Mac(_)) => Ok(()),
        }
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

/// A question that tells nothing about who asks.
fn question(transmit: NtpTimestamp) -> Packet {
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
        origin: NtpTimestamp::ZERO,
        receive: NtpTimestamp::ZERO,
        transmit,
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

fn kiss(packet: &Packet) -> Option<Kiss> {
    let is_kiss = packet.stratum == 0 && packet.reference_id[0] != 0;
    is_kiss.then(|| Kiss { code: KissCode::of(packet.reference_id), poll: packet.poll })
}

/// An answer that is authentic and not judged yet.
struct Stamps {
    sent: Stamp,
    heard: Stamp,
    packet: Packet,
}

impl Stamps {
    fn judge(self, rules: &Rules) -> Result<Answer, Refusal> {
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

reasons! {
    /// Why a datagram is not used. Completes "cannot use this answer: ..".
    Refusal {
        /// Another address or port than the one that was asked.
        WrongSender "wrong_sender" "it came from another address or port than was asked"
        /// [`Malformed::Short`].
        Short "short" "it is shorter than the 48 bytes of a header"
        /// [`Malformed::Long`].
        Long "long" "it is longer than any answer"
        /// [`Malformed::MacLength`], or a digest that is as long as none of our key.
        MacLength "mac_length" "its message authentication code has a length that none has"
        /// [`Malformed::FieldShort`].
        FieldShort "field_short" "an extension field claims less than 16 bytes"
        /// [`Malformed::FieldUnaligned`].
        FieldUnaligned "field_unaligned" "an extension field claims a length that is no multiple of four"
        /// [`Malformed::FieldBeyondEnd`].
        FieldBeyondEnd "field_beyond_end" "an extension field claims more bytes than there are"
        /// [`Malformed::FieldsTooMany`].
        FieldsTooMany "fields_too_many" "it has more extension fields than are read"
        /// A version other than 1 to 4.
        Version "version" "it is of a version that is not spoken here"
        /// Mode 3: our own question, perhaps.
        Reflected "reflected" "it is a question, perhaps our own thrown back"
        /// Mode 1 or 2. We have no peers.
        Symmetric "symmetric" "it is from a peer, and we have none"
        /// Mode 5. We listen to nobody whom we did not ask.
        Broadcast "broadcast" "it is a broadcast, and none is listened to"
        /// Mode 0, 6 or 7.
        NotAnAnswer "not_an_answer" "its mode is not that of an answer"
        /// An origin timestamp of zero (CVE-2015-8138).
        ZeroOrigin "zero_origin" "it answers no question at all"
        /// Another origin timestamp than our random bits: forged, to an earlier question, or interleaved.
        BogusOrigin "bogus_origin" "it answers another question than ours"
        /// No MAC, though the question had one.
        MissingMac "missing_mac" "it is not sealed, though a key is configured"
        /// A MAC, though the question had none.
        UnaskedMac "unasked_mac" "it is sealed, though no key is configured"
        /// The server could not check the MAC of the question. Anybody on the path can say so.
        CryptoNak "crypto_nak" "the server says that it does not know our key"
        /// A MAC under another key id than that of this server's key.
        OtherKey "other_key" "it is sealed with a key that is not this server's"
        /// A MAC that the key did not make over these bytes.
        WrongMac "wrong_mac" "its seal is broken"
        /// It was heard before its question left.
        Unsent "unsent" "its question has not been sent yet"
        /// The question is answered already.
        Duplicate "duplicate" "its question is answered already"
        /// It came after the window.
        Late "late" "it came too late"
        /// Leap indicator 3.
        LeapUnknown "leap_unknown" "the server says that its clock was never set"
        /// Stratum 0 without a kiss code.
        StratumZero "stratum_zero" "the server does not say how far it is from a reference clock"
        /// Stratum 16 or more.
        StratumTooHigh "stratum_too_high" "the server is unsynchronised: its stratum is 16 or more"
        /// Root delay / 2 + root dispersion at the limit or beyond.
        RootTooFar "root_too_far" "the server is too far from its reference clock"
        /// Its reference id is that of our address (RFC 5905, section 7.3).
        Loop "loop" "the server has its time from us"
        /// We have asked our own server.
        Ourselves "ourselves" "it is from our own server"
        /// A receive timestamp of zero.
        ZeroReceive "zero_receive" "it does not say when our question came"
        /// A transmit timestamp of zero.
        ZeroTransmit "zero_transmit" "it does not say when it left"
        /// A time that has certainly passed.
        BeforeFloor "before_floor" "the server's time is in the past for certain"
        /// It left before its question came, by more than the server's clock is coarse.
        Backwards "backwards" "it left the server before our question came there"
        /// The server held the question for too long.
        HeldTooLong "held_too_long" "the server held our question for too long"
        /// The server held the question for longer than we waited.
        NegativeDelay "negative_delay" "the server held our question for longer than we waited"
        /// The delay is longer than anything can be learned from.
        TooSlow "too_slow" "it was under way for too long"
    }
}

impl Refusal {
    /// Does the refused answer show that the server can be reached and knows the time? It is authentic and whole,
    /// only there is nothing to be learned from it.
    pub fn proves_reach(self) -> bool {
        matches!(self, Self::TooSlow | Self::HeldTooLong | Self::Loop | Self::Ourselves)
    }

    /// Does the server have its time from us?
    pub fn is_loop(self) -> bool {
        matches!(self, Self::Loop | Self::Ourselves)
    }
}

impl From<Malformed> for Refusal {
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::Short => Self::Short,
            Malformed::Long => Self::Long,
            Malformed::MacLength => Self::MacLength,
            Malformed::FieldShort => Self::FieldShort,
            Malformed::FieldUnaligned => Self::FieldUnaligned,
            Malformed::FieldBeyondEnd => Self::FieldBeyondEnd,
            Malformed::FieldsTooMany => Self::FieldsTooMany,
        }
    }
}

#[cfg(test)]
mod tests;

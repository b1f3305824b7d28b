//! What is answered.
//!
//! The values here have our sign: an offset is right time minus local clock, a rate is that of true time. The protocol has
//! offsets of sources, and rates that remain, the other way round: there a positive one says that the local clock is ahead
//! of the source, or gains on it. Writing turns them; nobody else has to know. (Debian's chronyd 4.3 says so of servers
//! that are shifted, and fast, by a known amount; the text of its manual is the other way round for rates that remain.)

use alloc::vec::Vec;

use truechimer_time::unix::Timespec;
use truechimer_time::{Rate, Span, Time, Utc};

use super::request::{Refusal, Request};
use super::{Host, REPLY_HEADER_LEN, VERSION, float};
use crate::wire::ntp::Leap;

/// A reply has this type.
const TYPE: u8 = 2;

/// What stands for the age of something that never was.
const NEVER: u32 = u32::MAX;

/// The bytes of a name, of which the last is zero.
const NAME_LEN: usize = 256;

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reply<'a> {
    /// So many sources are in the list.
    SourceCount(u32),
    /// One of them.
    Source(Source),
    /// How the clock stands.
    Tracking(Tracking),
    /// What the samples of a source say.
    Statistics(Statistics),
    /// How many sources are asked.
    Activity(Activity),
    /// What a source is called in the configuration.
    SourceName(&'a str),
    /// What the server has done.
    Server(ServerCounts),
    /// How a source stands at the vote.
    Selection(Selection),
    /// How a source is protected.
    Protection(Protection),
    /// Nothing, and why.
    Refused(Refusal),
}

/// What a source is, in the words of chronyc's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// `*`: the one that the time is said to come from.
    Selected = 0,
    /// `?`: it says nothing that counts.
    Nonselectable = 1,
    /// `x`: it is outvoted.
    Falseticker = 2,
    /// `~`: nobody knows what to make of it.
    Jittery = 3,
    /// `+`: it is used as well.
    Combined = 4,
    /// `-`: it agrees and is not used.
    Excluded = 5,
}

impl State {
    /// The sign that stands for it, also in the reply to [`Query::Selection`](super::request::Query::Selection).
    pub fn sign(self) -> u8 {
        match self {
            Self::Selected => b'*',
            Self::Nonselectable => b'?',
            Self::Falseticker => b'x',
            Self::Jittery => b'~',
            Self::Combined => b'+',
            Self::Excluded => b'-',
        }
    }
}

/// What the operator says of a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// It has no vote.
    pub no_vote: bool,
    /// It is leaned on.
    pub prefer: bool,
    /// It is believed against any majority.
    pub trust: bool,
    /// Nothing is selected without it.
    pub require: bool,
}

impl Options {
    fn bits(self) -> u16 {
        let Self { no_vote, prefer, trust, require } = self;
        [no_vote, prefer, trust, require].into_iter().rev().fold(0, |bits, bit| bits << 1 | u16::from(bit))
    }
}

/// One of the sources.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Source {
    /// Where it is; of a reference clock the four bytes of its name, as if they were an address.
    pub host: Host,
    /// It is a reference clock.
    pub is_reference: bool,
    /// The logarithm of the seconds between two questions, to the base of 2.
    pub poll: i16,
    /// Its stratum.
    pub stratum: u8,
    /// What it is to the vote.
    pub state: State,
    /// What the operator says of it.
    pub options: Options,
    /// Which of the last eight questions it answered.
    pub reach: u8,
    /// Its last sample came so long ago.
    pub age: Option<Span>,
    /// Right time by that sample minus the local clock as it was then,
    pub measured: Span,
    /// and as it is now.
    pub adjusted: Span,
    /// How far it may be off.
    pub error: Span,
}

/// How the clock stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tracking {
    /// Where the time comes from: four bytes.
    pub reference_id: [u8; 4],
    /// The address of that.
    pub host: Host,
    /// Our stratum; 0 if the time is not known.
    pub stratum: u8,
    /// What we say about leap seconds; [`Leap::Unknown`] if the time is not known.
    pub leap: Leap,
    /// When the time was last reckoned anew.
    pub reference: Time<Utc>,
    /// Right time minus local clock.
    pub offset: Span,
    /// By so much the last reckoning moved forward what was thought to be the right time,
    pub last_offset: Span,
    /// and usually.
    pub rms_offset: Span,
    /// The rate of true time against a clock that is left alone.
    pub rate: Rate,
    /// What is missing of it by the source that the time is said to come from.
    pub residual: Rate,
    /// The rate is known to within this.
    pub skew: Rate,
    /// To the reference clock and back.
    pub root_delay: Span,
    /// How far the time may be off, half of that left out.
    pub root_dispersion: Span,
    /// So much time was between the last two reckonings.
    pub interval: Span,
}

/// What the samples of a source say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Statistics {
    /// What it is called: four bytes.
    pub reference_id: [u8; 4],
    /// Where it is; [`Host::Nobody`] for a reference clock.
    pub host: Host,
    /// How many samples are looked at.
    pub samples: u32,
    /// How often they cross what is likely, and one.
    pub runs: u32,
    /// From the first of them to the last.
    pub span: Span,
    /// How far they are usually from what is likely.
    pub deviation: Span,
    /// The rate of true time by this source minus the rate that we reckon with,
    pub residual: Rate,
    /// which is known to within this.
    pub skew: Rate,
    /// Right time by this source minus local clock,
    pub offset: Span,
    /// which is known to within this.
    pub offset_error: Span,
}

/// How many sources are asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// They are.
    pub online: u32,
    /// They are not, for now.
    pub offline: u32,
    /// They are asked in a burst.
    pub burst: u32,
    /// Nobody knows where they are.
    pub unresolved: u32,
}

/// What the server has done. What it does not count is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerCounts {
    /// Questions that came by NTP,
    pub ntp_hits: u64,
    /// for keys of NTS,
    pub key_hits: u64,
    /// and by this protocol.
    pub command_hits: u64,
    /// Questions by NTP that got no answer because they came too often,
    pub ntp_drops: u64,
    /// and for keys.
    pub key_drops: u64,
    /// Answers that were protected, by a symmetric key or by NTS.
    pub protected: u64,
    /// Answers in interleaved mode.
    pub interleaved: u64,
}

/// How a source stands at the vote.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Selection {
    /// What it is called: four bytes.
    pub reference_id: [u8; 4],
    /// Where it is; [`Host::Nobody`] for a reference clock.
    pub host: Host,
    /// What it is: the sign of a [`State`], or another letter of chrony's for why it does not count.
    pub sign: u8,
    /// It is believed only under a key, or by NTS.
    pub is_authenticated: bool,
    /// What it says about leap seconds.
    pub leap: Leap,
    /// What the operator says of it.
    pub options: Options,
    /// Its last sample came so long ago.
    pub age: Option<Span>,
    /// How much better it is than the selected one.
    pub score: f64,
    /// By its word right time minus local clock is not below this,
    pub lowest: Span,
    /// and not above this.
    pub highest: Span,
}

/// How a source is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Not at all.
    None,
    /// By a key that it shares with us.
    Key {
        /// The number of its kind, in chrony's count.
        kind: u16,
        /// The number by which both sides know it.
        id: u32,
        /// Its length in bits.
        bits: u16,
    },
    /// By NTS.
    Nts {
        /// The number of the cipher (RFC 5297, RFC 8452), if one was agreed on.
        aead: u16,
        /// The length of its key in bits.
        bits: u16,
        /// So many key exchanges in a row have led to nothing.
        attempts: u16,
        /// So many cookies there are.
        cookies: u16,
        /// So often one was refused.
        naks: u16,
    },
}

impl Reply<'_> {
    /// The bytes of the reply to a request: a refusal, if the request has not as many bytes itself.
    pub fn write(&self, request: &Request) -> Vec<u8> {
        let (layout, status, body) = match self {
            Self::Refused(why) => refusal(*why),
            told => match told.told(request.len - REPLY_HEADER_LEN) {
                Some((layout, body)) => (layout, 0, body),
                None => refusal(Refusal::BadLength),
            },
        };
        let mut bytes = Vec::with_capacity(REPLY_HEADER_LEN + body.len());
        bytes.extend([VERSION, TYPE, 0, 0]);
        for half in [request.command, layout, status, 0, 0, 0] {
            bytes.extend(half.to_be_bytes());
        }
        for word in [request.sequence, 0, 0] {
            bytes.extend(word.to_be_bytes());
        }
        bytes.extend(body);
        bytes
    }

    /// The number of the layout and what is told in it, if there is room for so many bytes.
    fn told(&self, room: usize) -> Option<(u16, Vec<u8>)> {
        let mut body = Body(Vec::new());
        let layout = match self {
            Self::SourceCount(count) => {
                body.words(&[*count]);
                2
            }
            Self::Source(source) => source.write(&mut body),
            Self::Tracking(tracking) => tracking.write(&mut body),
            Self::Statistics(statistics) => statistics.write(&mut body),
            Self::Activity(Activity { online, offline, burst, unresolved }) => {
                body.words(&[*online, *offline, *burst, 0, *unresolved]);
                12
            }
            Self::SourceName(name) => {
                body.name(name);
                19
            }
            Self::Server(counts) => counts.write(&mut body, room),
            Self::Selection(selection) => selection.write(&mut body),
            Self::Protection(protection) => protection.write(&mut body),
            Self::Refused(_) => 1,
        };
        (body.0.len() <= room).then_some((layout, body.0))
    }
}

fn refusal(why: Refusal) -> (u16, u16, Vec<u8>) {
    (1, why as u16, Vec::new())
}

impl Source {
    /// ```text
    ///  0 host  20 poll  22 stratum  24 state  26 kind: 0 server, 2 reference clock  28 options  30 reach
    /// 32 age  36 offset as measured  40 offset, adjusted  44 error
    /// ```
    fn write(&self, body: &mut Body) -> u16 {
        body.host(self.host);
        body.halves(&[self.poll as u16, self.stratum.into(), self.state as u16]);
        body.halves(&[if self.is_reference { 2 } else { 0 }, self.options.bits(), self.reach.into()]);
        body.age(self.age);
        body.spans(&[-self.measured, -self.adjusted, self.error]);
        3
    }
}

impl Tracking {
    /// ```text
    ///  0 reference id  4 host  24 stratum  26 leap  28 reference: seconds (high, low), nanoseconds
    /// 40 offset  44 last offset  48 usual offset  52 frequency  56 what is missing  60 skew, all three in ppm
    /// 64 root delay  68 root dispersion  72 interval
    /// ```
    fn write(&self, body: &mut Body) -> u16 {
        body.bytes(&self.reference_id);
        body.host(self.host);
        body.halves(&[self.stratum.into(), leap_number(self.leap)]);
        body.instant(self.reference);
        body.spans(&[self.offset, -self.last_offset, self.rms_offset]);
        body.rates(&[-self.rate, -self.residual, self.skew]);
        body.spans(&[self.root_delay, self.root_dispersion, self.interval]);
        5
    }
}

impl Statistics {
    /// ```text
    ///  0 reference id  4 host  24 samples  28 runs  32 span, seconds  36 deviation  40 what is missing  44 skew, in ppm
    /// 48 offset  52 its error
    /// ```
    fn write(&self, body: &mut Body) -> u16 {
        body.bytes(&self.reference_id);
        body.host(self.host);
        body.words(&[self.samples, self.runs, whole_seconds(self.span)]);
        body.spans(&[self.deviation]);
        body.rates(&[-self.residual, self.skew]);
        body.spans(&[-self.offset, self.offset_error]);
        6
    }
}

impl ServerCounts {
    /// The layout changed with chrony 4.4, from 11 counts of 32 bits to 21 of 64: a client leaves room for the one that it
    /// knows.
    ///
    /// ```text
    /// NTP, keys, commands: hits   NTP, keys, commands: drops   lost   protected   interleaved   then what is not counted
    /// ```
    fn write(&self, body: &mut Body, room: usize) -> u16 {
        const WIDE: usize = 21;
        const NARROW: usize = 11;
        let Self { ntp_hits, key_hits, command_hits, ntp_drops, key_drops, protected, interleaved } = *self;
        let counts = [ntp_hits, key_hits, command_hits, ntp_drops, key_drops, 0, 0, protected, interleaved];
        if WIDE * 8 <= room {
            counts.into_iter().for_each(|count| body.bytes(&count.to_be_bytes()));
            body.0.resize(WIDE * 8, 0);
            return 25;
        }
        // Beyond 32 bits it begins anew, as every counter of that width does.
        counts.into_iter().for_each(|count| body.words(&[count as u32]));
        body.0.resize(NARROW * 4, 0);
        24
    }
}

impl Selection {
    /// ```text
    ///  0 reference id  4 host  24 sign  25 authenticated  26 leap  28 options as configured, and as they are
    /// 32 age  36 score  40 least offset  44 greatest
    /// ```
    fn write(&self, body: &mut Body) -> u16 {
        body.bytes(&self.reference_id);
        body.host(self.host);
        body.bytes(&[self.sign, self.is_authenticated.into(), leap_number(self.leap) as u8, 0]);
        body.halves(&[self.options.bits(), self.options.bits()]);
        body.age(self.age);
        body.bytes(&float::write(self.score));
        body.spans(&[-self.highest, -self.lowest]);
        23
    }
}

impl Protection {
    /// ```text
    ///  0 mode: 0 none, 1 key, 2 NTS   2 kind of key   4 its id   8 bits   10 tries of key exchange   12 age of the last
    /// 16 cookies   18 their length   20 how often one was refused
    /// ```
    fn write(&self, body: &mut Body) -> u16 {
        let (mode, kind, id, bits) = match *self {
            Self::None => (0, 0, 0, 0),
            Self::Key { kind, id, bits } => (1, kind, id, bits),
            Self::Nts { aead, bits, .. } => (2, aead, 0, bits),
        };
        let (attempts, cookies, naks) = match *self {
            Self::None | Self::Key { .. } => (0, 0, 0),
            Self::Nts { attempts, cookies, naks, .. } => (attempts, cookies, naks),
        };
        body.halves(&[mode, kind]);
        body.words(&[id]);
        body.halves(&[bits, attempts]);
        body.age(None);
        body.halves(&[cookies, 0, naks, 0]);
        20
    }
}

/// Bytes that grow.
struct Body(Vec<u8>);

impl Body {
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn halves(&mut self, halves: &[u16]) {
        halves.iter().for_each(|half| self.bytes(&half.to_be_bytes()));
    }

    fn words(&mut self, words: &[u32]) {
        words.iter().for_each(|word| self.bytes(&word.to_be_bytes()));
    }

    fn host(&mut self, host: Host) {
        self.bytes(&host.write());
    }

    fn spans(&mut self, spans: &[Span]) {
        spans.iter().for_each(|span| self.bytes(&float::write(span.as_seconds())));
    }

    fn rates(&mut self, rates: &[Rate]) {
        rates.iter().for_each(|rate| self.bytes(&float::write(rate.as_ppm())));
    }

    fn age(&mut self, age: Option<Span>) {
        self.words(&[age.map_or(NEVER, whole_seconds)]);
    }

    /// Seconds in two halves, and nanoseconds.
    fn instant(&mut self, at: Time<Utc>) {
        let at = Timespec::of(at);
        self.bytes(&at.seconds().to_be_bytes());
        self.words(&[at.nanos()]);
    }

    /// As much of a name as there is room for, and zeros.
    fn name(&mut self, name: &str) {
        let mut end = name.len().min(NAME_LEN - 1);
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        self.bytes(&name.as_bytes()[..end]);
        self.0.resize(NAME_LEN, 0);
    }
}

/// Whole seconds, within what fits before [`NEVER`].
fn whole_seconds(span: Span) -> u32 {
    (span.as_seconds().max(0.0) as u32).min(NEVER - 1)
}

fn leap_number(leap: Leap) -> u16 {
    match leap {
        Leap::None => 0,
        Leap::Insert => 1,
        Leap::Delete => 2,
        Leap::Unknown => 3,
    }
}

//! A simulated time server, honest or not. It answers with the very function that our own server answers with.

use std::net::SocketAddr;
use std::sync::Arc;

use truechimer_core::node::Dates;
use truechimer_core::server::interleaved::{Departures, speaks_of_one};
use truechimer_core::server::ntp::{Served, answer};
use truechimer_core::source::nts::{Agreement, NoKeys};
use truechimer_core::wire::HEADER_LEN;
use truechimer_core::wire::mac::Key;
use truechimer_core::wire::ntp::{Leap, Packet};
use truechimer_time::leap::LeapTable;
use truechimer_time::ntp::NtpTimestamp;
use truechimer_time::{LeapKind, NtpPrecision, Rate, Span, Tai, Time, Utc};

use crate::network::PathSpec;
use crate::reference::ReferenceSpec;

pub mod protecting;
pub mod sealing;

pub use self::protecting::{Forgery, NtsSpec, Trouble, Validity};
pub use self::sealing::Sealing;

use self::protecting::Protector;

/// What a server is like.
#[derive(Clone, Debug)]
pub struct ServerSpec {
    /// Who runs it; servers of the same number have one vote.
    pub operator: u8,
    /// What the operator of the simulated machine thinks of it.
    pub wish: Wish,
    /// The way to it.
    pub path: PathSpec,
    /// So far its clock is from the truth, constantly..
    pub error: Span,
    /// ..and growing at this rate from the start.
    pub ramp: Rate,
    /// So far it *says* that it may be from the truth, as its root dispersion. Less than its error: a liar.
    pub dispersion: Span,
    /// The stratum that it claims.
    pub stratum: u8,
    /// What else is wrong with it.
    pub quirk: Quirk,
    /// The machine asks it with this key, and believes nothing that is not sealed with it.
    pub key: Option<Arc<Key>>,
    /// How its answers are sealed.
    pub sealing: Sealing,
    /// Its answers leave later than they say, by this at most and half of it at least.
    pub late: Span,
    /// It keeps when they have left, and tells in interleaved mode.
    pub keeps_departures: bool,
    /// It speaks NTS, and the machine asks it by that alone.
    pub nts: Option<NtsSpec>,
    /// It is no server, but a reference clock of the machine itself.
    pub reference: Option<ReferenceSpec>,
}

/// What the operator of the simulated machine thinks of a server: see
/// [`SourcePolicy`](truechimer_core::policy::SourcePolicy).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Lean on it.
    pub prefer: bool,
    /// Believe it against any majority.
    pub trust: bool,
    /// Select nothing without it.
    pub require: bool,
    /// Ask it when its answers have really left.
    pub interleaved: bool,
}

/// What can be wrong with a server beside its clock. Times count from the start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Quirk {
    /// Nothing.
    #[default]
    None,
    /// Its clock jumps, once.
    Jumps {
        /// When.
        after: Span,
        /// Forward, if positive.
        by: Span,
    },
    /// Two clocks answer in turn, as behind a balancer: one by `ServerSpec::error` off, the other right.
    TwoFaced,
    /// It says that its clock was never set (leap indicator 3).
    NeverSet,
    /// It answers with this kiss code.
    Kisses([u8; 4]),
    /// It answers with bytes that mean nothing.
    Babbles,
    /// It answers nothing for a while.
    Silent {
        /// From when on..
        from: Span,
        /// ..until when.
        until: Span,
    },
    /// Each of its answers comes twice.
    Stutters,
    /// It announces a leap second for the end of every day.
    CriesLeap,
    /// It knows of no leap second since 2015, and is one second ahead from the next on.
    Leapless,
}

impl Default for ServerSpec {
    /// A stratum 1 on a quiet LAN, right to the microsecond.
    fn default() -> Self {
        Self {
            operator: 0,
            wish: Wish::default(),
            path: PathSpec::default(),
            error: Span::ZERO,
            ramp: Rate::ZERO,
            dispersion: Span::from_micros(1),
            stratum: 1,
            quirk: Quirk::None,
            key: None,
            sealing: Sealing::Bare,
            late: Span::ZERO,
            keeps_departures: false,
            nts: None,
            reference: None,
        }
    }
}

/// How long a server takes to answer.
const RESIDENCE: Span = Span::from_micros(30);

/// A server.
#[derive(Debug)]
pub struct Server {
    spec: ServerSpec,
    protector: Option<Protector>,
    departures: Departures,
    start: Time<Tai>,
    leaps: LeapTable,
    asked: u64,
}

impl Server {
    /// A server whose ramp starts at `start`; what it draws by chance comes from the seed.
    pub fn new(spec: ServerSpec, start: Time<Tai>, seed: u64) -> Self {
        let leaps = LeapTable::COMPILED;
        let protector = spec.nts.map(|nts| Protector::new(nts, leaps.utc_of_tai(start).time, seed));
        Self { spec, protector, departures: Departures::default(), start, leaps, asked: 0 }
    }

    /// A key exchange at `now`, for which its certificate has to be valid then, after which it is asked at this address.
    pub fn agree(&mut self, now: Time<Tai>, dates: Dates, address: SocketAddr) -> Result<Agreement, NoKeys> {
        let (passed, utc) = (now - self.start, self.leaps.utc_of_tai(now).time);
        self.protector
            .as_mut()
            .map_or(Err(NoKeys::NotReached), |protector| protector.agree((passed, utc), dates, address))
    }

    /// What comes back for a question that arrives at `now`, and when it leaves.
    pub fn answers(&mut self, question: &[u8], now: Time<Tai>) -> (Vec<Vec<u8>>, Time<Tai>) {
        self.asked += 1;
        let says = now + RESIDENCE;
        let leaves = says + self.lateness();
        let served = Served {
            synchronised: self.spec.quirk != Quirk::NeverSet,
            leap: self.leap(now),
            stratum: self.spec.stratum,
            precision: NtpPrecision { log2_seconds: -20 },
            reference_id: *b"SIM\0",
            reference: self.clock(now),
            root_delay: Span::ZERO,
            root_dispersion: self.spec.dispersion,
        };
        let reply = answer(question, self.clock(now), self.clock(says), &served).ok();
        let reply = reply.map(|reply| self.with_departure(question, reply, leaves));
        let reply = reply.and_then(|reply| self.garbled(reply.to_vec(), now));
        let replies = match (&mut self.protector, reply) {
            (_, None) => Vec::new(),
            (None, Some(reply)) => self.spec.sealing.seal(question, reply).into_iter().collect(),
            (Some(protector), Some(reply)) => {
                protector.answers(now - self.start, self.leaps.utc_of_tai(now).time, question, &reply)
            }
        };
        (replies, leaves)
    }

    /// How much later than it says the answer leaves: half of the most, and any part of the other half, as if by chance.
    fn lateness(&self) -> Span {
        let drawn = self.asked.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44;
        let half = self.spec.late.half();
        half + Span::from_attos(half.as_attos() / (1 << 20) * i128::from(drawn))
    }

    /// The answer, with the departure of the one before it in the place of its own, if that is what is asked for.
    fn with_departure(
        &mut self,
        question: &[u8],
        reply: [u8; HEADER_LEN],
        leaves: Time<Tai>,
    ) -> [u8; HEADER_LEN] {
        let (Ok(question), Ok(packet)) = (Packet::parse(question), Packet::parse(&reply)) else {
            return reply;
        };
        if !self.spec.keeps_departures || !speaks_of_one(&question) {
            return reply;
        }
        let before = self.departures.spoken_of(&question);
        self.departures.remember(packet.receive, NtpTimestamp::of(self.clock(leaves)));
        match before {
            Some(transmit) => Packet { origin: question.receive, transmit, ..packet }.write(),
            None => reply,
        }
    }

    /// How often each of its answers is sent.
    pub fn copies(&self) -> usize {
        if self.spec.quirk == Quirk::Stutters { 2 } else { 1 }
    }

    /// What becomes of a proper answer.
    fn garbled(&self, mut reply: Vec<u8>, now: Time<Tai>) -> Option<Vec<u8>> {
        match self.spec.quirk {
            Quirk::Kisses(code) => {
                reply[1] = 0;
                reply[12..16].copy_from_slice(&code);
            }
            Quirk::Babbles => {
                let salt = self.asked.to_le_bytes();
                reply.iter_mut().enumerate().skip(1).for_each(|(i, byte)| *byte ^= salt[i % 3] ^ i as u8);
            }
            Quirk::Silent { from, until } if from <= now - self.start && now - self.start < until => {
                return None;
            }
            Quirk::None
            | Quirk::Jumps { .. }
            | Quirk::TwoFaced
            | Quirk::NeverSet
            | Quirk::Silent { .. }
            | Quirk::Stutters
            | Quirk::CriesLeap
            | Quirk::Leapless => {}
        }
        Some(reply)
    }

    /// What it says about a leap second at the end of the day.
    fn leap(&self, now: Time<Tai>) -> Leap {
        let is_today = |leap: truechimer_time::Leap| leap.ends() - now <= Span::from_secs(86_400);
        match (self.spec.quirk, self.leaps.next_leap_after(now).filter(|leap| is_today(*leap))) {
            (Quirk::CriesLeap, _) => Leap::Insert,
            (Quirk::Leapless, _) | (_, None) => Leap::None,
            (_, Some(leap)) if leap.kind() == LeapKind::Deleted => Leap::Delete,
            (_, Some(_)) => Leap::Insert,
        }
    }

    fn leaps_since_2015(&self, now: Time<Tai>) -> i64 {
        i64::from(self.leaps.utc_of_tai(now).offset - 36)
    }

    fn clock(&self, now: Time<Tai>) -> Time<Utc> {
        self.leaps.utc_of_tai(self.shown(now)).time
    }

    /// What its clock shows.
    pub fn shown(&self, now: Time<Tai>) -> Time<Tai> {
        let constant = match self.spec.quirk {
            Quirk::Jumps { after, by } if after <= now - self.start => self.spec.error + by,
            Quirk::TwoFaced if self.asked.is_multiple_of(2) => Span::ZERO,
            Quirk::Leapless => self.spec.error + Span::from_secs(self.leaps_since_2015(now)),
            Quirk::None
            | Quirk::Jumps { .. }
            | Quirk::TwoFaced
            | Quirk::NeverSet
            | Quirk::Kisses(_)
            | Quirk::Babbles
            | Quirk::Silent { .. }
            | Quirk::Stutters
            | Quirk::CriesLeap => self.spec.error,
        };
        let wrong = constant + self.spec.ramp.over(now - self.start);
        now + wrong
    }
}

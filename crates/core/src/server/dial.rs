//! What clients are told of the time, for the next few seconds: a straight line from the raw counter to the timestamps of
//! the wire, and the header that all answers share.
//!
//! A dial is made from the model about once a minute, and whenever that changes, and read for every packet, by as many threads as there are. It reads
//! no model and divides nothing.
//!
//! **Invariant:** it knows by itself when it is too old or too vague. Whoever made it may be stuck; then it says that it does
//! not know the time.

use truechimer_time::ntp::NtpTimestamp;
use truechimer_time::{LeapTable, Rate, Raw, Span, Tai, Time, Utc};

use super::ntp::Served;
use super::smear::{Smear, Stretch};
use crate::discipline::model::Model;
use crate::wire::HEADER_LEN;
use crate::wire::ntp::Leap;

/// A dial that was not made anew for so long is no longer believed.
pub const LIFE: Span = Span::from_secs(150);

/// Over so long is the growth of the bound measured.
const STRETCH: Span = Span::from_secs(64);

/// Beyond this the line is not followed: its counter has jumped.
const REACH: Span = Span::from_secs(100_000);

/// So many bits of a slope are a fraction: over all its reach a line is followed to less than a step of the wire.
const FRACTION: u32 = 72;

/// The wire's steps of 2⁻³² s per attosecond, as a slope: 2¹⁰⁴ / 10¹⁸.
const STEPS_PER_ATTO: i128 = (1 << (32 + FRACTION)) / ATTOS_PER_SECOND;
const ATTOS_PER_SECOND: i128 = 1_000_000_000_000_000_000;

/// One second in the wire's steps.
const SECOND_STEPS: u64 = 1 << 32;

/// The first byte of the reference id of a server that smears; the other three are by how much. ntpd began with that, and
/// no host has an address there (RFC 1112, section 4: class E).
const SMEARS: u32 = 0xfe00_0000;

/// The time as it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dial {
    /// Where the lines begin.
    at: Time<Raw>,
    /// TAI there, if it is known,
    tai: Option<Time<Tai>>,
    /// and how much the counter gains on it.
    rate: Rate,
    /// The table of leap seconds that leads from UTC to TAI may lack one.
    has_expired: bool,
    /// UTC on the wire.
    utc: Line,
    /// What is told in its place where leap seconds are smeared.
    smeared: Option<Line>,
    served: Served,
    /// The furthest that the time can be off where the line begins,
    bound: Span,
    /// and by how much more after each second.
    growth: Rate,
    /// Beyond this bound it is not told.
    limit: Span,
}

/// Timestamps of the wire as a function of the counter: a straight piece, and where it is not the last, another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    first: Piece,
    then: Option<Piece>,
}

/// A straight piece of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    at: Time<Raw>,
    /// What the wire says there.
    bits: u64,
    /// The wire's steps per attosecond of the counter, with [`FRACTION`] bits of fraction.
    slope: i128,
}

impl Dial {
    /// The time by a model, from a reading of the counter on. `served` is what is said of it then, and with a bound beyond
    /// `limit` it is not said.
    pub fn of_model(model: &Model, leaps: &LeapTable, at: Time<Raw>, served: Served, limit: Span) -> Self {
        let (now, later) = (model.read(at), model.read(at + STRETCH));
        let has_expired = leaps.has_expired(now.best);
        let growth = Rate::from_ratio((later.bound() - now.bound()).as_seconds() / STRETCH.as_seconds());
        let plain = Self::through(at, leaps.utc_of_tai(now.best).time, model.rate, served);
        let dial = Self {
            tai: Some(now.best),
            has_expired,
            bound: now.bound(),
            growth: growth.max(Rate::ZERO),
            limit,
            ..plain
        };
        Self { utc: Line { then: dial.turn(leaps, now.best), ..dial.utc }, ..dial }
    }

    /// A clock that is on this UTC at a reading of the counter and gains so much on it, of which nothing else is known than
    /// what is `served`.
    pub fn through(at: Time<Raw>, utc: Time<Utc>, rate: Rate, served: Served) -> Self {
        let gained = i128::from(rate.as_attos_per_second());
        let slope = STEPS_PER_ATTO + STEPS_PER_ATTO * gained / ATTOS_PER_SECOND;
        let first = Piece { at, bits: NtpTimestamp::of(utc).to_bits(), slope };
        Self {
            at,
            tai: None,
            has_expired: false,
            rate,
            utc: Line { first, then: None },
            smeared: None,
            served,
            bound: Span::ZERO,
            growth: Rate::ZERO,
            limit: Span::MAX,
        }
    }

    /// A clock that is on this UTC at a reading of the counter and is not said to be right.
    pub fn unsynchronised(at: Time<Raw>, utc: Time<Utc>) -> Self {
        Self::through(at, utc, Rate::ZERO, Served::unsynchronised())
    }

    /// The same with leap seconds smeared: none is announced, and while one is being smeared the reference id says by how much
    /// what is told differs from UTC. [`Self::tai`] is not smeared.
    pub fn smeared(self, smear: Smear, leaps: &LeapTable) -> Self {
        let Some(tai) = self.tai else { return self };
        let line = self.smeared_line(smear.stretch(leaps, tai), tai);
        let away = line.read(self.at).wrapping_sub(self.utc.read(self.at)).cast_signed();
        let away = Span::from_attos((i128::from(away) * ATTOS_PER_SECOND) >> 32);
        let leap = match self.served.leap {
            Leap::None | Leap::Insert | Leap::Delete => Leap::None,
            Leap::Unknown => Leap::Unknown,
        };
        let served = Served { leap, reference: self.served.reference + away, ..self.served };
        Self { smeared: Some(line), served, ..self }
    }

    /// What time it is at a reading of the counter, never the zero that says "unknown": the next step, 233 ps later, stands
    /// for the first moment of an era.
    pub fn read(&self, raw: Time<Raw>) -> NtpTimestamp {
        let bits = self.smeared.as_ref().unwrap_or(&self.utc).read(raw);
        NtpTimestamp::from_bits(bits.max(1))
    }

    /// TAI at a reading of the counter, while it is told as the time, and as long as the table of leap seconds has not
    /// expired: from then on it may be a whole second off, of which clients that are told UTC need not care.
    pub fn tai(&self, raw: Time<Raw>) -> Option<Time<Tai>> {
        let passed = raw - self.at;
        self.tai
            .filter(|_| !self.has_expired && self.is_synchronised(raw))
            .map(|tai| tai + passed + self.rate.over(passed))
    }

    /// The header that all answers share at a reading of the counter.
    pub fn header(&self, raw: Time<Raw>) -> [u8; HEADER_LEN] {
        let passed = raw - self.at;
        let wider = self.growth.over(passed.max(Span::ZERO));
        let is_usable = passed.abs() <= LIFE && self.bound + wider <= self.limit;
        let served = Served {
            synchronised: self.served.synchronised && is_usable,
            root_dispersion: self.served.root_dispersion + wider,
            reference_id: self.smear_id(raw).unwrap_or(self.served.reference_id),
            ..self.served
        };
        served.header()
    }

    /// Is it told as the time at this reading of the counter?
    pub fn is_synchronised(&self, raw: Time<Raw>) -> bool {
        let passed = raw - self.at;
        let bound = self.bound + self.growth.over(passed.max(Span::ZERO));
        self.served.is_usable() && passed.abs() <= LIFE && bound <= self.limit
    }

    /// The reference id while a leap second is being smeared: 254, then what is told minus UTC, in two's complement with
    /// 22 bits of fraction.
    fn smear_id(&self, raw: Time<Raw>) -> Option<[u8; 4]> {
        let told = self.smeared.as_ref()?.read(raw);
        let away = told.wrapping_sub(self.utc.read(raw)).cast_signed();
        // From 32 bits of fraction to 22, rounded.
        let away = (away + (1 << 9)) >> 10;
        (away != 0).then(|| (SMEARS | (away as u32 & 0x00ff_ffff)).to_be_bytes())
    }

    /// From the end of the next leap second on UTC is counted from another number, if the line comes to it while it is of use.
    fn turn(&self, leaps: &LeapTable, tai: Time<Tai>) -> Option<Piece> {
        let leap = leaps.next_leap_after(tai).filter(|leap| leap.ends() - tai <= LIFE)?;
        let at = self.raw_after(leap.ends() - tai);
        let steps =
            i64::from(leap.offset_before() - leap.offset()).cast_unsigned().wrapping_mul(SECOND_STEPS);
        Some(Piece { at, bits: self.utc.first.read(at).wrapping_add(steps), ..self.utc.first })
    }

    /// What is told in the place of UTC, which is at `tai` now.
    fn smeared_line(&self, stretch: Option<Stretch>, tai: Time<Tai>) -> Line {
        let plain = self.utc.first;
        let Some(stretch) = stretch else { return Line { first: plain, then: None } };
        let bent = plain.slope * i128::from(stretch.counts()) / i128::from(stretch.lasts());
        let (first, change, slope) = match tai < stretch.begins() {
            true => (plain, stretch.begins(), bent),
            false => {
                let bits = NtpTimestamp::of(stretch.utc(tai)).to_bits();
                (Piece { bits, slope: bent, ..plain }, stretch.ends(), plain.slope)
            }
        };
        let at = self.raw_after(change - tai);
        let then = Piece { at, bits: first.read(at), slope };
        Line { first, then: Some(then).filter(|_| change - tai <= LIFE) }
    }

    /// What the counter shows when so much of TAI has passed: more of its own seconds, if it loses on it.
    fn raw_after(&self, ahead: Span) -> Time<Raw> {
        self.at + ahead - self.rate.over(ahead - self.rate.over(ahead))
    }
}

impl Line {
    fn read(&self, raw: Time<Raw>) -> u64 {
        self.then.as_ref().filter(|then| then.at <= raw).unwrap_or(&self.first).read(raw)
    }
}

impl Piece {
    fn read(&self, raw: Time<Raw>) -> u64 {
        let passed = (raw - self.at).max(-REACH).min(REACH).as_attos();
        // Below 2⁷⁷ attoseconds times a slope below 2⁴⁸: nothing is ever wrapped, and a check of 128 bits would cost more than
        // the product.
        self.bits.wrapping_add((passed.wrapping_mul(self.slope) >> FRACTION) as u64)
    }
}

#[cfg(test)]
mod tests;

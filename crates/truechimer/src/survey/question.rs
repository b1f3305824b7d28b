//! One question in each protocol, and what may be taken for its answer. Bytes and stamps in, bytes and meaning out.

use std::net::SocketAddr;

use rand_core::CryptoRng;
use truechimer_core::measure::exchange::{Answer, Exchange, Heard, KissCode, Refusal, Rules, Seal, Topic};
use truechimer_core::moment::Stamp;
use truechimer_core::source::nts::{Outcome, Ticket};
use truechimer_core::wire::aead::SessionKeys;
use truechimer_core::wire::daytime::{self, Shown, Zone};
use truechimer_core::wire::{icmp, taiclock, time37};
use truechimer_time::{Span, Time, Utc};

use super::http;
use super::protocol::Protocol;
use super::told::{Claim, Doubt, Told};
use super::trouble::{Kind, Trouble};
use crate::measuring::LEAPS;

/// The whole second that a coarse protocol tells.
const SECOND: Span = Span::from_secs(1);

/// Zones are whole quarters of an hour.
const QUARTER: Span = Span::from_secs(900);

/// clockspeed's server reads its clock to the microsecond.
const TAICLOCK_STEP: Span = Span::from_micros(1);

/// A question that has left, or is about to.
#[derive(Debug)]
pub enum Question {
    /// By NTP, protected or not.
    Ntp(Box<Exchange>),
    /// By TAICLOCK.
    Taiclock(taiclock::Question),
    /// By ICMP.
    Icmp(icmp::Question),
    /// By TIME.
    Time,
    /// By daytime.
    Daytime,
    /// By HTTP, to a host of this name.
    Http(String),
}

/// What is known beside the bytes of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// Who sent them.
    pub from: SocketAddr,
    /// When the question left.
    pub sent: Stamp,
    /// When they came.
    pub heard: Stamp,
    /// How wrong these two can be.
    pub blur: Span,
    /// What our own clock showed about then: it says which era, day and zone are meant.
    pub ours: Time<Utc>,
    /// There is no more to come.
    pub is_end: bool,
    /// How long an answer is waited for.
    pub patience: Span,
}

/// What bytes were.
#[derive(Debug)]
pub enum Reply {
    /// The answer. The connection cannot be used again, if that is said.
    Told(Told, bool),
    /// Not all of it yet, or nothing of ours.
    Nothing,
}

impl Question {
    /// The next question to a host by a protocol.
    pub fn new(
        rng: &mut impl CryptoRng,
        protocol: Protocol,
        to: SocketAddr,
        host: &str,
        ticket: Option<Ticket>,
    ) -> Self {
        match protocol {
            Protocol::Ntp | Protocol::Nts => {
                let seal = ticket.map_or(Seal::None, Seal::Nts);
                Self::Ntp(Box::new(Exchange::start_speaking(rng, to, seal, Topic::None)))
            }
            Protocol::Taiclock => {
                let mut cookie = [0; taiclock::COOKIE_LEN];
                rng.fill_bytes(&mut cookie);
                Self::Taiclock(taiclock::Question::new(cookie))
            }
            Protocol::Icmp => {
                let mut cookie = [0; icmp::COOKIE_LEN];
                rng.fill_bytes(&mut cookie);
                Self::Icmp(icmp::Question::new(cookie))
            }
            Protocol::Time | Protocol::TimeTcp => Self::Time,
            Protocol::Daytime | Protocol::DaytimeTcp => Self::Daytime,
            Protocol::Http | Protocol::Https => Self::Http(host.to_owned()),
        }
    }

    /// What to say.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Ntp(exchange) => exchange.datagram().to_vec(),
            Self::Taiclock(question) => question.bytes().to_vec(),
            Self::Icmp(question) => question.bytes().to_vec(),
            Self::Time | Self::Daytime => Vec::new(),
            Self::Http(host) => http::question(host),
        }
    }

    /// What became of the protection of NTS, if there was one.
    pub fn outcome(&mut self) -> Option<(std::sync::Arc<SessionKeys>, Outcome)> {
        match self {
            Self::Ntp(exchange) => exchange.outcome(),
            Self::Taiclock(_) | Self::Icmp(_) | Self::Time | Self::Daytime | Self::Http(_) => None,
        }
    }

    /// Takes bytes for the answer, if they are.
    ///
    /// # Errors
    /// Why they show that there is nothing to be learned. What is not ours is passed over, and the answer may still come.
    pub fn hear(&mut self, bytes: &[u8], at: &Circumstances) -> Result<Reply, Trouble> {
        match self {
            Self::Ntp(exchange) => ntp(exchange, bytes, at),
            Self::Taiclock(question) => Ok(taiclock(question, bytes, at)),
            Self::Icmp(question) => icmp(question, bytes, at),
            Self::Time => Ok(time(bytes, at)),
            Self::Daytime => daytime(bytes, at),
            Self::Http(_) => http_date(bytes, at),
        }
    }
}

impl Circumstances {
    /// The answer of a clock that had shown the first of these when it left, and had yet to show the second when we asked.
    fn told(&self, after: Time<Utc>, before: Time<Utc>) -> Told {
        Told {
            sent: self.sent.at,
            heard: self.heard.at,
            blur: self.blur,
            after,
            before,
            delay: (self.heard.at - self.sent.at).max(Span::ZERO),
            claim: None,
            doubts: Vec::new(),
            is_last: false,
        }
    }
}

/// Anything goes but what cannot be used: a survey wants to see clocks that are decades off.
fn rules(at: &Circumstances) -> Rules {
    Rules {
        window: at.patience,
        delay_max: at.patience,
        distance_max: Span::from_secs(1 << 16),
        ..Rules::usual(at.ours, Time::EPOCH)
    }
}

fn ntp(exchange: &mut Exchange, bytes: &[u8], at: &Circumstances) -> Result<Reply, Trouble> {
    exchange.sent(at.sent);
    match exchange.hear(at.from, at.heard, bytes, &rules(at)) {
        Ok(Heard::Answer(answer) | Heard::Departure(answer)) => Ok(Reply::Told(ntp_told(&answer, at), false)),
        // It is heard, but whoever sees the question can say so: the answer may still come.
        Ok(Heard::Kiss(kiss)) if kiss.code == KissCode::NtsNak => Ok(Reply::Nothing),
        Ok(Heard::Kiss(kiss)) => Err(Trouble::new(
            Kind::Kissed,
            format_args!("it sends the kiss code {} instead of the time", kiss.code),
        )),
        Err(refusal) => refused(refusal),
    }
}

/// Which refusals say something about the server: those for which our question had to be known.
fn refused(refusal: Refusal) -> Result<Reply, Trouble> {
    let kind = match refusal {
        Refusal::LeapUnknown | Refusal::StratumZero | Refusal::StratumTooHigh | Refusal::RootTooFar => {
            Kind::Unsynchronised
        }
        Refusal::ZeroReceive
        | Refusal::ZeroTransmit
        | Refusal::BeforeFloor
        | Refusal::Backwards
        | Refusal::HeldTooLong
        | Refusal::NegativeDelay
        | Refusal::TooSlow => Kind::Unusable,
        Refusal::WrongSender
        | Refusal::Short
        | Refusal::Long
        | Refusal::MacLength
        | Refusal::FieldShort
        | Refusal::FieldUnaligned
        | Refusal::FieldBeyondEnd
        | Refusal::FieldsTooMany
        | Refusal::Version
        | Refusal::Reflected
        | Refusal::Symmetric
        | Refusal::Broadcast
        | Refusal::NotAnAnswer
        | Refusal::ZeroOrigin
        | Refusal::BogusOrigin
        | Refusal::MissingMac
        | Refusal::UnaskedMac
        | Refusal::CryptoNak
        | Refusal::OtherKey
        | Refusal::WrongMac
        | Refusal::Unprotected
        | Refusal::OtherUniqueId
        | Refusal::NtsMalformed
        | Refusal::NtsForged
        | Refusal::Unsent
        | Refusal::Duplicate
        | Refusal::Late
        | Refusal::Loop
        | Refusal::Ourselves => return Ok(Reply::Nothing),
    };
    Err(Trouble::new(kind, refusal))
}

fn ntp_told(answer: &Answer, at: &Circumstances) -> Told {
    let fine = answer.precision.span();
    Told {
        sent: answer.sent.at,
        heard: answer.heard.at,
        delay: answer.delay,
        claim: Some(Claim::of(answer)),
        ..at.told(answer.transmitted - fine, answer.received + fine)
    }
}

fn taiclock(question: &taiclock::Question, bytes: &[u8], at: &Circumstances) -> Reply {
    let Ok(label) = question.read(bytes) else { return Reply::Nothing };
    let shown = LEAPS.utc_of_tai(label).time;
    Reply::Told(at.told(shown, shown + TAICLOCK_STEP), false)
}

fn icmp(question: &icmp::Question, bytes: &[u8], at: &Circumstances) -> Result<Reply, Trouble> {
    let said = match question.read(bytes) {
        Ok(said) => said,
        Err(unusable @ icmp::Unusable::NotOfMidnight) => return Err(Trouble::new(Kind::Unusable, unusable)),
        Err(
            icmp::Unusable::Length
            | icmp::Unusable::NotAnAnswer
            | icmp::Unusable::OtherCookie
            | icmp::Unusable::Checksum,
        ) => return Ok(Reply::Nothing),
    };
    let (received, left) = (icmp::nearest(said.received, at.ours), icmp::nearest(said.transmitted, at.ours));
    let told = at.told(left, received + Span::from_millis(1));
    Ok(Reply::Told(Told { doubts: vec![Doubt::Day], ..told }, false))
}

fn time(bytes: &[u8], at: &Circumstances) -> Reply {
    match time37::Value::read(bytes) {
        Some(value) => {
            let (begins, ends) = value.within(at.ours);
            Reply::Told(at.told(begins, ends), true)
        }
        None => Reply::Nothing,
    }
}

fn daytime(bytes: &[u8], at: &Circumstances) -> Result<Reply, Trouble> {
    let is_whole = at.is_end || bytes.trim_ascii_start().contains(&b'\n') || bytes.len() >= daytime::READ_MAX;
    if !is_whole {
        return Ok(Reply::Nothing);
    }
    let shown = daytime::read(bytes)
        .and_then(|shown| Some((shown, shown.civil.time().ok()?)))
        .ok_or_else(|| Trouble::new(Kind::Unusable, "its text is in no form that is known here"))?;
    let (Shown { zone, advance, .. }, begins) = shown;
    let ahead = match zone {
        Zone::Utc => Span::ZERO,
        Zone::Unsaid => quarters(begins - at.ours),
    };
    let begins = begins - ahead;
    let doubts = match zone {
        Zone::Utc => Vec::new(),
        Zone::Unsaid => vec![Doubt::Zone((ahead.split().0 / 60) as i32)],
    };
    Ok(Reply::Told(Told { doubts, ..at.told(begins - advance, begins + SECOND) }, true))
}

/// The nearest whole number of quarters of an hour, of those that zones have: a day either way at most.
fn quarters(span: Span) -> Span {
    let most = 86_400 / 900;
    let half = QUARTER.half();
    let (seconds, _) = (span + half).split();
    let quarters = seconds.div_euclid(900).clamp(-most, most) as i64;
    QUARTER * quarters
}

fn http_date(bytes: &[u8], at: &Circumstances) -> Result<Reply, Trouble> {
    let unusable = |why: http::Unusable| {
        let kind = if matches!(why, http::Unusable::Cached(_)) { Kind::Cached } else { Kind::Unusable };
        Trouble::new(kind, why)
    };
    match http::read(bytes).map_err(unusable)? {
        Some(head) => {
            let told = at.told(head.date, head.date + SECOND);
            Ok(Reply::Told(Told { is_last: head.is_busy, ..told }, head.ends))
        }
        None => Ok(Reply::Nothing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;
    use truechimer_core::moment::StampedBy;
    use truechimer_core::server::ntp::{Served, answer};
    use truechimer_core::wire::ntp::Leap;
    use truechimer_time::{Civil, NtpPrecision};

    /// What the counter shows when the question leaves.
    const SENT: Span = Span::from_secs(5000);

    fn at(text: &str) -> Time<Utc> {
        text.parse::<Civil>().expect(text).time().expect(text)
    }

    fn place() -> SocketAddr {
        "192.0.2.1:123".parse().expect("a place")
    }

    /// A way of a millisecond each.
    fn circumstances(ours: &str) -> Circumstances {
        let stamp = |span| Stamp { at: Time::from_epoch(span), by: StampedBy::Program };
        Circumstances {
            from: place(),
            sent: stamp(SENT),
            heard: stamp(SENT + Span::from_millis(2)),
            blur: Span::ZERO,
            ours: at(ours),
            is_end: false,
            patience: Span::from_secs(2),
        }
    }

    fn ask(protocol: Protocol) -> Question {
        Question::new(&mut ChaCha8Rng::from_seed([7; 32]), protocol, place(), "a.example", None)
    }

    fn told(reply: Result<Reply, Trouble>) -> Told {
        match reply {
            Ok(Reply::Told(told, _)) => told,
            other => panic!("{other:?}"),
        }
    }

    fn served(root_dispersion: Span, synchronised: bool) -> Served {
        Served {
            synchronised,
            leap: Leap::None,
            stratum: 2,
            precision: NtpPrecision { log2_seconds: -20 },
            root_delay: Span::from_millis(20),
            root_dispersion,
            reference_id: [192, 0, 2, 9],
            reference: at("2026-11-22T09:00:00Z"),
        }
    }

    /// The window around what a clock that is right would be.
    #[track_caller]
    fn holds(told: &Told, ours: &str, width: Span) {
        let ahead = at(ours).since_epoch() - (SENT + Span::from_millis(1));
        let window = told.window();
        assert!(window.lo <= ahead && ahead <= window.hi, "{window:?} {ahead:?}");
        assert!(window.width() <= width, "{window:?}");
    }

    #[test]
    fn a_server_of_ntp_is_ahead_by_no_more_than_the_way_leaves_open() {
        let here = "2026-11-22T09:41:37.5Z";
        let mut question = ask(Protocol::Ntp);
        let reply = answer(&question.bytes(), at(here), at(here), &served(Span::from_millis(3), true))
            .expect("it is a question");
        let told = told(question.hear(&reply, &circumstances(here)));
        holds(&told, here, Span::from_micros(2010));
        let claim = told.claim.expect("a server of NTP says how right it is");
        assert!(
            Span::from_millis(13) < claim.distance && claim.distance < Span::from_micros(13_060),
            "{claim:?}"
        );
    }

    #[test]
    fn a_server_that_is_decades_off_is_measured() {
        for (shown, ours) in [
            ("1980-01-06T00:00:00Z", "2026-11-22T09:41:37Z"),
            ("2080-01-01T00:00:00Z", "2026-11-22T09:41:37Z"),
        ] {
            let mut question = ask(Protocol::Ntp);
            let reply = answer(&question.bytes(), at(shown), at(shown), &served(Span::ZERO, true))
                .expect("it is a question");
            holds(&told(question.hear(&reply, &circumstances(ours))), shown, Span::from_millis(3));
        }
    }

    #[test]
    fn a_server_that_is_not_synchronised_is_named_so() {
        let here = "2026-11-22T09:41:37.5Z";
        let mut question = ask(Protocol::Ntp);
        let reply = answer(&question.bytes(), at(here), at(here), &served(Span::ZERO, false))
            .expect("it is a question");
        let trouble = question.hear(&reply, &circumstances(here)).expect_err("it does not know the time");
        assert_eq!(trouble.kind, Kind::Unsynchronised, "{trouble}");
    }

    #[test]
    fn what_anybody_could_have_sent_is_passed_over() {
        let here = "2026-11-22T09:41:37.5Z";
        for protocol in [Protocol::Ntp, Protocol::Taiclock, Protocol::Icmp] {
            let reply = ask(protocol).hear(&[0; 60], &circumstances(here));
            assert!(matches!(reply, Ok(Reply::Nothing)), "{protocol:?} {reply:?}");
        }
    }

    #[test]
    fn a_date_without_a_zone_is_taken_for_the_nearest() {
        for (line, ours, zone) in [
            ("Sun Nov 22 09:41:37 2026\r\n", "2026-11-22T09:41:37.4Z", 0),
            ("Sun Nov 22 10:41:37 2026\r\n", "2026-11-22T09:41:37.4Z", 60),
            ("Sun Nov 22 15:26:37 2026\r\n", "2026-11-22T09:41:37.4Z", 345),
            ("Sat Nov 21 23:41:37 CET 2026\r\n", "2026-11-22T09:41:37.4Z", -600),
        ] {
            let told = told(ask(Protocol::Daytime).hear(line.as_bytes(), &circumstances(ours)));
            assert_eq!(told.doubts, [Doubt::Zone(zone)], "{line}");
            holds(&told, ours, Span::from_millis(1010));
        }
        let utc = told(
            ask(Protocol::Daytime)
                .hear(b"Sun Nov 22 10:41:37 UTC 2026\n", &circumstances("2026-11-22T09:41:37Z")),
        );
        assert!(utc.doubts.is_empty());
        holds(&utc, "2026-11-22T10:41:37.5Z", Span::from_millis(1010));
    }

    #[test]
    fn a_line_that_is_not_whole_is_waited_for_unless_the_server_has_ended() {
        let (line, here) = (b"Sun Nov 22 09:41:37 2026", circumstances("2026-11-22T09:41:37Z"));
        assert!(matches!(ask(Protocol::Daytime).hear(line, &here), Ok(Reply::Nothing)));
        told(ask(Protocol::Daytime).hear(line, &Circumstances { is_end: true, ..here }));
    }

    #[test]
    fn seconds_are_told_by_time_and_http() {
        let here = circumstances("2026-11-22T09:41:37.5Z");
        let value = time37::Value::of(at("2026-11-22T09:41:37Z")).bytes();
        holds(
            &told(ask(Protocol::Time).hear(&value, &here)),
            "2026-11-22T09:41:37.5Z",
            Span::from_millis(1010),
        );
        let head = b"HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 09:41:37 GMT\r\n\r\n";
        let told = told(ask(Protocol::Http).hear(head, &here));
        holds(&told, "2026-11-22T09:41:37.5Z", Span::from_millis(1010));
    }

    #[test]
    fn milliseconds_since_midnight_are_those_of_the_nearest_day() {
        let ours = "2026-11-22T23:59:59.999Z";
        let question = ask(Protocol::Icmp);
        assert_eq!(question.bytes().len(), icmp::LEN);
        assert_eq!(icmp::nearest(1, at(ours)), at("2026-11-23T00:00:00.001Z"));
    }
}

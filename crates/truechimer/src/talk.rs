//! What the daemon and the commands say to each other over the control socket: one JSON object on a line each way.
//!
//! Spans are floating seconds, rates parts per million, instants RFC 3339 texts. `docs/formats/control.md` describes
//! every field; the same objects are what `--json` prints. Fields may be added; none changes its meaning while
//! `version` stays the same.

use std::cmp::Reverse;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};
use truechimer_core::discipline::holdover::Leaning;
use truechimer_core::node::report::{NtsReport, Report, SourceReport, Standing};
use truechimer_core::server::clients::Client;
use truechimer_core::wire::ntp::Leap;
use truechimer_time::{LeapTable, Mono, Rate, Span, Time};

use crate::daemon::key_exchange::Counts;
use crate::happened::Happened;
use crate::ui::{stamp, units};

/// The version of these objects.
pub const VERSION: u32 = 1;

/// The version of the assumptions under which a bound is true. 2: A2's number may be learned.
pub const ASSUMPTIONS: u32 = 2;

/// The longest request that is read, its end included.
pub const REQUEST_MAX: usize = 4096;

/// So many characters are said at most of what is wrong with a request.
const WHY_MAX: usize = 200;

/// The longest reply that is read.
pub const REPLY_MAX: usize = 1 << 20;

/// So many clients are told of at once.
pub const CLIENTS_MAX: usize = 4096;

/// The socket's name in the run folder.
pub const SOCKET_NAME: &str = "control";

/// What can be asked of the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "lowercase", deny_unknown_fields)]
pub enum Request {
    /// How right is the time? Anybody may ask.
    Status {},
    /// What is thought of the sources? Anybody may ask.
    Sources {},
    /// Who asks us for the time? For root and the daemon's own account: it is nobody else's business.
    Clients {},
    /// Tell me what happens, as it happens. Anybody may ask.
    Subscribe {},
    /// Ask all sources in a burst. For root and the daemon's own account.
    Burst {},
    /// Step at the next update if need be. For root and the daemon's own account.
    Step {},
}

impl Request {
    /// Is it for root and the daemon's own account alone?
    pub fn is_reserved(self) -> bool {
        match self {
            Self::Status {} | Self::Sources {} | Self::Subscribe {} => false,
            Self::Clients {} | Self::Burst {} | Self::Step {} => true,
        }
    }
}

/// What the daemon says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reply {
    /// To [`Request::Status`].
    Status(Box<StatusReply>),
    /// To [`Request::Sources`].
    Sources(SourcesReply),
    /// To [`Request::Clients`].
    Clients(ClientsReply),
    /// To [`Request::Subscribe`], once.
    Subscribed {},
    /// After that, again and again.
    Happened(Box<Happened>),
    /// An order is taken.
    Done {},
    /// It is not done, and why.
    Error(String),
}

/// How right the time is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatusReply {
    /// The version of this object.
    pub version: u32,
    /// `synchronised`, `degraded`, `holdover`, `disrupted` or `unknown`.
    pub status: String,
    /// Which clock is steered: `kernel` or `user`.
    pub clock: String,
    /// The likeliest time, UTC.
    pub utc: Option<String>,
    /// TAI minus UTC, seconds.
    pub tai_minus_utc: Option<i32>,
    /// Right time minus local clock.
    pub offset: Option<f64>,
    /// The likeliest time is at most this far from the truth, under the assumptions.
    pub bound: Option<f64>,
    /// One standard deviation of it.
    pub sigma: Option<f64>,
    /// A majority was last heard so long ago.
    pub age: Option<f64>,
    /// How much faster than true time the raw counter runs, ppm.
    pub counter_ppm: Option<f64>,
    /// The counter's rate is known to within this, ppm.
    pub counter_error_ppm: f64,
    /// The rate that the local clock has against the counter, ppm.
    pub clock_ppm: f64,
    /// The error is beyond the panic limit.
    pub panicking: bool,
    /// How long each bound holds if nothing more is measured.
    pub forecast: Vec<Forecast>,
    /// How long the likely error stays within each of the same limits, 999 times in 1000. Replies of older daemons have none.
    #[serde(default)]
    pub likely: Vec<Forecast>,
    /// What that leans on: `line`, `day` or `temperature`.
    #[serde(default)]
    pub leaning: String,
    /// The assumptions of the bound.
    pub assumptions: Assumptions,
    /// Sources that agree, that do not, and all.
    pub sources: SourceCounts,
    /// Sources that are asked by NTS, if there are any. Replies of older daemons have none.
    #[serde(default)]
    pub nts: Option<NtsCounts>,
    /// The stratum that is served to others; 16: unsynchronised.
    pub stratum: u8,
    /// What the sources are asked.
    pub traffic: TrafficReply,
    /// The standard error of the clock over all time at the present pace, where an accuracy is configured.
    pub rms: Option<f64>,
    /// What the server has done.
    pub server: Option<ServerCounts>,
}

/// How much is asked, of one source or of all together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrafficReply {
    /// Questions asked since the start.
    pub questions: u64,
    /// Questions answered since the start.
    pub answers: u64,
    /// Questions a day at the present intervals.
    pub per_day: f64,
}

impl TrafficReply {
    fn of<'a>(sources: impl IntoIterator<Item = &'a SourceReport>) -> Self {
        sources.into_iter().fold(Self::default(), |sum, source| Self {
            questions: sum.questions + source.traffic.questions,
            answers: sum.answers + source.traffic.answers,
            per_day: sum.per_day + source.questions_per_day(),
        })
    }
}

/// How long a bound or a likely error holds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// The bound, or the limit of the likely error.
    pub bound: f64,
    /// For so long it holds.
    pub holds: f64,
}

/// What the bound rests on, beside an honest majority.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assumptions {
    /// The version of the set of assumptions: what A1 and A2 say. 2: A2's number may be learned.
    pub version: u32,
    /// A1: the raw counter's rate is at most so far from nominal, ppm.
    pub max_rate_ppm: f64,
    /// A2: it stays within this of its average over any stretch of the last day, ppm. At most what is configured, less
    /// where the oscillator has been watched for days.
    pub max_drift_ppm: f64,
}

/// How many sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceCounts {
    /// All that are configured.
    pub configured: usize,
    /// They agree.
    pub truechimers: usize,
    /// They do not.
    pub falsetickers: usize,
}

/// How many sources are asked by NTS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NtsCounts {
    /// All that are configured so.
    pub configured: usize,
    /// There are cookies to ask them with.
    pub keyed: usize,
}

impl NtsCounts {
    fn of(sources: &[SourceReport]) -> Option<Self> {
        let protected = || sources.iter().filter_map(|source| source.nts.as_ref());
        let keyed = protected().filter(|nts| nts.cookies > 0).count();
        Some(protected().count()).filter(|count| *count > 0).map(|configured| Self { configured, keyed })
    }
}

/// What the server has done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerCounts {
    /// Where it listens for NTP.
    pub listening: Vec<SocketAddr>,
    /// TAICLOCK, where it is served.
    #[serde(default)]
    pub taiclock: Option<ClassicCounts>,
    /// TIME, where it is served.
    #[serde(default)]
    pub time: Option<ClassicCounts>,
    /// Leap seconds are smeared for clients, each over so long.
    #[serde(default)]
    pub leap_smear: Option<f64>,
    /// Questions answered.
    pub answered: u64,
    /// Of these, in interleaved mode. Replies of older daemons have none.
    #[serde(default)]
    pub interleaved: u64,
    /// Of these, although their clients asked too often.
    #[serde(default)]
    pub leaked: u64,
    /// Of these, sealed by a symmetric key.
    #[serde(default)]
    pub sealed: u64,
    /// Of these, protected by NTS.
    #[serde(default)]
    pub protected: u64,
    /// Of these, that a cookie is none of ours.
    #[serde(default)]
    pub refused: u64,
    /// What became of those who came for keys, where keys are given.
    #[serde(default)]
    pub key_exchanges: Option<KeyExchangeCounts>,
    /// Answers that the kernel did not take.
    pub unsent: u64,
    /// Datagrams left without an answer, by reason.
    pub silent: Vec<(String, u64)>,
}

/// What was done by a protocol that is older than NTP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassicCounts {
    /// Where it is spoken.
    pub listening: Vec<SocketAddr>,
    /// Questions answered, of all that were.
    pub answered: u64,
}

impl ClassicCounts {
    /// So much was answered at these places, if there are any.
    pub fn of(places: &[SocketAddr], answered: u64) -> Option<Self> {
        (!places.is_empty()).then(|| Self { listening: places.to_vec(), answered })
    }
}

/// What became of those who came for keys of NTS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyExchangeCounts {
    /// They got keys.
    pub granted: u64,
    /// They got none.
    pub failed: u64,
    /// They came too often.
    pub limited: u64,
}

impl KeyExchangeCounts {
    /// What was counted so far.
    pub fn of(counts: &Counts) -> Self {
        let [granted, failed, limited] =
            [&counts.granted, &counts.failed, &counts.limited].map(|count| count.load(Ordering::Relaxed));
        Self { granted, failed, limited }
    }
}

/// Who asks us for the time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientsReply {
    /// The version of this object.
    pub version: u32,
    /// So many are known; the table has no room for more than are configured.
    pub known: usize,
    /// Those who asked most often, at most [`CLIENTS_MAX`], the most eager first.
    pub clients: Vec<ClientReply>,
}

/// A client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientReply {
    /// An IPv4 address, or the first address of a network of 64 bits in IPv6.
    pub address: IpAddr,
    /// How often it asked since it is known.
    pub asked: u32,
    /// How often it got no answer, because it asked too often.
    pub limited: u32,
    /// It last asked so long ago.
    pub age: f64,
}

impl ClientsReply {
    /// What is said of these clients now.
    pub fn of(mut clients: Vec<Client>, now: Time<Mono>) -> Self {
        let known = clients.len();
        clients.sort_by_key(|client| (Reverse(client.asked), client.address));
        clients.truncate(CLIENTS_MAX);
        let reply = |client: &Client| ClientReply {
            address: client.address,
            asked: client.asked,
            limited: client.limited,
            age: (now - client.last).as_seconds(),
        };
        Self { version: VERSION, known, clients: clients.iter().map(reply).collect() }
    }
}

/// What is thought of the sources.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourcesReply {
    /// The version of this object.
    pub version: u32,
    /// The sources, in the order of the configuration.
    pub sources: Vec<SourceReply>,
}

/// What is known of the protection of a source by NTS.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NtsReply {
    /// The cipher that was agreed on, if any was.
    pub cipher: Option<String>,
    /// So many questions can be asked before new cookies come.
    pub cookies: usize,
    /// So many key exchanges have led to nothing.
    pub failures: u32,
    /// So often our cookie was refused.
    pub naks: u32,
}

impl NtsReply {
    fn of(nts: &NtsReport) -> Self {
        let NtsReport { aead, cookies, failures, naks } = *nts;
        Self { cipher: aead.map(|aead| aead.to_string()), cookies, failures, naks }
    }
}

/// What is thought of one source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceReply {
    /// Its name in the configuration.
    pub name: String,
    /// Who runs it.
    pub operator: String,
    /// Where it is asked.
    pub address: Option<SocketAddr>,
    /// How NTS protects it, if it is asked by that. Replies of older daemons have none.
    #[serde(default)]
    pub nts: Option<NtsReply>,
    /// How often it has told when an answer has really left, if it is asked for that.
    #[serde(default)]
    pub departures: Option<u32>,
    /// The name of the pool of which it has one of the places, if it has.
    #[serde(default)]
    pub pool: Option<String>,
    /// `*` truechimer, `-` on probation, `x` falseticker, `~` undecided, `?` nothing that counts.
    pub mark: char,
    /// The same in a word or two.
    pub standing: String,
    /// More about it, where there is more to say.
    pub why: Option<String>,
    /// Which of the last eight polls it answered, the newest in the lowest bit.
    pub reach: u8,
    /// How often it is asked.
    pub interval: f64,
    /// How much it is asked.
    pub traffic: TrafficReply,
    /// Until it is asked next.
    pub due: f64,
    /// How many samples its estimate rests on.
    pub samples: u32,
    /// Right time by this source alone minus local clock.
    pub offset: Option<f64>,
    /// One standard deviation of it.
    pub sigma: Option<f64>,
    /// It can be wrong by this.
    pub bound: Option<f64>,
    /// The age of its last answer.
    pub age: Option<f64>,
    /// On the way there and back, then.
    pub delay: Option<f64>,
    /// Its stratum.
    pub stratum: Option<u8>,
    /// Its upstream, as eight hexadecimal digits.
    pub reference_id: Option<String>,
    /// Its leap indicator: `none`, `insert`, `delete`.
    pub leap: Option<String>,
    /// How far it says to be from the truth.
    pub root_distance: Option<f64>,
    /// How many datagrams were refused, by reason.
    pub refused: Vec<(String, u32)>,
}

impl StatusReply {
    /// The reply from a report.
    pub fn of(report: &Report, max_rate: Rate, leaps: &LeapTable) -> Self {
        let count = |word: &str| report.sources.iter().filter(|s| s.standing.word() == word).count();
        let reading = report.reading.as_ref();
        Self {
            version: VERSION,
            status: report.status.to_string(),
            clock: String::new(),
            utc: reading.map(|reading| stamp::utc(reading.best, leaps)),
            tai_minus_utc: report.tai_minus_utc,
            offset: reading.map(|_| report.offset.as_seconds()),
            bound: reading.map(|reading| reading.bound().as_seconds()),
            sigma: reading.map(|reading| reading.sigma.as_seconds()),
            age: reading.map(|reading| reading.age.as_seconds()),
            counter_ppm: report.rate.map(|rate| (-rate).as_ppm()),
            counter_error_ppm: report.rate_error.as_ppm(),
            clock_ppm: report.clock_rate.as_ppm(),
            panicking: report.is_panicking,
            forecast: forecasts(&report.forecast),
            likely: forecasts(&report.likely),
            leaning: leaning_word(report.leaning).to_owned(),
            assumptions: Assumptions {
                version: ASSUMPTIONS,
                max_rate_ppm: max_rate.as_ppm(),
                max_drift_ppm: report.drift_allowed.as_ppm(),
            },
            sources: SourceCounts {
                configured: report.sources.len(),
                truechimers: count("truechimer"),
                falsetickers: count("falseticker"),
            },
            nts: NtsCounts::of(&report.sources),
            stratum: if report.served.synchronised { report.served.stratum } else { 16 },
            traffic: TrafficReply::of(report.sources.iter().filter(|source| !source.is_reference)),
            rms: report.rms.map(Span::as_seconds),
            server: None,
        }
    }
}

fn forecasts(holding: &[(Span, Span)]) -> Vec<Forecast> {
    let forecast =
        |(bound, holds): &(Span, Span)| Forecast { bound: bound.as_seconds(), holds: holds.as_seconds() };
    holding.iter().map(forecast).collect()
}

fn leaning_word(leaning: Leaning) -> &'static str {
    match leaning {
        Leaning::Line => "line",
        Leaning::Day { .. } => "day",
        Leaning::Temperature => "temperature",
    }
}

/// What the word for a standing leaves open.
fn why(standing: Standing) -> Option<String> {
    Some(match standing {
        Standing::Falseticker { by } if by < Span::ZERO => {
            format!("behind the majority by {} at least", units::span(-by))
        }
        Standing::Falseticker { by } => format!("ahead of the majority by {} at least", units::span(by)),
        Standing::OnProbation { answers } => format!("believed after {answers} more answers that agree"),
        Standing::TooVague { distance } => format!("may be off by {}", units::span(distance)),
        Standing::SameServer { of } => format!("as source {} of the list", of.index() + 1),
        Standing::Keyless { why } => why.to_string(),
        Standing::Provisional => {
            "its certificate is not valid by this clock: it only helps to find the date".to_owned()
        }
        Standing::Loop => "it has its time from us".to_owned(),
        Standing::Truechimer
        | Standing::Undecided
        | Standing::Mute
        | Standing::Unreachable
        | Standing::NotFound => return None,
    })
}

impl SourceReply {
    /// The reply from a report.
    pub fn of(source: &SourceReport, now: Time<Mono>) -> Self {
        let seconds = |span: Option<Span>| span.map(Span::as_seconds);
        let last = source.last.as_ref();
        Self {
            name: source.name.clone(),
            operator: source.operator.clone(),
            address: source.address,
            nts: source.nts.as_ref().map(NtsReply::of),
            departures: source.departures,
            pool: source.pool.clone(),
            mark: source.standing.mark(),
            standing: source.standing.word().to_owned(),
            why: why(source.standing),
            reach: source.reach,
            interval: source.interval.as_seconds(),
            traffic: TrafficReply::of([source]),
            due: (source.due - now).max(Span::ZERO).as_seconds(),
            samples: source.samples,
            offset: seconds(source.offset),
            sigma: seconds(source.sigma),
            bound: seconds(source.bound),
            age: seconds(last.map(|last| last.age)),
            delay: seconds(last.map(|last| last.delay)),
            stratum: last.map(|last| last.stratum),
            reference_id: last.map(|last| format!("{:08x}", u32::from_be_bytes(last.reference_id))),
            leap: last.map(|last| leap_word(last.leap).to_owned()),
            root_distance: seconds(last.map(|last| last.root_distance)),
            refused: refused(source),
        }
    }
}

fn refused(source: &SourceReport) -> Vec<(String, u32)> {
    let refusals = source.refusals.iter().map(|(why, count)| (why.label().to_owned(), *count));
    let misreadings = source.misreadings.iter().map(|(why, count)| (why.label().to_owned(), *count));
    refusals.chain(misreadings).collect()
}

fn leap_word(leap: Leap) -> &'static str {
    match leap {
        Leap::None => "none",
        Leap::Insert => "insert",
        Leap::Delete => "delete",
        Leap::Unknown => "unknown",
    }
}

/// Reads a request, whatever the bytes are.
pub fn parse_request(line: &[u8]) -> Result<Request, String> {
    if line.len() > REQUEST_MAX {
        return Err(format!("a request has at most {REQUEST_MAX} bytes"));
    }
    serde_json::from_slice(line).map_err(|error| format!("not a request: {}", shown(&error.to_string())))
}

/// What is wrong with a request, of which it may repeat a part: no more than a line of it, and nothing that commands a
/// terminal.
fn shown(why: &str) -> String {
    let visible = why.chars().map(|char| if char.is_control() { ' ' } else { char });
    let mut shown: String = visible.take(WHY_MAX).collect();
    if why.chars().count() > WHY_MAX {
        shown += " ..";
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn requests_are_read_as_they_are_written() {
        for request in [Request::Status {}, Request::Sources {}, Request::Burst {}, Request::Step {}] {
            let line = serde_json::to_vec(&request).expect("JSON");
            assert_eq!(parse_request(&line), Ok(request));
        }
        assert_eq!(serde_json::to_string(&Request::Status {}).expect("JSON"), r#"{"request":"status"}"#);
    }

    #[test]
    fn bad_input_119_nonsense_is_refused_with_a_word() {
        let deep = "[".repeat(REQUEST_MAX - 1);
        let long = " ".repeat(REQUEST_MAX + 1);
        for line in [
            "",
            "{",
            "null",
            r#"{"request":"reboot"}"#,
            r#"{"request":"status","x":1}"#,
            "\u{0}",
            &deep,
            &long,
        ] {
            assert!(parse_request(line.as_bytes()).is_err(), "{line:.40}");
        }
        assert!(parse_request(b"\xff\xfe{\"request\":\"status\"}").is_err());
    }

    #[test]
    fn bad_input_119_a_refusal_repeats_a_line_of_the_request_at_most() {
        let flood = format!(r#"{{"request":"\u001b[2J{}"}}"#, "é".repeat(1000));
        let why = parse_request(flood.as_bytes()).expect_err("it is no request");
        assert!(why.chars().count() < 250 && why.ends_with(" .."), "{why}");
        assert!(!why.contains(char::is_control), "{why:?}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_request_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_request(&bytes);
        }
    }
}

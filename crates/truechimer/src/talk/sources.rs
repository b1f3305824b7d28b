//! What is thought of the sources, as an object.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use truechimer_core::node::report::{NtsReport, SourceReport, Standing};
use truechimer_core::source::spread::Spread;
use truechimer_core::wire::ntp::Leap;
use truechimer_time::{Mono, Rate, Span, Time};

use super::VERSION;
use super::ballot::Ballot;
use crate::ui::units;

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
    /// Until then the certificate is valid that it last showed, with all those that vouch for it: seconds of UTC since 1970.
    /// Replies of older daemons have nothing of what follows.
    #[serde(default)]
    pub certificate_until: Option<f64>,
    /// So long from now on; negative if it is over.
    #[serde(default)]
    pub certificate_left: Option<f64>,
}

impl NtsReply {
    fn of(nts: &NtsReport) -> Self {
        let NtsReport { aead, cookies, failures, naks, certificate } = *nts;
        let left = certificate.and_then(|certificate| certificate.left);
        Self {
            cipher: aead.map(|aead| aead.to_string()),
            cookies,
            failures,
            naks,
            certificate_until: certificate.map(|certificate| certificate.until.since_epoch().as_seconds()),
            certificate_left: left.map(Span::as_seconds),
        }
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
    /// Its part in the vote, for people. Replies of older daemons have nothing of what follows.
    #[serde(default)]
    pub vote: String,
    /// It has a vote, alone or with others of its operator: all have but pulses.
    #[serde(default)]
    pub has_vote: bool,
    /// As it is configured: the time leans on it,
    #[serde(default)]
    pub prefer: bool,
    /// it is believed against any majority,
    #[serde(default)]
    pub trust: bool,
    /// nothing is selected without it.
    #[serde(default)]
    pub require: bool,
    /// Our own server names it as where the time comes from.
    #[serde(default)]
    pub upstream: bool,
    /// The number of the key under which alone it is believed.
    #[serde(default)]
    pub key: Option<u32>,
    /// By its word alone, right time minus local clock is not below this,
    #[serde(default)]
    pub lowest: Option<f64>,
    /// and not above this.
    #[serde(default)]
    pub highest: Option<f64>,
    /// The rate of true time by its estimate minus the rate that we reckon with, ppm.
    #[serde(default)]
    pub residual_ppm: Option<f64>,
    /// One standard deviation of the rate by its estimate, ppm.
    #[serde(default)]
    pub residual_error_ppm: Option<f64>,
    /// How its last samples lie about its estimate.
    #[serde(default)]
    pub spread: Option<SpreadReply>,
    /// Right time by the last sample alone minus the local clock as it was then,
    #[serde(default)]
    pub measured: Option<f64>,
    /// and as it is now.
    #[serde(default)]
    pub adjusted: Option<f64>,
    /// The last sample can be wrong by this.
    #[serde(default)]
    pub distance: Option<f64>,
    /// The four letters by which those whom we serve know a reference clock of this machine; none for what is asked.
    #[serde(default)]
    pub reference_name: Option<String>,
    /// How it was found to smear leap seconds, if it was: `by name`, `by course`. Replies of older daemons have none.
    #[serde(default)]
    pub smearing: Option<String>,
}

/// How the last samples of a source lie about its estimate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpreadReply {
    /// So many are looked at.
    pub samples: u32,
    /// From the first of them to the last.
    pub span: f64,
    /// The root of the mean square of how far their middles were beside the estimate.
    pub deviation: f64,
    /// So many stretches of them were on one side of it.
    pub runs: u32,
}

impl SpreadReply {
    fn of(spread: Spread) -> Self {
        let Spread { samples, span, deviation, runs } = spread;
        Self { samples, span: span.as_seconds(), deviation: deviation.as_seconds(), runs }
    }
}

impl SourcesReply {
    /// The reply from the sources of a report.
    pub fn of(sources: &[SourceReport], now: Time<Mono>) -> Self {
        let ballot = Ballot::of(sources);
        let reply = |source: &SourceReport| SourceReply {
            vote: ballot.words(source),
            ..SourceReply::of(source, now)
        };
        Self { version: VERSION, sources: sources.iter().map(reply).collect() }
    }
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
    pub(super) fn of<'a>(sources: impl IntoIterator<Item = &'a SourceReport>) -> Self {
        sources.into_iter().fold(Self::default(), |sum, source| Self {
            questions: sum.questions + source.traffic.questions,
            answers: sum.answers + source.traffic.answers,
            per_day: sum.per_day + source.questions_per_day(),
        })
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
        Standing::Mute => "it has not said yet what time it is".to_owned(),
        Standing::Unreachable => "eight questions without an answer, or it refuses us".to_owned(),
        Standing::NotFound => "its name has no address".to_owned(),
        Standing::Truechimer | Standing::Undecided => return None,
    })
}

impl SourceReply {
    /// What a report says of it, apart from the vote.
    fn of(source: &SourceReport, now: Time<Mono>) -> Self {
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
            vote: String::new(),
            has_vote: source.role.has_vote,
            prefer: source.role.prefer,
            trust: source.role.trust,
            require: source.role.require,
            upstream: source.is_upstream,
            key: source.key.map(|key| key.id),
            lowest: seconds(source.extent.map(|[lowest, _]| lowest)),
            highest: seconds(source.extent.map(|[_, highest]| highest)),
            residual_ppm: source.residual.map(Rate::as_ppm),
            residual_error_ppm: source.residual_error.map(Rate::as_ppm),
            spread: source.spread.map(SpreadReply::of),
            measured: seconds(last.map(|last| last.measured)),
            adjusted: seconds(last.map(|last| last.adjusted)),
            distance: seconds(last.map(|last| last.distance)),
            reference_name: source.reference_name.map(|name| letters(&name)),
            smearing: source.smearing.map(|smearing| smearing.word().to_owned()),
        }
    }
}

/// Four bytes, those at the end that are zero left out.
fn letters(name: &[u8; 4]) -> String {
    String::from_utf8_lossy(name).trim_end_matches('\0').to_owned()
}

fn refused(source: &SourceReport) -> Vec<(String, u32)> {
    let refusals = source.refusals.iter().map(|(why, count)| (why.label().to_owned(), *count));
    let misreadings = source.misreadings.iter().map(|(why, count)| (why.label().to_owned(), *count));
    refusals.chain(misreadings).collect()
}

pub(super) fn leap_word(leap: Leap) -> &'static str {
    match leap {
        Leap::None => "none",
        Leap::Insert => "insert",
        Leap::Delete => "delete",
        Leap::Unknown => "unknown",
    }
}

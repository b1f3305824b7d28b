//! What chronyc and its kind are told of us: from a report to the words of their protocol.
//!
//! chrony has one selected source and combines others with it; here all truechimers make the time together, and the one
//! that our own server names as its upstream stands for the selected one. Our bound is told as root delay and root
//! dispersion, so that whoever adds half of one to the other, as chrony's users do, has the bound.
//! `docs/manual/chrony.md` says what each column means.

use std::net::{IpAddr, Ipv4Addr};

use truechimer_core::node::report::{Report, SourceReport, Standing};
use truechimer_core::wire::chrony::Host;
use truechimer_core::wire::chrony::reply::{
    Activity, Options, Protection, Reply, Selection, ServerCounts, Source, State, Statistics, Tracking,
};
use truechimer_core::wire::chrony::request::{Query, Refusal, Request};
use truechimer_core::wire::mac::KeyKind;
use truechimer_core::wire::ntp::{Leap, reference_id_of};
use truechimer_time::{Rate, Span, Time};

use crate::talk;

/// All scores are equal: no source is better than another here, but for what its samples say.
const SCORE: f64 = 1.0;

/// All that can be asked about, at one moment.
#[derive(Clone, Debug)]
pub struct View {
    /// What the node says.
    pub report: Report,
    /// What the server has done, if there is one.
    pub server: Option<talk::ServerCounts>,
    /// So many requests of this protocol were heard.
    pub requests: u64,
}

impl View {
    /// The reply to a request, as bytes.
    pub fn answer(&self, request: &Request) -> Vec<u8> {
        request.query.and_then(|query| self.tell(query)).unwrap_or_else(Reply::Refused).write(request)
    }

    fn tell(&self, query: Query) -> Result<Reply<'_>, Refusal> {
        let sources = &self.report.sources;
        let at = |place: u32| {
            let source = usize::try_from(place).ok().and_then(|place| sources.get(place));
            source.map(|source| (place, source)).ok_or(Refusal::NoSuchSource)
        };
        let of = |host: Host| {
            let mut all = (0..).zip(sources);
            let found = all.find(|(place, source)| host_in_list(*place, source) == host);
            found.map(|(_, source)| source).ok_or(Refusal::NoSuchSource)
        };
        Ok(match query {
            Query::SourceCount => Reply::SourceCount(sources.len() as u32),
            Query::Source(place) => {
                let (place, source) = at(place)?;
                Reply::Source(listed(place, source))
            }
            Query::Tracking => Reply::Tracking(tracking(&self.report)),
            Query::Statistics(place) => {
                let (place, source) = at(place)?;
                Reply::Statistics(statistics(place, source))
            }
            Query::Activity => Reply::Activity(activity(sources)),
            Query::SourceName(host) => Reply::SourceName(&of(host)?.name),
            Query::Server => Reply::Server(server_counts(self.server.as_ref(), self.requests)),
            Query::Selection(place) => {
                let (place, source) = at(place)?;
                Reply::Selection(selection(place, source))
            }
            Query::Protection(host) => Reply::Protection(protection(of(host)?)),
        })
    }
}

/// Hits are what was answered and what would have been, had it not come too often.
pub fn server_counts(server: Option<&talk::ServerCounts>, requests: u64) -> ServerCounts {
    let none = ServerCounts { command_hits: requests, ..ServerCounts::default() };
    let Some(server) = server else { return none };
    let classic = [&server.taiclock, &server.time].into_iter().flatten().map(|it| it.answered).sum::<u64>();
    let limited = server.limited();
    let keys = server.key_exchanges;
    ServerCounts {
        ntp_hits: server.answered.saturating_sub(classic) + limited,
        ntp_drops: limited,
        key_hits: keys.map_or(0, |keys| keys.granted + keys.failed + keys.limited),
        key_drops: keys.map_or(0, |keys| keys.limited),
        protected: server.sealed + server.protected,
        interleaved: server.interleaved,
        ..none
    }
}

/// What stands for a source in the list: its address, or that of nobody and a number. A reference clock's name of four
/// bytes stands where an address would.
fn host_in_list(place: u32, source: &SourceReport) -> Host {
    match (source.is_reference, source.address) {
        (true, _) => Host::At(IpAddr::V4(Ipv4Addr::from(own_id(source)))),
        (false, Some(address)) => Host::At(address.ip()),
        (false, None) => Host::Number(place + 1),
    }
}

/// The same elsewhere: there a reference clock has no address, and is known by its four bytes.
fn host(place: u32, source: &SourceReport) -> Host {
    if source.is_reference { Host::Nobody } else { host_in_list(place, source) }
}

/// The four bytes by which others know the source.
fn own_id(source: &SourceReport) -> [u8; 4] {
    match (source.reference_name, source.address) {
        (Some(name), _) => name,
        (None, address) => address.map_or([0; 4], |address| reference_id_of(address.ip())),
    }
}

fn state(source: &SourceReport) -> State {
    state_of(source.standing, source.is_upstream)
}

/// chrony's word for what a source is to the vote.
pub(crate) fn state_of(standing: Standing, is_upstream: bool) -> State {
    match standing {
        Standing::Truechimer if is_upstream => State::Selected,
        Standing::Truechimer => State::Combined,
        Standing::Falseticker { .. } => State::Falseticker,
        Standing::Undecided => State::Jittery,
        Standing::OnProbation { .. } => State::Excluded,
        Standing::Mute
        | Standing::TooVague { .. }
        | Standing::Unreachable
        | Standing::NotFound
        | Standing::Keyless { .. }
        | Standing::Provisional
        | Standing::Loop
        | Standing::SameServer { .. } => State::Nonselectable,
    }
}

/// chrony's letters for why a source does not count, where it has one.
fn sign(source: &SourceReport) -> u8 {
    match source.standing {
        Standing::Mute | Standing::Unreachable | Standing::NotFound | Standing::Keyless { .. } => b'M',
        Standing::TooVague { .. } => b'd',
        Standing::Truechimer
        | Standing::OnProbation { .. }
        | Standing::Falseticker { .. }
        | Standing::Undecided
        | Standing::Provisional
        | Standing::Loop
        | Standing::SameServer { .. } => state(source).sign(),
    }
}

fn options(source: &SourceReport) -> Options {
    let role = source.role;
    Options { no_vote: !role.has_vote, prefer: role.prefer, trust: role.trust, require: role.require }
}

fn listed(place: u32, source: &SourceReport) -> Source {
    let last = source.last.as_ref();
    Source {
        host: host_in_list(place, source),
        is_reference: source.is_reference,
        poll: source.interval.as_seconds().log2().round() as i16,
        stratum: last.map_or(0, |last| last.stratum),
        state: state(source),
        options: options(source),
        reach: source.reach,
        age: last.map(|last| last.age),
        measured: last.map_or(Span::ZERO, |last| last.measured),
        adjusted: last.map_or(Span::ZERO, |last| last.adjusted),
        error: last.map_or(Span::ZERO, |last| last.distance),
    }
}

fn tracking(report: &Report) -> Tracking {
    let served = &report.served;
    let sources = || (0..).zip(&report.sources);
    let upstream = sources().find(|(_, source)| source.is_upstream && served.synchronised);
    let (reference_id, stratum, leap, reference) = match served.synchronised {
        true => (served.reference_id, served.stratum, served.leap, served.reference),
        false => ([0; 4], 0, Leap::Unknown, Time::EPOCH),
    };
    let moved = report.reckoning;
    Tracking {
        reference_id,
        host: upstream.map_or(Host::Nobody, |(place, source)| host(place, source)),
        stratum,
        leap,
        reference,
        offset: report.offset,
        last_offset: moved.map_or(Span::ZERO, |moved| moved.moved),
        rms_offset: moved.map_or(Span::ZERO, |moved| moved.usually),
        rate: report.rate.unwrap_or(Rate::ZERO),
        residual: upstream.and_then(|(_, source)| source.residual).unwrap_or(Rate::ZERO),
        skew: report.rate_error,
        root_delay: served.root_delay,
        root_dispersion: served.root_dispersion,
        interval: moved.map_or(Span::ZERO, |moved| moved.after),
    }
}

fn statistics(place: u32, source: &SourceReport) -> Statistics {
    let spread = source.spread;
    Statistics {
        reference_id: own_id(source),
        host: host(place, source),
        samples: spread.map_or(0, |spread| spread.samples),
        runs: spread.map_or(0, |spread| spread.runs),
        span: spread.map_or(Span::ZERO, |spread| spread.span),
        deviation: spread.map_or(Span::ZERO, |spread| spread.deviation),
        residual: source.residual.unwrap_or(Rate::ZERO),
        skew: source.residual_error.unwrap_or(Rate::ZERO),
        offset: source.offset.unwrap_or(Span::ZERO),
        offset_error: source.sigma.unwrap_or(Span::ZERO),
    }
}

fn activity(sources: &[SourceReport]) -> Activity {
    let is_somewhere = |source: &&SourceReport| source.is_reference || source.address.is_some();
    let online = sources.iter().filter(is_somewhere).count() as u32;
    Activity { online, unresolved: sources.len() as u32 - online, ..Activity::default() }
}

fn selection(place: u32, source: &SourceReport) -> Selection {
    let [lowest, highest] = source.extent.unwrap_or([Span::ZERO; 2]);
    let last = source.last.as_ref();
    Selection {
        reference_id: own_id(source),
        host: host(place, source),
        sign: sign(source),
        is_authenticated: source.key.is_some() || source.nts.is_some(),
        leap: last.map_or(Leap::Unknown, |last| last.leap),
        options: options(source),
        age: last.map(|last| last.age),
        score: SCORE,
        lowest,
        highest,
    }
}

fn protection(source: &SourceReport) -> Protection {
    let half = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
    match (&source.nts, &source.key) {
        (Some(nts), _) => Protection::Nts {
            aead: nts.aead.map_or(0, |aead| aead.id()),
            bits: nts.aead.map_or(0, |aead| half(aead.key_len() * 8)),
            attempts: half(nts.failures as usize),
            cookies: half(nts.cookies),
            naks: half(nts.naks as usize),
        },
        (None, Some(key)) => {
            Protection::Key { kind: kind_number(key.kind), id: key.id, bits: half(key.bits) }
        }
        (None, None) => Protection::None,
    }
}

/// chrony's number of a kind of key, as its `authdata` shows it.
fn kind_number(kind: KeyKind) -> u16 {
    match kind {
        KeyKind::Md5 => 1,
        KeyKind::Sha1 => 2,
        KeyKind::Sha256 => 3,
        KeyKind::Aes128 => 13,
        KeyKind::Aes256 => 14,
    }
}

#[cfg(test)]
mod tests;

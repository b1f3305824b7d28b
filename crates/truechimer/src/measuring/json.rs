//! A survey for programs. The shape is documented in `docs/manual/query.md` and does not change but by more keys.

use serde::Serialize;
use truechimer_time::Span;

use super::{Majority, Reading, Server, Stand, Survey, Trouble, text};

/// The survey as it is printed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    servers: Vec<ServerReport>,
    votes: usize,
    needed: usize,
    majority: Option<MajorityReport>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct ServerReport {
    server: String,
    address: Option<String>,
    operator: String,
    asked: u8,
    answered: u8,
    reading: Option<ReadingReport>,
    error: Option<ErrorReport>,
    vote: &'static str,
    ahead: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct ReadingReport {
    offset: f64,
    bound: f64,
    delay: f64,
    stratum: u8,
    reference_id: String,
    leap: &'static str,
    root_distance: f64,
    version: u8,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct ErrorReport {
    kind: &'static str,
    text: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct MajorityReport {
    agree: usize,
    offset: f64,
    bound: f64,
}

impl Report {
    /// What is printed of a survey.
    pub fn of(survey: &Survey) -> Self {
        let (servers, verdict) = (&survey.servers, &survey.verdict);
        Self {
            servers: servers
                .iter()
                .zip(&verdict.stands)
                .map(|(s, stand)| ServerReport::of(s, *stand))
                .collect(),
            votes: verdict.votes,
            needed: verdict.needed,
            majority: verdict.outcome.as_ref().ok().map(MajorityReport::of),
        }
    }
}

impl ServerReport {
    fn of(server: &Server, stand: Stand) -> Self {
        let (vote, ahead) = match stand {
            Stand::Agrees => ("agrees", None),
            Stand::Disagrees { ahead, .. } => ("disagrees", Some(seconds(ahead))),
            Stand::Nowhere => ("none", None),
        };
        Self {
            server: server.address.to_string(),
            address: server.place.map(|place| place.to_string()),
            operator: server.address.operator(),
            asked: server.asked,
            answered: server.answered,
            reading: server.outcome.as_ref().ok().map(ReadingReport::of),
            error: server.outcome.as_ref().err().map(ErrorReport::of),
            vote,
            ahead,
        }
    }
}

impl ReadingReport {
    fn of(reading: &Reading) -> Self {
        Self {
            offset: seconds(reading.offset()),
            bound: seconds(reading.bound()),
            delay: seconds(reading.delay),
            stratum: reading.answer.stratum,
            reference_id: text::reference_id(reading.answer.stratum, reading.answer.reference_id),
            leap: text::leap(reading.answer.leap),
            root_distance: seconds(reading.root_distance()),
            version: reading.answer.version,
        }
    }
}

impl ErrorReport {
    fn of(trouble: &Trouble) -> Self {
        let kind = match trouble {
            Trouble::NotFound(_) => "not_found",
            Trouble::LookupTooSlow(_) => "lookup_too_slow",
            Trouble::NoSuchAddress => "no_such_address",
            Trouble::Silent(_) => "silent",
            Trouble::Network(_) => "network",
            Trouble::Unusable(refusal) => refusal.label(),
            Trouble::Kissed(_) => "kissed",
            Trouble::NearLeap => "near_leap",
            Trouble::ClockSet => "clock_set",
        };
        Self { kind, text: trouble.to_string() }
    }
}

impl MajorityReport {
    fn of(majority: &Majority) -> Self {
        let Majority { agree, offset, bound, .. } = *majority;
        Self { agree, offset: seconds(offset), bound: seconds(bound) }
    }
}

/// Seconds, rounded to the nanosecond: finer than anything measured here, and short in print.
fn seconds(span: Span) -> f64 {
    (span + Span::from_attos(500_000_000)).as_nanos() as f64 / 1e9
}

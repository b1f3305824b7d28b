//! A survey for programs. The shape is documented in `docs/formats/survey.md` and does not change but by more keys.

use serde::Serialize;
use truechimer_time::{Civil, Span, Time};

use super::finding::{Finding, Reading};
use super::judge::{Judged, Judgement, Reference, Standing};
use super::round::Survey;
use super::text::letter;
use super::told::Doubt;
use super::trouble::Trouble;
use super::window::Window;
use crate::measuring::{leap_word, reference_id_text};

/// The version of the shape.
const VERSION: u32 = 1;

/// The survey as it is printed.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    version: u32,
    begun: String,
    took: f64,
    cut: bool,
    reference: ReferenceReport,
    majority_denies_daemon: bool,
    counts: Vec<(&'static str, usize)>,
    groups: Vec<GroupReport>,
    hosts: Vec<HostReport>,
}

#[derive(Clone, Debug, Serialize)]
struct ReferenceReport {
    kind: &'static str,
    agree: Option<usize>,
    of: Option<usize>,
    ahead_of_us: Option<Interval>,
}

#[derive(Clone, Debug, Serialize)]
struct GroupReport {
    name: String,
    hosts: usize,
    ahead: Interval,
}

#[derive(Clone, Debug, Serialize)]
struct HostReport {
    host: String,
    address: Option<String>,
    protocol: Option<&'static str>,
    asked: u8,
    answered: u8,
    standing: &'static str,
    ahead: Option<Interval>,
    ahead_of_us: Option<Interval>,
    delay: Option<f64>,
    claim: Option<ClaimReport>,
    group: Option<String>,
    assumed: Vec<&'static str>,
    zone_minutes: Option<i32>,
    drift: Option<DriftReport>,
    error: Option<Trouble>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Interval {
    lo: f64,
    hi: f64,
    middle: f64,
    bound: f64,
}

#[derive(Clone, Debug, Serialize)]
struct ClaimReport {
    distance: f64,
    stratum: u8,
    reference_id: String,
    leap: &'static str,
    exceeded_by: Option<f64>,
}

#[derive(Clone, Debug, Serialize)]
struct DriftReport {
    ppm: f64,
    bound: f64,
}

/// How fast a clock drifts, in parts per million, and how wrong that can be.
pub type Drift = Option<(f64, f64)>;

impl Report {
    /// What is printed of a survey. `drifts` has one for each host, or none at all.
    pub fn of(survey: &Survey, judgement: &Judgement, drifts: &[Drift]) -> Self {
        let hosts = survey.findings.iter().zip(&judgement.hosts).enumerate();
        let groups = judgement.groups.iter().enumerate();
        Self {
            version: VERSION,
            begun: format!("{:.3}", Civil::of(Time::from_epoch(survey.begun.since_epoch()))),
            took: seconds(survey.took),
            cut: survey.is_cut,
            reference: ReferenceReport::of(&judgement.reference),
            majority_denies_daemon: judgement.majority_denies_daemon,
            counts: Standing::ALL.map(|standing| (standing.word(), judgement.count(standing))).to_vec(),
            groups: groups
                .map(|(number, group)| GroupReport {
                    name: letter(number),
                    hosts: group.members.len(),
                    ahead: Interval::of(group.window),
                })
                .collect(),
            hosts: hosts
                .map(|(place, (finding, judged))| {
                    HostReport::of(finding, judged, drifts.get(place).copied().flatten())
                })
                .collect(),
        }
    }
}

impl ReferenceReport {
    fn of(reference: &Reference) -> Self {
        match reference {
            Reference::Daemon { ahead } => {
                Self { kind: "daemon", agree: None, of: None, ahead_of_us: Some(Interval::of(*ahead)) }
            }
            Reference::Majority { agree, of, ahead } => Self {
                kind: "majority",
                agree: Some(*agree),
                of: Some(*of),
                ahead_of_us: Some(Interval::of(*ahead)),
            },
            Reference::Ourselves => Self { kind: "ourselves", agree: None, of: None, ahead_of_us: None },
        }
    }
}

impl HostReport {
    fn of(finding: &Finding, judged: &Judged, drift: Drift) -> Self {
        let reading = finding.outcome.as_ref().ok();
        let zone = |doubt: &Doubt| match doubt {
            Doubt::Zone(minutes) => Some(*minutes),
            Doubt::Contradiction | Doubt::Day | Doubt::Unverified => None,
        };
        let doubts: &[Doubt] = reading.map_or(&[], |reading| &reading.doubts);
        Self {
            host: finding.name.clone(),
            address: finding.place.map(|place| match place.port() {
                0 => place.ip().to_string(),
                _ => place.to_string(),
            }),
            protocol: finding.protocol.map(|protocol| protocol.word()),
            asked: finding.asked,
            answered: finding.answered,
            standing: judged.standing.word(),
            ahead: judged.ahead.map(Interval::of),
            ahead_of_us: reading.map(|reading| Interval::of(reading.ahead_of_ours())),
            delay: reading.map(|reading| seconds(reading.delay)),
            claim: reading.and_then(|reading| ClaimReport::of(reading, judged)),
            group: judged.group.map(letter),
            assumed: doubts.iter().map(|doubt| doubt.label()).collect(),
            zone_minutes: doubts.iter().find_map(zone),
            drift: drift.map(|(ppm, bound)| DriftReport { ppm, bound }),
            error: finding.outcome.as_ref().err().cloned(),
        }
    }
}

impl ClaimReport {
    fn of(reading: &Reading, judged: &Judged) -> Option<Self> {
        let claim = reading.claim?;
        Some(Self {
            distance: seconds(claim.distance),
            stratum: claim.stratum,
            reference_id: reference_id_text(claim.stratum, claim.reference_id),
            leap: leap_word(claim.leap),
            exceeded_by: judged.beyond_claim.map(seconds),
        })
    }
}

impl Interval {
    /// Rounded outward to the nanosecond: what is true of the interval is true of what is printed.
    fn of(window: Window) -> Self {
        let (middle, bound) = (window.middle(), window.bound());
        Self { lo: down(window.lo), hi: up(window.hi), middle: seconds(middle), bound: up(bound) }
    }
}

fn down(span: Span) -> f64 {
    match span.abs() < NANOS_MAX {
        true => span.as_nanos() as f64 / 1e9,
        false => span.as_seconds().next_down(),
    }
}

fn up(span: Span) -> f64 {
    -down(-span)
}

/// Longer spans are not told to the nanosecond: 64 bits do not hold them.
const NANOS_MAX: Span = Span::from_secs(9_000_000_000);

/// Seconds, rounded to the nanosecond.
pub fn seconds(span: Span) -> f64 {
    match span.abs() < NANOS_MAX {
        true => (span + Span::from_attos(500_000_000)).as_nanos() as f64 / 1e9,
        false => span.as_seconds(),
    }
}

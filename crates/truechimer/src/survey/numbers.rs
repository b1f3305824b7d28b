//! A survey for monitors: a file of Prometheus's text format, whole each time, for node_exporter's textfile collector.

use super::finding::Finding;
use super::json::{Drift, seconds};
use super::judge::{Judged, Judgement, Reference, Standing};
use super::round::Survey;
use crate::metrics::{Dialect, Family, Labels, Sample, expose};

/// The whole file.
pub fn numbers(survey: &Survey, judgement: &Judgement, drifts: &[Drift]) -> String {
    let all = || survey.findings.iter().zip(&judgement.hosts);
    let ahead = |_: &Finding, judged: &Judged| judged.ahead.map(|ahead| seconds(ahead.middle()));
    let bound = |_: &Finding, judged: &Judged| judged.ahead.map(|ahead| seconds(ahead.bound()) + 1e-9);
    let answered = |finding: &Finding, judged: &Judged| {
        let is_there = judged.standing != Standing::Absent;
        is_there.then_some(f64::from(u8::from(finding.outcome.is_ok())))
    };
    let of_hosts = |family: Family, value: &dyn Fn(&Finding, &Judged) -> Option<f64>| {
        let sample = |(finding, judged): (&Finding, &Judged)| {
            Some(Sample { labels: labels(finding), value: value(finding, judged)? })
        };
        Family { samples: all().filter_map(sample).collect(), ..family }
    };
    let mut drift = Family::gauge(
        "truechimer_survey_host_drift_ppm",
        "How fast the host's clock gains, in parts per million, by the history of surveys",
    );
    drift.samples = all()
        .zip(drifts)
        .filter_map(|((finding, _), drift)| {
            let (ppm, _) = (*drift)?;
            Some(Sample { labels: labels(finding), value: ppm })
        })
        .collect();
    let families = [
        of_hosts(
            Family::gauge(
                "truechimer_survey_host_answered",
                "Whether the host's clock could be measured (1) or not (0)",
            ),
            &answered,
        ),
        of_hosts(
            Family::gauge(
                "truechimer_survey_host_ahead_seconds",
                "How far the host's clock is ahead of the reference of the survey",
            ),
            &ahead,
        ),
        of_hosts(Family::gauge("truechimer_survey_host_bound_seconds", "How wrong that can be"), &bound),
        drift,
        standings(judgement),
        Family::gauge("truechimer_survey_reference", "1 for what clocks were compared with")
            .with(vec![("reference", reference(&judgement.reference).to_owned())], 1.0),
        Family::gauge(
            "truechimer_survey_begun_seconds",
            "When the survey began, since 1970 by this machine's clock",
        )
        .of(seconds(survey.begun.since_epoch())),
        Family::gauge("truechimer_survey_took_seconds", "How long the survey took").of(seconds(survey.took)),
    ];
    expose(&families, Dialect::Prometheus)
}

fn labels(finding: &Finding) -> Labels {
    vec![("host", finding.name.clone())]
}

fn standings(judgement: &Judgement) -> Family {
    let family = Family::gauge("truechimer_survey_hosts", "How many hosts stand so");
    Standing::ALL.into_iter().fold(family, |family, standing| {
        family.with(vec![("standing", standing.word().to_owned())], judgement.count(standing) as f64)
    })
}

fn reference(reference: &Reference) -> &'static str {
    match reference {
        Reference::Daemon { .. } => "daemon",
        Reference::Majority { .. } => "majority",
        Reference::Ourselves => "ourselves",
    }
}

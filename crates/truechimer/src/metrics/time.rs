//! How right the time is, as metrics.

use truechimer_core::status::Status;

use super::{Family, count, truth};
use crate::talk::{Forecast, StatusReply};

/// Parts per million divided by this are a ratio. (A product with 1e-6 would have other last digits.)
const MILLION: f64 = 1e6;

/// What can have happened and matters to alarms: told as 0 from the start, so that the first time is an increase.
pub(crate) const ALARMING: [&str; 11] = [
    "stepped",
    "moved_by_others",
    "retuned_by_others",
    "suspended",
    "paused",
    "migrated",
    "clocksource_changed",
    "starved",
    "oscillator_doubted",
    "panicked",
    "steering_failed",
];

/// The words for what a forecast of the likely error leans on.
const LEANINGS: [&str; 3] = ["line", "day", "temperature"];

pub(super) fn families(status: &StatusReply) -> Vec<Family> {
    [state(status), errors(status), rates(status), forecasts(status), history(status)].concat()
}

fn state(status: &StatusReply) -> Vec<Family> {
    let words = Status::ALL.map(Status::word);
    let is_held = status.status == Status::Holdover.word();
    let offset = status.tai_minus_utc.map(f64::from);
    vec![
        Family::states(
            "truechimer_status",
            "How far the time can be relied upon: 1 for the state that holds",
            &words,
            &status.status,
        ),
        Family::gauge(
            "truechimer_panicking",
            "The error is beyond the panic limit and the clock is left alone",
        )
        .of(truth(status.panicking)),
        Family::gauge(
            "truechimer_holdover_seconds",
            "In holdover for so long: since a majority was last heard, 0 in any other state",
        )
        .of(if is_held { status.age } else { Some(0.0) }),
        Family::gauge("truechimer_stratum", "The stratum that is told to others, 16 without synchronisation")
            .of(f64::from(status.stratum)),
        Family::gauge("truechimer_tai_minus_utc_seconds", "TAI minus UTC").of(offset),
    ]
}

fn errors(status: &StatusReply) -> Vec<Family> {
    let error = status.bound.zip(status.offset).map(|(bound, offset)| bound + offset.abs());
    vec![
        Family::gauge(
            "truechimer_bound_seconds",
            "The likeliest time is at most this far from the truth, under the assumptions",
        )
        .of(status.bound),
        Family::gauge(
            "truechimer_offset_seconds",
            "The likeliest time minus the local clock: positive, if the clock has to move forward",
        )
        .of(status.offset),
        Family::gauge("truechimer_sigma_seconds", "One standard deviation of the likeliest time").of(status.sigma),
        Family::gauge(
            "truechimer_clock_error_seconds",
            "The local clock is at most this far from the truth: the bound and the size of the offset",
        )
        .of(error),
        Family::gauge("truechimer_age_seconds", "A majority was last heard so long ago").of(status.age),
        Family::gauge(
            "truechimer_rms_seconds",
            "The standard error of the clock over all time at the present pace, where an accuracy is configured",
        )
        .of(status.rms),
    ]
}

fn rates(status: &StatusReply) -> Vec<Family> {
    let assumed = &status.assumptions;
    vec![
        Family::gauge(
            "truechimer_oscillator_rate_ratio",
            "The raw counter runs faster than true time by this fraction",
        )
        .of(status.counter_ppm.map(|ppm| ppm / MILLION)),
        Family::gauge(
            "truechimer_oscillator_rate_error_ratio",
            "The rate of the raw counter is known to within this",
        )
        .of(status.counter_error_ppm / MILLION),
        Family::gauge(
            "truechimer_clock_rate_ratio",
            "The local clock runs faster than the raw counter by this fraction",
        )
        .of(status.clock_ppm / MILLION),
        Family::gauge(
            "truechimer_assumed_rate_ratio",
            "Assumption A1: the rate of the raw counter is at most so far from nominal",
        )
        .of(assumed.max_rate_ppm / MILLION),
        Family::gauge(
            "truechimer_assumed_drift_ratio",
            "Assumption A2: the rate stays within this of its average over any stretch of the last day",
        )
        .of(assumed.max_drift_ppm / MILLION),
    ]
}

fn forecasts(status: &StatusReply) -> Vec<Family> {
    let all = |family: Family, label: &'static str, list: &[Forecast]| {
        let labels = |forecast: &Forecast| vec![(label, forecast.bound.to_string())];
        list.iter().fold(family, |family, forecast| family.with(labels(forecast), forecast.holds))
    };
    let bound =
        Family::gauge("truechimer_forecast_seconds", "So long each bound holds if nothing more is measured");
    let likely = Family::gauge(
        "truechimer_likely_forecast_seconds",
        "So long the likely error stays within each limit, 999 times in 1000, if nothing more is measured",
    );
    vec![
        all(bound, "bound", &status.forecast),
        all(likely, "error", &status.likely),
        Family::states(
            "truechimer_leaning",
            "What the forecast of the likely error leans on: 1 for the one that holds",
            &LEANINGS,
            &status.leaning,
        ),
    ]
}

fn history(status: &StatusReply) -> Vec<Family> {
    let happened =
        Family::counter("truechimer_events", "How often each thing has happened since the daemon started");
    let told = |label: &str| status.events.iter().any(|(it, _)| it == label);
    let silent = ALARMING.into_iter().filter(|label| !told(label)).map(|label| (label.to_owned(), 0));
    let mut all: Vec<(String, u64)> = status.events.iter().cloned().chain(silent).collect();
    all.sort();
    vec![
        Family::gauge("truechimer_uptime_seconds", "The daemon runs for so long").of(status.uptime),
        all.into_iter()
            .fold(happened, |family, (label, times)| family.with(vec![("event", label)], count(times))),
    ]
}

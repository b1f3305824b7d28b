//! How steady the raw counter is: its overlapping Allan deviation, from the likeliest time in the history.
//!
//! With the counter's error `x` (likeliest TAI minus counter, seconds) at `N` readings of the counter that are `τ₀` apart, and
//! `τ = m τ₀`,
//!
//! ```text
//!                     1         N-2m
//! σ²(τ)  =  ──────────────────   Σ   (x[i+2m] - 2 x[i+m] + x[i])²
//!            2 (N - 2m) (m τ₀)²  i=1
//! ```
//!
//! (W. J. Riley, Handbook of Frequency Stability Analysis, NIST Special Publication 1065, 2008, section 5.2.4.) Where there
//! are several runs, their sums and their counts of terms are added up: no term reaches from one run into another.
//!
//! Readings that are each wrong by a standard deviation `s`, independently, make `√3 s / τ` of that, whatever the counter does:
//! what is not above it says nothing of the counter and is not given.

use truechimer_core::status::Status;
use truechimer_model::page::SLEEP_MIN;
use truechimer_time::{Raw, Span, Time};

use super::{Entry, What};

/// After these the counter is not what it was.
const CUTS: [&str; 5] = ["suspended", "paused", "migrated", "clocksource_changed", "oscillator_doubted"];

/// Fewer terms are chance.
const TERMS_MIN: usize = 3;

/// A reading that is so many times as vague as most of them is one from a start, and is left out.
const VAGUE: f64 = 3.0;

/// So many readings of equal distance are made of one run at most: a year of every half a minute.
const READINGS_MAX: f64 = 1_048_576.0;

/// The deviation over one length of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Deviation {
    /// The length of time, in seconds of the counter.
    pub tau: f64,
    /// The deviation of the rate, as a ratio.
    pub deviation: f64,
    /// How many terms it is the mean of. They overlap.
    pub terms: usize,
}

/// The overlapping Allan deviation of runs of readings, for `τ₀` times each power of two that has at least one term.
pub fn overlapping(runs: &[Vec<f64>], tau_0: f64) -> Vec<Deviation> {
    let powers = (0..usize::BITS).map(|power| 1_usize << power);
    powers.map_while(|m| over(runs, tau_0, m)).collect()
}

fn over(runs: &[Vec<f64>], tau_0: f64, m: usize) -> Option<Deviation> {
    let reach = m.checked_mul(2)?;
    let terms = || {
        let within = |run: &'_ Vec<f64>| run.len().saturating_sub(reach);
        runs.iter()
            .flat_map(move |run| (0..within(run)).map(move |i| run[i + reach] - 2.0 * run[i + m] + run[i]))
    };
    let count = terms().count();
    let tau = m as f64 * tau_0;
    let sum: f64 = terms().map(|term| term * term).sum();
    let deviation = libm::sqrt(sum / (2.0 * count as f64)) / tau;
    (count > 0).then_some(Deviation { tau, deviation, terms: count })
}

/// What a history says of the counter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Steadiness {
    /// Where it is above what the readings' own errors make, in ascending order of `tau`.
    pub deviations: Vec<Deviation>,
    /// What these errors make, by length of time: also where it is more.
    pub floor: Vec<(f64, f64)>,
}

impl Steadiness {
    /// From entries, the oldest first. Empty where too little is known.
    pub fn of(entries: &[Entry]) -> Self {
        let runs = runs(entries);
        let Some(tau_0) = distance(&runs) else { return Self::default() };
        let runs = without_the_vague(runs);
        let even: Vec<Vec<f64>> =
            runs.iter().flat_map(|run| split(run, tau_0)).map(|run| resample(run, tau_0)).collect();
        let squares: f64 = runs.iter().flatten().map(|reading| reading.sigma * reading.sigma).sum();
        let sigma = libm::sqrt(squares / runs.iter().map(Vec::len).sum::<usize>().max(1) as f64);
        let floor_at = |tau: f64| libm::sqrt(3.0) * sigma / tau;
        let is_much = |it: &Deviation| it.terms >= TERMS_MIN.max((it.tau / tau_0) as usize);
        let all: Vec<Deviation> = overlapping(&even, tau_0).into_iter().filter(is_much).collect();
        Self {
            floor: all.iter().map(|it| (it.tau, floor_at(it.tau))).collect(),
            deviations: all.into_iter().filter(|it| it.deviation > floor_at(it.tau)).collect(),
        }
    }
}

/// What was measured at one reading of the counter.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Reading {
    /// The counter, in seconds since the run began.
    raw: f64,
    /// TAI minus counter, in seconds since the run began.
    x: f64,
    /// One standard deviation of it.
    sigma: f64,
}

/// The stretches in which one counter counted without a break, and what was measured then. In holdover nothing is.
fn runs(entries: &[Entry]) -> Vec<Vec<Reading>> {
    let mut making = Making::default();
    for entry in entries {
        making.take_in(entry);
    }
    making.runs
}

#[derive(Default)]
struct Making<'a> {
    runs: Vec<Vec<Reading>>,
    /// Which boot and clocksource.
    counter: Option<(&'a str, &'a str)>,
    asleep: Span,
    /// Where the last run begins: the counter, and TAI minus counter. Without it the next reading begins one.
    begun: Option<(Time<Raw>, Span)>,
}

impl<'a> Making<'a> {
    fn take_in(&mut self, entry: &'a Entry) {
        if (entry.at.asleep - self.asleep).abs() > SLEEP_MIN {
            (self.begun, self.asleep) = (None, entry.at.asleep);
        }
        match &entry.what {
            What::Born { boot, clocksource } => {
                let counter = Some((boot.as_str(), clocksource.as_str()));
                let is_known = ![boot, clocksource].iter().any(|name| *name == "unknown");
                if !is_known || self.counter != counter {
                    (self.begun, self.counter) = (None, counter);
                }
            }
            What::Told(told) if CUTS.contains(&told.label.as_str()) => self.begun = None,
            What::Known { status: Status::Disrupted | Status::Unknown, .. }
            | What::Known { model: None, .. } => {
                self.begun = None;
            }
            What::Known { status: Status::Synchronised | Status::Degraded, model: Some(model) } => {
                let (raw, best) = (model.bracket.at, model.best);
                self.hear(raw, best.since_epoch() - raw.since_epoch(), model.sigma);
            }
            What::Known { status: Status::Holdover, .. } | What::Told(_) | What::Runs(_) => {}
        }
    }

    fn hear(&mut self, raw: Time<Raw>, x: Span, sigma: Span) {
        let sigma = sigma.as_seconds();
        let first = Reading { raw: 0.0, x: 0.0, sigma };
        match (self.begun, self.runs.last_mut()) {
            (Some((raw_0, x_0)), Some(run)) => {
                let reading = Reading { raw: (raw - raw_0).as_seconds(), x: (x - x_0).as_seconds(), sigma };
                match run.last() {
                    // The same measurement, thought over.
                    Some(last) if reading.raw <= last.raw => {}
                    Some(_) | None => run.push(reading),
                }
            }
            (None, _) | (_, None) => {
                self.begun = Some((raw, x));
                self.runs.push(vec![first]);
            }
        }
    }
}

/// The smallest power of two, in seconds, that nine of ten distances between readings do not exceed.
fn distance(runs: &[Vec<Reading>]) -> Option<f64> {
    let mut apart: Vec<f64> =
        runs.iter().flat_map(|run| run.windows(2)).map(|pair| pair[1].raw - pair[0].raw).collect();
    apart.sort_by(f64::total_cmp);
    let most = apart.get(apart.len().saturating_sub(1) * 9 / 10)?;
    Some(libm::exp2(libm::ceil(libm::log2(most.max(1.0)))))
}

fn without_the_vague(mut runs: Vec<Vec<Reading>>) -> Vec<Vec<Reading>> {
    let mut sigmas: Vec<f64> = runs.iter().flatten().map(|reading| reading.sigma).collect();
    sigmas.sort_by(f64::total_cmp);
    let usual = sigmas.get(sigmas.len() / 2).copied().unwrap_or(0.0);
    for run in &mut runs {
        run.retain(|reading| reading.sigma <= VAGUE * usual);
    }
    runs
}

/// Where two readings are further apart than `2 τ₀`, what lies between them would be made up.
fn split(run: &[Reading], tau_0: f64) -> impl Iterator<Item = &[Reading]> {
    run.chunk_by(move |one, next| next.raw - one.raw <= 2.0 * tau_0).filter(|run| run.len() > 1)
}

/// At equal distances of the counter, along straight lines between the readings.
fn resample(run: &[Reading], tau_0: f64) -> Vec<f64> {
    let (begin, end) = (run[0].raw, run[run.len() - 1].raw);
    let count = libm::floor((end - begin) / tau_0).min(READINGS_MAX) as usize + 1;
    let mut next = 1;
    let between = |index: usize| {
        let raw = begin + index as f64 * tau_0;
        while next + 1 < run.len() && run[next].raw < raw {
            next += 1;
        }
        let (one, other) = (run[next - 1], run[next]);
        one.x + (other.x - one.x) * (raw - one.raw) / (other.raw - one.raw)
    };
    (0..count).map(between).collect()
}

#[cfg(test)]
mod tests;

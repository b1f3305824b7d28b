//! The likeliest time and rate from a few believed records, and how they go on.
//!
//! A record says one number and not how it came about, so the estimator of the suite, which reasons about both ways of
//! a packet, has nothing to work on. What is left is the textbook: records are noisy, the oscillator is doing
//! [something](state), and a filter weighs the one against the other. What it takes for granted is not known (how noisy
//! records are, how the rate wanders, whether it ages, what the day does), so a bank of filters runs with all answers,
//! each is believed as far as it foretold the records, and the mixture is the answer.
//!
//! On a steady oscillator that is the line through all records, with white frequency noise the line from the first to
//! the latest, on a wandering one the line through the last ones, and on an ageing one a parabola.

use alloc::vec::Vec;

use truechimer_time::Span;

use self::state::{Filter, Law, Matrix, State, Stride};
use super::drift::Habits;
use crate::discipline::bracket::Bracket;

mod state;

/// How the rate may wander, and how likely that is. A steady one is worth a few others.
const WANDERS: [(Wander, f64); 12] = [
    (Wander::Walks(1e-14), 5.0),
    (Wander::Walks(1e-13), 1.0),
    (Wander::Walks(1e-12), 1.0),
    (Wander::Walks(1e-11), 1.0),
    (Wander::Walks(1e-10), 1.0),
    (Wander::Walks(1e-9), 1.0),
    (Wander::Walks(1e-8), 1.0),
    (Wander::Walks(1e-7), 1.0),
    (Wander::Flutters(1e-6), 1.0),
    (Wander::Flutters(4e-6), 1.0),
    (Wander::Flutters(16e-6), 1.0),
    (Wander::Flutters(64e-6), 1.0),
];

/// One standard deviation of what the rate gains by ageing, per second and second, and how likely that is: not at all,
/// 0.004 and 0.026 ppm a day. The last is also what a season does.
const AGEINGS: [(f64, f64); 3] = [(0.0, 0.94), (5e-14, 0.04), (3e-13, 0.02)];

/// One standard deviation of what day and night do to the time, in seconds, and how likely that is. A rate that
/// swings by 1 ppm to either side takes the time 14 ms to either side.
const DAYS: [(f64, f64); 3] = [(0.0, 0.5), (4e-3, 0.25), (20e-3, 0.25)];

/// The noise of records, in parts of the error that is assumed at most: a third, and three times less each.
const NOISES: [f64; 5] = [1.0 / 3.0, 1.0 / 9.0, 1.0 / 27.0, 1.0 / 81.0, 1.0 / 243.0];

/// One way in which the rate may wander.
#[derive(Clone, Copy, Debug)]
enum Wander {
    /// It walks: the standard deviation of the rate after one second.
    Walks(f64),
    /// It has no memory: the standard deviation of the time after one second, in seconds.
    Flutters(f64),
}

/// What is believed of the rate before any record, in seconds per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Before {
    /// The likeliest rate.
    pub(super) rate: f64,
    /// Its standard deviation.
    pub(super) sigma: f64,
}

/// What the records make likely, from the last of them on. Seconds, and seconds per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fit {
    /// Its offset is counted from the middle of the last record.
    state: State,
    covariance: Matrix,
    /// The means of what the filters take for granted.
    law: Law,
}

impl Fit {
    /// From the middle of the last record, carried on by the counter for so many seconds, to the likeliest time.
    pub(super) fn offset(&self, passed: f64) -> f64 {
        state::dot(&Stride::over(passed).shows(), &self.state)
    }

    /// Its standard deviation.
    pub(super) fn sigma(&self, passed: f64) -> f64 {
        let shows = Stride::over(passed).shows();
        let known = state::dot(&shows, &state::through(&shows, &self.covariance));
        let wandered = passed * (self.law.white + self.law.walk * passed * passed / 3.0);
        libm::sqrt((known + wandered).max(0.0))
    }

    /// How much right time gains on the counter after so many seconds, but for the hour of the day.
    pub(super) fn rate(&self, passed: f64) -> f64 {
        self.state[state::RATE] + self.state[state::AGEING] * passed
    }

    /// Its standard deviation at the last record.
    pub(super) fn rate_sigma(&self) -> f64 {
        libm::sqrt(self.covariance[state::RATE][state::RATE].max(0.0))
    }

    /// How noisy the records are, and how the rate walks.
    pub(super) fn habits(&self) -> Habits {
        Habits { noise: libm::sqrt(self.law.noise), walk: libm::sqrt(self.law.walk) }
    }
}

/// Fits records, the oldest first, of which each is right to within `error`. `None` if there is none.
pub(super) fn fit(records: &[Bracket], before: Before, error: Span) -> Option<Fit> {
    let (&first, later) = records.split_first()?;
    let heard: Vec<Heard> =
        records.iter().zip(later).map(|(old, new)| Heard::of(first, *old, *new)).collect();
    let run = |(law, prior): (Law, f64)| (prior, heard.iter().fold(Filter::new(before, law), Heard::taken));
    let last = heard.last().map_or(0.0, |heard| heard.offset);
    Some(mixed(laws(error.as_seconds().max(1e-9)).map(run).collect(), last))
}

/// All that may be taken for granted, and how likely it is before any record.
fn laws(error: f64) -> impl Iterator<Item = (Law, f64)> {
    let days = DAYS.into_iter().flat_map(|day| AGEINGS.map(|ageing| (day, ageing)));
    let known = days.flat_map(move |known| NOISES.map(|noise| (known, square(noise * error))));
    known.flat_map(|(((day, of_day), (ageing, of_ageing)), noise)| {
        WANDERS.map(|(wander, of_wander)| {
            let (white, walk) = wander.variances();
            let law = Law { noise, white, walk, ageing: square(ageing), day: square(day) };
            (law, of_day * of_ageing * of_wander)
        })
    })
}

impl Wander {
    /// What the time gains in each second by chance of its own, and the rate.
    fn variances(self) -> (f64, f64) {
        match self {
            Self::Walks(walk) => (0.0, square(walk)),
            Self::Flutters(white) => (square(white), 0.0),
        }
    }
}

/// A record, and what passed since the one before.
#[derive(Clone, Copy, Debug)]
struct Heard {
    stride: Stride,
    /// From the first record, carried on by the counter.
    offset: f64,
}

impl Heard {
    fn of(first: Bracket, old: Bracket, new: Bracket) -> Self {
        let gained = new.middle() - first.middle() - (new.at - first.at);
        Self { stride: Stride::over((new.at - old.at).as_seconds()), offset: gained.as_seconds() }
    }

    fn taken(mut filter: Filter, heard: &Self) -> Filter {
        filter.pass(&heard.stride);
        filter.take(heard.offset);
        filter
    }
}

/// Means of all filters, and what each thinks apart from them.
fn mixed(mut bank: Vec<(f64, Filter)>, last: f64) -> Fit {
    let best = bank.iter().map(|(_, filter)| filter.log_likelihood).fold(f64::MIN, f64::max);
    bank.iter_mut().for_each(|(weight, filter)| *weight *= libm::exp(filter.log_likelihood - best));
    let total: f64 = bank.iter().map(|(weight, _)| weight).sum();
    let mean = |of: &dyn Fn(&Filter) -> f64| {
        bank.iter().map(|(weight, filter)| weight * of(filter)).sum::<f64>() / total
    };
    let middle: State = core::array::from_fn(|i| mean(&|filter| filter.state[i]));
    let apart = |filter: &Filter, i: usize| filter.state[i] - middle[i];
    let both =
        |i: usize, j: usize| mean(&|filter| filter.covariance[i][j] + apart(filter, i) * apart(filter, j));
    let law = Law {
        noise: mean(&|filter| filter.law.noise),
        white: mean(&|filter| filter.law.white),
        walk: mean(&|filter| filter.law.walk),
        ageing: mean(&|filter| filter.law.ageing),
        day: mean(&|filter| filter.law.day),
    };
    let covariance = core::array::from_fn(|i| core::array::from_fn(|j| both(i, j)));
    let mut state = middle;
    state[state::OFFSET] -= last;
    Fit { state, covariance, law }
}

fn square(x: f64) -> f64 {
    x * x
}

#[cfg(test)]
mod tests;

//! A contest: the same entrants in many settings, over several seeds each, on all cores.

use super::ours::Ours;
use super::score::{Score, geometric_mean};
use super::trial::{self, Entrant, Outcome, Schedule, Setting, Worth};
use crate::sheet::{Cell, Column, Form};
use crate::work::Effort;
use crate::yardstick::{Clockspeed, KalmanBank, Limit, Polls, Regression, Told};

/// Our method, in the tables.
pub const OURS: &str = "ours";
/// The method that others are measured by.
pub const YARDSTICK: &str = "regression";
/// One who knows all but the clock.
pub const LIMIT: &str = "limit";

/// How many particles the limit is made of.
const PARTICLES: usize = 1000;

/// Our method alone.
pub fn ours() -> Vec<Entrant> {
    vec![Entrant::new(OURS, Ours::default())]
}

/// All who are told nothing.
pub fn uninformed(setting: &Setting) -> Vec<Entrant> {
    let polls = match setting.schedule {
        Schedule::Fixed(interval) => Polls { min: power(interval), max: power(interval) },
        Schedule::Led { least, most } => Polls { min: power(least), max: power(most) },
    };
    let mut entrants = vec![
        Entrant::new(YARDSTICK, Regression::new(polls)),
        Entrant::new("kalman", KalmanBank::new()),
        Entrant::new("clockspeed", Clockspeed::new()),
    ];
    entrants.extend(ours());
    entrants
}

/// All of these, and one who is told everything about a setting of plain jitter, but not where the clock is.
pub fn everybody(setting: &Setting, seed: u64) -> Vec<Entrant> {
    let (base, half) = (setting.path.base.as_seconds(), setting.path.asymmetry.as_seconds() / 2.0);
    let jitter = setting.path.jitter.as_seconds();
    let told = Told {
        wander: setting.oscillator.walk,
        base: [base + half, base - half],
        jitter: [jitter, jitter * setting.path.jitter_back],
    };
    let mut entrants = uninformed(setting);
    entrants.push(Entrant::new(LIMIT, Limit::new(told, PARTICLES, seed)));
    entrants
}

/// The power of two of seconds that is nearest to an interval.
fn power(interval: f64) -> i32 {
    libm::round(libm::log2(interval)) as i32
}

/// What came of all the seeds of one setting.
#[derive(Clone, Debug, PartialEq)]
pub struct Standings {
    /// What each entrant was worth.
    pub results: Vec<Worth>,
    /// The mean interval between two questions, in seconds.
    pub interval: f64,
}

impl Standings {
    fn of(outcomes: &[Outcome]) -> Self {
        let entrants = outcomes.first().map_or(0, |outcome| outcome.results.len());
        let worth = |index: usize| {
            let all: Vec<Worth> = outcomes.iter().map(|outcome| outcome.results[index]).collect();
            let together = |part: fn(&Worth) -> Option<Score>| {
                let scores: Option<Vec<Score>> = all.iter().map(part).collect();
                scores.map(|scores| Score::together(&scores))
            };
            Worth { name: all[0].name, guess: together(|w| w.guess), clock: together(|w| w.clock) }
        };
        let intervals: f64 = outcomes.iter().map(|outcome| outcome.interval).sum();
        Self {
            results: (0..entrants).map(worth).collect(),
            interval: intervals / outcomes.len().max(1) as f64,
        }
    }

    /// The guesses of an entrant, if it took part and said something in every history.
    pub fn guess(&self, name: &str) -> Option<Score> {
        self.results.iter().find(|worth| worth.name == name)?.guess
    }

    /// The clock that followed it.
    pub fn clock(&self, name: &str) -> Option<Score> {
        self.results.iter().find(|worth| worth.name == name)?.clock
    }

    /// By how many times the yardstick errs more than a clock that follows ours. The yardstick slews for itself.
    pub fn gain(&self) -> Option<f64> {
        Some(self.guess(YARDSTICK)?.rms / self.clock(OURS)?.rms)
    }

    /// By how many times our guess errs more than the limit.
    pub fn excess(&self) -> Option<f64> {
        Some(self.guess(OURS)?.rms / self.guess(LIMIT)?.rms)
    }
}

/// Holds the contest: `enter` says for a cell and a seed what is tried and who takes part.
pub fn hold<C: Sync>(
    effort: &Effort<'_>,
    cells: &[C],
    seeds: u64,
    enter: impl Fn(&C, u64) -> (Setting, Vec<Entrant>) + Sync,
) -> Vec<Standings> {
    let seeds = effort.seeds(seeds);
    let pieces: Vec<(&C, u64)> =
        cells.iter().flat_map(|cell| seeds.clone().map(move |seed| (cell, seed))).collect();
    let outcomes = effort.map(&pieces, |&(cell, seed)| {
        let (setting, entrants) = enter(cell, seed);
        trial::run(&setting, seed, entrants)
    });
    let histories = seeds.count();
    outcomes.chunks(histories).map(Standings::of).collect()
}

/// The heads of what a table says about each setting.
pub fn columns(standings: &[Standings]) -> Vec<Column> {
    let names = standings.first().map_or_else(Vec::new, |standings| {
        standings.results.iter().map(|worth| worth.name).collect::<Vec<_>>()
    });
    let mut columns = vec![Column::new("interval", "s", Form::Fixed(0))];
    columns.extend(names.into_iter().map(|name| Column::new(name, "µs", Form::Short)));
    columns.extend([
        Column::new("our clock", "µs", Form::Short),
        Column::new("p99.9", "µs", Form::Short),
        Column::new(format!("{YARDSTICK}/{OURS}"), "", Form::Fixed(2)),
        Column::new("p99.9 ratio", "", Form::Fixed(2)),
        Column::new(format!("{OURS}/{LIMIT}"), "", Form::Fixed(2)),
        Column::new("covered 95", "%", Form::Fixed(1)),
        Column::new("covered 6σ", "%", Form::Fixed(3)),
    ]);
    columns
}

/// What a table says about a setting.
pub fn cells(standings: &Standings) -> Vec<Cell> {
    let micros = |seconds: f64| seconds * 1e6;
    let (ours, clock) = (standings.guess(OURS), standings.clock(OURS));
    let tail = |score: Score| score.p999;
    let tails = standings.guess(YARDSTICK).map(tail).zip(clock.map(tail));
    let mut cells = vec![standings.interval.into()];
    cells
        .extend(standings.results.iter().map(|worth| Cell::from(worth.guess.map(|score| micros(score.rms)))));
    cells.extend([
        clock.map(|score| micros(score.rms)).into(),
        clock.map(|score| micros(score.p999)).into(),
        standings.gain().into(),
        tails.map(|(yardstick, ours)| yardstick / ours).into(),
        standings.excess().into(),
        ours.map(|score| score.within_95 * 100.0).into(),
        ours.map(|score| score.within_most * 100.0).into(),
    ]);
    cells
}

/// By how much ours is better in the mean and at the worst.
pub fn gains(standings: &[Standings]) -> Vec<(String, f64, usize)> {
    let gains: Vec<f64> = standings.iter().filter_map(Standings::gain).collect();
    let mean = geometric_mean(&gains).map(|mean| (format!("{YARDSTICK}/{OURS}, geometric mean"), mean, 2));
    let worst = gains.iter().copied().reduce(f64::min);
    let worst = worst.map(|worst| (format!("{YARDSTICK}/{OURS}, worst"), worst, 2));
    mean.into_iter().chain(worst).collect()
}

//! Holdover in the laboratory: an oscillator is measured for days, then nobody answers for a month.
//!
//! What is asked: how far off the time is after ten minutes and after thirty days, by our forecast, by the straight line
//! from our last estimate, and by the line of a regression (the best that is in the field); how good the forecast of the
//! error itself is; and whether the bound is ever false. The bound is that of the daemon: the model is made of the
//! same brackets and limits as a node makes it from one source.

use crate::sheet::{Cell, Column, Form, Sheet};
use crate::work::Effort;

mod case;
mod life;

pub use case::Case;

use life::{Look, Story};

/// After so long is looked, in seconds, and what that is called.
const LOOKS: [(i64, &str); 5] =
    [(600, "10 min"), (3600, "1 h"), (86_400, "1 d"), (7 * 86_400, "7 d"), (30 * 86_400, "30 d")];

/// 999 in 1000 of a normal distribution are within so many standard deviations.
const SIGMAS_P999: f64 = 3.29;

/// So many histories make a root mean square that is right to within a ninth, in some minutes of two cores.
const SEEDS: u64 = 40;

/// The quick form has few histories.
const SEEDS_QUICK: u64 = 4;

/// For how many days is measured, and of which oscillators.
fn stories(effort: &Effort<'_>) -> (Vec<(Case, i64)>, u64) {
    let trained = |days: i64| move |case: Case| (case, days);
    match effort.quick {
        true => {
            let cases = Case::all().into_iter().filter(|case| case.is_telling);
            (cases.map(trained(4)).collect(), effort.seeds.unwrap_or(SEEDS_QUICK))
        }
        false => {
            let short = Case::all().into_iter().map(trained(2));
            (short.chain(Case::all().into_iter().map(trained(7))).collect(), effort.seeds.unwrap_or(SEEDS))
        }
    }
}

/// The table, and whether no bound was false.
pub fn sheets(effort: &Effort<'_>) -> Vec<Sheet> {
    let (stories, seeds) = stories(effort);
    let lives: Vec<Story> = stories
        .iter()
        .flat_map(|(case, days)| (1..=seeds).map(move |seed| Story { case: case.clone(), days: *days, seed }))
        .collect();
    let told = effort.map(&lives, Story::live);
    let mut sheet = Sheet::new("holdover", columns());
    let (mut false_bounds, mut bounds) = (0, 0);
    for ((case, days), lives) in stories.iter().zip(told.chunks(seeds as usize)) {
        false_bounds += lives.iter().map(|life| life.bounds_false).sum::<u64>();
        bounds += lives.iter().map(|life| life.bounds_seen).sum::<u64>();
        for (look, &(_, after)) in LOOKS.iter().enumerate() {
            let looks: Vec<&Look> = lives.iter().map(|life| &life.looks[look]).collect();
            sheet.row(row(case, *days, after, &looks));
        }
    }
    sheet.findings.push(("bounds looked at".into(), bounds as f64, 0));
    sheet.findings.push(("bounds that were false".into(), false_bounds as f64, 0));
    sheet.holds = false_bounds == 0;
    vec![sheet]
}

fn columns() -> Vec<Column> {
    vec![
        Column::new("oscillator", "", Form::Words),
        Column::new("measured", "d", Form::Fixed(0)),
        Column::new("after", "", Form::Words),
        Column::new("ours", "ms", Form::Short),
        Column::new("line", "ms", Form::Short),
        Column::new("regression", "ms", Form::Short),
        Column::new("p999", "ms", Form::Short),
        Column::new("foretold", "ms", Form::Short),
        Column::new("ratio", "", Form::Short),
        Column::new("within 95", "%", Form::Fixed(1)),
        Column::new("within p999", "%", Form::Fixed(1)),
        Column::new("bound", "ms", Form::Short),
    ]
}

/// Root mean squares over the histories for errors, medians for what is claimed. The errors of many histories are
/// normal, so the true 99.9th percentile is told by their root mean square.
fn row(case: &Case, days: i64, after: &str, looks: &[&Look]) -> Vec<Cell> {
    let ours = rms(looks, |look| look.ours);
    let foretold = median(looks, |look| look.p999);
    let share = |is_in: &dyn Fn(&Look) -> bool| {
        100.0 * looks.iter().filter(|look| is_in(look)).count() as f64 / looks.len() as f64
    };
    vec![
        case.name.into(),
        (days as f64).into(),
        after.into(),
        (ours * 1e3).into(),
        (rms(looks, |look| look.line) * 1e3).into(),
        (rms(looks, |look| look.regression) * 1e3).into(),
        (ours * SIGMAS_P999 * 1e3).into(),
        (foretold * 1e3).into(),
        (foretold / ours / SIGMAS_P999).into(),
        share(&|look| look.ours.abs() <= 1.96 * look.sigma).into(),
        share(&|look| look.ours.abs() <= look.p999).into(),
        (median(looks, |look| look.bound) * 1e3).into(),
    ]
}

fn rms(looks: &[&Look], figure: impl Fn(&Look) -> f64) -> f64 {
    let squares: f64 = looks.iter().map(|look| figure(look).powi(2)).sum();
    libm::sqrt(squares / looks.len() as f64)
}

fn median(looks: &[&Look], figure: impl Fn(&Look) -> f64) -> f64 {
    let mut figures: Vec<f64> = looks.iter().map(|look| figure(look)).collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

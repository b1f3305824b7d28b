//! Years of random worlds: is a bound ever false?
//!
//! Each seed makes a [world](worlds) of a class, of a length that the seed decides too; seeds are taken one after another
//! until their worlds make up the machine-years that were asked for. A world is looked at whenever anything happens in
//! it, once a minute at least, and every second wherever a bound could become false in between (see [`World::watched`]).
//! The table says how often was looked.
//!
//! Beside the violations, of which there must be none, it says how tight the bounds are: the mean bound against the error
//! that was exceeded for one thousandth of the time, with and without what the asymmetry of paths forces on anybody: half
//! the least round trip.

use std::ops::RangeInclusive;

use truechimer_time::Span;

use crate::oracle::Said;
use crate::scenario::Scenario;
use crate::sheet::{Cell, Column, Form, Sheet};
use crate::work::Effort;
use crate::world::{Outcome, World};
use worlds::{Class, length, world};

mod dice;

pub mod worlds;

/// A Julian year, in seconds.
const YEAR: f64 = 31_557_600.0;

/// So many machine-years are made if nobody says how many.
const USUAL: f64 = 10.0;

/// The quick form has so many worlds.
const QUICK_SEEDS: usize = 26;

/// No world of the quick form is longer.
const QUICK_LENGTH: Span = Span::from_secs(86_400);

/// What came of one world.
struct Found {
    seed: u64,
    class: Class,
    years: f64,
    looks: u64,
    false_bounds: u64,
    false_claims: u64,
    first: Option<f64>,
    excess: f64,
    forced: f64,
    said: Said,
    questions: u64,
}

/// The table by class, and the violations if there are any.
pub fn table(effort: &Effort<'_>) -> Vec<Sheet> {
    let seeds = seeds(effort);
    let found = effort.map(&seeds, |&seed| find(seed));
    let mut sheets = vec![by_class(&found)];
    let bad: Vec<&Found> = found.iter().filter(|found| found.is_bad()).collect();
    if !bad.is_empty() {
        sheets.push(violations(&bad));
    }
    sheets
}

/// The seeds whose worlds are made.
fn seeds(effort: &Effort<'_>) -> Vec<u64> {
    let all = effort.range.clone().unwrap_or(1..=u64::MAX);
    if effort.quick {
        return all.filter(|&seed| length(seed) <= QUICK_LENGTH).take(QUICK_SEEDS).collect();
    }
    let budget = effort.budget.or(effort.range.is_none().then_some(USUAL)).unwrap_or(f64::INFINITY);
    within(all, budget * YEAR)
}

/// Seeds until their worlds last so many seconds.
fn within(all: RangeInclusive<u64>, mut left: f64) -> Vec<u64> {
    all.take_while(|&seed| {
        let is_wanted = left > 0.0;
        left -= length(seed).as_seconds();
        is_wanted
    })
    .collect()
}

fn find(seed: u64) -> Found {
    let scenario = world(seed);
    let outcome = World::new(&scenario, seed).watched().run();
    Found::of(seed, &scenario, outcome)
}

impl Found {
    fn of(seed: u64, scenario: &Scenario, outcome: Outcome) -> Self {
        let oracle = outcome.oracle;
        let first = oracle.first_false.map(|at| (at - scenario.start).as_seconds());
        Self {
            seed,
            class: Class::of(seed),
            years: scenario.duration.as_seconds() / YEAR,
            looks: oracle.bounds_seen,
            false_bounds: oracle.bounds_false,
            false_claims: oracle.claims_false,
            first,
            excess: oracle.worst_excess.as_seconds(),
            forced: scenario.forced().as_seconds(),
            said: oracle.said,
            questions: outcome.questions,
        }
    }

    fn is_bad(&self) -> bool {
        self.false_bounds + self.false_claims > 0
    }
}

impl Scenario {
    /// No bound can be smaller than half of the least round trip: so asymmetric may the path be.
    fn forced(&self) -> Span {
        self.servers.iter().map(|server| server.path.base).min().unwrap_or(Span::ZERO)
    }
}

fn by_class(found: &[Found]) -> Sheet {
    let column = Column::new;
    let mut sheet = Sheet::new(
        "years",
        vec![
            column("class", "", Form::Words),
            column("worlds", "", Form::Fixed(0)),
            column("years", "", Form::Fixed(2)),
            column("looks", "", Form::Fixed(0)),
            column("false bounds", "", Form::Fixed(0)),
            column("false claims", "", Form::Fixed(0)),
            column("known", "%", Form::Fixed(2)),
            column("mean bound", "ms", Form::Short),
            column("p99.9 error", "ms", Form::Short),
            column("ratio", "", Form::Short),
            column("forced", "ms", Form::Short),
            column("ratio beyond", "", Form::Short),
            column("questions a day", "", Form::Short),
        ],
    );
    for class in Class::ALL {
        let worlds: Vec<&Found> = found.iter().filter(|found| found.class == class).collect();
        if !worlds.is_empty() {
            sheet.row(row(class.name(), &worlds));
        }
    }
    let all: Vec<&Found> = found.iter().collect();
    sheet.row(row("all", &all));
    sheet.holds = !all.iter().any(|found| found.is_bad());
    sheet
}

fn row(name: &str, worlds: &[&Found]) -> Vec<Cell> {
    let sum = |figure: fn(&Found) -> f64| worlds.iter().map(|found| figure(found)).sum::<f64>();
    let years = sum(|found| found.years);
    let mut said = Said::default();
    worlds.iter().for_each(|found| said.join(&found.said));
    let bound = said.mean_bound();
    let error = said.percentile(0.999);
    // Weighted as the bounds are: by how long something was said.
    let forced = sum(|found| found.forced * found.said.seconds) / said.seconds.max(1e-9);
    let ratio = |bound: f64| error.map(|error| bound / error);
    vec![
        name.into(),
        (worlds.len() as f64).into(),
        years.into(),
        sum(|found| found.looks as f64).into(),
        sum(|found| found.false_bounds as f64).into(),
        sum(|found| found.false_claims as f64).into(),
        (100.0 * said.seconds / (years * YEAR)).into(),
        bound.map(|bound| bound * 1e3).into(),
        error.map(|error| error * 1e3).into(),
        bound.and_then(ratio).into(),
        (forced * 1e3).into(),
        bound.and_then(|bound| ratio(bound - forced)).into(),
        (sum(|found| found.questions as f64) / (years * YEAR / 86_400.0)).into(),
    ]
}

/// What to replay.
fn violations(bad: &[&Found]) -> Sheet {
    let mut sheet = Sheet::new(
        "violations",
        vec![
            Column::new("replay by", "", Form::Words),
            Column::new("class", "", Form::Words),
            Column::new("false bounds", "", Form::Fixed(0)),
            Column::new("first after", "s", Form::Fixed(3)),
            Column::new("worst excess", "µs", Form::Short),
            Column::new("false claims", "", Form::Fixed(0)),
        ],
    );
    for found in bad {
        sheet.row(vec![
            format!("truechimer sim years --seeds {0}..{0}", found.seed).into(),
            found.class.name().into(),
            (found.false_bounds as f64).into(),
            found.first.into(),
            (found.excess * 1e6).into(),
            (found.false_claims as f64).into(),
        ]);
    }
    sheet.holds = false;
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_spent_and_no_more_than_a_world_beyond_it() {
        let seeds = seeds(&Effort { budget: Some(2.0), quick: false, ..Effort::QUICK });
        let years: f64 = seeds.iter().map(|&seed| length(seed).as_seconds() / YEAR).sum();
        assert!((2.0..3.0).contains(&years), "{years}");
        assert_eq!(seeds[0], 1);
    }

    #[test]
    fn a_range_of_seeds_is_made_whole() {
        let effort = Effort { range: Some(17..=19), quick: false, ..Effort::QUICK };
        assert_eq!(seeds(&effort), [17, 18, 19]);
    }
}

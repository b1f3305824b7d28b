//! Golden tables: what a person would compare, one line a scenario.

use crate::oracle::Oracle;
use crate::scenario::Scenario;
use crate::world::Outcome;

/// The head of the table.
pub const HEAD: &str = "scenario         settle s     rms us      max us   rate err ppb   mean bound us   bounds held   false   questions   steps";

/// One line of the table.
pub fn line(scenario: &Scenario, outcome: &Outcome) -> String {
    let oracle = &outcome.oracle;
    let settle = oracle.settled_at().map(|at| (at - scenario.start).as_seconds());
    format!(
        "{:<15}  {:>8}  {:>9}  {:>10.1}  {:>13.1}  {:>14}  {:>12}  {:>6}  {:>10}  {:>6}",
        scenario.name,
        settle.map_or("never".into(), |seconds| format!("{seconds:.1}")),
        micros(oracle.clock.rms()),
        oracle.clock.worst().as_seconds() * 1e6,
        (outcome.rate_error * 1e9).abs(),
        micros(oracle.bound.mean()),
        held(oracle),
        outcome.falsetickers.len(),
        outcome.questions,
        outcome.told.stepped,
    )
}

fn micros(seconds: Option<f64>) -> String {
    seconds.map_or("-".into(), |seconds| format!("{:.1}", seconds * 1e6))
}

/// The share of the looks at which the bound held, cut and not rounded: 100 % means all of them.
fn held(oracle: &Oracle) -> String {
    let good = oracle.bounds_seen - oracle.bounds_false;
    let thousandths = (good * 100_000).checked_div(oracle.bounds_seen).unwrap_or(0);
    format!("{}.{:03} %", thousandths / 1000, thousandths % 1000)
}

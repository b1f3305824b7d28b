//! Holdover, the table in its quick form and a node that lives through it.

mod common;

use common::{assert_golden, quick};
use truechimer_sim::holdover::sheets;
use truechimer_sim::oscillator::OscillatorSpec;
use truechimer_sim::oscillator::course::Sine;
use truechimer_sim::scenario::{Change, Scenario};
use truechimer_sim::sheet::Sheet;
use truechimer_sim::world::World;
use truechimer_time::Span;

#[test]
fn the_golden_table_stands_and_no_bound_is_false() {
    let sheets = sheets(&quick());
    assert_golden("holdover", &sheets);
    who_knows_the_day_or_the_temperature_is_right(&sheets[0]);
}

/// A day after the cut, where the straight line is tens of milliseconds off.
fn who_knows_the_day_or_the_temperature_is_right(sheet: &Sheet) {
    let (ours, line) = (sheet.figures("ours"), sheet.figures("line"));
    for row in [7, 12] {
        assert!(ours[row] < 4.5 && line[row] > 5.0 * ours[row], "{:?}", sheet.rows[row]);
    }
}

/// Through a restart in the middle, which loses nothing of what was learned.
#[test]
fn a_node_that_has_seen_four_days_keeps_its_clock_right_through_the_fifth() {
    let hours = |hours: i64| Span::from_secs(3600 * hours);
    let scenario = Scenario {
        name: "fifth-day",
        about: "1 ppm of day and night; after four days nobody answers",
        duration: hours(5 * 24 + 6),
        oscillator: OscillatorSpec {
            sines: vec![Sine::daily(1.0)],
            walk: 1e-10,
            ..OscillatorSpec::default()
        },
        changes: vec![(hours(60), Change::Restart), (hours(4 * 24), Change::CutAll(true))],
        ..Scenario::default()
    };
    for seed in 1..=3 {
        let oracle = World::new(&scenario, seed).run().oracle;
        assert_eq!(oracle.bounds_false, 0, "seed {seed}: by {}", oracle.worst_excess);
        // The straight line from the cut is off by 50 ms and more half a day later, whatever its phase.
        assert!(oracle.clock.worst() < Span::from_millis(10), "seed {seed}: {}", oracle.clock.worst());
    }
}

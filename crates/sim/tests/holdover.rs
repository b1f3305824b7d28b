//! The golden table of holdover, its quick form: a change of it is a change of behaviour, which a person has to read and
//! to mean. The whole table is in `golden/holdover.txt`.
//!
//! `TRUECHIMER_BLESS=1 cargo test -p truechimer-sim --test holdover` writes the quick one anew, and
//! `cargo run --release -p truechimer -- sim holdover > crates/sim/tests/golden/holdover.txt` the whole.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;

use truechimer_sim::holdover::sheets;
use truechimer_sim::oscillator::OscillatorSpec;
use truechimer_sim::oscillator::course::Sine;
use truechimer_sim::scenario::{Change, Scenario};
use truechimer_sim::sheet::Sheet;
use truechimer_sim::work::Effort;
use truechimer_sim::world::World;
use truechimer_time::Span;

const GOLDEN: &str = "tests/golden/holdover-quick.txt";

#[test]
fn the_golden_table_stands_and_no_bound_is_false() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(GOLDEN);
    let sheets = sheets(&Effort { jobs: NonZeroUsize::new(2).expect("two"), ..Effort::QUICK });
    let made: String = sheets.iter().map(ToString::to_string).collect();
    if std::env::var_os("TRUECHIMER_BLESS").is_some() {
        fs::write(&path, &made).expect("the golden table can be written");
    }
    let golden = fs::read_to_string(&path).expect("the golden table is there");
    assert_eq!(made, golden, "\nmade:\n{made}\ngolden:\n{golden}");
    assert!(sheets.iter().all(|sheet| sheet.holds), "a bound was false");
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

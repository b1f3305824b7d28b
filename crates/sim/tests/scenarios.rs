//! The golden table: a change of it is a change of behaviour, which a person has to read and to mean.
//!
//! `TRUECHIMER_BLESS=1 cargo test -p truechimer-sim --test scenarios` writes it anew.

use std::fs;
use std::path::Path;

use truechimer_sim::scenario;
use truechimer_sim::table;
use truechimer_sim::world::World;

const GOLDEN: &str = "tests/golden/scenarios.txt";

fn table() -> String {
    let mut text = format!("{}\n", table::HEAD);
    for scenario in scenario::all() {
        text += &table::line(&scenario, &World::new(&scenario, 1).run());
        text.push('\n');
    }
    text
}

#[test]
fn the_golden_table_stands() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(GOLDEN);
    let made = table();
    if std::env::var_os("TRUECHIMER_BLESS").is_some() {
        fs::write(&path, &made).expect("the golden table can be written");
    }
    let golden = fs::read_to_string(&path).expect("the golden table is there");
    assert_eq!(made, golden, "\nmade:\n{made}\ngolden:\n{golden}");
}

#[test]
fn the_same_seed_makes_the_same_history() {
    let scenario = scenario::by_name("internet").expect("a scenario of that name");
    let story = |seed| World::new(&scenario, seed).with_story().run().story;
    assert_eq!(story(7), story(7));
    assert_ne!(story(7), story(8));
}

#[test]
fn no_bound_is_false_in_any_scenario() {
    for scenario in scenario::all().iter().filter(|scenario| scenario.name != "year") {
        for seed in 2..8 {
            let outcome = World::new(scenario, seed).run();
            let oracle = &outcome.oracle;
            assert_eq!(oracle.bounds_false, 0, "{} seed {seed}: by {}", scenario.name, oracle.worst_excess);
            assert!(oracle.bounds_seen > 100, "{} seed {seed} was looked at", scenario.name);
        }
    }
}

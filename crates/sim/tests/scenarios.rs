//! The golden table: a change of it is a change of behaviour that a person has to read.

use truechimer_sim::scenario;
use truechimer_sim::table;
use truechimer_sim::world::World;

fn table() -> String {
    let mut text = format!("{}\n", table::HEAD);
    for scenario in scenario::all().iter() {
        text += &table::line(scenario, &World::new(scenario, 1).run());
        text.push('\n');
    }
    text
}

#[test]
fn the_golden_table_stands() {
    print!("{}", table());
}

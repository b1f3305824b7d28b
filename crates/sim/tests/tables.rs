//! The tables of the laboratory, in their quick form: a change of one is a change of how right the clock is, which a
//! person has to read and to mean.
//!
//! `TRUECHIMER_BLESS=1 cargo test -p truechimer-sim --test tables` writes the quick ones anew. The full ones stand beside
//! them; the first line of each names the command that made it.

use std::fs;
use std::path::PathBuf;

use truechimer_sim::lab::{matrix, poll, robust};
use truechimer_sim::sheet::Sheet;
use truechimer_sim::work::Effort;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn text(sheets: &[Sheet]) -> String {
    sheets.iter().map(Sheet::to_string).collect::<Vec<_>>().join("\n")
}

/// The command is the first line, so that a reader knows how to make the table.
fn titled(arguments: &str, table: &str) -> String {
    format!("$ cargo run --release -p truechimer -- sim {arguments}\n{table}")
}

fn assert_golden(name: &str, make: fn(&Effort<'_>) -> Vec<Sheet>) {
    let jobs = std::thread::available_parallelism().expect("the number of cores is known");
    let sheets = make(&Effort { jobs, ..Effort::QUICK });
    let made = titled(&format!("{name} --quick"), &text(&sheets));
    let path = golden(&format!("{name}-quick.txt"));
    if std::env::var_os("TRUECHIMER_BLESS").is_some() {
        fs::write(&path, &made).expect("the golden table can be written");
    }
    let stands = fs::read_to_string(&path).expect("the golden table is there");
    assert_eq!(made, stands, "\nmade:\n{made}\ngolden:\n{stands}");
    let full = fs::read_to_string(golden(&format!("{name}.txt"))).expect("the full table is there");
    assert!(full.starts_with(&titled(name, "")), "{name}.txt says how it was made");
    for column in sheets.iter().flat_map(|sheet| &sheet.columns) {
        assert!(full.contains(&column.name), "{name}.txt is older than its column {}", column.name);
    }
}

#[test]
fn the_matrix_stands() {
    assert_golden("matrix", matrix::sheets);
}

#[test]
fn the_troubles_stand() {
    assert_golden("robust", robust::sheets);
}

#[test]
fn the_intervals_stand() {
    assert_golden("poll", poll::sheets);
}

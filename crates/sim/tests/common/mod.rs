//! Golden tables: a change of one is a change of how right the clock is, which a person has to read and to mean.
//!
//! `TRUECHIMER_BLESS=1 cargo test -p truechimer-sim` writes the quick forms anew, and `bench/tables` the whole ones, which stand
//! beside them. The first line of each is the command that makes it.

use std::fs;
use std::path::PathBuf;
use std::thread;

use truechimer_sim::sheet::Sheet;
use truechimer_sim::work::Effort;

/// What a table is made with here: its quick form, on all cores.
pub(crate) fn quick() -> Effort<'static> {
    let jobs = thread::available_parallelism().expect("the number of cores is known");
    Effort { jobs, ..Effort::QUICK }
}

/// The quick form of a table is the one that stands, all that must hold does, and the whole table has the same columns.
#[track_caller]
pub(crate) fn assert_golden(name: &str, sheets: &[Sheet]) {
    let made = titled(&format!("{name} --quick"), &text(sheets));
    let path = golden(&format!("{name}-quick.txt"));
    if std::env::var_os("TRUECHIMER_BLESS").is_some() {
        fs::write(&path, &made).expect("the golden table can be written");
    }
    let stands = fs::read_to_string(&path).expect("the golden table is there");
    assert_eq!(made, stands, "\nmade:\n{made}\ngolden:\n{stands}");
    assert!(sheets.iter().all(|sheet| sheet.holds), "a bound was false:\n{made}");
    let whole = fs::read_to_string(golden(&format!("{name}.txt"))).expect("the whole table is there");
    assert!(whole.starts_with(&command(name)), "{name}.txt says how it was made");
    for column in sheets.iter().flat_map(|sheet| &sheet.columns) {
        assert!(whole.contains(&column.name), "{name}.txt is older than its column {}", column.name);
    }
}

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn text(sheets: &[Sheet]) -> String {
    sheets.iter().map(Sheet::to_string).collect::<Vec<_>>().join("\n")
}

fn titled(arguments: &str, table: &str) -> String {
    format!("{}\n{table}", command(arguments))
}

fn command(arguments: &str) -> String {
    format!("$ cargo run --release -p truechimer -- sim {arguments}")
}

//! The table of `docs/bad-inputs.md` names tests that there are, and leaves no number out; those of
//! `docs/manual/from-clockspeed.md` and `docs/manual/server.md` name tests that there are.

use std::collections::BTreeSet;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// The numbers that the table has to have a row for.
const WANTED: [RangeInclusive<u32>; 12] = [
    1..=37,
    38..=57,
    58..=82,
    84..=88,
    89..=98,
    105..=107,
    116..=116,
    119..=119,
    121..=122,
    124..=126,
    129..=130,
    133..=142,
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn table() -> String {
    page("docs/bad-inputs.md")
}

fn page(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect("the table is there")
}

#[test]
fn each_test_of_the_tables_exists() {
    for (page_path, least) in
        [("docs/bad-inputs.md", 50), ("docs/manual/from-clockspeed.md", 5), ("docs/manual/server.md", 10)]
    {
        let text = page(page_path);
        let named: BTreeSet<(&str, &str)> = text
            .split('`')
            .filter(|word| word.starts_with("crates/"))
            .filter_map(|word| word.split_once("::"))
            .collect();
        assert!(named.len() > least, "{page_path} is read");
        for (path, name) in named {
            let source =
                fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
            assert!(source.contains(&format!("fn {name}(")), "{page_path}: {path} has no test {name}");
        }
    }
}

#[test]
fn each_number_has_its_row() {
    let table = table();
    let rows: BTreeSet<u32> =
        table.lines().filter_map(|line| line.split('|').nth(1)?.trim().parse().ok()).collect();
    let missing: Vec<u32> = WANTED.into_iter().flatten().filter(|number| !rows.contains(number)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    for row in table.lines().filter(|line| line.starts_with("| ") && line.contains("::")) {
        assert_eq!(row.matches(" | ").count(), 2, "three cells: {row}");
    }
}

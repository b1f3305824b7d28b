//! The tables of `sim`, through the real binary.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn sim(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_truechimer"))
        .arg("sim")
        .args(arguments)
        .output()
        .expect("the binary was built for this test")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("plain text")
}

/// The golden files are made by exactly this command.
#[test]
fn what_is_printed_is_the_golden_table() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sim/tests/golden/poll-quick.txt");
    let golden = fs::read_to_string(golden).expect("the golden table is there");
    let (_, table) = golden.split_once('\n').expect("the command stands first");
    for jobs in ["1", "3"] {
        let output = sim(&["poll", "--quick", "--jobs", jobs]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert_eq!(text(&output.stdout), table, "on {jobs} threads");
        assert!(output.stderr.is_empty(), "no bar where nobody watches");
    }
}

#[test]
fn programs_get_an_object_a_sheet() {
    let output = sim(&["poll", "--quick", "--json"]);
    let object: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one object");
    assert_eq!(object["table"], "poll");
    assert_eq!(object["holds"], true);
    assert!(object["rows"][0]["times rarer"].as_f64().is_some_and(|times| times > 1.0), "{object}");
}

#[test]
fn a_name_that_does_not_exist_lists_those_that_do() {
    let output = sim(&["nonsense"]);
    assert_eq!(output.status.code(), Some(100));
    let told = text(&output.stderr);
    for name in ["quiet-lan", "matrix", "robust", "poll"] {
        assert!(told.contains(&format!("\n  {name}")), "{told}");
    }
}

#[test]
fn a_folder_that_is_not_there_is_a_failure_with_its_name() {
    let output = sim(&["--plot", "/nonexistent", "--quick"]);
    assert_eq!(output.status.code(), Some(111));
    assert!(text(&output.stderr).contains("cannot write to /nonexistent: "), "{}", text(&output.stderr));
}

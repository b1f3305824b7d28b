//! The manual tells the truth: its configuration file, and what it shows of programs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use truechimer::config::Config;

fn example() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/manual/truechimer.toml");
    fs::read_to_string(path).expect("the manual is in the repository")
}

/// The example with the keys that have no default brought to life: `#key = ..`, while prose begins with `# `.
fn with_everything() -> String {
    let live = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c == '[' || c.is_ascii_lowercase()) => rest.to_owned(),
        Some(_) | None => line.to_owned(),
    };
    example().lines().map(|line| live(line) + "\n").collect()
}

fn keys(text: &str) -> BTreeSet<String> {
    let mut table = String::new();
    let mut keys = BTreeSet::new();
    for line in text.lines() {
        match (line.starts_with('['), line.split_once(" = ")) {
            (true, _) => table = line.to_owned(),
            (false, Some((key, _))) if !key.starts_with('#') => drop(keys.insert(format!("{table} {key}"))),
            (false, Some(_) | None) => {}
        }
    }
    keys
}

#[test]
fn the_example_is_the_defaults() {
    assert_eq!(Config::parse("truechimer.toml", &example()).unwrap(), Config::defaults());
}

#[test]
fn the_example_has_every_key() {
    let everything = Config::parse("truechimer.toml", &with_everything()).unwrap();
    assert!(
        everything.serve.is_some() && everything.statistics.dir.is_some() && everything.leap_file.is_some()
    );
    assert_eq!(keys(&with_everything()), keys(&everything.to_toml()));
}

#[test]
fn each_check_of_the_doctor_has_a_section_in_the_order_of_its_report() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/manual/doctor.md");
    let manual = fs::read_to_string(path).expect("the manual is in the repository");
    let sections: Vec<&str> = manual.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let checks: Vec<String> =
        truechimer::doctor::checks::ALL.iter().map(|check| format!("`{}`", check.name)).collect();
    assert_eq!(sections, checks);
}

/// The incident that the manual tells, from its logs in `tests/incident`: each line that stands below a command is what it says.
#[test]
fn the_incident_of_the_manual_is_told_as_it_stands_there() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/incident");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/manual/timeline.md");
    let manual = fs::read_to_string(path).expect("the manual is in the repository");
    let (_, rest) = manual.split_once("## An incident, told three times").expect("the incident");
    let (incident, _) = rest.split_once("\n## ").expect("a section after it");
    let mut said = String::new();
    let mut told = 0;
    for line in incident.split("```").skip(1).step_by(2).flat_map(str::lines) {
        if let Some(command) = line.strip_prefix("$ truechimer ") {
            let mut program = Command::new(env!("CARGO_BIN_EXE_truechimer"));
            let output = program.args(command.split(' ')).current_dir(&folder).output().expect("it runs");
            said = String::from_utf8([output.stdout, output.stderr].concat()).expect("it is text");
        } else if let Some(file) = line.strip_prefix("$ cat ") {
            said = fs::read_to_string(folder.join(file)).expect("it is there");
        } else if !matches!(line, "" | ".." | "text") {
            assert!(said.lines().any(|one| one == line), "{line:?} is not in\n{said}");
            told += 1;
        }
    }
    assert!(told > 20, "only {told} lines");
}

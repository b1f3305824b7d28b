//! What is handed out for the programs of others, read by these programs.

use std::path::Path;
use std::process::{Command, Output};

use crate::place;

/// Runs a program of the peers on something below `contrib`, which is the current folder.
fn judged_by(program: &Path, arguments: &[&str]) -> Output {
    let contrib = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contrib");
    let output = Command::new(program).args(arguments).current_dir(contrib).output();
    output.unwrap_or_else(|error| panic!("{}: {error}: run tests/peers/fetch", program.display()))
}

fn assert_accepted(output: &Output) {
    let said =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
    assert!(output.status.success(), "{said}");
}

/// It is compiled, and not loaded: what this machine confines stays as it is.
#[test]
fn apparmors_parser_accepts_the_profile() {
    let Some(peers) = place::peers() else { return };
    let base = peers.join("etc/apparmor.d");
    let parser = peers.join("sbin/apparmor_parser");
    let arguments =
        ["--skip-kernel-load", "--skip-cache", "--base", base.to_str().unwrap(), "package/apparmor"];
    assert_accepted(&judged_by(&parser, &arguments));
}

/// Each alarm is heard in one case at least, which `tests/contrib.rs` looks after, and in no other.
#[test]
fn alarms_are_heard_when_they_should_be_and_not_otherwise() {
    let Some(peers) = place::peers() else { return };
    let promtool = peers.join("usr/bin/promtool");
    assert_accepted(&judged_by(&promtool, &["check", "rules", "prometheus/truechimer.rules.yml"]));
    assert_accepted(&judged_by(&promtool, &["test", "rules", "prometheus/truechimer.rules.test.yml"]));
}

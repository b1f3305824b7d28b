//! `truechimer tz check` as people and scripts see it. The servers live on loopback, the zones in a scratch folder; nothing
//! is changed by the program, and no test sets a clock.

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use truechimer_time::Span;

/// A folder with two zones as tzdata has them: one of POSIX, one of all seconds.
fn zones() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let zone = |leaps: u32| {
        let counts = [0, 0, leaps, 0, 1, 4].map(u32::to_be_bytes).concat();
        [&b"TZif\0"[..], &[0; 15], &counts].concat()
    };
    for (path, leaps) in [("zoneinfo/Europe", 0), ("zoneinfo/right/Europe", 27)] {
        let path = folder.path().join(path);
        fs::create_dir_all(&path).expect("a folder within");
        fs::write(path.join("Berlin"), zone(leaps)).expect("a file");
    }
    symlink("zoneinfo/Europe/Berlin", folder.path().join("posix")).expect("a link");
    symlink("zoneinfo/right/Europe/Berlin", folder.path().join("right")).expect("a link");
    folder
}

fn check(zone: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_truechimer"));
    command.args(["tz", "check", "--run-dir", "/nonexistent", "--localtime"]).arg(zone).args(more);
    command.output().expect("the binary was built for this test")
}

/// Exit code, and what is said in JSON.
fn told(zone: &Path, more: &[&str]) -> (Option<i32>, Value) {
    let output = check(zone, &[&["--json"][..], more].concat());
    (output.status.code(), serde_json::from_slice(&output.stdout).expect("it is JSON"))
}

#[test]
fn clock_and_zone_of_one_kind_agree_and_others_do_not() {
    let zones = zones();
    let (of_utc, of_all_seconds) = (common::server(Span::ZERO), common::server(Span::from_secs(-27)));
    for (zone, server, count, code) in [
        ("posix", &of_utc, "utc", 0),
        ("right", &of_utc, "utc", 1),
        ("posix", &of_all_seconds, "tai-10", 1),
        ("right", &of_all_seconds, "tai-10", 0),
    ] {
        let (ended, told) = told(&zones.path().join(zone), &[server]);
        assert_eq!((ended, told["kernel"]["count"].as_str()), (Some(code), Some(count)), "{told}");
        assert_eq!(
            (&told["agree"], &told["zone"]["name"]),
            (&Value::Bool(code == 0), &"Europe/Berlin".into())
        );
        let has_commands = |way: &str| !told[way].as_array().expect("a list").is_empty();
        assert_eq!(has_commands("to_utc"), !(count == "utc" && zone == "posix"), "{told}");
        assert_eq!(has_commands("to_tai_10"), !(count == "tai-10" && zone == "right"), "{told}");
    }
}

#[test]
fn a_clock_that_is_wrong_agrees_with_nothing() {
    let zones = zones();
    let server = common::server(Span::from_secs(500));
    let (code, told) = told(&zones.path().join("posix"), &[&server]);
    assert_eq!((code, told["kernel"]["count"].as_str()), (Some(1), Some("neither")), "{told}");
}

#[test]
fn people_are_told_in_sentences() {
    let zones = zones();
    let output = check(&zones.path().join("right"), &[&common::server(Span::ZERO)]);
    let text = String::from_utf8(output.stdout).expect("text");
    for words in [
        "clock      counts UTC: it is ",
        " is Europe/Berlin, of the kind right/, with 27 leap seconds\n",
        "\nTHE CLOCK AND THE ZONE DO NOT AGREE\n",
        "local time is shown 27 s behind",
        "ln -sfn /usr/share/zoneinfo/Europe/Berlin /etc/localtime\n",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
}

#[test]
fn what_is_no_zone_is_a_failure_and_nobody_there_too() {
    let zones = zones();
    fs::write(zones.path().join("none"), "no zone").expect("a file");
    assert_eq!(check(&zones.path().join("none"), &[]).status.code(), Some(111));
    let nobody = check(&zones.path().join("posix"), &["127.0.0.1:1"]);
    assert_eq!(nobody.status.code(), Some(111));
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("no majority"));
}

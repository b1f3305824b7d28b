//! What an administrator gets who brings the configuration of another program: `truechimer config import`, in full.
//!
//! `TRUECHIMER_BLESS=1 cargo test -p truechimer --test import` writes the golden files anew: read the difference.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import")
}

fn truechimer(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_truechimer")).args(arguments).current_dir(folder()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Is it as it was when somebody last looked at it?
fn is_golden(name: &str, text: &str) {
    let path = folder().join(name);
    if std::env::var_os("TRUECHIMER_BLESS").is_some() {
        fs::write(&path, text).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, golden, "{name} differs; TRUECHIMER_BLESS=1 writes it anew");
}

/// The configuration, the report and the exit code; and the configuration can be used.
fn is_imported(name: &str, code: i32) {
    let plain = truechimer(&["config", "import", name]);
    assert_eq!(plain.status.code(), Some(code), "{}", text(&plain.stderr));
    is_golden(&format!("{name}.imported.toml"), &text(&plain.stdout));
    is_golden(&format!("{name}.attention"), &text(&plain.stderr));
    let report = truechimer(&["config", "import", "--report", name]);
    assert_eq!((report.status.code(), text(&report.stderr)), (Some(code), String::new()));
    is_golden(&format!("{name}.report"), &text(&report.stdout));
    let json = truechimer(&["config", "import", "--json", name]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["toml"], text(&plain.stdout));
    assert_eq!(json["complete"], code == 0);
}

/// `config check` wants the file of keys, if one is named.
fn can_be_used(name: &str) {
    let dir = tempfile::tempdir().unwrap();
    let made = fs::read_to_string(folder().join(format!("{name}.imported.toml"))).unwrap();
    let keys = dir.path().join("keys");
    fs::write(&keys, "7 AES128 HEX:2B7E151628AED2A6ABF7158809CF4F3C\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(&keys, mode).unwrap();
    let moved = |theirs: &str, made: String| made.replace(theirs, &keys.display().to_string());
    let made = moved("/etc/ntp.keys", moved("/etc/chrony/chrony.keys", made));
    let path = dir.path().join("truechimer.toml");
    fs::write(&path, made).unwrap();
    let checked = truechimer(&["config", "check", path.to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stderr));
}

#[test]
fn chrony_conf_is_taken_over() {
    is_imported("chrony.conf", 1);
    can_be_used("chrony.conf");
}

#[test]
fn ntp_conf_is_taken_over() {
    is_imported("ntp.conf", 1);
    can_be_used("ntp.conf");
}

#[test]
fn ntp_toml_is_taken_over() {
    is_imported("ntp.toml", 1);
    can_be_used("ntp.toml");
}

#[test]
fn timesyncd_conf_is_taken_over() {
    is_imported("timesyncd.conf", 0);
    can_be_used("timesyncd.conf");
}

#[test]
fn clockspeed_conf_is_taken_over() {
    is_imported("clockspeed.conf", 1);
    can_be_used("clockspeed.conf");
}

#[test]
fn whose_a_file_is_can_be_said_and_has_to_be_if_nobody_can_tell() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("conf");
    fs::write(&path, "server a.example\n").unwrap();
    let path = path.to_str().unwrap();
    let unsaid = truechimer(&["config", "import", path]);
    assert_eq!(unsaid.status.code(), Some(100));
    assert!(text(&unsaid.stderr).contains("--from chrony"), "{}", text(&unsaid.stderr));
    let said = truechimer(&["config", "import", "--from", "ntp", path]);
    assert!(text(&said.stdout).contains("[serve]"), "ntpd answers whoever asks");
    assert_eq!(truechimer(&["config", "import", "--from", "sundial", path]).status.code(), Some(100));
    let gone = truechimer(&["config", "import", "/nonexistent/chrony.conf"]);
    assert_eq!(gone.status.code(), Some(111));
}

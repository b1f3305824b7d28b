//! The configurations with which Debian delivers chronyd and ntpd, as ours.

use std::path::Path;
use std::process::Command;

use truechimer::config::Config;

use crate::place::{peers, truechimer};

/// What comes of a file, and that nothing in it is lost.
fn imported(file: &Path) -> Config {
    let made = Command::new(truechimer()).args(["config", "import"]).arg(file).output().unwrap();
    let told = String::from_utf8_lossy(&made.stderr).into_owned();
    assert_eq!(made.status.code(), Some(0), "{told}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("truechimer.toml");
    std::fs::write(&path, &made.stdout).unwrap();
    let checked = Command::new(truechimer()).args(["config", "check"]).arg(&path).output().unwrap();
    assert_eq!(checked.status.code(), Some(0), "{}", String::from_utf8_lossy(&checked.stderr));
    Config::load(Some(&path)).unwrap()
}

#[test]
fn the_configuration_of_debians_chronyd_is_taken_over_as_a_whole() {
    let Some(peers) = peers() else { return };
    let config = imported(&peers.join("usr/share/chrony/chrony.conf"));
    assert_eq!((config.sources.len(), config.places().count(), config.operators()), (1, 4, 4));
    assert_eq!(config.clock.policy.step_threshold.as_seconds(), 1.0);
    assert!(config.serve.is_none() && config.keys_file.is_none());
}

#[test]
fn the_configuration_of_debians_ntpd_is_taken_over_as_a_whole() {
    let Some(peers) = peers() else { return };
    let config = imported(&peers.join("etc/ntpsec/ntp.conf"));
    assert_eq!((config.sources.len(), config.places().count()), (4, 16));
    assert_eq!(config.serve.map(|serve| serve.allow.len()), Some(2), "everybody, as it says");
}

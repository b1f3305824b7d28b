//! The units before systemd's own judges, which need no running systemd.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::host::{Host, not_tested, service, told};

/// The highest exposure that is accepted, in tenths. It is a whole number because that is what the option takes. One of them is the right
/// to read the page by which a host tells that it has moved this guest.
const EXPOSURE_MAX: u32 = 21;

/// The units of a master whose programs exist, or nothing where there is no systemd-analyze; it is said.
fn units(host: &Host) -> Option<Vec<PathBuf>> {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        not_tested("there is no systemd-analyze here (Debian: systemd)");
        return None;
    }
    let mut command = service();
    command.args(["install", "--role", "master", "--supervisor", "systemd", "--vendor"]);
    command.arg("--bin").arg(host.at("bin")).arg("--prefix").arg(host.at("root"));
    let (code, text) = told(&command.output().unwrap());
    assert_eq!(code, Some(0), "{text}");
    let folder = host.at("root/usr/lib/systemd/system");
    let mut units: Vec<PathBuf> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    units.sort();
    assert_eq!(units.len(), 7, "{units:?}");
    units.push(exporter(host));
    Some(units)
}

/// The unit that is handed out for the exporter, whose program exists.
fn exporter(host: &Host) -> PathBuf {
    const PROGRAM: &str = "/usr/local/sbin/truechimer-exporter";
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contrib/systemd/truechimer-exporter.service");
    let text = fs::read_to_string(unit).unwrap();
    assert_eq!(text.matches(PROGRAM).count(), 1, "{text}");
    let path = host.at("truechimer-exporter.service");
    fs::write(&path, text.replace(PROGRAM, env!("CARGO_BIN_EXE_truechimer"))).unwrap();
    path
}

fn analyze(arguments: &[&str], units: &[PathBuf]) -> Output {
    Command::new("systemd-analyze").args(arguments).args(units).output().unwrap()
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    let host = Host::new();
    let Some(units) = units(&host) else { return };
    assert_eq!(told(&analyze(&["verify", "--man=no"], &units)), (Some(0), String::new()));
}

#[test]
fn no_unit_is_exposed() {
    let host = Host::new();
    let Some(units) = units(&host) else { return };
    let threshold = format!("--threshold={EXPOSURE_MAX}");
    // A socket runs nothing.
    for unit in units.into_iter().filter(|unit| unit.extension().is_some_and(|end| end == "service")) {
        let judged = analyze(&["security", "--offline=yes", "--no-pager", &threshold], &[unit]);
        let (code, text) = told(&judged);
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains("Overall exposure level"), "{text}");
    }
}

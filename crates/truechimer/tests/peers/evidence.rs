//! What real programs wrote down of a clock, as evidence for `truechimer timeline`: nothing that it claims is false.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::chronyd::Chronyd;
use crate::place::{self, eventually, free_port};

/// A loaded machine takes its time.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a server serves, in seconds ahead of the clock of this machine: so wrong that is for a chronyd that believes it.
const AHEAD: i32 = 3;

/// What a line of a log is known to be from and to, in seconds after this machine's clock showed it; nothing, if nothing is known.
fn known(folder: &Path) -> Option<[f64; 2]> {
    let output = Command::new(place::truechimer())
        .args(["timeline", "--form", "json"])
        .arg(folder)
        .output()
        .expect("the program runs");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    // What chronyd estimates of its servers (statistics.log) is a log like any other.
    let rows = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<serde_json::Value>();
    let mut rows = rows.map(|row| row.expect("an object"));
    let row = rows.find(|row| row["line"].as_str().is_some_and(|line| line.ends_with(" now")));
    let row = row.expect("it is told");
    let line = row["line"].as_str().expect("it is text");
    let shown: f64 = line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).expect("it says");
    let bound = row["bound"].as_f64()?;
    let time = row["time"].as_str().expect("there is one").parse::<jiff::Timestamp>().expect("a date");
    let best = time.as_nanosecond() as f64 / 1e9 - shown;
    Some([best - bound, best + bound])
}

/// A line of a log that is written now.
fn write_now(folder: &Path) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let stamp = jiff::Timestamp::from_nanosecond(now.as_nanos() as i128).expect("it is a date");
    let line = format!("{stamp} {}.{:09} now\n", now.as_secs(), now.subsec_nanos());
    fs::write(folder.join("app.log"), line).unwrap();
}

fn lines(path: &Path) -> usize {
    fs::read_to_string(path).map_or(0, |text| text.lines().filter(|line| line.starts_with("20")).count())
}

/// A line is written when chronyd has asked these servers for so long, and looked at when it has asked them for some more time.
fn told_by(peers: &Path, servers: &[&Chronyd], settled: Duration) -> (tempfile::TempDir, Chronyd) {
    let folder = tempfile::Builder::new().prefix("truechimer-evidence-").tempdir().unwrap();
    let places: Vec<_> = servers.iter().map(|server| server.place).collect();
    let chronyd = Chronyd::logging(peers, &places, folder.path());
    let [tracking, measurements] = ["tracking.log", "measurements.log"].map(|name| folder.path().join(name));
    let has = |count| {
        eventually(PATIENCE, "chronyd writes its logs", || {
            (lines(&tracking) >= count && lines(&measurements) >= count).then_some(())
        });
    };
    has(8);
    std::thread::sleep(settled);
    write_now(folder.path());
    let then = lines(&tracking);
    // By whole seconds: the line has to be between two lines.
    std::thread::sleep(Duration::from_millis(2100));
    has(then + 8);
    (folder, chronyd)
}

#[test]
fn what_chronyd_wrote_down_of_a_right_clock_has_the_truth_within() {
    let Some(peers) = place::peers() else { return };
    // Of one address chronyd asks one server only.
    let servers = [11, 12, 13]
        .map(|number| Chronyd::serving_at(&peers, (Ipv4Addr::new(127, 0, 0, number), free_port()).into()));
    let (folder, _chronyd) = told_by(&peers, &servers.each_ref(), Duration::from_secs(5));
    let [earliest, latest] = known(folder.path()).expect("three servers agree");
    // The clock of this machine is the truth. At its first line chronyd allows for an error of 1.5 s, which reaches as far as a clock can
    // have shown then.
    assert!(earliest <= 0.0 && 0.0 <= latest && latest - earliest < 0.1, "{earliest} to {latest}");
}

#[test]
fn what_chronyd_wrote_down_of_a_wrong_clock_has_the_truth_within() {
    let Some(peers) = place::peers() else { return };
    let server = Chronyd::ahead(&peers, AHEAD);
    let (folder, _chronyd) = told_by(&peers, &[&server], Duration::ZERO);
    let [earliest, latest] = known(folder.path()).expect("it believes the one that it asks");
    let truth = f64::from(AHEAD);
    assert!(earliest <= truth && truth <= latest && latest - earliest < 10.0, "{earliest} to {latest}");
    // chronyd takes the clock for corrected, and the system's never is (-x): by itself that log would say that it is right.
    fs::remove_file(folder.path().join("tracking.log")).unwrap();
    assert_eq!(known(folder.path()), None);
}

//! `truechimer doctor` on file systems whose stamps are wrong. They are mounted in a namespace of the test's own, so that nobody
//! else sees them and nothing is left of them.

mod strange;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;
use strange::Ills;

/// Set where we are in a namespace of our own.
const INSIDE: &str = "TRUECHIMER_TEST_INSIDE";

/// Runs the test of this name again, in a namespace of mounts of its own, and says whether this is already there. Without the
/// privilege to have one (root, or namespaces of users), or without FUSE, it is said that the test was left out.
fn is_inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let is_root = truechimer_sys::user::effective_uid() == 0;
    let namespace: &[&str] = if is_root { &["--mount"] } else { &["--user", "--map-root-user", "--mount"] };
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(namespace).args(["--propagation", "private", "--"]);
        command
    };
    let may = unshare().arg("true").output().is_ok_and(|output| output.status.success());
    if !may || fs::File::options().read(true).write(true).open("/dev/fuse").is_err() {
        let _ = writeln!(std::io::stderr(), "not tested: {test}: no namespace of mounts, or no /dev/fuse");
        return false;
    }
    let own = std::env::current_exe().expect("the test has a file");
    let status = unshare().arg(own).args(["--exact", test, "--nocapture"]).env(INSIDE, "1").status();
    assert!(status.expect("unshare was just run").success(), "{test} failed inside");
    false
}

fn truechimer(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_truechimer"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the binary was built for this test")
}

/// The findings of a check about one place, as JSON, and the exit code.
fn found(place: &Path) -> (Vec<Value>, Option<i32>) {
    let output = truechimer(&["doctor", "--only", "file-times", "--json"], Path::new("/"));
    let document: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
    let findings = document["findings"].as_array().expect("it has findings");
    let is_ours = |finding: &&Value| {
        finding["words"].as_str().is_some_and(|words| words.starts_with(&*place.to_string_lossy()))
    };
    (findings.iter().filter(is_ours).cloned().collect(), output.status.code())
}

fn scratch(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    fs::create_dir_all(&path).expect("cargo gives tests a folder to write to");
    path.canonicalize().expect("it was just made")
}

fn verdicts(findings: &[Value]) -> Vec<&str> {
    findings.iter().map(|finding| finding["verdict"].as_str().expect("each has a verdict")).collect()
}

#[test]
fn a_server_that_is_ahead_is_found_with_its_skew_and_a_bound_that_holds() {
    if !is_inside("a_server_that_is_ahead_is_found_with_its_skew_and_a_bound_that_holds") {
        return;
    }
    for (ahead_ms, verdict) in [(90_500, "wrong"), (-3_600_000, "wrong"), (300, "risky"), (0, "fine")] {
        let place = scratch("ahead");
        let ills = Ills { files_ahead_ms: ahead_ms, folders_ahead_ms: ahead_ms, ..Ills::NONE };
        let session = strange::mount(ills, "files.example:/export", &place);
        let (findings, code) = found(&place);
        assert_eq!(verdicts(&findings), [verdict], "{findings:?}");
        assert_eq!(code, Some(if verdict == "fine" { 0 } else { 1 }));
        let numbers = &findings[0]["numbers"];
        let (ahead, bound) = (&numbers["ahead_seconds"], &numbers["ahead_bound_seconds"]);
        let off = ahead.as_f64().unwrap() - ahead_ms as f64 / 1e3;
        let bound = bound.as_f64().unwrap();
        assert!(off.abs() <= bound && bound < 1.0, "off by {off}, said to be within {bound}");
        let told = findings[0]["remedies"].to_string().contains("truechimer query files.example");
        assert_eq!(told, verdict != "fine", "{findings:?}");
        assert_eq!(fs::read_dir(&place).unwrap().count(), 0, "nothing is left");
        drop(session);
    }
}

#[test]
fn coarse_steps_and_a_short_calendar_are_found() {
    if !is_inside("coarse_steps_and_a_short_calendar_are_found") {
        return;
    }
    let place = scratch("coarse");
    let ills = Ills {
        files_ahead_ms: 5_000,
        folders_ahead_ms: 5_000,
        step_ns: 2_000_000_000,
        last_second: i64::from(i32::MAX),
        ..Ills::NONE
    };
    let session = strange::mount(ills, "me@files:dir", &place);
    let (findings, code) = found(&place);
    assert_eq!((verdicts(&findings), code), (vec!["wrong", "risky", "risky"], Some(1)), "{findings:?}");
    let numbers = &findings[0]["numbers"];
    let (ahead, bound) =
        (numbers["ahead_seconds"].as_f64().unwrap(), numbers["ahead_bound_seconds"].as_f64().unwrap());
    assert!((ahead - 5.0).abs() <= bound, "{numbers}");
    assert_eq!(findings[1]["numbers"]["step_seconds"], 2.0);
    assert!(findings[2]["words"].as_str().unwrap().contains("2038-01-19"), "{findings:?}");
    let told = truechimer(&["doctor", "--only", "file-times"], Path::new("/"));
    let told = String::from_utf8_lossy(&told.stdout);
    println!("{told}");
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].starts_with("WRONG   file-times"), "worst first: {told}");
    assert!(lines[3].contains("$ truechimer query files pool.ntp.org"), "its remedies under it: {told}");
    drop(session);
}

#[test]
fn a_client_that_stamps_files_itself_does_not_hide_its_server() {
    if !is_inside("a_client_that_stamps_files_itself_does_not_hide_its_server") {
        return;
    }
    let place = scratch("cached");
    let session = strange::mount(Ills { folders_ahead_ms: -7_000, ..Ills::NONE }, "host:/x", &place);
    let (findings, _) = found(&place);
    assert_eq!(verdicts(&findings), ["wrong", "fine"], "{findings:?}");
    assert!(findings[0]["words"].as_str().unwrap().contains("folders alone"), "{findings:?}");
    drop(session);
}

#[test]
fn a_server_that_does_not_answer_is_left_alone() {
    if !is_inside("a_server_that_does_not_answer_is_left_alone") {
        return;
    }
    let place = scratch("mute");
    let session = strange::mount(Ills { is_mute: true, ..Ills::NONE }, "host:/x", &place);
    let began = Instant::now();
    let (findings, code) = found(&place);
    assert_eq!((verdicts(&findings), code), (vec!["unseen"], Some(111)), "{findings:?}");
    assert!(findings[0]["words"].as_str().unwrap().contains("does not answer"), "{findings:?}");
    let output = truechimer(&["doctor", "files", place.to_str().unwrap()], Path::new("/"));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("does not answer") && said.lines().count() == 1, "nothing else is asked: {said}");
    assert_eq!(output.status.code(), Some(111));
    assert!(began.elapsed() < Duration::from_secs(120), "it took {:?}", began.elapsed());
    drop(session);
}

#[test]
fn files_that_were_stamped_by_a_clock_ahead_are_found_below_a_folder_and_their_mount_is_left_out_unless_wanted()
 {
    let name = "files_that_were_stamped_by_a_clock_ahead_are_found_below_a_folder_and_their_mount_is_left_out_unless_wanted";
    if !is_inside(name) {
        return;
    }
    let place = scratch("below");
    let point = place.join("point");
    fs::create_dir_all(&point).unwrap();
    let ills = Ills { files_ahead_ms: 3_600_000, folders_ahead_ms: 3_600_000, ..Ills::NONE };
    let session = strange::mount(ills, "host:/x", &point);
    fs::write(point.join("from the future"), "?").unwrap();
    let look = |arguments: &[&str]| {
        let output = truechimer(&[&["doctor", "files", "--json"], arguments].concat(), &place);
        let document: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
        (document, output.status.code())
    };
    let (without, code) = look(&["."]);
    assert_eq!((without["worst"].as_array().unwrap().len(), code), (0, Some(0)), "{without}");
    assert!(without.to_string().contains("left out 1 file system mounted below"), "{without}");
    let (with, code) = look(&["--other-file-systems", "."]);
    assert_eq!(code, Some(1));
    let worst = with["worst"].as_array().unwrap();
    assert_eq!(worst.len(), 2, "the file and the top of its file system: {with}");
    assert!(worst.iter().all(|file| file["by_ctime"] == true && file["by_mtime"] == true), "{with}");
    assert!((worst[0]["ahead_seconds"].as_f64().unwrap() - 3600.0).abs() < 600.0, "{with}");
    let (tolerant, code) = look(&["--other-file-systems", "--newer-by", "2h", "."]);
    assert_eq!((tolerant["worst"].as_array().unwrap().len(), code), (0, Some(0)), "{tolerant}");
    drop(session);
}

#[test]
fn a_folder_that_is_not_there_could_not_be_looked_at() {
    let output = truechimer(&["doctor", "files", "/nonexistent/folder"], Path::new("/"));
    assert_eq!(output.status.code(), Some(111), "{output:?}");
}

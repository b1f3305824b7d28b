//! `truechimer stamp` and `truechimer localtime` in pipes, beside the programs of daemontools and s6 that do the same.
//!
//! `tests/peers/fetch` gets those; without them their test fails, unless `TRUECHIMER_WITHOUT_PEERS=1` says that they may be left out.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;

use tempfile::TempDir;
use truechimer::page::{Page, UtcCourse};
use truechimer_core::discipline::bracket::Bracket;
use truechimer_core::discipline::model::Model;
use truechimer_core::discipline::oscillator::RateLimits;
use truechimer_core::status::Status;
use truechimer_sys::clock;
use truechimer_sys::shm::PageWriter;
use truechimer_time::{LeapTable, Local, Rate, Span, Tai, Time};
use truechimer_timeline::labelled::{Labelled, Mark};

/// A run folder with the page of a daemon that says that the system clock is ahead by so much, and knows it to 250 µs.
struct Daemon {
    folder: TempDir,
    /// The page is there as long as who writes it.
    _page: PageWriter,
}

impl Daemon {
    fn knowing(ahead: Span) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let now = clock::readings();
        let best = tai(now.realtime) - ahead;
        let bound = Span::from_micros(250);
        let bracket = Bracket { at: now.raw, earliest: best - bound, latest: best + bound };
        let limits = RateLimits { min: Rate::ZERO, max: Rate::ZERO, drift: Rate::ZERO };
        let model = Model {
            best,
            rate: Rate::ZERO,
            bracket,
            limits,
            sigma: Span::from_micros(10),
            rate_sigma: Rate::ZERO,
            wander: Rate::ZERO,
        };
        let page = Page {
            status: Status::Synchronised,
            model: Some(model),
            written: now.raw,
            asleep: now.asleep,
            tai_minus_utc: Some(37),
            course: Some(UtcCourse::at(&LeapTable::COMPILED, best)),
            leap: None,
            offset: -ahead,
            max_rate: Rate::from_ppb(500_000),
            max_drift: Rate::from_ppb(15_000),
            clock: None,
            marker: None,
        };
        let mut writer = PageWriter::publish(&folder.path().join("time")).expect("a page");
        writer.write(&page.to_words());
        Self { folder, _page: writer }
    }

    fn run_dir(&self) -> &str {
        self.folder.path().to_str().expect("UTF-8")
    }
}

fn tai(shown: Time<Local>) -> Time<Tai> {
    LeapTable::COMPILED.tai_of_utc(Time::from_epoch(shown.since_epoch()))
}

fn started(arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_truechimer"))
        .args(arguments)
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs")
}

fn piped(mut child: Child, input: &[u8]) -> Output {
    let mut stdin = child.stdin.take().expect("it is piped");
    let input = input.to_vec();
    let writing = thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("it ends");
    writing.join().expect("it does not panic").expect("it reads all");
    output
}

fn run(arguments: &[&str], input: &[u8]) -> Output {
    piped(started(arguments), input)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The label of a line, and what stands behind it and its bound.
fn label(line: &[u8]) -> (Labelled, &[u8]) {
    let found = Labelled::read(line).unwrap_or_else(|| panic!("{} has no label", text(line)));
    let rest = &line[found.length + 1..];
    let end = rest.iter().position(|byte| *byte == b' ').expect("a space");
    (found, &rest[end + 1..])
}

const NOWHERE: [&str; 3] = ["stamp", "--run-dir", "/nonexistent"];

#[test]
fn a_line_has_the_time_of_the_daemon_and_its_bound() {
    let ahead = Span::from_secs(3600);
    let daemon = Daemon::knowing(ahead);
    let before = tai(clock::realtime()) - ahead;
    let stamped = run(&["stamp", "--run-dir", daemon.run_dir()], b"one\n\nt\0wo\xff");
    let after = tai(clock::realtime()) - ahead;
    assert_eq!((stamped.status.code(), text(&stamped.stderr)), (Some(0), String::new()));
    let lines: Vec<&[u8]> = stamped.stdout.split(|byte| *byte == b'\n').collect();
    assert_eq!(lines.len(), 3, "the last line has no end, as it had none");
    for (line, expected) in lines.iter().zip([&b"one"[..], b"", b"t\0wo\xff"]) {
        let (found, rest) = label(line);
        assert_eq!(rest, expected);
        let Mark::Within(bound) = found.mark else { panic!("{found:?}") };
        // The system clock of this machine may be slewed meanwhile.
        let slack = Span::from_millis(100);
        assert!(before - slack <= found.time && found.time <= after + slack, "{found:?}");
        assert!(Span::from_micros(250) <= bound && bound < Span::from_secs(1), "{bound:?}");
    }
}

#[test]
fn without_a_daemon_the_clock_is_read_and_nothing_is_claimed() {
    let before = tai(clock::realtime());
    let stamped = run(&NOWHERE, b"one\ntwo\n");
    let after = tai(clock::realtime());
    let said = text(&stamped.stderr);
    assert_eq!((stamped.status.code(), said.lines().count()), (Some(0), 1), "{said}");
    assert!(said.contains("/nonexistent/time") && said.contains("by the system clock"), "{said}");
    for line in text(&stamped.stdout).lines() {
        let (found, _) = label(line.as_bytes());
        assert_eq!(found.mark, Mark::Unknown);
        let slack = Span::from_millis(100);
        assert!(before - slack <= found.time && found.time <= after + slack, "{line}");
    }
}

#[test]
fn lines_come_out_as_they_come_in() {
    for arguments in [&NOWHERE[..], &["localtime"]] {
        let mut child = started(arguments);
        let mut stdin = child.stdin.take().expect("it is piped");
        let mut stdout = child.stdout.take().expect("it is piped");
        for _ in 0..3 {
            stdin.write_all(b"a line\n").expect("it reads");
            let mut seen = Vec::new();
            // This ends although more could follow, or the test stands still.
            while !seen.ends_with(b"a line\n") {
                let mut byte = [0];
                stdout.read_exact(&mut byte).expect("it writes");
                seen.extend_from_slice(&byte);
            }
        }
        drop(stdin);
        assert!(child.wait().expect("it ends").success());
    }
}

#[test]
fn a_line_of_any_length_goes_through() {
    let long = vec![b'x'; 30 << 20];
    let stamped = run(&NOWHERE, &long);
    assert!(label(&stamped.stdout).1 == long, "{} bytes", stamped.stdout.len());
    let read = run(&["localtime"], &stamped.stdout);
    assert!(
        read.stdout.ends_with(&long) && read.stdout.len() < long.len() + 50,
        "{} bytes",
        read.stdout.len()
    );
}

#[test]
fn who_reads_may_go_away() {
    for arguments in [&NOWHERE[..], &["localtime"]] {
        let mut child = started(arguments);
        drop(child.stdout.take());
        let mut stdin = child.stdin.take().expect("it is piped");
        // It may be gone before all is written.
        let writing = thread::spawn(move || while stdin.write_all(&[b'\n'; 4096]).is_ok() {});
        let output = child.wait_with_output().expect("it ends");
        writing.join().expect("it does not panic");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(!text(&output.stderr).to_lowercase().contains("pipe"), "{}", text(&output.stderr));
    }
}

#[test]
fn dates_are_those_of_the_zone() {
    let line = b"@400000006b03f2c31dcd6500 \xc2\xb10.000123 started\n";
    let zoned = |zone: &str, arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_truechimer"));
        command.arg("localtime").args(arguments).env("TZ", zone);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        text(&piped(child.expect("the program runs"), line).stdout)
    };
    assert_eq!(zoned("Europe/Berlin", &[]), "2026-11-23T09:00:30.500000000+01:00 ±0.000123 started\n");
    assert_eq!(zoned("Europe/Berlin", &["--utc"]), "2026-11-23T08:00:30.500000000Z ±0.000123 started\n");
    let guessed = run(&["localtime", "--utc"], b"@400000006b03f2c3 x\n@400000006b03f2c3 y\n");
    assert_eq!(text(&guessed.stdout), "2026-11-23T08:00:30Z x\n2026-11-23T08:00:30Z y\n");
    assert_eq!(text(&guessed.stderr).matches("--labels clock+10").count(), 1, "{}", text(&guessed.stderr));
    let ten = run(&["localtime", "--utc", "--labels", "clock+10"], b"@400000006b03f2c3 x\n");
    assert_eq!((text(&ten.stdout).as_str(), ten.stderr.len()), ("2026-11-23T08:00:57Z x\n", 0));
    assert_eq!(run(&["localtime", "--labels", "utc"], b"").status.code(), Some(100));
}

#[test]
fn the_timeline_believes_the_bound_in_a_label() {
    let daemon = Daemon::knowing(Span::from_secs(-20));
    let stamped = run(&["stamp", "--run-dir", daemon.run_dir()], b"started\n");
    let told = run(&["timeline", "--form", "json", "-"], &stamped.stdout);
    let row: serde_json::Value = serde_json::from_slice(&told.stdout).expect("an object");
    assert_eq!((&row["evidence"], &row["doubt"]), (&"claim".into(), &serde_json::Value::Null));
    let bound = row["bound"].as_f64().expect("a number");
    assert!((0.000_25..1.0).contains(&bound), "{row}");
    let utc = run(&["localtime", "--utc"], &stamped.stdout);
    assert_eq!(row["time"].as_str(), text(&utc.stdout).split(' ').next(), "both read the same");
    let unknown = run(&["timeline", "--form", "json", "-"], &run(&NOWHERE, b"started\n").stdout);
    let row: serde_json::Value = serde_json::from_slice(&unknown.stdout).expect("an object");
    assert_eq!((&row["evidence"], &row["doubt"]), (&serde_json::Value::Null, &serde_json::Value::Null));
}

/// Where the peers are unpacked. `None` if they are not and that was allowed; it is said.
fn peers() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is below the target folder");
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    let named = std::env::var_os("TRUECHIMER_PEERS").map(PathBuf::from);
    let places = named
        .map_or_else(|| vec![target.join("peers/root"), workspace.join("peers/root")], |named| vec![named]);
    let found = places.into_iter().find(|root| root.join("usr/bin/s6-tai64nlocal").exists());
    let may_lack = std::env::var_os("TRUECHIMER_WITHOUT_PEERS").is_some_and(|value| value == "1");
    assert!(
        found.is_some() || may_lack,
        "the programs of daemontools and s6 are missing: run tests/peers/fetch first"
    );
    if found.is_none() {
        // Not by a macro: what those print, a test that passes keeps to itself.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED, NOT TESTED: tai64nlocal and s6-tai64nlocal (TRUECHIMER_WITHOUT_PEERS=1)"
        );
    }
    found
}

fn peer(root: &Path, program: &str, input: &[u8]) -> Vec<u8> {
    let libraries = ["x86_64", "aarch64"].map(|machine| root.join(format!("usr/lib/{machine}-linux-gnu")));
    let child = Command::new(root.join("usr/bin").join(program))
        .env("TZ", "UTC")
        .env("LD_LIBRARY_PATH", std::env::join_paths(libraries).expect("no colons"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let output = piped(child.expect("the program runs"), input);
    assert!(output.status.success(), "{program}: {}", text(&output.stderr));
    output.stdout
}

/// As our dates are, from one with a space in it.
fn dated(line: &[u8], zone: &str) -> String {
    let line = text(line).replacen(' ', "T", 1);
    let (date, rest) = line.split_once(' ').expect("a line");
    format!("{date}{zone} {rest}")
}

#[test]
fn programs_that_know_labels_read_ours_and_we_read_theirs() {
    let Some(root) = peers() else { return };
    let ours = run(&NOWHERE, b"a line\n").stdout;
    let read = text(&run(&["localtime", "--utc"], &ours).stdout);
    assert_eq!(dated(&peer(&root, "s6-tai64nlocal", &ours), "Z"), read);
    // daemontools takes every label for the clock and ten seconds.
    let label = ours.split(|byte| *byte == b' ').next().expect("a label");
    let bare = [label, b" \xc2\xb1? a line\n"].concat();
    assert_eq!(bare, ours);
    let as_ten = [label, b" a line\n"].concat();
    let ten = run(&["localtime", "--utc", "--labels", "clock+10"], &as_ten).stdout;
    assert_eq!(dated(&peer(&root, "tai64nlocal", &as_ten), "Z"), text(&ten));
    for (program, labels, reader) in
        [("s6-tai64n", "tai", "s6-tai64nlocal"), ("tai64n", "clock+10", "tai64nlocal")]
    {
        let theirs = peer(&root, program, b"x y\n");
        let read = text(&run(&["localtime", "--utc", "--labels", labels], &theirs).stdout);
        assert_eq!(dated(&peer(&root, reader, &theirs), "Z"), read, "{program}");
    }
}

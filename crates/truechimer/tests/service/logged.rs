//! `truechimer timeline` of what real programs write: multilog under svscan, s6-log under s6-svscan, and a journald.
//!
//! Each line has in its text what the system clock showed before it was written. The clock is the same for whoever labels the line, so that
//! what the labels, which are TAI or not, are taken for can be held against it without a guess about how long anything takes: the next line
//! is written only after this one was seen in its log.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::host::{eventually, not_tested, supervisors};
use crate::supervised::Scanner;

/// So many lines are written one after the other, in turn to each log; more than a log of 4096 bytes has.
const TURNS: u32 = 90;

/// So many are written at once.
const BURST: u32 = 300;

/// For each number and count that it reads, a service writes so many lines: number, what the clock shows, and what fills the log.
const SERVICE: &str = "#!/bin/sh
exec 3<>FIFO
while read -r number count <&3; do
    end=$((number + count))
    while [ \"$number\" -lt \"$end\" ]; do
        echo \"line $number at $(date +%s%N) ................................................................................\"
        number=$((number + 1))
    done
done
";

/// A service and its log, under a supervisor of its own.
struct Logged {
    name: &'static str,
    folder: PathBuf,
    _scanner: Scanner,
}

impl Logged {
    fn start(root: &Path, place: &Path, (name, scanner, logger): (&'static str, &str, &str)) -> Self {
        let folder = place.join(name);
        let service = folder.join("scan/writer");
        fs::create_dir_all(service.join("log")).unwrap();
        let fifo = folder.join("fifo");
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let logs = place.join("logs").join(name);
        fs::create_dir_all(&logs).unwrap();
        let run = |path: PathBuf, text: &str| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        };
        run(service.join("run"), &SERVICE.replace("FIFO", fifo.to_str().unwrap()));
        run(service.join("log/run"), &format!("#!/bin/sh\nexec {logger} '{}'\n", logs.display()));
        let scanner = Scanner::start(root, &[scanner], &folder.join("scan"), &folder.join("scanner.log"));
        Self { name, folder, _scanner: scanner }
    }

    fn logs(&self) -> PathBuf {
        self.folder.parent().unwrap().join("logs").join(self.name)
    }

    /// Has it write lines, and waits until the last of them is in a log.
    fn write(&self, number: u32, count: u32) {
        use std::io::Write;
        let mut fifo = fs::OpenOptions::new().read(true).write(true).open(self.folder.join("fifo")).unwrap();
        writeln!(fifo, "{number} {count}").unwrap();
        let last = format!(" line {} at ", number + count - 1);
        eventually(&format!("{} has written{last}", self.name), || self.has(&last).then_some(()));
    }

    fn has(&self, text: &str) -> bool {
        self.files().iter().any(|file| {
            let bytes = fs::read(file).unwrap_or_default();
            String::from_utf8_lossy(&bytes).contains(text)
        })
    }

    /// The log and what it was before it was full.
    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.logs()).unwrap().map(|entry| entry.unwrap().path());
        let is_log = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name == "current" || (name.starts_with('@') && (name.ends_with(".s") || name.ends_with(".u")))
        };
        entries.filter(is_log).collect()
    }
}

/// A line as it is told, in nanoseconds of the system clock.
#[derive(Debug)]
struct Line {
    number: u32,
    host: String,
    /// What the clock showed before it was written.
    written: i64,
    /// What it showed by the label.
    clock: i64,
    earliest: i64,
    latest: i64,
}

fn timeline(place: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_truechimer"));
    command.arg("timeline").args(["--form", "json"]).args(arguments).current_dir(place);
    command.output().unwrap()
}

/// All lines that are told, in their order.
fn told(place: &Path, arguments: &[&str]) -> Vec<Line> {
    let output = timeline(place, arguments);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let rows = String::from_utf8(output.stdout).unwrap();
    rows.lines().map(|row| line(&serde_json::from_str(row).unwrap())).collect()
}

fn line(row: &Value) -> Line {
    let text = row["line"].as_str().unwrap();
    let after =
        |word: &str| text.split_once(word).unwrap().1.split(' ').next().unwrap().parse::<i64>().unwrap();
    assert_eq!(row["doubt"], Value::Null, "{row}");
    Line {
        number: after("line ") as u32,
        host: row["host"].as_str().unwrap().to_owned(),
        written: after(" at "),
        clock: nanos(&row["clock"]),
        earliest: nanos(&row["earliest"]),
        latest: nanos(&row["latest"]),
    }
}

/// A date in UTC as nanoseconds since 1970.
fn nanos(date: &Value) -> i64 {
    let date = date.as_str().unwrap_or_else(|| panic!("no date: {date}"));
    let stamp: jiff::Timestamp = date.parse().unwrap();
    stamp.as_nanosecond().try_into().unwrap()
}

/// Two logs of one clock, written in turn: one with labels of multilog, one with those of s6-log.
fn written() -> Option<(TempDir, [Logged; 2])> {
    if !truechimer_sys::user::effective_uid().eq(&0) {
        not_tested("logs under svscan and s6-svscan (needs root)");
        return None;
    }
    let root = supervisors()?;
    let folder = tempfile::tempdir().unwrap();
    let logged =
        [("multilog", "svscan", "multilog t s4096 n50"), ("s6-log", "s6-svscan", "s6-log t s4096 n50")]
            .map(|one| Logged::start(&root, folder.path(), one));
    for number in 0..TURNS {
        logged[number as usize % 2].write(number, 1);
    }
    for (at, one) in (0..).zip(&logged) {
        one.write(TURNS + at * BURST, BURST);
    }
    Some((folder, logged))
}

#[test]
fn logs_of_multilog_and_s6_log_are_told_in_the_order_in_which_they_were_written() {
    let Some((folder, logged)) = written() else { return };
    for one in &logged {
        assert!(one.files().len() > 3, "{}: they were full more than once: {:?}", one.name, one.files());
    }
    let place = folder.path().join("logs");
    let lines = told(&place, &["--assume", "1us", "multilog", "s6-log"]);
    let numbers: Vec<u32> = lines.iter().map(|line| line.number).collect();
    // Each once, whatever was full in between; and both logs in the order in which they were written in turn.
    assert_eq!(numbers, (0..TURNS + 2 * BURST).collect::<Vec<u32>>());
    let labelled = |one: &Line| lines.iter().filter(|line| line.host == one.host).count() as u32;
    for line in &lines {
        assert_eq!(labelled(line), TURNS / 2 + BURST, "{line:?}");
        assert!(line.written <= line.clock, "labelled before it was written: {line:?}");
    }
    // The next one was written after this one was seen, by the same clock.
    let alone = || lines[..TURNS as usize].windows(2);
    for pair in alone() {
        assert!(pair[0].clock <= pair[1].written, "labelled when the next was written: {pair:?}");
    }
    // So no label is later than its line by more than this, whatever the machine did.
    let late = alone().map(|pair| pair[1].written - pair[0].written).max().unwrap();
    let assumed = format!("{late}ns");
    for line in &told(&place, &["--assume", &assumed, "multilog", "s6-log"])[..TURNS as usize - 1] {
        assert!(line.earliest <= line.written && line.written <= line.latest, "{line:?}");
        assert!(line.latest - line.earliest <= 2 * late + 10, "{line:?}");
    }
}

#[test]
fn labels_of_multilog_are_the_clock_and_ten_seconds_and_those_of_s6_log_are_tai() {
    let Some((folder, logged)) = written() else { return };
    let place = folder.path().join("logs");
    // What is found by when the files were written is what is said; the other one is 27 s off.
    for (one, labels, other) in [(&logged[0], "clock+10", "tai"), (&logged[1], "tai", "clock+10")] {
        let by = |labels: &[&str]| {
            let output = timeline(&place, &[&["--assume", "1us"], labels, &[one.name]].concat());
            assert!(output.status.success(), "{output:?}");
            output.stdout
        };
        assert_eq!(by(&[]), by(&["--labels", labels]), "{}", one.name);
        assert_ne!(by(&[]), by(&["--labels", other]), "{}", one.name);
    }
}

/// A journald of our own: what is in /run is in this namespace alone. Each entry is written after the one before it was in the journal.
const JOURNAL: &str = "set -e
mount -t tmpfs none /run
mkdir -p /run/systemd/journald.conf.d /run/log/journal
printf '[Journal]\\nStorage=volatile\\nReadKMsg=no\\nAudit=no\\nRateLimitIntervalSec=0\\nForwardToWall=no\\n' >/run/systemd/journald.conf.d/own.conf
/lib/systemd/systemd-journald &
tries=0
until [ -S /run/systemd/journal/stdout ]; do
    tries=$((tries + 1)); [ $tries -lt 600 ] || exit 9
    sleep 0.1
done
number=0
while [ $number -lt 25 ]; do
    systemd-cat -t writer echo \"line $number at $(date +%s%N) .\"
    until journalctl -q -o cat | grep -q \"^line $number at \"; do
        tries=$((tries + 1)); [ $tries -lt 6000 ] || exit 9
    done
    number=$((number + 1))
done
journalctl -q -o export >\"$1/export\"
journalctl -q -o json >\"$1/json\"
";

#[test]
fn a_real_journal_is_told_entry_by_entry_as_it_was_written() {
    if !truechimer_sys::user::effective_uid().eq(&0) {
        return not_tested("the journal of a real journald (needs root)");
    }
    let programs = ["/lib/systemd/systemd-journald", "/usr/bin/journalctl", "/usr/bin/systemd-cat"];
    if let Some(missing) = programs.iter().find(|program| !Path::new(program).exists()) {
        return not_tested(&format!("the journal of a real journald (there is no {missing})"));
    }
    if fs::read_to_string("/etc/machine-id").unwrap_or_default().trim().len() != 32 {
        return not_tested("the journal of a real journald (this machine has no /etc/machine-id)");
    }
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig=KILL", "--bounding-set=-sys_time", "--inh-caps=-all", "--"]);
    command.args(["unshare", "--pid", "--mount", "--mount-proc", "--fork", "--kill-child=KILL"]);
    let kept = command.args(["--", "sh", "-c", JOURNAL, "sh"]).arg(folder.path()).output().unwrap();
    assert!(kept.status.success(), "{kept:?}");
    let export = fs::read(folder.path().join("export")).unwrap();
    let entries =
        String::from_utf8_lossy(&export).lines().filter(|line| line.starts_with("__CURSOR=")).count();
    let mut told = Vec::new();
    for (arguments, stdin) in [(["export"], None), (["json"], None), (["-"], Some("export"))] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_truechimer"));
        command.args(["timeline", "--form", "json", "--assume", "1us"]).args(arguments);
        command.current_dir(folder.path());
        if let Some(name) = stdin {
            command.stdin(fs::File::open(folder.path().join(name)).unwrap());
        }
        let output = command.output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        let rows = String::from_utf8(output.stdout).unwrap();
        let rows: Vec<Value> = rows.lines().map(|row| serde_json::from_str(row).unwrap()).collect();
        assert_eq!(rows.len(), entries, "what journald says itself is told too");
        told.push(rows);
    }
    let is_ours = |row: &&Value| row["line"].as_str().unwrap().starts_with("writer");
    let lines: Vec<Line> = told[0].iter().filter(is_ours).map(line).collect();
    let numbers: Vec<u32> = lines.iter().map(|line| line.number).collect();
    assert_eq!(numbers, (0..25).collect::<Vec<u32>>());
    // An entry has microseconds, cut.
    for pair in lines.windows(2) {
        assert!(pair[0].written < pair[0].clock + 1000 && pair[0].clock <= pair[1].written, "{pair:?}");
        assert!(pair[0].earliest <= pair[0].clock && pair[0].clock <= pair[0].latest, "{pair:?}");
    }
    let column = |rows: &[Value], name: &str| rows.iter().map(|row| row[name].clone()).collect::<Vec<_>>();
    for name in ["time", "bound", "host", "clock", "evidence"] {
        assert_eq!(column(&told[1], name), column(&told[0], name), "as JSON: {name}");
        assert_eq!(column(&told[2], name), column(&told[0], name), "by a pipe: {name}");
    }
    assert_eq!(column(&told[2], "line"), column(&told[0], "line"), "by a pipe");
}

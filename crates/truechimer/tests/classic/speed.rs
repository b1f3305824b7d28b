//! `clockspeed` on a machine whose clocks are numbers in a file: what a library puts in their place. The kernel's clock is
//! not touched, and could not be: the daemon runs without the privilege.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use crate::add::{compiled, harmless, powerless};
use crate::{failed, record, told};

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const SECOND: i64 = 1_000_000_000;

/// A folder that is a home of clockspeed, and the clocks of its machine.
struct Home {
    folder: tempfile::TempDir,
    library: PathBuf,
    counter: i64,
    local: i64,
    asleep: i64,
}

/// A daemon, and the lines that it and its kernel say.
struct Daemon {
    process: Child,
    lines: Receiver<String>,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Daemon {
    /// The lines up to the first one that begins so, which is the last of them.
    #[track_caller]
    fn until(&self, beginning: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => lines.push(line),
                Err(error) => panic!("no line begins with {beginning:?}: {error}; {lines:?}"),
            }
            if lines.last().is_some_and(|line| line.starts_with(beginning)) {
                return lines;
            }
        }
    }

    /// The lines up to what is said of the next record.
    #[track_caller]
    fn answer(&self) -> Vec<String> {
        self.until("clockspeed: adjustment of ")
    }

    fn kill(mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it has ended");
    }
}

impl Home {
    /// `None` where there is no C compiler, and that is allowed.
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let library = compiled("machine.c", folder.path())?;
        fs::create_dir(folder.path().join("etc")).expect("a folder");
        symlink(env!("CARGO_BIN_EXE_truechimer"), folder.path().join("clockspeed")).expect("a link");
        let mut home =
            Self { folder, library, counter: 5000 * SECOND, local: 1_790_000_000 * SECOND, asleep: 0 };
        home.pass(0, 0);
        Some(home)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Time passes: so many seconds on the counter, and so many nanoseconds more on the clock.
    fn pass(&mut self, seconds: i64, gained: i64) {
        self.counter += seconds * SECOND;
        self.local += seconds * SECOND + gained;
        let bytes: Vec<u8> =
            [self.counter, self.local, self.asleep].iter().flat_map(|n| n.to_ne_bytes()).collect();
        fs::write(self.path("clocks.new"), bytes).expect("a file");
        fs::rename(self.path("clocks.new"), self.path("clocks")).expect("the file is replaced at once");
    }

    /// Under its own name, without the privilege, with the clocks of this machine.
    fn start(&self, arguments: &[&str]) -> Daemon {
        let mut command = powerless();
        command.env("MACHINE", self.path("clocks")).env("LD_PRELOAD", &self.library);
        command.arg(self.path("clockspeed")).arg("--home").arg(self.folder.path()).args(arguments);
        let mut process = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it can be run");
        let stderr = BufReader::new(process.stderr.take().expect("it is piped"));
        let (tell, lines) = mpsc::channel();
        // The thread ends with the daemon, or with the test that no longer listens.
        thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Daemon { process, lines }
    }

    fn write(&self, bytes: &[u8]) {
        let path = self.path("adjust");
        for _ in 0..600 {
            let is_fifo = fs::metadata(&path).is_ok_and(|data| data.file_type().is_fifo());
            if let (true, Ok(mut fifo)) = (is_fifo, OpenOptions::new().write(true).open(&path)) {
                return fifo.write_all(bytes).expect("the daemon reads");
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("there is no fifo");
    }

    /// Time passes, and the clock is measured.
    fn measured(&mut self, seconds: i64, off: &[u8], daemon: &Daemon) -> Vec<String> {
        self.pass(seconds, 0);
        self.write(off);
        daemon.answer()
    }

    fn atto(&self) -> Option<Vec<u8>> {
        fs::read(self.path("etc/atto")).ok()
    }

    fn keep(&self, atto: &[u8]) {
        fs::write(self.path("etc/atto"), atto).expect("a file");
    }
}

/// The file of a tick of so many billionths of a nanosecond.
fn tick(billionths: u32) -> Vec<u8> {
    [&[0; 8][..], &(billionths / 1_000_000_000).to_be_bytes(), &(billionths % 1_000_000_000).to_be_bytes()]
        .concat()
}

/// The tick that a file says, in billionths of a nanosecond.
fn billionths(atto: &[u8]) -> u32 {
    let number = |at: usize| u32::from_be_bytes(atto[at..at + 4].try_into().expect("four bytes"));
    assert_eq!((atto.len(), &atto[..8]), (16, &[0; 8][..]));
    number(8) * 1_000_000_000 + number(12)
}

/// What the original keeps from its own counter of 2.6 GHz.
const ORIGINAL: u32 = 384_615_383;

fn right() -> Vec<u8> {
    record(0, 0, 0)
}

fn millis(millis: i64) -> Vec<u8> {
    record(millis.div_euclid(1000), millis.rem_euclid(1000) as u32 * 1_000_000, 0)
}

fn mentions(lines: &[String], what: &str) -> bool {
    lines.iter().any(|line| line.contains(what))
}

#[test]
fn without_a_home_it_ends_with_1_and_no_word() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("clockspeed");
    symlink(env!("CARGO_BIN_EXE_truechimer"), &link).unwrap();
    let missing = folder.path().join("missing");
    let run = |arguments: &[&str]| told(&harmless(&link, arguments, b"", None));
    assert_eq!(run(&["--home", missing.to_str().unwrap()]), failed(1, ""));
    fs::write(folder.path().join("adjust"), "no fifo").unwrap();
    assert_eq!(run(&["--home", folder.path().to_str().unwrap()]), failed(1, ""));
    let (code, _, stderr) = run(&["--home", folder.path().to_str().unwrap(), "-v"]);
    let no_fifo = format!(
        "clockspeed: fatal: {}/adjust is no fifo: remove it, and one is made\n",
        folder.path().display()
    );
    assert_eq!((code, stderr), (Some(1), no_fifo));
    let (code, _, stderr) = run(&["--home", missing.to_str().unwrap(), "-v"]);
    let no_home = format!(
        "clockspeed: fatal: unable to work in {} (see --home): file does not exist\n",
        missing.display()
    );
    assert_eq!((code, stderr), (Some(1), no_home));
    let (code, _, stderr) = run(&["--nonsense"]);
    assert_eq!((code, stderr.ends_with("clockspeed: usage: clockspeed\n")), (Some(100), true), "{stderr}");
}

#[test]
fn the_fifo_is_its_owners_and_left_as_it_is_afterwards() {
    let Some(mut home) = Home::new() else { return };
    let mode = |home: &Home| fs::metadata(home.path("adjust")).unwrap().mode() & 0o7777;
    let daemon = home.start(&["-v"]);
    home.measured(1, &right(), &daemon);
    assert_eq!(mode(&home), 0o600);
    daemon.kill();
    fs::set_permissions(home.path("adjust"), Permissions::from_mode(0o620)).unwrap();
    let daemon = home.start(&["-v"]);
    home.measured(1, &right(), &daemon);
    assert_eq!(mode(&home), 0o620);
}

#[test]
fn it_is_silent_unless_asked() {
    let Some(mut home) = Home::new() else { return };
    let daemon = home.start(&["ignored"]);
    let mut lines = Vec::new();
    for _ in 0..3 {
        home.write(&[0xff; 16]);
        home.pass(4000, 0);
        home.write(&millis(200));
        // What the kernel is asked for shows that the record was heard.
        lines.extend(daemon.until("slew 0 "));
    }
    daemon.kill();
    assert!(!mentions(&lines, "clockspeed"), "{lines:?}");
}

#[test]
fn records_are_read_one_by_one_and_what_is_none_is_dropped() {
    let Some(mut home) = Home::new() else { return };
    let daemon = home.start(&["-v"]);
    home.pass(1, 0);
    for len in [1, 8, 11, 13, 15] {
        home.write(&vec![0; len]);
        assert!(mentions(&daemon.until("clockspeed: dropped: "), &format!("{len} bytes")), "{len}");
    }
    home.write(&[0xff; 16]);
    daemon.until("clockspeed: dropped: ");
    let short = home.measured(10, &millis(30)[..12], &daemon);
    assert!(mentions(&short, "adjustment of 0.03 s; 1 in agreement"), "{short:?}");
    home.pass(4000, 0);
    home.write(&[millis(30), millis(-70)].concat());
    assert!(mentions(&daemon.answer(), "adjustment of 0.03 s; 2 in agreement"));
    home.pass(4000, 0);
    home.write(&right());
    assert!(mentions(&daemon.answer(), "adjustment of "), "the other of the two came at the same moment");
}

#[test]
fn the_strict_one_takes_two_records_in_32_bytes_and_none_in_12() {
    let Some(mut home) = Home::new() else { return };
    let daemon = home.start(&["-v", "--strict"]);
    home.pass(1, 0);
    home.write(&[millis(30), millis(40)].concat());
    assert!(mentions(&daemon.answer(), "adjustment of 0.03 s"));
    assert!(mentions(&daemon.answer(), "adjustment of 0.04 s"));
    home.write(&right()[..12]);
    daemon.until("clockspeed: dropped: 12 bytes");
}

#[test]
fn the_folder_of_the_rate_is_made() {
    let Some(mut home) = Home::new() else { return };
    fs::remove_dir(home.path("etc")).expect("it is empty");
    let daemon = home.start(&["-v"]);
    home.measured(600, &right(), &daemon);
    let lines = home.measured(10_000, &millis(400), &daemon);
    daemon.kill();
    assert!(home.atto().is_some(), "{lines:?}");
    assert_eq!(fs::metadata(home.path("etc")).unwrap().mode() & 0o7777, 0o755);
}

#[test]
fn a_rate_that_cannot_be_kept_is_said_once_and_not_called_kept() {
    let Some(mut home) = Home::new() else { return };
    fs::remove_dir(home.path("etc")).expect("it is empty");
    fs::write(home.path("etc"), "no folder").expect("a file");
    let silent = home.start(&[]);
    silent.until("clockspeed: warning: unable to keep the rate: ");
    silent.kill();
    let daemon = home.start(&["-v"]);
    let mut lines = home.measured(600, &right(), &daemon);
    for (passed, slow) in [(10_000, 400), (20_000, 1200), (40_000, 2800)] {
        lines.extend(home.measured(passed, &millis(slow), &daemon));
    }
    lines.extend(home.measured(600, &millis(2824), &daemon));
    daemon.kill();
    let warnings = lines.iter().filter(|line| line.contains("unable to keep the rate")).count();
    assert_eq!(warnings, 1, "{lines:?}");
    assert!(!mentions(&lines, "ppm kept"), "{lines:?}");
}

#[test]
fn the_rate_is_learned_kept_and_holds_over_a_restart() {
    let Some(mut home) = Home::new() else { return };
    let daemon = home.start(&["-v"]);
    // The counter is 40 ppm slow, and nobody corrects the clock.
    assert!(!mentions(&home.measured(600, &right(), &daemon), "slew"));
    let mut lines = Vec::new();
    for (passed, slow) in [(10_000, 400), (20_000, 1200), (40_000, 2800)] {
        lines = home.measured(passed, &millis(slow), &daemon);
    }
    let atto = home.atto().expect("it is kept");
    assert!(billionths(&atto).abs_diff(1_000_040_000) < 200, "{}", billionths(&atto));
    assert!(mentions(&lines, "slew 2 ") && mentions(&lines, "status 0 maxerror "), "{lines:?}");
    assert!(mentions(&lines, "tick 10000 frequency 262"), "40 ppm, in parts of 65536: {lines:?}");
    assert_eq!(fs::metadata(home.path("etc/atto")).unwrap().mode() & 0o7777, 0o644);
    daemon.kill();
    home.pass(10_000, 0);
    let daemon = home.start(&[]);
    let first = daemon.until("tick");
    assert!(first.len() == 1 && mentions(&first, "frequency 262"), "the first thing that it does: {first:?}");
    assert_eq!(home.atto(), Some(atto));
}

#[test]
fn one_bad_record_poisons_neither_rate_nor_file_nor_clock() {
    let Some(mut home) = Home::new() else { return };
    let daemon = home.start(&["-v"]);
    home.measured(600, &right(), &daemon);
    let lines = home.measured(7, &record(1000, 0, 0), &daemon);
    assert!(mentions(&lines, "adjustment of 1000 s is outvoted"), "{lines:?}");
    assert!(!mentions(&lines, "slew") && home.atto().is_none(), "{lines:?}");
    for passed in [600, 1800, 4200, 9000] {
        let lines = home.measured(passed, &right(), &daemon);
        assert!(!mentions(&lines, "slew"), "{lines:?}");
    }
    assert!(billionths(&home.atto().expect("it is kept")).abs_diff(1_000_000_000) < 1000);
}

#[test]
fn the_strict_one_believes_it_and_asks_for_all_that_it_may() {
    let Some(mut home) = Home::new() else { return };
    let daemon = home.start(&["-v", "--strict"]);
    let first = home.measured(600, &right(), &daemon);
    assert!(!mentions(&first, "slew"), "{first:?}");
    home.measured(7, &record(1000, 0, 0), &daemon);
    assert_eq!(daemon.until("slew"), ["slew 99 999999"]);
    let atto = home.atto().expect("it is kept, as the original does");
    assert_eq!(atto[..12], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 143], "nanoseconds, where it was one");
}

#[test]
fn the_file_of_the_original_is_read_back() {
    for strict in [&["--strict"][..], &[]] {
        let Some(mut home) = Home::new() else { return };
        home.keep(&tick(1_000_040_000));
        let daemon = home.start(&[&["-v"][..], strict].concat());
        let lines = match strict.is_empty() {
            true => daemon.until("tick"),
            false => {
                home.measured(1000, &right(), &daemon);
                home.pass(1000, 0);
                home.write(b"no record");
                daemon.until("clockspeed: dropped");
                daemon.until("slew")
            }
        };
        // 40 ppm of 1000 s, cut off towards zero; 40 ppm in parts of 65536.
        let expected = ["slew 0 40000", "slew 0 39999", "tick 10000 frequency 2621"];
        assert!(expected.iter().any(|expected| mentions(&lines, expected)), "{lines:?}");
        assert_eq!(home.atto(), Some(tick(1_000_040_000)));
    }
}

#[test]
fn a_file_of_another_counter_moves_no_clock_and_is_kept_until_more_is_known() {
    let Some(mut home) = Home::new() else { return };
    home.keep(&tick(ORIGINAL));
    let strict = home.start(&["-v", "--strict"]);
    home.measured(10, &right(), &strict);
    home.write(b"no record");
    let lines = strict.until("clockspeed: dropped");
    assert!(!mentions(&lines, "slew"), "{lines:?}");
    strict.kill();
    let daemon = home.start(&["-v"]);
    for passed in [10, 20_000] {
        let lines = home.measured(passed, &right(), &daemon);
        assert!(!mentions(&lines, "slew"), "{lines:?}");
        assert_eq!(home.atto(), Some(tick(ORIGINAL)));
    }
    home.measured(40_000, &right(), &daemon);
    assert!(billionths(&home.atto().unwrap()).abs_diff(1_000_000_000) < 1000);
}

#[test]
fn nothing_steps_the_clock_at_a_start_or_later() {
    let Some(mut home) = Home::new() else { return };
    for _ in 0..3 {
        let daemon = home.start(&["-v"]);
        let mut lines = home.measured(4000, &record(-30, 0, 0), &daemon);
        lines.extend(home.measured(4000, &record(-30, 0, 0), &daemon));
        home.pass(1, 0);
        home.write(b"no record");
        lines.extend(daemon.until("slew -30 "));
        assert!(!mentions(&lines, "something else"), "{lines:?}");
        daemon.kill();
    }
}

#[test]
fn a_step_and_a_sleep_are_noticed_and_not_slewed_away() {
    let Some(mut home) = Home::new() else { return };
    let daemon = home.start(&["-v"]);
    for passed in [600, 6000, 60_000] {
        home.measured(passed, &right(), &daemon);
    }
    home.pass(10, 5 * SECOND);
    home.write(b"no record");
    let lines = daemon.until("clockspeed: somebody stepped the clock by 5 s");
    assert!(!mentions(&lines, "slew"), "{lines:?}");
    let lines = home.measured(10, &record(-5, 0, 0), &daemon);
    assert!(mentions(&lines, "slew -5 ") || mentions(&lines, "slew -6 "), "a record undoes it: {lines:?}");
    home.asleep += 7200 * SECOND;
    home.pass(10, 7200 * SECOND);
    home.write(b"no record");
    let lines = daemon.until("clockspeed: slept for 7200 s");
    assert!(!mentions(&lines, "slew"), "{lines:?}");
}

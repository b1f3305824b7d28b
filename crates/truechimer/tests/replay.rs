//! A record of the real daemon lives again: the same decisions, byte for byte.

use std::fs;
use std::io::BufReader;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use truechimer::replay::{self, ReplayError};
use truechimer_time::Span;

use common::server;

mod common;

struct Daemon(Child);

impl Daemon {
    fn start(config: &Path) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_truechimer"))
            .args(["run", "--config"])
            .arg(config)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the daemon starts");
        Self(child)
    }

    /// Ends it as a supervisor would, and says what it told.
    fn end(mut self) -> String {
        let terminated = Command::new("kill").arg(self.0.id().to_string()).status().expect("kill is there");
        assert!(terminated.success());
        let mut stderr = String::new();
        let mut pipe = self.0.stderr.take().expect("stderr is piped");
        std::io::Read::read_to_string(&mut pipe, &mut stderr).expect("readable");
        let status = self.0.wait().expect("it ends");
        assert!(status.success(), "{status}: {stderr}");
        stderr
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Already ended, unless the test has failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A folder that an account without rights can reach too, and a configuration in it.
fn configure(folder: &Path, max_size: &str) -> std::path::PathBuf {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("a folder for all");
    let place = folder.display();
    let mut text = String::from("user = \"nobody\"\n");
    for error in [Span::ZERO, Span::ZERO, Span::from_secs(3), Span::ZERO] {
        text += &format!("[[source]]\naddress = \"{}\"\nmin_interval = \"125ms\"\n", server(error));
        text += "max_interval = \"250ms\"\n";
    }
    text += &format!(
        "[clock]\ntarget = \"user\"\n[state]\ndir = \"{place}/state\"\nrun_dir = \"{place}/run\"\n\
         [statistics]\ndir = \"{place}/record\"\nmax_size = \"{max_size}\"\n"
    );
    let path = folder.join("truechimer.toml");
    fs::write(&path, text).expect("a configuration");
    path
}

fn lived(record: &Path, lines: usize) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let has = || fs::read_to_string(record).is_ok_and(|text| text.lines().count() >= lines);
    while !has() {
        assert!(Instant::now() < deadline, "the daemon writes a record");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_record_of_the_real_daemon_replays_to_the_same_decisions() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = configure(folder.path(), "8MiB");
    let record = folder.path().join("record/record");
    for life in 1..=2 {
        let daemon = Daemon::start(&config);
        if life == 2 {
            lived(&folder.path().join("record/record.1"), 400);
        }
        lived(&record, 400);
        let told = daemon.end();
        assert!(told.contains("a majority agrees"), "life {life}: {told}");
    }
    // The older life, and then the one that was born from what it had learned.
    let bytes =
        [fs::read(folder.path().join("record/record.1")), fs::read(&record)].map(Result::unwrap).concat();
    let outcome = replay::replay(&bytes[..], false).expect("a record");
    assert_eq!(outcome.difference, None);
    assert!(outcome.inputs > 300 && outcome.compared > 100, "{outcome:?}");
    assert!(String::from_utf8_lossy(&bytes).contains("\nlearned none\n"));
    assert!(!String::from_utf8_lossy(&fs::read(&record).unwrap()).contains("\nlearned none\n"));

    // Cut short by a power cut, it replays as far as it goes; with a bit turned, it says where.
    assert_eq!(replay::replay(&bytes[..bytes.len() - 17], false).expect("a record").difference, None);
    let text = String::from_utf8(bytes).expect("text");
    let turned = text.replacen(" taken\n", " suspect\n", 1);
    let difference = replay::replay(turned.as_bytes(), false).expect("a record").difference;
    assert!(difference.expect("another life").now.ends_with(" taken"));
}

#[test]
fn a_record_that_was_put_aside_in_pieces_replays_as_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = configure(folder.path(), "64KiB");
    let daemon = Daemon::start(&config);
    lived(&folder.path().join("record/record.1"), 10);
    daemon.end();
    let pieces =
        ["record.1", "record"].map(|name| fs::File::open(folder.path().join("record").join(name)).unwrap());
    let [first, second] = pieces.map(BufReader::new);
    let outcome = replay::replay(std::io::Read::chain(first, second), false).expect("a record");
    assert_eq!(outcome.difference, None);
    let second = BufReader::new(fs::File::open(folder.path().join("record/record")).unwrap());
    assert!(matches!(replay::replay(second, false), Err(ReplayError::BeginsInTheMiddle)));
}

#[test]
fn what_is_no_record_is_said_to_be_none() {
    assert!(matches!(replay::replay(&b"nonsense\n"[..], false), Err(ReplayError::NotARecord)));
    assert!(matches!(replay::replay(&b""[..], false), Err(ReplayError::NotARecord)));
    let headless = b"truechimer-record 1\nborn nobody\n";
    assert!(matches!(replay::replay(&headless[..], false), Err(ReplayError::Head("born"))));
}

//! The unmodified daemon under a preloaded library that forbids what a simulator of clock and network cannot carry.
//!
//! Needs a C compiler for the library; without one the test fails, unless `TRUECHIMER_WITHOUT_CC` is set.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use truechimer::page::Page;
use truechimer_core::status::Status;
use truechimer_sys::clock;
use truechimer_sys::shm::PageReader;
use truechimer_time::Span;

use common::server;

mod common;

fn shim(folder: &Path) -> Option<PathBuf> {
    let library = folder.join("shim.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/simulated/shim.c");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(source)
        .arg("-ldl")
        .status();
    match compiled {
        Ok(status) if status.success() => Some(library),
        Ok(_) | Err(_) if std::env::var_os("TRUECHIMER_WITHOUT_CC").is_some() => {
            eprintln!("SKIPPED: no C compiler, so nothing was shown about --simulated");
            None
        }
        Ok(_) | Err(_) => {
            panic!("the library cannot be compiled; without a C compiler set TRUECHIMER_WITHOUT_CC=1")
        }
    }
}

fn configure(folder: &Path) -> PathBuf {
    let place = folder.display();
    let source = |_| format!("[[source]]\naddress = \"{}\"\nmin_interval = \"125ms\"\n", server(Span::ZERO));
    let sources: String = (0..3).map(source).collect();
    let user = "user = \"nobody\"\n";
    let rest = format!("[clock]\ntarget = \"user\"\n[state]\ndir = \"{place}\"\nrun_dir = \"{place}\"\n");
    let path = folder.join("truechimer.toml");
    fs::write(&path, user.to_owned() + &sources + &rest).expect("a configuration");
    path
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Already ended, unless the test has failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn is_synchronised(folder: &Path) -> bool {
    let page = PageReader::open(&folder.join("time")).and_then(|page| page.read());
    let page = page.ok().and_then(|words| Page::of_words(words).ok());
    page.is_some_and(|page| {
        page.status == Status::Synchronised && {
            let now = clock::readings();
            page.read(now.raw, now.asleep).is_some()
        }
    })
}

#[test]
fn the_simulated_daemon_stays_within_what_a_simulator_can_carry() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("a folder for all");
    let Some(library) = shim(folder.path()) else { return };
    let child = Command::new(env!("CARGO_BIN_EXE_truechimer"))
        .args(["run", "--simulated", "--config"])
        .arg(configure(folder.path()))
        .env("LD_PRELOAD", library)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the daemon starts");
    let mut daemon = Running(child);
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_synchronised(folder.path()) {
        let ended = daemon.0.try_wait().expect("its state");
        assert!(ended.is_none() && Instant::now() < deadline, "{ended:?}: {}", told(&mut daemon));
        thread::sleep(Duration::from_millis(50));
    }
    let clock = truechimer_client::Clock::open(folder.path().join("time")).expect("a page to rely upon");
    let now = clock.now().expect("the time is known");
    assert!(now.status == Status::Synchronised && now.bound() < Span::from_secs(1), "{now:?}");
    let utc = now.utc.expect("UTC is known");
    let kernel = clock::realtime().since_epoch();
    assert!(
        (utc.likeliest.since_epoch() - kernel).abs() < Span::from_secs(5),
        "the servers told this machine's time"
    );
    let tasks = format!("/proc/{}/task", daemon.0.id());
    assert_eq!(fs::read_dir(tasks).expect("its threads").count(), 1);
    assert!(!folder.path().join("control").exists(), "no control socket");
    let killed = Command::new("kill").arg(daemon.0.id().to_string()).status().expect("kill is there");
    assert!(killed.success());
    let status = daemon.0.wait().expect("it ends");
    assert!(status.success(), "{status}: {}", told(&mut daemon));
}

fn told(daemon: &mut Running) -> String {
    // Ended first, so that the pipe has an end.
    let _ = daemon.0.kill();
    let mut text = String::new();
    if let Some(mut pipe) = daemon.0.stderr.take() {
        std::io::Read::read_to_string(&mut pipe, &mut text).expect("readable");
    }
    text
}

#[test]
fn without_the_switch_the_daemon_needs_more() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("a folder for all");
    let Some(library) = shim(folder.path()) else { return };
    let output = Command::new(env!("CARGO_BIN_EXE_truechimer"))
        .args(["run", "--config"])
        .arg(configure(folder.path()))
        .env("LD_PRELOAD", library)
        .output()
        .expect("the daemon starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(98), "the library bites: {stderr}");
    assert!(stderr.contains("ESCAPED: "), "{stderr}");
}

//! `clockadd`, always without the privilege to set a clock: what would be a step ends with the kernel's refusal, or
//! with a word from a library in its place.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::{failed, fed, record, told};

/// CAP_SYS_TIME, as a bit of a mask of capabilities.
const SYS_TIME: u64 = 1 << 25;

/// Runs a program without CAP_SYS_TIME, which is looked at first.
pub(crate) fn harmless(program: &Path, arguments: &[&str], stdin: &[u8], preload: Option<&Path>) -> Output {
    let status = fed(powerless().args(["cat", "/proc/self/status"]), b"");
    let status = String::from_utf8(status.stdout).expect("text");
    let effective =
        status.lines().find_map(|line| line.strip_prefix("CapEff:")).expect("setpriv and cat have run");
    let mask = u64::from_str_radix(effective.trim(), 16).expect("a mask");
    assert_eq!(mask & SYS_TIME, 0, "no test may set the clock");
    let mut command = powerless();
    if let Some(library) = preload {
        command.env("LD_PRELOAD", library);
    }
    fed(command.arg(program).args(arguments), stdin)
}

/// Whatever follows runs without the privilege. Who has no right to give it up has not got it.
pub(crate) fn powerless() -> Command {
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let mut command = Command::new(if is_root { "setpriv" } else { "env" });
    if is_root {
        command.args(["--bounding-set", "-sys_time", "--inh-caps", "-sys_time"]);
    }
    command
}

pub(crate) fn link(folder: &Path, name: &str) -> PathBuf {
    let link = folder.join(name);
    symlink(env!("CARGO_BIN_EXE_truechimer"), &link).expect("a link");
    link
}

fn clockadd(arguments: &[&str], stdin: &[u8]) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    harmless(&link(folder.path(), "clockadd"), arguments, stdin, None)
}

const DENIED: &str = "clockadd: fatal: unable to settimeofday: permission denied\n";

#[test]
fn without_the_privilege_it_says_so() {
    assert_eq!(told(&clockadd(&[], &record(0, 0, 0))), failed(111, DENIED));
    assert_eq!(told(&clockadd(&[], &record(0, 0, 0)[..12])), failed(111, DENIED));
}

#[test]
fn nothing_but_a_whole_record_is_taken() {
    for len in [0, 8, 15, 17, 24, 32] {
        let output = clockadd(&[], &vec![0; len]);
        assert_eq!(told(&output), failed(111, "clockadd: fatal: data split across packets\n"), "{len} bytes");
    }
}

#[test]
fn a_limit_is_kept_where_there_is_one() {
    let far = record(100, 0, 0);
    let no = |limit: u32| format!("clockadd: fatal: time discrepancy bigger than {limit} milliseconds\n");
    assert_eq!(told(&clockadd(&["-e", "50000"], &far)), failed(1, &no(50_000)));
    assert_eq!(told(&clockadd(&["--s6"], &far[..12])), failed(1, &no(2000)));
    let forced = format!("clockadd: warning: time discrepancy bigger than 2000 milliseconds\n{DENIED}");
    assert_eq!(told(&clockadd(&["--s6", "-f"], &far[..12])), failed(111, &forced));
    assert_eq!(told(&clockadd(&[], &far)), failed(111, DENIED), "by its own name it has none");
    let exe = Path::new(env!("CARGO_BIN_EXE_truechimer"));
    assert_eq!(told(&harmless(exe, &["clockadd"], &far, None)), failed(1, &no(2000)));
}

/// A library that writes down what the kernel is asked for, and asks nothing.
pub(crate) fn recorder(folder: &Path) -> Option<PathBuf> {
    compiled("recorder.c", folder)
}

/// A library made of this source beside us, into this folder.
pub(crate) fn compiled(source: &str, folder: &Path) -> Option<PathBuf> {
    let library = folder.join(source).with_extension("so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/classic").join(source);
    let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).status();
    match compiled {
        Ok(status) if status.success() => Some(library),
        Ok(_) | Err(_) if std::env::var_os("TRUECHIMER_WITHOUT_CC").is_some() => {
            eprintln!("SKIPPED: no C compiler, so nothing was recorded");
            None
        }
        Ok(_) | Err(_) => {
            panic!("the library cannot be compiled; without a C compiler set TRUECHIMER_WITHOUT_CC=1")
        }
    }
}

#[test]
fn the_clock_is_stepped_by_the_record() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(library) = recorder(folder.path()) else { return };
    let link = link(folder.path(), "clockadd");
    for (record, asked) in [
        (record(0, 500_000_000, 0), "set offset 0 500000000\n"),
        (record(-1, 750_000_000, 0), "set offset -1 750000000\n"),
        (record(172_700, 1, 0), "set offset 172700 1\n"),
        (record(-5, 0, 0)[..12].to_vec(), "set offset -5 0\n"),
    ] {
        let output = harmless(&link, &[], &record, Some(&library));
        assert_eq!(told(&output), (Some(0), String::new(), asked.to_owned()));
    }
}

//! The classic programs as scripts see them: the real binary under their names, its stdin, stdout, stderr and exit
//! codes. The servers are scripted and live on loopback; no test sets a clock.

mod add;
mod adjust;
mod names;
mod peer;
mod rdate;
mod rdated;
mod ready;
mod sntp;
mod speed;
mod tai;
mod taid;
mod view;

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};

use truechimer_core::classic::record as format;
use truechimer_time::Span;

/// Runs a program under its own name, as a link would.
fn run(name: &str, arguments: &[&str], stdin: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_truechimer"));
    command.arg0(name).args(arguments);
    fed(&mut command, stdin)
}

/// Runs a command to its end, feeding it this.
fn fed(command: &mut Command, stdin: &[u8]) -> Output {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().expect("it can be run");
    // One that wants no input may be gone already.
    let _ = child.stdin.take().expect("it is piped").write_all(stdin);
    child.wait_with_output().expect("it ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Exit code, stdout, stderr.
fn told(output: &Output) -> (Option<i32>, String, String) {
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn failed(code: i32, stderr: &str) -> (Option<i32>, String, String) {
    (Some(code), String::new(), stderr.to_owned())
}

/// An adjustment of so many seconds, nanoseconds and attoseconds, as bytes.
fn record(seconds: i64, nanos: u32, attos: u32) -> Vec<u8> {
    [&seconds.to_be_bytes()[..], &nanos.to_be_bytes(), &attos.to_be_bytes()].concat()
}

/// The adjustment that a program wrote, in seconds, if it wrote so many bytes and nothing else.
#[track_caller]
fn adjustment(output: &Output, bytes: usize) -> f64 {
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    measured(output, bytes)
}

/// The same, whatever was said on stderr.
#[track_caller]
fn measured(output: &Output, bytes: usize) -> f64 {
    assert_eq!(output.stdout.len(), bytes, "{}", text(&output.stderr));
    format::read(&output.stdout).expect("a record").span().as_seconds()
}

/// Near enough for two programs on one busy machine.
#[track_caller]
fn assert_about(measured: f64, expected: Span) {
    assert!((measured - expected.as_seconds()).abs() < 0.25, "{measured} instead of {expected}");
}

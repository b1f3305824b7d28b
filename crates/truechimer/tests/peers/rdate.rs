//! `rdate` and `rdated` among their kind: Debian's rdate, and the inetds of inetutils and of OpenBSD, today and after the
//! 32 bits of TIME have begun anew.
//!
//! These know no ports but 37 and 13, so that each test has a network for itself. Debian's rdate is only asked to print.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use tempfile::TempDir;

use crate::chronyd::{Chronyd, shifted};
use crate::namespace::Namespace;
use crate::place::{self, eventually, truechimer};
use crate::process::{Launch, Process, harmless};

const PATIENCE: Duration = Duration::from_secs(15);

/// About 2039, from 2026: TIME begins anew in 2036, and 32 bits of signed seconds end in 2038.
const LATER: i32 = 400_000_000;

/// On loopback nothing is further away than this by SNTP, in seconds.
const NEAR: f64 = 5e-3;

const SERVICES: &str = "time stream tcp nowait root internal\ntime dgram udp wait root internal\n";

/// A server of TIME at work in a network of its own.
struct Server {
    namespace: Namespace,
    _process: Process,
    _folder: TempDir,
}

/// An inetd, and how it is told to stay.
#[derive(Clone, Copy)]
struct Inetd {
    program: &'static str,
    stays: &'static str,
    /// How many bytes its answer has.
    says: &'static str,
}

const INETUTILS: Inetd = Inetd { program: "usr/sbin/inetutils-inetd", stays: "--debug", says: "8" };
const OPENBSD: Inetd = Inetd { program: "usr/sbin/inetd", stays: "-i", says: "4" };

impl Inetd {
    fn serving(self, peers: &Path, environment: Vec<(&'static str, OsString)>) -> Option<Server> {
        Server::start(&peers.join(self.program), environment, |folder| {
            let config = folder.join("inetd.conf");
            fs::write(&config, SERVICES).unwrap();
            let mut arguments = vec![self.stays.into()];
            if self.program == INETUTILS.program {
                arguments.push(OsString::from(format!("--pidfile={}", folder.join("pid").display())));
            }
            arguments.push(config.into());
            arguments
        })
    }
}

fn rdated(environment: Vec<(&'static str, OsString)>) -> Option<Server> {
    Server::start(truechimer(), environment, |_| vec!["rdated".into(), "--unsynchronised".into()])
}

impl Server {
    fn start(
        program: &Path,
        environment: Vec<(&'static str, OsString)>,
        arguments: impl Fn(&Path) -> Vec<OsString>,
    ) -> Option<Self> {
        let namespace = Namespace::new()?;
        let folder = tempfile::Builder::new().prefix("truechimer-rdate-").tempdir().unwrap();
        let process = Process::start(&Launch {
            program,
            arguments: arguments(folder.path()),
            environment,
            namespace: Some(&namespace),
            log: folder.path().join("log"),
        });
        let server = Self { namespace, _process: process, _folder: folder };
        eventually(PATIENCE, "the server listens", || (server.says() != "0").then_some(()));
        Some(server)
    }

    /// How many bytes it says to a client of TCP.
    fn says(&self) -> String {
        let script = "exec 3<>/dev/tcp/127.0.0.1/37 && wc -c <&3 || echo 0";
        let output = self.namespace.command("bash").args(["-c", script]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = harmless(Some(&self.namespace));
        command.arg(program).env("TZ", "UTC");
        command
    }

    fn ours(&self, options: &str, host: &str) -> Output {
        self.command(truechimer()).args(["rdate", options, host]).output().unwrap()
    }

    fn debians(&self, peers: &Path, options: &str, host: &str) -> Output {
        self.command(&peers.join("usr/sbin/rdate")).args([options, host]).output().unwrap()
    }
}

/// The date, and by how many seconds the clock would be adjusted.
#[track_caller]
fn told(output: &Output) -> (String, f64) {
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let (date, sentence) = stdout.split_once('\n').expect("two lines");
    let by = sentence.trim_end().strip_prefix("rdate: adjust local clock by ");
    let by = by.and_then(|by| by.strip_suffix(" seconds")?.parse().ok()).expect("the sentence");
    (date.to_owned(), by)
}

/// It has printed a date of that year, and that the clock is so far away, give or take a second.
#[track_caller]
fn is_ahead(output: &Output, seconds: i32, year: &str) {
    let (date, by) = told(output);
    assert!(date.ends_with(year), "{date}");
    assert!((by - f64::from(seconds)).abs() <= 1.0, "{by} instead of {seconds}");
}

/// The end of a date that is so far ahead.
fn year(seconds: i32) -> &'static str {
    if seconds == LATER { " UTC 2039" } else { "" }
}

#[test]
fn rdate_understands_the_eight_bytes_of_inetutils() {
    let Some(peers) = place::peers() else { return };
    for seconds in [0, LATER] {
        let environment = if seconds == 0 { Vec::new() } else { shifted(&peers, seconds) };
        let Some(inetd) = INETUTILS.serving(&peers, environment) else { return };
        assert_eq!(inetd.says(), INETUTILS.says);
        for options in ["-pv", "-puv"] {
            is_ahead(&inetd.ours(options, "127.0.0.1"), seconds, year(seconds));
        }
    }
}

#[test]
fn rdate_understands_the_inetd_of_openbsd() {
    let Some(peers) = place::peers() else { return };
    for seconds in [0, LATER] {
        let environment = if seconds == 0 { Vec::new() } else { shifted(&peers, seconds) };
        let Some(inetd) = OPENBSD.serving(&peers, environment) else { return };
        assert_eq!(inetd.says(), OPENBSD.says);
        is_ahead(&inetd.ours("-pv", "127.0.0.1"), seconds, year(seconds));
    }
}

#[test]
fn debians_rdate_understands_rdated() {
    let Some(peers) = place::peers() else { return };
    for seconds in [0, LATER] {
        let environment = if seconds == 0 { Vec::new() } else { shifted(&peers, seconds) };
        let Some(server) = rdated(environment) else { return };
        assert_eq!(server.says(), "4");
        for (options, host) in [("-pv", "127.0.0.1"), ("-puv", "127.0.0.1"), ("-pv", "::1"), ("-puv", "::1")]
        {
            is_ahead(&server.debians(&peers, options, host), seconds, year(seconds));
        }
        // Its turn at the rate limit is over, or comes with the next question.
        is_ahead(&server.ours("-puv", "127.0.0.1"), seconds, year(seconds));
    }
}

/// Debian's rdate says 1900 here.
#[test]
fn sntp_goes_on_after_the_era() {
    let Some(peers) = place::peers() else { return };
    let server = Chronyd::ahead(&peers, LATER);
    let output = harmless(None).arg(truechimer()).args(["rdate", "-pnv", &server.place.to_string()]).output();
    let (date, by) = told(&output.unwrap());
    assert!(date.ends_with(" 2039"), "{date}");
    assert!((by - f64::from(LATER)).abs() < NEAR, "{by}");
}

#[test]
fn both_rdates_say_the_same() {
    let Some(peers) = place::peers() else { return };
    let Some(server) = INETUTILS.serving(&peers, shifted(&peers, 1000)) else { return };
    for options in ["-pv", "-puv", "-pcv", "-ps", "-p"] {
        let said = || {
            let [ours, theirs] =
                [server.ours(options, "127.0.0.1"), server.debians(&peers, options, "127.0.0.1")];
            assert_eq!(
                (&ours.stderr, ours.status.code()),
                (&theirs.stderr, theirs.status.code()),
                "{options}"
            );
            (ours.stdout == theirs.stdout).then_some(())
        };
        // The second may end between the two.
        eventually(PATIENCE, "both say the same", said);
    }
}

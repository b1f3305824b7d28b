//! Our own daemon, as it is built, with a home of its own that outlives it.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use tempfile::TempDir;
use truechimer::talk::{SourcesReply, StatusReply};

use crate::namespace::Namespace;
use crate::place::{eventually, truechimer, user_name};
use crate::process::{Launch, Process};
use crate::truth::Truth;

/// A loaded machine takes its time.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is said to the daemon by its configuration.
#[derive(Clone)]
pub(crate) struct Wishes {
    /// Whom to ask, each of them an operator of its own.
    pub(crate) sources: Vec<SocketAddr>,
    /// How often: the shortest and the longest interval.
    pub(crate) intervals: [&'static str; 2],
    /// How many questions begin the acquaintance.
    pub(crate) burst: u8,
    /// `kernel` or `user`.
    pub(crate) target: &'static str,
    /// Whom root becomes. One who stays root still dies with the test that started it, another one only by its hand.
    pub(crate) user: String,
    /// The table `[serve]`, or nothing.
    pub(crate) serve: String,
}

impl Wishes {
    /// Asks these often, and keeps a clock of its own.
    pub(crate) fn asking(sources: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self {
            sources: sources.into_iter().collect(),
            intervals: ["125ms", "250ms"],
            burst: 8,
            target: "user",
            user: user_name(),
            serve: String::new(),
        }
    }
}

/// Where a daemon keeps what it needs.
pub(crate) struct Home {
    folder: TempDir,
}

impl Home {
    /// A home with these wishes written down.
    pub(crate) fn new(wishes: &Wishes) -> Self {
        let folder = tempfile::Builder::new().prefix("truechimer-daemon-").tempdir().unwrap();
        // Another user has to find the way to its own folders below.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let home = Self { folder };
        home.rewrite(wishes);
        home
    }

    /// Writes other wishes down, for a daemon that reads them again.
    pub(crate) fn rewrite(&self, wishes: &Wishes) {
        fs::write(self.path("truechimer.toml"), self.config(wishes)).unwrap();
    }

    fn config(&self, wishes: &Wishes) -> String {
        let [least, most] = wishes.intervals;
        let sources: String = wishes
            .sources
            .iter()
            .map(|place| {
                format!(
                    "[[source]]\naddress = \"{place}\"\nmin_interval = \"{least}\"\nmax_interval = \"{most}\"\n\
                     burst = {}\n",
                    wishes.burst
                )
            })
            .collect();
        format!(
            "user = \"{}\"\n{sources}[clock]\ntarget = \"{}\"\n{}[state]\ndir = {:?}\nrun_dir = {:?}\n",
            wishes.user,
            wishes.target,
            wishes.serve,
            self.path("state"),
            self.path("run"),
        )
    }

    /// Something below it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the daemon, and waits until it can be talked to.
    pub(crate) fn start(&self) -> Daemon<'_> {
        self.start_in(None)
    }

    /// The same in another network.
    pub(crate) fn start_in(&self, namespace: Option<&Namespace>) -> Daemon<'_> {
        self.start_with(namespace, Vec::new())
    }

    /// The same with more environment.
    pub(crate) fn start_with(
        &self,
        namespace: Option<&Namespace>,
        environment: Vec<(&'static str, OsString)>,
    ) -> Daemon<'_> {
        let process = Process::start(&Launch {
            program: truechimer(),
            arguments: ["run".into(), "--config".into(), self.path("truechimer.toml").into()].into(),
            environment,
            namespace,
            log: self.path("log"),
        });
        let mut daemon = Daemon { home: self, process };
        eventually(PATIENCE, "the daemon listens to us", || {
            assert!(daemon.process.is_alive(), "the daemon ended:\n{}", daemon.process.log());
            daemon.try_status()
        });
        daemon
    }
}

/// A daemon at work.
pub(crate) struct Daemon<'a> {
    home: &'a Home,
    /// The process.
    pub(crate) process: Process,
}

impl Daemon<'_> {
    /// A command line for this daemon.
    pub(crate) fn command(&self, subcommand: &str) -> Command {
        let mut command = Command::new(truechimer());
        command.arg(subcommand).arg("--run-dir").arg(self.home.path("run"));
        command
    }

    fn ask(&self, subcommand: &str) -> Output {
        self.command(subcommand).arg("--json").output().unwrap()
    }

    fn try_status(&self) -> Option<StatusReply> {
        serde_json::from_slice(&self.ask("status").stdout).ok()
    }

    /// What `truechimer status --json` prints.
    pub(crate) fn status(&self) -> StatusReply {
        let output = self.ask("status");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    }

    /// What `truechimer sources --json` prints.
    pub(crate) fn sources(&self) -> SourcesReply {
        let output = self.ask("sources");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    }

    /// The time that it publishes, beside the truth.
    pub(crate) fn truth(&self) -> Truth {
        Truth::of(&self.home.path("run"))
    }

    /// Asks it to end. It ends well.
    pub(crate) fn terminate(mut self) {
        let ended = self.process.terminate();
        assert_eq!(ended.code(), Some(0), "{}", self.process.log());
    }
}

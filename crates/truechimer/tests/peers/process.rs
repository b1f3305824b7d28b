//! Processes that cannot set the clock and do not outlive their test.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::namespace::Namespace;
use crate::place::eventually;

/// The bit of the right to set the clock in a set of capabilities (linux/capability.h).
const CAP_SYS_TIME: u32 = 25;

/// A loaded machine takes its time to start a program.
const PATIENCE: Duration = Duration::from_secs(10);

/// What to start.
pub(crate) struct Launch<'a> {
    /// The program.
    pub(crate) program: &'a Path,
    /// Its arguments.
    pub(crate) arguments: Vec<OsString>,
    /// More environment.
    pub(crate) environment: Vec<(&'static str, OsString)>,
    /// In which network; by default in this one.
    pub(crate) namespace: Option<&'a Namespace>,
    /// Where its output goes.
    pub(crate) log: PathBuf,
}

/// A process that is killed when this value goes, or the thread that started it.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it, and makes sure that it has no right to set the clock.
    pub(crate) fn start(launch: &Launch<'_>) -> Self {
        Self::start_through(launch, &[])
    }

    /// The same by way of programs that end with becoming the one that is meant, such as `unshare`. What they become may
    /// do no more than they.
    pub(crate) fn start_through(launch: &Launch<'_>, through: &[OsString]) -> Self {
        let log = File::create(&launch.log).unwrap();
        let mut command = harmless(launch.namespace);
        command
            .args(through)
            .arg(launch.program)
            .args(&launch.arguments)
            .envs(launch.environment.iter().cloned());
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn().expect("setpriv and ip are installed (util-linux, iproute2)");
        let mut process = Self { child, log: launch.log.clone() };
        process.await_program(launch.program);
        // Checked after the fact as well: a mistake in the line above is found before it does harm.
        assert!(!process.may_set_the_clock(), "{} may set the clock", launch.program.display());
        process
    }

    /// Only once the program runs does its set of capabilities count: setpriv has what we have.
    fn await_program(&mut self, program: &Path) {
        let program = fs::canonicalize(program).unwrap();
        let exe = format!("/proc/{}/exe", self.pid());
        eventually(PATIENCE, "a program starts", || {
            assert!(self.is_alive(), "{} ended at once:\n{}", program.display(), self.log());
            fs::read_link(&exe).is_ok_and(|running| running == program).then_some(())
        });
    }

    fn may_set_the_clock(&self) -> bool {
        let status = self.proc("status");
        // Root could get back, by another program, what only the last of them forbids.
        let of_root = (truechimer_sys::user::effective_uid() == 0).then_some("CapBnd:");
        let sets = ["CapEff:", "CapPrm:"].into_iter().chain(of_root).map(|name| {
            let set = status.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel tells it");
            u64::from_str_radix(set.trim(), 16).unwrap()
        });
        sets.collect::<Vec<u64>>().iter().any(|set| set >> CAP_SYS_TIME & 1 == 1)
    }

    /// The number of the process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A file of the process in `/proc`.
    pub(crate) fn proc(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.pid())).unwrap()
    }

    /// Has it not ended?
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// All that it has printed.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }

    /// Asks it to end, and waits for that.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        eventually(PATIENCE, "a process ends when asked to", || self.child.try_wait().unwrap())
    }

    /// Sends it a signal, by its name without SIG.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("sh").args(["-c", "kill -\"$1\" \"$2\"", "sh", name, &pid]).status().unwrap();
        assert!(sent.success(), "process {pid} has gone already:\n{}", self.log());
    }

    /// Ends it without asking.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        assert_eq!(self.child.wait().unwrap().signal(), Some(9));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended already cannot be killed: that is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), self.log());
        }
    }
}

/// What runs a program that can neither set the clock nor outlive us.
pub(crate) fn harmless(namespace: Option<&Namespace>) -> Command {
    let mut command = match namespace {
        Some(namespace) => namespace.command("setpriv"),
        None => Command::new("setpriv"),
    };
    command.arg("--pdeathsig=KILL");
    if truechimer_sys::user::effective_uid() == 0 {
        command.args(["--bounding-set=-sys_time", "--inh-caps=-all", "--ambient-caps=-all"]);
    }
    command.arg("--");
    command
}

//! A scratch folder with the classic programs' stand-ins, and our own program to write services for them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// Takes records from the fifo as long as it lives, and never comes to its end.
const CLOCKSPEED: &str = "#!/bin/sh\nexec 3<>\"$2/adjust\"\nexec cat <&3 >>\"$2/records\"\n";

/// The step at boot leaves a trace; the service says as whom it measures, and writes a record
/// each second.
const CLOCKADJUST: &str = "#!/bin/sh
case $* in
*--step*) echo \"$*\" >>HOME/steps; exit 0 ;;
esac
echo \"measured as $(id -un)\"
while :; do
    if [ -p HOME/adjust ]; then printf '0123456789abcdef' >HOME/adjust; fi
    sleep 1
done
";

const TAICLOCKD: &str = "#!/bin/sh\necho \"answering as $(id -un): $*\"\nexec sleep 3600\n";

/// A host in a scratch folder.
pub(crate) struct Host {
    folder: tempfile::TempDir,
}

impl Host {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Other accounts have a way through it.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let host = Self { folder };
        for name in ["home", "bin", "scan"] {
            fs::create_dir(host.at(name)).unwrap();
        }
        for (name, text) in
            [("clockspeed", CLOCKSPEED), ("clockadjust", CLOCKADJUST), ("taiclockd", TAICLOCKD)]
        {
            let text = text.replace("HOME", host.at("home").to_str().unwrap());
            host.program(name, &text);
        }
        host
    }

    fn program(&self, name: &str, text: &str) {
        let path = self.at("bin").join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }

    /// A place in the scratch folder.
    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// The text of a file, or nothing.
    pub(crate) fn text(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap_or_default()
    }

    /// Writes the services of a master, everything within the scratch folder.
    pub(crate) fn install(&self, supervisor: &str, account: &str) -> Output {
        let mut command = service();
        command.args(["install", "--role", "master", "--supervisor", supervisor]);
        for option in ["services", "scan", "home", "state", "run", "logs", "bin"] {
            command.arg(format!("--{option}")).arg(self.at(option));
        }
        for option in ["--measure-account", "--serve-account", "--log-account"] {
            command.args([option, account]);
        }
        command.output().unwrap()
    }

    /// Runs another subcommand of `service` on what was written.
    pub(crate) fn service(&self, arguments: &[&str]) -> Output {
        service().args(arguments).arg("--services").arg(self.at("services")).output().unwrap()
    }
}

/// `truechimer service`.
pub(crate) fn service() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_truechimer"));
    command.arg("service");
    command
}

/// Exit code and all that was printed.
pub(crate) fn told(output: &Output) -> (Option<i32>, String) {
    let text = [&output.stdout[..], &output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

/// Where the supervisors are unpacked. `None` if they are not and that was allowed; it is said.
pub(crate) fn supervisors() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("peers/root");
    let root = std::env::var_os("TRUECHIMER_PEERS").map_or(target, PathBuf::from);
    let is_there = root.join("usr/bin/s6-svscan").exists();
    let may_lack = std::env::var_os("TRUECHIMER_WITHOUT_PEERS").is_some_and(|value| value == "1");
    assert!(is_there || may_lack, "the supervisors are missing: run tests/peers/fetch first");
    if !is_there {
        not_tested("there are no supervisors here (TRUECHIMER_WITHOUT_PEERS=1)");
    }
    is_there.then_some(root)
}

/// Says what is left out, and in which test. Not by a macro: what those print, a test that passes keeps to itself.
pub(crate) fn not_tested(what: &str) {
    use std::io::Write;
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // Without a stderr there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "SKIPPED, NOT TESTED: {test}: {what}");
}

/// Waits until there is something, and looks every 100 ms.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

//! The trees under the real daemontools, runit and s6.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::host::{Host, eventually, not_tested, supervisors, told};

/// The first process in the namespace. Programs of s6 start each other by the paths that they were built for, so the
/// unpacked ones are laid over /usr/bin, in there alone.
const LIVE: &str = "mount -t overlay overlay -o \"$1\" /usr/bin || exit; shift; \"$@\" & wait";

/// A scanner and all that it started, in a namespace of processes that ends with this value.
pub(crate) struct Scanner {
    child: Child,
    root: PathBuf,
}

impl Drop for Scanner {
    fn drop(&mut self) {
        // `unshare` takes the first process of the namespace with it, and the kernel all others.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Scanner {
    /// Starts one on a folder; what it says goes to a file.
    pub(crate) fn start(root: &Path, words: &[&str], scan: &Path, log: &Path) -> Self {
        let log = fs::File::create(log).unwrap();
        let mut command = Command::new("setpriv");
        // Nobody in there may set the clock, whatever is run; and nobody outlives the test.
        command.args(["--pdeathsig=KILL", "--bounding-set=-sys_time", "--inh-caps=-all", "--"]);
        command.args(["unshare", "--pid", "--mount", "--fork", "--kill-child=KILL"]);
        command.args(["--", "sh", "-c", LIVE, "sh"]);
        command.arg(format!("lowerdir={}:/usr/bin", root.join("usr/bin").display()));
        command.args(words).arg(scan).envs(environment(root));
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn().expect("setpriv and unshare are installed (util-linux)");
        Self { child, root: root.to_owned() }
    }

    /// Runs a command among its processes.
    fn within(&self, command: &str) -> bool {
        let children = format!("/proc/{0}/task/{0}/children", self.child.id());
        let first = fs::read_to_string(children).unwrap().trim().to_owned();
        let mut nsenter = Command::new("nsenter");
        nsenter.args(["--pid", "--target", &first, "--", "sh", "-c", command]).envs(environment(&self.root));
        nsenter.stderr(Stdio::null()).status().unwrap().success()
    }
}

/// With the supervisors' programs and libraries.
fn environment(root: &Path) -> BTreeMap<&'static str, OsString> {
    let with = |folders: &[&str], others: &str| {
        let folders: Vec<String> =
            folders.iter().map(|folder| root.join(folder).display().to_string()).collect();
        OsString::from(format!("{}:{others}", folders.join(":")))
    };
    let path = std::env::var("PATH").unwrap_or_default();
    let libraries = ["usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu"];
    [("PATH", with(&["usr/bin", "usr/sbin"], &path)), ("LD_LIBRARY_PATH", with(&libraries, ""))].into()
}

/// The numbers of the processes that are up, by service; numbers of their namespace.
fn up(host: &Host) -> BTreeMap<String, u64> {
    let output = host.service(&["status", "--json"]);
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    let services = status["services"].as_array().unwrap();
    let up = |service: &Value| Some((service["name"].as_str()?.to_owned(), service["pid"].as_u64()?));
    services.iter().filter_map(up).collect()
}

const ALL: [&str; 5] = ["clockadjust", "clockadjust/log", "clockspeed", "taiclockd", "taiclockd/log"];

fn lives_under(supervisor: &str, words: &[&str]) {
    if !truechimer_sys::user::effective_uid().eq(&0) {
        return not_tested("the services under a supervisor (needs root)");
    }
    let Some(root) = supervisors() else { return };
    let host = Host::new();
    let installed = host.install(supervisor, "nobody");
    assert_eq!(told(&installed).0, Some(0), "{}", told(&installed).1);
    let scanner = Scanner::start(&root, words, &host.at("scan"), &host.at("scanner.log"));
    let running = eventually("all services are up", || Some(up(&host)).filter(|up| up.keys().eq(ALL)));
    assert_eq!(told(&host.service(&["status"])).0, Some(0));
    each_does_its_part(&host);
    each_comes_back(&host, &scanner, &running);
    all_is_taken_away(&host, &scanner);
}

fn each_does_its_part(host: &Host) {
    eventually("the record arrives", || host.text("home/records").contains("0123456789abcdef").then_some(()));
    let marker = host.at("home/etc/stepped");
    let step = format!("--step --marker {}\n", marker.display());
    assert!(host.text("home/steps").starts_with(&step), "{}", host.text("home/steps"));
    let fifo = host.at("home/adjust").metadata().unwrap();
    let nobodys = truechimer_sys::user::lookup("nobody").unwrap().unwrap();
    assert_eq!((fifo.mode() & 0o7777, fifo.uid(), fifo.gid()), (0o620, 0, nobodys.gid));
    for (service, said) in [("clockadjust", "measured as nobody"), ("taiclockd", "answering as nobody")] {
        let log = format!("logs/{service}/current");
        let line = eventually("a line in the log", || host.text(&log).lines().next().map(str::to_owned));
        assert!(line.contains(&format!(" {said}")), "a stamp comes first: {line}");
        let folder = host.at("logs").join(service).metadata().unwrap();
        assert_eq!((folder.mode() & 0o7777, folder.uid()), (0o750, nobodys.uid));
    }
}

fn each_comes_back(host: &Host, scanner: &Scanner, running: &BTreeMap<String, u64>) {
    for (name, pid) in running {
        assert!(scanner.within(&format!("kill -KILL {pid}")), "{name}");
    }
    eventually("all come back as others", || {
        let now = up(host);
        let is_another = |(name, pid): (&String, &u64)| now.get(name).is_some_and(|now| now != pid);
        running.iter().all(is_another).then_some(())
    });
    let records = || host.text("home/records").matches("0123456789abcdef").count();
    let before = records();
    eventually("the next record arrives", || (records() > before).then_some(()));
}

fn all_is_taken_away(host: &Host, scanner: &Scanner) {
    let (code, told_first) = told(&host.service(&["remove"]));
    assert_eq!(code, Some(1), "{told_first}");
    assert!(told_first.contains("nothing was removed, because these are supervised"), "{told_first}");
    for line in told_first.lines().filter_map(|line| line.strip_prefix("  ")) {
        assert!(scanner.within(line), "{line}");
    }
    let text = eventually("they are stopped by what was told", || {
        let (_, text) = told(&host.service(&["remove"]));
        (!text.contains("nothing was removed")).then_some(text)
    });
    for gone in
        ["services/clockspeed/run", "services/taiclockd/log/run", "services/accounts", "scan/clockadjust"]
    {
        assert!(host.at(gone).symlink_metadata().is_err(), "{gone}: {text}");
    }
    for kept in ["home/adjust", "logs/clockadjust/current", "bin/clockspeed"] {
        assert!(host.at(kept).exists(), "{kept}: {text}");
    }
}

#[test]
fn the_services_live_under_daemontools() {
    lives_under("daemontools", &["svscan"]);
}

#[test]
fn the_services_live_under_runit() {
    lives_under("runit", &["runsvdir"]);
}

#[test]
fn the_services_live_under_s6() {
    lives_under("s6", &["s6-svscan"]);
}

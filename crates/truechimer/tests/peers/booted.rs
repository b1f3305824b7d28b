//! The units that `truechimer service install` writes, under a systemd that was booted for them: it is the first process
//! of a host with networks, files, accounts, control groups and processes of its own.
//!
//! What those units may do to the clock they may do to one that exists in a [file](crate::machine). Nobody on the host, be
//! it systemd, may set that of this machine.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::chronyd::Chronyd;
use crate::machine::Machine;
use crate::namespace::{Cable, Namespace};
use crate::place::{self, eventually, truechimer};
use crate::process::{Launch, Process, harmless};

/// Some measurements, each of seconds; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// So often it is tried to remove a control group.
const REMOVALS_MAX: usize = 200;

/// Debian's place; `/lib` is a link to `/usr/lib` everywhere else.
const SYSTEMD: &str = "/lib/systemd/systemd";

/// Where the services find the file of their clock.
const MACHINE: &str = "/var/lib/truechimer-test";

/// A group of processes that systemd may divide among its services. It goes when it is empty.
struct Group {
    path: PathBuf,
}

impl Group {
    /// `None` where there is no second version of control groups, or it is not for us.
    fn new() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let mount = mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2"))?;
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("truechimer-test-{}-{number}", std::process::id());
        let path = Path::new(mount.split(' ').nth(1)?).join(name);
        fs::create_dir(&path).ok()?;
        Some(Self { path })
    }

    fn name(&self) -> String {
        self.path.file_name().expect("it was named").to_string_lossy().into_owned()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The kernel takes a moment to see that the last process has gone. A test that fails already goes on failing.
        for _ in 0..REMOVALS_MAX {
            if remove(&self.path).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        eprintln!("the control group {} could not be removed: somebody is left in it", self.path.display());
    }
}

/// The folders of a group are all that can be removed of it.
fn remove(group: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(group)?.flatten().filter(|entry| entry.path().is_dir()) {
        remove(&entry.path())?;
    }
    fs::remove_dir(group)
}

/// A host whose first process is systemd. Fields end in this order.
struct Host {
    systemd: Process,
    _group: Group,
    machine: Machine,
    folder: TempDir,
}

impl Host {
    /// `None` where that is not possible; it is said.
    fn boot(namespace: &Namespace, server: Ipv4Addr) -> Option<Self> {
        if !Path::new(SYSTEMD).exists() || !may_divide() {
            place::not_tested("units under systemd (no systemd here, or no namespaces)");
            return None;
        }
        let Some(group) = Group::new() else {
            place::not_tested("units under systemd (no control groups of version 2 for us)");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("truechimer-booted-").tempdir().unwrap();
        let machine = furnish(folder.path(), &group, server)?;
        let arguments = ["--uts", "--ipc", "--pid", "--mount", "--fork", "--kill-child", "--", "/bin/sh"];
        let systemd = Process::start(&Launch {
            program: Path::new("/usr/bin/unshare"),
            arguments: arguments
                .map(Into::into)
                .into_iter()
                .chain([folder.path().join("boot").into()])
                .collect(),
            environment: Vec::new(),
            namespace: Some(namespace),
            log: folder.path().join("log"),
        });
        let host = Self { systemd, _group: group, machine, folder };
        eventually(PATIENCE, "systemd has booted", || {
            let state = host.run(&["systemctl", "is-system-running"]);
            (text(&state.stdout).trim() == "running").then_some(())
        });
        Some(host)
    }

    /// Runs a command on the host.
    fn run(&self, words: &[&str]) -> Output {
        let children = self.systemd.proc(&format!("task/{0}/children", self.systemd.pid()));
        let mut nsenter = harmless(None);
        nsenter.args(["nsenter", "--all", "--target", children.trim(), "--"]).args(words).output().unwrap()
    }

    /// Asks systemd for something that it is to do.
    #[track_caller]
    fn systemctl(&self, words: &[&str]) {
        let output = self.run(&[&["systemctl"], words].concat());
        let logs: String = words.iter().map(|word| self.log(word.trim_end_matches(".service"))).collect();
        assert!(output.status.success(), "{words:?}: {}{logs}", text(&output.stderr));
    }

    /// What systemd says about a unit.
    fn property(&self, unit: &str, name: &str) -> String {
        text(&self.run(&["systemctl", "show", "--value", "--property", name, unit]).stdout).trim().to_owned()
    }

    /// Kills the process of a unit, and waits for another one.
    fn kill(&self, unit: &str) {
        let before = self.property(unit, "MainPID");
        self.systemctl(&["kill", "--kill-whom=main", "--signal=KILL", unit]);
        eventually(PATIENCE, &format!("{unit} comes back"), || {
            let is_up = self.property(unit, "ActiveState") == "active";
            (is_up && self.property(unit, "MainPID") != before).then_some(())
        });
    }

    fn log(&self, unit: &str) -> String {
        fs::read_to_string(self.folder.path().join(format!("machine.d/{unit}.log"))).unwrap_or_default()
    }

    fn measurements(&self) -> usize {
        self.log("clockadjust").matches(", passed on; next in ").count()
    }
}

fn may_divide() -> bool {
    let mut unshare = harmless(None);
    unshare.args(["unshare", "--cgroup", "--uts", "--ipc", "--pid", "--mount", "--fork", "--", "true"]);
    unshare.output().is_ok_and(|output| output.status.success())
}

fn furnish(place: &Path, group: &Group, server: Ipv4Addr) -> Option<Machine> {
    fs::set_permissions(place, fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["groups", "layer", "machine.d", "units"] {
        fs::create_dir(place.join(name)).unwrap();
    }
    let machine = Machine::new(&place.join("machine.d"))?;
    for unit in ["clockspeed", "clockspeed-step", "clockadjust", "taiclockd", "truechimer"] {
        let folder = place.join(format!("units/{unit}.service.d"));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("test.conf"), drop_in(unit)).unwrap();
    }
    let config = format!(
        "schedule = \"classic\"\n[[source]]\naddress = \"{server}\"\nmin_interval = \"1s\"\nmax_interval = \"2s\"\nburst = 8\n\
         [classic]\nfirst_wait = \"1s\"\nlongest_wait = \"2s\"\n"
    );
    fs::write(place.join("truechimer.toml"), config).unwrap();
    let boot = [
        ("@PLACE@", place.display().to_string()),
        ("@GROUP@", group.name()),
        ("@PROGRAM@", truechimer().display().to_string()),
    ]
    .iter()
    .fold(include_str!("booted/boot").to_owned(), |text, (mark, value)| text.replace(mark, value));
    fs::write(place.join("boot"), boot).unwrap();
    Some(machine)
}

/// What differs from the unit that was written: whose clock it is, a log where there is no journal, and another privilege
/// to give up in the place of the one that nobody here can be given.
fn drop_in(unit: &str) -> String {
    let mut text = format!("[Service]\nStandardOutput=append:{MACHINE}/{unit}.log\nStandardError=inherit\n");
    if ["truechimer", "clockspeed-step"].contains(&unit) {
        text += "AmbientCapabilities=\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n";
        text += "CapabilityBoundingSet=CAP_NET_BIND_SERVICE\n";
    }
    if unit != "truechimer" {
        text += &format!("ReadWritePaths={MACHINE}\n");
        let environment = Machine::environment_in(Path::new(MACHINE));
        environment.iter().for_each(|(name, value)| text += &format!("Environment={name}={value}\n"));
    }
    text
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A network of its own, a server of our time in it, and a booted host in another one beside it.
fn booted(net: u8, test: impl FnOnce(&Host, &Namespace)) {
    let Some(peers) = place::peers() else { return };
    let (Some(world), Some(network)) = (Namespace::new(), Namespace::new()) else { return };
    let (ours, theirs) = (format!("10.79.{net}.1"), format!("10.79.{net}.2"));
    world.connect(&network, &Cable { name: format!("booted{net}"), ours, theirs });
    let server = Ipv4Addr::new(10, 79, net, 1);
    let _chronyd = Chronyd::in_network(&peers, &world, server);
    if let Some(host) = Host::boot(&network, server) {
        test(&host, &world);
    }
}

#[test]
fn the_daemon_is_ready_when_it_knows_the_time() {
    booted(0, |host, _world| {
        host.systemctl(&["start", "truechimer.service", "truechimer-wait.service"]);
        let told = |name| host.property("truechimer.service", name);
        assert_eq!((told("ActiveState"), told("User")), ("active".to_owned(), "truechimer".to_owned()));
        assert_eq!(told("StatusText"), "synchronised", "{}", host.log("truechimer"));
        let sets =
            host.run(&["grep", "-E", "Cap(Inh|Prm|Eff|Amb)", &format!("/proc/{}/status", told("MainPID"))]);
        let empty = text(&sets.stdout).lines().filter(|line| line.ends_with("\t0000000000000000")).count();
        assert_eq!(empty, 4, "{}", text(&sets.stdout));
        let status = host.run(&["truechimer", "status", "--json"]);
        let status: Value = serde_json::from_slice(&status.stdout).unwrap();
        assert_eq!(status["status"], "synchronised");
        host.kill("truechimer.service");
        host.systemctl(&["stop", "truechimer.service"]);
        assert_eq!(told("Result"), "success", "{}", host.log("truechimer"));
    });
}

#[test]
fn the_classic_units_keep_the_clock() {
    booted(1, |host, world| {
        host.systemctl(&["start", "truechimer.service"]);
        host.systemctl(&["start", "clockspeed.service", "clockadjust.service", "taiclockd.service"]);
        assert_eq!(host.property("truechimer.service", "ActiveState"), "inactive", "one of the two keeps it");
        eventually(PATIENCE, "it measures", || (host.measurements() > 1).then_some(()));
        host.machine.is_right();
        for unit in ["clockspeed.service", "clockadjust.service", "taiclockd.service"] {
            host.kill(unit);
        }
        host.systemctl(&["reload", "clockadjust.service"]);
        let before = host.measurements();
        eventually(PATIENCE, "it measures again", || (host.measurements() > before + 1).then_some(()));
        host.machine.is_right();
        let mut taiclock = harmless(Some(world));
        taiclock.arg(truechimer()).args(["taiclock", "--kernel", "utc", "10.79.1.2"]);
        let record = eventually(PATIENCE, "the master answers", || {
            Some(taiclock.output().unwrap().stdout).filter(|record| !record.is_empty())
        });
        let behind = truechimer_core::classic::record::read(&record).unwrap().span().as_seconds();
        assert!(behind.abs() < 0.03, "{behind} s");
        let status = host.run(&["truechimer", "service", "status"]);
        assert!(status.status.success(), "{}", text(&status.stdout));
    });
}

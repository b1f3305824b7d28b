//! What `truechimer service install` writes, with our programs in it, on hosts that have nothing else: under Debian's
//! daemontools, runit and s6, a master that measures a chronyd, and a client that measures the master.
//!
//! Each host has networks, a name, accounts and processes of its own, and a clock that exists in a
//! [file](crate::machine).

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use truechimer_core::classic::atto;
use truechimer_core::classic::record;
use truechimer_time::Span;

use crate::chronyd::Chronyd;
use crate::machine::{COUNTER_PPM, Machine};
use crate::namespace::{Cable, Namespace};
use crate::place::{self, eventually, truechimer};
use crate::process::{Launch, Process, harmless};

/// Some measurements, each of seconds; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// How near a rate is that was not learned but kept, in parts per million.
const KEPT_PPM: f64 = 0.01;

/// How near the master's clock is to ours, as a client measures it, in seconds.
const NEAR: f64 = 0.03;

/// A supervisor, and the program that looks for services.
#[derive(Clone, Copy)]
struct Supervisor {
    name: &'static str,
    scanner: &'static str,
    /// What says whether a service is ready, where somebody wants to know.
    asks: Option<&'static str>,
}

/// What is different from host to host.
struct Part<'a> {
    name: &'a str,
    role: &'a str,
    namespace: &'a Namespace,
    server: Ipv4Addr,
    master: Ipv4Addr,
}

/// A machine whose clock is kept by the services.
struct Host {
    supervisor: Process,
    machine: Machine,
    asks: Option<String>,
    folder: TempDir,
}

impl Host {
    fn start(peers: &Path, supervisor: Supervisor, part: &Part<'_>) -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("truechimer-services-").tempdir().unwrap();
        let place = folder.path();
        fs::set_permissions(place, fs::Permissions::from_mode(0o755)).unwrap();
        let machine = Machine::new(place)?;
        for name in ["layer", "scan", "home", "home/etc"] {
            fs::create_dir(place.join(name)).unwrap();
        }
        fs::write(place.join("truechimer.toml"), config(place, part)).unwrap();
        fs::write(place.join("home/etc/atto"), atto::write(tick()).unwrap()).unwrap();
        install(place, supervisor, part.role);
        fs::write(place.join("boot"), boot(peers, place, supervisor, part, &machine)).unwrap();
        let arguments =
            ["--uts", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc", "--", "/bin/sh"];
        let libraries = libraries(peers);
        let asks = supervisor.asks.map(|program| format!("LD_LIBRARY_PATH={libraries} {program}"));
        let supervisor = Process::start(&Launch {
            program: Path::new("/usr/bin/unshare"),
            arguments: arguments.map(Into::into).into_iter().chain([place.join("boot").into()]).collect(),
            environment: Vec::new(),
            namespace: Some(part.namespace),
            log: place.join("host.log"),
        });
        Some(Self { supervisor, machine, asks, folder })
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn log(&self, service: &str) -> String {
        fs::read_to_string(self.path("logs").join(service).join("current")).unwrap_or_default()
    }

    fn measurements(&self) -> usize {
        self.log("clockadjust").matches(", passed on; next in ").count()
    }

    /// What runs, with the numbers that the processes have among themselves.
    fn up(&self) -> BTreeMap<String, u64> {
        let mut command = Command::new(truechimer());
        command.args(["service", "status", "--json", "--services"]).arg(self.path("services"));
        let status: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
        let up = |service: &Value| Some((service["name"].as_str()?.to_owned(), service["pid"].as_u64()?));
        status["services"].as_array().unwrap().iter().filter_map(up).collect()
    }

    /// Runs something in a shell among its processes.
    fn within(&self, command: &str) -> String {
        let children = self.supervisor.proc(&format!("task/{}/children", self.supervisor.pid()));
        let mut nsenter = harmless(None);
        nsenter.args(["nsenter", "--pid", "--mount", "--target", children.trim(), "--", "sh", "-c", command]);
        let output = nsenter.output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    }

    /// Real user of each service's process, by name.
    fn users(&self) -> BTreeMap<String, String> {
        let user = |(name, pid)| (name, self.within(&format!("stat -c %U /proc/{pid}")).trim().to_owned());
        self.up().into_iter().map(user).collect()
    }

    /// By how much the counter is fast, as `etc/atto` has it.
    fn kept_ppm(&self) -> f64 {
        let bytes = fs::read(self.path("home/etc/atto")).unwrap();
        let tick = atto::read(&bytes).expect("a rate is whole").as_seconds();
        (1e-9 / tick - 1.0) * 1e6
    }

    #[track_caller]
    fn keeps_its_rate(&self) {
        assert!((self.kept_ppm() - COUNTER_PPM).abs() < KEPT_PPM, "{} ppm", self.kept_ppm());
    }

    #[track_caller]
    fn measures_again(&self) {
        let before = self.measurements();
        eventually(PATIENCE, "it measures", || (self.measurements() > before + 1).then_some(()));
    }

    /// The services have said so themselves.
    fn is_ready(&self, role: &str) {
        let Some(asks) = &self.asks else { return };
        for name in accounts(role).keys().filter(|name| !name.ends_with("/log")) {
            let ask = format!("{asks} {}", self.path("services").join(name).display());
            eventually(PATIENCE, &format!("{name} is ready"), || {
                (self.within(&ask) == "true\n").then_some(())
            });
        }
    }

    /// Kills all at once, and waits for others in their place.
    fn each_comes_back(&self) {
        let before = self.up();
        let pids: Vec<String> = before.values().map(u64::to_string).collect();
        self.within(&format!("kill -KILL {}", pids.join(" ")));
        eventually(PATIENCE, "all come back as others", || {
            let now = self.up();
            let is_another = |(name, pid): (&String, &u64)| now.get(name).is_some_and(|now| now != pid);
            before.iter().all(is_another).then_some(())
        });
    }
}

/// What a tick of the counter really is.
fn tick() -> Span {
    Span::from_seconds(1e-9 / (1.0 + COUNTER_PPM * 1e-6))
}

fn install(place: &Path, supervisor: Supervisor, role: &str) {
    let mut command = Command::new(truechimer());
    command.args(["service", "install", "--supervisor", supervisor.name, "--role", role]);
    for option in ["services", "scan", "home", "state", "run", "logs"] {
        command.arg(format!("--{option}")).arg(place.join(option));
    }
    command.arg("--config").arg(place.join("truechimer.toml"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

fn boot(peers: &Path, place: &Path, supervisor: Supervisor, part: &Part<'_>, machine: &Machine) -> String {
    [
        ("@NAME@", part.name.to_owned()),
        ("@PLACE@", place.display().to_string()),
        ("@PEERS@", peers.display().to_string()),
        ("@MACHINE@", machine.entrance()),
        ("@LIBRARIES@", libraries(peers)),
        ("@SCANNER@", supervisor.scanner.to_owned()),
    ]
    .iter()
    .fold(include_str!("services/boot").to_owned(), |text, (mark, value)| text.replace(mark, value))
}

/// Where those of s6 are; the folder is named after the machine's architecture.
fn libraries(peers: &Path) -> String {
    let folders = ["x86_64-linux-gnu", "aarch64-linux-gnu"];
    folders.map(|folder| peers.join("usr/lib").join(folder).display().to_string()).join(":")
}

/// One text for both: the master measures the server, and the client measures the master.
fn config(place: &Path, part: &Part<'_>) -> String {
    let (place, server, master) = (place.display(), part.server, part.master);
    format!(
        "schedule = \"classic\"\n[[source]]\naddress = \"{server}\"\n[classic]\nhome = \"{place}/home\"\nmaster = \"clock1\"\n\
         master_address = \"{master}\"\nfirst_wait = \"1s\"\nlongest_wait = \"2s\"\nstatus = \"{place}/run/clockadjust/status\"\n[state]\ndir = \"{place}/state\"\n"
    )
}

fn cable(name: &str, net: u8) -> Cable {
    Cable { name: name.to_owned(), ours: format!("10.78.{net}.1"), theirs: format!("10.78.{net}.2") }
}

/// By how much our clock is behind the master's, as the master tells it: not at all, while nobody keeps its clock.
fn told(world: &Namespace, master: Ipv4Addr) -> Option<f64> {
    let mut command = harmless(Some(world));
    command.arg(truechimer()).args(["taiclock", "--kernel", "utc", &master.to_string()]);
    let output = command.output().unwrap();
    Some(record::read(&output.stdout).ok()?.span().as_seconds())
}

/// Who is who: the setter of the clock, those who measure and answer, and those who write logs.
fn accounts(role: &str) -> BTreeMap<String, String> {
    let all = [
        ("clockspeed", "root"),
        ("clockadjust", "truechimer"),
        ("clockadjust/log", "truelog"),
        ("taiclockd", "taiclockd"),
        ("taiclockd/log", "truelog"),
    ];
    let count = if role == "master" { 5 } else { 3 };
    all[..count].iter().map(|(name, user)| ((*name).to_owned(), (*user).to_owned())).collect()
}

fn everything_works(host: &Host, role: &str) {
    let running = || Some(host.users()).filter(|users| *users == accounts(role));
    eventually(PATIENCE, "everything runs, and as it should", running);
    eventually(PATIENCE, "it measures", || (host.measurements() > 1).then_some(()));
    host.machine.is_right();
    assert!(
        host.path("run/clockadjust/status").is_file(),
        "its folder is made for the account that measures"
    );
    host.keeps_its_rate();
    let told = host.machine.frequency_ppm();
    assert!((told + COUNTER_PPM).abs() < 1.0, "the kernel was told the rate: {told} ppm");
    host.is_ready(role);
    let log = host.path("logs/clockadjust").metadata().unwrap();
    assert_eq!(log.mode() & 0o7777, 0o750, "logs are their writer's");
}

fn lives_under(supervisor: Supervisor, net: u8) {
    let Some(peers) = place::peers() else { return };
    let networks: Option<Vec<Namespace>> = (0..3).map(|_| Namespace::new()).collect();
    let Some([world, lan, desk]) = networks.as_deref() else { return };
    world.connect(lan, &cable(&format!("services{net}"), net));
    lan.connect(desk, &cable(&format!("services{}", net + 1), net + 1));
    let server = Ipv4Addr::new(10, 78, net, 1);
    let at_desk = Ipv4Addr::new(10, 78, net + 1, 1);
    let _chronyd = Chronyd::in_network(&peers, world, server);
    let part = Part { name: "clock1", role: "master", namespace: lan, server, master: at_desk };
    let Some(master) = Host::start(&peers, supervisor, &part) else { return };
    let client = Part { name: "desk7", role: "client", namespace: desk, ..part };
    let Some(client) = Host::start(&peers, supervisor, &client) else { return };
    let hosts = [(&master, "master"), (&client, "client")];
    for (host, role) in hosts {
        everything_works(host, role);
    }
    assert!(client.log("clockadjust").contains("the master"), "{}", client.log("clockadjust"));
    let kept = fs::read_to_string(client.path("state/clockadjust/kept")).unwrap();
    assert!(kept.contains("\nlast ") && kept.contains("\nspent "), "{kept}");
    for (host, role) in hosts {
        host.each_comes_back();
        host.measures_again();
        everything_works(host, role);
    }
    let behind = eventually(PATIENCE, "the master answers", || told(world, Ipv4Addr::new(10, 78, net, 2)));
    assert!(behind.abs() < NEAR, "{behind} s");
}

#[test]
fn all_of_it_lives_under_daemontools() {
    lives_under(Supervisor { name: "daemontools", scanner: "svscan", asks: None }, 0);
}

#[test]
fn all_of_it_lives_under_runit() {
    lives_under(Supervisor { name: "runit", scanner: "runsvdir", asks: None }, 2);
}

#[test]
fn all_of_it_lives_under_s6() {
    lives_under(Supervisor { name: "s6", scanner: "s6-svscan", asks: Some("s6-svstat -o ready") }, 4);
}

//! The set-up that clockspeed was run in for twenty years: daemontools, a shell loop that measures ever more rarely, one
//! master that is asked by all others. Its scripts are as they were typed, but for one scale that divides their times.
//!
//! Each host has networks, a name and processes of its own, and a clock that exists in a file ([`machine`](crate::machine)).

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use truechimer_core::classic::atto;

use crate::chronyd::Chronyd;
use crate::machine::{COUNTER_PPM, Machine};
use crate::namespace::{Cable, Namespace};
use crate::place::{self, eventually, truechimer};
use crate::process::{Launch, Process};

/// Ten minutes are a second.
const SCALE: u32 = 600;

/// Three measurements take half a minute; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// How well the counter can be known after seconds.
const LEARNED_PPM: f64 = 40.0;

/// A machine with daemontools and our programs by their classic names.
struct Host {
    supervisor: Process,
    machine: Machine,
    folder: TempDir,
}

/// What is different from host to host.
struct Role<'a> {
    name: &'a str,
    namespace: &'a Namespace,
    master: Ipv4Addr,
    server: Ipv4Addr,
    serves: bool,
    /// What clockspeed is told. Only the original's arithmetic dares to have a rate after seconds.
    options: &'a str,
}

impl Host {
    fn start(peers: &Path, role: &Role<'_>) -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("truechimer-article-").tempdir().unwrap();
        let place = folder.path();
        let machine = Machine::new(place)?;
        fs::set_permissions(place, fs::Permissions::from_mode(0o755)).unwrap();
        furnish(peers, place, role, &machine);
        let supervisor = Process::start(&Launch {
            program: Path::new("/usr/bin/unshare"),
            // When the first of these processes ends all others do, too.
            arguments: ["--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "--", "/bin/sh"]
                .map(Into::into)
                .into_iter()
                .chain([place.join("boot").into()])
                .collect(),
            environment: Vec::new(),
            namespace: Some(role.namespace),
            log: place.join("svscan.log"),
        });
        Some(Self { supervisor, machine, folder })
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// What the measurements' log says.
    fn log(&self) -> String {
        fs::read_to_string(self.path("log/current")).unwrap_or_default()
    }

    fn measurements(&self) -> usize {
        self.log().matches(" after:  ").count()
    }

    /// By how much its counter is fast, as `etc/atto` has it.
    fn learned_ppm(&self) -> Option<f64> {
        let bytes = fs::read(self.path("clockspeed/etc/atto")).ok()?;
        let tick = atto::read(&bytes).expect("a rate is whole or not there").as_seconds();
        Some((1e-9 / tick - 1.0) * 1e6)
    }

    /// The number of a process of this name, as we see it.
    fn process(&self, name: &str) -> Option<u32> {
        let of = |pid: u32| Some((pid, parent(pid)?));
        let all: Vec<(u32, u32)> = pids().filter_map(of).collect();
        let mut ours = vec![self.supervisor.pid()];
        while let Some(&(pid, _)) =
            all.iter().find(|(pid, parent)| ours.contains(parent) && !ours.contains(pid))
        {
            ours.push(pid);
        }
        let is_named =
            |pid: &u32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == name);
        ours.into_iter().find(is_named)
    }

    /// Kills a process and waits for the next of its name.
    fn kill(&self, name: &str) {
        let pid = eventually(PATIENCE, &format!("{name} runs"), || self.process(name));
        let killed =
            Command::new("sh").args(["-c", "kill -KILL $1", "sh", &pid.to_string()]).status().unwrap();
        assert!(killed.success(), "{name} could not be killed");
        eventually(PATIENCE, &format!("{name} comes back"), || self.process(name).filter(|&new| new != pid));
    }

    fn is_learned(&self) -> bool {
        self.learned_ppm().is_some_and(|ppm| (ppm - COUNTER_PPM).abs() < LEARNED_PPM)
    }

    fn has_measured(&self, count: usize) {
        eventually(PATIENCE, "it measures", || (self.measurements() >= count).then_some(()));
    }
}

/// The tree of a host, and the script that starts it.
fn furnish(peers: &Path, place: &Path, role: &Role<'_>, machine: &Machine) {
    let home = place.join("clockspeed");
    for folder in ["clockspeed/bin", "clockspeed/etc", "service", "speed", "adjust/log", "log"] {
        fs::create_dir_all(place.join(folder)).unwrap();
    }
    let installed =
        Command::new(truechimer()).args(["applets", "--install"]).arg(home.join("bin")).output().unwrap();
    assert!(installed.status.success(), "{installed:?}");
    let path = format!("{}:/usr/bin:/bin", peers.join("usr/bin").display());
    let fill = |text: &str| {
        [
            ("@CONF@", place.join("clockspeed.conf").display().to_string()),
            ("@MASTER_IP@", role.master.to_string()),
            ("@SNTP_IP@", role.server.to_string()),
            ("@CLOCK_DIR@", home.display().to_string()),
            ("@SCALE@", SCALE.to_string()),
            ("@PATH@", path.clone()),
            ("@USER@", "nobody".to_owned()),
            ("@LOG@", place.join("log").display().to_string()),
            ("@PLACE@", place.display().to_string()),
            ("@NAME@", role.name.to_owned()),
            ("@OPTIONS@", role.options.to_owned()),
            ("@MACHINE@", machine.entrance()),
        ]
        .iter()
        .fold(text.to_owned(), |text, (mark, value)| text.replace(mark, value))
    };
    let mut files = vec![
        ("clockspeed.conf", include_str!("article/clockspeed.conf")),
        ("clockspeed/bin/someclock", include_str!("article/someclock")),
        ("speed/run", include_str!("article/clockspeed.run")),
        ("adjust/run", include_str!("article/adjust.run")),
        ("adjust/clockadjust", include_str!("article/clockadjust")),
        ("adjust/log/run", include_str!("article/log.run")),
        ("boot", include_str!("article/boot")),
    ];
    if role.serves {
        fs::create_dir_all(place.join("taiclockd")).unwrap();
        files.push(("taiclockd/run", include_str!("article/taiclockd.run")));
    }
    for (file, text) in files {
        fs::write(place.join(file), fill(text)).unwrap();
        fs::set_permissions(place.join(file), fs::Permissions::from_mode(0o755)).unwrap();
    }
    std::os::unix::fs::chown(place.join("log"), Some(65534), Some(65534)).unwrap();
}

fn pids() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn parent(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

fn cable(name: &str, net: u8) -> Cable {
    Cable { name: name.to_owned(), ours: format!("10.77.{net}.1"), theirs: format!("10.77.{net}.2") }
}

#[test]
fn the_set_up_runs_and_each_process_may_die() {
    let Some(peers) = place::peers() else { return };
    let (Some(world), Some(network)) = (Namespace::new(), Namespace::new()) else { return };
    world.connect(&network, &cable("article0", 0));
    let server = Ipv4Addr::new(10, 77, 0, 1);
    let _chronyd = Chronyd::in_network(&peers, &world, server);
    let role = Role {
        name: "master",
        namespace: &network,
        master: server,
        server,
        serves: false,
        options: "--strict",
    };
    let Some(host) = Host::start(&peers, &role) else { return };
    host.has_measured(2);
    eventually(PATIENCE, "the rate is learned", || host.is_learned().then_some(()));
    host.machine.is_right();
    for name in ["multilog", "clockadjust", "clockspeed"] {
        host.kill(name);
        assert!(host.is_learned(), "the rate survives: {:?} ppm", host.learned_ppm());
    }
    // From now on the original's arithmetic takes the rate from two measurements that are seconds apart.
    let before = host.measurements();
    host.has_measured(before + 1);
    host.machine.is_right();
}

#[test]
fn one_master_serves_the_rest() {
    let Some(peers) = place::peers() else { return };
    let networks: Option<Vec<Namespace>> = (0..4).map(|_| Namespace::new()).collect();
    let Some([world, lan, one, other]) = networks.as_deref() else { return };
    world.connect(lan, &cable("article1", 1));
    lan.connect(one, &cable("article2", 2));
    lan.connect(other, &cable("article3", 3));
    let server = Ipv4Addr::new(10, 77, 1, 1);
    let _chronyd = Chronyd::in_network(&peers, world, server);
    let ends = [Ipv4Addr::new(10, 77, 2, 1), Ipv4Addr::new(10, 77, 3, 1)];
    let role = Role { name: "master", namespace: lan, master: ends[0], server, serves: true, options: "" };
    let Some(master) = Host::start(&peers, &role) else { return };
    master.has_measured(1);
    let client = |(index, namespace): (usize, &Namespace)| {
        let name = ["one", "other"][index];
        let master = ends[index];
        Host::start(&peers, &Role { name, namespace, master, server, serves: false, options: "" })
    };
    let clients: Vec<Host> = [one, other].into_iter().enumerate().filter_map(client).collect();
    assert_eq!(clients.len(), 2);
    master.kill("taiclockd");
    for host in clients.iter().chain([&master]) {
        host.has_measured(2);
        host.machine.is_right();
    }
}

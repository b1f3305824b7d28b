//! Our server and our client among those that other people run: ntpd and ntpdig of NTPsec, OpenNTPD, busybox.
//!
//! Each pair is here or a row in `docs/manual/server.md` that says why not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use truechimer::talk::ServerCounts;
use truechimer_core::status::Status;

use crate::authority::Authority;
use crate::chronyd::{self, Chronyd};
use crate::daemon::{Daemon, Home, Wishes};
use crate::namespace::{Cable, Namespace};
use crate::ntpd::{self, Association, Ntpd};
use crate::openntpd::OpenNtpd;
use crate::place::{self, eventually, truechimer};
use crate::process::{Launch, Process};

/// ntpd takes its time to trust a server, OpenNTPD still more.
const PATIENCE: Duration = Duration::from_secs(60);

/// On a cable of this machine nothing is further away, in milliseconds.
const NEAR: f64 = 5.0;

const OURS: &str = "10.83.0.1";
const THEIRS: &str = "10.83.0.2";

/// One address of ours for each key: ntpd takes a server to be one by its address.
const OF_KEYS: [&str; 5] = ["10.83.2.1", "10.83.2.2", "10.83.2.3", "10.83.2.4", "10.83.2.5"];

/// One key of each type, as NTPsec and busybox write them.
const KEYS: &str = "1 AES 000102030405060708090a0b0c0d0e0f\n\
    2 AES-256 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n\
    3 SHA256 202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f\n\
    4 SHA-1 2b7e151628aed2a6abf7158809cf4f3c01234567\n\
    5 MD5 hunter2\n";

/// Ours in one network, with three servers of the true time, and a network for whoever asks us.
struct Field {
    home: Home,
    ours: Namespace,
    theirs: Namespace,
    _servers: Vec<Chronyd>,
}

impl Field {
    fn new(peers: &Path) -> Option<Self> {
        let (ours, theirs) = (Namespace::new()?, Namespace::new()?);
        let cable = Cable { name: "cable".into(), ours: OURS.into(), theirs: THEIRS.into() };
        ours.connect(&theirs, &cable);
        let true_ones = [1, 2, 3].map(|host| std::net::Ipv4Addr::new(10, 83, 1, host));
        let of_true_ones = true_ones.map(|address| address.to_string());
        for address in OF_KEYS.into_iter().chain(of_true_ones.iter().map(String::as_str)) {
            ours.ip(&["address", "add", &format!("{address}/32"), "dev", "lo"]);
        }
        theirs.ip(&["route", "add", "10.83.2.0/24", "via", OURS]);
        let servers: Vec<Chronyd> =
            true_ones.into_iter().map(|address| Chronyd::in_network(peers, &ours, address)).collect();
        let home = Home::new(&Wishes {
            serve: serve(),
            ..Wishes::asking(servers.iter().map(|server| server.place))
        });
        let field = Self { home, ours, theirs, _servers: servers };
        field.write_files();
        Some(field)
    }

    /// What the configuration names and the other side reads.
    fn write_files(&self) {
        let folder = self.home.path("");
        let config = self.home.path("truechimer.toml");
        let text = fs::read_to_string(&config).unwrap();
        fs::write(&config, text.replace("FOLDER", folder.to_str().unwrap().trim_end_matches('/'))).unwrap();
        let authority = Authority::new();
        authority.certify("time.test", &folder);
        authority.write(&folder);
        fs::write(self.home.path("hosts"), format!("127.0.0.1 localhost\n{OURS} time.test\n")).unwrap();
        fs::write(self.home.path("keys"), KEYS).unwrap();
        let is_ours_alone = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(self.home.path("keys"), is_ours_alone).unwrap();
    }

    fn start(&self) -> Daemon<'_> {
        let daemon = self.home.start_in(Some(&self.ours));
        daemon.truth().watch_until(PATIENCE, "synchronised", |sample| sample.status == Status::Synchronised);
        daemon
    }

    fn ntpd(&self, peers: &Path, servers: &str) -> Ntpd {
        Ntpd::asking(peers, &self.theirs, "cable", servers, &self.home.path("hosts"))
    }

    /// Waits until one of its servers is followed and all are authenticated so.
    fn is_followed(&self, peers: &Path, ntpd: &Ntpd, authentication: &str) {
        let is_near = |server: &Association| server.offset.abs() < NEAR;
        let associations = eventually(PATIENCE, "ntpd follows us", || {
            let known = ntpd.associations(peers, &self.theirs)?;
            let all = |is: &dyn Fn(&Association) -> bool| known.iter().all(is);
            let follows = known.iter().any(|server| server.tally == '*');
            let is_well = all(&|server| server.authentication == authentication && server.tally != ' ');
            (follows && is_well && all(&is_near)).then_some(known)
        });
        assert!(!associations.is_empty(), "{associations:?}");
    }

    fn asked_by(&self, mut command: Command) -> String {
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains(OURS), "{said}");
        said
    }

    /// What we say of the server at the other end.
    fn query(&self) -> String {
        let mut command = self.ours.command(truechimer());
        let output = command.args(["query", "--samples", "1", THEIRS]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

fn serve() -> String {
    let granted: String =
        (1..=5).map(|id| format!("[[serve.key]]\nid = {id}\nallow = [\"{THEIRS}/32\"]\n")).collect();
    let places: Vec<String> =
        OF_KEYS.into_iter().chain([OURS]).map(|place| format!("\"{place}:123\"")).collect();
    format!(
        "[keys]\nfile = \"FOLDER/keys\"\n[serve]\nntp = [{}]\nallow = [\"10.83.0.0/16\"]\n{granted}\
         [serve.nts]\nlisten = [\"{OURS}:4460\"]\ncertificate = \"FOLDER/certificate.pem\"\nkey = \"FOLDER/key.pem\"\n",
        places.join(", ")
    )
}

fn served(daemon: &Daemon<'_>) -> ServerCounts {
    daemon.status().server.expect("it serves")
}

#[test]
fn ntpd_follows_us() {
    let Some(peers) = place::peers() else { return };
    let Some(field) = Field::new(&peers) else { return };
    let daemon = field.start();
    let ntpd = field.ntpd(&peers, &format!("server {OURS} minpoll 0 maxpoll 0 iburst\n"));
    field.is_followed(&peers, &ntpd, "none");
    let counts = served(&daemon);
    assert!(counts.answered > 0 && counts.silent.is_empty(), "{counts:?}");
    daemon.terminate();
}

#[test]
fn ntpd_follows_us_under_each_type_of_key() {
    let Some(peers) = place::peers() else { return };
    let Some(field) = Field::new(&peers) else { return };
    let daemon = field.start();
    let servers: String = OF_KEYS
        .into_iter()
        .zip(1..)
        .map(|(place, key)| format!("server {place} key {key} minpoll 0 maxpoll 0 iburst\n"))
        .collect();
    let keys = format!("keys {}\ntrustedkey 1 2 3 4 5\n", field.home.path("keys").display());
    let ntpd = field.ntpd(&peers, &(keys + &servers));
    field.is_followed(&peers, &ntpd, "ok");
    let counts = served(&daemon);
    assert!(counts.sealed >= 5 && counts.sealed == counts.answered, "{counts:?}");
    daemon.terminate();
}

#[test]
fn ntpd_follows_us_by_nts() {
    let Some(peers) = place::peers() else { return };
    let Some(field) = Field::new(&peers) else { return };
    let daemon = field.start();
    let authority = field.home.path("authority.pem");
    let server = format!("server time.test:4460 nts ca {} minpoll 0 maxpoll 0 iburst\n", authority.display());
    let ntpd = field.ntpd(&peers, &server);
    field.is_followed(&peers, &ntpd, "ok");
    let counts = served(&daemon);
    assert!(counts.protected > 0 && counts.protected == counts.answered && counts.refused == 0, "{counts:?}");
    assert_eq!(counts.key_exchanges.expect("keys are given").granted, 1);
    daemon.terminate();
}

#[test]
fn ntpdig_has_the_time_from_us_plainly_and_under_keys() {
    let Some(peers) = place::peers() else { return };
    let Some(field) = Field::new(&peers) else { return };
    let daemon = field.start();
    let ask = |more: &[&str]| {
        let mut command = ntpd::python(&peers, &field.theirs, "ntpdig");
        command.args(["--timeout", "5"]).args(more).arg(OURS);
        field.asked_by(command)
    };
    let said = ask(&[]);
    let stratum = format!(" s{} ", chronyd::STRATUM + 1);
    assert!(said.contains(&stratum) && said.contains("no-leap"), "{said}");
    let keys = field.home.path("keys");
    // Not 3: it sends a whole SHA-256 in version 4, which looks like an extension field. Nobody answers that.
    for key in ["1", "2", "4", "5"] {
        ask(&["-k", keys.to_str().unwrap(), "-a", key]);
    }
    let counts = served(&daemon);
    assert!(counts.answered == 5 && counts.sealed == 4, "{counts:?}");
    daemon.terminate();
}

#[test]
fn openntpd_takes_us_for_valid_and_we_do_not_take_it_for_synchronised() {
    let Some(peers) = place::peers() else { return };
    let Some(field) = Field::new(&peers) else { return };
    let daemon = field.start();
    let peer = OpenNtpd::asking(&peers, &field.theirs, THEIRS, OURS);
    eventually(PATIENCE, "OpenNTPD trusts us", || {
        peer.log().contains(&format!("peer {OURS} now valid")).then_some(())
    });
    assert!(peer.log().contains("Operation not permitted"), "it has tried: {}", peer.log());
    // It has not until it has set a clock.
    let said = field.query();
    assert!(said.contains("the server says that its clock was never set"), "{said}");
    daemon.terminate();
}

/// A program that is not among the peers because Debian does not build it.
fn in_path(program: &str) -> Option<PathBuf> {
    let found = std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file());
    if found.is_none() {
        place::not_tested(&format!("{program}, which is not in PATH"));
    }
    found
}

/// Debian's busybox has no ntpd.
fn busybox() -> Option<PathBuf> {
    let busybox = in_path("busybox")?;
    let answer = Command::new(&busybox).args(["ntpd", "--help"]).output().unwrap();
    // 127: there is no such applet.
    let has_ntpd = answer.status.code() != Some(127);
    if !has_ntpd {
        place::not_tested("ntpd of busybox, which the one in PATH was built without");
    }
    has_ntpd.then_some(busybox)
}

#[test]
fn busybox_has_the_time_from_us_and_we_from_it() {
    let Some(peers) = place::peers() else { return };
    let Some(busybox) = busybox() else { return };
    let Some(field) = Field::new(&peers) else { return };
    let daemon = field.start();
    let start = |arguments: &[&str], log: &str| {
        Process::start(&Launch {
            program: &busybox,
            arguments: arguments.iter().map(Into::into).collect(),
            environment: Vec::new(),
            namespace: Some(&field.theirs),
            log: field.home.path(log),
        })
    };
    // -w: it sets no clock.
    let client = start(&["ntpd", "-n", "-d", "-d", "-w", "-p", OURS], "client");
    let is_heard = || client.log().contains("reply from 10.83.0.1: offset:").then_some(());
    eventually(PATIENCE, "busybox hears us", is_heard);
    let _server = start(&["ntpd", "-n", "-l"], "server");
    eventually(PATIENCE, "we hear busybox", || field.query().contains("agrees").then_some(()));
    daemon.terminate();
}

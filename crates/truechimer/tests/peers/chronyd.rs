//! Debian's chronyd as a server of this machine's own clock, and as a client of ours.

use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::namespace::Namespace;
use crate::place::{eventually, free_place, free_port};
use crate::process::{Launch, Process};
use crate::{ntp, place};

/// The stratum that our chronyds claim to have.
pub(crate) const STRATUM: u8 = 8;

/// A loaded machine takes its time.
const PATIENCE: Duration = Duration::from_secs(10);

/// A chronyd at work, in a folder of its own.
pub(crate) struct Chronyd {
    /// Where it is asked.
    pub(crate) place: SocketAddr,
    /// The process.
    pub(crate) process: Process,
    key_exchange: Option<SocketAddr>,
    folder: TempDir,
    chronyc: PathBuf,
}

/// Who a server of keys for NTS is.
pub(crate) struct NtsFiles {
    /// Its certificate, in PEM.
    pub(crate) certificate: PathBuf,
    /// The private key of that.
    pub(crate) key: PathBuf,
}

/// Where a chronyd runs and what is special about it.
struct Kind<'a> {
    lines: String,
    environment: Vec<(&'static str, OsString)>,
    namespace: Option<&'a Namespace>,
    place: SocketAddr,
}

impl Chronyd {
    /// A server of this machine's clock on loopback.
    pub(crate) fn serving(peers: &Path) -> Self {
        Self::on_loopback(peers, serving_lines(), Vec::new())
    }

    /// A server of this machine's clock at this place.
    pub(crate) fn serving_at(peers: &Path, place: SocketAddr) -> Self {
        Self::at(peers, place, serving_lines(), Vec::new())
    }

    /// A server of this machine's clock that shares these keys with whoever has them.
    pub(crate) fn sharing(peers: &Path, keys: &Path) -> Self {
        let lines = format!("{}keyfile {}\n", serving_lines(), keys.display());
        Self::on_loopback(peers, lines, Vec::new())
    }

    /// A server of this machine's clock that gives keys for NTS, at places of its own or where another one was. What it
    /// seals its cookies with ends with it.
    pub(crate) fn giving_keys(peers: &Path, files: &NtsFiles, at: Option<(SocketAddr, SocketAddr)>) -> Self {
        let (place, exchange) = at.unwrap_or_else(|| (free_place(), free_place()));
        let lines = format!(
            "{}ntsservercert {}\nntsserverkey {}\nntsport {}\nntsprocesses 0\n",
            serving_lines(),
            files.certificate.display(),
            files.key.display(),
            exchange.port(),
        );
        let mut chronyd = Self::start(peers, Kind { lines, environment: Vec::new(), namespace: None, place });
        chronyd.key_exchange = Some(exchange);
        eventually(PATIENCE, "chronyd answers", || ntp::answers(place));
        chronyd
    }

    /// Where it gives keys.
    pub(crate) fn key_exchange(&self) -> SocketAddr {
        self.key_exchange.expect("it gives keys")
    }

    /// A server whose clock is ahead by so many seconds: libfaketime shifts what it reads, and nothing else.
    pub(crate) fn ahead(peers: &Path, seconds: i32) -> Self {
        Self::on_loopback(peers, serving_lines(), shifted(peers, seconds))
    }

    /// A server of this machine's clock in another network.
    pub(crate) fn in_network(peers: &Path, namespace: &Namespace, address: Ipv4Addr) -> Self {
        let place = (address, 123).into();
        let kind =
            Kind { lines: serving_lines(), environment: Vec::new(), namespace: Some(namespace), place };
        Self::start(peers, kind)
    }

    /// A client of one server, that serves nobody.
    pub(crate) fn asking(peers: &Path, server: SocketAddr) -> Self {
        Self::asking_with(peers, server, "iburst")
    }

    /// The same with options of the line `server`.
    pub(crate) fn asking_with(peers: &Path, server: SocketAddr, options: &str) -> Self {
        let (address, port) = (server.ip(), server.port());
        let lines = format!("server {address} port {port} minpoll 0 maxpoll 0 {options}\n");
        let place = (Ipv4Addr::LOCALHOST, 0).into();
        Self::start(peers, Kind { lines, environment: Vec::new(), namespace: None, place })
    }

    /// A client of several servers that writes down in a folder what it learns from them.
    pub(crate) fn logging(peers: &Path, servers: &[SocketAddr], folder: &Path) -> Self {
        let server = |place: &SocketAddr| {
            format!("server {} port {} minpoll -2 maxpoll -2 iburst\n", place.ip(), place.port())
        };
        let servers: String = servers.iter().map(server).collect();
        let lines = format!("{servers}logdir {}\nlog tracking measurements statistics\n", folder.display());
        let place = (Ipv4Addr::LOCALHOST, 0).into();
        Self::start(peers, Kind { lines, environment: Vec::new(), namespace: None, place })
    }

    /// A client that asks by NTS, of a server of this machine by the name `localhost`: where keys are given, and whom it
    /// trusts to say so.
    pub(crate) fn asking_by_nts(peers: &Path, keys: SocketAddr, authority: &Path) -> Self {
        let lines = format!(
            "server localhost nts ntsport {} minpoll 0 maxpoll 0 iburst\nntstrustedcerts {}\nnosystemcert\n",
            keys.port(),
            authority.display()
        );
        let place = (Ipv4Addr::LOCALHOST, 0).into();
        Self::start(peers, Kind { lines, environment: Vec::new(), namespace: None, place })
    }

    /// A client that asks under a key of its file.
    pub(crate) fn asking_under(peers: &Path, server: SocketAddr, key: u32, keys: &Path) -> Self {
        Self::asking_with(peers, server, &format!("iburst key {key}\nkeyfile {}", keys.display()))
    }

    fn on_loopback(peers: &Path, lines: String, environment: Vec<(&'static str, OsString)>) -> Self {
        Self::at(peers, (Ipv4Addr::LOCALHOST, free_port()).into(), lines, environment)
    }

    fn at(
        peers: &Path,
        place: SocketAddr,
        lines: String,
        environment: Vec<(&'static str, OsString)>,
    ) -> Self {
        let chronyd = Self::start(peers, Kind { lines, environment, namespace: None, place });
        eventually(PATIENCE, "chronyd answers", || ntp::answers(place));
        chronyd
    }

    fn start(peers: &Path, kind: Kind<'_>) -> Self {
        let folder = tempfile::Builder::new().prefix("truechimer-chronyd-").tempdir().unwrap();
        let (path, place) = (folder.path(), kind.place);
        // chronyd wants the folder of its socket for itself.
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
        let common = format!(
            "port {}\nbindaddress {}\ncmdport 0\nbindcmdaddress {}\npidfile {}\n",
            place.port(),
            place.ip(),
            path.join("chronyd.sock").display(),
            path.join("pid").display(),
        );
        let config = path.join("chrony.conf");
        fs::write(&config, common + &kind.lines).unwrap();
        // -U: it need not be root, for it sets no clock and has a port above 1024.
        let mut arguments: Vec<OsString> = ["-x", "-d", "-U", "-u"].map(OsString::from).into();
        arguments.extend([place::user_name().into(), "-f".into(), config.into()]);
        let process = Process::start(&Launch {
            program: &peers.join("usr/sbin/chronyd"),
            arguments,
            environment: kind.environment,
            namespace: kind.namespace,
            log: path.join("log"),
        });
        Self { place, process, key_exchange: None, folder, chronyc: peers.join("usr/bin/chronyc") }
    }

    /// What its own program says about it, as comma separated values.
    pub(crate) fn report(&self, what: &str) -> Vec<Vec<String>> {
        let socket = self.folder.path().join("chronyd.sock");
        let output = Command::new(&self.chronyc).args(["-c", "-n", "-h"]).arg(socket).arg(what).output();
        let text = String::from_utf8(output.unwrap().stdout).unwrap();
        text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
    }
}

fn serving_lines() -> String {
    format!("local stratum {STRATUM}\nallow all\n")
}

/// The library that shifts clocks; its folder is named after the machine's architecture.
/// The environment of a program that reads a clock which is ahead by so many seconds.
pub(crate) fn shifted(peers: &Path, seconds: i32) -> Vec<(&'static str, OsString)> {
    vec![
        ("LD_PRELOAD", libfaketime(peers).into_os_string()),
        ("FAKETIME", format!("{seconds:+}s").into()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
    ]
}

fn libfaketime(peers: &Path) -> PathBuf {
    let folders = fs::read_dir(peers.join("usr/lib")).unwrap().flatten();
    let libraries = folders.map(|folder| folder.path().join("faketime/libfaketime.so.1"));
    libraries
        .into_iter()
        .find(|library| library.exists())
        .expect("tests/peers/fetch has unpacked libfaketime")
}

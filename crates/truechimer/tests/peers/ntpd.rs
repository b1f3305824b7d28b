//! ntpd of NTPsec as a server of this machine's own clock, and as a client of ours.
//!
//! It knows no port but 123 and no address but those of the machine, so that it gets a network for itself. In orphan
//! mode (RFC 5905 calls it that too) it serves the clock as it finds it, as soon as it has waited a second in vain for
//! somebody better. It complains that it may not set the clock (`ntp_adjtime: Operation not permitted`) and goes on.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::chronyd::NtsFiles;
use crate::namespace::Namespace;
use crate::process::{Launch, Process, harmless};

/// The stratum that our ntpd claims to have.
pub(crate) const STRATUM: u8 = 6;

const CONFIG: &str = "tos orphan 6 orphanwait 1\ninterface ignore wildcard\ninterface listen lo\n";

/// A client answers to nobody but its own program, and believes a single server.
const CLIENT: &str = "tos minclock 1 minsane 1\ninterface ignore wildcard\ninterface listen lo\n\
    restrict default\nrestrict 127.0.0.1\n";

/// An ntpd at work.
pub(crate) struct Ntpd {
    _process: Process,
    _folder: TempDir,
}

/// How `ntpq` shows a server that ntpd knows.
#[derive(Debug)]
pub(crate) struct Association {
    /// `*` for the one that is followed.
    pub(crate) tally: char,
    /// Our offset by it, in milliseconds.
    pub(crate) offset: f64,
    /// `ok`, `bad` or `none`.
    pub(crate) authentication: String,
}

impl Ntpd {
    /// A server at 127.0.0.1 in that network.
    pub(crate) fn serving(peers: &Path, namespace: &Namespace) -> Self {
        Self::start(peers, namespace, CONFIG)
    }

    /// The same, with the keys 1 to 5 of this file, at all addresses of that network's loopback.
    pub(crate) fn sharing(peers: &Path, namespace: &Namespace, keys: &Path) -> Self {
        let keys = format!("keys {}\ntrustedkey 1 2 3 4 5\n", keys.display());
        Self::start(peers, namespace, &(CONFIG.to_owned() + &keys))
    }

    /// A server that gives keys for NTS at port 4460 of all addresses of that network's loopback.
    pub(crate) fn giving_keys(peers: &Path, namespace: &Namespace, files: &NtsFiles) -> Self {
        let cookies = files.key.with_extension("cookies");
        let lines = format!(
            "nts enable\nnts cert {}\nnts key {}\nnts cookie {}\n",
            files.certificate.display(),
            files.key.display(),
            cookies.display(),
        );
        Self::start(peers, namespace, &(CONFIG.to_owned() + &lines))
    }

    /// A client in that network, at its end of this cable, with these lines about servers. This is its `/etc/hosts`.
    pub(crate) fn asking(
        peers: &Path,
        namespace: &Namespace,
        cable: &str,
        servers: &str,
        hosts: &Path,
    ) -> Self {
        let lines = format!("{CLIENT}interface listen {cable}\n{servers}");
        let folder = tempfile::Builder::new().prefix("truechimer-ntpd-").tempdir().unwrap();
        let program = peers.join("usr/sbin/ntpd");
        let launch = launch(&program, namespace, &lines, folder.path());
        let mount = "mount --bind \"$1\" /etc/hosts && shift && exec \"$@\"";
        let through = ["unshare", "--mount", "sh", "-c", mount, "sh"].map(OsString::from);
        let through = [&through[..], &[hosts.into()]].concat();
        Self { _process: Process::start_through(&launch, &through), _folder: folder }
    }

    /// What its own program says about its servers, in the order of the configuration.
    pub(crate) fn associations(&self, peers: &Path, namespace: &Namespace) -> Option<Vec<Association>> {
        let ask = |what: &[&str]| {
            let mut command = python(peers, namespace, "ntpq");
            let output = command.args(what).arg("127.0.0.1").output().unwrap();
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        // ntpq(1): a line of each server behind two of a heading.
        let (known, associations) = (ask(&["-pn"]), ask(&["-c", "as"]));
        let authentication = associations.lines().skip_while(|line| !line.starts_with("===")).skip(1);
        let rows = known.lines().skip(2).zip(authentication);
        rows.map(|(row, association)| {
            let authentication = association.split_whitespace().nth(5)?.to_owned();
            let offset = row.split_whitespace().rev().nth(1)?.parse().ok()?;
            Some(Association { tally: row.chars().next()?, offset, authentication })
        })
        .collect()
    }

    fn start(peers: &Path, namespace: &Namespace, lines: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("truechimer-ntpd-").tempdir().unwrap();
        let program = peers.join("usr/sbin/ntpd");
        let launch = launch(&program, namespace, lines, folder.path());
        Self { _process: Process::start(&launch), _folder: folder }
    }
}

fn launch<'a>(program: &'a Path, namespace: &'a Namespace, lines: &str, folder: &Path) -> Launch<'a> {
    let config = folder.join("ntp.conf");
    fs::write(&config, lines).unwrap();
    Launch {
        program,
        arguments: ["-n".into(), "-c".into(), config.into()].into(),
        environment: Vec::new(),
        namespace: Some(namespace),
        log: folder.join("log"),
    }
}

/// One of NTPsec's programs in Python, without the right to set the clock.
pub(crate) fn python(peers: &Path, namespace: &Namespace, program: &str) -> Command {
    let mut command = harmless(Some(namespace));
    command.arg("/usr/bin/python3").arg(peers.join("usr/bin").join(program));
    command.env("PYTHONPATH", peers.join("usr/lib/python3/dist-packages"));
    command
}

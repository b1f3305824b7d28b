//! ntpd of NTPsec as a server of this machine's own clock.
//!
//! It knows no port but 123 and no address but those of the machine, so that it gets a network for itself. In orphan
//! mode (RFC 5905 calls it that too) it serves the clock as it finds it, as soon as it has waited a second in vain for
//! somebody better. It complains that it may not set the clock (`ntp_adjtime: Operation not permitted`) and goes on.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::chronyd::NtsFiles;
use crate::namespace::Namespace;
use crate::process::{Launch, Process};

/// The stratum that our ntpd claims to have.
pub(crate) const STRATUM: u8 = 6;

const CONFIG: &str = "tos orphan 6 orphanwait 1\ninterface ignore wildcard\ninterface listen lo\n";

/// An ntpd at work.
pub(crate) struct Ntpd {
    _process: Process,
    _folder: TempDir,
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

    fn start(peers: &Path, namespace: &Namespace, lines: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("truechimer-ntpd-").tempdir().unwrap();
        let config = folder.path().join("ntp.conf");
        fs::write(&config, lines).unwrap();
        let process = Process::start(&Launch {
            program: &peers.join("usr/sbin/ntpd"),
            arguments: ["-n".into(), "-c".into(), config.into()].into(),
            environment: Vec::new(),
            namespace: Some(namespace),
            log: folder.path().join("log"),
        });
        Self { _process: process, _folder: folder }
    }
}

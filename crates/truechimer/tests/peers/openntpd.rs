//! ntpd of OpenNTPD, asking one server and serving what it makes of that.
//!
//! It has no way to leave the clock alone but not being allowed to set it: then it says so (`adjtimex failed: Operation not
//! permitted`) and goes on. Its account, its folders and its socket are at fixed places, so that it gets an `/etc/passwd`, a
//! `/run` and a `/var/lib` that nobody else sees.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::namespace::Namespace;
use crate::process::{Launch, Process};

/// What is put in place before it, by a shell: the folder with the two files, then the program and its arguments.
const PLACES: &str = "mount --bind \"$1/passwd\" /etc/passwd && mount --bind \"$1/group\" /etc/group &&\n\
    mount -t tmpfs none /run && mkdir -m 755 /run/openntpd &&\n\
    mount -t tmpfs none /var/lib && mkdir -p /var/lib/openntpd/db /var/lib/openntpd/run &&\n\
    shift && exec \"$@\"";

const PASSWD: &str =
    "root:x:0:0:root:/root:/bin/sh\nntpd:x:64999:64999:a peer of a test:/run/openntpd:/bin/false\n";
const GROUP: &str = "root:x:0:\nntpd:x:64999:\n";

/// An OpenNTPD at work.
pub(crate) struct OpenNtpd {
    process: Process,
    _folder: TempDir,
}

impl OpenNtpd {
    /// In this network, at this address, a client of that server.
    pub(crate) fn asking(peers: &Path, namespace: &Namespace, address: &str, server: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("truechimer-openntpd-").tempdir().unwrap();
        let config = folder.path().join("ntpd.conf");
        fs::write(&config, format!("listen on {address}\nserver {server}\n")).unwrap();
        fs::write(folder.path().join("passwd"), PASSWD).unwrap();
        fs::write(folder.path().join("group"), GROUP).unwrap();
        let through = ["unshare", "--mount", "sh", "-c", PLACES, "sh"].map(OsString::from);
        let through = [&through[..], &[folder.path().into()]].concat();
        let launch = Launch {
            program: &peers.join("openntpd/usr/sbin/ntpd"),
            arguments: ["-d".into(), "-v".into(), "-f".into(), config.into()].into(),
            environment: Vec::new(),
            namespace: Some(namespace),
            log: folder.path().join("log"),
        };
        Self { process: Process::start_through(&launch, &through), _folder: folder }
    }

    /// All that it has said.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }
}

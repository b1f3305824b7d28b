//! The control socket of the real daemon, for those who mean no good.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::time::Duration;

use crate::daemon::{Daemon, Home, Wishes};
use crate::place::{self, free_place};

/// nobody, on any Linux.
const NOBODY: u32 = 65_534;

const MEGABYTE: usize = 1_000_000;

fn memory_kb(daemon: &Daemon<'_>) -> u64 {
    let status = daemon.process.proc("status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel tells it");
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn bad_input_119_a_request_without_end_is_refused_and_costs_nothing() {
    let home = Home::new(&Wishes::asking([free_place()]));
    let daemon = home.start();
    let before = memory_kb(&daemon);
    let mut stream = UnixStream::connect(home.path("run/control")).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let written = (0..10).map(|_| stream.write_all(&vec![b'x'; MEGABYTE])).find(Result::is_err);
    assert!(written.is_some(), "ten megabytes are not taken");
    let mut reply = String::new();
    // What was not read of ours makes the kernel reset the connection, maybe before the reply is read.
    match stream.read_to_string(&mut reply) {
        Ok(_) => assert!(reply.contains("a request has at most"), "{reply}"),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
    assert_eq!(daemon.status().version, 1, "it goes on to talk");
    let after = memory_kb(&daemon);
    assert!(after < before + 1000, "{before} kB before, {after} kB after");
    daemon.terminate();
}

#[test]
fn bad_input_119_a_stranger_may_look_but_not_order() {
    if !place::is_root("another user at the control socket") {
        return;
    }
    let home = Home::new(&Wishes::asking([free_place()]));
    let daemon = home.start();
    let as_nobody = |subcommand: &str| daemon.command(subcommand).uid(NOBODY).gid(NOBODY).output().unwrap();
    let looked = as_nobody("status");
    assert!(String::from_utf8_lossy(&looked.stdout).starts_with("status "), "{looked:?}");
    let ordered = as_nobody("burst");
    assert_eq!(ordered.status.code(), Some(111), "{ordered:?}");
    assert!(
        String::from_utf8_lossy(&ordered.stderr).contains("for root and the daemon's own account only"),
        "{ordered:?}"
    );
    assert!(daemon.command("burst").status().unwrap().success(), "root may order");
    daemon.terminate();
}

#[test]
fn root_becomes_the_user_that_is_configured_and_keeps_no_right() {
    if !place::is_root("a daemon that becomes another user") {
        return;
    }
    let home = Home::new(&Wishes { user: "nobody".to_owned(), ..Wishes::asking([free_place()]) });
    let daemon = home.start();
    let status = daemon.process.proc("status");
    let value = |key: &str| {
        status.lines().find_map(|line| line.strip_prefix(key)).expect("the kernel tells it").trim()
    };
    assert!(value("Uid:").split_whitespace().all(|uid| uid == NOBODY.to_string()), "{status}");
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        assert_eq!(u64::from_str_radix(value(set), 16), Ok(0), "{status}");
    }
    assert!(daemon.command("burst").status().unwrap().success(), "root may order even so");
    daemon.terminate();
}

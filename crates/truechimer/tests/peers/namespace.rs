//! Networks of their own, with cables between them. Their addresses exist nowhere else.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::place;

const PREFIX: &str = "truechimer-test";

/// A network, removed when this value goes.
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    /// A new network with nothing but loopback. `None` where this is not possible; it is said.
    pub(crate) fn new() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if !place::is_root("a network of its own") {
            return None;
        }
        sweep();
        let name = format!("{PREFIX}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let made = Command::new("ip").args(["netns", "add", &name]).status();
        if !made.is_ok_and(|status| status.success()) {
            place::not_tested("a network of its own (`ip netns add` does not work here)");
            return None;
        }
        let namespace = Self { name };
        namespace.ip(&["link", "set", "lo", "up"]);
        Some(namespace)
    }

    /// Lays a cable to another network and gives both ends an address of 10.x.
    pub(crate) fn connect(&self, other: &Self, end: &Cable) {
        let Cable { name, ours, theirs } = end;
        self.ip(&["link", "add", name, "type", "veth", "peer", "name", name, "netns", &other.name]);
        for (namespace, address) in [(self, ours), (other, theirs)] {
            namespace.ip(&["address", "add", &format!("{address}/30"), "dev", name]);
            namespace.ip(&["link", "set", name, "up"]);
        }
    }

    /// Runs `ip` in it.
    pub(crate) fn ip(&self, arguments: &[&str]) {
        let status = Command::new("ip").args(["-n", &self.name]).args(arguments).status().unwrap();
        assert!(status.success(), "ip -n {} {arguments:?}: {status}", self.name);
    }

    /// A program that will run in it.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program.as_ref());
        command
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// A cable between two networks.
pub(crate) struct Cable {
    /// What it is called at both ends.
    pub(crate) name: String,
    /// The address of our end.
    pub(crate) ours: String,
    /// The address of the other end.
    pub(crate) theirs: String,
}

/// Removes the networks of test runs that were killed.
fn sweep() {
    let Ok(names) = std::fs::read_dir("/run/netns") else { return };
    for name in names.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').nth(1)).map(str::to_owned);
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            remove(&name);
        }
    }
}

fn remove(name: &str) {
    match Command::new("ip").args(["netns", "delete", name]).status() {
        Ok(status) if status.success() => {}
        outcome => eprintln!("the network {name} could not be removed: {outcome:?}"),
    }
}

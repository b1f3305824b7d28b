//! `truechimer doctor` behind real firewalls: nftables drops, drops by length, and leads astray what is asked of real servers.

use std::fs;
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Stdio;

use crate::chronyd::Chronyd;
use crate::doctor::{examine, is_told};
use crate::namespace::{Cable, Namespace};
use crate::place::{self, truechimer};

const SERVERS: [Ipv4Addr; 3] =
    [Ipv4Addr::new(10, 85, 2, 1), Ipv4Addr::new(10, 85, 2, 2), Ipv4Addr::new(10, 85, 2, 3)];

/// A machine that asks three servers in another network.
struct World {
    peers: PathBuf,
    ours: Namespace,
    theirs: Namespace,
    _servers: Vec<Chronyd>,
}

impl World {
    fn new() -> Option<Self> {
        let peers = place::peers()?;
        let (ours, theirs) = (Namespace::new()?, Namespace::new()?);
        let [our_end, their_end] = ["10.85.1.1", "10.85.1.2"];
        ours.connect(
            &theirs,
            &Cable { name: "way".to_owned(), ours: our_end.to_owned(), theirs: their_end.to_owned() },
        );
        for server in SERVERS {
            theirs.ip(&["address", "add", &format!("{server}/32"), "dev", "way"]);
        }
        ours.ip(&["route", "add", "10.85.2.0/24", "via", their_end]);
        let servers = SERVERS.map(|server| Chronyd::in_network(&peers, &theirs, server));
        Some(Self { peers, ours, theirs, _servers: servers.into() })
    }

    /// What the doctor finds with these options on each line of a server.
    fn examine(&self, options: &str, only: &str) -> Vec<(String, String)> {
        let folder = tempfile::tempdir().unwrap();
        let lines: String = SERVERS.iter().map(|server| format!("server {server} {options}\n")).collect();
        let file = folder.path().join("chrony.conf");
        fs::write(&file, lines).unwrap();
        let mut command = self.ours.command("sh");
        command.args([
            "-c",
            "program=$1 file=$2; shift 2; exec \"$program\" \"$@\" --config \"$file\"",
            "sh",
        ]);
        command.arg(truechimer()).arg(file);
        examine(command, only)
    }

    /// Gives a network these rules and no others.
    fn filter(&self, network: &Namespace, rules: &str) {
        let mut nft = network.command(self.peers.join("usr/sbin/nft"));
        let mut child = nft.args(["-f", "-"]).stdin(Stdio::piped()).spawn().unwrap();
        let text = format!("flush ruleset\n{rules}\n");
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "nft does not take {rules}");
    }
}

#[test]
fn filters_on_the_way_are_told_by_what_they_drop() {
    let Some(world) = World::new() else { return };
    let hook = |hook: &str, rule: &str| {
        format!("table inet f {{ chain c {{ type filter hook {hook} priority 0; {rule}; }}; }}")
    };
    let open = world.examine("iburst", "way,intercepted,length");
    assert!(open.iter().all(|(verdict, _)| verdict == "fine"), "{open:#?}");

    world.filter(&world.theirs, &hook("input", "udp dport 123 drop"));
    is_told(
        &world.examine("iburst", "way"),
        "wrong",
        "none of 3 sources answers, though their names are found: UDP port 123 is filtered",
    );
    world.filter(&world.theirs, &hook("input", "ip daddr 10.85.2.3 udp dport 123 drop"));
    is_told(&world.examine("iburst", "way"), "risky", "10.85.2.3:123: no answer within");
    world.filter(&world.theirs, &hook("input", "udp dport 123 reject with icmpx type admin-prohibited"));
    is_told(&world.examine("iburst", "way"), "wrong", "10.85.2.1:123: no way leads to that address");
    world.filter(&world.ours, &hook("output", "udp dport 123 drop"));
    is_told(
        &world.examine("iburst", "way"),
        "wrong",
        "this machine does not let questions by UDP port 123 out",
    );
}

#[test]
fn what_lets_only_short_questions_by_and_no_keys_is_told() {
    let Some(world) = World::new() else { return };
    let rules = "udp dport 123 meta length > 120 drop; tcp dport 4460 drop";
    world.filter(
        &world.theirs,
        &format!("table inet f {{ chain c {{ type filter hook input priority 0; {rules}; }}; }}"),
    );
    let findings = world.examine("nts", "way,length,nts");
    is_told(&findings, "fine", "all 3 sources answer by NTP");
    is_told(&findings, "wrong", "10.85.2.1:123, 10.85.2.2:123, 10.85.2.3:123 answer 48 bytes and not 228");
    is_told(&findings, "wrong", "TCP port 4460 may be blocked");
}

#[test]
fn a_router_that_leads_all_questions_to_one_server_is_found_out() {
    let Some(world) = World::new() else { return };
    let rule = "ip daddr 10.85.2.0/24 udp dport 123 dnat to 10.85.2.1";
    world.filter(
        &world.ours,
        &format!("table ip t {{ chain c {{ type nat hook output priority -100; {rule}; }}; }}"),
    );
    is_told(
        &world.examine("iburst", "intercepted"),
        "wrong",
        "10.85.2.1:123 and 10.85.2.2:123, 10.85.2.3:123 are one server",
    );
}

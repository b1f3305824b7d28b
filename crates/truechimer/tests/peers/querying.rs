//! `truechimer query` measures real servers, and finds the one whose clock is wrong.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::chronyd::{self, Chronyd};
use crate::namespace::Namespace;
use crate::ntpd::{self, Ntpd};
use crate::place::{self, eventually, truechimer};

/// On loopback nothing is further away than this.
const NEAR: f64 = 5e-3;

const PATIENCE: Duration = Duration::from_secs(15);

/// Runs a query. Its exit status and the servers of its report.
fn query(mut command: Command, places: &[String]) -> (Option<i32>, Vec<Value>) {
    let output = command.args(["query", "--json"]).args(places).output().unwrap();
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (output.status.code(), report["servers"].as_array().expect("a list of servers").clone())
}

fn query_here(servers: &[&Chronyd]) -> (Option<i32>, Vec<Value>) {
    let places: Vec<String> = servers.iter().map(|server| server.place.to_string()).collect();
    query(Command::new(truechimer()), &places)
}

/// The server's clock is ahead by so many seconds, and the bound that is told holds and is tight.
#[track_caller]
fn is_ahead_by(server: &Value, seconds: f64) {
    let reading = &server["reading"];
    let (offset, bound) = (reading["offset"].as_f64().unwrap(), reading["bound"].as_f64().unwrap());
    assert!((offset - seconds).abs() <= bound, "{server}");
    assert!(bound < NEAR, "{server}");
}

#[track_caller]
fn says(server: &Value, stratum: u8, reference_id: &str) {
    let reading = &server["reading"];
    assert_eq!(reading["stratum"], stratum, "{server}");
    assert_eq!(reading["reference_id"], reference_id, "{server}");
    assert_eq!(reading["leap"], "none", "{server}");
}

#[test]
fn chronyd_is_right_and_says_what_it_is() {
    let Some(peers) = place::peers() else { return };
    let (status, servers) = query_here(&[&Chronyd::serving(&peers)]);
    assert_eq!(status, Some(0));
    is_ahead_by(&servers[0], 0.0);
    // 127.127.1.1: the local reference of chronyd (chrony.conf(5), local).
    says(&servers[0], chronyd::STRATUM, "127.127.1.1");
}

#[test]
fn ntpd_is_right_and_says_what_it_is() {
    let Some(peers) = place::peers() else { return };
    let Some(namespace) = Namespace::new() else { return };
    let _ntpd = Ntpd::serving(&peers, &namespace);
    let servers = eventually(PATIENCE, "ntpd serves", || {
        let (status, servers) = query(namespace.command(truechimer()), &["127.0.0.1".to_owned()]);
        (status == Some(0)).then_some(servers)
    });
    is_ahead_by(&servers[0], 0.0);
    // An orphan parent refers to itself (NTPsec, Orphan Mode).
    says(&servers[0], ntpd::STRATUM, "127.0.0.1");
}

#[test]
fn a_chronyd_with_a_wrong_clock_is_seen_as_wrong_and_named() {
    let Some(peers) = place::peers() else { return };
    for seconds in [5, -3] {
        is_named(&peers, seconds);
    }
}

fn is_named(peers: &Path, seconds: i32) {
    let right = [Chronyd::serving(peers), Chronyd::serving(peers)];
    let wrong = Chronyd::ahead(peers, seconds);
    let (status, servers) = query_here(&[&right[0], &wrong, &right[1]]);
    assert_eq!(status, Some(1), "they do not all agree");
    is_ahead_by(&servers[0], 0.0);
    is_ahead_by(&servers[1], seconds.into());
    is_ahead_by(&servers[2], 0.0);
    let votes: Vec<&str> = servers.iter().filter_map(|server| server["vote"].as_str()).collect();
    assert_eq!(votes, ["agrees", "disagrees", "agrees"]);
    let ahead = servers[1]["ahead"].as_f64().expect("the one that disagrees is ahead by something");
    assert!((ahead - f64::from(seconds)).abs() < NEAR, "{}", servers[1]);
}

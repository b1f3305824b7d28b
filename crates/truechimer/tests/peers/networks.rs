//! The same over networks that are really apart: each server in its own, and the daemon in a fourth.

use std::net::Ipv4Addr;
use std::time::Duration;

use truechimer_core::status::Status;
use truechimer_time::Span;

use crate::chronyd::Chronyd;
use crate::daemon::{Home, Wishes};
use crate::namespace::{Cable, Namespace};
use crate::place;

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn servers_in_other_networks_keep_the_clock_and_a_broken_cable_does_not_matter() {
    let Some(peers) = place::peers() else { return };
    let networks: Option<Vec<Namespace>> = (0..4).map(|_| Namespace::new()).collect();
    let Some(networks) = networks else { return };
    let (ours, others) = networks.split_first().unwrap();
    let addresses = [1, 2, 3].map(|network| Ipv4Addr::new(10, 81, network, 2));
    for (other, address) in others.iter().zip(addresses) {
        let [.., network, _] = address.octets();
        let name = format!("veth{network}");
        let cable = Cable { name, ours: format!("10.81.{network}.1"), theirs: address.to_string() };
        ours.connect(other, &cable);
    }
    let servers: Vec<Chronyd> = others
        .iter()
        .zip(addresses)
        .map(|(other, address)| Chronyd::in_network(&peers, other, address))
        .collect();

    let home = Home::new(&Wishes::asking(servers.iter().map(|server| server.place)));
    let daemon = home.start_in(Some(ours));
    let truth = daemon.truth();
    let is_right = |sample: &crate::truth::Sample| {
        sample.status == Status::Synchronised && sample.error.abs() < Span::from_millis(1)
    };
    truth.watch_until(PATIENCE, "synchronised", is_right);
    ours.ip(&["link", "set", "veth3", "down"]);
    let samples = truth.watch(Duration::from_secs(4));
    assert!(samples.iter().all(is_right), "{samples:?}");
    daemon.terminate();
}

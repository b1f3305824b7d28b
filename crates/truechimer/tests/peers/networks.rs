//! The same over networks that are really apart: each server in its own, and the daemon in a fourth.

use std::net::Ipv4Addr;
use std::time::Duration;

use truechimer_core::status::Status;
use truechimer_time::Span;

use crate::chronyd::Chronyd;
use crate::daemon::{Home, Wishes};
use crate::namespace::{Cable, Namespace};
use crate::place::{self, free_place};

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

/// Two cables lead to the server; who comes by the other one than that which `interface` names hears nothing, whatever address he
/// asks.
#[test]
fn only_the_interface_that_is_named_is_listened_at() {
    let networks: Option<Vec<Namespace>> = (0..2).map(|_| Namespace::new()).collect();
    let Some([ours, theirs]) = networks.as_deref() else { return };
    let address = |network: u8, host: u8| format!("10.84.{network}.{host}");
    for (network, name) in [(1, "inside"), (2, "outside")] {
        let (our_end, their_end) = (address(network, 1), address(network, 2));
        ours.connect(theirs, &Cable { name: name.to_owned(), ours: our_end, theirs: their_end });
    }
    let serve = |interface: &str| {
        format!("[serve]\nntp = [\"0.0.0.0:123\"]\ninterface = \"{interface}\"\nallow = [\"10.0.0.0/8\"]\n")
    };
    let home = Home::new(&Wishes { serve: serve("inside"), ..Wishes::asking([free_place()]) });
    let daemon = home.start_in(Some(ours));
    for (network, is_answered) in [(1, true), (2, false)] {
        let mut query = theirs.command(place::truechimer());
        let answer = query.args(["query", "--samples", "1", &address(network, 1)]).output().unwrap();
        let said =
            String::from_utf8_lossy(&answer.stdout).into_owned() + &String::from_utf8_lossy(&answer.stderr);
        assert_eq!(said.contains("nobody listens at that port"), !is_answered, "{network}: {said}");
    }
    let served = daemon.status().server.unwrap();
    assert_eq!(served.answered, 1, "{served:?}");
    daemon.terminate();

    let home = Home::new(&Wishes { serve: serve("upstairs"), ..Wishes::asking([free_place()]) });
    let mut command = ours.command(place::truechimer());
    let output = command.args(["run", "--config"]).arg(home.path("truechimer.toml")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let expected =
        "cannot listen on 0.0.0.0:123 by the interface upstairs ([serve] interface): No such device";
    assert!(said.contains(expected) && !output.status.success(), "{said}");
}

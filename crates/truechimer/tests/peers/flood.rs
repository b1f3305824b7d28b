//! Our server under as much nonsense as one sender can send.

use std::net::UdpSocket;
use std::time::Duration;

use crate::daemon::{Home, Wishes};
use crate::ntp::{self, CLIENT};
use crate::place::{eventually, free_place};

/// A machine of two processors takes some seconds for them.
const DATAGRAMS: u64 = 200_000;

const PATIENCE: Duration = Duration::from_secs(20);

/// What the kernel lets through is counted, by reason, and nothing is written about it. An honest client is answered
/// during the flood and after it.
#[test]
fn bad_input_75_a_flood_of_nonsense_leaves_no_line_in_the_log() {
    let place = free_place();
    let serve = format!("[serve]\nntp = [\"{place}\"]\nlimit_interval = \"0s\"\n");
    let home = Home::new(&Wishes { serve, ..Wishes::asking([free_place()]) });
    let daemon = home.start();
    eventually(PATIENCE, "it answers", || ntp::answers(place));
    let lines = daemon.process.log().lines().count();
    let flood = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut torn_field = [0x5a; 100];
    torn_field[0] = 4 << 3 | CLIENT;
    let nonsense = [&ntp::question(6, 1)[..], &[0xff; 47], &ntp::question(CLIENT, 2)[..12], &torn_field];
    for number in 0..DATAGRAMS {
        flood.send_to(nonsense[number as usize % nonsense.len()], place).unwrap();
        if number % (DATAGRAMS / 4) == DATAGRAMS / 8 {
            eventually(PATIENCE, "an honest client is answered meanwhile", || ntp::answers(place));
        }
    }
    eventually(PATIENCE, "an honest client is answered", || ntp::answers(place));
    let silent = daemon.status().server.expect("it serves").silent;
    let heard: u64 = silent.iter().map(|(_, count)| count).sum();
    assert!(DATAGRAMS / 100 < heard && heard <= DATAGRAMS, "{silent:?}");
    for why in ["not_a_question", "short", "malformed"] {
        assert!(silent.iter().any(|(reason, count)| reason == why && *count > 0), "{why}: {silent:?}");
    }
    // In the meantime it may tell that its only source is silent.
    let told = daemon.process.log().lines().count() - lines;
    assert!(told < 4, "{}", daemon.process.log());
    daemon.terminate();
}

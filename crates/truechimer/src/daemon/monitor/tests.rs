use std::net::UdpSocket as StdSocket;
use std::time::Duration;

use super::*;

fn loopback() -> Chrony {
    Chrony { listen: vec!["127.0.0.1:0".parse().expect("an address")], socket: None }
}

fn place(monitor: &Monitor) -> SocketAddr {
    match &monitor.doors[0] {
        Door::Network(socket) => socket.local_address().expect("it is bound"),
        Door::Machine(..) => panic!("it is on the network"),
    }
}

/// A question of how the clock stands, as chronyc pads it.
fn question() -> Vec<u8> {
    let mut bytes = vec![6, 1, 0, 0, 0, 33];
    bytes.resize(104, 0);
    bytes
}

fn heard(monitor: &mut Monitor, count: usize) -> Vec<Asked> {
    let mut all = Vec::new();
    // Loopback is not as quick as a function call on a busy machine.
    for _ in 0..500 {
        all.extend(monitor.hear());
        if all.len() >= count {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    all
}

#[test]
fn a_question_is_heard_and_answered_where_it_came_from() {
    let (mut monitor, left_out) = Monitor::listen(&loopback()).expect("loopback is there");
    assert!(left_out.is_empty());
    let asker = StdSocket::bind("127.0.0.1:0").expect("a port");
    asker.set_read_timeout(Some(Duration::from_secs(10))).expect("a patience");
    asker.send_to(&question(), place(&monitor)).expect("loopback takes it");
    let asked = heard(&mut monitor, 1);
    assert_eq!((asked.len(), monitor.requests), (1, 1));
    monitor.reply(&asked[0], b"reply");
    let mut bytes = [0; 100];
    assert_eq!(asker.recv(&mut bytes).expect("a reply"), 5);
}

#[test]
fn bad_input_119_nonsense_at_the_monitors_socket_is_not_heard_and_a_flood_waits_its_turn() {
    let (mut monitor, _) = Monitor::listen(&loopback()).expect("loopback is there");
    let asker = StdSocket::bind("127.0.0.1:0").expect("a port");
    for nonsense in [vec![], vec![6; 200], question()[..27].to_vec(), [question(), vec![0; 1000]].concat()] {
        asker.send_to(&nonsense, place(&monitor)).expect("loopback takes it");
    }
    for _ in 0..3 * REQUESTS_MAX {
        asker.send_to(&question(), place(&monitor)).expect("loopback takes it");
    }
    let mut all = 0;
    while all < 3 * REQUESTS_MAX {
        let asked = heard(&mut monitor, 1).len();
        assert!((1..=REQUESTS_MAX).contains(&asked), "{asked} at once");
        all += asked;
    }
    assert_eq!(all, 3 * REQUESTS_MAX);
}

#[test]
fn a_socket_in_the_file_system_answers_who_has_one_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chronyd.sock");
    let chrony = Chrony { listen: Vec::new(), socket: Some(path.clone()) };
    let (mut monitor, _) = Monitor::listen(&chrony).expect("the folder is ours");
    let nameless = UnixDatagram::unbound().expect("a socket");
    nameless.send_to(&question(), &path).expect("it is there");
    assert!(monitor.hear().is_empty(), "nobody could be answered");
    let asker = UnixDatagram::bind(folder.path().join("chronyc.sock")).expect("the folder is ours");
    asker.send_to(&question(), &path).expect("it is there");
    let asked = heard(&mut monitor, 1);
    monitor.reply(&asked[0], b"reply");
    let mut bytes = [0; 100];
    assert_eq!(asker.recv(&mut bytes).expect("a reply"), 5);
    drop(monitor);
    assert!(!path.exists(), "it takes its socket with it");
}

#[test]
fn bad_input_122_what_is_in_the_monitors_way_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chronyd.sock");
    let chrony = Chrony { listen: Vec::new(), socket: Some(path.clone()) };
    fs::write(&path, "mine").expect("a file");
    assert!(Monitor::listen(&chrony).is_err());
    assert_eq!(fs::read_to_string(&path).expect("still there"), "mine");
    fs::remove_file(&path).expect("cleans up");
    let (first, _) = Monitor::listen(&chrony).expect("the way is free");
    assert!(Monitor::listen(&chrony).is_err(), "a living one is not replaced");
    drop(first);
    drop(UnixDatagram::bind(&path).expect("the way is free"));
    assert!(Monitor::listen(&chrony).is_ok(), "a dead one is");
}

#[test]
fn an_address_of_others_is_an_error_that_says_so() {
    let chrony = Chrony { listen: vec!["192.0.2.1:0".parse().expect("an address")], socket: None };
    let error = Monitor::listen(&chrony).expect_err("it is not ours").to_string();
    assert!(error.starts_with("cannot listen for chronyc at 192.0.2.1:0: "), "{error}");
}

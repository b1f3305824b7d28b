//! Sockets that systemd's own program hands over to the daemon.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use crate::daemon::{Home, Wishes};
use crate::ntp::{self, CLIENT};
use crate::place::{eventually, free_place, not_tested, truechimer};
use crate::process::{Launch, Process};

const PATIENCE: Duration = Duration::from_secs(20);

const ACTIVATE: &str = "/usr/bin/systemd-socket-activate";

/// A daemon that is started when somebody asks, and the log of both.
fn activated(home: &Home, places: &[SocketAddr], options: &[&str]) -> Option<Process> {
    if !Path::new(ACTIVATE).exists() {
        not_tested("there is no systemd-socket-activate here (Debian: systemd)");
        return None;
    }
    let mut arguments: Vec<_> = options.iter().map(Into::into).collect();
    for place in places {
        arguments.extend(["-l".into(), place.to_string().into()]);
    }
    arguments.push(truechimer().into());
    arguments.extend(["run".into(), "--config".into(), home.path("truechimer.toml").into()]);
    let launch = Launch {
        program: Path::new(ACTIVATE),
        arguments,
        environment: Vec::new(),
        namespace: None,
        log: home.path("log"),
    };
    Some(Process::start(&launch))
}

fn serving(text: String) -> Home {
    Home::new(&Wishes { serve: format!("[serve]\n{text}\n"), ..Wishes::asking([free_place()]) })
}

fn asker() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn origin_of_answer(socket: &UdpSocket) -> u64 {
    let mut answer = [0; 2048];
    let len = socket.recv(&mut answer).expect("an answer");
    assert_eq!(len, 48);
    ntp::origin(&answer[..len])
}

#[test]
fn the_question_that_starts_the_daemon_is_answered() {
    let (first, second, own) = (free_place(), free_place(), free_place());
    let home = serving(format!("ntp = [\"{first}\", \"{own}\", \"{second}\"]"));
    let Some(mut process) = activated(&home, &[first, second], &["--datagram", "--fdname=ntp"]) else {
        return;
    };
    let socket = asker();
    // Until it listens the kernel refuses what is sent.
    let asked = eventually(PATIENCE, "systemd listens", || {
        UdpSocket::bind(second).is_err().then(|| socket.send_to(&ntp::question(CLIENT, 7), second).unwrap())
    });
    assert_eq!((asked, origin_of_answer(&socket)), (48, 7));
    for (number, place) in [(8, first), (9, own), (10, second)] {
        socket.send_to(&ntp::question(CLIENT, number), place).unwrap();
        assert_eq!(origin_of_answer(&socket), number, "{place}");
    }
    assert_eq!(process.terminate().code(), Some(0), "{}", process.log());
}

#[test]
fn one_worker_answers_where_no_socket_may_be_beside_the_one_that_was_handed_over() {
    let place = free_place();
    let home = serving(format!("ntp = [\"{place}\"]\nworkers = 4"));
    let Some(mut process) = activated(&home, &[place], &["--datagram"]) else { return };
    let socket = asker();
    eventually(PATIENCE, "systemd listens", || UdpSocket::bind(place).is_err().then_some(()));
    socket.send_to(&ntp::question(CLIENT, 7), place).unwrap();
    assert_eq!(origin_of_answer(&socket), 7);
    assert!(process.log().contains("one worker answers, not 4"), "{}", process.log());
    assert_eq!(process.terminate().code(), Some(0), "{}", process.log());
}

#[test]
fn a_socket_for_no_place_is_told_of_by_name() {
    let (named, other) = (free_place(), free_place());
    for (options, protocol) in [(&["--datagram", "--fdname=lost"][..], "UDP"), (&["--fdname=lost"], "TCP")] {
        let home = serving(format!("ntp = [\"{named}\"]"));
        let Some(mut process) = activated(&home, &[other], options) else { return };
        eventually(PATIENCE, "systemd listens", || match protocol {
            "UDP" => UdpSocket::bind(other).is_err().then(|| drop(asker().send_to(b"?", other))),
            _ => std::net::TcpStream::connect(other).is_ok().then_some(()),
        });
        eventually(PATIENCE, "it gives up", || (!process.is_alive()).then_some(()));
        let expected = format!("hands over the socket \"lost\" for {protocol} at {other}");
        assert!(process.log().contains(&expected), "{}", process.log());
    }
}

//! All on loopback.

use super::*;
use crate::clock;
use crate::poll::{Interest, PollSet};
use std::collections::HashSet;
use std::sync::OnceLock;
use truechimer_time::Span;

const V4: &str = "127.0.0.1:0";
const V6: &str = "[::1]:0";

/// A bound socket and a client connected to it.
fn pair(local: &str) -> (UdpSocket, UdpSocket) {
    let server = UdpSocket::bind(local.parse().unwrap()).unwrap();
    let client = UdpSocket::connect(server.local_address().unwrap()).unwrap();
    (server, client)
}

/// Loopback with an IPv6 address is not to be had everywhere.
fn families() -> impl Iterator<Item = &'static str> {
    let v6 = std::net::UdpSocket::bind(V6).is_ok().then_some(V6);
    std::iter::once(V4).chain(v6)
}

fn ready(socket: &UdpSocket) -> crate::poll::Event<()> {
    let mut set = PollSet::new();
    set.add(socket.as_fd(), Interest::Read, ());
    let event = set.wait(Some(Span::from_secs(10))).unwrap().next();
    event.expect("something comes within ten seconds")
}

fn next(socket: &UdpSocket) -> Received {
    assert!(ready(socket).readable());
    socket.receive(&mut [0; 64]).unwrap().unwrap()
}

/// Stamping begins a moment after it was asked for: holds it on for all tests, and waits for its beginning.
fn await_stamping() {
    static KEEPER: OnceLock<StampKeeper> = OnceLock::new();
    KEEPER.get_or_init(|| {
        let keeper = StampKeeper::hold().unwrap();
        let (server, client) = pair(V4);
        server.enable_stamps(Stamps::Received);
        let stamped = (0..10_000).any(|_| {
            client.send(b"x").unwrap();
            next(&server).stamp.is_some()
        });
        assert!(stamped, "loopback stamps what it delivers");
        keeper
    });
}

#[test]
fn nothing_there_is_not_an_error() {
    let (server, client) = pair(V4);
    assert_eq!(server.receive(&mut [0; 64]), Ok(None));
    assert_eq!(client.transmit_stamp(), Ok(None));
}

#[test]
fn a_question_gets_its_answer() {
    for family in families() {
        let (server, client) = pair(family);
        client.send(b"question").unwrap();
        let mut bytes = [0; 64];
        assert!(ready(&server).readable());
        let question = server.receive(&mut bytes).unwrap().unwrap();
        assert_eq!(&bytes[..question.len], b"question");
        assert_eq!(question.from, client.local_address().unwrap());
        assert_eq!(question.destination.unwrap().address, server.local_address().unwrap().ip());

        server.send_to(b"answer", question.from, question.destination).unwrap();
        let answer = next(&client);
        assert_eq!((answer.len, answer.from), (6, server.local_address().unwrap()));
        assert_eq!(answer.destination, None);
    }
}

/// Whoever reckons with the kernel's choice reckons it as the kernel does.
#[test]
fn the_socket_that_a_sender_meets_is_the_one_that_is_foretold() {
    const SOCKETS: u32 = 5;
    let first = UdpSocket::bind_shared("0.0.0.0:0".parse().unwrap()).unwrap();
    let port = first.local_address().unwrap().port();
    let mut all = vec![first];
    all.extend((1..SOCKETS).map(|_| UdpSocket::bind_shared(([0, 0, 0, 0], port).into()).unwrap()));
    all[0].steer_by_sender(SOCKETS).unwrap();
    let mut met = HashSet::new();
    for host in 1..40 {
        let sender = std::net::UdpSocket::bind(SocketAddr::from(([127, 0, 7, host], 0))).unwrap();
        sender.send_to(b"x", SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
        let foretold = UdpSocket::choice_of(sender.local_addr().unwrap().ip(), SOCKETS) as usize;
        assert!(ready(&all[foretold]).readable(), "{host}");
        assert!(all[foretold].receive(&mut [0; 8]).unwrap().is_some());
        met.insert(foretold);
    }
    assert_eq!(met.len(), SOCKETS as usize);
    assert_eq!(UdpSocket::choice_of("::1".parse().unwrap(), 1), 0);
}

#[test]
fn a_long_datagram_is_truncated_and_says_so() {
    let (server, client) = pair(V4);
    client.send(&[1; 65]).unwrap();
    client.send(&[2; 64]).unwrap();
    client.send(&[]).unwrap();
    let cut = next(&server);
    assert_eq!((cut.len, cut.truncated), (64, true));
    let whole = next(&server);
    assert_eq!((whole.len, whole.truncated), (64, false));
    assert_eq!(next(&server).len, 0);
}

#[test]
fn both_stamps_lie_between_the_readings_before_and_after() {
    await_stamping();
    for family in families() {
        let (server, client) = pair(family);
        assert_eq!(server.enable_stamps(Stamps::Received), Stamps::Received);
        assert_eq!(client.enable_stamps(Stamps::Both), Stamps::Both);
        let before = clock::realtime();
        client.send(b"when?").unwrap();
        assert!(ready(&client).exceptional());
        let sent = client.transmit_stamp().unwrap().unwrap();
        let received = next(&server).stamp.unwrap();
        let after = clock::realtime();
        assert!(before <= sent.at && sent.at <= received && received <= after, "{family}");
        assert_eq!(client.transmit_stamp(), Ok(None));
    }
}

#[test]
fn transmit_stamps_are_numbered_in_order() {
    let (_server, client) = pair(V4);
    client.enable_stamps(Stamps::Both);
    for _ in 0..3 {
        client.send(b"x").unwrap();
    }
    let ids: Vec<_> = std::iter::from_fn(|| client.transmit_stamp().unwrap()).map(|s| s.id).collect();
    assert_eq!(ids, [ids[0], ids[0] + 1, ids[0] + 2]);
}

#[test]
fn every_way_to_receive_stamps_works_by_itself() {
    await_stamping();
    for way in stamp::WAYS {
        let (server, client) = pair(V4);
        assert!(way.open(server.as_fd()));
        let before = clock::realtime();
        client.send(b"x").unwrap();
        let stamp = next(&server).stamp.unwrap();
        assert!(before <= stamp && stamp <= clock::realtime());
    }
}

#[test]
fn without_stamps_there_is_none() {
    let (server, client) = pair(V4);
    assert_eq!(server.enable_stamps(Stamps::Nothing), Stamps::Nothing);
    client.send(b"x").unwrap();
    assert_eq!(next(&server).stamp, None);
}

#[test]
fn stamps_are_refused_where_there_are_none() {
    let file = std::fs::File::open("/dev/null").unwrap();
    assert_eq!(stamp::enable(file.as_fd(), Stamps::Both), Stamps::Nothing);
}

#[test]
fn a_refusal_is_told_once_and_is_not_a_stamp() {
    let (server, client) = pair(V4);
    client.enable_stamps(Stamps::Both);
    drop(server);
    client.send(b"anybody?").unwrap();
    assert!(ready(&client).exceptional());
    assert!(client.transmit_stamp().unwrap().is_some());
    assert_eq!(client.transmit_stamp(), Ok(None));
    assert!(ready(&client).exceptional());
    assert_eq!(client.receive(&mut [0; 64]), Err(SocketError::Refused));
    assert_eq!(client.receive(&mut [0; 64]), Ok(None));
}

#[test]
fn a_connected_socket_hears_nobody_else() {
    let (server, client) = pair(V4);
    let stranger = UdpSocket::bind(V4.parse().unwrap()).unwrap();
    stranger.send_to(b"forged", client.local_address().unwrap(), None).ok();
    client.send(b"x").unwrap();
    let from = next(&server).from;
    server.send_to(b"real", from, None).unwrap();
    assert_eq!(next(&client).from, server.local_address().unwrap());
    assert_eq!(client.receive(&mut [0; 64]), Ok(None));
}

#[test]
fn a_reply_leaves_from_the_address_that_was_asked() {
    let server = UdpSocket::bind("0.0.0.0:0".parse().unwrap()).unwrap();
    let port = server.local_address().unwrap().port();
    let asked: SocketAddr = ([127, 0, 0, 77], port).into();
    let client = UdpSocket::connect(asked).unwrap();
    client.send(b"x").unwrap();
    let question = next(&server);
    assert_eq!(question.destination.unwrap().address, asked.ip());
    server.send_to(b"y", question.from, question.destination).unwrap();
    assert_eq!(next(&client).from, asked);
}

/// A port may be taken in the other family by chance, but not eight times.
#[test]
fn both_families_share_a_port() {
    let both = |v6: SocketAddr| {
        let first = UdpSocket::bind(v6).unwrap();
        let port = first.local_address().unwrap().port();
        assert_eq!(UdpSocket::bind((v6.ip(), port).into()).unwrap_err(), SocketError::InUse);
        UdpSocket::bind(([0, 0, 0, 0], port).into()).is_ok()
    };
    if families().any(|family| family == V6) {
        assert!((0..8).any(|_| both("[::]:0".parse().unwrap())));
    }
}

/// RFC 9109. Of 28,232 ports, 64 draws at random are 64 different ones but for a handful.
#[test]
fn each_exchange_has_a_port_of_its_own() {
    let server = UdpSocket::bind(V4.parse().unwrap()).unwrap();
    let clients: Vec<_> =
        (0..64).map(|_| UdpSocket::connect(server.local_address().unwrap()).unwrap()).collect();
    let ports: Vec<_> = clients.iter().map(|c| c.local_address().unwrap().port()).collect();
    assert_eq!(ports.iter().collect::<HashSet<_>>().len(), 64);
    let in_sequence = ports.windows(2).filter(|w| w[0].abs_diff(w[1]) <= 2).count();
    assert!(in_sequence < 8, "{ports:?}");
}

#[test]
fn what_cannot_be_sent_is_an_error_by_name() {
    let (server, client) = pair(V4);
    assert_eq!(client.send(&[0; 70_000]), Err(SocketError::TooLong));
    let v6: SocketAddr = "[::1]:9".parse().unwrap();
    assert!(server.send_to(b"x", v6, None).is_err());
    assert_eq!(UdpSocket::bind("192.0.2.1:0".parse().unwrap()).unwrap_err(), SocketError::Unreachable);
}

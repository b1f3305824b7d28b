//! All on loopback.

use super::*;
use crate::poll::{Interest, PollSet};
use crate::udp::Stamps;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use truechimer_time::Span;

const ANY_PORT: &str = "127.0.0.1:0";

fn client_of(server: &UdpSocket) -> UdpSocket {
    UdpSocket::connect(server.local_address().unwrap()).unwrap()
}

fn wait(socket: &UdpSocket) {
    let mut set = PollSet::new();
    set.add(socket.as_fd(), Interest::Read, ());
    assert!(
        set.wait(Some(Span::from_secs(10))).unwrap().next().is_some(),
        "something comes within ten seconds"
    );
}

fn echo(_: usize, asked: &Asked<'_>, reply: &mut [u8]) -> Option<Reply> {
    reply[..asked.bytes.len()].copy_from_slice(asked.bytes);
    Some(Reply { len: asked.bytes.len(), stamped: false })
}

#[test]
fn many_are_answered_in_one_go_each_with_its_own() {
    let server = UdpSocket::bind_shared(ANY_PORT.parse().unwrap()).unwrap();
    let clients: Vec<UdpSocket> = (0..10).map(|_| client_of(&server)).collect();
    for (number, client) in (0u8..).zip(&clients) {
        client.send(&vec![number; usize::from(number)]).unwrap();
    }
    let mut batch = Batch::new(16, 64);
    wait(&server);
    assert_eq!(batch.receive(&server).unwrap(), 10);
    let mut places = Vec::new();
    batch.answer(10, |index, asked, reply| {
        places.push((index, asked.from));
        assert!(!asked.truncated);
        echo(index, asked, reply)
    });
    assert_eq!(batch.send(10, &server), Sent { sent: 10, unsent: 0 });
    for ((number, client), (index, from)) in (0u8..).zip(&clients).zip(places) {
        assert_eq!((index, from), (usize::from(number), client.local_address().unwrap()));
        wait(client);
        let mut bytes = [0xff; 64];
        let received = client.receive(&mut bytes).unwrap().unwrap();
        assert_eq!(bytes[..received.len], vec![number; usize::from(number)]);
    }
    assert_eq!(batch.receive(&server).unwrap(), 0, "nothing there is no error");
}

#[test]
fn a_batch_is_never_larger_than_it_was_made() {
    let server = UdpSocket::bind_shared(ANY_PORT.parse().unwrap()).unwrap();
    let client = client_of(&server);
    for _ in 0..5 {
        client.send(&[1; 100]).unwrap();
    }
    let mut batch = Batch::new(3, 48);
    wait(&server);
    assert_eq!(batch.receive(&server).unwrap(), 3);
    batch.answer(3, |_, asked, reply| {
        assert!(asked.truncated && asked.bytes.len() == 48 && reply.len() == 48);
        None
    });
    assert_eq!(batch.send(3, &server), Sent::default(), "silence is not sent");
    assert_eq!(batch.receive(&server).unwrap(), 2);
    assert_eq!(Batch::new(1_000_000, 48).capacity(), DATAGRAMS_MAX);
}

#[test]
fn an_answer_leaves_from_the_address_that_was_asked() {
    let server = UdpSocket::bind_shared((Ipv4Addr::UNSPECIFIED, 0).into()).unwrap();
    let port = server.local_address().unwrap().port();
    for host in [1, 2, 3] {
        let place = SocketAddr::from((Ipv4Addr::new(127, 0, 0, host), port));
        let client = UdpSocket::connect(place).unwrap();
        client.send(b"question").unwrap();
        let mut batch = Batch::new(4, 64);
        wait(&server);
        assert_eq!(batch.receive(&server).unwrap(), 1);
        batch.answer(1, echo);
        batch.send(1, &server);
        wait(&client);
        // A connected socket hears nobody else.
        assert_eq!(client.receive(&mut [0; 64]).unwrap().unwrap().from, place);
    }
}

#[test]
fn datagrams_of_our_own_leave_from_the_address_that_is_named() {
    let server = UdpSocket::bind_shared(ANY_PORT.parse().unwrap()).unwrap();
    let place = server.local_address().unwrap();
    let client = UdpSocket::bind_shared((Ipv4Addr::UNSPECIFIED, 0).into()).unwrap();
    let mut batch = Batch::new(4, 64);
    for (index, host) in [(0, 7), (1, 8)] {
        let from = Destination { address: Ipv4Addr::new(127, 0, 0, host).into(), interface: 0 };
        batch.compose(index, place, Some(from), |bytes| {
            bytes[0] = host;
            1
        });
    }
    assert_eq!(batch.send(2, &client).sent, 2);
    for host in [7, 8] {
        let mut bytes = [0; 4];
        wait(&server);
        let received = server.receive(&mut bytes).unwrap().unwrap();
        assert_eq!((received.from.ip(), bytes[0]), (Ipv4Addr::new(127, 0, 0, host).into(), host));
    }
}

#[test]
fn bad_input_76_what_was_sent_to_many_says_so() {
    let server = UdpSocket::bind_shared((Ipv4Addr::UNSPECIFIED, 0).into()).unwrap();
    let port = server.local_address().unwrap().port();
    let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_broadcast(true).unwrap();
    // Loopback's own broadcast address (RFC 1122, section 3.2.1.3).
    for (place, is_to_many) in [("127.0.0.1", false), ("127.255.255.255", true), ("127.9.9.9", false)] {
        client.send_to(b"question", (place, port)).unwrap();
        let mut batch = Batch::new(4, 64);
        wait(&server);
        assert_eq!(batch.receive(&server).unwrap(), 1);
        batch.answer(1, |_, asked, _| {
            assert_eq!(asked.to_many, is_to_many, "{place}");
            None
        });
    }
}

#[test]
fn only_the_wished_for_leave_a_stamp() {
    let server = UdpSocket::bind_shared(ANY_PORT.parse().unwrap()).unwrap();
    assert_eq!(server.enable_stamps(Stamps::Wished), Stamps::Wished);
    let client = client_of(&server);
    for _ in 0..6 {
        client.send(b"question").unwrap();
    }
    let mut batch = Batch::new(8, 64);
    wait(&server);
    assert_eq!(batch.receive(&server).unwrap(), 6);
    batch.answer(6, |index, asked, reply| {
        echo(index, asked, reply).map(|reply| Reply { stamped: index % 3 == 0, ..reply })
    });
    assert_eq!(batch.send(6, &server).sent, 6);
    let stamps: Vec<_> = std::iter::from_fn(|| server.transmit_stamp().unwrap()).collect();
    assert_eq!(stamps.len(), 2, "{stamps:?}");
    assert_eq!(
        stamps.iter().map(|stamp| stamp.id).collect::<Vec<_>>(),
        [0, 1],
        "they are counted one by one"
    );
    server.disable_stamps().unwrap();
    server.enable_stamps(Stamps::Wished);
    client.send(b"question").unwrap();
    wait(&server);
    assert_eq!(batch.receive(&server).unwrap(), 1);
    batch.answer(1, |index, asked, reply| {
        echo(index, asked, reply).map(|reply| Reply { stamped: true, ..reply })
    });
    batch.send(1, &server);
    assert_eq!(server.transmit_stamp().unwrap().map(|stamp| stamp.id), Some(0), "from the beginning");
}

#[test]
fn one_that_cannot_be_answered_does_not_hinder_the_others() {
    let server = UdpSocket::bind_shared(ANY_PORT.parse().unwrap()).unwrap();
    let clients = [client_of(&server), client_of(&server)];
    clients.iter().for_each(|client| client.send(b"question").unwrap());
    let mut batch = Batch::new(8, 64);
    wait(&server);
    assert_eq!(batch.receive(&server).unwrap(), 2);
    batch.answer(2, echo);
    // Port 0 is nobody's: the kernel refuses to send there.
    batch.slots[0].from = SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into();
    assert_eq!(batch.send(2, &server), Sent { sent: 1, unsent: 1 });
    wait(&clients[1]);
}

#[test]
fn one_sender_always_meets_the_same_socket() {
    let first = UdpSocket::bind_shared(ANY_PORT.parse().unwrap()).unwrap();
    let place = first.local_address().unwrap();
    let mut sockets = vec![first];
    sockets.extend((1..4).map(|_| UdpSocket::bind_shared(place).unwrap()));
    sockets[0].steer_by_sender(4).unwrap();
    let mut met: HashMap<IpAddr, Vec<usize>> = HashMap::new();
    for sender in (1..=32u8).flat_map(|host| [host; 4]) {
        let from = std::net::UdpSocket::bind((Ipv4Addr::new(127, 0, 1, sender), 0)).unwrap();
        from.send_to(b"question", place).unwrap();
        let mut set = PollSet::new();
        for (index, socket) in sockets.iter().enumerate() {
            set.add(socket.as_fd(), Interest::Read, index);
        }
        let index = set.wait(Some(Span::from_secs(10))).unwrap().next().unwrap().token;
        sockets[index].receive(&mut [0; 64]).unwrap();
        met.entry(from.local_addr().unwrap().ip()).or_default().push(index);
    }
    assert!(met.values().all(|indices| indices.iter().all(|index| *index == indices[0])), "{met:?}");
    let different: std::collections::HashSet<usize> = met.values().map(|indices| indices[0]).collect();
    assert_eq!(different.len(), 4, "all sockets have work: {met:?}");
}

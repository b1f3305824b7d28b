//! Real sockets on loopback, with servers whose clock and manners are programmed.

use std::net::UdpSocket;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use truechimer_core::server::ntp::{Served, answer};
use truechimer_core::wire::ntp::{Leap, Packet};
use truechimer_time::ntp::{NtpPrecision, NtpShort};

use super::*;
use crate::config::Spelled;

const HONEST: Manners =
    Manners { offset: Span::ZERO, there: Duration::ZERO, back: Duration::ZERO, deed: Deed::Tell };

#[test]
fn a_shifted_server_is_seen_shifted() {
    for offset in [Span::ZERO, Span::from_secs(5), Span::from_millis(-250), Span::from_secs(86_400 * 300)] {
        let server = Server::start(Manners { offset, ..HONEST });
        let reading = only(&[server.address()], ONCE).outcome.unwrap();
        assert!((reading.offset() - offset).abs() <= reading.bound(), "{offset}: {}", reading.offset());
        assert!(reading.bound() < Span::from_millis(100), "{}", reading.bound());
        assert_eq!((reading.answer.stratum, reading.answer.reference_id), (3, [192, 0, 2, 1]));
    }
}

#[test]
fn an_asymmetric_path_stays_within_the_bound() {
    for (there, back) in [(40, 0), (0, 40), (20, 20)] {
        let [there, back] = [there, back].map(Duration::from_millis);
        let server = Server::start(Manners { there, back, ..HONEST });
        let reading = only(&[server.address()], ONCE).outcome.unwrap();
        assert!(reading.delay >= Span::from_millis(40), "{}", reading.delay);
        assert!(reading.offset().abs() <= reading.bound(), "{} {}", reading.offset(), reading.bound());
    }
}

#[test]
fn a_majority_outvotes_a_liar_and_names_it() {
    let lie = Span::from_secs(3);
    let servers = [Span::ZERO, lie, Span::ZERO].map(|offset| Server::start(Manners { offset, ..HONEST }));
    let survey = measure(&servers.each_ref().map(Server::address), &ONCE).unwrap();
    let majority = survey.verdict.outcome.unwrap();
    assert_eq!((majority.agree, survey.verdict.votes), (2, 3));
    assert!(majority.offset.abs() <= majority.bound, "{} {}", majority.offset, majority.bound);
    let [Stand::Agrees, Stand::Disagrees { ahead, bound }, Stand::Agrees] = survey.verdict.stands[..] else {
        panic!("{:?}", survey.verdict.stands)
    };
    assert!((ahead - lie).abs() <= bound, "{ahead} {bound}");
    let text = text(&survey, crate::ui::colour::Colours::NONE);
    assert!(text.contains(&format!("{} disagrees: it is ", servers[1].address())), "{text}");
    assert!(text.contains("2 of 3 operators agree: your clock is"), "{text}");
}

#[test]
fn who_is_kissed_goes_away() {
    for (code, kiss) in [(*b"RATE", KissCode::Rate), (*b"INIT", KissCode::Other(*b"INIT"))] {
        let server = Server::start(Manners { deed: Deed::Kiss(code), ..HONEST });
        let measured = only(&[server.address()], Manner { samples: 4, ..ONCE });
        assert_eq!(measured.outcome, Err(Trouble::Kissed(kiss)));
        assert_eq!((measured.asked, measured.answered), (1, 0));
    }
}

#[test]
fn every_failure_has_its_exact_reason() {
    let server = |deed| Server::start(Manners { deed, ..HONEST });
    let [silent, unset] = [Deed::KeepSilent, Deed::NotKnow].map(server);
    let past = Server::start(Manners { offset: Span::from_secs(-20 * 31_556_952), ..HONEST });
    let closed = Server::start(HONEST).end();
    let asked = [&silent, &unset, &past].map(Server::address).into_iter().chain([closed]);
    let asked: Vec<Address> = asked.collect();
    let survey = measure(&asked, &Manner { timeout: Span::from_millis(200), ..ONCE }).unwrap();
    let expected = [
        Trouble::Silent(Span::from_millis(200)),
        Trouble::Unusable(Refusal::LeapUnknown),
        // Bad input 94.
        Trouble::Unusable(Refusal::BeforeFloor),
        Trouble::Network(SocketError::Refused),
    ];
    assert_eq!(survey.servers.iter().map(|s| s.outcome.clone().unwrap_err()).collect::<Vec<_>>(), expected);
    assert_eq!(survey.verdict.outcome, Err(TooFew { agree: 0 }));
    assert!(survey.verdict.stands.iter().all(|stand| *stand == Stand::Nowhere));
}

#[test]
fn one_answer_is_enough() {
    let server = Server::start(Manners { deed: Deed::TellOnce, ..HONEST });
    let measured = only(&[server.address()], Manner { samples: 2, timeout: Span::from_millis(200), ..ONCE });
    assert_eq!((measured.asked, measured.answered), (2, 1));
    assert!(measured.outcome.is_ok());
}

#[test]
fn where_one_address_refuses_the_next_is_asked() {
    let (closed, server) = (Server::start(HONEST).end(), Server::start(HONEST));
    let places = vec![closed.literal().unwrap(), server.place];
    let mut inquiries = [Inquiry::new(Ok(places), &ONCE)];
    inquire(&mut inquiries, &ONCE).unwrap();
    let [inquiry] = inquiries;
    let measured = inquiry.end(at("two.example"));
    assert_eq!((measured.place, measured.asked, measured.answered), (Some(server.place), 1, 1));
    assert!(measured.outcome.is_ok());
}

#[test]
fn where_one_address_is_silent_the_next_is_asked() {
    let (gone, server) = (Server::start(Manners { deed: Deed::KeepSilent, ..HONEST }), Server::start(HONEST));
    let manner = Manner { timeout: Span::from_millis(200), ..ONCE };
    let mut inquiries = [Inquiry::new(Ok(vec![gone.place, server.place]), &manner)];
    inquire(&mut inquiries, &manner).unwrap();
    let [inquiry] = inquiries;
    let measured = inquiry.end(at("two.example"));
    assert_eq!((measured.place, measured.answered), (Some(server.place), 1));
    assert!(measured.outcome.is_ok());
}

/// Bad input 16.
#[test]
fn each_question_comes_from_a_port_of_its_own() {
    let server = Server::start(HONEST);
    let measured = only(&[server.address()], Manner { samples: 3, ..ONCE });
    assert_eq!(measured.answered, 3);
    let mut ports: Vec<u16> = server.clients.try_iter().map(|client| client.port()).collect();
    assert_eq!(ports.len(), 3);
    ports.sort_unstable();
    ports.dedup();
    // Ports are random, so two of them may be equal by chance; all three never are.
    assert!(ports.len() > 1, "{ports:?}");
}

#[test]
fn those_who_keep_silent_have_a_vote() {
    let servers = [said("a.example", 0), said("b.example", 0), silent("c.example"), silent("d.example")];
    let verdict = Verdict::of(&servers);
    assert_eq!((verdict.votes, verdict.needed, verdict.outcome), (4, 3, Err(TooFew { agree: 2 })));
}

#[test]
fn servers_of_one_operator_have_one_vote_among_others() {
    let crowd =
        [said("a.x.example", 9), said("b.x.example", 9), said("c.y.example", 0), said("d.z.example", 0)];
    let verdict = Verdict::of(&crowd);
    assert_eq!(verdict.operators, ["x.example", "y.example", "z.example"]);
    assert_eq!(verdict.outcome.unwrap().offset, Span::ZERO);
    assert_eq!(verdict.outcome.unwrap().agree, 2);
}

#[test]
fn servers_of_one_operator_are_compared_with_each_other() {
    let siblings = [said("a.x.example", 0), said("b.x.example", 0), said("c.x.example", 9)];
    let verdict = Verdict::of(&siblings);
    assert_eq!((verdict.operators.len(), verdict.votes), (1, 3));
    assert_eq!(verdict.outcome.unwrap().agree, 2);
    assert!(matches!(verdict.stands[2], Stand::Disagrees { ahead, .. } if ahead == Span::from_secs(9)));
}

#[test]
fn names_of_the_pool_are_independent() {
    let pool = [said("0.debian.pool.ntp.org", 0), said("1.debian.pool.ntp.org", 0)];
    assert_eq!(Verdict::of(&pool).operators.len(), 2);
}

#[test]
fn a_report_is_json_that_names_the_reason() {
    let survey = measure(&[at("truechimer.invalid")], &ONCE).unwrap();
    let json = serde_json::to_value(Report::of(&survey)).unwrap();
    assert_eq!(json["majority"], serde_json::Value::Null);
    assert_eq!(json["servers"][0]["server"], "truechimer.invalid");
    assert_eq!(json["servers"][0]["reading"], serde_json::Value::Null);
    assert_eq!(json["servers"][0]["vote"], "none");
    assert!(
        ["not_found", "lookup_too_slow"].map(Some).contains(&json["servers"][0]["error"]["kind"].as_str())
    );
}

const ONCE: Manner =
    Manner { samples: 1, timeout: Span::from_secs(3), family: Family { ipv4: false, ipv6: false } };

fn at(text: &str) -> Address {
    Address::read(text).unwrap()
}

fn only(addresses: &[Address], manner: Manner) -> super::Server {
    measure(addresses, &manner).unwrap().servers.remove(0)
}

/// A server that said that our clock is so many seconds slow, give or take 10 ms.
fn said(name: &str, offset: i64) -> super::Server {
    let local = Time::from_epoch(Span::from_secs(1_900_000_000));
    let right = Time::<Utc>::from_epoch(local.since_epoch() + Span::from_secs(offset));
    let best = LEAPS.tai_of_utc(right);
    let raw = Time::from_epoch(Span::from_secs(1000));
    let bound = Span::from_millis(10);
    let stamp = truechimer_core::moment::Stamp { at: raw, by: truechimer_core::moment::StampedBy::Program };
    let answer = Answer {
        sent: stamp,
        received: right,
        transmitted: right,
        heard: stamp,
        delay: bound * 2,
        residence: Span::ZERO,
        leap: Leap::None,
        version: 4,
        stratum: 2,
        poll: 6,
        precision: NtpPrecision { log2_seconds: -20 },
        root_delay: Span::ZERO,
        root_dispersion: Span::ZERO,
        reference_id: [192, 0, 2, 1],
    };
    let bracket = Bracket { at: raw, earliest: best - bound, latest: best + bound };
    let reading = Reading { bracket, best, local, delay: bound * 2, answer };
    super::Server { address: at(name), place: None, asked: 1, answered: 1, outcome: Ok(reading) }
}

fn silent(name: &str) -> super::Server {
    let outcome = Err(Trouble::Silent(Span::from_secs(3)));
    super::Server { address: at(name), place: None, asked: 1, answered: 0, outcome }
}

/// A server of ours.
struct Server {
    place: SocketAddr,
    clients: Receiver<SocketAddr>,
    socket: UdpSocket,
    thread: thread::JoinHandle<()>,
}

#[derive(Clone, Copy)]
struct Manners {
    /// Its clock less ours.
    offset: Span,
    /// How long a question is under way.
    there: Duration,
    /// How long an answer is under way.
    back: Duration,
    deed: Deed,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Deed {
    Tell,
    TellOnce,
    KeepSilent,
    NotKnow,
    Kiss([u8; 4]),
}

impl Server {
    fn start(manners: Manners) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let place = socket.local_addr().unwrap();
        let (heard, clients) = mpsc::channel();
        let ours = socket.try_clone().unwrap();
        let thread = thread::spawn(move || serve(&ours, manners, &heard));
        Self { place, clients, socket, thread }
    }

    fn address(&self) -> Address {
        Address::Literal(self.place)
    }

    /// An empty datagram of its own ends it, and nobody listens there any more.
    fn end(self) -> Address {
        let address = self.address();
        self.socket.send_to(&[], self.place).unwrap();
        self.thread.join().unwrap();
        address
    }
}

fn serve(socket: &UdpSocket, manners: Manners, heard: &mpsc::Sender<SocketAddr>) {
    let mut told = 0;
    let mut datagram = [0; 1024];
    while let Ok((len @ 1.., from)) = socket.recv_from(&mut datagram) {
        if heard.send(from).is_err() {
            return;
        }
        thread::sleep(manners.there);
        if manners.deed == Deed::KeepSilent || (manners.deed == Deed::TellOnce && told > 0) {
            continue;
        }
        let reply = reply(&datagram[..len], manners);
        thread::sleep(manners.back);
        socket.send_to(&reply, from).unwrap();
        told += 1;
    }
}

fn reply(question: &[u8], manners: Manners) -> [u8; 48] {
    let now = Time::from_epoch(clock::realtime().since_epoch() + manners.offset);
    let served = Served {
        synchronised: manners.deed != Deed::NotKnow,
        leap: Leap::None,
        stratum: 3,
        precision: NtpPrecision { log2_seconds: -20 },
        root_delay: NtpShort::ZERO.span(),
        root_dispersion: Span::ZERO,
        reference_id: [192, 0, 2, 1],
        reference: now,
    };
    let honest = answer(question, now, now, &served).unwrap();
    match manners.deed {
        Deed::Kiss(code) => {
            let packet = Packet::parse(&honest).unwrap();
            Packet { stratum: 0, reference_id: code, ..packet }.write()
        }
        Deed::Tell | Deed::TellOnce | Deed::KeepSilent | Deed::NotKnow => honest,
    }
}

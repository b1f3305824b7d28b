use super::*;
use crate::measure::exchange::Exchange;
use crate::server::ntp::Served;
use crate::server::ntp::tests::question;
use crate::source::nts::{Cookie, Nts};
use crate::wire::aead::{Aead, SessionKeys};
use crate::wire::mac::{Key, KeyKind};
use crate::wire::ntp::{Leap, Mode, Packet};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;
use truechimer_time::ntp::NtpPrecision;
use truechimer_time::{Rate, Span, Utc};

const AT: Time<Raw> = Time::from_epoch(Span::from_secs(1_000));
const NOON: Time<Utc> = Time::from_epoch(Span::from_secs(1_790_000_000));
const SERVED: Served = Served {
    synchronised: true,
    leap: Leap::None,
    stratum: 2,
    precision: NtpPrecision { log2_seconds: -20 },
    root_delay: Span::from_millis(10),
    root_dispersion: Span::from_millis(1),
    reference_id: [192, 0, 2, 1],
    reference: NOON,
};

fn policy() -> Policy {
    let everybody = ["0.0.0.0/0", "::/0"].map(|prefix| prefix.parse().unwrap());
    let rate = RateRule { interval: Span::from_secs(1), burst: 8 };
    Policy { allowed: AllowList::new(&everybody, &[]).unwrap(), rate: Some(rate), ..Policy::default() }
}

fn client() -> SocketAddr {
    "198.51.100.7:40000".parse().unwrap()
}

/// A desk, and what is asked and told at it at so many milliseconds.
struct Scene {
    desk: Desk,
    policy: Policy,
    dial: Dial,
    to_many: bool,
}

impl Scene {
    fn new(policy: Policy) -> Self {
        let dial = Dial::through(AT, NOON, Rate::ZERO, SERVED);
        Self { desk: Desk::new(64, [7; 32]), policy, dial, to_many: false }
    }

    fn ask(&mut self, from: SocketAddr, bytes: &[u8], millis: i64) -> Result<(Vec<u8>, Answer), Silence> {
        let received = AT + Span::from_millis(millis);
        self.desk.begin(Time::from_epoch(Span::from_millis(millis)), &self.policy);
        let telling = Telling::at(received, &self.dial, &self.policy);
        let mut reply = [0; DATAGRAM_MAX];
        let leaves = received + Span::from_micros(30);
        let question = Question { bytes, from, received, leaves, to_many: self.to_many };
        let answer = self.desk.answer(&question, &telling, &mut reply)?;
        Ok((reply[..answer.len].to_vec(), answer))
    }
}

fn told(millis: i64, micros: i64) -> NtpTimestamp {
    NtpTimestamp::of(NOON + Span::from_millis(millis) + Span::from_micros(micros))
}

fn near(one: NtpTimestamp, other: NtpTimestamp) -> bool {
    one.since(other).abs() < Span::from_nanos(2)
}

#[test]
fn a_question_is_answered_and_counted() {
    let mut scene = Scene::new(policy());
    let (reply, answer) = scene.ask(client(), &question(4, Mode::Client), 5).unwrap();
    let packet = Packet::parse(&reply).unwrap();
    assert_eq!((packet.mode, packet.version, packet.stratum, answer.wanted), (Mode::Server, 4, 2, None));
    assert!(near(packet.receive, told(5, 0)) && near(packet.transmit, told(5, 30)), "{packet:?}");
    assert_eq!(scene.ask(client(), &question(4, Mode::Server), 6), Err(Silence::NotAQuestion));
    let counters = scene.desk.counters();
    assert_eq!((counters.answered, counters.silent[Silence::NotAQuestion.index()]), (1, 1));
    let known: Vec<_> = scene.desk.clients().map(|client| (client.address, client.asked)).collect();
    assert_eq!(known, [(client().ip(), 1)], "what is no question is nobody's");
}

#[test]
fn bad_input_68_random_ports_are_one_client() {
    let mut scene = Scene::new(Policy { rate: policy().rate, ..policy() });
    let answered = (1_000..2_000).filter(|port| {
        let from = SocketAddr::new(client().ip(), *port);
        scene.ask(from, &question(4, Mode::Client), 0).is_ok()
    });
    let answered = answered.count() as u64;
    let counters = scene.desk.counters();
    assert_eq!(answered, 8 + counters.leaked);
    assert!((180..320).contains(&counters.leaked), "{counters:?}");
    assert_eq!(counters.silent[Silence::Limited.index()], 1_000 - answered);
}

#[test]
fn bad_input_76_who_asks_many_is_not_answered() {
    let mut scene = Scene { to_many: true, ..Scene::new(policy()) };
    assert_eq!(scene.ask(client(), &question(4, Mode::Client), 0), Err(Silence::ToMany));
}

#[test]
fn who_is_not_allowed_leaves_no_trace() {
    let allowed = AllowList::new(&["10.0.0.0/8".parse().unwrap()], &[]).unwrap();
    let mut scene = Scene::new(Policy { allowed, ..Policy::default() });
    assert_eq!(scene.ask(client(), &question(4, Mode::Client), 0), Err(Silence::NotAllowed));
    assert_eq!(scene.desk.clients().count(), 0);
}

/// The conversation of RFC 9769, section 2, from the second answer on.
#[test]
fn a_client_that_speaks_of_the_last_answer_is_told_when_it_left() {
    let mut scene = Scene::new(policy());
    let ask = |scene: &mut Scene, origin, (receive, transmit): (u64, u64), millis| {
        let plain = Packet::parse(&question(4, Mode::Client)).unwrap();
        let [receive, transmit] = [receive, transmit].map(NtpTimestamp::from_bits);
        let (reply, answer) =
            scene.ask(client(), &Packet { origin, receive, transmit, ..plain }.write(), millis).unwrap();
        (Packet::parse(&reply).unwrap(), answer.wanted)
    };
    let (first, wanted) = ask(&mut scene, NtpTimestamp::ZERO, (0, 11), 0);
    assert_eq!((first.origin.to_bits(), wanted), (11, None), "nothing is kept of who does not ask for it");
    let (second, wanted) = ask(&mut scene, first.receive, (21, 22), 1_000);
    assert_eq!((second.origin.to_bits(), wanted), (22, Some(second.receive)), "the first was not remembered");
    scene.desk.has_left(second.receive, told(1_000, 47));
    let (third, _) = ask(&mut scene, second.receive, (31, 32), 2_000);
    assert_eq!((third.origin.to_bits(), third.transmit), (31, told(1_000, 47)));
    assert!(near(third.receive, told(2_000, 0)));
    let (fourth, _) = ask(&mut scene, third.receive, (41, 42), 3_000);
    assert!(near(fourth.transmit, told(2_000, 30)), "without a stamp, what was thought");
    assert_eq!(scene.desk.counters().interleaved, 2);
    let (late, _) = ask(&mut scene, second.origin, (51, 52), 4_000);
    assert_eq!(late.origin.to_bits(), 52, "of no answer of ours");
}

/// RFC 8573: a question that is sealed by a key of its asker's gets an answer sealed by the same.
#[test]
fn a_sealed_question_is_answered_under_its_key_and_no_other() {
    let key = |id| Arc::new(Key::new(id, KeyKind::Aes128, vec![id as u8; 16]).unwrap());
    let grant = |id, prefix: &str| keys::Grant::new(key(id), vec![prefix.parse().unwrap()]).unwrap();
    let ring = keys::Ring::new(vec![grant(7, "198.51.100.0/24"), grant(8, "10.0.0.0/8")]).unwrap();
    let mut scene = Scene::new(Policy { keys: ring, rate: None, ..policy() });
    let sealed = |id| {
        let mut bytes = question(4, Mode::Client);
        key(id).append(&mut bytes);
        bytes
    };
    let (reply, _) = scene.ask(client(), &sealed(7), 5).unwrap();
    assert_eq!((reply.len(), key(7).verify(&reply[..48], &reply[52..])), (68, true));
    assert_eq!(scene.ask(client(), &sealed(8), 6), Err(Silence::ForeignKey), "that is another's");
    assert_eq!(scene.ask(client(), &sealed(9), 7), Err(Silence::UnknownKey));
    let (plain, _) = scene.ask(client(), &question(4, Mode::Client), 8).unwrap();
    assert_eq!((plain.len(), scene.desk.counters().sealed), (48, 1));
}

/// From the key exchange's cookie to the sealed answer, through the desk; and without NTS as if there were none.
#[test]
fn a_protected_question_is_answered_protected_where_there_are_keys_of_cookies() {
    let mut rng = ChaCha12Rng::from_seed([9; 32]);
    let mut ring = cookie::Ring::new(NOON, &mut rng);
    let session = SessionKeys::new(Aead::SivCmac256, &[1; 32], &[2; 32]).unwrap();
    let mut bytes = vec![0; cookie::len(Aead::SivCmac256)];
    ring.seal(&session, &mut rng, &mut bytes);
    let mut client_side = Nts::new();
    client_side.agreed(session, [Cookie::new(&bytes).unwrap()]);
    let exchange = Exchange::start_protected(&mut rng, client(), client_side.ticket().unwrap());
    let mut scene = Scene::new(Policy { rate: None, ..policy() });
    let (unprotected, _) = scene.ask(client(), exchange.datagram(), 0).unwrap();
    assert_eq!(unprotected.len(), 48, "who has no keys of cookies knows nothing of NTS");
    scene.desk.take_ring(Some(ring));
    let (reply, _) = scene.ask(client(), exchange.datagram(), 1).unwrap();
    assert!(48 < reply.len() && reply.len() <= exchange.datagram().len());
    assert_eq!(scene.desk.counters().protected, 1);
    scene.desk.take_ring(Some(cookie::Ring::new(NOON, &mut rng)));
    let (nak, _) = scene.ask(client(), exchange.datagram(), 2).unwrap();
    assert_eq!((&nak[12..16], scene.desk.counters().refused), (&b"NTSN"[..], 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]
    #[test]
    fn bad_input_63_no_answer_is_longer_than_its_question(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        flags in prop::sample::select(vec![0x23u8, 0x1b, 0x0b, 0x13, 0x24, 0xe3]),
    ) {
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() {
            *first = flags;
        }
        let mut scene = Scene::new(Policy { rate: None, ..policy() });
        if let Ok((reply, _)) = scene.ask(client(), &bytes, 0) {
            prop_assert!(reply.len() <= bytes.len() && reply[0] & 0b111 == 4);
        }
    }
}

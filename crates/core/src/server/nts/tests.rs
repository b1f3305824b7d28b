//! The names carry the numbers of the project's list of bad inputs. The questions are those of our own client, spoilt.

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use truechimer_time::{Span, Time};

use super::*;
use crate::wire::aead::Aead;
use crate::wire::extension::Trailer;
use crate::wire::nts::{Answer, PLACEHOLDER};

#[test]
fn a_question_is_answered_with_as_many_cookies_as_it_asks_for() {
    for aead in Aead::ALL {
        for places in 0..=7 {
            let mut server = Server::new(aead);
            let question = server.question(places);
            let answer = server.answer(&question).unwrap();
            assert_eq!(answer.len(), question.len(), "the same length to the byte");
            assert_eq!(answer[..48], HEADER);
            let cookies = server.cookies(&answer);
            assert_eq!(cookies.len(), places + 1);
            for cookie in cookies {
                assert!(server.ring.open(&cookie).is_ok_and(|keys| keys.s2c() == server.keys.s2c()));
            }
        }
    }
}

#[test]
fn the_unique_identifier_comes_back_whatever_its_length() {
    for length in [32, 36, 64, 400] {
        let mut server = Server::new(Aead::SivCmac256);
        let shape = Shape { unique_id: vec![5; length], ..Shape::plain(&mut server) };
        let question = server.build(&shape);
        let answer = server.answer(&question).unwrap();
        let trailer = Trailer::parse(&answer, 4).unwrap();
        assert_eq!(Answer::read(&answer, &trailer).unwrap().unique_id, vec![5; length]);
    }
}

#[test]
fn bad_input_64_no_question_gets_more_than_eight_cookies() {
    for places in 0..=16 {
        let mut server = Server::new(Aead::SivCmac256);
        let question = server.question(places);
        let answer = server.answer(&question).unwrap();
        assert_eq!(server.cookies(&answer).len(), 1 + places.min(7));
        assert!(answer.len() <= question.len());
    }
    // Sixty-four of them are longer than any datagram that is read, or more fields than are.
    let mut server = Server::new(Aead::GcmSiv128);
    let question = server.question(64);
    assert!(Trailer::parse(&question, 4).is_err());
}

#[test]
fn placeholders_may_be_encrypted() {
    let mut server = Server::new(Aead::SivCmac256);
    let place = field(PLACEHOLDER, &[0; 100]);
    let shape = Shape { inner: place.repeat(3), places: vec![100], ..Shape::plain(&mut server) };
    let question = server.build(&shape);
    let answer = server.answer(&question).unwrap();
    assert_eq!((server.cookies(&answer).len(), answer.len()), (5, question.len()));
}

#[test]
fn bad_input_65_placeholders_of_another_length_get_nothing() {
    let mut server = Server::new(Aead::SivCmac256);
    for places in [vec![12], vec![96, 104], vec![68; 5], vec![200; 4]] {
        let shape = Shape { places, ..Shape::plain(&mut server) };
        let question = server.build(&shape);
        let answer = server.answer(&question).unwrap();
        assert_eq!(server.cookies(&answer).len(), 1);
    }
}

#[test]
fn bad_input_66_a_cookie_that_is_none_of_ours_is_refused() {
    let mut server = Server::new(Aead::SivCmac256);
    for length in [12, 16, 20, 68, 96, 100, 104, 500] {
        let shape = Shape { cookie: vec![1; length], ..Shape::plain(&mut server) };
        let question = server.build(&shape);
        server.refuses(&question);
    }
    let mut spoilt = server.question(0);
    spoilt[48 + 36 + 4 + 50] ^= 1;
    server.refuses(&spoilt);
}

#[test]
fn bad_input_48_a_refusal_gives_the_unique_identifier_back_and_is_no_time() {
    let mut server = Server::new(Aead::GcmSiv128);
    let mut question = server.question(7);
    let last = question.len() - 1;
    question[last] ^= 1;
    let nak = server.refuses(&question);
    let packet = crate::wire::ntp::Packet::parse(&nak).unwrap();
    assert_eq!((packet.leap, packet.stratum, packet.reference_id), (Leap::Unknown, 0, *b"NTSN"));
    assert_eq!(nak[24..32], HEADER[24..32], "the origin");
    assert_eq!(nak[48..], question[48..84], "the unique identifier");
}

#[test]
fn bad_input_52_unique_identifiers_that_are_none_get_silence() {
    let mut server = Server::new(Aead::SivCmac256);
    let shape = Shape { unique_id: vec![5; 28], ..Shape::plain(&mut server) };
    let question = server.build(&shape);
    assert_eq!(server.answer(&question), Err(Flaw::UniqueIdShort));
    let honest = server.question(0);
    let twice = [&honest[..84], &honest[48..]].concat();
    assert_eq!(server.answer(&twice), Err(Flaw::UniqueIdTwice));
}

#[test]
fn bad_input_53_nonces_that_cannot_be_get_silence_or_a_refusal() {
    let mut server = Server::new(Aead::SivCmac256);
    let honest = server.question(0);
    let lengths = honest.len() - 36;
    for (nonce, verdict) in
        [(0u16, Err(Flaw::NonceLength)), (65_535, Err(Flaw::NonceLength)), (20, Err(Flaw::TextLength))]
    {
        let mut lying = honest.clone();
        lying[lengths..lengths + 2].copy_from_slice(&nonce.to_be_bytes());
        assert_eq!(server.answer(&lying), verdict, "{nonce}");
    }
    // A nonce that this cipher does not take: the seal cannot be checked, so it is none.
    let mut server = Server::new(Aead::GcmSiv128);
    for nonce in [13, 16, 40] {
        let shape = Shape { nonce: vec![6; nonce], ..Shape::plain(&mut server) };
        let question = server.build(&shape);
        server.refuses(&question);
    }
}

#[test]
fn a_short_nonce_needs_padding() {
    let mut server = Server::new(Aead::SivCmac256);
    for (nonce, padding, verdict) in
        [(8, 0, Err(Flaw::PaddingShort)), (8, 8, Ok(())), (8, 4, Err(Flaw::PaddingShort)), (20, 0, Ok(()))]
    {
        let shape = Shape { nonce: vec![6; nonce], padding, ..Shape::plain(&mut server) };
        let question = server.build(&shape);
        let answer = server.answer(&question);
        assert_eq!(answer.as_ref().map(|_| ()), verdict.as_ref().copied(), "{nonce} + {padding}");
        assert!(answer.is_err() || answer.unwrap().len() <= question.len());
    }
}

#[test]
fn fields_that_are_encrypted_and_torn_get_silence() {
    let mut server = Server::new(Aead::SivCmac256);
    let shape = Shape { inner: vec![0xff; 40], ..Shape::plain(&mut server) };
    let question = server.build(&shape);
    assert_eq!(server.answer(&question), Err(Flaw::Inner));
}

#[test]
fn a_question_is_authenticated_to_its_last_byte() {
    let mut server = Server::new(Aead::SivCmac256);
    let honest = server.question(1);
    for at in (0..honest.len()).filter(|at| !(48..52).contains(at)) {
        let mut spoilt = honest.clone();
        spoilt[at] ^= 0x10;
        if let Ok(reply) = server.answer(&spoilt) {
            assert_eq!(reply[12..16], *b"NTSN", "byte {at}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn bad_input_63_no_answer_is_longer_than_its_question(shape in shape(), aead in prop::sample::select(Aead::ALL.to_vec())) {
        let mut server = Server::new(aead);
        let shape = shape.of(&mut server);
        let question = server.build(&shape);
        let Ok(trailer) = Trailer::parse(&question, 4) else { return Ok(()) };
        if Question::read(&question, &trailer).is_err() {
            return Ok(());
        }
        if let Ok(answer) = server.answer(&question) {
            prop_assert!(answer.len() <= question.len());
            prop_assert!(server.cookies(&answer).len() <= 8);
        }
    }

    #[test]
    fn bad_input_63_no_answer_to_spoilt_questions_is_longer_either(
        seed in any::<u64>(), places in 0usize..9, cuts in 0usize..5,
    ) {
        let mut server = Server::new(Aead::SivCmac256);
        let mut question = server.question(places);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for _ in 0..=cuts {
            let at = rng.next_u32() as usize % question.len();
            question[at] = rng.next_u32() as u8;
        }
        question.truncate(question.len() - 4 * (rng.next_u32() as usize % 3));
        let Ok(trailer) = Trailer::parse(&question, 4) else { return Ok(()) };
        let Ok(read) = Question::read(&question, &trailer) else { return Ok(()) };
        let mut buffer = [0; DATAGRAM_MAX];
        if let Ok(reply) = answer(&read, &HEADER, &mut server.ring, &mut server.rng, &mut buffer) {
            prop_assert!(reply.sent() <= question.len());
        }
    }
}

const HEADER: [u8; HEADER_LEN] = {
    let mut header = [0x11; HEADER_LEN];
    header[0] = 0x24;
    header
};

struct Server {
    ring: Ring,
    rng: ChaCha8Rng,
    keys: SessionKeys,
}

/// A question in its parts.
struct Shape {
    unique_id: Vec<u8>,
    cookie: Vec<u8>,
    places: Vec<usize>,
    nonce: Vec<u8>,
    inner: Vec<u8>,
    padding: usize,
}

impl Shape {
    fn plain(server: &mut Server) -> Self {
        let nonce = vec![6; server.keys.aead().nonce_len()];
        Self {
            unique_id: vec![5; 32],
            cookie: server.cookie(),
            places: vec![],
            nonce,
            inner: vec![],
            padding: 0,
        }
    }
}

impl Server {
    fn new(aead: Aead) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let ring = Ring::new(Time::from_epoch(Span::from_secs(1_790_000_000)), &mut rng);
        let keys = SessionKeys::new(aead, &vec![0xc2; aead.key_len()], &vec![0x2c; aead.key_len()]).unwrap();
        Self { ring, rng, keys }
    }

    fn cookie(&mut self) -> Vec<u8> {
        let mut cookie = vec![0; cookie::len(self.keys.aead())];
        self.ring.seal(&self.keys, &mut self.rng, &mut cookie);
        cookie
    }

    fn question(&mut self, places: usize) -> Vec<u8> {
        let places = vec![cookie::len(self.keys.aead()); places];
        let shape = Shape { places, ..Shape::plain(self) };
        self.build(&shape)
    }

    fn build(&self, shape: &Shape) -> Vec<u8> {
        let places = shape.places.iter().flat_map(|length| field(PLACEHOLDER, &vec![0; *length]));
        let fields = [field(UNIQUE_ID, &shape.unique_id), field(COOKIE, &shape.cookie), places.collect()];
        let mut datagram = [vec![0x23; 48], fields.concat()].concat();
        let aead = self.keys.aead();
        let mut sealed = vec![0; shape.inner.len() + 16];
        let place = aead.text(sealed.len());
        sealed[place].copy_from_slice(&shape.inner);
        // A nonce that the cipher does not take is one that no client seals with.
        if aead == Aead::SivCmac256 || shape.nonce.len() == 12 {
            self.keys.of_questions().seal(&shape.nonce, &datagram, &mut sealed);
        }
        let lengths = [shape.nonce.len(), sealed.len()].map(|length| (length as u16).to_be_bytes()).concat();
        let pad = |mut bytes: Vec<u8>| {
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes
        };
        let value = [lengths, pad(shape.nonce.clone()), pad(sealed), vec![0; shape.padding]].concat();
        datagram.extend(field(crate::wire::nts::AUTHENTICATOR, &value));
        datagram
    }

    fn answer(&mut self, question: &[u8]) -> Result<Vec<u8>, Flaw> {
        let trailer = Trailer::parse(question, 4).map_err(|_| Flaw::Unprotected)?;
        let question = Question::read(question, &trailer)?;
        let mut buffer = [0xee; DATAGRAM_MAX];
        let reply = answer(&question, &HEADER, &mut self.ring, &mut self.rng, &mut buffer)?;
        Ok(buffer[..reply.sent()].to_vec())
    }

    fn refuses(&mut self, question: &[u8]) -> Vec<u8> {
        let nak = self.answer(question).unwrap();
        assert_eq!((&nak[12..16], nak.len() <= question.len()), (b"NTSN".as_slice(), true));
        let trailer = Trailer::parse(&nak, 4).unwrap();
        assert_eq!(Answer::read(&nak, &trailer), Err(Flaw::Unprotected));
        nak
    }

    /// The cookies in an answer. None, if it is a refusal.
    fn cookies(&self, answer: &[u8]) -> Vec<Vec<u8>> {
        let trailer = Trailer::parse(answer, 4).unwrap();
        let Ok(read) = Answer::read(answer, &trailer) else { return vec![] };
        let mut buffer = [0; DATAGRAM_MAX];
        let inner = read.sealed.open(&mut self.keys.of_answers(), &mut buffer).unwrap();
        Fields::parse(inner).unwrap().map(|field| field.value.to_vec()).collect()
    }
}

/// A question that is well-formed but odd.
#[derive(Clone, Debug)]
struct Odd {
    unique_id: usize,
    cookie: Option<usize>,
    places: Vec<usize>,
    inner: usize,
    nonce: usize,
    padding: usize,
}

fn shape() -> impl Strategy<Value = Odd> {
    let lengths = prop::sample::select(vec![12usize, 64, 68, 96, 100, 104, 200]);
    let cookie = prop::option::weighted(0.2, 1usize..300);
    (7usize..60, cookie, prop::collection::vec(lengths, 0..12), 0usize..10, 1usize..40, 0usize..8).prop_map(
        |(unique_id, cookie, places, inner, nonce, padding)| Odd {
            unique_id: unique_id * 4,
            cookie,
            places,
            inner,
            nonce,
            padding: padding * 4,
        },
    )
}

impl Odd {
    fn of(&self, server: &mut Server) -> Shape {
        let plain = Shape::plain(server);
        let nonce = if server.keys.aead() == Aead::GcmSiv128 { 12 } else { self.nonce };
        let place = field(PLACEHOLDER, &vec![0; plain.cookie.len()]);
        Shape {
            unique_id: vec![5; self.unique_id],
            cookie: self.cookie.map_or(plain.cookie, |length| vec![1; length]),
            places: self.places.clone(),
            nonce: vec![6; nonce],
            inner: place.repeat(self.inner),
            padding: self.padding,
        }
    }
}

fn field(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; field_len(value.len())];
    put_field(&mut bytes, kind, value);
    bytes
}

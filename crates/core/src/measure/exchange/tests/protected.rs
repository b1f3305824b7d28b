//! Exchanges that NTS protects, answered by our own server. The names carry the numbers of the project's list of bad
//! inputs.

use super::*;
use crate::server::cookie::{self, Ring};
use crate::server::nts::answer as protect;
use crate::source::nts::Nts;
use crate::wire::aead::Aead;
use crate::wire::nts::{self, Question, UNIQUE_ID, authenticate, authenticator_len, field_len, put_field};

#[test]
fn a_protected_question_tells_nothing_but_random_bits_and_a_cookie() {
    let mut world = World::new(Aead::SivCmac256);
    let exchange = world.ask();
    let datagram = exchange.datagram();
    assert_eq!(datagram.len(), 48 + 36 + 104 + 40);
    assert!(datagram[1..40].iter().all(|byte| *byte == 0));
    let trailer = Trailer::parse(datagram, 4).unwrap();
    let question = Question::read(datagram, &trailer).unwrap();
    assert_eq!((question.unique_id.len(), question.cookie.len(), question.placeholders), (32, 100, 0));
}

#[test]
fn an_answer_is_taken_and_its_cookies_with_it() {
    for aead in Aead::ALL {
        let mut world = World::new(aead);
        for lost in [0, 1, 5] {
            for _ in 0..lost {
                let mut exchange = world.ask();
                world.over(&mut exchange);
            }
            let mut exchange = world.ask();
            let datagram = world.answer(&exchange);
            assert_eq!(datagram.len(), exchange.datagram().len());
            let Ok(Heard::Answer(answer)) = hear(&mut exchange, &datagram) else { panic!("not an answer") };
            assert_eq!(answer.stratum, 2);
            world.over(&mut exchange);
            assert_eq!(world.client.cookies(), 8);
        }
    }
}

#[test]
fn the_same_answer_twice_gives_its_cookies_once() {
    let mut world = World::new(Aead::SivCmac256);
    let mut exchange = world.ask();
    let datagram = world.answer(&exchange);
    hear(&mut exchange, &datagram).unwrap();
    assert_eq!(hear(&mut exchange, &datagram), Err(Refusal::Duplicate));
    let (_, outcome) = exchange.outcome().unwrap();
    let Outcome::Answered(cookies) = outcome else { panic!("not answered") };
    assert_eq!((cookies.len(), exchange.outcome().unwrap().1), (1, Outcome::Silence));
}

#[test]
fn the_cookies_of_a_server_without_the_time_are_kept() {
    let mut world = World::new(Aead::SivCmac256);
    let mut exchange = world.ask();
    let unsure = Packet { stratum: 16, leap: Leap::Unknown, ..answer_to(&exchange) };
    let datagram = world.protected(&exchange, &unsure.write());
    for _ in 0..3 {
        assert_eq!(hear(&mut exchange, &datagram), Err(Refusal::LeapUnknown));
    }
    world.over(&mut exchange);
    assert_eq!(world.client.cookies(), 8);
}

#[test]
fn a_kiss_that_is_protected_is_heard() {
    let mut world = World::new(Aead::SivCmac256);
    let mut exchange = world.ask();
    let datagram = world.protected(&exchange, &kissed(answer_to(&exchange), *b"RATE").write());
    assert!(matches!(hear(&mut exchange, &datagram), Ok(Heard::Kiss(Kiss { code: KissCode::Rate, .. }))));
}

#[test]
fn bad_input_28_a_refusal_of_service_that_is_not_protected_is_ignored() {
    for code in [*b"DENY", *b"RSTR", *b"RATE", *b"XXXX"] {
        let mut world = World::new(Aead::SivCmac256);
        let mut exchange = world.ask();
        let kiss = kissed(answer_to(&exchange), code).write().to_vec();
        let with_id = [kiss.as_slice(), &exchange.datagram()[48..84]].concat();
        for datagram in [kiss, with_id] {
            assert_eq!(hear(&mut exchange, &datagram), Err(Refusal::Unprotected));
        }
        world.still_answered(exchange);
    }
}

#[test]
fn bad_input_48_an_nts_nak_without_our_unique_identifier_is_ignored() {
    let mut world = World::new(Aead::SivCmac256);
    let mut exchange = world.ask();
    let nak = kissed(answer_to(&exchange), *b"NTSN").write().to_vec();
    let id = exchange.datagram()[52..84].to_vec();
    let other: Vec<u8> = id.iter().map(|byte| byte ^ 1).collect();
    let longer = [id.as_slice(), &[0; 4]].concat();
    for ids in [vec![], vec![other], vec![longer], vec![id[..28].to_vec()]] {
        let datagram = [nak.clone(), fields(&ids)].concat();
        assert_eq!(hear(&mut exchange, &datagram), Err(Refusal::OtherUniqueId));
    }
    let twice = [nak, fields(&[id.clone(), id])].concat();
    assert_eq!(hear(&mut exchange, &twice), Err(Refusal::NtsMalformed));
    world.still_answered(exchange);
}

#[test]
fn bad_input_48_an_nts_nak_with_our_unique_identifier_is_heard() {
    let mut world = World::new(Aead::SivCmac256);
    world.ring = Ring::new(NOW, &mut ChaCha8Rng::seed_from_u64(99));
    let mut exchange = world.ask();
    let nak = world.answer(&exchange);
    assert!(matches!(hear(&mut exchange, &nak), Ok(Heard::Kiss(Kiss { code: KissCode::NtsNak, .. }))));
    assert_eq!(exchange.outcome().unwrap().1, Outcome::Nak);
}

#[test]
fn bad_input_49_the_answer_is_still_taken_after_an_nts_nak_and_the_nak_is_forgotten() {
    let mut world = World::new(Aead::SivCmac256);
    let mut exchange = world.ask();
    let nak =
        [kissed(answer_to(&exchange), *b"NTSN").write().as_slice(), &exchange.datagram()[48..84]].concat();
    assert!(matches!(hear(&mut exchange, &nak), Ok(Heard::Kiss(_))));
    assert_eq!(hear(&mut exchange, &nak), Err(Refusal::Duplicate), "it is told once");
    let answer = world.answer(&exchange);
    assert!(matches!(hear(&mut exchange, &answer), Ok(Heard::Answer(_))));
    assert!(matches!(exchange.outcome().unwrap().1, Outcome::Answered(_)));
}

#[test]
fn what_nts_showed_of_a_datagram_is_enough_to_hear_it_again() {
    let mut world = World::new(Aead::SivCmac256);
    let mut exchange = world.ask();
    let nak =
        [kissed(answer_to(&exchange), *b"NTSN").write().as_slice(), &exchange.datagram()[48..84]].concat();
    let own = world.answer(&exchange);
    let mut spoilt = own.clone();
    *spoilt.last_mut().unwrap() ^= 1;
    let keys = SessionKeys::new(Aead::SivCmac256, &[0; 32], &[0; 32]).unwrap();
    let mut stand_in = Nts::new();
    stand_in.agreed(keys, [Cookie::stand_in(100).unwrap()]);
    let ticket = stand_in.ticket().unwrap();
    let mut again = Exchange::start_protected(&mut world.rng, server(), ticket);
    again.wording = exchange.wording;
    again.sent(SENT);
    for datagram in [spoilt, nak, own] {
        let first = hear(&mut exchange, &datagram);
        let proof = exchange.proof().expect("it was looked into");
        assert_eq!(exchange.proof(), None);
        let known = again.hear_known((server(), HEARD), &datagram, Some(&proof), &rules());
        assert_eq!(known, first);
    }
    let counts = [exchange, again].map(|mut exchange| match exchange.outcome() {
        Some((_, Outcome::Answered(cookies))) => cookies.len(),
        other => panic!("{other:?}"),
    });
    assert_eq!(counts, [1, 1]);
}

#[test]
fn an_nts_nak_to_a_plain_question_is_a_kiss_that_asks_nothing() {
    let mut exchange = exchange(None);
    let nak = kissed(answer_to(&exchange), *b"NTSN").write();
    assert!(matches!(hear(&mut exchange, &nak), Ok(Heard::Kiss(Kiss { code: KissCode::NtsNak, .. }))));
    assert!(exchange.outcome().is_none());
}

#[test]
fn bad_input_50_an_answer_that_is_not_protected_is_dropped() {
    let mut world = World::new(Aead::SivCmac256);
    let mut exchange = world.ask();
    let plain = answer_to(&exchange).write().to_vec();
    let with_id = [plain.as_slice(), &exchange.datagram()[48..84]].concat();
    for datagram in [plain.clone(), with_id] {
        assert_eq!(hear(&mut exchange, &datagram), Err(Refusal::Unprotected));
    }
    assert_eq!(hear(&mut exchange, &sealed(plain, &key(7))), Err(Refusal::UnaskedMac));
    world.still_answered(exchange);
}

#[test]
fn bad_input_51_fields_outside_of_the_protection_are_ignored() {
    let mut world = World::new(Aead::SivCmac256);
    let mut exchange = world.ask();
    let mut stray = vec![0; field_len(100)];
    put_field(&mut stray, nts::COOKIE, &[0xbb; 100]);
    let datagram = [world.answer(&exchange), stray].concat();
    assert!(hear(&mut exchange, &datagram).is_ok());
    let Outcome::Answered(cookies) = exchange.outcome().unwrap().1 else { panic!("not answered") };
    assert!(cookies.len() == 1 && cookies[0].as_bytes() != [0xbb; 100]);
    // Nor is a cookie taken that is authenticated but was not encrypted: everybody has seen it.
    let mut exchange = world.ask();
    let header = answer_to(&exchange).write();
    let id = exchange.datagram()[48..84].to_vec();
    let mut stray = vec![0; field_len(100)];
    put_field(&mut stray, nts::COOKIE, &[0xbb; 100]);
    let datagram = world.sealed(&[&header[..], &id, &stray].concat(), &[]);
    assert!(hear(&mut exchange, &datagram).is_ok());
    assert_eq!(exchange.outcome().unwrap().1, Outcome::Answered(vec![]));
}

#[test]
fn bad_input_52_an_answer_with_another_unique_identifier_is_dropped() {
    let mut world = World::new(Aead::SivCmac256);
    let mut exchange = world.ask();
    let header = answer_to(&exchange).write();
    let id = exchange.datagram()[52..84].to_vec();
    let longer = [id.as_slice(), &[0; 4]].concat();
    for (ids, refusal) in [
        (vec![], Refusal::OtherUniqueId),
        (vec![vec![1; 32]], Refusal::OtherUniqueId),
        (vec![longer], Refusal::OtherUniqueId),
        (vec![id.clone(), id], Refusal::NtsMalformed),
    ] {
        let datagram = world.sealed(&[header.to_vec(), fields(&ids)].concat(), &[]);
        assert_eq!(hear(&mut exchange, &datagram), Err(refusal));
    }
    world.still_answered(exchange);
}

#[test]
fn bad_input_53_an_authenticator_that_lies_about_lengths_is_dropped() {
    let mut world = World::new(Aead::SivCmac256);
    let mut exchange = world.ask();
    let honest = world.answer(&exchange);
    for (at, length) in [(88, 0u16), (88, 65_535), (90, 65_535), (90, 0), (90, 15)] {
        let mut lying = honest.clone();
        lying[at..at + 2].copy_from_slice(&length.to_be_bytes());
        assert_eq!(hear(&mut exchange, &lying), Err(Refusal::NtsMalformed), "{at}: {length}");
    }
    world.still_answered(exchange);
}

#[test]
fn bad_input_54_authentic_fields_that_are_torn_are_dropped_and_no_cookie_is_kept() {
    let mut world = World::new(Aead::SivCmac256);
    let mut exchange = world.ask();
    let mut inner = vec![0; field_len(100)];
    put_field(&mut inner, nts::COOKIE, &[0xcc; 100]);
    inner.extend([0, 1, 0, 200]);
    let head = [&answer_to(&exchange).write()[..], &exchange.datagram()[48..84]].concat();
    let datagram = world.sealed(&head, &inner);
    assert_eq!(hear(&mut exchange, &datagram), Err(Refusal::NtsMalformed));
    world.over(&mut exchange);
    assert_eq!(world.client.cookies(), 7);
}

#[test]
fn one_wrong_bit_anywhere_is_dropped() {
    let mut world = World::new(Aead::GcmSiv128);
    let mut exchange = world.ask();
    let honest = world.answer(&exchange);
    for at in 0..honest.len() {
        let mut wrong = honest.clone();
        wrong[at] ^= 0x04;
        assert!(hear(&mut exchange, &wrong).is_err(), "byte {at}");
    }
    world.still_answered(exchange);
}

proptest! {
    #[test]
    fn any_bytes_in_answer_to_a_protected_question_are_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        kinds in prop::collection::vec(prop::sample::select(vec![0x0104u16, 0x0204, 0x0404]), 0..4),
    ) {
        let mut world = World::new(Aead::SivCmac256);
        let mut exchange = world.ask();
        let mut datagram = [&answer_to(&exchange).write()[..], &exchange.datagram()[48..84]].concat();
        for (kind, value) in kinds.iter().zip(bytes.chunks(60)) {
            let mut field = vec![0; field_len(value.len().max(24))];
            put_field(&mut field, *kind, value);
            datagram.extend(field);
        }
        prop_assert!(hear(&mut exchange, &datagram).is_err());
        prop_assert_eq!(exchange.outcome().unwrap().1, Outcome::Silence);
    }
}

/// What only a protected question can refuse, each of them seen here to change nothing.
pub(super) fn every_refusal() -> Vec<Refusal> {
    let mut world = World::new(Aead::SivCmac256);
    let mut exchange = world.ask();
    let honest = world.answer(&exchange);
    let before = std::format!("{exchange:?}");
    let spoilt = |at: usize, value: u8| {
        let mut spoilt = honest.clone();
        spoilt[at] = value;
        spoilt
    };
    // The authenticator begins at byte 84: kind, length, length of the nonce, length of the text, nonce.
    let wrong = [honest[..48].to_vec(), spoilt(60, !honest[60]), spoilt(89, 0), spoilt(92, !honest[92])];
    let refusals = wrong.map(|datagram| {
        let refusal = hear(&mut exchange, &datagram).unwrap_err();
        assert_eq!(exchange.proof(), Some(Proof::Refused(refusal)));
        refusal
    });
    assert_eq!(std::format!("{exchange:?}"), before);
    world.still_answered(exchange);
    refusals.to_vec()
}

/// A client and a server that have agreed on keys.
struct World {
    client: Nts,
    ring: Ring,
    keys: SessionKeys,
    rng: ChaCha8Rng,
}

impl World {
    fn new(aead: Aead) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut ring = Ring::new(NOW, &mut rng);
        let keys = SessionKeys::new(aead, &vec![1; aead.key_len()], &vec![2; aead.key_len()]).unwrap();
        let cookies: Vec<Cookie> = (0..8)
            .map(|_| {
                let mut cookie = vec![0; cookie::len(aead)];
                ring.seal(&keys, &mut rng, &mut cookie);
                Cookie::new(&cookie).unwrap()
            })
            .collect();
        let mut client = Nts::new();
        client.agreed(keys.clone(), cookies);
        Self { client, ring, keys, rng }
    }

    fn ask(&mut self) -> Exchange {
        let ticket = self.client.ticket().unwrap();
        let mut exchange = Exchange::start_protected(&mut self.rng, server(), ticket);
        exchange.sent(SENT);
        exchange
    }

    fn over(&mut self, exchange: &mut Exchange) {
        let (keys, outcome) = exchange.outcome().unwrap();
        self.client.over(&keys, outcome);
    }

    fn answer(&mut self, exchange: &Exchange) -> Vec<u8> {
        self.protected(exchange, &answer_to(exchange).write())
    }

    fn protected(&mut self, exchange: &Exchange, header: &[u8; HEADER_LEN]) -> Vec<u8> {
        let datagram = exchange.datagram();
        let trailer = Trailer::parse(datagram, 4).unwrap();
        let question = Question::read(datagram, &trailer).unwrap();
        let mut buffer = [0; DATAGRAM_MAX];
        let reply = protect(&question, header, &mut self.ring, &mut self.rng, &mut buffer).unwrap();
        buffer[..reply.sent()].to_vec()
    }

    /// A datagram that the server has protected, whatever is in it.
    fn sealed(&mut self, head: &[u8], inner: &[u8]) -> Vec<u8> {
        let mut datagram = head.to_vec();
        let aead = self.keys.aead();
        datagram.resize(head.len() + authenticator_len(aead, inner.len()), 0);
        let nonce = vec![9; aead.nonce_len()];
        authenticate(&mut datagram, inner.len(), &mut self.keys.of_answers(), &nonce, |place| {
            place.copy_from_slice(inner);
        });
        datagram
    }

    /// Nothing that was refused has changed anything.
    fn still_answered(&mut self, mut exchange: Exchange) {
        let datagram = self.answer(&exchange);
        assert!(hear(&mut exchange, &datagram).is_ok());
        self.over(&mut exchange);
        assert_eq!(self.client.cookies(), 8);
    }
}

fn fields(ids: &[Vec<u8>]) -> Vec<u8> {
    let one = |id: &Vec<u8>| {
        let mut bytes = vec![0; field_len(id.len())];
        put_field(&mut bytes, UNIQUE_ID, id);
        bytes
    };
    ids.iter().flat_map(one).collect()
}

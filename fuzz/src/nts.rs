//! NTS at the mercy of bytes: messages of a key exchange, cookies, and datagrams that are protected.

use std::net::SocketAddr;

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use truechimer_core::measure::exchange::{Exchange, Heard, Rules};
use truechimer_core::moment::{Stamp, StampedBy};
use truechimer_core::server;
use truechimer_core::server::cookie::{self, Ring};
use truechimer_core::server::nts::{Reply, answer};
use truechimer_core::source::nts::{Cookie, Nts, Outcome, Ticket};
use truechimer_core::wire::aead::{Aead, Cipher, SessionKeys, TAG_LEN};
use truechimer_core::wire::extension::{Fields, Trailer};
use truechimer_core::wire::nts::{
    AUTHENTICATOR, Answer as Protected, COOKIE, FIELD_HEADER_LEN, Question, UNIQUE_ID, UNIQUE_ID_LEN,
    field_len, put_field,
};
use truechimer_core::wire::nts_ke::request::{self, Request};
use truechimer_core::wire::nts_ke::response::{Answer, Granted, write_error, write_nothing};
use truechimer_core::wire::nts_ke::{ANSWER_MAX, COOKIES_MAX, Inbox};
use truechimer_core::wire::{DATAGRAM_MAX, HEADER_LEN};
use truechimer_time::{Span, Time};

use super::{NOW, served};

/// How long the pieces are, then a message of a key exchange, as either side reads it.
pub fn key_exchange(data: &[u8]) {
    let Some((&piece, message)) = data.split_first() else { return };
    let gather = |mut inbox: Inbox, piece: usize| {
        let verdict = message.chunks(piece).try_fold(false, |_, piece| inbox.take(piece));
        (inbox, verdict)
    };
    let pieces = usize::from(piece).max(1);
    for inbox in [Inbox::for_request, Inbox::for_answer] {
        let (in_pieces, verdict) = gather(inbox(), pieces);
        let (at_once, other) = gather(inbox(), ANSWER_MAX + 1);
        assert_eq!((verdict.is_ok(), verdict == Ok(true)), (other.is_ok(), other == Ok(true)));
        let read = Answer::read(&in_pieces, &Aead::ALL);
        if verdict.is_ok() {
            assert_eq!(read, Answer::read(&at_once, &Aead::ALL));
            assert_eq!(Request::read(&in_pieces), Request::read(&at_once));
        }
        match read {
            Ok(answer) => is_granted(&answer),
            Err(why) => assert!(!why.to_string().contains(char::is_control), "it may be logged"),
        }
        if let Ok(request) = Request::read(&in_pieces) {
            is_answered(&request);
        }
    }
}

fn is_granted(answer: &Answer) {
    assert!((1..=COOKIES_MAX).contains(&answer.cookies.len()));
    assert!(answer.cookies.iter().all(|cookie| Cookie::new(cookie).is_some()));
    assert!(answer.port != Some(0));
    let server = answer.server.as_ref().map(ToString::to_string);
    let granted =
        Granted { aead: answer.aead, cookies: &answer.cookies, server: server.as_deref(), port: answer.port };
    let mut inbox = Inbox::for_answer();
    assert_eq!(inbox.take(&granted.write()), Ok(true));
    let again = Answer::read(&inbox, &Aead::ALL).expect("what we write can be read");
    assert_eq!(
        (&again.cookies, again.server, again.port),
        (&answer.cookies, answer.server.clone(), answer.port)
    );
}

fn is_answered(request: &Request) {
    let bytes = match request.grant {
        Ok((aead, _)) => Granted { aead, cookies: &[vec![1; 100]], server: None, port: None }.write(),
        Err(nothing) => write_nothing(nothing),
    };
    let mut inbox = Inbox::for_answer();
    assert_eq!(inbox.take(&bytes), Ok(true));
    assert_eq!(Answer::read(&inbox, &Aead::ALL).is_ok(), request.grant.is_ok());
    assert_eq!(Inbox::for_answer().take(&write_error(request::ErrorCode::BadRequest)), Ok(true));
}

/// Bits that say how far to help, then a cookie; and, on their own, a ring of keys.
pub fn cookie(data: &[u8]) {
    if let Ok(ring) = Ring::from_bytes(data) {
        assert_eq!(&ring.to_bytes()[..], data, "writing is the inverse of reading");
    }
    let Some((&help, bytes)) = data.split_first() else { return };
    let mut world = World::new(Aead::ALL[usize::from(help & 1)]);
    let honest = world.cookie();
    let mut cookie = if help & 2 != 0 { honest.clone() } else { bytes.to_vec() };
    if help & 2 != 0 {
        spoil(&mut cookie, bytes);
    } else if help & 4 != 0 && cookie.len() >= 4 {
        cookie[..4].copy_from_slice(&honest[..4]);
    }
    match world.ring.open(&cookie) {
        Ok(keys) => {
            assert_eq!(cookie, honest, "nobody else makes cookies of ours");
            assert_eq!((keys.aead(), keys.c2s()), (world.keys.aead(), world.keys.c2s()));
        }
        Err(_) => assert_ne!(cookie, honest),
    }
}

/// Bits that say how far to help, then a question to our server, or what is changed of an honest one; then both ways.
pub fn protected(data: &[u8]) {
    let Some((&help, bytes)) = data.split_first() else { return };
    let mut world = World::new(Aead::ALL[usize::from(help & 1)]);
    let mut exchange = world.ask(usize::from(help >> 5));
    let honest = exchange.datagram().to_vec();
    let mut question = if help & 2 != 0 { honest.clone() } else { bytes.to_vec() };
    if help & 2 != 0 {
        spoil(&mut question, bytes);
    }
    let Some(mut reply) = world.answer(&question) else { return };
    assert!(reply.len() <= question.len(), "no amplification");
    assert!(world.answer(&reply).is_none_or(|again| again.len() <= reply.len()));
    if help & 4 != 0 {
        spoil(&mut reply, bytes);
    }
    hears(&mut exchange, &reply);
}

/// Bits that say how far to help, then what is encrypted: in an answer by a server that means ill, and in a question by a client
/// of its kind. Both have the right keys.
pub fn sealed(data: &[u8]) {
    let Some((&help, inner)) = data.split_first() else { return };
    let mut world = World::new(Aead::ALL[usize::from(help & 1)]);
    let mut exchange = world.ask(usize::from(help >> 5));
    let honest = exchange.datagram().to_vec();
    if let Some(header) = header(&honest) {
        let reply = around(inner, header, unique_id(&honest), None, &mut world.keys.of_answers());
        let known = Trailer::parse(&reply, 4).is_ok() && Fields::parse(inner).is_ok();
        let cookies = hears(&mut exchange, &reply);
        assert!(known || cookies.is_none(), "what cannot be read is not believed");
        let is_there =
            |cookie: &Cookie| inner.windows(cookie.as_bytes().len()).any(|part| part == cookie.as_bytes());
        assert!(cookies.iter().flatten().all(is_there), "no cookie comes from elsewhere");
    }
    let cookie = world.cookie();
    let header = honest.first_chunk().expect("a question has a header");
    let question = around(inner, *header, unique_id(&honest), Some(&cookie), &mut world.keys.of_questions());
    if let Some(reply) = world.answer(&question) {
        assert!(reply.len() <= question.len(), "no amplification");
    }
}

fn unique_id(question: &[u8]) -> &[u8] {
    &question[HEADER_LEN + FIELD_HEADER_LEN..][..UNIQUE_ID_LEN]
}

/// A datagram with these bytes encrypted, whatever they are; `authenticate` would write fields alone.
fn around(
    inner: &[u8],
    header: [u8; HEADER_LEN],
    unique_id: &[u8],
    cookie: Option<&[u8]>,
    cipher: &mut Cipher,
) -> Vec<u8> {
    let (aead, nonce) = (cipher.aead(), vec![5; cipher.aead().nonce_len()]);
    let mut text = vec![0; TAG_LEN + inner.len()];
    text[aead.text(TAG_LEN + inner.len())].copy_from_slice(inner);
    let mut datagram = header.to_vec();
    put(&mut datagram, UNIQUE_ID, unique_id);
    if let Some(cookie) = cookie {
        put(&mut datagram, COOKIE, cookie);
    }
    cipher.seal(&nonce, &datagram, &mut text);
    let mut value = [nonce.len(), text.len()].map(|length| (length as u16).to_be_bytes()).concat();
    value.extend_from_slice(&nonce);
    value.resize(value.len().next_multiple_of(4), 0);
    value.extend_from_slice(&text);
    put(&mut datagram, AUTHENTICATOR, &value);
    datagram
}

fn put(datagram: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let begin = datagram.len();
    datagram.resize(begin + field_len(value.len()), 0);
    put_field(&mut datagram[begin..], kind, value);
}

/// The header of the plain answer to a question, if it gets one.
fn header(question: &[u8]) -> Option<[u8; HEADER_LEN]> {
    server::ntp::answer(&question[..HEADER_LEN], NOW - Span::from_millis(1), NOW, &served()).ok()
}

/// Whatever our client hears, it believes nothing that its server has not protected. The cookies that came with what it
/// believes.
pub(super) fn hears(exchange: &mut Exchange, reply: &[u8]) -> Option<Vec<Cookie>> {
    let sent = Stamp { at: Time::from_epoch(Span::from_secs(1000)), by: StampedBy::Program };
    let heard = Stamp { at: sent.at + Span::from_millis(1), by: StampedBy::Kernel };
    exchange.sent(sent);
    let verdict = exchange.hear(exchange.to(), heard, reply, &Rules::usual(NOW, Time::EPOCH));
    let (_, outcome) = exchange.outcome().expect("it is protected");
    match verdict {
        Ok(Heard::Answer(_) | Heard::Departure(_)) => {
            let trailer = Trailer::parse(reply, 4).expect("it was read before");
            assert!(Protected::read(reply, &trailer).is_ok(), "nothing unprotected is believed");
            let Outcome::Answered(cookies) = outcome else { panic!("it was answered: {outcome:?}") };
            assert!(cookies.len() <= COOKIES_MAX);
            return Some(cookies);
        }
        Ok(Heard::Kiss(kiss)) => assert!(kiss.code.to_string().is_ascii(), "nothing else gets into a log"),
        Err(_) => assert_ne!(outcome, Outcome::Nak),
    }
    None
}

/// Pairs of a place, counted from either end, and what is to stand there.
pub(super) fn spoil(bytes: &mut [u8], changes: &[u8]) {
    for change in changes.chunks_exact(3).take(8) {
        let place = usize::from(u16::from_be_bytes([change[0] & 0x0f, change[1]]));
        let length = bytes.len();
        let place = if change[0] & 0x80 != 0 { length.checked_sub(1 + place) } else { Some(place) };
        if let Some(byte) = place.and_then(|place| bytes.get_mut(place)) {
            *byte = change[2];
        }
    }
}

/// A client and a server that have agreed on keys.
pub(super) struct World {
    pub(super) ring: Ring,
    keys: SessionKeys,
    rng: ChaCha8Rng,
}

impl World {
    pub(super) fn new(aead: Aead) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let ring = Ring::new(NOW, &mut rng);
        let (c2s, s2c) = (vec![1; aead.key_len()], vec![2; aead.key_len()]);
        let keys = SessionKeys::new(aead, &c2s, &s2c).expect("keys of the right length");
        Self { ring, keys, rng }
    }

    fn cookie(&mut self) -> Vec<u8> {
        let mut cookie = vec![0; cookie::len(self.keys.aead())];
        self.ring.seal(&self.keys, &mut self.rng, &mut cookie);
        cookie
    }

    pub(super) fn ask(&mut self, lost: usize) -> Exchange {
        let cookies: Vec<_> = (lost..8).filter_map(|_| Cookie::new(&self.cookie())).collect();
        let mut client = Nts::new();
        client.agreed(self.keys.clone(), cookies);
        let ticket: Ticket = client.ticket().expect("at least one cookie");
        let to: SocketAddr = "192.0.2.1:123".parse().expect("an address");
        Exchange::start_protected(&mut self.rng, to, ticket)
    }

    fn answer(&mut self, question: &[u8]) -> Option<Vec<u8>> {
        let trailer = Trailer::parse(question, 4).ok()?;
        let read = Question::read(question, &trailer).ok()?;
        let header = header(question)?;
        let mut buffer = [0; DATAGRAM_MAX];
        let reply = answer(&read, &header, &mut self.ring, &mut self.rng, &mut buffer).ok()?;
        let (Reply::Sealed(length) | Reply::Nak(length)) = reply;
        Some(buffer[..length].to_vec())
    }
}

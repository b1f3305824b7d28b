//! No answer is longer than its question: bad input 63 at full length.
//!
//! Ten million questions, of which most look like something: each is a mixture of what the server knows (modes, versions,
//! extension fields, cookies, MACs under our keys and others) and of noise. `TRUECHIMER_QUESTIONS` says how many, for a
//! longer campaign: 100000000 take some minutes with `--release`.

use std::env;
use std::net::SocketAddr;
use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};
use truechimer_core::measure::exchange::Exchange;
use truechimer_core::server::access::{AllowList, Prefix};
use truechimer_core::server::cookie::{self, Ring};
use truechimer_core::server::desk::{Desk, Policy, Question, Telling};
use truechimer_core::server::dial::Dial;
use truechimer_core::server::keys::{self, Grant};
use truechimer_core::server::ntp::Served;
use truechimer_core::source::nts::{Cookie, Nts};
use truechimer_core::wire::DATAGRAM_MAX;
use truechimer_core::wire::aead::{Aead, SessionKeys};
use truechimer_core::wire::mac::{Key, KeyKind};
use truechimer_time::{Rate, Raw, Span, Time};

const QUESTIONS: u64 = 10_000_000;
const NOW: Time<Raw> = Time::from_epoch(Span::from_secs(1_000));

/// Questions that a server answers, to be spoilt.
struct Patterns {
    rng: ChaCha8Rng,
    good: Vec<Vec<u8>>,
}

impl Patterns {
    fn new(seed: u64, ring: &mut Ring, keys: &[Arc<Key>]) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let to: SocketAddr = ([192, 0, 2, 1], 123).into();
        let mut good = vec![Exchange::start(&mut rng, to, None).datagram().to_vec()];
        good.extend(
            keys.iter().map(|key| Exchange::start(&mut rng, to, Some(Arc::clone(key))).datagram().to_vec()),
        );
        for aead in Aead::ALL {
            for cookies in 1..=8 {
                let len = aead.key_len();
                let session =
                    || SessionKeys::new(aead, &[1; 32][..len], &[2; 32][..len]).expect("as long as it wants");
                let mut client = Nts::new();
                let sealed = (0..cookies).map(|_| {
                    let mut bytes = vec![0; cookie::len(aead)];
                    ring.seal(&session(), &mut rng, &mut bytes);
                    Cookie::new(&bytes).expect("a cookie of ours")
                });
                let sealed: Vec<Cookie> = sealed.collect();
                client.agreed(session(), sealed);
                let ticket = client.ticket().expect("there are cookies");
                good.push(Exchange::start_protected(&mut rng, to, ticket).datagram().to_vec());
            }
        }
        Self { rng, good }
    }

    /// The next question: a good one with up to four spoilt bytes, another length, or nothing but noise.
    fn write(&mut self, question: &mut Vec<u8>) {
        let chance = self.rng.next_u64();
        question.clear();
        let good = &self.good[chance as usize % self.good.len()];
        question.extend_from_slice(good);
        match chance >> 60 {
            0..=3 => {}
            4..=9 => {
                for _ in 0..=chance >> 58 & 3 {
                    let at = self.rng.next_u32() as usize % question.len();
                    question[at] = self.rng.next_u32() as u8;
                }
            }
            10..=12 => question.truncate(self.rng.next_u32() as usize % (question.len() + 1)),
            13 => question.resize(question.len() + (self.rng.next_u32() as usize % 80), 0),
            _ => {
                question.resize(self.rng.next_u32() as usize % 400, 0);
                self.rng.fill_bytes(question);
                if let Some(first) = question.first_mut() {
                    *first = *first & 0b1100_0000 | 4 << 3 | 3;
                }
            }
        }
    }
}

#[test]
fn bad_input_63_ten_million_answers_are_not_longer_than_their_questions() {
    let wanted = env::var("TRUECHIMER_QUESTIONS").ok().map(|text| text.parse().expect("a number"));
    let wanted: u64 = wanted.unwrap_or(QUESTIONS);
    let mut rng = ChaCha8Rng::seed_from_u64(63);
    let mut ring = Ring::new(Time::from_epoch(Span::from_secs(1_790_000_000)), &mut rng);
    let kinds = [KeyKind::Aes128, KeyKind::Aes256, KeyKind::Sha256, KeyKind::Sha1, KeyKind::Md5];
    let keys: Vec<Arc<Key>> = (1..)
        .zip(kinds)
        .map(|(id, kind)| {
            let len = if kind == KeyKind::Aes256 { 32 } else { 16 };
            Arc::new(Key::new(id, kind, vec![id as u8; len]).expect("a key"))
        })
        .collect();
    let everybody: Vec<Prefix> = ["0.0.0.0/0", "::/0"].map(|text| text.parse().expect("a prefix")).to_vec();
    let grants = keys.iter().map(|key| Grant::new(Arc::clone(key), everybody.clone()).expect("few prefixes"));
    let policy = Policy {
        allowed: AllowList::new(&everybody, &[]).expect("few prefixes"),
        rate: None,
        keys: keys::Ring::new(grants.collect()).expect("few keys"),
    };
    let mut patterns = Patterns::new(wanted, &mut ring, &keys);
    let mut desk = Desk::new(1024, [63; 32]);
    desk.take_ring(Some(ring));
    desk.begin(Time::from_epoch(Span::from_secs(1)), &policy);
    let served = Served::of_reference_clock(*b"TEST", Span::from_micros(1), Time::EPOCH);
    let dial = Dial::through(NOW, Time::from_epoch(Span::from_secs(1_790_000_000)), Rate::ZERO, served);
    let telling = Telling::at(NOW, &dial, &policy);
    let (mut bytes, mut reply) = (Vec::new(), [0; DATAGRAM_MAX]);
    for number in 0..wanted {
        patterns.write(&mut bytes);
        let from = SocketAddr::from(((number as u32 | 1 << 24).to_be_bytes(), 123));
        let question = Question { bytes: &bytes, from, received: NOW, leaves: NOW, to_many: false };
        if let Ok(answer) = desk.answer(&question, &telling, &mut reply) {
            assert!(answer.len <= bytes.len(), "{number}: {} bytes for {bytes:02x?}", answer.len);
            assert_eq!(reply[0] & 0b111, 4, "{number}");
        }
    }
    let counters = desk.counters();
    for (what, count) in [
        ("answered", counters.answered),
        ("sealed", counters.sealed),
        ("protected", counters.protected),
        ("refused", counters.refused),
    ] {
        assert!(count > wanted / 1_000, "{what}: {count} of {wanted}, so that it means something");
    }
}

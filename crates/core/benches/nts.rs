//! What NTS costs a server: the ciphers of one question and its answer.
//!
//! `cargo bench -p truechimer-core`

use divan::{Bencher, black_box};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use truechimer_core::measure::exchange::Exchange;
use truechimer_core::server::cookie::{self, Ring};
use truechimer_core::server::nts::{Reply, answer};
use truechimer_core::source::nts::{Cookie, Nts};
use truechimer_core::wire::aead::{Aead, SessionKeys};
use truechimer_core::wire::extension::Trailer;
use truechimer_core::wire::nts::Question;
use truechimer_core::wire::{DATAGRAM_MAX, HEADER_LEN};
use truechimer_time::{Span, Time};

fn main() {
    divan::main();
}

/// All of it: fields found, cookie opened, question checked, answer sealed with a new cookie.
#[divan::bench(args = Aead::ALL)]
fn question_to_answer(bencher: Bencher<'_, '_>, aead: Aead) {
    let mut server = Server::new(aead);
    let question = server.question();
    let mut buffer = [0; DATAGRAM_MAX];
    bencher.bench_local(|| {
        let question = black_box(&question);
        let trailer = Trailer::parse(question, 4).expect("a datagram");
        let question = Question::read(question, &trailer).expect("a question");
        let reply = answer(&question, &[0x24; HEADER_LEN], &mut server.ring, &mut server.rng, &mut buffer);
        assert!(matches!(reply, Ok(Reply::Sealed(_))));
    });
}

/// The parts of it that are no cipher.
#[divan::bench(args = Aead::ALL)]
fn fields_found(bencher: Bencher<'_, '_>, aead: Aead) {
    let question = Server::new(aead).question();
    bencher.bench_local(|| {
        let trailer = Trailer::parse(black_box(&question), 4).expect("a datagram");
        black_box(Question::read(&question, &trailer)).is_ok()
    });
}

/// A cookie opened.
#[divan::bench(args = Aead::ALL)]
fn cookie_opened(bencher: Bencher<'_, '_>, aead: Aead) {
    let mut server = Server::new(aead);
    let cookie = server.cookie();
    bencher.bench_local(|| server.ring.open(black_box(&cookie[..cookie::len(aead)])).is_ok());
}

/// A cookie sealed.
#[divan::bench(args = Aead::ALL)]
fn cookie_sealed(bencher: Bencher<'_, '_>, aead: Aead) {
    let mut server = Server::new(aead);
    bencher.bench_local(|| server.cookie());
}

/// A question checked, from the keys on.
#[divan::bench(args = Aead::ALL)]
fn question_checked(bencher: Bencher<'_, '_>, aead: Aead) {
    let mut server = Server::new(aead);
    let datagram = server.question();
    let trailer = Trailer::parse(&datagram, 4).expect("a datagram");
    let question = Question::read(&datagram, &trailer).expect("a question");
    let mut buffer = [0; DATAGRAM_MAX];
    bencher.bench_local(|| question.sealed.open(&mut server.keys.of_questions(), &mut buffer).is_ok());
}

/// A key made ready, which each direction needs once per question.
#[divan::bench(args = Aead::ALL)]
fn key_expanded(bencher: Bencher<'_, '_>, aead: Aead) {
    let keys = Server::new(aead).keys;
    bencher.bench_local(|| black_box(&keys).of_questions());
}

struct Server {
    ring: Ring,
    rng: ChaCha8Rng,
    keys: SessionKeys,
}

impl Server {
    fn new(aead: Aead) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let ring = Ring::new(Time::from_epoch(Span::from_secs(1_790_000_000)), &mut rng);
        let (c2s, s2c) = ([1; 32], [2; 32]);
        let keys = SessionKeys::new(aead, &c2s[..aead.key_len()], &s2c[..aead.key_len()]);
        Self { ring, rng, keys: keys.expect("keys of the right length") }
    }

    fn cookie(&mut self) -> [u8; cookie::LEN_MAX] {
        let mut cookie = [0; cookie::LEN_MAX];
        self.ring.seal(&self.keys, &mut self.rng, &mut cookie[..cookie::len(self.keys.aead())]);
        cookie
    }

    fn question(&mut self) -> Vec<u8> {
        let cookies: Vec<_> = (0..8)
            .filter_map(|_| {
                let cookie = self.cookie();
                Cookie::new(&cookie[..cookie::len(self.keys.aead())])
            })
            .collect();
        let mut client = Nts::new();
        client.agreed(self.keys.clone(), cookies);
        let ticket = client.ticket().expect("a cookie");
        let to = "192.0.2.1:123".parse().expect("an address");
        Exchange::start_protected(&mut self.rng, to, ticket).datagram().to_vec()
    }
}

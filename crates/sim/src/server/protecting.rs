//! NTS of a simulated server: who gives keys and answers under them is our own server, in the core.

use std::net::SocketAddr;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};
use truechimer_core::node::Dates;
use truechimer_core::server::cookie::{self, Ring, TURN};
use truechimer_core::server::nts::answer;
use truechimer_core::source::nts::{Agreement, Cookie, NoKeys};
use truechimer_core::wire::aead::{Aead, KEY_LEN_MAX, SessionKeys};
use truechimer_core::wire::extension::Trailer;
use truechimer_core::wire::nts::{Question, UNIQUE_ID, field_len, put_field};
use truechimer_core::wire::nts_ke::COOKIES_MAX;
use truechimer_core::wire::{DATAGRAM_MAX, HEADER_LEN};
use truechimer_time::{Span, Time, Utc};

/// What a server that speaks NTS is like.
#[derive(Clone, Copy, Debug)]
pub struct NtsSpec {
    /// The cipher that it agrees on.
    pub aead: Aead,
    /// What is wrong with it, or on the way to it.
    pub trouble: Trouble,
    /// When its certificate is valid. `None`: always.
    pub validity: Option<Validity>,
}

/// From when until when a certificate is valid, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Not before this.
    pub from: Time<Utc>,
    /// Not after this.
    pub until: Time<Utc>,
}

impl Validity {
    /// Why it is not valid when it has to be, if so.
    fn fault(self, dates: Dates) -> Option<NoKeys> {
        match dates {
            Dates::At(when) if when < self.from => Some(NoKeys::NotYetValid),
            Dates::At(when) | Dates::Since(when) if self.until < when => Some(NoKeys::Expired),
            Dates::At(_) | Dates::Since(_) => None,
        }
    }
}

/// What can be wrong with NTS. Times count from the start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Trouble {
    /// Nothing.
    None,
    /// It loses the keys of its cookies, once, and makes new ones.
    Forgets {
        /// When.
        after: Span,
    },
    /// There are no key exchanges for a while.
    KeepsKeys {
        /// From when on..
        from: Span,
        /// ..until when.
        until: Span,
    },
    /// Somebody on the way answers each question as well, and knows no keys.
    Forged(Forgery),
    /// The same, and the server is never heard.
    Replaced(Forgery),
}

/// What somebody can say who sees a question and has no keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgery {
    /// Another time, without protection.
    Bare,
    /// Another time, and the unique identifier of the question.
    Identified,
    /// The refusal of a cookie.
    Nak,
    /// A wish never to be asked again.
    Deny,
    /// The server's own answer with another time in it.
    Altered,
}

/// A server's keys.
#[derive(Debug)]
pub(super) struct Protector {
    spec: NtsSpec,
    ring: Ring,
    rng: ChaCha8Rng,
    has_forgotten: bool,
}

impl Protector {
    pub(super) fn new(spec: NtsSpec, now: Time<Utc>, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        Self { spec, ring: Ring::new(now, &mut rng), rng, has_forgotten: false }
    }

    /// A key exchange, so long after the start.
    pub(super) fn agree(
        &mut self,
        (passed, now): (Span, Time<Utc>),
        dates: Dates,
        server: SocketAddr,
    ) -> Result<Agreement, NoKeys> {
        self.live(passed, now);
        if let Trouble::KeepsKeys { from, until } = self.spec.trouble
            && from <= passed
            && passed < until
        {
            return Err(NoKeys::NotReached);
        }
        if let Some(fault) = self.spec.validity.and_then(|validity| validity.fault(dates)) {
            return Err(fault);
        }
        let mut secret = [0; 2 * KEY_LEN_MAX];
        self.rng.fill_bytes(&mut secret);
        let aead = self.spec.aead;
        let (c2s, s2c) = secret.split_at(KEY_LEN_MAX);
        let keys = SessionKeys::new(aead, &c2s[..aead.key_len()], &s2c[..aead.key_len()]);
        let keys = keys.expect("they are as long as the cipher wants them");
        let cookies = (0..COOKIES_MAX).map(|_| self.cookie(&keys)).collect();
        Ok(Agreement { keys, cookies, servers: vec![server], certified_until: None })
    }

    fn cookie(&mut self, keys: &SessionKeys) -> Cookie {
        let mut cookie = vec![0; cookie::len(keys.aead())];
        self.ring.seal(keys, &mut self.rng, &mut cookie);
        Cookie::new(&cookie).expect("our cookies are short")
    }

    /// All that comes back for a question, forged or not.
    pub(super) fn answers(
        &mut self,
        passed: Span,
        now: Time<Utc>,
        question: &[u8],
        header: &[u8],
    ) -> Vec<Vec<u8>> {
        self.live(passed, now);
        let own = self.protected(question, header);
        let forged = |forgery| forge(forgery, question, header, own.as_deref());
        match self.spec.trouble {
            Trouble::None | Trouble::Forgets { .. } | Trouble::KeepsKeys { .. } => own.into_iter().collect(),
            Trouble::Forged(forgery) => forged(forgery).into_iter().chain(own).collect(),
            Trouble::Replaced(forgery) => forged(forgery).into_iter().collect(),
        }
    }

    /// Turns the keys, and loses them when it is time for that.
    fn live(&mut self, passed: Span, now: Time<Utc>) {
        self.ring.catch_up(now, TURN, &mut self.rng);
        if let Trouble::Forgets { after } = self.spec.trouble
            && after <= passed
            && !std::mem::replace(&mut self.has_forgotten, true)
        {
            self.ring = Ring::new(now, &mut self.rng);
        }
    }

    /// `None`: the question is not as it must be.
    fn protected(&mut self, question: &[u8], header: &[u8]) -> Option<Vec<u8>> {
        let trailer = Trailer::parse(question, 4).ok()?;
        let asked = Question::read(question, &trailer).ok()?;
        let header: &[u8; HEADER_LEN] = header.first_chunk()?;
        let mut buffer = [0; DATAGRAM_MAX];
        let reply = answer(&asked, header, &mut self.ring, &mut self.rng, &mut buffer).ok()?;
        Some(buffer[..reply.sent()].to_vec())
    }
}

/// An hour later than the truth, or no time at all.
fn forge(forgery: Forgery, question: &[u8], header: &[u8], own: Option<&[u8]>) -> Option<Vec<u8>> {
    let trailer = Trailer::parse(question, 4).ok()?;
    let id = Question::read(question, &trailer).ok()?.unique_id;
    let mut later = header.to_vec();
    later_by_an_hour(&mut later);
    let with_id = |head: Vec<u8>| {
        let mut datagram = head;
        let start = datagram.len();
        datagram.resize(start + field_len(id.len()), 0);
        put_field(&mut datagram[start..], UNIQUE_ID, id);
        datagram
    };
    let kiss = |code: &[u8; 4]| {
        let mut kiss = header.to_vec();
        kiss[1] = 0;
        kiss[12..16].copy_from_slice(code);
        kiss
    };
    match forgery {
        Forgery::Bare => Some(later),
        Forgery::Identified => Some(with_id(later)),
        Forgery::Nak => Some(with_id(kiss(b"NTSN"))),
        Forgery::Deny => Some(with_id(kiss(b"DENY"))),
        Forgery::Altered => {
            let mut altered = own?.to_vec();
            later_by_an_hour(&mut altered);
            Some(altered)
        }
    }
}

/// Moves the receive and the transmit timestamp.
fn later_by_an_hour(datagram: &mut [u8]) {
    for at in [32, 40] {
        if let Some(seconds) = datagram.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<4>()) {
            *seconds = u32::from_be_bytes(*seconds).wrapping_add(3600).to_be_bytes();
        }
    }
}

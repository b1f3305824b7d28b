//! Where questions are answered, one after the other: who asks, how often, and what he is told. NTP is here, and what is
//! older in [`classic`].
//!
//! Each thread of a server has a desk of its own. What all desks share, the [`Policy`] and the time on the
//! [`Dial`], is only read.
//!
//! **Invariant:** nothing is allocated for a question, and no answer is longer than its question; but see [`classic`] for TIME.

use alloc::vec::Vec;
use core::net::SocketAddr;

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng as _, SeedableRng as _};
use truechimer_time::ntp::NtpTimestamp;
use truechimer_time::{Mono, Raw, Time};

use super::access::AllowList;
use super::clients::{Admission, Client, Clients, RateRule};
use super::dial::Dial;
use super::interleaved::{Departures, speaks_of_one};
use super::time37::Gate;
use super::{Silence, cookie, keys, ntp, nts};
use crate::wire::extension::{Seal, Trailer};
use crate::wire::ntp::Packet;
use crate::wire::nts::{Flaw, Question as Protected};
use crate::wire::{DATAGRAM_MAX, HEADER_LEN};

pub mod classic;

/// What the operator wants.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Who is served.
    pub allowed: AllowList,
    /// How often one may ask; `None`: as often as he likes.
    pub rate: Option<RateRule>,
    /// The symmetric keys that are shared with clients.
    pub keys: keys::Ring,
}

/// A question as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// The datagram.
    pub bytes: &'a [u8],
    /// Who sent it, as it claims.
    pub from: SocketAddr,
    /// When it came.
    pub received: Time<Raw>,
    /// When its answer leaves, as far as that can be foreseen.
    pub leaves: Time<Raw>,
    /// It was sent to a broadcast address or a group.
    pub to_many: bool,
}

/// What is told in one go: the same for all questions that are answered together.
#[derive(Clone, Copy, Debug)]
pub struct Telling<'a> {
    policy: &'a Policy,
    dial: &'a Dial,
    header: [u8; HEADER_LEN],
}

impl<'a> Telling<'a> {
    /// What a dial says at a reading of the counter, to whom the policy allows.
    pub fn at(raw: Time<Raw>, dial: &'a Dial, policy: &'a Policy) -> Self {
        Self { policy, dial, header: dial.header(raw) }
    }
}

/// An answer that is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// So many bytes.
    pub len: usize,
    /// Its client would like to know when it really left: [`Desk::has_left`], by this name.
    pub wanted: Option<NtpTimestamp>,
}

/// What became of the datagrams that came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Questions answered.
    pub answered: u64,
    /// Of these, in interleaved mode.
    pub interleaved: u64,
    /// Of these, in spite of having come too soon.
    pub leaked: u64,
    /// Of these, sealed by a symmetric key.
    pub sealed: u64,
    /// Of these, protected by NTS.
    pub protected: u64,
    /// Of these, that a cookie is none of ours: the NTS NAK.
    pub refused: u64,
    /// Of these, by TAICLOCK.
    pub taiclock: u64,
    /// Of these, by TIME.
    pub time: u64,
    /// Datagrams left without an answer, by reason.
    pub silent: [u64; Silence::ALL.len()],
    /// Answers that the kernel did not take.
    pub unsent: u64,
}

impl Counters {
    /// The sum of two desks' counters.
    pub fn plus(mut self, other: &Self) -> Self {
        self.answered += other.answered;
        self.interleaved += other.interleaved;
        self.leaked += other.leaked;
        self.sealed += other.sealed;
        self.protected += other.protected;
        self.refused += other.refused;
        self.taiclock += other.taiclock;
        self.time += other.time;
        self.unsent += other.unsent;
        self.silent.iter_mut().zip(other.silent).for_each(|(count, more)| *count += more);
        self
    }
}

impl Counters {
    /// Counts a protected answer, and gives its length.
    fn count(&mut self, reply: nts::Reply) -> usize {
        match reply {
            nts::Reply::Sealed(len) => {
                self.protected += 1;
                len
            }
            nts::Reply::Nak(len) => {
                self.refused += 1;
                len
            }
        }
    }
}

/// The desk of one thread.
#[derive(Debug)]
pub struct Desk {
    clients: Clients,
    departures: Departures,
    counters: Counters,
    /// The keys of cookies, where NTS is served.
    ring: Option<cookie::Ring>,
    rng: ChaCha12Rng,
    /// The door for datagrams of TIME.
    gate: Gate,
    now: Time<Mono>,
}

impl Desk {
    /// A desk that remembers so many clients. All its chance comes from the seed, which no other desk may have.
    pub fn new(clients: usize, seed: [u8; 32]) -> Self {
        let mut rng = ChaCha12Rng::from_seed(seed);
        let mut secret = [0; 16];
        rng.fill_bytes(&mut secret);
        Self {
            clients: Clients::new(clients, secret),
            departures: Departures::default(),
            counters: Counters::default(),
            ring: None,
            rng,
            // No answer of TIME is ever a question: nobody at a port of ours could be made to go on.
            gate: Gate::new(Vec::new()),
            now: Time::EPOCH,
        }
    }

    /// From now on cookies are opened and made with these keys; without any, questions that NTS protects are answered as
    /// if they were not.
    pub fn take_ring(&mut self, ring: Option<cookie::Ring>) {
        self.ring = ring;
    }

    /// Says what time it is, and what the operator wants, for all questions until it is said again.
    pub fn begin(&mut self, now: Time<Mono>, policy: &Policy) {
        self.now = now;
        self.clients.look_up(now);
        self.clients.keep_to(policy.rate.as_ref());
    }

    /// Answers a question.
    ///
    /// # Errors
    /// [`Silence`] with its reason, which is counted.
    pub fn answer(
        &mut self,
        question: &Question<'_>,
        telling: &Telling<'_>,
        reply: &mut [u8; DATAGRAM_MAX],
    ) -> Result<Answer, Silence> {
        let outcome = self.judge(question, telling, reply);
        self.taken_down(outcome)
    }

    fn taken_down<T>(&mut self, outcome: Result<T, Silence>) -> Result<T, Silence> {
        match &outcome {
            Ok(_) => self.counters.answered += 1,
            Err(silence) => self.counters.silent[silence.index()] += 1,
        }
        outcome
    }

    fn judge(
        &mut self,
        question: &Question<'_>,
        telling: &Telling<'_>,
        reply: &mut [u8; DATAGRAM_MAX],
    ) -> Result<Answer, Silence> {
        if question.to_many {
            return Err(Silence::ToMany);
        }
        telling.policy.allowed.admit(question.from)?;
        let (packet, trailer) = ntp::question(question.bytes)?;
        self.admit(question.from)?;
        let (received, left) = (telling.dial.read(question.received), telling.dial.read(question.leaves));
        let header = self.header(&packet, telling, (received, left));
        let len = match question.bytes.len() {
            HEADER_LEN => plain(&header, reply),
            _ => self.seal((question, &trailer), telling.policy, &header, reply)?,
        };
        let wanted = speaks_of_one(&packet).then_some(received);
        if wanted.is_some() {
            self.departures.remember(received, left);
        }
        Ok(Answer { len, wanted })
    }

    /// Has this client not asked too often?
    fn admit(&mut self, client: SocketAddr) -> Result<(), Silence> {
        match self.clients.admit(client.ip()) {
            Admission::Admitted => {}
            Admission::Leaked => self.counters.leaked += 1,
            Admission::Limited => return Err(Silence::Limited),
        }
        Ok(())
    }

    fn header(
        &mut self,
        packet: &Packet,
        telling: &Telling<'_>,
        (received, left): (NtpTimestamp, NtpTimestamp),
    ) -> [u8; HEADER_LEN] {
        match self.departures.spoken_of(packet) {
            Some(last_left) => {
                self.counters.interleaved += 1;
                ntp::reply_interleaved(telling.header, packet, received, last_left)
            }
            None => ntp::reply(telling.header, packet, received, left),
        }
    }

    /// Protects an answer as its question was.
    fn seal(
        &mut self,
        (question, trailer): (&Question<'_>, &Trailer<'_>),
        policy: &Policy,
        header: &[u8; HEADER_LEN],
        reply: &mut [u8; DATAGRAM_MAX],
    ) -> Result<usize, Silence> {
        if let Seal::Mac(mac) = trailer.seal {
            let sealed = policy.keys.seal(question.from.ip(), &mac, header)?;
            let bytes = sealed.as_bytes();
            reply[..bytes.len()].copy_from_slice(bytes);
            self.counters.sealed += 1;
            return Ok(bytes.len());
        }
        let Some(ring) = &mut self.ring else { return Ok(plain(header, reply)) };
        match Protected::read(question.bytes, trailer) {
            Err(Flaw::Unprotected) => Ok(plain(header, reply)),
            Err(_) => Err(Silence::Unsound),
            Ok(protected) => {
                let answer = nts::answer(&protected, header, ring, &mut self.rng, reply);
                answer.map(|reply| self.counters.count(reply)).map_err(|_| Silence::Unsound)
            }
        }
    }

    /// When an answer has left, for the client that [`wanted`](Answer::wanted) to know.
    pub fn has_left(&mut self, wanted: NtpTimestamp, left: NtpTimestamp) {
        self.departures.correct(wanted, left);
    }

    /// So many answers the kernel did not take.
    pub fn were_unsent(&mut self, count: usize) {
        self.counters.unsent += count as u64;
        self.counters.answered = self.counters.answered.saturating_sub(count as u64);
    }

    /// What became of what came.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Who asked, in no order.
    pub fn clients(&self) -> impl Iterator<Item = Client> + '_ {
        self.clients.iter()
    }
}

fn plain(header: &[u8; HEADER_LEN], reply: &mut [u8; DATAGRAM_MAX]) -> usize {
    reply[..HEADER_LEN].copy_from_slice(header);
    HEADER_LEN
}

#[cfg(test)]
mod tests;

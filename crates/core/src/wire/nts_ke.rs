//! Key exchange for NTS (RFC 8915, section 4): the messages that client and server exchange over TLS, one each.
//!
//! A message is a row of records and ends with a record that says so. It comes in pieces of any size, so an [`Inbox`]
//! gathers it up to its last record; then [`Request`](request::Request) and [`Answer`](response::Answer) say what it means. TLS itself is not here.
//!
//! ```text
//!   0                  2               4                    4 + length
//!   +-+----------------+---------------+--------------------+
//!   |C| kind, 15 bits  | length of body| body               |   C: critical. Who does not know the kind
//!   +-+----------------+---------------+--------------------+      must not go on.
//! ```
//!
//! **Invariant:** any bytes give a message or a reason, in time proportional to their number, and no more of them are
//! kept than the limit.

use alloc::vec::Vec;

use super::aead::Aead;
use crate::reason::reasons;

pub mod request;
pub mod response;
pub mod server_name;

/// The name of this protocol in the handshake of TLS (ALPN; RFC 8915, section 4).
pub const ALPN: &[u8] = b"ntske/1";

/// The port of key exchange servers, over TCP.
pub const PORT: u16 = 4460;

/// The longest request that is read, in bytes: an honest one has about thirty.
pub const REQUEST_MAX: usize = 4096;

/// The longest answer that is read, in bytes: an honest one with eight cookies has about a thousand.
pub const ANSWER_MAX: usize = 65_536;

/// The longest cookie that is kept, in bytes. Those of today's servers have 68 to about 200.
pub const COOKIE_MAX: usize = 512;

/// The most cookies that are kept (RFC 8915, section 4.1.6).
pub const COOKIES_MAX: usize = 8;

/// The label under which TLS exports the keys (RFC 8915, section 5.1).
pub const EXPORTER_LABEL: &str = "EXPORTER-network-time-security";

/// NTPv4 in the registry of protocols (RFC 8915, section 7.7).
const NTPV4: u16 = 0;

const RECORD_HEADER_LEN: usize = 4;
const CRITICAL: u16 = 0x8000;

/// The kinds of records that are known here.
mod kind {
    pub(super) const END: u16 = 0;
    pub(super) const NEXT_PROTOCOL: u16 = 1;
    pub(super) const ERROR: u16 = 2;
    pub(super) const WARNING: u16 = 3;
    pub(super) const AEAD: u16 = 4;
    pub(super) const COOKIE: u16 = 5;
    pub(super) const SERVER: u16 = 6;
    pub(super) const PORT: u16 = 7;
    /// Registered with IANA by the authors of chronyd: see [`Exporter`](super::Exporter).
    pub(super) const GCM_SIV_AS_WRITTEN: u16 = 1024;
}

/// Which way a key protects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Questions, client to server.
    C2s,
    /// Answers, server to client.
    S2c,
}

/// How the keys of a cipher are exported.
///
/// Older versions of chronyd export the keys of AES-128-GCM-SIV as if they were those of AES-SIV-CMAC-256. Newer ones
/// export them as the RFC has it if both sides say with a record (kind 1024, "Compliant AES-128-GCM-SIV Exporter
/// Context") that they do, and nobody else offered that cipher before. So silence means chronyd's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exporter {
    /// With the number of the cipher (RFC 8915, section 5.1).
    AsWritten,
    /// With the number of AES-SIV-CMAC-256, whatever the cipher.
    AsChronyd,
}

impl Exporter {
    /// The context to export a key with, under [`EXPORTER_LABEL`].
    pub fn context(self, aead: Aead, direction: Direction) -> [u8; 5] {
        let named = match self {
            Self::AsWritten => aead,
            Self::AsChronyd => Aead::SivCmac256,
        };
        let [p0, p1] = NTPV4.to_be_bytes();
        let [a0, a1] = named.id().to_be_bytes();
        [p0, p1, a0, a1, matches!(direction, Direction::S2c).into()]
    }
}

reasons! {
    /// Why bytes are no message of a key exchange. Completes "cannot read this message: ..".
    BadMessage {
        /// More bytes than the limit, and no end yet.
        Long "long" "it is longer than any message"
        /// Bytes behind the record that ends the message.
        AfterEnd "after_end" "it goes on behind its end"
        /// The record that ends the message has a body, or is not marked as critical.
        End "end" "its last record is not as the last one must be"
    }
}

/// A message that is coming in.
#[derive(Debug)]
pub struct Inbox {
    bytes: Vec<u8>,
    /// How many of the bytes are whole records.
    walked: usize,
    limit: usize,
    is_whole: bool,
}

impl Inbox {
    /// For a request.
    pub fn for_request() -> Self {
        Self::with_limit(REQUEST_MAX)
    }

    /// For the answer to one.
    pub fn for_answer() -> Self {
        Self::with_limit(ANSWER_MAX)
    }

    fn with_limit(limit: usize) -> Self {
        Self { bytes: Vec::new(), walked: 0, limit, is_whole: false }
    }

    /// Takes the next bytes and says whether the message is whole now.
    ///
    /// # Errors
    /// [`BadMessage`]; nothing that comes later makes it better.
    pub fn take(&mut self, bytes: &[u8]) -> Result<bool, BadMessage> {
        if self.is_whole && !bytes.is_empty() {
            return Err(BadMessage::AfterEnd);
        }
        if self.bytes.len() + bytes.len() > self.limit {
            return Err(BadMessage::Long);
        }
        self.bytes.extend_from_slice(bytes);
        while let Some((record, rest)) = Record::split(&self.bytes[self.walked..]) {
            if record.kind == kind::END {
                self.is_whole = record.is_end(rest)?;
                break;
            }
            self.walked = self.bytes.len() - rest.len();
        }
        Ok(self.is_whole)
    }

    /// The records before the last one. None, as long as the message is not whole.
    fn records(&self) -> Records<'_> {
        Records { rest: if self.is_whole { &self.bytes[..self.walked] } else { &[] } }
    }
}

/// A record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Record<'a> {
    is_critical: bool,
    kind: u16,
    body: &'a [u8],
}

impl<'a> Record<'a> {
    /// The first record and what follows it, if all of it is there.
    fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&[k0, k1, l0, l1], rest) = bytes.split_first_chunk::<RECORD_HEADER_LEN>()?;
        let kind = u16::from_be_bytes([k0, k1]);
        let (body, rest) = rest.split_at_checked(u16::from_be_bytes([l0, l1]).into())?;
        Some((Self { is_critical: kind & CRITICAL != 0, kind: kind & !CRITICAL, body }, rest))
    }

    /// Is it an end as it must be (RFC 8915, section 4.1.1), with nothing behind it?
    fn is_end(&self, rest: &[u8]) -> Result<bool, BadMessage> {
        match (self.is_critical && self.body.is_empty(), rest.is_empty()) {
            (false, _) => Err(BadMessage::End),
            (true, false) => Err(BadMessage::AfterEnd),
            (true, true) => Ok(true),
        }
    }

    /// The body as one number of 16 bits.
    fn number(&self) -> Option<u16> {
        <[u8; 2]>::try_from(self.body).ok().map(u16::from_be_bytes)
    }

    /// The body as numbers of 16 bits. `None`, if half of one is left over.
    fn numbers(&self) -> Option<impl Iterator<Item = u16> + use<'a>> {
        let (pairs, half) = self.body.as_chunks();
        half.is_empty().then(|| pairs.iter().copied().map(u16::from_be_bytes))
    }
}

/// Records in their order.
struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let (record, rest) = Record::split(self.rest)?;
        self.rest = rest;
        Some(record)
    }
}

/// Sets what may be said once.
///
/// # Errors
/// The given one, if it was said before.
fn once<T, E>(slot: &mut Option<T>, value: T, twice: E) -> Result<(), E> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(twice),
    }
}

/// A message that is being written.
struct Outbox {
    bytes: Vec<u8>,
}

impl Outbox {
    fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// A record that the other side must understand.
    fn critical(self, kind: u16, body: &[u8]) -> Self {
        self.record(kind | CRITICAL, body)
    }

    /// A record that the other side may pass over.
    fn optional(self, kind: u16, body: &[u8]) -> Self {
        self.record(kind, body)
    }

    fn record(mut self, kind: u16, body: &[u8]) -> Self {
        let length = u16::try_from(body.len()).expect("all that we say is short");
        self.bytes.extend_from_slice(&kind.to_be_bytes());
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(body);
        self
    }

    fn end(self) -> Vec<u8> {
        self.critical(kind::END, &[]).bytes
    }
}

#[cfg(test)]
mod tests;

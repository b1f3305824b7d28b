//! The extension fields by which NTS protects NTP (RFC 8915, section 5), on top of those of
//! [`extension`](super::extension).
//!
//! What stands before the authenticator is authenticated by it, what stands in it is encrypted too, and what stands
//! behind it is as good as not there: it is not looked at.
//!
//! ```text
//!   +--------+-----------+--------+--------------+---------------------------+
//!   | header | unique id | cookie | placeholders | authenticator             |
//!   +--------+-----------+--------+--------------+---------------------------+
//!   '-------------- associated data ------------'   encrypted: in answers, the new cookies
//! ```
//!
//! A placeholder is as long as the cookie and asks for one more, so that no answer has to be longer than its question.
//! With eight cookies of 100 bytes, as chronyd and we make them, both have 956 bytes.

use super::HEADER_LEN;
use super::aead::{Aead, Cipher, Forged, TAG_LEN};
use super::extension::{Field, Fields, Trailer};
use crate::reason::reasons;

/// Field type of the unique identifier.
pub const UNIQUE_ID: u16 = 0x0104;

/// Field type of a cookie.
pub const COOKIE: u16 = 0x0204;

/// Field type of a placeholder for a cookie.
pub const PLACEHOLDER: u16 = 0x0304;

/// Field type of the authenticator, with the fields that are encrypted.
pub const AUTHENTICATOR: u16 = 0x0404;

/// The shortest unique identifier, and the length of ours, in bytes (RFC 8915, section 5.3).
pub const UNIQUE_ID_LEN: usize = 32;

/// How many bytes a field has before its value.
pub const FIELD_HEADER_LEN: usize = 4;

const FIELD_LEN_MIN: usize = 16;
const LENGTHS_LEN: usize = 4;

/// The least room for nonces that a question has to give, whatever its own is (RFC 8915, section 5.6).
const NONCE_ROOM: usize = 16;

reasons! {
    /// Why a datagram is not protected as NTS wants it. Completes "cannot use its protection: ..".
    Flaw {
        /// Neither a cookie nor an authenticator: it is no datagram of NTS at all.
        Unprotected "unprotected" "it has none"
        /// No unique identifier before the authenticator.
        UniqueIdMissing "unique_id_missing" "it has no unique identifier"
        /// Two of them.
        UniqueIdTwice "unique_id_twice" "it has two unique identifiers"
        /// A unique identifier of fewer than 32 bytes.
        UniqueIdShort "unique_id_short" "its unique identifier is shorter than 32 bytes"
        /// A question without a cookie before the authenticator.
        CookieMissing "cookie_missing" "it has no cookie"
        /// A question with two of them.
        CookieTwice "cookie_twice" "it has two cookies"
        /// No authenticator.
        AuthenticatorMissing "authenticator_missing" "it has no authenticator"
        /// A nonce of no bytes, or of more than there are.
        NonceLength "nonce_length" "its nonce is empty or longer than its field"
        /// An encrypted part that is shorter than a tag, or has more bytes than there are.
        TextLength "text_length" "its encrypted part is shorter than a tag or longer than its field"
        /// A question that leaves less room for a nonce than the answer needs.
        PaddingShort "padding_short" "it leaves too little room for the nonce of an answer"
        /// The encrypted part is authentic, but no row of extension fields.
        Inner "inner" "its encrypted part is authentic and cannot be read"
    }
}

/// A question that is protected, before anybody has checked by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// What the answer has to give back: 32 bytes or more.
    pub unique_id: &'a [u8],
    /// What the server once made of the keys.
    pub cookie: &'a [u8],
    /// How many placeholders are as long as the cookie. Others do not count.
    pub placeholders: usize,
    /// What protects it.
    pub sealed: Sealed<'a>,
}

impl<'a> Question<'a> {
    /// Finds the fields of a question.
    ///
    /// # Errors
    /// [`Flaw::Unprotected`], if it is none of NTS; else what is wrong with it.
    pub fn read(datagram: &'a [u8], trailer: &Trailer<'a>) -> Result<Self, Flaw> {
        let outer = Outer::read(datagram, trailer)?;
        if outer.cookies == 0 && outer.sealed.is_none() {
            return Err(Flaw::Unprotected);
        }
        let unique_id = outer.unique_id.ok_or(Flaw::UniqueIdMissing)?;
        let cookie = match (outer.cookie, outer.cookies) {
            (Some(cookie), 1) => cookie,
            (Some(_), _) => return Err(Flaw::CookieTwice),
            (None, _) => return Err(Flaw::CookieMissing),
        };
        let sealed = outer.sealed.ok_or(Flaw::AuthenticatorMissing)?;
        let placeholders = placeholders(outer.before, cookie.len());
        Ok(Self { unique_id, cookie, placeholders, sealed })
    }
}

/// How many of the fields are placeholders of this length.
pub fn placeholders(fields: Fields<'_>, cookie_len: usize) -> usize {
    fields.filter(|field| field.kind == PLACEHOLDER && field.value.len() == cookie_len).count()
}

/// An answer that is protected, before anybody has checked by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// That of the question, if it answers one.
    pub unique_id: &'a [u8],
    /// What protects it. Cookies are nowhere else.
    pub sealed: Sealed<'a>,
}

impl<'a> Answer<'a> {
    /// Finds the fields of an answer.
    ///
    /// # Errors
    /// [`Flaw::Unprotected`], if it has no authenticator; else what is wrong with it.
    pub fn read(datagram: &'a [u8], trailer: &Trailer<'a>) -> Result<Self, Flaw> {
        let outer = Outer::read(datagram, trailer)?;
        let sealed = outer.sealed.ok_or(Flaw::Unprotected)?;
        Ok(Self { unique_id: outer.unique_id.ok_or(Flaw::UniqueIdMissing)?, sealed })
    }
}

/// The unique identifier of a datagram that need not be protected: that of a refusal (RFC 8915, section 5.7).
///
/// # Errors
/// There is none, there are two, or it is too short.
pub fn unique_id<'a>(datagram: &'a [u8], trailer: &Trailer<'a>) -> Result<&'a [u8], Flaw> {
    Outer::read(datagram, trailer)?.unique_id.ok_or(Flaw::UniqueIdMissing)
}

/// What stands before the authenticator, and the authenticator.
struct Outer<'a> {
    unique_id: Option<&'a [u8]>,
    cookie: Option<&'a [u8]>,
    cookies: usize,
    before: Fields<'a>,
    sealed: Option<Sealed<'a>>,
}

impl<'a> Outer<'a> {
    fn read(datagram: &'a [u8], trailer: &Trailer<'a>) -> Result<Self, Flaw> {
        let mut outer =
            Self { unique_id: None, cookie: None, cookies: 0, before: trailer.fields(), sealed: None };
        let mut end = HEADER_LEN;
        for field in trailer.fields() {
            if field.kind == AUTHENTICATOR {
                outer.sealed = Some(Sealed::read(&datagram[..end], &field)?);
                break;
            }
            outer.note(&field)?;
            end += FIELD_HEADER_LEN + field.value.len();
        }
        outer.before = trailer.fields_up_to(end - HEADER_LEN);
        Ok(outer)
    }

    fn note(&mut self, field: &Field<'a>) -> Result<(), Flaw> {
        match field.kind {
            UNIQUE_ID if field.value.len() < UNIQUE_ID_LEN => return Err(Flaw::UniqueIdShort),
            UNIQUE_ID if self.unique_id.is_some() => return Err(Flaw::UniqueIdTwice),
            UNIQUE_ID => self.unique_id = Some(field.value),
            COOKIE => {
                self.cookie = Some(field.value);
                self.cookies += 1;
            }
            _ => {}
        }
        Ok(())
    }
}

/// The authenticator of a datagram (RFC 8915, section 5.6), not checked yet.
///
/// ```text
///   0              2             4
///   +--------------+-------------+-----------------+----------------+---------+
///   | nonce length | text length | nonce, padded   | text, padded   | padding |
///   +--------------+-------------+-----------------+----------------+---------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed<'a> {
    /// All that it authenticates: the datagram up to here.
    pub associated: &'a [u8],
    /// At least one byte.
    pub nonce: &'a [u8],
    /// What is encrypted, and its tag: at least 16 bytes.
    pub text: &'a [u8],
    /// How many bytes follow the padded text.
    padding: usize,
    /// Where in the datagram it ends.
    pub end: usize,
}

impl<'a> Sealed<'a> {
    fn read(associated: &'a [u8], field: &Field<'a>) -> Result<Self, Flaw> {
        let (&[n0, n1, t0, t1], rest) =
            field.value.split_first_chunk::<LENGTHS_LEN>().ok_or(Flaw::NonceLength)?;
        let (nonce, rest) = padded(rest, u16::from_be_bytes([n0, n1])).ok_or(Flaw::NonceLength)?;
        if nonce.is_empty() {
            return Err(Flaw::NonceLength);
        }
        let (text, rest) = padded(rest, u16::from_be_bytes([t0, t1])).ok_or(Flaw::TextLength)?;
        if text.len() < TAG_LEN {
            return Err(Flaw::TextLength);
        }
        let end = associated.len() + FIELD_HEADER_LEN + field.value.len();
        Ok(Self { associated, nonce, text, padding: rest.len(), end })
    }

    /// Leaves a question with this authenticator room for the nonce of an answer?
    ///
    /// # Errors
    /// [`Flaw::PaddingShort`]: it must not be answered (RFC 8915, section 5.6).
    pub fn leaves_room(&self, aead: Aead) -> Result<(), Flaw> {
        let room = match aead {
            Aead::SivCmac256 => NONCE_ROOM,
            Aead::GcmSiv128 => aead.nonce_len(),
        };
        if self.nonce.len() + self.padding < room { Err(Flaw::PaddingShort) } else { Ok(()) }
    }

    /// Checks it, and gives what was encrypted, out of a buffer that is at least as long as its text.
    ///
    /// # Errors
    /// [`Forged`]
    pub fn open<'b>(&self, cipher: &mut Cipher, buffer: &'b mut [u8]) -> Result<&'b [u8], Forged> {
        let room = buffer.get_mut(..self.text.len()).ok_or(Forged)?;
        room.copy_from_slice(self.text);
        cipher.open(self.nonce, self.associated, room).map(|text| &*text)
    }
}

/// So many bytes, and what follows their padding to a multiple of four.
fn padded(bytes: &[u8], length: u16) -> Option<(&[u8], &[u8])> {
    let length = usize::from(length);
    let (padded, rest) = bytes.split_at_checked(length.next_multiple_of(4))?;
    Some((&padded[..length], rest))
}

/// How many bytes a field with a value of so many takes: never fewer than 16 (RFC 7822, section 3).
pub const fn field_len(value_len: usize) -> usize {
    let length = FIELD_HEADER_LEN + value_len.next_multiple_of(4);
    if length < FIELD_LEN_MIN { FIELD_LEN_MIN } else { length }
}

/// How many bytes our authenticator takes around so many bytes of fields.
pub const fn authenticator_len(aead: Aead, inner_len: usize) -> usize {
    FIELD_HEADER_LEN + LENGTHS_LEN + aead.nonce_len() + TAG_LEN + inner_len
}

/// Writes a field, its value still zero, to the front of a buffer, and gives its value and what follows it.
///
/// # Panics
/// The buffer has no room, or the value is longer than a datagram: the writer has counted before.
pub fn begin_field(buffer: &mut [u8], kind: u16, value_len: usize) -> (&mut [u8], &mut [u8]) {
    let length = field_len(value_len);
    let (field, rest) = buffer.split_at_mut(length);
    let (header, value) = field.split_at_mut(FIELD_HEADER_LEN);
    header[..2].copy_from_slice(&kind.to_be_bytes());
    header[2..].copy_from_slice(&u16::try_from(length).expect("shorter than a datagram").to_be_bytes());
    value.fill(0);
    (value, rest)
}

/// Writes a field to the front of a buffer, and gives what follows it. Panics as [`begin_field`].
pub fn put_field<'a>(buffer: &'a mut [u8], kind: u16, value: &[u8]) -> &'a mut [u8] {
    let (room, rest) = begin_field(buffer, kind, value.len());
    room[..value.len()].copy_from_slice(value);
    rest
}

/// Writes the authenticator to the end of a datagram: over all before it, around the fields that `fill` writes.
///
/// The datagram is as long as it will be: its last [`authenticator_len`] bytes are filled in here.
///
/// # Panics
/// The datagram is shorter than that, or the nonce is none of this cipher: the writer has counted before.
pub fn authenticate(
    datagram: &mut [u8],
    inner_len: usize,
    cipher: &mut Cipher,
    nonce: &[u8],
    fill: impl FnOnce(&mut [u8]),
) {
    let aead = cipher.aead();
    let (associated, field) = datagram.split_at_mut(datagram.len() - authenticator_len(aead, inner_len));
    let (value, _) = begin_field(field, AUTHENTICATOR, field.len() - FIELD_HEADER_LEN);
    let (lengths, rest) = value.split_at_mut(LENGTHS_LEN);
    let (room, sealed) = rest.split_at_mut(aead.nonce_len());
    for (at, length) in [nonce.len(), sealed.len()].into_iter().enumerate() {
        let length = u16::try_from(length).expect("shorter than a datagram");
        lengths[2 * at..][..2].copy_from_slice(&length.to_be_bytes());
    }
    room.copy_from_slice(nonce);
    fill(&mut sealed[aead.text(TAG_LEN + inner_len)]);
    cipher.seal(nonce, associated, sealed);
}

#[cfg(test)]
mod tests;

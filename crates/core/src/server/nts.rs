//! Answering questions that NTS protects (RFC 8915, section 5.7).
//!
//! What the time is has been decided before, and stands in the 48 bytes of a plain answer. Here that answer is sealed,
//! with new cookies inside; or it becomes a refusal that makes the client come for new keys. The keys come out of the
//! client's cookie, so that nothing is remembered about anybody.
//!
//! **Invariant:** an answer is never longer than its question, and has at most eight cookies. Nothing is allocated.

use rand_core::CryptoRng;

use super::cookie::{self, Ring};
use crate::wire::aead::{NONCE_LEN_MAX, SessionKeys};
use crate::wire::extension::Fields;
use crate::wire::ntp::Leap;
use crate::wire::nts::{
    COOKIE, Flaw, Question, UNIQUE_ID, authenticate, authenticator_len, begin_field, field_len, placeholders,
    put_field,
};
use crate::wire::{DATAGRAM_MAX, HEADER_LEN};

/// The most placeholders that are heeded in one question: with the cookie that was spent they fill a jar of eight.
pub const PLACEHOLDERS_MAX: usize = 7;

/// What is sent to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The time, sealed, in so many bytes.
    Sealed(usize),
    /// That its cookie or its seal is none, in so many bytes: the NTS NAK.
    Nak(usize),
}

/// Writes the answer to a question: the header of the plain answer to it, sealed.
///
/// # Errors
/// [`Flaw`]: no answer at all.
pub fn answer(
    question: &Question<'_>,
    header: &[u8; HEADER_LEN],
    ring: &mut Ring,
    rng: &mut impl CryptoRng,
    buffer: &mut [u8; DATAGRAM_MAX],
) -> Result<Reply, Flaw> {
    let Ok(keys) = ring.open(question.cookie) else { return Ok(nak(question, header, buffer)) };
    question.sealed.leaves_room(keys.aead())?;
    let Ok(inner) = question.sealed.open(&mut keys.of_questions(), buffer) else {
        return Ok(nak(question, header, buffer));
    };
    let inner = Fields::parse(inner).map_err(|_| Flaw::Inner)?;
    // Placeholders may be encrypted (RFC 8915, section 5.7).
    let wanted = question.placeholders + placeholders(inner, question.cookie.len());
    let granted = Granted { keys, cookies: 1 + wanted.min(PLACEHOLDERS_MAX) };
    let length = granted.len(question.unique_id);
    // A question with room for the nonce, with a cookie and with as many placeholders is no shorter: this holds.
    let datagram =
        buffer.get_mut(..length).filter(|_| length <= question.sealed.end).ok_or(Flaw::PaddingShort)?;
    granted.write(question.unique_id, header, (ring, rng), datagram);
    Ok(Reply::Sealed(length))
}

/// What a client gets.
struct Granted {
    keys: SessionKeys,
    cookies: usize,
}

impl Granted {
    /// How long the fields with the cookies are, in bytes.
    fn jar_len(&self) -> usize {
        self.cookies * field_len(cookie::len(self.keys.aead()))
    }

    /// How long the answer is, in bytes.
    fn len(&self, unique_id: &[u8]) -> usize {
        HEADER_LEN + field_len(unique_id.len()) + authenticator_len(self.keys.aead(), self.jar_len())
    }

    fn write(
        &self,
        unique_id: &[u8],
        header: &[u8; HEADER_LEN],
        (ring, rng): (&mut Ring, &mut impl CryptoRng),
        datagram: &mut [u8],
    ) {
        let aead = self.keys.aead();
        let (head, rest) = datagram.split_at_mut(HEADER_LEN);
        head.copy_from_slice(header);
        put_field(rest, UNIQUE_ID, unique_id);
        let mut nonce = [0; NONCE_LEN_MAX];
        let nonce = &mut nonce[..aead.nonce_len()];
        rng.fill_bytes(nonce);
        authenticate(datagram, self.jar_len(), &mut self.keys.of_answers(), nonce, |jar| {
            for field in jar.chunks_exact_mut(field_len(cookie::len(aead))) {
                let (place, _) = begin_field(field, COOKIE, cookie::len(aead));
                ring.seal(&self.keys, rng, place);
            }
        });
    }
}

/// Writes the refusal: the header as a kiss-o'-death, and the unique identifier by which the client knows it. It is not
/// protected: there is no key that both sides have for certain.
fn nak(question: &Question<'_>, header: &[u8; HEADER_LEN], buffer: &mut [u8; DATAGRAM_MAX]) -> Reply {
    let (head, rest) = buffer.split_at_mut(HEADER_LEN);
    head.copy_from_slice(header);
    head[0] |= (Leap::Unknown as u8) << 6;
    head[1] = 0;
    head[12..16].copy_from_slice(b"NTSN");
    put_field(rest, UNIQUE_ID, question.unique_id);
    Reply::Nak(HEADER_LEN + field_len(question.unique_id.len()))
}

impl Reply {
    /// How many bytes there are to be sent.
    pub fn sent(self) -> usize {
        match self {
            Self::Sealed(length) | Self::Nak(length) => length,
        }
    }
}

#[cfg(test)]
mod tests;

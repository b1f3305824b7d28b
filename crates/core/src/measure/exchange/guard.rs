//! What shows that an answer is the server's own: nothing, a symmetric key, or NTS.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use rand_core::CryptoRng;

use super::Refusal;
use crate::source::nts::{Cookie, Outcome, Ticket};
use crate::wire::aead::{NONCE_LEN_MAX, SessionKeys};
use crate::wire::extension::{Fields, Seal, Trailer};
use crate::wire::mac::Key;
use crate::wire::nts::{
    Answer, COOKIE, Flaw, PLACEHOLDER, UNIQUE_ID, UNIQUE_ID_LEN, authenticate, authenticator_len,
    begin_field, field_len, put_field, unique_id,
};
use crate::wire::nts_ke::COOKIES_MAX;
use crate::wire::{DATAGRAM_MAX, HEADER_LEN};

/// How an answer shows that it is the server's own.
#[derive(Debug)]
pub(super) enum Guard {
    /// Not at all, but for the random bits that it gives back.
    None,
    /// By a MAC.
    Key(Arc<Key>),
    /// By NTS.
    Nts(Protection),
}

impl Guard {
    /// Is the answer guarded as the question was? Gives the cookies in it, if NTS does.
    pub(super) fn check(
        &mut self,
        datagram: &[u8],
        trailer: &Trailer<'_>,
        (is_nak, known): (bool, Option<&Proof>),
    ) -> Result<Option<Vec<Cookie>>, Refusal> {
        match self {
            Self::None => is_sealed(None, trailer.seal).map(|()| None),
            Self::Key(key) => is_sealed(Some(key), trailer.seal).map(|()| None),
            Self::Nts(protection) => {
                is_sealed(None, trailer.seal)?;
                let checked = match known {
                    Some(proof) => proof.checked(),
                    None => protection.check(datagram, trailer, is_nak),
                };
                protection.proof = Some(Proof::of(&checked));
                checked
            }
        }
    }

    /// What the protection of the datagram before showed; told once.
    pub(super) fn proof(&mut self) -> Option<Proof> {
        match self {
            Self::None | Self::Key(_) => None,
            Self::Nts(protection) => protection.proof.take(),
        }
    }
}

/// Is the answer sealed as the question was? The key is that of this server and no other: whoever holds another
/// key of ours may not speak for it (CVE-2016-1567).
fn is_sealed(key: Option<&Key>, seal: Seal<'_>) -> Result<(), Refusal> {
    match (key, seal) {
        (None, Seal::None) => Ok(()),
        (None, Seal::Mac(_)) => Err(Refusal::UnaskedMac),
        (Some(_), Seal::None) => Err(Refusal::MissingMac),
        (_, Seal::CryptoNak) => Err(Refusal::CryptoNak),
        (Some(key), Seal::Mac(mac)) if mac.key_id != key.id() => Err(Refusal::OtherKey),
        (Some(key), Seal::Mac(mac)) if mac.digest.len() != key.kind().digest_len() => Err(Refusal::MacLength),
        (Some(key), Seal::Mac(mac)) if !key.verify(mac.covered, mac.digest) => Err(Refusal::WrongMac),
        (Some(_), Seal::Mac(_)) => Ok(()),
    }
}

/// What NTS showed of a datagram: all that a record may hold of it, which has neither keys nor cookies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It is the server's own, with cookies of these lengths in bytes, at most eight.
    Own(Vec<usize>),
    /// It is a refusal of our cookie, with our unique identifier.
    Nak,
    /// It is neither.
    Refused(Refusal),
}

impl Proof {
    fn of(checked: &Result<Option<Vec<Cookie>>, Refusal>) -> Self {
        match checked {
            Ok(Some(cookies)) => Self::Own(cookies.iter().map(|cookie| cookie.as_bytes().len()).collect()),
            Ok(None) => Self::Nak,
            Err(refusal) => Self::Refused(*refusal),
        }
    }

    /// What the check found, with cookies that stand for the true ones.
    fn checked(&self) -> Result<Option<Vec<Cookie>>, Refusal> {
        match self {
            Self::Own(lengths) => {
                let lengths = lengths.iter().take(COOKIES_MAX).copied();
                Ok(Some(lengths.filter_map(Cookie::stand_in).collect()))
            }
            Self::Nak => Ok(None),
            Self::Refused(refusal) => Err(*refusal),
        }
    }
}

/// What NTS has protected a question with, and what came of it.
#[derive(Debug)]
pub(super) struct Protection {
    keys: Arc<SessionKeys>,
    /// What the answer has to give back, a refusal as well.
    unique_id: [u8; UNIQUE_ID_LEN],
    outcome: Outcome,
    /// What the datagram before showed.
    proof: Option<Proof>,
}

impl Protection {
    /// Protects a question, and gives it as it is sent.
    pub(super) fn of(
        header: &[u8; HEADER_LEN],
        ticket: &Ticket,
        rng: &mut impl CryptoRng,
    ) -> (Self, Vec<u8>) {
        let aead = ticket.keys.aead();
        let cookie = ticket.cookie.as_bytes();
        let (mut unique_id, mut nonce) = ([0; UNIQUE_ID_LEN], [0; NONCE_LEN_MAX]);
        rng.fill_bytes(&mut unique_id);
        rng.fill_bytes(&mut nonce);
        let jar_len = (1 + ticket.placeholders) * field_len(cookie.len());
        let length = HEADER_LEN + field_len(UNIQUE_ID_LEN) + jar_len + authenticator_len(aead, 0);
        let mut datagram = vec![0; length];
        datagram[..HEADER_LEN].copy_from_slice(header);
        let rest = put_field(&mut datagram[HEADER_LEN..], UNIQUE_ID, &unique_id);
        let mut rest = put_field(rest, COOKIE, cookie);
        for _ in 0..ticket.placeholders {
            (_, rest) = begin_field(rest, PLACEHOLDER, cookie.len());
        }
        let nonce = &nonce[..aead.nonce_len()];
        authenticate(&mut datagram, 0, &mut ticket.keys.of_questions(), nonce, |_| {});
        let keys = Arc::clone(&ticket.keys);
        (Self { keys, unique_id, outcome: Outcome::Silence, proof: None }, datagram)
    }

    /// The cookies of an answer that is the server's own. None, if it is a refusal, which nothing can protect: whoever
    /// makes it must have seen our question.
    fn check(
        &self,
        datagram: &[u8],
        trailer: &Trailer<'_>,
        is_nak: bool,
    ) -> Result<Option<Vec<Cookie>>, Refusal> {
        let answer = match Answer::read(datagram, trailer) {
            Ok(answer) => answer,
            Err(Flaw::Unprotected) if is_nak => {
                return self.is_ours(unique_id(datagram, trailer)?).map(|()| None);
            }
            Err(flaw) => return Err(flaw.into()),
        };
        self.is_ours(answer.unique_id)?;
        let mut buffer = [0; DATAGRAM_MAX];
        let inner = answer.sealed.open(&mut self.keys.of_answers(), &mut buffer);
        let fields = Fields::parse(inner.map_err(|_| Refusal::NtsForged)?).map_err(|_| Flaw::Inner)?;
        let cookies =
            fields.filter(|field| field.kind == COOKIE).filter_map(|field| Cookie::new(field.value));
        Ok(Some(cookies.take(COOKIES_MAX).collect()))
    }

    fn is_ours(&self, unique_id: &[u8]) -> Result<(), Refusal> {
        if unique_id == self.unique_id { Ok(()) } else { Err(Refusal::OtherUniqueId) }
    }

    /// Keeps the cookies of the first answer that is the server's own: the same one may come twice.
    pub(super) fn keep(&mut self, cookies: Vec<Cookie>) {
        match &self.outcome {
            Outcome::Answered(_) => {}
            Outcome::Nak | Outcome::Silence => self.outcome = Outcome::Answered(cookies),
        }
    }

    /// Notes that the server has refused the cookie. Says whether that is new.
    pub(super) fn refuse(&mut self) -> bool {
        let is_news = self.outcome == Outcome::Silence;
        if is_news {
            self.outcome = Outcome::Nak;
        }
        is_news
    }

    /// What came of it; the cookies are handed out once.
    pub(super) fn outcome(&mut self) -> (Arc<SessionKeys>, Outcome) {
        let outcome = core::mem::replace(&mut self.outcome, Outcome::Silence);
        (Arc::clone(&self.keys), outcome)
    }
}

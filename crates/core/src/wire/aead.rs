//! The two ciphers that protect NTP by NTS: authenticated encryption with associated data (RFC 5116).
//!
//! A [`Cipher`] seals and opens in place, without allocation. What it was made from and what it made of that are wiped
//! when it goes, and never shown. Tags are compared in constant time.
//!
//! ```text
//!   AES-SIV-CMAC-256 (RFC 5297)    | tag, 16 bytes | text         |    key 32 bytes, nonce 1 byte and more
//!   AES-128-GCM-SIV  (RFC 8452)    | text         | tag, 16 bytes |    key 16 bytes, nonce 12 bytes
//! ```
//!
//! Both of them stay safe when a nonce is used twice: that tells no more than that the same text was sealed twice.
//!
//! **Invariant:** nonces are arguments. Nothing random is made here.

use core::fmt;
use core::ops::Range;

use aes::Aes128Enc;
use aes_gcm_siv::{AeadInOut as _, AesGcmSiv, KeyInit};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use self::siv::Siv;

mod siv;

/// How much longer what is sealed is than the text in it, in bytes.
pub const TAG_LEN: usize = 16;

/// The longest key of any of them, in bytes.
pub const KEY_LEN_MAX: usize = 32;

/// The longest nonce that we use with any of them, in bytes.
pub const NONCE_LEN_MAX: usize = 16;

/// A cipher that NTS may agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aead {
    /// AES-SIV-CMAC-256 (RFC 5297): whoever speaks NTS knows it (RFC 8915, section 4.1.5).
    SivCmac256,
    /// AES-128-GCM-SIV (RFC 8452): shorter keys, and so shorter cookies.
    GcmSiv128,
}

impl Aead {
    /// All that are spoken here.
    pub const ALL: [Self; 2] = [Self::SivCmac256, Self::GcmSiv128];

    /// The one with this number, if it is spoken here.
    pub fn of(id: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|aead| aead.id() == id)
    }

    /// Its number in IANA's registry of AEAD algorithms.
    pub const fn id(self) -> u16 {
        match self {
            Self::SivCmac256 => 15,
            Self::GcmSiv128 => 30,
        }
    }

    /// How long its keys are, in bytes.
    pub const fn key_len(self) -> usize {
        match self {
            Self::SivCmac256 => 32,
            Self::GcmSiv128 => 16,
        }
    }

    /// How long the nonces are that we make for it, in bytes.
    pub const fn nonce_len(self) -> usize {
        match self {
            Self::SivCmac256 => 16,
            Self::GcmSiv128 => 12,
        }
    }

    /// Where in so many sealed bytes the text is. Nowhere, if they are fewer than a tag.
    pub const fn text(self, sealed_len: usize) -> Range<usize> {
        match self {
            Self::SivCmac256 if TAG_LEN < sealed_len => TAG_LEN..sealed_len,
            Self::GcmSiv128 if TAG_LEN < sealed_len => 0..sealed_len - TAG_LEN,
            Self::SivCmac256 | Self::GcmSiv128 => 0..0,
        }
    }

    /// Tag and text of what is sealed, if it has a tag.
    fn split(self, sealed: &mut [u8]) -> Option<(&mut [u8; TAG_LEN], &mut [u8])> {
        match self {
            Self::SivCmac256 => sealed.split_first_chunk_mut(),
            Self::GcmSiv128 => sealed.split_last_chunk_mut().map(|(text, tag)| (tag, text)),
        }
    }
}

impl fmt::Display for Aead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SivCmac256 => "AES-SIV-CMAC-256",
            Self::GcmSiv128 => "AES-128-GCM-SIV",
        })
    }
}

/// The keys of both directions, as a key exchange agrees on them.
#[derive(Clone)]
pub struct SessionKeys {
    aead: Aead,
    c2s: Zeroizing<[u8; KEY_LEN_MAX]>,
    s2c: Zeroizing<[u8; KEY_LEN_MAX]>,
}

impl SessionKeys {
    /// From the key that protects questions and the one that protects answers. `None` if either has another length
    /// than the cipher's keys.
    pub fn new(aead: Aead, c2s: &[u8], s2c: &[u8]) -> Option<Self> {
        Some(Self { aead, c2s: key(aead, c2s)?, s2c: key(aead, s2c)? })
    }

    /// Which cipher they are for.
    pub fn aead(&self) -> Aead {
        self.aead
    }

    /// The bytes of the key that protects questions, client to server.
    pub fn c2s(&self) -> &[u8] {
        &self.c2s[..self.aead.key_len()]
    }

    /// The bytes of the key that protects answers, server to client.
    pub fn s2c(&self) -> &[u8] {
        &self.s2c[..self.aead.key_len()]
    }

    /// What protects questions.
    pub fn of_questions(&self) -> Cipher {
        Cipher::keyed(self.aead, &self.c2s)
    }

    /// What protects answers.
    pub fn of_answers(&self) -> Cipher {
        Cipher::keyed(self.aead, &self.s2c)
    }
}

impl PartialEq for SessionKeys {
    /// In constant time, whatever they are.
    fn eq(&self, other: &Self) -> bool {
        let is_same = self.c2s.ct_eq(other.c2s.as_slice()) & self.s2c.ct_eq(other.s2c.as_slice());
        self.aead == other.aead && is_same.into()
    }
}

impl Eq for SessionKeys {}

impl fmt::Debug for SessionKeys {
    /// Everything but the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionKeys").field("aead", &self.aead).finish_non_exhaustive()
    }
}

fn key(aead: Aead, bytes: &[u8]) -> Option<Zeroizing<[u8; KEY_LEN_MAX]>> {
    let mut key = Zeroizing::new([0; KEY_LEN_MAX]);
    (bytes.len() == aead.key_len()).then(|| key[..bytes.len()].copy_from_slice(bytes))?;
    Some(key)
}

/// What was sealed was not sealed with this key, this nonce and these associated data; or is too short to be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forged;

/// One key, ready to seal and to open.
pub struct Cipher(Keyed);

#[allow(
    clippy::large_enum_variant,
    reason = "it lives for one question on the stack, and a box would be allocated"
)]
enum Keyed {
    SivCmac256(Siv),
    GcmSiv128(AesGcmSiv<Aes128Enc>),
}

impl Cipher {
    /// With a key from outside. `None` if it is not as long as the cipher's keys are.
    pub fn new(aead: Aead, bytes: &[u8]) -> Option<Self> {
        key(aead, bytes).map(|key| Self::keyed(aead, &key))
    }

    fn keyed(aead: Aead, key: &[u8; KEY_LEN_MAX]) -> Self {
        Self(match aead {
            Aead::SivCmac256 => Keyed::SivCmac256(Siv::new(key)),
            Aead::GcmSiv128 => {
                let (key, _) = key.split_first_chunk::<16>().expect("16 bytes are not more than 32");
                Keyed::GcmSiv128(AesGcmSiv::new(key.into()))
            }
        })
    }

    /// Which one it is.
    pub fn aead(&self) -> Aead {
        match self.0 {
            Keyed::SivCmac256(_) => Aead::SivCmac256,
            Keyed::GcmSiv128(_) => Aead::GcmSiv128,
        }
    }

    /// Seals the text that stands [where text does](Aead::text) in this buffer, and fills in the tag beside it.
    ///
    /// # Panics
    /// The buffer has no room for a tag, or the nonce is as long as none of this cipher: no datagram can cause that.
    pub fn seal(&mut self, nonce: &[u8], associated: &[u8], sealed: &mut [u8]) {
        let (tag, text) = self.aead().split(sealed).expect("a buffer for sealing has room for the tag");
        *tag = match &mut self.0 {
            Keyed::SivCmac256(siv) => siv.seal(nonce, associated, text),
            Keyed::GcmSiv128(siv) => {
                let nonce = nonce.try_into().expect("a nonce of 12 bytes");
                let made = siv.encrypt_inout_detached(nonce, associated, text.into());
                // RFC 8452 limits texts to more bytes than any buffer has.
                made.expect("a text shorter than 2^36 bytes").into()
            }
        };
    }

    /// Opens in place, and gives the text.
    ///
    /// # Errors
    /// [`Forged`]; the buffer is then as it was.
    pub fn open<'a>(
        &mut self,
        nonce: &[u8],
        associated: &[u8],
        sealed: &'a mut [u8],
    ) -> Result<&'a mut [u8], Forged> {
        let (tag, text) = self.aead().split(sealed).ok_or(Forged)?;
        let is_right = match &mut self.0 {
            Keyed::SivCmac256(siv) => siv.open(nonce, associated, tag, text),
            Keyed::GcmSiv128(siv) => {
                let nonce = nonce.try_into().map_err(|_| Forged)?;
                siv.decrypt_inout_detached(nonce, associated, (&mut *text).into(), (&*tag).into()).is_ok()
            }
        };
        if is_right { Ok(text) } else { Err(Forged) }
    }
}

impl fmt::Debug for Cipher {
    /// Which one it is, and nothing of the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cipher").field(&self.aead()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;
    use std::{format, vec};

    #[test]
    fn siv_gives_what_another_implementation_gives() {
        let mut cipher = Cipher::new(Aead::SivCmac256, &counted(0, 32)).unwrap();
        for (text, expected) in [(vec![], SIV_OF_NOTHING), (counted(0, 40), SIV_OF_FORTY)] {
            let sealed = seal(&mut cipher, &counted(100, 16), b"header of a packet", &text);
            assert_eq!(hex(&sealed), expected);
        }
    }

    // RFC 8452, appendix C.1.
    #[test]
    fn gcm_siv_gives_the_published_bytes() {
        let vectors: [(&[u8], &[u8], &str); 3] = [
            (b"", b"", "dc20e2d83f25705bb49e439eca56de25"),
            (b"", &[1, 0, 0, 0, 0, 0, 0, 0], "b5d839330ac7b786578782fff6013b815b287c22493a364c"),
            (&[1], &[2, 0, 0, 0, 0, 0, 0, 0], "1e6daba35669f4273b0a1a2560969cdf790d99759abd1508"),
        ];
        let (mut key, mut nonce) = ([0; 16], [0; 12]);
        (key[0], nonce[0]) = (1, 3);
        let mut cipher = Cipher::new(Aead::GcmSiv128, &key).unwrap();
        for (associated, text, expected) in vectors {
            assert_eq!(hex(&seal(&mut cipher, &nonce, associated, text)), expected);
        }
    }

    #[test]
    fn the_numbers_are_those_of_the_registry() {
        assert_eq!(Aead::ALL.map(Aead::id), [15, 30]);
        for id in 0..=u16::MAX {
            assert_eq!(Aead::of(id).map(Aead::id), [15, 30].contains(&id).then_some(id));
        }
    }

    #[test]
    fn keys_of_other_lengths_are_no_keys() {
        for aead in Aead::ALL {
            for length in 0..70 {
                let bytes = vec![7; length];
                assert_eq!(Cipher::new(aead, &bytes).is_some(), length == aead.key_len(), "{aead}, {length}");
                let right = vec![7; aead.key_len()];
                assert_eq!(SessionKeys::new(aead, &bytes, &right).is_some(), length == aead.key_len());
                assert_eq!(SessionKeys::new(aead, &right, &bytes).is_some(), length == aead.key_len());
            }
        }
    }

    #[test]
    fn keys_are_never_shown() {
        let keys = SessionKeys::new(Aead::GcmSiv128, &[0x41; 16], &[0x42; 16]).unwrap();
        assert_eq!(format!("{keys:?}"), "SessionKeys { aead: GcmSiv128, .. }");
        assert_eq!(format!("{:?}", keys.of_answers()), "Cipher(GcmSiv128, ..)");
    }

    #[test]
    fn the_two_directions_do_not_open_each_other() {
        for aead in Aead::ALL {
            let (one, other) = (vec![1; aead.key_len()], vec![2; aead.key_len()]);
            let keys = SessionKeys::new(aead, &one, &other).unwrap();
            assert_eq!((keys.c2s(), keys.s2c()), (&one[..], &other[..]));
            let nonce = vec![3; aead.nonce_len()];
            let sealed = seal(&mut keys.of_questions(), &nonce, b"", b"text");
            assert!(keys.of_questions().open(&nonce, b"", &mut sealed.clone()).is_ok());
            assert_eq!(keys.of_answers().open(&nonce, b"", &mut sealed.clone()), Err(Forged));
        }
    }

    #[test]
    fn one_wrong_bit_anywhere_is_forged_and_the_bytes_stay() {
        for aead in Aead::ALL {
            let mut cipher = Cipher::new(aead, &vec![9; aead.key_len()]).unwrap();
            let nonce = vec![3; aead.nonce_len()];
            let sealed = seal(&mut cipher, &nonce, b"header", b"a text of some length");
            for bit in 0..sealed.len() * 8 {
                let mut wrong = sealed.clone();
                wrong[bit / 8] ^= 1 << (bit % 8);
                let before = wrong.clone();
                assert_eq!(cipher.open(&nonce, b"header", &mut wrong), Err(Forged), "{aead}, bit {bit}");
                assert_eq!(wrong, before);
            }
            assert_eq!(cipher.open(&nonce, b"Header", &mut sealed.clone()), Err(Forged));
            assert_eq!(cipher.open(&vec![4; aead.nonce_len()], b"header", &mut sealed.clone()), Err(Forged));
        }
    }

    proptest! {
        #[test]
        fn what_is_sealed_is_opened(
            text in prop::collection::vec(any::<u8>(), 0..200),
            associated in prop::collection::vec(any::<u8>(), 0..200),
            key in any::<[u8; 32]>(),
        ) {
            for aead in Aead::ALL {
                let mut cipher = Cipher::new(aead, &key[..aead.key_len()]).unwrap();
                let nonce = &key[..aead.nonce_len()];
                let mut sealed = seal(&mut cipher, nonce, &associated, &text);
                prop_assert_eq!(sealed.len(), text.len() + TAG_LEN);
                prop_assert_eq!(cipher.open(nonce, &associated, &mut sealed).map(|text| &*text), Ok(&text[..]));
            }
        }

        #[test]
        fn any_bytes_are_forged(
            mut bytes in prop::collection::vec(any::<u8>(), 0..200),
            nonce in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            for aead in Aead::ALL {
                let mut cipher = Cipher::new(aead, &vec![9; aead.key_len()]).unwrap();
                prop_assert_eq!(cipher.open(&nonce, b"", &mut bytes), Err(Forged));
                prop_assert_eq!(aead.text(bytes.len()).len(), bytes.len().saturating_sub(TAG_LEN));
            }
        }
    }

    const SIV_OF_NOTHING: &str = "81a6afedaacaa0248628b97054b92312";
    const SIV_OF_FORTY: &str = "e5a645a96bb1afc04c5c9e0c1a67564fe48214ff2440856e2878bbd2a2b3b11a8559865e17345d746a2723ac3ddea0e560b4ea6f27bacfcd";

    fn seal(cipher: &mut Cipher, nonce: &[u8], associated: &[u8], text: &[u8]) -> Vec<u8> {
        let mut sealed = vec![0; text.len() + TAG_LEN];
        let place = cipher.aead().text(sealed.len());
        sealed[place].copy_from_slice(text);
        cipher.seal(nonce, associated, &mut sealed);
        sealed
    }

    fn counted(from: u8, length: u8) -> Vec<u8> {
        (from..from + length).collect()
    }

    fn hex(bytes: &[u8]) -> std::string::String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

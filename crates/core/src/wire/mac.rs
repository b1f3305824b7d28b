//! Symmetric keys: making and checking message authentication codes.
//!
//! A [`Key`] holds the only copy of its secret, never shows it and wipes it when it goes. Digests are compared in
//! constant time. Which key belongs to which server is decided elsewhere: a right digest under a key that was not
//! meant for this server proves nothing.
//!
//! Two families are in use. RFC 8573 wants AES-CMAC. Servers of the older family, NIST's among them, prefix the secret to the
//! packet and hash both (RFC 5905, section 7.3); chronyd and ntpd cut digests longer than 20 bytes, because the
//! MAC of a version 4 packet has at most 24 bytes together with its key id (RFC 7822).

use alloc::vec::Vec;
use core::fmt;
use core::num::NonZeroU32;

use aes::{Aes128, Aes256};
use cmac::{Cmac, KeyInit};
use md5::Md5;
use sha1::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::HEADER_LEN;

/// The longest digest that a version 4 packet carries, in bytes.
pub const DIGEST_MAX: usize = 20;

/// The longest that one of version 3 carries: chronyd asks so where a digest would have to be cut.
const DIGEST_WHOLE: usize = 32;

/// A key id, in bytes.
const KEY_ID_LEN: usize = 4;

/// The longest packet of a header and a MAC, in bytes.
pub const SEALED_MAX: usize = HEADER_LEN + KEY_ID_LEN + DIGEST_WHOLE;

/// The longest secret of the hashing kinds, in bytes.
pub const SECRET_MAX: usize = 256;

/// A secret that we share with a server, and the number by which both know it.
pub struct Key {
    id: NonZeroU32,
    kind: KeyKind,
    secret: Zeroizing<Vec<u8>>,
}

/// How a key makes a digest. Named as in chronyd's key file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// AES-CMAC with a secret of 16 bytes (RFC 8573): a digest of 16 bytes.
    Aes128,
    /// AES-CMAC with a secret of 32 bytes: a digest of 16 bytes.
    Aes256,
    /// SHA-256 of secret and packet, cut to 20 bytes.
    Sha256,
    /// SHA-1 of secret and packet: 20 bytes.
    Sha1,
    /// MD5 of secret and packet: 16 bytes. RFC 8573 deprecates it; for servers that know nothing else.
    Md5,
}

impl KeyKind {
    /// May a digest have so many bytes? In version 3 it may be whole.
    pub const fn takes(self, digest_len: usize) -> bool {
        digest_len == self.digest_len() || matches!(self, Self::Sha256) && digest_len == DIGEST_WHOLE
    }

    /// How many bytes its digests have on the wire of version 4.
    pub const fn digest_len(self) -> usize {
        match self {
            Self::Aes128 | Self::Aes256 | Self::Md5 => 16,
            Self::Sha256 | Self::Sha1 => DIGEST_MAX,
        }
    }

    /// Is it there only for servers and clients that know nothing better? RFC 8573 deprecates MD5, and SHA-1 is broken as
    /// a hash; neither is a message authentication code by design.
    pub const fn is_for_old_peers(self) -> bool {
        match self {
            Self::Aes128 | Self::Aes256 | Self::Sha256 => false,
            Self::Sha1 | Self::Md5 => true,
        }
    }

    /// The shortest and the longest secret it takes, in bytes.
    pub const fn secret_lens(self) -> (usize, usize) {
        match self {
            Self::Aes128 => (16, 16),
            Self::Aes256 => (32, 32),
            Self::Sha256 | Self::Sha1 | Self::Md5 => (1, SECRET_MAX),
        }
    }
}

/// Why a key cannot be used. Completes "cannot use this key: ..".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// Key id 0 on the wire means "no key".
    IdZero,
    /// The secret has another length than the kind takes.
    SecretLength {
        /// What it has, in bytes.
        has: usize,
        /// The least that the kind takes, in bytes.
        min: usize,
        /// The most that the kind takes, in bytes.
        max: usize,
    },
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IdZero => f.write_str("its id is 0, which means no key at all"),
            Self::SecretLength { has, min, max } if min == max => {
                write!(f, "its secret has {has} bytes instead of {min}")
            }
            Self::SecretLength { has, min, max } => {
                write!(f, "its secret has {has} bytes instead of {min} to {max}")
            }
        }
    }
}

impl core::error::Error for KeyError {}

impl Key {
    /// A key from its parts.
    ///
    /// # Errors
    /// The id is zero, or the secret has a length that the kind does not take.
    pub fn new(id: u32, kind: KeyKind, secret: Vec<u8>) -> Result<Self, KeyError> {
        let secret = Zeroizing::new(secret);
        let id = NonZeroU32::new(id).ok_or(KeyError::IdZero)?;
        let (min, max) = kind.secret_lens();
        match secret.len() {
            has if has < min || has > max => Err(KeyError::SecretLength { has, min, max }),
            _ => Ok(Self { id, kind, secret }),
        }
    }

    /// The number by which both sides know the key, never zero.
    pub fn id(&self) -> u32 {
        self.id.get()
    }

    /// How it makes a digest.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// How long its secret is, in bits.
    pub fn bits(&self) -> usize {
        self.secret.len() * 8
    }

    /// Seals a packet: appends the key id and the digest of all that is there.
    pub fn append(&self, packet: &mut Vec<u8>) {
        let digest = self.digest(packet);
        packet.extend_from_slice(&self.id().to_be_bytes());
        packet.extend_from_slice(digest.as_bytes());
    }

    /// The header of a packet with its MAC behind it. Nothing is allocated.
    pub fn seal(&self, header: &[u8; HEADER_LEN]) -> Sealed {
        self.seal_like(header, self.kind.digest_len())
    }

    /// The same, with a digest of as many bytes as another one has that is right ([`verify`](Self::verify)).
    pub fn seal_like(&self, header: &[u8; HEADER_LEN], digest_len: usize) -> Sealed {
        let digest = self.digest(header).of_length(digest_len);
        let mut bytes = [0; SEALED_MAX];
        let (packet, mac) = bytes.split_at_mut(HEADER_LEN);
        let (id, rest) = mac.split_at_mut(KEY_ID_LEN);
        packet.copy_from_slice(header);
        id.copy_from_slice(&self.id().to_be_bytes());
        rest[..digest.length].copy_from_slice(digest.as_bytes());
        Sealed { bytes, length: HEADER_LEN + KEY_ID_LEN + digest.length }
    }

    /// Is this the digest of these bytes under this key? Takes the same time wherever the digest is wrong; a
    /// digest of the wrong length is wrong.
    pub fn verify(&self, covered: &[u8], digest: &[u8]) -> bool {
        self.digest(covered).of_length(digest.len()).as_bytes().ct_eq(digest).into()
    }

    fn digest(&self, bytes: &[u8]) -> Digest {
        match self.kind {
            KeyKind::Aes128 => self.cmac::<Cmac<Aes128>>(bytes),
            KeyKind::Aes256 => self.cmac::<Cmac<Aes256>>(bytes),
            KeyKind::Sha256 => self.hash::<Sha256>(bytes),
            KeyKind::Sha1 => self.hash::<Sha1>(bytes),
            KeyKind::Md5 => self.hash::<Md5>(bytes),
        }
    }

    fn hash<H: md5::Digest>(&self, bytes: &[u8]) -> Digest {
        let whole = H::new().chain_update(self.secret.as_slice()).chain_update(bytes).finalize();
        Digest::cut(&whole, self.kind)
    }

    fn cmac<C: KeyInit + cmac::Mac>(&self, bytes: &[u8]) -> Digest {
        let keyed = <C as KeyInit>::new_from_slice(&self.secret)
            .expect("the length was checked when the key was made");
        Digest::cut(&keyed.chain_update(bytes).finalize().into_bytes(), self.kind)
    }
}

impl fmt::Debug for Key {
    /// Everything but the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// A packet of a header and its MAC (RFC 5905, section 7.3).
///
/// ```text
///   0           48       52                      68 or 72
///   +-----------+--------+-----------------------+
///   | header    | key id | digest                |
///   +-----------+--------+-----------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    bytes: [u8; SEALED_MAX],
    length: usize,
}

impl Sealed {
    /// What goes on the wire: 68 or 72 bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// A digest as it goes on the wire.
struct Digest {
    bytes: [u8; DIGEST_WHOLE],
    whole: usize,
    length: usize,
}

impl Digest {
    fn cut(whole: &[u8], kind: KeyKind) -> Self {
        let mut bytes = [0; DIGEST_WHOLE];
        bytes[..whole.len()].copy_from_slice(whole);
        Self { bytes, whole: whole.len(), length: kind.digest_len() }
    }

    /// The whole of it where so many bytes are wanted; else as it goes on the wire of version 4.
    fn of_length(self, wanted: usize) -> Self {
        if wanted == self.whole { Self { length: self.whole, ..self } } else { self }
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::ToString;
    use std::{format, vec};

    const KINDS: [KeyKind; 5] =
        [KeyKind::Aes128, KeyKind::Aes256, KeyKind::Sha256, KeyKind::Sha1, KeyKind::Md5];

    #[test]
    fn cmac_gives_the_published_digests() {
        let secret = hex("2b7e151628aed2a6abf7158809cf4f3c");
        let key = Key::new(1, KeyKind::Aes128, secret).unwrap();
        // RFC 4493, section 4, examples 1 and 2.
        assert_eq!(key.digest(&[]).as_bytes(), hex("bb1d6929e95937287fa37d129b756746"));
        let block = hex("6bc1bee22e409f96e93d7e117393172a");
        assert_eq!(key.digest(&block).as_bytes(), hex("070a16b46b4d4144f79bdd9dd04a287c"));
        // NIST SP 800-38B, appendix D.3, example 10.
        let secret = hex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
        let key = Key::new(1, KeyKind::Aes256, secret).unwrap();
        assert_eq!(key.digest(&block).as_bytes(), hex("28a7023f452e8f82bd4bf28d8c37c35c"));
    }

    #[test]
    fn hashing_keys_hash_the_secret_and_then_the_packet() {
        // The published digests of "abc" (RFC 1321, FIPS 180-4), the last one cut.
        let digests = [
            (KeyKind::Md5, "900150983cd24fb0d6963f7d28e17f72"),
            (KeyKind::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (KeyKind::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a3"),
        ];
        for (kind, digest) in digests {
            let key = Key::new(1, kind, b"a".to_vec()).unwrap();
            assert_eq!(key.digest(b"bc").as_bytes(), hex(digest), "{kind:?}");
        }
    }

    #[test]
    fn a_sealed_packet_ends_in_key_id_and_digest() {
        for kind in KINDS {
            let mut packet = vec![0x23; 48];
            key(kind).append(&mut packet);
            assert_eq!(packet.len(), 48 + 4 + kind.digest_len());
            assert_eq!(packet[48..52], [0, 0, 0, 7]);
            assert!(key(kind).verify(&packet[..48], &packet[52..]));
        }
    }

    #[test]
    fn a_header_is_sealed_in_place_as_any_packet_is() {
        for kind in KINDS {
            let mut packet = vec![0x24; HEADER_LEN];
            let sealed = key(kind).seal(&[0x24; HEADER_LEN]);
            key(kind).append(&mut packet);
            assert_eq!(sealed.as_bytes(), packet, "{kind:?}");
        }
    }

    // How long a comparison takes is measured by the example `mac_timing`; here is that every byte takes part in it.
    #[test]
    fn bad_input_13_one_wrong_bit_anywhere_is_wrong() {
        for kind in KINDS {
            let digest = key(kind).digest(b"packet").as_bytes().to_vec();
            for bit in 0..digest.len() * 8 {
                let mut wrong = digest.clone();
                wrong[bit / 8] ^= 1 << (bit % 8);
                assert!(!key(kind).verify(b"packet", &wrong), "{kind:?}, bit {bit}");
            }
            assert!(!key(kind).verify(b"packet", &digest[1..]));
            assert!(!key(kind).verify(b"packet", &[]));
        }
    }

    #[test]
    fn the_secret_is_never_shown() {
        let key = Key::new(7, KeyKind::Md5, b"hunter2".to_vec()).unwrap();
        assert_eq!(format!("{key:?}"), "Key { id: 7, kind: Md5, .. }");
    }

    #[test]
    fn keys_that_cannot_be_say_why() {
        let why = |id, kind, length| Key::new(id, kind, vec![1; length]).unwrap_err().to_string();
        assert_eq!(why(0, KeyKind::Md5, 8), "its id is 0, which means no key at all");
        assert_eq!(why(1, KeyKind::Aes128, 15), "its secret has 15 bytes instead of 16");
        assert_eq!(why(1, KeyKind::Sha1, 0), "its secret has 0 bytes instead of 1 to 256");
        assert_eq!(why(1, KeyKind::Sha256, 257), "its secret has 257 bytes instead of 1 to 256");
    }

    proptest! {
        #[test]
        fn another_packet_has_another_digest(packet in prop::collection::vec(any::<u8>(), 48..120), at in 0usize..48) {
            for kind in KINDS {
                let mut other = packet.clone();
                other[at] ^= 1;
                prop_assert!(!key(kind).verify(&other, key(kind).digest(&packet).as_bytes()));
            }
        }
    }

    fn key(kind: KeyKind) -> Key {
        let (length, _) = kind.secret_lens();
        Key::new(7, kind, vec![0x5a; length]).unwrap()
    }

    fn hex(text: &str) -> Vec<u8> {
        let nibbles: Vec<u8> = text.chars().map(|c| c.to_digit(16).unwrap() as u8).collect();
        nibbles.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }
}

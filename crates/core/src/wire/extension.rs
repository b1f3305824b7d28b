//! What follows the header: extension fields, then perhaps a message authentication code.
//!
//! The whole trailer is walked once, up to [`FIELDS_MAX`] fields, before anybody sees a part of it. What the fields
//! mean is not known here, and a MAC is found but not checked.
//!
//! RFC 5905 leaves it open where the fields end and the MAC begins; RFC 7822, section 3, closes it for version 4 by
//! lengths alone. A last field without a MAC behind it has at least 28 bytes and a MAC has at most 24, so from the
//! bytes that remain there is one way to read on:
//!
//! ```text
//!   remaining   is
//!   0           the end
//!   4           a crypto-NAK, if all zero: the server could not check our MAC
//!   20, 24      a MAC: key id and digest of 16 or 20 bytes
//!   28..        an extension field, and the rest
//!   else        malformed
//! ```
//!
//! Versions 1 to 3 have no extension fields, and a MAC there may also have 36 bytes.

use super::{DATAGRAM_MAX, HEADER_LEN, Malformed};

/// The most extension fields that are read of one datagram.
pub const FIELDS_MAX: usize = 32;

const FIELD_MIN: usize = 16;
const LAST_FIELD_MIN: usize = 28;
const KEY_ID_LEN: usize = 4;
const MAC_LENGTHS: [usize; 2] = [20, 24];
/// Without extension fields a MAC may be longer: chronyd asks in version 3 where a digest of SHA-256 has all its 32 bytes.
const MAC_LENGTH_WHOLE: usize = 36;

/// What follows the header of one datagram, walked to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer<'a> {
    fields: &'a [u8],
    /// How the datagram ends.
    pub seal: Seal<'a>,
}

/// How a datagram ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal<'a> {
    /// Without a MAC.
    None,
    /// With four bytes of zero: the server could not check the MAC of the question (RFC 5905, section 9.2).
    CryptoNak,
    /// With a MAC, not checked yet.
    Mac(Mac<'a>),
}

/// A message authentication code as it came (RFC 5905, section 7.3; RFC 8573).
///
/// ```text
///   0        4                       20 or 24
///   +--------+-----------------------+
///   | key id | digest                |
///   +--------+-----------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mac<'a> {
    /// Which of the keys that the two sides share; zero names none.
    pub key_id: u32,
    /// 16 or 20 bytes; in version 3 also 32.
    pub digest: &'a [u8],
    /// What the digest was made over: all bytes before the key id.
    pub covered: &'a [u8],
}

impl<'a> Trailer<'a> {
    /// Walks what follows the header of a datagram of this protocol version.
    ///
    /// # Errors
    /// Any [`Malformed`], at the first byte that cannot be read on from.
    pub fn parse(datagram: &'a [u8], version: u8) -> Result<Self, Malformed> {
        if datagram.len() > DATAGRAM_MAX {
            return Err(Malformed::Long);
        }
        let (_, trailer) = datagram.split_at_checked(HEADER_LEN).ok_or(Malformed::Short)?;
        let length = if version < 4 { 0 } else { fields_length(trailer)? };
        let (fields, rest) = trailer.split_at(length);
        let covered = &datagram[..HEADER_LEN + length];
        let longest = if version < 4 { Some(MAC_LENGTH_WHOLE) } else { None };
        Ok(Self { fields, seal: Seal::parse(rest, covered, longest)? })
    }

    /// The extension fields in their order.
    pub fn fields(&self) -> Fields<'a> {
        Fields { rest: self.fields }
    }

    /// Those of them that lie in the first so many bytes behind the header.
    pub fn fields_up_to(&self, end: usize) -> Fields<'a> {
        Fields { rest: &self.fields[..end.min(self.fields.len())] }
    }
}

/// How many bytes the extension fields take.
fn fields_length(trailer: &[u8]) -> Result<usize, Malformed> {
    let mut rest = trailer;
    for _ in 0..FIELDS_MAX {
        if rest.len() < LAST_FIELD_MIN {
            return Ok(trailer.len() - rest.len());
        }
        (_, rest) = Field::split(rest)?;
    }
    if rest.len() < LAST_FIELD_MIN { Ok(trailer.len() - rest.len()) } else { Err(Malformed::FieldsTooMany) }
}

impl<'a> Seal<'a> {
    fn parse(rest: &'a [u8], covered: &'a [u8], longest: Option<usize>) -> Result<Self, Malformed> {
        match rest.split_first_chunk::<KEY_ID_LEN>() {
            None if rest.is_empty() => Ok(Self::None),
            Some(([0, 0, 0, 0], [])) => Ok(Self::CryptoNak),
            Some((id, digest)) if MAC_LENGTHS.contains(&rest.len()) || longest == Some(rest.len()) => {
                Ok(Self::Mac(Mac { key_id: u32::from_be_bytes(*id), digest, covered }))
            }
            _ => Err(Malformed::MacLength),
        }
    }
}

/// An extension field (RFC 7822, section 3).
///
/// ```text
///   0      2        4                     length
///   +------+--------+---------------------+
///   | kind | length | value, padded       |
///   +------+--------+---------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The field type, from the registry of RFC 5905, section 16.
    pub kind: u16,
    /// The value together with its padding: at least 12 bytes.
    pub value: &'a [u8],
}

impl<'a> Field<'a> {
    /// The first field, and what follows it.
    fn split(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), Malformed> {
        let (&[k0, k1, l0, l1], _) = bytes.split_first_chunk().ok_or(Malformed::FieldShort)?;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        if length < FIELD_MIN {
            return Err(Malformed::FieldShort);
        }
        if !length.is_multiple_of(4) {
            return Err(Malformed::FieldUnaligned);
        }
        let (field, rest) = bytes.split_at_checked(length).ok_or(Malformed::FieldBeyondEnd)?;
        Ok((Self { kind: u16::from_be_bytes([k0, k1]), value: &field[4..] }, rest))
    }
}

/// The extension fields of a [`Trailer`], in their order.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Walks fields that follow one another and nothing else, to their end: those that NTS encrypts (RFC 8915,
    /// section 5.6). No MAC can follow them, so the last one may be as short as any.
    ///
    /// # Errors
    /// Any [`Malformed`], at the first byte that cannot be read on from.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut rest = bytes;
        for _ in 0..FIELDS_MAX {
            if rest.is_empty() {
                return Ok(Self { rest: bytes });
            }
            (_, rest) = Field::split(rest)?;
        }
        if rest.is_empty() { Ok(Self { rest: bytes }) } else { Err(Malformed::FieldsTooMany) }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        // The trailer was walked when it was parsed: an error here is nothing but the end of the bytes.
        let (field, rest) = Field::split(self.rest).ok()?;
        self.rest = rest;
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    #[test]
    fn a_bare_header_has_no_trailer() {
        let trailer = Trailer::parse(&[0; 48], 4).unwrap();
        assert_eq!((trailer.fields().count(), trailer.seal), (0, Seal::None));
    }

    #[test]
    fn fields_come_out_as_they_went_in() {
        let datagram = with(&[field(0x0104, 36), field(0x0204, 16), field(0x4000, 28)].concat());
        let trailer = Trailer::parse(&datagram, 4).unwrap();
        let shapes: Vec<_> = trailer.fields().map(|field| (field.kind, field.value.len())).collect();
        assert_eq!(shapes, [(0x0104, 32), (0x0204, 12), (0x4000, 24)]);
        assert_eq!(trailer.seal, Seal::None);
    }

    #[test]
    fn a_mac_is_found_behind_header_and_fields() {
        for (fields, mac) in [(vec![], 20), (vec![], 24), (field(7, 16), 20), (field(7, 28), 24)] {
            let datagram = with(&[fields.as_slice(), &[0, 0, 0, 9], &vec![0xdd; mac - 4]].concat());
            let covered = &datagram[..48 + fields.len()];
            let expected = Mac { key_id: 9, digest: &vec![0xdd; mac - 4], covered };
            assert_eq!(Trailer::parse(&datagram, 4).map(|trailer| trailer.seal), Ok(Seal::Mac(expected)));
        }
    }

    #[test]
    fn four_zeros_are_a_crypto_nak_and_four_other_bytes_are_nothing() {
        for version in 1..=4 {
            assert_eq!(Trailer::parse(&with(&[0; 4]), version).unwrap().seal, Seal::CryptoNak);
            assert_eq!(Trailer::parse(&with(&[0, 0, 0, 1]), version), Err(Malformed::MacLength));
        }
        let behind_a_field = with(&[field(7, 28), vec![0; 4]].concat());
        assert_eq!(Trailer::parse(&behind_a_field, 4).unwrap().seal, Seal::CryptoNak);
    }

    #[test]
    fn bad_input_12_other_mac_lengths_are_malformed() {
        for length in (1..28).filter(|length| ![4, 20, 24].contains(length)) {
            assert_eq!(Trailer::parse(&with(&vec![0; length]), 4), Err(Malformed::MacLength), "{length}");
        }
        for length in (1..200).filter(|length| ![4, 20, 24, 36].contains(length)) {
            assert_eq!(Trailer::parse(&with(&vec![0; length]), 3), Err(Malformed::MacLength), "{length}");
        }
    }

    #[test]
    fn bad_input_24_lengths_of_datagrams() {
        for length in 0..48 {
            assert_eq!(Trailer::parse(&vec![0; length], 4), Err(Malformed::Short), "{length}");
        }
        for length in 49..=51 {
            assert_eq!(Trailer::parse(&vec![0; length], 4), Err(Malformed::MacLength), "{length}");
        }
        for length in [DATAGRAM_MAX + 1, 65_535] {
            assert_eq!(Trailer::parse(&vec![0; length], 4), Err(Malformed::Long), "{length}");
        }
    }

    #[test]
    fn bad_input_24_lengths_of_fields() {
        let claims = [
            (0, Malformed::FieldShort),
            (4, Malformed::FieldShort),
            (15, Malformed::FieldShort),
            (17, Malformed::FieldUnaligned),
            (30, Malformed::FieldUnaligned),
            (36, Malformed::FieldBeyondEnd),
            (65_532, Malformed::FieldBeyondEnd),
            (65_535, Malformed::FieldUnaligned),
        ];
        for (claim, reason) in claims {
            let mut lying = field(7, 32);
            lying[2..4].copy_from_slice(&u16::to_be_bytes(claim));
            assert_eq!(Trailer::parse(&with(&lying), 4), Err(reason), "{claim}");
        }
    }

    #[test]
    fn bad_input_24_too_many_fields() {
        let most = [field(7, 16).repeat(FIELDS_MAX - 1), field(7, 28)].concat();
        assert_eq!(Trailer::parse(&with(&most), 4).map(|trailer| trailer.fields().count()), Ok(FIELDS_MAX));
        let one_more = field(7, 16).repeat(FIELDS_MAX + 1);
        let one_more = with(&[one_more, field(7, 28)].concat());
        assert_eq!(Trailer::parse(&one_more, 4), Err(Malformed::FieldsTooMany));
        assert_eq!(Trailer::parse(&with(&field(7, 16).repeat(10_000)), 4), Err(Malformed::Long));
    }

    proptest! {
        #[test]
        fn any_bytes_are_walked(datagram in prop::collection::vec(any::<u8>(), 0..300), version in 0u8..8) {
            if let Ok(trailer) = Trailer::parse(&datagram, version) {
                prop_assert!(trailer.fields().count() <= FIELDS_MAX);
            }
        }

        #[test]
        fn every_byte_of_the_trailer_is_accounted_for(
            lengths in prop::collection::vec(7usize..40, 0..8),
            mac in prop::sample::select(vec![0, 20, 24]),
        ) {
            let fields: Vec<u8> = lengths.iter().flat_map(|words| field(7, words * 4)).collect();
            let datagram = with(&[fields.clone(), vec![1; mac]].concat());
            let trailer = Trailer::parse(&datagram, 4).unwrap();
            prop_assert_eq!(trailer.fields().map(|field| field.value.len() + 4).sum::<usize>(), fields.len());
            prop_assert_eq!(trailer.fields().count(), lengths.len());
            prop_assert_eq!(matches!(trailer.seal, Seal::Mac(_)), mac > 0);
        }
    }

    proptest! {
        #[test]
        fn fields_alone_are_walked_to_their_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(fields) = Fields::parse(&bytes) {
                prop_assert_eq!(fields.map(|field| field.value.len() + 4).sum::<usize>(), bytes.len());
            }
        }
    }

    #[test]
    fn fields_alone_may_end_with_a_short_one() {
        let count = |bytes: &[u8]| Fields::parse(bytes).map(Iterator::count);
        assert_eq!(count(&[]), Ok(0));
        assert_eq!(count(&[field(1, 104), field(2, 16)].concat()), Ok(2));
        assert_eq!(count(&[field(1, 104), vec![0; 4]].concat()), Err(Malformed::FieldShort));
        assert_eq!(count(&field(1, 104)[..100]), Err(Malformed::FieldBeyondEnd));
        assert_eq!(count(&field(1, 16).repeat(FIELDS_MAX)), Ok(FIELDS_MAX));
        assert_eq!(count(&field(1, 16).repeat(FIELDS_MAX + 1)), Err(Malformed::FieldsTooMany));
    }

    fn with(trailer: &[u8]) -> Vec<u8> {
        [&[0x23; 48], trailer].concat()
    }

    fn field(kind: u16, length: usize) -> Vec<u8> {
        let mut bytes = vec![0xee; length];
        bytes[..2].copy_from_slice(&kind.to_be_bytes());
        bytes[2..4].copy_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
        bytes
    }
}

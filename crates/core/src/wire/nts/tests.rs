//! The names carry the numbers of the project's list of bad inputs.

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::wire::DATAGRAM_MAX;
use crate::wire::extension::Seal;
use crate::wire::nts_ke::COOKIES_MAX;

#[test]
fn a_question_is_read_as_it_was_written() {
    for aead in Aead::ALL {
        let datagram = question(aead, 100, 3, &[]);
        let read = read(&datagram).unwrap();
        assert_eq!((read.unique_id, read.cookie), (&[7; 32][..], &[9; 100][..]));
        assert_eq!((read.placeholders, read.sealed.end), (3, datagram.len()));
        assert_eq!(read.sealed.associated.len(), 48 + 36 + 4 * 104);
        assert_eq!(read.sealed.leaves_room(aead), Ok(()));
        let mut buffer = [0; DATAGRAM_MAX];
        assert_eq!(read.sealed.open(&mut cipher(aead), &mut buffer), Ok(&[][..]));
    }
}

#[test]
fn what_is_encrypted_is_read_as_it_was_written() {
    let inner = field(COOKIE, &[5; 100]);
    for aead in Aead::ALL {
        let datagram = question(aead, 68, 0, &inner);
        let mut buffer = [0; DATAGRAM_MAX];
        let sealed = read(&datagram).unwrap().sealed;
        assert_eq!(sealed.open(&mut cipher(aead), &mut buffer), Ok(&inner[..]));
        assert_eq!(sealed.open(&mut cipher(aead), &mut [0; 10]), Err(Forged));
    }
}

#[test]
fn eight_cookies_fit_into_every_datagram_that_is_read() {
    // Ours and chronyd's have 100 bytes at the most; the longest that is kept asks for fewer.
    let length =
        HEADER_LEN + field_len(32) + COOKIES_MAX * field_len(100) + authenticator_len(Aead::SivCmac256, 0);
    assert_eq!(length, 956);
    assert_eq!(question(Aead::SivCmac256, 100, 7, &[]).len(), length);
    let answer =
        HEADER_LEN + field_len(32) + authenticator_len(Aead::SivCmac256, COOKIES_MAX * field_len(100));
    assert_eq!(answer, length);
    assert!(length < DATAGRAM_MAX / 2);
}

#[test]
fn fields_are_never_shorter_than_any() {
    assert_eq!([0, 1, 12, 13, 32, 100, 101].map(field_len), [16, 16, 16, 20, 36, 104, 108]);
    for length in 1..40 {
        let datagram = question(Aead::SivCmac256, length, 1, &[]);
        assert_eq!(read(&datagram).map(|read| read.placeholders), Ok(1), "{length}");
    }
}

#[test]
fn what_is_no_datagram_of_nts_is_told_apart() {
    assert_eq!(read(&[0x23; 48]), Err(Flaw::Unprotected));
    // A unique identifier may stand alone.
    assert_eq!(read(&with(&[field(UNIQUE_ID, &[7; 32])])), Err(Flaw::Unprotected));
    assert_eq!(read(&with(&[field(PLACEHOLDER, &[0; 100])])), Err(Flaw::Unprotected));
}

#[test]
fn a_question_has_each_field_once() {
    let (id, cookie, seal) =
        (field(UNIQUE_ID, &[7; 32]), field(COOKIE, &[9; 100]), authenticator(16, 16, 32));
    let cases = [
        (vec![&id, &cookie], Err(Flaw::AuthenticatorMissing)),
        (vec![&cookie, &seal], Err(Flaw::UniqueIdMissing)),
        (vec![&id, &seal], Err(Flaw::CookieMissing)),
        (vec![&id, &cookie, &cookie, &seal], Err(Flaw::CookieTwice)),
        (vec![&cookie, &id, &seal], Ok(())),
        // The first authenticator ends what is looked at.
        (vec![&id, &seal, &cookie], Err(Flaw::CookieMissing)),
        (vec![&seal, &id, &cookie], Err(Flaw::UniqueIdMissing)),
        (vec![&id, &cookie, &seal, &seal], Ok(())),
    ];
    for (fields, verdict) in cases {
        let fields: Vec<_> = fields.into_iter().cloned().collect();
        assert_eq!(read(&with(&fields)).map(|_| ()), verdict, "{fields:?}");
    }
}

#[test]
fn bad_input_51_what_follows_the_authenticator_is_as_good_as_not_there() {
    let honest = question(Aead::SivCmac256, 100, 2, &[]);
    let behind = [
        field(COOKIE, &[1; 100]),
        field(PLACEHOLDER, &[0; 100]),
        field(UNIQUE_ID, &[1; 32]),
        field(UNIQUE_ID, &[1; 24]),
        authenticator(1, 0, 32),
    ];
    for field in behind {
        let more = [honest.as_slice(), &field].concat();
        assert_eq!(read(&more), read(&honest));
    }
}

#[test]
fn bad_input_52_unique_identifiers_are_one_and_long_enough() {
    let rest = [field(COOKIE, &[9; 100]), authenticator(16, 16, 32)].concat();
    for length in [12, 16, 24, 28] {
        let short = with(&[field(UNIQUE_ID, &vec![7; length]), rest.clone()]);
        assert_eq!(read(&short), Err(Flaw::UniqueIdShort), "{length}");
    }
    let two = with(&[field(UNIQUE_ID, &[7; 32]), field(UNIQUE_ID, &[7; 32]), rest.clone()]);
    assert_eq!(read(&two), Err(Flaw::UniqueIdTwice));
    let long = with(&[field(UNIQUE_ID, &[7; 600]), rest]);
    assert_eq!(read(&long).map(|read| read.unique_id.len()), Ok(600));
}

#[test]
fn bad_input_53_lengths_of_nonce_and_text_that_lie() {
    let cases = [
        (0, 16, Err(Flaw::NonceLength)),
        (65_535, 16, Err(Flaw::NonceLength)),
        (65_533, 16, Err(Flaw::NonceLength)),
        (33, 16, Err(Flaw::NonceLength)),
        (16, 17, Err(Flaw::TextLength)),
        (17, 16, Err(Flaw::TextLength)),
        (16, 15, Err(Flaw::TextLength)),
        (16, 0, Err(Flaw::TextLength)),
        (16, 65_535, Err(Flaw::TextLength)),
        (32, 1, Err(Flaw::TextLength)),
        (16, 16, Ok(())),
        (13, 16, Ok(())),
        (1, 28, Ok(())),
    ];
    for (nonce, text, verdict) in cases {
        let lying =
            with(&[field(UNIQUE_ID, &[7; 32]), field(COOKIE, &[9; 100]), authenticator(nonce, text, 32)]);
        assert_eq!(read(&lying).map(|_| ()), verdict, "nonce {nonce}, text {text}");
    }
    // No room for the lengths of anything.
    let empty = with(&[field(UNIQUE_ID, &[7; 32]), field(COOKIE, &[9; 100]), field(AUTHENTICATOR, &[0; 24])]);
    assert_eq!(read(&empty).map(|_| ()), Err(Flaw::NonceLength));
}

#[test]
fn a_short_nonce_has_to_leave_room_for_a_long_one() {
    let cases = [
        (16, 32, Ok(()), Ok(())),
        (12, 28, Err(Flaw::PaddingShort), Ok(())),
        (12, 32, Ok(()), Ok(())),
        (1, 32, Err(Flaw::PaddingShort), Ok(())),
        (1, 36, Ok(()), Ok(())),
        (4, 24, Err(Flaw::PaddingShort), Err(Flaw::PaddingShort)),
    ];
    for (nonce, room, siv, gcm) in cases {
        let datagram =
            with(&[field(UNIQUE_ID, &[7; 32]), field(COOKIE, &[9; 100]), authenticator(nonce, 16, room)]);
        let sealed = read(&datagram).unwrap().sealed;
        assert_eq!(sealed.leaves_room(Aead::SivCmac256), siv, "{nonce} in {room}");
        assert_eq!(sealed.leaves_room(Aead::GcmSiv128), gcm, "{nonce} in {room}");
    }
}

#[test]
fn bad_input_65_placeholders_of_another_length_do_not_count() {
    let count = |lengths: &[usize]| {
        let places = lengths.iter().flat_map(|length| field(PLACEHOLDER, &vec![0; *length])).collect();
        let datagram =
            with(&[places, field(UNIQUE_ID, &[7; 32]), field(COOKIE, &[9; 100]), authenticator(16, 16, 32)]);
        read(&datagram).map(|read| read.placeholders)
    };
    assert_eq!(count(&[100, 100]), Ok(2));
    assert_eq!(count(&[96, 100, 104, 12, 0]), Ok(1));
}

proptest! {
    #[test]
    fn any_bytes_are_fields_or_a_flaw(
        fields in prop::collection::vec(
            (prop::sample::select(vec![UNIQUE_ID, COOKIE, PLACEHOLDER, AUTHENTICATOR, 1]),
             prop::collection::vec(any::<u8>(), 24..60)),
            0..6,
        ),
    ) {
        let fields: Vec<_> = fields.iter().map(|(kind, value)| field(*kind, value)).collect();
        let datagram = with(&fields);
        let trailer = Trailer::parse(&datagram, 4).unwrap();
        prop_assert_eq!(trailer.seal, Seal::None);
        let _ = (Answer::read(&datagram, &trailer), unique_id(&datagram, &trailer));
        if let Ok(question) = Question::read(&datagram, &trailer) {
            prop_assert!(question.unique_id.len() >= UNIQUE_ID_LEN);
            prop_assert!(!question.sealed.nonce.is_empty() && question.sealed.text.len() >= TAG_LEN);
            prop_assert!(question.sealed.end <= datagram.len());
            let mut buffer = [0; DATAGRAM_MAX];
            prop_assert_eq!(question.sealed.open(&mut cipher(Aead::SivCmac256), &mut buffer), Err(Forged));
        }
    }
}

fn cipher(aead: Aead) -> Cipher {
    Cipher::new(aead, &vec![3; aead.key_len()]).unwrap()
}

fn read(datagram: &[u8]) -> Result<Question<'_>, Flaw> {
    Question::read(datagram, &Trailer::parse(datagram, 4).unwrap())
}

fn with(fields: &[Vec<u8>]) -> Vec<u8> {
    [vec![0x23; 48], fields.concat()].concat()
}

fn field(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; field_len(value.len())];
    put_field(&mut bytes, kind, value);
    bytes
}

/// An authenticator that says what it likes about the lengths of what is in it.
fn authenticator(nonce: u16, text: u16, room: usize) -> Vec<u8> {
    let lengths = [nonce.to_be_bytes(), text.to_be_bytes()].concat();
    field(AUTHENTICATOR, &[lengths, vec![0xaa; room]].concat())
}

fn question(aead: Aead, cookie_len: usize, placeholders: usize, inner: &[u8]) -> Vec<u8> {
    let places = field(PLACEHOLDER, &vec![0; cookie_len]).repeat(placeholders);
    let mut datagram = with(&[field(UNIQUE_ID, &[7; 32]), field(COOKIE, &vec![9; cookie_len]), places]);
    datagram.resize(datagram.len() + authenticator_len(aead, inner.len()), 0);
    let nonce = vec![4; aead.nonce_len()];
    authenticate(&mut datagram, inner.len(), &mut cipher(aead), &nonce, |place| place.copy_from_slice(inner));
    datagram
}

use std::string::ToString;
use std::vec;

use proptest::prelude::*;

use super::*;
use crate::wire::extension::{Seal, Trailer};
use crate::wire::mac::KeyKind;

const KINDS: [KeyKind; 5] = [KeyKind::Aes128, KeyKind::Aes256, KeyKind::Sha256, KeyKind::Sha1, KeyKind::Md5];
const ANSWER: [u8; HEADER_LEN] = [0x24; HEADER_LEN];

#[test]
fn a_sealed_question_has_an_answer_under_its_own_key() {
    for kind in KINDS {
        let key = key(7, kind, 1);
        let ring = ring(&[(&key, "10.0.0.0/8")]);
        let question = key.seal(&[0x23; HEADER_LEN]);
        let sealed = ring.seal(near(), &mac(question.as_bytes()), &ANSWER).unwrap();
        assert_eq!(sealed.as_bytes().len(), question.as_bytes().len(), "{kind:?}");
        assert_eq!(sealed.as_bytes()[..HEADER_LEN], ANSWER);
        let answered = mac(sealed.as_bytes());
        assert_eq!(answered.key_id, 7);
        assert!(key.verify(&ANSWER, answered.digest), "{kind:?}");
    }
}

/// As chronyd asks with a key of SHA-256: in version 3, where nothing has to be cut.
#[test]
fn a_whole_digest_is_answered_by_a_whole_one() {
    let key = key(7, KeyKind::Sha256, 1);
    let ring = ring(&[(&key, "10.0.0.0/8")]);
    let question = key.seal_like(&[0x1b; HEADER_LEN], 32);
    let Seal::Mac(mac) = Trailer::parse(question.as_bytes(), 3).unwrap().seal else { panic!("it has a MAC") };
    assert_eq!((mac.digest.len(), Trailer::parse(question.as_bytes(), 4).is_err()), (32, true));
    let answer = ring.seal(near(), &mac, &ANSWER).unwrap();
    assert_eq!((answer.as_bytes().len(), key.verify(&ANSWER, &answer.as_bytes()[52..])), (84, true));
}

#[test]
fn extension_fields_are_covered_and_not_sent_back() {
    let key = key(7, KeyKind::Aes128, 1);
    let mut question = vec![0x23; HEADER_LEN];
    question.extend([0x01, 0x04, 0, 28]);
    question.extend([0; 24]);
    key.append(&mut question);
    let ring = ring(&[(&key, "10.0.0.0/8")]);
    assert_eq!(ring.seal(near(), &mac(&question), &ANSWER).map(|sealed| sealed.as_bytes().len()), Ok(68));
    question[60] ^= 1;
    assert_eq!(ring.seal(near(), &mac(&question), &ANSWER), Err(Silence::WrongMac));
}

/// CVE-2015-7974 and CVE-2016-1567: the holder of one key is nobody under another's address.
#[test]
fn bad_input_11_a_key_opens_nothing_from_anothers_address() {
    let (ours, theirs) = (key(7, KeyKind::Aes128, 1), key(8, KeyKind::Aes128, 2));
    let ring = ring(&[(&ours, "10.0.0.0/8"), (&theirs, "192.0.2.7")]);
    let ask = |key: &Key, client: &str| {
        let question = key.seal(&[0x23; HEADER_LEN]);
        ring.open(client.parse().unwrap(), &mac(question.as_bytes())).map(Key::id)
    };
    assert_eq!(ask(&ours, "10.1.2.3"), Ok(7));
    assert_eq!(ask(&ours, "::ffff:10.1.2.3"), Ok(7));
    assert_eq!(ask(&theirs, "192.0.2.7"), Ok(8));
    assert_eq!(ask(&theirs, "10.1.2.3"), Err(Silence::ForeignKey));
    assert_eq!(ask(&ours, "192.0.2.7"), Err(Silence::ForeignKey));
    assert_eq!(ask(&ours, "2001:db8::7"), Err(Silence::ForeignKey));
}

#[test]
fn bad_input_12_a_digest_of_another_kind_of_key_is_not_looked_at() {
    let (short, long) = (key(7, KeyKind::Md5, 1), key(7, KeyKind::Sha1, 1));
    for (known, used) in [(&short, &long), (&long, &short)] {
        let question = used.seal(&[0x23; HEADER_LEN]);
        let heard = ring(&[(known, "10.0.0.0/8")]).seal(near(), &mac(question.as_bytes()), &ANSWER);
        assert_eq!(heard, Err(Silence::MacLength));
    }
}

#[test]
fn a_seal_by_who_has_another_secret_is_broken() {
    for kind in KINDS {
        let question = key(7, kind, 2).seal(&[0x23; HEADER_LEN]);
        let ring = ring(&[(&key(7, kind, 1), "10.0.0.0/8")]);
        assert_eq!(ring.seal(near(), &mac(question.as_bytes()), &ANSWER), Err(Silence::WrongMac), "{kind:?}");
    }
}

#[test]
fn bad_input_14_a_key_that_is_not_served_is_not_answered() {
    let question = key(8, KeyKind::Aes128, 1).seal(&[0x23; HEADER_LEN]);
    let mac = mac(question.as_bytes());
    assert_eq!(Ring::default().seal(near(), &mac, &ANSWER), Err(Silence::UnknownKey));
    let ring = ring(&[(&key(7, KeyKind::Aes128, 1), "10.0.0.0/8"), (&key(9, KeyKind::Md5, 1), "::/0")]);
    assert_eq!(ring.seal(near(), &mac, &ANSWER), Err(Silence::UnknownKey));
    assert_eq!(ring.seal(near(), &Mac { key_id: 0, ..mac }, &ANSWER), Err(Silence::UnknownKey));
}

#[test]
fn every_key_of_a_full_ring_is_found() {
    let kinds = KINDS.iter().cycle();
    let keys: Vec<Arc<Key>> =
        (1..=KEYS_MAX as u32).rev().zip(kinds).map(|(id, kind)| key(id * 3, *kind, 1)).collect();
    let list: Vec<(&Arc<Key>, &str)> = keys.iter().map(|key| (key, "10.0.0.0/8")).collect();
    let ring = ring(&list);
    for key in &keys {
        let question = key.seal(&[0x23; HEADER_LEN]);
        assert_eq!(ring.open(near(), &mac(question.as_bytes())).map(Key::id), Ok(key.id()));
    }
}

#[test]
fn a_ring_that_cannot_be_says_why() {
    let grant = |id| Grant::new(key(id, KeyKind::Md5, 1), Vec::new()).unwrap();
    let twice = Ring::new(vec![grant(7), grant(1), grant(7)]).unwrap_err();
    assert_eq!(twice.to_string(), "two of them have the id 7");
    let many = (1..=KEYS_MAX as u32 + 1).map(grant).collect();
    assert_eq!(Ring::new(many).unwrap_err(), RingError::KeysTooMany);
    let prefix: Prefix = "10.0.0.0/8".parse().unwrap();
    let allow = [prefix].repeat(PREFIXES_MAX + 1);
    assert_eq!(Grant::new(key(7, KeyKind::Md5, 1), allow).unwrap_err(), PrefixesTooMany);
}

#[test]
fn no_secret_of_a_ring_is_shown() {
    let key = Arc::new(Key::new(7, KeyKind::Md5, b"hunter2".to_vec()).unwrap());
    let shown = std::format!("{:?}", ring(&[(&key, "10.0.0.0/8")]));
    assert!(shown.contains("id: 7") && !shown.contains("hunter2") && !shown.contains("104"), "{shown}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    /// Bad input 63: any fields, any MAC, right or wrong.
    #[test]
    fn a_sealed_answer_is_never_longer_than_its_question(
        kind in prop::sample::select(KINDS.to_vec()),
        fields in prop::collection::vec(1usize..8, 0..3),
        junk in prop::option::of(prop::collection::vec(any::<u8>(), 20)),
    ) {
        let key = key(7, kind, 1);
        let mut question = vec![0x23; HEADER_LEN];
        for words in fields {
            let length = 28 + 4 * words;
            question.extend([0x01, 0x04, 0, length as u8]);
            question.extend(vec![0x55; length - 4]);
        }
        key.append(&mut question);
        if let Some(junk) = &junk {
            let start = question.len() - kind.digest_len();
            question[start..].copy_from_slice(&junk[..kind.digest_len()]);
        }
        match ring(&[(&key, "10.0.0.0/8")]).seal(near(), &mac(&question), &ANSWER) {
            Ok(sealed) => prop_assert!(junk.is_none() && sealed.as_bytes().len() <= question.len()),
            Err(silence) => prop_assert_eq!((silence, junk.is_some()), (Silence::WrongMac, true)),
        }
    }
}

fn near() -> IpAddr {
    "10.1.2.3".parse().unwrap()
}

fn key(id: u32, kind: KeyKind, secret: u8) -> Arc<Key> {
    let (length, _) = kind.secret_lens();
    Arc::new(Key::new(id, kind, vec![secret; length]).unwrap())
}

fn ring(keys: &[(&Arc<Key>, &str)]) -> Ring {
    let grant = |(key, prefix): &(&Arc<Key>, &str)| {
        Grant::new(Arc::clone(key), vec![prefix.parse().unwrap()]).unwrap()
    };
    Ring::new(keys.iter().map(grant).collect()).unwrap()
}

fn mac(packet: &[u8]) -> Mac<'_> {
    match Trailer::parse(packet, 4).unwrap().seal {
        Seal::Mac(mac) => mac,
        seal @ (Seal::None | Seal::CryptoNak) => panic!("no MAC: {seal:?}"),
    }
}

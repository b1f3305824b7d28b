//! The names carry the numbers of the project's list of bad inputs.

use std::collections::BTreeSet;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use super::*;

#[test]
fn a_cookie_gives_back_what_was_sealed_in_it() {
    let (mut ring, mut rng) = ring(1);
    for aead in Aead::ALL {
        let keys = session(aead);
        let cookie = bake(&mut ring, &keys, &mut rng);
        assert!(is_of(&ring.open(&cookie), &keys));
    }
}

#[test]
fn cookies_are_short_and_fill_fields() {
    assert_eq!(Aead::ALL.map(len), [100, 68]);
    assert!(Aead::ALL.map(len).iter().all(|len| len.is_multiple_of(4) && *len <= LEN_MAX));
}

#[test]
fn no_two_cookies_of_a_client_are_equal_beyond_the_name_of_the_key() {
    let (mut ring, mut rng) = ring(2);
    let keys = session(Aead::SivCmac256);
    let cookies: BTreeSet<_> = (0..1000).map(|_| bake(&mut ring, &keys, &mut rng)[4..].to_vec()).collect();
    assert_eq!(cookies.len(), 1000);
}

#[test]
fn a_shared_ring_opens_cookies_of_the_next_day() {
    let (mut ring, mut rng) = ring(3);
    let mut elsewhere = Ring::from_bytes(&ring.to_bytes()).unwrap();
    ring.turn(NOW, &mut rng);
    let cookie = bake(&mut ring, &session(Aead::SivCmac256), &mut rng);
    assert!(elsewhere.open(&cookie).is_ok());
    ring.turn(NOW, &mut rng);
    let cookie = bake(&mut ring, &session(Aead::SivCmac256), &mut rng);
    assert_eq!(elsewhere.open(&cookie).map(|_| ()), Err(BadCookie::UnknownKey));
}

#[test]
fn turns_are_made_when_they_are_due() {
    let (mut ring, mut rng) = ring(4);
    let (first, hour) = (ring.sealing(), Span::from_secs(3600));
    assert_eq!(ring.due(TURN), NOW + TURN);
    assert_eq!(ring.catch_up(NOW + TURN - hour, TURN, &mut rng), 0);
    assert_eq!(ring.catch_up(NOW - TURN, TURN, &mut rng), 0);
    assert_eq!(ring.catch_up(NOW + TURN + hour, TURN, &mut rng), 1);
    assert_eq!((ring.sealing(), ring.due(TURN)), (first.wrapping_add(1), NOW + TURN + TURN));
    assert_eq!(ring.catch_up(NOW + TURN + hour, TURN, &mut rng), 0);
    let later = NOW + Span::from_secs(86_400 * 400);
    assert_eq!(ring.catch_up(later, TURN, &mut rng), KEYS_MAX);
    assert_eq!((ring.keys(), ring.due(TURN)), (KEYS_MAX, later + TURN));
    assert_eq!(ring.catch_up(later, Span::ZERO, &mut rng), KEYS_MAX);
}

#[test]
fn bad_input_66_what_is_no_cookie_of_ours_is_not_opened() {
    let (mut ring, mut rng) = ring(5);
    for aead in Aead::ALL {
        let cookie = bake(&mut ring, &session(aead), &mut rng);
        for length in (0..200).filter(|length| *length != cookie.len()) {
            let mut wrong = cookie.clone();
            wrong.resize(length, 0);
            assert_eq!(ring.open(&wrong).map(|_| ()), Err(BadCookie::Length), "{length} bytes");
        }
        for bit in 0..cookie.len() * 8 {
            let mut wrong = cookie.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(ring.open(&wrong).is_err(), "bit {bit}");
        }
        let mut stranger = cookie.clone();
        let unknown = ring.sealing().wrapping_add(2).to_be_bytes();
        stranger[2..4].copy_from_slice(&unknown);
        assert_eq!(ring.open(&stranger).map(|_| ()), Err(BadCookie::UnknownKey));
        stranger[..2].copy_from_slice(&17u16.to_be_bytes());
        assert_eq!(ring.open(&stranger).map(|_| ()), Err(BadCookie::Aead));
        assert!(ring.open(&cookie).is_ok());
    }
}

#[test]
fn bad_input_74_cookies_of_the_last_seven_days_are_opened_after_a_restart_and_the_eighth_key_is_gone() {
    let (mut ring, mut rng) = ring(6);
    let keys = session(Aead::SivCmac256);
    let cookie = bake(&mut ring, &keys, &mut rng);
    for day in 1..=7 {
        ring.turn(NOW, &mut rng);
        ring = Ring::from_bytes(&ring.to_bytes()).unwrap();
        assert!(is_of(&ring.open(&cookie), &keys), "after {day} days");
    }
    let secret = ring.keys.back().unwrap().secret.to_vec();
    assert_eq!((ring.keys(), holds(&ring, &secret)), (KEYS_MAX, true));
    ring.turn(NOW, &mut rng);
    assert_eq!(ring.open(&cookie).map(|_| ()), Err(BadCookie::UnknownKey));
    assert_eq!((ring.keys(), holds(&ring, &secret)), (KEYS_MAX, false));
}

#[test]
fn bad_input_74_numbers_of_keys_go_on_after_a_restart() {
    let (mut ring, mut rng) = ring(7);
    // Enough to pass the last number of 16 bits.
    for _ in 0..70_000 / KEYS_MAX {
        let before = ring.sealing();
        ring = Ring::from_bytes(&ring.to_bytes()).unwrap();
        ring.turn(NOW, &mut rng);
        assert_eq!(ring.sealing(), before.wrapping_add(1));
    }
}

#[test]
fn a_ring_is_read_as_it_was_written() {
    let (mut ring, mut rng) = ring(8);
    for _ in 0..12 {
        let bytes = ring.to_bytes();
        assert!(bytes.len() <= RING_LEN_MAX);
        let again = Ring::from_bytes(&bytes).unwrap();
        assert_eq!((again.to_bytes(), again.since), (bytes, ring.since));
        ring.turn(NOW, &mut rng);
    }
}

#[test]
fn bytes_that_are_no_ring_say_why() {
    let (ring, _) = ring(9);
    let bytes = ring.to_bytes();
    let read = |bytes: &[u8]| Ring::from_bytes(bytes).map(|_| ());
    assert_eq!(read(&[]), Err(BadRing::Foreign));
    assert_eq!(read(&[b"x", &bytes[1..]].concat()), Err(BadRing::Foreign));
    for cut in 8..bytes.len() {
        assert_eq!(read(&bytes[..cut]), Err(BadRing::Length));
    }
    let key = &bytes[bytes.len() - KEY_LEN..];
    assert_eq!(read(&[&bytes[..], key].concat()), Err(BadRing::KeyTwice));
    assert_eq!(read(&[&bytes[..], &key.repeat(8)].concat()), Err(BadRing::Length));
    assert_eq!(read(&[&bytes[..], &key[1..]].concat()), Err(BadRing::Length));
}

#[test]
fn keys_of_a_ring_are_never_shown() {
    let (ring, _) = ring(10);
    let shown = std::format!("{ring:?}");
    let numbers = std::format!("keys: [{}, {}] }}", ring.keys[0].id, ring.keys[1].id);
    assert!(shown.ends_with(&numbers), "{shown}");
}

proptest! {
    #[test]
    fn bad_input_66_any_bytes_are_no_cookie(
        mut bytes in prop::collection::vec(any::<u8>(), 0..140),
        aead in prop::sample::select(vec![0u16, 15, 30]),
    ) {
        let (mut ring, _) = ring(11);
        if bytes.len() >= 4 && aead != 0 {
            bytes[..2].copy_from_slice(&aead.to_be_bytes());
            bytes[2..4].copy_from_slice(&ring.sealing().to_be_bytes());
        }
        prop_assert!(ring.open(&bytes).is_err());
    }

    #[test]
    fn any_bytes_are_a_ring_or_a_reason(bytes in prop::collection::vec(any::<u8>(), 0..400), honest in any::<bool>()) {
        let bytes = if honest { [MAGIC.as_slice(), &bytes].concat() } else { bytes };
        if let Ok(ring) = Ring::from_bytes(&bytes) {
            prop_assert_eq!(&ring.to_bytes()[..], &bytes[..]);
            prop_assert!((2..=KEYS_MAX).contains(&ring.keys()));
        }
    }
}

const NOW: Time<Utc> = Time::from_epoch(Span::from_secs(1_790_000_000));

fn ring(seed: u64) -> (Ring, ChaCha8Rng) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (Ring::new(NOW + Span::from_millis(300), &mut rng), rng)
}

fn session(aead: Aead) -> SessionKeys {
    SessionKeys::new(aead, &vec![0xc2; aead.key_len()], &vec![0x2c; aead.key_len()]).unwrap()
}

fn bake(ring: &mut Ring, keys: &SessionKeys, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut cookie = vec![0; len(keys.aead())];
    ring.seal(keys, rng, &mut cookie);
    cookie
}

fn is_of(opened: &Result<SessionKeys, BadCookie>, keys: &SessionKeys) -> bool {
    opened.as_ref().is_ok_and(|opened| {
        (opened.aead(), opened.c2s(), opened.s2c()) == (keys.aead(), keys.c2s(), keys.s2c())
    })
}

fn holds(ring: &Ring, secret: &[u8]) -> bool {
    ring.to_bytes().windows(secret.len()).any(|window| window == secret)
}

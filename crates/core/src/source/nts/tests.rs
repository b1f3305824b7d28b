//! The names carry the numbers of the project's list of bad inputs.

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::wire::aead::Aead;

#[test]
fn every_cookie_is_spent_once_and_asked_back() {
    let mut nts = agreed(8);
    let mut spent = Vec::new();
    for left in (0..8).rev() {
        let ticket = nts.ticket().unwrap();
        assert_eq!((nts.cookies(), ticket.placeholders), (left, 7 - left));
        spent.push(ticket.cookie);
    }
    assert!(nts.ticket().is_none());
    spent.dedup();
    assert_eq!(spent.len(), 8);
}

#[test]
fn an_answer_fills_the_jar_and_no_more() {
    let mut nts = agreed(8);
    for _ in 0..3 {
        let ticket = nts.ticket().unwrap();
        nts.over(&ticket.keys, Outcome::Silence);
    }
    let ticket = nts.ticket().unwrap();
    assert_eq!(ticket.placeholders, 3);
    nts.over(&ticket.keys, Outcome::Answered(cookies(4)));
    assert_eq!(nts.cookies(), 8);
    let ticket = nts.ticket().unwrap();
    nts.over(&ticket.keys, Outcome::Answered(cookies(8)));
    assert_eq!(nts.cookies(), 8);
}

#[test]
fn a_question_is_never_longer_than_what_is_never_fragmented() {
    for length in [1, 12, 68, 100, 104, 164, 256, COOKIE_MAX] {
        for aead in Aead::ALL {
            let mut nts = Nts::new();
            nts.agreed(keys(aead), [Cookie::new(&vec![1; length]).unwrap()]);
            let ticket = nts.ticket().unwrap();
            let fields = (1 + ticket.placeholders) * field_len(length);
            let whole = HEADER_LEN + field_len(UNIQUE_ID_LEN) + fields + authenticator_len(aead, 0);
            assert!(whole <= QUESTION_MAX, "{length}: {whole}");
            assert!(ticket.placeholders == 7 || QUESTION_MAX < whole + field_len(length));
        }
    }
}

#[test]
fn cookies_have_limits_and_are_not_shown() {
    assert!(Cookie::new(&[]).is_none() && Cookie::new(&[0; COOKIE_MAX + 1]).is_none());
    assert_eq!(std::format!("{:?}", cookies(1)), "[Cookie(100 bytes)]");
    let mut nts = Nts::new();
    nts.agreed(keys(Aead::SivCmac256), cookies(20));
    assert_eq!(nts.cookies(), 8);
}

#[test]
fn bad_input_47_key_exchanges_that_fail_follow_each_other_ever_more_rarely() {
    let mut nts = Nts::new();
    let mut now = START;
    let mut waits = Vec::new();
    for _ in 0..40 {
        assert!(nts.wants_keys(now));
        nts.begin(now);
        let until = nts.rests_until().unwrap();
        assert!(!nts.wants_keys(until - Span::from_nanos(1)) && nts.wants_keys(until));
        waits.push((until - now).as_seconds());
        now = until;
    }
    assert_eq!(waits[..5], [10.0, 15.0, 22.5, 33.75, 50.625]);
    for (n, wait) in waits.iter().enumerate() {
        let expected = (10.0 * 1.5f64.powi(n as i32)).min(432_000.0);
        assert!((wait - expected).abs() < 1e-6 * expected, "n = {}: {wait}", n + 1);
    }
    assert_eq!(super::wait(u32::MAX), WAIT_MAX);
}

#[test]
fn bad_input_49_a_refusal_is_waited_out_for_one_question_and_then_there_is_one_exchange() {
    let mut nts = agreed(8);
    let ticket = nts.ticket().unwrap();
    nts.over(&ticket.keys, Outcome::Nak);
    assert!(!nts.wants_keys(START), "somebody else may have said it");
    let ticket = nts.ticket().unwrap();
    nts.over(&ticket.keys, Outcome::Nak);
    assert!(nts.wants_keys(START));
    nts.begin(START);
    assert!(!nts.wants_keys(START), "once, and then it rests");
    // What is left of the old cookies is used until there are new ones.
    assert_eq!(nts.cookies(), 6);
    let last = nts.ticket().unwrap();
    nts.agreed(keys(Aead::SivCmac256), cookies(8));
    assert_eq!(nts.cookies(), 8);
    assert!(!nts.wants_keys(START + WAIT_MAX));
    // An answer to what was asked with the old keys changes nothing any more.
    nts.over(&last.keys, Outcome::Answered(cookies(3)));
    nts.over(&last.keys, Outcome::Nak);
    nts.over(&last.keys, Outcome::Nak);
    assert!(nts.cookies() == 8 && !nts.wants_keys(START + WAIT_MAX) && nts.rests_until().is_some());
}

#[test]
fn bad_input_49_a_refusal_that_the_server_does_not_stand_by_is_forgotten() {
    let mut nts = agreed(8);
    for _ in 0..50 {
        let ticket = nts.ticket().unwrap();
        nts.over(&ticket.keys, Outcome::Nak);
        let ticket = nts.ticket().unwrap();
        nts.over(&ticket.keys, Outcome::Answered(cookies(2)));
        assert!(nts.cookies() == 8 && !nts.wants_keys(START));
    }
}

#[test]
fn silence_alone_is_no_reason_for_new_keys() {
    let mut nts = agreed(8);
    for _ in 0..7 {
        let ticket = nts.ticket().unwrap();
        nts.over(&ticket.keys, Outcome::Silence);
        assert!(!nts.wants_keys(START));
    }
}

#[test]
fn bad_input_55_without_a_cookie_nothing_is_asked_until_there_are_new_keys() {
    let mut nts = agreed(2);
    for _ in 0..2 {
        let ticket = nts.ticket().unwrap();
        nts.over(&ticket.keys, Outcome::Silence);
    }
    assert!(nts.ticket().is_none() && nts.wants_keys(START));
    nts.begin(START);
    assert!(nts.ticket().is_none() && !nts.wants_keys(START));
    nts.agreed(keys(Aead::SivCmac256), cookies(8));
    assert!(nts.ticket().is_some());
}

#[test]
fn bad_input_57_keys_that_lead_to_no_time_do_not_shorten_the_wait() {
    let mut nts = Nts::new();
    let (mut now, mut exchanges) = (START, 0);
    let day = START + Span::from_secs(86_400);
    while now < day {
        if nts.wants_keys(now) {
            nts.begin(now);
            nts.agreed(keys(Aead::SivCmac256), cookies(8));
            exchanges += 1;
        }
        if let Some(ticket) = nts.ticket() {
            nts.over(&ticket.keys, Outcome::Silence);
        }
        now += Span::from_secs(1);
    }
    // 10 * (1.5^n - 1) / 0.5 s are over after n waits: a day after 21 of them. The wait counts, not the keys.
    assert!((20..=22).contains(&exchanges), "{exchanges}");
    let ticket = nts.ticket();
    assert!(ticket.is_none() && !nts.wants_keys(now));
    // Only the time itself ends it.
    now = nts.rests_until().unwrap();
    nts.begin(now);
    nts.agreed(keys(Aead::SivCmac256), cookies(8));
    let ticket = nts.ticket().unwrap();
    nts.over(&ticket.keys, Outcome::Answered(cookies(1)));
    nts.begin(now);
    assert_eq!(nts.rests_until(), Some(now + WAIT_MIN));
}

/// Whoever has given them may not be who he says.
#[test]
fn bad_input_37_time_under_provisional_keys_does_not_shorten_the_wait_for_others() {
    let mut nts = Nts::new();
    nts.begin(START);
    nts.agreed_provisionally(keys(Aead::SivCmac256), cookies(8));
    assert!(nts.is_provisional());
    let ticket = nts.ticket().unwrap();
    nts.over(&ticket.keys, Outcome::Answered(cookies(1)));
    assert_eq!((nts.cookies(), nts.rests_until()), (8, Some(START + WAIT_MIN)));
    nts.agreed(keys(Aead::SivCmac256), cookies(8));
    assert!(!nts.is_provisional());
}

proptest! {
    #[test]
    fn whatever_happens_no_cookie_is_spent_twice_and_the_jar_holds_eight(
        happenings in prop::collection::vec((0u8..5, 0usize..12), 0..200),
    ) {
        let (mut nts, mut now, mut serial) = (Nts::new(), START, 0u64);
        let mut fresh = |count| -> Vec<Cookie> {
            (0..count).map(|_| { serial += 1; Cookie::new(&serial.to_be_bytes()).unwrap() }).collect()
        };
        let (mut spent, mut asked) = (std::collections::BTreeSet::new(), None);
        for (what, count) in happenings {
            now += Span::from_secs(7);
            let outcome = match what {
                0 => { nts.agreed(keys(Aead::GcmSiv128), fresh(count)); continue }
                1 => { if nts.wants_keys(now) { nts.begin(now); } continue }
                2 => Outcome::Answered(fresh(count)),
                3 => Outcome::Nak,
                _ => Outcome::Silence,
            };
            if let Some(ticket) = asked.take() {
                let ticket: Ticket = ticket;
                nts.over(&ticket.keys, outcome);
            }
            asked = nts.ticket();
            if let Some(ticket) = &asked {
                prop_assert!(spent.insert(ticket.cookie.as_bytes().to_vec()));
                prop_assert!(nts.cookies() + 1 + ticket.placeholders <= COOKIES_MAX);
            }
            prop_assert!(nts.cookies() <= COOKIES_MAX);
        }
    }
}

const START: Time<Mono> = Time::from_epoch(Span::from_secs(500));

fn agreed(count: u8) -> Nts {
    let mut nts = Nts::new();
    nts.agreed(keys(Aead::SivCmac256), cookies(count));
    nts
}

fn keys(aead: Aead) -> SessionKeys {
    SessionKeys::new(aead, &vec![1; aead.key_len()], &vec![2; aead.key_len()]).unwrap()
}

fn cookies(count: u8) -> Vec<Cookie> {
    (0..count).map(|n| Cookie::new(&[n; 100]).unwrap()).collect()
}

//! Answering TAICLOCK questions: the same bytes back, with the time in them.

use alloc::vec::Vec;

use truechimer_time::tai64::Tai64NA;
use truechimer_time::{Tai, Time};

use crate::wire::taiclock::{ASKS, COOKIE_AT, QUESTION_LEN_MAX, SAYS};

/// The answer to a datagram, never longer than it; `None` where it is no question.
///
/// A question of more than [`QUESTION_LEN_MAX`] bytes is answered with as many, as both servers before us do. An answer
/// does not begin as a question does, so that no two servers can be made to answer each other.
///
/// `now` is what the server announces, which is for its owner to decide: see
/// [`KernelCount`](crate::classic::count::KernelCount).
///
/// ```
/// use truechimer_core::server::taiclock::answer;
/// use truechimer_time::{Span, Time};
/// let now = Time::from_epoch(Span::from_millis(707_472_429_500));
/// let told = answer(b"ctai................cookie", now).unwrap();
/// assert_eq!(&told[..4], b"stai");
/// assert_eq!(told[4..20], [0x40, 0, 0, 0, 0x2a, 0x2b, 0x2c, 0x2d, 0x1d, 0xcd, 0x65, 0, 0, 0, 0, 0]);
/// assert_eq!(&told[20..], b"cookie");
/// ```
pub fn answer(question: &[u8], now: Time<Tai>) -> Option<Vec<u8>> {
    let mut reply = [0; QUESTION_LEN_MAX];
    answer_into(&mut reply, question, now).map(|len| reply[..len].to_vec())
}

/// The same, written into the first so many bytes; nothing is allocated. `None` also where they have no room.
pub fn answer_into(reply: &mut [u8], question: &[u8], now: Time<Tai>) -> Option<usize> {
    if !is_question(question) {
        return None;
    }
    let question = &question[..question.len().min(QUESTION_LEN_MAX)];
    let reply = reply.get_mut(..question.len())?;
    let label = Tai64NA::of(now)?.to_bytes();
    let (head, cookie) = reply.split_at_mut(COOKIE_AT);
    head[..SAYS.len()].copy_from_slice(&SAYS);
    head[SAYS.len()..].copy_from_slice(&label);
    cookie.copy_from_slice(&question[COOKIE_AT..]);
    Some(question.len())
}

/// Is it one that may be answered?
pub fn is_question(bytes: &[u8]) -> bool {
    bytes.len() >= COOKIE_AT && bytes.starts_with(&ASKS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;
    use truechimer_time::Span;

    const NOW: Time<Tai> = Time::from_epoch(Span::from_secs(1_800_000_000));

    proptest! {
        #[test]
        fn an_answer_is_never_longer_and_never_a_question(bytes in proptest::collection::vec(any::<u8>(), 0..1500)) {
            let question = [&ASKS[..], &bytes].concat();
            let told = answer(&question, NOW);
            prop_assert_eq!(told.is_some(), question.len() >= COOKIE_AT);
            if let Some(told) = told {
                prop_assert_eq!(told.len(), question.len().min(QUESTION_LEN_MAX));
                prop_assert_eq!(&told[COOKIE_AT..], &question[COOKIE_AT..told.len()]);
                prop_assert_eq!(answer(&told, NOW), None);
            }
        }
    }

    #[test]
    fn every_length_is_answered_as_it_should_be() {
        for (asked, told) in [(19, None), (20, Some(20)), (28, Some(28)), (256, Some(256)), (1400, Some(256))]
        {
            let mut question = vec![0; asked];
            question[..4].copy_from_slice(b"ctai");
            assert_eq!(answer(&question, NOW).map(|told| told.len()), told, "{asked} bytes");
        }
    }

    #[test]
    fn nothing_but_a_question_is_answered() {
        for other in [&b"stai"[..], b"CTAI", b"ctaj", b""] {
            assert_eq!(answer(&[other, &[0; 28]].concat(), NOW), None, "{other:?}");
        }
    }

    #[test]
    fn a_time_without_a_label_is_not_told() {
        assert_eq!(answer(&[&ASKS[..], &[0; 28]].concat(), Time::from_epoch(Span::MAX)), None);
    }
}

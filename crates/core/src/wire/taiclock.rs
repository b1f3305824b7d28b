//! TAICLOCK: the time of a neighbour, in one datagram each way (UDP port 4014).
//!
//! ```text
//!      0      4               12      16      20                256
//!     ┌──────┬───────────────┬───────┬───────┬───────────────────┐
//!     │ ctai │ anything                      │ cookie            │  question: 20 to 256 bytes
//!     ├──────┼───────────────┬───────┬───────┼───────────────────┤
//!     │ stai │ seconds       │ nanos │ attos │ cookie, unchanged │  answer: as long
//!     └──────┴───────────────┴───────┴───────┴───────────────────┘
//! ```
//!
//! There is no authentication. What keeps out those who cannot see the question is a cookie that they cannot guess.
//!
//! Source: the text of the protocol of 1997-08-14, and the servers of clockspeed and of s6-networking.

use truechimer_time::tai64::{LabelError, Tai64N, Tai64NA};
use truechimer_time::{Tai, Time};

use crate::reason::reasons;

/// The UDP port.
pub const PORT: u16 = 4014;

/// What a question begins with.
pub const ASKS: [u8; 4] = *b"ctai";

/// What an answer begins with.
pub const SAYS: [u8; 4] = *b"stai";

/// Where the label stands in an answer.
const LABEL_AT: usize = 4;

/// Where the cookie begins, and so the least that a question has.
pub const COOKIE_AT: usize = 20;

/// The longest question that is answered in full.
pub const QUESTION_LEN_MAX: usize = 256;

/// As long as the question of the original client: its servers answer it, and those of s6 as well.
const QUESTION_LEN: usize = 32;

/// How many unpredictable bytes our question has.
pub const COOKIE_LEN: usize = QUESTION_LEN - COOKIE_AT;

/// A question, and what its answer has to give back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    bytes: [u8; QUESTION_LEN],
}

impl Question {
    /// A question that tells nothing about us. The cookie is to be unpredictable.
    pub fn new(cookie: [u8; COOKIE_LEN]) -> Self {
        let mut bytes = [0; QUESTION_LEN];
        bytes[..LABEL_AT].copy_from_slice(&ASKS);
        bytes[COOKIE_AT..].copy_from_slice(&cookie);
        Self { bytes }
    }

    /// What to send.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The label of the answer, if this datagram is one to this question.
    ///
    /// Servers of s6 write only 12 bytes of the label and leave the other four as they came. Ours came as zeros; and
    /// what can be no fraction is taken for none, which costs at most a nanosecond.
    pub fn read(&self, answer: &[u8]) -> Result<Time<Tai>, Unusable> {
        let answer: &[u8; QUESTION_LEN] = answer.try_into().map_err(|_| Unusable::Length)?;
        if answer[..LABEL_AT] != SAYS {
            return Err(Unusable::NotAnAnswer);
        }
        if answer[COOKIE_AT..] != self.bytes[COOKIE_AT..] {
            return Err(Unusable::OtherCookie);
        }
        let label: [u8; 16] = core::array::from_fn(|i| answer[LABEL_AT + i]);
        let coarse: [u8; 12] = core::array::from_fn(|i| label[i]);
        match Tai64NA::from_bytes(label) {
            Ok(label) => Ok(label.time()),
            Err(LabelError::AttosTooMany(_)) => {
                Tai64N::from_bytes(coarse).map(Tai64N::time).map_err(|_| Unusable::Label)
            }
            Err(_) => Err(Unusable::Label),
        }
    }
}

reasons! {
    /// Why a datagram is not the answer to a question. Completes "cannot use this answer: ..".
    Unusable {
        /// Not as long as the question.
        Length "length" "it is not as long as the question"
        /// It does not begin with `stai`.
        NotAnAnswer "not_an_answer" "it does not begin as an answer does"
        /// Another cookie than ours: forged, or to an earlier question.
        OtherCookie "other_cookie" "it answers another question than ours"
        /// The label is in the reserved half, or has too many nanoseconds.
        Label "label" "its label means nothing"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;
    use truechimer_time::Span;

    const COOKIE: [u8; COOKIE_LEN] = *b"unguessable!";

    fn answer(label: [u8; 16]) -> Vec<u8> {
        [&SAYS[..], &label, &COOKIE].concat()
    }

    fn label(attos: [u8; 4]) -> [u8; 16] {
        let mut label = [0; 16];
        label[..12].copy_from_slice(&[0x40, 0, 0, 0, 0x2a, 0x2b, 0x2c, 0x2d, 0, 0, 0, 1]);
        label[12..].copy_from_slice(&attos);
        label
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(Question::new(COOKIE).read(&bytes).is_err());
        }
    }

    #[test]
    fn the_question_tells_nothing_but_its_cookie() {
        let question = Question::new(COOKIE);
        assert_eq!(question.bytes(), [&b"ctai"[..], &[0; 16], &COOKIE].concat());
    }

    #[test]
    fn the_label_is_read_to_its_last_byte() {
        let question = Question::new(COOKIE);
        let whole = Time::from_epoch(Span::from_secs(707_472_429) + Span::from_nanos(1));
        assert_eq!(question.read(&answer(label([0; 4]))), Ok(whole));
        assert_eq!(question.read(&answer(label([0, 0, 0, 9]))), Ok(whole + Span::from_attos(9)));
        // What a server of s6 leaves of a question that had a label there.
        assert_eq!(question.read(&answer(label([0x40, 0, 0, 0]))), Ok(whole));
    }

    #[test]
    fn an_answer_is_whole_and_ours() {
        let question = Question::new(COOKIE);
        let good = answer(label([0; 4]));
        assert_eq!(question.read(&good[..31]), Err(Unusable::Length));
        assert_eq!(question.read(&[&good[..], &[0]].concat()), Err(Unusable::Length));
        assert_eq!(question.read(question.bytes()), Err(Unusable::NotAnAnswer));
        let mut other = good.clone();
        other[31] ^= 1;
        assert_eq!(question.read(&other), Err(Unusable::OtherCookie));
        let mut reserved = good;
        reserved[4] = 0x80;
        assert_eq!(question.read(&reserved), Err(Unusable::Label));
    }
}

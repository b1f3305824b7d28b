//! The timestamp message of ICMP: what a host's clock shows, in milliseconds since midnight (RFC 792).
//!
//! ```text
//!      0      1      2             4             6             8
//!     ┌──────┬──────┬─────────────┬─────────────┬─────────────┐
//!     │ 13   │ 0    │ checksum    │ identifier  │ sequence    │   14 in an answer
//!     ├──────┴──────┴─────────────┼─────────────┴─────────────┤
//!     │ originate: 32 random bits │ receive: ms since midnight│
//!     ├───────────────────────────┼───────────────────────────┘
//!     │ transmit: likewise        │
//!     └───────────────────────────┘
//! ```
//!
//! The day is not said. A host that cannot count from midnight of UT sets the highest bit, and then it means nothing here.

use truechimer_time::{Span, Time, Utc};

use crate::reason::reasons;

/// How long a message is.
pub const LEN: usize = 20;

/// How many unpredictable bytes our question has: identifier, sequence, originate.
pub const COOKIE_LEN: usize = 8;

const REQUEST: u8 = 13;
const REPLY: u8 = 14;

/// The header of IPv4 has its length in words of four bytes, at least five of them.
const IP_HEADER_MIN: usize = 20;

const MILLIS_PER_DAY: u32 = 86_400_000;

/// A question, and what its answer has to give back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    cookie: [u8; COOKIE_LEN],
}

/// What a host said: when the question came and when the answer left, to the millisecond that had begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// When the question came, in milliseconds since midnight.
    pub received: u32,
    /// When the answer left, likewise.
    pub transmitted: u32,
}

impl Question {
    /// A question that tells nothing about us. The cookie is to be unpredictable.
    pub fn new(cookie: [u8; COOKIE_LEN]) -> Self {
        Self { cookie }
    }

    /// What to send.
    pub fn bytes(&self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        bytes[0] = REQUEST;
        bytes[4..12].copy_from_slice(&self.cookie);
        let checksum = checksum(&bytes);
        bytes[2..4].copy_from_slice(&checksum.to_be_bytes());
        bytes
    }

    /// What the answer says, if this packet, with its header of IP, is one to this question.
    pub fn read(&self, packet: &[u8]) -> Result<Said, Unusable> {
        let words = packet.first().filter(|first| **first >> 4 == 4).map(|first| usize::from(first & 0xf));
        let header = words.map(|words| words * 4).filter(|header| *header >= IP_HEADER_MIN);
        let message = header.and_then(|header| packet.get(header..)).ok_or(Unusable::Length)?;
        let message: &[u8; LEN] = message.first_chunk().ok_or(Unusable::Length)?;
        if message[..2] != [REPLY, 0] {
            return Err(Unusable::NotAnAnswer);
        }
        if message[4..12] != self.cookie {
            return Err(Unusable::OtherCookie);
        }
        // The checksum of what has its own in it is nothing.
        if checksum(message) != 0 {
            return Err(Unusable::Checksum);
        }
        let said = |at: usize| {
            let millis = u32::from_be_bytes([message[at], message[at + 1], message[at + 2], message[at + 3]]);
            Some(millis).filter(|millis| *millis < MILLIS_PER_DAY).ok_or(Unusable::NotOfMidnight)
        };
        Ok(Said { received: said(12)?, transmitted: said(16)? })
    }
}

/// The instant with so many milliseconds since its midnight that is nearest to another one.
pub fn nearest(millis: u32, to: Time<Utc>) -> Time<Utc> {
    let day = Span::from_secs(86_400);
    let (seconds, _) = to.since_epoch().split();
    let midnight = Time::from_epoch(Span::from_secs((seconds.div_euclid(86_400) * 86_400) as i64));
    let here = midnight + Span::from_millis(millis.into());
    let nearest = [here - day, here, here + day].into_iter().min_by_key(|time| (*time - to).abs());
    nearest.unwrap_or(here)
}

/// The checksum of the internet (RFC 1071).
fn checksum(bytes: &[u8; LEN]) -> u16 {
    let words = bytes.chunks_exact(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}

reasons! {
    /// Why a packet is not the answer to a question. Completes "cannot use this answer: ..".
    Unusable {
        /// Too short for its headers.
        Length "length" "it is too short"
        /// Another message than a timestamp reply.
        NotAnAnswer "not_an_answer" "it is another message"
        /// Other bits than ours: forged, or to another question.
        OtherCookie "other_cookie" "it answers another question than ours"
        /// It is damaged.
        Checksum "checksum" "its checksum is wrong"
        /// More milliseconds than a day has, or the highest bit is set.
        NotOfMidnight "not_of_midnight" "it does not count from midnight"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;
    use truechimer_time::Civil;

    const COOKIE: [u8; COOKIE_LEN] = *b"unguess!";

    /// What a host answers, in a packet whose header has so many words.
    fn answer(words: u8, received: u32, transmitted: u32) -> Vec<u8> {
        let mut message = Question::new(COOKIE).bytes();
        message[0] = REPLY;
        message[2..4].fill(0);
        message[12..16].copy_from_slice(&received.to_be_bytes());
        message[16..].copy_from_slice(&transmitted.to_be_bytes());
        let sum = checksum(&message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        let mut packet = alloc::vec![0; usize::from(words) * 4];
        packet[0] = 0x40 | words;
        packet.extend_from_slice(&message);
        packet
    }

    fn at(text: &str) -> Time<Utc> {
        text.parse::<Civil>().expect(text).time().expect(text)
    }

    #[test]
    fn an_answer_is_read_behind_any_header() {
        let question = Question::new(COOKIE);
        let said = Said { received: 1234, transmitted: 86_399_999 };
        for words in [5, 15] {
            assert_eq!(question.read(&answer(words, 1234, 86_399_999)), Ok(said));
        }
    }

    #[test]
    fn an_answer_is_whole_and_ours() {
        let question = Question::new(COOKIE);
        let good = answer(5, 1, 2);
        assert_eq!(question.read(&good[..39]), Err(Unusable::Length));
        assert_eq!(question.read(&answer(4, 1, 2)), Err(Unusable::Length));
        assert_eq!(question.read(&[]), Err(Unusable::Length));
        assert_eq!(Question::new(*b"guessed!").read(&good), Err(Unusable::OtherCookie));
        let mut request = good.clone();
        request[20] = REQUEST;
        assert_eq!(question.read(&request), Err(Unusable::NotAnAnswer));
        let mut damaged = good;
        damaged[35] ^= 1;
        assert_eq!(question.read(&damaged), Err(Unusable::Checksum));
        assert_eq!(question.read(&answer(5, 0x8000_0001, 2)), Err(Unusable::NotOfMidnight));
        assert_eq!(question.read(&answer(5, 1, MILLIS_PER_DAY)), Err(Unusable::NotOfMidnight));
    }

    #[test]
    fn the_day_is_the_nearest() {
        for (millis, to, expected) in [
            (0, "2026-11-22T23:59:59Z", "2026-11-23T00:00:00Z"),
            (86_399_000, "2026-11-22T00:00:01Z", "2026-11-21T23:59:59Z"),
            (43_200_000, "2026-11-22T11:00:00Z", "2026-11-22T12:00:00Z"),
            (1, "1969-12-31T23:59:59Z", "1970-01-01T00:00:00.001Z"),
        ] {
            assert_eq!(nearest(millis, at(to)), at(expected), "{millis} near {to}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            prop_assert!(Question::new(COOKIE).read(&bytes).is_err());
        }

        #[test]
        fn the_checksum_of_a_question_with_its_own_in_it_is_nothing(cookie in any::<[u8; COOKIE_LEN]>()) {
            prop_assert_eq!(checksum(&Question::new(cookie).bytes()), 0);
        }
    }
}

//! Interleaved mode (RFC 9769): the answer to a client's next question tells when the last answer really left.
//!
//! No server knows when an answer leaves before it has left. A client that gives back the receive timestamp of the last
//! answer, in the place of the origin, can be told then what the kernel saw.
//!
//! ```text
//!   question n     origin: receive timestamp of answer n-1   receive: any   transmit: any other
//!   answer n       origin: the question's receive            receive: now   transmit: when answer n-1 left
//! ```
//!
//! Nothing is kept of those who do not ask that way, and of those who do as much as fits. What was overwritten is answered
//! as if it had never been (basic mode), which the client sees by the origin.

use alloc::boxed::Box;
use alloc::vec;

use truechimer_time::ntp::NtpTimestamp;

use crate::wire::ntp::Packet;

/// So many answers are remembered, 16 bytes each.
pub const ANSWERS_MAX: usize = 4096;

/// The answers that went to clients who may want to know more of them: when their questions came, and when they left.
#[derive(Clone, Debug, Default)]
pub struct Departures {
    /// By the receive timestamp; allocated when the first is remembered.
    answers: Option<Box<[Answer]>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Answer {
    received: NtpTimestamp,
    left: NtpTimestamp,
}

impl Departures {
    /// When the answer left of which a question speaks; `None` if it speaks of none that is known.
    pub fn spoken_of(&self, question: &Packet) -> Option<NtpTimestamp> {
        let is_interleaved = speaks_of_one(question) && question.receive != question.transmit;
        let answer = self.answers.as_ref().filter(|_| is_interleaved)?[place(question.origin)];
        (answer.received == question.origin).then_some(answer.left)
    }

    /// Remembers when an answer left, or that it left later than was thought.
    pub fn remember(&mut self, received: NtpTimestamp, left: NtpTimestamp) {
        let blank = || vec![Answer::default(); ANSWERS_MAX].into_boxed_slice();
        self.answers.get_or_insert_with(blank)[place(received)] = Answer { received, left };
    }

    /// Corrects what is remembered, unless it has been overwritten.
    pub fn correct(&mut self, received: NtpTimestamp, left: NtpTimestamp) {
        let Some(answers) = &mut self.answers else { return };
        let answer = &mut answers[place(received)];
        if answer.received == received {
            answer.left = left;
        }
    }
}

/// Is this from a client that knows interleaved mode? All others leave the origin empty.
pub fn speaks_of_one(question: &Packet) -> bool {
    !question.origin.is_zero()
}

/// Timestamps differ in their lower bits.
fn place(received: NtpTimestamp) -> usize {
    let spread = received.to_bits().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (spread >> 52) as usize % ANSWERS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::ntp::tests::question;
    use crate::wire::ntp::Mode;

    fn at(bits: u64) -> NtpTimestamp {
        NtpTimestamp::from_bits(bits)
    }

    fn speaking_of(origin: u64, receive: u64, transmit: u64) -> Packet {
        let question = Packet::parse(&question(4, Mode::Client)).unwrap();
        Packet { origin: at(origin), receive: at(receive), transmit: at(transmit), ..question }
    }

    #[test]
    fn what_was_remembered_and_corrected_is_told() {
        let mut departures = Departures::default();
        assert_eq!(departures.spoken_of(&speaking_of(7, 1, 2)), None);
        departures.remember(at(7), at(70));
        assert_eq!(departures.spoken_of(&speaking_of(7, 1, 2)), Some(at(70)));
        departures.correct(at(7), at(71));
        departures.correct(at(8), at(81));
        assert_eq!(departures.spoken_of(&speaking_of(7, 1, 2)), Some(at(71)));
        assert_eq!(departures.spoken_of(&speaking_of(8, 1, 2)), None);
    }

    #[test]
    fn bad_input_20_a_question_of_basic_mode_is_none_of_interleaved() {
        let mut departures = Departures::default();
        departures.remember(at(7), at(70));
        departures.remember(at(0), at(70));
        assert_eq!(departures.spoken_of(&speaking_of(0, 1, 2)), None, "it speaks of no answer");
        assert_eq!(departures.spoken_of(&speaking_of(7, 2, 2)), None, "its answer could be taken for either");
    }

    #[test]
    fn bad_input_21_memory_is_bounded_and_the_older_is_overwritten() {
        let mut departures = Departures::default();
        for bits in 1..=100_000 {
            departures.remember(at(bits), at(bits + 5));
        }
        let known = (1..=100_000).filter(|bits| departures.spoken_of(&speaking_of(*bits, 1, 2)).is_some());
        assert!(known.count() <= ANSWERS_MAX);
        assert_eq!(departures.spoken_of(&speaking_of(100_000, 1, 2)), Some(at(100_005)));
    }
}

//! Does a source answer?

/// The fate of the last eight polls, one bit each, the newest lowest: 1 if an answer came (RFC 5905, section 9.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Reach {
    bits: u8,
    polls: u32,
}

impl Reach {
    /// A poll has ended.
    pub fn ended(&mut self, answered: bool) {
        self.bits = (self.bits << 1) | u8::from(answered);
        self.polls = self.polls.saturating_add(1);
    }

    /// The register as people print it, in octal.
    pub fn bits(self) -> u8 {
        self.bits
    }

    /// An answer came to one of the last eight polls.
    pub fn answers(self) -> bool {
        self.bits != 0
    }

    /// An answer came to one of the last two polls.
    pub fn answers_lately(self) -> bool {
        self.bits & 0b11 != 0
    }

    /// How many polls there were in all.
    pub fn polls(self) -> u32 {
        self.polls
    }

    /// Asked eight times in a row, and nothing came.
    pub fn is_dead(self) -> bool {
        self.bits == 0 && self.polls >= 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_unanswered_polls_are_a_death_and_one_answer_a_life() {
        let mut reach = Reach::default();
        for _ in 0..7 {
            reach.ended(false);
            assert!(!reach.is_dead(), "not yet");
        }
        reach.ended(false);
        assert!(reach.is_dead());
        reach.ended(true);
        assert!(!reach.is_dead() && reach.answers());
        assert_eq!(reach.bits(), 1);
    }
}

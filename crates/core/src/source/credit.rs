//! Whether a source that goes with the majority is believed: at once as long as it always has, and only after several
//! agreeing answers once it has been outvoted. It is dropped at once and comes back slowly, so that a source at the
//! edge of the agreement does not come and go with the noise.

use truechimer_time::Span;

/// So many agreeing answers in a row make a falseticker a truechimer again.
pub const ANSWERS_BACK: u8 = 3;

/// How a source stood at the votes in which it was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Credit {
    outvoted_by: Option<Span>,
    missing: u8,
}

impl Credit {
    /// The majority is elsewhere; `by` says how far the source is ahead of it.
    pub fn outvoted(&mut self, by: Span) {
        *self = Self { outvoted_by: Some(by), missing: ANSWERS_BACK };
    }

    /// It goes with the majority, after a new answer or still.
    pub fn agreed(&mut self, has_answered: bool) {
        self.outvoted_by = None;
        self.missing = self.missing.saturating_sub(u8::from(has_answered));
    }

    /// How far it was ahead of the majority (behind, if negative) at the last vote, if it was outvoted.
    pub fn outvoted_by(self) -> Option<Span> {
        self.outvoted_by
    }

    /// How many agreeing answers are missing until it is believed again.
    pub fn missing(self) -> u8 {
        self.missing
    }

    /// Has it made up for what it said?
    pub fn is_good(self) -> bool {
        self.missing == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_dropped_at_once_and_comes_back_after_three_agreeing_answers() {
        let mut credit = Credit::default();
        assert!(credit.is_good());
        credit.outvoted(Span::from_millis(30));
        assert_eq!(credit.outvoted_by(), Some(Span::from_millis(30)));
        credit.agreed(false);
        credit.agreed(true);
        credit.agreed(true);
        assert!(!credit.is_good(), "two answers, and a vote because of others");
        credit.agreed(true);
        assert!(credit.is_good());
    }

    #[test]
    fn each_relapse_counts_anew() {
        let mut credit = Credit::default();
        for _ in 0..9 {
            credit.outvoted(Span::from_millis(-1));
            credit.agreed(true);
            credit.agreed(true);
            assert!(!credit.is_good(), "it never has three in a row");
        }
    }
}

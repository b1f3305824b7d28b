//! Colours that underline what the words already say.

use std::io::IsTerminal;

use crate::cli::ColourWhen;

/// Whether colours are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colours {
    on: bool,
}

/// What a colour stands for; always beside a word of the same meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// As it should be.
    Good,
    /// Worth a look.
    Doubtful,
    /// Not as it should be.
    Bad,
    /// Less important than the rest.
    Faint,
}

impl Colours {
    /// Plain text.
    pub const NONE: Self = Self { on: false };

    /// What was asked for; by themselves, colours are for terminals whose user has not set `NO_COLOR` to something
    /// (no-color.org).
    pub fn of(when: ColourWhen, out: &impl IsTerminal) -> Self {
        let declined = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self::decide(when, out.is_terminal(), declined)
    }

    fn decide(when: ColourWhen, terminal: bool, declined: bool) -> Self {
        let on = match when {
            ColourWhen::Auto => terminal && !declined,
            ColourWhen::Always => true,
            ColourWhen::Never => false,
        };
        Self { on }
    }

    /// Are there any?
    pub fn are_on(self) -> bool {
        self.on
    }

    /// The text in the colour of the mood, or as it is.
    pub fn paint(self, mood: Mood, text: &str) -> String {
        let code = match mood {
            Mood::Good => "32",
            Mood::Doubtful => "33",
            Mood::Bad => "31",
            Mood::Faint => "2",
        };
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_whose_user_has_not_declined() {
        let on = |when, terminal, declined| Colours::decide(when, terminal, declined).on;
        assert!(on(ColourWhen::Auto, true, false));
        assert!(!on(ColourWhen::Auto, false, false));
        assert!(!on(ColourWhen::Auto, true, true));
        assert!(on(ColourWhen::Always, false, true));
        assert!(!on(ColourWhen::Never, true, false));
    }

    #[test]
    fn without_colours_the_words_are_the_same() {
        assert_eq!(Colours::NONE.paint(Mood::Bad, "falseticker"), "falseticker");
        assert_eq!(Colours { on: true }.paint(Mood::Bad, "falseticker"), "\x1b[31mfalseticker\x1b[0m");
    }
}

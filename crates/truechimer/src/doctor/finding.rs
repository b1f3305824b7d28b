//! What a check found, and what can be done about it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::machine::Hidden;

/// How bad it is. The worst comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It is wrong now, or will be without anything else happening.
    Wrong,
    /// It will be wrong as soon as something else goes wrong.
    Risky,
    /// It could not be looked at.
    Unseen,
    /// It is as it should be.
    Fine,
}

impl Verdict {
    /// Is this what a doctor is for?
    pub fn is_trouble(self) -> bool {
        match self {
            Self::Wrong | Self::Risky => true,
            Self::Unseen | Self::Fine => false,
        }
    }
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Remedy {
    /// In words, a sentence without a full stop.
    Do(String),
    /// A command, to be pasted into a shell as it is.
    Run(String),
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub verdict: Verdict,
    /// What it is, on one line: what, where, how much.
    pub words: String,
    /// What to do, the best first.
    pub remedies: Vec<Remedy>,
    /// What it leans on, for programs; the name ends with the unit: `rate_ppm`, `margin_seconds`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub numbers: BTreeMap<&'static str, f64>,
}

impl Finding {
    /// A finding without remedies.
    pub fn new(verdict: Verdict, words: impl Into<String>) -> Self {
        Self { verdict, words: words.into(), remedies: Vec::new(), numbers: BTreeMap::new() }
    }

    /// All is well.
    pub fn fine(words: impl Into<String>) -> Self {
        Self::new(Verdict::Fine, words)
    }

    /// It will hurt when something else goes wrong.
    pub fn risky(words: impl Into<String>) -> Self {
        Self::new(Verdict::Risky, words)
    }

    /// It is wrong.
    pub fn wrong(words: impl Into<String>) -> Self {
        Self::new(Verdict::Wrong, words)
    }

    /// It could not be looked at.
    pub fn unseen(hidden: &Hidden) -> Self {
        let finding = Self::new(Verdict::Unseen, hidden.to_string());
        match hidden {
            Hidden::NotAllowed { .. } => finding.told("run it as root to see this too"),
            Hidden::Failed { .. } | Hidden::Because(_) => finding,
        }
    }

    /// With a remedy in words.
    pub fn told(mut self, words: impl Into<String>) -> Self {
        self.remedies.push(Remedy::Do(words.into()));
        self
    }

    /// With a remedy to be run.
    pub fn run(mut self, command: impl Into<String>) -> Self {
        self.remedies.push(Remedy::Run(command.into()));
        self
    }

    /// With a number for programs.
    pub fn number(mut self, name: &'static str, value: f64) -> Self {
        self.numbers.insert(name, value);
        self
    }
}

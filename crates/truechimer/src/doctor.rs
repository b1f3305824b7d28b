//! The doctor: is this machine's sense of time about to hurt something, and why?
//!
//! Each [`Check`] is one file below [`checks`]: a question, a probe, verdicts, remedies, and a page that explains them. A probe
//! looks at a [`Machine`] and returns [`Finding`]s; it changes nothing that lasts, and needs no privileges. What it could not
//! see for lack of them it says.

pub mod answers;
pub mod certainty;
pub mod changes;
pub mod checks;
pub mod configured;
pub mod finding;
pub mod keepers;
pub mod letter;
pub mod machine;
pub mod mounts;
pub mod report;
pub mod stamps;
pub mod survey;
pub mod trace;
pub mod usage;
pub mod walk;

use std::thread;

pub use finding::{Finding, Remedy, Verdict};
pub use machine::{Hidden, Machine};

/// What a check is about, in the order of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Area {
    /// The clock of this machine, and what it is made of.
    Clock,
    /// Where the time comes from, and the way there.
    Sources,
    /// File systems, whose stamps are the clocks of others.
    Files,
    /// Protocols that refuse who is wrong by too much.
    Windows,
}

/// A question about this machine's sense of time.
///
/// Two are the same if they have the same name.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// What it is called by `--only` and `--explain`: lower case and hyphens.
    pub name: &'static str,
    /// What it is about.
    pub area: Area,
    /// What it answers, as a question.
    pub question: &'static str,
    /// What `--explain` prints: what is looked at, why it matters, what each verdict means, what to do. Lines of 78 characters.
    pub page: &'static str,
    /// Looks. At least one finding comes back, if only that all is well.
    pub probe: fn(&Machine) -> Result<Vec<Finding>, Hidden>,
}

impl PartialEq for Check {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// What a check found.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Which check.
    pub check: &'static Check,
    /// What it found.
    pub finding: Finding,
}

/// All that some checks find, worst first. They look side by side, because most of them wait.
pub fn examine(machine: &Machine, checks: &[&'static Check]) -> Vec<Answer> {
    let mut answers: Vec<Answer> = thread::scope(|scope| {
        let begun: Vec<_> =
            checks.iter().map(|check| (check, scope.spawn(|| (check.probe)(machine)))).collect();
        let findings = begun.into_iter().map(|(check, thread)| {
            let seen = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (*check, seen.unwrap_or_else(|hidden| vec![Finding::unseen(&hidden)]))
        });
        findings
            .flat_map(|(check, found)| found.into_iter().map(|finding| Answer { check, finding }))
            .collect()
    });
    answers.sort_by_key(|answer| answer.finding.verdict);
    answers
}

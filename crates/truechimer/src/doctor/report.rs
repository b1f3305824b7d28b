//! What was found, for people and for programs.

use std::fmt::Write;

use serde::Serialize;

use super::{Answer, Finding, Remedy, Verdict};
use crate::ui::colour::{Colours, Mood};

/// Of the document for programs. A field that is taken away or means something else makes a new one.
pub const VERSION: u32 = 1;

/// The document for programs.
#[derive(Serialize)]
pub struct Document<'a> {
    version: u32,
    healthy: bool,
    findings: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    check: &'a str,
    #[serde(flatten)]
    finding: &'a Finding,
}

/// For programs.
pub fn document(answers: &[Answer]) -> Document<'_> {
    Document {
        version: VERSION,
        healthy: !answers.iter().any(|answer| answer.finding.verdict.is_trouble()),
        findings: answers
            .iter()
            .map(|answer| Row { check: answer.check.name, finding: &answer.finding })
            .collect(),
    }
}

/// A line each, its remedies under it.
pub fn text(answers: &[Answer], colours: Colours) -> String {
    let width = answers.iter().map(|answer| answer.check.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for Answer { check, finding } in answers {
        let (word, mood) = match finding.verdict {
            Verdict::Wrong => ("WRONG ", Mood::Bad),
            Verdict::Risky => ("risky ", Mood::Doubtful),
            Verdict::Unseen => ("unseen", Mood::Faint),
            Verdict::Fine => ("fine  ", Mood::Good),
        };
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}  {:width$}  {}", colours.paint(mood, word), check.name, finding.words);
        for remedy in &finding.remedies {
            let (mark, words) = match remedy {
                Remedy::Do(words) => ("-", words),
                Remedy::Run(command) => ("$", command),
            };
            let _ = writeln!(text, "        {:width$}  {mark} {words}", "");
        }
    }
    text
}

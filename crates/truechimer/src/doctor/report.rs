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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::checks::{keeper, names, rate};

    fn answers() -> Vec<Answer> {
        let wrong =
            Finding::wrong("losing 620 ± 12 ppm").told("restart the machine").run("cat /proc/cpuinfo");
        let mut answers = vec![
            Answer { check: &keeper::CHECK, finding: Finding::fine("chronyd keeps the clock") },
            Answer { check: &rate::CHECK, finding: wrong.number("lost_ppm", 620.0) },
            Answer { check: &names::CHECK, finding: Finding::risky("ntp.example.org is not found") },
        ];
        answers.sort_by_key(|answer| answer.finding.verdict);
        answers
    }

    #[test]
    fn the_worst_comes_first_with_its_remedies_under_it() {
        let golden = "\
WRONG   rate    losing 620 ± 12 ppm
                - restart the machine
                $ cat /proc/cpuinfo
risky   names   ntp.example.org is not found
fine    keeper  chronyd keeps the clock
";
        assert_eq!(text(&answers(), Colours::NONE), golden);
    }

    #[test]
    fn programs_are_told_the_same() {
        let document = serde_json::to_value(document(&answers())).unwrap();
        let expected = serde_json::json!({
            "version": 1,
            "healthy": false,
            "findings": [
                {
                    "check": "rate",
                    "verdict": "wrong",
                    "words": "losing 620 ± 12 ppm",
                    "remedies": [{"do": "restart the machine"}, {"run": "cat /proc/cpuinfo"}],
                    "numbers": {"lost_ppm": 620.0}
                },
                {"check": "names", "verdict": "risky", "words": "ntp.example.org is not found", "remedies": []},
                {"check": "keeper", "verdict": "fine", "words": "chronyd keeps the clock", "remedies": []}
            ]
        });
        assert_eq!(document, expected);
    }
}

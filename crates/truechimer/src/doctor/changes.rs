//! What has changed between two examinations.
//!
//! Numbers change each time; what was found is the same as long as its words are, numbers and their units apart.

use super::{Answer, Verdict};
use crate::ui::colour::Colours;

/// The units that follow numbers; they change with the size of the number.
const UNITS: [&str; 10] = ["ns", "µs", "ms", "s", "min", "h", "d", "ppm", "ppb", "%"];

/// One difference.
#[derive(Clone, Debug)]
pub struct Change<'a> {
    /// Is it there now, or is it gone?
    pub is_new: bool,
    /// What.
    pub answer: &'a Answer,
}

/// What is found now and was not before, the worst first; then what is found no longer. What was fine and is again, in other words,
/// is no change.
pub fn between<'a>(before: &'a [Answer], now: &'a [Answer]) -> Vec<Change<'a>> {
    let new =
        now.iter().filter(|answer| !is_among(answer, before)).map(|answer| Change { is_new: true, answer });
    let gone =
        before.iter().filter(|answer| !is_among(answer, now)).map(|answer| Change { is_new: false, answer });
    new.chain(gone).filter(|change| tells(change, before, now)).collect()
}

/// Of what is fine only that is told which was not before; of what is gone only the trouble.
fn tells(change: &Change<'_>, before: &[Answer], now: &[Answer]) -> bool {
    let others = if change.is_new { before } else { now };
    let check = change.answer.check;
    let mut same = others.iter().filter(|answer| answer.check == check);
    match change.answer.finding.verdict {
        Verdict::Wrong | Verdict::Risky => true,
        Verdict::Unseen | Verdict::Fine => {
            change.is_new && same.any(|answer| answer.finding.verdict != change.answer.finding.verdict)
        }
    }
}

fn is_among(answer: &Answer, others: &[Answer]) -> bool {
    let mark = |answer: &Answer| (answer.check.name, answer.finding.verdict, shape(&answer.finding.words));
    let this = mark(answer);
    others.iter().any(|other| mark(other) == this)
}

/// The words without their numbers.
fn shape(words: &str) -> String {
    let mut shape = String::new();
    let mut was_number = false;
    for word in words.split_whitespace() {
        let bare = word.trim_matches(|letter: char| "(),;:%±+".contains(letter));
        let is_number = bare.parse::<f64>().is_ok();
        let is_unit = was_number && UNITS.contains(&bare);
        if is_number {
            shape += "# ";
        } else if !is_unit {
            shape += word;
            shape.push(' ');
        }
        was_number = is_number;
    }
    shape
}

/// The changes as lines: `+` what is new, `-` what is gone, with the date before each.
pub fn text(changes: &[Change<'_>], date: &str, colours: Colours) -> String {
    let line = |change: &Change<'_>| {
        let sign = if change.is_new { '+' } else { '-' };
        let lines = super::report::text(std::slice::from_ref(change.answer), colours);
        let told = if change.is_new { lines.as_str() } else { lines.lines().next().unwrap_or_default() };
        format!("{date} {sign} {}\n", told.trim_end())
    };
    changes.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::checks::{keeper, rate};
    use crate::doctor::{Check, Finding};

    fn answer(check: &'static Check, finding: Finding) -> Answer {
        Answer { check, finding }
    }

    #[test]
    fn numbers_are_no_news() {
        let at = |words: &str| [answer(&rate::CHECK, Finding::wrong(words))];
        let (before, now) =
            (at("losing 620 ± 12 ppm, 990 µs a day"), at("losing 618 ± 9 ppm, 1.01 ms a day"));
        assert!(between(&before, &now).is_empty(), "{:?}", shape("losing 620 ± 12 ppm, 990 µs a day"));
        let gaining = at("gaining 618 ± 9 ppm, 1.01 ms a day");
        assert_eq!(between(&before, &gaining).len(), 2);
    }

    #[test]
    fn addresses_are_no_numbers() {
        assert_ne!(shape("192.0.2.1 is silent"), shape("192.0.2.2 is silent"));
    }

    #[test]
    fn what_gets_better_is_told_by_what_is_gone_and_what_is_fine() {
        let before = [
            answer(&keeper::CHECK, Finding::wrong("nobody keeps it")),
            answer(&rate::CHECK, Finding::fine("as told")),
        ];
        let now = [
            answer(&rate::CHECK, Finding::fine("as told, slewed")),
            answer(&keeper::CHECK, Finding::fine("chronyd does")),
        ];
        let changes = between(&before, &now);
        let told = text(&changes, "2026-11-23T09:00:00Z", Colours::NONE);
        assert_eq!(
            told,
            "2026-11-23T09:00:00Z + fine    keeper  chronyd does\n2026-11-23T09:00:00Z - WRONG   keeper  nobody keeps it\n"
        );
    }
}

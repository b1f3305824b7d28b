//! Whether one line could have caused another, told to people and to programs.

use std::io::Write;

use serde::Serialize;
use truechimer_time::{Span, Tai, Time};
use truechimer_timeline::cause::answer::Answer;
use truechimer_timeline::render::{Scale, doubt_word, evidence_word, instant};
use truechimer_timeline::story::Hosts;

use super::cause::Told;
use crate::command::Outcome;
use crate::ui::units;

/// What is known of the two lines that were asked for.
#[derive(Serialize)]
struct Said {
    answer: &'static str,
    /// The one was before the other by at least so many seconds.
    by: Option<f64>,
    a: About,
    b: About,
}

#[derive(Serialize)]
struct About {
    line: String,
    host: String,
    earliest: Option<String>,
    latest: Option<String>,
    evidence: Option<&'static str>,
    doubt: Option<&'static str>,
}

/// Writes the answer. It is [`Outcome::No`] if the first of the two lines was certainly not before the second.
///
/// # Errors
/// Those of the one who is written to.
pub fn answer(
    mut out: impl Write,
    told: &Told,
    [one, other]: [usize; 2],
    looks: &Looks<'_>,
) -> anyhow::Result<Outcome> {
    let answer = told.learned.answer(&told.found, one, other);
    let (word, by) = match answer {
        Answer::No { by } => ("no", Some(by)),
        Answer::Yes { by } => ("yes", Some(by)),
        Answer::Could => ("could", None),
    };
    let [a, b] = [one, other].map(|line| about(told, line, looks));
    let said = Said { answer: word, by: by.map(|by| by.as_nanos() as f64 / 1e9), a, b };
    if looks.is_json {
        serde_json::to_writer(&mut out, &said)?;
        writeln!(out)?;
    } else {
        writeln!(out, "{}", sentence(answer, &said))?;
        for about in [&said.a, &said.b] {
            writeln!(out, "  {}", about.words())?;
        }
    }
    Ok(if matches!(answer, Answer::No { .. }) { Outcome::No } else { Outcome::Yes })
}

/// How the answer is to look.
#[derive(Clone, Copy, Debug)]
pub struct Looks<'a> {
    /// Whose lines they are.
    pub hosts: &'a Hosts,
    /// What the logs are called.
    pub names: &'a [String],
    /// Which count of seconds people see.
    pub scale: Scale,
    /// For programs.
    pub is_json: bool,
}

fn sentence(answer: Answer, said: &Said) -> String {
    let (a, b) = (&said.a.line, &said.b.line);
    match answer {
        Answer::No { by: Span::ZERO } => format!("no: {a} was certainly not before {b}"),
        Answer::No { by } => format!("no: {a} was certainly after {b}, by at least {}", units::span(by)),
        Answer::Yes { by: Span::ZERO } => format!("yes: {a} was certainly not after {b}"),
        Answer::Yes { by } => format!("yes: {a} was certainly before {b}, by at least {}", units::span(by)),
        Answer::Could => "it could: nobody can tell which was first".to_owned(),
    }
}

fn about(told: &Told, line: usize, looks: &Looks<'_>) -> About {
    let marked = &told.found.lines[line];
    let truth = told.learned.truths[line];
    let known = |at: Option<Time<Tai>>| {
        let at = at.filter(|at| Span::MIN < at.since_epoch() && at.since_epoch() < Span::MAX);
        at.map(|at| instant(at, looks.scale))
    };
    // What is cut off by writing nanoseconds must not make the interval narrower.
    let up = Span::from_attos(999_999_999);
    About {
        line: told.place(looks.names, line),
        host: looks.hosts.host(marked.host).name.clone(),
        earliest: known(truth.map(|truth| truth.interval.earliest)),
        latest: known(truth.map(|truth| truth.interval.latest + up)),
        evidence: truth.map(|truth| evidence_word(truth.evidence)),
        doubt: marked.when.shown.doubt.map(doubt_word),
    }
}

impl About {
    fn words(&self) -> String {
        let Self { line, host, earliest, latest, evidence, doubt } = self;
        let when = match (earliest, latest) {
            (Some(earliest), Some(latest)) => format!("{earliest} to {latest}"),
            (Some(earliest), None) => format!("{earliest} or later"),
            (None, Some(latest)) => format!("{latest} or earlier"),
            (None, None) => "at any time: nothing is known of its clock".to_owned(),
        };
        let evidence = evidence.map_or_else(String::new, |word| format!(", by {word}"));
        let doubt = doubt.map_or_else(String::new, |word| format!("; its stamp leaves open: {word}"));
        format!("{line} of {host}: {when}{evidence}{doubt}")
    }
}

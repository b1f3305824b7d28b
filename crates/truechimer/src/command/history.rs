//! `truechimer history`: what happened to this machine's time, from the files that the daemon leaves. It need not run.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use serde::Serialize;
use truechimer_time::{Civil, LeapTable, Span, Tai, Time};

use crate::cli;
use crate::command::Outcome;
use crate::command::run::NODE_FOLDER;
use crate::command::timeline;
use crate::config::Level;
use crate::history::drawing::{self, Shown};
use crate::history::{Entry, History, Told, What};
use crate::ui::colour::{Colours, Mood};
use crate::ui::table::{Side, Table};
use crate::ui::{picture, stamp, units};

/// The version of the object that `--json` prints.
const VERSION: u32 = 1;

/// Prints what happened. The answer is yes if anything did.
pub fn history(arguments: &cli::History) -> anyhow::Result<Outcome> {
    match &arguments.verb {
        Some(cli::HistoryVerb::Export(arguments)) => timeline::of_this_machine(arguments),
        None => list(arguments),
    }
}

fn list(arguments: &cli::History) -> anyhow::Result<Outcome> {
    let folder = arguments.state_dir.join(NODE_FOLDER);
    let history = History::read(&folder)
        .map_err(|(path, error)| anyhow::Error::new(error).context(path.display().to_string()))
        .context("cannot read the history (written by `truechimer run`; another --state-dir?)")?;
    if history.entries.is_empty() {
        let folder = folder.display();
        eprintln!(
            "truechimer: there is no history in {folder} (written by `truechimer run`; another --state-dir?)"
        );
    }
    if let Some(file) = &arguments.plot {
        return plot(file, arguments, &history);
    }
    let chosen = chosen(&history, arguments.since, arguments.most);
    let mut out = io::stdout().lock();
    let colours = Colours::of(arguments.output.color, &out);
    let text = match arguments.output.json {
        true => serde_json::to_string_pretty(&Document::of(chosen, history.torn))? + "\n",
        false => text(chosen, history.torn, colours),
    };
    out.write_all(text.as_bytes())?;
    Ok(if chosen.is_empty() { Outcome::No } else { Outcome::Yes })
}

/// Draws it. The answer is yes if there is anything to draw.
fn plot(file: &Path, arguments: &cli::History, history: &History) -> anyhow::Result<Outcome> {
    picture::check(file)?;
    let entries = recent(history, arguments.since);
    let Some(sheet) = drawing::sheet(entries, &shown(&arguments.what)) else {
        eprintln!("truechimer: the history has nothing that could be drawn");
        return Ok(Outcome::No);
    };
    picture::write(file, &sheet.svg())?;
    if history.torn > 0 {
        eprintln!("truechimer: {} lines cannot be read: a power cut leaves one, now and then", history.torn);
    }
    Ok(Outcome::Yes)
}

/// What is asked for, or else all.
fn shown(what: &[cli::Curve]) -> Vec<Shown> {
    let shown = |curve: &cli::Curve| match curve {
        cli::Curve::Offset => Shown::Offset,
        cli::Curve::Bound => Shown::Bound,
        cli::Curve::Frequency => Shown::Frequency,
        cli::Curve::Deviation => Shown::Deviation,
    };
    if what.is_empty() { Shown::ALL.to_vec() } else { what.iter().map(shown).collect() }
}

/// The newest entries: those of the last `since` before the newest one, and at most so many that were told.
fn chosen(history: &History, since: Option<Span>, most: usize) -> &[Entry] {
    let entries = recent(history, since);
    let told = entries.iter().enumerate().filter(|(_, entry)| is_listed(entry));
    let begin = told.rev().nth(most.saturating_sub(1)).map_or(0, |(index, _)| index);
    &entries[begin..]
}

fn recent(history: &History, since: Option<Span>) -> &[Entry] {
    let entries = &history.entries;
    let Some(newest) = entries.last() else { return &[] };
    let is_old = |entry: &Entry| since.is_some_and(|since| newest.at.local - entry.at.local > since);
    let begin = entries.iter().rposition(is_old).map_or(0, |last_old| last_old + 1);
    &entries[begin..]
}

fn is_listed(entry: &Entry) -> bool {
    match entry.what {
        What::Born { .. } | What::Told(_) => true,
        What::Known { .. } | What::Runs(_) => false,
    }
}

fn text(entries: &[Entry], torn: usize, colours: Colours) -> String {
    let head = [
        ("when (UTC)", Side::Left),
        ("", Side::Left),
        ("what", Side::Left),
        ("by", Side::Right),
        ("", Side::Left),
    ];
    let mut table = Table::new(head).in_colours(colours);
    for entry in entries {
        match &entry.what {
            What::Born { boot, clocksource } => {
                let begins =
                    format!("the daemon begins, in boot {} on {clocksource}", boot.get(..8).unwrap_or(boot));
                table.row_in(
                    Mood::Good,
                    [when(entry, None), "info".into(), "begun".into(), String::new(), begins],
                );
            }
            What::Told(told) => table.row_in(mood(told.level), cells(entry, told)),
            What::Known { .. } | What::Runs(_) => {}
        }
    }
    let mut text = table.to_string();
    if torn > 0 {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{torn} lines cannot be read: a power cut leaves one, now and then");
    }
    text
}

fn cells(entry: &Entry, told: &Told) -> [String; 5] {
    [
        when(entry, told.tai),
        told.level.name().to_owned(),
        told.label.clone(),
        told.by.map_or(String::new(), units::offset),
        told.words.clone(),
    ]
}

/// The true time as far as it was known; else what the clock showed, with a mark.
fn when(entry: &Entry, tai: Option<Time<Tai>>) -> String {
    match tai {
        Some(tai) => stamp::utc(tai, &LeapTable::COMPILED),
        None => format!("~{:.6}", Civil::of(Time::from_epoch(entry.at.local.since_epoch()))),
    }
}

fn mood(level: Level) -> Mood {
    match level {
        Level::Error => Mood::Bad,
        Level::Warn => Mood::Doubtful,
        Level::Info | Level::Debug | Level::Trace => Mood::Good,
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Document {
    version: u32,
    torn: usize,
    entries: Vec<Line>,
}

/// An entry for programs. Instants are dates, or decimal seconds of the counter; spans are seconds.
#[derive(Serialize)]
struct Line {
    kind: &'static str,
    raw: String,
    local: String,
    utc: Option<String>,
    status: Option<&'static str>,
    offset: Option<f64>,
    bound: Option<f64>,
    sigma: Option<f64>,
    rate_ppm: Option<f64>,
    level: Option<&'static str>,
    label: Option<String>,
    by: Option<f64>,
    words: Option<String>,
}

impl Document {
    fn of(entries: &[Entry], torn: usize) -> Self {
        Self { version: VERSION, torn, entries: entries.iter().map(Line::of).collect() }
    }
}

impl Line {
    fn of(entry: &Entry) -> Self {
        let blank = Self {
            kind: "begun",
            raw: entry.at.raw.since_epoch().to_string(),
            local: format!("{:.9}", Civil::of(Time::from_epoch(entry.at.local.since_epoch()))),
            utc: None,
            status: None,
            offset: None,
            bound: None,
            sigma: None,
            rate_ppm: None,
            level: None,
            label: None,
            by: None,
            words: None,
        };
        match &entry.what {
            What::Born { boot, clocksource } => {
                Self { words: Some(format!("{boot} {clocksource}")), ..blank }
            }
            What::Runs(rate) => Self { kind: "rate", rate_ppm: Some(rate.as_ppm()), ..blank },
            What::Told(told) => Self {
                kind: "told",
                utc: told.tai.map(date),
                level: Some(told.level.name()),
                label: Some(told.label.clone()),
                by: told.by.map(Span::as_seconds),
                words: Some(told.words.clone()),
                ..blank
            },
            What::Known { status, model: None } => {
                Self { kind: "known", status: Some(status.word()), ..blank }
            }
            What::Known { status, model: Some(model) } => {
                let reading = model.read(entry.at.raw);
                let right = LeapTable::COMPILED.utc_of_tai(reading.best).time;
                Self {
                    kind: "known",
                    utc: Some(date(reading.best)),
                    status: Some(status.word()),
                    offset: Some((right.since_epoch() - entry.at.local.since_epoch()).as_seconds()),
                    bound: Some(reading.bound().as_seconds()),
                    sigma: Some(reading.sigma.as_seconds()),
                    rate_ppm: Some(model.rate.as_ppm()),
                    ..blank
                }
            }
        }
    }
}

fn date(tai: Time<Tai>) -> String {
    format!("{:.9}", Civil::of_reading(LeapTable::COMPILED.utc_of_tai(tai)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::tests::{at, model};
    use truechimer_core::status::Status;

    fn told(seconds: i64, label: &str) -> Entry {
        let (level, label) = (Level::Warn, label.to_owned());
        let by = Some(Span::from_millis(-250));
        Entry {
            at: at(seconds),
            what: What::Told(Told { tai: None, level, label, by, words: "so it was".to_owned() }),
        }
    }

    fn history() -> History {
        let born = What::Born { boot: "0123456789".to_owned(), clocksource: "tsc".to_owned() };
        let known = What::Known { status: Status::Synchronised, model: Some(model(at(30).raw)) };
        let entries = vec![
            Entry { at: at(0), what: born },
            told(10, "stepped"),
            Entry { at: at(30), what: known },
            told(40, "suspended"),
            told(5000, "starved"),
        ];
        History { entries, torn: 2 }
    }

    #[test]
    fn the_newest_are_listed() {
        let history = history();
        assert_eq!(chosen(&history, None, 100).len(), 5);
        assert_eq!(chosen(&history, None, 2).len(), 2);
        assert_eq!(chosen(&history, None, 3).len(), 4, "with what was known between them");
        assert_eq!(chosen(&history, Some(Span::from_secs(3600)), 100).len(), 1);
        assert_eq!(chosen(&History::default(), None, 3).len(), 0);
    }

    #[test]
    fn people_see_a_line_for_each_thing_that_happened() {
        let history = history();
        let text = text(&history.entries, history.torn, Colours::NONE);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 1 + 4 + 1);
        assert!(lines[1].contains("in boot 01234567 on tsc"), "{text}");
        assert!(lines[2].contains("~2026-09-21T") && lines[2].contains("-250.0 ms"), "{text}");
        assert!(lines[5].starts_with("2 lines cannot be read"), "{text}");
    }

    #[test]
    fn programs_see_what_was_known_too() {
        let known = Line::of(&history().entries[2]);
        assert_eq!((known.kind, known.status), ("known", Some("synchronised")));
        let bound = known.bound.expect("known");
        assert!((bound - 0.0005).abs() < 1e-6, "{bound}");
    }
}

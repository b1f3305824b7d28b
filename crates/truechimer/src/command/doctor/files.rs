//! `doctor files`: the stamps in folders: by whose clock they are, and which are from the future.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use clap::{Args, ValueHint};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use truechimer_time::Span;

use crate::cli;
use crate::command::Outcome;
use crate::config::Spelled;
use crate::doctor::certainty::{Certainty, certainty};
use crate::doctor::checks::{file_times, future_files};
use crate::doctor::walk::{Future, Search, Tally, walk};
use crate::doctor::{Answer, Finding, Machine, mounts, report, stamps};
use crate::ui::colour::Colours;
use crate::ui::units;

/// How often the count is shown.
const SHOWN_EVERY: Duration = Duration::from_millis(250);

/// Where to look, and how.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Files {
    /// Below which folders
    #[arg(required = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub folders: Vec<PathBuf>,
    /// From the future is what is newer than now by more than this [default: the bound of this clock's error, if known]
    #[arg(long, value_name = "DURATION", value_parser = Span::read)]
    pub newer_by: Option<Span>,
    /// How many of the worst to name
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub worst: u16,
    /// Look into other file systems that are mounted below, too
    #[arg(long)]
    pub other_file_systems: bool,
    /// Which daemon of ours
    #[command(flatten)]
    pub daemon: cli::Daemon,
    /// How to print
    #[command(flatten)]
    pub output: cli::Output,
}

/// What is printed for programs.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    report: report::Document<'a>,
    worst: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    path: String,
    ahead_seconds: f64,
    by_mtime: bool,
    by_ctime: bool,
}

/// Looks at folders one after the other. The answer is yes if nothing was found.
///
/// # Errors
/// Nothing can be printed.
pub fn files(arguments: &Files) -> anyhow::Result<Outcome> {
    let machine = Machine { run_dir: arguments.daemon.run_dir.clone(), ..Machine::at(Path::new("/")) };
    let known = certainty(&machine).ok();
    let (mut answers, mut worst) = (Vec::new(), Vec::new());
    for folder in &arguments.folders {
        let by_whom = by_whom(&machine, folder);
        let is_silent = by_whom.is_err();
        answers.extend(by_whom.unwrap_or_else(|silent| vec![silent]));
        if is_silent {
            continue;
        }
        let (search, tally) = future(arguments, folder, known);
        let found = future_files::judge(&search, &tally, known);
        answers.extend(found.into_iter().map(|finding| Answer { check: &future_files::CHECK, finding }));
        worst.extend(tally.worst);
    }
    answers.sort_by_key(|answer| answer.finding.verdict);
    worst.sort_by(|one, other| other.cmp(one));
    worst.truncate(arguments.worst.into());
    let mut out = io::stdout().lock();
    let text = match arguments.output.json {
        true => json(&answers, &worst)?,
        false => report::text(&answers, Colours::of(arguments.output.color, &out)) + &table(&worst),
    };
    out.write_all(text.as_bytes())?;
    Ok(super::outcome(&answers))
}

/// By whose clock a folder is stamped; the error is that its file system does not answer.
fn by_whom(machine: &Machine, folder: &Path) -> Result<Vec<Answer>, Answer> {
    let answer = |finding| Answer { check: &file_times::CHECK, finding };
    let findings = match stamps::measure_apart(folder, file_times::PATIENCE) {
        Ok(stamps) => file_times::judge(&place(machine, folder), &stamps),
        Err(none) if none.is_silent => return Err(answer(Finding::unseen(&none.hidden))),
        Err(none) => vec![Finding::unseen(&none.hidden)],
    };
    Ok(findings.into_iter().map(answer).collect())
}

/// A folder and what is mounted there. Only asked of one that answers.
fn place(machine: &Machine, folder: &Path) -> String {
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let mounts = mounts::mounts(machine).unwrap_or_default();
    let shown = future_files::shown(folder);
    match mounts::holding(&mounts, &whole) {
        Some(mount) => format!("{shown} ({} from {})", mount.kind, mount.from),
        None => shown,
    }
}

/// What is from the future below a folder; those who wait see how much was looked at.
fn future<'a>(arguments: &Files, folder: &'a Path, known: Option<Certainty>) -> (Search<'a>, Tally) {
    let bound = known.map_or(Span::ZERO, |known| known.most);
    let search = Search {
        top: folder,
        beyond: arguments.newer_by.unwrap_or(bound),
        named: arguments.worst.into(),
        threads: future_files::threads(),
        elsewhere: arguments.other_file_systems,
        entries_max: u64::MAX,
    };
    let (seen, is_done) = (AtomicU64::new(0), AtomicBool::new(false));
    let tally = thread::scope(|scope| {
        let shown = scope.spawn(|| show(folder, &seen, &is_done));
        let tally = walk(&search, &seen);
        is_done.store(true, Ordering::Release);
        shown.thread().unpark();
        tally
    });
    (search, tally)
}

/// Shows on a terminal, on stderr, how many files were looked at, until it is done.
fn show(folder: &Path, seen: &AtomicU64, is_done: &AtomicBool) {
    let bar = bar(folder);
    while !is_done.load(Ordering::Acquire) {
        thread::park_timeout(SHOWN_EVERY);
        bar.set_position(seen.load(Ordering::Relaxed));
    }
    bar.finish_and_clear();
}

fn bar(folder: &Path) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {prefix}: {human_pos} files, {per_sec}, {elapsed}");
    let target = match io::stderr().is_terminal() {
        true => ProgressDrawTarget::stderr_with_hz(4),
        false => ProgressDrawTarget::hidden(),
    };
    let bar = ProgressBar::with_draw_target(None, target).with_prefix(folder.display().to_string());
    bar.with_style(style.expect("the template is a constant that a test has read"))
}

fn json(answers: &[Answer], worst: &[Future]) -> anyhow::Result<String> {
    let row = |future: &Future| Row {
        path: future.path.display().to_string(),
        ahead_seconds: future.ahead.as_seconds(),
        by_mtime: future.by_mtime,
        by_ctime: future.by_ctime,
    };
    let document = Document { report: report::document(answers), worst: worst.iter().map(row).collect() };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// The worst, a line each.
fn table(worst: &[Future]) -> String {
    let stamps = |future: &Future| match (future.by_mtime, future.by_ctime) {
        (true, true) => "mtime ctime",
        (true, false) => "mtime      ",
        (false, _) => "      ctime",
    };
    let line = |future: &Future| {
        format!(
            "  {:>9} ahead  {}  {}\n",
            units::span(future.ahead),
            stamps(future),
            future_files::shown(&future.path)
        )
    };
    let lines: String = worst.iter().map(line).collect();
    if lines.is_empty() { lines } else { format!("\n{lines}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_can_be_shown() {
        bar(Path::new("/srv")).set_position(3);
    }

    #[test]
    fn the_worst_are_told_with_the_stamps_that_are_wrong() {
        let future = |by_mtime, by_ctime| Future {
            ahead: Span::from_secs(7200),
            by_mtime,
            by_ctime,
            path: PathBuf::from("/a"),
        };
        assert_eq!(table(&[]), "");
        assert_eq!(table(&[future(true, true)]), "\n    2.000 h ahead  mtime ctime  /a\n");
        assert_eq!(table(&[future(false, true)]), "\n    2.000 h ahead        ctime  /a\n");
    }
}

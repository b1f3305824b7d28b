//! `truechimer doctor`: what is wrong with this machine's sense of time.

pub mod files;
pub mod stamps;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use clap::{Args, Subcommand, ValueHint};
use truechimer_sys::clock;
use truechimer_time::{Civil, Span, Time};

use crate::cli;
use crate::command::Outcome;
use crate::config::Spelled;
use crate::doctor::{self, Answer, Check, Machine, Verdict, changes, checks, report, usage};
use crate::ui::colour::Colours;

/// Say what is wrong with this machine's sense of time, and what to do about it
///
/// Works with any time daemon or none, changes nothing, and needs no privileges; with them it sees more. The answer is no (1) if
/// something was found, and 111 if nothing could be looked at.
#[derive(Args, Clone, Debug, PartialEq)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Doctor {
    /// Something in particular
    #[command(subcommand)]
    pub part: Option<Part>,
    /// Only these checks, separated by commas
    #[arg(long, value_name = "CHECK", value_delimiter = ',', value_parser = check)]
    pub only: Vec<&'static Check>,
    /// Print the page of a check: what it looks at, why, and what to do
    #[arg(long, value_name = "CHECK", value_parser = check)]
    pub explain: Option<&'static Check>,
    /// How long to watch the clocks
    #[arg(long = "for", value_name = "DURATION", default_value = "10s", value_parser = cli::patience)]
    pub watched_for: Span,
    /// Protocols that this machine is to be fit for, though they are not seen in use, separated by commas
    #[arg(long, value_name = "PROTOCOL", value_delimiter = ',', value_parser = usage::protocol_named)]
    pub uses: Vec<String>,
    /// Examine again and again, so far apart, and tell what changes; with JSON a document each time, on a line
    #[arg(long, value_name = "INTERVAL", value_parser = interval, conflicts_with = "explain")]
    pub watch: Option<Span>,
    /// Ask the sources of this configuration, of any time program, instead of the one that is found
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Which daemon of ours
    #[command(flatten)]
    pub daemon: cli::Daemon,
    /// How to print
    #[command(flatten)]
    pub output: cli::Output,
}

/// What is looked at apart from the checks.
#[derive(Subcommand, Clone, Debug, PartialEq)]
pub enum Part {
    /// Look for files from the future, and hold the file system's clock against this one
    ///
    /// Looks at everything below the folders, however much it is, and follows no links. Makes a private folder in each to see by
    /// whose clock it is stamped, and removes it again. The answer is no (1) if something was found.
    Files(files::Files),
    /// Told to ourselves.
    #[command(hide = true)]
    Stamps(stamps::Stamps),
}

/// Examines this machine. The answer is yes if nothing was found.
pub fn doctor(arguments: &Doctor) -> anyhow::Result<Outcome> {
    match &arguments.part {
        Some(Part::Files(arguments)) => return files::files(arguments),
        Some(Part::Stamps(arguments)) => return stamps::stamps(arguments),
        None => {}
    }
    if let Some(check) = arguments.explain {
        return explain(check);
    }
    let machine = Machine {
        run_dir: arguments.daemon.run_dir.clone(),
        watched_for: arguments.watched_for,
        uses: arguments.uses.clone(),
        config: arguments.config.clone(),
        ..Machine::at(Path::new("/"))
    };
    let checks = if arguments.only.is_empty() { checks::ALL } else { &arguments.only };
    let answers = doctor::examine(&machine, checks);
    let mut out = io::stdout().lock();
    let colours = Colours::of(arguments.output.color, &out);
    match (arguments.output.json, arguments.watch) {
        (true, None) => writeln!(out, "{}", serde_json::to_string_pretty(&report::document(&answers))?)?,
        (true, Some(_)) => writeln!(out, "{}", serde_json::to_string(&report::document(&answers))?)?,
        (false, _) => out.write_all(report::text(&answers, colours).as_bytes())?,
    }
    match arguments.watch {
        None => Ok(outcome(&answers)),
        Some(interval) => {
            watch(&machine, checks, answers, &Repeat { interval, json: arguments.output.json, colours })
        }
    }
}

/// How it goes on.
struct Repeat {
    interval: Span,
    json: bool,
    colours: Colours,
}

/// Examines until somebody ends it; that nobody listens any more is an end as well.
fn watch(
    machine: &Machine,
    checks: &[&'static Check],
    mut before: Vec<Answer>,
    how: &Repeat,
) -> anyhow::Result<Outcome> {
    loop {
        io::stdout().flush()?;
        thread::sleep(Duration::from_secs_f64(how.interval.as_seconds()));
        let answers = doctor::examine(&machine.anew(), checks);
        let (seconds, _) = clock::realtime().since_epoch().split();
        let whole = Span::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
        let date = Civil::of(Time::from_epoch(whole)).to_string();
        let text = match how.json {
            true => serde_json::to_string(&report::document(&answers))? + "\n",
            false => changes::text(&changes::between(&before, &answers), &date, how.colours),
        };
        io::stdout().lock().write_all(text.as_bytes())?;
        before = answers;
    }
}

fn interval(text: &str) -> Result<Span, String> {
    let span = <Span as Spelled>::read(text).map_err(|error| format!("it {error}"))?;
    match Span::from_secs(1) <= span && span <= Span::from_secs(86_400) {
        true => Ok(span),
        false => Err("it must be 1s to 1d".to_owned()),
    }
}

fn explain(check: &Check) -> anyhow::Result<Outcome> {
    let page = format!("{}: {}\n\n{}", check.name, check.question, check.page);
    io::stdout().lock().write_all(page.as_bytes())?;
    Ok(Outcome::Yes)
}

fn check(name: &str) -> Result<&'static Check, String> {
    let all = || checks::ALL.iter().map(|check| check.name).collect::<Vec<_>>().join(", ");
    checks::named(name).ok_or_else(|| format!("there are {}", all()))
}

/// What could not be looked at is a failure only where nothing could be.
pub(crate) fn outcome(answers: &[Answer]) -> Outcome {
    let verdicts = || answers.iter().map(|answer| answer.finding.verdict);
    if verdicts().any(Verdict::is_trouble) {
        Outcome::No
    } else if verdicts().all(|verdict| verdict == Verdict::Unseen) {
        Outcome::Failed
    } else {
        Outcome::Yes
    }
}

//! `truechimer timeline`: logs of many hosts as one story in true time.

mod config;
mod corrections;
mod tally;

use std::collections::BTreeSet;
use std::io::{self, BufWriter, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum, ValueHint};
use truechimer_sys::clock;
use truechimer_time::{Civil, LeapTable, Span, Tai, Time, tai64};
use truechimer_timeline::dialect::{BootId, Own};
use truechimer_timeline::records::Records;
use truechimer_timeline::render::{Form, LeftOut, Look, Scale, Words, Writer};
use truechimer_timeline::shown::{Hints, Labels, Years, labels_of};
use truechimer_timeline::stamp::{Reading, Wall};
use truechimer_timeline::story::{Host, Hosts, Log, StoryError, Whose, tell};
use truechimer_timeline::window::Window;

use crate::cli::{self, ColourWhen};
use crate::command::Outcome;
use crate::config::Spelled;
use crate::timeline::inputs::{self, Input};
use crate::timeline::journal::Journals;
use crate::timeline::question::{self, Looks};
use crate::timeline::{cause, evidence};
use crate::ui::colour::Colours;
use crate::ui::{stamp, units};

use tally::Tally;

pub use corrections::{Corrections, Export, of_this_machine};

/// Tell the logs of many hosts as one story, each line with the true time and how well it is known
///
/// A folder is a host, and all files below it are of that host; a file is of the host it is named after. Histories of our
/// daemon and tracking logs of chronyd among them are evidence of what the clocks were worth. Without evidence nothing is claimed.
#[derive(Args, Clone, Debug, PartialEq)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Timeline {
    /// Something else than a story
    #[command(subcommand)]
    pub verb: Option<Verb>,
    /// Logs, folders of them, and evidence; - is standard input
    #[arg(value_name = "PATH", required_unless_present_any = ["hosts", "config"], value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
    /// What is said of hosts, stamps and causes by options, in a file: pattern, year, zone, labels, boot, assume,
    /// servers_within, [host.NAME] with path, zone, labels, boot, assume, servers_within, unset, and [[cause]]
    ///
    /// What there is one of, options say otherwise; what there can be many of, they add to. docs/manual/timeline.md has an example.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// What is in PATH is of the host NAME, whatever its lines say
    #[arg(long = "host", value_name = "NAME=PATH", value_parser = named_path)]
    pub hosts: Vec<(String, PathBuf)>,
    /// The zone in which stamps without one are written, of one host or of all: Europe/Berlin, UTC
    #[arg(long = "zone", value_name = "[NAME=]ZONE", value_parser = |text: &str| for_host(text, zone))]
    pub zones: Vec<For<Zone>>,
    /// How TAI64 labels are made, by one host or by all
    #[arg(long = "labels", value_name = "[NAME=]tai|clock+10", value_parser = |text: &str| for_host(text, labels))]
    pub labels: Vec<For<Labels>>,
    /// Stamps that tell only the time since a boot are of this one, as the host's journal calls it (journalctl --list-boots)
    #[arg(long = "boot", value_name = "[NAME=]ID", value_parser = |text: &str| for_host(text, boot))]
    pub boots: Vec<For<BootId>>,
    /// How stamps are written that are of no known kind: a regular expression with groups year, month, day, hour, minute, second,
    /// fraction, zone, or epoch, and host; can be given several times
    #[arg(long = "pattern", value_name = "REGEX", value_parser = pattern)]
    pub patterns: Vec<Pattern>,
    /// The year of the first stamp in logs whose stamps have none
    #[arg(long, value_name = "YEAR")]
    pub year: Option<i16>,
    /// Believe that a clock of which nothing is known, of one host or of all, is at most so wrong
    #[arg(long = "assume", value_name = "[NAME=]BOUND", value_parser = |text: &str| for_host(text, assumed))]
    pub assumed: Vec<For<Span>>,
    /// Believe that the servers of an ntpd that did not write down how right they were, of one host or of all, were never more wrong than
    /// this, but for a minority: peerstats, and rawstats before 4.2.8
    #[arg(long = "servers-within", value_name = "[NAME=]BOUND", value_parser = |text: &str| for_host(text, assumed))]
    pub servers_within: Vec<For<Span>>,
    /// What was before what
    #[command(flatten)]
    pub order: cause::Options,
    /// In which form
    #[arg(long, value_name = "FORM", value_enum, default_value_t = FormName::Text)]
    pub form: FormName,
    /// Write TAI instead of UTC
    #[arg(long)]
    pub tai: bool,
    /// In text, tell also by what the time of each line is known: history, chrony, ntpd, claim, told, causality; or what its stamp
    /// leaves open: zone, year, label ..
    #[arg(long)]
    pub why: bool,
    /// Tell where nothing was written for longer
    #[arg(long, value_name = "DURATION", default_value = "10min", value_parser = cli::spelled::<Span>)]
    pub gap: Span,
    /// Only lines that can have been written then or later: 2026-11-23T08:00:30Z, 2026-11-23 (UTC), @4000..
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub from: Option<Time<Tai>>,
    /// Only lines that can have been written then or earlier
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub to: Option<Time<Tai>>,
    /// Colours, which never carry meaning alone
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = ColourWhen::Auto)]
    pub color: ColourWhen,
}

/// What else is made of evidence.
#[derive(Subcommand, Clone, Debug, PartialEq)]
pub enum Verb {
    /// Write down how to come from what the clocks showed to true UTC, for databases that have billions of rows
    ///
    /// A row holds for readings of one clock from one up to another: UTC is the reading, plus the offset, plus the rate times what has
    /// gone by since the row began, to within the bound. An ASOF join finds the row of a reading. No row: nothing is known.
    /// Exit 0: something is known; 1: nothing.
    Corrections(Corrections),
}

/// In which form a story is written.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormName {
    /// A line each, for people
    Text,
    /// The lines as they were, in order, and nothing else
    Lines,
    /// A JSON object a line
    Json,
    /// Comma-separated values with a head
    Csv,
    /// RFC 5424, with what is known of the time as timeQuality
    Syslog,
    /// Trace events, for Perfetto and Chrome
    Trace,
    /// A page for browsers, to zoom in; of 100,000 lines at most
    Html,
}

/// Something that is said of one host, or of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct For<T> {
    /// Of which; of all others, if none is named.
    pub host: Option<String>,
    /// What.
    pub what: T,
}

/// A zone, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(jiff::tz::TimeZone);

/// A pattern of the user's own.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    own: Own,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

fn pattern(text: &str) -> Result<Pattern, String> {
    let own = Own::of(text).map_err(|error| error.to_string())?;
    Ok(Pattern { text: text.to_owned(), own })
}

fn for_host<T>(text: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<For<T>, String> {
    match text.split_once('=') {
        Some((host, what)) => Ok(For { host: Some(host.to_owned()), what: read(what)? }),
        None => Ok(For { host: None, what: read(text)? }),
    }
}

fn zone(text: &str) -> Result<Zone, String> {
    jiff::tz::TimeZone::get(text).map(Zone).map_err(|error| error.to_string())
}

fn labels(text: &str) -> Result<Labels, String> {
    match text {
        "tai" => Ok(Labels::Tai),
        "clock+10" => Ok(Labels::ClockAndTen),
        _ => Err("it must be tai (s6-log) or clock+10 (multilog, tai64n)".to_owned()),
    }
}

fn boot(text: &str) -> Result<BootId, String> {
    BootId::parse(text.as_bytes()).ok_or("it must be 32 hexadecimal digits".to_owned())
}

fn assumed(text: &str) -> Result<Span, String> {
    match Span::read(text).map_err(|error| error.to_string())? {
        bound if bound > Span::ZERO => Ok(bound),
        _ => Err("no clock is right to nothing".to_owned()),
    }
}

/// An instant as people write it. Without a zone it is in UTC, as what we print; second 60 of a leap second is one.
fn instant(text: &str) -> Result<Time<Tai>, String> {
    let posix = |nanos: i128| Time::from_epoch(Span::from_attos(nanos.saturating_mul(1_000_000_000)));
    if text.starts_with('@') {
        return tai64::parse(text).map_err(|error| error.to_string());
    }
    if let Some(date) = text.strip_suffix(" TAI") {
        let civil: Civil = format!("{date}Z").parse().map_err(|_| "it is no date in TAI".to_owned())?;
        return civil
            .time()
            .map(|time| Time::from_epoch(time.since_epoch()))
            .map_err(|error| error.to_string());
    }
    if let Ok(civil) = text.parse::<Civil>() {
        return civil.tai(&LeapTable::COMPILED).map_err(|error| error.to_string());
    }
    let zoneless =
        text.parse::<jiff::civil::DateTime>().and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC));
    let nanos =
        zoneless.map_err(|_| "it must be like 2026-11-23T08:00:30Z, 2026-11-23 or @4000..".to_owned())?;
    Ok(LeapTable::COMPILED.tai_of_utc(posix(nanos.timestamp().as_nanosecond())))
}

fn named_path(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, path)) if !name.is_empty() && !path.is_empty() => Ok((name.to_owned(), path.into())),
        _ => Err("it must be NAME=PATH".to_owned()),
    }
}

impl Timeline {
    fn own(&self) -> Arc<[Own]> {
        self.patterns.iter().map(|pattern| pattern.own.clone()).collect()
    }
}

/// Tells the story, or what was asked of it.
pub fn timeline(arguments: &Timeline) -> anyhow::Result<Outcome> {
    let ended = match &arguments.verb {
        Some(Verb::Corrections(arguments)) => corrections::of_files(arguments),
        None => match &arguments.config {
            Some(file) => config::with(arguments, file).and_then(|all| tell_or_answer(&all, arguments)),
            None => tell_or_answer(arguments, arguments),
        },
    };
    match ended {
        Err(error) if error.is::<cause::Misuse>() => {
            writeln!(io::stderr(), "truechimer: {error}")?;
            Ok(Outcome::Misused)
        }
        ended => ended,
    }
}

/// `spoken` is what stood on the command line itself.
fn tell_or_answer(arguments: &Timeline, spoken: &Timeline) -> anyhow::Result<Outcome> {
    if arguments.from.zip(arguments.to).is_some_and(|(from, to)| to < from) {
        return cause::misuse("--to is before --from");
    }
    if !arguments.order.could_have_caused.is_empty()
        && !matches!(arguments.form, FormName::Text | FormName::Json)
    {
        return cause::misuse("--could-have-caused answers as --form text or json");
    }
    let inputs = inputs::find(&arguments.paths, &arguments.hosts)?;
    let mut hosts = hosts(arguments, &inputs)?;
    let of_logs: Vec<&Input> = inputs.iter().filter(|input| input.kind.is_log()).collect();
    let names: Vec<String> = of_logs.iter().map(|input| input.path.display().to_string()).collect();
    let wanted = arguments.order.wanted(&of_logs)?;
    let open = |hosts: &Hosts, number: usize| log(arguments, hosts, of_logs[number]);
    let learned = wanted.map(|wanted| wanted.learn(&mut hosts, &names, open)).transpose()?;
    if let Some(told) = &learned {
        let scale = if arguments.tai { Scale::Tai } else { Scale::Utc };
        told.say(&hosts, &names, scale);
        if let Some(asked) = told.asked() {
            let looks =
                Looks { hosts: &hosts, names: &names, scale, is_json: arguments.form == FormName::Json };
            return question::answer(io::stdout().lock(), told, asked, &looks);
        }
    }
    let mut logs: Vec<Log<Box<dyn Read>>> =
        (0..of_logs.len()).map(|number| open(&hosts, number)).collect::<anyhow::Result<_>>()?;
    if let Some(told) = &learned {
        let knowing = |(number, log): (usize, Log<_>)| log.knowing(told.learned.of_log(&told.found, number));
        logs = logs.into_iter().enumerate().map(knowing).collect();
    }
    let tally = Tally::of(&arguments.paths, &of_logs, said_names(spoken));
    story(arguments, hosts, logs, (&names, tally))?;
    let is_possible = learned.is_none_or(|told| told.learned.contradictions.is_empty());
    Ok(if is_possible { Outcome::Yes } else { Outcome::No })
}

fn story(
    arguments: &Timeline,
    mut hosts: Hosts,
    mut logs: Vec<Log<Box<dyn Read>>>,
    (names, mut tally): (&[String], Tally<'_>),
) -> anyhow::Result<()> {
    let stdout = io::stdout().lock();
    let look = look(arguments, Colours::of(arguments.color, &stdout));
    let mut writer = Writer::begin(BufWriter::with_capacity(1 << 16, stdout), &look, &hosts, names)?;
    let mut window = Window::of(arguments.from, arguments.to);
    let told = tell(&mut hosts, &mut logs, |hosts, told| {
        if !window.takes(told) {
            return Ok(());
        }
        tally.count(told);
        writer.tell(hosts, told)
    });
    let left_out = writer.left_out();
    match told {
        Ok(()) => writer.end()?,
        Err(StoryError::Listener(error)) => return Err(error.into()),
        Err(StoryError::Log(error)) => {
            writer.end()?;
            let place = names[error.log].clone();
            return Err(anyhow::Error::new(error.error).context(format!("cannot read {place} further")));
        }
    }
    tally.tell(&hosts);
    if let Some(left_out) = left_out {
        tell_left_out(&left_out);
    }
    Ok(())
}

/// What a page has no room for, and how to see it. When stderr is gone, nobody wants to know.
fn tell_left_out(left_out: &LeftOut) {
    let ends = [left_out.from, left_out.to].map(|at| at.map(|at| stamp::utc(at, &LeapTable::COMPILED)));
    let which = match ends {
        [Some(from), Some(to)] => format!(", of {from} to {to}"),
        [_, _] => String::new(),
    };
    let help = "--from and --to choose a time, --form json or text has all";
    let _ = writeln!(
        io::stderr(),
        "truechimer: the page is full: {} more not in it{which}; {help}",
        units::counted(left_out.lines, "line is", "lines are")
    );
}

fn look(arguments: &Timeline, colours: Colours) -> Look {
    let form = match arguments.form {
        FormName::Text => Form::Text,
        FormName::Lines => Form::Lines,
        FormName::Json => Form::Json,
        FormName::Csv => Form::Csv,
        FormName::Syslog => Form::Syslog,
        FormName::Trace => Form::Trace,
        FormName::Html => Form::Html,
    };
    Look {
        form,
        scale: if arguments.tai { Scale::Tai } else { Scale::Utc },
        gap: Some(arguments.gap),
        why: arguments.why,
        colours: colours.are_on(),
        words: Words { span: units::span, bound: units::bound },
    }
}

/// All hosts that have files, with what is known of their clocks.
fn hosts(arguments: &Timeline, inputs: &[Input]) -> anyhow::Result<Hosts> {
    let journals = Journals::of(inputs, |input| is_named(&arguments.hosts, input))?;
    let host = |name: &str| -> anyhow::Result<Host> {
        let of_host: Vec<&Input> = inputs.iter().filter(|input| input.host == name).collect();
        let within = said(&arguments.servers_within, Some(name)).copied();
        let course = evidence::of(&of_host, journals.of_host(name), within)?;
        Ok(Host { course, ..said_of(arguments, Some(name)) })
    };
    let known = names(inputs).into_iter().map(host).collect::<anyhow::Result<_>>()?;
    let expected = said_names(arguments).into_iter().map(|name| said_of(arguments, Some(name))).collect();
    Ok(Hosts::of(known).expecting(expected, said_of(arguments, None)))
}

/// What is said of a host, or of all that are not named.
fn said_of(arguments: &Timeline, name: Option<&str>) -> Host {
    let mut host = Host { name: name.unwrap_or_default().to_owned(), ..Host::default() };
    host.habits.zone = said(&arguments.zones, name).map(|zone| zone.0.clone());
    host.habits.boot = said(&arguments.boots, name).copied();
    host.habits.labels = said(&arguments.labels, name).copied();
    host.assumed = said(&arguments.assumed, name).copied();
    host
}

/// Of which hosts something is said.
fn said_names(arguments: &Timeline) -> BTreeSet<&str> {
    fn of<T>(all: &[For<T>]) -> impl Iterator<Item = &str> {
        all.iter().filter_map(|one| one.host.as_deref())
    }
    let names = of(&arguments.zones).chain(of(&arguments.boots)).chain(of(&arguments.labels));
    names.chain(of(&arguments.assumed)).chain(of(&arguments.servers_within)).collect()
}

/// The hosts that have files, in the order in which they were named.
fn names(inputs: &[Input]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for input in inputs {
        if !names.contains(&input.host.as_str()) {
            names.push(&input.host);
        }
    }
    names
}

/// Did somebody say whose all lines of it are?
fn is_named(hosts: &[(String, PathBuf)], input: &Input) -> bool {
    hosts.iter().any(|(_, path)| input.path.starts_with(path))
}

/// What is said of this host; else what is said of all.
fn said<'a, T>(all: &'a [For<T>], host: Option<&str>) -> Option<&'a T> {
    let of = |wanted: Option<&str>| all.iter().rev().find(|one| one.host.as_deref() == wanted);
    of(host).or_else(|| of(None)).map(|one| &one.what)
}

fn log(arguments: &Timeline, hosts: &Hosts, input: &Input) -> anyhow::Result<Log<Box<dyn Read>>> {
    let number = hosts.all().iter().position(|host| host.name == input.host);
    let number = number.context("each file has a host")?;
    let whose = if is_named(&arguments.hosts, input) { Whose::Only(number) } else { Whose::Mostly(number) };
    let found = hints(arguments, input).with_context(|| format!("cannot read {}", input.path.display()))?;
    let hints = Hints { year: arguments.year.or(found.year), ..found };
    Ok(Log::of(inputs::open(&input.path)?, whose, hints).with(arguments.own()))
}

/// What the log as a whole tells of its stamps: for a year or labels all of it is read.
fn hints(arguments: &Timeline, input: &Input) -> anyhow::Result<Hints> {
    let written = match (input.written, input.path.as_os_str() == inputs::STDIN) {
        (Some(written), false) => written,
        (_, true) | (None, false) => return Ok(Hints { year: Some(this_year()), labels: None }),
    };
    let mut records = Records::of(inputs::open(&input.path)?).with(arguments.own());
    let mut failed = None;
    let mut readings = std::iter::from_fn(|| {
        loop {
            match records.advance() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    failed = Some(error);
                    return None;
                }
            }
            if let Some(found) = records.found() {
                return Some(found.stamp.reading);
            }
        }
    });
    let hints = match readings.next() {
        Some(Reading::Wall(first)) if first.year.is_none() => {
            let walls = std::iter::once(first).chain(readings.filter_map(without_year));
            Hints { year: Years::first(walls, written), labels: None }
        }
        Some(Reading::Label(first)) => {
            let last = readings
                .fold(first, |last, reading| if let Reading::Label(label) = reading { label } else { last });
            Hints { year: None, labels: labels_of(last, written) }
        }
        Some(_) | None => Hints::default(),
    };
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(hints),
    }
}

fn without_year(reading: Reading) -> Option<Wall> {
    match reading {
        Reading::Wall(wall) => Some(wall).filter(|wall| wall.year.is_none()),
        Reading::Clock(_) | Reading::LeapSecond(_) | Reading::Label(_) | Reading::SinceBoot(_) => None,
    }
}

/// What comes by a pipe is believed to be written now.
fn this_year() -> i16 {
    let now = clock::readings().realtime.since_epoch();
    Civil::of(Time::from_epoch(now)).year as i16
}

//! The command line: one table, from which parsing, help, man pages and completions all come.
//!
//! Each subcommand's arguments are a struct; `main` says which of them this build has a body for.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum, ValueHint};
use truechimer_core::wire::mac::KeyKind;
use truechimer_time::Span;

use crate::config::{Address, KeyId, Origin, Spelled, kind_named};
use crate::readiness::Supervised;

mod survey;

pub use survey::Survey;

/// The most exchanges with one server in one query.
pub const SAMPLES_MAX: u8 = 64;

/// Run the daemon: keep this machine's clock right
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Run {
    /// The configuration, instead of the one in /etc/truechimer
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Leave out what a preloaded simulator cannot carry: control socket, other users, processes and threads
    #[arg(long)]
    pub simulated: bool,
    /// Write down every measurement and every decision in this folder
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub statistics: Option<PathBuf>,
    /// Whom to tell when the time is known
    #[command(flatten)]
    pub supervised: Supervised,
}

/// Measure other clocks now, without privileges
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Query {
    /// Whom to ask: a name or an address, with a port if it is not 123
    #[arg(required = true, value_name = "HOST[:PORT]", value_parser = spelled::<Address>, value_hint = ValueHint::Hostname)]
    pub hosts: Vec<Address>,
    /// How many exchanges with each
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=i64::from(SAMPLES_MAX)))]
    pub samples: u8,
    /// How long to wait for an answer
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = patience)]
    pub timeout: Span,
    /// How to reach the names
    #[command(flatten)]
    pub family: Family,
    /// How to print
    #[command(flatten)]
    pub output: Output,
}

/// Set the clock once, by the vote of all sources named
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Set {
    /// Whom to ask: a name or an address, with a port if it is not 123
    #[arg(required = true, value_name = "SOURCE", value_parser = spelled::<Address>, value_hint = ValueHint::Hostname)]
    pub sources: Vec<Address>,
    /// Say what would be done, and leave the clock alone
    #[arg(long)]
    pub dry_run: bool,
    /// Set the clock at once, however small the error
    #[arg(long, conflicts_with = "slew")]
    pub step: bool,
    /// Move the clock gradually, however large the error
    #[arg(long)]
    pub slew: bool,
    /// Trust one operator alone
    #[arg(long)]
    pub single: bool,
    /// Believe that the clock is wrong by more than a year
    #[arg(long)]
    pub force: bool,
    /// How to reach the names
    #[command(flatten)]
    pub family: Family,
    /// How to print
    #[command(flatten)]
    pub output: Output,
}

/// Say how right the clock is
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Status {
    /// Which daemon
    #[command(flatten)]
    pub daemon: Daemon,
    /// How to print
    #[command(flatten)]
    pub output: Output,
}

/// List the sources, and what is thought of each
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Sources {
    /// Which daemon
    #[command(flatten)]
    pub daemon: Daemon,
    /// How to print
    #[command(flatten)]
    pub output: Output,
}

/// List what the samples of each source say: its rate and its offset against ours, and how they scatter
///
/// At most the last 64 samples of a source are looked at. The rate is that of true time by the source alone minus the one
/// that the daemon reckons with: positive, if ours loses against it.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Sourcestats {
    /// Which daemon
    #[command(flatten)]
    pub daemon: Daemon,
    /// How to print
    #[command(flatten)]
    pub output: Output,
}

/// List how each source votes and why, and between which ends it says the time is
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Selectdata {
    /// Which daemon
    #[command(flatten)]
    pub daemon: Daemon,
    /// How to print
    #[command(flatten)]
    pub output: Output,
}

/// Say what this machine's server has done
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Serverstats {
    /// Which daemon
    #[command(flatten)]
    pub daemon: Daemon,
    /// How to print
    #[command(flatten)]
    pub output: Output,
}

/// List who asks this machine for the time, the most eager first
///
/// A client is an IPv4 address, or a network of 64 bits in IPv6. So many are remembered as `[serve] clients` says; who has been
/// silent for longest goes first. For root and the daemon's own account.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Clients {
    /// How many to list
    #[arg(
        short = 'n',
        long = "most",
        value_name = "NUMBER",
        default_value_t = 20,
        allow_negative_numbers = true
    )]
    pub most: usize,
    /// Which daemon
    #[command(flatten)]
    pub daemon: Daemon,
    /// How to print
    #[command(flatten)]
    pub output: Output,
}

/// Wait until the clock is right, by its bound
///
/// Exit 0: the clock is known to be within the bound of true time. Exit 1: that takes longer than the timeout; why is on stderr.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Wait {
    /// How wrong the clock may be at most, under the assumptions of the bound
    #[arg(long, value_name = "DURATION", default_value = "100ms", value_parser = spelled::<Span>)]
    pub bound: Span,
    /// How long to wait; without it for ever
    #[arg(long, value_name = "DURATION", value_parser = spelled::<Span>)]
    pub timeout: Option<Span>,
    /// Which daemon
    #[command(flatten)]
    pub daemon: Daemon,
}

/// Print what happened to this machine's time, the newest last
///
/// It is read from the files that the daemon leaves, and the daemon need not run. A date with `~` in front is what the clock showed
/// when true time was not known.
#[derive(Args, Clone, Debug, PartialEq)]
#[command(args_conflicts_with_subcommands = true)]
pub struct History {
    /// Something else than a list
    #[command(subcommand)]
    pub verb: Option<HistoryVerb>,
    /// How many things that happened, at most
    #[arg(short = 'n', long = "most", value_name = "NUMBER", default_value_t = 50)]
    pub most: usize,
    /// Only what happened so shortly before the newest entry
    #[arg(long, value_name = "DURATION", value_parser = spelled::<Span>)]
    pub since: Option<Span>,
    /// Where the daemon keeps what has to survive it
    #[arg(long, value_name = "DIR", default_value = "/var/lib/truechimer", value_hint = ValueHint::DirPath)]
    pub state_dir: PathBuf,
    /// Draw it instead, into this file: NAME.svg, or NAME.png where this program was built with PNG
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["json", "most"])]
    pub plot: Option<PathBuf>,
    /// What to draw, instead of all
    #[arg(long, value_name = "WHAT", value_enum, requires = "plot")]
    pub what: Vec<Curve>,
    /// How to print
    #[command(flatten)]
    pub output: Output,
}

/// What else can be made of the history.
#[derive(Subcommand, Clone, Debug, PartialEq)]
pub enum HistoryVerb {
    /// Write down how to come from what this machine's clock showed to true UTC, for databases
    ///
    /// A row holds for readings of the clock from one up to another: UTC is the reading, plus the offset, plus the rate times what has
    /// gone by since the row began, to within the bound. What was measured later has made what was known before narrower.
    /// Exit 0: something is known; 1: nothing.
    Export(crate::command::timeline::Export),
}

/// What can be drawn of the history.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// How wrong the clock was
    Offset,
    /// How well the time was known
    Bound,
    /// How fast the raw counter ran
    Frequency,
    /// How steady the raw counter was: its overlapping Allan deviation
    Deviation,
}

/// Say how long the time would stay good if all sources vanished now
///
/// By the daemon's forecast for its usual limits; for a limit of yours by the shared page alone, and then the daemon need not run.
/// Exit 0: the time is known; 1: it is not.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Forecast {
    /// For how long the time is known to within this; can be given several times
    #[arg(long = "bound", value_name = "DURATION", value_parser = spelled::<Span>)]
    pub bounds: Vec<Span>,
    /// Which daemon
    #[command(flatten)]
    pub daemon: Daemon,
    /// How to print
    #[command(flatten)]
    pub output: Output,
}

/// Watch the time live: how wrong the clock is and can be, the sources, what happens
///
/// Where stdout is no terminal, or with `--plain`, it prints a line each second instead. Keys are on the last line; `?` explains them.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Watch {
    /// Print a line each second instead
    #[arg(long)]
    pub plain: bool,
    /// From one line or look at the time to the next
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = tick)]
    pub interval: Span,
    /// How far the curves go back at first
    #[arg(long, value_name = "DURATION", default_value = "10min", value_parser = spelled::<Span>)]
    pub span: Span,
    /// Where the daemon keeps what has to survive it: the history, for what was before
    #[arg(long, value_name = "DIR", default_value = "/var/lib/truechimer", value_hint = ValueHint::DirPath)]
    pub state_dir: PathBuf,
    /// Which daemon
    #[command(flatten)]
    pub daemon: Daemon,
    /// Colours, which never carry meaning alone
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = ColourWhen::Auto)]
    pub color: ColourWhen,
}

/// Print the time: the earliest it can be, the best guess, the latest
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Now {
    /// Which daemon
    #[command(flatten)]
    pub daemon: Daemon,
    /// How to print
    #[command(flatten)]
    pub output: Output,
}

/// Have the daemon measure all its sources now
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Burst {
    /// Which daemon
    #[command(flatten)]
    pub daemon: Daemon,
}

/// Give the daemon leave to step the clock once, however large the error
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Step {
    /// The daemon's configuration, instead of the one in /etc/truechimer
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Which daemon
    #[command(flatten)]
    pub daemon: Daemon,
}

/// Check the configuration, show what holds, or make one of an older set-up
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Config {
    /// Which of these
    #[command(subcommand)]
    pub verb: ConfigVerb,
}

/// What to do with a configuration.
#[derive(Subcommand, Clone, Debug, PartialEq)]
pub enum ConfigVerb {
    /// Say whether a configuration can be used, and if not, where it is wrong
    Check {
        /// The configuration, instead of the one in /etc/truechimer
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
    },
    /// Print the effective configuration, every key with its value, as TOML
    Show {
        /// The configuration, instead of the one in /etc/truechimer
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
    },
    /// Print the configuration of chrony, ntpd, ntpd-rs, timesyncd or a clockspeed set-up as one of ours
    ///
    /// The configuration goes to stdout, and to stderr a line for all that differs or is left out. Nothing in the file is
    /// run. The answer is no (1) if something is left out that changes how the clock is kept.
    Import(Import),
}

/// Print the configuration of another program as one of ours.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Import {
    /// The file, such as /etc/chrony/chrony.conf; those that it includes are read too
    #[arg(value_name = "FILE", value_hint = ValueHint::AnyPath)]
    pub file: PathBuf,
    /// Whose it is, where name and content do not tell
    #[arg(long, value_name = "PROGRAM")]
    pub from: Option<Origin>,
    /// Print what became of each line instead
    #[arg(long)]
    pub report: bool,
    /// Print all of it for programs: the configuration, each line and what became of it
    #[arg(long)]
    pub json: bool,
}

/// Make keys that servers and clients share
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Keys {
    /// What to do with keys
    #[command(subcommand)]
    pub verb: KeysVerb,
}

/// What to do with keys.
#[derive(Subcommand, Clone, Debug, PartialEq)]
pub enum KeysVerb {
    /// Print a line for a file of keys, with a secret that nobody else has
    New {
        /// The number by which both sides know the key
        #[arg(value_name = "ID", default_value = "1")]
        id: KeyId,
        /// AES128, AES256 or SHA256; SHA1 and MD5 are for old peers only
        #[arg(value_name = "TYPE", default_value = "AES128", value_parser = key_kind)]
        kind: KeyKind,
        /// The length of the secret, where the type leaves it open: 80 to 2048 in steps of 8
        #[arg(value_name = "BITS")]
        bits: Option<usize>,
    },
}

fn key_kind(name: &str) -> Result<KeyKind, String> {
    kind_named(name.as_bytes()).ok_or_else(|| "it must be AES128, AES256, SHA256, SHA1 or MD5".to_owned())
}

/// See it work: a wrong clock, four servers, one of them lying, nothing to set up
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Demo {
    /// End within a minute, with a summary
    #[arg(long)]
    pub fast: bool,
}

/// How many histories, or which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seeds {
    /// So many.
    Count(u64),
    /// These, both ends included.
    Range(RangeInclusive<u64>),
}

/// The most histories that are made of everything in a table.
const SEEDS_MAX: u64 = 10_000;

impl Seeds {
    /// How many there are.
    pub fn count(&self) -> u64 {
        match self {
            Self::Count(count) => *count,
            Self::Range(range) => (range.end() - range.start()).saturating_add(1),
        }
    }

    /// Which they are, if that was said.
    pub fn range(&self) -> Option<RangeInclusive<u64>> {
        match self {
            Self::Count(_) => None,
            Self::Range(range) => Some(range.clone()),
        }
    }
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<u64>().map_err(|error| format!("\"{text}\": {error}"));
        match text.split_once("..") {
            None => match number(text)? {
                count @ 1..=SEEDS_MAX => Ok(Self::Count(count)),
                _ => Err(format!("it must be 1 to {SEEDS_MAX}")),
            },
            Some((from, to)) => match (number(from)?, number(to)?) {
                (from, to) if from <= to => Ok(Self::Range(from..=to)),
                (from, to) => Err(format!("{from} comes after {to}")),
            },
        }
    }
}

fn budget(text: &str) -> Result<f64, String> {
    let years: f64 = text.parse().map_err(|_| "it is not a number".to_owned())?;
    if years > 0.0 && years <= 1e6 {
        Ok(years)
    } else {
        Err("it must be more than 0 years and at most 1000000".to_owned())
    }
}

/// Simulate: a scenario, a table of figures, or a life that a daemon wrote down
#[derive(Args, Clone, Debug, PartialEq)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["name", "plot", "replay"])))]
pub struct Sim {
    /// The scenario or the table; a name that does not exist lists them all
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// The seed from which all chance of a scenario comes
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Draw the figures of the laboratory, as SVG, into this folder, which must exist
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub plot: Option<PathBuf>,
    /// For a table: the mean of so many histories, instead of as many as the table finds right; for `years`, A..B makes
    /// the worlds of these seeds
    #[arg(long, value_name = "N|A..B")]
    pub seeds: Option<Seeds>,
    /// For `years`: worlds of so many machine-years altogether
    #[arg(long, value_name = "YEARS", value_parser = budget)]
    pub budget: Option<f64>,
    /// For a table or the figures: a small fixed part, within seconds
    #[arg(long)]
    pub quick: bool,
    /// For a table or the figures: how many threads to work on, instead of one for each core; the figures are the same
    #[arg(long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,
    /// Statistics files of a daemon, the oldest first
    #[arg(long, value_name = "FILE", num_args = 1.., value_hint = ValueHint::FilePath)]
    pub replay: Vec<PathBuf>,
    /// How to print
    #[command(flatten)]
    pub output: Output,
}

/// List the classic programs that this binary answers to by name, or make links for them
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Applets {
    /// Make a link for each name in this folder, which must exist; what is there already is left alone
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub install: Option<PathBuf>,
}

/// Write the man pages into a folder
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Man {
    /// The folder, which must exist
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,
}

/// Print the completions for a shell
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Completions {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// How to print.
#[derive(Args, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output {
    /// Print JSON for programs instead of a table for people
    #[arg(long)]
    pub json: bool,
    /// Colours, which never carry meaning alone
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = ColourWhen::Auto)]
    pub color: ColourWhen,
}

/// When to print in colours.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColourWhen {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Which addresses of a name to use.
#[derive(Args, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// Use IPv4 only
    #[arg(short = '4', conflicts_with = "ipv6")]
    pub ipv4: bool,
    /// Use IPv6 only
    #[arg(short = '6')]
    pub ipv6: bool,
}

impl Family {
    /// May this address be used?
    pub fn takes(self, place: &SocketAddr) -> bool {
        match place {
            SocketAddr::V4(_) => !self.ipv6,
            SocketAddr::V6(_) => !self.ipv4,
        }
    }
}

/// Which daemon to talk to.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// Where the daemon keeps its socket and its shared memory
    #[arg(long, value_name = "DIR", default_value = "/run/truechimer", value_hint = ValueHint::DirPath)]
    pub run_dir: PathBuf,
}

/// Reads an argument as the configuration would read it.
pub(crate) fn spelled<T: Spelled>(text: &str) -> Result<T, String> {
    T::read(text).map_err(|error| format!("it {error}"))
}

fn tick(text: &str) -> Result<Span, String> {
    let span = spelled::<Span>(text)?;
    match Span::from_millis(100) <= span && span <= Span::from_secs(3600) {
        true => Ok(span),
        false => Err("it must be 100ms to 1h".to_owned()),
    }
}

pub(crate) fn patience(text: &str) -> Result<Span, String> {
    let span = spelled::<Span>(text)?;
    match Span::from_millis(10) <= span && span <= Span::from_secs(60) {
        true => Ok(span),
        false => Err("it must be 10ms to 60s".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};

    #[derive(Parser, Debug)]
    #[allow(clippy::large_enum_variant, reason = "there is one of it at a time")]
    enum All {
        Run(Run),
        Query(Query),
        Survey(Survey),
        Set(Set),
        Status(Status),
        Sources(Sources),
        Sourcestats(Sourcestats),
        Selectdata(Selectdata),
        Serverstats(Serverstats),
        Clients(Clients),
        Now(Now),
        Wait(Wait),
        History(History),
        Forecast(Forecast),
        Watch(Watch),
        Burst(Burst),
        Config(Config),
        Keys(Keys),
        Demo(Demo),
        Sim(Sim),
        Applets(Applets),
        Man(Man),
        Completions(Completions),
    }

    fn parse(line: &str) -> Result<All, String> {
        All::try_parse_from(std::iter::once("truechimer").chain(line.split(' '))).map_err(|e| e.to_string())
    }

    #[test]
    fn the_table_is_sound() {
        All::command().debug_assert();
    }

    #[test]
    fn every_documented_line_is_understood() {
        for line in [
            "run",
            "run --config /etc/x.toml --simulated --statistics /var/log/t",
            "query ntp.example.net 192.0.2.1:1123 --json --samples 8 --timeout 500ms -4",
            "survey a.example 192.0.2.0/24 https://b.example --limit 100ms --json",
            "survey --file hosts --file - --protocols nts,ntp,http --ports ntp=1123,http=8080 --wide -6",
            "survey a.example --samples 8 --turns 1 --timeout 500ms --concurrency 4096 --rate 10000 --ca x.pem",
            "survey a.example --state s --resume --csv -n 20 --plot x.svg --prometheus x.prom --run-dir /tmp/x",
            "survey a.example --watch 10min --rounds 3 --history h",
            "set a.example b.example c.example --dry-run --step",
            "set a.example --slew --single --force --json",
            "status --json",
            "sources",
            "sourcestats --json",
            "selectdata --run-dir /tmp/x",
            "serverstats",
            "now --json --run-dir /tmp/x",
            "burst",
            "wait --bound 1ms --timeout 3min",
            "history -n 3 --since 2h --state-dir /tmp --json",
            "history --plot h.svg --since 2h --what offset --what deviation",
            "forecast --json",
            "forecast --bound 5ms --bound 1s --run-dir /tmp/x",
            "watch --plain --interval 500ms",
            "watch --span 2h --color never --run-dir /tmp/x --state-dir /tmp/y",
            "config check",
            "config check x.toml",
            "config show",
            "config import /etc/clockspeed.conf",
            "keys new",
            "keys new 7 aes-256",
            "keys new 7 SHA256 256",
            "demo --fast",
            "sim quiet-lan --seed 7",
            "sim matrix --seeds 3 --quick --jobs 4 --json",
            "sim years --budget 0.5",
            "sim years --seeds 17..17",
            "sim --plot /tmp --quick",
            "sim --replay a b c --json",
            "applets",
            "applets --install /tmp",
            "man /tmp",
            "completions zsh",
        ] {
            assert!(parse(line).is_ok(), "{line}: {}", parse(line).unwrap_err());
        }
    }

    #[test]
    fn contradictions_are_refused() {
        for line in [
            "query",
            "query a.example -4 -6",
            "query a.example --samples 0",
            "query a.example --timeout 3",
            "query a.example --timeout 2h",
            "query a:b:c",
            "survey",
            "survey a.example --protocols gopher",
            "survey a.example --ports ntp=0",
            "survey a.example --ports 1123",
            "survey a.example --samples 9",
            "survey a.example --turns 0",
            "survey a.example --concurrency 0",
            "survey a.example --resume",
            "survey a.example --rounds 3",
            "survey a.example --watch 1ms",
            "survey a.example --watch 10s --state s",
            "survey a.example --csv --json",
            "set a.example --step --slew",
            "sim",
            "sim quiet-lan --seed 7 --replay a",
            "sim matrix --seeds 0",
            "sim years --seeds 9..8",
            "sim years --budget nan",
            "sim years --budget 0",
            "sim matrix --plot /tmp",
            "sim matrix --jobs 0",
            "keys",
            "keys new 0",
            "keys new 7 ROT13",
            "now extra",
            "wait --bound 5",
            "history --since yesterday",
            "history --what offset",
            "history --plot h.svg --what bounds",
            "history --plot h.svg --json",
            "forecast --bound 5",
            "watch --interval 1ms",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_family_keeps_the_other_out() {
        let (v4, v6) = ("192.0.2.1:123".parse().unwrap(), "[2001:db8::1]:123".parse().unwrap());
        let family = |ipv4, ipv6| Family { ipv4, ipv6 };
        assert!(family(false, false).takes(&v4) && family(false, false).takes(&v6));
        assert!(family(true, false).takes(&v4) && !family(true, false).takes(&v6));
        assert!(!family(false, true).takes(&v4) && family(false, true).takes(&v6));
    }
}

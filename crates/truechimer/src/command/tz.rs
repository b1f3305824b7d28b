//! `truechimer tz check`: do the kernel's clock and the zone of this machine count the same seconds? Nothing is changed.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand, ValueHint};
use serde::Serialize;
use truechimer_sys::adjust;
use truechimer_time::{LeapTable, Span};

use crate::cli::Family;
use crate::command::Outcome;
use crate::config::{Address, Spelled};
use crate::measuring::{self, Manner};
use crate::page;
use crate::zone::{self, LOCALTIME, Zone};

pub mod advice;
pub mod judge;

use advice::Advice;
use judge::{Count, Evidence, Verdict};

/// Compare what the kernel's clock counts with what the time zone of this machine counts
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Tz {
    /// What to do
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do about time zones.
#[derive(Subcommand, Clone, Debug, PartialEq)]
pub enum Verb {
    /// Say whether the two agree, what breaks, and how to move either way; nothing is changed
    Check(Check),
}

/// Arguments of `tz check`.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Check {
    /// Whom to ask for UTC: a name or an address, with a port if it is not 123; without any, what this machine knows counts
    #[arg(value_name = "HOST[:PORT]", value_parser = address, value_hint = ValueHint::Hostname)]
    pub hosts: Vec<Address>,
    /// The zone of the machine
    #[arg(long, value_name = "FILE", default_value = LOCALTIME, value_hint = ValueHint::FilePath)]
    pub localtime: PathBuf,
    /// Where a daemon keeps its shared memory, if one runs
    #[arg(long, value_name = "DIR", default_value = "/run/truechimer", value_hint = ValueHint::DirPath)]
    pub run_dir: PathBuf,
    /// Print JSON for programs instead of a text for people
    #[arg(long)]
    pub json: bool,
}

fn address(text: &str) -> Result<Address, String> {
    Address::read(text).map_err(|error| format!("it {error}"))
}

/// What `tz check --json` prints.
#[derive(Serialize, Clone, Debug, PartialEq)]
struct Report {
    kernel: Kernel,
    zone: ZoneReport,
    /// What the kernel was told that CLOCK_TAI is ahead of its clock, in seconds; 0: nobody told it.
    clock_tai_offset: i32,
    agree: bool,
    breaks: Vec<String>,
    to_tai_10: Vec<String>,
    to_utc: Vec<String>,
}

#[derive(Serialize, Clone, Debug, PartialEq)]
struct Kernel {
    /// "utc", "tai-10" or "neither".
    count: &'static str,
    /// By what that is known.
    by: String,
}

#[derive(Serialize, Clone, Debug, PartialEq)]
struct ZoneReport {
    file: PathBuf,
    name: Option<String>,
    right: bool,
    leap_seconds: u32,
    /// What the C library does in this process, by TZ or by the machine's own zone.
    library_right: bool,
}

/// How many exchanges with each host are enough to tell 27 seconds.
const SAMPLES: u8 = 2;

/// Looks, judges and prints. Yes, if clock and zone agree.
pub fn tz(arguments: &Tz) -> anyhow::Result<Outcome> {
    let Verb::Check(arguments) = &arguments.verb;
    let place = arguments.localtime.display();
    let zone = Zone::load(&arguments.localtime).with_context(|| format!("cannot read the zone {place}"))?;
    let tai_offset = adjust::read_state().context("cannot read the state of the kernel's clock")?.tai_offset;
    let evidence = evidence(arguments, tai_offset)?;
    let verdict = judge::judge(&evidence, &zone);
    let report = report(arguments, &zone, tai_offset, &verdict);
    let text = match arguments.json {
        true => serde_json::to_string_pretty(&report)? + "\n",
        false => text(&report),
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(if verdict.agree { Outcome::Yes } else { Outcome::No })
}

/// The best that there is: who was asked, else a daemon that keeps the time, else what the kernel was told.
fn evidence(arguments: &Check, tai_offset: i32) -> anyhow::Result<Evidence> {
    if !arguments.hosts.is_empty() {
        return asked(&arguments.hosts);
    }
    let told = Evidence::TaiOffset(tai_offset);
    Ok(published(&arguments.run_dir).map_or(told, |behind| Evidence::Daemon { behind }))
}

fn asked(hosts: &[Address]) -> anyhow::Result<Evidence> {
    let family = Family { ipv4: false, ipv6: false };
    let manner = Manner { samples: SAMPLES, timeout: Span::from_secs(3), family };
    let survey = measuring::measure(hosts, &manner).context("cannot measure other clocks")?;
    let majority = survey.verdict.outcome;
    let majority = majority.map_err(|few| {
        anyhow::anyhow!("no majority of those that were asked says anything ({} agree)", few.agree)
    })?;
    Ok(Evidence::Asked { behind: majority.offset, votes: majority.agree })
}

/// How far the kernel's clock is behind UTC, by the page of a daemon that knows the time. Where there is none, or it says
/// nothing, there is no such evidence: that is no failure.
fn published(run_dir: &Path) -> Option<Span> {
    let (page, readings) = page::read(run_dir).ok()?;
    let best = page.in_own_leaps(page.read(readings.raw, readings.asleep)?.best);
    Some(LeapTable::COMPILED.utc_of_tai(best).time.since_epoch() - readings.realtime.since_epoch())
}

fn report(arguments: &Check, zone: &Zone, tai_offset: i32, verdict: &Verdict) -> Report {
    let Advice { breaks, to_tai_10, to_utc } = advice::advice(verdict.count, zone, tai_offset);
    let count = match verdict.count {
        Count::Utc => "utc",
        Count::Tai10 => "tai-10",
        Count::Neither(_) => "neither",
    };
    Report {
        kernel: Kernel { count, by: verdict.by.clone() },
        zone: ZoneReport {
            file: arguments.localtime.clone(),
            name: zone.name.clone(),
            right: zone.is_right(),
            leap_seconds: zone.leap_seconds,
            library_right: zone::library_is_right(),
        },
        clock_tai_offset: tai_offset,
        agree: verdict.agree,
        breaks,
        to_tai_10,
        to_utc,
    }
}

fn text(report: &Report) -> String {
    let Report { kernel, zone, .. } = report;
    let count = match kernel.count {
        "utc" => "UTC",
        "tai-10" => "all seconds, ten less than TAI",
        _neither => "neither UTC nor all seconds",
    };
    let name = zone.name.as_deref().unwrap_or("a zone without a name");
    let kind = match zone.right {
        true => format!("of the kind right/, with {} leap seconds", zone.leap_seconds),
        false => "of POSIX, without leap seconds".to_owned(),
    };
    let library = match zone.library_right == zone.right {
        true => "does the same here",
        false => "does otherwise here: see TZ in the environment",
    };
    let tai = match report.clock_tai_offset {
        0 => "as the clock: nobody has told the kernel".to_owned(),
        ahead => format!("{ahead} s ahead of the clock"),
    };
    let agree = match report.agree {
        true => "the clock and the zone agree",
        false => "THE CLOCK AND THE ZONE DO NOT AGREE",
    };
    let mut text = format!(
        "clock      counts {count}: {}\nzone       {} is {name}, {kind}\nlibrary    {library}\nCLOCK_TAI  {tai}\n\n{agree}\n",
        kernel.by,
        zone.file.display(),
    );
    text += &list("what breaks, or will", "  - ", &report.breaks);
    text += &list("to have clock and zone count all seconds, as root", "  ", &report.to_tai_10);
    text += &list("to have clock and zone of UTC, as root", "  ", &report.to_utc);
    text
}

fn list(head: &str, before: &str, lines: &[String]) -> String {
    match lines {
        [] => String::new(),
        lines => lines.iter().fold(format!("\n{head}:\n"), |text, line| text + before + line + "\n"),
    }
}

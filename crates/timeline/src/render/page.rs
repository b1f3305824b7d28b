//! A page to zoom in: one file of HTML that asks nobody for anything. A lane for each host, a bar for each line from the earliest to
//! the latest moment; below them the lines in the order for reading.
//!
//! The lines are written as they come, as data and not as elements; what draws them stands behind them. Whatever is in a line stays a
//! text: no `<` of it is written as such, and the page itself forbids all scripts but ours, by their checksums.

use std::collections::BTreeMap;
use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use sha2::{Digest, Sha256};
use truechimer_time::{LeapTable, Span, Tai, Time};

use super::face::Scale;
use super::rows::doubt_word;
use super::{LeftOut, Look, Named, evidence_word};
use crate::course::Evidence;
use crate::interval::Interval;
use crate::shown::Doubt;
use crate::story::Told;

/// The most lines of a page. Browsers draw and search so many within the blink of an eye.
const LINES_MAX: u64 = 100_000;

/// The most bytes of lines in a page.
const BYTES_MAX: usize = 64 << 20;

/// The most bytes of one line; the rest is counted.
const LINE_MAX: usize = 8192;

/// So many lines are one block of data.
const BLOCK_LINES: u64 = 4096;

const SECONDS_PER_DAY: i64 = 86_400;

/// uPlot, which draws the axis and keeps its canvas sharp: see the README beside it.
const CHART: &str = include_str!("../../vendor/uplot/uPlot.iife.min.js");
const CHART_STYLE: &str = include_str!("../../vendor/uplot/uPlot.min.css");
/// It wants to be in every copy.
const CHART_LICENCE: &str = include_str!("../../vendor/uplot/LICENSE");
const STYLE: &str = include_str!("page/page.css");
const BODY: &str = include_str!("page/page.html");

/// One script from several files, in which nothing is global.
const SCRIPT: &str = concat!(
    "(() => {\n'use strict';\nconst about = JSON.parse(document.getElementById('about').textContent);\n",
    include_str!("page/time.js"),
    include_str!("page/lines.js"),
    include_str!("page/chart.js"),
    include_str!("page/list.js"),
    include_str!("page/page.js"),
    "})();\n"
);

/// Writes a page.
pub(super) struct Page {
    scale: Scale,
    gap: Option<Span>,
    /// The midnight before the first line, from which seconds are counted: floating numbers then hold nanoseconds.
    base: Option<i64>,
    hosts: Numbers,
    logs: Numbers,
    lines: u64,
    bytes: usize,
    left_out: LeftOut,
}

/// Names in the order in which they came, and their numbers in the story.
#[derive(Default)]
struct Numbers {
    names: Vec<String>,
    numbers: BTreeMap<usize, usize>,
}

impl Numbers {
    fn of(&mut self, number: usize, name: &str) -> usize {
        *self.numbers.entry(number).or_insert_with(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        })
    }
}

/// What is known of when a line was written, as the page numbers it.
const KNOWN: u8 = 0;
const WORD: u8 = 1;
const NEVER: u8 = 2;
const BELONGS: u8 = 3;

/// What every line has: its host, its log, what is known of when it was written, bytes that were cut off, its text.
#[derive(Serialize)]
struct Head<'a>(usize, usize, u8, u64, &'a str);

/// When it was: the earliest moment in seconds from the base and nanoseconds, and how many nanoseconds later the likeliest and the
/// latest are; what the clock showed in seconds of POSIX and nanoseconds, and so much more at most; in which stretch of its clock;
/// by which evidence; in which doubt.
#[derive(Serialize)]
struct Placed(i64, u32, i64, i64, i64, u32, i64, i64, i8, i8);

/// What the page knows beside its lines.
#[derive(Serialize)]
struct About<'a> {
    scale: &'static str,
    base: i64,
    gap: Option<f64>,
    hosts: &'a [String],
    logs: &'a [String],
    evidence: Vec<&'static str>,
    doubts: Vec<&'static str>,
    offset_at_start: i32,
    /// When a leap begins and ends in seconds of TAI, and what holds from then on.
    leaps: Vec<(i64, i64, i32)>,
    left_out: Option<Missing>,
}

/// How many lines are not in the page, and of which time.
#[derive(Serialize)]
struct Missing {
    lines: u64,
    from: Option<(i64, u32)>,
    to: Option<(i64, u32)>,
}

impl Page {
    pub(super) fn begin(out: &mut impl Write, look: &Look) -> io::Result<Self> {
        let scripts =
            [CHART, SCRIPT].map(|script| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(script))));
        write!(
            out,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src {}\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Timeline</title>\n\
             <style>\n{CHART_STYLE}\n{STYLE}</style>\n</head>\n{BODY}",
            scripts.join(" ")
        )?;
        Ok(Self {
            scale: look.scale,
            gap: look.gap,
            base: None,
            hosts: Numbers::default(),
            logs: Numbers::default(),
            lines: 0,
            bytes: 0,
            left_out: LeftOut::default(),
        })
    }

    pub(super) fn tell(&mut self, out: &mut impl Write, named: &Named<'_>) -> io::Result<()> {
        let line = named.told.line;
        let kept = &line.bytes[..line.bytes.len().min(LINE_MAX)];
        if self.lines == LINES_MAX || self.bytes + kept.len() > BYTES_MAX {
            // From here on to the end, so that the page is whole up to a moment.
            self.bytes = BYTES_MAX + 1;
            self.left_out.count(named.told.place());
            return Ok(());
        }
        let begins = self.lines.is_multiple_of(BLOCK_LINES);
        if begins {
            let end = if self.lines > 0 { "]</script>\n" } else { "" };
            write!(out, "{end}<script type=\"application/json\" class=\"lines\">[")?;
        }
        out.write_all(if begins { b"\n" } else { b",\n" })?;
        self.lines += 1;
        self.bytes += kept.len();
        let cut = line.cut + (line.bytes.len() - kept.len()) as u64;
        let (host, log) =
            (self.hosts.of(named.told.host, named.host), self.logs.of(named.told.log, named.log));
        let text = String::from_utf8_lossy(kept);
        let head = |kind| Head(host, log, kind, cut, &text);
        match (self.placed(named.told), named.told.when) {
            (Some((kind, placed)), _) => row(out, &head(kind), &placed),
            (None, Some(when)) => row(out, &head(NEVER), &(when.shown.doubt.map_or(-1, doubt_number),)),
            (None, None) => row(out, &head(BELONGS), &(-1,)),
        }
    }

    /// When a line was, or when its clock said that it was.
    fn placed(&mut self, told: &Told<'_>) -> Option<(u8, Placed)> {
        let when = told.when?;
        let Interval { earliest, best, latest } = when.reach()?;
        let truth = when.truth.filter(|truth| truth.interval.is_bounded());
        let (second, nanos) = cut(earliest.since_epoch());
        let from = Span::from_secs(second) + Span::from_nanos(nanos.into());
        let (clock, clock_nanos) = cut(when.shown.from.since_epoch());
        let base = *self.base.get_or_insert_with(|| midnight(best, self.scale));
        let placed = Placed(
            second - base,
            nanos,
            (best.since_epoch() - from).as_nanos(),
            nanos_up(latest.since_epoch() - from),
            clock,
            clock_nanos,
            nanos_up(when.shown.to - when.shown.from),
            truth.and_then(|truth| truth.stretch).map_or(-1, |stretch| stretch as i64),
            truth.map_or(-1, |truth| evidence_number(truth.evidence)),
            when.shown.doubt.map_or(-1, doubt_number),
        );
        Some((if truth.is_some() { KNOWN } else { WORD }, placed))
    }

    /// What was left out so far.
    pub(super) fn left_out(&self) -> Option<LeftOut> {
        Some(self.left_out).filter(|left_out| left_out.lines > 0)
    }

    pub(super) fn end(self, out: &mut impl Write) -> io::Result<()> {
        if self.lines > 0 {
            out.write_all(b"]</script>\n")?;
        }
        let pair = |at: Time<Tai>| cut(at.since_epoch());
        let missing =
            |out: LeftOut| Missing { lines: out.lines, from: out.from.map(pair), to: out.to.map(pair) };
        let whole = |at: Time<Tai>| at.since_epoch().split().0 as i64;
        let about = About {
            scale: match self.scale {
                Scale::Utc => "utc",
                Scale::Tai => "tai",
            },
            base: self.base.unwrap_or(0),
            gap: self.gap.map(Span::as_seconds),
            hosts: &self.hosts.names,
            logs: &self.logs.names,
            evidence: EVIDENCE.map(evidence_word).into(),
            doubts: DOUBTS.map(doubt_word).into(),
            offset_at_start: truechimer_time::leap::OFFSET_AT_START,
            leaps: LeapTable::COMPILED
                .leaps()
                .iter()
                .map(|leap| (whole(leap.begins()), whole(leap.ends()), leap.offset()))
                .collect(),
            left_out: self.left_out().map(missing),
        };
        out.write_all(b"<script type=\"application/json\" id=\"about\">")?;
        json(out, &about)?;
        write!(
            out,
            "</script>\n<!-- uPlot:\n{CHART_LICENCE}-->\n<script>{CHART}</script>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
        )
    }
}

/// One array of both.
fn row(out: &mut impl Write, head: &Head<'_>, rest: &impl Serialize) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(head.4.len() + 100);
    json(&mut bytes, head)?;
    bytes.pop();
    out.write_all(&bytes)?;
    bytes.clear();
    json(&mut bytes, rest)?;
    bytes[0] = b',';
    out.write_all(&bytes)
}

/// Text that ends no script and begins nothing, whatever is in it.
struct Harmless;

impl Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(['<', '>', '&']) {
            out.write_all(&rest.as_bytes()[..at])?;
            write!(out, "\\u{:04x}", rest.as_bytes()[at])?;
            rest = &rest[at + 1..];
        }
        out.write_all(rest.as_bytes())
    }
}

fn json(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    Ok(value.serialize(&mut Serializer::with_formatter(out, Harmless))?)
}

/// Whole seconds, and nanoseconds cut towards the past.
fn cut(span: Span) -> (i64, u32) {
    let (seconds, attos) = span.split();
    (seconds as i64, (attos / 1_000_000_000) as u32)
}

/// Nanoseconds, and one more where some are cut off.
fn nanos_up(span: Span) -> i64 {
    let nanos = span.as_nanos();
    if Span::from_nanos(nanos) < span { nanos.saturating_add(1) } else { nanos }
}

/// The midnight before an instant, in seconds of TAI.
fn midnight(at: Time<Tai>, scale: Scale) -> i64 {
    let utc = match scale {
        Scale::Utc => LeapTable::COMPILED.utc_of_tai(at).time,
        Scale::Tai => Time::from_epoch(at.since_epoch()),
    };
    let day = cut(utc.since_epoch()).0.div_euclid(SECONDS_PER_DAY) * SECONDS_PER_DAY;
    let midnight = Time::from_epoch(Span::from_secs(day));
    match scale {
        Scale::Utc => cut(LeapTable::COMPILED.tai_of_utc(midnight).since_epoch()).0,
        Scale::Tai => day,
    }
}

/// Each at its own number.
const EVIDENCE: [Evidence; 6] = [
    Evidence::History,
    Evidence::Chrony,
    Evidence::Ntpd,
    Evidence::Claim,
    Evidence::Told,
    Evidence::Causality,
];

/// Each at its own number.
const DOUBTS: [Doubt; 6] =
    [Doubt::Zone, Doubt::SummerTime, Doubt::Label, Doubt::LeapSecond, Doubt::Year, Doubt::Boot];

fn evidence_number(evidence: Evidence) -> i8 {
    match evidence {
        Evidence::History => 0,
        Evidence::Chrony => 1,
        Evidence::Ntpd => 2,
        Evidence::Claim => 3,
        Evidence::Told => 4,
        Evidence::Causality => 5,
    }
}

fn doubt_number(doubt: Doubt) -> i8 {
    match doubt {
        Doubt::Zone => 0,
        Doubt::SummerTime => 1,
        Doubt::Label => 2,
        Doubt::LeapSecond => 3,
        Doubt::Year => 4,
        Doubt::Boot => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_a_word_for_each_evidence_and_each_doubt() {
        for (number, evidence) in EVIDENCE.into_iter().enumerate() {
            assert_eq!(evidence_number(evidence), number as i8);
            let word = evidence_word(evidence);
            assert!(include_str!("page/list.js").contains(&format!("  {word}: ")), "{word}");
        }
        for (number, doubt) in DOUBTS.into_iter().enumerate() {
            assert_eq!(doubt_number(doubt), number as i8);
        }
    }
}

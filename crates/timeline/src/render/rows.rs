//! A row a line, for programs: JSON objects, and comma-separated values. Both have the same columns.
//!
//! | column | what |
//! | --- | --- |
//! | `time` | the likeliest moment, to the nanosecond; nothing if there is no evidence |
//! | `earliest`, `latest` | it was not before, and not after |
//! | `bound` | `time` is at most so wrong, in seconds |
//! | `evidence` | `history`, `chrony`, `ntpd`, `claim`, `told`, `causality` |
//! | `doubt` | what the stamp leaves open: `zone`, `summer time`, `label`, `leap second`, `year`, `boot` |
//! | `clock` | what the host's clock showed, at least |
//! | `host`, `log` | where it comes from |
//! | `line` | the line as it was; bytes that are no UTF-8 are U+FFFD |

use std::io::{self, Write};

use serde::Serialize;
use truechimer_time::{Civil, Local, Time};

use super::face::{Face, Scale};
use super::{Named, evidence_word};
use crate::shown::Doubt;

pub(super) struct Rows {
    face: Face,
}

/// See the table above.
#[derive(Serialize)]
struct Row<'a> {
    time: Option<String>,
    earliest: Option<String>,
    latest: Option<String>,
    bound: Option<f64>,
    evidence: Option<&'static str>,
    doubt: Option<&'static str>,
    clock: Option<String>,
    host: &'a str,
    log: &'a str,
    line: String,
    /// So many bytes of the line were left out.
    #[serde(skip_serializing_if = "is_zero")]
    cut: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Rows {
    pub(super) fn new(scale: Scale) -> Self {
        Self { face: Face::new(scale) }
    }

    pub(super) fn json(&mut self, out: &mut impl Write, named: &Named<'_>) -> io::Result<()> {
        serde_json::to_writer(&mut *out, &self.row(named))?;
        out.write_all(b"\n")
    }

    pub(super) fn csv(&mut self, out: &mut impl Write, named: &Named<'_>) -> io::Result<()> {
        let row = self.row(named);
        let bound = row.bound.map(|bound| bound.to_string());
        let (host, log) = (Some(row.host.to_owned()), Some(row.log.to_owned()));
        let words = |word: Option<&str>| word.map(str::to_owned);
        let cells = [
            row.time,
            row.earliest,
            row.latest,
            bound,
            words(row.evidence),
            words(row.doubt),
            row.clock,
            host,
            log,
            Some(row.line),
        ];
        for (at, cell) in cells.into_iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            write!(out, "{comma}{}", quoted(&cell.unwrap_or_default()))?;
        }
        out.write_all(b"\r\n")
    }

    fn row<'a>(&mut self, named: &Named<'a>) -> Row<'a> {
        let when = named.told.when;
        let truth = when.and_then(|when| when.truth).filter(|truth| truth.interval.is_bounded());
        let mut time = |at| {
            let mut text = Vec::new();
            self.face.append(&mut text, at, 9);
            String::from_utf8_lossy(&text).into_owned()
        };
        let shown = when.map(|when| when.shown).filter(|shown| shown.is_known());
        Row {
            time: truth.map(|truth| time(truth.interval.best)),
            earliest: truth.map(|truth| time(truth.interval.earliest)),
            latest: truth.map(|truth| time(truth.interval.latest)),
            bound: truth.map(|truth| truth.interval.bound().as_seconds()),
            evidence: truth.map(|truth| evidence_word(truth.evidence)),
            doubt: when.and_then(|when| when.shown.doubt).map(doubt_word),
            clock: shown.map(|shown| clock(shown.from)),
            host: named.host,
            log: named.log,
            line: String::from_utf8_lossy(named.told.line.bytes).into_owned(),
            cut: named.told.line.cut,
        }
    }
}

/// The names of the columns.
pub(super) fn head(out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"time,earliest,latest,bound,evidence,doubt,clock,host,log,line\r\n")
}

/// A cell as RFC 4180 wants it.
pub(super) fn quoted(cell: &str) -> String {
    match cell.contains([',', '"', '\r', '\n']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.to_owned(),
    }
}

fn clock(reading: Time<Local>) -> String {
    Civil::of(Time::from_epoch(reading.since_epoch())).to_string()
}

/// What a stamp leaves open, in a word or two.
pub fn doubt_word(doubt: Doubt) -> &'static str {
    match doubt {
        Doubt::Zone => "zone",
        Doubt::SummerTime => "summer time",
        Doubt::Label => "label",
        Doubt::LeapSecond => "leap second",
        Doubt::Year => "year",
        Doubt::Boot => "boot",
    }
}

//! A story as bytes: for people, and in the forms that programs read.
//!
//! The raw line is always there as it was. Times are UTC, or TAI where that is asked for.

mod columns;
mod face;
mod page;
mod rows;
mod syslog;
pub mod table;
mod text;
mod trace;

use std::io::{self, Write};

use truechimer_time::{Span, Tai, Time};

pub use face::{Scale, instant};
pub use rows::doubt_word;

use crate::course::Evidence;
use crate::story::{Hosts, Told};

/// In which form a story is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A line each for people.
    Text,
    /// The lines as they were, and nothing else.
    Lines,
    /// A JSON object a line.
    Json,
    /// Comma-separated values with a head (RFC 4180).
    Csv,
    /// RFC 5424, with what is known of the time as `timeQuality`.
    Syslog,
    /// Trace events as Chrome and Perfetto show them: each line is a bar as long as its interval.
    Trace,
    /// A page for browsers, to zoom in.
    Html,
}

/// How a story is to look.
#[derive(Clone, Debug)]
pub struct Look {
    /// In which form.
    pub form: Form,
    /// Which count of seconds people see.
    pub scale: Scale,
    /// Where nothing was written for longer, people are told; never, if `None`.
    pub gap: Option<Span>,
    /// People are told by what each line is known, or what its stamp leaves open.
    pub why: bool,
    /// Colours for people.
    pub colours: bool,
    /// How lengths of time are told to people.
    pub words: Words,
}

/// How lengths of time are told to people.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// A length, as in `4.2 min`.
    pub span: fn(Span) -> String,
    /// A bound, rounded up, as in `± 1.3 ms`.
    pub bound: fn(Span) -> String,
}

/// Writes a story.
pub struct Writer<'a, W> {
    out: W,
    logs: &'a [String],
    kind: Kind,
}

/// The writers of the forms.
enum Kind {
    Text(Box<text::Text>),
    Lines,
    Json(rows::Rows),
    Csv(rows::Rows),
    Syslog(syslog::Syslog),
    Trace(trace::Trace),
    Html(Box<page::Page>),
}

/// Lines that were not written, the last of the story.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// How many.
    pub lines: u64,
    /// Where the first of them is read, if they say.
    pub from: Option<Time<Tai>>,
    /// Where the last of them is read.
    pub to: Option<Time<Tai>>,
}

impl LeftOut {
    fn count(&mut self, place: Option<Time<Tai>>) {
        self.lines += 1;
        self.from = self.from.min(place).or(self.from).or(place);
        self.to = self.to.max(place);
    }
}

/// A line, and what it is called where it comes from.
#[derive(Clone, Copy)]
struct Named<'a> {
    told: &'a Told<'a>,
    host: &'a str,
    log: &'a str,
}

impl<'a, W: Write> Writer<'a, W> {
    /// Begins a story of these logs, of hosts of which some are known already.
    ///
    /// # Errors
    /// Those of the one who is written to, as in all that follows.
    pub fn begin(mut out: W, look: &Look, hosts: &Hosts, logs: &'a [String]) -> io::Result<Self> {
        let kind = match look.form {
            Form::Text => Kind::Text(Box::new(text::Text::new(look, hosts))),
            Form::Lines => Kind::Lines,
            Form::Json => Kind::Json(rows::Rows::new(look.scale)),
            Form::Csv => {
                rows::head(&mut out)?;
                Kind::Csv(rows::Rows::new(look.scale))
            }
            Form::Syslog => Kind::Syslog(syslog::Syslog::default()),
            Form::Trace => Kind::Trace(trace::Trace::begin(&mut out)?),
            Form::Html => Kind::Html(Box::new(page::Page::begin(&mut out, look)?)),
        };
        Ok(Self { out, logs, kind })
    }

    /// Writes the next line.
    pub fn tell(&mut self, hosts: &Hosts, told: &Told<'_>) -> io::Result<()> {
        let named = Named { told, host: &hosts.host(told.host).name, log: &self.logs[told.log] };
        match &mut self.kind {
            Kind::Text(text) => text.tell(&mut self.out, &named),
            Kind::Lines => text::alone(&mut self.out, &told.line),
            Kind::Json(rows) => rows.json(&mut self.out, &named),
            Kind::Csv(rows) => rows.csv(&mut self.out, &named),
            Kind::Syslog(syslog) => syslog.tell(&mut self.out, &named),
            Kind::Trace(trace) => trace.tell(&mut self.out, &named),
            Kind::Html(page) => page.tell(&mut self.out, &named),
        }
    }

    /// What was told and not written, because the form cannot hold more.
    pub fn left_out(&self) -> Option<LeftOut> {
        match &self.kind {
            Kind::Text(_) | Kind::Lines | Kind::Json(_) | Kind::Csv(_) | Kind::Syslog(_) | Kind::Trace(_) => {
                None
            }
            Kind::Html(page) => page.left_out(),
        }
    }

    /// Ends the story.
    pub fn end(mut self) -> io::Result<()> {
        match self.kind {
            Kind::Text(text) => text.end(&mut self.out)?,
            Kind::Lines | Kind::Json(_) | Kind::Csv(_) | Kind::Syslog(_) => {}
            Kind::Trace(trace) => trace.end(&mut self.out)?,
            Kind::Html(page) => page.end(&mut self.out)?,
        }
        self.out.flush()
    }
}

/// What an interval leans on, as one word.
pub fn evidence_word(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::History => "history",
        Evidence::Chrony => "chrony",
        Evidence::Ntpd => "ntpd",
        Evidence::Claim => "claim",
        Evidence::Told => "told",
        Evidence::Causality => "causality",
    }
}

#[cfg(test)]
mod tests;

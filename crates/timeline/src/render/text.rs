//! For people: when, how well that is known, whose, and the line.
//!
//! ```text
//!  2026-11-23T08:31:23.123456Z ± 1.2 ms   web ┌ 2026-11-23T08:31:23.125Z accepted
//!  2026-11-23T08:31:23.123901Z ± 0.3 ms   db  └ Nov 23 09:31:23 db postgres[12]: begin
//!                              ... nothing for 4.2 min
//! ~2026-11-23T08:35:37.000000Z ± ?        old   1795422937.0 its clock is right if nobody is wrong
//! ```
//!
//! After the bound it can be told by what that is known: `history`, `chrony` ..
//!
//! A bracket joins lines of which nobody can tell which was first. Where there is no evidence, the time is what the clock said, with a
//! `~` in front.

use std::fmt::Write as _;
use std::io::{self, Write};

use truechimer_time::{Span, Tai, Time};

use super::face::Face;
use super::{Look, Named, Words, doubt_word, evidence_word};
use crate::interval::Order;
use crate::lines::Line;
use crate::story::{Hosts, Told, When};

/// What lines name makes no wider column than this.
const WIDTH_GROWN: usize = 32;

pub(super) struct Text {
    face: Face,
    gap: Option<Span>,
    colours: bool,
    words: Words,
    /// Is it told by what each line is known?
    why: bool,
    /// The longest name of a host that is known so far: from the beginning, or because a line named it.
    width: usize,
    /// The line that waits to be written until it is known whether the next one was surely after it.
    waiting: Option<Waiting>,
}

/// A line in pieces.
struct Waiting {
    before: Vec<u8>,
    after: Vec<u8>,
    /// It may have been before the one above it.
    is_joined: bool,
    /// Whose it is, and when it was, for the next one to be compared with.
    told: Told<'static>,
    place: Option<Time<Tai>>,
}

impl Text {
    pub(super) fn new(look: &Look, hosts: &Hosts) -> Self {
        let width = hosts.all().iter().map(|host| host.name.chars().count()).max().unwrap_or(0);
        let Look { gap, colours, words, why, .. } = *look;
        Self { face: Face::new(look.scale), gap, colours, words, why, width, waiting: None }
    }

    pub(super) fn tell(&mut self, out: &mut impl Write, named: &Named<'_>) -> io::Result<()> {
        let told = named.told;
        if told.when.is_none() {
            return self.belonging(out, named);
        }
        let is_joined = self.waiting.as_ref().is_some_and(|above| above.told.order(told) != Order::Before);
        let place = told.place();
        let silence = self.waiting.as_ref().and_then(|above| Some(place? - above.place?));
        self.write_waiting(out, is_joined)?;
        if let (Some(gap), Some(silence)) = (self.gap, silence)
            && gap < silence
            && !is_joined
        {
            writeln!(out, "{:TIME_WIDTH$} ... nothing for {}", "", (self.words.span)(silence))?;
        }
        let before = self.head(named);
        let mut after = named.told.line.bytes.to_vec();
        note_cut(&mut after, told.line.cut);
        let owned = Told { line: crate::lines::Line { bytes: b"", cut: 0 }, ..*told };
        self.waiting = Some(Waiting { before, after, is_joined, told: owned, place });
        Ok(())
    }

    pub(super) fn end(mut self, out: &mut impl Write) -> io::Result<()> {
        self.write_waiting(out, false)
    }

    /// A line without a stamp goes under the one above it.
    fn belonging(&mut self, out: &mut impl Write, named: &Named<'_>) -> io::Result<()> {
        let mut line = named.told.line.bytes.to_vec();
        note_cut(&mut line, named.told.line.cut);
        let why = self.why(None);
        let indent = TIME_WIDTH + 1 + BOUND_WIDTH + 1 + why.len() + self.width + 3;
        match &mut self.waiting {
            Some(above) if above.told.log == named.told.log => {
                above.after.push(b'\n');
                above.after.resize(above.after.len() + indent, b' ');
                above.after.extend_from_slice(&line);
                Ok(())
            }
            Some(_) | None => {
                self.write_waiting(out, false)?;
                self.make_room(named.host);
                write!(
                    out,
                    "{:TIME_WIDTH$} {:BOUND_WIDTH$} {why}{:width$}   ",
                    "",
                    "",
                    named.host,
                    width = self.width
                )?;
                out.write_all(&line)?;
                out.write_all(b"\n")
            }
        }
    }

    /// A host that a line names makes the column wider from there on, so that not every one of its lines stands out.
    fn make_room(&mut self, host: &str) {
        self.width = self.width.max(host.chars().count().min(WIDTH_GROWN));
    }

    fn head(&mut self, named: &Named<'_>) -> Vec<u8> {
        self.make_room(named.host);
        let mut head = Vec::with_capacity(64 + self.width);
        let interval = named.told.interval();
        head.push(if interval.is_bounded() { b' ' } else { b'~' });
        match named.told.place() {
            Some(place) => self.face.append(&mut head, place, 6),
            None => head.push(b'?'),
        }
        let bound = match interval.is_bounded() {
            true => (self.words.bound)(interval.bound()),
            false => "± ?".to_owned(),
        };
        let pad = TIME_WIDTH.saturating_sub(head.len());
        let why = self.why(named.told.when.as_ref());
        let mut words = String::new();
        // Writing to a string does not fail.
        let _ =
            write!(words, "{:pad$} {bound:BOUND_WIDTH$} {why}{:width$} ", "", named.host, width = self.width);
        head.extend_from_slice(words.as_bytes());
        head
    }

    /// By what it is known, if that is told; else what the stamp leaves open, or a hyphen.
    fn why(&self, when: Option<&When>) -> String {
        if !self.why {
            return String::new();
        }
        let word = when.map_or("", |when| match (when.truth, when.shown.doubt) {
            (Some(truth), _) => evidence_word(truth.evidence),
            (None, Some(doubt)) => doubt_word(doubt),
            (None, None) => "-",
        });
        format!("{word:WHY_WIDTH$} ")
    }

    fn write_waiting(&mut self, out: &mut impl Write, next_is_joined: bool) -> io::Result<()> {
        let Some(waiting) = self.waiting.take() else { return Ok(()) };
        let bracket = match (waiting.is_joined, next_is_joined) {
            (false, false) => " ",
            (false, true) => "┌",
            (true, true) => "│",
            (true, false) => "└",
        };
        let (dim, plain) = if self.colours { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
        out.write_all(dim.as_bytes())?;
        out.write_all(&waiting.before)?;
        write!(out, "{plain}{bracket} ")?;
        out.write_all(&waiting.after)?;
        out.write_all(b"\n")
    }
}

/// `~2026-11-23T08:31:23.123456Z`.
const TIME_WIDTH: usize = 28;

/// `± 999.9 ms`.
const BOUND_WIDTH: usize = 10;

/// `summer time`.
const WHY_WIDTH: usize = 11;

/// A line as it was, in its place.
pub(super) fn alone(out: &mut impl Write, line: &Line<'_>) -> io::Result<()> {
    out.write_all(line.bytes)?;
    match line.cut {
        0 => out.write_all(b"\n"),
        cut => writeln!(out, " [... {cut} bytes more]"),
    }
}

fn note_cut(line: &mut Vec<u8>, cut: u64) {
    if cut > 0 {
        line.extend_from_slice(format!(" [... {cut} bytes more]").as_bytes());
    }
}

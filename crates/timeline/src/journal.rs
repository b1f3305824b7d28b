//! Entries of systemd's journal in its export format (`journalctl -o export`, `systemd-journal-upload`), as lines.
//!
//! ```text
//!  __CURSOR=s=5c..                      a field a line, up to the end of the line
//!  __REALTIME_TIMESTAMP=1795420830123456
//!  __MONOTONIC_TIMESTAMP=73000111
//!  _BOOT_ID=3b1f..
//!  MESSAGE                              or its name alone: then come 8 bytes of length, the lowest first,
//!  .......\0one                         so many bytes, whatever they are, and the end of a line
//!  another
//!                                       an empty line ends the entry
//! ```
//!
//! An entry is told as `IDENTIFIER[PID]: MESSAGE`; the second and later lines of a message are lines without a stamp, which belong to
//! the one above them. No entry is held as a whole: of a message [`LINE_MAX`] bytes are kept, and of the fields that are of no
//! interest here none.
//!
//! **The stamp is `__REALTIME_TIMESTAMP`,** when journald took the entry in, and not `_SOURCE_REALTIME_TIMESTAMP`, when somebody
//! else stamped it before: the first is read together with `__MONOTONIC_TIMESTAMP`, so that it is known by which boot and between which
//! two settings of the clock it was read. Of the other nothing of the kind is known.

use std::io::{self, Read};
use std::ops::Range;

use memchr::memchr;
use truechimer_time::{Span, Time};

use crate::dialect::{BootId, Found};
use crate::lines::{LINE_MAX, Line, Lines};
use crate::scan::Scan;
use crate::stamp::{Reading, Stamp};

/// No name of a host, a program or a field is longer. The journal's own limit for names of fields is 64.
const NAME_MAX: usize = 256;

/// No field is longer: 768 MiB, what systemd itself takes in. A length beyond is no length.
const FIELD_MAX: u64 = 768 << 20;

/// What the beginning of a stream in this format is like.
const HEADS: [&[u8]; 2] = [b"__CURSOR=", b"__REALTIME_TIMESTAMP="];

/// So many bytes tell.
pub(crate) const HEAD: usize = 21;

/// Is this the beginning of such a stream?
pub(crate) fn is_head(head: &[u8]) -> bool {
    HEADS.iter().any(|text| head.starts_with(text))
}

/// Entries of a stream.
#[derive(Debug)]
pub struct Entries<R> {
    lines: Lines<R>,
    entry: Entry,
    /// What is told of the entry: its lines, one after the other.
    text: Vec<u8>,
    /// The line that was told last, and where the next one begins if there is one.
    line: Range<usize>,
    next: Option<usize>,
    /// It is the first of its entry.
    is_first: bool,
}

/// What is of interest in an entry, as it is written; nothing where it is not. Of fields that come twice the first counts.
#[derive(Debug, Default)]
struct Entry {
    realtime: Vec<u8>,
    monotonic: Vec<u8>,
    boot: Vec<u8>,
    host: Vec<u8>,
    identifier: Vec<u8>,
    command: Vec<u8>,
    pid: Vec<u8>,
    syslog_pid: Vec<u8>,
    message: Vec<u8>,
    /// So many more bytes the message had.
    cut: u64,
    /// The numbers among them, once the entry is whole.
    stamp: Option<Span>,
    mono: Option<Span>,
    boot_id: Option<BootId>,
}

impl<R: Read> Entries<R> {
    /// The entries of a stream.
    pub fn of(input: R) -> Self {
        let lines = Lines::of(input);
        Self { lines, entry: Entry::default(), text: Vec::new(), line: 0..0, next: None, is_first: false }
    }

    /// Goes on to the next line: that of the next entry, or one more of a message of several.
    ///
    /// # Errors
    /// Those of the stream; it is torn; or it is not in this format. It is not to be read further then.
    pub fn advance(&mut self) -> io::Result<bool> {
        self.is_first = self.next.is_none();
        if self.is_first {
            if !self.read_entry()? {
                self.line = 0..0;
                return Ok(false);
            }
            self.entry.tell(&mut self.text);
        }
        let start = self.next.take().unwrap_or(0);
        let end = memchr(b'\n', &self.text[start..]).map(|length| start + length);
        self.line = start..end.unwrap_or(self.text.len());
        self.next = end.map(|end| end + 1);
        Ok(true)
    }

    /// The line that was read last. What was left out of a message is missing at its end.
    pub fn line(&self) -> Line<'_> {
        let cut = if self.next.is_none() { self.entry.cut } else { 0 };
        Line { bytes: &self.text[self.line.clone()], cut }
    }

    /// What the entry says of when and where; nothing, if the line is not its first.
    pub fn found(&self) -> Option<Found<'_>> {
        let Entry { stamp, mono, boot_id, host, .. } = &self.entry;
        let reading = Reading::Clock(Time::from_epoch(stamp.filter(|_| self.is_first)?));
        Some(Found {
            dialect: None,
            stamp: Stamp { reading, resolution: Span::from_micros(1) },
            host: Some(&host[..]).filter(|host| !host.is_empty()),
            boot: *boot_id,
            mono: mono.map(Time::from_epoch),
            claim: None,
        })
    }

    /// Reads up to the end of an entry, if there is one more.
    fn read_entry(&mut self) -> io::Result<bool> {
        self.entry.clear();
        let mut is_begun = false;
        while self.lines.advance()? {
            let Line { bytes, cut } = self.lines.line();
            match memchr(b'=', bytes) {
                None if bytes.is_empty() && is_begun => break,
                None if bytes.is_empty() => continue,
                None => self.read_bytes()?,
                Some(at) => {
                    let mut field = self.entry.field(named(&bytes[..at])?);
                    field.extend(&bytes[at + 1..]);
                    field.leave_out(cut);
                }
            }
            is_begun = true;
        }
        self.entry.end();
        Ok(is_begun)
    }

    /// Reads the field that is called as the line is.
    fn read_bytes(&mut self) -> io::Result<()> {
        let mut field = self.entry.field(named(self.lines.line().bytes)?);
        let mut length = Vec::with_capacity(8);
        self.lines.pass(8, |piece| length.extend_from_slice(piece))?;
        let length = u64::from_le_bytes(*length.first_chunk().ok_or_else(torn)?);
        if length > FIELD_MAX {
            return Err(wrong(format!(
                "a field of the journal says that it has {length} bytes, and none has more than {FIELD_MAX}"
            )));
        }
        let read = self.lines.pass(length, |piece| field.extend(piece))?;
        let mut end = None;
        self.lines.pass(1, |piece| end = piece.first().copied())?;
        match end {
            Some(b'\n') if read == length => Ok(()),
            Some(_) => {
                Err(wrong("a field of the journal does not end where it says that it does".to_owned()))
            }
            None => Err(torn()),
        }
    }
}

/// Where the bytes of a field go.
struct Field<'a> {
    /// Where, and at most how many; nowhere, if it is of no interest.
    place: Option<(&'a mut Vec<u8>, usize)>,
    /// So many of a message were left out.
    cut: Option<&'a mut u64>,
}

impl Field<'_> {
    fn extend(&mut self, bytes: &[u8]) {
        let Some((place, most)) = &mut self.place else { return };
        let kept = bytes.len().min(*most - place.len());
        place.extend_from_slice(&bytes[..kept]);
        self.leave_out((bytes.len() - kept) as u64);
    }

    fn leave_out(&mut self, count: u64) {
        if let Some(cut) = &mut self.cut {
            **cut += count;
        }
    }
}

impl Entry {
    /// As it was made, with the room that it has.
    fn clear(&mut self) {
        let Self { realtime, monotonic, boot, host, identifier, command, pid, syslog_pid, message, .. } =
            self;
        for place in [realtime, monotonic, boot, host, identifier, command, pid, syslog_pid, message] {
            place.clear();
        }
        (self.cut, self.stamp, self.mono, self.boot_id) = (0, None, None, None);
    }

    /// Where the bytes of a field go.
    fn field(&mut self, name: &[u8]) -> Field<'_> {
        let (place, most) = match name {
            b"__REALTIME_TIMESTAMP" => (&mut self.realtime, NAME_MAX),
            b"__MONOTONIC_TIMESTAMP" => (&mut self.monotonic, NAME_MAX),
            b"_BOOT_ID" => (&mut self.boot, NAME_MAX),
            b"_HOSTNAME" => (&mut self.host, NAME_MAX),
            b"SYSLOG_IDENTIFIER" => (&mut self.identifier, NAME_MAX),
            b"_COMM" => (&mut self.command, NAME_MAX),
            b"_PID" => (&mut self.pid, NAME_MAX),
            b"SYSLOG_PID" => (&mut self.syslog_pid, NAME_MAX),
            b"MESSAGE" => (&mut self.message, LINE_MAX),
            _ => return Field { place: None, cut: None },
        };
        let is_first = place.is_empty();
        let cut = (is_first && most == LINE_MAX).then_some(&mut self.cut);
        Field { place: is_first.then_some((place, most)), cut }
    }

    /// All fields are there.
    fn end(&mut self) {
        self.stamp = micros(&self.realtime);
        self.mono = micros(&self.monotonic);
        self.boot_id = BootId::parse(&self.boot);
    }

    /// The entry as lines.
    fn tell(&self, text: &mut Vec<u8>) {
        text.clear();
        text.extend_from_slice(first(&self.identifier, &self.command).unwrap_or(b"unknown"));
        if let Some(pid) = first(&self.pid, &self.syslog_pid) {
            text.push(b'[');
            text.extend_from_slice(pid);
            text.push(b']');
        }
        text.extend_from_slice(b": ");
        text.extend_from_slice(self.message.strip_suffix(b"\n").unwrap_or(&self.message));
    }
}

/// The one that says anything.
fn first<'a>(one: &'a [u8], other: &'a [u8]) -> Option<&'a [u8]> {
    [one, other].into_iter().find(|text| !text.is_empty())
}

/// Microseconds.
fn micros(text: &[u8]) -> Option<Span> {
    let mut scan = Scan::new(text);
    let micros = scan.number(18)?;
    scan.rest().is_empty().then(|| Span::from_micros(micros as i64))
}

fn torn() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the export of the journal ends in the midst of a field")
}

fn wrong(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// The name of a field, if it can be one.
fn named(name: &[u8]) -> io::Result<&[u8]> {
    let is_name = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
    if name.len() <= NAME_MAX && name.iter().all(is_name) {
        return Ok(name);
    }
    let head = String::from_utf8_lossy(&name[..name.len().min(32)]).escape_debug().to_string();
    Err(wrong(format!("from here on it is no export of a journal: {head} is no name of a field")))
}

#[cfg(test)]
mod tests;

//! The hand that writes the [history](crate::history): what is worth a line, and the files that go round.
//!
//! A model is written down only where the last one that was does not foretell it any more, and a turn of the clock where
//! it does not go straight from line to line, so that a steady year is a small file. A file that cannot be written is told
//! of once, and tried again with each line.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use truechimer_core::discipline::model::Model;
use truechimer_core::moment::Moment;
use truechimer_core::status::Status;
use truechimer_sys::file;
use truechimer_time::{Mono, Rate, Span, Time};

use self::way::{Turn, Way};
use crate::history::{At, Entry, FILE_NAME, FORMAT, KEPT, Told, What, numbered};

/// When a file has grown to this, in bytes, the next one begins.
const SIZE_MAX: u64 = 4 << 20;

/// A model that tells what the last one told is written down again after this.
const INTERVAL_MAX: Span = Span::from_secs(3600);

/// That the bound could be narrower is worth a line at once if it could be half of what was written; if it is only that what
/// was written has grown since then, or could be narrower by a quarter, not sooner than after this.
const AGEING: Span = Span::from_secs(900);

/// Where the likeliest time has moved by more than this part of the bound, the new model is worth a line.
const MOVED: i64 = 10;

/// The way of the clock may be told so far beside the truth: this part of the bound.
const ASIDE: i64 = 10;

/// Everybody may read it.
const MODE: u32 = 0o644;

/// The history that is being written.
pub struct Chronicle {
    path: PathBuf,
    file: Option<File>,
    written: u64,
    size_max: u64,
    last: Option<Last>,
    way: Way,
    /// How far the way of the clock may be told beside the truth.
    tolerance: Span,
    is_failing: bool,
}

/// What is known by the last line.
struct Last {
    at: Time<Mono>,
    status: Status,
    model: Option<Model>,
    /// The bound when it was written.
    bound: Span,
}

impl Chronicle {
    /// Goes on with the history in a folder. Nothing is opened before there is something to write.
    pub fn new(folder: &Path) -> Self {
        Self {
            path: folder.join(FILE_NAME),
            file: None,
            written: 0,
            size_max: SIZE_MAX,
            last: None,
            way: Way::default(),
            tolerance: Span::ZERO,
            is_failing: false,
        }
    }

    /// The daemon begins, in this boot and on this clocksource.
    ///
    /// # Errors
    /// A sentence for people, the first time of several.
    pub fn born(&mut self, now: &Moment, boot: &str, clocksource: &str) -> Result<(), String> {
        let name = |name: &str| {
            if name.is_empty() { "unknown".to_owned() } else { name.replace(char::is_whitespace, "_") }
        };
        self.write(now, What::Born { boot: name(boot), clocksource: name(clocksource) })
    }

    /// So much is known of true time. It is written down if that is news.
    ///
    /// # Errors
    /// As of [`Chronicle::born`].
    pub fn known(&mut self, now: &Moment, status: Status, model: Option<Model>) -> Result<(), String> {
        let bound = model.map_or(Span::ZERO, |model| model.read(now.raw).bound());
        self.tolerance = bound / ASIDE;
        if !self.is_news(now, status, model.as_ref()) {
            return Ok(());
        }
        self.last = Some(Last { at: now.mono, status, model, bound });
        self.write(now, What::Known { status, model })
    }

    /// The clock runs at this rate from now on. It is written down as soon as the lines that are written would tell something
    /// else of its way, and after an hour.
    ///
    /// # Errors
    /// As of [`Chronicle::born`].
    pub fn runs(&mut self, now: &Moment, rate: Rate) -> Result<(), String> {
        self.write_turn_before(now)?;
        let turn = Turn { at: *now, rate };
        if self.way.can_wait(&turn, INTERVAL_MAX) {
            self.way.waits(turn);
            return Ok(());
        }
        self.write_line(now, What::Runs(rate))
    }

    /// Something was told to people.
    ///
    /// # Errors
    /// As of [`Chronicle::born`].
    pub fn told(&mut self, now: &Moment, told: Told) -> Result<(), String> {
        self.write(now, What::Told(told))
    }

    /// What was written is on the disk, and tells where the clock is.
    ///
    /// # Errors
    /// As of [`Chronicle::born`].
    pub fn sync(&mut self) -> Result<(), String> {
        let untold = self.way.untold(self.tolerance);
        let outcome = untold.map_or(Ok(()), |turn| self.write_line(&turn.at, What::Runs(turn.rate)));
        // What cannot be synced is written again by nobody: the next line shows whether the disk is there.
        let _ = self.file.as_ref().map(File::sync_data);
        outcome
    }

    fn is_news(&self, now: &Moment, status: Status, model: Option<&Model>) -> bool {
        let Some(last) = &self.last else { return true };
        let (Some(old), Some(new)) = (&last.model, model) else {
            return last.status != status || last.model.is_some() != model.is_some();
        };
        let (foretold, read) = (old.read(now.raw), new.read(now.raw));
        let age = now.mono - last.at;
        last.status != status
            || age >= INTERVAL_MAX
            || (foretold.best - read.best).abs() > read.bound() / MOVED
            || last.bound > read.bound() * 2
            || (foretold.bound() > read.bound() + read.bound() / 4 && age >= AGEING)
    }

    fn write(&mut self, now: &Moment, what: What) -> Result<(), String> {
        self.write_turn_before(now)?;
        self.write_line(now, what)
    }

    /// If the clock did not go straight from the last line to `now`, one is written of its last turn.
    fn write_turn_before(&mut self, now: &Moment) -> Result<(), String> {
        let needed = self.way.needed(now, self.tolerance);
        needed.map_or(Ok(()), |turn| self.write_line(&turn.at, What::Runs(turn.rate)))
    }

    fn write_line(&mut self, now: &Moment, what: What) -> Result<(), String> {
        let rate = if let What::Runs(rate) = what { Some(rate) } else { None };
        self.way.wrote(now, rate);
        let line = format!("{}\n", Entry { at: At::from(now), what });
        let outcome = self.append(&line);
        match (outcome, self.is_failing) {
            (Ok(()), _) => {
                self.is_failing = false;
                Ok(())
            }
            (Err(_), true) => Ok(()),
            (Err(error), false) => {
                self.is_failing = true;
                self.file = None;
                Err(format!(
                    "the history at {} cannot be written: {error}; it is tried again",
                    self.path.display()
                ))
            }
        }
    }

    fn append(&mut self, line: &str) -> io::Result<()> {
        if self.written + line.len() as u64 > self.size_max {
            self.file = None;
            put_aside(&self.path)?;
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let (file, written) = open(&self.path)?;
                self.written = written;
                self.file.insert(file)
            }
        };
        file.write_all(line.as_bytes())?;
        self.written += line.len() as u64;
        Ok(())
    }
}

/// The newest file, ready for a line at its end, and its length. What a power cut has torn gets an end.
fn open(path: &Path) -> io::Result<(File, u64)> {
    let mut file = file::append(path, MODE)?;
    let len = file.seek(SeekFrom::End(0))?;
    if len == 0 {
        writeln!(file, "{FORMAT}")?;
    } else {
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    let len = file.seek(SeekFrom::End(0))?;
    Ok((file, len))
}

/// Moves `history` to `history.1`, that to `history.2`, and so on; the last one is dropped.
fn put_aside(path: &Path) -> io::Result<()> {
    for number in (0..KEPT).rev() {
        match fs::rename(numbered(path, number), numbered(path, number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

mod way;

#[cfg(test)]
mod tests;

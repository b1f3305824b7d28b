//! The hand that writes the [history](crate::history): what is worth a line, and the files that go round.
//!
//! A model is written down only where the last one that was does not foretell it any more, so that a steady year is
//! a small file. A file that cannot be written is told of once, and tried again with each line.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use truechimer_core::discipline::model::Model;
use truechimer_core::moment::Moment;
use truechimer_core::status::Status;
use truechimer_sys::file;
use truechimer_time::{Mono, Rate, Span, Time};

use crate::history::{At, Entry, FILE_NAME, FORMAT, KEPT, Told, What, numbered};

/// When a file has grown to this, in bytes, the next one begins.
const SIZE_MAX: u64 = 4 << 20;

/// A model that tells what the last one told is written down again after this.
const INTERVAL_MAX: Span = Span::from_secs(3600);

/// Where the likeliest time has moved by more than this part of the bound, the new model is worth a line.
const MOVED: i64 = 10;

/// Everybody may read it.
const MODE: u32 = 0o644;

/// The history that is being written.
pub struct Chronicle {
    path: PathBuf,
    file: Option<File>,
    written: u64,
    size_max: u64,
    last: Option<(Time<Mono>, Status, Option<Model>)>,
    is_failing: bool,
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
        if !self.is_news(now, status, model.as_ref()) {
            return Ok(());
        }
        self.last = Some((now.mono, status, model));
        self.write(now, What::Known { status, model })
    }

    /// The clock runs at this rate from now on.
    ///
    /// # Errors
    /// As of [`Chronicle::born`].
    pub fn runs(&mut self, now: &Moment, rate: Rate) -> Result<(), String> {
        self.write(now, What::Runs(rate))
    }

    /// Something was told to people.
    ///
    /// # Errors
    /// As of [`Chronicle::born`].
    pub fn told(&mut self, now: &Moment, told: Told) -> Result<(), String> {
        self.write(now, What::Told(told))
    }

    /// All that was written is on the disk.
    pub fn sync(&mut self) {
        // What cannot be synced is written again by nobody: the next line shows whether the disk is there.
        let _ = self.file.as_ref().map(File::sync_data);
    }

    fn is_news(&self, now: &Moment, status: Status, model: Option<&Model>) -> bool {
        let Some((at, before, old)) = &self.last else { return true };
        let (Some(old), Some(new)) = (old, model) else {
            return *before != status || old.is_some() != model.is_some();
        };
        let (foretold, read) = (old.read(now.raw), new.read(now.raw));
        *before != status
            || now.mono - *at >= INTERVAL_MAX
            || (foretold.best - read.best).abs() > read.bound() / MOVED
            || foretold.bound() > read.bound() + read.bound() / 4
    }

    fn write(&mut self, now: &Moment, what: What) -> Result<(), String> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Level;
    use crate::history::History;
    use crate::history::tests::{at, model};

    fn moment(seconds: i64) -> Moment {
        let At { mono, raw, local, asleep } = at(seconds);
        Moment { raw, mono, local, asleep, width: Span::ZERO }
    }

    fn told(words: &str) -> Told {
        Told { tai: None, level: Level::Info, label: "calmed".to_owned(), by: None, words: words.to_owned() }
    }

    #[test]
    fn a_model_that_was_foretold_is_not_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut chronicle = Chronicle::new(folder.path());
        let first = model(moment(0).raw);
        let status = Status::Synchronised;
        chronicle.known(&moment(0), status, Some(first)).expect("written");
        for seconds in [64, 128, 3000] {
            let now = moment(seconds);
            let reading = first.read(now.raw);
            let same = Model {
                best: reading.best,
                bracket: first.bracket.carried_to(now.raw, first.limits),
                ..first
            };
            chronicle.known(&now, status, Some(same)).expect("not written");
        }
        chronicle.known(&moment(3600), status, Some(first)).expect("written");
        let moved = Model { best: first.best + Span::from_micros(200), ..first };
        chronicle.known(&moment(3601), status, Some(moved)).expect("written");
        chronicle.known(&moment(3602), Status::Holdover, Some(moved)).expect("written");
        chronicle.known(&moment(3603), Status::Disrupted, None).expect("written");
        chronicle.known(&moment(3604), Status::Disrupted, None).expect("not written");
        let history = History::read(folder.path()).expect("read");
        let seconds: Vec<Span> = history.entries.iter().map(|entry| entry.at.mono.since_epoch()).collect();
        assert_eq!((seconds, history.torn), ([0, 3600, 3601, 3602, 3603].map(Span::from_secs).to_vec(), 0));
    }

    #[test]
    fn files_go_round_and_nothing_of_the_newest_is_lost() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut chronicle = Chronicle { size_max: 400, ..Chronicle::new(folder.path()) };
        for number in 0..200 {
            chronicle.told(&moment(number), told(&format!("line {number}"))).expect("written");
        }
        let history = History::read(folder.path()).expect("read");
        let last = Entry { at: at(199), what: What::Told(told("line 199")) };
        assert_eq!(history.entries.last(), Some(&last));
        let count = history.entries.len();
        assert!((16..100).contains(&count), "{count}");
        let steady =
            history.entries.windows(2).all(|two| two[1].at.mono - two[0].at.mono == Span::from_secs(1));
        assert!(steady, "in order, without a gap");
    }

    #[test]
    fn what_a_power_cut_has_torn_costs_one_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE_NAME);
        Chronicle::new(folder.path()).told(&moment(1), told("whole")).expect("written");
        let text = fs::read(&path).expect("there");
        fs::write(&path, &text[..text.len() - 30]).expect("torn");
        Chronicle::new(folder.path()).told(&moment(2), told("after it")).expect("written");
        let history = History::read(folder.path()).expect("read");
        assert_eq!((history.entries.len(), history.torn), (1, 1));
    }

    #[test]
    fn a_folder_that_is_gone_is_told_of_once_and_lines_go_on_when_it_is_back() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = parent.path().join("absent");
        let mut chronicle = Chronicle::new(&folder);
        let why = chronicle.told(&moment(1), told("lost")).expect_err("told");
        assert!(why.contains("absent/history cannot be written"), "{why}");
        chronicle.told(&moment(2), told("lost too")).expect("not told again");
        fs::create_dir(&folder).expect("back");
        chronicle.told(&moment(3), told("kept")).expect("written");
        assert_eq!(History::read(&folder).expect("read").entries.len(), 1);
    }
}

//! The configurations of other programs as one of ours, with a word on each of their lines.
//!
//! Nothing is run and nobody is asked: files are read, those among them that are included, and that is all. What comes of
//! it has been through our own reader. What cannot be taken over is named, with its line and the reason.

mod access;
mod chrony;
mod clockspeed;
mod draft;
mod files;
mod ntp;
mod ntpd_rs;
mod origin;
mod report;
mod serving;
mod timesyncd;
mod values;

use std::io;
use std::path::{Path, PathBuf};

use super::Config;
use draft::Draft;
pub use files::FileFault;
use files::Files;
pub use origin::Origin;
pub use report::{Fate, Imported, Line, Said};
use report::{Report, shown};

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file itself.
    #[error("{} {fault}", file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why.
        fault: FileFault,
    },
    /// A folder that is not one of drop-ins.
    #[error("{} is a folder: name a file in it, or a folder timesyncd.conf.d", .0.display())]
    Folder(PathBuf),
    /// It could be anybody's.
    #[error("{} could be anybody's: say whose it is with --from chrony, ntp, ntpd-rs, timesyncd or clockspeed", .0.display())]
    Unrecognised(PathBuf),
}

/// Reads the configuration of another program from a file, or from a folder of timesyncd's drop-ins.
///
/// # Errors
/// The file cannot be read, or nobody can tell whose it is and `origin` does not say.
pub fn import(path: &Path, origin: Option<Origin>) -> Result<Imported, ImportError> {
    let mut work = Work::default();
    if path.is_dir() {
        let is_drop_ins = path.to_string_lossy().trim_end_matches('/').ends_with("timesyncd.conf.d");
        return match is_drop_ins || origin == Some(Origin::Timesyncd) {
            true => {
                let mut read = timesyncd::Read::default();
                work.folder(path, &mut |work, file, text| read.file(work, file, text));
                read.finish(&mut work);
                Ok(work.finished(path, Origin::Timesyncd))
            }
            false => Err(ImportError::Folder(path.to_owned())),
        };
    }
    let blame = |fault| ImportError::Unreadable { file: path.to_owned(), fault };
    let text = work.files.enter(path).map_err(blame)?;
    work.read(path, &text, origin)
}

/// Reads the configuration of another program from a text; `path` stands for its file.
///
/// # Errors
/// As [`import`].
pub fn import_text(path: &Path, text: &[u8], origin: Option<Origin>) -> Result<Imported, ImportError> {
    let mut work = Work::default();
    let blame = |fault| ImportError::Unreadable { file: path.to_owned(), fault };
    let text = work.files.text(text).map_err(blame)?;
    work.read(path, &text, origin)
}

/// What grows while lines are read.
#[derive(Default)]
struct Work {
    draft: Draft,
    report: Report,
    files: Files,
    warnings: Vec<String>,
}

impl Work {
    fn read(mut self, path: &Path, text: &str, origin: Option<Origin>) -> Result<Imported, ImportError> {
        let origin = origin.or_else(|| Origin::recognised(path, text));
        let Some(origin) = origin else { return Err(ImportError::Unrecognised(path.to_owned())) };
        match origin {
            Origin::Chrony => chrony::read(&mut self, path, text),
            Origin::Ntp => ntp::read(&mut self, path, text),
            Origin::NtpdRs => ntpd_rs::read(&mut self, path, text),
            Origin::Timesyncd => timesyncd::read(&mut self, path, text),
            Origin::Clockspeed => clockspeed::read(&mut self, path, text),
        }
        Ok(self.finished(path, origin))
    }

    /// The whole, with what is to be known of its votes.
    fn finished(mut self, path: &Path, origin: Origin) -> Imported {
        let config = self.draft.config().expect("nothing came in that cannot be used");
        if let Some(file) = self.draft.keys_file_missing() {
            self.warnings.push(format!("keys are named and no file of keys: {file} is taken"));
        }
        self.warnings.extend(votes(&config));
        let mut toml =
            format!("# Made from {} by `truechimer config import`.\n", shown(&path.to_string_lossy()));
        for warning in &self.warnings {
            toml += &format!("# Warning: {warning}\n");
        }
        toml += "\n";
        toml += self.draft.toml().trim_start();
        Imported { origin, toml, lines: self.report.lines, warnings: self.warnings }
    }

    /// Begins with a line; what is said next is said of it.
    fn open(&mut self, file: &Path, number: usize, text: &str) {
        self.report.open(&file.to_string_lossy(), number, text);
    }

    fn say(&mut self, what: &str, fate: Fate, why: &str) {
        self.report.say(Said { what: what.to_owned(), fate, key: String::new(), why: why.to_owned() });
    }

    /// It is the same under a name of ours.
    fn take(&mut self, what: &str, path: &str, value: String) {
        self.put(what, &[(path, value)], "");
    }

    /// It is a key of ours that does not mean quite the same; without a word on what differs, it does.
    fn put(&mut self, what: &str, values: &[(&str, String)], differs: &str) -> bool {
        let from = self.report.place();
        let told: Vec<String> = values.iter().map(|(path, value)| named(path, value)).collect();
        match self.draft.set(values, &from) {
            Ok(before) => {
                let before = before.filter(|before| *before != from);
                let instead = before.map(|before| format!("in the place of what {before} says"));
                let why: Vec<&str> = [Some(differs), instead.as_deref()]
                    .into_iter()
                    .flatten()
                    .filter(|why| !why.is_empty())
                    .collect();
                let fate = if differs.is_empty() { Fate::Taken } else { Fate::Differs };
                self.report.say(Said {
                    what: what.to_owned(),
                    fate,
                    key: told.join(", "),
                    why: why.join("; "),
                });
                true
            }
            Err(why) => {
                self.say(what, Fate::LeftOut, &format!("it cannot be {}: {why}", told.join(", ")));
                false
            }
        }
    }

    /// A source, by its number.
    fn source(&mut self, what: &str, keys: &[(&str, String)], differs: &str) -> Option<usize> {
        let told: Vec<String> = keys.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        let key = format!("[[source]] {}", told.join(", "));
        match self.draft.add(keys, &self.report.place()) {
            Ok(number) => {
                let fate = if differs.is_empty() { Fate::Taken } else { Fate::Differs };
                self.report.say(Said { what: what.to_owned(), fate, key, why: differs.to_owned() });
                Some(number)
            }
            Err(why) => {
                self.say(what, Fate::LeftOut, &format!("it cannot be a source: {why}"));
                None
            }
        }
    }

    /// More of a source.
    fn tell(&mut self, source: usize, what: &str, values: &[(&str, String)], differs: &str) {
        let told: Vec<String> = values.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        match self.draft.tell(source, values) {
            Ok(()) => {
                let fate = if differs.is_empty() { Fate::Taken } else { Fate::Differs };
                self.report.say(Said {
                    what: what.to_owned(),
                    fate,
                    key: told.join(", "),
                    why: differs.to_owned(),
                });
            }
            Err(why) => self.say(what, Fate::LeftOut, &format!("it cannot be {}: {why}", told.join(", "))),
        }
    }

    /// What a line said, or a part of it, this one says anew.
    fn overrule(&mut self, line: usize, what: &str) {
        let here = std::mem::replace(&mut self.report.at, line);
        self.say(what, Fate::Needless, "a later line says it anew");
        self.report.at = here;
    }

    /// A file that the line names, read by `read` if it can be.
    fn include(&mut self, path: &Path, read: &mut dyn FnMut(&mut Self, &Path, &str)) {
        let name = shown(&path.to_string_lossy());
        match self.files.enter(path) {
            Ok(text) => {
                self.say(&name, Fate::Taken, "its lines follow");
                let at = self.report.at;
                read(self, path, &text);
                self.report.at = at;
                self.files.leave();
            }
            Err(FileFault::Again) => self.say(&name, Fate::Needless, &FileFault::Again.to_string()),
            Err(fault) => self.say(&name, Fate::LeftOut, &fault.to_string()),
        }
    }

    /// The drop-ins of a folder that no line names. What cannot be read is a line of its own.
    fn folder(&mut self, folder: &Path, read: &mut dyn FnMut(&mut Self, &Path, &str)) {
        let files = match files::ending(folder, ".conf") {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                self.open(folder, 0, "");
                return self.say("the folder", Fate::LeftOut, &format!("it cannot be read: {error}"));
            }
        };
        for file in files {
            match self.files.enter(&file) {
                Ok(text) => {
                    read(self, &file, &text);
                    self.files.leave();
                }
                Err(fault) => {
                    self.open(&file, 0, "");
                    self.say("the file", Fate::LeftOut, &fault.to_string());
                }
            }
        }
    }
}

/// A file of keys, and the line that names it: of use if a key is named.
fn keys_file(work: &mut Work, named: Option<(String, usize)>) {
    let Some((file, line)) = named else { return };
    work.report.at = line;
    let is_served = work.draft.value("serve.ntp").is_some();
    match work.draft.keys_file_missing() {
        Some(_) => {
            let differs = "the same format; it must belong to root or to the account of `user`, and nobody else may \
                           read it";
            work.put("", &[("keys.file", values::quoted(&file))], differs);
        }
        None if is_served => {
            work.say(
                "",
                Fate::LeftOut,
                "no source has a key; clients that have one need a [[serve.key]] each",
            );
        }
        None => work.say("", Fate::Needless, "no source has a key"),
    }
}

/// So many sources must agree, elsewhere: here a majority of all operators, which is more where it is not less.
fn least(work: &mut Work, what: &str, sources: usize) {
    let votes = work.draft.usable().map_or(0, |config| super::votes(&config.sources));
    let majority = votes / 2 + 1;
    match sources {
        least if least <= majority => {
            let why =
                format!("not quite: more than half of all operators must agree, here {majority} of {votes}");
            work.say(what, Fate::Default, &why);
        }
        least => {
            let differs = "operators are counted, not sources; more than a majority of them";
            work.put(what, &[("select.min_operators", least.to_string())], differs);
        }
    }
}

/// `[clock] step_threshold = "1s"`
fn named(path: &str, value: &str) -> String {
    match path.rsplit_once('.') {
        Some((table, key)) => format!("[{table}] {key} = {value}"),
        None => format!("{path} = {value}"),
    }
}

/// What follows from who has a vote: a set of sources that served others may serve us otherwise.
fn votes(config: &Config) -> Vec<String> {
    let (votes, sources) = (super::votes(&config.sources), config.places().count());
    let (operators, voters) = (config.operators(), super::voters(&config.sources).count());
    let mut told = Vec::new();
    if config.trust.min_operators.is_none() {
        let word = match votes {
            0 if config.classic.master.is_some() => String::new(),
            0 if sources == 0 => "nobody is asked: the clock is left to itself".to_owned(),
            0 => "pulses do not know which second they begin, and nobody else is asked: the time is never known; name a \
                  server or another reference clock"
                .to_owned(),
            1 => "one source alone has the only vote: it is believed whatever it says, and nobody would notice if it were \
                  wrong; name three more operators"
                .to_owned(),
            2 => "two votes must agree: if one of them is silent or wrong, nobody is believed and the clock goes on at its \
                  learned rate; name two more operators, or let one decide with [select] min_operators = 1"
                .to_owned(),
            votes if operators == 1 => format!(
                "all sources are of one operator: more than half of its {votes} votes must agree, and they may be wrong together"
            ),
            votes if operators < voters => format!(
                "{voters} sources are of {operators} operators with one vote each: {} of them must agree, whether they answer \
                 or not; say `operator` where the names mislead",
                votes / 2 + 1
            ),
            _ => String::new(),
        };
        told.extend((!word.is_empty()).then_some(word));
    }
    told
}

#[cfg(test)]
mod tests;

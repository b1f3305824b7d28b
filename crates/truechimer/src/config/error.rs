//! What is wrong with a configuration, where, and what to do about it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// How much of a long line is shown around its fault, in characters.
const SHOWN_WIDTH: usize = 100;

/// Why a configuration is not used.
///
/// ```text
/// /etc/truechimer/truechimer.toml:7:1: unknown key `min_intreval`
///   7 | min_intreval = "64s"
///     | ^^^^^^^^^^^^
/// did you mean `min_interval`?
/// ```
#[derive(Debug)]
pub struct ConfigError {
    /// The file or folder.
    pub file: PathBuf,
    /// Where in the file, if it could be read.
    pub place: Option<Place>,
    /// What is wrong.
    pub fault: Box<Fault>,
}

impl ConfigError {
    pub(super) fn new(file: &Path, place: Option<Place>, fault: Fault) -> Self {
        Self { file: file.to_owned(), place, fault: Box::new(fault) }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(place) = &self.place {
            write!(f, "{}:{}:", place.line, place.column)?;
        }
        write!(f, " {}", self.fault)?;
        if let Some(place) = &self.place {
            write!(f, "\n{place}")?;
        }
        match self.fault.remedy(&self.file) {
            Some(remedy) => write!(f, "\n{remedy}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConfigError {}

/// What can be wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The system does not give us the file.
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    /// A folder, a pipe, a device: reading it could last for ever.
    #[error("is not a regular file")]
    NotAFile,
    /// More bytes than a configuration has.
    #[error("is larger than {most} bytes")]
    TooLarge {
        /// The most that is read, all files together.
        most: u64,
    },
    /// More drop-in files than are read.
    #[error("has more than {most} files")]
    TooManyFiles {
        /// The most that are read.
        most: usize,
    },
    /// Everybody on this machine could change our time.
    #[error("can be written by everybody (mode {mode:04o})")]
    WritableByAll {
        /// The permission bits.
        mode: u32,
    },
    /// Somebody else could change our time.
    #[error("belongs to user {owner}, neither to root nor to us (user {us})")]
    OwnedByOther {
        /// Whose it is.
        owner: u32,
        /// Who we are.
        us: u32,
    },
    /// Not a text.
    #[error("is not UTF-8 here")]
    NotUtf8,
    /// Not TOML, or not the kind of value that belongs here.
    #[error("{0}")]
    Wrong(String),
    /// No such key.
    #[error("unknown key `{key}`")]
    UnknownKey {
        /// What stands there.
        key: String,
        /// What would be a key there.
        known: Vec<String>,
    },
    /// A key that only one place may set.
    #[error("`{key}` is set a second time")]
    SetTwice {
        /// The key with the name of its table.
        key: String,
        /// Where it is set already: file and line.
        first: String,
    },
    /// `address` of a source, `ntp` of `[serve]`.
    #[error("`{0}` is missing here")]
    Missing(&'static str),
    /// Known words, but this version cannot do it.
    #[error("this version does not speak `{0}` yet")]
    NotYetSpoken(&'static str),
    /// A master is measured by NTP or by TAICLOCK.
    #[error("a master that speaks `{0}` cannot be measured")]
    MasterSpeaks(&'static str),
    /// A value outside its limits.
    #[error("{what} must be {limits}")]
    OutOfLimits {
        /// The value, for people.
        what: &'static str,
        /// What it may be.
        limits: String,
    },
    /// A source that would be asked too often.
    #[error("`min_interval` must be at least {least} for a source that may be somebody else's")]
    Impolite {
        /// The shortest polite interval.
        least: String,
    },
    /// `min_interval` beyond `max_interval`.
    #[error("`min_interval` ({min}) is longer than `max_interval` ({max})")]
    IntervalsCrossed {
        /// The lower.
        min: String,
        /// The upper.
        max: String,
    },
    /// An accuracy that nobody would heed.
    #[error(
        "the classic schedule doubles its interval however right the clock is; it cannot keep an `accuracy`"
    )]
    ClassicAccuracy,
    /// Clients of ClockBound read the kernel's clock.
    #[error(
        "clients of ClockBound read the kernel's clock, and with target = \"user\" nobody keeps that right"
    )]
    ClockboundOfOurOwn,
    /// Two sources at one address would have two votes.
    #[error("the source `{address}` is named a second time")]
    SameSource {
        /// Its address.
        address: String,
        /// Where it is named already: file and line.
        first: String,
    },
    /// A key without a file in which it could be.
    #[error("a key is named here, but no file of keys")]
    NoKeysFile,
    /// Two lists of those who may use one key.
    #[error("key {id} is served a second time")]
    SameKey {
        /// Which.
        id: super::KeyId,
        /// Where it is already: file and line.
        first: String,
    },
    /// Two protocols, or one twice, where only one socket can be.
    #[error("{place} is listened at a second time")]
    SamePlace {
        /// Where.
        place: SocketAddr,
        /// Where it is named already: file and line.
        first: String,
    },
    /// More of something than there is room for.
    #[error("more than {most} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        most: usize,
    },
    /// Listening beyond this machine without a word about whom to answer.
    #[error("`[serve]` listens beyond this machine, but `allow` does not say whom to answer")]
    AllowWhom,
}

impl Fault {
    /// What to do next about this file, where it can be said.
    fn remedy(&self, file: &Path) -> Option<String> {
        let file = file.display();
        match self {
            Self::UnknownKey { key, known } => Some(match nearest(key, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known keys here: {}", known.join(", ")),
            }),
            Self::WritableByAll { .. } => Some(format!("take that right away: chmod o-w {file}")),
            Self::OwnedByOther { .. } => Some(format!("make it root's: chown root {file}")),
            Self::NotAFile => Some("name a file, or a link to one".to_owned()),
            Self::NoKeysFile => {
                Some("add for example: [keys] with file = \"/etc/truechimer/keys\"".to_owned())
            }
            Self::SetTwice { first, .. }
            | Self::SameSource { first, .. }
            | Self::SameKey { first, .. }
            | Self::SamePlace { first, .. } => Some(format!("first at {first}; remove one of the two")),
            Self::NotYetSpoken(_) => Some("remove the source, or say kind = \"ntp\"".to_owned()),
            Self::MasterSpeaks(_) => Some("say master_kind = \"taiclock\" or \"ntp\"".to_owned()),
            Self::Impolite { .. } => Some(
                "shorter intervals are for addresses of one's own network, written in figures".to_owned(),
            ),
            Self::ClassicAccuracy => Some("remove `accuracy`, or say schedule = \"adaptive\"".to_owned()),
            Self::ClockboundOfOurOwn => {
                Some("remove [clockbound], or say target = \"kernel\" in [clock]".to_owned())
            }
            Self::AllowWhom => Some("add for example: allow = [\"192.168.0.0/16\", \"fd00::/8\"]".to_owned()),
            Self::Unreadable(_)
            | Self::TooLarge { .. }
            | Self::TooManyFiles { .. }
            | Self::NotUtf8
            | Self::Wrong(_)
            | Self::Missing(_)
            | Self::OutOfLimits { .. }
            | Self::IntervalsCrossed { .. }
            | Self::TooMany { .. } => None,
        }
    }
}

/// The word that a mistyped one was most likely meant to be, if any is near.
fn nearest<'k>(word: &str, known: &'k [String]) -> Option<&'k str> {
    let word = word.to_lowercase().replace('-', "_");
    let distance = |candidate: &str| strsim::damerau_levenshtein(&word, candidate);
    let best = known.iter().map(String::as_str).min_by_key(|candidate| distance(candidate))?;
    (distance(best) <= best.len().div_ceil(3)).then_some(best)
}

/// A stretch of one line of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// From one.
    pub line: usize,
    /// From one, in characters.
    pub column: usize,
    /// The part of the line that is shown, harmless to a terminal.
    shown: String,
    /// How many characters of it stand before the fault.
    before: usize,
    /// How many characters are at fault.
    width: usize,
}

impl Place {
    /// The place of some bytes of a text. Bytes that are no UTF-8 are shown as replacement characters.
    pub fn of(text: &[u8], range: Range<usize>) -> Self {
        let start = range.start.min(text.len());
        let line_start = text[..start].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let rest = text[start..].split(|b| *b == b'\n').next().unwrap_or_default();
        let line_end = start + rest.strip_suffix(b"\r").unwrap_or(rest).len();
        let fault_end = range.end.clamp(start, line_end);
        let before = characters(&text[line_start..start]);
        let fault = characters(&text[start..fault_end]);
        let after = characters(&text[fault_end..line_end]);
        let skipped = (before.len() + 1).saturating_sub(SHOWN_WIDTH / 2);
        let line = before[skipped..].iter().chain(&fault).chain(&after);
        Self {
            line: 1 + text[..line_start].iter().filter(|b| **b == b'\n').count(),
            column: 1 + before.len(),
            shown: line.take(SHOWN_WIDTH).collect::<String>().trim_end().to_owned(),
            before: before.len() - skipped,
            width: fault.len().clamp(1, SHOWN_WIDTH / 2),
        }
    }
}

impl fmt::Display for Place {
    /// The line with its number, and carets below what is at fault.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>4} | {}", self.line, self.shown)?;
        write!(f, "     | {}{}", " ".repeat(self.before), "^".repeat(self.width))
    }
}

/// The characters of a text, those that could command a terminal replaced.
fn characters(bytes: &[u8]) -> Vec<char> {
    let harmless = |c: char| match c {
        '\t' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    String::from_utf8_lossy(bytes).chars().map(harmless).collect()
}

/// The texts that make up one configuration, in one numbering of bytes, so that a range tells its file.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    files: Vec<Text>,
}

#[derive(Debug)]
pub(super) struct Text {
    pub(super) path: PathBuf,
    pub(super) text: String,
    /// The number of the first byte.
    pub(super) base: usize,
}

impl Texts {
    pub(super) fn add(&mut self, path: &Path, text: String) {
        let base = self.files.last().map_or(0, |last| last.base + last.text.len() + 1);
        self.files.push(Text { path: path.to_owned(), text, base });
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Text> {
        self.files.iter()
    }

    /// The error for a fault in one range.
    pub(crate) fn blame(&self, range: Range<usize>, fault: Fault) -> ConfigError {
        match self.file_of(range.start) {
            Some(file) => {
                let inside = range.start - file.base..range.end.max(file.base) - file.base;
                let place = Place::of(file.text.as_bytes(), inside);
                ConfigError::new(&file.path, Some(place), fault)
            }
            None => ConfigError::new(Path::new("configuration"), None, fault),
        }
    }

    /// File and line, for a second place within an error.
    pub(super) fn line(&self, range: Range<usize>) -> String {
        match self.file_of(range.start) {
            Some(file) => {
                let place = Place::of(file.text.as_bytes(), range.start - file.base..range.start - file.base);
                format!("{}:{}", file.path.display(), place.line)
            }
            None => "configuration".to_owned(),
        }
    }

    fn file_of(&self, byte: usize) -> Option<&Text> {
        self.files.iter().rev().find(|file| file.base <= byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_place_of_any_bytes_can_be_shown(bytes in proptest::collection::vec(any::<u8>(), 0..400), a in 0usize..500, b in 0usize..500) {
            let place = Place::of(&bytes, a..b);
            prop_assert!(place.shown.chars().count() <= SHOWN_WIDTH);
            prop_assert!(!place.to_string().contains('\x1b'));
        }
    }

    #[test]
    fn a_place_is_counted_from_one_in_characters() {
        let text = "first\nµµ = bad\n".as_bytes();
        let place = Place::of(text, 13..16);
        assert_eq!((place.line, place.column), (2, 6));
        assert_eq!(place.to_string(), "   2 | µµ = bad\n     |      ^^^");
    }

    #[test]
    fn lines_of_other_systems_end_where_they_end() {
        let place = Place::of(b"a = 1\r\nb\r\n", 4..5);
        assert_eq!(place.to_string(), "   1 | a = 1\n     |     ^");
    }

    #[test]
    fn the_fault_of_a_long_line_is_in_sight() {
        let text = format!("{}X{}", "a".repeat(5000), "b".repeat(5000));
        let shown = Place::of(text.as_bytes(), 5000..5001).to_string();
        assert!(shown.contains('X') && shown.len() < 300, "{shown}");
    }

    #[test]
    fn only_near_words_are_suggested() {
        let known = ["min_interval".to_owned(), "max_interval".to_owned(), "burst".to_owned()];
        assert_eq!(nearest("min_intreval", &known), Some("min_interval"));
        assert_eq!(nearest("Min-Interval", &known), Some("min_interval"));
        assert_eq!(nearest("brust", &known), Some("burst"));
        assert_eq!(nearest("colour", &known), None);
    }
}

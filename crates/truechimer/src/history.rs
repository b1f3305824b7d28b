//! The history of this machine's time, as a file: what its clocks showed and what was known of true time, and what happened.
//!
//! One line a thing, in the order in which it happened, each with the readings of the clocks at that moment. Between
//! two lines the clocks went on as the first of them says, so that any reading of any clock can be told the time afterwards.
//! `docs/formats/history.md` describes every column.
//!
//! ```text
//! truechimer-history 1
//! b 1234.5 1234.6 1790000000.1 0 0b9a..f2 tsc                                   the daemon begins
//! k 1290.5 1290.6 1790000056.1 0 synchronised 1790000093.1 0.0005 0.0004 ..     what is known of true time
//! r 1290.5 1290.6 1790000056.1 0 12345000                                       the clock runs at this rate from here on
//! t 1290.5 1290.6 1790000056.1 0 1790000093.1 info stepped 0.25 the clock ..    told to people
//! ```

pub mod course;
pub mod deviation;
pub mod drawing;

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::str::{FromStr, SplitAsciiWhitespace};

use truechimer_core::discipline::bracket::Bracket;
use truechimer_core::discipline::model::Model;
use truechimer_core::discipline::oscillator::RateLimits;
use truechimer_core::moment::Moment;
use truechimer_core::status::Status;
use truechimer_time::{Local, Mono, Rate, Raw, Span, Tai, Time};

use crate::config::{Level, Spelled};

/// The first line of every file.
pub const FORMAT: &str = "truechimer-history 1";

/// The newest file's name; older ones are `history.1`, `history.2` and so on.
pub const FILE_NAME: &str = "history";

/// So many older files are kept.
pub const KEPT: u32 = 15;

/// No line is longer.
pub const LINE_MAX: usize = 2048;

/// The readings of the clocks when something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// The monotonic clock, which does not count sleep.
    pub mono: Time<Mono>,
    /// The raw counter.
    pub raw: Time<Raw>,
    /// The clock that is steered.
    pub local: Time<Local>,
    /// How long the machine had slept since boot.
    pub asleep: Span,
}

impl From<&Moment> for At {
    fn from(moment: &Moment) -> Self {
        Self { mono: moment.mono, raw: moment.raw, local: moment.local, asleep: moment.asleep }
    }
}

/// A line of the history.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// When.
    pub at: At,
    /// What.
    pub what: What,
}

/// What a line tells.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// The daemon begins. What was before it may be of another boot.
    Born {
        /// The kernel's name of this boot.
        boot: String,
        /// What the raw counter counts by.
        clocksource: String,
    },
    /// From here on so much is known of true time.
    Known {
        /// How far it can be relied upon.
        status: Status,
        /// The model, unless nothing is known.
        model: Option<Model>,
    },
    /// From here on the clock runs at this rate against the raw counter.
    Runs(Rate),
    /// Something was told to people.
    Told(Told),
}

/// Something that was told to people.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// The likeliest time then, as far as was known.
    pub tai: Option<Time<Tai>>,
    /// How grave it is.
    pub level: Level,
    /// What it is, as one word.
    pub label: String,
    /// By how much, if that is the question.
    pub by: Option<Span>,
    /// The same as a sentence.
    pub words: String,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let At { mono, raw, local, asleep } = self.at;
        let [mono, raw, local] = [mono.since_epoch(), raw.since_epoch(), local.since_epoch()];
        let letter = match self.what {
            What::Born { .. } => 'b',
            What::Known { .. } => 'k',
            What::Runs(_) => 'r',
            What::Told(_) => 't',
        };
        write!(f, "{letter} {mono:.9} {raw:.9} {local:.9} {asleep} ")?;
        match &self.what {
            What::Born { boot, clocksource } => write!(f, "{boot} {clocksource}"),
            What::Known { status, model: None } => write!(f, "{} -", status.word()),
            What::Known { status, model: Some(model) } => write_model(f, *status, model),
            What::Runs(rate) => write!(f, "{}", rate.as_attos_per_second()),
            What::Told(told) => write!(f, "{told}"),
        }
    }
}

/// The limits are for the moment of the model's own anchor, which is a reading of the counter.
fn write_model(f: &mut fmt::Formatter<'_>, status: Status, model: &Model) -> fmt::Result {
    let (before, after) = (model.best - model.bracket.earliest, model.bracket.latest - model.best);
    let (anchor, best) = (model.bracket.at.since_epoch(), model.best.since_epoch());
    write!(f, "{} {anchor} {best} {before} {after} {:.9}", status.word(), model.sigma)?;
    let RateLimits { min, max, drift } = model.limits;
    [model.rate, min, max, drift, model.rate_sigma, model.wander]
        .iter()
        .try_for_each(|rate| write!(f, " {}", rate.as_attos_per_second()))
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tai {
            Some(tai) => write!(f, "{:.9}", tai.since_epoch())?,
            None => f.write_str("-")?,
        }
        write!(f, " {} {} ", self.level.name(), self.label)?;
        match self.by {
            Some(by) => write!(f, "{by:.9}")?,
            None => f.write_str("-")?,
        }
        // One line each, whatever a name or an error of the system has in it.
        let line: String =
            self.words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LINE_MAX / 8).collect();
        write!(f, " {line}")
    }
}

/// Why a line is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is missing or cannot be read")]
pub struct LineError(&'static str);

impl FromStr for Entry {
    type Err = LineError;

    fn from_str(line: &str) -> Result<Self, LineError> {
        let mut words = Words { rest: line.split_ascii_whitespace() };
        let letter = words.word("the letter")?;
        let at = At {
            mono: Time::from_epoch(words.parse("mono")?),
            raw: Time::from_epoch(words.parse("raw")?),
            local: Time::from_epoch(words.parse("local")?),
            asleep: words.parse("asleep")?,
        };
        let what = match letter {
            "b" => What::Born {
                boot: words.word("the boot")?.to_owned(),
                clocksource: words.word("the clocksource")?.to_owned(),
            },
            "k" => words.known()?,
            "r" => What::Runs(words.rate("the rate")?),
            "t" => What::Told(words.told(line)?),
            _ => return Err(LineError("the letter")),
        };
        Ok(Self { at, what })
    }
}

/// The words of a line, one after the other.
struct Words<'a> {
    rest: SplitAsciiWhitespace<'a>,
}

impl<'a> Words<'a> {
    fn word(&mut self, what: &'static str) -> Result<&'a str, LineError> {
        self.rest.next().ok_or(LineError(what))
    }

    fn parse<T: FromStr>(&mut self, what: &'static str) -> Result<T, LineError> {
        self.word(what)?.parse().map_err(|_| LineError(what))
    }

    fn rate(&mut self, what: &'static str) -> Result<Rate, LineError> {
        Ok(Rate::from_attos_per_second(self.parse(what)?))
    }

    /// A value, or `-` for none.
    fn maybe(&mut self, what: &'static str) -> Result<Option<Span>, LineError> {
        match self.word(what)? {
            "-" => Ok(None),
            word => word.parse().map(Some).map_err(|_| LineError(what)),
        }
    }

    fn known(&mut self) -> Result<What, LineError> {
        let word = self.word("the status")?;
        let status = Status::ALL.into_iter().find(|status| status.word() == word);
        let status = status.ok_or(LineError("the status"))?;
        let Some(anchor) = self.maybe("the anchor")? else { return Ok(What::Known { status, model: None }) };
        let best = Time::from_epoch(self.parse("the time")?);
        let (before, after): (Span, Span) = (self.parse("before")?, self.parse("after")?);
        if before.is_negative() || after.is_negative() {
            return Err(LineError("a bound that is not negative"));
        }
        let sigma = self.parse("sigma")?;
        let rate = self.rate("the rate")?;
        let limits =
            RateLimits { min: self.rate("min")?, max: self.rate("max")?, drift: self.rate("drift")? };
        let (rate_sigma, wander) = (self.rate("the rate's sigma")?, self.rate("wander")?);
        let bracket = Bracket { at: Time::from_epoch(anchor), earliest: best - before, latest: best + after };
        let model = Model { best, rate, bracket, limits, sigma, rate_sigma, wander };
        Ok(What::Known { status, model: Some(model) })
    }

    fn told(&mut self, line: &str) -> Result<Told, LineError> {
        let tai = self.maybe("the time")?.map(Time::from_epoch);
        let level = Level::read(self.word("the level")?).map_err(|_| LineError("the level"))?;
        let label = self.word("the label")?.to_owned();
        let by = self.maybe("by how much")?;
        // Nine words are before it, each with one space behind.
        let words = line.splitn(10, ' ').nth(9).unwrap_or_default().to_owned();
        Ok(Told { tai, level, label, by, words })
    }
}

/// A history that was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// The oldest first.
    pub entries: Vec<Entry>,
    /// So many lines could not be read: a power cut leaves one, now and then.
    pub torn: usize,
}

impl History {
    /// Reads all files of a folder, the oldest first. No file at all is an empty history.
    ///
    /// # Errors
    /// Those of the system, with the file.
    pub fn read(folder: &Path) -> Result<Self, (PathBuf, io::Error)> {
        Self::read_newest(folder, KEPT)
    }

    /// Reads the newest file of a folder and so many older ones at most, the oldest first.
    ///
    /// # Errors
    /// Those of the system, with the file.
    pub fn read_newest(folder: &Path, older: u32) -> Result<Self, (PathBuf, io::Error)> {
        let mut history = Self::default();
        for number in (0..=older.min(KEPT)).rev() {
            let path = numbered(&folder.join(FILE_NAME), number);
            match File::open(&path) {
                Ok(file) => history.take_in(BufReader::new(file)).map_err(|error| (path, error))?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err((path, error)),
            }
        }
        Ok(history)
    }

    /// Reads the lines of one file, after those that were read before.
    ///
    /// # Errors
    /// Those of the system.
    pub fn take_in(&mut self, mut file: impl BufRead) -> io::Result<()> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let len = file.by_ref().take(LINE_MAX as u64).read_until(b'\n', &mut line)?;
            if len == 0 {
                return Ok(());
            }
            let text = String::from_utf8_lossy(&line);
            match (text.trim_end(), text.trim_end().parse()) {
                (FORMAT | "", _) => {}
                (_, Ok(entry)) => self.entries.push(entry),
                (_, Err(LineError(_))) => self.torn += 1,
            }
        }
    }
}

/// `history`, `history.1` and so on.
pub fn numbered(path: &Path, number: u32) -> PathBuf {
    match number {
        0 => path.to_path_buf(),
        _ => path.with_extension(number.to_string()),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn at(seconds: i64) -> At {
        let span = Span::from_secs(seconds);
        At {
            mono: Time::from_epoch(span),
            raw: Time::from_epoch(span + Span::from_nanos(123_456_789)),
            local: Time::from_epoch(Span::from_secs(1_790_000_000) + span),
            asleep: Span::from_millis(1500),
        }
    }

    pub(crate) fn model(raw: Time<Raw>) -> Model {
        let best = Time::from_epoch(Span::from_secs(1_790_000_037) + raw.since_epoch());
        Model {
            best,
            rate: Rate::from_ppb(-12_345),
            bracket: Bracket {
                at: raw,
                earliest: best - Span::from_micros(500),
                latest: best + Span::from_attos(400_000_000_000_001),
            },
            limits: RateLimits::around(Rate::from_ppb(-12_345), Rate::from_ppb(100))
                .drifting(Rate::from_ppb(15_000)),
            sigma: Span::from_micros(3),
            rate_sigma: Rate::from_ppb(2),
            wander: Rate::from_ppb(1),
        }
    }

    fn told(words: &str) -> What {
        What::Told(Told {
            tai: Some(Time::from_epoch(Span::from_nanos(1_790_000_093_123_456_789))),
            level: Level::Warn,
            label: "stepped".to_owned(),
            by: Some(Span::from_millis(-250)),
            words: words.to_owned(),
        })
    }

    #[test]
    fn every_line_is_read_back() {
        let at = at(4711);
        let whats = [
            What::Born { boot: "0b9a".to_owned(), clocksource: "kvm-clock".to_owned() },
            What::Known { status: Status::Disrupted, model: None },
            What::Known { status: Status::Holdover, model: Some(model(at.raw)) },
            What::Runs(Rate::from_ppb(-7)),
            told("the clock was  stepped by -250 ms"),
            told(""),
            What::Told(Told {
                tai: None,
                level: Level::Info,
                label: "calmed".to_owned(),
                by: None,
                words: "µ".to_owned(),
            }),
        ];
        for what in whats {
            let entry = Entry { at, what };
            assert_eq!(entry.to_string().parse(), Ok(entry.clone()), "{entry}");
        }
    }

    #[test]
    fn a_sentence_never_makes_a_second_line() {
        let entry = Entry { at: at(1), what: told("one\ntwo\r\x1b[0m") };
        assert_eq!(entry.to_string().lines().count(), 1);
        assert!(!entry.to_string().contains('\x1b'));
    }

    #[test]
    fn a_torn_line_is_counted_and_the_rest_is_read() {
        let whole = Entry { at: at(5), what: What::Runs(Rate::ZERO) };
        let torn = &whole.to_string()[..9];
        let text = format!("{FORMAT}\n{whole}\n{torn}\n{FORMAT}\n{whole}\n");
        let mut history = History::default();
        history.take_in(text.as_bytes()).expect("memory can be read");
        assert_eq!((history.entries, history.torn), (vec![whole.clone(), whole], 1));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_counted(text in "[bkrt] [ -~\n]{0,300}") {
            let mut history = History::default();
            history.take_in(text.as_bytes()).expect("memory can be read");
        }

        #[test]
        fn any_bytes_are_read_or_counted(bytes in proptest::collection::vec(any::<u8>(), 0..5000)) {
            let mut history = History::default();
            history.take_in(bytes.as_slice()).expect("memory can be read");
            prop_assert!(history.entries.is_empty());
        }
    }
}

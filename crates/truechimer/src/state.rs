//! What the node has learned, kept over restarts and power cuts.
//!
//! One small text file that a person can read, bound to this machine and its clocksource, and sealed by a checksum.
//! A file that is not right is ignored with a [`Notice`] and the learning begins anew: nothing in it can keep the
//! daemon from starting, and nothing of another machine's oscillator is ever believed.
//!
//! ```text
//! truechimer-learned 1
//! machine 0123456789abcdef0123456789abcdef
//! clocksource tsc
//! rate 12.345678901234 ppm
//! rate_error 0.1 ppm
//! wander 0.002 ppm
//! at 1795315200.25 TAI
//! bound 0.0005 s
//! watched 172800 s
//! departure 0.2 ppm
//! departure_before 0 ppm
//! hour 498699 12.3456789 ppm 41.25 C
//! crc32 89abcdef
//! ```
//!
//! Times are seconds since 1970-01-01 00:00:00 TAI. The checksum (IEEE 802.3) is over all bytes before its line.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use truechimer_core::discipline::drift::Seen;
use truechimer_core::discipline::holdover::{HOURS_MAX, Hour};
use truechimer_core::learned::Learned;
use truechimer_sys::file::{self, FileError};
use truechimer_sys::system;
use truechimer_time::{Rate, Span, Time};

/// The file in the folder of states.
const FILE: &str = "learned";
/// Whoever talks to the network has no business here.
const MODE: u32 = 0o600;
/// Twice what such a file has with a full diary.
const BYTES_MAX: usize = 65_536;
/// The first line: what it is, and the version of the format.
const HEADER: &str = "truechimer-learned 1";
/// No oscillator of a computer is off by more; adjtimex(2) could not follow it either.
const RATE_MAX: Rate = Rate::from_ppb(100_000_000);
/// Nothing was learned before this program was written: 2026-01-01 00:00:00 UTC.
const AT_MIN: Time<truechimer_time::Tai> = Time::from_epoch(Span::from_secs(1_767_225_637));
/// 2200-01-01: a later date is damage, and would keep the clock from ever being set right.
const AT_MAX: Time<truechimer_time::Tai> = Time::from_epoch(Span::from_secs(7_258_118_437));
/// A bound of a year says nothing.
const BOUND_MAX: Span = Span::from_secs(31_557_600);
/// No oscillator works beyond this, in degrees Celsius.
const DEGREES_MAX: f32 = 200.0;
/// Nobody has watched an oscillator for two centuries.
const WATCHED_MAX: Span = Span::from_secs(6_311_520_000);

/// The file of what was learned, and the machine that it is about.
#[derive(Clone, Debug)]
pub struct Store {
    path: PathBuf,
    machine: Machine,
}

/// Whose oscillator was learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// `/etc/machine-id`.
    pub id: String,
    /// The kernel's clocksource, on which the raw counter counts: `tsc`, `hpet`, `arch_sys_counter`.
    pub clocksource: String,
}

impl Machine {
    /// This machine. What the system does not tell is `unknown`, the same on every start.
    pub fn here() -> Self {
        let or_unknown = |word: Option<String>| match word {
            Some(word) if !word.trim().is_empty() => word.trim().to_owned(),
            Some(_) | None => "unknown".to_owned(),
        };
        Self { id: or_unknown(system::machine_id()), clocksource: or_unknown(system::clocksource()) }
    }
}

/// What was found, and what has to be said about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The newest that is right, if any is.
    pub learned: Option<Learned>,
    /// What was ignored and why.
    pub notices: Vec<Notice>,
}

/// A file that was ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Which.
    pub path: PathBuf,
    /// Why.
    pub why: Ignored,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "what was learned is not taken from {}: {}", self.path.display(), self.why)
    }
}

/// Why a file of what was learned is ignored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ignored {
    /// The system does not give it to us.
    #[error("{0}")]
    Unreadable(String),
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
    /// Not such a file, or one of another version.
    #[error("it does not begin with \"{HEADER}\"")]
    NotOurs,
    /// It was cut short, or changed by hand.
    #[error("its checksum is wrong")]
    Checksum,
    /// A line is missing, doubled, out of its order or not a number.
    #[error("its line `{0}` is missing or wrong")]
    Line(&'static str),
    /// A value that no working clock has.
    #[error("its `{0}` is out of all bounds")]
    Absurd(&'static str),
    /// A copied disk, a restored backup.
    #[error("it was learned on another machine")]
    OtherMachine,
    /// The kernel counts with another oscillator now.
    #[error("it was learned with clocksource {theirs}, and this is {ours}")]
    OtherClocksource {
        /// The one in the file.
        theirs: String,
        /// The one in use.
        ours: String,
    },
}

impl Store {
    /// The store in this folder, about this machine.
    pub fn new(folder: &Path, machine: Machine) -> Self {
        Self { path: folder.join(FILE), machine }
    }

    /// What is saved from now on was learned of this machine: it counts by another clocksource than it did.
    pub fn belongs_to(&mut self, machine: Machine) {
        self.machine = machine;
    }

    /// Keeps this, and the previous copy beside it. After a power cut there is the old or the new, never a mixture.
    ///
    /// # Errors
    /// A failure of the file system; the old file is then still there.
    pub fn save(&self, learned: &Learned) -> Result<(), FileError> {
        file::save(&self.path, written(learned, &self.machine).as_bytes(), MODE)
    }

    /// The newest that is right of the file and its previous copy. That there is none yet is worth no notice.
    pub fn load(&self) -> Loaded {
        let mut loaded = Loaded { learned: None, notices: Vec::new() };
        let previous = file::previous(&self.path);
        for path in std::iter::once(&self.path).chain(previous.as_ref().ok()) {
            match self.read(path) {
                Ok(Some(learned)) if loaded.learned.as_ref().is_none_or(|other| other.at < learned.at) => {
                    loaded.learned = Some(learned);
                }
                Ok(Some(_) | None) => {}
                Err(why) => loaded.notices.push(Notice { path: path.clone(), why }),
            }
        }
        loaded
    }

    fn read(&self, path: &Path) -> Result<Option<Learned>, Ignored> {
        match file::load(path, BYTES_MAX) {
            Ok(bytes) => read(&bytes, &self.machine).map(Some),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(Ignored::Unreadable(error.to_string())),
        }
    }
}

fn written(learned: &Learned, machine: &Machine) -> String {
    let mut text = format!(
        "{HEADER}\nmachine {}\nclocksource {}\nrate {} ppm\nrate_error {} ppm\nwander {} ppm\nat {} TAI\nbound {} s\n\
         watched {} s\ndeparture {} ppm\ndeparture_before {} ppm\n",
        machine.id,
        machine.clocksource,
        ppm(learned.rate),
        ppm(learned.rate_error),
        ppm(learned.wander),
        learned.at,
        learned.bound,
        learned.seen.watched,
        ppm(learned.seen.largest),
        ppm(learned.seen.largest_before),
    );
    for hour in &learned.hours {
        let degrees = hour.degrees.map_or(String::new(), |degrees| format!(" {degrees} C"));
        text += &format!("hour {} {} ppm{degrees}\n", hour.number, ppm(hour.rate));
    }
    let sum = crc32fast::hash(text.as_bytes());
    text += &format!("crc32 {sum:08x}\n");
    text
}

/// All digits of a rate. A millionth part has twelve of them and a second eighteen, so that a span can write them.
fn ppm(rate: Rate) -> Span {
    Span::from_attos(i128::from(rate.as_attos_per_second()) * 1_000_000)
}

fn read(bytes: &[u8], machine: &Machine) -> Result<Learned, Ignored> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Ignored::Empty);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Ignored::NotOurs)?;
    let body = text.strip_prefix(HEADER).and_then(|rest| rest.strip_prefix('\n')).ok_or(Ignored::NotOurs)?;
    let sealed = text.rfind("crc32 ").ok_or(Ignored::Checksum)?;
    if text[sealed..] != format!("crc32 {:08x}\n", crc32fast::hash(&bytes[..sealed])) {
        return Err(Ignored::Checksum);
    }
    let mut lines = Lines { rest: &body[..sealed - (text.len() - body.len())] };
    lines.belongs_to(machine)?;
    let learned = lines.learned()?;
    if lines.rest.is_empty() { Ok(learned) } else { Err(Ignored::Line("crc32")) }
}

/// The lines of the file, read one after the other.
struct Lines<'t> {
    rest: &'t str,
}

impl<'t> Lines<'t> {
    /// The value of the next line, which must have this key.
    fn value(&mut self, key: &'static str) -> Result<&'t str, Ignored> {
        let (line, rest) = self.rest.split_once('\n').ok_or(Ignored::Line(key))?;
        self.rest = rest;
        line.strip_prefix(key).and_then(|value| value.strip_prefix(' ')).ok_or(Ignored::Line(key))
    }

    fn number(&mut self, key: &'static str, unit: &str) -> Result<Span, Ignored> {
        let value = self.value(key)?;
        let number = value.strip_suffix(unit).and_then(|value| value.strip_suffix(' '));
        number.and_then(|number| Span::from_str(number).ok()).ok_or(Ignored::Line(key))
    }

    fn rate(&mut self, key: &'static str, limits: [Rate; 2]) -> Result<Rate, Ignored> {
        let parts = self.number(key, "ppm")?.as_attos() / 1_000_000;
        let rate = i64::try_from(parts).map(Rate::from_attos_per_second).map_err(|_| Ignored::Absurd(key))?;
        if limits[0] <= rate && rate <= limits[1] { Ok(rate) } else { Err(Ignored::Absurd(key)) }
    }

    fn belongs_to(&mut self, machine: &Machine) -> Result<(), Ignored> {
        if self.value("machine")? != machine.id {
            return Err(Ignored::OtherMachine);
        }
        match self.value("clocksource")? {
            ours if ours == machine.clocksource => Ok(()),
            theirs => Err(Ignored::OtherClocksource {
                theirs: theirs.escape_debug().take(32).collect(),
                ours: machine.clocksource.clone(),
            }),
        }
    }

    /// Files of the first form end before this: nothing had been watched.
    fn seen(&mut self) -> Result<Seen, Ignored> {
        if self.rest.is_empty() {
            return Ok(Seen::default());
        }
        Ok(Seen {
            watched: self.number("watched", "s")?,
            largest: self.rate("departure", [Rate::ZERO, RATE_MAX])?,
            largest_before: self.rate("departure_before", [Rate::ZERO, RATE_MAX])?,
        })
    }

    /// The diary: any number of hours, from none to a full one.
    fn hours(&mut self) -> Result<Vec<Hour>, Ignored> {
        let mut hours = Vec::new();
        while self.rest.starts_with("hour ") {
            let mut words = self.value("hour")?.split(' ');
            hours.push(hour(&mut words).filter(|_| words.next().is_none()).ok_or(Ignored::Line("hour"))?);
        }
        let is_absurd = |hour: &Hour| {
            hour.rate.abs() > RATE_MAX || !hour.degrees.is_none_or(|degrees| degrees.abs() <= DEGREES_MAX)
        };
        match hours.len() > HOURS_MAX || hours.iter().any(is_absurd) {
            true => Err(Ignored::Absurd("hour")),
            false => Ok(hours),
        }
    }

    fn learned(&mut self) -> Result<Learned, Ignored> {
        let learned = Learned {
            rate: self.rate("rate", [-RATE_MAX, RATE_MAX])?,
            rate_error: self.rate("rate_error", [Rate::ZERO, RATE_MAX])?,
            wander: self.rate("wander", [Rate::ZERO, RATE_MAX])?,
            at: Time::from_epoch(self.number("at", "TAI")?),
            bound: self.number("bound", "s")?,
            seen: self.seen()?,
            hours: self.hours()?,
        };
        if learned.at < AT_MIN || AT_MAX < learned.at {
            return Err(Ignored::Absurd("at"));
        }
        if learned.seen.watched.is_negative() || WATCHED_MAX < learned.seen.watched {
            return Err(Ignored::Absurd("watched"));
        }
        match learned.bound.is_negative() || BOUND_MAX < learned.bound {
            true => Err(Ignored::Absurd("bound")),
            false => Ok(learned),
        }
    }
}

/// `NUMBER RATE ppm`, and `DEGREES C` where it was measured.
fn hour<'t>(words: &mut impl Iterator<Item = &'t str>) -> Option<Hour> {
    let number = words.next()?.parse().ok()?;
    let parts = Span::from_str(words.next()?).ok()?.as_attos() / 1_000_000;
    let rate = Rate::from_attos_per_second(i64::try_from(parts).ok()?);
    if words.next()? != "ppm" {
        return None;
    }
    let degrees = match words.next() {
        Some(degrees) if words.next() == Some("C") => Some(degrees.parse().ok()?),
        Some(_) => return None,
        None => None,
    };
    Some(Hour { number, degrees, rate })
}

#[cfg(test)]
mod tests;

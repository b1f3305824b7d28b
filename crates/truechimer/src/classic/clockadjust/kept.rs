//! What the service still knows after a restart: how much TAICLOCK has moved the clock within a day, the newest measurement,
//! without which an error that is still being slewed would count twice, and the one that is in doubt.
//!
//! ```text
//! clockadjust-kept 1
//! boot 6b2c1d3e-..
//! last RAW TAI BOUND ASLEEP      seconds; counts in this boot alone
//! doubted RAW TAI BOUND ASLEEP   the same
//! spent MONO CLOCK AMOUNT        seconds; from the oldest on
//! ```
//!
//! In another boot the machine's clock tells how old an entry is. Where it says that an entry is yet to come, the entry is
//! as good as new: too much is never allowed.

use std::path::{Path, PathBuf};

use truechimer_sys::clock::Readings;
use truechimer_sys::file::{self, FileError};
use truechimer_time::{Mono, Span, Time};

use super::ledger::{ENTRIES_MAX, Entry, Ledger};
use super::sight::Sight;
use crate::config::Config;

/// Below the folder of states. The folder is that of the account that measures, and of no other.
const FOLDER: &str = "clockadjust";
const FILE: &str = "kept";
/// Nothing in it is secret.
const MODE: u32 = 0o644;
const FOLDER_MODE: u32 = 0o755;
/// Twice what such a file has.
const BYTES_MAX: usize = 32_768;

const HEADER: &str = "clockadjust-kept 1";

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// What was spent.
    pub ledger: Ledger,
    /// The newest measurement.
    pub last: Option<Sight>,
    /// One that contradicts it, until another one agrees with either.
    pub doubted: Option<Sight>,
}

/// The moment of writing or reading.
#[derive(Clone, Copy, Debug)]
pub struct Here<'a> {
    /// The name of this boot.
    pub boot: &'a str,
    /// What the clocks show.
    pub now: Readings,
}

/// Where it is kept with this configuration.
pub fn place(config: &Config) -> PathBuf {
    config.state.dir.join(FOLDER).join(FILE)
}

impl Kept {
    /// What the file says; nothing, if there is none. The error is for people.
    pub fn load(path: &Path, here: &Here<'_>) -> Result<Self, String> {
        let bytes = match file::load(path, BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error) if error.is_missing() => return Ok(Self::default()),
            Err(error) => return Err(error.to_string()),
        };
        let text = std::str::from_utf8(&bytes).ok();
        text.and_then(|text| Self::read(text, here)).ok_or_else(|| format!("{} is damaged", path.display()))
    }

    /// Keeps it. After a power cut there is the old file or the new one.
    pub fn save(&self, path: &Path, here: &Here<'_>) -> Result<(), FileError> {
        file::make_folder(path.parent().unwrap_or(Path::new("/")), FOLDER_MODE)?;
        file::save(path, self.write(here).as_bytes(), MODE)
    }

    fn write(&self, here: &Here<'_>) -> String {
        let mut text = format!("{HEADER}\nboot {}\n", here.boot);
        for (word, sight) in [("last", &self.last), ("doubted", &self.doubted)] {
            let Some(Sight { at, best, bound, asleep }) = sight else { continue };
            text += &format!("{word} {} {} {bound} {asleep}\n", at.since_epoch(), best.since_epoch());
        }
        for Entry { since, amount } in self.ledger.entries() {
            let clock = here.now.realtime.since_epoch() - (here.now.mono - *since);
            text += &format!("spent {} {clock} {amount}\n", since.since_epoch());
        }
        text
    }

    /// The inverse; `None` for anything else.
    fn read(text: &str, here: &Here<'_>) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        (lines.next()? == HEADER).then_some(())?;
        let is_this_boot = lines.next()?.strip_prefix("boot ")? == here.boot;
        let mut kept = Self::default();
        let mut entries = Vec::new();
        for line in lines {
            let (word, values) = line.split_once(' ')?;
            let values: Vec<Span> = values.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?;
            match (word, values.as_slice()) {
                ("last", values) => kept.last = Some(sight(values)?).filter(|_| is_this_boot),
                ("doubted", values) => kept.doubted = Some(sight(values)?).filter(|_| is_this_boot),
                ("spent", &[mono, clock, amount]) if !amount.is_negative() => {
                    let mono = is_this_boot.then_some(mono);
                    entries.push(Entry { since: since(mono, clock, here), amount });
                }
                _anything_else => return None,
            }
        }
        (entries.len() <= ENTRIES_MAX).then_some(())?;
        Some(Self { ledger: Ledger::of(entries), ..kept })
    }
}

/// A measurement; `None` for values that are not one.
fn sight(values: &[Span]) -> Option<Sight> {
    let &[at, best, bound, asleep] = values else { return None };
    let sight = Sight { at: Time::from_epoch(at), best: Time::from_epoch(best), bound, asleep };
    (!bound.is_negative()).then_some(sight)
}

/// When that was, as the monotonic clock of this boot has it.
fn since(mono: Option<Span>, clock: Span, here: &Here<'_>) -> Time<Mono> {
    let age = match mono {
        Some(mono) => here.now.mono.since_epoch() - mono,
        None => here.now.realtime.since_epoch() - clock,
    };
    here.now.mono - age.max(Span::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(mono: i64, clock: i64) -> Readings {
        Readings {
            raw: Time::from_epoch(Span::from_secs(mono)),
            mono: Time::from_epoch(Span::from_secs(mono)),
            realtime: Time::from_epoch(Span::from_secs(clock)),
            asleep: Span::ZERO,
            width: Span::ZERO,
        }
    }

    fn kept() -> Kept {
        let mut ledger = Ledger::default();
        ledger.spend(Span::from_millis(20_500), Time::from_epoch(Span::from_secs(100))).unwrap();
        ledger.spend(Span::from_micros(7), Time::from_epoch(Span::from_secs(900))).unwrap();
        let last = Sight {
            at: Time::from_epoch(Span::from_nanos(900_000_000_123)),
            best: Time::from_epoch(Span::from_secs(1_800_000_937)),
            bound: Span::from_micros(117),
            asleep: Span::from_secs(5),
        };
        let doubted = Some(Sight { best: last.best + Span::from_secs(30), ..last });
        Kept { ledger, last: Some(last), doubted }
    }

    fn written() -> String {
        kept().write(&Here { boot: "one", now: readings(1000, 1_800_001_000) })
    }

    #[test]
    fn what_is_written_is_read_back_in_the_same_boot() {
        let later = Here { boot: "one", now: readings(2000, 5) };
        assert_eq!(Kept::read(&written(), &later), Some(kept()), "whatever the clock says");
    }

    #[test]
    fn another_boot_knows_how_old_it_is() {
        let here = Here { boot: "two", now: readings(10, 1_800_001_050) };
        let read = Kept::read(&written(), &here).unwrap();
        assert_eq!((read.last, read.doubted), (None, None), "the counter began anew");
        let since: Vec<Span> =
            read.ledger.entries().iter().map(|entry| here.now.mono - entry.since).collect();
        assert_eq!(since, [Span::from_secs(950), Span::from_secs(150)]);
        let without_clock = Here { boot: "two", now: readings(10, 0) };
        let read = Kept::read(&written(), &without_clock).unwrap();
        assert!(read.ledger.entries().iter().all(|entry| entry.since == without_clock.now.mono));
    }

    #[test]
    fn what_is_not_whole_is_not_believed() {
        let here = Here { boot: "one", now: readings(2000, 5) };
        let text = written();
        for end in 0..text.len() - 1 {
            let cut = Kept::read(&text[..end], &here);
            assert!(cut.is_none() || text[..end].ends_with('\n'), "{end}");
        }
        let wrong =
            ["spent 1 2 -3\n", "spent 1 2\n", "spent 1 2 x\n", "last 1 2 -3 4\n", "owed 1 2 3\n", "\n"];
        for line in wrong {
            assert_eq!(Kept::read(&format!("{text}{line}"), &here), None, "{line}");
        }
        assert_eq!(Kept::read(&(text + &"spent 1 2 3\n".repeat(ENTRIES_MAX)), &here), None);
    }

    #[test]
    fn the_file_outlives_its_writer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/clockadjust/kept");
        let here = Here { boot: "one", now: readings(1000, 1_800_001_000) };
        assert_eq!(Kept::load(&path, &here), Ok(Kept::default()));
        kept().save(&path, &here).unwrap();
        assert_eq!(Kept::load(&path, &here), Ok(kept()));
        std::fs::write(&path, "nonsense").unwrap();
        assert!(Kept::load(&path, &here).unwrap_err().ends_with("kept is damaged"));
    }
}

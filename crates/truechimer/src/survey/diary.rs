//! The history of repeated surveys: what each host's clock was, time after time, and how fast it drifts by that.
//!
//! One line of JSON for each host and survey (`docs/formats/survey.md`).
//!
//! **Invariant:** a drift is a bound: no clock with a steady rate outside of it fits all that was measured. Where none fits, the
//! rate was not steady, and that is said.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use truechimer_sys::file;
use truechimer_time::Time;

use super::json::Drift;
use super::judge::{Judgement, Reference, Standing};
use super::round::Survey;

/// So many measurements of each host are reckoned with, the newest.
pub const KEPT: usize = 64;

/// No line of the file is longer, in bytes.
const LINE_MAX: u64 = 4096;

/// The times of measurements are by our own clock, which is not wrong by more than this in their differences, mostly by far.
const LENGTH_ERROR: f64 = 1e-3;

/// One measurement of one host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When, in seconds since 1970 by our own clock.
    pub at: f64,
    /// Which host, as it was named.
    pub host: String,
    /// With what it was compared: `daemon`, `majority`, `ourselves`.
    pub reference: String,
    /// How it stood.
    pub standing: String,
    /// How far it was ahead, at least, in seconds; missing if it was not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lo: Option<f64>,
    /// At most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hi: Option<f64>,
}

/// How fast a clock gains.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// Between these, in parts per million.
    Between(f64, f64),
    /// No steady rate fits.
    Unsteady,
}

/// What is remembered of all hosts, and the file that it is kept in.
#[derive(Debug, Default)]
pub struct Diary {
    hosts: HashMap<String, VecDeque<Entry>>,
    path: Option<PathBuf>,
}

impl Diary {
    /// Without a file.
    pub fn new() -> Self {
        Self::default()
    }

    /// That of a file, which need not be there yet.
    ///
    /// # Errors
    /// Those of the system; a line that is none of ours.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut diary = Self { hosts: HashMap::new(), path: Some(path.to_owned()) };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(diary),
            Err(error) => return Err(error),
        };
        for_each_line(file, |line| {
            let entry: Entry = serde_json::from_str(line)?;
            diary.remember(entry);
            Ok(())
        })?;
        Ok(diary)
    }

    /// Takes another survey, and adds it to the file.
    ///
    /// # Errors
    /// Those of the system.
    pub fn take(&mut self, survey: &Survey, judgement: &Judgement) -> io::Result<()> {
        let entries = entries(survey, judgement);
        if let Some(path) = &self.path {
            let mut text = Vec::new();
            for entry in &entries {
                serde_json::to_writer(&mut text, entry)?;
                text.push(b'\n');
            }
            let mut file = file::append(path, 0o644)?;
            file.write_all(&text)?;
        }
        entries.into_iter().for_each(|entry| self.remember(entry));
        Ok(())
    }

    /// How fast the clock of each host of a survey drifts, where that is known.
    pub fn rates(&self, survey: &Survey) -> Vec<Option<Rate>> {
        survey.findings.iter().map(|finding| self.rate(&finding.name)).collect()
    }

    /// How fast a host's clock gains on what it is compared with now.
    pub fn rate(&self, host: &str) -> Option<Rate> {
        let entries = self.hosts.get(host)?;
        let reference = &entries.back()?.reference;
        let known: Vec<(f64, f64, f64)> = entries
            .iter()
            .filter(|entry| entry.reference == *reference)
            .filter_map(|entry| Some((entry.at, entry.lo?, entry.hi?)))
            .collect();
        rate(&known)
    }

    fn remember(&mut self, entry: Entry) {
        let entries = self.hosts.entry(entry.host.clone()).or_default();
        entries.push_back(entry);
        if entries.len() > KEPT {
            entries.pop_front();
        }
    }
}

impl Rate {
    /// In the middle, and how wrong that can be.
    pub fn drift(self) -> Drift {
        match self {
            Self::Between(least, most) => Some(((least + most) / 2.0, (most - least) / 2.0)),
            Self::Unsteady => None,
        }
    }
}

/// Hands over each line of a file; a last one that was torn by the end of a program is left out.
pub(super) fn for_each_line(
    file: File,
    mut take: impl FnMut(&str) -> Result<(), serde_json::Error>,
) -> io::Result<()> {
    use std::io::Read as _;
    let mut reader = BufReader::new(file);
    let mut line = String::new();
    for number in 1u64.. {
        line.clear();
        let len = reader.by_ref().take(LINE_MAX).read_line(&mut line)?;
        if len == 0 || !line.ends_with('\n') {
            let is_long = len as u64 == LINE_MAX;
            return match is_long {
                true => Err(io::Error::other(format!("line {number} is longer than {LINE_MAX} bytes"))),
                false => Ok(()),
            };
        }
        take(line.trim_end()).map_err(|error| io::Error::other(format!("line {number}: {error}")))?;
    }
    Ok(())
}

fn entries(survey: &Survey, judgement: &Judgement) -> Vec<Entry> {
    let reference = match judgement.reference {
        Reference::Daemon { .. } => "daemon",
        Reference::Majority { .. } => "majority",
        Reference::Ourselves => "ourselves",
    };
    let entry = |(finding, judged): (&super::finding::Finding, &super::judge::Judged)| {
        let reading = finding.outcome.as_ref().ok();
        let at =
            reading.map_or(survey.begun, |reading| Time::from_epoch(reading.at.since_epoch() + reading.ours));
        let contradicts = reading.is_some_and(|reading| reading.contradicts());
        let ahead = judged.ahead.filter(|_| !contradicts);
        Entry {
            at: at.since_epoch().as_seconds(),
            host: finding.name.clone(),
            reference: reference.to_owned(),
            standing: judged.standing.word().to_owned(),
            lo: ahead.map(|ahead| ahead.lo.as_seconds()),
            hi: ahead.map(|ahead| ahead.hi.as_seconds()),
        }
    };
    let both = survey.findings.iter().zip(&judgement.hosts);
    both.filter(|(_, judged)| judged.standing != Standing::Absent).map(entry).collect()
}

/// The steady rates that fit all of `(at, lo, hi)`: between each two the clock gained by no less than from the most of the first
/// to the least of the second, and by no more than the other way round.
fn rate(known: &[(f64, f64, f64)]) -> Option<Rate> {
    let (mut least, mut most) = (f64::NEG_INFINITY, f64::INFINITY);
    for (place, (at, lo, hi)) in known.iter().enumerate() {
        for (later, later_lo, later_hi) in &known[place + 1..] {
            let length = later - at;
            if length <= 0.0 {
                continue;
            }
            let widened = |gain: f64, sign: f64| {
                let rate = gain / length;
                rate + sign * rate.abs() * LENGTH_ERROR
            };
            least = least.max(widened(later_lo - hi, -1.0));
            most = most.min(widened(later_hi - lo, 1.0));
        }
    }
    match (least.is_finite() && most.is_finite(), least <= most) {
        (false, _) => None,
        (true, true) => Some(Rate::Between(least * 1e6, most * 1e6)),
        (true, false) => Some(Rate::Unsteady),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_steady_rate_is_within_its_bound(
            ppm in -900.0f64..900.0, start in -5.0f64..5.0,
            steps in proptest::collection::vec((1.0f64..4000.0, 0.0f64..0.01, 0.0f64..0.01), 2..20)
        ) {
            let mut at = 1_790_000_000.0;
            let known: Vec<_> = steps.iter().map(|(step, below, above)| {
                at += step;
                let ahead = start + ppm * 1e-6 * (at - 1_790_000_000.0);
                (at, ahead - below - 1e-7, ahead + above + 1e-7)
            }).collect();
            match rate(&known) {
                Some(Rate::Between(least, most)) => prop_assert!(least <= ppm && ppm <= most, "{least} {most}"),
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }

    #[test]
    fn one_measurement_tells_no_rate_and_a_step_is_none() {
        assert_eq!(rate(&[(100.0, 0.0, 1.0)]), None);
        let step = [(0.0, 0.0, 0.001), (100.0, 0.0, 0.001), (200.0, 5.0, 5.001)];
        assert_eq!(rate(&step), Some(Rate::Unsteady));
    }

    #[test]
    fn a_file_is_read_again_and_a_torn_end_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("diary");
        let entry = |at, lo: f64| Entry {
            at,
            host: "a.example".to_owned(),
            reference: "daemon".to_owned(),
            standing: "good".to_owned(),
            lo: Some(lo),
            hi: Some(lo + 0.001),
        };
        let mut text: String = [entry(0.0, 0.0), entry(1000.0, 0.05)]
            .iter()
            .map(|entry| serde_json::to_string(entry).unwrap() + "\n")
            .collect();
        text += "{\"at\":2000.0,\"ho";
        std::fs::write(&path, &text).unwrap();
        let Some(Rate::Between(least, most)) = Diary::open(&path).unwrap().rate("a.example") else {
            panic!("a rate")
        };
        assert!(least < 50.0 && 50.0 < most && most - least < 3.0, "{least} {most}");
        std::fs::write(&path, "nonsense\n").unwrap();
        assert!(Diary::open(&path).unwrap_err().to_string().contains("line 1"));
        assert!(Diary::open(&folder.path().join("none")).unwrap().rate("a.example").is_none());
    }
}

//! How the service stands, for those who watch it: a small file, written after each attempt, and what can be said from it.
//!
//! The times by which it is judged are of the monotonic clock, which nobody sets, and count within one boot.

use std::path::Path;

use serde::{Deserialize, Serialize};
use truechimer_sys::clock;
use truechimer_sys::file::{self, FileError};
use truechimer_sys::system;
use truechimer_time::{Mono, Span, Time};

use crate::ui::units;

/// Everybody may know.
const MODE: u32 = 0o644;
/// Ten times what such a file has.
const BYTES_MAX: usize = 8192;

/// What is written. Spans are seconds; `.._at` are seconds of the monotonic clock.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// The boot in which the monotonic times count.
    pub boot: String,
    /// The newest measurement that was passed on, if any was.
    pub measurement: Option<Passed>,
    /// Attempts since then that failed.
    pub failures: u32,
    /// Why the last of them did.
    pub trouble: Option<String>,
}

/// A measurement that was passed on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Passed {
    /// When, in UTC.
    pub time: String,
    /// The same by the monotonic clock.
    pub passed_on_at: f64,
    /// When the next one is due.
    pub due_at: f64,
    /// If none has come by then, something is wrong.
    pub late_at: f64,
    /// By whom the time was told.
    pub by: String,
    /// By how much the clock was slow (fast, if negative)..
    pub offset: f64,
    /// ..give or take this.
    pub bound: f64,
    /// How fast true time runs against the raw counter, in parts per million.
    pub rate_ppm: Option<f64>,
}

/// What is to be said of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does its work.
    Right(String),
    /// It does not.
    Late(String),
}

/// Seconds of the monotonic clock.
pub fn mono_seconds(time: Time<Mono>) -> f64 {
    (time - Time::EPOCH).as_seconds()
}

impl Standing {
    /// Nothing was measured yet.
    pub fn new() -> Self {
        Self { boot: this_boot(), ..Self::default() }
    }

    /// Writes it down.
    pub fn save(&self, path: &Path) -> Result<(), FileError> {
        let text = serde_json::to_string(self).expect("texts and numbers can be written") + "\n";
        file::save(path, text.as_bytes(), MODE)
    }

    /// What the file at `path` says now. The error is for people.
    pub fn check(path: &Path) -> Result<Verdict, String> {
        let bytes = file::load(path, BYTES_MAX).map_err(|error| error.to_string())?;
        let standing: Self = serde_json::from_slice(&bytes)
            .map_err(|error| format!("{} is no such file: {error}", path.display()))?;
        Ok(standing.verdict(&this_boot(), mono_seconds(clock::mono())))
    }

    fn verdict(&self, boot: &str, now: f64) -> Verdict {
        let trouble = self.trouble.as_ref().map_or(String::new(), |why| {
            format!("; {} attempts have failed since, the last one because of this: {why}", self.failures)
        });
        if self.boot != boot {
            return Verdict::Late("nothing was measured in this boot".to_owned());
        }
        let Some(passed) = &self.measurement else {
            return Verdict::Late(format!("nothing was measured yet{trouble}"));
        };
        let seconds = Span::from_seconds;
        let told = format!(
            "measured {} ago by {}: offset {} {}",
            units::span(seconds((now - passed.passed_on_at).max(0.0))),
            passed.by,
            units::offset(seconds(passed.offset)),
            units::bound(seconds(passed.bound)),
        );
        match now > passed.late_at {
            true => {
                let late = units::span(seconds(now - passed.due_at));
                Verdict::Late(format!("{told}; the next measurement is {late} late{trouble}"))
            }
            false => Verdict::Right(format!(
                "{told}; the next is due in {}{trouble}",
                units::span(seconds((passed.due_at - now).max(0.0)))
            )),
        }
    }
}

/// The name of this boot.
pub fn this_boot() -> String {
    system::boot_id().unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing() -> Standing {
        let passed = Passed {
            time: "2026-11-22T10:11:12Z".to_owned(),
            passed_on_at: 1000.0,
            due_at: 1600.0,
            late_at: 2200.0,
            by: "5 of 5 votes".to_owned(),
            offset: 0.00125,
            bound: 0.004,
            rate_ppm: Some(12.5),
        };
        Standing { boot: "b".to_owned(), measurement: Some(passed), failures: 0, trouble: None }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("status");
        let here = Standing { boot: this_boot(), ..standing() };
        here.save(&path).unwrap();
        assert!(matches!(Standing::check(&path), Ok(Verdict::Right(_) | Verdict::Late(_))));
        std::fs::write(&path, "nonsense").unwrap();
        assert!(Standing::check(&path).is_err());
        assert!(Standing::check(&folder.path().join("absent")).is_err());
    }

    #[test]
    fn a_service_that_measures_is_right() {
        let right =
            "measured 8.500 min ago by 5 of 5 votes: offset +1.250 ms ± 4.000 ms; the next is due in 90.00 s";
        assert_eq!(standing().verdict("b", 1510.0), Verdict::Right(right.to_owned()));
    }

    #[test]
    fn a_service_that_has_stopped_is_late() {
        let failing = Standing { failures: 3, trouble: Some("no answer".to_owned()), ..standing() };
        let Verdict::Late(told) = failing.verdict("b", 3000.0) else { panic!("it is late") };
        assert!(told.contains("the next measurement is 23.33 min late"), "{told}");
        assert!(
            told.ends_with("3 attempts have failed since, the last one because of this: no answer"),
            "{told}"
        );
        assert!(matches!(standing().verdict("another", 1500.0), Verdict::Late(_)));
        let blank = Standing { measurement: None, ..standing() };
        assert!(matches!(blank.verdict("b", 1.0), Verdict::Late(_)));
    }
}

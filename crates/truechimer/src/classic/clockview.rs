//! `clockview`: what the local clock shows, and what it would show after the adjustment on stdin. Sets nothing.

use std::ffi::OsString;
use std::io::{self, Write};

use clap::Args;
use truechimer_sys::clock;
use truechimer_sys::zone::local_time;
use truechimer_time::{Civil, Local, Span, Time};

use super::input::{self, Reach};
use super::messages::Fatal;
use crate::command::Outcome;

/// The original takes no arguments.
pub const USAGE: &str = "clockview";

/// Show the clock before and after an adjustment
///
/// Reads one adjustment record of 12 or 16 bytes from stdin and prints two lines in local time.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Clockview {
    /// Count and print as s6-clockview does: all 64 bits of the seconds, and nine digits of their fraction
    #[arg(long)]
    pub s6: bool,
    /// Passed over, as the original does
    #[arg(hide = true)]
    pub ignored: Vec<OsString>,
}

impl Clockview {
    /// Prints the two lines.
    pub fn run(&self) -> Result<Outcome, Fatal> {
        let adjustment = input::adjustment(if self.s6 { Reach::Whole } else { Reach::Classic })?;
        let lines = self.lines(clock::realtime(), adjustment)?;
        io::stdout().lock().write_all(lines.as_bytes()).map_err(|error| Fatal::unable("write", &error))?;
        Ok(Outcome::Yes)
    }

    /// The original reads its clock to the microsecond.
    pub(super) fn lines(&self, now: Time<Local>, adjustment: Span) -> Result<String, Fatal> {
        let now = match self.s6 {
            true => now,
            false => Time::from_epoch(Span::from_micros(now.since_epoch().as_micros())),
        };
        let (before, after) = (self.shown(now)?, self.shown(now + adjustment)?);
        Ok(format!("before: {before}\nafter:  {after}\n"))
    }

    fn shown(&self, time: Time<Local>) -> Result<String, Fatal> {
        let (seconds, attos) = time.since_epoch().split();
        let local = i64::try_from(seconds).ok().and_then(local_time);
        let local = local.ok_or_else(|| Fatal::failed("unable to show a time so far away"))?;
        let fraction = if self.s6 { format!("{:09}", attos / 1_000_000_000) } else { format!("{attos:018}") };
        Ok(format!("{}.{fraction}", date(local)))
    }
}

fn date(time: Civil) -> String {
    let Civil { year, month, day, hour, minute, second, attos: _ } = time;
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(s6: bool, adjustment: Span) -> String {
        let now = Time::from_epoch(Span::from_nanos(1_795_305_087_385_306_789));
        Clockview { s6, ignored: Vec::new() }.lines(now, adjustment).unwrap()
    }

    /// Whatever the zone, minutes and seconds are those of UTC but for zones of odd quarters.
    fn ends(lines: &str) -> Vec<&str> {
        lines.lines().map(|line| &line[line.len() - 22..]).collect()
    }

    #[test]
    fn the_lines_have_the_digits_of_the_original() {
        let lines = lines(false, Span::from_millis(500) + Span::from_attos(7));
        assert!(lines.starts_with("before: 2026-11-2") && lines.contains("\nafter:  2026-11-2"), "{lines}");
        assert_eq!(ends(&lines), [":27.385306000000000000", ":27.885306000000000007"]);
        assert_eq!(lines.lines().map(str::len).max(), lines.lines().map(str::len).min());
    }

    #[test]
    fn s6_shows_nanoseconds() {
        let lines = lines(true, Span::from_secs(-1));
        assert!(lines.lines().next().unwrap().ends_with(":27.385306789"), "{lines}");
        assert!(lines.lines().last().unwrap().ends_with(":26.385306789"), "{lines}");
    }

    #[test]
    fn a_time_beyond_all_calendars_is_not_shown() {
        let view = Clockview { s6: true, ignored: Vec::new() };
        assert!(view.lines(Time::EPOCH, Span::from_secs(i64::MAX)).is_err());
    }
}

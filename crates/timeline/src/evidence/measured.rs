//! chronyd's `measurements.log` (chrony.conf(5), `log measurements` or `rawmeasurements`), since its version 2.
//!
//! ```text
//! 2026-11-23 14:27:14 203.0.113.15 N  2 111 111 1111  6  6 0.00 -5.000e+00  8.4e-06 1.5e-07 1.6e-03 2.0e-05 7F7F0101 4B K K
//! date       time     server       L St tests         polls     offset      delay   disp.   root    root    reference
//!                                                                                           delay   disp.
//! ```
//!
//! Each line is an exchange. Root delay and dispersion are those of the server, so that the way to it comes on top of them; a positive offset
//! says that the clock is behind. But **it is not the clock of the system whose offset this is.** It is the one that chronyd steers: what it has found
//! out is taken for corrected at once, while the system's clock is slewed there for minutes, or, with `-x`, never. What is left to correct only
//! [`super::chrony`] tells. So a measurement bounds no clock by itself; it bears out what `tracking.log` says at that time, or denies it:
//! that one has both clocks within its error.
//!
//! **chronyd is not believed against a majority of its servers.** Of all that were asked about then more than half have to agree.

use std::net::IpAddr;

use truechimer_time::{Local, Span, Time};

use super::chrony::{ROUNDING, TICK, stamp};
use super::servers::{ABOUT, Heard};

/// So many statements of one moment are compared with a measurement. There are more only where the clock was set back.
const AT_ONCE: usize = 256;

/// The exchanges of chronyd, in the making.
#[derive(Clone, Debug, Default)]
pub struct Measurements {
    heard: Heard<Measured>,
}

/// What a server said of the clock that chronyd steers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Measured {
    /// In the second that begins then.
    at: Time<Local>,
    /// It was at least so wrong; less than nothing if it may have been right.
    wrong: Span,
}

/// What chronyd said of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// From then on.
    pub(super) from: Time<Local>,
    /// Until then.
    pub(super) to: Time<Local>,
    /// It was at most so wrong.
    pub(super) error: Span,
}

/// Is this the beginning of such a file?
pub fn is_measurements(head: &[u8]) -> bool {
    const BANNER: &[u8] = b"IP Address   L St 123 567 ABCD";
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    head.windows(BANNER.len()).any(|window| window == BANNER) || columns(line).is_some()
}

impl Measurements {
    /// Takes in the next line.
    pub fn take_in(&mut self, line: &[u8]) {
        if let Some((server, measured)) = measured(line) {
            self.heard.take_in(server, measured);
        }
    }

    /// Is there anything?
    pub fn is_empty(&self) -> bool {
        self.heard.is_empty()
    }

    /// So many exchanges were left out, because there were too many.
    pub fn left_out(&self) -> u64 {
        self.heard.left_out()
    }

    /// Of each statement: does a majority of the servers that were asked about then bear it out? Where none was, nobody denies it.
    pub(super) fn bear_out(self, said: &[Said]) -> Vec<bool> {
        let statements = Statements::of(said);
        let servers: Vec<Server> =
            self.heard.of_each().map(|measured| Server::of(measured, &statements)).collect();
        let is_borne_out = |said: &Said| {
            let votes: Vec<bool> = servers.iter().filter_map(|server| server.vote(said)).collect();
            votes.is_empty() || votes.iter().filter(|agrees| **agrees).count() > votes.len() / 2
        };
        said.iter().map(is_borne_out).collect()
    }
}

/// What chronyd said, by when that begins.
struct Statements {
    all: Vec<Said>,
    /// The last end of all up to this one.
    ends: Vec<Time<Local>>,
}

impl Statements {
    fn of(said: &[Said]) -> Self {
        let mut all = said.to_vec();
        all.sort_by_key(|said| said.from);
        let mut ends: Vec<Time<Local>> = Vec::with_capacity(all.len());
        for said in &all {
            ends.push(ends.last().map_or(said.to, |end| said.to.max(*end)));
        }
        Self { all, ends }
    }

    /// The clock was at most so wrong by all that is said of a second, if anything is.
    fn error(&self, at: Time<Local>) -> Option<Span> {
        let begun = self.all.partition_point(|said| said.from <= at + TICK);
        let touching = (0..begun).rev().take(AT_ONCE).take_while(|number| at <= self.ends[*number]);
        touching.map(|number| self.all[number]).filter(|said| at <= said.to).map(|said| said.error).max()
    }
}

/// Whether one server agreed with what chronyd said, each time it was asked.
struct Server {
    asked: Vec<Time<Local>>,
    /// So often it did not agree, before each of these times, and in all.
    denied: Vec<usize>,
}

impl Server {
    fn of(mut measured: Vec<Measured>, statements: &Statements) -> Self {
        measured.sort_by_key(|measured| measured.at);
        let (mut asked, mut denied) = (Vec::new(), vec![0]);
        for Measured { at, wrong } in measured {
            if let Some(error) = statements.error(at) {
                asked.push(at);
                denied.push(denied[denied.len() - 1] + usize::from(error < wrong));
            }
        }
        Self { asked, denied }
    }

    /// Does it bear out what was said? Who was not asked meanwhile is believed by what it said before and afterwards, if that was
    /// soon.
    fn vote(&self, said: &Said) -> Option<bool> {
        let mut begin = self.asked.partition_point(|at| *at + TICK < said.from);
        let mut end = self.asked.partition_point(|at| *at <= said.to);
        if begin >= end {
            (begin, end) = (begin.min(end), begin.max(end));
            let before = begin.checked_sub(1).filter(|before| said.from - self.asked[*before] <= ABOUT);
            let after = self.asked.get(end).filter(|after| **after - said.to <= ABOUT);
            (begin, end) = (before.unwrap_or(begin), end + usize::from(after.is_some()));
        }
        (begin < end).then(|| self.denied[begin] == self.denied[end])
    }
}

/// The columns of a line, if it is one.
fn columns(line: &[u8]) -> Option<(Time<Local>, Vec<&str>)> {
    let at = stamp(line)?;
    let text = str::from_utf8(line.get(19..)?).ok()?;
    let columns: Vec<&str> = text.split_ascii_whitespace().take(32).collect();
    let are_tests = |number: usize, length: usize| {
        columns[number].len() == length && columns[number].bytes().all(|byte| matches!(byte, b'0' | b'1'))
    };
    let is_one = columns.len() >= 15
        && columns[0].parse::<IpAddr>().is_ok()
        && are_tests(3, 3)
        && are_tests(4, 3)
        && are_tests(5, 4);
    is_one.then_some((at, columns))
}

/// What a line says, if a server that knew the time has answered.
fn measured(line: &[u8]) -> Option<(IpAddr, Measured)> {
    let (at, columns) = columns(line)?;
    let server = columns[0].parse().ok()?;
    let stratum: u8 = columns[2].parse().ok()?;
    // Tests A and D: its delay is no nonsense, and it does not follow us. What was only slower than usual is as true as any.
    let tests = columns[5].as_bytes();
    let is_sound = columns[3] == "111" && columns[4] == "111" && tests[0] == b'1' && tests[3] == b'1';
    let mode = columns.get(15).map_or(b'4', |mode| mode.as_bytes()[0]);
    let knows = columns[1] != "?" && (1..16).contains(&stratum) && matches!(mode, b'1' | b'2' | b'4');
    let number = |number: usize| columns[number].parse::<f64>().ok().filter(|number| number.is_finite());
    let offset = number(9)?.abs() / ROUNDING;
    let [delay, dispersion] = [number(10)?, number(11)?];
    let [root_delay, root_dispersion] = [number(12)?, number(13)?];
    let width = (delay / 2.0 + dispersion + root_delay / 2.0 + root_dispersion) * ROUNDING;
    (is_sound && knows && 0.0 <= width)
        .then(|| (server, Measured { at, wrong: Span::from_seconds(offset - width) }))
}

#[cfg(test)]
mod tests;

//! ntpd's `peerstats` (ntp.conf(5), `statistics peerstats`), for who knows how right the servers were.
//!
//! ```text
//! 61367 53489.138 203.0.113.15 b014 -0.000001320 0.000012640 0.937507568 0.000034017
//! MJD   UTC       server       word offset       delay       dispersion  jitter
//! ```
//!
//! The own clock was behind by the offset, to half of the delay and what the server itself was wrong by. That the file does not say: only somebody who
//! knows it can (`within`). Nor does it say when that was: the reference implementation tells of the best of its last eight exchanges (RFC 5905,
//! section 10), NTPsec of the last one. Each line is written at an exchange, so that of eight lines the first is no later than the best
//! exchange of the last: what a clock can gain or lose from there on is counted. So the first seven lines of a server tell next to nothing.
//!
//! **Assumed:** nobody but ntpd sets the clock. What ntpd does to it empties its filter.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use truechimer_time::{LeapTable, Local, Span, Time};

use super::ntpd::{is_clock, seconds, written};
use super::servers::{Heard, SERVERS_MAX, knot};
use crate::course::{Contradiction, Course, Knot, RATE_MAX, Triples};
use crate::interval::Interval;

/// The filter has so many exchanges (RFC 5905, section 7.2, NSTAGE).
const STAGES: usize = 8;

/// The filter has nothing older than that: nobody asks less often than each 2^17 s (RFC 5905, section 7.2, MAXPOLL).
const AGE_MAX: Span = Span::from_secs(STAGES as i64 * (1 << 17));

/// Stamps have three digits.
const TICK: Span = Span::from_millis(1);

/// A dispersion like this is that of no exchange (RFC 5905, section 7.2, MAXDISP).
const DISPERSION_MAX: Span = Span::from_secs(16);

/// The course of a clock by the servers of its ntpd, in the making.
#[derive(Clone, Debug)]
pub struct Peerstats {
    servers: Heard<Knot>,
    /// So wrong is a server at most.
    within: Span,
    /// When the last lines of a server were written.
    written: BTreeMap<IpAddr, VecDeque<Time<Local>>>,
}

/// Is this the beginning of such a file?
pub fn is_peerstats(head: &[u8]) -> bool {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    str::from_utf8(line).is_ok_and(|line| columns(line).is_some())
}

/// The columns of a line, if it can be one.
fn columns(line: &str) -> Option<[&str; 8]> {
    let columns: Vec<&str> = line.split_ascii_whitespace().take(9).collect();
    let columns: [&str; 8] = columns.try_into().ok()?;
    let [day, second, _, word, numbers @ ..] = columns;
    let is_number = |text: &&str| text.contains('.') && text.parse::<f64>().is_ok_and(f64::is_finite);
    let is_one = day.len() == 5
        && day.bytes().all(|byte| byte.is_ascii_digit())
        && is_number(&second)
        && (3..=4).contains(&word.len())
        && word.bytes().all(|byte| byte.is_ascii_hexdigit())
        && numbers.iter().all(is_number);
    is_one.then_some(columns)
}

impl Peerstats {
    /// Somebody says that no server was ever wrong by more than this, but for a minority of liars.
    pub fn within(within: Span) -> Self {
        Self { servers: Heard::default(), within, written: BTreeMap::new() }
    }

    /// Takes in the next line.
    pub fn take_in(&mut self, line: &[u8]) {
        let Some(columns) = str::from_utf8(line).ok().and_then(columns) else { return };
        let [day, second, server, _word, offset, delay, dispersion, _jitter] = columns;
        let Some(at) = written(day, second) else { return };
        let Ok(server) = server.parse::<IpAddr>() else { return };
        let offset = offset.parse().ok().filter(|offset: &f64| offset.abs() < 1e9);
        let (Some(offset), Some(delay), Some(dispersion)) = (offset, seconds(delay), seconds(dispersion))
        else {
            return;
        };
        if is_clock(&server) || dispersion >= DISPERSION_MAX {
            return;
        }
        let reading: Time<Local> = Time::from_epoch(at.since_epoch());
        let age = self.age(server, reading);
        let width = delay / 2 + dispersion + self.within + TICK + RATE_MAX.over(age);
        let truth = LeapTable::COMPILED.tai_of_utc(at + Span::from_seconds(offset));
        self.servers.take_in(server, knot(reading, Interval::within(truth, width)));
    }

    /// So long ago at most was the exchange that a line tells of.
    fn age(&mut self, server: IpAddr, reading: Time<Local>) -> Span {
        if self.written.len() >= SERVERS_MAX && !self.written.contains_key(&server) {
            return AGE_MAX;
        }
        let written = self.written.entry(server).or_default();
        if written.back().is_some_and(|last| reading < *last) {
            // The clock was set back, and the filter is empty.
            written.clear();
        }
        written.push_back(reading);
        if written.len() > STAGES {
            written.pop_front();
        }
        if written.len() == STAGES { AGE_MAX.min(reading - written[0]) } else { AGE_MAX }
    }

    /// Is there anything?
    pub fn is_empty(&self) -> bool {
        self.servers.is_empty()
    }

    /// So many lines were left out, because there were too many.
    pub fn left_out(&self) -> u64 {
        self.servers.left_out()
    }

    /// The course, with what the journal tells of the clock, and where it contradicts itself.
    pub fn course(self, triples: Triples) -> (Course, Vec<Contradiction>) {
        self.servers.course(triples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shown::Shown;
    use proptest::prelude::*;

    /// MJD 61367, 08:00.
    const BEGIN: f64 = 28_800.0;

    fn line(server: u8, at: f64, offset: f64, delay: f64) -> String {
        format!("61367 {at:.3} 10.9.0.{server} 9614 {offset:.9} {delay:.9} 0.000100000 0.000034017\n")
    }

    fn course(text: &str) -> Course {
        let mut stats = Peerstats::within(Span::from_millis(10));
        text.lines().for_each(|line| stats.take_in(line.as_bytes()));
        stats.course(Triples::default()).0
    }

    /// From and to how long after it was shown a moment is claimed to have been.
    fn claimed(course: &Course, shown: f64) -> Option<[f64; 2]> {
        let day = Span::from_secs((61_367 - 40_587) * 86_400);
        let reading = Time::from_epoch(day + Span::from_seconds(shown));
        let interval = course.truth(&Shown { from: reading, to: reading, doubt: None })?.interval;
        let shown = reading.since_epoch() + Span::from_secs(37);
        Some([interval.earliest, interval.latest].map(|end| (end.since_epoch() - shown).as_seconds()))
    }

    #[test]
    fn a_clock_is_as_right_as_somebody_says_of_its_servers() {
        // Behind by 5 s; asked each 16 s.
        let text: String = (0..10).map(|at| line(11, BEGIN + f64::from(at) * 16.0, 5.0, 0.002)).collect();
        let course = course(&text);
        let [from, to] = claimed(&course, BEGIN + 8.0 * 16.0).expect("it is known");
        // 10 ms, half of 2 ms, 0.1 ms, 1 ms of the stamp, and 1000 ppm of 112 s.
        assert!((4.87..4.88).contains(&from) && (5.12..5.13).contains(&to), "{from} {to}");
        assert!(claimed(&course, BEGIN + 16.0).is_none_or(|[from, to]| from < 4.8 && 5.2 < to));
    }

    #[test]
    fn what_is_no_exchange_is_no_evidence() {
        let good = line(11, BEGIN, 0.0, 0.001);
        assert!(is_peerstats(good.as_bytes()));
        assert!(is_peerstats(good.replace("10.9.0.11", "SHM(0)").as_bytes()));
        for other in [
            "",
            "61367 53493.138 -0.000001974 0.000000 0.000000700 0.000000 0",
            "61367 525.624 128.4.1.1 963a 8a message",
            "2026-11-23 08:00:00 x",
        ] {
            assert!(!is_peerstats(other.as_bytes()), "{other}");
        }
        for (good, bad) in [
            ("10.9.0.11", "127.127.28.0"),
            ("0.000100000", "16.000000000"),
            ("0.001000000", "nan"),
            ("10.9.0.11", "x"),
        ] {
            let text: String =
                (0..10).map(|at| line(11, BEGIN + f64::from(at), 0.0, 0.001).replace(good, bad)).collect();
            assert_eq!(course(&text), Course::default(), "{bad}");
        }
    }

    proptest! {
        /// A clock that drifts, and an ntpd that tells of the exchange with the least delay of its last eight: once each, and never of an older one.
        #[test]
        fn nothing_false_is_claimed_while_most_servers_are_right(
            drift in -400e-6f64..400e-6,
            every in 4u32..200,
            delays in proptest::collection::vec(0.001f64..0.1, 3 * 40),
            wrong in proptest::collection::vec(-0.009f64..0.009, 2),
            lie in -20.0f64..20.0,
        ) {
            let clock = |truth: f64| BEGIN + (truth - BEGIN) * (1.0 + drift) + 3.0;
            let (mut text, mut moments) = (String::new(), Vec::new());
            let mut filters: [VecDeque<(f64, f64, f64)>; 3] = Default::default();
            let mut used = [0.0; 3];
            for round in 0..40u32 {
                for server in 0..3u8 {
                    let number = usize::from(server);
                    let truth = BEGIN + f64::from(round * every) + f64::from(server);
                    let delay = delays[round as usize * 3 + number];
                    let wrong = wrong.get(number).copied().unwrap_or(lie);
                    // All of the delay was on the way back.
                    let offset = truth + wrong - delay / 2.0 - clock(truth);
                    let filter = &mut filters[number];
                    filter.push_back((delay, truth, offset));
                    if filter.len() > STAGES {
                        filter.pop_front();
                    }
                    let best = filter.iter().copied().min_by(|one, other| one.0.total_cmp(&other.0)).expect("one");
                    moments.push(truth);
                    if used[number] < best.1 {
                        used[number] = best.1;
                        text += &line(11 + server, clock(truth), best.2, best.0);
                    }
                }
            }
            let course = course(&text);
            for truth in moments {
                if let Some([from, to]) = claimed(&course, clock(truth)) {
                    let right = truth - clock(truth);
                    prop_assert!(from <= right + 1e-6 && right <= to + 1e-6, "{} {} {}", from, right, to);
                }
            }
        }

        #[test]
        fn bad_input_163_no_line_breaks_it(
            lines in proptest::collection::vec("[0-9]{5} [0-9]{1,9}\\.[0-9]{1,3} [0-9.:]{1,12} [0-9a-f]{4}( [-0-9]{1,12}\\.[0-9]{1,9}){4}", 0..20),
        ) {
            let mut stats = Peerstats::within(Span::from_millis(1));
            for line in &lines {
                stats.take_in(line.as_bytes());
                let _ = is_peerstats(line.as_bytes());
            }
            let _ = stats.course(Triples::default());
        }
    }
}

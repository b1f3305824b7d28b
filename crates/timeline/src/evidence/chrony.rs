//! chronyd's `tracking.log` (chrony.conf(5), `log tracking`).
//!
//! ```text
//! 2026-11-23 07:59:12 203.0.113.15  2  -3.340  0.006  1.192e-06 N  1  1.232e-05  2.0e-05 1.5e-03 3.8e-04 5.6e-04
//! date       time     source        St  freq   skew   offset    L  Co offset sd  rem.    delay   disp.   max. error
//! ```
//!
//! The last column is how wrong the clock was at most, by chronyd's own reckoning, *since the line before*. Below version 4 it is not there, and
//! then there is no evidence. A line of `=` stands where chronyd began to write, and now and then between: from the line before it to the one
//! after it nothing is said.

use truechimer_time::{LeapTable, Local, Span, Time};

use crate::course::{Contradiction, Course, Evidence, Held, Knot, Rates, Triples};
use crate::dialect::{Dialect, Found};
use crate::interval::Interval;
use crate::stamp::{Reading, Stamp};

/// The stamps count seconds.
const TICK: Span = Span::from_secs(1);

/// The course of a clock by chronyd's word, in the making.
#[derive(Clone, Debug, Default)]
pub struct Tracking {
    pieces: Vec<Vec<Knot>>,
    knots: Vec<Knot>,
    /// When the last line was written, and how wrong the clock was since the one before it.
    last: Option<Update>,
}

/// A line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Update {
    /// In the second that begins then.
    at: Time<Local>,
    /// The clock was at most so wrong since the line before.
    error: Span,
}

impl Tracking {
    /// Takes in the next line.
    pub fn take_in(&mut self, line: &[u8]) {
        match update(line) {
            Some(update) => self.follow(update),
            // What the banner says between two lines of `=`.
            None if line.starts_with(b"   Date") || line.is_empty() => {}
            None => self.end_stretch(),
        }
    }

    /// The course, with what the journal tells of the clock, and where chronyd contradicts itself: there the clock was set, and neither
    /// says so.
    pub fn course(mut self, triples: Triples) -> (Course, Vec<Contradiction>) {
        self.end_stretch();
        Course::laid(self.pieces, triples)
    }

    /// From the line before to this one the clock was right to within what this one says. In the second of the line before it may
    /// have been what that one says.
    fn follow(&mut self, update: Update) {
        let Some(last) = self.last.replace(update) else { return };
        if update.at < last.at + TICK {
            return;
        }
        let error = update.error.max(last.error);
        let before = knot(last.at, error);
        let after = Knot { held: None, ..knot(update.at, update.error) };
        // At a leap the clock is set by a second: two stretches.
        let is_leap = apart(last.at) != apart(update.at);
        if is_leap {
            self.end_stretch();
            self.last = Some(update);
            return;
        }
        self.knots.pop_if(|knot| knot.reading == before.reading);
        self.knots.extend([before, after]);
    }

    fn end_stretch(&mut self) {
        self.last = None;
        self.pieces.push(std::mem::take(&mut self.knots));
    }
}

/// TAI minus what a right clock shows.
fn apart(reading: Time<Local>) -> Span {
    Span::from_secs(LeapTable::COMPILED.offset_at_utc(Time::from_epoch(reading.since_epoch())).into())
}

fn knot(reading: Time<Local>, error: Span) -> Knot {
    let apart = apart(reading);
    let truth = Interval::within(Time::from_epoch(reading.since_epoch() + apart), error);
    let held = Some(Held { min: apart - error, max: apart + error });
    Knot { reading, truth, rates: Rates::ANY, held, aside: Span::ZERO, evidence: Evidence::Chrony }
}

/// What a line says, if it is one, and chronyd was synchronised.
fn update(line: &[u8]) -> Option<Update> {
    let dated = [line.get(..19)?, b"Z"].concat();
    let Found { stamp: Stamp { reading: Reading::Clock(at), .. }, .. } = Dialect::Plain.read(&dated)? else {
        return None;
    };
    let text = str::from_utf8(line.get(19..)?).ok()?;
    let columns: Vec<&str> = text.split_ascii_whitespace().collect();
    let [_source, _stratum, _freq, _skew, _offset, leap, _, _, _, _, _, error] = columns[..] else {
        return None;
    };
    let error: f64 = error.parse().ok()?;
    (leap != "?" && error.is_finite() && 0.0 <= error)
        .then(|| Update { at, error: Span::from_seconds(error) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shown::Shown;
    use truechimer_time::Civil;

    const BANNER: &str = "\
====================================================================
   Date (UTC) Time     IP Address   St   Freq ppm   Skew ppm     Offset L Co  Offset sd Rem. corr. Root delay Root disp. Max. error
====================================================================
";

    fn line(time: &str, leap: char, error: &str) -> String {
        format!(
            "{time} 203.0.113.15     2     -3.340      0.006  1.192e-06 {leap}  1  1.232e-05  2.0e-05  1.5e-03  3.8e-04  {error}\n"
        )
    }

    fn course(text: &str) -> Course {
        let mut tracking = Tracking::default();
        text.lines().for_each(|line| tracking.take_in(line.as_bytes()));
        let (course, contradictions) = tracking.course(Triples::default());
        assert_eq!(contradictions, []);
        course
    }

    /// How wrong the clock can have been, in microseconds.
    fn bound(course: &Course, text: &str) -> Option<i64> {
        let civil: Civil = text.parse().expect("a date");
        let reading: Time<Local> = Time::from_epoch(civil.time().expect("it is").since_epoch());
        let truth = course.truth(&Shown { from: reading, to: reading, doubt: None })?;
        Some(truth.interval.bound().as_micros())
    }

    #[test]
    fn between_two_lines_the_clock_was_as_right_as_the_second_says() {
        let text = [
            BANNER,
            &line("2026-11-23 08:00:00", 'N', "1.000e-02"),
            &line("2026-11-23 08:01:00", 'N', "5.000e-04"),
            &line("2026-11-23 08:02:00", 'N', "6.000e-04"),
        ]
        .concat();
        let course = course(&text);
        assert_eq!(bound(&course, "2026-11-23T08:01:30Z"), Some(600));
        assert_eq!(
            bound(&course, "2026-11-23T08:00:30Z"),
            Some(10_000),
            "the first line's second is of another"
        );
        assert_eq!(bound(&course, "2026-11-23T07:59:59Z"), None);
        assert_eq!(bound(&course, "2026-11-23T08:02:01Z"), None);
    }

    #[test]
    fn while_nobody_was_sure_there_is_no_evidence() {
        let text = [
            line("2026-11-23 08:00:00", 'N', "1.000e-03"),
            line("2026-11-23 08:01:00", 'N', "1.000e-03"),
            line("2026-11-23 08:02:00", '?', "1.000e-03"),
        ]
        .concat();
        let course = course(&text);
        assert_eq!(bound(&course, "2026-11-23T08:00:59Z"), Some(1000));
        assert_eq!(bound(&course, "2026-11-23T08:01:30Z"), None);
    }

    #[test]
    fn what_is_no_line_of_it_is_no_evidence() {
        let old = "2016-11-09 05:40:50 203.0.113.15  2  -3.340  0.006  1.192e-06 N  1  1.2e-05  2.0e-05\n";
        for text in ["", BANNER, old, "2026-11-23", "\u{fffd}", &line("2026-11-23 08:00:00", 'N', "NaN")] {
            assert_eq!(course(text), Course::default(), "{text}");
        }
    }

    #[test]
    fn a_leap_second_is_no_error_of_the_clock() {
        let text = [
            line("2016-12-31 23:58:00", '+', "1.000e-03"),
            line("2016-12-31 23:59:00", '+', "1.000e-03"),
            line("2017-01-01 00:01:00", 'N', "1.000e-03"),
            line("2017-01-01 00:02:00", 'N', "1.000e-03"),
        ]
        .concat();
        let course = course(&text);
        assert_eq!(bound(&course, "2016-12-31T23:58:30Z"), Some(1000));
        assert_eq!(bound(&course, "2017-01-01T00:01:30Z"), Some(1000));
    }
}

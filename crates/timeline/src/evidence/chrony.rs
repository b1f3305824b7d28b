//! chronyd's `tracking.log` (chrony.conf(5), `log tracking`).
//!
//! ```text
//! 2026-11-23 07:59:12 203.0.113.15  2  -3.340  0.006  1.192e-06 N  1  1.232e-05  2.0e-05 1.5e-03 3.8e-04 5.6e-04
//! date       time     source        St  freq   skew   offset    L  Co offset sd  rem.    delay   disp.   max. error
//! ```
//!
//! The last column is how wrong the clock was at most, by what chronyd reckoned with, *since the line before*: what was left to correct, and the
//! distance to its reference. What it found out only at this line is the offset, and comes on top of that. Below version 4 the last column is not
//! there, and then there is no evidence. A line of `=` stands where chronyd began to write, and now and then between: from the line before it to the
//! one after it nothing is said.

use std::collections::BinaryHeap;

use truechimer_time::{LeapTable, Local, Span, Time};

use crate::course::{Course, Evidence, Held, Knot, Rates, Stretch};
use crate::dialect::{Dialect, Found};
use crate::interval::Interval;
use crate::stamp::{Reading, Stamp};

/// The stamps count seconds.
const TICK: Span = Span::from_secs(1);

/// Numbers are written with four digits: by so much more they can have been.
const ROUNDING: f64 = 1.000_6;

/// The course of a clock by chronyd's word, in the making.
#[derive(Clone, Debug, Default)]
pub struct Tracking {
    stretches: Vec<Stretch>,
    /// The lines since chronyd began to say something.
    updates: Vec<Update>,
}

/// A line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Update {
    /// In the second that begins then.
    at: Time<Local>,
    /// The clock was at most so wrong since the line before.
    error: Span,
}

/// Between two lines, and all that the clock can have shown meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Spell {
    /// The clock was at most so wrong.
    error: Span,
    from: Time<Local>,
    to: Time<Local>,
}

impl Tracking {
    /// Takes in the next line.
    pub fn take_in(&mut self, line: &[u8]) {
        match update(line) {
            Some(update) => {
                // At a leap the clock is set by a second: two stretches.
                if self.updates.last().is_some_and(|last| apart(last.at) != apart(update.at)) {
                    self.end_stretch();
                }
                self.updates.push(update);
            }
            // What the banner says between two lines of `=`.
            None if line.starts_with(b"   Date") || line.is_empty() => {}
            None => self.end_stretch(),
        }
    }

    /// The course.
    pub fn course(mut self) -> Course {
        self.end_stretch();
        Course::of(self.stretches)
    }

    fn end_stretch(&mut self) {
        let knots = knots(&std::mem::take(&mut self.updates));
        let mut rest = &knots[..];
        // Each stretch ends at the knot at which the next one begins.
        while let [first, ..] = rest
            && rest.len() > 1
        {
            let same = rest.iter().take_while(|knot| may_be_set(knot) == may_be_set(first)).count();
            let end = same.min(rest.len() - 1);
            let (begins, ends) = (rest.len() == knots.len(), end + 1 == rest.len());
            self.stretches
                .push(Stretch::held(rest[..=end].to_vec(), may_be_set(first)).closed(!begins, !ends));
            rest = &rest[end..];
        }
    }
}

/// What each line says of the time since the one before it. chronyd may have set the clock in it: before, the clock may have shown more
/// than the line's own stamp, or less than that of the one before. It was never further from the truth than the error, and
/// the truth no further from the stamps.
fn spells(updates: &[Update]) -> Vec<Spell> {
    let first = updates.first().map(|first| Spell {
        error: first.error,
        from: first.at,
        to: first.at + TICK + first.error + first.error,
    });
    let between = updates.windows(2).filter_map(|pair| {
        let &[last, update] = pair else { return None };
        let far = update.error + update.error;
        let (low, high) = (last.at.min(update.at), last.at.max(update.at));
        Some(Spell { error: update.error, from: low - far, to: high + TICK + far })
    });
    first.into_iter().chain(between).collect()
}

/// A clock that was never further off was not set, unless by less than twice that. chronyd steps by a second or a tenth (`makestep`), not
/// by a hundredth.
const UNSET: Span = Span::from_millis(5);

/// May the clock have been set between this knot and the next?
fn may_be_set(knot: &Knot) -> bool {
    knot.held.is_some_and(|held| held.max - held.min > UNSET + UNSET)
}

/// From the first line to the last, what the least certain of all spells says in which the clock can have shown a reading.
fn knots(updates: &[Update]) -> Vec<Knot> {
    let ends = updates.iter().map(|update| update.at);
    let (Some(first), Some(last)) = (ends.clone().next(), ends.max()) else { return Vec::new() };
    let mut spells = spells(updates);
    spells.sort_unstable_by_key(|spell| spell.from);
    let mut turns: Vec<Time<Local>> = spells.iter().flat_map(|spell| [spell.from, spell.to]).collect();
    turns.extend([first, last]);
    turns.retain(|turn| first <= *turn && *turn <= last);
    turns.sort_unstable();
    turns.dedup();
    let mut coming = spells.into_iter().peekable();
    let mut under_way = BinaryHeap::new();
    let mut knots: Vec<Knot> = Vec::new();
    let mut before = Span::ZERO;
    for turn in turns {
        while let Some(spell) = coming.next_if(|spell| spell.from <= turn) {
            under_way.push(spell);
        }
        while under_way.peek().is_some_and(|spell: &Spell| spell.to <= turn) {
            under_way.pop();
        }
        let Some(error) = under_way.peek().map(|spell| spell.error) else { continue };
        let worse = error.max(before);
        if turn == last {
            knots.push(Knot { held: None, ..knot(turn, worse, worse) });
        } else if error != before {
            knots.push(knot(turn, worse, error));
        }
        before = error;
    }
    knots
}

/// TAI minus what a right clock shows.
fn apart(reading: Time<Local>) -> Span {
    Span::from_secs(LeapTable::COMPILED.offset_at_utc(Time::from_epoch(reading.since_epoch())).into())
}

fn knot(reading: Time<Local>, error: Span, held: Span) -> Knot {
    let apart = apart(reading);
    let truth = Interval::within(Time::from_epoch(reading.since_epoch() + apart), error);
    let held = Some(Held { min: apart - held, max: apart + held });
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
    let [_source, _stratum, _freq, _skew, offset, leap, _, _, _, _, _, error] = columns[..] else {
        return None;
    };
    let [offset, error]: [f64; 2] = [offset.parse().ok()?, error.parse().ok()?];
    let worst = (error + offset.abs()) * ROUNDING;
    (leap != "?" && worst.is_finite() && 0.0 <= error)
        .then(|| Update { at, error: Span::from_seconds(worst) })
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
        found(time, leap, "1.000e-06", error)
    }

    /// A line at which chronyd found out that the clock was so far off.
    fn found(time: &str, leap: char, offset: &str, error: &str) -> String {
        format!(
            "{time} 203.0.113.15     2     -3.340      0.006  {offset} {leap}  1  1.232e-05  2.0e-05  1.5e-03  3.8e-04  {error}\n"
        )
    }

    fn course(text: &str) -> Course {
        let mut tracking = Tracking::default();
        text.lines().for_each(|line| tracking.take_in(line.as_bytes()));
        tracking.course()
    }

    /// How wrong the clock can have been, in microseconds.
    fn bound(course: &Course, text: &str) -> Option<i64> {
        let civil: Civil = text.parse().expect("a date");
        let reading: Time<Local> = Time::from_epoch(civil.time().expect("it is").since_epoch());
        let truth = course.truth(&Shown { from: reading, to: reading, doubt: None })?;
        Some(truth.interval).filter(Interval::is_bounded).map(|interval| interval.bound().as_micros())
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
        assert_eq!(bound(&course, "2026-11-23T08:01:30Z"), Some(601));
        assert_eq!(bound(&course, "2026-11-23T08:00:30Z"), Some(501));
        assert_eq!(
            bound(&course, "2026-11-23T08:00:01Z"),
            Some(10_007),
            "the first line was written in the second before, and the clock was set"
        );
        assert_eq!(bound(&course, "2026-11-23T07:59:59Z"), None);
        assert_eq!(bound(&course, "2026-11-23T08:02:01Z"), None);
    }

    #[test]
    fn what_a_clock_showed_before_it_was_set_back_is_not_what_it_showed_after() {
        // A second and a half fast until 08:02:00, when chronyd set it.
        let text = [
            line("2026-11-23 08:00:00", 'N', "1.500e+00"),
            line("2026-11-23 08:02:00", 'N', "1.500e+00"),
            line("2026-11-23 08:03:00", 'N', "1.000e-03"),
        ]
        .concat();
        let course = course(&text);
        assert_eq!(
            bound(&course, "2026-11-23T08:02:01Z"),
            Some(1_500_901),
            "it was shown at 08:01:59.5 as well"
        );
        assert_eq!(bound(&course, "2026-11-23T08:02:30Z"), Some(1001));
    }

    #[test]
    fn what_chronyd_found_out_only_at_a_line_was_true_before_it() {
        // Somebody set the clock three seconds ahead after 08:01:00, and chronyd had not thought that possible.
        let text = [
            line("2026-11-23 08:00:00", 'N', "5.000e-04"),
            line("2026-11-23 08:01:00", 'N', "5.000e-04"),
            found("2026-11-23 08:02:00", 'N', "3.000e+00", "5.000e-04"),
        ]
        .concat();
        let course = course(&text);
        assert_eq!(bound(&course, "2026-11-23T08:01:30Z"), Some(3_002_300));
        assert_eq!(bound(&course, "2026-11-23T08:00:30Z"), Some(501));
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
        assert_eq!(bound(&course, "2026-11-23T08:00:59Z"), Some(1001));
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
        assert_eq!(bound(&course, "2016-12-31T23:58:30Z"), Some(1001));
        assert_eq!(bound(&course, "2017-01-01T00:01:30Z"), Some(1001));
    }
}

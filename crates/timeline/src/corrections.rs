//! The course of a clock as a table, for whoever has more rows than can be told one by one.
//!
//! Each row holds from one reading of the clock up to another, and says how to come from a reading to true UTC: add the offset, and the
//! rate for each second since the row began. The bound holds for all of the row. Where nothing is known there is no row.
//!
//! A reading that the clock showed twice has one row that allows both.

use truechimer_time::{LeapTable, Local, Rate, Span, Tai, Time, Utc};

use crate::course::turns::{first_where, nanosecond};
use crate::course::{Course, Evidence, Truth};
use crate::interval::Interval;
use crate::shown::Shown;

/// How readings between two are corrected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Correction {
    /// From this reading on.
    pub from: Time<Local>,
    /// Up to this one, which has a row of its own or none.
    pub to: Time<Local>,
    /// The likeliest UTC at the first reading, minus it.
    pub offset: Span,
    /// UTC gains so much on the clock from there on.
    pub rate: Rate,
    /// The corrected time is at most so wrong anywhere in the row.
    pub bound: Span,
    /// By what that is known, the weakest of all.
    pub evidence: Evidence,
    /// In which stretch of the course, if there is no doubt.
    pub stretch: Option<usize>,
}

impl Correction {
    /// The likeliest UTC at a reading of this row.
    pub fn utc(&self, reading: Time<Local>) -> Time<Utc> {
        Time::from_epoch(reading.since_epoch() + self.offset + self.rate.over(reading - self.from))
    }
}

/// A reading can be a nanosecond off by rounding, and so can what is computed from it.
const ROUNDING: Span = Span::from_nanos(2);

/// A row is cut in two where its bound is more than twice what it need be at one of its ends, so many times at most.
const CUTS_MAX: u8 = 6;

/// Nobody cares for less.
const FINE: Span = Span::from_micros(1);

/// The table of a course, by readings.
pub fn corrections(course: &Course) -> Vec<Correction> {
    let edges = course.edges();
    let mut rows = Vec::with_capacity(edges.len());
    for edge in edges.windows(2) {
        let &[from, to] = edge else { continue };
        for (from, to) in without_leaps(course, from, to) {
            row(course, from, to, CUTS_MAX, &mut rows);
        }
    }
    rows
}

fn row(course: &Course, from: Time<Local>, to: Time<Local>, cuts: u8, rows: &mut Vec<Correction>) {
    // The last reading that is surely in the row: stamps have nanoseconds.
    let last = to - Span::from_nanos(1);
    let (Some(begin), Some(end)) = (truth(course, from), truth(course, last.max(from))) else { return };
    let stretch = begin.stretch.filter(|_| begin.stretch == end.stretch);
    let begin = Utcs::of(&begin.interval, None);
    let end = Utcs::of(&end.interval, Some(&begin));
    let whole = last - from;
    let offset = begin.best - from.since_epoch();
    let gained = (end.best - last.since_epoch()) - offset;
    let rate = match whole > Span::ZERO {
        true => Rate::from_ratio(gained.as_seconds() / whole.as_seconds()),
        false => Rate::ZERO,
    };
    let evidence = Evidence::History;
    let mut row = Correction { from, to, offset, rate, bound: Span::ZERO, evidence, stretch };
    // What is known goes in straight lines; where two of them cross, and at the ends, it is furthest from that of the row.
    for reading in course.turns(from, last).into_iter().chain([from, last]) {
        let Some(Truth { interval, evidence, .. }) = truth(course, reading) else { return };
        let (known, said) = (Utcs::of(&interval, Some(&begin)), row.utc(reading).since_epoch());
        row.bound = row.bound.max(known.latest - said).max(said - known.earliest);
        row.evidence = row.evidence.max(evidence);
    }
    row.bound += ROUNDING;
    let least = begin.width().min(end.width()).half();
    if cuts > 0 && row.bound > least + least + FINE && whole > Span::from_millis(1) {
        let middle = nanosecond(from + whole.half());
        self::row(course, from, middle, cuts - 1, rows);
        self::row(course, middle, to, cuts - 1, rows);
    } else {
        rows.push(row);
    }
}

fn truth(course: &Course, reading: Time<Local>) -> Option<Truth> {
    let shown = Shown { from: reading, to: reading, doubt: None };
    course.truth(&shown).filter(|truth| truth.interval.is_bounded())
}

/// An interval, counted as UTC is with the leap seconds of one moment.
struct Utcs {
    earliest: Span,
    best: Span,
    latest: Span,
    ahead: Span,
}

impl Utcs {
    /// By the leap seconds of another interval, or of its own likeliest moment. Where a leap second lies within, either is meant.
    fn of(interval: &Interval, like: Option<&Self>) -> Self {
        let [other, own, another] = [interval.earliest, interval.best, interval.latest].map(tai_ahead);
        let ahead = like.map_or(own, |like| like.ahead);
        Self {
            earliest: interval.earliest.since_epoch() - ahead.max(other).max(another),
            best: interval.best.since_epoch() - ahead,
            latest: interval.latest.since_epoch() - ahead.min(other).min(another),
            ahead,
        }
    }

    fn width(&self) -> Span {
        self.latest - self.earliest
    }
}

/// TAI minus UTC; within a leap second that of before it.
fn tai_ahead(tai: Time<Tai>) -> Span {
    Span::from_secs(LeapTable::COMPILED.utc_of_tai(tai).offset.into())
}

/// The parts of a row in which UTC is counted without a leap.
fn without_leaps(course: &Course, from: Time<Local>, to: Time<Local>) -> Vec<(Time<Local>, Time<Local>)> {
    let last = to - Span::from_nanos(1);
    let at = |reading| truth(course, reading).map(|truth| tai_ahead(truth.interval.best));
    let (Some(begin), Some(end)) = (at(from), at(last.max(from))) else { return vec![(from, to)] };
    if begin == end {
        return vec![(from, to)];
    }
    let turn = first_where(from, last, |reading| at(reading) != Some(begin));
    let mut parts = vec![(from, turn)];
    parts.extend(without_leaps(course, turn, to));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::course::{Held, Knot, Rates, Stretch};
    use proptest::prelude::*;

    /// A clock as it was: since when it showed what, and how fast it ran.
    #[derive(Clone, Debug)]
    struct Life {
        /// True seconds since the beginning, how far the clock was ahead then, and its rate in ppm.
        parts: Vec<(f64, f64, f64)>,
        /// True seconds of measurements, and their bounds.
        looks: Vec<(f64, f64)>,
    }

    /// Around the leap second of 2017, or far from any.
    const BEGINNINGS: [i64; 2] = [1_483_228_836 - 1500, 1_795_420_800];

    impl Life {
        fn reading(&self, true_seconds: f64) -> (usize, f64) {
            let part = self.parts.iter().rposition(|part| part.0 <= true_seconds).expect("the first is at 0");
            let (since, ahead, ppm) = self.parts[part];
            (part, true_seconds + ahead + (true_seconds - since) * ppm * 1e-6)
        }

        fn course(&self, beginning: i64) -> Course {
            let mut stretches: Vec<Vec<Knot>> = vec![Vec::new(); self.parts.len()];
            for (at, bound) in &self.looks {
                let (part, reading) = self.reading(*at);
                let truth = tai(beginning, *at);
                let held = (part % 2 == 0).then(|| {
                    let apart = truth.since_epoch() - local(beginning, reading).since_epoch();
                    let most = Span::from_seconds(2.0 * bound + 0.5);
                    Held { min: apart - most, max: apart + most }
                });
                stretches[part].push(Knot {
                    reading: local(beginning, reading),
                    truth: Interval::within(truth, Span::from_seconds(*bound)),
                    rates: Rates { min: Rate::from_ppb(-210_000), max: Rate::from_ppb(210_000) },
                    held,
                    aside: Span::from_seconds(bound / 10.0),
                    evidence: Evidence::History,
                });
            }
            Course::of(stretches.into_iter().map(|knots| Stretch::of(knots).expect("they are true")))
        }
    }

    fn tai(beginning: i64, seconds: f64) -> Time<Tai> {
        Time::from_epoch(Span::from_secs(beginning) + Span::from_seconds(seconds))
    }

    fn local(beginning: i64, seconds: f64) -> Time<Local> {
        Time::from_epoch(Span::from_secs(beginning - 37) + Span::from_seconds(seconds))
    }

    prop_compose! {
        fn lives()(
            steps in proptest::collection::vec((1.0f64..900.0, -400.0f64..400.0, -200.0f64..200.0), 1..4),
            looks in proptest::collection::vec((0.0f64..3000.0, 1e-6f64..0.5), 2..30),
        ) -> Life {
            let mut since = 0.0;
            let parts = steps.iter().map(|(length, ahead, ppm)| {
                let part = (since, *ahead, *ppm);
                since += length;
                part
            });
            let parts = parts.collect();
            let mut looks = looks;
            looks.sort_by(|one, other| one.0.total_cmp(&other.0));
            Life { parts, looks }
        }
    }

    proptest! {
        /// What the table says of a reading allows all that the course does.
        #[test]
        fn a_row_has_the_intervals_of_all_its_readings_within(
            life in lives(),
            beginning in 0usize..2,
            readings in proptest::collection::vec(-1000.0f64..4500.0, 200),
        ) {
            let beginning = BEGINNINGS[beginning];
            let course = life.course(beginning);
            let rows = corrections(&course);
            prop_assert!(rows.windows(2).all(|rows| rows[0].to <= rows[1].from));
            for seconds in readings {
                let reading = nanosecond(local(beginning, seconds));
                let row = rows.iter().find(|row| row.from <= reading && reading < row.to);
                let known = truth(&course, reading);
                prop_assert!(row.is_some() || known.is_none(), "{reading:?} has no row");
                let (Some(row), Some(known)) = (row, known) else { continue };
                for end in [known.interval.earliest, known.interval.latest] {
                    let utc = LeapTable::COMPILED.utc_of_tai(end);
                    let apart = (utc.time.since_epoch() - row.utc(reading).since_epoch()).abs();
                    prop_assert!(apart <= row.bound, "{reading:?}: {apart} is more than {}", row.bound);
                }
            }
        }
    }

    #[test]
    fn a_steady_clock_has_few_rows_and_they_are_hardly_wider_than_need_be() {
        let life = Life {
            parts: vec![(0.0, 0.5, 20.0)],
            looks: (0..100).map(|minute| (f64::from(minute) * 60.0, 0.01)).collect(),
        };
        let rows = corrections(&life.course(BEGINNINGS[1]));
        assert!((99..=101).contains(&rows.len()), "{}", rows.len());
        assert!(rows.iter().all(|row| row.bound < Span::from_millis(20)), "{:?}", rows[0]);
        assert!((rows[50].rate.as_ppm() + 20.0).abs() < 0.1, "{:?}", rows[50]);
    }
}

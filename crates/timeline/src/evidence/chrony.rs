//! chronyd's `tracking.log` (chrony.conf(5), `log tracking`).
//!
//! ```text
//! 2026-11-23 07:59:12 203.0.113.15  2  -3.340  0.006  1.192e-06 N  1  1.232e-05  2.0e-05 1.5e-03 3.8e-04 5.6e-04
//! date       time     source        St  freq   skew   offset    L  Co offset sd  rem.    delay   disp.   max. error
//! ```
//!
//! The last column is how wrong the clock was at most, by what chronyd reckoned with, *since the line before*: what was left to correct, and the
//! distance to its reference. What it found out only at this line is the offset, and comes on top of that. Below version 4 the last column is not
//! there, and then there is no evidence. A banner between lines of `=` stands where chronyd began to write: from the line before it to the one after
//! it nothing is said. It also stands after each 32 lines, and there it means nothing. Who starts chronyd anew just then is known by the time that
//! this takes, unless it takes no longer than chronyd waits between two lines; then the clock is taken to have been as right as the next line says.

use std::collections::BinaryHeap;

use truechimer_time::{LeapTable, Local, Span, Time};

use super::measured::{Measurements, Said};
use crate::course::{Contradiction, Course, Evidence, Held, Knot, Piece, Rates, Triples};
use crate::dialect::{Dialect, Found};
use crate::interval::Interval;
use crate::stamp::{Reading, Stamp};

/// The stamps count seconds.
pub(super) const TICK: Span = Span::from_secs(1);

/// Numbers are written with four digits: by so much more they can have been.
pub(super) const ROUNDING: f64 = 1.000_6;

/// A banner comes after so many lines, unless chrony.conf(5) says otherwise (`logbanner`).
const LINES_TO_A_BANNER: u32 = 32;

/// The course of a clock by chronyd's word, in the making.
#[derive(Clone, Debug, Default)]
pub struct Tracking {
    /// The lines, in parts between which nothing is said.
    parts: Vec<Vec<Update>>,
    /// Something was said at the last line.
    goes_on: bool,
    banners: Banners,
}

/// Where a file has banners.
#[derive(Clone, Debug, Default)]
struct Banners {
    /// So many lines came since the last one.
    lines: u32,
    /// The last line was of one.
    is_within: bool,
    /// When the last line was written.
    last: Option<Time<Local>>,
    /// How long was waited for a line at most, since the last banner.
    longest: Span,
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
        let at = stamp(line);
        self.goes_on &= self.banners.go_on(line, at);
        match at.and_then(|at| update(line, at)) {
            Some(update) => {
                let last = self.parts.last_mut().filter(|_| self.goes_on);
                // At a leap the clock is set by a second: two parts.
                let is_same = |last: &Update| apart(last.at) == apart(update.at);
                match last.filter(|part| part.last().is_some_and(is_same)) {
                    Some(part) => part.push(update),
                    None => self.parts.push(vec![update]),
                }
                self.goes_on = true;
            }
            // What the banner says between two lines of `=`.
            None if line.starts_with(b"=") || line.starts_with(b"   Date") || line.is_empty() => {}
            None => self.goes_on = false,
        }
    }

    /// The course, with what the servers and the journal tell of the clock, and where that contradicts itself.
    pub fn course(self, measurements: Measurements, triples: Triples) -> (Course, Vec<Contradiction>) {
        let (parts, mut contradictions) = borne_out(self.parts, measurements);
        // Whoever followed a liar was nobody knows where meanwhile.
        let is_closed = !contradictions.is_empty();
        let pieces = parts.iter().map(|part| Piece { knots: knots(part), boot: None, is_closed });
        let (course, others) = Course::laid(pieces, triples);
        contradictions.extend(others);
        (course, contradictions)
    }
}

impl Banners {
    /// May the same chronyd have written this line as the one before it?
    fn go_on(&mut self, line: &[u8], at: Option<Time<Local>>) -> bool {
        if line.starts_with(b"=") {
            let is_due = self.is_within || self.lines == LINES_TO_A_BANNER;
            (self.lines, self.is_within) = (0, true);
            return is_due;
        }
        let Some(at) = at else { return true };
        let waited = self.last.map_or(Span::ZERO, |last| (at - last).abs());
        let is_late = self.is_within && self.longest + self.longest < waited;
        if self.is_within {
            self.longest = Span::ZERO;
        }
        self.longest = self.longest.max(waited);
        (self.lines, self.is_within, self.last) = (self.lines.saturating_add(1), false, Some(at));
        !is_late
    }
}

/// The lines that no majority of the servers denies, and those that one does. With such a line goes what the next one says: it begins in
/// that second.
fn borne_out(parts: Vec<Vec<Update>>, measurements: Measurements) -> (Vec<Vec<Update>>, Vec<Contradiction>) {
    if measurements.is_empty() {
        return (parts, Vec::new());
    }
    let said: Vec<Said> = parts.iter().flat_map(|part| said(part)).collect();
    let mut is_borne_out = measurements.bear_out(&said).into_iter();
    let (mut kept, mut contradictions): (Vec<Vec<Update>>, Vec<Contradiction>) = (Vec::new(), Vec::new());
    for part in parts {
        let judged: Vec<(Update, bool)> = part.into_iter().zip(is_borne_out.by_ref()).collect();
        let mut last = None;
        for alike in judged.chunk_by(|one, other| one.1 == other.1) {
            let updates = || alike.iter().map(|(update, _)| *update);
            match alike {
                [(_, true), ..] => kept.push(updates().collect()),
                [(first, false), ..] => contradictions.push(Contradiction {
                    before: last.unwrap_or(first.at),
                    after: alike[alike.len() - 1].0.at,
                }),
                [] => {}
            }
            last = alike.last().map(|(update, _)| update.at);
        }
    }
    (kept, contradictions)
}

/// What each line says of the time since the one before it, by the stamps.
fn said(updates: &[Update]) -> impl Iterator<Item = Said> {
    let before = updates.first().into_iter().chain(updates);
    before.zip(updates).map(|(last, update)| {
        let (from, to) = (last.at.min(update.at), last.at.max(update.at) + TICK);
        Said { from, to, error: update.error }
    })
}

/// What each line says of all that the clock can have shown since the one before it. chronyd may have set the clock in it: before, the clock may
/// have shown more than the line's own stamp, or less than that of the one before. It was never further from the truth than the error, and the
/// truth no further from the stamps.
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
    Knot { reading, truth, rates: Rates::SLEWED, held, aside: Span::ZERO, evidence: Evidence::Chrony }
}

/// What a line that was written then says, if chronyd was synchronised.
fn update(line: &[u8], at: Time<Local>) -> Option<Update> {
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

/// What the clock showed when a line was written, to the second.
pub(super) fn stamp(line: &[u8]) -> Option<Time<Local>> {
    let dated = [line.get(..19)?, b"Z"].concat();
    let Found { stamp: Stamp { reading: Reading::Clock(at), .. }, .. } = Dialect::Plain.read(&dated)? else {
        return None;
    };
    Some(at)
}

#[cfg(test)]
mod tests;

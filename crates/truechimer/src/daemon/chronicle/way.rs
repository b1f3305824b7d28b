//! The way of the clock, and what of it need not be written: between two lines of the history the clock went straight, and where
//! that is true to within a tolerance it need not be said again.
//!
//! ```text
//!   clock against counter                  ___o K: a line for P is needed, if P and the others are not near the chord A K
//!                        __o___..----''''
//!             __...o--'''  P: the last turn that was not written
//!      A o--''             all before P are near the chord A P
//! ```
//!
//! Between two turns the clock does go straight, so that what is true of all turns is true of the whole way.

use truechimer_core::moment::Moment;
use truechimer_time::{Rate, Span};

/// So many turns are remembered without a line.
const TURNS_MAX: usize = 256;

/// A turn of the clock: its readings, and the rate that it has from there on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) at: Moment,
    pub(super) rate: Rate,
}

/// What the clock has done since the last line that was written.
#[derive(Debug, Default)]
pub(super) struct Way {
    /// The readings in the last line.
    written: Option<Moment>,
    /// The rate in the last line that has one.
    rate: Option<Rate>,
    /// The turns since then, without lines.
    turns: Vec<Turn>,
}

impl Way {
    /// The turn that needs a line before one with the readings of `now`, if any does.
    pub(super) fn needed(&self, now: &Moment, tolerance: Span) -> Option<Turn> {
        let from = self.written?;
        let is_near = |turn: &Turn| (turn.at.local - between(&from, now, &turn.at)).abs() <= tolerance;
        self.turns.last().filter(|_| !self.turns.iter().all(is_near)).copied()
    }

    /// The turn that needs a line if there is none after it: the clock is not where it would be by what is written.
    pub(super) fn untold(&self, tolerance: Span) -> Option<Turn> {
        let (from, last) = (self.written?, self.turns.last()?);
        let passed = last.at.raw - from.raw;
        let foretold = from.local + passed + self.rate.unwrap_or(Rate::ZERO).over(passed);
        let is_near = (last.at.local - foretold).abs() <= tolerance && self.rate.is_some();
        (!is_near).then_some(*last)
    }

    /// Can this turn do without a line for the time being?
    pub(super) fn can_wait(&self, turn: &Turn, longest: Span) -> bool {
        let is_recent = self.written.is_some_and(|written| turn.at.mono - written.mono < longest);
        is_recent && self.rate.is_some() && self.turns.len() < TURNS_MAX
    }

    /// It gets no line for the time being.
    pub(super) fn waits(&mut self, turn: Turn) {
        self.turns.push(turn);
    }

    /// A line with these readings was written, and with this rate, if it has one.
    pub(super) fn wrote(&mut self, now: &Moment, rate: Option<Rate>) {
        self.written = Some(*now);
        self.rate = rate.or(self.rate);
        self.turns.clear();
    }
}

/// What the clock showed when the counter showed what it did `then`, if it went straight between both.
fn between(from: &Moment, to: &Moment, then: &Moment) -> truechimer_time::Time<truechimer_time::Local> {
    let (passed, whole) = (then.raw - from.raw, to.raw - from.raw);
    if whole <= Span::ZERO {
        return from.local;
    }
    let gained = (to.local - from.local) - whole;
    let part = passed.as_seconds() / whole.as_seconds();
    from.local + passed + Span::from_seconds(gained.as_seconds() * part)
}

//! Whether one line could have caused another.
//!
//! Intervals alone would not do: a message, or a clock that was not set, can tell the order of two lines of which nobody knows when they
//! were written.

use truechimer_time::Span;

use super::learned::Learned;
use super::pairs::Found;
use crate::interval::Order;

/// Whether one line could have caused another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was not before the other.
    No {
        /// It was later by at least so much.
        by: Span,
    },
    /// It was not after the other.
    Yes {
        /// It was earlier by at least so much.
        by: Span,
    },
    /// Nobody can tell which was first.
    Could,
}

impl Learned {
    /// Whether one marked line could have caused another, by their numbers.
    pub fn answer(&self, found: &Found, one: usize, other: usize) -> Answer {
        let before = self.apart(found, one, other);
        let after = self.apart(found, other, one);
        let is_known = |least: &Span| !least.is_negative();
        match (before.filter(is_known), after.filter(is_known)) {
            (Some(by), None) => Answer::Yes { by },
            (None, Some(by)) => Answer::No { by },
            (Some(_), Some(_)) | (None, None) => Answer::Could,
        }
    }

    /// So much one line was before another, at least, if anything is known.
    fn apart(&self, found: &Found, earlier: usize, later: usize) -> Option<Span> {
        let ends = |line: usize| self.bounds[line].ends;
        let [latest, earliest] = [ends(earlier).latest, ends(later).earliest];
        let is_known = latest < Span::MAX && Span::MIN < earliest;
        let by_intervals = is_known.then(|| earliest - latest);
        let by_ways = self.web.moments.apart(earlier, later);
        let is_one_clock =
            self.web.clock_of[earlier].is_some() && self.web.clock_of[earlier] == self.web.clock_of[later];
        let shown = |line: usize| found.lines[line].when.shown;
        let is_in_order = is_one_clock && shown(earlier).order(&shown(later)) == Order::Before;
        let by_clock = is_in_order.then_some(Span::ZERO);
        by_intervals.max(by_ways).max(by_clock)
    }
}

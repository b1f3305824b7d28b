//! Where what is known of a clock turns: between two turns each end of an interval goes in a straight line with the reading.

use truechimer_time::{Local, Span, Time};

use super::{Course, Rates, Stretch};
use crate::interval::Interval;

/// A stretch is looked for so much further than it can reach, so that nothing is lost by rounding.
const MARGIN: Span = Span::from_secs(1);

impl Course {
    /// All readings at which something is measured, or at which it begins or ends to be known: to whole nanoseconds, rising.
    pub(crate) fn edges(&self) -> Vec<Time<Local>> {
        let mut edges: Vec<_> = self.stretches.iter().flat_map(|stretch| &stretch.knots).collect();
        edges.sort_by_key(|knot| knot.reading);
        let mut edges: Vec<_> = edges.into_iter().map(|knot| nanosecond(knot.reading)).collect();
        for at in 0..self.stretches.len() {
            edges.extend(self.ends(at).into_iter().flatten());
        }
        // Where nothing was measured before, or is later, only half is known.
        let ends = self.stretches.iter().filter_map(Stretch::ends);
        edges.extend(ends.flat_map(|[first, last]| [after(first.reading), next(last.reading)]));
        // What a run of which nothing is known can have shown is known neither before nor after.
        edges.extend(self.unknown.iter().flat_map(|[from, to]| [nanosecond(*from), after(*to)]));
        edges.sort_unstable();
        edges.dedup();
        edges
    }

    /// Where a stretch begins to be what can be meant, and where that ends: the first reading that it cannot.
    fn ends(&self, at: usize) -> [Option<Time<Local>>; 2] {
        let Some([first, last]) = self.stretches[at].ends() else { return [None, None] };
        let [far_before, far_after] = self.far_ends(at);
        let is_meant = |reading| self.is_meant(at, reading);
        let begin = is_meant(first.reading).then(|| match is_meant(far_before) {
            true => far_before,
            false => first_where(far_before, after(first.reading), is_meant),
        });
        let end = is_meant(last.reading).then(|| match is_meant(far_after) {
            true => far_after,
            false => first_where(nanosecond(last.reading), far_after, |reading| !is_meant(reading)),
        });
        [begin, end]
    }

    fn is_meant(&self, at: usize, reading: Time<Local>) -> bool {
        let shown = crate::shown::Shown { from: reading, to: reading, doubt: None };
        self.meant(at, &shown).is_some()
    }

    /// No reading before the first or after the second can be meant of this stretch.
    pub(super) fn far_ends(&self, at: usize) -> [Time<Local>; 2] {
        let Some([first, last]) = self.stretches[at].ends() else { return [Time::from_epoch(Span::ZERO); 2] };
        if let Some([from, to]) = self.reach_of(&self.stretches[at]) {
            return [nanosecond(from) - Span::from_nanos(1), after(to) + Span::from_nanos(1)];
        }
        let reach = self.reach(at);
        let longer = |span: Span| span.max(Span::ZERO) + span.max(Span::ZERO) / 100 + MARGIN;
        let [is_closed_before, is_closed_after] = self.stretches[at].closed;
        let before = match reach.earliest > Interval::EVER.earliest {
            _ if is_closed_before => first.reading,
            true => first.reading - longer(first.truth.latest - reach.earliest),
            false => first.reading - MARGIN,
        };
        let after = match reach.latest < Interval::EVER.latest {
            _ if is_closed_after => last.reading,
            true => last.reading + longer(reach.latest - last.truth.earliest),
            false => last.reading + MARGIN,
        };
        [nanosecond(before), nanosecond(after)]
    }

    /// The readings between two neighbouring edges at which what is known may turn or jump: more than enough.
    pub(crate) fn turns(&self, from: Time<Local>, last: Time<Local>) -> Vec<Time<Local>> {
        let mut lines = Vec::new();
        for at in self.candidates(from, last) {
            let [before, after] = self.far_ends(at);
            if before <= last && from <= after {
                self.stretches[at].lines(from, last, self.reach(at), &mut lines);
            }
        }
        let whole = (last - from).as_seconds();
        // A crossing is not known better than this.
        let near = Span::from_nanos(1) + Span::from_seconds(whole * 1e-14);
        let mut turns = Vec::new();
        for (number, one) in lines.iter().enumerate() {
            for other in &lines[..number] {
                let part = one.crosses(other).filter(|part| (0.0..=1.0).contains(part));
                let Some(part) = part else { continue };
                let reading = nanosecond(from + Span::from_seconds(whole * part));
                turns.extend([reading - near, reading, reading + near].map(|turn| turn.clamp(from, last)));
            }
        }
        // Knots lie up to a nanosecond after the edge that stands for them.
        turns.push((from + Span::from_nanos(1)).min(last));
        turns.sort_unstable();
        turns.dedup();
        turns
    }
}

/// An end of an interval minus the reading, at both ends of a row.
struct Line {
    begin: f64,
    end: f64,
}

impl Line {
    /// After which part of the row two lines cross.
    fn crosses(&self, other: &Self) -> Option<f64> {
        let (begin, end) = (self.begin - other.begin, self.end - other.end);
        (begin != end).then(|| begin / (begin - end))
    }
}

impl Stretch {
    fn lines(&self, from: Time<Local>, last: Time<Local>, reach: Interval, lines: &mut Vec<Line>) {
        let after = self.knots.partition_point(|knot| knot.reading <= last);
        let (before, next) = (after.checked_sub(1).map(|at| self.knots[at]), self.knots.get(after));
        let mut intervals = vec![[reach, reach]];
        let (rates, aside) = match (&before, next) {
            (Some(before), Some(_)) => (before.rates, before.aside),
            (Some(_) | None, _) => (Rates::ANY, Span::ZERO),
        };
        if let Some(before) = before {
            intervals.push([from, last].map(|reading| before.forwards(reading, rates)));
            intervals.extend(before.held.map(|held| [from, last].map(|reading| held.interval(reading))));
        }
        if let Some(next) = next {
            intervals.push([from, last].map(|reading| next.backwards(reading, rates)));
        }
        for [begin, end] in intervals {
            for (begin, end, aside) in
                [(begin.earliest, end.earliest, -aside), (begin.latest, end.latest, aside)]
            {
                let apart = |truth: Time<_>, reading: Time<Local>| {
                    (truth.since_epoch() + aside - reading.since_epoch()).as_seconds()
                };
                if Interval::EVER.earliest < begin && begin < Interval::EVER.latest {
                    lines.push(Line { begin: apart(begin, from), end: apart(end, last) });
                }
            }
        }
    }
}

/// The first reading, to the nanosecond, of which something holds, if it does not hold of `no`, holds of `yes`, and turns once between.
pub(crate) fn first_where(
    mut no: Time<Local>,
    mut yes: Time<Local>,
    holds: impl Fn(Time<Local>) -> bool,
) -> Time<Local> {
    loop {
        let middle = nanosecond(no + (yes - no).half());
        if middle <= no || yes <= middle {
            return yes;
        }
        *(if holds(middle) { &mut yes } else { &mut no }) = middle;
    }
}

/// The whole nanosecond at or before a reading.
pub(crate) fn nanosecond(reading: Time<Local>) -> Time<Local> {
    const NANOSECOND: i128 = 1_000_000_000;
    Time::from_epoch(Span::from_attos(reading.since_epoch().as_attos().div_euclid(NANOSECOND) * NANOSECOND))
}

/// The first whole nanosecond after a reading.
fn next(reading: Time<Local>) -> Time<Local> {
    nanosecond(reading) + Span::from_nanos(1)
}

/// The whole nanosecond at or after a reading.
fn after(reading: Time<Local>) -> Time<Local> {
    let at = nanosecond(reading);
    if at < reading { at + Span::from_nanos(1) } else { at }
}

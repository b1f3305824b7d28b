//! Evidence of a clock laid over what the journal tells of it.
//!
//! Readings of which the true time is known come in the order in which somebody wrote them down, cut where he saw the clock set. The
//! runs of the journal cut them further, and join what is of one run. Then what is known is carried: within a run both
//! ways, over a jump by halves (see [`super::boots`]).

use std::collections::BTreeMap;

use truechimer_time::{Local, Span, Time};

use super::boots::{Run, RunId, Triples};
use super::{Contradiction, Course, Held, Knot, RATE_MAX, Rates, Stretch};
use crate::dialect::BootId;
use crate::interval::Interval;

/// Readings of a clock that was not set between them, as far as whoever wrote them down could see.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Piece {
    /// In the order in which they were written down.
    pub knots: Vec<Knot>,
    /// In which boot of the host, as its kernel calls it, if that is known.
    pub boot: Option<String>,
}

impl From<Vec<Knot>> for Piece {
    fn from(knots: Vec<Knot>) -> Self {
        Self { knots, boot: None }
    }
}

impl Course {
    /// What is known of a clock: readings of which the true time is known, in pieces between which it was set, and what its host's
    /// journal tells. Also where that contradicts itself; of the time around nothing is claimed.
    pub fn laid(
        pieces: impl IntoIterator<Item = impl Into<Piece>>,
        triples: Triples,
    ) -> (Self, Vec<Contradiction>) {
        let mut laying = Laying { boots: triples.runs(), ..Laying::default() };
        let spans = Spans::of(&laying.boots);
        for piece in pieces {
            let Piece { knots, boot } = piece.into();
            laying.lay(knots, boot.as_deref(), &spans);
        }
        let ids: Vec<BootId> = laying.boots.keys().copied().collect();
        for boot in ids {
            laying.carry(boot);
        }
        let mut course = Self::of(laying.stretches);
        course.keep_runs(laying.boots);
        (course, laying.contradictions)
    }
}

#[derive(Default)]
struct Laying {
    boots: BTreeMap<BootId, Vec<Run>>,
    /// What is known of readings of each run.
    of_runs: BTreeMap<RunId, Vec<Knot>>,
    stretches: Vec<Stretch>,
    contradictions: Vec<Contradiction>,
}

impl Laying {
    /// Cuts a piece, and gives to each run what is its. What a knot says of the way to the next one holds if that one comes after it.
    /// What more than one run can have shown is of no use.
    fn lay(&mut self, piece: Vec<Knot>, boot: Option<&str>, spans: &Spans) {
        let of: Vec<Whose> = piece.iter().map(|knot| spans.whose_of(knot.reading, &piece)).collect();
        let mut rest: Vec<Knot> = Vec::new();
        for (at, knot) in piece.iter().enumerate() {
            let next = piece.get(at + 1).zip(of.get(at + 1));
            match of[at] {
                Whose::Of(run) => {
                    let goes_on = next.is_some_and(|(_, next)| *next == of[at]);
                    self.give(run, if goes_on { *knot } else { knot.loose() });
                }
                Whose::Doubtful => {}
                Whose::Nobodys => {
                    rest.push(*knot);
                    let goes_on = next.is_some_and(|(after, next)| {
                        *next == Whose::Nobodys && !spans.are_between(knot.reading, after.reading)
                    });
                    if !goes_on {
                        self.keep(std::mem::take(&mut rest), boot);
                    }
                }
            }
        }
    }

    fn give(&mut self, run: RunId, knot: Knot) {
        let width = self.boots[&run.0][run.1].width();
        self.of_runs.entry(run).or_default().push(knot.wider(width));
    }

    fn keep(&mut self, knots: Vec<Knot>, boot: Option<&str>) {
        match Stretch::of(knots) {
            Ok(stretch) => self.stretches.push(Stretch { boot: boot.map(str::to_owned), ..stretch }),
            Err(contradiction) => self.contradictions.push(contradiction),
        }
    }

    /// Carries what is known in one boot.
    fn carry(&mut self, boot: BootId) {
        let runs = self.boots[&boot].clone();
        let own: Vec<Option<Stretch>> = (0..runs.len()).map(|number| self.own((boot, number))).collect();
        let evidence =
            own.iter().flatten().flat_map(|stretch| &stretch.knots).map(|knot| knot.evidence).max();
        let Some(evidence) = evidence else { return };
        let mut ends: Vec<[Interval; 2]> =
            runs.iter().zip(&own).map(|(run, own)| ends(run, own.as_ref())).collect();
        carry_forwards(&runs, &mut ends);
        carry_backwards(&runs, &mut ends);
        for (number, ((run, own), ends)) in runs.iter().zip(own).zip(ends).enumerate() {
            let mut knots = own.map(|own| own.knots).unwrap_or_default();
            for (pair, truth) in [run.first, run.last].into_iter().zip(ends) {
                let (rates, held, aside) = (Rates::ANY, None, Span::ZERO);
                let end = Knot { reading: pair.reading, truth, rates, held, aside, evidence };
                knots.push(end.wider(run.width()));
            }
            match Stretch::of(knots) {
                Ok(stretch) => self.stretches.push(Stretch {
                    run: Some((boot, number)),
                    boot: Some(boot.to_string()),
                    ..stretch
                }),
                Err(contradiction) => self.contradictions.push(contradiction),
            }
        }
    }

    /// What is known of a run by itself.
    fn own(&mut self, run: RunId) -> Option<Stretch> {
        let mut knots = self.of_runs.remove(&run)?;
        if !knots.is_sorted_by_key(|knot| knot.reading) {
            knots.iter_mut().for_each(|knot| *knot = knot.loose());
        }
        match Stretch::of(knots) {
            Ok(stretch) => Some(stretch),
            Err(contradiction) => {
                self.contradictions.push(contradiction);
                None
            }
        }
    }
}

impl Knot {
    /// The same, if nothing is known of how the clock ran on.
    fn loose(&self) -> Self {
        Self { rates: Rates::ANY, held: None, ..*self }
    }

    /// The same, if the clock may have shown so much more or less.
    fn wider(&self, width: Span) -> Self {
        let Interval { earliest, best, latest } = self.truth;
        let truth = Interval { earliest: earliest - width, best, latest: latest + width };
        let held = self.held.map(|held| Held { min: held.min - width, max: held.max + width });
        Self { truth, held, ..*self }
    }
}

/// When the first and the last entry of a run were, by what is known of the run itself.
fn ends(run: &Run, own: Option<&Stretch>) -> [Interval; 2] {
    let truth = |reading| own.and_then(|own| own.truth(reading)).map_or(Interval::EVER, |(truth, _)| truth);
    [truth(run.first.reading), truth(run.last.reading)]
}

/// True time goes by no slower than the monotonic clock, within its rate: so much later is no earlier than that.
fn carry_forwards(runs: &[Run], ends: &mut [[Interval; 2]]) {
    for at in 0..runs.len() {
        if let Some(before) = at.checked_sub(1) {
            let gone = runs[at].first.mono - runs[before].last.mono;
            ends[at][0] = ends[at][0].no_sooner(&ends[before][1], gone);
        }
        let gone = runs[at].last.mono - runs[at].first.mono;
        ends[at][1] = ends[at][1].no_sooner(&ends[at][0].clone(), gone);
    }
}

/// The other half: so much earlier was no later than that.
fn carry_backwards(runs: &[Run], ends: &mut [[Interval; 2]]) {
    for at in (0..runs.len()).rev() {
        if let Some(after) = ends.get(at + 1).map(|after| after[0]) {
            let gone = runs[at + 1].first.mono - runs[at].last.mono;
            ends[at][1] = ends[at][1].no_later(&after, gone);
        }
        let gone = runs[at].last.mono - runs[at].first.mono;
        ends[at][0] = ends[at][0].no_later(&ends[at][1].clone(), gone);
    }
}

impl Interval {
    fn no_sooner(self, before: &Self, gone: Span) -> Self {
        let best = if self.is_half_known() { self.best } else { before.best + gone };
        let earliest = self.earliest.max(before.earliest + gone - RATE_MAX.over(gone));
        Self { earliest, best, ..self }
    }

    fn no_later(self, after: &Self, gone: Span) -> Self {
        let best = if self.is_bounded() { self.best } else { after.best - gone };
        let latest = self.latest.min(after.latest - gone + RATE_MAX.over(gone));
        Self { best, latest, ..self }
    }
}

/// The readings that each run can have shown: those from its first entry to its last one, and those of the time up to the next run
/// and since the one before it.
#[derive(Default)]
struct Spans {
    /// By where they begin.
    all: Vec<Reach>,
    /// The last reading of all spans up to this one, and whose it is.
    ends: Vec<(Time<Local>, usize)>,
}

/// Which run has shown a reading.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// This one, between its first entry and its last one.
    Of(RunId),
    /// None of which there are entries before and after it.
    Nobodys,
    /// One of several.
    Doubtful,
}

struct Reach {
    from: Time<Local>,
    to: Time<Local>,
    /// Between its entries.
    within: [Time<Local>; 2],
    /// In its boot.
    is_first: bool,
    is_last: bool,
    run: RunId,
}

impl Spans {
    fn of(boots: &BTreeMap<BootId, Vec<Run>>) -> Self {
        let mut all = Vec::new();
        for (boot, runs) in boots {
            for (number, run) in runs.iter().enumerate() {
                let within = [run.first.reading, run.last.reading];
                let [from, to] = run.reach;
                let (is_first, is_last) = (number == 0, number + 1 == runs.len());
                all.push(Reach { from, to, within, is_first, is_last, run: (*boot, number) });
            }
        }
        all.sort_by_key(|reach| reach.from);
        let mut ends: Vec<(Time<Local>, usize)> = Vec::with_capacity(all.len());
        for (at, reach) in all.iter().enumerate() {
            let before = ends.last().copied().filter(|(end, _)| *end >= reach.to);
            ends.push(before.unwrap_or((reach.to, at)));
        }
        Self { all, ends }
    }

    /// Which run has shown a reading.
    fn whose(&self, reading: Time<Local>) -> Whose {
        let begun = self.all.partition_point(|reach| reach.from <= reading);
        let reaching = (0..begun).rev().take_while(|at| reading <= self.ends[*at].0);
        let mut able = reaching.map(|at| &self.all[at]).filter(|reach| reading <= reach.to);
        match (able.next(), able.next()) {
            (None, _) => Whose::Nobodys,
            (Some(run), None) if run.within[0] <= reading && reading <= run.within[1] => Whose::Of(run.run),
            (Some(_), None) => Whose::Nobodys,
            (Some(_), Some(_)) => Whose::Doubtful,
        }
    }

    /// The same for a reading in a piece. Before the first run of a boot and after the last one the journal tells nothing, and the
    /// piece is believed that the clock was not set: what is there is of that run, if the piece reaches it.
    fn whose_of(&self, reading: Time<Local>, piece: &[Knot]) -> Whose {
        let own = self.whose(reading);
        if own != Whose::Nobodys {
            return own;
        }
        let (Some(first), Some(last)) = (piece.first(), piece.last()) else { return own };
        let begun = self.all.partition_point(|reach| reach.from <= reading);
        let before = begun.checked_sub(1).map(|at| &self.all[self.ends[at].1]);
        let before =
            before.filter(|run| run.is_last && run.within[1] < reading && first.reading <= run.within[1]);
        let here = before.is_none().then(|| self.all.get(begun.saturating_sub(1))).flatten();
        let mut after = [here, self.all.get(begun)].into_iter().flatten();
        let after =
            after.find(|run| run.is_first && reading < run.within[0] && run.within[0] <= last.reading);
        match (before, after) {
            (Some(run), None) if self.whose(run.within[1]) == Whose::Of(run.run) => Whose::Of(run.run),
            (None, Some(run)) if self.whose(run.within[0]) == Whose::Of(run.run) => Whose::Of(run.run),
            (_, _) => own,
        }
    }

    /// Can any run have shown what is between two readings?
    fn are_between(&self, from: Time<Local>, to: Time<Local>) -> bool {
        let begun = self.all.partition_point(|reach| reach.from <= to);
        begun.checked_sub(1).is_some_and(|last| from <= self.ends[last].0)
    }
}

#[cfg(test)]
mod tests;

//! Evidence of a clock laid over what the journal tells of it.
//!
//! Readings of which the true time is known come in the order in which somebody wrote them down, cut where he saw the clock set. The
//! runs of the journal cut them further, and join what is of one run. Then what is known is carried: within a run both
//! ways, over a jump by halves (see [`super::boots`]).

use std::collections::BTreeMap;

use truechimer_time::{Local, Span, Time};

use super::boots::{Run, RunId, Triples};
use super::held;
use super::{Contradiction, Course, Held, Knot, Rates, Stretch};
use crate::dialect::BootId;
use crate::interval::Interval;

/// Readings of a clock that was not set between them, as far as whoever wrote them down could see.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Piece {
    /// In the order in which they were written down.
    pub knots: Vec<Knot>,
    /// In which boot of the host, as its kernel calls it, if that is known.
    pub boot: Option<String>,
    /// Of what the clock showed before and after it nobody can tell anything by it: there it may have been anywhere.
    pub is_closed: bool,
}

impl From<Vec<Knot>> for Piece {
    fn from(knots: Vec<Knot>) -> Self {
        Self { knots, ..Self::default() }
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
            laying.lay(piece.into(), &spans);
        }
        let ids: Vec<BootId> = laying.boots.keys().copied().collect();
        for boot in ids {
            laying.carry(boot);
        }
        let mut course = Self::of(laying.stretches);
        course.keep_runs(laying.boots);
        (course.indexed(), laying.contradictions)
    }
}

#[derive(Default)]
struct Laying {
    boots: BTreeMap<BootId, Vec<Run>>,
    /// What is known of readings of each run.
    of_runs: BTreeMap<RunId, Vec<Knot>>,
    stretches: Vec<Stretch>,
    contradictions: Vec<Contradiction>,
    /// In some run or other somebody slews the clock.
    slews_at_all: bool,
    /// And not always to where it is less wrong.
    is_led_astray: bool,
}

impl Laying {
    /// Cuts a piece, and gives to each run what is its. What a knot says of the way to the next one holds if that one comes after it.
    /// What more than one run can have shown is of no use.
    fn lay(&mut self, piece: Piece, spans: &Spans) {
        let Piece { knots, boot, is_closed } = piece;
        self.is_led_astray |= is_closed;
        let piece = spans.with_ends(knots);
        let of: Vec<Whose> = piece.iter().map(|knot| spans.whose_of(knot.reading, &piece)).collect();
        let mut rest: Vec<Knot> = Vec::new();
        for (at, knot) in piece.iter().enumerate() {
            let next = piece.get(at + 1).zip(of.get(at + 1));
            let is_of_a_run = matches!(of[at], Whose::Of(_));
            self.slews_at_all |=
                !is_of_a_run && knot.is_slewed() && spans.are_between(knot.reading, knot.reading);
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
                        let knots = std::mem::take(&mut rest);
                        self.keep(Piece { knots, boot: boot.clone(), is_closed });
                    }
                }
            }
        }
    }

    fn give(&mut self, run: RunId, knot: Knot) {
        let width = self.boots[&run.0][run.1].width();
        self.of_runs.entry(run).or_default().push(knot.wider(width));
    }

    fn keep(&mut self, piece: Piece) {
        let Piece { knots, boot, is_closed } = piece;
        if knots.iter().any(Knot::is_slewed) {
            let stretches = held::stretches(&knots, is_closed).into_iter();
            self.stretches.extend(stretches.map(|stretch| Stretch { boot: boot.clone(), ..stretch }));
            return;
        }
        match Stretch::of(knots) {
            Ok(stretch) => {
                let closed = [is_closed; 2];
                self.stretches.push(Stretch { boot, closed, ..stretch });
            }
            Err(contradiction) => self.contradictions.push(contradiction),
        }
    }

    /// Carries what is known in one boot.
    fn carry(&mut self, boot: BootId) {
        let runs = self.boots[&boot].clone();
        let mut own: Vec<Option<Stretch>> = (0..runs.len()).map(|number| self.own((boot, number))).collect();
        let is_slewed =
            |own: &Option<Stretch>| own.as_ref().is_some_and(|own| own.knots.iter().any(Knot::is_slewed));
        let (at_all, is_led_astray) = (self.slews_at_all || self.is_led_astray, self.is_led_astray);
        let pace = Pace { slewed: own.iter().position(is_slewed), at_all, is_led_astray };
        for (run, own) in runs.iter().zip(&mut own) {
            if let Some(own) = own.as_mut().filter(|_| !is_led_astray) {
                own.hold_until(run.last.reading);
            }
        }
        let evidence =
            own.iter().flatten().flat_map(|stretch| &stretch.knots).map(|knot| knot.evidence).max();
        let Some(evidence) = evidence else { return };
        let mut ends: Vec<[Interval; 2]> = (0..runs.len())
            .map(|number| ends(&runs[number], own[number].as_ref(), [pace.before(number), pace.after()]))
            .collect();
        carry_forwards(&runs, pace, &mut ends);
        carry_backwards(&runs, pace, &mut ends);
        for (number, ((run, own), ends)) in runs.iter().zip(own).zip(ends).enumerate() {
            let mut knots = own.map(|own| own.knots).unwrap_or_default();
            for (pair, truth) in [run.first, run.last].into_iter().zip(ends) {
                let (rates, held, aside) = (pace.before(number), None, Span::ZERO);
                let end = Knot { reading: pair.reading, truth, rates, held, aside, evidence };
                put(&mut knots, end.wider(run.width()));
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

/// One more knot among others, or what it tells for the one that is there.
fn put(knots: &mut Vec<Knot>, one: Knot) {
    let at = knots.partition_point(|knot| knot.reading < one.reading);
    let there = knots.get_mut(at).filter(|there| there.reading == one.reading);
    match there.and_then(|there| Some((there.truth.meet(&one.truth)?, there))) {
        Some((both, there)) => there.truth = both,
        None => {
            let before = at.checked_sub(1).map(|before| knots[before].rates);
            let rates = before.map_or(one.rates, |rates| rates.or(one.rates));
            knots.insert(at, Knot { rates, ..one });
        }
    }
}

impl Knot {
    /// The same, if nothing is known of how the clock ran on, but whether it may have been slewed faster than others.
    fn loose(&self) -> Self {
        Self { rates: self.rates.or(Rates::ANY), held: None, ..*self }
    }

    /// The same, if the clock may have shown so much more or less.
    fn wider(&self, width: Span) -> Self {
        let Interval { earliest, best, latest } = self.truth;
        let truth = Interval { earliest: earliest - width, best, latest: latest + width };
        let held = self.held.map(|held| Held { min: held.min - width, max: held.max + width });
        Self { truth, held, ..*self }
    }
}

/// When the first and the last entry of a run were, by what is known of the run itself; before and after that the clock went as fast as this.
fn ends(run: &Run, own: Option<&Stretch>, [before, after]: [Rates; 2]) -> [Interval; 2] {
    let Some(own) = own else { return [Interval::EVER; 2] };
    let truth = |reading| own.truth_of(reading).unwrap_or(Interval::EVER);
    let begin = match own.knots.first().filter(|first| run.first.reading < first.reading) {
        Some(first) => first.backwards(run.first.reading, before),
        None => truth(run.first.reading),
    };
    let end = match own.knots.last().filter(|last| last.reading < run.last.reading) {
        Some(last) => last.forwards(run.last.reading, after),
        None => truth(run.last.reading),
    };
    [begin, end]
}

/// How fast the monotonic clock can have gone: as fast as any, but where somebody was at work who slews it.
#[derive(Clone, Copy)]
struct Pace {
    /// In this run it is known for the first time.
    slewed: Option<usize>,
    /// In some run or other.
    at_all: bool,
    /// Not always to where the clock is less wrong.
    is_led_astray: bool,
}

impl Pace {
    /// Before what is known of a run itself.
    fn before(self, run: usize) -> Rates {
        let is_slewed = self.at_all || self.slewed.is_some_and(|slewed| slewed < run);
        if is_slewed { Rates::SLEWED } else { Rates::ANY }
    }

    /// After what is known of a run itself: a correction only makes an error smaller.
    fn after(self) -> Rates {
        if self.is_led_astray { Rates::SLEWED } else { Rates::ANY }
    }

    /// By how much less true time can have gone by, in a run and up to the next one.
    fn lost(self, run: usize, gone: Span) -> Span {
        let is_slewed = self.at_all || self.slewed.is_some_and(|slewed| slewed <= run);
        let rates = if is_slewed { Rates::SLEWED } else { Rates::ANY };
        -rates.min.over(gone)
    }
}

/// True time goes by no slower than the monotonic clock, within its rate: so much later is no earlier than that.
fn carry_forwards(runs: &[Run], pace: Pace, ends: &mut [[Interval; 2]]) {
    for at in 0..runs.len() {
        if let Some(before) = at.checked_sub(1) {
            let gone = runs[at].first.mono - runs[before].last.mono;
            ends[at][0] = ends[at][0].no_sooner(&ends[before][1], gone, pace.lost(before, gone));
        }
        let gone = runs[at].last.mono - runs[at].first.mono;
        ends[at][1] = ends[at][1].no_sooner(&ends[at][0].clone(), gone, pace.lost(at, gone));
    }
}

/// The other half: so much earlier was no later than that.
fn carry_backwards(runs: &[Run], pace: Pace, ends: &mut [[Interval; 2]]) {
    for at in (0..runs.len()).rev() {
        if let Some(after) = ends.get(at + 1).map(|after| after[0]) {
            let gone = runs[at + 1].first.mono - runs[at].last.mono;
            ends[at][1] = ends[at][1].no_later(&after, gone, pace.lost(at, gone));
        }
        let gone = runs[at].last.mono - runs[at].first.mono;
        ends[at][0] = ends[at][0].no_later(&ends[at][1].clone(), gone, pace.lost(at, gone));
    }
}

impl Interval {
    fn no_sooner(self, before: &Self, gone: Span, lost: Span) -> Self {
        let best = if self.is_half_known() { self.best } else { before.best + gone };
        let earliest = self.earliest.max(before.earliest + gone - lost);
        Self { earliest, best, ..self }
    }

    fn no_later(self, after: &Self, gone: Span, lost: Span) -> Self {
        let best = if self.is_bounded() { self.best } else { after.best - gone };
        let latest = self.latest.min(after.latest - gone + lost);
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
    /// The first and the last readings of all runs, in order.
    entries: Vec<Time<Local>>,
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
        let mut entries: Vec<Time<Local>> = all.iter().flat_map(|reach| reach.within).collect();
        entries.sort_unstable();
        entries.dedup();
        Self { all, ends, entries }
    }

    /// The same piece with a knot more at each end of a run, where something is held all the way there.
    fn with_ends(&self, piece: Vec<Knot>) -> Vec<Knot> {
        if piece.iter().all(|knot| knot.held.is_none()) {
            return piece;
        }
        let mut all = Vec::with_capacity(piece.len());
        for (at, knot) in piece.iter().enumerate() {
            all.push(*knot);
            let Some((held, next)) = knot.held.zip(piece.get(at + 1)) else { continue };
            let begun = self.entries.partition_point(|entry| *entry <= knot.reading);
            let between = self.entries[begun..].iter().take_while(|entry| **entry < next.reading);
            all.extend(between.map(|reading| Knot {
                reading: *reading,
                truth: held.interval(*reading),
                ..*knot
            }));
        }
        all
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

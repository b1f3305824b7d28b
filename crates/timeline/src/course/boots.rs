//! What the journal tells of a host's clocks: never what time it was, but when the clock was set, and how much time went by.
//!
//! An entry of the journal has two readings of one moment, of the clock and of the monotonic clock, under the name of a boot. Linux steers
//! both clocks alike, so that they differ by the same as long as nobody sets the one and the machine does not sleep.
//!
//! ```text
//!  clock │                    ╱      a run: its clock was not set, and the machine did not sleep
//!        │                  ╱
//!        │          jump ──┘         either of the two; which of them the journal does not tell
//!        │       ╱╱
//!        │     ╱
//!        └──────────────────── monotonic clock, of one boot
//! ```
//!
//! - A run is a [`Stretch`]: what is known of readings in it is carried through all of it, and no further by the clock.
//! - Over a jump the monotonic clock carries one half: true time went by no slower than it did, within [`RATE_MAX`]. Sleep
//!   it does not count, and so nobody knows how much more went by. Where something is known on both sides, both halves are.
//! - Another boot has a monotonic clock of its own, and nothing is carried there.
//! - What has the name of a boot and a reading of the monotonic clock is of that run, whatever the clock showed again later.
//!
//! **Assumed:** a reading that only one of the runs can have shown is of that run. No machine sleeps while its clock is set so that
//! both cannot be seen.

use std::collections::BTreeMap;

use truechimer_time::{Local, Mono, Span, Time};

use super::{Course, RATE_MAX, Stretch, Truth};
use crate::dialect::BootId;
use crate::interval::Interval;
use crate::shown::Shown;

/// Two clocks are read one after the other, and who is interrupted between them reads the second one late. A clock that was set by less
/// than this is not seen; all that is claimed of a run is wider by as much as its readings differ.
const BETWEEN: Span = Span::from_millis(1);

/// As many readings of a host are kept before those are left out that tell nothing new.
const PAIRS: usize = 8192;

/// As many runs of a host are told apart, at most: what comes after them tells nothing.
const RUNS_MAX: usize = 1 << 16;

/// The kernel's messages are stamped by a clock of their own (`sched_clock`), which begins within so much of the monotonic clock and is not
/// steered.
const BEGINS_WITHIN: Span = Span::from_secs(1);

/// journald is at work so soon after the kernel, and before that no machine sleeps.
pub(super) const FIRST_ENTRY: Time<Mono> = Time::from_epoch(Span::from_secs(120));

/// Readings of the two clocks at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pair {
    pub(super) mono: Time<Mono>,
    pub(super) reading: Time<Local>,
}

impl Pair {
    fn apart(self) -> Span {
        self.reading.since_epoch() - self.mono.since_epoch()
    }
}

/// What the journal tells of a host's clocks, in the making.
#[derive(Clone, Debug, Default)]
pub struct Triples {
    boots: BTreeMap<BootId, Vec<Pair>>,
    pub(super) kept: usize,
    /// When there are so many, those that tell nothing new are left out.
    limit: usize,
    /// There are more than anybody could have made by setting a clock.
    is_full: bool,
}

impl Triples {
    /// Takes in what the two clocks showed at one moment.
    pub fn take_in(&mut self, boot: BootId, mono: Time<Mono>, reading: Time<Local>) {
        if self.is_full {
            return;
        }
        if self.kept >= self.limit.max(PAIRS) {
            self.thin();
            self.is_full = self.kept >= 2 * RUNS_MAX;
        }
        self.boots.entry(boot).or_default().push(Pair { mono, reading });
        self.kept += 1;
    }

    /// Takes in all that others told.
    pub fn join(&mut self, others: &Self) {
        for (boot, pairs) in &others.boots {
            pairs.iter().for_each(|pair| self.take_in(*boot, pair.mono, pair.reading));
        }
    }

    /// Of each run the ends are kept, and the readings that differ most.
    fn thin(&mut self) {
        for pairs in self.boots.values_mut() {
            pairs.sort_unstable();
            let kept = parts(pairs).flat_map(telling).collect();
            *pairs = kept;
        }
        self.kept = self.boots.values().map(Vec::len).sum();
        self.limit = 2 * self.kept;
    }

    pub(super) fn runs(mut self) -> BTreeMap<BootId, Vec<Run>> {
        self.thin();
        let mut boots = BTreeMap::new();
        for (boot, pairs) in &self.boots {
            let mut runs: Vec<Run> = parts(pairs).map(Run::of).collect();
            for at in 1..runs.len() {
                let gone = runs[at].first.mono - runs[at - 1].last.mono;
                runs[at].reach[0] = runs[at].first.reading - gone;
                runs[at - 1].reach[1] = runs[at - 1].last.reading + gone;
            }
            boots.insert(*boot, runs);
        }
        boots
    }
}

/// What was read in one run each, in the order of the monotonic clock.
fn parts(pairs: &[Pair]) -> impl Iterator<Item = &[Pair]> {
    let mut rest = pairs;
    std::iter::from_fn(move || {
        let (mut min, mut max) = (rest.first()?.apart(), rest.first()?.apart());
        let end = rest.iter().position(|pair| {
            (min, max) = (min.min(pair.apart()), max.max(pair.apart()));
            max - min > BETWEEN
        });
        let (part, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        Some(part)
    })
}

/// The ends of a run, and the readings that differ most, in their order.
fn telling(part: &[Pair]) -> Vec<Pair> {
    let by_apart = |pair: &&Pair| pair.apart();
    let ends =
        [part.first(), part.last(), part.iter().min_by_key(by_apart), part.iter().max_by_key(by_apart)];
    let mut telling: Vec<Pair> = ends.into_iter().flatten().copied().collect();
    telling.sort_unstable();
    telling.dedup();
    telling
}

/// From its first entry to its last one the clock was not set, and the machine did not sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) first: Pair,
    pub(super) last: Pair,
    /// The clock minus the monotonic clock, as they were read.
    apart_min: Span,
    apart_max: Span,
    /// The clock can have shown readings from here to there in this run: those of the time since the run before it and up to the next
    /// one as well.
    pub(super) reach: [Time<Local>; 2],
    /// Which stretch of the course it is, if anything is known of it.
    pub(super) stretch: Option<usize>,
}

/// Which run, by its boot and its number in it.
pub(super) type RunId = (BootId, usize);

impl Run {
    fn of(part: &[Pair]) -> Self {
        let (first, last) = (part[0], part[part.len() - 1]);
        let aparts = || part.iter().map(|pair| pair.apart());
        let apart_min = aparts().min().unwrap_or_else(|| first.apart());
        let apart_max = aparts().max().unwrap_or_else(|| first.apart());
        let begun = first.mono.min(FIRST_ENTRY).since_epoch();
        let reach = [first.reading - begun, last.reading];
        Self { first, last, apart_min, apart_max, reach, stretch: None }
    }

    fn has(&self, mono: Time<Mono>) -> bool {
        self.first.mono <= mono && mono <= self.last.mono
    }

    /// So exactly the two clocks were read.
    pub(super) fn width(&self) -> Span {
        self.apart_max - self.apart_min
    }
}

impl Course {
    /// When the clock showed what it showed, for a line that says under which boot, and what the monotonic clock showed. It is of the
    /// run that these tell, or, if the journal has none, of any.
    pub fn truth_under(&self, boot: BootId, mono: Time<Mono>, shown: &Shown) -> Option<Truth> {
        let runs = self.boots.get(&boot).map_or(&[][..], |runs| runs);
        let after = runs.partition_point(|run| run.first.mono <= mono);
        match after.checked_sub(1).map(|at| &runs[at]).filter(|run| run.has(mono)) {
            Some(run) => run.stretch.and_then(|at| self.by_stretch(at, shown)),
            None => self.truth(shown),
        }
    }

    pub(super) fn reach_of(&self, stretch: &Stretch) -> Option<[Time<Local>; 2]> {
        let (boot, number) = stretch.run?;
        let [from, to] = self.boots.get(&boot)?[number].reach;
        let [first, last] = stretch.ends()?;
        Some([from.min(first.reading), to.max(last.reading)])
    }

    /// Nothing is known of some run of the journal, and it can have shown this as well.
    pub(super) fn may_be_of_an_unknown_run(&self, shown: &Shown) -> bool {
        let after = self.unknown.partition_point(|[_, to]| *to < shown.from);
        self.unknown.get(after).is_some_and(|[from, _]| *from <= shown.to)
    }

    /// Keeps what the journal tells, and in which stretch each run is.
    pub(super) fn keep_runs(&mut self, mut boots: BTreeMap<BootId, Vec<Run>>) {
        for (at, stretch) in self.stretches.iter().enumerate() {
            let run = stretch.run.and_then(|(boot, number)| boots.get_mut(&boot)?.get_mut(number));
            if let Some(run) = run {
                run.stretch = Some(at);
            }
        }
        let unknown = boots.values().flatten().filter(|run| run.stretch.is_none());
        let mut unknown: Vec<[Time<Local>; 2]> = unknown.map(|run| run.reach).collect();
        unknown.sort_unstable();
        self.unknown.clear();
        for [from, to] in unknown {
            match self.unknown.last_mut().filter(|last| from <= last[1]) {
                Some(last) => last[1] = last[1].max(to),
                None => self.unknown.push([from, to]),
            }
        }
        self.boots = boots;
    }

    /// When the kernel stamped a message, so long after the beginning of a boot. Nothing is claimed once the machine may have slept:
    /// whether that clock counts sleep is another matter on each machine.
    pub fn since_boot(&self, boot: BootId, since: Time<Mono>, resolution: Span) -> Option<Truth> {
        let runs = self.boots.get(&boot)?;
        let slack = BEGINS_WITHIN + RATE_MAX.over(since.since_epoch());
        let [from, to] = [since - slack, since + resolution + slack];
        let jumps = runs.windows(2).filter(|runs| runs[0].apart_max < runs[1].apart_min);
        if jumps.map(|runs| runs[0].last.mono).any(|jump| jump < to) {
            return None;
        }
        let (first, last) = (runs.first()?, runs.last()?);
        let evidence = self.stretches[first.stretch?].knots.iter().map(|knot| knot.evidence).max()?;
        // Before the first entry of the journal nobody set the clock but by the monotonic clock's own beginning.
        let is_early = first.first.mono <= FIRST_ENTRY;
        if from < first.first.mono && !is_early || last.last.mono < to {
            return None;
        }
        let interval = Interval {
            earliest: self.carried(runs, from)?.earliest,
            best: self.carried(runs, since)?.best,
            latest: self.carried(runs, to)?.latest,
        };
        Some(Truth { interval, evidence, stretch: None })
    }

    /// When the monotonic clock showed a reading, before any sleep: forwards and backwards from the runs around it.
    fn carried(&self, runs: &[Run], mono: Time<Mono>) -> Option<Interval> {
        let after = runs.partition_point(|run| run.first.mono <= mono);
        let run = &runs[after.saturating_sub(1)];
        let stretch = &self.stretches[run.stretch?];
        let at = |apart: Span| Time::from_epoch(mono.since_epoch() + apart);
        let (from, _) = stretch.truth(at(run.apart_min))?;
        let (to, _) = stretch.truth(at(run.apart_max))?;
        Some(Interval { earliest: from.earliest, best: from.best, latest: to.latest })
    }
}

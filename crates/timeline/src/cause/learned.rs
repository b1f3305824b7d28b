//! What pairs tell of when their lines were written, and of the clocks that stamped them.
//!
//! Each marked line is a moment, and so is each reading of a clock that stood in one:
//!
//! ```text
//!     web   ──E──────────E───────E──   readings of one clock that was not set: so far apart as its rates allow
//!             │ L        │ L     │     lines, where the clock showed from .. to
//!             ╰───╲      ╰──╲          pairs
//!     db    ───E───╲──E──────╲─E────
//! ```
//!
//! Of a clock without evidence nothing says that it was not set between two lines: then only the marked lines themselves are moments,
//! unless the user says so ([`Course::unset`]).
//!
//! [`Course::unset`]: crate::course::Course::unset

use std::collections::BTreeMap;

use truechimer_time::{Local, Span, Time};

use super::moments::{Bounds, Edge, Ends, Impossible, Moments, Why};
use super::pairs::{Found, Marked, Place};
use crate::course::{Evidence, Truth};
use crate::interval::Interval;
use crate::story::{Host, Hosts, When, at_its_word};

/// So many contradictions are looked for one by one at most, beside those of a pair and the evidence of its own two lines. Each takes
/// about as long as all else does, so that there are fewer where there are many moments: so many times moments are looked at.
const CONTRADICTIONS: [usize; 2] = [64, 1024];

/// See [`CONTRADICTIONS`].
const WORK_MAX: usize = 1 << 25;

/// A line lies between what its clock showed from and to, give or take this: more than all rounding.
const SLACK: Span = Span::from_nanos(1);

/// Where there is room, what was received is read so much after what was sent.
const APART: Span = Span::from_micros(1);

/// One of several things that cannot all be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    /// A line was not before a moment, by the evidence of its host.
    NotBefore {
        /// Its number among the marked ones.
        line: usize,
        /// Since the epoch of TAI.
        at: Span,
    },
    /// A pair of lines, by its number.
    Pair(usize),
    /// One clock stamped two lines, and it was not set between them.
    Clock {
        /// The one that is a known time before the other.
        earlier: usize,
        /// The other.
        later: usize,
    },
    /// A line was not after a moment, by the evidence of its host.
    NotAfter {
        /// Its number among the marked ones.
        line: usize,
        /// Since the epoch of TAI.
        at: Span,
    },
}

/// What cannot all be true. Without any one of its members the others could be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// Each begins where the one before it ends.
    pub members: Vec<Member>,
    /// They are impossible by so much.
    pub by: Span,
}

/// What the pairs tell.
#[derive(Clone, Debug)]
pub struct Learned {
    /// When each marked line was written, by all that is known.
    pub truths: Vec<Option<Truth>>,
    /// What cannot all be true. The pairs among it are left out.
    pub contradictions: Vec<Contradiction>,
    /// There were more contradictions than can be looked for: all pairs are left out.
    pub gave_up: bool,
    pub(super) web: Web,
    pub(super) bounds: Vec<Bounds>,
}

/// Lines and readings as moments. Those of the lines come first, by their numbers.
#[derive(Clone, Debug)]
pub(super) struct Web {
    pub(super) moments: Moments,
    /// The clock that stamped a line, if it was not set between it and others.
    pub(super) clock_of: Vec<Option<usize>>,
    clocks: Vec<Clock>,
    /// The line that tells of a moment.
    line_of: Vec<usize>,
}

/// A stretch of a host's course.
#[derive(Clone, Debug)]
struct Clock {
    host: usize,
    stretch: usize,
    /// What it showed in marked lines, and the moments at which it did.
    readings: BTreeMap<Time<Local>, usize>,
}

impl Learned {
    /// What the pairs tell, beside the evidence of the hosts.
    pub fn of(hosts: &Hosts, found: &Found) -> Self {
        Self::within(hosts, found, CONTRADICTIONS)
    }

    /// With so many contradictions looked for one by one, where there are many moments and where there are few.
    fn within(hosts: &Hosts, found: &Found, [few, many]: [usize; 2]) -> Self {
        let mut web = Web::of(hosts, found);
        let mut contradictions = web.without_plain_contradictions(found);
        let most = contradictions.len() + (WORK_MAX / web.line_of.len().max(1)).clamp(few, many);
        let mut gave_up = false;
        let bounds = loop {
            if gave_up {
                web.moments.edges.retain(|edge| matches!(edge.why, Why::Clock(_)));
            }
            match web.moments.solve() {
                Ok(bounds) => break bounds,
                Err(impossible) => {
                    contradictions.push(web.contradiction(&impossible));
                    web.leave_out(&impossible);
                    gave_up |= contradictions.len() > most;
                }
            }
        };
        let truths = web.truths(hosts, found, &bounds);
        Self { truths, contradictions, gave_up, web, bounds }
    }

    /// Makes the courses of the hosts as narrow as the pairs allow, so that other lines of theirs gain too.
    pub fn teach(&self, hosts: &mut Hosts) {
        let wanted = self.web.moments_best(hosts, &self.truths, &self.bounds);
        for clock in &self.web.clocks {
            let course = &mut hosts.host_mut(clock.host).course;
            let narrowed: Vec<(Time<Local>, Interval)> = clock
                .readings
                .iter()
                .filter(|(reading, _)| course.reaches(clock.stretch, **reading))
                .filter_map(|(reading, moment)| {
                    let was = course.stretches()[clock.stretch].even(*reading);
                    let Ends { earliest, latest } = self.bounds[*moment].ends;
                    let is_narrower = was.earliest.since_epoch() + SLACK < earliest
                        || latest < was.latest.since_epoch() - SLACK;
                    let [earliest, best, latest] = [earliest, wanted[*moment], latest].map(Time::from_epoch);
                    is_narrower.then_some((*reading, Interval { earliest, best, latest }))
                })
                .collect();
            // What was solved agrees with itself. If rounding should spoil it, the course stays as wide as it was.
            let _spoilt = course.narrow(clock.stretch, &narrowed);
        }
    }

    /// What is known of the marked lines of a log, by their numbers in it.
    pub fn of_log(&self, found: &Found, log: usize) -> BTreeMap<u64, Truth> {
        let of_log = found.lines.iter().zip(&self.truths).filter(|(line, _)| line.place.log == log);
        of_log.filter_map(|(line, truth)| Some((line.place.number, (*truth)?))).collect()
    }

    /// The lines whose own evidence tells that a line was not earlier, and not later.
    pub fn stems_from(&self, line: usize) -> [usize; 2] {
        self.bounds[line].from.map(|moment| self.web.line_of[moment])
    }
}

impl Web {
    fn of(hosts: &Hosts, found: &Found) -> Self {
        let ends = found.lines.iter().map(|line| ends(line.when.truth.map(|truth| truth.interval)));
        let mut web = Self {
            moments: Moments { ends: ends.collect(), edges: Vec::new() },
            clock_of: vec![None; found.lines.len()],
            clocks: Vec::new(),
            line_of: (0..found.lines.len()).collect(),
        };
        let mut numbers = BTreeMap::new();
        for (number, line) in found.lines.iter().enumerate() {
            let Some(stretch) = stretch(hosts.host(line.host), &line.when) else { continue };
            let clock = *numbers.entry((line.host, stretch)).or_insert_with(|| {
                web.clocks.push(Clock { host: line.host, stretch, readings: BTreeMap::new() });
                web.clocks.len() - 1
            });
            web.clock_of[number] = Some(clock);
            web.stamp(hosts, clock, number, line);
        }
        web.join_readings(hosts);
        web.moments.edges.extend(
            found.pairs.iter().enumerate().filter(|(_, pair)| pair.sent != pair.received).map(
                |(number, pair)| Edge {
                    earlier: pair.sent,
                    later: pair.received,
                    least: pair.least,
                    why: Why::Pair(number),
                },
            ),
        );
        web
    }

    /// A line was written while its clock went from one reading to another.
    fn stamp(&mut self, hosts: &Hosts, clock: usize, number: usize, line: &Marked) {
        let shown = line.when.shown;
        let stretch = &hosts.host(line.host).course.stretches()[self.clocks[clock].stretch];
        let [from, to] = [shown.from, shown.to].map(|reading| {
            *self.clocks[clock].readings.entry(reading).or_insert_with(|| {
                self.moments.ends.push(ends(Some(stretch.even(reading))));
                self.line_of.push(number);
                self.line_of.len() - 1
            })
        });
        let why = Why::Clock(clock);
        let least = |reading| -(stretch.aside(reading) + SLACK);
        self.moments.edges.extend([
            Edge { earlier: from, later: number, least: least(shown.from), why },
            Edge { earlier: number, later: to, least: least(shown.to), why },
        ]);
    }

    /// Readings that follow each other are so far apart as the rates between them allow.
    fn join_readings(&mut self, hosts: &Hosts) {
        for (number, clock) in self.clocks.iter().enumerate() {
            let stretch = &hosts.host(clock.host).course.stretches()[clock.stretch];
            for ((from, earlier), (to, later)) in clock.readings.iter().zip(clock.readings.iter().skip(1)) {
                let [least, most] = stretch.gone(*from, *to);
                let (earlier, later, why) = (*earlier, *later, Why::Clock(number));
                self.moments.edges.extend([
                    Edge { earlier, later, least, why },
                    Edge { earlier: later, later: earlier, least: -most, why },
                ]);
            }
        }
    }

    /// Leaves out all pairs that contradict the evidence of their own two lines.
    fn without_plain_contradictions(&mut self, found: &Found) -> Vec<Contradiction> {
        let mut contradictions = Vec::new();
        let mut is_out = vec![false; found.pairs.len()];
        for (number, pair) in found.pairs.iter().enumerate() {
            let at = self.moments.ends[pair.sent].earliest;
            let limit = self.moments.ends[pair.received].latest;
            if limit < at + pair.least && pair.sent != pair.received {
                let members = vec![
                    Member::NotBefore { line: pair.sent, at },
                    Member::Pair(number),
                    Member::NotAfter { line: pair.received, at: limit },
                ];
                contradictions.push(Contradiction { members, by: at + pair.least - limit });
                is_out[number] = true;
            }
        }
        self.moments.edges.retain(|edge| !matches!(edge.why, Why::Pair(pair) if is_out[pair]));
        contradictions
    }

    /// Leaves out the pairs among what is impossible; if there are none, a clock was set that is not said to have been.
    fn leave_out(&mut self, impossible: &Impossible) {
        let mut whys: Vec<Why> = impossible.edges.iter().map(|edge| self.moments.edges[*edge].why).collect();
        let has_pairs = whys.iter().any(|why| matches!(why, Why::Pair(_)));
        whys.retain(|why| matches!(why, Why::Pair(_)) || !has_pairs);
        whys.sort();
        whys.dedup();
        let is_out = |why: &Why| whys.binary_search(why).is_ok();
        for clock in self.clock_of.iter_mut() {
            *clock = clock.filter(|clock| !is_out(&Why::Clock(*clock)));
        }
        for (number, clock) in self.clocks.iter_mut().enumerate() {
            if is_out(&Why::Clock(number)) {
                clock.readings.clear();
            }
        }
        self.moments.edges.retain(|edge| !is_out(&edge.why));
    }

    /// By name.
    fn contradiction(&self, impossible: &Impossible) -> Contradiction {
        let mut edges: Vec<Edge> = impossible.edges.iter().map(|edge| self.moments.edges[*edge]).collect();
        let is_pair = |edge: &Edge| matches!(edge.why, Why::Pair(_));
        if !impossible.has_ends
            && let Some(first) = edges.iter().position(is_pair)
        {
            edges.rotate_left(first);
        }
        let mut members = Vec::new();
        if let Some(first) = edges.first().filter(|_| impossible.has_ends) {
            let at = self.moments.ends[first.earlier].earliest;
            members.push(Member::NotBefore { line: self.line_of[first.earlier], at });
        }
        for run in edges.chunk_by(|one, other| one.why == other.why) {
            let (earlier, later) = (self.line_of[run[0].earlier], self.line_of[run[run.len() - 1].later]);
            match run[0].why {
                Why::Pair(pair) => members.push(Member::Pair(pair)),
                Why::Clock(_) if earlier != later => members.push(Member::Clock { earlier, later }),
                Why::Clock(_) => {}
            }
        }
        if let Some(last) = edges.last().filter(|_| impossible.has_ends) {
            let at = self.moments.ends[last.later].latest;
            members.push(Member::NotAfter { line: self.line_of[last.later], at });
        }
        Contradiction { members, by: impossible.by }
    }

    fn truths(&self, hosts: &Hosts, found: &Found, bounds: &[Bounds]) -> Vec<Option<Truth>> {
        let own = |line: &Marked| line.when.truth;
        let before: Vec<Option<Truth>> = found.lines.iter().map(own).collect();
        let best = self.moments_best(hosts, &before, bounds);
        let truth = |(number, line): (usize, &Marked)| {
            let Ends { earliest, latest } = bounds[number].ends;
            let [earliest, best, latest] = [earliest, best[number], latest].map(Time::from_epoch);
            let interval = Interval { earliest, best, latest };
            if bounds[number].ends == self.moments.ends[number] {
                return line.when.truth.map(|truth| Truth { interval, ..truth });
            }
            let stretch = self.clock_of[number].map(|clock| self.clocks[clock].stretch);
            Some(Truth { interval, evidence: Evidence::Causality, stretch })
        };
        found.lines.iter().enumerate().map(truth).collect()
    }

    /// A likely moment for each, all of them possible together: only for reading.
    fn moments_best(&self, hosts: &Hosts, truths: &[Option<Truth>], bounds: &[Bounds]) -> Vec<Span> {
        let mut wanted: Vec<Span> = bounds.iter().map(|bounds| likely(bounds.ends, None)).collect();
        for (number, truth) in truths.iter().enumerate() {
            let known = truth.map(|truth| truth.interval).filter(Interval::is_bounded);
            wanted[number] = likely(bounds[number].ends, known.map(|known| known.best.since_epoch()));
        }
        for clock in &self.clocks {
            let stretch = &hosts.host(clock.host).course.stretches()[clock.stretch];
            for (reading, moment) in &clock.readings {
                let even = Some(stretch.even(*reading)).filter(Interval::is_bounded);
                let ends = bounds[*moment].ends;
                let by_its_word = || at_its_word(*reading, *reading).since_epoch();
                let own = even.map(|even| even.best.since_epoch());
                wanted[*moment] = likely(ends, own.or_else(|| (ends.latest == Span::MAX).then(by_its_word)));
            }
        }
        let limits: Vec<Span> = bounds.iter().map(|bounds| bounds.ends.latest).collect();
        let possible = |apart| self.moments.possible(wanted.clone(), &limits, apart);
        possible(APART).or_else(|| possible(Span::ZERO)).unwrap_or(wanted)
    }
}

/// What was likely before, as far as it is possible; else what is in the middle, or so early that it is in nobody's way.
fn likely(ends: Ends, own: Option<Span>) -> Span {
    let Ends { earliest, latest } = ends;
    let (is_after, is_before) = (earliest > Span::MIN, latest < Span::MAX);
    match own {
        Some(own) => own.clamp(earliest, latest),
        None if is_after && is_before => earliest + (latest - earliest) / 2,
        None if is_after => earliest,
        None => latest.min(Span::ZERO),
    }
}

fn ends(interval: Option<Interval>) -> Ends {
    interval.map_or(Ends::NONE, |interval| Ends {
        earliest: interval.earliest.since_epoch(),
        latest: interval.latest.since_epoch(),
    })
}

/// In which stretch of its host's course a line is for certain.
fn stretch(host: &Host, when: &When) -> Option<usize> {
    if !when.shown.is_known() {
        return None;
    }
    let known = when.truth.and_then(|truth| truth.stretch);
    // A clock that may be slewed at any rate tells nothing of what was between two lines.
    let has_rates = |stretch: &usize| !host.course.stretches()[*stretch].is_held();
    known.filter(has_rates).or_else(|| host.course.is_bare().then_some(0))
}

impl Place {
    /// A line of a log: the log counted from 0, the line from 1.
    pub fn of(log: usize, number: u64) -> Self {
        Self { log, number }
    }
}

#[cfg(test)]
mod tests;

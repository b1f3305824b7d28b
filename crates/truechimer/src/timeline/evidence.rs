//! The history of a host's daemon as the course of its clock.
//!
//! ```text
//!  line of the history        knot
//!  ───────────────────        ────
//!  clock and counter     ──►  the reading of the clock
//!  model, at the counter ──►  the interval of true time then
//!  limits of the rate    ──►  how true time went by the clock up to the next line
//! ```
//!
//! Where the clock is not where its rate would have brought it, it was set, and a stretch ends. One ends also where the machine
//! slept, where nothing is known, and where the daemon began anew.

use std::cmp::Reverse;
use std::io::BufReader;
use std::path::Path;

use anyhow::Context;
use truechimer_core::discipline::model::Model;
use truechimer_model::page::SLEEP_MIN;
use truechimer_time::{Civil, Rate, Span, Time};
use truechimer_timeline::course::{Contradiction, Course, Evidence, Knot, Piece, Rates, Triples};
use truechimer_timeline::dialect::BootId;
use truechimer_timeline::evidence::chrony::Tracking;
use truechimer_timeline::evidence::measured::Measurements;
use truechimer_timeline::evidence::ntpd::Rawstats;
use truechimer_timeline::evidence::peerstats::Peerstats;
use truechimer_timeline::interval::Interval;
use truechimer_timeline::lines::Lines;
use truechimer_timeline::shown::Shown;

use super::inputs::{self, Input, Kind};
use crate::history::{At, Entry, History, What};

/// The clock may go so far beside the way that the lines tell: this part of the bound (docs/formats/history.md).
const ASIDE: i64 = 10;

/// Two clocks are read one after the other, and rates are whole parts of a tick.
const READING_WIDTH: Span = Span::from_micros(20);

/// What is computed of rates is rounded to this, outwards.
const ROUNDING: f64 = 1e-12;

/// The course of a host's clock, by the strongest evidence among its files and by what its journal tells. Servers of an ntpd that did not
/// write down how right they were are `within` what somebody says.
///
/// # Errors
/// A file cannot be read, with its name.
pub fn of(inputs: &[&Input], triples: Triples, within: Option<Span>) -> anyhow::Result<Course> {
    let history = history(inputs)?;
    let (course, contradictions) = if !history.entries.is_empty() {
        course(&history.entries, triples)
    } else if inputs.iter().any(|input| input.kind == Kind::Tracking) {
        of_chronyd(inputs, triples)?
    } else {
        of_ntpd(inputs, triples, within)?
    };
    tell(host(inputs), &contradictions);
    if let Some(advice) = advice(inputs, within).filter(|_| course.stretches().is_empty()) {
        eprintln!("truechimer: {}: {advice}", host(inputs));
    }
    Ok(course)
}

fn history(inputs: &[&Input]) -> anyhow::Result<History> {
    let mut histories: Vec<_> = inputs.iter().filter(|input| input.kind == Kind::History).collect();
    // The oldest has the highest number; the newest has none.
    histories.sort_by_key(|input| Reverse(number(&input.path)));
    let mut history = History::default();
    for input in histories {
        let file = BufReader::new(inputs::open(&input.path)?);
        history.take_in(file).with_context(|| format!("cannot read {}", input.path.display()))?;
    }
    Ok(history)
}

fn of_chronyd(inputs: &[&Input], triples: Triples) -> anyhow::Result<(Course, Vec<Contradiction>)> {
    let (mut tracking, mut measurements) = (Tracking::default(), Measurements::default());
    each_line(inputs, Kind::Tracking, |line| tracking.take_in(line))?;
    each_line(inputs, Kind::Measurements, |line| measurements.take_in(line))?;
    tell_left_out(host(inputs), "measurements.log", measurements.left_out());
    Ok(tracking.course(measurements, triples))
}

fn of_ntpd(
    inputs: &[&Input],
    triples: Triples,
    within: Option<Span>,
) -> anyhow::Result<(Course, Vec<Contradiction>)> {
    let mut rawstats = Rawstats::within(within);
    each_line(inputs, Kind::Rawstats, |line| rawstats.take_in(line))?;
    tell_left_out(host(inputs), "rawstats", rawstats.left_out());
    let Some(within) = within.filter(|_| rawstats.is_empty()) else { return Ok(rawstats.course(triples)) };
    let mut peerstats = Peerstats::within(within);
    each_line(inputs, Kind::Peerstats, |line| peerstats.take_in(line))?;
    tell_left_out(host(inputs), "peerstats", peerstats.left_out());
    Ok(peerstats.course(triples))
}

fn tell_left_out(host: &str, file: &str, left_out: u64) {
    if left_out > 0 {
        eprintln!("truechimer: {host}: {left_out} exchanges in {file} are too many, and left out");
    }
}

/// Of evidence that bounds no clock by itself: what makes it worth something.
fn advice(inputs: &[&Input], within: Option<Span>) -> Option<String> {
    let has = |kind| inputs.iter().any(|input| input.kind == kind);
    if has(Kind::Measurements) && !has(Kind::Tracking) {
        let text =
            "chronyd's measurements.log tells nothing without its tracking.log (log tracking in chrony.conf)";
        return Some(text.to_owned());
    }
    let is_unsaid = within.is_none() && (has(Kind::Peerstats) || has(Kind::Rawstats));
    is_unsaid.then(|| {
        let host = host(inputs);
        format!("what its ntpd left does not say how right the servers were: if you know it, --servers-within {host}=10ms")
    })
}

/// The course of a clock whose daemon has left this.
pub fn of_history(host: &str, history: &History) -> Course {
    let (course, contradictions) = course(&history.entries, Triples::default());
    tell(host, &contradictions);
    course
}

/// How much more is known of the moments of a history than was known then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refined {
    /// At so many moments something was written down.
    pub moments: usize,
    /// At so many of them it is known better now, by a tenth of the bound or more.
    pub narrowed: usize,
    /// Where most was gained: the bound then, and now.
    pub most: Option<[Span; 2]>,
}

impl Refined {
    /// By what was measured later: what the daemon wrote down then, and what the whole history says now.
    pub fn of(history: &History, course: &Course) -> Self {
        let mut refined = Self::default();
        for Entry { at, what } in &history.entries {
            let What::Known { model: Some(model), .. } = what else { continue };
            let then = model.read(at.raw).bound();
            let shown = Shown { from: at.local, to: at.local, doubt: None };
            let known = course.truth(&shown).map(|truth| truth.interval).filter(Interval::is_bounded);
            let Some(now) = known.map(|interval| interval.bound()) else { continue };
            refined.moments += 1;
            if now < then - then / 10 {
                refined.narrowed += 1;
                let gain = |[then, now]: &[Span; 2]| *then - *now;
                refined.most = refined.most.into_iter().chain([[then, now]]).max_by_key(gain);
            }
        }
        refined
    }
}

fn tell(host: &str, contradictions: &[Contradiction]) {
    for Contradiction { before, after } in contradictions {
        let [before, after] =
            [before, after].map(|reading| Civil::of(Time::from_epoch(reading.since_epoch())));
        eprintln!(
            "truechimer: {host}: what is known of its clock at {before} and at {after} cannot both be true; it was set between, or the evidence is false: the time around is not told"
        );
    }
}

fn host<'a>(inputs: &[&'a Input]) -> &'a str {
    inputs.first().map_or("", |input| &input.host)
}

/// All lines of the files of a kind, those first that were written first.
fn each_line(inputs: &[&Input], kind: Kind, mut take_in: impl FnMut(&[u8])) -> anyhow::Result<()> {
    let mut logs: Vec<_> = inputs.iter().filter(|input| input.kind == kind).collect();
    logs.sort_by_key(|input| input.written);
    for input in &logs {
        let mut lines = Lines::of(inputs::open(&input.path)?);
        while lines.advance().with_context(|| format!("cannot read {}", input.path.display()))? {
            take_in(lines.line().bytes);
        }
    }
    Ok(())
}

fn number(path: &Path) -> u32 {
    path.extension().and_then(|end| end.to_str()).and_then(|end| end.parse().ok()).unwrap_or(0)
}

/// The course of a clock, from the lines of its history, the oldest first, and what its journal tells; and where that contradicts
/// itself.
pub fn course(entries: &[Entry], triples: Triples) -> (Course, Vec<Contradiction>) {
    let mut making = Making::default();
    for (entry, foretold) in entries.iter().zip(first_models(entries)) {
        making.take_in(entry, foretold);
    }
    making.end_stretch();
    let (course, mut contradictions) = Course::laid(making.pieces, triples);
    contradictions.extend(making.contradictions);
    (course, contradictions)
}

/// For each line the first model that was known from it on, of the same counter: what it says of earlier readings of that
/// counter was not known then, and is now.
fn first_models(entries: &[Entry]) -> Vec<Option<Model>> {
    let mut first = None;
    let mut models: Vec<Option<Model>> = Vec::with_capacity(entries.len());
    for (at, entry) in entries.iter().enumerate().rev() {
        if let What::Known { model: Some(model), .. } = &entry.what {
            first = Some(*model);
        }
        models.push(first);
        if begins_anew(entry, at.checked_sub(1).map(|before| &entries[before].at)) {
            first = None;
        }
    }
    models.reverse();
    models
}

/// Does nothing that was known before hold from this line on?
fn begins_anew(entry: &Entry, last: Option<&At>) -> bool {
    let is_void = matches!(entry.what, What::Born { .. } | What::Known { model: None, .. });
    is_void || last.is_some_and(|last| is_other(last, &entry.at))
}

/// Has the counter begun anew, or stood still?
fn is_other(last: &At, at: &At) -> bool {
    at.raw < last.raw || (at.asleep - last.asleep).abs() > SLEEP_MIN
}

#[derive(Default)]
struct Making {
    pieces: Vec<Piece>,
    contradictions: Vec<Contradiction>,
    knots: Vec<Knot>,
    /// As the kernel calls it.
    boot: Option<String>,
    /// The clocks at the last line.
    last: Option<At>,
    /// What is known since.
    model: Option<Model>,
    /// How fast the clock runs on the counter, if that is known.
    rate: Option<Rate>,
}

impl Making {
    fn take_in(&mut self, entry: &Entry, foretold: Option<Model>) {
        let at = entry.at;
        if begins_anew(entry, self.last.as_ref()) {
            self.end_stretch();
            self.model = None;
        }
        if self.last.is_some_and(|last| is_other(&last, &at)) || matches!(entry.what, What::Born { .. }) {
            (self.last, self.rate) = (None, None);
        }
        self.model = self.model.or(foretold);
        if self.was_set(&at) {
            self.end_stretch();
        }
        self.knot(&at);
        self.last = Some(at);
        match &entry.what {
            What::Told(_) | What::Known { model: None, .. } => {}
            What::Born { boot, .. } => self.boot = as_journald_writes(boot),
            What::Runs(rate) => self.rate = Some(*rate),
            What::Known { model: Some(model), .. } => {
                self.model = Some(*model);
                self.knot(&at);
            }
        }
    }

    /// Is the clock elsewhere than its rate would have brought it?
    fn was_set(&self, at: &At) -> bool {
        let (Some(last), Some(rate)) = (self.last, self.rate) else { return false };
        let gone = at.raw - last.raw;
        let beside = (at.local - last.local) - gone - rate.over(gone);
        beside.abs() > self.aside(at) + READING_WIDTH
    }

    fn aside(&self, at: &At) -> Span {
        self.model.map_or(Span::ZERO, |model| model.read(at.raw).bound() / ASIDE)
    }

    /// What is known at these readings, and how the clock went up to them.
    fn knot(&mut self, at: &At) {
        let Some(model) = self.model else { return };
        let reading = model.read(at.raw);
        let truth = Interval { earliest: reading.earliest, best: reading.best, latest: reading.latest };
        let aside = self.aside(at) + READING_WIDTH;
        let rates = Rates::ANY;
        let knot = Knot { reading: at.local, truth, rates, held: None, aside, evidence: Evidence::History };
        if let (Some(before), Some(last)) = (self.knots.last_mut(), self.last)
            && last.local == before.reading
            && last.raw < at.raw
        {
            before.rates = rates_between(&model, &last, at);
            before.aside = before.aside.max(aside);
        }
        match self.knots.last_mut().filter(|before| before.reading == at.local) {
            None => self.knots.push(knot),
            Some(same) => match same.truth.meet(&truth) {
                Some(both) => same.truth = both,
                // What was known before is proved wrong; nobody can say since when.
                None => {
                    self.contradictions.push(Contradiction { before: at.local, after: at.local });
                    self.knots = vec![knot];
                }
            },
        }
    }

    fn end_stretch(&mut self) {
        let knots = std::mem::take(&mut self.knots);
        self.pieces.push(Piece { knots, boot: self.boot.clone(), is_closed: false });
    }
}

/// The kernel writes the name of a boot with hyphens, journald without.
fn as_journald_writes(boot: &str) -> Option<String> {
    let named = BootId::parse(boot.as_bytes()).map_or_else(|| boot.to_owned(), |boot| boot.to_string());
    Some(named).filter(|named| named != "unknown")
}

/// How fast true time went by the clock, from what is certain of the counter and from where the clock came to.
fn rates_between(model: &Model, from: &At, to: &At) -> Rates {
    let limits = model.limits.after((to.raw - model.bracket.at).abs());
    let of_clock =
        1.0 + ((to.local - from.local) - (to.raw - from.raw)).as_seconds() / (to.raw - from.raw).as_seconds();
    let rate =
        |limit: Rate, outwards: f64| Rate::from_ratio((1.0 + limit.as_ratio()) / of_clock - 1.0 + outwards);
    Rates { min: rate(limits.min, -ROUNDING), max: rate(limits.max, ROUNDING) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::tests::{at, model};
    use truechimer_core::discipline::oscillator::RateLimits;
    use truechimer_core::status::Status;
    use truechimer_time::Local;
    use truechimer_timeline::shown::Shown;

    fn entry(seconds: i64, what: What) -> Entry {
        Entry { at: at(seconds), what }
    }

    /// The counter runs as true time does.
    fn known(seconds: i64) -> What {
        let limits = RateLimits::around(Rate::ZERO, Rate::from_ppb(100));
        let model = Model { rate: Rate::ZERO, limits, ..model(at(seconds).raw) };
        What::Known { status: Status::Synchronised, model: Some(model) }
    }

    fn born() -> What {
        What::Born { boot: "b".into(), clocksource: "tsc".into() }
    }

    fn bound(course: &Course, seconds: i64, ahead: Span) -> Option<i64> {
        let reading: Time<Local> = at(seconds).local + ahead;
        let truth = course.truth(&Shown { from: reading, to: reading, doubt: None })?;
        Some(truth.interval).filter(Interval::is_bounded).map(|interval| interval.bound().as_micros())
    }

    #[test]
    fn a_history_is_the_course_of_its_clock() {
        let entries = [
            entry(0, born()),
            entry(10, known(10)),
            entry(10, What::Runs(Rate::ZERO)),
            entry(600, known(600)),
        ];
        let (course, contradictions) = course(&entries, Triples::default());
        assert_eq!(contradictions, []);
        assert_eq!(course.stretches().len(), 1);
        // 500 µs by the model, a tenth of that beside the way, and what two readings cost.
        assert!(bound(&course, 300, Span::ZERO).is_some_and(|bound| (500..=700).contains(&bound)));
        assert!(
            bound(&course, 5, Span::ZERO).is_some_and(|bound| bound <= 700),
            "it was not known then, and is now"
        );
        assert_eq!(bound(&course, 700, Span::ZERO), None, "nobody knows how it went on");
    }

    #[test]
    fn bad_input_160_a_clock_that_was_set_has_two_stretches() {
        let set = |seconds: i64, what| {
            let at = at(seconds);
            Entry { at: At { local: at.local + Span::from_secs(60), ..at }, what }
        };
        let told = known(100);
        let entries = [
            entry(0, born()),
            entry(10, known(10)),
            entry(10, What::Runs(Rate::ZERO)),
            entry(100, told.clone()),
            set(101, told.clone()),
            set(101, What::Runs(Rate::ZERO)),
            set(400, known(400)),
        ];
        let (course, _) = course(&entries, Triples::default());
        assert_eq!(course.stretches().len(), 2);
        let minute = Span::from_secs(60);
        assert!(bound(&course, 300, minute).is_some_and(|bound| bound < 1000));
        assert!(bound(&course, 50, Span::ZERO).is_some_and(|bound| bound < 1000));
    }

    #[test]
    fn bad_input_159_another_boot_has_a_counter_of_its_own() {
        let entries = [
            entry(1000, born()),
            entry(1010, known(1010)),
            entry(0, born()),
            entry(10, known(10)),
            entry(20, known(20)),
        ];
        let (course, _) = course(&entries, Triples::default());
        assert_eq!(course.stretches().len(), 2);
    }
}

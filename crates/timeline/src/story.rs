//! One story from many logs: each line with what is known of when it was written, in an order for reading.
//!
//! **The order for reading** is that of the likeliest moments, and the lines of one host in one log stay as they were: no line is
//! written before the one above it. **The order that is true** is another thing: [`Told::order`].
//!
//! A line that has no stamp is told right after the one above it.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::io::{self, Read};
use std::sync::Arc;

use truechimer_time::{LeapTable, Local, Mono, Span, Tai, Time};

use crate::course::{Course, Evidence, Truth};
use crate::dialect::{BootId, Claim, Dialect, Found, Own};
use crate::interval::{Interval, Order};
use crate::lines::Line;
use crate::records::Records;
use crate::shown::{Doubt, Habits, Hints, Shown, Years};
use crate::stamp::{Reading, Stamp};

/// A host whose lines are told.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// What it is called.
    pub name: String,
    /// What its clock was worth, if there is evidence.
    pub course: Course,
    /// How it writes stamps.
    pub habits: Habits,
    /// Its clock is believed to be at most so wrong where there is no evidence, if the user says so.
    pub assumed: Option<Span>,
}

/// The most hosts that are told apart. Who comes after them is one more, of which nothing is known.
pub const HOSTS_MAX: usize = 65_536;

/// All hosts of a story: those of which something is known, and those that lines name.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    all: Vec<Host>,
    by_name: HashMap<Vec<u8>, usize>,
    /// What is said of hosts that lines may name, by name.
    expected: HashMap<Vec<u8>, Host>,
    /// What is said of all others.
    others: Host,
}

impl Hosts {
    /// Hosts of which something is known.
    pub fn of(all: Vec<Host>) -> Self {
        let by_name = all.iter().enumerate().map(|(at, host)| (host.name.as_bytes().to_vec(), at)).collect();
        Self { all, by_name, ..Self::default() }
    }

    /// The same, where something is said of hosts that lines may name: of some by name, and of all others.
    #[must_use]
    pub fn expecting(self, named: Vec<Host>, others: Host) -> Self {
        let expected = named.into_iter().map(|host| (host.name.as_bytes().to_vec(), host)).collect();
        Self { expected, others, ..self }
    }

    /// All of them, in the order in which they became known.
    pub fn all(&self) -> &[Host] {
        &self.all
    }

    /// A host by its number.
    pub fn host(&self, number: usize) -> &Host {
        &self.all[number]
    }

    /// Changes what is known of a host, which is one more if there is none of this name. Returns its number.
    pub fn change(&mut self, name: &str, change: impl FnOnce(&mut Host)) -> usize {
        let number = self.named(name.as_bytes());
        change(&mut self.all[number]);
        number
    }

    /// A host by its number, to be told more of its clock.
    pub(crate) fn host_mut(&mut self, number: usize) -> &mut Host {
        &mut self.all[number]
    }

    /// The number of a host that a line names: by its whole name or by the first part of it. A new one is one more.
    fn named(&mut self, name: &[u8]) -> usize {
        let first = name.split(|byte| *byte == b'.').next().unwrap_or(name);
        if let Some(known) = self.by_name.get(name).or_else(|| self.by_name.get(first)) {
            return *known;
        }
        let number = self.all.len().min(HOSTS_MAX);
        if number == self.all.len() {
            let is_last = number == HOSTS_MAX;
            let called = if is_last { "others".into() } else { String::from_utf8_lossy(name) };
            let expected = self.expected.get(name).or_else(|| self.expected.get(first));
            let about = expected.filter(|_| !is_last).unwrap_or(&self.others).clone();
            self.all.push(Host { name: called.into_owned(), ..about });
        }
        if number < HOSTS_MAX {
            self.by_name.insert(name.to_vec(), number);
        }
        number
    }
}

/// When a line was written, as far as anything is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct When {
    /// What the line says.
    pub stamp: Stamp,
    /// What its host's clock showed.
    pub shown: Shown,
    /// When that was; `None` if there is no evidence.
    pub truth: Option<Truth>,
}

/// A line of the story.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// From which log, counted from 0.
    pub log: usize,
    /// Whose it is, counted from 0.
    pub host: usize,
    /// The line.
    pub line: Line<'a>,
    /// When it was written; `None` if it has no stamp, and belongs to the line above it.
    pub when: Option<When>,
}

impl Told<'_> {
    /// When it was; at any time, if nothing is known.
    pub fn interval(&self) -> Interval {
        let truth = self.when.as_ref().and_then(|when| when.truth.as_ref());
        truth.map_or(Interval::EVER, |truth| truth.interval)
    }

    /// Where the line is read: at the likeliest moment, or at what the clock says if that is all there is. `None` if it says nothing.
    pub fn place(&self) -> Option<Time<Tai>> {
        self.when.as_ref().and_then(When::place)
    }

    /// Which of two lines was certainly written first. Lines of one host between which its clock was not set are ordered by that
    /// clock, however wrong it was.
    pub fn order(&self, other: &Told<'_>) -> Order {
        let (Some(one), Some(two)) = (self.when, other.when) else { return Order::Concurrent };
        if self.host == other.host && one.is_of_the_same_stretch(&two) {
            return one.shown.order(&two.shown);
        }
        self.interval().order(&other.interval())
    }
}

impl When {
    /// When it was; without evidence, all that the clock's word can mean. `None` if it says nothing.
    pub fn reach(&self) -> Option<Interval> {
        let best = self.place()?;
        let tai = |reading: Span| LeapTable::COMPILED.tai_of_utc(Time::from_epoch(reading));
        let word = || Interval {
            earliest: tai(self.shown.from.since_epoch()),
            best,
            latest: tai(self.shown.to.since_epoch()),
        };
        Some(self.truth.map(|truth| truth.interval).filter(Interval::is_bounded).unwrap_or_else(word))
    }

    fn is_of_the_same_stretch(&self, other: &Self) -> bool {
        let stretch = |when: &Self| when.truth.and_then(|truth| truth.stretch);
        stretch(self).is_some_and(|one| stretch(other) == Some(one))
    }

    /// Where the line is read: at the likeliest moment, or at what the clock says if nothing is known that makes it impossible.
    fn place(&self) -> Option<Time<Tai>> {
        let at_its_word = || at_its_word(self.shown.from, self.shown.to);
        match self.truth.as_ref().map(|truth| &truth.interval) {
            Some(known) if known.is_bounded() => Some(known.best),
            Some(known) => self.shown.is_known().then(|| at_its_word().clamp(known.earliest, known.latest)),
            None => self.shown.is_known().then(at_its_word),
        }
    }
}

/// When it was, if a clock was right that showed something between two readings.
pub(crate) fn at_its_word(from: Time<Local>, to: Time<Local>) -> Time<Tai> {
    let middle = from.since_epoch() + (to - from) / 2;
    LeapTable::COMPILED.tai_of_utc(Time::from_epoch(middle))
}

impl Host {
    /// When a line was written.
    pub fn when(&self, found: &Found<'_>, hints: Hints) -> When {
        let Stamp { reading, resolution } = found.stamp;
        let shown = self.habits.shown(reading, resolution, hints);
        let claimed = claimed(&shown, found.claim);
        // A label with a bound is true time as the host knew it when it wrote, and no reading of the clock that it steers.
        let is_true = found.dialect == Some(Dialect::Label);
        // Who has left something better is not taken at its word where that ends: it may be known to be false elsewhere.
        let is_all = self.course.stretches().is_empty() || self.course.is_bare();
        let said = || claimed.filter(|_| is_all).or_else(|| self.believed(&shown));
        let (shown, known) = match (reading, found.boot, found.mono) {
            (Reading::SinceBoot(since), boot, _) => self.since_boot(boot, since, found.stamp, shown),
            (_, Some(boot), Some(mono)) => (shown, self.course.truth_under(boot, mono, &shown)),
            (_, _, _) => (shown, self.course.truth(&shown)),
        };
        let truth = match claimed.filter(|_| is_true).or(known) {
            Some(truth) if self.course.is_bare() => Some(said().map_or(truth, |said| both(truth, said))),
            Some(truth) => Some(truth),
            None => said(),
        };
        When { stamp: found.stamp, shown, truth }
    }

    /// When a line was written that tells only the time since a boot; the doubt is gone where that boot is known.
    fn since_boot(
        &self,
        boot: Option<BootId>,
        since: Time<Mono>,
        stamp: Stamp,
        shown: Shown,
    ) -> (Shown, Option<Truth>) {
        let boot = boot.or(self.habits.boot);
        let truth = boot.and_then(|boot| self.course.since_boot(boot, since, stamp.resolution));
        (Shown { doubt: shown.doubt.filter(|_| truth.is_none()), ..shown }, truth)
    }

    fn believed(&self, shown: &Shown) -> Option<Truth> {
        Some(said(shown, self.assumed?, Evidence::Told)).filter(|_| shown.is_known())
    }
}

/// What is known by messages, and what is said besides; all that either allows, if they contradict each other.
fn both(truth: Truth, said: Truth) -> Truth {
    let met = truth.interval.meet(&said.interval);
    Truth { interval: met.unwrap_or_else(|| truth.interval.hull(&said.interval)), ..truth }
}

fn claimed(shown: &Shown, claim: Option<Claim>) -> Option<Truth> {
    let accuracy = claim.filter(|claim| claim.is_synced)?.accuracy?;
    Some(said(shown, accuracy, Evidence::Claim)).filter(|_| shown.is_known())
}

/// The clock was right to within a bound.
fn said(shown: &Shown, bound: Span, evidence: Evidence) -> Truth {
    let tai = |reading: Span| LeapTable::COMPILED.tai_of_utc(Time::from_epoch(reading));
    let (from, to) = (tai(shown.from.since_epoch()), tai(shown.to.since_epoch()));
    let interval =
        Interval { earliest: from - bound, best: at_its_word(shown.from, shown.to), latest: to + bound };
    Truth { interval, evidence, stretch: None }
}

/// Whose lines a log has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Of this host, whatever they say.
    Only(usize),
    /// Of this host, where they do not say otherwise.
    Mostly(usize),
}

/// A log that is read.
pub struct Log<R> {
    records: Records<R>,
    whose: Whose,
    hints: Hints,
    years: Option<Years>,
    /// What is known of single lines, by their numbers.
    known: BTreeMap<u64, Truth>,
    /// So many lines were read.
    read: u64,
    /// The line that comes next, unless the log is at its end.
    next: Option<Next>,
    /// The host that a line named last, and its number: most lines name the same one.
    named: (Vec<u8>, usize),
}

/// A line that was read and not told.
#[derive(Clone, Copy)]
struct Next {
    host: usize,
    when: Option<When>,
    /// Its host is another than that of the log.
    is_strange: bool,
}

impl<R: Read> Log<R> {
    /// A log. The year of the hints is that of its first stamp.
    pub fn of(input: R, whose: Whose, hints: Hints) -> Self {
        let years = hints.year.map(Years::from);
        Self {
            records: Records::of(input),
            whose,
            hints,
            years,
            known: BTreeMap::new(),
            read: 0,
            next: None,
            named: (Vec::new(), 0),
        }
    }

    /// The same log, if lines may have stamps of the user's own kind.
    #[must_use]
    pub fn with(self, own: Arc<[Own]>) -> Self {
        Self { records: self.records.with(own), ..self }
    }

    /// The same log with more known of single lines, which are counted from 1.
    #[must_use]
    pub fn knowing(self, known: BTreeMap<u64, Truth>) -> Self {
        Self { known, ..self }
    }

    fn advance(&mut self, hosts: &mut Hosts) -> io::Result<()> {
        if !self.records.advance()? {
            self.next = None;
            return Ok(());
        }
        self.read += 1;
        let found = self.records.found();
        let found = found.as_ref();
        let above = self.next.map(|next| next.host).filter(|_| found.is_none());
        let (own, host) = match (self.whose, found.and_then(|found| found.host)) {
            (Whose::Only(own), _) => (own, own),
            (Whose::Mostly(own), None) => (own, above.unwrap_or(own)),
            (Whose::Mostly(own), Some(name)) => {
                if self.named.0 != name || name.is_empty() {
                    self.named.1 = hosts.named(name);
                    name.clone_into(&mut self.named.0);
                }
                (own, self.named.1)
            }
        };
        let when = found.map(|found| {
            let year = match found.stamp.reading {
                Reading::Wall(wall) => {
                    self.years.as_mut().filter(|_| wall.year.is_none()).map(|years| years.of(&wall))
                }
                Reading::Clock(_) | Reading::LeapSecond(_) | Reading::Label(_) | Reading::SinceBoot(_) => {
                    None
                }
            };
            let mut when = hosts.host(host).when(found, Hints { year, ..self.hints });
            if let Some(known) = self.known.get(&self.read) {
                when.truth = Some(*known);
            }
            when
        });
        self.next = Some(Next { host, when, is_strange: host != own });
        Ok(())
    }
}

/// Something in a log could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct LogError {
    /// Which, counted from 0.
    pub log: usize,
    /// What the system said.
    pub error: io::Error,
}

/// Why a story ended early.
#[derive(Debug, thiserror::Error)]
pub enum StoryError {
    /// A log could not be read on.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Who was told did not want more.
    #[error("{0}")]
    Listener(io::Error),
}

/// Tells all lines of all logs.
///
/// # Errors
/// A log cannot be read on, or whoever listens fails.
pub fn tell<R: Read>(
    hosts: &mut Hosts,
    logs: &mut [Log<R>],
    mut listener: impl FnMut(&Hosts, &Told<'_>) -> io::Result<()>,
) -> Result<(), StoryError> {
    // The place of the line that each log is at, never before that of the line above it; then by the number of the log.
    let mut waiting = BinaryHeap::with_capacity(logs.len());
    for (number, log) in logs.iter_mut().enumerate() {
        log.advance(hosts).map_err(|error| LogError { log: number, error })?;
        waiting.extend(log.next.map(|next| Reverse((place(&next, Span::MIN), number))));
    }
    while let Some(mut first) = waiting.peek_mut() {
        let Reverse((at, number)) = *first;
        let log = &mut logs[number];
        if let Some(Next { host, when, .. }) = log.next {
            let told = Told { log: number, host, line: log.records.line(), when };
            listener(hosts, &told).map_err(StoryError::Listener)?;
            log.advance(hosts).map_err(|error| LogError { log: number, error })?;
        }
        match &log.next {
            Some(next) => *first = Reverse((place(next, at), number)),
            None => drop(PeekMut::pop(first)),
        }
    }
    Ok(())
}

/// Where a line is read, after the one above it. Whoever is strange and has no evidence is believed to have come then: to go by its
/// word would move all that come after it.
fn place(next: &Next, above: Span) -> Span {
    let is_known = |when: &&When| when.truth.is_some() || !next.is_strange || above == Span::MIN;
    let own = next.when.as_ref().filter(is_known).and_then(|when| when.place()).map(Time::since_epoch);
    own.map_or(above, |own| own.max(above))
}

impl Shown {
    /// Which of two readings of one clock that was not set was first.
    pub(crate) fn order(&self, other: &Self) -> Order {
        let is_sure = |shown: &Self| !matches!(shown.doubt, Some(Doubt::Year | Doubt::Boot));
        match (is_sure(self) && is_sure(other), self.to <= other.from, other.to <= self.from) {
            (true, true, false) => Order::Before,
            (true, false, true) => Order::After,
            (true | false, _, _) => Order::Concurrent,
        }
    }
}

#[cfg(test)]
mod tests;

//! What a host's clock was worth: true time as a function of what it showed.
//!
//! A course is made of stretches, in the order of true time. Within a stretch the clock was not set: it ran on, faster or slower than
//! true time by no more than is known of it. A stretch has knots, readings of which the true time is known, and each knot tells what is
//! known of the rate up to the next one.
//!
//! ```text
//!  true time
//!     │                     ╱╱    each knot is an interval of true time; between two of them the truth is what
//!     │               ┃──╱╱       both allow: forwards from one, backwards from the other, at the rates between
//!     │          ╱╱──╱┃
//!     │     ┃─╱╱──╱
//!     │  ╱╱─┃
//!     └─────────────────────── the clock
//! ```
//!
//! Where the clock was set back it showed readings twice. Who does not tell more than a reading then gets all that it can have meant.
//!
//! **Assumed:** between two stretches the clock was set once; it ran on from the one until then, and towards the other from then on. A
//! clock that came out of a time in which nobody looked as right as its rate allows was not set in it.

mod boots;
mod held;
mod laid;
mod narrow;
mod near;
pub(crate) mod turns;

use std::collections::BTreeMap;

use truechimer_time::{Local, Rate, Span, Time};

pub use boots::Triples;
pub use laid::Piece;

use crate::dialect::BootId;
use crate::interval::Interval;
use crate::shown::Shown;

/// What is taken for granted of any clock that nobody set: it gains or loses no more on true time. Linux slews by 500 ppm, and bad
/// oscillators are off by 100 ppm.
pub const RATE_MAX: Rate = Rate::from_ppb(1_000_000);

/// How fast true time went by the clock: seconds gained by the truth in each second of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// At least.
    pub min: Rate,
    /// At most.
    pub max: Rate,
}

impl Rates {
    /// Of a clock of which nothing else is known.
    pub const ANY: Self = Self { min: Rate::from_ppb(-1_000_000), max: RATE_MAX };

    /// As fast as by the one or by the other.
    fn or(self, other: Self) -> Self {
        Self { min: self.min.min(other.min), max: self.max.max(other.max) }
    }
}

/// By what something is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Evidence {
    /// The history that our daemon kept.
    History,
    /// The logs of chronyd.
    Chrony,
    /// The statistics of ntpd.
    Ntpd,
    /// What the host said of its clock in the line itself.
    Claim,
    /// What the user said.
    Told,
    /// What was before what: messages are received after they were sent.
    Causality,
}

/// A reading of which the true time is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Knot {
    /// What the clock showed.
    pub reading: Time<Local>,
    /// When that was.
    pub truth: Interval,
    /// How the clock ran from here to the next knot.
    pub rates: Rates,
    /// How far truth and clock were apart from here to the next knot, if that was held for all of the way.
    pub held: Option<Held>,
    /// From here to the next knot the clock may have been so far beside an even way.
    pub aside: Span,
    /// By what it is known.
    pub evidence: Evidence,
}

/// Truth and clock were never further apart: the true count of TAI minus that of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// At least.
    pub min: Span,
    /// At most.
    pub max: Span,
}

impl Held {
    fn interval(self, reading: Time<Local>) -> Interval {
        let at = |apart: Span| Time::from_epoch(reading.since_epoch() + apart);
        Interval {
            earliest: at(self.min),
            best: at(self.min + (self.max - self.min) / 2),
            latest: at(self.max),
        }
    }
}

/// Knots between which the clock was not set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    /// By their readings, which grow.
    knots: Vec<Knot>,
    /// In which boot of the host, as its kernel calls it.
    boot: Option<String>,
    /// Nothing is certain but what was held all the way: no knot says more of another.
    is_held: bool,
    /// Within it the clock may have been set, and does not tell what was first.
    may_be_set: bool,
    /// All readings that the clock can have shown then are after the first knot, and before the last one.
    closed: [bool; 2],
    /// Of which run of the journal.
    run: Option<boots::RunId>,
}

/// What a host's clock was worth.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Course {
    /// In the order of true time.
    stretches: Vec<Stretch>,
    /// The clock was not set after the last knot.
    goes_on: bool,
    /// The clock was not set before the first knot.
    comes_from_before: bool,
    /// Nothing else is known than that it was not set.
    is_bare: bool,
    /// What the journal tells of each boot, in the order of its monotonic clock.
    boots: BTreeMap<BootId, Vec<boots::Run>>,
    /// What its clock can have shown in runs of which nothing is known, in order; no two of them touch.
    unknown: Vec<[Time<Local>; 2]>,
    index: near::Index,
}

/// The truth of a reading, and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truth {
    /// When it was.
    pub interval: Interval,
    /// By what that is known, the weaker of two.
    pub evidence: Evidence,
    /// In which stretch, if there is no doubt: within it the clock itself tells what was first.
    pub stretch: Option<usize>,
}

/// What is said of two readings of a clock cannot both be true, unless it was set between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// What the clock showed first.
    pub before: Time<Local>,
    /// And then.
    pub after: Time<Local>,
}

impl Stretch {
    /// Knots between which the clock was not set, by their readings. Each is made as narrow as those before and after it
    /// allow: what was measured later tells what the clock must have been.
    ///
    /// # Errors
    /// Two of them contradict each other. Nothing is bent: whoever knows better may take the clock for set between them.
    pub fn of(mut knots: Vec<Knot>) -> Result<Self, Contradiction> {
        knots.sort_by_key(|knot| knot.reading);
        for at in 1..knots.len() {
            let [before, after] = [knots[at - 1], knots[at]];
            let foretold = before.forwards(after.reading, before.rates);
            knots[at].truth = foretold.meet(&after.truth).ok_or_else(|| contradiction(&before, &after))?;
        }
        for at in (1..knots.len()).rev() {
            let [before, after] = [knots[at - 1], knots[at]];
            let was = after.backwards(before.reading, before.rates);
            knots[at - 1].truth = was.meet(&before.truth).ok_or_else(|| contradiction(&before, &after))?;
        }
        Ok(Self { knots, ..Self::default() })
    }

    /// Readings of a clock of which nothing is certain but how far it was from the truth all the way ([`Knot::held`]), as one that is slewed
    /// at any rate, or set.
    pub fn held(mut knots: Vec<Knot>, may_be_set: bool) -> Self {
        knots.sort_by_key(|knot| knot.reading);
        Self { knots, is_held: true, may_be_set, ..Self::default() }
    }

    /// The same, if all that the clock can have shown before, or after, is in other stretches.
    pub fn closed(self, before: bool, after: bool) -> Self {
        Self { closed: [before, after], ..self }
    }

    /// Is nothing certain of it but what was held all the way?
    pub(crate) fn is_held(&self) -> bool {
        self.is_held
    }

    /// In which boot of the host it was, as its kernel calls it, if that is known.
    pub fn boot(&self) -> Option<&str> {
        self.boot.as_deref()
    }

    /// The knots, by their readings.
    pub fn knots(&self) -> &[Knot] {
        &self.knots
    }

    /// When the clock showed a reading, if it was in this stretch. Before the first knot and after the last one it is the clock's word,
    /// which gets worse at [`Rates::ANY`].
    fn truth(&self, reading: Time<Local>) -> Option<(Interval, Evidence)> {
        self.truth_before(self.after(reading), reading)
    }

    /// Both ends of what the clock showed, which mostly is between the same two knots.
    fn truths(&self, from: Time<Local>, to: Time<Local>) -> Option<[(Interval, Evidence); 2]> {
        let after = self.after(from);
        let is_next = self.knots.get(after).is_none_or(|next| to < next.reading);
        let after_to = if is_next { after } else { self.after(to) };
        Some([self.truth_before(after, from)?, self.truth_before(after_to, to)?])
    }

    /// Which knot is the first after a reading.
    fn after(&self, reading: Time<Local>) -> usize {
        self.knots.partition_point(|knot| knot.reading <= reading)
    }

    /// When the clock showed a reading, if this knot is the first after it.
    fn truth_before(&self, after: usize, reading: Time<Local>) -> Option<(Interval, Evidence)> {
        let next = self.knots.get(after);
        let last = after.checked_sub(1).map(|before| &self.knots[before]);
        Some(match (last, next) {
            (Some(Knot { held: Some(held), aside, evidence, .. }), Some(_)) if self.is_held => {
                (held.interval(reading).widened(*aside), *evidence)
            }
            (Some(last), Some(next)) => (between(last, next, reading), last.evidence.max(next.evidence)),
            (Some(last), None) => (last.forwards(reading, Rates::ANY), last.evidence),
            (None, Some(next)) => (next.backwards(reading, Rates::ANY), next.evidence),
            (None, None) => return None,
        })
    }

    /// When the clock showed a reading, by these knots.
    pub(crate) fn truth_of(&self, reading: Time<Local>) -> Option<Interval> {
        self.truth(reading).map(|(interval, _)| interval)
    }

    fn ends(&self) -> Option<[&Knot; 2]> {
        Some([self.knots.first()?, self.knots.last()?])
    }
}

impl Knot {
    /// Can the clock have run on from here to there?
    pub(crate) fn leads_to(&self, later: &Self) -> bool {
        self.reading <= later.reading && self.forwards(later.reading, self.rates).meet(&later.truth).is_some()
    }

    /// When the clock will show a later reading.
    fn forwards(&self, reading: Time<Local>, rates: Rates) -> Interval {
        let gone = reading - self.reading;
        let Interval { earliest, best, latest } = self.truth;
        let [least, most] = [rates.min.over(gone), rates.max.over(gone)];
        Interval {
            earliest: earliest + gone + least,
            best: best + gone + middle(least, most),
            latest: latest + gone + most,
        }
    }

    /// When the clock showed an earlier reading.
    fn backwards(&self, reading: Time<Local>, rates: Rates) -> Interval {
        let gone = self.reading - reading;
        let Interval { earliest, best, latest } = self.truth;
        let [least, most] = [rates.min.over(gone), rates.max.over(gone)];
        Interval {
            earliest: earliest - gone - most,
            best: best - gone - middle(least, most),
            latest: latest - gone - least,
        }
    }
}

/// When the clock showed a reading between two knots: what both allow. The likeliest moment is on the line between theirs.
fn between(last: &Knot, next: &Knot, reading: Time<Local>) -> Interval {
    let (forwards, backwards) = (last.forwards(reading, last.rates), next.backwards(reading, last.rates));
    // Knots that do not contradict each other leave something in between; what rounding takes away is less than an attosecond.
    let met = forwards.meet(&backwards).unwrap_or(forwards);
    let held = last.held.and_then(|held| met.meet(&held.interval(reading)));
    let met = held.unwrap_or(met);
    let met = met.widened(last.aside);
    let (gone, whole) = (reading - last.reading, next.reading - last.reading);
    let error = (next.truth.best - last.truth.best - whole).as_seconds();
    let part = Span::from_seconds(error * (gone.as_seconds() / whole.as_seconds()));
    let best = last.truth.best + gone + part;
    Interval { best: best.clamp(met.earliest, met.latest), ..met }
}

fn contradiction(before: &Knot, after: &Knot) -> Contradiction {
    Contradiction { before: before.reading, after: after.reading }
}

fn middle(one: Span, other: Span) -> Span {
    one + (other - one) / 2
}

impl Course {
    /// Stretches in the order of true time; those without knots are left out.
    pub fn of(stretches: impl IntoIterator<Item = Stretch>) -> Self {
        let mut stretches: Vec<Stretch> =
            stretches.into_iter().filter(|stretch| !stretch.knots.is_empty()).collect();
        stretches.sort_by_key(|stretch| stretch.knots[0].truth.best);
        Self { stretches, ..Self::default() }.indexed()
    }

    /// The same of a clock that is watched still: it was not set after the last knot, and gets worse at [`Rates::ANY`] since.
    pub fn going_on(self) -> Self {
        Self { goes_on: true, ..self }
    }

    /// The stretches, in the order of true time.
    pub fn stretches(&self) -> &[Stretch] {
        &self.stretches
    }

    /// When the clock showed what it showed, as far as anything is known of it: all that it can have meant.
    pub fn truth(&self, shown: &Shown) -> Option<Truth> {
        if !shown.is_known() || self.may_be_of_an_unknown_run(shown) {
            return None;
        }
        let meant = self.candidates(shown.from, shown.to).filter_map(|at| self.meant(at, shown));
        meant.reduce(|one, other| Truth {
            interval: one.interval.hull(&other.interval),
            evidence: one.evidence.max(other.evidence),
            stretch: None,
        })
    }

    /// When it was, if the clock was in this stretch. A run of the journal reaches as far as the journal tells. Before the first stretch and
    /// after the last one half is known: the clock may have been set then.
    fn meant(&self, at: usize, shown: &Shown) -> Option<Truth> {
        let stretch = &self.stretches[at];
        let [first, last] = stretch.ends()?;
        let is_last = at + 1 == self.stretches.len();
        if let Some([from, to]) = self.reach_of(stretch) {
            let is_after = to < shown.from && !(is_last && self.goes_on);
            return (from <= shown.to && !is_after).then(|| self.by_stretch(at, shown))?;
        }
        let truth = self.by_stretch(at, shown)?;
        let mut interval = truth.interval.meet(&self.reach(at))?;
        if at == 0 && shown.from < first.reading && !self.comes_from_before {
            interval.earliest = Interval::EVER.earliest;
            interval.latest = interval.latest.max(first.truth.latest);
        }
        if is_last && last.reading < shown.to && !self.goes_on {
            interval.earliest = interval.earliest.min(last.truth.earliest);
            interval.latest = Interval::EVER.latest;
        }
        let stretch = truth.stretch.filter(|_| interval.is_bounded());
        Some(Truth { interval, stretch, ..truth })
    }

    /// When it was by the knots of a stretch.
    fn by_stretch(&self, at: usize, shown: &Shown) -> Option<Truth> {
        let stretch = &self.stretches[at];
        let [first, last] = stretch.ends()?;
        let [is_closed_before, is_closed_after] = stretch.closed;
        let from = if is_closed_before { shown.from.max(first.reading) } else { shown.from };
        let to = if is_closed_after { shown.to.min(last.reading) } else { shown.to };
        if to < from {
            return None;
        }
        let [(begin, evidence), (end, weaker)] = stretch.truths(from, to)?;
        let interval = Interval {
            earliest: begin.earliest,
            best: begin.best + (end.best - begin.best) / 2,
            latest: end.latest,
        };
        let is_whole = from == shown.from && to == shown.to;
        let stretch = Some(at).filter(|_| is_whole && !stretch.may_be_set);
        Some(Truth { interval, evidence: evidence.max(weaker), stretch })
    }

    /// From the last moment at which the stretch before was seen to the first one at which the one after it was.
    fn reach(&self, at: usize) -> Interval {
        let [is_closed_before, is_closed_after] = self.stretches[at].closed;
        let before = at.checked_sub(1).and_then(|before| self.stretches[before].ends());
        let after = self.stretches.get(at + 1).and_then(Stretch::ends);
        let (before, after) = (before.filter(|_| !is_closed_before), after.filter(|_| !is_closed_after));
        Interval {
            earliest: before.map_or(Interval::EVER.earliest, |[_, last]| last.truth.earliest),
            best: Interval::EVER.best,
            latest: after.map_or(Interval::EVER.latest, |[first, _]| first.truth.latest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use truechimer_time::Tai;

    fn tai(seconds: f64) -> Time<Tai> {
        Time::from_epoch(Span::from_seconds(seconds))
    }

    fn local(seconds: f64) -> Time<Local> {
        Time::from_epoch(Span::from_seconds(seconds))
    }

    fn knot(reading: f64, truth: f64, bound: f64) -> Knot {
        let truth = Interval::within(tai(truth), Span::from_seconds(bound));
        Knot {
            reading: local(reading),
            truth,
            rates: Rates::ANY,
            held: None,
            aside: Span::ZERO,
            evidence: Evidence::History,
        }
    }

    fn course<const N: usize>(stretches: [&[Knot]; N]) -> Course {
        Course::of(stretches.map(|knots| Stretch::of(knots.to_vec()).expect("they agree")))
    }

    fn at(reading: f64) -> Shown {
        Shown { from: local(reading), to: local(reading), doubt: None }
    }

    #[test]
    fn what_was_measured_later_tells_what_the_clock_was() {
        // Known to a second at first, and to a millisecond a thousand seconds later: no worse than 1 s by 1000 ppm then.
        let stretch =
            Stretch::of(vec![knot(0.0, 0.0, 5.0), knot(1000.0, 1000.5, 0.001)]).expect("they agree");
        let first = stretch.knots()[0].truth;
        assert!((first.earliest.since_epoch().as_seconds() - -0.501).abs() < 1e-9, "{first:?}");
        assert!((first.latest.since_epoch().as_seconds() - 1.501).abs() < 1e-9, "{first:?}");
    }

    #[test]
    fn between_two_knots_is_what_both_allow() {
        let course = course([&[knot(0.0, 0.0, 0.001), knot(1000.0, 1000.0, 0.001)]]);
        let truth = course.truth(&at(500.0)).expect("it is known");
        assert_eq!(truth.interval.best, tai(500.0));
        assert!((truth.interval.bound().as_seconds() - 0.501).abs() < 1e-9, "{truth:?}");
        assert_eq!(truth.stretch, Some(0));
    }

    #[test]
    fn bad_input_160_a_step_is_never_interpolated_across() {
        // At 100 the clock was set forward by 60 s: it never showed 101 to 160.
        let course = course([
            &[knot(0.0, 0.0, 0.01), knot(100.0, 100.0, 0.01)],
            &[knot(161.0, 101.0, 0.01), knot(200.0, 140.0, 0.01)],
        ]);
        let before = course.truth(&at(50.0)).expect("it is known");
        assert!((before.interval.best - tai(50.0)).abs() < Span::from_millis(1), "{before:?}");
        let after = course.truth(&at(170.0)).expect("it is known");
        assert!((after.interval.best - tai(110.0)).abs() < Span::from_millis(1), "{after:?}");
        assert_eq!((before.stretch, after.stretch), (Some(0), Some(1)));
    }

    #[test]
    fn what_was_shown_twice_is_both() {
        // At true 100 the clock was set back by 60 s: it showed 40 to 100 twice.
        let course = course([
            &[knot(0.0, 0.0, 0.01), knot(99.0, 99.0, 0.01)],
            &[knot(41.0, 101.0, 0.01), knot(200.0, 260.0, 0.01)],
        ]);
        let truth = course.truth(&at(60.0)).expect("it is known");
        assert!(truth.interval.earliest < tai(60.0) && tai(120.0) < truth.interval.latest, "{truth:?}");
        assert_eq!(truth.stretch, None);
        let once = course.truth(&at(20.0)).expect("it is known");
        assert_eq!(once.stretch, Some(0));
    }

    #[test]
    fn bad_input_161_a_contradiction_is_told_and_not_bent() {
        let knots = vec![knot(0.0, 0.0, 0.001), knot(1.0, 1.1, 0.001)];
        let told = Stretch::of(knots.clone()).expect_err("a clock does not gain a tenth");
        assert_eq!((told.before, told.after), (knots[0].reading, knots[1].reading));
    }

    #[test]
    fn beyond_the_ends_half_is_known() {
        let closed = course([&[knot(0.0, 0.0, 0.001)], &[knot(50.0, 40.0, 0.001)]]);
        let ends = |reading| closed.truth(&at(reading)).map(|truth| truth.interval);
        let (before, after) = (ends(-1.0).expect("half"), ends(51.0).expect("half"));
        assert_eq!((before.earliest, before.latest), (Interval::EVER.earliest, tai(0.001)));
        assert_eq!((after.earliest, after.latest), (tai(39.999), Interval::EVER.latest));
        let watched = closed.clone().going_on();
        let bound = watched.truth(&at(1050.0)).expect("it is known").interval.bound().as_seconds();
        assert!((bound - 1.001).abs() < 1e-9, "{bound}");
        assert!(watched.truth(&at(-1.0)).is_some_and(|truth| !truth.interval.is_bounded()));
        assert_eq!(Course::default().truth(&at(0.0)), None);
    }

    #[test]
    fn between_two_stretches_the_clock_was_set_once() {
        let course = course([&[knot(0.0, 0.0, 0.001)], &[knot(150.0, 100.0, 0.001)]]);
        // It showed 40 after 40 s, and 110 either when it ran on, or when it had been set.
        let early = course.truth(&at(40.0)).expect("it is known").interval;
        assert!((early.best - tai(40.0)).abs() < Span::from_millis(50), "{early:?}");
        let either = course.truth(&at(70.0)).expect("it is known").interval;
        assert!(either.earliest < tai(20.1) && tai(69.9) < either.latest, "{either:?}");
    }

    proptest! {
        /// A clock whose rate changes at each knot, and knots that have the truth within them anywhere.
        #[test]
        fn the_truth_is_always_within(
            legs in proptest::collection::vec((1.0f64..1000.0, -900.0f64..900.0, 1e-6f64..0.5, -1.0f64..1.0), 2..20),
            inside in 0.0f64..1.0,
        ) {
            let (mut reading, mut truth) = (0.0, 1e9);
            let mut way = Vec::new();
            for (length, ppm, bound, place) in legs {
                way.push((reading, truth, bound, place));
                reading += length;
                truth += length * (1.0 + ppm * 1e-6);
            }
            let knots = way.iter().map(|(reading, truth, bound, place)| knot(*reading, truth + place * bound * 0.99, *bound));
            let stretch = Stretch::of(knots.collect()).expect("the truth agrees with itself");
            for pair in way.windows(2) {
                let [one, other] = [pair[0], pair[1]];
                let asked = one.0 + (other.0 - one.0) * inside;
                let true_then = tai(one.1 + (other.1 - one.1) * inside);
                let (told, _) = stretch.truth(local(asked)).expect("there are knots");
                let slack = Span::from_nanos(1000);
                prop_assert!(told.earliest - slack <= true_then && true_then <= told.latest + slack, "{told:?} {true_then:?}");
                prop_assert!(told.earliest <= told.best && told.best <= told.latest);
            }
        }
    }
}

//! Making a course narrower by what became known of single readings, and what it says of the time between two of them.
//!
//! Between two knots truth may be aside of an even way. What is said here is said of that way: truth is at most
//! [`Knot::aside`] beside it, and at a knot it is on it.

use truechimer_time::{Local, Span, Time};

use super::{Contradiction, Course, Evidence, Knot, Rates, Stretch, between};
use crate::interval::Interval;

/// What is computed of many rates is rounded to this, outwards.
const ROUNDING: Span = Span::from_nanos(1);

impl Stretch {
    /// When the even way comes by a reading.
    pub(crate) fn even(&self, reading: Time<Local>) -> Interval {
        match self.around(reading) {
            [Some(last), Some(next)] => {
                between(&Knot { held: None, aside: Span::ZERO, ..*last }, next, reading)
            }
            [Some(last), None] => last.forwards(reading, Rates::ANY),
            [None, Some(next)] => next.backwards(reading, Rates::ANY),
            [None, None] => Interval::EVER,
        }
    }

    /// How far truth may be beside the even way at a reading.
    pub(crate) fn aside(&self, reading: Time<Local>) -> Span {
        match self.around(reading) {
            [Some(last), Some(_)] if last.reading < reading => last.aside,
            [_, _] => Span::ZERO,
        }
    }

    /// How much time went by on the even way between two readings, the earlier one first: at least, and at most.
    pub(crate) fn gone(&self, from: Time<Local>, to: Time<Local>) -> [Span; 2] {
        let first = self.knots.partition_point(|knot| knot.reading <= from);
        let last = self.knots.partition_point(|knot| knot.reading < to).max(first);
        let mut sum = [Span::ZERO; 2];
        let mut here = from;
        for at in first..=last {
            let end = self.knots.get(at).filter(|_| at < last).map_or(to, |knot| knot.reading);
            let rates = at.checked_sub(1).filter(|_| at < self.knots.len());
            let rates = rates.map_or(Rates::ANY, |before| self.knots[before].rates);
            let leg = crate::cause::gone(end - here, rates.min, rates.max);
            sum = [sum[0] + leg[0], sum[1] + leg[1]];
            here = end;
        }
        sum
    }

    fn around(&self, reading: Time<Local>) -> [Option<&Knot>; 2] {
        let after = self.after(reading);
        [after.checked_sub(1).map(|before| &self.knots[before]), self.knots.get(after)]
    }

    /// The same with more known of the even way at some readings.
    fn with(&self, narrowed: &[(Time<Local>, Interval)]) -> Result<Self, Contradiction> {
        let mut narrower = self.clone();
        let knots = &mut narrower.knots;
        let beyond = |reading: Time<Local>| self.knots.last().is_some_and(|last| last.reading < reading);
        if narrowed.iter().any(|(reading, _)| beyond(*reading))
            && let Some(last) = knots.last_mut()
        {
            *last = Knot { rates: Rates::ANY, held: None, aside: Span::ZERO, ..*last };
        }
        for (reading, truth) in narrowed {
            let truth =
                Interval { earliest: truth.earliest - ROUNDING, latest: truth.latest + ROUNDING, ..*truth };
            let [last, next] = self.around(*reading);
            let on_the_way = last.filter(|_| next.is_some());
            knots.push(Knot {
                reading: *reading,
                truth,
                rates: on_the_way.map_or(Rates::ANY, |last| last.rates),
                held: on_the_way.and_then(|last| last.held),
                aside: on_the_way.map_or(Span::ZERO, |last| last.aside),
                evidence: Evidence::Causality,
            });
        }
        let knots = Self::of(std::mem::take(&mut narrower.knots))?.knots;
        narrower.knots = knots;
        Ok(narrower)
    }
}

impl Course {
    /// The same of a clock that was set neither before the first knot nor after the last one, as somebody says who knows. Of a
    /// clock of which nothing else is known this is all that is known.
    #[must_use]
    pub fn unset(mut self) -> Self {
        self.is_bare = self.stretches.is_empty();
        if self.is_bare {
            self.stretches.push(Stretch::default());
        }
        Self { goes_on: true, comes_from_before: true, ..self }.indexed()
    }

    /// Nothing is known of it but that it was not set, and by messages from and to others.
    pub fn is_bare(&self) -> bool {
        self.is_bare
    }

    /// May a knot be at this reading? Where a stretch ends, the next one begins at a moment that is not known.
    pub(crate) fn reaches(&self, stretch: usize, reading: Time<Local>) -> bool {
        let Some([first, last]) = self.stretches[stretch].ends() else { return true };
        let begins = first.reading <= reading || stretch == 0 && self.comes_from_before;
        let ends = reading <= last.reading || stretch + 1 == self.stretches.len() && self.goes_on;
        begins && ends
    }

    /// Takes in what became known of the even way of a stretch at some readings that it reaches.
    ///
    /// # Errors
    /// It contradicts what is known; the course is left as it was.
    pub(crate) fn narrow(
        &mut self,
        stretch: usize,
        narrowed: &[(Time<Local>, Interval)],
    ) -> Result<(), Contradiction> {
        self.stretches[stretch] = self.stretches[stretch].with(narrowed)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shown::Shown;
    use truechimer_time::Rate;

    fn local(seconds: i64) -> Time<Local> {
        Time::from_epoch(Span::from_secs(seconds))
    }

    fn within(seconds: i64, bound: i64) -> Interval {
        Interval::within(Time::from_epoch(Span::from_secs(seconds)), Span::from_millis(bound))
    }

    fn knot(reading: i64, bound: i64) -> Knot {
        let rates = Rates { min: Rate::from_ppb(-10_000), max: Rate::from_ppb(10_000) };
        let (reading, truth, aside) = (local(reading), within(reading, bound), Span::from_millis(2));
        Knot { reading, truth, rates, held: None, aside, evidence: Evidence::Chrony }
    }

    fn course() -> Course {
        let stretch = |knots: Vec<Knot>| Stretch::of(knots).expect("they agree");
        Course::of([
            stretch(vec![knot(0, 500), knot(1000, 500)]),
            stretch(vec![knot(5000, 500), knot(6000, 500)]),
        ])
    }

    fn truth(course: &Course, reading: i64) -> Interval {
        let shown = Shown { from: local(reading), to: local(reading), doubt: None };
        course.truth(&shown).expect("it is known").interval
    }

    #[test]
    fn what_becomes_known_of_one_reading_makes_all_of_its_stretch_narrower() {
        let mut narrow = course();
        narrow.narrow(0, &[(local(500), within(500, 1))]).expect("it agrees");
        // A millisecond, two beside the way, and ten millionths of the 400 s between.
        assert_eq!(truth(&narrow, 900).bound().as_micros(), 7_000);
        assert_eq!(truth(&course(), 900).bound().as_micros(), 503_000);
        assert_eq!(
            truth(&narrow, 5500),
            truth(&course(), 5500),
            "what was before a step tells nothing of after"
        );
        let lie = narrow.clone().narrow(0, &[(local(501), within(502, 1))]);
        assert!(lie.is_err(), "half a second in one is too fast");
    }

    #[test]
    fn time_goes_by_the_rates_of_each_leg_and_by_any_beyond_the_knots() {
        let course = course();
        let [least, most] = course.stretches()[0].gone(local(900), local(1100));
        let aside = Span::from_millis(1) + Span::from_millis(100);
        let off = |span: Span, wanted: Span| (span - wanted).abs() < Span::from_nanos(1);
        assert!(off(least, Span::from_secs(200) - aside) && off(most, Span::from_secs(200) + aside));
        assert_eq!(course.stretches()[0].aside(local(1000)), Span::ZERO);
        assert_eq!(course.stretches()[0].aside(local(999)), Span::from_millis(2));
    }

    #[test]
    fn a_clock_that_was_not_set_is_known_before_and_after_its_evidence() {
        let whole = Course::of([Stretch::of(vec![knot(0, 500)]).expect("one")]).unset();
        assert_eq!(truth(&whole, -1000).bound().as_micros(), 1_500_000);
        assert_eq!(truth(&whole, 1000).bound().as_micros(), 1_500_000);
        let mut bare = Course::default().unset();
        assert!(bare.is_bare() && !whole.is_bare());
        let shown = Shown { from: local(7), to: local(7), doubt: None };
        assert_eq!(bare.truth(&shown), None);
        bare.narrow(0, &[(local(0), within(0, 1))]).expect("it agrees");
        assert_eq!(truth(&bare, -1000).bound().as_micros(), 1_001_000);
    }

    #[test]
    fn where_a_stretch_ends_the_next_begins_at_a_moment_that_is_not_known() {
        let course = course();
        let reached = [-1, 0, 1000, 1001].map(|reading| course.reaches(0, local(reading)));
        assert_eq!(reached, [false, true, true, false]);
        let unset = Course::of([Stretch::of(vec![knot(0, 500)]).expect("one")]).unset();
        assert!(unset.reaches(0, local(-1)) && unset.reaches(0, local(1)));
    }
}

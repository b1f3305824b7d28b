//! The history as curves: how wrong the clock was, how well that was known, how fast the counter ran, and what happened.
//!
//! Between two lines of the history everything went straight, so curves have a point at each line and need no others: one by
//! what was known until then, and where something else is known from there on, one by that.

use truechimer_core::discipline::model::Model;
use truechimer_core::status::Status;
use truechimer_model::page::SLEEP_MIN;
use truechimer_time::{LeapTable, Rate, Span};

use super::{At, Entry, What};

/// What people want to see on the curves: the clock or the counter was not itself. All others are in the list.
const TURNS: [&str; 11] = [
    "stepped",
    "leapt",
    "moved_by_others",
    "retuned_by_others",
    "suspended",
    "paused",
    "migrated",
    "clocksource_changed",
    "oscillator_doubted",
    "panicked",
    "steering_failed",
];

/// What was known at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// When: the likeliest time, in seconds since 1970-01-01 00:00:00 UTC.
    pub utc: f64,
    /// Right time minus the clock that is steered, in seconds.
    pub offset: f64,
    /// The likeliest time was at most so wrong, in seconds.
    pub bound: f64,
    /// One standard deviation of it, in seconds.
    pub sigma: f64,
    /// How much faster than true time the raw counter ran, likeliest, in ppm.
    pub fast: f64,
    /// One standard deviation of that, in ppm.
    pub fast_sigma: f64,
}

impl Point {
    /// What a model said.
    pub fn of(model: &Model, at: &At) -> Self {
        let reading = model.read(at.raw);
        let utc = LeapTable::COMPILED.utc_of_tai(reading.best).time.since_epoch();
        Self {
            utc: utc.as_seconds(),
            offset: (utc - at.local.since_epoch()).as_seconds(),
            bound: reading.bound().as_seconds(),
            sigma: reading.sigma.as_seconds(),
            fast: (-model.rate).as_ppm(),
            fast_sigma: model.rate_sigma.max(Rate::ZERO).as_ppm(),
        }
    }
}

/// How long a status lasted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lasted {
    /// In seconds since 1970-01-01 00:00:00 UTC.
    pub from: f64,
    /// The same.
    pub to: f64,
    /// Which one.
    pub status: Status,
}

/// The history as curves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Course {
    /// Unbroken curves, each with a point at least.
    pub stretches: Vec<Vec<Point>>,
    /// How far the time could be relied upon.
    pub lasted: Vec<Lasted>,
    /// When something happened to the clock or the counter, in seconds since 1970-01-01 00:00:00 UTC, and its label.
    pub turns: Vec<(f64, String)>,
}

impl Course {
    /// From entries, the oldest first.
    pub fn of(entries: &[Entry]) -> Self {
        let mut making = Making::default();
        for entry in entries {
            making.take_in(entry);
        }
        making.course
    }

    /// All points, the oldest first.
    pub fn points(&self) -> impl Iterator<Item = &Point> {
        self.stretches.iter().flatten()
    }

    /// When it begins and ends, in seconds since 1970-01-01 00:00:00 UTC, as far as anything is on it.
    pub fn extent(&self) -> Option<(f64, f64)> {
        let points = self.points().map(|point| point.utc);
        let lasted = self.lasted.iter().flat_map(|lasted| [lasted.from, lasted.to]);
        let all = points.chain(lasted).chain(self.turns.iter().map(|(at, _)| *at));
        all.fold(None, |extent, at| match extent {
            None => Some((at, at)),
            Some((first, last)) => Some((first.min(at), last.max(at))),
        })
    }
}

/// A course in the making.
#[derive(Default)]
struct Making {
    course: Course,
    /// What is known, and how long the machine had slept when that was written.
    held: Option<(Model, Span)>,
    /// The last stretch goes on.
    is_open: bool,
    /// The last status goes on.
    lasts: bool,
}

impl Making {
    fn take_in(&mut self, entry: &Entry) {
        let at = &entry.at;
        if let What::Born { .. } = entry.what {
            // Nobody knows how long the daemon before this one went on after its last line.
            (self.held, self.is_open, self.lasts) = (None, false, false);
        }
        // The counter stands still while the machine sleeps.
        if self.held.is_some_and(|(_, asleep)| (at.asleep - asleep).abs() > SLEEP_MIN) {
            (self.held, self.is_open) = (None, false);
        }
        if let Some((model, _)) = self.held {
            self.push(Point::of(&model, at));
        }
        let when = self.when(at);
        if self.lasts
            && let Some(last) = self.course.lasted.last_mut()
        {
            last.to = when.max(last.from);
        }
        match &entry.what {
            What::Born { .. } | What::Runs(_) => {}
            What::Known { status, model } => self.know(at, *status, *model),
            What::Told(told) if TURNS.contains(&told.label.as_str()) => {
                self.course.turns.push((when, told.label.clone()));
            }
            What::Told(_) => {}
        }
    }

    fn know(&mut self, at: &At, status: Status, model: Option<Model>) {
        self.held = model.map(|model| (model, at.asleep));
        match model {
            Some(model) => self.push(Point::of(&model, at)),
            None => self.is_open = false,
        }
        let when = self.when(at);
        let goes_on = self.lasts && self.course.lasted.last().is_some_and(|last| last.status == status);
        if !goes_on {
            self.course.lasted.push(Lasted { from: when, to: when, status });
        }
        self.lasts = true;
    }

    fn push(&mut self, point: Point) {
        match self.course.stretches.last_mut().filter(|_| self.is_open) {
            Some(stretch) if stretch.last() == Some(&point) => {}
            Some(stretch) => stretch.push(point),
            None => self.course.stretches.push(vec![point]),
        }
        self.is_open = true;
    }

    /// The likeliest time; where none is known, what the clock showed.
    fn when(&self, at: &At) -> f64 {
        match self.held {
            Some((model, _)) => Point::of(&model, at).utc,
            None => at.local.since_epoch().as_seconds(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Level;
    use crate::history::Told;
    use crate::history::tests::{at, model};
    use truechimer_time::Time;

    fn born(seconds: i64) -> Entry {
        let what = What::Born { boot: "b".to_owned(), clocksource: "tsc".to_owned() };
        Entry { at: at(seconds), what }
    }

    fn known(seconds: i64, status: Status) -> Entry {
        Entry { at: at(seconds), what: What::Known { status, model: Some(model(at(seconds).raw)) } }
    }

    fn void(seconds: i64) -> Entry {
        Entry { at: at(seconds), what: What::Known { status: Status::Disrupted, model: None } }
    }

    fn runs(seconds: i64) -> Entry {
        Entry { at: at(seconds), what: What::Runs(Rate::ZERO) }
    }

    fn told(seconds: i64, label: &str) -> Entry {
        let told =
            Told { tai: None, level: Level::Warn, label: label.into(), by: None, words: String::new() };
        Entry { at: at(seconds), what: What::Told(told) }
    }

    #[test]
    fn nothing_is_no_curve() {
        assert_eq!(Course::of(&[]), Course::default());
        assert_eq!(Course::of(&[]).extent(), None);
        assert!(Course::of(&[born(0), runs(1)]).stretches.is_empty());
    }

    #[test]
    fn a_curve_has_both_sides_of_each_line() {
        let course = Course::of(&[
            born(0),
            known(10, Status::Synchronised),
            runs(20),
            known(110, Status::Synchronised),
        ]);
        assert_eq!(course.stretches.len(), 1);
        let bounds: Vec<f64> = course.points().map(|point| (point.bound * 1e7).round() / 1e7).collect();
        assert_eq!(bounds, [0.0005, 0.000501, 0.00051, 0.0005], "it grows by 100 ppb, and is measured anew");
        let fast: Vec<f64> = course.points().map(|point| point.fast).collect();
        assert_eq!(fast, [12.345; 4]);
        assert_eq!(course.lasted.len(), 1);
        assert!((course.lasted[0].to - course.lasted[0].from - 100.0).abs() < 0.01, "{:?}", course.lasted);
    }

    #[test]
    fn nothing_goes_on_over_what_is_not_known() {
        let sleeper =
            Entry { at: At { asleep: Span::from_secs(60), ..at(40) }, what: What::Runs(Rate::ZERO) };
        let entries = [
            known(10, Status::Synchronised),
            void(20),
            known(30, Status::Synchronised),
            sleeper,
            known(50, Status::Degraded),
            born(60),
            known(70, Status::Degraded),
        ];
        let course = Course::of(&entries);
        let lengths: Vec<usize> = course.stretches.iter().map(Vec::len).collect();
        assert_eq!(lengths, [2, 1, 1, 1]);
        let statuses: Vec<Status> = course.lasted.iter().map(|lasted| lasted.status).collect();
        let [synchronised, degraded] = [Status::Synchronised, Status::Degraded];
        assert_eq!(statuses, [synchronised, Status::Disrupted, synchronised, degraded, degraded]);
    }

    #[test]
    fn what_befell_the_clock_is_marked_by_true_time() {
        let entries =
            [told(5, "stepped"), known(10, Status::Synchronised), told(20, "paused"), told(21, "reachable")];
        let course = Course::of(&entries);
        let labels: Vec<&str> = course.turns.iter().map(|(_, label)| label.as_str()).collect();
        assert_eq!(labels, ["stepped", "paused"]);
        let local = |entry: &Entry| Time::since_epoch(entry.at.local).as_seconds();
        assert_eq!(course.turns[0].0, local(&entries[0]), "the clock's, where nothing else is known");
        assert!((course.turns[1].0 - local(&entries[2]) - 0.123).abs() < 0.01, "{:?}", course.turns);
    }
}

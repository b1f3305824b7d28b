//! Holdover: what the oscillator did over minutes, hours and weeks says what it will do while nobody answers.
//!
//! An estimator knows the rate of this moment and how fast it wanders. That is all there is to know for the next
//! minutes, but not for the next days: the rate follows day and night, follows the temperature of the case, and
//! wanders otherwise in a week than the minutes make believe. The [`History`] keeps what speaks about that: a diary
//! of the mean rate in each hour ([`diary`](Hour)), from which it learns
//!
//! - the daily cycle (`daily.rs`), or what temperature does where there is a sensor (`warmth.rs`): so the rate of the
//!   coming hours is foretold and need not be taken for that of now;
//! - the errors that such forecasts would have had in the past, by how far ahead they look (`stability.rs`), and
//!   the law by which they grow (`growth.rs`): so it is known how good the forecast is.
//!
//! A [`Forecast`] is a value: a function of the time that has passed, which reads nothing else. It is about
//! likelihood. What is certain is the business of [`Model`](super::model::Model) and its bracket, which nothing here
//! touches.
//!
//! **Invariant:** no clock and no sensor is read, and memory is fixed: 18 KiB for the diary, 1 KiB for the rest.

use truechimer_time::{Rate, Raw, Span, Tai, Time};

mod daily;
mod diary;
mod growth;
mod regression;
mod series;
mod stability;
mod warmth;

pub use diary::{HOURS_MAX, Hour};

use daily::Cycle;
use diary::Diary;
use growth::Growth;
use series::Series;
use stability::Wagers;
use warmth::{Thermometer, Warmth};

/// Nothing is foretold for longer: a year.
pub const FORECAST_MAX: Span = Span::from_secs(31_557_600);

/// Errors of time and of rate go together in an estimate of both: one that is ahead took the rate for too large.
const CORRELATION: f64 = 0.8;

/// A rate that is not known to within this says nothing about the oscillator.
const VAGUE: f64 = 3e-7;

/// The time goes on from one measurement to the next to within so many standard deviations, or what is measured has
/// jumped: another source, another route.
const JUMP_SIGMAS: f64 = 6.0;

/// Where no cause is known, the rate by the diary has to be known so much better than the estimator's to be preferred:
/// the estimator has seen all that the diary has.
const PREFERRED: f64 = 0.5;

/// The rate of the diary is the mean of no more hours than this.
const BASE_MAX: usize = 48;

/// The time as it is known at one moment: what the forecast goes out from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mark {
    /// The reading of the counter.
    pub at: Time<Raw>,
    /// The likeliest time.
    pub tai: Time<Tai>,
    /// The likeliest rate: seconds of TAI gained on each second of the counter.
    pub rate: f64,
    /// One standard deviation of the time, in seconds.
    pub sigma: f64,
    /// The part of it that is another one at each measurement, in seconds: without what may be wrong for good, as the
    /// asymmetry of a path.
    pub noise: f64,
    /// One standard deviation of the rate.
    pub rate_sigma: f64,
}

/// What the oscillator did.
#[derive(Clone, Debug)]
pub struct History {
    diary: Diary,
    wagers: Wagers,
    thermometer: Thermometer,
    last: Option<Mark>,
    cause: Cause,
    cycle: Option<Cycle>,
    growth: Growth,
}

/// Why the rate changes, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cause {
    Unknown,
    Day(Cycle),
    Warmth(Warmth),
}

/// What the forecast leans on. For people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaning {
    /// The straight line: nothing better is known.
    Line,
    /// The daily cycle, of this amplitude.
    Day {
        /// Half of the way from its least rate to its greatest.
        amplitude: Rate,
    },
    /// The readings of a temperature sensor.
    Temperature,
}

/// The time to come, if nothing more is measured.
#[derive(Clone, Copy, Debug)]
pub struct Forecast {
    /// The last measurement.
    from: Mark,
    /// The rate to begin with, and how well it is known.
    rate: f64,
    rate_sigma: f64,
    cycle: Option<Cycle>,
    warmed: Option<Warmed>,
    growth: Growth,
}

/// What temperature has done since the last measurement.
#[derive(Clone, Copy, Debug)]
struct Warmed {
    until: Time<Raw>,
    gained: f64,
    rate: f64,
}

/// What a forecast says about one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// The likeliest rate of true time against the counter at that moment.
    pub rate: Rate,
    /// How far true time is likely to be ahead of the straight line from the last measurement.
    pub ahead: Span,
    /// One standard deviation of the time.
    pub sigma: Span,
    /// 999 times in 1000 the time is no further off than this.
    pub p999: Span,
}

impl History {
    /// A history that goes on from the diary of an earlier life, the oldest hour first; or one that begins. `wander` is
    /// the walk of the rate per square root of a second, as far as it is known.
    pub fn new(hours: impl IntoIterator<Item = Hour>, wander: f64) -> Self {
        let mut history = Self {
            diary: Diary::resumed(hours),
            wagers: Wagers::default(),
            thermometer: Thermometer::default(),
            last: None,
            cause: Cause::Unknown,
            cycle: None,
            growth: Growth::walking(wander),
        };
        history.study(0.0, wander);
        history
    }

    /// The time was measured. `wander` is how fast the estimator takes the rate to walk, per square root of a second.
    pub fn hear(&mut self, mark: &Mark, wander: f64) {
        let last = self.last.replace(*mark).filter(|last| last.rate_sigma <= VAGUE);
        self.thermometer.anchor(mark.at);
        let went_on =
            last.filter(|_| mark.rate_sigma <= VAGUE).is_some_and(|last| self.go_on(&last, mark, wander));
        if went_on {
            self.study(mark.noise, wander);
        } else if self.diary.newest().is_none() {
            self.growth = Growth::walking(wander);
        }
        self.growth = self.growth.with_wagers(self.wagers.octaves());
    }

    /// Writes down what the oscillator did since the last measurement. Returns whether an hour is over.
    fn go_on(&mut self, last: &Mark, mark: &Mark, wander: f64) -> bool {
        let expected = last.time_at(mark.at);
        let passed = (mark.at - last.at).as_seconds();
        let walked = wander * passed * libm::sqrt(passed.max(0.0));
        let allowed = JUMP_SIGMAS * (last.noise + mark.noise + last.rate_sigma * passed + walked);
        if libm::fabs((mark.tai - expected).as_seconds()) > allowed {
            self.wagers.cancel();
            return self.diary.pass((last.at, last.tai), (mark.at, expected));
        }
        let cycle = self.cycle;
        self.wagers.hear(mark, |from, to| cycle.map_or(0.0, |cycle| cycle.bent(from, to)));
        self.diary.pass((last.at, last.tai), (mark.at, mark.tai))
    }

    /// A temperature sensor was read, in degrees Celsius. Always the same sensor, once a minute or so.
    pub fn warm(&mut self, at: Time<Raw>, degrees: f64) {
        if !degrees.is_finite() {
            return;
        }
        let warmth = match &self.cause {
            Cause::Warmth(warmth) => Some(warmth),
            Cause::Unknown | Cause::Day(_) => None,
        };
        self.thermometer.read(at, degrees, warmth);
        if let Some(last) = self.last {
            self.diary.warm(last.time_at(at), degrees);
        }
    }

    /// The counter stood still for a while, or another one counts: no two readings are compared across this moment.
    pub fn interrupted(&mut self) {
        self.wagers.cancel();
        self.last = None;
    }

    /// The diary, the oldest hour first: all that has to survive a restart.
    pub fn hours(&self) -> &[Hour] {
        self.diary.hours()
    }

    /// What a forecast leans on.
    pub fn leaning(&self) -> Leaning {
        match self.cause {
            Cause::Unknown => Leaning::Line,
            Cause::Day(cycle) => Leaning::Day { amplitude: Rate::from_ratio(cycle.amplitude()) },
            Cause::Warmth(_) => Leaning::Temperature,
        }
    }

    /// What is to be expected from the last measurement on, with what a temperature sensor has said since; `None` before
    /// the first measurement.
    pub fn forecast(&self) -> Option<Forecast> {
        let from = self.last?;
        let (rate, rate_sigma) = self.rate_at(&from);
        let warmed = match &self.cause {
            Cause::Warmth(warmth) => self.thermometer.since(warmth),
            Cause::Unknown | Cause::Day(_) => None,
        };
        let warmed = warmed.map(|(until, gained, rate)| Warmed { until: until.max(from.at), gained, rate });
        Some(Forecast { from, rate, rate_sigma, cycle: self.cycle, warmed, growth: self.growth })
    }

    /// Reads the diary again, with what is known by now.
    fn study(&mut self, noise: f64, wander: f64) {
        let rates = Series::rates(self.diary.hours());
        let day = Cycle::learn(&rates);
        let warmth = Warmth::learn(self.diary.hours());
        if self.cycle.is_some() != day.is_some() {
            // What was laid on another knowledge says nothing of forecasts with this.
            self.wagers = Wagers::default();
        }
        self.cycle = day.map(|(cycle, _)| cycle);
        self.cause = match (day, warmth) {
            (day, Some((warmth, left))) if day.is_none_or(|(_, other)| left < other) => Cause::Warmth(warmth),
            (Some((cycle, _)), Some(_) | None) => Cause::Day(cycle),
            (None, Some(_) | None) => Cause::Unknown,
        };
        let left = self.left();
        let walk = (self.cause == Cause::Unknown).then_some(wander);
        let long = stability::long(&left, noise);
        let is_blank = long.iter().all(|octave| octave.count == 0.0);
        self.growth = if is_blank { Growth::walking(wander) } else { Growth::learn(long, walk) };
    }

    /// What is left of the rates of the hours when what their cause has done is taken out.
    fn left(&self) -> Series {
        match &self.cause {
            Cause::Unknown => Series::rates(self.diary.hours()),
            Cause::Day(cycle) => cycle.left(self.diary.hours()),
            Cause::Warmth(warmth) => warmth.left(self.diary.hours()),
        }
    }

    /// What the cause added to the rate at the last measurement.
    fn caused(&self, mark: &Mark) -> Option<f64> {
        match &self.cause {
            Cause::Unknown => Some(0.0),
            Cause::Day(cycle) => Some(cycle.rate(mark.tai)),
            Cause::Warmth(warmth) => self.thermometer.anchored().map(|degrees| warmth.rate(degrees)),
        }
    }

    /// The likeliest rate and its standard deviation: the estimator's, or what the last hours and the cause make of it,
    /// whichever is known better. An estimator that has to follow the day cannot be as calm as one that knows it.
    fn rate_at(&self, mark: &Mark) -> (f64, f64) {
        let by_estimator = (mark.rate, mark.rate_sigma);
        let wanted = match self.cause {
            Cause::Unknown => PREFERRED * mark.rate_sigma,
            Cause::Day(_) | Cause::Warmth(_) => mark.rate_sigma,
        };
        self.rate_by_diary(mark).filter(|diary| diary.1 < wanted).unwrap_or(by_estimator)
    }

    fn rate_by_diary(&self, mark: &Mark) -> Option<(f64, f64)> {
        let (newest, caused) = (self.diary.newest()?, self.caused(mark)?);
        let age = (mark.tai - diary::start_of(newest.number) - diary::HOUR).as_seconds();
        let left = self.left();
        let sums = left.sums();
        let mean = |hours: usize| {
            let rate = sums.mean(left.len().checked_sub(hours)?, hours)?;
            let base = hours as f64 * 3600.0;
            let noise = 2.0 * mark.noise * mark.noise / (base * base);
            Some((rate + caused, libm::sqrt(noise + self.growth.of_rate(base, age.max(0.0)))))
        };
        (1..=BASE_MAX).filter_map(mean).min_by(|a, b| a.1.total_cmp(&b.1))
    }
}

impl Mark {
    /// Where the straight line from here is at another reading of the counter.
    fn time_at(&self, at: Time<Raw>) -> Time<Tai> {
        let passed = at - self.at;
        self.tai + passed + Rate::from_ratio(self.rate).over(passed)
    }
}

impl Forecast {
    /// The last measurement, from which the straight line goes out.
    pub fn from(&self) -> Mark {
        self.from
    }

    /// From a reading of the counter on, so long is the error within `limit` 999 times in 1000: by halving, to the
    /// second. Zero if it is not now, and [`FORECAST_MAX`] if it is for longer.
    pub fn holds_for(&self, raw: Time<Raw>, limit: Span) -> Span {
        let passed = (raw - self.from.at).max(Span::ZERO);
        let is_within = |more: Span| self.after(passed + more).p999 <= limit;
        if !is_within(Span::ZERO) {
            return Span::ZERO;
        }
        let (mut holds, mut breaks) = (Span::ZERO, FORECAST_MAX);
        while breaks - holds > Span::from_secs(1) {
            let between = holds + (breaks - holds).half();
            match is_within(between) {
                true => holds = between,
                false => breaks = between,
            }
        }
        if is_within(FORECAST_MAX) { FORECAST_MAX } else { holds }
    }

    /// What to expect when the counter has counted so long since the last measurement.
    pub fn after(&self, passed: Span) -> Outlook {
        let t = passed.as_seconds().max(0.0);
        let (gained, rate) = self.foretold(passed.max(Span::ZERO));
        let sigma = libm::hypot(self.from.sigma, self.rate_sigma * t);
        let both = 2.0 * CORRELATION * self.from.noise * self.rate_sigma * t;
        let square = sigma * sigma + both + self.growth.square(t);
        Outlook {
            rate: Rate::from_ratio(self.rate + rate),
            ahead: Span::from_seconds((self.rate - self.from.rate) * t + gained),
            sigma: Span::from_seconds(libm::sqrt(square)),
            p999: Span::from_seconds(self.growth.p999(t, square)),
        }
    }

    /// What day and temperature have gained after so long, in seconds, and what they add to the rate by then.
    fn foretold(&self, passed: Span) -> (f64, f64) {
        let from = self.from.tai;
        let known = self.warmed.map_or(Span::ZERO, |warmed| (warmed.until - self.from.at).min(passed));
        let (gained, rate) = match self.warmed {
            Some(warmed) if known == passed => return (warmed.gained, warmed.rate),
            Some(warmed) => (warmed.gained + warmed.rate * (passed - known).as_seconds(), warmed.rate),
            None => (0.0, 0.0),
        };
        let Some(cycle) = self.cycle else { return (gained, rate) };
        let (start, end) = (from + known, from + passed);
        (gained + cycle.bent(start, end), rate + cycle.rate(end) - cycle.rate(start))
    }
}

#[cfg(test)]
mod tests;

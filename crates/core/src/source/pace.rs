//! How rarely measuring is enough for an accuracy target.
//!
//! Between two measurements the variance of the time grows. With the covariance `P` after the first of them and an
//! oscillator whose rate walks with intensity `w`, after `t` seconds it is
//!
//! ```text
//!   σ²(t) = Pxx + 2 t Pxy + t² Pyy + w² t³/3
//! ```
//!
//! a cubic, whatever filter the covariance comes from, and a mixture of filters makes a cubic too. So four values of it
//! are all of it ([`Growth`]), and nothing has to be known about the inside of an estimator. The root of its *mean* over
//! the interval is the standard error of a clock that is read at any time; the interval is the longest at which that is
//! within the target, with a [`MARGIN`]. At the end of the interval the standard error is larger than the target: where
//! the walk alone counts (`σ²` ∝ `t²/√12 + t³/3`) by 1.86. That is what rare measurements cost, and what they save: to meet
//! the target at the end as well would take 1.5 times as many.
//!
//! The interval may come down at once and goes up by a factor of two at most each time ([`Pace`]), because the
//! variance is itself an estimate.

use truechimer_time::{Mono, Span, Time};

/// The interval is chosen for this share of the target, so that an estimate of the variance that is a little too small
/// does not miss it. Where the walk counts it costs 2 % more questions.
pub const MARGIN: f64 = 0.97;

/// How many halvings find an interval: to a millionth of the longest.
const HALVINGS: u32 = 20;

/// How the variance of the time grows over a stretch without measurements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    stretch: Span,
    /// In s², for time counted in stretches.
    coefficients: [f64; 4],
}

impl Growth {
    /// At these shares of the stretch the variance has to be known.
    pub const SHARES: [f64; 4] = [0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0];

    /// The cubic through the variances (in s²) at the [`SHARES`](Self::SHARES) of a stretch.
    pub fn through(stretch: Span, [a, b, c, d]: [f64; 4]) -> Self {
        let coefficients = [
            a,
            (-11.0 * a + 18.0 * b - 9.0 * c + 2.0 * d) / 2.0,
            (2.0 * a - 5.0 * b + 4.0 * c - d) * 4.5,
            (-a + 3.0 * b - 3.0 * c + d) * 4.5,
        ];
        Self { stretch, coefficients }
    }

    /// The standard error of a clock that is read at any time within this share of the stretch, in seconds.
    fn rms_within(&self, share: f64) -> f64 {
        let [a, b, c, d] = self.coefficients;
        let mean = a + share * (b / 2.0 + share * (c / 3.0 + share * d / 4.0));
        libm::sqrt(mean.max(0.0))
    }

    /// The longest interval, up to the stretch, over which the standard error is at most so many seconds, and that
    /// standard error. Zero if it is more from the start.
    fn longest(&self, limit: f64) -> Forecast {
        let (mut holds, mut breaks) = (0.0, 1.0);
        if self.rms_within(breaks) <= limit {
            holds = breaks;
        }
        for _ in 0..HALVINGS {
            let between = (holds + breaks) / 2.0;
            match self.rms_within(between) <= limit {
                true => holds = between,
                false => breaks = between,
            }
        }
        self.forecast(Span::from_seconds(self.stretch.as_seconds() * holds))
    }

    /// What an interval gives.
    fn forecast(&self, interval: Span) -> Forecast {
        let share = interval.as_seconds() / self.stretch.as_seconds().max(1e-9);
        Forecast { interval, rms: self.rms_within(share) }
    }
}

/// What an interval gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// The time from one measurement to the next.
    pub interval: Span,
    /// The standard error of the clock over that time, in seconds.
    pub rms: f64,
}

/// The interval of all sources together that an accuracy target asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    target: f64,
    forecast: Option<Forecast>,
    set: Time<Mono>,
}

impl Pace {
    /// A pace for a target.
    pub fn towards(target: Span) -> Self {
        Self { target: target.as_seconds(), forecast: None, set: Time::EPOCH }
    }

    /// The longest interval that could be next, if none may be shorter or longer than these: for so long has the
    /// growth of the variance to be known.
    pub fn reach(&self, shortest: Span, longest: Span) -> Span {
        let so_far = self.interval().unwrap_or(shortest).max(shortest);
        (so_far * 2).min(longest.max(shortest))
    }

    /// A measurement has come. The next interval is as long as the growth allows, but no shorter than `shortest`; and no
    /// longer than the last one, if the measurements came faster than at the pace.
    pub fn set(&mut self, growth: &Growth, shortest: Span, now: Time<Mono>) {
        let before = self.interval().unwrap_or(shortest).max(shortest);
        let is_hurried = self.forecast.is_none() || now - self.set < before.half();
        let allowed = growth.longest(self.target * MARGIN).interval.max(shortest);
        let interval = if is_hurried { allowed.min(before) } else { allowed };
        if !is_hurried || interval < before {
            self.set = now;
        }
        self.forecast = Some(growth.forecast(interval));
    }

    /// Nobody is believed any more: the next pace begins with the shortest interval.
    pub fn lose(&mut self) {
        self.forecast = None;
    }

    /// The time from one measurement to the next, whomever it is of. `None` as long as nobody is believed.
    pub fn interval(&self) -> Option<Span> {
        self.forecast.map(|forecast| forecast.interval)
    }

    /// The standard error of the clock at this pace.
    pub fn rms(&self) -> Option<Span> {
        self.forecast.map(|forecast| Span::from_seconds(forecast.rms))
    }

    /// Even at the shortest interval the target is missed.
    pub fn misses_target(&self) -> bool {
        self.forecast.is_some_and(|forecast| forecast.rms > self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The variance of an integrated random walk of intensity `w`, measured exactly every `interval` so far.
    fn walked(w: f64, interval: f64) -> impl Fn(f64) -> f64 {
        move |t| w * w * (interval * t * t / libm::sqrt(12.0) + t * t * t / 3.0)
    }

    fn growth(stretch: Span, variance: impl Fn(f64) -> f64) -> Growth {
        Growth::through(stretch, Growth::SHARES.map(|share| variance(share * stretch.as_seconds())))
    }

    /// The next interval of a node that has measured at `pace` and measures exactly when that has passed.
    fn next(pace: &mut Pace, w: f64) -> f64 {
        let (shortest, longest) = (Span::from_secs(16), Span::from_secs(129_600));
        let interval = pace.interval().unwrap_or(shortest).as_seconds();
        let stretch = pace.reach(shortest, longest);
        let now = pace.set + Span::from_seconds(interval);
        pace.set(&growth(stretch, walked(w, interval)), shortest, now);
        pace.interval().expect("it was set").as_seconds()
    }

    #[test]
    fn four_values_are_the_whole_cubic() {
        let variance = |t: f64| 4.0 + 3.0 * t + 2.0 * t * t + t * t * t;
        let growth = growth(Span::from_secs(7), variance);
        let steps = 100_000;
        let mean = (0..steps).map(|i| variance(5.0 * (f64::from(i) + 0.5) / f64::from(steps))).sum::<f64>();
        let rms = libm::sqrt(mean / f64::from(steps));
        assert!((growth.forecast(Span::from_secs(5)).rms - rms).abs() < 1e-6);
    }

    /// The standard error over all time is 0.424 w τ^1.5 in this case.
    #[test]
    fn the_interval_settles_where_the_standard_error_over_all_time_is_the_target() {
        let mut pace = Pace::towards(Span::from_millis(1));
        let intervals: alloc::vec::Vec<f64> = (0..40).map(|_| next(&mut pace, 1e-9)).collect();
        let expected = libm::pow(MARGIN * 1e-3 / (0.4238 * 1e-9), 2.0 / 3.0);
        assert!((intervals[39] / expected - 1.0).abs() < 0.01, "{} {expected}", intervals[39]);
        assert!(intervals[39] > 4.5 * 3600.0, "{}", intervals[39]);
        assert!(intervals.windows(2).all(|pair| pair[1] <= 2.0 * pair[0] + 1e-6));
        assert!((pace.rms().expect("known").as_seconds() - MARGIN * 1e-3).abs() < 1e-6);
    }

    #[test]
    fn a_worse_oscillator_is_measured_more_often_at_once() {
        let mut pace = Pace::towards(Span::from_millis(1));
        let settled = (0..40).map(|_| next(&mut pace, 1e-9)).last().expect("forty");
        assert!(next(&mut pace, 1e-8) < settled / 3.0);
    }

    #[test]
    fn what_is_worse_than_the_target_to_begin_with_is_measured_as_often_as_may_be() {
        let mut pace = Pace::towards(Span::from_micros(100));
        assert!(!pace.misses_target(), "nobody knows yet");
        let shortest = Span::from_secs(64);
        pace.set(&growth(Span::from_secs(128), |t| 1e-6 + t * 1e-9), shortest, Time::EPOCH);
        assert_eq!(pace.interval(), Some(shortest));
        assert!(pace.misses_target());
    }

    #[test]
    fn a_burst_does_not_make_the_interval_longer() {
        let mut pace = Pace::towards(Span::from_millis(1));
        let shortest = Span::from_secs(64);
        for second in 0..20 {
            let stretch = pace.reach(shortest, Span::from_secs(129_600));
            let now = Time::EPOCH + Span::from_secs(second);
            pace.set(&growth(stretch, |_| 1e-12), shortest, now);
        }
        assert_eq!(pace.interval(), Some(shortest));
    }
}

//! Temperature: where a sensor tells how warm the oscillator is, its rate need not be guessed.
//!
//! The rate is a line or a shallow parabola over temperature, the same for years. The oscillator's own temperature lags
//! behind that of a sensor elsewhere in the case; over hours, a first-order lag of `delay` is a delay by so much,
//! and a few of them are tried. As with the daily cycle, differences are fitted and not the rates themselves, because
//! ageing and the walk would pass for temperature.
//!
//! No sensor is read here: readings are handed in.

use truechimer_time::{Raw, Time};

use super::diary::Hour;
use super::regression::Regression;
use super::series::{Series, weight};

/// Differences are taken between hours so far apart: a warming room takes as long.
const LAG: usize = 3;

/// The hours of a day and a half: the room was warmer and cooler.
const HOURS_MIN: usize = 36;

/// Temperature has to leave less than this share of the variance unexplained.
const UNEXPLAINED_MAX: f64 = 0.5;

/// The square has to leave less than this share of what the line leaves.
const SQUARE_PAYS: f64 = 0.9;

/// The lags that are tried, in hours.
const DELAYS: [f64; 4] = [0.0, 0.25, 0.5, 1.0];

/// A reading holds no longer than this, in seconds: a sensor that fell silent says nothing.
const READING_HOLDS: f64 = 900.0;

/// What a degree does to the rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Warmth {
    centre: f64,
    linear: f64,
    square: f64,
    delay: f64,
}

impl Warmth {
    /// What temperature did to the rates of the hours, and the share of the variance that it leaves; `None` if it does
    /// not explain enough.
    pub(super) fn learn(hours: &[Hour]) -> Option<(Self, f64)> {
        let degrees = Series::of(hours, |hour| hour.degrees.map(f64::from));
        if degrees.known() < HOURS_MIN {
            return None;
        }
        let rates = Series::rates(hours);
        let fits = DELAYS.into_iter().filter_map(|delay| Self::fit(&rates, &degrees, delay));
        let best = fits.min_by(|a, b| a.1.total_cmp(&b.1))?;
        (best.1 < UNEXPLAINED_MAX).then_some(best)
    }

    fn fit(rates: &Series, degrees: &Series, delay: f64) -> Option<(Self, f64)> {
        let centre = degrees.mean()?;
        let mut sums = Regression::<2>::new();
        for (index, [before, after]) in rates.pairs(LAG) {
            let row =
                |index| delayed(degrees, index, delay).map(|warm| [warm - centre, square(warm - centre)]);
            if let (Some(then), Some(now)) = (row(index - LAG), row(index)) {
                sums.add(
                    [now[0] - then[0], now[1] - then[1]],
                    after - before,
                    weight(rates.len() - 1 - index),
                );
            }
        }
        let line = sums.fit::<1>(LAG as f64)?;
        let parabola =
            sums.fit::<2>(LAG as f64).filter(|fit| fit.unexplained < SQUARE_PAYS * line.unexplained);
        let (linear, square, unexplained) = match parabola {
            Some(fit) => (fit.unknowns[0], fit.unknowns[1], fit.unexplained),
            None => (line.unknowns[0], 0.0, line.unexplained),
        };
        Some((Self { centre, linear, square, delay: delay * 3600.0 }, unexplained))
    }

    /// What a temperature adds to the rate, against the mean temperature.
    pub(super) fn rate(&self, degrees: f64) -> f64 {
        let warmer = degrees - self.centre;
        self.linear * warmer + self.square * warmer * warmer
    }

    /// What was left of the rate of each hour, as far as its temperature is known.
    pub(super) fn left(&self, hours: &[Hour]) -> Series {
        let degrees = Series::of(hours, |hour| hour.degrees.map(f64::from));
        let first = hours.first().map_or(0, |hour| hour.number);
        Series::of(hours, |hour| {
            let warm = delayed(&degrees, (hour.number - first) as usize, self.delay / 3600.0)?;
            Some(hour.rate.as_ratio() - self.rate(warm))
        })
    }
}

/// The temperature so many hours (at most one) before an hour.
fn delayed(degrees: &Series, index: usize, delay: f64) -> Option<f64> {
    let (now, before) = (degrees.value(index)?, degrees.value(index.checked_sub(1)?)?);
    Some(now + delay * (before - now))
}

fn square(x: f64) -> f64 {
    x * x
}

/// The readings of a sensor, and what has been gained by them since the last measurement of the time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Thermometer {
    at: Option<Time<Raw>>,
    oscillator: f64,
    anchor: Option<f64>,
    gained: f64,
}

impl Thermometer {
    /// A sensor was read.
    pub(super) fn read(&mut self, at: Time<Raw>, degrees: f64, warmth: Option<&Warmth>) {
        let passed = self.at.map_or(f64::INFINITY, |last| (at - last).as_seconds().max(0.0));
        let before = self.oscillator;
        self.at = Some(at);
        let delay = warmth.map_or(0.0, |warmth| warmth.delay);
        if passed > READING_HOLDS {
            self.oscillator = degrees;
        } else if passed > 0.0 {
            self.oscillator += (degrees - self.oscillator) * passed / (passed + delay);
        }
        if let (Some(warmth), Some(anchor)) = (warmth, self.anchor) {
            let mean = (warmth.rate(before) + warmth.rate(self.oscillator)) / 2.0;
            self.gained += (mean - warmth.rate(anchor)) * passed;
        }
    }

    /// The time was measured: what is gained is counted from here, if the sensor was read of late.
    pub(super) fn anchor(&mut self, at: Time<Raw>) {
        let is_fresh = |read: Time<Raw>| (at - read).as_seconds() <= READING_HOLDS;
        self.anchor = self.at.filter(|&read| is_fresh(read)).map(|_| self.oscillator);
        self.gained = 0.0;
    }

    /// Since the last measurement: until when the sensor was read, what was gained by warmth until then in seconds, and
    /// by how much the rate is another one since.
    pub(super) fn since(&self, warmth: &Warmth) -> Option<(Time<Raw>, f64, f64)> {
        let (at, anchor) = (self.at?, self.anchor?);
        Some((at, self.gained, warmth.rate(self.oscillator) - warmth.rate(anchor)))
    }

    /// The temperature of the oscillator when the time was last measured, if it was known.
    pub(super) fn anchored(&self) -> Option<f64> {
        self.anchor
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use truechimer_time::{Rate, Span};

    /// Hours in which the room swings by 4 degrees with a period of 17 hours, and a rate that follows 30 minutes later.
    fn hours(count: u32, rate: impl Fn(f64) -> f64) -> Vec<Hour> {
        let degrees = |hour: f64| 25.0 + 4.0 * libm::sin(core::f64::consts::TAU * hour / 17.0);
        let hour = |number: u32| {
            let at = f64::from(number);
            Hour {
                number,
                degrees: Some(degrees(at) as f32),
                rate: Rate::from_ratio(rate(degrees(at - 0.5) - 25.0)),
            }
        };
        (1000..1000 + count).map(hour).collect()
    }

    #[test]
    fn a_line_and_its_lag_are_found() {
        let hours = hours(100, |warmer| 2e-5 + 1e-7 * warmer);
        let (warmth, unexplained) = Warmth::learn(&hours).expect("nothing else is at work");
        assert!(unexplained < 0.01 && (warmth.linear - 1e-7).abs() < 2e-9, "{warmth:?}");
        assert_eq!((warmth.delay, warmth.square), (1800.0, 0.0));
        let left = warmth.left(&hours);
        let span = |series: &Series| {
            let values: Vec<f64> = (0..series.len()).filter_map(|index| series.value(index)).collect();
            values.iter().copied().fold(f64::MIN, f64::max) - values.iter().copied().fold(f64::MAX, f64::min)
        };
        assert!(span(&left) < 0.05 * span(&Series::rates(&hours)));
    }

    #[test]
    fn the_parabola_of_a_watch_crystal_is_found() {
        let (warmth, _) =
            Warmth::learn(&hours(200, |warmer| -3.5e-8 * warmer * warmer)).expect("a parabola explains it");
        assert!((warmth.square + 3.5e-8).abs() < 2e-9, "{warmth:?}");
    }

    #[test]
    fn a_sensor_of_something_else_explains_nothing() {
        let mut hours = hours(200, |_| 0.0);
        let mut state = 1u32;
        for hour in &mut hours {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            hour.rate = Rate::from_ratio(1e-7 * f64::from(state >> 8) / f64::from(1u32 << 24));
        }
        assert_eq!(Warmth::learn(&hours), None);
        hours.iter_mut().for_each(|hour| hour.degrees = None);
        assert_eq!(Warmth::learn(&hours), None);
    }

    #[test]
    fn what_warmth_gains_is_counted_from_the_last_measurement() {
        let warmth = Warmth { centre: 20.0, linear: 1e-7, square: 0.0, delay: 0.0 };
        let at = |seconds| Time::from_epoch(Span::from_secs(seconds));
        let mut thermometer = Thermometer::default();
        thermometer.read(at(0), 20.0, Some(&warmth));
        thermometer.anchor(at(0));
        for minute in 1..=60 {
            thermometer.read(at(60 * minute), 25.0, Some(&warmth));
        }
        let (until, gained, rate) = thermometer.since(&warmth).expect("read");
        assert_eq!((until, (rate * 1e9).round()), (at(3600), 500.0));
        assert!((gained - 5e-7 * 3570.0).abs() < 1e-9, "{gained}");
    }
}

//! The oscillators of the table, and the air around them.

use truechimer_time::Span;

use crate::chance::Stream;
use crate::oscillator::OscillatorSpec;
use crate::oscillator::course::Sine;

/// An oscillator, the path on which it is measured, and what happens when the path is cut.
#[derive(Clone, Debug)]
pub struct Case {
    /// What the table calls it.
    pub name: &'static str,
    /// The quick form of the table has it too.
    pub is_telling: bool,
    /// The oscillator.
    pub oscillator: OscillatorSpec,
    /// The mean of the exponential delay on top, each way, in seconds.
    pub jitter: f64,
    /// At the cut the rate changes by so much, in parts per million.
    pub step_ppm: f64,
    /// The counter loses so many parts per million with each degree; there is a sensor then.
    pub ppm_per_degree: f64,
}

impl Case {
    /// All of them.
    pub fn all() -> Vec<Self> {
        let walking = |walk| OscillatorSpec { walk, ..OscillatorSpec::default() };
        let daily = |walk, ppm| OscillatorSpec { sines: vec![Sine::daily(ppm)], ..walking(walk) };
        let flicker = OscillatorSpec { flicker: 5e-9, ..walking(1e-12) };
        let of = |name, oscillator, jitter| Self {
            name,
            is_telling: false,
            oscillator,
            jitter,
            step_ppm: 0.0,
            ppm_per_degree: 0.0,
        };
        vec![
            Self { is_telling: true, ..of("walk 1e-9", walking(1e-9), 1e-4) },
            of("walk 1e-9, jitter 1 ms", walking(1e-9), 1e-3),
            of("walk 1e-10, jitter 1 ms", walking(1e-10), 1e-3),
            of("flicker, jitter 1 ms", flicker, 1e-3),
            Self { is_telling: true, ..of("1 ppm daily, walk 1e-10", daily(1e-10, 1.0), 1e-3) },
            of("3 ppm daily, walk 1e-9", daily(1e-9, 3.0), 1e-4),
            Self { step_ppm: 3.0, ..of("3 ppm step at the cut", walking(1e-9), 1e-4) },
            Self {
                is_telling: true,
                ppm_per_degree: 0.1,
                ..of("0.1 ppm a degree, sensor", walking(1e-10), 1e-4)
            },
        ]
    }
}

/// How warm it is: by day and night, with the weather, and in the case of the machine, which follows slowly.
#[derive(Clone, Debug)]
pub(super) struct Air {
    seconds: f64,
    weather: f64,
    case: f64,
    chance: Stream,
}

/// The mean, half of the way from night to day, and how far the weather goes, in degrees.
const MEAN: f64 = 30.0;
const DAILY: f64 = 3.0;
const WEATHER: f64 = 1.5;

/// The weather changes within so many seconds, and the case follows within so many.
const WEATHER_CHANGES: f64 = 36_000.0;
const CASE_FOLLOWS: f64 = 1200.0;

/// The sensor shows quarters of a degree.
const SENSOR: f64 = 0.25;

impl Air {
    pub(super) fn new(chance: Stream) -> Self {
        Self { seconds: 0.0, weather: 0.0, case: MEAN, chance }
    }

    /// Some time passes, not much more than a minute.
    pub(super) fn pass(&mut self, passed: Span) {
        let seconds = passed.as_seconds();
        let kept = libm::exp(-seconds / WEATHER_CHANGES);
        self.weather = kept * self.weather + WEATHER * libm::sqrt(1.0 - kept * kept) * self.chance.normal();
        self.seconds += seconds;
        self.case -= libm::expm1(-seconds / CASE_FOLLOWS) * (self.outside() - self.case);
    }

    /// What the sensor shows: the air outside of the case.
    pub(super) fn shown(&self) -> f64 {
        libm::round(self.outside() / SENSOR) * SENSOR
    }

    /// By how much the oscillator is warmer than usual.
    pub(super) fn warmer(&self) -> f64 {
        self.case - MEAN
    }

    fn outside(&self) -> f64 {
        let turn = core::f64::consts::TAU * self.seconds / 86_400.0;
        MEAN + DAILY * libm::sin(turn) + self.weather
    }
}

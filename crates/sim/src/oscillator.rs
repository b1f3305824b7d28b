//! The oscillator of a simulated machine: how its raw counter runs against true time.
//!
//! The counter's rate error is a sum of parts: what follows a [course] (a constant, sines of the day and the hour, steps,
//! settling, ageing) and what is chance ([noise]: random walk, flicker and white frequency noise, steps that nobody has
//! planned). Over any stretch the phase is integrated in closed form, and chance is drawn with its exact covariance of
//! phase and rate, so that the size of the strides does not matter. Each kind of chance has a stream of its own.

use truechimer_time::{Rate, Raw, Span, Tai, Time};

use self::course::{Settling, Sine};
use self::noise::{Noise, RandomSteps};
use crate::chance::Stream;

pub mod course;
pub mod noise;

/// What kind of oscillator it is.
#[derive(Clone, Debug)]
pub struct OscillatorSpec {
    /// Constant rate error of the counter, in parts per million. Positive: the counter runs fast.
    pub offset_ppm: f64,
    /// By so much the rate error grows in a day, in parts per million.
    pub ageing_ppm: f64,
    /// Sines in the rate: day and night, heating and cooling.
    pub sines: Vec<Sine>,
    /// Steps of the rate: when after the start, and by how many parts per million.
    pub steps: Vec<(Span, f64)>,
    /// Approaches to another rate, after a start or a change of load.
    pub settlings: Vec<Settling>,
    /// Random walk frequency noise: the standard deviation of the rate's walk after one second.
    pub walk: f64,
    /// Flicker frequency noise: the standard deviation of each of its [parts](noise::FLICKER_TIMES).
    pub flicker: f64,
    /// White frequency noise: the standard deviation of the phase after one second, in seconds.
    pub white: f64,
    /// Steps of the rate at any time.
    pub random_steps: Option<RandomSteps>,
    /// The counter shows whole multiples of this only; zero for all that an instant can say.
    pub tick: Span,
}

impl Default for OscillatorSpec {
    /// 20 ppm fast, walking 10⁻⁹ per square root of a second.
    fn default() -> Self {
        Self {
            offset_ppm: 20.0,
            ageing_ppm: 0.0,
            sines: Vec::new(),
            steps: Vec::new(),
            settlings: Vec::new(),
            walk: 1e-9,
            flicker: 0.0,
            white: 0.0,
            random_steps: None,
            tick: Span::ZERO,
        }
    }
}

/// A counter that counts.
#[derive(Clone, Debug)]
pub struct Oscillator {
    spec: OscillatorSpec,
    start: Time<Tai>,
    now: Time<Tai>,
    raw: Time<Raw>,
    noise: Noise,
    retuned: Rate,
}

impl Oscillator {
    /// A counter that shows `raw` at `start`.
    pub fn new(spec: OscillatorSpec, start: Time<Tai>, raw: Time<Raw>, chance: Stream) -> Self {
        let noise = Noise::new(&spec, chance);
        Self { spec, start, now: start, raw, noise, retuned: Rate::ZERO }
    }

    /// What the counter shows.
    pub fn raw(&self) -> Time<Raw> {
        let (shown, tick) = (self.raw.since_epoch().as_attos(), self.spec.tick.as_attos());
        match tick {
            0 => self.raw,
            tick => Time::from_epoch(Span::from_attos(shown - shown.rem_euclid(tick))),
        }
    }

    /// The rate error now, seconds per second. Positive: fast.
    pub fn rate(&self) -> f64 {
        self.spec.course_ppm(self.now - self.start) * 1e-6 + self.noise.rate() + self.retuned.as_ratio()
    }

    /// Lets the counter run until `until`, which is never in the past.
    pub fn run(&mut self, until: Time<Tai>) {
        let passed = until - self.now;
        assert!(!passed.is_negative(), "true time does not run backwards");
        if passed.is_zero() {
            return;
        }
        let planned = self.spec.gained(self.now - self.start, until - self.start);
        self.raw += passed
            + planned
            + self.retuned.over(passed)
            + Span::from_seconds(self.noise.gain(passed.as_seconds()));
        self.now = until;
    }

    /// Another oscillator counts from now on, which is so much faster.
    pub fn retune(&mut self, by: Rate) {
        self.retuned = self.retuned + by;
    }

    /// The machine sleeps until `until`: true time passes, the counter stands still.
    pub fn skip(&mut self, until: Time<Tai>) {
        let raw = self.raw;
        self.run(until);
        self.raw = raw;
    }
}

#[cfg(test)]
mod tests;

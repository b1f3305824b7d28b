//! The oscillator of a simulated machine: how its raw counter runs against true time.
//!
//! The counter's rate error is the sum of a constant, a random walk, a sine (day and night) and steps. Over any stretch
//! the phase is integrated in closed form, the walk by drawing phase and rate together with their exact covariance,
//! so that the size of the strides does not matter.

use truechimer_time::{Raw, Span, Tai, Time};

use crate::chance::Stream;

/// What kind of oscillator it is.
#[derive(Clone, Debug)]
pub struct OscillatorSpec {
    /// Constant rate error of the counter, in parts per million. Positive: the counter runs fast.
    pub offset_ppm: f64,
    /// Standard deviation of the walk of the rate after one second.
    pub walk: f64,
    /// Amplitude of a sine in the rate, in parts per million..
    pub sine_ppm: f64,
    /// ..and its period.
    pub sine_period: Span,
    /// Steps of the rate: when after the start, and by how many parts per million.
    pub steps: Vec<(Span, f64)>,
}

impl Default for OscillatorSpec {
    /// 20 ppm fast, walking 10⁻⁹ per square root of a second.
    fn default() -> Self {
        Self {
            offset_ppm: 20.0,
            walk: 1e-9,
            sine_ppm: 0.0,
            sine_period: Span::from_secs(86_400),
            steps: Vec::new(),
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
    walked: f64,
    chance: Stream,
}

impl Oscillator {
    /// A counter that shows `raw` at `start`.
    pub fn new(spec: OscillatorSpec, start: Time<Tai>, raw: Time<Raw>, chance: Stream) -> Self {
        Self { spec, start, now: start, raw, walked: 0.0, chance }
    }

    /// What the counter shows.
    pub fn raw(&self) -> Time<Raw> {
        self.raw
    }

    /// The rate error now, seconds per second. Positive: fast.
    pub fn rate(&self) -> f64 {
        let t = (self.now - self.start).as_seconds();
        let stepped: f64 =
            self.spec.steps.iter().filter(|step| step.0 <= self.now - self.start).map(|s| s.1).sum();
        (self.spec.offset_ppm + stepped + self.spec.sine_ppm * libm::sin(self.phase(t))) * 1e-6 + self.walked
    }

    /// Lets the counter run until `until`, which is never in the past.
    pub fn run(&mut self, until: Time<Tai>) {
        let passed = until - self.now;
        assert!(!passed.is_negative(), "true time does not run backwards");
        if passed.is_zero() {
            return;
        }
        let gained = self.steady(passed) + self.stepped(until) + self.sine(until) + self.walk(passed);
        self.raw += passed + gained;
        self.now = until;
    }

    /// The machine sleeps until `until`: true time passes, the counter stands still.
    pub fn skip(&mut self, until: Time<Tai>) {
        let raw = self.raw;
        self.run(until);
        self.raw = raw;
    }

    fn steady(&self, passed: Span) -> Span {
        truechimer_time::Rate::from_ppm(self.spec.offset_ppm).over(passed)
    }

    fn stepped(&self, until: Time<Tai>) -> Span {
        let gained = |&(at, ppm): &(Span, f64)| {
            let since = (until - self.start - at).max(Span::ZERO);
            let before = (self.now - self.start - at).max(Span::ZERO);
            truechimer_time::Rate::from_ppm(ppm).over(since - before)
        };
        self.spec.steps.iter().map(gained).sum()
    }

    fn phase(&self, t: f64) -> f64 {
        2.0 * core::f64::consts::PI * t / self.spec.sine_period.as_seconds()
    }

    fn sine(&self, until: Time<Tai>) -> Span {
        if self.spec.sine_ppm == 0.0 {
            return Span::ZERO;
        }
        let scale =
            self.spec.sine_ppm * 1e-6 * self.spec.sine_period.as_seconds() / (2.0 * core::f64::consts::PI);
        let [from, to] =
            [self.now, until].map(|time| libm::cos(self.phase((time - self.start).as_seconds())));
        Span::from_seconds(scale * (from - to))
    }

    fn walk(&mut self, passed: Span) -> Span {
        if self.spec.walk == 0.0 {
            return Span::ZERO;
        }
        let dt = passed.as_seconds();
        let root = libm::sqrt(dt);
        let (first, second) = (self.chance.normal(), self.chance.normal());
        let own = self.spec.walk * dt * root * (first / 2.0 + second / libm::sqrt(12.0));
        let gained = self.walked * dt + own;
        self.walked += self.spec.walk * root * first;
        Span::from_seconds(gained)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter(spec: OscillatorSpec, seed: u64) -> Oscillator {
        Oscillator::new(spec, Time::EPOCH, Time::EPOCH, Stream::new(seed, "oscillator"))
    }

    fn after(mut counter: Oscillator, seconds: i64, stride: i64) -> f64 {
        for second in (0..=seconds).step_by(stride as usize) {
            counter.run(Time::EPOCH + Span::from_secs(second));
        }
        (counter.raw() - Time::EPOCH - Span::from_secs(seconds)).as_seconds()
    }

    #[test]
    fn what_is_not_chance_does_not_depend_on_the_stride() {
        let spec = OscillatorSpec {
            offset_ppm: 10.0,
            walk: 0.0,
            sine_ppm: 3.0,
            sine_period: Span::from_secs(7000),
            steps: vec![(Span::from_secs(5000), -4.0)],
        };
        let (fine, coarse) =
            (after(counter(spec.clone(), 1), 10_000, 1), after(counter(spec, 1), 10_000, 10_000));
        assert!((fine - coarse).abs() < 1e-12, "{fine} {coarse}");
        let sine = 3e-6 * 7000.0 / std::f64::consts::TAU * (1.0 - (std::f64::consts::TAU / 0.7).cos());
        assert!((fine - (0.1 - 0.02 + sine)).abs() < 1e-9, "{fine}");
    }

    #[test]
    fn the_walk_has_the_variance_of_an_integrated_random_walk() {
        let spec = OscillatorSpec { offset_ppm: 0.0, walk: 1e-6, ..OscillatorSpec::default() };
        for stride in [10, 1000] {
            let runs = 400;
            let square = |seed| after(counter(spec.clone(), seed), 1000, stride).powi(2);
            let variance = (0..runs).map(square).sum::<f64>() / runs as f64;
            let expected = 1e-12 * 1000f64.powi(3) / 3.0;
            assert!((variance / expected - 1.0).abs() < 0.25, "{variance} {expected}");
        }
    }
}

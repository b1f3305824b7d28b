//! What an oscillator does by chance.
//!
//! For each kind of noise the rate at the end of a stride and the phase gained in it are drawn together, with the
//! covariance that the kind has over that stride: a day in one stride is as good as a day in seconds.

use truechimer_time::Span;

use super::OscillatorSpec;
use crate::chance::Stream;

/// Flicker is the sum of processes that forget within these times, in seconds: a factor of four apart the sum falls as
/// 1/f, within a few per cent, from 20 seconds to a week.
pub const FLICKER_TIMES: [f64; 9] =
    [10.0, 40.0, 160.0, 640.0, 2560.0, 10_240.0, 40_960.0, 163_840.0, 655_360.0];

/// Steps of the rate at random times, as of a machine whose load comes and goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RandomSteps {
    /// The mean time between two.
    pub every: Span,
    /// The standard deviation of one, in parts per million.
    pub ppm: f64,
}

/// All the noise of one oscillator.
#[derive(Clone, Debug)]
pub(super) struct Noise {
    walk: Walk,
    flicker: Option<Flicker>,
    white: Option<White>,
    steps: Option<Steps>,
}

impl Noise {
    pub(super) fn new(spec: &OscillatorSpec, chance: Stream) -> Self {
        let flicker = (spec.flicker > 0.0).then(|| Flicker::new(spec.flicker, chance.branch("flicker")));
        let white = White { scale: spec.white, chance: chance.branch("white") };
        Self {
            flicker,
            white: (spec.white > 0.0).then_some(white),
            steps: spec.random_steps.map(|steps| Steps::new(steps, chance.branch("steps"))),
            walk: Walk { scale: spec.walk, rate: 0.0, chance },
        }
    }

    /// The rate error now. White noise has none: its rate at an instant has no variance that is finite.
    pub(super) fn rate(&self) -> f64 {
        let flicker: f64 = self.flicker.iter().flat_map(|flicker| flicker.rates).sum();
        self.walk.rate + flicker + self.steps.as_ref().map_or(0.0, |steps| steps.rate)
    }

    /// Passes `dt` seconds; what the counter gains in them, in seconds.
    pub(super) fn gain(&mut self, dt: f64) -> f64 {
        self.walk.gain(dt)
            + self.flicker.as_mut().map_or(0.0, |flicker| flicker.gain(dt))
            + self.white.as_mut().map_or(0.0, |white| white.gain(dt))
            + self.steps.as_mut().map_or(0.0, |steps| steps.gain(dt))
    }
}

/// Random walk of the rate.
#[derive(Clone, Debug)]
struct Walk {
    scale: f64,
    rate: f64,
    chance: Stream,
}

impl Walk {
    /// The variance of the rate is w² dt, of the phase w² dt³/3, and their covariance w² dt²/2.
    fn gain(&mut self, dt: f64) -> f64 {
        if self.scale == 0.0 {
            return 0.0;
        }
        let root = libm::sqrt(dt);
        let (first, second) = (self.chance.normal(), self.chance.normal());
        let own = self.scale * dt * root * (first / 2.0 + second / libm::sqrt(12.0));
        let gained = self.rate * dt + own;
        self.rate += self.scale * root * first;
        gained
    }
}

/// White noise of the rate: the phase walks.
#[derive(Clone, Debug)]
struct White {
    scale: f64,
    chance: Stream,
}

impl White {
    fn gain(&mut self, dt: f64) -> f64 {
        self.scale * libm::sqrt(dt) * self.chance.normal()
    }
}

/// Flicker noise of the rate.
#[derive(Clone, Debug)]
struct Flicker {
    scale: f64,
    rates: [f64; FLICKER_TIMES.len()],
    /// How the last stride moved each part. Strides repeat, and it costs three exponentials to work this out.
    moves: (f64, [Move; FLICKER_TIMES.len()]),
    chance: Stream,
}

impl Flicker {
    /// Each part has been going on for ever.
    fn new(scale: f64, mut chance: Stream) -> Self {
        let rates = FLICKER_TIMES.map(|_| scale * chance.normal());
        Self { scale, rates, moves: (0.0, FLICKER_TIMES.map(|time| Move::over(0.0, time))), chance }
    }

    fn gain(&mut self, dt: f64) -> f64 {
        if self.moves.0 != dt {
            self.moves = (dt, FLICKER_TIMES.map(|time| Move::over(dt, time)));
        }
        let mut gained = 0.0;
        for (rate, step) in self.rates.iter_mut().zip(&self.moves.1) {
            let (first, second) = (self.scale * self.chance.normal(), self.scale * self.chance.normal());
            gained += *rate * step.carried + step.shared * first + step.own * second;
            *rate = *rate * step.kept + step.fresh * first;
        }
        gained
    }
}

/// What a stride does to an Ornstein-Uhlenbeck process of variance 1 and to its integral. With u = dt/T and a = e⁻ᵘ:
///
/// ```text
///   mean of the rate      a r            variance  1 - a²
///   mean of the integral  T (1 - a) r    variance  T² (2u - 3 + 4a - a²)     covariance  T (1 - a)²
/// ```
#[derive(Clone, Copy, Debug)]
struct Move {
    /// So much of the rate is left.
    kept: f64,
    /// So much is new in it.
    fresh: f64,
    /// The old rate gains so many seconds.
    carried: f64,
    /// What is new in the rate gains so many..
    shared: f64,
    /// ..and chance of its own so many.
    own: f64,
}

impl Move {
    fn over(dt: f64, time: f64) -> Self {
        let u = dt / time;
        let lost = -libm::expm1(-u);
        let fresh = libm::sqrt(-libm::expm1(-2.0 * u));
        let shared = if fresh > 0.0 { time * lost * lost / fresh } else { 0.0 };
        let own = time * time * integral_variance(u) - shared * shared;
        Self { kept: 1.0 - lost, fresh, carried: time * lost, shared, own: libm::sqrt(own.max(0.0)) }
    }
}

/// 2u - 3 + 4a - a², by its series where the difference would lose its digits.
fn integral_variance(u: f64) -> f64 {
    if u < 1e-2 {
        return u * u * u * (2.0 / 3.0 + u * (-1.0 / 2.0 + u * (7.0 / 30.0 - u / 12.0)));
    }
    let kept = libm::exp(-u);
    2.0 * u - 3.0 + 4.0 * kept - kept * kept
}

/// Steps at random times.
#[derive(Clone, Debug)]
struct Steps {
    spec: RandomSteps,
    rate: f64,
    /// The next one comes in so many seconds.
    wait: f64,
    chance: Stream,
}

impl Steps {
    fn new(spec: RandomSteps, mut chance: Stream) -> Self {
        let wait = spec.every.as_seconds() * chance.exponential();
        Self { spec, rate: 0.0, wait, chance }
    }

    fn gain(&mut self, dt: f64) -> f64 {
        let (mut gained, mut left) = (0.0, dt);
        while self.wait <= left {
            gained += self.rate * self.wait;
            left -= self.wait;
            self.rate += self.spec.ppm * 1e-6 * self.chance.normal();
            // Never zero, so that this ends.
            self.wait = (self.spec.every.as_seconds() * self.chance.exponential()).max(1e-9);
        }
        self.wait -= left;
        gained + self.rate * left
    }
}

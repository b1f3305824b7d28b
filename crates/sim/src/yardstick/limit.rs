//! The limit: what can be known of the clock by one who knows everything else.
//!
//! It is told how the oscillator walks, how long both ways take at their shortest and how much longer on average, and
//! that the excess is exponential. What is left to find out is the clock itself, and of that the exact posterior is
//! followed by a cloud of particles: its mean is, of all that can be computed from the packets heard so far, what has
//! the least mean square error. A method that is told less cannot do better, except by luck in a short run.
//!
//! # How
//!
//! Offset `x` and rate `y` walk as normal variables do. A packet there that took `there` by our counter proves
//! `x <= there - base`, one back `x >= base - back`: a box. Inside, exponential delays of means `J1` and `J2` have the
//! density `exp(x/J1 - x/J2)` and no more to say, for equal means nothing.
//!
//! A particle is a path of `x` through the boxes, of which only the end is kept. Given the path, `y` (and, as long as
//! no wall was near, `x` too) is normal, with a mean of its own and a covariance that all particles share
//! (Rao-Blackwell). When a box comes, each particle draws its `x` inside of it and weighs what it gave the box
//! (fully adapted). A box whose walls no particle comes near is passed over: nothing is drawn, nothing is lost, and the
//! normal parts keep growing. That is what saves the cloud where jitter is far greater than what the oscillator does
//! between two packets: there, hardly one wall in twenty matters, and clouds that draw at each degenerate.
//!
//! The first exchanges shrink the cloud by many orders of magnitude, more than any number of particles bears. They are
//! taken in by one normal distribution, cut by each box and replaced by the normal one of the same moments. The error
//! of that is forgotten with the start.
//!
//! # How right it is
//!
//! 300 particles err by a hundredth more than very many, 1000 by one to three thousandths; where jitter is 10⁵ times
//! what the oscillator does between two packets, 1000 err by a hundredth and 4000 by two thousandths more than a
//! density followed on a fine grid of offset and rate, which has no luck in it. With polls of 64 s the error is, for
//! jitter `J` and wander `W`, near `0.86 J^0.6 (W τ^1.5)^0.4` where the first is much larger than `W τ^1.5`, and
//! `0.43 W τ^1.5` where it is much smaller.

mod truncated;

use crate::chance::Stream;
use crate::lab::{Exchange, Guess, Method};
use crate::yardstick::Reading;
use crate::yardstick::kalman::walked;
use truncated::Truncated;

/// Exchanges that are taken in by a normal distribution, before there are particles.
const BEGINNING: usize = 64;

/// A wall further from every particle than so many standard deviations is passed over.
const NEAR: f64 = 6.5;

/// What is not known of the rate before anything is heard: 100 ppm, squared.
const RATE_VARIANCE: f64 = 1e-8;

/// What the limit is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Told {
    /// The walk of the rate in one second: standard deviation, seconds per second.
    pub wander: f64,
    /// The shortest delay there and back, in seconds.
    pub base: [f64; 2],
    /// The mean of the exponential excess there and back, in seconds.
    pub jitter: [f64; 2],
}

/// The posterior of one who knows all but the clock.
#[derive(Clone, Debug)]
pub struct Limit {
    told: Told,
    cloud: Cloud,
    size: usize,
    heard: usize,
    chance: Stream,
}

impl Limit {
    /// One of so many particles, whose luck is that of the seed. 1000 are enough for most purposes.
    pub fn new(told: Told, particles: usize, seed: u64) -> Self {
        Self { told, cloud: Cloud::default(), size: particles, heard: 0, chance: Stream::new(seed, "limit") }
    }

    /// Between which offsets the exchange leaves the clock half-way through it. While the packets were under way the
    /// counter went by more or less than the truth: by what is known of the rate, give or take three sigma.
    fn walls(&self, exchange: &Exchange) -> [f64; 2] {
        let variance = if self.heard == 0 { RATE_VARIANCE } else { self.cloud.covariance[2] };
        let rate = self.cloud.mean[1] + 3.0 * libm::sqrt(variance);
        let gained = rate * (exchange.there + exchange.back) / 2.0;
        [self.told.base[1] - exchange.back - gained, exchange.there - self.told.base[0] + gained]
    }

    /// What the density in the box rises by: nothing if both ways are alike.
    fn slope(&self) -> f64 {
        1.0 / self.told.jitter[0] - 1.0 / self.told.jitter[1]
    }

    fn begin(&mut self, at: f64, walls: [f64; 2]) {
        let inside = Truncated { mean: 0.0, sd: f64::INFINITY, walls }.flat(self.slope());
        self.cloud = Cloud::one(at, [inside.0, 0.0], [inside.1, 0.0, RATE_VARIANCE]);
    }
}

impl Method for Limit {
    fn hear(&mut self, exchange: &Exchange) {
        let reading = Reading::of(exchange);
        let walls = self.walls(exchange);
        // Walls that leave nothing between them were not made by what it was told of.
        if walls[0] >= walls[1] {
            return;
        }
        self.heard += 1;
        if self.heard == 1 {
            return self.begin(reading.at, walls);
        }
        self.cloud.run(reading.at, self.told.wander * self.told.wander);
        if BEGINNING < self.heard {
            return self.cloud.draw(walls, self.slope(), &mut self.chance);
        }
        self.cloud.cut(walls, self.slope());
        if self.heard == BEGINNING {
            self.cloud.scatter(self.size, &mut self.chance);
        }
    }

    fn guess(&mut self, at: f64) -> Option<Guess> {
        if self.heard == 0 {
            return None;
        }
        let cloud = &self.cloud;
        let dt = at - cloud.at;
        let [variance, ..] = grown(cloud.covariance, dt, self.told.wander * self.told.wander);
        Some(Guess { offset: cloud.mean[0] + cloud.mean[1] * dt, sigma: libm::sqrt(variance) })
    }
}

/// One possibility: the means of offset and rate, and its share of the weight of all.
#[derive(Clone, Copy, Debug)]
struct Particle {
    mean: [f64; 2],
    weight: f64,
}

/// All possibilities: a mixture of normal distributions of offset and rate that differ in their means only.
#[derive(Clone, Debug, Default)]
struct Cloud {
    at: f64,
    particles: Vec<Particle>,
    /// The covariance of each.
    own: [f64; 3],
    /// The mean of all..
    mean: [f64; 2],
    /// ..and the covariance of all: what each has, and what they differ by.
    covariance: [f64; 3],
}

impl Cloud {
    fn one(at: f64, mean: [f64; 2], covariance: [f64; 3]) -> Self {
        Self { at, particles: vec![Particle { mean, weight: 1.0 }], own: covariance, mean, covariance }
    }

    /// Lets time pass.
    fn run(&mut self, until: f64, wander: f64) {
        let dt = until - self.at;
        self.at = until;
        for particle in &mut self.particles {
            particle.mean[0] += particle.mean[1] * dt;
        }
        self.mean[0] += self.mean[1] * dt;
        self.own = grown(self.own, dt, wander);
        self.covariance = grown(self.covariance, dt, wander);
    }

    /// One normal distribution becomes the normal one with the moments of what the walls leave of it.
    fn cut(&mut self, walls: [f64; 2], slope: f64) {
        let [offset, both, rate] = self.covariance;
        let inside = Truncated { mean: self.mean[0] + slope * offset, sd: libm::sqrt(offset), walls };
        let (mean, variance) = inside.moments();
        let gain = both / offset;
        let moved = [mean, self.mean[1] + gain * (mean - self.mean[0])];
        let left = rate - gain * gain * (offset - variance);
        *self = Self::one(self.at, moved, [variance, gain * variance, left]);
    }

    /// Many particles in the place of one normal distribution: the offset is drawn.
    fn scatter(&mut self, size: usize, chance: &mut Stream) {
        let [offset, both, rate] = self.covariance;
        let (spread, gain) = (libm::sqrt(offset), both / offset);
        let mean = self.mean;
        let draw = |_| {
            let off = spread * chance.normal();
            Particle { mean: [mean[0] + off, mean[1] + gain * off], weight: 1.0 / size as f64 }
        };
        self.particles = (0..size).map(draw).collect();
        self.own = [0.0, 0.0, (rate - gain * both).max(0.0)];
        self.weigh(1.0);
    }

    /// Each particle draws its offset between the walls and weighs what chance it gave them. Walls to which none gives
    /// any were not made by what it was told of, and are left alone.
    fn draw(&mut self, walls: [f64; 2], slope: f64, chance: &mut Stream) {
        let [offset, both, rate] = self.own;
        let (spread, gain) = (libm::sqrt(offset), both / offset);
        if slope == 0.0 && !self.is_near(walls, NEAR * spread) {
            return;
        }
        let lift = slope * offset;
        let inside = |mean: f64| Truncated { mean: mean + lift, sd: spread, walls };
        let centre = self.mean[0];
        let risen = |mean: f64| if slope == 0.0 { 1.0 } else { libm::exp(slope * (mean - centre)) };
        let weight = |particle: &Particle| {
            particle.weight * inside(particle.mean[0]).share() * risen(particle.mean[0])
        };
        let weights: Vec<f64> = self.particles.iter().map(weight).collect();
        let total: f64 = weights.iter().sum();
        if !(total.is_normal() && total > 0.0) {
            return;
        }
        for (particle, weight) in self.particles.iter_mut().zip(weights) {
            let drawn = inside(particle.mean[0]).draw(chance);
            let moved = particle.mean[1] + gain * (drawn - particle.mean[0]);
            *particle = Particle { mean: [drawn, moved], weight };
        }
        self.own = [0.0, 0.0, rate - gain * both];
        self.weigh(total);
        self.resample(chance);
    }

    fn is_near(&self, walls: [f64; 2], reach: f64) -> bool {
        let near = |at: f64| at - walls[0] < reach || walls[1] - at < reach;
        self.particles.iter().any(|particle| near(particle.mean[0]))
    }

    /// Makes the sum of the weights one again, and takes the moments.
    fn weigh(&mut self, total: f64) {
        let near = self.particles[0].mean;
        let (mut mean, mut square) = ([0.0; 2], [0.0; 3]);
        for particle in &mut self.particles {
            particle.weight /= total;
            let off = [particle.mean[0] - near[0], particle.mean[1] - near[1]];
            let heavy = [particle.weight * off[0], particle.weight * off[1]];
            mean = [mean[0] + heavy[0], mean[1] + heavy[1]];
            square =
                [square[0] + heavy[0] * off[0], square[1] + heavy[0] * off[1], square[2] + heavy[1] * off[1]];
        }
        self.mean = [near[0] + mean[0], near[1] + mean[1]];
        let differ =
            [square[0] - mean[0] * mean[0], square[1] - mean[0] * mean[1], square[2] - mean[1] * mean[1]];
        self.covariance = [0, 1, 2].map(|k| self.own[k] + differ[k]);
    }

    /// When the weights have become too unequal: as many particles again, each about as often as it weighs (systematic
    /// resampling).
    fn resample(&mut self, chance: &mut Stream) {
        let size = self.particles.len();
        let squares: f64 = self.particles.iter().map(|particle| particle.weight * particle.weight).sum();
        if 1.0 / squares > size as f64 / 2.0 {
            return;
        }
        let (mut ticket, mut passed) = (chance.uniform(), 0.0);
        let mut next = Vec::with_capacity(size);
        for (k, particle) in self.particles.iter().enumerate() {
            passed += particle.weight * size as f64;
            // The last takes what rounding left over.
            while next.len() < size && (ticket < passed || k + 1 == size) {
                next.push(Particle { mean: particle.mean, weight: 1.0 / size as f64 });
                ticket += 1.0;
            }
        }
        self.particles = next;
    }
}

/// The covariance of offset and rate some time later.
fn grown([offset, both, rate]: [f64; 3], dt: f64, wander: f64) -> [f64; 3] {
    let more = walked(dt).map(|grown| wander * grown);
    [offset + dt * (2.0 * both + dt * rate) + more[0], both + dt * rate + more[1], rate + more[2]]
}

//! A normal distribution of which only what is between two walls is left.

use core::f64::consts::{FRAC_1_SQRT_2, PI};

use crate::chance::Stream;

/// Beyond so many standard deviations the tail is computed from its own expansion.
const FAR: f64 = 5.0;

/// Within so many standard deviations is all that matters beside [`FAR`].
const ALL: f64 = 9.0;

/// Normal, between two walls.
#[derive(Clone, Copy, Debug)]
pub(super) struct Truncated {
    /// Of the whole.
    pub(super) mean: f64,
    /// Of the whole.
    pub(super) sd: f64,
    /// The lower and the upper, which is truly above the lower.
    pub(super) walls: [f64; 2],
}

impl Truncated {
    /// The walls in standard deviations from the mean, turned round if need be so that the upper is the further; and
    /// whether they were.
    fn turned(&self) -> ([f64; 2], bool) {
        let [low, high] = self.walls.map(|wall| (wall - self.mean) / self.sd);
        if low + high < 0.0 { ([-high, -low], true) } else { ([low, high], false) }
    }

    /// What share of the whole is between the walls.
    pub(super) fn share(&self) -> f64 {
        let ([low, high], _) = self.turned();
        if low < FAR { tail(low) - tail(high) } else { libm::exp(log_between(low, high)) }
    }

    /// The mean and the variance of what is between the walls.
    pub(super) fn moments(&self) -> (f64, f64) {
        let ([low, high], is_turned) = self.turned();
        let log_share = if low < FAR { libm::log(tail(low) - tail(high)) } else { log_between(low, high) };
        let edge = |z: f64| libm::exp(-z * z / 2.0 - log_share) / libm::sqrt(2.0 * PI);
        let (near, far) = (edge(low), if high < 40.0 { edge(high) } else { 0.0 });
        let mean = (near - far).clamp(low, high);
        let flat = (high - low) * (high - low) / 12.0;
        let second = 1.0 + low * near - if far > 0.0 { high * far } else { 0.0 };
        // Where both walls are close the difference cancels, and what is left is as good as flat.
        let variance = if flat < 1e-4 { flat } else { (second - mean * mean).clamp(1e-9, flat.min(1.0)) };
        let mean = if flat < 1e-4 { (low + high) / 2.0 } else { mean };
        (self.mean + self.sd * if is_turned { -mean } else { mean }, self.sd * self.sd * variance)
    }

    /// The same for a distribution that is flat but for an exponential of this slope.
    pub(super) fn flat(&self, slope: f64) -> (f64, f64) {
        let [low, high] = self.walls;
        let width = high - low;
        let half = slope * width / 2.0;
        if half.abs() < 1e-3 {
            return ((low + high) / 2.0, width * width / 12.0);
        }
        let (cosh, sinh) = (1.0 / libm::tanh(half), 1.0 / libm::sinh(half));
        let mean = (low + high) / 2.0 + width / 2.0 * (cosh - 1.0 / half);
        (mean, width * width / 4.0 * (1.0 / (half * half) - sinh * sinh))
    }

    /// One of what is between the walls, by rejection (after C. P. Robert, "Simulation of truncated normal variables",
    /// 1995).
    pub(super) fn draw(&self, chance: &mut Stream) -> f64 {
        let ([low, high], is_turned) = self.turned();
        let z = if high - low > 2.0 && low < 0.0 {
            drawn_from_normal(low, high, chance)
        } else if (high - low) * low.max(0.5) < 1.5 {
            drawn_from_flat(low, high, chance)
        } else {
            drawn_from_tail(low, high, chance)
        };
        let inside = self.mean + self.sd * if is_turned { -z } else { z };
        inside.clamp(self.walls[0], self.walls[1])
    }
}

fn drawn_from_normal(low: f64, high: f64, chance: &mut Stream) -> f64 {
    loop {
        let z = chance.normal();
        if low <= z && z <= high {
            return z;
        }
    }
}

fn drawn_from_flat(low: f64, high: f64, chance: &mut Stream) -> f64 {
    let top = low.max(0.0);
    loop {
        let z = low + (high - low) * chance.uniform();
        if chance.happens(libm::exp((top * top - z * z) / 2.0)) {
            return z;
        }
    }
}

fn drawn_from_tail(low: f64, high: f64, chance: &mut Stream) -> f64 {
    let rate = (low + libm::sqrt(low * low + 4.0)) / 2.0;
    loop {
        let z = low + chance.exponential() / rate;
        if z <= high && chance.happens(libm::exp(-(z - rate) * (z - rate) / 2.0)) {
            return z;
        }
    }
}

/// What share of a normal distribution is above `z`.
fn tail(z: f64) -> f64 {
    if z.abs() < ALL { libm::erfc(z * FRAC_1_SQRT_2) / 2.0 } else { f64::from(u8::from(z < 0.0)) }
}

/// The logarithm of what share is between two places far out: the density falls by `exp(-low z - z²/2)` from the near
/// one on.
fn log_between(low: f64, high: f64) -> f64 {
    let beyond = libm::exp(log_tail(high) - log_tail(low));
    log_tail(low) + libm::log((1.0 - beyond).max(f64::EPSILON))
}

/// The logarithm of the tail, for a `z` far out: Laplace's continued fraction.
fn log_tail(z: f64) -> f64 {
    let fraction = (1..=30).rev().fold(0.0, |fraction, k| f64::from(k) / (z + fraction));
    -z * z / 2.0 - libm::log((z + fraction) * libm::sqrt(2.0 * PI))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALLS: [[f64; 2]; 9] = [
        [-1.0, 1.0],
        [-30.0, 0.5],
        [0.3, 7.0],
        [2.0, 2.01],
        [4.0, 100.0],
        [-9.0, -5.5],
        [8.0, 8.5],
        [-0.2, 2.4],
        [-20.0, 20.0],
    ];

    /// Share, mean and variance by adding up slices.
    fn summed([low, high]: [f64; 2]) -> [f64; 3] {
        let (low, high) = (low.max(-12.0), high.min(12.0));
        let slices = 200_000;
        let width = (high - low) / f64::from(slices);
        let sums = (0..slices).fold([0.0; 3], |[share, mean, square], slice| {
            let z = low + (f64::from(slice) + 0.5) * width;
            let density = width * libm::exp(-z * z / 2.0) / libm::sqrt(2.0 * PI);
            [share + density, mean + density * z, square + density * z * z]
        });
        let mean = sums[1] / sums[0];
        [sums[0], mean, sums[2] / sums[0] - mean * mean]
    }

    #[test]
    fn shares_and_moments_are_those_of_the_density() {
        for walls in WALLS {
            let inside = Truncated { mean: 5.0, sd: 2.0, walls: walls.map(|wall| 5.0 + 2.0 * wall) };
            let [share, mean, variance] = summed(walls);
            let moments = inside.moments();
            assert!((inside.share() / share - 1.0).abs() < 1e-6, "{walls:?}");
            assert!((moments.0 - (5.0 + 2.0 * mean)).abs() < 1e-4, "{walls:?}: {moments:?}");
            assert!((moments.1 / (4.0 * variance) - 1.0).abs() < 1e-2, "{walls:?}: {moments:?}");
        }
    }

    #[test]
    fn draws_have_the_moments() {
        let mut chance = Stream::new(1, "draws");
        for walls in WALLS {
            let inside = Truncated { mean: 0.0, sd: 1.0, walls };
            let (mean, variance) = inside.moments();
            let draws: Vec<f64> = (0..20_000).map(|_| inside.draw(&mut chance)).collect();
            assert!(draws.iter().all(|z| (walls[0]..=walls[1]).contains(z)), "{walls:?}");
            let drawn = draws.iter().sum::<f64>() / 20_000.0;
            assert!(
                (drawn - mean).abs() < 4.0 * libm::sqrt(variance / 20_000.0),
                "{walls:?}: {drawn} {mean}"
            );
        }
    }

    #[test]
    fn an_exponential_between_walls_leans_to_its_side() {
        let inside = Truncated { mean: 0.0, sd: f64::INFINITY, walls: [0.0, 1.0] };
        assert_eq!(inside.flat(0.0), (0.5, 1.0 / 12.0));
        let (mean, variance) = inside.flat(-100.0);
        assert!((mean - 0.01).abs() < 1e-9 && (variance - 1e-4).abs() < 1e-9, "{mean} {variance}");
    }
}

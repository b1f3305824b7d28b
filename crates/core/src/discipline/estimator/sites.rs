//! What one exchange tells, as two Gaussian factors: the walls of both ways, made soft.
//!
//! With the client's error `x` and the bases `b₁`, `b₂` uncertain, `z₁ = x − b₁` and `z₂ = −x − b₂` are jointly
//! normal, and the excess of either way is `z` plus what the stamps say. Each way's density is a factor on its own
//! `z`; a *site* is the Gaussian factor that does to mean and variance what the true one does. First each way in turn,
//! the tighter wall first, exactly matched to the moments that the other has left. Then, if both have only taught us
//! something (variances shrank), each is matched anew with the other in place, until nothing changes: expectation
//! propagation (Minka 2001). A factor that widens its variance is not log-concave; iterating such a pair may diverge,
//! so then the first pass stands.
//!
//! This is a pure function of the two-dimensional projection. Whoever keeps a larger state projects it, calls
//! [`match_walls`] and adds the two sites back; a filter of several sources does the same with its own.

use super::delay::{DelayDensity, Normal, Tilted};

/// Mean and covariance of `z` of both ways, and what the stamps add to make it the excess.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Projection {
    /// Mean of `z` there and back, in seconds.
    pub mean: [f64; 2],
    /// Variances of both, in s².
    pub variance: [f64; 2],
    /// Their covariance, in s².
    pub covariance: f64,
}

impl Projection {
    /// The same for a clock that trembles, with so much variance in s²: what it adds on one way it takes from the other.
    pub fn trembling(self, variance: f64) -> Self {
        let [there, back] = self.variance;
        Self { variance: [there + variance, back + variance], covariance: self.covariance - variance, ..self }
    }

    /// The variance by which a filter's own uncertainty blurs the wall of a way, where waits of so many seconds are usual.
    pub fn blur(&self, way: usize, wait: f64) -> f64 {
        let most = BLUR_MAX * wait;
        (BLUR * BLUR * self.variance[way].max(0.0)).min(most * most)
    }
}

/// A Gaussian factor exp(-precision z²/2 + shift z).
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Site {
    /// In s⁻². Negative for a factor that adds doubt.
    pub precision: f64,
    /// In s⁻¹.
    pub shift: f64,
}

/// What one exchange told.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Walls {
    /// The factors there and back.
    pub sites: [Site; 2],
    /// The excess on each way, afterwards.
    pub excess: [Normal; 2],
    /// The way whose site is to be added first, so that no step on the way is less certain than it need be.
    pub first: usize,
    /// The logarithm of the probability density with which the exchange was predicted.
    pub log_evidence: f64,
}

/// A filter's own uncertainty blurs the walls: so much of its standard deviation counts as noise. Mean and variance are
/// not all of a distribution with edges; without this toll a filter that has just begun trusts its first edges too much
/// and stays there.
const BLUR: f64 = 0.2;

/// But no more than this part of the usual wait: then the walls are known well enough for what is between them.
const BLUR_MAX: f64 = 0.1;

/// Steps of refinement, and the change of a precision below which there is none.
const STEPS_MAX: usize = 6;
const SETTLED: f64 = 1e-2;

/// A variance has shrunk if it is less than this part of itself.
const SHRUNK: f64 = 1.0 - 1e-9;

/// Matches both walls: `stamps[k] + z[k]` is the excess on way `k`.
pub fn match_walls(projection: &Projection, stamps: [f64; 2], densities: &[DelayDensity; 2]) -> Walls {
    let matching = Matching { projection, stamps, densities };
    let (single, is_concave) = matching.in_turn();
    if !is_concave {
        return single;
    }
    matching.refined(single).unwrap_or(single)
}

struct Matching<'a> {
    projection: &'a Projection,
    stamps: [f64; 2],
    densities: &'a [DelayDensity; 2],
}

impl Matching<'_> {
    /// Each way once, the second given the first. Says whether both shrank.
    fn in_turn(&self) -> (Walls, bool) {
        let predicted = |way: usize| self.projection.mean[way] + self.stamps[way];
        let first = usize::from(predicted(0) > predicted(1));
        let mut walls = Walls { first, ..Walls::default() };
        let (mut evidence, mut is_concave) = (1.0, true);
        for way in [first, 1 - first] {
            let cavity = self.cavity(way, walls.sites[1 - way]);
            let Some(tilted) = self.match_one(&mut walls, way, cavity) else { continue };
            evidence *= tilted.evidence;
            is_concave &= tilted.excess.variance < cavity.variance * SHRUNK;
        }
        walls.log_evidence = libm::log(evidence);
        (walls, is_concave)
    }

    /// One after the other, each given the other, until one stays as it is: the other would, too. `None` if that leads
    /// nowhere.
    fn refined(&self, mut walls: Walls) -> Option<Walls> {
        let mut way = walls.first;
        for _ in 0..STEPS_MAX {
            let before = walls.sites[way].precision;
            let cavity = self.cavity(way, walls.sites[1 - way]);
            let tilted = self.match_one(&mut walls, way, cavity)?;
            if tilted.excess.variance >= cavity.variance * SHRUNK {
                return None;
            }
            let after = walls.sites[way].precision;
            if libm::fabs(after - before) < SETTLED * after {
                break;
            }
            way = 1 - way;
        }
        Some(walls)
    }

    /// What is known of `z` on one way without its own site, but with the other's.
    fn cavity(&self, way: usize, other: Site) -> Normal {
        let Projection { mean, variance, covariance } = *self.projection;
        let weight = 1.0 / (1.0 + other.precision * variance[1 - way]);
        Normal {
            mean: mean[way] + covariance * weight * (other.shift - other.precision * mean[1 - way]),
            variance: variance[way] - covariance * covariance * weight * other.precision,
        }
    }

    /// Replaces one site by the one that matches its density. `None` if nothing is uncertain.
    fn match_one(&self, walls: &mut Walls, way: usize, cavity: Normal) -> Option<Tilted> {
        if cavity.variance.is_nan() || cavity.variance <= 0.0 {
            return None;
        }
        let stamp = self.stamps[way];
        let predicted = Normal { mean: cavity.mean + stamp, variance: cavity.variance };
        let tilted =
            self.densities[way].tilt(predicted, self.projection.blur(way, self.densities[way].waits[0].mean));
        let (mean, variance) = (tilted.excess.mean - stamp, tilted.excess.variance);
        walls.excess[way] = tilted.excess;
        walls.sites[way] = Site {
            precision: (cavity.variance - variance) / (variance * cavity.variance),
            shift: mean / variance - cavity.mean / cavity.variance,
        };
        Some(tilted)
    }
}

#[cfg(test)]
mod tests {
    use super::super::delay::Wait;
    use super::*;

    fn quiet(mean: f64) -> DelayDensity {
        DelayDensity {
            waits: [Wait { weight: 1.0, mean }, Wait::default()],
            congestion: 0.0,
            congestion_scale: mean,
            noise: 1e-6,
            anything_width: 1.0,
        }
    }

    /// Mean and variance of `z` there after both sites.
    fn after(projection: &Projection, walls: &Walls) -> Normal {
        let [there, back] = walls.sites;
        let [one, other] = projection.variance;
        let determinant = one * other - projection.covariance * projection.covariance;
        let (a, b, c) = (other / determinant, -projection.covariance / determinant, one / determinant);
        let right = [
            a * projection.mean[0] + b * projection.mean[1] + there.shift,
            b * projection.mean[0] + c * projection.mean[1] + back.shift,
        ];
        let (a, c) = (a + there.precision, c + back.precision);
        let determinant = a * c - b * b;
        Normal { mean: (c * right[0] - b * right[1]) / determinant, variance: c / determinant }
    }

    /// The same by adding up over both.
    fn added_up(projection: &Projection, stamps: [f64; 2], wait: f64) -> Normal {
        let [one, other] = projection.variance;
        let determinant = one * other - projection.covariance * projection.covariance;
        let (mut total, mut mean, mut square) = (0.0, 0.0, 0.0);
        for i in -500..500 {
            for j in -500..500 {
                let (x, y) = (f64::from(i) * 0.01 * libm::sqrt(one), f64::from(j) * 0.01 * libm::sqrt(other));
                let (z, w) = (projection.mean[0] + x, projection.mean[1] + y);
                if z + stamps[0] >= 0.0 && w + stamps[1] >= 0.0 {
                    let form = other * x * x - 2.0 * projection.covariance * x * y + one * y * y;
                    let weight = libm::exp(-0.5 * form / determinant - (z + w) / wait);
                    total += weight;
                    mean += weight * z;
                    square += weight * z * z;
                }
            }
        }
        let mean = mean / total;
        Normal { mean, variance: square / total - mean * mean }
    }

    #[test]
    fn the_sites_do_what_the_walls_do() {
        let densities = [quiet(1.0), quiet(1.0)];
        for (mean, covariance) in
            [([0.5, 0.4], -0.8), ([-0.5, 1.5], -0.5), ([0.0, 0.0], 0.3), ([2.0, -0.3], -0.9)]
        {
            let projection = Projection { mean, variance: [1.0, 1.0], covariance };
            let walls = match_walls(&projection, [0.2, 0.1], &densities);
            let (matched, sum) = (after(&projection, &walls), added_up(&projection, [0.2, 0.1], 1.0));
            assert!((matched.mean - sum.mean).abs() < 0.03, "{projection:?}: {matched:?} {sum:?}");
            assert!(
                (matched.variance / sum.variance - 1.0).abs() < 0.1,
                "{projection:?}: {matched:?} {sum:?}"
            );
        }
    }

    #[test]
    fn what_is_certain_is_left_alone() {
        let projection = Projection { mean: [0.5, 0.5], variance: [0.0, 0.0], covariance: 0.0 };
        let walls = match_walls(&projection, [0.2, 0.1], &[quiet(1.0), quiet(1.0)]);
        assert_eq!(walls.sites, [Site::default(); 2]);
    }

    #[test]
    fn both_ways_are_treated_alike() {
        let densities = [quiet(1.0), quiet(1.0)];
        let projection = Projection { mean: [0.5, -0.4], variance: [1.0, 2.0], covariance: -0.8 };
        let mirrored = Projection { mean: [-0.4, 0.5], variance: [2.0, 1.0], covariance: -0.8 };
        let (one, other) = (
            match_walls(&projection, [0.2, 0.1], &densities),
            match_walls(&mirrored, [0.1, 0.2], &densities),
        );
        assert_eq!((one.sites, one.first), ([other.sites[1], other.sites[0]], 1 - other.first));
        assert_eq!(one.log_evidence, other.log_evidence);
    }
}

//! The normal distribution beyond a wall: how likely it is there, and where in it.
//!
//! If `z` is standard normal and known to be no less than `a`, it exceeds `a` by `r = λ − a` on average, where
//! `λ = φ(a)/Q(a)` is the reciprocal of Mills's ratio, and its variance is `1 − λ r`. Far out both are small
//! differences of large numbers. Laplace's continued fraction
//!
//! ```text
//!   λ = a + 1/(a + s),     s = 2/(a + 3/(a + 4/(a + ..)))
//! ```
//!
//! has neither trouble: `r = 1/(a + s)`, and the variance is `r (s − r)`, where `s` is about twice `r`. So only `s` is
//! approximated; nothing is ever subtracted from something nearly equal.

/// √(2π).
pub(super) const ROOT_TWO_PI: f64 = 2.506_628_274_631_000_7;

/// A standard normal variable known to be no less than a wall.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Beyond {
    /// The reciprocal of Mills's ratio: the mean.
    pub(super) mean: f64,
    /// By how much the mean exceeds the wall.
    pub(super) excess: f64,
    /// The variance, between 0 and 1.
    pub(super) variance: f64,
}

impl Beyond {
    /// A wall above the middle, `wall >= 0`.
    pub(super) fn high(wall: f64) -> Self {
        let s = continued(wall);
        let excess = 1.0 / (wall + s);
        Self { mean: wall + excess, excess, variance: excess * (s - excess) }
    }

    /// A wall below the middle, `wall < 0`, where `density` is φ(wall); and the probability of being beyond it.
    pub(super) fn low(wall: f64, density: f64) -> (Self, f64) {
        let probability = 1.0 - density / Self::high(-wall).mean;
        let mean = density / probability;
        let excess = mean - wall;
        (Self { mean, excess, variance: 1.0 - mean * excess }, probability)
    }
}

/// The density of the standard normal distribution, where it is `exponential = exp(-z²/2)`.
pub(super) fn density(exponential: f64) -> f64 {
    exponential / ROOT_TWO_PI
}

/// `s = 2/(a + 3/(a + ..))` for `a >= 0`, to 4 parts in 10¹²: a rational function with the right value at 0, √(π/2),
/// and the right behaviour at infinity, 2/a, fitted to the exact function between them in 150 digits.
fn continued(a: f64) -> f64 {
    const FAR: f64 = 1e9;
    const ABOVE: [f64; 8] = [
        0.000_027_789_311_643_547_584,
        0.000_578_145_791_084_275_5,
        0.006_112_651_315_324_231,
        0.041_240_537_261_653_64,
        0.189_946_960_525_455_5,
        0.598_159_846_135_041_6,
        1.207_886_539_603_309_8,
        1.253_314_137_312_952_4,
    ];
    const BELOW: [f64; 9] = [
        0.000_013_894_655_821_818_134,
        0.000_289_072_895_463_904_4,
        0.003_098_009_647_097_583,
        0.021_487_484_953_247_437,
        0.103_975_852_403_777_67,
        0.357_467_494_883_846_3,
        0.853_783_966_787_550_4,
        1.306_209_005_242_924_6,
        1.0,
    ];
    if a > FAR {
        return 2.0 / a;
    }
    horner(&ABOVE, a) / horner(&BELOW, a)
}

fn horner(coefficients: &[f64], at: f64) -> f64 {
    coefficients.iter().fold(0.0, |sum, coefficient| sum * at + coefficient)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The continued fraction itself, from so deep that it makes no difference.
    fn deep(a: f64) -> f64 {
        (2..20_000).rev().fold(0.0, |s, k| f64::from(k) / (a + s))
    }

    #[test]
    fn the_fit_is_the_continued_fraction() {
        for step in 4..2_000 {
            let a = f64::from(step) * 0.05;
            assert!((continued(a) / deep(a) - 1.0).abs() < 1e-11, "at {a}: {} {}", continued(a), deep(a));
        }
        assert!((continued(0.0) - libm::sqrt(core::f64::consts::FRAC_PI_2)).abs() < 1e-11);
        assert!((continued(2e9) / continued(0.99e9) - 0.495).abs() < 1e-9);
    }

    #[test]
    fn the_two_halves_meet_in_the_middle() {
        let (low, probability) = Beyond::low(-1e-12, density(1.0));
        let high = Beyond::high(0.0);
        assert!((probability - 0.5).abs() < 1e-11);
        assert!((low.mean - high.mean).abs() < 1e-11 && (low.variance - high.variance).abs() < 1e-11);
    }

    #[test]
    fn a_wall_far_below_changes_nothing() {
        let (beyond, probability) = Beyond::low(-40.0, density(libm::exp(-800.0)));
        assert_eq!((beyond.mean, beyond.variance, probability), (0.0, 1.0, 1.0));
    }

    #[test]
    fn far_out_the_excess_is_exponential() {
        for wall in [1e3, 1e6, 1e12, 1e100] {
            let beyond = Beyond::high(wall);
            assert!((beyond.excess * wall - 1.0).abs() < 1e-5, "{beyond:?}");
            assert!((beyond.variance * wall * wall - 1.0).abs() < 1e-5, "{beyond:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn the_moments_are_those_of_a_sum(wall in -6.0f64..6.0) {
            let (mut weight, mut mean, mut square) = (0.0, 0.0, 0.0);
            for step in 0..200_000 {
                let z = wall + (f64::from(step) + 0.5) * 1e-4;
                let p = libm::exp(-0.5 * z * z + 0.5 * wall * wall);
                weight += p;
                mean += p * (z - wall);
                square += p * (z - wall) * (z - wall);
            }
            let (mean, square) = (mean / weight, square / weight);
            let of = density(libm::exp(-0.5 * wall * wall));
            let beyond = if wall < 0.0 { Beyond::low(wall, of).0 } else { Beyond::high(wall) };
            prop_assert!((beyond.excess / mean - 1.0).abs() < 1e-6, "{:?} {}", beyond, mean);
            prop_assert!((beyond.variance / (square - mean * mean) - 1.0).abs() < 1e-6, "{:?}", beyond);
        }
    }
}

//! Least squares with a handful of unknowns: sums are kept, not observations.
//!
//! With weights, the sums are those of an exponentially forgetting fit; the observations may come in any order and
//! in any number.

/// The sums of a fit with `N` unknowns: observation = row · unknowns + error.
#[derive(Clone, Copy, Debug)]
pub(super) struct Regression<const N: usize> {
    normal: [[f64; N]; N],
    right: [f64; N],
    square: f64,
    weight: f64,
}

/// What came of a fit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fit<const M: usize> {
    /// The likeliest values of the unknowns.
    pub(super) unknowns: [f64; M],
    /// The share of the observations' variance that the fit leaves, 0 to 1 where it explains anything: adjusted for
    /// the number of unknowns, so that fitting noise is no merit.
    pub(super) unexplained: f64,
}

impl<const N: usize> Regression<N> {
    /// Nothing observed yet.
    pub(super) fn new() -> Self {
        Self { normal: [[0.0; N]; N], right: [0.0; N], square: 0.0, weight: 0.0 }
    }

    /// Takes in an observation that counts `weight`.
    pub(super) fn add(&mut self, row: [f64; N], observed: f64, weight: f64) {
        for (i, sums) in self.normal.iter_mut().enumerate() {
            for (sum, factor) in sums.iter_mut().zip(row) {
                *sum += weight * row[i] * factor;
            }
            self.right[i] += weight * row[i] * observed;
        }
        self.square += weight * observed * observed;
        self.weight += weight;
    }

    /// The best fit with the first `M` unknowns, the others being zero. Each `per_independent` observations count as
    /// one, because they overlap. `None` where the observations do not determine that many unknowns.
    pub(super) fn fit<const M: usize>(&self, per_independent: f64) -> Option<Fit<M>> {
        let unknowns = self.solve::<M>()?;
        let explained: f64 = unknowns.iter().zip(self.right).map(|(unknown, right)| unknown * right).sum();
        let independent = self.weight / per_independent;
        let freedom = independent - M as f64 - 1.0;
        let left = (1.0 - explained / self.square).max(0.0);
        let unexplained = left * (independent - 1.0) / freedom;
        (freedom > 0.0 && unexplained.is_finite()).then_some(Fit { unknowns, unexplained })
    }

    /// Solves the normal equations by Cholesky's decomposition.
    fn solve<const M: usize>(&self) -> Option<[f64; M]> {
        let lower = self.decompose::<M>()?;
        let mut solved = [0.0; M];
        for i in 0..M {
            let known: f64 = (0..i).map(|j| lower[i][j] * solved[j]).sum();
            solved[i] = (self.right[i] - known) / lower[i][i];
        }
        for i in (0..M).rev() {
            let known: f64 = (i + 1..M).map(|j| lower[j][i] * solved[j]).sum();
            solved[i] = (solved[i] - known) / lower[i][i];
        }
        Some(solved)
    }

    fn decompose<const M: usize>(&self) -> Option<[[f64; M]; M]> {
        let mut lower = [[0.0; M]; M];
        for i in 0..M {
            for j in 0..=i {
                let known: f64 = (0..j).map(|k| lower[i][k] * lower[j][k]).sum();
                let left = self.normal[i][j] - known;
                lower[i][j] = match i == j {
                    // An unknown of which nothing is left after the others cannot be told from them.
                    true if left <= 1e-9 * self.normal[i][i] => return None,
                    true => libm::sqrt(left),
                    false => left / lower[j][j],
                };
            }
        }
        Some(lower)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plane_is_found_and_explains_all() {
        let mut plane = Regression::<2>::new();
        for k in 0..20 {
            let (x, y) = (f64::from(k), f64::from(k * k % 7));
            plane.add([x, y], 3.0 * x - 2.0 * y, 1.0);
        }
        let fit = plane.fit::<2>(1.0).expect("twenty observations of two unknowns");
        assert!((fit.unknowns[0] - 3.0).abs() < 1e-9 && (fit.unknowns[1] + 2.0).abs() < 1e-9, "{fit:?}");
        assert!(fit.unexplained < 1e-12, "{fit:?}");
        let line = plane.fit::<1>(1.0).expect("one unknown is easier");
        assert!(line.unexplained > fit.unexplained, "{line:?}");
    }

    #[test]
    fn what_is_not_determined_is_not_invented() {
        let mut twice = Regression::<2>::new();
        assert_eq!(twice.fit::<2>(1.0), None);
        (0..9).for_each(|k| twice.add([f64::from(k), 2.0 * f64::from(k)], 1.0, 1.0));
        assert_eq!(twice.fit::<2>(1.0), None);
        assert_eq!(twice.fit::<1>(8.0), None, "nine observations that overlap eightfold are one");
    }

    #[test]
    fn noise_is_not_explained() {
        let mut noise = Regression::<2>::new();
        let mut state = 1u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 8) / f64::from(1u32 << 24) - 0.5
        };
        (0..200).for_each(|_| noise.add([random(), random()], random(), 1.0));
        let fit = noise.fit::<2>(1.0).expect("determined");
        assert!((0.9..1.1).contains(&fit.unexplained), "{fit:?}");
    }
}

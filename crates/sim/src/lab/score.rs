//! What a method was worth: its errors over all time, and whether it knew them.

use super::Guess;

/// 95 % of a normal distribution is within so many standard deviations.
pub const SIGMAS_95: f64 = 1.959_964;

/// So many standard deviations are meant to hold nearly always: real errors have longer tails than normal ones.
pub const SIGMAS_MOST: f64 = 6.0;

/// Errors, collected while a history goes on.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// The size of every error, in seconds; as many as the history has looks, so half precision of them is enough.
    sizes: Vec<f32>,
    square: f64,
    sum: f64,
    claimed: f64,
    within: [u64; 2],
    silent: u64,
}

impl Tally {
    /// One look: the method guessed, and the truth was `offset`.
    pub fn look(&mut self, guess: Option<Guess>, offset: f64) {
        let Some(guess) = guess else {
            self.silent += 1;
            return;
        };
        let error = offset - guess.offset;
        self.sizes.push(error.abs() as f32);
        self.square += error * error;
        self.sum += error;
        self.claimed += guess.sigma;
        for (within, sigmas) in self.within.iter_mut().zip([SIGMAS_95, SIGMAS_MOST]) {
            *within += u64::from(error.abs() <= sigmas * guess.sigma);
        }
    }

    /// What it comes to; `None` if the method never said anything.
    pub fn score(mut self) -> Option<Score> {
        let count = self.sizes.len() as f64;
        if self.sizes.is_empty() {
            return None;
        }
        Some(Score {
            rms: libm::sqrt(self.square / count),
            mean: self.sum / count,
            sigma: self.claimed / count,
            p50: self.quantile(0.5),
            p999: self.quantile(0.999),
            max: self.sizes.iter().fold(0.0, |most: f64, &size| most.max(f64::from(size))),
            within_95: self.within[0] as f64 / count,
            within_most: self.within[1] as f64 / count,
            silent: self.silent as f64 / (count + self.silent as f64),
        })
    }

    fn quantile(&mut self, share: f64) -> f64 {
        let index = ((self.sizes.len() as f64 * share) as usize).min(self.sizes.len() - 1);
        f64::from(*self.sizes.select_nth_unstable_by(index, f32::total_cmp).1)
    }
}

/// What a method was worth in one history, or in the mean of several. Times in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// The root of the mean square error.
    pub rms: f64,
    /// The mean error, truth minus guess.
    pub mean: f64,
    /// The mean standard deviation that was claimed.
    pub sigma: f64,
    /// Half of the errors are smaller.
    pub p50: f64,
    /// All but a thousandth of the errors are smaller.
    pub p999: f64,
    /// The largest error.
    pub max: f64,
    /// The share of looks with an error within the claimed interval of 95 %..
    pub within_95: f64,
    /// ..and within [`SIGMAS_MOST`] claimed standard deviations.
    pub within_most: f64,
    /// The share of looks at which the method said nothing.
    pub silent: f64,
}

impl Score {
    /// The score of several histories together: mean squares and shares in the mean, quantiles in the mean, the largest
    /// of the largest.
    pub fn together(scores: &[Self]) -> Self {
        let count = scores.len().max(1) as f64;
        let mean = |part: fn(&Self) -> f64| scores.iter().map(part).sum::<f64>() / count;
        Self {
            rms: libm::sqrt(mean(|score| score.rms * score.rms)),
            mean: mean(|score| score.mean),
            sigma: mean(|score| score.sigma),
            p50: mean(|score| score.p50),
            p999: mean(|score| score.p999),
            max: scores.iter().fold(0.0, |most: f64, score| most.max(score.max)),
            within_95: mean(|score| score.within_95),
            within_most: mean(|score| score.within_most),
            silent: mean(|score| score.silent),
        }
    }
}

/// The geometric mean of ratios; `None` if there are none.
pub fn geometric_mean(ratios: &[f64]) -> Option<f64> {
    let logs: f64 = ratios.iter().map(|&ratio| libm::log(ratio)).sum();
    (!ratios.is_empty()).then(|| libm::exp(logs / ratios.len() as f64))
}

/// The middle of some figures, the mean of the two in the middle if their number is even; `None` if there are none.
pub fn median(figures: &[f64]) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.len(), sorted.len() % 2) {
        (0, _) => None,
        (_, 1) => Some(sorted[middle]),
        (_, _) => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(errors: &[f64], sigma: f64) -> Tally {
        let mut tally = Tally::default();
        for &error in errors {
            tally.look(Some(Guess { offset: 0.0, sigma }), error);
        }
        tally
    }

    #[test]
    fn errors_are_counted_as_they_are() {
        let mut tally = tally(&[3.0, -4.0, 0.0, 1.0], 2.0);
        tally.look(None, 9.0);
        let score = tally.score().expect("it spoke");
        assert!((score.rms - 6.5f64.sqrt()).abs() < 1e-12 && score.mean == 0.0);
        assert_eq!((score.p50, score.p999, score.max), (3.0, 4.0, 4.0));
        assert_eq!((score.within_95, score.within_most, score.silent), (0.75, 1.0, 0.2));
        assert_eq!(Tally::default().score(), None);
    }

    #[test]
    fn histories_are_put_together_by_their_squares() {
        let [one, other] =
            [[3.0, 3.0], [-4.0, -4.0]].map(|errors| tally(&errors, 1.0).score().expect("it spoke"));
        let both = Score::together(&[one, other]);
        assert!((both.rms - 12.5f64.sqrt()).abs() < 1e-12 && both.max == 4.0 && both.mean == -0.5);
    }

    #[test]
    fn means_and_medians() {
        assert_eq!(geometric_mean(&[]), None);
        assert!((geometric_mean(&[1.0, 4.0, 16.0]).expect("three") - 4.0).abs() < 1e-12);
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}

//! What an oscillator is doing, and the filter that follows it.
//!
//! ```text
//!   offset   goes by the rate, and by chance of its own (white frequency noise)
//!   rate     goes by ageing, and by chance of its own (random walk)
//!   ageing   stays
//!   day      turns once in 24 h, as two numbers, and is forgotten within a season
//!
//!   a record shows  offset + day + noise
//! ```

use core::f64::consts::TAU;

use super::Before;

/// How many numbers say what an oscillator is doing.
const STATES: usize = 5;

/// The place of the offset, in seconds.
pub(super) const OFFSET: usize = 0;

/// The place of the rate, in seconds per second.
pub(super) const RATE: usize = 1;

/// The place of what the rate gains in each second.
pub(super) const AGEING: usize = 2;

/// The place of what the day does to the time now, in seconds ..
const DAY: usize = 3;

/// .. and will do in six hours.
const DAY_AHEAD: usize = 4;

/// Seconds of a day.
const DAY_SECONDS: f64 = 86_400.0;

/// What the day does is forgotten within so many seconds: a season.
const SEASON: f64 = 90.0 * DAY_SECONDS;

/// A number for each thing that an oscillator does.
pub(super) type State = [f64; STATES];

/// A number for each two of them.
pub(super) type Matrix = [State; STATES];

/// What one filter takes for granted: variances.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Law {
    /// Of a record, in square seconds.
    pub(super) noise: f64,
    /// What the offset gains in each second, in square seconds.
    pub(super) white: f64,
    /// What the rate gains in each second.
    pub(super) walk: f64,
    /// Of the ageing.
    pub(super) ageing: f64,
    /// Of what the day does to the time, in square seconds.
    pub(super) day: f64,
}

/// A time that passes, and what each number gives to each in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stride {
    passed: f64,
    moves: Matrix,
    /// So much of the day is forgotten.
    forgotten: f64,
}

impl Stride {
    /// So many seconds.
    pub(super) fn over(passed: f64) -> Self {
        let kept = libm::exp(-passed / SEASON);
        let (sin, cos) = libm::sincos(TAU * passed / DAY_SECONDS);
        let moves = [
            [1.0, passed, passed * passed / 2.0, 0.0, 0.0],
            [0.0, 1.0, passed, 0.0, 0.0],
            [0.0, 0.0, 1.0, 0.0, 0.0],
            [0.0, 0.0, 0.0, kept * cos, kept * sin],
            [0.0, 0.0, 0.0, -kept * sin, kept * cos],
        ];
        Self { passed, moves, forgotten: 1.0 - kept * kept }
    }

    /// How often each number of before is in what a record shows after it, but for noise.
    pub(super) fn shows(&self) -> State {
        core::array::from_fn(|i| self.moves[OFFSET][i] + self.moves[DAY][i])
    }
}

/// What is likely, and how well it foretold all records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filter {
    pub(super) law: Law,
    pub(super) state: State,
    pub(super) covariance: Matrix,
    pub(super) log_likelihood: f64,
}

impl Filter {
    /// After a first record that shows zero, and of which nothing was known before: what of it is noise and what is the
    /// day's is in the offset, with the other sign.
    pub(super) fn new(before: Before, law: Law) -> Self {
        let mut covariance = [[0.0; STATES]; STATES];
        covariance[OFFSET][OFFSET] = law.noise + law.day;
        (covariance[OFFSET][DAY], covariance[DAY][OFFSET]) = (-law.day, -law.day);
        (covariance[DAY][DAY], covariance[DAY_AHEAD][DAY_AHEAD]) = (law.day, law.day);
        covariance[RATE][RATE] = before.sigma * before.sigma;
        covariance[AGEING][AGEING] = law.ageing;
        Self { law, state: [0.0, before.rate, 0.0, 0.0, 0.0], covariance, log_likelihood: 0.0 }
    }

    /// Time passes.
    pub(super) fn pass(&mut self, stride: &Stride) {
        let Stride { passed, moves, forgotten } = stride;
        self.state = moves.map(|row| dot(&row, &self.state));
        let half = moves.map(|row| through(&row, &self.covariance));
        self.covariance = half.map(|row| moves.map(|column| dot(&row, &column)));
        let (walked, renewed) = (self.law.walk * passed, self.law.day * forgotten);
        self.covariance[OFFSET][OFFSET] += self.law.white * passed + walked * passed * passed / 3.0;
        self.covariance[OFFSET][RATE] += walked * passed / 2.0;
        self.covariance[RATE][OFFSET] += walked * passed / 2.0;
        self.covariance[RATE][RATE] += walked;
        self.covariance[DAY][DAY] += renewed;
        self.covariance[DAY_AHEAD][DAY_AHEAD] += renewed;
    }

    /// A record came, which shows this.
    pub(super) fn take(&mut self, shown: f64) {
        let with: State = self.covariance.map(|row| row[OFFSET] + row[DAY]);
        let surprise = shown - self.state[OFFSET] - self.state[DAY];
        let expected = with[OFFSET] + with[DAY] + self.law.noise;
        for (i, row) in self.covariance.iter_mut().enumerate() {
            let gain = with[i] / expected;
            self.state[i] += gain * surprise;
            row.iter_mut().zip(with).for_each(|(both, with)| *both -= gain * with);
        }
        self.log_likelihood -= 0.5 * (libm::log(expected) + surprise * surprise / expected);
    }
}

/// The sum of products.
pub(super) fn dot(a: &State, b: &State) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// A row times a matrix that is the same on both sides of its diagonal.
pub(super) fn through(row: &State, matrix: &Matrix) -> State {
    matrix.map(|column| dot(row, &column))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAW: Law = Law { noise: 1e-6, white: 1e-14, walk: 1e-20, ageing: 1e-26, day: 1e-4 };
    const NOTHING: Before = Before { rate: 0.0, sigma: 1e-4 };

    fn passed(strides: &[f64]) -> Filter {
        let mut filter = Filter::new(NOTHING, LAW);
        strides.iter().for_each(|&stride| filter.pass(&Stride::over(stride)));
        filter
    }

    #[test]
    fn many_strides_are_as_good_as_one() {
        let (one, many) = (passed(&[86_400.0]), passed(&[600.0, 5400.0, 30_400.0, 50_000.0]));
        for (i, j) in (0..STATES).flat_map(|i| (0..STATES).map(move |j| (i, j))) {
            let (a, b) = (one.covariance[i][j], many.covariance[i][j]);
            let scale = libm::sqrt(one.covariance[i][i] * one.covariance[j][j]);
            assert!((a - b).abs() < 1e-9 * scale, "{i} {j}: {a} {b}");
        }
    }

    #[test]
    fn what_is_expected_before_the_second_record_is_noise_twice_and_what_has_wandered() {
        let mut filter = passed(&[86_400.0]);
        let before = filter.covariance;
        let (shows, day) = (Stride::over(0.0).shows(), 86_400f64);
        let known = dot(&shows, &through(&shows, &before));
        let rate = 1e-8 * day * day;
        let wandered = 1e-14 * day + 1e-20 * day * day * day / 3.0 + 1e-26 * day.powi(4) / 4.0;
        // The same hour: all that the day did is what it forgot, and did anew.
        let kept = (-1.0f64 / 90.0).exp();
        let anew = 1e-4 * ((1.0 - kept) * (1.0 - kept) + 1.0 - kept * kept);
        assert!((known - (1e-6 + rate + wandered + anew)).abs() < 1e-9 * known, "{known}");
        filter.take(0.5);
        let shown = filter.state[OFFSET] + filter.state[DAY];
        assert!((shown - 0.5).abs() < 1e-5, "the rate is hardly known, the record well: {shown}");
        assert!((filter.state[RATE] - 0.5 / day).abs() < 1e-9, "{filter:?}");
    }

    #[test]
    fn a_day_later_the_day_does_the_same_and_twelve_hours_later_the_opposite() {
        let (noon, night) = (Stride::over(86_400.0).shows(), Stride::over(43_200.0).shows());
        assert!((noon[DAY] - (-1.0f64 / 90.0).exp()).abs() < 1e-12 && noon[DAY_AHEAD].abs() < 1e-12);
        assert!((night[DAY] + (-0.5f64 / 90.0).exp()).abs() < 1e-12 && night[DAY_AHEAD].abs() < 1e-12);
    }
}

//! The samples that the regression keeps, and the line through them.

use std::collections::VecDeque;

use crate::yardstick::Reading;

/// No more samples are in a line.
const SAMPLES_MAX: usize = 64;

/// No fewer make one.
const SAMPLES_MIN: usize = 3;

/// The runs of the residuals are counted over so many times the samples of the line, as far as older ones are kept.
const RUNS_RATIO: usize = 2;

/// The runs test says nothing about fewer samples.
const RUNS_MIN: usize = 8;

/// A line worse than this is not told from no line: the chance that chance makes so few runs.
const RUNS_CHANCE: f64 = 0.05;

/// An excess of the distance by its mean makes the standard deviation of a sample larger by so much.
const DISTANCE_RATIO: f64 = 0.7;

/// The spread of the residuals is never taken for less, in seconds.
const SPREAD_MIN: f64 = 1e-9;

/// A line through the samples, and how well it is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fit {
    /// The time of the latest sample.
    pub(super) at: f64,
    /// The line's value then..
    pub(super) offset: f64,
    /// ..and its standard deviation.
    pub(super) offset_sd: f64,
    /// The slope..
    pub(super) rate: f64,
    /// ..and its standard deviation.
    rate_sd: f64,
    /// The standard deviation of a sample of the least delay.
    pub(super) spread: f64,
    /// Samples beyond the two that make a line.
    freedom: usize,
}

impl Fit {
    pub(super) fn offset_at(&self, at: f64) -> f64 {
        self.offset + self.rate * (at - self.at)
    }

    pub(super) fn sigma_at(&self, at: f64) -> f64 {
        libm::hypot(self.offset_sd, self.rate_sd * (at - self.at))
    }

    /// A limit for the error of the slope, at 99.9 % of Student's distribution.
    pub(super) fn skew(&self) -> f64 {
        (self.rate_sd * student(self.freedom)).clamp(1e-12, 1e-2)
    }
}

/// The samples of one source, oldest first: those of the line and, before them, some that only take part in the count
/// of runs.
#[derive(Clone, Debug)]
pub(super) struct Register {
    readings: VecDeque<Reading>,
    /// How many, from the latest, are in the line.
    kept: usize,
    /// So many are kept even if the line does not fit.
    kept_min: usize,
    asymmetry: Asymmetry,
}

impl Register {
    pub(super) fn new(kept_min: usize) -> Self {
        let kept_min = kept_min.max(SAMPLES_MIN);
        Self { readings: VecDeque::new(), kept: 0, kept_min, asymmetry: Asymmetry::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.kept
    }

    /// The shortest round trip of the samples kept.
    pub(super) fn delay_min(&self) -> f64 {
        self.line().map(|reading| reading.delay).fold(f64::INFINITY, f64::min)
    }

    pub(super) fn push(&mut self, reading: Reading) {
        self.readings.push_back(reading);
        self.keep((self.kept + 1).min(SAMPLES_MAX));
    }

    /// The best line: the oldest samples are dropped one by one as long as the residuals have too few runs.
    pub(super) fn fit(&mut self) -> Option<Fit> {
        let weights = self.weights();
        let mut kept = self.kept;
        if kept < SAMPLES_MIN {
            return None;
        }
        loop {
            let line = self.line_through(kept, &weights);
            if kept <= self.kept_min || self.has_runs(&line, kept) {
                self.keep(kept);
                self.asymmetry.learn(self.readings.iter().skip(self.readings.len() - kept));
                return Some(line);
            }
            kept -= 1;
        }
    }

    fn keep(&mut self, kept: usize) {
        self.kept = kept;
        let surplus = self.readings.len().saturating_sub(kept * RUNS_RATIO);
        self.readings.drain(..surplus);
    }

    fn line(&self) -> impl Iterator<Item = &Reading> {
        self.latest(self.kept)
    }

    fn latest(&self, count: usize) -> impl Iterator<Item = &Reading> {
        self.readings.iter().skip(self.readings.len() - count)
    }

    /// What each reading of the line weighs: one for the shortest delay, and less the more its distance (half its delay)
    /// exceeds that, in units of the mean excess.
    fn weights(&self) -> Vec<f64> {
        let least = self.delay_min() / 2.0;
        let excess = |reading: &Reading| (reading.delay / 2.0 - least).max(0.0);
        let mean = self.line().map(excess).sum::<f64>() / self.kept.max(1) as f64;
        let unit = (mean / DISTANCE_RATIO).clamp(SPREAD_MIN, least.max(SPREAD_MIN));
        self.line().map(|reading| 1.0 / libm::pow(1.0 + excess(reading) / unit, 2.0)).collect()
    }

    fn line_through(&self, kept: usize, weights: &[f64]) -> Fit {
        let at = self.readings.back().map_or(0.0, |reading| reading.at);
        let weights = &weights[weights.len() - kept..];
        let least = self.delay_min();
        let offset = |reading: &Reading| self.asymmetry.corrected(reading, least);
        let points = || self.latest(kept).map(|reading| (reading.at - at, offset(reading))).zip(weights);
        let weight: f64 = weights.iter().sum();
        let mean = points().map(|((t, _), w)| w * t).sum::<f64>() / weight;
        let centre = points().map(|((_, x), w)| w * x).sum::<f64>() / weight;
        let square: f64 = points().map(|((t, _), w)| w * (t - mean) * (t - mean)).sum();
        let rate = points().map(|((t, x), w)| w * (t - mean) * (x - centre)).sum::<f64>() / square;
        let offset = centre - rate * mean;
        let residual: f64 = points().map(|((t, x), w)| w * libm::pow(x - offset - rate * t, 2.0)).sum();
        let variance = residual / (kept - 2) as f64;
        Fit {
            at,
            offset,
            offset_sd: libm::sqrt(variance * (1.0 / weight + mean * mean / square)),
            rate,
            rate_sd: libm::sqrt(variance / square),
            spread: libm::sqrt(variance * kept as f64 / weight).max(SPREAD_MIN),
            freedom: kept - 2,
        }
    }

    /// Whether the residuals change their sign often enough for a line.
    fn has_runs(&self, line: &Fit, kept: usize) -> bool {
        let count = (kept * RUNS_RATIO).min(self.readings.len());
        let mut runs = 0;
        let (mut last, least) = (None, self.delay_min());
        for reading in self.latest(count) {
            let is_above = self.asymmetry.corrected(reading, least) > line.offset_at(reading.at);
            runs += usize::from(last != Some(is_above));
            last = Some(is_above);
        }
        runs > runs_critical(count)
    }
}

/// How much of a longer delay is one way's alone: from -1/2 (all of it on the way back) to 1/2 (all of it on the way
/// there). By so much the offset is off for each second of delay beyond the least (`asymmetry` in chrony.conf(5)).
#[derive(Clone, Copy, Debug, Default)]
struct Asymmetry {
    found: f64,
    /// How many more samples than not have found the same way at fault; negative for the way back.
    certainty: i32,
}

/// Nearer to an end of its range than this, one way is at fault.
const ASYMMETRY_LARGE: f64 = 0.4;

/// It is believed after so many..
const CERTAIN: i32 = 10;

/// ..and forgotten after no more than so many.
const CERTAINTY_MAX: i32 = 1000;

impl Asymmetry {
    fn corrected(&self, reading: &Reading, least: f64) -> f64 {
        let share = if self.certainty.abs() < CERTAIN { 0.0 } else { self.found.clamp(-0.5, 0.5) };
        reading.offset - share * (reading.delay - least).max(0.0)
    }

    fn learn<'a>(&mut self, readings: impl Iterator<Item = &'a Reading>) {
        let readings: Vec<&Reading> = readings.collect();
        self.found = dependence(&readings).unwrap_or(0.0);
        let sign = if self.found < 0.0 { -1 } else { 1 };
        if self.certainty * sign < 0 {
            self.certainty = 0;
        }
        let more = if self.found.abs() >= ASYMMETRY_LARGE { 1 } else { -1 };
        self.certainty = sign * (self.certainty.abs() + more).clamp(0, CERTAINTY_MAX);
    }
}

/// By how much the offset grows with the delay, if it grows evenly with time besides: least squares in both.
fn dependence(readings: &[&Reading]) -> Option<f64> {
    let count = readings.len() as f64;
    let mean = |of: fn(&Reading) -> f64| readings.iter().map(|reading| of(reading)).sum::<f64>() / count;
    let (at, delay, offset) = (mean(|r| r.at), mean(|r| r.delay), mean(|r| r.offset));
    let sum = |of: &dyn Fn(f64, f64, f64) -> f64| -> f64 {
        readings.iter().map(|r| of(r.at - at, r.delay - delay, r.offset - offset)).sum()
    };
    let (tt, td, dd) = (sum(&|t, _, _| t * t), sum(&|t, d, _| t * d), sum(&|_, d, _| d * d));
    let (to, delayed) = (sum(&|t, _, o| t * o), sum(&|_, d, o| d * o));
    let determinant = tt * dd - td * td;
    (determinant > 0.0).then(|| (delayed * tt - to * td) / determinant)
}

/// So few runs of equal signs, or fewer, are too few among so many residuals: each sign follows the one before with
/// even chances, so that the runs beyond the first are binomial.
fn runs_critical(count: usize) -> usize {
    if count < RUNS_MIN {
        return 0;
    }
    let changes = count - 1;
    let mut probability = libm::exp2(-(changes as f64));
    let mut below = probability;
    let mut quantile = 0;
    while below < RUNS_CHANCE {
        probability *= (changes - quantile) as f64 / (quantile + 1) as f64;
        quantile += 1;
        below += probability;
    }
    quantile + 1
}

/// Half the width of the interval that holds 99.9 % of Student's distribution of so many degrees of freedom, by
/// halving (Abramowitz and Stegun, 26.7.3 and 26.7.4).
fn student(freedom: usize) -> f64 {
    let (mut low, mut high) = (3.0, 1000.0);
    for _ in 0..40 {
        let middle = (low + high) / 2.0;
        if student_within(middle, freedom) < 0.999 {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// The probability that Student's variable is within ±t.
fn student_within(t: f64, freedom: usize) -> f64 {
    let angle = libm::atan(t / libm::sqrt(freedom as f64));
    let (sine, cosine) = (libm::sin(angle), libm::cos(angle));
    let (mut term, mut sum, mut k) = if freedom % 2 == 1 { (cosine, 0.0, 1) } else { (1.0, 0.0, 0) };
    while k + 2 <= freedom {
        sum += term;
        k += 2;
        term *= cosine * cosine * (k - 1) as f64 / k as f64;
    }
    if freedom % 2 == 1 { 2.0 / core::f64::consts::PI * (angle + sine * sum) } else { sine * sum }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Stream;

    /// The error of the line on a clock that stands still, with jitter there and back.
    fn error(there: f64, back: f64) -> f64 {
        let (mut register, mut chance) = (Register::new(6), Stream::new(1, "register"));
        let (mut square, polls) = (0.0, 2000);
        for poll in 0..polls {
            let (first, second) = (there * chance.exponential(), back * chance.exponential());
            let offset = (first - second) / 2.0;
            register.push(Reading { at: f64::from(poll) * 64.0, offset, delay: 20e-3 + first + second });
            square += register.fit().map_or(0.0, |fit| fit.offset * fit.offset);
        }
        libm::sqrt(square / f64::from(polls))
    }

    #[test]
    fn where_one_way_alone_is_late_the_offsets_are_set_right() {
        let (both, one) = (error(1e-3, 1e-3), error(1e-3, 1e-5));
        assert!(one < both / 4.0, "{one} {both}");
        let back = error(1e-5, 1e-3);
        assert!((back / one - 1.0).abs() < 0.5, "either way: {back} {one}");
    }
}

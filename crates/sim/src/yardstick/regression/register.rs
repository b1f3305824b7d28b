//! The samples that the regression keeps, and the line through them.

use std::collections::VecDeque;

use super::leaning::Leaning;
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

/// The limit for the error of the slope is never less..
const SKEW_MIN: f64 = 1e-12;

/// ..or more.
const SKEW_MAX: f64 = 1e-2;

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
    /// ..its standard deviation..
    rate_sd: f64,
    /// ..and a limit for its error, at 99.9 % of Student's distribution.
    pub(super) skew: f64,
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
    leaning: Leaning,
}

impl Register {
    pub(super) fn new(kept_min: usize) -> Self {
        let kept_min = kept_min.clamp(SAMPLES_MIN, SAMPLES_MAX);
        Self { readings: VecDeque::new(), kept: 0, kept_min, leaning: Leaning::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.kept
    }

    /// The shortest round trip.
    pub(super) fn delay_min(&self) -> f64 {
        shortest(self.readings.iter())
    }

    pub(super) fn push(&mut self, reading: Reading) {
        self.readings.push_back(reading);
        self.keep((self.kept + 1).min(SAMPLES_MAX));
    }

    /// The best line: the oldest samples are dropped one by one as long as the residuals have too few runs.
    pub(super) fn fit(&mut self) -> Option<Fit> {
        if self.kept < SAMPLES_MIN {
            return None;
        }
        let points = self.points();
        let line = (self.kept_min..self.kept).rev().fold(line_through(&points, self.kept), |line, kept| {
            if has_runs(&points, &line) { line } else { line_through(&points, kept) }
        });
        self.keep(line.freedom + 2);
        Some(Fit { skew: (line.rate_sd * student(line.freedom)).clamp(SKEW_MIN, SKEW_MAX), ..line })
    }

    fn keep(&mut self, kept: usize) {
        self.kept = kept;
        let surplus = self.readings.len().saturating_sub(kept * RUNS_RATIO);
        self.readings.drain(..surplus);
    }

    fn line(&self) -> impl Iterator<Item = &Reading> {
        self.readings.iter().skip(self.readings.len() - self.kept)
    }

    /// All readings, corrected for a way that is always the slower one. What one weighs is one for the shortest delay,
    /// and less the more its distance (half its delay) exceeds that, in units of the mean excess.
    fn points(&mut self) -> Vec<Point> {
        let near = shortest(self.line());
        let excess = |reading: &Reading| (reading.delay - near).max(0.0) / 2.0;
        let mean = self.line().map(excess).sum::<f64>() / self.kept as f64;
        let unit = (mean / DISTANCE_RATIO).clamp(SPREAD_MIN, (near / 2.0).max(SPREAD_MIN));
        let nearest = self.delay_min();
        self.leaning.learn(&self.readings, nearest);
        let share = self.leaning.share();
        let point = |reading: &Reading| Point {
            at: reading.at,
            offset: reading.offset - share * (reading.delay - nearest),
            weight: 1.0 / libm::pow(1.0 + excess(reading) / unit, 2.0),
        };
        self.readings.iter().map(point).collect()
    }
}

fn shortest<'a>(readings: impl Iterator<Item = &'a Reading>) -> f64 {
    readings.map(|reading| reading.delay).fold(f64::INFINITY, f64::min)
}

/// A reading as the line sees it.
#[derive(Clone, Copy, Debug)]
struct Point {
    at: f64,
    offset: f64,
    weight: f64,
}

/// The weighted line through the last `kept` of the points.
fn line_through(points: &[Point], kept: usize) -> Fit {
    let points = &points[points.len() - kept..];
    let at = points[kept - 1].at;
    let sum =
        |term: &dyn Fn(&Point) -> f64| points.iter().map(|point| point.weight * term(point)).sum::<f64>();
    let weight = sum(&|_| 1.0);
    let mean = sum(&|point| point.at - at) / weight;
    let centre = sum(&|point| point.offset) / weight;
    let square = sum(&|point| libm::pow(point.at - at - mean, 2.0));
    let rate = sum(&|point| (point.at - at - mean) * (point.offset - centre)) / square;
    let offset = centre - rate * mean;
    let residual = sum(&|point| libm::pow(point.offset - offset - rate * (point.at - at), 2.0));
    let variance = residual / (kept - 2) as f64;
    let rate_sd = libm::sqrt(variance / square);
    Fit {
        at,
        offset,
        offset_sd: libm::sqrt(variance * (1.0 / weight + mean * mean / square)),
        rate,
        rate_sd,
        skew: SKEW_MAX,
        spread: libm::sqrt(variance * kept as f64 / weight).max(SPREAD_MIN),
        freedom: kept - 2,
    }
}

/// Whether the residuals change their sign often enough for a line.
fn has_runs(points: &[Point], line: &Fit) -> bool {
    let count = ((line.freedom + 2) * RUNS_RATIO).min(points.len());
    let is_above = |point: &Point| point.offset > line.offset_at(point.at);
    let tested = &points[points.len() - count..];
    let changes = tested.windows(2).filter(|pair| is_above(&pair[0]) != is_above(&pair[1])).count();
    1 + changes > runs_critical(count)
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

    fn heard(count: usize, offset: impl Fn(f64) -> f64) -> Register {
        let mut register = Register::new(6);
        for k in 0..count {
            let at = 64.0 * k as f64;
            register.push(Reading { at, offset: offset(at), delay: 20e-3 });
            register.fit();
        }
        register
    }

    #[test]
    fn a_straight_line_is_found_and_everything_kept() {
        let mut register = heard(100, |at| 3.0 - 1e-5 * at);
        let fit = register.fit().expect("100 readings make a line");
        assert!((fit.rate + 1e-5).abs() < 1e-12 && (fit.offset_at(0.0) - 3.0).abs() < 1e-9, "{fit:?}");
    }

    #[test]
    fn a_bend_is_followed_by_forgetting() {
        let register = heard(60, |at| 1e-9 * at * at);
        assert_eq!(register.len(), 6);
        let mut chance = crate::chance::Stream::new(1, "register");
        let noise: Vec<f64> = (0..60).map(|_| chance.normal()).collect();
        let register = heard(60, |at| 1e-4 * noise[(at / 64.0) as usize]);
        assert!(register.len() > 40, "{}", register.len());
    }

    #[test]
    fn too_few_runs_are_those_that_chance_makes_once_in_twenty() {
        // 1 + the 5 % quantile of the binomial distribution.
        for (count, critical) in [(7, 0), (8, 2), (9, 3), (12, 4), (20, 7), (30, 11)] {
            assert_eq!(runs_critical(count), critical, "{count}");
        }
    }

    #[test]
    fn students_distribution_is_that_of_the_tables() {
        for (freedom, limit) in [(1, 636.62), (2, 31.599), (5, 6.869), (10, 4.587), (30, 3.646)] {
            let found = student(freedom);
            assert!((found / limit - 1.0).abs() < 1e-4, "{freedom}: {found}");
        }
    }
}

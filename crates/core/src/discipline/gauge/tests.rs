//! Simulated readings: an oscillator whose rate walks, a reference with normal noise.

use super::*;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use truechimer_time::Rate;

struct Bench {
    rng: ChaCha8Rng,
    /// True time gains so much on the counter, in seconds, and at this rate.
    gained: f64,
    rate: f64,
    seconds: f64,
}

impl Bench {
    fn new(seed: u64) -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(seed), gained: 0.0, rate: 20e-6, seconds: 0.0 }
    }

    fn normal(&mut self) -> f64 {
        let uniform = |rng: &mut ChaCha8Rng| (f64::from(rng.next_u32()) + 0.5) / 4_294_967_296.0;
        let (one, other) = (uniform(&mut self.rng), uniform(&mut self.rng));
        libm::sqrt(-2.0 * libm::log(one)) * libm::cos(2.0 * core::f64::consts::PI * other)
    }

    fn pass(&mut self, seconds: f64, wander: f64) {
        self.seconds += seconds;
        self.rate += wander * libm::sqrt(seconds) * self.normal();
        self.gained += self.rate * seconds;
    }

    fn raw(&self) -> Time<Raw> {
        Time::from_epoch(Span::from_seconds(1000.0 + self.seconds))
    }

    fn truth(&self) -> Time<truechimer_time::Tai> {
        Time::from_epoch(Span::from_seconds(self.seconds) + Span::from_seconds(self.gained))
    }

    fn read(&mut self, noise: f64) -> Sample {
        let (at, tai) = (self.raw(), self.truth() + Span::from_seconds(noise * self.normal()));
        let distance = Span::from_micros(5);
        Sample {
            sent: at,
            received: tai,
            transmitted: tai,
            at,
            earliest: tai - distance,
            latest: tai + distance,
            delay: Span::ZERO,
            distance,
        }
    }
}

fn prior() -> RateLimits {
    RateLimits::around(Rate::ZERO, Rate::from_ppb(500_000))
}

/// The errors of an hour that begins a quarter of an hour after the first reading, and the gauge after it.
fn errors(seed: u64, interval: f64, (noise, wander): (f64, f64)) -> (Vec<f64>, Gauge) {
    let mut bench = Bench::new(seed);
    let mut gauge = Gauge::new(&bench.read(noise), prior());
    let mut errors = Vec::new();
    while bench.seconds < 4500.0 {
        bench.pass(interval, wander);
        let sample = bench.read(noise);
        assert_eq!(gauge.hear(&sample), Reception::Taken, "at {} s", bench.seconds);
        if bench.seconds > 900.0 {
            errors.push((gauge.estimate(bench.raw()).tai - bench.truth()).as_seconds());
        }
    }
    (errors, gauge)
}

fn rms(errors: &[f64]) -> f64 {
    libm::sqrt(errors.iter().map(|error| error * error).sum::<f64>() / errors.len() as f64)
}

#[test]
fn many_readings_are_better_than_one() {
    for seed in 1..6 {
        let (errors, gauge) = errors(seed, 1.0, (1e-6, 1e-9));
        assert!(rms(&errors) < 0.3e-6, "{seed}: {}", rms(&errors));
        let noise = libm::sqrt(gauge.noise());
        assert!((0.8e-6..1.2e-6).contains(&noise), "{seed}: noise {noise}");
    }
}

#[test]
fn what_it_says_of_its_own_error_is_about_right() {
    for (interval, noise, wander) in [(1.0, 1e-6, 1e-9), (4.0, 1e-7, 1e-8), (16.0, 3e-6, 3e-10)] {
        let (mut squares, mut count) = (0.0, 0.0);
        for seed in 1..9 {
            let (errors, gauge) = errors(seed, interval, (noise, wander));
            squares += rms(&errors) * rms(&errors) / gauge.variance();
            count += 1.0;
        }
        let ratio = libm::sqrt(squares / count);
        assert!((0.5..1.6).contains(&ratio), "{interval} s, {noise}, {wander}: {ratio}");
    }
}

#[test]
fn one_reading_that_is_far_off_counts_little_and_many_are_believed() {
    let mut bench = Bench::new(7);
    let mut gauge = Gauge::new(&bench.read(1e-7), prior());
    let mut read = |gauge: &mut Gauge, off: Span| {
        bench.pass(1.0, 1e-9);
        let sample = bench.read(1e-7);
        let said = gauge.hear(&Sample {
            received: sample.received + off,
            transmitted: sample.transmitted + off,
            ..sample
        });
        (said, (gauge.estimate(bench.raw()).tai - bench.truth()).as_seconds())
    };
    for _ in 0..300 {
        read(&mut gauge, Span::ZERO);
    }
    let (said, error) = read(&mut gauge, Span::from_micros(4));
    assert!(said == Reception::Taken && libm::fabs(error) < 0.3e-6, "{said:?} {error}");
    read(&mut gauge, Span::ZERO);
    let receptions: Vec<Reception> = (0..5).map(|_| read(&mut gauge, Span::from_micros(40)).0).collect();
    assert_eq!(receptions[4], Reception::Surprise, "{receptions:?}");
    let (_, error) = read(&mut gauge, Span::from_micros(40));
    assert!((39e-6..41e-6).contains(&error), "{error}");
}

#[test]
fn a_sample_that_is_not_newer_is_ignored() {
    let mut bench = Bench::new(8);
    let first = bench.read(1e-6);
    let mut gauge = Gauge::new(&first, prior());
    assert_eq!((gauge.hear(&first), gauge.steps().len(), gauge.samples()), (Reception::Suspect, 0, 1));
}

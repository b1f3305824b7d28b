//! A queue that stands on both ways.
//!
//! When a link is full in both directions for hours, both ways are late by much and by much the same. Each wall alone
//! then says nothing for hours; the middle between them, which is right when both are equally late, says something. This
//! is one more explanation of an exchange beside the two walls, a Gaussian one: with `s` the sum of both excesses,
//!
//! ```text
//!   (v - u)/2 = x - (b₁ - b₂)/2 + n,      Var n = ((κ s)² + spread)/4
//! ```
//!
//! and its probability the heavy-tailed one of `s` times the normal one of the difference. Like congestion, it lasts.

use super::delay::heavy_tail;
use super::sites::Projection;

/// The two excesses differ by this part of their sum, as a standard deviation.
const UNEVEN: f64 = 0.2;

/// Below this many of the usual waits on both ways there is no queue to speak of.
const QUEUE_MIN: f64 = 2.0;

/// It goes on, or begins, with these probabilities from one exchange to the next.
const GOES_ON: f64 = 0.98;
const BEGINS: f64 = 0.01;

/// What is believed of a standing queue before an exchange.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// How likely there is one.
    pub likely: f64,
    /// The usual wait of either way, in seconds.
    pub wait: f64,
    /// What the quiet waits add to the variance of the difference, in s²: twice that of the quieter way, so that the wait of
    /// the other is not taken for a queue on both.
    pub spread: f64,
}

/// What an exchange tells of the middle, if a queue stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Middle {
    /// The logarithm of the probability density with which the exchange was predicted so.
    pub log_evidence: f64,
    /// By how much the middle is not where `(z₁ - z₂)/2` says, in seconds.
    pub surprise: f64,
    /// The inverse variance of that surprise.
    pub precision: f64,
}

impl Standing {
    /// What an exchange tells; `None` if no queue is in sight.
    pub fn middle(&self, projection: &Projection, stamps: [f64; 2]) -> Option<Middle> {
        let [there, back] = [0, 1].map(|way| projection.mean[way] + stamps[way]);
        let sum = there + back;
        if sum <= QUEUE_MIN * self.wait {
            return None;
        }
        let uneven = UNEVEN * sum;
        let [one, other] = projection.variance;
        let known = (one + other - 2.0 * projection.covariance).max(0.0);
        let variance = 0.25 * (known + uneven * uneven + self.spread);
        let surprise = 0.5 * (back - there);
        let scale = 2.0 * self.wait;
        let density = heavy_tail(sum, scale) * 2.0 / libm::sqrt(8.0 * core::f64::consts::PI * variance);
        let log_evidence = libm::log(density) - 0.5 * surprise * surprise / variance;
        Some(Middle { log_evidence, surprise, precision: 1.0 / variance })
    }

    /// How likely it will stand at the next exchange, if it did with this probability at the last.
    pub(super) fn next(stood: f64) -> f64 {
        stood * GOES_ON + (1.0 - stood) * BEGINS
    }

    /// How likely before anything is known.
    pub(super) const fn first() -> f64 {
        BEGINS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Standing = Standing { likely: 0.01, wait: 1e-4, spread: 2e-8 };
    const BELIEF: Projection = Projection { mean: [-0.01; 2], variance: [1e-9; 2], covariance: 0.0 };

    #[test]
    fn usual_waits_are_no_queue() {
        assert_eq!(QUIET.middle(&BELIEF, [0.0101, 0.01005]), None);
    }

    #[test]
    fn two_long_waits_alike_are_likelier_than_one_that_is_long() {
        let log_evidence = |stamps| QUIET.middle(&BELIEF, stamps).expect("a queue").log_evidence;
        assert!(log_evidence([0.0130, 0.0131]) > log_evidence([0.0160, 0.0101]) + 10.0);
    }

    #[test]
    fn the_surprise_is_half_of_what_the_ways_differ_by() {
        let middle = QUIET.middle(&BELIEF, [0.012, 0.014]).expect("a queue");
        assert!((middle.surprise - 1e-3).abs() < 1e-12, "{middle:?}");
        assert!((libm::sqrt(1.0 / middle.precision) / 0.6e-3 - 1.0).abs() < 0.02, "{middle:?}");
    }
}

//! Whoever follows the time of one source: by the walls of exchanges over a network, or by the readings of a reference clock.

use truechimer_time::{Raw, Span, Time};

use super::estimator::delay::DelayDensity;
use super::estimator::{Estimate, Estimator, Prior, Reception, Step, WANDERS};
use super::gauge::Gauge;
use crate::measure::sample::Sample;

/// The estimate of one source.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // There are few sources, and most of them are servers.
pub enum Follower {
    /// Of a server.
    Server(Estimator),
    /// Of a reference clock of this machine.
    Reference(Gauge),
}

/// What a sample of a source tells of the time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Telling {
    /// Two walls, with what is believed of the waits there and back.
    Walls([DelayDensity; 2]),
    /// The middle, give or take noise of this variance, in s².
    Middle(f64),
}

impl Follower {
    /// Begins with a first sample.
    pub fn new(is_reference: bool, first: &Sample, prior: impl Into<Prior>) -> Self {
        match is_reference {
            true => Self::Reference(Gauge::new(first, prior)),
            false => Self::Server(Estimator::new(first, prior)),
        }
    }

    /// Takes a sample in.
    pub fn hear(&mut self, sample: &Sample) -> Reception {
        match self {
            Self::Server(estimator) => estimator.hear(sample),
            Self::Reference(gauge) => gauge.hear(sample),
        }
    }

    /// The estimate at a reading of the counter.
    pub fn estimate(&self, at: Time<Raw>) -> Estimate {
        match self {
            Self::Server(estimator) => estimator.estimate(at),
            Self::Reference(gauge) => gauge.estimate(at),
        }
    }

    /// How likely each intensity of wander is by this source alone.
    pub fn wander_posterior(&self) -> [f64; WANDERS] {
        match self {
            Self::Server(estimator) => estimator.wander_posterior(),
            Self::Reference(gauge) => gauge.wander_posterior(),
        }
    }

    /// What its next sample will tell.
    pub fn telling(&self) -> Telling {
        match self {
            Self::Server(estimator) => Telling::Walls(estimator.densities()),
            Self::Reference(gauge) => Telling::Middle(gauge.noise()),
        }
    }

    /// The part of the variance of its time, in s², that more samples can lessen.
    pub fn lessenable(&self) -> f64 {
        match self {
            Self::Server(estimator) => estimator.bases().difference.variance / 4.0,
            Self::Reference(gauge) => gauge.variance(),
        }
    }

    /// What the last sample led to, in order.
    pub fn steps(&self) -> &[Step] {
        match self {
            Self::Server(estimator) => estimator.steps(),
            Self::Reference(gauge) => gauge.steps(),
        }
    }

    /// How many samples have been taken in.
    pub fn samples(&self) -> u32 {
        match self {
            Self::Server(estimator) => estimator.samples(),
            Self::Reference(gauge) => gauge.samples(),
        }
    }

    /// The shortest delay of late.
    pub fn delay_min(&self) -> Span {
        match self {
            Self::Server(estimator) => estimator.delay_min(),
            Self::Reference(gauge) => gauge.delay_min(),
        }
    }
}

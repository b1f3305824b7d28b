//! A simulated reference clock: a device of the machine itself, honest or not.

use truechimer_core::measure::reference::{Misreading, Reading};
use truechimer_core::policy::{ReferencePolicy, Scale};
use truechimer_time::{Raw, Span, Tai, Time};

use crate::chance::Stream;

/// So often a pulse goes astray, if any do.
pub const STRAYS_ONE_IN: i128 = 41;

/// What a reference clock is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReferenceSpec {
    /// What the operator of the simulated machine vouches for.
    pub vouched: ReferencePolicy,
    /// One standard deviation of what it says, normal and without memory..
    pub noise: Span,
    /// ..but never more than this.
    pub noise_max: Span,
    /// How long it takes to read it.
    pub window: Span,
    /// A pulse is stamped late by this on average, exponentially, within `noise_max` as well.
    pub lateness: Span,
    /// One pulse in [`STRAYS_ONE_IN`] is stamped so much later still, whatever `noise_max` is.
    pub stray: Span,
    /// The shortest and the longest interval of its readings.
    pub intervals: (Span, Span),
}

impl ReferenceSpec {
    /// A PTP hardware clock that shows TAI to 1 µs and takes 3 µs to read.
    pub fn clock() -> Self {
        Self {
            vouched: ReferencePolicy {
                is_pulse: false,
                scale: Scale::Tai,
                error: Span::from_micros(4),
                offset: Span::ZERO,
                refine: false,
                id: *b"PHC\0",
            },
            noise: Span::from_micros(1),
            noise_max: Span::from_micros(4),
            window: Span::from_micros(3),
            lateness: Span::ZERO,
            stray: Span::ZERO,
            intervals: (Span::from_secs(1), Span::from_secs(4)),
        }
    }

    /// Pulses that are right to 1 µs.
    pub fn pulse() -> Self {
        let clock = Self::clock();
        let vouched = ReferencePolicy { is_pulse: true, refine: true, id: *b"PPS\0", ..clock.vouched };
        Self { vouched, ..clock }
    }
}

/// The machine's counter at this moment.
#[derive(Clone, Copy, Debug)]
pub struct Counter {
    /// What it shows.
    pub raw: Time<Raw>,
    /// How fast it gains on true time.
    pub rate: f64,
}

/// A reference clock.
#[derive(Clone, Debug)]
pub struct Reference {
    spec: ReferenceSpec,
    chance: Stream,
    second: Option<i128>,
}

impl Reference {
    /// One that has not been read yet.
    pub fn new(spec: ReferenceSpec, chance: Stream) -> Self {
        Self { spec, chance, second: None }
    }

    /// What it says when it is read at `truth`, while its own clock shows `shown`.
    pub fn read(
        &mut self,
        truth: Time<Tai>,
        shown: Time<Tai>,
        counter: Counter,
    ) -> Result<Reading, Misreading> {
        match self.spec.vouched.is_pulse {
            true => self.pulse(truth, shown, counter),
            false => Ok(self.clock(shown, counter)),
        }
    }

    fn pulse(&mut self, truth: Time<Tai>, shown: Time<Tai>, counter: Counter) -> Result<Reading, Misreading> {
        let (second, _) = shown.since_epoch().split();
        if self.second.replace(second) == Some(second) {
            return Err(Misreading::Nothing);
        }
        let began = Span::from_secs(second as i64) - shown.since_epoch();
        let late = Span::from_seconds(self.spec.lateness.as_seconds() * self.chance.exponential());
        let late = late.min(self.spec.noise_max) + self.stray(second);
        let stamped = (truth + began + self.noise() + late).min(truth) - truth;
        let at = counter.raw + stamped + Span::from_seconds(stamped.as_seconds() * counter.rate);
        Ok(Reading::Pulse { at, phase: Span::ZERO, blur: Span::ZERO })
    }

    fn stray(&self, second: i128) -> Span {
        if second % STRAYS_ONE_IN == 0 { self.spec.stray } else { Span::ZERO }
    }

    fn clock(&mut self, shown: Time<Tai>, counter: Counter) -> Reading {
        let before = Span::from_seconds(self.spec.window.as_seconds() * self.chance.uniform());
        let after = counter.raw;
        let shown = shown - (self.spec.window - before) + self.noise();
        Reading::Clock {
            before: after - self.spec.window,
            shown: shown.since_epoch(),
            after,
            blur: Span::ZERO,
        }
    }

    fn noise(&mut self) -> Span {
        let most = self.spec.noise_max;
        Span::from_seconds(self.spec.noise.as_seconds() * self.chance.normal()).min(most).max(-most)
    }
}

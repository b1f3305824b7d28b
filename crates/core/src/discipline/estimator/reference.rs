//! The line against which everything is measured: true time as a linear function of the raw counter.
//!
//! Instants are exact, floats are not. So the filters see only what the stamps differ from a line that follows the
//! estimate, in seconds; where the counter and the calendar stand, and how many years the machine has been up, makes
//! no difference to the last bit.

use truechimer_time::{Rate, Raw, Span, Tai, Time};

use super::shape::Stamps;
use crate::measure::sample::Sample;

/// A straight line from the raw counter to TAI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The reading of the counter at which it is anchored.
    pub at: Time<Raw>,
    /// Its time there.
    pub tai: Time<Tai>,
    /// How much faster than the counter it runs.
    pub rate: Rate,
}

impl Reference {
    /// Its time at a reading of the counter.
    pub fn time(&self, at: Time<Raw>) -> Time<Tai> {
        let passed = at - self.at;
        self.tai + passed + self.rate.over(passed)
    }

    /// What the stamps of an exchange say against it: `t2 - L(t1)` and `L(t4) - t3`, in seconds. The one is the delay
    /// there less the line's lead over true time, the other the delay back plus that lead.
    pub fn stamps(&self, sample: &Sample) -> Stamps {
        let there = sample.received - self.time(sample.sent);
        let back = self.time(sample.at) - sample.transmitted;
        [there.as_seconds(), back.as_seconds()]
    }

    /// The same line, anchored elsewhere.
    pub fn anchored(&self, at: Time<Raw>) -> Self {
        Self { at, tai: self.time(at), rate: self.rate }
    }

    /// Turns it: its time at the anchor becomes `error` seconds less, its rate `drift` less. Returns by how much exactly,
    /// since it keeps whole attoseconds.
    pub fn turn(&mut self, error: f64, drift: f64) -> (f64, f64) {
        let (error, rate) = (Span::from_seconds(error), self.rate - Rate::from_ratio(drift));
        let turned = (self.rate - rate).as_ratio();
        self.tai -= error;
        self.rate = rate;
        (error.as_seconds(), turned)
    }
}

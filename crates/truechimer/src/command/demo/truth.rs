//! The truth of the demonstration.

use truechimer_sys::clock;
use truechimer_time::{LeapTable, Rate, Raw, Span, Tai, Time};

/// The machine's raw counter runs so much faster than the truth.
pub const COUNTER_FAST: Rate = Rate::from_ppb(60_000);

/// True time, made of the raw counter: it begins as the machine's clock has it, and then the counter gains on it.
#[derive(Clone, Copy, Debug)]
pub struct Truth {
    raw: Time<Raw>,
    tai: Time<Tai>,
}

impl Truth {
    /// A truth that begins now.
    pub fn begin() -> Self {
        let now = clock::readings();
        let utc = Time::from_epoch(now.realtime.since_epoch());
        Self { raw: now.raw, tai: LeapTable::COMPILED.tai_of_utc(utc) }
    }

    /// True time when the counter shows `raw`.
    pub fn at(&self, raw: Time<Raw>) -> Time<Tai> {
        let passed = raw - self.raw;
        self.tai + passed - COUNTER_FAST.over(passed)
    }

    /// How long the demonstration has run.
    pub fn since_begin(&self, raw: Time<Raw>) -> Span {
        raw - self.raw
    }
}

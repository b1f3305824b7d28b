//! The original's way: the line through the first and the latest measurement.
//!
//! The rate is what the first and the latest measurement make it: nothing is averaged, nothing forgotten. So the
//! longer it runs, the less one bad measurement does to the rate, and the more it believes that the oscillator has not
//! changed since the start. The clock is slewed to the line, which passes through the latest measurement, error and
//! all. Rate in hand, it does not ask for much: the point of it was a measurement a month.

use crate::lab::{Exchange, Guess, Method};
use crate::yardstick::Reading;

/// The kernel's `adjtime` slews by 500 ppm.
const SLEW_RATE: f64 = 5e-4;

/// The original's client refuses what it cannot tell within ±2 seconds, ..
const UNCERTAINTY_MAX: f64 = 2.0;

/// .. and what is further off than two days.
const OFFSET_MAX: f64 = 172_800.0;

/// The line of clockspeed 0.62.
///
/// Its clock is set by the first measurement, as `clockadd` does before the daemon is started, and slewed from the
/// second on.
#[derive(Clone, Debug, Default)]
pub struct Clockspeed {
    first: Option<Reading>,
    latest: Option<Reading>,
    clock: Option<Clock>,
}

/// Truth minus counter, as the slewed clock has it.
#[derive(Clone, Copy, Debug)]
struct Clock {
    at: f64,
    offset: f64,
}

impl Clockspeed {
    /// One that has measured nothing and has no rate kept from before.
    pub fn new() -> Self {
        Self::default()
    }

    /// Truth minus counter on the line.
    fn line(&self, at: f64) -> Option<f64> {
        let (first, latest) = (self.first?, self.latest?);
        let span = latest.at - first.at;
        (span > 0.0).then(|| first.offset + (latest.offset - first.offset) / span * (at - first.at))
    }

    /// Lets the clock run, and slew towards the line.
    fn run(&mut self, until: f64) {
        let line = self.line(until);
        let Some(clock) = &mut self.clock else { return };
        if let Some(line) = line {
            let reach = SLEW_RATE * (until - clock.at).max(0.0);
            clock.offset += (line - clock.offset).clamp(-reach, reach);
        }
        clock.at = until;
    }
}

impl Method for Clockspeed {
    fn hear(&mut self, exchange: &Exchange) {
        let reading = Reading::of(exchange);
        if reading.delay / 2.0 > UNCERTAINTY_MAX || reading.offset.abs() > OFFSET_MAX {
            return;
        }
        self.run(exchange.at);
        self.first.get_or_insert(reading);
        self.clock.get_or_insert(Clock { at: exchange.at, offset: reading.offset });
        self.latest = Some(reading);
    }

    /// It claims no error of its own: what is told is the width of the box of the latest measurement, as if every place
    /// in it were as good as any.
    fn guess(&mut self, at: f64) -> Option<Guess> {
        self.run(at);
        let sigma = self.latest?.delay / libm::sqrt(12.0);
        Some(Guess { offset: self.clock?.offset, sigma })
    }
}

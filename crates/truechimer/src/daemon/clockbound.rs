//! The time for programs that read it as ClockBound publishes it (shared memory, version 2; `docs/formats/clockbound.md`).
//!
//! Such a program reads the kernel's clock and widens what it shows on both sides:
//!
//! ```text
//!   CLOCK_REALTIME ± (bound + max_drift × (CLOCK_MONOTONIC_COARSE - as_of))
//! ```
//!
//! **What is promised:** that interval contains the one that our own page gives at the same moment, whatever the daemon has done
//! to the clock since these numbers were written. The clock is only ever moved towards the likeliest time, which is within the
//! bracket, so it stays within what the bracket and the clock's own free run span together: if `bound` is no less than the whole bracket is
//! wide, and no less than from the clock to its far end, then no slew and no step of ours makes the interval false.
//! `max_drift` is how fast the bracket widens, or the clock runs away if it is left alone, whichever is more.

use std::path::Path;

use truechimer_model::page::Page;
use truechimer_model::{Model, Status};
use truechimer_sys::clock::Readings;
use truechimer_sys::shm::PageError;
use truechimer_sys::shm::short::{SHORT_WORDS, ShortPageWriter};
use truechimer_time::{Mono, Rate, Span, Tai, Time};

/// "AMZN", "CB", 2, 0.
const MAGIC: u64 = 0x414d_5a4e_4342_0200;
const VERSION: u16 = 2;

/// It is written anew after this at the latest: a client calls a clock synchronised for 5 s from `as_of` on.
const RENEWAL: Span = Span::from_secs(2);

/// The coarse clock lags behind by a tick, and by more where the hypervisor lets the processor wait that counts it. `as_of` is
/// put back by as much, so that no client sees less time pass than has, nor a time before `as_of`.
const LAG_MAX: Span = Span::from_secs(1);

/// Without a daemon the clock is called free running for so long, then nothing is promised.
const VOID: Span = Span::from_secs(1000);

/// So near to a leap second nothing is promised: the kernel leaps by its own count, and who copied numbers before that may use them after it.
const LEAP_DOUBT: Span = Span::from_secs(10);

/// Clocks are read to the nanosecond, and numbers are cut to it, here and by clients.
const GRAIN: Span = Span::from_nanos(4);

/// Clients refuse a drift from this on, in parts per billion.
const DRIFT_LIMIT: i64 = 1_000_000_000;

/// The file that clients read.
#[derive(Debug)]
pub struct ClockBound {
    file: ShortPageWriter,
    due: Time<Mono>,
    /// The last leap second that was seen ahead. It may have passed.
    leap: Option<Time<Tai>>,
}

impl ClockBound {
    /// Publishes it at `path`.
    ///
    /// # Errors
    /// [`PageError::File`] where it cannot be made.
    pub fn publish(path: &Path) -> Result<Self, PageError> {
        let file = ShortPageWriter::publish::<MAGIC, VERSION>(path)?;
        Ok(Self { file, due: Time::EPOCH, leap: None })
    }

    /// When it wants to be written anew.
    pub fn due(&self) -> Time<Mono> {
        self.due
    }

    /// Writes what holds at this moment. `rate` is that of the kernel's clock against the raw counter, if it is known.
    pub fn renew(&mut self, page: Option<&Page>, now: &Readings, rate: Option<Rate>) {
        let ahead = page.and_then(|page| page.course).map(|course| course.leaps);
        self.leap = ahead.filter(|leaps| *leaps != Time::EPOCH).or(self.leap);
        let said = match (page, rate) {
            (Some(page), Some(rate)) => Said::of(page, now, rate, self.leap),
            (Some(_) | None, Some(_) | None) => Said::nothing(Certainty::Unknown),
        };
        self.file.write(&said.to_words());
        self.due = now.mono + RENEWAL;
    }
}

/// What clients make of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Certainty {
    Unknown,
    Synchronised,
    FreeRunning,
    Disrupted,
}

impl Certainty {
    fn of(status: Status) -> Self {
        match status {
            Status::Unknown => Self::Unknown,
            Status::Synchronised | Status::Degraded => Self::Synchronised,
            Status::Holdover => Self::FreeRunning,
            Status::Disrupted => Self::Disrupted,
        }
    }

    fn code(self) -> i32 {
        match self {
            Self::Unknown => 0,
            Self::Synchronised => 1,
            Self::FreeRunning => 2,
            Self::Disrupted => 3,
        }
    }
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Said {
    as_of: Span,
    void_after: Span,
    /// In nanoseconds.
    bound: i64,
    /// In parts per billion.
    max_drift: u32,
    certainty: Certainty,
    /// VMClock's disruption marker, where there is one: clients look at the device themselves then.
    marker: Option<u64>,
}

impl Said {
    fn nothing(certainty: Certainty) -> Self {
        Self { as_of: Span::ZERO, void_after: Span::ZERO, bound: 0, max_drift: 0, certainty, marker: None }
    }

    fn of(page: &Page, now: &Readings, rate: Rate, leap: Option<Time<Tai>>) -> Self {
        let certainty = Certainty::of(page.status);
        let said = Self::known(page, now, rate, leap).map_or_else(
            || {
                let is_void = certainty == Certainty::Disrupted;
                Self::nothing(if is_void { certainty } else { Certainty::Unknown })
            },
            |said| Self { certainty, ..said },
        );
        Self { marker: page.marker, ..said }
    }

    /// `None` where nothing can be promised.
    fn known(page: &Page, now: &Readings, rate: Rate, leap: Option<Time<Tai>>) -> Option<Self> {
        let (model, reading, course) = (page.model?, page.read(now.raw, now.asleep)?, page.course?);
        let clock = now.realtime.since_epoch();
        let (earliest, latest) = course.between(reading.earliest, reading.latest);
        let (ahead, behind) = (clock - earliest.since_epoch(), latest.since_epoch() - clock);
        let reach = (latest - earliest).max(ahead).max(behind) + now.width + GRAIN;
        let since = now.mono.since_epoch();
        let as_of = (since - LAG_MAX).max(Span::ZERO);
        let mut lasts = VOID;
        if let Some(leap) = leap {
            if (leap - reading.best).abs() <= LEAP_DOUBT + reach {
                return None;
            }
            if leap > reading.best {
                lasts = lasts.min(leap - reading.latest - LEAP_DOUBT);
            }
        }
        let drift = drift(&model, reading.age, rate)?;
        let bound = reach.as_nanos();
        let is_sane = bound < i64::MAX / 4;
        let certainty = Certainty::Unknown;
        let void_after = since + lasts;
        is_sane.then_some(Self { as_of, void_after, bound, max_drift: drift, certainty, marker: None })
    }

    fn to_words(self) -> [u64; SHORT_WORDS] {
        let [as_of, void_after] = [self.as_of, self.void_after].map(|instant| {
            let nanos = instant.as_nanos();
            [nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000)].map(i64::cast_unsigned)
        });
        let drift_and_status = [self.max_drift.to_ne_bytes(), self.certainty.code().to_ne_bytes()].concat();
        let drift_and_status = drift_and_status.try_into().map_or(0, u64::from_ne_bytes);
        let (disruptions, support) = self.marker.map_or((0, 0), |marker| (marker, 1));
        let bound = self.bound.cast_unsigned();
        [as_of[0], as_of[1], void_after[0], void_after[1], bound, disruptions, drift_and_status, support]
    }
}

/// How fast the interval has to grow, in parts per billion of the monotonic clock; `None` if clients refuse so much.
fn drift(model: &Model, age: Span, rate: Rate) -> Option<u32> {
    let limits = model.limits.after(age.abs() + VOID);
    let growth = (limits.max - limits.min).max(rate - limits.min).max(limits.max - rate).max(Rate::ZERO);
    // The monotonic clock runs with the kernel's, which can be slower than the counter by a tenth (RATE_LIMIT).
    let growth = growth.as_attos_per_second().checked_add(growth.as_attos_per_second() / 8)?;
    let ppb = growth / 1_000_000_000 + 1;
    (ppb < DRIFT_LIMIT).then(|| u32::try_from(ppb).ok()).flatten()
}

#[cfg(test)]
mod tests;

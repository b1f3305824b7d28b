//! What our clockspeed makes of its records: the model of this suite, fed by a fifo.
//!
//! ```text
//!   records ──► History: which agree? ──► fit: time and rate ──► course ──► frequency word, slew, file, status
//!                                    └──► certain: the bound ─────┘
//! ```
//!
//! **Contract:** one [`Speed::turn`] per record and whenever [`TURN`] is over, with what all clocks show at that moment;
//! whoever owns the clock then does what the [`Turn`] asks for. The frequency word always holds the rate, and what is left
//! of an error is slewed away by the kernel on its own, so the clock goes on well if the daemon dies at any moment. The
//! clock is never stepped.
//!
//! *Right time* is what the local clock would show if it were right, be that a count of all seconds or of UTC; it stands
//! where the model has TAI.

use alloc::vec::Vec;
use core::fmt;

use truechimer_time::{Rate, Raw, Span, Tai, Time};

use super::atto::{self, ATTO_BYTES};
use crate::discipline::bracket::Bracket;
use crate::discipline::model::Model;
use crate::discipline::oscillator::RateLimits;
use crate::moment::Moment;

mod certain;
mod drift;
mod fit;
mod history;
mod known;

pub use history::{HISTORY_MAX, VOTERS};

use fit::Before;
use history::History;
use known::Known;

/// A turn lasts so long if no record comes.
pub const TURN: Span = Span::from_secs(16);

/// The longest slew that is asked for at once; adjtime(3) takes 2145 s at most.
pub const SLEW_MAX: Span = Span::from_secs(2000);

/// A clock that is nearer than this is right: it is not worth a slew.
const NEAR: Span = Span::from_micros(20);

/// A larger error is believed when a second record agrees.
const ALONE_MAX: Span = Span::from_secs(1);

/// A clock that moved by more against the monotonic one was stepped; readings are taken within `width` besides.
const STEP_MIN: Span = Span::from_micros(500);

/// A sleep shorter than this is the noise of reading two clocks.
const SLEEP_MIN: Span = Span::from_millis(10);

/// The counter and the monotonic clock stay together to within this, ..
const COUNTER_TOLERANCE: Span = Span::from_millis(20);

/// .. and what the monotonic clock is steered by: its rate, a slew of 500 ppm, and as much again.
const COUNTER_SKEW: Rate = Rate::from_ppb(1_000_000);

/// A rate from a file is off by about so much: it may be years old.
const FILE_SIGMA: Rate = Rate::from_ppb(5_000);

/// A file is not replaced before the rate is known to within this: what a day of good records gives.
const FILE_WORTH: Rate = Rate::from_ppb(1_000);

/// A rate that was known before an interruption is off by no less.
const INTERRUPTED_SIGMA: Rate = Rate::from_ppb(1_000);

/// What is taken for granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assumed {
    /// A record is right to within this, unless it is bad.
    pub error: Span,
    /// The counter is never further from one second per second.
    pub max_rate: Rate,
    /// The rate is at any time within this of its average over any stretch, or within less once the records of some
    /// days have shown how far it goes.
    pub max_drift: Rate,
    /// It goes suddenly no further than this beyond three times what the records have shown. As much as `max_drift`:
    /// nothing is learned from them.
    pub sudden: Rate,
}

impl Default for Assumed {
    /// 100 ms, which is the most that s6's programs let pass; 500, 15 and 3 ppm, as for all of this suite.
    fn default() -> Self {
        Self {
            error: Span::from_millis(100),
            max_rate: Rate::from_ppb(500_000),
            max_drift: Rate::from_ppb(15_000),
            sudden: Rate::from_ppb(3_000),
        }
    }
}

impl Assumed {
    /// The limits of the rate before anything is known.
    fn anything(&self) -> RateLimits {
        RateLimits::around(Rate::ZERO, self.max_rate)
    }
}

/// What a turn asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// The frequency word is to say this.
    pub rate: Option<Rate>,
    /// The clock is to be moved gradually by this, instead of what is left of the turn before.
    pub slew: Option<Span>,
    /// The file with the rate is to say this.
    pub keep: Option<[u8; ATTO_BYTES]>,
    /// How right the clock is, as soon as two records agree, and as long as a majority does.
    pub trust: Option<Trust>,
    /// What was noteworthy.
    pub noticed: Vec<Noticed>,
}

/// How right the clock is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trust {
    /// The clock is no further off, if the believed records are right to within their error.
    pub bound: Span,
    /// It is likely off by about this.
    pub sigma: Span,
}

/// What is worth a word to those who want words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noticed {
    /// A record agrees with those that are believed.
    Believed {
        /// What it said.
        adjustment: Span,
        /// How many agree now.
        agreeing: u32,
    },
    /// A record does not agree with those that are believed.
    Outvoted {
        /// What it said.
        adjustment: Span,
    },
    /// Somebody else stepped the clock. It is not undone unless a record says so.
    Stepped {
        /// Forward, if positive.
        by: Span,
    },
    /// A record agrees with who stepped the clock.
    StepConfirmed {
        /// Forward, if positive.
        by: Span,
    },
    /// The machine slept, and the counter stood still: the rate is still known, the time is not.
    Suspended {
        /// For so long.
        slept: Span,
    },
    /// It is not the counter that it was: nothing is known.
    CounterChanged,
    /// The rate is known better than before, and kept.
    Kept {
        /// What right time gains on the counter.
        rate: Rate,
    },
}

impl fmt::Display for Noticed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Believed { adjustment, agreeing } => {
                write!(f, "adjustment of {adjustment} s; {agreeing} in agreement")
            }
            Self::Outvoted { adjustment } => write!(f, "adjustment of {adjustment} s is outvoted"),
            Self::Stepped { by } => write!(f, "somebody stepped the clock by {by} s"),
            Self::StepConfirmed { by } => write!(f, "the step by {by} s is confirmed"),
            Self::Suspended { slept } => write!(f, "slept for {slept} s"),
            Self::CounterChanged => f.write_str("the counter has changed"),
            Self::Kept { rate } => write!(f, "rate of {:.3} ppm kept", rate.as_ppm()),
        }
    }
}

/// The daemon's mind.
#[derive(Clone, Debug)]
pub struct Speed {
    assumed: Assumed,
    history: History,
    known: Option<Known>,
    /// The rate that the clock had before anything was known.
    running: Rate,
    earlier: Option<Earlier>,
    file: File,
    last: Moment,
    /// The rate that the clock was last told.
    told: Rate,
    /// By so much the clock was stepped since a record was believed.
    stepped: Option<Span>,
}

/// A rate from before the history: from the file, or from before an interruption.
#[derive(Clone, Copy, Debug)]
struct Earlier {
    rate: Rate,
    sigma: Rate,
}

/// What the file is worth.
#[derive(Clone, Copy, Debug)]
enum File {
    /// There is none.
    Missing,
    /// It is of another counter.
    Foreign,
    /// Its rate was known to within `sigma` at a reading, and goes stale.
    Worth { sigma: f64, wander: f64, at: Time<Raw> },
}

impl Speed {
    /// A daemon that starts at this moment, with the tick of the counter that its file says, and a clock that runs at
    /// this rate. A tick that no counter of nanoseconds can have is that of another counter, and not believed.
    pub fn new(assumed: Assumed, tick: Option<Span>, now: &Moment, running: Rate) -> Self {
        let kept = tick.map(rate_of_tick);
        let earlier = kept.filter(|rate| rate.abs() <= assumed.max_rate);
        let file = match (kept, earlier) {
            (None, _) => File::Missing,
            (Some(_), None) => File::Foreign,
            (Some(_), Some(_)) => File::Worth { sigma: FILE_WORTH.as_ratio(), wander: 1e-9, at: now.raw },
        };
        Self {
            assumed,
            history: History::new(assumed),
            known: None,
            running: running.clamp(-assumed.max_rate, assumed.max_rate),
            earlier: earlier.map(|rate| Earlier { rate, sigma: FILE_SIGMA }),
            file,
            last: *now,
            told: running,
            stepped: None,
        }
    }

    /// A record came (right time minus local clock), or the time of a turn is over.
    pub fn turn(&mut self, now: &Moment, record: Option<Span>) -> Turn {
        let mut turn = Turn::default();
        self.look(now, &mut turn.noticed);
        if let Some(adjustment) = record {
            self.hear(now, adjustment, &mut turn.noticed);
            turn.keep = self.keep(now, &mut turn.noticed);
        }
        self.last = *now;
        self.steer(now, &mut turn);
        self.told = turn.rate.unwrap_or(self.told);
        turn
    }

    /// It is known from elsewhere that the counter is another one.
    pub fn counter_changed(&mut self) {
        self.forget(None);
        self.file = File::Foreign;
    }

    /// The model, as soon as there is a record.
    pub fn model(&self) -> Option<Model> {
        self.known.map(|known| known.model())
    }

    /// Has the world changed behind our back?
    fn look(&mut self, now: &Moment, noticed: &mut Vec<Noticed>) {
        let (raw, mono) = (now.raw - self.last.raw, now.mono - self.last.mono);
        let slept = (now.asleep - self.last.asleep).abs();
        let jump = (now.local - self.last.local) - mono;
        let width = now.width + self.last.width;
        let skew = COUNTER_SKEW + self.told.abs();
        if slept > SLEEP_MIN {
            self.forget(self.model().map(Earlier::of));
            noticed.push(Noticed::Suspended { slept });
        } else if (raw - mono).abs() > COUNTER_TOLERANCE + width + skew.over(mono.abs()) {
            self.counter_changed();
            noticed.push(Noticed::CounterChanged);
        } else if jump.abs() > STEP_MIN + width {
            self.stepped = Some(self.stepped.unwrap_or(Span::ZERO) + jump);
            noticed.push(Noticed::Stepped { by: jump });
        }
    }

    /// Begins anew, but for a rate that may still be right.
    fn forget(&mut self, rate: Option<Earlier>) {
        self.earlier = rate.or(self.earlier.filter(|_| self.known.is_none()));
        self.history = History::new(self.assumed);
        self.known = None;
        self.stepped = None;
    }

    fn hear(&mut self, now: &Moment, adjustment: Span, noticed: &mut Vec<Noticed>) {
        if self.history.newest().is_some_and(|newest| now.raw <= newest) {
            return;
        }
        let record = history::bracket(now.raw, right(now) + adjustment, self.assumed.error + now.width);
        let fits = self.history.hear(record);
        let confirmed = self.stepped.filter(|by| !fits && self.history.jump(*by));
        if fits || confirmed.is_some() {
            self.stepped = None;
            noticed.push(Noticed::Believed { adjustment, agreeing: self.history.agreeing() });
        } else {
            noticed.push(Noticed::Outvoted { adjustment });
        }
        noticed.extend(confirmed.map(|by| Noticed::StepConfirmed { by }));
        self.known = self.fitted();
    }

    fn fitted(&self) -> Option<Known> {
        let believed: Vec<Bracket> = self.history.believed().collect();
        let fit = fit::fit(&believed, self.before(self.history.limits()), self.assumed.error)?;
        Some(Known::new(fit, believed.last()?.middle(), self.history.certain(fit.habits())?))
    }

    /// What is believed of the rate without the records. What they disprove is not.
    fn before(&self, limits: RateLimits) -> Before {
        let possible = |earlier: &Earlier| (limits.min..=limits.max).contains(&earlier.rate);
        match self.earlier.filter(possible) {
            Some(Earlier { rate, sigma }) => Before { rate: rate.as_ratio(), sigma: sigma.as_ratio() },
            None => Before { rate: self.running.as_ratio(), sigma: self.assumed.max_rate.as_ratio() / 3.0 },
        }
    }

    /// The file is written when the rate is known better than it says: from two records where there was none, from three
    /// that agree otherwise.
    fn keep(&mut self, now: &Moment, noticed: &mut Vec<Noticed>) -> Option<[u8; ATTO_BYTES]> {
        let model = self.model()?;
        let is_measured = self.history.is_majority() && model.limits.error() < self.assumed.max_rate;
        let (witnesses, worth) = match self.file {
            File::Missing => (2, f64::INFINITY),
            File::Foreign => (3, f64::INFINITY),
            File::Worth { sigma, wander, at } => {
                let age = (now.raw - at).as_seconds().max(0.0);
                (3, libm::hypot(sigma, wander * libm::sqrt(age)))
            }
        };
        let sigma = model.rate_sigma.as_ratio();
        if !is_measured || self.history.agreeing() < witnesses || sigma >= worth {
            return None;
        }
        self.file = File::Worth { sigma, wander: model.wander.as_ratio(), at: now.raw };
        noticed.push(Noticed::Kept { rate: model.rate });
        atto::write(tick_of_rate(model.rate))
    }

    fn steer(&self, now: &Moment, turn: &mut Turn) {
        let course = self.known.map(|known| known.course(now.raw));
        turn.rate = course.map(|course| course.rate).or(self.earlier.map(|earlier| earlier.rate));
        let Some(course) = course.filter(|_| self.stepped.is_none()) else { return };
        let (error, agreeing) = (course.best - right(now), self.history.agreeing());
        if !self.history.is_majority() {
            return;
        }
        if error.abs() > NEAR && (agreeing > 1 || error.abs() <= ALONE_MAX) {
            turn.slew = Some(error.clamp(-SLEW_MAX, SLEW_MAX));
        }
        if agreeing > 1 {
            let bound = (course.latest - right(now)).max(right(now) - course.earliest);
            turn.trust = Some(Trust { bound: bound + now.width, sigma: course.sigma + error.abs() });
        }
    }
}

impl Earlier {
    fn of(model: Model) -> Self {
        Self { rate: model.rate, sigma: model.rate_sigma.max(INTERRUPTED_SIGMA) }
    }
}

/// The local clock, as a count of right time that may be wrong.
fn right(now: &Moment) -> Time<Tai> {
    Time::from_epoch(now.local.since_epoch())
}

/// The raw counter counts nanoseconds: a tick that lasts longer is a gain.
fn rate_of_tick(tick: Span) -> Rate {
    Rate::from_ratio((tick - NOMINAL).as_attos() as f64 / NOMINAL.as_attos() as f64)
}

fn tick_of_rate(rate: Rate) -> Span {
    let gained = rate.as_attos_per_second() / 1_000_000_000;
    NOMINAL + Span::from_attos(i128::from(gained))
}

/// A tick of the raw counter.
const NOMINAL: Span = Span::from_nanos(1);

#[cfg(test)]
mod tests;

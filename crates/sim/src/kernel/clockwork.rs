//! How a Linux clock runs by itself: at its rate, and what is done to it at the turn of each of its seconds.
//!
//! A second's turn is when a slew by `adjtime` takes its next half millisecond, when the error that the kernel claims
//! grows, and when a leap happens. Between two turns the clock is a straight line over the raw counter. The kernel
//! looks at the turn in its next timer interrupt, up to 4 ms late at 250 a second; here it is on time.

use truechimer_time::{Local, Mono, Rate, Raw, Span, Tai, Time};

use super::rate::{self, TICK_NOMINAL};
use super::timex::{STA_DEL, STA_INS, STA_UNSYNC};

/// `NTP_PHASE_LIMIT`: no error is claimed to be longer, in microseconds.
pub(super) const ERROR_MAX: i64 = 16_000_000;

/// `MAXFREQ`: what the claimed error grows by in a second, in microseconds.
const ERROR_GROWTH: i64 = 500;

/// `MAX_TICKADJ`: what `adjtime` moves the clock by in a second, in microseconds.
const SLEW_MAX: i64 = 500;

/// One microsecond in a second.
const MICRO_PER_SECOND: Rate = Rate::from_ppb(1000);

const DAY: i64 = 86_400;

/// `TIME_SETTOD_SEC_MAX`: no clock is set to the last thirty years before 64 bits of nanoseconds end.
const SECONDS_MAX: Span = Span::from_secs(i64::MAX / 1_000_000_000 - 30 * 365 * 86_400);

/// A step that the kernel does not make.
#[derive(Debug)]
pub(super) struct Beyond;

/// Where the kernel stands with leap seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeapState {
    /// `TIME_OK`
    None,
    /// `TIME_INS`: the second that begins now is seen for a second time. `None` is never: a step has made the kernel
    /// forget when.
    Inserts(Option<i64>),
    /// `TIME_DEL`: the second that begins now is left out.
    Deletes(Option<i64>),
    /// `TIME_OOP`: 23:59:59 passes for the second time.
    Leaps,
    /// `TIME_WAIT`: until the bit that asked for the leap is cleared.
    Over,
}

/// A clock and what the kernel knows of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clockwork {
    anchor: Time<Raw>,
    local: Time<Local>,
    mono: Time<Mono>,
    /// Microseconds of a tick, and the frequency in units of 2⁻¹⁶ ppm: what it was told.
    tick: i64,
    freq: i64,
    /// What these make, against the raw counter. A kernel that is not Linux may have one between its units.
    rate: Rate,
    /// What is left of a slew by `adjtime`, in microseconds, without what this second takes.
    pub(super) slew_left: i64,
    slewing: Rate,
    pub(super) status: i32,
    pub(super) leap: LeapState,
    /// Microseconds, as are all errors here.
    pub(super) maxerror: i64,
    pub(super) esterror: i64,
    /// TAI less UTC, seconds.
    pub(super) tai: i32,
}

impl Clockwork {
    /// A clock that shows the second when the counter shows the first, as after boot.
    pub(super) fn new(anchor: Time<Raw>, local: Time<Local>) -> Self {
        Self {
            anchor,
            local,
            mono: Time::from_epoch(anchor.since_epoch()),
            tick: TICK_NOMINAL,
            freq: 0,
            rate: Rate::ZERO,
            slew_left: 0,
            slewing: Rate::ZERO,
            status: STA_UNSYNC,
            leap: LeapState::None,
            maxerror: ERROR_MAX,
            esterror: ERROR_MAX,
            tai: 0,
        }
    }

    /// What it shows when the counter shows `raw`.
    pub(super) fn shows(&self, raw: Time<Raw>) -> (Time<Local>, Time<Mono>) {
        let mut later = *self;
        later.live_through_turns(raw);
        let gained = later.gained(raw - later.anchor);
        (later.local + gained, later.mono + gained)
    }

    /// What `CLOCK_TAI` shows when the counter shows `raw`.
    pub(super) fn shows_tai(&self, raw: Time<Raw>) -> Time<Tai> {
        let mut later = *self;
        later.run(raw);
        Time::from_epoch(later.local.since_epoch() + Span::from_secs(i64::from(later.tai)))
    }

    /// Lets time pass until the counter shows `raw`.
    pub(super) fn run(&mut self, raw: Time<Raw>) {
        self.live_through_turns(raw);
        self.arrive(raw, self.local + self.gained(raw - self.anchor));
    }

    pub(super) fn rate(&self) -> Rate {
        self.rate
    }

    pub(super) fn tick_and_freq(&self) -> (i64, i64) {
        (self.tick, self.freq)
    }

    /// Takes effect at once: the kernel waits neither for a tick nor for the turn of a second.
    pub(super) fn set_rate(&mut self, rate: Rate) {
        (self.tick, self.freq) = rate::split(rate);
        self.rate = rate;
    }

    pub(super) fn set_tick_and_freq(&mut self, tick: i64, freq: i64) {
        (self.tick, self.freq) = (tick, freq);
        self.rate = rate::join(tick, freq);
    }

    /// Moves the clock, and nothing else: what sleep does.
    pub(super) fn shift(&mut self, by: Span) {
        self.local += by;
    }

    /// Moves the clock, and forgets what was known of it. It does not go to before 1970 nor beyond 2232, and not so far
    /// back that this machine would have been started before 1970.
    pub(super) fn step(&mut self, by: Span) -> Result<(), Beyond> {
        let then = (self.local + by).since_epoch();
        if then < self.mono.since_epoch() || then.is_negative() || then >= SECONDS_MAX {
            return Err(Beyond);
        }
        self.shift(by);
        self.forget();
        Ok(())
    }

    /// `ntp_clear`
    fn forget(&mut self) {
        self.slew_left = 0;
        self.slewing = Rate::ZERO;
        self.status |= STA_UNSYNC;
        (self.maxerror, self.esterror) = (ERROR_MAX, ERROR_MAX);
        self.leap = match self.leap {
            LeapState::Inserts(_) => LeapState::Inserts(None),
            LeapState::Deletes(_) => LeapState::Deletes(None),
            state @ (LeapState::None | LeapState::Leaps | LeapState::Over) => state,
        };
    }

    fn live_through_turns(&mut self, raw: Time<Raw>) {
        while let Some(turn) = self.next_turn() {
            let at = self.anchor + self.span_until(turn);
            if at > raw {
                break;
            }
            self.arrive(at, Time::from_epoch(Span::from_secs(turn)));
            self.turn(turn);
        }
    }

    /// The next second at whose turn there is more to do than to let the error grow.
    fn next_turn(&self) -> Option<i64> {
        let has_flag = |flag: i32| self.status & flag != 0;
        let is_slewing = self.slew_left != 0 || self.slewing != Rate::ZERO;
        if !is_slewing && self.leap == LeapState::None && !has_flag(STA_INS | STA_DEL) {
            return None;
        }
        let next = seconds(self.local) + 1;
        let leap = match self.leap {
            LeapState::None => has_flag(STA_INS | STA_DEL).then_some(next),
            LeapState::Inserts(_) if !has_flag(STA_INS) => Some(next),
            LeapState::Deletes(_) if !has_flag(STA_DEL) => Some(next),
            LeapState::Inserts(at) | LeapState::Deletes(at) => at.filter(|&at| at >= next),
            LeapState::Leaps => Some(next),
            LeapState::Over => (!has_flag(STA_INS | STA_DEL)).then_some(next),
        };
        if is_slewing { Some(next) } else { leap }
    }

    /// The counter's time until the clock shows the turn. The clock is about a tenth fast or slow at most, so that each round
    /// leaves about a tenth of the error.
    fn span_until(&self, turn: i64) -> Span {
        let wanted = Time::from_epoch(Span::from_secs(turn)) - self.local;
        let rate = self.rate + self.slewing;
        let mut span = wanted;
        for _ in 0..30 {
            span = wanted - rate.over(span);
        }
        span
    }

    fn gained(&self, passed: Span) -> Span {
        passed + (self.rate + self.slewing).over(passed)
    }

    fn arrive(&mut self, raw: Time<Raw>, local: Time<Local>) {
        let turns = seconds(local) - seconds(self.local);
        self.mono += local - self.local;
        (self.anchor, self.local) = (raw, local);
        self.doubt(turns);
    }

    /// The errors that the kernel claims grow by themselves, until it calls itself wrong.
    fn doubt(&mut self, turns: i64) {
        if turns <= 0 {
            return;
        }
        self.maxerror = self.maxerror.saturating_add(ERROR_GROWTH.saturating_mul(turns));
        if self.maxerror > ERROR_MAX {
            self.maxerror = ERROR_MAX;
            self.status |= STA_UNSYNC;
        }
    }

    /// What the kernel does when `second` begins.
    fn turn(&mut self, second: i64) {
        self.take_slew();
        let has_flag = |flag: i32| self.status & flag != 0;
        let (leap, by) = match self.leap {
            LeapState::None if has_flag(STA_INS) => (LeapState::Inserts(Some(day_after(second))), 0),
            LeapState::None if has_flag(STA_DEL) => (LeapState::Deletes(Some(day_after(second + 1) - 1)), 0),
            LeapState::Inserts(_) if !has_flag(STA_INS) => (LeapState::None, 0),
            LeapState::Deletes(_) if !has_flag(STA_DEL) => (LeapState::None, 0),
            LeapState::Inserts(Some(at)) if at == second => (LeapState::Leaps, -1),
            LeapState::Deletes(Some(at)) if at == second => (LeapState::Over, 1),
            LeapState::Leaps => (LeapState::Over, 0),
            LeapState::Over if !has_flag(STA_INS | STA_DEL) => (LeapState::None, 0),
            state @ (LeapState::None | LeapState::Inserts(_) | LeapState::Deletes(_) | LeapState::Over) => {
                (state, 0)
            }
        };
        self.leap = leap;
        self.local += Span::from_secs(by);
        self.tai -= by as i32;
    }

    fn take_slew(&mut self) {
        let taken = self.slew_left.clamp(-SLEW_MAX, SLEW_MAX);
        self.slew_left -= taken;
        self.slewing = Rate::from_attos_per_second(taken * MICRO_PER_SECOND.as_attos_per_second());
    }
}

fn seconds(local: Time<Local>) -> i64 {
    local.since_epoch().split().0 as i64
}

/// The first second of the next UTC day.
fn day_after(second: i64) -> i64 {
    second - second.rem_euclid(DAY) + DAY
}

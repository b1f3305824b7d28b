//! The hand on the clock: from an error to a verdict.
//!
//! The clock is one more follower of the model. Its frequency is set to the model's rate, so that it holds if we die;
//! what is left of the error is slewed away by a frequency that differs for a short while. A step is for the first
//! updates and by leave only: an operator's, given now, or beforehand for what is left after an interruption. An error too large to be believed is left alone, and that is said.
//!
//! Nothing here touches a clock: a [`Verdict`] is a value that somebody with the right to do so carries out.

use truechimer_time::{Mono, Rate, Span, Time};

use crate::policy::ClockPolicy;

/// A slew takes a quarter of the measuring interval, but no less than this, or than the interval where that is shorter..
pub const SLEW_MIN: Span = Span::from_secs(4);
/// ..and never less than this..
const SLEW_LEAST: Span = Span::from_secs(1);
/// ..and no more than this, unless the slew would be too fast.
pub const SLEW_MAX: Span = Span::from_secs(64);

/// A clock that did not take its rate is told again after this.
const RETRY: Span = Span::from_secs(16);

/// An error below this is noise of reading two clocks: not worth a slew.
const NOISE: Span = Span::from_nanos(50);

/// What shall be done to the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Run at the model's rate: there is no error worth correcting.
    Hold,
    /// Gain `by` during `over` (lose, if negative), then run at the model's rate.
    Slew {
        /// The error: right time minus local clock.
        by: Span,
        /// How long it takes.
        over: Span,
    },
    /// Jump.
    Step {
        /// The error: right time minus local clock.
        by: Span,
    },
    /// Jump, although the clock had settled: an interruption has left it behind.
    Mend {
        /// The error: right time minus local clock.
        by: Span,
    },
    /// The error is beyond the panic limit: leave the clock alone.
    Refuse {
        /// The error: right time minus local clock.
        error: Span,
    },
}

/// What the servo remembers from update to update.
#[derive(Clone, Debug)]
pub struct Servo {
    policy: ClockPolicy,
    updates: u32,
    leave: bool,
    was_interrupted: bool,
    base: Rate,
    slew: Option<Slew>,
    panicking: bool,
}

/// A slew under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slew {
    until: Time<Mono>,
    rate: Rate,
}

impl Servo {
    /// A servo for a clock that runs at `base` for the time being.
    pub fn new(policy: ClockPolicy, base: Rate) -> Self {
        Self { policy, updates: 0, leave: false, was_interrupted: false, base, slew: None, panicking: false }
    }

    /// What to do about `error` (right time minus local clock), measured every `interval`.
    pub fn judge(&mut self, error: Span, interval: Span) -> Verdict {
        let stepping = self.updates < self.policy.step_updates || self.leave;
        let mending = self.was_interrupted && self.may_mend(error);
        self.updates = self.updates.saturating_add(1);
        (self.leave, self.was_interrupted) = (false, false);
        self.panicking = !stepping && !mending && error.abs() > self.policy.panic;
        if self.panicking {
            return Verdict::Refuse { error };
        }
        if error.abs() > self.policy.step_threshold {
            match (stepping, mending) {
                (true, _) => return Verdict::Step { by: error },
                (false, true) => return Verdict::Mend { by: error },
                (false, false) => {}
            }
        }
        self.correct(error, interval)
    }

    fn may_mend(&self, error: Span) -> bool {
        self.policy.mending.is_some_and(|mending| error.abs() <= mending.longest)
    }

    /// What to do about what is left of an error when a slew has ended. Never a step.
    pub fn correct(&self, error: Span, interval: Span) -> Verdict {
        if error.abs() > self.policy.panic {
            return Verdict::Refuse { error };
        }
        if error.abs() <= NOISE {
            return Verdict::Hold;
        }
        let fastest = self.policy.max_slew.as_ratio().max(1e-9);
        let shortest = Span::from_seconds(error.abs().as_seconds() / fastest);
        let least = interval.max(SLEW_LEAST).min(SLEW_MIN);
        let over = (interval / 4).max(least).min(SLEW_MAX).max(shortest);
        Verdict::Slew { by: error, over }
    }

    /// A verdict is being carried out from `now` on, upon a model that runs at `base`. Returns the rate that the clock
    /// shall have.
    pub fn begin(&mut self, verdict: Verdict, base: Rate, now: Time<Mono>) -> Rate {
        match verdict {
            Verdict::Hold | Verdict::Step { .. } | Verdict::Mend { .. } => {
                self.base = base;
                self.slew = None;
            }
            Verdict::Slew { by, over } => {
                self.base = base;
                let rate = Rate::from_ratio(by.as_seconds() / over.as_seconds().max(1e-9));
                self.slew = Some(Slew { until: now + over, rate });
            }
            Verdict::Refuse { .. } => self.slew = None,
        }
        self.rate()
    }

    /// The rate that the clock shall have now: the model's, and the slew's on top.
    pub fn rate(&self) -> Rate {
        self.base + self.slew.map_or(Rate::ZERO, |slew| slew.rate)
    }

    /// The clock did not take its rate: whatever it does now, it is looked at again after a while.
    pub fn failed(&mut self, now: Time<Mono>) {
        self.slew = Some(Slew { until: now + RETRY, rate: Rate::ZERO });
    }

    /// The rate that the clock shall have apart from any slew.
    pub fn base(&self) -> Rate {
        self.base
    }

    /// When the slew under way has gained what it should.
    pub fn slew_ends(&self) -> Option<Time<Mono>> {
        self.slew.map(|slew| slew.until)
    }

    /// Steps are allowed for the next update, whatever their number: the operator said so.
    pub fn give_leave(&mut self) {
        self.leave = true;
    }

    /// The counter was interrupted: where the operator gave leave beforehand, the next error may be stepped.
    pub fn interrupted(&mut self) {
        self.was_interrupted = true;
    }

    /// Is the error too large to be acted on?
    pub fn is_panicking(&self) -> bool {
        self.panicking
    }

    /// How many errors have been judged.
    pub fn updates(&self) -> u32 {
        self.updates
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Mending;

    const INTERVAL: Span = Span::from_secs(64);

    fn servo() -> Servo {
        Servo::new(ClockPolicy::default(), Rate::ZERO)
    }

    fn settled() -> Servo {
        let mut servo = servo();
        for _ in 0..ClockPolicy::default().step_updates {
            servo.judge(Span::ZERO, INTERVAL);
        }
        servo
    }

    #[test]
    fn a_large_error_is_stepped_at_the_start_only() {
        let by = Span::from_secs(-7);
        assert_eq!(servo().judge(by, INTERVAL), Verdict::Step { by });
        let slewed = settled().judge(by, INTERVAL);
        assert_eq!(slewed, Verdict::Slew { by, over: Span::from_secs(14_000) }, "7 s at 500 ppm");
    }

    #[test]
    fn a_settled_clock_is_stepped_by_leave_once() {
        let by = Span::from_secs(5000);
        let mut servo = settled();
        servo.give_leave();
        assert_eq!(servo.judge(by, INTERVAL), Verdict::Step { by });
        assert_eq!(servo.judge(by, INTERVAL), Verdict::Refuse { error: by });
    }

    #[test]
    fn what_an_interruption_left_is_stepped_by_leave_given_before_it() {
        let mending = Some(Mending { longest: Span::from_secs(7200), per_day: 1 });
        let with_leave = || Servo { policy: ClockPolicy { mending, ..ClockPolicy::default() }, ..settled() };
        let by = Span::from_secs(5000);
        let mut servo = with_leave();
        assert_eq!(servo.judge(by, INTERVAL), Verdict::Refuse { error: by }, "nothing was interrupted");
        servo.interrupted();
        assert_eq!(servo.judge(by, INTERVAL), Verdict::Mend { by });
        assert_eq!(servo.judge(by, INTERVAL), Verdict::Refuse { error: by }, "once");
        let beyond = Span::from_secs(7201);
        servo.interrupted();
        assert_eq!(servo.judge(beyond, INTERVAL), Verdict::Refuse { error: beyond });
        let little = Span::from_millis(100);
        servo.interrupted();
        assert!(matches!(servo.judge(little, INTERVAL), Verdict::Slew { .. }));
        let mut without = settled();
        without.interrupted();
        assert_eq!(without.judge(by, INTERVAL), Verdict::Refuse { error: by });
    }

    #[test]
    fn panic_keeps_the_frequency_and_ends_when_the_error_does() {
        let mut servo = settled();
        let base = Rate::from_ppb(1234);
        servo.begin(Verdict::Hold, base, Time::EPOCH);
        let verdict = servo.judge(Span::from_secs(1001), INTERVAL);
        assert!(servo.is_panicking());
        assert_eq!(servo.begin(verdict, Rate::from_ppb(99), Time::EPOCH), base);
        servo.judge(Span::from_millis(1), INTERVAL);
        assert!(!servo.is_panicking());
    }

    #[test]
    fn a_slew_is_a_temporary_frequency() {
        let mut servo = settled();
        let base = Rate::from_ppb(50_000);
        let verdict = servo.judge(Span::from_millis(1), INTERVAL);
        assert_eq!(verdict, Verdict::Slew { by: Span::from_millis(1), over: Span::from_secs(16) });
        assert_eq!(servo.begin(verdict, base, Time::EPOCH), base + Rate::from_ppb(62_500));
        assert_eq!(servo.slew_ends(), Some(Time::EPOCH + Span::from_secs(16)));
        assert_eq!(servo.begin(Verdict::Hold, base, Time::EPOCH), base);
    }

    #[test]
    fn an_error_beyond_the_panic_limit_is_not_slewed_between_updates_either() {
        let error = Span::from_secs(1001);
        assert_eq!(settled().correct(error, INTERVAL), Verdict::Refuse { error });
    }

    #[test]
    fn a_clock_that_did_not_take_the_end_of_its_slew_is_told_again_soon() {
        let mut servo = settled();
        let verdict = servo.judge(Span::from_millis(1), INTERVAL);
        servo.begin(verdict, Rate::ZERO, Time::EPOCH);
        servo.begin(Verdict::Hold, Rate::ZERO, Time::EPOCH);
        servo.failed(Time::EPOCH);
        assert_eq!(servo.slew_ends(), Some(Time::EPOCH + RETRY));
        assert_eq!(servo.rate(), Rate::ZERO, "what it shall do has not changed");
    }

    #[test]
    fn noise_is_left_alone() {
        assert_eq!(settled().judge(Span::from_nanos(40), INTERVAL), Verdict::Hold);
    }

    #[test]
    fn what_is_measured_each_second_is_slewed_within_one() {
        let by = Span::from_micros(1);
        let verdict = settled().judge(by, Span::from_secs(1));
        assert_eq!(verdict, Verdict::Slew { by, over: Span::from_secs(1) });
        assert_eq!(settled().judge(by, Span::ZERO), verdict, "no busier than that");
    }
}

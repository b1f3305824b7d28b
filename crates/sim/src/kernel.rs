//! The kernel clock of a simulated machine, with the semantics of Linux's `clock_adjtime`.

use truechimer_core::event::SteeringFault;
use truechimer_core::moment::Moment;
use truechimer_core::node::Steering;
use truechimer_time::{Local, Mono, Rate, Raw, Span, Time};

/// One unit of the kernel's frequency: 2⁻¹⁶ ppm.
const FREQUENCY_UNIT: i64 = 1_000_000_000_000 / 65_536;

/// `ADJ_FREQUENCY` goes so far, `ADJ_TICK` takes the rest.
const FREQUENCY_MAX: Rate = Rate::from_ppb(500_000);

/// One unit of `ADJ_TICK` at USER_HZ = 100: 100 ppm.
const TICK_UNIT: Rate = Rate::from_ppb(100_000);

/// `ADJ_TICK` changes the length of a tick by a tenth at most.
const TICK_MAX: i64 = 1000;

/// A clock that can be steered.
#[derive(Clone, Debug)]
pub struct Kernel {
    anchor: Time<Raw>,
    local: Time<Local>,
    mono: Time<Mono>,
    rate: Rate,
    asleep: Span,
    refuses: Option<SteeringFault>,
}

impl Kernel {
    /// A clock that shows `local` when the counter shows `raw`, running at the counter's rate.
    pub fn new(raw: Time<Raw>, local: Time<Local>) -> Self {
        let mono = Time::from_epoch(raw.since_epoch());
        Self { anchor: raw, local, mono, rate: Rate::ZERO, asleep: Span::ZERO, refuses: None }
    }

    /// All that can be read when the counter shows `raw`.
    pub fn read(&self, raw: Time<Raw>) -> Moment {
        let passed = raw - self.anchor;
        let gained = passed + self.rate.over(passed);
        Moment {
            raw,
            mono: self.mono + gained,
            local: self.local + gained,
            asleep: self.asleep,
            width: Span::from_nanos(100),
        }
    }

    /// The rate against the raw counter.
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// Carries out a command, as far as the kernel can: rates are rounded to its units and limited. Returns the rate
    /// that the clock has then.
    pub fn steer(&mut self, raw: Time<Raw>, command: Steering) -> Result<Rate, SteeringFault> {
        if let Some(fault) = self.refuses {
            return Err(fault);
        }
        self.settle(raw);
        match command {
            Steering::Rate(rate) => self.rate = possible(rate),
            Steering::Step(by) => self.local += Span::from_nanos(by.as_nanos()),
        }
        Ok(self.rate)
    }

    /// Somebody else steps the clock.
    pub fn step_by_others(&mut self, raw: Time<Raw>, by: Span) {
        self.settle(raw);
        self.local += by;
    }

    /// Somebody else changes its rate.
    pub fn retune_by_others(&mut self, raw: Time<Raw>, by: Rate) {
        self.settle(raw);
        self.rate = self.rate + by;
    }

    /// The machine sleeps: the counter stands still, the clock goes on by way of the RTC, which is off by `error`.
    pub fn sleep(&mut self, raw: Time<Raw>, slept: Span, error: Span) {
        self.settle(raw);
        self.local += slept + error;
        self.asleep += slept + error;
    }

    /// Commands fail from now on, or succeed again.
    pub fn refuse(&mut self, fault: Option<SteeringFault>) {
        self.refuses = fault;
    }

    fn settle(&mut self, raw: Time<Raw>) {
        let now = self.read(raw);
        (self.anchor, self.local, self.mono) = (raw, now.local, now.mono);
    }
}

/// The nearest rate that `ADJ_TICK` and `ADJ_FREQUENCY` can make together.
fn possible(rate: Rate) -> Rate {
    let tick = match rate.abs() <= FREQUENCY_MAX {
        true => 0,
        false => (rate.as_attos_per_second() / TICK_UNIT.as_attos_per_second()).clamp(-TICK_MAX, TICK_MAX),
    };
    let coarse = tick * TICK_UNIT.as_attos_per_second();
    let rest = rate.as_attos_per_second() - coarse;
    let most = FREQUENCY_MAX.as_attos_per_second() / FREQUENCY_UNIT;
    let units = ((rest + FREQUENCY_UNIT / 2).div_euclid(FREQUENCY_UNIT)).clamp(-most, most);
    Rate::from_attos_per_second(coarse + units * FREQUENCY_UNIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time<Raw> {
        Time::EPOCH + Span::from_secs(seconds)
    }

    #[test]
    fn a_step_moves_local_time_but_not_the_monotonic_clock() {
        let mut kernel = Kernel::new(at(0), Time::EPOCH);
        kernel.steer(at(10), Steering::Step(Span::from_secs(5))).expect("steps");
        let now = kernel.read(at(20));
        assert_eq!(now.local, Time::EPOCH + Span::from_secs(25));
        assert_eq!(now.mono, Time::EPOCH + Span::from_secs(20));
    }

    #[test]
    fn rates_are_rounded_and_limited_as_the_kernel_does() {
        let mut kernel = Kernel::new(at(0), Time::EPOCH);
        let mut set = |ppm| kernel.steer(at(0), Steering::Rate(Rate::from_ppm(ppm))).expect("is set");
        assert!((set(12.345) - Rate::from_ppm(12.345)).abs() < Rate::from_attos_per_second(FREQUENCY_UNIT));
        assert!(
            (set(-80_000.25) - Rate::from_ppm(-80_000.25)).abs()
                < Rate::from_attos_per_second(FREQUENCY_UNIT)
        );
        assert!(set(1e6) < Rate::from_ppm(100_501.0), "a tenth and 500 ppm at most");
    }

    #[test]
    fn a_kernel_that_refuses_changes_nothing() {
        let mut kernel = Kernel::new(at(0), Time::EPOCH);
        kernel.refuse(Some(SteeringFault::NotPermitted));
        assert_eq!(kernel.steer(at(1), Steering::Step(Span::from_secs(1))), Err(SteeringFault::NotPermitted));
        assert_eq!(kernel.read(at(1)).local, Time::EPOCH + Span::from_secs(1));
    }
}

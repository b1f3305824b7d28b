//! The kernel clock of a simulated machine, with the semantics of Linux's `clock_adjtime`.

use truechimer_core::event::SteeringFault;
use truechimer_core::moment::Moment;
use truechimer_core::node::Steering;
use truechimer_time::{Local, Mono, Rate, Raw, Span, Time};

use crate::chance::Stream;

/// One unit of the kernel's frequency: 2⁻¹⁶ ppm.
const FREQUENCY_UNIT: i64 = 1_000_000_000_000 / 65_536;

/// `ADJ_FREQUENCY` goes so far, `ADJ_TICK` takes the rest.
const FREQUENCY_MAX: Rate = Rate::from_ppb(500_000);

/// One unit of `ADJ_TICK` at USER_HZ = 100: 100 ppm.
const TICK_UNIT: Rate = Rate::from_ppb(100_000);

/// `ADJ_TICK` changes the length of a tick by a tenth at most.
const TICK_MAX: i64 = 1000;

/// What a kernel is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KernelSpec {
    /// Rates are rounded to whole multiples of this, if it is coarser than Linux's own unit.
    pub unit: Rate,
    /// The share of commands that fail, with `EPERM` or another error.
    pub fails: f64,
    /// It says that it has changed its rate, and has not. (A container's idea of a kernel.)
    pub is_deaf: bool,
}

impl Default for KernelSpec {
    /// Linux, and in order.
    fn default() -> Self {
        Self { unit: Rate::ZERO, fails: 0.0, is_deaf: false }
    }
}

/// A clock that can be steered.
#[derive(Clone, Debug)]
pub struct Kernel {
    spec: KernelSpec,
    chance: Stream,
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
        Self::of(KernelSpec::default(), Stream::new(0, "kernel"), (raw, local))
    }

    /// A clock of a certain kind, with its luck, that shows the second when the counter shows the first.
    pub fn of(spec: KernelSpec, chance: Stream, (raw, local): (Time<Raw>, Time<Local>)) -> Self {
        let mono = Time::from_epoch(raw.since_epoch());
        let (rate, asleep) = (Rate::ZERO, Span::ZERO);
        Self { spec, chance, anchor: raw, local, mono, rate, asleep, refuses: None }
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
        if let Some(fault) = self.refuses.or_else(|| self.mishap()) {
            return Err(fault);
        }
        self.settle(raw);
        match command {
            Steering::Rate(rate) if self.spec.is_deaf => return Ok(self.possible(rate)),
            Steering::Rate(rate) => self.rate = self.possible(rate),
            Steering::Step(by) => self.local += Span::from_nanos(by.as_nanos()),
        }
        Ok(self.rate)
    }

    fn mishap(&mut self) -> Option<SteeringFault> {
        let fails = self.spec.fails > 0.0 && self.chance.happens(self.spec.fails);
        let faults = [SteeringFault::NotPermitted, SteeringFault::Invalid, SteeringFault::Other(5)];
        fails.then(|| faults[(self.chance.uniform() * 3.0) as usize])
    }

    fn possible(&self, rate: Rate) -> Rate {
        match self.spec.unit.as_attos_per_second() {
            0 => possible(rate),
            unit => {
                let units = (rate.as_attos_per_second() + unit / 2).div_euclid(unit);
                possible(Rate::from_attos_per_second(units * unit))
            }
        }
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
    fn a_coarse_kernel_says_what_it_made_of_a_rate_and_a_deaf_one_lies() {
        let of = |spec| Kernel::of(spec, Stream::new(1, "kernel"), (at(0), Time::EPOCH));
        let mut coarse = of(KernelSpec { unit: Rate::from_ppb(100_000), ..KernelSpec::default() });
        let made = coarse.steer(at(0), Steering::Rate(Rate::from_ppb(160_000))).expect("is set");
        assert!((made - Rate::from_ppb(200_000)).abs() < Rate::from_ppb(1));
        assert_eq!(coarse.rate(), made);
        let mut deaf = of(KernelSpec { is_deaf: true, ..KernelSpec::default() });
        assert!(deaf.steer(at(0), Steering::Rate(Rate::from_ppb(160_000))).is_ok());
        assert_eq!(deaf.rate(), Rate::ZERO);
    }

    #[test]
    fn a_shaky_kernel_fails_as_often_as_it_is_told_to() {
        let spec = KernelSpec { fails: 0.3, ..KernelSpec::default() };
        let mut kernel = Kernel::of(spec, Stream::new(1, "kernel"), (at(0), Time::EPOCH));
        let fails = (0..1000).filter(|_| kernel.steer(at(0), Steering::Rate(Rate::ZERO)).is_err()).count();
        assert!((250..350).contains(&fails), "{fails}");
    }

    #[test]
    fn a_kernel_that_refuses_changes_nothing() {
        let mut kernel = Kernel::new(at(0), Time::EPOCH);
        kernel.refuse(Some(SteeringFault::NotPermitted));
        assert_eq!(kernel.steer(at(1), Steering::Step(Span::from_secs(1))), Err(SteeringFault::NotPermitted));
        assert_eq!(kernel.read(at(1)).local, Time::EPOCH + Span::from_secs(1));
    }
}

//! The kernel clock of a simulated machine, with the semantics of Linux's `clock_adjtime`.

use truechimer_core::event::SteeringFault;
use truechimer_core::moment::Moment;
use truechimer_core::node::Steering;
use truechimer_core::node::report::Publication;
use truechimer_time::{LeapKind, Local, Rate, Raw, Span, Tai, Time};

use crate::chance::Stream;

mod clockwork;
mod rate;
pub mod timex;

use clockwork::Clockwork;
use timex::Timex;

/// A clock that can be further off is not called synchronised: what the keeper of the daemon has under the same name.
const SYNCHRONISED_LIMIT: Span = Span::from_secs(1);

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
    work: Clockwork,
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
        Self { spec, chance, work: Clockwork::new(raw, local), asleep: Span::ZERO, refuses: None }
    }

    /// All that can be read when the counter shows `raw`.
    pub fn read(&self, raw: Time<Raw>) -> Moment {
        let (local, mono) = self.work.shows(raw);
        Moment { raw, mono, local, asleep: self.asleep, width: Span::from_nanos(100) }
    }

    /// What `CLOCK_TAI` shows: the clock and the offset that the kernel was told of.
    pub fn tai(&self, raw: Time<Raw>) -> Time<Tai> {
        self.work.shows_tai(raw)
    }

    /// The rate against the raw counter.
    pub fn rate(&self) -> Rate {
        self.work.rate()
    }

    /// `clock_adjtime`: what was asked, and what the kernel tells in return. Returns a `TIME_*` or an `errno`.
    pub fn adjust(&mut self, raw: Time<Raw>, timex: &mut Timex) -> Result<i32, i32> {
        let is_reading = matches!(timex.modes, 0 | timex::ADJ_OFFSET_SS_READ);
        if self.refuses.is_some() && !is_reading {
            return Err(timex::EPERM);
        }
        self.work.run(raw);
        timex::call(&mut self.work, timex)
    }

    /// What the keeper of the clock makes of a publication. A leap is armed from the beginning on a clock that was stepped,
    /// because a kernel forgets it then.
    pub fn hear(&mut self, raw: Time<Raw>, publication: &Publication) {
        let leap = match publication.leap {
            None => 0,
            Some(LeapKind::Inserted) => timex::STA_INS,
            Some(LeapKind::Deleted) => timex::STA_DEL,
        };
        let is_synchronised = publication.is_synchronised(SYNCHRONISED_LIMIT);
        let status = leap | if is_synchronised { 0 } else { timex::STA_UNSYNC };
        let mut state = Timex::default();
        // A kernel that refuses goes on as it was: that is told where it is steered.
        let _state = self.adjust(raw, &mut state);
        if leap != 0 && state.status & timex::STA_UNSYNC != 0 {
            let status = timex::STA_UNSYNC | timex::STA_PLL;
            let _refused =
                self.adjust(raw, &mut Timex { modes: timex::ADJ_STATUS, status, ..Timex::default() });
        }
        let maxerror = publication.max_error().map_or(i64::MAX, |error| error.as_nanos() / 1000);
        let modes = timex::ADJ_STATUS | timex::ADJ_MAXERROR;
        let _refused = self.adjust(raw, &mut Timex { modes, status, maxerror, ..Timex::default() });
    }

    /// Carries out a command, as far as the kernel can: rates are rounded to its units and limited. Returns the rate
    /// that the clock has then.
    pub fn steer(&mut self, raw: Time<Raw>, command: Steering) -> Result<Rate, SteeringFault> {
        if let Some(fault) = self.refuses.or_else(|| self.mishap()) {
            return Err(fault);
        }
        self.work.run(raw);
        match command {
            Steering::Rate(rate) if self.spec.is_deaf => return Ok(self.possible(rate)),
            Steering::Rate(rate) => self.work.set_rate(self.possible(rate)),
            Steering::Step(by) | Steering::Mend(by) => {
                let by = Span::from_nanos(by.as_nanos());
                self.work.step(by).map_err(|_beyond| SteeringFault::Invalid)?;
            }
        }
        Ok(self.rate())
    }

    fn mishap(&mut self) -> Option<SteeringFault> {
        let fails = self.spec.fails > 0.0 && self.chance.happens(self.spec.fails);
        let faults = [SteeringFault::NotPermitted, SteeringFault::Invalid, SteeringFault::Other(5)];
        fails.then(|| faults[(self.chance.uniform() * 3.0) as usize])
    }

    fn possible(&self, rate: Rate) -> Rate {
        match self.spec.unit.as_attos_per_second() {
            0 => rate::possible(rate),
            unit => {
                let units = (rate.as_attos_per_second() + unit / 2).div_euclid(unit);
                rate::possible(Rate::from_attos_per_second(units * unit))
            }
        }
    }

    /// Somebody else steps the clock, if the kernel lets them.
    pub fn step_by_others(&mut self, raw: Time<Raw>, by: Span) {
        self.work.run(raw);
        // The world asks for what the kernel refuses as it would ask for nothing.
        let _stepped = self.work.step(by);
    }

    /// Somebody else changes its rate.
    pub fn retune_by_others(&mut self, raw: Time<Raw>, by: Rate) {
        self.work.run(raw);
        self.work.set_rate(self.rate() + by);
    }

    /// The machine sleeps: the counter stands still, the clock goes on by way of the RTC, which is off by `error`.
    pub fn sleep(&mut self, raw: Time<Raw>, slept: Span, error: Span) {
        self.work.run(raw);
        self.work.shift(slept + error);
        self.asleep += slept + error;
    }

    /// Commands fail from now on, or succeed again.
    pub fn refuse(&mut self, fault: Option<SteeringFault>) {
        self.refuses = fault;
    }
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
        let half_a_unit = Rate::from_attos_per_second(1_000_000_000_000 / 65_536 / 2 + 1);
        assert!((set(12.345) - Rate::from_ppm(12.345)).abs() <= half_a_unit);
        assert!((set(-80_000.25) - Rate::from_ppm(-80_000.25)).abs() <= half_a_unit);
        assert_eq!(set(1e6), Rate::from_ppm(100_000.0), "a tenth at most");
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

//! What the keeper of a clock holds everybody to who wants to steer it, and the book of the steps that it has made.
//!
//! The keeper believes nothing: not that a rate is needed, not that an update is one of the first, not that the machine was
//! interrupted. So each of these has a limit of its own here, and what was spent of it outlives the asker.
//!
//! **Contract:** [`judge`], then [`Ledger::enter`] and keep the ledger, and only then do it.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use truechimer_time::{Local, Rate, Span, Time};

use crate::event::SteeringFault;
use crate::moment::Moment;
use crate::node::Steering;
use crate::policy::{ClockPolicy, MENDS_MAX, Mending, TrustPolicy};

/// Mending steps are counted over so long.
const DAY: Span = Span::from_secs(86_400);

/// What the keeper holds the daemon to.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// No rate beyond this.
    pub rate_max: Rate,
    /// Steps in one boot of the machine, restarts of the daemon included. An operator who wants more renews the ledger.
    pub steps_max: u32,
    /// Which steps may mend what an interruption did, beside those.
    pub mending: Option<Mending>,
    /// No step to before this.
    pub floor: Time<Local>,
}

impl Rules {
    /// The rules of a policy.
    pub fn new(policy: &ClockPolicy, trust: &TrustPolicy, floor: Time<Local>) -> Self {
        Self {
            rate_max: trust.max_rate + policy.max_slew + Rate::from_ppb(1000),
            steps_max: policy.step_updates,
            mending: policy.mending,
            floor,
        }
    }
}

/// How long the machine has been up: by its raw counter, and by what it has slept. Nobody can set that.
pub fn uptime(now: &Moment) -> Span {
    now.raw.since_epoch() + now.asleep
}

/// The steps of this boot: what is left of the budgets after a restart.
///
/// Its text is one line: the boot, how many steps were made at the start or by order, and how many whole seconds the machine
/// had been up at each of the latest that mended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    boot: String,
    steps: u32,
    mends: Vec<Span>,
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.boot, self.steps)?;
        self.mends.iter().try_for_each(|at| write!(f, " {}", at.as_nanos() / 1_000_000_000))?;
        writeln!(f)
    }
}

impl Ledger {
    /// A ledger without an entry.
    pub fn new(boot: &str) -> Self {
        Self { boot: boot.to_owned(), steps: 0, mends: Vec::new() }
    }

    /// A ledger in which there is no room: damage never refills a budget.
    pub fn full(boot: &str) -> Self {
        Self { boot: boot.to_owned(), steps: u32::MAX, mends: alloc::vec![Span::MAX; MENDS_MAX as usize] }
    }

    /// Reads the ledger of this boot. One of another boot is void; one that makes no sense counts as full.
    pub fn parse(text: &str, boot: &str) -> Self {
        let mut words = text.split_ascii_whitespace();
        let (written, steps) = (words.next(), words.next().and_then(|steps| steps.parse().ok()));
        let mends = words.take(MENDS_MAX as usize).map(|at| at.parse().ok().map(Span::from_secs));
        match (written, steps, mends.collect()) {
            (Some(written), Some(_), _) if written != boot => Self::new(boot),
            (Some(_), Some(steps), Some(mends)) => Self { boot: boot.to_owned(), steps, mends },
            (_, _, _) => Self::full(boot),
        }
    }

    /// The command is going to be carried out at `now`.
    pub fn enter(&mut self, command: Steering, now: &Moment) {
        match command {
            Steering::Rate(_) => {}
            Steering::Step(_) => self.steps = self.steps.saturating_add(1),
            Steering::Mend(_) => {
                self.mends.retain(|&at| counts(at, uptime(now)));
                self.mends.push(uptime(now));
            }
        }
    }

    /// How many steps have mended within a day.
    fn mends_lately(&self, now: &Moment) -> usize {
        self.mends.iter().filter(|&&at| counts(at, uptime(now))).count()
    }
}

/// Does a step of then still count? One that is yet to come does: it is damage.
fn counts(at: Span, now: Span) -> bool {
    now - at < DAY
}

/// May this be done to the clock now?
pub fn judge(rules: &Rules, ledger: &Ledger, command: Steering, now: &Moment) -> Result<(), SteeringFault> {
    let lands = |by: Span| now.local + by >= rules.floor;
    let is_right = match command {
        Steering::Rate(rate) => rate.abs() <= rules.rate_max,
        Steering::Step(by) => ledger.steps < rules.steps_max && lands(by),
        Steering::Mend(by) => match rules.mending {
            None => false,
            Some(Mending { longest, .. }) if by.abs() > longest || !lands(by) => false,
            Some(Mending { per_day, .. }) if ledger.mends_lately(now) >= per_day as usize => {
                return Err(SteeringFault::Spent);
            }
            Some(_) => true,
        },
    };
    if is_right { Ok(()) } else { Err(SteeringFault::Vetoed) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use std::string::ToString;

    const MENDING: Mending = Mending { longest: Span::from_secs(3600), per_day: 2 };

    fn rules() -> Rules {
        let floor = Time::from_epoch(Span::from_secs(1_700_000_000));
        let policy = ClockPolicy { mending: Some(MENDING), ..ClockPolicy::default() };
        Rules::new(&policy, &TrustPolicy::default(), floor)
    }

    /// The machine has been up for `up` seconds and was asleep for the first thousand of them.
    fn up(seconds: i64) -> Moment {
        Moment {
            raw: Time::from_epoch(Span::from_secs(seconds - 1000)),
            mono: Time::from_epoch(Span::from_secs(seconds - 1000)),
            local: Time::from_epoch(Span::from_secs(1_790_000_000)),
            asleep: Span::from_secs(1000),
            width: Span::ZERO,
        }
    }

    fn mend(by: i64) -> Steering {
        Steering::Mend(Span::from_secs(by))
    }

    #[test]
    fn bad_input_94_a_step_to_before_the_floor_is_vetoed() {
        let before = Steering::Step(Span::from_secs(-90_000_001));
        let after = Steering::Step(Span::from_secs(-89_999_999));
        let ledger = Ledger::new("boot");
        assert_eq!(judge(&rules(), &ledger, before, &up(2000)), Err(SteeringFault::Vetoed));
        assert_eq!(judge(&rules(), &ledger, after, &up(2000)), Ok(()));
        let low = Rules { floor: up(2000).local - Span::from_secs(10), ..rules() };
        assert_eq!(judge(&low, &ledger, mend(-10), &up(2000)), Ok(()));
        assert_eq!(judge(&low, &ledger, mend(-11), &up(2000)), Err(SteeringFault::Vetoed));
    }

    /// Bad input 110: restarts do not refill the budget, a new boot does.
    #[test]
    fn bad_input_110_the_budget_of_steps_survives_a_restart_but_not_a_boot() {
        let step = Steering::Step(Span::from_secs(1));
        let mut ledger = Ledger::new("boot");
        for _ in 0..rules().steps_max {
            assert_eq!(judge(&rules(), &ledger, step, &up(2000)), Ok(()));
            ledger.enter(step, &up(2000));
            ledger = Ledger::parse(&ledger.to_string(), "boot");
        }
        assert_eq!(judge(&rules(), &ledger, step, &up(2000)), Err(SteeringFault::Vetoed));
        let next = Ledger::parse(&ledger.to_string(), "next boot");
        assert_eq!(judge(&rules(), &next, step, &up(2000)), Ok(()));
    }

    #[test]
    fn steps_that_mend_have_a_budget_of_their_own_for_each_day() {
        let mut ledger = Ledger::new("boot");
        for at in [2000, 50_000] {
            assert_eq!(judge(&rules(), &ledger, mend(-60), &up(at)), Ok(()));
            ledger.enter(mend(-60), &up(at));
            ledger = Ledger::parse(&ledger.to_string(), "boot");
        }
        let judged = |ledger: &Ledger, at| judge(&rules(), ledger, mend(60), &up(at));
        assert_eq!(judged(&ledger, 50_001), Err(SteeringFault::Spent));
        assert_eq!(judged(&ledger, 88_399), Err(SteeringFault::Spent), "not yet a day");
        assert_eq!(judge(&rules(), &ledger, Steering::Step(Span::from_secs(1)), &up(50_001)), Ok(()));
        assert_eq!(judged(&ledger, 88_400), Ok(()), "a day after the first");
        ledger.enter(mend(60), &up(88_400));
        assert_eq!(ledger.to_string(), "boot 0 50000 88400\n", "what is over is not kept");
    }

    #[test]
    fn a_step_that_mends_has_a_greatest_length_and_needs_leave() {
        let ledger = Ledger::new("boot");
        assert_eq!(judge(&rules(), &ledger, mend(3600), &up(2000)), Ok(()));
        assert_eq!(judge(&rules(), &ledger, mend(-3601), &up(2000)), Err(SteeringFault::Vetoed));
        let without = Rules { mending: None, ..rules() };
        assert_eq!(judge(&without, &ledger, mend(1), &up(2000)), Err(SteeringFault::Vetoed));
    }

    #[test]
    fn a_damaged_ledger_is_a_full_one() {
        for damage in ["", "boot", "boot nan", "boot -1", "boot 0 nan", "boot 0 1 2 x"] {
            assert_eq!(Ledger::parse(damage, "boot"), Ledger::full("boot"), "{damage:?}");
        }
        let full = Ledger::full("boot");
        assert_eq!(judge(&rules(), &full, mend(1), &up(2000)), Err(SteeringFault::Spent));
        let ahead = Ledger::parse("boot 0 99999999 99999999", "boot");
        assert_eq!(judge(&rules(), &ahead, mend(1), &up(2000)), Err(SteeringFault::Spent), "yet to come");
    }

    #[test]
    fn a_ledger_without_steps_that_mend_is_read_as_ever() {
        assert_eq!(Ledger::parse("boot 2\n", "boot").to_string(), "boot 2\n");
        let endless = format!("boot 2{}", " 7".repeat(10_000));
        assert_eq!(Ledger::parse(&endless, "boot").mends.len(), MENDS_MAX as usize);
    }

    #[test]
    fn a_rate_beyond_what_policy_can_want_is_vetoed() {
        let limit = rules().rate_max;
        let judged = |rate| judge(&rules(), &Ledger::new("boot"), Steering::Rate(rate), &up(2000));
        assert_eq!(judged(limit), Ok(()));
        assert_eq!(judged(-limit - Rate::from_ppb(1)), Err(SteeringFault::Vetoed));
    }
}

//! What the service remembers of its measurements: whether a new one can be true, and how soon the next is needed.
//!
//! One that contradicts what is known is not passed on; it is asked again, and if the answer is the same, then what was
//! known is wrong. So a single bad measurement never reaches the clock, and a clock that was really moved, or a reference
//! that was wrong at first, does not lock us out.

use truechimer_core::discipline::estimator::Estimator;
use truechimer_core::discipline::oscillator::RateLimits;
use truechimer_core::policy::TrustPolicy;
use truechimer_core::source::pace::Growth;
use truechimer_time::{Mono, Rate, Raw, Span, Tai, Time};

use super::kept::Kept;
use super::ledger::{DAILY_LIMIT, Ledger};
use super::sight::{Sight, has_slept};
use crate::ui::units;

/// The uncertainty of the originals' measurements is at most 2 s, from end to end.
const BOUND_MAX: Span = Span::from_secs(1);

/// Why a measurement is not passed on. Completes "not passed on: ..".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Objection {
    /// Nobody knows well enough.
    #[error("it is uncertain by {}, and {} is the most", units::bound(*bound), units::bound(BOUND_MAX))]
    TooUncertain {
        /// So uncertain.
        bound: Span,
    },
    /// Whoever says so lives before this program was made.
    #[error("it says that it is earlier than this program was made")]
    Past,
    /// More than a running clock is ever wrong.
    #[error(
        "{} is more than a running clock is wrong by (`panic` is {}); if it is true, stop what depends on the time \
         and run `clockadjust --step --again`",
        units::offset(*by), units::span(*panic)
    )]
    TooFar {
        /// By so much the clock is slow.
        by: Span,
        /// The configured limit.
        panic: Span,
    },
    /// It cannot be true together with the last one.
    #[error("it is {} from where the last one leads, and {} is possible", units::offset(*by), units::bound(*within))]
    Contradicts {
        /// So far off.
        by: Span,
        /// So far would be possible.
        within: Span,
    },
    /// TAICLOCK has moved the clock enough for today.
    #[error("TAICLOCK, which proves nothing, may move the clock by {} a day, and this would make it {}", units::span(DAILY_LIMIT), units::span(*sum))]
    DailyLimit {
        /// It would be so much.
        sum: Span,
    },
}

/// What a measurement must keep to.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// An adjustment beyond this is a mistake.
    pub panic: Span,
    /// True time is certainly later.
    pub floor: Time<Tai>,
    /// The daily limit holds.
    pub by_taiclock: bool,
}

/// What is known from the measurements so far.
#[derive(Default)]
pub struct Memory {
    last: Option<Sight>,
    doubted: Option<Sight>,
    estimator: Option<Estimator>,
    ledger: Ledger,
}

impl Memory {
    /// What is left of the memory of an earlier process.
    pub fn of(kept: Kept) -> Self {
        let Kept { ledger, last, doubted } = kept;
        Self { ledger, last, doubted, estimator: None }
    }

    /// What is to outlive this process.
    pub fn kept(&self) -> Kept {
        Kept { ledger: self.ledger.clone(), last: self.last, doubted: self.doubted }
    }

    /// Takes in a measurement by which the clock would have to be moved by `adjustment`, unless there is an objection.
    pub fn judge(
        &mut self,
        sight: &Sight,
        adjustment: Span,
        rules: &Rules,
        now: Time<Mono>,
    ) -> Result<(), Objection> {
        plausible(sight, adjustment, rules)?;
        self.wake(sight);
        let surprise = self.surprise(sight, adjustment);
        self.consistent(sight)?;
        if rules.by_taiclock {
            self.ledger.spend(surprise, now).map_err(|sum| Objection::DailyLimit { sum })?;
        }
        self.learn(sight);
        Ok(())
    }

    /// Can it be true together with the newest measurement? Yes, if there is none since the machine last slept.
    pub fn allows(&self, sight: &Sight) -> bool {
        let last = self.last.filter(|last| !has_slept(last.asleep, sight.asleep));
        let known = last.and_then(|_| self.known_at(sight.at));
        known.is_none_or(|known| known.bracket().meet(sight.bracket()).is_some())
    }

    /// What true time is at this reading, by the newest measurement.
    pub fn known_at(&self, at: Time<Raw>) -> Option<Sight> {
        Some(self.last?.carried_to(at, self.likely_rate(), self.limits()))
    }

    /// How fast true time runs against the raw counter, as soon as two measurements tell.
    pub fn rate(&self) -> Option<Rate> {
        let (estimator, last) = (self.estimator.as_ref()?, self.last?);
        (estimator.samples() > 1).then(|| Rate::from_ratio(estimator.estimate(last.at).rate))
    }

    /// How the variance of the time grows over a stretch from the newest measurement on.
    pub fn growth(&self, stretch: Span) -> Option<Growth> {
        let (estimator, last) = (self.estimator.as_ref()?, self.last?);
        let variance = |share: f64| {
            let ahead = last.at + Span::from_seconds(stretch.as_seconds() * share);
            let sigma = estimator.estimate(ahead).sigma;
            (sigma * sigma).max(f64::MIN_POSITIVE)
        };
        Some(Growth::through(stretch, Growth::SHARES.map(variance)))
    }

    /// While the machine slept its counter stood still: what was known before leads nowhere.
    fn wake(&mut self, sight: &Sight) {
        if self.last.is_some_and(|last| has_slept(last.asleep, sight.asleep)) {
            (self.last, self.doubted, self.estimator) = (None, None, None);
        }
    }

    /// By how much more than was known the clock would be moved.
    fn surprise(&self, sight: &Sight, adjustment: Span) -> Span {
        self.known_at(sight.at).map_or(adjustment.abs(), |known| (sight.best - known.best).abs())
    }

    /// Can it be true together with the last one? If not, it can with the one that was doubted, or is doubted itself.
    fn consistent(&mut self, sight: &Sight) -> Result<(), Objection> {
        let Some(known) = self.known_at(sight.at) else { return Ok(()) };
        if known.bracket().meet(sight.bracket()).is_some() {
            return Ok(());
        }
        let widest = RateLimits::around(Rate::ZERO, TrustPolicy::default().max_rate);
        let doubted = self.doubted.map(|doubted| doubted.carried_to(sight.at, Rate::ZERO, widest));
        if doubted.is_some_and(|doubted| doubted.bracket().meet(sight.bracket()).is_some()) {
            self.estimator = None;
            return Ok(());
        }
        self.doubted = Some(*sight);
        Err(Objection::Contradicts { by: sight.best - known.best, within: known.bound + sight.bound })
    }

    fn learn(&mut self, sight: &Sight) {
        let sample = sight.sample();
        match &mut self.estimator {
            Some(estimator) => {
                estimator.hear(&sample);
            }
            None => self.estimator = Some(Estimator::new(&sample, all_rates())),
        }
        (self.last, self.doubted) = (Some(*sight), None);
    }

    fn likely_rate(&self) -> Rate {
        self.rate().unwrap_or(Rate::ZERO)
    }

    /// Between which rates it runs: all that an oscillator can have at first, and what was learned as far as it is
    /// sure, give or take what the rate may change by.
    fn limits(&self) -> RateLimits {
        let (Some(rate), Some(estimator), Some(last)) = (self.rate(), &self.estimator, self.last) else {
            return all_rates();
        };
        let sure = Rate::from_ratio(3.0 * estimator.estimate(last.at).rate_sigma);
        let learned = RateLimits::around(rate, sure + TrustPolicy::default().max_drift);
        learned.meet(all_rates()).unwrap_or(all_rates())
    }
}

/// Could it be true, whatever was measured before?
pub fn plausible(sight: &Sight, adjustment: Span, rules: &Rules) -> Result<(), Objection> {
    if sight.bound > BOUND_MAX {
        return Err(Objection::TooUncertain { bound: sight.bound });
    }
    if sight.best < rules.floor {
        return Err(Objection::Past);
    }
    match adjustment.abs() > rules.panic {
        true => Err(Objection::TooFar { by: adjustment, panic: rules.panic }),
        false => Ok(()),
    }
}

fn all_rates() -> RateLimits {
    RateLimits::around(Rate::ZERO, TrustPolicy::default().max_rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { panic: Span::from_secs(1000), floor: Time::EPOCH, by_taiclock: false };

    /// Measured so long after the start, of true time plus an error; the counter is right.
    fn sight(seconds: i64, error: Span) -> Sight {
        let passed = Span::from_secs(seconds);
        let best = Time::from_epoch(Span::from_secs(1_800_000_037) + passed + error);
        Sight { at: Time::EPOCH + passed, best, bound: Span::from_millis(5), asleep: Span::ZERO }
    }

    fn judge(memory: &mut Memory, seconds: i64, error: Span, rules: &Rules) -> Result<(), Objection> {
        memory.judge(&sight(seconds, error), error, rules, Time::EPOCH + Span::from_secs(seconds))
    }

    /// The original's rate went from 0.3846 to 55.28 ns per tick by this.
    #[test]
    fn one_bad_measurement_is_not_passed_on_and_leaves_no_trace() {
        let mut memory = Memory::default();
        assert_eq!(judge(&mut memory, 0, Span::ZERO, &RULES), Ok(()));
        let bad = judge(&mut memory, 7, Span::from_secs(999), &RULES);
        assert!(matches!(bad, Err(Objection::Contradicts { .. })), "{bad:?}");
        assert_eq!(judge(&mut memory, 20, Span::ZERO, &RULES), Ok(()));
        assert!(memory.rate().expect("two were good").as_ppm().abs() < 500.0);
        assert_eq!(judge(&mut memory, 600, Span::ZERO, &RULES), Ok(()));
    }

    #[test]
    fn what_is_said_twice_is_believed() {
        let (mut memory, moved) = (Memory::default(), Span::from_secs(30));
        assert_eq!(judge(&mut memory, 0, Span::ZERO, &RULES), Ok(()));
        assert!(judge(&mut memory, 600, moved, &RULES).is_err());
        assert_eq!(judge(&mut memory, 616, moved, &RULES), Ok(()));
        assert_eq!(judge(&mut memory, 1200, moved, &RULES), Ok(()));
        assert!(judge(&mut memory, 1800, Span::ZERO, &RULES).is_err());
        assert!(judge(&mut memory, 1816, -moved, &RULES).is_err(), "not the same twice");
    }

    #[test]
    fn what_cannot_be_true_is_refused_at_once() {
        let mut memory = Memory::default();
        let uncertain = Sight { bound: Span::from_millis(1001), ..sight(0, Span::ZERO) };
        let judged = memory.judge(&uncertain, Span::ZERO, &RULES, Time::EPOCH);
        assert!(matches!(judged, Err(Objection::TooUncertain { .. })));
        let late = Rules { floor: Time::from_epoch(Span::from_secs(1_900_000_000)), ..RULES };
        assert_eq!(judge(&mut memory, 0, Span::ZERO, &late), Err(Objection::Past));
        let far = judge(&mut memory, 0, Span::from_secs(-1001), &RULES);
        assert!(matches!(far, Err(Objection::TooFar { .. })), "{far:?}");
        assert_eq!(memory.known_at(Time::EPOCH), None);
    }

    #[test]
    fn taiclock_moves_a_clock_by_sixty_seconds_a_day() {
        let rules = Rules { by_taiclock: true, ..RULES };
        let mut memory = Memory::default();
        let first = judge(&mut memory, 0, Span::from_secs(61), &rules);
        assert_eq!(first, Err(Objection::DailyLimit { sum: Span::from_secs(61) }));
        assert_eq!(judge(&mut memory, 0, Span::from_secs(59), &rules), Ok(()));
        // The same again moves nothing: the clock is still being slewed.
        assert_eq!(judge(&mut memory, 600, Span::from_secs(59), &rules), Ok(()));
        assert!(judge(&mut memory, 1200, Span::from_secs(62), &rules).is_err());
        let second = judge(&mut memory, 1216, Span::from_secs(62), &rules);
        assert!(matches!(second, Err(Objection::DailyLimit { .. })), "{second:?}");
        assert_eq!(judge(&mut memory, 87_000, Span::from_secs(62), &rules), Ok(()), "another day");
    }

    #[test]
    fn the_rate_is_learned_and_the_doubt_shrinks() {
        let mut memory = Memory::default();
        assert_eq!(memory.rate(), None);
        let drift = |seconds: i64| Span::from_micros(seconds * 50);
        for seconds in [0, 600, 1800, 4200, 9000, 18_600, 37_800, 76_200] {
            assert_eq!(judge(&mut memory, seconds, drift(seconds), &RULES), Ok(()), "{seconds}");
        }
        let rate = memory.rate().expect("eight tell").as_ppm();
        assert!((rate - 50.0).abs() < 0.2, "{rate}");
        let known = memory.known_at(Time::EPOCH + Span::from_secs(86_200)).expect("it was measured");
        assert!(known.bound < Span::from_millis(250), "{:?}", known.bound);
        let growth = memory.growth(Span::from_secs(86_400));
        assert!(growth.is_some());
    }

    #[test]
    fn after_a_sleep_nothing_is_known() {
        let mut memory = Memory::default();
        assert_eq!(judge(&mut memory, 0, Span::ZERO, &RULES), Ok(()));
        let woken = Sight { asleep: Span::from_secs(500), ..sight(60, Span::from_secs(500)) };
        assert_eq!(memory.judge(&woken, Span::from_secs(500), &RULES, Time::EPOCH), Ok(()));
    }
}

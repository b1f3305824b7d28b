//! When to measure again.
//!
//! After a measurement that was passed on: as the schedule has it. After one that failed: soon, then after twice as long, at
//! most after the first wait; and the wait of the schedule stays what it was, however often it failed.

use truechimer_core::policy::Rhythm as Rule;
use truechimer_core::source::pace::{Growth, Pace};
use truechimer_core::source::schedule::{RETRY, Schedule};
use truechimer_time::{Mono, Span, Time};

use crate::config::Config;

/// How right the clock shall be where nobody says.
const ACCURACY: Span = Span::from_millis(10);

/// Retries of many hosts that failed together are spread by so much of their wait.
const JITTER: f64 = 0.25;

/// What the operator wants.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Wish {
    rule: Rule,
    accuracy: Span,
    first: Span,
    longest: Span,
}

/// When to measure again.
#[derive(Clone, Debug)]
pub struct Rhythm {
    wish: Wish,
    schedule: Schedule,
    pace: Pace,
    failures: u32,
}

impl Rhythm {
    /// The rhythm of a configuration, from the beginning.
    pub fn new(config: &Config, now: Time<Mono>) -> Self {
        Self::of(Wish::of(config), now)
    }

    fn of(wish: Wish, now: Time<Mono>) -> Self {
        Self {
            schedule: Schedule::new(wish.first, wish.longest, 1, now),
            pace: Pace::towards(wish.accuracy),
            failures: 0,
            wish,
        }
    }

    /// The configuration was read again. Where it wants another rhythm, that begins anew.
    pub fn follow(&mut self, config: &Config, now: Time<Mono>) {
        if Wish::of(config) != self.wish {
            *self = Self::new(config, now);
        }
    }

    /// The first wait: for so long a measurement is worth keeping.
    pub fn first(&self) -> Span {
        self.wish.first
    }

    /// A measurement that began then was passed on. Returns when the next one is due; `growth` says how the variance of the
    /// time grows over a stretch, `scatter` (0 to 1) spreads hosts.
    pub fn succeeded(
        &mut self,
        begun: Time<Mono>,
        scatter: f64,
        growth: impl FnOnce(Span) -> Option<Growth>,
    ) -> Time<Mono> {
        self.failures = 0;
        match self.wish.rule {
            Rule::Classic => {
                self.schedule.asked(begun, 0.0);
                self.schedule.answered();
                self.schedule.double();
            }
            Rule::Adaptive => {
                self.schedule.asked(begun, scatter);
                self.schedule.answered();
                let (first, longest) = (self.wish.first, self.wish.longest);
                if let Some(growth) = growth(self.pace.reach(first, longest)) {
                    self.pace.set(&growth, first, begun);
                }
                let interval = self.pace.interval().unwrap_or(first);
                self.schedule.plan(begun, interval, interval);
            }
        }
        self.schedule.due()
    }

    /// A measurement failed. Returns for how long to wait.
    pub fn failed(&mut self, scatter: f64) -> Span {
        let shortest = RETRY.min(self.wish.first / 4);
        let wait = (shortest * (1 << self.failures.min(24))).min(self.wish.first);
        self.failures = self.failures.saturating_add(1);
        wait - Span::from_seconds(wait.as_seconds() * JITTER * scatter)
    }
}

impl Wish {
    fn of(config: &Config) -> Self {
        let (first, longest) = config.waits();
        Self { rule: config.schedule, accuracy: config.accuracy.unwrap_or(ACCURACY), first, longest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rhythm(text: &str) -> Rhythm {
        Rhythm::new(&Config::parse("t", text).expect(text), Time::EPOCH)
    }

    fn seconds(time: Time<Mono>) -> i64 {
        (time - Time::EPOCH).as_seconds() as i64
    }

    #[test]
    fn the_classic_waits_are_those_of_the_original() {
        let mut rhythm = rhythm("schedule = \"classic\"\n");
        let (mut now, mut times) = (Time::EPOCH, Vec::new());
        for _ in 0..15 {
            now = rhythm.succeeded(now, 0.9, |_| None);
            times.push(seconds(now));
        }
        assert_eq!(times[..6], [600, 1800, 4200, 9000, 18_600, 37_800]);
        assert_eq!(times[12..], [4_914_600, 9_829_800, 17_713_800]);
    }

    /// Weakness 10 of the original: its wait doubled with each failure as well.
    #[test]
    fn failures_are_followed_up_soon_and_lengthen_nothing() {
        let mut rhythm = rhythm("schedule = \"classic\"\n");
        let first = rhythm.succeeded(Time::EPOCH, 0.0, |_| None);
        let waits: Vec<i64> = (0..8).map(|_| rhythm.failed(0.0).as_seconds() as i64).collect();
        assert_eq!(waits, [16, 32, 64, 128, 256, 512, 600, 600]);
        let now = first + Span::from_secs(2208);
        assert_eq!(rhythm.succeeded(now, 0.0, |_| None) - now, Span::from_secs(1200));
        assert_eq!(rhythm.failed(0.0), Span::from_secs(16), "success ends the back-off");
    }

    #[test]
    fn hosts_that_failed_together_do_not_try_again_together() {
        let mut rhythm = rhythm("schedule = \"classic\"\n");
        assert_eq!(rhythm.clone().failed(1.0), Span::from_secs(12));
        assert_eq!(rhythm.failed(0.0), Span::from_secs(16));
    }

    #[test]
    fn the_accuracy_decides_by_default() {
        let mut rhythm = rhythm("accuracy = \"1ms\"\n");
        let (mut now, mut waits) = (Time::EPOCH, Vec::new());
        for _ in 0..12 {
            // A clock whose rate is known to 10 ns in each second.
            let growth = |stretch: Span| {
                let at = |share: f64| (1e-8 * share * stretch.as_seconds()).powi(2);
                Some(Growth::through(stretch, Growth::SHARES.map(at)))
            };
            let next = rhythm.succeeded(now, 0.0, growth);
            waits.push((next - now).as_seconds() as i64);
            now = next;
        }
        assert_eq!(waits[..4], [64, 128, 256, 512]);
        let settled = waits[11];
        assert!((110_000..=129_600).contains(&settled), "{waits:?}");
    }

    #[test]
    fn only_another_wish_begins_anew() {
        let (old, new) =
            ("schedule = \"classic\"\n", "schedule = \"classic\"\n[classic]\nfirst_wait = \"300s\"\n");
        let mut rhythm = rhythm(old);
        let first = rhythm.succeeded(Time::EPOCH, 0.0, |_| None);
        rhythm.follow(&Config::parse("t", old).unwrap(), first);
        assert_eq!(rhythm.succeeded(first, 0.0, |_| None) - first, Span::from_secs(1200));
        rhythm.follow(&Config::parse("t", new).unwrap(), first);
        assert_eq!(rhythm.succeeded(first, 0.0, |_| None) - first, Span::from_secs(300));
    }
}

//! When to ask a source again.
//!
//! An acquaintance begins with a short burst. After that the interval doubles while the estimate can afford it and
//! falls back at once when something surprising was heard. A source's wish to be asked less (`RATE`) is granted, one
//! doubling at a time and never beyond [`RATE_LIMIT`], so that a forged wish cannot silence us (RFC 8633, section 5.4).

use truechimer_time::{Mono, Span, Time};

/// Questions of a burst are so far apart.
pub const BURST_SPACING: Span = Span::from_secs(2);

/// However often `RATE` is heard, the interval is not driven beyond 2¹³ s by it (RFC 8633, section 5.4).
pub const RATE_LIMIT: Span = Span::from_secs(1 << 13);

/// So many good samples at one interval before a longer one is tried.
const PATIENCE: u8 = 4;

/// When one source is asked.
#[derive(Clone, Debug)]
pub struct Schedule {
    least: Span,
    most: Span,
    interval: Span,
    due: Time<Mono>,
    burst: u8,
    burst_size: u8,
    good: u8,
    warned: bool,
}

impl Schedule {
    /// The first question of a burst is due at once.
    pub fn new(least: Span, most: Span, burst_size: u8, now: Time<Mono>) -> Self {
        Self { least, most, interval: least, due: now, burst: burst_size, burst_size, good: 0, warned: false }
    }

    /// When the next question is due.
    pub fn due(&self) -> Time<Mono> {
        self.due
    }

    /// The interval outside a burst.
    pub fn interval(&self) -> Span {
        self.interval
    }

    /// A question goes out now; the next one is due an interval later. `scatter` (0 to 1) spreads the questions of
    /// many clients: up to 2 % of the interval earlier.
    pub fn asked(&mut self, now: Time<Mono>, scatter: f64) {
        self.burst = self.burst.saturating_sub(1);
        let wait = if self.burst > 0 { self.spacing() } else { self.interval };
        self.due = now + wait - Span::from_seconds(wait.as_seconds() * 0.02 * scatter);
    }

    /// A good sample came. `affordable` tells whether the estimate could do with half as many.
    pub fn content(&mut self, affordable: bool) {
        if self.burst > 0 {
            return;
        }
        self.good = if affordable { self.good.saturating_add(1) } else { 0 };
        if self.good >= PATIENCE && self.interval < self.most {
            self.interval = (self.interval * 2).min(self.most);
            self.good = 0;
        }
    }

    /// The estimate needs samples more often than it gets them.
    pub fn starved(&mut self) {
        self.interval = (self.interval / 2).max(self.least);
        self.good = 0;
    }

    /// Something surprising was heard: ask soon, and often for a while.
    pub fn surprised(&mut self, now: Time<Mono>) {
        self.interval = self.least;
        self.good = 0;
        self.due = self.due.min(now + self.spacing());
    }

    /// Asks in a burst, beginning now; a source that wished to be asked less is asked just once, when it is due.
    pub fn burst(&mut self, now: Time<Mono>) {
        if !self.warned {
            self.burst = self.burst_size.max(1);
            self.due = self.due.min(now);
        }
    }

    /// The source wishes to be asked less.
    pub fn asked_too_often(&mut self, now: Time<Mono>) {
        self.warned = true;
        self.burst = 0;
        self.good = 0;
        let slower = (self.interval * 2).min(RATE_LIMIT);
        self.interval = self.interval.max(slower);
        self.least = self.least.max(self.interval);
        self.most = self.most.max(self.interval);
        self.due = self.due.max(now + self.interval);
    }

    /// Not before `wait` has passed: there is nobody to ask.
    pub fn rest(&mut self, now: Time<Mono>, wait: Span) {
        self.burst = 0;
        self.due = now + wait;
    }

    /// The distance of two questions when it is urgent.
    fn spacing(&self) -> Span {
        if self.warned { self.least } else { BURST_SPACING.min(self.least) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Time<Mono> = Time::EPOCH;

    fn schedule() -> Schedule {
        Schedule::new(Span::from_secs(64), Span::from_secs(1024), 4, START)
    }

    #[test]
    fn a_burst_comes_first_and_is_spaced() {
        let mut schedule = schedule();
        let mut waits = alloc::vec::Vec::new();
        for _ in 0..6 {
            let now = schedule.due();
            schedule.asked(now, 0.0);
            waits.push((schedule.due() - now).as_seconds());
        }
        assert_eq!(waits, [2.0, 2.0, 2.0, 64.0, 64.0, 64.0]);
    }

    #[test]
    fn the_interval_doubles_with_patience_and_falls_at_once() {
        let mut schedule = schedule();
        for _ in 0..4 {
            schedule.asked(START, 0.0);
        }
        for _ in 0..16 {
            schedule.content(true);
        }
        assert_eq!(schedule.interval(), Span::from_secs(1024));
        schedule.surprised(START);
        assert_eq!(schedule.interval(), Span::from_secs(64));
        assert_eq!(schedule.due(), START + Span::from_secs(2));
    }

    #[test]
    fn bad_inputs_26_and_27_rate_raises_the_interval_by_one_doubling_and_never_beyond_its_limit() {
        let mut schedule = schedule();
        schedule.asked_too_often(START);
        assert_eq!(schedule.interval(), Span::from_secs(128));
        for _ in 0..100 {
            schedule.asked_too_often(START);
        }
        assert_eq!(schedule.interval(), RATE_LIMIT);
        assert_eq!(schedule.due(), START + RATE_LIMIT, "still asked");
    }

    #[test]
    fn a_wish_to_be_asked_less_is_not_forgotten_at_the_next_surprise() {
        let mut schedule = schedule();
        schedule.asked_too_often(START);
        schedule.surprised(START);
        assert_eq!(schedule.interval(), Span::from_secs(128));
    }
}

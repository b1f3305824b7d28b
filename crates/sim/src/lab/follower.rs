//! A kernel's clock that follows a method: it runs at the rate of the guesses and never jumps.
//!
//! When a guess changes at an exchange, the clock makes up for the difference at an even pace within a fraction of the
//! interval. What that costs in accuracy is the difference between the two scores of a [trial](super::trial).

/// A correction is slewed within this share of the interval..
const SHARE: f64 = 0.25;

/// ..but in no fewer seconds than this..
const LEAST: f64 = 4.0;

/// ..and no more..
const MOST: f64 = 64.0;

/// ..unless it would then be faster than this rate, which the kernel does not exceed.
const RATE_MAX: f64 = 500e-6;

/// The clock, as its distance from the guess.
#[derive(Clone, Copy, Debug)]
pub struct Follower {
    /// When the last correction began, by the counter.
    since: f64,
    /// By so much the clock was ahead of the guess then, in seconds.
    ahead: f64,
    /// It is made up for within so many seconds.
    within: f64,
}

impl Default for Follower {
    /// On the guess.
    fn default() -> Self {
        Self { since: 0.0, ahead: 0.0, within: LEAST }
    }
}

impl Follower {
    /// What the clock shows, as an offset like a guess's, when the guess is `guess`.
    pub fn shown(&self, at: f64, guess: f64) -> f64 {
        guess + self.ahead * (1.0 - (at - self.since) / self.within).clamp(0.0, 1.0)
    }

    /// A guess turns from `before` to `after` at an exchange; the next one follows after `interval`. The first guess of
    /// all sets the clock.
    pub fn turn(&mut self, at: f64, before: Option<f64>, after: f64, interval: f64) {
        let ahead = before.map_or(0.0, |before| self.shown(at, before) - after);
        let within = (interval * SHARE).clamp(LEAST, MOST).max(ahead.abs() / RATE_MAX);
        *self = Self { since: at, ahead, within };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_never_jumps_and_arrives() {
        let mut clock = Follower::default();
        clock.turn(0.0, None, 1.0, 64.0);
        assert_eq!(clock.shown(0.0, 1.0), 1.0);
        clock.turn(64.0, Some(1.0), 1.001, 64.0);
        assert_eq!(clock.shown(64.0, 1.001), 1.0);
        assert!((clock.shown(72.0, 1.001) - 1.0005).abs() < 1e-12, "half of it in half of 16 s");
        assert_eq!(clock.shown(81.0, 1.001), 1.001);
    }

    #[test]
    fn a_new_correction_begins_where_the_old_one_was_left() {
        let mut clock = Follower::default();
        clock.turn(0.0, None, 0.0, 64.0);
        clock.turn(100.0, Some(0.0), 1e-3, 64.0);
        let shown = clock.shown(104.0, 1e-3);
        clock.turn(104.0, Some(1e-3), 5e-3, 64.0);
        assert!((clock.shown(104.0, 5e-3) - shown).abs() < 1e-15);
    }

    #[test]
    fn large_corrections_take_their_time() {
        let mut clock = Follower::default();
        clock.turn(0.0, None, 0.0, 64.0);
        clock.turn(0.0, Some(0.0), 1.0, 64.0);
        assert!((clock.shown(1000.0, 1.0) - 0.5).abs() < 1e-12, "500 ppm");
    }
}

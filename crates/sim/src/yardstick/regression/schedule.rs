//! When the regression asks again.

/// The number of samples in the register at which the interval stays as it is (the default of `polltarget`).
const TARGET: f64 = 8.0;

/// How much a refused sample raises the score: who gets no good answers asks more rarely.
const REFUSED: f64 = 0.1;

/// Between which powers of two of seconds it may choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Polls {
    /// The binary logarithm of the shortest interval (`minpoll`).
    pub min: i32,
    /// ..and of the longest (`maxpoll`).
    pub max: i32,
}

impl Default for Polls {
    /// 64 to 1024 seconds.
    fn default() -> Self {
        Self { min: 6, max: 10 }
    }
}

/// A poll interval and a score: each whole point above or below the range from 0 to 1 doubles or halves it.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    polls: Polls,
    poll: i32,
    score: f64,
}

impl Schedule {
    pub(super) fn new(polls: Polls) -> Self {
        Self { polls, poll: polls.min, score: 0.0 }
    }

    /// In seconds.
    pub(super) fn interval(&self) -> f64 {
        libm::exp2(f64::from(self.poll))
    }

    /// A sample was taken: more samples kept than the target mean that the clock is steady enough to ask more rarely.
    /// A prediction that missed by more than half the round trip means that it is not, by as many halvings as it missed.
    pub(super) fn kept(&mut self, samples: usize, surprise: f64, distance: f64) {
        let excess = (samples as f64 / TARGET - 1.0) / TARGET;
        self.add(if surprise > distance {
            -libm::log2(surprise / distance)
        } else if excess < 0.0 {
            2.0 * excess
        } else {
            excess
        });
    }

    /// A sample was refused.
    pub(super) fn refused(&mut self) {
        self.add(REFUSED);
    }

    fn add(&mut self, points: f64) {
        self.score += points;
        let steps = libm::floor(self.score);
        self.score -= steps;
        // The cast saturates, and so few halvings are enough to arrive at the shortest.
        self.poll = self.poll.saturating_add(steps as i32);
        if self.poll < self.polls.min {
            (self.poll, self.score) = (self.polls.min, 0.0);
        } else if self.polls.max < self.poll {
            (self.poll, self.score) = (self.polls.max, 1.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_samples_kept_ask_for_longer_intervals() {
        let mut schedule = Schedule::new(Polls::default());
        for _ in 0..5 {
            schedule.kept(64, 0.0, 1.0);
        }
        assert_eq!(schedule.interval(), 1024.0);
        schedule.kept(64, 0.0, 1.0);
        assert_eq!(schedule.interval(), 1024.0);
    }

    #[test]
    fn few_samples_kept_ask_for_shorter_intervals() {
        let mut schedule = Schedule::new(Polls::default());
        for _ in 0..5 {
            schedule.kept(64, 0.0, 1.0);
        }
        for _ in 0..17 {
            schedule.kept(6, 0.0, 1.0);
        }
        assert_eq!(schedule.interval(), 512.0);
    }

    #[test]
    fn a_prediction_that_missed_by_eight_times_the_distance_halves_the_interval_three_times() {
        let mut schedule = Schedule { polls: Polls::default(), poll: 10, score: 0.5 };
        schedule.kept(64, 8.0, 1.0);
        assert_eq!(schedule.interval(), 128.0);
        schedule.kept(64, f64::INFINITY, 1.0);
        assert_eq!(schedule.interval(), 64.0);
    }
}

//! A clock whose rate walks, on a way whose delays are exponential: what the yardsticks are checked on.

use truechimer_sim::chance::Stream;
use truechimer_sim::lab::{Exchange, Method};
use truechimer_sim::yardstick::Told;

/// The shortest delay of each way, in seconds.
pub(crate) const BASE: f64 = 10e-3;

/// One such clock, and a way of 10 ms and jitter, both ways alike.
pub(crate) struct World {
    /// The walk of the rate in one second, seconds per second.
    pub(crate) wander: f64,
    /// The mean of the exponential delay, each way, in seconds.
    pub(crate) jitter: f64,
    /// How long it is watched.
    pub(crate) seconds: usize,
    /// Whose luck it has.
    pub(crate) seed: u64,
}

/// How a run came out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Score {
    /// Root of the mean square of the error, over all seconds but the first tenth.
    pub(crate) rms: f64,
    /// The share of these in which the error was within 1.96 claimed standard deviations.
    pub(crate) covered: f64,
    /// Seconds between exchanges.
    pub(crate) poll: f64,
}

impl World {
    /// One of the first seed.
    pub(crate) fn new(wander: f64, jitter: f64, seconds: usize) -> Self {
        Self { wander, jitter, seconds, seed: 1 }
    }

    /// Truth minus counter at each second.
    fn truth(&self) -> Vec<f64> {
        let mut chance = Stream::new(self.seed, "truth");
        let (mut offset, mut rate) = (0.0, 0.0);
        let mut second = || {
            rate += self.wander * chance.normal();
            offset += rate;
            offset
        };
        (0..self.seconds + 4).map(|_| second()).collect()
    }

    /// What the limit is told of it.
    pub(crate) fn told(&self) -> Told {
        Told { wander: self.wander, base: [BASE; 2], jitter: [self.jitter; 2] }
    }

    /// Runs a method; without a poll interval given it asks when it likes.
    pub(crate) fn run(&self, poll: Option<f64>, method: &mut dyn Method) -> Score {
        let truth = self.truth();
        let mut chance = Stream::new(self.seed, "exchanges");
        let mut coming = self.exchange(&truth, 8.0, &mut chance);
        let (mut heard, mut square, mut within, mut count) = (0, 0.0, 0.0, 0.0);
        for second in 1..=self.seconds {
            while coming.at <= second as f64 {
                method.hear(&coming);
                heard += 1;
                let wait = poll.or(method.wait()).unwrap_or(64.0) * (1.0 + 0.02 * chance.uniform());
                coming = self.exchange(&truth, (coming.at + wait).min(self.seconds as f64), &mut chance);
            }
            if let (Some(guess), true) = (method.guess(second as f64), second > self.seconds / 10) {
                let error = guess.offset - truth[second];
                square += error * error;
                within += f64::from(u8::from(error.abs() < 1.96 * guess.sigma));
                count += 1.0;
            }
        }
        let poll = self.seconds as f64 / f64::from(heard);
        Score { rms: libm::sqrt(square / count), covered: within / count, poll }
    }

    fn exchange(&self, truth: &[f64], at: f64, chance: &mut Stream) -> Exchange {
        let delays = [0, 1].map(|_| BASE + self.jitter * chance.exponential());
        let (second, part) = (at as usize, at - libm::floor(at));
        let offset = truth[second] + part * (truth[second + 1] - truth[second]);
        Exchange {
            at: at + (delays[0] + delays[1]) / 2.0,
            there: delays[0] + offset,
            back: delays[1] - offset,
        }
    }
}

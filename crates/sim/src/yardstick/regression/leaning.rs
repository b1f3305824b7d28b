//! A path of which only one way is ever slow, and what the regression does about it.

use std::collections::VecDeque;

use crate::yardstick::Reading;

/// If the excess of the delay is all on the way there, the offset is off by half of it; on the way back, by minus half.
/// From this share on it is taken for so..
const SHARE_MIN: f64 = 0.45;

/// .. and more than half is not possible.
const SHARE_MAX: f64 = 0.5;

/// So often it has to be seen, without a change of sign, before it is believed.
const SEEN_MIN: i32 = 10;

/// What share of the excess of the delay is in the offset (the `asymmetry` of a source, estimated as by default).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Leaning {
    share: f64,
    /// How often it was seen to lean; negative for the way back.
    seen: i32,
}

impl Leaning {
    /// What is believed now: 0 as long as it is not sure.
    pub(super) fn share(&self) -> f64 {
        if self.seen.abs() < SEEN_MIN { 0.0 } else { self.share }
    }

    /// Looks at all readings again.
    pub(super) fn learn(&mut self, readings: &VecDeque<Reading>, shortest: f64) {
        let share = slope(readings, shortest).unwrap_or(0.0);
        if share * f64::from(self.seen) < 0.0 {
            self.seen = 0;
        }
        if share.abs() >= SHARE_MIN {
            self.seen = (self.seen + share.signum() as i32).clamp(-SEEN_MIN, SEEN_MIN);
        }
        self.share = share.clamp(-SHARE_MAX, SHARE_MAX);
    }
}

/// By how much the offset rises with the delay, when it is explained by time and delay together (least squares).
fn slope(readings: &VecDeque<Reading>, shortest: f64) -> Option<f64> {
    let last = readings.back()?;
    let count = readings.len() as f64;
    let terms =
        |reading: &Reading| [reading.at - last.at, reading.delay - shortest, reading.offset - last.offset];
    let sums = readings.iter().fold([0.0; 3], |sums, reading| {
        let terms = terms(reading);
        [0, 1, 2].map(|k| sums[k] + terms[k])
    });
    let moment = |a: usize, b: usize| {
        let product = |reading: &Reading| {
            let terms = terms(reading);
            (terms[a] - sums[a] / count) * (terms[b] - sums[b] / count)
        };
        readings.iter().map(product).sum::<f64>()
    };
    let (time, delay, both) = (moment(0, 0), moment(1, 1), moment(0, 1));
    let determinant = time * delay - both * both;
    let is_sound = readings.len() > 3 && determinant > 1e-12 * time * delay;
    is_sound.then(|| (time * moment(1, 2) - both * moment(0, 2)) / determinant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Stream;

    fn learned(there: f64, back: f64) -> f64 {
        let mut chance = Stream::new(1, "leaning");
        let mut readings = VecDeque::new();
        let mut leaning = Leaning::default();
        for k in 0..60 {
            let excess = [there * chance.exponential(), back * chance.exponential()];
            let offset = 1e-6 * f64::from(k) + (excess[0] - excess[1]) / 2.0;
            readings.push_back(Reading { at: f64::from(k), offset, delay: 1.0 + excess[0] + excess[1] });
            leaning.learn(&readings, 1.0);
        }
        leaning.share()
    }

    #[test]
    fn one_slow_way_is_half_of_every_excess() {
        assert!((learned(1e-3, 0.0) - 0.5).abs() < 1e-9);
        assert!((learned(0.0, 1e-3) + 0.5).abs() < 1e-9);
    }

    #[test]
    fn two_ways_alike_are_left_alone() {
        assert_eq!(learned(1e-3, 1e-3), 0.0);
    }
}

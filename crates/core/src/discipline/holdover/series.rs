//! The entries of a diary in their places: hour after hour, those of which nothing is known left empty.

use alloc::vec;
use alloc::vec::Vec;

use super::diary::{HOURS_MAX, Hour};

/// What is old counts less: half as much with each two weeks, in hours.
const HALF_LIFE: f64 = 336.0;

/// One number for each hour, as far as it is known.
#[derive(Clone, Debug)]
pub(super) struct Series {
    first: u32,
    values: Vec<Option<f64>>,
}

impl Series {
    /// The rates of the hours, which come in their order.
    pub(super) fn rates(hours: &[Hour]) -> Self {
        Self::of(hours, |hour| Some(hour.rate.as_ratio()))
    }

    /// What `value` says of each hour.
    pub(super) fn of(hours: &[Hour], value: impl Fn(&Hour) -> Option<f64>) -> Self {
        let (Some(first), Some(last)) = (hours.first(), hours.last()) else {
            return Self { first: 0, values: Vec::new() };
        };
        let first = first.number;
        let mut values = vec![None; ((last.number - first) as usize + 1).min(HOURS_MAX)];
        for hour in hours {
            if let Some(place) = values.get_mut((hour.number - first) as usize) {
                *place = value(hour);
            }
        }
        Self { first, values }
    }

    /// From the first hour to the last.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// How many hours are known.
    pub(super) fn known(&self) -> usize {
        self.values.iter().flatten().count()
    }

    /// The mean of what is known.
    pub(super) fn mean(&self) -> Option<f64> {
        let known = self.known();
        (known > 0).then(|| self.values.iter().flatten().sum::<f64>() / known as f64)
    }

    /// The hour at an index.
    pub(super) fn number(&self, index: usize) -> u32 {
        self.first + index as u32
    }

    /// What is known of the hour at an index.
    pub(super) fn value(&self, index: usize) -> Option<f64> {
        self.values.get(index).copied().flatten()
    }

    /// Two known values `lag` hours apart, the earlier first, with the index of the later.
    pub(super) fn pairs(&self, lag: usize) -> impl Iterator<Item = (usize, [f64; 2])> + '_ {
        (lag..self.len())
            .filter_map(move |index| Some((index, [self.value(index - lag)?, self.value(index)?])))
    }

    /// Sums that tell the mean of any stretch.
    pub(super) fn sums(&self) -> Sums {
        let mut sums = vec![(0.0, 0)];
        let (mut sum, mut known) = (0.0, 0);
        for value in &self.values {
            if let Some(value) = value {
                sum += value;
                known += 1;
            }
            sums.push((sum, known));
        }
        Sums { sums }
    }
}

/// The running sums of a series, and how many values are in each.
pub(super) struct Sums {
    sums: Vec<Sum>,
}

impl Sums {
    /// The mean of `length` hours from index `from` on, if nine in ten of them are known.
    pub(super) fn mean(&self, from: usize, length: usize) -> Option<f64> {
        mean(*self.sums.get(from)?, *self.sums.get(from + length)?, length)
    }

    /// The sums at the ends of each stretch of `before` hours and of the `after` hours that follow it, the oldest first.
    pub(super) fn stretches(&self, before: usize, after: usize) -> impl Iterator<Item = [Sum; 3]> {
        let from = |index: usize| self.sums.get(index..).unwrap_or_default();
        let ends = from(before).iter().zip(from(before + after));
        self.sums.iter().zip(ends).map(|(start, (now, end))| [*start, *now, *end])
    }
}

/// A running sum, and how many values are in it.
pub(super) type Sum = (f64, usize);

/// The mean of the `length` hours between two sums, if nine in ten of them are known.
pub(super) fn mean((before, few): Sum, (after, many): Sum, length: usize) -> Option<f64> {
    let known = many - few;
    (known > 0 && 10 * known >= 9 * length).then(|| (after - before) / known as f64)
}

/// How much something counts that is so many hours old.
pub(super) fn weight(age: usize) -> f64 {
    libm::exp2(-(age as f64) / HALF_LIFE)
}

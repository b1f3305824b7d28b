//! An axis: from figures to places, and the figures that are worth a word.

use super::calendar;

/// How figures are spread along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Equal differences are equally long.
    Linear,
    /// Equal ratios are equally long. The axis does not reach zero.
    Log,
    /// Figures are seconds, on either side of zero: equal ratios are equally long beyond a microsecond, and below it equal
    /// differences are.
    Offsets,
    /// Equal differences are equally long, and figures are seconds since 1970-01-01 00:00:00 UTC.
    Dates,
}

/// An axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// What it shows, and in which unit.
    pub label: String,
    scale: Scale,
    min: f64,
    max: f64,
}

impl Axis {
    /// An axis on which equal differences are equally long.
    pub fn linear(label: impl Into<String>, min: f64, max: f64) -> Self {
        assert!(min < max, "an axis has a length");
        Self { label: label.into(), scale: Scale::Linear, min, max }
    }

    /// An axis on which equal ratios are equally long.
    pub fn log(label: impl Into<String>, min: f64, max: f64) -> Self {
        assert!(0.0 < min && min < max, "an axis has a length and does not reach zero");
        Self { label: label.into(), scale: Scale::Log, min, max }
    }

    /// An axis of instants, in seconds since 1970-01-01 00:00:00 UTC, as POSIX counts them.
    pub fn dates(label: impl Into<String>, min: f64, max: f64) -> Self {
        Self { scale: Scale::Dates, ..Self::linear(label, min, max) }
    }

    /// An axis of offsets in seconds, from nanoseconds to years on either side of zero.
    pub fn offsets(label: impl Into<String>, min: f64, max: f64) -> Self {
        Self { scale: Scale::Offsets, ..Self::linear(label, min, max) }
    }

    /// Where a figure is between two ends; one that is off the axis is at its end.
    pub fn place(&self, value: f64, from: f64, to: f64) -> f64 {
        let value = value.clamp(self.min, self.max);
        let share = match self.scale {
            Scale::Linear | Scale::Dates => (value - self.min) / (self.max - self.min),
            Scale::Log => libm::log(value / self.min) / libm::log(self.max / self.min),
            Scale::Offsets => (bent(value) - bent(self.min)) / (bent(self.max) - bent(self.min)),
        };
        from + share * (to - from)
    }

    /// The figures with a word, in ascending order.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        match self.scale {
            Scale::Linear => self.linear_ticks(),
            Scale::Log => self.log_ticks(),
            Scale::Offsets => self.offset_ticks(),
            Scale::Dates => calendar::ticks(self.min, self.max),
        }
    }

    /// Four to ten round figures.
    fn linear_ticks(&self) -> Vec<(f64, String)> {
        let rough = (self.max - self.min) / 8.0;
        let power = libm::floor(libm::log10(rough));
        let unit = libm::pow(10.0, power);
        let step = unit * [1.0, 2.0, 5.0, 10.0].into_iter().find(|step| step * unit >= rough).unwrap_or(10.0);
        let decimals = (-libm::floor(libm::log10(step) + 1e-9)).max(0.0) as usize;
        let first = libm::ceil(self.min / step - 1e-9) as i64;
        let last = libm::floor(self.max / step + 1e-9) as i64;
        (first..=last).map(|i| i as f64 * step).map(|value| (value, format!("{value:.decimals$}"))).collect()
    }

    /// Zero, and round offsets on either side.
    fn offset_ticks(&self) -> Vec<(f64, String)> {
        let behind = OFFSETS.iter().rev().map(|(value, word)| (-value, format!("-{word}")));
        let ahead = OFFSETS.iter().map(|(value, word)| (*value, format!("+{word}")));
        let all = behind.chain([(0.0, "0".to_owned())]).chain(ahead);
        all.filter(|(value, _)| (self.min..=self.max).contains(value)).collect()
    }

    /// The powers of ten, and their doubles and fivefolds if there are few of them.
    fn log_ticks(&self) -> Vec<(f64, String)> {
        let powers = libm::floor(libm::log10(self.min)) as i32..=libm::ceil(libm::log10(self.max)) as i32;
        let steps: &[f64] = if powers.clone().count() <= 4 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let values =
            powers.flat_map(|power| steps.iter().map(move |step| step * libm::pow(10.0, f64::from(power))));
        let within = self.min * (1.0 - 1e-9)..=self.max * (1.0 + 1e-9);
        values.filter(|value| within.contains(value)).map(|value| (value, short(value))).collect()
    }
}

/// Where equal ratios are no longer equally long, in seconds.
const MICRO: f64 = 1e-6;

/// An offset as a length along its axis.
fn bent(value: f64) -> f64 {
    libm::asinh(value / MICRO)
}

/// Offsets that are worth a word, and the word.
const OFFSETS: [(f64, &str); 8] = [
    (1e-6, "1 µs"),
    (1e-4, "100 µs"),
    (1e-2, "10 ms"),
    (1.0, "1 s"),
    (60.0, "1 min"),
    (3600.0, "1 h"),
    (86_400.0, "1 d"),
    (31_556_952.0, "1 a"),
];

fn short(value: f64) -> String {
    let decimals = (-libm::floor(libm::log10(value) + 1e-9)).max(0.0) as usize;
    match decimals {
        0..=2 => format!("{value:.decimals$}"),
        _ => format!("{value:.0e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_have_words_on_either_side_of_zero() {
        let axis = Axis::offsets("ahead", -2e-4, 5.0);
        let words: Vec<String> = axis.ticks().into_iter().map(|(_, word)| word).collect();
        assert_eq!(words, ["-100 µs", "-1 µs", "0", "+1 µs", "+100 µs", "+10 ms", "+1 s"]);
        let places: Vec<f64> = axis.ticks().iter().map(|(value, _)| axis.place(*value, 0.0, 100.0)).collect();
        assert!(places.is_sorted() && places[0] > 0.0 && places[6] < 100.0, "{places:?}");
    }

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_figures() {
        assert_eq!(labels(&Axis::linear("", 0.0, 10.0)), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(labels(&Axis::linear("", -0.2, 0.2)).len(), 9);
        assert_eq!(labels(&Axis::linear("", -0.2, 0.2))[0], "-0.20");
        assert_eq!(labels(&Axis::log("", 1e-5, 1.0)), ["1e-5", "1e-4", "1e-3", "0.01", "0.1", "1"]);
        assert_eq!(labels(&Axis::log("", 50.0, 500.0)), ["50", "100", "200", "500"]);
    }

    #[test]
    fn figures_have_their_place() {
        let axis = Axis::log("", 1.0, 100.0);
        assert!((axis.place(10.0, 0.0, 200.0) - 100.0).abs() < 1e-9);
        assert_eq!(axis.place(1e9, 0.0, 200.0), 200.0);
        assert_eq!(axis.place(0.0, 0.0, 200.0), 0.0);
        assert!((Axis::linear("", -1.0, 1.0).place(0.5, 300.0, 100.0) - 150.0).abs() < 1e-9);
    }
}

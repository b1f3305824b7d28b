//! How far true time went from where it was expected, by how far ahead it was expected.
//!
//! From hours to weeks the diary tells. For each octave of lags, all hours of the diary are taken for the end of the
//! measurements once: the mean rate of the stretch before foretells the time of the stretch after, and
//!
//! ```text
//!   error = (mean rate of m hours after - mean rate of b hours before) · m hours,     b = m / 8, at least 1
//! ```
//!
//! What is known of the daily cycle or of temperature is taken out of the rates first, so that what is told is how
//! wrong a forecast with that knowledge would have been. Below an hour, [`Wagers`] are laid and settled as time
//! passes.

use truechimer_time::{Span, Tai, Time};

use super::Mark;
use super::series::{Series, Sums, mean, weight};

/// The octaves of the diary: 1, 2, 4, .. 512 hours.
pub(super) const LONG: usize = 10;

/// The octaves of the wagers: 64, 128, .. 2048 s.
pub(super) const SHORT: usize = 6;

/// The shortest lag of a wager.
const LAG_MIN: Span = Span::from_secs(64);

/// So many wagers count at most; the older ones are forgotten by and by.
const WAGERS_REMEMBERED: f64 = 512.0;

/// What forecasts so far ahead were worth.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Octave {
    /// How far ahead, in seconds.
    pub(super) lag: f64,
    /// From how long a stretch the rate was taken, in seconds; zero where it was the estimator's of that moment.
    pub(super) base: f64,
    /// On how many forecasts this rests that do not overlap; zero if none could be made.
    pub(super) count: f64,
    /// The mean square of the error without the part that is noise of the measurements, in s².
    pub(super) square: f64,
    /// The largest error, in seconds.
    pub(super) largest: f64,
}

/// What the diary tells, given what is left of the hours' rates when all that could be foretold is taken out, and the
/// standard deviation of the time that the hours were measured with, in seconds.
pub(super) fn long(left: &Series, noise: f64) -> [Octave; LONG] {
    let sums = left.sums();
    core::array::from_fn(|octave| long_octave(&sums, noise, 1 << octave))
}

fn long_octave(sums: &Sums, noise: f64, lag: usize) -> Octave {
    let base = (lag / 8).max(1);
    let (mut weight, younger) = (1.0, 1.0 / weight(1));
    let (mut squares, mut weights, mut forecasts, mut largest) = (0.0, 0.0, 0usize, 0.0f64);
    for [start, now, end] in sums.stretches(base, lag) {
        weight *= younger;
        let (Some(before), Some(after)) = (mean(start, now, base), mean(now, end, lag)) else {
            continue;
        };
        let error = (after - before) * lag as f64 * 3600.0;
        squares += weight * error * error;
        weights += weight;
        forecasts += 1;
        largest = largest.max(libm::fabs(error));
    }
    // The error hangs on the time at three moments: before and after the base, and after the lag.
    let reach = lag as f64 / base as f64;
    let noise = noise * noise * (1.0 + (1.0 + reach) * (1.0 + reach) + reach * reach);
    let square = squares / weights.max(1e-300);
    Octave {
        lag: lag as f64 * 3600.0,
        base: base as f64 * 3600.0,
        count: if forecasts > 0 { 1.0 + (forecasts - 1) as f64 / lag as f64 } else { 0.0 },
        square: (square - noise).max(square / 16.0),
        largest,
    }
}

/// What a forecast of the next minutes said, until they are over, one for each octave.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wagers {
    laid: [Option<Mark>; SHORT],
    octaves: [Octave; SHORT],
}

impl Wagers {
    /// The time was measured: settles what is due, and lays anew. What is known to have bent the line from one instant to
    /// another, in seconds, is told by `bent`.
    pub(super) fn hear(&mut self, mark: &Mark, bent: impl Fn(Time<Tai>, Time<Tai>) -> f64) {
        for (index, (laid, octave)) in self.laid.iter_mut().zip(&mut self.octaves).enumerate() {
            let lag = LAG_MIN * (1 << index);
            match *laid {
                Some(before) if mark.at - before.at < lag => continue,
                Some(before) if mark.at - before.at <= lag + lag.half() => {
                    octave.settle(&before, mark, lag, bent(before.tai, mark.tai));
                }
                Some(_) | None => {}
            }
            *laid = Some(*mark);
        }
    }

    /// The counter was interrupted: nothing that was laid can be settled.
    pub(super) fn cancel(&mut self) {
        self.laid = [None; SHORT];
    }

    /// What they were worth.
    pub(super) fn octaves(&self) -> [Octave; SHORT] {
        self.octaves
    }
}

impl Octave {
    fn settle(&mut self, before: &Mark, mark: &Mark, lag: Span, bent: f64) {
        let error = libm::fabs((mark.tai - before.time_at(mark.at)).as_seconds() - bent);
        let passed = (mark.at - before.at).as_seconds();
        let noise = libm::hypot(libm::hypot(before.noise, mark.noise), before.rate_sigma * passed);
        let square = (error * error - noise * noise).max(0.0);
        self.count = (self.count + 1.0).min(WAGERS_REMEMBERED);
        self.square += (square - self.square) / self.count;
        self.lag = lag.as_seconds();
        // So the largest of the last weeks is remembered, and an outlier of last year is not.
        let fading = 1.0 - 0.5 / WAGERS_REMEMBERED;
        self.largest = (self.largest * fading).max(error - noise);
    }
}

//! How the last samples of a source lie about its estimate: for people who want to know what a source is like.
//!
//! The estimator keeps no samples, and nothing here is ever used to reckon with. What is kept is by how much the middle of
//! each sample was beside the estimate when that had just heard it; the estimate has learned more since, and old samples
//! are not held against it anew.

use alloc::collections::VecDeque;

use truechimer_time::{Raw, Span, Time};

/// So many samples are looked back at.
pub const SAMPLES_MAX: usize = 64;

/// The last samples of one source.
#[derive(Clone, Debug, Default)]
pub struct Residuals {
    kept: VecDeque<Residual>,
}

/// One sample.
#[derive(Clone, Copy, Debug)]
struct Residual {
    at: Time<Raw>,
    /// The time by the sample minus the time by the estimate.
    by: Span,
}

/// What they are like together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// So many samples are looked at, at most [`SAMPLES_MAX`].
    pub samples: u32,
    /// From the first of them to the last.
    pub span: Span,
    /// The root of the mean square of how far their middles were beside the estimate. With a queue on one way that is more
    /// than the estimate errs, which does not follow middles.
    pub deviation: Span,
    /// So often a stretch of samples began that were all on one side of the estimate. Few of them: the source wanders, and
    /// the estimate comes after it.
    pub runs: u32,
}

impl Residuals {
    /// A sample was taken, and lies so far beside the estimate.
    pub fn keep(&mut self, at: Time<Raw>, by: Span) {
        if self.kept.len() == SAMPLES_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back(Residual { at, by });
    }

    /// Nothing that was said counts any more.
    pub fn forget(&mut self) {
        self.kept.clear();
    }

    /// What they are like, if there is any.
    pub fn spread(&self) -> Option<Spread> {
        let (first, last) = (self.kept.front()?, self.kept.back()?);
        let count = self.kept.len();
        let squares =
            self.kept.iter().map(|residual| residual.by.as_seconds()).map(|by| by * by).sum::<f64>();
        let sides = || self.kept.iter().map(|residual| residual.by < Span::ZERO);
        let crossings = sides().zip(sides().skip(1)).filter(|(before, after)| before != after).count();
        Some(Spread {
            samples: count as u32,
            span: last.at - first.at,
            deviation: Span::from_seconds(libm::sqrt(squares / count as f64)),
            runs: crossings as u32 + 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(by: &[i64]) -> Residuals {
        let mut residuals = Residuals::default();
        for (second, by) in by.iter().enumerate() {
            residuals.keep(Time::EPOCH + Span::from_secs(second as i64), Span::from_nanos(*by));
        }
        residuals
    }

    #[test]
    fn nothing_is_said_of_nothing() {
        let mut residuals = kept(&[]);
        assert_eq!(residuals.spread(), None);
        residuals.keep(Time::EPOCH, Span::ZERO);
        residuals.forget();
        assert_eq!(residuals.spread(), None);
    }

    #[test]
    fn runs_are_counted_and_deviations_squared() {
        let spread = kept(&[30, 40, -30, -40, 30]).spread().expect("there are samples");
        assert_eq!((spread.samples, spread.runs, spread.span), (5, 3, Span::from_secs(4)));
        assert_eq!(spread.deviation.as_nanos(), 34, "the root of 1180 ns²");
    }

    #[test]
    fn only_the_last_are_kept() {
        let spread = kept(&[1_000; 3 * SAMPLES_MAX]).spread().expect("there are samples");
        assert_eq!((spread.samples, spread.runs), (SAMPLES_MAX as u32, 1));
        assert_eq!(spread.span, Span::from_secs(SAMPLES_MAX as i64 - 1));
    }
}

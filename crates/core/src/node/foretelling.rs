//! Remembering what the oscillator did, and following the forecast while nobody answers.
//!
//! In holdover the model's line is laid anew along the forecast with each publication: it turns as the day turns, or as
//! the temperature says. What is certain is not touched: the bracket and its limits are those of the last agreement, and
//! the line stays within them.

use alloc::vec::Vec;

use truechimer_time::{Rate, Span};

use super::Node;
use crate::discipline::holdover::{Forecast, Leaning, Mark};
use crate::moment::Moment;
use crate::status::Status;

impl Node {
    /// The model was made anew: the history of the oscillator goes on.
    pub(super) fn remember(&mut self) {
        let Some(model) = self.model else { return };
        let at = model.bracket.at;
        let estimators = self.joint.members().iter().filter_map(|index| self.associations[index].estimator());
        let sigmas = estimators.map(|estimator| estimator.estimate(at).sigma);
        let weight: f64 = sigmas.map(|sigma| 1.0 / (sigma * sigma).max(1e-30)).sum();
        if weight <= 0.0 {
            return;
        }
        let mark = Mark {
            at,
            tai: model.best,
            rate: model.rate.as_ratio(),
            sigma: model.sigma.as_seconds(),
            noise: libm::sqrt(1.0 / weight),
            rate_sigma: model.rate_sigma.as_ratio(),
        };
        self.history.hear(&mark, model.wander.as_ratio());
    }

    /// A temperature sensor was read.
    pub(super) fn warmed(&mut self, now: &Moment, millidegrees: i32) {
        self.history.warm(now.raw, f64::from(millidegrees) / 1000.0);
    }

    /// Lays the line along the forecast, if there is nobody to ask. A slew under way is waited for.
    pub(super) fn follow_forecast(&mut self, now: &Moment) {
        if self.status != Status::Holdover || self.servo.slew_ends().is_some() {
            return;
        }
        let (Some(model), Some(forecast)) = (self.model, self.history.forecast()) else { return };
        let from = forecast.from();
        let passed = now.raw - from.at;
        if passed <= Span::ZERO {
            return;
        }
        let outlook = forecast.after(passed);
        let best = from.tai + passed + Rate::from_ratio(from.rate).over(passed) + outlook.ahead;
        self.model =
            Some(model.laid_through(now.raw, best, outlook.rate).as_vague_as(now.raw, outlook.sigma));
        self.steer_again(now);
    }

    /// How long the likely error, 999 times in 1000, stays within each of these limits if nothing more is measured.
    pub(super) fn likely_to_hold(&self, now: &Moment, limits: &[Span]) -> Vec<(Span, Span)> {
        let forecast = self.history.forecast().filter(|_| self.model_at(now).is_some());
        let holds = |forecast: Forecast| {
            limits.iter().map(|&limit| (limit, forecast.holds_for(now.raw, limit))).collect()
        };
        forecast.map(holds).unwrap_or_default()
    }

    /// What the forecast leans on.
    pub(super) fn leaning(&self) -> Leaning {
        self.history.leaning()
    }
}

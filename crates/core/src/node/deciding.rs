//! From what the sources say to what the clock is told.

use truechimer_time::{Rate, Span, Tai, Time};

use super::report::Publication;
use super::{Action, Node, Steering};
use crate::discipline::bracket::Bracket;
use crate::discipline::model::Model;
use crate::discipline::oscillator::{Contradiction, Likely};
use crate::discipline::select::Agreement;
use crate::discipline::servo::Verdict;
use crate::event::{Event, Update};
use crate::learned::Learned;
use crate::moment::Moment;
use crate::source::{SourceId, SourceSet};
use crate::status::Status;

/// The kernel and the page are told again at least this often: the kernel lets its own maximum error grow by 500 ppm.
const PUBLISH_INTERVAL: Span = Span::from_secs(64);

/// Of half of a path's delay, so much may be asymmetry as far as one standard deviation goes. For weights only.
const ASYMMETRY: f64 = 0.1;

impl Node {
    /// A source has given a sample: votes, makes the model anew, steers the clock.
    pub(super) fn update(&mut self, now: &Moment, source: SourceId) {
        match self.vote(now) {
            Ok(agreement) => {
                self.settle_credits(&agreement, Some(source));
                self.adopt(now, agreement);
            }
            Err(reason) => self.do_without(reason),
        }
        self.reconsider_status(now);
        self.publish_now(now);
    }

    /// A source has failed to answer: is there still a majority?
    pub(super) fn review(&mut self, now: &Moment) {
        match self.vote(now) {
            Ok(agreement) => {
                self.settle_credits(&agreement, None);
                self.select(&agreement);
            }
            Err(reason) => self.do_without(reason),
        }
        self.reconsider_status(now);
    }

    fn adopt(&mut self, now: &Moment, agreement: Agreement) {
        self.select(&agreement);
        if let Err(Contradiction) = self.oscillator.learn(agreement.agreed) {
            // The brackets were carried by limits that are wrong, and so was what has been agreed upon.
            self.oscillator.forget();
            return self.void(now, Event::OscillatorDoubted);
        }
        let Some(model) = self.combine(&agreement) else { return };
        self.model = Some(model);
        self.remember();
        self.oscillator.observe(Likely {
            time: model.best,
            sigma: model.sigma,
            rate: model.rate,
            rate_sigma: model.rate_sigma,
        });
        let reading = model.read(now.raw);
        let was_panicking = self.servo.is_panicking();
        let error = self.local_of(reading.best) - now.local;
        let verdict = self.servo.judge(error, self.measuring_interval());
        self.tell_panic(was_panicking, error);
        self.tell(Event::Updated(Update {
            raw: now.raw,
            tai: reading.best,
            offset: error,
            rate: model.rate,
            sigma: reading.sigma,
            bound: reading.bound(),
            truechimers: self.selected.truechimers,
            falsetickers: self.selected.falsetickers,
            verdict,
        }));
        self.carry_out(now, verdict);
    }

    fn tell_panic(&mut self, was_panicking: bool, error: Span) {
        match (was_panicking, self.servo.is_panicking()) {
            (false, true) => self.tell(Event::Panicked { error }),
            (true, false) => self.tell(Event::Calmed),
            (true, true) | (false, false) => {}
        }
    }

    /// The model that the truechimers make together: each weighs as much as its variance and the possible asymmetry of
    /// its path allow. The preferred ones alone, if there are any among them.
    fn combine(&self, agreement: &Agreement) -> Option<Model> {
        let at = agreement.agreed.at;
        let chosen = self.preferred(self.selected.truechimers);
        let members = chosen.iter().filter_map(|index| {
            let association = &self.associations[index];
            let estimator = association.estimator()?;
            let asymmetry = ASYMMETRY * estimator.delay_min().as_seconds() / 2.0;
            Some((estimator.estimate(at), asymmetry))
        });
        let likely = agreement.agreed.meet(agreement.peak).unwrap_or(agreement.agreed);
        let mut mean = Mean::around(likely.middle());
        for (estimate, asymmetry) in members {
            mean.add(estimate.tai, estimate.sigma, asymmetry);
            mean.add_rate(estimate.rate, estimate.rate_sigma);
        }
        let limits = self.oscillator.limits(at);
        let best = likely.nearest(mean.time()?);
        Some(Model {
            best,
            rate: limits.nearest(Rate::from_ratio(mean.rate()?)),
            bracket: Bracket { at, ..agreement.agreed },
            limits,
            sigma: mean.sigma(),
            rate_sigma: mean.rate_sigma(),
            wander: Rate::from_ratio(self.wander()),
        })
    }

    pub(super) fn preferred(&self, truechimers: SourceSet) -> SourceSet {
        let preferred: SourceSet =
            truechimers.iter().filter(|&index| self.associations[index].policy.prefer).collect();
        if preferred.is_empty() { truechimers } else { preferred }
    }

    /// The shortest interval at which a truechimer is asked.
    pub(super) fn measuring_interval(&self) -> Span {
        let intervals =
            self.selected.truechimers.iter().map(|index| self.associations[index].schedule.interval());
        intervals.min().unwrap_or(Span::ZERO)
    }

    /// Does to the clock what the verdict says.
    pub(super) fn carry_out(&mut self, now: &Moment, verdict: Verdict) {
        let base = self.model.map_or(self.servo.base(), |model| model.rate);
        let rate = self.servo.begin(verdict, base, now.mono);
        if let Verdict::Step { by } = verdict {
            self.abandon_exchanges();
            self.command(Steering::Step(by));
        }
        if rate != self.clock.rate() {
            self.command(Steering::Rate(rate));
        }
    }

    pub(super) fn reconsider_status(&mut self, now: &Moment) {
        let status = match &self.model {
            None if self.status == Status::Disrupted => Status::Disrupted,
            None => Status::Unknown,
            Some(_) if !self.selected.has_majority() || self.is_silent() => Status::Holdover,
            Some(_) if self.servo.is_panicking() || self.misses_target() => Status::Degraded,
            Some(_) => Status::Synchronised,
        };
        self.change_status(now, status);
    }

    /// None of those whom we believe has answered lately.
    fn is_silent(&self) -> bool {
        self.selected.truechimers.iter().all(|index| !self.associations[index].reach.answers_lately())
    }

    fn misses_target(&self) -> bool {
        self.pace.is_some_and(|pace| pace.misses_target())
    }

    pub(super) fn change_status(&mut self, now: &Moment, to: Status) {
        let from = self.status;
        if from != to {
            self.status = to;
            self.tell(Event::StatusChanged { from, to });
            self.publish_now(now);
        }
    }

    /// Lets the kernel and the readers of the page know at the end of this happening.
    pub(super) fn publish_now(&mut self, now: &Moment) {
        self.published_until = now.mono;
    }

    pub(super) fn publish_if_due(&mut self, now: &Moment) {
        if self.published_until <= now.mono {
            self.published_until = now.mono + PUBLISH_INTERVAL;
            self.follow_forecast(now);
            let publication = self.publication(now);
            self.actions.push_back(Action::Publish(publication));
        }
    }

    fn publication(&self, now: &Moment) -> Publication {
        let reading = self.model.map(|model| model.read(now.raw));
        Publication {
            at: *now,
            status: self.status,
            model: self.model,
            offset: reading.map_or(Span::ZERO, |reading| self.local_of(reading.best) - now.local),
            tai_minus_utc: reading.map(|reading| self.leaps.utc_of_tai(reading.best).offset),
            leap: reading.and_then(|reading| self.leap_of_the_day(reading.best)),
        }
    }

    /// How fast the oscillator's rate wanders: the least that a truechimer has made of it, because the noise of a path
    /// only adds to it.
    fn wander(&self) -> f64 {
        let estimators =
            self.selected.truechimers.iter().filter_map(|index| self.associations[index].estimator());
        estimators.map(|estimator| estimator.wander()).fold(f64::INFINITY, f64::min).min(1.0)
    }

    /// What is worth keeping over a restart.
    pub fn learned(&self, now: &Moment) -> Option<Learned> {
        let model = self.model?;
        let reading = model.read(now.raw);
        Some(Learned {
            rate: model.rate,
            rate_error: (model.limits.max - model.rate).max(model.rate - model.limits.min),
            wander: Rate::from_ratio(self.wander()),
            at: reading.best,
            bound: reading.bound(),
            seen: self.oscillator.drift_seen(),
            hours: self.history.hours().to_vec(),
        })
    }
}

/// Means weighted by inverse variances. Times are kept as differences from a reference, so that floats suffice.
struct Mean {
    reference: Time<Tai>,
    time: Weighted,
    rate: Weighted,
}

#[derive(Default)]
struct Weighted {
    sum: f64,
    weight: f64,
}

impl Weighted {
    fn add(&mut self, value: f64, variance: f64) {
        let weight = 1.0 / variance.max(1e-30);
        self.sum += value * weight;
        self.weight += weight;
    }

    fn mean(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }

    fn sigma(&self) -> f64 {
        libm::sqrt(1.0 / self.weight.max(1e-30))
    }
}

impl Mean {
    fn around(reference: Time<Tai>) -> Self {
        Self { reference, time: Weighted::default(), rate: Weighted::default() }
    }

    fn add(&mut self, time: Time<Tai>, sigma: f64, asymmetry: f64) {
        self.time.add((time - self.reference).as_seconds(), sigma * sigma + asymmetry * asymmetry);
    }

    fn add_rate(&mut self, rate: f64, sigma: f64) {
        self.rate.add(rate, sigma * sigma);
    }

    fn time(&self) -> Option<Time<Tai>> {
        self.time.mean().map(|mean| self.reference + Span::from_seconds(mean))
    }

    fn rate(&self) -> Option<f64> {
        self.rate.mean()
    }

    fn sigma(&self) -> Span {
        Span::from_seconds(self.time.sigma())
    }

    fn rate_sigma(&self) -> Rate {
        Rate::from_ratio(self.rate.sigma())
    }
}

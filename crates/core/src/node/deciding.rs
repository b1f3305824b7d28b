//! From what the sources say to what the clock is told.

use truechimer_time::{Rate, Span};

use super::reckoning::Reckoning;
use super::report::Publication;
use super::{Action, Node, Steering};
use crate::discipline::bracket::Bracket;
use crate::discipline::estimator::Estimate;
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

impl Node {
    /// A source has given a sample: votes, makes the model anew, steers the clock.
    pub(super) fn update(&mut self, now: &Moment, source: SourceId) {
        match self.vote(now) {
            Ok(agreement) => {
                self.settle_credits(&agreement, Some(source));
                self.select(&agreement);
                self.adopt(now, agreement, self.selected.truechimers);
            }
            Err(reason) => {
                self.do_without(reason);
                self.go_on_by_pulses(now, source);
            }
        }
        self.tend_bootstrap(now);
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
        self.tend_bootstrap(now);
        self.reconsider_status(now);
    }

    /// A pulse was heard, but nobody says any more which second it is. What a majority said last is still certain, and gets
    /// vaguer; where a pulse goes with it, it does not. No majority is made up: this is holdover all the same.
    fn go_on_by_pulses(&mut self, now: &Moment, source: SourceId) {
        let is_pulse =
            self.associations.get(source.index()).is_some_and(|association| association.is_pulse());
        let Some(model) = self.model.filter(|_| is_pulse) else { return };
        let known = model.bracket.carried_to(now.raw, model.limits);
        let none = SourceSet::default();
        let kept =
            Agreement { agreed: known, peak: known, truechimers: none, falsetickers: none, by_trust: false };
        let refined = kept.refined(&[], &self.pulses(now));
        if !refined.truechimers.is_empty() {
            self.adopt(now, refined, refined.truechimers);
        }
    }

    fn adopt(&mut self, now: &Moment, agreement: Agreement, chosen: SourceSet) {
        if let Err(Contradiction) = self.oscillator.learn(agreement.agreed) {
            // The brackets were carried by limits that are wrong, and so was what has been agreed upon.
            self.oscillator.forget();
            return self.void(now, Event::OscillatorDoubted);
        }
        let Some(model) = self.combine(&agreement, chosen) else { return };
        let before = self.model.replace(model).map(|before| (before, self.reckoning));
        self.reckoning = Reckoning::of(&model, before);
        self.end_bootstrap(now);
        self.remember();
        self.oscillator.observe(Likely {
            time: model.best,
            sigma: model.sigma,
            rate: model.rate,
            rate_sigma: model.rate_sigma,
        });
        let reading = model.read(now.raw);
        let was_panicking = self.servo.is_panicking();
        let error = self.offset_of(reading.best, now.local);
        let verdict = self.servo.judge(error, self.measuring_interval());
        self.tell_panic(was_panicking, error);
        self.tell(Event::Updated(Update {
            raw: now.raw,
            tai: reading.best,
            offset: error,
            rate: model.rate,
            sigma: reading.sigma,
            bound: reading.bound(),
            truechimers: chosen,
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

    /// The model that the truechimers make together, or the preferred ones alone, if there are any among them. What is
    /// likely gives way to what is certain.
    fn combine(&mut self, agreement: &Agreement, chosen: SourceSet) -> Option<Model> {
        let at = agreement.agreed.at;
        let chosen = self.preferred(chosen);
        let Self { joint, associations, .. } = self;
        joint.combine(chosen, |source| associations.get(source)?.estimator());
        let Estimate { tai, rate, sigma, rate_sigma } = joint.estimate(at)?;
        let likely = agreement.agreed.meet(agreement.peak).unwrap_or(agreement.agreed);
        let limits = self.oscillator.limits(at);
        Some(Model {
            best: likely.nearest(tai),
            rate: limits.nearest(Rate::from_ratio(rate)),
            bracket: Bracket { at, ..agreement.agreed },
            limits,
            sigma: Span::from_seconds(sigma),
            rate_sigma: Rate::from_ratio(rate_sigma),
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
        let jump = match verdict {
            Verdict::Hold | Verdict::Slew { .. } | Verdict::Refuse { .. } => None,
            Verdict::Step { by } => Some(Steering::Step(by)),
            Verdict::Mend { by } => Some(Steering::Mend(by)),
        };
        if let Some(jump) = jump {
            self.abandon_exchanges();
            self.command(jump);
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
        let offset = reading.map_or(Span::ZERO, |reading| self.offset_of(reading.best, now.local));
        Publication {
            at: *now,
            status: self.status,
            model: self.model,
            offset,
            tai_minus_utc: reading
                .map(|reading| self.leaps.offset_at_utc(self.leaps.utc_of_tai(reading.best).time)),
            leap: reading.and_then(|_| self.leap_ahead(now.local, offset)),
            is_near_leap: reading.is_some_and(|reading| self.is_near_leap(reading.best)),
        }
    }

    /// How fast the oscillator's rate wanders, per square root of a second.
    fn wander(&self) -> f64 {
        self.joint.wander().unwrap_or(1.0).min(1.0)
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

//! The filter over a fixed set of members: one state for each of some intensities of wander, weighed by evidence.

use alloc::vec::Vec;

use truechimer_time::{Rate, Raw, Time};

use super::state::{DRIFT, ERROR, State};
use super::trail::{Trail, taken};
use crate::discipline::estimator::delay::Normal;
use crate::discipline::estimator::mixture::{Mixture, Opinion};
use crate::discipline::estimator::reference::Reference;
use crate::discipline::estimator::track::Walk;
use crate::discipline::estimator::{Estimate, Step, WANDERS, WANDERS_SQUARED};
use crate::discipline::follower::{Follower, Telling};
use crate::measure::sample::Sample;

/// So many intensities run side by side, half a decade apart.
const HYPOTHESES: usize = 5;

/// Of the log-evidence of the past so much is kept from one exchange to the next.
const MEMORY: f64 = 0.997;

/// A hypothesis that falls so many nats behind the best is seeded anew from that one.
const HOPELESS: f64 = 10.0;

/// A hypothesis that was not tried before begins so many nats behind the best.
const UNTRIED: f64 = 3.0;

/// Hypotheses further behind than this do not speak.
const SILENT: f64 = 8.0;

/// The first so many exchanges of a member tell more about the guess of its bases than about the clock.
const EVIDENCE_FROM: u32 = 3;

/// The bases are known to be half of the shortest delay, give or take this part of it.
const BASE_GUESS: f64 = 0.3;

/// The rate at the beginning of the trails is known from their end, give or take this.
const DRIFT_GUESS: f64 = 1e-5;

/// Exchanges overlap, and are stamped by clocks that are read apart: so far, in seconds, one may be older than the last
/// without harm. What is older has waited for its explanation.
const DISORDER_MAX: f64 = 1.0;

/// So many standard deviations from what its surest member says, the filter has gone astray.
const ASTRAY: f64 = 5.0;

/// Its own standard deviation counts as so much of a distance.
const SIGMA_PART: f64 = 0.5;

/// So many of the first steps of each member are left out, until what comes of the rest has not gone astray. Exchanges
/// that were slow before anything was known of the waits can put walls where there are none; no later one gets past them.
const LEFT_OUT: [usize; 5] = [0, 4, 8, 16, 32];

/// One source, as the filter wants it.
#[derive(Clone, Copy)]
pub(super) struct Voice<'a> {
    /// Which.
    pub(super) source: usize,
    /// What happened to it of late.
    pub(super) trail: &'a Trail,
    /// What is believed of it.
    pub(super) estimator: &'a Follower,
    /// One standard deviation of the error that its path and its upstream cause.
    pub(super) asymmetry: f64,
}

#[derive(Clone, Debug)]
struct Hypothesis {
    state: State,
    /// How likely it is, as a logarithm: 0 for the best.
    score: f64,
}

/// The filter.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    reference: Reference,
    hypotheses: [Hypothesis; HYPOTHESES],
    /// The place of the first hypothesis among all intensities.
    slowest: usize,
    /// What the members say of each intensity by themselves.
    prior: [f64; WANDERS],
    taken: [u32; super::MEMBERS_MAX],
    mixture: Mixture,
}

impl Filter {
    /// Takes in all that is kept of the members, in the order of time, but what would lead astray. `None` if that is
    /// nothing, or makes no sense.
    pub(super) fn replay(voices: &[Voice<'_>]) -> Option<Self> {
        let mut best: Option<(f64, Self)> = None;
        for left_out in LEFT_OUT {
            let Some(filter) = Self::replay_without(left_out, voices) else { continue };
            let astray = filter.astray(voices);
            if best.as_ref().is_none_or(|(least, _)| astray < *least) {
                best = Some((astray, filter));
            }
            if astray < ASTRAY {
                break;
            }
        }
        best.map(|(_, filter)| filter)
    }

    fn replay_without(left_out: usize, voices: &[Voice<'_>]) -> Option<Self> {
        let history = history(left_out, voices);
        let first = history.iter().find_map(|(_, _, step)| taken(step))?;
        let mut filter = Self::begin(voices, first)?;
        let tellings: Vec<Telling> = voices.iter().map(|voice| voice.estimator.telling()).collect();
        for (_, member, step) in history {
            filter.step(member, step, &tellings[member]);
        }
        filter.is_sound().then_some(filter)
    }

    fn begin(voices: &[Voice<'_>], first: &Sample) -> Option<Self> {
        let surest = voices.iter().map(|voice| voice.estimator.estimate(first.at)).min_by(|one, other| {
            one.rate_sigma.partial_cmp(&other.rate_sigma).unwrap_or(core::cmp::Ordering::Equal)
        })?;
        let delay = |voice: &Voice<'_>| voice.estimator.delay_min().as_seconds().max(1e-6);
        let error = first.delay.as_seconds().max(1e-6);
        let mut state = State::new(error, DRIFT_GUESS.max(surest.rate_sigma));
        for voice in voices {
            let delay = delay(voice);
            state.add_path(delay / 2.0, BASE_GUESS * delay, voice.asymmetry);
        }
        let prior = wanders(voices);
        let slowest = index_of_best(&prior).saturating_sub(HYPOTHESES / 2).min(WANDERS - HYPOTHESES);
        let hypothesis = |index: usize| Hypothesis { state: state.clone(), score: prior[slowest + index] };
        let rate = Rate::from_ratio(surest.rate);
        let hypotheses = core::array::from_fn(hypothesis);
        let mixture = mix(&hypotheses, slowest);
        Some(Self {
            reference: Reference { at: first.at, tai: first.middle(), rate },
            hypotheses,
            slowest,
            prior,
            taken: [0; super::MEMBERS_MAX],
            mixture,
        })
    }

    /// Follows what a member's estimator did. Says no if it is too late for that and only a replay helps.
    pub(super) fn follow(&mut self, member: usize, steps: &[Step], telling: &Telling) -> bool {
        let is_late = |sample: &Sample| (sample.at - self.reference.at).as_seconds() < -DISORDER_MAX;
        let is_over = steps.contains(&Step::BeganAnew) || steps.iter().filter_map(taken).any(is_late);
        if is_over {
            return false;
        }
        for step in steps {
            self.step(member, step, telling);
        }
        self.is_sound()
    }

    fn step(&mut self, member: usize, step: &Step, telling: &Telling) {
        match step {
            Step::Took(sample) => self.take(member, sample, telling),
            Step::Changed(change) => {
                self.hypotheses.iter_mut().for_each(|hypothesis| hypothesis.state.doubt(member, change));
            }
            // Among others, a member's difference is not what it is by its own word alone, and they tell it again soon.
            Step::Recalled(difference) => {
                let alone = self.hypotheses.iter_mut().filter(|hypothesis| hypothesis.state.is_alone());
                alone.for_each(|hypothesis| hypothesis.state.impose_difference(member, *difference));
            }
            Step::Dropped(_) | Step::BeganAnew => {}
        }
    }

    fn take(&mut self, member: usize, sample: &Sample, telling: &Telling) {
        let passed = (sample.at - self.reference.at).as_seconds().max(0.0);
        let stamps = self.reference.stamps(sample);
        self.reference = self.reference.anchored(self.reference.at.max(sample.at));
        self.taken[member] = self.taken[member].saturating_add(1);
        let counts = self.taken[member] >= EVIDENCE_FROM;
        for (index, hypothesis) in self.hypotheses.iter_mut().enumerate() {
            let wander = self.slowest + index;
            hypothesis.state.predict(passed, WANDERS_SQUARED[wander]);
            let log_evidence = hypothesis.state.hear(member, stamps, telling);
            if counts {
                let faded = MEMORY * hypothesis.score + (1.0 - MEMORY) * self.prior[wander];
                hypothesis.score = faded + log_evidence;
            }
        }
        self.weigh();
        self.turn();
    }

    /// Measures all hypotheses by the best, seeds the hopeless anew, and moves the window with the best.
    fn weigh(&mut self) {
        let best = index_of_best(&self.hypotheses.each_ref().map(|hypothesis| hypothesis.score));
        let Hypothesis { state, score } = self.hypotheses[best].clone();
        for hypothesis in &mut self.hypotheses {
            hypothesis.score -= score;
            if hypothesis.score < -HOPELESS {
                *hypothesis = Hypothesis { state: state.clone(), score: -HOPELESS };
            }
        }
        let untried = Hypothesis { state, score: -UNTRIED };
        if best == 0 && self.slowest > 0 {
            self.slowest -= 1;
            self.hypotheses.rotate_right(1);
            self.hypotheses[0] = untried;
        } else if best == HYPOTHESES - 1 && self.slowest + HYPOTHESES < WANDERS {
            self.slowest += 1;
            self.hypotheses.rotate_left(1);
            self.hypotheses[HYPOTHESES - 1] = untried;
        }
    }

    /// Lets the reference follow the estimate.
    fn turn(&mut self) {
        let said = mix(&self.hypotheses, self.slowest);
        let (error, drift) = self.reference.turn(said.error, said.drift);
        for hypothesis in &mut self.hypotheses {
            hypothesis.state.shift(error, drift);
        }
        self.mixture = said.shifted(error, drift);
    }

    /// How many exchanges have been taken in.
    pub(super) fn taken(&self) -> u32 {
        self.taken.iter().fold(0, |sum, &taken| sum.saturating_add(taken))
    }

    /// Is it elsewhere than its surest member is by itself, or much less sure?
    pub(super) fn is_astray(&self, voices: &[Voice<'_>]) -> bool {
        self.astray(voices) >= ASTRAY
    }

    /// How far it is from what its surest member says by itself, or how unsure if that is more, in standard deviations of
    /// that member.
    fn astray(&self, voices: &[Voice<'_>]) -> f64 {
        let at = self.reference.at;
        let said = |voice: &Voice<'_>| {
            let estimate = voice.estimator.estimate(at);
            (libm::hypot(estimate.sigma, voice.asymmetry), estimate.tai)
        };
        let surest = voices.iter().map(said).min_by(|one, other| f64::total_cmp(&one.0, &other.0));
        let ours = self.estimate(at);
        surest.map_or(0.0, |(sigma, tai)| {
            (ours.tai - tai).as_seconds().abs().max(SIGMA_PART * ours.sigma) / sigma
        })
    }

    fn is_sound(&self) -> bool {
        self.mixture.is_sound()
    }

    /// How fast the rate wanders, per square root of a second.
    pub(super) fn wander(&self) -> f64 {
        self.mixture.wander()
    }

    /// What the variance of the time, in s², would be if the difference of the bases of every member were known.
    pub(super) fn variance_by_differences(&self) -> f64 {
        let best = index_of_best(&self.hypotheses.each_ref().map(|hypothesis| hypothesis.score));
        let mut state = self.hypotheses[best].state.clone();
        for member in 0..state.members() {
            state.impose_difference(member, Normal { mean: 0.0, variance: 0.0 });
        }
        state.covariance[ERROR][ERROR]
    }

    /// The estimate at a reading of the counter, later or (with less right) earlier.
    pub(super) fn estimate(&self, at: Time<Raw>) -> Estimate {
        self.mixture.estimate(&self.reference, at)
    }
}

/// What the hypotheses say together.
fn mix(hypotheses: &[Hypothesis], slowest: usize) -> Mixture {
    let opinion = |(hypothesis, &wander_squared): (&Hypothesis, &f64)| {
        let Hypothesis { state, score } = hypothesis;
        let p = &state.covariance;
        (*score > -SILENT).then(|| Opinion {
            weight: libm::exp(*score),
            error: state.mean[ERROR],
            drift: state.mean[DRIFT],
            covariance: Walk { error: p[ERROR][ERROR], both: p[ERROR][DRIFT], drift: p[DRIFT][DRIFT] },
            wander_squared,
        })
    };
    Mixture::of(|| hypotheses.iter().zip(&WANDERS_SQUARED[slowest..]).filter_map(opinion))
}

/// All steps of all members but so many of the first, in the order of time. What is no exchange goes before the next
/// exchange of its member.
fn history<'a>(left_out: usize, voices: &[Voice<'a>]) -> Vec<(Option<Time<Raw>>, usize, &'a Step)> {
    let mut history = Vec::new();
    for (member, voice) in voices.iter().enumerate() {
        let mut at = None;
        let newest_first = voice.trail.iter().skip(left_out).rev().map(|step| {
            at = taken(step).map(|sample| sample.at).or(at);
            (at, member, step)
        });
        let mut steps: Vec<_> = newest_first.collect();
        steps.reverse();
        history.extend(steps);
    }
    // Those behind the last exchange of their member come last.
    history.sort_by_key(|&(at, _, _)| (at.is_none(), at));
    history
}

/// How likely each intensity is by the mean of what the members say: they speak of one oscillator, but not of different
/// times.
fn wanders(voices: &[Voice<'_>]) -> [f64; WANDERS] {
    let mut sums = [0.0; WANDERS];
    for voice in voices {
        for (sum, said) in sums.iter_mut().zip(voice.estimator.wander_posterior()) {
            *sum += said.max(-HOPELESS) / voices.len() as f64;
        }
    }
    sums
}

fn index_of_best(scores: &[f64]) -> usize {
    let mut best = 0;
    for (index, score) in scores.iter().enumerate() {
        if *score > scores[best] {
            best = index;
        }
    }
    best
}

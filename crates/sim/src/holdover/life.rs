//! One machine: measured by one source every 64 s for days, and left alone for a month.

use truechimer_core::discipline::bracket::Bracket;
use truechimer_core::discipline::estimator::Estimator;
use truechimer_core::discipline::holdover::{History, Mark};
use truechimer_core::discipline::model::Model;
use truechimer_core::discipline::oscillator::{Likely, Oscillator as Certain};
use truechimer_core::measure::sample::{ROUNDING, Sample};
use truechimer_core::policy::TrustPolicy;
use truechimer_time::{Rate, Raw, Span, Tai, Time};

use super::LOOKS;
use super::case::{Air, Case};
use crate::chance::Stream;
use crate::lab::{Exchange, Method};
use crate::oscillator::{Oscillator, OscillatorSpec};
use crate::yardstick::{Polls, Regression};

/// A Tuesday in 2026.
const START: Time<Tai> = Time::from_epoch(Span::from_secs(1_790_000_000));

/// The source is asked so often.
const INTERVAL: Span = Span::from_secs(64);

/// The shortest delay of one way.
const BASE: f64 = 10e-3;

/// The sensor is read so often.
const READING: Span = Span::from_secs(64);

/// The bound is looked at so often after the cut, besides the looks of the table.
const BOUND_LOOKS: Span = Span::from_secs(6 * 3600);

/// The part of a turn of which no small multiple comes near another.
const GOLDEN_TURN: f64 = 0.618_033_988_749_895;

/// What is to be lived.
#[derive(Clone, Debug)]
pub(super) struct Story {
    pub(super) case: Case,
    pub(super) days: i64,
    pub(super) seed: u64,
}

/// What came of a life.
#[derive(Clone, Debug)]
pub(super) struct Life {
    /// At each of [`LOOKS`] after the cut.
    pub(super) looks: Vec<Look>,
    /// How often the bound was held against the truth, and how often it was false.
    pub(super) bounds_seen: u64,
    pub(super) bounds_false: u64,
}

/// Errors (truth minus what was said) and claims at one moment, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Look {
    pub(super) ours: f64,
    pub(super) line: f64,
    pub(super) regression: f64,
    pub(super) sigma: f64,
    pub(super) p999: f64,
    pub(super) bound: f64,
}

impl Story {
    /// Lives it.
    pub(super) fn live(&self) -> Life {
        let mut machine = Machine::new(self);
        let mut keeper = Keeper::new();
        let mut chance = Stream::new(self.seed, "path");
        let cut = START + Span::from_secs(86_400 * self.days);
        let mut asked = START + Span::from_secs(8);
        while asked < cut {
            machine.run(asked, &mut keeper);
            let sample = machine.ask(&mut chance, &mut keeper);
            keeper.hear(&sample);
            asked += INTERVAL + Span::from_seconds(1.28 * chance.uniform());
        }
        self.after_the_cut(&mut machine, &mut keeper)
    }

    fn after_the_cut(&self, machine: &mut Machine, keeper: &mut Keeper) -> Life {
        machine.is_cut = true;
        let cut = machine.now;
        let mut life = Life { looks: Vec::new(), bounds_seen: 0, bounds_false: 0 };
        for (after, _) in LOOKS {
            let end = cut + Span::from_secs(after);
            while machine.now < end {
                machine.run(end.min(machine.now + BOUND_LOOKS), keeper);
                life.bounds_seen += 1;
                life.bounds_false += u64::from(!keeper.is_bounded(machine));
            }
            life.looks.push(keeper.look(machine));
        }
        life
    }
}

/// A counter, and the air around it.
struct Machine {
    counter: Oscillator,
    air: Option<Air>,
    ppm_per_degree: f64,
    step: Rate,
    is_cut: bool,
    now: Time<Tai>,
    /// What temperature and the step at the cut have done to the counter.
    lost: Span,
    jitter: f64,
}

/// Its oscillator, which is somewhere in its day when the measurements begin, and so when they end: at another hour in each
/// life, evenly spread.
fn at_any_hour(case: &Case, seed: u64) -> OscillatorSpec {
    let mut oscillator = case.oscillator.clone();
    for sine in &mut oscillator.sines {
        sine.turn += seed as f64 * GOLDEN_TURN;
    }
    oscillator
}

impl Machine {
    fn new(story: &Story) -> Self {
        let case = &story.case;
        let chance = Stream::new(story.seed, "oscillator");
        let air = (case.ppm_per_degree != 0.0).then(|| Air::new(chance.branch("air")));
        Self {
            counter: Oscillator::new(at_any_hour(case, story.seed), START, Time::EPOCH, chance),
            air,
            ppm_per_degree: case.ppm_per_degree,
            step: Rate::from_ppm(case.step_ppm),
            is_cut: false,
            now: START,
            lost: Span::ZERO,
            jitter: case.jitter,
        }
    }

    fn raw(&self) -> Time<Raw> {
        self.counter.raw() - self.lost
    }

    /// Time passes; the sensor is read meanwhile.
    fn run(&mut self, until: Time<Tai>, keeper: &mut Keeper) {
        if self.air.is_none() {
            return self.stride(until);
        }
        while self.now < until {
            self.stride(until.min(self.now + READING));
            if let Some(air) = &self.air {
                keeper.history.warm(self.raw(), air.shown());
            }
        }
    }

    fn stride(&mut self, until: Time<Tai>) {
        let passed = until - self.now;
        if let Some(air) = &mut self.air {
            let before = air.warmer();
            air.pass(passed);
            let warmer = (before + air.warmer()) / 2.0;
            self.lost += Rate::from_ppm(self.ppm_per_degree * warmer).over(passed);
        }
        if self.is_cut {
            self.lost += self.step.over(passed);
        }
        self.counter.run(until);
        self.now = until;
    }

    /// A question and its answer, heard when this returns.
    fn ask(&mut self, chance: &mut Stream, keeper: &mut Keeper) -> Sample {
        let mut way = || Span::from_seconds(BASE + self.jitter * chance.exponential());
        let (there, back) = (way(), way());
        let sent = self.raw();
        let received = self.now + there;
        self.run(received + back, keeper);
        let at = self.raw();
        let waited = at - sent;
        let fastest = TrustPolicy::default().max_rate;
        Sample {
            sent,
            received,
            transmitted: received,
            at,
            earliest: received - ROUNDING,
            latest: received + waited + fastest.over(waited) + ROUNDING,
            delay: waited,
            distance: ROUNDING,
        }
    }
}

/// All that is known on the machine, as a node with one source would know it.
struct Keeper {
    certain: Certain,
    bracket: Option<Bracket>,
    estimator: Option<Estimator>,
    model: Option<Model>,
    history: History,
    regression: Regression,
}

impl Keeper {
    fn new() -> Self {
        Self {
            certain: Certain::new(&TrustPolicy::default(), None),
            bracket: None,
            estimator: None,
            model: None,
            history: History::new([], 1e-9),
            regression: Regression::new(Polls { min: 6, max: 6 }),
        }
    }

    fn hear(&mut self, sample: &Sample) {
        let limits = self.certain.limits(sample.at);
        let carried = self.bracket.map(|bracket| bracket.carried_to(sample.at, limits));
        let bracket = carried.map_or(sample.bracket(), |old| {
            old.meet(sample.bracket()).expect("an honest source and an oscillator within the assumptions")
        });
        self.bracket = Some(bracket);
        self.certain.learn(bracket).expect("an oscillator within the assumptions");
        match &mut self.estimator {
            Some(estimator) => _ = estimator.hear(sample),
            None => self.estimator = Some(Estimator::new(sample, limits)),
        }
        self.regression.hear(&exchange(sample));
        self.adopt(bracket);
    }

    fn adopt(&mut self, bracket: Bracket) {
        let Some(estimator) = &self.estimator else { return };
        let estimate = estimator.estimate(bracket.at);
        let limits = self.certain.limits(bracket.at);
        let model = Model {
            best: bracket.nearest(estimate.tai),
            rate: limits.nearest(Rate::from_ratio(estimate.rate)),
            bracket,
            limits,
            sigma: Span::from_seconds(estimate.sigma),
            rate_sigma: Rate::from_ratio(estimate.rate_sigma),
            wander: Rate::from_ratio(estimator.wander()),
        };
        let Model { best: time, sigma, rate, rate_sigma, .. } = model;
        self.certain.observe(Likely { time, sigma, rate, rate_sigma });
        let mark = Mark {
            at: bracket.at,
            tai: model.best,
            rate: model.rate.as_ratio(),
            sigma: estimate.sigma,
            noise: estimate.sigma,
            rate_sigma: estimate.rate_sigma,
        };
        self.history.hear(&mark, estimator.wander());
        self.model = Some(model);
    }

    fn model(&self) -> Model {
        self.model.expect("measured for days")
    }

    fn is_bounded(&self, machine: &Machine) -> bool {
        let reading = self.model().read(machine.raw());
        (reading.earliest..=reading.latest).contains(&machine.now)
    }

    fn look(&mut self, machine: &Machine) -> Look {
        let (model, raw) = (self.model(), machine.raw());
        let passed = raw - model.bracket.at;
        let line = model.best + passed + model.rate.over(passed);
        let outlook = self.history.forecast().expect("measured for days").after(passed);
        let guess = self.regression.guess((raw - Time::EPOCH).as_seconds()).expect("measured for days");
        let by_regression = START + (raw - Time::EPOCH) + Span::from_seconds(guess.offset);
        Look {
            ours: (machine.now - line - outlook.ahead).as_seconds(),
            line: (machine.now - line).as_seconds(),
            regression: (machine.now - by_regression).as_seconds(),
            sigma: outlook.sigma.as_seconds(),
            p999: outlook.p999.as_seconds(),
            bound: model.read(raw).bound().as_seconds(),
        }
    }
}

/// The sample as the laboratory's other methods hear it.
fn exchange(sample: &Sample) -> Exchange {
    let counter = |raw: Time<Raw>| raw - Time::EPOCH;
    let truth = |tai: Time<Tai>| tai - START;
    Exchange {
        at: counter(sample.at).as_seconds(),
        there: (truth(sample.received) - counter(sample.sent)).as_seconds(),
        back: (counter(sample.at) - truth(sample.transmitted)).as_seconds(),
    }
}

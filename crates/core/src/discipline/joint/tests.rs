//! The joint filter on paths whose truth is known.

use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use std::vec;
use truechimer_time::{Rate, Span};

use super::*;
use crate::discipline::follower::Follower;
use crate::discipline::oscillator::RateLimits;
use crate::measure::sample::Sample;

/// One path: the base delay of both ways together, how much longer the way there is, and the mean wait of each way.
#[derive(Clone, Copy)]
struct Road {
    delay: f64,
    longer: f64,
    wait: f64,
}

const fn road(delay: f64, wait: f64) -> Road {
    Road { delay, longer: 0.0, wait }
}

/// RTT 5, 15, 30, 60 ms.
const ROADS: [Road; 4] = [road(5e-3, 5e-5), road(1.5e-2, 1.5e-4), road(3e-2, 3e-4), road(6e-2, 1e-3)];

/// The interval of questions to each source, in seconds.
const POLL: f64 = 64.0;

/// A clock whose rate walks at random, some sources, their estimators and the joint filter.
struct Lab {
    chance: ChaCha8Rng,
    roads: Vec<Road>,
    estimators: Vec<Option<Follower>>,
    joint: Joint,
    wander: f64,
    /// The interval of questions to each source, in seconds.
    poll: f64,
    /// True seconds since the beginning, by how much the counter is ahead of them, and how fast it gains.
    now: f64,
    ahead: f64,
    gains: f64,
}

impl Lab {
    fn new(roads: &[Road], seed: u8) -> Self {
        Self {
            chance: ChaCha8Rng::from_seed([seed; 32]),
            roads: roads.to_vec(),
            estimators: vec![None; roads.len()],
            joint: Joint::new(roads.len()),
            wander: 1e-9,
            poll: POLL,
            now: 0.0,
            ahead: 0.0,
            gains: 20e-6,
        }
    }

    fn uniform(&mut self) -> f64 {
        (self.chance.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn exponential(&mut self) -> f64 {
        -libm::log(1.0 - self.uniform())
    }

    /// Sum of twelve, near enough.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    /// Time passes, in steps short enough for the walk.
    fn pass(&mut self, seconds: f64) {
        self.ahead += self.gains * seconds;
        let (one, other) = (self.normal(), self.normal());
        let root = libm::sqrt(seconds) * self.wander;
        self.ahead += root * seconds * (0.5 * one + other / libm::sqrt(12.0));
        self.gains += root * one;
        self.now += seconds;
    }

    fn raw(&self, after: f64) -> Time<Raw> {
        let counted = self.now + after + self.ahead + self.gains * after;
        Time::EPOCH + Span::from_secs(1000) + Span::from_seconds(counted)
    }

    fn exchange(&mut self, source: usize) -> Sample {
        let Road { delay, longer, wait } = self.roads[source];
        let there = 0.5 * (delay + longer) + wait * self.exponential();
        let back = 0.5 * (delay - longer) + wait * self.exponential();
        let tai = |seconds: f64| Time::EPOCH + Span::from_seconds(seconds);
        let (sent, at) = (self.raw(0.0), self.raw(there + back));
        let received = tai(self.now + there);
        let waited = at - sent;
        Sample {
            sent,
            received,
            transmitted: received,
            at,
            earliest: received,
            latest: received + waited + Rate::from_ppb(500_000).over(waited),
            delay: waited,
            distance: Span::ZERO,
        }
    }

    fn ask(&mut self, source: usize) {
        let sample = self.exchange(source);
        let limits = RateLimits::around(Rate::ZERO, Rate::from_ppb(500_000));
        let estimator = &mut self.estimators[source];
        match estimator {
            Some(estimator) => drop(estimator.hear(&sample)),
            None => *estimator = Some(Follower::new(false, &sample, limits)),
        }
        if let Some(estimator) = estimator {
            self.joint.hear(source, estimator);
        }
    }

    /// By how much an estimate is ahead of the truth now.
    fn error(&self, estimate: &Estimate) -> f64 {
        (estimate.tai - (Time::EPOCH + Span::from_seconds(self.now))).as_seconds()
    }

    /// All sources are asked in turn for so many polls, `members` are combined, and errors are told to `hear` halfway
    /// between questions: of the joint estimate, and of each source alone.
    fn run(&mut self, polls: usize, members: &[usize], mut hear: impl FnMut(&Self, Estimate)) {
        let members: SourceSet = members.iter().copied().collect();
        for _ in 0..polls {
            for source in 0..self.roads.len() {
                self.ask(source);
                let estimators = &self.estimators;
                self.joint.combine(members, |source| estimators[source].as_ref());
                self.pass(self.poll / self.roads.len() as f64);
                if let Some(estimate) = self.joint.estimate(self.raw(0.0)) {
                    hear(self, estimate);
                }
            }
        }
    }

    fn alone(&self, source: usize) -> Estimate {
        self.estimators[source].as_ref().expect("it was asked").estimate(self.raw(0.0))
    }
}

#[derive(Default)]
struct Rms {
    squares: f64,
    count: f64,
}

impl Rms {
    fn add(&mut self, error: f64) {
        self.squares += error * error;
        self.count += 1.0;
    }

    fn value(&self) -> f64 {
        libm::sqrt(self.squares / self.count)
    }
}

#[test]
fn four_sources_together_are_better_than_the_best_of_them() {
    let (mut together, mut alone, mut outside) = (Rms::default(), Rms::default(), 0.0);
    for seed in 0..3 {
        let mut lab = Lab::new(&ROADS, seed);
        lab.run(100, &[0, 1, 2, 3], |_, _| {});
        lab.run(700, &[0, 1, 2, 3], |lab, estimate| {
            together.add(lab.error(&estimate));
            alone.add(lab.error(&lab.alone(0)));
            outside += f64::from(lab.error(&estimate).abs() > 2.0 * estimate.sigma);
        });
    }
    assert!(together.value() < 6.5e-6, "{}", together.value());
    assert!(together.value() < 0.95 * alone.value(), "{} {}", together.value(), alone.value());
    assert_eq!(outside, 0.0, "sigma covers the asymmetry that there might be");
}

#[test]
fn a_path_alone_keeps_the_doubt_about_its_asymmetry_and_independent_ones_share_it() {
    let sigma = |members: &[usize]| {
        let mut lab = Lab::new(&[road(2e-2, 1e-4); 4], 1);
        let mut last = 0.0;
        lab.run(60, members, |_, estimate| last = estimate.sigma);
        last
    };
    let (one, four) = (sigma(&[0]), sigma(&[0, 1, 2, 3]));
    assert!((one - 1e-3).abs() < 5e-5, "a tenth of half of 20 ms: {one}");
    assert!((four - 5e-4).abs() < 5e-5, "half of that: {four}");
}

#[test]
fn the_weight_of_a_source_is_what_its_path_can_hide() {
    let mut roads = ROADS;
    roads[3].longer = 6e-3;
    let mut lab = Lab::new(&roads, 2);
    let mut last = 0.0;
    lab.run(100, &[0, 3], |lab, estimate| last = lab.error(&estimate));
    // Variances of 0.25 and 3 ms squared, and the second is 3 ms off.
    let expected = 3e-3 / (1.0 + 12.0 * 12.0);
    assert!((last.abs() - expected).abs() < 1e-5, "{last}");
}

#[test]
fn beginning_anew_from_what_is_kept_changes_little() {
    let mut lab = Lab::new(&ROADS, 3);
    lab.run(200, &[0, 1, 2, 3], |_, _| {});
    let before = lab.joint.estimate(lab.raw(0.0)).expect("an estimate");
    lab.joint.filter = None;
    let estimators = &lab.estimators;
    lab.joint.combine((0..4).collect(), |source| estimators[source].as_ref());
    let after = lab.joint.estimate(lab.raw(0.0)).expect("an estimate");
    assert!((before.tai - after.tai).abs() < Span::from_micros(20), "{}", before.tai - after.tai);
    assert!((after.sigma / before.sigma - 1.0).abs() < 0.1, "{} {}", after.sigma, before.sigma);
}

#[test]
fn a_route_that_changes_moves_nobody() {
    let mut lab = Lab::new(&ROADS, 4);
    let mut rms = Rms::default();
    lab.run(100, &[0, 1, 2, 3], |_, _| {});
    for change in [5e-3, -3e-3] {
        lab.roads[0].delay += change;
        lab.roads[0].longer += change;
        lab.run(100, &[0, 1, 2, 3], |lab, estimate| rms.add(lab.error(&estimate)));
    }
    assert!(rms.value() < 5e-5, "{}", rms.value());
}

#[test]
fn members_come_and_go() {
    let mut lab = Lab::new(&ROADS, 5);
    let sets: [&[usize]; 6] = [&[], &[2], &[0, 2], &[0, 1, 2, 3], &[1, 3], &[]];
    for members in sets {
        let mut said = 0;
        lab.run(20, members, |lab, estimate| {
            said += 1;
            let error = lab.error(&estimate);
            assert!(error.abs() < 4.0 * estimate.sigma, "{error} {estimate:?} of {members:?}");
        });
        assert_eq!(said > 0, !members.is_empty());
        assert_eq!(lab.joint.members(), members.iter().copied().collect());
    }
}

#[test]
fn of_too_many_the_nearest_are_combined_and_stay() {
    let roads: Vec<Road> = (1..=12).rev().map(|step| road(f64::from(step) * 5e-3, 1e-4)).collect();
    let mut lab = Lab::new(&roads, 6);
    let all: Vec<usize> = (0..12).collect();
    lab.run(5, &all, |_, _| {});
    assert_eq!(lab.joint.members().len(), MEMBERS_MAX);
    let members = lab.joint.members();
    lab.run(40, &all, |lab, _| assert_eq!(lab.joint.members(), members));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the stamps, the estimate is a number, or there is none.
    #[test]
    fn no_stamps_make_nonsense(
        exchanges in proptest::collection::vec((0usize..3, 1e-3f64..1e5, -1e3f64..1e3, 0.0f64..3.0), 1..60)
    ) {
        let mut lab = Lab::new(&ROADS[..3], 7);
        for (source, passed, error, wait) in exchanges {
            lab.roads[source] = Road { delay: wait, longer: error, wait: 1e-4 };
            lab.ask(source);
            let estimators = &lab.estimators;
            lab.joint.combine((0..3).collect(), |source| estimators[source].as_ref());
            lab.pass(passed);
            if let Some(Estimate { rate, sigma, rate_sigma, .. }) = lab.joint.estimate(lab.raw(0.0)) {
                prop_assert!(rate.is_finite() && sigma.is_finite() && rate_sigma.is_finite());
                prop_assert!(sigma > 0.0 && rate_sigma > 0.0);
            }
        }
    }
}

/// Exchanges that were slow on one way, before anything was known of the waits, are no walls for ever: what comes of them
/// is held against what the source's own estimator says.
#[test]
fn a_slow_beginning_does_not_lead_astray() {
    let usual = road(2e-4, 2e-5);
    for (slow, late) in [(2, 1e-3), (4, 3e-4), (8, 3e-4), (8, 1e-3)] {
        for seed in 0..20 {
            let mut lab = Lab { poll: 16.0, ..Lab::new(&[usual], seed) };
            for _ in 0..slow {
                let late = if lab.uniform() < 0.5 { late } else { 0.5 * late };
                lab.roads = vec![Road { delay: usual.delay + late, longer: -late, ..usual }];
                lab.run(1, &[0], |_, _| {});
            }
            lab.roads = vec![usual];
            lab.run(300, &[0], |_, _| {});
            lab.run(20, &[0], |lab, estimate| {
                let (ours, alone) = (lab.error(&estimate).abs(), lab.error(&lab.alone(0)).abs());
                assert!(ours < 2.0 * alone + 5e-5, "{slow} {late} {seed}: {ours}, alone {alone}");
            });
        }
    }
}

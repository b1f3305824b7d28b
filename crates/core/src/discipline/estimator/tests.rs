use super::*;
use crate::discipline::oscillator::RateLimits;
use proptest::prelude::*;
use truechimer_time::Rate;

/// A world with a server that is right, a counter to which true time runs `rate` fast, and delays without end.
struct World {
    rate: f64,
    raw: Time<Raw>,
    tai: Time<Tai>,
    chance: u64,
}

impl World {
    fn new(rate: f64) -> Self {
        Self { rate, raw: Time::EPOCH, tai: Time::EPOCH, chance: 1 }
    }

    /// Between 0 and 1, and never the same again.
    fn uniform(&mut self) -> f64 {
        self.chance =
            self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.chance >> 11) as f64 + 0.5) / 9_007_199_254_740_992.0
    }

    /// Exponential, with so many microseconds on average.
    fn wait(&mut self, micros: f64) -> f64 {
        -micros * libm::log(self.uniform())
    }

    fn truth(&self, seconds: f64) -> Time<Tai> {
        self.tai + Span::from_seconds(seconds) + Span::from_seconds(seconds * self.rate)
    }

    fn at(&self, seconds: f64) -> Time<Raw> {
        self.raw + Span::from_seconds(seconds)
    }

    /// An exchange whose answer came so many seconds after the beginning; the ways took so many microseconds.
    fn exchange(&self, seconds: f64, there: f64, back: f64) -> Sample {
        let true_span = |micros: f64| Span::from_seconds(micros * 1e-6);
        let received = self.truth(seconds) - true_span(back);
        let sent = self.at(seconds) - Span::from_seconds((there + back) * 1e-6 / (1.0 + self.rate));
        Sample {
            sent,
            received,
            transmitted: received,
            at: self.at(seconds),
            earliest: received,
            latest: received + true_span(there + back),
            delay: true_span(there + back),
            distance: Span::ZERO,
        }
    }

    /// A usual one: both bases 10 ms, both waits 100 µs.
    fn usual(&mut self, seconds: f64) -> Sample {
        let (there, back) = (self.wait(100.0), self.wait(100.0));
        self.exchange(seconds, 10_000.0 + there, 10_000.0 + back)
    }

    /// How wrong an estimate is, in seconds.
    fn error(&self, estimator: &Estimator, seconds: f64) -> f64 {
        (estimator.estimate(self.at(seconds)).tai - self.truth(seconds)).as_seconds()
    }
}

const MINUTE: f64 = 60.0;

fn limits() -> RateLimits {
    RateLimits::around(Rate::ZERO, Rate::from_ppb(500_000))
}

/// An estimator that has heard a usual exchange each minute.
fn experienced(world: &mut World, minutes: u32) -> Estimator {
    let mut estimator = Estimator::new(&world.usual(0.0), limits());
    for minute in 1..minutes {
        estimator.hear(&world.usual(f64::from(minute) * MINUTE));
    }
    estimator
}

/// The error after 200 samples a minute apart with the given delays in microseconds, and the estimate.
fn error_after(delays: impl Fn(u32) -> (f64, f64), rate: f64) -> (f64, Estimate) {
    let world = World::new(rate);
    let mut estimator = Estimator::new(&world.exchange(0.0, 100.0, 100.0), limits());
    for minute in 1..200u32 {
        let (there, back) = delays(minute);
        estimator.hear(&world.exchange(f64::from(minute) * MINUTE, there, back));
    }
    (world.error(&estimator, 200.0 * MINUTE), estimator.estimate(world.at(200.0 * MINUTE)))
}

#[test]
fn a_steady_clock_on_a_steady_path_is_learned_to_the_microsecond() {
    let (error, estimate) = error_after(|_| (100.0, 100.0), 35e-6);
    assert!(error.abs() < 1e-6, "{error}");
    assert!((estimate.rate - 35e-6).abs() < 1e-8, "{}", estimate.rate);
}

#[test]
fn a_queue_on_one_way_moves_one_wall_only() {
    let queue = |minute: u32| if minute.is_multiple_of(2) { (100.0, 100.0) } else { (3100.0, 100.0) };
    let (error, _) = error_after(queue, 35e-6);
    assert!(error.abs() < 30e-6, "half of the packets are 1.5 ms off, the estimate {error}");
}

#[test]
fn the_tightest_walls_count_and_not_the_mean_of_the_middles() {
    let mut world = World::new(20e-6);
    let estimator = experienced(&mut world, 600);
    let (error, sigma) = (world.error(&estimator, 600.0 * MINUTE), estimator.estimate(world.at(36e3)).sigma);
    assert!(error.abs() < 10e-6, "waits of 100 µs, an error of {error}");
    assert!((0.2e-6..10e-6).contains(&sigma), "{sigma}");
    let [there, back] = estimator.jitter();
    assert!((60e-6..170e-6).contains(&there) && (60e-6..170e-6).contains(&back), "{there} {back}");
}

#[test]
fn the_rate_counts_while_a_packet_travels() {
    let world = World::new(400e-6);
    let slow = |minute: u32| world.exchange(f64::from(minute) * MINUTE, 250_000.0, 250_000.0);
    let mut estimator = Estimator::new(&slow(0), limits());
    for minute in 1..200 {
        estimator.hear(&slow(minute));
    }
    let error = world.error(&estimator, 199.0 * MINUTE);
    assert!(error.abs() < 10e-6, "half a second of travel at 400 ppm is 200 µs; {error}");
    let sum = estimator.bases().sum;
    assert!((sum.mean - 0.5).abs() < 3.0 * libm::sqrt(sum.variance), "{sum:?}");
}

#[test]
fn a_clock_that_swings_faster_than_one_asks_is_not_trusted_too_far() {
    let swing =
        |seconds: f64| Span::from_seconds(57e-6 * libm::sin(seconds * core::f64::consts::TAU / 3600.0));
    let mut world = World::new(0.0);
    let mut estimator = Estimator::new(&world.usual(0.0), limits());
    let (mut within, exchanges) = (0, 800u32);
    for number in 1..exchanges {
        let seconds = f64::from(number) * 1024.0;
        world.tai = Time::EPOCH + swing(seconds);
        estimator.hear(&world.usual(seconds));
        let later = seconds + 512.0;
        world.tai = Time::EPOCH + swing(later);
        let sigma = estimator.estimate(world.at(later)).sigma;
        within += u32::from(number >= 100 && world.error(&estimator, later).abs() < 1.96 * sigma);
    }
    let part = f64::from(within) / f64::from(exchanges - 100);
    assert!(part > 0.93, "of the intervals that should hold 95 % only {part} do");
}

#[test]
fn one_outlier_is_left_out() {
    let mut world = World::new(0.0);
    let mut estimator = experienced(&mut world, 60);
    let mut wrong = world.usual(60.0 * MINUTE);
    (wrong.received, wrong.transmitted) =
        (wrong.received + Span::from_millis(5), wrong.transmitted + Span::from_millis(5));
    wrong.at += Span::from_millis(4);
    assert_eq!(estimator.hear(&wrong), Reception::Suspect);
    assert_eq!(estimator.steps(), []);
    let mut dropped = Vec::new();
    for minute in 61..70 {
        estimator.hear(&world.usual(f64::from(minute) * MINUTE));
        dropped.extend(estimator.steps().iter().copied().filter(|step| matches!(step, Step::Dropped(_))));
    }
    assert_eq!(dropped, [Step::Dropped(wrong)]);
    assert_eq!(estimator.samples(), 69);
    assert!(world.error(&estimator, 69.0 * MINUTE).abs() < 60e-6);
}

#[test]
fn a_shorter_route_is_believed_when_it_stays() {
    let mut world = World::new(0.0);
    let mut estimator = experienced(&mut world, 300);
    let mut receptions = Vec::new();
    for minute in 300..360 {
        let (there, back) = (world.wait(100.0), world.wait(100.0));
        let shorter = world.exchange(f64::from(minute) * MINUTE, 7_000.0 + there, 10_000.0 + back);
        receptions.push(estimator.hear(&shorter));
    }
    assert_eq!(
        receptions[..4],
        [Reception::Suspect, Reception::Suspect, Reception::Surprise, Reception::Taken]
    );
    let (error, bases) = (world.error(&estimator, 360.0 * MINUTE), estimator.bases());
    assert!(error.abs() < 60e-6, "the middle is 1.5 ms off, the estimate {error}");
    assert!((bases.difference.mean + 3e-3).abs() < 150e-6, "{bases:?}");
}

#[test]
fn a_longer_route_is_found_out_and_a_known_one_recalled() {
    let mut world = World::new(0.0);
    let mut estimator = Estimator::new(&world.usual(0.0), limits());
    let (mut steps, mut worst) = (Vec::new(), 0.0f64);
    for minute in 1..4_000u32 {
        let longer = if (minute / 600) % 2 == 1 { 3_000.0 } else { 0.0 };
        let (there, back) = (world.wait(100.0), world.wait(100.0));
        let seconds = f64::from(minute) * MINUTE;
        estimator.hear(&world.exchange(seconds, 10_000.0 + longer + there, 10_000.0 + back));
        steps.extend_from_slice(estimator.steps());
        worst = if minute > 100 { worst.max(world.error(&estimator, seconds).abs()) } else { 0.0 };
    }
    let changed = |step: &&Step| matches!(step, Step::Changed(change) if change.is_of_path());
    let back = |step: &Step| matches!(step, Step::Changed(Change::Base { way: Way::Back, .. }));
    assert!(steps.iter().filter(changed).count() >= 6, "six times the route changed");
    assert!(!steps.iter().any(back));
    assert!(steps.iter().any(|step| matches!(step, Step::Recalled(_))));
    assert!(worst < 150e-6, "the middle is 1.5 ms off, the worst estimate {worst}");
}

/// The steps of an estimator that is asked for so rarely that the clock is not known well, and how wrong it is in the end;
/// `longer` says for each exchange by how many microseconds the way there is longer.
fn rarely(longer: impl Fn(u32) -> f64, exchanges: u32) -> (Vec<Step>, f64) {
    let mut world = World::new(0.0);
    let mut estimator = Estimator::new(&world.usual(0.0), limits());
    let mut steps = Vec::new();
    for number in 1..exchanges {
        let (there, back) = (world.wait(100.0), world.wait(100.0));
        let seconds = f64::from(number) * 1024.0;
        estimator.hear(&world.exchange(seconds, 10_000.0 + longer(number) + there, 10_000.0 + back));
        steps.extend(estimator.steps().iter().filter(|step| !matches!(step, Step::Took(_))));
    }
    (steps, world.error(&estimator, f64::from(exchanges - 1) * 1024.0))
}

#[test]
fn where_exchanges_are_rare_a_longer_route_is_found_within_hours() {
    let (steps, error) = rarely(|number| if number < 100 { 0.0 } else { 400.0 }, 116);
    assert!(steps.iter().any(|step| matches!(step, Step::Changed(Change::Bases { .. }))), "{steps:?}");
    assert!(error.abs() < 100e-6, "the middle is 200 µs off, the estimate {error}");
}

#[test]
fn a_route_that_is_left_for_a_known_one_is_recalled_within_hours() {
    let longer = |number: u32| if (100..150).contains(&number) { 400.0 } else { 0.0 };
    let (steps, error) = rarely(longer, 164);
    let Some(Step::Recalled(difference)) = steps.last() else { panic!("{steps:?}") };
    assert!(difference.mean.abs() < 20e-6, "the first route is even: {difference:?}");
    assert!(error.abs() < 100e-6, "{error}");
}

#[test]
fn a_clock_that_was_moved_is_followed_at_once() {
    let mut world = World::new(0.0);
    let mut estimator = experienced(&mut world, 300);
    world.tai += Span::from_millis(5);
    assert_eq!(estimator.hear(&world.usual(300.0 * MINUTE)), Reception::Surprise);
    assert!(matches!(estimator.steps(), [Step::Changed(Change::Clock { .. }), Step::Took(_)]));
    let error = world.error(&estimator, 300.0 * MINUTE);
    assert!(error.abs() < 500e-6, "{error}");
}

#[test]
fn a_clock_that_was_moved_by_a_day_begins_anew() {
    let mut world = World::new(0.0);
    let mut estimator = experienced(&mut world, 300);
    world.tai += Span::from_secs(86_400);
    assert_eq!(estimator.hear(&world.usual(300.0 * MINUTE)), Reception::Surprise);
    assert!(estimator.steps().contains(&Step::BeganAnew));
    assert!(world.error(&estimator, 300.0 * MINUTE).abs() < 10e-3);
    for minute in 301..400 {
        estimator.hear(&world.usual(f64::from(minute) * MINUTE));
    }
    assert!(world.error(&estimator, 400.0 * MINUTE).abs() < 60e-6);
}

#[test]
fn what_is_not_newer_is_ignored() {
    let mut world = World::new(0.0);
    let mut estimator = experienced(&mut world, 60);
    let before = estimator.estimate(world.at(1e4));
    let (again, older) = (world.usual(59.0 * MINUTE), world.usual(3.0));
    assert_eq!(estimator.hear(&again), Reception::Suspect);
    assert_eq!(estimator.hear(&older), Reception::Suspect);
    assert_eq!(estimator.estimate(world.at(1e4)), before);
    assert_eq!(estimator.samples(), 60);
}

#[test]
fn a_month_of_silence_costs_certainty_and_nothing_else() {
    let mut world = World::new(0.0);
    let mut estimator = experienced(&mut world, 300);
    let later = 30.0 * 86_400.0;
    let sigma = estimator.estimate(world.at(later)).sigma;
    assert!((1e-3..100.0).contains(&sigma), "{sigma}");
    world.tai += Span::from_millis(80);
    for minute in 0..100 {
        estimator.hear(&world.usual(later + f64::from(minute) * MINUTE));
    }
    let error = world.error(&estimator, later + 99.0 * MINUTE);
    assert!(error.abs() < 100e-6, "{error}");
}

#[test]
fn a_wander_learned_in_an_earlier_life_is_believed_at_first() {
    let world = World::new(0.0);
    let first = world.exchange(0.0, 100.0, 100.0);
    let steady = Estimator::new(&first, Prior { limits: limits(), wander: Some(1e-11) });
    let unsteady = Estimator::new(&first, Prior { limits: limits(), wander: Some(1e-7) });
    assert!(steady.wander() < 1e-10 && unsteady.wander() > 1e-8);
    let total: f64 = steady.wander_posterior().iter().map(|log| libm::exp(*log)).sum();
    assert!((total - 1.0).abs() < 1e-9, "{total}");
}

#[test]
fn memory_is_what_is_promised() {
    let fixed = size_of::<Estimator>();
    let waiting = WAITING_MAX * size_of::<Waiting>();
    let routes = routes::ROUTES_MAX * size_of::<[Normal; 2]>();
    let steps = 4 * WAITING_MAX * size_of::<Step>();
    let rehearsal = rehearsal::KEPT_MAX * size_of::<Sample>();
    let trips = rise::TRIPS * size_of::<rise::Trip>();
    let most = fixed + waiting + routes + steps + rehearsal + trips;
    assert!(
        most <= Estimator::MEMORY_MAX,
        "{fixed} + {waiting} + {routes} + {steps} + {rehearsal} + {trips} = {most}"
    );
    assert!(most > Estimator::MEMORY_MAX / 2, "{most}: the promise can be better");
}

/// A stride in seconds and delays in microseconds, from a network that may do anything plausible; now and then the
/// server's or our clock jumps by so many seconds.
fn wild() -> impl Strategy<Value = Vec<(f64, f64, f64, f64)>> {
    let stride = prop_oneof![0.001f64..10.0, 60.0f64..70.0, 0.0f64..1e7];
    let delay = || prop_oneof![Just(100.0), 0.0f64..1e3, 0.0f64..1e6, -1e3f64..1e9];
    let jump = prop_oneof![8 => Just(0.0), 1 => -1e-2f64..1e-2, 1 => -1e9f64..1e9];
    proptest::collection::vec((stride, delay(), delay(), jump), 1..150)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_variance_stays_one_and_the_time_a_number(strides in wild()) {
        let mut world = World::new(0.0);
        let mut estimator = Estimator::new(&world.exchange(0.0, 100.0, 100.0), limits());
        let mut seconds = 0.0;
        for (stride, there, back, jump) in strides {
            seconds += stride;
            world.tai += Span::from_seconds(jump);
            estimator.hear(&world.exchange(seconds, there, back));
            prop_assert!(estimator.steps().len() <= 4 * WAITING_MAX);
            for later in [-1e3, 0.0, 1.0, 1e7] {
                let Estimate { rate, sigma, rate_sigma, .. } = estimator.estimate(world.at(seconds + later));
                prop_assert!(sigma > 0.0 && sigma.is_finite() && rate_sigma > 0.0 && rate_sigma.is_finite());
                prop_assert!(rate.is_finite() && estimator.wander() > 0.0);
            }
            let Bases { sum, difference } = estimator.bases();
            prop_assert!(sum.variance > 0.0 && difference.variance > 0.0 && sum.mean.is_finite());
        }
    }

    /// Bad input 98 and the like: where the counter and the calendar stand makes no difference.
    #[test]
    fn only_differences_matter(raw in -1_000_000i64..1_000_000, tai in -10_000_000_000i64..10_000_000_000) {
        let mut here = World::new(1e-5);
        let mut there = World { raw: here.at(raw as f64), tai: Time::EPOCH + Span::from_secs(tai), ..World::new(1e-5) };
        let mut one = Estimator::new(&here.usual(0.0), limits());
        let mut other = Estimator::new(&there.usual(0.0), limits());
        for minute in 1..40 {
            let seconds = f64::from(minute) * MINUTE;
            prop_assert_eq!(one.hear(&here.usual(seconds)), other.hear(&there.usual(seconds)));
        }
        let (one, other) = (one.estimate(here.at(2400.0)), other.estimate(there.at(2400.0)));
        prop_assert_eq!(one.tai + Span::from_secs(tai), other.tai);
        prop_assert_eq!(one.rate.to_bits(), other.rate.to_bits());
        prop_assert_eq!(one.sigma.to_bits(), other.sigma.to_bits());
    }

    /// Nothing of it is made for one kind of network: walls are walls at any scale.
    #[test]
    fn the_unit_of_waits_matters_little(scale in 0.05f64..20.0) {
        let mut world = World::new(0.0);
        let exchange = |world: &mut World, minute: u32| {
            let (there, back) = (world.wait(100.0), world.wait(100.0));
            let delays = (scale * (10_000.0 + there), scale * (10_000.0 + back));
            world.exchange(f64::from(minute) * MINUTE, delays.0, delays.1)
        };
        let mut estimator = Estimator::new(&exchange(&mut world, 0), limits());
        for minute in 1..400 {
            estimator.hear(&exchange(&mut world, minute));
        }
        let error = world.error(&estimator, 399.0 * MINUTE);
        prop_assert!(error.abs() < 50e-6 * scale.max(0.2), "{}", error);
    }
}

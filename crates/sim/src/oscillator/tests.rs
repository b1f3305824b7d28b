use core::f64::consts::TAU;

use super::*;

fn quiet() -> OscillatorSpec {
    OscillatorSpec { offset_ppm: 0.0, walk: 0.0, ..OscillatorSpec::default() }
}

fn counter(spec: &OscillatorSpec, seed: u64) -> Oscillator {
    Oscillator::new(spec.clone(), Time::EPOCH, Time::EPOCH, Stream::new(seed, "oscillator"))
}

/// What the counter has gained after so many seconds in strides of `stride`.
fn after(spec: &OscillatorSpec, seed: u64, seconds: i64, stride: usize) -> f64 {
    let mut counter = counter(spec, seed);
    for second in (0..=seconds).step_by(stride) {
        counter.run(Time::EPOCH + Span::from_secs(second));
    }
    counter.run(Time::EPOCH + Span::from_secs(seconds));
    (counter.raw() - Time::EPOCH - Span::from_secs(seconds)).as_seconds()
}

/// The mean square of what is gained, over many seeds.
fn variance(spec: &OscillatorSpec, seconds: i64, stride: usize) -> f64 {
    let runs = 800;
    (0..runs).map(|seed| after(spec, seed, seconds, stride).powi(2)).sum::<f64>() / runs as f64
}

#[test]
fn what_is_not_chance_does_not_depend_on_the_stride() {
    let spec = OscillatorSpec {
        offset_ppm: 10.0,
        ageing_ppm: 0.5,
        sines: vec![
            Sine { ppm: 3.0, period: Span::from_secs(7000), turn: 0.0 },
            Sine { ppm: 0.1, period: Span::from_secs(500), turn: 0.25 },
        ],
        steps: vec![(Span::from_secs(5000), -4.0)],
        settlings: vec![Settling { after: Span::from_secs(2000), ppm: 8.0, within: Span::from_secs(900) }],
        ..quiet()
    };
    let (fine, coarse) = (after(&spec, 1, 10_000, 1), after(&spec, 1, 10_000, 10_000));
    assert!((fine - coarse).abs() < 1e-12, "{fine} {coarse}");
    let day = 3e-6 * 7000.0 / TAU * (1.0 - (TAU / 0.7).cos());
    let settled = 8e-6 * (8000.0 - 900.0 * (1.0 - (-8000.0f64 / 900.0).exp()));
    let aged = 0.5e-6 / 86_400.0 * 1e8 / 2.0;
    assert!((fine - (0.1 - 0.02 + day + settled + aged)).abs() < 1e-9, "{fine}");
}

#[test]
fn the_rate_is_the_slope_of_the_phase() {
    let spec = OscillatorSpec {
        ageing_ppm: 2.0,
        sines: vec![Sine { turn: 0.1, ..Sine::daily(3.0) }],
        settlings: vec![Settling { after: Span::ZERO, ppm: -5.0, within: Span::from_secs(3600) }],
        flicker: 1e-9,
        walk: 1e-9,
        random_steps: Some(RandomSteps { every: Span::from_secs(1000), ppm: 1.0 }),
        ..OscillatorSpec::default()
    };
    let mut counter = counter(&spec, 3);
    for second in (0..20_000).step_by(50) {
        counter.run(Time::EPOCH + Span::from_secs(second));
        let (before, raw, now) = (counter.rate(), counter.raw(), counter.now);
        counter.run(now + Span::from_millis(1));
        let slope = ((counter.raw() - raw) - Span::from_millis(1)).as_seconds() / 1e-3;
        let has_stepped = (counter.rate() - before).abs() > 1e-8;
        assert!(has_stepped || (slope - before).abs() < 1e-9, "{second}: {slope} {before}");
    }
}

#[test]
fn the_walk_has_the_variance_of_an_integrated_random_walk() {
    let spec = OscillatorSpec { walk: 1e-6, ..quiet() };
    for stride in [10, 1000] {
        let (found, expected) = (variance(&spec, 1000, stride), 1e-12 * 1000f64.powi(3) / 3.0);
        assert!((found / expected - 1.0).abs() < 0.2, "{stride}: {found} {expected}");
    }
}

#[test]
fn white_noise_makes_the_phase_walk() {
    let spec = OscillatorSpec { white: 1e-7, ..quiet() };
    for stride in [10, 1000] {
        let found = variance(&spec, 1000, stride) / (1e-14 * 1000.0);
        assert!((found - 1.0).abs() < 0.2, "{stride}: {found}");
    }
}

#[test]
fn flicker_is_the_same_in_any_stride() {
    let spec = OscillatorSpec { flicker: 1e-9, ..quiet() };
    let part = |time: f64| {
        let u = 1000.0 / time;
        2e-18 * time * time * (u - 1.0 + (-u).exp())
    };
    let expected: f64 = noise::FLICKER_TIMES.into_iter().map(part).sum();
    for stride in [20, 300, 1000] {
        let found = variance(&spec, 1000, stride) / expected;
        assert!((found - 1.0).abs() < 0.2, "{stride}: {found}");
    }
}

#[test]
fn steps_come_as_often_as_they_should_in_any_stride() {
    let steps = RandomSteps { every: Span::from_secs(100), ppm: 1.0 };
    let spec = OscillatorSpec { random_steps: Some(steps), ..quiet() };
    // Each step at s gains (1000 - s) of its size: the integral of (1000 - s)² over the rate of steps.
    let expected = 1e-12 * 1000f64.powi(3) / 3.0 / 100.0;
    for stride in [7, 1000] {
        let found = variance(&spec, 1000, stride) / expected;
        assert!((found - 1.0).abs() < 0.25, "{stride}: {found}");
    }
    assert!((after(&spec, 1, 1000, 1) - after(&spec, 1, 1000, 500)).abs() < 1e-12, "the same luck");
}

#[test]
fn a_new_noise_leaves_the_luck_of_the_others_alone() {
    let walk = OscillatorSpec { walk: 1e-9, ..quiet() };
    let stepping = OscillatorSpec {
        random_steps: Some(RandomSteps { every: Span::from_secs(50), ppm: 1.0 }),
        ..walk.clone()
    };
    let only_steps = OscillatorSpec { walk: 0.0, ..stepping.clone() };
    let both = after(&walk, 5, 1000, 10) + after(&only_steps, 5, 1000, 10);
    assert!((after(&stepping, 5, 1000, 10) - both).abs() < 1e-15);
}

#[test]
fn a_quantised_counter_shows_whole_ticks_and_loses_none() {
    let spec = OscillatorSpec { offset_ppm: 20.0, tick: Span::from_micros(10), ..quiet() };
    let mut counter = counter(&spec, 1);
    for step in 1..1000 {
        counter.run(Time::EPOCH + Span::from_micros(step * 7));
        assert_eq!(counter.raw().since_epoch().as_nanos() % 10_000, 0);
    }
    counter.run(Time::EPOCH + Span::from_secs(1000));
    assert_eq!((counter.raw() - Time::EPOCH - Span::from_secs(1000)).as_micros(), 20_000);
}

#[test]
fn the_counter_stands_still_in_sleep() {
    let mut counter = counter(&OscillatorSpec::default(), 1);
    counter.run(Time::EPOCH + Span::from_secs(10));
    let raw = counter.raw();
    counter.skip(Time::EPOCH + Span::from_secs(4000));
    assert_eq!(counter.raw(), raw);
}

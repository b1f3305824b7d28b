//! The yardsticks on packets of which all is known.

#[path = "yardstick/world.rs"]
mod world;

use truechimer_sim::lab::{Exchange, Method};
use truechimer_sim::yardstick::{Clockspeed, Kalman, KalmanBank, Limit, Polls, Regression, Told};

use world::{BASE, World};

/// What a method is worth at 64 s polls, 100 µs of jitter and a walk of 10⁻⁹, in microseconds.
fn micros(method: &mut dyn Method) -> f64 {
    World::new(1e-9, 1e-4, 200_000).run(Some(64.0), method).rms * 1e6
}

#[test]
fn methods_stand_in_the_order_of_what_they_know() {
    let world = World::new(1e-9, 1e-4, 0);
    let limit = micros(&mut Limit::new(world.told(), 200, 1));
    let regression = micros(&mut Regression::new(Polls::default()));
    let kalman = micros(&mut Kalman::new(1e-9, 1e-4));
    let bank = micros(&mut KalmanBank::new());
    let line = micros(&mut Clockspeed::new());
    assert!((8.0..13.0).contains(&limit) && 1.8 * limit < regression, "{limit} {regression}");
    assert!((21.0..27.0).contains(&regression), "{regression}");
    assert!((22.0..28.0).contains(&kalman), "{kalman}");
    assert!((0.95 * kalman..1.1 * kalman).contains(&bank), "{bank} {kalman}");
    assert!(line > 70.0, "{line}");
}

#[test]
fn claims_of_the_told_are_true() {
    let world = World::new(1e-9, 1e-4, 300_000);
    for method in [&mut Kalman::new(1e-9, 1e-4) as &mut dyn Method, &mut Limit::new(world.told(), 500, 1)] {
        let covered = world.run(Some(64.0), method).covered;
        assert!((0.91..0.98).contains(&covered), "{covered}");
    }
}

#[test]
fn regression_asks_as_rarely_as_its_clock_allows() {
    let polled = |wander, jitter| {
        World::new(wander, jitter, 400_000).run(None, &mut Regression::new(Polls::default())).poll
    };
    assert!(polled(1e-10, 1e-3) > 800.0);
    assert!((200.0..400.0).contains(&polled(1e-9, 1e-5)));
    assert!(polled(1e-8, 1e-5) < 90.0);
}

#[test]
fn nobody_guesses_before_the_first_exchange() {
    let told = World::new(1e-9, 1e-4, 0).told();
    let methods: [&mut dyn Method; 5] = [
        &mut Regression::new(Polls::default()),
        &mut Kalman::new(1e-9, 1e-4),
        &mut KalmanBank::new(),
        &mut Clockspeed::new(),
        &mut Limit::new(told, 10, 1),
    ];
    for method in methods {
        assert_eq!(method.guess(100.0), None);
    }
}

#[test]
fn the_line_of_clockspeed_passes_through_first_and_latest() {
    let mut method = Clockspeed::new();
    for (at, offset) in [(0.0, 1e-3), (1000.0, 9e-3), (2000.0, 3e-3)] {
        method.hear(&Exchange { at, there: offset, back: -offset });
    }
    let guess = method.guess(4000.0).expect("three measurements are enough");
    assert!((guess.offset - 5e-3).abs() < 1e-12, "{guess:?}");
}

#[test]
fn a_clock_slewed_by_clockspeed_moves_by_500_ppm_at_most() {
    let mut method = Clockspeed::new();
    method.hear(&Exchange { at: 0.0, there: 0.0, back: 0.0 });
    method.hear(&Exchange { at: 10.0, there: 1.0, back: -1.0 });
    assert_eq!(method.guess(10.0).map(|guess| guess.offset), Some(0.0));
    assert_eq!(method.guess(110.0).map(|guess| guess.offset), Some(0.05));
}

#[test]
fn a_counter_that_runs_fast_is_no_burden() {
    for offset in [1e-4, -1e-4] {
        let method = &mut Limit::new(Told { wander: 1e-9, base: [BASE; 2], jitter: [1e-6; 2] }, 100, 1);
        for k in 0..200 {
            let at = 64.0 * f64::from(k);
            // Truth minus counter is right half-way; before that it was less, after it more.
            let half = BASE + 1e-7;
            let [there, back] = [half - offset * half, half - offset * half];
            method.hear(&Exchange { at: at + half, there: there + offset * at, back: back - offset * at });
        }
        let guess = method.guess(200.0 * 64.0).expect("it has heard");
        assert!((guess.offset - offset * 200.0 * 64.0).abs() < 1e-6, "{guess:?}");
    }
}

//! How soon a clock is right that is ten seconds and 100 ppm wrong when the daemon starts.

use truechimer_core::policy::ClockPolicy;
use truechimer_sim::network::PathSpec;
use truechimer_sim::oscillator::OscillatorSpec;
use truechimer_sim::scenario::Scenario;
use truechimer_sim::server::ServerSpec;
use truechimer_sim::world::World;
use truechimer_time::Span;

const SEEDS: u64 = 24;

fn wrong_at_the_start(servers: u8) -> Scenario {
    let path = PathSpec { base: Span::from_millis(5), jitter: Span::from_micros(100), ..PathSpec::default() };
    let server = |operator| ServerSpec { operator, path: path.clone(), ..ServerSpec::default() };
    Scenario {
        name: "convergence",
        duration: Span::from_secs(130),
        oscillator: OscillatorSpec { offset_ppm: 100.0, walk: 1e-9, ..OscillatorSpec::default() },
        clock_error: Span::from_secs(10),
        servers: (0..servers).map(server).collect(),
        watch: Span::from_secs(1),
        ..Scenario::default()
    }
}

/// The root of the mean square of the clock's error over all seeds, so many seconds after the start.
fn error_after(scenario: &Scenario, seconds: &[i64]) -> Vec<f64> {
    let mut squares = vec![0.0; seconds.len()];
    for seed in 1..=SEEDS {
        let (mut start, mut seen) = (None, 0);
        World::new(scenario, seed).run_watched(|glimpse| {
            let since = glimpse.truth - *start.get_or_insert(glimpse.truth);
            if seconds.get(seen).is_some_and(|&second| since >= Span::from_secs(second)) {
                squares[seen] += glimpse.clock_error.as_seconds().powi(2);
                seen += 1;
            }
        });
        assert_eq!(seen, seconds.len(), "seed {seed} was looked at");
    }
    squares.iter().map(|sum| (sum / SEEDS as f64).sqrt()).collect()
}

#[test]
fn a_wrong_clock_is_right_to_a_millisecond_in_seconds_and_to_100_microseconds_in_a_minute() {
    for servers in [1, 4] {
        let errors = error_after(&wrong_at_the_start(servers), &[6, 60, 120]);
        assert!(errors[0] < 1e-3, "{servers} servers, after 6, 60, 120 s: {errors:?}");
        assert!(errors[1] < 1e-4, "{servers} servers, after 6, 60, 120 s: {errors:?}");
        assert!(errors[2] < 1e-4, "{servers} servers, after 6, 60, 120 s: {errors:?}");
    }
}

#[test]
fn without_leave_to_step_it_is_as_fast_as_the_slew_may_be() {
    let clock = ClockPolicy { step_updates: 0, ..ClockPolicy::default() };
    let fastest = clock.max_slew.as_ratio();
    let scenario = Scenario {
        duration: Span::from_secs(20_100),
        watch: Span::from_secs(10),
        clock,
        ..wrong_at_the_start(1)
    };
    let (half_way, done) = (10_000, 20_060);
    let errors = error_after(&scenario, &[half_way, done]);
    let best = 10.0 - fastest * half_way as f64;
    assert!(errors[0] < best + 0.005, "after {half_way} s: {} s, and {best} s is possible", errors[0]);
    assert!(errors[1] < 1e-4, "all is done by {} s, and after {done} s {errors:?}", 10.0 / fastest);
}

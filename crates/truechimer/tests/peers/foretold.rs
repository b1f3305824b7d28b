//! What the simulator foretells comes true: the same luck on a real network makes the same error.
//!
//! The relays draw their delays from the simulator's own streams, so that the n-th question to a server takes as long
//! here as it does there. What is left between the two is what the simulator leaves out: a scheduler, system calls, a
//! counter that is not perfect, chronyd.

use std::thread;
use std::time::Duration;

use truechimer_core::event::Event;
use truechimer_sim::chance::Stream;
use truechimer_sim::network::PathSpec;
use truechimer_sim::oscillator::OscillatorSpec;
use truechimer_sim::scenario::Scenario;
use truechimer_sim::server::ServerSpec;
use truechimer_sim::world::{START, World};
use truechimer_time::Span;

use crate::chronyd::{Chronyd, STRATUM};
use crate::daemon::{Home, Wishes};
use crate::place;
use crate::relay::Relay;
use crate::truth::Sample;

const SERVERS: usize = 3;

/// Shaken much more than this machine's scheduler does.
fn shaky() -> PathSpec {
    PathSpec { base: Span::from_millis(20), jitter: Span::from_millis(10), loss: 0.02, ..PathSpec::default() }
}

const INTERVAL: Span = Span::from_secs(1);

/// As many as the simulator's machines begin with.
const BURST: u8 = 6;

/// The errors of the first seconds are those of a handful of samples: left out.
const BEGINNING: Duration = Duration::from_secs(12);

const DURATION: Duration = Duration::from_secs(45);

/// Several histories, compared in the geometric mean, so that one second's accident of this machine does not count for
/// much.
const SEEDS: [u64; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

/// Other tests that run meanwhile add to the errors: then it is tried again.
const ATTEMPTS: usize = 3;

#[test]
fn the_error_is_the_one_that_the_simulator_foretells() {
    let Some(peers) = place::peers() else { return };
    let servers: Vec<Chronyd> = (0..SERVERS).map(|_| Chronyd::serving(&peers)).collect();
    let foretold: Vec<f64> = SEEDS.into_iter().map(foretold_square).collect();
    let attempt = |_| compare(&real_squares(&servers), &foretold).err();
    let failures: Vec<String> = (0..ATTEMPTS).map_while(attempt).collect();
    assert!(failures.len() < ATTEMPTS, "{failures:?}");
}

/// All lives at once.
fn real_squares(servers: &[Chronyd]) -> Vec<f64> {
    thread::scope(|scope| {
        let lives = SEEDS.map(|seed| scope.spawn(move || real_square(servers, seed)));
        lives.into_iter().map(|life| life.join().unwrap()).collect()
    })
}

fn compare(real: &[f64], foretold: &[f64]) -> Result<(), String> {
    let ratios = real.iter().zip(foretold).map(|(real, foretold)| (real / foretold).sqrt());
    let ratio = (ratios.map(f64::ln).sum::<f64>() / SEEDS.len() as f64).exp();
    let micros = |squares: &[f64]| squares.iter().map(|square| square.sqrt() * 1e6).collect::<Vec<_>>();
    let told = || {
        let (real, foretold) = (micros(real), micros(foretold));
        format!("{ratio}: the errors are {real:.0?} us, foretold were {foretold:.0?} us")
    };
    (0.8..1.2).contains(&ratio).then_some(()).ok_or_else(told)
}

/// The mean square of the error of a daemon among real servers, in s².
fn real_square(servers: &[Chronyd], seed: u64) -> f64 {
    let relay = |(index, server): (usize, &Chronyd)| Relay::lucky(server.place, &shaky(), luck(seed, index));
    let relays: Vec<Relay> = servers.iter().enumerate().map(relay).collect();
    let wishes = Wishes {
        intervals: ["1s", "1s"],
        burst: BURST,
        ..Wishes::asking(relays.iter().map(|relay| relay.place))
    };
    let home = Home::new(&wishes);
    let daemon = home.start();
    let truth = daemon.truth();
    truth.watch(BEGINNING);
    let samples = truth.watch(DURATION - BEGINNING);
    daemon.terminate();
    mean_square(samples.iter().map(|sample: &Sample| sample.error))
}

/// The same, in the simulator.
fn foretold_square(seed: u64) -> f64 {
    let server = |operator: usize| ServerSpec {
        operator: operator as u8,
        path: shaky(),
        stratum: STRATUM,
        ..ServerSpec::default()
    };
    let scenario = Scenario {
        name: "foretold",
        duration: Span::from_seconds(DURATION.as_secs_f64()),
        oscillator: OscillatorSpec { offset_ppm: 0.0, walk: 0.0, ..OscillatorSpec::default() },
        servers: (0..SERVERS).map(server).collect(),
        intervals: (INTERVAL, INTERVAL),
        ..Scenario::default()
    };
    let story = World::new(&scenario, seed).with_story().run().story.expect("it was asked for");
    let begun = Span::from_seconds(BEGINNING.as_secs_f64());
    let errors = story.iter().filter(|(since, _)| *since >= begun).filter_map(|(since, event)| match event {
        Event::Updated(update) => Some(update.tai - (START + *since)),
        _ => None,
    });
    mean_square(errors)
}

/// The luck of the way to a server, as the simulator names it.
fn luck(seed: u64, server: usize) -> Stream {
    Stream::new(seed, &format!("path {server}"))
}

fn mean_square(errors: impl Iterator<Item = Span>) -> f64 {
    let squares: Vec<f64> = errors.map(|error| error.as_seconds().powi(2)).collect();
    squares.iter().sum::<f64>() / squares.len() as f64
}

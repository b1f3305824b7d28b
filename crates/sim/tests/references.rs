//! Reference clocks of the machine itself, beside servers on a shaky network.

use truechimer_core::status::Status;
use truechimer_sim::network::PathSpec;
use truechimer_sim::reference::ReferenceSpec;
use truechimer_sim::scenario::{Change, Scenario};
use truechimer_sim::server::{Quirk, ServerSpec};
use truechimer_sim::world::World;
use truechimer_time::Span;

/// What counts is how a machine is once it has settled.
const SETTLED: Span = Span::from_secs(3600);

/// Three servers 10 ms away, with 2 ms of jitter and 1 ms of asymmetry.
fn servers() -> Vec<ServerSpec> {
    let path = PathSpec {
        base: Span::from_millis(5),
        jitter: Span::from_millis(2),
        asymmetry: Span::from_millis(1),
        loss: 0.01,
        ..PathSpec::default()
    };
    (0..3).map(|operator| ServerSpec { operator, path: path.clone(), ..ServerSpec::default() }).collect()
}

fn reference(spec: ReferenceSpec) -> ServerSpec {
    ServerSpec { operator: 9, reference: Some(spec), ..ServerSpec::default() }
}

fn world(sources: Vec<ServerSpec>) -> Scenario {
    Scenario { servers: sources, duration: Span::from_secs(4 * 3600), ..Scenario::default() }
}

/// How right the clock and the model were, and the bound, in seconds.
#[derive(Debug, Default)]
struct Figures {
    looks: u32,
    clock_rms: f64,
    clock_max: f64,
    model_rms: f64,
    bound_max: f64,
    bound_mean: f64,
    falsetickers: Vec<usize>,
    status: Option<Status>,
}

fn figures(scenario: &Scenario, seed: u64) -> Figures {
    let mut figures = Figures::default();
    let outcome = World::new(scenario, seed).watched().run_watched(|glimpse| {
        let Some(reading) = glimpse.node.read(&glimpse.now) else { return };
        if glimpse.truth - scenario.start < SETTLED {
            return;
        }
        let (clock, model) = (glimpse.clock_error.as_seconds(), (reading.best - glimpse.truth).as_seconds());
        figures.looks += 1;
        figures.status = Some(glimpse.node.status());
        figures.clock_rms += clock * clock;
        figures.clock_max = figures.clock_max.max(clock.abs());
        figures.model_rms += model * model;
        figures.bound_max = figures.bound_max.max(reading.bound().as_seconds());
        figures.bound_mean += reading.bound().as_seconds();
    });
    assert!(outcome.oracle.first_false.is_none(), "the bound was false: {:?}", outcome.oracle);
    let looks = f64::from(figures.looks.max(1));
    figures.clock_rms = (figures.clock_rms / looks).sqrt();
    figures.model_rms = (figures.model_rms / looks).sqrt();
    figures.bound_mean /= looks;
    figures.falsetickers = outcome.falsetickers;
    figures
}

/// One that is read every so many seconds.
fn every(seconds: i64, spec: ReferenceSpec) -> ServerSpec {
    let interval = Span::from_secs(seconds);
    reference(ReferenceSpec { intervals: (interval, interval), ..spec })
}

fn beside_servers(reference: ServerSpec) -> Scenario {
    let mut sources = servers();
    sources.push(reference);
    world(sources)
}

#[test]
fn a_clock_device_makes_a_shaky_network_a_thousand_times_better() {
    let without = figures(&world(servers()), 1);
    for seed in 1..3 {
        let with = figures(&beside_servers(every(1, ReferenceSpec::clock())), seed);
        assert!(
            with.clock_rms < 0.4e-6 && with.clock_rms * 1000.0 < without.clock_rms,
            "{with:?} {without:?}"
        );
        assert!(with.bound_mean > 1e-3, "but it does not decide alone: {with:?}");
    }
}

#[test]
fn a_clock_device_that_refines_makes_the_bound_small() {
    let mut clock = ReferenceSpec::clock();
    clock.vouched.refine = true;
    let with = figures(&beside_servers(every(1, clock)), 1);
    assert!(with.clock_rms < 0.4e-6 && with.bound_max < 60e-6, "{with:?}");
}

#[test]
fn a_clock_device_that_is_trusted_decides_alone() {
    let mut clock = every(1, ReferenceSpec::clock());
    clock.wish.trust = true;
    let with = figures(&beside_servers(clock), 1);
    assert!(with.clock_rms < 0.4e-6 && with.bound_max < 60e-6, "{with:?}");
}

#[test]
fn a_pulse_makes_the_bound_small_and_cannot_be_numbered_alone() {
    for (seconds, rms, bound) in [(1, 0.4e-6, 35e-6), (16, 0.9e-6, 250e-6)] {
        let with = figures(&beside_servers(every(seconds, ReferenceSpec::pulse())), 1);
        assert!(with.clock_rms < rms && with.bound_mean < bound, "{seconds} s: {with:?}");
    }
    let alone = figures(&world(vec![every(4, ReferenceSpec::pulse())]), 1);
    assert_eq!(alone.looks, 0, "nobody says which second it is: {alone:?}");
}

/// Three honest servers say where the time is, and a pulse that is 60 ms off is not within what they say.
#[test]
fn a_pulse_that_contradicts_the_majority_is_a_falseticker() {
    let off = ServerSpec { error: Span::from_millis(60), ..every(1, ReferenceSpec::pulse()) };
    let with = figures(&beside_servers(off), 1);
    assert_eq!(with.falsetickers, [3], "{with:?}");
    assert!(with.clock_rms < 1e-3, "{with:?}");
}

/// The servers fall silent, and are dead two hours later.
#[test]
fn a_pulse_keeps_the_time_that_a_majority_has_said() {
    let mut scenario = beside_servers(every(1, ReferenceSpec::pulse()));
    let cut = |server| (Span::from_secs(2 * 3600), Change::Cut { server, is_cut: true });
    scenario.changes = (0..3).map(cut).collect();
    scenario.duration = Span::from_secs(12 * 3600);
    let with = figures(&scenario, 1);
    assert!(with.bound_max < 60e-6 && with.clock_rms < 0.4e-6, "{with:?}");
    assert_eq!(with.status, Some(Status::Holdover), "nobody says which second it is");
}

/// Stamps of interrupts are late, never early.
#[test]
fn pulses_that_are_stamped_late_are_right_to_their_mean_lateness() {
    let mut late = ReferenceSpec {
        noise: Span::from_nanos(100),
        lateness: Span::from_micros(1),
        ..ReferenceSpec::pulse()
    };
    late.vouched.error = Span::from_micros(8);
    let with = figures(&beside_servers(every(1, late)), 1);
    assert!(with.clock_rms < 1.5e-6 && with.bound_mean < 40e-6, "{with:?}");
}

/// A busy machine stamps one in 41 by 3 ms late, which is far beyond what was vouched for.
#[test]
fn a_pulse_that_comes_late_for_once_is_not_believed() {
    let pulse = ReferenceSpec { stray: Span::from_millis(3), ..ReferenceSpec::pulse() };
    let with = figures(&beside_servers(every(1, pulse)), 1);
    assert!(with.clock_rms < 0.4e-6 && with.bound_max < 60e-6, "{with:?}");
}

/// It is believed again as soon as two of its pulses agree.
#[test]
fn a_pulse_that_has_jumped_is_believed_when_it_is_confirmed() {
    let quirk = Quirk::Jumps { after: Span::from_secs(2 * 3600), by: Span::from_micros(200) };
    let mut spec = ReferenceSpec::pulse();
    spec.vouched.error = Span::from_micros(60);
    let jumps = beside_servers(ServerSpec { quirk, ..every(1, spec) });
    let mut last = 0.0;
    World::new(&jumps, 1).watched().run_watched(|glimpse| {
        let reading = glimpse.node.read(&glimpse.now);
        last = reading.map_or(1.0, |reading| (reading.best - glimpse.truth).as_seconds());
    });
    assert!((last.abs() - 200e-6).abs() < 5e-6, "{last}");
}

/// Nobody trusts it, so that the bound rests on the servers: it is true also where the clock follows the device.
#[test]
fn a_clock_device_that_jumps_does_not_make_the_bound_false() {
    for by in [Span::from_millis(1), Span::from_millis(-300)] {
        let quirk = Quirk::Jumps { after: Span::from_secs(2 * 3600), by };
        let jumps = ServerSpec { quirk, ..every(1, ReferenceSpec::clock()) };
        let with = figures(&beside_servers(jumps), 1);
        assert!(with.clock_rms < 2e-3, "{with:?}");
        assert_eq!(with.falsetickers.is_empty(), by.abs() < Span::from_millis(10), "{with:?}");
    }
}

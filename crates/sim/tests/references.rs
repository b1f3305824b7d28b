//! Reference clocks of the machine itself, beside servers on a shaky network.

use truechimer_sim::network::PathSpec;
use truechimer_sim::reference::ReferenceSpec;
use truechimer_sim::scenario::Scenario;
use truechimer_sim::server::ServerSpec;
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
    Scenario { servers: sources, duration: Span::from_secs(6 * 3600), ..Scenario::default() }
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
fn a_clock_device_makes_a_shaky_network_ten_times_better() {
    let without = figures(&world(servers()), 1);
    let with = figures(&beside_servers(every(4, ReferenceSpec::clock())), 1);
    assert!(with.clock_rms * 10.0 < without.clock_rms, "{with:?} {without:?}");
    assert!(with.bound_mean > 1e-3, "but it does not decide alone: {with:?}");
}

#[test]
fn a_pulse_makes_the_bound_small_and_cannot_be_numbered_alone() {
    let with = figures(&beside_servers(every(4, ReferenceSpec::pulse())), 1);
    assert!(with.clock_rms < 1e-5 && with.bound_mean < 1e-4, "{with:?}");
    let alone = figures(&world(vec![every(4, ReferenceSpec::pulse())]), 1);
    assert_eq!(alone.looks, 0, "nobody says which second it is: {alone:?}");
}

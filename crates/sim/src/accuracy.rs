//! What an accuracy target costs, and whether it is kept.
//!
//! An ordinary oscillator (a walk of 1e-9 per square root of a second) and servers across a town (100 µs of jitter each
//! way, no asymmetry). The first days, in which the oscillator is learned, do not count. The limit is the interval at
//! which an estimator that knows everything has the target for its RMS error over all time.

use std::cell::RefCell;

use truechimer_time::{Span, Tai, Time};

use crate::network::PathSpec;
use crate::oscillator::OscillatorSpec;
use crate::scenario::Scenario;
use crate::server::ServerSpec;
use crate::sheet::{Column, Form, Sheet};
use crate::work::Effort;
use crate::world::{Glimpse, World};

const DAY: i64 = 86_400;

/// The targets in microseconds, with the interval in seconds at the limit.
const TARGETS: [(i64, f64); 2] = [(100, 2334.0), (1000, 17_436.0)];

/// Learning takes so long.
const LEARNING: Span = Span::from_secs(8 * DAY);

/// What one history showed after the days of learning.
#[derive(Default)]
struct Kept {
    seen: Option<Time<Tai>>,
    seconds: f64,
    squares: f64,
    held: f64,
    within: f64,
    questions: u64,
}

/// An ordinary oscillator, and so many servers across a town.
pub fn town(servers: u8, accuracy: Option<Span>) -> Scenario {
    let jitter = Span::from_micros(100);
    let path = PathSpec { base: Span::from_millis(1), jitter, ..PathSpec::default() };
    let server = |operator| ServerSpec { operator, path: path.clone(), ..ServerSpec::default() };
    Scenario {
        duration: Span::from_secs(40 * DAY),
        oscillator: OscillatorSpec { walk: 1e-9, ..OscillatorSpec::default() },
        clock_error: Span::from_millis(10),
        servers: (0..servers).map(server).collect(),
        intervals: (Span::from_secs(64), Span::from_secs(129_600)),
        accuracy,
        watch: Span::from_secs(64),
        ..Scenario::default()
    }
}

/// The table.
pub fn table(effort: &Effort<'_>) -> Vec<Sheet> {
    let cases: Vec<(i64, f64, u8)> =
        TARGETS.iter().flat_map(|&(target, limit)| [1, 4].map(|servers| (target, limit, servers))).collect();
    let seeds: Vec<u64> = effort.seeds(5).collect();
    let pieces: Vec<(i64, u8, u64)> = cases
        .iter()
        .flat_map(|&(target, _, servers)| seeds.iter().map(move |&seed| (target, servers, seed)))
        .collect();
    let kept = effort.map(&pieces, |&(target, servers, seed)| keep(Span::from_micros(target), servers, seed));
    let mut sheet = Sheet::new("accuracy", columns());
    for (&(target, limit, servers), kept) in cases.iter().zip(kept.chunks(seeds.len())) {
        let sum = |figure: fn(&Kept) -> f64| kept.iter().map(figure).sum::<f64>();
        let seconds = sum(|kept| kept.seconds);
        let interval = seconds / sum(|kept| kept.questions as f64);
        sheet.row(vec![
            (target as f64).into(),
            f64::from(servers).into(),
            (interval / 60.0).into(),
            (limit / 60.0).into(),
            (limit / interval).into(),
            (1e6 * libm::sqrt(sum(|kept| kept.squares) / seconds)).into(),
            (100.0 * sum(|kept| kept.held) / seconds).into(),
            (100.0 * sum(|kept| kept.within) / seconds).into(),
        ]);
    }
    vec![sheet]
}

fn columns() -> Vec<Column> {
    vec![
        Column::new("target", "µs", Form::Fixed(0)),
        Column::new("servers", "", Form::Fixed(0)),
        Column::new("a question each", "min", Form::Short),
        Column::new("at the limit", "min", Form::Short),
        Column::new("traffic", "", Form::Fixed(2)),
        Column::new("rms", "µs", Form::Short),
        Column::new("said to be met", "%", Form::Fixed(2)),
        Column::new("error below target", "%", Form::Fixed(2)),
    ]
}

fn keep(target: Span, servers: u8, seed: u64) -> Kept {
    let scenario = town(servers, Some(target));
    let from = scenario.start + LEARNING;
    let kept = RefCell::new(Kept::default());
    let outcome = World::new(&scenario, seed).with_story().run_watched(|glimpse| {
        if glimpse.truth > from {
            kept.borrow_mut().look(glimpse, target);
        }
    });
    let late = |at: &Span| *at > LEARNING;
    let asked = outcome.asked.iter().map(|(at, _)| at.since_epoch() - Span::from_secs(1000));
    let questions = asked.filter(late).count() as u64;
    Kept { questions, ..kept.into_inner() }
}

impl Kept {
    fn look(&mut self, glimpse: &Glimpse<'_>, target: Span) {
        let seconds = self.seen.map_or(0.0, |seen| (glimpse.truth - seen).as_seconds());
        self.seen = Some(glimpse.truth);
        let Some(reading) = glimpse.node.read(&glimpse.now) else { return };
        let error = (reading.best - glimpse.truth).as_seconds();
        self.seconds += seconds;
        self.squares += error * error * seconds;
        self.within += if error.abs() <= target.as_seconds() { seconds } else { 0.0 };
        let is_met = glimpse.node.expected_rms().is_some_and(|rms| rms <= target);
        self.held += if is_met { seconds } else { 0.0 };
    }
}

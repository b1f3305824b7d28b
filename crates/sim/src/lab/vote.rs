//! Four sources together: the whole node, asking each of them every 64 s, against the truth.
//!
//! A path's asymmetry cannot be seen, so errors are shown twice: about the truth, and about their own mean in each
//! history, which is what is left when asymmetry is taken away.

use truechimer_core::event::{Event, Measurement};
use truechimer_core::node::report::Report;
use truechimer_time::{Raw, Span, Tai, Time};

use super::score::Tally;
use super::{Exchange, Guess, Method};
use crate::chance::Stream;
use crate::network::PathSpec;
use crate::oscillator::OscillatorSpec;
use crate::scenario::Scenario;
use crate::server::{Quirk, ServerSpec};
use crate::sheet::{Cell, Column, Form, Sheet};
use crate::work::Effort;
use crate::world::{Glimpse, Outcome, START, World};
use crate::yardstick::{Polls, Regression};

/// Round trip and mean wait of each way, in seconds.
const PATHS: [(f64, f64); 4] = [(5e-3, 5e-5), (1.5e-2, 1.5e-4), (3e-2, 3e-4), (6e-2, 1e-3)];

/// The interval of questions to each source, in seconds.
const POLL: i64 = 1 << POLL_LOG2;
const POLL_LOG2: i32 = 6;

/// One standard deviation of half the difference of both ways, as a part of half of the round trip.
const SPREAD: f64 = 0.1;

/// By so much the nearest server lies, from then on.
const LIE: Span = Span::from_millis(30);
const LIES_AFTER: Span = Span::from_secs(3 * 3600);

/// Errors count from here on, so that the start does not.
const COUNTS_AFTER: Span = Span::from_secs(4 * 3600);

/// Errors are looked at no more often than this.
const LOOK: Span = Span::from_secs(8);

/// Histories of each case, if nobody says otherwise, and how long each is.
const SEEDS: u64 = 16;
const DURATION: Span = Span::from_secs(86_400);
const DURATION_QUICK: Span = Span::from_secs(6 * 3600);

/// What is the matter.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Case {
    name: &'static str,
    spread: f64,
    lie: Span,
}

const CASES: [Case; 3] = [
    Case { name: "symmetric paths", spread: 0.0, lie: Span::ZERO },
    Case { name: "asymmetry 10 %", spread: SPREAD, lie: Span::ZERO },
    Case { name: "the nearest lies", spread: SPREAD, lie: LIE },
];

/// `sim vote`.
pub fn sheets(effort: &Effort<'_>) -> Vec<Sheet> {
    let duration = if effort.quick { DURATION_QUICK } else { DURATION };
    let pieces: Vec<(Case, u64)> =
        CASES.iter().flat_map(|&case| effort.seeds(SEEDS).map(move |seed| (case, seed))).collect();
    let histories = effort.map(&pieces, |&(case, seed)| history(case, seed, duration));
    let mut sheet = Sheet::new("vote", columns());
    for case in CASES {
        let of_case = pieces.iter().zip(&histories).filter(|((other, _), _)| *other == case);
        let of_case: Vec<&History> = of_case.map(|(_, history)| history).collect();
        sheet.holds &= of_case.iter().all(|history| history.bounds_false == 0);
        sheet.row(row(case, &of_case));
    }
    vec![sheet]
}

fn columns() -> Vec<Column> {
    let figure = |name: &str| Column::new(name, "µs", Form::Short);
    vec![
        Column::new("case", "", Form::Words),
        figure("together"),
        figure("about mean"),
        figure("sigma"),
        figure("best single"),
        figure("its about mean"),
        figure("yardstick"),
        figure("yard about mean"),
        figure("best weights"),
        Column::new("named after polls", "", Form::Fixed(0)),
    ]
}

fn row(case: Case, histories: &[&History]) -> Vec<Cell> {
    let micros = |errors: &dyn Fn(&History) -> f64| {
        let squares: f64 = histories.iter().map(|history| errors(history) * errors(history)).sum();
        libm::sqrt(squares / histories.len() as f64) * 1e6
    };
    let singles = (0..PATHS.len()).filter(|&source| case.lie == Span::ZERO || source > 0);
    let best = singles.map(|source| micros(&|history| history.singles[source].about_truth));
    let best = best.enumerate().min_by(|(_, one), (_, other)| one.total_cmp(other));
    let (place, single) = best.unwrap_or((0, f64::NAN));
    let place = place + usize::from(case.lie != Span::ZERO);
    vec![
        case.name.into(),
        micros(&|history| history.together.about_truth).into(),
        micros(&|history| history.together.about_mean).into(),
        micros(&|history| history.together.sigma).into(),
        single.into(),
        micros(&|history| history.singles[place].about_mean).into(),
        micros(&|history| history.yardstick.about_truth).into(),
        micros(&|history| history.yardstick.about_mean).into(),
        micros(&|history| history.best_weights).into(),
        histories.iter().filter_map(|history| history.named_after).max().map(|polls| polls as f64).into(),
    ]
}

/// What came of one history.
struct History {
    together: Errors,
    singles: [Errors; PATHS.len()],
    yardstick: Errors,
    /// What asymmetry leaves of the error if sources are weighted as its spread demands: nobody can do better on average.
    best_weights: f64,
    /// At so many polls the liar was a falseticker, if it was one at all.
    named_after: Option<usize>,
    bounds_false: u64,
}

/// Errors in seconds, over one history.
#[derive(Clone, Copy, Default)]
struct Errors {
    about_truth: f64,
    about_mean: f64,
    /// The mean standard deviation that was claimed.
    sigma: f64,
}

impl Errors {
    fn of(tally: Tally) -> Self {
        let Some(score) = tally.score() else { return Self::default() };
        let square = score.rms * score.rms - score.mean * score.mean;
        Self { about_truth: score.rms, about_mean: libm::sqrt(square.max(0.0)), sigma: score.sigma }
    }
}

fn history(case: Case, seed: u64, duration: Span) -> History {
    let asymmetries = asymmetries(case.spread, seed);
    let scenario = scenario(case, &asymmetries, duration);
    let mut watch = Watch::default();
    let world = World::new(&scenario, seed).with_story();
    let outcome = world.run_watched(|glimpse| watch.look(glimpse));
    let mut yardstick = Yardstick::new(case);
    History {
        yardstick: Errors::of(yardstick.follow(&outcome, &watch.looks)),
        together: Errors::of(watch.together),
        singles: watch.singles.map(Errors::of),
        best_weights: best_weights(case, &asymmetries),
        named_after: named_after(&outcome),
        bounds_false: outcome.oracle.bounds_false,
    }
}

/// Half the difference of both ways of each path, in seconds.
fn asymmetries(spread: f64, seed: u64) -> [f64; PATHS.len()] {
    let mut chance = Stream::new(seed, "asymmetry");
    PATHS.map(|(delay, _)| spread * delay / 2.0 * chance.normal())
}

fn best_weights(case: Case, asymmetries: &[f64; PATHS.len()]) -> f64 {
    let honest = PATHS.iter().zip(asymmetries).skip(usize::from(case.lie != Span::ZERO));
    let (sum, total) = honest.fold((0.0, 0.0), |(sum, total), ((delay, _), asymmetry)| {
        let weight = 1.0 / (delay * delay);
        (sum + weight * asymmetry, total + weight)
    });
    sum / total
}

fn scenario(case: Case, asymmetries: &[f64; PATHS.len()], duration: Span) -> Scenario {
    let server = |index: usize| {
        let (delay, wait) = PATHS[index];
        let path = PathSpec {
            base: Span::from_seconds(delay / 2.0),
            asymmetry: Span::from_seconds(2.0 * asymmetries[index]),
            jitter: Span::from_seconds(wait),
            ..PathSpec::default()
        };
        let lies = index == 0 && case.lie != Span::ZERO;
        let quirk = if lies { Quirk::Jumps { after: LIES_AFTER, by: case.lie } } else { Quirk::None };
        ServerSpec { operator: index as u8, path, quirk, ..ServerSpec::default() }
    };
    Scenario {
        name: case.name,
        duration,
        oscillator: OscillatorSpec { walk: 1e-9, ..OscillatorSpec::default() },
        clock_error: Span::ZERO,
        servers: (0..PATHS.len()).map(server).collect(),
        intervals: (Span::from_secs(POLL), Span::from_secs(POLL)),
        ..Scenario::default()
    }
}

/// How many exchanges of the liar there were until it was a falseticker.
fn named_after(outcome: &Outcome) -> Option<usize> {
    let lies = |(since, _): &&(Span, Event)| *since > LIES_AFTER;
    let mut polls = 0;
    for (_, event) in outcome.story.iter().flatten().filter(lies) {
        if let Event::Measured(measurement) = event {
            polls += usize::from(measurement.source.index() == 0);
        }
        if let Event::Selected { falsetickers, .. } = event
            && falsetickers.contains(0)
        {
            return Some(polls);
        }
    }
    None
}

/// Who looks at the node while its history goes on.
#[derive(Default)]
struct Watch {
    together: Tally,
    singles: [Tally; PATHS.len()],
    looks: Vec<(Time<Raw>, Time<Tai>)>,
}

impl Watch {
    fn look(&mut self, glimpse: &Glimpse<'_>) {
        let last = self.looks.last().map_or(START + COUNTS_AFTER, |(_, truth)| *truth + LOOK);
        if glimpse.truth < last {
            return;
        }
        self.looks.push((glimpse.now.raw, glimpse.truth));
        let Report { reading, sources, .. } = glimpse.node.report(&glimpse.now);
        let guess = reading.map(|reading| Guess {
            offset: (reading.best - glimpse.truth).as_seconds(),
            sigma: reading.sigma.as_seconds(),
        });
        self.together.look(guess, 0.0);
        for (tally, source) in self.singles.iter_mut().zip(&sources) {
            let guess = source.offset.zip(source.sigma).map(|(offset, sigma)| Guess {
                offset: (offset - glimpse.clock_error).as_seconds(),
                sigma: sigma.as_seconds(),
            });
            tally.look(guess, 0.0);
        }
    }
}

/// The yardstick for each source, and their mean weighted by the inverse of how far each may be off at most. Kindly, it
/// is told who lies.
struct Yardstick {
    methods: [Regression; PATHS.len()],
    distances: [Option<f64>; PATHS.len()],
    lies: bool,
}

impl Yardstick {
    fn new(case: Case) -> Self {
        let methods = core::array::from_fn(|_| Regression::new(Polls { min: POLL_LOG2, max: POLL_LOG2 }));
        Self { methods, distances: [None; PATHS.len()], lies: case.lie != Span::ZERO }
    }

    /// Lives through a history again, and looks at it when the node was looked at.
    fn follow(&mut self, outcome: &Outcome, looks: &[(Time<Raw>, Time<Tai>)]) -> Tally {
        let mut tally = Tally::default();
        let measured = outcome.story.iter().flatten().filter_map(|(_, event)| {
            if let Event::Measured(measurement) = event { Some(measurement) } else { None }
        });
        let mut measured = measured.peekable();
        for &(raw, truth) in looks {
            while let Some(measurement) = measured.next_if(|measurement| measurement.t4 <= raw) {
                self.hear(measurement);
            }
            let ahead = (truth - START) - raw.since_epoch();
            tally.look(self.guess(raw), ahead.as_seconds());
        }
        tally
    }

    fn hear(&mut self, measurement: &Measurement) {
        let Measurement { t1, t2, t3, t4, .. } = *measurement;
        let exchange = Exchange {
            at: t4.since_epoch().as_seconds(),
            there: ((t2 - START) - t1.since_epoch()).as_seconds(),
            back: (t4.since_epoch() - (t3 - START)).as_seconds(),
        };
        let source = measurement.source.index();
        self.methods[source].hear(&exchange);
        self.distances[source] = Some(measurement.distance.as_seconds());
    }

    fn guess(&mut self, raw: Time<Raw>) -> Option<Guess> {
        let at = raw.since_epoch().as_seconds();
        let (mut sum, mut total) = (0.0, 0.0);
        let honest = self.methods.iter_mut().zip(self.distances).skip(usize::from(self.lies));
        for (method, distance) in honest {
            if let Some((guess, distance)) = method.guess(at).zip(distance) {
                sum += guess.offset / distance;
                total += 1.0 / distance;
            }
        }
        (total > 0.0).then(|| Guess { offset: sum / total, sigma: 0.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_weights_are_those_of_the_variances() {
        let alike = best_weights(CASES[1], &[1e-3; 4]);
        assert!((alike - 1e-3).abs() < 1e-12, "{alike}");
        assert!(best_weights(CASES[1], &[1e-3, 0.0, 0.0, 0.0]) > 0.8e-3);
        assert_eq!(best_weights(CASES[2], &[1e-3, 0.0, 0.0, 0.0]), 0.0);
    }
}

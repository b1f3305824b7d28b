//! What the estimation costs: an exchange of one source.
//!
//! `cargo bench -p truechimer-sim`

use std::cell::RefCell;
use std::rc::Rc;

use divan::Bencher;
use divan::counter::ItemsCount;
use truechimer_sim::lab::ours::Ours;
use truechimer_sim::lab::setting::{Regime, Trouble};
use truechimer_sim::lab::trial::{self, Entrant, Setting};
use truechimer_sim::lab::{Exchange, Guess, Method};
use truechimer_time::Span;

fn main() {
    divan::main();
}

/// An estimator has heard so many exchanges before it is timed, and hears as many then.
const EXCHANGES: usize = 1000;

const SEED: u64 = 1;

const CASES: [(&str, Regime); 7] = [
    ("none", Regime::Often),
    ("none", Regime::Rarely),
    ("queue there", Regime::Often),
    ("queue standing", Regime::Often),
    ("day 1 ppm", Regime::Often),
    ("normal", Regime::Often),
    ("route 5 ms", Regime::Often),
];

/// One exchange, estimate and all.
#[divan::bench(args = CASES.map(|(name, regime)| format!("{name}, {} s", regime.name())))]
fn exchange(bencher: Bencher<'_, '_>, case: &str) {
    let history = history(case);
    let (before, timed) = history.split_at(EXCHANGES);
    let mut warm = Ours::default();
    before.iter().for_each(|exchange| warm.hear(exchange));
    bencher.counter(ItemsCount::new(timed.len())).with_inputs(|| warm.clone()).bench_values(|mut ours| {
        for exchange in timed {
            ours.hear(exchange);
            divan::black_box(ours.guess(exchange.at));
        }
    });
}

fn history(case: &str) -> Vec<Exchange> {
    let (trouble, interval) = case.split_once(", ").expect("made of both");
    let regime = if interval == "64 s" { Regime::Often } else { Regime::Rarely };
    let trouble = Trouble::by_name(trouble).unwrap_or_else(|| panic!("no trouble is named {trouble}"));
    let seconds = if interval == "64 s" { 64 } else { 1024 };
    let duration = Span::from_secs(seconds * (2 * EXCHANGES as i64 + 60));
    let setting = Setting { duration, ..trouble.setting(regime.schedule(), SEED) };
    let heard = Rc::new(RefCell::new(Vec::new()));
    trial::run(&setting, SEED, vec![Entrant::new("recorder", Recorder(Rc::clone(&heard)))]);
    let mut history = heard.take();
    history.truncate(2 * EXCHANGES);
    history
}

struct Recorder(Rc<RefCell<Vec<Exchange>>>);

impl Method for Recorder {
    fn hear(&mut self, exchange: &Exchange) {
        self.0.borrow_mut().push(*exchange);
    }

    fn guess(&mut self, _at: f64) -> Option<Guess> {
        None
    }
}

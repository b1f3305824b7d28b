//! The campaign: random worlds, each from a seed, in which the assumptions hold and a majority is honest. Whatever
//! else goes wrong, no bound is false, no settled clock is stepped, and nobody is asked more often than is polite.
//!
//! `TRUECHIMER_SEEDS=100..5000 cargo test --release -p truechimer-sim --test campaign -- --nocapture` goes on a long one.

use std::ops::Range;

use truechimer_core::event::Event;
use truechimer_core::source::schedule::{BURST_SPACING, EASINGS};
use truechimer_sim::oracle::Oracle;
use truechimer_sim::scenario::Scenario;
use truechimer_sim::world::{Outcome, World};
use truechimer_sim::years::worlds::{self, campaign};
use truechimer_time::{Mono, Span, Time};

/// Run always. A seed beyond them that finds something becomes a test of its own.
const SEEDS: Range<u64> = 0..36;

const HOUR: f64 = 3600.0;

#[test]
fn no_world_makes_a_bound_false_or_steps_a_settled_clock_or_asks_too_often() {
    let (mut days, mut looks, mut faults) = (0.0, 0, Vec::new());
    for seed in seeds() {
        let scenario = campaign(seed);
        let outcome = World::new(&scenario, seed).with_story().run();
        days += scenario.duration.as_seconds() / (24.0 * HOUR);
        looks += outcome.oracle.bounds_seen;
        faults.extend(verdict(&scenario, &outcome).map(|fault| format!("seed {seed}: {fault}")));
    }
    println!("{days:.0} machine-days, {looks} bounds held against the truth, {} faults", faults.len());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The worlds of `sim years` that last a week at most, of each class.
#[test]
fn no_class_of_worlds_makes_a_bound_false_or_steps_a_settled_clock_or_asks_too_often() {
    let short = (0..200).filter(|&seed| worlds::length(seed) <= Span::from_secs(7 * 86_400));
    for seed in short.take(36) {
        let scenario = worlds::world(seed);
        let outcome = World::new(&scenario, seed).with_story().watched().run();
        assert_eq!(verdict(&scenario, &outcome), None, "seed {seed}, {}", scenario.name);
    }
}

#[test]
fn an_answer_that_waits_through_a_sleep_does_no_harm() {
    assert_eq!(fault(48), None);
}

#[test]
fn a_liar_that_is_heard_first_after_an_outage_does_not_decide() {
    assert_eq!(fault(1659), None);
}

fn fault(seed: u64) -> Option<String> {
    let scenario = campaign(seed);
    verdict(&scenario, &World::new(&scenario, seed).with_story().run())
}

fn seeds() -> Vec<u64> {
    let Ok(text) = std::env::var("TRUECHIMER_SEEDS") else { return SEEDS.collect() };
    let (from, to) = text.split_once("..").expect("TRUECHIMER_SEEDS=FROM..TO");
    let number = |text: &str| text.parse().expect("a number");
    (number(from)..number(to)).collect()
}

/// What a world did that it must not do.
fn verdict(scenario: &Scenario, outcome: &Outcome) -> Option<String> {
    let oracle = &outcome.oracle;
    if oracle.bounds_false > 0 {
        let Oracle { bounds_false, bounds_seen, worst_excess, .. } = oracle;
        return Some(format!("{bounds_false} of {bounds_seen} bounds were false, by up to {worst_excess}"));
    }
    if oracle.claims_false > 0 {
        return Some(format!("the kernel was told {} times less than its error", oracle.claims_false));
    }
    stepped_late(scenario, outcome).or_else(|| asked_too_often(scenario, outcome))
}

/// Steps are for the first updates of a life.
fn stepped_late(scenario: &Scenario, outcome: &Outcome) -> Option<String> {
    let mut births = outcome.births.iter().peekable();
    let mut updates = 0;
    for (since, event) in outcome.story.iter().flatten() {
        while births.next_if(|&birth| birth <= since).is_some() {
            updates = 0;
        }
        updates += u32::from(matches!(event, Event::Updated(_)));
        if let Event::Stepped { by } = event
            && updates > scenario.policy().clock.step_updates
        {
            return Some(format!("stepped by {by} after {updates} updates, {since} after the start"));
        }
    }
    None
}

/// In any stretch of time: one question for each shortest interval (2 % less, for scatter), and one burst and one
/// urgent question more; at a birth also the questions with which the first burst eases off. Never two closer than a
/// burst's spacing.
fn asked_too_often(scenario: &Scenario, outcome: &Outcome) -> Option<String> {
    let least = scenario.intervals.0.as_seconds() * 0.98;
    let birth = BURST + 1.0 + f64::from(EASINGS);
    let mut allowance = vec![birth; scenario.servers.len()];
    let mut last: Vec<Option<Time<Mono>>> = vec![None; scenario.servers.len()];
    let extra = birth * outcome.births.len() as f64;
    for &(at, server) in &outcome.asked {
        if let Some(before) = last[server].replace(at) {
            let passed = (at - before).as_seconds();
            let most = allowance[server].max(BURST + 1.0);
            allowance[server] = (allowance[server] + passed / least).min(most);
            let is_close = passed < BURST_SPACING.as_seconds() * 0.97 && extra == 0.0;
            if is_close {
                return Some(format!("server {server} was asked twice within {passed} s at {at}"));
            }
        }
        allowance[server] -= 1.0;
        if allowance[server] + extra < -0.01 {
            return Some(format!("server {server} was asked too often at {at}"));
        }
    }
    None
}

/// As many questions as a burst has.
const BURST: f64 = 6.0;

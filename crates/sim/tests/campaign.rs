//! The campaign: random worlds, each from a seed, in which the assumptions hold and a majority is honest. Whatever
//! else goes wrong, no bound is false, no settled clock is stepped, and nobody is asked more often than is polite.
//!
//! `TRUECHIMER_SEEDS=100..5000 cargo test --release -p truechimer-sim --test campaign -- --nocapture` goes on a long one.

use std::ops::Range;

use truechimer_core::event::{Event, SteeringFault};
use truechimer_core::source::schedule::BURST_SPACING;
use truechimer_sim::chance::Stream;
use truechimer_sim::network::PathSpec;
use truechimer_sim::oracle::Oracle;
use truechimer_sim::oscillator::OscillatorSpec;
use truechimer_sim::oscillator::course::Sine;
use truechimer_sim::scenario::{Change, Scenario};
use truechimer_sim::server::{Quirk, ServerSpec};
use truechimer_sim::world::{Outcome, World};
use truechimer_time::{Mono, Rate, Span, Time};

/// Run always. A seed beyond them that finds something becomes a test of its own.
const SEEDS: Range<u64> = 0..36;

const HOUR: f64 = 3600.0;

#[test]
fn no_world_makes_a_bound_false_or_steps_a_settled_clock_or_asks_too_often() {
    let (mut days, mut looks, mut faults) = (0.0, 0, Vec::new());
    for seed in seeds() {
        let scenario = world(seed);
        let outcome = World::new(&scenario, seed).with_story().run();
        days += scenario.duration.as_seconds() / (24.0 * HOUR);
        looks += outcome.oracle.bounds_seen;
        faults.extend(verdict(&scenario, &outcome).map(|fault| format!("seed {seed}: {fault}")));
    }
    println!("{days:.0} machine-days, {looks} bounds held against the truth, {} faults", faults.len());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
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
    let scenario = world(seed);
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
    let mut restarts = restarts(scenario).into_iter().peekable();
    let mut updates = 0;
    for (since, event) in outcome.story.iter().flatten() {
        while restarts.next_if(|restart| restart <= since).is_some() {
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

fn restarts(scenario: &Scenario) -> Vec<Span> {
    let mut restarts: Vec<Span> = scenario
        .changes
        .iter()
        .filter(|(_, change)| *change == Change::Restart)
        .map(|(since, _)| *since)
        .collect();
    restarts.sort_unstable();
    restarts
}

/// In any stretch of time: one question for each shortest interval (2 % less, for scatter), and one burst and one
/// urgent question more, which a restart may begin anew. Never two closer than a burst's spacing.
fn asked_too_often(scenario: &Scenario, outcome: &Outcome) -> Option<String> {
    let least = scenario.intervals.0.as_seconds() * 0.98;
    let mut allowance = vec![BURST + 1.0; scenario.servers.len()];
    let mut last: Vec<Option<Time<Mono>>> = vec![None; scenario.servers.len()];
    let extra = (BURST + 1.0) * restarts(scenario).len() as f64;
    for &(at, server) in &outcome.asked {
        if let Some(before) = last[server].replace(at) {
            let passed = (at - before).as_seconds();
            allowance[server] = (allowance[server] + passed / least).min(BURST + 1.0);
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

/// A random world. The honest, less those that fall silent, are more than the liars.
fn world(seed: u64) -> Scenario {
    let mut chance = Dice(Stream::new(seed, "campaign"));
    let duration = *chance.pick(&[6.0, 12.0, 30.0, 120.0, 240.0]) * HOUR;
    let honest = 2 + chance.below(4);
    let liars = chance.below(honest.min(3));
    let spare = honest - liars - 1;
    let mut servers: Vec<ServerSpec> = (0..honest + liars).map(|_| chance.server()).collect();
    for liar in &mut servers[..liars] {
        chance.corrupt(liar, duration);
    }
    for honest in &mut servers[liars..liars + spare.min(1)] {
        honest.quirk = chance.silence(duration);
    }
    if let Some(last) = servers.last_mut() {
        last.quirk = if chance.0.happens(0.3) { Quirk::Stutters } else { last.quirk };
    }
    chance.shuffle(&mut servers);
    for (operator, server) in servers.iter_mut().enumerate() {
        server.operator = operator as u8;
    }
    let least = *chance.pick(&[16, 64, 64, 256]);
    let most = least * *chance.pick(&[1, 4, 16, 16, 512]);
    Scenario {
        name: "campaign",
        duration: Span::from_seconds(duration),
        oscillator: chance.oscillator(),
        clock_error: Span::from_seconds(*chance.pick(&[0.0, 0.7, -0.09, 3000.0, -1e6])),
        servers,
        changes: chance.changes(duration),
        intervals: (Span::from_secs(least), Span::from_secs(most)),
        accuracy: *chance.pick(&[None, Some(Span::from_millis(1)), Some(Span::from_millis(50))]),
        ..Scenario::default()
    }
}

struct Dice(Stream);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        (self.0.uniform() * limit as f64) as usize
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.0.uniform()
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let index = self.below(from.len());
        &from[index]
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for index in (1..items.len()).rev() {
            let other = self.below(index + 1);
            items.swap(index, other);
        }
    }

    /// An honest one, on any path.
    fn server(&mut self) -> ServerSpec {
        let base = *self.pick(&[1e-4, 5e-3, 2e-2, 0.15]);
        let error = self.between(-1e-3, 1e-3);
        let path = PathSpec {
            base: Span::from_seconds(base),
            asymmetry: Span::from_seconds(base * self.between(-1.8, 1.8)),
            jitter: Span::from_seconds(base * self.between(0.0, 0.5)),
            loss: *self.pick(&[0.0, 0.01, 0.1]),
            ..PathSpec::default()
        };
        ServerSpec {
            path,
            error: Span::from_seconds(error),
            dispersion: Span::from_seconds(error.abs() + 1e-6),
            ..ServerSpec::default()
        }
    }

    fn corrupt(&mut self, server: &mut ServerSpec, duration: f64) {
        let sign = *self.pick(&[1.0, -1.0]);
        let size = sign * *self.pick(&[1e-3, 2e-2, 0.5, 3.0, 3600.0, 1e8]);
        let after = Span::from_seconds(self.between(0.0, duration));
        server.dispersion = Span::from_micros(1);
        match self.below(10) {
            0 => server.error = Span::from_seconds(size),
            1 => server.ramp = Rate::from_ratio(sign * *self.pick(&[1e-7, 1e-6, 1e-5, 1e-3])),
            2 => server.quirk = Quirk::Jumps { after, by: Span::from_seconds(size) },
            3 => (server.quirk, server.error) = (Quirk::TwoFaced, Span::from_seconds(size)),
            4 => server.quirk = Quirk::NeverSet,
            5 => server.quirk = Quirk::Kisses(**self.pick(&[b"RATE", b"DENY", b"RSTR", b"XYZ!"])),
            6 => server.quirk = Quirk::Babbles,
            7 => server.error = Span::from_secs(1 << 32),
            8 => server.stratum = 16,
            _ => server.quirk = self.silence(duration),
        }
    }

    fn silence(&mut self, duration: f64) -> Quirk {
        let from = self.between(0.0, duration);
        let until = from + self.between(0.0, 30.0 * HOUR);
        Quirk::Silent { from: Span::from_seconds(from), until: Span::from_seconds(until) }
    }

    /// One that keeps to A1 and A2: within 15 ppm of itself for a day.
    fn oscillator(&mut self) -> OscillatorSpec {
        let offset_ppm = self.between(-150.0, 150.0);
        let walk = *self.pick(&[0.0, 1e-10, 1e-9]);
        let quick = OscillatorSpec { offset_ppm, walk, ..OscillatorSpec::default() };
        let days = |days: f64| Span::from_seconds(days * 24.0 * HOUR);
        let sine = |ppm, period| Sine { period: days(period), ..Sine::daily(ppm) };
        match self.below(3) {
            0 => OscillatorSpec { steps: vec![(days(self.0.uniform() * 3.0), 10.0)], ..quick },
            1 => OscillatorSpec { sines: vec![sine(5.0, self.between(0.01, 1.0))], ..quick },
            _ => OscillatorSpec { sines: vec![sine(15.0, 8.0)], ..quick },
        }
    }

    fn changes(&mut self, duration: f64) -> Vec<(Span, Change)> {
        let mut changes = Vec::new();
        for _ in 0..self.below(8) {
            let at = self.between(0.0, duration);
            let later = at + *self.pick(&[60.0, HOUR, 8.0 * HOUR, 80.0 * HOUR]);
            let when = Span::from_seconds(at);
            let until = Span::from_seconds(later);
            let sign = *self.pick(&[1.0, -1.0]);
            match self.below(6) {
                0 => changes.extend([(when, Change::CutAll(true)), (until, Change::CutAll(false))]),
                1 => {
                    let by = self.signed(sign, &[0.002, 0.3, 5.0, 4000.0]);
                    changes.push((when, Change::StepByOthers(by)));
                }
                2 => {
                    let by = *self.pick(&[20_000, 100_000, 400_000]);
                    changes.push((when, Change::RetuneByOthers(Rate::from_ppb(by))));
                }
                3 => {
                    let slept = Span::from_seconds(*self.pick(&[3.0, 60.0, 5.0 * HOUR]));
                    let rtc_error = self.signed(sign, &[0.0, 0.05, 2.0]);
                    changes.push((when, Change::Sleep { slept, rtc_error }));
                }
                4 => changes.extend([
                    (when, Change::KernelRefuses(Some(SteeringFault::NotPermitted))),
                    (until, Change::KernelRefuses(None)),
                ]),
                _ => changes.push((when, Change::Restart)),
            }
        }
        changes
    }

    fn signed(&mut self, sign: f64, sizes: &[f64]) -> Span {
        Span::from_seconds(sign * *self.pick(sizes))
    }
}

//! `truechimer sim`: simulated worlds, tables of figures, and lives lived again.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};

use anyhow::{Context, bail};
use serde::Serialize;
use truechimer_sim::scenario::{self, Scenario};
use truechimer_sim::table;
use truechimer_sim::world::{Outcome as History, START, World};

use crate::cli;
use crate::command::Outcome;
use crate::replay::{self, Difference};

mod tables;

/// What `sim SCENARIO --json` prints.
#[derive(Serialize)]
struct Figures<'a> {
    version: u32,
    scenario: &'a str,
    about: &'a str,
    seed: u64,
    settle_seconds: Option<f64>,
    rms_seconds: Option<f64>,
    max_seconds: f64,
    rate_error: f64,
    mean_bound_seconds: Option<f64>,
    bounds_seen: u64,
    bounds_false: u64,
    falsetickers: &'a [usize],
    questions: u64,
    steps: u64,
}

/// What `sim --replay --json` prints.
#[derive(Serialize)]
struct Replayed {
    version: u32,
    inputs: u64,
    compared: u64,
    same: bool,
    difference: Option<(u64, String, String)>,
}

/// Simulates a scenario, makes a table, draws the figures, or replays a record. The answer is no if a bound was false
/// or a decision differs.
pub fn sim(arguments: &cli::Sim) -> anyhow::Result<Outcome> {
    match (&arguments.name, &arguments.plot) {
        (Some(name), _) => match tables::by_name(name) {
            Some(table) => tables::print(table, arguments),
            None => simulate(name, arguments.seed, arguments.output.json),
        },
        (None, Some(folder)) => tables::draw(folder, arguments),
        (None, None) => replay_files(arguments),
    }
}

fn simulate(name: &str, seed: u64, json: bool) -> anyhow::Result<Outcome> {
    let chosen = match name {
        "all" => scenario::all(),
        name => scenario::by_name(name).into_iter().collect(),
    };
    if chosen.is_empty() {
        eprintln!("truechimer: {}", unknown(name));
        return Ok(Outcome::Misused);
    }
    let mut out = io::stdout().lock();
    if !json {
        writeln!(out, "{}", table::HEAD)?;
    }
    let mut held = true;
    for scenario in &chosen {
        let history = World::new(scenario, seed).run();
        held &= history.oracle.bounds_false == 0;
        match json {
            true => writeln!(out, "{}", serde_json::to_string(&figures(scenario, seed, &history))?)?,
            false => writeln!(out, "{}", table::line(scenario, &history))?,
        }
    }
    Ok(if held { Outcome::Yes } else { Outcome::No })
}

fn unknown(name: &str) -> String {
    let line = |name: &str, about: &str| format!("  {name:<15} {about}");
    let mut lines =
        vec![format!("there is no {name}; there are the scenarios"), line("all", "every one of them")];
    lines.extend(scenario::all().iter().map(|known| line(known.name, known.about)));
    lines.push("and the tables".into());
    lines.extend(tables::TABLES.iter().map(|known| line(known.name, known.about)));
    lines.join("\n")
}

fn figures<'a>(scenario: &'a Scenario, seed: u64, history: &'a History) -> Figures<'a> {
    let oracle = &history.oracle;
    Figures {
        version: crate::talk::VERSION,
        scenario: scenario.name,
        about: scenario.about,
        seed,
        settle_seconds: oracle.settled_at().map(|at| (at - START).as_seconds()),
        rms_seconds: oracle.clock.rms(),
        max_seconds: oracle.clock.worst().as_seconds(),
        rate_error: history.rate_error,
        mean_bound_seconds: oracle.bound.mean(),
        bounds_seen: oracle.bounds_seen,
        bounds_false: oracle.bounds_false,
        falsetickers: &history.falsetickers,
        questions: history.questions,
        steps: history.told.stepped,
    }
}

fn replay_files(arguments: &cli::Sim) -> anyhow::Result<Outcome> {
    if arguments.replay.is_empty() {
        bail!("name the files of the record, the oldest first")
    }
    let mut whole: Box<dyn Read> = Box::new(io::empty());
    for path in &arguments.replay {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        whole = Box::new(whole.chain(file));
    }
    let replayed = replay::replay(BufReader::new(whole), false)
        .with_context(|| format!("cannot replay {}", arguments.replay[0].display()))?;
    let text = match arguments.output.json {
        true => json(&replayed)?,
        false => words(&replayed),
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(if replayed.difference.is_none() { Outcome::Yes } else { Outcome::No })
}

fn json(replayed: &replay::Outcome) -> anyhow::Result<String> {
    let parts = |d: &Difference| (d.line, d.then.clone(), d.now.clone());
    let told = Replayed {
        version: crate::talk::VERSION,
        inputs: replayed.inputs,
        compared: replayed.compared,
        same: replayed.difference.is_none(),
        difference: replayed.difference.as_ref().map(parts),
    };
    Ok(serde_json::to_string_pretty(&told)? + "\n")
}

fn words(replayed: &replay::Outcome) -> String {
    let fed = format!("{} inputs fed, {} decisions compared", replayed.inputs, replayed.compared);
    match &replayed.difference {
        None => format!("{fed}: all the same\n"),
        Some(Difference { line, then, now }) => {
            format!("{fed}: another life from line {line} on\n  then: {then}\n  now:  {now}\n")
        }
    }
}

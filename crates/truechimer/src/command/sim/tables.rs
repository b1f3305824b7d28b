//! The tables that `sim` can make. A new one is one line in [`TABLES`].

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::thread;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Map, Value, json};
use truechimer_sim::accuracy;
use truechimer_sim::classic;
use truechimer_sim::holdover;
use truechimer_sim::lab::{figures, matrix, poll, robust, vote};
use truechimer_sim::sheet::{Cell, Sheet};
use truechimer_sim::work::Effort;
use truechimer_sim::years;

use crate::cli::{self, Seeds};
use crate::command::Outcome;

/// A table that can be asked for.
pub(super) struct Table {
    /// Its name on the command line.
    pub(super) name: &'static str,
    /// What it is about.
    pub(super) about: &'static str,
    make: fn(&Effort<'_>) -> Vec<Sheet>,
}

/// All of them.
pub(super) const TABLES: &[Table] = &[
    Table {
        name: "accuracy",
        about: "what an accuracy target costs, and whether it is kept",
        make: accuracy::table,
    },
    Table {
        name: "years",
        about: "years of random worlds with all faults: is a bound ever false?",
        make: years::table,
    },
    Table {
        name: "matrix",
        about: "plain jitter against a plain oscillator, and how near to the limit",
        make: matrix::sheets,
    },
    Table {
        name: "robust",
        about: "26 troubles of paths and oscillators, asked often and rarely",
        make: robust::sheets,
    },
    Table {
        name: "poll",
        about: "how rarely ours may ask and be as right as the yardstick every 64 s",
        make: poll::sheets,
    },
    Table {
        name: "vote",
        about: "four sources together: the best of each, one path longer than it seems, one that lies",
        make: vote::sheets,
    },
    Table {
        name: "holdover",
        about: "error against time when nobody answers, and how well it was foretold",
        make: holdover::sheets,
    },
    Table {
        name: "classic",
        about: "clockspeed on its own schedule for 90 days, ours and the original's arithmetic",
        make: classic::sheets,
    },
];

/// The table of this name.
pub(super) fn by_name(name: &str) -> Option<&'static Table> {
    TABLES.iter().find(|table| table.name == name)
}

/// Makes a table and prints it. The answer is no if something that must hold did not.
pub(super) fn print(table: &Table, arguments: &cli::Sim) -> anyhow::Result<Outcome> {
    let sheets = watched(table.name, arguments, table.make);
    let mut out = io::stdout().lock();
    for (index, sheet) in sheets.iter().enumerate() {
        match arguments.output.json {
            true => writeln!(out, "{}", serde_json::to_string(&object(sheet))?)?,
            false if index == 0 => write!(out, "{sheet}")?,
            false => write!(out, "\n{sheet}")?,
        }
    }
    Ok(if sheets.iter().all(|sheet| sheet.holds) { Outcome::Yes } else { Outcome::No })
}

/// Draws all figures into a folder, and names the files.
pub(super) fn draw(folder: &Path, arguments: &cli::Sim) -> anyhow::Result<Outcome> {
    if !folder.is_dir() {
        bail!("cannot write to {}: there is no such folder", folder.display());
    }
    let figures = watched("figures", arguments, figures::all);
    let mut out = io::stdout().lock();
    for figure in figures {
        let path = folder.join(figure.file);
        fs::write(&path, figure.svg).with_context(|| format!("cannot write {}", path.display()))?;
        writeln!(out, "{}", path.display())?;
    }
    Ok(Outcome::Yes)
}

/// Has something made with as much effort as was asked for, and a bar for those who wait.
fn watched<T>(name: &'static str, arguments: &cli::Sim, make: fn(&Effort<'_>) -> T) -> T {
    let bar = bar(name);
    let watch = |done, of| show(&bar, done, of);
    let made = make(&Effort {
        seeds: arguments.seeds.as_ref().map(Seeds::count),
        range: arguments.seeds.as_ref().and_then(Seeds::range),
        budget: arguments.budget,
        quick: arguments.quick,
        jobs: arguments.jobs.unwrap_or_else(cores),
        audience: &watch,
    });
    bar.finish_and_clear();
    made
}

fn cores() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Shown on a terminal only, on stderr, so that a table can be redirected.
fn bar(name: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix} {bar:40} {pos}/{len}, {eta} left");
    let target = match io::stderr().is_terminal() {
        true => ProgressDrawTarget::stderr_with_hz(4),
        false => ProgressDrawTarget::hidden(),
    };
    let bar = ProgressBar::with_draw_target(None, target).with_prefix(name);
    bar.with_style(style.expect("the template is a constant that a test has read"))
}

fn show(bar: &ProgressBar, done: usize, of: usize) {
    bar.set_length(of as u64);
    bar.set_position(done as u64);
}

/// A sheet for programs: one object a line, figures unrounded.
fn object(sheet: &Sheet) -> Value {
    let rows: Vec<Value> = sheet.rows.iter().map(|row| Value::Object(fields(sheet, row))).collect();
    let units = sheet.columns.iter().filter(|column| !column.unit.is_empty());
    let units: Map<String, Value> = units.map(|column| (column.name.clone(), column.unit.into())).collect();
    let findings = sheet.findings.iter().map(|(name, figure, _)| (name.clone(), (*figure).into()));
    json!({
        "version": crate::talk::VERSION,
        "table": sheet.name,
        "units": units,
        "rows": rows,
        "findings": findings.collect::<Map<String, Value>>(),
        "holds": sheet.holds,
    })
}

fn fields(sheet: &Sheet, row: &[Cell]) -> Map<String, Value> {
    let value = |cell: &Cell| match cell {
        Cell::Word(word) => word.as_str().into(),
        Cell::Figure(figure) => (*figure).into(),
        Cell::Nothing => Value::Null,
    };
    sheet.columns.iter().zip(row).map(|(column, cell)| (column.name.clone(), value(cell))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use truechimer_sim::sheet::{Column, Form};

    #[test]
    fn the_bar_can_be_drawn() {
        show(&bar("test"), 1, 2);
    }

    #[test]
    fn names_are_not_those_of_scenarios() {
        for table in TABLES {
            assert!(truechimer_sim::scenario::by_name(table.name).is_none(), "{}", table.name);
        }
    }

    #[test]
    fn programs_read_what_people_read() {
        let columns = vec![Column::new("path", "", Form::Words), Column::new("rms", "µs", Form::Short)];
        let mut sheet = Sheet::new("test", columns);
        sheet.row(vec!["quiet".into(), 2.3456.into()]);
        sheet.row(vec!["cut".into(), Cell::Nothing]);
        sheet.findings.push(("mean".into(), 2.0, 1));
        let object = object(&sheet);
        assert_eq!(object["rows"][0]["rms"], 2.3456);
        assert!(object["rows"][1]["rms"].is_null());
        assert_eq!(object["units"]["rms"], "µs");
        assert_eq!(object["findings"]["mean"], 2.0);
    }
}

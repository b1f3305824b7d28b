//! `truechimer config`: is the configuration right, what does it say in the end, and what would an older one be?

use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use truechimer_sys::file;

use crate::cli::{self, ConfigVerb};
use crate::command::Outcome;
use crate::config::{self, Config};

/// A majority that outvotes one liar needs three votes.
const OPERATORS_WANTED: usize = 3;

/// No file of a few variables is longer.
const VARIABLES_BYTES_MAX: usize = 65_536;

/// Checks or shows a configuration. A configuration that cannot be used is a no; what is wrong goes to stderr.
pub fn config(arguments: &cli::Config) -> anyhow::Result<Outcome> {
    match &arguments.verb {
        ConfigVerb::Check { file } => with(file.as_deref(), check),
        ConfigVerb::Show { file } => with(file.as_deref(), |config| config.to_toml()),
        ConfigVerb::Import { file } => import(file),
    }
}

fn with(file: Option<&Path>, print: impl Fn(&Config) -> String) -> anyhow::Result<Outcome> {
    match Config::load(file) {
        Ok(config) => {
            io::stdout().lock().write_all(print(&config).as_bytes())?;
            Ok(Outcome::Yes)
        }
        Err(error) => {
            writeln!(io::stderr(), "truechimer: configuration: {error}")?;
            Ok(Outcome::No)
        }
    }
}

/// Prints what an older set-up would be here. The answer is no if something in it was not understood.
fn import(path: &Path) -> anyhow::Result<Outcome> {
    let bytes = file::load(path, VARIABLES_BYTES_MAX).context("variables")?;
    let name = path.display().to_string();
    let imported = config::import(&name, &String::from_utf8_lossy(&bytes));
    io::stdout().lock().write_all(imported.toml.as_bytes())?;
    for config::Note { line, reason } in &imported.notes {
        let place = if *line == 0 { name.clone() } else { format!("{name}:{line}") };
        writeln!(io::stderr(), "truechimer: {place}: {reason}")?;
    }
    Ok(if imported.notes.is_empty() { Outcome::Yes } else { Outcome::No })
}

/// What can be said of a configuration that is right.
fn check(config: &Config) -> String {
    let (sources, operators) = (config.sources.len(), config.operators());
    let mut text = format!("right: sources {sources}, operators {operators}\n");
    if operators < OPERATORS_WANTED {
        text += "note: fewer than three operators cannot outvote one that is wrong\n";
    }
    text
}

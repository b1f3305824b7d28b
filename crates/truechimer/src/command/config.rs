//! `truechimer config`: is the configuration right, and what does it say in the end?

use std::io::{self, Write};
use std::path::Path;

use crate::cli::{self, ConfigVerb};
use crate::command::Outcome;
use crate::config::Config;

/// A majority that outvotes one liar needs three votes.
const OPERATORS_WANTED: usize = 3;

/// Checks or shows a configuration. A configuration that cannot be used is a no; what is wrong goes to stderr.
pub fn config(arguments: &cli::Config) -> anyhow::Result<Outcome> {
    match &arguments.verb {
        ConfigVerb::Check { file } => with(file.as_deref(), check),
        ConfigVerb::Show { file } => with(file.as_deref(), |config| config.to_toml()),
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

/// What can be said of a configuration that is right.
fn check(config: &Config) -> String {
    let (sources, operators) = (config.sources.len(), config.operators());
    let mut text = format!("right: sources {sources}, operators {operators}\n");
    if operators < OPERATORS_WANTED {
        text += "note: fewer than three operators cannot outvote one that is wrong\n";
    }
    text
}

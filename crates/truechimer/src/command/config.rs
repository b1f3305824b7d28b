//! `truechimer config`: is the configuration right, what does it say in the end, and what would that of another program be?

use std::io::{self, Write};
use std::path::Path;

use truechimer_sys::system;

use crate::classic::clockadjust::whom::{Way, found, ways};
use crate::cli::{self, ConfigVerb};
use crate::command::Outcome;
use crate::config::{self, Config, ImportError, Keys, KeysError};

/// A majority that outvotes one liar needs three votes.
const OPERATORS_WANTED: usize = 3;

/// Checks or shows a configuration. A configuration that cannot be used is a no; what is wrong goes to stderr.
pub fn config(arguments: &cli::Config) -> anyhow::Result<Outcome> {
    match &arguments.verb {
        ConfigVerb::Check { file } => with(file.as_deref(), check),
        ConfigVerb::Show { file } => with(file.as_deref(), |config| Ok(config.to_toml())),
        ConfigVerb::Import(arguments) => import(arguments),
    }
}

fn with(
    file: Option<&Path>,
    print: impl Fn(&Config) -> Result<String, KeysError>,
) -> anyhow::Result<Outcome> {
    let complaint = match Config::load(file) {
        Ok(config) => match print(&config) {
            Ok(text) => {
                io::stdout().lock().write_all(text.as_bytes())?;
                return Ok(Outcome::Yes);
            }
            Err(error) => format!("keys: {error}"),
        },
        Err(error) => format!("configuration: {error}"),
    };
    writeln!(io::stderr(), "truechimer: {complaint}")?;
    Ok(Outcome::No)
}

/// Prints the configuration of another program as one of ours, or what became of each of its lines. The answer is no if
/// something behaves otherwise than it did.
fn import(import: &cli::Import) -> anyhow::Result<Outcome> {
    let imported = match config::import(&import.file, import.from) {
        Ok(imported) => imported,
        Err(error @ (ImportError::Unrecognised(_) | ImportError::Folder(_))) => {
            writeln!(io::stderr(), "truechimer: {error}")?;
            return Ok(Outcome::Misused);
        }
        Err(error @ ImportError::Unreadable { .. }) => return Err(error.into()),
    };
    let text = match (import.json, import.report) {
        (true, _) => format!("{:#}\n", imported.to_json()),
        (false, true) => imported.report(),
        (false, false) => imported.toml.clone(),
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    if !import.json && !import.report {
        for told in imported.attention() {
            writeln!(io::stderr(), "truechimer: {told}")?;
        }
    }
    Ok(if imported.is_complete() { Outcome::Yes } else { Outcome::No })
}

/// What can be said of a configuration that is right, its file of keys included.
fn check(config: &Config) -> Result<String, KeysError> {
    let keys = Keys::load(config)?;
    let (sources, operators) = (config.places().count(), config.operators());
    let mut text = format!("right: sources {sources}, operators {operators}\n");
    if operators < OPERATORS_WANTED {
        text += "note: fewer than three operators cannot outvote one that is wrong\n";
    }
    text += &keys.warning(config).map(|warning| format!("note: {warning}\n")).unwrap_or_default();
    Ok(text + &classic(config))
}

/// Which part this host has where one is the master, and whether it can play it.
fn classic(config: &Config) -> String {
    let Some(master) = &config.classic.master else { return String::new() };
    let host = system::host_name().unwrap_or_else(|| "(without a name)".to_owned());
    let ways: Vec<String> = ways(config, &host).iter().map(Way::to_string).collect();
    let is_master = master.host.as_ref().is_some_and(|name| name.is(&host));
    let part = if is_master { ", the master," } else { "" };
    let mut text = match ways.is_empty() {
        true => format!("note: {host}{part} has nobody to measure: there are no sources\n"),
        false => format!("classic: {host}{part} measures {}\n", ways.join("; if that fails, ")),
    };
    if let Some(trouble) = found(&master.address).err().filter(|_| !is_master) {
        text += &format!("note: {trouble}\n");
    }
    text
}

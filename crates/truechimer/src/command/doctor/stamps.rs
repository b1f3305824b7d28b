//! `doctor stamps`: what a file system does to stamps, told to the process that asked. Not for people: it may never end.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use crate::command::Outcome;
use crate::doctor::stamps;

/// Print what a file system does to stamps
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Stamps {
    /// In which folder to try
    pub folder: PathBuf,
}

/// Tries, and prints one line of JSON.
///
/// # Errors
/// We may not write there, or the file system fails.
pub fn stamps(arguments: &Stamps) -> anyhow::Result<Outcome> {
    let folder = &arguments.folder;
    let found =
        stamps::measure(folder).with_context(|| format!("cannot make files in {}", folder.display()))?;
    writeln!(io::stdout().lock(), "{}", serde_json::to_string(&found)?)?;
    Ok(Outcome::Yes)
}

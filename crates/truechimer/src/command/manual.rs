//! `truechimer man` and `truechimer completions`: what packagers install, made from the command line's own table.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::Context;
use clap::Command;

use crate::classic;
use crate::cli;
use crate::command::Outcome;

/// Writes one page for the program and one for each subcommand that is not hidden.
pub fn man(arguments: &cli::Man, mut table: Command) -> anyhow::Result<Outcome> {
    table.build();
    pages(&table, &arguments.dir)?;
    Ok(Outcome::Yes)
}

fn pages(command: &Command, dir: &Path) -> anyhow::Result<()> {
    let command = under_its_own_name(command);
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let path = dir.join(format!("{name}.1"));
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
    let shown = |sub: &&Command| !sub.is_hide_set() && sub.get_name() != "help";
    command.get_subcommands().filter(shown).try_for_each(|sub| pages(sub, dir))
}

/// The classic programs have pages under their own names, where those look who know them.
fn under_its_own_name(command: &Command) -> Command {
    let name = command.get_name().to_owned();
    match classic::names().contains(&name) {
        true => command.clone().display_name(name.clone()).bin_name(name),
        false => command.clone(),
    }
}

/// Prints the completions for one shell.
pub fn completions(arguments: &cli::Completions, mut table: Command) -> anyhow::Result<Outcome> {
    let name = table.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut table, name, &mut script);
    io::Write::write_all(&mut io::stdout().lock(), &script)?;
    Ok(Outcome::Yes)
}

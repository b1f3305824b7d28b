//! `truechimer-exporter`: numbers for Prometheus and its kind, over HTTP.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use tokio::net::TcpListener;
use tokio::runtime;
use truechimer::cli;
use truechimer::command::{Outcome, manual};
use truechimer::metrics::Names;
use truechimer_fleet::exporter::Exporter;

/// Tell monitors over HTTP how right the time of this machine is
///
/// `/metrics` has the numbers, `/health` whether the daemon answers. It needs no privilege: it asks the daemon as anybody may.
#[derive(Parser)]
#[command(name = "truechimer-exporter", version, max_term_width = 100)]
struct Arguments {
    /// Where to listen. Whoever can reach it may look, and nothing is encrypted
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:10123")]
    listen: SocketAddr,
    /// Whose names the numbers have: truechimer, chrony, ntpd-rs, or several with commas between
    #[arg(long, value_name = "NAMES", default_value = "truechimer", value_delimiter = ',', value_parser = names)]
    names: Vec<Names>,
    /// Where the daemon keeps its socket
    #[arg(long, value_name = "DIR", default_value = "/run/truechimer")]
    run_dir: PathBuf,
}

// The same, and what packagers may say instead. What it is for is said above.
#[derive(Parser)]
#[command(name = "truechimer-exporter", version, max_term_width = 100)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
struct Line {
    #[command(subcommand)]
    packaging: Option<Packaging>,
    #[command(flatten)]
    arguments: Arguments,
}

/// What is made from the table of arguments.
#[derive(Subcommand)]
enum Packaging {
    #[command(hide = true)]
    Man(cli::Man),
    #[command(hide = true)]
    Completions(cli::Completions),
}

fn names(word: &str) -> Result<Names, String> {
    Names::named(word).ok_or_else(|| "it must be truechimer, chrony or ntpd-rs".to_owned())
}

fn main() -> ExitCode {
    let outcome = match Line::try_parse() {
        Ok(line) => run(line).unwrap_or_else(|error| {
            // When stderr is gone too, the exit code has to do.
            let _ = writeln!(io::stderr(), "truechimer-exporter: {error:#}");
            Outcome::Failed
        }),
        Err(error) => misused(&error),
    };
    outcome.into()
}

/// Help and version are what was asked for; everything else was called wrongly.
fn misused(error: &clap::Error) -> Outcome {
    // When nobody reads it, the exit code has to do.
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Outcome::Yes,
        _called_wrongly => Outcome::Misused,
    }
}

fn run(line: Line) -> anyhow::Result<Outcome> {
    match line.packaging {
        None => serve(line.arguments),
        Some(Packaging::Man(dir)) => manual::man(&dir, Arguments::command()),
        Some(Packaging::Completions(shell)) => manual::completions(&shell, Arguments::command()),
    }
}

fn serve(arguments: Arguments) -> anyhow::Result<Outcome> {
    let Arguments { listen, mut names, run_dir } = arguments;
    let mut seen = Vec::new();
    names.retain(|it| {
        !seen.contains(it) && {
            seen.push(*it);
            true
        }
    });
    let runtime = runtime::Builder::new_current_thread().enable_all().build().context("cannot begin")?;
    runtime.block_on(async {
        let listener =
            TcpListener::bind(listen).await.with_context(|| format!("cannot listen at {listen}"))?;
        let place = listener.local_addr().context("cannot tell where it listens")?;
        writeln!(io::stderr(), "truechimer-exporter: listening at http://{place}/metrics")?;
        if !place.ip().is_loopback() {
            let text =
                "whoever can reach it sees the names and addresses of the sources, and nothing is encrypted";
            writeln!(io::stderr(), "truechimer-exporter: {text}")?;
        }
        Exporter::new(run_dir, names).serve(listener).await;
        Ok(Outcome::Yes)
    })
}

//! Truechimer: one binary, many names. This file is its table of contents.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use truechimer::classic::{self, Face, Program};
use truechimer::cli;
use truechimer::command::{self, Outcome};

/// Keeps every clock in a network right, and says how right it is
#[derive(Parser)]
#[command(name = "truechimer", version, max_term_width = 100)]
#[allow(clippy::large_enum_variant, reason = "there is one of it")]
enum Command {
    Run(cli::Run),
    Status(cli::Status),
    Sources(cli::Sources),
    Sourcestats(cli::Sourcestats),
    Selectdata(cli::Selectdata),
    Serverstats(cli::Serverstats),
    Clients(cli::Clients),
    Forecast(cli::Forecast),
    Watch(cli::Watch),
    History(cli::History),
    Timeline(command::timeline::Timeline),
    Stamp(command::stamp::Stamp),
    Localtime(command::localtime::Localtime),
    Now(cli::Now),
    Wait(cli::Wait),
    Burst(cli::Burst),
    Step(cli::Step),
    Demo(cli::Demo),
    Sim(cli::Sim),
    Doctor(command::doctor::Doctor),
    Query(cli::Query),
    Survey(cli::Survey),
    Set(cli::Set),
    Config(cli::Config),
    Keys(cli::Keys),
    Applets(cli::Applets),
    Service(command::service::Service),
    Exporter(command::exporter::Exporter),
    Tz(command::tz::Tz),
    #[command(flatten)]
    Classic(Program),
    #[command(hide = true)]
    Man(cli::Man),
    #[command(hide = true)]
    Completions(cli::Completions),
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    if let Some(name) = arguments.next().and_then(|called| classic::named(&called)) {
        return classic::run(&name, arguments).into();
    }
    let outcome = match Command::try_parse() {
        Ok(command) => run(&command).unwrap_or_else(|error| complain(&error)),
        Err(error) => misused(&error),
    };
    outcome.into()
}

fn run(command: &Command) -> anyhow::Result<Outcome> {
    match command {
        Command::Run(arguments) => command::run::run(arguments),
        Command::Status(arguments) => command::status::status(arguments),
        Command::Sources(arguments) => command::status::sources(arguments),
        Command::Sourcestats(arguments) => command::statistics::sourcestats(arguments),
        Command::Selectdata(arguments) => command::statistics::selectdata(arguments),
        Command::Serverstats(arguments) => command::statistics::serverstats(arguments),
        Command::Clients(arguments) => command::clients::clients(arguments),
        Command::Forecast(arguments) => command::forecast::forecast(arguments),
        Command::Watch(arguments) => command::watch::watch(arguments),
        Command::History(arguments) => command::history::history(arguments),
        Command::Timeline(arguments) => command::timeline::timeline(arguments),
        Command::Stamp(arguments) => command::stamp::stamp(arguments),
        Command::Localtime(arguments) => command::localtime::localtime(arguments),
        Command::Now(arguments) => command::now::now(arguments),
        Command::Wait(arguments) => command::wait::wait(arguments),
        Command::Burst(arguments) => command::burst::burst(arguments),
        Command::Step(arguments) => command::burst::step(arguments),
        Command::Demo(arguments) => command::demo::demo(arguments),
        Command::Sim(arguments) => command::sim::sim(arguments),
        Command::Doctor(arguments) => command::doctor::doctor(arguments),
        Command::Query(arguments) => command::query::query(arguments),
        Command::Survey(arguments) => command::survey::survey(arguments),
        Command::Set(arguments) => command::set::set(arguments),
        Command::Config(arguments) => command::config::config(arguments),
        Command::Keys(arguments) => command::keys::keys(arguments),
        Command::Applets(arguments) => command::applets::applets(arguments),
        Command::Service(arguments) => command::service::service(arguments),
        Command::Exporter(arguments) => command::exporter::exporter(arguments),
        Command::Tz(arguments) => command::tz::tz(arguments),
        Command::Classic(program) => Ok(program.run(Face::Subcommand)),
        Command::Man(arguments) => command::manual::man(arguments, Command::command()),
        Command::Completions(arguments) => command::manual::completions(arguments, Command::command()),
    }
}

/// Says what failed and why, from the outside in. A reader that has gone away is nobody's failure.
fn complain(error: &anyhow::Error) -> Outcome {
    if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        return Outcome::Yes;
    }
    // When stderr is gone too, the exit code has to do.
    let _ = writeln!(io::stderr(), "truechimer: {error:#}");
    Outcome::Failed
}

/// Help that was asked for goes to stdout and is no error; the rest is a wrong call.
fn misused(error: &clap::Error) -> Outcome {
    // A closed stdout or stderr changes nothing about how we were called.
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Outcome::Yes,
        _ => Outcome::Misused,
    }
}

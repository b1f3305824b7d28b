//! `truechimer timeline corrections` and `truechimer history export`: what clocks were worth, as a table for databases.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum, ValueHint};
use truechimer_sys::system;
use truechimer_time::Span;
use truechimer_timeline::corrections::corrections;
use truechimer_timeline::course::Course;
use truechimer_timeline::render::table::{Form, Table};

use super::config;
use crate::command::Outcome;
use crate::history::History;
use crate::timeline::evidence::Refined;
use crate::timeline::journal::Journals;
use crate::timeline::{evidence, inputs};
use crate::ui::units;

/// Of which hosts, how and where to.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Corrections {
    /// Evidence, and folders with it, one for each host
    #[arg(value_name = "PATH", required_unless_present_any = ["hosts", "config"], value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
    /// The paths of hosts, and how right their servers were, in a file, as `timeline --config` has them
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// What is in PATH is of the host NAME
    #[arg(long = "host", value_name = "NAME=PATH", value_parser = super::named_path)]
    pub hosts: Vec<(String, PathBuf)>,
    /// Believe that the servers of an ntpd that did not write down how right they were, of one host or of all, were never more wrong than
    /// this, but for a minority: peerstats, and rawstats before 4.2.8
    #[arg(long = "servers-within", value_name = "[NAME=]BOUND", value_parser = |text: &str| super::for_host(text, super::assumed))]
    pub servers_within: Vec<super::For<Span>>,
    /// How and where to
    #[command(flatten)]
    pub table: TableArguments,
}

/// Of which machine, how and where to.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Export {
    /// What this machine is called in the table, instead of its host name
    #[arg(long = "as", value_name = "NAME")]
    pub name: Option<String>,
    /// Where the daemon keeps what has to survive it
    #[arg(long, value_name = "DIR", default_value = "/var/lib/truechimer", value_hint = ValueHint::DirPath)]
    pub state_dir: PathBuf,
    /// How and where to
    #[command(flatten)]
    pub table: TableArguments,
}

/// How a table is written.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct TableArguments {
    /// In which form; by default as the name of the file ends (.csv, .json, .parquet), else csv
    #[arg(long, value_name = "FORM", value_enum)]
    pub form: Option<TableForm>,
    /// Into this file, instead of to stdout
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,
}

/// In which form a table is written.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableForm {
    /// Comma-separated values with a head
    Csv,
    /// A JSON object a line
    Json,
    /// Columns with types, for databases and Spark
    Parquet,
}

impl TableArguments {
    fn form(&self) -> Form {
        let ending = self.out.as_ref().and_then(|path| path.extension()?.to_str());
        let said = self.form.or(match ending.map(str::to_ascii_lowercase).as_deref() {
            Some("json") => Some(TableForm::Json),
            Some("parquet") => Some(TableForm::Parquet),
            Some(_) | None => None,
        });
        match said.unwrap_or(TableForm::Csv) {
            TableForm::Csv => Form::Csv,
            TableForm::Json => Form::Json,
            TableForm::Parquet => Form::Parquet,
        }
    }
}

/// Writes the table of all hosts. The answer is yes if anything is known of any.
pub(super) fn of_files(arguments: &Corrections) -> anyhow::Result<Outcome> {
    match &arguments.config {
        Some(file) => table(&config::with_evidence(arguments, file)?),
        None => table(arguments),
    }
}

fn table(arguments: &Corrections) -> anyhow::Result<Outcome> {
    let inputs = inputs::find(&arguments.paths, &arguments.hosts)?;
    let journals = Journals::of(&inputs, |input| super::is_named(&arguments.hosts, input))?;
    let mut hosts: Vec<(&str, Course)> = Vec::new();
    for host in super::names(&inputs) {
        let of_host: Vec<_> = inputs.iter().filter(|input| input.host == host).collect();
        let within = super::said(&arguments.servers_within, Some(host)).copied();
        hosts.push((host, evidence::of(&of_host, journals.of_host(host), within)?));
    }
    write(&arguments.table, &hosts)
}

/// Writes the table of this machine. The answer is yes if anything is known.
pub fn of_this_machine(arguments: &Export) -> anyhow::Result<Outcome> {
    let folder = arguments.state_dir.join(crate::command::run::NODE_FOLDER);
    let history = History::read(&folder)
        .map_err(|(path, error)| anyhow::Error::new(error).context(path.display().to_string()))
        .context("cannot read the history (written by `truechimer run`; another --state-dir?)")?;
    let name = arguments.name.clone().or_else(system::host_name).unwrap_or_else(|| "localhost".to_owned());
    let course = evidence::of_history(&name, &history);
    tell_refined(&name, Refined::of(&history, &course));
    write(&arguments.table, &[(&name, course)])
}

/// That later measurements made the history better than it was written. When stderr is gone, nobody wants to know.
fn tell_refined(name: &str, refined: Refined) {
    let Refined { moments, narrowed, most: Some([then, now]) } = refined else { return };
    let [then, now] = [then, now].map(units::bound);
    let moments = units::counted(moments as u64, "moment", "moments");
    let _ = writeln!(
        io::stderr(),
        "truechimer: {name}: what was measured later has narrowed {narrowed} of {moments} of the history, one of them from {then} to {now}"
    );
}

fn write(arguments: &TableArguments, hosts: &[(&str, Course)]) -> anyhow::Result<Outcome> {
    let form = arguments.form();
    if form == Form::Parquet && arguments.out.is_none() && io::stdout().is_terminal() {
        writeln!(
            io::stderr(),
            "truechimer: Parquet is nothing for a terminal: say --out FILE.parquet, or > FILE"
        )?;
        return Ok(Outcome::Misused);
    }
    let rows = match &arguments.out {
        None => rows(io::stdout(), form, hosts)?,
        Some(path) => file(path, form, hosts)?,
    };
    for (host, _) in hosts.iter().zip(&rows).filter(|(_, rows)| **rows == 0).map(|(host, _)| host) {
        eprintln!(
            "truechimer: {host}: nothing is known of its clock; its history, chronyd's tracking.log or ntpd's rawstats tells"
        );
    }
    Ok(if rows.iter().any(|rows| *rows > 0) { Outcome::Yes } else { Outcome::No })
}

/// A file that is there under its name is whole.
fn file(path: &Path, form: Form, hosts: &[(&str, Course)]) -> anyhow::Result<Vec<u64>> {
    let place = || format!("cannot write {}", path.display());
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let file = File::create(&beside).with_context(place)?;
    let rows = rows(&file, form, hosts).with_context(place)?;
    file.sync_all().and_then(|()| std::fs::rename(&beside, path)).with_context(place)?;
    Ok(rows)
}

fn rows(out: impl Write + Send, form: Form, hosts: &[(&str, Course)]) -> io::Result<Vec<u64>> {
    let mut table = Table::begin(BufWriter::with_capacity(1 << 16, out), form)?;
    let mut written = Vec::with_capacity(hosts.len());
    for (host, course) in hosts {
        let rows = corrections(course);
        for row in &rows {
            let boot = row.stretch.and_then(|stretch| course.stretches()[stretch].boot());
            table.row((host, boot), row)?;
        }
        written.push(rows.len() as u64);
    }
    table.end()?;
    Ok(written)
}

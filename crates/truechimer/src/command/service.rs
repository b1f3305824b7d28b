//! `truechimer service`: the services as files for a supervisor. They are written, looked at, and taken away again.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand, ValueHint};

use crate::classic::counting::Kernel;
use crate::command::Outcome;
use crate::config::CONFIG_FILE;
use crate::service::install::{self, Change, Step};
use crate::service::manifest::Manifest;
use crate::service::remove::{self, Fate};
use crate::service::status::{self, State, Status};
use crate::service::tree::{Item, below};
use crate::service::{Accounts, Layout, Role, Supervisor, rival};
use crate::ui::table::{Side, Table};

mod next;

/// Write the services for systemd, daemontools, runit or s6; see how they stand; take them away
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Service {
    /// What to do
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do with the services.
#[derive(Subcommand, Clone, Debug, PartialEq)]
pub enum Verb {
    /// Write all files of the services; what is there already and differs is shown and left alone
    Install(Box<Install>),
    /// Say which services run, and whether their files are as they were written
    Status(Look),
    /// Take away what was written, as far as nobody has changed it since
    Remove(Remove),
}

/// Where the services were written.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Place {
    /// Where the service folders and the list of all that was written are
    #[arg(long, value_name = "DIR", default_value = "/etc/truechimer/service", value_hint = ValueHint::DirPath)]
    pub services: PathBuf,
    /// Take this folder for the root of the file system; scripts and units do not mention it
    #[arg(long, value_name = "DIR", default_value = "/", value_hint = ValueHint::DirPath)]
    pub prefix: PathBuf,
}

/// Arguments of `service install`.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Install {
    /// Who keeps the services running
    #[arg(long, value_name = "NAME", value_enum)]
    pub supervisor: Supervisor,
    /// What this host is: a master also answers by TAICLOCK
    #[arg(long, value_name = "ROLE", value_enum, default_value_t = Role::Client)]
    pub role: Role,
    /// Where to write
    #[command(flatten)]
    pub place: Place,
    /// Write nothing, and print everything that would be written
    #[arg(long)]
    pub dry_run: bool,
    /// Replace files that differ, after the difference was printed
    #[arg(long)]
    pub force: bool,
    /// Where the scanner looks for services [/service or /etc/service, whichever there is]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub scan: Option<PathBuf>,
    /// The folder of clockspeed
    #[arg(long, value_name = "DIR", default_value = "/usr/local/clockspeed", value_hint = ValueHint::DirPath)]
    pub home: PathBuf,
    /// Where the classic programs are; without this they are links in the folder bin of clockspeed's, which are made
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub bin: Option<PathBuf>,
    /// Where this program will be [where it is now]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub program: Option<PathBuf>,
    /// Where what outlives a restart is kept: `dir` in [state] of the configuration
    #[arg(long, value_name = "DIR", default_value = "/var/lib/truechimer", value_hint = ValueHint::DirPath)]
    pub state: PathBuf,
    /// Where the folder for the status file of clockadjust is made at each start; systemd's is always in /run
    #[arg(long, value_name = "DIR", default_value = "/run", value_hint = ValueHint::DirPath)]
    pub run: PathBuf,
    /// Where the folders of the logs are
    #[arg(long, value_name = "DIR", default_value = "/var/log", value_hint = ValueHint::DirPath)]
    pub logs: PathBuf,
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = CONFIG_FILE, value_hint = ValueHint::FilePath)]
    pub config: PathBuf,
    /// What the kernel's clock counts
    #[arg(long, value_name = "COUNT", value_enum, default_value_t = Kernel::Utc)]
    pub kernel: Kernel,
    /// As whom to measure
    #[arg(long, value_name = "NAME", default_value = "truechimer", value_hint = ValueHint::Username)]
    pub measure_account: String,
    /// As whom to answer
    #[arg(long, value_name = "NAME", default_value = "taiclockd", value_hint = ValueHint::Username)]
    pub serve_account: String,
    /// As whom to write logs
    #[arg(long, value_name = "NAME", default_value = "truelog", value_hint = ValueHint::Username)]
    pub log_account: String,
    /// Write units to /usr/lib, as packages do, instead of /etc
    #[arg(long)]
    pub vendor: bool,
}

/// Arguments of `service status`.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Look {
    /// Where they were written
    #[command(flatten)]
    pub place: Place,
    /// Print JSON for programs instead of a table for people
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `service remove`.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Remove {
    /// Where they were written
    #[command(flatten)]
    pub place: Place,
    /// Remove nothing, and say what would be removed
    #[arg(long)]
    pub dry_run: bool,
}

/// Does it.
pub fn service(arguments: &Service) -> anyhow::Result<Outcome> {
    match &arguments.verb {
        Verb::Install(arguments) => install(arguments),
        Verb::Status(arguments) => look(arguments),
        Verb::Remove(arguments) => take_away(arguments),
    }
}

/// Shows what would change, and changes it unless something is in the way.
fn install(arguments: &Install) -> anyhow::Result<Outcome> {
    let Place { services, prefix } = &arguments.place;
    let layout = layout(arguments)?;
    if let Err(why) = layout.check() {
        eprintln!("truechimer: {why}");
        return Ok(Outcome::Misused);
    }
    let earlier = Manifest::load(prefix, services)?;
    if let Some(other) = earlier.as_ref().filter(|earlier| !earlier.is_for(layout.supervisor)) {
        let (place, supervisor) = (services.display(), &other.supervisor);
        eprintln!(
            "truechimer: the services in {place} are those for {supervisor}: `truechimer service remove` them first"
        );
        return Ok(Outcome::No);
    }
    let steps = install::changes(layout.tree(), prefix)?;
    let mut out = io::stdout().lock();
    out.write_all(steps.iter().map(|step| shown(step, arguments.dry_run)).collect::<String>().as_bytes())?;
    if let Some(objection) = objection(&steps, arguments.force) {
        eprintln!("truechimer: nothing was written: {objection}");
        return Ok(Outcome::No);
    }
    warn_of_rivals(prefix);
    if !arguments.dry_run {
        install::apply(&steps, &layout, prefix, earlier)?;
        out.write_all(next::after_install(&layout).as_bytes())?;
    }
    Ok(Outcome::Yes)
}

fn layout(arguments: &Install) -> anyhow::Result<Layout> {
    let program = match &arguments.program {
        Some(program) => program.clone(),
        None => std::env::current_exe().context("cannot find this program's own file")?,
    };
    let scan = arguments.scan.clone().unwrap_or_else(|| scan_folder(arguments));
    Ok(Layout {
        supervisor: arguments.supervisor,
        role: arguments.role,
        accounts: Accounts {
            measure: arguments.measure_account.clone(),
            serve: arguments.serve_account.clone(),
            log: arguments.log_account.clone(),
        },
        home: arguments.home.clone(),
        bin: arguments.bin.clone().unwrap_or_else(|| arguments.home.join("bin")),
        has_links: arguments.bin.is_none(),
        program,
        services: arguments.place.services.clone(),
        scan,
        state: arguments.state.clone(),
        run: arguments.run.clone(),
        logs: arguments.logs.clone(),
        lib: if arguments.vendor { "/usr/lib".into() } else { "/etc".into() },
        config: arguments.config.clone(),
        kernel: arguments.kernel,
    })
}

/// The first of the customary folders that is there, or else the first.
fn scan_folder(arguments: &Install) -> PathBuf {
    let folders = arguments.supervisor.scan_folders();
    let is_there = |folder: &&&str| below(&arguments.place.prefix, Path::new(folder)).is_dir();
    folders.iter().find(is_there).or(folders.first()).map_or_else(|| "/".into(), PathBuf::from)
}

/// One step as lines: a word and the path; the difference, if something is replaced; all of a new text, if asked for.
fn shown(step: &Step, whole: bool) -> String {
    let place = step.entry.path.display();
    let what = match &step.entry.item {
        Item::Folder => format!("folder {place}"),
        Item::File { is_program: true, .. } => format!("script {place}"),
        Item::File { is_program: false, .. } => format!("file   {place}"),
        Item::Link { target } => format!("link   {place} -> {}", target.display()),
    };
    match (&step.change, &step.entry.item) {
        (Change::Make, Item::File { text, .. }) if whole => {
            format!("new     {what}\n{}", install::patch_of_new(text, &step.entry.path))
        }
        (Change::Make, _) => format!("new     {what}\n"),
        (Change::Keep, _) => format!("same    {what}\n"),
        (Change::Replace(difference), _) => format!("differs {what}\n{difference}"),
        (Change::Blocked(why), _) => format!("blocked {what}: {why}\n"),
    }
}

/// Why these steps must not be done.
fn objection(steps: &[Step], force: bool) -> Option<String> {
    let count = |is: fn(&Change) -> bool| steps.iter().filter(|step| is(&step.change)).count();
    let blocked = count(|change| matches!(change, Change::Blocked(_)));
    let different = count(|change| matches!(change, Change::Replace(_)));
    if blocked > 0 {
        return Some(format!("{blocked} in the way must be moved first (see \"blocked\" above)"));
    }
    (different > 0 && !force)
        .then(|| format!("{different} would be replaced (see \"differs\" above); --force does it"))
}

/// Only where what is written can come to life here.
fn warn_of_rivals(prefix: &Path) {
    if prefix != Path::new("/") {
        return;
    }
    for rival::Rival { pid, name } in rival::running(Path::new("/proc")) {
        eprintln!(
            "truechimer: {name} (process {pid}) keeps this clock now: stop it for good before these services start"
        );
    }
}

/// The answer is yes if all run, and nothing was changed.
fn look(arguments: &Look) -> anyhow::Result<Outcome> {
    let Place { services, prefix } = &arguments.place;
    let Some(manifest) = found(&arguments.place)? else { return Ok(Outcome::No) };
    let status = status::status(&manifest, prefix, services)?;
    let text = match arguments.json {
        true => serde_json::to_string_pretty(&status)? + "\n",
        false => status_text(&status),
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(if status.is_well() { Outcome::Yes } else { Outcome::No })
}

fn found(place: &Place) -> anyhow::Result<Option<Manifest>> {
    let manifest = Manifest::load(&place.prefix, &place.services)?;
    if manifest.is_none() {
        let folder = below(&place.prefix, &place.services);
        eprintln!(
            "truechimer: no services were written to {} (another --services or --prefix?)",
            folder.display()
        );
    }
    Ok(manifest)
}

fn status_text(status: &Status) -> String {
    let mut table = Table::new([("service", Side::Left), ("state", Side::Left)]);
    for service in &status.services {
        let state = match service.state {
            State::Up { pid } => format!("up (process {pid})"),
            State::Down => "down".to_owned(),
            State::Unsupervised => "not running, and nobody would start it".to_owned(),
        };
        table.row([service.name.clone(), state]);
    }
    let mut text = table.to_string();
    text += &format!("{} as they were written, for {}, {}\n", status.same, status.supervisor, status.role);
    status.changed.iter().for_each(|path| text += &format!("changed {}\n", path.display()));
    status.gone.iter().for_each(|path| text += &format!("gone    {}\n", path.display()));
    text
}

/// The answer is yes if nothing stays.
fn take_away(arguments: &Remove) -> anyhow::Result<Outcome> {
    let Place { services, prefix } = &arguments.place;
    let Some(manifest) = found(&arguments.place)? else { return Ok(Outcome::No) };
    let status = status::status(&manifest, prefix, services)?;
    let supervised: Vec<&str> = status.supervised().collect();
    if !supervised.is_empty() {
        eprint!("{}", next::before_remove(&manifest, services, &supervised));
        return Ok(Outcome::No);
    }
    let fates = remove::fates(&manifest, prefix, services)?;
    let mut out = io::stdout().lock();
    for (path, fate) in &fates {
        let word = match fate {
            Fate::Goes => "removed",
            Fate::Changed => "changed",
            Fate::InUse => "in use ",
            Fate::Gone => "gone   ",
        };
        writeln!(out, "{word} {}", path.display())?;
    }
    if !arguments.dry_run {
        remove::apply(&fates, prefix, services)?;
    }
    let stays = fates.iter().any(|(_, fate)| matches!(fate, Fate::Changed | Fate::InUse));
    Ok(if stays { Outcome::No } else { Outcome::Yes })
}

//! `truechimer run`: the daemon, from the configuration to its end.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::Path;

use anyhow::Context;
use truechimer_core::keeping::Rules;
use truechimer_sys::capability::{drop_all_capabilities, has_cap_sys_time};
use truechimer_sys::file::{self, Lock, LockError};
use truechimer_sys::handed::{self, Announced};
use truechimer_sys::shm::PageWriter;
use truechimer_sys::signal::{Signal, SignalFlags};
use truechimer_sys::user::{self, User};
use truechimer_time::{LeapTable, Span, Time};

use crate::cli;
use crate::command::Outcome;
use crate::config::{Config, Keys, LEAP_FILE, Level, Target};
use crate::daemon::clock::{LocalClock, user_clock};
use crate::daemon::clockbound::ClockBound;
use crate::daemon::control::Control;
use crate::daemon::keeper::Keeper;
use crate::daemon::monitor::Monitor;
use crate::daemon::references::References;
use crate::daemon::reloading;
use crate::daemon::serving::Listening;
use crate::daemon::{Call, Daemon, Setup};
use crate::state::{Machine, Store};
use crate::{floor, leaps, page, talk};

/// What the daemon alone may write below the state folder; the rest belongs to the keeper of the clock.
pub const NODE_FOLDER: &str = "node";

/// Runs the daemon until a signal ends it.
pub fn run(arguments: &cli::Run) -> anyhow::Result<Outcome> {
    let handed = handed::announced().context("sockets of the supervisor (LISTEN_FDS)")?;
    let readiness =
        arguments.supervised.readiness().context("cannot tell the supervisor (--ready-fd, NOTIFY_SOCKET)")?;
    let mut config = Config::load(arguments.config.as_deref()).context("configuration")?;
    let run_dir = config.state.run_dir.clone();
    let (offered, complaints) = config.with_offered(&run_dir);
    config = offered;
    for complaint in complaints.iter().filter(|_| config.log >= Level::Warn) {
        eprintln!("warn: {complaint}");
    }
    config.statistics.dir = arguments.statistics.clone().or(config.statistics.dir);
    let signals = SignalFlags::install().context("cannot catch signals")?;
    let leaps = leaps(&config);
    let account = if arguments.simulated { None } else { account(&config)? };
    make_folders(&config, account.as_ref())?;
    make_clockbound_folder(&config, account.as_ref())?;
    let _lock = lock(&config)?;
    let clock = choose_clock(&config, &leaps, arguments.simulated)?;
    let references = References::open(&config, account.as_ref(), arguments.simulated);
    // The keeper of the clock is another process by now, and never has the keys.
    let keys = keys(&config)?;
    let monitor = if arguments.simulated { None } else { monitor(&config, account.as_ref())? };
    let listening = serve(&config, &keys, Some(handed).filter(|_| !arguments.simulated))?;
    give_up_privileges(account.as_ref(), arguments.simulated)?;
    let clockbound = publish_clockbound(&config, &clock)?;
    let mut daemon = Daemon::new(Setup {
        clock,
        leaps,
        seed: seed()?,
        simulated: arguments.simulated,
        store: Store::new(&config.state.dir.join(NODE_FOLDER), Machine::here()),
        page: Some(publish(&config)?),
        clockbound,
        control: if arguments.simulated { None } else { Some(listen(&config)?) },
        monitor,
        service: listening.map(Listening::begin).transpose()?,
        references,
        statistics: config.statistics.dir.clone(),
        history: Some(config.state.dir.join(NODE_FOLDER)),
        readiness: Some(readiness),
        level: config.log,
        config,
        keys,
    })?;
    let path = arguments.config.clone();
    daemon.run(|| call(&signals), || reloading::read(path.as_deref()))?;
    Ok(Outcome::Yes)
}

/// The keys, read while we may still read them. Those for old peers only are told of, once.
fn keys(config: &Config) -> anyhow::Result<Keys> {
    let keys = Keys::load(config).context("keys")?;
    if let Some(warning) = keys.warning(config).filter(|_| config.log >= Level::Warn) {
        eprintln!("warn: {warning}");
    }
    Ok(keys)
}

/// What the signals that have come ask for.
fn call(signals: &SignalFlags) -> Call {
    if signals.take(Signal::Terminate) || signals.take(Signal::Interrupt) {
        return Call::End;
    }
    if signals.take(Signal::HangUp) { Call::Reload } else { Call::GoOn }
}

/// The leap seconds: of the file that is configured, else of the system's or of this program, whichever
/// holds for longer. A file that cannot be
/// used is said to be, and the program's table stands.
pub(crate) fn leaps(config: &Config) -> LeapTable {
    let (path, is_wanted) = match &config.leap_file {
        Some(path) => (path.as_path(), true),
        None => (Path::new(LEAP_FILE), false),
    };
    match leaps::load(path) {
        Ok(table) if is_wanted => table,
        Ok(table) => leaps::of_system(table),
        Err(error) if error.is_missing() && !is_wanted => LeapTable::COMPILED,
        Err(error) => {
            eprintln!("warn: leap seconds: {error}; the table of this program is used");
            LeapTable::COMPILED
        }
    }
}

/// From here on this process, which reads the network, may not set the clock; its keeper may. A service manager can have
/// started us as an ordinary user with that privilege.
fn give_up_privileges(account: Option<&User>, simulated: bool) -> anyhow::Result<()> {
    match account {
        Some(account) => user::become_user(account, &[])
            .with_context(|| format!("cannot become the user {}", account.name)),
        None if simulated => Ok(()),
        None => drop_all_capabilities().context("cannot give up our capabilities"),
    }
}

/// Whom root becomes. Others stay who they are.
fn account(config: &Config) -> anyhow::Result<Option<User>> {
    if user::effective_uid() != 0 {
        return Ok(None);
    }
    let name = config.user.as_str();
    let found = user::lookup(name).with_context(|| format!("cannot look up the user {name}"))?;
    let found = found.with_context(|| {
        format!(
            "there is no user {name} for the process that talks to the network: make one (`useradd --system {name}`) or \
             name another by `user = \"..\"` in the configuration"
        )
    })?;
    Ok(Some(found))
}

fn make_folders(config: &Config, account: Option<&User>) -> anyhow::Result<()> {
    let state = &config.state;
    make_folder(&state.dir, None)?;
    make_folder(&state.dir.join(NODE_FOLDER), account)?;
    make_folder(&state.run_dir, account)?;
    match &config.statistics.dir {
        Some(folder) => make_folder(folder, account),
        None => Ok(()),
    }
}

fn make_folder(folder: &Path, owner: Option<&User>) -> anyhow::Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(folder);
    made.with_context(|| format!("cannot make the folder {}", folder.display()))?;
    match owner {
        Some(owner) => chown(folder, Some(owner.uid), Some(owner.gid))
            .with_context(|| format!("cannot give the folder {} to {}", folder.display(), owner.name)),
        None => Ok(()),
    }
}

/// One daemon at a time.
fn lock(config: &Config) -> anyhow::Result<Lock> {
    let path = config.state.run_dir.join("lock");
    file::lock(&path).map_err(|error| match error {
        LockError::Held { .. } => anyhow::anyhow!(
            "another daemon runs already ({error}): stop it first, or give this one another `[state] run_dir`"
        ),
        LockError::File(error) => anyhow::Error::new(error),
    })
}

/// The kernel's clock where it may be set, else one of our own, and that is said.
fn choose_clock(config: &Config, leaps: &LeapTable, simulated: bool) -> anyhow::Result<LocalClock> {
    let own = || LocalClock::User(user_clock(Span::ZERO));
    match config.clock.target {
        Target::User => Ok(own()),
        Target::Kernel if simulated => Ok(LocalClock::Kernel),
        Target::Kernel if has_cap_sys_time().unwrap_or(false) => {
            Ok(LocalClock::Kept(keeper(config, leaps).context("cannot start the keeper of the clock")?))
        }
        Target::Kernel => {
            if config.log >= Level::Warn {
                eprintln!(
                    "warn: the kernel's clock may not be set from here (CAP_SYS_TIME is missing): a clock of our own is \
                     kept right instead, for `truechimer now` and readers of the shared page"
                );
            }
            Ok(own())
        }
    }
}

fn keeper(config: &Config, leaps: &LeapTable) -> io::Result<Keeper> {
    let store = Store::new(&config.state.dir.join(NODE_FOLDER), Machine::here());
    let floor = floor::floor(store.load().learned.as_ref(), leaps);
    let floor = Time::from_epoch(floor.since_epoch());
    Keeper::start(Rules::new(&config.clock.policy, &config.trust, floor), &config.state.dir)
}

/// Under a simulator nothing is handed over.
fn serve(config: &Config, keys: &Keys, handed: Option<Announced>) -> anyhow::Result<Option<Listening>> {
    let sockets = handed.map(Announced::take).transpose().context("sockets of the supervisor")?;
    let Some(serve) = &config.serve else {
        anyhow::ensure!(
            sockets.is_none_or(|sockets| sockets.is_empty()),
            "the supervisor hands over sockets, but nothing is served: there is no [serve] in the configuration"
        );
        return Ok(None);
    };
    let listening = match sockets {
        Some(sockets) => Listening::at(serve, keys, random()?, sockets)?,
        None => Listening::alone_at(serve, keys, random()?)?,
    };
    if let Some(notice) = listening.notice().filter(|_| config.log >= Level::Warn) {
        eprintln!("warn: {notice}");
    }
    Ok(Some(listening))
}

/// Where chronyc may ask, if it may. The folder of a socket in the file system is ours if it was not there.
fn monitor(config: &Config, account: Option<&User>) -> anyhow::Result<Option<Monitor>> {
    let Some(chrony) = &config.chrony else { return Ok(None) };
    let folder = chrony.socket.as_deref().and_then(Path::parent);
    if let Some(folder) = folder.filter(|folder| !folder.exists()) {
        make_folder(folder, account)?;
    }
    let (monitor, left_out) = Monitor::listen(chrony)?;
    for place in left_out.iter().filter(|_| config.log >= Level::Warn) {
        eprintln!("warn: this machine has no {}: chronyc is not listened to at {place}", place.ip());
    }
    Ok(Some(monitor))
}

fn publish(config: &Config) -> anyhow::Result<PageWriter> {
    let path = config.state.run_dir.join(page::FILE_NAME);
    PageWriter::publish(&path).with_context(|| format!("cannot publish the time at {}", path.display()))
}

/// The folder of ClockBound's file, unless it is there: then it is somebody's, and stays as it is.
fn make_clockbound_folder(config: &Config, account: Option<&User>) -> anyhow::Result<()> {
    match config.clockbound.as_deref().and_then(Path::parent) {
        Some(folder) if !folder.exists() => make_folder(folder, account),
        Some(_) | None => Ok(()),
    }
}

/// What clients of ClockBound read. They read the kernel's clock beside it, so there has to be somebody who knows how right
/// that is.
fn publish_clockbound(config: &Config, clock: &LocalClock) -> anyhow::Result<Option<ClockBound>> {
    let Some(path) = &config.clockbound else { return Ok(None) };
    anyhow::ensure!(
        clock.user().is_none(),
        "nothing can be published for clients of ClockBound ([clockbound] path): they read the kernel's clock, and that may \
         not be set from here. Run as root or with CAP_SYS_TIME, or leave [clockbound] out"
    );
    let file = ClockBound::publish(path).with_context(|| {
        format!(
            "cannot publish for clients of ClockBound at {} (may our account write there?)",
            path.display()
        )
    })?;
    Ok(Some(file))
}

fn listen(config: &Config) -> anyhow::Result<Control> {
    let path = config.state.run_dir.join(talk::SOCKET_NAME);
    Control::listen(&path).with_context(|| format!("cannot listen at {}", path.display()))
}

/// All chance of the daemon's life.
pub fn seed() -> anyhow::Result<[u8; 32]> {
    random()
}

fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| anyhow::anyhow!("the kernel gives no random numbers: {error}"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_published_for_clients_of_clockbound_about_a_clock_that_nobody_keeps_right() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/shm0");
        let config = Config { clockbound: Some(path.clone()), ..Config::defaults() };
        make_clockbound_folder(&config, None).expect("it can be made");
        let own = LocalClock::User(user_clock(Span::ZERO));
        let error = publish_clockbound(&config, &own).expect_err("they read the kernel's").to_string();
        assert!(error.contains("CAP_SYS_TIME") && error.contains("[clockbound] path"), "{error}");
        assert!(!path.exists());
        assert!(publish_clockbound(&config, &LocalClock::Kernel).expect("it can be made").is_some());
        assert_eq!(fs::metadata(&path).expect("it is there").len(), 80);
        assert!(publish_clockbound(&Config::defaults(), &own).expect("off").is_none());
        let nowhere = Config { clockbound: Some(path.join("x")), ..Config::defaults() };
        let error = publish_clockbound(&nowhere, &LocalClock::Kernel).expect_err("a file is no folder");
        assert!(error.to_string().contains("may our account write there"), "{error}");
    }
}

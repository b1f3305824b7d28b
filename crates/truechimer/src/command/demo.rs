//! `truechimer demo`: the main job with nothing to set up and no privileges.
//!
//! Four small servers on loopback tell the time of a truth that the demonstration has made up, by way of a network that
//! it delays; one of them lies. The real daemon, over real sockets, steers a clock of its own that starts wrong. Since
//! the truth is known here, every claim of the daemon can be held against it.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use truechimer_sys::shm::{PageReader, PageWriter};
use truechimer_time::{LeapTable, Span};

use crate::cli;
use crate::command::Outcome;
use crate::command::run::seed;
use crate::config::{Config, Keys, Level};
use crate::daemon::clock::{LocalClock, user_clock};
use crate::daemon::control::Control;
use crate::daemon::references::References;
use crate::daemon::{Call, Daemon, Setup};
use crate::page::{self, Page};
use crate::state::{Machine, Store};
use crate::talk;

pub mod servers;
pub mod show;
pub mod truth;

use servers::{Servers, WAYS};
use show::Show;
use truth::Truth;

/// The clock starts so far off.
const CLOCK_ERROR: Span = Span::from_millis(700);

/// How long there is a network, how long there is none, and how often a line is printed, in seconds.
#[derive(Clone, Copy)]
struct Acts {
    network: u32,
    alone: u32,
    line: u32,
}

/// With `--fast` it is over in less than a minute.
const FAST: Acts = Acts { network: 26, alone: 14, line: 1 };
const SLOW: Acts = Acts { network: 120, alone: 120, line: 2 };

/// The truth is looked at so often in a second.
const LOOKS: u32 = 20;

/// Shows the daemon at work. The answer is yes if the truth stayed inside the bound throughout, the liar was found and
/// the clock came to within a millisecond.
pub fn demo(arguments: &cli::Demo) -> anyhow::Result<Outcome> {
    let acts = if arguments.fast { FAST } else { SLOW };
    let folder = tempfile::tempdir().context("cannot make a folder for the demonstration")?;
    let truth = Truth::begin();
    let servers = Servers::start(truth).context("cannot start the servers")?;
    let config = config(&servers, folder.path()).context("the demonstration's configuration")?;
    let over = Arc::new(AtomicBool::new(false));
    let daemon = start(config, folder.path(), Arc::clone(&over))?;
    let page = wait_for_page(folder.path())?;
    let mut show = Show::new(truth, page, folder.path(), io::stdout());
    let played = play(&mut show, &servers, acts);
    over.store(true, Ordering::Relaxed);
    daemon.join().map_err(|_| anyhow!("the daemon panicked"))??;
    played?;
    Ok(if show.finish()? { Outcome::Yes } else { Outcome::No })
}

fn play(show: &mut Show<io::Stdout>, servers: &Servers, acts: Acts) -> anyhow::Result<()> {
    show.open(&servers.cast())?;
    show.look()?;
    show.line()?;
    act(show, acts.network, acts.line)?;
    servers.cut();
    show.cut()?;
    act(show, acts.alone, acts.line)
}

fn act(show: &mut Show<io::Stdout>, seconds: u32, line: u32) -> anyhow::Result<()> {
    for look in 1..=seconds * LOOKS {
        thread::sleep(Duration::from_secs(1) / LOOKS);
        show.look()?;
        if look % (LOOKS * line) == 0 {
            show.line()?;
        }
    }
    Ok(())
}

/// The configuration that an operator would write for these servers, but for the intervals.
fn config(servers: &Servers, folder: &Path) -> anyhow::Result<Config> {
    let source = |(way, place): (&servers::Way, std::net::SocketAddr)| {
        format!(
            "[[source]]\naddress = \"{place}\"\noperator = \"{}\"\nmin_interval = \"250ms\"\nmax_interval = \"1s\"\n",
            way.name
        )
    };
    let sources: String = WAYS.iter().zip(servers.places()).map(source).collect();
    let folder = folder.display();
    let rest = format!("[clock]\ntarget = \"user\"\n[state]\ndir = \"{folder}\"\nrun_dir = \"{folder}\"\n");
    Ok(Config::parse("demo", &(sources + &rest))?)
}

fn start(
    config: Config,
    folder: &Path,
    over: Arc<AtomicBool>,
) -> anyhow::Result<thread::JoinHandle<io::Result<()>>> {
    let written = config.clone();
    let mut daemon = Daemon::new(Setup {
        config,
        keys: Keys::default(),
        clock: LocalClock::User(user_clock(CLOCK_ERROR)),
        leaps: LeapTable::COMPILED,
        seed: seed()?,
        simulated: false,
        store: Store::new(folder, Machine::here()),
        clockbound: None,
        page: Some(PageWriter::publish(&folder.join(page::FILE_NAME))?),
        control: Some(Control::listen(&folder.join(talk::SOCKET_NAME))?),
        monitor: None,
        service: None,
        references: References::default(),
        statistics: None,
        history: None,
        readiness: None,
        level: Level::Error,
    })?;
    let call = move || if over.load(Ordering::Relaxed) { Call::End } else { Call::GoOn };
    let run = move || daemon.run(call, || Ok((written.clone(), Keys::default())));
    Ok(thread::Builder::new().name("daemon".into()).spawn(run)?)
}

fn wait_for_page(folder: &Path) -> anyhow::Result<PageReader> {
    let page = PageReader::open(&folder.join(page::FILE_NAME)).context("cannot read the daemon's page")?;
    for _ in 0..1000 {
        // Until the first writing there is nothing to read, which is an error like others.
        if page.read().is_ok_and(|words| Page::of_words(words).is_ok()) {
            return Ok(page);
        }
        thread::sleep(Duration::from_millis(1));
    }
    bail!("the daemon has published nothing within a second")
}

//! `clockadjust`: the measurement service. It measures, passes the record on to the daemon clockspeed, and waits; ever
//! longer, as far as the schedule allows. It needs no privilege, and gives up what it has.
//!
//! What can go wrong is told and survived: a measurement that fails is tried again soon, one that cannot be true is not
//! passed on, and one that nobody takes is kept. Nothing waits for a reader.
//!
//! **Invariant:** the process that reads the network sets no clock. The step at boot has a process of its own ([`step`]).

pub mod kept;
pub mod ledger;
pub mod measurement;
pub mod memory;
pub mod rhythm;
pub mod sight;
pub mod standing;
pub mod step;
pub mod whom;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ValueHint};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use truechimer_core::classic::record::Form;
use truechimer_sys::capability::drop_all_capabilities;
use truechimer_sys::clock;
use truechimer_sys::inlet::{self, InletError};
use truechimer_sys::poll::PollSet;
use truechimer_sys::signal::{Signal, SignalFlags};
use truechimer_sys::system;
use truechimer_sys::user::{Owner, effective_uid};
use truechimer_time::{Civil, Mono, Span, Tai, Time};

use super::clockview::Clockview;
use super::messages::{Fatal, begin, ready, reason, warn};
use crate::command::Outcome;
use crate::command::run::leaps;
use crate::config::{Config, Kind, Source};
use crate::floor::made;
use crate::readiness::{Readiness, Supervised};
use crate::ui::units;
use kept::{Here, Kept};
use measurement::{Measured, measure};
use memory::{Memory, Rules};
use rhythm::Rhythm;
use sight::{Counts, Sight, has_slept};
use standing::{Passed, Standing, Verdict, mono_seconds, this_boot};
use whom::ways;

/// What is said to a wrong call.
pub const USAGE: &str = "clockadjust [--config FILE] [--step | --once | --check] [--classic-log]";

const NAME: &str = "clockadjust";

/// The fifo of clockspeed, in its folder.
const FIFO: &str = "adjust";

/// Said where the configuration names nobody.
const NOBODY: &str =
    "there is nobody to ask: write a [[source]] into the configuration, or a `master` into [classic]";

/// So often it is tried whether somebody takes what is kept, and whether a signal has come just before the sleep.
const PROBE: Span = Span::from_secs(1);

/// Measure the clock ever more rarely, and pass what is measured on to clockspeed
///
/// Reads whom to measure and how often from the configuration, `[classic]` and the sources. Runs in the foreground until it
/// is ended, and needs no privilege but to write to the fifo. HUP: the configuration is read again and the clock measured
/// at once.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Clockadjust {
    /// The configuration, instead of the one in /etc/truechimer
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// The name of this host in the configuration, instead of `uname -n`
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// Measure once, pass it on, and end; for cron
    #[arg(long)]
    pub once: bool,
    /// Set the clock once in each boot, trying until it succeeds, and end; takes CAP_SYS_TIME
    #[arg(long, conflicts_with_all = ["once", "check"])]
    pub step: bool,
    /// With --step: set it also if that was done in this boot
    #[arg(long, requires = "step")]
    pub again: bool,
    /// With --step: the file that says in which boot the clock was set [clock-stepped in the run_dir]
    #[arg(long, value_name = "FILE", requires = "step", value_hint = ValueHint::FilePath)]
    pub marker: Option<PathBuf>,
    /// Say how the service stands, by the status file of the configuration: exit code 0 or 1
    #[arg(long, conflicts_with = "once")]
    pub check: bool,
    /// After each measurement also print the two lines of clockview
    #[arg(long)]
    pub classic_log: bool,
    /// Whom to tell when the first measurement was passed on.
    #[command(flatten)]
    pub supervised: Supervised,
}

impl Clockadjust {
    /// Does it.
    pub fn run(&self) -> Result<Outcome, Fatal> {
        if self.check {
            return check(&load(self)?);
        }
        if self.step {
            return step::run(self);
        }
        let readiness = begin(&self.supervised)?;
        let signals = SignalFlags::install().map_err(|error| Fatal::unable("catch signals", &error))?;
        let keeper = keeper(&load(self)?);
        drop_all_capabilities().map_err(|error| Fatal::unable("give up our capabilities", &error))?;
        let mut service = Service::new(self, readiness, keeper)?;
        if self.once { service.once() } else { service.run(&signals) }
    }

    /// What this host is called.
    fn host(&self) -> Result<String, Fatal> {
        let unknown = || Fatal::failed("unable to learn the name of this host: say --host");
        self.host.clone().or_else(system::host_name).ok_or_else(unknown)
    }
}

/// The configuration, if all of it can be done: a source that shall be believed in nothing unsealed is not asked unsealed.
fn load(arguments: &Clockadjust) -> Result<Config, Fatal> {
    let config = Config::load(arguments.config.as_deref())
        .map_err(|error| Fatal::failed(format!("configuration: {error}")))?;
    match config.sources.iter().find(|source| source.key.is_some() || source.kind == Kind::Nts) {
        Some(Source { address, kind: Kind::Nts, .. }) => Err(Fatal::failed(format!(
            "configuration: the source \"{address}\" is asked by NTS, and {NAME} asks without: give it a configuration of \
             its own (--config)"
        ))),
        Some(Source { address, .. }) => Err(Fatal::failed(format!(
            "configuration: the source \"{address}\" has a key, and {NAME} asks without one: give it a configuration \
             of its own (--config)"
        ))),
        None => Ok(config),
    }
}

fn counts(config: &Config) -> Counts {
    Counts { kernel: config.classic.kernel, leaps: leaps(config) }
}

/// It is certainly later than this.
fn floor(counts: &Counts) -> Time<Tai> {
    counts.leaps.tai_of_utc(made())
}

fn here(boot: &str) -> Here<'_> {
    Here { boot, now: clock::readings() }
}

/// As whom root keeps what has to outlive the process, if not as itself: whoever has the folder is to replace it later.
fn keeper(config: &Config) -> Option<Owner> {
    let path = kept::place(config);
    let owner = Owner::of(path.parent()?).ok().filter(|owner| effective_uid() == 0 && !owner.is_root())?;
    match owner.reserve() {
        Ok(()) => Some(owner),
        Err(error) => {
            let (path, why) = (path.display(), reason(&error));
            warn(NAME, format_args!("unable to write {path} as the owner of its folder: {why}"));
            None
        }
    }
}

/// What an earlier process has kept.
fn remembered(config: &Config) -> Kept {
    Kept::load(&kept::place(config), &here(&this_boot())).unwrap_or_else(|why| {
        warn(NAME, format_args!("what TAICLOCK has moved the clock by today is not known: {why}"));
        Kept::default()
    })
}

/// One line to stdout. When stdout is gone there is nobody to tell.
fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

fn check(config: &Config) -> Result<Outcome, Fatal> {
    let path = config.classic.status.as_ref();
    let path = path.ok_or_else(|| Fatal::failed("the configuration names no file to check: write status = \"/run/clockadjust/status\" into [classic]"))?;
    match Standing::check(path).map_err(Fatal::failed)? {
        Verdict::Right(told) => {
            say(&format!("right: {told}"));
            Ok(Outcome::Yes)
        }
        Verdict::Late(told) => {
            say(&format!("late: {told}"));
            Ok(Outcome::No)
        }
    }
}

/// The service.
struct Service<'a> {
    arguments: &'a Clockadjust,
    host: String,
    config: Config,
    counts: Counts,
    memory: Memory,
    rhythm: Rhythm,
    standing: Standing,
    readiness: Readiness,
    rng: ChaCha8Rng,
    /// What nobody has taken yet.
    waiting: Option<Waiting>,
    /// What could not be kept for the next process, if that was said.
    unkept: Option<String>,
    /// As whom that is kept, if not as who we are.
    keeper: Option<Owner>,
}

/// A measurement that is to be passed on.
#[derive(Clone, Debug)]
struct Waiting {
    measured: Measured,
    begun: Time<Mono>,
}

/// A measurement as it was passed on.
struct Given {
    adjustment: Span,
    sight: Sight,
}

/// Why it was not.
#[derive(Debug, thiserror::Error)]
enum Stuck {
    #[error("{} cannot be written to: {error}", path.display())]
    Fifo { path: PathBuf, error: InletError },
    #[error("its seconds do not fit a record")]
    Unsayable,
}

/// Why a sleep is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wake {
    /// To measure.
    Measure,
    /// To end.
    End,
}

impl<'a> Service<'a> {
    fn new(arguments: &'a Clockadjust, readiness: Readiness, keeper: Option<Owner>) -> Result<Self, Fatal> {
        let config = load(arguments)?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)
            .map_err(|error| Fatal::failed(format!("unable to draw a seed: {error}")))?;
        Ok(Self {
            host: arguments.host()?,
            rhythm: Rhythm::new(&config, clock::mono()),
            memory: Memory::of(remembered(&config)),
            standing: Standing::new(),
            readiness,
            rng: ChaCha8Rng::from_seed(seed),
            waiting: None,
            unkept: None,
            keeper,
            counts: counts(&config),
            arguments,
            config,
        })
    }

    /// Measures, waits, and begins anew.
    fn run(&mut self, signals: &SignalFlags) -> Result<Outcome, Fatal> {
        loop {
            let due = self.cycle();
            match self.sleep(due, signals)? {
                Wake::Measure => self.reload(),
                Wake::End => return Ok(Outcome::Yes),
            }
        }
    }

    fn once(&mut self) -> Result<Outcome, Fatal> {
        let begun = clock::mono();
        let measured = self.measured().map_err(Fatal::failed)?;
        match self.pass_on() {
            Ok(given) => {
                self.passed(&Waiting { measured, begun }, &given);
                Ok(Outcome::Yes)
            }
            Err(stuck) => Err(Fatal::failed(format!("{stuck}: does clockspeed run?"))),
        }
    }

    /// One measurement and what becomes of it. Returns when the next is due.
    fn cycle(&mut self) -> Time<Mono> {
        let begun = clock::mono();
        self.waiting = None;
        match self.measured() {
            Ok(measured) => self.offer(Waiting { measured, begun }),
            Err(why) => self.failed(&why),
        }
    }

    /// The first measurement that can be had and believed.
    fn measured(&mut self) -> Result<Measured, String> {
        let mut troubles: Vec<String> = Vec::new();
        for way in ways(&self.config, &self.host) {
            if let Some(trouble) = troubles.last() {
                warn(NAME, format_args!("{trouble}; {way} are measured instead"));
            }
            match measure(&way, &self.counts).and_then(|measured| self.judged(measured)) {
                Ok(measured) => return Ok(measured),
                Err(why) => troubles.push(why),
            }
        }
        let nobody = || NOBODY.to_owned();
        Err(troubles.pop().unwrap_or_else(nobody))
    }

    fn judged(&mut self, measured: Measured) -> Result<Measured, String> {
        let now = clock::readings();
        let adjustment = measured.sight.adjustment(&now, &self.counts);
        let rules = Rules {
            panic: self.config.clock.policy.panic,
            floor: floor(&self.counts),
            by_taiclock: measured.by_taiclock,
        };
        let judged = self.memory.judge(&measured.sight, adjustment, &rules, now.mono);
        if measured.by_taiclock {
            self.keep();
        }
        match judged {
            Ok(()) => Ok(measured),
            Err(objection) => Err(format!(
                "{} says that the clock is off by {} {}, which is not passed on: {objection}",
                measured.by,
                units::offset_within(adjustment, measured.sight.bound),
                units::bound(measured.sight.bound),
            )),
        }
    }

    /// Keeps what has to outlive this process, before anybody acts on it. What cannot be kept is said once.
    fn keep(&mut self) {
        let (kept, path, boot) = (self.memory.kept(), kept::place(&self.config), this_boot());
        let save = || kept.save(&path, &here(&boot));
        let why = match self.keeper.map_or_else(|| Ok(save()), |owner| owner.acting(save)) {
            Ok(saved) => saved.err().map(|error| error.to_string()),
            Err(error) => Some(reason(&error)),
        };
        if let Some(why) = why.as_ref().filter(|_| why != self.unkept) {
            warn(
                NAME,
                format_args!("what TAICLOCK has moved the clock by today is forgotten at a restart: {why}"),
            );
        }
        self.unkept = why;
    }

    /// Passes a measurement on, or keeps it.
    fn offer(&mut self, waiting: Waiting) -> Time<Mono> {
        match self.pass_on() {
            Ok(given) => self.passed(&waiting, &given),
            Err(stuck) => {
                // However long it took to measure, somebody may come and take it.
                let until = (waiting.begun + self.rhythm.first()).max(clock::mono() + PROBE);
                let (by, bound) = (&waiting.measured.by, units::bound(waiting.measured.sight.bound));
                let left = units::span(until - clock::mono());
                let why = format!(
                    "{stuck}: does clockspeed run? the measurement ({by}, {bound}) is kept for {left}"
                );
                self.trouble(&why);
                self.waiting = Some(waiting);
                until
            }
        }
    }

    /// Writes the record that is right now.
    fn pass_on(&self) -> Result<Given, Stuck> {
        let now = clock::readings();
        let sight = self.memory.known_at(now.raw).ok_or(Stuck::Unsayable)?;
        let adjustment = sight.adjustment(&now, &self.counts);
        let record = Form::Classic.write(adjustment).ok_or(Stuck::Unsayable)?;
        let path = self.config.classic.home.join(FIFO);
        inlet::hand_over(&path, &record).map_err(|error| Stuck::Fifo { path, error })?;
        Ok(Given { adjustment, sight })
    }

    /// It was passed on: says so, and when the next is due.
    fn passed(&mut self, waiting: &Waiting, given: &Given) -> Time<Mono> {
        let scatter = self.scatter();
        let due = self.rhythm.succeeded(waiting.begun, scatter, |stretch| self.memory.growth(stretch));
        let (now, rate) = (clock::mono(), self.memory.rate());
        let (wait, bound) = ((due - now).max(Span::ZERO), given.sight.bound);
        let rate_told =
            rate.map_or("rate not known yet".to_owned(), |rate| format!("rate {}", units::rate(rate)));
        let utc = |tai| Civil::of_reading(self.counts.leaps.utc_of_tai(tai));
        self.standing = Standing {
            measurement: Some(Passed {
                time: format!("{:.0}", utc(given.sight.best)),
                passed_on_at: mono_seconds(now),
                due_at: mono_seconds(due),
                late_at: mono_seconds(due.max(now) + self.rhythm.first()),
                by: waiting.measured.by.clone(),
                offset: given.adjustment.as_seconds(),
                bound: bound.as_seconds(),
                rate_ppm: rate.map(|rate| rate.as_ppm()),
            }),
            ..Standing::new()
        };
        self.save();
        let told = format!(
            "{}: offset {} {}, {rate_told}, passed on; next in {}, at {:.0}",
            waiting.measured.by,
            units::offset_within(given.adjustment, bound),
            units::bound(bound),
            units::span(wait),
            utc(given.sight.best + wait),
        );
        say(&told);
        ready(NAME, &mut self.readiness);
        self.tell(&told);
        self.show(given.adjustment);
        due
    }

    /// The two lines that the original's log has.
    fn show(&self, adjustment: Span) {
        if !self.arguments.classic_log {
            return;
        }
        match (Clockview { s6: false, ignored: Vec::new() }).lines(clock::realtime(), adjustment) {
            Ok(lines) => say(lines.trim_end()),
            Err(error) => warn(NAME, error.text),
        }
    }

    /// Nothing was measured: says so, and when it is tried again.
    fn failed(&mut self, why: &str) -> Time<Mono> {
        let scatter = self.scatter();
        let wait = self.rhythm.failed(scatter);
        let since = match &self.standing.measurement {
            None => "nothing was passed on so far".to_owned(),
            Some(passed) => {
                let age = Span::from_seconds(mono_seconds(clock::mono()) - passed.passed_on_at);
                format!("the last measurement was passed on {} ago", units::span(age))
            }
        };
        self.trouble(&format!("{why}; {since}; measured again in {}", units::span(wait)));
        clock::mono() + wait
    }

    fn trouble(&mut self, why: &str) {
        self.standing.failures = self.standing.failures.saturating_add(1);
        self.standing.trouble = Some(why.to_owned());
        self.save();
        warn(NAME, why);
        self.tell(why);
    }

    /// A line for who looks at the services.
    fn tell(&self, text: &str) {
        if let Err(error) = self.readiness.status(text) {
            warn(NAME, format_args!("unable to tell the supervisor: {}", reason(&error)));
        }
    }

    fn save(&self) {
        let Some(path) = &self.config.classic.status else { return };
        if let Err(error) = self.standing.save(path) {
            warn(NAME, error);
        }
    }

    /// Sleeps until it is due, and offers what is kept meanwhile.
    fn sleep(&mut self, mut due: Time<Mono>, signals: &SignalFlags) -> Result<Wake, Fatal> {
        let asleep = clock::asleep();
        let mut nothing: PollSet<()> = PollSet::with_cap(PROBE);
        loop {
            if signals.take(Signal::Terminate) || signals.take(Signal::Interrupt) {
                return Ok(Wake::End);
            }
            if signals.take(Signal::HangUp) || has_slept(asleep, clock::asleep()) || clock::mono() >= due {
                return Ok(Wake::Measure);
            }
            if let Some(waiting) = self.waiting.take() {
                match self.pass_on() {
                    Ok(given) => due = self.passed(&waiting, &given),
                    Err(_still_stuck) => self.waiting = Some(waiting),
                }
            }
            let left = due - clock::mono();
            nothing.wait(Some(left)).map(drop).map_err(|error| Fatal::unable("wait", &error))?;
        }
    }

    /// The configuration as it is now, as it was if that cannot be used; and the leap seconds that are known now.
    fn reload(&mut self) {
        match load(self.arguments) {
            Ok(config) => {
                self.rhythm.follow(&config, clock::mono());
                self.config = config;
            }
            Err(error) => warn(NAME, format_args!("{}; the one before holds", error.text)),
        }
        self.counts = counts(&self.config);
    }

    /// Between 0 and 1.
    fn scatter(&mut self) -> f64 {
        f64::from(self.rng.next_u32()) / f64::from(u32::MAX)
    }
}

//! `clockspeed`: the daemon that keeps the clock right between measurements.
//!
//! Whoever measures writes records into its fifo; it learns the rate of the machine's counter, keeps that in a file, and
//! has the clock follow. What to make of a record is decided in the core, by [`Speed`] or, with `--strict`, by the
//! original's [`Line`]; here clocks, fifo and file are read, and the kernel is asked for what was decided. The clock is
//! never stepped. Nothing is said unless words are asked for, but that the rate cannot be kept: without it a restart knows
//! nothing.

use std::convert::Infallible;
use std::env;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use truechimer_core::classic::atto::{self, ATTO_BYTES};
use truechimer_core::classic::line::{self, Line};
use truechimer_core::classic::record::{self, RECORD_BYTES_MAX};
use truechimer_core::classic::speed::{self, Assumed, Noticed, Speed, Trust};
use truechimer_sys::adjust::{self, ERROR_LIMIT, Leap, StatusReport};
use truechimer_sys::clock::{self, Readings};
use truechimer_sys::fifo::Fifo;
use truechimer_sys::file::{self, FileError};
use truechimer_sys::poll::{Interest, PollSet};
use truechimer_sys::system;
use truechimer_time::{Rate, Span};

use super::messages::{Fatal, begin, tell, warn};
use crate::command::Outcome;
use crate::page::moment;
use crate::readiness::Supervised;

/// The original takes no arguments.
pub const USAGE: &str = "clockspeed";

const NAME: &str = "clockspeed";

/// Where records come from, below the home.
const FIFO: &str = "adjust";

/// Only its owner writes, until the owner lets others.
const FIFO_MODE: u32 = 0o600;

/// Where the rate is kept, below the home, in a folder that is made if it is not there.
const ATTO: &str = "etc/atto";
const ATTO_FOLDER: &str = "etc";
const ATTO_FOLDER_MODE: u32 = 0o755;

/// Anybody may look at the rate.
const ATTO_MODE: u32 = 0o644;

/// What is longer is no file with a rate. Of what is not, the beginning counts.
const ATTO_READ_MAX: usize = 4096;

/// The counter counts nanoseconds. A file says otherwise by more than a tenth only if it is of another counter.
const TICKS: std::ops::RangeInclusive<Span> = Span::from_attos(900_000_000)..=Span::from_attos(1_100_000_000);

/// Keep the clock right between measurements
///
/// Reads adjustments from the fifo HOME/adjust, learns how fast the machine's counter runs, keeps that in HOME/etc/atto,
/// and has the kernel's clock follow by its frequency and by slews; it never steps. Stays in the foreground. One bad
/// adjustment does no harm: a majority of the last ones is believed.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Clockspeed {
    /// Where the fifo and the folder etc are
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, default_value = "/usr/local/clockspeed")]
    pub home: PathBuf,
    /// Do exactly what the original does with the same adjustments: believe each, and undo what others do to the clock
    #[arg(long)]
    pub strict: bool,
    /// A good adjustment is no further off than this
    #[arg(
        long,
        value_name = "MS",
        default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(1..=2000),
        conflicts_with = "strict"
    )]
    pub error: u32,
    /// Say on stderr what is heard and noticed
    #[arg(short, long)]
    pub verbose: bool,
    /// Whom to tell when records are heard.
    #[command(flatten)]
    pub supervised: Supervised,
    /// Passed over, as the original does
    #[arg(hide = true)]
    pub ignored: Vec<OsString>,
}

impl Clockspeed {
    /// Serves until it is ended from outside, or until something that it cannot do without is not there: 1, without
    /// a word.
    pub fn run(&self) -> Outcome {
        let mut voice = Voice { verbose: self.verbose, complaint: String::new(), is_unkept: false };
        match self.serve(&mut voice) {
            Err(fatal) => voice.say(format!("fatal: {}", fatal.text)),
        }
        Outcome::No
    }

    fn serve(&self, voice: &mut Voice) -> Result<Infallible, Fatal> {
        let mut readiness = begin(&self.supervised)?;
        let home = self.home.display();
        env::set_current_dir(&self.home)
            .map_err(|error| Fatal::unable(&format!("work in {home} (see --home)"), &error))?;
        let mut mind = self.mind();
        let mut fifo = Fifo::open(Path::new(FIFO), FIFO_MODE).map_err(|error| self.no_fifo(&error))?;
        voice.unless_kept(&file::make_folder(Path::new(ATTO_FOLDER), ATTO_FOLDER_MODE));
        mind.begin(voice);
        voice.unless_done("tell the supervisor", readiness.ready());
        let mut set = PollSet::new();
        loop {
            set.clear();
            set.add(fifo.as_fd(), Interest::Read, ());
            set.wait(Some(mind.pause())).map(drop).map_err(|error| Fatal::unable("wait", &error))?;
            let record =
                self.heard(&mut fifo, voice).map_err(|error| Fatal::unable("read a record", &error))?;
            mind.turn(record, voice);
        }
    }

    fn no_fifo(&self, error: &io::Error) -> Fatal {
        let path = self.home.join(FIFO);
        match error.kind() {
            ErrorKind::InvalidInput => {
                Fatal::failed(format!("{} is no fifo: remove it, and one is made", path.display()))
            }
            _other_kind => Fatal::unable(&format!("open {}", path.display()), error),
        }
    }

    fn mind(&self) -> Mind {
        let (tick, now) = (kept_tick(), clock::readings());
        match self.strict {
            true => Mind::Strict(Line::new(reading(&now), tick.filter(|tick| TICKS.contains(tick)))),
            false => {
                let assumed = Assumed { error: Span::from_millis(self.error.into()), ..Assumed::default() };
                // A kernel that does not tell its rate takes none either.
                let running = adjust::read_state().map_or(Rate::ZERO, |state| state.rate);
                let speed = Speed::new(assumed, tick, &moment(&now), running);
                Mind::Ours { speed: Box::new(speed), counter: system::clocksource() }
            }
        }
    }

    /// What one read gives. Anything but a record is dropped, as the original does.
    fn heard(&self, fifo: &mut Fifo, voice: &mut Voice) -> io::Result<Option<Span>> {
        let mut bytes = [0; RECORD_BYTES_MAX];
        let Some(len) = fifo.read(&mut bytes)? else { return Ok(None) };
        if len == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        match record::read(&bytes[..len]) {
            Ok(record) if len == RECORD_BYTES_MAX || !self.strict => Ok(Some(record.span_classic())),
            Ok(_) => Ok(voice.dropped("12 bytes, where a record of the original has 16")),
            Err(error) => Ok(voice.dropped(error)),
        }
    }
}

/// Who decides what is made of records.
enum Mind {
    Strict(Line),
    Ours {
        speed: Box<Speed>,
        /// What the kernel counts time by.
        counter: Option<String>,
    },
}

impl Mind {
    /// How long to wait for a record.
    fn pause(&self) -> Span {
        match self {
            Self::Strict(_) => line::TURN,
            Self::Ours { .. } => speed::TURN,
        }
    }

    /// A rate that was kept holds from the start.
    fn begin(&mut self, voice: &mut Voice) {
        match self {
            Self::Strict(_) => {}
            Self::Ours { .. } => self.turn(None, voice),
        }
    }

    fn turn(&mut self, record: Option<Span>, voice: &mut Voice) {
        let now = clock::readings();
        match self {
            Self::Strict(line) => {
                if let Some(adjustment) = record {
                    voice.say(format!("adjustment of {adjustment} s"));
                }
                let turn = line.turn(reading(&now), record);
                keep(turn.keep, voice);
                slew(turn.slew, voice);
            }
            Self::Ours { speed, counter } => {
                let present = system::clocksource();
                if *counter != present {
                    speed.counter_changed();
                    *counter = present;
                }
                carry_out(&speed.turn(&moment(&now), record), voice);
            }
        }
    }
}

/// The frequency first, so that whatever happens next the clock holds.
fn carry_out(turn: &speed::Turn, voice: &mut Voice) {
    if let Some(rate) = turn.rate {
        voice.unless_done("set the frequency", adjust::set_rate(rate));
    }
    slew(turn.slew, voice);
    if let Some(trust) = turn.trust {
        voice.unless_done("state the error", adjust::set_status(&status(trust)));
    }
    let is_kept = keep(turn.keep, voice);
    let is_true = |noticed: &&Noticed| is_kept || !matches!(noticed, Noticed::Kept { .. });
    turn.noticed.iter().filter(is_true).for_each(|noticed| voice.say(noticed));
}

fn status(trust: Trust) -> StatusReport {
    StatusReport {
        synchronised: trust.bound < ERROR_LIMIT,
        maxerror: trust.bound,
        esterror: trust.sigma,
        tai_offset: None,
        leap: Leap::None,
    }
}

fn slew(by: Option<Span>, voice: &mut Voice) {
    if let Some(by) = by {
        voice.unless_done("slew the clock", adjust::slew(by));
    }
}

/// Keeps the rate, if there is one to be kept. Returns whether that was done.
fn keep(tick: Option<[u8; ATTO_BYTES]>, voice: &mut Voice) -> bool {
    let Some(bytes) = tick else { return false };
    let done = file::save(Path::new(ATTO), &bytes, ATTO_MODE);
    voice.unless_kept(&done);
    done.is_ok()
}

/// The tick that the file says, if it says one.
fn kept_tick() -> Option<Span> {
    let bytes = file::load(Path::new(ATTO), ATTO_READ_MAX).ok()?;
    atto::read(bytes.get(..ATTO_BYTES)?).ok()
}

fn reading(now: &Readings) -> line::Reading {
    line::Reading { ticks: now.raw.since_epoch().as_nanos().into(), clock: now.realtime.since_epoch() }
}

/// Silent, like the original, unless words are asked for or the rate is lost.
struct Voice {
    verbose: bool,
    /// What it last complained about.
    complaint: String,
    /// It was said that the rate cannot be kept, and that holds.
    is_unkept: bool,
}

impl Voice {
    fn say(&self, text: impl Display) {
        if self.verbose {
            tell(NAME, &text.to_string());
        }
    }

    fn dropped<T>(&self, why: impl Display) -> Option<T> {
        self.say(format!("dropped: {why}"));
        None
    }

    /// That the rate cannot be kept is said to everybody, and once.
    fn unless_kept(&mut self, done: &Result<(), FileError>) {
        if let Some(error) = done.as_ref().err().filter(|_| !self.is_unkept) {
            warn(NAME, format_args!("unable to keep the rate: {error}"));
        }
        self.is_unkept = done.is_err();
    }

    /// What cannot be done is tried again at the next turn, as the original does. A complaint is made once.
    fn unless_done<T, E: Display>(&mut self, deed: &str, done: Result<T, E>) {
        let Err(error) = done else { return };
        let complaint = format!("warning: unable to {deed}: {error}");
        if complaint != self.complaint {
            self.say(&complaint);
            self.complaint = complaint;
        }
    }
}

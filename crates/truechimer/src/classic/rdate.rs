//! `rdate`: prints the date of another host and sets the clock by it, as Debian's does, or by the majority of several.
//!
//! Two processes: one gives up all capabilities and asks; the other never touches the network, and decides by one line
//! of numbers alone. [`Rdate::plan`] is a pure function; only [`Plan::carry_out`] does something to a clock.

mod asking;
mod plain;

#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::num::NonZeroU16;

use clap::Args;
use truechimer_core::classic::count::KernelCount;
use truechimer_core::wire::time37;
use truechimer_sys::adjust::{self, ClockError};
use truechimer_sys::capability::drop_all_capabilities;
use truechimer_sys::clock;
use truechimer_sys::process::{Channel, spawn_child};
use truechimer_time::{Civil, LeapTable, Local, Span, Time, Utc};

use super::asking::Host;
use super::counting::Counting;
use super::messages::tell;
use super::wall;
use crate::apart::message_of;
use crate::cli::Family;
use crate::command::Outcome;
use crate::config::{Address, NTP_PORT};
use crate::floor::made;
use crate::measuring::SERVERS_MAX;
use asking::{Asking, Found, Transport};

/// What those are told who call it wrongly.
pub const USAGE: &str = "rdate [-46acnpsuv] [-b sec] [-o port] [-t msec] host...";

/// What they end with: the original knows 0 and 1.
pub const MISUSED: Outcome = Outcome::No;

const NAME: &str = "rdate";

/// No measurement takes longer from its last answer to its end.
const AGE_MAX: Span = Span::from_secs(120);

/// Set the clock by the TIME service of another host, or of several that agree
///
/// Prints the date. Asks by RFC 868 over TCP, which tells whole seconds: a clock that is right as far as these can tell is
/// left alone. Of several hosts more than half have to agree. Setting takes CAP_SYS_TIME; printing (-p) takes nothing.
#[derive(Args, Clone, Debug, PartialEq)]
#[command(args_override_self = true)]
pub struct Rdate {
    /// Whom to ask: names or addresses, with a port if it is another one
    #[arg(value_name = "HOST", value_parser = Host::read, required = true, num_args = 1..=SERVERS_MAX)]
    pub hosts: Vec<Host>,
    /// Which addresses of a name to use.
    #[command(flatten)]
    pub family: Family,
    /// Move the clock gradually, instead of at once
    #[arg(short = 'a')]
    pub gradually: bool,
    /// Move it gradually by so many seconds at most, and at once if it is more
    #[arg(short = 'b', value_name = "SEC")]
    pub threshold: Option<u32>,
    /// The clock counts leap seconds too (TAI less ten), as right/ time zones expect
    #[arg(short = 'c')]
    pub leaps: bool,
    /// Ask by SNTP instead of RFC 868
    #[arg(short = 'n')]
    pub sntp: bool,
    /// The port, instead of 37, or 123 with -n
    #[arg(short = 'o', value_name = "PORT")]
    pub port: Option<NonZeroU16>,
    /// Print the date, and set nothing
    #[arg(short = 'p')]
    pub print_only: bool,
    /// Set the clock, and print nothing
    #[arg(short = 's')]
    pub silent: bool,
    /// Ask by UDP instead of TCP
    #[arg(short = 'u')]
    pub udp: bool,
    /// Do not believe an answer that took longer, in milliseconds
    #[arg(short = 't', value_name = "MSEC")]
    pub delay_max: Option<u32>,
    /// Print also by how much the clock is adjusted
    #[arg(short = 'v')]
    pub verbose: bool,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Plan {
    /// By so much the clock is slow (fast, if negative).
    by: Span,
    /// The same as it is told: in whole seconds where no more is known.
    told: Span,
    way: Way,
    /// What the clock shows then.
    after: Time<Local>,
}

/// At once or gradually.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Step,
    Slew,
}

/// Why it ends early.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stop {
    /// The process that asked has said why.
    Said,
    /// To be said: completes "rdate: ..".
    Because(String),
}

impl From<String> for Stop {
    fn from(reason: String) -> Self {
        Self::Because(reason)
    }
}

impl Rdate {
    /// Asks, sets, prints. The outcome is yes or no, as of Debian's: 0 or 1.
    pub fn run(&self) -> Outcome {
        match self.obey() {
            Ok(()) => Outcome::Yes,
            Err(stop) => {
                if let Stop::Because(reason) = stop {
                    tell(NAME, &reason);
                }
                Outcome::No
            }
        }
    }

    fn obey(&self) -> Result<(), Stop> {
        let (kernel, leaps) = self.counting()?;
        let found = self.asked_apart()?;
        let plan = self.plan(&found, kernel, &leaps)?;
        if !self.print_only {
            may_be_set(&found, clock::realtime(), made())?;
            plan.carry_out()?;
        }
        if self.silent {
            return Ok(());
        }
        let text = self.text(&plan, found.delay)?;
        let mut out = io::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        written.map_err(|error| could("write", &error).into())
    }

    /// What the kernel's clock counts, and by which leap seconds.
    fn counting(&self) -> Result<(KernelCount, LeapTable), Stop> {
        if !self.leaps {
            return Ok((KernelCount::Utc, LeapTable::COMPILED));
        }
        let leaps = Counting { kernel: None, leapsecs: None }.leaps().map_err(|fatal| fatal.text)?;
        Ok((KernelCount::TaiLessTen, leaps))
    }

    /// Has another process ask, that has no power over anything, and waits for what it says.
    fn asked_apart(&self) -> Result<Found, Stop> {
        let child = spawn_child(|channel| match self.live(&channel) {
            Ok(()) => 0,
            Err(reason) => {
                tell(NAME, &reason);
                1
            }
        });
        let child = child.map_err(|error| could("start a process", &error))?;
        let message = message_of(&child).map_err(|error| could("hear the process that asks", &error))?;
        let found = Found::read(&message.ok_or(Stop::Said)?);
        found.ok_or_else(|| "the process that asks speaks nonsense".to_owned().into())
    }

    /// The life of the process that asks.
    fn live(&self, channel: &Channel) -> Result<(), String> {
        drop_all_capabilities().map_err(|error| could("give up capabilities", &error))?;
        let asking = Asking {
            hosts: self.addresses(),
            family: self.family,
            delay_max: self.delay_max.map(|millis| Span::from_millis(millis.into())),
            silent: self.silent,
        };
        let found = match (self.sntp, self.udp) {
            (true, _) => asking.by_sntp(),
            (false, true) => asking.by_time(Transport::Udp),
            (false, false) => asking.by_time(Transport::Tcp),
        }?;
        channel.send(found.write().as_bytes()).map_err(|error| could("tell what was found", &error))
    }

    fn addresses(&self) -> Vec<Address> {
        let usual = if self.sntp { NTP_PORT } else { time37::PORT };
        let port = self.port.map_or(usual, NonZeroU16::get);
        self.hosts.iter().map(|host| host.at(port)).collect()
    }

    /// A clock that shows a time which may be right as it is stays; any other one goes to the middle of what may be.
    fn plan(&self, found: &Found, kernel: KernelCount, leaps: &LeapTable) -> Result<Plan, Stop> {
        let right = |offset| kernel.shown(leaps.tai_of_utc(found.right(offset)), leaps) - found.local;
        let (least, most) = (right(found.least), right(found.most));
        let is_right = least <= Span::ZERO && Span::ZERO <= most;
        let by = if is_right { Span::ZERO } else { least + (most - least).half() };
        let after = found.local + by;
        let told = if self.sntp { by } else { whole_seconds(after)? - whole_seconds(found.local)? };
        Ok(Plan { by, told, way: self.way(told), after })
    }

    fn way(&self, by: Span) -> Way {
        let gradually = match self.threshold {
            Some(seconds) => by.abs() <= Span::from_secs(seconds.into()),
            None => self.gradually,
        };
        if gradually { Way::Slew } else { Way::Step }
    }

    /// What goes to stdout.
    fn text(&self, plan: &Plan, delay: Span) -> Result<String, Stop> {
        let date = wall::date(plan.after).ok_or_else(beyond_calendars)?;
        let mut text = format!("{date}\n");
        if self.verbose {
            let way = match (self.threshold, plan.way) {
                (None, _) => "",
                (Some(_), Way::Slew) => " (adjtime)",
                (Some(_), Way::Step) => " (instant change)",
            };
            let by = match self.sntp {
                true => format!("{:.6}", plan.told.as_seconds()),
                false => plan.told.split().0.to_string(),
            };
            text += &format!("{NAME}: adjust local clock by {by} seconds{way}\n");
        }
        if self.verbose && self.delay_max.is_some() {
            text += &format!("{NAME}: network delay {} msecs\n", millis(delay));
        }
        Ok(text)
    }
}

impl Plan {
    /// The one place that does something to the clock.
    fn carry_out(&self) -> Result<(), Stop> {
        if self.by == Span::ZERO {
            return Ok(());
        }
        let (deed, done) = match self.way {
            Way::Step => ("set", adjust::step(self.by)),
            Way::Slew => ("adjust", adjust::slew(self.by)),
        };
        match done {
            Ok(_really) => Ok(()),
            Err(error) => Err(could(&format!("{deed} time of day"), &system(error)).into()),
        }
    }
}

/// May the clock be set by this, when it shows `now`? Nothing before `floor` is believed.
fn may_be_set(found: &Found, now: Time<Local>, floor: Time<Utc>) -> Result<(), Stop> {
    if found.right(found.most) < floor {
        let date = Civil::of(found.right(found.most));
        return Err(format!("the clock is left alone: {date:.0} is past for certain").into());
    }
    let age = now - found.local;
    match age.is_negative() || age > AGE_MAX {
        true => Err("the clock is left alone: somebody else has set it meanwhile".to_owned().into()),
        false => Ok(()),
    }
}

fn whole_seconds(shown: Time<Local>) -> Result<Span, Stop> {
    wall::whole_seconds(shown).map(Span::from_secs).ok_or_else(beyond_calendars)
}

fn beyond_calendars() -> Stop {
    Stop::Because("the time is so far away that no calendar has it".to_owned())
}

/// Rounded down.
fn millis(span: Span) -> i64 {
    (span.as_seconds() * 1000.0) as i64
}

fn system(error: ClockError) -> io::Error {
    match error {
        ClockError::NotPermitted => io::Error::from_raw_os_error(EPERM),
        ClockError::Invalid => io::Error::from_raw_os_error(EINVAL),
        ClockError::Interrupted => io::ErrorKind::Interrupted.into(),
        ClockError::Other(errno) => io::Error::from_raw_os_error(errno),
    }
}

/// As errno(3) of Linux has them.
const EPERM: i32 = 1;
const EINVAL: i32 = 22;

/// `Could not DO: Reason`, in the words of the C library.
fn could(deed: &str, error: &io::Error) -> String {
    format!("Could not {deed}: {}", strerror(error))
}

/// Without Rust's number behind them.
fn strerror(error: &io::Error) -> String {
    let text = match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "Connection timed out".to_owned(),
        _other_kind => error.to_string(),
    };
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

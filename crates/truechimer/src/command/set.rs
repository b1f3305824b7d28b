//! `truechimer set`: set the clock once, by the vote of all sources named.
//!
//! Two processes: one gives up all capabilities, measures, prints, and says how the vote went in one line; the other
//! never touches the network, and decides by that line alone. [`decide`] is a pure function; only `carry_out` does
//! something to the clock, and it is reached neither by `--dry-run` nor without the privilege.

use std::fmt;
use std::io::{self, Write};

use anyhow::Context;
use serde::Serialize;
use truechimer_core::policy::TrustPolicy;
use truechimer_sys::adjust::{self, ClockError, SLEW_LIMIT, SLEW_RATE};
use truechimer_sys::capability::{drop_all_capabilities, has_cap_sys_time};
use truechimer_sys::clock;
use truechimer_sys::process::{Channel, spawn_child};
use truechimer_time::{Civil, Local, Span, Time, Utc};

use crate::apart::message_of;
use crate::cli;
use crate::command::Outcome;
use crate::floor::made;
use crate::measuring::{self, Majority, Manner, Report, SERVERS_MAX, TooFew, Verdict};
use crate::ui::colour::Colours;
use crate::ui::units;

/// Exchanges with each source.
const SAMPLES: u8 = 4;
/// How long an answer is waited for.
const TIMEOUT: Span = Span::from_secs(3);
/// Beyond this the clock is stepped unless the user says otherwise: what ntpd and ntpdate do.
const STEP_THRESHOLD: Span = Span::from_millis(128);
/// An offset beyond this, a year, is more likely a mistake than a wrong clock.
const OFFSET_MAX: Span = Span::from_secs(31_556_952);
/// No measurement takes longer from its last answer to its end.
const AGE_MAX: Span = Span::from_secs(120);

/// Measures, decides, and sets the clock.
pub fn set(arguments: &cli::Set) -> anyhow::Result<Outcome> {
    if arguments.sources.len() > SERVERS_MAX {
        writeln!(io::stderr(), "truechimer: at most {SERVERS_MAX} sources can be measured at once")?;
        return Ok(Outcome::Misused);
    }
    let permitted = has_cap_sys_time().context("cannot read our capabilities")?;
    let count = measured_apart(arguments)?;
    let report = match decide(&count, Wish::of(arguments), clock::realtime(), made()) {
        Err(objection) => Ending::Refused(objection),
        Ok(plan) if arguments.dry_run => Ending::Dry(plan),
        Ok(plan) if !permitted => Ending::Forbidden(plan),
        Ok(plan) => Ending::Done(Plan { deed: carry_out(plan).context("cannot set the clock")?, ..plan }),
    };
    report.tell(arguments.output.json)?;
    Ok(report.outcome())
}

/// The one place that does something to the clock. Returns what was really done.
///
/// The kernel calls its clock unsynchronised after a step, and so it stays: nobody keeps it right once we are gone.
/// But how wrong it may be is known, and the kernel lets that grow as time passes.
fn carry_out(plan: Plan) -> Result<Deed, ClockError> {
    let (deed, error) = match plan.deed {
        Deed::Step(by) => (Deed::Step(adjust::step(by)?), plan.bound),
        Deed::Slew(by) => (Deed::Slew(adjust::slew(by)?), plan.bound + by.abs()),
    };
    adjust::set_errors(error, error)?;
    Ok(deed)
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The deed.
    pub deed: Deed,
    /// How wrong the clock can be after it.
    pub bound: Span,
}

/// What can be done to a clock once. A positive span moves it forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Jump.
    Step(Span),
    /// Move gradually, by the kernel's own finite slew.
    Slew(Span),
}

/// What the user wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Step or slew.
    pub way: Way,
    /// One operator is trusted alone.
    pub single: bool,
    /// An offset of more than a year is no mistake.
    pub force: bool,
}

/// Step or slew?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// As the size of the offset demands.
    BySize,
    /// Step, however small.
    Step,
    /// Slew, however long it takes.
    Slew,
}

impl Wish {
    fn of(arguments: &cli::Set) -> Self {
        let way = match (arguments.step, arguments.slew) {
            (true, _) => Way::Step,
            (false, true) => Way::Slew,
            (false, false) => Way::BySize,
        };
        Self { way, single: arguments.single, force: arguments.force }
    }
}

/// How the vote went, as far as the decision needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// Of so many operators the sources are.
    pub operators: usize,
    /// So many votes there are.
    pub votes: usize,
    /// So many of them have to agree.
    pub needed: usize,
    /// What a majority agrees upon.
    pub outcome: Result<Majority, TooFew>,
}

/// Why the clock is left alone. Completes "the clock is left alone: ..".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Objection {
    /// Only one operator was named.
    #[error(
        "the sources named are of one operator, and nobody would notice if it were wrong; \
         name sources of two more operators, or say --single to trust this one"
    )]
    OneOperator,
    /// No majority.
    #[error("no majority: {agree} of {votes} votes agree, and {needed} are needed")]
    NoMajority {
        /// So many agree.
        agree: usize,
        /// Of so many.
        votes: usize,
        /// So many would have to.
        needed: usize,
    },
    /// The majority's time is certainly past (bad input 94).
    #[error("the sources say that it is {time:.0}, which is past for certain")]
    BeforeFloor {
        /// What the sources say.
        time: Civil,
    },
    /// More than a year off.
    #[error("an offset of {} is more likely a mistake; say --force if it is not", units::offset(*offset))]
    TooFar {
        /// By so much our clock is slow.
        offset: Span,
    },
    /// The kernel's slew does not reach so far.
    #[error("an offset of {} is too long to be slewed away", units::offset(*offset))]
    TooFarToSlew {
        /// By so much our clock is slow.
        offset: Span,
    },
    /// The clock does not show what it should show after the measurement.
    #[error("somebody else has set it meanwhile")]
    ClockSet,
}

/// What to do after a vote, if the clock shows `now`; nothing before `floor` is believed.
pub fn decide(count: &Count, wish: Wish, now: Time<Local>, floor: Time<Utc>) -> Result<Plan, Objection> {
    let Count { votes, needed, .. } = *count;
    if count.operators < 2 && !wish.single {
        return Err(Objection::OneOperator);
    }
    let Majority { offset, bound, local, .. } =
        count.outcome.map_err(|TooFew { agree }| Objection::NoMajority { agree, votes, needed })?;
    let right = Time::<Utc>::from_epoch(now.since_epoch() + offset);
    if right < floor {
        return Err(Objection::BeforeFloor { time: Civil::of(right) });
    }
    let age = now - local;
    if age.is_negative() || age > AGE_MAX {
        return Err(Objection::ClockSet);
    }
    if offset.abs() > OFFSET_MAX && !wish.force {
        return Err(Objection::TooFar { offset });
    }
    // Since it was measured, the clock has run at a rate that is known only so far.
    let bound = bound + TrustPolicy::default().max_rate.over(age);
    Ok(Plan { deed: deed(offset, wish.way)?, bound })
}

fn deed(offset: Span, way: Way) -> Result<Deed, Objection> {
    match way {
        Way::Step => Ok(Deed::Step(offset)),
        Way::BySize if offset.abs() > STEP_THRESHOLD => Ok(Deed::Step(offset)),
        Way::Slew if offset.abs() > SLEW_LIMIT => Err(Objection::TooFarToSlew { offset }),
        Way::BySize | Way::Slew => Ok(Deed::Slew(offset)),
    }
}

impl Deed {
    fn by(self) -> Span {
        match self {
            Self::Step(by) | Self::Slew(by) => by,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Step(_) => "step",
            Self::Slew(_) => "slew",
        }
    }

    /// How long it goes on after we have ended.
    fn takes(self) -> Span {
        match self {
            Self::Step(_) => Span::ZERO,
            Self::Slew(by) => Span::from_seconds(by.abs().as_seconds() / SLEW_RATE.as_ratio()),
        }
    }
}

impl fmt::Display for Plan {
    /// `step the clock forward by 5.000 s; then it is right ± 5.000 ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = self.deed.by();
        let way = if by.is_negative() { "backward" } else { "forward" };
        write!(f, "{} the clock {way} by {}", self.deed.name(), units::span_within(by.abs(), self.bound))?;
        match self.deed {
            Deed::Step(_) => {}
            Deed::Slew(_) => write!(f, ", in {}", units::span(self.deed.takes()))?,
        }
        write!(f, "; then it is right {}", units::bound(self.bound))
    }
}

/// How it ends.
enum Ending {
    Refused(Objection),
    Dry(Plan),
    Forbidden(Plan),
    Done(Plan),
}

/// An ending for programs, documented in `docs/manual/set.md`.
#[derive(Serialize)]
struct EndingReport {
    deed: Option<&'static str>,
    by: Option<f64>,
    bound: Option<f64>,
    takes: Option<f64>,
    done: bool,
    reason: Option<String>,
}

impl Ending {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Dry(_) | Self::Done(_) => Outcome::Yes,
            Self::Refused(_) => Outcome::No,
            Self::Forbidden(_) => Outcome::Failed,
        }
    }

    fn plan(&self) -> Option<Plan> {
        match *self {
            Self::Refused(_) => None,
            Self::Dry(plan) | Self::Forbidden(plan) | Self::Done(plan) => Some(plan),
        }
    }

    /// Why nothing was done.
    fn reason(&self) -> Option<String> {
        match self {
            Self::Refused(objection) => Some(objection.to_string()),
            Self::Dry(_) => Some("this is a dry run".to_owned()),
            Self::Forbidden(_) => Some(
                "this process is not permitted to set it (CAP_SYS_TIME is missing): \
                 run this as root, and a container with that capability"
                    .to_owned(),
            ),
            Self::Done(_) => None,
        }
    }

    /// Results to stdout, the rest to stderr.
    fn tell(&self, json: bool) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        if json {
            writeln!(out, "{}", serde_json::to_string(&self.report())?)?;
        }
        match (self, json) {
            (Self::Dry(plan), false) => writeln!(out, "would {plan}")?,
            (Self::Forbidden(plan), false) => writeln!(out, "should {plan}")?,
            (Self::Done(plan), false) => writeln!(out, "done: {plan}")?,
            (Self::Refused(_), false) | (_, true) => {}
        }
        match self {
            Self::Dry(_) | Self::Done(_) => {}
            Self::Refused(_) | Self::Forbidden(_) => {
                let reason = self.reason().unwrap_or_default();
                writeln!(io::stderr(), "truechimer: the clock is left alone: {reason}")?;
            }
        }
        Ok(())
    }

    fn report(&self) -> EndingReport {
        let plan = self.plan();
        let seconds = |of: fn(Plan) -> Span| plan.map(|plan| of(plan).as_seconds());
        EndingReport {
            deed: plan.map(|plan| plan.deed.name()),
            by: seconds(|plan| plan.deed.by()),
            bound: seconds(|plan| plan.bound),
            takes: seconds(|plan| plan.deed.takes()),
            done: matches!(self, Self::Done(_)),
            reason: self.reason(),
        }
    }
}

/// Has another process measure, that has no power over anything, and waits for what it says.
fn measured_apart(arguments: &cli::Set) -> anyhow::Result<Count> {
    let child = spawn_child(|channel| match live(arguments, &channel) {
        Ok(()) => 0,
        Err(error) => {
            // When stderr is gone too, the exit code has to do.
            let _ = writeln!(io::stderr(), "truechimer: {error:#}");
            111
        }
    })
    .context("cannot start the process that measures")?;
    let message = message_of(&child).context("cannot hear the process that measures")?;
    let message = message.context("the process that measures has failed")?;
    Count::read(&message).context("the process that measures speaks nonsense")
}

/// The life of the process that measures.
fn live(arguments: &cli::Set, channel: &Channel) -> anyhow::Result<()> {
    drop_all_capabilities().context("cannot give up our capabilities")?;
    let manner = Manner { samples: SAMPLES, timeout: TIMEOUT, family: arguments.family };
    let survey = measuring::measure(&arguments.sources, &manner).context("cannot measure other clocks")?;
    let mut out = io::stdout().lock();
    match arguments.output.json {
        true => writeln!(out, "{}", serde_json::to_string(&Report::of(&survey))?)?,
        false => {
            let colours = Colours::of(arguments.output.color, &out);
            out.write_all(measuring::text(&survey, colours).as_bytes())?;
        }
    }
    out.flush()?;
    channel.send(Count::of(&survey.verdict).write().as_bytes())?;
    Ok(())
}

impl Count {
    fn of(verdict: &Verdict) -> Self {
        let Verdict { votes, needed, outcome, .. } = *verdict;
        Self { operators: verdict.operators.len(), votes, needed, outcome }
    }

    /// One line: operators, votes, needed, agreeing; and for a majority the offset, its bound and what our clock
    /// showed, in seconds.
    fn write(&self) -> String {
        let Self { operators, votes, needed, outcome } = self;
        match outcome {
            Ok(Majority { agree, offset, bound, local }) => {
                format!("{operators} {votes} {needed} {agree} {offset} {bound} {}", local.since_epoch())
            }
            Err(TooFew { agree }) => format!("{operators} {votes} {needed} {agree}"),
        }
    }

    /// The inverse; `None` for anything else.
    fn read(line: &[u8]) -> Option<Self> {
        let words: Vec<&str> = std::str::from_utf8(line).ok()?.split(' ').collect();
        let [operators, votes, needed, agree, times @ ..] = &words[..] else { return None };
        let agree = agree.parse().ok()?;
        let outcome = match times {
            [] => Err(TooFew { agree }),
            [offset, bound, local] => Ok(Majority {
                agree,
                offset: offset.parse().ok()?,
                bound: bound.parse().ok().filter(|bound: &Span| !bound.is_negative())?,
                local: Time::from_epoch(local.parse().ok()?),
            }),
            [_, ..] => return None,
        };
        let (operators, votes, needed) = (operators.parse().ok()?, votes.parse().ok()?, needed.parse().ok()?);
        Some(Self { operators, votes, needed, outcome })
    }
}

#[cfg(test)]
mod tests;

//! `clockadd`: steps the local clock by the adjustment on stdin.
//!
//! The one classic program that steps a clock. What the kernel is asked for is decided by [`Clockadd::plan`], which
//! touches nothing.

use std::ffi::OsString;
use std::io;

use clap::Args;
use truechimer_sys::adjust::{self, ClockError};
use truechimer_time::Span;

use super::Face;
use super::input::{self, Reach};
use super::messages::{Fatal, reason, warn};
use crate::command::Outcome;

/// The original takes no arguments.
pub const USAGE: &str = "clockadd";

const NAME: &str = "clockadd";

/// The longest step without -f, in milliseconds, if nobody says otherwise: that of s6-clockadd.
const LIMIT_MS: u32 = 2000;

/// Step the clock by an adjustment
///
/// Reads one adjustment record of 12 or 16 bytes from stdin and adds it to the clock, which takes CAP_SYS_TIME. By its
/// own name it steps as far as it is told to, as the original does, unless -e or --s6 is given; as a subcommand, 2
/// seconds at most.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Clockadd {
    /// Step however far, with a warning
    #[arg(short = 'f')]
    pub force: bool,
    /// The longest step, in milliseconds [2000, or none: see above]
    #[arg(short = 'e', value_name = "MS")]
    pub limit: Option<u32>,
    /// Behave as s6-clockadd: all 64 bits of the seconds, and a limit
    #[arg(long)]
    pub s6: bool,
    /// Passed over, as the original does
    #[arg(hide = true)]
    pub ignored: Vec<OsString>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Plan {
    /// Forward, if positive.
    step: Span,
    /// What is to be said about it first.
    warning: Option<String>,
}

impl Clockadd {
    /// Reads, decides, and steps.
    pub fn run(&self, face: Face) -> Result<Outcome, Fatal> {
        let adjustment = input::adjustment(if self.s6 { Reach::Whole } else { Reach::Classic })?;
        carry_out(self.plan(adjustment, face)?, adjust::step)
    }

    fn plan(&self, adjustment: Span, face: Face) -> Result<Plan, Fatal> {
        let plan = |warning| Plan { step: adjustment, warning };
        let Some(limit) = self.limit(face) else { return Ok(plan(None)) };
        if adjustment.abs() <= Span::from_millis(limit.into()) {
            return Ok(plan(None));
        }
        let text = format!("time discrepancy bigger than {limit} milliseconds");
        if self.force { Ok(plan(Some(text))) } else { Err(Fatal::no(text)) }
    }

    fn limit(&self, face: Face) -> Option<u32> {
        match (self.limit, self.s6, face) {
            (Some(limit), _, _) => Some(limit),
            (None, true, _) | (None, false, Face::Subcommand) => Some(LIMIT_MS),
            (None, false, Face::Link) => None,
        }
    }
}

/// Steps the clock by this, however far.
pub(super) fn step(by: Span) -> Result<Outcome, Fatal> {
    carry_out(Plan { step: by, warning: None }, adjust::step)
}

/// Steps by `step`, which is the kernel's but in tests.
fn carry_out(plan: Plan, step: impl FnOnce(Span) -> Result<Span, ClockError>) -> Result<Outcome, Fatal> {
    if let Some(warning) = plan.warning {
        warn(NAME, warning);
    }
    match step(plan.step) {
        Ok(_really) => Ok(Outcome::Yes),
        Err(error) => Err(Fatal::failed(format!("unable to settimeofday: {}", words(error)))),
    }
}

/// In the words of the original.
fn words(error: ClockError) -> String {
    match error {
        ClockError::NotPermitted => "permission denied".to_owned(),
        ClockError::Invalid => "invalid argument".to_owned(),
        ClockError::Interrupted => "interrupted system call".to_owned(),
        ClockError::Other(errno) => reason(&io::Error::from_raw_os_error(errno)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Clockadd = Clockadd { force: false, limit: None, s6: false, ignored: Vec::new() };
    const FAR: Span = Span::from_secs(100_000);

    fn steps(add: &Clockadd, adjustment: Span, face: Face) -> Result<Option<String>, Fatal> {
        let plan = add.plan(adjustment, face)?;
        assert_eq!(plan.step, adjustment);
        Ok(plan.warning)
    }

    #[test]
    fn by_its_own_name_it_steps_as_far_as_it_is_told_to() {
        assert_eq!(steps(&PLAIN, FAR, Face::Link), Ok(None));
        assert_eq!(steps(&PLAIN, -FAR, Face::Link), Ok(None));
    }

    #[test]
    fn otherwise_there_is_a_limit() {
        let no = |limit| Err(Fatal::no(format!("time discrepancy bigger than {limit} milliseconds")));
        let near = Span::from_millis(2000);
        assert_eq!(steps(&PLAIN, near, Face::Subcommand), Ok(None));
        assert_eq!(steps(&PLAIN, -near - Span::from_attos(1), Face::Subcommand), no(2000));
        let s6 = Clockadd { s6: true, ..PLAIN };
        assert_eq!(steps(&s6, FAR, Face::Link), no(2000));
        let limited = Clockadd { limit: Some(500), ..PLAIN };
        assert_eq!(steps(&limited, near, Face::Link), no(500));
    }

    #[test]
    fn force_turns_the_refusal_into_a_warning() {
        let forced = Clockadd { force: true, s6: true, ..PLAIN };
        let warning = steps(&forced, FAR, Face::Link).unwrap();
        assert_eq!(warning.as_deref(), Some("time discrepancy bigger than 2000 milliseconds"));
    }

    #[test]
    fn the_clock_is_stepped_once_by_what_was_planned() {
        let mut recorded = Vec::new();
        let plan = PLAIN.plan(FAR, Face::Link).unwrap();
        let done = carry_out(plan.clone(), |by| {
            recorded.push(by);
            Ok(by)
        });
        assert_eq!((done, recorded), (Ok(Outcome::Yes), vec![FAR]));
        let refused = carry_out(plan, |_| Err(ClockError::NotPermitted));
        assert_eq!(refused, Err(Fatal::failed("unable to settimeofday: permission denied")));
    }
}

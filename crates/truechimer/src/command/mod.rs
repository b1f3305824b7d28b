//! The subcommands' bodies, one module each: arguments in, an [`Outcome`] or a reason why not out.

pub mod applets;
pub mod ask;
pub mod burst;
pub mod clients;
pub mod config;
pub mod demo;
pub mod doctor;
pub mod exporter;
pub mod forecast;
pub mod history;
pub mod keys;
pub mod localtime;
pub mod manual;
pub mod now;
pub mod query;
pub mod run;
pub mod service;
pub mod set;
pub mod sim;
pub mod stamp;
pub mod statistics;
pub mod status;
pub mod survey;
pub mod timeline;
pub mod tz;
pub mod wait;
pub mod watch;

use std::process::ExitCode;

/// How a command ended. Programs read it from the exit code, as those of daemontools do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done, or the answer is yes.
    Yes,
    /// The answer is no.
    No,
    /// It was called wrongly.
    Misused,
    /// The system failed.
    Failed,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(match outcome {
            Outcome::Yes => 0,
            Outcome::No => 1,
            Outcome::Misused => 100,
            Outcome::Failed => 111,
        })
    }
}

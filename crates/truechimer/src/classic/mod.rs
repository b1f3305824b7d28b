//! The programs of the clockspeed package and their relatives, and rdate, by their own names.
//!
//! One binary answers to all of them: by link (`argv[0]`), or as a subcommand of `truechimer`. Each program is one
//! file with one struct of arguments, from which parsing, help and manual page come, and a body that ends with an
//! [`Outcome`]; [`Program`] is the list of them all.
//!
//! **Invariant:** what a script can see of a program (stdout, messages, exit codes) is as its original has it, where
//! no option asks for something else. What is unsafe about an original is refused or done better, never imitated.

pub mod asking;
pub mod clockadd;
pub mod clockadjust;
pub mod clockspeed;
pub mod clockview;
pub mod counting;
pub mod input;
pub mod listening;
pub mod messages;
pub mod rdate;
pub mod rdated;
pub mod sntpclock;
pub mod taiclock;
pub mod taiclockd;
pub mod wall;

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser, Subcommand};

use crate::command::Outcome;
use messages::tell;

/// All programs that have a classic name. Another one is a file beside [`clockview`], and a line in each list here.
#[derive(Subcommand, Clone, Debug, PartialEq)]
#[expect(
    missing_docs,
    reason = "what is written on the struct of a program is its help, and here would replace it"
)]
pub enum Program {
    Sntpclock(sntpclock::Sntpclock),
    Taiclock(taiclock::Taiclock),
    Taiclockd(taiclockd::Taiclockd),
    Clockadd(clockadd::Clockadd),
    Clockspeed(clockspeed::Clockspeed),
    Clockview(clockview::Clockview),
    Rdate(rdate::Rdate),
    Rdated(rdated::Rdated),
    Clockadjust(clockadjust::Clockadjust),
}

impl Program {
    /// Does it, and says how it ended.
    pub fn run(&self, face: Face) -> Outcome {
        match self {
            Self::Sntpclock(arguments) => messages::end("sntpclock", arguments.run()),
            Self::Taiclock(arguments) => messages::end("taiclock", arguments.run()),
            Self::Taiclockd(arguments) => messages::end("taiclockd", arguments.run()),
            Self::Clockadd(arguments) => messages::end("clockadd", arguments.run(face)),
            Self::Clockspeed(arguments) => arguments.run(),
            Self::Clockview(arguments) => messages::end("clockview", arguments.run()),
            Self::Rdate(arguments) => arguments.run(),
            Self::Rdated(arguments) => messages::end("rdated", arguments.run()),
            Self::Clockadjust(arguments) => messages::end("clockadjust", arguments.run()),
        }
    }

    /// What the original says to those who call it wrongly, without its name before it.
    fn usage(name: &str) -> Option<&'static str> {
        match name {
            "sntpclock" => Some(sntpclock::USAGE),
            "taiclock" => Some(taiclock::USAGE),
            "taiclockd" => Some(taiclockd::USAGE),
            "clockadd" => Some(clockadd::USAGE),
            "clockspeed" => Some(clockspeed::USAGE),
            "clockview" => Some(clockview::USAGE),
            "rdate" => Some(rdate::USAGE),
            "rdated" => Some(rdated::USAGE),
            "clockadjust" => Some(clockadjust::USAGE),
            _other_name => None,
        }
    }
}

/// How a program was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// By its own name, as scripts call it that were written for the original.
    Link,
    /// As a subcommand, by those who know whom they call.
    Subcommand,
}

/// What is parsed when the program was called by a link: the name is `argv[0]`.
#[derive(Parser)]
#[command(multicall = true)]
struct Linked {
    #[command(subcommand)]
    program: Program,
}

/// The names, in the order of their list.
pub fn names() -> Vec<String> {
    let table = Linked::command();
    table.get_subcommands().map(|program| program.get_name().to_owned()).collect()
}

/// The program that this first argument names, if it is one of ours.
pub fn named(called: &OsStr) -> Option<String> {
    let name = Path::new(called).file_name()?.to_str()?;
    names().into_iter().find(|known| known == name)
}

/// Runs the program `name` with the arguments after `argv[0]`.
pub fn run(name: &str, arguments: impl Iterator<Item = OsString>) -> Outcome {
    match Linked::try_parse_from(std::iter::once(name.into()).chain(arguments)) {
        Ok(Linked { program }) => program.run(Face::Link),
        Err(error) => misused(name, &error),
    }
}

/// Help that was asked for goes to stdout. Everything else is answered by one line, as the original does; where it is
/// about an option, which the original has not, by one more.
fn misused(name: &str, error: &clap::Error) -> Outcome {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // A closed stdout is the business of whoever closed it.
        let _ = error.print();
        return Outcome::Yes;
    }
    if is_about_an_option(error) {
        tell(name, &why(&error.to_string()));
    }
    if let Some(usage) = Program::usage(name) {
        tell(name, &format!("usage: {usage}"));
    }
    if name == "rdate" { rdate::MISUSED } else { Outcome::Misused }
}

/// The first paragraph as one line, in which what Rust says about numbers is said about options.
fn why(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let line = lines.join(" ");
    let line = line.strip_prefix("error: ").unwrap_or(&line);
    PLAINLY.iter().fold(line.to_owned(), |line, (theirs, ours)| line.replace(theirs, ours))
}

/// Numbers that are none, in the words of those who type them.
const PLAINLY: [(&str, &str); 4] = [
    ("invalid digit found in string", "that is no whole number"),
    ("cannot parse integer from empty string", "a whole number is missing"),
    ("number too large to fit in target type", "that is too large"),
    ("number would be zero for non-zero type", "0 is too small"),
];

fn is_about_an_option(error: &clap::Error) -> bool {
    let is_option = |text: &str| text.starts_with('-');
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(text)) => is_option(text),
        Some(ContextValue::Strings(texts)) => texts.iter().any(|text| is_option(text)),
        Some(_) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound() {
        Linked::command().debug_assert();
    }

    #[test]
    fn every_program_says_how_it_is_called() {
        for name in names() {
            assert!(Program::usage(&name).is_some_and(|usage| usage.starts_with(&name)), "{name}");
        }
    }

    #[test]
    fn a_wrong_call_is_explained_in_one_line() {
        let told = |words: &[&str]| why(&Linked::try_parse_from(words).map(|_| ()).unwrap_err().to_string());
        assert_eq!(
            told(&["sntpclock", "--kernel", "gmt", "a"]),
            "invalid value 'gmt' for '--kernel <COUNT>' [possible values: utc, tai-10]"
        );
        assert_eq!(told(&["taiclockd", "-p", "0"]), "invalid value '0' for '-p <PORT>': 0 is too small");
        assert_eq!(
            told(&["rdated", "--time", "x"]),
            "invalid value 'x' for '--time <PORT>': that is no whole number"
        );
        assert_eq!(
            told(&["clockadjust", "--again"]),
            "the following required arguments were not provided: --step"
        );
    }

    #[test]
    fn a_program_is_found_by_the_end_of_its_path() {
        assert_eq!(named(OsStr::new("/usr/local/clockspeed/bin/clockview")), Some("clockview".to_owned()));
        assert_eq!(named(OsStr::new("clockview")), Some("clockview".to_owned()));
        for other in ["truechimer", "clockviewer", "", "/", "clockview/.."] {
            assert_eq!(named(OsStr::new(other)), None, "{other}");
        }
    }
}

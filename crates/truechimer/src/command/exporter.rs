//! `truechimer exporter`: numbers for monitors over HTTP, by a program of its own. What speaks HTTP is not in this one.

use std::env;
use std::ffi::OsString;
use std::io::{Error, ErrorKind};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::anyhow;
use clap::Args;

use crate::command::Outcome;

/// The program that does it.
pub const PROGRAM: &str = "truechimer-exporter";

/// Tell monitors over HTTP how right the time is (by `truechimer-exporter`, which `--help` describes)
#[derive(Args, Clone, Debug, PartialEq)]
#[command(disable_help_flag = true)]
pub struct Exporter {
    /// All of this is for that program: --listen ADDRESS:PORT, --names NAMES, --run-dir DIR, --help
    #[arg(value_name = "ARGUMENT", trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<OsString>,
}

/// Becomes that program: the one beside this one, else the first of its name in `PATH`.
pub fn exporter(arguments: &Exporter) -> anyhow::Result<Outcome> {
    let beside = env::current_exe().ok().and_then(|program| beside(&program));
    let program = beside.unwrap_or_else(|| PathBuf::from(PROGRAM));
    // It comes back only if it fails.
    Err(words(&Command::new(program).args(&arguments.arguments).exec()))
}

fn beside(program: &Path) -> Option<PathBuf> {
    Some(program.with_file_name(PROGRAM)).filter(|path| path.is_file())
}

fn words(error: &Error) -> anyhow::Error {
    match error.kind() {
        ErrorKind::NotFound => anyhow!(
            "{PROGRAM} is not installed: it is neither beside this program nor in PATH. It is in the package for \
             Debian, and in the crate truechimer-fleet; a file for node_exporter needs no other program ([metrics] file in the configuration)"
        ),
        _something_else => anyhow!("cannot run {PROGRAM}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_looked_for_beside_this_program() {
        let folder = tempfile::tempdir().expect("a folder");
        let ours = folder.path().join("truechimer");
        assert_eq!(beside(&ours), None);
        std::fs::write(folder.path().join(PROGRAM), "").expect("it is written");
        assert_eq!(beside(&ours), Some(folder.path().join(PROGRAM)));
    }

    #[test]
    fn a_program_that_is_not_installed_is_said_with_what_to_do() {
        let text = words(&Error::from(ErrorKind::NotFound)).to_string();
        assert!(text.contains("not installed") && text.contains("truechimer-fleet"), "{text}");
        let text = words(&Error::from(ErrorKind::PermissionDenied)).to_string();
        assert!(text.contains("cannot run"), "{text}");
    }
}

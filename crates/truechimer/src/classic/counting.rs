//! What the kernel's clock counts, by which leap seconds, and what peers announce: options of several programs.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum, ValueHint};
use truechimer_core::classic::count::{KernelCount, PeerCount};
use truechimer_time::LeapTable;
use truechimer_time::leap::FILE_BYTES_MAX;

use super::messages::{Fatal, reason, warn};
use crate::leaps;

/// Where the table of leap seconds is, as long as nobody says otherwise.
const LEAPSECS: &str = "/etc/leapsecs.dat";

/// What the kernel's clock counts, and by which leap seconds.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Counting {
    /// What the kernel's clock counts; without this tai-10 is taken for granted, as the original does (utc with --s6)
    #[arg(long, value_name = "COUNT", value_enum)]
    pub kernel: Option<Kernel>,
    /// The table of leap seconds, instead of the one in /etc
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub leapsecs: Option<PathBuf>,
}

/// What a kernel's clock counts.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// UTC, as kernels do unless somebody arranged otherwise
    Utc,
    /// All seconds, ten less than TAI, as right/ time zones expect
    #[value(name = "tai-10")]
    Tai10,
}

/// What the labels of a TAICLOCK server are.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// True TAI: s6-taiclockd, taiclockd --kernel utc, and the original on a kernel that counts all seconds
    Tai,
    /// UTC plus ten seconds: the original on a kernel that counts UTC
    Utc,
}

impl From<Peer> for PeerCount {
    fn from(peer: Peer) -> Self {
        match peer {
            Peer::Tai => Self::Tai,
            Peer::Utc => Self::UtcPlusTen,
        }
    }
}

impl Counting {
    /// What the kernel counts.
    pub fn kernel(&self, s6: bool) -> KernelCount {
        match (self.kernel, s6) {
            (Some(Kernel::Utc), _) | (None, true) => KernelCount::Utc,
            (Some(Kernel::Tai10), _) | (None, false) => KernelCount::TaiLessTen,
        }
    }

    /// The leap seconds, as a program reads them that trusts the file alone: where there is none there are no leap
    /// seconds, unless one was named. One that lacks some is worth a warning.
    pub fn leaps_of_file(&self, name: &str) -> Result<LeapTable, Fatal> {
        let path = self.leapsecs.as_deref().unwrap_or(Path::new(LEAPSECS));
        let bytes = match (read(path), &self.leapsecs) {
            (Err(error), None) if error.kind() == ErrorKind::NotFound => return Ok(LeapTable::NONE),
            (Err(error), Some(named)) => {
                return Err(uninitialised(format!("{}: {}", named.display(), reason(&error))));
            }
            (read, _) => read.map_err(|error| uninitialised(reason(&error)))?,
        };
        let table = LeapTable::from_dat(&bytes).map_err(|error| uninitialised(error.to_string()))?.table;
        let (known, there) = (LeapTable::COMPILED.leaps().len(), table.leaps().len());
        if (1..known).contains(&there) {
            warn(name, format!("{} has {there} of {known} leap seconds", path.display()));
        }
        Ok(table)
    }

    /// The leap seconds, as they are: from the file if it knows as many as this program, and from the program if there
    /// is no file.
    pub fn leaps(&self) -> Result<LeapTable, Fatal> {
        match (leaps::load(self.leapsecs.as_deref().unwrap_or(Path::new(LEAPSECS))), &self.leapsecs) {
            (Ok(table), _) => Ok(table),
            (Err(error), None) if error.is_missing() => Ok(LeapTable::COMPILED),
            (Err(error), _) => Err(uninitialised(error.to_string())),
        }
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn uninitialised(reason: String) -> Fatal {
    Fatal::failed(format!("unable to initialize leap seconds: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use truechimer_time::leap::DAT_BYTES_MAX;

    fn counting(path: PathBuf) -> Counting {
        Counting { kernel: None, leapsecs: Some(path) }
    }

    #[test]
    fn no_option_means_what_the_original_means() {
        let said = |kernel| Counting { kernel, leapsecs: None };
        assert_eq!(said(None).kernel(false), KernelCount::TaiLessTen);
        assert_eq!(said(None).kernel(true), KernelCount::Utc);
        assert_eq!(said(Some(Kernel::Utc)).kernel(false), KernelCount::Utc);
        assert_eq!(said(Some(Kernel::Tai10)).kernel(true), KernelCount::TaiLessTen);
    }

    #[test]
    fn a_file_that_was_named_must_be_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let missing = counting(folder.path().join("leapsecs.dat"));
        for error in [missing.leaps_of_file("test").unwrap_err(), missing.leaps().unwrap_err()] {
            assert!(error.text.starts_with("unable to initialize leap seconds: "), "{}", error.text);
            assert!(error.text.contains("leapsecs.dat"), "{}", error.text);
        }
    }

    #[test]
    fn an_old_file_is_read_by_those_who_trust_it_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("leapsecs.dat");
        let mut buffer = [0; DAT_BYTES_MAX];
        let whole = LeapTable::COMPILED.to_dat(&mut buffer).unwrap();
        fs::write(&path, &whole[..176]).unwrap();
        assert_eq!(counting(path.clone()).leaps_of_file("test").unwrap().leaps().len(), 22);
        assert!(counting(path.clone()).leaps().is_err());
        fs::write(&path, whole).unwrap();
        assert_eq!(counting(path).leaps().unwrap().leaps().len(), 27);
    }
}

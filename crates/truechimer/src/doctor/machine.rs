//! The machine that is examined: where its files begin, and what a check may read of them.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use truechimer_sys::file::read_at_most;
use truechimer_time::Span;

use super::configured::{self, Configured};
use super::survey::{self, Seen};
use super::trace::{self, Trace};

/// No file is read further than that.
const TEXT_MAX: usize = 4 << 20;

/// Why something could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Hidden {
    /// It takes privileges.
    #[error("cannot read {}: not permitted", path.display())]
    NotAllowed {
        /// What.
        path: PathBuf,
    },
    /// The system failed.
    #[error("cannot read {}: {why}", path.display())]
    Failed {
        /// What.
        path: PathBuf,
        /// What it said.
        why: String,
    },
    /// Something else, as a whole sentence without a full stop.
    #[error("{0}")]
    Because(String),
}

/// What several checks want to know, and the first of them that asks finds out.
#[derive(Clone, Debug, Default)]
pub struct Common {
    configured: Arc<OnceLock<Result<Vec<Configured>, Hidden>>>,
    survey: Arc<OnceLock<Result<Vec<Seen>, Hidden>>>,
    trace: Arc<OnceLock<Trace>>,
}

impl Hidden {
    /// What the system said of a file.
    pub(super) fn of(path: PathBuf, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::NotAllowed { path },
            _ => Self::Failed { path, why: error.to_string() },
        }
    }
}

/// What is examined.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Where `/proc`, `/sys` and `/etc` begin: `/`, or a stand-in of a test.
    pub root: PathBuf,
    /// Where our own daemon would publish.
    pub run_dir: PathBuf,
    /// How long clocks are watched.
    pub watched_for: Span,
    /// Protocols whose windows are to be looked at, whether or not they are seen to be used here.
    pub uses: Vec<String>,
    /// The configuration whose sources are asked; found by itself unless named.
    pub config: Option<PathBuf>,
    /// What several checks want to know.
    pub common: Common,
}

impl Machine {
    /// A machine whose files begin there, with our own daemon at its usual place, whose clocks are watched for a second.
    pub fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            run_dir: root.join("run/truechimer"),
            watched_for: Span::from_secs(1),
            uses: Vec::new(),
            config: None,
            common: Common::default(),
        }
    }

    /// The same, of which nothing is known yet.
    pub fn anew(&self) -> Self {
        Self { common: Common::default(), ..self.clone() }
    }

    /// Whom this machine is configured to ask for the time; found out once.
    ///
    /// # Errors
    /// No configuration, or none that can be read.
    pub fn configured(&self) -> Result<&[Configured], Hidden> {
        let found = self.common.configured.get_or_init(|| configured::configured(self));
        found.as_deref().map_err(Hidden::clone)
    }

    /// What those say who are asked by NTP; they are asked once, however many checks want to know.
    ///
    /// # Errors
    /// As [`Machine::configured`], or what the system refuses us.
    pub fn survey(&self) -> Result<&[Seen], Hidden> {
        let seen = self.common.survey.get_or_init(|| survey::survey(self));
        seen.as_deref().map_err(Hidden::clone)
    }

    /// How the clocks of the machine that we run on went for as long as they are watched; they are watched once.
    ///
    /// # Errors
    /// It is not the machine that is examined.
    pub fn trace(&self) -> Result<&Trace, Hidden> {
        self.must_be_ours()?;
        Ok(self.common.trace.get_or_init(|| trace::watched(self)))
    }

    /// Only of the machine that we run on can the kernel be asked.
    ///
    /// # Errors
    /// It is another.
    pub fn must_be_ours(&self) -> Result<(), Hidden> {
        match self.is_ours() {
            true => Ok(()),
            false => Err(Hidden::Because("the kernel of that machine cannot be asked from here".to_owned())),
        }
    }

    /// The text of a file, by its absolute path; `None` if there is no such file.
    ///
    /// # Errors
    /// It cannot be read, or is longer than 4 MiB. What is no UTF-8 is replaced.
    pub fn text(&self, path: &str) -> Result<Option<String>, Hidden> {
        let path = self.path(path);
        let read = File::open(&path).and_then(|file| read_at_most(file, TEXT_MAX));
        match read {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(Hidden::of(path, &error)),
        }
    }

    /// The names in a folder, sorted; none if there is no such folder.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn names(&self, folder: &str) -> Result<Vec<String>, Hidden> {
        let path = self.path(folder);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if is_absent(&error) => return Ok(Vec::new()),
            Err(error) => return Err(Hidden::of(path, &error)),
        };
        let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
        let names: io::Result<Vec<String>> = entries.map(name).collect();
        let mut names = names.map_err(|error| Hidden::of(path, &error))?;
        names.sort();
        Ok(names)
    }

    /// Where a file of this machine is.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Is this the machine that we run on? Otherwise what only system calls tell is of no interest.
    pub fn is_ours(&self) -> bool {
        self.root == Path::new("/")
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_is_no_error() {
        let machine = Machine::at(Path::new("/proc/self"));
        assert_eq!(machine.text("/there/is/no/such"), Ok(None));
        assert_eq!(machine.text("/stat/under/a/file"), Ok(None));
        assert_eq!(machine.names("/nothing"), Ok(Vec::new()));
        assert!(machine.names("/task").is_ok_and(|names| !names.is_empty()));
        assert!(machine.text("/stat").is_ok_and(|text| text.is_some()));
    }

    #[test]
    fn what_cannot_be_read_is_hidden() {
        let hidden = Machine::at(Path::new("/proc/self")).text("/task");
        assert!(matches!(hidden, Err(Hidden::Failed { .. })), "{hidden:?}");
    }
}

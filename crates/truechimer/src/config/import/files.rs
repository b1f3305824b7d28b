//! The files of a configuration that is to be imported: few, small, regular, texts, and each read once.
//!
//! They are only read. Whose they are does not matter, because nothing is used before somebody has looked at it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::super::error::Fault;
use super::super::read::{CONFIG_BYTES_MAX, regular};

/// The most files, those that are included among them.
pub(super) const FILES_MAX: usize = 64;
/// How deep files may include others, as chronyd has it.
pub(super) const DEPTH_MAX: usize = 10;
/// The most lines of all files together that are no comments.
pub(super) const LINES_MAX: usize = 4096;

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    /// As with a configuration of ours.
    #[error(transparent)]
    Unusable(Fault),
    /// A NUL is in no text.
    #[error("is not a text: there is a NUL in line {line}")]
    Binary {
        /// From one.
        line: usize,
    },
    /// It leads back to itself.
    #[error("includes itself, perhaps by way of others")]
    Circle,
    /// Once is enough.
    #[error("has been read already, and is read once")]
    Again,
    /// More files than anybody has.
    #[error("is one file more than the {FILES_MAX} that are read")]
    TooMany,
    /// A chain that is too long.
    #[error("is included deeper than {DEPTH_MAX} files")]
    TooDeep,
    /// More lines than anybody writes.
    #[error("has more lines than the {LINES_MAX} that are read of all files together")]
    TooManyLines,
}

/// What has been read, and what may yet be.
pub(super) struct Files {
    bytes_left: u64,
    lines_left: usize,
    read: Vec<PathBuf>,
    /// Those that are being read, the outermost first.
    open: Vec<PathBuf>,
}

impl Default for Files {
    fn default() -> Self {
        Self { bytes_left: CONFIG_BYTES_MAX, lines_left: LINES_MAX, read: Vec::new(), open: Vec::new() }
    }
}

impl Files {
    /// The text of a file, in which it is until [`Files::leave`].
    pub(super) fn enter(&mut self, path: &Path) -> Result<String, FileFault> {
        let real = path.canonicalize().map_err(|error| FileFault::Unusable(Fault::Unreadable(error)))?;
        match () {
            () if self.open.contains(&real) => return Err(FileFault::Circle),
            () if self.read.contains(&real) => return Err(FileFault::Again),
            () if self.read.len() == FILES_MAX => return Err(FileFault::TooMany),
            () if self.open.len() > DEPTH_MAX => return Err(FileFault::TooDeep),
            () => {}
        }
        let bytes = regular(&real, self.bytes_left, CONFIG_BYTES_MAX).map_err(FileFault::Unusable)?;
        self.bytes_left -= (bytes.len() as u64).min(self.bytes_left);
        let text = self.text(&bytes)?;
        self.read.push(real.clone());
        self.open.push(real);
        Ok(text)
    }

    /// A text that is in no file of its own.
    pub(super) fn text(&mut self, bytes: &[u8]) -> Result<String, FileFault> {
        if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
            return Err(FileFault::Binary { line: 1 + bytes[..at].iter().filter(|b| **b == b'\n').count() });
        }
        // Old files have comments in Latin-1.
        let text = String::from_utf8_lossy(bytes).into_owned();
        let lines =
            text.lines().filter(|line| !line.trim().is_empty() && !line.trim().starts_with('#')).count();
        self.lines_left = self.lines_left.checked_sub(lines).ok_or(FileFault::TooManyLines)?;
        Ok(text)
    }

    /// The file that was entered last is done with.
    pub(super) fn leave(&mut self) {
        self.open.pop();
    }
}

/// The files of a folder whose names end so, in the order of their names.
pub(super) fn ending(folder: &Path, end: &str) -> io::Result<Vec<PathBuf>> {
    listed(folder, |name| name.ends_with(end) && !name.starts_with('.'))
}

/// The files that a pattern of a shell stands for, with `*` and `?` in its last part.
pub(super) fn matching(pattern: &Path) -> io::Result<Vec<PathBuf>> {
    let name = pattern.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if !name.contains(['*', '?']) {
        return Ok(vec![pattern.to_owned()]);
    }
    let parts: Vec<char> = name.chars().collect();
    listed(pattern.parent().unwrap_or(Path::new("/")), |name| {
        !name.starts_with('.') && fits(&parts, &name.chars().collect::<Vec<_>>())
    })
}

fn listed(folder: &Path, wanted: impl Fn(&str) -> bool) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if wanted(&entry.file_name().to_string_lossy()) {
            found.push(entry.path());
        }
        // One more than are read: the last is refused with a word.
        if found.len() > FILES_MAX {
            break;
        }
    }
    found.sort();
    Ok(found)
}

/// Does a name fit a pattern? Where a star could not be stretched far enough, it is stretched by one more.
fn fits(pattern: &[char], name: &[char]) -> bool {
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            Some(_) | None => match star {
                Some((at, stretched)) => {
                    star = Some((at, stretched + 1));
                    (p, n) = (at + 1, stretched + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// A path that is named in a file: relative ones begin where the file is.
pub(super) fn beside(file: &Path, named: &str) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_stands_for_the_names_that_fit() {
        let fits = |pattern: &str, name: &str| {
            fits(&pattern.chars().collect::<Vec<_>>(), &name.chars().collect::<Vec<_>>())
        };
        for (pattern, name) in
            [("*", "a"), ("*.conf", "a.conf"), ("a?c", "abc"), ("a*b*c", "aXbYbZc"), ("**", "")]
        {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("*.conf", "a.conf~"), ("a?c", "ac"), ("a*b", "acd"), ("?", "")] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn a_path_begins_where_its_file_is() {
        assert_eq!(beside(Path::new("/etc/chrony/chrony.conf"), "conf.d"), Path::new("/etc/chrony/conf.d"));
        assert_eq!(beside(Path::new("/etc/chrony/chrony.conf"), "/a/b"), Path::new("/a/b"));
        assert_eq!(beside(Path::new("chrony.conf"), "x"), Path::new("x"));
    }
}

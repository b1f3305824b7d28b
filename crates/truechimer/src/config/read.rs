//! Finding and reading the files of a configuration, and refusing those that others could have written.
//!
//! Nothing is ever read from the current folder unless the operator names a path in it.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use truechimer_sys::user;

use super::error::{ConfigError, Fault, Place, Texts};

/// The configuration when nobody names another.
pub const CONFIG_FILE: &str = "/etc/truechimer/truechimer.toml";
/// The folder of drop-in files, beside the configuration.
const DROP_INS: &str = "conf.d";
/// The most bytes of all files together. A configuration with every source and every comment has a tenth of it.
pub const CONFIG_BYTES_MAX: u64 = 1 << 20;
/// The most drop-in files.
pub const DROP_INS_MAX: usize = 64;

/// The files of the configuration: the named one alone, else the standard one and its drop-ins in the order of
/// their names. No files at all if there is no standard one.
pub(super) fn texts(named: Option<&Path>) -> Result<Texts, ConfigError> {
    match named {
        Some(path) => read_all(&[path.to_owned()]),
        None => read_all(&standard_files(Path::new(CONFIG_FILE))?),
    }
}

/// The given file if it exists, and the drop-ins beside it.
pub(super) fn standard_files(main: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let mut files = drop_ins(&main.with_file_name(DROP_INS))?;
    match main.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Ok(_) | Err(_) => files.insert(0, main.to_owned()),
    }
    Ok(files)
}

fn drop_ins(folder: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let blame = |fault| ConfigError::new(folder, None, fault);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(blame(Fault::Unreadable(error))),
    };
    let facts = folder.metadata().map_err(|error| blame(Fault::Unreadable(error)))?;
    trusted(&facts).map_err(blame)?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| blame(Fault::Unreadable(error)))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
        if files.len() > DROP_INS_MAX {
            return Err(blame(Fault::TooManyFiles { most: DROP_INS_MAX }));
        }
    }
    files.sort();
    Ok(files)
}

pub(super) fn read_all(paths: &[PathBuf]) -> Result<Texts, ConfigError> {
    let mut texts = Texts::default();
    let mut left = CONFIG_BYTES_MAX;
    for path in paths {
        let bytes =
            read(path, left, CONFIG_BYTES_MAX).map_err(|fault| ConfigError::new(path, None, fault))?;
        left -= (bytes.len() as u64).min(left);
        texts.add(path, utf8(path, bytes)?);
    }
    Ok(texts)
}

/// The bytes of one file that only we or root can have written, if no more than are `left` of the most that may be read.
pub(super) fn read(path: &Path, left: u64, most: u64) -> Result<Vec<u8>, Fault> {
    let (file, facts) = opened(path)?;
    trusted(&facts)?;
    bytes(file, &facts, (left, most))
}

/// The bytes of one file, whosever it is.
pub(super) fn regular(path: &Path, left: u64, most: u64) -> Result<Vec<u8>, Fault> {
    let (file, facts) = opened(path)?;
    bytes(file, &facts, (left, most))
}

/// A regular file, and what is known of it.
fn opened(path: &Path) -> Result<(File, Metadata), Fault> {
    // Opening a pipe waits for its writer, so look first. What was opened is then looked at again: the answer for
    // the open file is the one that counts.
    if !path.metadata().map_err(Fault::Unreadable)?.is_file() {
        return Err(Fault::NotAFile);
    }
    let file = File::open(path).map_err(Fault::Unreadable)?;
    let facts = file.metadata().map_err(Fault::Unreadable)?;
    if facts.is_file() { Ok((file, facts)) } else { Err(Fault::NotAFile) }
}

fn bytes(file: File, facts: &Metadata, (left, most): (u64, u64)) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    if facts.len() <= left {
        file.take(left + 1).read_to_end(&mut bytes).map_err(Fault::Unreadable)?;
    }
    match facts.len().max(bytes.len() as u64) > left {
        true => Err(Fault::TooLarge { most }),
        false => Ok(bytes),
    }
}

/// Could anybody but root and us have written it?
fn trusted(facts: &Metadata) -> Result<(), Fault> {
    trusted_as(facts.mode(), facts.uid(), user::effective_uid())
}

fn trusted_as(mode: u32, owner: u32, us: u32) -> Result<(), Fault> {
    if mode & 0o002 != 0 {
        return Err(Fault::WritableByAll { mode: mode & 0o7777 });
    }
    match owner == 0 || owner == us {
        true => Ok(()),
        false => Err(Fault::OwnedByOther { owner, us }),
    }
}

pub(super) fn utf8(path: &Path, bytes: Vec<u8>) -> Result<String, ConfigError> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let place = Place::of(error.as_bytes(), at..at + 1);
        ConfigError::new(path, Some(place), Fault::NotUtf8)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_root_or_we_alone_can_write_is_trusted() {
        assert!(trusted_as(0o100_644, 0, 1000).is_ok());
        assert!(trusted_as(0o100_664, 1000, 1000).is_ok());
        assert!(matches!(trusted_as(0o100_646, 0, 0), Err(Fault::WritableByAll { mode: 0o646 })));
        assert!(matches!(trusted_as(0o100_600, 1000, 0), Err(Fault::OwnedByOther { owner: 1000, us: 0 })));
    }

    /// Bad input 125: the current folder is nowhere looked into.
    #[test]
    fn without_a_name_only_absolute_paths_are_read() {
        assert!(Path::new(CONFIG_FILE).is_absolute());
        assert!(Path::new(CONFIG_FILE).with_file_name(DROP_INS).is_absolute());
    }
}

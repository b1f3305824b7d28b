//! Leap seconds from a file, whatever its format.

use std::path::Path;

use truechimer_sys::file::{self, FileError};
use truechimer_time::LeapTable;
use truechimer_time::leap::{FILE_BYTES_MAX, LeapFileError};

/// Why a file of leap seconds is not used.
#[derive(Debug, thiserror::Error)]
pub enum LeapsError {
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is not what it should be.
    #[error("{path}: {error}")]
    Content {
        /// Which file.
        path: String,
        /// What is wrong.
        error: LeapFileError,
    },
    /// It lacks leap seconds that are history.
    #[error("{path}: it lacks leap seconds that have been: it is too old or cut short")]
    Forgetful {
        /// Which file.
        path: String,
    },
}

impl LeapsError {
    /// Is there no such file?
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::File(error) if error.is_missing())
    }
}

/// Reads `leap-seconds.list`, tzdata's `leapseconds` or `leapsecs.dat`, told apart by their content. A table that
/// lacks leap seconds which this program knows of is refused.
pub fn load(path: &Path) -> Result<LeapTable, LeapsError> {
    let bytes = file::load(path, FILE_BYTES_MAX)?;
    let name = path.display().to_string();
    let table = parse(&bytes).map_err(|error| LeapsError::Content { path: name.clone(), error })?;
    match table.extends(&LeapTable::COMPILED) {
        true => Ok(table),
        false => Err(LeapsError::Forgetful { path: name }),
    }
}

/// Of a file that nobody has named, and this program's own table, the one that holds for longer. Where both have the same leap
/// seconds, a file that the system has not renewed for long knows less than a program that is newer.
pub fn of_system(file: LeapTable) -> LeapTable {
    let own = LeapTable::COMPILED;
    let expires_sooner = file.expiry().is_some_and(|expiry| own.expiry().is_some_and(|own| expiry < own));
    if expires_sooner && file.leaps() == own.leaps() { own } else { file }
}

fn parse(bytes: &[u8]) -> Result<LeapTable, LeapFileError> {
    let is_binary = bytes.first() == Some(&0x40);
    let is_zic = bytes.split(|&byte| byte == b'\n').any(|line| line.starts_with(b"Leap"));
    match (is_binary, is_zic) {
        (true, _) => LeapTable::from_dat(bytes).map(|file| file.table),
        (false, true) => LeapTable::from_zic(bytes),
        (false, false) => LeapTable::from_list(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_seen_in_the_content() {
        let mut buffer = [0; truechimer_time::leap::DAT_BYTES_MAX];
        let dat = LeapTable::COMPILED.to_dat(&mut buffer).expect("27 insertions");
        assert_eq!(parse(dat).expect("leapsecs.dat").leaps(), LeapTable::COMPILED.leaps());
        let zic = b"#updated 1467936000\nLeap\t1972\tJun\t30\t23:59:60\t+\tS\n";
        assert_eq!(parse(zic).expect("zic").leaps().len(), 1);
        assert!(parse(b"nonsense\n").is_err());
    }

    /// Debian 12 has a list that expired in June 2026, and renews it rarely.
    #[test]
    fn a_list_that_the_system_has_not_renewed_does_not_hide_what_the_program_knows() {
        let mut buffer = [0; truechimer_time::leap::DAT_BYTES_MAX];
        let dat = LeapTable::COMPILED.to_dat(&mut buffer).expect("27 insertions");
        let without_expiry = parse(dat).expect("leapsecs.dat");
        let lines: String = LeapTable::COMPILED
            .leaps()
            .iter()
            .map(|leap| {
                let day = truechimer_time::Civil::of(leap.midnight() - truechimer_time::Span::from_secs(1));
                let month = if format!("{day}").contains("-06-") { "Jun\t30" } else { "Dec\t31" };
                format!("Leap\t{}\t{month}\t23:59:60\t+\tS\n", &format!("{day}")[..4])
            })
            .collect();
        let expiring = |at: &str| parse(format!("#expires {at}\n{lines}").as_bytes()).expect("zic");
        let (old, new) = (expiring("1782604800"), expiring("1845849600"));
        assert_eq!(of_system(old), LeapTable::COMPILED);
        assert_eq!(of_system(new.clone()), new);
        assert_eq!(of_system(without_expiry.clone()), without_expiry);
    }

    #[test]
    fn a_table_that_forgets_history_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("leapseconds");
        std::fs::write(&path, "Leap\t1972\tJun\t30\t23:59:60\t+\tS\n").expect("a file");
        assert!(matches!(load(&path), Err(LeapsError::Forgetful { .. })));
        assert!(load(&folder.path().join("none")).expect_err("no file").is_missing());
    }
}

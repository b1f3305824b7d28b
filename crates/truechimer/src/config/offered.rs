//! Sources that the network offers: what DHCP says, in a folder that hooks of its clients write.
//!
//! Each file of the folder is of one interface, and each line of it one address:
//!
//! ```text
//! # /run/truechimer/dhcp/eth0
//! 192.0.2.1
//! 2001:db8::7b
//! ```
//!
//! Whoever answers first for DHCP chooses these, so all of them together are one operator ([`OPERATOR`]) with one vote, and
//! they are left out where that would be half of all votes. Where nobody at all is configured they are all that there is.
//!
//! What cannot be used is left out, with a word; a broken hook stops nobody.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use truechimer_core::policy::SOURCES_MAX;
use truechimer_sys::user;

use super::address::Address;
use super::quantity::Spelled;
use super::{Config, Source, SourcePlace, default, pool, read};

/// The folder's name in the run folder.
pub const FOLDER: &str = "dhcp";
/// The operator of all that is offered.
pub const OPERATOR: &str = "dhcp";
/// The most sources that are taken, all interfaces together.
pub const OFFERED_MAX: usize = 8;
/// The most files that are read.
const FILES_MAX: usize = 64;
/// The most bytes of one file.
const FILE_BYTES_MAX: u64 = 4096;

impl Config {
    /// The same with what the network offers besides, according to the folder below this one, and what is to be said of it.
    pub fn with_offered(mut self, run_dir: &Path) -> (Self, Vec<String>) {
        let mut complaints = Vec::new();
        let mut offered = offers(&run_dir.join(FOLDER), &mut complaints);
        if !offered.is_empty() && self.operators() == 1 {
            complaints.push(
                "what DHCP offers is left out: beside a single operator it would have half of all votes; name more of them"
                    .to_owned(),
            );
            offered.clear();
        }
        let (min_interval, max_interval) = default::intervals(self.schedule, self.accuracy);
        let mut taken = 0;
        for address in offered {
            let place = SourcePlace::Network(address.clone());
            if self.sources.iter().any(|source| source.address == place) {
                continue;
            }
            if taken == OFFERED_MAX || pool::places(&self.sources).count() == SOURCES_MAX {
                complaints
                    .push(format!("{address}, which DHCP offers, is left out: there are enough sources"));
                continue;
            }
            taken += 1;
            let operator = OPERATOR.to_owned();
            self.sources.push(Source { operator, min_interval, max_interval, ..Source::at(address) });
        }
        (self, complaints)
    }
}

/// All addresses of a folder that only root or we can have written, in the order of the interfaces' names.
fn offers(folder: &Path, complaints: &mut Vec<String>) -> Vec<Address> {
    let files = match files(folder) {
        Ok(files) => files,
        Err(why) => {
            complaints.push(format!("{}: what DHCP offers is left out: {why}", folder.display()));
            return Vec::new();
        }
    };
    let mut addresses = Vec::new();
    for file in files {
        match read::read(&file, FILE_BYTES_MAX, FILE_BYTES_MAX) {
            Ok(bytes) => addresses.extend(lines(&file, &String::from_utf8_lossy(&bytes), complaints)),
            Err(why) => complaints.push(format!("{}: is left out: {why}", file.display())),
        }
    }
    addresses
}

/// The files of interfaces. No folder: nothing is offered. Hidden files and those with a `~` at the end are somebody's work
/// that is not done.
fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let facts = match folder.symlink_metadata() {
        Ok(facts) => facts,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("it cannot be looked at: {error}")),
    };
    if !facts.is_dir() {
        return Err("it is no folder".to_owned());
    }
    trusted(facts.mode(), facts.uid(), user::effective_uid())?;
    let entries = fs::read_dir(folder).map_err(|error| format!("it cannot be read: {error}"))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| format!("it cannot be read: {error}"))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !name.starts_with('.') && !name.ends_with('~') {
            files.push(path);
        }
        if files.len() > FILES_MAX {
            return Err(format!("it has more than {FILES_MAX} files"));
        }
    }
    files.sort();
    Ok(files)
}

/// Could anybody but root and us put a file there?
fn trusted(mode: u32, owner: u32, us: u32) -> Result<(), String> {
    if mode & 0o022 != 0 {
        return Err(format!("others can write to it (mode {:04o}): chmod go-w", mode & 0o7777));
    }
    match owner == 0 || owner == us {
        true => Ok(()),
        false => Err(format!("it belongs to user {owner}, neither to root nor to us (user {us})")),
    }
}

fn lines(file: &Path, text: &str, complaints: &mut Vec<String>) -> Vec<Address> {
    let mut addresses = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match Address::read(line) {
            Ok(address @ Address::Literal(_)) => addresses.push(address),
            Ok(Address::Name { .. }) | Err(_) => {
                complaints.push(format!(
                    "{}:{number}: is left out: it is not one address in figures",
                    file.display()
                ));
            }
        }
    }
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const TWO: &str = "[[source]]\naddress = \"a.example\"\n[[source]]\naddress = \"b.example.net\"\n";

    fn folder() -> tempfile::TempDir {
        let run_dir = tempfile::tempdir().expect("a folder");
        fs::create_dir(run_dir.path().join(FOLDER)).expect("a folder below");
        run_dir
    }

    fn offered(text: &str, files: &[(&str, &str)]) -> (Config, Vec<String>) {
        let run_dir = folder();
        for (name, text) in files {
            fs::write(run_dir.path().join(FOLDER).join(name), text).expect("a file");
        }
        Config::parse("here", text).expect("well written").with_offered(run_dir.path())
    }

    #[test]
    fn all_that_is_offered_is_one_operator() {
        let files =
            [("eth0", "# from a lease\n192.0.2.1\n192.0.2.2\n\n"), ("wlan0", " 2001:db8::1 \n192.0.2.1\n")];
        let (config, complaints) = offered(TWO, &files);
        let names: Vec<String> = config.places().map(|place| place.name()).collect();
        assert_eq!(names[2..], ["192.0.2.1:123", "192.0.2.2:123", "[2001:db8::1]:123"]);
        assert_eq!((config.operators(), complaints.len()), (3, 0));
        assert_eq!(Config::parse("again", &config.to_toml()).expect("it can be read again"), config);
    }

    #[test]
    fn what_is_offered_never_has_half_of_the_votes_beside_others() {
        let one = "[[source]]\naddress = \"a.example\"\n";
        let (config, complaints) = offered(one, &[("eth0", "192.0.2.1\n")]);
        assert_eq!((config.places().count(), complaints.len()), (1, 1), "{complaints:?}");
        let (config, complaints) = offered("source = []\n", &[("eth0", "192.0.2.1\n")]);
        assert_eq!((config.places().count(), complaints.len()), (1, 0), "all that there is");
    }

    #[test]
    fn what_is_no_address_is_left_out_with_a_word() {
        let text =
            "server 192.0.2.1\ntime.example.net\n192.0.2.300\n224.0.1.1\n192.0.2.9 iburst\n192.0.2.7\n";
        let (config, complaints) =
            offered(TWO, &[("eth0", text), (".eth1", "192.0.2.8"), ("eth0~", "192.0.2.6")]);
        assert_eq!(config.places().count(), 3);
        assert_eq!(complaints.len(), 5, "{complaints:?}");
        assert!(complaints[0].contains("eth0:1: is left out"), "{}", complaints[0]);
        let many: String = (1..=20).map(|host| format!("192.0.2.{host}\n")).collect();
        let (config, complaints) = offered(TWO, &[("eth0", &many)]);
        assert_eq!((config.places().count(), complaints.len()), (2 + OFFERED_MAX, 20 - OFFERED_MAX));
        let (config, complaints) = offered(TWO, &[("eth0", &"#".repeat(5000))]);
        assert_eq!((config.places().count(), complaints.len()), (2, 1), "{complaints:?}");
    }

    #[test]
    fn a_folder_that_others_can_write_to_offers_nothing() {
        assert!(trusted(0o040_755, 0, 1000).is_ok() && trusted(0o040_700, 1000, 1000).is_ok());
        for (mode, owner) in [(0o040_775, 0), (0o040_757, 0), (0o041_777, 0), (0o040_755, 1001)] {
            assert!(trusted(mode, owner, 1000).is_err(), "{mode:o} {owner}");
        }
        let run_dir = folder();
        let below = run_dir.path().join(FOLDER);
        fs::write(below.join("eth0"), "192.0.2.1\n").expect("a file");
        fs::set_permissions(&below, fs::Permissions::from_mode(0o777)).expect("its mode");
        let (config, complaints) =
            Config::parse("here", TWO).expect("well written").with_offered(run_dir.path());
        assert_eq!((config.places().count(), complaints.len()), (2, 1));
        let (_, complaints) = Config::defaults().with_offered(Path::new("/nowhere at all"));
        assert!(complaints.is_empty(), "no folder, no word");
    }
}

//! Whom this machine is configured to ask for the time, whichever program asks.

use std::path::{Path, PathBuf};

use super::keepers::{self, Program};
use super::machine::{Hidden, Machine};
use crate::config::{self, Address, CONFIG_FILE, Config, Kind, Origin};

/// No more sources of one machine are looked at.
pub const SOURCES_MAX: usize = 16;

/// One source that a program of this machine is to ask.
#[derive(Clone, Debug, PartialEq)]
pub struct Configured {
    /// By whom.
    pub program: Program,
    /// Where it is written.
    pub file: PathBuf,
    /// Whom.
    pub address: Address,
    /// How.
    pub kind: Kind,
    /// Who runs it, as far as it is known.
    pub operator: String,
    /// How many servers behind this name have a vote.
    pub servers: usize,
    /// Who vouches for the certificate of its key exchange server, if not those whom the system trusts.
    pub ca: Option<PathBuf>,
}

/// Where programs keep their configuration, in the order in which they are looked for.
const FILES: [(Program, &str); 11] = [
    (Program::Truechimer, CONFIG_FILE),
    (Program::Chronyd, "/etc/chrony/chrony.conf"),
    (Program::Chronyd, "/etc/chrony.conf"),
    (Program::Ntpd, "/etc/ntpsec/ntp.conf"),
    (Program::Ntpd, "/etc/ntp.conf"),
    (Program::NtpdRs, "/etc/ntpd-rs/ntp.toml"),
    (Program::Openntpd, "/etc/openntpd/ntpd.conf"),
    (Program::Openntpd, "/etc/ntpd.conf"),
    (Program::Timesyncd, "/etc/systemd/timesyncd.conf"),
    (Program::Timesyncd, "/run/systemd/timesyncd.conf"),
    (Program::Timesyncd, "/usr/lib/systemd/timesyncd.conf"),
];

/// Whom this machine is configured to ask: by the programs that run, or if none does, by the first that is configured.
///
/// # Errors
/// There is no configuration, or none that can be read.
pub(super) fn configured(machine: &Machine) -> Result<Vec<Configured>, Hidden> {
    if let Some(file) = &machine.config {
        return read(whose(file), file);
    }
    let running: Vec<Program> = keepers::running(machine).into_iter().map(|keeper| keeper.program).collect();
    let there = FILES.iter().filter(|(_, file)| machine.path(file).exists());
    let of_running: Vec<_> = there.clone().filter(|(program, _)| running.contains(program)).collect();
    let wanted = if of_running.is_empty() { there.collect() } else { of_running };
    let mut why = None;
    for (program, file) in wanted {
        match read(*program, &machine.path(file)) {
            Ok(found) if !found.is_empty() => return Ok(found),
            Ok(_) => {}
            Err(hidden) => why = why.or(Some(hidden)),
        }
    }
    Err(why.unwrap_or_else(|| {
        Hidden::Because("no time program is configured here, so there is nobody to ask".to_owned())
    }))
}

/// A file that somebody has named is ours unless it looks like somebody else's.
fn whose(file: &Path) -> Program {
    if Config::load(Some(file)).is_ok() {
        return Program::Truechimer;
    }
    match config::import(file, None).map(|imported| imported.origin) {
        Ok(Origin::Chrony) => Program::Chronyd,
        Ok(Origin::Ntp) => Program::Ntpd,
        Ok(Origin::NtpdRs) => Program::NtpdRs,
        Ok(Origin::Timesyncd) => Program::Timesyncd,
        Ok(Origin::Clockspeed) => Program::Truechimer,
        // Nothing but servers, which several programs name in the same words.
        Err(_) => match file.extension().is_some_and(|extension| extension == "toml") {
            true => Program::Truechimer,
            false => Program::Chronyd,
        },
    }
}

fn read(program: Program, file: &Path) -> Result<Vec<Configured>, Hidden> {
    let unusable = |error: &dyn std::fmt::Display| {
        Hidden::Because(format!("cannot use the configuration {}: {error}", file.display()))
    };
    let origin = match program {
        Program::Truechimer => {
            let config = Config::load(Some(file)).map_err(|error| unusable(&error))?;
            return Ok(sources(program, file, &config));
        }
        Program::Chronyd => Origin::Chrony,
        Program::Ntpd => Origin::Ntp,
        Program::NtpdRs => Origin::NtpdRs,
        Program::Timesyncd => Origin::Timesyncd,
        Program::Openntpd | Program::Other => return openntpd(program, file),
    };
    let imported = config::import(file, Some(origin)).map_err(|error| unusable(&error))?;
    if !imported.toml.contains("[[source]]") {
        return Ok(compiled_in(program, file));
    }
    let config = Config::parse("imported", &imported.toml).map_err(|error| unusable(&error))?;
    Ok(sources(program, file, &config))
}

fn sources(program: Program, file: &Path, config: &Config) -> Vec<Configured> {
    let one = |source: &config::Source| {
        let address = source.address.network()?.clone();
        Some(Configured {
            program,
            file: file.to_owned(),
            operator: source.operator.clone(),
            servers: source.pool.as_ref().map_or(1, |pool| usize::from(pool.places)),
            kind: source.kind,
            ca: source.ca.clone(),
            address,
        })
    };
    config.sources.iter().filter_map(one).take(SOURCES_MAX).collect()
}

/// The lines of OpenNTPD that name whom it asks: `server NAME` and `servers NAME`.
fn openntpd(program: Program, file: &Path) -> Result<Vec<Configured>, Hidden> {
    let text = std::fs::read_to_string(file).map_err(|error| Hidden::of(file.to_owned(), &error))?;
    let named = |line: &str| {
        let mut words = line.split_whitespace();
        let servers = match words.next()? {
            "server" => 1,
            "servers" => 4,
            _other => return None,
        };
        plain(program, file, words.next()?, servers)
    };
    Ok(text.lines().filter_map(named).take(SOURCES_MAX).collect())
}

/// What a distribution has compiled into timesyncd stands in the comments of its file.
fn compiled_in(program: Program, file: &Path) -> Vec<Configured> {
    let text = match program {
        Program::Timesyncd => std::fs::read_to_string(file).unwrap_or_default(),
        Program::Truechimer
        | Program::Chronyd
        | Program::Ntpd
        | Program::NtpdRs
        | Program::Openntpd
        | Program::Other => return Vec::new(),
    };
    let names = text.lines().find_map(|line| line.trim_start_matches('#').strip_prefix("FallbackNTP="));
    let names = names.unwrap_or_default().split_whitespace();
    names.filter_map(|name| plain(program, file, name, 1)).take(SOURCES_MAX).collect()
}

fn plain(program: Program, file: &Path, name: &str, servers: usize) -> Option<Configured> {
    let address = <Address as config::Spelled>::read(name).ok()?;
    let operator = address.operator();
    Some(Configured { program, file: file.to_owned(), address, kind: Kind::Ntp, operator, servers, ca: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn machine_with(files: &[(&str, &str)]) -> (tempfile::TempDir, Machine) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let machine = Machine::at(root.path());
        (root, machine)
    }

    fn names(machine: &Machine) -> Vec<String> {
        machine.configured().unwrap().iter().map(|source| source.address.to_string()).collect()
    }

    #[test]
    fn whom_the_running_program_asks_counts_before_the_files_of_others() {
        let chrony = ("/etc/chrony/chrony.conf", "server a.example.org iburst\npool b.example.net iburst\n");
        let ntp = ("/etc/ntpsec/ntp.conf", "server c.example.org iburst\n");
        let (_root, machine) = machine_with(&[chrony, ntp]);
        assert_eq!(names(&machine), ["a.example.org", "b.example.net"]);
        let (_root, machine) = machine_with(&[chrony, ntp, ("/proc/7/comm", "ntpd\n")]);
        assert_eq!(names(&machine), ["c.example.org"]);
    }

    #[test]
    fn a_configuration_of_ours_with_a_mistake_is_not_taken_for_anybody_elses() {
        let (root, mut machine) = machine_with(&[]);
        let file = root.path().join("t.toml");
        fs::write(&file, "rundir = \"/run\"\n[[source]]\naddress = \"a.example.org\"\n").unwrap();
        machine.config = Some(file);
        let Err(Hidden::Because(why)) = machine.configured() else { panic!("it has a mistake") };
        assert!(why.contains("rundir"), "{why}");
    }

    #[test]
    fn what_is_compiled_into_timesyncd_stands_in_the_comments_of_its_file() {
        let text = "[Time]\n#NTP=\n#FallbackNTP=0.debian.pool.ntp.org 1.debian.pool.ntp.org\n";
        let (_root, machine) = machine_with(&[("/etc/systemd/timesyncd.conf", text)]);
        assert_eq!(names(&machine), ["0.debian.pool.ntp.org", "1.debian.pool.ntp.org"]);
    }

    #[test]
    fn openntpd_names_its_servers_by_a_line_each() {
        let text = "# comment\nservers pool.ntp.org\nserver 192.0.2.1\nlisten on *\n";
        let (_root, machine) = machine_with(&[("/etc/openntpd/ntpd.conf", text)]);
        assert_eq!(names(&machine), ["pool.ntp.org", "192.0.2.1:123"]);
    }

    #[test]
    fn a_machine_without_any_configuration_says_so() {
        let (_root, machine) = machine_with(&[]);
        let hidden = machine.configured().unwrap_err();
        assert!(hidden.to_string().contains("no time program is configured"), "{hidden}");
    }
}

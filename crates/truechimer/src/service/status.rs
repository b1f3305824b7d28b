//! How the services stand: whether they run, and whether their files are as they were written.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use truechimer_sys::file::has_reader;

use super::manifest::{self, Manifest, Standing};
use super::tree::below;

/// What `service status --json` prints.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// For which supervisor the files were written.
    pub supervisor: String,
    /// In which role.
    pub role: String,
    /// Each service, and whether it runs.
    pub services: Vec<ServiceStatus>,
    /// How many files, folders and links are as they were written.
    pub same: usize,
    /// Those that somebody changed.
    pub changed: Vec<PathBuf>,
    /// Those that are not there.
    pub gone: Vec<PathBuf>,
}

/// One service.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
pub struct ServiceStatus {
    /// Its name.
    pub name: String,
    /// Whether it runs.
    #[serde(flatten)]
    pub state: State,
}

/// Whether a service runs.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum State {
    /// It runs.
    Up {
        /// The number of its process.
        pid: u32,
    },
    /// It is supervised and does not run.
    Down,
    /// Nobody supervises it.
    Unsupervised,
}

impl Status {
    /// Is everything as it was written, and does everything run?
    pub fn is_well(&self) -> bool {
        let is_up = |service: &ServiceStatus| matches!(service.state, State::Up { .. });
        self.changed.is_empty() && self.gone.is_empty() && self.services.iter().all(is_up)
    }

    /// Those that somebody still supervises.
    pub fn supervised(&self) -> impl Iterator<Item = &str> {
        let is_supervised = |service: &&ServiceStatus| service.state != State::Unsupervised;
        self.services.iter().filter(is_supervised).map(|service| service.name.as_str())
    }
}

/// Looks at what the manifest speaks of.
pub fn status(manifest: &Manifest, prefix: &Path, services: &Path) -> io::Result<Status> {
    let mut status = Status {
        supervisor: manifest.supervisor.clone(),
        role: manifest.role.clone(),
        services: vec![],
        same: 0,
        changed: vec![],
        gone: vec![],
    };
    for (path, written) in &manifest.written {
        match manifest::standing(&below(prefix, path), written)? {
            Standing::Same => status.same += 1,
            Standing::Changed => status.changed.push(path.clone()),
            Standing::Gone => status.gone.push(path.clone()),
        }
    }
    let state = |name: &str| match manifest.supervisor.as_str() {
        "systemd" => unit(&below(prefix, Path::new(SLICE)), name),
        _supervise => supervised(&below(prefix, services).join(name)),
    };
    let service = |name: &String| ServiceStatus { name: name.clone(), state: state(name) };
    status.services = manifest.services.iter().map(service).collect();
    Ok(status)
}

/// Where systemd has the control groups of services.
const SLICE: &str = "/sys/fs/cgroup/system.slice";

/// A unit runs while its control group has a process.
fn unit(slice: &Path, name: &str) -> State {
    let group = slice.join(format!("{name}.service"));
    let processes = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    let first = processes.lines().next().and_then(|line| line.parse().ok());
    first.map_or(State::Unsupervised, |pid| State::Up { pid })
}

/// A supervisor holds the fifo `supervise/ok` open as long as it lives (svok(8)), and writes its child's number down.
fn supervised(folder: &Path) -> State {
    let supervise = folder.join("supervise");
    if !has_reader(&supervise.join("ok")).unwrap_or(false)
        && !has_reader(&supervise.join("control")).unwrap_or(false)
    {
        return State::Unsupervised;
    }
    match fs::read(supervise.join("status")).ok().as_deref().and_then(pid) {
        Some(pid) => State::Up { pid },
        None => State::Down,
    }
}

/// The number of the process in a supervisor's status file.
///
/// ```text
/// daemontools (18 bytes), runit (20)   TAI64N, pid as 4 bytes with the least first, ..
/// s6 (35, 43 with a process group)     TAI64N, TAI64N, pid as 8 bytes with the greatest first, ..
/// ```
fn pid(status: &[u8]) -> Option<u32> {
    let pid = match status.len() {
        18 | 20 => u32::from_le_bytes(status[12..16].try_into().ok()?),
        35 | 43 => u64::from_be_bytes(status[24..32].try_into().ok()?).try_into().ok()?,
        _unknown => 0,
    };
    (pid != 0).then_some(pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_files_of_three_supervisors_are_read() {
        let classic = [0x40, 0, 0, 0, 0x6b, 2, 0x2f, 0xb0, 0x2a, 0x1f, 0xd2, 0x34, 0x87, 0x1b, 0, 0, 0, b'u'];
        assert_eq!(pid(&classic), Some(7047));
        assert_eq!(pid(&[&classic[..], &[0, 1]].concat()), Some(7047));
        let s6 = [&[0; 24][..], &7047_u64.to_be_bytes(), &[0; 3]].concat();
        assert_eq!(pid(&s6), Some(7047));
        assert_eq!(pid(&[0; 18]), None);
        assert_eq!(pid(&[1; 17]), None);
    }

    #[test]
    fn a_unit_runs_while_there_is_a_process_in_it() {
        let slice = tempfile::tempdir().expect("a folder");
        assert_eq!(unit(slice.path(), "clockspeed"), State::Unsupervised);
        fs::create_dir(slice.path().join("clockspeed.service")).unwrap();
        fs::write(slice.path().join("clockspeed.service/cgroup.procs"), "12\n13\n").unwrap();
        assert_eq!(unit(slice.path(), "clockspeed"), State::Up { pid: 12 });
        assert_eq!(supervised(slice.path()), State::Unsupervised);
    }
}

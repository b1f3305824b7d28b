//! The programs that keep the clock of this machine: which run, what they may do, and how far each can slew.

use truechimer_time::Rate;

use super::machine::Machine;
use crate::page;

/// The bit of the right to set the clock in a set of capabilities (linux/capability.h).
const CAP_SYS_TIME: u32 = 25;

/// A program that keeps a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// Ours.
    Truechimer,
    /// chronyd.
    Chronyd,
    /// ntpd, NTPsec's or the classic one, unless it is OpenNTPD's.
    Ntpd,
    /// ntpd-rs.
    NtpdRs,
    /// OpenNTPD.
    Openntpd,
    /// systemd-timesyncd.
    Timesyncd,
    /// Another one, such as clockspeed, phc2sys or the services of a hypervisor.
    Other,
}

impl Program {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Truechimer => "truechimer",
            Self::Chronyd => "chronyd",
            Self::Ntpd => "ntpd",
            Self::NtpdRs => "ntpd-rs",
            Self::Openntpd => "OpenNTPD",
            Self::Timesyncd => "systemd-timesyncd",
            Self::Other => "another program",
        }
    }

    /// The fastest that it moves the clock without a step. chronyd: `maxslewrate` of chrony.conf(5), 83,333 ppm unless written
    /// otherwise; those that use the kernel's own loop or adjtime(3): 500 ppm (`MAX_TICKADJ`, `MAXFREQ`).
    pub fn slews(self) -> Rate {
        match self {
            Self::Chronyd => Rate::from_ppb(83_333_333),
            Self::Truechimer | Self::Ntpd | Self::NtpdRs | Self::Openntpd | Self::Timesyncd | Self::Other => {
                Rate::from_ppb(500_000)
            }
        }
    }
}

/// The names of their processes, as the kernel cuts them: to 15 bytes (proc(5), `comm`).
const PROCESSES: [(&str, Program); 10] = [
    ("chronyd", Program::Chronyd),
    ("ntpd", Program::Ntpd),
    ("ntp-daemon", Program::NtpdRs),
    ("systemd-timesyn", Program::Timesyncd),
    ("truechimer", Program::Truechimer),
    ("clockspeed", Program::Other),
    ("phc2sys", Program::Other),
    ("adjtimed", Program::Other),
    ("VBoxService", Program::Other),
    ("timed", Program::Other),
];

/// A process that keeps the clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeper {
    /// Its number.
    pub pid: u32,
    /// Its name, as the kernel has it.
    pub comm: String,
    /// Which program it is.
    pub program: Program,
    /// May it set the clock? By its capabilities; whether they count here the kernel alone knows.
    pub may_set: bool,
    /// Was it told not to (`-x` of chronyd)?
    pub only_looks: bool,
    /// Does it keep a clock of its own right, and not the kernel's (`target = "user"` of ours)?
    pub keeps_own: bool,
    /// Was it stopped by a signal or a debugger?
    pub is_stopped: bool,
}

impl Keeper {
    /// Is it to keep the kernel's clock right?
    pub fn is_to_keep_the_clock(&self) -> bool {
        !self.only_looks && !self.keeps_own
    }
}

/// Those that run now, by their numbers. A daemon of several processes is there once.
pub fn running(machine: &Machine) -> Vec<Keeper> {
    let numbers = machine.names("/proc").unwrap_or_default();
    let mut found: Vec<(Keeper, u32)> =
        numbers.iter().filter_map(|name| keeper(machine, name.parse().ok()?)).collect();
    found.sort_by_key(|(keeper, _)| keeper.pid);
    let pids: Vec<(u32, String)> =
        found.iter().map(|(keeper, _)| (keeper.pid, keeper.comm.clone())).collect();
    // A child of the same name is part of its parent; what either may do the daemon may.
    let mut keepers: Vec<Keeper> = Vec::new();
    for (keeper, parent) in found {
        let is_child = pids.iter().any(|(pid, comm)| *pid == parent && *comm == keeper.comm);
        match keepers.iter_mut().find(|known| is_child && known.comm == keeper.comm) {
            Some(known) => known.may_set |= keeper.may_set,
            None => keepers.push(keeper),
        }
    }
    keepers
}

/// A keeper and the number of its parent.
fn keeper(machine: &Machine, pid: u32) -> Option<(Keeper, u32)> {
    let read = |file: &str| machine.text(&format!("/proc/{pid}/{file}")).ok().flatten();
    let comm = read("comm")?.trim_end().to_owned();
    let (_, program) = PROCESSES.into_iter().find(|(name, _)| *name == comm)?;
    let arguments: Vec<String> = read("cmdline").unwrap_or_default().split('\0').map(str::to_owned).collect();
    if program == Program::Truechimer && arguments.get(1).is_none_or(|verb| verb != "run") {
        return None;
    }
    let status = read("status").unwrap_or_default();
    let field =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("").trim().to_owned();
    let bits = |name: &str| u64::from_str_radix(&field(name), 16).unwrap_or(0);
    let may_set = bits("CapPrm:") >> CAP_SYS_TIME & 1 == 1;
    let only_looks = program == Program::Chronyd && arguments.iter().any(|word| word == "-x");
    let has_own = || page::read(&machine.run_dir).is_ok_and(|(page, _)| page.clock.is_some());
    let keeps_own = program == Program::Truechimer && has_own();
    let is_stopped = field("State:").starts_with(['T', 't']);
    let parent = field("PPid:").parse().unwrap_or(0);
    Some((Keeper { pid, comm, program, may_set, only_looks, keeps_own, is_stopped }, parent))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    /// A process of a stand-in machine.
    pub(crate) fn process(root: &Path, pid: u32, cmdline: &str, status: &str) {
        let folder = root.join(format!("proc/{pid}"));
        fs::create_dir_all(&folder).unwrap();
        let program = cmdline.split(' ').next().unwrap();
        let comm = program.rsplit('/').next().unwrap();
        fs::write(folder.join("comm"), format!("{}\n", &comm[..comm.len().min(15)])).unwrap();
        fs::write(folder.join("cmdline"), cmdline.replace(' ', "\0")).unwrap();
        fs::write(folder.join("status"), status).unwrap();
    }

    /// A status of a process that may set the clock.
    pub(crate) const MIGHTY: &str = "State:\tS (sleeping)\nPPid:\t1\nCapPrm:\t0000000002000400\n";

    #[test]
    fn keepers_are_found_with_what_they_may_and_do() {
        let root = tempfile::tempdir().unwrap();
        process(root.path(), 7, "/usr/sbin/chronyd -F 1", MIGHTY);
        process(root.path(), 8, "/usr/sbin/chronyd -F 1", "State:\tS\nPPid:\t7\nCapPrm:\t0\n");
        process(
            root.path(),
            9,
            "/lib/systemd/systemd-timesyncd",
            &MIGHTY.replace("S (sleeping)", "T (stopped)"),
        );
        process(root.path(), 10, "/usr/bin/truechimer status", MIGHTY);
        process(root.path(), 12, "/usr/bin/truechimer doctor --run-dir run", MIGHTY);
        process(root.path(), 11, "/usr/sbin/chronyd -x", "State:\tS\nPPid:\t1\nCapPrm:\t0\n");
        let found = running(&Machine::at(root.path()));
        let short: Vec<_> =
            found.iter().map(|it| (it.pid, it.program, it.may_set, it.only_looks, it.is_stopped)).collect();
        assert_eq!(
            short,
            [
                (7, Program::Chronyd, true, false, false),
                (9, Program::Timesyncd, true, false, true),
                (11, Program::Chronyd, false, true, false)
            ]
        );
    }
}

//! Other programs that keep a clock. Two of them at once is worse than either.

use std::fs;
use std::path::Path;

/// The units of systemd that keep the clock, under the names that distributions give them. Kept by name and not by
/// capability, because that is how one unit can say that it conflicts with another.
pub const UNITS: [&str; 9] = [
    "chrony.service",
    "chronyd.service",
    "ntp.service",
    "ntpd.service",
    "ntpd-rs.service",
    "ntpsec.service",
    "openntpd.service",
    "systemd-timesyncd.service",
    "sntp.service",
];

/// The names of their processes, as the kernel cuts them: to 15 bytes (proc(5), `comm`).
const PROCESSES: [&str; 5] = ["chronyd", "ntpd", "ntp-daemon", "systemd-timesyn", "clockspeed"];

/// A process that keeps the clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rival {
    /// Its number.
    pub pid: u32,
    /// Its name.
    pub name: String,
}

/// Those that run now, as far as `proc` (usually `/proc`) shows them.
pub fn running(proc: &Path) -> Vec<Rival> {
    let Ok(entries) = fs::read_dir(proc) else { return Vec::new() };
    let mut rivals: Vec<Rival> = entries.flatten().filter_map(|entry| rival(&entry.path())).collect();
    rivals.sort_by_key(|rival| rival.pid);
    rivals
}

fn rival(process: &Path) -> Option<Rival> {
    let pid = process.file_name()?.to_str()?.parse().ok()?;
    let name = fs::read_to_string(process.join("comm")).ok()?.trim_end().to_owned();
    PROCESSES.contains(&name.as_str()).then_some(Rival { pid, name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rivals_are_found_among_all_processes() {
        let proc = tempfile::tempdir().expect("a folder");
        for (pid, name) in [("7", "chronyd\n"), ("8", "sh\n"), ("self", "ntpd\n"), ("9", "systemd-timesyn\n")]
        {
            fs::create_dir(proc.path().join(pid)).unwrap();
            fs::write(proc.path().join(pid).join("comm"), name).unwrap();
        }
        fs::create_dir(proc.path().join("10")).unwrap();
        let found: Vec<_> = running(proc.path()).into_iter().map(|rival| (rival.pid, rival.name)).collect();
        assert_eq!(found, [(7, "chronyd".to_owned()), (9, "systemd-timesyn".to_owned())]);
        assert_eq!(running(&proc.path().join("none")), []);
    }

    #[test]
    fn names_are_as_long_as_the_kernel_keeps_them() {
        assert!(PROCESSES.iter().all(|name| name.len() <= 15));
    }
}

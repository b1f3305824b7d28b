//! Whether the program that is to keep the clock may set it: containers, capabilities, namespaces.

use crate::doctor::keepers::{self, Keeper};
use crate::doctor::{Area, Check, Finding, Hidden, Machine};

/// See [`PAGE`].
pub const CHECK: Check = Check {
    name: "rights",
    area: Area::Clock,
    question: "May the program that keeps the clock set it?",
    page: PAGE,
    probe,
};

const PAGE: &str = "\
Setting the clock takes the capability CAP_SYS_TIME in the machine's own user
namespace. Containers are not given it, and there is only one clock for all of
them: a daemon in a container measures, and can set nothing.

Read are the capabilities of the daemons (/proc/PID/status), the map of users
of this namespace (/proc/self/uid_map), the signs of containers
(/.dockerenv, /run/.containerenv, /run/systemd/container) and the offsets of a
time namespace (/proc/self/timens_offsets).

wrong   A daemon runs that was not told to look on only, and may not set the
        clock.
risky   A time namespace shifts CLOCK_MONOTONIC or CLOCK_BOOTTIME here.
fine    It may, or this is a container whose host keeps the clock.

What to do: keep the clock on the host. If the container is to do it, give it
the capability (`docker run --cap-add SYS_TIME`); if it is to serve the time
only, tell it so (`chronyd -x`; `[clock] target = \"user\"` of truechimer).
";

/// The signs of a container, and what made it.
const SIGNS: [(&str, &str); 3] =
    [("/.dockerenv", "Docker"), ("/run/.containerenv", "Podman"), ("/run/systemd/container", "systemd")];

fn probe(machine: &Machine) -> Result<Vec<Finding>, Hidden> {
    let map = machine.text("/proc/self/uid_map")?;
    let offsets = machine.text("/proc/self/timens_offsets")?;
    let sign = SIGNS.iter().find(|(path, _)| machine.path(path).exists()).map(|(_, name)| *name);
    let is_own = map.as_deref().is_some_and(is_own_namespace);
    let mut findings: Vec<Finding> =
        keepers::running(machine).iter().filter_map(|keeper| powerless(keeper, is_own)).collect();
    findings.extend(offsets.as_deref().and_then(shifted));
    if findings.is_empty() {
        findings.push(Finding::fine(match (sign, is_own) {
            (Some(name), _) => format!("a container ({name}): the host keeps the clock"),
            (None, true) => "a user namespace of its own: the host keeps the clock".to_owned(),
            (None, false) => "no container: who is root here may set the clock".to_owned(),
        }));
    }
    Ok(findings)
}

/// All users of the machine's own namespace are mapped to themselves (user_namespaces(7)).
fn is_own_namespace(map: &str) -> bool {
    map.split_whitespace().collect::<Vec<_>>() != ["0", "0", "4294967295"]
}

fn powerless(keeper: &Keeper, is_own: bool) -> Option<Finding> {
    let Keeper { pid, comm, may_set, .. } = keeper;
    let why = match (may_set, is_own) {
        _ if !keeper.is_to_keep_the_clock() => return None,
        (true, false) => return None,
        (true, true) => "this user namespace is not that of the machine",
        (false, _) => "it lacks CAP_SYS_TIME",
    };
    Some(
        Finding::wrong(format!("{comm} (process {pid}) is to keep the clock and may not set it: {why}"))
            .told("keep the clock on the host, or give the container the capability")
            .run("docker run --cap-add SYS_TIME IMAGE"),
    )
}

/// `monotonic 0 0` and `boottime 0 0` unless they are shifted (time_namespaces(7)).
fn shifted(offsets: &str) -> Option<Finding> {
    let line = offsets.lines().find(|line| line.split_whitespace().skip(1).any(|number| number != "0"))?;
    let words: Vec<&str> = line.split_whitespace().collect();
    Some(
        Finding::risky(format!(
            "a time namespace shifts CLOCK_{} here by {} s: what a daemon outside publishes by it is of no use",
            words.first().unwrap_or(&"MONOTONIC").to_uppercase(),
            words.get(1).unwrap_or(&"?")
        ))
        .told("read the time outside of that namespace, or ask by the network"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;
    use crate::doctor::keepers::tests::{MIGHTY, process};
    use std::fs;

    #[test]
    fn a_daemon_that_may_not_set_the_clock_is_wrong_unless_it_only_looks() {
        let root = tempfile::tempdir().unwrap();
        let weak = MIGHTY.replace("2000400", "400");
        fs::create_dir_all(root.path().join("proc/self")).unwrap();
        fs::write(root.path().join("proc/self/uid_map"), "         0          0 4294967295\n").unwrap();
        process(root.path(), 9, "/usr/sbin/chronyd -x", &weak);
        process(root.path(), 10, "/usr/sbin/ntpd", MIGHTY);
        let machine = Machine::at(root.path());
        assert_eq!(probe(&machine).unwrap()[0].verdict, Verdict::Fine);
        process(root.path(), 11, "/usr/sbin/chronyd -F 1", &weak);
        let findings = probe(&machine).unwrap();
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(
            findings[0].words.contains("chronyd (process 11) is to keep the clock and may not"),
            "{findings:?}"
        );
        fs::write(root.path().join("proc/self/uid_map"), "0 1000 1\n").unwrap();
        assert_eq!(probe(&machine).unwrap().len(), 2, "nobody may in a user namespace");
    }

    #[test]
    fn a_shifted_time_namespace_is_told() {
        assert!(shifted("monotonic           0         0\nboottime            0         0\n").is_none());
        let words = shifted("monotonic       86400         0\nboottime 0 0\n").unwrap().words;
        assert!(words.contains("CLOCK_MONOTONIC here by 86400 s"), "{words}");
    }
}

//! Which program keeps the clock right, and what it says of itself.

use truechimer_core::status::Status;
use truechimer_time::Span;

use crate::doctor::answers::{self, Standing};
use crate::doctor::keepers::{self, Keeper, Program};
use crate::doctor::{Area, Check, Finding, Hidden, Machine};
use crate::page;
use crate::ui::units;

/// See [`PAGE`].
pub const CHECK: Check = Check {
    name: "keeper",
    area: Area::Clock,
    question: "Does a program keep the clock right, and does it say that it does?",
    page: PAGE,
    probe,
};

const PAGE: &str = "\
Looks for a time daemon among the processes and asks it how it stands:
truechimer by its shared page, chronyd by the protocol of chronyc (UDP port
323 on loopback), ntpd by mode 6 of NTP, systemd-timesyncd by the file
/run/systemd/timesync/synchronized.

wrong   No daemon keeps the clock. Or one is stopped by a signal (SIGSTOP) or
        a debugger: it keeps nothing.
risky   It runs and does not know the time, or believes that it is off by more
        than 100 ms; or truechimer is in holdover.
fine    It says that it keeps the clock.
unseen  It does not answer: chronyd with `cmdport 0`, ntpd with `noquery`.

What to do: start one (`sudo truechimer service install`, or
`sudo apt-get install chrony`). Let a stopped one go on with `kill -CONT`. See
the checks `way` and `names` for why it has no time.
";

/// Who believes to be off by more has not caught up, or cannot.
const OFF_MAX: Span = Span::from_millis(100);

/// The signs of a container: its host keeps the clock.
const CONTAINERS: [&str; 3] = ["/.dockerenv", "/run/.containerenv", "/run/systemd/container"];

fn probe(machine: &Machine) -> Result<Vec<Finding>, Hidden> {
    let keepers: Vec<Keeper> =
        keepers::running(machine).into_iter().filter(|keeper| !keeper.only_looks).collect();
    if keepers.is_empty() {
        let is_container = CONTAINERS.iter().any(|sign| machine.path(sign).exists());
        return Ok(vec![nobody(is_container)]);
    }
    keepers.iter().map(|keeper| by_keeper(machine, keeper)).collect()
}

fn nobody(is_container: bool) -> Finding {
    match is_container {
        true => Finding::fine("no program keeps the clock in this container: its host does"),
        false => Finding::wrong(
            "no program keeps the clock of this machine: it drifts by seconds a week, and nobody notices",
        )
        .run("sudo truechimer service install")
        .run("sudo apt-get install chrony"),
    }
}

fn by_keeper(machine: &Machine, keeper: &Keeper) -> Result<Finding, Hidden> {
    let Keeper { pid, comm, program, .. } = keeper;
    if keeper.is_stopped {
        return Ok(Finding::wrong(format!(
            "{comm} (process {pid}) is stopped: it keeps nothing until it goes on"
        ))
        .run(format!("sudo kill -CONT {pid}")));
    }
    let mute = || Hidden::Because(format!("{comm} (process {pid}) runs and does not answer how it stands"));
    let cannot = |error: std::io::Error| Hidden::Because(format!("cannot ask {comm}: {error}"));
    match program {
        Program::Truechimer => ours(machine),
        Program::Chronyd if machine.is_ours() => {
            Ok(stands(comm, &answers::chronyd().map_err(cannot)?.ok_or_else(mute)?, "chronyc -n tracking"))
        }
        Program::Ntpd if machine.is_ours() => {
            Ok(stands(comm, &answers::ntpd().map_err(cannot)?.ok_or_else(mute)?, "ntpq -pn"))
        }
        Program::Timesyncd => Ok(timesyncd(machine.path("/run/systemd/timesync/synchronized").exists())),
        Program::Chronyd | Program::Ntpd | Program::NtpdRs | Program::Openntpd | Program::Other => {
            Ok(Finding::fine(format!("{comm} (process {pid}) runs; it is not asked how it stands")))
        }
    }
}

fn ours(machine: &Machine) -> Result<Finding, Hidden> {
    let (page, readings) =
        page::read(&machine.run_dir).map_err(|error| Hidden::Because(format!("{error:#}")))?;
    let bound = page.read(readings.raw, readings.asleep).map(|reading| {
        let (before, after) = (reading.best - reading.earliest, reading.latest - reading.best);
        before.max(after)
    });
    Ok(by_status(page.status, bound))
}

fn by_status(status: Status, bound: Option<Span>) -> Finding {
    let within = bound.map_or_else(String::new, |bound| format!(", {}", units::bound(bound)));
    match status {
        Status::Synchronised => Finding::fine(format!("truechimer keeps the clock: synchronised{within}")),
        Status::Degraded | Status::Holdover | Status::Disrupted | Status::Unknown => Finding::risky(
            format!("truechimer runs, and has no majority of its sources ({status:?}){within}")
                .to_lowercase(),
        )
        .run("truechimer sources"),
    }
}

fn stands(comm: &str, standing: &Standing, command: &str) -> Finding {
    let Standing { is_synchronised, stratum, off, rate_ppm } = standing;
    let finding = if !is_synchronised {
        Finding::risky(format!("{comm} runs and does not know the time: no source is believed")).run(command)
    } else if OFF_MAX < *off {
        Finding::risky(format!("{comm} says that the clock is {} off", units::span(*off))).run(command)
    } else {
        Finding::fine(format!(
            "{comm} keeps the clock: stratum {stratum}, {} off, {rate_ppm:+.3} ppm corrected",
            units::span(*off)
        ))
    };
    finding.number("off_seconds", off.as_seconds()).number("corrected_ppm", *rate_ppm)
}

fn timesyncd(is_synchronised: bool) -> Finding {
    match is_synchronised {
        true => Finding::fine("systemd-timesyncd keeps the clock, and has been synchronised since it began"),
        false => Finding::risky("systemd-timesyncd runs and has not been synchronised since it began")
            .run("timedatectl timesync-status"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;
    use crate::doctor::keepers::tests::{MIGHTY, process};

    #[test]
    fn a_machine_without_a_daemon_is_wrong_and_a_container_is_not() {
        assert_eq!(nobody(false).verdict, Verdict::Wrong);
        assert_eq!(nobody(true).verdict, Verdict::Fine);
    }

    #[test]
    fn a_daemon_that_is_stopped_keeps_nothing() {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::at(root.path());
        process(
            root.path(),
            7,
            "/lib/systemd/systemd-timesyncd",
            &MIGHTY.replace("S (sleeping)", "T (stopped)"),
        );
        let findings = probe(&machine).unwrap();
        assert_eq!(findings[0].remedies, Finding::fine("").run("sudo kill -CONT 7").remedies);
        process(root.path(), 7, "/lib/systemd/systemd-timesyncd", MIGHTY);
        assert_eq!(probe(&machine).unwrap()[0].verdict, Verdict::Risky, "it was never synchronised");
    }

    #[test]
    fn what_a_daemon_says_of_itself_counts() {
        let stands = |is_synchronised, millis| {
            let off = Span::from_millis(millis);
            stands("chronyd", &Standing { is_synchronised, stratum: 3, off, rate_ppm: 1.0 }, "x").verdict
        };
        assert_eq!(stands(true, 3), Verdict::Fine);
        assert_eq!(stands(true, 300), Verdict::Risky);
        assert_eq!(stands(false, 0), Verdict::Risky);
    }

    #[test]
    fn holdover_is_a_risk() {
        assert_eq!(by_status(Status::Holdover, Some(Span::from_millis(3))).verdict, Verdict::Risky);
        assert_eq!(by_status(Status::Synchronised, None).verdict, Verdict::Fine);
    }
}

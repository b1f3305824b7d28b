//! Who sets the clock, and whether that is more than one.

use truechimer_time::Span;

use crate::doctor::keepers::{self, Keeper, Program};
use crate::doctor::trace::Trace;
use crate::doctor::{Area, Check, Finding, Hidden, Machine};
use crate::service::rival::UNITS;
use crate::ui::units;

/// See [`PAGE`].
pub const CHECK: Check = Check {
    name: "writers",
    area: Area::Clock,
    question: "Does only one program set the clock?",
    page: PAGE,
    probe,
};

const PAGE: &str = "\
Two programs that both correct one clock fight: each takes what the other does
for an error of the oscillator. This looks for

- processes of time daemons that may set the clock (CAP_SYS_TIME among their
  capabilities in /proc); a chronyd with -x only looks on and does not count,
  nor do daemons in containers without that right;
- units of systemd that will be started at the next boot together;
- lines of cron that call ntpdate, rdate, sntp, hwclock or date -s;
- steps of the clock while it is watched, for as long as --for says.

wrong   Two may set the clock, cron sets it beside a daemon, or it was stepped
        while this looked on.
risky   Two will after the next boot; or cron alone sets it, by steps.
fine    One does, or none.

What to do: keep one of them, disable the others.
";

/// Where systemd finds what it starts at boot.
const WANTS: [&str; 3] = [
    "/etc/systemd/system/multi-user.target.wants",
    "/etc/systemd/system/sysinit.target.wants",
    "/etc/systemd/system/timers.target.wants",
];

/// Where the units themselves are.
const UNIT_FOLDERS: [&str; 3] = ["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];

/// Where cron finds its work: files, and folders of files.
const CRON_FILES: [&str; 2] = ["/etc/crontab", "/etc/anacrontab"];
const CRON_FOLDERS: [&str; 6] = [
    "/etc/cron.d",
    "/etc/cron.hourly",
    "/etc/cron.daily",
    "/etc/cron.weekly",
    "/var/spool/cron/crontabs",
    "/var/spool/cron",
];

fn probe(machine: &Machine) -> Result<Vec<Finding>, Hidden> {
    let keepers = keepers::running(machine);
    let mut findings = Vec::new();
    findings.extend(at_once(&keepers));
    findings.extend(after_boot(machine));
    let has_daemon = keepers.iter().any(sets);
    findings.extend(cron_lines(machine).iter().map(|(place, line)| by_cron(place, line, has_daemon)));
    if let Ok(trace) = machine.trace() {
        findings.extend(stepped(trace));
    }
    if findings.is_empty() {
        let writer = keepers.iter().find(|keeper| sets(keeper));
        findings.push(Finding::fine(match writer {
            Some(writer) => format!("only {} (process {}) sets the clock", writer.comm, writer.pid),
            None => "no program is seen here that sets the clock".to_owned(),
        }));
    }
    Ok(findings)
}

fn sets(keeper: &Keeper) -> bool {
    keeper.may_set && keeper.is_to_keep_the_clock()
}

fn at_once(keepers: &[Keeper]) -> Option<Finding> {
    let writers: Vec<&Keeper> = keepers.iter().filter(|keeper| sets(keeper)).collect();
    let [first, second, ..] = writers.as_slice() else { return None };
    let named = |keeper: &Keeper| format!("{} (process {})", keeper.comm, keeper.pid);
    let finding = Finding::wrong(format!(
        "{} and {} both may set the clock: each undoes what the other does",
        named(first),
        named(second)
    ));
    let finding = finding
        .number("writers", writers.len() as f64)
        .told(format!("keep {}, and end the others", first.comm));
    Some(writers[1..].iter().fold(finding, |finding, writer| match unit_of(writer.program) {
        Some(unit) => finding.run(format!("sudo systemctl disable --now {unit}")),
        None => finding.run(format!("sudo kill {}", writer.pid)),
    }))
}

fn unit_of(program: Program) -> Option<&'static str> {
    match program {
        Program::Truechimer => Some("truechimer.service"),
        Program::Chronyd => Some("chrony.service"),
        Program::Ntpd => Some("ntpsec.service"),
        Program::NtpdRs => Some("ntpd-rs.service"),
        Program::Openntpd => Some("openntpd.service"),
        Program::Timesyncd => Some("systemd-timesyncd.service"),
        Program::Other => None,
    }
}

/// Units that are enabled together, unless one of them says that it takes the other's place.
fn after_boot(machine: &Machine) -> Option<Finding> {
    let wanted = WANTS.iter().flat_map(|folder| machine.names(folder).unwrap_or_default());
    let mut units: Vec<String> =
        wanted.filter(|unit| UNITS.contains(&unit.as_str()) || unit == "truechimer.service").collect();
    units.sort();
    units.dedup();
    let conflicts: Vec<String> = units.iter().flat_map(|unit| conflicts_of(machine, unit)).collect();
    let left: Vec<&String> = units.iter().filter(|unit| !conflicts.contains(unit)).collect();
    let [first, second, ..] = left.as_slice() else { return None };
    Some(
        Finding::risky(format!("{first} and {second} are both started at boot"))
            .run(format!("sudo systemctl disable {second}"))
            .told(format!("or keep that one, and disable {first}")),
    )
}

/// What a unit says that it conflicts with.
fn conflicts_of(machine: &Machine, unit: &str) -> Vec<String> {
    let text = UNIT_FOLDERS.iter().find_map(|folder| machine.text(&format!("{folder}/{unit}")).ok()?);
    let lines = text.as_deref().unwrap_or_default().lines();
    let lists = lines.filter_map(|line| line.trim().strip_prefix("Conflicts="));
    lists.flat_map(str::split_whitespace).map(str::to_owned).collect()
}

/// The lines that set a clock, and the file of each.
fn cron_lines(machine: &Machine) -> Vec<(String, String)> {
    let in_folder = |folder: &&str| {
        let names = machine.names(folder).unwrap_or_default();
        names.into_iter().map(|name| format!("{folder}/{name}")).collect::<Vec<_>>()
    };
    let files = CRON_FILES.iter().map(|file| (*file).to_owned());
    let files = files.chain(CRON_FOLDERS.iter().flat_map(in_folder));
    let lines = |file: String| {
        let text = machine.text(&file).ok().flatten().unwrap_or_default();
        let found: Vec<_> =
            text.lines().filter(|line| sets_clock(line)).map(|line| line.trim().to_owned()).collect();
        found.into_iter().map(move |line| (file.clone(), line))
    };
    files.flat_map(lines).collect()
}

/// Does a line of a shell's set the clock?
fn sets_clock(line: &str) -> bool {
    let line = line.trim();
    if line.starts_with('#') {
        return false;
    }
    let words: Vec<&str> = line
        .split(|letter: char| letter.is_whitespace() || ";&|()".contains(letter))
        .map(|word| word.rsplit('/').next().unwrap_or(word))
        .collect();
    let has = |word: &str| words.contains(&word);
    let only_asks = has("-q") && !has("chronyd");
    has("ntpdate") && !only_asks
        || has("rdate")
        || has("sntp") && (has("-S") || has("-s"))
        || has("hwclock") && (has("--hctosys") || has("-s"))
        || has("date") && (has("-s") || words.iter().any(|word| word.starts_with("--set")))
        || has("chronyd") && has("-q")
        || has("ntpd") && (has("-q") || has("-gq") || has("-qg"))
}

fn by_cron(place: &str, line: &str, has_daemon: bool) -> Finding {
    let finding = match has_daemon {
        true => Finding::wrong(format!("cron sets the clock that a daemon keeps: {line} ({place})")),
        false => Finding::risky(format!("cron sets the clock, by steps: {line} ({place})")),
    };
    finding
        .run(format!("sudoedit {place}"))
        .told("a daemon keeps the clock without steps: take that line away")
}

fn stepped(trace: &Trace) -> Option<Finding> {
    let largest = trace.steps.iter().max_by_key(|step| step.abs())?;
    Some(
        Finding::wrong(format!(
            "the clock was stepped {} while it was watched, the furthest by {}",
            match trace.steps.len() {
                1 => "once".to_owned(),
                times => format!("{times} times"),
            },
            units::offset(*largest)
        ))
        .number("steps", trace.steps.len() as f64)
        .number("largest_step_seconds", largest.as_seconds())
        .told(match largest.abs() < Span::from_secs(1) {
            true => "see which program sets the clock; a virtual machine's host may do it too",
            false => "see which program sets the clock, and whether a time daemon has just begun",
        })
        .run("sudo journalctl --since -1h | grep -i -e 'time has been changed' -e step"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;
    use crate::doctor::keepers::tests::{MIGHTY, process};
    use crate::doctor::trace::tests::trace;
    use std::fs;
    use truechimer_time::Rate;

    fn write(root: &std::path::Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn findings(root: &std::path::Path) -> Vec<Finding> {
        probe(&Machine::at(root)).unwrap()
    }

    #[test]
    fn two_that_may_set_the_clock_are_wrong_and_one_that_looks_on_is_not() {
        let root = tempfile::tempdir().unwrap();
        process(root.path(), 7, "/usr/sbin/chronyd -F 1", MIGHTY);
        process(root.path(), 9, "/usr/sbin/chronyd -x", MIGHTY);
        process(root.path(), 11, "/usr/sbin/ntpd -n", &MIGHTY.replace("2000400", "400"));
        assert_eq!(findings(root.path())[0].words, "only chronyd (process 7) sets the clock");
        process(root.path(), 13, "/lib/systemd/systemd-timesyncd", MIGHTY);
        let both = &findings(root.path())[0];
        assert_eq!(both.verdict, Verdict::Wrong);
        assert!(both.words.contains("chronyd (process 7) and systemd-timesyn (process 13)"), "{both:?}");
    }

    #[test]
    fn two_units_will_fight_unless_one_takes_the_place_of_the_other() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "etc/systemd/system/multi-user.target.wants/chrony.service", "");
        write(root.path(), "etc/systemd/system/sysinit.target.wants/systemd-timesyncd.service", "");
        assert_eq!(findings(root.path())[0].verdict, Verdict::Risky);
        let unit = "[Unit]\nConflicts=systemd-timesyncd.service ntp.service\n";
        write(root.path(), "usr/lib/systemd/system/chrony.service", unit);
        assert_eq!(findings(root.path())[0].verdict, Verdict::Fine);
    }

    #[test]
    fn cron_beside_a_daemon_is_worse_than_cron_alone() {
        let root = tempfile::tempdir().unwrap();
        write(
            root.path(),
            "etc/cron.d/time",
            "# rdate was here\n17 * * * * root /usr/sbin/ntpdate -s ntp.example\n",
        );
        assert_eq!(findings(root.path())[0].verdict, Verdict::Risky);
        process(root.path(), 7, "/usr/sbin/chronyd -F 1", MIGHTY);
        assert_eq!(findings(root.path())[0].verdict, Verdict::Wrong);
    }

    #[test]
    fn only_what_sets_the_clock_counts() {
        for line in
            ["rdate -s x", "0 1 * * * root date -s '@1'", "chronyd -q 'server x iburst'", "a && hwclock -s"]
        {
            assert!(sets_clock(line), "{line}");
        }
        for line in
            ["ntpdate -q x", "hwclock --show", "date +%s", "# rdate x", "chronyc -n tracking", "update -s"]
        {
            assert!(!sets_clock(line), "{line}");
        }
    }

    #[test]
    fn a_step_that_was_seen_is_told() {
        let mut seen = trace(Rate::ZERO, Rate::ZERO);
        assert!(stepped(&seen).is_none());
        seen.steps = vec![Span::from_millis(40), Span::from_millis(-2500)];
        let words = stepped(&seen).unwrap().words;
        assert!(words.contains("2 times while it was watched, the furthest by -2.500 s"), "{words}");
    }
}

//! The battery clock, which tells the time at boot.

use truechimer_sys::clock;
use truechimer_time::{Rate, Span};

use crate::doctor::survey::Seen;
use crate::doctor::trace::ratio;
use crate::doctor::{Area, Check, Finding, Hidden, Machine};
use crate::ui::units;

/// See [`PAGE`].
pub const CHECK: Check = Check {
    name: "rtc",
    area: Area::Clock,
    question: "Will the clock be about right at the next boot?",
    page: PAGE,
    probe,
};

const PAGE: &str = "\
At boot the kernel takes the time from a battery clock (RTC), or from the host
if this is a guest of KVM, Xen or Hyper-V. Without either it starts in 1970,
or where a file says that the clock was when it was last kept
(systemd-timesyncd, fake-hwclock, chronyd with -s). Certificates are not valid
then, and logs begin in the past, until a server answers.

This reads /sys/class/rtc/rtc0 at the beginning and at the end, holds it
against the time that the majority of the sources tell, or against the clock
if they tell none, and looks into /etc/adjtime, which says whether it counts
UTC or local time.

wrong   It runs against the clock by more than 500 ppm: one of them is broken.
risky   There is none and nothing stands in for it; it is more than 2 s off,
        so that the next boot begins wrong; or it counts local time, which is
        ambiguous in autumn and wrong after a journey.
fine    It is right, or something stands in for it.

What to do: `hwclock --systohc` writes the clock to it, which has to be right
first. Under Windows on the same disk let Windows count UTC
(RealTimeIsUniversal).
";

const SINCE_EPOCH: &str = "/sys/class/rtc/rtc0/since_epoch";

/// Files that carry the time over a boot.
const STAND_INS: [&str; 2] = ["/var/lib/systemd/timesync/clock", "/etc/fake-hwclock.data"];

/// Another one, if chronyd is told to begin where it says (`-s`); and how Debian tells it.
const OF_CHRONYD: &str = "/var/lib/chrony/drift";
const OPTIONS_OF_CHRONYD: &str = "/etc/default/chrony";

/// The clocks of hosts, which the kernel asks at boot.
const OF_HOSTS: [&str; 5] =
    ["kvm-clock", "xen", "hyperv_clocksource_tsc_page", "hyperv_clocksource_msr", "vmware"];

/// It counts whole seconds, and being read takes up to one more.
const OFF_MIN: Span = Span::from_secs(2);

/// Local times differ from UTC by quarters of an hour, up to 14 hours.
const QUARTER: i64 = 900;
const ZONE_MAX: Span = Span::from_secs(15 * 3600);

/// Faster against the clock than the kernel could be slewed.
const RATE_MAX: Rate = Rate::from_ppb(500_000);

fn probe(machine: &Machine) -> Result<Vec<Finding>, Hidden> {
    let adjtime = machine.text("/etc/adjtime")?.unwrap_or_default();
    let is_local = adjtime.lines().nth(2).is_some_and(|line| line.trim() == "LOCAL");
    let Some(first) = read(machine)? else { return Ok(vec![without(machine)]) };
    let behind = machine.survey().ok().and_then(Seen::majority_of).map_or(Span::ZERO, |(behind, _)| behind);
    let mut findings = vec![judge(first.0 - first.1, behind, is_local)];
    if machine.is_ours() {
        findings.extend(run(machine)?);
    }
    Ok(findings)
}

/// What it shows, and the clock at that moment, both since 1970.
fn read(machine: &Machine) -> Result<Option<(Span, Span)>, Hidden> {
    let text = machine.text(SINCE_EPOCH)?;
    let shown = text.and_then(|text| text.trim().parse().ok()).map(Span::from_secs);
    Ok(shown.map(|shown| (shown, clock::realtime().since_epoch())))
}

fn without(machine: &Machine) -> Finding {
    let source = machine.text("/sys/devices/system/clocksource/clocksource0/available_clocksource");
    let source = source.ok().flatten().unwrap_or_default();
    if let Some(host) = source.split_whitespace().find(|name| OF_HOSTS.contains(name)) {
        return Finding::fine(format!("no battery clock: at boot the host tells the time ({host})"));
    }
    let options = machine.text(OPTIONS_OF_CHRONYD).ok().flatten().unwrap_or_default();
    let is_told = options.lines().filter(|line| !line.trim_start().starts_with('#')).any(|line| {
        line.split(|c: char| c.is_whitespace() || matches!(c, '=' | '"' | '\'')).any(|word| word == "-s")
    });
    let files = STAND_INS.into_iter().chain(is_told.then_some(OF_CHRONYD));
    match files.into_iter().find(|file| machine.path(file).exists()) {
        Some(file) => Finding::fine(format!("no battery clock: at boot the clock begins where {file} says")),
        None => {
            Finding::risky("no battery clock and nothing that stands in for it: each boot begins in the past")
                .run("sudo apt-get install fake-hwclock")
        }
    }
}

/// So far it is ahead of the clock, and that is behind the true time.
fn judge(ahead_of_clock: Span, behind: Span, is_local: bool) -> Finding {
    let ahead = ahead_of_clock - behind;
    let write = |finding: Finding| {
        let finding = if OFF_MIN < behind.abs() {
            finding.told("set the clock first (see the check `offset`): it is wrong, too")
        } else {
            finding
        };
        finding.run("sudo hwclock --systohc --utc")
    };
    let seconds = ahead.as_seconds().round() as i64;
    let past_quarter = (seconds.rem_euclid(QUARTER)).min(QUARTER - seconds.rem_euclid(QUARTER));
    let is_zone =
        OFF_MIN < ahead.abs() && ahead.abs() <= ZONE_MAX && past_quarter <= 5 && QUARTER / 2 < seconds.abs();
    let finding = if is_local {
        Finding::risky(
            "the battery clock counts local time (/etc/adjtime): ambiguous in autumn, wrong after a journey",
        )
        .run("sudo timedatectl set-local-rtc 0")
    } else if is_zone {
        let finding = Finding::risky(format!(
            "the battery clock is {} off, which is a time zone: it counts local time, and nothing here says so",
            units::offset(Span::from_secs(seconds))
        ));
        write(finding.run("sudo timedatectl set-local-rtc 0"))
    } else if OFF_MIN < ahead.abs() {
        write(Finding::risky(format!(
            "the battery clock is {} off: the next boot begins so wrong",
            units::offset(Span::from_secs(seconds))
        )))
    } else {
        Finding::fine("the battery clock is right to the second")
    };
    finding.number("rtc_ahead_seconds", ahead_of_clock.as_seconds())
}

/// How it runs against the clock: from one of its seconds to another.
fn run(machine: &Machine) -> Result<Option<Finding>, Hidden> {
    let ends = clock::mono() + machine.watched_for;
    let mut edges: Vec<(Span, Span)> = Vec::new();
    let mut before = None;
    while clock::mono() < ends {
        let Some((shown, now)) = read(machine)? else { return Ok(None) };
        if before.is_some_and(|before| before != shown) {
            edges.push((shown, now));
        }
        before = Some(shown);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let (Some(first), Some(last)) = (edges.first(), edges.last()) else { return Ok(None) };
    Ok(runs(last.0 - first.0, last.1 - first.1))
}

/// It showed that so much had passed when the clock showed otherwise.
fn runs(by_rtc: Span, by_clock: Span) -> Option<Finding> {
    let error = Span::from_millis(20);
    let ahead = by_clock - by_rtc;
    if by_rtc < Span::from_secs(1) || ahead.abs() < error + RATE_MAX.over(by_rtc) {
        return None;
    }
    Some(
        Finding::wrong(format!(
            "the clock gains {:+.0} ppm on the battery clock: one of them is broken, or the clock is set over and over",
            ratio(ahead, by_rtc).as_ppm()
        ))
        .number("against_rtc_ppm", ratio(ahead, by_rtc).as_ppm())
        .told("see the checks `rate` and `writers`"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;
    use std::fs;

    fn verdict(ahead: i64, is_local: bool) -> Verdict {
        judge(Span::from_secs(ahead), Span::ZERO, is_local).verdict
    }

    #[test]
    fn a_battery_clock_of_local_time_is_known_by_its_distance() {
        assert_eq!(verdict(0, false), Verdict::Fine);
        assert_eq!(verdict(0, true), Verdict::Risky);
        let words = |ahead| judge(Span::from_secs(ahead), Span::ZERO, false).words;
        assert!(words(7201).contains("time zone"));
        assert!(words(-37).contains("-37.00 s off: the next boot"));
        assert!(words(899).contains("time zone"));
    }

    #[test]
    fn what_is_right_is_not_set_by_a_clock_that_is_wrong() {
        let with_clock = |behind| judge(Span::from_secs(-6), Span::from_secs(behind), false);
        assert_eq!(with_clock(-5).verdict, Verdict::Fine);
        let both = with_clock(30);
        assert!(both.words.contains("-36.00 s off"), "{both:?}");
        assert_eq!(both.remedies.len(), 2, "first the clock: {both:?}");
    }

    #[test]
    fn without_one_a_host_or_a_file_stands_in() {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::at(root.path());
        let verdict = || probe(&machine).unwrap()[0].verdict;
        assert_eq!(verdict(), Verdict::Risky);
        for folder in ["etc/default", "var/lib/chrony"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        fs::write(root.path().join("var/lib/chrony/drift"), "1.0 0.1").unwrap();
        fs::write(root.path().join("etc/default/chrony"), "# -s\nDAEMON_OPTS=\"-F 1\"\n").unwrap();
        assert_eq!(verdict(), Verdict::Risky, "chronyd does not begin there unless it is told to");
        fs::write(root.path().join("etc/default/chrony"), "DAEMON_OPTS=\"-F 1 -s\"\n").unwrap();
        assert_eq!(verdict(), Verdict::Fine);
        fs::remove_file(root.path().join("etc/default/chrony")).unwrap();
        fs::write(root.path().join("etc/fake-hwclock.data"), "").unwrap();
        assert_eq!(verdict(), Verdict::Fine);
    }

    #[test]
    fn a_clock_that_runs_away_from_it_is_told() {
        let seconds = Span::from_secs;
        assert!(runs(seconds(9), seconds(9) + Span::from_millis(15)).is_none());
        let finding = runs(seconds(9), seconds(9) + Span::from_millis(90)).expect("10,000 ppm");
        assert!(finding.words.contains("+10000 ppm"), "{finding:?}");
    }
}

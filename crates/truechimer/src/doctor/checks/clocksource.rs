//! Which counter the kernel tells time by.

use std::io::ErrorKind;

use truechimer_sys::kmsg;
use truechimer_time::Span;

use crate::doctor::{Area, Check, Finding, Hidden, Machine};
use crate::ui::units;

/// See [`PAGE`].
pub const CHECK: Check = Check {
    name: "clocksource",
    area: Area::Clock,
    question: "Does the kernel count time by its best counter?",
    page: PAGE,
    probe,
};

const PAGE: &str = "\
The kernel tells time by one hardware counter, the clocksource. On a PC it
should be `tsc`, in a KVM guest `kvm-clock` or `tsc`, on Hyper-V
`hyperv_clocksource_tsc_page`, on Xen `xen` or `tsc`, on ARM
`arch_sys_counter`.

Where the kernel does not trust that counter (its log then says \"Marking
clocksource 'tsc' as unstable\"), it falls back to `hpet` or `acpi_pm`, which
live outside of the processor: each reading takes about a microsecond instead
of 20 ns, and nothing that was learned of the rate of the other is of use.

risky   The kernel counts by a slow counter, though a better one is there or
        was there; or its log says that it does not trust one any more.
unseen  The kernel's log is for root only (sysctl kernel.dmesg_restrict).
fine    It counts by the best one that it offers.

What to do: look into the kernel's log for the reason. Usually the firmware
has set the counters of the processors apart; an update of it may help. Where
the TSC is known to be good (one socket, constant_tsc and nonstop_tsc among
the flags in /proc/cpuinfo), the kernel's parameter `tsc=reliable` says so.
";

const FOLDER: &str = "/sys/devices/system/clocksource/clocksource0";

/// Counters outside of the processor.
const SLOW: [&str; 4] = ["hpet", "acpi_pm", "jiffies", "refined-jiffies"];

fn probe(machine: &Machine) -> Result<Vec<Finding>, Hidden> {
    let read = |name| machine.text(&format!("{FOLDER}/{name}"));
    let (Some(current), Some(available)) = (read("current_clocksource")?, read("available_clocksource")?)
    else {
        return Err(Hidden::Because(format!("the kernel does not tell its clocksource ({FOLDER})")));
    };
    let mut findings = vec![judge(current.trim(), &available)];
    let device = machine.path(kmsg::DEVICE);
    match kmsg::records(&device) {
        Ok(records) => findings.extend(unstable(&String::from_utf8_lossy(&records))),
        // There is none in a container.
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => findings.push(Finding::unseen(&Hidden::of(device, &error))),
    }
    Ok(findings)
}

/// What the kernel said of a counter that it does not trust any more, the last time.
fn unstable(log: &str) -> Option<Finding> {
    let mut messages = log.lines().filter_map(|record| record.split_once(';'));
    let (about, words) = messages
        .rfind(|(_, words)| words.contains("clocksource") && words.to_lowercase().contains("unstable"))?;
    let since_boot = about.split(',').nth(2).and_then(|micros| micros.parse().ok()).map(Span::from_micros);
    let when =
        since_boot.map_or_else(String::new, |since| format!(" {} after it was started", units::span(since)));
    Some(
        Finding::risky(format!("the kernel has said{when}: {}", words.trim()))
            .told("what was learned of that counter's rate is of no use any more; look for the reason in the firmware, or in a host that moved this guest")
            .run("sudo dmesg | grep -i -e tsc -e clocksource"),
    )
}

fn judge(current: &str, available: &str) -> Finding {
    let better = available.split_whitespace().find(|name| !SLOW.contains(name));
    if !SLOW.contains(&current) {
        return Finding::fine(format!("the kernel counts by {current}"));
    }
    match better {
        Some(better) => Finding::risky(format!("the kernel counts by {current}, though {better} is there"))
            .run(format!("echo {better} | sudo tee {FOLDER}/current_clocksource")),
        None => Finding::risky(format!(
            "the kernel counts by {current}, which is slow to read: it trusts no other counter"
        ))
        .run("sudo dmesg | grep -i -e tsc -e clocksource"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn a_counter_that_the_kernel_has_given_up_is_a_risk() {
        let log = "6,90,1000,-;clocksource: tsc: mask: 0xffffffffffffffff max_cycles: 0x2b3e459bf4c\n\
                   4,812,73000000,-;clocksource: timekeeping watchdog on CPU1: Marking clocksource 'tsc' as unstable because the skew is too large:\n \
                   SUBSYSTEM=cpu\n6,813,73000100,-;clocksource: Switched to clocksource hpet\n";
        let found = unstable(log).expect("it says so");
        assert_eq!(found.verdict, Verdict::Risky);
        assert!(
            found.words.contains("73.00 s after") && found.words.contains("'tsc' as unstable"),
            "{found:?}"
        );
        assert_eq!(unstable("6,90,1000,-;clocksource: Switched to clocksource tsc\n"), None);
        let root = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n"),
            ("sys/devices/system/clocksource/clocksource0/available_clocksource", "hpet acpi_pm \n"),
            ("dev/kmsg", log),
        ] {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        assert_eq!(probe(&Machine::at(root.path())).unwrap().len(), 2);
    }

    #[test]
    fn a_counter_outside_of_the_processor_is_a_risk() {
        assert_eq!(judge("tsc", "tsc hpet acpi_pm \n").verdict, Verdict::Fine);
        let slow = judge("hpet", "hpet acpi_pm \n");
        assert_eq!(slow.verdict, Verdict::Risky);
        let unused = judge("acpi_pm", "kvm-clock acpi_pm \n");
        assert!(unused.words.contains("kvm-clock is there"), "{unused:?}");
    }
}

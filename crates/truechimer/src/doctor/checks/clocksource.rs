//! Which counter the kernel tells time by.

use crate::doctor::{Area, Check, Finding, Hidden, Machine};

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
        was there.
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
    Ok(vec![judge(current.trim(), &available)])
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
    fn a_counter_outside_of_the_processor_is_a_risk() {
        assert_eq!(judge("tsc", "tsc hpet acpi_pm \n").verdict, Verdict::Fine);
        let slow = judge("hpet", "hpet acpi_pm \n");
        assert_eq!(slow.verdict, Verdict::Risky);
        let unused = judge("acpi_pm", "kvm-clock acpi_pm \n");
        assert!(unused.words.contains("kvm-clock is there"), "{unused:?}");
    }
}

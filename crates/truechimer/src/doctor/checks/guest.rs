//! Whether this is a virtual machine, and what of the host's time it could have.

use crate::doctor::{Area, Check, Finding, Hidden, Machine};

/// See [`PAGE`].
pub const CHECK: Check = Check {
    name: "guest",
    area: Area::Clock,
    question: "Is this a virtual machine, and does it use what its host offers?",
    page: PAGE,
    probe,
};

const PAGE: &str = "\
A guest's counter stops when the host pauses it, and jumps when it is moved to
another host. Hosts offer help: a paravirtual clocksource, a clock that can be
read like a PTP card (/dev/ptp0 of ptp_kvm or hyperv), and VMClock
(/dev/vmclock0), which says that the guest was moved.

Read are /proc/cpuinfo (the flag `hypervisor`), /sys/class/dmi/id,
/sys/hypervisor, the device tree, and the names of PTP clocks.

fine    No guest, or one whose counter is good. A clock of the host that could
        be used and is not is told as advice.

What to do: load the module (`modprobe ptp_kvm`) and name the device as a
source: `refclock PHC /dev/ptp0 poll 2` for chronyd, `kind = \"phc\"` for
truechimer. It is one source among others: the host's clock may be wrong too.
";

/// A kind of host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Host {
    Kvm,
    HyperV,
    Xen,
    Vmware,
    VirtualBox,
    Another,
}

impl Host {
    fn name(self) -> &'static str {
        match self {
            Self::Kvm => "KVM",
            Self::HyperV => "Hyper-V",
            Self::Xen => "Xen",
            Self::Vmware => "VMware",
            Self::VirtualBox => "VirtualBox",
            Self::Another => "a host that does not say what it is",
        }
    }

    /// The name of the clock that it offers (`clock_name` of its PTP device), and the module that brings it.
    fn ptp(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Kvm => Some(("KVM virtual PTP", "ptp_kvm")),
            Self::HyperV => Some(("hyperv", "hv_utils")),
            Self::Vmware => Some(("ptp_vmw", "ptp_vmw")),
            Self::Xen | Self::VirtualBox | Self::Another => None,
        }
    }
}

/// What is known of the machine.
struct Facts {
    vendor: String,
    product: String,
    is_flagged: bool,
    of_xen: String,
    clocksources: String,
    clocks: Vec<String>,
    has_vmclock: bool,
}

fn probe(machine: &Machine) -> Result<Vec<Finding>, Hidden> {
    let text = |path: &str| machine.text(path).ok().flatten().unwrap_or_default();
    let cpu = text("/proc/cpuinfo");
    let clocks = machine.names("/sys/class/ptp")?;
    let facts = Facts {
        vendor: text("/sys/class/dmi/id/sys_vendor"),
        product: text("/sys/class/dmi/id/product_name") + &text("/proc/device-tree/hypervisor/compatible"),
        is_flagged: cpu.lines().any(|line| line.split_whitespace().any(|word| word == "hypervisor")),
        of_xen: text("/sys/hypervisor/type"),
        clocksources: text("/sys/devices/system/clocksource/clocksource0/available_clocksource"),
        clocks: clocks.iter().map(|name| text(&format!("/sys/class/ptp/{name}/clock_name"))).collect(),
        has_vmclock: machine.path("/dev/vmclock0").exists(),
    };
    Ok(vec![judge(&facts)])
}

fn host(facts: &Facts) -> Option<Host> {
    let Facts { vendor, product, is_flagged, of_xen, clocksources, .. } = facts;
    let says = |word: &str| vendor.contains(word) || product.contains(word);
    if of_xen.trim() == "xen" {
        Some(Host::Xen)
    } else if says("Microsoft") && says("Virtual Machine") || clocksources.contains("hyperv") {
        Some(Host::HyperV)
    } else if says("VMware") {
        Some(Host::Vmware)
    } else if says("innotek") || says("VirtualBox") {
        Some(Host::VirtualBox)
    } else if says("QEMU")
        || says("KVM")
        || says("Google")
        || says("Amazon EC2")
        || clocksources.contains("kvm-clock")
    {
        is_flagged.then_some(Host::Kvm).or(says("QEMU").then_some(Host::Kvm))
    } else {
        is_flagged.then_some(Host::Another)
    }
}

fn judge(facts: &Facts) -> Finding {
    let Some(host) = host(facts) else {
        return Finding::fine("this is no virtual machine, as far as it tells");
    };
    let name = host.name();
    let moved = if facts.has_vmclock { ", which says when it is moved (VMClock)" } else { "" };
    let Some((clock, module)) = host.ptp() else {
        return Finding::fine(format!("a guest of {name}{moved}"));
    };
    if facts.clocks.iter().any(|known| known.trim() == clock) {
        return Finding::fine(format!(
            "a guest of {name}{moved}, whose clock can be read (PTP clock `{clock}`)"
        ));
    }
    Finding::fine(format!("a guest of {name}{moved}; the host's clock is not offered as a PTP clock"))
        .run(format!("sudo modprobe {module} && cat /sys/class/ptp/*/clock_name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(vendor: &str, clocksources: &str, is_flagged: bool) -> Facts {
        Facts {
            vendor: vendor.to_owned(),
            product: String::new(),
            is_flagged,
            of_xen: String::new(),
            clocksources: clocksources.to_owned(),
            clocks: Vec::new(),
            has_vmclock: false,
        }
    }

    #[test]
    fn hosts_are_told_by_what_they_say_of_themselves() {
        assert_eq!(host(&facts("LENOVO", "tsc hpet acpi_pm", false)), None);
        assert_eq!(host(&facts("QEMU", "tsc kvm-clock", true)), Some(Host::Kvm));
        assert_eq!(host(&facts("", "tsc kvm-clock", true)), Some(Host::Kvm), "Firecracker has no DMI");
        assert_eq!(host(&facts("VMware, Inc.", "tsc", true)), Some(Host::Vmware));
        assert_eq!(host(&facts("", "hyperv_clocksource_tsc_page", true)), Some(Host::HyperV));
        assert_eq!(host(&facts("", "tsc", true)), Some(Host::Another));
    }

    #[test]
    fn a_clock_of_the_host_that_is_not_used_is_told_as_advice() {
        let mut guest = facts("QEMU", "tsc kvm-clock", true);
        assert!(!judge(&guest).remedies.is_empty());
        guest.clocks = vec!["KVM virtual PTP\n".to_owned()];
        assert!(judge(&guest).remedies.is_empty());
    }
}

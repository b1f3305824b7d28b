//! What this machine is called, what its clock is made of, and how much memory we take.
//!
//! All of it may be missing: `None` then, and nothing depends on it but the belief in what was saved elsewhere.

use std::fs::File;

use crate::fd::check_len;
use crate::file::read_at_most;

/// No such file is longer.
const TEXT_MAX: usize = 256;

/// The name of this installation (machine-id(5)): 32 hexadecimal digits that should not leave the machine as such.
pub fn machine_id() -> Option<String> {
    text("/etc/machine-id")
}

/// The name of this boot, new each time the kernel starts.
pub fn boot_id() -> Option<String> {
    text("/proc/sys/kernel/random/boot_id")
}

/// What this machine calls itself: `uname -n`.
pub fn host_name() -> Option<String> {
    text("/proc/sys/kernel/hostname")
}

/// The hardware counter that the kernel tells time by, such as `tsc`, `hpet` or `kvm-clock`.
pub fn clocksource() -> Option<String> {
    text("/sys/devices/system/clocksource/clocksource0/current_clocksource")
}

/// What the battery clock (RTC) shows, in seconds since 1970-01-01 00:00:00 of whatever it counts; `None` if there is
/// none. To read it takes up to a millisecond (`Documentation/ABI/testing/sysfs-class-rtc`, `since_epoch`).
pub fn battery_clock() -> Option<i64> {
    text("/sys/class/rtc/rtc0/since_epoch")?.parse().ok()
}

/// Bytes in a page of memory.
pub fn page_size() -> usize {
    // SAFETY: sysconf takes and returns numbers.
    check_len(unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as isize).unwrap_or(4096)
}

/// KiB of physical memory that this process takes (proc(5), statm).
pub fn rss_kib() -> Option<u64> {
    let statm = text("/proc/self/statm")?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * (page_size() as u64 / 1024))
}

/// The trimmed text in a file, unless it is empty, too long or no text.
fn text(path: &str) -> Option<String> {
    let bytes = read_at_most(File::open(path).ok()?, TEXT_MAX).ok()?;
    let text = String::from_utf8(bytes).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn this_boot_has_a_name() {
        assert_eq!(boot_id().unwrap().len(), 36);
        assert_eq!(boot_id(), boot_id());
    }

    #[test]
    fn this_machine_has_a_name() {
        let uname = std::process::Command::new("uname").arg("-n").output().unwrap();
        assert_eq!(host_name().unwrap(), String::from_utf8(uname.stdout).unwrap().trim());
    }

    #[test]
    fn memory_is_counted() {
        assert!(page_size().is_power_of_two());
        assert!((100..100_000_000).contains(&rss_kib().unwrap()));
    }

    #[test]
    fn names_are_trimmed_and_nonsense_is_nothing() {
        let scratch = Scratch::new();
        let path = scratch.file("name");
        let read = |content: &[u8]| {
            std::fs::write(&path, content).unwrap();
            text(path.to_str().unwrap())
        };
        assert_eq!(read(b" tsc\n"), Some("tsc".to_owned()));
        assert_eq!(read(b"\n"), None);
        assert_eq!(read(b"\xff\xfe"), None);
        assert_eq!(read(&[b'x'; TEXT_MAX + 1]), None);
        assert_eq!(text("/no/such/file"), None);
    }
}

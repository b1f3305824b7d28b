//! Capabilities: the pieces of root's power (capabilities(7)).
//!
//! They belong to a thread: what is given up here is given up by the calling thread and by those that it starts
//! later, so this is done before there are others. Left out where a harness stands in for libc.

use std::io;

use libc::{c_int, c_ulong};

use crate::fd::check;

/// A piece of root's power that a daemon of ours can need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// CAP_NET_BIND_SERVICE: bind ports below 1024.
    BindService,
    /// CAP_IPC_LOCK: keep memory from being swapped out.
    LockMemory,
    /// CAP_SYS_NICE: ask for real-time scheduling.
    Nice,
    /// CAP_SYS_TIME: set and steer the kernel's clock.
    SetTime,
}

impl Capability {
    /// Its number in linux/capability.h.
    const fn number(self) -> u32 {
        match self {
            Self::BindService => 10,
            Self::LockMemory => 14,
            Self::Nice => 23,
            Self::SetTime => 25,
        }
    }

    const fn bit(self) -> u64 {
        1 << self.number()
    }
}

/// May this thread set the kernel's clock? In a container the kernel may refuse nevertheless.
pub fn has_cap_sys_time() -> io::Result<bool> {
    Ok(read()?.effective & Capability::SetTime.bit() != 0)
}

/// Gives up all capabilities, for good: also those that a program started later could gain.
pub fn drop_all_capabilities() -> io::Result<()> {
    drop_capabilities_but(&[])
}

/// Gives up all capabilities but these, for good. Those have to be permitted to this thread now.
pub fn drop_capabilities_but(keep: &[Capability]) -> io::Result<()> {
    drop_bounding_set()?;
    keep_only(keep)?;
    never_gain_privileges()
}

/// Gives up all capabilities but these, which have to be permitted.
pub(crate) fn keep_only(keep: &[Capability]) -> io::Result<()> {
    let kept = keep.iter().fold(0, |bits, capability| bits | capability.bit());
    let wanted = Sets { effective: kept, permitted: kept, inheritable: 0 };
    if read()? == wanted {
        // Filters of system calls that supervisors set up often forbid `capset`, and here nothing needs it.
        return Ok(());
    }
    write(wanted)?;
    match read()? == wanted {
        true => Ok(()),
        false => Err(io::Error::other("the kernel did not take the capabilities as told")),
    }
}

/// No program that is started later gains anything from set-user-ID bits or file capabilities.
pub(crate) fn never_gain_privileges() -> io::Result<()> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1).map(drop)
}

/// Whether capabilities that are permitted stay so when the user changes.
pub(crate) fn keep_when_user_changes(keep: bool) -> io::Result<()> {
    prctl(libc::PR_SET_KEEPCAPS, c_ulong::from(keep)).map(drop)
}

/// Empties the bounding set, as far as this thread may. One that may not needs it not: it can gain nothing.
fn drop_bounding_set() -> io::Result<()> {
    for number in 0..64 {
        match prctl(libc::PR_CAPBSET_DROP, number) {
            Ok(_) => {}
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => break,
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn prctl(option: c_int, argument: c_ulong) -> io::Result<c_int> {
    let unused: c_ulong = 0;
    // SAFETY: these options take numbers and touch no memory of ours.
    check(unsafe { libc::prctl(option, argument, unused, unused, unused) })
}

/// The three sets of a thread, one bit for each capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sets {
    effective: u64,
    permitted: u64,
    inheritable: u64,
}

/// `struct __user_cap_header_struct` of linux/capability.h. Process 0 is the calling thread.
#[repr(C)]
struct Header {
    version: u32,
    pid: c_int,
}

/// `struct __user_cap_data_struct`: 32 of the bits.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// `_LINUX_CAPABILITY_VERSION_3`: 64 bits in two halves, the lower first.
const VERSION_3: u32 = 0x2008_0522;

// glibc and musl both export these, and the crate `libc` declares neither.
unsafe extern "C" {
    fn capget(header: *mut Header, data: *mut Half) -> c_int;
    fn capset(header: *mut Header, data: *const Half) -> c_int;
}

fn read() -> io::Result<Sets> {
    let mut header = Header { version: VERSION_3, pid: 0 };
    let mut halves = [Half::default(); 2];
    // SAFETY: for version 3 the kernel reads one header and writes two halves.
    check(unsafe { capget(&raw mut header, halves.as_mut_ptr()) })?;
    let join = |half: fn(&Half) -> u32| u64::from(half(&halves[0])) | u64::from(half(&halves[1])) << 32;
    Ok(Sets {
        effective: join(|half| half.effective),
        permitted: join(|half| half.permitted),
        inheritable: join(|half| half.inheritable),
    })
}

fn write(sets: Sets) -> io::Result<()> {
    let mut header = Header { version: VERSION_3, pid: 0 };
    let half = |shift: u32| Half {
        effective: (sets.effective >> shift) as u32,
        permitted: (sets.permitted >> shift) as u32,
        inheritable: (sets.inheritable >> shift) as u32,
    };
    let halves = [half(0), half(32)];
    // SAFETY: for version 3 the kernel reads one header and two halves.
    check(unsafe { capset(&raw mut header, halves.as_ptr()) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line of /proc/thread-self/status, such as `CapEff: 000001fffeffffff`.
    fn told_by_proc(name: &str) -> u64 {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        u64::from_str_radix(line.trim_start_matches(':').trim(), 16).unwrap()
    }

    #[test]
    fn the_sets_are_those_that_proc_shows() {
        let sets = read().unwrap();
        assert_eq!(sets.effective, told_by_proc("CapEff"));
        assert_eq!(sets.permitted, told_by_proc("CapPrm"));
        assert_eq!(sets.inheritable, told_by_proc("CapInh"));
        assert_eq!(has_cap_sys_time().unwrap(), sets.effective >> 25 & 1 == 1);
    }

    /// On a thread of its own, since they are its own.
    #[test]
    fn what_is_given_up_is_gone() {
        let given_up = || {
            drop_all_capabilities().unwrap();
            assert_eq!(read().unwrap(), Sets { effective: 0, permitted: 0, inheritable: 0 });
            assert_eq!(told_by_proc("CapEff"), 0);
            assert_eq!(told_by_proc("NoNewPrivs"), 1);
            assert!(!has_cap_sys_time().unwrap());
        };
        std::thread::spawn(given_up).join().unwrap();
    }

    #[test]
    fn what_is_not_permitted_cannot_be_kept() {
        let without = || {
            keep_only(&[]).unwrap();
            keep_only(&[Capability::SetTime]).unwrap_err().raw_os_error()
        };
        assert_eq!(std::thread::spawn(without).join().unwrap(), Some(libc::EPERM));
    }
}

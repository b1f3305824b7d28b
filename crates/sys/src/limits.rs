//! How much of the kernel's resources this process may have.

use std::io;

use crate::fd::check;

/// Allows this process to have so many descriptors open, as far as it may allow that to itself, and says how many it may have
/// now. Never fewer than before.
pub fn allow_descriptors(wanted: u64) -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes one rlimit to the address of ours.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    let raised = (wanted as libc::rlim_t).min(limit.rlim_max);
    if limit.rlim_cur < raised {
        limit.rlim_cur = raised;
        // SAFETY: the kernel reads one rlimit from the address of ours.
        check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })?;
    }
    Ok(limit.rlim_cur as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_raised_as_far_as_that_goes_and_never_lowered() {
        let before = allow_descriptors(0).unwrap();
        let raised = allow_descriptors(before + 1).unwrap();
        assert!(raised == before || raised == before + 1, "{before} {raised}");
        assert_eq!(allow_descriptors(1).unwrap(), raised);
    }
}

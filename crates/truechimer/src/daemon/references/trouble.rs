//! Why a reference clock cannot be read, in words: which, why, and what to do about it.

use std::io;

use super::What;

/// Why a reference clock cannot be opened or read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// What the system says, by its error number.
    System(i32),
    /// A simulator of clock and network does not carry it.
    Simulated,
    /// Shared memory that this user may write to, who is neither root nor ourselves, or that everybody may.
    OthersMayWrite { uid: u32, mode: u32 },
    /// Where the socket should be there is something else.
    NoSocket,
    /// Somebody else listens at the socket.
    InUse,
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::System(error.raw_os_error().unwrap_or(0))
    }
}

/// The numbers of errors that have a remedy (errno-base.h; they are the same on all architectures).
const EPERM: i32 = 1;
const ENOENT: i32 = 2;
const ENXIO: i32 = 6;
const EACCES: i32 = 13;
const ENODEV: i32 = 19;
const EINVAL: i32 = 22;
const ENOTTY: i32 = 25;
const EOPNOTSUPP: i32 = 95;

impl Trouble {
    /// A sentence for people.
    pub(super) fn words(&self, what: &What) -> String {
        match self {
            Self::System(errno) => {
                let reason = io::Error::from_raw_os_error(*errno);
                format!("cannot read {what}: {reason}: {}; it is tried again", remedy(*errno, what))
            }
            Self::Simulated => format!("cannot read {what}: a simulator carries device files only"),
            Self::OthersMayWrite { uid, mode } => format!(
                "{what} is not used: it belongs to user {uid} with mode {mode:04o}, so that others than root could set our \
                 time; stop what made it, remove it (`ipcrm`), or use a unit from 2 on if that is meant"
            ),
            Self::NoSocket => {
                format!("{what} is not made: something that is no socket is there; name another path")
            }
            Self::InUse => format!("{what} is not made: another program listens there; name another path"),
        }
    }
}

fn remedy(errno: i32, what: &What) -> &'static str {
    match (errno, what) {
        (ENOENT, What::Phc(_) | What::Pps(..)) => "load its driver, plug it in, or correct `address`",
        (ENOENT, What::Sock(_)) => "make the folder for it",
        (EACCES, What::Phc(_) | What::Pps(..)) => {
            "let the daemon's account read it, by a udev rule that gives it the group (see the manual, reference clocks)"
        }
        (EACCES, What::Sock(_)) => {
            "name a path in the daemon's run_dir, or let its account write to that folder"
        }
        (EACCES, What::Shm { .. }) => {
            "it was made for somebody else; remove it (`ipcrm`) and start the daemon first"
        }
        (EPERM, What::Pps(..)) => {
            "this edge is not stamped, and only root can turn that on: start the daemon as root"
        }
        (EINVAL, What::Shm { .. }) => "a segment of another size has this key; remove it (`ipcrm`)",
        (ENOTTY | EOPNOTSUPP, What::Phc(_)) => "it is no PTP clock, or one that cannot be read",
        (ENOTTY, What::Pps(..)) => "it is no source of pulses",
        (EOPNOTSUPP, What::Pps(..)) => "its driver does not stamp this edge; try the other",
        (ENODEV | ENXIO, What::Phc(_) | What::Pps(..)) => "it was unplugged, or its driver unloaded",
        (_, What::Phc(_) | What::Pps(..) | What::Shm { .. } | What::Sock(_)) => "see to what the system says",
    }
}

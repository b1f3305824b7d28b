//! Being told at once when the host says that this guest goes on from an image of itself, or is a copy (VMGenID, the "virtual
//! machine generation id"). The kernel keeps the number to itself, but tells that there is another one: a uevent of its driver
//! `vmgenid` with `NEW_VMGENID=1` (Linux, `drivers/virt/vmgenid.c`; in 6.10 and later, before that nobody is told).
//!
//! A uevent is an address, then words; each ends with a zero byte:
//!
//! ```text
//!   change@/devices/platform/QEMUVGID:00 0 ACTION=change 0 DEVPATH=.. 0 SUBSYSTEM=platform 0 NEW_VMGENID=1 0 .. SEQNUM=1234 0
//! ```

use std::fs;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;

use libc::socklen_t;

use crate::fd::{check, set_cloexec, set_nonblocking};

/// The folders of the driver: since Linux 6.10, and before that.
const DRIVERS: [&str; 2] = ["/sys/bus/platform/drivers/vmgenid", "/sys/bus/acpi/drivers/vmgenid"];

/// The kernel's own messages; what udev makes of them has another group (kobject_uevent.c).
const KERNEL_GROUP: u32 = 1;

/// A uevent is no longer: UEVENT_BUFFER_SIZE, and the address.
const BYTES: usize = 4096;

/// Room for so many bytes of messages, or as many as the kernel lets us have: `udevadm trigger` makes one for each device at once.
const ROOM: libc::c_int = 1 << 20;

/// So many messages are looked at in one go; what is left after that makes it ready again.
const MESSAGES_MAX: usize = 256;

/// Readable when the kernel has told something of any device.
#[derive(Debug)]
pub struct Generations {
    socket: OwnedFd,
}

/// What came.
enum Message {
    Another,
    NewGeneration,
    None,
}

impl Generations {
    /// Watches from now on; `None` if the host of this machine, if it has one, does not offer such a number.
    ///
    /// # Errors
    /// Those of the system: `EAFNOSUPPORT` where a sandbox does not allow it.
    pub fn watch() -> io::Result<Option<Self>> {
        match DRIVERS.iter().any(|folder| has_device(Path::new(folder))) {
            true => Self::listen().map(Some),
            false => Ok(None),
        }
    }

    fn listen() -> io::Result<Self> {
        // SAFETY: socket takes numbers.
        let fd =
            check(unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_KOBJECT_UEVENT) })?;
        // SAFETY: the kernel has just opened it, and nobody else knows it.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        set_cloexec(socket.as_fd())?;
        set_nonblocking(socket.as_fd())?;
        let wanted = ROOM;
        let len = size_of::<libc::c_int>() as socklen_t;
        let fd = socket.as_raw_fd();
        // SAFETY: the kernel reads one number of ours.
        check(unsafe {
            libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_RCVBUF, (&raw const wanted).cast(), len)
        })?;
        let mut address = nobody();
        address.nl_groups = KERNEL_GROUP;
        let len = size_of::<libc::sockaddr_nl>() as socklen_t;
        // SAFETY: the kernel reads one struct sockaddr_nl of ours.
        check(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), len) })?;
        Ok(Self { socket })
    }

    /// Is this another generation than when this was last asked? If there was more than the kernel could remember it may be: then
    /// it is.
    pub fn drain(&self) -> bool {
        let mut is_new = false;
        for _ in 0..MESSAGES_MAX {
            match self.message() {
                Message::None => break,
                Message::Another => {}
                Message::NewGeneration => is_new = true,
            }
        }
        is_new
    }

    fn message(&self) -> Message {
        let mut bytes = [0u8; BYTES];
        let mut from = nobody();
        let mut len = size_of::<libc::sockaddr_nl>() as socklen_t;
        // SAFETY: the kernel writes at most as many bytes as the array has, and one struct sockaddr_nl.
        let got = unsafe {
            libc::recvfrom(
                self.socket.as_raw_fd(),
                bytes.as_mut_ptr().cast(),
                bytes.len(),
                libc::MSG_DONTWAIT,
                (&raw mut from).cast(),
                &raw mut len,
            )
        };
        match usize::try_from(got) {
            // Whoever is root can send to this group too, and is not the kernel, which has no number.
            Ok(got) if from.nl_pid == 0 && tells_of_new_generation(&bytes[..got.min(BYTES)]) => {
                Message::NewGeneration
            }
            Ok(_) => Message::Another,
            Err(_) if io::Error::last_os_error().raw_os_error() == Some(libc::ENOBUFS) => {
                Message::NewGeneration
            }
            Err(_) => Message::None,
        }
    }
}

impl AsFd for Generations {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// An address of this family without a number and a group.
fn nobody() -> libc::sockaddr_nl {
    // SAFETY: all bits zero are plain numbers.
    let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
    address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
    address
}

/// A driver has a link to each of its devices, and one to its own module.
fn has_device(driver: &Path) -> bool {
    let entries = fs::read_dir(driver).into_iter().flatten().flatten();
    entries
        .into_iter()
        .any(|entry| entry.file_name() != "module" && entry.file_type().is_ok_and(|kind| kind.is_symlink()))
}

/// Is it a change with this word? What root writes to a device's file `uevent` has another prefix (`SYNTH_ARG_`).
fn tells_of_new_generation(message: &[u8]) -> bool {
    let mut words = message.split(|&byte| byte == 0);
    let is_change = words.next().is_some_and(|address| address.starts_with(b"change@"));
    is_change && words.any(|word| word == b"NEW_VMGENID=1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_new_generation_is_told_from_other_messages() {
        let told: &[u8] =
            b"change@/devices/platform/QEMUVGID:00\0ACTION=change\0DEVPATH=/devices/platform/QEMUVGID:00\0\
            SUBSYSTEM=platform\0NEW_VMGENID=1\0DRIVER=vmgenid\0SEQNUM=1234\0";
        assert!(tells_of_new_generation(told));
        let others: [&[u8]; 7] = [
            b"",
            b"\0",
            b"change@/devices/x\0ACTION=change\0SYNTH_ARG_NEW_VMGENID=1\0",
            b"change@/devices/x\0ACTION=change\0NEW_VMGENID=0\0",
            b"add@/devices/NEW_VMGENID=1\0ACTION=add\0NEW_VMGENID=1\0",
            b"libudev\0\xfe\xed\xca\xfeNEW_VMGENID=1\0",
            b"change@/devices/NEW_VMGENID=1",
        ];
        for other in others {
            assert!(!tells_of_new_generation(other), "{}", String::from_utf8_lossy(other));
        }
    }

    #[test]
    fn a_driver_without_a_device_offers_nothing() {
        let scratch = Scratch::new();
        let folder = scratch.file("vmgenid");
        assert!(!has_device(&folder));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("bind"), "").unwrap();
        std::os::unix::fs::symlink("/", folder.join("module")).unwrap();
        assert!(!has_device(&folder));
        std::os::unix::fs::symlink("/", folder.join("QEMUVGID:00")).unwrap();
        assert!(has_device(&folder));
    }

    /// That it is told of a new generation is shown by a kernel: `tests/guest/scenarios/generation`.
    #[test]
    fn the_kernel_can_be_listened_to_without_privileges() {
        let generations = Generations::listen().expect("netlink is there");
        generations.drain();
        assert!(!generations.drain());
    }
}

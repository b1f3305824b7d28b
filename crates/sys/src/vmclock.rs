//! VMClock: a page by which a host tells its guest whether the counter can still be relied upon
//! (`include/uapi/linux/vmclock-abi.h`; Linux 6.13 and later, `/dev/vmclock0`). Here only what tells of a disruption is read.
//!
//! ```text
//!   0   4     8       10         11        12    16               24           104
//!   magic size version counter_id time_type seq_count disruption_marker flags .. vm_generation_counter
//! ```
//!
//! All numbers are little-endian. The host makes `seq_count` odd while it writes.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use libc::c_void;

/// "VCLK", the first letter lowest.
const MAGIC: u32 = 0x4b4c_4356;
const VERSION: u16 = 1;
/// So much of the page is looked at.
const BYTES: usize = 112;
/// The flag that says that there is a generation counter.
const HAS_GENERATION: u64 = 1 << 8;
/// A host that has not finished writing after so many looks was stopped in the midst of it.
const ATTEMPTS_MAX: usize = 1000;

/// Where a host offers its page.
pub const PATH: &str = "/dev/vmclock0";

/// The page of the host.
#[derive(Debug)]
pub struct VmClock {
    start: NonNull<c_void>,
}

// SAFETY: the memory belongs to no thread, and is only read, by atomic operations.
unsafe impl Send for VmClock {}
// SAFETY: as above; all reads are of atomics.
unsafe impl Sync for VmClock {}

/// What changes when a guest is not where it was. Only to be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incarnation {
    /// Another number after each disruption of the counter: a live migration, a resume from an image.
    pub marker: u64,
    /// Another number each time that the guest goes on from an image, so that there may be two of it; if the host tells.
    pub generation: Option<u64>,
}

impl VmClock {
    /// Opens the page at a path; `None` if there is none, because the host does not offer it or the kernel is older.
    ///
    /// # Errors
    /// Those of the system; `InvalidData` if it is something else.
    pub fn open(path: &Path) -> io::Result<Option<Self>> {
        let file = match OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let about = file.metadata()?;
        if about.is_file() && about.len() < BYTES as u64 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "too short for a VMClock"));
        }
        // SAFETY: the kernel chooses where it is put, and it is only read.
        let start = unsafe {
            libc::mmap(ptr::null_mut(), BYTES, libc::PROT_READ, libc::MAP_SHARED, file.as_raw_fd(), 0)
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let clock = Self { start: NonNull::new(start).ok_or_else(io::Error::last_os_error)? };
        match clock.is_one() {
            true => Ok(Some(clock)),
            false => Err(io::Error::new(io::ErrorKind::InvalidData, "no VMClock of version 1")),
        }
    }

    fn is_one(&self) -> bool {
        let version = u32::from_le(self.word32(8).load(Ordering::Relaxed)) as u16;
        u32::from_le(self.word32(0).load(Ordering::Relaxed)) == MAGIC
            && u32::from_le(self.word32(4).load(Ordering::Relaxed)) as usize >= BYTES - 8
            && version == VERSION
    }

    /// Which incarnation this is; `None` if the host does not get done with writing.
    pub fn incarnation(&self) -> Option<Incarnation> {
        (0..ATTEMPTS_MAX).find_map(|_| self.attempt())
    }

    fn attempt(&self) -> Option<Incarnation> {
        let before = u32::from_le(self.word32(12).load(Ordering::Acquire));
        let word = |offset| u64::from_le(self.word64(offset).load(Ordering::Relaxed));
        let (marker, flags) = (word(16), word(24));
        let size = u32::from_le(self.word32(4).load(Ordering::Relaxed)) as usize;
        let tells = flags & HAS_GENERATION != 0 && size >= BYTES;
        let generation = tells.then(|| word(104));
        fence(Ordering::Acquire);
        let after = u32::from_le(self.word32(12).load(Ordering::Relaxed));
        (before == after && before.is_multiple_of(2)).then_some(Incarnation { marker, generation })
    }

    fn word32(&self, offset: usize) -> &AtomicU32 {
        assert!(offset + 4 <= BYTES, "outside of the page");
        // SAFETY: the mapping has BYTES bytes, begins at a page and lives as long as self; offsets are multiples of four.
        unsafe { self.start.byte_add(offset).cast().as_ref() }
    }

    fn word64(&self, offset: usize) -> &AtomicU64 {
        assert!(offset + 8 <= BYTES, "outside of the page");
        // SAFETY: as above; offsets are multiples of eight.
        unsafe { self.start.byte_add(offset).cast().as_ref() }
    }
}

impl Drop for VmClock {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length, and no reference to it outlives self.
        unsafe { libc::munmap(self.start.as_ptr(), BYTES) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use std::fs;
    use std::os::unix::fs::FileExt;
    use std::path::PathBuf;

    fn page(marker: u64, generation: Option<u64>) -> Vec<u8> {
        let mut page = vec![0; 4096];
        page[..4].copy_from_slice(&MAGIC.to_le_bytes());
        page[4..8].copy_from_slice(&4096u32.to_le_bytes());
        page[8..10].copy_from_slice(&VERSION.to_le_bytes());
        page[12..16].copy_from_slice(&6u32.to_le_bytes());
        page[16..24].copy_from_slice(&marker.to_le_bytes());
        page[24..32].copy_from_slice(&generation.map_or(0, |_| HAS_GENERATION).to_le_bytes());
        page[104..112].copy_from_slice(&generation.unwrap_or(9).to_le_bytes());
        page
    }

    fn file(scratch: &Scratch, bytes: &[u8]) -> PathBuf {
        let path = scratch.file("vmclock0");
        fs::write(&path, bytes).unwrap();
        path
    }

    #[test]
    fn bad_input_113_a_migration_is_seen_at_the_next_look() {
        let scratch = Scratch::new();
        let path = file(&scratch, &page(41, None));
        let clock = VmClock::open(&path).unwrap().unwrap();
        assert_eq!(clock.incarnation(), Some(Incarnation { marker: 41, generation: None }));
        let host = OpenOptions::new().write(true).open(&path).unwrap();
        host.write_all_at(&42u64.to_le_bytes(), 16).unwrap();
        assert_eq!(clock.incarnation(), Some(Incarnation { marker: 42, generation: None }));
    }

    #[test]
    fn bad_input_114_a_guest_from_an_image_is_another_one() {
        let scratch = Scratch::new();
        let clock = VmClock::open(&file(&scratch, &page(41, Some(7)))).unwrap().unwrap();
        assert_eq!(clock.incarnation(), Some(Incarnation { marker: 41, generation: Some(7) }));
    }

    #[test]
    fn a_host_that_never_gets_done_says_nothing() {
        let scratch = Scratch::new();
        let mut page = page(41, None);
        page[12] = 7;
        let clock = VmClock::open(&file(&scratch, &page)).unwrap().unwrap();
        assert_eq!(clock.incarnation(), None);
    }

    #[test]
    fn where_there_is_none_nothing_is_wrong_and_anything_else_is_refused() {
        let scratch = Scratch::new();
        assert!(VmClock::open(&scratch.file("absent")).unwrap().is_none());
        for bytes in [&page(1, None)[..100], &vec![0; 4096], b""] {
            let error = VmClock::open(&file(&scratch, bytes)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
    }
}

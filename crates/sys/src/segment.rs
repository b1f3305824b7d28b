//! Segments of System V shared memory, that others write and we read (shmget(2), shmat(2)).
//!
//! Whoever may write to a segment can change it at any time, also while it is read. So it is read word by word, each once,
//! into a copy of ours; what the copy means is for others to judge. A segment cannot shrink while it is attached.

use std::io;
use std::mem::zeroed;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering, fence};

use crate::fd::check;

/// A segment, attached.
#[derive(Debug)]
pub struct Segment {
    start: NonNull<AtomicU32>,
    words: usize,
}

/// Who may do what with a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentOwner {
    /// Whose it is.
    pub uid: u32,
    /// The permission bits.
    pub mode: u32,
}

// SAFETY: the memory belongs to no thread, and is only touched by atomic operations.
unsafe impl Send for Segment {}

impl Segment {
    /// Attaches the segment with this key, of `bytes` bytes (a multiple of four); makes it, with these permissions, if
    /// there is none.
    ///
    /// # Errors
    /// That of the system: `EACCES` if it is not for us, `EINVAL` if there is a smaller one.
    pub fn attach(key: i32, bytes: usize, mode: u32) -> io::Result<Self> {
        assert!(bytes.is_multiple_of(4), "{bytes} bytes are no whole words");
        // SAFETY: shmget takes numbers.
        let id = check(unsafe { libc::shmget(key, bytes, libc::IPC_CREAT | (mode & 0o777) as i32) })?;
        // SAFETY: the kernel chooses where it is put.
        let start = unsafe { libc::shmat(id, std::ptr::null(), 0) };
        match NonNull::new(start.cast::<AtomicU32>()) {
            Some(start) if start.as_ptr() as isize != -1 => Ok(Self { start, words: bytes / 4 }),
            Some(_) | None => Err(io::Error::last_os_error()),
        }
    }

    /// Who may do what with the segment of this key; `None` if there is none.
    ///
    /// # Errors
    /// That of the system: `EACCES` if we may not even read it.
    pub fn owner(key: i32) -> io::Result<Option<SegmentOwner>> {
        // SAFETY: shmget takes numbers.
        let id = match check(unsafe { libc::shmget(key, 0, 0) }) {
            Ok(id) => id,
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(None),
            Err(error) => return Err(error),
        };
        // SAFETY: all bits zero are plain numbers.
        let mut state: libc::shmid_ds = unsafe { zeroed() };
        // SAFETY: the kernel writes one struct shmid_ds to the address of ours.
        check(unsafe { libc::shmctl(id, libc::IPC_STAT, &raw mut state) })?;
        Ok(Some(SegmentOwner { uid: state.shm_perm.uid, mode: u32::from(state.shm_perm.mode) & 0o777 }))
    }

    /// A copy of its first bytes, in the order of their places.
    ///
    /// # Panics
    /// If the segment was attached with fewer bytes.
    pub fn copy<const BYTES: usize>(&self) -> [u8; BYTES] {
        let mut copy = [0; BYTES];
        for (index, bytes) in copy.chunks_exact_mut(4).enumerate() {
            bytes.copy_from_slice(&self.word(index).load(Ordering::Acquire).to_ne_bytes());
        }
        fence(Ordering::Acquire);
        copy
    }

    /// Writes a word at this place, counted in words.
    ///
    /// # Panics
    /// If the segment was attached with fewer.
    pub fn put(&self, index: usize, word: u32) {
        self.word(index).store(word, Ordering::Release);
    }

    fn word(&self, index: usize) -> &AtomicU32 {
        assert!(index < self.words, "word {index} of {}", self.words);
        // SAFETY: the segment has so many words, is attached as long as this value lives, and begins at a page.
        unsafe { self.start.add(index).as_ref() }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: it was attached there, and nobody holds a reference into it any more. It stays for those who write to it.
        unsafe { libc::shmdt(self.start.as_ptr().cast()) };
    }
}

/// Removes the segment with this key, once nobody has it attached any more. Tests clean up with it.
///
/// # Errors
/// That of the system: `EPERM` if it is not ours.
pub fn remove(key: i32) -> io::Result<()> {
    // SAFETY: shmget takes numbers.
    let id = check(unsafe { libc::shmget(key, 0, 0) })?;
    // SAFETY: IPC_RMID takes no buffer.
    check(unsafe { libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut()) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> i32 {
        0x7443_0000 | (std::process::id() as i32 & 0xffff)
    }

    #[test]
    fn what_one_writes_another_reads() {
        let key = key();
        assert_eq!(Segment::owner(key).expect("asked"), None);
        let (writer, reader) = (Segment::attach(key, 96, 0o600), Segment::attach(key, 96, 0o666));
        let (writer, reader) = (writer.expect("made"), reader.expect("attached"));
        writer.put(0, 1);
        writer.put(23, 0xdead_beef);
        let bytes: [u8; 96] = reader.copy();
        assert_eq!(
            (&bytes[..4], &bytes[92..]),
            (&1u32.to_ne_bytes()[..], &0xdead_beef_u32.to_ne_bytes()[..])
        );
        let owner = Segment::owner(key).expect("asked").expect("there");
        assert_eq!(owner, SegmentOwner { uid: crate::user::effective_uid(), mode: 0o600 });
        let larger = Segment::attach(key, 4096, 0o600).expect_err("it is smaller");
        assert_eq!(larger.raw_os_error(), Some(libc::EINVAL));
        remove(key).expect("ours");
    }
}

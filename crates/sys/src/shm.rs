//! A published page: a small file that one process writes and any number of others read as shared memory.
//!
//! ```text
//!   magic | layout | size | generation | 38 words of the caller's         each a u64 in this machine's order
//! ```
//!
//! The generation is a sequence lock (`lock.rs`): odd while the words are being written, and two more after each time. A
//! reader takes no lock, cannot disturb the writer, and gives up after a bounded number of attempts.
//!
//! A reader trusts the owner of the page: to cut the file short under it would kill it (SIGBUS).
//! [`PageReader::owner`] tells whom it would trust.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::{fmt, hint, process, ptr, thread};

use libc::{c_int, c_void};

use crate::user::effective_uid;

mod lock;
pub mod short;

/// How many words a page carries for its caller.
pub const WORDS: usize = 40;

const HEADER_WORDS: usize = 4;
const PAGE_BYTES: usize = (HEADER_WORDS + WORDS) * size_of::<u64>();
/// "truechim" as ASCII, first letter in the highest byte.
const MAGIC: u64 = u64::from_be_bytes(*b"truechim");
const LAYOUT: u64 = 1;
/// How often a reader looks again while the writer is at work. A write takes well under a microsecond, so that this
/// is only reached if the writer died or lost its processor in the middle of one.
const ATTEMPTS_MAX: usize = 1000;
/// Then it waits for a writer that lost its processor, this long and so often: 30 ms in all, as the kernel's timers go.
const NAP: Duration = Duration::from_micros(250);
const NAPS_MAX: usize = 100;
/// Everybody may read it, only its owner may write it.
const MODE: u32 = 0o644;
const MODE_WRITE_BY_OTHERS: u32 = 0o022;
/// In such a folder files are renamed and removed by their owners only.
const MODE_STICKY: u32 = 0o1000;

/// Why a page was not opened or not read.
#[derive(Debug)]
pub enum PageError {
    /// The file could not be opened, made or mapped.
    File(io::Error),
    /// It is no page, or one of another layout.
    NotAPage,
    /// It was made and never written.
    Empty,
    /// The writer stopped in the middle of writing, or writes without pause.
    Torn,
    /// It belongs to this user, who was not expected.
    Foreign(u32),
    /// Others than its owner can write to it, or put another in its place.
    Unguarded,
}

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File(error) => return error.fmt(f),
            Self::Foreign(uid) => return write!(f, "it belongs to user {uid}, whom nobody told us to trust"),
            Self::Unguarded => "others than its owner can write to it, or put another in its place",
            Self::NotAPage => "not a page of this layout",
            Self::Empty => "nothing has been written to it yet",
            Self::Torn => "its writer stopped in the middle of writing",
        })
    }
}

impl std::error::Error for PageError {}

impl From<io::Error> for PageError {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

/// The end that writes. There is to be one of a page: hold a [`lock`](crate::file::lock).
#[derive(Debug)]
pub struct PageWriter {
    page: Mapping<Words>,
}

impl PageWriter {
    /// Publishes a page at `path`. One that is there, is ours and has this layout is taken over, so that its readers go
    /// on; anything else of that name is replaced.
    pub fn publish(path: &Path) -> Result<Self, PageError> {
        let mut blank = [0; HEADER_WORDS + WORDS];
        blank[..3].copy_from_slice(&[MAGIC, LAYOUT, PAGE_BYTES as u64]);
        Ok(Self { page: published(path, &blank.map(u64::to_ne_bytes).concat(), Words::is_page)? })
    }

    /// Writes all words at once, as far as readers can see.
    pub fn write(&mut self, words: &[u64; WORDS]) {
        let page = self.page.words();
        lock::write(&page.generation, &page.words, words);
    }
}

/// The end that reads.
#[derive(Debug)]
pub struct PageReader {
    page: Mapping<Words>,
    owner: u32,
    place: (u64, u64),
}

impl PageReader {
    /// Opens the page at `path`. If its file is replaced later, this goes on to read the old one: words that do not
    /// change any more are the sign to open it again.
    pub fn open(path: &Path) -> Result<Self, PageError> {
        let file = OpenOptions::new().read(true).custom_flags(OPEN_FLAGS).open(path)?;
        let about = file.metadata()?;
        let place = (about.dev(), about.ino());
        Ok(Self { page: Mapping::of(&file, libc::PROT_READ, Words::is_page)?, owner: about.uid(), place })
    }

    /// Opens the page at `path`, if it can be relied upon: nobody but its owner, root and we can write to it or put another in
    /// its place. The owner has to be `owner`; where none is named, root, we, or whoever has the folder. Whoever can write to
    /// the folders above it is not looked at: they are as trusted as whoever named the path.
    ///
    /// # Errors
    /// [`PageError::Foreign`] and [`PageError::Unguarded`] for what cannot be relied upon, and all of [`Self::open`].
    pub fn open_guarded(path: &Path, owner: Option<u32>) -> Result<Self, PageError> {
        let file = OpenOptions::new().read(true).custom_flags(OPEN_FLAGS).open(path)?;
        let about = file.metadata()?;
        let folder = fs::metadata(folder_of(path))?;
        let (uid, ours) = (about.uid(), effective_uid());
        let is_expected = match owner {
            Some(owner) => uid == owner,
            None => [0, ours, folder.uid()].contains(&uid),
        };
        if !is_expected {
            return Err(PageError::Foreign(uid));
        }
        let is_open = |mode: u32| mode & MODE_WRITE_BY_OTHERS != 0;
        let is_replaceable = is_open(folder.mode()) && folder.mode() & MODE_STICKY == 0;
        if is_open(about.mode()) || is_replaceable || ![0, ours, uid].contains(&folder.uid()) {
            return Err(PageError::Unguarded);
        }
        let place = (about.dev(), about.ino());
        Ok(Self { page: Mapping::of(&file, libc::PROT_READ, Words::is_page)?, owner: uid, place })
    }

    /// Is this still the file at `path`? One call of the system.
    pub fn is_at(&self, path: &Path) -> bool {
        fs::symlink_metadata(path).is_ok_and(|about| (about.dev(), about.ino()) == self.place)
    }

    /// The user who can write the page.
    pub fn owner(&self) -> u32 {
        self.owner
    }

    /// All words, as they were written together. Waits only for a writer that lost its processor in the middle of writing, 30 ms at most.
    pub fn read(&self) -> Result<[u64; WORDS], PageError> {
        for attempt in 0..ATTEMPTS_MAX + NAPS_MAX {
            let page = self.page.words();
            match lock::read(&page.generation, &page.words) {
                Some((0, _)) => return Err(PageError::Empty),
                Some((_, words)) => return Ok(words),
                None if attempt < ATTEMPTS_MAX => hint::spin_loop(),
                None => thread::sleep(NAP),
            }
        }
        Err(PageError::Torn)
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}

/// What lies in the file.
#[derive(Debug)]
#[repr(C)]
struct Words {
    magic: AtomicU64,
    layout: AtomicU64,
    size: AtomicU64,
    generation: AtomicU64,
    words: [AtomicU64; WORDS],
}

/// A pipe in the place of the page would wait without O_NONBLOCK.
const OPEN_FLAGS: c_int = libc::O_NOFOLLOW | libc::O_NONBLOCK;

/// A page in memory, shared with every other process that has it. A `T` is made of atomics and nothing else.
#[derive(Debug)]
struct Mapping<T> {
    start: ptr::NonNull<T>,
}

// SAFETY: the memory belongs to no thread, and is only reached through atomics.
unsafe impl<T: Sync> Send for Mapping<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Mapping<T> {}

impl<T> Mapping<T> {
    /// Maps the file, which has to be as long as a `T` and to be one by its header.
    fn of(file: &File, protection: c_int, is_page: fn(&T) -> bool) -> Result<Self, PageError> {
        let about = file.metadata()?;
        if !about.is_file() || about.len() != size_of::<T>() as u64 {
            return Err(PageError::NotAPage);
        }
        let mapping = Self { start: map(file, protection, size_of::<T>())?.cast() };
        match is_page(mapping.words()) {
            true => Ok(mapping),
            false => Err(PageError::NotAPage),
        }
    }

    fn words(&self) -> &T {
        // SAFETY: mapped until drop, page-aligned, as long as a T; and any bytes are atomics.
        unsafe { self.start.as_ref() }
    }
}

impl<T> Drop for Mapping<T> {
    fn drop(&mut self) {
        // SAFETY: exactly what was mapped, and nothing borrows it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), size_of::<T>()) };
    }
}

impl Words {
    fn is_page(&self) -> bool {
        let header = [&self.magic, &self.layout, &self.size].map(|word| word.load(Ordering::Relaxed));
        header == [MAGIC, LAYOUT, PAGE_BYTES as u64]
    }
}

fn map(file: &File, protection: c_int, bytes: usize) -> io::Result<ptr::NonNull<c_void>> {
    let (anywhere, shared, from_start) = (ptr::null_mut::<c_void>(), libc::MAP_SHARED, 0);
    // SAFETY: a new mapping where the kernel likes, over nothing of ours.
    let start = unsafe { libc::mmap(anywhere, bytes, protection, shared, file.as_raw_fd(), from_start) };
    match start == libc::MAP_FAILED {
        true => Err(io::Error::last_os_error()),
        false => ptr::NonNull::new(start).ok_or_else(|| io::ErrorKind::OutOfMemory.into()),
    }
}

/// The page at `path`, to be written: one that is there, is ours and is a page is taken over, anything else is replaced by
/// a blank one.
fn published<T>(path: &Path, blank: &[u8], is_page: fn(&T) -> bool) -> Result<Mapping<T>, PageError> {
    match taken_over(path, is_page) {
        Ok(page) => Ok(page),
        Err(_not_ours) => replaced(path, blank, is_page),
    }
}

fn taken_over<T>(path: &Path, is_page: fn(&T) -> bool) -> Result<Mapping<T>, PageError> {
    let file = OpenOptions::new().read(true).write(true).custom_flags(OPEN_FLAGS).open(path)?;
    let about = file.metadata()?;
    let ours =
        about.uid() == effective_uid() && about.nlink() == 1 && about.mode() & MODE_WRITE_BY_OTHERS == 0;
    match ours {
        true => Mapping::of(&file, libc::PROT_READ | libc::PROT_WRITE, is_page),
        false => Err(PageError::NotAPage),
    }
}

fn replaced<T>(path: &Path, blank: &[u8], is_page: fn(&T) -> bool) -> Result<Mapping<T>, PageError> {
    let new = unused_name(path)?;
    let file = create(&new, blank).inspect_err(|_| drop(fs::remove_file(&new)))?;
    let page = Mapping::of(&file, libc::PROT_READ | libc::PROT_WRITE, is_page)?;
    fs::rename(&new, path).inspect_err(|_| drop(fs::remove_file(&new)))?;
    Ok(page)
}

/// A name beside `path` that nothing has: a leftover of a process with our number is removed.
fn unused_name(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let new = path.with_file_name(format!(".{}.{}", name.display(), process::id()));
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _removed_or_absent => Ok(new),
    }
}

/// A page that was never written. Its bytes are written and not only reserved, so that no full disk is met later.
fn create(path: &Path, blank: &[u8]) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let mut file =
        options.read(true).write(true).create_new(true).mode(MODE).custom_flags(OPEN_FLAGS).open(path)?;
    file.write_all(blank)?;
    file.set_permissions(Permissions::from_mode(MODE))?;
    Ok(file)
}

#[cfg(test)]
mod tests;

//! Files that survive power cuts, and the lock of one daemon.
//!
//! [`save`] leaves the old file or the new one, never a torn one, and keeps the previous copy; [`load`] never reads
//! more than it was told to. Neither follows a symbolic link in the last place of a path. What is in a file, and
//! whether it is believed, is the caller's.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::{fmt, process};

/// A lock file holds a process number and nothing else.
const LOCK_BYTES_MAX: u64 = 32;

/// What could not be done to which file, and why.
#[derive(Debug)]
pub struct FileError {
    doing: &'static str,
    path: PathBuf,
    cause: io::Error,
}

impl FileError {
    /// Is it only that there is no such file?
    pub fn is_missing(&self) -> bool {
        self.cause.kind() == io::ErrorKind::NotFound
    }

    /// Which file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What kind of failure.
    pub fn kind(&self) -> io::ErrorKind {
        self.cause.kind()
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}", self.doing, self.path.display(), self.cause)
    }
}

/// The cause is in the text already: as a source it would be said twice.
impl std::error::Error for FileError {}

/// Adds to an error what was being done to which file.
trait While<T> {
    fn while_doing(self, doing: &'static str, path: &Path) -> Result<T, FileError>;
}

impl<T> While<T> for io::Result<T> {
    fn while_doing(self, doing: &'static str, path: &Path) -> Result<T, FileError> {
        self.map_err(|cause| FileError { doing, path: path.to_owned(), cause })
    }
}

/// Replaces the file at `path` by `bytes`, with exactly these permissions (`mode`, such as 0o600).
///
/// ```text
///   write and fsync .name.new ─► link name as name.prev ─► rename .name.new to name ─► fsync the folder
/// ```
///
/// A power cut anywhere leaves the old file or the new one at `path`. What a cut leaves of `.name.new` is removed
/// by the next save. There is to be one writer at a time: hold a [`lock`]. The file system is to have hard links.
pub fn save(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let new = beside(path, ".", ".new")?;
    let written = write_new(&new, bytes, mode).and_then(|()| {
        keep_previous(path)?;
        fs::rename(&new, path).while_doing("put the new file in the place of", path)
    });
    if let Err(error) = written {
        // The failure that counts is the first; a leftover is removed by the next save.
        let _leftover = fs::remove_file(&new);
        return Err(error);
    }
    sync_folder(path)
}

/// Replaces the file at `path` by `bytes`, with exactly these permissions. Whoever reads it finds the old file or the new one,
/// and never a part. For what is written again and again and is worth nothing later: no copy is kept, and it is not waited
/// until anything is on the disk.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let new = beside(path, ".", ".new")?;
    let written = create_new(&new, bytes, mode)
        .and_then(|_file| fs::rename(&new, path).while_doing("put the new file in the place of", path));
    if written.is_err() {
        // The failure that counts is the first; a leftover is removed by the next time.
        let _leftover = fs::remove_file(&new);
    }
    written
}

/// The previous copy that [`save`] keeps: `name.prev`.
pub fn previous(path: &Path) -> Result<PathBuf, FileError> {
    beside(path, "", ".prev")
}

/// The content of the file at `path`, of at most `limit` bytes. Neither links nor pipes nor devices are read.
pub fn load(path: &Path, limit: usize) -> Result<Vec<u8>, FileError> {
    read_regular(path, limit).while_doing("read", path)
}

/// A file to be read, and written at its end, made with these permissions if there is none. A link is not followed.
///
/// # Errors
/// Those of the system; `ELOOP` for a link.
pub fn append(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(mode).custom_flags(libc::O_NOFOLLOW).open(path)
}

/// Does anybody have the pipe at `path` open for reading? It is opened for writing for a moment, and nothing is written
/// (fifo(7): without a reader the kernel answers ENXIO). What is no pipe has no reader.
pub fn has_reader(path: &Path) -> Result<bool, FileError> {
    let is_pipe = fs::symlink_metadata(path).while_doing("look at", path)?.file_type().is_fifo();
    if !is_pipe {
        return Ok(false);
    }
    match OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW).open(path) {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => Ok(false),
        Err(error) => Err(error).while_doing("open", path),
    }
}

/// Makes the folder at `path`, and those above it, with these permissions; one that is there is left as it is.
pub fn make_folder(path: &Path, mode: u32) -> Result<(), FileError> {
    DirBuilder::new().recursive(true).mode(mode).create(path).while_doing("make the folder", path)
}

/// A lock that lasts as long as this value, or until every process that was forked meanwhile is gone as well.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why a lock was not had.
#[derive(Debug)]
pub enum LockError {
    /// Another process has it; its number, if the file says so.
    Held {
        /// The number of that process.
        pid: Option<u32>,
    },
    /// The lock file cannot be used.
    File(FileError),
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held { pid: Some(pid) } => write!(f, "process {pid} holds the lock"),
            Self::Held { pid: None } => f.write_str("another process holds the lock"),
            Self::File(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for LockError {}

impl From<FileError> for LockError {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}

/// Takes the lock of the file at `path` (flock(2)), which then holds our process number. The file stays when the
/// lock ends: to remove it would let two processes lock two files of one name.
pub fn lock(path: &Path) -> Result<Lock, LockError> {
    let mut file = open_lock(path).while_doing("open the lock file", path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(LockError::Held { pid: holder(&mut file) }),
        Err(TryLockError::Error(error)) => Err(error).while_doing("lock", path)?,
    }
    let pid = format!("{}\n", process::id());
    let written = file.set_len(0).and_then(|()| file.write_all(pid.as_bytes()));
    written.while_doing("write", path)?;
    Ok(Lock { _file: file })
}

/// `path` with something before and after its name.
fn beside(path: &Path, before: &str, after: &str) -> Result<PathBuf, FileError> {
    let no_name = || io::Error::new(io::ErrorKind::InvalidInput, "it has no file name");
    let name = path.file_name().ok_or_else(no_name).while_doing("use", path)?;
    let mut whole = std::ffi::OsString::from(before);
    whole.push(name);
    whole.push(after);
    Ok(path.with_file_name(whole))
}

/// Writes a file that was not there. A leftover of a crash is removed first, not opened: it may be a link.
fn create_new(path: &Path, bytes: &[u8], mode: u32) -> Result<File, FileError> {
    remove_if_there(path)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
        .while_doing("create", path)?;
    file.write_all(bytes).while_doing("write", path)?;
    file.set_permissions(Permissions::from_mode(mode)).while_doing("set the permissions of", path)?;
    Ok(file)
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    create_new(path, bytes, mode)?.sync_all().while_doing("sync", path)
}

/// Gives the present file a second name. By way of a rename, so that the previous copy is there at every moment.
fn keep_previous(path: &Path) -> Result<(), FileError> {
    let link = beside(path, ".", ".prev")?;
    remove_if_there(&link)?;
    match fs::hard_link(path, &link) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        result => result.while_doing("keep a copy of", path)?,
    }
    fs::rename(&link, previous(path)?).while_doing("keep a copy of", path)?;
    // Both may have been names of one file already; then the rename has left this one.
    remove_if_there(&link)
}

fn remove_if_there(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.while_doing("remove the leftover", path),
    }
}

/// Only then is a rename sure to survive a power cut.
fn sync_folder(path: &Path) -> Result<(), FileError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _here => Path::new("."),
    };
    File::open(folder).and_then(|folder| folder.sync_all()).while_doing("sync the folder", folder)
}

fn read_regular(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    // Without O_NONBLOCK the opening of a pipe would wait for a writer.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    read_at_most(file, limit)
}

/// All that there is to read, unless it is more than `limit`.
pub fn read_at_most(from: impl Read, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    match bytes.len() <= limit {
        true => Ok(bytes),
        false => Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is longer than {limit} bytes"))),
    }
}

/// Opens a file that we may empty: a regular one with no second name by which it is something else.
fn open_lock(path: &Path) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644)
        .custom_flags(flags)
        .open(path)?;
    let about = file.metadata()?;
    match about.is_file() && about.nlink() == 1 {
        true => Ok(file),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file of its own")),
    }
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(LOCK_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use std::os::unix::fs::symlink;

    const LIMIT: usize = 1000;

    #[test]
    fn a_pipe_has_a_reader_while_somebody_reads_it() {
        let scratch = Scratch::new();
        let pipe = scratch.file("pipe");
        assert_eq!(has_reader(&pipe).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert!(!has_reader(&pipe).unwrap());
        let reader = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&pipe).unwrap();
        assert!(has_reader(&pipe).unwrap());
        drop(reader);
        assert!(!has_reader(&pipe).unwrap());
        fs::write(scratch.file("file"), b"kept").unwrap();
        assert!(!has_reader(&scratch.file("file")).unwrap());
        assert_eq!(fs::read(scratch.file("file")).unwrap(), b"kept");
    }

    #[test]
    fn what_is_saved_is_loaded_and_the_previous_copy_is_kept() {
        let scratch = Scratch::new();
        let path = scratch.file("state");
        for content in [b"one".as_slice(), b"two", b"three"] {
            save(&path, content, 0o640).unwrap();
            assert_eq!(load(&path, LIMIT).unwrap(), content);
        }
        assert_eq!(load(&previous(&path).unwrap(), LIMIT).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o640);
        assert_eq!(scratch.names(), ["state", "state.prev"]);
    }

    #[test]
    fn what_is_replaced_leaves_no_copy_and_a_failure_leaves_what_was() {
        let scratch = Scratch::new();
        let path = scratch.file("numbers");
        for content in [b"one".as_slice(), b"two"] {
            replace(&path, content, 0o644).unwrap();
            assert_eq!(load(&path, LIMIT).unwrap(), content);
        }
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o644);
        assert_eq!(scratch.names(), ["numbers"]);
        let folder = scratch.file("folder");
        fs::create_dir(&folder).unwrap();
        assert!(replace(&folder, b"three", 0o644).is_err());
        assert_eq!(scratch.names(), ["folder", "numbers"], "nothing is left of what failed");
    }

    #[test]
    fn leftovers_of_a_crash_do_no_harm() {
        let scratch = Scratch::new();
        let path = scratch.file("state");
        save(&path, b"old", 0o600).unwrap();
        fs::write(scratch.file(".state.new"), b"to").unwrap();
        fs::hard_link(&path, scratch.file(".state.prev")).unwrap();
        fs::hard_link(&path, scratch.file("state.prev")).unwrap();
        save(&path, b"new", 0o600).unwrap();
        assert_eq!(load(&path, LIMIT).unwrap(), b"new");
        assert_eq!(load(&previous(&path).unwrap(), LIMIT).unwrap(), b"old");
        assert_eq!(scratch.names(), ["state", "state.prev"]);
    }

    /// Bad input 123.
    #[test]
    fn links_are_not_followed() {
        let scratch = Scratch::new();
        let (precious, path) = (scratch.file("shadow"), scratch.file("state"));
        fs::write(&precious, b"precious").unwrap();
        symlink(&precious, &path).unwrap();
        symlink(&precious, scratch.file(".state.new")).unwrap();
        assert!(load(&path, LIMIT).is_err());
        assert!(lock(&path).is_err());
        save(&path, b"mine", 0o600).unwrap();
        assert_eq!(load(&path, LIMIT).unwrap(), b"mine");
        assert_eq!(fs::read(&precious).unwrap(), b"precious");
    }

    #[test]
    fn a_file_with_a_second_name_is_no_lock() {
        let scratch = Scratch::new();
        fs::write(scratch.file("precious"), b"precious").unwrap();
        fs::hard_link(scratch.file("precious"), scratch.file("lock")).unwrap();
        assert!(matches!(lock(&scratch.file("lock")), Err(LockError::File(_))));
        assert_eq!(fs::read(scratch.file("precious")).unwrap(), b"precious");
    }

    #[test]
    fn only_so_much_is_read_and_only_from_files() {
        let scratch = Scratch::new();
        let path = scratch.file("state");
        fs::write(&path, [0; LIMIT]).unwrap();
        assert_eq!(load(&path, LIMIT).unwrap().len(), LIMIT);
        assert_eq!(load(&path, LIMIT - 1).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert!(load(Path::new("/dev/zero"), LIMIT).unwrap_err().to_string().contains("not a regular file"));
        assert!(load(&scratch.file("absent"), LIMIT).unwrap_err().is_missing());
    }

    /// Bad input 128: the disk is full.
    #[test]
    fn a_failed_save_leaves_the_old_file() {
        let scratch = Scratch::new();
        let path = scratch.file("state");
        save(&path, b"old", 0o600).unwrap();
        fs::create_dir(scratch.file(".state.new")).unwrap();
        let error = save(&path, b"new", 0o600).unwrap_err();
        assert!(error.to_string().contains(".state.new"), "{error}");
        assert_eq!(load(&path, LIMIT).unwrap(), b"old");
        assert!(save(&scratch.file("no/such/folder"), b"x", 0o600).unwrap_err().is_missing());
    }

    #[test]
    fn a_path_without_a_name_is_refused() {
        assert_eq!(save(Path::new("/"), b"x", 0o600).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_lock_is_held_by_one_and_names_its_holder() {
        let scratch = Scratch::new();
        let path = scratch.file("lock");
        let first = lock(&path).unwrap();
        let second = lock(&path).unwrap_err();
        assert!(matches!(second, LockError::Held { pid: Some(pid) } if pid == process::id()));
        drop(first);
        lock(&path).unwrap();
    }

    #[test]
    fn a_lock_file_full_of_nonsense_names_nobody() {
        let scratch = Scratch::new();
        let path = scratch.file("lock");
        let _held = lock(&path).unwrap();
        fs::write(&path, [0xff; 100]).unwrap();
        assert!(matches!(lock(&path), Err(LockError::Held { pid: None })));
    }

    #[test]
    fn folders_are_made_as_deep_as_asked() {
        let scratch = Scratch::new();
        let deep = scratch.file("a/b");
        make_folder(&deep, 0o700).unwrap();
        make_folder(&deep, 0o755).unwrap();
        assert_eq!(fs::metadata(&deep).unwrap().mode() & 0o777, 0o700);
    }
}

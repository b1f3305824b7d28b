//! A named pipe that a daemon reads, and anybody writes who may.
//!
//! It is held open for writing too, so that it never ends when a writer goes away, and a writer never waits for a reader
//! as long as the daemon lives. Who may write is up to owner and mode of the pipe: one that is there is left as it is.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use crate::fd::check;

/// The reading end.
#[derive(Debug)]
pub struct Fifo {
    reader: File,
    _writer: File,
}

impl Fifo {
    /// Opens the pipe at `path`, and makes it with this mode (such as 0o600) if it is not there.
    ///
    /// # Errors
    /// What is there is no pipe ([`ErrorKind::InvalidInput`]), or the system refuses.
    pub fn open(path: &Path, mode: u32) -> io::Result<Self> {
        match make(path, mode) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let without_waiting = |options: &mut OpenOptions| options.custom_flags(libc::O_NONBLOCK).open(path);
        let reader = without_waiting(OpenOptions::new().read(true))?;
        if !reader.metadata()?.file_type().is_fifo() {
            return Err(ErrorKind::InvalidInput.into());
        }
        Ok(Self { reader, _writer: without_waiting(OpenOptions::new().write(true))? })
    }

    /// One read, as much as there is and fits. `None` if there is nothing.
    pub fn read(&mut self, bytes: &mut [u8]) -> io::Result<Option<usize>> {
        match self.reader.read(bytes) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
            read => read.map(Some),
        }
    }
}

impl AsFd for Fifo {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

fn make(path: &Path, mode: u32) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: mkfifo reads a string that ends with a zero, and ours does.
    check(unsafe { libc::mkfifo(path.as_ptr(), mode as libc::mode_t) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use std::fs::{self, Permissions};
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn what_is_written_is_read_and_the_pipe_never_ends() {
        let scratch = Scratch::new();
        let path = scratch.file("adjust");
        let mut fifo = Fifo::open(&path, 0o600).unwrap();
        let mut bytes = [0; 16];
        assert_eq!(fifo.read(&mut bytes).unwrap(), None);
        for text in [&b"one"[..], b"two and more than sixteen bytes"] {
            OpenOptions::new().write(true).open(&path).unwrap().write_all(text).unwrap();
            assert_eq!(fifo.read(&mut bytes).unwrap(), Some(text.len().min(16)));
        }
        assert_eq!(fifo.read(&mut bytes).unwrap(), Some(15));
        assert_eq!(fifo.read(&mut bytes).unwrap(), None, "no writer is left, and it has not ended");
    }

    #[test]
    fn a_pipe_that_is_there_is_left_as_it_is() {
        let scratch = Scratch::new();
        let path = scratch.file("adjust");
        drop(Fifo::open(&path, 0o600).unwrap());
        assert_eq!(mode(&path), 0o600);
        fs::set_permissions(&path, Permissions::from_mode(0o620)).unwrap();
        drop(Fifo::open(&path, 0o600).unwrap());
        assert_eq!(mode(&path), 0o620);
    }

    #[test]
    fn anything_else_is_refused() {
        let scratch = Scratch::new();
        let path = scratch.file("adjust");
        fs::write(&path, b"records").unwrap();
        assert_eq!(Fifo::open(&path, 0o600).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(fs::read(&path).unwrap(), b"records");
        let nowhere = scratch.file("missing/adjust");
        assert_eq!(Fifo::open(&nowhere, 0o600).unwrap_err().kind(), ErrorKind::NotFound);
    }
}

//! The writing end of a named pipe that somebody else reads: one message, at once or not at all.
//!
//! Opening a pipe for writing waits for a reader, for ever if none comes. Here nothing waits: without a reader, or with one
//! that has stopped reading, the answer is an error that says so, and what to do about it is the caller's business.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// A message of so many bytes is never mixed with another one: POSIX asks for 512, Linux gives 4096 (pipe(7)).
pub const MESSAGE_MAX: usize = 512;

/// Why a message was not handed over.
#[derive(Debug)]
pub enum InletError {
    /// There is no such file.
    Missing,
    /// It is something else than a pipe: nothing was written into it.
    NotAPipe,
    /// Nobody has it open for reading.
    NobodyReads,
    /// Whoever reads it has not done so for long: it is full.
    Full,
    /// What the system says.
    System(io::Error),
}

impl std::fmt::Display for InletError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no such file"),
            Self::NotAPipe => f.write_str("it is no fifo"),
            Self::NobodyReads => f.write_str("nobody reads it"),
            Self::Full => f.write_str("it is full"),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for InletError {}

/// Hands a message to whoever reads the pipe at `path`: all of it, or none.
///
/// # Panics
/// If the message is longer than [`MESSAGE_MAX`], of which a part could be taken.
pub fn hand_over(path: &Path, message: &[u8]) -> Result<(), InletError> {
    assert!(message.len() <= MESSAGE_MAX, "{} bytes are more than a pipe takes whole", message.len());
    // Looked at first, because opening a device can do something. What was opened is what counts.
    if !path.metadata().map_err(told)?.file_type().is_fifo() {
        return Err(InletError::NotAPipe);
    }
    let mut pipe = OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(told)?;
    if !pipe.metadata().map_err(told)?.file_type().is_fifo() {
        return Err(InletError::NotAPipe);
    }
    pipe.write_all(message).map_err(told)
}

/// A reader that has gone away meanwhile is an `EPIPE`, since Rust programs ignore SIGPIPE.
fn told(error: io::Error) -> InletError {
    match (error.kind(), error.raw_os_error()) {
        (ErrorKind::NotFound, _) => InletError::Missing,
        (ErrorKind::BrokenPipe, _) | (_, Some(libc::ENXIO)) => InletError::NobodyReads,
        (ErrorKind::WouldBlock, _) => InletError::Full,
        (_, _) => InletError::System(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use std::fs::{self, File};
    use std::io::Read;
    use std::path::PathBuf;
    use std::process::Command;

    fn pipe(scratch: &Scratch) -> PathBuf {
        let path = scratch.file("adjust");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    }

    fn reader(path: &Path) -> File {
        OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).unwrap()
    }

    #[test]
    fn a_message_arrives_whole() {
        let scratch = Scratch::new();
        let path = pipe(&scratch);
        let mut reader = reader(&path);
        hand_over(&path, &[7; 16]).unwrap();
        hand_over(&path, &[8; 16]).unwrap();
        let mut got = [0; 32];
        reader.read_exact(&mut got).unwrap();
        assert_eq!(got, [[7; 16], [8; 16]].concat()[..]);
    }

    #[test]
    fn without_a_reader_nothing_waits() {
        let scratch = Scratch::new();
        let path = pipe(&scratch);
        assert!(matches!(hand_over(&path, b"x"), Err(InletError::NobodyReads)));
        drop(reader(&path));
        assert!(matches!(hand_over(&path, b"x"), Err(InletError::NobodyReads)));
    }

    #[test]
    fn a_reader_that_does_not_read_holds_nobody_up() {
        let scratch = Scratch::new();
        let path = pipe(&scratch);
        let _idle = reader(&path);
        let full = (0..1_000_000).find_map(|_| hand_over(&path, &[0; 512]).err());
        assert!(matches!(full, Some(InletError::Full)));
    }

    #[test]
    fn nothing_but_a_pipe_is_written_to() {
        let scratch = Scratch::new();
        let path = scratch.file("precious");
        assert!(matches!(hand_over(&path, b"x"), Err(InletError::Missing)));
        fs::write(&path, b"precious").unwrap();
        assert!(matches!(hand_over(&path, b"x"), Err(InletError::NotAPipe)));
        assert!(matches!(hand_over(Path::new("/dev/null"), b"x"), Err(InletError::NotAPipe)));
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }
}

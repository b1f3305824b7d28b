//! Telling the supervisor that the start is over: systemd by the socket that its environment names, s6 by the descriptor
//! that an option names. Without either nobody is told, and nobody is ever waited for.

use std::io;
use std::os::fd::RawFd;

use clap::Args;
use truechimer_sys::notify::{Notice, Notifier, ReadyFd};

/// The lowest descriptor that is not standard input, output or error.
const FD_MIN: i64 = 3;

/// Whom to tell.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct Supervised {
    /// Write a line to this descriptor when ready: the number in s6's file notification-fd
    #[arg(long, value_name = "FD", value_parser = clap::value_parser!(RawFd).range(FD_MIN..))]
    pub ready_fd: Option<RawFd>,
}

/// What is still to be told.
#[derive(Debug)]
pub struct Readiness {
    notifier: Notifier,
    fd: Option<ReadyFd>,
    is_ready: bool,
}

impl Supervised {
    /// Finds the way to the supervisor. To be called before anything is opened ([`ReadyFd::take`]).
    ///
    /// # Errors
    /// The descriptor is not open, or `NOTIFY_SOCKET` is no name of a socket.
    pub fn readiness(&self) -> io::Result<Readiness> {
        let fd = self.ready_fd.map(ReadyFd::take).transpose()?;
        Ok(Readiness { notifier: Notifier::from_env()?, fd, is_ready: false })
    }
}

impl Readiness {
    /// The start is over. Said once, however often it is said here.
    pub fn ready(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.is_ready, true) {
            return Ok(());
        }
        let told = self.notifier.tell(Notice::Ready);
        self.fd.take().map_or(Ok(()), ReadyFd::tell).and(told)
    }

    /// How things are, in one line for people. s6 does not want to know.
    pub fn status(&self, text: &str) -> io::Result<()> {
        self.notifier.tell(Notice::Status(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::fd::IntoRawFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn it_is_said_once() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut readiness = Supervised { ready_fd: Some(ours.into_raw_fd()) }.readiness().unwrap();
        readiness.ready().unwrap();
        readiness.ready().unwrap();
        let mut all = String::new();
        theirs.read_to_string(&mut all).unwrap();
        assert_eq!(all, "\n");
    }

    #[test]
    fn a_descriptor_that_nobody_has_opened_is_an_error() {
        assert!(Supervised { ready_fd: Some(RawFd::MAX) }.readiness().is_err());
    }
}

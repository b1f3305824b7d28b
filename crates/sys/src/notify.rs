//! Telling the supervisor how we are: systemd by its datagram socket (sd_notify(3)), s6 by a line on a descriptor.
//!
//! No supervisor, no effect. A supervisor that does not listen never holds the daemon up.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::{env, fs, process};

use truechimer_time::Span;

use crate::clock;
use crate::fd::check;

/// A status is one line of at most so many bytes.
const STATUS_MAX: usize = 512;

/// Something to tell the supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice<'a> {
    /// The start is over.
    Ready,
    /// The configuration is being read again; [`Ready`](Self::Ready) follows.
    Reloading,
    /// The end has begun.
    Stopping,
    /// The daemon makes progress.
    Watchdog,
    /// One line for people.
    Status(&'a str),
}

/// The way to the supervisor, if there is one.
#[derive(Debug)]
pub struct Notifier {
    way: Option<(UnixDatagram, SocketAddr)>,
}

impl Notifier {
    /// The way that the environment names: `NOTIFY_SOCKET`, a path or, after an `@`, an abstract name.
    pub fn from_env() -> io::Result<Self> {
        Self::to(env::var_os("NOTIFY_SOCKET").as_deref())
    }

    /// A way of that name, or none.
    pub fn to(name: Option<&OsStr>) -> io::Result<Self> {
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return Ok(Self { way: None });
        };
        let address = match name.as_bytes() {
            [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest)?,
            _path => SocketAddr::from_pathname(name)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self { way: Some((socket, address)) })
    }

    /// Is there a supervisor to tell?
    pub fn is_heard(&self) -> bool {
        self.way.is_some()
    }

    /// Tells it.
    pub fn tell(&self, notice: Notice<'_>) -> io::Result<()> {
        match &self.way {
            Some((socket, address)) => socket.send_to_addr(notice.line().as_bytes(), address).map(drop),
            None => Ok(()),
        }
    }
}

impl Notice<'_> {
    fn line(&self) -> String {
        match self {
            Self::Ready => "READY=1".to_owned(),
            Self::Reloading => {
                format!("RELOADING=1\nMONOTONIC_USEC={}", clock::mono().since_epoch().as_micros())
            }
            Self::Stopping => "STOPPING=1".to_owned(),
            Self::Watchdog => "WATCHDOG=1".to_owned(),
            Self::Status(text) => format!("STATUS={}", one_line(text)),
        }
    }
}

/// A second line would be a second notice.
fn one_line(text: &str) -> String {
    let end = text.floor_char_boundary(STATUS_MAX);
    text[..end].replace(|c: char| c.is_control(), " ")
}

/// How often the supervisor wants to hear [`Notice::Watchdog`] at the latest, if it does (sd_watchdog_enabled(3)).
/// Twice as often is right.
pub fn watchdog_interval() -> Option<Span> {
    let read = |name| env::var(name).ok();
    interval(read("WATCHDOG_USEC").as_deref(), read("WATCHDOG_PID").as_deref(), process::id())
}

/// The interval, unless it is meant for another process.
fn interval(micros: Option<&str>, pid: Option<&str>, our_pid: u32) -> Option<Span> {
    let for_us = pid.is_none_or(|pid| pid.parse() == Ok(our_pid));
    let micros = micros?.parse().ok().filter(|micros| *micros > 0)?;
    for_us.then(|| Span::from_micros(micros))
}

/// The descriptor that s6's `notification-fd` names: a line on it says that the start is over.
#[derive(Debug)]
pub struct ReadyFd {
    pipe: OwnedFd,
}

impl ReadyFd {
    /// Takes it over. To be called before anything is opened: a number that nobody has opened for us would be that of
    /// something of ours later. Programs that are started do not inherit it.
    ///
    /// # Errors
    /// EINVAL: it is standard input, output or error. EBADF: nobody has opened it.
    pub fn take(fd: RawFd) -> io::Result<Self> {
        if fd <= libc::STDERR_FILENO {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        // SAFETY: F_SETFD sets a flag of the descriptor, and fails where there is none.
        check(unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) })?;
        // SAFETY: it is open, and by the supervisor's word it is ours to write to and close.
        Ok(Self { pipe: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    /// Says it, and closes the descriptor.
    pub fn tell(self) -> io::Result<()> {
        fs::File::from(self.pipe).write_all(b"\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use std::io::Read;
    use std::os::fd::IntoRawFd;
    use std::os::unix::net::UnixStream;

    fn next(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 2048];
        let len = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..len].to_vec()).unwrap()
    }

    #[test]
    fn notices_arrive_at_a_path() {
        let scratch = Scratch::new();
        let path = scratch.file("notify");
        let supervisor = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::to(Some(path.as_os_str())).unwrap();
        assert!(notifier.is_heard());
        for (notice, line) in [
            (Notice::Ready, "READY=1"),
            (Notice::Stopping, "STOPPING=1"),
            (Notice::Watchdog, "WATCHDOG=1"),
            (Notice::Status("within 1 ms\nREADY=1"), "STATUS=within 1 ms READY=1"),
        ] {
            notifier.tell(notice).unwrap();
            assert_eq!(next(&supervisor), line);
        }
        notifier.tell(Notice::Reloading).unwrap();
        assert!(next(&supervisor).starts_with("RELOADING=1\nMONOTONIC_USEC="));
    }

    #[test]
    fn notices_arrive_at_an_abstract_name() {
        let name = format!("truechimer-test-{}", process::id());
        let supervisor = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let notifier = Notifier::to(Some(OsStr::new(&format!("@{name}")))).unwrap();
        notifier.tell(Notice::Ready).unwrap();
        assert_eq!(next(&supervisor), "READY=1");
    }

    #[test]
    fn without_a_supervisor_nothing_happens() {
        for name in [None, Some(OsStr::new(""))] {
            let notifier = Notifier::to(name).unwrap();
            assert!(!notifier.is_heard());
            notifier.tell(Notice::Ready).unwrap();
        }
    }

    #[test]
    fn a_supervisor_that_is_gone_is_an_error_and_no_wait() {
        let notifier = Notifier::to(Some(OsStr::new("/no/such/socket"))).unwrap();
        assert_eq!(notifier.tell(Notice::Ready).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_long_status_is_cut_between_characters() {
        let long = "é".repeat(STATUS_MAX);
        let cut = one_line(&long);
        assert!(cut.len() <= STATUS_MAX && cut.chars().all(|c| c == 'é'));
    }

    #[test]
    fn the_watchdog_is_ours_or_not() {
        assert_eq!(interval(Some("3000000"), None, 7), Some(Span::from_secs(3)));
        assert_eq!(interval(Some("3000000"), Some("7"), 7), Some(Span::from_secs(3)));
        assert_eq!(interval(Some("3000000"), Some("8"), 7), None);
        assert_eq!(interval(Some("0"), None, 7), None);
        assert_eq!(interval(Some("soon"), None, 7), None);
        assert_eq!(interval(None, None, 7), None);
    }

    #[test]
    fn s6_gets_its_line_and_the_end_of_the_file() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ReadyFd::take(ours.into_raw_fd()).unwrap().tell().unwrap();
        let mut all = String::new();
        theirs.read_to_string(&mut all).unwrap();
        assert_eq!(all, "\n");
    }

    #[test]
    fn descriptors_that_are_not_for_s6_are_refused() {
        let refused = |fd| ReadyFd::take(fd).unwrap_err().raw_os_error();
        assert_eq!((refused(2), refused(-1)), (Some(libc::EINVAL), Some(libc::EINVAL)));
        assert_eq!(refused(RawFd::MAX), Some(libc::EBADF));
    }
}

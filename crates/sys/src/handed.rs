//! Sockets that the supervisor has bound for us and handed over: systemd's socket activation (sd_listen_fds(3)).
//!
//! The descriptors begin at 3; the environment says how many there are (`LISTEN_FDS`), for whom (`LISTEN_PID`), and what they
//! are called (`LISTEN_FDNAMES`). [`announced`] reads that once, at the start, and takes it out of the environment, so that no
//! program that we start takes it for its own. [`Announced::take`] makes sockets of them later.
//!
//! A process that is split off in between ([`process`](crate::process)) has nothing to do with them: it closes them.

use std::ffi::OsStr;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, Ordering};
use std::{env, io, process};

use libc::c_int;

use crate::fd::{check, set_cloexec, set_nonblocking};
use crate::socket;
use crate::udp::UdpSocket;

/// The first descriptor (`SD_LISTEN_FDS_START`).
const FIRST: RawFd = 3;

/// More are not taken.
pub const SOCKETS_MAX: RawFd = 64;

const VARIABLES: [&str; 3] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// So many are announced and not yet taken: a process that is split off closes them.
static UNTAKEN: AtomicI32 = AtomicI32::new(0);

/// What was announced, and is still to be taken.
#[derive(Debug)]
pub struct Announced {
    names: Vec<String>,
}

/// A socket that was handed over.
#[derive(Debug)]
pub struct Handed {
    /// What the supervisor calls it.
    pub name: String,
    /// Where it is bound.
    pub place: SocketAddr,
    /// Others of ours may be bound there too (`SO_REUSEPORT`).
    pub is_shared: bool,
    /// The socket. It does not block.
    pub socket: HandedSocket,
}

/// What it is for.
#[derive(Debug)]
pub enum HandedSocket {
    /// Datagrams: UDP.
    Datagrams(UdpSocket),
    /// Connections: TCP, and it listens.
    Connections(TcpListener),
}

/// What the environment announces to this process; nothing, if it does not, or to another one. The environment does not say it
/// any more afterwards, and programs that are started do not inherit the descriptors.
///
/// To be called once, before there are threads and before anything is opened.
///
/// # Errors
/// It says something that cannot be.
pub fn announced() -> Result<Announced, HandedError> {
    let [pid, count, names] = VARIABLES.map(env::var_os);
    let announced = read(pid.as_deref(), count.as_deref(), names.as_deref(), process::id());
    for name in VARIABLES {
        // SAFETY: there are no threads yet that could look at the environment meanwhile.
        unsafe { env::remove_var(name) };
    }
    let announced = announced?;
    for fd in FIRST..FIRST + announced.names.len() as RawFd {
        // SAFETY: F_SETFD sets a flag of the descriptor, and fails where there is none.
        check(unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) })
            .map_err(|error| HandedError::Closed(fd, error))?;
    }
    UNTAKEN.store(announced.names.len() as i32, Ordering::Release);
    Ok(announced)
}

/// The names of the sockets, in their order.
fn read(
    pid: Option<&OsStr>,
    count: Option<&OsStr>,
    names: Option<&OsStr>,
    us: u32,
) -> Result<Announced, HandedError> {
    let none = Announced { names: Vec::new() };
    let (Some(pid), Some(count)) = (pid, count) else { return Ok(none) };
    let number = |text: &OsStr| text.to_str().and_then(|text| text.parse::<u32>().ok());
    if number(pid).ok_or(HandedError::Number("LISTEN_PID"))? != us {
        return Ok(none);
    }
    let count = number(count).filter(|count| *count <= SOCKETS_MAX as u32);
    let count = count.ok_or(HandedError::Number("LISTEN_FDS"))? as usize;
    let given = names.and_then(OsStr::to_str).unwrap_or_default();
    let mut given = given.split(':').filter(|name| !name.is_empty());
    // As sd_listen_fds_with_names(3) has it.
    let name = |_| given.next().unwrap_or("unknown").to_owned();
    Ok(Announced { names: (0..count).map(name).collect() })
}

/// For a process that was split off: it has none of these sockets.
pub(crate) fn forsake() {
    for fd in FIRST..FIRST + UNTAKEN.swap(0, Ordering::AcqRel) {
        // SAFETY: nobody in this process has made anything of them that would use or close them.
        unsafe { libc::close(fd) };
    }
}

impl Announced {
    /// Takes them all over.
    ///
    /// # Errors
    /// One of them is nothing that time can be served at.
    pub fn take(self) -> Result<Vec<Handed>, HandedError> {
        UNTAKEN.store(0, Ordering::Release);
        let all: Vec<_> = (FIRST..)
            .zip(self.names)
            // SAFETY: they are open (`announced` has seen that), and by the supervisor's word they are ours alone.
            .map(|(fd, name)| (unsafe { OwnedFd::from_raw_fd(fd) }, name))
            .collect();
        all.into_iter().map(|(fd, name)| Handed::of(fd, name)).collect()
    }
}

impl Handed {
    fn of(fd: OwnedFd, name: String) -> Result<Self, HandedError> {
        let failed = |error: io::Error| HandedError::Unusable(name.clone(), error);
        let get = |name| socket::option(fd.as_fd(), libc::SOL_SOCKET, name);
        let kind = get(libc::SO_TYPE).map_err(|_| HandedError::NoSocket(name.clone()))?;
        let place = socket::local(fd.as_fd()).map_err(failed)?;
        let place = place.ok_or_else(|| HandedError::NoInternet(name.clone()))?;
        if place.is_ipv6() && takes_both(fd.as_fd()).map_err(failed)? {
            return Err(HandedError::BothFamilies(name, place));
        }
        let is_shared = get(libc::SO_REUSEPORT).map_err(failed)? != 0;
        set_cloexec(fd.as_fd()).map_err(failed)?;
        let socket = match (kind, get(libc::SO_ACCEPTCONN).map_err(failed)?) {
            (libc::SOCK_DGRAM, _) => HandedSocket::Datagrams(UdpSocket::adopt(fd, place).map_err(failed)?),
            (libc::SOCK_STREAM, 1) => {
                set_nonblocking(fd.as_fd()).map_err(failed)?;
                HandedSocket::Connections(fd.into())
            }
            _neither => return Err(HandedError::Kind(name, place)),
        };
        Ok(Self { name, place, is_shared, socket })
    }
}

/// Does a socket of IPv6 take IPv4 as well? Then one of IPv4 beside it is impossible.
fn takes_both(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let only: c_int = socket::option(fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY)?;
    Ok(only == 0 && socket::local(fd)?.is_some_and(|place| place.ip().is_unspecified()))
}

/// Why sockets that were handed over cannot be used.
#[derive(Debug)]
pub enum HandedError {
    /// A variable of the environment that should be a number, and not too large a one.
    Number(&'static str),
    /// A descriptor that was announced is not open.
    Closed(RawFd, io::Error),
    /// Not a socket.
    NoSocket(String),
    /// A socket, but not of IPv4 or IPv6.
    NoInternet(String),
    /// IPv6 and IPv4 in one.
    BothFamilies(String, SocketAddr),
    /// Neither of UDP nor one of TCP that listens.
    Kind(String, SocketAddr),
    /// The kernel refuses something.
    Unusable(String, io::Error),
}

impl std::fmt::Display for HandedError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(name) => write!(f, "{name} is no number from 0 to {SOCKETS_MAX}"),
            Self::Closed(fd, error) => write!(f, "descriptor {fd} is announced by LISTEN_FDS, but: {error}"),
            Self::NoSocket(name) => write!(f, "\"{name}\" is no socket"),
            Self::NoInternet(name) => write!(f, "\"{name}\" is no socket of IPv4 or IPv6"),
            Self::BothFamilies(name, place) => {
                write!(f, "\"{name}\" at {place} takes IPv4 too: set BindIPv6Only=ipv6-only in its unit")
            }
            Self::Kind(name, place) => {
                write!(
                    f,
                    "\"{name}\" at {place} is neither of datagrams nor one that listens for connections"
                )
            }
            Self::Unusable(name, error) => write!(f, "\"{name}\": {error}"),
        }
    }
}

impl std::error::Error for HandedError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket as StdUdp;
    use std::os::unix::net::UnixDatagram;

    fn names(pid: &str, count: &str, names: Option<&str>) -> Result<Vec<String>, String> {
        let read = read(Some(pid.as_ref()), Some(count.as_ref()), names.map(OsStr::new), 7);
        read.map(|announced| announced.names).map_err(|error| error.to_string())
    }

    #[test]
    fn the_environment_says_how_many_and_what_they_are_called() {
        assert_eq!(names("7", "2", Some("ntp4:ntp6")), Ok(vec!["ntp4".to_owned(), "ntp6".to_owned()]));
        assert_eq!(names("7", "1", None), Ok(vec!["unknown".to_owned()]));
        assert_eq!(names("7", "2", Some("ntp4")).unwrap()[1], "unknown");
        assert_eq!(names("8", "2", Some("a:b")), Ok(vec![]), "for another process");
        assert_eq!(names("7", "0", None), Ok(vec![]));
        for (pid, count) in [("7", "-1"), ("7", "65"), ("7", "many"), ("x", "1"), ("7", "")] {
            assert!(names(pid, count, None).is_err(), "{pid} {count}");
        }
        assert!(read(None, Some(OsStr::new("3")), None, 7).unwrap().names.is_empty());
    }

    #[test]
    fn a_socket_is_what_it_is_bound_as() {
        let datagrams = StdUdp::bind("127.0.0.1:0").unwrap();
        let place = datagrams.local_addr().unwrap();
        let handed = Handed::of(datagrams.into(), "ntp".to_owned()).unwrap();
        assert_eq!((handed.place, handed.is_shared), (place, false));
        let HandedSocket::Datagrams(socket) = handed.socket else { panic!("{handed:?}") };
        assert_eq!(socket.receive(&mut [0; 4]), Ok(None), "it does not block");
        let connections = TcpListener::bind("127.0.0.1:0").unwrap();
        let handed = Handed::of(connections.into(), "time".to_owned()).unwrap();
        let HandedSocket::Connections(listener) = handed.socket else { panic!("{:?}", handed.place) };
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let shared = UdpSocket::bind_shared("127.0.0.1:0".parse().unwrap()).unwrap();
        let again = shared.as_fd().try_clone_to_owned().unwrap();
        assert!(Handed::of(again, "shared".to_owned()).unwrap().is_shared);
    }

    #[test]
    fn what_cannot_serve_is_refused_by_name() {
        let words = |fd: OwnedFd| Handed::of(fd, "it".to_owned()).unwrap_err().to_string();
        assert_eq!(words(std::fs::File::open("/dev/null").unwrap().into()), "\"it\" is no socket");
        let (one, _other) = UnixDatagram::pair().unwrap();
        assert_eq!(words(one.into()), "\"it\" is no socket of IPv4 or IPv6");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(words(stream.into()).contains("neither of datagrams"));
        if let Ok(both) = StdUdp::bind("[::]:0") {
            assert!(words(both.into()).contains("BindIPv6Only=ipv6-only"));
        }
    }
}

//! chronyc and its kind at the door: the sockets at which they ask how we stand, if the configuration opens any.
//!
//! Whoever can reach a socket may look, and nobody can change anything. Each wake-up hears a limited number of requests and
//! makes one report for all of them; a reply is never longer than its request, and one that cannot be sent is not kept.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr as PathAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use truechimer_core::wire::chrony::REQUEST_MAX;
use truechimer_core::wire::chrony::request::Request;
use truechimer_sys::poll::{Interest, PollSet};
use truechimer_sys::udp::{Destination, SocketError, UdpSocket};

use super::talking::server_counts;
use super::{Daemon, control};
use crate::chrony::View;
use crate::config::Chrony;

/// So many requests are answered at each socket, before others are looked after again.
const REQUESTS_MAX: usize = 16;

/// The sockets.
pub struct Monitor {
    doors: Vec<Door>,
    /// So many requests were heard.
    requests: u64,
}

enum Door {
    /// On the network, most often loopback alone.
    Network(UdpSocket),
    /// In the file system.
    Machine(UnixDatagram, PathBuf),
}

/// Who asked.
enum Asker {
    At(SocketAddr, Option<Destination>),
    Behind(PathAddr),
}

/// A request, the socket that it came to, and who asked.
struct Asked {
    door: usize,
    asker: Asker,
    request: Request,
}

/// Why there is no listening. Completes "cannot listen for chronyc: ..".
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// At an address.
    #[error("cannot listen for chronyc at {place}: {}", remedy(*error))]
    Place {
        /// Where.
        place: SocketAddr,
        /// Why not.
        error: SocketError,
    },
    /// At a path.
    #[error("cannot listen for chronyc at {}: {error}", path.display())]
    Path {
        /// Where.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
}

fn remedy(error: SocketError) -> String {
    let what = match error {
        SocketError::InUse => {
            "; chronyd itself may be running: stop it, or name another port in `[chrony] listen`"
        }
        SocketError::Forbidden => {
            "; a port below 1024 takes root or CAP_NET_BIND_SERVICE: name another one in `[chrony] listen`"
        }
        SocketError::Refused
        | SocketError::Unreachable
        | SocketError::Busy
        | SocketError::TooLong
        | SocketError::Other(_) => "",
    };
    format!("{error}{what}")
}

impl Monitor {
    /// Listens, as long as that may still take privileges. A loopback address that this machine does not have is left out, as
    /// long as there is another; those are told.
    ///
    /// # Errors
    /// A place cannot be listened at.
    pub fn listen(chrony: &Chrony) -> Result<(Self, Vec<SocketAddr>), MonitorError> {
        let (mut doors, mut left_out) = (Vec::new(), Vec::new());
        for &place in &chrony.listen {
            match UdpSocket::bind(place) {
                Ok(socket) => doors.push(Door::Network(socket)),
                Err(error) if place.ip().is_loopback() && is_not_ours(error) && chrony.listen.len() > 1 => {
                    left_out.push(place);
                }
                Err(error) => return Err(MonitorError::Place { place, error }),
            }
        }
        if let Some(path) = &chrony.socket {
            let socket = at_path(path).map_err(|error| MonitorError::Path { path: path.clone(), error })?;
            doors.push(Door::Machine(socket, path.clone()));
        }
        match (doors.is_empty(), left_out.first()) {
            (true, Some(&place)) => Err(MonitorError::Place { place, error: SocketError::Unreachable }),
            (true, None) | (false, _) => Ok((Self { doors, requests: 0 }, left_out)),
        }
    }

    /// Waits for requests. The token tells nothing but that something is ready.
    pub fn register<T: Copy>(&self, poll: &mut PollSet<T>, token: T) {
        for door in &self.doors {
            let fd = match door {
                Door::Network(socket) => socket.as_fd(),
                Door::Machine(socket, _) => socket.as_fd(),
            };
            poll.add(fd, Interest::Read, token);
        }
    }

    /// The requests that have come, of each socket a limited number.
    fn hear(&mut self) -> Vec<Asked> {
        let mut heard = Vec::new();
        for (door, socket) in self.doors.iter().enumerate() {
            for _ in 0..REQUESTS_MAX {
                match socket.receive() {
                    Next::Nothing => break,
                    Next::Nonsense => {}
                    Next::Request(asker, request) => heard.push(Asked { door, asker, request }),
                }
            }
        }
        self.requests += heard.len() as u64;
        heard
    }

    /// Who has gone, or has no room, goes without: chronyc asks again.
    fn reply(&self, asked: &Asked, reply: &[u8]) {
        let _ = match (&self.doors[asked.door], &asked.asker) {
            (Door::Network(socket), Asker::At(to, from)) => {
                socket.send_to(reply, *to, *from).map_err(|error| io::Error::from_raw_os_error(error.errno()))
            }
            (Door::Machine(socket, _), Asker::Behind(path)) => socket.send_to_addr(reply, path).map(drop),
            (Door::Network(_), Asker::Behind(_)) | (Door::Machine(..), Asker::At(..)) => Ok(()),
        };
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        for door in &self.doors {
            if let Door::Machine(_, path) = door {
                // A socket that stays behind does no harm: the next daemon replaces it.
                let _ = fs::remove_file(path);
            }
        }
    }
}

/// What came next at a socket.
enum Next {
    Nothing,
    /// Something that gets no reply, or word of a reply of ours that nobody wanted.
    Nonsense,
    Request(Asker, Request),
}

impl Door {
    fn receive(&self) -> Next {
        // A byte more than is read shows what is too long.
        let mut bytes = [0; REQUEST_MAX + 1];
        let (len, asker) = match self {
            Self::Network(socket) => match socket.receive(&mut bytes) {
                Ok(None) => return Next::Nothing,
                Err(_) => return Next::Nonsense,
                Ok(Some(received)) => (received.len, Asker::At(received.from, received.destination)),
            },
            Self::Machine(socket, _) => match socket.recv_from(&mut bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Next::Nothing,
                Err(_) => return Next::Nonsense,
                Ok((len, from)) => (len, Asker::Behind(from)),
            },
        };
        match Request::parse(&bytes[..len.min(bytes.len())]) {
            Some(request) if asker.can_be_answered() => Next::Request(asker, request),
            Some(_) | None => Next::Nonsense,
        }
    }
}

impl Asker {
    /// Port 0 is nobody's, and nor is a socket without a path.
    fn can_be_answered(&self) -> bool {
        match self {
            Self::At(place, _) => place.port() != 0,
            Self::Behind(path) => path.as_pathname().is_some(),
        }
    }
}

/// The machine has no such address, or no such kind of addresses.
fn is_not_ours(error: SocketError) -> bool {
    matches!(error, SocketError::Unreachable | SocketError::Other(_))
}

/// chronyc puts a socket of its own beside ours, which takes the right to write to the folder: so root's chronyc can, and
/// others can if the folder is theirs too.
fn at_path(path: &Path) -> io::Result<UnixDatagram> {
    control::clear_the_way(path, |path| UnixDatagram::unbound()?.connect(path))?;
    let socket = UnixDatagram::bind(path)?;
    socket.set_nonblocking(true)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
    Ok(socket)
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sockets, {} requests", self.doors.len(), self.requests)
    }
}

impl Daemon {
    /// Answers those who have asked how we stand.
    pub(super) fn show(&mut self) {
        let Some(monitor) = &mut self.monitor else { return };
        let heard = monitor.hear();
        let requests = monitor.requests;
        if heard.is_empty() {
            return;
        }
        let report = self.node.report(&self.now());
        let view = View { report, server: self.service.as_ref().map(server_counts), requests };
        let Some(monitor) = &self.monitor else { return };
        for asked in &heard {
            monitor.reply(asked, &view.answer(&asked.request));
        }
    }
}

#[cfg(test)]
mod tests;

//! Who is at the other end of a local socket.

use std::io;
use std::os::fd::AsFd;

use crate::socket;

/// The process that connected, as the kernel saw it at that moment (SO_PEERCRED, unix(7)). It cannot be forged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Its effective user.
    pub uid: u32,
    /// Its effective group.
    pub gid: u32,
    /// Its process. It may be gone, and its number in use by another.
    pub pid: i32,
}

/// The process at the other end of a connected unix socket.
pub fn credentials(socket: impl AsFd) -> io::Result<Credentials> {
    let ucred = socket::peer(socket.as_fd())?;
    Ok(Credentials { uid: ucred.uid, gid: ucred.gid, pid: ucred.pid })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn the_other_end_of_our_own_pair_is_ourselves() {
        let (near, _far) = UnixStream::pair().unwrap();
        assert_eq!(credentials(&near).unwrap().pid as u32, std::process::id());
    }

    #[test]
    fn what_is_no_socket_has_no_peer() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(credentials(&file).unwrap_err().raw_os_error(), Some(libc::ENOTSOCK));
    }
}

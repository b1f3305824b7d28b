//! A second process of the same program, and the messages between the two.
//!
//! It is made by `fork` before there are threads, so that the process that reads the network and the process that
//! sets the clock can each give up what the other needs. It dies with its parent. Left out where a harness stands
//! in for libc.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitStatus;

use libc::{c_int, c_ulong, pid_t};

use crate::control::Control;
use crate::fd::{check, set_cloexec, set_nonblocking};
use crate::handed;
use crate::socket;

/// The longest message between two processes, in bytes.
pub const MESSAGE_MAX: usize = 4096;

/// How a child ends that panicked: "the system failed".
const PANICKED: c_int = 111;

/// One end of a connection that carries whole messages in order (SOCK_SEQPACKET, unix(7)).
#[derive(Debug)]
pub struct Channel {
    fd: OwnedFd,
}

/// What was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// A message that fills so many bytes of the buffer; never none.
    Whole(usize),
    /// The other end is closed.
    End,
}

impl Channel {
    /// Two connected ends. Both wait in `send` and `receive`.
    pub fn pair() -> io::Result<(Self, Self)> {
        let mut ends = [-1; 2];
        // SAFETY: the kernel writes two ints to an array of two.
        check(unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_SEQPACKET, 0, ends.as_mut_ptr()) })?;
        // SAFETY: the kernel has just opened both, and nobody else knows them.
        let (near, far) = unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) };
        set_cloexec(near.as_fd())?;
        set_cloexec(far.as_fd())?;
        Ok((Self { fd: near }, Self { fd: far }))
    }

    /// From now on `send` and `receive` fail with `WouldBlock` instead of waiting.
    pub fn set_nonblocking(&self) -> io::Result<()> {
        set_nonblocking(self.as_fd())
    }

    /// Sends one message of 1 to [`MESSAGE_MAX`] bytes, whole or not at all.
    pub fn send(&self, message: &[u8]) -> io::Result<()> {
        if message.is_empty() || message.len() > MESSAGE_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a message has 1 to 4096 bytes"));
        }
        socket::send(self.as_fd(), message, None, &Control::new()).map(drop)
    }

    /// Receives one message. One that is longer than `into` is lost and an error (`InvalidData`); a signal that comes
    /// while waiting is one too (`Interrupted`), so that its flag can be looked at.
    pub fn receive(&self, into: &mut [u8]) -> io::Result<Message> {
        let arrival = socket::receive(self.as_fd(), into, &mut Control::new(), 0)?;
        match (arrival.truncated, arrival.len) {
            (true, _) => Err(io::Error::new(io::ErrorKind::InvalidData, "a message longer than agreed")),
            (false, 0) => Ok(Message::End),
            (false, len) => Ok(Message::Whole(len)),
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A second process of this program. When this value goes, it is killed.
#[derive(Debug)]
pub struct Child {
    /// The connection to it, which never waits.
    pub channel: Channel,
    pid: pid_t,
    ended: Option<ExitStatus>,
}

/// Starts a second process that runs `life` with its end of the connection, and exits with what that returns (111 if
/// it panics). It is killed when the parent dies, unless it chooses to [`outlive_parent`].
///
/// To be called before any thread is started: of a process with threads, a fork copies one, and every lock that the
/// others hold. Where `/proc` can tell that there are threads, that is an error.
pub fn spawn_child(life: impl FnOnce(Channel) -> i32) -> io::Result<Child> {
    if has_threads() {
        return Err(io::Error::other("a process with threads cannot be split in two"));
    }
    let (ours, theirs) = Channel::pair()?;
    ours.set_nonblocking()?;
    let parent = std::process::id() as pid_t;
    // SAFETY: there is one thread, so the child has all of the process, and no lock is held by a thread it lacks.
    match check(unsafe { libc::fork() })? {
        0 => {
            drop(ours);
            let status = live(parent, || life(theirs));
            // SAFETY: takes a number. Nothing of the parent's (buffers, exit handlers) is run a second time.
            unsafe { libc::_exit(status) }
        }
        pid => Ok(Child { channel: ours, pid, ended: None }),
    }
}

/// The life of a child, which ends in a number whatever happens.
fn live(parent: pid_t, life: impl FnOnce() -> i32) -> c_int {
    if die_with_parent().is_err() || parent_is_gone(parent) {
        return PANICKED;
    }
    handed::forsake();
    panic::catch_unwind(AssertUnwindSafe(life)).unwrap_or(PANICKED)
}

/// The parent may have died before the child asked to die with it.
fn parent_is_gone(parent: pid_t) -> bool {
    // SAFETY: getppid takes nothing and cannot fail.
    unsafe { libc::getppid() != parent }
}

/// Asks the kernel to kill this process when the thread that made it is gone.
pub(crate) fn die_with_parent() -> io::Result<()> {
    // SAFETY: takes numbers.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as c_ulong) }).map(drop)
}

/// For a child that has something to put right when its parent has died: it is not killed with it. It learns of the
/// end by its channel ([`Message::End`]), and is to end then by itself.
pub fn outlive_parent() -> io::Result<()> {
    let none: c_ulong = 0;
    // SAFETY: takes numbers.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, none) }).map(drop)
}

/// Was that asked for, and not forgotten?
pub(crate) fn dies_with_parent() -> io::Result<bool> {
    let mut signal: c_int = 0;
    // SAFETY: the kernel writes one int to the address of ours.
    check(unsafe { libc::prctl(libc::PR_GET_PDEATHSIG, &raw mut signal) })?;
    Ok(signal == libc::SIGKILL)
}

fn has_threads() -> bool {
    std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() > 1)
}

impl Child {
    /// The number of the process.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Waits for its end, through interruptions.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        loop {
            match self.reap(0) {
                Ok(Some(status)) => return Ok(status),
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                Ok(None) | Err(_) => {}
            }
        }
    }

    /// How it ended, if it has.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.reap(libc::WNOHANG)
    }

    /// Kills it, unless it has ended.
    pub fn kill(&mut self) -> io::Result<()> {
        if self.try_wait()?.is_some() {
            return Ok(());
        }
        // SAFETY: takes numbers; the process is not waited for yet, so its number is still its own.
        check(unsafe { libc::kill(self.pid, libc::SIGKILL) }).map(drop)
    }

    fn reap(&mut self, flags: c_int) -> io::Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            let mut status = 0;
            // SAFETY: the kernel writes one int to the address of ours.
            let reaped = check(unsafe { libc::waitpid(self.pid, &raw mut status, flags) })?;
            self.ended = (reaped == self.pid).then(|| ExitStatus::from_raw(status));
        }
        Ok(self.ended)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // There is nobody to tell of a failure, and none to be expected of a child that is still ours.
        let _ended = self.kill().and_then(|()| self.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_stay_whole_and_in_order() {
        let (near, far) = Channel::pair().unwrap();
        near.send(b"one").unwrap();
        near.send(&[7; MESSAGE_MAX]).unwrap();
        let mut bytes = [0; MESSAGE_MAX];
        assert_eq!(far.receive(&mut bytes).unwrap(), Message::Whole(3));
        assert_eq!(&bytes[..3], b"one");
        assert_eq!(far.receive(&mut bytes).unwrap(), Message::Whole(MESSAGE_MAX));
    }

    #[test]
    fn the_end_is_told() {
        let (near, far) = Channel::pair().unwrap();
        near.send(b"last").unwrap();
        drop(near);
        assert_eq!(far.receive(&mut [0; 8]).unwrap(), Message::Whole(4));
        assert_eq!(far.receive(&mut [0; 8]).unwrap(), Message::End);
        assert_eq!(far.send(b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn messages_that_are_none_or_too_long_are_refused() {
        let (near, far) = Channel::pair().unwrap();
        for bad in [&[][..], &[0; MESSAGE_MAX + 1]] {
            assert_eq!(near.send(bad).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        near.send(&[0; 9]).unwrap();
        assert_eq!(far.receive(&mut [0; 8]).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn an_end_that_does_not_wait_says_so() {
        let (near, _far) = Channel::pair().unwrap();
        near.set_nonblocking().unwrap();
        assert_eq!(near.receive(&mut [0; 8]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    /// On a thread of its own, since it belongs to the thread.
    #[test]
    fn who_is_to_die_with_his_parent_can_choose_to_outlive_it() {
        let dies_before_and_after = || {
            die_with_parent().unwrap();
            let before = dies_with_parent().unwrap();
            outlive_parent().unwrap();
            (before, dies_with_parent().unwrap())
        };
        assert_eq!(std::thread::spawn(dies_before_and_after).join().unwrap(), (true, false));
    }

    #[test]
    fn a_process_with_threads_is_not_split() {
        let idle = std::thread::spawn(std::thread::park);
        assert!(spawn_child(|_| 0).is_err());
        idle.thread().unpark();
        idle.join().unwrap();
    }
}

//! Sleeping until something happens: `poll(2)` over a set of descriptors.
//!
//! The loop of a daemon fills the set, waits, and looks at what is ready; then it clears the set and begins again.
//! The memory is kept, so that a loop that has warmed up allocates nothing. Never `ppoll` or epoll: the harnesses
//! that carry the daemon through simulated time know `poll` alone.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use libc::{c_int, c_short, pollfd};
use truechimer_time::Span;

use crate::fd::check;

/// The longest that one wait lasts, whatever is asked for.
pub const WAIT_MAX: Span = Span::from_secs(60);

const ATTOS_PER_MILLI: i128 = 1_000_000_000_000_000;

/// What to wait for on a descriptor. Errors and hang-ups are always told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Something can be read, or a transmit stamp waits in the error queue.
    Read,
    /// Something can be written.
    Write,
    /// Either.
    ReadWrite,
}

/// Descriptors to wait for, each with a token by which its owner knows it again.
#[derive(Debug)]
pub struct PollSet<T> {
    entries: Vec<pollfd>,
    tokens: Vec<T>,
    cap: Span,
}

impl<T: Copy> PollSet<T> {
    /// An empty set, of which one wait lasts at most [`WAIT_MAX`].
    pub fn new() -> Self {
        Self::with_cap(WAIT_MAX)
    }

    /// An empty set, of which one wait lasts at most `cap`, so that a flag set by a signal handler is seen in time
    /// where no signal can interrupt the wait.
    pub fn with_cap(cap: Span) -> Self {
        Self { entries: Vec::new(), tokens: Vec::new(), cap: cap.min(WAIT_MAX) }
    }

    /// Forgets all descriptors and keeps the memory.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.tokens.clear();
    }

    /// Waits for this descriptor too, until [`clear`](Self::clear). It is to stay open until then: of a closed one
    /// the next wait tells that it is [`gone`](Event::gone).
    pub fn add(&mut self, fd: BorrowedFd<'_>, interest: Interest, token: T) {
        self.entries.push(pollfd { fd: fd.as_raw_fd(), events: interest.bits(), revents: 0 });
        self.tokens.push(token);
    }

    /// Sleeps until a descriptor is ready, a signal comes, or `timeout` is over: rounded up to a millisecond, so that
    /// a deadline is past after the wait, and cut to the cap of the set. Without a time-out it sleeps for the cap.
    ///
    /// A signal is not an error: nothing is ready then, and [`Ready::interrupted`] says why.
    pub fn wait(&mut self, timeout: Option<Span>) -> io::Result<Ready<'_, T>> {
        let millis = millis_up(timeout.unwrap_or(self.cap).min(self.cap));
        match poll(&mut self.entries, millis) {
            Ok(()) => Ok(Ready { set: self, next: 0, interrupted: false }),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                Ok(Ready { next: self.entries.len(), set: self, interrupted: true })
            }
            Err(error) => Err(error),
        }
    }
}

impl<T: Copy> Default for PollSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl Interest {
    /// `POLLPRI` comes with a transmit stamp where `SO_SELECT_ERR_QUEUE` is set.
    const fn bits(self) -> c_short {
        match self {
            Self::Read => libc::POLLIN | libc::POLLPRI,
            Self::Write => libc::POLLOUT,
            Self::ReadWrite => libc::POLLIN | libc::POLLPRI | libc::POLLOUT,
        }
    }
}

/// What was ready at the end of a wait: an iterator over [`Event`]s.
#[derive(Debug)]
pub struct Ready<'a, T> {
    set: &'a PollSet<T>,
    next: usize,
    interrupted: bool,
}

impl<T> Ready<'_, T> {
    /// Did a signal end the wait?
    pub fn interrupted(&self) -> bool {
        self.interrupted
    }
}

impl<T: Copy> Iterator for Ready<'_, T> {
    type Item = Event<T>;

    fn next(&mut self) -> Option<Event<T>> {
        while let Some(entry) = self.set.entries.get(self.next) {
            let token = self.set.tokens[self.next];
            self.next += 1;
            if entry.revents != 0 {
                return Some(Event { token, bits: entry.revents });
            }
        }
        None
    }
}

/// What is to be done with one descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<T> {
    /// The token it was added with.
    pub token: T,
    bits: c_short,
}

impl<T> Event<T> {
    /// Something can be read, or the other end has hung up and reading says so.
    pub fn readable(&self) -> bool {
        self.bits & (libc::POLLIN | libc::POLLHUP) != 0
    }

    /// Something can be written.
    pub fn writable(&self) -> bool {
        self.bits & libc::POLLOUT != 0
    }

    /// The error queue holds a transmit stamp, or the descriptor has failed: drain the first, then read to be told
    /// of the second.
    pub fn exceptional(&self) -> bool {
        self.bits & (libc::POLLERR | libc::POLLPRI) != 0
    }

    /// The descriptor is not open. To wait for it again would return at once, for ever.
    pub fn gone(&self) -> bool {
        self.bits & libc::POLLNVAL != 0
    }
}

/// Whole milliseconds, not less than the span; at least none and at most a minute.
fn millis_up(span: Span) -> c_int {
    let attos = span.clamp(Span::ZERO, WAIT_MAX).as_attos();
    ((attos + ATTOS_PER_MILLI - 1) / ATTOS_PER_MILLI) as c_int
}

fn poll(entries: &mut [pollfd], millis: c_int) -> io::Result<()> {
    // SAFETY: the kernel reads and writes as many pollfds as we say, and the slice has as many.
    check(unsafe { libc::poll(entries.as_mut_ptr(), entries.len() as libc::nfds_t, millis) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn time_outs_are_rounded_up_and_capped() {
        assert_eq!(millis_up(Span::ZERO), 0);
        assert_eq!(millis_up(Span::from_attos(1)), 1);
        assert_eq!(millis_up(Span::from_millis(7)), 7);
        assert_eq!(millis_up(Span::from_nanos(7_000_001)), 8);
        assert_eq!(millis_up(Span::MIN), 0);
        assert_eq!(millis_up(Span::MAX), 60_000);
    }

    #[test]
    fn a_wait_without_events_lasts_as_long_as_asked() {
        let mut set = PollSet::<()>::new();
        let before = clock::mono();
        assert_eq!(set.wait(Some(Span::from_micros(20_500))).unwrap().count(), 0);
        assert!(clock::mono() - before >= Span::from_micros(20_500));
    }

    #[test]
    fn a_cap_ends_a_wait_for_ever() {
        let mut set = PollSet::<()>::with_cap(Span::from_millis(10));
        let before = clock::mono();
        assert!(!set.wait(None).unwrap().interrupted());
        assert!(set.wait(Some(Span::MAX)).unwrap().next().is_none());
        let waited = clock::mono() - before;
        assert!(waited >= Span::from_millis(20) && waited < Span::from_secs(10), "{waited:?}");
    }

    #[test]
    fn ready_descriptors_are_told_by_their_tokens() {
        let (mut near, far) = UnixStream::pair().unwrap();
        let (quiet, _its_peer) = UnixStream::pair().unwrap();
        near.write_all(b"x").unwrap();
        let mut set = PollSet::new();
        set.add(quiet.as_fd(), Interest::Read, 1);
        set.add(far.as_fd(), Interest::Read, 2);
        set.add(near.as_fd(), Interest::Write, 3);
        let events: Vec<_> = set.wait(None).unwrap().collect();
        assert_eq!(
            events.iter().map(|e| (e.token, e.readable(), e.writable())).collect::<Vec<_>>(),
            [(2, true, false), (3, false, true)]
        );
        assert!(events.iter().all(|e| !e.exceptional() && !e.gone()));
    }

    #[test]
    fn a_peer_that_hangs_up_makes_readable() {
        let (near, far) = UnixStream::pair().unwrap();
        drop(near);
        let mut set = PollSet::new();
        set.add(far.as_fd(), Interest::Read, ());
        assert!(set.wait(None).unwrap().next().unwrap().readable());
    }

    #[test]
    fn a_cleared_set_keeps_its_memory_and_nothing_else() {
        let (near, _far) = UnixStream::pair().unwrap();
        let mut set = PollSet::new();
        set.add(near.as_fd(), Interest::ReadWrite, ());
        let room = set.entries.capacity();
        set.clear();
        assert_eq!(set.wait(Some(Span::ZERO)).unwrap().count(), 0);
        assert_eq!(set.entries.capacity(), room);
    }

    #[test]
    fn a_descriptor_that_is_not_open_is_gone() {
        let mut set = PollSet::new();
        set.entries.push(pollfd { fd: c_int::MAX, events: Interest::Read.bits(), revents: 0 });
        set.tokens.push(());
        let event = set.wait(None).unwrap().next().unwrap();
        assert!(event.gone() && !event.readable());
    }
}

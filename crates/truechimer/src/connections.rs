//! Connections of clients of TIME that have got their answer and are to go.
//!
//! A connection that is closed while something unread waits is reset, and a reset may overtake the answer; so after the
//! answer only our half is closed, and what the client says is read into nothing until it closes too. That lasts for
//! two seconds at most. There is a bound of their number, at which the oldest goes: it has its answer.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};

use truechimer_time::{Mono, Span, Time};

/// So many connections there are at most.
const CONNECTIONS_MAX: usize = 128;

/// So many are accepted before others have their turn.
const ACCEPTED_MAX: usize = 64;

/// So long a client may take to go.
const PATIENCE: Span = Span::from_secs(2);

/// So much a client may say, in bytes.
const SAID_MAX: usize = 4096;

/// When the system has no room for more connections, they wait in the kernel for so long.
const PAUSE: Span = Span::from_secs(1);

/// Those that are there.
#[derive(Debug, Default)]
pub struct Connections {
    /// The oldest first.
    parting: VecDeque<Parting>,
    /// Nobody is accepted before.
    paused: Option<Time<Mono>>,
}

#[derive(Debug)]
struct Parting {
    stream: TcpStream,
    ends: Time<Mono>,
    said: usize,
}

impl Connections {
    /// Accepts who waits, and tells each of them what is `told` him; or nothing.
    pub fn accept(
        &mut self,
        listener: &TcpListener,
        mut told: impl FnMut(SocketAddr) -> Option<Vec<u8>>,
        now: Time<Mono>,
    ) {
        for _ in 0..ACCEPTED_MAX {
            match listener.accept() {
                Ok((stream, from)) => self.tell(stream, told(from).as_deref(), now),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // No descriptors or no memory (EMFILE, ENOBUFS); or a client that has gone already.
                Err(_) => {
                    self.paused = Some(now + PAUSE);
                    return;
                }
            }
        }
    }

    fn tell(&mut self, mut stream: TcpStream, told: Option<&[u8]>, now: Time<Mono>) {
        // An answer of a few bytes goes into an empty buffer at once; from whom it does not, it is withheld.
        let Some(told) = told else { return };
        let answered = stream.set_nonblocking(true).and_then(|()| stream.write_all(told));
        if answered.and_then(|()| stream.shutdown(Shutdown::Write)).is_err() {
            return;
        }
        if self.parting.len() >= CONNECTIONS_MAX {
            self.parting.pop_front();
        }
        self.parting.push_back(Parting { stream, ends: now + PATIENCE, said: 0 });
    }

    /// May clients be accepted now?
    pub fn accepts(&self, now: Time<Mono>) -> bool {
        self.paused.is_none_or(|until| until <= now)
    }

    /// To be watched.
    pub fn streams(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.parting.iter().map(|parting| parting.stream.as_fd())
    }

    /// When to look again if nothing happens.
    pub fn deadline(&self) -> Option<Time<Mono>> {
        self.parting.front().map(|oldest| oldest.ends).into_iter().chain(self.paused).min()
    }

    /// Lets those go that have gone, or whose time is over.
    pub fn part(&mut self, now: Time<Mono>) {
        self.paused = self.paused.filter(|until| now < *until);
        self.parting.retain_mut(|parting| now < parting.ends && parting.is_there());
    }
}

impl Parting {
    /// Reads what is there. Has it not closed, and not said too much?
    fn is_there(&mut self) -> bool {
        let mut nothing = [0; 1024];
        while self.said <= SAID_MAX {
            match self.stream.read(&mut nothing) {
                Ok(0) => return false,
                Ok(more) => self.said += more,
                Err(error) => return matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use truechimer_sys::tcp;

    const NOW: Time<Mono> = Time::EPOCH;

    fn listener() -> TcpListener {
        tcp::listen((Ipv4Addr::LOCALHOST, 0).into()).expect("loopback has a free port")
    }

    fn client(listener: &TcpListener) -> TcpStream {
        TcpStream::connect(listener.local_addr().expect("it is bound")).expect("it listens")
    }

    fn heard(mut client: TcpStream) -> Vec<u8> {
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).expect("an end without a reset");
        heard
    }

    #[test]
    fn a_client_gets_its_answer_also_if_it_says_something() {
        let (listener, mut connections) = (listener(), Connections::default());
        let mut client = client(&listener);
        client.write_all(b"hello\r\n").unwrap();
        connections.accept(&listener, |_| Some(b"time".to_vec()), NOW);
        connections.part(NOW);
        assert_eq!(connections.streams().count(), 1);
        assert_eq!(heard(client), b"time");
    }

    #[test]
    fn bad_input_88_who_does_not_go_is_sent_away_after_two_seconds() {
        let (listener, mut connections) = (listener(), Connections::default());
        let client = client(&listener);
        connections.accept(&listener, |_| Some(b"time".to_vec()), NOW);
        connections.part(NOW + PATIENCE - Span::from_attos(1));
        assert_eq!((connections.streams().count(), connections.deadline()), (1, Some(NOW + PATIENCE)));
        connections.part(NOW + PATIENCE);
        assert_eq!((connections.streams().count(), connections.deadline()), (0, None));
        drop(client);
    }

    #[test]
    fn bad_input_88_connections_are_few_and_each_gets_its_answer() {
        let (listener, mut connections) = (listener(), Connections::default());
        let mut clients = Vec::new();
        for _ in 0..2 * CONNECTIONS_MAX {
            clients.push(client(&listener));
            connections.accept(&listener, |_| Some(b"time".to_vec()), NOW);
            assert!(connections.streams().count() <= CONNECTIONS_MAX);
        }
        assert!(clients.into_iter().all(|client| heard(client) == b"time"));
    }

    #[test]
    fn who_talks_without_end_is_sent_away() {
        let (listener, mut connections) = (listener(), Connections::default());
        let mut client = client(&listener);
        connections.accept(&listener, |_| Some(b"time".to_vec()), NOW);
        client.write_all(&[0; 2 * SAID_MAX]).unwrap();
        while connections.streams().count() > 0 {
            connections.part(NOW);
        }
    }

    #[test]
    fn who_is_told_nothing_is_sent_away_at_once() {
        let (listener, mut connections) = (listener(), Connections::default());
        let client = client(&listener);
        connections.accept(&listener, |_| None, NOW);
        assert_eq!(connections.streams().count(), 0);
        assert_eq!(heard(client), b"");
    }
}

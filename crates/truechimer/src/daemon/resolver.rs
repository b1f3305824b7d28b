//! Looking up names without keeping the clock waiting: `getaddrinfo` blocks, so a thread of its own calls it.
//!
//! The thread begins with the first name and never before, so that a daemon that knows its sources by address has one
//! thread. Under a simulator, which carries no threads, names are looked up in place.

use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::mpsc::{self, Receiver, Sender};
use std::{io, thread};

use truechimer_core::node::Input;
use truechimer_core::source::SourceId;
use truechimer_core::source::association::ADDRESSES_MAX;
use truechimer_sys::udp::UdpSocket;
use truechimer_sys::wake::{self, Waker, Wakeups};

use crate::config::Placed;

/// What is looked up for a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Name {
    /// What `getaddrinfo` is asked for.
    pub host: String,
    /// The UDP port.
    pub port: u16,
    /// It is the name of a pool: addresses of our own, and those to which there is no way, are left out.
    pub is_pool: bool,
}

impl Name {
    /// Of the source at a place.
    pub fn of(place: &Placed<'_>) -> Self {
        let (host, port) = place.source.address.host_and_port();
        Self { host, port, is_pool: place.number.is_some() }
    }
}

/// Looks up the names of sources.
pub struct Resolver {
    names: Vec<Name>,
    helper: Option<Helper>,
    in_place: bool,
}

struct Helper {
    questions: Sender<(SourceId, Name)>,
    answers: Receiver<(SourceId, Name, Vec<SocketAddr>)>,
    wakeups: Wakeups,
}

impl Resolver {
    /// A resolver for the sources' names, by their places.
    pub fn new(names: Vec<Name>, in_place: bool) -> Self {
        Self { names, helper: None, in_place }
    }

    /// The sources are others from now on. What is still being looked up for one that is gone is dropped.
    pub fn rename(&mut self, names: Vec<Name>) {
        self.names = names;
    }

    /// Asks for the addresses of a source. The answer is returned, if it has not to be waited for; else it is among the
    /// [`Resolver::answers`] later.
    pub fn ask(&mut self, source: SourceId) -> io::Result<Option<Input>> {
        let Some(name) = self.names.get(source.index()) else {
            return Ok(Some(Input::Resolved { source, addresses: Vec::new() }));
        };
        if self.in_place {
            let name = Name { is_pool: false, ..name.clone() };
            return Ok(Some(Input::Resolved { source, addresses: look_up(&name) }));
        }
        let name = name.clone();
        let helper = match self.helper.take() {
            Some(helper) => helper,
            None => Helper::start()?,
        };
        let sent = helper.questions.send((source, name)).is_ok();
        self.helper = Some(helper);
        Ok((!sent).then_some(Input::Resolved { source, addresses: Vec::new() }))
    }

    /// What to wait for, if anything.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.helper.as_ref().map(|helper| helper.wakeups.as_fd())
    }

    /// What has been found since.
    pub fn answers(&self) -> Vec<Input> {
        let Some(helper) = &self.helper else { return Vec::new() };
        helper.wakeups.drain();
        let is_wanted = |source: SourceId, name: &Name| self.names.get(source.index()) == Some(name);
        let found = helper.answers.try_iter().filter(|(source, name, _)| is_wanted(*source, name));
        found.map(|(source, _, addresses)| Input::Resolved { source, addresses }).collect()
    }
}

impl Helper {
    fn start() -> io::Result<Self> {
        let (questions, asked) = mpsc::channel();
        let (found, answers) = mpsc::channel();
        let (waker, wakeups) = wake::channel()?;
        thread::Builder::new()
            .name("resolver".into())
            .stack_size(256 * 1024)
            .spawn(move || answer_all(&asked, &found, &waker))?;
        Ok(Self { questions, answers, wakeups })
    }
}

/// The thread's life: it ends with the daemon's ends of the channels.
fn answer_all(
    asked: &Receiver<(SourceId, Name)>,
    found: &Sender<(SourceId, Name, Vec<SocketAddr>)>,
    waker: &Waker,
) {
    for (source, name) in asked {
        let addresses = look_up(&name);
        if found.send((source, name, addresses)).is_err() {
            return;
        }
        waker.wake();
    }
}

/// No addresses: the name has none, or cannot be looked up now. Both are tried again later.
fn look_up(name: &Name) -> Vec<SocketAddr> {
    let found = (name.host.as_str(), name.port).to_socket_addrs();
    let all = found.into_iter().flatten();
    match name.is_pool {
        true => all.filter(|address| is_others(*address)).take(ADDRESSES_MAX).collect(),
        false => all.take(ADDRESSES_MAX).collect(),
    }
}

/// Is there a way to it that does not end in this machine? A socket that is connected, but never sends, knows where it
/// would leave from: from that very address, if it is our own.
fn is_others(address: SocketAddr) -> bool {
    let here = UdpSocket::connect(address).and_then(|socket| socket.local_address());
    here.is_ok_and(|here| here.ip() != address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;
    use truechimer_sys::poll::{Interest, PollSet};
    use truechimer_time::Span;

    fn names() -> Vec<Name> {
        let name = |host: &str| Name { host: host.to_owned(), port: 123, is_pool: false };
        vec![name("127.0.0.1"), name("no such name.invalid")]
    }

    /// What is heard within twenty seconds.
    fn answers(resolver: &Resolver) -> Vec<Input> {
        let mut poll = PollSet::new();
        poll.add(resolver.fd().expect("something to wait for"), Interest::Read, ());
        assert_eq!(poll.wait(Some(Span::from_secs(20))).expect("poll works").count(), 1);
        resolver.answers()
    }

    #[test]
    fn an_answer_wakes_the_loop() {
        let mut resolver = Resolver::new(names(), false);
        assert!(resolver.fd().is_none(), "no thread before the first question");
        assert_eq!(resolver.ask(SourceId(0)).expect("a thread starts"), None);
        let addresses = vec!["127.0.0.1:123".parse().expect("an address")];
        assert_eq!(answers(&resolver), [Input::Resolved { source: SourceId(0), addresses }]);
    }

    #[test]
    fn a_name_that_is_none_has_no_addresses() {
        let mut resolver = Resolver::new(names(), true);
        let found = resolver.ask(SourceId(1)).expect("looked up in place");
        assert_eq!(found, Some(Input::Resolved { source: SourceId(1), addresses: Vec::new() }));
    }

    /// Of a pool of our own network we may be one.
    #[test]
    fn bad_input_135_our_own_address_is_no_server_of_a_pool() {
        let name = |host: &str| Name { host: host.to_owned(), port: 123, is_pool: true };
        let mut resolver = Resolver::new(vec![name("127.0.0.1"), name("127.1.0.1")], false);
        resolver.ask(SourceId(0)).expect("a thread starts");
        assert_eq!(answers(&resolver), [Input::Resolved { source: SourceId(0), addresses: vec![] }]);
        resolver.ask(SourceId(1)).expect("it goes on");
        let addresses = vec!["127.1.0.1:123".parse().expect("an address")];
        assert_eq!(answers(&resolver), [Input::Resolved { source: SourceId(1), addresses }]);
    }

    #[test]
    fn what_was_asked_for_a_source_that_is_gone_is_dropped() {
        let mut resolver = Resolver::new(names(), false);
        resolver.ask(SourceId(0)).expect("a thread starts");
        resolver.rename(vec![Name { host: "127.0.0.2".into(), ..names()[0].clone() }]);
        assert_eq!(answers(&resolver), []);
        resolver.ask(SourceId(0)).expect("it goes on");
        assert_eq!(answers(&resolver).len(), 1);
    }
}

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
use truechimer_sys::wake::{self, Waker, Wakeups};

/// Looks up the names of sources.
pub struct Resolver {
    names: Vec<(String, u16)>,
    helper: Option<Helper>,
    in_place: bool,
}

struct Helper {
    questions: Sender<SourceId>,
    answers: Receiver<Input>,
    wakeups: Wakeups,
}

impl Resolver {
    /// A resolver for the sources' names and ports, by their places.
    pub fn new(names: Vec<(String, u16)>, in_place: bool) -> Self {
        Self { names, helper: None, in_place }
    }

    /// Asks for the addresses of a source. The answer is returned, if it has to be waited for; else it is among the
    /// [`Resolver::answers`] later.
    pub fn ask(&mut self, source: SourceId) -> io::Result<Option<Input>> {
        if self.in_place {
            return Ok(Some(look_up(&self.names, source)));
        }
        if self.helper.is_none() {
            self.helper = Some(Helper::start(self.names.clone())?);
        }
        let sent = self.helper.as_ref().is_some_and(|helper| helper.questions.send(source).is_ok());
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
        helper.answers.try_iter().collect()
    }
}

impl Helper {
    fn start(names: Vec<(String, u16)>) -> io::Result<Self> {
        let (questions, asked) = mpsc::channel();
        let (found, answers) = mpsc::channel();
        let (waker, wakeups) = wake::channel()?;
        thread::Builder::new()
            .name("resolver".into())
            .stack_size(256 * 1024)
            .spawn(move || answer_all(&names, &asked, &found, &waker))?;
        Ok(Self { questions, answers, wakeups })
    }
}

/// The thread's life: it ends with the daemon's ends of the channels.
fn answer_all(names: &[(String, u16)], asked: &Receiver<SourceId>, found: &Sender<Input>, waker: &Waker) {
    for source in asked {
        if found.send(look_up(names, source)).is_err() {
            return;
        }
        waker.wake();
    }
}

/// No addresses: the name has none, or cannot be looked up now. Both are tried again later.
fn look_up(names: &[(String, u16)], source: SourceId) -> Input {
    let found = names.get(source.index()).map(|(name, port)| (name.as_str(), *port).to_socket_addrs());
    let addresses: Vec<SocketAddr> = match found {
        Some(Ok(addresses)) => addresses.take(ADDRESSES_MAX).collect(),
        Some(Err(_)) | None => Vec::new(),
    };
    Input::Resolved { source, addresses }
}

#[cfg(test)]
mod tests {
    use super::*;
    use truechimer_sys::poll::{Interest, PollSet};
    use truechimer_time::Span;

    fn names() -> Vec<(String, u16)> {
        vec![("127.0.0.1".into(), 123), ("no such name.invalid".into(), 123)]
    }

    #[test]
    fn an_answer_wakes_the_loop() {
        let mut resolver = Resolver::new(names(), false);
        assert!(resolver.fd().is_none(), "no thread before the first question");
        assert_eq!(resolver.ask(SourceId(0)).expect("a thread starts"), None);
        let mut poll = PollSet::new();
        poll.add(resolver.fd().expect("something to wait for"), Interest::Read, ());
        assert_eq!(poll.wait(Some(Span::from_secs(20))).expect("poll works").count(), 1);
        let addresses = vec!["127.0.0.1:123".parse().expect("an address")];
        assert_eq!(resolver.answers(), [Input::Resolved { source: SourceId(0), addresses }]);
    }

    #[test]
    fn a_name_that_is_none_has_no_addresses() {
        let mut resolver = Resolver::new(names(), true);
        let found = resolver.ask(SourceId(1)).expect("looked up in place");
        assert_eq!(found, Some(Input::Resolved { source: SourceId(1), addresses: Vec::new() }));
    }
}

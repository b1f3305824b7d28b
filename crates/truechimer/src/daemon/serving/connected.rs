//! TIME by TCP: a thread tells the second to who makes a connection, and lets him go.
//!
//! How often somebody asks is reckoned at the desk of the worker who would answer his datagrams, so that all protocols
//! together have one limit. Connections are few and end soon ([`connections`](crate::connections)).

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use truechimer_core::server::desk::{Desk, Telling};
use truechimer_sys::clock;
use truechimer_sys::poll::{Interest, PollSet};
use truechimer_sys::udp::UdpSocket;
use truechimer_sys::wake::{self, Waker, Wakeups};

use super::Shared;
use super::worker::look_up;
use crate::connections::Connections;

/// The thread, as the daemon's loop sees it.
pub(super) struct Connected {
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl Connected {
    /// Tells the time at these from now on. The desks are the workers', in their order.
    pub(super) fn begin(
        listeners: Vec<TcpListener>,
        desks: Vec<Arc<Mutex<Desk>>>,
        shared: Arc<Shared>,
    ) -> io::Result<Self> {
        let (waker, wakeups) = wake::channel()?;
        let room = Room { listeners, desks, shared, wakeups, connections: Connections::default() };
        let thread = std::thread::Builder::new().name("time".to_owned());
        Ok(Self { waker, thread: Some(thread.spawn(move || room.run())?) })
    }

    /// Makes it look whether it is over.
    pub(super) fn wake(&self) {
        self.waker.wake();
    }
}

impl Drop for Connected {
    /// Its owner has said that it is over, and woken it.
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            // One that has panicked has said so.
            let _ended = thread.join();
        }
    }
}

/// The thread's own.
struct Room {
    listeners: Vec<TcpListener>,
    desks: Vec<Arc<Mutex<Desk>>>,
    shared: Arc<Shared>,
    wakeups: Wakeups,
    connections: Connections,
}

/// What is ready.
#[derive(Clone, Copy)]
enum Token {
    Wake,
    Listener(usize),
    Parting,
}

impl Room {
    fn run(mut self) {
        while !self.shared.is_over.load(Ordering::Acquire) {
            for token in self.sleep() {
                match token {
                    Token::Wake => drop(self.wakeups.drain()),
                    Token::Listener(index) => self.accept(index),
                    Token::Parting => {}
                }
            }
            self.connections.part(clock::mono());
        }
    }

    /// Until something is ready. What cannot be waited for is tried again in a moment.
    fn sleep(&self) -> Vec<Token> {
        let now = clock::mono();
        let mut poll = PollSet::new();
        poll.add(self.wakeups.as_fd(), Interest::Read, Token::Wake);
        if self.connections.accepts(now) {
            for (index, listener) in self.listeners.iter().enumerate() {
                poll.add(listener.as_fd(), Interest::Read, Token::Listener(index));
            }
        }
        self.connections.streams().for_each(|stream| poll.add(stream, Interest::Read, Token::Parting));
        let timeout = self.connections.deadline().map(|deadline| deadline - now);
        poll.wait(timeout).map(|ready| ready.map(|event| event.token).collect()).unwrap_or_default()
    }

    fn accept(&mut self, index: usize) {
        let Self { listeners, desks, shared, connections, .. } = self;
        connections.accept(&listeners[index], |from| tell(desks, shared, from), clock::mono());
    }
}

/// What somebody is told, if anything.
fn tell(desks: &[Arc<Mutex<Desk>>], shared: &Shared, from: SocketAddr) -> Option<Vec<u8>> {
    let post = shared.post.load();
    let (now, dial) = look_up(&post);
    let telling = Telling::at(now.raw, &dial, &post.policy);
    let mut desk = desk_of(desks, from.ip())?.lock().unwrap_or_else(PoisonError::into_inner);
    desk.begin(now.mono, &post.policy);
    let value = desk.tell_connected(from, now.raw, &telling).ok()?;
    Some(value.bytes().to_vec())
}

/// Where his datagrams are answered.
fn desk_of(desks: &[Arc<Mutex<Desk>>], sender: IpAddr) -> Option<&Mutex<Desk>> {
    let index = UdpSocket::choice_of(sender.to_canonical(), desks.len() as u32);
    desks.get(index as usize).map(AsRef::as_ref)
}

//! Looking up the names of many hosts: some threads, because the system's resolver blocks. They end with the program.

use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::{io, thread};

use truechimer_sys::wake::{self, Waker, Wakeups};

use super::trouble::{Kind, Trouble};
use crate::cli::Family;

/// So many names are looked up at once.
const THREADS: usize = 16;

/// What a thread may use of the stack, in bytes.
const STACK: usize = 256 * 1024;

/// For whom a name is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whom {
    /// The target at this place.
    Target(usize),
    /// The attempt of this number at the target at this place.
    Attempt(usize, u32),
}

/// What was found.
pub(super) type Found = Result<Vec<SocketAddr>, Trouble>;

type Question = (Whom, String, u16);

/// The threads, and the way to them and back.
pub(super) struct Lookups {
    questions: Sender<Question>,
    waiting: Arc<Mutex<Receiver<Question>>>,
    answers: Receiver<(Whom, Found)>,
    told: Sender<(Whom, Found)>,
    waker: Waker,
    wakeups: Wakeups,
    threads: usize,
    under_way: usize,
    family: Family,
}

impl Lookups {
    /// No thread begins before there is a name.
    pub(super) fn new(family: Family) -> io::Result<Self> {
        let (questions, waiting) = mpsc::channel();
        let (told, answers) = mpsc::channel();
        let (waker, wakeups) = wake::channel()?;
        let waiting = Arc::new(Mutex::new(waiting));
        Ok(Self { questions, waiting, answers, told, waker, wakeups, threads: 0, under_way: 0, family })
    }

    /// Has a name looked up.
    ///
    /// # Errors
    /// There can be no thread, and there is none yet.
    pub(super) fn ask(&mut self, whom: Whom, name: String, port: u16) -> io::Result<()> {
        if self.threads < THREADS && self.threads <= self.under_way {
            match self.begin() {
                Ok(()) => self.threads += 1,
                Err(error) if self.threads == 0 => return Err(error),
                // Those that there are do the work.
                Err(_) => {}
            }
        }
        self.under_way += 1;
        self.questions.send((whom, name, port)).map_err(|_| io::Error::other("the threads are gone"))
    }

    /// What has been found meanwhile.
    pub(super) fn found(&mut self) -> Vec<(Whom, Found)> {
        self.wakeups.drain();
        let found: Vec<(Whom, Found)> = self.answers.try_iter().collect();
        self.under_way = self.under_way.saturating_sub(found.len());
        found
    }

    fn begin(&self) -> io::Result<()> {
        let (waiting, told, waker) = (Arc::clone(&self.waiting), self.told.clone(), self.waker.clone());
        let family = self.family;
        let work = move || {
            loop {
                let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
                let Ok((whom, name, port)) = next else { return };
                if told.send((whom, look_up(&name, port, family))).is_err() {
                    return;
                }
                waker.wake();
            }
        };
        thread::Builder::new().name("lookup".to_owned()).stack_size(STACK).spawn(work).map(drop)
    }
}

impl AsFd for Lookups {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wakeups.as_fd()
    }
}

fn look_up(name: &str, port: u16, family: Family) -> Found {
    let found = (name, port).to_socket_addrs().map_err(|error| Trouble::new(Kind::NotFound, error))?;
    let wanted: Vec<SocketAddr> = found.filter(|place| family.takes(place)).collect();
    match wanted.is_empty() {
        true => Err(Trouble::new(Kind::NotFound, "it has no address of the wanted kind (see -4 and -6)")),
        false => Ok(wanted),
    }
}

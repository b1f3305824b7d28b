//! Agreeing on keys for NTS without keeping the clock waiting: each key exchange has a thread of its own while it lasts.
//!
//! At most [`AT_ONCE`] of them go on at the same time; others wait in line. Threads do not outlive their exchange, so a
//! daemon that has its keys, or asks nobody by NTS, has none of them. Under a simulator there can be no threads, and so no
//! such sources.
//!
//! **Invariant:** each exchange that was begun has an end, and that is told: keys, or why there are none.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::mpsc::{self, Receiver, Sender};
use std::{io, thread};

use truechimer_core::source::SourceId;
use truechimer_core::source::nts::{Agreement, NoKeys};
use truechimer_sys::wake::{self, Waker, Wakeups};
use truechimer_time::{Time, Utc};

use crate::config::{Config, Kind};

mod conversation;

use conversation::{Failure, Place};

/// So many key exchanges go on at once.
pub const AT_ONCE: usize = 4;

/// What a thread may use of the stack, in bytes: TLS and the certificates of the other side take a part of it.
const STACK: usize = 1 << 20;

/// The key exchanges of this daemon.
pub struct Agreeing {
    /// By the places of the sources; nothing for those that are not asked by NTS.
    places: Vec<Option<Place>>,
    waiting: VecDeque<(SourceId, Time<Utc>)>,
    under_way: usize,
    line: Option<Line>,
}

/// The way from the threads to the loop.
struct Line {
    ends: Receiver<End>,
    told: Sender<End>,
    waker: Waker,
    wakeups: Wakeups,
}

/// The end of a key exchange.
pub struct End {
    /// For which source it was.
    pub source: SourceId,
    /// What it has led to, or why to nothing.
    pub outcome: Result<Agreement, NoKeys>,
    /// More about the latter, for people.
    pub detail: Option<String>,
}

impl Agreeing {
    /// For the sources of a configuration.
    ///
    /// # Errors
    /// The file of the authorities that one of them names cannot be used; or there are to be no threads.
    pub fn new(config: &Config, is_simulated: bool) -> io::Result<Self> {
        let mut places = Vec::new();
        for source in &config.sources {
            let is_asked = source.kind == Kind::Nts;
            if is_asked && is_simulated {
                return Err(io::Error::other(format!(
                    "the source \"{}\" is asked by NTS, which takes threads, and --simulated leaves them out: remove it, or \
                     say kind = \"ntp\"",
                    source.address
                )));
            }
            let (host, port) = source.address.host_and_port();
            let place = Place { host, port, ca: source.ca.clone() };
            if is_asked && place.ca.is_some() {
                place.authorities().map_err(|failure| {
                    io::Error::other(format!("the source \"{}\": {}", source.address, failure.detail))
                })?;
            }
            places.push(is_asked.then_some(place));
        }
        Ok(Self { places, waiting: VecDeque::new(), under_way: 0, line: None })
    }

    /// Begins a key exchange with the server of a source, whose certificate has to be valid at `when`. It is among the
    /// [`Agreeing::ends`] later, or at once.
    pub fn begin(&mut self, source: SourceId, when: Time<Utc>) -> Option<End> {
        if self.under_way >= AT_ONCE {
            self.waiting.push_back((source, when));
            return None;
        }
        self.start(source, when).err().map(|error| {
            let detail = Some(format!("cannot start a thread: {error}"));
            End { source, outcome: Err(NoKeys::Ourselves), detail }
        })
    }

    /// What to wait for, if anything.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.line.as_ref().map(|line| line.wakeups.as_fd())
    }

    /// The exchanges that have ended since. Those who wait in line take their places.
    pub fn ends(&mut self) -> Vec<End> {
        let Some(line) = &self.line else { return Vec::new() };
        line.wakeups.drain();
        let mut ends: Vec<End> = line.ends.try_iter().collect();
        self.under_way -= ends.len();
        while self.under_way < AT_ONCE
            && let Some((source, when)) = self.waiting.pop_front()
        {
            ends.extend(self.begin(source, when));
        }
        ends
    }

    fn start(&mut self, source: SourceId, when: Time<Utc>) -> io::Result<()> {
        let place = self.places.get(source.index()).cloned().flatten();
        let place = place.ok_or_else(|| io::Error::other("the source is not asked by NTS"))?;
        let line = match &mut self.line {
            Some(line) => line,
            none => none.insert(Line::new()?),
        };
        let promise = Promise { source, told: line.told.clone(), waker: line.waker.clone(), outcome: None };
        thread::Builder::new()
            .name("nts".into())
            .stack_size(STACK)
            .spawn(move || promise.keep(&place, when))?;
        self.under_way += 1;
        Ok(())
    }
}

impl Line {
    fn new() -> io::Result<Self> {
        let (told, ends) = mpsc::channel();
        let (waker, wakeups) = wake::channel()?;
        Ok(Self { ends, told, waker, wakeups })
    }
}

/// That the end of an exchange will be told, whatever becomes of its thread.
struct Promise {
    source: SourceId,
    told: Sender<End>,
    waker: Waker,
    outcome: Option<Result<Agreement, Failure>>,
}

impl Promise {
    fn keep(mut self, place: &Place, when: Time<Utc>) {
        self.outcome = Some(conversation::agree(place, when));
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        let (outcome, detail) = match self.outcome.take() {
            Some(Ok(agreement)) => (Ok(agreement), None),
            Some(Err(Failure { why, detail })) => (Err(why), Some(detail)),
            None => (Err(NoKeys::Ourselves), Some("its thread has panicked".to_owned())),
        };
        // A daemon that is gone need not be told.
        let _gone = self.told.send(End { source: self.source, outcome, detail });
        self.waker.wake();
    }
}

#[cfg(test)]
mod tests;

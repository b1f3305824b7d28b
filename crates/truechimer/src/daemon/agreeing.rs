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

use truechimer_core::node::Dates;
use truechimer_core::source::SourceId;
use truechimer_core::source::nts::{Agreement, NoKeys};
use truechimer_sys::wake::{self, Waker, Wakeups};

use crate::config::{Config, Kind, Placed};

pub(crate) mod conversation;
mod dates;

use conversation::Failure;
pub use conversation::Place;

/// So many key exchanges go on at once.
pub const AT_ONCE: usize = 4;

/// What a thread may use of the stack, in bytes: TLS and the certificates of the other side take a part of it.
const STACK: usize = 1 << 20;

/// The key exchanges of this daemon.
pub struct Agreeing {
    /// By the places of the sources; nothing for those that are not asked by NTS.
    places: Vec<Option<Place>>,
    waiting: VecDeque<(SourceId, Dates)>,
    under_way: usize,
    is_simulated: bool,
    line: Option<Line>,
}

/// With whom keys are agreed on for a source, if it is asked by NTS.
pub fn place_of(placed: &Placed<'_>) -> Option<Place> {
    let source = placed.source;
    let (host, port) = source.address.host_and_port();
    (source.kind == Kind::Nts).then(|| Place { host, port, ca: source.ca.clone() })
}

/// The way from the threads to the loop.
struct Line {
    ends: Receiver<(Place, End)>,
    told: Sender<(Place, End)>,
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
        let places = config.places().map(|place| place_of(&place)).collect();
        let agreeing = Self { places, waiting: VecDeque::new(), under_way: 0, is_simulated, line: None };
        agreeing.check(config)?;
        Ok(agreeing)
    }

    /// Can the sources of a configuration be asked so?
    ///
    /// # Errors
    /// As [`Agreeing::new`].
    pub fn check(&self, config: &Config) -> io::Result<()> {
        for placed in config.places() {
            let Some(place) = place_of(&placed) else { continue };
            let address = &placed.source.address;
            if self.is_simulated {
                return Err(io::Error::other(format!(
                    "the source \"{address}\" is asked by NTS, which takes threads, and --simulated leaves them out: remove \
                     it, or say kind = \"ntp\""
                )));
            }
            if place.ca.is_some() {
                place.authorities().map_err(|failure| {
                    io::Error::other(format!("the source \"{address}\": {}", failure.detail))
                })?;
            }
        }
        Ok(())
    }

    /// The sources are others from now on. What comes of an exchange with somebody who is not asked there any more is no
    /// keys.
    pub fn rename(&mut self, places: Vec<Option<Place>>) {
        self.places = places;
    }

    /// Begins a key exchange with the server of a source, whose certificate has to be valid when that says. It is among
    /// the [`Agreeing::ends`] later, or at once.
    pub fn begin(&mut self, source: SourceId, dates: Dates) -> Option<End> {
        if self.under_way >= AT_ONCE {
            self.waiting.push_back((source, dates));
            return None;
        }
        self.start(source, dates).err().map(|error| {
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
        let told: Vec<(Place, End)> = line.ends.try_iter().collect();
        self.under_way -= told.len();
        let mut ends: Vec<End> = told.into_iter().map(|(place, end)| self.wanted(&place, end)).collect();
        while self.under_way < AT_ONCE
            && let Some((source, dates)) = self.waiting.pop_front()
        {
            ends.extend(self.begin(source, dates));
        }
        ends
    }

    /// The end, if the source is still the one for which the exchange was begun: another may have its place meanwhile.
    fn wanted(&self, place: &Place, end: End) -> End {
        match self.places.get(end.source.index()).and_then(Option::as_ref) == Some(place) {
            true => end,
            false => End {
                outcome: Err(NoKeys::Broken),
                detail: Some("the source has been changed meanwhile".to_owned()),
                ..end
            },
        }
    }

    fn start(&mut self, source: SourceId, dates: Dates) -> io::Result<()> {
        let place = self.places.get(source.index()).cloned().flatten();
        let place = place.ok_or_else(|| io::Error::other("the source is not asked by NTS"))?;
        let line = match &mut self.line {
            Some(line) => line,
            none => none.insert(Line::new()?),
        };
        let promise =
            Promise { source, place, told: line.told.clone(), waker: line.waker.clone(), outcome: None };
        thread::Builder::new().name("nts".into()).stack_size(STACK).spawn(move || promise.keep(dates))?;
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
    place: Place,
    told: Sender<(Place, End)>,
    waker: Waker,
    outcome: Option<Result<Agreement, Failure>>,
}

impl Promise {
    fn keep(mut self, dates: Dates) {
        self.outcome = Some(conversation::agree(&self.place, dates));
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
        let _gone = self.told.send((self.place.clone(), End { source: self.source, outcome, detail }));
        self.waker.wake();
    }
}

#[cfg(test)]
mod tests;

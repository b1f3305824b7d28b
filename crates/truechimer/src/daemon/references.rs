//! The reference clocks of this machine: devices, shared memory and sockets.
//!
//! They are opened at the start, while we may still do so. One that cannot be opened, or is unplugged, is absent: it is tried
//! again when it is due, ever more rarely, and people are told once, with what to do about it. Nothing here waits.

use std::path::PathBuf;

use truechimer_core::measure::reference::{Misreading, Reading};
use truechimer_core::source::SourceId;
use truechimer_sys::clock::{self, Readings};
use truechimer_sys::poll::{Interest, PollSet};
use truechimer_sys::pps::PpsEdge;
use truechimer_sys::user::User;
use truechimer_time::{Mono, Raw, Span, Time};

use crate::config::{Config, Edge, Kind, Placed, Source, SourcePlace};

mod device;
mod trouble;

use device::{Device, Surroundings};
use trouble::Trouble;

/// A device that is absent is tried again after this, then after twice as long, and so on..
const RETRY_MIN: Span = Span::from_secs(1);
/// ..up to this.
const RETRY_MAX: Span = Span::from_secs(64);

/// Stamps by the real-time clock are not used for so long after we have stepped it: they may be of before.
const AFTER_STEP: Span = Span::from_secs(5);

/// What a device is, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Phc(PathBuf),
    Pps(PathBuf, PpsEdge),
    Shm { key: i32, unit: Option<i32> },
    Sock(PathBuf),
}

/// One reference clock.
#[derive(Debug)]
struct Reference {
    source: SourceId,
    what: What,
    device: Option<Device>,
    /// It is tried again then, if it is absent.
    retry: Time<Mono>,
    patience: Span,
    /// The trouble that was told of.
    told: Option<Trouble>,
    /// The node waits for what comes next.
    is_wanted: bool,
}

/// All reference clocks.
#[derive(Debug, Default)]
pub struct References {
    references: Vec<Reference>,
    complaints: Vec<String>,
    last: Option<Readings>,
    stepped: Option<Time<Raw>>,
}

impl References {
    /// Opens those that are configured. Sockets are given to `account`. A simulator of clock and network carries no more than
    /// device files.
    pub fn open(config: &Config, account: Option<&User>, simulated: bool) -> Self {
        let what = |(index, place): (usize, Placed<'_>)| Some((SourceId(index as u8), what(place.source)?));
        let mut references = Self::default();
        for (source, what) in config.places().enumerate().filter_map(what) {
            let mut reference = Reference {
                source,
                what,
                device: None,
                retry: Time::EPOCH,
                patience: RETRY_MIN,
                told: None,
                is_wanted: false,
            };
            let opened = match simulated && reference.what.is_program() {
                true => Err(Trouble::Simulated),
                false => Device::open(&reference.what, account),
            };
            let complaint = reference.opened(clock::mono(), opened);
            references.complaints.extend(complaint);
            references.references.push(reference);
        }
        references
    }

    /// Reads one. Nothing, if it will be heard when it has something to say.
    pub fn read(&mut self, source: SourceId) -> Option<Result<Reading, Misreading>> {
        let surroundings = self.surroundings();
        let reference = self.references.iter_mut().find(|reference| reference.source == source)?;
        let (reading, complaint) = reference.read(&surroundings);
        self.complaints.extend(complaint);
        reading
    }

    /// Waits for those that speak of their own accord.
    pub fn register<T: Copy>(&self, poll: &mut PollSet<T>, token: impl Fn(SourceId) -> T) {
        for reference in &self.references {
            if let Some(fd) = reference.device.as_ref().and_then(Device::fd) {
                poll.add(fd, Interest::Read, token(reference.source));
            }
        }
    }

    /// One of those has said something: what the node waits for, if it waits.
    pub fn hear(&mut self, source: SourceId) -> Option<Result<Reading, Misreading>> {
        let surroundings = self.surroundings();
        let reference = self.references.iter_mut().find(|reference| reference.source == source)?;
        let (reading, complaint) = reference.hear(&surroundings);
        self.complaints.extend(complaint);
        reading
    }

    /// We have stepped the real-time clock.
    pub fn stepped(&mut self) {
        self.stepped = Some(clock::raw());
    }

    /// What people should know since they were last told.
    pub fn complaints(&mut self) -> Vec<String> {
        std::mem::take(&mut self.complaints)
    }

    fn surroundings(&mut self) -> Surroundings {
        let now = clock::readings();
        let surroundings = Surroundings::at(now, self.last);
        let is_fresh_step = self.stepped.is_some_and(|stepped| now.raw - stepped < AFTER_STEP);
        self.last = Some(now);
        Surroundings { was_set: surroundings.was_set || is_fresh_step, ..surroundings }
    }
}

impl Reference {
    fn read(&mut self, surroundings: &Surroundings) -> (Option<Result<Reading, Misreading>>, Option<String>) {
        let now = surroundings.now.mono;
        let mut complaint = None;
        if self.device.is_none() && self.retry <= now && self.told != Some(Trouble::Simulated) {
            complaint = self.opened(now, Device::open(&self.what, None));
        }
        let Some(device) = &mut self.device else { return (Some(Err(Misreading::Absent)), complaint) };
        match device.read(surroundings) {
            Ok(reading) => {
                self.is_wanted = reading.is_none();
                (reading, complaint)
            }
            Err(trouble) => (Some(Err(Misreading::Absent)), self.opened(now, Err(trouble)).or(complaint)),
        }
    }

    fn hear(&mut self, surroundings: &Surroundings) -> (Option<Result<Reading, Misreading>>, Option<String>) {
        let Some(device) = &mut self.device else { return (None, None) };
        match device.hear(surroundings) {
            Ok(reading) => {
                let wanted = reading.filter(|_| self.is_wanted);
                self.is_wanted &= wanted.is_none();
                (wanted, None)
            }
            Err(trouble) => (None, self.opened(surroundings.now.mono, Err(trouble))),
        }
    }

    /// It was opened, or not, or is lost. What people should know of that.
    fn opened(&mut self, now: Time<Mono>, outcome: Result<Device, Trouble>) -> Option<String> {
        match outcome {
            Ok(device) => {
                self.device = Some(device);
                self.patience = RETRY_MIN;
                self.told.take().map(|_| format!("{} is back", self.what))
            }
            Err(trouble) => {
                self.device = None;
                self.retry = now + self.patience;
                self.patience = (self.patience * 2).min(RETRY_MAX);
                let is_news = self.told.as_ref() != Some(&trouble);
                let words = trouble.words(&self.what);
                self.told = Some(trouble);
                is_news.then_some(words)
            }
        }
    }
}

impl What {
    /// Is it a program that speaks, not a device?
    fn is_program(&self) -> bool {
        match self {
            Self::Phc(_) | Self::Pps(..) => false,
            Self::Shm { .. } | Self::Sock(_) => true,
        }
    }
}

impl std::fmt::Display for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Phc(path) => write!(f, "the clock {}", path.display()),
            Self::Pps(path, _) => write!(f, "the pulse {}", path.display()),
            Self::Shm { unit: Some(unit), .. } => write!(f, "the shared memory of unit {unit}"),
            Self::Shm { key, unit: None } => write!(f, "the shared memory with key {key:#x}"),
            Self::Sock(path) => write!(f, "the socket {}", path.display()),
        }
    }
}

fn what(source: &Source) -> Option<What> {
    let edge = match source.reference?.edge {
        Edge::Assert => PpsEdge::Assert,
        Edge::Clear => PpsEdge::Clear,
    };
    match (source.kind, &source.address) {
        (Kind::Phc, SourcePlace::Path(path)) => Some(What::Phc(path.clone())),
        (Kind::Pps, SourcePlace::Path(path)) => Some(What::Pps(path.clone(), edge)),
        (Kind::Sock, SourcePlace::Path(path)) => Some(What::Sock(path.clone())),
        (Kind::Shm, place @ SourcePlace::Segment(key)) => Some(What::Shm { key: *key, unit: place.unit() }),
        // A configuration that exists has each kind at its place.
        (_, SourcePlace::Network(_) | SourcePlace::Path(_) | SourcePlace::Segment(_)) => None,
    }
}

#[cfg(test)]
mod tests;

//! Watching over the counter, where the clocks themselves do not tell: what only the host, the battery clock or the kernel's
//! files know. What it means is the node's to decide.
//!
//! | what | seen by |
//! | --- | --- |
//! | the clock was set, the machine woke | a timer of the kernel, which wakes us at once |
//! | an address or a route came or went | the kernel, which wakes us at once |
//! | the guest was moved, or goes on from an image | VMClock, at each turn of the loop |
//! | the guest goes on from an image, where there is no VMClock | the kernel's word of another VMGenID, which wakes us at once |
//! | the kernel counts by other hardware | its name for the clocksource, once a second at most |
//! | the guest stood still | the battery clock, once a minute |
//! | we were kept from running | when we were woken |

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use truechimer_core::event::Interruption;
use truechimer_core::node::Input;
use truechimer_sys::clock::Readings;
use truechimer_sys::clock_set::ClockSets;
use truechimer_sys::generation::Generations;
use truechimer_sys::network::NetworkChanges;
use truechimer_sys::system;
use truechimer_sys::vmclock::{Incarnation, VmClock};
use truechimer_time::{Mono, Span, Time};

/// The clocksource is looked at so often at most.
const COUNTER_INTERVAL: Span = Span::from_secs(1);

/// The battery clock is read so often.
const BATTERY_INTERVAL: Span = Span::from_secs(60);

/// The battery clock counts seconds, so that two readings of it may be off by two against any other clock.
const BATTERY_TOLERANCE: Span = Span::from_secs(3);

/// A battery clock that is so near the software clock was just set by the kernel, as it does each 11 minutes.
const BATTERY_SET: Span = Span::from_millis(1500);

/// Being woken so late is more than being busy.
const LATE: Span = Span::from_secs(1);

/// What is watched, and what was seen last.
#[derive(Debug)]
pub struct Vigil {
    sets: Option<ClockSets>,
    network: Option<NetworkChanges>,
    host: Option<(VmClock, Incarnation)>,
    generations: Option<Generations>,
    counter: Watched<String>,
    battery: Watched<Battery>,
    unseen: Vec<Unseen>,
}

/// What could not be watched although this machine may have it, and why.
#[derive(Debug, thiserror::Error)]
pub enum Unseen {
    /// The host's page.
    #[error(
        "the page of the host (VMClock, {path}) cannot be read: {error}; a migration of this guest is not noticed by it. Let \
         the daemon's account and its sandbox read {path}"
    )]
    Host {
        /// Where it is.
        path: String,
        /// Why not.
        error: io::Error,
    },
    /// The host's page, of which nothing can be had.
    #[error(
        "the page of the host (VMClock, {path}) is never at rest: a host was stopped while it wrote; a migration of this guest \
         is not noticed by it"
    )]
    Restless {
        /// Where it is.
        path: String,
    },
    /// The kernel's word of another generation.
    #[error(
        "the kernel does not tell when this guest goes on from an image (VMGenID, by netlink): {0}; it is not noticed by that"
    )]
    Generations(io::Error),
    /// The timer.
    #[error(
        "the kernel does not tell when the clock is set or the machine wakes: {0}; it is noticed up to a second later instead"
    )]
    ClockSets(io::Error),
    /// The kernel's messages.
    #[error(
        "the kernel does not tell when the network changes (netlink): {0}; sources that could not be reached are asked when \
         it is their turn"
    )]
    Network(io::Error),
}

/// Something that is looked at now and then.
#[derive(Debug)]
struct Watched<T> {
    seen: Option<T>,
    due: Time<Mono>,
}

impl<T> Watched<T> {
    fn new(now: Time<Mono>) -> Self {
        Self { seen: None, due: now }
    }
}

/// The battery clock beside ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Battery {
    /// It minus the software clock.
    ahead: Span,
    /// It minus the raw counter and what the machine is known to have slept.
    since: Span,
}

impl Battery {
    fn beside(shown: i64, now: &Readings) -> Self {
        let shown = Span::from_secs(shown);
        Self { ahead: shown - now.realtime.since_epoch(), since: shown - now.raw.since_epoch() - now.asleep }
    }

    /// By how much more than the counter it has gone on, if the machine stood still.
    fn stood_still(self, before: Self) -> Option<Span> {
        let by = self.since - before.since;
        let was_set = self.ahead.abs() <= BATTERY_SET;
        (by >= BATTERY_TOLERANCE && !was_set).then_some(by)
    }
}

impl Vigil {
    /// Watches from now on. What this machine does not have is not watched, and that is no news; what it has and we cannot
    /// watch is in [`Vigil::unseen`].
    pub fn begin(vmclock: &Path, now: Time<Mono>) -> Self {
        let mut unseen = Vec::new();
        let host = host(vmclock, &mut unseen);
        let generations = match &host {
            Some(_) => None,
            None => watched(Generations::watch(), Unseen::Generations, &mut unseen).flatten(),
        };
        Self {
            sets: watched(ClockSets::watch(), Unseen::ClockSets, &mut unseen),
            network: watched(NetworkChanges::watch(), Unseen::Network, &mut unseen),
            host,
            generations,
            counter: Watched::new(now),
            battery: Watched::new(now),
            unseen,
        }
    }

    /// What could not be watched, to be said once.
    pub fn unseen(&self) -> &[Unseen] {
        &self.unseen
    }

    /// Ready when there is something to look at.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let sets = self.sets.as_ref().map(ClockSets::as_fd);
        let network = self.network.as_ref().map(NetworkChanges::as_fd);
        sets.into_iter().chain(network).chain(self.generations.as_ref().map(Generations::as_fd))
    }

    /// By which number the host tells where we are, as it was when we last looked.
    pub fn marker(&self) -> Option<u64> {
        self.host.as_ref().map(|(_, seen)| seen.marker)
    }

    /// When to look at the latest.
    pub fn due(&self) -> Time<Mono> {
        self.battery.due
    }

    /// What has happened since the last look; `wanted` is when we wanted to be woken.
    pub fn look(&mut self, now: &Readings, wanted: Time<Mono>) -> Vec<Input> {
        // A clock that was set, and a sleep, show in the clocks: it is enough to be awake.
        let _ = self.sets.as_ref().map(ClockSets::drain);
        let has_changed = self.network.as_ref().is_some_and(NetworkChanges::drain);
        let network = has_changed.then_some(Input::NetworkChanged);
        let late = now.mono - wanted;
        let starved = (late > LATE).then_some(Input::Starved { late });
        let generation = self.generations.as_ref().is_some_and(Generations::drain);
        let generation = generation.then_some(Interruption::Moved);
        let host = self.host_says().or(generation);
        let interruption = host.or_else(|| self.counter_says(now.mono)).or_else(|| {
            let due = self.battery.due <= now.mono;
            due.then(system::battery_clock).and_then(|shown| self.battery_says(now, shown))
        });
        interruption.map(Input::Interrupted).into_iter().chain(starved).chain(network).collect()
    }

    fn host_says(&mut self) -> Option<Interruption> {
        let (clock, seen) = self.host.as_mut()?;
        let now = clock.incarnation()?;
        let before = std::mem::replace(seen, now);
        (before != now).then_some(Interruption::Moved)
    }

    fn counter_says(&mut self, now: Time<Mono>) -> Option<Interruption> {
        if now < self.counter.due {
            return None;
        }
        self.counter.due = now + COUNTER_INTERVAL;
        let name = system::clocksource()?;
        let before = self.counter.seen.replace(name.clone())?;
        (before != name).then_some(Interruption::Recounted)
    }

    fn battery_says(&mut self, now: &Readings, shown: Option<i64>) -> Option<Interruption> {
        self.battery.due = now.mono + BATTERY_INTERVAL;
        let beside = Battery::beside(shown?, now);
        let before = self.battery.seen.replace(beside)?;
        beside.stood_still(before).map(|by| Interruption::Paused { by })
    }
}

/// What is watched, or a word of why it is not.
fn watched<T>(begun: io::Result<T>, why: fn(io::Error) -> Unseen, unseen: &mut Vec<Unseen>) -> Option<T> {
    begun.map_err(|error| unseen.push(why(error))).ok()
}

fn host(path: &Path, unseen: &mut Vec<Unseen>) -> Option<(VmClock, Incarnation)> {
    let path_text = || path.display().to_string();
    match VmClock::open(path) {
        Ok(None) => None,
        Ok(Some(clock)) => match clock.incarnation() {
            Some(seen) => Some((clock, seen)),
            None => {
                unseen.push(Unseen::Restless { path: path_text() });
                None
            }
        },
        Err(error) => {
            unseen.push(Unseen::Host { path: path_text(), error });
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, OpenOptions};
    use std::os::unix::fs::FileExt;

    /// A host's page: magic, size, version 1, sequence 2, marker 5.
    fn page() -> Vec<u8> {
        let mut page = vec![0; 4096];
        page[..12].copy_from_slice(&[b'V', b'C', b'L', b'K', 0, 16, 0, 0, 1, 0, 0, 0]);
        (page[12], page[16]) = (2, 5);
        page
    }

    fn readings(raw: i64, realtime: i64, asleep: i64) -> Readings {
        Readings {
            raw: Time::from_epoch(Span::from_secs(raw)),
            mono: Time::from_epoch(Span::from_secs(raw)),
            realtime: Time::from_epoch(Span::from_secs(realtime)),
            asleep: Span::from_secs(asleep),
            width: Span::ZERO,
        }
    }

    const NOON: i64 = 1_790_000_000;

    /// What the battery clock makes of a minute in which it went on by `battery` seconds and the software clock by `local`.
    fn minute(battery: i64, local: i64, asleep: i64) -> Option<Span> {
        let before = Battery::beside(NOON, &readings(1000, NOON + 7, 0));
        let after = Battery::beside(NOON + battery, &readings(1060, NOON + 7 + local, asleep));
        after.stood_still(before)
    }

    #[test]
    fn a_guest_that_stood_still_is_seen_by_its_battery_clock() {
        assert_eq!(minute(60, 60, 0), None);
        assert_eq!(minute(62, 60, 0), None, "it counts seconds");
        assert_eq!(minute(100, 60, 0), Some(Span::from_secs(40)));
        assert_eq!(minute(3660, 60, 0), Some(Span::from_secs(3600)));
    }

    #[test]
    fn a_sleep_is_known_already() {
        assert_eq!(minute(3660, 3660, 3600), None);
    }

    #[test]
    fn a_battery_clock_that_the_kernel_sets_tells_nothing() {
        assert_eq!(minute(67, 60, 0), None);
        assert_eq!(minute(67 + 7200, 60 + 7200, 0), None, "after a step by somebody");
        assert_eq!(minute(60 - 7200, 60, 0), None, "backwards");
    }

    #[test]
    fn bad_input_113_a_migration_is_told_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("vmclock0");
        fs::write(&path, page()).expect("written");
        let now = readings(1000, NOON, 0);
        let mut vigil = Vigil::begin(&path, now.mono);
        assert_eq!(vigil.look(&now, now.mono), []);
        let host = OpenOptions::new().write(true).open(&path).expect("there");
        host.write_all_at(&[6], 16).expect("written");
        assert_eq!(vigil.look(&now, now.mono), [Input::Interrupted(Interruption::Moved)]);
        assert_eq!(vigil.look(&now, now.mono), []);
    }

    #[test]
    fn what_is_there_and_cannot_be_watched_is_said_and_what_is_not_there_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("vmclock0");
        let now = readings(1000, NOON, 0);
        let said = || -> Vec<String> {
            Vigil::begin(&path, now.mono).unseen().iter().map(ToString::to_string).collect()
        };
        assert_eq!(said(), [""; 0], "there is none");
        fs::write(&path, page()).expect("written");
        assert_eq!(said(), [""; 0]);
        let mut restless = page();
        restless[12] = 3;
        fs::write(&path, restless).expect("written");
        assert!(said()[0].contains("is never at rest"), "{:?}", said());
        fs::write(&path, "no clock").expect("written");
        assert!(said()[0].contains("too short for a VMClock"), "{:?}", said());
        assert_eq!(said().len(), 1);
    }

    #[test]
    fn bad_input_117_who_was_kept_from_running_says_so() {
        let folder = tempfile::tempdir().expect("a folder");
        let now = readings(1000, NOON, 0);
        let mut vigil = Vigil::begin(&folder.path().join("absent"), now.mono);
        assert_eq!(vigil.look(&now, now.mono - Span::from_millis(900)), []);
        let late = Span::from_secs(30);
        assert_eq!(vigil.look(&now, now.mono - late), [Input::Starved { late }]);
    }
}

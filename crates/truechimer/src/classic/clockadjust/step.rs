//! The step at boot: the clock is set once, before anything depends on it.
//!
//! It is tried until it succeeds, and then a marker says so, which holds the name of the boot: a service that is started
//! again finds it and leaves the clock alone, and a marker that has outlived its boot counts for nothing. Two processes:
//! the one that hears the network has given up all privileges; the one that steps is told two numbers, and checks them.

pub mod belief;

use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use truechimer_sys::capability::drop_all_capabilities;
use truechimer_sys::clock;
use truechimer_sys::file;
use truechimer_sys::poll::{Interest, PollSet};
use truechimer_sys::process::{Channel, MESSAGE_MAX, Message, spawn_child};
use truechimer_sys::system;
use truechimer_time::{Span, Time, Utc};

use super::super::asking::pause_until;
use super::super::clockadd;
use super::super::messages::{Fatal, warn};
use super::kept::{self, Kept};
use super::measurement::{Measured, measure};
use super::memory::{Memory, Rules, plausible};
use super::sight::Counts;
use super::standing::this_boot;
use super::whom::{Way, ways};
use super::{Clockadjust, NAME, NOBODY, counts, floor, here, load, say};
use crate::command::Outcome;
use crate::config::Config;
use crate::floor::made;
use crate::ui::units;
use belief::{alone, doubt, settled};

/// In the folder of what does not outlive a boot.
const MARKER: &str = "clock-stepped";
/// A name of a boot has 36 bytes.
const MARKER_BYTES_MAX: usize = 256;

/// A measurement that failed is tried again after this, then after twice as long, up to the last.
const RETRY: Span = Span::from_secs(1);
const RETRY_MAX: Span = Span::from_secs(64);

/// So much of the text about a measurement is passed on.
const TEXT_MAX: usize = 200;

/// Steps the clock if that was not done in this boot.
pub fn run(arguments: &Clockadjust) -> Result<Outcome, Fatal> {
    let config = load(arguments)?;
    let marker = Marker::of(arguments, &config);
    if !arguments.again && marker.is_of_this_boot() {
        say(&format!("the clock was set in this boot already ({}): it is left alone", marker.path.display()));
        return Ok(Outcome::Yes);
    }
    marker.prepare()?;
    let Advice { adjustment, bound, by } = measured_apart(arguments)?;
    let right: Time<Utc> = Time::from_epoch(clock::realtime().since_epoch() + adjustment);
    if right < made() {
        return Err(Fatal::failed("the time that was measured is past for certain"));
    }
    if adjustment.abs() <= bound {
        say(&format!("the clock is right {} ({by}): it is left alone", units::bound(bound)));
    } else {
        clockadd::step(adjustment)?;
        let way = if adjustment.is_negative() { "backward" } else { "forward" };
        let length = units::span_within(adjustment.abs(), bound);
        say(&format!("stepped the clock {way} by {length} {} ({by})", units::bound(bound)));
    }
    marker.set()?;
    Ok(Outcome::Yes)
}

/// The file that says in which boot the clock was set.
struct Marker {
    path: PathBuf,
    boot: String,
}

impl Marker {
    fn of(arguments: &Clockadjust, config: &Config) -> Self {
        let path = arguments.marker.clone().unwrap_or_else(|| config.state.run_dir.join(MARKER));
        Self { path, boot: system::boot_id().unwrap_or_else(|| "unknown".to_owned()) }
    }

    fn is_of_this_boot(&self) -> bool {
        file::load(&self.path, MARKER_BYTES_MAX).is_ok_and(|bytes| bytes.trim_ascii() == self.boot.as_bytes())
    }

    /// Better now than after the step.
    fn prepare(&self) -> Result<(), Fatal> {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        file::make_folder(folder, 0o755).map_err(|error| Fatal::failed(error.to_string()))
    }

    fn set(&self) -> Result<(), Fatal> {
        let text = format!("{}\n", self.boot);
        file::save(&self.path, text.as_bytes(), 0o644).map_err(|error| {
            Fatal::failed(format!("the clock is set, but a restart will not know it: {error}"))
        })
    }
}

/// What the process that measures says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Advice {
    adjustment: Span,
    bound: Span,
    by: String,
}

impl Advice {
    /// `ADJUSTMENT BOUND WHO`, in seconds.
    fn write(&self) -> String {
        let by: String = self.by.chars().filter(|c| !c.is_control()).take(TEXT_MAX).collect();
        format!("{} {} {by}", self.adjustment, self.bound)
    }

    /// The inverse; `None` for anything else.
    fn read(line: &[u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(line).ok()?.splitn(3, ' ');
        let adjustment = words.next()?.parse().ok()?;
        let bound = words.next()?.parse().ok().filter(|bound: &Span| !bound.is_negative())?;
        Some(Self { adjustment, bound, by: words.next()?.to_owned() })
    }
}

/// Has another process measure, that has no power over anything, and waits for what it says.
fn measured_apart(arguments: &Clockadjust) -> Result<Advice, Fatal> {
    let unable = |deed| move |error: io::Error| Fatal::unable(deed, &error);
    let child = spawn_child(|channel| match live(arguments, &channel) {
        Ok(()) => 0,
        Err(fatal) => {
            warn(NAME, fatal.text);
            111
        }
    })
    .map_err(unable("start the process that measures"))?;
    let mut buffer = [0; MESSAGE_MAX];
    let mut set = PollSet::new();
    loop {
        match child.channel.receive(&mut buffer) {
            Ok(Message::Whole(len)) => {
                let nonsense = || Fatal::failed("the process that measures speaks nonsense");
                return Advice::read(&buffer[..len]).ok_or_else(nonsense);
            }
            Ok(Message::End) => return Err(Fatal::failed("the process that measures has failed")),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                set.clear();
                set.add(child.channel.as_fd(), Interest::Read, ());
                set.wait(None).map(drop).map_err(unable("wait"))?;
            }
            Err(error) => return Err(Fatal::unable("hear the process that measures", &error)),
        }
    }
}

/// The life of the process that measures: it tries until it knows.
fn live(arguments: &Clockadjust, channel: &Channel) -> Result<(), Fatal> {
    drop_all_capabilities().map_err(|error| Fatal::unable("give up our capabilities", &error))?;
    let mut wait = RETRY;
    loop {
        match advice(arguments)? {
            Ok(advice) => {
                let sent = channel.send(advice.write().as_bytes());
                return sent.map_err(|error| Fatal::unable("say what was measured", &error));
            }
            Err(why) => warn(NAME, format!("{why}; measured again in {}", units::span(wait))),
        }
        pause_until(clock::mono() + wait)?;
        wait = (wait * 2).min(RETRY_MAX);
    }
}

/// One attempt, by all ways that there are, with the configuration as it is now.
fn advice(arguments: &Clockadjust) -> Result<Result<Advice, String>, Fatal> {
    let config = load(arguments)?;
    let ways = ways(&config, &arguments.host()?);
    if ways.is_empty() {
        return Err(Fatal::failed(NOBODY));
    }
    let counts = counts(&config);
    let believed = believed(&ways, &counts, &before(&config));
    Ok(believed.map(|Measured { sight, by, .. }| {
        let adjustment = sight.adjustment(&clock::readings(), &counts);
        Advice { adjustment, bound: sight.bound, by }
    }))
}

/// What was measured before in this boot. It can only raise doubt, so without it we go on.
fn before(config: &Config) -> Memory {
    let kept = Kept::load(&kept::place(config), &here(&this_boot()));
    Memory::of(kept.unwrap_or_else(|why| {
        warn(NAME, format_args!("what was measured before in this boot is not known: {why}"));
        Kept::default()
    }))
}

/// The first measurement that can be had and believed; one that is in doubt has to be confirmed by the next.
fn believed(ways: &[Way], counts: &Counts, before: &Memory) -> Result<Measured, String> {
    let (mut troubles, mut doubted) = (Vec::new(), None);
    for way in ways {
        match (possible(way, counts), doubted.take()) {
            (Ok((vote, _)), Some((master, _))) => return Ok(settled(master, vote)),
            (Ok((measured, adjustment)), None) => match doubt(&measured, adjustment, before) {
                None => return Ok(measured),
                Some(_) if ways.len() == 1 => return Ok(alone(measured)),
                Some(doubt) => {
                    let off = units::offset_within(adjustment, measured.sight.bound);
                    let why = format!("{} says that the clock is off by {off}: {doubt}", measured.by);
                    doubted = Some((measured, why));
                }
            },
            (Err(trouble), Some((_, why))) => {
                troubles.push(format!("{why}, and the sources cannot confirm it: {trouble}"));
            }
            (Err(trouble), None) => troubles.push(trouble),
        }
    }
    Err(troubles.join("; "))
}

/// What this way tells, unless it cannot be true, and by how much the clock is slow then.
fn possible(way: &Way, counts: &Counts) -> Result<(Measured, Span), String> {
    let measured = measure(way, counts)?;
    let adjustment = measured.sight.adjustment(&clock::readings(), counts);
    let rules = Rules { panic: Span::MAX, floor: floor(counts), by_taiclock: measured.by_taiclock };
    plausible(&measured.sight, adjustment, &rules)
        .map_err(|objection| format!("{}: {objection}", measured.by))?;
    Ok((measured, adjustment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_read_back_and_nonsense_is_not() {
        let advice = Advice {
            adjustment: Span::from_millis(-5500),
            bound: Span::from_micros(12),
            by: "3 of 3 votes".to_owned(),
        };
        assert_eq!(Advice::read(advice.write().as_bytes()), Some(advice));
        for nonsense in ["", "1", "1 2", "x 1 y", "1 -1 y", "1 x y"] {
            assert_eq!(Advice::read(nonsense.as_bytes()), None, "{nonsense}");
        }
        assert_eq!(Advice::read(&[0xff, 0xfe]), None);
    }

    #[test]
    fn a_marker_counts_in_its_own_boot_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let marker = |boot: &str| Marker { path: folder.path().join("run/stepped"), boot: boot.to_owned() };
        assert!(!marker("one").is_of_this_boot());
        marker("one").prepare().unwrap();
        marker("one").set().unwrap();
        assert!(marker("one").is_of_this_boot());
        assert!(!marker("two").is_of_this_boot());
    }
}

//! What a survey has found so far, as a file: one that was ended goes on where it stopped.
//!
//! A line of JSON for the survey, and one for each host that is done with, written whole and at once
//! (`docs/formats/survey.md`). Readings are against the raw counter, so they mean something only until this machine is booted
//! anew or sleeps.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;

use serde::{Deserialize, Serialize};
use truechimer_core::wire::ntp::Leap;
use truechimer_sys::{clock, file, system};
use truechimer_time::{Span, Time};

use super::diary::for_each_line;
use super::finding::{Finding, Reading};
use super::protocol::Protocol;
use super::told::{Claim, Doubt};
use super::trouble::Trouble;
use super::window::Window;

/// The version of the lines.
const VERSION: u32 = 1;

/// A sleep that is shorter is none: it is how far two readings of it differ.
const SLEEP_MIN: f64 = 0.01;

/// The file, to be added to.
#[derive(Debug)]
pub struct State {
    file: File,
}

/// Why a file cannot be gone on with.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Those of the system, or a line that is none of ours.
    #[error(transparent)]
    System(#[from] io::Error),
    /// There is a survey in it, and it was not said that it is to go on.
    #[error("there is a survey in it already: say --resume to go on with it, or name another file")]
    Begun,
    /// It is not ours, or of another version.
    #[error("it does not begin as the state of a survey does")]
    Foreign,
    /// The counter has begun anew since, or stood still.
    #[error(
        "this machine was booted anew, or has slept, since it was written: its readings cannot be compared with new ones any more"
    )]
    Old,
}

#[derive(Serialize, Deserialize)]
struct Head {
    survey: u32,
    boot: String,
    /// Seconds.
    asleep: f64,
}

#[derive(Serialize, Deserialize)]
struct Line {
    host: String,
    swept: bool,
    #[serde(default)]
    address: Option<SocketAddr>,
    #[serde(default)]
    protocol: Option<String>,
    asked: u8,
    answered: u8,
    #[serde(default)]
    reading: Option<ReadingLine>,
    #[serde(default)]
    error: Option<Trouble>,
}

/// Spans are decimal seconds in words, because a float does not hold them.
#[derive(Serialize, Deserialize)]
struct ReadingLine {
    at: String,
    ahead: [String; 2],
    ours: String,
    #[serde(default)]
    truth: Option<[String; 2]>,
    delay: String,
    #[serde(default)]
    claim: Option<ClaimLine>,
    #[serde(default)]
    zone: Option<i32>,
    #[serde(default)]
    assumed: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct ClaimLine {
    distance: String,
    stratum: u8,
    reference_id: [u8; 4],
    leap: u8,
}

impl State {
    /// Opens the file, and says what was found before by the names of the hosts.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn open(path: &Path, resume: bool) -> Result<(Self, HashMap<String, Finding>), StateError> {
        let mut known = HashMap::new();
        let old = file::append(path, 0o644)?;
        let is_new = old.metadata()?.len() == 0;
        if !is_new && !resume {
            return Err(StateError::Begun);
        }
        let mut head: Option<Head> = None;
        let mut is_foreign = false;
        let mut whole = 0;
        for_each_line(old.try_clone()?, |line| {
            whole += line.len() as u64 + 1;
            match &head {
                None => match serde_json::from_str::<Head>(line) {
                    Ok(read) => head = Some(read),
                    Err(_) => is_foreign = true,
                },
                Some(_) => {
                    let finding = serde_json::from_str::<Line>(line)?.finding();
                    known.extend(finding.map(|finding| (finding.name.clone(), finding)));
                }
            }
            Ok(())
        })?;
        match head {
            _ if is_foreign => return Err(StateError::Foreign),
            None if !is_new => return Err(StateError::Foreign),
            Some(head) if head.survey != VERSION => return Err(StateError::Foreign),
            Some(head) if !head.is_of_now() => return Err(StateError::Old),
            Some(_) | None => {}
        }
        // What a power cut has left of a line would spoil the next one.
        old.set_len(whole)?;
        let mut state = Self { file: old };
        if is_new {
            state.write(&Head::now())?;
        }
        Ok((state, known))
    }

    /// A host is done with.
    ///
    /// # Errors
    /// Those of the system.
    pub fn add(&mut self, finding: &Finding) -> io::Result<()> {
        self.write(&Line::of(finding))
    }

    fn write(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        // At once, at the end: a reader sees whole lines.
        self.file.write_all(&text)
    }
}

impl Head {
    fn now() -> Self {
        let boot = system::boot_id().unwrap_or_default();
        Self { survey: VERSION, boot, asleep: clock::asleep().as_seconds() }
    }

    fn is_of_now(&self) -> bool {
        let now = Self::now();
        self.boot == now.boot && (self.asleep - now.asleep).abs() < SLEEP_MIN
    }
}

fn words(window: Window) -> [String; 2] {
    [window.lo.to_string(), window.hi.to_string()]
}

fn window([lo, hi]: &[String; 2]) -> Option<Window> {
    Some(Window::between(lo.parse().ok()?, hi.parse().ok()?))
}

impl Line {
    fn of(finding: &Finding) -> Self {
        Self {
            host: finding.name.clone(),
            swept: finding.is_swept,
            address: finding.place,
            protocol: finding.protocol.map(|protocol| protocol.word().to_owned()),
            asked: finding.asked,
            answered: finding.answered,
            reading: finding.outcome.as_ref().ok().map(ReadingLine::of),
            error: finding.outcome.as_ref().err().cloned(),
        }
    }

    /// Nothing, if something of it cannot be understood: then the host is asked again.
    fn finding(&self) -> Option<Finding> {
        let outcome = match (&self.reading, &self.error) {
            (Some(reading), _) => Ok(reading.reading()?),
            (None, Some(error)) => Err(error.clone()),
            (None, None) => return None,
        };
        Some(Finding {
            name: self.host.clone(),
            is_swept: self.swept,
            place: self.address,
            protocol: self.protocol.as_deref().and_then(Protocol::named),
            asked: self.asked,
            answered: self.answered,
            outcome,
        })
    }
}

impl ReadingLine {
    fn of(reading: &Reading) -> Self {
        let zone = reading.doubts.iter().find_map(|doubt| match doubt {
            Doubt::Zone(minutes) => Some(*minutes),
            Doubt::Contradiction | Doubt::Day | Doubt::Unverified => None,
        });
        Self {
            at: reading.at.since_epoch().to_string(),
            ahead: words(reading.window),
            ours: reading.ours.to_string(),
            truth: reading.truth.map(words),
            delay: reading.delay.to_string(),
            claim: reading.claim.map(|claim| ClaimLine {
                distance: claim.distance.to_string(),
                stratum: claim.stratum,
                reference_id: claim.reference_id,
                leap: claim.leap as u8,
            }),
            zone,
            assumed: reading.doubts.iter().map(|doubt| doubt.label().to_owned()).collect(),
        }
    }

    fn reading(&self) -> Option<Reading> {
        let span = |text: &String| text.parse::<Span>().ok();
        let doubt = |label: &String| {
            let all =
                [Doubt::Contradiction, Doubt::Zone(self.zone.unwrap_or(0)), Doubt::Day, Doubt::Unverified];
            all.into_iter().find(|doubt| doubt.label() == label)
        };
        let claim = match &self.claim {
            None => None,
            Some(claim) => Some(Claim {
                distance: span(&claim.distance)?,
                stratum: claim.stratum,
                reference_id: claim.reference_id,
                leap: [Leap::None, Leap::Insert, Leap::Delete]
                    .into_iter()
                    .find(|leap| *leap as u8 == claim.leap)?,
            }),
        };
        let truth = match &self.truth {
            None => None,
            Some(truth) => Some(window(truth)?),
        };
        Some(Reading {
            at: Time::from_epoch(span(&self.at)?),
            window: window(&self.ahead)?,
            ours: span(&self.ours)?,
            truth,
            delay: span(&self.delay)?,
            claim,
            doubts: self.assumed.iter().map(doubt).collect::<Option<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::trouble::Kind;
    use super::*;
    use std::fs;

    fn findings() -> [Finding; 2] {
        let span = |nanos| Span::from_nanos(nanos);
        let reading = Reading {
            at: Time::from_epoch(Span::from_attos(1_234_567_890_123_456_789_012)),
            window: Window::between(span(1_790_000_000_123_456_789), span(1_790_000_000_123_456_999)),
            ours: span(1_790_000_000_123_456_800),
            truth: Some(Window::between(span(1), span(2))),
            delay: span(3),
            claim: Some(Claim { distance: span(4), stratum: 2, reference_id: *b"GPS\0", leap: Leap::Insert }),
            doubts: vec![Doubt::Zone(-210), Doubt::Unverified],
        };
        let good = Finding {
            name: "a.example".to_owned(),
            is_swept: false,
            place: "192.0.2.1:123".parse().ok(),
            protocol: Some(Protocol::Ntp),
            asked: 2,
            answered: 2,
            outcome: Ok(reading),
        };
        let silent = Finding {
            name: "192.0.2.2".to_owned(),
            is_swept: true,
            protocol: None,
            outcome: Err(Trouble::new(Kind::Silent, "no answer")),
            ..good.clone()
        };
        [good, silent]
    }

    #[test]
    fn what_was_found_is_known_again_to_the_last_digit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let (mut state, known) = State::open(&path, false).unwrap();
        assert!(known.is_empty());
        findings().iter().for_each(|finding| state.add(finding).unwrap());
        drop(state);
        let (_, known) = State::open(&path, true).unwrap();
        for finding in findings() {
            assert_eq!(known.get(&finding.name), Some(&finding));
        }
    }

    #[test]
    fn a_line_that_was_torn_is_forgotten_and_the_next_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let [good, silent] = findings();
        State::open(&path, true).unwrap().0.add(&good).unwrap();
        let mut text = fs::read_to_string(&path).unwrap();
        text += "{\"host\":\"192.0.2.2\",\"sw";
        fs::write(&path, &text).unwrap();
        let (mut state, known) = State::open(&path, true).unwrap();
        assert_eq!(known.len(), 1);
        state.add(&silent).unwrap();
        assert_eq!(State::open(&path, true).unwrap().1.len(), 2);
    }

    #[test]
    fn what_cannot_be_gone_on_with_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        State::open(&path, false).unwrap();
        assert!(matches!(State::open(&path, false), Err(StateError::Begun)));
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("\"boot\":\"", "\"boot\":\"another")).unwrap();
        assert!(matches!(State::open(&path, true), Err(StateError::Old)));
        for foreign in ["nonsense\n", "{\"survey\":7,\"boot\":\"\",\"asleep\":0}\n", "no end"] {
            fs::write(&path, foreign).unwrap();
            assert!(matches!(State::open(&path, true), Err(StateError::Foreign)), "{foreign}");
            assert_eq!(fs::read_to_string(&path).unwrap(), foreign, "it is left alone");
        }
    }
}

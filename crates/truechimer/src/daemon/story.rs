//! Events as lines for people: what happened, to what, and what to do about it.

use std::net::SocketAddr;

use truechimer_core::discipline::select::NoMajority;
use truechimer_core::event::{Bootstrapping, Event, Interruption, Measurement, SteeringFault};
use truechimer_core::measure::exchange::KissCode;
use truechimer_core::source::pool::Trouble;
use truechimer_core::source::{SourceId, SourceSet};
use truechimer_core::status::Status;
use truechimer_time::{Civil, LeapKind, Span};

use crate::config::Level;
use crate::ui::units;

/// Tells events by the names of the sources.
pub struct Storyteller {
    names: Vec<String>,
    level: Level,
}

impl Storyteller {
    /// A teller who leaves out what is less grave than `level`.
    pub fn new(names: Vec<String>, level: Level) -> Self {
        Self { names, level }
    }

    /// The sources are others from now on.
    pub fn rename(&mut self, names: Vec<String>) {
        self.names = names;
    }

    /// Writes a line on stderr, if the event is grave enough.
    pub fn tell(&self, event: &Event) {
        self.say(gravity(event), &self.words(event));
    }

    /// Writes any line on stderr, if it is grave enough.
    pub fn say(&self, level: Level, line: &str) {
        if level <= self.level {
            eprintln!("{}: {line}", level.name());
        }
    }

    /// What the operator calls a source.
    pub fn name(&self, source: SourceId) -> &str {
        self.names.get(source.index()).map_or("a source that is not configured", String::as_str)
    }

    fn list(&self, sources: SourceSet) -> String {
        let names: Vec<&str> = sources.iter().map(|index| self.name(SourceId(index as u8))).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }

    /// The event in a sentence.
    pub fn words(&self, event: &Event) -> String {
        match event {
            Event::Measured(measurement) => self.measured(measurement),
            Event::Paced(paced) => format!(
                "{} is asked every {} from now on ({} questions and {} answers so far)",
                self.name(paced.source),
                units::span(paced.interval),
                paced.traffic.questions,
                paced.traffic.answers,
            ),
            Event::Contradicted { source, gap } => format!(
                "{} contradicts what it said before by {}: its clock or our counter has jumped",
                self.name(*source),
                units::span(*gap),
            ),
            Event::Selected { truechimers, falsetickers, without_trusted } => {
                self.selection(*truechimers, *falsetickers, *without_trusted)
            }
            Event::Unselected(reason) => no_majority(*reason),
            Event::Updated(update) => format!(
                "clock off by {}, true time known {}, counter gains {}",
                units::offset(update.offset),
                units::bound(update.bound),
                units::rate(-update.rate),
            ),
            Event::Addressed { .. }
            | Event::NotFound { .. }
            | Event::NotSent { .. }
            | Event::Reachable { .. }
            | Event::Unreachable { .. }
            | Event::Refused { .. }
            | Event::Misread { .. }
            | Event::Kissed { .. }
            | Event::Agreed { .. }
            | Event::NotAgreed { .. }
            | Event::SameServer { .. }
            | Event::GivenUp { .. }
            | Event::Loops { .. } => self.of_source(event).unwrap_or_default(),
            Event::Bootstrapping(bootstrapping) => self.bootstrapping(*bootstrapping),
            Event::OscillatorDoubted
            | Event::StatusChanged { .. }
            | Event::Stepped { .. }
            | Event::Leapt { .. }
            | Event::MovedByOthers { .. }
            | Event::RetunedByOthers { .. }
            | Event::Suspended { .. }
            | Event::Interrupted(_)
            | Event::Starved { .. }
            | Event::Panicked { .. }
            | Event::Calmed
            | Event::SteeringFailed { .. }
            | Event::LeaveGiven => own_words(event).unwrap_or_default(),
        }
    }

    /// What happened between us and a source, if that is what the event is.
    fn of_source(&self, event: &Event) -> Option<String> {
        Some(match event {
            Event::Addressed { source, address } => format!("{} is asked at {address}", self.name(*source)),
            Event::NotFound { source } => {
                format!(
                    "{} has no address: the name cannot be looked up now; it is tried again",
                    self.name(*source)
                )
            }
            Event::NotSent { source, errno } => {
                format!("cannot ask {}: {}", self.name(*source), std::io::Error::from_raw_os_error(*errno))
            }
            Event::Reachable { source } => format!("{} answers", self.name(*source)),
            Event::Unreachable { source } => {
                format!("{} has not answered its last 8 polls", self.name(*source))
            }
            Event::Refused { source, refusal } => {
                format!("cannot use an answer of {}: {refusal}", self.name(*source))
            }
            Event::Misread { source, misreading } => {
                format!("cannot use a reading of {}: {misreading}", self.name(*source))
            }
            Event::Kissed { source, kiss } => format!("{} {}", self.name(*source), kiss_words(kiss.code)),
            Event::Agreed { source, cookies } => {
                format!("{} has given keys for NTS, and {cookies} cookies", self.name(*source))
            }
            Event::NotAgreed { source, why } => {
                format!(
                    "no keys for NTS from {}: {why}; it is tried again, ever more rarely",
                    self.name(*source)
                )
            }
            Event::SameServer { source, of } => format!(
                "{} is the same server as {}: it is not asked, and its vote is missing; name another server",
                self.name(*source),
                self.name(*of),
            ),
            Event::GivenUp { source, address, trouble } => self.given_up(*source, *address, *trouble),
            Event::Loops { source } => format!(
                "{} has its time from us, or is ourselves: it is left out as long as that is so",
                self.name(*source)
            ),
            Event::Measured(_)
            | Event::Bootstrapping(_)
            | Event::Paced(_)
            | Event::Contradicted { .. }
            | Event::Selected { .. }
            | Event::Unselected(_)
            | Event::Updated(_)
            | Event::OscillatorDoubted
            | Event::StatusChanged { .. }
            | Event::Stepped { .. }
            | Event::Leapt { .. }
            | Event::MovedByOthers { .. }
            | Event::RetunedByOthers { .. }
            | Event::Suspended { .. }
            | Event::Interrupted(_)
            | Event::Starved { .. }
            | Event::Panicked { .. }
            | Event::Calmed
            | Event::SteeringFailed { .. }
            | Event::LeaveGiven => return None,
        })
    }

    fn given_up(&self, source: SourceId, address: SocketAddr, trouble: Trouble) -> String {
        format!("{} is given up at {address}: {}", self.name(source), trouble_words(trouble))
    }

    fn bootstrapping(&self, bootstrapping: Bootstrapping) -> String {
        match bootstrapping {
            Bootstrapping::Begun { needed } => format!(
                "the certificates are not valid at what the clock says: asking all servers of NTS for the time that at least \
                 {needed} of them agree on ([select] nts_bootstrap); nothing is done with it before they have proved \
                 themselves then"
            ),
            Bootstrapping::Claimed { utc, sources } => format!(
                "under certificates whose dates were not looked at, these say that it is {:.0}: {}; all keys are thrown away \
                 and agreed on anew, with certificates that are valid then",
                Civil::of(utc),
                self.list(sources),
            ),
            Bootstrapping::Unproved => {
                "too few of those who said when it is have a certificate that is valid then: nothing is done with it, and all \
                 are asked anew"
                    .to_owned()
            }
        }
    }

    fn measured(&self, m: &Measurement) -> String {
        format!(
            "{}: offset {} {}, delay {}",
            self.name(m.source),
            units::offset(m.offset),
            units::bound(m.distance),
            units::span(m.delay),
        )
    }

    fn selection(&self, truechimers: SourceSet, falsetickers: SourceSet, without_trusted: bool) -> String {
        let against = match falsetickers.is_empty() {
            true => String::new(),
            false => format!("; against them: {}", self.list(falsetickers)),
        };
        let anyway = match without_trusted {
            true => {
                "; no source with `trust = true` says anything, so the others have decided \
                (`require = true` would forbid it)"
            }
            false => "",
        };
        format!("a majority agrees: {}{against}{anyway}", self.list(truechimers))
    }
}

/// What happened to ourselves, which needs no names; `None` for what happened to a source.
fn own_words(event: &Event) -> Option<String> {
    Some(match event {
        Event::OscillatorDoubted => {
            "what the sources agree upon contradicts what is assumed of this machine's \
            oscillator; its rate is learned anew (see [assume] max_drift)"
                .to_owned()
        }
        Event::StatusChanged { from, to } => format!("{} (was {from})", status_words(*to)),
        Event::Stepped { by } => format!("the clock was stepped by {}", units::offset(*by)),
        Event::Leapt { kind: LeapKind::Inserted } => {
            "a leap second was inserted: the clock has shown 23:59:59 twice".to_owned()
        }
        Event::Leapt { kind: LeapKind::Deleted } => {
            "a leap second was left out: the clock has gone from 23:59:58 to 00:00:00".to_owned()
        }
        Event::MovedByOthers { by } => format!(
            "somebody else has stepped the clock by {}: look for a second time daemon or an agent of the hypervisor",
            units::offset(*by)
        ),
        Event::RetunedByOthers { by } => format!(
            "the clock runs {} away from the rate that it was given: look for a second time daemon",
            units::rate(*by)
        ),
        Event::Suspended { slept } => {
            format!("the machine was suspended for {}: measuring anew", units::span(*slept))
        }
        Event::Interrupted(interruption) => interrupted(*interruption),
        Event::Starved { late } => format!(
            "this daemon was kept from running for {}: the machine is overloaded, or somebody stopped the process",
            units::span(*late)
        ),
        Event::Panicked { error } => format!(
            "the clock is off by {}, beyond [clock] panic: it is left alone; if the sources are right, give leave by \
             `truechimer step`",
            units::offset(*error)
        ),
        Event::Calmed => "the error is below [clock] panic again: steering goes on".to_owned(),
        Event::SteeringFailed { fault } => format!("cannot steer the clock: {}", fault_words(*fault)),
        Event::LeaveGiven => "an operator has given leave to step the clock once".to_owned(),
        Event::Addressed { .. }
        | Event::NotFound { .. }
        | Event::NotSent { .. }
        | Event::Paced(_)
        | Event::Reachable { .. }
        | Event::Unreachable { .. }
        | Event::Refused { .. }
        | Event::Misread { .. }
        | Event::Kissed { .. }
        | Event::Agreed { .. }
        | Event::NotAgreed { .. }
        | Event::Bootstrapping(_)
        | Event::Measured(_)
        | Event::Contradicted { .. }
        | Event::SameServer { .. }
        | Event::GivenUp { .. }
        | Event::Loops { .. }
        | Event::Selected { .. }
        | Event::Unselected(_)
        | Event::Updated(_) => return None,
    })
}

fn interrupted(interruption: Interruption) -> String {
    match interruption {
        Interruption::Paused { by } => format!(
            "the machine stood still for about {} by its battery clock, as a guest does that is paused: measuring anew",
            units::span(by)
        ),
        Interruption::Moved => {
            "the host says that this machine was moved to another one or goes on from a snapshot: measuring anew".to_owned()
        }
        Interruption::Recounted => {
            "the kernel counts by another clocksource from now on: rate and time are measured anew".to_owned()
        }
    }
}

/// How grave an event is.
pub fn gravity(event: &Event) -> Level {
    match event {
        Event::Panicked { .. } | Event::SteeringFailed { .. } => Level::Error,
        Event::Unreachable { .. }
        | Event::NotFound { .. }
        | Event::Kissed { .. }
        | Event::NotAgreed { .. }
        | Event::Bootstrapping(_)
        | Event::Contradicted { .. }
        | Event::SameServer { .. }
        | Event::Loops { .. }
        | Event::Selected { without_trusted: true, .. }
        | Event::Unselected(_)
        | Event::OscillatorDoubted
        | Event::MovedByOthers { .. }
        | Event::RetunedByOthers { .. }
        | Event::Interrupted(_)
        | Event::Starved { .. } => Level::Warn,
        Event::Addressed { .. }
        | Event::Agreed { .. }
        | Event::GivenUp { .. }
        | Event::Reachable { .. }
        | Event::Selected { without_trusted: false, .. }
        | Event::StatusChanged { .. }
        | Event::Stepped { .. }
        | Event::Leapt { .. }
        | Event::Suspended { .. }
        | Event::Calmed
        | Event::LeaveGiven => Level::Info,
        // Anybody on the network can cause these as often as he likes.
        Event::NotSent { .. }
        | Event::Refused { .. }
        | Event::Misread { .. }
        | Event::Measured(_)
        | Event::Paced(_)
        | Event::Updated(_) => Level::Debug,
    }
}

/// Why a server of a pool is of no use.
fn trouble_words(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::Vacant => "there was none",
        Trouble::Refused => "it does not want to be asked by us",
        Trouble::Unreachable => "it does not answer",
        Trouble::Falseticker => "a majority says another time",
        Trouble::Mute => "none of its answers could be used",
        Trouble::NotItself => "it has its time from us, or is another source too",
    }
}

fn kiss_words(code: KissCode) -> String {
    match code {
        KissCode::Rate => "wishes to be asked less often: granted".to_owned(),
        KissCode::Deny | KissCode::Restrict => {
            format!("does not want to be asked by us ({code}): it is left alone")
        }
        KissCode::NtsNak => {
            "does not know our cookie (NTSN): if it does not answer the next question either, new keys are asked for"
                .to_owned()
        }
        KissCode::Other(_) => format!("sent a kiss code that asks nothing of us ({code})"),
    }
}

/// Why nobody is believed, and what to do about it.
fn no_majority(reason: NoMajority) -> String {
    match reason {
        NoMajority::TooFew { agree, needed, speak, operators } => {
            let advice = match speak < needed {
                true => "wait for the others, or name others in their place",
                false => "see who is right with `truechimer sources`, and name more operators",
            };
            format!(
                "no majority: of {operators} operators {speak} say something and at most {agree} agree, but {needed} must; \
                 the clock goes on at its learned rate; {advice} ([select] min_operators can let fewer decide)"
            )
        }
        NoMajority::TrustedDisagree => {
            "no selection: the sources with `trust = true` contradict each other; take the trust from those that are \
             wrong"
                .to_owned()
        }
        NoMajority::TrustedAwaited => {
            "no selection yet: a source with `trust = true` is still waited for".to_owned()
        }
        NoMajority::RequiredMissing => {
            "no selection: a majority agrees, but no source with `require = true` is among it".to_owned()
        }
    }
}

fn status_words(status: Status) -> &'static str {
    match status {
        Status::Unknown => "nothing is known of the time",
        Status::Synchronised => "synchronised",
        Status::Degraded => {
            "degraded: the time is known, but not as well as wanted, or the clock may not be moved"
        }
        Status::Holdover => "holdover: nobody answers, or no majority; the time is kept by what was learned",
        Status::Disrupted => "disrupted: the counter was interrupted",
    }
}

/// A fault in words, with what to do.
pub fn fault_words(fault: SteeringFault) -> String {
    match fault {
        SteeringFault::NotPermitted => {
            "not permitted: CAP_SYS_TIME is missing, or a container forbids it; `target = \"user\"` does without".to_owned()
        }
        SteeringFault::Invalid => "the kernel does not take the figures".to_owned(),
        SteeringFault::Vetoed => "its keeper vetoed the command (too fast a rate, too many steps in this boot, or a \
            step to before the floor); `truechimer step` as root renews the budget of steps"
            .to_owned(),
        SteeringFault::Spent => "its keeper has made [clock] steps_per_day steps after interruptions within a day: what is \
            left is slewed; `truechimer step` as root gives leave, and renews the budget"
            .to_owned(),
        SteeringFault::KeeperLost => "the process that may set it is gone or does not answer; the clock goes on at the \
            rate that it has, and `truechimer now` stays right; restart the daemon"
            .to_owned(),
        SteeringFault::Other(errno) => std::io::Error::from_raw_os_error(errno).to_string(),
    }
}

/// A forecast in words: how long each limit holds.
pub fn forecast_words(forecast: &[(Span, Span)]) -> String {
    let holding: Vec<String> = forecast
        .iter()
        .filter(|(_, holds)| *holds > Span::ZERO)
        .map(|(limit, holds)| format!("within {} for {}", units::span(*limit), units::span(*holds)))
        .collect();
    if holding.is_empty() { "beyond 1 s already".to_owned() } else { holding.join(", ") }
}

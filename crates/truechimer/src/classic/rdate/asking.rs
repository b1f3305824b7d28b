//! What the process does that asks: all hosts at once, then a vote, then one line of numbers.

use std::io;
use std::panic;
use std::thread;

use truechimer_core::discipline::bracket::Bracket;
use truechimer_core::discipline::oscillator::RateLimits;
use truechimer_core::discipline::select::{Agreement, Quorum, Voter, vote};
use truechimer_core::measure::exchange::Refusal;
use truechimer_core::policy::TrustPolicy;
use truechimer_time::{Local, Rate, Span, Time, Utc};

use super::plain::{self, Heard};
use super::{NAME, could, millis, strerror};
use crate::classic::messages::tell;
use crate::cli::Family;
use crate::config::Address;
use crate::measuring::{self, LEAPS, Majority, Manner, Server, TooFew, Trouble, names};

pub(super) use super::plain::Transport;

/// Exchanges with each host by SNTP, and how long an answer is waited for.
const SAMPLES: u8 = 4;
const TIMEOUT: Span = Span::from_secs(3);

/// Whom to ask, and what not to believe.
#[derive(Clone, Debug)]
pub(super) struct Asking {
    pub(super) hosts: Vec<Address>,
    pub(super) family: Family,
    /// An answer that took longer is none.
    pub(super) delay_max: Option<Span>,
    /// Nothing is said about hosts that the others outvote.
    pub(super) silent: bool,
}

/// What the hosts say together: by how much our clock is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// What it showed when that was so.
    pub(super) local: Time<Local>,
    /// UTC less that, at the least..
    pub(super) least: Span,
    /// ..and at the most.
    pub(super) most: Span,
    /// How long the slowest answer took.
    pub(super) delay: Span,
}

impl Found {
    /// The right time if the clock, as a count, is slow by so much.
    pub(super) fn right(&self, offset: Span) -> Time<Utc> {
        Time::from_epoch(self.local.since_epoch() + offset)
    }

    /// One line of seconds.
    pub(super) fn write(&self) -> String {
        format!("{} {} {} {}", self.local.since_epoch(), self.least, self.most, self.delay)
    }

    /// The inverse; `None` for anything else.
    pub(super) fn read(line: &[u8]) -> Option<Self> {
        let words: Vec<&str> = std::str::from_utf8(line).ok()?.split(' ').collect();
        let [local, least, most, delay] = words[..] else { return None };
        let local = Time::from_epoch(local.parse().ok()?);
        let (least, most, delay) = (least.parse().ok()?, most.parse().ok()?, delay.parse().ok()?);
        (least <= most).then_some(Self { local, least, most, delay })
    }
}

impl Asking {
    /// By RFC 868.
    pub(super) fn by_time(&self, transport: Transport) -> Result<Found, String> {
        let found = names::look_up(&self.hosts, self.family);
        let answers: Vec<Result<Heard, String>> = thread::scope(|scope| {
            let ask = |(places, host): (Result<Vec<_>, Trouble>, &Address)| {
                let places = places.map_err(|trouble| words(host, &trouble))?;
                self.in_time(plain::ask(&places, transport)?)
            };
            let threads: Vec<_> =
                found.into_iter().zip(&self.hosts).map(|asked| scope.spawn(move || ask(asked))).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|cause| panic::resume_unwind(cause)))
                .collect()
        });
        self.counted(answers)
    }

    fn in_time(&self, heard: Heard) -> Result<Heard, String> {
        self.is_too_slow(heard.delay).map_or(Ok(heard), Err)
    }

    fn is_too_slow(&self, delay: Span) -> Option<String> {
        let limit = self.delay_max?;
        (delay > limit).then(|| format!("Network delay exceeded ({} msec)", millis(delay)))
    }

    /// A single host is believed, because its user says so.
    fn counted(&self, answers: Vec<Result<Heard, String>>) -> Result<Found, String> {
        match <[_; 1]>::try_from(answers) {
            Ok([only]) => only.map(|heard| found(heard.bracket, &[heard], heard)),
            Err(answers) => self.voted(&answers),
        }
    }

    fn voted(&self, answers: &[Result<Heard, String>]) -> Result<Found, String> {
        let heard =
            |(source, answer): (usize, &Result<Heard, String>)| Some((source, *answer.as_ref().ok()?));
        let heard: Vec<(usize, Heard)> = answers.iter().enumerate().filter_map(heard).collect();
        let Some((_, last)) = heard.iter().copied().max_by_key(|(_, heard)| heard.at.raw) else {
            self.complain(answers);
            return Err("no host has answered".to_owned());
        };
        let operators = self.operators();
        let votes = 1 + operators.iter().copied().max().unwrap_or_default();
        let quorum = Quorum::majority_of(votes);
        let voters: Vec<Voter> =
            heard.iter().map(|(source, heard)| voter(*source, operators[*source], heard, last)).collect();
        let agreement = vote(&voters, quorum);
        if agreement.is_err() || !self.silent {
            self.complain(answers);
        }
        let needed = quorum.needed;
        let agreement = agreement
            .map_err(|_| format!("the hosts do not agree: {needed} of {votes} votes would have to"))?;
        if !self.silent {
            self.name_liars(&agreement);
        }
        let agrees =
            |(source, heard): &(usize, Heard)| agreement.truechimers.contains(*source).then_some(*heard);
        let agreeing: Vec<Heard> = heard.iter().filter_map(agrees).collect();
        Ok(found(agreement.agreed, &agreeing, last))
    }

    /// Who runs each host, numbered from zero: one vote each. If all are of one operator, each host has a vote.
    fn operators(&self) -> Vec<usize> {
        let mut names: Vec<String> = Vec::new();
        let mut numbers = Vec::new();
        for name in self.hosts.iter().map(Address::operator) {
            let known = names.iter().position(|known| *known == name);
            numbers.push(known.unwrap_or(names.len()));
            if known.is_none() {
                names.push(name);
            }
        }
        if names.len() > 1 { numbers } else { (0..self.hosts.len()).collect() }
    }

    fn complain(&self, answers: &[Result<Heard, String>]) {
        for (host, answer) in self.hosts.iter().zip(answers) {
            if let Err(why) = answer {
                tell(NAME, &of_host(host, why));
            }
        }
    }

    fn name_liars(&self, agreement: &Agreement) {
        for (source, host) in self.hosts.iter().enumerate() {
            if agreement.falsetickers.contains(source) {
                tell(NAME, &of_host(host, "does not agree with the others"));
            }
        }
    }

    /// By SNTP, through the same exchanges as `truechimer query` and `set`.
    pub(super) fn by_sntp(&self) -> Result<Found, String> {
        let manner = Manner { samples: SAMPLES, timeout: TIMEOUT, family: self.family };
        let survey = measuring::measure(&self.hosts, &manner).map_err(|error| could("ask", &error))?;
        if let [Server { address, outcome: Err(trouble), .. }] = &survey.servers[..] {
            let why = words(address, trouble);
            return Err(if is_lookup(trouble) { why } else { unreasonable(&why) });
        }
        let outcome = survey.verdict.outcome;
        if outcome.is_err() || !self.silent {
            self.complain_sntp(&survey.servers);
        }
        let needed = survey.verdict.needed;
        let Majority { offset, local, .. } = outcome.map_err(|TooFew { agree }| {
            format!(
                "the hosts do not agree: {agree} of {} votes do, and {needed} would have to",
                survey.verdict.votes
            )
        })?;
        let readings = survey.servers.iter().filter_map(|server| server.outcome.as_ref().ok());
        let delay = readings.map(|reading| reading.delay).max().unwrap_or(Span::ZERO);
        let found = Found { local, least: offset, most: offset, delay };
        self.is_too_slow(delay).map_or(Ok(found), Err)
    }

    fn complain_sntp(&self, servers: &[Server]) {
        for Server { address, outcome, .. } in servers {
            if let Err(trouble) = outcome {
                tell(NAME, &of_host(address, &words(address, trouble)));
            }
        }
    }
}

fn voter(source: usize, operator: usize, heard: &Heard, last: Heard) -> Voter {
    let limits = RateLimits::around(Rate::ZERO, TrustPolicy::default().max_rate);
    let bracket = heard.bracket.carried_to(last.at.raw, limits);
    Voter { source, operator, bracket, trust: false, require: false, incumbent: false }
}

/// By the clocks when the last answer came, at whose reading of the counter the bracket is.
fn found(agreed: Bracket, by: &[Heard], last: Heard) -> Found {
    let local = last.at.realtime;
    let offset = |tai| LEAPS.utc_of_tai(tai).time.since_epoch() - local.since_epoch();
    let delay = by.iter().map(|heard| heard.delay).max().unwrap_or(Span::ZERO);
    Found { local, least: offset(agreed.earliest), most: offset(agreed.latest), delay }
}

fn is_lookup(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::NotFound(_) | Trouble::LookupTooSlow(_) | Trouble::NoSuchAddress)
}

fn unreasonable(why: &str) -> String {
    tell(NAME, why);
    "Unable to get a reasonable time estimate".to_owned()
}

/// In the words of Debian's rdate where it has some.
fn words(host: &Address, trouble: &Trouble) -> String {
    let (name, _) = host.host_and_port();
    match trouble {
        Trouble::NotFound(text) => format!("{name}: {}", text.rsplit(": ").next().unwrap_or_default()),
        Trouble::NoSuchAddress => format!("{name}: Address family for hostname not supported"),
        Trouble::LookupTooSlow(_) => format!("{name}: {trouble}"),
        Trouble::Unusable(Refusal::LeapUnknown) => "Ignoring NTP server with alarm flag set".to_owned(),
        Trouble::Network(error) => {
            let error = io::Error::from_raw_os_error(error.errno());
            format!("Unable to receive NTP packet from server: {}", strerror(&error))
        }
        Trouble::Silent(_)
        | Trouble::Unusable(_)
        | Trouble::Kissed(_)
        | Trouble::NearLeap
        | Trouble::ClockSet => format!("Unable to receive NTP packet from server: {trouble}"),
    }
}

/// Where there are several, it is said which one is meant.
fn of_host(host: &Address, text: &str) -> String {
    let (name, port) = host.host_and_port();
    if text.starts_with(&name) { text.to_owned() } else { format!("{name}:{port}: {text}") }
}

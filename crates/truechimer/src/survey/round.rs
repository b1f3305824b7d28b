//! One survey of all hosts: who is asked when, and what comes of it.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use truechimer_sys::clock::{self, Readings};
use truechimer_sys::poll::{Interest, PollSet};
use truechimer_sys::udp::StampKeeper;
use truechimer_time::{Local, Mono, Span, Time, Utc};

use super::finding::{Finding, Reading};
use super::host::{Asking, Errand, Job, Outcome};
use super::lookup::{Found, Lookups, Whom};
use super::target::{Host, Target};
use super::tls::Tls;
use super::trouble::{Kind, Trouble};
use super::truth::Truth;
use crate::cli::Family;
use crate::floor::made;

/// A name is waited for so long: resolv.conf(5) tries two servers for 5 s each.
const LOOKUP_PATIENCE: Span = Span::from_secs(10);

/// So many sessions of TLS at once: each has buffers.
const SESSIONS_MAX: usize = 64;

/// Who was to be begun with earlier is not made up for by more than this at once.
const BURST: u32 = 8;

/// No wait is longer, so that the end of a survey is seen soon.
const WAIT_MAX: Span = Span::from_millis(250);

/// How a survey is made.
#[derive(Clone, Debug, PartialEq)]
pub struct Manner {
    /// How many exchanges by a protocol that tells more than whole seconds.
    pub samples: u8,
    /// How many questions for the turn of a second.
    pub turns: u8,
    /// How long each answer is waited for.
    pub timeout: Span,
    /// How many hosts at once.
    pub concurrency: usize,
    /// How many more in a second.
    pub rate: u32,
    /// Which addresses of names.
    pub family: Family,
    /// Who vouches for certificates, if not those whom the system trusts.
    pub ca: Option<PathBuf>,
    /// Where a daemon of this machine publishes true time.
    pub run_dir: PathBuf,
}

/// Whoever follows a survey while it goes on.
pub trait Audience {
    /// A host is done with.
    ///
    /// # Errors
    /// Those of the system; they end the survey.
    fn found(&mut self, finding: &Finding) -> io::Result<()>;

    /// Is it to end now?
    fn is_over(&mut self) -> bool;
}

/// What a survey has found.
#[derive(Clone, Debug, PartialEq)]
pub struct Survey {
    /// The hosts, in the order in which they were named.
    pub findings: Vec<Finding>,
    /// When it began, by our clock.
    pub begun: Time<Local>,
    /// How long it took.
    pub took: Span,
    /// It was ended before all were asked.
    pub is_cut: bool,
}

/// A survey under way.
struct Round<'a> {
    targets: &'a [Target],
    manner: &'a Manner,
    /// Those that are being asked, by their places.
    jobs: HashMap<usize, Job>,
    /// Those whose names are being looked up, and until when.
    looking: HashMap<usize, Time<Mono>>,
    /// Where their addresses are, by their place in time.
    lookups: Lookups,
    findings: Vec<Option<Finding>>,
    tls: Tls,
    truth: Truth,
    rng: ChaCha8Rng,
    /// Who is begun with next, and when.
    next: usize,
    due: Time<Mono>,
}

/// Asks all hosts, but those about which something was found before.
///
/// # Errors
/// What the system refuses us, never what a host does; and whatever the audience fails with.
pub fn survey(
    targets: &[Target],
    known: Vec<Option<Finding>>,
    manner: &Manner,
    audience: &mut impl Audience,
) -> io::Result<Survey> {
    assert_eq!(targets.len(), known.len(), "each target is known or not");
    let _stamping = StampKeeper::hold().map_err(io::Error::other)?;
    let begun = clock::readings();
    let mut round = Round::new(targets, known, manner, &begun)?;
    let is_cut = round.run(audience)?;
    let took = clock::mono() - begun.mono;
    let findings = round.findings.into_iter().flatten().collect();
    Ok(Survey { findings, begun: begun.realtime, took, is_cut })
}

impl<'a> Round<'a> {
    fn new(
        targets: &'a [Target],
        known: Vec<Option<Finding>>,
        manner: &'a Manner,
        now: &Readings,
    ) -> io::Result<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(io::Error::other)?;
        let truth = Truth::of(&manner.run_dir);
        let tls = Tls::new(manner.ca.clone(), best_guess(&truth, now));
        tls.check().map_err(|trouble| io::Error::other(trouble.text))?;
        Ok(Self {
            targets,
            manner,
            jobs: HashMap::new(),
            looking: HashMap::new(),
            lookups: Lookups::new(manner.family)?,
            findings: known,
            tls,
            truth,
            rng: ChaCha8Rng::from_seed(seed),
            next: 0,
            due: now.mono,
        })
    }

    /// Until all are done with, or the audience has had enough. Was that so?
    fn run(&mut self, audience: &mut impl Audience) -> io::Result<bool> {
        let mut set = PollSet::with_cap(WAIT_MAX);
        loop {
            let now = clock::glance();
            if audience.is_over() {
                self.cut(&now, audience)?;
                return Ok(true);
            }
            self.admit(&now)?;
            self.wake(&now, audience)?;
            let Some(deadline) = self.deadline() else { return Ok(false) };
            let ready = self.wait(&mut set, deadline - clock::mono())?;
            for (index, number) in ready {
                // Each answer has its own moment: the ones before it have taken time.
                let now = clock::glance();
                let errand = self.jobs.get_mut(&index).and_then(|job| job.ready(number, &now));
                self.run_errands(index, errand, &now, audience)?;
            }
            self.hear_names(audience)?;
        }
    }

    fn wait(&self, set: &mut PollSet<Option<(usize, u32)>>, patience: Span) -> io::Result<Vec<(usize, u32)>> {
        use std::os::fd::AsFd as _;
        set.clear();
        set.add(self.lookups.as_fd(), Interest::Read, None);
        for job in self.jobs.values() {
            job.watched().for_each(|(number, fd, interest)| set.add(fd, interest, Some((job.index, number))));
        }
        Ok(set.wait(Some(patience.max(Span::ZERO)))?.filter_map(|event| event.token).collect())
    }

    /// Begins with as many hosts as is their turn.
    fn admit(&mut self, now: &Readings) -> io::Result<()> {
        let spacing = Span::from_secs(1) / i64::from(self.manner.rate.max(1));
        self.due = self.due.max(now.mono - spacing * i64::from(BURST));
        while self.jobs.len() + self.looking.len() < self.manner.concurrency && self.due <= now.mono {
            let Some(index) = self.next_unknown() else { return Ok(()) };
            self.due += spacing;
            match &self.targets[index].host {
                Host::Address(address) => self.begin(index, vec![*address], now),
                Host::Name(name) => {
                    self.lookups.ask(Whom::Target(index), name.clone(), 0)?;
                    self.looking.insert(index, now.mono + LOOKUP_PATIENCE);
                }
            }
        }
        Ok(())
    }

    fn next_unknown(&mut self) -> Option<usize> {
        while self.findings.get(self.next)?.is_some() {
            self.next += 1;
        }
        self.next += 1;
        Some(self.next - 1)
    }

    fn begin(&mut self, index: usize, addresses: Vec<std::net::IpAddr>, now: &Readings) {
        let Manner { samples, turns, timeout, .. } = *self.manner;
        let asking = Asking { samples, turns, patience: timeout };
        self.jobs.insert(index, Job::new(index, &self.targets[index], addresses, asking, now));
    }

    /// When something is to be done though nothing happens. Never, if all is done.
    fn deadline(&self) -> Option<Time<Mono>> {
        let has_room = self.jobs.len() + self.looking.len() < self.manner.concurrency;
        let unknown = self.findings[self.next.min(self.findings.len())..].iter().any(Option::is_none);
        let next = (has_room && unknown).then_some(self.due);
        let jobs = self.jobs.values().map(Job::deadline);
        jobs.chain(self.looking.values().copied()).chain(next).min()
    }

    fn wake(&mut self, now: &Readings, audience: &mut impl Audience) -> io::Result<()> {
        let mut sessions: usize = self.jobs.values().map(Job::sessions).sum();
        let due: Vec<usize> =
            self.jobs.iter().filter(|(_, job)| job.deadline() <= now.mono).map(|(index, _)| *index).collect();
        for index in due {
            let Some(job) = self.jobs.get_mut(&index) else { continue };
            let before = job.sessions();
            // Each question has its own moment: to send those before it has taken time.
            let errands = job.wake(&clock::glance(), &self.tls, &mut self.rng, sessions < SESSIONS_MAX);
            sessions = sessions + job.sessions() - before;
            for errand in errands {
                self.run_errands(index, Some(errand), now, audience)?;
            }
        }
        let late: Vec<usize> =
            self.looking.iter().filter(|(_, until)| **until <= now.mono).map(|(index, _)| *index).collect();
        for index in late {
            self.looking.remove(&index);
            let trouble = Trouble::new(Kind::NotFound, "looking up the name takes too long");
            self.finish(index, unanswered(trouble), now, audience)?;
        }
        Ok(())
    }

    fn hear_names(&mut self, audience: &mut impl Audience) -> io::Result<()> {
        for (whom, found) in self.lookups.found() {
            let now = clock::glance();
            match whom {
                Whom::Target(index) => self.hear_name(index, found, &now, audience)?,
                Whom::Attempt(index, number) => {
                    let first = found.map(|places| places[0]);
                    let errand = self.jobs.get_mut(&index).and_then(|job| job.named(number, first, &now));
                    self.run_errands(index, errand, &now, audience)?;
                }
            }
        }
        Ok(())
    }

    fn hear_name(
        &mut self,
        index: usize,
        found: Found,
        now: &Readings,
        audience: &mut impl Audience,
    ) -> io::Result<()> {
        // Who was given up on stays so.
        if self.looking.remove(&index).is_none() {
            return Ok(());
        }
        match found {
            Ok(places) => {
                self.begin(index, places.iter().map(|place| place.ip()).collect(), now);
                Ok(())
            }
            Err(trouble) => self.finish(index, unanswered(trouble), now, audience),
        }
    }

    fn run_errands(
        &mut self,
        index: usize,
        errand: Option<Errand>,
        now: &Readings,
        audience: &mut impl Audience,
    ) -> io::Result<()> {
        match errand {
            None => Ok(()),
            Some(Errand::LookUp(number, name, port)) => {
                self.lookups.ask(Whom::Attempt(index, number), name, port)
            }
            Some(Errand::Over(outcome)) => {
                self.jobs.remove(&index);
                self.finish(index, *outcome, now, audience)
            }
        }
    }

    /// All that is not known by now stays so.
    fn cut(&mut self, now: &Readings, audience: &mut impl Audience) -> io::Result<()> {
        let why = || Trouble::new(Kind::Unasked, "the survey was ended before");
        for index in 0..self.targets.len() {
            if self.findings[index].is_some() {
                continue;
            }
            let outcome = self.jobs.remove(&index).map_or_else(|| unanswered(why()), |job| job.end(why()));
            let is_known = outcome.known.is_ok();
            let finding = self.finding(index, outcome, now);
            if is_known {
                audience.found(&finding)?;
            }
            self.findings[index] = Some(finding);
        }
        Ok(())
    }

    fn finish(
        &mut self,
        index: usize,
        outcome: Outcome,
        now: &Readings,
        audience: &mut impl Audience,
    ) -> io::Result<()> {
        let finding = self.finding(index, outcome, now);
        audience.found(&finding)?;
        self.findings[index] = Some(finding);
        Ok(())
    }

    fn finding(&self, index: usize, outcome: Outcome, _now: &Readings) -> Finding {
        let target = &self.targets[index];
        let Outcome { place, protocol, asked, answered, known } = outcome;
        let outcome = known.map(|known| {
            let now = clock::readings();
            Reading {
                at: now.raw,
                window: known.window.carried(now.raw - known.at),
                ours: now.realtime.since_epoch() - now.raw.since_epoch(),
                truth: self.truth.window(),
                delay: known.delay,
                claim: known.claim,
                doubts: known.doubts,
            }
        });
        let (name, is_swept) = (target.name.clone(), target.is_swept);
        Finding { name, is_swept, place, protocol, asked, answered, outcome }
    }
}

fn unanswered(trouble: Trouble) -> Outcome {
    Outcome { place: None, protocol: None, asked: 0, answered: 0, known: Err(trouble) }
}

/// The best that is known of the time, and never before this program was made: certificates have to be valid then.
fn best_guess(truth: &Truth, now: &Readings) -> Time<Utc> {
    let by_truth = truth.window().map(|ahead| Time::from_epoch(now.raw.since_epoch() + ahead.middle()));
    by_truth.unwrap_or_else(|| Time::from_epoch(now.realtime.since_epoch())).max(made())
}

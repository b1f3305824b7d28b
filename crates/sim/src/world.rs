//! The world: one machine, its servers, the ways between them, and true time.
//!
//! Things happen in the order of true time; of two at one instant the one that was planned first comes first.

use std::collections::{BTreeMap, VecDeque};
use std::iter::Peekable;
use std::net::{Ipv4Addr, SocketAddr};
use std::vec::IntoIter;

use truechimer_core::event::{Event, SteeringFault};
use truechimer_core::keeping::{Ledger, Rules, judge};
use truechimer_core::learned::Learned;
use truechimer_core::measure::reference::Misreading;
use truechimer_core::moment::{Moment, Stamp, StampedBy};
use truechimer_core::node::{Action, Birth, Dates, Input, Node, Steering};
use truechimer_core::policy::Policy;
use truechimer_core::source::SourceId;
use truechimer_core::source::association::ExchangeId;
use truechimer_core::source::nts::{Agreement, NoKeys};
use truechimer_time::leap::{LeapTable, UtcReading};
use truechimer_time::{Local, Mono, Rate, Raw, Span, Tai, Time};

use crate::chance::{Stream, key};
use crate::kernel::Kernel;
use crate::network::{Path, Way};
use crate::oracle::Oracle;
use crate::oscillator::Oscillator;
use crate::pool;
use crate::reference::{Counter, Reference};
use crate::scenario::{Change, Scenario};
use crate::server::Server;

/// Histories begin here unless they say otherwise: 2026-01-01 00:00:37 TAI, which is midnight in UTC.
pub const START: Time<Tai> = Time::from_epoch(Span::from_secs(1_767_225_637));

/// A simulated counter shows this much at the start.
const RAW_AT_START: Span = Span::from_secs(1000);

/// True time never advances by less than this between two wake-ups, so that rounding cannot stop the world.
const STRIDE_MIN: Span = Span::from_nanos(100);

/// A simulated machine boots once.
const BOOT: &str = "boot";

const SECOND: Span = Span::from_secs(1);

/// So long a key exchange takes.
const AGREEING: Span = Span::from_millis(80);

/// Nearer to an edge of the bound than this, the truth is watched each second.
const MARGIN: Span = Span::from_micros(2);

/// So does a rate that is not so far within its limits. In a minute none of the simulated rates changes by so much
/// other than by a step.
const SLACK: Rate = Rate::from_ppb(500);

/// What is going to happen.
enum Plan {
    AtServer { server: usize, exchange: ExchangeId, question: Vec<u8> },
    AtClient { server: usize, exchange: ExchangeId, answer: Vec<u8> },
    Agreed { source: SourceId, outcome: Result<Agreement, NoKeys> },
    Found { source: SourceId, addresses: Vec<SocketAddr> },
    Change(Change),
}

/// A history in the making.
pub struct World {
    start: Time<Tai>,
    now: Time<Tai>,
    end: Time<Tai>,
    plans: BTreeMap<(Time<Tai>, u64), Plan>,
    planned: u64,
    oscillator: Oscillator,
    kernel: Kernel,
    node: Node,
    servers: Vec<(Server, Path)>,
    references: Vec<Option<Reference>>,
    leaps: LeapTable,
    scenario: Scenario,
    seed: u64,
    lives: u64,
    learned: Option<Learned>,
    pending: VecDeque<Input>,
    deaths: Peekable<IntoIter<u64>>,
    is_watched: bool,
    keeper: Option<(Rules, Ledger)>,
    outcome: Outcome,
}

/// A look at the machine in the midst of its history.
pub struct Glimpse<'a> {
    /// True time.
    pub truth: Time<Tai>,
    /// What the machine's clocks show.
    pub now: Moment,
    /// True time minus local clock.
    pub clock_error: Span,
    /// The node.
    pub node: &'a Node,
}

/// What came of a history.
#[derive(Default)]
pub struct Outcome {
    /// What the oracle has seen.
    pub oracle: Oracle,
    /// Questions sent.
    pub questions: u64,
    /// Key exchanges begun: when, and with which server.
    pub agreed: Vec<(Span, usize)>,
    /// How often the node was told something, be it only that time has passed.
    pub happenings: u64,
    /// All that the node told, counted.
    pub told: Told,
    /// The rate error of the clock at the end: how fast local time gains on true time.
    pub rate_error: f64,
    /// True time minus local clock at the end.
    pub clock_error: Span,
    /// The sources that the node holds to be falsetickers at the end.
    pub falsetickers: Vec<usize>,
    /// Every event, if it was asked for.
    pub story: Option<Vec<(Span, Event)>>,
    /// When the daemon was born again, by the time since the start.
    pub births: Vec<Span>,
    /// Every question if the story was asked for: when, by the monotonic clock, and to which server.
    pub asked: Vec<(Time<Mono>, usize)>,
}

/// Events, counted by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Samples taken.
    pub measured: u64,
    /// Intervals changed.
    pub paced: u64,
    /// Models made.
    pub updated: u64,
    /// Datagrams dropped, kisses heard, questions that could not be sent.
    pub refused: u64,
    /// Sources found, lost, or in contradiction with themselves.
    pub reach_changed: u64,
    /// Majorities found, lost or changed.
    pub votes_changed: u64,
    /// Steps of ours.
    pub stepped: u64,
    /// Meddling of others, sleep, a doubted oscillator.
    pub disrupted: u64,
    /// Panics, calms, leaves given, failures to steer.
    pub alarmed: u64,
    /// Changes of the status.
    pub status_changed: u64,
}

impl Told {
    fn count(&mut self, event: &Event) {
        let counter = match event {
            Event::Measured(_) => &mut self.measured,
            Event::Paced(_) => &mut self.paced,
            Event::Updated(_) => &mut self.updated,
            Event::Refused { .. } | Event::Kissed { .. } | Event::NotSent { .. } | Event::Misread { .. } => {
                &mut self.refused
            }
            Event::Addressed { .. }
            | Event::NotFound { .. }
            | Event::Agreed { .. }
            | Event::NotAgreed { .. }
            | Event::Reachable { .. }
            | Event::Unreachable { .. }
            | Event::SameServer { .. }
            | Event::GivenUp { .. }
            | Event::Loops { .. }
            | Event::Contradicted { .. } => &mut self.reach_changed,
            Event::Selected { .. } | Event::Unselected(_) | Event::Bootstrapping(_) => {
                &mut self.votes_changed
            }
            Event::Stepped { .. } => &mut self.stepped,
            Event::MovedByOthers { .. }
            | Event::RetunedByOthers { .. }
            | Event::Suspended { .. }
            | Event::Interrupted(_)
            | Event::OscillatorDoubted => &mut self.disrupted,
            Event::Panicked { .. }
            | Event::Calmed
            | Event::SteeringFailed { .. }
            | Event::Starved { .. }
            | Event::LeaveGiven => &mut self.alarmed,
            Event::StatusChanged { .. } | Event::Leapt { .. } => &mut self.status_changed,
        };
        *counter += 1;
    }
}

impl World {
    /// The world of a scenario, with the luck of a seed.
    pub fn new(scenario: &Scenario, seed: u64) -> Self {
        let start = scenario.start;
        let raw = Time::<Raw>::from_epoch(RAW_AT_START);
        let leaps = LeapTable::COMPILED;
        let local = local_at(&leaps, start) - scenario.clock_error;
        let kernel = Kernel::of(scenario.kernel, Stream::new(seed, "kernel"), (raw, local));
        let now = kernel.read(raw);
        let path = |(index, spec): (usize, &crate::server::ServerSpec)| {
            let chance = Stream::new(seed, &format!("path {index}"));
            let server = Server::new(spec.clone(), start, seed ^ index as u64);
            (server, Path::new(spec.path.clone(), start, chance))
        };
        let reference = |(index, spec): (usize, &crate::server::ServerSpec)| {
            let chance = Stream::new(seed, &format!("reference {index}"));
            spec.reference.map(|spec| Reference::new(spec, chance))
        };
        let mut world = Self {
            start,
            now: start,
            end: start + scenario.duration,
            plans: BTreeMap::new(),
            planned: 0,
            oscillator: Oscillator::new(
                scenario.oscillator.clone(),
                start,
                raw,
                Stream::new(seed, "oscillator"),
            ),
            node: Node::new(birth(scenario, seed, 0, &leaps), &now),
            kernel,
            servers: scenario.servers.iter().enumerate().map(path).collect(),
            references: scenario.servers.iter().enumerate().map(reference).collect(),
            leaps,
            scenario: scenario.clone(),
            seed,
            lives: 1,
            learned: None,
            pending: VecDeque::new(),
            deaths: scenario.deaths.clone().into_iter().peekable(),
            is_watched: false,
            keeper: scenario.is_kept.then(|| (rules(scenario), Ledger::new(BOOT))),
            outcome: Outcome::default(),
        };
        for (after, change) in &scenario.changes {
            world.plan(start + *after, Plan::Change(*change));
        }
        world
    }

    /// Keeps every event, for people to read.
    pub fn with_story(mut self) -> Self {
        self.outcome.story = Some(Vec::new());
        self
    }

    /// Lets the oracle look between happenings too, each second wherever a bound could become false: see
    /// [`World::watch_until`].
    pub fn watched(mut self) -> Self {
        self.is_watched = true;
        self
    }

    /// Lets the history take its course.
    pub fn run(self) -> Outcome {
        self.run_watched(|_| {})
    }

    /// Lets the history take its course, and somebody look at the machine just before each thing that happens to it.
    pub fn run_watched(mut self, mut watch: impl FnMut(&Glimpse<'_>)) -> Outcome {
        self.tell_node(Input::Wake);
        while let Some(at) = self.next_instant() {
            self.watch_until(at);
            watch(&self.glimpse());
            self.happen();
        }
        self.watch_until(self.end);
        self.advance(self.end);
        self.look();
        self.outcome.rate_error =
            (1.0 + self.oscillator.rate()) * (1.0 + self.kernel.rate().as_ratio()) - 1.0;
        let now = self.moment();
        self.outcome.clock_error = local_at(&self.leaps, self.now) - now.local;
        let report = self.node.report(&now);
        self.outcome.falsetickers = (0..report.sources.len())
            .filter(|&index| {
                matches!(
                    report.sources[index].standing,
                    truechimer_core::node::report::Standing::Falseticker { .. }
                )
            })
            .collect();
        self.outcome
    }

    fn plan(&mut self, at: Time<Tai>, plan: Plan) {
        self.plans.insert((at, self.planned), plan);
        self.planned += 1;
    }

    /// When something happens next: a plan comes true or the node wants to be woken.
    fn next_instant(&self) -> Option<Time<Tai>> {
        let planned = self.plans.keys().next().map(|&(at, _)| at);
        let wanted = self.now + self.true_span(self.node.deadline() - self.moment().mono);
        let next = planned.map_or(wanted, |at| at.min(wanted));
        (next < self.end).then_some(next)
    }

    /// How much true time passes, about, while the monotonic clock counts so much.
    fn true_span(&self, counted: Span) -> Span {
        let fast = (1.0 + self.oscillator.rate()) * (1.0 + self.kernel.rate().as_ratio()) - 1.0;
        (counted - Rate::from_ratio(fast).over(counted)).max(Span::ZERO) + STRIDE_MIN
    }

    /// Lets time pass until the next happening, under the oracle's eyes.
    ///
    /// Until then the model is what it is. While the oscillator's rate is within the limits that the model carries, the
    /// truth does not come nearer to the edges of the bound, so that it is enough to look at both ends of the stretch: a
    /// change of the rate in its midst shows at its end. Where the rate is not well within the limits, or the truth is
    /// near an edge, the oracle looks each second.
    fn watch_until(&mut self, to: Time<Tai>) {
        if self.is_watched {
            self.look();
        }
        while self.is_watched && to - self.now > SECOND && !self.is_calm() {
            self.advance(self.now + SECOND);
            self.look();
        }
        self.advance(to);
    }

    fn is_calm(&self) -> bool {
        let now = self.moment();
        let Some(model) = self.node.model_at(&now) else { return true };
        let reading = model.read(now.raw);
        let margin = (self.now - reading.earliest).min(reading.latest - self.now);
        let rate = Rate::from_ratio(1.0 / (1.0 + self.oscillator.rate()) - 1.0);
        let slack = (rate - model.limits.min).min(model.limits.max - rate);
        margin > MARGIN && slack > SLACK
    }

    fn advance(&mut self, to: Time<Tai>) {
        self.now = self.now.max(to);
        self.oscillator.run(self.now);
    }

    fn moment(&self) -> Moment {
        self.kernel.read(self.oscillator.raw())
    }

    fn glimpse(&self) -> Glimpse<'_> {
        let now = self.moment();
        let clock_error = local_at(&self.leaps, self.now) - now.local;
        Glimpse { truth: self.now, now, clock_error, node: &self.node }
    }

    fn look(&mut self) {
        let now = self.moment();
        let report = self.node.read(&now);
        let error = local_at(&self.leaps, self.now) - now.local;
        self.outcome.oracle.look(self.now, report.as_ref(), error);
    }

    fn happen(&mut self) {
        self.look();
        if self.deaths.next_if(|&death| death <= self.outcome.happenings).is_some() {
            self.save();
            self.restart();
        }
        let is_due = self.plans.first_key_value().is_some_and(|(&(at, _), _)| at <= self.now);
        let plan = if is_due { self.plans.pop_first().map(|(_, plan)| plan) } else { None };
        match plan {
            None => self.tell_node(Input::Wake),
            Some(Plan::AtServer { server, exchange, question }) => self.serve(server, exchange, &question),
            Some(Plan::AtClient { server, exchange, answer }) => {
                let (from, at) = (self.address(server), self.stamp());
                self.tell_node(Input::Heard { exchange, from, at, datagram: answer });
            }
            Some(Plan::Agreed { source, outcome }) => self.tell_node(Input::Agreed { source, outcome }),
            Some(Plan::Found { source, addresses }) => {
                self.tell_node(Input::Resolved { source, addresses });
            }
            Some(Plan::Change(change)) => self.change(change),
        }
    }

    fn stamp(&self) -> Stamp {
        Stamp { at: self.oscillator.raw(), by: StampedBy::Kernel }
    }

    fn serve(&mut self, server: usize, exchange: ExchangeId, question: &[u8]) {
        let now = self.now;
        let (answers, leaves) = self.servers[server].0.answers(question, now);
        for answer in answers {
            let (host, path) = &mut self.servers[server];
            let arrivals: Vec<Span> = (0..host.copies()).flat_map(|_| path.copies(Way::Back, now)).collect();
            for delay in arrivals {
                self.plan(leaves + delay, Plan::AtClient { server, exchange, answer: answer.clone() });
            }
        }
    }

    /// Tells the node what happened, and does what it wants, until it wants nothing more.
    fn tell_node(&mut self, input: Input) {
        self.pending.push_back(input);
        while let Some(input) = self.pending.pop_front() {
            let now = self.moment();
            self.outcome.happenings += 1;
            self.node.handle(&now, input);
            while let Some(action) = self.node.poll() {
                self.act(action);
            }
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Agree { source, dates } => self.agree(source, dates),
            Action::Resolve(source) => self.resolve(source),
            Action::Send { exchange, to, datagram } => self.send(exchange, to, datagram),
            Action::Read(source) => self.read(source),
            Action::Close(_) => {}
            Action::Publish(publication) => {
                if let Some(claimed) = publication.max_error() {
                    let error = local_at(&self.leaps, self.now) - publication.at.local;
                    self.outcome.oracle.hear_claim(error, claimed);
                }
                self.kernel.hear(self.oscillator.raw(), &publication);
            }
            Action::Steer(command) => {
                let outcome =
                    self.keep(command).and_then(|()| self.kernel.steer(self.oscillator.raw(), command));
                self.pending.push_back(Input::Steered { command, outcome });
            }
            Action::Tell(event) => {
                self.outcome.told.count(&event);
                let since = self.now - self.start;
                if let Some(story) = &mut self.outcome.story {
                    story.push((since, event));
                }
            }
        }
    }

    /// What the keeper of the clock says to a command, if there is one: the daemon's rules, and a book that outlives it.
    fn keep(&mut self, command: Steering) -> Result<(), SteeringFault> {
        let now = self.moment();
        let Some((rules, ledger)) = &mut self.keeper else { return Ok(()) };
        judge(rules, ledger, command, &now)?;
        ledger.enter(command, &now);
        *ledger = Ledger::parse(&ledger.to_string(), BOOT);
        Ok(())
    }

    /// The connection takes a moment, and is not cut with the way of the datagrams.
    fn agree(&mut self, source: SourceId, dates: Dates) {
        let server = source.index();
        self.outcome.agreed.push((self.now - self.start, server));
        let outcome = self.servers[server].0.agree(self.now, dates, address(server));
        self.plan(self.now + AGREEING, Plan::Agreed { source, outcome });
    }

    /// Sources of their own have no names, so that none is found.
    fn resolve(&mut self, source: SourceId) {
        let Some(pool) = &self.scenario.pool else {
            return self.pending.push_back(Input::Resolved { source, addresses: Vec::new() });
        };
        let (addresses, found) = (pool.addresses(self.now - self.start), self.now + pool.lookup);
        self.plan(found, Plan::Found { source, addresses });
    }

    fn address(&self, server: usize) -> SocketAddr {
        if self.scenario.pool.is_some() { pool::address(server) } else { address(server) }
    }

    fn read(&mut self, source: SourceId) {
        let counter = Counter { raw: self.oscillator.raw(), rate: self.oscillator.rate() };
        let shown = self.servers[source.index()].0.shown(self.now);
        let reading = match &mut self.references[source.index()] {
            Some(reference) => reference.read(self.now, shown, counter),
            None => Err(Misreading::Absent),
        };
        self.pending.push_back(Input::Read { source, reading });
    }

    fn send(&mut self, exchange: ExchangeId, to: SocketAddr, question: Vec<u8>) {
        self.outcome.questions += 1;
        self.pending.push_back(Input::Sent { exchange, at: self.stamp() });
        let server = usize::from(to.port()) - 1;
        if self.outcome.story.is_some() {
            self.outcome.asked.push((self.moment().mono, server));
        }
        for delay in self.servers[server].1.copies(Way::There, self.now) {
            let question = question.clone();
            self.plan(self.now + delay, Plan::AtServer { server, exchange, question });
        }
    }

    fn change(&mut self, change: Change) {
        let raw = self.oscillator.raw();
        match change {
            Change::Cut { server, is_cut } => self.servers[server].1.cut(is_cut),
            Change::CutAll(is_cut) => self.servers.iter_mut().for_each(|(_, path)| path.cut(is_cut)),
            Change::NetworkChanged => self.tell_node(Input::NetworkChanged),
            Change::StepByOthers(by) => self.kernel.step_by_others(raw, by),
            Change::RetuneByOthers(by) => self.kernel.retune_by_others(raw, by),
            Change::Sleep { slept, rtc_error } => {
                self.now += slept;
                self.oscillator.skip(self.now);
                self.kernel.sleep(raw, slept, rtc_error);
                self.outcome.oracle.slept(self.now);
            }
            Change::Interrupt { stood, retuned, noticed } => {
                self.now += stood;
                self.oscillator.skip(self.now);
                self.oscillator.retune(retuned);
                self.outcome.oracle.slept(self.now);
                self.tell_node(Input::Interrupted(noticed));
            }
            Change::KernelRefuses(fault) => self.kernel.refuse(fault),
            Change::Restart => {
                self.save();
                self.restart();
            }
            Change::Save => self.save(),
            Change::Crash => self.restart(),
        }
    }

    fn save(&mut self) {
        self.learned = self.node.learned(&self.moment()).or(self.learned.take());
    }

    /// What is under way to or from the old daemon finds its sockets closed.
    fn restart(&mut self) {
        let now = self.moment();
        self.outcome.births.push(self.now - self.start);
        self.plans.retain(|_, plan| matches!(plan, Plan::Change(_)));
        let first = birth(&self.scenario, self.seed, self.lives, &self.leaps);
        let birth = Birth { learned: self.learned.clone(), rate: self.kernel.rate(), ..first };
        self.lives += 1;
        self.node = Node::new(birth, &now);
        self.tell_node(Input::Wake);
    }
}

/// By what the keeper judges.
fn rules(scenario: &Scenario) -> Rules {
    let Policy { clock, trust, .. } = scenario.policy();
    Rules::new(&clock, &trust, Time::from_epoch(scenario.floor.since_epoch()))
}

/// What the daemon is born with in its first life, and with other chances in each later one.
fn birth(scenario: &Scenario, seed: u64, life: u64, leaps: &LeapTable) -> Birth {
    let name = if life == 0 { "node".into() } else { format!("node {life}") };
    Birth {
        policy: scenario.policy(),
        seed: key(seed, &name),
        leaps: leaps.clone(),
        learned: None,
        floor: scenario.floor,
        rate: Rate::ZERO,
    }
}

/// The address of a simulated server: its number, counted from one, is its port.
pub fn address(server: usize) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), server as u16 + 1))
}

/// What a clock shows that is right and leaps as Linux's does, which goes back where an inserted second begins.
fn local_at(leaps: &LeapTable, truth: Time<Tai>) -> Time<Local> {
    let UtcReading { time, leap_second, .. } = leaps.utc_of_tai(truth);
    let repeated = if leap_second { Span::from_secs(1) } else { Span::ZERO };
    Time::from_epoch(time.since_epoch() - repeated)
}

//! The daemon: one loop around the node.
//!
//! It owns what the node has never heard of: sockets, clocks, files. Each turn it sleeps in `poll(2)` until something
//! is ready or the node's deadline has come, tells the node what happened, and does what the node wants. It decides
//! nothing about time.
//!
//! **Invariant:** nothing in the loop blocks. Names are looked up by a thread, the clock is set by a process of its
//! own, and every descriptor is non-blocking.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};

use truechimer_core::event::{Interruption, SteeringFault};
use truechimer_core::moment::Moment;
use truechimer_core::node::report::Publication;
use truechimer_core::node::{Action, Birth, Input, Node, Order, Steering};
use truechimer_core::policy::TrustPolicy;
use truechimer_core::source::SourceId;
use truechimer_core::source::association::ExchangeId;
use truechimer_sys::clock as clocks;
use truechimer_sys::poll::{Interest, PollSet};
use truechimer_sys::shm::PageWriter;
use truechimer_sys::vmclock;
use truechimer_time::{LeapTable, Mono, Span, Time};

use crate::config::{Config, Keys, Level};
use crate::page::{Page, page_of};
use crate::readiness::Readiness;
use crate::state::{Machine, Store};
use crate::ui::units;

pub mod agreeing;
pub mod chronicle;
pub mod clock;
pub mod clockbound;
pub mod control;
pub mod exchanges;
pub mod hook;
pub mod keeper;
pub mod key_exchange;
pub mod metrics;
pub mod monitor;
pub mod references;
pub mod reloading;
pub mod resolver;
pub mod sensor;
pub mod serving;
pub mod statistics;
pub mod story;
mod talking;
mod telling;
pub mod vigil;

use agreeing::{Agreeing, End};
use chronicle::Chronicle;
use clock::LocalClock;
use clockbound::ClockBound;
use control::Control;
use exchanges::Exchanges;
use hook::Hook;
use metrics::MetricsFile;
use monitor::Monitor;
use references::References;
use reloading::Unread;
use resolver::{Name, Resolver};
use sensor::Sensor;
use serving::Service;
use statistics::{Head, Recorder};
use story::Storyteller;
use vigil::Vigil;

/// What was learned is saved so soon at first, and then each time after twice as long,
const SAVE_FIRST: Span = Span::from_secs(64);
/// until it is saved this often.
const SAVE_INTERVAL: Span = Span::from_secs(600);

/// Where no signal can interrupt the sleep, it ends after this, so that a flag is seen.
const SIMULATED_SLEEP_MAX: Span = Span::from_secs(1);

/// All that a daemon is made of.
pub struct Setup {
    /// The effective configuration.
    pub config: Config,
    /// The keys that it refers to.
    pub keys: Keys,
    /// The clock that is steered.
    pub clock: LocalClock,
    /// The leap seconds.
    pub leaps: LeapTable,
    /// All chance comes from this.
    pub seed: [u8; 32],
    /// Nothing else than what a simulator of clock and network can carry.
    pub simulated: bool,
    /// Where what was learned is kept.
    pub store: Store,
    /// Where the time is published.
    pub page: Option<PageWriter>,
    /// Where it is published for clients of ClockBound. Only with the kernel's clock.
    pub clockbound: Option<ClockBound>,
    /// Where questions of people come in.
    pub control: Option<Control>,
    /// Where chronyc asks how we stand.
    pub monitor: Option<Monitor>,
    /// Where questions of machines come in.
    pub service: Option<Service>,
    /// The reference clocks of this machine.
    pub references: References,
    /// Where statistics are written.
    pub statistics: Option<PathBuf>,
    /// Where the history is written.
    pub history: Option<PathBuf>,
    /// Where the supervisor is told that we are ready.
    pub readiness: Option<Readiness>,
    /// What is told to people.
    pub level: Level,
}

/// What made something ready.
#[derive(Clone, Copy)]
enum Token {
    Exchange(ExchangeId),
    Resolver,
    Agreeing,
    Reference(SourceId),
    Service(usize),
    Monitor,
    Control,
    Vigil,
}

/// What is asked of a daemon from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Nothing.
    GoOn,
    /// Take the configuration as it is written now.
    Reload,
    /// Leave the clock in good order, and go.
    End,
}

/// What is said of a table of leap seconds that is too old.
const LEAPS_EXPIRED: &str = "the table of leap seconds has expired and may lack one: UTC is right as before, TAI may be a second off \
                             and is not told by TAICLOCK. Update tzdata, or name a newer file in `[leap] file`";

/// A daemon at work.
pub struct Daemon {
    node: Node,
    config: Config,
    keys: Keys,
    clock: LocalClock,
    leaps: LeapTable,
    trust: TrustPolicy,
    exchanges: Exchanges,
    resolver: Resolver,
    agreeing: Agreeing,
    sensor: Option<Sensor>,
    /// Nobody else than the clocks tells of the counter under a simulator.
    vigil: Option<Vigil>,
    references: References,
    page: Option<PageWriter>,
    clockbound: Option<ClockBound>,
    published: Option<Page>,
    report_fault: Option<SteeringFault>,
    /// It was said that the table of leap seconds has expired.
    told_of_leaps: bool,
    control: Option<Control>,
    monitor: Option<Monitor>,
    service: Option<Service>,
    recorder: Option<Recorder>,
    chronicle: Option<Chronicle>,
    hook: Option<Hook>,
    metrics: Option<MetricsFile>,
    began: Time<Mono>,
    /// How often each thing has happened, by its label.
    told: BTreeMap<&'static str, u64>,
    /// The readings on both sides of the last step.
    step: Option<(Moment, Moment)>,
    store: Store,
    saved: Time<Mono>,
    /// It is saved again after so long.
    save_after: Span,
    readiness: Option<Readiness>,
    story: Storyteller,
    poll: PollSet<Token>,
    inputs: VecDeque<Input>,
}

impl Daemon {
    /// Brings a node to life.
    pub fn new(setup: Setup) -> io::Result<Self> {
        let Setup { config, keys, clock, leaps, seed, simulated, store, .. } = setup;
        let names = config.places().map(|place| place.name()).collect();
        let story = Storyteller::new(names, setup.level);
        let loaded = store.load();
        loaded.notices.iter().for_each(|notice| story.say(Level::Warn, &notice.to_string()));
        let now = clock.moment(&clocks::readings());
        let rate = clock.rate().map_err(io::Error::other)?;
        let floor = crate::floor::floor(loaded.learned.as_ref(), &leaps);
        let learned = loaded.learned.clone();
        let head = Head { seed, now, rate, floor, leaps: leaps.clone(), learned, config: config.to_toml() };
        let birth = Birth {
            policy: config.policy(&keys),
            seed,
            leaps: leaps.clone(),
            learned: loaded.learned,
            floor,
            rate,
        };
        let recorder = match setup.statistics {
            Some(folder) => {
                let keep = config.statistics.keep;
                Some(Recorder::begin(&folder, &head, config.statistics.max_size.0, keep)?)
            }
            None => None,
        };
        Ok(Self {
            node: Node::new(birth, &now),
            clock,
            leaps,
            trust: config.trust,
            exchanges: Exchanges::new(
                setup.service.as_ref().map(|service| service.places().ntp.clone()).unwrap_or_default(),
            ),
            resolver: Resolver::new(names_to_look_up(&config), simulated),
            agreeing: Agreeing::new(&config, simulated)?,
            sensor: config.temperature.clone().filter(|_| !simulated).map(|path| Sensor::new(path, now.mono)),
            vigil: (!simulated).then(|| Vigil::begin(Path::new(vmclock::PATH), now.mono)),
            references: setup.references,
            page: setup.page,
            clockbound: setup.clockbound,
            published: None,
            report_fault: None,
            told_of_leaps: false,
            control: setup.control,
            monitor: setup.monitor,
            service: setup.service,
            recorder,
            chronicle: setup.history.map(|folder| Chronicle::new(&folder)),
            hook: config.hook.clone().filter(|_| !simulated).map(Hook::new),
            metrics: config.metrics.as_ref().map(|metrics| MetricsFile::new(metrics, now.mono)),
            began: now.mono,
            told: BTreeMap::new(),
            step: None,
            store,
            saved: now.mono,
            save_after: SAVE_FIRST,
            readiness: setup.readiness,
            story,
            config,
            keys,
            poll: if simulated { PollSet::with_cap(SIMULATED_SLEEP_MAX) } else { PollSet::new() },
            inputs: VecDeque::new(),
        })
    }

    /// Runs until `call` says that it is over; asked after each sleep. `reread` gives the configuration as it is written then.
    pub fn run(
        &mut self,
        call: impl Fn() -> Call,
        reread: impl Fn() -> Result<(Config, Keys), Unread>,
    ) -> io::Result<()> {
        self.tell_complaints();
        self.tell_of_smear();
        self.begin_history();
        self.happen(Input::Wake);
        self.tell_supervisor();
        self.write_metrics_if_due();
        loop {
            match call() {
                Call::End => break,
                Call::Reload => self.reload(reread()),
                Call::GoOn => {}
            }
            let (ready, wanted) = self.sleep()?;
            self.keep_vigil(wanted);
            self.take_in(&ready);
            self.happen(Input::Wake);
            self.tend_hook();
            self.feel();
            self.tell_clockbound_if_due();
            self.write_metrics_if_due();
            self.save_if_due();
        }
        self.happen(Input::Ordered(Order::Rest));
        self.save();
        self.metrics.iter().for_each(MetricsFile::remove);
        Ok(())
    }

    /// Sleeps until something is ready. Returns what is, and when we wanted to be woken at the latest.
    fn sleep(&mut self) -> io::Result<(Vec<Token>, Time<Mono>)> {
        self.poll.clear();
        self.exchanges.register(&mut self.poll, Token::Exchange);
        if let Some(fd) = self.resolver.fd() {
            self.poll.add(fd, Interest::Read, Token::Resolver);
        }
        if let Some(fd) = self.agreeing.fd() {
            self.poll.add(fd, Interest::Read, Token::Agreeing);
        }
        self.references.register(&mut self.poll, Token::Reference);
        if let Some(service) = &self.service {
            service.register(&mut self.poll, Token::Service);
        }
        if let Some(control) = &self.control {
            control.register(&mut self.poll, Token::Control);
        }
        for fd in self.vigil.iter().flat_map(Vigil::fds) {
            self.poll.add(fd, Interest::Read, Token::Vigil);
        }
        if let Some(monitor) = &self.monitor {
            monitor.register(&mut self.poll, Token::Monitor);
        }
        let deadline = self.control.as_ref().and_then(Control::deadline).into_iter();
        let reading = self.sensor.as_ref().map(Sensor::due);
        let looking = self.vigil.as_ref().map(Vigil::due);
        let hook = self.hook.as_ref().and_then(|hook| hook.due(clocks::mono()));
        let renewal = self.clockbound.as_ref().map(ClockBound::due);
        let metrics = self.metrics.as_ref().map(MetricsFile::due);
        let deadline = deadline
            .chain(reading)
            .chain(looking)
            .chain(hook)
            .chain(renewal)
            .chain(metrics)
            .fold(self.node.deadline(), Time::min);
        let ready = self.poll.wait(Some(deadline - clocks::mono()))?.map(|event| event.token).collect();
        Ok((ready, deadline))
    }

    /// Before anything is made of what came in: was the counter whole meanwhile?
    fn keep_vigil(&mut self, wanted: Time<Mono>) {
        let Some(vigil) = &mut self.vigil else { return };
        for input in vigil.look(&clocks::readings(), wanted) {
            if input == Input::Interrupted(Interruption::Recounted) {
                self.store.belongs_to(Machine::here());
            }
            self.happen(input);
        }
    }

    fn take_in(&mut self, ready: &[Token]) {
        let mut talks = self.control.as_ref().is_some_and(|control| control.deadline().is_some());
        for token in ready {
            match *token {
                Token::Exchange(exchange) => {
                    for input in self.exchanges.hear(exchange) {
                        self.happen(input);
                    }
                }
                Token::Resolver => {
                    for input in self.resolver.answers() {
                        self.happen(input);
                    }
                }
                Token::Agreeing => {
                    for end in self.agreeing.ends() {
                        let input = self.end_of(end);
                        self.happen(input);
                    }
                }
                Token::Reference(source) => {
                    let reading = self.references.hear(source);
                    self.tell_complaints();
                    reading.into_iter().for_each(|reading| self.happen(Input::Read { source, reading }));
                }
                Token::Service(index) => self.serve(index),
                Token::Monitor => self.show(),
                Token::Control => talks = true,
                // It has looked already.
                Token::Vigil => {}
            }
        }
        if talks {
            self.talk();
        }
    }

    /// Tells the node what happened and does what it wants, and what comes of that, until it wants nothing more.
    fn happen(&mut self, input: Input) {
        self.inputs.push_back(input);
        while let Some(input) = self.inputs.pop_front() {
            let now = self.clock.moment(&clocks::readings());
            let kept = self.recorder.is_some().then(|| input.clone());
            self.node.handle(&now, input);
            let actions: Vec<Action> = std::iter::from_fn(|| self.node.poll()).collect();
            if let Some(input) = kept.filter(|input| *input != Input::Wake || !actions.is_empty()) {
                let input = self.node.recorded(input);
                self.record(|recorder| recorder.input(&now, &input));
            }
            for action in actions {
                self.act(action);
            }
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Resolve(source) => match self.resolver.ask(source) {
                Ok(answer) => self.inputs.extend(answer),
                Err(error) => {
                    self.story.say(Level::Error, &format!("cannot look up names: {error}"));
                    self.inputs.push_back(Input::Resolved { source, addresses: Vec::new() });
                }
            },
            Action::Agree { source, dates } => {
                if let Some(end) = self.agreeing.begin(source, dates) {
                    let input = self.end_of(end);
                    self.inputs.push_back(input);
                }
            }
            Action::Send { exchange, to, datagram } => {
                let inputs = self.exchanges.send(exchange, to, &datagram);
                self.inputs.extend(inputs);
            }
            Action::Close(exchange) => self.exchanges.close(exchange),
            Action::Read(source) => {
                let reading = self.references.read(source);
                self.inputs.extend(reading.map(|reading| Input::Read { source, reading }));
                self.tell_complaints();
            }
            Action::Steer(command) => self.steer(command),
            Action::Publish(publication) => self.publish(&publication),
            Action::Tell(event) => self.tell(&event),
        }
    }

    /// The end of a key exchange. The node tells what is news; the rest is for developers.
    fn end_of(&self, End { source, outcome, detail }: End) -> Input {
        if let Some(detail) = detail {
            self.story.say(Level::Debug, &format!("key exchange of {}: {detail}", self.story.name(source)));
        }
        Input::Agreed { source, outcome }
    }

    fn steer(&mut self, command: Steering) {
        if let Steering::Step(by) | Steering::Mend(by) = command {
            self.announce_step(by);
        }
        let before = self.now();
        let outcome = self.clock.steer(command);
        let after = self.now();
        match (command, outcome) {
            (Steering::Step(_) | Steering::Mend(_), _) => {
                self.references.stepped();
                self.step = Some((before, after));
            }
            (Steering::Rate(_), Ok(rate)) => self.chronicle(|chronicle| chronicle.runs(&after, rate)),
            (Steering::Rate(_), Err(_)) => {}
        }
        if let Some(clock) = self.clock.user() {
            self.published = self.published.map(|page| Page { clock: Some(clock), ..page });
            self.write_page();
        }
        self.tell_clockbound();
        self.inputs.push_back(Input::Steered { command, outcome });
    }

    fn publish(&mut self, publication: &Publication) {
        let fault = self.clock.report(publication).err();
        self.tell_report_fault(fault);
        let marker = self.vigil.as_ref().and_then(Vigil::marker);
        let page = page_of(publication, &self.trust, &self.leaps, self.clock.user());
        self.published = Some(Page { marker, ..page });
        self.write_page();
        self.tell_clockbound();
        self.tell_clients();
        let (at, status, model) = (publication.at, publication.status, publication.model);
        self.chronicle(|chronicle| chronicle.known(&at, status, model));
        let has_expired = publication.model.is_some_and(|model| self.leaps.has_expired(model.best));
        if has_expired && !std::mem::replace(&mut self.told_of_leaps, true) {
            self.story.say(Level::Warn, LEAPS_EXPIRED);
        }
    }

    /// Once, and not at each publication.
    fn tell_report_fault(&mut self, fault: Option<SteeringFault>) {
        let before = std::mem::replace(&mut self.report_fault, fault);
        if let Some(fault) = fault.filter(|_| fault != before) {
            let why = story::fault_words(fault);
            self.story.say(Level::Error, &format!("cannot set the kernel's status: {why}"));
        }
    }

    fn tell_complaints(&mut self) {
        for complaint in self.references.complaints() {
            self.story.say(Level::Warn, &complaint);
        }
        for unseen in self.vigil.iter().flat_map(Vigil::unseen) {
            self.story.say(Level::Warn, &unseen.to_string());
        }
    }

    /// Who serves time that is not UTC says so, each time.
    fn tell_of_smear(&self) {
        if let Some(smear) = self.service.as_ref().and_then(Service::leap_smear) {
            let text = format!(
                "SMEARED TIME IS SERVED: within {} of a leap second clients are told up to half a second too much or too \
                 little ([serve] leap_smear). Whoever asks this server may ask none that does not smear in the same way",
                units::span(smear.length().half())
            );
            self.story.say(Level::Warn, &text);
        }
    }

    fn write_page(&mut self) {
        if let (Some(file), Some(page)) = (&mut self.page, &self.published) {
            file.write(&page.to_words());
        }
    }

    /// What clients of ClockBound read is about the kernel's clock as it is now, not as it was at the last publication.
    fn tell_clockbound(&mut self) {
        if let Some(clockbound) = &mut self.clockbound {
            clockbound.renew(self.published.as_ref(), &clocks::readings(), self.clock.rate().ok());
        }
    }

    fn tell_clockbound_if_due(&mut self) {
        if self.clockbound.as_ref().is_some_and(|clockbound| clockbound.due() <= clocks::mono()) {
            self.tell_clockbound();
        }
    }

    fn serve(&mut self, index: usize) {
        if let Some(service) = &mut self.service {
            service.answer(index);
        }
    }

    /// Lets those who ask us know what there is to know.
    fn tell_clients(&self) {
        let (Some(service), Some(serve)) = (&self.service, &self.config.serve) else { return };
        let now = self.now();
        service.publish(self.node.dial(&now, serve.max_bound), &self.leaps, now.asleep);
    }

    fn now(&self) -> Moment {
        self.clock.moment(&clocks::readings())
    }

    /// Lets the node know how warm it is.
    fn feel(&mut self) {
        let Some(sensor) = &mut self.sensor else { return };
        match sensor.read_if_due(clocks::mono()) {
            Ok(Some(millidegrees)) => self.happen(Input::Temperature { millidegrees }),
            Ok(None) => {}
            Err(why) => self.story.say(Level::Warn, &why),
        }
    }

    fn tell_supervisor(&mut self) {
        let Some(readiness) = &mut self.readiness else { return };
        let status = self.node.status();
        if let Err(error) = readiness.ready().and_then(|()| readiness.status(status.word())) {
            self.story.say(Level::Warn, &format!("cannot notify the service manager: {error}"));
            self.readiness = None;
        }
    }

    fn save_if_due(&mut self) {
        if clocks::mono() - self.saved >= self.save_after {
            self.save_after = (self.save_after * 2).min(SAVE_INTERVAL);
            self.save();
        }
    }

    fn save(&mut self) {
        self.saved = clocks::mono();
        self.chronicle(Chronicle::sync);
        let Some(learned) = self.node.learned(&self.now()) else { return };
        if let Err(error) = self.store.save(&learned) {
            self.story.say(Level::Error, &format!("cannot save what was learned: {error}"));
        }
    }
}

/// The names to look up, by the places of the sources. Sources with a literal address are never looked up.
fn names_to_look_up(config: &Config) -> Vec<Name> {
    config.places().map(|place| Name::of(&place)).collect()
}

//! The machine. It is told what happened and when; it answers with what to do.
//!
//! **Contract:** one [`Node::handle`], then [`Node::poll`] until it returns `None`, then sleep until
//! [`Node::deadline`] or the next happening. The daemon and the simulator both drive exactly this.
//!
//! What comes in is an [`Input`], what goes out an [`Action`]. A command to the clock comes back as
//! [`Input::Steered`] with its outcome; nothing is assumed to have worked.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::SocketAddr;

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use truechimer_time::leap::LeapTable;
use truechimer_time::{Mono, Rate, Span, Time, Utc};

use crate::discipline::holdover::History;
use crate::discipline::joint::Joint;
use crate::discipline::model::Model;
use crate::discipline::oscillator::Oscillator;
use crate::discipline::servo::Servo;
use crate::event::{Event, Interruption, SteeringFault};
use crate::learned::Learned;
use crate::measure::exchange::{Here, Proof};
use crate::measure::reference::{Misreading, Reading};
use crate::moment::{Moment, Stamp};
use crate::policy::{Policy, Rhythm, SOURCES_MAX, SourcePolicy};
use crate::source::SourceId;
use crate::source::association::{Association, ExchangeId};
use crate::source::nts::{Agreement, NoKeys};
use crate::source::pace::Pace;
use crate::source::pool::Pool;
use crate::status::Status;

mod agreeing;
mod asking;
mod bootstrapping;
mod deciding;
mod following;
mod foretelling;
mod identity;
mod pacing;
mod pooling;
mod referring;
mod relisting;
mod voting;
mod watching;

pub mod reckoning;
pub mod report;
pub mod smearing;

/// The most actions that can be waiting: more than one happening can cause.
const ACTIONS_MAX: usize = 16 * SOURCES_MAX;

/// An oscillator of which nothing is known wanders so much, per square root of a second.
const WANDER: f64 = 1e-9;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Nothing but that time has passed.
    Wake,
    /// A name was looked up. No addresses: it could not be.
    Resolved {
        /// Whose name.
        source: SourceId,
        /// Where it can be asked.
        addresses: Vec<SocketAddr>,
    },
    /// A key exchange is over.
    Agreed {
        /// For which source.
        source: SourceId,
        /// What it has led to, or why to nothing.
        outcome: Result<Agreement, NoKeys>,
    },
    /// A question is going to leave from here. Said where we serve others, who might be the ones that are asked.
    Here {
        /// Which.
        exchange: ExchangeId,
        /// From where.
        here: Here,
    },
    /// A question has left; said again with a better stamp if one comes later.
    Sent {
        /// Which.
        exchange: ExchangeId,
        /// When.
        at: Stamp,
    },
    /// A question could not be sent, or its socket reported an error.
    Unsent {
        /// Which.
        exchange: ExchangeId,
        /// The system's error number.
        errno: i32,
    },
    /// A datagram came on the socket of an exchange.
    Heard {
        /// Which exchange.
        exchange: ExchangeId,
        /// Where from.
        from: SocketAddr,
        /// When.
        at: Stamp,
        /// What.
        datagram: Vec<u8>,
    },
    /// A datagram came on the socket of an exchange that NTS protects, and whoever had the keys has looked into it. So a
    /// record tells of it, which has no keys: see [`Node::recorded`].
    Vouched {
        /// Which exchange.
        exchange: ExchangeId,
        /// Where from.
        from: SocketAddr,
        /// When.
        at: Stamp,
        /// What.
        datagram: Vec<u8>,
        /// What NTS showed of it.
        proof: Proof,
    },
    /// A reference clock was read.
    Read {
        /// Which.
        source: SourceId,
        /// What it said, or why that is nothing.
        reading: Result<Reading, Misreading>,
    },
    /// A command to the clock was carried out, or not.
    Steered {
        /// What the clock was told.
        command: Steering,
        /// The rate that it really has now, or why nothing was done.
        outcome: Result<Rate, SteeringFault>,
    },
    /// A temperature sensor was read: always the same one, once a minute or so.
    Temperature {
        /// Thousandths of a degree Celsius.
        millidegrees: i32,
    },
    /// The counter was interrupted, and it is not the clocks that tell.
    Interrupted(Interruption),
    /// There is another way into the network than before, or there may be.
    NetworkChanged,
    /// We were woken so long after we wanted to be.
    Starved {
        /// More than a busy machine makes us wait.
        late: Span,
    },
    /// An operator asks for something.
    Ordered(Order),
}

/// What an operator can ask for while we run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Ask all sources in a burst.
    Burst,
    /// End the slew under way and leave the clock at the model's rate: the daemon is about to end.
    Rest,
    /// Step at the next update, if the error is beyond the step threshold, whatever its size.
    Step,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Look up the name of a source, and come back with [`Input::Resolved`].
    Resolve(SourceId),
    /// Agree with the key exchange server of a source on keys for NTS, and come back with [`Input::Agreed`].
    Agree {
        /// Which source.
        source: SourceId,
        /// When a certificate has to be valid.
        dates: Dates,
    },
    /// Send a datagram from a fresh socket, connected to `to`, with a random port; come back with [`Input::Sent`].
    Send {
        /// The number of the exchange.
        exchange: ExchangeId,
        /// Where to.
        to: SocketAddr,
        /// What.
        datagram: Vec<u8>,
    },
    /// The exchange is over: close its socket.
    Close(ExchangeId),
    /// Read a reference clock, and come back with [`Input::Read`], at once or when it has something to say.
    Read(SourceId),
    /// Do something to the clock, and come back with [`Input::Steered`].
    Steer(Steering),
    /// Tell the kernel and the readers of the page how good the time is.
    Publish(report::Publication),
    /// Something worth telling.
    Tell(Event),
}

/// When the certificate of a key exchange has to be valid, with all those that vouch for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dates {
    /// Then: it is the best that is known of the time, and never before the floor.
    At(Time<Utc>),
    /// At one time from this on, whichever that is: nobody knows when it is. In all else as strict.
    Since(Time<Utc>),
}

/// A command to the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steering {
    /// Run at this rate against the raw counter from now on.
    Rate(Rate),
    /// Jump by so much.
    Step(Span),
    /// The same, to mend what an interruption has done to a settled clock: it goes by another leave.
    Mend(Span),
}

/// All that a node is born with.
pub struct Birth {
    /// What the operator wants.
    pub policy: Policy,
    /// All randomness of its life comes from this.
    pub seed: [u8; 32],
    /// The leap seconds.
    pub leaps: LeapTable,
    /// What an earlier life learned on this machine.
    pub learned: Option<Learned>,
    /// No source that says that it is earlier is obeyed (RFC 8633, section 5.2).
    pub floor: Time<Utc>,
    /// The rate at which the clock runs against the raw counter for the time being.
    pub rate: Rate,
}

/// One machine's sense of time.
pub struct Node {
    policy: Policy,
    leaps: LeapTable,
    floor: Time<Utc>,
    rng: ChaCha8Rng,
    associations: Vec<Association>,
    pools: Vec<Pool>,
    exchanges: u64,
    pace: Option<Pace>,
    oscillator: Oscillator,
    history: History,
    joint: Joint,
    model: Option<Model>,
    /// What the last change of the model was.
    reckoning: Option<reckoning::Reckoning>,
    selected: voting::Selection,
    bootstrap: bootstrapping::Bootstrap,
    servo: Servo,
    status: Status,
    clock: watching::ClockWatch,
    published_until: Time<Mono>,
    /// What NTS showed of the datagram that was heard last.
    proof: Option<Proof>,
    actions: VecDeque<Action>,
}

impl Node {
    /// A node that has just been born at `now`. If it knows the rate from an earlier life, it wants the clock to run at
    /// that from the start; else it first speaks when it is woken.
    pub fn new(birth: Birth, now: &Moment) -> Self {
        let Birth { mut policy, seed, leaps, learned, floor, rate } = birth;
        policy.sources.truncate(SOURCES_MAX);
        let associations = associate(&policy, now.mono);
        let mut node = Self {
            pools: pooling::pools_of(&associations, Vec::new()),
            associations,
            oscillator: Oscillator::new(&policy.trust, learned.as_ref()),
            history: history_of(learned.as_ref()),
            joint: Joint::new(SOURCES_MAX),
            servo: Servo::new(policy.clock, rate),
            rng: ChaCha8Rng::from_seed(seed),
            clock: watching::ClockWatch::new(now, rate),
            pace: pacing::pace_of(&policy),
            policy,
            leaps,
            floor,
            exchanges: 0,
            model: None,
            reckoning: None,
            selected: voting::Selection::default(),
            bootstrap: bootstrapping::Bootstrap::default(),
            status: Status::Unknown,
            published_until: now.mono,
            proof: None,
            actions: VecDeque::new(),
        };
        for index in 0..node.associations.len() {
            node.compare_addresses(SourceId(index as u8));
        }
        if let Some(known) = learned.filter(|known| known.rate != rate) {
            node.command(Steering::Rate(known.rate));
        }
        node
    }

    /// Something happened at `now`.
    pub fn handle(&mut self, now: &Moment, input: Input) {
        self.proof = None;
        self.watch_clock(now, &input);
        match input {
            Input::Wake => {}
            Input::Resolved { source, addresses } => self.resolved(now, source, &addresses),
            Input::Agreed { source, outcome } => self.agreed(now, source, outcome),
            Input::Here { exchange, here } => self.leaves_from(exchange, here),
            Input::Sent { exchange, at } => self.sent(exchange, at),
            Input::Unsent { exchange, errno } => self.unsent(now, exchange, errno),
            Input::Heard { exchange, from, at, datagram } => {
                self.heard(now, exchange, (from, at), (&datagram, None));
            }
            Input::Vouched { exchange, from, at, datagram, proof } => {
                self.heard(now, exchange, (from, at), (&datagram, Some(&proof)));
            }
            Input::Read { source, reading } => self.read_of(now, source, reading),
            Input::Steered { command, outcome } => self.steered(now, command, outcome),
            Input::Temperature { millidegrees } => self.warmed(now, millidegrees),
            Input::Interrupted(interruption) => self.interrupted(now, interruption),
            Input::NetworkChanged => self.ask_the_missed(now),
            Input::Starved { late } => self.tell(Event::Starved { late }),
            Input::Ordered(order) => self.ordered(now, order),
        }
        self.go_on(now);
    }

    /// Does what is due, whatever has happened.
    fn go_on(&mut self, now: &Moment) {
        self.ask_who_is_due(now);
        self.tend_pools(now);
        self.end_slew_if_due(now);
        self.publish_if_due(now);
        assert!(self.actions.len() <= ACTIONS_MAX, "actions are polled after each happening");
    }

    /// The happening that was handled last, as a record may tell of it: without keys and cookies, but with what they
    /// showed. A node of the same birth that is told so does the same.
    pub fn recorded(&self, input: Input) -> Input {
        match (input, &self.proof) {
            (Input::Agreed { source, outcome }, _) => {
                Input::Agreed { source, outcome: outcome.map(|agreement| agreement.without_secrets()) }
            }
            (Input::Heard { exchange, from, at, datagram }, Some(proof)) => {
                Input::Vouched { exchange, from, at, datagram, proof: proof.clone() }
            }
            (other, _) => other,
        }
    }

    /// What to do next, if anything.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// How far the time can be relied upon.
    pub fn status(&self) -> Status {
        self.status
    }

    /// When to come back if nothing happens before.
    pub fn deadline(&self) -> Time<Mono> {
        let exchanges = self.associations.iter().filter_map(|a| a.underway.as_ref()).map(|u| u.ends);
        let listed = self.associations.iter().filter(|association| !association.is_vacant);
        let questions = listed.map(|association| association.schedule.due());
        let slew = self.servo.slew_ends().into_iter();
        exchanges
            .chain(questions)
            .chain(slew)
            .chain(self.pools_due())
            .chain(self.follows())
            .chain([self.published_until, self.clock.watched() + self.policy.watch])
            .min()
            .unwrap_or(self.published_until)
    }

    fn tell(&mut self, event: Event) {
        self.actions.push_back(Action::Tell(event));
    }

    fn ordered(&mut self, now: &Moment, order: Order) {
        match order {
            Order::Burst => self.ask_all_soon(now),
            Order::Rest => self.rest(now),
            Order::Step => {
                self.servo.give_leave();
                self.tell(Event::LeaveGiven);
                self.ask_all_soon(now);
            }
        }
    }
}

/// What an earlier life wrote of the oscillator, or nothing.
fn history_of(learned: Option<&Learned>) -> History {
    match learned {
        Some(known) => History::new(known.hours.iter().copied(), known.wander.as_ratio()),
        None => History::new([], WANDER),
    }
}

/// An association for each source.
fn associate(policy: &Policy, now: Time<Mono>) -> Vec<Association> {
    let sources: Vec<Option<&SourcePolicy>> = policy.sources.iter().map(Some).collect();
    let operators = operators_of(&sources);
    let associate = |(index, source): (usize, &SourcePolicy)| {
        let mut association = Association::new(SourceId(index as u8), source.clone(), operators[index], now);
        if policy.rhythm == Rhythm::Classic {
            association.schedule.end_abruptly();
        }
        association
    };
    policy.sources.iter().enumerate().map(associate).collect()
}

/// The operators of the sources at these places, numbered in the order of their first mention. If all sources are of one
/// operator, each votes for itself: they cannot vouch for the operator, but they can outvote one of themselves.
fn operators_of(sources: &[Option<&SourcePolicy>]) -> Vec<usize> {
    let mut operators: Vec<&str> = Vec::new();
    let has_vote = |source: &&SourcePolicy| source.reference.is_none_or(|it| !it.is_pulse);
    for source in sources.iter().flatten().copied().filter(has_vote) {
        if !operators.contains(&source.operator.as_str()) {
            operators.push(&source.operator);
        }
    }
    let number = |(index, source): (usize, &Option<&SourcePolicy>)| {
        let known = operators.iter().position(|&operator| source.is_some_and(|it| it.operator == operator));
        known.filter(|_| operators.len() > 1).unwrap_or(index)
    };
    sources.iter().enumerate().map(number).collect()
}

//! Scenarios: each names only what differs from a quiet LAN with four honest servers.

use truechimer_core::event::{Interruption, SteeringFault};
use truechimer_core::policy::{ClockPolicy, Policy, Rhythm, SourcePolicy, TrustPolicy};
use truechimer_time::{Rate, Span, Tai, Time, Utc};

use crate::kernel::KernelSpec;
use crate::network::PathSpec;
use crate::oscillator::OscillatorSpec;
use crate::oscillator::course::Sine;
use crate::pool::PoolSpec;
use crate::server::ServerSpec;
use crate::world::{START, address};

/// A story to be told with any seed.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is called.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// True time at the beginning.
    pub start: Time<Tai>,
    /// What the machine knows to be past.
    pub floor: Time<Utc>,
    /// How long it goes on.
    pub duration: Span,
    /// The machine's oscillator.
    pub oscillator: OscillatorSpec,
    /// True time minus local clock at the start.
    pub clock_error: Span,
    /// The servers.
    pub servers: Vec<ServerSpec>,
    /// What changes on the way, and when after the start.
    pub changes: Vec<(Span, Change)>,
    /// The shortest and the longest interval of questions.
    pub intervals: (Span, Span),
    /// What may be done to the clock.
    pub clock: ClockPolicy,
    /// The accuracy target.
    pub accuracy: Option<Span>,
    /// By what rule the sources are asked again.
    pub rhythm: Rhythm,
    /// How often at least the machine looks whether somebody else moves its clock.
    pub watch: Span,
    /// The machine's kernel.
    pub kernel: KernelSpec,
    /// Commands to it go through a keeper, as the daemon's do.
    pub is_kept: bool,
    /// The daemon is killed, and started again with what it had learned, just before these of all the things that happen
    /// to it, counted from its first birth on; in ascending order.
    pub deaths: Vec<u64>,
    /// So many operators must agree. `None`: a majority of all.
    pub min_operators: Option<usize>,
    /// So many operators must agree before the dates of certificates can be looked at. `None`: then nobody is believed.
    pub nts_bootstrap: Option<usize>,
    /// The servers are no sources by themselves, but stand behind one name.
    pub pool: Option<PoolSpec>,
}

/// Something that changes on the way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// The way to one server is cut, or mended.
    Cut {
        /// Which.
        server: usize,
        /// Cut, not mended.
        is_cut: bool,
    },
    /// All ways are cut, or mended.
    CutAll(bool),
    /// The daemon is told that the network has changed.
    NetworkChanged,
    /// Somebody steps the clock.
    StepByOthers(Span),
    /// Somebody changes the rate of the clock.
    RetuneByOthers(Rate),
    /// The machine sleeps.
    Sleep {
        /// For so long.
        slept: Span,
        /// The clock is off by so much afterwards.
        rtc_error: Span,
    },
    /// The counter and all clocks stand still, and something tells the daemon.
    Interrupt {
        /// For so long.
        stood: Span,
        /// The counter runs so much faster afterwards than it did.
        retuned: Rate,
        /// What the daemon takes it for.
        noticed: Interruption,
    },
    /// The kernel refuses to be steered, or no longer.
    KernelRefuses(Option<SteeringFault>),
    /// The daemon is killed and started again with what it had learned. The clock keeps the rate that it had.
    Restart,
    /// What the daemon has learned goes to the disk.
    Save,
    /// The same as a restart, but with what is on the disk, if anything.
    Crash,
}

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// Four honest servers of four operators on the same kind of path.
fn four(path: &PathSpec) -> Vec<ServerSpec> {
    (0..4).map(|operator| ServerSpec { operator, path: path.clone(), ..ServerSpec::default() }).collect()
}

/// 20 ms of round trip with 2 ms of jitter and 1 % of loss.
fn internet() -> PathSpec {
    PathSpec {
        base: Span::from_millis(10),
        jitter: Span::from_millis(2),
        loss: 0.01,
        asymmetry: Span::from_millis(1),
        ..PathSpec::default()
    }
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            name: "",
            about: "",
            start: START,
            floor: Time::from_epoch(START.since_epoch()) - Span::from_secs(DAY + 37),
            duration: Span::from_secs(DAY),
            oscillator: OscillatorSpec::default(),
            clock_error: Span::from_millis(700),
            servers: four(&PathSpec::default()),
            changes: Vec::new(),
            intervals: (Span::from_secs(64), Span::from_secs(1024)),
            clock: ClockPolicy::default(),
            accuracy: None,
            rhythm: Rhythm::Adaptive,
            watch: Span::from_secs(16),
            kernel: KernelSpec::default(),
            is_kept: false,
            deaths: Vec::new(),
            min_operators: None,
            nts_bootstrap: None,
            pool: None,
        }
    }
}

/// All scenarios, in the order of the table.
pub fn all() -> Vec<Scenario> {
    let mut scenarios = vec![quiet_lan(), wide_internet(), falseticker(), slow_drag()];
    scenarios.extend([day_and_night(), cut(), other_writer(), sleeper(), forbidden(), year()]);
    scenarios
}

/// The scenario of this name.
pub fn by_name(name: &str) -> Option<Scenario> {
    all().into_iter().find(|scenario| scenario.name == name)
}

fn quiet_lan() -> Scenario {
    Scenario { name: "quiet-lan", about: "four honest servers on a quiet LAN", ..Scenario::default() }
}

fn wide_internet() -> Scenario {
    Scenario {
        name: "internet",
        about: "20 ms away, 2 ms of jitter, 1 ms of asymmetry, 1 % loss",
        servers: four(&internet()),
        ..Scenario::default()
    }
}

fn falseticker() -> Scenario {
    let mut servers = four(&internet());
    servers[2].error = Span::from_secs(3);
    Scenario {
        name: "falseticker",
        about: "one of four is 3 s off and swears it is not",
        servers,
        ..Scenario::default()
    }
}

fn slow_drag() -> Scenario {
    let mut servers = four(&internet());
    servers[1].ramp = Rate::from_ppb(1_000);
    Scenario {
        name: "slow-drag",
        about: "one of four leads away by 1 µs a second from within the agreement",
        servers,
        ..Scenario::default()
    }
}

fn day_and_night() -> Scenario {
    Scenario {
        name: "day-and-night",
        about: "3 ppm of temperature a day",
        duration: Span::from_secs(4 * DAY),
        oscillator: OscillatorSpec { sines: vec![Sine::daily(3.0)], ..OscillatorSpec::default() },
        servers: four(&internet()),
        ..Scenario::default()
    }
}

fn cut() -> Scenario {
    Scenario {
        name: "cut",
        about: "after 6 hours nobody answers for a day, then all again",
        duration: Span::from_secs(36 * HOUR),
        oscillator: OscillatorSpec { sines: vec![Sine::daily(3.0)], ..OscillatorSpec::default() },
        servers: four(&internet()),
        changes: vec![
            (Span::from_secs(6 * HOUR), Change::CutAll(true)),
            (Span::from_secs(30 * HOUR), Change::CutAll(false)),
        ],
        ..Scenario::default()
    }
}

fn other_writer() -> Scenario {
    Scenario {
        name: "other-writer",
        about: "somebody steps the clock by 40 ms, later changes its rate by 100 ppm",
        changes: vec![
            (Span::from_secs(6 * HOUR), Change::StepByOthers(Span::from_millis(40))),
            (Span::from_secs(12 * HOUR), Change::RetuneByOthers(Rate::from_ppb(100_000))),
        ],
        ..Scenario::default()
    }
}

fn sleeper() -> Scenario {
    Scenario {
        name: "sleep",
        about: "the machine sleeps for an hour; its RTC is 50 ms off",
        changes: vec![(
            Span::from_secs(8 * HOUR),
            Change::Sleep { slept: Span::from_secs(HOUR), rtc_error: Span::from_millis(50) },
        )],
        ..Scenario::default()
    }
}

fn forbidden() -> Scenario {
    Scenario {
        name: "forbidden",
        about: "the kernel refuses to be steered for six hours",
        changes: vec![
            (Span::from_secs(6 * HOUR), Change::KernelRefuses(Some(SteeringFault::NotPermitted))),
            (Span::from_secs(12 * HOUR), Change::KernelRefuses(None)),
        ],
        ..Scenario::default()
    }
}

fn year() -> Scenario {
    Scenario {
        name: "year",
        about: "one year, four servers 20 ms away, one question to each in 1024 s, the clock watched once a minute",
        duration: Span::from_secs(365 * DAY),
        oscillator: OscillatorSpec { sines: vec![Sine::daily(1.0)], ..OscillatorSpec::default() },
        servers: four(&internet()),
        intervals: (Span::from_secs(1024), Span::from_secs(1024)),
        watch: Span::from_secs(64),
        ..Scenario::default()
    }
}

impl Scenario {
    /// What the operator of the simulated machine wants.
    pub fn policy(&self) -> Policy {
        let source = |(index, server): (usize, &ServerSpec)| SourcePolicy {
            name: format!("server{}", index + 1),
            address: server.reference.is_none().then(|| address(index)),
            operator: format!("operator {}", server.operator),
            min_interval: server.reference.map_or(self.intervals.0, |reference| reference.intervals.0),
            max_interval: server.reference.map_or(self.intervals.1, |reference| reference.intervals.1),
            burst: if server.reference.is_some() { 1 } else { 6 },
            prefer: server.wish.prefer,
            trust: server.wish.trust,
            require: server.wish.require,
            key: server.key.clone(),
            nts: server.nts.is_some(),
            interleaved: server.wish.interleaved,
            reference: server.reference.map(|reference| reference.vouched),
            pool: None,
        };
        let sources: Vec<SourcePolicy> = self.servers.iter().enumerate().map(source).collect();
        let sources = match (&self.pool, sources.first()) {
            (Some(pool), Some(like)) => pool.sources(like),
            (Some(_) | None, _) => sources,
        };
        Policy {
            sources,
            accuracy: self.accuracy,
            rhythm: self.rhythm,
            clock: self.clock,
            trust: TrustPolicy {
                min_operators: self.min_operators,
                nts_bootstrap: self.nts_bootstrap,
                ..TrustPolicy::default()
            },
            watch: self.watch,
        }
    }
}

//! What a path is like for a while: queues, routes, outages. All packets of that while share it.

use truechimer_time::{Span, Tai, Time};

use super::{PathSpec, Way};
use crate::chance::Stream;

/// Queues that build up at random times and stand for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bursts {
    /// The mean time from the beginning of one to the beginning of the next.
    pub every: Span,
    /// How long one stands, in the mean.
    pub length: Span,
    /// How deep it is, in the mean.
    pub depth: Span,
    /// Where it stands and how packets pass it.
    pub queue: Queue,
}

/// Where a queue stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// On one of the two ways, which is drawn for each burst. A packet waits for half to one and a half of the depth.
    OneWay,
    /// On the way there, always.
    There,
    /// On both ways at once and as deep on both. A packet waits for half to one and a half of the depth.
    Standing,
    /// On both ways at once; each packet waits for an exponential time, as in front of a busy server (M/M/1).
    Busy,
}

/// The shortest delay of the way there changes, and changes back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Routes {
    /// The mean time between two changes; one lasts for half to one and a half of it.
    pub every: Span,
    /// So much longer is the other route.
    pub longer: Span,
}

/// When nothing comes through.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Outages {
    /// Never.
    #[default]
    None,
    /// At random times, for random times.
    Random {
        /// The mean time from the beginning of one to the beginning of the next.
        every: Span,
        /// The mean length of one.
        length: Span,
    },
    /// A link that is up for a while, again and again.
    Dialled {
        /// So long it is up..
        up: Span,
        /// ..in each stretch of this length.
        every: Span,
    },
}

/// The state of the path, which goes on with true time.
#[derive(Clone, Debug)]
pub(super) struct Weather {
    start: Time<Tai>,
    bursts: Option<BurstState>,
    routes: Option<RouteState>,
    outages: OutageState,
}

impl Weather {
    pub(super) fn new(spec: &PathSpec, start: Time<Tai>, chance: &Stream) -> Self {
        Self {
            start,
            bursts: spec.bursts.map(|bursts| BurstState::new(bursts, chance.branch("bursts"))),
            routes: spec.routes.map(|routes| RouteState::new(routes, chance.branch("routes"))),
            outages: OutageState::new(spec.outages, chance.branch("outages")),
        }
    }

    /// What the weather adds to the delay of a packet; `None` if it lets none through.
    pub(super) fn at(&mut self, way: Way, at: Time<Tai>) -> Option<Span> {
        let since = (at - self.start).as_seconds();
        let queued = self.bursts.as_mut().map_or(0.0, |bursts| bursts.wait(way, since));
        let routed = self.routes.as_mut().map_or(Span::ZERO, |routes| routes.longer(way, since));
        (!self.outages.is_down(since)).then(|| Span::from_seconds(queued) + routed)
    }
}

/// Times are in seconds since the start.
#[derive(Clone, Debug)]
struct BurstState {
    spec: Bursts,
    next: f64,
    until: f64,
    depth: f64,
    way: Way,
    chance: Stream,
    /// What each packet draws. Apart from the rest, so that more packets do not make other bursts.
    passing: Stream,
}

impl BurstState {
    fn new(spec: Bursts, mut chance: Stream) -> Self {
        let next = spec.every.as_seconds() * chance.exponential();
        let passing = chance.branch("packets");
        Self { spec, next, until: 0.0, depth: 0.0, way: Way::There, chance, passing }
    }

    fn wait(&mut self, way: Way, since: f64) -> f64 {
        while self.next <= since {
            self.begin();
        }
        if since >= self.until {
            return 0.0;
        }
        let is_here = match self.spec.queue {
            Queue::OneWay => way == self.way,
            Queue::There => way == Way::There,
            Queue::Standing | Queue::Busy => true,
        };
        match (is_here, self.spec.queue) {
            (false, _) => 0.0,
            (true, Queue::Busy) => self.depth * self.passing.exponential(),
            (true, Queue::OneWay | Queue::There | Queue::Standing) => {
                self.depth * (0.5 + self.passing.uniform())
            }
        }
    }

    /// The next burst, which takes the place of one that still stands.
    fn begin(&mut self) {
        self.until = self.next + self.spec.length.as_seconds() * self.chance.exponential();
        self.depth = self.spec.depth.as_seconds() * self.chance.exponential();
        self.way = if self.chance.happens(0.5) { Way::There } else { Way::Back };
        self.next += (self.spec.every.as_seconds() * self.chance.exponential()).max(1e-9);
    }
}

#[derive(Clone, Debug)]
struct RouteState {
    spec: Routes,
    next: f64,
    is_other: bool,
    chance: Stream,
}

impl RouteState {
    fn new(spec: Routes, mut chance: Stream) -> Self {
        let next = spec.every.as_seconds() * (0.5 + chance.uniform());
        Self { spec, next, is_other: false, chance }
    }

    fn longer(&mut self, way: Way, since: f64) -> Span {
        while self.next <= since {
            self.is_other = !self.is_other;
            self.next += (self.spec.every.as_seconds() * (0.5 + self.chance.uniform())).max(1e-9);
        }
        if self.is_other && way == Way::There { self.spec.longer } else { Span::ZERO }
    }
}

#[derive(Clone, Debug)]
struct OutageState {
    spec: Outages,
    next: f64,
    until: f64,
    chance: Stream,
}

impl OutageState {
    fn new(spec: Outages, mut chance: Stream) -> Self {
        let next = match spec {
            Outages::None | Outages::Dialled { .. } => f64::INFINITY,
            Outages::Random { every, .. } => every.as_seconds() * chance.exponential(),
        };
        Self { spec, next, until: 0.0, chance }
    }

    fn is_down(&mut self, since: f64) -> bool {
        match self.spec {
            Outages::None => false,
            Outages::Dialled { up, every } => libm::fmod(since, every.as_seconds()) >= up.as_seconds(),
            Outages::Random { every, length } => {
                while self.next <= since {
                    self.until = self.next + length.as_seconds() * self.chance.exponential();
                    self.next += (every.as_seconds() * self.chance.exponential()).max(1e-9);
                }
                since < self.until
            }
        }
    }
}

//! The way between a client and a server.
//!
//! A packet takes the shortest delay of its way, which a change of the route may have made longer, and on top of that what
//! chance adds: jitter of its own, and the queue in which it stands with others ([`Bursts`]). Each packet's jitter is
//! its own, so two that follow each other closely can change their order. Each kind of chance has a stream of its own.

use truechimer_time::{Span, Tai, Time};

use crate::chance::Stream;
use crate::network::weather::Weather;

pub mod weather;

pub use self::weather::{Bursts, Outages, Queue, Routes};

/// What a path does to packets.
#[derive(Clone, Debug)]
pub struct PathSpec {
    /// The shortest delay of one way.
    pub base: Span,
    /// So much longer is the way to the server than the way back, at its shortest.
    pub asymmetry: Span,
    /// The scale of the delay on top, each way. What it means is said by the shape.
    pub jitter: Span,
    /// So many times the jitter there is the jitter of the way back.
    pub jitter_back: f64,
    /// How the delay on top is distributed.
    pub shape: Shape,
    /// The share of packets that are lost, each way.
    pub loss: f64,
    /// The share of packets that come twice, each way.
    pub duplicates: f64,
    /// The standard deviation of the error with which the packets of one way are stamped, both ends together.
    pub stamp_noise: Span,
    /// Queues that build up and go away again.
    pub bursts: Option<Bursts>,
    /// Changes of the route to the server.
    pub routes: Option<Routes>,
    /// The first packet there waits so long until the links on its way have found their neighbours (RFC 826, RFC 4861).
    pub neighbours: Span,
    /// When nothing comes through at all.
    pub outages: Outages,
}

impl Default for PathSpec {
    /// 100 µs each way and 20 µs of jitter: a quiet LAN.
    fn default() -> Self {
        Self {
            base: Span::from_micros(100),
            asymmetry: Span::ZERO,
            jitter: Span::from_micros(20),
            jitter_back: 1.0,
            shape: Shape::Exponential,
            loss: 0.0,
            duplicates: 0.0,
            stamp_noise: Span::ZERO,
            bursts: None,
            routes: None,
            neighbours: Span::ZERO,
            outages: Outages::None,
        }
    }
}

/// How the delay on top of the shortest is distributed, with the jitter J as its scale.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Shape {
    /// Exponential with mean J.
    #[default]
    Exponential,
    /// Gamma of shape 2 with mean J: two equal queues in a row.
    Gamma,
    /// J Eᵖ of an exponential E: with p = 2 a Weibull of shape 1/2 and mean 2 J.
    Weibull {
        /// The power p, the inverse of what is usually called the shape.
        power: f64,
    },
    /// Lomax, a Pareto that begins at zero, with mean J.
    Pareto {
        /// How steeply its tail falls; more than 1. The variance is finite above 2.
        alpha: f64,
    },
    /// Normal of standard deviation J around the shortest delay, cut off where the packet would take no time.
    Normal,
    /// J, always.
    Constant,
}

impl Shape {
    /// One delay, in units of the jitter.
    fn draw(self, chance: &mut Stream) -> f64 {
        match self {
            Self::Exponential => chance.exponential(),
            Self::Gamma => (chance.exponential() + chance.exponential()) / 2.0,
            Self::Weibull { power } => libm::pow(chance.exponential(), power),
            Self::Pareto { alpha } => (alpha - 1.0) * libm::expm1(chance.exponential() / alpha),
            Self::Normal => chance.normal(),
            Self::Constant => 1.0,
        }
    }
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    There,
    /// From the server to the client.
    Back,
}

/// A path and its luck.
#[derive(Clone, Debug)]
pub struct Path {
    spec: PathSpec,
    is_cut: bool,
    is_cold: bool,
    weather: Weather,
    chance: Stream,
    copying: Stream,
    stamping: Stream,
}

impl Path {
    /// A path in order; its weather begins at `start`.
    pub fn new(spec: PathSpec, start: Time<Tai>, chance: Stream) -> Self {
        let weather = Weather::new(&spec, start, &chance);
        let (copying, stamping) = (chance.branch("duplicates"), chance.branch("stamps"));
        Self { spec, is_cut: false, is_cold: true, weather, chance, copying, stamping }
    }

    /// Lets nothing through from now on, or everything again.
    pub fn cut(&mut self, is_cut: bool) {
        self.is_cut = is_cut;
    }

    /// How long a packet takes that sets out at `at`, as far as stamps tell; `None` if it is lost. Packets set out in
    /// the order of true time.
    pub fn delay(&mut self, way: Way, at: Time<Tai>) -> Option<Span> {
        let jitter = Span::from_seconds(self.jitter(way) * self.spec.shape.draw(&mut self.chance));
        let is_lost = self.chance.happens(self.spec.loss) || self.is_cut;
        let weather = self.weather.at(way, at);
        let base = match way {
            Way::There => self.spec.base + self.spec.asymmetry.half(),
            Way::Back => self.spec.base - self.spec.asymmetry.half(),
        };
        let delay = (base + jitter).max(Span::ZERO) + weather? + self.warming(way);
        (!is_lost).then(|| (delay + self.stamp_error()).max(Span::ZERO))
    }

    /// How long each copy takes of a packet that sets out at `at`: none if it is lost, two if it is sent twice on the way.
    pub fn copies(&mut self, way: Way, at: Time<Tai>) -> Vec<Span> {
        let is_twice = self.spec.duplicates > 0.0 && self.copying.happens(self.spec.duplicates);
        (0..if is_twice { 2 } else { 1 }).filter_map(|_| self.delay(way, at)).collect()
    }

    fn warming(&mut self, way: Way) -> Span {
        let is_cold = way == Way::There && core::mem::take(&mut self.is_cold);
        if is_cold { self.spec.neighbours } else { Span::ZERO }
    }

    fn jitter(&self, way: Way) -> f64 {
        match way {
            Way::There => self.spec.jitter.as_seconds(),
            Way::Back => self.spec.jitter.as_seconds() * self.spec.jitter_back,
        }
    }

    fn stamp_error(&mut self) -> Span {
        if self.spec.stamp_noise.is_zero() {
            return Span::ZERO;
        }
        Span::from_seconds(self.spec.stamp_noise.as_seconds() * self.stamping.normal())
    }
}

#[cfg(test)]
mod tests;

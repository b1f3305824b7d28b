//! The way between a client and a server.

use truechimer_time::Span;

use crate::chance::Stream;

/// What a path does to packets.
#[derive(Clone, Debug)]
pub struct PathSpec {
    /// The shortest delay of one way.
    pub base: Span,
    /// So much longer is the way to the server than the way back, at its shortest.
    pub asymmetry: Span,
    /// The mean of the exponential delay on top, each way.
    pub jitter: Span,
    /// The share of packets that are lost, each way.
    pub loss: f64,
}

impl Default for PathSpec {
    /// 100 µs each way and 20 µs of jitter: a quiet LAN.
    fn default() -> Self {
        Self { base: Span::from_micros(100), asymmetry: Span::ZERO, jitter: Span::from_micros(20), loss: 0.0 }
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
    chance: Stream,
}

impl Path {
    /// A path in order.
    pub fn new(spec: PathSpec, chance: Stream) -> Self {
        Self { spec, is_cut: false, chance }
    }

    /// Lets nothing through from now on, or everything again.
    pub fn cut(&mut self, is_cut: bool) {
        self.is_cut = is_cut;
    }

    /// How long a packet takes; `None` if it is lost.
    pub fn delay(&mut self, way: Way) -> Option<Span> {
        let jitter = Span::from_seconds(self.spec.jitter.as_seconds() * self.chance.exponential());
        let is_lost = self.chance.happens(self.spec.loss) || self.is_cut;
        let base = match way {
            Way::There => self.spec.base + self.spec.asymmetry.half(),
            Way::Back => self.spec.base - self.spec.asymmetry.half(),
        };
        (!is_lost).then_some(base + jitter)
    }
}

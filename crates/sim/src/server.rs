//! A simulated time server, honest or not. It answers with the very function that our own server answers with.

use truechimer_core::server::ntp::{Served, answer};
use truechimer_core::wire::ntp::Leap;
use truechimer_time::leap::LeapTable;
use truechimer_time::{NtpPrecision, Rate, Span, Tai, Time, Utc};

use crate::network::PathSpec;

/// What a server is like.
#[derive(Clone, Debug)]
pub struct ServerSpec {
    /// Who runs it; servers of the same number have one vote.
    pub operator: u8,
    /// The way to it.
    pub path: PathSpec,
    /// So far its clock is from the truth, constantly..
    pub error: Span,
    /// ..and growing at this rate from the start.
    pub ramp: Rate,
    /// So far it *says* that it may be from the truth, as its root dispersion. Less than its error: a liar.
    pub dispersion: Span,
    /// The stratum that it claims.
    pub stratum: u8,
}

impl Default for ServerSpec {
    /// A stratum 1 on a quiet LAN, right to the microsecond.
    fn default() -> Self {
        Self {
            operator: 0,
            path: PathSpec::default(),
            error: Span::ZERO,
            ramp: Rate::ZERO,
            dispersion: Span::from_micros(1),
            stratum: 1,
        }
    }
}

/// How long a server takes to answer.
const RESIDENCE: Span = Span::from_micros(30);

/// A server.
#[derive(Clone, Debug)]
pub struct Server {
    spec: ServerSpec,
    start: Time<Tai>,
    leaps: LeapTable,
}

impl Server {
    /// A server whose ramp starts at `start`.
    pub fn new(spec: ServerSpec, start: Time<Tai>) -> Self {
        Self { spec, start, leaps: LeapTable::COMPILED }
    }

    /// The answer to a question that arrives at `now`, and when it leaves; `None` if there is none.
    pub fn answer(&self, question: &[u8], now: Time<Tai>) -> Option<(Vec<u8>, Time<Tai>)> {
        let leaves = now + RESIDENCE;
        let served = Served {
            synchronised: true,
            leap: Leap::None,
            stratum: self.spec.stratum,
            precision: NtpPrecision { log2_seconds: -20 },
            reference_id: *b"SIM\0",
            reference: self.clock(now),
            root_delay: Span::ZERO,
            root_dispersion: self.spec.dispersion,
        };
        let reply = answer(question, self.clock(now), self.clock(leaves), &served).ok()?;
        Some((reply.to_vec(), leaves))
    }

    fn clock(&self, now: Time<Tai>) -> Time<Utc> {
        let wrong = self.spec.error + self.spec.ramp.over(now - self.start);
        self.leaps.utc_of_tai(now + wrong).time
    }
}

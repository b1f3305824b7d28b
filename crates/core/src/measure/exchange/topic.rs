//! What a question says of an answer that came before it: interleaved mode (RFC 9769), the side that asks.
//!
//! No server knows when an answer leaves before it has left. Asked again, it can tell: so a question that is not content with
//! what the answer itself said is followed by a second one, whose answer brings the departure of the first.
//!
//! ```text
//!               origin            receive   transmit    its answer gives back, and has in transmit
//!   None        0                 0         x           x    about when it leaves
//!   Keep        z                 y         x           x    about when it leaves
//!   Departure   receive of that   y         x           y    when that answer has left
//!               answer                                  x    about when it leaves: the server has not kept it
//! ```
//!
//! `x`, `y` and `z` are random bits. `x` and `y` are as hard to guess, and they differ, so it is the one that is given back that
//! says which of the two the answer is. `z` is the receive timestamp of no answer, and so nothing is told of one; but it marks
//! the question as one of interleaved mode, whose departures servers keep. It is odd, because chronyd gives its answers odd
//! receive timestamps to tell them from the origins of basic mode.

use rand_core::Rng;
use truechimer_time::ntp::NtpTimestamp;

use super::{Stamps, unguessable};
use crate::wire::ntp::Packet;

/// What a question says of an answer before it.
#[derive(Clone, Copy, Debug)]
pub enum Topic {
    /// Nothing.
    None,
    /// Nothing, but a server that knows of interleaved mode shall keep when the answer to this leaves.
    Keep,
    /// When has it left?
    Departure(Earlier),
}

/// An answer that was heard, and may be spoken of.
#[derive(Clone, Copy, Debug)]
pub struct Earlier(pub(super) Stamps);

/// What stands in a question where times would.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wording {
    topic: Topic,
    origin: NtpTimestamp,
    /// What an answer gives back.
    transmit: NtpTimestamp,
    /// What an answer gives back that tells of the earlier one's departure.
    receive: NtpTimestamp,
}

impl Wording {
    pub(super) fn new(rng: &mut impl Rng, topic: Topic) -> Self {
        let transmit = unguessable(rng);
        let (origin, receive) = match topic {
            Topic::None => (NtpTimestamp::ZERO, NtpTimestamp::ZERO),
            Topic::Keep => (NtpTimestamp::from_bits(unguessable(rng).to_bits() | 1), unguessable(rng)),
            Topic::Departure(Earlier(stamps)) => (stamps.packet.receive, unguessable(rng)),
        };
        Self { topic, origin, transmit, receive }
    }

    pub(super) fn origin(&self) -> NtpTimestamp {
        self.origin
    }

    pub(super) fn receive(&self) -> NtpTimestamp {
        self.receive
    }

    pub(super) fn transmit(&self) -> NtpTimestamp {
        self.transmit
    }

    /// Has whoever made this read the question?
    pub(super) fn is_given_back_by(&self, packet: &Packet) -> bool {
        packet.origin == self.transmit || self.is_of_departure(packet)
    }

    /// The earlier answer, if this is about its departure: all that it said of the server's clock as it is said now.
    pub(super) fn departure(&self, packet: &Packet) -> Option<Stamps> {
        match self.topic {
            Topic::Departure(Earlier(stamps)) if self.is_of_departure(packet) => {
                let packet = Packet { receive: stamps.packet.receive, ..*packet };
                Some(Stamps { packet, ..stamps })
            }
            Topic::None | Topic::Keep | Topic::Departure(_) => None,
        }
    }

    fn is_of_departure(&self, packet: &Packet) -> bool {
        match self.topic {
            Topic::None | Topic::Keep => false,
            Topic::Departure(_) => packet.origin == self.receive && self.receive != self.transmit,
        }
    }
}

//! What a survey has found out about one host.

use std::net::SocketAddr;

use truechimer_time::{Raw, Span, Time};

use super::protocol::Protocol;
use super::told::{Claim, Doubt};
use super::trouble::Trouble;
use super::window::Window;

/// One host, and what is known of its clock.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// How it was named.
    pub name: String,
    /// It is one of a whole network, where nobody said that there is a host.
    pub is_swept: bool,
    /// Where it was asked, if that is known.
    pub place: Option<SocketAddr>,
    /// By what it has answered, if it has.
    pub protocol: Option<Protocol>,
    /// How many questions were sent.
    pub asked: u8,
    /// How many answers could be used.
    pub answered: u8,
    /// Its clock, or why nothing is known of it.
    pub outcome: Result<Reading, Trouble>,
}

/// What is known of a clock.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// When, by our raw counter.
    pub at: Time<Raw>,
    /// How far it was ahead of that counter.
    pub window: Window,
    /// How far our own clock was.
    pub ours: Span,
    /// How far UTC was, if a daemon of this machine knows it.
    pub truth: Option<Window>,
    /// The shortest way, there and back.
    pub delay: Span,
    /// What the host says of its clock.
    pub claim: Option<Claim>,
    /// What had to be assumed.
    pub doubts: Vec<Doubt>,
}

impl Reading {
    /// How far the host's clock is ahead of ours.
    pub fn ahead_of_ours(&self) -> Window {
        self.window.less(self.ours)
    }

    /// How far UTC is ahead of the raw counter, if the host is right about itself.
    pub fn claimed(&self) -> Option<Window> {
        self.claim.map(|claim| self.window.widened(claim.distance))
    }

    /// Do its answers contradict each other?
    pub fn contradicts(&self) -> bool {
        self.doubts.contains(&Doubt::Contradiction)
    }
}

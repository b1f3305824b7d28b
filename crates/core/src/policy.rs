//! What the operator wants. Numbers only: reading files and finding names is somebody else's work.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;

use truechimer_time::{Rate, Span};

use crate::wire::mac::Key;

/// The most sources that one node keeps. Memory per source is bounded, and so is the vote.
pub const SOURCES_MAX: usize = 32;

/// All that the operator decides, handed to a node at birth.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Whom to ask, at most [`SOURCES_MAX`].
    pub sources: Vec<SourcePolicy>,
    /// How right the clock shall be: its standard error over all time. `None`: as right as the longest polite interval
    /// gives.
    pub accuracy: Option<Span>,
    /// By what rule the sources are asked again.
    pub rhythm: Rhythm,
    /// What may be done to the clock.
    pub clock: ClockPolicy,
    /// When an answer, a source or a map is good enough.
    pub trust: TrustPolicy,
    /// How often at least to look whether somebody else moves the clock.
    pub watch: Span,
}

/// By what rule the sources are asked again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rhythm {
    /// As rarely as the accuracy allows; without one, ever more rarely up to the longest interval.
    #[default]
    Adaptive,
    /// clockspeed's: the interval doubles with each good answer, whatever it says. For clocks known to be steady.
    Classic,
}

/// One source, as the operator named it.
#[derive(Clone, Debug)]
pub struct SourcePolicy {
    /// The name in the configuration, for people: `ptbtime1.ptb.de`, `192.0.2.1:123`.
    pub name: String,
    /// Where it is, if no name need be looked up.
    pub address: Option<SocketAddr>,
    /// Who runs it. All sources of one operator have one vote together.
    pub operator: String,
    /// Never ask more often than this, save in a burst.
    pub min_interval: Span,
    /// Never ask more rarely than this.
    pub max_interval: Span,
    /// How many exchanges, [`BURST_SPACING`](crate::source::schedule::BURST_SPACING) apart, begin the acquaintance.
    pub burst: u8,
    /// Where it is a truechimer, the combination leans on the preferred sources alone.
    pub prefer: bool,
    /// Its word is believed against any majority of sources that are not trusted. Where no trusted source says
    /// anything, the others decide, and that is told; with `require` nobody does.
    pub trust: bool,
    /// No selection without at least one source that is required and a truechimer, if any is required at all.
    pub require: bool,
    /// What it shares with us: then it is asked sealed, and believed in nothing that is not sealed with this very key.
    pub key: Option<Arc<Key>>,
    /// It is asked by NTS: under keys that a key exchange agrees on, and never otherwise. The exchange also tells where
    /// it is.
    pub nts: bool,
    /// Each answer is followed by a question of when it has really left (RFC 9769, interleaved mode).
    pub interleaved: bool,
    /// What is vouched for, if it is a reference clock of this machine. `None`: it is asked over the network.
    pub reference: Option<ReferencePolicy>,
    /// The pool of which it is one of the places, if it is.
    pub pool: Option<PoolPolicy>,
}

impl SourcePolicy {
    /// Is it the very source that the other describes too, whatever else is wanted of it? Then what was learned of one
    /// holds for both.
    pub fn is_same_source(&self, other: &Self) -> bool {
        let key = |source: &Self| source.key.as_ref().map(|key| key.id());
        let pool = |source: &Self| source.pool.as_ref().map(|pool| pool.is_near);
        self.name == other.name
            && self.address == other.address
            && self.reference == other.reference
            && key(self) == key(other)
            && self.nts == other.nts
            && pool(self) == pool(other)
    }
}

/// One name of many servers. Each of its places is a source of its own in the policy's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolPolicy {
    /// The name in the configuration: the same for all places of a pool, and for no others.
    pub name: String,
    /// It is a name of our own network, so that private addresses are servers too.
    pub is_near: bool,
}

/// What the operator vouches for in a reference clock of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReferencePolicy {
    /// It says only when seconds begin. So it has no vote: others must say which seconds they are.
    pub is_pulse: bool,
    /// By what it counts, if it is a clock that is read.
    pub scale: Scale,
    /// It is never further from the truth than this, the way to it included. The bound rests on it.
    pub error: Span,
    /// To be added to what it says: the length of a cable, the delay of a serial line.
    pub offset: Span,
    /// Where it goes with those whom the vote believes, the bound is narrowed to what it says. Within their bound it is
    /// then believed alone; beyond, never.
    pub refine: bool,
    /// Its name for those whom we serve (RFC 5905, section 7.3: the reference id of stratum 1).
    pub id: [u8; 4],
}

/// By what a clock counts the seconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// All of them, as the clocks of PTP do.
    #[default]
    Tai,
    /// Without leap seconds.
    Utc,
}

/// What may be done to the clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClockPolicy {
    /// A step is allowed only for an error beyond this..
    pub step_threshold: Span,
    /// ..and only within this many first updates of the clock (chrony's `makestep`). Then never again without leave.
    pub step_updates: u32,
    /// What may be stepped after an interruption of the counter, however long the clock has been settled. `None`: nothing.
    pub mending: Option<Mending>,
    /// The fastest slew, apart from the correction of the frequency.
    pub max_slew: Rate,
    /// An error beyond this, once stepping is over, is not acted on: the clock is left alone, and that is said.
    pub panic: Span,
}

/// The most steps in a day that may mend.
pub const MENDS_MAX: u32 = 24;

/// Leave, given beforehand, to step a settled clock that was left behind when the machine stood still, slept or was moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mending {
    /// An error beyond this is not stepped.
    pub longest: Span,
    /// So many steps within a day, at most [`MENDS_MAX`].
    pub per_day: u32,
}

/// When to believe.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrustPolicy {
    /// Assumption A1: the raw counter's rate is at most so far from one second per second.
    pub max_rate: Rate,
    /// Assumption A2: the raw counter's rate stays within this of what it was on average over any stretch of the
    /// last day. RFC 5905 calls it PHI and takes 15 ppm. Less is assumed of an oscillator that has been watched for days
    /// ([`Drift`](crate::discipline::drift::Drift)).
    pub max_drift: Rate,
    /// A rate that has been watched for days changes suddenly by at most this beyond three times what was seen. As much
    /// as `max_drift`: nothing is learned about A2.
    pub sudden: Rate,
    /// An exchange that took longer is not used.
    pub max_delay: Span,
    /// A source whose root distance is longer is not used (RFC 5905, MAXDIST and MAXDISP).
    pub max_distance: Span,
    /// So many operators must agree. `None`: more than half of all, the dead counted in. Where it is less than that, a
    /// majority of those decides that are not known to be dead (chrony's `minsources`, with the same risk: whoever
    /// silences the others decides).
    pub min_operators: Option<usize>,
    /// Before any time is known, certificates for NTS that are refused for their dates alone are taken provisionally. So
    /// many operators that are asked by NTS must agree under them, and again under certificates that are valid at what they
    /// agreed on. `None`: such certificates are never taken.
    pub nts_bootstrap: Option<usize>,
}

impl Default for ClockPolicy {
    /// Step errors over 0.1 s in the first three updates, and no other; slew at most 500 ppm; give up beyond 1000 s.
    fn default() -> Self {
        Self {
            step_threshold: Span::from_millis(100),
            step_updates: 3,
            mending: None,
            max_slew: Rate::from_ppb(500_000),
            panic: Span::from_secs(1000),
        }
    }
}

impl Default for TrustPolicy {
    /// 500 ppm, 15 ppm, 3 ppm, 3 s, 16 s, a majority of all, certificates with the right dates.
    fn default() -> Self {
        Self {
            max_rate: Rate::from_ppb(500_000),
            max_drift: Rate::from_ppb(15_000),
            sudden: Rate::from_ppb(3_000),
            max_delay: Span::from_secs(3),
            max_distance: Span::from_secs(16),
            min_operators: None,
            nts_bootstrap: None,
        }
    }
}

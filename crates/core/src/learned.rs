//! What is worth keeping over a restart.

use alloc::vec::Vec;

use crate::discipline::drift::Seen;
use crate::discipline::holdover::Hour;
use truechimer_time::{Rate, Span, Tai, Time};

/// What a node has learned of this machine's oscillator. Worth nothing on another machine or another clocksource:
/// the keeper of the file compares them.
#[derive(Clone, Debug, PartialEq)]
pub struct Learned {
    /// Seconds of TAI gained on each second of the raw counter.
    pub rate: Rate,
    /// The rate was known to within this, assumptions included.
    pub rate_error: Rate,
    /// How fast the rate wanders: its standard deviation after one second, growing with the square root of time.
    pub wander: Rate,
    /// When this was known. No clock need ever be set to before it.
    pub at: Time<Tai>,
    /// How far off the clock could have been at that time.
    pub bound: Span,
    /// How far the rate has been seen to go from its averages.
    pub seen: Seen,
    /// The oscillator's diary, the oldest hour first; at most [`HOURS_MAX`](crate::discipline::holdover::HOURS_MAX).
    pub hours: Vec<Hour>,
}

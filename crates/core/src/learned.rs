//! What is worth keeping over a restart.

use crate::discipline::drift::Seen;
use truechimer_time::{Rate, Span, Tai, Time};

/// What a node has learned of this machine's oscillator. Worth nothing on another machine or another clocksource:
/// the keeper of the file compares them.
#[derive(Clone, Copy, Debug, PartialEq)]
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
}

//! What one exchange tells about true time.

use truechimer_time::{Raw, Span, Tai, Time};

use crate::discipline::bracket::Bracket;

/// Root delay and root dispersion come rounded to 2⁻¹⁶ s (RFC 5905, NTP short format): half of one and all of the
/// other may have been lost.
pub const ROUNDING: Span = Span::from_nanos(22_889);

/// One exchange, in terms of the raw counter and TAI.
///
/// ```text
///            t2 ───── t3            server, TAI ± distance
///           ╱           ╲
///     t1 ──╯             ╰── t4     client, raw counter
/// ```
///
/// At `t4` true time is after `t3`, because the answer has travelled since; and before `t2 + (t4 - t1)`, because the
/// question had yet to travel at `t1`. The server's own uncertainty goes on top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When the question left (`t1`).
    pub sent: Time<Raw>,
    /// When it came to the server, by its clock (`t2`).
    pub received: Time<Tai>,
    /// When the answer left, by the server's clock (`t3`).
    pub transmitted: Time<Tai>,
    /// When the answer was heard (`t4`).
    pub at: Time<Raw>,
    /// True time then was not before this, if the server is right about its distance.
    pub earliest: Time<Tai>,
    /// True time then was not after this.
    pub latest: Time<Tai>,
    /// The time on the way, there and back: `(t4 - t1) - (t3 - t2)`.
    pub delay: Span,
    /// How far the server itself may be from the truth: half of its root delay, its root dispersion, the rounding of
    /// both and the error of our own stamps.
    pub distance: Span,
}

impl Sample {
    /// The likeliest time at [`Sample::at`], if both ways took equally long.
    pub fn middle(&self) -> Time<Tai> {
        self.bracket().middle()
    }

    /// The likeliest time at [`Sample::at`] of a clock that was read in the middle of its window, whatever is certain.
    pub fn reading(&self) -> Time<Tai> {
        self.transmitted + self.delay.half()
    }

    /// What is certain.
    pub fn bracket(&self) -> Bracket {
        Bracket { at: self.at, earliest: self.earliest, latest: self.latest }
    }
}

//! What the clocks said, handed in by whoever owns them.
//!
//! The core reads no clock. Each wake-up the owner of the clocks reads them all together once and passes the
//! [`Moment`] down; each packet comes with the [`Stamp`] that was taken as close to the wire as could be had.

use truechimer_time::{Local, Mono, Raw, Span, Time};

/// The readings of one moment, taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The unadjusted counter. The model lives on it.
    pub raw: Time<Raw>,
    /// The monotonic clock. Deadlines live on it.
    pub mono: Time<Mono>,
    /// The clock that we steer: the kernel's, or our user-space clock.
    pub local: Time<Local>,
    /// How long the machine has been suspended since boot: the raw counter stood still for so long.
    pub asleep: Span,
    /// All readings were taken within so long of each other.
    pub width: Span,
}

/// When a packet left or came, on the raw counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The reading.
    pub at: Time<Raw>,
    /// Who took it.
    pub by: StampedBy,
}

/// Who took a stamp. The closer to the wire, the less waiting is hidden in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StampedBy {
    /// The kernel, as the packet passed through its network stack.
    Kernel,
    /// Our program, before the packet was handed to the kernel or after it was handed over by it.
    Program,
}

//! What the clocks said, handed in by whoever owns them.
//!
//! The core reads no clock. Each wake-up the owner of the clocks reads them all together once and passes the
//! [`Moment`] down; each packet comes with the [`Stamp`] that was taken as close to the wire as could be had.

use truechimer_time::{Local, Mono, Rate, Raw, Span, Time};

/// No clock that is steered runs further from the raw counter than this: adjtimex(2) slews by 500 ppm at most.
const SKEW_MAX: Rate = Rate::from_ppb(500_000);

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

impl Stamp {
    /// How wrong it can be, as far as is known at a later reading of the counter. The kernel takes its stamps from the
    /// local clock; they were converted to the counter by readings within `width` of each other, over a time in which
    /// both clocks may run at different rates.
    pub fn error(self, now: Time<Raw>, width: Span) -> Span {
        match self.by {
            StampedBy::Program => Span::ZERO,
            StampedBy::Kernel => width + SKEW_MAX.over((now - self.at).abs()),
        }
    }
}

/// Who took a stamp. The closer to the wire, the less waiting is hidden in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StampedBy {
    /// The kernel, as the packet passed through its network stack.
    Kernel,
    /// Our program, before the packet was handed to the kernel or after it was handed over by it.
    Program,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_a_stamp_of_the_kernel_the_less_is_it_worth() {
        let (now, width) = (Time::from_epoch(Span::from_secs(1000)), Span::from_nanos(100));
        let kernel = Stamp { at: now - Span::from_secs(1), by: StampedBy::Kernel };
        assert_eq!(kernel.error(now, width), Span::from_micros(500) + width);
        assert_eq!(Stamp { by: StampedBy::Program, ..kernel }.error(now, width), Span::ZERO);
    }
}

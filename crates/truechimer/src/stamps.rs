//! The kernel's stamps, moved to the raw counter.
//!
//! The kernel stamps packets with the clock that is being steered. A reading of both clocks, taken soon after, says
//! when that was by the raw counter.

use truechimer_core::moment::{Stamp, StampedBy};
use truechimer_sys::clock::Readings;
use truechimer_time::{Local, Span, Time};

/// A stamp older than this has no business here, or the clock was stepped since.
const OLDEST: Span = Span::from_secs(4);

/// A stamp may seem to lie in the future by as much as two readings of clocks can be apart.
const FUTURE: Span = Span::from_micros(50);

/// The stamp on the raw counter. `None` if it cannot be right: the clock was stepped between the packet and the
/// reading, and the caller has to do with its own reading.
pub fn to_raw(stamp: Time<Local>, now: &Readings) -> Option<Stamp> {
    let ago = now.realtime - stamp;
    let is_plausible = -FUTURE <= ago && ago <= OLDEST;
    is_plausible.then(|| Stamp { at: now.raw - ago.max(Span::ZERO), by: StampedBy::Kernel })
}

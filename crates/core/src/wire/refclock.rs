//! What programs that drive reference clocks hand to a time daemon of the same machine: a segment of shared memory, as
//! ntpd's "SHM" driver has it, or a datagram, as chrony's "SOCK" driver has it.
//!
//! Both are C structures in the machine's own byte order, with 64-bit times; a machine with 32-bit times lays them out
//! otherwise and is not read here. Reading is total: any bytes give a value or a [`Misreading`]. Whether the time in
//! it is believed is decided elsewhere ([`measure::reference`](crate::measure::reference)).
//!
//! ```text
//!  SHM, 96 bytes                                    SOCK, 40 bytes
//!   0 mode     4 count                               0 seconds of the local clock
//!   8 seconds of the reference clock                 8 microseconds of it
//!  16 microseconds of it, 20 unused                 16 reference minus local clock, a double of seconds
//!  24 seconds of the local clock then               24 pulse: only the fraction of the second is meant
//!  32 microseconds of it   36 leap                  28 leap   32 unused
//!  40 precision  44 nsamples  48 valid              36 magic
//!  52, 56 nanoseconds of both   60 .. unused
//! ```

use truechimer_time::{Local, Span, Time, Utc};

use crate::measure::reference::Misreading;
use crate::wire::ntp::Leap;

/// The bytes of a segment.
pub const SEGMENT_LEN: usize = 96;

/// The bytes of a datagram.
pub const SOCK_LEN: usize = 40;

/// `SOCK`, the last field of a datagram.
pub const SOCK_MAGIC: i32 = 0x534f_434b;

/// No local clock that is worth reading is further from the truth: a hundred years, in seconds. Nor does an offset beyond
/// it fit into what is reckoned with.
const OFFSET_MAX: f64 = 3_155_760_000.0;

/// The years in which a second of UTC can be meant: 1970 to 2554, where 64 bits of nanoseconds end.
const SECONDS_MAX: i64 = 18_446_744_073;

/// A microsecond may be this much finer in a segment that has nanoseconds, too, because writers round them differently.
const MICROSECOND: i64 = 1_000;

/// A sample of a driver: by the local clock it was `local` when by the reference clock it was `utc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// What `CLOCK_REALTIME` showed.
    pub local: Time<Local>,
    /// What the reference clock showed then.
    pub utc: Time<Utc>,
    /// What it says about leap seconds.
    pub leap: Leap,
    /// Of `utc` only the fraction of the second is meant.
    pub is_pulse: bool,
}

/// Which sample of a segment it is, so that the same one is not taken twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Serial {
    count: i32,
    local: Time<Local>,
}

/// Reads a segment of which two copies were taken, one after the other: a writer at work between them is noticed in either
/// mode (in mode 1 it says so itself by a `count` that changes).
///
/// # Errors
/// [`Misreading`], if it is not valid, was written to meanwhile or makes no sense.
pub fn read_segment(
    first: &[u8; SEGMENT_LEN],
    second: &[u8; SEGMENT_LEN],
) -> Result<(Serial, Tick), Misreading> {
    let (mode, valid) = (i32_at(first, 0), i32_at(first, 48));
    if valid == 0 {
        return Err(Misreading::Nothing);
    }
    if !matches!(mode, 0 | 1) {
        return Err(Misreading::Mode);
    }
    if first[4..60] != second[4..60] {
        return Err(Misreading::Torn);
    }
    let utc = instant(first, (8, 16, 52))?;
    let local = instant(first, (24, 32, 56))?;
    let serial = Serial { count: i32_at(first, 4), local: Time::from_epoch(local) };
    let leap = leap_of(i32_at(first, 36))?;
    Ok((serial, Tick { local: serial.local, utc: Time::from_epoch(utc), leap, is_pulse: false }))
}

/// Reads a datagram.
///
/// # Errors
/// [`Misreading`], if it is of another size, another kind, or makes no sense.
pub fn read_datagram(datagram: &[u8]) -> Result<Tick, Misreading> {
    let bytes: &[u8; SOCK_LEN] = datagram.try_into().map_err(|_| Misreading::Length)?;
    if i32_at(bytes, 36) != SOCK_MAGIC {
        return Err(Misreading::Magic);
    }
    let (seconds, micros) = (i64_at(bytes, 0), i64_at(bytes, 8));
    let offset = f64::from_bits(i64_at(bytes, 16) as u64);
    if !offset.is_finite() {
        return Err(Misreading::NotANumber);
    }
    if !(0..=SECONDS_MAX).contains(&seconds) || libm::fabs(offset) > OFFSET_MAX {
        return Err(Misreading::Absurd);
    }
    if !(0..1_000_000).contains(&micros) {
        return Err(Misreading::Fraction);
    }
    let local = Span::from_secs(seconds) + Span::from_micros(micros);
    Ok(Tick {
        local: Time::from_epoch(local),
        utc: Time::from_epoch(local + Span::from_seconds(offset)),
        leap: leap_of(i32_at(bytes, 28))?,
        is_pulse: i32_at(bytes, 24) != 0,
    })
}

/// Seconds and microseconds, or the nanoseconds where they are finer digits of the same: older writers leave them zero.
fn instant(
    bytes: &[u8; SEGMENT_LEN],
    (seconds, micros, nanos): (usize, usize, usize),
) -> Result<Span, Misreading> {
    let seconds = i64_at(bytes, seconds);
    let (micros, nanos) = (i64::from(i32_at(bytes, micros)), i64::from(i32_at(bytes, nanos) as u32));
    if !(0..=SECONDS_MAX).contains(&seconds) {
        return Err(Misreading::Absurd);
    }
    if !(0..1_000_000).contains(&micros) {
        return Err(Misreading::Fraction);
    }
    let coarse = micros * MICROSECOND;
    let is_finer = nanos < 1_000_000_000 && (nanos - coarse).abs() < MICROSECOND;
    Ok(Span::from_secs(seconds) + Span::from_nanos(if is_finer { nanos } else { coarse }))
}

/// The leap indicator of RFC 5905, section 7.3.
fn leap_of(number: i32) -> Result<Leap, Misreading> {
    match number {
        0 => Ok(Leap::None),
        1 => Ok(Leap::Insert),
        2 => Ok(Leap::Delete),
        3 => Err(Misreading::NeverSet),
        _ => Err(Misreading::Leap),
    }
}

fn i32_at<const LEN: usize>(bytes: &[u8; LEN], place: usize) -> i32 {
    i32::from_ne_bytes(core::array::from_fn(|index| bytes[place + index]))
}

fn i64_at<const LEN: usize>(bytes: &[u8; LEN], place: usize) -> i64 {
    i64::from_ne_bytes(core::array::from_fn(|index| bytes[place + index]))
}

#[cfg(test)]
mod tests;

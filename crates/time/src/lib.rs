//! Timescales, instants and spans.
//!
//! Everything in Truechimer that says *when* says it with [`Time<S>`]: an instant on the scale `S`. The scales do
//! not mix, because most errors of clock software are one clock taken for another. Everything that says *how
//! long* says it with [`Span`], and *how fast* with [`Rate`].
//!
//! This crate reads no clock, allocates nothing, depends on nothing and has no `unsafe`.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod civil;
pub mod leap;
pub mod ntp;
pub mod rate;
pub mod scale;
pub mod span;
pub mod tai64;

pub use civil::Civil;
pub use leap::{Leap, LeapKind, LeapTable, UtcReading};
pub use ntp::{NtpPrecision, NtpShort, NtpTimestamp};
pub use rate::Rate;
pub use scale::{Local, Mono, Raw, Scale, Tai, Time, Utc};
pub use span::Span;
pub use tai64::{Tai64, Tai64N, Tai64NA};

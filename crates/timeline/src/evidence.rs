//! What other programs wrote down of a clock, as a course of it.

pub mod chrony;
pub mod measured;
pub mod ntpd;
pub mod peerstats;
mod servers;

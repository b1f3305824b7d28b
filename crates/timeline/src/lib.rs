//! Logs of many hosts on one absolute timeline: what their stamps say, what their clocks were worth, and which order is true.
//!
//! Bytes and evidence go in, intervals of true time come out. There is no clock, no file, no socket and no entropy here: the same
//! input gives the same bytes.
//!
//! ```text
//!  line ──► dialect ──► stamp ──► what the clock showed ──► course of that clock ──► interval of TAI, and why
//! ```

pub mod cause;
pub mod corrections;
pub mod course;
pub mod dialect;
pub mod evidence;
pub mod interval;
pub mod journal;
pub mod labelled;
pub mod lines;
pub mod packets;
pub mod records;
pub mod render;
mod scan;
pub mod shown;
pub mod stamp;
pub mod story;
pub mod window;

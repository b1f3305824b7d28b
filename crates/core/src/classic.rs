//! What the clockspeed programs hand to each other: the formats of their pipes and files, and the arithmetic that
//! scripts rely upon.
//!
//! All of it is exact: no float, no rounding but where the original cuts off. Nothing here knows a clock or a file.
//!
//! Sources: the manual pages of clockspeed 0.62 and of s6-networking.

pub mod atto;
pub mod count;
pub mod estimate;
pub mod record;

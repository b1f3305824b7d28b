//! What the clockspeed programs hand to each other: the formats of their pipes and files, and the arithmetic that
//! scripts rely upon.
//!
//! Formats are exact: no float, no rounding but where the original cuts off. What clockspeed makes of measurements is in
//! floats, as it was ([`line`](mod@line)) and as it is done here ([`speed`]). Nothing here knows a clock or a file.
//!
//! Sources: the manual pages of clockspeed 0.62 and of s6-networking.

pub mod atto;
pub mod count;
pub mod estimate;
pub mod line;
pub mod record;
pub mod speed;

//! The live view: what the time is like and what happens to it, as one looks on.
//!
//! What is known (`State`), what of it is on the screen (`View`), and how that is painted are apart: the first two are
//! functions of what they are told, and the last one paints into any buffer.

pub mod informant;
pub mod look;
pub mod paint;
pub mod plain;
pub mod state;
pub mod view;

//! Logs of many hosts as one story: which files are logs and which are evidence, and whose they are.
//!
//! What lines say and what order is true is decided in `truechimer-timeline`, which opens no file.

pub mod cause;
pub mod evidence;
pub mod inputs;
pub mod journal;
pub mod question;

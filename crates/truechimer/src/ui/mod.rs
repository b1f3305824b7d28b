//! Numbers, times and tables for people. Programs are given JSON, which does not pass through here.

pub mod colour;
pub mod picture;
pub mod stamp;
pub mod table;
pub mod units;

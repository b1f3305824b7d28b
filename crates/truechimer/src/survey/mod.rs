//! The clocks of many hosts, measured from here by whatever they speak. Nothing is installed on them.
//!
//! ```text
//!   target ─► host ─► attempt ─► line ─► (bytes, stamps) ─► question ─► told ─► search ─► finding
//!   whom      what is   one        sockets                    meaning     one     all       ─► judge ─► text, json, csv, picture,
//!             tried     protocol                              of bytes    answer  answers              metrics, history
//! ```
//!
//! One thread and one `poll`; names alone are looked up by others. No privilege is needed but for ICMP, and no clock is touched.
//!
//! **Invariant:** every finding is an interval. What had to be assumed for it is said with it.
//!
//! **Invariant:** hosts at once, hosts a second, questions to a host and bytes of an answer are limited.

mod attempt;
mod host;
mod line;
mod lookup;
mod round;
mod tls;
mod truth;

pub mod csv;
pub mod diary;
pub mod finding;
pub mod groups;
pub mod http;
pub mod json;
pub mod judge;
pub mod numbers;
pub mod picture;
pub mod protocol;
pub mod question;
pub mod search;
pub mod state;
pub mod target;
pub mod text;
pub mod told;
pub mod trouble;
pub mod window;

pub use finding::{Finding, Reading};
pub use round::{Audience, Manner, Survey, survey};

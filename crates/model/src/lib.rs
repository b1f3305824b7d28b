//! What is known of true time, as values: the model, its bound, and the page on which they are published.
//!
//! The daemon makes a model, every other program reads it; here is what both have to agree about to the last attosecond. So
//! this is the whole of what a program has to carry to know the time: no protocol, no cipher, no estimator.
//!
//! **Invariant:** no clock, no file, no memory that is shared, no allocation, no `unsafe`, no `std`. A reading of the counter
//! is an argument, and words are an array.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod bracket;
pub mod limits;
pub mod model;
pub mod page;
pub mod status;

pub use bracket::Bracket;
pub use limits::RateLimits;
pub use model::{Model, Reading};
pub use page::{Page, Unreadable};
pub use status::Status;

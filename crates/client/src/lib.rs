//! The time with a bound, for programs.
//!
//! The Truechimer daemon publishes what it knows in a small file of shared memory. A [`Clock`] reads it: no question is asked,
//! no privilege is needed, and nothing goes to the kernel but clocks that are read without a system call. What comes out is
//! no instant but an interval. True time is in it, whatever the network did, as long as the stated assumptions hold
//! ([`Assumptions`]).
//!
//! ```no_run
//! use truechimer_client::Clock;
//!
//! let clock = Clock::open(truechimer_client::PATH)?;
//! let now = clock.now()?;
//! println!("it is {:?}, or {:?} off at most", now.tai.likeliest, now.bound());
//! # Ok::<(), truechimer_client::Error>(())
//! ```
//!
//! Two transactions are in the right order if the one that was told of the other has the later instant. So whoever gives out
//! instants takes the latest that it can be, and tells nobody until that has certainly passed (commit wait):
//!
//! ```no_run
//! use std::time::Duration;
//! use truechimer_client::Clock;
//!
//! let clock = Clock::open(truechimer_client::PATH)?;
//! let commit = clock.now()?.tai.latest;
//! // .. write the transaction down, with this instant ..
//! clock.wait_until_passed(commit, Duration::from_secs(1))?;
//! // .. and tell that it is done.
//! # Ok::<(), truechimer_client::Error>(())
//! ```
//!
//! What decodes the page is [`truechimer_model`], the same code with which the daemon writes it.

mod clock;
mod error;
mod reading;

pub use clock::Clock;
pub use error::Error;
pub use reading::{Assumptions, Interval, Reading};
pub use truechimer_model::Status;
pub use truechimer_time::{Rate, Span, Tai, Time, Utc};

/// Where the daemon publishes the time unless it is told otherwise (`[state] run_dir`).
pub const PATH: &str = "/run/truechimer/time";

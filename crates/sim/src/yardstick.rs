//! Yardsticks: other methods of estimation, for the same packets as ours.
//!
//! Each is a [`Method`](crate::lab::Method) written anew from what the original is published or seen to do. None of
//! them is ever in the daemon's path, and none of them is kind to us: where an original has a trick that helps it, the
//! yardstick has it too.
//!
//! | yardstick | what it measures by |
//! | --- | --- |
//! | [`Regression`] | a weighted line through the last samples, as chrony's: what the best in the field do |
//! | [`Kalman`], [`KalmanBank`] | the textbook: told the noises, and learning them |
//! | [`Clockspeed`] | the line through the first and the latest measurement: where it all comes from |
//! | [`Limit`] | told everything but the truth: what nobody can beat |

mod clockspeed;
mod kalman;
mod limit;
mod regression;

pub use clockspeed::Clockspeed;
pub use kalman::{Kalman, KalmanBank};
pub use limit::{Limit, Told};
pub use regression::{Polls, Regression};

use crate::lab::Exchange;

/// An exchange as a measurement of the clock: what it says if both ways took equally long.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Reading {
    /// The counter half-way between question and answer.
    at: f64,
    /// Truth minus counter at that time, in seconds.
    offset: f64,
    /// The round trip, in seconds.
    delay: f64,
}

impl Reading {
    fn of(exchange: &Exchange) -> Self {
        let delay = exchange.there + exchange.back;
        Self { at: exchange.at - delay / 2.0, offset: (exchange.there - exchange.back) / 2.0, delay }
    }
}

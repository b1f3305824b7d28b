//! The laboratory: one oscillator, one path, one method of estimation, and what it is worth.
//!
//! A [`Method`] hears exchanges and says where the clock is; it knows nothing of votes, kernels or schedules. So
//! methods can be compared on the same packets: ours, others', and one that knows everything.

pub mod contest;
pub mod figures;
pub mod follower;
pub mod matrix;
pub mod ours;
pub mod poll;
pub mod robust;
pub mod score;
pub mod setting;
pub mod trial;
pub mod vote;

/// One exchange, as the client sees it, in seconds. The client's clock is a raw counter that began at zero.
///
/// ```text
///            t2 ── t3           server, true time
///           ╱        ╲
///     t1 ──╯          ╰── t4    client, raw counter
/// ```
///
/// If the counter is `offset` behind the truth (truth minus counter), then `there` is the delay of the way there *plus*
/// the offset and `back` the delay of the way back *minus* the offset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exchange {
    /// The counter when the answer was heard (`t4`).
    pub at: f64,
    /// `t2 - t1`.
    pub there: f64,
    /// `t4 - t3`.
    pub back: f64,
}

/// Where a method says that true time is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guess {
    /// Truth minus counter, in seconds.
    pub offset: f64,
    /// One standard deviation of it, as the method claims, in seconds.
    pub sigma: f64,
}

/// A method of estimation.
pub trait Method {
    /// Takes in an exchange. They come in the order of their answers.
    fn hear(&mut self, exchange: &Exchange);

    /// What it says at a later reading of the counter; `None` as long as it says nothing.
    fn guess(&mut self, at: f64) -> Option<Guess>;

    /// When it would ask again after the exchange that it has just heard, if it has a schedule of its own: seconds.
    fn wait(&self) -> Option<f64> {
        None
    }
}

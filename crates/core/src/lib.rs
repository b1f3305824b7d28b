//! The decisions of Truechimer: what the packets tell, whom to believe, what to do with the clock, when to ask again.
//!
//! **Contract:** one [`node::Node::handle`] per happening, then [`node::Node::poll`] until it returns `None`, then
//! sleep until [`node::Node::deadline`] or the next happening. The daemon and the simulator drive exactly the same
//! node.
//!
//! **Invariant:** no clock, no socket, no entropy, no thread and no unordered map. `now` and the seed are arguments,
//! floats go through `libm`, so that the same happenings give the same decisions on every machine, bit for bit.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod classic;
pub mod discipline;
pub mod event;
pub mod keeping;
pub mod learned;
pub mod measure;
pub mod moment;
pub mod node;
pub mod policy;
mod reason;
pub mod record;
pub mod server;
pub mod source;
pub mod wire;

pub use truechimer_model::status;

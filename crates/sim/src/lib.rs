//! A world in which the truth is known.
//!
//! Oscillators, kernels, networks and servers are plain structs; time is a number in a queue. The machines that run in
//! it are the very [`Node`](truechimer_core::node::Node)s of the daemon. One seed makes one history, byte for byte,
//! on any machine: every source of chance has a stream of its own, and floats go through `libm`.
//!
//! **Invariant:** nothing here reads a clock, sleeps, or is ever in the daemon's path.
#![forbid(unsafe_code)]

pub mod accuracy;
pub mod chance;
pub mod classic;
pub mod holdover;
pub mod kernel;
pub mod lab;
pub mod network;
pub mod oracle;
pub mod oscillator;
pub mod parity;
pub mod plot;
pub mod pool;
pub mod reference;
pub mod scenario;
pub mod server;
pub mod sheet;
pub mod table;
pub mod work;
pub mod world;
pub mod yardstick;
pub mod years;

//! The kernel, behind safe doors: clocks, sockets with time stamps, signals, users, shared memory.
//!
//! **Invariant:** the only `unsafe` and the only `libc` of Truechimer are here. This crate knows no protocol and
//! decides nothing. It reaches the kernel through libc's own symbols only, in their plainest forms, so that a
//! harness that stands in for libc can carry the unmodified daemon.
#![allow(unsafe_code)]
#![deny(clippy::undocumented_unsafe_blocks)]
// The kernel's integers are narrower on 32-bit machines.
#![allow(clippy::unnecessary_cast)]

pub mod adjust;
pub mod capability;
pub mod clock;
pub mod clock_set;
pub mod fifo;
pub mod file;
pub mod generation;
pub mod handed;
pub mod inlet;
pub mod interface;
pub mod kmsg;
pub mod limits;
pub mod memory;
pub mod network;
pub mod notify;
pub mod peer;
pub mod phc;
pub mod poll;
pub mod pps;
pub mod process;
pub mod segment;
pub mod shm;
pub mod signal;
pub mod system;
pub mod tcp;
pub mod udp;
pub mod user;
pub mod vmclock;
pub mod wake;
pub mod zone;

mod address;
mod control;
mod device;
mod fd;
mod socket;

#[cfg(test)]
mod scratch;

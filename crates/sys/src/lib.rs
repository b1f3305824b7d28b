//! The kernel, behind safe doors: clocks, sockets with time stamps, signals, users, shared memory.
//!
//! **Invariant:** the only `unsafe` and the only `libc` of Truechimer are here. This crate knows no protocol and
//! decides nothing.
#![allow(unsafe_code)]

//! `truechimer service` and what it writes, in life: under Debian's daemontools, runit and s6, and before systemd's own
//! judges.
//!
//! `tests/peers/fetch` gets the supervisors first; without them these tests fail, unless `TRUECHIMER_WITHOUT_PEERS=1`
//! says that they may be left out. Other accounts and process namespaces need root; without, it is said what is left out.
//!
//! **Never here:** the clock of this machine is not set, and no account is made. What would set the clock is a stand-in, and
//! the accounts are those of `nobody`. All processes of a test live in a namespace of their own, and end with it.

// All of this is test, which clippy sees only where `#[test]` says so.
#![allow(clippy::unwrap_used)]

mod commands;
mod hooks;
mod host;
mod logged;
mod supervised;
mod units;

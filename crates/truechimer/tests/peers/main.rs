//! The real binary among real peers: Debian's chronyd, ntpd of NTPsec, OpenNTPD, rdate and two inetds, its supervisors, a systemd that
//! was booted for it, and networks that delay, lose and break.
//!
//! `tests/peers/fetch` gets the peers first; without them these tests fail, unless `TRUECHIMER_WITHOUT_PEERS=1` says
//! that they may be left out. What needs root (networks of its own, another user) says so and is left out without.
//!
//! **Never here:** the clock of this machine is not set. Every process is started without the right to do so
//! ([`process`]), and dies with the test. The truth is this machine's own clock, which the chronyds serve: they only
//! read it (`-x`).

// All of this is test, which clippy sees only where `#[test]` says so.
#![allow(clippy::unwrap_used)]

mod article;
mod authority;
mod booted;
mod chronyd;
mod daemon;
mod machine;
mod namespace;
mod ntp;
mod ntpd;
mod openntpd;
mod place;
mod process;
mod relay;
mod truth;

mod chronyc;
mod classic;
mod container;
mod control;
mod doctor;
mod evidence;
mod filtered;
mod flood;
mod forecast;
mod foretold;
mod handed;
mod happening;
mod hostile;
mod imported;
mod interop;
mod keeping;
mod keys;
mod metrics;
mod networks;
mod nts;
mod pools;
mod querying;
mod rdate;
mod references;
mod services;
mod serving;
mod serving_classic;
mod serving_handed;
mod serving_nts;
mod serving_smeared;
mod surveying;
mod watching;

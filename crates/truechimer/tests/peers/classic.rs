//! `sntpclock` measures Debian's chronyd, today and after the NTP era has ended.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use truechimer_core::classic::record;

use crate::chronyd::{Chronyd, shifted};
use crate::place::{self, truechimer};

/// On loopback nothing is further away than this, in seconds.
const NEAR: f64 = 5e-3;

/// About 2039 and 2094, from 2026: the first era of NTP ends in 2036, and 32 bits of signed seconds in 2038.
const LATER: [i32; 2] = [400_000_000, 2_140_000_000];

/// The adjustment in seconds, by a clock that the environment may shift.
fn adjustment(server: &Chronyd, environment: Vec<(&'static str, OsString)>) -> f64 {
    let output = Command::new(truechimer())
        .args(["sntpclock", "--burst", "--kernel", "utc", &server.place.to_string()])
        .envs(environment)
        .output()
        .unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    record::read(&output.stdout).unwrap().span().as_seconds()
}

#[track_caller]
fn is_near(measured: f64, expected: f64) {
    assert!((measured - expected).abs() < NEAR, "{measured} instead of {expected}");
}

fn is_right_in(peers: &Path, seconds: i32) {
    let server = Chronyd::ahead(peers, seconds);
    is_near(adjustment(&server, shifted(peers, seconds)), 0.0);
    is_near(adjustment(&server, shifted(peers, seconds - 60)), 60.0);
}

#[test]
fn chronyd_is_measured_as_it_is() {
    let Some(peers) = place::peers() else { return };
    is_near(adjustment(&Chronyd::serving(&peers), Vec::new()), 0.0);
    for seconds in [5, -3, 172_700] {
        is_near(adjustment(&Chronyd::ahead(&peers, seconds), Vec::new()), f64::from(seconds));
    }
}

#[test]
fn the_end_of_the_era_does_not_matter() {
    let Some(peers) = place::peers() else { return };
    LATER.iter().for_each(|seconds| is_right_in(&peers, *seconds));
}

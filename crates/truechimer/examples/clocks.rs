//! Two thousand hosts on loopback with clocks that are known, for `bench/survey`: those of the test binary `survey`.
//!
//! Writes a list of hosts into the file that is named, prints the ports as `--ports` wants them, and serves until stdin ends.

#![allow(clippy::unwrap_used, unreachable_pub, dead_code)]

use std::io::Read as _;

#[path = "../tests/survey/hosts.rs"]
mod hosts;

fn main() {
    let path = std::env::args_os().nth(1).expect("the name of the list");
    let hosts = hosts::Hosts::start();
    std::fs::write(path, hosts.list(2000)).unwrap();
    println!("{}", hosts.ports());
    // Whatever comes, the end is what is waited for.
    let _ended = std::io::stdin().read_to_end(&mut Vec::new());
}

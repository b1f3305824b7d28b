//! Bad inputs 105 and 116: where the kernel's clock may not be set, as in a container, the daemon does what it can.

use std::time::Duration;

use truechimer_core::status::Status;

use crate::chronyd::Chronyd;
use crate::daemon::{Home, Wishes};
use crate::place;

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn bad_input_116_without_the_right_to_set_the_clock_another_one_is_kept_and_that_is_said() {
    let Some(peers) = place::peers() else { return };
    let server = Chronyd::serving(&peers);
    let home = Home::new(&Wishes { target: "kernel", ..Wishes::asking([server.place]) });
    let daemon = home.start();
    let log = daemon.process.log();
    assert!(log.contains("CAP_SYS_TIME is missing"), "{log}");
    assert!(log.contains("truechimer now"), "it says how to read the other clock:\n{log}");
    daemon.truth().watch_until(PATIENCE, "synchronised", |sample| sample.status == Status::Synchronised);
    assert_eq!(daemon.status().clock, "user");
    let children = daemon.process.proc(&format!("task/{}/children", daemon.process.pid()));
    assert_eq!(children.trim(), "", "nobody needs a keeper of a clock that cannot be set");
    daemon.terminate();
}

//! The main job: a clock is kept right by three real servers behind a network that is slow, shaky and breaks.

use std::path::Path;
use std::time::Duration;

use truechimer::talk::StatusReply;
use truechimer_core::status::Status;
use truechimer_time::Span;

use crate::chronyd::Chronyd;
use crate::daemon::{Home, Wishes};
use crate::place::{self, eventually};
use crate::relay::{self, Relay};
use crate::truth::{Sample, Truth};

const SLOW: relay::Path = relay::Path {
    there: Duration::from_millis(5),
    back: Duration::from_millis(5),
    jitter: Duration::from_millis(1),
    loss: 0.02,
};

/// A network without a shake, over which a rate is soon learned.
const NEAR: relay::Path = relay::Path {
    there: Duration::from_micros(100),
    back: Duration::from_micros(100),
    jitter: Duration::ZERO,
    loss: 0.0,
};

const SETTLED: Span = Span::from_millis(1);

const PATIENCE: Duration = Duration::from_secs(20);

/// Three servers, each behind a network of its own.
struct Field {
    servers: Vec<Chronyd>,
    relays: Vec<Relay>,
}

impl Field {
    fn new(peers: &Path) -> Self {
        let servers: Vec<Chronyd> = (0..3).map(|_| Chronyd::serving(peers)).collect();
        let relays =
            servers.iter().zip(1..).map(|(server, seed)| Relay::before(server.place, SLOW, seed)).collect();
        Self { servers, relays }
    }

    fn wishes(&self) -> Wishes {
        Wishes::asking(self.relays.iter().map(|relay| relay.place))
    }
}

#[test]
fn a_clock_is_kept_through_deaths_and_cuts() {
    let Some(peers) = place::peers() else { return };
    let mut field = Field::new(&peers);
    let home = Home::new(&field.wishes());

    let daemon = home.start();
    let truth = daemon.truth();
    it_settles(&truth);
    field.servers[2].process.kill();
    two_of_three_are_enough(&truth);
    field.relays.iter().for_each(Relay::cut);
    alone_it_admits_more_and_more(&truth);
    field.relays.iter().for_each(Relay::mend);
    it_settles(&truth);

    daemon.terminate();
}

#[test]
fn a_restart_begins_with_what_was_learned() {
    let Some(peers) = place::peers() else { return };
    let servers: Vec<Chronyd> = (0..3).map(|_| Chronyd::serving(&peers)).collect();
    let relays: Vec<Relay> =
        servers.iter().zip(1..).map(|(server, seed)| Relay::before(server.place, NEAR, seed)).collect();
    let home = Home::new(&Wishes::asking(relays.iter().map(|relay| relay.place)));

    let daemon = home.start();
    it_settles(&daemon.truth());
    let before = eventually(PATIENCE, "the rate is known much better than was assumed", || {
        Some(daemon.status()).filter(|status| status.counter_error_ppm < 100.0)
    });
    daemon.terminate();
    assert!(home.path("state/node/learned").exists(), "what was learned is kept");

    relays.iter().for_each(Relay::cut);
    let daemon = home.start();
    let alone = daemon.status();
    assert_eq!(alone.status, "unknown", "nobody has said what time it is");
    is_as_before(&alone, &before);
    relays.iter().for_each(Relay::mend);
    let truth = daemon.truth();
    truth.watch_until(PATIENCE, "synchronised", |sample| sample.status == Status::Synchronised);
    is_as_before(&daemon.status(), &before);
    it_settles(&truth);
    daemon.terminate();
}

/// The rate is known about as well as before the restart, and is about the same.
#[track_caller]
fn is_as_before(now: &StatusReply, before: &StatusReply) {
    // The oscillator may have drifted since, and may do so again: twice [assume] max_drift. What was known may have been
    // a little worse at the last agreement, which was kept, than when we asked.
    let drift = 2.0 * now.assumptions.max_drift_ppm;
    assert!(now.counter_error_ppm < 1.5 * before.counter_error_ppm + drift, "{now:?}\n{before:?}");
    let [rate, rate_before] = [now, before].map(|status| status.counter_ppm.expect("a rate is known"));
    assert!((rate - rate_before).abs() < before.counter_error_ppm + drift, "{now:?}\n{before:?}");
}

fn it_settles(truth: &Truth) {
    truth.watch_until(PATIENCE, "synchronised, and right to a millisecond", |sample| {
        sample.status == Status::Synchronised && sample.error.abs() < SETTLED
    });
    for sample in truth.watch(Duration::from_secs(3)) {
        assert_eq!(sample.status, Status::Synchronised, "{sample:?}");
        assert!(sample.error.abs() < SETTLED, "{sample:?}");
    }
}

fn two_of_three_are_enough(truth: &Truth) {
    for sample in truth.watch(Duration::from_secs(6)) {
        assert_eq!(sample.status, Status::Synchronised, "{sample:?}");
    }
}

fn alone_it_admits_more_and_more(truth: &Truth) {
    let is_alone = |sample: &Sample| sample.status == Status::Holdover;
    truth.watch_until(PATIENCE, "holdover", is_alone);
    let samples = truth.watch(Duration::from_secs(5));
    assert!(samples.iter().all(is_alone), "{samples:?}");
    assert!(samples.is_sorted_by(|earlier, later| earlier.bound < later.bound), "{samples:?}");
}

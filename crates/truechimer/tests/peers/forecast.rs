//! `truechimer forecast` beside the real daemon: with it, without it, and for bounds of the user's own.

use std::process::Output;
use std::time::Duration;

use serde_json::Value;
use truechimer_core::status::Status;

use crate::chronyd::Chronyd;
use crate::daemon::{Daemon, Home, Wishes};
use crate::place;

const PATIENCE: Duration = Duration::from_secs(30);

fn forecast(daemon: &Daemon<'_>, arguments: &[&str]) -> Output {
    daemon.command("forecast").args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8([&output.stdout[..], &output.stderr[..]].concat()).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(output)))
}

/// Each bound of a list, and for how long it holds.
fn held(document: &Value, list: &str) -> Vec<(f64, f64)> {
    let forecasts = document[list].as_array().unwrap().iter();
    forecasts.map(|it| (it["bound"].as_f64().unwrap(), it["holds"].as_f64().unwrap())).collect()
}

#[test]
fn a_daemon_that_knows_the_time_says_how_long_it_would_stay_good() {
    let Some(peers) = place::peers() else { return };
    let servers: Vec<Chronyd> = (0..3).map(|_| Chronyd::serving(&peers)).collect();
    let home = Home::new(&Wishes::asking(servers.iter().map(|server| server.place)));
    let daemon = home.start();
    let is_there = |sample: &crate::truth::Sample| sample.status == Status::Synchronised;
    daemon.truth().watch_until(PATIENCE, "synchronised", is_there);

    let plain = forecast(&daemon, &[]);
    assert_eq!(plain.status.code(), Some(0), "{}", text(&plain));
    for words in
        ["(synchronised); if all sources vanished:", "certain for", "likely for", "999 times in 1000"]
    {
        assert!(text(&plain).contains(words), "{words} in\n{}", text(&plain));
    }

    let document = json(&forecast(&daemon, &["--json"]));
    assert_eq!((document["version"].as_u64(), document["status"].as_str()), (Some(1), Some("synchronised")));
    let (certain, likely) = (held(&document, "forecast"), held(&document, "likely"));
    let bounds = |list: &[(f64, f64)]| list.iter().map(|(bound, _)| *bound).collect::<Vec<_>>();
    assert_eq!(bounds(&certain), [0.001, 0.01, 0.1, 1.0]);
    assert_eq!(bounds(&likely), bounds(&certain));
    assert!(
        certain.is_sorted_by(|less, more| less.1 < more.1),
        "a wider bound holds for longer: {certain:?}"
    );
    // At 500 ppm, which is all that is known at first of how fast the counter runs, it takes 2000 s to lose a second.
    assert!(certain[3].1 > 1000.0, "{certain:?}");

    // Of the page alone, for any bounds; one of them is exceeded already.
    let asked = ["--bound", "1us", "--bound", "10ms", "--bound", "1s", "--json"];
    let own = json(&forecast(&daemon, &asked));
    let by_page = held(&own, "forecast");
    assert_eq!(bounds(&by_page), [1e-6, 0.01, 1.0]);
    assert_eq!(by_page[0].1, 0.0, "{own}");
    assert_eq!(held(&own, "likely"), []);
    // The page is as new as the daemon's word or newer, and each answer makes the counter's rate more certain.
    assert!(
        by_page[1].1 > 0.5 * certain[1].1 && by_page[2].1 > 0.5 * certain[3].1,
        "{certain:?} {by_page:?}"
    );
    let words = text(&forecast(&daemon, &["--bound", "1us"]));
    assert!(words.contains("not now") && !words.contains("likely"), "{words}");
    daemon.terminate();
}

/// Who only wants to know a bound need not ask anybody; who asks a daemon that is gone is told what to do.
#[test]
fn without_the_daemon_the_page_still_foretells_and_without_the_time_nothing_does() {
    let Some(peers) = place::peers() else { return };
    let servers: Vec<Chronyd> = (0..3).map(|_| Chronyd::serving(&peers)).collect();
    let home = Home::new(&Wishes::asking(servers.iter().map(|server| server.place)));
    let mut daemon = home.start();
    let is_there = |sample: &crate::truth::Sample| sample.status == Status::Synchronised;
    daemon.truth().watch_until(PATIENCE, "synchronised", is_there);
    daemon.process.kill();
    let by_page = forecast(&daemon, &["--bound", "1s", "--json"]);
    assert_eq!(by_page.status.code(), Some(0), "{}", text(&by_page));
    assert!(held(&json(&by_page), "forecast")[0].1 > 0.0);
    let by_nobody = forecast(&daemon, &[]);
    assert_eq!(by_nobody.status.code(), Some(111), "{}", text(&by_nobody));
    assert!(by_nobody.stdout.is_empty() && !by_nobody.stderr.is_empty());

    let mute = Home::new(&Wishes::asking([place::free_place()]));
    let daemon = mute.start();
    for arguments in [&["--json"][..], &["--json", "--bound", "1ms"]] {
        let unknown = forecast(&daemon, arguments);
        assert_eq!(unknown.status.code(), Some(1), "{}", text(&unknown));
        let document = json(&unknown);
        assert!(document["bound"].is_null() && held(&document, "forecast").is_empty(), "{document}");
    }
    let words = text(&forecast(&daemon, &[]));
    assert!(words.contains("the time is not known (status unknown)"), "{words}");
    daemon.terminate();
}

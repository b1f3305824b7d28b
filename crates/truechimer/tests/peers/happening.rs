//! What happened, told to subscribers, to a hook and to the history of the real daemon.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use truechimer::happened::Happened;
use truechimer::talk::Reply;

use crate::chronyd::Chronyd;
use crate::daemon::{Home, Wishes};
use crate::namespace::{Cable, Namespace};
use crate::place::{self, eventually, truechimer};

const PATIENCE: Duration = Duration::from_secs(60);

/// The lines that a subscriber is told, from the moment on at which he is one.
fn subscribe(home: &Home) -> impl Iterator<Item = Happened> + use<> {
    let mut stream = UnixStream::connect(home.path("run/control")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"{\"request\":\"subscribe\"}\n").unwrap();
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().expect("an answer").unwrap();
    assert_eq!(first, "{\"subscribed\":{}}");
    lines.map(|line| match serde_json::from_str(&line.unwrap()).unwrap() {
        Reply::Happened(happened) => *happened,
        other => panic!("{other:?}"),
    })
}

fn history(home: &Home, more: &[&str]) -> String {
    let output = Command::new(truechimer())
        .arg("history")
        .arg("--state-dir")
        .arg(home.path("state"))
        .args(more)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Seconds of the day of a date that ends in `Z`.
fn seconds_of_day(date: &str) -> f64 {
    let (_, time) = date.trim_end_matches('Z').split_once('T').unwrap();
    time.split(':').fold(0.0, |sum, part| sum * 60.0 + part.parse::<f64>().unwrap())
}

/// The clock of our own begins with the kernel's time, and the servers are 5 s ahead: so it is stepped.
#[test]
fn a_step_is_announced_made_and_remembered() {
    let Some(peers) = place::peers() else { return };
    let servers: Vec<Chronyd> = (0..3).map(|_| Chronyd::ahead(&peers, 5)).collect();
    let home = Home::new(&Wishes::asking([]));
    let hook = home.path("hook");
    let called = home.path("called");
    fs::write(&called, "").unwrap();
    fs::set_permissions(&called, fs::Permissions::from_mode(0o666)).unwrap();
    let line =
        format!("echo \"$1 $TRUECHIMER_BY $TRUECHIMER_BEFORE $TRUECHIMER_AFTER\" >>{}", called.display());
    fs::write(&hook, format!("#!/bin/sh\n{line}\n")).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let wishes = Wishes::asking(servers.iter().map(|server| server.place));
    // It listens first, so that nothing is missed; the sources come with a reload.
    let hook_table = format!("[hook]\nprogram = {hook:?}\n");
    home.rewrite(&Wishes { sources: vec![place::free_place()], serve: hook_table.clone(), ..wishes.clone() });
    let daemon = home.start();
    let mut told = subscribe(&home);
    home.rewrite(&Wishes { serve: hook_table, ..wishes });
    daemon.process.signal("HUP");

    let ahead = told.find(|happened| happened.label == "step_ahead").expect("announced");
    assert!((ahead.by.unwrap() - 5.0).abs() < 0.1, "{ahead:?}");
    let made = told.find(|happened| happened.label == "stepped").expect("made");
    let map = made.map.as_ref().expect("both sides of it");
    let jumped = seconds_of_day(&map.after) - seconds_of_day(&map.before);
    assert!((jumped.rem_euclid(86_400.0) - 5.0).abs() < 0.1, "{map:?}");
    assert_eq!(made.by, ahead.by);
    drop(told);

    eventually(PATIENCE, "the hook is called", || {
        let called = fs::read_to_string(&called).unwrap();
        let has = |label: &str| called.lines().any(|line| line.starts_with(label));
        (has("step_ahead 5.0") && has("stepped 5.0")).then_some(())
    });
    daemon.terminate();
    let text = history(&home, &[]);
    for word in ["begun", "step_ahead", "stepped", "status_changed"] {
        assert!(text.contains(word), "{text}");
    }
    let json: serde_json::Value = serde_json::from_str(&history(&home, &["--json"])).unwrap();
    let entries = json["entries"].as_array().unwrap();
    let known = entries.iter().filter(|entry| entry["kind"] == "known" && entry["bound"].is_f64());
    assert!(known.count() > 0, "{json}");
    assert_eq!(json["torn"], 0);
}

#[test]
fn bad_input_117_a_daemon_that_was_stopped_knows_it_afterwards() {
    let home = Home::new(&Wishes::asking([place::free_place()]));
    let daemon = home.start();
    let mut told = subscribe(&home);
    daemon.process.signal("STOP");
    std::thread::sleep(Duration::from_secs(3));
    daemon.process.signal("CONT");
    let starved = told.find(|happened| happened.label == "starved").expect("told");
    assert!(starved.by.unwrap() > 1.0, "{starved:?}");
    daemon.terminate();
    assert!(history(&home, &["-n", "5"]).contains("was kept from running"));
}

/// The cable is pulled before the daemon begins, and put in while it waits for the next try.
#[test]
fn a_network_that_comes_is_used_at_once() {
    let Some(peers) = place::peers() else { return };
    let (Some(ours), Some(theirs)) = (Namespace::new(), Namespace::new()) else { return };
    let cable =
        Cable { name: "late".to_owned(), ours: "10.86.1.1".to_owned(), theirs: "10.86.1.2".to_owned() };
    ours.connect(&theirs, &cable);
    ours.ip(&["link", "set", "late", "down"]);
    let server = Chronyd::in_network(&peers, &theirs, Ipv4Addr::new(10, 86, 1, 2));
    let serve = "[statistics]\ndir = \"STATISTICS\"\n";
    let home = Home::new(&Wishes::asking([]));
    let statistics = home.path("statistics");
    let serve = serve.replace("STATISTICS", &statistics.display().to_string());
    home.rewrite(&Wishes { serve, intervals: ["16s", "64s"], ..Wishes::asking([server.place]) });
    let daemon = home.start_in(Some(&ours));
    let record = || fs::read_to_string(statistics.join("record")).unwrap_or_default();
    let word = |line: &str| line.split(' ').nth(6).map(str::to_owned);
    eventually(PATIENCE, "it has tried in vain", || {
        record()
            .lines()
            .any(|line| line.starts_with("i ") && word(line).as_deref() == Some("unsent"))
            .then_some(())
    });
    ours.ip(&["link", "set", "late", "up"]);
    eventually(PATIENCE, "the time is known", || daemon.status().bound);
    daemon.terminate();
    let record = record();
    let words: Vec<String> = record.lines().filter(|line| line.starts_with("i ")).filter_map(word).collect();
    let told = words.iter().position(|word| word == "network").expect("the kernel told it");
    let heard = words.iter().position(|word| word == "heard").expect("it was answered");
    assert!(told < heard, "{words:?}");
}

//! The two commands as programs that call them see them. `set` is never called without `--dry-run` here, so that no
//! test can set the clock of the machine that it runs on.

use std::net::UdpSocket;
use std::process::{Command, Output};

use serde_json::Value;
use truechimer_time::Span;

use common::server;

mod common;

#[test]
fn all_agree() {
    let servers = [0, 0, 0].map(|offset| server(Span::from_secs(offset)));
    let output = run(&["query", "--samples", "2"], &servers);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("3 of 3 operators agree: your clock is"), "{}", text(&output));
}

#[test]
fn one_that_disagrees_is_a_no() {
    let servers = [0, 5, 0].map(|offset| server(Span::from_secs(offset)));
    let output = run(&["query", "--json", "--samples", "1"], &servers);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let liar = &report["servers"][1];
    assert_eq!((liar["vote"].as_str(), report["majority"]["agree"].as_u64()), (Some("disagrees"), Some(2)));
    assert!((liar["ahead"].as_f64().unwrap() - 5.0).abs() < 0.1, "{liar}");
    assert!((liar["reading"]["offset"].as_f64().unwrap() - 5.0).abs() < 0.1, "{liar}");
}

#[test]
fn one_that_does_not_answer_is_a_no() {
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let output = run(&["query", "--samples", "1"], &[server(Span::ZERO), server(Span::ZERO), closed]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("nobody listens at that port"), "{}", text(&output));
}

#[test]
fn too_many_servers_are_a_wrong_call() {
    let many = vec!["127.0.0.1:9".to_owned(); 33];
    assert_eq!(run(&["query"], &many).status.code(), Some(100));
    assert_eq!(run(&["set", "--dry-run"], &many).status.code(), Some(100));
}

#[test]
fn a_dry_run_says_what_would_be_done() {
    let servers = [7, 7, 0].map(|offset| server(Span::from_secs(offset)));
    let output = run(&["set", "--dry-run", "--json"], &servers);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let last: Value = text(&output).lines().last().map(|line| serde_json::from_str(line).unwrap()).unwrap();
    assert_eq!((last["deed"].as_str(), last["done"].as_bool()), (Some("step"), Some(false)));
    assert!((last["by"].as_f64().unwrap() - 7.0).abs() < 0.1, "{last}");
    let output = run(&["set", "--dry-run", "--slew"], &servers);
    let said = text(&output);
    let by = said.split("would slew the clock forward by ").nth(1).and_then(|rest| rest.split(" s").next());
    let by: Option<f64> = by.and_then(|by| by.parse().ok());
    assert!(by.is_some_and(|by| (by - 7.0).abs() < 0.1), "{said}");
}

#[test]
fn a_dry_run_refuses_what_would_be_refused() {
    let liars = [7, 0].map(|offset| server(Span::from_secs(offset)));
    for (arguments, servers, reason) in [
        (&["set", "--dry-run"][..], &liars[..1], "say --single"),
        (&["set", "--dry-run"], &liars, "no majority: 1 of 2 votes agree, and 2 are needed"),
    ] {
        let output = run(arguments, servers);
        assert_eq!(output.status.code(), Some(1));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(reason) && stderr.contains("the clock is left alone"), "{stderr}");
    }
    let output = run(&["set", "--dry-run", "--single"], &liars[..1]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}

fn run(arguments: &[&str], servers: &[String]) -> Output {
    assert!(arguments[0] != "set" || arguments.contains(&"--dry-run"), "no test sets the clock");
    Command::new(env!("CARGO_BIN_EXE_truechimer"))
        .args(arguments)
        .args(servers)
        .output()
        .expect("the binary was built for this test")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

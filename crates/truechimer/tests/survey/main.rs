//! `truechimer survey` as a program that calls it sees it, against two thousand hosts on loopback whose clocks are known.

// All of this is test, which clippy sees only where `#[test]` says so.
#![allow(clippy::unwrap_used)]

mod hosts;
#[path = "../../../client/tests/common/mod.rs"]
mod page;
mod secure;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::{TcpListener, UdpSocket};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use hosts::{Clock, Hosts, Kind};

/// Patience on a machine that is busy with other tests.
const PATIENCE: &str = "10s";

pub(crate) fn survey(arguments: &[&str]) -> Output {
    command(arguments).output().expect("the binary was built for this test")
}

fn command(arguments: &[&str]) -> Command {
    // No daemon of this machine is to have a say.
    command_beside("/nonexistent", arguments)
}

fn command_beside(run_dir: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_truechimer"));
    command.args(["survey", "--run-dir", run_dir]).args(arguments);
    command
}

pub(crate) fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

/// The hosts of a report by their names.
fn by_name(report: &Value) -> BTreeMap<String, &Value> {
    let hosts = report["hosts"].as_array().unwrap();
    hosts.iter().map(|host| (host["host"].as_str().unwrap().to_owned(), host)).collect()
}

#[track_caller]
pub(crate) fn holds(interval: &Value, seconds: f64, what: &Value) {
    let (lo, hi) = (interval["lo"].as_f64().expect("lo"), interval["hi"].as_f64().expect("hi"));
    assert!(lo <= seconds && seconds <= hi, "{seconds} is not in it: {what}");
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// The claim of the whole thing: whatever is spoken, each clock is in its interval, those who lie are found and nobody else, and
/// of those who are silent nothing is said.
#[test]
fn the_clocks_of_two_thousand_hosts_are_where_it_says_and_liars_are_found() {
    let hosts = Hosts::start();
    let folder = folder();
    let list = folder.path().join("hosts");
    fs::write(&list, hosts.list(2000)).unwrap();
    let ports = hosts.ports();
    let output = survey(&[
        "--file",
        list.to_str().unwrap(),
        "--protocols",
        "ntp,taiclock,time,daytime,http,time-tcp,daytime-tcp",
        "--ports",
        &ports,
        "--timeout",
        "4s",
        "--json",
    ]);
    assert_eq!(code(&output), Some(1), "{output:?}");
    let report = report(&output);
    let found = by_name(&report);
    assert_eq!(found.len(), 2000);
    let mut liars = 0;
    for (name, host) in found {
        let Clock { kind, ahead } = Clock::of(name.parse().unwrap());
        let standing = host["standing"].as_str().unwrap();
        match kind {
            Kind::Silent => assert_eq!((standing, &host["ahead"]), ("unknown", &Value::Null), "{host}"),
            Kind::Unsynchronised => {
                assert_eq!((standing, &host["ahead"]), ("unsynchronised", &Value::Null), "{host}");
            }
            Kind::Liar => {
                assert_eq!(standing, "liar", "{host}");
                liars += 1;
            }
            Kind::Ntp | Kind::Taiclock | Kind::Time | Kind::Daytime | Kind::Http | Kind::TimeTcp => {
                assert_eq!((standing, host["protocol"].as_str()), ("good", Some(kind.word())), "{host}");
            }
        }
        if !matches!(kind, Kind::Silent | Kind::Unsynchronised) {
            holds(&host["ahead_of_us"], ahead, host);
            // The clock of this machine is the truth here, and the majority knows it.
            holds(&host["ahead"], ahead, host);
        }
        assert!(host["asked"].as_u64().unwrap() <= 8 + 7, "{host}");
    }
    assert_eq!(liars, 20);
    assert_eq!(report["reference"]["kind"], "majority");
    holds(&report["reference"]["ahead_of_us"], 0.0, &report["reference"]);
    assert!(report["groups"][0]["hosts"].as_u64().unwrap() > 900, "{}", report["groups"]);
}

#[test]
fn a_table_is_sorted_by_trouble_and_says_what_follows() {
    let hosts = Hosts::start();
    let kinds = [Kind::Ntp, Kind::Ntp, Kind::Ntp, Kind::Liar, Kind::Unsynchronised, Kind::Http];
    let mut arguments =
        vec!["--timeout".to_owned(), PATIENCE.to_owned(), "--turns".to_owned(), "2".to_owned()];
    arguments.extend(hosts.named(&kinds));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = survey(&arguments);
    let text = text(&output);
    assert_eq!(code(&output), Some(1), "{text}");
    let standings: Vec<&str> = text
        .lines()
        .skip(1)
        .take(6)
        .map(|line| line.split_whitespace().rev().find(|word| STANDINGS.contains(word)).unwrap_or(line))
        .collect();
    assert_eq!(standings, ["liar", "unsynchronised", "good", "good", "good", "good"], "{text}");
    assert!(text.contains("further off than it claims, by 4."), "{text}");
    assert!(text.contains(": 1 liar, 1 unsynchronised, 4 good\n"), "{text}");
    assert!(
        text.contains(
            "compared with what 3 of 4 hosts agree upon that say how right they are: your clock is"
        ),
        "{text}"
    );
    let few = survey(&[&["-n", "1"][..], &arguments].concat());
    assert!(String::from_utf8_lossy(&few.stdout).contains("and 5 more, none of them worse\n"), "{few:?}");
}

const STANDINGS: [&str; 3] = ["liar", "unsynchronised", "good"];

#[test]
fn what_the_daemon_knows_is_true_time() {
    let hosts = Hosts::start();
    let folder = |place: &page::Place| place.path().parent().unwrap().to_str().unwrap().to_owned();
    let place = page::Place::with(&page::page_of_now());
    let named = hosts.named(&[Kind::Ntp, Kind::Liar]);
    let arguments = ["--json", "--samples", "1", "--timeout", PATIENCE, &named[0], &named[1]];
    let output = command_beside(&folder(&place), &arguments).output().unwrap();
    let report = report(&output);
    assert_eq!((code(&output), report["reference"]["kind"].as_str()), (Some(1), Some("daemon")), "{report}");
    // One that is right is enough to be seen to lie beside.
    assert_eq!([0, 1].map(|host| report["hosts"][host]["standing"].as_str()), [Some("good"), Some("liar")]);
    holds(&report["reference"]["ahead_of_us"], 0.0, &report);
    for (name, host) in by_name(&report) {
        let address = name.trim_start_matches("ntp://").split(':').next().unwrap().parse().unwrap();
        holds(&host["ahead"], Clock::of(address).ahead, host);
    }
    // A page that cannot be read is told, and then nothing is known of true time.
    fs::write(place.path(), [7; 4096]).unwrap();
    let output = command_beside(&folder(&place), &arguments).output().unwrap();
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("true time is not known from the daemon"),
        "{output:?}"
    );
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["reference"]["kind"], "ourselves");
}

#[test]
fn a_limit_is_for_clocks_that_are_beyond_it_for_certain() {
    let hosts = Hosts::start();
    // Good is ahead by at most 0.1 ms; an HTTP server asked once is known to a second, and this one is 1.7 s behind.
    let good = &hosts.named(&[Kind::Ntp])[0];
    let http = &hosts.named(&[Kind::Http])[0];
    let standing = |limit: &str, host: &str| {
        let output = survey(&["--limit", limit, "--turns", "1", "--timeout", PATIENCE, "--json", host]);
        let standing = report(&output)["hosts"][0]["standing"].as_str().unwrap().to_owned();
        (code(&output), standing)
    };
    assert_eq!(standing("5s", good), (Some(0), "good".to_owned()));
    assert_eq!(standing("1700ms", http), (Some(0), "unclear".to_owned()));
    let ahead = &hosts.named(&[Kind::Liar])[0];
    // Alone it has nobody who could say that it lies, but it is off.
    assert_eq!(standing("1s", ahead), (Some(1), "beyond".to_owned()));
}

#[test]
fn exit_codes_are_for_cron() {
    let hosts = Hosts::start();
    let good = &hosts.named(&[Kind::Ntp])[0];
    assert_eq!(code(&survey(&[good, "--samples", "1", "--timeout", PATIENCE])), Some(0));
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let silent_place = format!("ntp://{}", silent.local_addr().unwrap());
    let output = survey(&[good, &silent_place, "--samples", "1", "--timeout", "300ms"]);
    assert_eq!(code(&output), Some(1));
    assert!(text(&output).contains("no answer within 300.0 ms"), "{output:?}");
    drop(silent);
    // An address of a network need not have anybody.
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ports = format!("ntp={port}");
    let output =
        survey(&["ntp://127.9.9.0/30", good, "--ports", &ports, "--samples", "1", "--timeout", PATIENCE]);
    assert_eq!(code(&output), Some(0), "{output:?}");
    assert!(text(&output).contains(": 1 good, 2 absent\n"), "{output:?}");
    // Names that there are not: nobody was reached.
    let output = survey(&["truechimer.invalid"]);
    assert_eq!(code(&output), Some(111), "{output:?}");
    for wrong in
        [&["10.0.0.0/8"][..], &["gopher://a.example"], &["http://a.example/x"], &["--file", "/dev/null"]]
    {
        let output = survey(wrong);
        assert_eq!(code(&output), Some(100), "{wrong:?} {output:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{output:?}");
    }
    assert_eq!(code(&survey(&["--file", "/nonexistent"])), Some(111));
    assert_eq!(code(&survey(&["https://127.0.0.1:9", "--ca", "/nonexistent"])), Some(111));
    assert_eq!(code(&survey(&[good, "--plot", "x.gif"])), Some(111));
    let output = survey(&["0.0.0.0/15"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("--wide"), "{output:?}");
}

#[test]
fn a_name_is_looked_up_and_only_the_family_that_is_wanted_is_used() {
    let hosts = Hosts::start();
    let place = format!("ntp://localhost:{}", hosts.port(Kind::Ntp));
    let output = survey(&[&place, "-4", "--json", "--samples", "1", "--timeout", PATIENCE]);
    let report = report(&output);
    let address = report["hosts"][0]["address"].as_str().unwrap_or_default();
    assert!(address.starts_with("127.0.0.1:"), "{report}");
    let output = survey(&["ntp://127.0.0.1.invalid", "-6"]);
    assert_eq!(code(&output), Some(111), "{output:?}");
}

#[test]
fn hosts_come_from_stdin_too() {
    let hosts = Hosts::start();
    let mut child = command(&["--file", "-", "--samples", "1", "--timeout", PATIENCE, "--wide", "--csv"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let named = hosts.named(&[Kind::Ntp, Kind::Ntp]).join(" # one\n");
    child.stdin.take().unwrap().write_all(named.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), Some(0), "{output:?}");
    let text = text(&output);
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows[0][..4], ["host", "address", "protocol", "standing"]);
    assert_eq!((rows.len(), rows[1].len(), rows[2][3]), (3, rows[0].len(), "good"), "{text}");
    let (ahead, bound): (f64, f64) = (rows[1][4].parse().unwrap(), rows[1][5].parse().unwrap());
    let clock = Clock::of(rows[1][1].parse().unwrap());
    assert!((ahead - clock.ahead).abs() <= bound && bound < 0.5, "{text}");
}

#[test]
fn a_survey_that_was_ended_goes_on_where_it_stopped() {
    let hosts = Hosts::start();
    let folder = folder();
    let (list, state) = (folder.path().join("hosts"), folder.path().join("state"));
    fs::write(&list, hosts.named(&[Kind::Ntp; 12]).join("\n")).unwrap();
    let (list, state) = (list.to_str().unwrap(), state.to_str().unwrap());
    // Two a second: it is ended while there is more to do.
    let slowly = [
        "--file",
        list,
        "--state",
        state,
        "--rate",
        "2",
        "--samples",
        "1",
        "--concurrency",
        "4",
        "--json",
        "--timeout",
        PATIENCE,
    ];
    let child = command(&slowly).stdout(Stdio::piped()).spawn().unwrap();
    // The first line is that of the survey.
    let start = Instant::now();
    while fs::read_to_string(state).map_or(0, |text| text.lines().count()) < 3 {
        assert!(start.elapsed() < Duration::from_secs(30), "nobody is done with");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let first = report(&output);
    assert_eq!((code(&output), first["cut"].as_bool()), (Some(1), Some(true)), "{first}");
    let unasked = |report: &Value| {
        let hosts = report["hosts"].as_array().unwrap();
        hosts.iter().filter(|host| host["error"]["kind"] == "unasked").count()
    };
    assert!(unasked(&first) > 0 && unasked(&first) < 11, "{first}");
    let output = survey(&["--file", list, "--state", state, "--json"]);
    assert_eq!(code(&output), Some(111), "it has to be said that it is to go on");
    let before = fs::read_to_string(state).unwrap().lines().count();
    let output = survey(&[
        "--file",
        list,
        "--state",
        state,
        "--resume",
        "--samples",
        "1",
        "--json",
        "--timeout",
        PATIENCE,
    ]);
    let second = report(&output);
    assert_eq!((code(&output), unasked(&second)), (Some(0), 0), "{second}");
    // Each was asked once: what was known was not asked for again.
    let lines = fs::read_to_string(state).unwrap().lines().count();
    assert!(before > 1 && lines == 13, "{before} {lines}");
    for (name, host) in by_name(&second) {
        let address = name.trim_start_matches("ntp://").split(':').next().unwrap().parse().unwrap();
        holds(&host["ahead_of_us"], Clock::of(address).ahead, host);
    }
}

#[test]
fn surveys_again_and_again_tell_how_fast_clocks_drift() {
    let hosts = Hosts::start();
    let folder = folder();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let drifting = hosts.drifting();
    let arguments =
        ["--watch", "1s", "--rounds", "3", "--samples", "1", "--timeout", PATIENCE, "--json", &drifting];
    let (history, numbers, plot) = (path("history"), path("numbers"), path("plot.svg"));
    let files = ["--history", &history, "--prometheus", &numbers, "--plot", &plot];
    let output = survey(&[&arguments[..], &files].concat());
    let rounds: Vec<Value> = text(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rounds.len(), 3, "{output:?}");
    assert_eq!(rounds[0]["hosts"][0]["drift"], Value::Null);
    let drift = &rounds[2]["hosts"][0]["drift"];
    let (ppm, bound) = (drift["ppm"].as_f64().unwrap(), drift["bound"].as_f64().unwrap());
    assert!((ppm - hosts::DRIFT_PPM).abs() <= bound, "{drift}");
    // The file goes on being reckoned with.
    assert_eq!(fs::read_to_string(&history).unwrap().lines().count(), 3);
    let arguments = ["--samples", "1", "--timeout", PATIENCE, "--history", &history, &drifting];
    let output = survey(&arguments);
    assert!(text(&output).contains(" ppm"), "{output:?}");
    assert_eq!(fs::read_to_string(&history).unwrap().lines().count(), 4);
    let numbers = fs::read_to_string(&numbers).unwrap();
    let label = format!("{{host=\"{drifting}\"}}");
    for family in ["answered", "ahead_seconds", "bound_seconds", "drift_ppm"] {
        assert!(numbers.contains(&format!("truechimer_survey_host_{family}{label} ")), "{numbers}");
    }
    assert!(numbers.contains("truechimer_survey_hosts{standing=\"good\"} 1\n"), "{numbers}");
    let svg = fs::read_to_string(&plot).unwrap();
    assert!(
        svg.starts_with("<svg ") && svg.ends_with("</svg>\n") && svg.contains("ahead of this machine"),
        "{svg}"
    );
}

#[test]
fn the_table_of_a_watch_has_the_time_above_it() {
    let hosts = Hosts::start();
    let good = &hosts.named(&[Kind::Ntp])[0];
    let output = survey(&[
        "--watch",
        "1s",
        "--rounds",
        "2",
        "--samples",
        "1",
        "--timeout",
        PATIENCE,
        "--color",
        "always",
        good,
    ]);
    let text = text(&output);
    assert_eq!(
        text.lines().filter(|line| line.starts_with("20") && line.ends_with('Z')).count(),
        2,
        "{text}"
    );
    assert!(text.contains("\x1b[32m"), "{text}");
}

#[test]
fn who_does_not_want_to_be_asked_is_not_asked_again() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let place = format!("ntp://{}", socket.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let mut datagram = [0; 1024];
        let (len, from) = socket.recv_from(&mut datagram).unwrap();
        let mut kiss = datagram[..len].to_vec();
        let cookie: [u8; 8] = kiss[40..48].try_into().unwrap();
        (kiss[0], kiss[1]) = (0b1110_0100, 0);
        kiss[12..16].copy_from_slice(b"RATE");
        kiss[24..32].copy_from_slice(&cookie);
        socket.send_to(&kiss, from).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
        socket.recv_from(&mut datagram).is_err()
    });
    let output = survey(&[&place, "--samples", "8", "--timeout", "500ms", "--json"]);
    let host = &report(&output)["hosts"][0];
    assert_eq!((code(&output), host["error"]["kind"].as_str()), (Some(1), Some("kissed")), "{host}");
    assert!(server.join().unwrap(), "it was asked again");
}

#[test]
fn a_connection_that_says_nothing_and_one_that_says_too_much_end() {
    for (said, kind) in [
        (Vec::new(), "silent"),
        (vec![b'x'; 40_000], "unusable"),
        (b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), "unusable"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // It may be closed before all is said.
            let _gone = stream.write_all(&said);
            std::thread::sleep(Duration::from_millis(1500));
        });
        let output = survey(&[&place, "--timeout", "1s", "--json"]);
        let report = report(&output);
        assert_eq!(report["hosts"][0]["error"]["kind"], kind, "{report}");
        server.join().unwrap();
    }
}

#[test]
fn the_kernel_of_a_host_answers_by_icmp_where_that_is_permitted() {
    let output = survey(&["icmp://127.0.0.1", "--json", "--timeout", PATIENCE]);
    let report = report(&output);
    let host = &report["hosts"][0];
    if truechimer_sys::user::effective_uid() != 0 {
        assert_eq!(host["error"]["kind"], "network", "{host}");
        return;
    }
    holds(&host["ahead_of_us"], 0.0, host);
    assert_eq!(host["assumed"], serde_json::json!(["day_assumed"]), "{host}");
}

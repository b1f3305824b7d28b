//! `truechimer timeline` with what was before what: a host of whose clock nothing is known, and one that talks to it.

use std::fs;
use std::path::Path;
use std::process::Output;

use tempfile::TempDir;

use crate::{text, timeline, web, write};

const REQUEST: [&str; 2] = [r"sent request id=(?<id>\d+)", r"received request id=(?<id>\d+)"];
const REPLY: [&str; 2] = [r"sent reply id=(?<id>\d+)", r"got reply id=(?<id>\d+)"];

/// `web` has chronyd's tracking log, and of `old`, whose clock is ahead by 281 s, nothing is known.
fn fleet() -> TempDir {
    let folder = web();
    let write = |name: &str, text: &str| write(folder.path(), name, text);
    write(
        "web/syslog",
        "2026-11-23T08:00:30.123456Z web nginx[1]: sent request id=17
2026-11-23T08:00:30.160000Z web nginx[1]: got reply id=17
2026-11-23T08:00:31.000000Z web nginx[1]: sent request id=18
2026-11-23T08:00:31.020000Z web nginx[1]: got reply id=18
",
    );
    write(
        "old/app.log",
        "2026-11-23T08:05:11.400Z received request id=17
2026-11-23T08:05:11.410Z disk is full
2026-11-23T08:05:11.420Z sent reply id=17
2026-11-23T08:05:12.280Z received request id=18
2026-11-23T08:05:12.290Z sent reply id=18
",
    );
    write(
        "causes.toml",
        &format!(
            "[[cause]]\nsent = '{}'\nreceived = '{}'\n\n[[cause]]\nsent = '{}'\nreceived = '{}'\nleast = \"2ms\"\n",
            REQUEST[0], REQUEST[1], REPLY[0], REPLY[1]
        ),
    );
    folder
}

/// With both causes, that `old` was not set, and both hosts.
fn with_causes(folder: &Path, more: &[&str]) -> Output {
    let causes = ["--cause", REQUEST[0], REQUEST[1], "--cause", REPLY[0], REPLY[1], "--unset", "old"];
    timeline(folder, &[&causes, more, &["web", "old"]].concat())
}

fn change(folder: &Path, name: &str, from: &str, to: &str) {
    let path = folder.join(name);
    let before = fs::read_to_string(&path).expect("it is there");
    assert!(before.contains(from), "{before}");
    fs::write(path, before.replace(from, to)).expect("written");
}

#[test]
fn a_host_of_which_nothing_is_known_learns_from_one_that_it_talks_to() {
    let folder = fleet();
    let told = with_causes(folder.path(), &[]);
    assert_eq!(told.status.code(), Some(0), "{}", text(&told.stderr));
    let expected = " 2026-11-23T08:00:30.123456Z ± 562.1 µs web ┌ 2026-11-23T08:00:30.123456Z web nginx[1]: sent request id=17
 2026-11-23T08:00:30.127673Z ± 4.779 ms old └ 2026-11-23T08:05:11.400Z received request id=17
 2026-11-23T08:00:30.137163Z ± 5.279 ms old   2026-11-23T08:05:11.410Z disk is full
 2026-11-23T08:00:30.147153Z ± 5.279 ms old   2026-11-23T08:05:11.420Z sent reply id=17
 2026-11-23T08:00:30.160000Z ± 562.1 µs web   2026-11-23T08:00:30.160000Z web nginx[1]: got reply id=17
 2026-11-23T08:00:31.000000Z ± 562.1 µs web   2026-11-23T08:00:31.000000Z web nginx[1]: sent request id=18
 2026-11-23T08:00:31.006293Z ± 5.279 ms old   2026-11-23T08:05:12.280Z received request id=18
 2026-11-23T08:00:31.015783Z ± 4.779 ms old ┌ 2026-11-23T08:05:12.290Z sent reply id=18
 2026-11-23T08:00:31.020000Z ± 562.1 µs web └ 2026-11-23T08:00:31.020000Z web nginx[1]: got reply id=18
";
    assert_eq!(text(&told.stdout), expected);
    assert_eq!(text(&told.stderr), "truechimer: cause 1: 2 pairs\ntruechimer: cause 2: 2 pairs\n");
}

#[test]
fn without_a_word_that_its_clock_was_not_set_only_the_lines_themselves_are_known() {
    let folder = fleet();
    let told = timeline(
        folder.path(),
        &["--cause", REQUEST[0], REQUEST[1], "--cause", REPLY[0], REPLY[1], "--form", "json", "web", "old"],
    );
    let rows: Vec<serde_json::Value> =
        text(&told.stdout).lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    assert!(rows.iter().filter(|row| row["host"] == "web").all(|row| row["evidence"] == "chrony"));
    assert!(rows.iter().filter(|row| row["host"] == "old").all(|row| row["time"].is_null()));
    assert!(text(&told.stderr).contains("old: 5 lines by a clock of which nothing is known"));
}

#[test]
fn what_takes_so_long_at_least_tells_more() {
    let folder = fleet();
    let bound = |more: &[&str]| {
        let told =
            timeline(folder.path(), &[more, &["--unset", "old", "--form", "json", "web", "old"]].concat());
        assert_eq!(told.status.code(), Some(0), "{}", text(&told.stderr));
        let told = text(&told.stdout);
        let full = told.lines().find(|line| line.contains("disk is full")).expect("it is told");
        let row: serde_json::Value = serde_json::from_str(full).expect("an object");
        row["bound"].as_f64().expect("it is known")
    };
    let both = ["--cause", REQUEST[0], REQUEST[1], "--cause", REPLY[0], REPLY[1]];
    let (without, with) = (bound(&both), bound(&["--causes", "causes.toml"]));
    assert!((without - with - 1e-3).abs() < 1e-5, "half of the 2 ms less: {without} {with}");
}

#[test]
fn bad_input_161_what_was_received_before_it_was_sent_is_named_and_left_out() {
    let folder = fleet();
    change(folder.path(), "old/app.log", "08:05:12.290Z sent", "08:05:12.590Z sent");
    let told = with_causes(folder.path(), &[]);
    assert_eq!(told.status.code(), Some(1));
    let expected = "truechimer: cause 1: 2 pairs
truechimer: cause 2: 2 pairs
truechimer: these cannot all be true, by 290.1 ms; the pairs among them are left out:
  web/syslog:1 was not before 2026-11-23T08:00:30.122894471Z, by chrony
  old/app.log:1 was after web/syslog:1 (cause 1)
  the clock of old was not set between old/app.log:1 and old/app.log:5
  web/syslog:4 was after old/app.log:5 (cause 2)
  web/syslog:4 was not after 2026-11-23T08:00:31.020562528Z, by chrony
";
    assert_eq!(text(&told.stderr), expected);
    assert_eq!(text(&told.stdout).lines().count(), 9, "the story is told none the less");
    assert_eq!(with_causes(folder.path(), &[]).stdout, told.stdout);
}

#[test]
fn bad_input_161_evidence_that_contradicts_a_message_is_named() {
    let folder = fleet();
    let told = timeline(
        folder.path(),
        &["--cause", REQUEST[0], REQUEST[1], "--assume", "old=1s", "--form", "csv", "web", "old"],
    );
    assert_eq!(told.status.code(), Some(0), "what is too late contradicts no request");
    let told = timeline(folder.path(), &["--cause", REPLY[0], REPLY[1], "--assume", "old=1s", "web", "old"]);
    assert_eq!(told.status.code(), Some(1));
    let said = text(&told.stderr);
    assert!(said.contains("these cannot all be true, by 4.671 min"), "{said}");
    assert!(said.contains("old/app.log:3 was not before 2026-11-23T08:05:10.420000000Z, by told"), "{said}");
    assert_eq!(said.matches("these cannot all be true").count(), 2);
}

#[test]
fn whether_one_line_could_have_caused_another() {
    let folder = fleet();
    let ask = |one: &str, other: &str| {
        let told = with_causes(folder.path(), &["--could-have-caused", one, other]);
        (told.status.code(), text(&told.stdout))
    };
    let expected = "yes: old/app.log:2 was certainly before web/syslog:2, by at least 17.00 ms
  old/app.log:2 of old: 2026-11-23T08:00:30.131885469Z to 2026-11-23T08:00:30.142441531Z, by causality
  web/syslog:2 of web: 2026-11-23T08:00:30.159438471Z to 2026-11-23T08:00:30.160562529Z, by chrony
";
    assert_eq!(ask("old/app.log:2", "web/syslog:2"), (Some(0), expected.to_owned()));
    let (code, said) = ask("web/syslog:2", "./old/app.log:2");
    assert_eq!(code, Some(1));
    assert!(
        said.starts_with("no: web/syslog:2 was certainly after old/app.log:2, by at least 17.00 ms\n"),
        "{said}"
    );
    let (code, said) = ask("web/syslog:1", "old/app.log:1");
    assert_eq!(code, Some(0));
    assert!(said.starts_with("yes: web/syslog:1 was certainly not after old/app.log:1\n"), "{said}");
    let unknown =
        timeline(folder.path(), &["--could-have-caused", "web/syslog:1", "old/app.log:1", "web", "old"]);
    let said = text(&unknown.stdout);
    assert_eq!(unknown.status.code(), Some(0));
    assert!(said.starts_with("it could: nobody can tell which was first\n"), "{said}");
    assert!(said.contains("old/app.log:1 of old: at any time: nothing is known of its clock"), "{said}");
}

#[test]
fn programs_get_the_answer_as_an_object() {
    let folder = fleet();
    change(folder.path(), "web/syslog", "2026-11-23T08:00:31.000000Z", "Nov 23 08:00:31");
    let arguments =
        ["--year", "2026", "--form", "json", "--could-have-caused", "web/syslog:2", "web/syslog:3"];
    let told = with_causes(folder.path(), &arguments);
    let answer: serde_json::Value = serde_json::from_slice(&told.stdout).expect("an object");
    assert_eq!((told.status.code(), &answer["answer"]), (Some(0), &"could".into()));
    assert_eq!((&answer["b"]["doubt"], &answer["b"]["line"]), (&"zone".into(), &"web/syslog:3".into()));
    assert!(
        answer["by"].is_null() && answer["a"]["earliest"] == "2026-11-23T08:00:30.159438471Z",
        "{answer}"
    );
}

#[test]
fn bad_input_161_a_key_that_was_sent_twice_is_left_out_and_told() {
    let folder = fleet();
    change(folder.path(), "web/syslog", "sent request id=18", "sent request id=17");
    let said = text(&with_causes(folder.path(), &[]).stderr);
    let first = "truechimer: cause 1: 0 pairs; 1 keys were received and never sent; 1 keys were sent twice, and are left out\n";
    assert!(said.starts_with(first), "{said}");
}

#[test]
fn a_file_says_of_hosts_that_only_lines_name_that_they_were_not_set() {
    let folder = fleet();
    // Both hosts wrote into one file, and only the lines say whose they are.
    let line = |line: &str| {
        let (stamp, text) = line.split_once(' ').expect("a stamp");
        let host = if text.starts_with("web ") { "" } else { "old " };
        format!("{stamp} {host}{text}\n")
    };
    let lines = ["web/syslog", "old/app.log"].map(|name| {
        let text = fs::read_to_string(folder.path().join(name)).expect("it is there");
        text.lines().map(line).collect::<String>()
    });
    let syslog = |text: &str| {
        let line = |line: &str| {
            let mut words = line.splitn(3, ' ');
            let [stamp, host, text] = [(); 3].map(|()| words.next().expect("three"));
            format!("<13>1 {stamp} {host} x - - - {text}\n")
        };
        text.lines().map(line).collect::<String>()
    };
    fs::write(folder.path().join("all.log"), syslog(&lines.concat())).expect("written");
    let causes = fs::read_to_string(folder.path().join("causes.toml")).expect("it is there");
    let config = format!("{causes}\n[host.old]\nunset = true\n[host.nobody]\nunset = true\n");
    fs::write(folder.path().join("all.toml"), config).expect("written");
    let web = ["--host", "web=web/chrony/tracking.log"];
    let by_option = timeline(
        folder.path(),
        &[&web[..], &["--causes", "causes.toml", "--unset", "old", "all.log"]].concat(),
    );
    let by_file = timeline(folder.path(), &[&web[..], &["--config", "all.toml", "all.log"]].concat());
    assert_eq!(by_file.status.code(), Some(0), "{}", text(&by_file.stderr));
    assert_eq!(text(&by_file.stdout), text(&by_option.stdout));
    assert!(text(&by_file.stdout).contains("± 4.2"), "{}", text(&by_file.stdout));
}

#[test]
fn a_wrong_call_says_what_is_wrong() {
    let folder = fleet();
    fs::write(folder.path().join("bad.toml"), "[[cause]]\nsent = 'a'\n").expect("written");
    let causes = ["--cause", REQUEST[0], REQUEST[1]];
    for (wrong, says) in [
        (vec!["--cause", "(", "x"], "unclosed group"),
        (vec!["--cause", "a", "b"], "it tells which line belongs to which"),
        (vec!["--causes", "bad.toml"], "bad.toml:1:1: missing field `received`"),
        (vec!["--unset", "nobody"], "no line is of nobody"),
        (vec!["--could-have-caused", "web/syslog:1", "web/syslog"], "it must be FILE:LINE"),
        (vec!["--could-have-caused", "web/syslog:1", "web/none:1"], "web/none is not among the logs"),
        (vec!["--could-have-caused", "web/syslog:1", "web/syslog:9"], "web/syslog has no line 9"),
        (vec!["--could-have-caused", "web/syslog:1", "web/syslog:1"], "a line does not cause itself"),
        (vec!["--could-have-caused", "web/syslog:1", "web/syslog:2", "--form", "csv"], "text or json"),
        ([&causes[..], &["-"]].concat(), "standard input can be read only once"),
    ] {
        let told = timeline(folder.path(), &[&wrong[..], &["web", "old"]].concat());
        let said = text(&told.stderr);
        assert_eq!((told.status.code(), told.stdout.len()), (Some(100), 0), "{wrong:?}: {said}");
        assert!(said.contains(says), "{wrong:?}: {said}");
    }
    let missing = timeline(folder.path(), &["--causes", "none.toml", "web"]);
    assert_eq!(missing.status.code(), Some(111));
}

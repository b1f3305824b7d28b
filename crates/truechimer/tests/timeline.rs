//! `truechimer timeline` as people call it: three hosts, their logs, and what is known of their clocks.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// Three hosts: `web` has chronyd's tracking log, `db` writes without year and zone, and of `old` nothing is known.
fn fleet() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    };
    let tracking = ["07:59:00", "08:00:04", "08:01:08"].map(|time| {
        format!("2026-11-23 {time} 203.0.113.15  2  -3.340  0.006  1.192e-06 N  1  1.232e-05  2.0e-05  1.5e-03  3.8e-04  5.6e-04\n")
    });
    let banner = "====\n   Date (UTC) Time     IP Address   St   Freq ppm   Skew ppm     Offset L Co\n====\n";
    write("web/chrony/tracking.log", &[banner, &tracking.concat()].concat());
    write(
        "web/syslog",
        "2026-11-23T08:00:30.123456Z web nginx[1]: accepted\n  and so on\n2026-11-23T08:00:31.000000Z web nginx[1]: sent\n",
    );
    write("db/syslog", "Nov 23 09:00:30 db postgres[12]: begin\n");
    write("old/app.log", "{\"time\":1795420830.5,\"msg\":\"x\"}\n");
    folder
}

fn timeline(folder: &Path, arguments: &[&str]) -> Output {
    let command = Command::new(env!("CARGO_BIN_EXE_truechimer"))
        .arg("timeline")
        .args(arguments)
        .current_dir(folder)
        .output();
    command.expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[test]
fn three_hosts_are_one_story() {
    let folder = fleet();
    let told = timeline(
        folder.path(),
        &["--year", "2026", "--zone", "db=Europe/Berlin", "--assume", "db=5ms", "web", "db", "old"],
    );
    assert_eq!(told.status.code(), Some(0), "{}", text(&told.stderr));
    let expected =
        " 2026-11-23T08:00:30.123456Z ± 560.5 µs web ┌ 2026-11-23T08:00:30.123456Z web nginx[1]: accepted
                                                and so on
 2026-11-23T08:00:30.500000Z ± 505.0 ms db  │ Nov 23 09:00:30 db postgres[12]: begin
~2026-11-23T08:00:30.550000Z ± ?        old │ {\"time\":1795420830.5,\"msg\":\"x\"}
 2026-11-23T08:00:31.000000Z ± 560.5 µs web └ 2026-11-23T08:00:31.000000Z web nginx[1]: sent
";
    assert_eq!(text(&told.stdout), expected);
    let said = text(&told.stderr);
    assert!(
        said.contains("old: 1 lines by a clock of which nothing is known") && said.lines().count() == 1,
        "{said}"
    );
}

#[test]
fn what_is_not_known_is_said_with_what_helps() {
    let folder = fleet();
    let told = timeline(folder.path(), &["db"]);
    let said = text(&told.stderr);
    assert!(said.contains("say --zone db=Europe/Berlin") || said.contains("say --year 2026"), "{said}");
    let missing = timeline(folder.path(), &["nowhere"]);
    assert_eq!((missing.status.code(), missing.stdout.len()), (Some(111), 0));
    assert!(text(&missing.stderr).contains("cannot read nowhere"), "{}", text(&missing.stderr));
    for wrong in [
        &["--zone", "db=Nowhere/City", "db"][..],
        &["--labels", "utc", "db"],
        &["--assume", "0s", "db"],
        &["--host", "db"],
        &[],
    ] {
        assert_eq!(timeline(folder.path(), wrong).status.code(), Some(100), "{wrong:?}");
    }
}

#[test]
fn every_form_is_written() {
    let folder = fleet();
    let form = |name: &str| {
        let told = timeline(folder.path(), &["--form", name, "web"]);
        assert_eq!(told.status.code(), Some(0), "{}", text(&told.stderr));
        text(&told.stdout)
    };
    let rows: Vec<serde_json::Value> =
        form("json").lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    assert_eq!((rows.len(), &rows[0]["evidence"]), (3, &"chrony".into()));
    assert!(form("csv").starts_with("time,earliest,latest,bound,"));
    assert!(form("syslog").starts_with("<13>1 2026-11-23T08:00:30.123456Z web - - - [timeQuality "));
    let trace: serde_json::Value = serde_json::from_str(&form("trace")).expect("a document");
    assert!(trace["traceEvents"].is_array());
    let tai = timeline(folder.path(), &["--tai", "--color", "never", "--gap", "500ms", "web"]);
    let tai = text(&tai.stdout);
    assert!(tai.starts_with(" 2026-11-23T08:01:07.123456 TAI"), "{tai}");
    assert!(tai.contains("... nothing for 876"), "{tai}");
}

#[test]
fn a_log_of_many_hosts_is_told_by_the_clock_of_each() {
    let folder = fleet();
    let line = |host: &str, time: &str| format!("<34>1 2026-11-23T{time}Z {host} su - - - x\n");
    fs::write(
        folder.path().join("all.log"),
        [line("web", "08:00:30.000000"), line("stranger", "08:00:30.000000")].concat(),
    )
    .expect("written");
    let told = text(
        &timeline(folder.path(), &["web/chrony", "all.log", "--host", "web=web/chrony/tracking.log"]).stdout,
    );
    let has = |words: &[&str]| told.lines().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(has(&["± 560", "web"]) && has(&["± ?", "stranger"]), "{told}");
    let named = text(
        &timeline(folder.path(), &["--host", "web=all.log", "--host", "web=web/chrony/tracking.log"]).stdout,
    );
    assert!(!named.contains("± ?"), "{named}");
}

#[test]
fn bad_input_166_the_same_input_is_the_same_bytes() {
    let folder = fleet();
    let once = timeline(folder.path(), &["--form", "json", "web", "db", "old"]);
    assert_eq!(once.stdout, timeline(folder.path(), &["--form", "json", "web", "db", "old"]).stdout);
}

#[test]
fn the_journal_is_told_entry_by_entry() {
    let folder = fleet();
    let entry = |micros: u64, rest: &str| {
        format!(
            "__CURSOR=s=1\n__REALTIME_TIMESTAMP={}\n_HOSTNAME=web\n_COMM=sshd\n_PID=7\n{rest}\n",
            1_795_420_830_000_000 + micros
        )
    };
    let message = ["MESSAGE\n\u{b}\0\0\0\0\0\0\0first\nsecon\n", "MESSAGE=third\n"];
    let export = [entry(200_000, message[0]), entry(300_000, message[1])].concat();
    fs::write(folder.path().join("journal"), export).expect("written");
    let told = timeline(folder.path(), &["web/chrony", "journal", "--host", "web=web/chrony/tracking.log"]);
    assert_eq!(told.status.code(), Some(0), "{}", text(&told.stderr));
    let told = text(&told.stdout);
    let words: Vec<&str> = told.lines().filter_map(|line| line.split_whitespace().last()).collect();
    assert_eq!(words, ["first", "secon", "third"], "{told}");
    assert!(told.starts_with(" 2026-11-23T08:00:30.200000Z ± 560"), "{told}");
}

/// An entry as `journalctl -o export` writes it, so many seconds after the boot, when the clock showed so many more than at 08:00:00.
fn journaled(since_boot: u64, seconds: u64, message: &str) -> String {
    format!(
        "__CURSOR=s=1\n__REALTIME_TIMESTAMP={}\n__MONOTONIC_TIMESTAMP={}\n_BOOT_ID=0123456789abcdef0123456789abcdef\n\
         _HOSTNAME=web\nMESSAGE={message}\n\n",
        (1_795_420_800 + seconds) * 1_000_000,
        since_boot * 1_000_000
    )
}

#[test]
fn bad_input_160_a_step_that_the_journal_saw_parts_what_is_known() {
    let folder = fleet();
    // Chronyd's log knows the clock from 07:59:00 to 08:01:08. The clock was set forward by an hour before, and back again.
    let journal = [(40, 3600, "wrong"), (50, 10, "right"), (60, 20, "still"), (70, 30, "right")]
        .map(|(since, seconds, message)| journaled(since, seconds, message));
    fs::write(folder.path().join("web/journal"), journal.concat()).expect("written");
    let dmesg = "[   55.000000] eth0: up\n";
    fs::write(folder.path().join("web/dmesg"), dmesg).expect("written");
    let boot = "web=0123456789abcdef0123456789abcdef";
    let told = timeline(folder.path(), &["--form", "json", "--boot", boot, "web"]);
    assert_eq!(told.status.code(), Some(0), "{}", text(&told.stderr));
    let rows: Vec<serde_json::Value> =
        text(&told.stdout).lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    let of = |message: &str| {
        rows.iter()
            .find(|row| row["line"].as_str().is_some_and(|line| line.ends_with(message)))
            .expect("it is told")
    };
    assert_eq!(of("wrong")["bound"], serde_json::Value::Null, "{rows:?}");
    assert!(of("still")["bound"].as_f64().is_some_and(|bound| bound < 0.06), "{rows:?}");
    assert!(of("eth0: up")["bound"].as_f64().is_some_and(|bound| bound < 1.2), "{rows:?}");
    let wrong = timeline(folder.path(), &["--boot", "web=12", "web"]);
    assert_eq!(wrong.status.code(), Some(100));
}

#[test]
fn packets_and_the_exchanges_of_ntpd_are_read() {
    let folder = fleet();
    let packet = b"\x01\x01\x01\x01\x01\x01\x02\x02\x02\x02\x02\x02\x08\x00\x45\x00\x00\x21\x00\x00\x40\x00\x40\x11\x00\x00\xc0\x00\x02\x01\
                   \xc6\x33\x64\x07\x00\x35\x0b\xb8\x00\x0d\x00\x00hello";
    let numbers =
        |numbers: &[u32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
    let length = packet.len() as u32;
    let head = numbers(&[0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1, 1_795_437_851, 900_000, length, length]);
    let capture = [&head[..], packet].concat();
    fs::create_dir(folder.path().join("ntp")).expect("made");
    fs::write(folder.path().join("ntp/eth0.pcap"), &capture).expect("written");
    let exchange = |second: u32| {
        let at = 4_004_426_651 + second;
        format!(
            "61367 {}.330 203.0.113.15 192.0.2.1 {at}.330515622 {at}.330554812 {at}.330646303 {at}.330661782 0 4 4 2 6 -24 0.000732 0.000015 198.51.100.7 0 0 0\n",
            45_851 + second
        )
    };
    fs::write(folder.path().join("ntp/rawstats"), exchange(0) + &exchange(1)).expect("written");
    let told = timeline(folder.path(), &["--form", "json", "ntp"]);
    assert_eq!(told.status.code(), Some(0), "{}", text(&told.stderr));
    let row: serde_json::Value = serde_json::from_slice(&told.stdout).expect("one line");
    assert_eq!(row["line"], "47 bytes 192.0.2.1:53 > 198.51.100.7:3000 UDP");
    assert_eq!(row["evidence"], "ntpd");
    assert!(row["bound"].as_f64().is_some_and(|bound| bound < 0.002), "{row}");
    fs::write(folder.path().join("ntp/eth0.pcap"), &capture[..capture.len() - 1]).expect("written");
    let torn = timeline(folder.path(), &["ntp"]);
    assert_eq!(torn.status.code(), Some(111));
    assert!(
        text(&torn.stderr).contains("the capture ends in the midst of a packet"),
        "{}",
        text(&torn.stderr)
    );
}

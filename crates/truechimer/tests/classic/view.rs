//! `clockview`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use truechimer_sys::clock;

use crate::{failed, fed, record, run, told};

/// The seconds of a line, wherever it begins, and what follows them.
fn fraction(line: &str) -> &str {
    line.split_once('.').expect("a fraction").1
}

#[test]
fn two_lines_byte_for_byte() {
    let output = run("clockview", &[], &record(0, 500_000_000, 7));
    let (code, lines, stderr) = told(&output);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let lines: Vec<&str> = lines.split('\n').collect();
    assert_eq!((lines.len(), lines[2]), (3, ""));
    assert!(lines[0].starts_with("before: 20") && lines[1].starts_with("after:  20"), "{lines:?}");
    assert!(lines[..2].iter().all(|line| line.len() == "before: 2026-11-21 23:51:27.".len() + 18));
    assert!(fraction(lines[0]).ends_with("000000000000") && fraction(lines[1]).ends_with("000000000007"));
}

#[test]
fn a_day_back_is_a_day_back() {
    let (_, lines, _) = told(&run("clockview", &[], &record(-86_400, 0, 0)));
    let date = |line: &str| line[8..27].replace(['-', ' ', ':'], "");
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(fraction(lines[0]), fraction(lines[1]));
    assert_eq!(date(lines[0])[8..], date(lines[1])[8..]);
    assert!(date(lines[0]) > date(lines[1]), "{lines:?}");
}

#[test]
fn nothing_but_a_whole_record_is_taken() {
    for len in [0, 1, 11, 13, 15, 17, 24, 32] {
        let output = run("clockview", &[], &vec![0; len]);
        assert_eq!(
            told(&output),
            failed(111, "clockview: fatal: data split across packets\n"),
            "{len} bytes"
        );
    }
    for len in [12, 16] {
        assert_eq!(run("clockview", &["ignored"], &vec![0; len]).status.code(), Some(0), "{len} bytes");
    }
}

#[test]
fn a_record_may_come_in_pieces() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_truechimer"))
        .arg("clockview")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for piece in record(5, 0, 0).chunks(6) {
        stdin.write_all(piece).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    drop(stdin);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
}

/// A zone of the `right/` kind that knows of one leap second, 1972-06-30 23:59:60: TZif of RFC 8536, version 1.
fn right_zone(folder: &Path) -> PathBuf {
    let counts: [u32; 6] = [0, 0, 1, 0, 1, 4];
    let head = [&b"TZif"[..], &[0; 16]].concat();
    let counts: Vec<u8> = counts.iter().flat_map(|count| count.to_be_bytes()).collect();
    let leap = [LEAP.to_be_bytes(), 1_u32.to_be_bytes()].concat();
    let path = folder.join("right");
    fs::write(&path, [&head[..], &counts, &[0; 6], b"UTC\0", &leap].concat()).expect("a file");
    path
}

/// The count of that second on a kernel that counts all seconds.
const LEAP: u32 = 78_796_800;

#[test]
fn a_right_zone_has_second_60() {
    let folder = tempfile::tempdir().expect("a folder");
    let zone = right_zone(folder.path());
    let mut shown = String::new();
    // The second may end while the program is started.
    for _ in 0..10 {
        let now = clock::realtime().since_epoch().split().0 as i64;
        let stdin = record(i64::from(LEAP) - now, 0, 0);
        let mut command = Command::new(env!("CARGO_BIN_EXE_truechimer"));
        let output = fed(command.arg("clockview").env("TZ", &zone), &stdin);
        shown = told(&output).1.lines().nth(1).expect("two lines").to_owned();
        if shown.starts_with("after:  1972-06-30 23:59:60.") {
            return;
        }
    }
    panic!("{shown}");
}

#[test]
fn s6_shows_nine_digits() {
    let (code, lines, _) = told(&run("clockview", &["--s6"], &record(0, 1, 0)[..12]));
    assert_eq!(code, Some(0));
    assert!(lines.lines().all(|line| fraction(line).len() == 9), "{lines}");
}

#[test]
fn an_unknown_option_is_a_wrong_call() {
    let (code, stdout, stderr) = told(&run("clockview", &["--nonsense"], b""));
    assert_eq!((code, stdout.as_str()), (Some(100), ""));
    assert!(stderr.starts_with("clockview: unexpected argument '--nonsense'"), "{stderr}");
    assert!(stderr.ends_with("clockview: usage: clockview\n"), "{stderr}");
}

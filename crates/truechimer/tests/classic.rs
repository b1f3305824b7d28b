//! The classic programs as scripts see them: the real binary under their names, its stdin, stdout, stderr and exit
//! codes.

use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs a program under its own name, as a link would.
fn run(name: &str, arguments: &[&str], stdin: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_truechimer"))
        .arg0(name)
        .args(arguments)
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary was built for this test");
    // One that wants no input may be gone already.
    let _ = child.stdin.take().expect("it is piped").write_all(stdin);
    child.wait_with_output().expect("it ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Exit code, stdout, stderr.
fn told(output: &Output) -> (Option<i32>, String, String) {
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn failed(code: i32, stderr: &str) -> (Option<i32>, String, String) {
    (Some(code), String::new(), stderr.to_owned())
}

mod names {
    use super::*;

    #[test]
    fn links_are_made_and_work() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().to_str().expect("a plain path");
        let truechimer = |arguments: &[&str]| run("truechimer", arguments, b"");
        let listed = truechimer(&["applets"]);
        let made = truechimer(&["applets", "--install", place]);
        assert_eq!((listed.status.code(), made.status.code()), (Some(0), Some(0)));
        assert!(!listed.stdout.is_empty());
        for name in text(&listed.stdout).lines() {
            let link = Path::new(place).join(name);
            assert!(text(&made.stdout).contains(&format!("{} -> ", link.display())), "{name}");
            let help = Command::new(&link).arg("--help").output().expect("the link leads to the binary");
            assert_eq!(help.status.code(), Some(0), "{name}");
            assert!(text(&help.stdout).contains(&format!("Usage: {name}")), "{}", text(&help.stdout));
        }
        let again = truechimer(&["applets", "--install", place]);
        assert_eq!(told(&again), (Some(0), String::new(), String::new()));
    }

    #[test]
    fn what_stands_in_the_way_of_a_link_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let taken = folder.path().join("clockview");
        fs::write(&taken, "mine").unwrap();
        let made = run("truechimer", &["applets", "--install", folder.path().to_str().unwrap()], b"");
        assert_eq!(made.status.code(), Some(1));
        assert!(text(&made.stderr).contains("clockview is something else and is left alone"));
        assert_eq!(fs::read(&taken).unwrap(), b"mine");
    }

    #[test]
    fn each_program_has_a_page_under_its_own_name() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(run("truechimer", &["man", folder.path().to_str().unwrap()], b"").status.code(), Some(0));
        for name in text(&run("truechimer", &["applets"], b"").stdout).lines() {
            let page = fs::read_to_string(folder.path().join(format!("{name}.1"))).expect(name);
            assert!(page.contains(&format!(".TH {name} 1")), "{page}");
        }
    }
}

mod clockview {
    use super::*;

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
}

/// An adjustment of so many seconds, nanoseconds and attoseconds.
fn record(seconds: i64, nanos: u32, attos: u32) -> Vec<u8> {
    [&seconds.to_be_bytes()[..], &nanos.to_be_bytes(), &attos.to_be_bytes()].concat()
}

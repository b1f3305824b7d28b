//! `sntpclock`.

use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Output;
use std::thread;
use std::time::{Duration, Instant};

use truechimer_time::leap::DAT_BYTES_MAX;
use truechimer_time::{LeapTable, Span};

use crate::peer::{Change, Peer, honest, ntp};
use crate::{adjustment, assert_about, failed, measured, run, text, told};

/// Back to back, and with no leap seconds unless a test names a file that has some.
fn sntpclock(peer: &Peer, more: &[&str]) -> Output {
    let place = peer.name();
    let usual = [&place, "--burst", "--leapsecs", "/dev/null"];
    run("sntpclock", &[&usual[..], more].concat(), b"")
}

/// Ten times the same warning, and no answer.
fn ten_times(why: &str) -> (Option<i32>, String, String) {
    times(10, why)
}

/// So many times the same warning, and no answer.
fn times(count: usize, why: &str) -> (Option<i32>, String, String) {
    let warning = format!("sntpclock: warning: unable to read clock: {why}\n");
    failed(111, &(warning.repeat(count) + "sntpclock: fatal: time uncertainty too large\n"))
}

#[test]
fn a_wrong_call_is_one_line() {
    let usage = failed(100, "sntpclock: usage: sntpclock ip.ad.dr.ess\n");
    for arguments in [&[][..], &[""], &["1.2.3"], &["1.2.3.4.5"], &["1.2.3.4 x"], &["127.0.0.1:x"]] {
        assert_eq!(told(&run("sntpclock", arguments, b"")), usage, "{arguments:?}");
    }
}

#[test]
fn further_arguments_are_passed_over() {
    let peer = ntp(Span::ZERO, |_| {});
    assert_about(adjustment(&sntpclock(&peer, &["further", "arguments"]), 16), Span::ZERO);
}

#[test]
fn the_adjustment_is_server_less_clock() {
    for millis in [0, 5_500, -5_500, 86_400_000] {
        let ahead = Span::from_millis(millis);
        let peer = ntp(ahead, |_| {});
        assert_about(adjustment(&sntpclock(&peer, &[]), 16), ahead);
        assert_eq!(peer.heard().len(), 10);
    }
}

#[test]
fn two_days_are_the_limit() {
    for seconds in [172_700, -172_700] {
        let ahead = Span::from_secs(seconds);
        assert_about(adjustment(&sntpclock(&ntp(ahead, |_| {}), &[]), 16), ahead);
    }
    for seconds in [172_900, -172_900] {
        let output = sntpclock(&ntp(Span::from_secs(seconds), |_| {}), &[]);
        assert_eq!(told(&output), failed(111, "sntpclock: fatal: time uncertainty too large\n"));
    }
}

#[test]
fn the_question_tells_nothing_and_cannot_be_guessed() {
    let peer = ntp(Span::ZERO, |_| {});
    assert_eq!(sntpclock(&peer, &[]).status.code(), Some(0));
    let mut questions = peer.heard();
    for question in &questions {
        assert_eq!((question.len(), question[0]), (48, 0x23));
        assert!(question[1..40].iter().all(|byte| *byte == 0), "{:?}", question);
    }
    questions.sort();
    questions.dedup();
    assert_eq!(questions.len(), 10, "each has a cookie of its own");
}

#[test]
fn questions_are_spaced_unless_a_burst_is_asked_for() {
    let peer = ntp(Span::ZERO, |_| {});
    let place = peer.name();
    let begun = Instant::now();
    let spaced = run("sntpclock", &[&place, "-r", "3", "--leapsecs", "/dev/null"], b"");
    assert!(begun.elapsed() >= Duration::from_secs(1), "two pauses of half a second");
    assert_about(adjustment(&spaced, 16), Span::ZERO);
    assert_eq!(peer.heard().len(), 3);
}

#[test]
fn names_and_ipv6_are_understood() {
    for (place, host) in [("127.0.0.1:0", "localhost"), ("[::1]:0", "[::1]")] {
        let peer = Peer::at(place, |question| Some(honest(question, Span::ZERO)));
        let host = format!("{host}:{}", peer.place.port());
        let arguments = [&host, "--burst", "--leapsecs", "/dev/null"];
        assert_about(measured(&run("sntpclock", &arguments, b""), 16), Span::ZERO);
    }
    let peer = ntp(Span::ZERO, |_| {});
    let port = peer.place.port().to_string();
    let arguments = ["0", "-p", &port, "--burst", "--leapsecs", "/dev/null"];
    assert_about(adjustment(&run("sntpclock", &arguments, b""), 16), Span::ZERO);
}

#[test]
fn a_server_that_does_not_know_the_time_is_not_believed() {
    let changes: [(Change, &str); 3] = [
        (|answer| answer[0] |= 0xc0, "the server says that its clock was never set"),
        (
            |answer| {
                answer[1] = 0;
                answer[12..16].fill(0);
            },
            "the server does not say how far it is from a reference clock",
        ),
        (|answer| answer[1] = 16, "the server is unsynchronised: its stratum is 16 or more"),
    ];
    for (change, why) in changes {
        assert_eq!(told(&sntpclock(&ntp(Span::ZERO, change), &[])), ten_times(why));
    }
}

#[test]
fn a_kiss_ends_the_asking() {
    let peer = ntp(Span::from_secs(3), |answer| {
        answer[1] = 0;
        answer[12..16].copy_from_slice(b"RATE");
    });
    let said = "sntpclock: warning: unable to read clock: it sends the kiss code RATE instead of the time\n\
                sntpclock: fatal: time uncertainty too large\n";
    assert_eq!(told(&sntpclock(&peer, &[])), failed(111, said));
    assert_eq!(peer.heard().len(), 1);
}

#[test]
fn what_is_no_answer_is_a_bad_format() {
    let changes: [(&str, Change); 9] = [
        ("mode 2", |answer| answer[0] = answer[0] & !7 | 2),
        ("mode 3", |answer| answer[0] = answer[0] & !7 | 3),
        ("mode 5", |answer| answer[0] = answer[0] & !7 | 5),
        ("version 0", |answer| answer[0] &= !0x38),
        ("wrong origin", |answer| answer[31] ^= 1),
        ("47 bytes", |answer| answer.truncate(47)),
        ("127 bytes", |answer| answer.resize(127, 0)),
        ("128 bytes", |answer| answer.resize(128, 0)),
        ("nothing", Vec::clear),
    ];
    let badly = |change| told(&sntpclock(&ntp(Span::ZERO, change), &["-r", "1", "-t", "2000"]));
    // Each takes all its patience, so all are asked at once.
    thread::scope(|scope| {
        for (name, change) in changes {
            scope.spawn(move || assert_eq!(badly(change), times(1, "bad response format"), "{name}"));
        }
    });
}

#[test]
fn an_answer_from_elsewhere_is_not_heard() {
    let peer = Peer::ventriloquist(|question| Some(honest(question, Span::from_secs(9))));
    assert_eq!(told(&sntpclock(&peer, &["-t", "30"])), ten_times("timed out"));
}

#[test]
fn silence_is_ten_warnings() {
    let peer = Peer::start(|_| None);
    let begun = Instant::now();
    assert_eq!(told(&sntpclock(&peer, &["-t", "100"])), ten_times("timed out"));
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(peer.heard().len(), 10);
}

#[test]
fn nobody_there_is_said_as_the_original_says_errors() {
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let arguments = [&closed, "--burst", "--leapsecs", "/dev/null"];
    assert_eq!(told(&run("sntpclock", &arguments, b"")), ten_times("connection refused"));
    let (code, stdout, stderr) = told(&run("sntpclock", &["truechimer.invalid"], b""));
    assert_eq!((code, stdout.as_str()), (Some(111), ""));
    assert!(
        stderr.starts_with("sntpclock: fatal: unable to find an IP address for truechimer.invalid: "),
        "{stderr}"
    );
}

/// The first so many bytes of the table of all leap seconds, as a file.
fn leapsecs(folder: &Path, bytes: usize) -> String {
    let mut buffer = [0; DAT_BYTES_MAX];
    let mut whole = LeapTable::COMPILED.to_dat(&mut buffer).expect("27 insertions").to_vec();
    whole.resize(whole.len().max(bytes), 0x40);
    let path = folder.join(format!("leapsecs-{bytes}.dat"));
    fs::write(&path, &whole[..bytes]).expect("a file");
    path.to_str().expect("a plain path").to_owned()
}

#[test]
fn the_table_of_leap_seconds_is_counted_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let with = |bytes, more: &[&str]| {
        let (peer, path) = (ntp(Span::ZERO, |_| {}), leapsecs(folder.path(), bytes));
        let place = peer.name();
        run("sntpclock", &[&[&place, "--burst", "--leapsecs", &path][..], more].concat(), b"")
    };
    // Whole, with a torn end, and none at all.
    for (bytes, leaps) in [(216, 27), (216 + 5, 27), (0, 0), (7, 0)] {
        assert_about(adjustment(&with(bytes, &[]), 16), Span::from_secs(leaps));
    }
    // The table of 1999: counted, but not in silence.
    let old = with(176, &[]);
    assert_about(measured(&old, 16), Span::from_secs(22));
    let said = text(&old.stderr);
    assert!(
        said.starts_with("sntpclock: warning: ")
            && said.ends_with("leapsecs-176.dat has 22 of 27 leap seconds\n")
    );
    // Who says what the kernel counts gets what is right for it, or nothing.
    assert_about(adjustment(&with(216, &["--kernel", "utc"]), 16), Span::ZERO);
    assert_about(adjustment(&with(216, &["--kernel", "tai-10"]), 16), Span::from_secs(27));
    let refused = with(176, &["--kernel", "tai-10"]);
    assert!(text(&refused.stderr).starts_with("sntpclock: fatal: unable to initialize leap seconds: "));
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(111), 0));
}

#[test]
fn a_table_that_cannot_be_read_ends_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (here, missing) = (folder.path().to_path_buf(), folder.path().join("missing"));
    for (path, why) in [(here, "is a directory"), (missing, "file does not exist")] {
        let path = path.to_str().unwrap();
        let said = format!("sntpclock: fatal: unable to initialize leap seconds: {path}: {why}\n");
        assert_eq!(told(&run("sntpclock", &["127.0.0.1", "--leapsecs", path], b"")), failed(111, &said));
    }
}

#[test]
fn s6_writes_twelve_bytes_and_says_no() {
    let peer = ntp(Span::from_secs(3 * 86_400), |_| {});
    assert_about(measured(&sntpclock_s6(&peer, &[]), 12), Span::from_secs(3 * 86_400));
    let silent = Peer::start(|_| None);
    let said = format!("sntpclock: fatal: unable to contact SNTP server at {}: timed out\n", silent.name());
    assert_eq!(told(&sntpclock_s6(&silent, &["-t", "30", "-v", "0"])), failed(1, &said));
}

fn sntpclock_s6(peer: &Peer, more: &[&str]) -> Output {
    run("sntpclock", &[&[&peer.name(), "--s6", "--burst"][..], more].concat(), b"")
}

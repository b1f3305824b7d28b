//! `taiclock`.

use std::process::Output;
use std::thread;

use truechimer_time::Span;

use crate::peer::{Change, Peer, announced, tai};
use crate::{adjustment, assert_about, failed, measured, run, text, told};

fn taiclock(peer: &Peer, more: &[&str]) -> Output {
    run("taiclock", &[&[&peer.name(), "--burst"][..], more].concat(), b"")
}

/// So many times the same warning, and no answer.
fn times(count: usize, why: &str) -> (Option<i32>, String, String) {
    let warning = format!("taiclock: warning: unable to read clock: {why}\n");
    failed(111, &(warning.repeat(count) + "taiclock: fatal: time uncertainty too large\n"))
}

#[test]
fn a_wrong_call_is_one_line() {
    let usage = failed(100, "taiclock: usage: taiclock ip.ad.dr.ess\n");
    for arguments in [&[][..], &["1.2.3.4.5"]] {
        assert_eq!(told(&run("taiclock", arguments, b"")), usage, "{arguments:?}");
    }
}

#[test]
fn the_adjustment_is_server_less_clock_within_two_days() {
    for seconds in [0, 5, -5, 172_700, -172_700] {
        let ahead = Span::from_secs(seconds);
        assert_about(adjustment(&taiclock(&tai(ahead, |_| {}), &[]), 16), ahead);
    }
    for seconds in [172_900, -172_900] {
        let output = taiclock(&tai(Span::from_secs(seconds), |_| {}), &[]);
        assert_eq!(told(&output), failed(111, "taiclock: fatal: time uncertainty too large\n"));
    }
}

#[test]
fn the_question_is_one_that_every_server_answers() {
    let peer = tai(Span::ZERO, |_| {});
    assert_eq!(taiclock(&peer, &[]).status.code(), Some(0));
    let mut questions = peer.heard();
    assert_eq!(questions.len(), 10);
    for question in &questions {
        assert_eq!((question.len(), &question[..4]), (32, &b"ctai"[..]));
        assert!(question[4..20].iter().all(|byte| *byte == 0), "{:?}", question);
    }
    questions.sort();
    questions.dedup_by(|a, b| a[20..] == b[20..]);
    assert_eq!(questions.len(), 10, "each has a cookie of its own");
}

/// A server of s6 leaves the last four bytes of the label as they came.
#[test]
fn twelve_bytes_of_a_label_are_enough() {
    for left in [[0; 4], [0x40, 0, 0, 0], [0xff; 4]] {
        let peer = tai(Span::from_secs(1), move |answer| answer[16..20].copy_from_slice(&left));
        assert_about(adjustment(&taiclock(&peer, &[]), 16), Span::from_secs(1));
    }
}

#[test]
fn what_is_no_answer_is_a_bad_format() {
    let changes: [(&str, Change); 6] = [
        ("31 bytes", |answer| answer.truncate(31)),
        ("33 bytes", |answer| answer.push(0)),
        ("echo", |answer| answer[0] = b'c'),
        ("capitals", |answer| answer[..4].copy_from_slice(b"STAI")),
        ("another cookie", |answer| answer[20] ^= 1),
        ("reserved label", |answer| answer[4] = 0x80),
    ];
    let badly = |change| told(&taiclock(&tai(Span::ZERO, change), &["-r", "1", "-t", "2000"]));
    // Each takes all its patience, so all are asked at once.
    thread::scope(|scope| {
        for (name, change) in changes {
            scope.spawn(move || assert_eq!(badly(change), times(1, "bad response format"), "{name}"));
        }
    });
    let elsewhere = Peer::ventriloquist(|question| announced(question, Span::from_secs(9)));
    assert_eq!(told(&taiclock(&elsewhere, &["-t", "30"])), times(10, "timed out"));
}

/// Ours counts UTC; the peers are one of each kind on the same machine.
#[test]
fn the_two_families_are_told_apart_by_name() {
    let s6 = || tai(Span::from_secs(27), |_| {});
    let classic = || tai(Span::ZERO, |_| {});
    for (peer, options) in [
        (classic(), &[][..]),
        (classic(), &["--kernel", "utc", "--peer", "utc"]),
        (s6(), &["--kernel", "utc"]),
        (s6(), &["--kernel", "utc", "--peer", "tai"]),
    ] {
        assert_about(adjustment(&taiclock(&peer, options), 16), Span::ZERO);
    }
    assert_about(adjustment(&taiclock(&s6(), &["--s6"]), 12), Span::ZERO);
    let mixed = taiclock(&s6(), &[]);
    assert_about(measured(&mixed, 16), Span::from_secs(27));
    let hint = "taiclock: warning: 27 leap seconds lie between two ways to count: see --kernel and --peer\n";
    assert_eq!(text(&mixed.stderr), hint);
}

#[test]
fn s6_says_no_where_nobody_answers() {
    let silent = Peer::start(|_| None);
    let said =
        format!("taiclock: fatal: unable to contact taiclock server at {}: timed out\n", silent.name());
    assert_eq!(told(&taiclock(&silent, &["--s6", "-t", "30", "-v", "0"])), failed(1, &said));
}

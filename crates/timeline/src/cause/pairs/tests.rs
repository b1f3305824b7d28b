use super::*;
use crate::cause::tests;
use crate::shown::Hints;
use crate::story::{Hosts, Log, Whose, tell};

fn cause() -> Cause {
    Cause::of(r"sent (?<id>\w+)", r"got (?<id>\w+)", Span::from_millis(5)).expect("patterns")
}

/// What is found in logs, each line of which gets a stamp unless it begins with a space.
fn found(logs: &[&[&str]], asked: &[Place], lines_max: usize) -> Found {
    let causes = [cause()];
    let search = Search { lines_max, ..Search::of(&causes, asked) };
    let text = |lines: &&[&str]| -> String {
        let stamped = |line: &&str| match line.starts_with(' ') {
            true => format!("{line}\n"),
            false => format!("2026-11-23T08:00:00Z {line}\n"),
        };
        lines.iter().map(stamped).collect()
    };
    let texts: Vec<String> = logs.iter().map(text).collect();
    let logs = texts.iter().map(|text| Log::of(text.as_bytes(), Whose::Only(0), Hints::default()));
    tests::found(search, &mut Hosts::of(vec![Default::default()]), logs)
}

fn pairs(found: &Found) -> Vec<[(usize, u64); 2]> {
    let place = |line: usize| (found.lines[line].place.log, found.lines[line].place.number);
    found.pairs.iter().map(|pair| [place(pair.sent), place(pair.received)]).collect()
}

#[test]
fn lines_with_the_same_key_are_a_pair_whichever_was_read_first() {
    let found = found(&[&["got b", "sent a", "x"], &["got a", "sent b", "sent c", "got d"]], &[], 99);
    assert_eq!(pairs(&found), [[(0, 2), (1, 1)], [(1, 2), (0, 1)]]);
    assert!(found.pairs.iter().all(|pair| pair.least == Span::from_millis(5)));
    let tally = Tally { pairs: 2, not_received: 1, not_sent: 1, ..Tally::default() };
    assert_eq!(found.tallies, [tally]);
}

#[test]
fn it_is_received_by_the_first_line_of_each_log() {
    let found = found(&[&["sent a"], &["got a", "got a"], &["got a"]], &[], 99);
    assert_eq!(pairs(&found), [[(0, 1), (1, 1)], [(0, 1), (2, 1)]]);
}

#[test]
fn bad_input_161_what_was_sent_twice_is_left_out() {
    let found = found(&[&["sent a", "sent b"], &["got a", "got b"], &["sent a"]], &[], 99);
    assert_eq!(pairs(&found), [[(0, 2), (1, 2)]]);
    assert_eq!(found.tallies[0].sent_twice, 1);
}

#[test]
fn lines_without_end_take_no_more_memory_and_what_was_sent_twice_is_seen_still() {
    let logs: [&[&str]; 3] = [&["sent a", "got b"], &["got a", "sent b", "got c", "sent d"], &["sent a"]];
    let found = found(&logs, &[], 3);
    assert_eq!(pairs(&found), Vec::<[(usize, u64); 2]>::new());
    let tally = found.tallies[0];
    assert_eq!((tally.sent_twice, tally.too_many, found.lines.len()), (1, 3, 3));
}

#[test]
fn keys_that_are_too_long_and_lines_without_a_stamp_are_counted() {
    let long = format!("sent {}", "x".repeat(KEY_MAX));
    let found = found(&[&[&long, "x", " sent a"], &["got a"]], &[], 99);
    assert_eq!((found.tallies[0].too_long, found.tallies[0].without_stamp, found.pairs.len()), (1, 1, 0));
}

#[test]
fn a_line_that_matches_both_tells_of_no_message() {
    let cause = Cause::of(r"(?<id>\d+)", r"id (?<id>\d+)", Span::ZERO).expect("patterns");
    assert_eq!(cause.sent(b"id 4"), cause.received(b"id 4"));
    let causes = [cause];
    let mut search = Search::of(&causes, &[]);
    let mut log = Log::of(&b"2026-11-23T08:00:00Z\n"[..], Whose::Only(0), Hints::default());
    tell(&mut Hosts::of(vec![Default::default()]), std::slice::from_mut(&mut log), |_, told| {
        let line = crate::lines::Line { bytes: b"id 4", cut: 0 };
        search.take_in(Place::of(0, 1), &Told { line, ..*told });
        Ok(())
    })
    .expect("memory can be read");
    assert_eq!(search.end().lines, []);
}

#[test]
fn a_line_that_is_asked_for_is_itself_or_the_one_it_belongs_to() {
    let asked = [Place::of(0, 2), Place::of(0, 1), Place::of(1, 1), Place::of(1, 9)];
    let found = found(&[&["sent a", " and so on"], &[" lost", "got a"]], &asked, 99);
    assert_eq!(found.asked[0], found.asked[1]);
    assert_eq!(found.lines[found.asked[0].expect("it is there")].place, Place::of(0, 1));
    assert_eq!(found.asked[2..], [None, None]);
    assert_eq!(found.pairs.len(), 1);
}

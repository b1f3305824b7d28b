use super::pairs::{Found, Place, Search};
use super::*;
use crate::story::{Hosts, Log, tell};

fn cause(sent: &str, received: &str) -> Result<Cause, CauseError> {
    Cause::of(sent, received, Span::ZERO)
}

/// What is found in logs, which are read one after the other.
pub(super) fn found<'a>(
    mut search: Search<'_>,
    hosts: &mut Hosts,
    logs: impl IntoIterator<Item = Log<&'a [u8]>>,
) -> Found {
    for (log, mut read) in logs.into_iter().enumerate() {
        let mut number = 0;
        tell(hosts, std::slice::from_mut(&mut read), |_, told| {
            number += 1;
            search.take_in(Place::of(log, number), told);
            Ok(())
        })
        .expect("memory can be read");
    }
    search.end()
}

#[test]
fn the_key_is_what_the_named_groups_have_matched() {
    let cause = cause(r"(?<from>\w+) -> (?<id>\d+)", r"(?<id>\d+) <- (?<from>\w+)").expect("patterns");
    assert_eq!(cause.sent(b"web -> 12\xff"), cause.received(b"\xfe12 <- web"));
    assert!(cause.sent(b"web -> 12").is_some());
    assert_ne!(cause.sent(b"web -> 12"), cause.received(b"13 <- web"));
    assert_eq!(cause.sent(b"web <- 12"), None);
}

#[test]
fn no_two_keys_look_the_same() {
    let cause = cause(r"^(?<a>\w+),(?<b>\w+)$", r"^(?<a>\w+) (?<b>\w+)$").expect("patterns");
    assert_ne!(cause.sent(b"a,bc"), cause.received(b"ab c"));
}

#[test]
fn what_took_no_part_is_no_key() {
    let cause = cause(r"sent(?: id=(?<id>\d+))?", r"got (?<id>\d+)").expect("patterns");
    assert_eq!(cause.sent(b"sent something"), None);
    assert!(cause.sent(b"sent id=4").is_some());
}

#[test]
fn patterns_that_tell_of_no_pairs_say_why() {
    assert!(matches!(cause("(", "x"), Err(CauseError::Pattern(_))));
    assert_eq!(cause(r"sent (\d+)", r"(?<id>\d+)").err(), Some(CauseError::Keyless(r"sent (\d+)".into())));
    let other = cause(r"(?<id>\d+)", r"(?<key>\d+)").expect_err("other names").to_string();
    assert_eq!(other, "the names of groups differ: id where it is sent, key where it is received");
    let early = Cause::of("(?<id>x)", "(?<id>x)", Span::from_secs(-1));
    assert_eq!(early.err(), Some(CauseError::Negative));
}

use super::*;

fn cause(sent: &str, received: &str) -> Result<Cause, CauseError> {
    Cause::of(sent, received, Span::ZERO)
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

use super::*;
use proptest::prelude::*;

/// A field in its binary form.
fn bytes(name: &str, value: &[u8]) -> Vec<u8> {
    [name.as_bytes(), b"\n", &(value.len() as u64).to_le_bytes(), value, b"\n"].concat()
}

/// The beginning of an entry, so many microseconds after 2026-11-23T08:00:30Z.
fn begin(micros: u64) -> Vec<u8> {
    let boot = "0123456789abcdef0123456789abcdef";
    format!(
        "__CURSOR=s=5c;i=1\n__REALTIME_TIMESTAMP={}\n__MONOTONIC_TIMESTAMP={}\n_BOOT_ID={boot}\n_HOSTNAME=web\n",
        1_795_420_830_000_000 + micros,
        73_000_000 + micros
    )
    .into_bytes()
}

/// The lines, with the microseconds of their stamps.
fn told(stream: &[u8]) -> io::Result<Vec<(String, Option<i64>)>> {
    let mut entries = Entries::of(stream);
    let mut all = Vec::new();
    while entries.advance()? {
        let text = String::from_utf8_lossy(entries.line().bytes).into_owned();
        let micros = entries.found().map(|found| match found.stamp.reading {
            Reading::Clock(time) => time.since_epoch().as_micros() - 1_795_420_830_000_000,
            other => panic!("{other:?}"),
        });
        all.push((text, micros));
    }
    Ok(all)
}

#[test]
fn an_entry_is_a_line_with_all_that_the_journal_knows_of_its_time() {
    let fields = b"PRIORITY=6\n_COMM=nginx\nSYSLOG_IDENTIFIER=web-server\n_PID=12\nMESSAGE=accepted=yes\n\n";
    let stream = [begin(7), fields.to_vec()].concat();
    assert_eq!(told(&stream).expect("it is one"), [("web-server[12]: accepted=yes".to_owned(), Some(7))]);
    let mut entries = Entries::of(&stream[..]);
    assert!(entries.advance().expect("it is one"));
    let found = entries.found().expect("a stamp");
    assert_eq!(found.host, Some(&b"web"[..]));
    assert_eq!(found.boot, BootId::parse(b"0123456789abcdef0123456789abcdef"));
    assert_eq!(found.mono, Some(Time::from_epoch(Span::from_micros(73_000_007))));
    assert_eq!(found.stamp.resolution, Span::from_micros(1));
}

#[test]
fn a_message_of_several_lines_stays_together() {
    let stream = [
        begin(1),
        bytes("MESSAGE", b"first\nsecond\xff\0\n"),
        bytes("COREDUMP", b"\n\nMESSAGE=no\n\n"),
        b"_COMM=x\n\n".to_vec(),
        begin(2),
        b"MESSAGE=third\nMESSAGE=of which the first counts\n\n".to_vec(),
        begin(3),
    ]
    .concat();
    let expected = [
        ("x: first", Some(1)),
        ("second\u{fffd}\0", None),
        ("unknown: third", Some(2)),
        ("unknown: ", Some(3)),
    ];
    let expected = expected.map(|(text, micros)| (text.to_owned(), micros));
    assert_eq!(told(&stream).expect("it is one"), expected);
}

#[test]
fn an_entry_without_a_stamp_belongs_to_the_one_above() {
    let stream = [begin(1), b"MESSAGE=a\n\n\nMESSAGE=b\n__REALTIME_TIMESTAMP=soon\n\n".to_vec()].concat();
    let all = told(&stream).expect("it is one");
    assert_eq!(all, [("unknown: a".to_owned(), Some(1)), ("unknown: b".to_owned(), None)]);
}

#[test]
fn bad_input_163_a_message_that_is_too_long_is_cut_and_says_so() {
    let huge = vec![b'x'; 3 * LINE_MAX];
    let text = [b"MESSAGE=", &huge[..], b"\n\n"].concat();
    for message in [bytes("MESSAGE", &huge), text] {
        let stream = [begin(1), message, b"\n".to_vec(), begin(2)].concat();
        let mut entries = Entries::of(&stream[..]);
        assert!(entries.advance().expect("it is one"));
        let line = entries.line();
        assert!((LINE_MAX..LINE_MAX + 20).contains(&(line.bytes.len() + 8)), "{}", line.bytes.len());
        assert!((2 * LINE_MAX..=2 * LINE_MAX + 8).contains(&(line.cut as usize)), "{}", line.cut);
        assert!(entries.advance().expect("there is one more"));
        assert_eq!(entries.line(), Line { bytes: b"unknown: ", cut: 0 });
    }
}

#[test]
fn bad_input_163_a_length_beyond_all_measure_is_refused() {
    let stream =
        [begin(1), b"MESSAGE\n".to_vec(), u64::MAX.to_le_bytes().to_vec(), b"x\n\n".to_vec()].concat();
    let refused = told(&stream).expect_err("there is no such field");
    assert!(refused.to_string().contains("18446744073709551615"), "{refused}");
}

#[test]
fn bad_input_163_a_gigabyte_of_which_nothing_is_needed_takes_no_memory() {
    let head = [begin(1), b"COREDUMP\n".to_vec(), FIELD_MAX.to_le_bytes().to_vec()].concat();
    let stream = head.chain(io::repeat(b'\n').take(FIELD_MAX)).chain(&b"\nMESSAGE=x\n\n"[..]);
    let mut entries = Entries::of(stream);
    assert!(entries.advance().expect("it is one"));
    assert_eq!(entries.line().bytes, b"unknown: x");
    assert!(entries.text.capacity() < 1024);
}

#[test]
fn bad_input_163_a_torn_export_says_so() {
    let whole = [begin(1), b"MESSAGE=a\n\n".to_vec(), begin(2), bytes("MESSAGE", b"one\ntwo")].concat();
    assert_eq!(told(&whole).expect("its end ends the entry").len(), 3);
    let from = whole.len() - bytes("MESSAGE", b"one\ntwo").len() + b"MESSAGE\n".len();
    for end in from..whole.len() {
        let torn = told(&whole[..end]).expect_err("a field is not whole");
        assert_eq!(torn.kind(), io::ErrorKind::UnexpectedEof, "{end}");
    }
    let other = [begin(1), b"2026-11-23 another log\n".to_vec()].concat();
    let other = told(&other).expect_err("it is another file from there");
    assert!(other.to_string().contains("2026-11-23 another log is no name"), "{other}");
    let short = [begin(1), b"MESSAGE\n\x01\0\0\0\0\0\0\0xyz\n".to_vec()].concat();
    assert_eq!(told(&short).expect_err("it is longer").kind(), io::ErrorKind::InvalidData);
}

proptest! {
    #[test]
    fn bad_input_163_no_bytes_break_the_reader(tail in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = told(&tail);
        let _ = told(&[begin(1), tail].concat());
    }

    #[test]
    fn whatever_a_message_is_it_comes_out_as_it_went_in(message in proptest::collection::vec(any::<u8>(), 1..300)) {
        let stream = [begin(1), bytes("MESSAGE", &message), b"\n".to_vec()].concat();
        let mut entries = Entries::of(&stream[..]);
        let mut lines = Vec::new();
        while entries.advance().expect("it is one") {
            lines.push(entries.line().bytes.to_vec());
        }
        let mut expected = b"unknown: ".to_vec();
        expected.extend_from_slice(message.strip_suffix(b"\n").unwrap_or(&message));
        prop_assert_eq!(lines.join(&b"\n"[..]), expected);
    }
}

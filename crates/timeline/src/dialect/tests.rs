use super::*;
use crate::stamp::{Reading, Wall};
use proptest::prelude::*;
use truechimer_time::Civil;

fn read(line: &str) -> Found<'_> {
    let found = Linguist::default().read(line.as_bytes());
    found.unwrap_or_else(|| panic!("no stamp is found in {line}"))
}

/// What the line says the clock showed.
fn clock(line: &str) -> (Dialect, String, Span) {
    let Found { dialect, stamp, .. } = read(line);
    let Reading::Clock(time) = stamp.reading else { panic!("{line}: {stamp:?}") };
    (
        dialect.expect("it is a line"),
        Civil::of(Time::from_epoch(time.since_epoch())).to_string(),
        stamp.resolution,
    )
}

fn wall(line: &str) -> (Dialect, Wall, Span) {
    let Found { dialect, stamp, .. } = read(line);
    let Reading::Wall(wall) = stamp.reading else { panic!("{line}: {stamp:?}") };
    (dialect.expect("it is a line"), wall, stamp.resolution)
}

fn host(line: &str) -> Option<&str> {
    read(line).host.map(|name| str::from_utf8(name).expect("a name in UTF-8"))
}

const SECOND: Span = Span::from_secs(1);
const MILLI: Span = Span::from_millis(1);
const MICRO: Span = Span::from_micros(1);
const NANO: Span = Span::from_nanos(1);

#[test]
fn dates_in_full_are_read() {
    let cases = [
        ("2026-11-23T08:31:23Z x", Dialect::Plain, "2026-11-23T08:31:23Z", SECOND),
        (
            "2026-11-23T09:31:23.123456+01:00 h app[1]: x",
            Dialect::Plain,
            "2026-11-23T08:31:23.123456Z",
            MICRO,
        ),
        ("2026-11-23 08:31:23,123 +0000 INFO x", Dialect::Plain, "2026-11-23T08:31:23.123Z", MILLI),
        ("[2026-11-23 08:31:23.123 UTC] LOG: x", Dialect::Plain, "2026-11-23T08:31:23.123Z", MILLI),
        ("2026-11-22T22:31:23-1000 x", Dialect::Plain, "2026-11-23T08:31:23Z", SECOND),
        (
            "<34>1 2026-11-23T08:31:23.003Z h su - ID47 - x",
            Dialect::Syslog,
            "2026-11-23T08:31:23.003Z",
            MILLI,
        ),
        (
            "1.2.3.4 - [a] [23/Nov/2026:09:31:23 +0100] \"GET /\"",
            Dialect::Access,
            "2026-11-23T08:31:23Z",
            SECOND,
        ),
        (
            r#"{"timeUnixNano":"1795422683123456789","a":{"b":[1]}}"#,
            Dialect::Json,
            "2026-11-23T08:31:23.123456789Z",
            NANO,
        ),
        (r#"{"level":30,"time":1795422683123,"msg":"x"}"#, Dialect::Json, "2026-11-23T08:31:23.123Z", MILLI),
        (
            r#"{"ts":1795422683.25,"msg":"x"}"#,
            Dialect::Json,
            "2026-11-23T08:31:23.25Z",
            Span::from_millis(10),
        ),
        (
            r#"{"msg":"x","@timestamp":"2026-11-23T08:31:23.123Z"}"#,
            Dialect::Json,
            "2026-11-23T08:31:23.123Z",
            MILLI,
        ),
    ];
    for (line, dialect, text, resolution) in cases {
        assert_eq!(clock(line), (dialect, text.to_owned(), resolution), "{line}");
    }
}

#[test]
fn what_has_no_zone_or_no_year_is_a_reading_of_a_wall() {
    let morning = Span::from_secs(8 * 3600 + 31 * 60 + 23);
    let november = |year, time_of_day| Wall { year, month: 11, day: 23, time_of_day };
    let cases = [
        ("Nov 23 08:31:23 h app: x", Dialect::Bsd, november(None, morning), SECOND),
        ("<13>Nov 23 08:31:23 h app: x", Dialect::Bsd, november(None, morning), SECOND),
        ("Nov 23 2026 08:31:23 h app: x", Dialect::Bsd, november(Some(2026), morning), SECOND),
        (
            "2026-11-23 08:31:23,500 INFO x",
            Dialect::Plain,
            november(Some(2026), morning + MILLI * 500),
            MILLI,
        ),
        ("2026/11/23 08:31:23 [error] 1#0: x", Dialect::Plain, november(Some(2026), morning), SECOND),
        (
            "[Mon Nov 23 08:31:23.5 2026] [core:error] x",
            Dialect::Plain,
            november(Some(2026), morning + MILLI * 500),
            MILLI * 100,
        ),
        ("I1123 08:31:23.500000   12 a.go:3] x", Dialect::Klog, november(None, morning + MILLI * 500), MICRO),
        (
            "I20261123 08:31:23.500000   12 a.cc:3] x",
            Dialect::Klog,
            november(Some(2026), morning + MILLI * 500),
            MICRO,
        ),
    ];
    for (line, dialect, shown, resolution) in cases {
        assert_eq!(wall(line), (dialect, shown, resolution), "{line}");
    }
    assert_eq!(wall("Nov  3 08:31:23 h x").1.day, 3);
}

#[test]
fn labels_and_boot_times_are_what_they_are() {
    let found = read("@4000000037c219bf2ef02e94 x");
    let label =
        Reading::Label(Time::from_epoch(Span::from_secs(935_467_455) + Span::from_nanos(787_492_500)));
    assert_eq!((found.dialect, found.stamp.reading), (Some(Dialect::Label), label));
    let since = |line| match read(line).stamp.reading {
        Reading::SinceBoot(time) => time.since_epoch().to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(since("[    0.000000] Linux version"), "0");
    assert_eq!(since("<6>[12345.678901] x"), "12345.678901");
    assert_eq!(since("[12345.678901][    T1] x"), "12345.678901");
}

#[test]
fn a_second_60_is_one() {
    let Reading::LeapSecond(time) = read("2016-12-31T23:59:60.5Z x").stamp.reading else {
        panic!("not told")
    };
    assert_eq!(time.since_epoch(), Span::from_secs(1_483_228_800) + Span::from_millis(500));
    assert_eq!(Linguist::default().read(b"2016-12-31T23:59:61Z x"), None);
}

#[test]
fn hosts_are_where_dialects_have_them() {
    assert_eq!(host("<34>1 2026-11-23T08:31:23Z web.example su - - - x"), Some("web.example"));
    assert_eq!(host("<34>1 2026-11-23T08:31:23Z - su - - - x"), None);
    assert_eq!(host("Nov 23 08:31:23 web su: x"), Some("web"));
    assert_eq!(host("Nov 23 08:31:23 su: x"), None, "what macOS's applications write");
    assert_eq!(host("2026-11-23T08:31:23.123456+00:00 web su[12]: x"), Some("web"));
    assert_eq!(host("2026-11-23T08:31:23.123456+00:00 ERROR main: x"), None);
    assert_eq!(host("2026-11-23 08:31:23 web su: x"), None);
    assert_eq!(host(r#"{"time":"2026-11-23T08:31:23Z","host":{"ip":"::1","name":"web"}}"#), Some("web"));
    assert_eq!(host(r#"{"time":"2026-11-23T08:31:23Z","hostname":"web"}"#), Some("web"));
}

#[test]
fn the_journal_tells_clock_and_monotonic_time_of_a_boot() {
    let line = r#"{"__REALTIME_TIMESTAMP":"1795422683123456","_BOOT_ID":"0123456789abcdef0123456789abcdef",
        "__MONOTONIC_TIMESTAMP":"5000001","_HOSTNAME":"web","MESSAGE":[1,2]}"#;
    let found = read(line);
    assert_eq!(found.mono, Some(Time::from_epoch(Span::from_micros(5_000_001))));
    assert_eq!(found.boot, BootId::parse(b"01234567-89ab-cdef-0123-456789abcdef"));
    assert_eq!(found.boot.map(|boot| boot.to_string()).as_deref(), Some("0123456789abcdef0123456789abcdef"));
    assert_eq!(found.stamp.resolution, MICRO);
}

#[test]
fn what_a_host_claims_of_its_clock_is_kept() {
    let claim = |data: &str| read(&format!("<34>1 2026-11-23T08:31:23Z h su 1 - {data} x")).claim;
    let accuracy = Some(Span::from_micros(60_000_000));
    let told = r#"[timeQuality tzKnown="1" isSynced="1" syncAccuracy="60000000"]"#;
    assert_eq!(claim(told), Some(Claim { is_synced: true, accuracy }));
    assert_eq!(claim(r#"[timeQuality isSynced="0"]"#), Some(Claim { is_synced: false, accuracy: None }));
    assert_eq!(claim("-"), None);
    assert_eq!(claim(r#"[x@1 a="]"][timeQuality tzKnown="0"]"#), None);
}

#[test]
fn lines_that_only_look_like_it_have_no_stamp() {
    let lines = [
        "",
        "@",
        "@4000000037c219bf2ef02e9 one digit short",
        "    at java.base/java.lang.Thread.run(Thread.java:833)",
        "[1] 4242",
        "[12.5] of something",
        "Nov 23 x",
        "Nov 31 25:00:00 h x",
        "2026-13-23T08:31:23Z x",
        "2026-02-30T08:31:23Z x",
        "{\"time\":\"tomorrow\"}",
        "{\"time\":17}",
        "{not json",
        "<192>1 2026-11-23T08:31:23Z h a - - - x",
        "GET /[23/Nov/2026:08:31:23] x",
    ];
    for line in lines {
        assert_eq!(Linguist::default().read(line.as_bytes()), None, "{line}");
    }
}

#[test]
fn a_file_may_change_its_dialect() {
    let mut linguist = Linguist::default();
    let mut dialect = |line: &[u8]| linguist.read(line).and_then(|found| found.dialect);
    assert_eq!(dialect(b"Nov 23 08:31:23 h x"), Some(Dialect::Bsd));
    assert_eq!(dialect(b"   and so on"), None);
    assert_eq!(dialect(b"2026-11-23T08:31:23Z x"), Some(Dialect::Plain));
}

proptest! {
    #[test]
    fn bad_input_163_no_line_breaks_a_dialect(line in proptest::collection::vec(any::<u8>(), 0..200)) {
        for dialect in Dialect::ALL {
            let _ = dialect.read(&line);
        }
    }

    #[test]
    fn bad_input_163_nothing_that_resembles_a_stamp_breaks_a_dialect(
        line in "(<[0-9]{1,4}>)?[@\\[{]?[0-9JFMASOND]{1,25}[-/ :\",.TZa-z0-9]{0,30}[\\]}]?.{0,20}",
    ) {
        for dialect in Dialect::ALL {
            let _ = dialect.read(line.as_bytes());
        }
    }

    #[test]
    fn every_moment_is_read_as_it_was_written(seconds in 0i64..4_000_000_000, micros in 0i64..1_000_000) {
        let time = Time::from_epoch(Span::from_secs(seconds) + Span::from_micros(micros));
        let line = format!("{:.6} x", Civil::of(time));
        let found = Dialect::Plain.read(line.as_bytes()).expect("it is one");
        prop_assert_eq!(found.stamp.reading, Reading::Clock(Time::from_epoch(time.since_epoch())));
    }
}

/// A date of the same second is not read again; what comes after it is.
#[test]
fn a_second_that_was_read_before_changes_nothing() {
    let lines: [&[u8]; 9] = [
        b"2026-11-23T08:31:23.123456Z a",
        b"2026-11-23T08:31:23.5+01:00 b",
        b"2026-11-23T08:31:23 c",
        b"2026-11-23 08:31:23,7 d",
        b"2026-12-31T23:59:60.25Z e",
        b"2026-12-31T23:59:60-05:00 f",
        b"2026-02-31T00:00:00Z g",
        b"2026-02-31T00:00:00 h",
        b"<34>1 2026-11-23T08:31:23.5Z host app 12 - - i",
    ];
    let mut linguist = Linguist::default();
    for line in lines.iter().chain(lines.iter().rev()).chain([&lines[0], &lines[0], &lines[6], &lines[6]]) {
        let alone = Linguist::default().read(line);
        assert_eq!(linguist.read(line), alone, "{}", String::from_utf8_lossy(line));
    }
}

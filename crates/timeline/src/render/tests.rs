use super::*;
use crate::shown::Hints;
use crate::story::{Host, Log, Whose, tell};
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

const LOGS: [&str; 3] = [
    "2026-11-23T08:00:00.000000Z accepted\n    from 10.0.0.1, \"twice\"\n2026-11-23T08:10:00.000000Z closed\n",
    "<34>1 2026-11-23T08:00:00.000400Z db su - - - begin\n",
    "Nov 23 08:00:01 old cron: nobody knows\n",
];

fn hosts() -> Hosts {
    let host = |name: &str, assumed| Host { name: name.into(), assumed, ..Host::default() };
    let mut hosts = vec![
        host("web", Some(Span::from_micros(900))),
        host("db", Some(Span::from_micros(300))),
        host("old", None),
    ];
    hosts[2].habits.zone = Some(TimeZone::UTC);
    Hosts::of(hosts)
}

fn written(form: Form) -> String {
    told(form, &LOGS)
}

fn told(form: Form, texts: &[&str]) -> String {
    let mut hosts = hosts();
    let names: Vec<String> = ["web.log", "db.log", "old.log"].map(str::to_owned).into();
    let look = Look {
        form,
        scale: Scale::Utc,
        gap: Some(Span::from_secs(60)),
        why: false,
        colours: false,
        words: Words {
            span: |span| format!("{} s", span.as_micros() / 1_000_000),
            bound: |span| format!("± {} µs", span.as_micros()),
        },
    };
    let mut bytes = Vec::new();
    let mut writer = Writer::begin(&mut bytes, &look, &hosts, &names).expect("memory");
    let hints = Hints { year: Some(2026), labels: None };
    let mut logs: Vec<Log<&[u8]>> = texts
        .iter()
        .enumerate()
        .map(|(at, text)| Log::of(text.as_bytes(), Whose::Mostly(at), hints))
        .collect();
    tell(&mut hosts, &mut logs, |hosts, told| writer.tell(hosts, told)).expect("memory can be read");
    writer.end().expect("memory");
    String::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn people_see_when_how_sure_whose_and_what_nobody_can_order() {
    let expected = r#" 2026-11-23T08:00:00.000000Z ± 900 µs   web ┌ 2026-11-23T08:00:00.000000Z accepted
                                                  from 10.0.0.1, "twice"
 2026-11-23T08:00:00.000400Z ± 300 µs   db  │ <34>1 2026-11-23T08:00:00.000400Z db su - - - begin
~2026-11-23T08:00:01.500000Z ± ?        old │ Nov 23 08:00:01 old cron: nobody knows
 2026-11-23T08:10:00.000000Z ± 900 µs   web └ 2026-11-23T08:10:00.000000Z closed
"#;
    assert_eq!(written(Form::Text), expected);
}

#[test]
fn a_host_that_a_line_names_makes_room_for_itself_up_to_a_limit() {
    let line =
        |second: u32, host: &str| format!("<34>1 2026-11-23T08:00:0{second}.000000Z {host} su - - - x\n");
    let text =
        [line(0, "db"), line(1, "longer"), line(2, "db"), line(3, &"l".repeat(100)), line(4, "db")].concat();
    let told = told(Form::Text, &[&text]);
    let column = |line: &str| line.split('<').next().map_or(0, |head| head.chars().count());
    let columns: Vec<usize> = told.lines().map(column).collect();
    let first = columns[0];
    assert_eq!(columns[1..], [first + 3, first + 3, first + 29 + 68, first + 29], "{told}");
}

#[test]
fn programs_see_all_that_is_known() {
    let text = written(Form::Json);
    let rows: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    assert_eq!(rows.len(), 5);
    assert_eq!(rows[0]["earliest"], "2026-11-23T07:59:59.999100000Z");
    assert_eq!(
        (&rows[0]["host"], &rows[0]["evidence"], &rows[0]["log"]),
        (&"web".into(), &"told".into(), &"web.log".into())
    );
    assert_eq!(
        (&rows[1]["time"], &rows[1]["line"]),
        (&serde_json::Value::Null, &"    from 10.0.0.1, \"twice\"".into())
    );
    let old = rows.iter().find(|row| row["host"] == "old").expect("it is there");
    assert_eq!((&old["time"], &old["clock"]), (&serde_json::Value::Null, &"2026-11-23T08:00:01Z".into()));
}

#[test]
fn commas_and_quotes_stay_in_their_column() {
    let text = written(Form::Csv);
    let lines: Vec<&str> = text.split("\r\n").collect();
    assert_eq!(lines[0], "time,earliest,latest,bound,evidence,doubt,clock,host,log,line");
    assert_eq!(lines[2], ",,,,,,,web,web.log,\"    from 10.0.0.1, \"\"twice\"\"\"");
}

#[test]
fn the_standards_own_field_says_how_right_the_time_is() {
    let text = written(Form::Syslog);
    assert!(text.lines().all(|line| line.starts_with("<13>1 ")), "{text}");
    let line = text.lines().find(|line| line.contains("begin")).expect("it is there");
    assert!(line.contains(r#" db - - - [timeQuality tzKnown="1" isSynced="1" syncAccuracy="30"#), "{line}");
    let old = text.lines().find(|line| line.contains("nobody")).expect("it is there");
    assert!(old.starts_with("<13>1 - old ") && old.contains(r#"isSynced="0""#), "{old}");
}

#[test]
fn a_trace_is_one_document() {
    let trace: serde_json::Value = serde_json::from_str(&written(Form::Trace)).expect("a document");
    let events = trace["traceEvents"].as_array().expect("events");
    let bars: Vec<_> = events.iter().filter(|event| event["ph"] == "X").collect();
    assert_eq!((bars.len(), &trace["otherData"]["lines_without_evidence"]), (3, &2.into()));
    assert!((bars[0]["dur"].as_f64().expect("a number") - 1801.0).abs() < 2.0, "{:?}", bars[0]);
}

/// The blocks of data in a page: its lines, and what it knows beside them.
fn data(page: &str) -> (Vec<serde_json::Value>, serde_json::Value) {
    let block = |text: &str| -> serde_json::Value {
        let (data, _) = text.split_once("</script>").expect("an end");
        serde_json::from_str(data).expect("JSON")
    };
    let parts = page.split("<script type=\"application/json\" class=\"lines\">").skip(1);
    let lines = parts.flat_map(|part| block(part).as_array().expect("lines").clone()).collect();
    let (_, about) = page.split_once("<script type=\"application/json\" id=\"about\">").expect("it is there");
    (lines, block(about))
}

#[test]
fn a_page_has_all_that_is_known_of_each_line() {
    let (lines, about) = data(&written(Form::Html));
    assert_eq!(lines.len(), 5);
    assert_eq!(about["hosts"], serde_json::json!(["web", "db", "old"]));
    // 08:00 in UTC, of the day's midnight in TAI.
    assert_eq!(about["base"], 1_795_392_000 + 37);
    let eight = 8 * 3600;
    let clock = 1_795_392_000 + eight;
    let first = serde_json::json!([
        0,
        0,
        0,
        0,
        "2026-11-23T08:00:00.000000Z accepted",
        eight - 1,
        999_100_000,
        900_500,
        1_801_000,
        clock,
        0,
        1000,
        -1,
        4,
        -1
    ]);
    assert_eq!(lines[0], first);
    assert_eq!(lines[1], serde_json::json!([0, 0, 3, 0, "    from 10.0.0.1, \"twice\"", -1]));
    let old = lines.iter().find(|line| line[0] == 2).expect("it is there");
    assert_eq!((&old[2], &old[13]), (&1.into(), &serde_json::json!(-1)), "only the word of its clock: {old}");
    assert_eq!((&about["left_out"], &about["gap"]), (&serde_json::Value::Null, &60.0.into()));
}

#[test]
fn bad_input_171_markup_in_a_line_stays_text() {
    let evil = "2026-11-23T08:00:00Z </script><script>alert(1)</script><!-- <img src=x onerror=alert(2)> \u{2028} &lt;\n";
    let page = told(Form::Html, &[evil]);
    assert_eq!(page.matches("alert(").count(), 2, "it is there, as text");
    assert!(
        !page.contains("<script>alert") && !page.contains("<img") && !page.contains("</script><script>a")
    );
    let (lines, _) = data(&page);
    assert_eq!(lines[0][4], evil.trim_end_matches('\n'));
    for door in [
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "document.write",
        "eval(",
        "new Function",
        "http://",
        "fetch(",
    ] {
        assert!(!page.contains(door), "{door}");
    }
    assert!(page.contains("default-src 'none'"), "nothing is asked of anybody");
    assert!(
        page.contains("Copyright (c) 2022 Leon Sorokin"),
        "the licence of the chart library wants its notice in every copy"
    );
}

#[test]
fn a_page_without_lines_is_one_too() {
    let (lines, about) = data(&told(Form::Html, &[]));
    assert_eq!((lines.len(), &about["hosts"]), (0, &serde_json::json!([])));
}

#[test]
fn a_page_says_what_it_has_left_out() {
    let line = |second: u32| {
        format!("2026-11-23T{:02}:{:02}:{:02}Z x\n", second / 3600, second / 60 % 60, second % 60)
    };
    // A day has 86,400 of them; the rest is of its last second.
    let log: String = (0..100_007).map(|second| line(second.min(86_399))).collect();
    let (lines, about) = data(&told(Form::Html, &[&log]));
    assert_eq!((lines.len(), &about["left_out"]["lines"]), (100_000, &7.into()));
    let last = 1_795_392_000 + 37 + 86_399;
    assert_eq!(about["left_out"]["from"], serde_json::json!([last, 500_000_000]));
}

#[test]
fn a_long_line_is_cut_in_a_page() {
    let log = format!("2026-11-23T08:00:00Z {}\n", "x".repeat(10_000));
    let (lines, _) = data(&told(Form::Html, &[&log]));
    assert_eq!((lines[0][4].as_str().map(str::len), &lines[0][3]), (Some(8192), &(10_021 - 8192).into()));
}

#[test]
fn the_chart_library_is_the_one_that_is_named() {
    let readme = include_str!("../../vendor/uplot/README.md");
    for file in [
        &include_bytes!("../../vendor/uplot/uPlot.iife.min.js")[..],
        include_bytes!("../../vendor/uplot/uPlot.min.css"),
    ] {
        let sum: String = Sha256::digest(file).iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(readme.contains(&sum), "{sum}");
    }
}

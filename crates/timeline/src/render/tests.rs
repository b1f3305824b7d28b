use super::*;
use crate::shown::Hints;
use crate::story::{Host, Log, Whose, tell};
use jiff::tz::TimeZone;

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
    let mut hosts = hosts();
    let names: Vec<String> = ["web.log", "db.log", "old.log"].map(str::to_owned).into();
    let look = Look {
        form,
        scale: Scale::Utc,
        gap: Some(Span::from_secs(60)),
        colours: false,
        words: Words {
            span: |span| format!("{} s", span.as_micros() / 1_000_000),
            bound: |span| format!("± {} µs", span.as_micros()),
        },
    };
    let mut bytes = Vec::new();
    let mut writer = Writer::begin(&mut bytes, &look, &hosts, &names).expect("memory");
    let hints = Hints { year: Some(2026), labels: None };
    let mut logs: Vec<Log<&[u8]>> = LOGS
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

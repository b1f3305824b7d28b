//! Logs, journals and captures of anybody, and evidence of clocks, as one story.

use truechimer_time::Span;
use truechimer_timeline::course::{Course, Triples};
use truechimer_timeline::evidence::chrony::Tracking;
use truechimer_timeline::evidence::measured::Measurements;
use truechimer_timeline::evidence::ntpd::Rawstats;
use truechimer_timeline::evidence::peerstats::Peerstats;
use truechimer_timeline::interval::Order;
use truechimer_timeline::lines::LINE_MAX;
use truechimer_timeline::records::Records;
use truechimer_timeline::render::{Form, Look, Scale, Words, Writer};
use truechimer_timeline::shown::Hints;
use truechimer_timeline::stamp::Reading;
use truechimer_timeline::story::{Host, Hosts, Log, StoryError, Told, When, Whose, tell};

/// What parts the evidence from the first log, and one log from the next.
const MARK: &[u8] = b"\n%%\n";

/// So right the servers of an ntpd are that does not say it.
const WITHIN: Span = Span::from_millis(10);

/// A byte for the form, what chronyd or ntpd wrote, and the logs: told twice, it is the same, and nothing in it contradicts itself.
pub fn timeline(data: &[u8]) {
    let Some((form, data)) = data.split_first() else { return };
    let mut parts = parts(data).into_iter();
    let evidence = parts.next().unwrap_or_default();
    let logs: Vec<&[u8]> = parts.take(4).collect();
    let host = Host { name: "host".to_owned(), course: course(evidence, &logs), ..Host::default() };
    for stretch in host.course.stretches() {
        let knots = stretch.knots();
        assert!(knots.is_sorted_by_key(|knot| knot.reading), "{knots:?}");
        assert!(knots.iter().all(|knot| knot.truth.earliest <= knot.truth.latest), "{knots:?}");
    }
    let once = story(*form, &host, &logs);
    assert_eq!(once, story(*form, &host, &logs), "the same input is the same bytes");
}

fn parts(data: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let mut rest = data;
    while let Some(at) = rest.windows(MARK.len()).position(|window| window == MARK) {
        parts.push(&rest[..at]);
        rest = &rest[at + MARK.len()..];
    }
    parts.push(rest);
    parts
}

/// The course of a clock by what chronyd or ntpd wrote of it, and by what the journals among the logs tell.
fn course(evidence: &[u8], logs: &[&[u8]]) -> Course {
    let (mut tracking, mut measurements) = (Tracking::default(), Measurements::default());
    let mut rawstats = Rawstats::within(Some(WITHIN));
    let (mut peerstats, mut triples) = (Peerstats::within(WITHIN), Triples::default());
    for line in evidence.split(|byte| *byte == b'\n') {
        tracking.take_in(line);
        measurements.take_in(line);
        rawstats.take_in(line);
        peerstats.take_in(line);
    }
    for log in logs {
        let mut records = Records::of(*log);
        while let Ok(true) = records.advance() {
            if let Some(found) = records.found()
                && let (Reading::Clock(reading), Some(boot), Some(mono)) =
                    (found.stamp.reading, found.boot, found.mono)
            {
                triples.take_in(boot, mono, reading);
            }
        }
    }
    let (course, _contradictions) = match (rawstats.is_empty(), peerstats.is_empty()) {
        (false, _) => rawstats.course(triples),
        (true, false) => peerstats.course(triples),
        (true, true) => tracking.course(measurements, triples),
    };
    course
}

fn story(form: u8, host: &Host, logs: &[&[u8]]) -> Vec<u8> {
    let names: Vec<String> = (0..logs.len()).map(|at| format!("log {at}")).collect();
    let hints = Hints { year: Some(2026), labels: None };
    let mut logs: Vec<Log<&[u8]>> = logs.iter().map(|log| Log::of(*log, Whose::Mostly(0), hints)).collect();
    let mut hosts = Hosts::of(vec![host.clone()]);
    let mut out = Vec::new();
    let forms = [Form::Text, Form::Json, Form::Csv, Form::Syslog, Form::Trace];
    let words = Words { span: |span| span.to_string(), bound: |span| span.to_string() };
    let look = Look {
        form: forms[usize::from(form) % forms.len()],
        scale: if form < 128 { Scale::Utc } else { Scale::Tai },
        gap: Some(Span::from_secs(60)),
        why: form.is_multiple_of(2),
        colours: false,
        words,
    };
    let mut writer = Writer::begin(&mut out, &look, &hosts, &names).expect("memory takes it");
    let mut above: Option<(usize, When)> = None;
    let told = tell(&mut hosts, &mut logs, |hosts, told| {
        is_sound(told, &mut above);
        writer.tell(hosts, told)
    });
    assert!(!matches!(told, Err(StoryError::Listener(_))), "memory takes it");
    writer.end().expect("memory takes it");
    if let (Form::Json, Ok(())) = (look.form, &told) {
        let rows = out.split(|byte| *byte == b'\n').filter(|row| !row.is_empty());
        rows.for_each(|row| assert!(serde_json::from_slice::<serde_json::Value>(row).is_ok()));
    }
    out
}

/// A line is no longer than any, and its order to the one above it is the same from both sides.
fn is_sound(told: &Told<'_>, above: &mut Option<(usize, When)>) {
    // A journal's line has the name of its program before the message.
    assert!(told.line.bytes.len() <= LINE_MAX + 1024, "{}", told.line.bytes.len());
    let Some(when) = told.when else { return };
    let interval = told.interval();
    assert!(interval.earliest <= interval.latest, "{interval:?}");
    if let Some((host, when)) = above.replace((told.host, when)) {
        let other = Told { log: 0, host, line: told.line, when: Some(when) };
        let turned = match told.order(&other) {
            Order::Before => Order::After,
            Order::After => Order::Before,
            Order::Concurrent => Order::Concurrent,
        };
        assert_eq!(other.order(told), turned);
    }
}

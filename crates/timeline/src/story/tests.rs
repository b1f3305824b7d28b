use super::*;
use crate::course::{Knot, Rates, Stretch};
use crate::dialect::Linguist;
use jiff::tz::TimeZone;
use truechimer_time::Civil;

fn seconds(text: &str) -> Span {
    let civil: Civil = text.parse().expect("a date");
    civil.time().expect("it is").since_epoch()
}

/// A host whose clock was ahead of true time by so much, known to a millisecond, in November 2026.
fn host(name: &str, ahead: f64) -> Host {
    let knot = |text| {
        let utc = seconds(text);
        let truth =
            Interval::within(LeapTable::COMPILED.tai_of_utc(Time::from_epoch(utc)), Span::from_millis(1));
        let reading = Time::from_epoch(utc + Span::from_seconds(ahead));
        let rates = Rates { min: truechimer_time::Rate::ZERO, max: truechimer_time::Rate::ZERO };
        Knot { reading, truth, rates, held: None, aside: Span::ZERO, evidence: Evidence::History }
    };
    let stretch = Stretch::of(vec![knot("2026-11-01T00:00:00Z"), knot("2026-12-01T00:00:00Z")]);
    let habits = Habits { zone: Some(TimeZone::UTC), ..Habits::default() };
    Host { name: name.into(), course: Course::of(stretch), habits, assumed: None }
}

/// The story as text: log, line, and when it was at most.
fn story(hosts: &[Host], texts: &[&'static str]) -> Vec<String> {
    let hints = Hints { year: Some(2026), labels: None };
    let whose = |at: usize| Whose::Mostly(at.min(hosts.len() - 1));
    let mut logs: Vec<Log<&[u8]>> =
        texts.iter().enumerate().map(|(at, text)| Log::of(text.as_bytes(), whose(at), hints)).collect();
    let mut told = Vec::new();
    tell(&mut Hosts::of(hosts.to_vec()), &mut logs, |hosts, line| {
        let text = String::from_utf8_lossy(line.line.bytes).into_owned();
        told.push(format!("{} {text}", hosts.host(line.host).name));
        Ok(())
    })
    .expect("memory can be read");
    told
}

#[test]
fn lines_are_read_in_the_order_in_which_they_were_written() {
    let hosts = [host("fast", 281.0), host("right", 0.0)];
    let told = story(
        &hosts,
        &[
            "2026-11-23T08:04:41Z first\n2026-11-23T08:04:43Z third\n    and so on\n",
            "2026-11-23T08:00:01Z second\n2026-11-23T08:00:03Z fourth\n",
        ],
    );
    let words: Vec<&str> = told.iter().filter_map(|line| line.split_whitespace().last()).collect();
    assert_eq!(words, ["first", "second", "third", "on", "fourth"]);
}

#[test]
fn bad_input_164_lines_of_one_log_stay_as_they_were() {
    let hosts = [host("one", 0.0), host("other", 0.0)];
    let told = story(
        &hosts,
        &[
            "2026-11-23T08:00:05Z a\n2026-11-23T08:00:01Z b\n2026-11-23T08:00:06Z c\n",
            "2026-11-23T08:00:03Z d\n",
        ],
    );
    let words: Vec<&str> = told.iter().filter_map(|line| line.split_whitespace().last()).collect();
    assert_eq!(words, ["d", "a", "b", "c"]);
}

#[test]
fn bad_input_165_a_false_order_is_never_claimed() {
    let hosts = [host("fast", 281.0), host("right", 0.0), Host { name: "unknown".into(), ..host("", 0.0) }];
    let hosts = [hosts[0].clone(), hosts[1].clone(), Host { course: Course::default(), ..hosts[2].clone() }];
    let whens = |host: usize, line: &str| {
        let found = Linguist::default().read(line.as_bytes()).expect("a stamp");
        (host, hosts[host].when(&found, Hints::default()))
    };
    let order = |one: (usize, When), other: (usize, When)| {
        let told = |(host, when)| Told { log: 0, host, line: Line { bytes: b"", cut: 0 }, when: Some(when) };
        told(one).order(&told(other))
    };
    let fast = whens(0, "2026-11-23T08:04:41.000Z x");
    let right = whens(1, "2026-11-23T08:00:00.500Z x");
    assert_eq!(order(fast, right), Order::Before);
    assert_eq!(order(right, fast), Order::After);
    let near = whens(1, "2026-11-23T08:00:00.001Z x");
    assert_eq!(order(fast, near), Order::Concurrent, "a millisecond is not told by bounds of one each");
    let later = whens(0, "2026-11-23T08:04:41.001Z x");
    assert_eq!(order(fast, later), Order::Before, "the same clock tells");
    assert_eq!(
        order(fast, whens(0, "2026-11-23T08:04:41Z x")),
        Order::Concurrent,
        "its last digit counts seconds"
    );
    let unknown = whens(2, "2020-01-01T00:00:00Z x");
    assert_eq!(unknown.1.truth, None);
    assert_eq!(order(unknown, right), Order::Concurrent);
}

#[test]
fn what_a_line_claims_or_a_user_says_is_believed_where_there_is_nothing_better() {
    let bare = Host { name: "bare".into(), ..Host::default() };
    let when = |host: &Host, line: &str| {
        host.when(&Linguist::default().read(line.as_bytes()).expect("a stamp"), Hints::default())
    };
    let line = |quality: &str| format!("<34>1 2026-11-23T08:00:00.000000Z bare su - - {quality} x");
    let claims = when(&bare, &line(r#"[timeQuality tzKnown="1" isSynced="1" syncAccuracy="60000"]"#))
        .truth
        .expect("it claims");
    assert_eq!((claims.evidence, claims.interval.bound().as_micros()), (Evidence::Claim, 60_000));
    assert_eq!(when(&bare, &line(r#"[timeQuality isSynced="0" syncAccuracy="60000"]"#)).truth, None);
    let believed = Host { assumed: Some(Span::from_secs(1)), ..bare };
    let said = when(&believed, &line("-")).truth.expect("the user says");
    assert_eq!((said.evidence, said.interval.bound().as_micros()), (Evidence::Told, 1_000_000));
}

#[test]
fn hosts_that_lines_tell_are_known_by_name() {
    let hosts = [host("one", 0.0), host("other", 0.0)];
    let told = story(
        &hosts,
        &["<34>1 2026-11-23T08:00:00Z other su - - - x\n<34>1 2026-11-23T08:00:01Z - su - - - y\n"],
    );
    assert!(told[0].starts_with("other ") && told[1].starts_with("one "), "{told:?}");
}

#[test]
fn what_belongs_to_a_line_is_of_the_host_of_that_line() {
    let hosts = [host("one", 0.0), host("other", 0.0)];
    let told = story(&hosts, &["<34>1 2026-11-23T08:00:00Z other su - - - x\n  and so on\n"]);
    assert!(told[0].starts_with("other ") && told[1].starts_with("other "), "{told:?}");
}

#[test]
fn who_is_not_known_has_no_clock_but_its_own() {
    let hosts = [host("one", 0.0)];
    let line = |name: &str, time: &str| format!("<34>1 2026-11-23T{time}Z {name} su - - - x\n");
    let text =
        [line("one", "08:00:00"), line("stranger", "09:00:00"), line("one.example.com", "08:00:01")].concat();
    let hints = Hints::default();
    let mut logs = [
        Log::of(text.as_bytes(), Whose::Mostly(0), hints),
        Log::of(&b"2026-11-23T08:00:05Z y\n"[..], Whose::Only(0), hints),
    ];
    let mut told = Vec::new();
    tell(&mut Hosts::of(hosts.to_vec()), &mut logs, |hosts, line| {
        told.push((hosts.host(line.host).name.clone(), line.interval().is_bounded()));
        Ok(())
    })
    .expect("memory can be read");
    let told: Vec<(&str, bool)> = told.iter().map(|(name, known)| (name.as_str(), *known)).collect();
    assert_eq!(told, [("one", true), ("stranger", false), ("one", true), ("one", true)]);
}

#[test]
fn bad_input_155_names_without_end_are_others() {
    let mut hosts = Hosts::default();
    for number in 0..HOSTS_MAX + 10 {
        hosts.named(format!("host{number}").as_bytes());
    }
    assert_eq!(hosts.all().len(), HOSTS_MAX + 1);
    let late = hosts.named(b"one more");
    assert_eq!(hosts.host(late).name, "others");
}

#[test]
fn a_listener_that_fails_ends_the_story() {
    let mut hosts = Hosts::of(vec![host("one", 0.0)]);
    let mut logs = [Log::of(&b"2026-11-23T08:00:00Z x\n"[..], Whose::Only(0), Hints::default())];
    let ended = tell(&mut hosts, &mut logs, |_, _| Err(io::ErrorKind::BrokenPipe.into()));
    assert!(matches!(ended, Err(StoryError::Listener(_))));
}

#[test]
fn a_label_with_a_bound_is_true_time_whatever_the_clock_was() {
    let fast = host("fast", 281.0);
    let truth = |line: &str| {
        let found = Linguist::default().read(line.as_bytes()).expect("a stamp");
        fast.when(&found, Hints::default()).truth.expect("evidence")
    };
    let said = LeapTable::COMPILED.tai_of_utc(Time::from_epoch(seconds("2026-11-23T08:04:41Z")));
    let label = truechimer_time::Tai64N::of(said).expect("it has one");
    let claimed = truth(&format!("{label} ±0.000250 text"));
    assert_eq!(claimed.evidence, Evidence::Claim);
    let bound = Span::from_micros(250);
    assert_eq!(
        (claimed.interval.earliest, claimed.interval.latest),
        (said - bound, said + bound + Span::from_nanos(1))
    );
    let read = truth(&format!("{label} ±? text"));
    assert_eq!(read.evidence, Evidence::History);
    assert!((said - read.interval.best - Span::from_secs(281)).abs() < Span::from_millis(1), "{read:?}");
}

#[test]
fn stamps_since_a_boot_are_told_where_the_boot_is_known() {
    let id = BootId::parse(b"0123456789abcdef0123456789abcdef");
    let mut triples = crate::course::Triples::default();
    let begun = seconds("2026-11-23T08:00:00Z");
    for since in [Span::from_secs(5), Span::from_secs(3600)] {
        triples.take_in(id.expect("an id"), Time::from_epoch(since), Time::from_epoch(begun + since));
    }
    let known = host("one", 0.0).course.stretches()[0].knots().to_vec();
    let truth = Interval::within(
        LeapTable::COMPILED.tai_of_utc(Time::from_epoch(begun + Span::from_secs(60))),
        Span::from_millis(1),
    );
    let knot =
        Knot { reading: Time::from_epoch(begun + Span::from_secs(60)), truth, rates: Rates::ANY, ..known[0] };
    let (course, _) = Course::laid(vec![vec![knot]], triples);
    let line = "[   10.000000] eth0: link up";
    let when = |boot| {
        let habits = Habits { boot, ..Habits::default() };
        let host = Host { name: "one".into(), course: course.clone(), habits, assumed: None };
        host.when(&Linguist::default().read(line.as_bytes()).expect("a stamp"), Hints::default())
    };
    assert_eq!((when(None).truth, when(None).shown.doubt), (None, Some(Doubt::Boot)));
    let told = when(id);
    assert_eq!(told.shown.doubt, None);
    let truth = told.truth.expect("it is known").interval;
    assert!(truth.is_bounded() && truth.bound() < Span::from_millis(1200), "{truth:?}");
    let expected = LeapTable::COMPILED.tai_of_utc(Time::from_epoch(begun + Span::from_secs(10)));
    assert!((truth.best - expected).abs() < Span::from_millis(1));
}

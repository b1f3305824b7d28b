use super::*;
use crate::shown::Shown;
use proptest::prelude::*;

/// When the first line of a test was written: MJD 61367, 45851 s.
const BEGIN: f64 = 45_851.0;

/// An exchange with a server that is wrong by so much and says that it is at most so wrong, when the own clock is ahead by so
/// much. Each way takes a millisecond.
fn line(server: u8, at: f64, ahead: f64, wrong: f64, distance: f64) -> String {
    let ntp = |since: f64| {
        // In whole nanoseconds: a float has no room for them beside the seconds since 1900.
        let nanos = ((since + ahead) * 1e9).round() as i64;
        format!("{}.{:09}", 4_004_380_800 + nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000))
    };
    let theirs = |since: f64| ntp(since - ahead + wrong);
    let written = at + ahead;
    let [t1, t2, t3, t4] = [ntp(at - 0.002), theirs(at - 0.001), theirs(at - 0.001), ntp(at)];
    format!(
        "61367 {written:.3} 10.9.0.{server} 10.9.0.1 {t1} {t2} {t3} {t4} 0 4 4 2 6 -24 0.000000 {distance:.6} 10.9.0.1 0 0 0\n"
    )
}

fn course(lines: &[String]) -> Course {
    let mut stats = Rawstats::default();
    lines.concat().lines().for_each(|line| stats.take_in(line.as_bytes()));
    let (course, contradictions) = stats.course(Triples::default());
    assert_eq!(contradictions, []);
    course
}

/// How far from the truth what is claimed begins and ends, of the moment when the own clock showed so many seconds of the day.
fn claimed(course: &Course, shown: f64, truth: f64) -> Option<[f64; 2]> {
    let day = Span::from_secs((61_367 - UNIX_DAY) * 86_400);
    let since = |seconds: f64| day + Span::from_micros((seconds * 1e6).round() as i64);
    let reading = Time::from_epoch(since(shown));
    let interval = course.truth(&Shown { from: reading, to: reading, doubt: None })?.interval;
    let truth = Time::from_epoch(since(truth) + Span::from_secs(37));
    Some([interval.earliest, interval.latest].map(|end| (end - truth).as_seconds()))
}

#[test]
fn an_exchange_is_as_good_as_its_way_and_its_server() {
    // Ahead by 5 s, over a way of 2 ms, by a server that is good to 10 ms.
    let course = course(&[line(11, BEGIN, 5.0, 0.0, 0.010)]);
    let [from, to] = claimed(&course, BEGIN + 5.0, BEGIN).expect("it is known");
    assert!((-0.01105..-0.011).contains(&from) && (0.011..0.01106).contains(&to), "{from} {to}");
}

#[test]
fn somebody_may_know_how_right_servers_are_that_do_not_say_it() {
    let text = line(11, BEGIN, 5.0, 0.0, 0.010);
    let text = text.split_whitespace().take(8).collect::<Vec<_>>().join(" ");
    let mut stats = Rawstats::within(Some(Span::from_millis(3)));
    stats.take_in(text.as_bytes());
    let (course, _) = stats.course(Triples::default());
    let [from, to] = claimed(&course, BEGIN + 5.0, BEGIN).expect("it is known");
    assert!((-0.0041..-0.004).contains(&from) && (0.004..0.0041).contains(&to), "{from} {to}");
}

#[test]
fn what_ntpsec_wrote_is_read() {
    let text = "61367 45851.330 10.9.0.11 10.9.0.1 4004426651.330515622 4004426651.330554812 4004426651.330646303 \
                4004426651.330661782 0 4 4 3 0 -26 0.000000 0.000000 127.127.1.1 0 0 0";
    assert!(is_rawstats(text.as_bytes()));
    let course = course(&[text.to_owned()]);
    let knot = course.stretches()[0].knots()[0];
    let shown = LeapTable::COMPILED.tai_of_utc(Time::from_epoch(knot.reading.since_epoch()));
    let [from, to] = [knot.truth.earliest, knot.truth.latest].map(|end| (end - shown).as_seconds());
    // The way took 54.7 µs, and a root distance of nothing may have been cut from two parts of 15.3 µs.
    assert!((-48e-6..-45e-6).contains(&from) && (70e-6..72e-6).contains(&to), "{from} {to}");
}

#[test]
fn a_majority_has_to_agree() {
    let right = |server, at| line(server, BEGIN + at, 0.0, 0.0, 0.010);
    let liar = |server, at| line(server, BEGIN + at, 0.0, 3.0, 0.010);
    let three = course(&[right(11, 0.0), right(12, 1.0), liar(13, 2.0), right(11, 64.0), right(12, 65.0)]);
    for at in [0.0, 2.0, 30.0, 65.0] {
        let [from, to] =
            claimed(&three, BEGIN + at, BEGIN + at).unwrap_or_else(|| panic!("two agree at {at}: {three:?}"));
        assert!(-0.1 < from && from < 0.0 && 0.0 < to && to < 0.1, "{at}: {from} {to}");
    }
    let two = course(&[right(11, 0.0), liar(12, 1.0), right(11, 64.0), liar(12, 65.0)]);
    assert_eq!(claimed(&two, BEGIN + 30.0, BEGIN + 30.0), None, "each says that the other is wrong");
}

#[test]
fn bad_input_160_a_clock_that_was_set_has_two_stretches() {
    let exchanges = |from: f64, ahead| {
        (0..4).flat_map(move |at| {
            [11, 12, 13].map(|server| line(server, BEGIN + from + f64::from(at) * 64.0, ahead, 0.0, 0.010))
        })
    };
    let course = course(&exchanges(0.0, 0.0).chain(exchanges(256.0, 60.0)).collect::<Vec<_>>());
    assert_eq!(course.stretches().len(), 2);
    let [from, to] = claimed(&course, BEGIN + 100.0, BEGIN + 100.0).expect("it is known");
    assert!(-0.1 < from && to < 0.1, "{from} {to}");
    let [from, to] = claimed(&course, BEGIN + 460.0, BEGIN + 400.0).expect("it is known");
    assert!(-0.1 < from && to < 0.1, "{from} {to}");
}

#[test]
fn who_is_not_known_to_be_right_is_no_evidence() {
    let good = line(11, BEGIN, 0.0, 0.0, 0.010);
    let classic_before_4_2_8 = good.split_whitespace().take(8).collect::<Vec<_>>().join(" ");
    assert!(is_rawstats(classic_before_4_2_8.as_bytes()));
    for none in [
        classic_before_4_2_8,
        good.replace(" 0 4 4 2 6 ", " 3 4 4 2 6 "),
        good.replace(" 0 4 4 2 6 ", " 0 4 4 16 6 "),
        good.replace(" 0 4 4 2 6 ", " 0 4 5 2 6 "),
        good.replace("10.9.0.11", "127.127.20.0"),
        good.replace("0.010000", "nan"),
        good.replace("4004426", "0000000"),
        String::new(),
    ] {
        assert_eq!(course(std::slice::from_ref(&none)), Course::default(), "{none}");
    }
    for other in
        ["", "61367 45851.330 10.9.0.11 b014 0.000011856 0.000054669 7.937500060 0.000000000", "2026-11-23 x"]
    {
        assert!(!is_rawstats(other.as_bytes()), "{other}");
    }
}

proptest! {
    #[test]
    fn nothing_false_is_claimed_while_most_servers_are_right(
        ahead in -1.0f64..1.0,
        wrongs in proptest::collection::vec(-5.0f64..5.0, 3),
        honest in proptest::collection::vec(-0.009f64..0.009, 3),
        rounds in proptest::collection::vec(20u32..1000, 1..8),
    ) {
        // Three right servers and two liars, each asked in each round.
        let (mut begin, mut lines, mut moments) = (0, Vec::new(), Vec::new());
        for (round, length) in rounds.into_iter().enumerate() {
            for server in 0..5 {
                let moment = BEGIN + f64::from(begin + u32::from(server) * 3);
                let wrong = honest.get(usize::from(server)).copied().unwrap_or(wrongs[round % 3]);
                lines.push(line(11 + server, moment, ahead, wrong, 0.010));
                moments.push(moment);
            }
            begin += length;
        }
        let mut stats = Rawstats::default();
        lines.concat().lines().for_each(|line| stats.take_in(line.as_bytes()));
        let (course, _) = stats.course(Triples::default());
        for moment in moments {
            if let Some([from, to]) = claimed(&course, moment + ahead, moment) {
                prop_assert!(from <= 1e-6 && -1e-6 <= to, "{} {}", from, to);
            }
        }
    }

    #[test]
    fn bad_input_163_no_line_breaks_it(line in "[0-9]{5} [0-9.]{1,9} [0-9.:]{1,12} .{0,9}( [0-9]{10}\\.[0-9]{1,9}){4}( [-0-9.]{1,8}){0,12}") {
        let mut stats = Rawstats::default();
        stats.take_in(line.as_bytes());
        let _ = stats.course(Triples::default());
        let _ = is_rawstats(line.as_bytes());
    }
}

//! What is decided and printed; what is asked is tried on real sockets by `tests/classic`.

use super::*;
use clap::Parser;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    rdate: Rdate,
}

/// 2027-01-15 08:00:00.9 UTC.
const LOCAL: Time<Local> = Time::from_epoch(Span::from_millis(1_800_000_000_900));

fn rdate(line: &str) -> Rdate {
    Line::try_parse_from(std::iter::once("rdate").chain(line.split(' '))).expect(line).rdate
}

/// By so many milliseconds the clock is slow, at the least and at the most.
fn found(least: i64, most: i64) -> Found {
    let (least, most) = (Span::from_millis(least), Span::from_millis(most));
    Found { local: LOCAL, least, most, delay: Span::from_micros(1999) }
}

fn plan(line: &str, found: &Found) -> Plan {
    rdate(line).plan(found, KernelCount::Utc, &LeapTable::COMPILED).expect("within all calendars")
}

fn told(line: &str, found: &Found) -> Vec<String> {
    let text = rdate(line).text(&plan(line, found), found.delay).expect("within all calendars");
    text.lines().skip(1).map(str::to_owned).collect()
}

#[test]
fn options_may_stand_together_and_be_repeated() {
    let all = rdate("-4acnpsuv -v -b 5 -o 7 -o 8 -t 9 h");
    assert!(all.gradually && all.leaps && all.sntp && all.print_only && all.silent && all.udp && all.verbose);
    assert_eq!((all.threshold, all.port.map(NonZeroU16::get), all.delay_max), (Some(5), Some(8), Some(9)));
}

#[test]
fn ports_are_the_usual_ones_unless_named() {
    for (line, place) in [
        ("192.0.2.1", "192.0.2.1:37"),
        ("-n 192.0.2.1", "192.0.2.1:123"),
        ("-o 7 192.0.2.1", "192.0.2.1:7"),
        ("-no 7 192.0.2.1:8", "192.0.2.1:8"),
    ] {
        assert_eq!(rdate(line).addresses()[0].to_string(), place, "{line}");
    }
}

#[test]
fn a_clock_that_may_be_right_is_left_alone() {
    for (least, most) in [(-900, 100), (0, 1000), (-1000, 0)] {
        let plan = plan("h", &found(least, most));
        assert_eq!((plan.by, plan.told, plan.after), (Span::ZERO, Span::ZERO, LOCAL), "{least} {most}");
    }
}

#[test]
fn any_other_goes_to_the_middle_and_whole_seconds_are_told() {
    // The host says 08:00:05: right is from there to a second later.
    let plan = plan("h", &found(4100, 5100));
    assert_eq!((plan.by, plan.told), (Span::from_millis(4600), Span::from_secs(5)));
    assert_eq!(plan.way, Way::Step);
    let behind = self::plan("h", &found(-100_900, -99_900));
    assert_eq!((behind.by, behind.told), (Span::from_millis(-100_400), Span::from_secs(-100)));
}

#[test]
fn the_sentences_are_those_of_debian() {
    let ahead = found(4100, 5100);
    assert_eq!(told("h", &ahead), [""; 0]);
    assert_eq!(told("-v h", &ahead), ["rdate: adjust local clock by 5 seconds"]);
    assert_eq!(told("-vb 5 h", &ahead), ["rdate: adjust local clock by 5 seconds (adjtime)"]);
    assert_eq!(told("-vab 4 h", &ahead), ["rdate: adjust local clock by 5 seconds (instant change)"]);
    let delay = ["rdate: adjust local clock by 5 seconds", "rdate: network delay 1 msecs"];
    assert_eq!(told("-v -t 100 h", &ahead), delay);
    let exact = Found { least: Span::from_micros(-30), most: Span::from_micros(-30), ..ahead };
    assert_eq!(told("-nv h", &exact), ["rdate: adjust local clock by -0.000030 seconds"]);
}

#[test]
fn clocks_that_count_leap_seconds_are_27_ahead() {
    let plan = rdate("-c h").plan(&found(0, 0), KernelCount::TaiLessTen, &LeapTable::COMPILED);
    assert_eq!(plan.expect("a plan").by, Span::from_secs(27));
}

#[test]
fn a_clock_moves_gradually_where_that_was_asked_for() {
    let near = found(4100, 5100);
    for (line, way) in [("h", Way::Step), ("-a h", Way::Slew), ("-b 5 h", Way::Slew), ("-ab 4 h", Way::Step)]
    {
        assert_eq!(plan(line, &near).way, way, "{line}");
    }
}

#[test]
fn bad_input_94_the_past_is_not_believed() {
    let floor = Time::from_epoch(LOCAL.since_epoch());
    let ok = |found: &Found, now| may_be_set(found, now, floor);
    assert_eq!(ok(&found(-1000, 0), LOCAL), Ok(()));
    let Err(Stop::Because(why)) = ok(&found(-1000, -1), LOCAL) else { panic!("it is the past") };
    assert_eq!(why, "the clock is left alone: 2027-01-15T08:00:00Z is past for certain");
}

#[test]
fn a_clock_that_somebody_else_sets_is_left_alone() {
    for (seconds, fine) in [(0, true), (100, true), (-1, false), (121, false)] {
        let now = LOCAL + Span::from_secs(seconds);
        assert_eq!(may_be_set(&found(0, 0), now, Time::EPOCH).is_ok(), fine, "{seconds}");
    }
}

#[test]
fn what_was_found_goes_through_a_line_unchanged() {
    let found =
        Found { least: Span::from_attos(-7), most: Span::from_attos(i128::from(i64::MAX)), ..found(0, 0) };
    assert_eq!(Found::read(found.write().as_bytes()), Some(found));
    for line in ["", "1 2 3", "1 2 3 4 5", "1 3 2 4", "x 1 2 3", "1 2 3 \u{fffd}"] {
        assert_eq!(Found::read(line.as_bytes()), None, "{line}");
    }
}

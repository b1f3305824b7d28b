use super::*;
use crate::dialect::BootId;
use crate::shown::Shown;
use proptest::prelude::*;
use truechimer_time::Civil;

const BANNER: &str = "\
====================================================================
   Date (UTC) Time     IP Address   St   Freq ppm   Skew ppm     Offset L Co  Offset sd Rem. corr. Root delay Root disp. Max. error
====================================================================
";

fn line(time: &str, leap: char, error: &str) -> String {
    found(time, leap, "1.000e-06", error)
}

/// A line at which chronyd found out that the clock was so far off.
fn found(time: &str, leap: char, offset: &str, error: &str) -> String {
    format!(
        "{time} 203.0.113.15     2     -3.340      0.006  {offset} {leap}  1  1.232e-05  2.0e-05  1.5e-03  3.8e-04  {error}\n"
    )
}

fn course(text: &str) -> Course {
    let mut tracking = Tracking::default();
    text.lines().for_each(|line| tracking.take_in(line.as_bytes()));
    let (course, contradictions) = tracking.course(Measurements::default(), Triples::default());
    assert_eq!(contradictions, []);
    course
}

/// How wrong the clock can have been, in microseconds.
fn bound(course: &Course, text: &str) -> Option<i64> {
    let civil: Civil = text.parse().expect("a date");
    let reading: Time<Local> = Time::from_epoch(civil.time().expect("it is").since_epoch());
    let truth = course.truth(&Shown { from: reading, to: reading, doubt: None })?;
    Some(truth.interval).filter(Interval::is_bounded).map(|interval| interval.bound().as_micros())
}

#[test]
fn between_two_lines_the_clock_was_as_right_as_the_second_says() {
    let text = [
        BANNER,
        &line("2026-11-23 08:00:00", 'N', "1.000e-02"),
        &line("2026-11-23 08:01:00", 'N', "5.000e-04"),
        &line("2026-11-23 08:02:00", 'N', "6.000e-04"),
    ]
    .concat();
    let course = course(&text);
    assert_eq!(bound(&course, "2026-11-23T08:01:30Z"), Some(601));
    assert_eq!(bound(&course, "2026-11-23T08:00:30Z"), Some(501));
    assert_eq!(
        bound(&course, "2026-11-23T08:00:01Z"),
        Some(10_007),
        "the first line was written in the second before, and the clock was set"
    );
    assert_eq!(bound(&course, "2026-11-23T07:59:59Z"), None);
    assert_eq!(bound(&course, "2026-11-23T08:02:01Z"), None);
}

#[test]
fn what_a_clock_showed_before_it_was_set_back_is_not_what_it_showed_after() {
    // A second and a half fast until 08:02:00, when chronyd set it.
    let text = [
        line("2026-11-23 08:00:00", 'N', "1.500e+00"),
        line("2026-11-23 08:02:00", 'N', "1.500e+00"),
        line("2026-11-23 08:03:00", 'N', "1.000e-03"),
    ]
    .concat();
    let course = course(&text);
    assert_eq!(bound(&course, "2026-11-23T08:02:01Z"), Some(1_500_901), "it was shown at 08:01:59.5 as well");
    assert_eq!(bound(&course, "2026-11-23T08:02:30Z"), Some(1001));
}

#[test]
fn what_chronyd_found_out_only_at_a_line_was_true_before_it() {
    // Somebody set the clock three seconds ahead after 08:01:00, and chronyd had not thought that possible.
    let text = [
        line("2026-11-23 08:00:00", 'N', "5.000e-04"),
        line("2026-11-23 08:01:00", 'N', "5.000e-04"),
        found("2026-11-23 08:02:00", 'N', "3.000e+00", "5.000e-04"),
    ]
    .concat();
    let course = course(&text);
    assert_eq!(bound(&course, "2026-11-23T08:01:30Z"), Some(3_002_300));
    assert_eq!(bound(&course, "2026-11-23T08:00:30Z"), Some(501));
}

#[test]
fn while_nobody_was_sure_there_is_no_evidence() {
    let text = [
        line("2026-11-23 08:00:00", 'N', "1.000e-03"),
        line("2026-11-23 08:01:00", 'N', "1.000e-03"),
        line("2026-11-23 08:02:00", '?', "1.000e-03"),
    ]
    .concat();
    let course = course(&text);
    assert_eq!(bound(&course, "2026-11-23T08:00:59Z"), Some(1001));
    assert_eq!(bound(&course, "2026-11-23T08:01:30Z"), None);
}

/// So many lines, one each minute, and after a banner one more, so many seconds later.
fn with_a_banner(lines: usize, later: usize) -> (Course, String) {
    let at = |seconds: usize| format!("2026-11-23 08:{:02}:{:02}", seconds / 60, seconds % 60);
    let before: String = (0..lines).map(|minute| line(&at(minute * 60), 'N', "5.000e-04")).collect();
    let last = (lines - 1) * 60;
    let after: String =
        [last + later, last + later + 60].map(|seconds| line(&at(seconds), 'N', "5.000e-04")).concat();
    let between = at(last + later / 2).replace(' ', "T") + "Z";
    (course(&[BANNER, &before, BANNER, &after].concat()), between)
}

#[test]
fn a_banner_that_is_due_means_nothing_and_any_other_that_chronyd_was_started_again() {
    let known = |(course, between): (Course, String)| bound(&course, &between);
    assert_eq!(known(with_a_banner(32, 60)), Some(501));
    assert_eq!(known(with_a_banner(32, 120)), Some(501), "it may ask more rarely now");
    // Then the line after it says nothing of the time before, and from both sides the clock may have run at any rate.
    assert_eq!(known(with_a_banner(32, 130)), Some(65_501), "who starts it anew needs time");
    assert_eq!(known(with_a_banner(31, 60)), Some(30_501));
    assert_eq!(known(with_a_banner(33, 60)), Some(30_501));
}

#[test]
fn what_is_no_line_of_it_is_no_evidence() {
    let old = "2016-11-09 05:40:50 203.0.113.15  2  -3.340  0.006  1.192e-06 N  1  1.2e-05  2.0e-05\n";
    // Of a single line nobody knows of which time it speaks.
    let [alone, none] = ["1.000e-03", "NaN"].map(|error| line("2026-11-23 08:00:00", 'N', error));
    for text in ["", BANNER, old, "2026-11-23", "\u{fffd}", &alone, &none] {
        assert_eq!(course(text), Course::default(), "{text}");
    }
}

#[test]
fn a_leap_second_is_no_error_of_the_clock() {
    let text = [
        line("2016-12-31 23:58:00", '+', "1.000e-03"),
        line("2016-12-31 23:59:00", '+', "1.000e-03"),
        line("2017-01-01 00:01:00", 'N', "1.000e-03"),
        line("2017-01-01 00:02:00", 'N', "1.000e-03"),
    ]
    .concat();
    let course = course(&text);
    assert_eq!(bound(&course, "2016-12-31T23:58:30Z"), Some(1001));
    assert_eq!(bound(&course, "2017-01-01T00:01:30Z"), Some(1001));
}

#[test]
fn what_chronyd_knows_is_carried_to_the_beginning_of_the_boot() {
    // The clock was 100 s behind at the boot, until chronyd set it after a minute.
    let mut logs = Logs::default();
    let mut machine = Machine { truth: BEGIN, clock: BEGIN - 100.0, pending: 0.0, mono: 10.0 };
    (0..60).for_each(|_| {
        logs.moments.push(machine);
        machine.run(1.0, 0.0);
    });
    logs.tracking += &machine.update(100.0, 100.0);
    for _ in 0..4 {
        (0..64).for_each(|_| {
            logs.moments.push(machine);
            machine.run(1.0, 0.0);
        });
        logs.tracking += &machine.update(0.0, 0.001);
    }
    let (course, contradictions) = logs.course(false, true);
    assert_eq!(contradictions, []);
    let late = &logs.moments[200];
    let mono = |machine: &Machine| Time::from_epoch(Span::from_seconds(machine.mono));
    let known = course.truth_under(boot(), mono(late), &late.shown()).expect("it is known");
    assert!(known.interval.bound() < Span::from_millis(2) && late.is_within(known.interval), "{known:?}");
    // When a clock jumps, the machine may have slept: before it only the latest moment is known.
    let early = &logs.moments[5];
    let known = course.truth_under(boot(), mono(early), &early.shown()).expect("half of it is known");
    assert!(early.is_within(known.interval), "{known:?}");
    let latest = known.interval.latest.since_epoch().as_seconds() - 37.0 - early.truth;
    assert!((0.0..101.0).contains(&latest), "{latest}");
    let since = course.since_boot(boot(), mono(early), Span::ZERO);
    assert!(since.is_none_or(|since| early.is_within(since.interval)), "{since:?}");
}

#[test]
fn bad_input_160_a_clock_that_the_journal_saw_set_has_two_stretches() {
    let mut logs = Logs::default();
    let mut machine = Machine { truth: BEGIN, clock: BEGIN, pending: 0.0, mono: 10.0 };
    for leg in 0..6 {
        for second in 0..64 {
            // By so little that nobody could tell but by the journal.
            if (leg, second) == (3, 30) {
                machine.clock += 0.003;
            }
            logs.moments.push(machine);
            machine.run(1.0, 0.0);
        }
        let line = machine.update(machine.behind(), 0.004);
        machine.pending = 0.0;
        machine.clock = machine.truth;
        logs.tracking += &line;
    }
    let stretches = |with_journal| {
        let (course, _) = logs.course(false, with_journal);
        let of = |number: usize| course.truth(&logs.moments[number].shown()).and_then(|truth| truth.stretch);
        (of(3 * 64 + 10), of(3 * 64 + 50))
    };
    let (before, after) = stretches(false);
    assert!(before.is_some() && before == after);
    let (before, after) = stretches(true);
    assert!(before.is_some() && after.is_some() && before != after, "{before:?} {after:?}");
}

/// When the clocks of [`Machine`]s begin.
const BEGIN: f64 = 1_795_420_800.0;

/// A machine whose clock chronyd steers: true time, what the clock shows, what chronyd has not corrected yet, and the monotonic clock.
#[derive(Clone, Copy, Debug)]
struct Machine {
    truth: f64,
    clock: f64,
    pending: f64,
    mono: f64,
}

impl Machine {
    /// True UTC minus the clock.
    fn behind(&self) -> f64 {
        self.truth - self.clock
    }

    /// So much of true time goes by, by a clock that gains so much, and is slewed as fast as chronyd does it.
    fn run(&mut self, seconds: f64, gain: f64) {
        let slewed = self.pending.clamp(-0.08 * seconds, 0.08 * seconds);
        self.truth += seconds;
        self.clock += seconds * (1.0 + gain) + slewed;
        self.mono += seconds * (1.0 + gain) + slewed;
        self.pending -= slewed;
    }

    /// chronyd learns that the clock it steers is behind by so much, and says that the system's clock was at most so wrong since the line before.
    fn update(&mut self, behind: f64, worst: f64) -> String {
        let stamp =
            Civil::of(Time::from_epoch(Span::from_seconds((self.clock + self.pending).floor()))).to_string();
        let error = (worst - behind.abs()).max(0.0) * 1.001;
        let (day, time) = (&stamp[..10], &stamp[11..19]);
        let line = found(&format!("{day} {time}"), 'N', &format!("{:.3e}", -behind), &format!("{error:.3e}"));
        self.pending += behind;
        if self.pending.abs() > 1.0 {
            self.clock += self.pending;
            self.pending = 0.0;
        }
        line
    }

    /// What a server that is wrong by so much says, as chronyd writes it down.
    fn measured(&self, server: u8, wrong: f64) -> String {
        let steered = self.clock + self.pending;
        let stamp = Civil::of(Time::from_epoch(Span::from_seconds(steered.floor()))).to_string();
        let (day, time, offset) = (&stamp[..10], &stamp[11..19], self.truth + wrong - steered);
        format!(
            "{day} {time} 192.0.2.{server} N  2 111 111 1111   6  6 0.00 {offset:10.3e} 1.000e-03  1.000e-04  0.000e+00  4.000e-04 CB00717B 4B K K\n"
        )
    }
}

/// What a machine's logs are made of.
#[derive(Debug, Default)]
struct Logs {
    tracking: String,
    measurements: String,
    moments: Vec<Machine>,
}

fn boot() -> BootId {
    BootId::parse(b"0123456789abcdef0123456789abcdef").expect("it has 32 digits")
}

impl Logs {
    fn course(&self, with_measurements: bool, with_journal: bool) -> (Course, Vec<Contradiction>) {
        let (mut tracking, mut measurements, mut triples) =
            (Tracking::default(), Measurements::default(), Triples::default());
        self.tracking.lines().for_each(|line| tracking.take_in(line.as_bytes()));
        self.measurements
            .lines()
            .filter(|_| with_measurements)
            .for_each(|line| measurements.take_in(line.as_bytes()));
        for moment in self.moments.iter().filter(|_| with_journal) {
            triples.take_in(boot(), Time::from_epoch(Span::from_seconds(moment.mono)), moment.reading());
        }
        tracking.course(measurements, triples)
    }
}

impl Machine {
    fn reading(&self) -> Time<Local> {
        Time::from_epoch(Span::from_seconds(self.clock))
    }

    fn shown(&self) -> Shown {
        Shown { from: self.reading(), to: self.reading(), doubt: None }
    }

    /// Is the truth within what is known of this moment?
    fn is_within(&self, interval: Interval) -> bool {
        let truth = Time::from_epoch(Span::from_seconds(self.truth + 37.0));
        let rounding = Span::from_micros(1);
        interval.earliest - rounding <= truth && truth <= interval.latest + rounding
    }
}

/// What is told of every moment is true; of so many of them something is.
fn nothing_is_false(
    logs: &Logs,
    with_measurements: bool,
    with_journal: bool,
) -> Result<usize, TestCaseError> {
    let (course, _) = logs.course(with_measurements, with_journal);
    let mut known = 0;
    for moment in &logs.moments {
        let mono = Time::from_epoch(Span::from_seconds(moment.mono));
        let told = [course.truth(&moment.shown()), course.truth_under(boot(), mono, &moment.shown())];
        for truth in told.into_iter().flatten() {
            prop_assert!(moment.is_within(truth.interval), "{:?} {:?}", moment, truth);
            known += usize::from(truth.interval.is_bounded());
        }
    }
    Ok(known)
}

/// A clock that others set now and then, and chronyd slews and steps, with a line every so often.
fn steered(ahead: f64, legs: &[(u32, f64, f64)]) -> Logs {
    let mut logs = Logs::default();
    let mut machine = Machine { truth: BEGIN, clock: BEGIN + ahead, pending: 0.0, mono: 50.0 };
    for (number, (length, gain, set)) in legs.iter().enumerate() {
        let mut worst = machine.behind().abs();
        for second in 0..*length {
            if second == length / 2 {
                worst = worst.max(machine.behind().abs());
                logs.moments.push(machine);
                machine.run(0.001, 0.0);
                machine.clock += set;
            }
            worst = worst.max(machine.behind().abs());
            logs.moments.push(machine);
            machine.run(1.0, gain * 1e-6);
        }
        worst = worst.max(machine.behind().abs());
        // The first is not written down: nothing is said of what was before.
        let line = machine.update(machine.behind() - machine.pending, worst + 1e-4);
        if number > 0 {
            logs.tracking += &line;
        } else {
            logs.moments.clear();
            logs.tracking += &machine.update(0.0, machine.behind().abs() + 1e-4);
        }
    }
    logs
}

proptest! {
    #[test]
    fn nothing_false_is_claimed_of_a_clock_that_is_slewed_and_set(
        ahead in -20.0f64..20.0,
        legs in proptest::collection::vec((4u32..70, -90.0f64..90.0, prop_oneof![3 => Just(0.0), 1 => -9.0f64..9.0]), 3..12),
    ) {
        let logs = steered(ahead, &legs);
        for with_journal in [false, true] {
            let known = nothing_is_false(&logs, false, with_journal)?;
            prop_assert!(known > 0, "{:?}", with_journal);
        }
    }

    #[test]
    fn nothing_false_is_claimed_while_chronyd_follows_a_liar_and_most_servers_are_right(
        lie in 0.2f64..9.0,
        creeps in any::<bool>(),
        begin in 3usize..8,
        length in 1usize..5,
        honest in proptest::collection::vec(-0.0004f64..0.0004, 3),
    ) {
        let mut logs = Logs::default();
        let mut machine = Machine { truth: BEGIN, clock: BEGIN, pending: 0.0, mono: 50.0 };
        let mut left = 0.0;
        for round in 0..16usize {
            let parts = if creeps { (round + 1).saturating_sub(begin) as f64 / length as f64 } else { 1.0 };
            let lying = if (begin..begin + length).contains(&round) { lie * parts } else { 0.0 };
            for second in 0..64 {
                if let Some(server) = [10, 20, 30, 40].iter().position(|at| *at == second) {
                    let wrong = honest.get(server).copied().unwrap_or(lying);
                    logs.measurements += &machine.measured(server as u8 + 1, wrong);
                }
                logs.moments.push(machine);
                machine.run(1.0, 1e-6);
            }
            // By the liar all is well, but for what is left to correct.
            let behind = machine.behind() - machine.pending + lying;
            logs.tracking += &machine.update(behind, behind.abs() + left + 1e-3);
            left = machine.pending.abs();
        }
        let (course, contradictions) = logs.course(true, false);
        prop_assert!(!contradictions.is_empty() || length < 3 || creeps, "what it found out, and has not corrected yet, covers two lines");
        prop_assert!(course.truth(&logs.moments[70].shown()).is_some_and(|truth| truth.interval.is_bounded()));
        for with_journal in [false, true] {
            nothing_is_false(&logs, true, with_journal)?;
        }
    }

    #[test]
    fn bad_input_163_no_lines_break_it(
        lines in proptest::collection::vec("2026-11-2[0-9] [0-2][0-9]:[0-5][0-9]:[0-5][0-9] 192.0.2.1 2 -3.3 0.006 [-0-9.e]{1,9} [N?] 1 1e-5 2e-5 1e-3 3e-4 [0-9.e]{1,9}", 0..8),
        entries in proptest::collection::vec((0i64..100_000, 1_795_000_000i64..1_796_000_000), 0..8),
    ) {
        let (mut tracking, mut triples) = (Tracking::default(), Triples::default());
        lines.iter().for_each(|line| tracking.take_in(line.as_bytes()));
        for (mono, reading) in entries {
            triples.take_in(boot(), Time::from_epoch(Span::from_secs(mono)), Time::from_epoch(Span::from_secs(reading)));
        }
        let _ = tracking.course(Measurements::default(), triples);
    }
}

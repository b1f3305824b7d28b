//! The daemon's mind against a clock that is steered as the kernel steers its own.

use super::*;
use truechimer_time::{Local, Mono};

/// A machine: true time, a counter that is slow by a rate, and a clock that follows what it is told.
struct Machine {
    now: Moment,
    truth: Time<Tai>,
    slow: Rate,
    rate: Rate,
    slew: Span,
    file: Option<[u8; ATTO_BYTES]>,
    speed: Speed,
    noticed: Vec<Noticed>,
}

const START: Span = Span::from_secs(1_790_000_000);
const SLOW: Rate = Rate::from_ppb(40_000);
const GOOD: Span = Span::ZERO;
const BAD: Span = Span::from_secs(1000);

impl Machine {
    fn new(file: Option<[u8; ATTO_BYTES]>) -> Self {
        let now = Moment {
            raw: Time::from_epoch(Span::from_secs(1000)),
            mono: Time::<Mono>::from_epoch(Span::from_secs(1000)),
            local: Time::<Local>::from_epoch(START),
            asleep: Span::ZERO,
            width: Span::from_nanos(100),
        };
        let tick = file.map(|file| atto::read(&file).unwrap());
        let speed = Speed::new(Assumed::default(), tick, &now, Rate::ZERO);
        let truth = Time::from_epoch(START);
        let (rate, slew, noticed) = (Rate::ZERO, Span::ZERO, Vec::new());
        Self { now, truth, slow: SLOW, rate, slew, file, speed, noticed }
    }

    fn error(&self) -> Span {
        self.truth - right(&self.now)
    }

    /// True time passes.
    fn pass(&mut self, span: Span) {
        let raw = span - self.slow.over(span);
        let reach = Rate::from_ppb(500_000).over(raw);
        let slewed = self.slew.clamp(-reach, reach);
        let gained = raw + self.rate.over(raw) + slewed;
        self.slew -= slewed;
        self.truth += span;
        self.now.raw += raw;
        self.now.mono += gained;
        self.now.local += gained;
    }

    fn run(&mut self, seconds: i64) {
        for _ in 0..seconds / 16 {
            self.pass(TURN);
            self.turn(None);
        }
        self.pass(Span::from_secs(seconds % 16));
    }

    /// A record that is so far off.
    fn measure(&mut self, off: Span) -> Turn {
        let record = self.error() + off;
        self.turn(Some(record))
    }

    fn turn(&mut self, record: Option<Span>) -> Turn {
        let turn = self.speed.turn(&self.now, record);
        self.rate = turn.rate.unwrap_or(self.rate);
        self.slew = turn.slew.unwrap_or(self.slew);
        self.file = turn.keep.or(self.file);
        self.noticed.extend(turn.noticed.iter().copied());
        turn
    }

    /// Measures at the times of the classic schedule, from 600 s on.
    fn settle(&mut self, records: u32) {
        for doubling in 0..records {
            self.run(600 << doubling);
            self.measure(GOOD);
        }
    }

    fn step(&mut self, by: Span) {
        self.now.local += by;
    }

    fn kept_rate(&self) -> Rate {
        rate_of_tick(atto::read(&self.file.expect("it was kept")).unwrap())
    }
}

fn about(rate: Rate, expected: Rate, within_ppb: i64) -> bool {
    (rate - expected).abs() < Rate::from_ppb(within_ppb)
}

#[test]
fn the_clock_is_brought_to_right_time_and_holds_if_the_daemon_dies() {
    let mut machine = Machine::new(None);
    machine.step(Span::from_millis(-800));
    machine.settle(8);
    assert!(machine.error().abs() < Span::from_millis(1), "{}", machine.error());
    assert!(about(machine.rate, SLOW, 200), "{} ppm", machine.rate.as_ppm());
    // Nobody is there for a day.
    machine.pass(Span::from_secs(86_400));
    assert!(machine.error().abs() < Span::from_millis(20), "{}", machine.error());
}

#[test]
fn one_bad_record_seven_seconds_after_the_first_changes_nothing() {
    let mut machine = Machine::new(None);
    machine.measure(GOOD);
    machine.run(7);
    let (before, turn) = (machine.rate, machine.measure(BAD));
    assert_eq!((turn.keep, turn.slew), (None, None), "nobody knows who is right");
    assert_eq!(machine.rate, before);
    assert_eq!(machine.noticed.last(), Some(&Noticed::Outvoted { adjustment: machine.error() + BAD }));
    machine.settle(6);
    assert!(machine.error().abs() < Span::from_millis(1), "{}", machine.error());
    assert!(about(machine.kept_rate(), SLOW, 1_000), "{}", machine.kept_rate().as_ppm());
}

#[test]
fn a_bad_record_at_any_time_leaves_clock_and_file_alone() {
    for off in [BAD, -BAD, Span::from_secs(3)] {
        let mut machine = Machine::new(None);
        machine.settle(6);
        let (file, rate) = (machine.file, machine.rate);
        machine.measure(off);
        machine.run(3600);
        machine.measure(off);
        assert_eq!(machine.file, file, "{off}");
        assert!(about(machine.rate, rate, 1), "{off}: {} ppm", machine.rate.as_ppm());
        machine.run(36_000);
        assert!(machine.error().abs() < Span::from_millis(20), "{off}: {}", machine.error());
    }
}

#[test]
fn a_large_error_waits_for_a_second_record() {
    let mut machine = Machine::new(None);
    machine.step(-BAD);
    assert_eq!(machine.measure(GOOD).slew, None);
    machine.run(600);
    let second = machine.measure(GOOD);
    assert!((second.slew.unwrap() - BAD).abs() < Span::from_secs(1), "{second:?}");
    assert!(second.trust.unwrap().bound > BAD - Span::from_secs(1));
}

#[test]
fn a_file_is_believed_from_the_start_and_replaced_only_by_what_is_better_known() {
    let file = atto::write(tick_of_rate(SLOW)).unwrap();
    let mut machine = Machine::new(Some(file));
    assert_eq!(machine.turn(None), Turn { rate: Some(SLOW), ..Turn::default() });
    for millis in [40, -40, 40, -40] {
        machine.run(1800);
        machine.measure(Span::from_millis(millis));
    }
    assert_eq!(machine.file, Some(file), "hours of such records tell less than a day's");
    machine.slow = SLOW + Rate::from_ppb(2_000);
    machine.settle(10);
    assert!(about(machine.kept_rate(), machine.slow, 300), "{}", machine.kept_rate().as_ppm());
}

#[test]
fn a_file_of_another_counter_is_not_believed() {
    let original = atto::write(Span::from_attos(384_615_383)).unwrap();
    let mut machine = Machine::new(Some(original));
    assert_eq!(machine.turn(None), Turn::default());
    machine.measure(GOOD);
    machine.run(3600);
    machine.measure(GOOD);
    assert_eq!(machine.file, Some(original), "two records could both be bad");
    machine.settle(5);
    assert!(about(machine.kept_rate(), SLOW, 2_000), "{}", machine.kept_rate().as_ppm());
}

#[test]
fn a_wrong_file_is_found_out() {
    let mut machine = Machine::new(atto::write(tick_of_rate(Rate::from_ppb(-300_000))));
    machine.settle(9);
    assert!(about(machine.rate, SLOW, 200), "{}", machine.rate.as_ppm());
    assert!(about(machine.kept_rate(), SLOW, 1_000), "{}", machine.kept_rate().as_ppm());
}

#[test]
fn a_step_by_somebody_else_is_not_undone_unless_a_record_says_so() {
    let mut machine = Machine::new(None);
    machine.settle(6);
    machine.step(Span::from_secs(5));
    machine.run(160);
    let steps = machine.noticed.iter().filter(|n| matches!(n, Noticed::Stepped { .. })).count();
    assert_eq!((steps, machine.slew), (1, Span::ZERO));
    assert!(machine.error() + Span::from_secs(5) < Span::from_millis(20), "left alone");
    let turn = machine.measure(GOOD);
    assert!((turn.slew.unwrap() + Span::from_secs(5)).abs() < Span::from_millis(20), "{turn:?}");
}

#[test]
fn a_step_that_a_record_confirms_is_right_time() {
    let mut machine = Machine::new(None);
    machine.settle(6);
    // A leap second on a clock of UTC.
    machine.step(Span::from_secs(-1));
    machine.truth -= Span::from_secs(1);
    machine.run(3600);
    let rate = machine.rate;
    let turn = machine.measure(GOOD);
    assert!(
        matches!(turn.noticed[..], [Noticed::Believed { .. }, Noticed::StepConfirmed { .. }, ..]),
        "{turn:?}"
    );
    assert!(turn.slew.unwrap_or_default().abs() < Span::from_millis(20), "{turn:?}");
    assert!(about(machine.rate, rate, 500), "the rate is still known");
}

#[test]
fn after_a_sleep_the_rate_is_known_and_the_time_is_measured_anew() {
    let mut machine = Machine::new(None);
    machine.settle(7);
    let rate = machine.rate;
    let slept = Span::from_secs(30_000);
    machine.truth += slept;
    machine.now.local += slept + Span::from_millis(400);
    machine.now.asleep += slept + Span::from_millis(400);
    let woken = machine.turn(None);
    assert!(matches!(woken.noticed[..], [Noticed::Suspended { .. }]), "{woken:?}");
    assert_eq!((woken.rate, woken.slew, woken.trust), (Some(rate), None, None));
    machine.run(1600);
    assert_eq!(machine.slew, Span::ZERO, "nothing is known of the time");
    machine.measure(GOOD);
    machine.run(1600);
    assert!(machine.error().abs() < Span::from_millis(5), "{}", machine.error());
}

#[test]
fn another_counter_is_noticed_and_nothing_of_the_old_one_is_believed() {
    let mut machine = Machine::new(None);
    machine.settle(7);
    machine.now.raw += Span::from_secs(40);
    let turn = machine.turn(None);
    assert_eq!(turn, Turn { noticed: [Noticed::CounterChanged].into(), ..Turn::default() });
    machine.slow = Rate::from_ppb(-90_000);
    machine.settle(8);
    assert!(about(machine.rate, machine.slow, 500), "{}", machine.rate.as_ppm());
}

#[test]
fn a_skew_beyond_what_a_slew_can_do_is_followed_by_the_frequency_word() {
    let mut machine = Machine::new(None);
    machine.speed = Speed::new(
        Assumed { max_rate: Rate::from_ppb(5_000_000), ..Assumed::default() },
        None,
        &machine.now,
        Rate::ZERO,
    );
    machine.slow = Rate::from_ppb(2_000_000);
    machine.settle(8);
    assert!(machine.error().abs() < Span::from_millis(2), "{}", machine.error());
}

#[test]
fn after_days_the_bound_grows_as_slowly_as_was_learned_and_then_as_fast_as_ever() {
    let mut machine = Machine::new(None);
    machine.settle(10);
    let grows = |machine: &mut Machine, seconds: i64| {
        let before = machine.turn(None).trust.expect("they agree").bound;
        machine.run(seconds);
        let grown = machine.turn(None).trust.expect("they still do").bound - before;
        grown.as_seconds() / seconds as f64
    };
    let (learned, late) = (grows(&mut machine, 500_000), grows(&mut machine, 200_000));
    assert!((3e-6..4e-6).contains(&learned), "{learned}");
    let later = grows(&mut machine, 200_000);
    assert!(late < 10e-6 && (15e-6..16e-6).contains(&later), "{late} {later}");
}

#[test]
fn two_records_at_one_moment_are_one() {
    let mut machine = Machine::new(None);
    machine.measure(GOOD);
    let turn = machine.measure(BAD);
    assert_eq!((turn.noticed, turn.slew), (Vec::new(), None));
}

#[test]
fn ticks_and_rates_are_the_same_thing() {
    for ppb in [-480_000, -1, 0, 7, 40_000] {
        let rate = Rate::from_ppb(ppb);
        assert!(about(rate_of_tick(tick_of_rate(rate)), rate, 1), "{ppb}");
    }
    assert_eq!(tick_of_rate(SLOW), Span::from_attos(1_000_040_000));
}

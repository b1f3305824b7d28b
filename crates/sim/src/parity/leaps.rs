//! Leap seconds by the kernel: what it shows around midnight, and when it forgets that there was to be one.

use truechimer_core::node::Steering;
use truechimer_time::Span;

use super::{Clocks, Machine, Probe, about, outcome, synchronised};
use crate::kernel::timex::{ADJ_TAI, STA_DEL, STA_INS, STA_PLL, Timex};

const DAY: i128 = 86_400;

pub(super) fn all(probe: &mut Probe<'_, impl Machine>) {
    happens(probe, "insert", STA_INS);
    happens(probe, "delete", STA_DEL);
    happens(probe, "insert and delete", STA_INS | STA_DEL);
    kept(probe);
    withdrawn(probe);
    armed_in_the_last_second(probe);
    forgotten(probe);
    forced_anew(probe);
    around_midnight(probe);
}

/// A clock that is right and knows TAI, so many seconds and three quarters before midnight.
fn before_midnight(probe: &mut Probe<'_, impl Machine>, seconds: i64) -> Clocks {
    probe.begin_anew();
    step_to_midnight(probe, seconds);
    probe.set(Timex { modes: ADJ_TAI, constant: 37, ..Timex::default() });
    probe.set(synchronised(1000, 0));
    probe.machine.sleep(Span::from_secs(1));
    probe.machine.clocks()
}

fn step_to_midnight(probe: &mut Probe<'_, impl Machine>, seconds: i64) {
    let now = probe.machine.clocks().real;
    let midnight = (now.split().0 / DAY + 1) * DAY;
    let before = Span::from_millis(750) + Span::from_secs(seconds);
    probe.steer(Steering::Step(Span::from_secs(midnight as i64) - before - now));
}

/// The time of day, what the kernel says, and what the other clocks gained: nothing, whatever the leap.
fn look(probe: &mut Probe<'_, impl Machine>, what: &str, before: &Clocks) {
    let clocks = probe.machine.clocks();
    let mut timex = Timex::default();
    let result = probe.machine.adjust(&mut timex);
    let [_, mono, tai] = clocks.gained_since(before);
    let (seconds, rest) = clocks.real.split();
    let of_day = seconds.rem_euclid(DAY) as f64 + rest as f64 / 1e18;
    let shows = [
        about("of_day", of_day, 2, 0.02),
        outcome(result),
        format!("status={:#x}", timex.status),
        format!("tai_offset={}", timex.tai),
        about("mono", mono, 5, 2e-5),
        about("tai", tai, 5, 2e-5),
    ];
    probe.write(what, &shows);
}

fn happens(probe: &mut Probe<'_, impl Machine>, what: &str, flag: i32) {
    let before = before_midnight(probe, 4);
    probe.call(&format!("{what} a leap second"), synchronised(1000, flag));
    for half in 0..12 {
        look(probe, &format!("{}.{} s later", half / 2, half % 2 * 5), &before);
        probe.machine.sleep(Span::from_millis(500));
    }
    probe.call("the bit is cleared", synchronised(1000, 0));
    for _ in 0..2 {
        probe.machine.sleep(Span::from_millis(500));
        look(probe, "half a second later", &before);
    }
}

/// A bit that is not cleared after its leap makes no second one.
fn kept(probe: &mut Probe<'_, impl Machine>) {
    before_midnight(probe, 3);
    probe.call("insert a leap second", synchronised(1000, STA_INS));
    probe.machine.sleep(Span::from_secs(5));
    step_to_midnight(probe, 3);
    probe.call("a day later, the bit is still set", synchronised(1000, STA_INS));
    let before = probe.machine.clocks();
    probe.machine.sleep(Span::from_secs(4));
    look(probe, "after midnight", &before);
}

fn withdrawn(probe: &mut Probe<'_, impl Machine>) {
    let before = before_midnight(probe, 4);
    probe.call("insert a leap second", synchronised(1000, STA_INS));
    probe.machine.sleep(Span::from_millis(1500));
    look(probe, "1.5 s later", &before);
    probe.call("no, do not", synchronised(1000, 0));
    for _ in 0..4 {
        probe.machine.sleep(Span::from_secs(1));
        look(probe, "a second later", &before);
    }
}

fn armed_in_the_last_second(probe: &mut Probe<'_, impl Machine>) {
    let before = before_midnight(probe, 1);
    look(probe, "within the last second", &before);
    probe.call("insert a leap second", synchronised(1000, STA_INS));
    for _ in 0..2 {
        probe.machine.sleep(Span::from_secs(1));
        look(probe, "a second later", &before);
    }
    probe.set(synchronised(1000, 0));
}

/// A step makes the kernel forget when to leap, and it does not look again while the bit is set.
fn forgotten(probe: &mut Probe<'_, impl Machine>) {
    for is_armed_anew in [false, true] {
        let first = before_midnight(probe, 7);
        probe.call("insert a leap second", synchronised(1000, STA_INS));
        probe.machine.sleep(Span::from_secs(1));
        look(probe, "a second later", &first);
        probe.steer(Steering::Step(Span::from_millis(100)));
        probe.read("after a step");
        let before = probe.machine.clocks();
        if is_armed_anew {
            probe.call("after a step, the bit is cleared", synchronised(1000, 0));
            probe.machine.sleep(Span::from_secs(1));
        }
        probe.call("after a step, the bit is set again", synchronised(1000, STA_INS));
        probe.machine.sleep(if is_armed_anew { Span::from_secs(5) } else { Span::from_secs(6) });
        look(probe, "after midnight", &before);
        probe.machine.sleep(Span::from_secs(1));
        look(probe, "a second later", &before);
        probe.set(synchronised(1000, 0));
    }
}

/// Switching on the kernel's loop and off again makes it look anew at the turn of the second.
fn forced_anew(probe: &mut Probe<'_, impl Machine>) {
    let first = before_midnight(probe, 7);
    probe.call("insert a leap second", synchronised(1000, STA_INS));
    probe.machine.sleep(Span::from_secs(1));
    look(probe, "a second later", &first);
    probe.steer(Steering::Step(Span::from_millis(100)));
    let before = probe.machine.clocks();
    probe.call("after a step, the loop is switched on", synchronised(1000, STA_INS | STA_PLL));
    probe.call("and off", synchronised(1000, STA_INS));
    for (what, seconds) in [("a second later", 1), ("after midnight", 5), ("a second later", 1)] {
        probe.machine.sleep(Span::from_secs(seconds));
        look(probe, what, &before);
    }
    probe.set(synchronised(1000, 0));
}

/// The kernel goes back in its timer interrupt, so that programs see the beginning of the next day, and then again
/// the last second of this one.
fn around_midnight(probe: &mut Probe<'_, impl Machine>) {
    before_midnight(probe, 4);
    probe.set(synchronised(1000, STA_INS));
    probe.machine.sleep(Span::from_micros(3_740_000));
    let mut seen: f64 = 0.0;
    loop {
        let (seconds, rest) = probe.machine.clocks().real.split();
        match (seconds.rem_euclid(DAY), rest as f64 / 1e18) {
            (0, fraction) => seen = seen.max(fraction),
            (_, fraction) if fraction < 0.5 => break,
            (_, _) => {}
        }
        probe.machine.sleep(Span::from_micros(1));
    }
    probe.write("the next day, before it goes back", &[about("seen_ms", seen * 1e3, 1, 4.0)]);
    probe.set(synchronised(1000, 0));
}

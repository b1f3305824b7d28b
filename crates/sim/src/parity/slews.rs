//! Slews by adjtime(3): half a millisecond in each of the clock's own seconds.

use truechimer_core::node::Steering;
use truechimer_time::{Rate, Span};

use super::{Clocks, LOOK, Machine, Probe, about, outcome};
use crate::kernel::timex::{
    ADJ_FREQUENCY, ADJ_NANO, ADJ_OFFSET_SINGLESHOT, ADJ_OFFSET_SS_READ, ADJ_STATUS, Timex,
};

pub(super) fn all(probe: &mut Probe<'_, impl Machine>) {
    short(probe);
    long(probe);
    replaced(probe);
    ended_by_a_step(probe);
    forms(probe);
}

/// What a slew has done since, and what it still has to do.
fn look(probe: &mut Probe<'_, impl Machine>, what: &str, before: &Clocks) {
    let mut timex = Timex { modes: ADJ_OFFSET_SS_READ, ..Timex::default() };
    probe.machine.adjust(&mut timex).expect("reads");
    let [real, mono, _] = probe.machine.clocks().gained_since(before);
    let shows =
        [format!("left={}", timex.offset), about("real", real, 7, LOOK), about("mono", mono, 7, LOOK)];
    probe.write(what, &shows);
}

fn slew(probe: &mut Probe<'_, impl Machine>, micros: i64) {
    let mut timex = Timex { modes: ADJ_OFFSET_SINGLESHOT, offset: micros, ..Timex::default() };
    let result = probe.machine.adjust(&mut timex);
    probe.write(&format!("slew {micros} us"), &[outcome(result), format!("before={}", timex.offset)]);
}

fn short(probe: &mut Probe<'_, impl Machine>) {
    for micros in [1700, -1700, 7] {
        probe.begin_anew();
        let before = probe.machine.clocks();
        slew(probe, micros);
        look(probe, "at once", &before);
        for second in 1..=5 {
            probe.machine.sleep(Span::from_secs(1));
            look(probe, &format!("{second} s later"), &before);
        }
    }
}

/// The second that ends half a millisecond early is one in which half a millisecond is not quite gained.
fn long(probe: &mut Probe<'_, impl Machine>) {
    probe.begin_anew();
    let before = probe.machine.clocks();
    slew(probe, 50_000);
    probe.machine.sleep(Span::from_secs(102));
    look(probe, "when it is over", &before);
    probe.begin_anew();
    probe.steer(Steering::Rate(Rate::from_ppb(100_000_000)));
    let before = probe.machine.clocks();
    slew(probe, 5_000);
    probe.machine.sleep(Span::from_secs(12));
    let after = probe.machine.clocks();
    let [real, ..] = after.gained_since(&before);
    let slewed = real - (after.raw - before.raw).as_seconds() * 0.1;
    probe.write("of a clock that is a tenth fast", &[about("slewed", slewed, 7, LOOK)]);
}

fn replaced(probe: &mut Probe<'_, impl Machine>) {
    probe.begin_anew();
    let before = probe.machine.clocks();
    slew(probe, 5_000);
    probe.machine.sleep(Span::from_secs(2));
    look(probe, "2 s later", &before);
    slew(probe, -600);
    for second in 1..=3 {
        probe.machine.sleep(Span::from_secs(1));
        look(probe, &format!("{second} s later"), &before);
    }
}

fn ended_by_a_step(probe: &mut Probe<'_, impl Machine>) {
    probe.begin_anew();
    slew(probe, 5_000);
    probe.machine.sleep(Span::from_secs(2));
    probe.steer(Steering::Step(Span::from_millis(100)));
    let before = probe.machine.clocks();
    look(probe, "after a step", &before);
    probe.machine.sleep(Span::from_secs(2));
    look(probe, "2 s later", &before);
}

fn forms(probe: &mut Probe<'_, impl Machine>) {
    probe.begin_anew();
    let of = |modes| Timex { modes, offset: 1000, status: 0x40, ..Timex::default() };
    probe.call("a slew with ADJ_NANO", of(ADJ_OFFSET_SINGLESHOT | ADJ_NANO));
    let before = probe.machine.clocks();
    look(probe, "sets nothing", &before);
    probe.call("a slew with ADJ_STATUS", of(ADJ_OFFSET_SINGLESHOT | ADJ_STATUS));
    look(probe, "sets the slew", &before);
    probe.attempt("a slew that is none", of((ADJ_OFFSET_SINGLESHOT & !1) | ADJ_FREQUENCY));
    slew(probe, 0);
    look(probe, "taken back", &before);
}

//! What the kernel says of its clock, and how that changes by itself.

use super::{LOOK, Machine, Probe, about, synchronised};
use crate::kernel::timex::{
    ADJ_ESTERROR, ADJ_FREQUENCY, ADJ_MAXERROR, ADJ_MICRO, ADJ_NANO, ADJ_OFFSET_SINGLESHOT,
    ADJ_OFFSET_SS_READ, ADJ_SETOFFSET, ADJ_STATUS, ADJ_TAI, ADJ_TICK, Timex,
};
use truechimer_core::node::Steering;
use truechimer_time::{Rate, Span};

pub(super) fn at_birth(probe: &mut Probe<'_, impl Machine>) {
    probe.read("a clock that nobody has set");
}

pub(super) fn all(probe: &mut Probe<'_, impl Machine>) {
    bits(probe);
    tai(probe);
    growing(probe);
    beyond(probe);
}

fn bits(probe: &mut Probe<'_, impl Machine>) {
    probe.begin_anew();
    probe.call("held to be right to 1 ms", synchronised(1000, 0));
    probe.call("count in microseconds", Timex { modes: ADJ_MICRO, ..Timex::default() });
    let read_only = Timex { modes: ADJ_STATUS, status: 0xff00, ..Timex::default() };
    probe.call("bits that can only be read", read_only);
    probe.call("count in nanoseconds", Timex { modes: ADJ_NANO, ..Timex::default() });
    probe.call("held to be wrong", Timex { modes: ADJ_STATUS, status: 0x40, ..Timex::default() });
    probe.call("both leap bits", synchronised(1000, 0x30));
}

fn tai(probe: &mut Probe<'_, impl Machine>) {
    probe.begin_anew();
    for offset in [37, 36, -1, 0, 37] {
        let timex = Timex { modes: ADJ_TAI, constant: offset, ..Timex::default() };
        probe.call(&format!("TAI is ahead by {offset} s"), timex);
        let clocks = probe.machine.clocks();
        probe.write("", &[about("ahead", (clocks.tai - clocks.real).as_seconds(), 6, LOOK)]);
    }
}

fn growing(probe: &mut Probe<'_, impl Machine>) {
    probe.begin_anew();
    probe.set(synchronised(1000, 0));
    probe.machine.sleep(Span::from_secs(4));
    probe.read("4 s after it was right to 1 ms");
    probe.set(Timex { modes: ADJ_MAXERROR, maxerror: 15_999_000, ..Timex::default() });
    for second in 1..=4 {
        probe.machine.sleep(Span::from_secs(1));
        probe.read(&format!("{second} s after it was right to 15.999 s"));
    }
    let status = Timex { modes: ADJ_STATUS, status: 0, ..Timex::default() };
    probe.call("held to be right, and to 16 s as before", status);
    probe.machine.sleep(Span::from_secs(1));
    probe.read("a second later");
}

fn beyond(probe: &mut Probe<'_, impl Machine>) {
    for maxerror in [20_000_000, -1000] {
        probe.begin_anew();
        let modes = ADJ_MAXERROR | ADJ_ESTERROR;
        let timex = Timex { modes, maxerror, esterror: maxerror, ..Timex::default() };
        probe.call(&format!("right to {maxerror} us"), timex);
        probe.machine.sleep(Span::from_secs(1));
        probe.read("a second later");
    }
}

pub(super) fn without_leave(probe: &mut Probe<'_, impl Machine>) {
    probe.attempt("to read, without leave", Timex::default());
    let modes = [
        ("to read a slew", ADJ_OFFSET_SS_READ),
        ("to slew", ADJ_OFFSET_SINGLESHOT),
        ("to set the frequency", ADJ_FREQUENCY),
        ("to set a tick that is none", ADJ_TICK),
        ("to step", ADJ_SETOFFSET),
        ("to set the status", ADJ_STATUS),
        ("to count in nanoseconds", ADJ_NANO),
    ];
    for (what, modes) in modes {
        probe.attempt(&format!("{what}, without leave"), Timex { modes, ..Timex::default() });
    }
    let commands = [("a rate", Steering::Rate(Rate::ZERO)), ("a step", Steering::Step(Span::from_secs(1)))];
    for (what, command) in commands {
        let fault = probe.machine.steer(command).map(|_| ());
        probe.write(&format!("the node's command for {what}, without leave"), &[format!("{fault:?}")]);
    }
}

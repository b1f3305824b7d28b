//! Steps: which clocks they move, what the kernel forgets by them, and which it does not take.

use truechimer_core::node::Steering;
use truechimer_time::{Rate, Span};

use super::{LOOK, Machine, Probe, about, synchronised};
use crate::kernel::timex::{ADJ_FREQUENCY, ADJ_NANO, ADJ_SETOFFSET, ADJ_TAI, Timex};

pub(super) fn all(probe: &mut Probe<'_, impl Machine>) {
    for micros in [250_000, -250_000, 1, 3_600_500_000, -3_600_500_000, 0] {
        step(probe, Span::from_micros(micros));
    }
    forms(probe);
    limits(probe);
}

fn step(probe: &mut Probe<'_, impl Machine>, by: Span) {
    probe.begin_anew();
    probe.steer(Steering::Rate(Rate::from_ppb(12_500)));
    probe.set(Timex { modes: ADJ_TAI, constant: 37, ..Timex::default() });
    probe.set(synchronised(1000, 0));
    let before = probe.machine.clocks();
    probe.steer(Steering::Step(by));
    let [real, mono, tai] = probe.machine.clocks().gained_since(&before);
    let shows = [about("real", real, 9, LOOK), about("mono", mono, 9, LOOK), about("tai", tai, 9, LOOK)];
    probe.write(&format!("step {by} s"), &shows);
    probe.read("after that");
}

fn forms(probe: &mut Probe<'_, impl Machine>) {
    probe.begin_anew();
    let of = |modes, time| Timex { modes: ADJ_SETOFFSET | modes, time, ..Timex::default() };
    probe.attempt("step 0 s 999999999 ns", of(ADJ_NANO, (0, 999_999_999)));
    probe.attempt("step -1 s 1 ns", of(ADJ_NANO, (-1, 1)));
    probe.attempt("step 0 s 1000000000 ns", of(ADJ_NANO, (0, 1_000_000_000)));
    probe.attempt("step 0 s -1 ns", of(ADJ_NANO, (0, -1)));
    probe.attempt("step 0 s 999999 us", of(0, (0, 999_999)));
    probe.attempt("step -1 s 1 us", of(0, (-1, 1)));
    probe.attempt("step 0 s 1000000 us", of(0, (0, 1_000_000)));
    probe.call("step and frequency", Timex { freq: 65_536, ..of(ADJ_NANO | ADJ_FREQUENCY, (0, 0)) });
}

/// There and back again.
fn limits(probe: &mut Probe<'_, impl Machine>) {
    probe.begin_anew();
    let now = probe.machine.clocks();
    let to = |seconds: i128, now: Span| Timex {
        modes: ADJ_SETOFFSET | ADJ_NANO,
        time: ((seconds - now.split().0) as i64, 0),
        ..Timex::default()
    };
    let uptime = now.mono.split().0;
    probe.attempt("step to before 1970", to(-5, now.real));
    probe.attempt("step to less than the uptime after 1970", to(uptime - 5, now.real));
    probe.attempt("step to more than the uptime after 1970", to(uptime + 5, now.real));
    let then = probe.machine.clocks().real;
    probe.attempt("step back", to(now.real.split().0, then));
    probe.attempt("step to 2232-05-01", to(8_278_329_600, now.real));
    let then = probe.machine.clocks().real;
    probe.attempt("step to 2232-04-01", to(8_275_737_600, then));
    let then = probe.machine.clocks().real;
    probe.attempt("step back again", to(now.real.split().0, then));
}

//! Rates: what becomes of them in the kernel's fields, how fast the clock then is, and from when on.

use truechimer_core::node::Steering;
use truechimer_time::{Rate, Span};

use super::{Machine, Probe, about};
use crate::kernel::timex::{ADJ_FREQUENCY, ADJ_TICK, Timex};

/// Parts per million, from what one unit cannot say to what no clock can do.
const RATES: [f64; 16] = [
    0.0, 0.000_005, 0.000_01, 12.345, -12.345, 80.0, 499.999, 500.0, -500.0, 500.1, 600.25, -649.99, -650.01,
    -80_000.25, 100_000.0, 150_000.0,
];

pub(super) fn all(probe: &mut Probe<'_, impl Machine>) {
    for ppm in RATES {
        rate(probe, ppm);
    }
    fields(probe);
    for (rate, phase) in [(1e5, 0), (1e5, 1), (1e5, 2), (1e5, 3), (-1e5, 1), (500.0, 0), (500.0, 2)] {
        onset(probe, rate, Span::from_millis(phase));
    }
    probe.begin_anew();
}

fn rate(probe: &mut Probe<'_, impl Machine>, ppm: f64) {
    let made = probe.steer(Steering::Rate(Rate::from_ppm(ppm)));
    let mut timex = Timex::default();
    probe.machine.adjust(&mut timex).expect("reads");
    let before = probe.machine.clocks();
    probe.machine.sleep(Span::from_secs(8));
    let after = probe.machine.clocks();
    let passed = (after.raw - before.raw).as_seconds();
    let [real, mono, tai] = after.gained_since(&before).map(|gained| gained / passed * 1e6);
    let shows = [
        about("made", made.as_ppm(), 6, 2e-5),
        format!("tick={}", timex.tick),
        // The simulator counts in whole attoseconds, of which a unit is no whole number.
        about("freq", timex.freq as f64, 0, 1),
        about("real", real, 2, 0.2),
        about("mono", mono, 2, 0.2),
        about("tai", tai, 2, 0.2),
    ];
    probe.write(&format!("rate {ppm} ppm"), &shows);
}

fn fields(probe: &mut Probe<'_, impl Machine>) {
    probe.begin_anew();
    let of_freq = |freq| Timex { modes: ADJ_FREQUENCY, freq, ..Timex::default() };
    for freq in [1, -1, 32_767_999, 32_768_000, 32_768_001, -32_768_001, 1 << 37, i64::MAX, i64::MIN] {
        probe.call(&format!("freq {freq}"), of_freq(freq));
    }
    for tick in [8_999, 9_000, 11_000, 11_001, 0, 10_000] {
        probe.call(&format!("tick {tick}"), Timex { modes: ADJ_TICK, tick, ..Timex::default() });
    }
    probe.set(of_freq(0));
}

/// A new rate holds from the call on, or from the next tick or second: what the clock lacks or has too much after two
/// seconds tells. The phase moves the call to another place between two ticks.
fn onset(probe: &mut Probe<'_, impl Machine>, ppm: f64, phase: Span) {
    probe.begin_anew();
    probe.machine.sleep(phase);
    let before = probe.machine.clocks();
    let rate = probe.steer(Steering::Rate(Rate::from_ppm(ppm)));
    let called = before.raw + (probe.machine.clocks().raw - before.raw).half();
    probe.machine.sleep(Span::from_millis(2400));
    let after = probe.machine.clocks();
    let [_, mono, _] = after.gained_since(&before);
    let lacks = rate.over(after.raw - called).as_seconds() - mono;
    let what = format!("rate {ppm} ppm, {} ms past a quarter", phase.as_micros() / 1000);
    probe.write(&what, &[about("lacks", lacks, 7, 2e-6)]);
}

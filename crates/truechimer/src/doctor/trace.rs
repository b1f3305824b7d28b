//! The clocks of this machine, watched for a while: how they went against each other, who moved them, and how punctual a process is.

use std::thread;
use std::time::Duration;

use truechimer_sys::adjust::{self, ClockError, KernelClock};
use truechimer_sys::clock::{self, Readings};
use truechimer_time::{Rate, Span};

use super::machine::Machine;

/// The clocks are looked at so often.
const PACE: Duration = Duration::from_millis(50);

/// A clock that moves by more than this within a look, beyond what its rate explains, was stepped.
const STEP_MIN: Span = Span::from_millis(2);

/// What was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// The clocks at the beginning.
    pub first: Readings,
    /// And at the end.
    pub last: Readings,
    /// The kernel's clock at the beginning and at the end, or why it cannot be read.
    pub kernel: Result<(KernelClock, KernelClock), ClockError>,
    /// The rate that the kernel was told, on average.
    pub told: Rate,
    /// How often that was changed.
    pub changes: usize,
    /// The steps of the clock.
    pub steps: Vec<Span>,
    /// By how much each sleep took longer than it was to, the shortest first.
    pub lateness: Vec<Span>,
    /// How old the time between two ticks became, and how far ticks are apart; nothing where the kernel does not tell.
    pub tick: Option<(Span, Span)>,
    /// The processors' time that was stolen by the host, as a part of all.
    pub stolen: Option<f64>,
    /// How long some process had to wait for a processor, as a part of the time (PSI).
    pub crowded: Option<f64>,
}

impl Trace {
    /// How long it took, by the raw counter.
    pub fn elapsed(&self) -> Span {
        self.last.raw - self.first.raw
    }

    /// How fast the clock went against the raw counter, its steps apart, and how wrong that can be.
    pub fn against_raw(&self) -> (Rate, Rate) {
        let elapsed = self.elapsed();
        let steps = self.steps.iter().fold(Span::ZERO, |sum, step| sum + *step);
        let gained = (self.last.realtime - self.first.realtime) - elapsed - steps;
        let error = self.first.width.half() + self.last.width.half();
        (ratio(gained, elapsed), ratio(error, elapsed))
    }

    /// So late was all but one sleep in a hundred at most, and the latest of all.
    pub fn late(&self) -> (Span, Span) {
        let last = self.lateness.len().saturating_sub(1);
        let at = |index: usize| self.lateness.get(index).copied().unwrap_or(Span::ZERO);
        (at(last * 99 / 100), at(last))
    }
}

/// One span by another, as a rate.
pub fn ratio(part: Span, whole: Span) -> Rate {
    Rate::from_ratio(part.as_seconds() / whole.as_seconds().max(1e-9))
}

/// Watches, for as long as the machine is to be watched.
pub(super) fn watched(machine: &Machine) -> Trace {
    let begun = Counts::read(machine);
    let first = clock::readings();
    let kernel_first = adjust::read_state();
    let ends = first.mono + machine.watched_for;
    let mut before = (first, kernel_first.map_or(Rate::ZERO, |kernel| kernel.rate));
    let (mut told, mut changes, mut steps, mut lateness, mut tick) =
        (Vec::new(), 0, Vec::new(), Vec::new(), None);
    loop {
        let asleep = clock::mono();
        thread::sleep(PACE);
        let slept = clock::mono() - asleep;
        lateness.push(slept - Span::from_nanos(PACE.as_nanos() as i64));
        tick = older(tick, clock::tick_age());
        let now = clock::readings();
        let rate = adjust::read_state().map_or(before.1, |kernel| kernel.rate);
        changes += usize::from(rate != before.1);
        steps.extend(step(&before.0, &now, before.1.abs().max(rate.abs())));
        told.push(rate.as_ppm());
        before = (now, rate);
        if ends <= now.mono {
            break;
        }
    }
    lateness.sort_unstable();
    let ended = Counts::read(machine);
    let mean = told.iter().sum::<f64>() / told.len().max(1) as f64;
    Trace {
        first,
        last: before.0,
        kernel: kernel_first.and_then(|first| Ok((first, adjust::read_state()?))),
        told: Rate::from_ppm(mean),
        changes,
        steps,
        lateness,
        tick,
        stolen: begun.stolen_until(&ended),
        crowded: begun.crowded_until(&ended, before.0.mono - first.mono),
    }
}

fn older(known: Option<(Span, Span)>, seen: Option<(Span, Span)>) -> Option<(Span, Span)> {
    match (known, seen) {
        (Some(known), Some(seen)) => Some((known.0.max(seen.0), seen.1)),
        (known, seen) => known.or(seen),
    }
}

/// The step between two looks, if the clock moved by more than its rate and the looks themselves explain.
fn step(before: &Readings, now: &Readings, fastest: Rate) -> Option<Span> {
    let passed = now.raw - before.raw;
    let moved = (now.realtime - before.realtime) - passed;
    // A slew of the kernel's comes on top of the rate that it tells.
    let explained = fastest.over(passed).abs() + adjust::SLEW_RATE.over(passed).abs();
    let explained = explained + before.width + now.width + STEP_MIN;
    (explained < moved.abs()).then_some(moved)
}

/// What the kernel has counted.
struct Counts {
    /// All time of all processors, and that which was stolen, in ticks (proc(5), `stat`).
    ticks: Option<(u64, u64)>,
    /// Microseconds in which somebody waited for a processor (Documentation/accounting/psi.rst).
    waited: Option<u64>,
}

impl Counts {
    fn read(machine: &Machine) -> Self {
        let text = |path| machine.text(path).ok().flatten();
        Self {
            ticks: text("/proc/stat").as_deref().and_then(ticks),
            waited: text("/proc/pressure/cpu").as_deref().and_then(waited),
        }
    }

    fn stolen_until(&self, later: &Self) -> Option<f64> {
        let ((all, stolen), (all_later, stolen_later)) = (self.ticks?, later.ticks?);
        let all = all_later.checked_sub(all).filter(|all| *all > 0)?;
        Some(stolen_later.saturating_sub(stolen) as f64 / all as f64)
    }

    fn crowded_until(&self, later: &Self, elapsed: Span) -> Option<f64> {
        let waited = later.waited?.checked_sub(self.waited?)?;
        Some(waited as f64 / 1e6 / elapsed.as_seconds().max(1e-9))
    }
}

/// `cpu user nice system idle iowait irq softirq steal guest guest_nice`; the guests' time is in the user's already.
fn ticks(stat: &str) -> Option<(u64, u64)> {
    let counts: Vec<u64> =
        stat.lines().next()?.split_whitespace().skip(1).map_while(|word| word.parse().ok()).collect();
    Some((counts.iter().take(8).sum(), *counts.get(7)?))
}

/// `some avg10=0.20 avg60=1.63 avg300=12.16 total=5051331460`
fn waited(pressure: &str) -> Option<u64> {
    pressure.lines().next()?.split_once("total=")?.1.trim().parse().ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use truechimer_time::Time;

    /// Ten seconds in which nothing happened, the clock running so fast against the raw counter and as the kernel was told.
    pub(crate) fn trace(gained: Rate, told: Rate) -> Trace {
        let at = |seconds: i64| {
            let passed = Span::from_secs(seconds);
            Readings {
                raw: Time::from_epoch(Span::from_secs(1000) + passed),
                mono: Time::from_epoch(Span::from_secs(1000) + passed),
                realtime: Time::from_epoch(Span::from_secs(1_790_000_000) + passed + gained.over(passed)),
                asleep: Span::ZERO,
                width: Span::from_nanos(100),
            }
        };
        Trace {
            first: at(0),
            last: at(10),
            kernel: Err(ClockError::NotPermitted),
            told,
            changes: 0,
            steps: Vec::new(),
            lateness: vec![Span::from_micros(60); 200],
            tick: Some((Span::from_millis(3), Span::from_millis(4))),
            stolen: Some(0.0),
            crowded: Some(0.01),
        }
    }

    #[test]
    fn a_rate_is_told_with_its_error() {
        let (rate, error) = trace(Rate::from_ppm(620.0), Rate::ZERO).against_raw();
        assert!((rate.as_ppm() - 620.0).abs() < 0.02, "{rate:?}");
        assert!(error.as_ppm() < 0.1, "{error:?}");
    }

    #[test]
    fn a_step_is_told_from_a_slew() {
        let quiet = trace(Rate::ZERO, Rate::ZERO).first;
        let after = |millis: i64| Readings {
            raw: quiet.raw + Span::from_millis(50),
            realtime: quiet.realtime + Span::from_millis(50 + millis),
            ..quiet
        };
        assert_eq!(step(&quiet, &after(1), Rate::ZERO), None);
        assert_eq!(step(&quiet, &after(-40), Rate::ZERO), Some(Span::from_millis(-40)));
        // chronyd's fastest slew is no step.
        assert_eq!(step(&quiet, &after(4), Rate::from_ppm(83_333.0)), None);
    }

    #[test]
    fn the_kernel_counts_what_was_stolen_and_who_waited() {
        assert_eq!(ticks("cpu  10 0 20 60 0 0 0 10 5 0\ncpu0 1\n"), Some((100, 10)));
        assert_eq!(
            waited("some avg10=0.20 avg60=1.63 avg300=12.16 total=5051331460\nfull\n"),
            Some(5_051_331_460)
        );
    }

    #[test]
    fn this_machine_can_be_watched() {
        let machine =
            Machine { watched_for: Span::from_millis(120), ..Machine::at(std::path::Path::new("/")) };
        let seen = machine.trace().expect("it is ours").clone();
        assert!(Span::from_millis(120) <= seen.last.mono - seen.first.mono);
        assert!(!seen.lateness.is_empty());
        assert!(machine.trace().is_ok_and(|again| *again == seen), "it is watched once");
    }
}

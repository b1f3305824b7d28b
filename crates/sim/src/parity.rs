//! One body of calls for two kernels, the simulated and a real one, so that the simulated one is believed for a reason.
//!
//! [`with_leave`] does to a [`Machine`]'s clock all that we ever do to a clock, and what others may do; it writes a line
//! for each call: what was called, what came back, what the clocks showed. [`differences`] holds two such texts against
//! each other. The golden text is a real kernel's: `tests/guest/scenarios/parity` has a guest write it, and the tests of
//! this crate have the simulator meet it.
//!
//! ```text
//! step +0.25 s                    | is=ERROR real=0.250000000±2e-6 mono=0.000000000±2e-6 status=0x2041 ..
//! ```
//!
//! A value with a tolerance is one that a real machine cannot repeat to the last digit, because it takes time to look.

use std::fmt::{Display, Write};

use truechimer_core::event::SteeringFault;
use truechimer_core::node::Steering;
use truechimer_time::{Rate, Span};

use crate::kernel::timex::{self, Timex};

mod leaps;
mod rates;
mod slews;
mod states;
mod steps;

/// How long it may take to look at the clocks, twice, and to make a call in between.
const LOOK: f64 = 5e-6;

/// A kernel's clock and the means to wait.
pub trait Machine {
    /// A command of the node, as the daemon carries it out.
    fn steer(&mut self, command: Steering) -> Result<Rate, SteeringFault>;

    /// `clock_adjtime`, as it is: a `TIME_*` or an `errno`.
    fn adjust(&mut self, timex: &mut Timex) -> Result<i32, i32>;

    /// All clocks of this moment.
    fn clocks(&mut self) -> Clocks;

    /// Waits, by the monotonic clock.
    fn sleep(&mut self, span: Span);
}

/// What the clocks of a machine show, each since its own epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// `CLOCK_MONOTONIC_RAW`
    pub raw: Span,
    /// `CLOCK_MONOTONIC`
    pub mono: Span,
    /// `CLOCK_REALTIME`
    pub real: Span,
    /// `CLOCK_TAI`
    pub tai: Span,
}

impl Clocks {
    /// What each clock gained on the raw counter since: real, monotonic, TAI, in seconds.
    fn gained_since(&self, before: &Self) -> [f64; 3] {
        let passed = self.raw - before.raw;
        [self.real - before.real, self.mono - before.mono, self.tai - before.tai]
            .map(|span| (span - passed).as_seconds())
    }
}

/// All that one with leave to set the clock can do. The machine has just been started, and nobody has set its clock.
pub fn with_leave(machine: &mut impl Machine) -> String {
    let mut probe = Probe { machine, text: String::new() };
    states::at_birth(&mut probe);
    rates::all(&mut probe);
    steps::all(&mut probe);
    states::all(&mut probe);
    slews::all(&mut probe);
    leaps::all(&mut probe);
    probe.text
}

/// What one without leave can do: read.
pub fn without_leave(machine: &mut impl Machine) -> String {
    let mut probe = Probe { machine, text: String::new() };
    states::without_leave(&mut probe);
    probe.text
}

/// Where two texts of this body differ, in words. Tolerances are the first one's.
pub fn differences(expected: &str, found: &str) -> Vec<String> {
    let (lines, other) = (expected.lines().collect::<Vec<_>>(), found.lines().collect::<Vec<_>>());
    let differ = |(a, b): (&&str, &&str)| (!alike(a, b)).then(|| format!("expected {a}\n   found {b}"));
    let mut all: Vec<String> = lines.iter().zip(&other).filter_map(differ).collect();
    if lines.len() != other.len() {
        all.push(format!("expected {} lines, found {}", lines.len(), other.len()));
    }
    all
}

fn alike(expected: &str, found: &str) -> bool {
    let (a, b): (Vec<&str>, Vec<&str>) =
        (expected.split_whitespace().collect(), found.split_whitespace().collect());
    a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a == b || near(a, b) == Some(true))
}

fn near(expected: &str, found: &str) -> Option<bool> {
    let parts = |text: &str| -> Option<(String, f64, f64)> {
        let (name, value) = text.split_once('=')?;
        let (value, within) = value.split_once('±')?;
        Some((name.to_owned(), value.parse().ok()?, within.parse().ok()?))
    };
    let ((name, value, within), (other_name, other, _)) = (parts(expected)?, parts(found)?);
    Some(name == other_name && (value - other).abs() <= within)
}

/// The one who calls, looks and writes.
struct Probe<'a, M> {
    machine: &'a mut M,
    text: String,
}

impl<M: Machine> Probe<'_, M> {
    fn write(&mut self, what: &str, shows: &[String]) {
        writeln!(self.text, "{what:<44} | {}", shows.join(" ")).expect("a string takes all");
    }

    /// Makes a call and writes what the kernel then tells of itself.
    fn call(&mut self, what: &str, mut timex: Timex) {
        let result = self.machine.adjust(&mut timex);
        self.write(what, &told(result, &timex));
    }

    fn read(&mut self, what: &str) {
        self.call(what, Timex::default());
    }

    /// Makes a call and writes whether the kernel takes it.
    fn attempt(&mut self, what: &str, mut timex: Timex) {
        let result = self.machine.adjust(&mut timex);
        self.write(what, &[outcome(result)]);
    }

    /// What is a means and not the matter.
    fn set(&mut self, mut timex: Timex) {
        self.machine.adjust(&mut timex).expect("nothing is wrong with this call");
    }

    fn steer(&mut self, command: Steering) -> Rate {
        self.machine.steer(command).expect("the kernel can be steered")
    }

    /// A clock that is held to be right, at its own rate, on a whole second and a quarter: far from all that happens
    /// at the turn of a second.
    fn begin_anew(&mut self) {
        self.set(Timex { modes: timex::ADJ_OFFSET_SINGLESHOT, ..Timex::default() });
        self.steer(Steering::Rate(Rate::ZERO));
        self.set(synchronised(0, 0));
        self.align();
        self.machine.sleep(Span::from_secs(1));
        self.align();
        self.set(synchronised(0, 0));
    }

    /// Waits for a quarter past a second, with as few and as long waits as will not miss it.
    fn align(&mut self) {
        let quarter = Span::from_millis(250);
        let (seconds, _) = (self.machine.clocks().real - quarter).split();
        let wanted = Span::from_secs(seconds as i64 + 1) + quarter;
        loop {
            let left = wanted - self.machine.clocks().real;
            if left <= Span::ZERO {
                break;
            }
            self.machine.sleep(left);
        }
    }
}

/// A statement that the clock is right to so many microseconds, with the leap bit that is wanted.
fn synchronised(maxerror: i64, status: i32) -> Timex {
    let modes = timex::ADJ_STATUS | timex::ADJ_MAXERROR | timex::ADJ_ESTERROR | timex::ADJ_NANO;
    Timex { modes, maxerror, esterror: maxerror / 2, status, ..Timex::default() }
}

fn told(result: Result<i32, i32>, timex: &Timex) -> Vec<String> {
    let Timex { status, tick, freq, maxerror, esterror, tai, .. } = timex;
    vec![
        outcome(result),
        format!("status={status:#x}"),
        format!("tick={tick}"),
        format!("freq={freq}"),
        format!("maxerror={maxerror}"),
        format!("esterror={esterror}"),
        format!("tai={tai}"),
    ]
}

fn outcome(result: Result<i32, i32>) -> String {
    match result {
        Ok(timex::TIME_OK) => "is=OK".into(),
        Ok(timex::TIME_INS) => "is=INS".into(),
        Ok(timex::TIME_DEL) => "is=DEL".into(),
        Ok(timex::TIME_OOP) => "is=OOP".into(),
        Ok(timex::TIME_WAIT) => "is=WAIT".into(),
        Ok(timex::TIME_ERROR) => "is=ERROR".into(),
        Ok(other) => format!("is={other}"),
        Err(timex::EPERM) => "fails=EPERM".into(),
        Err(timex::EINVAL) => "fails=EINVAL".into(),
        Err(errno) => format!("fails={errno}"),
    }
}

/// A value that a real machine shows to within so much.
fn about(name: &str, value: f64, digits: usize, within: impl Display) -> String {
    // No minus before what is printed as zero.
    let value = if libm::fabs(value) < 0.5 * libm::pow(10.0, -(digits as f64)) { 0.0 } else { value };
    format!("{name}={value:.digits$}±{within}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_seen_and_a_tolerance_kept() {
        assert_eq!(differences("a | x=1.0±0.1 y=2", "a | x=1.05±0.1 y=2"), [""; 0]);
        assert_eq!(differences("a | x=1.0±0.1 y=2", "a | x=1.2±0.1 y=2").len(), 1);
        assert_eq!(differences("a | x=1.0±0.1 y=2", "a | x=1.0±0.1 y=3").len(), 1);
        assert_eq!(differences("a | x=1.0±0.1", "b | x=1.0±0.1").len(), 1);
        assert_eq!(differences("a | x=1\nb | x=1", "a | x=1").len(), 1);
    }
}

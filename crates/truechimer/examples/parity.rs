//! Makes the calls of `truechimer_sim::parity` to a real kernel, inside a test guest, and writes what it did.
//!
//! ```text
//! parity in-this-guest with-leave       steps and slews the clock of this machine for ten minutes
//! parity in-this-guest idle             the same, sleeping so long that the kernel stops its tick meanwhile
//! parity in-this-guest without-leave    is to be run by somebody who may not: tries, and changes nothing
//! parity compare EXPECTED FOUND         exit 1 if two files of these lines differ by more than is allowed
//! ```
//!
//! **Invariant:** nothing is called unless this machine says in three ways that it is a guest that is there to be broken:
//! the word on the command line of this program, a word on the command line of its kernel, and QEMU's name on its board.

use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use truechimer_core::event::SteeringFault;
use truechimer_core::node::Steering;
use truechimer_sim::kernel::timex::{EINVAL, EPERM, Timex};
use truechimer_sim::parity::{Clocks, Machine, differences, with_leave, without_leave};
use truechimer_sys::adjust::plain;
use truechimer_sys::adjust::{self, ClockError};
use truechimer_sys::clock;
use truechimer_time::{Rate, Span};

/// What the kernel of a guest is booted with if its clock may be set.
const KERNEL_WORD: &str = "truechimer.guest";

/// A kernel with nothing to do stops its tick, and what is to be done at the turn of a second is done when it wakes. So it
/// is woken twice in a tick, at 250 a second.
const NAP: Span = Span::from_millis(2);

/// So short a time is not worth a sleep.
const WAIT_MAX: Span = Span::from_micros(50);

/// How often the clocks are read, so that an interrupt in the midst does no harm.
const LOOKS: usize = 5;

fn main() -> anyhow::Result<ExitCode> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["in-this-guest", "with-leave"] => print!("{}", with_leave(&mut Guest::enter(NAP)?)),
        ["in-this-guest", "idle"] => print!("{}", with_leave(&mut Guest::enter(Span::MAX)?)),
        ["in-this-guest", "without-leave"] => print!("{}", without_leave(&mut Guest::enter(NAP)?)),
        ["compare", expected, found] => return compare(&read(expected)?, &read(found)?),
        _ => bail!("one of in-this-guest with-leave|idle|without-leave, compare EXPECTED FOUND"),
    }
    Ok(ExitCode::SUCCESS)
}

fn compare(expected: &str, found: &str) -> anyhow::Result<ExitCode> {
    let differences = differences(expected, found);
    for difference in &differences {
        println!("{difference}");
    }
    Ok(if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(path: &str) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {path}"))
}

/// The clock of the guest that this runs in.
struct Guest {
    nap: Span,
}

impl Guest {
    fn enter(nap: Span) -> anyhow::Result<Self> {
        let board = read("/sys/class/dmi/id/sys_vendor")?;
        ensure!(board.trim() == "QEMU", "this machine is no guest of QEMU: its clock is left alone");
        let command_line = read("/proc/cmdline")?;
        let has_word = command_line.split_whitespace().any(|word| word == KERNEL_WORD);
        ensure!(has_word, "this guest was booted without the word {KERNEL_WORD}: its clock is left alone");
        Ok(Self { nap })
    }
}

impl Machine for Guest {
    fn steer(&mut self, command: Steering) -> Result<Rate, SteeringFault> {
        match command {
            Steering::Rate(rate) => adjust::set_rate(rate),
            Steering::Step(by) | Steering::Mend(by) => {
                adjust::step(by).and_then(|_| Ok(adjust::read_state()?.rate))
            }
        }
        .map_err(fault)
    }

    fn adjust(&mut self, timex: &mut Timex) -> Result<i32, i32> {
        let mut asked = asked(timex);
        let outcome = plain::call(&mut asked);
        *timex = told(&asked);
        outcome.map_err(|error| match error {
            ClockError::NotPermitted => EPERM,
            ClockError::Invalid => EINVAL,
            ClockError::Interrupted => 4,
            ClockError::Other(errno) => errno,
        })
    }

    fn clocks(&mut self) -> Clocks {
        let looks = (0..LOOKS).map(|_| look());
        let (_, clocks) = looks.min_by_key(|(width, _)| *width).expect("there are some");
        clocks
    }

    fn sleep(&mut self, span: Span) {
        let until = clock::mono() + span;
        loop {
            let left = until - clock::mono();
            if left <= Span::ZERO {
                break;
            }
            if span > WAIT_MAX {
                std::thread::sleep(Duration::from_nanos(left.min(self.nap).as_nanos().unsigned_abs()));
            }
        }
    }
}

/// The clocks, and how long it took.
fn look() -> (Span, Clocks) {
    let before = clock::raw().since_epoch();
    let real = clock::realtime().since_epoch();
    let mono = clock::mono().since_epoch();
    let tai = clock::tai().expect("Linux has had this clock since 3.10").since_epoch();
    let width = clock::raw().since_epoch() - before;
    (width, Clocks { raw: before + width.half(), mono, real, tai })
}

fn fault(error: ClockError) -> SteeringFault {
    match error {
        ClockError::NotPermitted => SteeringFault::NotPermitted,
        ClockError::Invalid => SteeringFault::Invalid,
        ClockError::Interrupted => SteeringFault::Other(4),
        ClockError::Other(errno) => SteeringFault::Other(errno),
    }
}

fn asked(timex: &Timex) -> plain::Timex {
    let Timex { modes, offset, freq, maxerror, esterror, status, constant, time, tick, tai } = *timex;
    plain::Timex { modes, offset, freq, maxerror, esterror, status, constant, time, tick, tai }
}

fn told(plain: &plain::Timex) -> Timex {
    let plain::Timex { modes, offset, freq, maxerror, esterror, status, constant, time, tick, tai } = *plain;
    Timex { modes, offset, freq, maxerror, esterror, status, constant, time, tick, tai }
}

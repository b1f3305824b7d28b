//! The simulated kernel against what a real one did with the same calls.

use truechimer_core::event::SteeringFault;
use truechimer_core::node::Steering;
use truechimer_sim::kernel::Kernel;
use truechimer_sim::kernel::timex::Timex;
use truechimer_sim::parity::{Clocks, Machine, differences, with_leave, without_leave};
use truechimer_time::{Rate, Raw, Span, Time};

/// What Linux 6.1 did; `tests/guest/scenarios/parity` writes it.
const GOLDEN: &str = include_str!("golden/parity.txt");

const TENTH_LESS: Rate = Rate::from_ppb(-100_000_000);

struct Simulated {
    kernel: Kernel,
    raw: Time<Raw>,
}

impl Simulated {
    /// A machine that was switched on a minute ago, at noon.
    fn new() -> Self {
        let raw = Time::EPOCH + Span::from_secs(60);
        let local = Time::EPOCH + Span::from_secs(20_788 * 86_400 + 43_200);
        Self { kernel: Kernel::new(raw, local), raw }
    }
}

impl Machine for Simulated {
    fn steer(&mut self, command: Steering) -> Result<Rate, SteeringFault> {
        self.kernel.steer(self.raw, command)
    }

    fn adjust(&mut self, timex: &mut Timex) -> Result<i32, i32> {
        self.kernel.adjust(self.raw, timex)
    }

    fn clocks(&mut self) -> Clocks {
        let now = self.kernel.read(self.raw);
        let tai = self.kernel.tai(self.raw).since_epoch();
        let (raw, mono, real) = (self.raw.since_epoch(), now.mono.since_epoch(), now.local.since_epoch());
        Clocks { raw, mono, real, tai }
    }

    /// To the nanosecond, as timers are. The clock may be a tenth fast, so that nine tenths are slept each time.
    fn sleep(&mut self, span: Span) {
        let until = self.kernel.read(self.raw).mono + span;
        loop {
            let left = until - self.kernel.read(self.raw).mono;
            if left <= Span::ZERO {
                break;
            }
            self.raw += (left + TENTH_LESS.over(left)).max(Span::from_nanos(1));
        }
    }
}

#[test]
fn the_simulated_kernel_does_what_linux_does() {
    let mut simulated = Simulated::new();
    let mut text = with_leave(&mut simulated);
    simulated.kernel.refuse(Some(SteeringFault::NotPermitted));
    text += &without_leave(&mut simulated);
    let found = differences(GOLDEN, &text);
    assert!(found.is_empty(), "{} differences:\n{}\nall:\n{text}", found.len(), found.join("\n"));
}

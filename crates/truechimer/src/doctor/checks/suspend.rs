//! Whether this machine sleeps, and whether its clock is kept over that.

use truechimer_time::Span;

use crate::doctor::keepers::{self, Keeper};
use crate::doctor::{Area, Check, Finding, Hidden, Machine};
use crate::ui::units;

/// See [`PAGE`].
pub const CHECK: Check = Check {
    name: "suspend",
    area: Area::Clock,
    question: "Is the clock kept over the machine's sleep?",
    page: PAGE,
    probe,
};

const PAGE: &str = "\
While a machine is suspended its counters stand still. When it wakes, the
kernel adds what the battery clock says has passed, to a second or so; what a
daemon knew of the clock is void, and it has to measure anew. CLOCK_BOOTTIME
less CLOCK_MONOTONIC is how long this machine has slept since it was booted.

risky   It has slept, has no battery clock to tell for how long, or no time
        daemon that measures anew when it wakes.
fine    It has not slept since boot, or somebody looks after the clock.

What to do: let a time daemon run. truechimer and chronyd 4.x see that the
machine slept; systemd-timesyncd asks again at once. Servers should not sleep:
`systemctl mask sleep.target suspend.target hibernate.target`.
";

/// Reading the two clocks takes a moment.
const NOTHING: Span = Span::from_millis(10);

fn probe(machine: &Machine) -> Result<Vec<Finding>, Hidden> {
    let trace = machine.trace()?;
    let has_rtc = machine.path("/sys/class/rtc/rtc0").exists();
    let has_daemon = keepers::running(machine).iter().any(Keeper::is_to_keep_the_clock);
    let during = trace.last.asleep - trace.first.asleep;
    Ok(vec![judge(trace.last.asleep, during, has_rtc, has_daemon)])
}

fn judge(asleep: Span, during: Span, has_rtc: bool, has_daemon: bool) -> Finding {
    let slept = format!("the machine has slept for {} since it was booted", units::span(asleep));
    let finding = if asleep < NOTHING {
        Finding::fine("the machine has not slept since it was booted")
    } else if !has_rtc {
        Finding::risky(format!("{slept}, and no battery clock tells for how long it sleeps"))
            .told("let it not sleep, or set the clock whenever it wakes")
            .run("sudo systemctl mask sleep.target suspend.target hibernate.target")
    } else if !has_daemon {
        Finding::risky(format!("{slept}, and no program measures anew when it wakes"))
            .run("sudo truechimer service install")
    } else if NOTHING < during {
        Finding::fine(format!("{slept}, {} of it while it was looked at", units::span(during)))
    } else {
        Finding::fine(format!("{slept}, and a program looks after the clock"))
    };
    finding.number("asleep_seconds", asleep.as_seconds())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn sleep_is_a_risk_only_where_nobody_looks_after_the_clock() {
        let verdict = |seconds, has_rtc, has_daemon| {
            judge(Span::from_secs(seconds), Span::ZERO, has_rtc, has_daemon).verdict
        };
        assert_eq!(verdict(0, false, false), Verdict::Fine);
        assert_eq!(verdict(9000, true, true), Verdict::Fine);
        assert_eq!(verdict(9000, true, false), Verdict::Risky);
        assert_eq!(verdict(9000, false, true), Verdict::Risky);
    }
}

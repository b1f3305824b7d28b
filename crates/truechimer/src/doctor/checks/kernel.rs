//! What the kernel tells programs about its clock.

use truechimer_sys::adjust::{KernelClock, Leap};
use truechimer_time::{LeapTable, Local, Span, Time};

use crate::doctor::keepers::{self, Keeper};
use crate::doctor::{Area, Check, Finding, Hidden, Machine};
use crate::ui::units;

/// See [`PAGE`].
pub const CHECK: Check = Check {
    name: "kernel",
    area: Area::Clock,
    question: "Does the kernel say that its clock is right?",
    page: PAGE,
    probe,
};

const PAGE: &str = "\
Programs such as databases and certificate tools ask the kernel (adjtimex)
whether the clock is right, how wrong it may be, and how far TAI is ahead. The
kernel knows only what a time daemon tells it:

- whether it is synchronised (STA_UNSYNC). Only then does the kernel also
  write the time to the battery clock, every 11 minutes;
- maxerror, the bound of the error, which grows by 500 ppm until it is told
  anew; at 16 s the kernel gives up;
- TAI less UTC. 0 if nobody told it: then CLOCK_TAI shows the same as the
  clock. PTP programs need it;
- a leap second that is armed for the end of this day.

wrong   A leap second is armed and no table knows of one; or CLOCK_TAI is off.
risky   A daemon runs and the kernel has not been told that the clock is
        right.
fine    It has, or there is no daemon here to tell it.

What to do: chronyd tells it with `rtcsync` in chrony.conf, and of TAI with
`leapsectz right/UTC` or `leapseclist`; truechimer tells it both by itself.
";

fn probe(machine: &Machine) -> Result<Vec<Finding>, Hidden> {
    let trace = machine.trace()?;
    let (_, kernel) = trace
        .kernel
        .map_err(|error| Hidden::Because(format!("cannot ask the kernel about its clock: {error}")))?;
    let has_daemon = keepers::running(machine).iter().any(Keeper::is_to_keep_the_clock);
    Ok(judge(&kernel, trace.last.realtime, has_daemon))
}

fn judge(kernel: &KernelClock, now: Time<Local>, has_daemon: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(leap(kernel.status.leap(), now));
    findings.extend(tai(kernel.tai_offset, now));
    let bound = units::span(kernel.maxerror);
    findings.push(
        match (kernel.status.synchronised(), has_daemon) {
            (true, _) => Finding::fine(format!(
                "the kernel says that its clock is right to within {bound}{}",
                if kernel.tai_offset == 0 { "; nobody has told it of TAI" } else { "" }
            )),
            (false, true) => Finding::risky(
                "a time daemon runs, and the kernel has not been told that the clock is right (STA_UNSYNC)",
            )
            .told("if it has just begun, wait; chronyd tells it only with `rtcsync` in its configuration")
            .run("timedatectl show -p NTPSynchronized"),
            (false, false) => {
                Finding::fine("nobody tells the kernel whether its clock is right (STA_UNSYNC)")
            }
        }
        .number("maxerror_seconds", kernel.maxerror.as_seconds())
        .number("esterror_seconds", kernel.esterror.as_seconds())
        .number("tai_minus_utc_seconds", kernel.tai_offset.into()),
    );
    findings
}

/// A leap second that is armed is right only if a table has one within the day.
fn leap(armed: Leap, now: Time<Local>) -> Option<Finding> {
    let what = match armed {
        Leap::None => return None,
        Leap::Insert => "inserted",
        Leap::Delete => "left out",
    };
    let now = Time::from_epoch(now.since_epoch());
    let is_due = LeapTable::COMPILED.is_near_leap(now, Span::from_secs(86_400));
    (!is_due).then(|| {
        Finding::wrong(format!(
            "a leap second is to be {what} at the end of this day (UTC), and the table that this program has knows of none"
        ))
        .told("compare with https://hpiers.obspm.fr/iers/bul/bulc/bulletinc.dat; restart the time daemon if that has none either")
        .run("chronyc sources && chronyc selectdata")
    })
}

/// 0: nobody told it. 10: the clock counts all seconds.
fn tai(offset: i32, now: Time<Local>) -> Option<Finding> {
    let right = LeapTable::COMPILED.offset_at_utc(Time::from_epoch(now.since_epoch()));
    let is_plausible = [0, 10, right].contains(&offset);
    (!is_plausible).then(|| {
        Finding::wrong(format!("the kernel was told that TAI is {offset} s ahead of UTC; it is {right} s"))
            .told("renew the table of leap seconds, then restart the time daemon")
            .run("sudo apt-get install --only-upgrade tzdata")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Time<Local> {
        Time::from_epoch(Span::from_secs(1_790_000_000))
    }

    #[test]
    fn a_leap_second_that_no_table_knows_of_is_wrong() {
        let words = leap(Leap::Insert, now()).expect("none is due").words;
        assert!(words.contains("to be inserted"), "{words}");
        assert!(leap(Leap::None, now()).is_none());
        // 2016-12-31 12:00:00, twelve hours before the last one.
        assert!(leap(Leap::Insert, Time::from_epoch(Span::from_secs(1_483_185_600))).is_none());
    }

    #[test]
    fn tai_is_37_seconds_ahead_or_nobody_has_said_so() {
        assert!(tai(0, now()).is_none() && tai(37, now()).is_none() && tai(10, now()).is_none());
        assert!(
            tai(36, now()).is_some_and(|finding| finding.words.contains("36 s ahead of UTC; it is 37 s"))
        );
    }

    #[test]
    fn a_daemon_that_does_not_tell_the_kernel_is_a_risk() {
        let Ok(kernel) = truechimer_sys::adjust::read_state() else { return };
        let findings = judge(&kernel, now(), true);
        let is_told = findings.iter().any(|finding| finding.words.contains("right to within"));
        let is_risky = findings.iter().any(|finding| finding.words.contains("STA_UNSYNC"));
        assert_eq!(is_told, kernel.status.synchronised());
        assert_eq!(is_risky, !kernel.status.synchronised());
    }
}

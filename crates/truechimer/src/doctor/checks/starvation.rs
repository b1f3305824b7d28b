//! Whether a process that keeps the clock would run when it has to.

use truechimer_time::Span;

use crate::doctor::trace::Trace;
use crate::doctor::{Area, Check, Finding, Hidden, Machine};
use crate::ui::units;

/// See [`PAGE`].
pub const CHECK: Check = Check {
    name: "starvation",
    area: Area::Clock,
    question: "Does a process here run when it is to?",
    page: PAGE,
    probe,
};

const PAGE: &str = "\
A time daemon that is not run when an answer comes, or a virtual machine whose
host gives its processors to others, measures late and steers late. For as
long as --for says this looks at

- how much later than asked its own sleeps of 50 ms end;
- how much of the processors' time the host has stolen (/proc/stat, steal);
- how long processes wait for a processor (/proc/pressure/cpu), if the kernel
  counts that;
- how old the kernel's time between two ticks becomes: older than a tick, and
  ticks were late or lost. A kernel that stops its tick while it idles makes
  up for it when it wakes, so what is seen here are ticks lost while it
  worked;
- the timer slack of this process (/proc/self/timerslack_ns), by which every
  sleep may be longer; what a shell was given, its children have too.

wrong   One sleep in a hundred ended more than 200 ms late, or the host has
        stolen more than a fifth of the time.
risky   More than 20 ms late; more than a twentieth stolen; a tick late by
        more than 20 ms; a timer slack above 1 ms.
fine    None of these. That others wait for a processor is told, but hurts a
        daemon only if its own sleeps are late.

What to do: give the virtual machine processors of its own, or fewer of them
on a host that has more guests than processors; let the daemon run with
real-time priority (chronyd: `sched_priority 1`).
";

/// A sleep that ends later than this is a risk; than ten times this, wrong.
const LATE: Span = Span::from_millis(20);

/// Of the processors' time, so much stolen is a risk; four times as much is wrong.
const STOLEN: f64 = 0.05;

/// A tick later than this was lost to something that keeps the kernel from its work.
const TICK_LATE: Span = Span::from_millis(20);

/// The kernel's own default is 50 µs (prctl(2), PR_SET_TIMERSLACK).
const SLACK_NANOS_MAX: u64 = 1_000_000;

fn probe(machine: &Machine) -> Result<Vec<Finding>, Hidden> {
    let mut findings = judge(machine.trace()?);
    let slack = machine.text("/proc/self/timerslack_ns").ok().flatten();
    findings.extend(slack.and_then(|text| text.trim().parse().ok()).and_then(slack_of));
    Ok(findings)
}

fn judge(trace: &Trace) -> Vec<Finding> {
    let (usual, latest) = trace.late();
    let mut findings = Vec::new();
    if LATE < usual {
        let words = format!(
            "a sleep of 50 ms ends up to {} late (the worst: {}): time daemons here run late too",
            units::span(usual),
            units::span(latest)
        );
        let finding = if LATE * 10 < usual { Finding::wrong(words) } else { Finding::risky(words) };
        findings.push(finding.number("late_seconds", usual.as_seconds()).run("cat /proc/pressure/cpu"));
    }
    if let Some(stolen) = trace.stolen.filter(|stolen| STOLEN < *stolen) {
        let words = format!("the host has stolen {:.0} % of the processors' time", stolen * 100.0);
        let finding = if STOLEN * 4.0 < stolen { Finding::wrong(words) } else { Finding::risky(words) };
        findings.push(
            finding
                .number("stolen_ratio", stolen)
                .told("have the host give this guest processors of its own, or this guest fewer of them"),
        );
    }
    if let Some((age, tick)) = trace.tick.filter(|(age, tick)| *tick + TICK_LATE < *age) {
        findings.push(
            Finding::risky(format!(
                "a tick of the kernel's came {} late, of one each {}",
                units::span(age - tick),
                units::span(tick)
            ))
            .number("tick_late_seconds", (age - tick).as_seconds())
            .told(
                "look for drivers or firmware that keep a processor to themselves (System Management Mode)",
            ),
        );
    }
    if findings.is_empty() {
        findings.push(healthy(trace, usual));
    }
    findings
}

fn healthy(trace: &Trace, usual: Span) -> Finding {
    let stolen = trace.stolen.map_or_else(String::new, |stolen| format!(", {:.1} % stolen", stolen * 100.0));
    let crowded = trace.crowded.map_or_else(String::new, |crowded| {
        format!(", others wait for a processor {:.0} % of the time", crowded * 100.0)
    });
    Finding::fine(format!("sleeps end at most {} late{stolen}{crowded}", units::span(usual.max(Span::ZERO))))
        .number("late_seconds", usual.as_seconds())
}

fn slack_of(nanos: u64) -> Option<Finding> {
    (SLACK_NANOS_MAX < nanos).then(|| {
        Finding::risky(format!(
            "what is started from here sleeps up to {} longer than it asks (timer slack)",
            units::span(Span::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX)))
        ))
        .run("echo 50000 > /proc/$$/timerslack_ns")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;
    use crate::doctor::trace::tests::trace;
    use truechimer_time::Rate;

    fn quiet() -> Trace {
        trace(Rate::ZERO, Rate::ZERO)
    }

    fn verdicts(trace: &Trace) -> Vec<Verdict> {
        judge(trace).into_iter().map(|finding| finding.verdict).collect()
    }

    #[test]
    fn a_punctual_machine_is_fine_though_others_wait() {
        assert_eq!(verdicts(&Trace { crowded: Some(0.9), ..quiet() }), [Verdict::Fine]);
    }

    #[test]
    fn one_late_sleep_in_two_hundred_is_no_illness_and_ten_are() {
        let mut lateness = vec![Span::from_micros(60); 199];
        lateness.push(Span::from_millis(900));
        assert_eq!(verdicts(&Trace { lateness: lateness.clone(), ..quiet() }), [Verdict::Fine]);
        lateness.extend([Span::from_millis(900); 10]);
        assert_eq!(verdicts(&Trace { lateness, ..quiet() }), [Verdict::Wrong]);
    }

    #[test]
    fn stolen_time_and_lost_ticks_are_told_each() {
        let stolen = Trace { stolen: Some(0.3), ..quiet() };
        assert_eq!(verdicts(&stolen), [Verdict::Wrong]);
        let ticks = Trace { tick: Some((Span::from_millis(90), Span::from_millis(4))), ..quiet() };
        assert_eq!(verdicts(&ticks), [Verdict::Risky]);
        assert!(judge(&ticks)[0].words.contains("86.00 ms late"), "{:?}", judge(&ticks));
    }

    #[test]
    fn a_long_timer_slack_is_inherited() {
        assert!(slack_of(50_000).is_none());
        assert!(slack_of(40_000_000).is_some_and(|finding| finding.words.contains("40.00 ms longer")));
    }
}

//! How fast the clock runs: against the raw counter, against the sources, and against what can be made up by slewing.

mod learned;

use std::thread;

use truechimer_sys::adjust::SLEW_RATE;
use truechimer_time::{Rate, Span};

use crate::cli::Family;
use crate::doctor::keepers::{self, Keeper};
use crate::doctor::survey::{Seen, patience};
use crate::doctor::trace::{Trace, ratio};
use crate::doctor::{Area, Check, Finding, Hidden, Machine};
use crate::measuring::{self, Manner};
use crate::ui::units;

/// See [`PAGE`].
pub const CHECK: Check = Check {
    name: "rate",
    area: Area::Clock,
    question: "Does the clock run at a rate that can be corrected?",
    page: PAGE,
    probe,
};

const PAGE: &str = "\
Looks at the clock for as long as --for says, against three others: the raw
counter (CLOCK_MONOTONIC_RAW), which nobody adjusts; the sources that are
configured here, asked at the beginning and at the end; and what the kernel
was told to correct. Files in which chronyd and ntpd keep what they learned of
the oscillator (\"drift\") tell about the days before, and so does the history
of our daemon: how fast the raw counter ran in the last seven days of it, and
who else moved the clock in the last of them.

A clock is corrected by making it run faster or slower, and most programs do
that by 500 ppm at most, which is 43.2 s a day. One that loses 620 ppm loses
120 ppm more than that: it falls behind by 10.4 s a day, and will never catch
up. Crystals err by less than 100 ppm. A machine that errs by more has a
broken or virtual counter, or a kernel that measured it wrongly at boot.

wrong   The clock departs from its sources faster than it can be corrected, or
        it departs and no program corrects it. Or it departs from the raw
        counter by more than the kernel was told: somebody sets it over and
        over, or this process is shown another clock.
risky   More than half of what can be corrected is used up already. Or another
        program changed the clock in the last day of the history.
fine    It runs as the kernel was told, and that is little.
unseen  The sources are too far away to tell a rate in so short a time.

What to do: chronyd slews faster than others. Have the kernel measure the
counter anew by a restart; in a virtual machine take kvm-clock, tsc or
hyperv_clocksource_tsc_page as the clocksource.
";

/// Of what can be corrected, so much used up is a risk.
const USED_UP: f64 = 0.5;

/// What nobody corrects matters from here on: 4.3 s a day.
const DRIFT_MIN: Rate = Rate::from_ppb(50_000);

/// How far apart the two questions of a reading are, where it matters.
const SPACING: Span = Span::from_millis(500);

/// So many sources are asked at the end as well.
const WITNESSES_MAX: usize = 3;

fn probe(machine: &Machine) -> Result<Vec<Finding>, Hidden> {
    let keepers = keepers::running(machine);
    let mut findings = learned::findings(machine);
    // The sources are asked at the beginning, while the clock is watched, and again at the end. Who cannot be asked tells no rate.
    let trace = thread::scope(|scope| {
        scope.spawn(|| machine.survey().is_ok());
        machine.trace()
    })?;
    findings.push(by_counter(trace));
    findings.extend(by_sources(machine, &keepers, trace));
    Ok(findings)
}

/// Against the raw counter more than the kernel was told is only a slew, and that has a limit.
fn by_counter(trace: &Trace) -> Finding {
    let (rate, error) = trace.against_raw();
    let beyond = Rate::from_ppm(rate.as_ppm() - trace.told.as_ppm());
    let numbers = |finding: Finding| {
        finding.number("against_raw_ppm", rate.as_ppm()).number("told_ppm", trace.told.as_ppm())
    };
    let limit = Rate::from_ppm(SLEW_RATE.as_ppm() * 1.01) + error;
    if limit < beyond.abs() {
        let verb = if beyond < Rate::ZERO { "loses" } else { "gains" };
        return numbers(
            Finding::wrong(format!(
                "the clock {verb} {:.0} ppm on the raw counter beyond the {:.0} that the kernel was told, and a slew makes 500 at \
                 most: somebody sets it over and over, or this process is shown another clock",
                beyond.abs().as_ppm(),
                trace.told.as_ppm(),
            ))
            .told("find who sets the clock (see the check `writers`), and whether LD_PRELOAD is set here"),
        );
    }
    let slewed = match Rate::from_ppb(5_000) + error < beyond.abs() {
        true => format!(", {} of it a slew that will end", units::rate(beyond)),
        false => String::new(),
    };
    numbers(Finding::fine(format!("the clock runs {} against the raw counter{slewed}", units::rate(rate))))
}

/// One source, at two moments.
struct Witness {
    /// By how much more our clock was behind at the end.
    lost: Span,
    /// How wrong that can be: half of what both questions took on their way.
    error: Span,
    /// How far apart they were.
    elapsed: Span,
}

fn by_sources(machine: &Machine, keepers: &[Keeper], trace: &Trace) -> Option<Finding> {
    let seen = machine.survey().ok()?;
    if !trace.steps.is_empty() {
        // Who steps it now will have done so before the watch and after it, between two questions.
        let why = "the clock was stepped while it was watched, so the sources tell no rate (see the check `writers`)";
        return Some(Finding::unseen(&Hidden::Because(why.to_owned())));
    }
    let mut near: Vec<&Seen> = seen.iter().filter(|seen| seen.outcome.is_ok()).collect();
    near.sort_by_key(|seen| seen.outcome.as_ref().map_or(Span::MAX, |reading| reading.delay));
    near.truncate(WITNESSES_MAX);
    let places: Vec<crate::config::Address> =
        near.iter().filter_map(|seen| seen.place.map(crate::config::Address::Literal)).collect();
    let family = Family { ipv4: false, ipv6: false };
    let manner = Manner { samples: 2, timeout: patience(machine), family };
    let again = measuring::measure(&places, &manner).ok()?;
    let witness = |(seen, server): (&&Seen, measuring::Server)| {
        let (before, after) = (seen.outcome.as_ref().ok()?, server.outcome.ok()?);
        Some(Witness {
            lost: after.offset() - before.offset(),
            error: (after.delay + before.delay).half(),
            elapsed: after.local - before.local,
        })
    };
    let witnesses: Vec<Witness> = near.iter().zip(again.servers).filter_map(witness).collect();
    let best = witnesses.into_iter().min_by_key(|witness| witness.error)?;
    let lost = ratio(best.lost, best.elapsed);
    // Each reading is of one of two questions half a second apart, of which it is not told which.
    let error = ratio(best.error + lost.over(SPACING).abs(), best.elapsed);
    Some(by_witness(lost, error, keepers))
}

fn by_witness(lost: Rate, error: Rate, keepers: &[Keeper]) -> Finding {
    let keeper = keepers.iter().find(|keeper| keeper.is_to_keep_the_clock());
    let slews = keeper.map_or(SLEW_RATE, |keeper| keeper.program.slews());
    let certain = Rate::from_ppm((lost.abs().as_ppm() - error.as_ppm()).max(0.0));
    let verb = if lost < Rate::ZERO { "gaining" } else { "losing" };
    let (ppm, error_ppm, limit) = (lost.abs().as_ppm(), error.as_ppm(), slews.as_ppm());
    let finding = if slews < certain {
        Finding::wrong(format!(
            "{verb} {ppm:.0} ± {error_ppm:.0} ppm against the sources; {} slews at most {limit:.0}: will never catch up, {:.1} s \
             further away each day",
            keeper.map_or("a program that is started now", |keeper| keeper.program.name()),
            (ppm - limit) * 0.0864,
        ))
        .run("cat /sys/devices/system/clocksource/clocksource0/available_clocksource")
        .told("restart the machine or change its clocksource, so that the counter is measured anew")
    } else if keeper.is_none() && DRIFT_MIN < certain {
        Finding::wrong(format!(
            "{verb} {ppm:.0} ± {error_ppm:.0} ppm against the sources, {:.1} s a day, and no program corrects it",
            ppm * 0.0864
        ))
        .run("sudo truechimer service install")
    } else if Rate::from_ppm(limit * USED_UP) < certain {
        Finding::risky(format!(
            "{verb} {ppm:.0} ± {error_ppm:.0} ppm against the sources, of {limit:.0} that can be slewed"
        ))
        .told("look again in an hour: a slew ends, a bad counter does not")
    } else if SLEW_RATE < error {
        Finding::unseen(&Hidden::Because(format!(
            "the sources are too far away to tell a rate in so short a time (± {error_ppm:.0} ppm)"
        )))
        .told("watch for longer: --for 60s")
    } else {
        Finding::fine(format!("against the sources it runs at {:+.0} ± {error_ppm:.0} ppm", -lost.as_ppm()))
    };
    finding.number("lost_ppm", lost.as_ppm()).number("lost_error_ppm", error_ppm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;
    use crate::doctor::keepers::Program;
    use crate::doctor::trace::tests::trace;

    fn keeper(program: Program) -> Keeper {
        Keeper {
            pid: 7,
            comm: "x".to_owned(),
            program,
            may_set: true,
            only_looks: false,
            keeps_own: false,
            is_stopped: false,
        }
    }

    #[test]
    fn a_clock_that_loses_more_than_is_slewed_never_catches_up() {
        let lost = Rate::from_ppm(620.0);
        let finding = by_witness(lost, Rate::from_ppm(12.0), &[keeper(Program::Timesyncd)]);
        assert_eq!(finding.verdict, Verdict::Wrong);
        assert!(finding.words.contains("losing 620 ± 12 ppm"), "{finding:?}");
        assert!(finding.words.contains("slews at most 500: will never catch up, 10.4 s"), "{finding:?}");
        let chronyd = by_witness(lost, Rate::from_ppm(12.0), &[keeper(Program::Chronyd)]);
        assert_eq!(chronyd.verdict, Verdict::Fine, "it slews faster");
    }

    #[test]
    fn a_clock_that_nobody_keeps_may_not_drift_far() {
        let drifts = |ppm, error| by_witness(Rate::from_ppm(ppm), Rate::from_ppm(error), &[]).verdict;
        assert_eq!(drifts(-80.0, 5.0), Verdict::Wrong);
        assert_eq!(drifts(-10.0, 5.0), Verdict::Fine);
        assert_eq!(drifts(400.0, 1000.0), Verdict::Unseen);
    }

    #[test]
    fn what_no_slew_explains_is_somebody_who_sets_the_clock() {
        let gains = by_counter(&trace(Rate::from_ppm(620.0), Rate::ZERO));
        assert_eq!(gains.verdict, Verdict::Wrong);
        assert!(gains.words.starts_with("the clock gains 620 ppm"), "{gains:?}");
        assert_eq!(by_counter(&trace(Rate::from_ppm(620.0), Rate::from_ppm(610.0))).verdict, Verdict::Fine);
        let slewed = by_counter(&trace(Rate::from_ppm(-480.0), Rate::from_ppm(12.0)));
        assert!(slewed.words.contains("a slew that will end"), "{slewed:?}");
    }
}

//! What programs have learned of the oscillator in the days before: the files of chronyd and ntpd, and our own history.

use truechimer_sys::adjust::SLEW_RATE;
use truechimer_time::Span;

use super::USED_UP;
use crate::command::run::NODE_FOLDER;
use crate::config::Config;
use crate::doctor::{Finding, Hidden, Machine};
use crate::history::History;
use crate::history::course::{Course, Point};
use crate::ui::units;

/// What programs keep of the oscillator: a number of ppm comes first.
const DRIFT_FILES: [(&str, &str); 4] = [
    ("/var/lib/chrony/drift", "chronyd"),
    ("/var/lib/chrony/chrony.drift", "chronyd"),
    ("/var/lib/ntpsec/ntp.drift", "ntpd"),
    ("/var/lib/ntp/ntp.drift", "ntpd"),
];

/// The newest file of the history and so many older ones: more than a week, unless much happened.
const OLDER_FILES: u32 = 2;

/// So much of the history counts, up to its end.
const LATELY: Span = Span::from_secs(7 * 86_400);

/// Who moved the clock is of interest for so long.
const OF_LATE: Span = Span::from_secs(86_400);

/// A rate that is known worse than this is not told.
const SIGMA_MAX_PPM: f64 = 5.0;

/// What differs less is told alike.
const STEADY_PPM: f64 = 0.001;

/// What is told if somebody else changed the clock.
const BY_OTHERS: [&str; 2] = ["moved_by_others", "retuned_by_others"];

/// All that was learned and could be read.
pub(super) fn findings(machine: &Machine) -> Vec<Finding> {
    let of_file = |(path, whose): &(&str, &str)| drift(path, whose, &machine.text(path).ok()??);
    let mut findings: Vec<Finding> = DRIFT_FILES.iter().filter_map(of_file).collect();
    let folder = Config::defaults().state.dir.join(NODE_FOLDER);
    match History::read_newest(&machine.path(&folder.to_string_lossy()), OLDER_FILES) {
        Ok(history) => findings.extend(of_history(&Course::of(&history.entries))),
        Err((path, error)) => findings.push(Finding::unseen(&Hidden::of(path, &error))),
    }
    findings
}

/// What a program has learned of the oscillator.
fn drift(path: &str, whose: &str, text: &str) -> Option<Finding> {
    let ppm: f64 = text.split_whitespace().next()?.parse().ok()?;
    let limit = SLEW_RATE.as_ppm();
    let finding = if limit <= ppm.abs() && whose != "chronyd" {
        let days = (ppm.abs() - limit) * 0.0864;
        Finding::wrong(format!(
            "{whose} has learned that the clock needs {ppm:+.0} ppm; slewed by 500 at most, it departs by {days:.1} s a day \
             and will never catch up ({path})"
        ))
        .run("cat /sys/devices/system/clocksource/clocksource0/current_clocksource")
    } else if limit * USED_UP < ppm.abs() {
        Finding::risky(format!(
            "{whose} has learned that the clock needs {ppm:+.0} ppm, and most programs slew by 500 at most ({path})"
        ))
    } else {
        return None;
    };
    Some(finding.number("learned_ppm", ppm).told(
        "restart the machine, so that the kernel measures its counter anew; if it stays, use another clocksource",
    ))
}

/// What our daemon has learned, and what befell its clock.
fn of_history(course: &Course) -> Vec<Finding> {
    let Some((_, end)) = course.extent() else { return Vec::new() };
    let lately: Vec<&Point> = course
        .points()
        .filter(|point| end - LATELY.as_seconds() <= point.utc && point.fast_sigma <= SIGMA_MAX_PPM)
        .collect();
    let others = course
        .turns
        .iter()
        .filter(|(at, label)| end - OF_LATE.as_seconds() <= *at && BY_OTHERS.contains(&label.as_str()));
    [by_counter(&lately), by_others(others.count())].into_iter().flatten().collect()
}

/// How fast the raw counter ran, which is what the clock would do if nobody corrected it.
fn by_counter(lately: &[&Point]) -> Option<Finding> {
    let [first, .., last] = lately else { return None };
    let [least, most] = lately
        .iter()
        .fold([first.fast; 2], |[least, most], point| [least.min(point.fast), most.max(point.fast)]);
    let for_long = units::span(Span::from_seconds(last.utc - first.utc));
    let (fast, sigma) = (last.fast, last.fast_sigma);
    let ran = format!(
        "over {for_long} of the history the raw counter ran {fast:+.3} ppm against true time (1 sigma {sigma:.3})"
    );
    let ran =
        if STEADY_PPM < most - least { format!("{ran}, between {least:+.3} and {most:+.3}") } else { ran };
    let (limit, worst) = (SLEW_RATE.as_ppm(), least.abs().max(most.abs()));
    let finding = if limit <= worst {
        Finding::wrong(format!("{ran}: more than the {limit:.0} that most programs can slew"))
            .run("cat /sys/devices/system/clocksource/clocksource0/available_clocksource")
            .told("restart the machine or change its clocksource, so that the counter is measured anew")
    } else if limit * USED_UP < worst {
        Finding::risky(format!("{ran}, of {limit:.0} that most programs can slew"))
            .told("restart the machine, so that the kernel measures its counter anew; if it stays, use another clocksource")
    } else {
        Finding::fine(ran)
    };
    Some(
        finding
            .number("history_ppm", last.fast)
            .number("history_min_ppm", least)
            .number("history_max_ppm", most),
    )
}

fn by_others(count: usize) -> Option<Finding> {
    let times = units::counted(count as u64, "time", "times");
    (count > 0).then(|| {
        Finding::risky(format!("in the last day of the history another program changed the clock {times}"))
            .told("find who sets the clock (see the check `writers`)")
            .run("truechimer history")
            .number("changed_by_others", count as f64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;
    use crate::history::{self, Entry, What};
    use truechimer_core::status::Status;

    #[test]
    fn what_was_learned_tells_of_the_days_before() {
        let file = |text: &str| drift("/var/lib/ntp/ntp.drift", "ntpd", text).map(|finding| finding.verdict);
        assert_eq!(file("500.000\n"), Some(Verdict::Wrong));
        let of_chronyd = drift("/var/lib/chrony/drift", "chronyd", "620.0 0.1\n");
        assert_eq!(of_chronyd.map(|finding| finding.verdict), Some(Verdict::Risky), "it can slew that");
        assert_eq!(file("-310.5 0.2\n"), Some(Verdict::Risky));
        assert_eq!(file("-12.1\n"), None);
        assert_eq!(file(""), None);
    }

    /// A day of a counter that runs so fast, an hour between two points.
    fn course(fast: impl Fn(usize) -> f64, turns: &[(f64, &str)]) -> Course {
        let point = |hour: usize| Point {
            utc: 1.79e9 + hour as f64 * 3600.0,
            offset: 0.0,
            bound: 0.001,
            sigma: 0.0001,
            fast: fast(hour),
            fast_sigma: if hour == 0 { 100.0 } else { 0.1 },
        };
        let turns =
            turns.iter().map(|(hours, label)| (1.79e9 + hours * 3600.0, (*label).to_owned())).collect();
        Course { stretches: vec![(0..25).map(point).collect()], lasted: Vec::new(), turns }
    }

    #[test]
    fn the_history_tells_how_the_counter_ran() {
        let steady =
            of_history(&course(|hour| if hour == 0 { 900.0 } else { 12.0 + hour as f64 / 100.0 }, &[]));
        assert_eq!(steady.len(), 1);
        assert_eq!(steady[0].verdict, Verdict::Fine);
        assert!(
            steady[0]
                .words
                .contains("ran +12.240 ppm against true time (1 sigma 0.100), between +12.010 and +12.240"),
            "{steady:?}"
        );
        let verdict = |ppm: f64| of_history(&course(|_| ppm, &[]))[0].verdict;
        assert_eq!(
            (verdict(-620.0), verdict(-310.0), verdict(-249.0)),
            (Verdict::Wrong, Verdict::Risky, Verdict::Fine)
        );
        assert_eq!(of_history(&Course::default()), []);
    }

    #[test]
    fn the_history_is_found_where_the_daemon_keeps_it() {
        let machine = tempfile::tempdir().expect("a folder");
        let folder = machine.path().join("var/lib/truechimer/node");
        std::fs::create_dir_all(&folder).expect("folders can be made");
        let known = |seconds| {
            let at = history::tests::at(seconds);
            let model = Some(history::tests::model(at.raw));
            Entry { at, what: What::Known { status: Status::Synchronised, model } }
        };
        let text = format!("{}\n{}\n{}\n", history::FORMAT, known(100), known(4000));
        std::fs::write(folder.join(history::FILE_NAME), text).expect("it can be written");
        let found = findings(&Machine::at(machine.path()));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].words.contains("the raw counter ran +12.345 ppm"), "{found:?}");
    }

    #[test]
    fn who_else_changed_the_clock_a_day_ago_is_not_forgotten() {
        let turns = [(1.0, "moved_by_others"), (2.0, "stepped"), (3.0, "retuned_by_others")];
        let findings = of_history(&course(|_| 1.0, &turns));
        assert_eq!(findings[1].verdict, Verdict::Risky);
        assert!(findings[1].words.contains("changed the clock 2 times"), "{findings:?}");
        let before = [(-200.0, "moved_by_others")];
        assert_eq!(of_history(&course(|_| 1.0, &before)).len(), 1);
    }
}

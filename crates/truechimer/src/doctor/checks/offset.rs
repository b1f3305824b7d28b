//! How wrong the clock is, by the majority of its sources.

use truechimer_time::Span;

use crate::doctor::survey::Seen;
use crate::doctor::{Area, Check, Finding, Hidden, Machine};
use crate::measuring::Stand;
use crate::ui::units;

/// See [`PAGE`].
pub const CHECK: Check = Check {
    name: "offset",
    area: Area::Clock,
    question: "How wrong is the clock, by the majority of its sources?",
    page: PAGE,
    probe,
};

const PAGE: &str = "\
Asks the sources that are configured here, each twice, and lets them vote as
`truechimer query` does: one vote for each operator. What more than half of
all votes agree upon is taken for the time, and the clock is held against it.

wrong   The clock is off by more than 1 s: Kerberos, TLS, TOTP and make will
        fail, soon or now. Or a source is outvoted: it tells a wrong time.
risky   Off by more than 50 ms, which no program that keeps a clock should
        allow; or there is no majority, so that nobody knows.
fine    It is right, as far as the bound tells.

What to do: let one time daemon run. One that runs and is off has not been
able to step: `sudo truechimer step`, `sudo chronyc makestep`. Take the source
that is outvoted out of the configuration.
";

const OFF_WRONG: Span = Span::from_secs(1);
const OFF_RISKY: Span = Span::from_millis(50);

fn probe(machine: &Machine) -> Result<Vec<Finding>, Hidden> {
    let seen = machine.survey()?;
    let mut findings = vec![match Seen::majority_of(seen) {
        Some((offset, bound)) => by_majority(offset, bound),
        None => without(seen)?,
    }];
    findings.extend(seen.iter().filter_map(outvoted));
    Ok(findings)
}

fn by_majority(offset: Span, bound: Span) -> Finding {
    let certain = offset.abs() - bound;
    let way = if offset.is_negative() { "ahead of" } else { "behind" };
    let words = format!(
        "the clock is {} {way} the majority of its sources ({})",
        units::span_within(offset.abs(), bound),
        units::bound(bound)
    );
    let finding = if OFF_WRONG < certain {
        Finding::wrong(words).run("sudo truechimer step || sudo chronyc makestep")
    } else if OFF_RISKY < certain {
        Finding::risky(words).told("see the check `keeper`: does a time daemon run, and has it a source?")
    } else {
        Finding::fine(words)
    };
    finding.number("offset_seconds", offset.as_seconds()).number("bound_seconds", bound.as_seconds())
}

fn without(seen: &[Seen]) -> Result<Finding, Hidden> {
    match seen.iter().filter(|seen| seen.outcome.is_ok()).count() {
        0 => Err(Hidden::Because("no source answers, so nobody tells how wrong the clock is".to_owned())),
        some => Ok(Finding::risky(format!(
            "of {} sources {some} {}, and no majority of all agrees: nobody can tell how wrong the clock is",
            seen.len(),
            if some == 1 { "answers" } else { "answer" }
        ))
        .run("truechimer query SERVER SERVER SERVER")
        .told("have three sources of different operators at least")),
    }
}

fn outvoted(seen: &Seen) -> Option<Finding> {
    let Stand::Disagrees { ahead, bound } = seen.stand else { return None };
    let way = if ahead.is_negative() { "behind" } else { "ahead of" };
    Some(
        Finding::wrong(format!(
            "{} is {} {way} the majority: it tells a wrong time",
            seen.name(),
            units::span_within(ahead.abs(), bound)
        ))
        .number("ahead_seconds", ahead.as_seconds())
        .run(format!("sudoedit {}", seen.source.file.display())),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;
    use crate::doctor::survey::tests::{reading, seen};
    use crate::measuring::Trouble;

    #[test]
    fn what_the_bound_does_not_prove_is_not_held_against_the_clock() {
        let verdict =
            |millis, bound| by_majority(Span::from_millis(millis), Span::from_millis(bound)).verdict;
        assert_eq!(verdict(3, 5), Verdict::Fine);
        assert_eq!(verdict(60, 20), Verdict::Fine);
        assert_eq!(verdict(-90, 20), Verdict::Risky);
        assert_eq!(verdict(1200, 20), Verdict::Wrong);
    }

    #[test]
    fn no_majority_is_a_risk_and_silence_is_unseen() {
        let mute = seen("192.0.2.1", Err(Trouble::Silent(Span::from_secs(1))));
        assert!(without(std::slice::from_ref(&mute)).is_err());
        let one = seen("192.0.2.2", Ok(reading(Span::ZERO, Span::from_millis(2))));
        assert!(without(&[mute, one]).is_ok_and(|finding| finding.words.contains("of 2 sources 1 answers")));
    }

    #[test]
    fn who_is_outvoted_is_named() {
        let mut liar = seen("192.0.2.2", Ok(reading(Span::from_secs(5), Span::from_millis(2))));
        liar.stand = Stand::Disagrees { ahead: Span::from_secs(5), bound: Span::from_millis(2) };
        let words = outvoted(&liar).unwrap().words;
        assert!(words.starts_with("192.0.2.2:123 is 5.0000 s ahead of the majority"), "{words}");
    }
}

//! What is left of the windows of protocols that refuse who is wrong by too much.

use truechimer_time::Span;

use crate::doctor::certainty::{Certainty, certainty};
use crate::doctor::usage::{PROTOCOLS, Protocol, Signs, Use, Whom};
use crate::doctor::{Area, Check, Finding, Hidden, Machine};
use crate::ui::units;

/// See [`PAGE`].
pub const CHECK: Check = Check {
    name: "windows",
    area: Area::Windows,
    question: "Is the clock right enough for the protocols that are used here?",
    page: PAGE,
    probe,
};

const PAGE: &str = "\
Many protocols refuse who is wrong by too much. Looked for are those that this
machine is seen to use, by its configuration, its processes, its mounts and
its listening ports, and those that you name (--uses):

kerberos    5 min between two hosts (clockskew in krb5.conf)
nfs-krb5    5 min, that of the tickets under RPCSEC_GSS
totp        30 s against true time (RFC 6238, one step either way)
jwt         60 s between two hosts: the leeway of most libraries (0 to 300 s)
aws         15 min against true time (S3; some other services have 5 min)
ceph        50 ms between two monitors (mon_clock_drift_allowed)
cassandra   10 ms between two nodes: nothing is refused, but the later stamp
            wins, and what is acceptable is put at 10 ms
cockroachdb 400 ms between two nodes: a node ends itself at 80 % of
            --max-offset (500 ms)
yugabytedb  500 ms between two nodes (--max_clock_skew_usec)

The margin is the window less the error that this clock can have now. Between
two hosts the other is taken to be as wrong as this one. How wrong it can be
is taken from Truechimer's page, or else from the kernel's maxerror, which is
what chronyd or ntpd think of themselves.

WRONG   This clock is certainly off by more than the window.
risky   It may be off by more than half the window; or nobody says how wrong
        it can be.
unseen  Whether a protocol is used here could not be seen.
fine    There is a margin.

What to do: run a time daemon that says how right it is (truechimer run), with
sources that are near enough for the window. Processes of others are seen by
root alone where /proc is mounted with hidepid.
";

fn probe(machine: &Machine) -> Result<Vec<Finding>, Hidden> {
    let signs = Signs::of(machine);
    let known = certainty(machine);
    let mut findings: Vec<Finding> = signs.hidden.iter().map(Finding::unseen).collect();
    for protocol in PROTOCOLS {
        match (protocol.seen)(machine, &signs) {
            Ok(Some(used)) => findings.push(judge(protocol, &used, known.as_ref())),
            Ok(None) if machine.uses.iter().any(|name| name == protocol.name) => {
                let named = Use { how: "you say so".to_owned(), window: None };
                findings.push(judge(protocol, &named, known.as_ref()));
            }
            Ok(None) => {}
            Err(hidden) => findings.push(Finding::unseen(&hidden)),
        }
    }
    if findings.is_empty() {
        findings.push(Finding::fine("no protocol with a window is seen in use here (--uses names one)"));
    }
    Ok(findings)
}

fn judge(protocol: &Protocol, used: &Use, known: Result<&Certainty, &Hidden>) -> Finding {
    let window = used.window.unwrap_or(protocol.window);
    let allowed = format!("{} allows {} {}", protocol.title, units::span(window), protocol.whom.words());
    let finding = match known {
        Ok(known) => margin(protocol, window, &allowed, known),
        Err(hidden) => Finding::risky(format!("{allowed}; {hidden}"))
            .told("run a time daemon that says how right it is: `truechimer run`, or chronyd"),
    };
    let finding = finding.number("window_seconds", window.as_seconds());
    let seen = format!("{} (seen: {})", finding.words, used.how);
    let finding = Finding { words: seen, ..finding };
    match finding.verdict.is_trouble() {
        true => finding.told(format!("its window: {}", protocol.source)),
        false => finding,
    }
}

/// What is left of a window, both ends being as wrong as ours can be, or ours alone.
fn margin(protocol: &Protocol, window: Span, allowed: &str, known: &Certainty) -> Finding {
    let error = match protocol.whom {
        Whom::Host => known.most + known.most,
        Whom::Truth => known.most,
    };
    let margin = window - error;
    let by = known.witness.words();
    let most = units::span(known.most);
    let finding = if known.least > window {
        let least = units::span(known.least);
        Finding::wrong(format!("{allowed}, but this clock is off by {least} at least, {by}: it is refused"))
            .told("set the clock")
            .run("truechimer set --dry-run pool.ntp.org time.cloudflare.com time.google.com")
    } else if margin.is_negative() {
        let over = units::span(margin.abs());
        Finding::risky(format!("{allowed}; this clock may be off by {most}, {by}: {over} too much"))
            .told("use nearer sources, or more of them, until the bound fits")
    } else if margin < window.half() {
        let left = units::span(margin);
        Finding::risky(format!("{allowed}; this clock may be off by {most}, {by}: a margin of {left} alone"))
            .told("use nearer sources, or more of them, until the bound fits")
    } else {
        Finding::fine(format!(
            "{allowed}; a margin of {}: this clock is right within {most}, {by}",
            units::span(margin)
        ))
    };
    finding.number("margin_seconds", margin.as_seconds()).number("error_max_seconds", known.most.as_seconds())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;
    use crate::doctor::certainty::Witness;
    use crate::doctor::usage::tests::put;

    fn named(name: &str) -> &'static Protocol {
        PROTOCOLS.iter().find(|protocol| protocol.name == name).unwrap()
    }

    fn known(least: Span, most: Span) -> Certainty {
        Certainty { least, most, witness: Witness::Page }
    }

    fn used() -> Use {
        Use { how: "test".to_owned(), window: None }
    }

    #[test]
    fn a_margin_counts_the_other_host_as_wrong_as_this_one() {
        let certain = known(Span::ZERO, Span::from_millis(5));
        let ceph = judge(named("ceph"), &used(), Ok(&certain));
        assert_eq!(ceph.verdict, Verdict::Fine, "{ceph:?}");
        assert!((ceph.numbers["margin_seconds"] - 0.040).abs() < 1e-9, "{ceph:?}");
        let totp = judge(named("totp"), &used(), Ok(&certain));
        assert!((totp.numbers["margin_seconds"] - 29.995).abs() < 1e-9, "{totp:?}");
    }

    #[test]
    fn a_margin_that_gets_thin_is_a_risk_and_one_that_is_gone_is_wrong_only_if_that_is_certain() {
        let ceph = |least, most| judge(named("ceph"), &used(), Ok(&known(least, most)));
        assert_eq!(ceph(Span::ZERO, Span::from_millis(13)).verdict, Verdict::Risky);
        let none = ceph(Span::ZERO, Span::from_millis(40));
        assert!(none.verdict == Verdict::Risky && none.words.contains("30.00 ms too much"), "{none:?}");
        let wrong = ceph(Span::from_millis(60), Span::from_millis(70));
        assert!(
            wrong.verdict == Verdict::Wrong && wrong.words.contains("off by 60.00 ms at least"),
            "{wrong:?}"
        );
    }

    #[test]
    fn a_configured_window_is_the_one_that_counts() {
        let narrow = Use { how: "krb5.conf".to_owned(), window: Some(Span::from_secs(1)) };
        let finding = judge(named("kerberos"), &narrow, Ok(&known(Span::ZERO, Span::from_millis(400))));
        assert_eq!(
            (finding.verdict, finding.numbers["window_seconds"]),
            (Verdict::Risky, 1.0),
            "{finding:?}"
        );
    }

    #[test]
    fn without_anybody_who_says_how_right_the_clock_is_a_window_is_a_risk() {
        let root = tempfile::tempdir().unwrap();
        put(root.path(), "etc/krb5.keytab", "");
        let mut machine = Machine::at(root.path());
        machine.uses = vec!["jwt".to_owned()];
        let findings = probe(&machine).unwrap();
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(findings.iter().all(|finding| finding.verdict == Verdict::Risky), "{findings:?}");
        assert!(findings[0].words.starts_with("Kerberos allows 5.000 min"), "{findings:?}");
        assert!(findings[1].words.ends_with("(seen: you say so)"), "{findings:?}");
    }

    #[test]
    fn where_nothing_is_used_nothing_is_said_of_windows() {
        let root = tempfile::tempdir().unwrap();
        let findings = probe(&Machine::at(root.path())).unwrap();
        assert_eq!((findings.len(), findings[0].verdict), (1, Verdict::Fine), "{findings:?}");
    }
}

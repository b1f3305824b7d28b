//! Small worlds in which the truth is known: our counter, and how far UTC is ahead of it.

use std::fmt::Write as _;

use proptest::prelude::*;
use truechimer_core::wire::ntp::Leap;
use truechimer_time::Local;

use super::*;
use crate::survey::csv;
use crate::survey::json::Report;
use crate::survey::numbers::numbers;
use crate::survey::picture::picture;
use crate::survey::protocol::Protocol;
use crate::survey::round::Survey;
use crate::survey::text::text;
use crate::survey::told::{Claim, Doubt};
use crate::survey::trouble::Trouble;
use crate::ui::colour::Colours;

/// How far UTC is ahead of the counter.
const UTC: Span = Span::from_secs(1_790_000_000);

/// How far our own clock is.
const OURS: Span = Span::from_millis(1_790_000_000_250);

fn nanos(nanos: i64) -> Span {
    Span::from_nanos(nanos)
}

/// A host whose clock is ahead of UTC by so much, known within a millisecond, that claims to be right within so much.
fn host(name: &str, ahead: Span, claims: Option<Span>) -> Finding {
    let claim = |distance| Claim { distance, stratum: 2, reference_id: [192, 0, 2, 9], leap: Leap::None };
    let reading = Reading {
        at: Time::from_epoch(Span::from_secs(5000)),
        window: Window::between(UTC + ahead, UTC + ahead).widened(nanos(1_000_000)),
        ours: OURS,
        truth: None,
        delay: nanos(150_000),
        claim: claims.map(claim),
        doubts: Vec::new(),
    };
    Finding {
        name: name.to_owned(),
        is_swept: false,
        place: "192.0.2.1:123".parse().ok(),
        protocol: Some(if claims.is_some() { Protocol::Ntp } else { Protocol::Http }),
        asked: 2,
        answered: 2,
        outcome: Ok(reading),
    }
}

fn silent(name: &str, kind: Kind) -> Finding {
    let outcome = Err(Trouble::new(kind, "no answer within 2.000 s"));
    Finding { protocol: None, answered: 0, outcome, ..host(name, Span::ZERO, None) }
}

fn told(mut finding: Finding, change: impl FnOnce(&mut Reading)) -> Finding {
    change(finding.outcome.as_mut().expect("it has answered"));
    finding
}

fn standings(findings: &[Finding], limit: Option<Span>) -> Vec<Standing> {
    judge(findings, limit).hosts.iter().map(|judged| judged.standing).collect()
}

const FINE: Option<Span> = Some(Span::from_millis(5));

#[test]
fn a_liar_is_further_off_than_it_claims_and_the_honest_are_not_called_so() {
    let findings = [
        host("a", Span::ZERO, FINE),
        host("b", nanos(4_000_000), FINE),
        host("c", nanos(-4_000_000), FINE),
        host("liar", Span::from_secs(3), FINE),
        // It says itself that it may be off.
        host("modest", Span::from_secs(3), Some(Span::from_secs(4))),
    ];
    use Standing::{Good, Liar};
    assert_eq!(standings(&findings, None), [Good, Good, Good, Liar, Good]);
    let judgement = judge(&findings, None);
    assert!(matches!(judgement.reference, Reference::Majority { agree: 4, of: 5, .. }), "{judgement:?}");
    let beyond = judgement.hosts[3].beyond_claim.expect("it lies");
    assert!(Span::from_millis(2_980) < beyond && beyond < Span::from_secs(3), "{beyond:?}");
}

#[test]
fn without_a_majority_nobody_lies_and_clocks_are_compared_with_ours() {
    for findings in [
        vec![host("a", Span::ZERO, FINE), host("b", Span::from_secs(3), FINE)],
        vec![host("a", Span::ZERO, None), host("b", Span::ZERO, None), host("c", Span::from_secs(3), None)],
        vec![
            host("a", Span::ZERO, FINE),
            host("b", Span::ZERO, FINE),
            host("c", Span::from_secs(3), FINE),
            host("d", Span::from_secs(3), FINE),
        ],
    ] {
        let judgement = judge(&findings, None);
        assert_eq!(judgement.reference, Reference::Ourselves);
        assert!(judgement.hosts.iter().all(|judged| judged.standing == Standing::Good));
        let ahead = judgement.hosts[0].ahead.expect("it has answered");
        assert_eq!(ahead.middle(), Span::from_millis(-250));
    }
}

#[test]
fn what_the_daemon_knows_is_true_time_and_a_majority_that_denies_it_is_told() {
    let truth = Window::between(UTC, UTC).widened(nanos(100_000));
    let knowing = |finding: Finding| told(finding, |reading| reading.truth = Some(truth));
    let mut findings: Vec<Finding> =
        ["a", "b", "c"].map(|name| knowing(host(name, Span::ZERO, FINE))).to_vec();
    let judgement = judge(&findings, None);
    assert!(matches!(judgement.reference, Reference::Daemon { .. }) && !judgement.majority_denies_daemon);
    let ahead = judgement.hosts[0].ahead.expect("it has answered");
    assert_eq!((ahead.middle(), ahead.bound()), (Span::ZERO, nanos(1_100_000)));
    findings.extend(["x", "y", "z", "w"].map(|name| knowing(host(name, Span::from_secs(9), FINE))));
    let judgement = judge(&findings, None);
    assert!(matches!(judgement.reference, Reference::Daemon { .. }) && judgement.majority_denies_daemon);
    assert!(judgement.has_trouble() && judgement.count(Standing::Liar) == 4);
    // Where it was not known all the time, it is not known.
    findings.push(host("v", Span::from_secs(9), FINE));
    assert!(matches!(judge(&findings, None).reference, Reference::Majority { agree: 5, of: 8, .. }));
}

#[test]
fn a_limit_counts_for_what_is_certain() {
    let findings = [
        host("far", Span::from_secs(1), None),
        host("near", Span::from_millis(101), None),
        host("in", Span::ZERO, None),
    ]
    .map(|finding| told(finding, |reading| reading.ours = UTC));
    let limit = Some(Span::from_millis(101));
    assert_eq!(standings(&findings, limit), [Standing::Beyond, Standing::Unclear, Standing::Good]);
    assert_eq!(standings(&findings, None), [Standing::Good; 3]);
}

#[test]
fn who_is_silent_is_unknown_unless_nobody_need_be_there() {
    let findings = [
        silent("a", Kind::Silent),
        Finding { is_swept: true, ..silent("b", Kind::Silent) },
        Finding { is_swept: true, ..silent("c", Kind::Unusable) },
        silent("d", Kind::Unsynchronised),
        told(host("e", Span::ZERO, FINE), |reading| reading.doubts.push(Doubt::Contradiction)),
    ];
    use Standing::{Absent, Contradictory, Unknown, Unsynchronised};
    assert_eq!(standings(&findings, None), [Unknown, Absent, Unknown, Unsynchronised, Contradictory]);
    assert_eq!(standings(&findings[..2], None), [Unknown, Absent]);
}

proptest! {
    #[test]
    fn while_a_majority_is_honest_no_honest_host_is_called_a_liar_and_each_clock_is_in_its_interval(
        honest in proptest::collection::vec((-5_000_000i64..5_000_000, 0i64..20_000_000, 0i64..30), 3..20),
        liars in proptest::collection::vec((-9_000_000_000i64..9_000_000_000, 0i64..20_000_000), 0..3)
    ) {
        let mut findings: Vec<Finding> = honest.iter().map(|(ahead, more, late)| {
            let claims = nanos(ahead.abs() + more);
            told(host("honest", nanos(*ahead), Some(claims)), |reading| {
                reading.at += Span::from_secs(*late);
            })
        }).collect();
        findings.extend(liars.iter().map(|(ahead, claims)| host("other", nanos(*ahead), Some(nanos(*claims)))));
        let judgement = judge(&findings, None);
        let is_majority = honest.len() * 2 > findings.len();
        for (place, (ahead, ..)) in honest.iter().enumerate().filter(|_| is_majority) {
            let judged = &judgement.hosts[place];
            prop_assert_ne!(judged.standing, Standing::Liar);
            let window = judged.ahead.unwrap();
            prop_assert!(window.lo <= nanos(*ahead) && nanos(*ahead) <= window.hi, "{:?}", window);
        }
    }
}

/// A survey with something of everything.
fn world() -> Survey {
    let findings = vec![
        host("ntp1.example", nanos(12_000), FINE),
        host("ntp2.example", nanos(-80_000), FINE),
        host("ntp3.example", nanos(300_000), FINE),
        host("liar.example", Span::from_secs(-3), FINE),
        told(host("https://web.example", Span::from_millis(2), None), |reading| {
            reading.doubts.push(Doubt::Unverified);
        }),
        host("http://late.example", Span::from_secs(-420), None),
        told(host("daytime://zone.example", Span::from_millis(1), None), |reading| {
            reading.doubts.push(Doubt::Zone(-210));
        }),
        silent("gone.example", Kind::Silent),
        Finding { is_swept: true, ..silent("192.0.2.77", Kind::Silent) },
    ];
    Survey { findings, begun: Time::<Local>::from_epoch(OURS), took: Span::from_millis(7312), is_cut: false }
}

#[test]
fn the_table_is_the_golden_one() {
    let survey = world();
    let judgement = judge(&survey.findings, Some(Span::from_secs(60)));
    let text = text(&survey, &judgement, &[], usize::MAX, Colours::NONE);
    let golden = include_str!("../../../tests/golden/survey.txt");
    assert_eq!(text, golden, "write it anew if it is as it should be:\n{text}");
}

#[test]
fn the_other_forms_say_the_same() {
    let survey = world();
    let judgement = judge(&survey.findings, Some(Span::from_secs(60)));
    let report =
        serde_json::to_value(Report::of(&survey, &judgement, &[])).expect("it has no maps with odd keys");
    let csv = csv::csv(&survey, &judgement);
    let numbers = numbers(&survey, &judgement, &[]);
    let rows: Vec<&str> = csv.split("\r\n").collect();
    assert_eq!((rows[0], rows.len()), (csv::HEAD, survey.findings.len() + 2));
    for (place, (finding, judged)) in survey.findings.iter().zip(&judgement.hosts).enumerate() {
        let (host, standing) = (&report["hosts"][place], judged.standing.word());
        assert_eq!(
            (host["host"].as_str(), host["standing"].as_str()),
            (Some(finding.name.as_str()), Some(standing))
        );
        assert!(rows[place + 1].starts_with(&finding.name) && rows[place + 1].contains(standing), "{csv}");
        let mut label = String::new();
        write!(label, "truechimer_survey_host_ahead_seconds{{host=\"{}\"}}", finding.name).expect("a string");
        assert_eq!(numbers.contains(&label), judged.ahead.is_some(), "{numbers}");
    }
    assert!(numbers.contains("truechimer_survey_hosts{standing=\"liar\"} 1\n"), "{numbers}");
}

#[test]
fn the_picture_has_a_mark_for_each_clock_that_is_known() {
    let survey = world();
    let judgement = judge(&survey.findings, Some(Span::from_secs(60)));
    let svg = picture(&survey, &judgement).expect("clocks are known");
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
    // Each has its interval and its middle.
    assert_eq!(svg.matches("<polyline").count(), 2 * 7, "{svg}");
    assert_eq!(svg.matches('<').count(), svg.matches('>').count());
    for word in ["good", "liar", "beyond", "ahead of the majority", "The clocks of 7 hosts of 9"] {
        assert!(svg.contains(word), "{word}");
    }
    let nothing = Survey { findings: vec![silent("a", Kind::Silent)], ..survey };
    assert_eq!(picture(&nothing, &judge(&nothing.findings, None)), None);
}

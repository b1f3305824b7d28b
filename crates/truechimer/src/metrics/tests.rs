use std::collections::HashSet;

use truechimer_core::node::report::Standing;
use truechimer_core::source::SourceId;
use truechimer_core::source::nts::NoKeys;
use truechimer_time::Span;

use super::*;
use crate::talk::{SourceReply, StatusReply};

/// A daemon of which everything is known that can be.
pub(crate) fn status() -> StatusReply {
    let text = r#"{
        "version": 1, "status": "synchronised", "clock": "kernel", "utc": null, "tai_minus_utc": 37,
        "offset": -0.0005, "bound": 0.002, "sigma": 0.0001, "age": 7.5,
        "counter_ppm": 12.5, "counter_error_ppm": 0.25, "clock_ppm": -12.0, "panicking": false,
        "forecast": [{"bound": 0.001, "holds": 40.0}, {"bound": 0.01, "holds": 400.0}],
        "likely": [{"bound": 0.001, "holds": 4000.0}], "leaning": "day",
        "assumptions": {"version": 2, "max_rate_ppm": 500.0, "max_drift_ppm": 15.0},
        "sources": {"configured": 2, "truechimers": 1, "falsetickers": 1}, "nts": {"configured": 1, "keyed": 1},
        "stratum": 3, "traffic": {"questions": 20, "answers": 19, "per_day": 100.0}, "rms": 0.0002,
        "server": {
            "listening": ["192.0.2.7:123", "[2001:db8::7]:123"],
            "taiclock": {"listening": ["192.0.2.7:4014"], "answered": 10}, "time": null, "leap_smear": null,
            "answered": 110, "interleaved": 4, "leaked": 3, "sealed": 2, "protected": 30, "refused": 1,
            "key_exchanges": {"granted": 6, "failed": 2, "limited": 1}, "unsent": 2,
            "silent": [["limited", 5], ["not_allowed", 7], ["short", 11]]
        },
        "served": {"reference_id": "c0000201", "leap": "insert", "reference": 1800000000.25,
            "root_delay": 0.0016, "root_dispersion": 0.0012},
        "reckoning": {"moved": 0.00003, "usually": 0.00002, "after": 64.0},
        "uptime": 3600.5, "events": [["stepped", 1], ["updated", 50]]
    }"#;
    serde_json::from_str(text).expect("a status")
}

/// Two sources that it has: one that agrees, and one that does not.
pub(crate) fn sources() -> SourcesReply {
    let text = r#"{"version": 1, "sources": [
        {"name": "a \"b\" \\c", "operator": "first", "address": "192.0.2.1:123", "mark": "*", "standing": "truechimer",
         "why": null, "reach": 255, "interval": 60.0, "traffic": {"questions": 11, "answers": 11, "per_day": 50.0},
         "nts": {"cipher": "AES-SIV-CMAC-256", "cookies": 8, "failures": 2, "naks": 1,
             "certificate_until": 1800172800.0, "certificate_left": 172800.0},
         "due": 3.0, "samples": 9, "offset": -0.0004, "sigma": 0.00005, "bound": 0.003, "age": 7.9, "delay": 0.002,
         "stratum": 2, "reference_id": "47505300", "leap": "none", "root_distance": 0.001,
         "refused": [["origin", 3]], "upstream": true, "residual_ppm": 0.5, "adjusted": -0.0006, "distance": 0.0021},
        {"name": "GPS", "operator": "second", "address": null, "mark": "x", "standing": "falseticker",
         "why": null, "reach": 6, "interval": 16.0, "traffic": {"questions": 9, "answers": 8, "per_day": 50.0},
         "due": 1.0, "samples": 0, "offset": null, "sigma": null, "bound": null, "age": null, "delay": null,
         "stratum": null, "reference_id": null, "leap": null, "root_distance": null, "refused": [],
         "reference_name": "GPS"}
    ]}"#;
    serde_json::from_str(text).expect("sources")
}

fn full(dialect: Dialect) -> String {
    let families = families(&status(), &sources(), &Names::ALL);
    expose(&[up(true, &Names::ALL), families].concat(), dialect)
}

fn holds(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|it| it == *line), "{line} is not in\n{text}");
    }
}

#[test]
fn our_own_names_tell_what_status_tells() {
    holds(
        &full(Dialect::OpenMetrics),
        &[
            "# TYPE truechimer_status stateset",
            "truechimer_status{truechimer_status=\"synchronised\"} 1",
            "truechimer_status{truechimer_status=\"holdover\"} 0",
            "# UNIT truechimer_bound_seconds seconds",
            "truechimer_bound_seconds 0.002",
            "truechimer_offset_seconds -0.0005",
            "truechimer_clock_error_seconds 0.0025",
            "truechimer_holdover_seconds 0",
            "# UNIT truechimer_oscillator_rate_ratio ratio",
            "truechimer_oscillator_rate_ratio 0.0000125",
            "truechimer_forecast_seconds{bound=\"0.001\"} 40",
            "truechimer_likely_forecast_seconds{error=\"0.001\"} 4000",
            "truechimer_leaning{truechimer_leaning=\"day\"} 1",
            "# TYPE truechimer_events counter",
            "truechimer_events_total{event=\"stepped\"} 1",
            "truechimer_events_total{event=\"moved_by_others\"} 0",
            "truechimer_sources{standing=\"falseticker\"} 1",
            "truechimer_sources{standing=\"mute\"} 0",
            "# EOF",
        ],
    );
}

#[test]
fn each_source_is_told_by_name_address_and_operator() {
    let of = r#"{name="a \"b\" \\c",address="192.0.2.1:123",operator="first""#;
    let text = full(Dialect::OpenMetrics);
    holds(
        &text,
        &[
            &format!("truechimer_source_info{of},standing=\"truechimer\",pool=\"\"}} 1"),
            &format!("truechimer_source_offset_seconds{of}}} -0.0004"),
            &format!("truechimer_source_refused_total{of},reason=\"origin\"}} 3"),
            &format!("truechimer_source_nts_cookies{of}}} 8"),
            &format!("truechimer_source_nts_certificate_until_seconds{of}}} 1800172800"),
            &format!("truechimer_source_smeared{of}}} 0"),
            "truechimer_source_reachable{name=\"GPS\",address=\"\",operator=\"second\"} 1",
            "truechimer_source_answered_polls{name=\"GPS\",address=\"\",operator=\"second\"} 2",
        ],
    );
    assert!(!text.contains("truechimer_source_offset_seconds{name=\"GPS\""), "what is not known is not told");
}

#[test]
fn the_server_is_told_by_reason() {
    holds(
        &full(Dialect::OpenMetrics),
        &[
            "truechimer_server_answered_total 110",
            "truechimer_server_classic_answered_total{protocol=\"taiclock\"} 10",
            "truechimer_server_silent_total{reason=\"not_allowed\"} 7",
            "truechimer_server_key_exchanges_total{outcome=\"granted\"} 6",
        ],
    );
}

#[test]
fn chronys_names_have_chronys_signs() {
    let of = r#"{source_address="192.0.2.1",source_name="a \"b\" \\c""#;
    holds(
        &full(Dialect::Prometheus),
        &[
            "chrony_up 1",
            "chrony_tracking_info{tracking_address=\"192.0.2.1\",tracking_name=\"192.0.2.1\",tracking_refid=\"C0000201\"} 1",
            "chrony_tracking_last_offset_seconds -0.00003",
            "chrony_tracking_system_time_seconds -0.0005",
            "chrony_tracking_frequency_ppms 12.5",
            "chrony_tracking_residual_frequency_ppms -0.5",
            "chrony_tracking_reference_timestamp_seconds 1800000000.25",
            "chrony_tracking_root_delay_seconds 0.0016",
            "chrony_tracking_stratum 3",
            &format!("chrony_sources_last_sample_offset_seconds{of}}} 0.0006"),
            &format!("chrony_sources_last_sample_age_seconds{of}}} 7"),
            &format!("chrony_sources_polling_interval_seconds{of}}} 64"),
            &format!("chrony_sources_state_info{of},source_state=\"sync\",source_mode=\"client\"}} 1"),
            "chrony_sources_state_info{source_address=\"71.80.83.0\",source_name=\"GPS\",source_state=\"falseticket\",source_mode=\"reference clock\"} 1",
            "chrony_sources_last_sample_age_seconds{source_address=\"71.80.83.0\",source_name=\"GPS\"} 4294967295",
            "chrony_sources_reachability_ratio{source_address=\"71.80.83.0\",source_name=\"GPS\"} 0.25",
            "chrony_sources_reachability_success{source_address=\"71.80.83.0\",source_name=\"GPS\"} 0",
            "# TYPE chrony_serverstats_ntp_packets_received_total counter",
            "chrony_serverstats_ntp_packets_received_total 105",
            "chrony_serverstats_ntp_packets_dropped_total 5",
        ],
    );
}

#[test]
fn a_clock_whose_time_is_not_known_has_stratum_0_for_chrony_and_16_for_ntpd_rs() {
    let status = StatusReply { served: None, stratum: 16, ..status() };
    let text = expose(&families(&status, &sources(), &Names::ALL), Dialect::Prometheus);
    holds(
        &text,
        &["chrony_tracking_stratum 0", "chrony_tracking_remote_reference 0", "ntp_system_stratum 16"],
    );
    holds(&text, &["ntp_system_leap_indicator 3"]);
    assert!(!text.contains("chrony_tracking_info") && !text.contains("ntp_system_root_delay"), "{text}");
}

#[test]
fn names_of_ntpd_rs_have_our_sign() {
    let of = r#"{name="a \"b\" \\c",address="192.0.2.1:123",id="1"}"#;
    let server = r#"{listen_address="192.0.2.7:123,[2001:db8::7]:123"}"#;
    holds(
        &full(Dialect::Prometheus),
        &[
            "ntp_uptime_seconds 3600.5",
            "ntp_system_poll_interval_seconds 16",
            "ntp_system_leap_indicator 1",
            &format!("ntp_source_offset_seconds{of} -0.0004"),
            &format!("ntp_source_unanswered_polls{of} 0"),
            "ntp_source_unanswered_polls{name=\"GPS\",address=\"\",id=\"2\"} 1",
            &format!("ntp_server_received_packets_total{server} 123"),
            &format!("ntp_server_accepted_packets_total{server} 99"),
            &format!("ntp_server_denied_packets_total{server} 7"),
            &format!("ntp_server_ignored_packets_total{server} 11"),
            &format!("ntp_server_rate_limited_packets_total{server} 5"),
        ],
    );
}

#[test]
fn no_name_no_unit_and_no_line_is_outside_the_rules() {
    let families = families(&status(), &sources(), &Names::ALL);
    let mut names = HashSet::new();
    for family in &families {
        let is_plain = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '_';
        assert!(family.name.chars().all(is_plain), "{}", family.name);
        assert!(names.insert(family.name), "{} twice", family.name);
        assert!(!family.help.is_empty() && !family.help.ends_with('.'), "{}", family.name);
        // What OpenMetrics keeps for what kinds add.
        for end in ["_total", "_info", "_created", "_count", "_sum", "_bucket"] {
            assert!(!family.name.ends_with(end), "{}", family.name);
        }
        assert!(!family.samples.is_empty(), "{} has no sample in a full reply", family.name);
        let labels: HashSet<_> = family.samples.iter().map(|sample| &sample.labels).collect();
        assert_eq!(labels.len(), family.samples.len(), "{}: two samples are one series", family.name);
    }
}

#[test]
fn the_older_dialect_has_nothing_of_the_newer() {
    let text = full(Dialect::Prometheus);
    for word in ["# UNIT", "# EOF", " stateset", " info\n"] {
        assert!(!text.contains(word), "{word}");
    }
    holds(&text, &["# TYPE truechimer_events_total counter", "# TYPE truechimer_source_info gauge"]);
}

#[test]
fn two_sources_of_one_name_are_told_once() {
    let twice = SourcesReply {
        sources: sources().sources.into_iter().flat_map(|source| [source.clone(), source]).collect(),
        ..sources()
    };
    let lines = |sources: &SourcesReply| {
        let text = expose(&families(&status(), sources, &[Names::Chrony]), Dialect::Prometheus);
        text.lines().filter(|line| line.starts_with("chrony_sources")).count()
    };
    assert_eq!(lines(&twice), lines(&sources()));
}

#[test]
fn numbers_that_are_none_are_written_as_monitors_read_them() {
    let family = [f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e-9]
        .into_iter()
        .enumerate()
        .fold(Family::gauge("a", "A"), |family, (place, value)| {
            family.with(vec![("n", place.to_string())], value)
        });
    let text = expose(&[family], Dialect::Prometheus);
    holds(&text, &["a{n=\"0\"} +Inf", "a{n=\"1\"} -Inf", "a{n=\"2\"} NaN", "a{n=\"3\"} 0.000000001"]);
}

fn standings() -> [Standing; 12] {
    [
        Standing::Truechimer,
        Standing::OnProbation { answers: 1 },
        Standing::Falseticker { by: Span::ZERO },
        Standing::Undecided,
        Standing::Mute,
        Standing::TooVague { distance: Span::ZERO },
        Standing::Unreachable,
        Standing::NotFound,
        Standing::Keyless { why: NoKeys::NotReached },
        Standing::Provisional,
        Standing::Loop,
        Standing::SameServer { of: SourceId(0) },
    ]
}

#[test]
fn every_standing_is_counted() {
    assert_eq!(standings().map(Standing::word), super::sources::STANDINGS);
}

#[test]
fn what_a_source_is_to_chrony_is_the_same_in_both_places() {
    for (standing, upstream) in standings().into_iter().flat_map(|it| [(it, false), (it, true)]) {
        let source = SourceReply { mark: standing.mark(), upstream, ..sources().sources[0].clone() };
        let words = ["sync", "unreach", "falseticket", "jittery", "candidate", "outlier"];
        let state = crate::chrony::state_of(standing, upstream);
        assert_eq!(chrony::state_word(&source), words[state as usize], "{standing:?}");
    }
}

#[test]
fn what_alarms_can_happen() {
    let events = include_str!("../../../../docs/manual/events.md");
    for label in time::ALARMING {
        assert!(events.contains(&format!("`{label}`")), "{label}");
    }
}

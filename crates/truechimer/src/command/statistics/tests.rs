use super::*;
use crate::talk::SpreadReply;

fn plain() -> Colours {
    Colours::of(cli::ColourWhen::Never, &io::stdout())
}

fn source(text: &str) -> SourceReply {
    serde_json::from_str(text).expect("it is a source")
}

/// What a daemon of an earlier version says of a source.
const OLD: &str = r#"{"name": "a.example", "operator": "example", "address": null, "mark": "x", "standing": "falseticker",
    "why": "ahead of the majority by 5.000 s at least", "reach": 255, "interval": 64.0,
    "traffic": {"questions": 9, "answers": 9, "per_day": 1350.0}, "due": 1.0, "samples": 9, "offset": 5.0, "sigma": 0.001,
    "bound": 0.002, "age": 3.0, "delay": 0.01, "stratum": 2, "reference_id": "c0000201", "leap": "none",
    "root_distance": 0.001, "refused": []}"#;

fn full() -> SourceReply {
    SourceReply {
        vote: "votes against 3 operators".to_owned(),
        has_vote: true,
        trust: true,
        require: true,
        key: Some(7),
        lowest: Some(4.99),
        highest: Some(5.01),
        residual_ppm: Some(-20.0),
        residual_error_ppm: Some(0.5),
        spread: Some(SpreadReply { samples: 64, span: 640.0, deviation: 25e-6, runs: 21 }),
        ..source(OLD)
    }
}

fn lines(text: &str) -> Vec<Vec<String>> {
    text.lines()
        .map(|line| line.split("  ").filter(|it| !it.is_empty()).map(|it| it.trim().to_owned()).collect())
        .collect()
}

#[test]
fn statistics_have_their_units_beside_them() {
    let sources = SourcesReply { version: 1, sources: vec![full()] };
    let lines = lines(&sourcestats_text(&sources, plain()));
    let row = &lines[1];
    assert_eq!(row[..5], ["x", "a.example", "64", "21", "10.67 min"]);
    assert_eq!(row[5..], ["-20.000 ppm", "0.500 ppm", "+5.000 s", "1.000 ms", "25.00 µs", "9"]);
}

#[test]
fn each_source_says_how_it_votes_and_why() {
    let sources = SourcesReply { version: 1, sources: vec![full()] };
    let text = selectdata_text(&sources, plain());
    for part in [
        "key 7",
        "trust, require",
        "falseticker: ahead of the majority by 5.000 s at least; votes against 3 operators",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn what_an_older_daemon_does_not_say_is_a_dash() {
    let sources = SourcesReply { version: 1, sources: vec![source(OLD)] };
    assert!(sourcestats_text(&sources, plain()).contains(" - "));
    assert!(selectdata_text(&sources, plain()).ends_with("at least\n"));
}

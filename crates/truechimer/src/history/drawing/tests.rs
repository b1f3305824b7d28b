use super::*;
use crate::config::Level;
use crate::history::tests::{at, model};
use crate::history::{History, Told, What};
use truechimer_core::discipline::model::Model;
use truechimer_time::Rate;

fn known(seconds: i64, status: Status, micros: i64) -> Entry {
    let model = model(at(seconds).raw);
    let best =
        Time::from_epoch(at(seconds).local.since_epoch() + Span::from_secs(37) + Span::from_micros(micros));
    let mut bracket = model.bracket;
    (bracket.earliest, bracket.latest) = (best - Span::from_micros(400), best + Span::from_micros(500));
    let rate = Rate::from_ppb(-12_345 + micros);
    let model = Model { best, bracket, rate, ..model };
    Entry { at: at(seconds), what: What::Known { status, model: Some(model) } }
}

fn told(seconds: i64, label: &str) -> Entry {
    let told = Told { tai: None, level: Level::Warn, label: label.into(), by: None, words: "so".into() };
    Entry { at: at(seconds), what: What::Told(told) }
}

fn born(seconds: i64, boot: &str) -> Entry {
    Entry { at: at(seconds), what: What::Born { boot: boot.to_owned(), clocksource: "tsc".to_owned() } }
}

/// Two boots: the first ends in holdover and with a sleep, the second begins with a step.
fn lived() -> Vec<Entry> {
    let wave = |second: i64| (second / 64 * 7919 % 101) - 50;
    let quiet = |from: i64, to: i64| {
        (from..to).step_by(64).map(move |second| known(second, Status::Synchronised, wave(second)))
    };
    let disrupted = Entry { at: at(13_000), what: What::Known { status: Status::Disrupted, model: None } };
    let mut entries = vec![born(0, "a")];
    entries.extend(quiet(64, 9_000));
    entries.push(known(9_000, Status::Holdover, 20));
    entries.extend([told(12_990, "suspended"), disrupted, born(14_000, "b"), told(14_010, "stepped")]);
    entries.extend(quiet(14_016, 20_000));
    entries
}

/// The entries as a daemon writes them, with a line that a power cut has torn.
#[test]
fn a_history_that_was_torn_is_drawn_as_the_golden_sheet() {
    let text: String = lived().iter().map(|entry| format!("{entry}\n")).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let torn = &text[..text.len() / 2 - 40];
    std::fs::write(folder.path().join("history"), format!("truechimer-history 1\n{torn}\n{text}"))
        .expect("room");
    let history = History::read(folder.path()).expect("it is there");
    assert_eq!(history.torn, 1);
    std::fs::write(folder.path().join("history"), format!("truechimer-history 1\n{text}")).expect("room");
    let history = History::read(folder.path()).expect("it is there");
    let svg = sheet(&history.entries, &Shown::ALL).expect("something").svg();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/history.svg");
    if std::env::var_os("TRUECHIMER_BLESS").is_some() {
        std::fs::write(path, &svg).expect("the folder is there");
    }
    let golden = std::fs::read_to_string(path).expect("the golden sheet is there");
    assert!(svg == golden, "it is drawn otherwise: see for yourself with TRUECHIMER_BLESS=1 and `git diff`");
}

#[test]
fn each_panel_can_be_had_alone() {
    for (shown, title) in
        Shown::ALL.into_iter().zip(["offset of the clock", "how well", "frequency", "Allan"])
    {
        let sheet = sheet(&lived(), &[shown]).expect("something");
        assert_eq!(sheet.panels.len(), 1);
        assert!(sheet.panels[0].chart.title.contains(title), "{}", sheet.panels[0].chart.title);
        assert_eq!(sheet.panels[0].note, None);
    }
}

#[test]
fn statuses_and_turns_are_on_all_panels_with_dates() {
    let sheet = sheet(&lived(), &Shown::ALL).expect("something");
    for panel in &sheet.panels[..3] {
        let words: Vec<&str> = panel.spells.iter().map(|spell| spell.word.as_str()).collect();
        assert_eq!(words, ["holdover", "disrupted"]);
        let words: Vec<&str> = panel.turns.iter().map(|turn| turn.word.as_str()).collect();
        assert_eq!(words, ["suspended", "stepped"]);
    }
}

#[test]
fn nothing_is_not_drawn_and_one_point_is() {
    assert_eq!(sheet(&[], &Shown::ALL), None);
    assert_eq!(sheet(&[born(0, "a")], &Shown::ALL), None);
    let one = sheet(&[known(10, Status::Synchronised, 5)], &Shown::ALL).expect("one point");
    assert!(one.panels[..3].iter().all(|panel| panel.note.is_none()), "{one:?}");
    assert!(one.panels[3].note.is_some(), "a point says nothing about steadiness");
    assert_eq!(one.svg().matches("<polyline").count(), 4);
    let never = sheet(&[told(10, "stepped"), told(20, "stepped")], &Shown::ALL).expect("two turns");
    assert!(never.svg().contains("the time was never known"));
}

#[test]
fn many_points_are_thinned_to_what_can_be_seen() {
    let many: Vec<Entry> = (0..30_000)
        .map(|second| known(second, Status::Synchronised, if second == 777 { 5000 } else { 1 }))
        .collect();
    let offset = &sheet(&many, &[Shown::Offset]).expect("something").panels[0];
    let Marks::Line(points) = &offset.chart.series[1].marks else { panic!("{:?}", offset.chart.series[1]) };
    assert!(points.len() < 1500, "{}", points.len());
    assert!(points.iter().any(|(_, y)| *y > 4.9), "the one that stands out is there");
    let svg = sheet(&many, &Shown::ALL).expect("something").svg();
    assert!(svg.len() < 300_000, "{}", svg.len());
}

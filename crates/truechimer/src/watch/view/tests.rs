use super::*;
use crate::happened::Happened;
use crate::talk::{SourceReply, SourcesReply, StatusReply};
use crate::ui::colour::Colours;
use crate::watch::informant::News;
use crate::watch::paint::paint;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

pub(crate) fn status() -> StatusReply {
    let forecast = serde_json::json!([{"bound": 0.001, "holds": 2460.0}, {"bound": 0.01, "holds": 32400.0}]);
    let reply = serde_json::json!({
        "version": 1, "status": "synchronised", "clock": "kernel", "utc": null, "tai_minus_utc": 37,
        "offset": 0.000012, "bound": 0.0004, "sigma": 0.00001, "age": 4.0, "counter_ppm": 12.0,
        "counter_error_ppm": 0.1, "clock_ppm": -12.0, "panicking": false, "forecast": forecast,
        "assumptions": {"version": 2, "max_rate_ppm": 500.0, "max_drift_ppm": 15.0},
        "sources": {"configured": 4, "truechimers": 3, "falsetickers": 1}, "stratum": 2,
        "traffic": {"questions": 100, "answers": 99, "per_day": 1350.0}, "rms": null, "server": null,
    });
    serde_json::from_value(reply).expect("a status")
}

fn source(mark: char, name: &str, offset: f64, standing: &str) -> SourceReply {
    let reply = serde_json::json!({
        "name": name, "operator": name, "address": null, "mark": mark, "standing": standing,
        "why": (mark == 'x').then_some("ahead of the majority by 87.66 ms at least"),
        "reach": 255, "interval": 64.0, "traffic": {"questions": 1, "answers": 1, "per_day": 1.0}, "due": 1.0,
        "samples": 9, "offset": offset, "sigma": 0.00001, "bound": 0.0005, "age": 12.0, "delay": 0.01,
        "stratum": 1, "reference_id": null, "leap": null, "root_distance": null, "refused": [],
    });
    serde_json::from_value(reply).expect("a source")
}

fn happened(second: u32, level: &str, label: &str, words: &str) -> News {
    let date = format!("2026-11-23T06:05:{second:02}.123456789Z");
    News::Happened(Box::new(Happened {
        version: 1,
        label: label.into(),
        level: level.into(),
        utc: Some(date.clone()),
        local: date,
        raw: "1.5".into(),
        by: None,
        status: "synchronised".into(),
        map: None,
        words: words.into(),
    }))
}

/// 2026-11-23 06:05:00 UTC.
const BEGUN: i64 = 1_795_413_900;

/// Five minutes of a clock that swings in while its bound narrows, with a break in the middle.
fn state() -> State {
    let mut state = State::new(Span::from_secs(300));
    for second in (0..300_i64).filter(|second| !(140..150).contains(second)) {
        let share = second as f64 / 300.0;
        let offset = Span::from_seconds(0.0004 * (1.0 - share) * libm::cos(share * 12.0));
        let bound = Span::from_seconds(0.0006 - 0.0002 * share);
        let known = Instant { utc: (BEGUN + second) as f64, bound, offset };
        let date = "2026-11-23T06:09:59.123456Z".to_owned();
        state.look(Ok(Look { status: Status::Synchronised, date, known: Some(known) }));
        if second == 139 {
            state.look(Err("asleep".into()));
        }
    }
    state.hear(News::Status(Box::new(status())));
    let sources = vec![
        source('*', "ptb.example", 0.000_011, "truechimer"),
        source('*', "nist.example", -0.000_021, "truechimer"),
        source('x', "liar.example", 0.088_170, "falseticker"),
        source('*', "near.example", 0.000_001, "truechimer"),
    ];
    state.hear(News::Sources(SourcesReply { version: 1, sources }));
    state.hear(happened(1, "info", "status_changed", "the status is synchronised"));
    state.hear(happened(2, "warn", "unreachable", "liar.example does not answer\u{1b}[2J"));
    state
}

fn screen(state: &State, [width, height]: [u16; 2], colours: Colours) -> (String, bool) {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("memory");
    terminal.draw(|frame| paint(frame, &View::of(state), colours)).expect("memory");
    let buffer = terminal.backend().buffer();
    let rows = buffer.content().chunks(usize::from(width).max(1));
    let line = |row: &[ratatui::buffer::Cell]| row.iter().map(|cell| cell.symbol()).collect::<String>();
    let text = rows.map(|row| line(row).trim_end().to_owned() + "\n").collect();
    let is_coloured =
        buffer.content().iter().any(|cell| cell.fg != Color::Reset || !cell.modifier.is_empty());
    (text, is_coloured)
}

fn plain(state: &State, size: [u16; 2]) -> String {
    screen(state, size, Colours::NONE).0
}

fn hold_against(golden: &str, text: &str) {
    let path = format!("{}/tests/golden/{golden}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("TRUECHIMER_BLESS").is_some() {
        std::fs::write(&path, text).expect("the folder is there");
    }
    let right = std::fs::read_to_string(&path).expect("the golden screen is there");
    assert!(right == text, "{golden} is otherwise: TRUECHIMER_BLESS=1 writes it anew\n{text}");
}

#[test]
fn screens_are_as_the_golden_ones() {
    hold_against("watch-80x24.txt", &plain(&state(), [80, 24]));
    hold_against("watch-120x40.txt", &plain(&state(), [120, 40]));
    let mut helping = state();
    helping.press(Key::Help);
    hold_against("watch-help-80x24.txt", &plain(&helping, [80, 24]));
}

#[test]
fn a_daemon_that_is_gone_is_seen_at_once_and_the_rest_stays() {
    let mut state = state();
    state.hear(News::Gone("cannot reach the daemon at /run/x".into()));
    let text = plain(&state, [100, 24]);
    assert!(text.contains("the daemon is gone, and is tried again each second: cannot reach"), "{text}");
    assert!(text.contains("liar.example") && text.contains("06:05:02"), "{text}");
    state.look(Err("cannot read /run/x/time".into()));
    assert!(plain(&state, [100, 24]).starts_with("no time: cannot read /run/x/time"));
}

#[test]
fn no_size_breaks_it() {
    let states = [State::new(Span::from_secs(60)), state()];
    for mut state in states {
        for _ in 0..5 {
            for size in [[20, 5], [1, 1], [0, 0], [3, 200], [200, 3], [5, 9], [300, 100]] {
                let (text, _) = screen(&state, size, Colours::NONE);
                assert_eq!(text.lines().count(), usize::from(if size[0] == 0 { 0 } else { size[1] }));
            }
            state.press(Key::Panel);
            if state.panel == Panel::Events {
                state.press(Key::Help);
            }
        }
    }
    let text = plain(&self::state(), [20, 5]);
    assert!(text.starts_with("synchronised  2026-1"), "{text}");
}

#[test]
fn every_panel_fills_the_screen_alone() {
    let mut state = state();
    for (word, absent) in
        [("right time minus", "liar"), ("liar.example", "right time"), ("unreachable", "right time")]
    {
        state.press(Key::Panel);
        let text = plain(&state, [80, 24]);
        assert!(text.contains(word) && !text.contains(absent), "{text}");
    }
}

#[test]
fn sources_are_listed_in_the_order_that_was_chosen() {
    let mut state = state();
    let names = |state: &State| -> Vec<String> {
        let rows = View::of(state).sources.1;
        rows[1..]
            .iter()
            .map(|(_, row)| row.split_whitespace().nth(1).expect("a name")[..4].to_owned())
            .collect()
    };
    assert_eq!(names(&state), ["ptb.", "nist", "liar", "near"]);
    for order in
        [["liar", "near", "nist", "ptb."], ["ptb.", "nist", "near", "liar"], ["liar", "nist", "ptb.", "near"]]
    {
        state.press(Key::Sort);
        assert_eq!(names(&state), order);
    }
}

#[test]
fn colours_are_there_only_where_they_are_wanted_and_nothing_commands_the_terminal() {
    let always = Colours::of(crate::cli::ColourWhen::Always, &std::io::stdout());
    assert!(screen(&state(), [80, 24], always).1);
    let (text, is_coloured) = screen(&state(), [80, 24], Colours::NONE);
    assert!(!is_coloured && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn a_pause_and_the_outcome_of_an_order_are_told_on_the_last_line() {
    let mut state = state();
    state.press(Key::Pause);
    assert!(plain(&state, [80, 24]).lines().last().expect("a line").starts_with("PAUSED"));
    state.hear(News::Answered(Err("the daemon refuses: for root only".into())));
    assert!(plain(&state, [80, 24]).lines().last().expect("a line").contains("for root only"));
}

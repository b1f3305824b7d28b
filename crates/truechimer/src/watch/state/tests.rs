use super::*;
use crate::history::tests::{at, model};
use crate::watch::look;
use truechimer_core::status::Status;

const TEN: Span = Span::from_secs(600);

fn seen(utc: f64) -> Result<Look, String> {
    let known = look::Known { utc, bound: Span::from_millis(1), offset: Span::from_micros(5) };
    Ok(Look { status: Status::Synchronised, date: "2026-11-23T06:05:14.123456Z".into(), known: Some(known) })
}

fn happened(label: &str) -> News {
    News::Happened(Box::new(Happened {
        version: 1,
        label: label.into(),
        level: "info".into(),
        utc: None,
        local: "2026-11-23T06:05:14.123456789Z".into(),
        raw: "1.5".into(),
        by: None,
        status: "synchronised".into(),
        map: None,
        words: "so it was".into(),
    }))
}

fn lengths(state: &State) -> Vec<usize> {
    state.seen().trail.iter().map(Vec::len).collect()
}

#[test]
fn a_curve_is_broken_where_nothing_is_known() {
    let mut state = State::new(TEN);
    for second in 0..3 {
        state.look(seen(f64::from(second)));
    }
    state.look(Err("gone".into()));
    state.look(Err("gone".into()));
    state.look(seen(9.0));
    assert_eq!(lengths(&state), [3, 1]);
    state.look(seen(10.0 + JOINED_MAX));
    assert_eq!(lengths(&state), [3, 1, 1], "and where nobody looked");
}

#[test]
fn what_was_before_comes_before() {
    let mut state = State::new(TEN);
    let known = |seconds: i64| Entry {
        at: at(seconds),
        what: What::Known { status: Status::Synchronised, model: Some(model(at(seconds).raw)) },
    };
    let born = Entry { at: at(0), what: What::Born { boot: "b".into(), clocksource: "tsc".into() } };
    let entries = [born, known(10), known(20), known(1000)];
    state.look(seen(1_790_000_500.0));
    state.remember(&entries);
    let spots: Vec<f64> = state.seen().trail.iter().flatten().map(|spot| spot.utc).collect();
    assert!(spots.is_sorted() && spots.len() == 4, "{spots:?}");
    assert_eq!(state.seen().events.len(), 1, "{:?}", state.seen().events);
    state.remember(&entries);
    assert_eq!(state.seen().trail.iter().flatten().count(), 4, "once");
}

#[test]
fn nothing_grows_for_ever() {
    let mut state = State::new(TEN);
    for second in 0..TRAIL_MAX + 50 {
        state.look(seen(second as f64));
    }
    assert_eq!(lengths(&state), [TRAIL_MAX]);
    for _ in 0..=EVENTS_MAX {
        state.hear(happened("reachable"));
    }
    assert_eq!(state.seen().events.len(), EVENTS_MAX);
}

#[test]
fn a_pause_shows_what_was_and_loses_nothing() {
    let mut state = State::new(TEN);
    state.look(seen(1.0));
    state.press(Key::Pause);
    state.look(seen(2.0));
    state.hear(happened("stepped"));
    assert_eq!((lengths(&state), state.seen().events.len(), state.is_paused()), (vec![1], 0, true));
    state.press(Key::Pause);
    assert_eq!((lengths(&state), state.seen().events.len(), state.is_paused()), (vec![2], 1, false));
}

#[test]
fn a_daemon_that_comes_back_is_not_gone_and_has_told_the_history() {
    let mut state = State::new(TEN);
    assert!(!state.hear(News::Gone("cannot reach it".into())));
    assert_eq!(state.seen().gone.as_deref(), Some("cannot reach it"));
    assert!(state.hear(News::Listening), "the history is read again");
    assert!(!state.hear(News::Status(Box::new(crate::watch::view::tests::status()))));
    assert_eq!(state.seen().gone, None);
}

#[test]
fn keys_go_round_and_stay_within_limits() {
    let mut state = State::new(TEN);
    for panel in [Panel::Curves, Panel::Sources, Panel::Events, Panel::All] {
        state.press(Key::Panel);
        assert_eq!(state.panel, panel);
    }
    for sort in [Sort::Name, Sort::Standing, Sort::Offset, Sort::Configured] {
        state.press(Key::Sort);
        assert_eq!(state.sort, sort);
    }
    for _ in 0..50 {
        state.press(Key::Longer);
    }
    assert_eq!(state.span, SPANS[1]);
    for _ in 0..50 {
        state.press(Key::Shorter);
    }
    assert_eq!(state.span, SPANS[0]);
    assert_eq!(state.press(Key::Burst), Some(Order::Burst));
    state.press(Key::Help);
    assert_eq!((state.press(Key::Burst), state.is_helping), (None, false), "any key closes the help");
    state.press(Key::Help);
    state.press(Key::Quit);
    assert!(state.is_over);
}

//! What is on the screen: words, rows and curves, whatever paints them.

use truechimer_time::{Civil, Span, Time, Utc};

use super::look::{Known as Instant, Look};
use super::state::{Key, Known, Panel, Sort, Spot, State};
use crate::command::status::{called, mood};
use crate::daemon::story::forecast_words;
use crate::talk::{Forecast, SourceReply};
use crate::ui::colour::Mood;
use crate::ui::table::{Side, Table};
use crate::ui::units;
use truechimer_core::status::Status;

/// The keys, and what they do in a word and in a sentence.
pub const KEYS: [(char, Key, &str, &str); 8] = [
    ('q', Key::Quit, "quit", "leave (also Esc, Ctrl-C)"),
    ('\t', Key::Panel, "panel", "one panel alone, the next one, all of them again"),
    ('+', Key::Longer, "longer", "let the curves go back twice as far"),
    ('-', Key::Shorter, "shorter", "let them go back half as far"),
    ('s', Key::Sort, "sort", "list the sources in another order"),
    ('b', Key::Burst, "burst", "have all sources asked now (root and the daemon's account)"),
    ('p', Key::Pause, "pause", "let nothing move, and go on"),
    ('?', Key::Help, "help", "this list; any key closes it"),
];

/// A line with its mood.
pub type Row = (Option<Mood>, String);

/// What is on the screen.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// Status and time; the clock or what is wrong with the daemon; the forecast.
    pub head: [Row; 3],
    /// Which of the following are shown.
    pub panel: Panel,
    /// The curves.
    pub curves: Curves,
    /// What stands above the sources, and they themselves below a line of titles.
    pub sources: (String, Vec<Row>),
    /// What happened, the newest first.
    pub events: Vec<Row>,
    /// The keys, or what came of one.
    pub foot: String,
    /// What the keys do, if that is asked for.
    pub help: Option<Vec<String>>,
}

/// The clock's offset and its bound over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Curves {
    /// What they show.
    pub title: String,
    /// Unbroken curves of the offset: seconds before now, and seconds.
    pub offset: Vec<Vec<(f64, f64)>>,
    /// The most and the least that it can be, the same way.
    pub bound: Vec<Vec<(f64, f64)>>,
    /// The first and the last second.
    pub x: [f64; 2],
    /// Words along them: dates.
    pub dates: Vec<String>,
    /// The lowest and the highest offset that there is room for.
    pub y: [f64; 2],
    /// Words along them.
    pub heights: Vec<String>,
}

impl View {
    /// What is to be seen of a state.
    pub fn of(state: &State) -> Self {
        let seen = state.seen();
        let help = |(key, _, _, words): &(char, Key, &str, &str)| format!("{:>3}  {words}", key_name(*key));
        Self {
            head: [time_row(seen), clock_row(seen), forecast_row(seen)],
            panel: state.panel,
            curves: Curves::of(seen, state.span),
            sources: (format!("sources, {}", state.sort.word()), source_rows(seen, state.sort)),
            events: event_rows(seen),
            foot: foot(state),
            help: state.is_helping.then(|| KEYS.iter().map(help).collect()),
        }
    }
}

fn key_name(key: char) -> String {
    if key == '\t' { "tab".to_owned() } else { key.to_string() }
}

fn foot(state: &State) -> String {
    let keys: Vec<String> =
        KEYS.iter().map(|(key, _, word, _)| format!("{} {word}", key_name(*key))).collect();
    match (&state.notice, state.is_paused()) {
        (Some(notice), _) => notice.clone(),
        (None, true) => format!("PAUSED  {}", keys.join("  ")),
        (None, false) => keys.join("  "),
    }
}

fn status_mood(status: Status) -> Mood {
    match status {
        Status::Synchronised => Mood::Good,
        Status::Degraded | Status::Holdover => Mood::Doubtful,
        Status::Unknown | Status::Disrupted => Mood::Bad,
    }
}

fn time_row(seen: &Known) -> Row {
    match &seen.look {
        None => (None, String::new()),
        Some(Err(why)) => (Some(Mood::Bad), format!("no time: {why}")),
        Some(Ok(Look { status, date, known })) => {
            let bound = known.map_or("not known".to_owned(), |known| units::bound(known.bound));
            (Some(status_mood(*status)), format!("{status:<12}  {date} {bound}"))
        }
    }
}

fn clock_row(seen: &Known) -> Row {
    if let Some(why) = &seen.gone {
        return (Some(Mood::Bad), format!("the daemon is gone, and is tried again each second: {why}"));
    }
    let instant: Option<Instant> =
        seen.look.as_ref().and_then(|look| look.as_ref().ok()).and_then(|look| look.known);
    let offset = instant.map(|known| units::offset(known.offset));
    let clock = seen.status.as_ref().map_or("", |status| status.clock.as_str());
    let off = offset.map_or(String::new(), |offset| format!("{clock} clock off by {offset}"));
    let counts = seen.status.as_ref().map(|status| status.sources);
    let agree = counts.map_or(String::new(), |counts| {
        format!(
            "; {} of {} sources agree, {} do not",
            counts.truechimers, counts.configured, counts.falsetickers
        )
    });
    (None, format!("{:<12}  {off}{agree}", "clock"))
}

fn forecast_row(seen: &Known) -> Row {
    let pair = |it: &Forecast| (Span::from_seconds(it.bound), Span::from_seconds(it.holds));
    let forecast = seen.status.as_ref().filter(|status| !status.forecast.is_empty()).map(|status| {
        let pairs: Vec<(Span, Span)> = status.forecast.iter().map(pair).collect();
        forecast_words(&pairs)
    });
    (None, format!("{:<12}  {}", "if alone", forecast.unwrap_or_else(|| "not known".to_owned())))
}

fn source_rows(seen: &Known, sort: Sort) -> Vec<Row> {
    let mut sources: Vec<&SourceReply> = seen.sources.iter().collect();
    match sort {
        Sort::Configured => {}
        Sort::Name => sources.sort_by_key(|source| called(source)),
        Sort::Standing => sources.sort_by_key(|source| "*-~?x".find(source.mark)),
        Sort::Offset => {
            let away = |source: &SourceReply| source.offset.map_or(-1.0, f64::abs);
            sources.sort_by(|one, other| away(other).total_cmp(&away(one)));
        }
    }
    let head = [
        ("", Side::Left),
        ("source", Side::Left),
        ("offset", Side::Right),
        ("bound", Side::Left),
        ("reach", Side::Right),
        ("age", Side::Right),
        ("what it is", Side::Left),
    ];
    let mut table = Table::new(head);
    for source in &sources {
        table.row(cells(source));
    }
    let moods =
        std::iter::once(Some(Mood::Faint)).chain(sources.iter().map(|source| Some(mood(source.mark))));
    moods.zip(table.to_string().lines().map(str::to_owned)).collect()
}

fn cells(source: &SourceReply) -> [String; 7] {
    let span = |seconds: Option<f64>, words: fn(Span) -> String| {
        seconds.map_or("-".to_owned(), |seconds| words(Span::from_seconds(seconds)))
    };
    let why = source.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    [
        source.mark.to_string(),
        called(source),
        span(source.offset, units::offset),
        span(source.bound, units::bound),
        format!("{:03o}", source.reach),
        span(source.age, units::span),
        format!("{}{why}", source.standing),
    ]
}

fn event_rows(seen: &Known) -> Vec<Row> {
    let mut table = Table::new([("", Side::Left), ("", Side::Left), ("", Side::Left), ("", Side::Left)]);
    let mut moods = Vec::new();
    for event in seen.events.iter().rev() {
        // To the second: the history has the rest.
        let when = event.when.split('.').next().unwrap_or_default().trim_end_matches('Z').replace('T', " ");
        table.row([when, event.level.clone(), event.label.clone(), event.words.clone()]);
        moods.push(match event.level.as_str() {
            "error" => Some(Mood::Bad),
            "warn" => Some(Mood::Doubtful),
            _ => None,
        });
    }
    moods.into_iter().zip(table.to_string().lines().skip(1).map(str::to_owned)).collect()
}

impl Curves {
    fn of(seen: &Known, span: Span) -> Self {
        let length = span.as_seconds();
        let now = seen.trail.iter().rev().find_map(|stretch| stretch.last()).map_or(0.0, |spot| spot.utc);
        let is_near = |spot: &&Spot| now - spot.utc <= length;
        let stretches: Vec<Vec<&Spot>> =
            seen.trail.iter().map(|stretch| stretch.iter().filter(is_near).collect()).collect();
        let spots = || stretches.iter().flatten();
        let most = spots().map(|spot| spot.offset.abs() + spot.bound).fold(0.0, f64::max);
        let most = if most > 0.0 { most * 1.05 } else { 1e-3 };
        let side = |stretch: &Vec<&Spot>, sign: f64| -> Vec<(f64, f64)> {
            stretch.iter().map(|spot| (spot.utc - now, spot.offset + sign * spot.bound)).collect()
        };
        let curve = |stretch: &Vec<&Spot>| stretch.iter().map(|spot| (spot.utc - now, spot.offset)).collect();
        let dates = [0.0, length / 2.0, length].map(|ago| date(now - length + ago, length));
        let [lowest, highest] = [-most, most].map(|height| units::offset(Span::from_seconds(height)));
        Self {
            title: format!("right time minus clock (line) and its bound (dots), last {}", units::span(span)),
            offset: stretches.iter().filter(|stretch| !stretch.is_empty()).map(curve).collect(),
            bound: stretches.iter().flat_map(|stretch| [side(stretch, 1.0), side(stretch, -1.0)]).collect(),
            x: [-length, 0.0],
            dates: if now > 0.0 { dates.to_vec() } else { Vec::new() },
            y: [-most, most],
            heights: vec![lowest, "0".to_owned(), highest],
        }
    }
}

/// The time of day, and the day where there are several.
fn date(utc: f64, length: f64) -> String {
    let date = format!("{:.0}", Civil::of(Time::<Utc>::from_epoch(Span::from_secs(utc.round() as i64))));
    match length {
        short if short < 3600.0 => date[11..19].to_owned(),
        short if short < 86_400.0 => date[11..16].to_owned(),
        _ => date[5..16].replace('T', " "),
    }
}

#[cfg(test)]
pub(crate) mod tests;

//! `truechimer forecast`: how long the time stays good if all sources vanish now.

use std::fmt::Write as _;
use std::io::{self, Write};

use anyhow::bail;
use serde::Serialize;
use truechimer_core::status::Status;
use truechimer_sys::clock::Readings;
use truechimer_time::Span;

use crate::cli;
use crate::command::Outcome;
use crate::command::ask::ask;
use crate::page::{self, Page};
use crate::talk::{Forecast, Reply, Request, StatusReply};
use crate::ui::table::{Side, Table};
use crate::ui::units;

/// The version of the object that `--json` prints.
const VERSION: u32 = 1;

/// What `--json` prints. Bounds and times are seconds.
#[derive(Debug, PartialEq, Serialize)]
struct Document {
    version: u32,
    status: String,
    /// How wrong the likeliest time can be now.
    bound: Option<f64>,
    /// For how long it stays within each bound, under the assumptions.
    forecast: Vec<Forecast>,
    /// For how long its likely error does, 999 times in 1000; the page does not tell.
    likely: Vec<Forecast>,
    /// What that leans on: `line`, `day` or `temperature`.
    leaning: String,
}

/// Says for how long. The answer is yes if the time is known.
pub fn forecast(arguments: &cli::Forecast) -> anyhow::Result<Outcome> {
    let document = match arguments.bounds[..] {
        [] => by_daemon(arguments)?,
        ref bounds => {
            let (page, now) = page::read(&arguments.daemon.run_dir)?;
            by_page(&page, &now, bounds)
        }
    };
    let text = match arguments.output.json {
        true => serde_json::to_string_pretty(&document)? + "\n",
        false => text(&document),
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(if document.bound.is_some() { Outcome::Yes } else { Outcome::No })
}

fn by_daemon(arguments: &cli::Forecast) -> anyhow::Result<Document> {
    let Reply::Status(status) = ask(&arguments.daemon.run_dir, Request::Status {})? else {
        bail!("the daemon answers something else")
    };
    let StatusReply { status, bound, forecast, likely, leaning, .. } = *status;
    Ok(Document { version: VERSION, status, bound, forecast, likely, leaning })
}

/// What was void when the page was written, or is from before a sleep, foretells nothing.
fn by_page(page: &Page, now: &Readings, bounds: &[Span]) -> Document {
    let status = page.status_at(now.raw);
    let is_known = match status {
        Status::Synchronised | Status::Degraded | Status::Holdover => page.is_whole(now.asleep),
        Status::Unknown | Status::Disrupted => false,
    };
    let model = page.model.filter(|_| is_known);
    let holds = |bound: &Span| {
        model.map(|model| Forecast {
            bound: bound.as_seconds(),
            holds: model.holds_for(now.raw, *bound).as_seconds(),
        })
    };
    Document {
        version: VERSION,
        status: status.to_string(),
        bound: model.map(|model| model.read(now.raw).bound().as_seconds()),
        forecast: bounds.iter().filter_map(holds).collect(),
        likely: Vec::new(),
        leaning: String::new(),
    }
}

fn text(document: &Document) -> String {
    let Some(bound) = document.bound else {
        return format!("the time is not known (status {}): there is nothing to foretell\n", document.status);
    };
    let bound = units::bound(Span::from_seconds(bound));
    let mut text = format!("now the time is known {bound} ({}); if all sources vanished:\n", document.status);
    let seconds = Span::from_seconds;
    if document.likely.is_empty() {
        let mut table = Table::new([("within", Side::Right), ("certain for", Side::Right)]);
        for forecast in &document.forecast {
            table.row([units::span(seconds(forecast.bound)), lasting(forecast.holds)]);
        }
        return text + &table.to_string();
    }
    let head = [("within", Side::Right), ("certain for", Side::Right), ("likely for", Side::Right)];
    let mut table = Table::new(head);
    for forecast in &document.forecast {
        let likely = document.likely.iter().find(|likely| likely.bound == forecast.bound);
        let likely = likely.map_or("-".to_owned(), |likely| lasting(likely.holds));
        table.row([units::span(seconds(forecast.bound)), lasting(forecast.holds), likely]);
    }
    // Writing to a string does not fail.
    let _ = writeln!(text, "{table}likely: 999 times in 1000, by the {}", document.leaning);
    text
}

/// A bound that is exceeded already does not hold at all.
fn lasting(seconds: f64) -> String {
    if seconds > 0.0 { units::span(Span::from_seconds(seconds)) } else { "not now".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::tests::page;
    use truechimer_sys::clock;

    #[test]
    fn the_page_foretells_any_bound() {
        let now = clock::readings();
        // 500 µs now, and 100 ppb more from then on: 100 µs more are there after 1000 s.
        let bounds = [Span::from_micros(600), Span::from_micros(400)];
        let document = by_page(&page(&now, Span::ZERO, Status::Synchronised), &now, &bounds);
        assert!((document.forecast[0].holds - 1000.0).abs() < 1.0, "{document:?}");
        assert_eq!(document.forecast[1].holds, 0.0);
        let text = text(&document);
        assert!(text.starts_with("now the time is known ± 500.0 µs (synchronised)"), "{text}");
        assert!(
            text.contains("600.0 µs") && text.contains("16.67 min") && text.contains("not now"),
            "{text}"
        );
        assert!(!text.contains("likely"), "{text}");
    }

    #[test]
    fn what_is_void_or_from_before_a_sleep_foretells_nothing() {
        let now = clock::readings();
        let bounds = [Span::from_millis(1)];
        let void = by_page(&page(&now, Span::ZERO, Status::Disrupted), &now, &bounds);
        assert_eq!((void.bound, void.forecast.len()), (None, 0));
        assert!(text(&void).contains("not known (status disrupted)"));
        let woken = Readings { asleep: now.asleep + Span::from_secs(60), ..now };
        assert_eq!(by_page(&page(&now, Span::ZERO, Status::Synchronised), &woken, &bounds).bound, None);
    }

    #[test]
    fn what_is_likely_stands_beside_what_is_certain() {
        let forecast = |bound, holds| Forecast { bound, holds };
        let document = Document {
            version: VERSION,
            status: "synchronised".into(),
            bound: Some(0.0005),
            forecast: vec![forecast(0.001, 2460.0), forecast(0.01, 32_400.0)],
            likely: vec![forecast(0.001, 7200.0), forecast(0.01, 864_000.0)],
            leaning: "day".into(),
        };
        let text = text(&document);
        let line = |word| text.lines().find(|line| line.contains(word)).expect("a line").to_owned();
        assert!(line("1.000 ms").contains("41.00 min") && line("1.000 ms").contains("2.000 h"), "{text}");
        assert!(line("10.00 ms").contains("9.000 h") && line("10.00 ms").contains("10.00 d"), "{text}");
        assert!(text.ends_with("999 times in 1000, by the day\n"), "{text}");
    }
}

//! `truechimer status` and `truechimer sources`: what the daemon knows.

use std::fmt::Write as _;
use std::io::{self, Write};

use anyhow::bail;
use truechimer_time::{Rate, Span};

use crate::cli;
use crate::command::Outcome;
use crate::command::ask::ask;
use crate::daemon::story::forecast_words;
use crate::talk::{
    NtsCounts, NtsReply, Reply, Request, ServerCounts, SourceReply, SourcesReply, StatusReply, TrafficReply,
};
use crate::ui::colour::{Colours, Mood};
use crate::ui::table::{Side, Table};
use crate::ui::units;

/// Says how right the clock is. The answer is yes while it is synchronised or in holdover.
pub fn status(arguments: &cli::Status) -> anyhow::Result<Outcome> {
    let Reply::Status(status) = ask(&arguments.daemon.run_dir, Request::Status {})? else {
        bail!("the daemon answers something else")
    };
    let text = match arguments.output.json {
        true => serde_json::to_string_pretty(&status)? + "\n",
        false => status_text(&status),
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    let is_known = status.bound.is_some();
    Ok(if is_known { Outcome::Yes } else { Outcome::No })
}

/// Lists the sources. The answer is yes if any is a truechimer.
pub fn sources(arguments: &cli::Sources) -> anyhow::Result<Outcome> {
    let Reply::Sources(sources) = ask(&arguments.daemon.run_dir, Request::Sources {})? else {
        bail!("the daemon answers something else")
    };
    let mut out = io::stdout().lock();
    let colours = Colours::of(arguments.output.color, &out);
    let text = match arguments.output.json {
        true => serde_json::to_string_pretty(&sources)? + "\n",
        false => sources_text(&sources, colours),
    };
    out.write_all(text.as_bytes())?;
    let agrees = sources.sources.iter().any(|source| source.mark == '*');
    Ok(if agrees { Outcome::Yes } else { Outcome::No })
}

fn status_text(status: &StatusReply) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:<12} {value}");
    };
    line("status", status.status.clone());
    if let (Some(utc), Some(bound)) = (&status.utc, status.bound) {
        line("time", format!("{utc} {}", units::bound(Span::from_seconds(bound))));
    }
    if let (Some(offset), Some(sigma)) = (status.offset, status.sigma) {
        let (offset, sigma) = (Span::from_seconds(offset), Span::from_seconds(sigma));
        line(
            "clock",
            format!(
                "{} clock is off by {} (1 sigma {})",
                status.clock,
                units::offset(offset),
                units::span(sigma)
            ),
        );
    }
    if let Some(counter) = status.counter_ppm {
        let rate = |ppm: f64| Rate::from_ppm(ppm);
        line(
            "counter",
            format!(
                "runs {} fast, known to ± {:.3}",
                units::rate(rate(counter)),
                rate(status.counter_error_ppm)
            ),
        );
    }
    line("sources", sources_words(status));
    if let Some(nts) = status.nts {
        line("protected", protection_words(&nts));
    }
    line("traffic", traffic_words(status));
    let seconds = |f: &crate::talk::Forecast| (Span::from_seconds(f.bound), Span::from_seconds(f.holds));
    if !status.forecast.is_empty() {
        let forecast: Vec<(Span, Span)> = status.forecast.iter().map(seconds).collect();
        line("if alone", forecast_words(&forecast));
    }
    if !status.likely.is_empty() {
        let likely: Vec<(Span, Span)> = status.likely.iter().map(seconds).collect();
        line("likely", format!("{} (by the {})", forecast_words(&likely), status.leaning));
    }
    if status.panicking {
        line("panic", "the error is beyond [clock] panic: the clock is left alone".into());
    }
    if let Some(server) = &status.server {
        line("serving", serving_words(status.stratum, server));
        if let Some(length) = server.leap_smear {
            line("smeared", smear_words(Span::from_seconds(length)));
        }
    }
    let assumed = &status.assumptions;
    line(
        "assumed",
        format!(
            "a majority of operators is honest; the counter is within {} ppm of nominal and drifts less than {:.1} ppm a day",
            assumed.max_rate_ppm, assumed.max_drift_ppm
        ),
    );
    text
}

fn serving_words(stratum: u8, server: &ServerCounts) -> String {
    let silent: u64 = server.silent.iter().map(|(_, count)| count).sum();
    format!("stratum {stratum}, {} answered, {silent} left unanswered", server.answered)
}

fn smear_words(length: Span) -> String {
    format!("leap seconds are smeared over {}: what is served is not UTC then", units::span(length))
}

fn protection_words(nts: &NtsCounts) -> String {
    format!("{} of {} sources that are asked by NTS have keys", nts.keyed, nts.configured)
}

fn sources_words(status: &StatusReply) -> String {
    let counts = status.sources;
    let silent = counts.configured - counts.truechimers - counts.falsetickers;
    format!("{} agree, {} do not, {silent} say nothing that counts", counts.truechimers, counts.falsetickers)
}

fn traffic_words(status: &StatusReply) -> String {
    let TrafficReply { questions, answers, per_day } = status.traffic;
    let asked =
        format!("{questions} questions, {answers} answered; {} a day from now on", per_day_words(per_day));
    match status.rms {
        Some(rms) => format!("{asked} keep the clock within {} rms", units::span(Span::from_seconds(rms))),
        None => asked,
    }
}

/// Few questions are told more exactly than many.
fn per_day_words(per_day: f64) -> String {
    if per_day < 10.0 { format!("{per_day:.1}") } else { format!("{per_day:.0}") }
}

fn sources_text(sources: &SourcesReply, colours: Colours) -> String {
    let head = [
        ("", Side::Left),
        ("source", Side::Left),
        ("offset", Side::Right),
        ("bound", Side::Left),
        ("delay", Side::Right),
        ("stratum", Side::Right),
        ("reach", Side::Right),
        ("interval", Side::Right),
        ("asked", Side::Right),
        ("answered", Side::Right),
        ("age", Side::Right),
        ("what it is", Side::Left),
    ];
    let mut table = Table::new(head).in_colours(colours);
    for source in &sources.sources {
        table.row_in(mood(source.mark), cells(source));
    }
    table.to_string()
}

pub(crate) fn mood(mark: char) -> Mood {
    match mark {
        '*' => Mood::Good,
        'x' => Mood::Bad,
        '~' => Mood::Doubtful,
        _ => Mood::Faint,
    }
}

fn cells(source: &SourceReply) -> [String; 12] {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let span =
        |seconds: Option<f64>| or_dash(seconds.map(|seconds| units::span(Span::from_seconds(seconds))));
    [
        source.mark.to_string(),
        called(source),
        or_dash(source.offset.map(|offset| units::offset(Span::from_seconds(offset)))),
        or_dash(source.bound.map(|bound| units::bound(Span::from_seconds(bound)))),
        span(source.delay),
        or_dash(source.stratum.map(|stratum| stratum.to_string())),
        format!("{:03o}", source.reach),
        units::span(Span::from_seconds(source.interval)),
        source.traffic.questions.to_string(),
        source.traffic.answers.to_string(),
        span(source.age),
        what_it_is(source),
    ]
}

/// Its name; of a server of a pool, where it is as well.
pub(crate) fn called(source: &SourceReply) -> String {
    match (&source.pool, source.address) {
        (Some(_), Some(address)) => format!("{} {}", source.name, address.ip()),
        (Some(_), None) | (None, _) => source.name.clone(),
    }
}

fn what_it_is(source: &SourceReply) -> String {
    let why = source.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let nts = source.nts.as_ref().map(nts_words).unwrap_or_default();
    let told = source.departures.map(departure_words).unwrap_or_default();
    let reasons: Vec<String> = source.refused.iter().map(|(why, n)| format!("{why} {n}")).collect();
    let smeared = source.smearing.as_deref().map(smearing_words).unwrap_or_default();
    match reasons.is_empty() {
        true => format!("{}{why}{smeared}{nts}{told}", source.standing),
        false => format!("{}{why}{smeared}{nts}{told}; refused: {}", source.standing, reasons.join(", ")),
    }
}

/// That it is not UTC what it tells around leap seconds, and how that is known.
fn smearing_words(how: &str) -> String {
    match how {
        "by course" => "; its replies are smeared: it spreads the leap second over a day".to_owned(),
        _ => "; its replies are smeared around leap seconds, as its reference id says".to_owned(),
    }
}

/// That it tells when its answers have left, once it does.
fn departure_words(told: u32) -> String {
    match told {
        0 => String::new(),
        told => format!("; interleaved, {told} departures"),
    }
}

/// That it is protected, once there are keys, and that its certificate ends soon.
fn nts_words(nts: &NtsReply) -> String {
    let keys = nts.cipher.as_ref().map(|_| format!("; NTS, {} cookies", nts.cookies)).unwrap_or_default();
    keys + &nts.certificate_left.map(certificate_words).unwrap_or_default()
}

/// How long a certificate is valid, where that is not long any more. Whoever renews his by a program does it with more than a
/// week to go.
fn certificate_words(left: f64) -> String {
    let left = Span::from_seconds(left);
    if left < Span::ZERO {
        return format!("; the certificate that it last showed has expired {} ago", units::span(-left));
    }
    match left < Span::from_secs(7 * 86_400) {
        true => format!("; the certificate that it last showed expires in {}", units::span(left)),
        false => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::tests::sources;

    /// One whose certificate is valid for so many days, and that is found to smear in this way.
    fn said(days: Option<f64>, smearing: Option<&str>) -> String {
        let mut source = sources().sources.swap_remove(0);
        source.refused = Vec::new();
        source.smearing = smearing.map(str::to_owned);
        source.nts.iter_mut().for_each(|nts| nts.certificate_left = days.map(|days| days * 86_400.0));
        what_it_is(&source)
    }

    #[test]
    fn a_certificate_is_spoken_of_when_it_ends_within_a_week() {
        assert_eq!(said(None, None), "truechimer; NTS, 8 cookies");
        assert_eq!(said(Some(7.1), None), "truechimer; NTS, 8 cookies");
        let soon = "truechimer; NTS, 8 cookies; the certificate that it last showed expires in 2.000 d";
        assert_eq!(said(Some(2.0), None), soon);
        let over = "truechimer; NTS, 8 cookies; the certificate that it last showed has expired 12.00 h ago";
        assert_eq!(said(Some(-0.5), None), over);
    }

    #[test]
    fn smeared_replies_are_called_so_and_how_that_is_known() {
        let by_name = "truechimer; its replies are smeared around leap seconds, as its reference id says; NTS, 8 cookies";
        assert_eq!(said(None, Some("by name")), by_name);
        let by_course =
            "truechimer; its replies are smeared: it spreads the leap second over a day; NTS, 8 cookies";
        assert_eq!(said(None, Some("by course")), by_course);
    }
}

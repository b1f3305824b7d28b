//! `truechimer sourcestats`, `selectdata` and `serverstats`: what lies behind the list of sources, and what our server has done.

use std::fmt::Write as _;
use std::io::{self, Write};

use anyhow::bail;
use serde::Serialize;
use truechimer_time::{Rate, Span};

use crate::cli;
use crate::command::Outcome;
use crate::command::ask::ask;
use crate::command::status::{called, mood};
use crate::talk::{ClassicCounts, Reply, Request, ServerCounts, SourceReply, SourcesReply};
use crate::ui::colour::Colours;
use crate::ui::table::{Side, Table};
use crate::ui::units;

/// Lists what the samples of each source say. The answer is yes if any says anything.
pub fn sourcestats(arguments: &cli::Sourcestats) -> anyhow::Result<Outcome> {
    let sources = sources(&arguments.daemon)?;
    print(&sources, &arguments.output, |colours| sourcestats_text(&sources, colours))?;
    Ok(yes_if(sources.sources.iter().any(|source| source.spread.is_some())))
}

/// Lists how each source votes. The answer is yes if any is a truechimer.
pub fn selectdata(arguments: &cli::Selectdata) -> anyhow::Result<Outcome> {
    let sources = sources(&arguments.daemon)?;
    print(&sources, &arguments.output, |colours| selectdata_text(&sources, colours))?;
    Ok(yes_if(sources.sources.iter().any(|source| source.mark == '*')))
}

/// Says what the server has done. The answer is no if nothing is served.
pub fn serverstats(arguments: &cli::Serverstats) -> anyhow::Result<Outcome> {
    let Reply::Status(status) = ask(&arguments.daemon.run_dir, Request::Status {})? else {
        bail!("the daemon answers something else")
    };
    print(&status.server, &arguments.output, |_| match &status.server {
        Some(server) => serverstats_text(server),
        None => "nothing is served: there is no [serve] in the configuration\n".to_owned(),
    })?;
    Ok(yes_if(status.server.is_some()))
}

fn sources(daemon: &cli::Daemon) -> anyhow::Result<SourcesReply> {
    match ask(&daemon.run_dir, Request::Sources {})? {
        Reply::Sources(sources) => Ok(sources),
        Reply::Status(_)
        | Reply::Clients(_)
        | Reply::Subscribed {}
        | Reply::Happened(_)
        | Reply::Done {}
        | Reply::Error(_) => {
            bail!("the daemon answers something else")
        }
    }
}

fn print(
    reply: &impl Serialize,
    output: &cli::Output,
    text: impl FnOnce(Colours) -> String,
) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let colours = Colours::of(output.color, &out);
    let text = match output.json {
        true => serde_json::to_string_pretty(reply)? + "\n",
        false => text(colours),
    };
    Ok(out.write_all(text.as_bytes())?)
}

fn yes_if(it: bool) -> Outcome {
    if it { Outcome::Yes } else { Outcome::No }
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}

fn span(seconds: Option<f64>) -> String {
    or_dash(seconds.map(|seconds| units::span(Span::from_seconds(seconds))))
}

fn offset(seconds: Option<f64>) -> String {
    or_dash(seconds.map(|seconds| units::offset(Span::from_seconds(seconds))))
}

fn rate(ppm: Option<f64>) -> String {
    or_dash(ppm.map(|ppm| units::rate(Rate::from_ppm(ppm))))
}

fn sourcestats_text(sources: &SourcesReply, colours: Colours) -> String {
    let head = [
        ("", Side::Left),
        ("source", Side::Left),
        ("samples", Side::Right),
        ("runs", Side::Right),
        ("over", Side::Right),
        ("rate", Side::Right),
        ("1 sigma", Side::Right),
        ("offset", Side::Right),
        ("1 sigma", Side::Right),
        ("scatter", Side::Right),
        ("in all", Side::Right),
    ];
    let mut table = Table::new(head).in_colours(colours);
    for source in &sources.sources {
        let spread = source.spread;
        let cells = [
            source.mark.to_string(),
            called(source),
            or_dash(spread.map(|spread| spread.samples.to_string())),
            or_dash(spread.map(|spread| spread.runs.to_string())),
            span(spread.map(|spread| spread.span)),
            rate(source.residual_ppm),
            or_dash(source.residual_error_ppm.map(|ppm| format!("{ppm:.3} ppm"))),
            offset(source.offset),
            span(source.sigma),
            span(spread.map(|spread| spread.deviation)),
            source.samples.to_string(),
        ];
        table.row_in(mood(source.mark), cells);
    }
    table.to_string()
}

fn selectdata_text(sources: &SourcesReply, colours: Colours) -> String {
    let head = [
        ("", Side::Left),
        ("source", Side::Left),
        ("operator", Side::Left),
        ("protected", Side::Left),
        ("wanted", Side::Left),
        ("age", Side::Right),
        ("from", Side::Right),
        ("to", Side::Right),
        ("leap", Side::Left),
        ("what it is", Side::Left),
    ];
    let mut table = Table::new(head).in_colours(colours);
    for source in &sources.sources {
        let cells = [
            source.mark.to_string(),
            called(source),
            source.operator.clone(),
            protected(source),
            wanted(source),
            span(source.age),
            offset(source.lowest),
            offset(source.highest),
            or_dash(source.leap.clone()),
            what_it_is(source),
        ];
        table.row_in(mood(source.mark), cells);
    }
    table.to_string()
}

/// By what the source shows that its answers are its own.
fn protected(source: &SourceReply) -> String {
    match (&source.nts, source.key) {
        (Some(_), _) => "NTS".to_owned(),
        (None, Some(key)) => format!("key {key}"),
        (None, None) => "no".to_owned(),
    }
}

/// What the operator says of it.
fn wanted(source: &SourceReply) -> String {
    let all = [(source.prefer, "prefer"), (source.trust, "trust"), (source.require, "require")];
    let words: Vec<&str> = all.into_iter().filter(|(is, _)| *is).map(|(_, word)| word).collect();
    if words.is_empty() { "-".to_owned() } else { words.join(", ") }
}

fn what_it_is(source: &SourceReply) -> String {
    let why = source.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let upstream = if source.upstream { "; our server's upstream" } else { "" };
    match source.vote.is_empty() {
        true => format!("{}{why}{upstream}", source.standing),
        false => format!("{}{why}; {}{upstream}", source.standing, source.vote),
    }
}

fn serverstats_text(server: &ServerCounts) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:<12} {value}");
    };
    let places =
        |list: &[std::net::SocketAddr]| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    line("listening", places(&server.listening));
    line("answered", format!("{} questions", server.answered));
    line("interleaved", server.interleaved.to_string());
    line("by key", server.sealed.to_string());
    line(
        "by NTS",
        format!("{}, and {} told that a cookie is none of ours", server.protected, server.refused),
    );
    line("too often", format!("{} answered all the same, {} not", server.leaked, server.limited()));
    for (name, counts) in [("TAICLOCK", &server.taiclock), ("TIME", &server.time)] {
        if let Some(ClassicCounts { listening, answered }) = counts {
            line(name, format!("{answered} questions answered at {}", places(listening)));
        }
    }
    if let Some(keys) = server.key_exchanges {
        line(
            "keys",
            format!("{} got some, {} none, {} came too often", keys.granted, keys.failed, keys.limited),
        );
    }
    line("not sent", format!("{} answers that the kernel did not take", server.unsent));
    let silent: Vec<String> = server.silent.iter().map(|(why, count)| format!("{why} {count}")).collect();
    line("unanswered", if silent.is_empty() { "none".to_owned() } else { silent.join(", ") });
    text
}

#[cfg(test)]
mod tests;

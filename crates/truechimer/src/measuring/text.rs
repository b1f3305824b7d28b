//! A survey for people: a table, and what follows from it in sentences.

use std::fmt::Write;

use truechimer_core::wire::ntp::Leap;
use truechimer_time::Span;

use super::{Majority, Reading, Server, Stand, Survey, TooFew, Trouble, Verdict};
use crate::ui::colour::{Colours, Mood};
use crate::ui::table::{Side, Table};
use crate::ui::units;

const COLUMNS: [(&str, Side); 10] = [
    ("server", Side::Left),
    ("offset", Side::Right),
    ("bound", Side::Right),
    ("delay", Side::Right),
    ("stratum", Side::Right),
    ("refid", Side::Left),
    ("leap", Side::Left),
    ("root distance", Side::Right),
    ("version", Side::Right),
    ("vote", Side::Left),
];

/// The whole survey.
pub fn text(survey: &Survey, colours: Colours) -> String {
    let mut table = Table::new(COLUMNS).in_colours(colours);
    for (server, stand) in survey.servers.iter().zip(&survey.verdict.stands) {
        match &server.outcome {
            Ok(reading) => answered(&mut table, server, reading, *stand),
            Err(trouble) => failed(&mut table, server, trouble),
        }
    }
    let mut text = table.to_string();
    disagreements(&mut text, survey);
    text += &verdict(survey);
    text
}

fn answered(table: &mut Table<10>, server: &Server, reading: &Reading, stand: Stand) {
    let (mood, vote) = match stand {
        Stand::Agrees => (Mood::Good, "agrees"),
        Stand::Disagrees { .. } => (Mood::Bad, "disagrees"),
        Stand::Nowhere => (Mood::Doubtful, "no majority"),
    };
    table.row_in(
        mood,
        [
            name(server),
            units::offset_within(reading.offset(), reading.bound()),
            units::bound(reading.bound()),
            units::span(reading.delay),
            reading.answer.stratum.to_string(),
            reference_id(reading.answer.stratum, reading.answer.reference_id),
            leap(reading.answer.leap).to_owned(),
            units::span(reading.root_distance()),
            reading.answer.version.to_string(),
            vote.to_owned(),
        ],
    );
}

fn failed(table: &mut Table<10>, server: &Server, trouble: &Trouble) {
    let mut cells = [const { String::new() }; 10].map(|_| "-".to_owned());
    cells[0] = name(server);
    cells[9] = trouble.to_string();
    table.row_in(Mood::Doubtful, cells);
}

/// As the user named it, and where that is.
fn name(server: &Server) -> String {
    match (server.address.literal(), server.place) {
        (None, Some(place)) => format!("{} ({})", server.address, place.ip()),
        (Some(_), _) | (None, None) => server.address.to_string(),
    }
}

fn disagreements(text: &mut String, survey: &Survey) {
    for (server, stand) in survey.servers.iter().zip(&survey.verdict.stands) {
        if let Stand::Disagrees { ahead, bound } = *stand {
            let way = if ahead.is_negative() { "behind" } else { "ahead of" };
            let (by, bound) = (units::span_within(ahead.abs(), bound), units::bound(bound));
            line(text, format_args!("{} disagrees: it is {by} {bound} {way} the others", server.address));
        }
    }
}

fn line(text: &mut String, sentence: std::fmt::Arguments<'_>) {
    writeln!(text, "{sentence}").expect("a string takes all that memory holds");
}

/// The outcome in one line.
fn verdict(survey: &Survey) -> String {
    let Verdict { votes, needed, operators, outcome, .. } = &survey.verdict;
    let voters = if operators.len() > 1 || *votes == 1 { "operators" } else { "servers of one operator" };
    match outcome {
        Ok(majority) if *votes == 1 => format!("by the word of one server alone, {}\n", clock(majority)),
        Ok(majority) => format!("{} of {votes} {voters} agree: {}\n", majority.agree, clock(majority)),
        Err(TooFew { agree: 0 }) => "nobody has said anything that can be used\n".to_owned(),
        Err(TooFew { agree }) => {
            format!("no majority: {agree} of {votes} {voters} agree, and {needed} are needed\n")
        }
    }
}

fn clock(majority: &Majority) -> String {
    let way = if majority.offset < Span::ZERO { "fast" } else { "slow" };
    let Majority { offset, bound, .. } = *majority;
    let (offset, bound) = (units::span_within(offset.abs(), bound), units::bound(bound));
    format!("your clock is {way} by {offset} {bound}")
}

/// At stratum 1 the reference clock's name, above it the address of the server's server, or what stands for it.
pub(crate) fn reference_id(stratum: u8, id: [u8; 4]) -> String {
    let name = id.trim_ascii_end();
    let name = &name[..name.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)];
    let printable = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    match stratum <= 1 && printable {
        true => name.iter().map(|byte| char::from(*byte)).collect(),
        false => std::net::Ipv4Addr::from(id).to_string(),
    }
}

pub(crate) fn leap(leap: Leap) -> &'static str {
    match leap {
        Leap::None => "none",
        Leap::Insert => "insert",
        Leap::Delete => "delete",
        Leap::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_clock_has_a_name_and_a_server_an_address() {
        assert_eq!(reference_id(1, *b"GPS\0"), "GPS");
        assert_eq!(reference_id(1, *b"PPS "), "PPS");
        assert_eq!(reference_id(2, [192, 0, 2, 1]), "192.0.2.1");
        assert_eq!(reference_id(2, *b"GPS\0"), "71.80.83.0");
        assert_eq!(reference_id(1, [0x1b, b'[', b'2', b'J']), "27.91.50.74");
        assert_eq!(reference_id(1, [0; 4]), "0.0.0.0");
    }
}

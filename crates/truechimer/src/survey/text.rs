//! A survey for people: a table sorted by trouble, and what follows from it in sentences.

use std::fmt::Write;

use truechimer_time::Span;

use super::diary::Rate;
use super::finding::{Finding, Reading};
use super::judge::{Judged, Judgement, Reference, Standing};
use super::round::Survey;
use super::told::Doubt;
use super::window::Window;
use crate::ui::colour::{Colours, Mood};
use crate::ui::table::{Side, Table};
use crate::ui::units;

const COLUMNS: [(&str, Side); 11] = [
    ("host", Side::Left),
    ("by", Side::Left),
    ("ahead", Side::Right),
    ("bound", Side::Right),
    ("delay", Side::Right),
    ("stratum", Side::Right),
    ("claims", Side::Right),
    ("drift", Side::Right),
    ("group", Side::Left),
    ("standing", Side::Left),
    ("why", Side::Left),
];

/// The whole survey; of the table at most so many rows, the worst first. `rates` has one for each host, or none at all.
pub fn text(
    survey: &Survey,
    judgement: &Judgement,
    rates: &[Option<Rate>],
    most: usize,
    colours: Colours,
) -> String {
    let mut table = Table::new(COLUMNS).in_colours(colours);
    let places = judgement.by_trouble();
    let shown = |place: &&usize| judgement.hosts[**place].standing != Standing::Absent;
    for place in places.iter().filter(shown).take(most) {
        let (finding, judged) = (&survey.findings[*place], &judgement.hosts[*place]);
        let rate = rates.get(*place).copied().flatten();
        table.row_in(mood(judged.standing), cells(finding, judged, rate));
    }
    let left = places.iter().filter(shown).count().saturating_sub(most);
    let mut text = table.to_string();
    if left > 0 {
        line(&mut text, format_args!("and {left} more, none of them worse"));
    }
    summary(&mut text, survey, judgement);
    text
}

fn mood(standing: Standing) -> Mood {
    match standing {
        Standing::Liar | Standing::Beyond => Mood::Bad,
        Standing::Contradictory | Standing::Unsynchronised | Standing::Unknown | Standing::Unclear => {
            Mood::Doubtful
        }
        Standing::Good => Mood::Good,
        Standing::Absent => Mood::Faint,
    }
}

fn cells(finding: &Finding, judged: &Judged, rate: Option<Rate>) -> [String; 11] {
    let none = || "-".to_owned();
    let by = finding.protocol.map_or_else(none, |protocol| protocol.word().to_owned());
    let reading = finding.outcome.as_ref().ok();
    let claim = reading.and_then(|reading| reading.claim);
    let ahead = judged.ahead.map(|ahead| (ahead.middle(), ahead.bound()));
    [
        finding.name.clone(),
        by,
        ahead.map_or_else(none, |(ahead, bound)| units::offset_within(ahead, bound)),
        ahead.map_or_else(none, |(_, bound)| units::bound(bound)),
        reading.map_or_else(none, |reading| units::span(reading.delay)),
        claim.map_or_else(none, |claim| claim.stratum.to_string()),
        claim.map_or_else(none, |claim| units::bound(claim.distance)),
        rate.map_or_else(none, drift),
        judged.group.map_or_else(none, letter),
        judged.standing.word().to_owned(),
        why(finding, judged),
    ]
}

fn drift(rate: Rate) -> String {
    match rate.drift() {
        Some((ppm, bound)) => format!("{ppm:+.3} ± {:.3} ppm", (bound * 1e3).ceil() / 1e3),
        None => "unsteady".to_owned(),
    }
}

/// The largest group is A.
pub fn letter(group: usize) -> String {
    // There are fewer groups than letters.
    char::from(b'A' + group.min(25) as u8).to_string()
}

fn why(finding: &Finding, judged: &Judged) -> String {
    let reading = match &finding.outcome {
        Ok(reading) => reading,
        Err(trouble) => return trouble.to_string(),
    };
    let lie = judged
        .beyond_claim
        .map(|beyond| format!("further off than it claims, by {} at least", units::span(beyond)));
    let limit = match judged.standing {
        Standing::Beyond => Some("further off than the limit".to_owned()),
        Standing::Unclear => Some("may be further off than the limit".to_owned()),
        Standing::Liar
        | Standing::Contradictory
        | Standing::Unsynchronised
        | Standing::Unknown
        | Standing::Good
        | Standing::Absent => None,
    };
    let doubts = reading.doubts.iter().filter(|doubt| is_worth_a_word(**doubt)).map(|doubt| doubt.text());
    lie.into_iter().chain(limit).chain(doubts).collect::<Vec<_>>().join("; ")
}

/// That the zone is UTC and the day is today needs no word.
fn is_worth_a_word(doubt: Doubt) -> bool {
    match doubt {
        Doubt::Zone(0) | Doubt::Day => false,
        Doubt::Zone(_) | Doubt::Contradiction | Doubt::Unverified => true,
    }
}

fn line(text: &mut String, sentence: std::fmt::Arguments<'_>) {
    writeln!(text, "{sentence}").expect("a string takes all that memory holds");
}

fn summary(text: &mut String, survey: &Survey, judgement: &Judgement) {
    let counts = Standing::ALL.map(|standing| (standing.word(), judgement.count(standing)));
    let counts: Vec<String> = counts
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
    let hosts = counted(survey.findings.len(), "host");
    line(text, format_args!("{hosts} in {}: {}", units::span(survey.took), counts.join(", ")));
    if survey.is_cut {
        line(text, format_args!("it was ended before all had been asked"));
    }
    line(text, format_args!("{}", reference(&judgement.reference)));
    if judgement.majority_denies_daemon {
        line(
            text,
            format_args!(
                "a majority of the hosts and this machine's daemon exclude each other: one of them is wrong"
            ),
        );
    }
    for (number, group) in judgement.groups.iter().enumerate() {
        let hosts = counted(group.members.len(), "host");
        line(text, format_args!("group {}: {hosts} agree, {}", letter(number), ahead(group.window)));
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn ahead(window: Window) -> String {
    let (middle, bound) = (window.middle(), window.bound());
    let way = if middle.is_negative() { "behind" } else { "ahead" };
    format!("{} {} {way}", units::span_within(middle.abs(), bound), units::bound(bound))
}

/// What clocks were compared with, in a sentence.
pub fn reference(reference: &Reference) -> String {
    let clock = |ahead: &Window| {
        let (middle, bound) = (ahead.middle(), ahead.bound());
        let way = if middle < Span::ZERO { "fast" } else { "slow" };
        format!("your clock is {way} by {} {}", units::span_within(middle.abs(), bound), units::bound(bound))
    };
    match reference {
        Reference::Daemon { ahead } => {
            format!("compared with true time, as this machine's daemon knows it: {}", clock(ahead))
        }
        Reference::Majority { agree, of, ahead } => format!(
            "compared with what {agree} of {of} hosts agree upon that say how right they are: {}",
            clock(ahead)
        ),
        Reference::Ourselves => {
            "true time is not known here: compared with this machine's own clock".to_owned()
        }
    }
}

/// What is shown of a reading elsewhere: for rows of files.
pub fn doubts(reading: &Reading) -> String {
    reading.doubts.iter().map(|doubt| doubt.label()).collect::<Vec<_>>().join(" ")
}

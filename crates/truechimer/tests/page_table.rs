//! The table of `docs/formats/page.md` is what the code writes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use truechimer::page::{Page, UserClock, UtcCourse};
use truechimer_core::discipline::bracket::Bracket;
use truechimer_core::discipline::model::Model;
use truechimer_core::discipline::oscillator::RateLimits;
use truechimer_core::status::Status;
use truechimer_sys::shm::WORDS;
use truechimer_time::{LeapKind, Rate, Span, Time};

#[test]
fn each_word_of_the_page_is_where_its_table_says() {
    let words = page().to_words();
    let mut seen = BTreeSet::new();
    for (places, name) in rows() {
        let found: Vec<u64> = places.iter().map(|&place| words[place]).collect();
        assert_eq!(found, expected(&name), "{name}");
        seen.extend(places);
    }
    assert_eq!(seen, (0..WORDS).collect());
}

/// The rows of the payload's table that name a word: its places and its name.
fn rows() -> Vec<(Vec<usize>, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats/page.md");
    let text = fs::read_to_string(path).expect("the description of the page is there");
    let (_, table) = text.split_once("| of the payload |").expect("it has a table of the payload");
    let row = |line: &str| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let places = cells.next()?.split(", ").map(str::parse).collect::<Result<Vec<usize>, _>>().ok()?;
        cells.next().map(|name| (places, name.to_owned()))
    };
    let rows: Vec<_> = table.lines().take_while(|line| !line.starts_with("##")).filter_map(row).collect();
    assert!(rows.len() > 15, "the table is read");
    rows
}

fn expected(name: &str) -> Vec<u64> {
    let Page { written, asleep, offset, max_rate, max_drift, .. } = page();
    let Model { best, rate, bracket, limits, sigma, rate_sigma, wander } = model();
    match name {
        "layout" => vec![2],
        "has model" | "has clock" | "knows UTC" | "has marker" => vec![1],
        "marker" => vec![4711],
        "status" => vec![3],
        "asleep" => span(asleep),
        "offset" => span(offset),
        "TAI - UTC" => vec![(-9i64).cast_unsigned()],
        "leap" => vec![2],
        "max_rate" => attos(max_rate),
        "max_drift" => attos(max_drift),
        "clock anchor" => span(clock().anchor.since_epoch()),
        "clock local" => span(clock().local.since_epoch()),
        "clock rate" => attos(clock().rate),
        "at" => span(bracket.at.since_epoch()),
        "best" => span(best.since_epoch()),
        "before" => span(best - bracket.earliest),
        "after" => span(bracket.latest - best),
        "sigma" => vec![sigma.as_nanos().cast_unsigned()],
        "rate" => attos(rate),
        "rate min" => attos(limits.min),
        "rate max" => attos(limits.max),
        "rate sigma" => attos(rate_sigma),
        "wander" => attos(wander),
        "written" => span(written.since_epoch()),
        "leaps at" => span(course().leaps.since_epoch()),
        "TAI - UTC before" => vec![37],
        "TAI - UTC after" => vec![(-8i64).cast_unsigned()],
        other => panic!("the table names \"{other}\", which the code does not write"),
    }
}

fn span(span: Span) -> Vec<u64> {
    let bits = span.as_attos().cast_unsigned();
    vec![bits as u64, (bits >> 64) as u64]
}

fn attos(rate: Rate) -> Vec<u64> {
    vec![rate.as_attos_per_second().cast_unsigned()]
}

/// A page on which no two words that could be confused are equal.
fn page() -> Page {
    Page {
        status: Status::Holdover,
        model: Some(model()),
        written: Time::from_epoch(Span::from_secs(145)),
        asleep: Span::from_secs(77),
        tai_minus_utc: Some(-9),
        course: Some(course()),
        leap: Some(LeapKind::Deleted),
        offset: Span::from_micros(-17),
        max_rate: Rate::from_ppb(500_000),
        max_drift: Rate::from_ppb(15_000),
        clock: Some(clock()),
        marker: Some(4711),
    }
}

fn course() -> UtcCourse {
    UtcCourse { before: 37, leaps: Time::from_epoch(Span::from_secs(1_861_920_038)), after: -8 }
}

fn clock() -> UserClock {
    UserClock {
        anchor: Time::from_epoch(Span::from_secs(123)),
        local: Time::from_epoch(Span::from_secs(1_790_000_001)),
        rate: Rate::from_ppb(-59_000),
    }
}

fn model() -> Model {
    let best = Time::from_epoch(Span::from_attos(1_790_000_000_123_456_789_012_345_678));
    Model {
        best,
        rate: Rate::from_ppb(-60_000),
        bracket: Bracket {
            at: Time::from_epoch(Span::from_attos(123_456_789_012_345_678_901)),
            earliest: best - Span::from_micros(700),
            latest: best + Span::from_micros(900),
        },
        limits: RateLimits {
            min: Rate::from_ppb(-75_000),
            max: Rate::from_ppb(-45_000),
            drift: Rate::from_ppb(15_000),
        },
        sigma: Span::from_micros(7),
        rate_sigma: Rate::from_ppb(3),
        wander: Rate::from_ppb(1),
    }
}

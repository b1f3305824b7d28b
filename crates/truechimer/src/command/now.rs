//! `truechimer now`: the time, from the page in shared memory. Nobody is asked, and no privilege is needed.

use std::io::{self, Write};

use anyhow::Context;
use serde::Serialize;
use truechimer_core::discipline::model::Reading;
use truechimer_sys::clock;
use truechimer_sys::shm::PageReader;
use truechimer_time::{LeapTable, Span, Tai, Time};

use crate::cli;
use crate::command::Outcome;
use crate::page::{self, Page};
use crate::ui::{stamp, units};

/// What `now --json` prints.
#[derive(Serialize)]
struct Now {
    version: u32,
    status: String,
    tai: Interval,
    utc: Interval,
    tai_minus_utc: Option<i32>,
    bound: f64,
    sigma: f64,
}

#[derive(Serialize)]
struct Interval {
    earliest: String,
    best: String,
    latest: String,
}

/// Prints the time of the page: the earliest it can be, the best guess, the latest.
pub fn now(arguments: &cli::Now) -> anyhow::Result<Outcome> {
    let path = arguments.daemon.run_dir.join(page::FILE_NAME);
    let place = path.display();
    let reader = PageReader::open(&path)
        .with_context(|| format!("cannot read {place} (does `truechimer run` run? another --run-dir?)"))?;
    let page = Page::of_words(reader.read().with_context(|| format!("cannot read {place}"))?)?;
    let Some(reading) = page.read(&clock::readings()) else {
        eprintln!("truechimer: the time is not known yet (status {})", page.status);
        return Ok(Outcome::No);
    };
    let text = if arguments.output.json { json(&page, &reading)? } else { table(&page, &reading) };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(Outcome::Yes)
}

/// The leap seconds as the daemon counts them now: this program's own table, unless the page says otherwise.
fn utc_of(page: &Page, tai: Time<Tai>) -> String {
    let leaps = LeapTable::COMPILED;
    let own = leaps.utc_of_tai(tai).offset;
    let behind = page.tai_minus_utc.map_or(0, |offset| offset - own);
    stamp::utc(tai - Span::from_secs(behind.into()), &leaps)
}

fn intervals(page: &Page, reading: &Reading) -> (Interval, Interval) {
    let Reading { earliest, best, latest, .. } = *reading;
    let [tai, utc]: [[String; 3]; 2] =
        [[earliest, best, latest].map(stamp::tai), [earliest, best, latest].map(|time| utc_of(page, time))];
    let interval = |[earliest, best, latest]: [String; 3]| Interval { earliest, best, latest };
    (interval(tai), interval(utc))
}

fn table(page: &Page, reading: &Reading) -> String {
    let (tai, utc) = intervals(page, reading);
    format!(
        "          UTC                             TAI\nearliest  {}  {}\nbest      {}  {}\nlatest    {}  {}\n{} ({})\n",
        utc.earliest,
        tai.earliest,
        utc.best,
        tai.best,
        utc.latest,
        tai.latest,
        units::bound(reading.bound()),
        page.status,
    )
}

fn json(page: &Page, reading: &Reading) -> anyhow::Result<String> {
    let (tai, utc) = intervals(page, reading);
    let now = Now {
        version: crate::talk::VERSION,
        status: page.status.to_string(),
        tai,
        utc,
        tai_minus_utc: page.tai_minus_utc,
        bound: reading.bound().as_seconds(),
        sigma: reading.sigma.as_seconds(),
    };
    Ok(serde_json::to_string_pretty(&now)? + "\n")
}

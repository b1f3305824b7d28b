//! `truechimer now`: the time, from the page in shared memory. Nobody is asked, and no privilege is needed.

use std::io::{self, Write};

use serde::Serialize;
use truechimer_core::discipline::model::Reading;
use truechimer_time::{Civil, LeapTable, Local, Span, Tai, Time};

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
    /// What a clock of our own shows, and how far it is behind the best guess.
    clock: Option<Clock>,
}

#[derive(Serialize)]
struct Clock {
    utc: String,
    offset: f64,
}

#[derive(Serialize)]
struct Interval {
    earliest: String,
    best: String,
    latest: String,
}

/// Prints the time of the page: the earliest it can be, the best guess, the latest.
pub fn now(arguments: &cli::Now) -> anyhow::Result<Outcome> {
    let (page, readings) = page::read(&arguments.daemon.run_dir)?;
    // A daemon that has fallen silent is not what it last said that it was.
    let page = Page { status: page.status_at(readings.raw), ..page };
    let Some(reading) = page.read(readings.raw, readings.asleep) else {
        eprintln!("truechimer: the time is not known yet (status {})", page.status);
        return Ok(Outcome::No);
    };
    let clock = page.clock.map(|clock| clock.read(readings.raw));
    let text = match arguments.output.json {
        true => json(&page, &reading, clock)?,
        false => table(&page, &reading, clock),
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(Outcome::Yes)
}

fn utc_of(page: &Page, tai: Time<Tai>) -> String {
    stamp::utc(page.in_own_leaps(tai), &LeapTable::COMPILED)
}

fn intervals(page: &Page, reading: &Reading) -> (Interval, Interval) {
    let Reading { earliest, best, latest, .. } = *reading;
    let [tai, utc]: [[String; 3]; 2] =
        [[earliest, best, latest].map(stamp::tai), [earliest, best, latest].map(|time| utc_of(page, time))];
    let interval = |[earliest, best, latest]: [String; 3]| Interval { earliest, best, latest };
    (interval(tai), interval(utc))
}

/// How far a clock of our own is behind the best guess.
fn offset(page: &Page, reading: &Reading, clock: Time<Local>) -> Span {
    let utc = LeapTable::COMPILED.utc_of_tai(page.in_own_leaps(reading.best)).time;
    utc.since_epoch() - clock.since_epoch()
}

fn table(page: &Page, reading: &Reading, clock: Option<Time<Local>>) -> String {
    let (tai, utc) = intervals(page, reading);
    let clock = clock.map_or(String::new(), |clock| {
        let shown = Civil::of(Time::from_epoch(clock.since_epoch()));
        let offset = units::offset(offset(page, reading, clock));
        format!("clock     {shown:.6}  our own, off by {offset}\n")
    });
    format!(
        "          UTC                             TAI\nearliest  {}  {}\nbest      {}  {}\nlatest    {}  {}\n{clock}{} ({})\n",
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

fn json(page: &Page, reading: &Reading, clock: Option<Time<Local>>) -> anyhow::Result<String> {
    let (tai, utc) = intervals(page, reading);
    let clock = clock.map(|clock| Clock {
        utc: format!("{:.9}", Civil::of(Time::from_epoch(clock.since_epoch()))),
        offset: offset(page, reading, clock).as_seconds(),
    });
    let now = Now {
        version: crate::talk::VERSION,
        status: page.status.to_string(),
        tai,
        utc,
        tai_minus_utc: page.tai_minus_utc,
        bound: reading.bound().as_seconds(),
        sigma: reading.sigma.as_seconds(),
        clock,
    };
    Ok(serde_json::to_string_pretty(&now)? + "\n")
}

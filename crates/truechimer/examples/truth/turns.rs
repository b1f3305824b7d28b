//! True seconds from without: the turns of an emulated machine's RTC, in rows of the program `turns`.

use std::fs;
use std::io;

use anyhow::{Context, ensure};
use truechimer_sys::clock;
use truechimer_time::{LeapTable, Rate, Raw, Span, Tai, Time, Utc};

use crate::course::Course;

/// A line goes through turns that took at most so many times as long to read as the one that took least.
const SHARP: i64 = 4;
/// And through so many of them at least, ..
const ENOUGH: usize = 5;
/// .. the first and the last of which are so far apart.
const LONG: Span = Span::from_secs(10);
/// A line is taken to be right to so much until a turn says that it is not.
const HOLDS: Span = Span::from_micros(50);

/// The beginning of a true second.
struct Turn {
    /// What the counter showed.
    raw: Time<Raw>,
    tai: Time<Tai>,
    /// It was within half of this.
    width: Span,
}

impl Turn {
    /// A row: what the counter showed in nanoseconds, seconds of UTC since 1970, and the width in nanoseconds.
    fn of(row: &str) -> anyhow::Result<Self> {
        let words: Vec<&str> = row.split_whitespace().collect();
        let &[raw, utc, width] = &words[..] else { anyhow::bail!("not a turn: {row}") };
        let utc = Time::<Utc>::from_epoch(Span::from_secs(utc.parse()?));
        Ok(Self {
            raw: Time::from_epoch(Span::from_nanos(raw.parse()?)),
            tai: LeapTable::COMPILED.tai_of_utc(utc),
            width: Span::from_nanos(width.parse()?),
        })
    }
}

/// The line through the turns of a file: true time when the counter was at zero, and what it gains on the counter.
pub(crate) fn line(file: &str) -> anyhow::Result<(Time<Tai>, Rate)> {
    let text = fs::read_to_string(file).with_context(|| file.to_owned())?;
    let mut turns: Vec<Turn> = text.lines().map(Turn::of).collect::<Result<_, _>>()?;
    let sharpest = turns.iter().map(|turn| turn.width).min().unwrap_or(Span::ZERO);
    turns.retain(|turn| turn.width <= sharpest * SHARP);
    ensure!(turns.len() >= ENOUGH, "{file}: {} sharp turns of seconds, too few for a line", turns.len());
    let (first_raw, first_tai) = (turns[0].raw, turns[0].tai);
    ensure!(
        turns[turns.len() - 1].tai - first_tai >= LONG,
        "{file}: the sharp turns are too near to each other"
    );
    let points = turns.iter().map(|turn| {
        let passed = turn.raw - first_raw;
        (passed.as_seconds(), (turn.tai - first_tai - passed).as_seconds())
    });
    let (gained, slope) = least_squares(points.collect());
    let rate = Rate::from_ppm(slope * 1e6);
    let passed = first_raw.since_epoch();
    Ok((first_tai + Span::from_seconds(gained) - passed - rate.over(passed), rate))
}

/// The height at zero and the slope of the line that is nearest to all points.
fn least_squares(points: Vec<(f64, f64)>) -> (f64, f64) {
    let mean = |part: fn(&(f64, f64)) -> f64| points.iter().map(part).sum::<f64>() / points.len() as f64;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let covariance: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let variance: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    let slope = covariance / variance;
    (y - slope * x, slope)
}

/// Holds the truth against the turns that come in on stdin. Where they contradict it the machine was stopped for a while
/// and its counter too: true time has gone on.
pub(crate) fn follow() -> anyhow::Result<()> {
    let mut course = Course::kept()?;
    for row in io::stdin().lines() {
        let turn = Turn::of(&row?)?;
        let missing = turn.tai - course.at(turn.raw);
        if missing.abs() > turn.width.half() + HOLDS {
            Course::skip(missing)?;
            course.refresh()?;
            println!("{}: true time has gone on by {missing} s", clock::raw().since_epoch());
        }
    }
    Ok(())
}

//! A look at the shared page: what time it is, how well that is known, and how wrong the clock is.

use truechimer_core::status::Status;
use truechimer_sys::clock::Readings;
use truechimer_time::{Civil, LeapTable, Span, Time};

use crate::page::Page;
use crate::ui::stamp;

/// What the page says now.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// How far the time can be relied upon.
    pub status: Status,
    /// The likeliest time as a date of UTC; with `~` in front what the clock shows, where the time is not known.
    pub date: String,
    /// What is known.
    pub known: Option<Known>,
}

/// The time, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Known {
    /// The likeliest time, in seconds since 1970-01-01 00:00:00 UTC.
    pub utc: f64,
    /// It is at most so wrong.
    pub bound: Span,
    /// Right time minus the clock that is steered.
    pub offset: Span,
}

impl Look {
    /// What a page says at some readings of the clocks.
    pub fn at(page: &Page, now: &Readings) -> Self {
        let status = page.status_at(now.raw);
        let shown = page.clock.map_or(now.realtime, |clock| clock.read(now.raw));
        let Some((reading, course)) = page.read(now.raw, now.asleep).zip(page.course) else {
            let shown = Civil::of(Time::from_epoch(shown.since_epoch()));
            return Self { status, date: format!("~{shown:.6}"), known: None };
        };
        let utc = course.utc(reading.best).since_epoch();
        let offset = utc - shown.since_epoch();
        Self {
            status,
            date: stamp::utc(page.in_own_leaps(reading.best), &LeapTable::COMPILED),
            known: Some(Known { utc: utc.as_seconds(), bound: reading.bound(), offset }),
        }
    }
}

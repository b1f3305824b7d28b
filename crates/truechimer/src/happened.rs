//! What subscribers of the control socket are told: each thing that happened, as it happens. `docs/formats/control.md` has
//! the fields.

use serde::{Deserialize, Serialize};
use truechimer_core::moment::Moment;
use truechimer_core::status::Status;
use truechimer_time::{Civil, LeapTable, Local, Tai, Time};

use crate::history::Told;

/// The version of this object.
pub const VERSION: u32 = 1;

/// The label of the announcement of a step that is about to be made.
pub const STEP_AHEAD: &str = "step_ahead";

/// Something happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Happened {
    /// The version of this object.
    pub version: u32,
    /// What, in one word.
    pub label: String,
    /// How grave it is: `error`, `warn` or `info`.
    pub level: String,
    /// The likeliest time, UTC, as far as was known.
    pub utc: Option<String>,
    /// What the clock that is steered shows, as a date.
    pub local: String,
    /// What the raw counter shows, in decimal seconds.
    pub raw: String,
    /// By how many seconds, if that is the question.
    pub by: Option<f64>,
    /// How far the time can be relied upon now.
    pub status: String,
    /// For a step of ours that was made: the clock on both sides of it.
    pub map: Option<StepMap>,
    /// The same as a sentence.
    pub words: String,
}

/// The clock on both sides of a step. Right before it it showed `before` and right after it `after`, while the raw counter
/// showed `raw`, to within the time that reading the clocks and stepping took: `width` seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepMap {
    /// The raw counter, in decimal seconds.
    pub raw: String,
    /// As a date.
    pub before: String,
    /// As a date.
    pub after: String,
    /// Seconds between the two readings.
    pub width: f64,
}

impl StepMap {
    /// From the readings on both sides.
    pub fn between(before: &Moment, after: &Moment) -> Self {
        let width = after.raw - before.raw;
        Self {
            raw: before.raw.since_epoch().to_string(),
            before: date(before.local),
            after: date(after.local),
            width: width.as_seconds(),
        }
    }
}

impl Happened {
    /// What was told at a moment.
    pub fn of(now: &Moment, status: Status, told: &Told, leaps: &LeapTable) -> Self {
        let utc = |tai: Time<Tai>| format!("{:.9}", Civil::of_reading(leaps.utc_of_tai(tai)));
        Self {
            version: VERSION,
            label: told.label.clone(),
            level: told.level.name().to_owned(),
            utc: told.tai.map(utc),
            local: date(now.local),
            raw: now.raw.since_epoch().to_string(),
            by: told.by.map(truechimer_time::Span::as_seconds),
            status: status.word().to_owned(),
            map: None,
            words: told.words.clone(),
        }
    }
}

/// The calendar is the same arithmetic, whatever a clock counts.
fn date(local: Time<Local>) -> String {
    format!("{:.9}", Civil::of(Time::from_epoch(local.since_epoch())))
}

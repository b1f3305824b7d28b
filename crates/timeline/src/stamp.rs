//! What a line says of when it was written, before anybody asks whether the clock was right.

use truechimer_time::{Civil, Local, Mono, Span, Tai, Time};

/// What a line says of when it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// What the clock showed.
    pub reading: Reading,
    /// What the last digit counts. Stamps are cut and not rounded, so the clock showed the reading or up to that much more.
    pub resolution: Span,
}

/// A reading of a clock, as far as it is written in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The host's clock, counted as POSIX does.
    Clock(Time<Local>),
    /// The host's clock, in a second that it or somebody called 23:59:60: the count is that of the second after it.
    LeapSecond(Time<Local>),
    /// A TAI64 label. Whether it was made by the table of leap seconds, or is the clock plus ten seconds, it does not say.
    Label(Time<Tai>),
    /// Date and time of day at a place that is not told, perhaps without a year.
    Wall(Wall),
    /// Time since the host was started, which does not count sleep.
    SinceBoot(Time<Mono>),
}

/// Date and time of day as a clock on a wall shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wall {
    /// The year, if it was written.
    pub year: Option<i16>,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// Since midnight, by the clock on the wall: less than a day and a second.
    pub time_of_day: Span,
}

/// A date and a time of day, as the dialects read them, to become a [`Reading`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    pub(crate) year: Option<i16>,
    pub(crate) month: u8,
    pub(crate) day: u8,
    pub(crate) hour: u8,
    pub(crate) minute: u8,
    pub(crate) second: u8,
    pub(crate) attos: u64,
}

impl Written {
    /// What it is of a clock that is so far ahead of UTC; of one on a wall, if that is not known. `None` if there can be no
    /// such date or time.
    pub(crate) fn reading(self, ahead: Option<Span>) -> Option<Reading> {
        let Self { year, month, day, hour, minute, second, attos } = self;
        if hour > 23 || minute > 59 || second > 60 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        let Some((year, ahead)) = year.zip(ahead) else {
            let seconds = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
            let time_of_day = Span::from_secs(seconds) + Span::from_attos(attos.into());
            return Some(Reading::Wall(Wall { year, month, day, time_of_day }));
        };
        let ordinary = Civil { year: year.into(), month, day, hour, minute, second: second.min(59), attos };
        let count = ordinary.time().ok()?.since_epoch() - ahead;
        Some(match second {
            60 => Reading::LeapSecond(Time::from_epoch(count + Span::from_secs(1))),
            _ => Reading::Clock(Time::from_epoch(count)),
        })
    }
}

impl Wall {
    /// What the count of POSIX would be if the wall were in Greenwich, in a year. `None` if that year has no such day.
    pub fn in_year(&self, year: i16) -> Option<Time<Local>> {
        let Self { month, day, .. } = *self;
        let midnight = Civil { year: year.into(), month, day, hour: 0, minute: 0, second: 0, attos: 0 };
        Some(Time::from_epoch(midnight.time().ok()?.since_epoch() + self.time_of_day))
    }
}

//! `@400000006703c8ee0b1e2f14 text`: a TAI64N label before the line, perhaps with a bound behind it.

use truechimer_time::{LeapTable, Time};

use crate::dialect::{Claim, Dialect, Found};
use crate::labelled::{Labelled, Mark};
use crate::stamp::{Reading, Stamp};

pub(super) fn read(line: &[u8]) -> Option<Found<'_>> {
    let Labelled { time, resolution, mark, .. } = Labelled::read(line)?;
    let utc = LeapTable::COMPILED.utc_of_tai(time);
    let clock = Time::from_epoch(utc.time.since_epoch());
    let reading = match (mark, utc.leap_second) {
        (Mark::Bare, _) => Reading::Label(time),
        (Mark::Unknown | Mark::Within(_), true) => Reading::LeapSecond(clock),
        (Mark::Unknown | Mark::Within(_), false) => Reading::Clock(clock),
    };
    let claim = match mark {
        Mark::Within(bound) => Some(Claim { is_synced: true, accuracy: Some(bound) }),
        Mark::Bare | Mark::Unknown => None,
    };
    Some(Found { claim, ..Dialect::Label.found(Stamp { reading, resolution }) })
}

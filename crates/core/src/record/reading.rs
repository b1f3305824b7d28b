//! Readings of reference clocks as columns of a line.

use alloc::string::String;
use core::fmt::{self, Write};

use super::{Columns, RecordError};
use crate::measure::reference::{Misreading, Reading};
use crate::wire::ntp::Leap;

const LEAPS: [(&str, Leap); 4] =
    [("none", Leap::None), ("insert", Leap::Insert), ("delete", Leap::Delete), ("unknown", Leap::Unknown)];

/// Appends what was read, or why nothing was.
pub(super) fn write(line: &mut String, reading: &Result<Reading, Misreading>) -> fmt::Result {
    match reading {
        Ok(Reading::Clock { before, shown, after, blur }) => {
            write!(line, "clock {before} {shown} {after} {blur}")
        }
        Ok(Reading::Pulse { at, phase, blur }) => write!(line, "pulse {at} {phase} {blur}"),
        Ok(Reading::Told { at, utc, blur, leap }) => write!(line, "told {at} {utc} {blur} {}", word(*leap)),
        Err(misreading) => write!(line, "not {}", misreading.label()),
    }
}

fn word(leap: Leap) -> &'static str {
    LEAPS.iter().find(|(_, candidate)| *candidate == leap).map_or("unknown", |(word, _)| word)
}

impl Columns<'_> {
    pub(super) fn reading(&mut self) -> Result<Result<Reading, Misreading>, RecordError> {
        let reading = match self.word("reading")? {
            "clock" => Reading::Clock {
                before: self.time("before")?,
                shown: self.parse("shown")?,
                after: self.time("after")?,
                blur: self.parse("blur")?,
            },
            "pulse" => Reading::Pulse {
                at: self.time("at")?,
                phase: self.parse("phase")?,
                blur: self.parse("blur")?,
            },
            "told" => Reading::Told {
                at: self.time("at")?,
                utc: self.time("utc")?,
                blur: self.parse("blur")?,
                leap: self.leap()?,
            },
            "not" => return self.misreading().map(Err),
            _ => return Err(RecordError::Unreadable("reading")),
        };
        Ok(Ok(reading))
    }

    fn leap(&mut self) -> Result<Leap, RecordError> {
        let word = self.word("leap")?;
        let leap = LEAPS.iter().find(|(candidate, _)| *candidate == word);
        leap.map(|(_, leap)| *leap).ok_or(RecordError::Unreadable("leap"))
    }

    fn misreading(&mut self) -> Result<Misreading, RecordError> {
        let word = self.word("why")?;
        let misreading = Misreading::ALL.into_iter().find(|misreading| misreading.label() == word);
        misreading.ok_or(RecordError::Unreadable("why"))
    }
}

#[cfg(test)]
pub(super) fn samples() -> impl Iterator<Item = Reading> {
    use truechimer_time::{Span, Time};
    let (raw, blur) = (Time::from_epoch(Span::from_attos(1_234_567_890_000_000_001)), Span::from_nanos(75));
    let clock = Reading::Clock {
        before: raw,
        shown: Span::from_attos(1_790_000_037_123_456_789_000_000_001),
        after: raw + Span::from_micros(2),
        blur,
    };
    let pulse = Reading::Pulse { at: raw, phase: Span::from_micros(-3), blur };
    let told = LEAPS.map(|(_, leap)| {
        let utc = Time::from_epoch(Span::from_secs(1_790_000_000));
        Reading::Told { at: raw, utc, blur, leap }
    });
    [clock, pulse].into_iter().chain(told)
}

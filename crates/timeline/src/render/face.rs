//! Instants as people write them. Most follow each other within a second, so that its date is kept.

use truechimer_time::{Civil, LeapTable, Span, Tai, Time};

/// Which count of seconds is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// UTC, with `Z` behind it; 23:59:60 in a leap second.
    Utc,
    /// TAI, with ` TAI` behind it.
    Tai,
}

/// An instant to the nanosecond, cut and not rounded.
pub fn instant(at: Time<Tai>, scale: Scale) -> String {
    let mut text = Vec::new();
    Face::new(scale).append(&mut text, at, 9);
    String::from_utf8_lossy(&text).into_owned()
}

/// Writes instants.
#[derive(Clone, Debug)]
pub(super) struct Face {
    scale: Scale,
    /// The second that was written last, and how it looks: its beginning, and the date and time of day.
    second: Option<(i128, String)>,
}

impl Face {
    pub(super) fn new(scale: Scale) -> Self {
        Self { scale, second: None }
    }

    /// Appends an instant with so many digits of its second, at most 9.
    pub(super) fn append(&mut self, to: &mut Vec<u8>, at: Time<Tai>, digits: usize) {
        let (second, attos) = at.since_epoch().split();
        if self.second.as_ref().is_none_or(|(held, _)| *held != second) {
            self.second = Some((second, self.looks(second)));
        }
        let date = self.second.as_ref().map_or("", |(_, date)| date);
        to.extend_from_slice(date.as_bytes());
        if digits > 0 {
            to.push(b'.');
            let mut unit = 1_000_000_000_000_000_000u64;
            for _ in 0..digits.min(9) {
                unit /= 10;
                to.push(b'0' + (attos / unit % 10) as u8);
            }
        }
        to.extend_from_slice(match self.scale {
            Scale::Utc => b"Z",
            Scale::Tai => b" TAI",
        });
    }

    fn looks(&self, second: i128) -> String {
        let at = Span::from_secs(second as i64);
        let civil = match self.scale {
            Scale::Utc => Civil::of_reading(LeapTable::COMPILED.utc_of_tai(Time::from_epoch(at))),
            Scale::Tai => Civil::of(Time::from_epoch(at)),
        };
        civil.to_string().trim_end_matches('Z').to_owned()
    }
}

//! Dates, times of day and zones, as all dialects write them.

use truechimer_time::Span;

use crate::scan::Scan;
use crate::stamp::{Reading, Stamp, Written};

const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// `Jan` to `Dec`: 1 to 12.
pub(crate) fn month(scan: &mut Scan<'_>) -> Option<u8> {
    let at = MONTHS.iter().position(|name| scan.rest().starts_with(*name))?;
    scan.text(MONTHS[at])?;
    Some(at as u8 + 1)
}

/// `08:31:23`.
pub(crate) fn time_of_day(scan: &mut Scan<'_>) -> Option<[u8; 3]> {
    let hour = scan.two()?;
    scan.byte(b':')?;
    let minute = scan.two()?;
    scan.byte(b':')?;
    Some([hour, minute, scan.two()?])
}

/// `Z`, `+02:00`, `+0200` or `+02`: how far the clock is ahead of UTC. `None` if no zone comes next; then nothing is read.
pub(crate) fn zone(scan: &mut Scan<'_>) -> Option<Span> {
    let mut ahead = *scan;
    let sign = ahead.any(b"Zz+-")?;
    let mut seconds = 0;
    if matches!(sign, b'+' | b'-') {
        let hours = ahead.two().filter(|hours| *hours < 24)?;
        let _colon = ahead.byte(b':');
        let minutes = ahead.two().unwrap_or(0);
        seconds = i64::from(hours) * 3600 + i64::from(minutes) * 60;
    }
    *scan = ahead;
    Some(Span::from_secs(if sign == b'-' { -seconds } else { seconds }))
}

/// `2026-11-23T08:31:23.5+01:00` and what people make of it: a space or an underscore for the `T`, slashes for the hyphens, a
/// comma for the point, a blank before the zone, or no zone at all.
pub(crate) fn iso(scan: &mut Scan<'_>, last: &mut Second) -> Option<Stamp> {
    last.read(scan)?;
    let (attos, resolution) = scan.fraction()?;
    let reading = last.reading(attos, zone_after_blank(scan))?;
    Some(Stamp { reading, resolution })
}

/// `2026-11-23T08:31:23`.
const TO_THE_SECOND: usize = 19;

/// A date and a time of day to the second, and how they were written: most lines are of the same second as the one before.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Second {
    text: [u8; TO_THE_SECOND],
    written: Option<Written>,
    /// What a clock showed then that is not ahead of UTC, if there was such a second.
    in_greenwich: Option<Reading>,
}

impl Second {
    fn read(&mut self, scan: &mut Scan<'_>) -> Option<()> {
        let text = *scan.rest().first_chunk()?;
        if self.written.is_some() && self.text == text {
            return scan.text(&text);
        }
        let written = to_the_second(scan)?;
        *self = Self { text, written: Some(written), in_greenwich: written.reading(Some(Span::ZERO)) };
        Some(())
    }

    /// What a clock that is so far ahead of UTC showed so long after the second began.
    fn reading(&self, attos: u64, ahead: Option<Span>) -> Option<Reading> {
        let Some(ahead) = ahead else {
            return Written { attos, ..self.written? }.reading(None);
        };
        let later = Span::from_attos(attos.into()) - ahead;
        Some(match self.in_greenwich? {
            Reading::Clock(time) => Reading::Clock(time + later),
            Reading::LeapSecond(time) => Reading::LeapSecond(time + later),
            other @ (Reading::Label(_) | Reading::Wall(_) | Reading::SinceBoot(_)) => other,
        })
    }
}

fn to_the_second(scan: &mut Scan<'_>) -> Option<Written> {
    let year = scan.digits(4)? as i16;
    let between = scan.any(b"-/")?;
    let month = scan.two()?;
    scan.byte(between)?;
    let day = scan.two()?;
    scan.any(b"Tt _")?;
    let [hour, minute, second] = time_of_day(scan)?;
    Some(Written { year: Some(year), month, day, hour, minute, second, attos: 0 })
}

/// A zone, or a blank and a zone in digits, as `date -R` and journalctl write it. ` UTC` is one, too.
fn zone_after_blank(scan: &mut Scan<'_>) -> Option<Span> {
    if let Some(ahead) = zone(scan) {
        return Some(ahead);
    }
    let mut ahead = *scan;
    ahead.byte(b' ')?;
    let offset = match ahead.rest() {
        [b'+' | b'-', ..] => zone(&mut ahead)?,
        [b'U', b'T', b'C', ..] | [b'G', b'M', b'T', ..] => {
            let _name = ahead.take_while(|byte| byte.is_ascii_uppercase());
            Span::ZERO
        }
        [..] => return None,
    };
    if !ahead.word_ends() {
        return None;
    }
    *scan = ahead;
    Some(offset)
}

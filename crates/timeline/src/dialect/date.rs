//! Dates, times of day and zones, as all dialects write them.

use truechimer_time::Span;

use crate::scan::Scan;
use crate::stamp::{Stamp, Written};

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
pub(crate) fn iso(scan: &mut Scan<'_>) -> Option<Stamp> {
    let year = scan.digits(4)? as i16;
    let between = scan.any(b"-/")?;
    let month = scan.two()?;
    scan.byte(between)?;
    let day = scan.two()?;
    scan.any(b"Tt _")?;
    let [hour, minute, second] = time_of_day(scan)?;
    let (attos, resolution) = scan.fraction()?;
    let written = Written { year: Some(year), month, day, hour, minute, second, attos };
    let reading = written.reading(zone_after_blank(scan))?;
    Some(Stamp { reading, resolution })
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

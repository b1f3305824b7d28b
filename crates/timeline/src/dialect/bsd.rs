//! RFC 3164: `<PRI>Nov 23 08:31:23 host app[12]: text`. The files that syslog daemons write have no priority.

use crate::dialect::date::{month, time_of_day};
use crate::dialect::syslog::{name, priority};
use crate::dialect::{Dialect, Found, head};
use crate::scan::Scan;
use crate::stamp::{Stamp, Written};

pub(super) fn read(line: &[u8]) -> Option<Found<'_>> {
    let mut scan = Scan::new(head(line));
    let _files_have_none = priority(&mut scan);
    let month = month(&mut scan)?;
    scan.byte(b' ')?;
    let day = match scan.byte(b' ') {
        Some(()) => scan.digits(1)? as u8,
        None => scan.two()?,
    };
    scan.byte(b' ')?;
    // Some write the year, between the day and the time (Cisco) or after the time.
    let year = year(&mut scan);
    let [hour, minute, second] = time_of_day(&mut scan)?;
    let (attos, resolution) = scan.fraction()?;
    let written = Written { year, month, day, hour, minute, second, attos };
    let stamp = Stamp { reading: written.reading(None)?, resolution };
    scan.byte(b' ')?;
    let host = name(scan.until(b" ")).filter(|word| !word.ends_with(b":"));
    Some(Found { host, ..Dialect::Bsd.found(stamp) })
}

fn year(scan: &mut Scan<'_>) -> Option<i16> {
    let mut ahead = *scan;
    let year = ahead.digits(4)?;
    ahead.byte(b' ')?;
    *scan = ahead;
    Some(year as i16)
}

//! `1.2.3.4 - - [23/Nov/2026:08:31:23 +0100] "GET / HTTP/1.1" ..`: the common and the combined log of web servers.

use crate::dialect::date::{month, time_of_day, zone};
use crate::dialect::{Dialect, Found, head};
use crate::scan::Scan;
use crate::stamp::{Stamp, Written};

pub(super) fn read(line: &[u8]) -> Option<Found<'_>> {
    let line = head(line);
    // Names of users may have brackets.
    memchr::memchr_iter(b'[', line).take(4).find_map(|at| bracketed(&line[at..]))
}

fn bracketed(text: &[u8]) -> Option<Found<'_>> {
    let mut scan = Scan::new(text);
    scan.byte(b'[')?;
    let day = scan.two()?;
    scan.byte(b'/')?;
    let month = month(&mut scan)?;
    scan.byte(b'/')?;
    let year = scan.digits(4)? as i16;
    scan.byte(b':')?;
    let [hour, minute, second] = time_of_day(&mut scan)?;
    let (attos, resolution) = scan.fraction()?;
    scan.byte(b' ')?;
    let ahead = zone(&mut scan)?;
    scan.byte(b']')?;
    let written = Written { year: Some(year), month, day, hour, minute, second, attos };
    let reading = written.reading(Some(ahead))?;
    Some(Dialect::Access.found(Stamp { reading, resolution }))
}

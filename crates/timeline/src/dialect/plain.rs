//! Lines that begin with a date: ISO 8601 or ctime(3), in brackets or not.
//!
//! ```text
//! 2026-11-23T08:31:23.123456+00:00 host app[12]: text      rsyslog's files, journalctl -o short-iso
//! 2026-11-23 08:31:23,123 INFO text                        loggers: no zone
//! 2026/11/23 08:31:23 [error] 12#0: text                   nginx, Go
//! [Mon Nov 23 08:31:23.123456 2026] [core:error] text      Apache's errors, dmesg -T
//! ```

use crate::dialect::date::{Second, iso, month, time_of_day};
use crate::dialect::{Dialect, Found, Name, head};
use crate::scan::Scan;
use crate::stamp::{Reading, Stamp, Written};

/// What loggers write where syslog daemons write the host.
const LEVELS: [&[u8]; 14] = [
    b"trace",
    b"debug",
    b"info",
    b"notice",
    b"warn",
    b"warning",
    b"error",
    b"err",
    b"crit",
    b"critical",
    b"alert",
    b"emerg",
    b"fatal",
    b"panic",
];

pub(super) fn read<'a>(line: &'a [u8], last: &mut Second) -> Option<Found<'a>> {
    let mut scan = Scan::new(head(line));
    let bracket = scan.byte(b'[').is_some();
    match scan.rest().first()? {
        b'0'..=b'9' => {
            let stamp = iso(&mut scan, last)?;
            let host = if bracket { None } else { host(&mut scan, &stamp) };
            Some(Found { host, ..Dialect::Plain.found(stamp) })
        }
        b'A'..=b'Z' => ctime(&mut scan).map(|stamp| Dialect::Plain.found(stamp)),
        _ => None,
    }
}

/// `Mon Nov 23 08:31:23 2026`.
fn ctime(scan: &mut Scan<'_>) -> Option<Stamp> {
    let _weekday = Some(scan.until(b" ")).filter(|word| word.len() == 3)?;
    scan.byte(b' ')?;
    let month = month(scan)?;
    scan.byte(b' ')?;
    scan.blanks();
    let day = scan.number(2)? as u8;
    scan.byte(b' ')?;
    let [hour, minute, second] = time_of_day(scan)?;
    let (attos, resolution) = scan.fraction()?;
    scan.byte(b' ')?;
    let year = Some(scan.digits(4)? as i16);
    let written = Written { year, month, day, hour, minute, second, attos };
    Some(Stamp { reading: written.reading(None)?, resolution })
}

/// The host, where the line is one of a syslog daemon: a zone, then a name, then `app:` or `app[12]:`.
fn host<'a>(scan: &mut Scan<'a>, stamp: &Stamp) -> Option<Name<'a>> {
    if matches!(stamp.reading, Reading::Wall(_)) {
        return None;
    }
    scan.byte(b' ')?;
    let host =
        scan.take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':'));
    scan.byte(b' ')?;
    let tag = scan.until(b" ");
    let is_level = LEVELS.iter().any(|level| level.eq_ignore_ascii_case(host));
    (tag.ends_with(b":") && tag.len() > 1 && !host.is_empty() && !host.ends_with(b":") && !is_level)
        .then_some(host)
}

//! RFC 5424: `<PRI>1 TIMESTAMP HOST APP PROCID MSGID [SD] text`.

use truechimer_time::Span;

use crate::dialect::date::{Second, iso};
use crate::dialect::{Claim, Dialect, Found, Name, head};
use crate::scan::Scan;

pub(super) fn read<'a>(line: &'a [u8], last: &mut Second) -> Option<Found<'a>> {
    let mut scan = Scan::new(head(line));
    priority(&mut scan)?;
    scan.text(b"1 ")?;
    let stamp = iso(&mut scan, last)?;
    scan.byte(b' ')?;
    let host = name(scan.until(b" "));
    for _app_process_message in 0..3 {
        scan.byte(b' ')?;
        let _ = scan.until(b" ");
    }
    let claim = scan.byte(b' ').and_then(|()| claim(scan.rest()));
    Some(Found { host, claim, ..Dialect::Syslog.found(stamp) })
}

/// `<0>` to `<191>`.
pub(super) fn priority(scan: &mut Scan<'_>) -> Option<()> {
    scan.byte(b'<')?;
    scan.number(3).filter(|number| *number <= 191)?;
    scan.byte(b'>')
}

/// A name, unless it is a hyphen, which means that there is none.
pub(super) fn name(word: &[u8]) -> Option<Name<'_>> {
    (!matches!(word, b"" | b"-")).then_some(word)
}

/// `[timeQuality tzKnown="1" isSynced="1" syncAccuracy="60000000"]`, the accuracy in microseconds.
fn claim(structured: &[u8]) -> Option<Claim> {
    let at = memchr::memmem::find(structured, b"[timeQuality ")?;
    let element = Scan::new(&structured[at..]).until(b"]");
    let value = |name: &[u8]| {
        let at = memchr::memmem::find(element, name)? + name.len();
        let mut scan = Scan::new(&element[at..]);
        scan.text(b"=\"")?;
        scan.number(18)
    };
    let accuracy = value(b"syncAccuracy").map(|micros| Span::from_micros(micros as i64));
    Some(Claim { is_synced: value(b"isSynced")? == 1, accuracy })
}

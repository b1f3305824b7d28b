//! `@400000006703c8ee0b1e2f14 text`: a TAI64N label before the line.

use truechimer_time::{Span, tai64};

use crate::dialect::{Dialect, Found};
use crate::scan::Scan;
use crate::stamp::{Reading, Stamp};

/// The longest label, `@` and 32 digits.
const LABEL_MAX: usize = 33;

pub(super) fn read(line: &[u8]) -> Option<Found<'_>> {
    if !line.starts_with(b"@") {
        return None;
    }
    let mut scan = Scan::new(&line[..line.len().min(LABEL_MAX + 1)]);
    let label = scan.until(b" \t\r");
    let resolution = match label.len() {
        17 => Span::from_secs(1),
        25 => Span::from_nanos(1),
        33 => Span::from_attos(1),
        _ => return None,
    };
    let time = tai64::parse(str::from_utf8(label).ok()?).ok()?;
    Some(Dialect::Label.found(Stamp { reading: Reading::Label(time), resolution }))
}

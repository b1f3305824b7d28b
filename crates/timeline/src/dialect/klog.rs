//! `I1123 08:31:23.123456 12 file.go:12] text`: glog, and klog of Kubernetes.

use truechimer_time::Span;

use crate::dialect::date::time_of_day;
use crate::dialect::{Dialect, Found, head};
use crate::scan::Scan;
use crate::stamp::{Stamp, Written};

pub(super) fn read(line: &[u8]) -> Option<Found<'_>> {
    let mut scan = Scan::new(head(line));
    let _severity = scan.any(b"IWEF")?;
    // glog since 0.6 writes the year.
    let year = if line.get(1..9).is_some_and(|date| date.iter().all(u8::is_ascii_digit)) {
        Some(scan.digits(4)? as i16)
    } else {
        None
    };
    let (month, day) = (scan.two()?, scan.two()?);
    scan.byte(b' ')?;
    let [hour, minute, second] = time_of_day(&mut scan)?;
    let (attos, resolution) = scan.fraction().filter(|(_, resolution)| *resolution < Span::from_secs(1))?;
    scan.byte(b' ')?;
    let written = Written { year, month, day, hour, minute, second, attos };
    Some(Dialect::Klog.found(Stamp { reading: written.reading(None)?, resolution }))
}

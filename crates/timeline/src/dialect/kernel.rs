//! `[12345.678901] text`: dmesg(1). The time is that since the host was started, and does not count sleep.

use truechimer_time::{Span, Time};

use crate::dialect::syslog::priority;
use crate::dialect::{Dialect, Found, head};
use crate::scan::Scan;
use crate::stamp::{Reading, Stamp};

pub(super) fn read(line: &[u8]) -> Option<Found<'_>> {
    let mut scan = Scan::new(head(line));
    let _with_raw_levels = priority(&mut scan);
    scan.byte(b'[')?;
    scan.blanks();
    let seconds = scan.number(10)?;
    // Without a fraction it could be the number of anything.
    let (attos, resolution) = scan.fraction().filter(|(_, resolution)| *resolution < Span::from_millis(1))?;
    // With the caller's thread or processor, where the kernel is built so: `[    1.234567][    T1]`.
    scan.byte(b']')?;
    let since = Span::from_secs(seconds as i64) + Span::from_attos(attos.into());
    Some(Dialect::Kernel.found(Stamp { reading: Reading::SinceBoot(Time::from_epoch(since)), resolution }))
}

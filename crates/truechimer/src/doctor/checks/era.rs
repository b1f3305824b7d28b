//! The years that programs of this machine can count to, and the one that its clock shows.

use truechimer_sys::clock;
use truechimer_time::{Civil, Span, Time, Utc};

use crate::doctor::{Area, Check, Finding, Hidden, Machine};
use crate::floor::made;

/// See [`PAGE`].
pub const CHECK: Check = Check {
    name: "era",
    area: Area::Clock,
    question: "Can programs here count to the year that the clock shows, and beyond?",
    page: PAGE,
    probe,
};

const PAGE: &str = "\
Three numbers of seconds end: NTP's, of 32 bits since 1900, begins anew on
2036-02-07 06:28:16 UTC; that of 32-bit programs, since 1970, becomes negative
on 2038-01-19 03:14:08; and clocks that were never set show 1970, or the day
on which a firmware was made.

Read are the clock, the class of /bin/sh (32 or 64 bits), and when this
program was made: before that the time cannot be.

wrong   The clock shows a time before this program was made.
risky   Programs here are of 32 bits: those that were not built for it
        (_TIME_BITS=64) end in 2038. Or one of the ends is less than a year
        away by the clock.
fine    Neither.

What to do: set the clock (`sudo truechimer set time.cloudflare.com
ptbtime1.ptb.de ntp.netnod.se`). Debian 13 has 64 bits for the time on all of
its architectures but i386; test what is your own with `faketime`.
";

/// 2036-02-07 06:28:16, and 2038-01-19 03:14:08.
const ENDS: [(i64, &str); 2] =
    [(2_085_978_496, "NTP's count of 32 bits"), (2_147_483_648, "a time of 32 bits")];

const YEAR: Span = Span::from_secs(366 * 86_400);

fn probe(machine: &Machine) -> Result<Vec<Finding>, Hidden> {
    let now = Time::from_epoch(clock::realtime().since_epoch());
    let shell = std::fs::File::open(machine.path("/bin/sh"));
    let head = shell.and_then(|file| truechimer_sys::file::read_at_most(std::io::Read::take(file, 5), 16));
    Ok(judge(now, head.is_ok_and(|head| is_narrow(&head))))
}

/// A program of 32 bits (elf(5), EI_CLASS).
fn is_narrow(head: &[u8]) -> bool {
    head.starts_with(b"\x7fELF\x01")
}

fn judge(now: Time<Utc>, is_narrow: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (seconds, _) = now.since_epoch().split();
    let whole = Span::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    let date = Civil::of(Time::from_epoch(whole)).to_string();
    if now < made() {
        findings.push(
            Finding::wrong(format!("the clock shows {date}: before this program was made"))
                .run("sudo truechimer set time.cloudflare.com ptbtime1.ptb.de ntp.netnod.se"),
        );
    }
    let near = |end: i64| (Time::<Utc>::from_epoch(Span::from_secs(end)) - now).abs() < YEAR;
    for (_, what) in ENDS.iter().filter(|(end, _)| near(*end)) {
        findings.push(
            Finding::risky(format!("the clock shows {date}: less than a year from the end of {what}"))
                .told("see that every program which reads the time was tested beyond it"),
        );
    }
    if is_narrow {
        findings.push(
            Finding::risky("programs here are of 32 bits: those with a time of 32 bits end on 2038-01-19")
                .run("file -L /bin/sh && getconf LONG_BIT"),
        );
    }
    if findings.is_empty() {
        findings.push(Finding::fine(format!("the clock shows {date}, and programs here count beyond 2038")));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    fn verdicts(seconds: i64, is_narrow: bool) -> Vec<Verdict> {
        let now = Time::from_epoch(Span::from_secs(seconds));
        judge(now, is_narrow).into_iter().map(|finding| finding.verdict).collect()
    }

    #[test]
    fn a_clock_that_was_never_set_shows_1970() {
        assert_eq!(verdicts(12, false), [Verdict::Wrong]);
        assert_eq!(verdicts(1_800_000_000, false), [Verdict::Fine]);
    }

    #[test]
    fn the_ends_of_eras_are_told_a_year_before() {
        assert_eq!(verdicts(2_085_978_000, false), [Verdict::Risky]);
        assert_eq!(verdicts(2_147_483_000, true), [Verdict::Risky, Verdict::Risky]);
    }

    #[test]
    fn the_class_of_a_program_is_in_its_head() {
        assert!(is_narrow(b"\x7fELF\x01\x01"));
        assert!(!is_narrow(b"\x7fELF\x02") && !is_narrow(b"#!/bin"));
    }
}

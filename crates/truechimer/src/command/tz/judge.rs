//! From what is known to what the kernel's clock counts, and whether the zone counts the same.

use truechimer_time::{LeapTable, Span};

use crate::ui::units;
use crate::zone::Zone;

/// TAI was ten seconds ahead of UTC when leap seconds began (1972), and clocks that count all seconds are ten behind TAI.
const TEN: i32 = 10;

/// What is known of the kernel's clock. Spans are UTC less what the clock shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// So many votes of those that were asked agree.
    Asked {
        /// The clock is so far behind UTC.
        behind: Span,
        /// So many.
        votes: usize,
    },
    /// A daemon keeps the time.
    Daemon {
        /// The clock is so far behind UTC.
        behind: Span,
    },
    /// Nobody but the kernel: so many seconds it was told that TAI is ahead of its clock.
    TaiOffset(i32),
}

/// What a clock counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// UTC, as POSIX has it.
    Utc,
    /// All seconds, ten less than TAI.
    Tai10,
    /// Something else: so far it is behind UTC.
    Neither(Span),
}

/// What is to be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What the kernel's clock counts.
    pub count: Count,
    /// How that is known, as the end of a sentence.
    pub by: String,
    /// Does the zone count the same?
    pub agree: bool,
}

/// How many leap seconds there have been: so far a clock of all seconds is ahead of UTC.
pub fn leap_seconds() -> u32 {
    LeapTable::COMPILED.leaps().len() as u32
}

/// Judges.
pub fn judge(evidence: &Evidence, zone: &Zone) -> Verdict {
    let (count, by) = match evidence {
        Evidence::Asked { behind, votes } => {
            (nearest(*behind), format!("{} ({votes} asked agree)", shown(*behind)))
        }
        Evidence::Daemon { behind } => (nearest(*behind), format!("{} (by the daemon)", shown(*behind))),
        Evidence::TaiOffset(offset) => told(*offset),
    };
    let agree = match count {
        Count::Utc => !zone.is_right(),
        Count::Tai10 => zone.is_right(),
        Count::Neither(_) => false,
    };
    Verdict { count, by, agree }
}

fn shown(behind: Span) -> String {
    let way = if behind.is_negative() { "ahead of" } else { "behind" };
    format!("it is {} {way} UTC", units::span(behind.abs()))
}

/// Half the way between the two is the limit on either side.
fn nearest(behind: Span) -> Count {
    let leaps = Span::from_secs(leap_seconds().into());
    let is_near = |span: Span| span.abs() * 2 < leaps;
    match (is_near(behind), is_near(behind + leaps)) {
        (true, _) => Count::Utc,
        (false, true) => Count::Tai10,
        (false, false) => Count::Neither(behind),
    }
}

/// A program that keeps the clock tells the kernel how far TAI is ahead, if it does. Whoever says nothing has a clock of
/// UTC, as nearly all have.
fn told(offset: i32) -> (Count, String) {
    let of_utc = TEN + leap_seconds() as i32;
    if offset == of_utc {
        return (Count::Utc, format!("the kernel was told that TAI is {offset} s ahead of it"));
    }
    if offset == TEN {
        return (Count::Tai10, format!("the kernel was told that TAI is {offset} s ahead of it"));
    }
    let presumed = "presumed, because nothing here tells: name a server to ask, or let truechimer run";
    (Count::Utc, presumed.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(leap_seconds: u32) -> Zone {
        Zone { name: None, leap_seconds }
    }

    fn asked(behind: i64) -> Evidence {
        Evidence::Asked { behind: Span::from_secs(behind), votes: 3 }
    }

    #[test]
    fn clocks_are_told_apart_by_whole_leap_seconds() {
        let count = |behind| judge(&asked(behind), &zone(0)).count;
        assert_eq!([count(0), count(13), count(-13)], [Count::Utc; 3]);
        assert_eq!([count(-27), count(-14), count(-40)], [Count::Tai10; 3]);
        assert_eq!(count(14), Count::Neither(Span::from_secs(14)));
        assert_eq!(count(-41), Count::Neither(Span::from_secs(-41)));
    }

    #[test]
    fn a_zone_agrees_with_its_own_kind_of_clock() {
        let agree = |behind, leaps| judge(&asked(behind), &zone(leaps)).agree;
        assert!(agree(0, 0) && agree(-27, 27));
        assert!(!agree(0, 27) && !agree(-27, 0));
        assert!(!agree(1000, 0) && !agree(1000, 27));
    }

    #[test]
    fn what_the_kernel_was_told_counts_and_silence_is_presumed_to_be_utc() {
        let judged = |offset| judge(&Evidence::TaiOffset(offset), &zone(27));
        assert_eq!((judged(37).count, judged(37).agree), (Count::Utc, false));
        assert_eq!((judged(10).count, judged(10).agree), (Count::Tai10, true));
        assert_eq!((judged(0).count, judged(0).agree), (Count::Utc, false));
        assert!(judged(0).by.starts_with("presumed") && !judged(37).by.starts_with("presumed"));
    }
}

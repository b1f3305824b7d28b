//! Stamps by patterns of the user's own: regular expressions whose groups are named after what they match.
//!
//! | group | what |
//! | --- | --- |
//! | `year`, `month`, `day` | a date; a month is a number, or the first three letters of its English name; a year of two digits is of this century |
//! | `hour`, `minute`, `second` | a time of day |
//! | `fraction` | digits behind the second |
//! | `zone` | `Z`, `+01:00`, `+0100` |
//! | `epoch` | instead of all these, seconds since 1970 with a fraction or without, or whole milli-, micro- or nanoseconds |
//! | `host` | whose line it is |

use regex::bytes::{Captures, Regex};
use truechimer_time::Span;

use super::{Found, date, head, json};
use crate::scan::Scan;
use crate::stamp::{Stamp, Written};

/// A pattern of the user's own.
#[derive(Clone, Debug)]
pub struct Own {
    pattern: Regex,
    has_epoch: bool,
}

/// The groups that are known.
const GROUPS: [&str; 10] =
    ["year", "month", "day", "hour", "minute", "second", "fraction", "zone", "epoch", "host"];

/// Those that a stamp needs that is no `epoch`.
const NEEDED: [&str; 5] = ["month", "day", "hour", "minute", "second"];

/// Why something is no pattern for stamps.
#[derive(Debug, thiserror::Error)]
pub enum OwnError {
    /// It is no regular expression.
    #[error("{0}")]
    Pattern(#[from] regex::Error),
    /// It has a group that says nothing of a stamp.
    #[error(
        "there is no group `{0}`: they are year, month, day, hour, minute, second, fraction, zone, epoch, host"
    )]
    Group(String),
    /// It has too few of them.
    #[error("it has no group `{0}`: a stamp needs month, day, hour, minute and second, or epoch")]
    Missing(&'static str),
}

impl Own {
    /// A pattern as the user wrote it.
    ///
    /// # Errors
    /// It is none, or its groups say nothing of a stamp or too little.
    pub fn of(text: &str) -> Result<Self, OwnError> {
        let pattern = Regex::new(text)?;
        let names: Vec<&str> = pattern.capture_names().flatten().collect();
        if let Some(unknown) = names.iter().find(|name| !GROUPS.contains(name)) {
            return Err(OwnError::Group((*unknown).to_owned()));
        }
        let has_epoch = names.contains(&"epoch");
        let missing = NEEDED.into_iter().find(|needed| !has_epoch && !names.contains(needed));
        match missing {
            Some(missing) => Err(OwnError::Missing(missing)),
            None => Ok(Self { pattern, has_epoch }),
        }
    }

    /// What a line says by this pattern, if it matches in the line's beginning.
    pub fn read<'a>(&self, line: &'a [u8]) -> Option<Found<'a>> {
        let captures = self.pattern.captures(head(line))?;
        let stamp = match self.has_epoch {
            true => json::number(Scan::new(captures.name("epoch")?.as_bytes()))?,
            false => stamp(&captures)?,
        };
        let host = captures.name("host").map(|host| host.as_bytes()).filter(|host| !host.is_empty());
        Some(Found { dialect: None, stamp, host, boot: None, mono: None, claim: None })
    }
}

fn stamp(captures: &Captures<'_>) -> Option<Stamp> {
    let scan = |name: &str| captures.name(name).map(|group| Scan::new(group.as_bytes()));
    let number = |name: &str| scan(name).and_then(|mut scan| scan.number(4));
    let short = |name: &str| number(name).and_then(|number| u8::try_from(number).ok());
    let year = match captures.name("year") {
        Some(year) if year.len() == 2 => Some(2000 + number("year")? as i16),
        Some(_) => Some(number("year")? as i16),
        None => None,
    };
    let month = match short("month") {
        Some(month) => month,
        None => date::month(&mut scan("month")?)?,
    };
    let (attos, resolution) = match captures.name("fraction") {
        Some(digits) => Scan::new(&[b".", digits.as_bytes()].concat()).fraction()?,
        None => (0, Span::from_secs(1)),
    };
    let ahead = match scan("zone") {
        Some(mut zone) => Some(date::zone(&mut zone)?),
        None => None,
    };
    let (day, hour, minute, second) = (short("day")?, short("hour")?, short("minute")?, short("second")?);
    let written = Written { year, month, day, hour, minute, second, attos };
    Some(Stamp { reading: written.reading(ahead)?, resolution })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp::{Reading, Wall};
    use truechimer_time::{Civil, Time};

    fn clock(pattern: &str, line: &str) -> (String, Span) {
        let found = Own::of(pattern).expect("a pattern").read(line.as_bytes()).expect("a stamp");
        let Reading::Clock(time) = found.stamp.reading else { panic!("{found:?}") };
        (Civil::of(Time::from_epoch(time.since_epoch())).to_string(), found.stamp.resolution)
    }

    const GERMAN: &str = r"^(?<day>\d\d?)\.(?<month>\d\d)\.(?<year>\d{2,4}) (?<hour>\d\d):(?<minute>\d\d):(?<second>\d\d)(,(?<fraction>\d+))?( (?<zone>[+-]\d{4}))? (?<host>\w+)";

    #[test]
    fn the_groups_are_the_parts_of_a_stamp() {
        let milli = Span::from_millis(1);
        let line = "23.11.2026 09:31:23,123 +0100 web text";
        assert_eq!(clock(GERMAN, line), ("2026-11-23T08:31:23.123Z".to_owned(), milli));
        let found = Own::of(GERMAN).expect("a pattern").read(line.as_bytes()).expect("a stamp");
        assert_eq!(found.host, Some(&b"web"[..]));
        let second = Span::from_secs(1);
        assert_eq!(clock(GERMAN, "3.11.26 09:31:23 +0000 web"), ("2026-11-03T09:31:23Z".to_owned(), second));
        let epoch = r"\[(?<epoch>[\d.]+)\]";
        assert_eq!(clock(epoch, "x [1795422683.5] y").0, "2026-11-23T08:31:23.5Z");
        assert_eq!(clock(epoch, "x [1795422683500] y").1, milli);
        let named = r"(?<day>\d+)-(?<month>\w+) (?<hour>\d+):(?<minute>\d+):(?<second>\d+)";
        let found = Own::of(named).expect("a pattern").read(b"23-Nov 9:31:05").expect("a stamp");
        let Reading::Wall(Wall { year, month, day, time_of_day }) = found.stamp.reading else {
            panic!("{found:?}")
        };
        assert_eq!((year, month, day, time_of_day), (None, 11, 23, Span::from_secs(9 * 3600 + 31 * 60 + 5)));
    }

    #[test]
    fn what_is_no_stamp_is_none() {
        let own = Own::of(GERMAN).expect("a pattern");
        for line in
            ["", "text", "23.13.2026 09:31:23 web", "32.11.2026 09:31:23 web", "23.11.2026 24:31:23 web"]
        {
            assert_eq!(own.read(line.as_bytes()), None, "{line}");
        }
        let wide = Own::of(r"(?<month>\d*)(?<day>\d*)(?<hour>\d*)(?<minute>\d*)(?<second>\d*)").expect("one");
        assert_eq!(wide.read(b"99999999999999999999999999"), None);
    }

    #[test]
    fn what_is_no_pattern_is_refused_by_name() {
        let why = |text: &str| Own::of(text).expect_err("it is none").to_string();
        assert!(why("(").contains("unclosed group"));
        assert!(why("(?<hours>.)").contains("no group `hours`"));
        assert!(why(r"(?<hour>..):(?<minute>..)").contains("no group `month`"));
    }
}

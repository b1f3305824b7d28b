//! From a stamp to what the host's clock showed, with what must be known besides: zone, year, and how labels are made there.
//!
//! What is not known is not guessed: the clock then showed anything between two readings, and the [`Doubt`] says why.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use truechimer_time::{LeapTable, Local, Span, Tai, Time};

use crate::dialect::BootId;
use crate::stamp::{Reading, Wall};

/// No place is further ahead of UTC (Kiribati).
const AHEAD_MAX: Span = Span::from_secs(14 * 3600);

/// No place is further behind UTC (Baker Island, ships).
const BEHIND_MAX: Span = Span::from_secs(12 * 3600);

/// What multilog and tai64n add to the clock, whatever the leap seconds (libtai's `tai_now` on a clock that counts as POSIX does).
const TEN: Span = Span::from_secs(10);

/// A line is written so soon after its label was made, and a clock that stamps files lags behind by a tick.
const WRITTEN_WITHIN: Span = Span::from_secs(5);

/// What the host's clock showed: a reading between these, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// At least.
    pub from: Time<Local>,
    /// At most.
    pub to: Time<Local>,
    /// Why it is not known better than the stamp's last digit.
    pub doubt: Option<Doubt>,
}

/// What a stamp leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doubt {
    /// The zone is not known.
    Zone,
    /// Clocks were set back from summer time, and showed it twice; or forward, and never showed it.
    SummerTime,
    /// A label may be TAI, or the clock and ten seconds.
    Label,
    /// A second 60, which clocks that count as POSIX show as one of its neighbours.
    LeapSecond,
    /// The year is not known, or has no such day.
    Year,
    /// Seconds since a boot, of which nothing is known.
    Boot,
}

/// How TAI64 labels are made on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Labels {
    /// They are TAI: s6-log, and clocks that count TAI.
    Tai,
    /// They are the clock and ten seconds: multilog and tai64n on a clock that counts as POSIX does. 27 s less than TAI since 2017.
    ClockAndTen,
}

/// What the log around a stamp tells of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// The year of a stamp that has none.
    pub year: Option<i16>,
    /// How labels are made, where the host does not say.
    pub labels: Option<Labels>,
}

/// What is known of how a host writes stamps.
#[derive(Clone, Debug, Default)]
pub struct Habits {
    /// Its zone.
    pub zone: Option<TimeZone>,
    /// Its labels.
    pub labels: Option<Labels>,
    /// Of which boot stamps are that tell only the time since one.
    pub boot: Option<BootId>,
}

impl Habits {
    /// What the clock showed.
    pub fn shown(&self, reading: Reading, resolution: Span, hints: Hints) -> Shown {
        let exact = |from| Shown { from, to: from, doubt: None };
        let shown = match reading {
            Reading::Clock(time) => exact(time),
            Reading::LeapSecond(time) => {
                Shown { from: time - Span::from_secs(1), to: time, doubt: Some(Doubt::LeapSecond) }
            }
            Reading::Label(label) => labelled(label, self.labels.or(hints.labels)),
            Reading::Wall(wall) => self.wall(&wall, hints.year),
            Reading::SinceBoot(_) => Shown::anything(Doubt::Boot),
        };
        Shown { to: shown.to + resolution, ..shown }
    }

    fn wall(&self, wall: &Wall, year: Option<i16>) -> Shown {
        let Some((year, in_greenwich)) =
            wall.year.or(year).and_then(|year| Some((year, wall.in_year(year)?)))
        else {
            return Shown::anything(Doubt::Year);
        };
        let Some(zone) = &self.zone else {
            return Shown {
                from: in_greenwich - AHEAD_MAX,
                to: in_greenwich + BEHIND_MAX,
                doubt: Some(Doubt::Zone),
            };
        };
        let at = |ahead: Offset| in_greenwich - Span::from_secs(ahead.seconds().into());
        match offset(zone, year, wall) {
            Some(AmbiguousOffset::Unambiguous { offset }) => {
                Shown { from: at(offset), to: at(offset), doubt: None }
            }
            Some(AmbiguousOffset::Gap { before, after } | AmbiguousOffset::Fold { before, after }) => {
                let [one, other] = [at(before), at(after)];
                Shown { from: one.min(other), to: one.max(other), doubt: Some(Doubt::SummerTime) }
            }
            None => Shown::anything(Doubt::Year),
        }
    }
}

impl Shown {
    /// Nothing is known but why.
    const fn anything(doubt: Doubt) -> Self {
        let [from, to] = [Time::from_epoch(Span::MIN), Time::from_epoch(Span::MAX)];
        Self { from, to, doubt: Some(doubt) }
    }

    /// Does it say when at all?
    pub fn is_known(&self) -> bool {
        self.from.since_epoch() > Span::MIN
    }
}

fn labelled(label: Time<Tai>, labels: Option<Labels>) -> Shown {
    let [tai, ten] = readings(label);
    let exact = |from| Shown { from, to: from, doubt: None };
    match labels {
        Some(Labels::Tai) => exact(tai),
        Some(Labels::ClockAndTen) => exact(ten),
        None => Shown { from: tai.min(ten), to: tai.max(ten), doubt: Some(Doubt::Label) },
    }
}

/// What the clock showed when a label was made, if labels are TAI, and if they are the clock and ten seconds.
fn readings(label: Time<Tai>) -> [Time<Local>; 2] {
    let tai = LeapTable::COMPILED.utc_of_tai(label).time.since_epoch();
    [tai, label.since_epoch() - TEN].map(Time::from_epoch)
}

/// Which zone's time was ahead by how much then. A second 60 is looked up as the one before it.
fn offset(zone: &TimeZone, year: i16, wall: &Wall) -> Option<AmbiguousOffset> {
    let (seconds, _) = wall.time_of_day.split();
    let [hour, minute, second] = [seconds / 3600, seconds / 60 % 60, seconds % 60];
    let [hour, minute, second] = match hour {
        0..24 => [hour as i8, minute as i8, second as i8],
        _ => [23, 59, 59],
    };
    let date = DateTime::new(year, wall.month as i8, wall.day as i8, hour, minute, second, 0).ok()?;
    Some(zone.to_ambiguous_timestamp(date).offset())
}

/// How labels are made, by the last one in a file and when the file was last written, both by the same clock. `None` if neither
/// fits, as for a file that was copied.
pub fn labels_of(last: Time<Tai>, written: Time<Local>) -> Option<Labels> {
    let [tai, ten] = readings(last);
    let fits = |reading: Time<Local>| (written - reading).abs() <= WRITTEN_WITHIN;
    match (fits(tai), fits(ten)) {
        (true, false) => Some(Labels::Tai),
        (false, true) => Some(Labels::ClockAndTen),
        (true, true) | (false, false) => None,
    }
}

/// A file whose last line is so near to when it was written was being written then, whatever the zone.
const ABOUT: Span = Span::from_secs(2 * 86_400);

/// A line may stand so many days after a later one.
const LATE_DAYS: i16 = 2;

/// Counts years through a file whose stamps have none. Each stamp is the next time that the calendar shows its day, unless it is at
/// most two days before the one before it: such a line is late. A year without a line is not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Years {
    year: i16,
    /// The latest stamp's day of the year.
    last: Option<i16>,
}

/// The days of a year that is taken for a leap year.
const YEAR_DAYS: i16 = 366;

impl Years {
    /// A file that begins in a year.
    pub fn from(year: i16) -> Self {
        Self { year, last: None }
    }

    /// The year of the next stamp, in the order of the file.
    pub fn of(&mut self, wall: &Wall) -> i16 {
        let day = day_of_year(wall);
        let last = self.last.unwrap_or(day);
        let back = (last - day).rem_euclid(YEAR_DAYS);
        if 0 < back && back <= LATE_DAYS {
            return if day < last { self.year } else { self.year - 1 };
        }
        self.year += i16::from(day < last);
        self.last = Some(day);
        self.year
    }

    /// The year in which a file begins whose stamps these are and that was last written then; `None` if its last line was not
    /// written about then, as in a file that was copied: it may be of any year.
    pub fn first(walls: impl Iterator<Item = Wall>, written: Time<Local>) -> Option<i16> {
        let mut years = Self::from(0);
        let mut last = None;
        for wall in walls {
            let _year = years.of(&wall);
            last = if Some(day_of_year(&wall)) == years.last { Some(wall) } else { last };
        }
        let (last, turns) = (last?, years.year);
        let about = truechimer_time::Civil::of(Time::from_epoch(written.since_epoch())).year as i16;
        let is_near =
            |year: &i16| last.in_year(*year).is_some_and(|reading| (reading - written).abs() <= ABOUT);
        (about - 1..=about + 1).find(is_near).map(|year| year - turns)
    }
}

/// Counted from 0, in a leap year.
fn day_of_year(wall: &Wall) -> i16 {
    const BEFORE: [i16; 12] = [0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335];
    let month = usize::from(wall.month).clamp(1, 12) - 1;
    BEFORE[month] + i16::from(wall.day) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wall(year: Option<i16>, month: u8, day: u8, hour: i64) -> Wall {
        Wall { year, month, day, time_of_day: Span::from_secs(hour * 3600 + 1800) }
    }

    fn in_year(year: i16) -> Hints {
        Hints { year: Some(year), labels: None }
    }

    fn in_zone(name: &str) -> Habits {
        Habits { zone: Some(TimeZone::get(name).expect("a zone of this machine")), ..Habits::default() }
    }

    fn local(text: &str) -> Time<Local> {
        let civil: truechimer_time::Civil = text.parse().expect("a date");
        Time::from_epoch(civil.time().expect("it is").since_epoch())
    }

    const SECOND: Span = Span::from_secs(1);

    #[test]
    fn bad_input_158_no_zone_is_all_zones() {
        let shown =
            Habits::default().shown(Reading::Wall(wall(Some(2026), 11, 23, 8)), SECOND, Hints::default());
        assert_eq!((shown.from, shown.to), (local("2026-11-22T18:30:00Z"), local("2026-11-23T20:30:01Z")));
        assert_eq!(shown.doubt, Some(Doubt::Zone));
    }

    #[test]
    fn bad_input_158_an_hour_that_was_shown_twice_is_both() {
        let berlin = in_zone("Europe/Berlin");
        let shown = |month, day, hour| {
            berlin.shown(Reading::Wall(wall(Some(2026), month, day, hour)), SECOND, Hints::default())
        };
        let twice = shown(10, 25, 2);
        assert_eq!((twice.from, twice.to), (local("2026-10-25T00:30:00Z"), local("2026-10-25T01:30:01Z")));
        assert_eq!(twice.doubt, Some(Doubt::SummerTime));
        assert_eq!(shown(3, 29, 2).doubt, Some(Doubt::SummerTime), "this hour was left out");
        let once = shown(11, 23, 8);
        assert_eq!((once.from, once.doubt), (local("2026-11-23T07:30:00Z"), None));
    }

    #[test]
    fn bad_input_158_years_turn_in_the_midst_of_a_file() {
        let utc = in_zone("UTC");
        let file = [
            wall(None, 12, 30, 8),
            wall(None, 12, 31, 23),
            wall(None, 1, 1, 0),
            wall(None, 12, 31, 23),
            wall(None, 1, 2, 9),
        ];
        let first = Years::first(file.into_iter(), local("2027-01-03T00:00:00Z"));
        assert_eq!(first, Some(2026));
        let mut years = Years::from(2026);
        let walked: Vec<i16> = file.iter().map(|wall| years.of(wall)).collect();
        // The fourth was written late, and is not New Year again.
        assert_eq!(walked, [2026, 2026, 2027, 2026, 2027]);
        let shown = utc.shown(Reading::Wall(file[2]), SECOND, in_year(2027));
        assert_eq!(shown.from, local("2027-01-01T00:30:00Z"));
        let long = [
            wall(None, 11, 1, 0),
            wall(None, 2, 1, 0),
            wall(None, 8, 1, 0),
            wall(None, 1, 1, 0),
            wall(None, 3, 1, 0),
        ];
        assert_eq!(Years::first(long.into_iter(), local("2026-03-02T00:00:00Z")), Some(2024));
        let sparse = [wall(None, 1, 5, 0), wall(None, 12, 1, 0), wall(None, 11, 30, 0)];
        assert_eq!(Years::first(sparse.into_iter(), local("2026-12-01T12:00:00Z")), Some(2026));
        let copied = Years::first(sparse.into_iter(), local("2027-02-01T00:00:00Z"));
        assert_eq!(copied, None, "its last line is two months older than the file");
    }

    #[test]
    fn a_day_that_a_year_has_not_is_nothing() {
        let shown = in_zone("UTC").shown(Reading::Wall(wall(None, 2, 29, 0)), SECOND, in_year(2026));
        assert!(!shown.is_known());
        assert_eq!(shown.doubt, Some(Doubt::Year));
    }

    #[test]
    fn bad_input_162_a_label_is_told_apart_by_when_its_file_was_written() {
        let clock = local("2026-11-23T08:31:23Z");
        let ten = Time::from_epoch(clock.since_epoch() + TEN);
        let tai = Time::from_epoch(clock.since_epoch() + Span::from_secs(37));
        assert_eq!(labels_of(ten, clock + Span::from_millis(3)), Some(Labels::ClockAndTen));
        assert_eq!(labels_of(tai, clock + Span::from_millis(3)), Some(Labels::Tai));
        assert_eq!(labels_of(tai, clock + Span::from_secs(3600)), None);
        let shown = |labels| {
            Habits { labels, ..Habits::default() }.shown(Reading::Label(tai), Span::ZERO, Hints::default())
        };
        assert_eq!(shown(Some(Labels::Tai)), Shown { from: clock, to: clock, doubt: None });
        let doubtful = shown(None);
        assert_eq!((doubtful.to - doubtful.from, doubtful.doubt), (Span::from_secs(27), Some(Doubt::Label)));
    }

    #[test]
    fn a_leap_second_is_one_of_its_neighbours() {
        let midnight = local("2017-01-01T00:00:00Z");
        let shown = Habits::default().shown(Reading::LeapSecond(midnight), Span::ZERO, Hints::default());
        assert_eq!((shown.from, shown.to), (midnight - SECOND, midnight));
    }
}

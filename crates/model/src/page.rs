//! The page in shared memory from which any program of the machine reads the time without asking anybody.
//!
//! It holds the model and not the time: whoever reads it applies the model to the raw counter, and so gets the time and
//! its bound at the moment of reading, however long ago the page was written. The layout is described in
//! `docs/formats/page.md`; words are 64 bits, in the machine's byte order.

use core::fmt;

use truechimer_time::{LeapKind, LeapTable, Local, Rate, Raw, Span, Tai, Time, Utc};

use crate::bracket::Bracket;
use crate::limits::RateLimits;
use crate::model::{Model, Reading};
use crate::status::Status;

/// The layout that is written here. Readers refuse others.
pub const LAYOUT: u64 = 2;

/// How many words a page has.
pub const WORDS: usize = 40;

/// The file's name in the run folder.
pub const FILE_NAME: &str = "time";

/// A sleep that is longer than this has interrupted the counter since the page was written.
pub const SLEEP_MIN: Span = Span::from_millis(10);

/// A daemon that lives writes its page every 64 s. One that has not for so long is dead or hangs: nobody measures.
pub const SILENCE_MAX: Span = Span::from_secs(130);

/// What the page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// How far the time could be relied upon when the page was written.
    pub status: Status,
    /// The model, unless nothing is known.
    pub model: Option<Model>,
    /// The reading of the counter at which the page was written.
    pub written: Time<Raw>,
    /// How long the machine had slept since boot when the page was written.
    pub asleep: Span,
    /// TAI minus UTC in seconds, when the page was written: within an inserted second already what holds after it.
    pub tai_minus_utc: Option<i32>,
    /// TAI minus UTC from when the page was written on.
    pub course: Option<UtcCourse>,
    /// A leap second that the clock that is steered had before it within a day when the page was written.
    pub leap: Option<LeapKind>,
    /// Right time minus the clock that is steered, when the page was written.
    pub offset: Span,
    /// The rate of the counter, in the assumptions of the bound (A1).
    pub max_rate: Rate,
    /// The drift that is assumed (A2).
    pub max_drift: Rate,
    /// The clock of our own that is steered, if the kernel's is not.
    pub clock: Option<UserClock>,
    /// The number by which the host of this guest tells where it is (VMClock's disruption marker), if it does. Another one
    /// now: the page is about another machine's counter.
    pub marker: Option<u64>,
}

/// TAI minus UTC in seconds before and after the first leap second that was ahead when the page was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UtcCourse {
    /// Until `leaps`.
    pub before: i32,
    /// Where the count of UTC goes back by a second (the end of 23:59:60) or leaves one out. Without a leap second in sight
    /// the epoch, and then both numbers are the same.
    pub leaps: Time<Tai>,
    /// From `leaps` on.
    pub after: i32,
}

impl UtcCourse {
    /// What a table of leap seconds says of an instant and of all later ones, as far as the leap after the next.
    pub fn at(leaps: &LeapTable, tai: Time<Tai>) -> Self {
        match leaps.next_leap_after(tai) {
            Some(leap) => Self { before: leap.offset_before(), leaps: leap.ends(), after: leap.offset() },
            None => {
                let offset = leaps.utc_of_tai(tai).offset;
                Self { before: offset, leaps: Time::EPOCH, after: offset }
            }
        }
    }

    /// The count of UTC at an instant, as POSIX has it: an inserted second has the count of the one after it.
    pub fn utc(self, tai: Time<Tai>) -> Time<Utc> {
        counted(tai, if tai < self.leaps { self.before } else { self.after })
    }

    /// All counts of UTC between two instants lie between these two: where a second is repeated between them, its counts
    /// do too.
    pub fn between(self, earliest: Time<Tai>, latest: Time<Tai>) -> (Time<Utc>, Time<Utc>) {
        let (first, last) = (self.utc(earliest), self.utc(latest));
        match earliest < self.leaps && self.leaps <= latest {
            true => (first.min(counted(self.leaps, self.after)), last.max(counted(self.leaps, self.before))),
            false => (first, last),
        }
    }
}

fn counted(tai: Time<Tai>, offset: i32) -> Time<Utc> {
    Time::from_epoch(tai.since_epoch() - Span::from_secs(offset.into()))
}

/// A clock made of the raw counter: it is steered as the kernel's would be, so it never jumps once it has settled,
/// and any program can read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserClock {
    /// The reading of the counter at which it was last steered.
    pub anchor: Time<Raw>,
    /// What it showed then.
    pub local: Time<Local>,
    /// How much it gains on the counter.
    pub rate: Rate,
}

impl UserClock {
    /// What it shows.
    pub fn read(&self, raw: Time<Raw>) -> Time<Local> {
        let passed = raw - self.anchor;
        self.local + passed + self.rate.over(passed)
    }
}

/// Why the page tells no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It was written by another version.
    Layout(u64),
    /// A word is none that is ever written.
    Damaged,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Layout(layout) => write!(
                f,
                "the page has layout {layout}, this program reads layout {LAYOUT}: use the program of the daemon's version"
            ),
            Self::Damaged => f.write_str("the page holds a word that is never written: it is damaged"),
        }
    }
}

impl core::error::Error for Unreadable {}

impl Page {
    /// What time it is when the counter shows `raw` and the machine has slept for `asleep` since boot; `None` if nothing
    /// is known or the machine has slept since the page was written.
    pub fn read(&self, raw: Time<Raw>, asleep: Span) -> Option<Reading> {
        self.model.filter(|_| self.is_whole(asleep)).map(|model| model.read(raw))
    }

    /// Has the counter gone on since the page was written? It stands still while the machine sleeps.
    pub fn is_whole(&self, asleep: Span) -> bool {
        (asleep - self.asleep).abs() <= SLEEP_MIN
    }

    /// How far the time can be relied upon when the counter shows `raw`: where the daemon has fallen silent, nobody
    /// measures any more.
    pub fn status_at(&self, raw: Time<Raw>) -> Status {
        let is_silent = raw - self.written > SILENCE_MAX;
        match self.status {
            Status::Synchronised | Status::Degraded if is_silent => Status::Holdover,
            status => status,
        }
    }

    /// The instant that this program's own table of leap seconds takes for the UTC that the daemon means by `tai`: the
    /// daemon may know of a leap second that this table does not.
    pub fn in_own_leaps(&self, tai: Time<Tai>) -> Time<Tai> {
        let own = LeapTable::COMPILED.utc_of_tai(tai).offset;
        let behind = self.tai_minus_utc.map_or(0, |offset| offset - own);
        tai - Span::from_secs(behind.into())
    }

    /// The page as words.
    pub fn to_words(&self) -> [u64; WORDS] {
        let mut words = Words { words: [0; WORDS], next: 0 };
        words.put(LAYOUT);
        words.put(self.status.code());
        words.put(u64::from(self.model.is_some()));
        words.put(u64::from(self.clock.is_some()));
        words.put_span(self.asleep);
        words.put_span(self.offset);
        words.put(u64::from(self.tai_minus_utc.is_some()));
        words.put_offset(self.tai_minus_utc.unwrap_or(0));
        words.put(match self.leap {
            None => 0,
            Some(LeapKind::Inserted) => 1,
            Some(LeapKind::Deleted) => 2,
        });
        words.put_rate(self.max_rate);
        words.put_rate(self.max_drift);
        let blank = UserClock { anchor: Time::EPOCH, local: Time::EPOCH, rate: Rate::ZERO };
        let clock = self.clock.unwrap_or(blank);
        words.put_span(clock.anchor.since_epoch());
        words.put_span(clock.local.since_epoch());
        words.put_rate(clock.rate);
        if let Some(model) = &self.model {
            words.put_span(model.bracket.at.since_epoch());
            words.put_span(model.best.since_epoch());
            words.put_span(model.best - model.bracket.earliest);
            words.put_span(model.bracket.latest - model.best);
            words.put(model.sigma.as_nanos().cast_unsigned());
            words.put_rate(model.rate);
            words.put_rate(model.limits.min);
            words.put_rate(model.limits.max);
            words.put_rate(model.rate_sigma);
            words.put_rate(model.wander);
        }
        words.next = MODEL_END;
        words.put_span(self.written.since_epoch());
        let course = self.course.unwrap_or(UtcCourse { before: 0, leaps: Time::EPOCH, after: 0 });
        words.put_span(course.leaps.since_epoch());
        words.put_offset(course.before);
        words.put_offset(course.after);
        words.put(u64::from(self.marker.is_some()));
        words.put(self.marker.unwrap_or(0));
        words.words
    }

    /// Reads what [`Page::to_words`] wrote.
    pub fn of_words(words: [u64; WORDS]) -> Result<Self, Unreadable> {
        let mut words = Words { words, next: 0 };
        let layout = words.take();
        if layout != LAYOUT {
            return Err(Unreadable::Layout(layout));
        }
        let status = Status::from_code(words.take()).ok_or(Unreadable::Damaged)?;
        let (has_model, has_clock) = (words.take_flag()?, words.take_flag()?);
        let (asleep, offset) = (words.take_span(), words.take_span());
        let (knows_utc, tai_minus_utc) = (words.take_flag()?, words.take_offset()?);
        let leap = match words.take() {
            0 => None,
            1 => Some(LeapKind::Inserted),
            2 => Some(LeapKind::Deleted),
            _ => return Err(Unreadable::Damaged),
        };
        let (max_rate, max_drift) = (words.take_rate(), words.take_rate());
        let (anchor, local) = (Time::from_epoch(words.take_span()), Time::from_epoch(words.take_span()));
        let clock = UserClock { anchor, local, rate: words.take_rate() };
        let clock = has_clock.then_some(clock);
        let tai_minus_utc = knows_utc.then_some(tai_minus_utc);
        let model = if has_model { Some(words.take_model(max_drift)?) } else { None };
        words.next = MODEL_END;
        let written = Time::from_epoch(words.take_span());
        let course = words.take_course()?;
        let course = knows_utc.then_some(course);
        let marker = words.take_flag()?.then_some(words.take());
        Ok(Self {
            status,
            model,
            written,
            asleep,
            tai_minus_utc,
            course,
            leap,
            offset,
            max_rate,
            max_drift,
            clock,
            marker,
        })
    }
}

/// Where the words of the model end, whether there is one or not.
const MODEL_END: usize = 32;

/// Words being written or read, one after the other.
struct Words {
    words: [u64; WORDS],
    next: usize,
}

impl Words {
    fn put(&mut self, word: u64) {
        self.words[self.next] = word;
        self.next += 1;
    }

    /// Attoseconds in two words, the lower one first.
    fn put_span(&mut self, span: Span) {
        let bits = span.as_attos().cast_unsigned();
        self.put(bits as u64);
        self.put((bits >> 64) as u64);
    }

    fn put_rate(&mut self, rate: Rate) {
        self.put(rate.as_attos_per_second().cast_unsigned());
    }

    fn put_offset(&mut self, offset: i32) {
        self.put(i64::from(offset).cast_unsigned());
    }

    fn take(&mut self) -> u64 {
        let word = self.words[self.next];
        self.next += 1;
        word
    }

    fn take_flag(&mut self) -> Result<bool, Unreadable> {
        match self.take() {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Unreadable::Damaged),
        }
    }

    fn take_span(&mut self) -> Span {
        let (low, high) = (self.take(), self.take());
        Span::from_attos((u128::from(high) << 64 | u128::from(low)).cast_signed())
    }

    fn take_rate(&mut self) -> Rate {
        Rate::from_attos_per_second(self.take().cast_signed())
    }

    fn take_offset(&mut self) -> Result<i32, Unreadable> {
        i32::try_from(self.take().cast_signed()).map_err(|_| Unreadable::Damaged)
    }

    fn take_course(&mut self) -> Result<UtcCourse, Unreadable> {
        let leaps = Time::from_epoch(self.take_span());
        Ok(UtcCourse { before: self.take_offset()?, leaps, after: self.take_offset()? })
    }

    fn take_model(&mut self, drift: Rate) -> Result<Model, Unreadable> {
        let at = Time::from_epoch(self.take_span());
        let best = Time::from_epoch(self.take_span());
        let (before, after) = (self.take_span(), self.take_span());
        if before.is_negative() || after.is_negative() {
            return Err(Unreadable::Damaged);
        }
        let sigma = Span::from_nanos(self.take().cast_signed());
        let rate = self.take_rate();
        let limits = RateLimits { min: self.take_rate(), max: self.take_rate(), drift };
        let (rate_sigma, wander) = (self.take_rate(), self.take_rate());
        let bracket = Bracket { at, earliest: best - before, latest: best + after };
        Ok(Model { best, rate, bracket, limits, sigma, rate_sigma, wander })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(model: Option<Model>) -> Page {
        Page {
            status: Status::Holdover,
            model,
            written: Time::from_epoch(Span::from_secs(170)),
            asleep: Span::from_secs(3),
            tai_minus_utc: Some(37),
            course: Some(course()),
            leap: Some(LeapKind::Deleted),
            offset: Span::from_micros(-17),
            max_rate: Rate::from_ppb(500_000),
            max_drift: Rate::from_ppb(15_000),
            clock: model.map(|model| UserClock {
                anchor: model.bracket.at,
                local: Time::from_epoch(model.best.since_epoch()),
                rate: Rate::from_ppb(-60_123),
            }),
            marker: model.map(|_| u64::MAX - 7),
        }
    }

    fn model() -> Model {
        let best = Time::from_epoch(Span::from_attos(1_790_000_000_123_456_789_012_345_678));
        Model {
            best,
            rate: Rate::from_ppb(-60_000),
            bracket: Bracket {
                at: Time::from_epoch(Span::from_attos(123_456_789_012_345_678_901)),
                earliest: best - Span::from_micros(700),
                latest: best + Span::from_micros(900),
            },
            limits: RateLimits::around(Rate::from_ppb(-60_000), Rate::from_ppb(15_000))
                .drifting(Rate::from_ppb(15_000)),
            sigma: Span::from_micros(7),
            rate_sigma: Rate::from_ppb(3),
            wander: Rate::from_ppb(1),
        }
    }

    #[test]
    fn a_page_loses_nothing() {
        for page in [page(None), page(Some(model()))] {
            assert_eq!(Page::of_words(page.to_words()), Ok(page));
        }
    }

    #[test]
    fn a_page_of_another_layout_or_with_nonsense_is_refused() {
        let mut words = page(None).to_words();
        words[0] = 3;
        assert_eq!(Page::of_words(words), Err(Unreadable::Layout(3)));
        let mut words = page(None).to_words();
        words[1] = 99;
        assert_eq!(Page::of_words(words), Err(Unreadable::Damaged));
    }

    /// A second is inserted at so many seconds of TAI.
    fn course() -> UtcCourse {
        UtcCourse { before: 37, leaps: Time::from_epoch(Span::from_secs(LEAP)), after: 38 }
    }

    /// 2029-01-01 00:00:00 UTC, if a second is inserted before it.
    const LEAP: i64 = 1_861_920_038;

    #[test]
    fn a_page_from_before_a_sleep_tells_no_time() {
        let (page, raw) = (page(Some(model())), Time::from_epoch(Span::from_secs(200)));
        assert!(page.read(raw, page.asleep).is_some());
        assert!(page.read(raw, page.asleep + Span::from_millis(9)).is_some());
        assert!(page.read(raw, page.asleep + Span::from_millis(11)).is_none());
    }

    #[test]
    fn a_daemon_that_fell_silent_is_no_longer_called_synchronised() {
        let after = |status, seconds| {
            let page = Page { status, ..page(Some(model())) };
            page.status_at(page.written + Span::from_secs(seconds))
        };
        for status in Status::ALL {
            assert_eq!(after(status, 130), status);
        }
        assert_eq!(after(Status::Synchronised, 131), Status::Holdover);
        assert_eq!(after(Status::Degraded, 131), Status::Holdover);
        assert_eq!(after(Status::Unknown, 131), Status::Unknown);
        assert_eq!(after(Status::Disrupted, 131), Status::Disrupted);
    }

    #[test]
    fn a_leap_second_comes_though_nobody_writes_the_page_anew() {
        let tai = |seconds| Time::from_epoch(Span::from_secs(LEAP + seconds));
        let utc = |seconds| Time::from_epoch(Span::from_secs(LEAP - 38 + seconds));
        let course = course();
        assert_eq!((course.utc(tai(-2)), course.utc(tai(-1)), course.utc(tai(0))), (utc(-1), utc(0), utc(0)));
        assert_eq!(course.between(tai(-5), tai(-2)), (utc(-4), utc(-1)));
        assert_eq!(course.between(tai(-1), tai(0)), (utc(0), utc(1)));
        assert_eq!(course.between(tai(1), tai(2)), (utc(1), utc(2)));
    }

    #[test]
    fn the_course_of_utc_is_what_the_table_of_leap_seconds_says() {
        let mut leaps = LeapTable::COMPILED;
        let now = Time::from_epoch(Span::from_secs(1_790_000_037));
        assert_eq!(UtcCourse::at(&leaps, now), UtcCourse { before: 37, leaps: Time::EPOCH, after: 37 });
        for (kind, after) in [(LeapKind::Inserted, 38), (LeapKind::Deleted, 36)] {
            leaps = LeapTable::COMPILED;
            leaps.push(Time::from_epoch(Span::from_secs(1_861_920_000)), kind).expect("the end of a month");
            let course = UtcCourse::at(&leaps, now);
            assert_eq!((course.before, course.after), (37, after));
            for seconds in (-10..10).map(|half| half * 500) {
                let tai = course.leaps + Span::from_millis(seconds);
                assert_eq!(course.utc(tai), leaps.utc_of_tai(tai).time, "{kind:?} {seconds} ms");
            }
        }
    }
}

//! The page in shared memory from which any program of the machine reads the time without asking anybody.
//!
//! It holds the model and not the time: whoever reads it applies the model to the raw counter, and so gets the time and
//! its bound at the moment of reading, however long ago the page was written. The layout is described in
//! `docs/formats/page.md`; words are 64 bits, in the machine's byte order.

use truechimer_core::discipline::bracket::Bracket;
use truechimer_core::discipline::model::{Model, Reading};
use truechimer_core::discipline::oscillator::RateLimits;
use truechimer_core::moment::Moment;
use truechimer_core::node::report::Publication;
use truechimer_core::policy::TrustPolicy;
use truechimer_core::status::Status;
use truechimer_sys::clock::Readings;
use truechimer_sys::shm::WORDS;
use truechimer_time::{LeapKind, LeapTable, Local, Rate, Raw, Span, Tai, Time};

/// The layout that is written here. Readers refuse others.
pub const LAYOUT: u64 = 1;

/// The file's name in the run folder.
pub const FILE_NAME: &str = "time";

/// A sleep that is longer than this has interrupted the counter since the page was written.
const SLEEP_MIN: Span = Span::from_millis(10);

/// What the page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// How far the time can be relied upon.
    pub status: Status,
    /// The model, unless nothing is known.
    pub model: Option<Model>,
    /// How long the machine had slept since boot when the page was written.
    pub asleep: Span,
    /// TAI minus UTC in seconds, when the page was written.
    pub tai_minus_utc: Option<i32>,
    /// A leap second at the end of the UTC day in which the page was written.
    pub leap: Option<LeapKind>,
    /// Right time minus the clock that is steered, when the page was written.
    pub offset: Span,
    /// The rate of the clock that is steered, in the assumptions of the bound (A1).
    pub max_rate: Rate,
    /// The drift that is assumed (A2).
    pub max_drift: Rate,
    /// The clock of our own that is steered, if the kernel's is not.
    pub clock: Option<UserClock>,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It was written by another version.
    #[error(
        "the page has layout {0}, this program reads layout {LAYOUT}: use the program of the daemon's version"
    )]
    Layout(u64),
    /// A word is none that is ever written.
    #[error("the page holds a word that is never written: it is damaged")]
    Damaged,
}

impl Page {
    /// The page of a publication.
    pub fn of(publication: &Publication, trust: &TrustPolicy, clock: Option<UserClock>) -> Self {
        Self {
            status: publication.status,
            model: publication.model,
            asleep: publication.at.asleep,
            tai_minus_utc: publication.tai_minus_utc,
            leap: publication.leap,
            offset: publication.offset,
            max_rate: trust.max_rate,
            max_drift: publication.model.map_or(trust.max_drift, |model| model.limits.drift),
            clock,
        }
    }

    /// What time it is at a moment; `None` if nothing is known or the machine has slept since.
    pub fn read(&self, readings: &Readings) -> Option<Reading> {
        let is_whole = (readings.asleep - self.asleep).abs() <= SLEEP_MIN;
        self.model.filter(|_| is_whole).map(|model| model.read(readings.raw))
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
        let mut words = Words::default();
        words.put(LAYOUT);
        words.put(self.status.code());
        words.put(u64::from(self.model.is_some()));
        words.put(u64::from(self.clock.is_some()));
        words.put_span(self.asleep);
        words.put_span(self.offset);
        words.put(u64::from(self.tai_minus_utc.is_some()));
        words.put(i64::from(self.tai_minus_utc.unwrap_or(0)).cast_unsigned());
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
        let (knows_utc, tai_minus_utc) = (words.take_flag()?, words.take().cast_signed());
        let tai_minus_utc = i32::try_from(tai_minus_utc).map_err(|_| Unreadable::Damaged)?;
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
        Ok(Self { status, model, asleep, tai_minus_utc, leap, offset, max_rate, max_drift, clock })
    }
}

/// Words being written or read, one after the other.
#[derive(Default)]
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

/// The readings of a moment, as the core wants them, with the kernel's clock as the local one.
pub fn moment(readings: &Readings) -> Moment {
    Moment {
        raw: readings.raw,
        mono: readings.mono,
        local: readings.realtime,
        asleep: readings.asleep,
        width: readings.width,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use truechimer_sys::clock;

    fn page(model: Option<Model>) -> Page {
        Page {
            status: Status::Holdover,
            model,
            asleep: Span::from_secs(3),
            tai_minus_utc: Some(37),
            leap: Some(LeapKind::Deleted),
            offset: Span::from_micros(-17),
            max_rate: Rate::from_ppb(500_000),
            max_drift: Rate::from_ppb(15_000),
            clock: model.map(|model| UserClock {
                anchor: model.bracket.at,
                local: Time::from_epoch(model.best.since_epoch()),
                rate: Rate::from_ppb(-60_123),
            }),
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
        words[0] = 2;
        assert_eq!(Page::of_words(words), Err(Unreadable::Layout(2)));
        let mut words = page(None).to_words();
        words[1] = 99;
        assert_eq!(Page::of_words(words), Err(Unreadable::Damaged));
    }

    #[test]
    fn a_page_from_before_a_sleep_tells_no_time() {
        let now = clock::readings();
        let fresh = Page { asleep: now.asleep, ..page(Some(model())) };
        assert!(fresh.read(&now).is_some());
        assert!(fresh.read(&Readings { asleep: now.asleep + Span::from_secs(1), ..now }).is_none());
    }
}

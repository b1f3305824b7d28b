//! What the time is: an interval, and how far it can be relied upon.

use truechimer_model::{Page, Status};
use truechimer_time::{Rate, Raw, Scale, Span, Tai, Time, Utc};

use crate::Error;

/// True time is in here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval<S: Scale> {
    /// It is not before this.
    pub earliest: Time<S>,
    /// Where it is most likely.
    pub likeliest: Time<S>,
    /// It is not after this.
    pub latest: Time<S>,
}

impl<S: Scale> Interval<S> {
    /// Is `instant` in the past, for certain? What was true once stays true.
    pub fn has_passed(&self, instant: Time<S>) -> bool {
        instant < self.earliest
    }

    /// Was `instant` in the future, for certain, when the clock was read? It may have come meanwhile.
    pub fn is_to_come(&self, instant: Time<S>) -> bool {
        self.latest < instant
    }

    /// Was this moment, for certain, before that of `other`? Two intervals that overlap have no order.
    pub fn is_before(&self, other: &Self) -> bool {
        self.latest < other.earliest
    }

    /// The furthest that `likeliest` can be from the truth.
    pub fn bound(&self) -> Span {
        (self.likeliest - self.earliest).max(self.latest - self.likeliest)
    }
}

/// What the bound relies upon, beside an honest majority of those whom the daemon asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assumptions {
    /// A1: the machine's counter is never further than this from one second per second.
    pub max_rate: Rate,
    /// A2: its rate stays within this of its average over any stretch of the last day. Zero while only A1 is used.
    pub max_drift: Rate,
}

/// The time at one moment of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The time in TAI, which never jumps: compare by this.
    pub tai: Interval<Tai>,
    /// The time in UTC as POSIX counts it. While a leap second is possible, the interval has all counts that are.
    pub utc: Option<Interval<Utc>>,
    /// One standard deviation of the likeliest time, as far as statistics can see. The bound is certain, this is not.
    pub sigma: Span,
    /// How far the time can be relied upon: a daemon that has fallen silent is not called synchronised. The bound holds in any
    /// status, and grows.
    pub status: Status,
    /// Under which assumptions the bound holds.
    pub assumptions: Assumptions,
    /// The counter has gone on for so long since a majority was last heard.
    pub age: Span,
    /// What the counter showed.
    pub raw: Time<Raw>,
}

impl Reading {
    /// What a page says when the counter shows `raw` and the machine has slept for `asleep` since boot.
    ///
    /// # Errors
    /// [`Error::Unknown`] and [`Error::Slept`].
    pub fn of(page: &Page, raw: Time<Raw>, asleep: Span) -> Result<Self, Error> {
        let model = page.model.ok_or(Error::Unknown(page.status))?;
        if !page.is_whole(asleep) {
            return Err(Error::Slept);
        }
        let truechimer_model::Reading { earliest, best: likeliest, latest, sigma, age } = model.read(raw);
        let utc = page.course.map(|course| {
            let (earliest, latest) = course.between(earliest, latest);
            Interval { earliest, likeliest: course.utc(likeliest), latest }
        });
        let assumptions = Assumptions { max_rate: page.max_rate, max_drift: page.max_drift };
        let tai = Interval { earliest, likeliest, latest };
        Ok(Self { tai, utc, sigma, status: page.status_at(raw), assumptions, age, raw })
    }

    /// The furthest that the likeliest time can be from the truth.
    pub fn bound(&self) -> Span {
        self.tai.bound()
    }
}

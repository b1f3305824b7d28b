//! What one answer tells of a host's clock.

use truechimer_core::measure::exchange::Answer;
use truechimer_core::measure::sample::ROUNDING;
use truechimer_core::wire::ntp::Leap;
use truechimer_time::{Raw, Span, Time, Utc};

use super::window::{DRIFT_MAX, Window};

/// One question and its answer.
///
/// ```text
///            came ── left           the host's clock: not after `before`, not before `after`
///           ╱            ╲
///   sent ──╯              ╰── heard our raw counter
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// When our question left.
    pub sent: Time<Raw>,
    /// When its answer came.
    pub heard: Time<Raw>,
    /// How wrong these two can be.
    pub blur: Span,
    /// Before its answer left, the host's clock had shown this.
    pub after: Time<Utc>,
    /// After our question came, the host's clock had yet to show this.
    pub before: Time<Utc>,
    /// How long the way took, there and back, as far as the host tells.
    pub delay: Span,
    /// What the host says of its own clock.
    pub claim: Option<Claim>,
    /// What had to be assumed.
    pub doubts: Vec<Doubt>,
    /// It does not want to be asked again.
    pub is_last: bool,
}

/// What an NTP server says of its clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Claim {
    /// It is no further from true time than this: half of its root delay, its root dispersion, how finely it reads its clock, and
    /// what rounding took from these.
    pub distance: Span,
    /// How many steps it is from a reference clock.
    pub stratum: u8,
    /// Where it has its time from.
    pub reference_id: [u8; 4],
    /// Whether a leap second comes.
    pub leap: Leap,
}

impl Claim {
    /// What the answer says.
    pub fn of(answer: &Answer) -> Self {
        Self {
            distance: answer.root_delay.half() + answer.root_dispersion + answer.precision.span() + ROUNDING,
            stratum: answer.stratum,
            reference_id: answer.reference_id,
            leap: answer.leap,
        }
    }
}

/// Something that had to be assumed, or that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Doubt {
    /// Its answers contradict each other: its clock was set meanwhile, or what it says comes from a cache.
    Contradiction,
    /// The zone is not said; with this one, in minutes ahead of UTC, its clock is nearest to ours.
    Zone(i32),
    /// The day is not said; it is taken for ours.
    Day,
    /// Its certificate proves nothing: anybody on the way may have answered.
    Unverified,
}

impl Doubt {
    /// For people.
    pub fn text(self) -> String {
        match self {
            Self::Contradiction => {
                "its answers contradict each other (was its clock set, or does a cache answer?)".to_owned()
            }
            Self::Zone(minutes) => {
                let (sign, minutes) = (if minutes < 0 { '-' } else { '+' }, minutes.abs());
                format!("taking its zone for {sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
            Self::Day => "taking its day for ours".to_owned(),
            Self::Unverified => "its certificate proves nothing".to_owned(),
        }
    }

    /// For programs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Contradiction => "contradiction",
            Self::Zone(_) => "zone_assumed",
            Self::Day => "day_assumed",
            Self::Unverified => "unverified",
        }
    }
}

impl Told {
    /// How far the host's clock is ahead of our raw counter. After it had shown `after` we heard of it, and before it had shown
    /// `before` we asked; over so short a time it has drifted by what a clock may.
    pub fn window(&self) -> Window {
        let window = Window {
            lo: self.after.since_epoch() - self.heard.since_epoch(),
            hi: self.before.since_epoch() - self.sent.since_epoch(),
        };
        let drift = DRIFT_MAX.over((self.heard - self.sent).abs());
        // What is shorter than nothing can only come from stamps that are off by their blur.
        Window::between(window.lo, window.hi).widened(self.blur + drift)
    }
}

//! Courses of which nothing is certain but how far the clock was from the truth.
//!
//! Who slews at any rate tells nothing of one reading by another. But a correction only makes an error smaller: what was held before it is held
//! after it.

use truechimer_time::{Local, Rate, Span, Tai, Time};

use super::{Held, Knot, Rates, Stretch};

/// A clock that was never further off was not set, unless by less than twice that. chronyd steps by a second or a tenth (`makestep`), not
/// by a hundredth.
const UNSET: Span = Span::from_millis(5);

impl Rates {
    /// Of a clock that is slewed as fast as Linux lets anybody: by a tenth (adjtimex(2), `tick`), and 500 ppm.
    pub const SLEWED: Self = Self { min: Rate::from_ppb(-120_000_000), max: Rate::from_ppb(120_000_000) };
}

impl Knot {
    /// May somebody slew the clock from here on, faster than any goes by itself?
    pub(super) fn is_slewed(&self) -> bool {
        Rates::ANY.max < self.rates.max
    }
}

impl Stretch {
    /// Whoever slews corrects an error that is within what is known: after the last knot, up to this reading, the clock was not further off
    /// than it can have come by itself.
    pub(super) fn hold_until(&mut self, reading: Time<Local>) {
        let Some(last) = self.knots.last_mut().filter(|last| last.is_slewed() && last.reading < reading)
        else {
            return;
        };
        let end = last.forwards(reading, Rates::ANY);
        let apart = |truth: Time<Tai>, reading: Time<Local>| truth.since_epoch() - reading.since_epoch();
        last.held = Some(Held {
            min: apart(last.truth.earliest, last.reading).min(apart(end.earliest, reading)),
            max: apart(last.truth.latest, last.reading).max(apart(end.latest, reading)),
        });
    }
}

/// May the clock have been set between this knot and the next?
fn may_be_set(knot: &Knot) -> bool {
    knot.held.is_some_and(|held| held.max - held.min > UNSET + UNSET)
}

/// Knots as stretches, in some of which the clock may have been set. Each ends at the knot at which the next one begins; of what is before and
/// after all of them something can be told, or not ([`super::Piece::is_closed`]).
pub(super) fn stretches(knots: &[Knot], is_closed: bool) -> Vec<Stretch> {
    let mut stretches = Vec::new();
    let mut rest = knots;
    while let [first, ..] = rest
        && rest.len() > 1
    {
        let same = rest.iter().take_while(|knot| may_be_set(knot) == may_be_set(first)).count();
        let end = same.min(rest.len() - 1);
        let (begins, ends) = (rest.len() == knots.len(), end + 1 == rest.len());
        let stretch = Stretch::held(rest[..=end].to_vec(), may_be_set(first));
        stretches.push(stretch.closed(!begins || is_closed, !ends || is_closed));
        rest = &rest[end..];
    }
    stretches
}

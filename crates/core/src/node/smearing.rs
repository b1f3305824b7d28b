//! Whether a source smears leap seconds, as far as that can be told: for people, nothing is decided by it.
//!
//! Most of the time smeared time is UTC, and no server says in NTP which of the two it tells. Two things give it away. Some say
//! by their reference id who they are, and it is known of these that they smear. Around a leap second what is told goes along
//! the line from noon to noon that public servers have agreed upon, while the majority has UTC. Whoever smears in another way
//! is merely outvoted, and nothing more is said of him.

use truechimer_time::{LeapTable, Span, Tai, Time};

use crate::server::smear::Smear;

/// How a source was found to smear leap seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Smearing {
    /// Its reference id is that of a service which says that it does.
    ByName,
    /// It tells now what a smear from noon to noon makes of a leap second.
    ByCourse,
}

impl Smearing {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::ByName => "by name",
            Self::ByCourse => "by course",
        }
    }
}

/// By these name themselves, at stratum 1, services that smear: Google Public NTP (developers.google.com/time/smear).
const NAMES: [[u8; 4]; 1] = [*b"GOOG"];

/// How public servers smear: over a day.
const PUBLIC: Span = Span::from_secs(86_400);

/// What a source said of the time at one moment, and what the time was then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// By the source alone,
    pub(super) tai: Time<Tai>,
    /// and by the model.
    pub(super) truth: Time<Tai>,
    /// By so much these two can be apart while both are right.
    pub(super) slack: Span,
}

impl Smearing {
    /// What gives a source away, if anything does.
    pub(super) fn of(
        stratum: u8,
        reference_id: [u8; 4],
        told: Option<Told>,
        leaps: &LeapTable,
    ) -> Option<Self> {
        if stratum == 1 && NAMES.contains(&reference_id) {
            return Some(Self::ByName);
        }
        told.is_some_and(|told| told.is_smeared(leaps)).then_some(Self::ByCourse)
    }
}

impl Told {
    /// Is it what a smear makes of the truth, and not the truth?
    fn is_smeared(self, leaps: &LeapTable) -> bool {
        let Some(smear) = Smear::over(PUBLIC) else { return false };
        let smeared = leaps.tai_of_utc(smear.utc(leaps, self.truth));
        let apart = |from: Time<Tai>| (self.tai - from).abs();
        self.slack < apart(self.truth) && apart(smeared) <= self.slack
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use truechimer_time::Civil;

    const LEAPS: LeapTable = LeapTable::COMPILED;

    /// So long from the last leap second, the source tells UTC that is so far ahead.
    fn told(from_leap: i64, ahead: Span) -> Told {
        let midnight = LEAPS.tai_of_utc("2017-01-01T00:00:00Z".parse::<Civil>().unwrap().time().unwrap());
        let truth = midnight + Span::from_secs(from_leap);
        Told { tai: truth + ahead, truth, slack: Span::from_millis(20) }
    }

    fn found(told: Told) -> Option<Smearing> {
        Smearing::of(2, [192, 0, 2, 1], Some(told), &LEAPS)
    }

    #[test]
    fn who_goes_from_noon_to_noon_smears() {
        // A quarter of the way before and after: a quarter of a second behind, and ahead.
        assert_eq!(found(told(-21_601, Span::from_millis(-250))), Some(Smearing::ByCourse));
        assert_eq!(found(told(21_600, Span::from_millis(250))), Some(Smearing::ByCourse));
    }

    #[test]
    fn who_is_wrong_in_another_way_is_not_said_to_smear() {
        for ahead in [-1000, -500, -200, 0, 200, 250, 1000].map(Span::from_millis) {
            assert_eq!(found(told(-21_601, ahead)), None, "{ahead}");
        }
        for from_leap in [-43_202, 43_201, 1_000_000] {
            assert_eq!(
                found(told(from_leap, Span::from_millis(250))),
                None,
                "{from_leap} s from the leap second"
            );
        }
    }

    #[test]
    fn who_cannot_be_told_from_the_truth_is_not_said_to_smear() {
        // A minute after noon it is less than a millisecond.
        assert_eq!(found(told(-43_140, Span::from_micros(-695))), None);
    }

    #[test]
    fn a_service_that_says_that_it_smears_is_known_by_its_name_at_any_time() {
        assert_eq!(Smearing::of(1, *b"GOOG", None, &LEAPS), Some(Smearing::ByName));
        // Behind the first stratum these are the bytes of an address.
        assert_eq!(Smearing::of(2, *b"GOOG", None, &LEAPS), None);
        assert_eq!(Smearing::of(1, *b"PPS\0", None, &LEAPS), None);
    }
}

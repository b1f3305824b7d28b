use super::*;
use proptest::prelude::*;
use truechimer_time::{Civil, LeapKind};

fn midnight(year: i64) -> Time<Utc> {
    Civil { year, ..Civil::of(Time::EPOCH) }.time().expect("a date")
}

/// An inserted second at the end of 2034, and one that is left out a year later.
fn leaps() -> LeapTable {
    let mut leaps = LeapTable::COMPILED;
    leaps.push(midnight(2035), LeapKind::Inserted).unwrap();
    leaps.push(midnight(2036), LeapKind::Deleted).unwrap();
    leaps
}

fn day() -> Smear {
    Smear::over(Span::from_secs(86_400)).unwrap()
}

#[test]
fn only_whole_hours_that_clients_can_follow_are_taken() {
    let over = |seconds| Smear::over(Span::from_secs(seconds)).map(Smear::length);
    assert_eq!(over(86_400), Some(Span::from_secs(86_400)));
    assert!(over(7_200).is_some() && over(172_800).is_some());
    for seconds in [0, -86_400, 3_600, 7_199, 9_000, 176_400, i64::MAX] {
        assert_eq!(over(seconds), None, "{seconds}");
    }
    assert_eq!(Smear::over(Span::from_secs(86_400) + Span::from_attos(1)), None);
    assert_eq!(Smear::over(Span::MAX), None);
}

#[test]
fn a_smear_goes_from_noon_to_noon() {
    for (year, seconds) in [(2035, 86_401), (2036, 86_399)] {
        let leaps = leaps();
        let noon = |days| midnight(year) + Span::from_secs(43_200) * days;
        let stretch = day().stretch(&leaps, leaps.tai_of_utc(noon(-2))).unwrap();
        assert_eq!(
            (stretch.begins(), stretch.ends()),
            (leaps.tai_of_utc(noon(-1)), leaps.tai_of_utc(noon(1)))
        );
        assert_eq!((stretch.counts(), stretch.lasts()), (86_400, seconds));
        assert_eq!((stretch.utc(stretch.begins()), stretch.utc(stretch.ends())), (noon(-1), noon(1)));
    }
}

#[test]
fn nothing_is_smeared_but_around_leap_seconds() {
    let leaps = leaps();
    for utc in
        [midnight(2034), midnight(2035) - Span::from_secs(43_201), midnight(2035) + Span::from_secs(43_200)]
    {
        assert_eq!(day().utc(&leaps, leaps.tai_of_utc(utc)), utc);
    }
    assert_eq!(
        day().stretch(&leaps, leaps.tai_of_utc(midnight(2037))),
        None,
        "no more leap seconds are known"
    );
}

proptest! {
    /// No second is told twice and none is left out: what is told goes on by as much as passes, but for the 86,401st part.
    #[test]
    fn what_is_told_goes_on_evenly(
        year in 2035i64..=2036,
        hours in HOURS,
        at in -100_000_000_000_000i64..100_000_000_000_000,
        step in 0i64..1_000_000_000_000,
    ) {
        let (leaps, smear) = (leaps(), Smear::over(Span::from_secs(hours / 2 * 2 * 3_600)).unwrap());
        let from = leaps.tai_of_utc(midnight(year)) + Span::from_nanos(at);
        let step = Span::from_nanos(step);
        let told = smear.utc(&leaps, from + step) - smear.utc(&leaps, from);
        let part = step.as_attos() / i128::from(hours / 2 * 2 * 3_600 - 1);
        prop_assert!((told - step).as_attos().abs() <= part + 1, "{told} in {step}");
        let (utc, tai) = (smear.utc(&leaps, from), leaps.utc_of_tai(from).time);
        prop_assert!((utc - tai).abs() <= Span::from_secs(1));
    }
}

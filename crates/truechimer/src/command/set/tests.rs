//! The decision alone. Nothing here can reach [`carry_out`].

use super::*;
use proptest::prelude::*;

const WISH: Wish = Wish { way: Way::BySize, single: false, force: false };
const BOUND: Span = Span::from_millis(5);

#[test]
fn a_small_offset_is_slewed_and_a_large_one_stepped() {
    for (millis, expected) in
        [(128, Deed::Slew as fn(Span) -> Deed), (129, Deed::Step), (-128, Deed::Slew), (-129, Deed::Step)]
    {
        let offset = Span::from_millis(millis);
        assert_eq!(decided(offset, WISH), Ok(Plan { deed: expected(offset), bound: BOUND }));
    }
}

#[test]
fn the_user_may_want_it_otherwise() {
    let (small, large) = (Span::from_millis(-1), Span::from_secs(2145));
    let deed = |offset, way| decided(offset, Wish { way, ..WISH }).map(|plan| plan.deed);
    assert_eq!(deed(small, Way::Step), Ok(Deed::Step(small)));
    assert_eq!(deed(large, Way::Slew), Ok(Deed::Slew(large)));
    let too_far = large + Span::from_nanos(1);
    assert_eq!(deed(too_far, Way::Slew), Err(Objection::TooFarToSlew { offset: too_far }));
}

/// Law: no default trusts one source.
#[test]
fn one_operator_is_not_trusted_unless_told() {
    let count = Count { operators: 1, votes: 1, needed: 1, ..count(Span::from_secs(5)) };
    assert_eq!(decide(&count, WISH, now(), FLOOR), Err(Objection::OneOperator));
    assert!(decide(&count, Wish { single: true, ..WISH }, now(), FLOOR).is_ok());
}

#[test]
fn without_a_majority_nothing_is_done() {
    let few = Count { outcome: Err(TooFew { agree: 1 }), ..count(Span::ZERO) };
    for wish in [WISH, Wish { way: Way::Step, single: true, force: true }] {
        let objection = Objection::NoMajority { agree: 1, votes: 3, needed: 2 };
        assert_eq!(decide(&few, wish, now(), FLOOR), Err(objection));
    }
}

/// Bad input 94.
#[test]
fn the_past_is_not_returned_to_even_by_force() {
    let offset = FLOOR.since_epoch() - now().since_epoch() - Span::from_nanos(1);
    let forced = decided(offset, Wish { force: true, ..WISH });
    let objection = forced.unwrap_err();
    assert!(matches!(objection, Objection::BeforeFloor { .. }));
    assert_eq!(
        objection.to_string(),
        "the sources say that it is 2026-07-05T23:59:59Z, which is past for certain"
    );
    assert!(decided(offset + Span::from_nanos(1), Wish { force: true, ..WISH }).is_ok());
}

#[test]
fn more_than_a_year_takes_force() {
    let offset = OFFSET_MAX + Span::from_nanos(1);
    assert_eq!(decided(offset, WISH), Err(Objection::TooFar { offset }));
    assert_eq!(decided(offset, Wish { force: true, ..WISH }).map(|plan| plan.deed), Ok(Deed::Step(offset)));
    assert!(decided(OFFSET_MAX, WISH).is_ok());
}

#[test]
fn a_clock_that_was_set_meanwhile_is_left_alone() {
    let count = count(Span::from_secs(1));
    for moved in [Span::from_secs(-1), AGE_MAX + Span::from_nanos(1)] {
        assert_eq!(decide(&count, WISH, now() + moved, FLOOR), Err(Objection::ClockSet));
    }
}

#[test]
fn the_older_the_measurement_the_wider_the_bound() {
    let plan = decide(&count(Span::from_secs(1)), WISH, now() + Span::from_secs(2), FLOOR).unwrap();
    assert_eq!(plan.bound, BOUND + Span::from_millis(1));
}

#[test]
fn a_plan_says_what_and_how_long() {
    let plan = |deed| Plan { deed, bound: BOUND }.to_string();
    assert_eq!(
        plan(Deed::Step(Span::from_secs(-5))),
        "step the clock backward by 5.0000 s; then it is right ± 5.000 ms"
    );
    assert_eq!(
        plan(Deed::Slew(Span::from_millis(12))),
        "slew the clock forward by 12.00 ms, in 24.00 s; then it is right ± 5.000 ms"
    );
}

proptest! {
    #[test]
    fn what_the_other_process_says_is_understood(offset in any::<i128>(), bound in 0..i128::MAX, votes in 0usize..99) {
        let [offset, bound] = [offset, bound].map(Span::from_attos);
        let majority = Majority { agree: votes, offset, bound, local: now() };
        for outcome in [Ok(majority), Err(TooFew { agree: votes })] {
            let count = Count { operators: 3, votes, needed: 2, outcome };
            prop_assert_eq!(Count::read(count.write().as_bytes()), Some(count));
        }
    }

    #[test]
    fn no_bytes_of_the_other_process_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = Count::read(&bytes);
    }

    #[test]
    fn no_offset_breaks_the_decision(offset in any::<i128>(), force in any::<bool>()) {
        let offset = Span::from_attos(offset);
        if let Ok(plan) = decided(offset, Wish { force, ..WISH }) {
            prop_assert_eq!(plan.deed.by(), offset);
            prop_assert!(now().since_epoch() + offset >= FLOOR.since_epoch());
        }
    }
}

#[test]
fn a_negative_bound_is_nonsense() {
    assert_eq!(Count::read(b"3 3 2 3 0.5 -0.1 1900000000"), None);
    assert!(Count::read(b"3 3 2 3 0.5 0.1 1900000000").is_some());
}

/// 2026-07-06 00:00:00 UTC.
const FLOOR: Time<Utc> = Time::from_epoch(Span::from_secs(1_783_296_000));

fn now() -> Time<Local> {
    Time::from_epoch(Span::from_secs(1_900_000_000))
}

fn count(offset: Span) -> Count {
    let majority = Majority { agree: 3, offset, bound: BOUND, local: now() };
    Count { operators: 3, votes: 3, needed: 2, outcome: Ok(majority) }
}

fn decided(offset: Span, wish: Wish) -> Result<Plan, Objection> {
    decide(&count(offset), wish, now(), FLOOR)
}

//! The vote, by hand and at random.

use super::*;
use proptest::prelude::*;

fn bracket(earliest: i64, latest: i64) -> Bracket {
    let tai = |millis| Time::EPOCH + Span::from_millis(millis);
    Bracket { at: Time::EPOCH, earliest: tai(earliest), latest: tai(latest) }
}

/// Voters of one operator each.
fn voters(brackets: &[(i64, i64)]) -> Vec<Voter> {
    let voter = |(source, &(earliest, latest)): (usize, &(i64, i64))| Voter {
        source,
        operator: source,
        bracket: bracket(earliest, latest),
        trust: false,
        require: false,
        incumbent: false,
    };
    brackets.iter().enumerate().map(voter).collect()
}

const OF_FOUR: Quorum = Quorum { operators: 4, needed: 3 };

fn set(sources: &[usize]) -> SourceSet {
    sources.iter().copied().collect()
}

#[test]
fn a_falseticker_is_outvoted() {
    let agreement = vote(&voters(&[(0, 10), (5, 12), (3000, 3001), (-2, 8)]), OF_FOUR).expect("three agree");
    assert_eq!(agreement.agreed, bracket(5, 8));
    assert_eq!(agreement.falsetickers, set(&[2]));
    assert_eq!(agreement.truechimers, set(&[0, 1, 3]));
}

#[test]
fn half_is_no_majority() {
    let divided = voters(&[(0, 10), (5, 12), (3000, 3001), (2990, 3005)]);
    let too_few = NoMajority::TooFew { agree: 2, needed: 3, speak: 4, operators: 4 };
    assert_eq!(vote(&divided, OF_FOUR), Err(too_few));
    let nobody = NoMajority::TooFew { agree: 0, needed: 1, speak: 0, operators: 1 };
    assert_eq!(vote(&[], Quorum::majority_of(1)), Err(nobody));
}

#[test]
fn many_servers_of_one_operator_have_one_vote() {
    let mut crowd = voters(&[(0, 10), (5, 12), (100, 110), (100, 110), (100, 110)]);
    for sibling in &mut crowd[2..] {
        sibling.operator = 2;
    }
    let agreement = vote(&crowd, Quorum::majority_of(3)).expect("two operators agree");
    assert_eq!(agreement.falsetickers, set(&[2, 3, 4]));
}

#[test]
fn the_agreement_covers_what_a_liar_could_hide() {
    // The fourth joins the right part of three honest ones whose truth is at 1.
    let agreement = vote(&voters(&[(0, 10), (0, 10), (0, 10), (8, 12)]), OF_FOUR).expect("all overlap");
    assert_eq!(agreement.agreed, bracket(0, 10));
    assert_eq!(agreement.peak, bracket(8, 10));
}

/// The third honest one of five has not spoken yet, and two liars cut the truth, at 0, from both of the others.
#[test]
fn liars_cannot_use_that_an_honest_one_keeps_silent() {
    let early = voters(&[(-10, 10), (-10, 10), (2, 20), (2, 20)]);
    let agreement = vote(&early, Quorum::majority_of(5)).expect("all overlap");
    assert_eq!(agreement.agreed, bracket(-10, 20));
}

/// Of five operators three are honest and silenced; the two that are left agree upon a lie.
#[test]
fn liars_cannot_use_that_the_honest_are_silenced() {
    let liars = voters(&[(1000, 1010), (1000, 1010)]);
    let too_few = NoMajority::TooFew { agree: 2, needed: 3, speak: 2, operators: 5 };
    assert_eq!(vote(&liars, Quorum::majority_of(5)), Err(too_few));
}

/// Two of five are enough if the operator says so, but then of the two one is taken to be honest, no matter which.
#[test]
fn where_fewer_may_decide_the_agreement_is_all_that_one_of_them_may_mean() {
    let quorum = |living| Quorum::of_the_living(5, living, 2);
    assert_eq!([5, 4, 3, 2, 1, 0].map(|living| quorum(living).needed), [3, 3, 2, 2, 2, 2]);
    let two = voters(&[(0, 10), (8, 30)]);
    assert_eq!(vote(&two, quorum(2)).expect("two agree").agreed, bracket(0, 30));
    let three = voters(&[(0, 10), (8, 30), (500, 510)]);
    let agreement = vote(&three, quorum(3)).expect("two of three agree");
    assert_eq!((agreement.agreed, agreement.falsetickers), (bracket(8, 10), set(&[2])));
    assert!(vote(&two[..1], quorum(1)).is_err(), "never fewer than two");
}

#[test]
fn asking_for_more_than_a_majority_does_not_loosen_what_is_agreed() {
    let strict = Quorum::of_the_living(5, 3, 3);
    assert_eq!(strict, Quorum::majority_of(5), "the dead count again");
    assert_eq!(Quorum::of_the_living(5, 5, 4).needed, 4);
}

#[test]
fn of_two_equal_hills_the_one_with_the_incumbents_is_chosen() {
    let mut divided = voters(&[(0, 10), (8, 20), (18, 30)]);
    let quorum = Quorum::majority_of(3);
    assert_eq!(vote(&divided, quorum).expect("two agree").falsetickers, set(&[2]));
    divided[2].incumbent = true;
    assert_eq!(vote(&divided, quorum).expect("two agree").falsetickers, set(&[0]));
}

#[test]
fn a_falseticker_is_so_far_off() {
    let agreement = vote(&voters(&[(0, 10), (5, 12), (-2, 8)]), Quorum::majority_of(3)).expect("three agree");
    let millis = |earliest, latest| agreement.distance(bracket(earliest, latest)).as_seconds() * 1e3;
    assert_eq!([millis(30, 40), millis(-9, -1), millis(6, 100)], [22.0, -6.0, 0.0]);
}

#[test]
fn a_trusted_source_is_believed_against_a_majority() {
    let mut sources = voters(&[(0, 10), (5, 12), (3, 9), (500, 510)]);
    sources[3].trust = true;
    let agreement = vote(&sources, OF_FOUR).expect("the trusted one decides");
    assert_eq!(agreement.truechimers, set(&[3]));
    assert!(agreement.by_trust);
}

#[test]
fn a_trusted_source_can_be_outvoted_by_trusted_ones_only() {
    let mut sources = voters(&[(0, 10), (5, 12), (3, 9), (500, 510)]);
    (sources[0].trust, sources[3].trust) = (true, true);
    assert_eq!(vote(&sources, OF_FOUR), Err(NoMajority::TrustedDisagree));
    sources[1].trust = true;
    let agreement = vote(&sources, OF_FOUR).expect("two of three trusted ones agree");
    assert_eq!(agreement.truechimers, set(&[0, 1, 2]), "with those who are not trusted, but agree");
}

#[test]
fn a_majority_without_a_required_source_is_none() {
    let mut sources = voters(&[(0, 10), (5, 12), (3, 9), (500, 510)]);
    sources[3].require = true;
    assert_eq!(vote(&sources, OF_FOUR), Err(NoMajority::RequiredMissing));
    sources[0].require = true;
    assert!(vote(&sources, OF_FOUR).is_ok());
}

proptest! {
    /// Bad input 138: one liar of four at any offset never moves the agreement away from the truth.
    #[test]
    fn bad_input_138_the_truth_is_in_the_agreement_while_a_majority_is_honest(
        honest in proptest::collection::vec((0i64..1000, 0i64..1000), 3..6),
        liars in proptest::collection::vec((-1_000_000i64..1_000_000, 0i64..1_000_000), 0..3),
        silent in 0usize..3,
    ) {
        prop_assume!(liars.len() < honest.len());
        let operators = honest.len() + liars.len();
        let silent = silent.min(honest.len() - 1);
        let brackets: Vec<(i64, i64)> = honest[silent..].iter().map(|&(before, after)| (-before, after))
            .chain(liars.iter().map(|&(from, width)| (from, from + width)))
            .collect();
        let agreed = vote(&voters(&brackets), Quorum::majority_of(operators));
        prop_assert!(agreed.is_ok() || silent > 0, "the honest overlap");
        let Ok(agreement) = agreed else { return Ok(()) };
        prop_assert!(agreement.agreed.earliest <= Time::EPOCH && Time::EPOCH <= agreement.agreed.latest);
        prop_assert!(agreement.agreed.meet(agreement.peak).is_some());
    }
}

/// Four that agree upon 0 to 10.
fn agreed() -> (Vec<Voter>, Agreement) {
    let voters = voters(&[(0, 10), (0, 10), (-5, 10), (0, 12)]);
    let agreement = vote(&voters, Quorum::majority_of(4)).expect("all overlap");
    (voters, agreement)
}

/// Reference clocks without a vote, numbered from four.
fn pulses(brackets: &[(i64, i64)]) -> Vec<Voter> {
    voters(&[&[(0, 0); 4], brackets].concat()).split_off(4)
}

#[test]
fn a_pulse_narrows_what_is_agreed_upon_and_cannot_move_it() {
    let (voters, agreement) = agreed();
    let refined = agreement.refined(&voters, &pulses(&[(3, 4)]));
    assert_eq!((refined.agreed, refined.peak), (bracket(3, 4), bracket(3, 4)));
    assert_eq!((refined.truechimers, refined.falsetickers), (set(&[0, 1, 2, 3, 4]), set(&[])));
    let astray = agreement.refined(&voters, &pulses(&[(13, 14)]));
    assert_eq!(astray.agreed, agreement.agreed);
    assert_eq!((astray.truechimers, astray.falsetickers), (set(&[0, 1, 2, 3]), set(&[4])));
    assert_eq!(agreement.refined(&voters, &[]), agreement);
}

#[test]
fn pulses_that_contradict_each_other_narrow_nothing() {
    let (voters, agreement) = agreed();
    let refined = agreement.refined(&voters, &pulses(&[(3, 4), (6, 7)]));
    assert_eq!((refined.agreed, refined.falsetickers), (agreement.agreed, set(&[4, 5])));
    let outvoted = agreement.refined(&voters, &pulses(&[(3, 4), (6, 7), (3, 4)]));
    assert_eq!((outvoted.agreed, outvoted.falsetickers), (bracket(3, 4), set(&[5])));
}

#[test]
fn a_refiner_that_votes_is_outvoted_like_any_other() {
    let voters = voters(&[(0, 10), (0, 10), (0, 10), (20, 21)]);
    let agreement = vote(&voters, Quorum::majority_of(4)).expect("three agree");
    assert_eq!(agreement.refined(&voters, &voters[3..]), agreement);
}

proptest! {
    #[test]
    fn refining_keeps_the_truth_where_the_refiners_are_honest(
        brackets in prop::collection::vec((-50i64..=0, 0i64..50), 3..6),
        honest in prop::collection::vec((-9i64..=0, 0i64..9), 1..4), far in -200i64..200, liars in 0usize..2,
    ) {
        let voters = voters(&brackets);
        let agreement = vote(&voters, Quorum::majority_of(voters.len())).expect("the truth at 0 is in all");
        let liars = if honest.len() > 2 * liars { liars } else { 0 };
        let spoilt: Vec<(i64, i64)> = honest
            .iter()
            .enumerate()
            .map(|(index, &bracket)| if index < liars { (far, far + 1) } else { bracket })
            .collect();
        let mut refiners = super::tests::voters(&spoilt);
        refiners.iter_mut().for_each(|refiner| (refiner.source, refiner.operator) = (refiner.source + 8, refiner.operator + 8));
        let refined = agreement.refined(&voters, &refiners);
        prop_assert!(refined.agreed.earliest <= Time::EPOCH && Time::EPOCH <= refined.agreed.latest);
        prop_assert!(refined.agreed.width() <= agreement.agreed.width());
    }
}

//! Machines whose clock is too wrong for certificates. The names carry the numbers of `docs/bad-inputs.md`.

use std::collections::BTreeSet;

use truechimer_core::event::{Bootstrapping, Event};
use truechimer_core::status::Status;
use truechimer_core::wire::aead::Aead;
use truechimer_sim::scenario::{Change, Scenario};
use truechimer_sim::server::{NtsSpec, ServerSpec, Trouble, Validity};
use truechimer_sim::world::{Glimpse, Outcome, World};
use truechimer_time::{Civil, Span, Time, Utc};

const YEAR: i64 = 31_556_952;

/// The date is 2026-01-01.
const TODAY: [&str; 2] = ["2025-12-01T00:00:00Z", "2026-03-01T00:00:00Z"];

const STOLEN: [&str; 2] = ["2021-01-01T00:00:00Z", "2023-01-01T00:00:00Z"];

#[test]
fn bad_input_37_a_clock_before_all_certificates_is_set_by_a_quorum_and_by_nothing_less() {
    for years in [10, 56, -3] {
        let outcome = run(wrong(years, Some(3), vec![honest(0), honest(1), honest(2)]));
        assert_settled(&outcome);
        let stages = stages(&outcome);
        assert!(matches!(stages[..], [Bootstrapping::Begun { needed: 3 }, Bootstrapping::Claimed { .. }]));
        assert_eq!(outcome.agreed.len(), 3 * 3, "refused, for the vote, for good: {:?}", outcome.agreed);
        assert_eq!(outcome.told.stepped, 1);
        let strict = run(wrong(years, None, vec![honest(0), honest(1), honest(2)]));
        assert_untouched(&strict);
        assert_eq!((strict.questions, self::stages(&strict).len()), (0, 0));
    }
}

#[test]
fn bad_input_37_one_with_a_stolen_certificate_moves_nothing() {
    let servers = vec![honest(0), thief(1), honest(2)];
    let outcome = run(wrong(10, Some(2), servers.clone()));
    assert_settled(&outcome);
    assert_eq!(outcome.told.stepped, 1);
    let all_three = run(wrong(10, Some(3), servers));
    assert_untouched(&all_three);
    assert!(all_three.questions > 0, "they were asked");
    // Whoever holds the others up as well is alone, and that is too few.
    let alone = vec![(Span::ZERO, cut(0)), (Span::ZERO, cut(2))];
    let servers = vec![honest(0), thief(1), honest(2)];
    assert_untouched(&run(Scenario { changes: alone, ..wrong(10, Some(2), servers) }));
}

/// All of them say the right time, and nobody can prove it: not at the first time, and not later.
#[test]
fn bad_input_37_certificates_that_are_expired_at_the_time_agreed_on_set_no_clock() {
    let expired = |operator| server(operator, STOLEN, Span::ZERO);
    let outcome = run(wrong(10, Some(3), vec![expired(0), expired(1), expired(2)]));
    assert_untouched(&outcome);
    let unproved = stages(&outcome).into_iter().filter(|stage| *stage == Bootstrapping::Unproved).count();
    // 21 key exchanges with each in a day, as with servers that never answer: one is by the clock, then two for each vote.
    assert!((2..=10).contains(&unproved), "{unproved}");
    assert!(outcome.agreed.len() <= 3 * 21, "ever more rarely: {}", outcome.agreed.len());
}

/// Two of three tell a time at which their stolen certificates were valid. Nobody else may fail to agree.
#[test]
fn bad_input_37_fewer_thieves_than_must_agree_move_nothing() {
    let outcome = run(wrong(10, Some(3), vec![thief(0), thief(1), honest(2)]));
    assert_untouched(&outcome);
    let among_five = vec![thief(0), thief(1), honest(2), honest(3), honest(4)];
    assert_settled(&run(wrong(10, Some(3), among_five)));
}

#[test]
fn certificates_that_ended_before_the_floor_are_not_even_taken_for_the_vote() {
    let long_ago = ["2010-01-01T00:00:00Z", "2019-01-01T00:00:00Z"];
    let ended = |operator| server(operator, long_ago, Span::from_secs(-8 * YEAR));
    let outcome = run(wrong(10, Some(3), vec![ended(0), ended(1), ended(2)]));
    assert_untouched(&outcome);
    assert_eq!(outcome.questions, 0);
}

#[test]
fn fewer_servers_than_must_agree_set_no_clock() {
    let outcome = run(wrong(10, Some(3), vec![honest(0), honest(1)]));
    assert_untouched(&outcome);
    assert_eq!(stages(&outcome), [Bootstrapping::Begun { needed: 3 }]);
}

/// Too few for the vote, so that they stay what they are.
#[test]
fn sources_under_provisional_keys_are_called_so() {
    let mut standings = BTreeSet::new();
    let watch = |glimpse: &Glimpse<'_>| {
        let sources = glimpse.node.report(&glimpse.now).sources;
        standings.extend(sources.iter().filter(|source| source.samples > 0).map(|s| s.standing.word()));
    };
    World::new(&wrong(10, Some(3), vec![honest(0), honest(1)]), 1).watched().run_watched(watch);
    assert_eq!(standings, BTreeSet::from(["provisional"]), "whatever they say is not for the vote");
}

#[test]
fn where_the_clock_is_right_an_expired_certificate_is_refused_as_ever() {
    let outcome = run(wrong(0, Some(2), vec![honest(0), thief(1), honest(2)]));
    assert_settled(&outcome);
    assert!(stages(&outcome).is_empty());
    assert!(outcome.asked.iter().all(|(_, server)| *server != 1), "it is never asked");
}

/// What is wrong with them ends, so that the second vote can be proved.
#[test]
fn a_vote_that_could_not_be_proved_is_held_again() {
    let mut servers = vec![honest(0), honest(1), honest(2)];
    servers[1].nts = servers[1].nts.map(|nts| NtsSpec {
        trouble: Trouble::KeepsKeys { from: Span::from_secs(15), until: Span::from_secs(100) },
        ..nts
    });
    let outcome = run(wrong(10, Some(3), servers));
    assert_settled(&outcome);
    assert!(stages(&outcome).contains(&Bootstrapping::Unproved), "{:?}", stages(&outcome));
}

/// Two of three answer, which is too few for the vote, but enough for a clock that somebody has set.
#[test]
fn certificates_are_looked_at_again_by_a_clock_that_somebody_has_set() {
    let scenario = wrong(10, Some(3), vec![honest(0), honest(1), honest(2)]);
    let set = Change::StepByOthers(scenario.clock_error - Span::from_millis(300));
    let changes = vec![(Span::ZERO, cut(2)), (Span::from_secs(300), set)];
    let outcome = run(Scenario { changes, ..scenario });
    assert_settled(&outcome);
    assert_eq!(stages(&outcome), [Bootstrapping::Begun { needed: 3 }]);
}

/// The counter stands still between the vote and its proof: what was agreed on holds no more.
#[test]
fn a_vote_does_not_outlast_a_sleep() {
    let sleep = Change::Sleep { slept: Span::from_secs(3600), rtc_error: Span::ZERO };
    let mut unproved = 0;
    for seconds in 11..26 {
        let changes = vec![(Span::from_secs(seconds), sleep)];
        let servers = vec![honest(0), honest(1), honest(2)];
        let outcome = run(Scenario { changes, ..wrong(10, Some(3), servers) });
        assert_settled(&outcome);
        unproved += stages(&outcome).into_iter().filter(|stage| *stage == Bootstrapping::Unproved).count();
    }
    assert!(unproved > 5, "{unproved}");
}

/// A day of a machine whose clock is so many years behind, and which knows that it is 2020 at least.
fn wrong(years: i64, nts_bootstrap: Option<usize>, servers: Vec<ServerSpec>) -> Scenario {
    Scenario {
        clock_error: Span::from_secs(years * YEAR) + Span::from_millis(20),
        floor: date("2020-01-01T00:00:00Z"),
        duration: Span::from_secs(86_400),
        nts_bootstrap,
        servers,
        ..Scenario::default()
    }
}

fn honest(operator: u8) -> ServerSpec {
    server(operator, TODAY, Span::ZERO)
}

/// Somebody who has the key of a certificate that ended in 2022, and says that it is 2022.
fn thief(operator: u8) -> ServerSpec {
    server(operator, STOLEN, Span::from_secs(-4 * YEAR))
}

fn server(operator: u8, [from, until]: [&str; 2], error: Span) -> ServerSpec {
    let validity = Some(Validity { from: date(from), until: date(until) });
    let nts = Some(NtsSpec { aead: Aead::SivCmac256, trouble: Trouble::None, validity });
    ServerSpec { operator, nts, error, ..ServerSpec::default() }
}

fn date(text: &str) -> Time<Utc> {
    text.parse::<Civil>().and_then(Civil::time).expect("a date")
}

fn cut(server: usize) -> Change {
    Change::Cut { server, is_cut: true }
}

fn run(scenario: Scenario) -> Outcome {
    World::new(&scenario, 1).with_story().run()
}

fn stages(outcome: &Outcome) -> Vec<Bootstrapping> {
    let stage = |(_, event): &(Span, Event)| match event {
        Event::Bootstrapping(stage) => Some(*stage),
        _ => None,
    };
    outcome.story.iter().flatten().filter_map(stage).collect()
}

/// Nothing was done to the clock, and no time was told to anybody.
fn assert_untouched(outcome: &Outcome) {
    assert_eq!((outcome.told.stepped, outcome.told.updated, outcome.oracle.bounds_seen), (0, 0, 0));
    assert_eq!(outcome.told.status_changed, 0);
}

fn assert_settled(outcome: &Outcome) {
    assert_eq!(outcome.oracle.bounds_false, 0);
    let last = outcome.story.iter().flatten().rev().find_map(|(_, event)| match event {
        Event::StatusChanged { to, .. } => Some(*to),
        _ => None,
    });
    assert_eq!(last, Some(Status::Synchronised), "{:?}", stages(outcome));
    assert!(outcome.clock_error.abs() < Span::from_micros(300), "{}", outcome.clock_error);
}

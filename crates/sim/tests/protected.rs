//! Machines that ask by NTS: keys that come and go, servers that forget, and people on the way who have no keys. The names
//! carry the numbers of `docs/bad-inputs.md`.

use truechimer_core::event::Event;
use truechimer_core::measure::exchange::Refusal;
use truechimer_core::source::nts::NoKeys;
use truechimer_core::status::Status;
use truechimer_core::wire::aead::Aead;
use truechimer_sim::scenario::{Change, Scenario};
use truechimer_sim::server::{Forgery, NtsSpec, ServerSpec, Trouble};
use truechimer_sim::world::{Outcome, World};
use truechimer_time::Span;

const DAY: i64 = 86_400;

#[test]
fn servers_of_nts_are_believed_like_others_and_one_key_exchange_is_enough_for_days() {
    for aead in Aead::ALL {
        let outcome = run(days(3, Trouble::None, aead));
        assert_settled(&outcome);
        assert_eq!(outcome.told.refused, 0, "{aead}");
        assert_eq!(outcome.agreed.len(), 4, "{aead}: one with each");
    }
}

#[test]
fn a_machine_that_is_born_again_agrees_on_keys_again() {
    let changes = vec![(hours(6), Change::Restart), (hours(12), Change::Crash)];
    let outcome = run(Scenario { changes, ..days(1, Trouble::None, Aead::SivCmac256) });
    assert_settled(&outcome);
    assert_eq!(outcome.agreed.len(), 4 * 3);
}

/// The server has lost the keys of its cookies: one question more, then one key exchange, and the time goes on.
#[test]
fn bad_input_49_a_server_that_has_forgotten_its_keys_is_asked_for_new_ones_once() {
    let outcome = run(days(2, Trouble::Forgets { after: hours(20) }, Aead::SivCmac256));
    assert_settled(&outcome);
    assert_eq!(outcome.agreed.len(), 8, "{:?}", outcome.agreed);
    assert_eq!(count(&outcome, |event| matches!(event, Event::Kissed { .. })), 4, "each is told once");
    assert_eq!(count(&outcome, |event| matches!(event, Event::Unreachable { .. })), 0);
}

/// Somebody on the way refuses our cookies, and the server answers all the same: nobody agrees on anything anew.
#[test]
fn bad_input_49_refusals_of_somebody_on_the_way_cost_nothing_while_the_server_answers() {
    let outcome = run(days(1, Trouble::Forged(Forgery::Nak), Aead::SivCmac256));
    assert_settled(&outcome);
    assert_eq!(outcome.agreed.len(), 4);
}

/// The way is cut until all cookies are spent; no cookie is used twice, and there are new ones when it is mended.
#[test]
fn bad_input_55_a_server_that_is_silent_until_all_cookies_are_spent_is_asked_for_new_ones() {
    let changes = vec![(hours(4), Change::CutAll(true)), (hours(10), Change::CutAll(false))];
    let outcome = run(Scenario { changes, ..days(1, Trouble::None, Aead::SivCmac256) });
    assert_settled(&outcome);
    let while_cut = outcome.agreed.iter().filter(|(at, _)| hours(4) < *at && *at < hours(10)).count();
    assert!(while_cut >= 4, "{:?}", outcome.agreed);
    let nak = count(&outcome, |event| matches!(event, Event::Kissed { .. }));
    assert_eq!(nak, 0, "its cookies are good");
}

/// Keys are given all the time, but no time. The waits grow as if there were no keys: n exchanges take at least
/// 10 * (1.5^(n-1) - 1) / 0.5 s, which in a day are no more than 21 with each server.
#[test]
fn bad_input_57_keys_for_a_server_that_is_dead_are_asked_for_ever_more_rarely() {
    let changes = vec![(Span::ZERO, Change::CutAll(true))];
    let outcome = run(Scenario { changes, ..days(1, Trouble::None, Aead::SivCmac256) });
    assert_eq!((outcome.told.measured, outcome.told.stepped), (0, 0));
    for server in 0..4 {
        let times: Vec<Span> =
            outcome.agreed.iter().filter(|(_, index)| *index == server).map(|(at, _)| *at).collect();
        assert!((5..=21).contains(&times.len()), "{times:?}");
        let waits: Vec<Span> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        for (n, wait) in waits.iter().enumerate() {
            assert!(wait.as_seconds() >= 9.99 * 1.5f64.powi(n as i32), "{n}: {wait}");
        }
    }
}

/// Without keys nothing is asked at all; when there are some, the time is found at once.
#[test]
fn a_server_that_gives_no_keys_is_not_asked_and_that_is_told() {
    let trouble = Trouble::KeepsKeys { from: Span::ZERO, until: hours(3) };
    let outcome = run(days(1, trouble, Aead::SivCmac256));
    assert!(outcome.asked_before(hours(3)).is_empty());
    assert_settled(&outcome);
    let is_it = |event: &Event| matches!(event, Event::NotAgreed { why: NoKeys::NotReached, .. });
    assert_eq!(count(&outcome, is_it), 4, "each is told once");
}

/// Whoever is on the way and has no keys changes nothing: not the time, not the cookies, not the standing.
#[test]
fn bad_inputs_28_and_50_somebody_on_the_way_without_keys_gets_nothing() {
    for forgery in [Forgery::Bare, Forgery::Identified, Forgery::Deny, Forgery::Altered] {
        let beside = run(days(1, Trouble::Forged(forgery), Aead::SivCmac256));
        assert_settled(&beside);
        assert_eq!(beside.agreed.len(), 4, "{forgery:?}");
        assert!(beside.told.refused > 100, "{forgery:?}: they were heard");
        let instead = run(days(1, Trouble::Replaced(forgery), Aead::SivCmac256));
        assert_eq!((instead.told.measured, instead.told.stepped), (0, 0), "{forgery:?}");
        assert_eq!(instead.oracle.bounds_seen, 0, "{forgery:?}: no time is told");
        let refusal = if forgery == Forgery::Altered { Refusal::NtsForged } else { Refusal::Unprotected };
        let is_it = |event: &Event| matches!(event, Event::Refused { refusal: why, .. } if *why == refusal);
        assert!(count(&instead, is_it) as u64 + 8 > instead.questions, "{forgery:?}");
    }
}

trait Asked {
    fn asked_before(&self, passed: Span) -> Vec<usize>;
}

impl Asked for Outcome {
    fn asked_before(&self, passed: Span) -> Vec<usize> {
        let first = |at: truechimer_time::Time<truechimer_time::Mono>| at.since_epoch() < passed;
        self.asked.iter().filter(|(at, _)| first(*at)).map(|(_, server)| *server).collect()
    }
}

fn days(days: i64, trouble: Trouble, aead: Aead) -> Scenario {
    let nts = Some(NtsSpec { aead, trouble, validity: None });
    let server = |server| ServerSpec { nts, ..server };
    let servers = Scenario::default().servers.into_iter().map(server).collect();
    Scenario { servers, duration: Span::from_secs(days * DAY), ..Scenario::default() }
}

fn hours(hours: i64) -> Span {
    Span::from_secs(hours * 3600)
}

fn run(scenario: Scenario) -> Outcome {
    World::new(&scenario, 1).with_story().run()
}

fn count(outcome: &Outcome, is_it: impl Fn(&Event) -> bool) -> usize {
    outcome.story.iter().flatten().filter(|(_, event)| is_it(event)).count()
}

fn assert_settled(outcome: &Outcome) {
    assert_eq!(outcome.oracle.bounds_false, 0);
    let last = outcome.story.iter().flatten().rev().find_map(|(_, event)| match event {
        Event::StatusChanged { to, .. } => Some(*to),
        _ => None,
    });
    assert_eq!(last, Some(Status::Synchronised));
    assert!(outcome.clock_error.abs() < Span::from_micros(200), "{}", outcome.clock_error);
}

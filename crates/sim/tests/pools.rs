//! Pools in a simulated world: bad servers go, good ones stay, and who rules the name gains little and late.

use std::collections::BTreeSet;

use truechimer_core::event::Event;
use truechimer_core::source::pool::Trouble;
use truechimer_core::status::Status;
use truechimer_sim::pool::{PoolSpec, address};
use truechimer_sim::scenario::{Change, Scenario};
use truechimer_sim::server::{Quirk, ServerSpec};
use truechimer_sim::world::{Glimpse, Outcome, World};
use truechimer_time::Span;

const DAY: i64 = 24;

/// From this server on all of them are the attacker's, and of one mind.
const ATTACKER: usize = 12;

#[test]
fn a_pool_with_bad_servers_ends_with_good_ones() {
    let mut servers = servers();
    servers[0].error = Span::from_secs(3);
    servers[1].quirk = Quirk::Silent { from: Span::ZERO, until: hours(1000) };
    servers[3].quirk = Quirk::Kisses(*b"DENY");
    servers[4].quirk = Quirk::NeverSet;
    servers[5].quirk = Quirk::Kisses(*b"RSTR");
    let life = live(servers, PoolSpec::leading_to(4, 0..ATTACKER), vec![], 12);
    let last: Vec<usize> = life.members.last().expect("it lives").1.clone();
    assert!([0, 1, 3, 4, 5].iter().all(|bad| !last.contains(bad)), "{last:?}");
    assert_eq!(last.len(), 4);
    assert_honest(&life.outcome);
    let synchronised =
        life.first(|event| matches!(event, Event::StatusChanged { to: Status::Synchronised, .. }));
    assert!(
        synchronised.is_some_and(|at| at < Span::from_secs(300)),
        "bad ones cost minutes: {synchronised:?}"
    );
    let liar = life.first(|event| matches!(event, Event::GivenUp { trouble: Trouble::Falseticker, .. }));
    assert!(liar.is_some_and(|at| at >= hours(1) && at < hours(2)), "borne for an hour: {liar:?}");
}

#[test]
fn bad_input_134_servers_that_are_good_stay_whatever_their_name_leads_to() {
    let leads = vec![(Span::ZERO, (0..4).collect()), (hours(6), (ATTACKER..16).collect())];
    let life = live(servers(), PoolSpec { leads, ..PoolSpec::leading_to(4, []) }, vec![], 3 * DAY);
    assert!(
        life.members
            .iter()
            .skip_while(|(_, members)| members.len() < 4)
            .all(|(_, members)| members == &[0, 1, 2, 3])
    );
    assert_honest(&life.outcome);
}

/// He answers for the name from the sixth hour on, and silences three of the four, or all, or one after another.
#[test]
fn bad_input_134_who_rules_the_name_gains_one_place_an_hour_and_no_majority_within_a_day() {
    let at_once = |silenced: &[usize]| -> Vec<(Span, Change)> {
        silenced.iter().map(|&server| (hours(6), Change::Cut { server, is_cut: true })).collect()
    };
    let in_turn = (0..4).map(|server| (hours(6 + 2 * server as i64), Change::Cut { server, is_cut: true }));
    let cases = [
        (at_once(&[0]), 1),
        (at_once(&[0, 1, 2]), 2),
        // Where nobody answers, nobody is given up before a day has passed.
        (at_once(&[0, 1, 2, 3]), 0),
        (in_turn.collect(), 2),
    ];
    for (cuts, gained) in cases {
        let leads = vec![(Span::ZERO, (0..4).collect()), (hours(6), (ATTACKER..16).collect())];
        let pool = PoolSpec { leads, ..PoolSpec::leading_to(4, []) };
        let life = live(servers(), pool, cuts.clone(), 6 + DAY);
        let changes: Vec<Span> = life.changes().into_iter().filter(|at| *at > hours(1)).collect();
        assert!(changes.windows(2).all(|pair| pair[1] - pair[0] >= hours(1)), "{cuts:?}: {changes:?}");
        let attackers = |members: &Vec<usize>| members.iter().filter(|member| **member >= ATTACKER).count();
        let most = life.members.iter().map(|(_, members)| attackers(members)).max();
        assert_eq!(most, Some(gained), "{cuts:?}");
        assert_honest(&life.outcome);
    }
}

#[test]
fn bad_input_136_a_name_that_cannot_be_looked_up_any_more_costs_nothing() {
    let leads = vec![(Span::ZERO, (0..5).collect()), (hours(1), vec![])];
    let pool = PoolSpec { leads, lookup: Span::from_secs(60), ..PoolSpec::leading_to(5, []) };
    let cut = vec![(hours(2), Change::Cut { server: 1, is_cut: true })];
    let life = live(servers(), pool, cut, 2 * DAY);
    assert_honest(&life.outcome);
    let lost = life.first(|event| matches!(event, Event::StatusChanged { from: Status::Synchronised, .. }));
    assert_eq!(lost, None, "four of five are enough");
    assert_eq!(life.first(|event| matches!(event, Event::GivenUp { .. })), None, "there is nobody better");
}

/// A place that was always empty is filled within the hour once the name leads to more.
#[test]
fn a_name_of_few_servers_is_looked_up_until_there_are_more() {
    let leads = vec![(Span::ZERO, vec![0, 1]), (hours(3), (0..6).collect())];
    let life = live(servers(), PoolSpec { leads, ..PoolSpec::leading_to(4, []) }, vec![], 8);
    assert_eq!(life.members.last().map(|(_, members)| members.len()), Some(4));
}

#[test]
fn a_machine_whose_way_was_cut_for_a_night_keeps_its_servers() {
    let cut = vec![(hours(6), Change::CutAll(true)), (hours(14), Change::CutAll(false))];
    let life = live(servers(), PoolSpec::leading_to(4, 0..ATTACKER), cut, DAY);
    assert_eq!(life.first(|event| matches!(event, Event::GivenUp { .. })), None);
    assert_honest(&life.outcome);
}

/// What became of a pool.
struct Life {
    outcome: Outcome,
    /// Who was in it from when on since the start.
    members: Vec<(Span, Vec<usize>)>,
}

impl Life {
    fn first(&self, is_it: impl Fn(&Event) -> bool) -> Option<Span> {
        let story = self.outcome.story.as_ref().expect("the story is kept");
        story.iter().find(|(_, event)| is_it(event)).map(|(at, _)| *at)
    }

    /// When places changed hands.
    fn changes(&self) -> Vec<Span> {
        self.members.windows(2).map(|pair| pair[1].0).collect()
    }
}

fn live(servers: Vec<ServerSpec>, pool: PoolSpec, changes: Vec<(Span, Change)>, length: i64) -> Life {
    let scenario =
        Scenario { servers, pool: Some(pool), changes, duration: hours(length), ..Scenario::default() };
    let mut members: Vec<(Span, Vec<usize>)> = Vec::new();
    let watch = |glimpse: &Glimpse<'_>| {
        let now: Vec<usize> = members_of(glimpse).into_iter().collect();
        if members.last().is_none_or(|(_, before)| *before != now) {
            members.push((glimpse.truth - scenario.start, now));
        }
    };
    let outcome = World::new(&scenario, 1).with_story().watched().run_watched(watch);
    Life { outcome, members }
}

fn members_of(glimpse: &Glimpse<'_>) -> BTreeSet<usize> {
    let sources = glimpse.node.report(&glimpse.now).sources;
    let server = |at: std::net::SocketAddr| {
        let server = usize::from(at.port()) - 1;
        assert_eq!(at, address(server));
        server
    };
    sources.iter().filter_map(|source| source.address).map(server).collect()
}

fn servers() -> Vec<ServerSpec> {
    let lie = |server: usize| if server >= ATTACKER { Span::from_secs(3) } else { Span::ZERO };
    (0..16).map(|server| ServerSpec { error: lie(server), ..ServerSpec::default() }).collect()
}

fn hours(hours: i64) -> Span {
    Span::from_secs(hours * 3600)
}

fn assert_honest(outcome: &Outcome) {
    let oracle = &outcome.oracle;
    assert_eq!(oracle.bounds_false, 0, "the worst by {:?}", oracle.worst_excess);
}

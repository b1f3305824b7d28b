use super::*;
use crate::cause::Cause;
use crate::cause::answer::Answer;
use crate::cause::pairs::{Pair, Search};
use crate::cause::tests;
use crate::course::{Course, Knot, Rates, Stretch};
use crate::interval::Order;
use crate::shown::Hints;
use crate::story::{Log, Told, Whose, tell};
use proptest::prelude::*;
use truechimer_time::{Civil, LeapTable};

const SECOND: i64 = 1_000_000_000;

/// 2026-11-23T08:00:00Z as POSIX counts it.
const MORNING: i64 = 1_795_420_800;

/// Chance, by a seed (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit.unsigned_abs()) as i64
    }

    fn around(&mut self, limit: i64) -> i64 {
        self.below(2 * limit + 1) - limit
    }
}

/// What is known of a clock.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Known {
    /// Knots that are so good, in nanoseconds.
    Knots(i64),
    Nothing,
    /// That it was not set.
    Unset,
    /// That it is at most so wrong, and perhaps that it was not set.
    Told(bool),
}

/// A clock: what it shows at true nanoseconds after the morning.
#[derive(Clone, Copy, Debug)]
struct TrueClock {
    ahead: i64,
    ppm: i64,
    set_at: i64,
    set_by: i64,
    known: Known,
    /// Its evidence is so false.
    lie: i64,
}

impl TrueClock {
    fn some(chance: &mut Chance, known: Known) -> Self {
        let is_set = !matches!(known, Known::Unset | Known::Told(true)) && chance.below(2) == 0;
        let ahead = chance.around(if matches!(known, Known::Told(_)) { SECOND } else { 60 * SECOND });
        Self {
            ahead,
            ppm: chance.around(900),
            set_at: chance.below(600 * SECOND),
            set_by: if is_set { chance.around(SECOND) } else { 0 },
            known,
            lie: 0,
        }
    }

    fn shows(&self, truth: i64) -> i64 {
        let set = if truth >= self.set_at { self.set_by } else { 0 };
        truth + self.ahead + set + truth * self.ppm / 1_000_000
    }

    fn host(&self, name: usize, chance: &mut Chance) -> Host {
        let mut host = Host { name: format!("h{name}"), ..Host::default() };
        match self.known {
            Known::Nothing => {}
            Known::Unset => host.course = Course::default().unset(),
            Known::Told(is_unset) => {
                host.assumed = Some(Span::from_secs(4));
                host.course = if is_unset { Course::default().unset() } else { Course::default() };
            }
            Known::Knots(bound) => {
                let end = 600 * SECOND;
                let before = self.stretch(&[0, self.set_at / 2, self.set_at - 1], bound, chance);
                let after = self.stretch(&[self.set_at, (self.set_at + end) / 2, end], bound, chance);
                host.course = Course::of([before, after]);
            }
        }
        host
    }

    fn stretch(&self, at: &[i64], bound: i64, chance: &mut Chance) -> Stretch {
        let knot = |truth: &i64| Knot {
            reading: local(self.shows(*truth)),
            truth: Interval::within(
                tai(truth + self.lie) + Span::from_nanos(chance.around(bound)),
                Span::from_nanos(bound + 10),
            ),
            rates: Rates::ANY,
            held: None,
            aside: Span::from_micros(1),
            evidence: Evidence::Chrony,
        };
        Stretch::of(at.iter().map(knot).collect()).expect("the truth agrees with itself")
    }
}

fn local(nanos: i64) -> Time<Local> {
    Time::from_epoch(Span::from_secs(MORNING) + Span::from_nanos(nanos))
}

fn tai(nanos: i64) -> Time<truechimer_time::Tai> {
    LeapTable::COMPILED.tai_of_utc(Time::from_epoch(Span::from_secs(MORNING) + Span::from_nanos(nanos)))
}

/// Hosts, their logs, and when each line was written.
struct World {
    hosts: Hosts,
    logs: Vec<String>,
    truth: Vec<Vec<i64>>,
}

impl World {
    /// Hosts that send each other messages, and write lines that are none.
    fn some(seed: u64, change: impl Fn(&mut [TrueClock])) -> Self {
        let chance = &mut Chance(seed);
        let kinds = [
            Known::Knots(SECOND / 1000),
            Known::Knots(SECOND),
            Known::Nothing,
            Known::Unset,
            Known::Told(false),
            Known::Told(true),
        ];
        let mut clocks: Vec<TrueClock> = kinds.map(|known| TrueClock::some(chance, known)).to_vec();
        change(&mut clocks);
        let hosts = clocks.iter().enumerate().map(|(name, clock)| clock.host(name, chance)).collect();
        let mut lines: Vec<(i64, usize, String)> = Vec::new();
        for id in 0..30 {
            let [from, to] = [0; 2].map(|_| chance.below(clocks.len() as i64) as usize);
            let sent = chance.below(599 * SECOND);
            let most = if chance.below(2) == 0 { 1_000_000 } else { SECOND };
            let delay = chance.below(most);
            lines.push((sent, from, format!("sent id={id} ")));
            lines.push((sent + delay, to, format!("received id={id} ")));
            lines.push((chance.below(600 * SECOND), from, "other".to_owned()));
        }
        lines.sort();
        let mut world =
            Self { hosts: Hosts::of(hosts), logs: vec![String::new(); 6], truth: vec![Vec::new(); 6] };
        for (truth, host, text) in lines {
            let shown = Civil::of(Time::from_epoch(local(clocks[host].shows(truth)).since_epoch()));
            world.logs[host] += &format!("{shown} {text}\n");
            world.truth[host].push(truth);
        }
        world
    }

    fn logs(&self) -> Vec<Log<&[u8]>> {
        let texts = self.logs.iter().enumerate();
        texts.map(|(at, text)| Log::of(text.as_bytes(), Whose::Only(at), Hints::default())).collect()
    }

    fn found(&mut self) -> Found {
        let causes =
            [Cause::of(r"\bsent id=(?<id>\d+) ", r"\breceived id=(?<id>\d+) ", Span::ZERO)
                .expect("patterns")];
        tests::found(Search::of(&causes, &[]), &mut self.hosts.clone(), self.logs())
    }

    /// When each line was written, as far as is known.
    fn told(&self, learned: Option<(&Learned, &Found)>) -> Vec<Vec<Interval>> {
        let mut hosts = self.hosts.clone();
        let mut logs = self.logs();
        if let Some((learned, found)) = learned {
            learned.teach(&mut hosts);
            let knowing = |(at, log): (usize, Log<_>)| log.knowing(learned.of_log(found, at));
            logs = logs.into_iter().enumerate().map(knowing).collect();
        }
        let mut told = vec![Vec::new(); self.logs.len()];
        tell(&mut hosts, &mut logs, |_, line: &Told<'_>| {
            told[line.log].push(line.interval());
            Ok(())
        })
        .expect("memory can be read");
        told
    }
}

const ROUNDING: Span = Span::from_nanos(3);

fn is_within(interval: &Interval, truth: i64) -> bool {
    interval.earliest - ROUNDING <= tai(truth) && tai(truth) <= interval.latest + ROUNDING
}

fn is_yes(answer: Answer) -> bool {
    matches!(answer, Answer::Yes { .. })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_truth_is_always_within_and_no_interval_is_wider_than_without_pairs(seed in any::<u64>()) {
        let mut world = World::some(seed, |_| ());
        let found = world.found();
        prop_assert_eq!(found.tallies[0].pairs, 30);
        let learned = Learned::of(&world.hosts, &found);
        prop_assert_eq!(&learned.contradictions, &[]);
        let (without, with) = (world.told(None), world.told(Some((&learned, &found))));
        let mut gained = 0;
        for (log, truths) in world.truth.iter().enumerate() {
            for (at, truth) in truths.iter().enumerate() {
                let (before, after) = (without[log][at], with[log][at]);
                prop_assert!(is_within(&after, *truth), "host {log}, line {}: {after:?} {:?}", at + 1, tai(*truth));
                prop_assert!(after.earliest <= after.best && after.best <= after.latest || !after.is_bounded());
                prop_assert!(before.earliest - ROUNDING <= after.earliest && after.latest <= before.latest + ROUNDING);
                gained += usize::from(!before.is_bounded() && after.is_bounded());
            }
        }
        let is_known = |line: usize| found.lines[line].when.truth.is_some();
        let unset = |line: usize| found.lines[line].host == 3;
        let learns = found.pairs.iter().any(|pair| is_known(pair.sent) && unset(pair.received));
        let tells = found.pairs.iter().any(|pair| unset(pair.sent) && is_known(pair.received));
        prop_assert!(gained >= world.truth[3].len() || !learns || !tells, "{gained} lines gained");
        for pair in &found.pairs {
            let [sent, received] = [pair.sent, pair.received].map(|line| learned.truths[line]);
            if let (Some(sent), Some(received)) = (sent, received) {
                prop_assert!(sent.interval.best <= received.interval.best || !sent.interval.is_bounded() || !received.interval.is_bounded());
            }
        }
    }

    #[test]
    fn no_answer_is_false(seed in any::<u64>()) {
        let mut world = World::some(seed, |_| ());
        let found = world.found();
        let learned = Learned::of(&world.hosts, &found);
        let truth = |line: usize| {
            let Place { log, number } = found.lines[line].place;
            Span::from_nanos(world.truth[log][number as usize - 1])
        };
        let chance = &mut Chance(seed);
        let mut certain = 0;
        for _ in 0..40 {
            let [one, other] = [0; 2].map(|_| chance.below(found.lines.len() as i64) as usize);
            if one == other {
                continue;
            }
            let answer = learned.answer(&found, one, other);
            match answer {
                Answer::Yes { by } => prop_assert!(truth(one) + by <= truth(other) + ROUNDING),
                Answer::No { by } => prop_assert!(truth(other) + by <= truth(one) + ROUNDING),
                Answer::Could => {}
            }
            certain += u32::from(answer != Answer::Could);
            // Intervals never know more.
            if let (Some(first), Some(second)) = (learned.truths[one], learned.truths[other]) {
                match first.interval.order(&second.interval) {
                    Order::Before => prop_assert!(is_yes(answer)),
                    Order::After => prop_assert!(!is_yes(answer) && answer != Answer::Could),
                    Order::Concurrent => {}
                }
            }
        }
        prop_assert!(certain > 5, "{certain}");
        for pair in found.pairs.iter().filter(|pair| pair.sent != pair.received) {
            prop_assert!(is_yes(learned.answer(&found, pair.sent, pair.received)));
            prop_assert!(!is_yes(learned.answer(&found, pair.received, pair.sent)));
        }
    }

    /// Host 1 says of its clock what is false by far more than it admits.
    #[test]
    fn bad_input_161_a_liar_is_named_and_nothing_false_is_claimed_but_by_its_word(
        seed in any::<u64>(), seconds in 10i64..120, is_ahead in any::<bool>(),
    ) {
        let lie = if is_ahead { seconds * SECOND } else { -seconds * SECOND };
        let mut world = World::some(seed, |clocks| clocks[1].lie = lie);
        let found = world.found();
        let learned = Learned::of(&world.hosts, &found);
        let host_of = |line: usize| found.lines[line].host;
        for contradiction in &learned.contradictions {
            let names_it = contradiction.members.iter().any(|member| match member {
                Member::NotBefore { line, .. } | Member::NotAfter { line, .. } => host_of(*line) == 1,
                Member::Pair(_) | Member::Clock { .. } => false,
            });
            prop_assert!(names_it && contradiction.by > Span::ZERO, "{contradiction:?}");
        }
        let [from, to] = if is_ahead { [1, 0] } else { [0, 1] };
        let is_plain = |pair: &Pair| {
            let knows = |line: usize, host| host_of(line) == host && found.lines[line].when.truth.is_some();
            knows(pair.sent, from) && knows(pair.received, to)
        };
        for (number, _) in found.pairs.iter().enumerate().filter(|(_, pair)| is_plain(pair)) {
            let has = |one: &Contradiction| one.members.contains(&Member::Pair(number));
            prop_assert!(learned.contradictions.iter().any(has));
        }
        let with = world.told(Some((&learned, &found)));
        let mut deceived = [false; 6];
        for (line, marked) in found.lines.iter().enumerate() {
            let Place { log, number } = marked.place;
            let truth = world.truth[log][number as usize - 1];
            let Some(told) = learned.truths[line] else { continue };
            let stems = learned.stems_from(line).map(host_of);
            prop_assert!(tai(truth) >= told.interval.earliest - ROUNDING || stems[0] == 1);
            prop_assert!(tai(truth) <= told.interval.latest + ROUNDING || stems[1] == 1);
            deceived[log] |= stems.contains(&1);
        }
        for log in (0..6).filter(|log| !deceived[*log]) {
            for (at, truth) in world.truth[log].iter().enumerate() {
                prop_assert!(is_within(&with[log][at], *truth), "host {log}, line {}", at + 1);
            }
        }
    }
}

#[test]
fn bad_input_161_a_clock_that_was_set_though_the_user_says_not_is_named_until_it_is_too_much() {
    let mut world =
        World::some(7, |clocks| (clocks[3].set_at, clocks[3].set_by) = (300 * SECOND, 50 * SECOND));
    let found = world.found();
    let learned = Learned::of(&world.hosts, &found);
    assert!(!learned.contradictions.is_empty() && !learned.gave_up);
    let of_set = |line: usize| found.lines[line].host == 3;
    for contradiction in &learned.contradictions {
        let names = |member: &Member| matches!(member, Member::Clock { earlier, .. } if of_set(*earlier));
        assert!(contradiction.members.iter().any(names), "{contradiction:?}");
    }
    let gave_up = Learned::within(&world.hosts, &found, [0, 0]);
    assert!(gave_up.gave_up && gave_up.contradictions == learned.contradictions[..1]);
    for (line, truth) in found.lines.iter().zip(&gave_up.truths) {
        let evidence = |truth: Option<Truth>| truth.map(|truth| truth.evidence);
        assert_eq!(evidence(*truth), evidence(line.when.truth));
    }
}

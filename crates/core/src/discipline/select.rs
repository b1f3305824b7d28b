//! Whom to believe: the vote.
//!
//! Every source says with its [bracket](super::bracket) where true time is. Honest brackets all hold the truth, so
//! they all overlap. If a majority of the operators is honest, the truth lies where a majority of them overlap:
//! somewhere between the first and the last such point. That stretch is the *agreement*, and the bound is built on
//! it. It is wider than where *most* overlap (the *peak*), because a liar may join a part of the honest ones without
//! the truth in it; the peak says only who goes with whom (RFC 5905, section 11.2.1, finds it).
//!
//! Those who have a vote and keep silent may all be honest, and then the liars are among those who speak. So where
//! `v` speak and `f` may lie, the truth is only sure to lie where `v - f` overlap, and the agreement takes that in.
//!
//! Where no majority overlaps there is no selection, and the clock is left to its holdover.

use alloc::vec::Vec;

use super::bracket::Bracket;
use crate::source::SourceSet;
use truechimer_time::{Tai, Time};

/// One source's say.
#[derive(Clone, Copy, Debug)]
pub struct Voter {
    /// Which source it is, below [`SOURCES_MAX`](crate::policy::SOURCES_MAX).
    pub source: usize,
    /// Who runs it, numbered from zero: one vote each, however many sources.
    pub operator: usize,
    /// Where it says that true time is. All brackets of a vote are at the same reading of the counter.
    pub bracket: Bracket,
    /// Its word counts against any majority of the others.
    pub trust: bool,
    /// At least one such must be a truechimer, if there are any.
    pub require: bool,
}

/// What a majority agrees upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// True time is in here if a majority of the operators is honest.
    pub agreed: Bracket,
    /// Where the most of them overlap: the likeliest part of it.
    pub peak: Bracket,
    /// The sources that go with the peak.
    pub truechimers: SourceSet,
    /// The sources that do not.
    pub falsetickers: SourceSet,
}

/// Why there is no selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoMajority {
    /// The most operators that agree with each other are too few.
    TooFew {
        /// So many agree.
        agree: usize,
        /// So many would have to.
        needed: usize,
    },
    /// A majority agrees, but no source that the operator requires is among it.
    RequiredMissing,
}

/// How many have a vote, and how many of them must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quorum {
    /// The operators that have a vote, whether they speak or not. More than half of them are taken to be honest.
    pub operators: usize,
    /// So many must agree.
    pub needed: usize,
}

impl Quorum {
    /// More than half.
    pub fn majority_of(operators: usize) -> Self {
        Self { operators, needed: operators / 2 + 1 }
    }

    /// Of so many that speak, so many are honest at least, if more than half of all are.
    fn honest_among(self, speakers: usize) -> usize {
        let liars_max = self.operators.saturating_sub(1) / 2;
        speakers.saturating_sub(liars_max).clamp(1, self.needed)
    }
}

/// Counts the votes.
pub fn vote(voters: &[Voter], quorum: Quorum) -> Result<Agreement, NoMajority> {
    let trusted: Vec<Voter> = voters.iter().copied().filter(|voter| voter.trust).collect();
    let (electorate, quorum) = match trusted.is_empty() {
        true => (voters, quorum),
        false => (&trusted[..], Quorum::majority_of(operators(&trusted))),
    };
    let (agreed, peak) = overlap(electorate, quorum)?;
    let agreement = classify(voters, agreed, peak);
    let required: SourceSet = voters.iter().filter(|v| v.require).map(|v| v.source).collect();
    match required.is_empty() || required.meets(agreement.truechimers) {
        true => Ok(agreement),
        false => Err(NoMajority::RequiredMissing),
    }
}

/// How many operators there are among the voters.
pub fn operators(voters: &[Voter]) -> usize {
    let mut numbers: Vec<usize> = voters.iter().map(|voter| voter.operator).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers.len()
}

/// An end of a bracket. At one instant beginnings come before ends, because brackets are closed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Edge {
    instant: Time<Tai>,
    is_end: bool,
    operator: usize,
}

fn edges(voters: &[Voter]) -> Vec<Edge> {
    let mut edges: Vec<Edge> = voters
        .iter()
        .flat_map(|&Voter { operator, bracket, .. }| {
            [(bracket.earliest, false), (bracket.latest, true)].map(|(instant, is_end)| Edge {
                instant,
                is_end,
                operator,
            })
        })
        .collect();
    edges.sort_unstable();
    edges
}

/// The stretch from the first to the last point that as many operators hold as are surely honest, and the first
/// stretch that the most of them hold.
fn overlap(voters: &[Voter], quorum: Quorum) -> Result<(Bracket, Bracket), NoMajority> {
    let needed = quorum.needed;
    let enough = quorum.honest_among(operators(voters));
    let edges = edges(voters);
    let mut holding = Holding::new(voters);
    let (mut most, mut peak) = (0, None);
    let (mut first, mut last) = (None, None);
    for (index, edge) in edges.iter().enumerate() {
        if edge.is_end {
            if holding.count >= enough {
                last = Some(edge.instant);
            }
            holding.leave(edge.operator);
            continue;
        }
        holding.enter(edge.operator);
        if holding.count >= enough {
            first = first.or(Some(edge.instant));
        }
        if holding.count > most {
            most = holding.count;
            peak = edges[index..].iter().find(|later| later.is_end).map(|end| (edge.instant, end.instant));
        }
    }
    let at = voters.first().map(|voter| voter.bracket.at);
    match (at, first, last, peak) {
        (Some(at), Some(earliest), Some(latest), Some((from, to))) if most >= needed => {
            Ok((Bracket { at, earliest, latest }, Bracket { at, earliest: from, latest: to }))
        }
        (_, _, _, _) => Err(NoMajority::TooFew { agree: most, needed }),
    }
}

/// How many operators hold the point that the sweep has come to.
struct Holding {
    brackets: Vec<usize>,
    count: usize,
}

impl Holding {
    fn new(voters: &[Voter]) -> Self {
        let operators = voters.iter().map(|voter| voter.operator + 1).max().unwrap_or(0);
        Self { brackets: alloc::vec![0; operators], count: 0 }
    }

    fn enter(&mut self, operator: usize) {
        self.brackets[operator] += 1;
        self.count += usize::from(self.brackets[operator] == 1);
    }

    fn leave(&mut self, operator: usize) {
        self.brackets[operator] -= 1;
        self.count -= usize::from(self.brackets[operator] == 0);
    }
}

fn classify(voters: &[Voter], agreed: Bracket, peak: Bracket) -> Agreement {
    let (goes, goes_not): (Vec<&Voter>, Vec<&Voter>) =
        voters.iter().partition(|voter| voter.bracket.meet(peak).is_some());
    Agreement {
        agreed,
        peak,
        truechimers: goes.iter().map(|voter| voter.source).collect(),
        falsetickers: goes_not.iter().map(|voter| voter.source).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use truechimer_time::Span;

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
        };
        brackets.iter().enumerate().map(voter).collect()
    }

    const OF_FOUR: Quorum = Quorum { operators: 4, needed: 3 };

    fn set(sources: &[usize]) -> SourceSet {
        sources.iter().copied().collect()
    }

    #[test]
    fn a_falseticker_is_outvoted() {
        let agreement =
            vote(&voters(&[(0, 10), (5, 12), (3000, 3001), (-2, 8)]), OF_FOUR).expect("three agree");
        assert_eq!(agreement.agreed, bracket(5, 8));
        assert_eq!(agreement.falsetickers, set(&[2]));
        assert_eq!(agreement.truechimers, set(&[0, 1, 3]));
    }

    #[test]
    fn half_is_no_majority() {
        let divided = voters(&[(0, 10), (5, 12), (3000, 3001), (2990, 3005)]);
        assert_eq!(vote(&divided, OF_FOUR), Err(NoMajority::TooFew { agree: 2, needed: 3 }));
        assert_eq!(vote(&[], Quorum::majority_of(1)), Err(NoMajority::TooFew { agree: 0, needed: 1 }));
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

    #[test]
    fn a_trusted_source_is_believed_against_a_majority() {
        let mut sources = voters(&[(0, 10), (5, 12), (3, 9), (500, 510)]);
        sources[3].trust = true;
        let agreement = vote(&sources, OF_FOUR).expect("the trusted one decides");
        assert_eq!(agreement.truechimers, set(&[3]));
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
}

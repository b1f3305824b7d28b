//! Whom to believe: the vote.
//!
//! Every source says with its [bracket](super::bracket) where true time is. Honest brackets all hold the truth, so
//! they all overlap. If a majority of the operators is honest, the truth lies where a majority of them overlap:
//! somewhere between the first and the last such point. That stretch is the *agreement*, and the bound is built on
//! it. It is wider than where *most* overlap (the *peak*), because a liar may join a part of the honest ones without
//! the truth in it; the peak says only who goes with whom (RFC 5905, section 11.2.1, finds it).
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

/// Counts the votes. `needed` is the number of operators that must agree.
pub fn vote(voters: &[Voter], needed: usize) -> Result<Agreement, NoMajority> {
    let trusted: Vec<Voter> = voters.iter().copied().filter(|voter| voter.trust).collect();
    let (electorate, needed) = match trusted.is_empty() {
        true => (voters, needed),
        false => (&trusted[..], operators(&trusted) / 2 + 1),
    };
    let (agreed, peak) = overlap(electorate, needed)?;
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

/// The stretch from the first to the last point that `needed` operators hold, and the first stretch that the most
/// of them hold.
fn overlap(voters: &[Voter], needed: usize) -> Result<(Bracket, Bracket), NoMajority> {
    let edges = edges(voters);
    let mut holding = Holding::new(voters);
    let (mut most, mut peak) = (0, None);
    let (mut first, mut last) = (None, None);
    for (index, edge) in edges.iter().enumerate() {
        if edge.is_end {
            if holding.count >= needed {
                last = Some(edge.instant);
            }
            holding.leave(edge.operator);
            continue;
        }
        holding.enter(edge.operator);
        if holding.count >= needed {
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

    fn set(sources: &[usize]) -> SourceSet {
        sources.iter().copied().collect()
    }

    #[test]
    fn a_falseticker_is_outvoted() {
        let agreement = vote(&voters(&[(0, 10), (5, 12), (3000, 3001), (-2, 8)]), 3).expect("three agree");
        assert_eq!(agreement.agreed, bracket(5, 8));
        assert_eq!(agreement.falsetickers, set(&[2]));
        assert_eq!(agreement.truechimers, set(&[0, 1, 3]));
    }

    #[test]
    fn half_is_no_majority() {
        let divided = voters(&[(0, 10), (5, 12), (3000, 3001), (2990, 3005)]);
        assert_eq!(vote(&divided, 3), Err(NoMajority::TooFew { agree: 2, needed: 3 }));
        assert_eq!(vote(&[], 1), Err(NoMajority::TooFew { agree: 0, needed: 1 }));
    }

    #[test]
    fn many_servers_of_one_operator_have_one_vote() {
        let mut crowd = voters(&[(0, 10), (5, 12), (100, 110), (100, 110), (100, 110)]);
        for sibling in &mut crowd[2..] {
            sibling.operator = 2;
        }
        let agreement = vote(&crowd, 2).expect("two operators agree");
        assert_eq!(agreement.falsetickers, set(&[2, 3, 4]));
    }

    #[test]
    fn the_agreement_covers_what_a_liar_could_hide() {
        // The fourth joins the right part of three honest ones whose truth is at 1.
        let agreement = vote(&voters(&[(0, 10), (0, 10), (0, 10), (8, 12)]), 3).expect("all overlap");
        assert_eq!(agreement.agreed, bracket(0, 10));
        assert_eq!(agreement.peak, bracket(8, 10));
    }

    #[test]
    fn a_trusted_source_is_believed_against_a_majority() {
        let mut sources = voters(&[(0, 10), (5, 12), (3, 9), (500, 510)]);
        sources[3].trust = true;
        let agreement = vote(&sources, 3).expect("the trusted one decides");
        assert_eq!(agreement.truechimers, set(&[3]));
    }

    #[test]
    fn a_majority_without_a_required_source_is_none() {
        let mut sources = voters(&[(0, 10), (5, 12), (3, 9), (500, 510)]);
        sources[3].require = true;
        assert_eq!(vote(&sources, 3), Err(NoMajority::RequiredMissing));
        sources[0].require = true;
        assert!(vote(&sources, 3).is_ok());
    }

    proptest! {
        /// Bad input 138: one liar of four at any offset never moves the agreement away from the truth.
        #[test]
        fn bad_input_138_the_truth_is_in_the_agreement_while_a_majority_is_honest(
            honest in proptest::collection::vec((0i64..1000, 0i64..1000), 3..6),
            liars in proptest::collection::vec((-1_000_000i64..1_000_000, 0i64..1_000_000), 0..3),
        ) {
            prop_assume!(liars.len() < honest.len());
            let brackets: Vec<(i64, i64)> = honest.iter().map(|&(before, after)| (-before, after))
                .chain(liars.iter().map(|&(from, width)| (from, from + width)))
                .collect();
            let needed = brackets.len() / 2 + 1;
            let agreement = vote(&voters(&brackets), needed).expect("the honest overlap");
            prop_assert!(agreement.agreed.earliest <= Time::EPOCH && Time::EPOCH <= agreement.agreed.latest);
            prop_assert!(agreement.agreed.meet(agreement.peak).is_some());
        }
    }
}

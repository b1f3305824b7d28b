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
//! For the same reason the silent count when the size of a majority is reckoned: else whoever silences the honest
//! decides with what is left.
//!
//! Where no majority overlaps there is no selection, and the clock is left to its holdover.
//!
//! A reference clock of this machine for which the operator vouches may *refine* what is agreed upon: it cannot move it,
//! but where it goes with it, what is left is the part that it allows.

use alloc::vec::Vec;

use super::bracket::Bracket;
use crate::source::SourceSet;
use truechimer_time::{Span, Tai, Time};

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
    /// It went with the majority at the last vote. Of two stretches that equally many hold, the one is chosen that
    /// more of these hold, so that the choice does not change for noise.
    pub incumbent: bool,
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
    /// Only trusted sources were counted.
    pub by_trust: bool,
}

impl Agreement {
    /// How far a bracket is from the peak: positive if it is ahead of it, zero if they meet.
    pub fn distance(&self, bracket: Bracket) -> Span {
        let (ahead, behind) = (bracket.earliest - self.peak.latest, self.peak.earliest - bracket.latest);
        ahead.max(Span::ZERO) - behind.max(Span::ZERO)
    }

    /// The same, narrowed to what most of these refiners allow; whoever of the voters does not go with that is a
    /// falseticker now. Refiners without a vote are classified with the others. Where they contradict each other, or all
    /// that is agreed upon, nothing is narrowed.
    pub fn refined(self, voters: &[Voter], refiners: &[Voter]) -> Self {
        let may = |voter: &&Voter| !self.falsetickers.contains(voter.source);
        let goes = |voter: &&Voter| voter.bracket.meet(self.agreed).is_some();
        let near: Vec<Voter> = refiners.iter().filter(may).filter(goes).copied().collect();
        let silent =
            refiners.iter().filter(|refiner| voters.iter().all(|voter| voter.source != refiner.source));
        let all = voters.iter().chain(silent).copied();
        let narrowed = overlap(&near, Quorum::majority_of(near.len())).ok().and_then(|overlap| {
            let agreed = overlap.agreed.meet(self.agreed)?;
            Some((agreed, agreed.meet(overlap.peak)?))
        });
        let (agreed, peak) = narrowed.unwrap_or((self.agreed, self.peak));
        let peak = peak.meet(self.peak).unwrap_or(peak);
        let is_true = |voter: &Voter| match narrowed {
            Some(_) => may(&voter) && voter.bracket.meet(agreed).is_some(),
            None => self.truechimers.contains(voter.source),
        };
        let (truechimers, falsetickers): (Vec<Voter>, Vec<Voter>) = all.partition(is_true);
        let set = |voters: Vec<Voter>| voters.iter().map(|voter| voter.source).collect();
        Self { agreed, peak, truechimers: set(truechimers), falsetickers: set(falsetickers), ..self }
    }
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
        /// So many say anything that counts.
        speak: usize,
        /// So many there are.
        operators: usize,
    },
    /// Of the trusted sources' operators that speak, no majority agrees.
    TrustedDisagree,
    /// A trusted source has not had the time to answer yet, and until then nobody else decides.
    TrustedAwaited,
    /// A majority agrees, but no source that the operator requires is among it.
    RequiredMissing,
}

impl NoMajority {
    /// Is it another kind of reason, whatever the numbers?
    pub fn differs_from(self, other: Self) -> bool {
        core::mem::discriminant(&self) != core::mem::discriminant(&other)
    }
}

/// How many have a vote, and how many of them must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quorum {
    /// The operators that have a vote, whether they speak or not. More than half of them are taken to be honest.
    pub operators: usize,
    /// So many must agree; if that is less than a majority, then fewer are taken to lie than must agree.
    pub needed: usize,
}

impl Quorum {
    /// More than half, the silent counted in.
    pub fn majority_of(operators: usize) -> Self {
        Self { operators, needed: operators / 2 + 1 }
    }

    /// What an operator takes upon himself who lets `least` decide: more than half of those that are not known to be
    /// dead, and never fewer than `least`.
    pub fn of_the_living(operators: usize, living: usize, least: usize) -> Self {
        Self { operators, needed: least.max(living / 2 + 1) }
    }

    /// Of so many that speak, so many are honest at least.
    fn honest_among(self, speakers: usize) -> usize {
        let liars_max = (self.operators.saturating_sub(1) / 2).min(self.needed.saturating_sub(1));
        speakers.saturating_sub(liars_max).max(1)
    }
}

/// Counts the votes. Where trusted sources speak, theirs alone.
///
/// # Errors
/// [`NoMajority`]: nobody is to be believed.
pub fn vote(voters: &[Voter], quorum: Quorum) -> Result<Agreement, NoMajority> {
    let trusted: Vec<Voter> = voters.iter().copied().filter(|voter| voter.trust).collect();
    let agreement = match trusted.is_empty() {
        true => classify(voters, overlap(voters, quorum)?, false),
        false => {
            let quorum = Quorum::majority_of(operators(&trusted));
            let overlap = overlap(&trusted, quorum).map_err(|_| NoMajority::TrustedDisagree)?;
            classify(voters, overlap, true)
        }
    };
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

/// Where operators overlap.
struct Overlap {
    /// From the first to the last point that as many operators hold as are surely honest.
    agreed: Bracket,
    /// A stretch that the most of them hold.
    peak: Bracket,
}

/// A stretch that more operators hold than hold what is beside it.
#[derive(Clone, Copy)]
struct Hill {
    height: usize,
    bracket: Bracket,
}

fn overlap(voters: &[Voter], quorum: Quorum) -> Result<Overlap, NoMajority> {
    let speak = operators(voters);
    let enough = quorum.honest_among(speak);
    let Sweep { hills, ends } = sweep(voters, enough);
    let steadiness = |hill: &Hill| {
        let goes = |voter: &&Voter| voter.incumbent && voter.bracket.meet(hill.bracket).is_some();
        (hill.height, voters.iter().filter(goes).count())
    };
    // Of equals the first, not the last as `max_by_key` has it.
    let peak = hills.iter().rev().max_by_key(|hill| steadiness(hill));
    let needed = quorum.needed;
    match (peak, ends) {
        (Some(&Hill { height, bracket }), Some((earliest, latest))) if height >= needed => {
            Ok(Overlap { agreed: Bracket { earliest, latest, ..bracket }, peak: bracket })
        }
        (peak, _) => Err(NoMajority::TooFew {
            agree: peak.map_or(0, |hill| hill.height),
            needed,
            speak,
            operators: quorum.operators,
        }),
    }
}

/// What is found on the way from the first edge to the last.
#[derive(Default)]
struct Sweep {
    /// In the order of time.
    hills: Vec<Hill>,
    /// The first and the last point that enough operators hold.
    ends: Option<(Time<Tai>, Time<Tai>)>,
}

fn sweep(voters: &[Voter], enough: usize) -> Sweep {
    let Sweep { mut hills, mut ends } = Sweep::default();
    let Some(at) = voters.first().map(|voter| voter.bracket.at) else { return Sweep::default() };
    let edges = edges(voters);
    let mut holding = Holding::new(voters);
    for (index, &Edge { instant, is_end, operator }) in edges.iter().enumerate() {
        if !is_end {
            holding.enter(operator);
        }
        if holding.count >= enough {
            ends = Some((ends.map_or(instant, |(first, _)| first), instant));
        }
        if is_end {
            holding.leave(operator);
        } else if let Some(next) = edges.get(index + 1).filter(|next| next.is_end) {
            let bracket = Bracket { at, earliest: instant, latest: next.instant };
            hills.push(Hill { height: holding.count, bracket });
        }
    }
    Sweep { hills, ends }
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

fn classify(voters: &[Voter], Overlap { agreed, peak }: Overlap, by_trust: bool) -> Agreement {
    let (goes, goes_not): (Vec<&Voter>, Vec<&Voter>) =
        voters.iter().partition(|voter| voter.bracket.meet(peak).is_some());
    Agreement {
        agreed,
        peak,
        truechimers: goes.iter().map(|voter| voter.source).collect(),
        falsetickers: goes_not.iter().map(|voter| voter.source).collect(),
        by_trust,
    }
}

#[cfg(test)]
mod tests;

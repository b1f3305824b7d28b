//! What the servers say together, and which of them say otherwise.

use truechimer_core::discipline::bracket::Bracket;
use truechimer_core::discipline::oscillator::RateLimits;
use truechimer_core::discipline::select::{Agreement, NoMajority, Quorum, Voter, vote};
use truechimer_core::policy::TrustPolicy;
use truechimer_time::{Local, Rate, Span, Time};

use super::{Reading, Server, utc};

/// The outcome of the vote.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Who runs the servers, so far as the names tell: each once.
    pub operators: Vec<String>,
    /// So many votes there are: one for each operator, or if there is but one operator, one for each of its servers.
    /// Those count too that do not answer.
    pub votes: usize,
    /// So many votes have to agree: more than half of all.
    pub needed: usize,
    /// What a majority agrees upon.
    pub outcome: Result<Majority, TooFew>,
    /// Where each server stands, in their order.
    pub stands: Vec<Stand>,
}

/// What a majority agrees upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Majority {
    /// So many votes agree.
    pub agree: usize,
    /// By how much our clock is slow (fast, if negative).
    pub offset: Span,
    /// How wrong the offset can be, if most of the operators are honest.
    pub bound: Span,
    /// What our clock showed when that was so.
    pub local: Time<Local>,
}

/// No majority: at most so many votes agree with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooFew {
    /// So many.
    pub agree: usize,
}

/// How a server stands to the majority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// It agrees.
    Agrees,
    /// It does not.
    Disagrees {
        /// So far it is ahead of the majority (behind, if negative)..
        ahead: Span,
        /// ..give or take so much.
        bound: Span,
    },
    /// There is no majority, or it said nothing.
    Nowhere,
}

impl Verdict {
    /// Counts the votes.
    pub fn of(servers: &[Server]) -> Self {
        let operators = operators(servers);
        let votes = if operators.len() > 1 { operators.len() } else { servers.len() };
        let quorum = Quorum::majority_of(votes);
        let needed = quorum.needed;
        let readings: Vec<(usize, &Reading)> = servers
            .iter()
            .enumerate()
            .filter_map(|(index, server)| Some((index, server.outcome.as_ref().ok()?)))
            .collect();
        let last = readings.iter().map(|(_, reading)| *reading).max_by_key(|reading| reading.bracket.at);
        let voter = |&(source, reading): &(usize, &Reading)| Voter {
            source,
            operator: voice(servers, &operators, source),
            bracket: carried(reading, last),
            trust: false,
            require: false,
            incumbent: false,
        };
        let voters: Vec<Voter> = readings.iter().map(voter).collect();
        let agreement = vote(&voters, quorum).map_err(too_few);
        let stands =
            (0..servers.len()).map(|source| stand(source, &voters, agreement.as_ref().ok())).collect();
        let outcome = match (agreement, last) {
            (Ok(agreement), Some(last)) => Ok(majority(&agreement, &voters, &readings, last)),
            (Ok(_), None) => Err(TooFew { agree: 0 }),
            (Err(few), _) => Err(few),
        };
        Self { operators, votes, needed, outcome, stands }
    }
}

fn operators(servers: &[Server]) -> Vec<String> {
    let mut operators: Vec<String> = Vec::new();
    for name in servers.iter().map(|server| server.address.operator()) {
        if !operators.contains(&name) {
            operators.push(name);
        }
    }
    operators
}

/// Whose vote a server's word is.
fn voice(servers: &[Server], operators: &[String], source: usize) -> usize {
    let name = servers[source].address.operator();
    let known = operators.iter().position(|known| *known == name);
    if operators.len() > 1 { known.unwrap_or(source) } else { source }
}

/// What a server said, carried to when the last of all was heard.
fn carried(reading: &Reading, last: Option<&Reading>) -> Bracket {
    let limits = RateLimits::around(Rate::ZERO, TrustPolicy::default().max_rate);
    last.map_or(reading.bracket, |last| reading.bracket.carried_to(last.bracket.at, limits))
}

fn too_few(reason: NoMajority) -> TooFew {
    match reason {
        NoMajority::TooFew { agree, .. } => TooFew { agree },
        // Nobody is trusted or required here.
        NoMajority::TrustedDisagree | NoMajority::TrustedAwaited | NoMajority::RequiredMissing => {
            TooFew { agree: 0 }
        }
    }
}

/// The offset is the best guess of the agreeing server that knows most exactly, as far as the others leave it; the
/// bound is the whole agreement.
fn majority(
    agreement: &Agreement,
    voters: &[Voter],
    readings: &[(usize, &Reading)],
    last: &Reading,
) -> Majority {
    let Agreement { agreed, peak, truechimers, .. } = *agreement;
    let chosen = readings
        .iter()
        .filter(|(source, _)| truechimers.contains(*source))
        .map(|(_, reading)| *reading)
        .min_by_key(|reading| reading.bracket.width());
    let guess = chosen.map_or(peak.middle(), |reading| reading.best + (agreed.at - reading.bracket.at));
    let best = agreed.meet(peak).unwrap_or(agreed).nearest(guess);
    let mut voices: Vec<usize> =
        voters.iter().filter(|v| truechimers.contains(v.source)).map(|v| v.operator).collect();
    voices.sort_unstable();
    voices.dedup();
    Majority {
        agree: voices.len(),
        offset: utc(best).since_epoch() - last.local.since_epoch(),
        bound: (agreed.latest - best).max(best - agreed.earliest),
        local: last.local,
    }
}

fn stand(source: usize, voters: &[Voter], agreement: Option<&Agreement>) -> Stand {
    let voter = voters.iter().find(|voter| voter.source == source);
    let (Some(voter), Some(agreement)) = (voter, agreement) else { return Stand::Nowhere };
    if agreement.truechimers.contains(source) {
        return Stand::Agrees;
    }
    Stand::Disagrees {
        ahead: voter.bracket.middle() - agreement.peak.middle(),
        bound: voter.bracket.width().half() + agreement.peak.width().half(),
    }
}

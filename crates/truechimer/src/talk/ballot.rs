//! What became of the vote of each source, in words: who votes with it, who against it, and why it may have no say.

use std::collections::BTreeSet;

use truechimer_core::node::report::{SourceReport, Standing};

/// How the operators have voted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ballot {
    /// All that have a vote.
    all: usize,
    /// They are the majority, or with it again.
    agree: usize,
    /// They are against it.
    against: usize,
}

impl Ballot {
    pub(super) fn of(sources: &[SourceReport]) -> Self {
        let operators = |is_meant: fn(Standing) -> bool| {
            let meant = sources.iter().filter(|source| source.role.has_vote && is_meant(source.standing));
            meant.map(|source| source.operator.as_str()).collect::<BTreeSet<_>>().len()
        };
        Self {
            all: operators(|_| true),
            agree: operators(|it| matches!(it, Standing::Truechimer | Standing::OnProbation { .. })),
            against: operators(|it| matches!(it, Standing::Falseticker { .. })),
        }
    }

    /// The part that a source has in it.
    pub(super) fn words(self, source: &SourceReport) -> String {
        let Self { all, agree, against } = self;
        if !source.role.has_vote {
            return "has no vote: a pulse does not say which second it is".to_owned();
        }
        let trusted = if source.role.trust { "is trusted; " } else { "" };
        let vote = match source.standing {
            Standing::Truechimer => {
                format!("votes with {}, {against} against", others(agree.saturating_sub(1)))
            }
            Standing::OnProbation { .. } => "agrees with the majority, and is not leaned on yet".to_owned(),
            Standing::Falseticker { .. } => format!("votes against {}", operators(agree)),
            Standing::Undecided => format!("votes, but no majority of {} agrees", operators(all)),
            Standing::Mute
            | Standing::TooVague { .. }
            | Standing::Unreachable
            | Standing::NotFound
            | Standing::Keyless { .. }
            | Standing::Provisional
            | Standing::Loop
            | Standing::SameServer { .. } => "does not vote, and counts among those who could".to_owned(),
        };
        format!("{trusted}{vote}")
    }
}

fn others(count: usize) -> String {
    match count {
        1 => "1 other operator".to_owned(),
        count => format!("{count} other operators"),
    }
}

fn operators(count: usize) -> String {
    match count {
        1 => "1 operator".to_owned(),
        count => format!("{count} operators"),
    }
}

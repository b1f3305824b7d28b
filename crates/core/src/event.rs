//! All that can be noteworthy.
//!
//! The core does not log; it tells. The daemon prints an event as a line, the simulator counts it, the statistics
//! keep some of them. Whoever shows events matches on all of them, so a new one does not compile until each place
//! has decided what to make of it.

use core::net::SocketAddr;

use truechimer_time::{LeapKind, Rate, Raw, Span, Tai, Time, Utc};

use crate::discipline::estimator::Reception;
use crate::discipline::select::NoMajority;
use crate::discipline::servo::Verdict;
use crate::measure::exchange::{Kiss, Refusal};
use crate::measure::reference::Misreading;
use crate::source::nts::NoKeys;
use crate::source::pool::Trouble;
use crate::source::schedule::Traffic;
use crate::source::{SourceId, SourceSet};
use crate::status::Status;

/// Something worth telling.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A source is asked at this address from now on.
    Addressed {
        /// Which.
        source: SourceId,
        /// Where.
        address: SocketAddr,
    },
    /// The name of a source has no address for the time being.
    NotFound {
        /// Which.
        source: SourceId,
    },
    /// A question could not be sent.
    NotSent {
        /// Which source it was for.
        source: SourceId,
        /// The system's error number.
        errno: i32,
    },
    /// A source answers, for the first time or again.
    Reachable {
        /// Which.
        source: SourceId,
    },
    /// A source has not answered its last eight polls.
    Unreachable {
        /// Which.
        source: SourceId,
    },
    /// A datagram was dropped.
    Refused {
        /// Which source's exchange it came in.
        source: SourceId,
        /// Why.
        refusal: Refusal,
    },
    /// A reading of a reference clock was not used.
    Misread {
        /// Which one's.
        source: SourceId,
        /// Why.
        misreading: Misreading,
    },
    /// A source asks for something instead of answering.
    Kissed {
        /// Which.
        source: SourceId,
        /// What it asks for.
        kiss: Kiss,
    },
    /// A key exchange has given keys to ask a source with.
    Agreed {
        /// Which.
        source: SourceId,
        /// How many cookies came with them.
        cookies: usize,
    },
    /// A key exchange has led to nothing. Told again when that has another reason, or was over meanwhile.
    NotAgreed {
        /// For which source.
        source: SourceId,
        /// Why.
        why: NoKeys,
    },
    /// Certificates that are not valid at what the clock says, before any time is known: what is made of them.
    Bootstrapping(Bootstrapping),
    /// A sample was taken.
    Measured(Measurement),
    /// A source is asked at quite another interval from now on.
    Paced(Paced),
    /// A source contradicts what it said before: it or we have jumped.
    Contradicted {
        /// Which.
        source: SourceId,
        /// How far the new bracket is from where the old one would be.
        gap: Span,
    },
    /// A source is at the address of another one: it is the same server under two names, and is not asked twice.
    SameServer {
        /// The one that is left out.
        source: SourceId,
        /// The one that is asked.
        of: SourceId,
    },
    /// A server of a pool is of no use and was given up; another one takes its place.
    GivenUp {
        /// The place.
        source: SourceId,
        /// Where it was asked.
        address: SocketAddr,
        /// What was wrong with it.
        trouble: Trouble,
    },
    /// A source has its time from us, or is ourselves: it is left out as long as that is so.
    Loops {
        /// Which.
        source: SourceId,
    },
    /// The vote has a majority, with other members than before.
    Selected {
        /// Who agrees and is believed.
        truechimers: SourceSet,
        /// Who does not agree.
        falsetickers: SourceSet,
        /// There are trusted sources, but none of them says anything, so the others have decided.
        without_trusted: bool,
    },
    /// The vote has no majority any more, or still none, but for another reason.
    Unselected(NoMajority),
    /// The model was made anew.
    Updated(Update),
    /// The agreement of the sources contradicts the assumptions about the oscillator; the time is measured and its rate
    /// learned anew.
    OscillatorDoubted,
    /// The status has changed.
    StatusChanged {
        /// What it was.
        from: Status,
        /// What it is.
        to: Status,
    },
    /// We have stepped the clock.
    Stepped {
        /// Forward, if positive.
        by: Span,
    },
    /// The clock has passed a leap second, as it was told to.
    Leapt {
        /// Inserted or left out.
        kind: LeapKind,
    },
    /// Somebody else has stepped the clock.
    MovedByOthers {
        /// Forward, if positive.
        by: Span,
    },
    /// The clock does not run at the rate that we gave it: somebody else has changed it.
    RetunedByOthers {
        /// How much faster than it should.
        by: Rate,
    },
    /// The machine was suspended.
    Suspended {
        /// For so long.
        slept: Span,
    },
    /// The counter was interrupted, or another one counts from now on. What was known of the time is void.
    Interrupted(Interruption),
    /// The daemon was kept from running: it was late by so much. What it knew is still true.
    Starved {
        /// So long after it wanted to be woken.
        late: Span,
    },
    /// The error is beyond the panic limit; the clock is left alone until an operator gives leave to step.
    Panicked {
        /// Right time minus local clock.
        error: Span,
    },
    /// The error is below the panic limit again.
    Calmed,
    /// The clock does not take what it is given. Told again when that has another reason, or was over meanwhile.
    SteeringFailed {
        /// What the kernel said.
        fault: SteeringFault,
    },
    /// An operator has given leave to step once.
    LeaveGiven,
}

impl Event {
    /// One word for what it is, the same for good: for files, programs and hooks.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Addressed { .. } => "addressed",
            Self::NotFound { .. } => "not_found",
            Self::NotSent { .. } => "not_sent",
            Self::Reachable { .. } => "reachable",
            Self::Unreachable { .. } => "unreachable",
            Self::Refused { .. } => "refused",
            Self::Misread { .. } => "misread",
            Self::Kissed { .. } => "kissed",
            Self::Agreed { .. } => "agreed",
            Self::NotAgreed { .. } => "not_agreed",
            Self::Bootstrapping(_) => "bootstrapping",
            Self::Measured(_) => "measured",
            Self::Paced(_) => "paced",
            Self::Contradicted { .. } => "contradicted",
            Self::SameServer { .. } => "same_server",
            Self::GivenUp { .. } => "given_up",
            Self::Loops { .. } => "loops",
            Self::Selected { .. } => "selected",
            Self::Unselected(_) => "unselected",
            Self::Updated(_) => "updated",
            Self::OscillatorDoubted => "oscillator_doubted",
            Self::StatusChanged { .. } => "status_changed",
            Self::Stepped { .. } => "stepped",
            Self::Leapt { .. } => "leapt",
            Self::MovedByOthers { .. } => "moved_by_others",
            Self::RetunedByOthers { .. } => "retuned_by_others",
            Self::Suspended { .. } => "suspended",
            Self::Interrupted(Interruption::Paused { .. }) => "paused",
            Self::Interrupted(Interruption::Moved) => "migrated",
            Self::Interrupted(Interruption::Recounted) => "clocksource_changed",
            Self::Starved { .. } => "starved",
            Self::Panicked { .. } => "panicked",
            Self::Calmed => "calmed",
            Self::SteeringFailed { .. } => "steering_failed",
            Self::LeaveGiven => "leave_given",
        }
    }

    /// By how much, where that is the question: a step forward is positive, as all offsets.
    pub fn by(&self) -> Option<Span> {
        match self {
            Self::Stepped { by } | Self::MovedByOthers { by } => Some(*by),
            Self::Leapt { kind: LeapKind::Inserted } => Some(Span::from_secs(-1)),
            Self::Leapt { kind: LeapKind::Deleted } => Some(Span::from_secs(1)),
            Self::Suspended { slept } => Some(*slept),
            Self::Interrupted(Interruption::Paused { by }) => Some(*by),
            Self::Starved { late } => Some(*late),
            Self::Panicked { error } => Some(*error),
            Self::Contradicted { gap, .. } => Some(*gap),
            Self::Addressed { .. }
            | Self::NotFound { .. }
            | Self::NotSent { .. }
            | Self::Reachable { .. }
            | Self::Unreachable { .. }
            | Self::Refused { .. }
            | Self::Misread { .. }
            | Self::Kissed { .. }
            | Self::Agreed { .. }
            | Self::NotAgreed { .. }
            | Self::Bootstrapping(_)
            | Self::Measured(_)
            | Self::Paced(_)
            | Self::SameServer { .. }
            | Self::GivenUp { .. }
            | Self::Loops { .. }
            | Self::Selected { .. }
            | Self::Unselected(_)
            | Self::Updated(_)
            | Self::OscillatorDoubted
            | Self::StatusChanged { .. }
            | Self::RetunedByOthers { .. }
            | Self::Interrupted(Interruption::Moved | Interruption::Recounted)
            | Self::Calmed
            | Self::SteeringFailed { .. }
            | Self::LeaveGiven => None,
        }
    }
}

/// How the first time is found where the clock is too wrong for certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bootstrapping {
    /// From now on keys are agreed on without regard to the dates, to ask when it is.
    Begun {
        /// So many operators must agree.
        needed: usize,
    },
    /// They agree. Now each has to prove itself anew, with a certificate that is valid then.
    Claimed {
        /// On this.
        utc: Time<Utc>,
        /// These are they.
        sources: SourceSet,
    },
    /// Too few of them could. It begins from the start.
    Unproved,
}

/// What has happened to the raw counter, where the clocks of the machine do not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interruption {
    /// The machine stood still, counter and all, as a guest does that its host has paused: the battery clock went on
    /// meanwhile, by so much.
    Paused {
        /// To the second, about.
        by: Span,
    },
    /// The machine is another one than before, or goes on from an older image of itself: its host says so (VMClock).
    Moved,
    /// The kernel counts by other hardware from now on: another clocksource.
    Recounted,
}

/// Why the clock did not take a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SteeringFault {
    /// We may not (`EPERM`): no CAP_SYS_TIME.
    NotPermitted,
    /// The kernel did not like the figures (`EINVAL`).
    Invalid,
    /// The keeper of the clock holds the command to be wrong: too large a step, too fast a rate, before the floor.
    Vetoed,
    /// The keeper of the clock has made as many steps after interruptions as it makes in a day.
    Spent,
    /// The keeper of the clock is gone, or does not answer.
    KeeperLost,
    /// Anything else, by its error number.
    Other(i32),
}

/// How often a source is asked, and was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paced {
    /// Which.
    pub source: SourceId,
    /// From now on.
    pub interval: Span,
    /// Until now.
    pub traffic: Traffic,
}

/// One sample, with what came of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measurement {
    /// Whom it is from.
    pub source: SourceId,
    /// When the question left.
    pub t1: Time<Raw>,
    /// When the source received it.
    pub t2: Time<Tai>,
    /// When the source answered.
    pub t3: Time<Tai>,
    /// When the answer came.
    pub t4: Time<Raw>,
    /// Right time minus local clock, as this exchange alone has it.
    pub offset: Span,
    /// On the way, there and back.
    pub delay: Span,
    /// Half of the delay and the source's own uncertainty: so far the offset may be wrong.
    pub distance: Span,
    /// What the estimator made of it.
    pub reception: Reception,
}

/// One update of the model, with what it means for the clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Update {
    /// The reading of the counter.
    pub raw: Time<Raw>,
    /// The likeliest time.
    pub tai: Time<Tai>,
    /// Right time minus local clock.
    pub offset: Span,
    /// The rate of true time against the counter.
    pub rate: Rate,
    /// One standard deviation of `tai`.
    pub sigma: Span,
    /// How far `tai` can be from the truth.
    pub bound: Span,
    /// Who agrees.
    pub truechimers: SourceSet,
    /// Who does not.
    pub falsetickers: SourceSet,
    /// What is done to the clock.
    pub verdict: Verdict,
}

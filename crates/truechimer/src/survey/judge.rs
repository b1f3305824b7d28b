//! What the findings mean together: what true time is, who lies, who is off, who agrees.
//!
//! True time is what this machine's daemon publishes, if one runs; else what a majority of those agree upon that say how right
//! they are (NTP and NTS); else nothing is known of it, and clocks are compared with ours. It is said which.
//!
//! **Invariant:** nobody is called a liar, and nothing is said to be off, that need not be: only what no assumption within its
//! interval explains.

use truechimer_time::{Raw, Span, Time};

use super::finding::{Finding, Reading};
use super::groups::{self, Group};
use super::trouble::Kind;
use super::window::Window;

/// A majority of fewer is none: two agree by chance, and one agrees with itself.
pub const VOTERS_MIN: usize = 3;

/// What clocks are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// What the daemon of this machine knows of true time.
    Daemon {
        /// How far UTC is ahead of our own clock by that; the widest of the survey.
        ahead: Window,
    },
    /// What a majority of the hosts that say how right they are agree upon.
    Majority {
        /// So many agree.
        agree: usize,
        /// So many say how right they are.
        of: usize,
        /// How far UTC is ahead of our own clock by that.
        ahead: Window,
    },
    /// Our own clock, of which nothing is known.
    Ourselves,
}

/// What is to be said of a host, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Its clock is further off than it says that it can be.
    Liar,
    /// Its clock is beyond the limit for certain.
    Beyond,
    /// Its answers contradict each other.
    Contradictory,
    /// It says that it does not know the time.
    Unsynchronised,
    /// It was to be asked, and nothing is known of it.
    Unknown,
    /// Its clock may be beyond the limit.
    Unclear,
    /// Nothing is wrong with it, as far as is known.
    Good,
    /// There need not be anybody there, and nobody answers.
    Absent,
}

impl Standing {
    /// All, the worst first.
    pub const ALL: [Self; 8] = [
        Self::Liar,
        Self::Beyond,
        Self::Contradictory,
        Self::Unsynchronised,
        Self::Unknown,
        Self::Unclear,
        Self::Good,
        Self::Absent,
    ];

    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Liar => "liar",
            Self::Beyond => "beyond",
            Self::Contradictory => "contradictory",
            Self::Unsynchronised => "unsynchronised",
            Self::Unknown => "unknown",
            Self::Unclear => "unclear",
            Self::Good => "good",
            Self::Absent => "absent",
        }
    }

    /// Is it something that somebody has to look at?
    pub fn is_trouble(self) -> bool {
        match self {
            Self::Liar | Self::Beyond | Self::Contradictory | Self::Unsynchronised | Self::Unknown => true,
            Self::Unclear | Self::Good | Self::Absent => false,
        }
    }
}

/// What is to be said of one host.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// In a word.
    pub standing: Standing,
    /// How far its clock is ahead of what it is compared with.
    pub ahead: Option<Window>,
    /// By how much more than it says it is off, at least; of a liar.
    pub beyond_claim: Option<Span>,
    /// Which group it is in, the largest being 0.
    pub group: Option<usize>,
}

/// What is to be said of all.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// What they were compared with.
    pub reference: Reference,
    /// What is said of each, in the order of the findings.
    pub hosts: Vec<Judged>,
    /// Who agrees with whom, and how far they are ahead of what they were compared with.
    pub groups: Vec<Group>,
    /// A majority of the hosts and the daemon of this machine exclude each other.
    pub majority_denies_daemon: bool,
}

/// What follows from the findings, where clocks are to be within the limit, if there is one.
pub fn judge(findings: &[Finding], limit: Option<Span>) -> Judgement {
    let readings: Vec<Option<&Reading>> =
        findings.iter().map(|finding| finding.outcome.as_ref().ok()).collect();
    let Some(at) = middle(&readings) else { return nothing(findings) };
    let carried: Vec<Option<Window>> = readings
        .iter()
        .map(|reading| reading.map(|reading| reading.window.carried(at - reading.at)))
        .collect();
    let majority = Majority::of(&readings);
    let (reference, truth) = reference(&readings, majority.as_ref());
    let mut groups = groups::groups(&carried);
    let mut group_of = vec![None; findings.len()];
    for (number, group) in groups.iter().enumerate() {
        group.members.iter().for_each(|member| group_of[*member] = Some(number));
    }
    let base = truth.base(&readings, at);
    groups.iter_mut().for_each(|group| group.window = group.window.minus(base));
    let judged = |(place, finding): (usize, &Finding)| {
        let utc = readings[place].and_then(|reading| truth.at(reading));
        Judged { group: group_of[place], ..one(finding, utc, limit) }
    };
    let majority_denies_daemon = majority.as_ref().is_some_and(|majority| majority.denies(&readings));
    let hosts = findings.iter().enumerate().map(judged).collect();
    Judgement { reference, hosts, groups, majority_denies_daemon }
}

/// The moment to which all are carried to be compared with each other: half of the readings are before it, so that it is near
/// to the most of them.
fn middle(readings: &[Option<&Reading>]) -> Option<Time<Raw>> {
    let mut moments: Vec<Time<Raw>> = readings.iter().flatten().map(|reading| reading.at).collect();
    moments.sort_unstable();
    moments.get(moments.len() / 2).copied()
}

/// What is known of UTC against the raw counter.
enum Truth<'a> {
    /// By the daemon, at each reading.
    Daemon,
    /// By the majority.
    Majority(&'a Majority),
    /// Nothing: our own clock stands for it.
    Nothing,
}

impl Truth<'_> {
    /// What clocks are compared with, against the raw counter, at the reading of that moment.
    fn base(&self, readings: &[Option<&Reading>], at: Time<Raw>) -> Window {
        let reading = readings.iter().flatten().find(|reading| reading.at == at);
        let ours = reading.map_or(Span::ZERO, |reading| reading.ours);
        let known = reading.and_then(|reading| self.at(reading));
        known.unwrap_or_else(|| Window::between(ours, ours))
    }

    /// At a reading.
    fn at(&self, reading: &Reading) -> Option<Window> {
        match self {
            Self::Daemon => reading.truth,
            Self::Majority(majority) => Some(majority.at(reading.at)),
            Self::Nothing => None,
        }
    }
}

/// At so many moments of a survey the votes are counted, because what is carried far is worth little.
const MOMENTS_MAX: usize = 32;

/// What more than half of those agree upon that say how right they are.
struct Majority {
    /// So many agree, at the moment at which the fewest do.
    agree: usize,
    of: usize,
    /// How far UTC is ahead of the counter by that, at some moments, in order.
    moments: Vec<(Time<Raw>, Window)>,
}

impl Majority {
    /// `None`, if there is a moment at which there is none.
    fn of(readings: &[Option<&Reading>]) -> Option<Self> {
        let voters: Vec<(Time<Raw>, Window)> = readings
            .iter()
            .flatten()
            .filter(|reading| !reading.contradicts())
            .filter_map(|reading| Some((reading.at, reading.claimed()?)))
            .collect();
        let of = voters.len();
        let mut moments: Vec<Time<Raw>> = voters.iter().map(|(at, _)| *at).collect();
        moments.sort_unstable();
        moments.dedup();
        let step = moments.len().div_ceil(MOMENTS_MAX).max(1);
        let votes: Option<Vec<(usize, Time<Raw>, Window)>> =
            moments.iter().skip(step / 2).step_by(step).map(|at| vote(&voters, *at)).collect();
        let votes = votes.filter(|_| VOTERS_MIN <= of)?;
        let agree = votes.iter().map(|(agree, ..)| *agree).min()?;
        Some(Self { agree, of, moments: votes.into_iter().map(|(_, at, window)| (at, window)).collect() })
    }

    /// How far UTC is ahead of the counter then.
    fn at(&self, at: Time<Raw>) -> Window {
        let next = self.moments.partition_point(|(moment, _)| *moment < at);
        let beside = self.moments.iter().skip(next.saturating_sub(1)).take(2);
        let nearest = beside.min_by_key(|(moment, _)| (*moment - at).abs());
        let (moment, window) = nearest.expect("a majority has a moment");
        window.carried(at - *moment)
    }

    /// Can the daemon and the majority not both be right?
    fn denies(&self, readings: &[Option<&Reading>]) -> bool {
        let excludes =
            |reading: &Reading| reading.truth.is_some_and(|truth| truth.meet(self.at(reading.at)).is_none());
        readings.iter().flatten().any(|reading| excludes(reading))
    }
}

/// How many agree at a moment, and on what, if they are more than half.
fn vote(voters: &[(Time<Raw>, Window)], at: Time<Raw>) -> Option<(usize, Time<Raw>, Window)> {
    let claims = || voters.iter().map(|(claimed, window)| window.carried(at - *claimed));
    let needed = voters.len() / 2 + 1;
    let peak = groups::peak(claims()).filter(|peak| peak.height >= needed)?;
    Some((peak.height, at, groups::held_by(claims(), needed)?))
}

fn reference<'a>(readings: &[Option<&Reading>], majority: Option<&'a Majority>) -> (Reference, Truth<'a>) {
    // Who votes is near to a moment at which the votes were counted.
    let voters = readings.iter().flatten().filter(|reading| reading.claim.is_some());
    let last = voters.max_by_key(|reading| reading.at);
    let by_daemon = |reading: &Reading| Some(reading.truth?.less(reading.ours));
    // What was known of true time all the time.
    let daemon = readings.iter().flatten().map(|reading| by_daemon(reading)).collect::<Option<Vec<Window>>>();
    let widest = daemon.and_then(|all| all.into_iter().max_by_key(|window| window.width()));
    match (widest, majority, last) {
        (Some(ahead), _, _) => (Reference::Daemon { ahead }, Truth::Daemon),
        (None, Some(majority), Some(last)) => {
            let ahead = majority.at(last.at).less(last.ours);
            let Majority { agree, of, .. } = *majority;
            (Reference::Majority { agree, of, ahead }, Truth::Majority(majority))
        }
        (None, _, _) => (Reference::Ourselves, Truth::Nothing),
    }
}

fn one(finding: &Finding, utc: Option<Window>, limit: Option<Span>) -> Judged {
    let reading = match &finding.outcome {
        Ok(reading) => reading,
        Err(trouble) => {
            let standing = match trouble.kind {
                Kind::Unsynchronised => Standing::Unsynchronised,
                Kind::Silent | Kind::Refused | Kind::Network if finding.is_swept => Standing::Absent,
                Kind::Silent
                | Kind::Refused
                | Kind::Network
                | Kind::Unasked
                | Kind::NotFound
                | Kind::Broken
                | Kind::Tls
                | Kind::Unusable
                | Kind::Cached
                | Kind::NearLeap
                | Kind::Kissed => Standing::Unknown,
            };
            return Judged { standing, ahead: None, beyond_claim: None, group: None };
        }
    };
    let ahead = utc.map_or(reading.ahead_of_ours(), |utc| reading.window.minus(utc));
    let claim = reading.claim.filter(|_| utc.is_some());
    let beyond_claim = claim
        .filter(|claim| ahead.is_beyond(claim.distance))
        .map(|claim| ahead.distance().abs() - claim.distance);
    let standing = match limit {
        _ if reading.contradicts() => Standing::Contradictory,
        _ if beyond_claim.is_some() => Standing::Liar,
        Some(limit) if ahead.is_beyond(limit) => Standing::Beyond,
        Some(limit) if -ahead.lo > limit || ahead.hi > limit => Standing::Unclear,
        Some(_) | None => Standing::Good,
    };
    Judged { standing, ahead: Some(ahead), beyond_claim, group: None }
}

/// Nobody has answered.
fn nothing(findings: &[Finding]) -> Judgement {
    let hosts = findings.iter().map(|finding| one(finding, None, None)).collect();
    Judgement { reference: Reference::Ourselves, hosts, groups: Vec::new(), majority_denies_daemon: false }
}

impl Judgement {
    /// The places of all hosts, sorted by trouble: the worst first, and among equals who is furthest off.
    pub fn by_trouble(&self) -> Vec<usize> {
        let mut places: Vec<usize> = (0..self.hosts.len()).collect();
        let off = |judged: &Judged| judged.ahead.map_or(Span::ZERO, |ahead| ahead.middle().abs());
        places.sort_by_key(|place| {
            let judged = &self.hosts[*place];
            (judged.standing, std::cmp::Reverse(off(judged)), *place)
        });
        places
    }

    /// How many stand so.
    pub fn count(&self, standing: Standing) -> usize {
        self.hosts.iter().filter(|judged| judged.standing == standing).count()
    }

    /// Is there anything that somebody has to look at?
    pub fn has_trouble(&self) -> bool {
        self.majority_denies_daemon || self.hosts.iter().any(|judged| judged.standing.is_trouble())
    }
}

#[cfg(test)]
mod tests;

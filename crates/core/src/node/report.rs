//! What a node says about itself, when it is asked or when others rely on it.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use truechimer_time::{LeapKind, Local, Mono, Rate, Span, Tai, Time, Utc};

use super::Node;
use super::reckoning::Reckoning;
use super::smearing::{Smearing, Told};
use crate::discipline::holdover::Leaning;
use crate::discipline::model::{Model, Reading};
use crate::measure::exchange::Refusal;
use crate::measure::reference::Misreading;
use crate::moment::Moment;
use crate::server::dial::Dial;
use crate::server::ntp::{PRECISION, Served};
use crate::source::SourceId;
use crate::source::association::{Association, Keyring};
use crate::source::nts::NoKeys;
use crate::source::schedule::Traffic;
use crate::source::spread::Spread;
use crate::status::Status;
use crate::wire::aead::Aead;
use crate::wire::mac::KeyKind;
use crate::wire::ntp::{Leap, reference_id_of};

/// What the kernel and the readers of the page are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publication {
    /// When.
    pub at: Moment,
    /// How far the time can be relied upon.
    pub status: Status,
    /// The model, unless nothing is known.
    pub model: Option<Model>,
    /// Right time minus local clock, as far as is known.
    pub offset: Span,
    /// TAI minus UTC in seconds, now: within an inserted second already what holds after it, as Linux counts.
    pub tai_minus_utc: Option<i32>,
    /// The leap second that the local clock has before it within a day.
    pub leap: Option<LeapKind>,
    /// The local clock may be on either side of a leap second, and only it knows on which.
    pub is_near_leap: bool,
}

impl Publication {
    /// Can the local clock be called synchronised? Not if it may be wrong by more than `limit`.
    pub fn is_synchronised(&self, limit: Span) -> bool {
        let known = matches!(self.status, Status::Synchronised | Status::Degraded | Status::Holdover);
        known && self.max_error().is_some_and(|error| error <= limit)
    }

    /// How far the local clock can be from the truth.
    pub fn max_error(&self) -> Option<Span> {
        self.model.map(|model| model.read(self.at.raw).bound() + self.offset.abs())
    }

    /// How far the local clock is likely to be from the truth.
    pub fn likely_error(&self) -> Option<Span> {
        self.model.map(|model| model.read(self.at.raw).sigma + self.offset.abs())
    }
}

/// The state of a node, for people and monitors.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// How far the time can be relied upon.
    pub status: Status,
    /// What time it is, unless nothing is known.
    pub reading: Option<Reading>,
    /// TAI minus UTC in seconds.
    pub tai_minus_utc: Option<i32>,
    /// Right time minus local clock.
    pub offset: Span,
    /// The rate of true time against the raw counter, at first as an earlier life learned it.
    pub rate: Option<Rate>,
    /// The rate is known to within this.
    pub rate_error: Rate,
    /// The number of assumption A2 that is in force.
    pub drift_allowed: Rate,
    /// The rate at which the local clock runs against the raw counter.
    pub clock_rate: Rate,
    /// The clock is left alone because its error is beyond the panic limit.
    pub is_panicking: bool,
    /// How long the bound stays below each of these limits if nothing more is measured.
    pub forecast: Vec<(Span, Span)>,
    /// How long the likely error, 999 times in 1000, stays below each of these limits if nothing more is measured.
    pub likely: Vec<(Span, Span)>,
    /// What that forecast leans on.
    pub leaning: Leaning,
    /// What we serve to others.
    pub served: Served,
    /// By how much the last change of the model moved the time, if there were two.
    pub reckoning: Option<Reckoning>,
    /// The standard error of the clock over all time at the present pace, where there is a target.
    pub rms: Option<Span>,
    /// The sources.
    pub sources: Vec<SourceReport>,
}

/// What is known of one source.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceReport {
    /// Its name in the configuration.
    pub name: String,
    /// Who runs it.
    pub operator: String,
    /// Where it is asked.
    pub address: Option<SocketAddr>,
    /// The name of the pool of which it is one of the places, if it is.
    pub pool: Option<String>,
    /// It is a reference clock of this machine, which is read and not asked.
    pub is_reference: bool,
    /// The four letters that name it then, to those whom we serve.
    pub reference_name: Option<[u8; 4]>,
    /// What the operator says of its part in the vote.
    pub role: Role,
    /// What we serve to others says that the time comes from it.
    pub is_upstream: bool,
    /// The key that it shares with us, if it is believed under that alone.
    pub key: Option<KeyReport>,
    /// What is known of its protection, if it is asked by NTS.
    pub nts: Option<NtsReport>,
    /// How often it has told when an answer has really left, if it is asked for that.
    pub departures: Option<u32>,
    /// What it is to the vote.
    pub standing: Standing,
    /// Which of the last eight polls it answered.
    pub reach: u8,
    /// How often it is asked.
    pub interval: Span,
    /// How much it was asked and how much it answered.
    pub traffic: Traffic,
    /// When it is asked next.
    pub due: Time<Mono>,
    /// How many samples its estimate rests on.
    pub samples: u32,
    /// Its last answer.
    pub last: Option<LastAnswer>,
    /// Its time minus ours, by its estimate.
    pub offset: Option<Span>,
    /// One standard deviation of the offset.
    pub sigma: Option<Span>,
    /// The offset can be wrong by this.
    pub bound: Option<Span>,
    /// By its word alone its time minus ours is between these, whether that counts or not.
    pub extent: Option<[Span; 2]>,
    /// The rate of true time by its estimate minus the rate of our model: positive, if our time loses against it.
    pub residual: Option<Rate>,
    /// One standard deviation of the rate by its estimate.
    pub residual_error: Option<Rate>,
    /// What shows that it smears leap seconds, if anything does.
    pub smearing: Option<Smearing>,
    /// How its last samples lie about its estimate.
    pub spread: Option<Spread>,
    /// How many datagrams were refused, by reason, those that occurred.
    pub refusals: Vec<(Refusal, u32)>,
    /// How many readings of a reference clock were not used, by reason, those that occurred.
    pub misreadings: Vec<(Misreading, u32)>,
}

impl SourceReport {
    /// How many questions a day it is asked at its present interval.
    pub fn questions_per_day(&self) -> f64 {
        86_400.0 / self.interval.as_seconds()
    }
}

/// What is known of the protection of a source by NTS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NtsReport {
    /// The cipher, if keys have been agreed on.
    pub aead: Option<Aead>,
    /// How many questions can be asked before new cookies come.
    pub cookies: usize,
    /// How many key exchanges have led to nothing.
    pub failures: u32,
    /// How often our cookie was refused.
    pub naks: u32,
    /// What is known of its certificate, if it has shown one.
    pub certificate: Option<CertificateReport>,
}

/// How long the certificate is valid that a source showed when keys were last agreed on. Keys outlive it: they go on for as
/// long as the source takes its cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateReport {
    /// Until then, with all those that vouch for it.
    pub until: Time<Utc>,
    /// So long from now on, negative if it is over; `None` if nobody knows when it is.
    pub left: Option<Span>,
}

/// Some of the last answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastAnswer {
    /// How long ago, on the raw counter.
    pub age: Span,
    /// On the way, there and back.
    pub delay: Span,
    /// Steps to a reference clock.
    pub stratum: u8,
    /// Its upstream.
    pub reference_id: [u8; 4],
    /// What it says about leap seconds.
    pub leap: Leap,
    /// Half its root delay and its root dispersion.
    pub root_distance: Span,
    /// Right time by the last sample alone minus the local clock as that was then,
    pub measured: Span,
    /// and as it is now, the sample carried on at the rate of our model.
    pub adjusted: Span,
    /// How far the sample may be off: half its delay and the source's own distance.
    pub distance: Span,
}

/// What the operator says of a source's part in the vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role {
    /// It has a vote, alone or with others of its operator. A pulse has none.
    pub has_vote: bool,
    /// Where it is a truechimer, the time leans on it.
    pub prefer: bool,
    /// It is believed against any majority of others.
    pub trust: bool,
    /// No majority counts without one such source.
    pub require: bool,
}

/// What is known of a key that a source shares with us, the secret left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyReport {
    /// The number by which both sides know it.
    pub id: u32,
    /// How it makes a digest.
    pub kind: KeyKind,
    /// The length of its secret.
    pub bits: usize,
}

/// What a source is to the vote, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It votes with the majority.
    Truechimer,
    /// It votes with the majority, but has been outvoted of late.
    OnProbation {
        /// After so many more answers that agree it is believed.
        answers: u8,
    },
    /// It votes against the majority.
    Falseticker {
        /// By so much it is ahead of where the majority is (behind, if negative), the nearest it can mean.
        by: Span,
    },
    /// It says something, but there is no majority.
    Undecided,
    /// It has said nothing yet.
    Mute,
    /// What it says is too vague to count.
    TooVague {
        /// It may be so far from the truth.
        distance: Span,
    },
    /// It did not answer eight polls in a row, or refused us, and has not answered since.
    Unreachable,
    /// Its name has no address.
    NotFound,
    /// There are no keys to ask it with.
    Keyless {
        /// Why not.
        why: NoKeys,
    },
    /// Its keys, or those under which it said what is known of it, are good for nothing but to find out when it is: its
    /// certificate is not valid by the clock.
    Provisional,
    /// It has its time from us, or is ourselves.
    Loop,
    /// It is the same server as another source.
    SameServer {
        /// As this one of the list.
        of: SourceId,
    },
}

impl Standing {
    /// The sign in front of a source in a table, after the custom of ntpq and chronyc.
    pub fn mark(self) -> char {
        match self {
            Self::Truechimer => '*',
            Self::OnProbation { .. } => '-',
            Self::Falseticker { .. } => 'x',
            Self::Undecided => '~',
            Self::Mute
            | Self::TooVague { .. }
            | Self::Unreachable
            | Self::NotFound
            | Self::Keyless { .. }
            | Self::Provisional
            | Self::Loop
            | Self::SameServer { .. } => '?',
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Truechimer => "truechimer",
            Self::OnProbation { .. } => "on probation",
            Self::Falseticker { .. } => "falseticker",
            Self::Undecided => "undecided",
            Self::Mute => "mute",
            Self::TooVague { .. } => "too vague",
            Self::Unreachable => "unreachable",
            Self::NotFound => "not found",
            Self::Keyless { .. } => "no keys",
            Self::Provisional => "provisional",
            Self::Loop => "loop",
            Self::SameServer { .. } => "same server",
        }
    }
}

/// The forecast is made for these.
const FORECAST_LIMITS: [Span; 4] =
    [Span::from_millis(1), Span::from_millis(10), Span::from_millis(100), Span::from_secs(1)];

impl Node {
    /// All that people ask about.
    pub fn report(&self, now: &Moment) -> Report {
        let reading = self.read(now);
        let forecast = |model: Model| {
            FORECAST_LIMITS.map(|limit| (limit, model.holds_for(now.raw, limit))).into_iter().collect()
        };
        Report {
            status: self.status,
            reading,
            tai_minus_utc: reading.map(|reading| self.leaps.utc_of_tai(reading.best).offset),
            offset: reading.map_or(Span::ZERO, |reading| self.offset_of(reading.best, now.local)),
            rate: self.model_at(now).map(|model| model.rate).or_else(|| self.oscillator.rate(now.raw)),
            rate_error: self.oscillator.likely(now.raw).error(),
            drift_allowed: self.oscillator.drift_allowed(),
            clock_rate: self.clock.rate(),
            is_panicking: self.servo.is_panicking(),
            forecast: self.model_at(now).map(forecast).unwrap_or_default(),
            likely: self.likely_to_hold(now, &FORECAST_LIMITS),
            leaning: self.leaning(),
            served: self.served(now),
            reckoning: self.reckoning,
            rms: self.expected_rms(),
            sources: self.listed().map(|a| self.source_report(a, now)).collect(),
        }
    }

    /// The sources that there are, without the places of those that are gone.
    fn listed(&self) -> impl Iterator<Item = &Association> {
        self.associations.iter().filter(|association| !association.is_vacant)
    }

    /// The standard error of the clock over all time at the present pace; `None` without a target or a majority.
    pub fn expected_rms(&self) -> Option<Span> {
        self.pace.and_then(|pace| pace.rms())
    }

    /// What time it is, unless nothing is known.
    pub fn read(&self, now: &Moment) -> Option<Reading> {
        self.model_at(now).map(|model| model.read(now.raw))
    }

    /// The model, unless the counter was interrupted since we were last told anything.
    pub fn model_at(&self, now: &Moment) -> Option<Model> {
        self.model.filter(|_| self.clock.slept(now).is_none())
    }

    /// What our own server tells for the next few seconds, until its bound is beyond a limit.
    pub fn dial(&self, now: &Moment, limit: Span) -> Dial {
        match self.model_at(now) {
            Some(model) => Dial::of_model(&model, &self.leaps, now.raw, self.served(now), limit),
            None => Dial::unsynchronised(now.raw, Time::from_epoch(now.local.since_epoch())),
        }
    }

    /// What our own server says of itself. Its distance is our bound, whatever part of it is called delay.
    pub fn served(&self, now: &Moment) -> Served {
        let (Some(model), Some(upstream)) = (self.model_at(now), self.upstream()) else {
            return Served::unsynchronised();
        };
        let Some(word) = &upstream.last else { return Served::unsynchronised() };
        let reading = model.read(now.raw);
        let delay = word.root_delay + word.delay.max(Span::ZERO);
        Served {
            // A stratum beyond 15 is none: two servers that had their time from each other would count up to it.
            synchronised: reading.bound() < self.policy.trust.max_distance && word.stratum < 15,
            leap: match self.leap_of_the_day(reading.best) {
                None => Leap::None,
                Some(LeapKind::Inserted) => Leap::Insert,
                Some(LeapKind::Deleted) => Leap::Delete,
            },
            stratum: word.stratum.saturating_add(1).min(15),
            reference_id: match upstream.policy.reference {
                Some(reference) => reference.id,
                None => upstream.address().map_or([0; 4], |address| reference_id_of(address.ip())),
            },
            reference: self.leaps.utc_of_tai(model.best).time,
            precision: PRECISION,
            root_delay: delay,
            root_dispersion: (reading.bound() - delay.half()).max(Span::ZERO),
        }
    }

    /// The truechimer that is nearest to its reference.
    fn upstream(&self) -> Option<&Association> {
        let distance = |association: &Association| {
            let last = association.last.as_ref();
            last.map_or(Span::MAX, |word| word.root_distance() + word.delay.half())
        };
        let members = self.selected.truechimers.iter().map(|index| &self.associations[index]);
        members.min_by_key(|association| distance(association))
    }

    fn source_report(&self, association: &Association, now: &Moment) -> SourceReport {
        let limits = self.oscillator.limits(now.raw);
        let bracket = association.say(now.raw, limits, self.policy.trust.max_distance);
        let estimate = association.estimator().map(|estimator| estimator.estimate(now.raw));
        let furthest = |from: Time<Tai>| {
            bracket.map(|bracket| (from - bracket.earliest).abs().max((bracket.latest - from).abs()))
        };
        SourceReport {
            name: association.policy.name.clone(),
            operator: association.policy.operator.clone(),
            address: association.address(),
            pool: association.policy.pool.as_ref().map(|pool| pool.name.clone()),
            is_reference: association.policy.reference.is_some(),
            reference_name: association.policy.reference.map(|reference| reference.id),
            role: role_of(association),
            is_upstream: self.upstream().is_some_and(|upstream| upstream.id == association.id),
            key: association.policy.key.as_deref().map(|key| KeyReport {
                id: key.id(),
                kind: key.kind(),
                bits: key.bits(),
            }),
            nts: association.nts.as_ref().map(|keyring| self.nts_report(keyring, now)),
            departures: association.interleaving.as_ref().map(|interleaving| interleaving.told()),
            standing: self.standing(association, bracket.is_some(), now),
            reach: association.reach.bits(),
            interval: association.schedule.interval(),
            traffic: association.schedule.traffic(),
            due: association.schedule.due(),
            samples: association.estimator().map_or(0, |estimator| estimator.samples()),
            last: self.last_answer(association, now),
            offset: estimate.map(|estimate| self.offset_of(estimate.tai, now.local)),
            sigma: estimate.map(|estimate| Span::from_seconds(estimate.sigma)),
            bound: estimate.and_then(|estimate| furthest(estimate.tai)),
            extent: association
                .extent(now.raw, limits)
                .map(|extent| [extent.earliest, extent.latest].map(|tai| self.offset_of(tai, now.local))),
            residual: estimate
                .zip(self.model_at(now))
                .map(|(estimate, model)| Rate::from_ratio(estimate.rate) - model.rate),
            residual_error: estimate.map(|estimate| Rate::from_ratio(estimate.rate_sigma)),
            smearing: self.smearing(association, now),
            spread: association.spread(),
            refusals: Refusal::ALL
                .into_iter()
                .map(|refusal| (refusal, association.refusals[refusal.index()]))
                .filter(|&(_, count)| count > 0)
                .collect(),
            misreadings: Misreading::ALL
                .into_iter()
                .map(|misreading| (misreading, association.misreadings[misreading.index()]))
                .filter(|&(_, count)| count > 0)
                .collect(),
        }
    }

    fn smearing(&self, association: &Association, now: &Moment) -> Option<Smearing> {
        let (word, measured) = (association.last.as_ref()?, association.measured.as_ref()?);
        let model = self.model_at(now);
        let told = model.map(|model| (model.rate.over(now.raw - measured.at), model.read(now.raw))).map(
            |(gained, reading)| Told {
                tai: measured.tai,
                truth: reading.best - (now.raw - measured.at) - gained,
                slack: measured.distance + reading.bound(),
            },
        );
        Smearing::of(word.stratum, word.reference_id, told, &self.leaps)
    }

    fn nts_report(&self, keyring: &Keyring, now: &Moment) -> NtsReport {
        let utc = self.read(now).map(|reading| self.leaps.utc_of_tai(reading.best).time);
        NtsReport {
            aead: keyring.nts.aead(),
            cookies: keyring.nts.cookies(),
            failures: keyring.failures,
            naks: keyring.naks,
            certificate: keyring
                .certified_until
                .map(|until| CertificateReport { until, left: utc.map(|utc| until - utc) }),
        }
    }

    fn last_answer(&self, association: &Association, now: &Moment) -> Option<LastAnswer> {
        let (word, measured) = (association.last.as_ref()?, association.measured.as_ref()?);
        let passed = now.raw - measured.at;
        let rate = self.model_at(now).map_or(Rate::ZERO, |model| model.rate);
        Some(LastAnswer {
            age: now.raw - word.at,
            delay: word.delay,
            stratum: word.stratum,
            reference_id: word.reference_id,
            leap: word.leap,
            root_distance: word.root_distance(),
            measured: measured.offset,
            adjusted: self.offset_of(measured.tai + passed + rate.over(passed), now.local),
            distance: measured.distance,
        })
    }

    fn standing(&self, association: &Association, says_something: bool, now: &Moment) -> Standing {
        if says_something && !association.is_provisional() {
            return self.standing_at_the_vote(association);
        }
        let limits = self.oscillator.limits(now.raw);
        if let (None, Some(why)) = (association.same_as, association.keyless()) {
            return Standing::Keyless { why };
        }
        match (association.same_as, association.distance(now.raw, limits)) {
            (Some(of), _) => Standing::SameServer { of: self.number_in_list(of) },
            (None, _) if association.is_loop => Standing::Loop,
            (None, _) if association.is_lost => Standing::NotFound,
            (None, _) if association.is_absent => Standing::Unreachable,
            (None, _) if association.is_provisional() => Standing::Provisional,
            (None, Some(distance)) => Standing::TooVague { distance },
            (None, None) => Standing::Mute,
        }
    }

    /// Which one of the list a source is, the places of those that are gone not counted.
    fn number_in_list(&self, source: SourceId) -> SourceId {
        let before = self.listed().filter(|association| association.id < source).count();
        SourceId(before as u8)
    }

    fn standing_at_the_vote(&self, association: &Association) -> Standing {
        let (index, credit) = (association.id.index(), association.credit);
        if !self.selected.has_majority() {
            return Standing::Undecided;
        }
        match credit.outvoted_by() {
            Some(by) => Standing::Falseticker { by },
            None if self.selected.truechimers.contains(index) => Standing::Truechimer,
            None if !credit.is_good() => Standing::OnProbation { answers: credit.missing() },
            None => Standing::Undecided,
        }
    }

    /// The leap second that the local clock has before it within a day. Its own count is what matters: the kernel leaps
    /// when its clock comes to midnight, and must not be told otherwise a moment before, however late it is. A second
    /// that is repeated has it before it again, which the kernel takes for no other (`TIME_OOP`). A clock that is half
    /// a day or more from the truth would leap at a midnight that has none.
    pub(super) fn leap_ahead(&self, local: Time<Local>, offset: Span) -> Option<LeapKind> {
        if offset.abs() >= Span::from_secs(43_200) {
            return None;
        }
        let utc = Time::<Utc>::from_epoch(local.since_epoch());
        let next = self.leaps.leaps().iter().find(|leap| utc < leap.midnight())?;
        (next.midnight() - utc <= Span::from_secs(86_400)).then_some(next.kind())
    }

    /// The leap second at the end of the UTC day of an instant, by the table.
    pub(super) fn leap_of_the_day(&self, tai: Time<Tai>) -> Option<LeapKind> {
        let next = self.leaps.next_leap_after(tai)?;
        let is_today = next.ends() - tai <= Span::from_secs(86_400);
        is_today.then_some(next.kind())
    }
}

fn role_of(association: &Association) -> Role {
    let policy = &association.policy;
    Role {
        has_vote: association.has_vote(),
        prefer: policy.prefer,
        trust: policy.trust,
        require: policy.require,
    }
}

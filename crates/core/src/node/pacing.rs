//! When whom: from what the estimates will be worth to when each source is asked.

use alloc::vec::Vec;

use truechimer_time::{Raw, Span, Time};

use super::Node;
use crate::discipline::estimator::Reception;
use crate::event::{Event, Paced};
use crate::measure::sample::Sample;
use crate::moment::Moment;
use crate::policy::{Policy, Rhythm};
use crate::source::SourceSet;
use crate::source::association::{Association, Hearing};
use crate::source::pace::{Growth, Pace};

/// Where there is a target but nobody to believe, each source is asked so often.
const WITHOUT_MAJORITY: Span = Span::from_secs(1024);

/// An answer that is further from what was expected than so many standard deviations, and than its own delay explains,
/// is surprising: in a life of ten questions a day that happens by chance once in years.
const UNEXPECTED_SIGMAS: f64 = 4.0;

/// An answer, and what it was to us.
#[derive(Clone, Copy)]
pub(super) struct News {
    /// The source, by its place.
    pub(super) index: usize,
    /// It was believed until now.
    pub(super) was_believed: bool,
    /// It is where all together had foreseen it.
    pub(super) is_expected: bool,
    /// What its own estimate made of it.
    pub(super) hearing: Hearing,
}

impl News {
    fn is_surprise(&self) -> bool {
        self.hearing.contradiction.is_some() || self.hearing.reception == Reception::Surprise
    }

    fn is_odd(&self) -> bool {
        self.is_surprise() || self.hearing.reception == Reception::Suspect || !self.is_expected
    }
}

/// The pace that a policy asks for.
pub(super) fn pace_of(policy: &Policy) -> Option<Pace> {
    match policy.rhythm {
        Rhythm::Adaptive => policy.accuracy.map(Pace::towards),
        Rhythm::Classic => None,
    }
}

impl Node {
    /// A source has answered, and what follows for the time has been decided: who is asked next, and when?
    pub(super) fn reschedule(&mut self, now: &Moment, news: News) {
        let index = news.index;
        match (self.policy.rhythm, self.pace.is_some()) {
            (Rhythm::Adaptive, true) => {
                self.set_pace(now);
                self.take_turns(now);
                if news.is_odd() {
                    self.look_again(now, news);
                }
                self.reconsider_status(now);
            }
            (Rhythm::Adaptive | Rhythm::Classic, _) if news.is_surprise() => {
                self.associations[index].schedule.surprised(now.mono);
            }
            (Rhythm::Adaptive, false) if news.is_odd() => self.associations[index].schedule.hasten(now.mono),
            (Rhythm::Adaptive, false) => self.associations[index].schedule.content(),
            (Rhythm::Classic, _) => self.associations[index].schedule.double(),
        }
        self.tell_intervals();
    }

    /// Is a sample where all together foresee it? Where is asked rarely, its own source cannot tell: in hours of silence
    /// its clock or ours may have gone far.
    pub(super) fn is_expected(&self, sample: &Sample) -> bool {
        let expected = self.pace.and_then(|_| self.joint.estimate(sample.at));
        expected.is_none_or(|expected| {
            let doubt = Span::from_seconds(UNEXPECTED_SIGMAS * expected.sigma);
            sample.earliest - doubt <= expected.tai && expected.tai <= sample.latest + doubt
        })
    }

    /// Intervals may be so long that a question without an answer cannot wait for the next.
    pub(super) fn asks_rarely(&self) -> bool {
        self.pace.is_some() || self.policy.rhythm == Rhythm::Classic
    }

    /// Those whose estimates are combined and who are asked over the network.
    fn members(&self) -> SourceSet {
        let believed = match self.selected.has_majority() {
            true => self.preferred(self.selected.truechimers),
            false => SourceSet::default(),
        };
        let is_asked = |&index: &usize| {
            let association = &self.associations[index];
            association.estimator().is_some() && association.policy.reference.is_none()
        };
        believed.iter().filter(is_asked).collect()
    }

    /// How rarely the target allows all members together to be asked, now that one has answered.
    fn set_pace(&mut self, now: &Moment) {
        let members = self.members();
        let Some(mut pace) = self.pace else { return };
        let growth = self.limits_together(members).and_then(|(shortest, longest)| {
            let stretch = pace.reach(shortest, longest);
            let variances = self.variances_ahead(now.raw, stretch)?;
            Some((Growth::through(stretch, variances), shortest))
        });
        match growth {
            Some((growth, shortest)) => pace.set(&growth, shortest, now.mono),
            None => pace.lose(),
        }
        self.pace = Some(pace);
    }

    /// The shortest and the longest time between two questions, whomever they go to, while each of the members is asked
    /// in turn and within its limits. `None` without members.
    fn limits_together(&self, members: SourceSet) -> Option<(Span, Span)> {
        let count = i64::try_from(members.iter().count()).unwrap_or(1).max(1);
        let limits = || members.iter().map(|index| self.associations[index].schedule.limits());
        let shortest = limits().map(|(least, _)| least).min()?;
        let longest = limits().map(|(_, most)| most).min()?;
        Some((shortest / count, longest / count))
    }

    /// What the variance of the time will be, in s², at the shares of a stretch from now on in which nothing is measured.
    /// The doubt about the asymmetry of paths is left out, because no question can lessen it.
    fn variances_ahead(&self, now: Time<Raw>, stretch: Span) -> Option<[f64; 4]> {
        let joint = |at| self.joint.estimate(at).map(|estimate| estimate.sigma * estimate.sigma);
        let start = joint(now)?;
        let mut variances = [self.joint.lessenable(|index| self.associations[index].estimator())?; 4];
        for (variance, share) in variances.iter_mut().zip(Growth::SHARES) {
            let ahead = now + Span::from_seconds(stretch.as_seconds() * share);
            *variance += (joint(ahead)? - start).max(0.0);
        }
        Some(variances)
    }

    /// The members are asked in turn, at the pace: who has waited longest comes first. All others are asked as often as
    /// each of the members, so that they can be believed again.
    fn take_turns(&mut self, now: &Moment) {
        let members = self.members();
        let mut waiting: Vec<usize> = members.iter().collect();
        waiting.sort_by_key(|&index| self.associations[index].schedule.last_asked());
        let pace = self.pace.and_then(|pace| pace.interval());
        let round = pace.map_or(WITHOUT_MAJORITY, |pace| times(pace, waiting.len()));
        for (turn, &index) in waiting.iter().enumerate() {
            let wait = pace.map_or(round, |pace| times(pace, turn + 1));
            self.associations[index].schedule.plan(now.mono, wait, round);
        }
        let is_other = |other: &&mut Association| {
            let is_asked = !other.is_vacant && other.policy.reference.is_none();
            is_asked && !members.contains(other.id.index())
        };
        for association in self.associations.iter_mut().filter(is_other) {
            let schedule = &mut association.schedule;
            let asked = schedule.last_asked().unwrap_or(now.mono);
            schedule.plan(now.mono, (asked + round - now.mono).max(Span::ZERO), round);
        }
    }

    /// Something is not as expected: either this source, or the way to it, or our own counter. It is asked again, and if
    /// it was believed, so are all others: together they know.
    fn look_again(&mut self, now: &Moment, News { index, was_believed, .. }: News) {
        for (other, association) in self.associations.iter_mut().enumerate() {
            match other == index {
                true => association.schedule.follow_up(now.mono),
                false if was_believed => association.schedule.hasten(now.mono),
                false => {}
            }
        }
    }

    pub(super) fn tell_intervals(&mut self) {
        for index in 0..self.associations.len() {
            let association = &mut self.associations[index];
            if association.schedule.is_news() {
                let (interval, traffic) = (association.schedule.interval(), association.schedule.traffic());
                let paced = Paced { source: association.id, interval, traffic };
                self.tell(Event::Paced(paced));
            }
        }
    }
}

fn times(span: Span, count: usize) -> Span {
    span * i64::try_from(count).unwrap_or(i64::MAX)
}

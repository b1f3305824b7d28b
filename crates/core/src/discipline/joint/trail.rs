//! The last steps of one source, from which the joint filter can begin anew.

use alloc::collections::VecDeque;

use super::filter::Voice;
use super::{ASYMMETRY, TRAIL_MAX};
use crate::discipline::estimator::Step;
use crate::discipline::follower::Follower;
use crate::measure::sample::Sample;

/// What happened to one source, the oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Trail {
    steps: VecDeque<Step>,
}

impl Trail {
    /// More has happened.
    pub(super) fn extend(&mut self, steps: &[Step]) {
        for step in steps {
            match step {
                Step::BeganAnew => self.steps.clear(),
                Step::Took(_) | Step::Changed(_) | Step::Recalled(_) => self.push(*step),
                Step::Dropped(_) => {}
            }
        }
    }

    fn push(&mut self, step: Step) {
        if self.steps.len() == TRAIL_MAX {
            self.steps.pop_front();
        }
        self.steps.push_back(step);
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Step> + ExactSizeIterator {
        self.steps.iter()
    }

    /// The source as the filter wants it; `None` if it has given no exchange yet.
    pub(super) fn voice<'a>(&'a self, source: usize, estimator: &'a Follower) -> Option<Voice<'a>> {
        let newest = self.iter().rev().find_map(taken)?;
        let furthest = estimator.delay_min().half().max(truechimer_time::Span::ZERO) + newest.distance;
        Some(Voice { source, trail: self, estimator, asymmetry: ASYMMETRY * furthest.as_seconds() })
    }
}

/// The exchange of a step that took one in.
pub(super) fn taken(step: &Step) -> Option<&Sample> {
    match step {
        Step::Took(sample) => Some(sample),
        Step::Dropped(_) | Step::Changed(_) | Step::Recalled(_) | Step::BeganAnew => None,
    }
}

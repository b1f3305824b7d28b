//! Reading the reference clocks of this machine.
//!
//! They are read when they are due, and what they say goes the way of all samples. They have no part in the pace at which
//! others are asked: reading them bothers nobody.

use truechimer_time::{Mono, Rate, Raw, Span, Time};

use super::{Action, Node};
use crate::discipline::estimator::Reception;
use crate::discipline::oscillator::RateLimits;
use crate::event::Event;
use crate::measure::reference::{Bench, Misreading, Reading};
use crate::moment::Moment;
use crate::source::SourceId;
use crate::source::association::{Hearing, LastWord};

/// A pulse is read so long after it, by when the kernel has surely stamped it, and its stamp is fresh.
const AFTER_PULSE: Span = Span::from_millis(10);

/// From one pulse to the next.
const SECOND: Span = Span::from_secs(1);

impl Node {
    /// Reads a reference clock whose time has come. One that is still being read has missed its turn.
    pub(super) fn read_if_due(&mut self, now: &Moment, index: usize) {
        let association = &mut self.associations[index];
        if association.schedule.due() > now.mono {
            return;
        }
        association.schedule.asked(now.mono, 0.0);
        let missed = core::mem::replace(&mut association.is_being_read, true);
        let source = association.id;
        if missed {
            self.missed(now, index);
        }
        self.actions.push_back(Action::Read(source));
    }

    /// A reference clock was read.
    pub(super) fn read_of(&mut self, now: &Moment, source: SourceId, reading: Result<Reading, Misreading>) {
        let index = source.index();
        let Some(association) = self.associations.get_mut(index) else { return };
        association.is_being_read = false;
        match reading {
            Ok(reading) => self.judge(now, index, &reading),
            Err(misreading) => self.misread(now, index, misreading),
        }
    }

    fn judge(&mut self, now: &Moment, index: usize, reading: &Reading) {
        let Some(vouched) = self.associations[index].policy.reference else { return };
        if vouched.is_pulse {
            self.wait_for_pulse(now, index, reading.at());
        }
        let bench = Bench {
            leaps: &self.leaps,
            floor: self.floor,
            now: now.raw,
            limits: RateLimits::around(Rate::ZERO, self.policy.trust.max_rate),
            known: self.model.map(|model| model.read(reading.at())),
        };
        let sample = match reading.judge(&vouched, &bench) {
            Ok(sample) => sample,
            Err(misreading) => return self.misread(now, index, misreading),
        };
        if self.associations[index].is_stray(&sample, self.oscillator.limits(now.raw)) {
            return self.misread(now, index, Misreading::Stray);
        }
        self.polled(now, index, true);
        let word = LastWord::of_reference(&sample, reading.leap(), &vouched);
        let hearing = self.take_in(now, index, (&sample, word));
        self.read_again(now, index, hearing);
    }

    fn misread(&mut self, now: &Moment, index: usize, misreading: Misreading) {
        let association = &mut self.associations[index];
        let counter = &mut association.misreadings[misreading.index()];
        *counter = counter.saturating_add(1);
        let source = association.id;
        self.tell(Event::Misread { source, misreading });
        match misreading.proves_presence() {
            true => {
                self.polled(now, index, true);
            }
            false => self.missed(now, index),
        }
    }

    fn missed(&mut self, now: &Moment, index: usize) {
        self.polled(now, index, false);
        self.review(now);
    }

    /// How soon it is read again: as often as may be after a surprise, else ever more rarely.
    fn read_again(&mut self, now: &Moment, index: usize, hearing: Hearing) {
        let schedule = &mut self.associations[index].schedule;
        match hearing.contradiction.is_some() || hearing.reception == Reception::Surprise {
            true => schedule.surprised(now.mono),
            false => schedule.content(),
        }
        self.tell_intervals();
    }

    /// The next reading comes just after a pulse.
    fn wait_for_pulse(&mut self, now: &Moment, index: usize, last: Time<Raw>) {
        let schedule = &mut self.associations[index].schedule;
        let wanted = schedule.due();
        schedule.defer(after_pulse(now, last, wanted));
    }
}

/// The first instant that is just after a pulse and no earlier than `wanted`, if there was a pulse at `last`.
fn after_pulse(now: &Moment, last: Time<Raw>, wanted: Time<Mono>) -> Time<Mono> {
    let first = now.mono + (last - now.raw) + AFTER_PULSE;
    let (whole, part) = (wanted - first).split();
    let pulses = whole + i128::from(part > 0);
    first + SECOND * i64::try_from(pulses).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pulse_is_read_just_after_it() {
        let at = |millis| Span::from_millis(millis);
        let now = Moment {
            raw: Time::from_epoch(at(50_300)),
            mono: Time::from_epoch(at(70_000)),
            local: Time::EPOCH,
            asleep: Span::ZERO,
            width: Span::ZERO,
        };
        let last = Time::from_epoch(at(50_100));
        let next = |wanted| after_pulse(&now, last, Time::from_epoch(at(wanted))).since_epoch();
        assert_eq!(next(71_000), at(71_810), "the pulse of 71.8 s");
        assert_eq!(next(71_810), at(71_810));
        assert_eq!(next(71_811), at(72_810));
        assert_eq!(next(60_000), at(60_810), "whatever is wanted");
    }
}

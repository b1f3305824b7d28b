//! Does the clock do what it was told, and is the counter whole?

use truechimer_time::leap::Leap;
use truechimer_time::{LeapKind, Local, Mono, Rate, Span, Time, Utc};

use super::{Action, Input, Node, Steering, history_of};
use crate::discipline::servo::Verdict;
use crate::event::{Event, Interruption, SteeringFault};
use crate::moment::Moment;
use crate::status::Status;

/// A clock that is further from where it should be than this, and than what follows, was moved by somebody else.
const TOLERANCE: Span = Span::from_micros(500);

/// A kernel clock keeps the rate that it was given to well within this.
const RATE_TOLERANCE: Rate = Rate::from_ppb(2_000);

/// A sleep shorter than this is the noise of reading two clocks.
const SLEEP_MIN: Span = Span::from_millis(10);

/// The kernel leaps when its own clock is at midnight, which is so far from the true one at most.
const LEAP_APART: Span = Span::from_secs(2);

/// Apart from the second itself the clock did what it always does.
const LEAP_TOLERANCE: Span = Span::from_millis(100);

/// A clock that is so near the model when a slew ends needs no other.
const SETTLED: Span = Span::from_nanos(200);

/// Where the clock was and how fast it was told to run.
#[derive(Clone, Debug)]
pub(super) struct ClockWatch {
    anchor: Moment,
    rate: Rate,
    watched: Time<Mono>,
    commands_out: u32,
    fault: Option<SteeringFault>,
}

impl ClockWatch {
    pub(super) fn new(now: &Moment, rate: Rate) -> Self {
        Self { anchor: *now, rate, watched: now.mono, commands_out: 0, fault: None }
    }

    /// The rate of the clock against the raw counter, as it was last told.
    pub(super) fn rate(&self) -> Rate {
        self.rate
    }

    /// When the clock was last looked at.
    pub(super) fn watched(&self) -> Time<Mono> {
        self.watched
    }

    /// How long the machine has slept since we last looked, if it has. A kernel that takes the length of a sleep from a
    /// clock that is set back meanwhile may tell of a negative one: the counter stood still all the same.
    pub(super) fn slept(&self, now: &Moment) -> Option<Span> {
        let slept = (now.asleep - self.anchor.asleep).abs();
        (slept > SLEEP_MIN).then_some(slept)
    }

    /// How much further the clock is than it should be, where that is more than it may be.
    fn surprise(&self, now: &Moment) -> Option<Span> {
        let passed = now.raw - self.anchor.raw;
        let expected = self.anchor.local + passed + self.rate.over(passed);
        let surprise = now.local - expected;
        let allowed = TOLERANCE + self.anchor.width + now.width + RATE_TOLERANCE.over(passed.abs());
        (self.commands_out == 0 && surprise.abs() > allowed).then_some(surprise)
    }

    /// A step moves the clock against the monotonic one; a change of rate moves both.
    fn is_step(&self, now: &Moment, surprise: Span) -> bool {
        let jump = (now.local - self.anchor.local) - (now.mono - self.anchor.mono);
        (jump - surprise).abs() < surprise.abs().half()
    }
}

impl Node {
    /// Looks at the clock. A look that finds nothing leaves no trace in the node but the time of the next look, so
    /// that a record of what happened need not hold it.
    pub(super) fn watch_clock(&mut self, now: &Moment, input: &Input) {
        if let Some(slept) = self.clock.slept(now) {
            self.slept(now, slept);
        } else if let Some(by) = self.clock.surprise(now) {
            match self.leap_passed(now, by) {
                Some(kind) => self.clock_leapt(now, kind),
                None => self.clock_was_moved(now, by),
            }
        }
        self.clock.watched = now.mono;
        match input {
            Input::Wake => {}
            Input::Resolved { .. }
            | Input::Agreed { .. }
            | Input::Here { .. }
            | Input::Sent { .. }
            | Input::Unsent { .. }
            | Input::Heard { .. }
            | Input::Vouched { .. }
            | Input::Read { .. }
            | Input::Steered { .. }
            | Input::Temperature { .. }
            | Input::Interrupted(_)
            | Input::NetworkChanged
            | Input::Starved { .. }
            | Input::Ordered(_) => self.anchor_clock(now),
        }
    }

    /// Looks at the clock from here on. Not while a command is on its way: it may take effect before or after.
    fn anchor_clock(&mut self, now: &Moment) {
        if self.clock.commands_out == 0 {
            self.clock.anchor = *now;
        }
    }

    /// The raw counter stood still while the machine slept: nothing that was said about it holds any more.
    fn slept(&mut self, now: &Moment, slept: Span) {
        self.clock.anchor = *now;
        self.oscillator.interrupted(now.raw, slept);
        self.servo.interrupted();
        self.void(now, Event::Suspended { slept });
    }

    /// The same, where something else than a clock tells. Another counter, or the same in another machine, has another
    /// rate: what was learned of the old one is worth nothing.
    pub(super) fn interrupted(&mut self, now: &Moment, interruption: Interruption) {
        match interruption {
            Interruption::Paused { by } => self.oscillator.interrupted(now.raw, by.abs()),
            Interruption::Moved | Interruption::Recounted => {
                self.oscillator.forget();
                self.history = history_of(None);
            }
        }
        self.servo.interrupted();
        self.void(now, Event::Interrupted(interruption));
    }

    /// What is known of the time is void: it is measured anew. No leave to step goes with that: what the sources say can
    /// bring it about.
    pub(super) fn void(&mut self, now: &Moment, because: Event) {
        (self.model, self.reckoning) = (None, None);
        self.history.interrupted();
        self.abandon_exchanges();
        for association in &mut self.associations {
            association.forget();
        }
        self.carry_out(now, Verdict::Hold);
        self.tell(because);
        self.unsettle_bootstrap(now);
        self.change_status(now, Status::Disrupted);
        self.ask_all_soon(now);
    }

    /// The leap second that the clock has passed since we last looked, if it moved by just that.
    fn leap_passed(&self, now: &Moment, by: Span) -> Option<LeapKind> {
        let utc = |local: Time<Local>| Time::<Utc>::from_epoch(local.since_epoch());
        let (from, to) = (utc(self.clock.anchor.local) - LEAP_APART, utc(now.local) + LEAP_APART);
        let passed = |leap: &&Leap| from <= leap.midnight() && leap.midnight() <= to;
        let kind = self.leaps.leaps().iter().rev().find(passed)?.kind();
        let leap = match kind {
            LeapKind::Inserted => Span::from_secs(-1),
            LeapKind::Deleted => Span::from_secs(1),
        };
        ((by - leap).abs() <= LEAP_TOLERANCE).then_some(kind)
    }

    /// The clock did what it was told to do at this midnight. An exchange under way may have stamps of either side.
    fn clock_leapt(&mut self, now: &Moment, kind: LeapKind) {
        self.clock.anchor = *now;
        self.tell(Event::Leapt { kind });
        self.abandon_exchanges();
        self.publish_now(now);
    }

    /// The model is on the raw counter and not touched by this; the clock has to be brought back.
    fn clock_was_moved(&mut self, now: &Moment, by: Span) {
        let passed = (now.raw - self.clock.anchor.raw).as_seconds();
        let event = match self.clock.is_step(now, by) {
            true => Event::MovedByOthers { by },
            false => Event::RetunedByOthers { by: Rate::from_ratio(by.as_seconds() / passed.max(1e-3)) },
        };
        self.clock.anchor = *now;
        if let Event::MovedByOthers { .. } = event {
            self.give_clock_a_chance(now);
        }
        self.tell(event);
        self.abandon_exchanges();
        self.ask_all_soon(now);
        self.steer_again(now);
        self.publish_now(now);
    }

    /// Gives a command to the clock.
    pub(super) fn command(&mut self, command: Steering) {
        self.clock.commands_out += 1;
        self.actions.push_back(Action::Steer(command));
    }

    pub(super) fn steered(&mut self, now: &Moment, command: Steering, outcome: Result<Rate, SteeringFault>) {
        self.clock.commands_out = self.clock.commands_out.saturating_sub(1);
        match outcome {
            Ok(rate) => (self.clock.rate, self.clock.fault) = (rate, None),
            Err(fault) => self.steering_failed(now, fault),
        }
        if let (Steering::Step(by) | Steering::Mend(by), Ok(_)) = (command, outcome) {
            self.tell(Event::Stepped { by });
            self.publish_now(now);
        }
        self.anchor_clock(now);
    }

    /// It is tried again, and told once until another fault or a success.
    fn steering_failed(&mut self, now: &Moment, fault: SteeringFault) {
        self.servo.failed(now.mono);
        if self.clock.fault.replace(fault) != Some(fault) {
            self.tell(Event::SteeringFailed { fault });
        }
    }

    /// When a slew has gained what it should, the clock goes on at the model's rate, or once more towards it.
    pub(super) fn end_slew_if_due(&mut self, now: &Moment) {
        if self.servo.slew_ends().is_some_and(|end| end <= now.mono) {
            self.steer_again(now);
        }
    }

    /// Leaves the clock at the rate that holds without us.
    pub(super) fn rest(&mut self, now: &Moment) {
        self.carry_out(now, Verdict::Hold);
    }

    /// Steers by the model that there is.
    pub(super) fn steer_again(&mut self, now: &Moment) {
        let Some(model) = self.model else { return self.carry_out(now, Verdict::Hold) };
        let reading = model.read(now.raw);
        let error = self.offset_of(reading.best, now.local);
        let verdict = match self.servo.is_panicking() {
            true => Verdict::Refuse { error },
            false if error.abs() > reading.sigma.max(SETTLED) => {
                self.servo.correct(error, self.measuring_interval())
            }
            false => Verdict::Hold,
        };
        self.carry_out(now, verdict);
    }
}

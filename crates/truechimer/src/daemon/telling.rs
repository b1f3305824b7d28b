//! Telling what happened: to people, to the record, to the history, to subscribers, to the hook.

use std::io;

use truechimer_core::event::Event;
use truechimer_core::moment::Moment;
use truechimer_core::status::Status;
use truechimer_sys::clock as clocks;
use truechimer_sys::{memory, system};
use truechimer_time::Span;

use super::Daemon;
use super::chronicle::Chronicle;
use super::control::Control;
use super::statistics::Recorder;
use super::story;
use crate::config::Level;
use crate::happened::{Happened, STEP_AHEAD, StepMap};
use crate::history::Told;
use crate::state::Machine;
use crate::talk::Reply;
use crate::ui::units;

impl Daemon {
    pub(super) fn tell(&mut self, event: &Event) {
        *self.told.entry(event.label()).or_default() += 1;
        self.story.tell(event);
        let status = self.node.status();
        self.record(|recorder| recorder.event(event, status));
        self.spread(event);
        if let Event::StatusChanged { to, .. } = event {
            self.tell_supervisor();
            if *to == Status::Synchronised {
                // The start is over: arguments, configuration, keys.
                memory::let_go_of_code();
            }
        }
    }

    /// Statistics that cannot be written are given up, with a word: the clock is more important.
    pub(super) fn record(&mut self, write: impl FnOnce(&mut Recorder) -> io::Result<()>) {
        let outcome = self.recorder.as_mut().map_or(Ok(()), write);
        if let Err(error) = outcome {
            self.story.say(Level::Error, &format!("statistics end here, they cannot be written: {error}"));
            self.recorder = None;
        }
    }

    pub(super) fn begin_history(&mut self) {
        let (now, machine) = (self.now(), Machine::here());
        let boot = system::boot_id().unwrap_or_default();
        self.chronicle(|chronicle| chronicle.born(&now, &boot, &machine.clocksource));
    }

    /// What people are told goes into the history, to the subscribers and to the hook as well.
    pub(super) fn spread(&mut self, event: &Event) {
        let level = story::gravity(event);
        if level > Level::Info {
            return;
        }
        let step = if let Event::Stepped { .. } = event { self.step.take() } else { None };
        let (label, by, words) = (event.label(), event.by(), self.story.words(event));
        self.spread_words(Told { tai: None, level, label: label.to_owned(), by, words }, step);
    }

    /// Before a step is made, whoever wants to know it does.
    pub(super) fn announce_step(&mut self, by: Span) {
        let words = format!("the clock is about to be stepped by {}", units::offset(by));
        let label = STEP_AHEAD.to_owned();
        self.spread_words(Told { tai: None, level: Level::Info, label, by: Some(by), words }, None);
    }

    pub(super) fn spread_words(&mut self, told: Told, step: Option<(Moment, Moment)>) {
        let (now, status) = (self.now(), self.node.status());
        let told = Told { tai: self.node.read(&now).map(|reading| reading.best), ..told };
        let has_ears = self.hook.is_some() || self.control.as_ref().is_some_and(Control::has_subscribers);
        if has_ears {
            let map = step.map(|(before, after)| StepMap::between(&before, &after));
            let happened = Happened { map, ..Happened::of(&now, status, &told, &self.leaps) };
            self.hook.iter_mut().for_each(|hook| hook.call(happened.clone()));
            let reply = Reply::Happened(Box::new(happened));
            self.control.iter_mut().for_each(|control| control.tell(&reply));
        }
        self.chronicle(|chronicle| chronicle.told(&now, told));
        self.tend_hook();
    }

    pub(super) fn chronicle(&mut self, write: impl FnOnce(&mut Chronicle) -> Result<(), String>) {
        if let Some(Err(why)) = self.chronicle.as_mut().map(write) {
            self.story.say(Level::Error, &why);
        }
    }

    pub(super) fn tend_hook(&mut self) {
        let Some(hook) = &mut self.hook else { return };
        for complaint in hook.turn(clocks::mono()) {
            self.story.say(Level::Warn, &complaint);
        }
    }
}
